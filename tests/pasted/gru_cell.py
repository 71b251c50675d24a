import numpy as np

class GRUCell:
    def __init__(self, n, m):
        s = 0.1
        self.Wz, self.Uz, self.bz = s*np.random.randn(n, m), s*np.random.randn(m, m), np.zeros(m)
        self.Wr, self.Ur, self.br = s*np.random.randn(n, m), s*np.random.randn(m, m), np.zeros(m)
        self.Wh, self.Uh, self.bh = s*np.random.randn(n, m), s*np.random.randn(m, m), np.zeros(m)

    def forward(self, x, h_prev):
        sig = lambda v: 1 / (1 + np.exp(-v))
        z = sig(x @ self.Wz + h_prev @ self.Uz + self.bz)
        r = sig(x @ self.Wr + h_prev @ self.Ur + self.br)
        c = np.tanh(x @ self.Wh + (r * h_prev) @ self.Uh + self.bh)
        h = (1 - z) * h_prev + z * c
        self.cache = (x, h_prev, z, r, c)
        return h

    def backward(self, dh):
        x, h_prev, z, r, c = self.cache
        dz = dh * (c - h_prev) * z * (1 - z)
        dc = dh * z * (1 - c ** 2)
        drh = dc @ self.Uh.T
        dr = drh * h_prev * r * (1 - r)
        self.dWz, self.dUz, self.dbz = x.T @ dz, h_prev.T @ dz, dz.sum(0)
        self.dWr, self.dUr, self.dbr = x.T @ dr, h_prev.T @ dr, dr.sum(0)
        self.dWh, self.dUh, self.dbh = x.T @ dc, (r * h_prev).T @ dc, dc.sum(0)
        dx = dz @ self.Wz.T + dr @ self.Wr.T + dc @ self.Wh.T
        dh_prev = dh * (1 - z) + dz @ self.Uz.T + dr @ self.Ur.T + drh * r
        return dx, dh_prev
