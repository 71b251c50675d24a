import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(50, 3))
y = X @ np.array([[1.0], [2.0], [3.0]])
W, b = np.zeros((3, 1)), 0.0
with np.errstate(all="ignore"):
    for i in range(2000):
        pred = X @ W + b
        loss = np.mean((pred - y) ** 2)
        dW = -2 * X.T @ (pred - y) / len(X)
        db = 2 * np.mean(pred - y)
        W -= 0.5 * dW
        b -= 0.5 * db
print(loss)
