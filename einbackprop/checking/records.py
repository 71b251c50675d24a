"""What a check has to say: of a gradient, of a line, of a mistake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the black box makes findings, and knows no notation
    from ..notation.markup import Markup

Verdict = Literal["right", "wrong", "kink", "undecided"]
Grade = Literal["proved", "close"]


@dataclass(frozen=True)
class Gradient:
    """The verdict on one gradient.

    Attributes
    ----------
    name
        What it is the gradient of, in the user's words: ``W2``.
    verdict
        ``right``; ``wrong``; ``kink``: the loss has no derivative there; ``undecided``.
    grade
        How sure a right or wrong verdict is. ``proved``: one polynomial in index notation with what is
        derived from the loss, pointwise functions as atoms, so equal for every size and value. ``close``: equal
        to the reference (complex step or differences), or not, by more than rounding explains, at the values drawn.
    max_error
        The largest difference from the reference, relative to the reference's largest entry.
    roundings
        The same difference in units of the rounding that this entry suffers in the user's own
        code and dtype, as measured.
    index, yours, expected
        Where that is, and the two values.
    note
        What else there is to say: a wrong shape, what could not be decided.
    """

    name: str
    verdict: Verdict
    grade: Grade | None = None
    max_error: float | None = None
    roundings: float | None = None
    index: tuple[int, ...] | None = None
    yours: float | None = None
    expected: float | None = None
    shape: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Line:
    """The verdict on one line of the user's code."""

    file: str
    line: int
    code: str
    equation: str
    einsum: str
    meaning: str
    verdict: str
    markup: Markup = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Finding:
    """Something to tell the user; `line` is a line of the user's file, if it is about one.

    Attributes
    ----------
    message, file, line
    yours, expected
        In index notation, and with einsum on another line where there is one.
    write
        The line to write instead, in the user's own style.
    yours_markup, expected_markup
        The two formulas for MathML.
    """

    message: str
    file: str | None = None
    line: int | None = None
    yours: str | None = None
    expected: str | None = None
    write: str | None = None
    yours_markup: Markup = field(default=(), repr=False, compare=False)
    expected_markup: Markup = field(default=(), repr=False, compare=False)
