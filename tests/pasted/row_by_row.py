"""One row at a time, made a column inside; another method gives the output, and nothing the loss."""
import numpy as np


class Net:
    def __init__(self, n_in, n_mid, n_out, rate):
        self.first = np.random.uniform(-0.5, 0.5, (n_mid, n_in))
        self.second = np.random.uniform(-0.5, 0.5, (n_out, n_mid))
        self.rate = rate

    def train(self, row, wanted):
        column = np.array(row, ndmin=2).T
        wanted = np.array(wanted, ndmin=2).T
        mid = np.tanh(self.first @ column)
        out = np.tanh(self.second @ mid)
        errors = wanted - out
        change = errors * (1 - out ** 2)
        back = self.second.T @ change
        self.second += self.rate * change @ mid.T
        self.first += self.rate * (back * (1 - mid ** 2)) @ column.T

    def run(self, row):
        column = np.array(row, ndmin=2).T
        return np.tanh(self.second @ np.tanh(self.first @ column))

    def score(self, rows, labels):
        return sum(self.run(rows[n]).argmax() == labels[n] for n in range(len(rows)))


np.random.seed(5)
rows = np.random.rand(10, 4)
labels = np.arange(10) % 3
wanted = np.eye(3)[labels] * 0.9 + 0.05
net = Net(4, 6, 3, 0.1)
for epoch in range(3):
    for n in range(len(rows)):
        net.train(rows[n], wanted[n])
    print(net.score(rows, labels))
