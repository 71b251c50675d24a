"""What a printed formula is worth: ``dW[k,j] = Σ_b d[k,b] h[j,b]`` evaluated at arrays, read off the text alone.

It shares no code with what prints formulas, so that a formula that a report shows can be held against the line that the
user had.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

VULGAR = {"½": 1 / 2, "⅓": 1 / 3, "⅔": 2 / 3, "¼": 1 / 4, "¾": 3 / 4}
LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
TOKEN = re.compile(
    r"(?P<space>\s*)(?:(?P<sum>Σ_[a-z]+)|(?P<extreme>(?:max|min)_[a-z]+)|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?|[½⅓⅔¼¾])"
    r"|(?P<raised>⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)|(?P<read>[A-Za-z_′][A-Za-z0-9_.'′]*(?:\([^()\[\]]*\))?\[[a-z](?:,[a-z])*\])"
    r"|(?P<name>[A-Za-z_′][A-Za-z0-9_.'′]*)|(?P<size>\|[a-z]\|)|(?P<mark>[-+*/·√^()\[\],=≠<>≤≥|]))"
)
COMPARISONS = {
    "=": np.equal, "≠": np.not_equal, "<": np.less, ">": np.greater, "≤": np.less_equal, "≥": np.greater_equal,
    "and": np.logical_and, "or": np.logical_or,
}  # fmt: skip
FUNCTIONS = {name: getattr(np, name) for name in ("tanh", "exp", "log", "sqrt", "sign", "sin", "cos")} | {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "max": np.maximum, "min": np.minimum,
}  # fmt: skip


class UnreadableError(Exception):
    """A formula that this reader does not know, or a name that there is no value for."""


class Token(NamedTuple):
    """A piece of a formula: its kind, its text, whether a space stands before it."""

    kind: str
    text: str
    spaced: bool


def tokens_of(text: str) -> list[Token]:
    """The pieces of a formula."""
    found, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None:
            raise UnreadableError(f"{text[at:]!r} in {text!r}")
        kind = next(k for k in match.groupdict() if k != "space" and match[k] is not None)
        found.append(Token(kind, match[kind], bool(match["space"])))
        at = match.end()
    return found


class Formula:
    """A right-hand side, evaluated on a grid that has an axis for each letter of it."""

    def __init__(self, text: str, values: Mapping[str, Any], out: str, sizes: Mapping[str, int] = MappingProxyType({})):
        self.tokens, self.at, self.values = tokens_of(text), 0, values
        self.sizes: dict[str, int] = dict(sizes)
        for token in self.tokens:
            if token.kind == "read":
                name, letters = token.text[:-1].split("[")
                if name == "ones" and name not in values:
                    continue
                shape = self.array(name, letters.count(",") + 1).shape
                for letter, size in zip(letters.split(","), shape, strict=True):
                    if letter in sizes:
                        raise UnreadableError(f"{letter} has its size from the formula itself")
                    if self.sizes.setdefault(letter, size) != size:
                        raise UnreadableError(f"{letter} has two sizes in {text!r}")
        self.letters = list(dict.fromkeys([*(i for i in self.sizes if i not in sizes), *out]))
        grid = self.whole()
        if self.at < len(self.tokens):
            raise UnreadableError(f"{self.tokens[self.at].text!r} was not read in {text!r}")
        self.result = self.arranged(grid, out)

    def array(self, name: str, rank: int | None = None) -> Any:
        """A value, without its axes of size 1 where the formula has no letters for them."""
        if name not in self.values:
            raise UnreadableError(f"nothing is called {name}")
        array = np.asarray(self.values[name])
        if rank is not None and array.ndim != rank:
            array = np.squeeze(array)
        if rank is not None and array.ndim != rank:
            raise UnreadableError(f"{name} has {array.ndim} axes")
        return array

    def arranged(self, grid: Any, out: str) -> Any:
        """The grid as an array with the letters of the result, which may be broadcast."""
        if not self.letters:
            return np.asarray(grid)
        grid = np.asarray(grid) * np.ones([1] * len(self.letters))
        for k, letter in enumerate(self.letters):
            if letter not in out and grid.shape[k] != 1:
                raise UnreadableError(f"{letter} is neither summed over nor in the result")
        kept = [k for k, letter in enumerate(self.letters) if letter in out]
        array = grid.reshape([grid.shape[k] for k in kept])
        return array.transpose([[self.letters[k] for k in kept].index(i) for i in out])

    # Reading

    def sees(self, *texts: str) -> bool:
        """Whether one of some pieces comes next."""
        return self.at < len(self.tokens) and self.tokens[self.at].text in texts

    def take(self, text: str | None = None) -> Token:
        """The next piece."""
        if self.at == len(self.tokens) or (text is not None and not self.sees(text)):
            raise UnreadableError(f"expected {text} at {self.at}")
        self.at += 1
        return self.tokens[self.at - 1]

    def whole(self) -> Any:
        """A sum; a choice; a write into an array."""
        value = self.sum()
        if self.sees("where") and "else" in [t.text for t in self.tokens[self.at :]]:
            self.take()
            condition = self.sum()
            self.take("else")
            return np.where(condition, value, self.sum())
        if self.sees("at", "where"):
            return self.write(value)
        return value

    def write(self, value: Any) -> Any:
        """``v at [j=y[b]] where m, x elsewhere``."""
        places: Any = np.ones([1] * len(self.letters))
        base_letters = self.tokens[-2].text
        if self.sees("at"):
            self.take()
            while self.sees("["):
                places = places * self.atom()
        if self.sees("where"):
            self.take()
            places = places * (self.atom() != 0)
        self.take(",")
        base = self.atom()
        self.take("elsewhere")
        inner = tuple(k for k, i in enumerate(self.letters) if i not in base_letters.partition("[")[2])
        written, hit = value * places, places + 0 * value
        for k in inner:
            written, hit = written.sum(axis=k, keepdims=True), hit.sum(axis=k, keepdims=True)
        return np.where(hit != 0, written, base)

    def sum(self) -> Any:
        """Terms with signs between them."""
        total = self.product()
        while self.sees("+", "-"):
            sign = self.take().text
            term = self.product()
            total = total + term if sign == "+" else total - term
        return total

    def product(self) -> Any:
        """Factors side by side; a Σ holds to the end of them."""
        value: Any = 1.0
        first = True
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text == "-" and (first or (token.spaced and not self.tokens[self.at + 1].spaced)):
                self.take()
                return -value * self.product()
            if token.kind == "sum":
                self.take()
                return value * self.summed(self.product(), token.text[2:])
            if token.text == "/":
                self.take()
                value = value / self.power()
            elif token.text in ("·", "*"):
                self.take()
            elif token.text in ("where", "at", "else", "elsewhere", "and", "or") or token.text in "+-)],=≠<>≤≥|":
                break
            else:
                value = value * self.power()
            first = False
        if first:
            raise UnreadableError("a factor is missing")
        return value

    def summed(self, value: Any, letters: str) -> Any:
        """The sum over letters; what does not depend on a letter counts as often as it has values."""
        for letter in letters:
            k = self.letters.index(letter)
            value = np.asarray(value) * np.ones([1] * len(self.letters))
            value = value.sum(axis=k, keepdims=True) if value.shape[k] > 1 else value * self.sizes[letter]
        return value

    def power(self) -> Any:
        """An atom with its exponent."""
        value = self.atom()
        while self.at < len(self.tokens) and (self.tokens[self.at].kind == "raised" or self.sees("^")):
            token = self.take()
            value = value ** (float(token.text.translate(LOWERED)) if token.kind == "raised" else self.atom())
        return value

    def atom(self) -> Any:
        """A number, a value, a root, a call, a bracket, a sum in parentheses."""
        token = self.take()
        match token.kind:
            case "number":
                return VULGAR[token.text] if token.text in VULGAR else float(Fraction(token.text))
            case "read":
                name, letters = token.text[:-1].split("[")
                if name == "ones" and name not in self.values:
                    return 1.0
                return self.spread(self.array(name, letters.count(",") + 1), letters.replace(",", ""))
            case "size":
                return self.sizes[token.text[1]]
            case "extreme":
                over = tuple(self.letters.index(letter) for letter in token.text[4:])
                return getattr(np, token.text[:3])(self.product(), axis=over, keepdims=True)
            case "name":
                return self.named(token.text)
        match token.text:
            case "√":
                return np.sqrt(self.atom())
            case "(":
                value = self.whole()
                self.take(")")
                return value
            case "|":
                value = np.abs(self.sum())
                self.take("|")
                return value
            case "[":
                return self.bracket()
        raise UnreadableError(f"{token.text!r} begins nothing")

    def named(self, name: str) -> Any:
        """A call, a value without axes, the number that a letter stands for, or the size that its capital is."""
        if self.sees("(") and not self.tokens[self.at].spaced:
            self.take()
            arguments = [self.sum()]
            while self.sees(","):
                self.take()
                arguments.append(self.sum())
            self.take(")")
            if name not in FUNCTIONS:
                raise UnreadableError(f"no function {name}")
            return FUNCTIONS[name](*arguments)
        if name in self.letters:
            return self.spread(np.arange(self.sizes[name]), name)
        if len(name) == 1 and name.isupper() and name not in self.values:
            if name.lower() not in self.sizes:
                raise UnreadableError(f"nothing says how large {name} is")
            return self.sizes[name.lower()]
        return self.array(name, 0)

    def bracket(self) -> Any:
        """``[j=y[b]]``, ``[z > 0]``, ``[not x]``."""
        if self.sees("not"):
            self.take()
            value: Any = np.logical_not(self.sum())
        else:
            left = self.sum()
            sign = self.take().text
            value = COMPARISONS[sign](left, self.sum())
        self.take("]")
        return value * 1.0

    def spread(self, array: Any, letters: str) -> Any:
        """An array with its axes where its letters stand in the grid; a letter that stands twice is a diagonal."""
        distinct = "".join(dict.fromkeys(letters))
        array = np.einsum(f"{letters}->{distinct}", array)
        order = sorted(distinct, key=self.letters.index)
        array = array.transpose([distinct.index(i) for i in order])
        return array.reshape([array.shape[order.index(i)] if i in order else 1 for i in self.letters])


def formula_value(equation: str, values: Mapping[str, Any], sizes: Mapping[str, int] = MappingProxyType({})) -> Any:
    """The value that a printed equation gives its left-hand side.

    Parameters
    ----------
    equation : str
        ``name[i,j] = …``; only the first line of the text is read.
    values : mapping of name to array
    sizes : mapping of letter to int
        Sizes of letters that stand at no value of the formula, only as ``1/√J``.
    """
    left, _, right = equation.split("\n")[0].partition(" = ")
    out = left.rpartition("[")[2].rstrip("]").replace(",", "") if "[" in left else ""
    return Formula(right, values, out, sizes).result


def size_letters(equation: str) -> set[str]:
    """The letters of which a formula has the size alone."""
    tokens = tokens_of(equation.split("\n")[0].partition(" = ")[2])
    read = {i for t in tokens if t.kind == "read" for i in t.text[:-1].split("[")[1].split(",")}
    alone = {t.text.lower() for t in tokens if t.kind == "name" and len(t.text) == 1 and t.text.isupper()}
    return alone - read
