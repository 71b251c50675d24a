"""The arrays that a line of NumPy code reads: by name, without axes that have no letter; sizes, and ones.

Parts of the line say how tightly they bind, and how their axes meet those of other parts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from string import ascii_letters

from ..core.program import Contract, Equation, Factor, Ref, Update, operands
from ..core.records import dataclass
from .view import View

COMPARED, ADDED, MULTIPLIED, SIGNED, RAISED, ATOM = range(6)
"""How tightly code binds, by its loosest operator."""


@dataclass(frozen=True, slots=True)
class Code:
    """A part of a line of code.

    Attributes
    ----------
    text : str
    level : int
        How tightly it binds.
    letters : str
        One for each axis of its value, each once. A letter that is missing would only repeat it.
    boolean : bool
        Whether its values are True and False, with which NumPy does not reckon as with numbers.
    units : pair of str and tuple of str, or None
        The same with its axes of size 1 that have no letter, and the letter of each axis, empty for those.
    """

    text: str
    level: int = ATOM
    letters: str = ""
    boolean: bool = False
    units: tuple[str, tuple[str, ...]] | None = None

    def at(self, level: int) -> str:
        """The text, in parentheses where it binds less."""
        return self.text if self.level >= level else f"({self.text})"

    def number(self) -> Code:
        """The same as numbers."""
        return Code(f"1 * {self.at(SIGNED)}", MULTIPLIED, self.letters) if self.boolean else self

    def along(self, letters: str) -> Code:
        """The same with its axes where they meet others that have some letters, in that order."""
        if self.units is not None:
            text, axes = self.units
            ends = letters[max(0, len(letters) - len(axes)) :]
            if len(ends) == len(axes) and all(axis in ("", i) for axis, i in zip(axes, ends, strict=True)):
                return replace(self, text=text, units=None)
        order = [i for i in letters if i in self.letters]
        turned = self
        if order != list(self.letters):
            turns = [self.letters.index(i) for i in order]
            turn = ".T" if turns == [*range(len(turns))][::-1] else f".transpose({', '.join(map(str, turns))})"
            turned = replace(self, text=self.at(ATOM) + turn, level=ATOM, letters="".join(order))
        if not order or letters.endswith(turned.letters):
            return turned
        places = [":" if i in order else "None" for i in letters[letters.index(order[0]) :]]
        return replace(turned, text=f"{turned.at(ATOM)}[{', '.join(places)}]", level=ATOM)


def together(letters: str, parts: Sequence[Code]) -> tuple[str, list[Code]]:
    """Those of some letters that parts have, and the parts as they meet each other."""
    present = "".join(i for i in dict.fromkeys(letters) if any(i in part.letters for part in parts))
    return present, [part.along(present) for part in parts]


def meeting(a: str, b: str) -> str:
    """The letters of two parts, those of the one with more axes in its order."""
    first, second = (a, b) if len(a) >= len(b) else (b, a)
    return "".join(i for i in second if i not in first) + first


def negated(code: Code) -> str:
    """Code with a minus sign."""
    return "-" + code.at(MULTIPLIED)


PRIMARY = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
OURS = frozenset({"np", "einsum"})


class UnwritableError(Exception):
    """A formula that is no NumPy code of one line, and why."""


@dataclass(frozen=True)
class Line:
    """What one line computes, and the arrays that it reads.

    Attributes
    ----------
    view : View
    equation : Equation
    """

    view: View
    equation: Equation

    @cached_property
    def steps(self) -> tuple[Equation, ...]:
        """The equation and those inside it, each in the letters of its place."""
        return tuple(self._inside(self.equation, self.view))

    def _inside(self, equation: Equation, view: View) -> Iterator[Equation]:
        yield equation
        for ref in operands(equation):
            if ref.name in view.inline and view.depth:
                placed = view.placed(view.inline[ref.name], ref.indices)
                yield from self._inside(placed, replace(view, depth=view.depth - 1))

    @cached_property
    def leaves(self) -> tuple[Ref, ...]:
        """The arrays that the line reads, in its letters."""
        known = {*self.view.inline, *self.view.ones}
        return tuple(ref for equation in self.steps for ref in operands(equation) if ref.name not in known)

    @cached_property
    def whole(self) -> tuple[str, ...]:
        """Letters that are merged in one axis wherever they stand in the line: they are one letter to it, the first."""
        axes = [axis for ref in (self.equation.out, *self.leaves) for axis in self.view.axes(ref)]
        bracketed = (e for e in self.steps if isinstance(e, Contract | Update))
        placed = {i for e in bracketed for bracket in e.brackets for i in bracket.letters}
        groups = [axis for axis in dict.fromkeys(axes) if len(axis) > 1 and not placed & set(axis)]
        return tuple(g for g in groups if all(not set(g) & set(axis) or axis == g for axis in axes))


@dataclass(frozen=True)
class Arrays:
    """Code for the arrays of one line. Sizes are read off those that have the letter.

    Attributes
    ----------
    view : View
    line : Line
    """

    view: View
    line: Line

    def shrunk(self, letters: str) -> str:
        """Letters without those that merged axes have besides their first."""
        others = {i for group in self.line.whole for i in group[1:]}
        return "".join(i for i in letters if i not in others)

    def axes(self, ref: Ref) -> tuple[str, ...]:
        """The letter of each axis of an array: none where its size is 1, several where axes were merged."""
        return tuple(self.shrunk(axis) if axis in self.line.whole else axis for axis in self.view.axes(ref))

    # code

    def named(self, ref: Ref) -> Code:
        """A value that has a name; a diagonal where a letter stands twice."""
        if ref.name in self.view.ones:
            return self.ones(self.shrunk("".join(dict.fromkeys(ref.indices))))
        plain = self.array(ref)
        distinct = "".join(dict.fromkeys(plain.letters))
        if distinct == plain.letters:
            return plain
        table = table_of(plain.letters)
        terms = f"{plain.letters.translate(table)}->{distinct.translate(table)}"
        return Code(f'einsum("{terms}", {plain.text})', ATOM, distinct)

    def array(self, ref: Ref) -> Code:
        """A named array with an axis for each letter: without those of size 1 that have none, merged ones apart."""
        text, axes = self.name(ref), self.axes(ref)
        letters, boolean = "".join(axes), ref.name in self.view.booleans
        if any(len(axis) > 1 for axis in axes):
            return Code(f"{text}.reshape({self.split(text, axes)})", ATOM, letters, boolean)
        if all(axes):
            return Code(text, ATOM, letters, boolean)
        last = max(n for n, axis in enumerate(axes) if not axis)
        places = [":" if axis else "0" for axis in axes[: last + 1]]
        return Code(f"{text}[{', '.join(places)}]", ATOM, letters, boolean, (text, axes))

    def split(self, text: str, axes: Sequence[str]) -> str:
        """The sizes by which an array's merged axes come apart; one of them follows from the others."""
        sizes: list[str] = []
        for n, axis in enumerate(axes):
            if len(axis) == 1:
                sizes.append(f"{text}.shape[{n}]")
                continue
            for letter in axis:
                known = self.find(letter)
                if known is None and "-1" in sizes:
                    raise UnwritableError(f"no array of the line says how large {letter} is")
                sizes.append(known or "-1")
        return ", ".join(sizes)

    def shaped(self, code: Code, axes: Sequence[str]) -> str:
        """The text of a result in the axes that it has for the user."""
        merged = [n for n, axis in enumerate(axes) if len(axis) > 1]
        if merged:
            sizes = [" * ".join(self.size(i).text for i in axis) or "1" if n != merged[-1] else "-1"
                     for n, axis in enumerate(axes)]  # fmt: skip
            return f"{code.at(ATOM)}.reshape({', '.join(sizes)})"
        if all(axes):
            return code.text
        if not any(axes):
            return f"np.reshape({code.text}, {(1,) * len(axes)})"
        last = max(n for n, axis in enumerate(axes) if not axis)
        places = [":" if axis else "None" for axis in axes[: last + 1]]
        return f"{code.at(ATOM)}[{', '.join(places)}]"

    def name(self, ref: Ref) -> str:
        """What an array is called, as a Python expression that binds as tightly as a name."""
        name = self.view.called(ref.name)
        if self.view.at_hand is not None and ref.name not in self.view.at_hand:
            raise UnwritableError(f"{name} is no name of this statement")
        try:
            node = ast.parse(name, mode="eval").body
        except (SyntaxError, ValueError):
            raise UnwritableError(f"{name} is no expression of Python") from None
        if name in OURS or not name.isprintable():
            raise UnwritableError(f"{name} is called like what the line needs")
        return name if isinstance(node, PRIMARY) else f"({name})"

    def ones(self, letters: str) -> Code:
        """An array of ones."""
        sizes = [self.size(i).text for i in letters]
        shape = sizes[0] if len(sizes) == 1 else f"({', '.join(sizes)})"
        return Code(f"np.ones({shape})", ATOM, letters)

    # sizes

    def sizes(self, factor: Factor) -> Iterator[tuple[Code, int | Fraction]]:
        """The sizes in a factor with their powers; that of a merged axis is one."""
        powers = dict(factor.sizes)
        for ref in self.line.leaves:
            for n, axis in enumerate(self.view.axes(ref)):
                if len(axis) > 1 and len({powers.get(i, 0) for i in axis}) == 1 and axis[0] in powers:
                    yield Code(f"{self.name(ref)}.shape[{n}]"), powers[axis[0]]
                    powers = {i: power for i, power in powers.items() if i not in axis}
        for letter, power in powers.items():
            yield self.size(letter), power

    def size(self, letter: str) -> Code:
        """The size of a letter's dimension: that of an array of the line that has it."""
        found = self.find(letter)
        if found is None:
            raise UnwritableError(f"no array of the line says how large {letter} is")
        return Code(found)

    def find(self, letter: str) -> str | None:
        """Where an array of the line says how large a letter's dimension is."""
        first = self.view.given.get(letter, letter)
        merged = {group[0] for group in self.line.whole}
        alike = {letter} if letter in merged else {letter, first, *self.view.alike.get(first, "")} - merged
        for ref in self.line.leaves:
            for n, axis in enumerate(self.axes(ref)):
                if axis in alike:
                    return f"{self.name(ref)}.shape[{n}]"
        for text, axes in self.view.sized if letter not in merged else ():
            for n, axis in enumerate(axes):
                if axis in alike:
                    return f"{text}.shape[{n}]"
        return None


def table_of(letters: str) -> dict[int, str]:
    """Letters that ``np.einsum`` takes in the place of those of other scripts."""
    spare = (i for i in ascii_letters if i not in letters)
    return {ord(i): next(spare) for i in dict.fromkeys(letters) if i.isalpha() and i not in ascii_letters}
