"""Embeddings, word2vec, GloVe, matrix factorisation."""

import numpy as np

from .fixture import Fixture


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x):
    if x.ndim > 1:
        x = x - np.max(x, axis=1).reshape(-1, 1)
        return np.exp(x) / np.sum(np.exp(x), axis=1).reshape(-1, 1)
    x = x - np.max(x)
    return np.exp(x) / np.sum(np.exp(x))


# embedding layers


def word_embedding_forward(x, W):
    out = W[x]
    cache = (x, W.shape)
    return out, cache


def word_embedding_backward(dout, cache):
    x, W_shape = cache
    dW = np.zeros(W_shape)
    np.add.at(dW, x, dout)
    return dW


def arguments_embedding(rng, sizes=(2, 5, 4, 3)):
    N, T, V, D = sizes
    return rng.integers(0, V, size=(N, T)), rng.normal(size=(V, D)), rng.normal(size=(N, T, D))


def loss_embedding(x, W, target):
    out, _ = word_embedding_forward(x, W)
    return 0.5 * np.sum((out - target) ** 2) / x.shape[0]


def gradients_embedding(x, W, target):
    out, cache = word_embedding_forward(x, W)
    return word_embedding_backward((out - target) / x.shape[0], cache)


class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        for i, word_id in enumerate(self.idx):
            dW[word_id] += dout[i]
        return None


def arguments_embedding_class(rng, sizes=(5, 4, 3)):
    N, V, D = sizes
    return Embedding(rng.normal(size=(V, D))), rng.integers(0, V, size=N), rng.normal(size=(N, D))


def loss_embedding_class(layer, idx, t):
    return np.sum(np.tanh(layer.forward(idx)) * t)


def gradients_embedding_class(layer, idx, t):
    y = np.tanh(layer.forward(idx))
    layer.backward(t * (1 - y**2))
    return layer.grads


# word2vec: skip-gram with the whole softmax


def naive_softmax_loss_and_gradient(center_vec, outside_idx, outside_vectors):
    y_hat = softmax(np.dot(outside_vectors, center_vec))
    loss = -np.log(y_hat[outside_idx])
    delta = y_hat.copy()
    delta[outside_idx] -= 1
    grad_center = np.dot(outside_vectors.T, delta)
    grad_outside = np.outer(delta, center_vec)
    return loss, grad_center, grad_outside


def neg_sampling_loss_and_gradient(center_vec, outside_idx, outside_vectors, neg_idx):
    grad_center = np.zeros(center_vec.shape)
    grad_outside = np.zeros(outside_vectors.shape)
    z = sigmoid(np.dot(outside_vectors[outside_idx], center_vec))
    loss = -np.log(z)
    grad_outside[outside_idx] += center_vec * (z - 1.0)
    grad_center += outside_vectors[outside_idx] * (z - 1.0)
    for k in neg_idx:  # a word may come twice
        z = sigmoid(-np.dot(outside_vectors[k], center_vec))
        loss -= np.log(z)
        grad_outside[k] -= center_vec * (z - 1.0)
        grad_center -= outside_vectors[k] * (z - 1.0)
    return loss, grad_center, grad_outside


def skipgram(center, outside, word2ind, center_vectors, outside_vectors, negatives=None):
    loss = 0.0
    grad_center = np.zeros(center_vectors.shape)
    grad_outside = np.zeros(outside_vectors.shape)
    c = word2ind[center]
    for number, word in enumerate(outside):
        o = word2ind[word]
        if negatives is None:
            l, gc, go = naive_softmax_loss_and_gradient(center_vectors[c], o, outside_vectors)
        else:
            l, gc, go = neg_sampling_loss_and_gradient(center_vectors[c], o, outside_vectors, negatives[number])
        loss += l
        grad_center[c] += gc
        grad_outside += go
    return loss, grad_center, grad_outside


def arguments_skipgram(rng, sizes=(5, 3, 4)):
    V, D, window = sizes
    word2ind = {chr(97 + i): i for i in range(V)}
    outside = [chr(97 + int(i)) for i in rng.integers(0, V, size=window)]
    return chr(97 + int(rng.integers(0, V))), outside, word2ind, rng.normal(size=(V, D)), rng.normal(size=(V, D))


def loss_skipgram(center, outside, word2ind, center_vectors, outside_vectors):
    return skipgram(center, outside, word2ind, center_vectors, outside_vectors)[0]


def gradients_skipgram(center, outside, word2ind, center_vectors, outside_vectors):
    return skipgram(center, outside, word2ind, center_vectors, outside_vectors)[1:]


def arguments_negative(rng, sizes=(5, 3, 4, 6)):
    V, D, window, K = sizes
    negatives = [[int(k) for k in rng.integers(0, V, size=K)] for _ in range(window)]
    return *arguments_skipgram(rng, (V, D, window)), negatives


def loss_negative(center, outside, word2ind, center_vectors, outside_vectors, negatives):
    return skipgram(center, outside, word2ind, center_vectors, outside_vectors, negatives)[0]


def gradients_negative(center, outside, word2ind, center_vectors, outside_vectors, negatives):
    return skipgram(center, outside, word2ind, center_vectors, outside_vectors, negatives)[1:]


# continuous bag of words, one-hot contexts


def cbow(W_in, W_out, contexts, target):
    h = np.mean(np.dot(contexts, W_in), axis=1)
    score = np.dot(h, W_out)
    probs = softmax(score)
    return -np.sum(target * np.log(probs)) / len(target), h, probs


def cbow_backward(W_in, W_out, contexts, target, h, probs):
    ds = (probs - target) / len(target)
    dW_out = np.dot(h.T, ds)
    dh = np.dot(ds, W_out.T)
    C = contexts.shape[1]
    dW_in = np.zeros_like(W_in)
    for c in range(C):
        dW_in += np.dot(contexts[:, c].T, dh / C)
    return dW_in, dW_out


def arguments_cbow(rng, sizes=(3, 2, 5, 4)):
    N, C, V, H = sizes
    contexts = np.eye(V)[rng.integers(0, V, size=(N, C))]
    target = np.eye(V)[rng.integers(0, V, size=N)]
    return rng.normal(size=(V, H)), rng.normal(size=(H, V)), contexts, target


def loss_cbow(W_in, W_out, contexts, target):
    return cbow(W_in, W_out, contexts, target)[0]


def gradients_cbow(W_in, W_out, contexts, target):
    _, h, probs = cbow(W_in, W_out, contexts, target)
    return cbow_backward(W_in, W_out, contexts, target, h, probs)


# GloVe: pairs in a list


def glove(W, U, b, c, pairs, x_max=10.0, alpha=0.75):
    cost = 0.0
    gW, gU = np.zeros_like(W), np.zeros_like(U)
    gb, gc = np.zeros_like(b), np.zeros_like(c)
    for i, j, count in pairs:
        weight = (count / x_max) ** alpha if count < x_max else 1.0
        diff = W[i].dot(U[j]) + b[i] + c[j] - np.log(count)
        fdiff = weight * diff
        cost += 0.5 * fdiff * diff
        gW[i] += fdiff * U[j]
        gU[j] += fdiff * W[i]
        gb[i] += fdiff
        gc[j] += fdiff
    return cost, gW, gU, gb, gc


def arguments_glove(rng, sizes=(4, 3, 6)):
    V, D, P = sizes
    pairs = [
        (int(i), int(j), float(x))
        for i, j, x in zip(rng.integers(0, V, size=P), rng.integers(0, V, size=P), rng.uniform(1, 20, size=P))
    ]
    return rng.normal(size=(V, D)), rng.normal(size=(V, D)), rng.normal(size=V), rng.normal(size=V), pairs


def loss_glove(W, U, b, c, pairs):
    return glove(W, U, b, c, pairs)[0]


def gradients_glove(W, U, b, c, pairs):
    return glove(W, U, b, c, pairs)[1:]


# matrix factorisation: with a mask, and rating by rating with biases


def mf_loss(R, M, U, V, lam):
    E = M * (U @ V.T - R)
    return 0.5 * np.sum(E**2) + 0.5 * lam * (np.sum(U**2) + np.sum(V**2))


def mf_gradients(R, M, U, V, lam):
    E = M * (np.dot(U, V.T) - R)
    dU = np.dot(E, V) + lam * U
    dV = np.dot(E.T, U) + lam * V
    return {"U": dU, "V": dV}


def arguments_mf(rng, sizes=(4, 5, 2)):
    n_users, n_items, k = sizes
    R = rng.integers(1, 6, size=(n_users, n_items))
    M = (rng.uniform(size=R.shape) < 0.6).astype(float)
    return R, M, rng.normal(size=(n_users, k)), rng.normal(size=(n_items, k)), 0.1


def loss_mf(R, M, U, V, lam):
    return mf_loss(R, M, U, V, lam)


def gradients_mf(R, M, U, V, lam):
    return mf_gradients(R, M, U, V, lam)


class BiasedMF:
    def __init__(self, n_users, n_items, k, rng):
        self.P = rng.normal(size=(n_users, k))
        self.Q = rng.normal(size=(n_items, k))
        self.b_u = rng.normal(size=n_users)
        self.b_i = rng.normal(size=n_items)
        self.b = 3.0

    def predict(self, u, i):
        return self.b + self.b_u[u] + self.b_i[i] + self.P[u, :].dot(self.Q[i, :].T)

    def cost(self, ratings):
        total = 0
        for u, i in np.argwhere(ratings > 0):
            total += (ratings[u, i] - self.predict(u, i)) ** 2
        return total

    def grads(self, ratings):
        dP, dQ = np.zeros(self.P.shape), np.zeros(self.Q.shape)
        db_u, db_i = np.zeros(len(self.b_u)), np.zeros(len(self.b_i))
        for u, i in np.argwhere(ratings > 0):
            e = ratings[u, i] - self.predict(u, i)
            dP[u, :] += -2 * e * self.Q[i, :]
            dQ[i, :] += -2 * e * self.P[u, :]
            db_u[u] += -2 * e
            db_i[i] += -2 * e
        return dP, dQ, db_u, db_i


def arguments_biased(rng, sizes=(4, 5, 2)):
    n_users, n_items, k = sizes
    return BiasedMF(n_users, n_items, k, rng), rng.integers(0, 6, size=(n_users, n_items))


def loss_biased(model, ratings):
    return model.cost(ratings)


def gradients_biased(model, ratings):
    return model.grads(ratings)


FIXTURES = [
    Fixture(
        name="embedding_add_at",
        groups=(1, 2, 4, 6, 10, 21),
        arguments=arguments_embedding,
        loss=loss_embedding,
        gradients=gradients_embedding,
        wrt=("1",),
    ),
    Fixture(
        name="embedding_loop_class",
        groups=(1, 4, 6, 7, 10, 11),
        arguments=arguments_embedding_class,
        loss=loss_embedding_class,
        gradients=gradients_embedding_class,
        wrt=("0.params.0",),
        returned=("0",),
    ),
    Fixture(
        name="skipgram_naive_softmax",
        groups=(1, 2, 3, 4, 5, 6, 7, 10, 12),
        arguments=arguments_skipgram,
        loss=loss_skipgram,
        gradients=gradients_skipgram,
        wrt=("3", "4"),
    ),
    Fixture(
        name="skipgram_negative_sampling",
        groups=(1, 2, 5, 6, 7, 10),
        arguments=arguments_negative,
        loss=loss_negative,
        gradients=gradients_negative,
        wrt=("3", "4"),
    ),
    Fixture(
        name="cbow_one_hot",
        groups=(1, 2, 3, 4, 5, 6, 8, 9, 12),
        arguments=arguments_cbow,
        loss=loss_cbow,
        gradients=gradients_cbow,
        wrt=("0", "1"),
    ),
    Fixture(
        name="glove_pairs",
        groups=(1, 5, 6, 7, 10, 16),
        arguments=arguments_glove,
        loss=loss_glove,
        gradients=gradients_glove,
        wrt=("0", "1", "2", "3"),
    ),
    Fixture(
        name="matrix_factorisation_mask",
        groups=(1, 3, 4, 5),
        arguments=arguments_mf,
        loss=loss_mf,
        gradients=gradients_mf,
        wrt=("2", "3"),
        returned=("U", "V"),
    ),
    Fixture(
        name="matrix_factorisation_by_rating",
        groups=(1, 2, 3, 5, 6, 7, 9, 10, 18),
        arguments=arguments_biased,
        loss=loss_biased,
        gradients=gradients_biased,
        wrt=("0.P", "0.Q", "0.b_u", "0.b_i"),
    ),
]
