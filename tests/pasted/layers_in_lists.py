import numpy as np

rng = np.random.default_rng(8)
inputs, targets = rng.normal(size=(9, 3)), rng.random((9, 2))
weights = [rng.normal(size=(3, 5)), rng.normal(size=(5, 2))]
offsets = [np.zeros(5), np.zeros(2)]
rate = 0.05
for epoch in range(60):
    acts = [inputs]
    for matrix, offset in zip(weights, offsets):
        acts.append(1 / (1 + np.exp(-(acts[-1] @ matrix + offset))))
    delta = (acts[-1] - targets) * acts[-1] * (1 - acts[-1])
    for k in range(len(weights) - 1, -1, -1):
        by_weights, by_offsets = acts[k].T @ delta, delta.sum(0)
        if k:
            delta = (delta @ weights[k].T) * acts[k] * (1 - acts[k])
        weights[k] = weights[k] - rate * by_weights
        offsets[k] = offsets[k] - rate * by_offsets
print(np.mean((acts[-1] - targets) ** 2))
