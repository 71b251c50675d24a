"""The vocabulary of edits: what was meant is among the edits of what was written, near the front; nothing odd is."""

from __future__ import annotations

import ast
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutant_outcomes import module_of

from einbackprop import check
from einbackprop.core.source import compile_tree, parse_python
from einbackprop.diagnosis.repair import TIERS
from einbackprop.diagnosis.vocabulary import Edit, Hand, expression_edits, hand_of, statement_edits, values_at_hand
from einbackprop.diagnosis.vocabulary.hand import by_counters
from einbackprop.diagnosis.vocabulary.indexing import neighbours

N, D, H, C, T = 5, 6, 4, 3, 7

# A network of two layers, as its backward pass sees it.
LAYERS = Hand(
    {
        "dh": (N, H), "dscores": (N, C), "h": (N, H), "z": (N, H), "X": (N, D), "W2": (H, C), "W1": (D, H), "b2": (C,),
        "b1": (H,), "y": (N,), "probs": (N, C), "dW2": (H, C), "dW1": (D, H), "db2": (C,), "db1": (H,), "mask": (N, H),
    },
    sizes=("N", "reg", "X.shape[0]", "H"),
    functions=("sigmoid", "dsigmoid", "relu"),
    literals=("0.5",),
    counts=frozenset({"N", "H", "X.shape[0]"}),
)  # fmt: skip

# The backward pass of a batch norm, by names of the web.
NORM = Hand(
    {
        "dout": (N, D), "x": (N, D), "x_hat": (N, D), "gamma": (D,), "beta": (D,), "mu": (D,), "var": (D,),
        "ivar": (D,), "dx_hat": (N, D), "dvar": (D,), "dmu": (D,), "dgamma": (D,), "dbeta": (D,), "xmu": (N, D),
    },
    sizes=("N", "D", "eps"),
    counts=frozenset({"N", "D"}),
)  # fmt: skip

# A recurrent network, one round of its loop.
LOOP = Hand(
    {
        "dh": (H, 1), "dh_next": (H, 1), "hs[t]": (H, 1), "hs[t - 1]": (H, 1), "xs[t]": (D, 1), "dy": (C, 1),
        "h": (H, 1), "Whh": (H, H), "Wxh": (H, D), "Why": (C, H), "dWhh": (H, H), "dWxh": (H, D), "dWhy": (C, H),
        "dbh": (H, 1), "draw": (H, 1), "dx": (N, T, D),
    },
    sizes=("t", "T", "N"),
    counts=frozenset({"T", "N"}),
)  # fmt: skip

# A layer that is an object, and a function of images.
WINDOWS = Hand({"images": (2, 3, 8, 8), "kernel": (4, 3, 3, 3)}, sizes=("i", "j", "k", "s"))
OBJECT = Hand(
    {
        "self.x": (N, D), "self.W": (D, C), "grad": (N, C), "cache['x']": (N, D), "cache['h']": (N, H),
        "self.dW": (D, C), "q": (2, T, H), "k": (2, T, H), "a": (2, T, T), "da": (2, T, T), "images": (2, 3, 8, 8),
        "dimages": (2, 8, 8, 3),
        "idx": (N,), "dE": (9, H), "rows": (N, H),
    },
    sizes=("self.scale", "n"),
    counts=frozenset({"n"}),
)  # fmt: skip


def value_of(text: str) -> ast.expr:
    return parse_python(text, mode="eval").body


EXPRESSIONS = [
    # what was meant, what was written, what is at hand, the rank by cost that it has at most
    ("X.T @ dh", "X @ dh", LAYERS, 5), ("h / h.sum(axis=1, keepdims=True)", "h", LAYERS, 300),
    ("dh * (h * z + z - 1)", "dh * (h * z + 1 - z)", LAYERS, 40), ("z + h - dh", "z + dh - h", LAYERS, 20),
    ("dscores @ W2.T", "dscores @ W2", LAYERS, 5),
    ("np.dot(X.T, dh)", "np.dot(X, dh)", LAYERS, 3),
    ("np.dot(X.T, dh)", "np.dot(dh, X.T)", LAYERS, 10),
    ("np.dot(X.T, dh)", "np.dot(dh.T, X)", LAYERS, 100),
    ("X.T @ dh", "dh.T @ X", LAYERS, 100),
    ("X.T.dot(dh)", "dh.dot(X.T)", LAYERS, 3),
    ("X.T @ dh", "X.T @ dscores", LAYERS, 100),
    ("h.T @ dscores", "X.T @ dscores", LAYERS, 150),
    ("X @ W1", "X.T @ W1", LAYERS, 5), ("dh", "dh * N / H", LAYERS, 20),
    ("dh.reshape(5, 2, 3).transpose(1, 0, 2)", "dh.reshape(2, 5, 3)", LAYERS, 250),
    ("dh.reshape(2, 3, 4).transpose(2, 0, 1)", "dh.reshape(4, 2, 3)", LAYERS, 250),
    ("dh.reshape((5, 4, 3))", "dh.reshape((4, 3, 5)).transpose(2, 0, 1)", LAYERS, 150),
    ("(dh + h * z) / N * y", "(dh + h) / N * y * z", LAYERS, 200),
    ("(dh / z + h) * y", "(dh + h) * y / z", LAYERS, 150),
    ("h.T @ X + dh.T @ X + z.T @ X", "h.T @ X + dh.T @ X", LAYERS, 150),
    ("dscores @ W2.T", "dscores @ W1", LAYERS, 1000),
    ("np.sum(dh, axis=0)", "np.sum(dh, axis=1)", LAYERS, 3),
    ("dh.sum(axis=0)", "dh.sum(axis=1)", LAYERS, 3),
    ("dh.sum(0)", "dh.sum(1)", LAYERS, 3),
    ("np.sum(dh, axis=0)", "np.sum(dh)", LAYERS, 10),
    ("dh.sum(axis=0)", "dh", LAYERS, 10),
    ("dh.sum(axis=0)", "dh.mean(axis=0)", LAYERS, 3),
    ("np.mean(dh, axis=0)", "np.sum(dh, axis=0)", LAYERS, 10),
    ("np.cumsum(dh[::-1])[::-1]", "np.cumsum(dh)", LAYERS, 50),
    ("np.cumsum(dh)", "np.cumsum(dh[::-1])[::-1]", LAYERS, 20),
    ("y @ X", "np.sum(X, axis=0)", LAYERS, 150), ("dh @ b1", "dh.sum(axis=1)", LAYERS, 150),
    ("dx[:, p:-p]", "dx[:, :-2 * p]", replace(LAYERS, sizes=("p",)), 60),
    ("dx[:, s.p:-s.p, s.p:-s.p]", "dx[:, :-2 * s.p, :-2 * s.p]", replace(LAYERS, sizes=("s.p",)), 200),
    ("W1[:, :, 0]", "W1[::-1, ::-1, 0]", LAYERS, 60),
    ("W1[::-1, ::-1, :, 0]", "W1[:, :, :, 0]", LAYERS, 100),
    ("x[n, t * 2:t * 2 + 3]", "x[n, t:t + 3]",
     replace(LOOP, sizes=("t", "n"), windows=(value_of("x[n, t * 2:t * 2 + 3]").slice,)), 100),
    ("dh[:, ::-1].cumsum(1)[:, ::-1]", "dh.cumsum(1)", LAYERS, 50),
    ("np.cumsum(dh[..., ::-1], axis=-1)[..., ::-1]", "np.cumsum(dh, axis=-1)", LAYERS, 50),
    ("dh.cumsum(axis=0)", "dh[::-1].cumsum(axis=0)[::-1]", LAYERS, 20),
    ("dh * (z > 0)", "np.maximum(0, dh)", LAYERS, 60),
    ("dh * (z > 0)", "relu(dh)", LAYERS, 200),
    ("np.convolve(y, b1[::-1], 'valid')", "np.convolve(y, b1, 'valid')", LAYERS, 900),
    ("np.zeros_like(W1)", "np.empty_like(W1)", LAYERS, 3),
    ("dh * np.exp(z)", "dh * h", replace(LAYERS, phrases=(value_of("np.exp(z)"),)), 300),
    ("dh.sum(axis=1, keepdims=True)", "dh.sum(axis=1)", LAYERS, 15),
    ("dh.sum(axis=1)", "dh.sum(axis=1, keepdims=True)", LAYERS, 15),
    ("dh", "dh.sum(axis=1)", LAYERS, 30),
    ("dh * mask / (1 - p)", "dh * mask", replace(LAYERS, scalars=("p",)), 150),
    ("W2 @ dh * dsigmoid(zs[-l])", "W2 @ dh",
     replace(LAYERS, shapes={**{f"hidden[{n}]": (C, N) for n in range(12)}, "zs[-l]": (C, N), "zs[-1]": (N, C)},
             phrases=(value_of("dsigmoid(zs[-1])"),), wanted=(C, N)), 400),
    ("-dh * h", "dh * h", LAYERS, 3),
    ("dh * h", "-dh * h", LAYERS, 3),
    ("probs - y", "probs + y", LAYERS, 3),
    ("probs - y", "y - probs", LAYERS, 3),
    ("dscores / N", "dscores", LAYERS, 3),
    ("dscores / X.shape[0]", "dscores", LAYERS, 5),
    ("X.T @ dh / N", "X.T @ dh", LAYERS, 10),
    ("(probs - y) / N", "probs - y", LAYERS, 5),
    ("X.T @ dh + reg * W1", "X.T @ dh", LAYERS, 250),
    ("X.T @ dh + 2 * reg * W1", "X.T @ dh", LAYERS, 500),
    ("X.T @ dh + 2 * reg * W1", "X.T @ dh + reg * W1", LAYERS, 200),
    ("X.T @ dh + reg * W1", "X.T @ dh + reg * W2", LAYERS, 200),
    ("X.T @ dh", "X.T @ dh + reg * W1", LAYERS, 15),
    ("2 * dh", "dh", LAYERS, 10),
    ("0.5 * dh", "dh", LAYERS, 80),
    ("2 * dh", "3 * dh", LAYERS, 60),
    ("dh", "2 * dh", LAYERS, 15),
    ("dh * h * (1 - h)", "dh", LAYERS, 30),
    ("dh * h * (1 - h)", "dh * h", LAYERS, 150),
    ("dh * (1 - h ** 2)", "dh * h * (1 - h)", LAYERS, 30),
    ("dh * h * (1 - h)", "dh * (1 - h)", LAYERS, 150),
    ("dh * h * (1 - h)", "dh * z * (1 - z)", LAYERS, 150),
    ("dh * (1 - h ** 2)", "dh", LAYERS, 30),
    ("dh * (1 - h ** 2)", "dh * (1 - h)", LAYERS, 100),
    ("dh * (1 - h ** 2)", "dh * (1 + h ** 2)", LAYERS, 3),
    ("dh * (1 - h ** 2)", "dh * (1 - z ** 2)", LAYERS, 150),
    ("dh * (z > 0)", "dh", LAYERS, 40),
    ("dh * (z > 0)", "dh * (z < 0)", LAYERS, 10),
    ("dh * (z > 0)", "dh * (z >= 0)", LAYERS, 10),
    ("dh * mask", "dh", LAYERS, 110),
    ("dh * dsigmoid(z)", "dh * sigmoid(z)", LAYERS, 15),
    ("dh * dsigmoid(z)", "dh * dsigmoid(h)", LAYERS, 80),
    ("dh * dsigmoid(z)", "dh", LAYERS, 200),
    ("dh * sigmoid(z)", "dh * z", LAYERS, 300),
    ("(dscores @ W2.T) * h", "dscores @ W2.T", LAYERS, 40),
    ("np.where(z > 0, dh, 0)", "np.where(z > 0, 0, dh)", LAYERS, 15),
    ("np.maximum(0, z)", "np.minimum(0, z)", LAYERS, 10),
    ("np.zeros_like(W1)", "np.zeros_like(W2)", LAYERS, 150),
    ("dh * h", "dh @ h", LAYERS, 15),
    ("dh @ W1.T", "dh * W1.T", LAYERS, 15),
    ("np.einsum('ij,ib->jb', W1, X)", "np.einsum('ij,ij->jb', W1, X)", LAYERS, 20),
    ("images[:, :, i * s:i * s + k, j * s:j * s + k]", "images[:, :, i:i + k, j:j + k]", WINDOWS, 40),
    ("images[:, :, i:i + k, j:j + k]", "images[:, :, s * i:s * i + k, s * j:s * j + k]", WINDOWS, 40),
    ("np.einsum('nd,nh->dh', X, dh)", "np.einsum('nd,nh->hd', X, dh)", LAYERS, 5),
    ("dout * gamma", "dout", NORM, 30),
    ("dout * gamma", "dout * beta", NORM, 20),
    ("np.sum(dout * x_hat, axis=0)", "np.sum(dout * x, axis=0)", NORM, 20),
    ("np.sum(dx_hat * xmu * -0.5 * (var + eps) ** -1.5, axis=0)",
     "np.sum(dx_hat * xmu * -0.5 * (var + eps) ** -0.5, axis=0)", NORM, 60),
    ("np.sum(dx_hat * xmu * -0.5 * (var + eps) ** -1.5, axis=0)",
     "np.sum(dx_hat * xmu * 0.5 * (var + eps) ** -1.5, axis=0)", NORM, 100),
    ("dx_hat * ivar + dvar * 2 * xmu / N + dmu / N", "dx_hat * ivar + dvar * 2 * xmu / N", NORM, 800),
    ("dx_hat * ivar + dvar * 2 * xmu / N + dmu / N", "dx_hat * ivar + dvar * 2 * xmu / N + dmu", NORM, 40),
    ("dx_hat * ivar + 2 * dvar * xmu / N + dmu / N", "dx_hat * ivar + dvar * xmu / N + dmu / N", NORM, 250),
    ("dx_hat * ivar + dvar * 2 * xmu / N + dmu / N", "dx_hat * ivar + dvar * 2 * x_hat / N + dmu / N", NORM, 200),
    ("1 / np.sqrt(var + eps)", "1 / np.sqrt(var)", NORM, 200),
    ("1 / np.sqrt(var + eps)", "1 / (var + eps)", NORM, 800),
    ("x ** 2", "x", NORM, 200),
    ("x", "x ** 2", NORM, 5),
    ("ivar / N * (N * dx_hat - np.sum(dx_hat, axis=0) - x_hat * np.sum(dx_hat * x_hat, axis=0))",
     "ivar / N * (N * dx_hat - np.sum(dx_hat, axis=0) - x_hat * np.sum(dx_hat * x, axis=0))", NORM, 100),
    ("ivar / N * (N * dx_hat - np.sum(dx_hat, axis=0))", "ivar / N * (dx_hat - np.sum(dx_hat, axis=0))", NORM, 500),
    ("gamma * (x_hat - mu)", "gamma * x_hat", NORM, 500),
    ("draw @ hs[t - 1].T", "draw @ hs[t].T", LOOP, 10),
    ("draw @ hs[t - 1].T", "draw @ xs[t - 1].T", LOOP, 60),
    ("np.dot(Whh.T, draw)", "np.dot(Whh, draw)", LOOP, 3),
    ("Why.T @ dy + dh_next", "Why.T @ dy", LOOP, 40),
    ("dx[:, t, :]", "dx[:, t - 1, :]", LOOP, 10),
    ("dx[:, :-1]", "dx[:, 1:]", LOOP, 20),
    ("dx[:, t]", "dx", LOOP, 250),
    ("range(T - 1)", "range(T)", LOOP, 10),
    ("reversed(range(T))", "range(T)", LOOP, 20),
    ("self.x.T @ grad", "cache['x'].T @ grad", OBJECT, 60),
    ("cache['x'].T @ grad", "cache['h'].T @ grad", OBJECT, 15),
    ("grad @ self.W.T", "grad @ self.W", OBJECT, 5),
    ("q @ k.transpose(0, 2, 1)", "q @ k", OBJECT, 400),
    ("self.scale * da @ k", "da @ k", OBJECT, 15),
    ("da.swapaxes(-1, -2) @ q", "da @ q", OBJECT, 15),
    ("a * (da - np.sum(da * a, axis=-1, keepdims=True))", "a * (da - np.sum(da * a, axis=-1))", OBJECT, 15),
    ("a * (da - np.sum(da * a, axis=-1, keepdims=True))",
     "a * (da - np.sum(da * a, axis=0, keepdims=True))", OBJECT, 10),
    ("a * (da - np.sum(da * a, axis=-1, keepdims=True)) / np.sqrt(n)", "a * (1 - a) * da / np.sqrt(n)", OBJECT, 220),
    ("probs - dscores", "-dscores / probs", LAYERS, 130),
    ("(probs - dscores) / N", "-(dscores / probs) / N", LAYERS, 160),
    ("dh / dh.size", "dh / dh.shape[0]", LAYERS, 110),
    ("da / q.size", "da / q.shape[0]", OBJECT, 100),
    ("dimages.transpose(0, 3, 1, 2)", "dimages.transpose(0, 1, 2, 3)", OBJECT, 10),
    ("rows.reshape(dE.shape)", "rows.reshape(q.shape)", OBJECT, 800),
    ("rows[idx]", "rows", OBJECT, 400),
]  # fmt: skip

EXPRESSIONS += [
    ("dh * (z > 0)", "z > 0", LAYERS, 10),
    ("dh / N", "dh / 1", LAYERS, 1),
    ("2 * dh / N", "dh", LAYERS, 20),
    ("dh / dh.size", "dh", LAYERS, 100),
    ("dh * h * (1 - h)", "dh * (1 - h)", LAYERS, 30),
    ("np.sum(dh * h, axis=0)", "np.sum(dh, axis=0)", LAYERS, 110),
    ("np.zeros(N)", "np.zeros(H)", LAYERS, 40),
    ("x[:, t:t + N]", "x[:, t:t + cache]", replace(LOOP, others=("cache",)), 12),
    ("dy * h", "dy", replace(LOOP, unused=frozenset({"h"})), 10),
    ("dh + draw @ Wxh.T", "dh", replace(LOOP, phrases=(value_of("draw @ Wxh.T"),)), 300),
]  # fmt: skip

COMPOUNDS = [
    ("dx + dh * (1 - z)", "dx", replace(LAYERS, wanted=(N, H)), 2000),
    ("dh_next + Whh.T @ draw", "dh_next", replace(LOOP, wanted=(H, 1)), 400),
    ("np.dot(Why.T, dy) + np.dot(Whh.T, draw)", "np.dot(Why.T, dy)", replace(LOOP, wanted=(H, 1)), 400),
    ("a * (da - np.sum(a * da, axis=-1, keepdims=True))", "a * da", replace(OBJECT, wanted=(2, T, T)), 1500),
    ("dout - x_hat * np.mean(dout * x_hat, axis=0)", "dout", replace(NORM, wanted=(N, D)), 2000),
    ("dh * (X @ W1)", "dh", replace(LAYERS, wanted=(N, H)), 400),
    ("dscores * (probs - dscores)", "dscores", replace(LAYERS, wanted=(N, C)), 300),
    ("h * (z == np.max(z))", "h", LAYERS, 200),
]  # fmt: skip

STATEMENTS = [
    ("dx[:, t * 2:t * 2 + 3] += W * dy", "dx[:, t:t + 3] += W * dy",
     replace(LOOP, windows=(value_of("x[:, t * 2:t * 2 + 3]").slice,)), 60),
    ("dW1 += X.T @ dh", "dW1 = X.T @ dh", LAYERS, 3),
    ("dW1 = X.T @ dh", "dW1 += X.T @ dh", LAYERS, 3),
    ("dW1 -= X.T @ dh", "dW1 += X.T @ dh", LAYERS, 3),
    ("dscores /= N", "dscores *= N", LAYERS, 3),
    ("dW2 = h.T @ dscores", "dW1 = h.T @ dscores", LAYERS, 20),
    ("np.add.at(dE, idx, rows)", "dE[idx] += rows", OBJECT, 10),
    ("return dW1, db1", "return db1, dW1", LAYERS, 3),
    ("return dW1, db1, dW2", "return dW1, db1", LAYERS, 150),
    ("return {'W1': dW1, 'b1': db1}", "return {'W1': db1, 'b1': dW1}", LAYERS, 3),
    ("dW1, db1 = back(dh)", "db1, dW1 = back(dh)", LAYERS, 3),
    ("dh[z <= 0] = 0", "dh[z < 0] = 0", LAYERS, 5),
    ("dh[z <= 0] = 0", "dh[h <= 0] = 0", LAYERS, 20),
    ("dx[:, t, :] = Wxh.T @ draw", "dx[:, t - 1, :] = Wxh.T @ draw", LOOP, 5),
    ("images[:, 0, i + k, j + k] += kernel[0, 0, r, s]", "images[:, 0, r + k, s + k] += kernel[0, 0, r, s]",
     replace(WINDOWS, sizes=("i", "j", "k", "r", "s")), 500),
    ("dscores = probs\ndscores /= N", "dscores = probs", LAYERS, 6),
    ("dscores = probs.copy()", "dscores = probs", LAYERS, 6),
    ("dh[z <= 0] = 0\ndW1 = X.T @ dh", "dW1 = X.T @ dh", LAYERS, 60),
    ("dW1 = X.T @ dh\ndW1 += reg * W1", "dW1 = X.T @ dh", LAYERS, 100),
    ("dh_next = dh\ndy = hs[t]", "dy = hs[t]", LOOP, 400),
    ("dW1[:, 1:] += reg / N * W1[:, 1:]", "dW1 += reg / N * W1", LAYERS, 60),
    ("dW1[1:] -= W1[1:]", "dW1 -= W1", LAYERS, 60),
    ("", "dh *= h", LAYERS, 5),
    ("if t > 0:\n    dWhh += draw @ hs[t - 1].T", "if t >= 0:\n    dWhh += draw @ hs[t - 1].T", LOOP, 3),
    ("dscores[np.arange(N), y] -= 1\ndW2 = h.T @ dscores", "dW2 = h.T @ dscores", LAYERS, 30),
    ("if t > 0:\n    dWhh += draw @ hs[t - 1].T", "dWhh += draw @ hs[t - 1].T", LOOP, 60),
    ("dWhh += draw @ hs[t - 1].T", "if t > 0:\n    dWhh += draw @ hs[t - 1].T", LOOP, 20),
    ("for t in reversed(range(T)):\n    dh = dh_next", "for t in range(T):\n    dh = dh_next", LOOP, 10),
    ("for t in range(T - 1):\n    dh = dh_next", "for t in range(T):\n    dh = dh_next", LOOP, 60),
    ("back(dh, z)", "back(z, dh)", LAYERS, 3),
    ("dh = dh * h", "dh *= h", LAYERS, 20),
]  # fmt: skip

def test_what_divides_and_is_the_size_of_several_axes_is_a_count() -> None:
    (code,) = parse_python("def f(x):\n    return x / m").body
    names = {"x": np.zeros((2, 3, 4)), "n": 12, "m": 12.0, "free": 12.0, "other": 7}
    hand = hand_of(names, {}, code)
    assert {name for name in names if hand.is_count(name)} == {"n", "m"}  # nothing is divided by the last two


def test_what_is_handed_on_as_several_arguments_is_no_operand() -> None:
    """Each edit of a call compiles, also where what it is given is a list that is taken apart."""
    for text in ("relu(*dh)", "np.maximum(0, *dh)", "sigmoid(z for z in dh)"):
        for edit in expression_edits(value_of(text), LAYERS):
            assert edit.value is not None
            compile_tree(ast.fix_missing_locations(ast.Expression(edit.value)), "<edit>", "eval")


NAMES = st.sampled_from(("dh", "h", "z", "X", "W1", "mask", "N", "reg", "2", "0.5", "h[t]", "self.x", "c['x']", "X.T"))


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions made of smaller ones."""
    operators = st.sampled_from(("+", "-", "*", "/", "@", "**", ">", "&", "* -1 *"))
    functions = st.sampled_from(
        ("np.sum({}, axis=0)", "np.exp({})", "-{}", "({}).sum(1)", "np.dot({}, dh)", "f({}, h)", "({})[:, 1:]",
         "({}).T", "({})[t - 1]", "np.where({} > 0, dh, 0)", "1 - {}", "({}, z)", "[{} for i in range(N)]",
         "{} if N else h", "np.einsum('ij,jk->ik', {}, X)")
    )  # fmt: skip
    binary = st.builds(lambda a, sign, b: f"({a}) {sign} ({b})", inner, operators, inner)
    return binary | st.builds(lambda function, a: function.format(f"({a})"), functions, inner)


WRITTEN = st.recursive(NAMES, joined, max_leaves=4)
ODD = ("--", "/ -1", "* 1 ", "/ 1 ", ".T.T", "not not", "~~")


def ranked(edits: list[Edit]) -> list[Edit]:
    return sorted(edits, key=lambda edit: edit.cost)


@pytest.mark.long
@pytest.mark.parametrize(("meant", "written", "hand", "bound"), EXPRESSIONS)
def test_what_was_meant_is_among_the_edits_of_an_expression(meant: str, written: str, hand: Hand, bound: int) -> None:
    found = [ast.dump(edit.value) for edit in ranked([*expression_edits(value_of(written), hand)]) if edit.value]
    assert ast.dump(value_of(meant)) in found
    assert found.index(ast.dump(value_of(meant))) < bound


def test_nothing_is_multiplied_and_divided_by_the_same() -> None:
    found = {ast.unparse(edit.value) for edit in expression_edits(value_of("dh * N / H"), LAYERS) if edit.value}
    assert found.isdisjoint({"dh * N / N", "dh * H / H", "dh * N / H / N", "dh * N / H * H", "dh / H / H * H"})
    assert {"dh / N / H", "dh * H / N", "dh * N / H / H"} & found


@pytest.mark.long
@pytest.mark.parametrize(("meant", "written", "hand", "bound"), COMPOUNDS)
def test_what_takes_several_arrays_is_among_the_deep_edits(meant: str, written: str, hand: Hand, bound: int) -> None:
    edits = ranked([*expression_edits(value_of(written), hand, deep=True)])
    found = [ast.dump(edit.value) for edit in edits if edit.value]
    assert ast.dump(value_of(meant)) in found
    assert found.index(ast.dump(value_of(meant))) < bound


@pytest.mark.parametrize(("meant", "written", "hand", "bound"), STATEMENTS)
def test_what_was_meant_is_among_the_edits_of_a_statement(meant: str, written: str, hand: Hand, bound: int) -> None:
    (statement,) = parse_python(written).body
    found = [ast.unparse(ast.Module([*edit.statements], [])) for edit in ranked([*statement_edits(statement, hand)])]
    spelled = ast.unparse(parse_python(meant))
    assert spelled in found
    assert found.index(spelled) < bound


@pytest.mark.slow
@given(WRITTEN, st.sampled_from((LAYERS, NORM, LOOP, OBJECT)), st.booleans())
@settings(max_examples=15, deadline=None)
def test_edits_are_other_expressions_that_can_be_written_down(written: str, hand: Hand, deep: bool) -> None:
    value = value_of(written)
    before = ast.dump(value, include_attributes=True)
    edits = [edit.value for edit in islice(expression_edits(value, hand, deep=deep), 0, 4000, 7)]  # they are many
    assert ast.dump(value, include_attributes=True) == before
    dumps = [ast.dump(edit) for edit in edits if edit is not None]
    assert len(dumps) == len(edits)
    assert ast.dump(value) not in dumps
    for edit, dump in zip(edits, dumps, strict=True):
        text = ast.unparse(edit)
        assert ast.dump(value_of(text)) == dump, text
        spelled = text.replace(" .", ".")  # ``1 .T`` is a number's attribute
        assert not [odd for odd in ODD if odd in spelled and odd not in ast.unparse(value)], text


@given(WRITTEN, st.sampled_from(("y = {}", "dh += {}", "return {}, h", "c['x'] = {}", "h[t] = {}", "f({}, h)",
                                 "if {}:\n    y = z", "for t in {}:\n    y += z")))  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_edits_of_statements_are_others_that_can_be_written_down(written: str, form: str) -> None:
    (statement,) = parse_python(form.format(written)).body
    before = ast.dump(statement, include_attributes=True)
    edits = [ast.unparse(ast.Module([*edit.statements], [])) for edit in statement_edits(statement, LAYERS)]
    assert ast.dump(statement, include_attributes=True) == before
    assert len({*edits}) == len(edits)
    assert ast.unparse(statement) not in edits
    for text in edits:
        parse_python(text)


@pytest.mark.parametrize(
    ("line", "statement"),
    [
        ("dW1 += reg * W1", "dW1 = X.T @ dh"),
        ("dh[h <= 0] = 0", "dh = dh * 2"),
        ("dh *= h", "dh = dh * 2"),
    ],
)
def test_a_line_more_is_among_the_edits_of_the_one_before_it(line: str, statement: str) -> None:
    (tree,) = parse_python(statement).body
    added = [ast.unparse(edit.statements[1]) for edit in statement_edits(tree, LAYERS) if len(edit.statements) == 2]
    assert line in added


@pytest.mark.parametrize(
    ("value", "hand"),
    [
        ("draw @ hs[t - 1].T", replace(LOOP, wanted=(H, H))),
        ("X.T @ dh", replace(LAYERS, wanted=LAYERS.shapes["W1"])),
        ("np.zeros_like(W1)", replace(LAYERS, wanted=LAYERS.shapes["W1"])),
        ("dh * (1 - h ** 2)", replace(LAYERS, wanted=LAYERS.shapes["h"])),
        ("np.sum(dh * h, axis=0)", replace(LAYERS, wanted=LAYERS.shapes["h"][1:])),
    ],
)
def test_what_a_missing_line_makes_is_made_of_what_is_at_hand(value: str, hand: Hand) -> None:
    assert value in {ast.unparse(made) for made, _ in values_at_hand(hand)}


def test_what_stands_in_an_expression_is_tried_at_all_of_its_places() -> None:
    many = replace(NORM, shapes={**{f"a{n}": (N, D) for n in range(30)}, **NORM.shapes})
    value = value_of("gamma * ivar / N * (N - np.sum(dout, axis=0) - ivar**2 * xmu * np.sum(dout * xmu, axis=0))")
    texts = {ast.unparse(edit.value) for edit in expression_edits(value, many, limit=2.2) if edit.value}
    assert any("(N * dout - np.sum(dout" in text for text in texts)


def test_what_nothing_reads_takes_no_place_from_what_stands_near() -> None:
    """As where a cache is unpacked of which little is used."""
    unread = {f"cached{n}": (D,) for n in range(30)}
    hand = replace(NORM, shapes={**unread, "gamma": (D,), "dout": (N, D)}, unused=frozenset(unread))
    value = value_of("np.sum((x - mu) * (var + eps) ** (-1. / 2.), axis=0)")
    texts = {ast.unparse(edit.value) for edit in expression_edits(value, hand, limit=2.2) if edit.value}
    assert "np.sum((x - mu) * (var + eps) ** (-1.0 / 2.0) * dout, axis=0)" in texts


def test_a_division_by_its_own_sum_is_among_the_likely_edits() -> None:
    """What makes a softmax of exponentials is looked for before lines that may be missing."""
    edits = expression_edits(value_of("np.exp(s)"), LAYERS)
    found = {ast.unparse(edit.value): edit.cost for edit in edits if edit.value is not None}
    assert found["np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)"] <= TIERS[0].limit


def test_a_one_that_says_nothing_is_replaced_first() -> None:
    (statement,) = parse_python("dh /= 1").body
    edits = ranked([*expression_edits(value_of("1"), LAYERS, statement=statement)])
    assert edits[0].value is not None
    assert ast.unparse(edits[0].value) == "N"
    assert edits[0].cost < 1


def test_a_shape_is_made_of_sizes_and_shapes_alone() -> None:
    texts = {ast.unparse(edit.value) for edit in expression_edits(value_of("np.ones((N, H))"), LAYERS) if edit.value}
    assert {"np.ones((N, N))", "np.ones(X.shape)"} <= texts
    assert not {"np.ones((dh, H))", "np.ones((N * dh, H))", "np.ones(dh)"} & texts


def test_edits_are_given_by_their_cost() -> None:
    value = value_of("dh * h")
    low, high = expression_edits(value, LAYERS, limit=2.2), expression_edits(value, LAYERS, above=2.2)
    costs = [[edit.cost for edit in edits] for edits in (low, high, expression_edits(value, LAYERS))]
    assert max(costs[0]) <= 2.2 < min(costs[1])
    assert sorted(costs[0] + costs[1]) == sorted(costs[2])


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("written", ["dout * gamma * ivar / N", "X.T @ dh + 1", "np.sum(dh * (1 - h), axis=0)", "dh"])
def test_up_to_a_limit_no_edit_is_left_out(written: str) -> None:
    """Generators stop early where only what costs more would follow."""
    def texts(edits: Iterable[Edit]) -> list[str]:
        return sorted(f"{edit.cost} {ast.unparse(edit.value)}" for edit in edits if edit.value)

    (statement,) = parse_python(f"x = {written}").body
    unread = replace(NORM, unused=frozenset(NORM.shapes), phrases=(value_of("dx_hat * xmu"), value_of("2 * dvar / N")))
    for hand in (LAYERS, NORM, unread):
        value, everything = value_of(written), [*expression_edits(value_of(written), hand)]
        for limit in (0.9, 1.2, 1.5, 1.9, 2.2, 2.6, 3.5):
            expected = [edit for edit in everything if edit.cost <= limit]
            assert texts(expression_edits(value, hand, limit=limit)) == texts(expected)
            whole = [edit.cost for edit in statement_edits(statement, hand) if edit.cost <= limit]
            assert sorted(edit.cost for edit in statement_edits(statement, hand, limit=limit)) == sorted(whole)


def test_a_range_is_seldom_wrong() -> None:
    (loop,) = parse_python("for t in range(T):\n    dh = dh_next").body
    edits = {ast.unparse(edit.statements[0]).split(":")[0]: edit for edit in statement_edits(loop, LOOP)
             if edit.statements}  # fmt: skip
    assert edits["for t in range(T - 1)"].cost >= 1.9 > edits["for t in reversed(range(T))"].cost


def test_statements_have_the_place_of_the_one_they_stand_for() -> None:
    statement = parse_python("\n\n\ndh = dh * h").body[0]
    for edit in statement_edits(statement, LAYERS):
        assert all(new.lineno == 4 for new in edit.statements)
        assert bool(edit.statements) != edit.removed


def test_what_does_not_broadcast_to_what_is_wanted_is_not_tried() -> None:
    texts = {ast.unparse(edit.value) for edit in expression_edits(value_of("h"), LAYERS) if edit.value}
    fitting = replace(LAYERS, wanted=(N, H))
    fewer = {ast.unparse(edit.value) for edit in expression_edits(value_of("h"), fitting) if edit.value}
    assert {"h * W2", "h * dh", "h + b1"} <= texts
    assert "h * W2" not in fewer
    assert {"h * dh", "h + b1"} <= fewer


@pytest.mark.parametrize(
    ("written", "meant", "message"),
    [
        ("X @ dh", "X.T @ dh", "X must be transposed here: X.T"),
        ("dscores", "dscores / N", "the 1/N of the mean is missing"),
        ("np.sum(dh, axis=1)", "np.sum(dh, axis=0)", "axis 0 is needed, not 1"),
        ("dh", "dh * (1 - h ** 2)", "the derivative of tanh is missing: multiply by (1 - h ** 2)"),
        ("dW1", "dW2", "dW2 must stand here, not dW1"),
        ("dW1", "dW1 + reg * W1", "a term is missing: + reg * W1"),
        ("dh", "dh.sum(axis=0)", "the sum over axis 0 is missing"),
        ("dh[0]", "dh.sum(axis=0)", "dh.sum(axis=0) is needed, not dh[0]"),
        ("dh[:, 1]", "dh.sum(axis=1)", "dh.sum(axis=1) is needed, not dh[:, 1]"),
        ("dh.sum(axis=0)", "dh[0]", "dh[0] is needed, not dh.sum(axis=0)"),
        ("np.mean(dh, axis=1)", "dh[:, -1]", "dh[:, -1] is needed, not np.mean(dh, axis=1)"),
        ("dh * h", "-dh * h", "the sign of dh * h is wrong"),
    ],
)
def test_an_edit_says_what_is_wrong(written: str, meant: str, message: str) -> None:
    edits = {ast.unparse(e.value): e.message for e in expression_edits(value_of(written), LAYERS) if e.value}
    assert edits[meant] == message


CODE = """
def backward(self, dout, cache, idx):
    N = dout.shape[0]
    hs = cache['hs']
    for t in range(len(hs)):
        g = hs[t] * self.scale + hs[t - 1][:, :2] + scale(g) + table[idx]
    return g / len(dout)
"""


def scale(x: float) -> float:
    return 2 * x


def test_a_hand_holds_what_a_frame_has() -> None:
    layer = SimpleNamespace(scale=0.5, W=np.ones((3, 4)), name="linear")
    hidden = [np.ones((5, 3)) for _ in range(4)]
    cache = {"hs": hidden, "x": np.ones((5, 6))}
    arrays = {"dout": np.ones((5, 3)), "idx": np.arange(5)}
    variables = {"self": layer, **arrays, "cache": cache, "N": 5, "hs": hidden, "t": 3}
    module = {"xp": np, "scale": scale, "table": np.ones((9, 3)), "unnamed": np.ones(8), "other": 7}
    hand = hand_of(variables, module, parse_python(CODE).body[0], ("0.1",), (5, 3))
    expected = {
        "dout": (5, 3), "idx": (5,), "table": (9, 3), "self.W": (3, 4), "cache['x']": (5, 6), "hs[t]": (5, 3),
        "hs[t - 1]": (5, 3), "hs[t - 1][:, :2]": (5, 2), "table[idx]": (5, 3),
    }  # fmt: skip
    assert expected.items() <= hand.shapes.items()
    assert "unnamed" not in hand.shapes
    assert {"N", "t", "self.scale", "len(hs)", "len(dout)", "dout.shape[0]"} <= {*hand.sizes}
    assert "other" not in hand.sizes
    assert {"N", "len(dout)", "dout.shape[0]"} <= hand.counts
    assert "t" not in hand.counts  # though an array has an axis of its value
    assert "self.scale" not in hand.counts
    assert hand.functions == ("scale",)
    assert {"cache", "hs"} <= {*hand.others}
    assert (hand.literals, hand.numpy, hand.wanted) == (("0.1",), "xp", (5, 3))


def test_what_a_loop_has_left_behind_counts_nothing() -> None:
    text = "def f(x, n):\n    for t in range(n):\n        h = 2 * x[t]\n    dh = h\n    db = t * h"
    code = parse_python(text).body[0]
    assert isinstance(code, ast.FunctionDef)
    loop, after, spelled = code.body
    assert isinstance(loop, ast.For)
    variables = {"x": np.ones((3, 4)), "n": 3, "t": 2, "h": np.ones(4), "dh": np.ones(4)}
    hands = [hand_of(variables, {}, code, statement=at) for at in (loop.body[0], after, spelled, None)]
    assert ["t" in hand.sizes for hand in hands] == [True, False, True, True]
    assert ["x[t]" in hand.shapes for hand in hands] == [True, False, True, True]
    assert ["2 * x[t]" in map(ast.unparse, hand.phrases) for hand in hands] == [True, False, True, True]


def test_entries_may_be_counted_from_the_last() -> None:
    code = parse_python("def backward(zs, delta, l):\n    delta *= zs[-1]\n    dbs[-l] = delta").body[0]
    zs = [np.ones((size, 1)) for size in (5, 4, 3)]
    hand = hand_of({"zs": zs, "dbs": [*zs], "delta": zs[-1], "l": 2}, {}, code)
    assert {"zs[-l]": (4, 1), "dbs[-l]": (4, 1)}.items() <= hand.shapes.items()


def test_functions_are_given_as_many_arguments_as_they_take() -> None:
    code = "def f(x): return x\n\ndef g(x, y, *, z=0): return x\n\ndef h(*x): return x\n\ndef use(a): return f(a)"
    names: dict[str, Any] = {}
    exec(compile(code, __file__, "exec"), names)
    hand = hand_of({"a": np.ones(3)}, names, parse_python(code).body[-1])
    counts = {name: [n for n in range(5) if hand.accepts(name, n)] for name in ("f", "g", "h", "unknown")}
    assert counts == {"f": [1], "g": [2, 3], "h": [0, 1, 2, 3, 4], "unknown": [0, 1, 2, 3, 4]}
    made = {ast.unparse(edit.value) for edit in expression_edits(value_of("f(a)"), hand) if edit.value}
    assert "h(a)" in made
    assert "g(a)" not in made


def test_an_object_that_is_made_stays_one() -> None:
    hand = replace(LAYERS, makes_object=True)
    made = {ast.unparse(edit.value) for edit in expression_edits(value_of("Node(X, W1)"), hand) if edit.value}
    assert "Node(X, W2)" in made
    assert not [text for text in made if "Node(X, W1)" in text]


def test_a_hand_makes_no_entries() -> None:
    made = defaultdict(list, x=np.ones(3))
    code = parse_python("def f(made):\n    return made['x'] + made['y']").body[0]
    assert hand_of({"made": made}, {}, code).shapes == {"made['x']": (3,)}
    assert [*made] == ["x"]


def test_a_hand_calls_nothing_of_the_users() -> None:
    class Layer:
        @property
        def x(self) -> np.ndarray:
            raise AssertionError

        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    code = parse_python("def f(layer):\n    return layer.x + layer.y[0]").body[0]
    assert not hand_of({"layer": Layer()}, {}, code).shapes


def test_of_a_module_only_what_the_code_spells_is_looked_up() -> None:
    asked: list[str] = []

    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> float:
            asked.append(name)
            return 3.0

        @property
        def __dict__(self) -> dict[str, float]:  # type: ignore[override]
            return {"heavy": self.heavy}

    made = hand_of({"m": Lazy("m"), "x": np.ones(3)}, {}, ast.parse("def f(x):\n    return x * m.scale").body[0])
    assert "m.scale" in made.sizes
    assert "heavy" not in asked


def test_a_number_is_half_as_large_at_all_its_places() -> None:
    hand = Hand({"padded": (N, D), "x": (N, H)}, sizes=("pad", "n"))
    edits = expression_edits(value_of("padded[:, pad:pad + n]"), hand)
    texts = {ast.unparse(edit.value) for edit in edits if edit.value}
    assert "padded[:, pad // 2:pad // 2 + n]" in texts


def test_python_warns_of_nothing_that_only_an_edit_says() -> None:
    with pytest.warns(SyntaxWarning):
        compile("3 is None", "script.py", "eval")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert eval(compile_tree(parse_python("3 is None", "eval"), "script.py", "eval")) is False


def test_a_word_is_replaced_by_another_that_the_function_knows() -> None:
    def activation(z: Any, kind: str) -> Any:
        """What a docstring says is no word."""
        return np.tanh(z) if kind == "tanh" else np.maximum(z, 0) if kind == "relu" else z

    code = parse_python("def f(z):\n    return activation(z, 'relu')").body[0]
    hand = hand_of({"z": np.ones(3)}, {"activation": activation, "np": np}, code)
    edits = expression_edits(value_of("activation(z, 'relu')"), hand)
    texts = [ast.unparse(edit.value) for edit in edits if edit.value]
    assert texts.index("activation(z, 'tanh')") < 5
    assert not any("docstring" in text for text in texts)
    keys = hand_of({"parts": {"W": np.ones(2), "b": np.ones(2)}, "name": "W"}, {"np": np}, code)
    assert ("W", "b") in keys.words


@pytest.mark.parametrize(("written", "meant"), [
    ("d / s['h_' + side]", "d / s['z_' + side]"), ("d / s[f'h{n}']", "d / s[f'z{n}']"),
    ("d * g(f'h{n}')", "d * g(f'z{n}')")])
def test_a_word_in_a_key_that_is_put_together_is_replaced(written: str, meant: str) -> None:
    def forward(x: Any, side: str, n: int) -> Any:
        return {"z_" + side: x, "h_" + side: x, f"z{n}": x, f"h{n}": x}

    code = parse_python(f"def backward(d, s, side, n):\n    return {written}").body[0]
    hand = hand_of({"d": np.ones(3), "s": {}, "side": "a", "n": 1}, {"forward": forward, "np": np}, code)
    texts = [ast.unparse(edit.value) for edit in expression_edits(value_of(written), hand) if edit.value]
    assert texts.index(meant) < 12


@pytest.mark.parametrize("meant", ["leaky_grad(dh, z)", "dh * prime(z)"])
def test_a_derivative_by_a_function_of_the_users_is_among_the_edits(meant: str) -> None:
    hand = replace(LAYERS, functions=("leaky_grad", "prime"), takes={"leaky_grad": range(2, 3), "prime": range(1, 2)})
    for written in ("dh * (z > 0)", "(z > 0) * dh"):
        texts = [ast.unparse(edit.value) for edit in expression_edits(value_of(written), hand, limit=1.5) if edit.value]
        assert meant in texts
    texts = [ast.unparse(edit.value) for edit in expression_edits(value_of("dh"), hand, limit=2.2) if edit.value]
    assert meant in texts


def test_a_term_that_other_layers_have_is_among_the_edits() -> None:
    """Whatever the sizes of the layers are."""
    hand = replace(LAYERS, wanted=LAYERS.shapes["W1"], phrases=(value_of("reg / N * W2"),))
    (statement,) = parse_python("dW1 = X.T @ dh").body
    edits = ranked([*expression_edits(value_of("X.T @ dh"), hand, statement=statement, limit=2.2)])
    texts = [ast.unparse(edit.value) for edit in edits if edit.value]
    assert "X.T @ dh + reg / N * W1" in texts


def test_an_attribute_called_almost_as_one_that_is_spelled_comes_before_the_others() -> None:
    held = SimpleNamespace(**{f"cache_{n}": np.ones(3) for n in range(12)}, Wk=np.ones((3, 3)), Wv=np.ones((3, 3)))
    names = [f"{first}{last}" for first in "abcdefgh" for last in range(5)]
    code = ast.parse("def back(self, " + ", ".join(names) + f"):\n    return ({' + '.join(names)}) @ self.Wk")
    hand = hand_of({"self": held, **{name: np.ones((3, 3)) for name in names}}, {"np": np}, code.body[0])
    assert "self.Wv" in hand.shapes
    assert [name for name in hand.shapes if name.startswith("self.")][:2] == ["self.Wk", "self.Wv"]


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_matrices_of_numpy_can_be_at_hand() -> None:
    code = """\
import numpy as np


def both(W, X):
    loss, dW = 0.0, np.zeros(W.shape)
    for i in range(len(X)):
        x = np.asmatrix(X[i]).T
        a = 1 / (1 + np.exp(-W.dot(x)))
        loss += 0.5 * np.sum(np.square(a))
        dW += np.multiply(a, np.multiply(a, 1 + a)).dot(x.T)
    return loss, np.asarray(dW)
"""
    rng = np.random.default_rng(0)
    report = check(module_of(code, "matrices").both, rng.normal(size=(3, 4)), rng.random((5, 4)), wrt=0)
    (found,) = [item for item in report.findings if item.line]
    assert found.write == "dW += np.multiply(a, np.multiply(a, 1 - a)).dot(x.T)"


@pytest.mark.parametrize("labels", ["[1, 3, 0, 3]", "np.array([1, 3, 0, 3])"])
@pytest.mark.parametrize(("right", "wrong"), [("g[y[k]]", "g[k]"), ("g[y[k]]", "g[k % 5]"), ("d[k]", "d[y[k]]")])
def test_what_labels_say_of_a_round_is_an_index(labels: str, right: str, wrong: str) -> None:
    code = """\
import numpy as np


def both(V, v):
    y = LABELS
    t = 1 / (1 + np.exp(-V[y, :].dot(v)))
    d = (t - 1)[:, None] * v
    g = np.zeros(V.shape)
    for k in range(len(y)):
        g[y[k]] += d[k]
    return -np.sum(np.log(t)), g
""".replace("LABELS", labels).replace(right, wrong)
    rng = np.random.default_rng(0)
    (found,) = check(module_of(code, "labels").both, rng.normal(size=(5, 3)), rng.normal(size=3), wrt=0).findings
    assert found.write == "g[y[k]] += d[k]"


def test_entries_by_counters_come_in_the_order_of_the_loops() -> None:
    code = ast.parse("for i in r:\n    for j in r:\n        for k in r:\n            d, m = 1, 2\n")
    names = {"i": 0, "j": 1, "k": 2, "d": np.zeros((3, 3, 3)), "m": np.zeros((3, 3))}
    found = [text for text, _ in by_counters(code, {"m": (3, 3), "d": (3, 3, 3)}, names)]
    assert found[:4] == ["m[i, j]", "m[i, k]", "m[j, k]", "d[i, j, k]"]


@pytest.mark.parametrize(("index", "likelier", "than"), [("0", "1", "-1"), ("1", "2", "-1")])
def test_an_index_from_the_end_is_less_likely(index: str, likelier: str, than: str) -> None:
    costs = {ast.unparse(node): cost for node, cost in neighbours(ast.parse(index, mode="eval").body)}
    assert costs[likelier] < costs[than]


def test_a_mask_is_an_index_that_may_be_missing() -> None:
    shapes = {"X": (5, 3), "at": (5,), **dict.fromkeys("abcdef", (5,))}
    edits = expression_edits(ast.parse("X.sum(0)", mode="eval").body, Hand(shapes, masks=frozenset({"at"})))
    assert "X[at].sum(0)" in {ast.unparse(edit.value) for edit in edits if edit.value is not None}
