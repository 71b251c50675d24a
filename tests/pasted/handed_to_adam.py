import numpy as np

rng = np.random.default_rng(8)


class Regressor:
    def __init__(self, n_in, n_hid):
        self.p = {"W": 0.5 * rng.normal(size=(n_in, n_hid)), "b": np.zeros(n_hid), "V": 0.5 * rng.normal(size=(n_hid, 1))}

    def run_on(self, X):
        self.X, self.h = X, np.tanh(X @ self.p["W"] + self.p["b"])
        self.kept = (rng.random(self.h.shape) < 0.8) / 0.8
        self.out = (self.h * self.kept) @ self.p["V"]
        return self.out

    def loss(self, y):
        return np.mean((self.out - y) ** 2)

    def slopes(self, y):
        d = 2 * (self.out - y) / len(y)
        dh = (d @ self.p["V"].T) * (1 - self.h ** 2) * self.kept
        return {"W": self.X.T @ dh, "b": dh.sum(axis=0), "V": (self.h * self.kept).T @ d}


class Adam:
    def __init__(self, p, lr=0.01):
        self.p, self.lr, self.t = p, lr, 0
        self.m = {k: np.zeros_like(v) for k, v in p.items()}
        self.s = {k: np.zeros_like(v) for k, v in p.items()}

    def step(self, g):
        self.t += 1
        for k in self.p:
            self.m[k] = 0.9 * self.m[k] + 0.1 * g[k]
            self.s[k] = 0.999 * self.s[k] + 0.001 * g[k] ** 2
            top = self.m[k] / (1 - 0.9 ** self.t)
            self.p[k] -= self.lr * top / (np.sqrt(self.s[k] / (1 - 0.999 ** self.t)) + 1e-8)


if __name__ == "__main__":
    X = rng.normal(size=(40, 3))
    y = X[:, :1] * X[:, 1:2]
    model = Regressor(3, 6)
    adam = Adam(model.p)
    for epoch in range(4):
        order = rng.permutation(40)
        for i in range(0, 40, 10):
            xb, yb = X[order[i:i + 10]], y[order[i:i + 10]]
            model.run_on(xb)
            l = model.loss(yb)
            adam.step(model.slopes(yb))
        print(epoch, l)
