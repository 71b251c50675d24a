# one causal self attention head, forward and backward by hand
import numpy as np


def softmax(s):
    s = s - s.max(axis=-1, keepdims=True)
    e = np.exp(s)
    return e / e.sum(axis=-1, keepdims=True)


def attn_forward(x, Wq, Wk, Wv, Wo):
    # x: (B, T, C)
    # Wq, Wk, Wv: (C, D)
    # Wo: (D, C)
    B, T, C = x.shape
    D = Wq.shape[1]
    q = x @ Wq                                  # (B, T, D)
    k = x @ Wk                                  # (B, T, D)
    v = x @ Wv                                  # (B, T, D)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(D)   # (B, T, T)
    mask = np.triu(np.ones((T, T), dtype=bool), k=1)
    scores = np.where(mask, -1e9, scores)
    a = softmax(scores)                         # (B, T, T)
    z = a @ v                                   # (B, T, D)
    out = z @ Wo                                # (B, T, C)
    return out, (x, Wq, Wk, Wv, Wo, q, k, v, a, z)


def attn_backward(dout, cache):
    # dout: (B, T, C), gradient coming from above
    x, Wq, Wk, Wv, Wo, q, k, v, a, z = cache
    D = Wq.shape[1]

    dz = dout @ Wo.T                            # (B, T, D)
    dWo = np.einsum('btd,btc->dc', z, dout)     # (D, C)

    da = dz @ v.transpose(0, 2, 1)              # (B, T, T)
    dv = a.transpose(0, 2, 1) @ dz              # (B, T, D)

    # softmax jacobian; masked entries have a == 0 so they drop out
    ds = a * (da - np.sum(da * a, axis=-1, keepdims=True))
    ds = ds / np.sqrt(D)

    dq = ds @ k                                 # (B, T, D)
    dk = ds.transpose(0, 2, 1) @ q              # (B, T, D)

    dWq = np.einsum('btc,btd->cd', x, dq)       # (C, D)
    dWk = np.einsum('btc,btd->cd', x, dk)
    dWv = np.einsum('btc,btd->cd', x, dv)
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T      # (B, T, C)
    return dx, dWq, dWk, dWv, dWo
