"""A recurrent network whose pass returns the loss and the last state, and leaves its gradients on the object."""
import numpy as np


class Recurrent:
    def __init__(self, inputs, units, outputs):
        draw = np.random.RandomState(2)
        self.params = {"U": 0.4 * draw.randn(units, inputs), "R": 0.4 * draw.randn(units, units),
                       "V": 0.4 * draw.randn(outputs, units), "c": np.zeros((outputs, 1))}
        self.grads = {"d" + name: np.zeros_like(p) for name, p in self.params.items()}

    def there_and_back(self, xs, ts, state):
        p, g = self.params, self.grads
        for name in g:
            g[name].fill(0)
        s, ys, loss = {-1: state}, {}, 0
        for n in range(len(xs)):
            s[n] = np.tanh(p["U"] @ xs[n] + p["R"] @ s[n - 1])
            ys[n] = p["V"] @ s[n] + p["c"]
            loss += 0.5 * np.sum((ys[n] - ts[n]) ** 2)
        later = np.zeros_like(state)
        for n in reversed(range(len(xs))):
            dy = ys[n] - ts[n]
            self.grads["dV"] += dy @ s[n].T
            self.grads["dc"] += dy
            ds = p["V"].T @ dy + later
            da = (1 - s[n] ** 2) * ds
            self.grads["dU"] += da @ xs[n].T
            self.grads["dR"] += da @ s[n - 1].T
            later = p["R"].T @ da
        return loss, s[len(xs) - 1]

    def train(self, series, rate=0.01):
        state = np.zeros((self.params["R"].shape[0], 1))
        for begin in range(0, len(series) - 5, 5):
            xs, ts = series[begin:begin + 5], series[begin + 1:begin + 6]
            loss, state = self.there_and_back(xs, ts, state)
            for name in self.params:
                self.params[name] -= rate * np.clip(self.grads["d" + name], -5, 5)
        return loss


if __name__ == "__main__":
    waves = [np.array([[np.sin(0.3 * n)], [np.cos(0.3 * n)]]) for n in range(40)]
    print(Recurrent(2, 6, 2).train(waves))
