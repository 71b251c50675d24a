"""Loops in the ways in which people write them, with their formulas: no docstrings, whose words would give letters."""
# ruff: noqa: B905, F841, RUF059

import numpy as np

LABELS = np.array([0, 2, 1, 0, 1, 2])


def convolution(x, w, b):
    N, C, H, W = x.shape
    F_, _, R_, S_ = w.shape
    Ho, Wo = H - R_ + 1, W - S_ + 1
    out = np.zeros((N, F_, Ho, Wo))
    for nn in range(N):
        for f in range(F_):
            for i in range(Ho):
                for j in range(Wo):
                    acc = b[f]
                    for c in range(C):
                        for r in range(R_):
                            for s in range(S_):
                                acc += x[nn, c, i + r, j + s] * w[f, c, r, s]
                    out[nn, f, i, j] = acc
    return out


def mean_of_squares(X, w):
    total = 0.0
    for i in range(X.shape[0]):
        total += np.tanh(X[i] @ w) ** 2
    return total / X.shape[0]


def states_appended(xs, Wx, Wh, b):
    h = np.zeros(4)
    hs = []
    for x in xs:
        h = np.tanh(x @ Wx + h @ Wh + b)
        hs.append(h)
    return np.stack(hs)


def states_by_time(xs, Wxh, Whh, b):
    hs = {}
    hs[-1] = np.zeros(4)
    for t in range(len(xs)):
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t-1] + b)
    return sum(hs[t].sum() for t in range(len(xs)))


def pairs_zipped(X, Y, W):
    loss = 0
    for x, y in zip(X, Y):
        e = x @ W - y
        loss += 0.5 * np.sum(e ** 2)
    return loss / len(X)


def max_pooling(x):
    N, C, H, W = x.shape
    out = np.zeros((N, C, H // 2, W // 2))
    for nn in range(N):
        for c in range(C):
            for i in range(H // 2):
                for j in range(W // 2):
                    out[nn, c, i, j] = np.max(x[nn, c, 2*i:2*i+2, 2*j:2*j+2])
    return out


def scatter(E, idx, dout):
    dE = np.zeros_like(E)
    for i in range(len(idx)):
        dE[idx[i]] += dout[i]
    return dE


def ngram_windows(E, W):
    T = E.shape[0] - 2
    out = np.zeros((T, 4))
    for t in range(T):
        for k in range(3):
            out[t] += E[t+k] @ W[k]
    return out


def hinge(X, W, y):
    loss = 0.0
    for i in range(X.shape[0]):
        scores = X[i].dot(W)
        correct = scores[y[i]]
        for j in range(W.shape[1]):
            if j == y[i]:
                continue
            margin = scores[j] - correct + 1
            if margin > 0:
                loss += margin
    return loss / X.shape[0]


def softmax_gradient(X, W, y):
    dW = np.zeros_like(W)
    N = X.shape[0]
    for i in range(N):
        s = X[i] @ W
        p = np.exp(s) / np.sum(np.exp(s))
        for k in range(W.shape[1]):
            dW[:, k] += (p[k] - (k == y[i])) * X[i]
    return dW / N


def distances(A, B):
    D = np.zeros((A.shape[0], B.shape[0]))
    for i in range(A.shape[0]):
        for j in range(B.shape[0]):
            D[i, j] = np.sum((A[i] - B[j]) ** 2)
    return D


def attention(Q, K, V):
    out = np.zeros_like(Q)
    B, T, D = Q.shape
    for b in range(B):
        for i in range(T):
            s = np.zeros(T)
            for j in range(T):
                s[j] = Q[b, i] @ K[b, j] / np.sqrt(D)
            e = np.exp(s - s.max())
            a = e / e.sum()
            for j in range(T):
                out[b, i] += a[j] * V[b, j]
    return out


def columns_standardised(X):
    out = np.zeros_like(X)
    for j in range(X.shape[1]):
        mu = X[:, j].mean()
        var = ((X[:, j] - mu) ** 2).mean()
        out[:, j] = (X[:, j] - mu) / np.sqrt(var + 1e-5)
    return out


def lstm_in_buffers(xs, Wx, Wh, b):
    T, D = xs.shape
    H = Wh.shape[0]
    h = np.zeros((T + 1, H))
    c = np.zeros((T + 1, H))
    for t in range(T):
        a = xs[t] @ Wx + h[t] @ Wh + b
        i = 1 / (1 + np.exp(-a[:H]))
        f = 1 / (1 + np.exp(-a[H:2*H]))
        o = 1 / (1 + np.exp(-a[2*H:3*H]))
        g = np.tanh(a[3*H:])
        c[t+1] = f * c[t] + i * g
        h[t+1] = o * np.tanh(c[t+1])
    return h[1:]


def convolution_backward(dout, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    N, F_, Ho, Wo = dout.shape
    for nn in range(N):
        for f in range(F_):
            for i in range(Ho):
                for j in range(Wo):
                    dw[f] += x[nn, :, i:i+3, j:j+3] * dout[nn, f, i, j]
                    dx[nn, :, i:i+3, j:j+3] += w[f] * dout[nn, f, i, j]
    return dx, dw


def word_pairs(V, U, pairs):
    loss = 0
    for c, o in pairs:
        s = U @ V[c]
        loss -= s[o] - np.log(np.sum(np.exp(s)))
    return loss


def kernels(X, M):
    total = 0.0
    for x in X:
        for m in M:
            total += np.exp(-np.sum((x - m) ** 2))
    return total


def discounted(r, gamma):
    out = np.zeros_like(r)
    run = np.zeros(2)
    for t in range(len(r) - 1, -1, -1):
        run = r[t] + gamma * run
        out[t] = run
    return out


def largest(X, W):
    out = np.empty((6, 3))
    for i, x in enumerate(X):
        for j, w in enumerate(W.T):
            out[i, j] = max(0, x @ w)
    return out


def positive_part(X, W):
    out = np.zeros((6, 3))
    for i in range(6):
        for j in range(3):
            z = X[i] @ W[:, j]
            if z > 0:
                out[i, j] = z
    return out


def comprehension(X, W):
    return np.array([np.tanh(x @ W) for x in X])


def comprehensions(X, W):
    return np.array([[np.tanh(X[i] @ W[:, j]) for j in range(W.shape[1])] for i in range(len(X))])


def absolute_loss(X, y, w):
    total = 0
    for i in range(len(X)):
        d = X[i] @ w - y[i]
        total += abs(d)
    return total


def first_round_apart(X, w):
    h = np.zeros((5, 4))
    for t in range(5):
        if t == 0:
            h[t] = np.tanh(X[t])
        else:
            h[t] = np.tanh(X[t] + w * h[t-1])
    return h


def while_loop(x, w):
    out = np.zeros(len(x) - len(w) + 1)
    i = 0
    while i < len(out):
        out[i] = x[i:i+3] @ w
        i += 1
    return out


def matrix_product(A, B):
    C = np.zeros((A.shape[0], B.shape[1]))
    for i in range(A.shape[0]):
        for j in range(B.shape[1]):
            for k in range(A.shape[1]):
                C[i, j] += A[i, k] * B[k, j]
    return C


def row_statistics(X, g):
    N, D = X.shape
    Y = np.zeros((N, D))
    for i in range(N):
        m = 0.0
        for j in range(D):
            m += X[i, j]
        m /= D
        v = 0.0
        for j in range(D):
            v += (X[i, j] - m) ** 2
        v = v / D
        for j in range(D):
            Y[i, j] = (X[i, j] - m) / np.sqrt(v + 1e-5) * g[j]
    return Y


def softmax_rows(S):
    P = np.zeros_like(S)
    for i in range(S.shape[0]):
        total = 0.0
        for j in range(S.shape[1]):
            P[i, j] = np.exp(S[i, j])
            total += P[i, j]
        for j in range(S.shape[1]):
            P[i, j] /= total
    return P


def max_pooling_by_steps(x):
    H, W = x.shape
    out = np.zeros((H // 2, W // 2))
    for i in range(0, H, 2):
        for j in range(0, W, 2):
            out[i // 2, j // 2] = np.max(x[i:i+2, j:j+2])
    return out


def average_pooling(x):
    H, W = x.shape
    out = np.zeros((H // 2, W // 2))
    for i in range(H // 2):
        for j in range(W // 2):
            s = 0
            for p in range(2):
                for q in range(2):
                    s += x[2*i+p, 2*j+q]
            out[i, j] = s / 4
    return out


def padded_convolution(x, w):
    H, W = x.shape
    xp = np.pad(x, 1)
    out = np.zeros((H, W))
    for i in range(H):
        for j in range(W):
            out[i, j] = np.sum(xp[i:i+3, j:j+3] * w)
    return out


def strided_convolution(x, w, stride=2):
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    Ho = 1 + (H - HH) // stride
    Wo = 1 + (W - WW) // stride
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    hs = i * stride
                    ws = j * stride
                    out[n, f, i, j] = np.sum(x[n, :, hs:hs+HH, ws:ws+WW] * w[f])
    return out


def two_branches(dout, x):
    dx = np.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] > 0:
                dx[i, j] = dout[i, j]
            else:
                dx[i, j] = 0.1 * dout[i, j]
    return dx


def zeroed(dout, x):
    dx = dout.copy()
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] <= 0:
                dx[i, j] = 0
    return dx


def cross_entropy(X, W, y):
    loss = 0.0
    dW = np.zeros_like(W)
    for i in range(len(X)):
        s = X[i] @ W
        s -= np.max(s)
        p = np.exp(s) / np.sum(np.exp(s))
        loss -= np.log(p[y[i]])
        for j in range(W.shape[1]):
            if j == y[i]:
                dW[:, j] += (p[j] - 1) * X[i]
            else:
                dW[:, j] += p[j] * X[i]
    return loss / len(X), dW / len(X)


def looked_up(E, words, W):
    out = np.zeros((len(words), 2))
    for t in range(len(words)):
        out[t] = E[words[t]] @ W
    return out


def through_time(dhs, hs, xs, Wh):
    dWh, dWx = np.zeros_like(Wh), np.zeros((3, 4))
    dnext = np.zeros(4)
    T = len(dhs)
    for t in range(T - 1, -1, -1):
        d = (dhs[t] + dnext) * (1 - hs[t] ** 2)
        dWx += np.outer(xs[t], d)
        if t > 0:
            dWh += np.outer(hs[t-1], d)
        dnext = Wh @ d
    return dWx, dWh


def gru(xs, Wz, Uz, Wr, Ur, Wh, Uh):
    h = np.zeros(4)
    outs = []
    for x in xs:
        z = 1 / (1 + np.exp(-(x @ Wz + h @ Uz)))
        r = 1 / (1 + np.exp(-(x @ Wr + h @ Ur)))
        hh = np.tanh(x @ Wh + (r * h) @ Uh)
        h = (1 - z) * h + z * hh
        outs.append(h)
    return np.array(outs)


def cumulative(x):
    s = np.zeros(len(x))
    s[0] = x[0]
    for i in range(1, len(x)):
        s[i] = s[i-1] + x[i]
    return s


def quadratic_forms(X, mu, S):
    out = []
    for x in X:
        d = x - mu
        out.append(d @ S @ d)
    return sum(out) / len(out)


def perceptron(X, Y, w):
    g = np.zeros_like(w)
    for x, y in zip(X, Y):
        if y * (x @ w) < 1:
            g -= y * x
    return g / len(X)


def characters(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    vocab_size, hidden_size = Why.shape[0], Whh.shape[0]
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t-1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t-1].T)
        dhnext = np.dot(Whh.T, dhraw)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs)-1]


def triangle(E):
    loss = 0
    for i in range(len(E)):
        for j in range(i + 1, len(E)):
            loss += np.sum((E[i] - E[j]) ** 2)
    return loss


def all_pairs(E):
    loss = 0.0
    for i in range(len(E)):
        for j in range(len(E)):
            if i != j:
                loss += np.exp(-np.sum((E[i] - E[j]) ** 2))
    return loss


def causal_sum(Q, K, V):
    T = len(Q)
    out = np.zeros_like(V)
    for t in range(T):
        for s in range(t + 1):
            out[t] += (Q[t] @ K[s]) * V[s]
    return out


def gradient_of_pairs(E):
    dE = np.zeros_like(E)
    for i in range(len(E)):
        for j in range(len(E)):
            if i == j:
                continue
            d = E[i] - E[j]
            dE[i] += 2 * d
            dE[j] -= 2 * d
    return dE


def chosen(dout, x):
    dx = np.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            dx[i, j] = dout[i, j] if x[i, j] > 0 else 0
    return dx


def huber_in_one_line(y, t):
    s = 0.
    for i in range(len(y)):
        e = y[i] - t[i]
        s += 0.5 * e ** 2 if abs(e) < 1 else abs(e) - 0.5
    return s


def huber(y, t):
    s = 0.
    for i in range(len(y)):
        e = y[i] - t[i]
        if abs(e) < 1:
            s += 0.5 * e ** 2
        else:
            s += abs(e) - 0.5
    return s


def one_hot(y, K):
    Y = np.zeros((len(y), K))
    for i, k in enumerate(y):
        Y[i, k] = 1
    return Y


def log_loss(X, y, w, b):
    total = 0
    for i in range(len(X)):
        z = b
        for j in range(len(w)):
            z += w[j] * X[i][j]
        p = 1 / (1 + np.exp(-z))
        total -= y[i] * np.log(p) + (1 - y[i]) * np.log(1 - p)
    return total / len(X)


def embedding_gradient(dout, idx, V):
    dE = np.zeros((V, dout.shape[2]))
    for i in range(idx.shape[0]):
        for j in range(idx.shape[1]):
            dE[idx[i, j]] += dout[i, j]
    return dE


def both_directions(xs, Wf, Uf, Wb, Ub):
    T = len(xs)
    hf = np.zeros((T, 4))
    hb = np.zeros((T, 4))
    p = np.zeros(4)
    for t in range(T):
        p = np.tanh(xs[t] @ Wf + p @ Uf)
        hf[t] = p
    p = np.zeros(4)
    for t in reversed(range(T)):
        p = np.tanh(xs[t] @ Wb + p @ Ub)
        hb[t] = p
    return np.concatenate([hf, hb], axis=1)


def gram_matrix(X):
    n = X.shape[0]
    K = np.zeros((n, n))
    for i in range(n):
        for j in range(i, n):
            K[i, j] = np.exp(-np.sum((X[i] - X[j]) ** 2))
            K[j, i] = K[i, j]
    return K


def regions(image):
    for i in range(image.shape[0] - 2):
        for j in range(image.shape[1] - 2):
            yield image[i:i+3, j:j+3], i, j


def generated(image, filters, d_out):
    d_filters = np.zeros(filters.shape)
    for region, i, j in regions(image):
        for f in range(len(filters)):
            d_filters[f] += d_out[i, j, f] * region
    return d_filters


def scalar_by_scalar(W1, W2, x, t):
    h, o = np.zeros(4), np.zeros(2)
    for j in range(4):
        s = 0.0
        for i in range(3):
            s += W1[i, j] * x[i]
        h[j] = np.tanh(s)
    for k in range(2):
        s = 0.0
        for j in range(4):
            s += W2[j, k] * h[j]
        o[k] = np.tanh(s)
    do = np.zeros(2)
    for k in range(2):
        do[k] = (o[k] - t[k]) * (1 - o[k] ** 2)
    dh = np.zeros(4)
    for j in range(4):
        error = 0.0
        for k in range(2):
            error += do[k] * W2[j, k]
        dh[j] = error * (1 - h[j] ** 2)
    gW1, gW2 = np.zeros((3, 4)), np.zeros((4, 2))
    for j in range(4):
        for k in range(2):
            gW2[j, k] = do[k] * h[j]
    for i in range(3):
        for j in range(4):
            gW1[i, j] = dh[j] * x[i]
    return gW1, gW2


def factorization(R, P, Q):
    dP, dQ = np.zeros_like(P), np.zeros_like(Q)
    for i in range(R.shape[0]):
        for j in range(R.shape[1]):
            if R[i, j] > 0:
                e = R[i, j] - np.dot(P[i, :], Q[:, j])
                for k in range(P.shape[1]):
                    dP[i, k] += -2 * e * Q[k, j]
                    dQ[k, j] += -2 * e * P[i, k]
    return dP, dQ


def softmax_jacobian(p):
    J = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            J[i, j] = p[i] * (1 - p[i]) if i == j else -p[i] * p[j]
    return J


def through_softmax(p, d):
    dz = np.zeros(3)
    for i in range(3):
        for j in range(3):
            if i == j:
                dz[i] += d[j] * p[i] * (1 - p[i])
            else:
                dz[i] -= d[j] * p[i] * p[j]
    return dz


def hidden_units(v, W, c):
    h = np.zeros(3)
    for j in range(3):
        h[j] = 1 / (1 + np.exp(-(c[j] + sum(W[i, j] * v[i] for i in range(4)))))
    return h


def pools(image):
    for i in range(image.shape[0] // 2):
        for j in range(image.shape[1] // 2):
            yield image[2*i:2*i+2, 2*j:2*j+2], i, j


def max_pooling_backward(image, d_out):
    d_image = np.zeros(image.shape)
    for region, i, j in pools(image):
        largest = np.amax(region, axis=(0, 1))
        for k in range(region.shape[0]):
            for l in range(region.shape[1]):
                for f in range(region.shape[2]):
                    if region[k, l, f] == largest[f]:
                        d_image[2*i+k, 2*j+l, f] = d_out[i, j, f]
    return d_image


def read_by_another_counter(xs, Wx, Wh, Wy):
    h = np.zeros(4)
    hs, ys = {-1: h}, {}
    for t, x in enumerate(xs):
        hs[t] = np.tanh(Wx @ x + Wh @ hs[t - 1])
        ys[t] = Wy @ hs[t]
    loss = 0.0
    for s in range(len(xs)):
        loss += np.sum(ys[s] ** 2)
    return loss


def summed_by_a_comprehension(xs, Wx, Wy):
    hidden, out = [], []
    for x in xs:
        hidden.append(np.tanh(Wx @ x))
        out.append(Wy @ hidden[-1])
    return sum(np.sum(y ** 2) for y in out)


def neighbours(X, W):
    s = {}
    for t in range(len(X)):
        s[t] = np.tanh(W @ X[t])
    total = 0.0
    for k in range(1, len(X)):
        total += s[k] @ s[k-1]
    return total


def moving_average(x):
    v = 0.0
    out = []
    for t in range(len(x)):
        v = 0.9 * v + (1 - 0.9) * x[t]
        out.append(v)
    return np.array(out)


def velocity(g):
    v = 0
    for t in range(len(g)):
        v = 0.9 * v + g[t]
    return v


def one_unit(x, w, u):
    h = 0.0
    for t in range(len(x)):
        h = np.tanh(w * h + u * x[t])
    return h


CASES = {
    moving_average: [(6,)],
    velocity: [(5, 3)],
    one_unit: [(6,), (), ()],
    read_by_another_counter: [(5, 3), (4, 3), (4, 4), (2, 4)],
    summed_by_a_comprehension: [(5, 3), (4, 3), (2, 4)],
    neighbours: [(5, 3), (4, 3)],
    convolution: [(2, 3, 6, 6), (4, 3, 3, 3), (4,)],
    mean_of_squares: [(6, 4), (4,)],
    states_appended: [(5, 3), (3, 4), (4, 4), (4,)],
    states_by_time: [(5, 3), (4, 3), (4, 4), (4,)],
    pairs_zipped: [(6, 3), (6, 2), (3, 2)],
    max_pooling: [(2, 3, 6, 6)],
    scatter: [(4, 3), np.array([0, 2, 1, 0, 3]), (5, 3)],
    ngram_windows: [(8, 3), (3, 3, 4)],
    hinge: [(6, 4), (4, 3), LABELS],
    softmax_gradient: [(6, 4), (4, 3), LABELS],
    distances: [(5, 4), (6, 4)],
    attention: [(3, 5, 4), (3, 5, 4), (3, 5, 4)],
    columns_standardised: [(6, 4)],
    lstm_in_buffers: [(5, 3), (3, 16), (4, 16), (16,)],
    convolution_backward: [(2, 2, 3, 3), (2, 3, 5, 5), (2, 3, 3, 3)],
    word_pairs: [(4, 3), (5, 3), [(0, 1), (2, 4), (3, 0)]],
    kernels: [(6, 3), (4, 3)],
    discounted: [(6, 2), 0.9],
    largest: [(6, 4), (4, 3)],
    positive_part: [(6, 4), (4, 3)],
    comprehension: [(4, 3), (3, 3)],
    comprehensions: [(4, 3), (3, 3)],
    absolute_loss: [(6, 4), (6,), (4,)],
    first_round_apart: [(5, 4), 0.5],
    while_loop: [(9,), (3,)],
    matrix_product: [(4, 5), (5, 3)],
    row_statistics: [(6, 4), (4,)],
    softmax_rows: [(6, 4)],
    max_pooling_by_steps: [(6, 8)],
    average_pooling: [(6, 8)],
    padded_convolution: [(5, 6), (3, 3)],
    strided_convolution: [(2, 3, 7, 7), (4, 3, 3, 3)],
    two_branches: [(4, 3), (4, 3)],
    zeroed: [(4, 3), (4, 3)],
    cross_entropy: [(6, 4), (4, 3), LABELS],
    looked_up: [(7, 4), [0, 3, 1, 6, 3], (4, 2)],
    through_time: [(5, 4), (5, 4), (5, 3), (4, 4)],
    gru: [(5, 3), (3, 4), (4, 4), (3, 4), (4, 4), (3, 4), (4, 4)],
    cumulative: [(6,)],
    quadratic_forms: [(6, 3), (3,), (3, 3)],
    perceptron: [(16, 4), (16,), (4,)],
    characters: [[0, 3, 1, 5, 2], [3, 1, 5, 2, 2], (4, 1), (4, 6), (4, 4), (6, 4), (4, 1), (6, 1)],
    triangle: [(5, 3)],
    all_pairs: [(5, 3)],
    causal_sum: [(5, 3), (5, 3), (5, 2)],
    gradient_of_pairs: [(5, 3)],
    chosen: [(4, 3), (4, 3)],
    huber_in_one_line: [(20,), (20,)],
    huber: [(20,), (20,)],
    one_hot: [LABELS, 3],
    log_loss: [(6, 4), np.array([0, 1, 1, 0, 1, 0]), (4,), 0.3],
    embedding_gradient: [(4, 3, 2), np.array([[0, 1, 2], [3, 1, 0], [2, 2, 1], [0, 0, 4]]), 5],
    both_directions: [(5, 3), (3, 4), (4, 4), (3, 4), (4, 4)],
    gram_matrix: [(5, 3)],
    factorization: [(6, 5), (6, 2), (2, 5)],
    softmax_jacobian: [(3,)],
    through_softmax: [(3,), (3,)],
    hidden_units: [(4,), (4, 3), (3,)],
    max_pooling_backward: [(4, 6, 2), (2, 3, 2)],
    generated: [(5, 6), (2, 3, 3), (3, 4, 2)],
    scalar_by_scalar: [(3, 4), (4, 2), (3,), (2,)],
}
"""Each function with its arguments: shapes of those that are drawn."""


FORMULAS = {
    moving_average: """
        v[t] = 0.9 v[t-1] + 0.1 x[t]
        out[t] = v[t]
    """,
    velocity: """
        v[t,i] = 0.9 v[t-1,i] + g[t,i]
    """,
    one_unit: """
        h[t] = tanh(w h[t-1] + u x[t])
    """,
    read_by_another_counter: """
        hs[t,i] = tanh(Σ_j Wx[i,j] x[t,j] + Σ_l Wh[i,l] hs[t-1,l])
        ys[t,k] = Σ_i Wy[k,i] hs[t,i]
        loss += Σ_tk ys[t,k]²
    """,
    summed_by_a_comprehension: """
        hidden[b,j] = tanh(Σ_i Wx[j,i] x[b,i])
        out[b,k] = Σ_j Wy[k,j] hidden[b,j]
        return = Σ_nk y[n,k]²
    """,
    neighbours: """
        s[t,j] = tanh(Σ_i W[j,i] X[t,i])
        total += Σ_jk s[k+1,j] s[k,j]
    """,
    convolution: """
        acc[n,f,i,j] += Σ_crs x[n,c,i+r,j+s] w[f,c,r,s]
    """,
    mean_of_squares: """
        total += Σ_i tanh(Σ_j X[i,j] w[j])²
    """,
    states_appended: """
        h[t,i] = tanh(Σ_j x[t,j] Wx[j,i] + Σ_k h[t-1,k] Wh[k,i] + b[i])
    """,
    states_by_time: """
        hs[t,i] = tanh(Σ_j Wxh[i,j] xs[t,j] + Σ_k Whh[i,k] hs[t-1,k] + b[i])
    """,
    pairs_zipped: """
        e[b,k] = Σ_i x[b,i] W[i,k] - y[b,k]
        loss += ½ Σ_bk e[b,k]²
    """,
    max_pooling: """
        out[n,c,i,j] = max_mo x[n,c,2i+m,2j+o]
    """,
    scatter: """
        dE[j,k] += Σ_i dout[i,k] [j=idx[i]]
    """,
    ngram_windows: """
        out[t,i] += Σ_lk E[t+k,l] W[k,l,i]
    """,
    hinge: """
        scores[i,j] = Σ_k X[i,k] W[k,j]
        correct[i] = scores[i,y[i]]
        margin[i,j] = scores[i,j] - correct[i] + 1
        loss += Σ_ij margin[i,j] [margin[i,j] > 0] [j≠y[i]]
    """,
    softmax_gradient: """
        s[i,k] = Σ_j X[i,j] W[j,k]
        p[i,k] = exp(s[i,k])/(Σ_m exp(s[i,m]))
        dW[j,k] += Σ_i (p[i,k] - [k=y[i]]) X[i,j]
    """,
    distances: """
        D[i,j] = Σ_k (A[i,k] - B[j,k])²
    """,
    attention: """
        s[b,i,j] = 1/√D Σ_d Q[b,i,d] K[b,j,d]
        e[b,i,j] = exp(s[b,i,j] - max_o s[b,i,o])
        a[b,i,j] = e[b,i,j]/(Σ_o e[b,i,o])
        out[b,i,d] += Σ_j a[b,i,j] V[b,j,d]
    """,
    columns_standardised: """
        mu[j] = 1/B Σ_b X[b,j]
        var[j] = 1/B Σ_b (X[b,j] - mu[j])²
        out[b,j] = (X[b,j] - mu[j])/√(var[j] + 1e-05)
    """,
    lstm_in_buffers: """
        a[t,l] = Σ_d xs[t,d] Wx[d,l] + Σ_k h[t,k] Wh[k,l] + b[l]
        i[t,k] = sigmoid(a[t,k])
        f[t,k] = sigmoid(a[t,H+k])
        o[t,k] = sigmoid(a[t,2H+k])
        g[t,k] = tanh(a[t,3H+k])
        c[t+1,k] = f[t,k] c[t,k] + i[t,k] g[t,k]
        h[t+1,k] = o[t,k] tanh(c[t+1,k])
    """,
    convolution_backward: """
        dw[p,l,q,r] += Σ_nij x[n,l,q+i,r+j] dout[n,p,i,j]
        dx[k,l,m,o] += Σ_fqrij w[f,l,q,r] dout[k,f,i,j] [m=q+i] [o=r+j]
    """,
    word_pairs: """
        s[l,k] = Σ_j U[k,j] V[c[l],j]
        loss -= Σ_l (s[l,o[l]] - log(Σ_m exp(s[l,m])))
    """,
    kernels: """
        total += Σ_bj exp(-Σ_k (x[b,k] - m[j,k])²)
    """,
    discounted: """
        run[t,b] = r[t,b] + gamma run[t+1,b]
    """,
    largest: """
        out[i,j] = max(Σ_m x[i,m] w[j,m], 0)
    """,
    positive_part: """
        z[i,j] = Σ_m X[i,m] W[m,j]
        out[i,j] = z[i,j] [z[i,j] > 0]
    """,
    comprehension: """
        return[i,k] = tanh(Σ_j X[i,j] W[j,k])
    """,
    comprehensions: """
        return[b,j] = tanh(Σ_i X[b,i] W[i,j])
    """,
    absolute_loss: """
        d[i] = Σ_j X[i,j] w[j] - y[i]
        total += Σ_i |d[i]|
    """,
    first_round_apart: """
        h[0,j] = tanh(X[0,j])
        h[t+1,j] = tanh(X[t+1,j] + w h[t,j])
    """,
    while_loop: """
        out[l] = Σ_k x[l+k] w[k]
    """,
    matrix_product: """
        C[i,j] += Σ_k A[i,k] B[k,j]
    """,
    row_statistics: """
        m[i] += Σ_j X[i,j]
        m[i] /= D
        v[i] += Σ_j (X[i,j] - m[i])²
        v[i] = 1/D v[i]
        Y[i,j] = (X[i,j] - m[i]) g[j]/√(v[i] + 1e-05)
    """,
    softmax_rows: """
        P[i,j] = exp(S[i,j])
        total[i] += Σ_j P[i,j]
        P[i,j] = P[i,j]/total[i]
    """,
    max_pooling_by_steps: """
        out[r,s] = max_mn x[2r+m,2s+n]
    """,
    average_pooling: """
        s[i,j] += Σ_pq x[2i+p,2j+q]
        out[i,j] = ¼ s[i,j]
    """,
    padded_convolution: """
        xp[k,l] = Σ_ij x[i,j] [k=i+1] [l=j+1]
        out[i,j] = Σ_mn xp[i+m,j+n] w[m,n]
    """,
    strided_convolution: """
        out[n,f,i,j] = Σ_clm x[n,c,2i+l,2j+m] w[f,c,l,m]
    """,
    two_branches: """
        dx[i,j] = dout[i,j] where [x[i,j] > 0]
        dx[i,j] = 0.1 dout[i,j] [x[i,j] ≤ 0]
    """,
    zeroed: """
        dx[i,j] = 0 where [x[i,j] ≤ 0]
    """,
    cross_entropy: """
        s[i,j] = Σ_k X[i,k] W[k,j]
        s[i,m] -= max_j s[i,j]
        p[i,j] = exp(s[i,j])/(Σ_m exp(s[i,m]))
        loss -= Σ_i log(p[i,y[i]])
        dW[k,j] += Σ_i (p[i,j] - 1) X[i,k] [j=y[i]]
        dW[k,j] += Σ_i (p[i,j] X[i,k]) [j≠y[i]]
    """,
    looked_up: """
        out[t,i] = Σ_k E[words[t],k] W[k,i]
    """,
    through_time: """
        d[t,i] = (dhs[t,i] + dnext[t+1,i]) (1 - hs[t,i]²)
        dWx[b,i] += Σ_t xs[t,b] d[t,i]
        dWh[i,l] += Σ_o hs[o,i] d[o+1,l]
        dnext[t,i] = Σ_l Wh[i,l] d[t,l]
    """,
    gru: """
        z[t,i] = sigmoid(Σ_j x[t,j] Wz[j,i] + Σ_k h[t-1,k] Uz[k,i])
        r[t,i] = sigmoid(Σ_j x[t,j] Wr[j,i] + Σ_k h[t-1,k] Ur[k,i])
        hh[t,i] = tanh(Σ_j x[t,j] Wh[j,i] + Σ_k r[t,k] h[t-1,k] Uh[k,i])
        h[t,i] = (1 - z[t,i]) h[t-1,i] + z[t,i] hh[t,i]
    """,
    cumulative: """
        s[i+1] = s[i] + x[i+1]
    """,
    quadratic_forms: """
        d[b,i] = x[b,i] - mu[i]
        out[b] = Σ_ji d[b,j] S[j,i] d[b,i]
    """,
    perceptron: """
        g[i] -= Σ_b (y[b] x[b,i]) [Σ_k y[b] x[b,k] w[k] < 1]
    """,
    characters: """
        hs[-1][h,b] = hprev[h,b]
        xs[t,inputs[t]] = 1
        hs[t,h,b] = tanh(Σ_v Wxh[h,v] xs[t,v] + Σ_i Whh[h,i] hs[t-1,i,b] + bh[h,b])
        ys[t,v,b] = Σ_h Why[v,h] hs[t,h,b] + by[v,b]
        ps[t,v,b] = exp(ys[t,v,b])/(Σ_wc exp(ys[t,w,c]))
        loss += -Σ_t log(ps[t,targets[t],0])
        dy[t,v,b] = dy[t,v,b] - [v=targets[t]]
        dWhy[v,h] += Σ_tb dy[t,v,b] hs[t,h,b]
        dby[v,b] += Σ_t dy[t,v,b]
        dh[t,h,b] = Σ_v Why[v,h] dy[t,v,b] + dhnext[t+1,h,b]
        dhraw[t,h,b] = (1 - hs[t,h,b] hs[t,h,b]) dh[t,h,b]
        dbh[h,b] += Σ_t dhraw[t,h,b]
        dWxh[h,v] += Σ_tb dhraw[t,h,b] xs[t,v]
        dWhh[h,i] += Σ_tb dhraw[t,h,b] hs[t-1,i,b]
        dhnext[t,h,b] = Σ_i Whh[i,h] dhraw[t,i,b]
    """,
    triangle: """
        loss += Σ_oqk (E[o,k] - E[q+1,k])² [o≤q]
    """,
    all_pairs: """
        loss += Σ_ij exp(-Σ_l (E[i,l] - E[j,l])²) [i≠j]
    """,
    causal_sum: """
        out[i,j] += Σ_ks Q[i,k] K[s,k] V[s,j] [s≤i]
    """,
    gradient_of_pairs: """
        d[i,j,k] = E[i,k] - E[j,k]
        dE[i,k] += Σ_j (2 d[i,j,k]) [i≠j]
        dE[i,k] -= Σ_j (2 d[j,i,k]) [j≠i]
    """,
    chosen: """
        dx[i,j] = dout[i,j] [x[i,j] > 0]
    """,
    huber_in_one_line: """
        e[i] = y[i] - t[i]
        s += ½ Σ_k e[k]² [|e[k]| < 1] + Σ_k (|e[k]| - ½) [|e[k]| ≥ 1]
    """,
    huber: """
        e[i] = y[i] - t[i]
        s += ½ Σ_i e[i]² [|e[i]| < 1]
        s += Σ_i (|e[i]| - ½) [|e[i]| ≥ 1]
    """,
    one_hot: """
        Y[i,k[i]] = 1
    """,
    log_loss: """
        z[i] += Σ_j w[j] X[i,j]
        p[i] = sigmoid(z[i])
        total -= Σ_i (y[i] log(p[i]) + (1 - y[i]) log(1 - p[i]))
    """,
    embedding_gradient: """
        dE[v,k] += Σ_ij dout[i,j,k] [v=idx[i,j]]
    """,
    both_directions: """
        p[t,i] = tanh(Σ_k xs[t,k] Wf[k,i] + Σ_l p[t-1,l] Uf[l,i])
        p[t,j] = tanh(Σ_k xs[t,k] Wb[k,j] + Σ_m p[t+1,m] Ub[m,j])
        return[t,i] = hf[t,i]
        return[t,I+j] = hb[t,j]
    """,
    gram_matrix: """
        K[j,i] = exp(-Σ_l (X[j,l] - X[i,l])²) [j≤i]
        K[j,i] = K[i,j] where ([i≤j])
    """,
    generated: """
        region[i,j,k,l] = image[k+i,l+j]
        d_filters[f,k,l] += Σ_ij d_out[i,j,f] region[i,j,k,l]
    """,
    scalar_by_scalar: """
        s[j] += Σ_i W1[i,j] x[i]
        h[j] = tanh(s[j])
        s[k] += Σ_j W2[j,k] h[j]
        do[k] = (o[k] - t[k]) (1 - o[k]²)
        error[j] += Σ_k do[k] W2[j,k]
        dh[j] = error[j] (1 - h[j]²)
        gW2[j,k] = do[k] h[j]
        gW1[i,j] = dh[j] x[i]
    """,
    factorization: """
        e[i,j] = R[i,j] - Σ_k P[i,k] Q[k,j]
        dP[l,k] += -2 Σ_j e[l,j] Q[k,j] [R[l,j] > 0]
        dQ[k,m] += -2 Σ_i e[i,m] P[i,k] [R[i,m] > 0]
    """,
    softmax_jacobian: """
        J[i,j] = p[i] (1 - p[i]) [j=i] - p[i] p[j] [i≠j]
    """,
    through_softmax: """
        dz[i] += d[i] p[i] (1 - p[i])
        dz[i] -= Σ_j (d[j] p[i] p[j]) [i≠j]
    """,
    hidden_units: """
        h[j] = sigmoid(Σ_o W[o,j] v[o] + c[j])
    """,
    max_pooling_backward: """
        largest[i,j,f] = max_op region[i,j,o,p,f]
        d_image[m,n,f] = Σ_ijkl d_out[i,j,f] [image[2i+k,2j+l,f] = largest[i,j,f]] [m=2i+k] [n=2j+l]
    """,
}
"""What must stand in the reading of each function."""


def stopped(X):
    s = np.zeros(3)
    for x in X:
        if x.sum() > 3:
            break
        s = np.tanh(s + x)
    return s


def until_fixed(W, b):
    h = np.zeros(3)
    while True:
        new = np.tanh(0.1 * W @ h + b)
        if np.abs(new - h).max() < 1e-3:
            break
        h = new
    return h


def power_by_squares(A):
    P, k = np.eye(4), 5
    while k:
        if k % 2:
            P = P @ A
        A, k = A @ A, k // 2
    return P


def alternating(X, w):
    s = 0.0
    for i in range(4):
        s += X[i] @ w if i % 2 == 0 else np.exp(X[i] @ w)
    return s


def layers(x, V, W):
    for weights in (V, W):
        x = np.tanh(x @ weights)
    return x


UNROLLED = {
    stopped: [(6, 3)],
    until_fixed: [(3, 3), (3,)],
    power_by_squares: [(4, 4)],
    alternating: [(4, 3), (3,)],
    layers: [(5, 3), (3, 4), (4, 2)],
}
"""Loops that are no formula: what they do depends on values, or is another thing in some rounds."""
