"""Losses with conditions and with arithmetic on sizes, gradients that are right for every size, and wrong ones that
agree at the sizes and values of the check."""

from __future__ import annotations

import functools
import linecache
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from textwrap import dedent, indent
from typing import Any

import numpy as np

NUMBERS = count()


@dataclass(frozen=True)
class Case:
    """The bodies of a loss and of a gradient, both of the arguments x and X."""

    name: str
    loss: str
    gradient: str

    def __str__(self) -> str:
        return self.name


def function(body: str) -> Callable[..., Any]:
    """A function of x (6,) and X (6, 4) with a body, whose lines can be looked up."""
    text = "def f(x, X):\n" + indent(dedent(body).strip("\n"), "    ") + "\n"
    file = f"<case {next(NUMBERS)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"np": np, "math": math, "operator": operator, "functools": functools, "Fraction": Fraction}
    exec(compile(text, file, "exec"), scope)  # the text is ours
    made: Callable[..., Any] = scope["f"]
    return made


EXPRESSIONS = {
    "n - 1": ("5", "m + 1"), "n // 2": ("3", "n - 3"), "n + 1": ("7", "2 * n - 5"), "n - 2": ("4", "2 * n - 8"),
    "(n + 2 - 3) // 2 + 1": ("3", "n // 2"), "2 * n": ("12", "n + 6"), "n * m": ("24", "4 * n"),
    "n * (n - 1) // 2": ("15", "n + 9"), "X.size - 1": ("23", "4 * n - 1"), "len(x) // 3": ("2", "n - 4"),
    "m + n": ("10", "n + 4"), "(n + 1) // 2": ("3", "n // 2"), "X.shape[0] * 3": ("18", "n + 12"),
    "n - m": ("2", "n // 3"), "n // 2 - 1": ("2", "n // 3"), "m * n - n": ("18", "3 * n"),
}  # fmt: skip
"""Expressions of sizes, at n = 6 and m = 4: the number that each is there, and another that agrees there."""
INSIDE = ("n - 1", "n // 2", "n - 2", "len(x) // 3", "(n + 1) // 2", "n - m", "n // 2 - 1", "(n + 2 - 3) // 2 + 1")
SIZES = "n, m = X.shape\n"
ROLES = {
    "factor": ("return (x ** 2).sum() / ({e})", "return 2 * x / ({e})"),
    "root": ("return (x ** 2).sum() / np.sqrt({e})", "return 2 * x * ({e}) ** -0.5"),
    "term": ("return ((x + ({e})) ** 2).sum()", "return 2 * (x + ({e}))"),
    "head": ("return (x[:{e}] ** 2).sum()", "d = np.zeros_like(x)\nd[:{e}] = 2 * x[:{e}]\nreturn d"),
    "tail": ("return (x[{e}:] ** 3).sum()", "d = np.zeros_like(x)\nd[{e}:] += 3 * x[{e}:] ** 2\nreturn d"),
    "place": ("return x[{e}] ** 2", "d = np.zeros_like(x)\nd[{e}] = 2 * x[{e}]\nreturn d"),
    "middle": ("return (x[1:{e}] ** 2).sum() / n",
               "d = np.zeros_like(x)\nd[1:{e}] = 2 * x[1:{e}] / n\nreturn d"),
    "average": ("return (x[:{e}] ** 2).mean()", "d = np.zeros_like(x)\nd[:{e}] = 2 * x[:{e}] / ({e})\nreturn d"),
}  # fmt: skip
"""Where an expression stands: a loss, and its gradient with respect to x."""


def with_sizes() -> Iterator[tuple[str, Case, Case, Case]]:
    """Each expression in each role: the right gradient, one with the number, one with another expression."""
    for role, (loss, gradient) in ROLES.items():
        for e, (number, other) in EXPRESSIONS.items():
            if role in ("factor", "root", "term") or e in INSIDE:
                made = [Case(f"{role} {e} as {g}", SIZES + loss.format(e=e), SIZES + gradient.format(e=g))
                        for g in (e, number, other)]
                yield role, made[0], made[1], made[2]


MORE_RIGHT = (
    Case("reversed", "n = len(x)\nreturn (x * x[::-1]).sum()", "return 2 * x[::-1]"),
    Case("last", "return x[-1] ** 2", "d = np.zeros_like(x)\nd[-1] = 2 * x[-1]\nreturn d"),
    Case("but the last", "return (x[:-1] * x[1:]).sum()",
         "d = np.zeros_like(x)\nd[:-1] += x[1:]\nd[1:] += x[:-1]\nreturn d"),
    Case("every other", "return (x[::2] ** 2).sum()", "d = np.zeros_like(x)\nd[::2] = 2 * x[::2]\nreturn d"),
    Case("split", "a, b = np.split(x, 2)\nreturn (a * b).sum()",
         "a, b = np.split(x, 2)\nreturn np.concatenate([b, a])"),
    Case("joined", "y = np.concatenate([x, X[:, 0]])\nreturn (y[:len(x)] ** 2).sum()", "return 2 * x"),
    Case("variance", "n = len(x)\nreturn ((x - x.mean()) ** 2).sum() / (n - 1)",
         "n = len(x)\nreturn 2 * (x - x.mean()) / (n - 1)"),
    Case("rolled", "return (x * np.roll(x, 1)).sum()", "return np.roll(x, 1) + np.roll(x, -1)"),
    Case("heads", "n = len(x)\ny = x.reshape(2, n // 2)\nreturn (y[0] * y[1]).sum()",
         "n = len(x)\ny = x.reshape(2, n // 2)\nreturn np.stack([y[1], y[0]]).reshape(n)"),
    Case("padded", "y = np.pad(x, 1)\nreturn (y[1:-1] ** 2).sum()", "return 2 * x"),
)
MORE_WRONG = (
    Case("a number beside a slice", "n = len(x)\nreturn (x[:n // 2] ** 2).sum() / (n - 1)",
         "n = len(x)\nd = np.zeros_like(x)\nd[:n // 2] = 2 * x[:n // 2] / 5\nreturn d"),
    Case("last as 5", "return x[-1] ** 2", "d = np.zeros_like(x)\nd[5] = 2 * x[5]\nreturn d"),
    Case("5 as last", "return x[5] ** 2", "d = np.zeros_like(x)\nd[-1] = 2 * x[-1]\nreturn d"),
    Case("last as a slice", "return x[-1] ** 2", "d = np.zeros_like(x)\nd[5:] = 2 * x[5:]\nreturn d"),
    Case("a whole by number", "return (x ** 2).sum()", "d = np.zeros_like(x)\nd[:6] = 2 * x[:6]\nreturn d"),
    Case("a tail by number", "return (x[1:] ** 2).sum()", "d = np.zeros_like(x)\nd[1:6] = 2 * x[1:6]\nreturn d"),
    Case("a loop by number", "return (x ** 2).sum()",
         "d = np.zeros_like(x)\nfor i in range(6):\n    d[i] = 2 * x[i]\nreturn d"),
    Case("a loop", "s = 0.0\nfor i in range(len(x)):\n    s = s + x[i] ** 2\nreturn s",
         "d = np.zeros_like(x)\nfor i in range(6):\n    d[i] = 2 * x[i]\nreturn d"),
    Case("a list of positions", "return (x ** 2).sum()",
         "d = np.zeros_like(x)\nd[[0, 1, 2, 3, 4, 5]] = 2 * x[[0, 1, 2, 3, 4, 5]]\nreturn d"),
    Case("weights", "return (x * np.arange(len(x))).sum()", "return x * 0 + np.array([0, 1, 2, 3, 4, 5])"),
    Case("iteration", "s = 0.0\nfor i, v in enumerate(x):\n    s = s + i * v\nreturn s",
         "return x * 0 + np.arange(6)"),
    Case("an average by number", "return (x ** 2).mean()", "return 2 * x / 6"),
    Case("a slice's average", "return (x[1:] ** 2).mean()", "d = np.zeros_like(x)\nd[1:] = 2 * x[1:] / 5\nreturn d"),
    Case("the first of two", "n = len(x)\na, b = np.split(x, 2)\nreturn (a ** 2).sum()",
         "d = np.zeros_like(x)\nd[:3] = 2 * x[:3]\nreturn d"),
    Case("joined", "y = np.concatenate([x[:len(x) // 2], x])\nreturn (y[:len(x) // 2] ** 2).sum()",
         "d = np.zeros_like(x)\nd[:3] = 2 * x[:3]\nreturn d"),
    Case("rows", "n, m = X.shape\ny = x.reshape(n // 2, 2)\nreturn (y[-1] ** 2).sum()",
         "d = np.zeros_like(x)\ny = d.reshape(3, 2)\ny[2] = 2 * x.reshape(3, 2)[2]\nreturn d"),
    Case("log of a size", "return (x ** 2).sum() / np.log(len(x))", "return 2 * x / np.log(6)"),
    Case("remainder", "n = len(x)\nreturn (x ** 2).sum() * (n % 4)", "return 4 * x"),
    Case("rounded", "n = len(x)\nreturn (x ** 2).sum() * int(np.ceil(n / 4))", "return 4 * x"),
    Case("a sum in two steps", "n = len(x)\ny = x[1:] * 1.0\nreturn (y[n // 2 - 1:] ** 2).sum()",
         "d = np.zeros_like(x)\nd[3:] = 2 * x[3:]\nreturn d"),
    Case("a count of rows", "return (X.sum(0) ** 2).sum() * 0 + (x ** 2).sum() / len(X)", "return 2 * x / 6"),
)

TESTS = (
    "x.sum() < 1e6", "(x < 1e6).all()", "not (x > 1e6).any()", "x[0] < 1e6 and x[1] < 1e6", "x.max() < 1e6 or x[0] > 0",
    "float(x[0]) < 1e6", "int(x[0]) < 10 ** 6", "bool((x < 1e6).all())", "sorted(list(x))[0] < 1e6",
    "max(list(x), key=lambda v: float(v)) < 1e6", "np.allclose(x, x)", "len(x) > 4", "len(x) == 6",
    "x.shape[0] % 2 == 0",
    "x.size != 7", "len(x) - 1 in (5, 7)", "x.shape == (6,)", "X.shape[1] < X.shape[0]", "len(x) // 2 == 3",
    "np.isfinite(x).all()", "np.linalg.norm(x) < 1e6", "x.tolist()[0] < 1e6", "len(x[x < 1e6]) > 5",
    "hash(x[0]) != 0.5",
    "np.sign(x.max() - 1e6) < 0", "len(X[0]) < 5", "np.argmax(np.abs(x)) < 100",
)  # fmt: skip
BRANCHES = {
    "if": "if {t}:\n    return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "expression": "return (x ** 2).sum() if {t} else (x ** 3).sum()",
    "assert": "assert {t}\nreturn (x ** 2).sum()",
}
MORE_BRANCHES = (
    Case("as a number", "p = 1 + int(bool(x.sum() < 1e6))\nreturn (x ** p).sum()", "return 2 * x"),
    Case("while", "y = x\nwhile np.abs(y).sum() > 1e6:\n    y = y / 2\nreturn (y ** 2).sum()", "return 2 * x"),
    Case("caught", "try:\n    [1, 2][int(abs(x[0]) > 1e6) * 7]\nexcept IndexError:\n    return (x ** 3).sum()\n"
         "return (x ** 2).sum()", "return 2 * x"),
    Case("an index", "p = (3, 2)[int(x[0] < 1e6)]\nreturn (x ** p).sum()", "return 2 * x"),
    Case("a key", "p = {True: 2, False: 3}[bool(x[0] < 1e6)]\nreturn (x ** p).sum()", "return 2 * x"),
    Case("sizes as a number", "p = 1 + (len(x) > 4)\nreturn (x ** p).sum()", "return 2 * x"),
    Case("an exception of NumPy's", "try:\n    with np.errstate(all='raise'):\n"
         "        np.exp(x * 0 + 1e4 * (x[0] < 1e6))\n"
         "except FloatingPointError:\n    return (x ** 2).sum()\nreturn (x ** 3).sum()", "return 2 * x"),
)  # fmt: skip


def behind_conditions() -> Iterator[Case]:
    """Gradients of the branch that is taken at the values and sizes of the check, wrong for the other."""
    for test in TESTS:
        for name, branch in BRANCHES.items():
            if name != "assert":
                yield Case(f"{name} {test}", branch.format(t=test), "return 2 * x")
    yield from MORE_BRANCHES
