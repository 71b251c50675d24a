import numpy as np


class GatedLayer:
    def __init__(self, n_in, n_out):
        self.A = np.random.randn(n_in, n_out) / n_in ** 0.5
        self.G = np.random.randn(n_in, n_out) / n_in ** 0.5

    def forward(self, x):
        self.x = x
        self.lin = x @ self.A
        self.gate = 1 / (1 + np.exp(-(x @ self.G)))
        return self.lin * self.gate

    def backward(self, dout):
        dlin = dout * self.gate
        dgate = dout * self.lin * self.gate * (1 - self.gate)
        self.dA = self.x.T @ dlin
        self.dG = self.x.T @ dgate
        return dlin @ self.A.T + dgate @ self.G.T

    def step(self, lr):
        self.A -= lr * self.dA
        self.G -= lr * self.dG


def squared_loss(pred, target):
    diff = pred - target
    return np.mean(diff ** 2), 2 * diff / diff.size


if __name__ == "__main__":
    np.random.seed(5)
    layer = GatedLayer(4, 3)
    pairs = [(np.random.randn(6, 4), np.random.randn(6, 3)) for _ in range(4)]
    for epoch in range(5):
        total = 0.0
        for x, y in pairs:
            out = layer.forward(x)
            loss, dout = squared_loss(out, y)
            layer.backward(dout)
            layer.step(lr=0.1)
            total += loss
        print(epoch, total / len(pairs))
