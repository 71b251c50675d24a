"""Functions of whole axes that code spells out are named: whatever the spelling, and nothing else is."""

import numpy as np
import pytest

import einbackprop as eb
from einbackprop.notation import closed_forms

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))


def spelled(X, W):
    s = X @ W
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    log_z = np.log(np.exp(s).sum(axis=1))
    log_p = s - log_z[:, None]
    mu = X.sum(axis=0) / len(X)
    xc = X - mu
    var = (xc**2).mean(axis=0)
    std = np.sqrt(var)
    x_hat = xc / np.sqrt(var + 1e-5)
    length = np.sqrt((X**2).sum(axis=1))
    return p, log_p, std, x_hat, length


def in_columns(X, W):
    s = W.T @ X.T
    p = np.exp(s).T
    p /= np.sum(p, axis=1)[:, np.newaxis]
    q = np.exp(s - np.log(np.sum(np.exp(s), axis=0)))
    return p, q


def rebound(X, W):
    first = X.copy()
    X = X / len(X)
    total = X.sum(axis=0)
    s = first @ W
    s = s * 2
    s = np.exp(s)
    s = s / s.sum(axis=1, keepdims=True)
    X = 3 * X
    mu = X.mean(axis=0)
    return total, s, mu


def no_softmax(X, W):
    s = X @ W
    a = np.exp(s) / np.exp(s).sum(axis=0, keepdims=True) / 2
    b = np.exp(2 * s) / np.exp(s).sum(axis=1, keepdims=True)
    c = X.sum(axis=0) / 3
    d = (X**2).mean(axis=0)
    f = X - X.mean(axis=0) / 2
    g = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-2)
    return a, b, c, d, f, g


def said(function) -> dict[str, str]:
    """What is said of each name that the lines bind."""
    reading = eb.read(function, X, W)
    return {f.name: f.meaning for line in reading.lines for f in line.formulas if f.meaning}


def test_a_value_whose_name_is_another_one_s_by_then_is_told_by_its_line() -> None:
    first = rebound.__code__.co_firstlineno
    assert said(rebound) == {
        "total": "is the mean of X (as given) over b",
        "s": f"is the softmax of s (as of line {first + 5}) over j",
        "mu": "is the mean of X over b",
    }


def test_what_is_spelled_out_is_named() -> None:
    assert said(spelled) == {
        "p": "is the softmax of s over j",
        "log_z": "is the log-sum-exp of s over j",
        "log_p": "is the log-softmax of s over j",
        "mu": "is the mean of X over b",
        "xc": "is X less its mean over b",
        "var": "is the variance of X over b",
        "std": "is the standard deviation of X over b",
        "x_hat": "is X standardised over b",
        "length": "is the norm of X over i",
    }


def test_a_name_does_not_depend_on_the_spelling() -> None:
    assert all(said(in_columns)[name].startswith("is the softmax of s over ") for name in ("p", "q"))


def test_what_only_looks_so_is_not_named() -> None:
    assert said(no_softmax) == {}


@pytest.mark.parametrize(("ours", "theirs"), [("softmax", "softmax"), ("log_softmax", "log_softmax"),
                                              ("log_sum_exp", "logsumexp")])  # fmt: skip
def test_the_functions_are_those_of_the_literature(ours: str, theirs: str) -> None:
    special = pytest.importorskip("scipy.special")
    np.testing.assert_allclose(getattr(closed_forms, ours)(X, (1,)), getattr(special, theirs)(X, axis=1), rtol=1e-13)
