import numpy as np

class LogisticRegressionGD:
    """sklearn-like logistic regression."""
    def __init__(self, lr=0.1, n_iter=100, C=10.0):
        self.lr = lr
        self.n_iter = n_iter
        self.C = C

    def _decision(self, X):
        return X @ self.coef_ + self.intercept_

    def predict_proba(self, X):
        return 1.0 / (1.0 + np.exp(-self._decision(X)))

    def _log_loss(self, X, y):
        p = self.predict_proba(X)
        ll = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        return ll + np.dot(self.coef_, self.coef_) / (2 * self.C)

    def _gradient(self, X, y):
        err = self.predict_proba(X) - y
        g_coef = X.T @ err / len(y) + self.coef_ / self.C
        g_intercept = err.mean()
        return g_coef, g_intercept

    def fit(self, X, y):
        self.coef_ = np.zeros(X.shape[1])
        self.intercept_ = 0.0
        self.history_ = []
        for _ in range(self.n_iter):
            gw, gb = self._gradient(X, y)
            self.coef_ -= self.lr * gw
            self.intercept_ -= self.lr * gb
            self.history_.append(self._log_loss(X, y))
        return self

    def predict(self, X):
        return (self._decision(X) > 0).astype(int)

if __name__ == "__main__":
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 5))
    y = (X @ np.array([1., -2, .5, 0, 1]) + 0.3 * rng.normal(size=80) > 0).astype(int)
    clf = LogisticRegressionGD().fit(X, y)
    print("accuracy", (clf.predict(X) == y).mean())
