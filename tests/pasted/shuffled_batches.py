"""Batches of a permutation that is drawn in each epoch, momentum, and a loss that is a method of columns."""
import numpy as np


class Net:
    def __init__(self, sizes):
        self.p = {"U": np.random.randn(sizes[1], sizes[0]), "u": np.zeros((sizes[1], 1)),
                  "V": np.random.randn(sizes[2], sizes[1]), "v": np.zeros((sizes[2], 1))}
        self.speed = {key: np.zeros_like(value) for key, value in self.p.items()}

    def run(self, x):
        self.x = x
        self.h = np.maximum(self.p["U"] @ x.T + self.p["u"], 0)
        e = np.exp(self.p["V"] @ self.h + self.p["v"])
        return e / e.sum(axis=0)

    def cross_entropy(self, y, out):
        return -np.sum(y.T * np.log(out)) / y.shape[0]

    def back(self, y, out):
        m = y.shape[0]
        dz = (out - y.T) / m
        dh = (self.p["V"].T @ dz) * (self.h > 0)
        self.g = {"V": dz @ self.h.T, "v": dz.sum(axis=1, keepdims=True),
                  "U": dh @ self.x, "u": dh.sum(axis=1, keepdims=True)}

    def move(self, rate, kept):
        for key in self.p:
            self.speed[key] = kept * self.speed[key] + (1 - kept) * self.g[key]
            self.p[key] = self.p[key] - rate * self.speed[key]

    def train(self, x_all, y_all, size=8, rate=0.05, kept=0.9):
        for epoch in range(3):
            order = np.random.permutation(len(x_all))
            x_all, y_all = x_all[order], y_all[order]
            for begin in range(0, len(x_all), size):
                x, y = x_all[begin:begin + size], y_all[begin:begin + size]
                out = self.run(x)
                self.back(y, out)
                self.move(rate, kept)
            print(epoch, self.cross_entropy(y_all, self.run(x_all)))


np.random.seed(1)
X = np.random.randn(24, 4)
Y = np.eye(3)[np.random.randint(0, 3, 24)]
net = Net([4, 6, 3])
net.train(X, Y)
