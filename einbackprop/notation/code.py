"""Parts of a line of NumPy code: how tightly they bind, and how their axes meet those of other parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
