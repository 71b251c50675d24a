"""Functions with loops, drawn at random: what people write in them, over x (n, m), v (m), u (n) and labels y (n).

A function is drawn as text. ``where`` names the loops that stand around a place: each counter, and along which axis it
may be an index there.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from textwrap import indent
from typing import Any

import numpy as np
from hypothesis import strategies as st

NUMBERS = count()
HEAD = "n, m = x.shape\n"


@dataclass(frozen=True)
class Drawn:
    """A function, and what its text is."""

    run: Callable[..., Any]
    text: str


def function(body: str) -> Drawn:
    """A function of x, v, u and y with a body, whose lines can be looked up."""
    text = "def f(x, v, u, y):\n" + indent(HEAD + body, "    ")
    return Drawn(defined(text, "f"), text)


def defined(text: str, name: str) -> Any:
    """What a text defines under a name; its lines can be looked up."""
    file = f"<loop {next(NUMBERS)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"np": np}
    exec(compile(text, file, "exec"), scope)  # the text is ours
    return scope[name]


def arguments(n: int, m: int, seed: int = 0) -> tuple[Any, ...]:
    """Arrays of these sizes."""
    rng = np.random.default_rng(seed + 100 * n + m)
    return rng.normal(size=(n, m)), rng.normal(size=m), rng.normal(size=n), rng.integers(0, min(n, m), n)


Where = dict[str, str]
"""The counters around a place, and the axis that each runs along: n, m, or n' for one that begins at 1."""
HEADERS = {
    "n": ("for {} in range(n):", "for {} in range(len(x)):", "for {} in reversed(range(n)):",
          "for {} in range(n)[::-1]:", "for {} in range(n - 1, -1, -1):", "for {0}, {0}_ in enumerate(x):"),
    "m": ("for {} in range(m):", "for {} in range(x.shape[1]):", "for {} in reversed(range(len(v))):",
          "for {0}, {0}_ in enumerate(v):"),
    "n'": ("for {} in range(1, n):", "for {} in reversed(range(1, n)):"),
}  # fmt: skip


@st.composite
def scalars(draw: st.DrawFn, where: Where, depth: int = 2) -> str:
    """A number that is made in a round."""
    n = [counter for counter, axis in where.items() if axis != "m"]
    m = [counter for counter, axis in where.items() if axis == "m"]
    leaves = ["0.5", "x[0, -1]", "v[0]"]
    leaves += [text for i in n for text in (f"u[{i}]", f"x[{i}, 0]", f"np.sum(x[{i}])", f"x[{i}] @ v",
                                            f"u[n - 1 - {i}]", f"x[{i}, y[{i}]]", f"v[y[{i}]]",
                                            f"np.max(x[{i}] * v)")]  # fmt: skip
    leaves += [f"{own}[{i} - 1]" for i in n if where[i] == "n'" for own in ("u", "x[:, 1]")]
    leaves += [text for j in m for text in (f"v[{j}]", f"x[0, {j}]", f"x[:, {j}].sum()", f"v[m - 1 - {j}]")]
    leaves += [f"x[{i}, {j}]" for i in n for j in m] * 3
    if depth and draw(st.booleans()):
        inner = [draw(scalars(where, depth - 1)) for _ in range(2)]
        shapes = ("({} + {})", "{} * {}", "({} - {})", "np.tanh({}) * {}", "np.maximum({}, {})", "({}) ** 2 + {}")
        return draw(st.sampled_from(shapes)).format(*inner)
    return draw(st.sampled_from(leaves))


@st.composite
def loops(draw: st.DrawFn, axes: tuple[str, ...] = ()) -> tuple[Where, str]:
    """One to three loops, and their lines with room for what they do."""
    text = "{body}"
    some = axes or draw(st.lists(st.sampled_from(["n", "m", "n'"]), min_size=1, max_size=2))
    where: Where = dict(zip("ijk", some, strict=False))
    for counter, axis in reversed(where.items()):
        header = draw(st.sampled_from(HEADERS[axis])).format(counter)
        text = header + "\n" + indent(text, "    ")
    return where, text


def filled(text: str, body: str) -> str:
    """Loops with what they do."""
    (line,) = (line for line in text.splitlines() if "{body}" in line)
    margin = " " * line.index("{body}")
    return text.replace(line, indent(body, margin))


@st.composite
def summed(draw: st.DrawFn) -> str:
    """A sum, and another in the same loops."""
    where, text = draw(loops())
    body = f"total += {draw(scalars(where))}\nother -= {draw(scalars(where))}"
    return "total, other = 0.0, 0.0\n" + filled(text, body) + "\nreturn total / n, other"


@st.composite
def accumulated(draw: st.DrawFn) -> str:
    """Entries and rows of arrays that grow."""
    where, text = draw(loops(axes=draw(st.sampled_from([("n", "m"), ("m", "n")]))))
    i, j = (next(c for c, axis in where.items() if axis == wanted) for wanted in ("n", "m"))
    bodies = (f"a[{i}, {j}] += {{}}", f"a[{i}] += v * {{}}", f"a[:, {j}] -= u * {{}}", f"a[{i}, {j}] = {{}}",
              "a += {}", f"a[y[{i}], {j}] += {{}}", f"a[n - 1 - {i}, {j}] += {{}}",
              f"a[{i}, y[{i}]] += {{}}")  # fmt: skip
    body = draw(st.sampled_from(bodies)).format(draw(scalars(where)))
    start = draw(st.sampled_from(["np.zeros((n, m))", "np.zeros_like(x)", "x.copy()"]))
    return f"a = {start}\n" + filled(text, body) + "\nreturn a"


@st.composite
def windows(draw: st.DrawFn) -> str:
    """Windows that overlap, read or added to."""
    stride, width = draw(st.sampled_from([(1, 2), (1, 3), (2, 2), (2, 3)]))
    header = draw(st.sampled_from(["for i in range(w):", "for i in reversed(range(w)):"]))
    part = f"[i*{stride}:i*{stride}+{width}]"
    body, end = draw(st.sampled_from([
        (f"o[i] = np.sum(z{part} * k)", "o"), (f"o[i] = np.max(z{part})", "o"), (f"o[i] += z{part} @ k", "o"),
        (f"d{part} += z[i] * k", "d"), (f"d{part} -= k * np.sum(z{part})", "d"),
        (f"for j in range({width}):\n    o[i] += z[i*{stride}+j] * k[j]", "o"),
        (f"for j in range({width}):\n    d[i*{stride}+j] += z[i] * k[j]", "d"),
    ]))  # fmt: skip
    start = f"z, k = 2 * u, v[:{width}]\nw = (len(z) - {width}) // {stride} + 1\n"
    return start + f"o, d = np.zeros(w), np.zeros_like(z)\n{header}\n{indent(body, '    ')}\nreturn {end}"


@st.composite
def recurrent(draw: st.DrawFn) -> str:
    """What one round leaves to the next."""
    value = draw(scalars({"i": "n"}, 1))
    step = f"np.tanh(x[i] + {draw(st.sampled_from(['0.5', 'v']))} * {{}}) * ({value})"
    return draw(st.sampled_from([
        f"h = np.zeros((n + 1, m))\nfor i in range(n):\n    h[i + 1] = {step.format('h[i]')}\nreturn h",
        f"h, hs = v, []\nfor i in range(n):\n    h = {step.format('h')}\n    hs.append(h)\nreturn np.stack(hs), h",
        f"h = {{-1: v}}\nfor i in range(n):\n    h[i] = {step.format('h[i - 1]')}\nreturn h[n - 1]",
        f"d = np.zeros(m)\na = np.zeros_like(x)\nfor i in reversed(range(n)):\n    d = {step.format('d')}\n"
        "    a[i] = d\nreturn a",
        f"c, a = v, np.zeros((m, m))\nfor i in reversed(range(n)):\n    e = x[i] + c\n    a += np.outer(e, x[i])\n"
        f"    c = {step.format('e')}\nreturn a, c",
    ]))  # fmt: skip


@st.composite
def collected(draw: st.DrawFn) -> str:
    """Lists, dicts and comprehensions, and what becomes of them."""
    i, j = draw(scalars({"i": "n"})), draw(scalars({"j": "m"}))
    return draw(st.sampled_from([
        f"o = []\nfor i in range(n):\n    o.append({i})\nreturn np.array(o)",
        f"o = []\nfor i in range(n):\n    o.append(x[i] * ({i}))\nreturn np.stack(o, axis=1)",
        f"o = [[] for i in range(n)]\nfor i in range(n):\n    for j in range(m):\n        o[i].append({j} * x[i, j])\n"
        "return np.array(o)",
        f"o = {{}}\nfor i in range(n):\n    o[i] = x[i] * ({i})\nreturn sum(np.sum(o[i] ** 2) for i in range(n))",
        f"o = [None] * n\nfor i in reversed(range(n)):\n    o[i] = np.tanh(x[i]) * ({i})\nreturn np.array(o)",
        f"return np.array([{i} for i in range(n)])",
        f"return sum({i} for i in range(n))",
        f"return np.array([[x[i, j] * ({j}) for j in range(m)] for i in range(n)])",
        "total = 0.0\nfor a, b in zip(x, u):\n    total += np.sum(a * v) * b\nreturn total",
        "o = []\nfor i, (a, b) in enumerate(zip(x, u)):\n    o.append(np.tanh(a) * b + x[i])\nreturn np.array(o)",
        f"hs = []\nfor i in range(n):\n    hs.append(np.tanh(x[i]))\na = np.zeros((m, m))\n"
        f"for i in reversed(range(n)):\n    a += np.outer(hs[i], x[i]) * ({i})\nreturn a",
    ]))  # fmt: skip


@st.composite
def inside(draw: st.DrawFn) -> str:
    """A sum in an inner loop, before it is written in the outer one."""
    outer, inner = draw(st.sampled_from([("n", "m"), ("m", "n")]))
    headers = [draw(st.sampled_from(HEADERS[axis])).format(counter) for counter, axis in (("i", outer), ("j", inner))]
    value = draw(scalars({"i": outer, "j": inner}))
    end = draw(st.sampled_from(["o[i] = np.tanh(s)", "o[i] += s * s", "o[i] = s\n    t -= s * o[i]"]))
    return (f"o, t = np.zeros({outer}), 0.0\n{headers[0]}\n    s = 0.0\n    {headers[1]}\n        s += {value}\n"
            f"    {end}\nreturn o, t")  # fmt: skip


BODIES = st.one_of(summed(), accumulated(), windows(), recurrent(), collected(), inside())
