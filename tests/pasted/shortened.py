# a recurrent net that predicts the next value, its gradients cut down where they explode
import numpy as np


class Net:
    def __init__(self, n_hid, seed=2):
        rs = np.random.RandomState(seed)
        self.U = rs.randn(n_hid, 1)
        self.W = rs.randn(n_hid, n_hid) / np.sqrt(n_hid)
        self.V = rs.randn(1, n_hid)
        self.c = np.zeros((1, 1))
        self.names = ['U', 'W', 'V', 'c']

    def forward(self, xs):
        h = np.zeros((len(self.W), 1))
        self.tape = []
        ys = []
        for x in xs:
            before = h
            h = np.tanh(self.U @ x + self.W @ h)
            ys.append(self.V @ h + self.c)
            self.tape.append((x, before, h))
        return ys

    def backward(self, dys):
        d = {k: np.zeros_like(getattr(self, k)) for k in self.names}
        later = np.zeros((len(self.W), 1))
        for t in range(len(dys) - 1, -1, -1):
            x, before, h = self.tape[t]
            d['V'] += dys[t] @ h.T
            d['c'] += dys[t]
            da = (self.V.T @ dys[t] + later) * (1 - h**2)
            d['U'] += da @ x.T
            d['W'] += da @ before.T
            later = self.W.T @ da
        return d


net = Net(4)
wave = np.sin(np.arange(0, 8, 0.4))
T = 5
for epoch in range(3):
    total = 0
    for s in range(0, len(wave) - T - 1, T):
        xs = [wave[s + k].reshape(1, 1) for k in range(T)]
        target = [wave[s + k + 1].reshape(1, 1) for k in range(T)]
        ys = net.forward(xs)
        total += sum([0.5 * ((a - b)**2).item() for a, b in zip(ys, target)])
        grads = net.backward([a - b for a, b in zip(ys, target)])
        norm = np.sqrt(sum((v**2).sum() for v in grads.values()))
        if norm > 2:
            for k in grads: grads[k] *= 2 / norm
        for k in net.names:
            setattr(net, k, getattr(net, k) - 0.02 * grads[k])
    print(epoch, total)
