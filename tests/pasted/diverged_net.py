import numpy as np


class Net:
    def __init__(self, rng):
        self.params = {"W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 1))}

    def loss_and_grads(self, X, y):
        h = np.maximum(0, X @ self.params["W"])
        residual = h @ self.params["V"] - y
        loss = 0.5 * np.sum(residual**2) / len(X)
        grads = {"V": h.T @ residual}
        grads["W"] = X.T @ (residual @ self.params["V"].T * (h > 0))
        return loss, grads


rng = np.random.default_rng(1)
X = rng.normal(size=(50, 3))
y = X.sum(1, keepdims=True)
net = Net(rng)
with np.errstate(all="ignore"):
    for step in range(100):
        loss, grads = net.loss_and_grads(X, y)
        for name in grads:
            net.params[name] -= 0.1 * grads[name]
print(loss)
