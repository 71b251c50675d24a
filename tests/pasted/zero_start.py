import numpy as np


class Classifier:
    """Begins with weights of zero, where its output is one half whatever the sample."""

    def __init__(self, rate=0.1, rounds=200):
        self.rate, self.rounds = rate, rounds

    def squash(self, u):
        return 1 / (1 + np.exp(-u))

    def fit(self, X, y):
        self.coef = np.zeros(X.shape[1])
        for _ in range(self.rounds):
            p = self.squash(X.dot(self.coef))
            slope = X.T.dot(p - y) / y.size
            self.coef -= self.rate * slope
        return self
