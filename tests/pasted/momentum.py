import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(30, 4))
y = rng.normal(size=(30, 2))
w1 = rng.normal(size=(4, 5))
w2 = rng.normal(size=(5, 2))
v1, v2 = np.zeros_like(w1), np.zeros_like(w2)
lr, beta = 0.01, 0.9

for it in range(50):
    hidden = np.tanh(X @ w1)
    out = hidden @ w2
    loss = ((out - y) ** 2).mean()

    err = 2 * (out - y) / y.size
    g2 = hidden.T @ err
    g1 = X.T @ (err @ w2.T * (1 - hidden**2))

    v1 = beta * v1 + (1 - beta) * g1
    v2 = beta * v2 - lr * g2
    w1 -= lr * v1
    w2 += v2

print(loss)
