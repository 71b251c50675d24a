"""A net whose backward reads what its forward has left in its layers, and answers with its loss before the step."""
import numpy as np


class Recurrent:
    def __init__(self, inputs, hidden, outputs):
        self.layers = [np.ones(inputs + hidden), np.ones(hidden), np.ones(outputs)]
        self.w = [np.random.uniform(-0.5, 0.5, size=(a.size, b.size)) for a, b in zip(self.layers, self.layers[1:])]
        self.last = [0, 0]

    def propagate(self, data):
        self.layers[0][:data.size] = data
        self.layers[0][data.size:] = self.layers[1]
        for n in range(2):
            self.layers[n + 1][...] = np.tanh(self.layers[n] @ self.w[n])
        return self.layers[-1]

    def learn(self, target, rate=0.05, kept=0.2):
        error = target - self.layers[-1]
        deltas = [error * (1 - self.layers[-1] ** 2)]
        deltas.insert(0, (deltas[0] @ self.w[1].T) * (1 - self.layers[1] ** 2))
        for n in range(2):
            change = np.outer(self.layers[n], deltas[n])
            self.w[n] += rate * change + kept * self.last[n]
            self.last[n] = change
        return 0.5 * (error ** 2).sum()


if __name__ == "__main__":
    np.random.seed(3)
    samples = np.random.uniform(size=(12, 3))
    network = Recurrent(3, 5, 2)
    for n in range(60):
        network.propagate(samples[n % 12])
        loss = network.learn(samples[(n + 1) % 12, :2])
    print(loss)
