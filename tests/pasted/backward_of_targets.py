import numpy as np


class Regressor:
    def __init__(self, n_in, n_hidden, n_out):
        rng = np.random.default_rng(4)
        self.weights1 = rng.normal(0, 0.4, (n_in, n_hidden))
        self.weights2 = rng.normal(0, 0.4, (n_hidden, n_out))

    def forward(self, X):
        self.X = X
        self.hidden = np.tanh(X @ self.weights1)
        self.out = self.hidden @ self.weights2
        return self.out

    def backward(self, targets):
        self.dout = (self.out - targets) / len(targets)
        self.dweights2 = self.hidden.T @ self.dout
        self.dhidden = self.dout @ self.weights2.T * (1 - self.hidden**2)
        self.dweights1 = self.X.T @ self.dhidden


rng = np.random.default_rng(5)
X = rng.normal(size=(20, 4))
targets = np.sin(X[:, :2])
net = Regressor(4, 6, 2)
for step in range(30):
    net.forward(X)
    net.backward(targets)
    net.weights1 -= 0.1 * net.dweights1
    net.weights2 -= 0.1 * net.dweights2
