import numpy as np

np.random.seed(1)

# toy data: XOR-like quadrants
X = np.random.randn(60, 2)
y = (X[:, 0] * X[:, 1] > 0).astype(float).reshape(-1, 1)

n_in, n_hidden, n_out = 2, 8, 1
lr = 0.5
lam = 1e-3

W1 = np.random.randn(n_in, n_hidden) * 0.5
b1 = np.zeros((1, n_hidden))
W2 = np.random.randn(n_hidden, n_out) * 0.5
b2 = np.zeros((1, n_out))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(W1, b1, W2, b2):
    h = np.tanh(X @ W1 + b1)
    p = sigmoid(h @ W2 + b2)
    return h, p


def loss(W1, b1, W2, b2):
    _, p = forward(W1, b1, W2, b2)
    ce = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    return ce + 0.5 * lam * (np.sum(W1 ** 2) + np.sum(W2 ** 2))


def gradients(W1, b1, W2, b2):
    n = X.shape[0]
    h, p = forward(W1, b1, W2, b2)
    d2 = (p - y) / n
    dW2 = h.T @ d2 + lam * W2
    db2 = d2.sum(axis=0, keepdims=True)
    d1 = (d2 @ W2.T) * (1 - h ** 2)
    dW1 = X.T @ d1 + lam * W1
    db1 = d1.sum(axis=0, keepdims=True)
    return dW1, db1, dW2, db2


for i in range(300):
    gW1, gb1, gW2, gb2 = gradients(W1, b1, W2, b2)
    W1 -= lr * gW1
    b1 -= lr * gb1
    W2 -= lr * gW2
    b2 -= lr * gb2
    if i % 100 == 0:
        print(i, loss(W1, b1, W2, b2))

_, p = forward(W1, b1, W2, b2)
print("accuracy:", np.mean((p > 0.5) == y))
