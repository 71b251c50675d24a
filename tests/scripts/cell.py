import numpy as np

rng = np.random.default_rng(3)
N, T, D, H = 2, 3, 3, 4
xs, wanted = rng.normal(size=(N, T, D)), rng.normal(size=(N, T, H))
p = {"Wx": rng.normal(size=(D, 3 * H)), "Wh": rng.normal(size=(H, 3 * H)), "b": np.zeros(3 * H)}

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def cell(x, h, c, p):
    a = x @ p["Wx"] + h @ p["Wh"] + p["b"]
    f, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), np.tanh(a[:, 2 * H:])
    c_new = f * c + (1 - f) * g
    return o * np.tanh(c_new), c_new, (x, h, c, f, o, g, c_new)

def cell_backward(dh, dc_next, cache, p):
    x, h, c, f, o, g, c_new = cache
    tc = np.tanh(c_new)
    do = dh * tc
    dc = dc_next + dh * o * (1 - tc ** 2)
    df = dc * (c - g)
    dg = dc * (1 - f)
    da = np.hstack([df * f * (1 - f), do * o * (1 - o), dg * (1 - g ** 2)])
    return da @ p["Wh"].T, dc * f, x.T @ da, h.T @ da, da.sum(axis=0)

def run(p):
    h = c = np.zeros((N, H))
    caches, total = [], 0.0
    for t in range(T):
        h, c, cache = cell(xs[:, t], h, c, p)
        caches.append((h, cache))
        total += 0.5 * np.sum((h - wanted[:, t]) ** 2)
    return total, caches

def gradients(p):
    _, caches = run(p)
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_next = dc_next = np.zeros((N, H))
    for t in reversed(range(T)):
        h, cache = caches[t]
        dh = h - wanted[:, t] + dh_next
        dh_next, dc_next, dWx, dWh, db = cell_backward(dh, dc_next, cache, p)
        grads["Wx"] += dWx
        grads["Wh"] += dWh
        grads["b"] += db
    return grads
