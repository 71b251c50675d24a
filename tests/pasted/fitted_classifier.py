import numpy as np


class Classifier:
    """Two classes, one layer, plain descent."""

    def __init__(self, rate=0.1, rounds=50):
        self.rate = rate
        self.rounds = rounds

    def fit(self, X, y):
        count, features = X.shape
        self.w = np.zeros(features)
        self.bias = 0.0
        for _ in range(self.rounds):
            p = 1 / (1 + np.exp(-(X @ self.w + self.bias)))
            dw = X.T @ (p - y) / count
            dbias = np.mean(p - y)
            self.w = self.w - self.rate * dw
            self.bias = self.bias - self.rate * dbias
        return self

    def predict(self, X):
        return X @ self.w + self.bias > 0


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 3))
    sides = (points[:, 0] > 0).astype(int)
    model = Classifier(rate=0.5)
    model.fit(points, sides)
    print(np.mean(model.predict(points) == sides))
