"""Hand-written scripts in matmul style, correct, and edits of them that are not.

A mutant is a replacement of source text and the names of exactly the gradients that it makes wrong.
"""

from dataclasses import dataclass

ALL = ("W1", "b1", "W2", "b2", "W3", "b3")

# Columns are samples, weights are (out, in): the manner of the exercise.
COLUMNS = '''\
import numpy as np


def build(n_in, n_one, n_two, n_out, n_samples):
    W1 = 0.01 * np.random.randn(n_one, n_in)
    b1 = np.zeros(n_one)
    W2 = 0.01 * np.random.randn(n_two, n_one)
    b2 = np.zeros(n_two)
    W3 = 0.01 * np.random.randn(n_out, n_two)
    b3 = np.zeros(n_out)
    return [W1, b1, W2, b2, W3, b3], np.random.rand(n_in, n_samples), np.random.randn(n_out, n_samples)


def squash(z):
    return 1 / (1 + np.exp(-z))


def cost(guess, truth):
    return np.mean(0.5 * np.linalg.norm(guess - truth, axis=0) ** 2)


def run(theta, X):
    W1, b1, W2, b2, W3, b3 = theta
    one = squash(np.dot(W1, X) + b1[:, None])
    two = squash(np.dot(W2, one) + b2[:, None])
    return X, one, two, np.dot(W3, two) + b3[:, None]


def back(values, truth, theta):
    X, one, two, guess = values
    W1, b1, W2, b2, W3, b3 = theta
    n = X.shape[1]
    d_guess = (guess - truth) / n
    dW3 = np.dot(d_guess, two.T)
    db3 = d_guess.sum(axis=1)
    d_two = np.dot(W3.T, d_guess) * two * (1 - two)
    dW2 = np.dot(d_two, one.T)
    db2 = d_two.sum(axis=1)
    d_one = np.dot(W2.T, d_two) * one * (1 - one)
    dW1 = np.dot(d_one, X.T)
    db1 = d_one.sum(axis=1)
    return [dW1, db1, dW2, db2, dW3, db3]


theta, X, Y = build(3, 4, 4, 2, 5)
'''
COLUMNS_LOSS = "cost(run(theta, X)[-1], Y)"
COLUMNS_GRADS = "back(run(theta, X), Y, theta)"
ALL_FIVE = "theta, X, Y = build(5, 5, 5, 5, 5)"


@dataclass(frozen=True)
class Mutant:
    """An edit, and the names of the gradients that are wrong with it."""

    before: str
    after: str
    wrong: tuple[str, ...]

    def of(self, source: str) -> str:
        """Return the edited source; the text must stand there exactly once."""
        assert source.count(self.before) == 1, self.before
        return source.replace(self.before, self.after)


MUTANTS = {
    "transposed weight gradient": Mutant("dW2 = np.dot(d_two, one.T)", "dW2 = np.dot(one, d_two.T)", ("W2",)),
    "missing 1/B": Mutant("(guess - truth) / n", "(guess - truth)", ALL),
    "factor 2": Mutant("(guess - truth) / n", "2 * (guess - truth) / n", ALL),
    "sign": Mutant("(guess - truth) / n", "(truth - guess) / n", ALL),
    "sign of one": Mutant("dW1 = np.dot(d_one, X.T)", "dW1 = -np.dot(d_one, X.T)", ("W1",)),
    "1/B twice": Mutant("dW3 = np.dot(d_guess, two.T)", "dW3 = np.dot(d_guess, two.T) / n", ("W3",)),
    "no derivative": Mutant(" * two * (1 - two)", "", ("W1", "b1", "W2", "b2")),
    "half a derivative": Mutant("* one * (1 - one)", "* one", ("W1", "b1")),
    "wrong-layer derivative": Mutant("* one * (1 - one)", "* two * (1 - two)", ("W1", "b1")),
    "derivative of tanh": Mutant("* two * (1 - two)", "* (1 - two**2)", ("W1", "b1", "W2", "b2")),
    "no bias sum": Mutant("db3 = d_guess.sum(axis=1)", "db3 = d_guess", ("b3",)),
    "bias sum keeps an axis": Mutant("db2 = d_two.sum(axis=1)", "db2 = d_two.sum(axis=1, keepdims=True)", ("b2",)),
    "bias sum over everything": Mutant("db1 = d_one.sum(axis=1)", "db1 = d_one.sum()", ("b1",)),
    "mean for a sum": Mutant("db2 = d_two.sum(axis=1)", "db2 = d_two.mean(axis=1)", ("b2",)),
    "untransposed W": Mutant("np.dot(W2.T, d_two)", "np.dot(W2, d_two)", ("W1", "b1")),
    "updated weight": Mutant("    d_one =", "    W2 = W2 - 0.1 * dW2\n    d_one =", ("W1", "b1")),
    "weight updated in place": Mutant("    d_one =", "    W2 -= 0.1 * dW2\n    d_one =", ("W1", "b1")),
    "another layer's delta": Mutant("dW2 = np.dot(d_two, one.T)", "dW2 = np.dot(d_two, two.T)", ("W2",)),
    "another bias": Mutant("return [dW1, db1,", "return [dW1, db2,", ("b1",)),
    "a gradient left out": Mutant("dW2, db2, dW3, db3]", "dW2, dW3, db3]", ("b2",)),
    "None for a gradient": Mutant("dW2, db2, dW3, db3]", "dW2, None, dW3, db3]", ("b2",)),
    "weight decay": Mutant("dW1 = np.dot(d_one, X.T)", "dW1 = np.dot(d_one, X.T) + 0.01 * W1", ("W1",)),
    "a millionth": Mutant("dW3 = np.dot(d_guess, two.T)", "dW3 = np.dot(d_guess, two.T) * (1 + 1e-6)", ("W3",)),
    "a nan": Mutant("db3 = d_guess.sum(axis=1)", "db3 = d_guess.sum(axis=1) * np.nan", ("b3",)),
}
