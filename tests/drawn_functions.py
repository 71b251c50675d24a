"""Whole functions drawn at random, as source text: 15 to 30 operations, on the constructs that people write.

Blocks of statements (``function_blocks``) are put together by the shapes of what they read and make, in letters, so
that a function runs at any sizes. Values are locals, entries of dicts, attributes, items of lists; some blocks go into
a function of their own; the whole may be a method. What no block has read counts in the loss.
"""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import function_blocks
import function_loops
import function_passages
import function_rarities
import numpy as np
from function_loops import AROUND, CONDITIONS, GLOBALS, HELPERS

Shape = tuple[str, ...]
Sizes = Mapping[str, int]
TOKEN = re.compile(r"\$(#?\w|\?)")
INPUTS = {"X": "ND", "W1": "DH", "b1": "H", "W2": "HC", "b2": "C", "U": "HH", "A": "NC", "B": "ND", "S": "NTD",
          "g": "D", "E": "CD", "V": "DD"}  # fmt: skip
PARAMETERS = ("W1", "b1", "W2", "b2", "U", "g", "E", "V")


@dataclass(frozen=True)
class Pattern:
    """A value of a block: its name there, its shape, what its labels are over, whether it is a mask."""

    name: str
    shape: str
    over: str = ""
    mask: bool = False


@dataclass(frozen=True)
class Block:
    """Some statements, and how often they are drawn."""

    weight: float
    reads: tuple[Pattern, ...]
    makes: tuple[Pattern, ...]
    code: str


@dataclass
class Value:
    """What an expression holds: its shape, what its labels are over, whether it is a mask."""

    shape: Shape
    over: str = ""
    mask: bool = False


def pattern(text: str) -> Pattern:
    """``y:i^j``, ``m:S?``, ``a:i,j*k``."""
    name, shape = text.split(":")
    shape, _, over = shape.partition("^")
    return Pattern(name, shape.rstrip("?"), over, shape.endswith("?"))


@cache
def blocks() -> tuple[Block, ...]:
    """The table, read."""
    found = []
    tables = (function_blocks, function_loops, function_rarities, function_passages)
    whole = "\n".join(module.TABLE.strip() for module in tables)
    for part in re.split(r"\n+(?=\d+ \|)", whole):
        head, code = part.rstrip().split("\n", 1)
        weight, shapes = head.split(" | ")
        reads, makes = (tuple(map(pattern, side.split())) for side in shapes.split("->"))
        found.append(Block(float(weight), reads, makes, re.sub(r"(?m)^    ", "", code)))
    return tuple(found)


@cache
def weights() -> Any:
    """How likely each block is."""
    found = np.array([block.weight for block in blocks()])
    return found / found.sum()


def dimension(text: str, bound: Mapping[str, Any]) -> str:
    """``j+k`` with the dimensions that j and k are."""
    made = re.sub(r"[a-z]", lambda found: str(bound[found[0]]), text)
    return made if re.fullmatch(r"\w+", made) else f"({made})"


@dataclass
class Body:
    """Statements while they are drawn, and the values at hand."""

    rng: np.random.Generator
    style: str
    prefix: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    sizes: dict[str, list[str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    names: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    def pick(self, options: Sequence[Any]) -> Any:
        """One of some."""
        return options[int(self.rng.integers(len(options)))]

    def fitting(self, wanted: Pattern, bound: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """The values that a pattern takes, and what its letters are then."""
        found = []
        for name, value in self.values.items():
            if value.mask == wanted.mask and bool(value.over) == bool(wanted.over):
                letters = unified(wanted.shape, value.shape, bound)
                if letters is not None and wanted.over:
                    letters = unified(wanted.over, (value.over,), letters)
                if letters is not None:
                    found.append((name, letters))
        return found

    def matched(self, block: Block) -> tuple[dict[str, str], dict[str, Any]] | None:
        """Values for a block, the newer the likelier."""
        chosen: dict[str, str] = {}
        bound: dict[str, Any] = {}
        for wanted in block.reads:
            found = self.fitting(wanted, bound)
            if not found:
                return None
            newest = found[-3:] if self.rng.random() < 0.6 else found
            chosen[wanted.name], bound = self.pick(newest)
        written = {chosen[made.name] for made in block.makes if made.name in chosen}
        rare = written & self.given and self.rng.random() > 0.1
        return None if rare else (chosen, bound)

    def target(self, mask: bool) -> str:
        """A name for what is made: a local, an entry of a dict, an attribute."""
        number = next(self.names)
        name = f"{self.pick(['z', 'h', 'd', 'out', 'dx'])}{number}"
        chance = self.rng.random()
        if mask:
            return f"mask{number}"
        if self.style == "class" and chance < 0.3:
            return f"self.{name}"
        return f'cache["{name}"]' if not self.prefix and chance < 0.45 and chance > 0.3 else name

    def add(self, block: Block) -> bool:
        """Statements of a block, if there are values for it."""
        found = self.matched(block)
        if found is None:
            return False
        chosen, bound = found
        made = {p.name: chosen.get(p.name) or self.target(p.mask) for p in block.makes}
        text = re.sub(r"«([^»]*)»", lambda part: self.pick(AROUND).format(part[1]), block.code)
        local: dict[str, str] = {}
        text = TOKEN.sub(lambda token: self.filled(token[1], {**chosen, **made}, bound, local), text)
        self.lines += text.split("\n")
        for wanted in block.makes:
            shape = bound["S"] if wanted.shape == "S" else tuple(dimension(d, bound) for d in split(wanted.shape))
            self.values[made[wanted.name]] = Value(shape, mask=wanted.mask)
        written = [made[p.name] for p in block.makes if not p.mask]
        self.unread = [n for n in self.unread if n not in chosen.values() or n in written]
        self.unread += [n for n in written if n not in self.unread]
        return True

    def filled(self, token: str, given: Mapping[str, str], bound: Mapping[str, Any], local: dict[str, str]) -> str:
        """The text for a token of a block."""
        if token == "?":
            return TOKEN.sub(lambda t: self.filled(t[1], given, bound, local), self.pick(CONDITIONS))
        if token[0] == "#":
            return self.size(bound.get(token[1], token[1]))
        if token == "c":
            return str(self.pick([0.1, 0.5, 2, -1.5, 0.3, 1]))
        if token.isdigit():
            return local.setdefault(token, f"{self.pick('uvwstkr')}{next(self.names)}")
        return given[token]

    def size(self, wanted: str) -> str:
        """A text for a size: a name, or part of a shape."""
        options = list(self.sizes.get(wanted, ()))
        for name, value in self.values.items():
            options += [f"{name}.shape[{n}]" for n, d in enumerate(value.shape) if d == wanted]
            options += [f"len({name})"] * (value.shape[:1] == (wanted,))
        return self.pick(options) if options else "2"

    def draw(self, operations: int) -> None:
        """Blocks until there are so many operations."""
        while counted(self.lines) < operations:
            self.add(blocks()[int(self.rng.choice(len(blocks()), p=weights()))])


def split(shape: str) -> list[str]:
    """The dimensions of a shape in letters."""
    return shape.split(",") if "," in shape else list(shape)


def unified(wanted: str, shape: Shape, bound: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the letters are where a shape is as wanted; None where it is not."""
    letters = dict(bound)
    if wanted.startswith("S"):
        rest = wanted[1:]
        whole, shape = shape[: len(shape) - len(rest)], shape[len(shape) - len(rest) :]
        if letters.setdefault("S", whole) != whole or (not rest and not whole):
            return None
        wanted = rest
    if len(wanted) != len(shape):
        return None
    for letter, own in zip(wanted, shape, strict=True):
        if (letter if letter.isdigit() else letters.setdefault(letter, own)) != own:
            return None
    return letters


def counted(lines: Sequence[str]) -> int:
    """How many operations are written: operators, calls, augmented assignments, writes into parts."""
    kinds = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.AugAssign, ast.Call)
    nodes = list(ast.walk(ast.parse("\n".join(lines))))
    written = [n for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    return sum(isinstance(node, kinds) for node in nodes) + len(written)


@dataclass(frozen=True)
class Drawn:
    """A drawn function: its source, in which it is ``f`` and its loss alone ``loss``, and what it is given.

    Attributes
    ----------
    style : 'arrays', 'dict', 'list' or 'class'
        How it is given its parameters.
    wrt : int or tuple of int
        What gradients are taken by.
    seed : int
    """

    source: str
    style: str
    wrt: int | tuple[int, ...]
    seed: int

    @cached_property
    def space(self) -> dict[str, Any]:
        """What the source defines."""
        space: dict[str, Any] = {"np": np}
        name = f"<drawn {self.seed}>"
        linecache.cache[name] = len(self.source), None, self.source.splitlines(keepends=True), name
        exec(compile(self.source, name, "exec"), space)
        return space

    def arguments(self, sizes: Sizes, values: int = 0) -> tuple[Any, ...]:
        """New arguments of these sizes."""
        rng = np.random.default_rng((self.seed, values))
        arrays = {n: rng.normal(size=[sizes[i] for i in s]) * 0.7 for n, s in INPUTS.items()}
        y = rng.integers(0, sizes["C"], sizes["N"])
        data = [arrays[n] for n in INPUTS if n not in PARAMETERS]
        parameters = {n: arrays[n] for n in PARAMETERS}
        first: list[Any] = [parameters] if self.style == "dict" else list(parameters.values())
        return (*([first] if self.style == "list" else first), *data, y, 0.1, "train")


def sizes_for(seed: int) -> tuple[dict[str, int], list[dict[str, int]]]:
    """The sizes to read at: mostly different and more than 1, some equal, some 1; and others, of one dimension or all.
    """
    rng = np.random.default_rng((seed, 7))
    kind = rng.random()
    numbers = rng.permutation([2, 3, 4, 5, 6]) if kind < 0.65 else rng.integers(2, 4, 5)
    if kind > 0.82:
        numbers[rng.integers(5)] = 1
    own = {letter: int(n) for letter, n in zip("NDHTC", numbers, strict=True)}
    more = {letter: n + 1 + (letter in "DT") for letter, n in own.items()}
    alone = [{**own, i: int(rng.choice([n for n in (1, 2, 3, 4, 5, 7) if n != own[i]]))} for i in own]
    return own, [alone.pop(rng.integers(5)), more, *alone]


def draw(seed: int) -> Drawn:
    """A function of 15 to 30 operations."""
    rng = np.random.default_rng(seed)
    style = str(rng.choice(["arrays", "dict", "list", "class"], p=[0.3, 0.25, 0.1, 0.35]))
    body = Body(rng, style)
    for name, shape in INPUTS.items():
        body.values[reached(name, style)] = Value(tuple(shape))
    body.values["y"] = Value(("N",), "C")
    body.given = set(body.values)
    head = opening(body)
    operations = int(rng.integers(15, 31))
    parts = [part(body)] if rng.random() < 0.25 else []
    body.draw(operations)
    body.lines = ["cache = {}", *head, *body.lines, *closing(body)]
    text = program_text(body, parts)
    wrt: int | tuple[int, ...] = 0 if style in ("dict", "list") else tuple(range(len(PARAMETERS)))
    return Drawn(text, style, wrt, seed)


def reached(name: str, style: str) -> str:
    """How the body reaches an input."""
    if name not in PARAMETERS or style == "arrays":
        return name
    if style == "list":
        return f"weights[{PARAMETERS.index(name)}]"
    return f'p["{name}"]' if style == "dict" else f"self.{name}"


def opening(body: Body) -> list[str]:
    """The lines that give sizes names."""
    w, b = reached("W1", body.style), reached("b2", body.style)
    options = [("N, D = X.shape", "ND"), (f"H = {w}.shape[1]", "H"), (f"C = len({b})", "C"), ("_, T, _ = S.shape", "T"),
               (f"C = {b}.size", "C"), ("N = len(y)", "N"), (f"D, H = {w}.shape", "DH")]
    lines = []
    for text, named in options:
        if body.rng.random() < 0.35:
            lines.append(text)
            for name in named:
                body.sizes.setdefault(name, []).append(name)
    return lines


def part(body: Body) -> str:
    """Some blocks as a function of their own, which the body calls."""
    given = [n for n in body.values if n not in ("y", "S") and body.rng.random() < 0.4][:3]
    given = list(dict.fromkeys([*given, "X"]))
    inner = Body(body.rng, "arrays", prefix="part", names=body.names)
    renamed = {n: "abcdefg"[i] * 2 for i, n in enumerate(given)}
    for name, new in renamed.items():
        inner.values[new] = body.values[name]
    inner.values["y"] = body.values["y"]
    inner.draw(6)
    made = [n for n in inner.values if n not in renamed.values() and n != "y" and not inner.values[n].mask][-3:]
    made = made or list(renamed.values())[:1]
    names = [body.target(False) for _ in made]
    body.lines.append(f"{', '.join(names)} = part({', '.join(given)}, X, y, reg, mode)")
    for new, old in zip(names, made, strict=True):
        body.values[new] = inner.values[old]
        body.unread.append(new)
    lines = [*inner.lines, f"return {', '.join(made)}"]
    return "\n".join([f"\ndef part({', '.join(renamed.values())}, X, y, reg, mode):", *("    " + t for t in lines), ""])


def closing(body: Body) -> list[str]:
    """The loss of what nothing has read, and what is returned."""
    lines = ["loss = 0.0"]
    unread = body.unread[-6:] or [reached("W1", body.style)]
    for name in unread:
        lines.append("loss " + body.pick(
            [f"+= np.sum({name} ** 2) / $#N", f"+= np.mean(np.tanh({name}))", f"+= 0.5 * np.sum(np.sin({name}))",
             f"= loss + np.sum({name} * {name}) * reg"]).replace("$#N", body.size("N")))  # fmt: skip
    arrays = [n for n, v in body.values.items() if not v.over and n != "y"]
    kept = list(dict.fromkeys([*unread, *arrays[-5:]]))
    held = "{" + ", ".join(f'"{re.sub("[^A-Za-z0-9_]", "_", n)}": {n}' for n in kept) + "}"
    chance = body.rng.random()
    returned = held if chance < 0.5 else f"({', '.join(kept)},)" if chance < 0.7 else "{}"
    return [*lines, f"return loss, {returned}"]


def program_text(body: Body, parts: list[str]) -> str:
    """The whole source."""
    first = {"dict": "p", "list": "weights"}.get(body.style, ", ".join(PARAMETERS))
    data = ", ".join([*(n for n in INPUTS if n not in PARAMETERS), "y", "reg", "mode"])
    text = "\n".join("    " + line for line in body.lines)
    if body.style == "class":
        names = ", ".join(PARAMETERS)
        stored = "".join(f"        self.{n} = {n}\n" for n in PARAMETERS)
        init = f"class Net:\n    def __init__(self, {names}):\n{stored}"
        run = f"\n    def run(self, {data}):\n" + "\n".join("    " + line for line in text.split("\n"))
        text = f"{init}{run}\n\ndef f({names}, {data}):\n    return Net({names}).run({data})"
    else:
        text = f"def f({first}, {data}):\n{text}"
    own = "".join(parts) + "\n" + text
    used = [code for name, code in HELPERS.items() if re.search(rf"\b{name}\(", own)]
    known = [code for name, code in GLOBALS.items() if re.search(rf"\b{name}\b", own)]
    return "\n".join([*known, *used, own, f"\n\ndef loss({first}, {data}):\n    return f({first}, {data})[0]\n"])
