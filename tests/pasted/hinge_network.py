import numpy as np
from typing import Dict, Tuple

Array = np.ndarray

def init(rng: np.random.Generator, d: int, h: int, k: int) -> Dict[str, Array]:
    return {"W": rng.normal(size=(d, h)), "b": np.zeros(h), "V": rng.normal(size=(h, k)), "c": np.zeros(k)}

def forward(p: Dict[str, Array], x: Array) -> Tuple[Array, Dict[str, Array]]:
    z = x @ p["W"] + p["b"]
    a = np.where(z > 0, z, 0.01 * z)
    o = a @ p["V"] + p["c"]
    return o, {"x": x, "z": z, "a": a, "o": o}

def hinge(o: Array, y: Array) -> float:
    correct = o[np.arange(len(y)), y][:, None]
    m = np.maximum(0, o - correct + 1.0)
    m[np.arange(len(y)), y] = 0
    return m.sum() / len(y)

def backward(p, cache, y):
    o = cache["o"]
    correct = o[np.arange(len(y)), y][:, None]
    mask = (o - correct + 1.0 > 0).astype(float)
    mask[np.arange(len(y)), y] = 0
    mask[np.arange(len(y)), y] = -mask.sum(axis=1)
    do = mask / len(y)
    g = {}
    g["V"] = cache["a"].T @ do
    g["c"] = do.sum(axis=0)
    da = do @ p["V"].T
    dz = da * np.where(cache["z"] > 0, 1.0, 0.01)
    g["W"] = cache["x"].T @ dz
    g["b"] = dz.sum(axis=0)
    return g

def train(x, y, steps=50):
    p = init(np.random.default_rng(0), x.shape[1], 8, y.max() + 1)
    for _ in range(steps):
        o, cache = forward(p, x)
        grads = backward(p, cache, y)
        for key in p:
            p[key] -= 0.1 * grads[key]
    return p, hinge(o, y)

if __name__ == "__main__":
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 5))
    y = rng.integers(0, 3, 40)
    print(train(x, y)[1])
