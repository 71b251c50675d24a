"""Layers whose parameters keep their gradients, and an optimizer that is no plain descent."""
import numpy as np

rng = np.random.default_rng(8)


class Parameter:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)
        self.first, self.second = np.zeros_like(data), np.zeros_like(data)


class Linear:
    def __init__(self, n, m):
        self.w, self.b = Parameter(rng.normal(size=(n, m))), Parameter(np.zeros(m))

    def __call__(self, x):
        self.x = x
        return x @ self.w.data + self.b.data

    def backward(self, dz):
        self.w.grad[...] = self.x.T @ dz
        self.b.grad[...] = dz.sum(axis=0)
        return dz @ self.w.data.T

    def parameters(self):
        return [self.w, self.b]


class Softplus:
    def __call__(self, x):
        self.x = x
        return np.log1p(np.exp(x))

    def backward(self, dz):
        return dz / (1 + np.exp(-self.x))

    def parameters(self):
        return []


class SquaredError:
    def __call__(self, out, t):
        self.gap = out - t
        return np.mean(self.gap ** 2)

    def backward(self):
        return 2 * self.gap / self.gap.size


class Adam:
    def __init__(self, parameters):
        self.parameters, self.count = parameters, 0

    def step(self):
        self.count += 1
        for p in self.parameters:
            p.first = 0.9 * p.first + 0.1 * p.grad
            p.second = 0.99 * p.second + 0.01 * p.grad ** 2
            p.data = p.data - 0.01 * p.first / (np.sqrt(p.second) + 1e-8)


chain = [Linear(3, 6), Softplus(), Linear(6, 1)]
criterion = SquaredError()
optimizer = Adam([p for layer in chain for p in layer.parameters()])
X = rng.normal(size=(20, 3))
T = np.cos(X[:, :1])
for epoch in range(5):
    out = X
    for layer in chain:
        out = layer(out)
    loss = criterion(out, T)
    flow = criterion.backward()
    for layer in reversed(chain):
        flow = layer.backward(flow)
    optimizer.step()
