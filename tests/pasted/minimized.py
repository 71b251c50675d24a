"""A cost that nobody calls by name: a minimizer is given it, its start and its data."""
import numpy as np


class Compressor:
    def __init__(self, visible, hidden, decay):
        self.visible, self.hidden, self.decay = visible, hidden, decay
        self.split = visible * hidden
        draw = np.random.RandomState(5)
        self.start = 0.3 * draw.randn(2 * self.split)

    def cost(self, theta, patches):
        A = theta[:self.split].reshape(self.hidden, self.visible)
        B = theta[self.split:].reshape(self.visible, self.hidden)
        code = np.tanh(A @ patches)
        rest = B @ code - patches
        n = patches.shape[1]
        value = 0.5 * np.sum(rest ** 2) / n + 0.5 * self.decay * np.sum(theta ** 2)
        B_grad = rest @ code.T / n
        back = (B.T @ rest) * (1 - code ** 2)
        A_grad = back @ patches.T / n
        theta_grad = np.concatenate((A_grad.ravel(), B_grad.ravel())) + self.decay * theta
        return [value, theta_grad]


def minimize(fun, x0, args=(), steps=20, rate=0.2):
    x = x0.copy()
    for _ in range(steps):
        value, slope = fun(x, *args)
        x -= rate * slope
    return x, value


def main():
    patches = np.random.RandomState(8).rand(6, 30)
    net = Compressor(6, 4, 1e-3)
    best, value = minimize(net.cost, net.start, args=(patches,))
    print(value)


main()
