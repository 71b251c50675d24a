import numpy as np

class Classifier:
    """Steps in place, with weight decay: the gradients are what a step of rate 1 takes away."""
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = np.maximum(0, self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        exps = np.exp(self.z2 - self.z2.max(axis=1, keepdims=True))
        self.probs = exps / exps.sum(axis=1, keepdims=True)
        return self.probs

    def loss(self, X, y):
        p = self.forward(X)
        decay = 0.005 * (np.sum(self.W1 ** 2) + np.sum(self.W2 ** 2))
        return -np.mean(np.log(p[np.arange(len(y)), y])) + decay

    def backward(self, X, y, rate):
        m = X.shape[0]
        d = self.probs.copy()
        d[range(m), y] -= 1
        dW2 = self.a1.T @ d / m + 0.01 * self.W2
        db2 = np.sum(d, axis=0, keepdims=True) / m
        da1 = d @ self.W2.T
        da1[self.z1 < 0] = 0
        dW1 = X.T @ da1 / m + 0.01 * self.W1
        db1 = np.sum(da1, axis=0, keepdims=True) / m
        self.W1 -= rate * dW1
        self.b1 -= rate * db1
        self.W2 -= rate * dW2
        self.b2 -= rate * db2

net = Classifier(3, 5, 4)
X, y = np.random.randn(7, 3), np.array([0, 1, 2, 3, 0, 1, 2])

def step():
    old = [net.W1.copy(), net.b1.copy(), net.W2.copy(), net.b2.copy()]
    net.forward(X)
    net.backward(X, y, 1.0)
    return [a - b for a, b in zip(old, [net.W1, net.b1, net.W2, net.b2])]
