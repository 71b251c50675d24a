import numpy as np
rng = np.random.default_rng(2)
p = {"Wx": rng.normal(size=(2, 4)), "Wh": rng.normal(size=(4, 4)), "b": rng.normal(size=4)}
x, y = rng.normal(size=(3, 2)), rng.normal(size=(3, 4))

def run(p, x):
    hs = {-1: np.zeros(4)}
    for t in range(len(x)):
        hs[t] = np.tanh(x[t] @ p["Wx"] + hs[t - 1] @ p["Wh"] + p["b"])
    return hs

def cost(p, x, y):
    hs = run(p, x)
    return sum(0.5 * np.sum((hs[t] - y[t]) ** 2) for t in range(len(x)))

def bptt(p, x, y):
    hs = run(p, x)
    g = {k: np.zeros_like(v) for k, v in p.items()}
    dnext = np.zeros(4)
    for t in reversed(range(len(x))):
        dh = hs[t] - y[t] + dnext
        dz = dh * (1 - hs[t] ** 2)
        g["Wx"] += np.outer(x[t], dz)
        g["Wh"] += np.outer(hs[t - 1], dz)
        g["b"] += dz
        dnext = p["Wh"] @ dz
    return g
