import numpy as np

def patches(x, fh, fw, pad):
    """Every window of an image as a row."""
    n, c, h, w = x.shape
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    rows, columns = h + 2 * pad - fh + 1, w + 2 * pad - fw + 1
    found = np.zeros((n, c, fh, fw, rows, columns))
    for r in range(fh):
        for s in range(fw):
            found[:, :, r, s] = padded[:, :, r:r + rows, s:s + columns]
    return found.transpose(0, 4, 5, 1, 2, 3).reshape(n * rows * columns, -1)

def image(found, shape, fh, fw, pad):
    """The windows added up where they were taken from."""
    n, c, h, w = shape
    rows, columns = h + 2 * pad - fh + 1, w + 2 * pad - fw + 1
    found = found.reshape(n, rows, columns, c, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    padded = np.zeros((n, c, h + 2 * pad, w + 2 * pad))
    for r in range(fh):
        for s in range(fw):
            padded[:, :, r:r + rows, s:s + columns] += found[:, :, r, s]
    return padded[:, :, pad:h + pad, pad:w + pad]

class Convolution:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        f, c, fh, fw = self.W.shape
        self.shape, self.found = x.shape, patches(x, fh, fw, 1)
        out = self.found @ self.W.reshape(f, -1).T + self.b
        return out.reshape(x.shape[0], x.shape[2], x.shape[3], f).transpose(0, 3, 1, 2)

    def backward(self, d):
        f, c, fh, fw = self.W.shape
        d = d.transpose(0, 2, 3, 1).reshape(-1, f)
        self.db = d.sum(axis=0)
        self.dW = (self.found.T @ d).T.reshape(f, c, fh, fw)
        return image(d @ self.W.reshape(f, -1), self.shape, fh, fw, 1)

class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.shape, self.x = x.shape, x.reshape(x.shape[0], -1)
        return self.x @ self.W + self.b

    def backward(self, d):
        self.dW = self.x.T @ d
        self.db = d.sum(axis=0)
        return (d @ self.W.T).reshape(self.shape)

rng = np.random.default_rng(0)
layers = [
    Convolution(rng.normal(size=(2, 2, 3, 3)), np.zeros(2)),
    Convolution(rng.normal(size=(3, 2, 3, 3)), np.zeros(3)),
    Dense(rng.normal(size=(27, 2)), np.zeros(2)),
]
x, y = rng.normal(size=(2, 2, 3, 3)), rng.normal(size=(2, 2))

def loss(x, y):
    for layer in layers:
        x = layer.forward(x)
    return 0.5 * np.sum((x - y) ** 2)

def gradients(x, y):
    for layer in layers:
        x = layer.forward(x)
    d = x - y
    for layer in reversed(layers):
        d = layer.backward(d)
    return [layer.dW for layer in layers] + [layer.db for layer in layers]
