import numpy as np

H, V = 6, 5
Wx, Wh, Wy = np.random.randn(H, V) * 0.01, np.random.randn(H, H) * 0.01, np.random.randn(V, H) * 0.01
bh, by = np.zeros((H, 1)), np.zeros((V, 1))
letters, nexts = [0, 2, 1], [2, 1, 4]
start = np.random.randn(H, 1)

def run(letters, nexts, start):
    """A character at a time, states in dicts, the loss summed over time; gradients added up backwards."""
    xs, hs, ps = {}, {-1: np.copy(start)}, {}
    total = 0
    for t in range(len(letters)):
        xs[t] = np.zeros((V, 1))
        xs[t][letters[t]] = 1
        hs[t] = np.tanh(np.dot(Wx, xs[t]) + np.dot(Wh, hs[t - 1]) + bh)
        scores = np.dot(Wy, hs[t]) + by
        ps[t] = np.exp(scores) / np.sum(np.exp(scores))
        total += -np.log(ps[t][nexts[t], 0])
    dWx, dWh, dWy = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wy)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    later = np.zeros_like(hs[0])
    for t in reversed(range(len(letters))):
        dy = np.copy(ps[t])
        dy[nexts[t]] -= 1
        dWy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Wy.T, dy) + later
        raw = (1 - hs[t] * hs[t]) * dh
        dbh += raw
        dWx += np.dot(raw, xs[t].T)
        dWh += np.dot(raw, hs[t - 1].T)
        later = np.dot(Wh.T, raw)
    return total, dWx, dWh, dWy, dbh, dby
