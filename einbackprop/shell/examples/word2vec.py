"""Word2vec: skip-gram with negative sampling, its gradients added up word by word.

    einbackprop check word2vec.py --both "skipgram(V, U, centers, contexts, negatives)" \
        --wrt V --wrt U

A word is to score high with its neighbour and low with words drawn at random. A row of `V` is a word as the center,
a row of `U` the same word as context.
"""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def skipgram(V, U, centers, contexts, negatives):
    B = len(centers)
    v = V[centers]  # (B, D)
    u = U[contexts]  # (B, D)
    u_neg = U[negatives]  # (B, K, D)

    pos = sigmoid(np.sum(u * v, axis=1))
    neg = sigmoid(np.einsum("bkd,bd->bk", u_neg, v))
    loss = -(np.log(pos).sum() + np.log(1 - neg).sum()) / B

    g_pos = (pos - 1) / B
    g_neg = neg / B

    dv = g_pos[:, None] * u + np.einsum("bk,bkd->bd", g_neg, u_neg)
    du = g_pos[:, None] * v
    du_neg = g_neg[:, :, None] * v[:, None, :]

    # a word may occur several times, so rows are added up
    dV = np.zeros_like(V)
    dU = np.zeros_like(U)
    np.add.at(dV, centers, dv)
    np.add.at(dU, contexts, du)
    np.add.at(dU, negatives, du_neg)
    return loss, (dV, dU)


text = "the cat sat on the mat and the dog sat on the cat".split()
vocabulary = sorted(set(text))
index = {word: n for n, word in enumerate(vocabulary)}
pairs = [(text[n], text[n + 1]) for n in range(0, 10, 2)]
centers = np.array([index[center] for center, _ in pairs])
contexts = np.array([index[context] for _, context in pairs])

rng = np.random.default_rng(4)
negatives = rng.integers(0, len(vocabulary), size=(len(pairs), 2))
V = rng.normal(scale=0.5, size=(len(vocabulary), 3))
U = rng.normal(scale=0.5, size=(len(vocabulary), 3))
