# smoothing of noisy waves; what trains knows weights by the names of attributes
import numpy as np


class Affine:
    trained = {"kernel": "slope_kernel", "shift": "slope_shift"}

    def __init__(self, rng, n, m):
        self.kernel = rng.normal(0, 1 / np.sqrt(n), (n, m))
        self.shift = rng.normal(0, 0.1, m)

    def run(self, x):
        self.seen = x
        return x @ self.kernel + self.shift

    def back(self, up):
        self.slope_kernel = self.seen.T @ up
        self.slope_shift = up.sum(0)
        return up @ self.kernel.T


class Bend:
    trained = {}

    def run(self, x):
        self.bent = np.tanh(x)
        return self.bent

    def back(self, up):
        return up * (1 - self.bent ** 2)


class Smoother:
    def __init__(self, rng, n, inner):
        self.parts = [Affine(rng, n, inner), Bend(), Affine(rng, inner, n)]

    def run(self, x):
        for part in self.parts:
            x = part.run(x)
        return x

    def back(self, up):
        for part in self.parts[::-1]:
            up = part.back(up)


def quadratic(guess, truth):
    off = guess - truth
    return (off ** 2).mean(), 2 * off / off.size


class Momentum:
    def __init__(self, model, speed=0.2, kept=0.8):
        self.model, self.speed, self.kept, self.v = model, speed, kept, {}

    def move(self):
        for k, part in enumerate(self.model.parts):
            for name, slope in part.trained.items():
                v = self.kept * self.v.get((k, name), 0.0) + (1 - self.kept) * getattr(part, slope)
                self.v[k, name] = v
                setattr(part, name, getattr(part, name) - self.speed * v)


def pieces(x, size):
    for start in range(0, len(x), size):
        yield x[start:start + size]


def run():
    rng = np.random.default_rng(5)
    waves = np.sin(rng.uniform(0, 3, (24, 1)) + np.arange(7)) + rng.normal(0, 0.1, (24, 7))
    model = Smoother(rng, 7, 4)
    momentum = Momentum(model)
    for _ in range(5):
        whole = 0.0
        for x in pieces(waves, 8):
            loss, slope = quadratic(model.run(x), x)
            model.back(slope)
            momentum.move()
            whole += loss * len(x)
        print(whole / len(waves))


if __name__ == "__main__":
    run()
