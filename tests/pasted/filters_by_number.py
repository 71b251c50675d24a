"""Filters and their biases by number, whole ones at first; a descent calls what gives gradients, a loss and a count."""
import numpy as np


def convolved(image, label, filters, biases, theta):
    maps = np.array([np.sum(image * f, axis=(1, 2)) + biases[n] for n, f in enumerate(filters)])
    flat = np.tanh(maps).reshape(-1, 1)
    p = np.exp(theta @ flat)
    p /= p.sum()
    cost = -np.log(p[label, 0])
    hit = int(np.argmax(p) == label)
    dz = p.copy()
    dz[label] -= 1
    dtheta = dz @ flat.T
    dmaps = ((theta.T @ dz) * (1 - flat ** 2)).reshape(maps.shape)
    dfilters, dbiases = {}, {}
    for n in range(len(filters)):
        dfilters[n] = np.sum(dmaps[n][:, None, None] * image, axis=0)
        dbiases[n] = np.sum(dmaps[n])
    return [dfilters, dbiases, dtheta, cost, hit]


def momentum_gradient_descent(batch, filters, biases, theta, costs, speed=0.05):
    sums = [np.zeros_like(f) for f in filters]
    total, whole = np.zeros_like(theta), 0
    for image, label in batch:
        [dfilters_, dbiases_, dtheta_, cost, hit] = convolved(image, label, filters, biases, theta)
        for n in range(len(filters)):
            sums[n] += dfilters_[n]
            biases[n] -= speed * dbiases_[n] / len(batch)
        total += dtheta_
        whole += cost
    for n in range(len(filters)):
        filters[n] -= speed * sums[n] / len(batch)
    theta -= speed * total / len(batch)
    costs.append(whole / len(batch))
    return [filters, biases, theta, costs]


draw = np.random.RandomState(9)
filters = [draw.randn(3, 3) for _ in range(2)]
biases = {n: 0 for n in range(2)}
theta = draw.randn(3, 8)
pictures = [(draw.randn(4, 3, 3), int(draw.randint(3))) for _ in range(6)]
costs = []
for begin in range(0, 6, 3):
    filters, biases, theta, costs = momentum_gradient_descent(pictures[begin:begin + 3], filters, biases, theta, costs)
print(costs)
