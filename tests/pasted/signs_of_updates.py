# two layers of sigmoids; errors are pushed back and ADDED to the weights
import numpy as np

rng = np.random.default_rng(1)
inputs = rng.integers(0, 2, size=(6, 3)).astype(float)
wanted = inputs[:, :1] * (1 - inputs[:, 1:2])
first = rng.uniform(-1, 1, size=(3, 5))
second = rng.uniform(-1, 1, size=(5, 1))


def squash(z, slope=False):
    return z * (1 - z) if slope else 1 / (1 + np.exp(-z))


for turn in range(200):
    middle = squash(inputs @ first)
    out = squash(middle @ second)
    miss = wanted - out
    if turn % 50 == 0:
        print("mean miss", np.mean(np.abs(miss)))
    out_delta = miss * squash(out, slope=True)
    middle_delta = (out_delta @ second.T) * squash(middle, slope=True)
    second += middle.T @ out_delta
    first += inputs.T @ middle_delta
