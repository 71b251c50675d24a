import numpy as np
rng = np.random.default_rng(1)
sizes = [3, 5, 4, 2]
W = [rng.normal(size=(m, n)) for m, n in zip(sizes[1:], sizes[:-1])]
b = [rng.normal(size=(m, 1)) for m in sizes[1:]]
x, t = rng.normal(size=(3, 6)), rng.normal(size=(2, 6))

def forward(W, b, x):
    a = [x]
    for w, c in zip(W, b):
        a.append(np.tanh(w @ a[-1] + c))
    return a

def loss(W, b, x, t):
    return np.sum((forward(W, b, x)[-1] - t) ** 2) / x.shape[1]

def slope(y):
    return 1 - y ** 2

def backward(W, b, x, t):
    a = forward(W, b, x)
    dW, db = [None] * len(W), [None] * len(b)
    d = 2 * (a[-1] - t) / x.shape[1]
    for l in reversed(range(len(W))):
        d = d * slope(a[l + 1])
        dW[l] = d @ a[l].T
        db[l] = d.sum(axis=1, keepdims=True)
        print("layer", l)
        d = W[l].T @ d
    return dW, db
