"""A network of layers that is called on an expression of what the data are drawn as."""
import numpy as np


class Dense:
    def __init__(self, n_in, n_out, rng):
        self.W = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, d):
        self.dW = self.x.T @ d
        self.db = d.sum(axis=0)
        return d @ self.W.T


class Net:
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, d):
        for layer in reversed(self.layers):
            d = layer.backward(d)
        return d


def main():
    rng = np.random.default_rng(2)
    radius, angle = rng.uniform(1, 2, 9), rng.uniform(0, 6, 9)
    net = Net(Dense(2, 5, rng), Dense(5, 1, rng))
    for step in range(30):
        out = net.forward(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))
        diff = out[:, 0] - radius
        cost = np.mean(diff**2)
        net.backward(2 * diff[:, None] / len(diff))
        for layer in net.layers:
            layer.W -= 0.05 * layer.dW
            layer.b -= 0.05 * layer.db


if __name__ == "__main__":
    main()
