import numpy as np

# single neuron, delta rule
data = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
labels = np.array([0, 1, 1, 1], dtype=float)
w = np.random.randn(2)
bias = 0.0
eta = 0.5
for epoch in range(100):
    for x, t in zip(data, labels):
        net = np.dot(w, x) + bias
        out = 1 / (1 + np.exp(-net))
        error = t - out
        delta = error * out * (1 - out)
        w += eta * delta * x
        bias += eta * delta
print(w, bias)
