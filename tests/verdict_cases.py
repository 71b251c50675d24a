"""A loss and gradients for each row of the table of verdicts, as people write them.

Each case names the facts of the row that decides on its first gradient. Often those of a lower row hold as well, so
that the order of the two matters. ``until`` is what a check is doing when its time is over, and for the how-manieth
time; ``steep``: so many times too large are differences of the loss, which are all there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from einbackprop.checking.deciding import BRIEF
from einbackprop.diagnosis import diagnose
from einbackprop.diagnosis.cases import Diagnosis

rng = np.random.default_rng(8)
W, X, SQUARE = rng.normal(size=(3, 2)), rng.normal(size=(5, 3)), rng.normal(size=(3, 3))
w = np.array([0.4, -0.7, 1.2])
COMPARING = "comparing the gradient of W"
EXCUSES, SIZES, LINES = "what may excuse a difference", "trying other sizes", "judging the lines"


@dataclass(frozen=True)
class Case:
    """Facts of a row, and a check in which they decide."""

    when: str
    loss: Callable[..., Any]
    gradients: Callable[..., Any]
    arguments: tuple[Any, ...]
    until: str = ""
    times: int = 1
    wrt: tuple[int, ...] = (0,)
    steep: float = 0
    is_guess: bool = False
    is_assumed: bool = False  # by a loss that stands nowhere; then mistakes are looked for


def undiagnosed(patch: pytest.MonkeyPatch) -> None:
    """Look for no mistakes: what is wrong is called so in a fraction of the time."""
    patch.setattr(diagnose, "diagnose", lambda case, seed: Diagnosis())


CASES: list[Case] = []


def add(when: str, loss: Any, gradients: Any, *arguments: Any, **more: Any) -> None:
    CASES.append(Case(when, loss, gradients, arguments, **more))


def squares(W: Any, X: Any) -> Any:
    return np.sum((X @ W) ** 2)


def squares_gradient(W: Any, X: Any) -> Any:
    return 2 * X.T @ (X @ W)


def penalised_gradient(W: Any, X: Any) -> Any:
    decay = 0.25
    return squares_gradient(W, X) + decay * W


# What was returned

add("raises", squares, lambda W, X: 2 * X @ (X @ W), W, X)
add("unclear", lambda a, b, c: np.sum(a * b * c), lambda a, b, c: [b * c + 0, a * c + 0], w, w + 1, w + 2,
    wrt=(0, 1, 2))
add("missing", lambda W, X: np.sum(W**2) + np.sum(X), lambda W, X: {"dX": 1 + 0 * X}, W, X, wrt=(0, 1))
add("complex_dtype", squares, lambda W, X: squares_gradient(W, X) + 0j, W, X)
add("complex_dtype", squares, lambda W, X: squares_gradient(W, X).T + 0j, W, X)
add("misshapen, transposed", squares, lambda W, X: squares_gradient(W, X).T, W, X)
add("misshapen, unsummed", squares, lambda W, X: 2 * X[:, :, None] * (X @ W)[:, None], W, X)
add("misshapen, broadcasts", lambda b, X: np.sum((X + b) ** 2),
    lambda b, X: np.sum(2 * (X + b), 0, keepdims=True), w, X)
add("misshapen", squares, lambda W, X: squares_gradient(W, X)[:, :0], W, X)

# It differs


def stretched(w: Any, X: Any) -> Any:
    return np.sum(w**2 * np.sum(X**2, axis=1))


UNIT = np.array([[0.6, -0.8], [-0.28, 0.96]])
add("differs, redrawn", stretched, lambda w, X: 2 * w, w[:2], UNIT)


def noisy(W: Any, X: Any) -> Any:
    return np.sum(np.random.rand(5, 2) * (X @ W))


def noisy_gradient(W: Any, X: Any) -> Any:
    return X.T @ np.random.rand(5, 2)


def otherwise(W: Any, X: Any) -> Any:
    """Of random numbers that the loss does not draw."""
    return np.random.rand() * noisy_gradient(W, X)


def and_more(W: Any, X: Any) -> Any:
    """Of the same random numbers, with one more after them."""
    return noisy_gradient(W, X) + 0 * np.random.rand()


add("differs, random", noisy, otherwise, W, X)
add("differs, random", noisy, otherwise, W, X, until=EXCUSES)
add("differs, relation, guessed", squares, lambda W, X: 3 * squares_gradient(W, X), W, X, is_guess=True)
add("differs, guessed", squares, lambda W, X: np.sin(W), W, X, is_guess=True)
add("differs, penalised", squares, penalised_gradient, W, X, is_guess=True, is_assumed=True)
add("differs, relation, unrepaired", squares, lambda W, X: 3 * squares_gradient(W, X) + W, W, X)
add("differs", noisy, lambda W, X: noisy_gradient(W, X) + np.sin(W), W, X)
add("differs, redrawn", lambda w, X: stretched(w, X) + np.random.rand(), lambda w, X: 2 * w, w[:2], UNIT, until=EXCUSES)
add("differs, random", squares, lambda W, X: squares_gradient(W, X) + np.random.rand(3, 2), W, X)


def unwritten_gradient(W: Any, X: Any) -> Any:
    """As memory that nothing was written to: far off, by another value each time, whatever the random state."""
    return squares_gradient(W, X) + 1e6 + np.random.default_rng().random((3, 2))


add("by_chance", lambda W, X: np.sum(np.random.default_rng().random((5, 2)) * (X @ W)), noisy_gradient, W, X)
add("differs, unsettled", squares, unwritten_gradient, W, X)
add("differs, unexcused", squares, lambda W, X: 3 * squares_gradient(W, X), W, X, until=EXCUSES)


def stale_gradient(W: Any, X: Any, z: Any) -> Any:
    return 2 * X.T @ z


add("differs, stale", lambda W, X, z: squares(W, X), stale_gradient, W, X, X @ W)


def guarded(w: Any, X: Any) -> Any:
    return -np.mean(np.log(1 / (1 + np.exp(-X @ w)) + 1e-4))


def logistic_gradient(w: Any, X: Any) -> Any:
    p = 1 / (1 + np.exp(-X @ w))
    return X.T @ (p - 1) / len(X)


def rooted(w: Any, X: Any) -> Any:
    return np.mean(np.sqrt(np.exp(X @ w) + 1e-5))


def rooted_gradient(w: Any, X: Any) -> Any:
    return X.T @ np.sqrt(np.exp(X @ w)) / (2 * len(X))


add("differs, slight, unread", rooted, rooted_gradient, w, X, until=LINES)
add("misshapen, broadcasts", guarded, lambda w, X: logistic_gradient(w, X)[None], w, 4 * X)  # a guard excuses no shape
add("guard, differs", guarded, logistic_gradient, w, 4 * X)
add("differs, derived", lambda w: np.sum(np.abs(w)), np.sign, w, steep=1.5)
add("differs, derived", lambda w: np.sum(np.abs(w)), np.sign, w, steep=1 + 9.5e-7)


def solved(w: Any) -> Any:
    return np.sum(np.sqrt(np.exp(np.linalg.tensorsolve(np.eye(3), w)) + 1e-8))


add("differs, tiny", solved, lambda w: np.sqrt(np.exp(w)) / 2, w)
add("differs", squares, lambda W, X: squares_gradient(W, X) + np.sin(W), W, X)
add("differs", squares, lambda W, X: squares_gradient(W, X) + np.sin(W) * (np.arange(6).reshape(3, 2) == 4), W, X,
    is_guess=True)  # of which most is right
add("differs", solved, lambda w: -(1 + 1e-4 * np.cos(3 * w)) / (1 + np.exp(w)), w)
add("differs", squares, lambda W, X: squares_gradient(W, X) + np.sin(W), W, X, until=SIZES)
add("differs, small, unrepaired", lambda W, X: np.sum(np.clip(X @ W, -1, 1) ** 2), squares_gradient, W, X)
add("differs, small, unrepaired", lambda W, X: np.sum(np.clip(X @ W, -1, 1) ** 2), squares_gradient, W, X,
    is_guess=True)

# It differs nowhere

def at_length(loss: Any) -> Any:
    """A loss that runs so many lines that its gradients are compared along a few directions first."""
    def long(W: Any, X: Any) -> Any:
        for _ in range(BRIEF):
            pass
        return loss(W, X)

    return long


add("uncompared", squares, squares_gradient, W, X, until="the rehearsal")
add("uncompared", at_length(squares), squares_gradient, W, X[:0], until=COMPARING, times=2)
add("agrees, empty", squares, squares_gradient, W, X[:0])


def mean_of_squares(W: Any, X: Any) -> Any:
    return np.sum((X @ W) ** 2) / X.shape[0]


def by_columns(W: Any, X: Any) -> Any:
    return 2 * X.T @ (X @ W) / X.shape[1]


def scores(W: Any, X: Any) -> Any:
    return np.sum(np.tanh(X @ W)) / np.sqrt(W.shape[1])


def scores_gradient(W: Any, X: Any) -> Any:
    """The root of the rows, where the loss has that of the columns."""
    return X.T @ (1 - np.tanh(X @ W) ** 2) / np.sqrt(W.shape[0])


def by_branch(W: Any, X: Any) -> Any:
    if X.shape[0] != X.shape[1]:
        return 3 * X.T @ (X @ W)
    return 2 * X.T @ (X @ W) / X.shape[0]


def bounded(gradients: Callable[..., Any], most: float) -> Callable[..., Any]:
    def clipped(W: Any, X: Any) -> Any:
        return np.clip(gradients(W, X), -most, most)

    return clipped


def shortened(gradients: Callable[..., Any], most: float) -> Callable[..., Any]:
    def scaled(W: Any, X: Any) -> Any:
        g = gradients(W, X)
        norm = np.linalg.norm(g)
        return g * (most / norm) if norm > most else g

    return scaled


add("elsewhere, meant", mean_of_squares, by_columns, W, SQUARE)
add("elsewhere", mean_of_squares, bounded(by_columns, 0.1), W, SQUARE)
add("elsewhere", mean_of_squares, by_branch, W, SQUARE)
add("agrees, tied", scores, scores_gradient, SQUARE, X)
add("agrees, scaled", squares, shortened(squares_gradient, 0.5), W, X)
add("agrees, clipped, untried", squares, bounded(squares_gradient, 0.1), W, X, until=SIZES)
add("agrees, clipped", squares, bounded(squares_gradient, 0.1), W, X)
add("agrees, coarse, untried", at_length(squares), squares_gradient, W, X, until=COMPARING, times=5)
add("agrees, coarse", at_length(noisy), and_more, W, X, until=COMPARING, times=5)
add("agrees, untried", squares, squares_gradient, W, X, until=SIZES)
add("agrees", squares, squares_gradient, W, X)
add("agrees", lambda W, X, Z: squares(W, X) + np.sum(W[:, :1] * Z), lambda W, X, Z: squares_gradient(W, X),
    W, X, X[:3, :0])

KINKED = np.array([0.0, 0.002, -0.003])


def kinked(w: Any) -> Any:
    """Finite only near the user's own values, of which one sits at the kink."""
    return np.abs(w).sum() - np.log(2e-6 - ((w - KINKED) ** 2).sum())


def kinked_gradient(w: Any) -> Any:
    return np.sign(w) + 2 * (w - KINKED) / (2e-6 - ((w - KINKED) ** 2).sum())


def rippled(w: Any) -> Any:
    """Smooth from afar: no difference of its values is its slope."""
    return np.sum(np.tanh(w)) + 1e-3 * np.sin(1e8 * np.sum(w))


add("kink", kinked, lambda w: kinked_gradient(w) + 0.5 * (w == 0), KINKED)
add("uncertain", rippled, lambda w: 1 - np.tanh(w) ** 2, w)


def faintly_guarded(w: Any, X: Any) -> Any:
    """The guard changes less than differences of so large a number can tell."""
    p = 1 / (1 + np.exp(-X @ w))
    return 300 - np.mean(np.log(p + 1e-13) + np.log(1 - p + 1e-13))


add("guard, uncertain", faintly_guarded, lambda w, X: X.T @ (2 / (1 + np.exp(-X @ w)) - 1) / len(X), w, 2 * X)
add("", lambda w: np.nan * w.sum(), lambda w: w, w)
