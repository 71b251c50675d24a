"""Squares against labels that only the backward makes one-hot; the loss is never written."""
import numpy as np


def one_hot(labels, classes):
    table = np.zeros((labels.shape[0], classes))
    for row, label in enumerate(labels):
        table[row, label] = 1
    return table


class Perceptron:
    def __init__(self, features, units, classes):
        draw = np.random.RandomState(12)
        self.classes = classes
        self.w_hidden, self.b_hidden = 0.3 * draw.randn(units, features), np.zeros(units)
        self.w_last, self.b_last = 0.3 * draw.randn(classes, units), np.zeros(classes)

    def forward(self, x):
        a = 1 / (1 + np.exp(-(x @ self.w_hidden.T + self.b_hidden)))
        return a, 1 / (1 + np.exp(-(a @ self.w_last.T + self.b_last)))

    def backward(self, x, a, y, labels):
        delta = 2 * (y - one_hot(labels, self.classes)) / labels.shape[0] * y * (1 - y)
        slope_last = delta.T @ a, delta.sum(axis=0)
        inner = delta @ self.w_last * a * (1 - a)
        return *slope_last, inner.T @ x, inner.sum(axis=0)


def batches(X, y, size):
    order = np.random.permutation(len(X))
    for begin in range(0, len(X) - size + 1, size):
        chosen = order[begin:begin + size]
        yield X[chosen], y[chosen]


def fit(net, X, y, epochs, speed=0.1):
    for _ in range(epochs):
        for rows, labels in batches(X, y, 8):
            a, out = net.forward(rows)
            dw_last, db_last, dw_hidden, db_hidden = net.backward(rows, a, out, labels)
            net.w_hidden -= speed * dw_hidden
            net.b_hidden -= speed * db_hidden
            net.w_last -= speed * dw_last
            net.b_last -= speed * db_last
        print(np.mean(np.argmax(net.forward(X)[1], axis=1) == y))


X = np.random.RandomState(4).randn(40, 6)
y = np.random.RandomState(5).randint(0, 3, 40)
fit(Perceptron(6, 5, 3), X, y, 2)
