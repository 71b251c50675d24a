import numpy as np

def squash(z):
    return 1 / (1 + np.exp(-z))

def slope(z):
    return squash(z) * (1 - squash(z))

class Net:
    """One sample as a column; gradients in lists, filled from the end."""
    def __init__(self, sizes):
        self.count = len(sizes)
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def run(self, x):
        zs, outs = [], [x]
        for w, c in zip(self.weights, self.biases):
            zs.append(np.dot(w, outs[-1]) + c)
            outs.append(squash(zs[-1]))
        return zs, outs

    def gradients(self, x, y):
        in_biases = [np.zeros(c.shape) for c in self.biases]
        in_weights = [np.zeros(w.shape) for w in self.weights]
        zs, outs = self.run(x)
        delta = (outs[-1] - y) * slope(zs[-1])
        in_biases[-1] = delta
        in_weights[-1] = np.dot(delta, outs[-2].transpose())
        for k in range(2, self.count):
            delta = np.dot(self.weights[-k + 1].transpose(), delta) * slope(zs[-k])
            in_biases[-k] = delta
            in_weights[-k] = np.dot(delta, outs[-k - 1].transpose())
        return in_biases, in_weights

def cost(net, x, y):
    return 0.5 * np.linalg.norm(net.run(x)[1][-1] - y) ** 2

net = Net([4, 3, 3, 2])
x, y = np.random.randn(4, 1), np.random.randn(2, 1)
