"""Printed formulas as trees, read off the text alone: ``dW[k,j] = 1/B Σ_b d[k,b] h[j,b]``.

It shares no code with what prints formulas. Values may be called anything that the caller has a name for,
``theta["W3"]`` or ``hs[t-1]``: at each place the longest of the names that fits is taken. Where ``hs`` alone is one,
``hs[t-1]`` is its entry at the position ``t-1``.

How tightly things bind, loosest first: a choice or a write (``… where … else …``, ``… at … , … elsewhere``), a sum
(signs have a space on both sides), a product (side by side, or ``/``; a Σ holds to its end), ``max_k`` of what
follows at once, an exponent.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import NoReturn

from formula_nodes import Node, Statement, UnreadableError

VULGAR = {"½": 1 / 2, "⅓": 1 / 3, "⅔": 2 / 3, "¼": 1 / 4, "¾": 3 / 4}
RAISED = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?|[½⅓⅔¼¾∞]")
SIZE = re.compile(r"\|([^\W\d_½⅓⅔¼¾²³¹])\|")
COMPLEX = re.compile(r"\([-+\d.e∞naif]*(?:\d|∞|nan)j\)")
REDUCTION = re.compile(r"(arg)?(max|min)(?:_([^\W\d_½⅓⅔¼¾²³¹]+))? ")
MATRIX = re.compile(r"(inv|pinv|solve|det|logdet|detsign|cholesky)(?:_([^\W\d_½⅓⅔¼¾²³¹]{2}))?\(")
WORDS = ("where", "else", "at", "elsewhere", "and", "or", "xor", "not", "of", "held", "nan")
RELATIONS = {" = ": "=", " ≠ ": "≠", " < ": "<", " > ": ">", " ≤ ": "≤", " ≥ ": "≥"}
RELATIONS |= {f" {word} ": word for word in ("and", "or", "xor")}


def parse_statement(
    text: str, names: Iterable[str], target: str = "", letters: Iterable[str] = ()
) -> Statement:  # fmt: skip
    """A printed equation as a tree; only the first line of the text is read.

    ``target`` is what the left-hand side gives a value to, where that is known: what follows it are its axes. A name
    that is one of the ``letters`` is none of a size.
    """
    line, known = text.split("\n")[0], set(names)
    for match in re.finditer(r" ([-+*/]?)= ", line):
        left = split_left(line[: match.start()], known, target, letters)
        if left is not None and (target or is_target(left.name) or left.name in known):
            own = {letter for axis in left.axes for letter in axis} | {*letters}
            right = Parser(line[match.end() :], known, limited=bool(left.parts), letters=own).all()
            return Statement(left.name, left.axes, match[1], right, left.parts)
    raise UnreadableError(f"there is no left-hand side in {line!r}")


def split_left(left: str, names: set[str], target: str, letters: Iterable[str]) -> Node | None:
    """A left-hand side's name with its axes; None where it is no such thing."""
    starts = [match.start() for match in re.finditer(r"\[", left)] if left.endswith("]") else []
    ends = [len(left)] if left in names else [*reversed(starts), len(left)]
    for end in [len(target)] if target and left.startswith(target) else ends:
        parser = Parser(left[end:], names, letters=letters)
        try:
            node = parser.axes(left[:end])
        except UnreadableError:
            continue
        if parser.at == len(parser.text):
            return node
    return None


def is_target(name: str) -> bool:
    """Whether a text can be what a statement gives a value to."""
    if re.fullmatch(r"return[₀₁₂₃₄₅₆₇₈₉]*|∂\w+/∂.+", name):
        return True
    name = re.sub(r"(?<=\))[₀₁₂₃₄₅₆₇₈₉]+$", "", name)  # the second value of an expression that had several
    try:
        ast.parse(re.sub("^return", "_", name.replace("′", "_")), mode="eval")
    except SyntaxError:
        return False
    return True


def continues(character: str) -> bool:
    """Whether a character can stand in an identifier: a raised digit cannot, nor can the dot of a product."""
    return bool(character) and character not in "·ᵀ" and f"a{character}".isidentifier()


class Parser:
    """A right-hand side, read from left to right; ``limited`` may end with where it is written."""

    def __init__(
        self, text: str, names: Iterable[str], limited: bool = False, letters: Iterable[str] = ()
    ) -> None:  # fmt: skip
        self.letters = frozenset(letters)
        self.text, self.at, self.limited = text.rstrip(), 0, limited
        self.names = sorted((name for name in names if name), key=len, reverse=True)
        self.bars = 0

    def all(self) -> Node:
        """The whole text."""
        node = self.whole()
        if self.at < len(self.text):
            self.fail("nothing more")
        return node

    def fail(self, expected: str) -> NoReturn:
        raise UnreadableError(f"expected {expected}\n    {self.text}\n    {' ' * self.at}^")

    def sees(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def accept(self, text: str) -> bool:
        """Read a text if it comes next."""
        if self.sees(text):
            self.at += len(text)
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.fail(repr(text))

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read what matches, if anything does."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def whole(self) -> Node:
        """A sum, a choice or a write."""
        value = self.sum()
        brackets: list[Node] = []
        if self.accept(" at "):
            brackets.append(self.bracket())
            while self.accept(" ["):
                self.at -= 1
                brackets.append(self.bracket())
        where: tuple[Node, ...] = ()
        if self.accept(" where "):
            where = (self.power(),)
        if where and not brackets and self.accept(" else "):
            return Node("choice", (where[0], value, self.product()))
        if self.accept(", "):
            base = self.power()
            self.expect(" elsewhere")
            return Node("write", (value, base, Node("places", tuple(brackets)), *where))
        if where and self.limited and self.at == len(self.text):
            return Node("limited", (value, where[0]))
        if brackets or where:
            self.fail("', … elsewhere'")
        return value

    def sum(self) -> Node:
        """Terms with signs between them."""
        terms = [self.product()]
        while self.sees(" + ") or self.sees(" - "):
            negative = self.sees(" - ")
            self.at += 3
            term = self.product()
            terms.append(Node("minus", (term,)) if negative else term)
        return terms[0] if len(terms) == 1 else Node("plus", tuple(terms))

    def product(self) -> Node:
        """Factors side by side; a Σ holds to the end of them."""
        if self.accept("-"):
            return Node("minus", (self.product(),))
        value: Node | None = None
        while True:
            if found := self.match(re.compile(r"Σ_([^\W\d_½⅓⅔¼¾²³¹]+) ")):
                inner = Node("sum", (self.product(),), letters=found[1])
                return inner if value is None else Node("times", (value, inner))
            factor = self.reduction()
            value = factor if value is None else Node("times", (value, factor))
            while self.accept("/"):
                value = Node("over", (value, self.power()))
            if self.goes_on():
                self.accept(" ") or self.accept("·")
            else:
                return value

    def goes_on(self) -> bool:
        """Whether another factor follows: after a space, or at once a size."""
        if self.sees(" "):
            rest = self.text[self.at + 1 :]
            if re.match(r"(where|else|at|elsewhere|and|or|xor)( |$)", rest) or rest.startswith("elsewhere"):
                return False
            return not re.match(r"[-+=≠<>≤≥,)\]] ?", rest) and not (rest.startswith("|") and self.bars > 0)
        follows = self.text[self.at : self.at + 1]
        return follows.isupper() or follows in ("√", "·") or SIZE.match(self.text, self.at) is not None

    def reduction(self) -> Node:
        """``max_k`` or ``l of argmax_kl`` of what follows, or what stands there."""
        start = self.at
        which = self.match(re.compile(r"([^\W\d_½⅓⅔¼¾²³¹]) of (?=arg)"))
        found = None if self.name_here() else self.match(REDUCTION)
        if found is None:
            self.at = start
            return self.power()
        letters = found[3] or ""
        along = (which[1] if which else letters) if found[1] else ""
        if len(along) > 1 or (found[1] and along not in letters):
            self.fail("the letter of a position")
        return Node("extremum", (self.power(),), name=found[2], letters=letters, axes=(along,) if along else ())

    def power(self) -> Node:
        """An atom with its exponent; two exponents at once are none."""
        value = self.atom()
        if found := self.match(RAISED):
            return Node("power", (value, Node("number", number=int(found[0].translate(LOWERED)))))
        if self.accept("^"):
            return Node("power", (value, self.atom()))
        return value

    def atom(self) -> Node:
        """A number, a value, a size, a root, a call, a bracket, a sum in parentheses."""
        if found := self.match(COMPLEX):
            return Node("number", number=complex(found[0].replace("∞", "inf")), rounded=True)
        if name := self.name_here():
            return self.value(name)
        if found := self.match(MATRIX):
            return self.matrix(found[1], found[2] or "")
        if found := self.match(NUMBER):
            return self.number(found[0])
        if found := self.match(SIZE):
            return Node("size", letters=found[1])
        if self.accept("√"):
            return Node("root", (self.atom(),))
        if self.sees("["):
            return self.bracket()
        if self.accept("("):
            return self.parenthesis()
        if self.sees("|") and not self.bars:
            return self.bar()
        return self.word()

    def number(self, text: str) -> Node:
        """A number; one with six digits may be rounded."""
        value = VULGAR.get(text) or float(text.replace("∞", "inf"))
        digits = re.sub(r"e.*|\.|^0\.0*", "", text)
        return Node("number", number=value, rounded=len(digits) >= 6 and ("." in text or "e" in text))

    def parenthesis(self) -> Node:
        """What stands in parentheses; a name that is a word of formulas elsewhere is a name here."""
        bars, self.bars = self.bars, 0
        name = next((n for n in self.names if self.sees(n + ")")), None)
        if name is not None:
            self.at += len(name)
            inner = Node("value", name=name)
        else:
            inner = self.whole()
        self.expect(")")
        self.bars = bars
        return inner

    def bar(self) -> Node:
        """``|x|``: no bar stands within it, but for those of parentheses."""
        self.expect("|")
        self.bars += 1
        inner = self.sum()
        self.bars -= 1
        self.expect("|")
        return Node("call", (inner,), name="abs")

    def name_here(self, words: bool = False) -> str:
        """The longest known name that stands here, unless it is a word of formulas (without ``words``) or a call."""
        for name in self.names:
            if not self.sees(name):
                continue
            after = self.text[self.at + len(name) : self.at + len(name) + 1]
            if (continues(after) or (after and after in ".(′")) and (continues(name[-1]) or name[-1] in "′)]"):
                continue
            if after != "[" and not words and (name in WORDS or re.fullmatch(r"(?:arg)?(?:max|min)(?:_\w+)?", name)):
                continue
            return name
        return ""

    def value(self, name: str) -> Node:
        """A value with its letters."""
        self.at += len(name)
        return self.axes(name)

    def axes(self, name: str, kind: str = "value") -> Node:
        """A value with what stands in brackets after it, where anything does: its letters, or positions."""
        axes: list[str] = []
        positions: list[Node] = []
        if self.accept("[") and not self.accept("]"):
            while not axes or self.accept(","):
                axis, position = self.axis()
                axes.append(axis)
                positions += position
            self.expect("]")
        return Node(kind, tuple(positions), name=name, axes=tuple(axes))

    def axis(self) -> tuple[str, tuple[Node, ...]]:
        """One axis: its letters, several in parentheses where they are merged, or its position."""
        alone = re.compile(r"([^\W\d_½⅓⅔¼¾²³¹])(?=[],])|\(([^\W\d_½⅓⅔¼¾²³¹]{2,})\)(?=[],])")
        found = alone.match(self.text, self.at)
        if found is not None and (found[2] or not self.is_size(found[1])):
            self.at = found.end()
            return found[1] or found[2], ()
        position = self.position()
        if position is None:
            self.fail("a letter or a position")
        return "", (position,)

    def is_size(self, letter: str) -> bool:
        """Whether a capital, or the name of a size, in a position is that size and no letter itself."""
        index = rf"Σ_\w*{letter}|\({letter}\w+\)|\w{letter}\)"
        alone = "" if letter.isupper() else rf"|\[{letter}[\],]|,{letter}[\],]"
        is_index = re.search(index + alone, self.text) is not None
        return not is_index and letter not in self.letters and (letter.isupper() or letter in self.names)

    def word(self) -> Node:
        """A call, an array of ones, infinity, or sizes: ``2B`` and ``BJ``."""
        start, word = self.at, self.identifier()
        if not word:
            self.fail("a number, a name, a bracket or Σ")
        if word == "nan":
            return Node("number", number=float("nan"))
        if self.accept("("):
            return self.call(word)
        if word == "ones" and self.sees("["):
            return self.axes(word, "ones")
        if self.sees("[") or not word.isupper():
            raise UnreadableError(f"nothing is called {word} in {self.text!r}")
        self.at = start + 1
        return Node("size", letters=word[0].lower())

    def identifier(self) -> str:
        """Read an identifier, if one comes next."""
        start = self.at
        while self.at < len(self.text) and continues(self.text[self.at]):
            self.at += 1
        return self.text[start : self.at]

    def call(self, name: str) -> Node:
        """The operands of a function, and its parameter after a semicolon."""
        bars, self.bars = self.bars, 0
        parts = [self.sum()]
        while self.accept(", "):
            parts.append(self.sum())
        if self.accept("; "):
            negative = self.accept("-")
            parameter = self.atom()
            parts.append(Node("minus", (parameter,)) if negative else parameter)
        self.expect(")")
        self.bars = bars
        return Node("call", tuple(parts), name=name)

    def matrix(self, name: str, letters: str) -> Node:
        """``inv(A)[k,l]`` of whole arrays, ``inv_ij(A[b,i,j])[k,l]`` of a matrix along two letters."""
        bars, self.bars = self.bars, 0
        parts: list[Node] = []
        while not parts or self.accept(", "):
            parts.append(self.sum() if letters else self.whole_array())
        self.expect(")")
        self.bars = bars
        return replace(self.axes(name, "matrix"), parts=tuple(parts), letters=letters)

    def whole_array(self) -> Node:
        """The name alone of an array."""
        name = next((n for n in self.names if self.sees(n + ",") or self.sees(n + ")")), None)
        if name is None:
            self.fail("the name of an array")
        self.at += len(name)
        return Node("whole", name=name)

    def bracket(self) -> Node:
        """``[p=2s+1]`` of positions, without a space; ``[x > 0]`` of values."""
        start = self.at
        self.expect("[")
        left = self.position()
        relation = self.text[self.at : self.at + 1] if left is not None else ""
        if left is not None and relation and relation in "=≠<≤":
            self.at += 1
            right = self.position()
            if right is None or not self.accept("]"):
                self.fail("a position")
            return Node("bracket", (left, right), name=relation)
        self.at = start + 1
        bars, self.bars = self.bars, 0
        node = self.comparison()
        self.bars = bars
        self.expect("]")
        return node

    def comparison(self) -> Node:
        """``x > 0``, ``not x``."""
        if self.accept("not "):
            return Node("not", (self.power(),))
        left = self.sum()
        relation = next((r for r in RELATIONS if self.accept(r)), None)
        if relation is None:
            self.fail("a relation with a space on both sides")
        return Node("compare", (left, self.sum()), name=RELATIONS[relation])

    def position(self) -> Node | None:
        """``2s+r-1``, ``h·E+e``, ``y[b]``: signed terms without a space; None where there is none."""
        terms: list[Node] = []
        while True:
            negative = self.accept("-")
            if not negative and terms and not self.accept("+"):
                return Node("plus", tuple(terms))
            term = self.position_term()
            if term is None:
                return None
            terms.append(Node("minus", (term,)) if negative else term)

    def position_term(self) -> Node | None:
        """``2s``, ``h·E``, ``|b|``, ``2H``, ``n//2``, ``y[b]``, ``3``, ``(Σ_k y[k] [k=6-b])``."""
        if not self.name_here(words=True) and self.accept("("):
            inner = self.parenthesis()
            return Node("floor", (inner, self.divisor())) if self.accept("//") else inner
        factors: list[Node] = []
        if found := self.match(re.compile(r"\d+(/[1-9]\d*)?")):
            over, _, under = found[0].partition("/")
            factors.append(Node("number", number=int(over) / int(under or 1) if under else int(over)))
        name = self.name_here(words=True)
        is_size = bool(name) and (len(name) > 1 or self.is_size(name))
        name = name if is_size or not factors else ""
        letter = re.compile(r"[^\W\d_½⅓⅔¼¾²³¹]").match(self.text, self.at)
        if letter and continues(self.text[self.at + 1 : self.at + 2]):
            letter = None
        if name and (not letter or is_size or self.text[self.at + 1 : self.at + 2] == "["):
            factors.append(self.value(name))
        elif letter:
            self.at += 1
            size = Node("size", letters=letter[0].lower())
            factors.append(size if self.is_size(letter[0]) else Node("letter", letters=letter[0]))
        else:
            factors += self.position_size()
        while self.accept("·"):
            factors += self.position_size()
        made = Node("times", tuple(factors)) if factors else None
        return Node("floor", (made, self.divisor())) if made is not None and self.accept("//") else made

    def divisor(self) -> Node:
        """What a size is divided by."""
        if self.accept("("):
            return self.parenthesis()
        if found := self.match(re.compile(r"\d+")):
            return Node("number", number=int(found[0]))
        return Node("times", tuple(self.position_size()))

    def position_size(self) -> list[Node]:
        """A size in a position, if one comes next."""
        if name := self.name_here(words=True):
            return [self.value(name)]
        found = self.match(re.compile(r"\|([^\W\d_½⅓⅔¼¾²³¹])\||([^\W\d_½⅓⅔¼¾²³¹])"))
        if found is None:
            return []
        size = Node("size", letters=(found[1] or found[2].lower()))
        if raised := self.match(RAISED):
            size = Node("power", (size, Node("number", number=int(raised[0].translate(LOWERED)))))
        return [size]
