"""A net whose error method runs the forward that the step reads, so that one must come before the other."""
import numpy as np


class Layer:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_out, n_in + 1) * 0.5
        self.g = np.zeros_like(self.W)

    def run(self, values):
        self.taken = np.vstack([np.ones((1, values.shape[1])), values])
        self.values = 1 / (1 + np.exp(-self.W @ self.taken))
        return self.values


class Net:
    def __init__(self, sizes):
        self.layers = [Layer(*pair) for pair in zip(sizes, sizes[1:])]

    def out(self, rows):
        values = rows.T
        for layer in self.layers:
            values = layer.run(values)
        return values

    def squared_error(self):
        return np.sum((self.out(self.rows) - self.goals) ** 2) / (2 * self.rows.shape[0])

    def step(self, rate):
        back = (self.layers[-1].values - self.goals) / self.rows.shape[0]
        for layer in reversed(self.layers):
            back = back * layer.values * (1 - layer.values)
            layer.g = back @ layer.taken.T
            back = layer.W[:, 1:].T @ back
        for layer in self.layers:
            layer.W = layer.W - rate * layer.g

    def fit(self, rows, goals, rounds, rate=0.5):
        self.rows, self.goals = rows, goals
        for _ in range(rounds):
            self.squared_error()
            self.step(rate)


np.random.seed(2)
rows = np.random.randn(7, 3)
net = Net([3, 4, 2])
net.fit(rows, np.random.rand(2, 7), 3)
print(net.squared_error())
