import numpy as np

def linear(W, b):
    def fwd(x):
        y = x @ W + b
        def pullback(dy):
            return dy @ W.T, (x.T @ dy, dy.sum(0))
        return y, pullback
    return fwd

def softplus(x):
    y = np.logaddexp(0, x)
    def pullback(dy):
        return dy / (1 + np.exp(-x))
    return y, pullback

def huber(delta):
    def f(pred, target):
        r = pred - target
        small = np.abs(r) <= delta
        val = np.where(small, 0.5 * r ** 2, delta * (np.abs(r) - 0.5 * delta)).mean()
        def pullback():
            return np.where(small, r, delta * np.sign(r)) / r.size
        return val, pullback
    return f

def value_and_grad(params, x, t):
    W1, b1, W2, b2 = params
    h, back1 = linear(W1, b1)(x)
    a, back2 = softplus(h)
    o, back3 = linear(W2, b2)(a)
    val, back4 = huber(1.0)(o, t)
    da, (gW2, gb2) = back3(back4())
    _, (gW1, gb1) = back1(back2(da))
    return val, [gW1, gb1, gW2, gb2]

gen = np.random.default_rng(99)
x = gen.normal(size=(30, 4))
t = x[:, :1] ** 2 - x[:, 1:2] + gen.standard_t(2, size=(30, 1))
params = [gen.normal(size=(4, 6)) * .4, np.zeros(6), gen.normal(size=(6, 1)) * .4, np.zeros(1)]
for k in range(100):
    v, g = value_and_grad(params, x, t)
    params = [p - 0.1 * gi for p, gi in zip(params, g)]
print(v)
