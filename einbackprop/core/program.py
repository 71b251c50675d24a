"""Programs: lists of equations in index notation, the only thing that flows through the package.

An equation defines one value, once. The letters stand in the equation, not on the value: the hidden
state of a recurrent network is ``h1[g,b]`` where it is multiplied by ``Whh[h,g]`` and ``h1[h,b]`` where
it is made. A letter ranges over one dimension from the first equation to the last.

There is no numerics here: ``interpretation.run`` evaluates a program, ``notation`` prints one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .dimensions import Place, Size
from .factors import ONE as ONE
from .factors import Factor as Factor
from .factors import Number as Number
from .factors import exact as exact
from .factors import multiply as multiply
from .records import dataclass


@dataclass(frozen=True, slots=True)
class Ref:
    """A value where it is used or made: its name, and one letter for each of its axes.

    ``Ref("W2", "kj")`` is printed ``W2[k,j]``. A letter that stands twice in an operand reads its diagonal;
    twice in an output, it writes a diagonal and zeros elsewhere.
    """

    name: str
    indices: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """An affine position along an axis: ``2s + r - 1``, or one that data pick: ``y[b]``.

    Attributes
    ----------
    terms : tuple of (coefficient, letter)
        The coefficients are whole; sizes may be in them (``h·E + e`` joins two letters in one axis).
    constant : int
    pick : Ref or None
        An integer array whose entries are added.
    """

    terms: tuple[tuple[Factor, str], ...] = ()
    constant: int = 0
    pick: Ref | None = None

    @staticmethod
    def of(*letters: str, constant: int = 0) -> Position:
        """The position ``i + j + … + constant``."""
        return Position(tuple((ONE, letter) for letter in letters), constant)

    @property
    def letters(self) -> str:
        """Every letter in it, once each, in order."""
        picked = self.pick.indices if self.pick else ""
        return "".join(dict.fromkeys("".join(letter for _, letter in self.terms) + picked))

    @property
    def is_letter(self) -> bool:
        """Whether it is one letter as it stands."""
        return self == Position.of(self.letters[:1])


Relation = Literal["=", "≠", "<", "≤"]


@dataclass(frozen=True, slots=True)
class Bracket:
    """A 0/1 pattern in letters, 1 where the relation holds: ``[i=n]``, ``[p=2s+r]``, ``[n=y[b]]``, ``[s≤t]``."""

    left: Position
    relation: Relation
    right: Position

    @property
    def letters(self) -> str:
        """Every letter in it, once each, in order."""
        return "".join(dict.fromkeys(self.left.letters + self.right.letters))

    def solved(self) -> list[tuple[str, Position]]:
        """The ways in which it says where a letter is: ``p`` and ``2s+r``."""
        sides = ((self.left, self.right), (self.right, self.left)) if self.relation == "=" else ()
        return [(one.letters, other) for one, other in sides if one.is_letter and one.letters not in other.letters]


@dataclass(frozen=True, slots=True)
class Source:
    """Where in the user's code a value was made.

    ``code`` is the statement's source text on one line, ``function`` the name of the function it stands in,
    ``call`` tells two runs of the same statement apart (counted from 0). ``caller`` is the line that called, where the
    function is nothing but one ``return``: such a helper is read as part of that line. ``column`` tells statements on
    one line apart.
    """

    file: str
    line: int
    code: str
    function: str = ""
    call: int = 0
    caller: Source | None = None
    column: int = 0

    @property
    def shown(self) -> Source:
        """The line at which a reader expects it: that of the caller of a helper of one line."""
        return self if self.caller is None else self.caller.shown

    @property
    def place(self) -> tuple[str, str, int, int]:
        """The statement: what all of its runs have in common."""
        return self.file, self.function, self.line, self.column


@dataclass(frozen=True, slots=True)
class Contract:
    """``out = factor · Σ Π operands Π brackets``, summed over every letter that is not in ``out``.

    Without operands it is the factor (times brackets) everywhere. A letter of ``out`` that stands in no
    operand and no bracket is broadcast (``ones``). A letter may stand in an operand, in brackets only, or both.
    """

    out: Ref
    operands: tuple[Ref, ...] = ()
    brackets: tuple[Bracket, ...] = ()
    factor: Factor = ONE
    source: Source | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Sum:
    """``out = Σ factor · term``: signed terms; nothing is summed over.

    A term's letters are letters of ``out``; those it lacks are broadcast. The term None is the number 1.
    """

    out: Ref
    terms: tuple[tuple[Factor, Ref | None], ...]
    source: Source | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Map:
    """``out = f(operands)``, pointwise. ``function`` is a name in ``elementwise``; ``parameter`` is the exponent
    of ``power`` and the like, else None. Operands broadcast as the terms of a Sum do."""

    out: Ref
    function: str
    operands: tuple[Ref, ...]
    parameter: Number | None = None
    source: Source | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Extremum:
    """Max or min over the letters of ``operand`` that are not in ``out``.

    Attributes
    ----------
    kind : 'max' or 'min'
    position_of : str
        Empty: ``out`` is the extreme value. A letter: ``out`` is the (first) position along that letter where
        it is reached, an integer array for a bracket's pick.
    held : bool
        True where nothing depends on it (the max subtracted in a softmax), so that no derivative flows into it.
    """

    out: Ref
    operand: Ref
    kind: Literal["max", "min"] = "max"
    position_of: str = ""
    held: bool = False
    source: Source | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Update:
    """A write into an array, as a new value: ``out = value`` on a region of ``base``, ``base`` elsewhere.

    ``out`` and ``base`` have the same indices. ``value`` has letters of its own, and of ``base``'s where
    the write leaves an axis whole. Each bracket ``[p = 2s+1]``, ``[p = 3]``, ``[n = y[b]]`` has one letter of ``base``
    on its left: it says where along that axis the value's entry goes. ``mask`` (0/1, with letters of base) limits the
    region further. Two entries never go to the same place.
    """

    out: Ref
    base: Ref
    value: Ref
    brackets: tuple[Bracket, ...] = ()
    mask: Ref | None = None
    source: Source | None = field(default=None, compare=False)


MatrixName = Literal["inv", "pinv", "solve", "det", "logdet", "detsign", "cholesky"]


@dataclass(frozen=True, slots=True)
class MatrixFunction:
    """``out = inv(A)[k,l]``: a function of the matrix along two letters of an operand, for all of its other letters.

    The matrix's letters are bound, as those that an Extremum runs over: the result has others over the same dimensions,
    so that ``inv`` of ``A[b,i,j]`` is a value in b, k and l, where k goes with the columns j and l with the rows i.

    Attributes
    ----------
    function : str
        ``det``, ``logdet`` (the logarithm of its absolute value) and ``detsign`` make one number of a matrix; ``inv``,
        ``pinv`` and ``cholesky`` (the lower factor, made from the lower triangle alone) a matrix; ``solve`` what gives
        its second operand when A is applied to it, ``Σ_j A[i,j] x[j,c] = y[i,c]``.
    operands : tuple of Ref
        The matrix; for ``solve`` the right-hand side too, which has the letter of the matrix's rows.
    matrix : str
        The letters of the matrix's rows and of its columns.
    result : str
        The letters of ``out`` along which its own rows and columns are: two, for ``solve`` one, for a number none.
    """

    out: Ref
    function: MatrixName
    operands: tuple[Ref, ...]
    matrix: str
    result: str
    source: Source | None = field(default=None, compare=False)

    @property
    def batch(self) -> str:
        """The other letters of the matrix."""
        return "".join(i for i in dict.fromkeys(self.operands[0].indices) if i not in self.matrix)

    @property
    def columns(self) -> str:
        """The letters of a right-hand side that the matrix lacks."""
        own = "".join(ref.indices for ref in self.operands[1:])
        return "".join(i for i in dict.fromkeys(own) if i not in self.batch + self.matrix)

    @property
    def arranged(self) -> tuple[str, ...]:
        """The letters of each operand, and of the result, in the order in which NumPy takes and gives them."""
        right = tuple(self.batch + self.matrix[0] + self.columns for _ in self.operands[1:])
        return (self.batch + self.matrix, *right, self.batch + self.result + self.columns)


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that could not be read. It is kept as the constant it was when traced, and says why.

    ``dtype`` is that of a value that is not kept, since whoever runs the program makes it in a way of its own.
    """

    out: Ref
    operands: tuple[Ref, ...]
    reason: str
    source: Source | None = field(default=None, compare=False)
    dtype: str = ""


Equation = Contract | Sum | Map | Extremum | Update | MatrixFunction | Opaque


@dataclass(frozen=True, slots=True)
class Dimension:
    """What an axis runs over: its letters (several where it meets itself), its size, and a name for people."""

    letters: str
    size: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """An argument array: its name in the program, its letters, its dtype's name.

    ``path`` says where it stands among the arguments: ``(0, 2)`` is item 2 of argument 0, ``(1, 'W')`` the key or
    attribute W of argument 1. ``units`` are the axes of size 1 of the array that have no letter: a bias ``b[k]`` of
    shape (4, 1) has the unit axis 1.
    """

    ref: Ref
    dtype: str = "float64"
    path: tuple[Any, ...] = ()
    units: tuple[int, ...] = ()

    @property
    def is_complex(self) -> bool:
        """Whether it was declared complex, so that derivatives conjugate."""
        return np.dtype(self.dtype).kind == "c"


@dataclass(frozen=True)
class Program:
    """Equations in index notation, one value each, in an order in which they can be evaluated.

    Attributes
    ----------
    inputs : tuple of Input
    equations : tuple of Equation
        Each value is defined once: by an input, a constant or one equation.
    outputs : tuple of Ref
    dimensions : tuple of Dimension
        Each letter of the program is in exactly one.
    constants : mapping of name to array
        Arrays that are neither arguments nor made from them (and the values of Opaque equations).
    structure : nested lists, tuples and dicts
        How the outputs were nested: integers that say which output stands where.
    labels : mapping of name to str
        What a person would call the value, where it is not its name: ``hid_1 = sigmoid(…)`` makes the values
        ``hid_1`` and, in the next call, ``hid_1_2``, whose label is ``hid_1``.
    output_units : tuple of tuples of int
        For each output, the axes of size 1 without a letter that its array has; empty where none has any.
    origins : mapping of name to name
        In a derived program: a derived value, and the forward value whose equation it was derived from.
    held : mapping of letter to str
        Letters whose sizes the program was read for, and why it holds for no others: a loop, a position counted from
        the end.
    made_of : mapping of letter to letters
        Letters whose sizes are made of those of others: with such a size as a number, those are held as well. None for
        a size that is a number in the code.
    laid : mapping of name to str or tuple of int
        Inputs that must lie in memory as they did when it was read, since a view of one was written to that would else
        be a copy, or a copy that would be a view: in the order of "C" or "F", or with these strides.
    conditions : tuple of str
        Conditions on values that went one way when it was read.
    expressions : mapping of letter to Size
        What the sizes of letters are that no input has.
    places : mapping of (letter, number) to Place
        Positions in brackets that are made of sizes: what the number is at other sizes.
    claims : tuple of (Size, Size, str)
        Sizes that must be equal, and why.
    samples : str
        The first letter of the dimension of the samples; empty where none is.
    """

    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Ref, ...]
    dimensions: tuple[Dimension, ...]
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict, compare=False)
    structure: Any = 0
    output_units: tuple[tuple[int, ...], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    held: Mapping[str, str] = field(default_factory=dict, compare=False)
    made_of: Mapping[str, str] = field(default_factory=dict, compare=False)
    laid: Mapping[str, str | tuple[int, ...]] = field(default_factory=dict, compare=False)
    conditions: tuple[str, ...] = field(default=(), compare=False)
    expressions: Mapping[str, Size] = field(default_factory=dict, compare=False)
    places: Mapping[tuple[str, int], Place] = field(default_factory=dict, compare=False)
    claims: tuple[tuple[Size, Size, str], ...] = field(default=(), compare=False)
    samples: str = field(default="", compare=False)

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each letter."""
        return {letter: d.size for d in self.dimensions for letter in d.letters}

    def dimension(self, letter: str) -> Dimension:
        """The dimension that a letter ranges over."""
        return next(d for d in self.dimensions if letter in d.letters)

    def defining(self) -> dict[str, Equation]:
        """Each value that an equation defines, and that equation."""
        return {equation.out.name: equation for equation in self.equations}

    # Python asks a value itself how it looks. Printers stand above the core: they are loaded where something is shown.

    def __str__(self) -> str:
        from ..notation.programs import shown

        return shown(self).text()

    def __repr__(self) -> str:
        from ..notation.programs import in_one_line

        return in_one_line(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from ..notation.programs import shown

        formats = shown(self)
        return {"text/plain": formats.text(), "text/html": formats.html, "text/latex": formats.latex}


def operands(equation: Equation) -> Iterator[Ref]:
    """Every value that an equation reads, the arrays that its brackets pick by included."""
    match equation:
        case Contract():
            yield from equation.operands
            yield from picks(equation.brackets)
        case Sum():
            yield from (term for _, term in equation.terms if term is not None)
        case Map() | MatrixFunction() | Opaque():
            yield from equation.operands
        case Extremum():
            yield equation.operand
        case Update():
            yield equation.base
            yield equation.value
            yield from picks(equation.brackets)
            if equation.mask is not None:
                yield equation.mask


def picks(brackets: tuple[Bracket, ...]) -> Iterator[Ref]:
    """The integer arrays that brackets pick by."""
    for bracket in brackets:
        for side in (bracket.left, bracket.right):
            if side.pick is not None:
                yield side.pick
