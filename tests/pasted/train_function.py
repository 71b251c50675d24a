import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def train(X, Y, hidden=5, epochs=50, lr=0.1):
    n, d = X.shape
    rng = np.random.default_rng(0)
    W1, b1 = rng.normal(size=(d, hidden)), np.zeros(hidden)
    W2, b2 = rng.normal(size=(hidden, Y.shape[1])), np.zeros(Y.shape[1])
    history = []
    for epoch in range(epochs):
        h = np.tanh(X @ W1 + b1)
        p = softmax(h @ W2 + b2)
        loss = -np.mean(np.sum(Y * np.log(p), axis=1))
        history.append(loss)
        dz = (p - Y) / n
        dW2 = h.T @ dz
        db2 = dz.sum(axis=0)
        dh = dz @ W2.T * (1 - h ** 2)
        dW1 = X.T @ dh
        db1 = dh.sum(axis=0)
        for param, grad in zip((W1, b1, W2, b2), (dW1, db1, dW2, db2)):
            param -= lr * grad
    return W1, b1, W2, b2, history

X = np.random.randn(30, 4)
Y = np.eye(3)[np.random.randint(3, size=30)]
W1, b1, W2, b2, history = train(X, Y)
print(history[-1])
