"""A program before it is lowered: how the source of its plan takes arguments and returns results, the dtype of every
value, constants computed, products of products put together.

How arguments lie in memory matters to some compiled functions: a reshape gives a view of one array and a copy of
another, and what is written to it is written to the argument or not.

Constants have no dtype of their own: float32 stays float32 beside ½. Whole numbers of few bits, such as images have,
are wide ones where they are added or multiplied: they never wrap.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np
import opt_einsum

from ..core import interpretation, nesting
from ..core.elementwise import is_narrow, numeric
from ..core.letters import free_name, fuse
from ..core.nesting import Path
from ..core.program import (
    ONE,
    Contract,
    Equation,
    Extremum,
    Map,
    MatrixFunction,
    Opaque,
    Program,
    Ref,
    Sum,
    Update,
    operands,
)
from ..core.records import dataclass
from ..core.subscripts import Subscripts
from ..errors import ShapeError
from . import algebra, execution, picking, rounds
from .views import Dtype


@dataclass(frozen=True)
class Interface:
    """How the source takes arguments and returns results.

    Attributes
    ----------
    head : str
        The parameters.
    opening : sequence of str
        The lines that make ``x0``, ``x1``, … from them, one an input of the program.
    returned : callable
        The expression that is returned, given those of the outputs.
    names : mapping of str to object
        What these texts refer to.
    taking : sequence of str
        The lines of the opening that take arguments apart, without those that look at the arrays.
    admitted : str
        The expression that gives the arrays, from what can be taken for them, and refuses what cannot.
    orders : mapping of int to tuple of int
        The axes of an input in the order in which they lie in memory, the outermost first, where that is another than
        in C. The plan is right whatever they are, and fast where they are so.
    positions : mapping of str to int
        The inputs of labels that the opening has found to be at least 0 and less than this.
    real : bool
        Whether some output is a float though no input need be one.
    strict : bool
        Whether a label that is no position is refused, rather than picks nothing.
    """

    head: str
    opening: Sequence[str]
    returned: Callable[[Sequence[str]], str]
    names: Mapping[str, Any]
    taking: Sequence[str] = ()
    admitted: str = ""
    orders: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)
    real: bool = False
    strict: bool = False

    @staticmethod
    def of(program: Program) -> Interface:
        """The input arrays one after another; the outputs as a tuple."""
        head = ", ".join(f"x{n}" for n in range(len(program.inputs)))
        return Interface(head, squeezed(program), lambda texts: f"({''.join(f'{t}, ' for t in texts)})", {})


def squeezed(program: Program) -> list[str]:
    """The lines that drop the inputs' axes of size 1 that have no letter."""
    sizes = program.sizes
    return [
        f"x{n} = x{n}.reshape({tuple(sizes[i] for i in declared.ref.indices)})"
        for n, declared in enumerate(program.inputs)
        if declared.units
    ]


Orders = Mapping[Path, tuple[int, ...]]


def strides_of(array: Any) -> tuple[int, ...]:
    """The strides of the axes that have several entries."""
    array = np.asarray(array)
    return tuple(step for step, size in zip(array.strides, array.shape, strict=True) if size > 1)


def orders_of(program: Program, arguments: tuple[Any, ...]) -> Orders:
    """The strides of the arrays among the examples."""
    return {tuple(i.path): strides_of(nesting.get(arguments, i.path)) for i in program.inputs}


def require_orders(orders: Orders, arguments: tuple[Any, ...]) -> None:
    """Refuse arguments that lie in memory in another way than the examples did."""
    for path, strides in orders.items():
        found = strides_of(nesting.get(arguments, path))
        if found != strides:
            raise ShapeError(
                f"an argument has strides {found}, but the function was compiled for strides {strides}, and writes "
                "into a view or a copy of it, whichever NumPy gives for that. Compile again for this layout"
            )


def widened(program: Program, dtypes: Sequence[Any], interface: Interface) -> tuple[Program, list[Dtype], Interface]:
    """The program, the dtypes of its inputs and its interface with narrow whole numbers as wide ones.

    Beside floats they become floats as in a product with them, else int64; where the code makes floats of them, all
    whole numbers do. Positions stay as they are.
    """
    own = [np.dtype(d) for d in dtypes] if dtypes else [np.dtype(declared.dtype) for declared in program.inputs]
    names = {ref.name for equation in program.equations for ref in numbers_of(equation)}
    picks = {ref.name for equation in program.equations for ref in operands(equation)} - names
    floats = [dtype for dtype in own if dtype.kind in "fc"]
    if interface.real and not floats and not picks:
        floats = [np.dtype(np.float64)]
    wide = list(own)
    lines: list[str] = []
    constants: dict[str, Any] = {}
    for n, declared in enumerate(program.inputs):
        is_whole = own[n].kind in "iu" and interface.real and bool(floats)
        if declared.ref.name in names and (is_narrow(own[n]) or is_whole):
            wide[n] = np.result_type(own[n], *floats) if floats else np.dtype(np.int64)
            constants[f"wide{n}"] = wide[n]
            lines.append(f"x{n} = x{n}.astype(wide{n})")
    arrays = {
        name: numeric(np.asarray(array)) if name in names and is_narrow(np.asarray(array).dtype) else array
        for name, array in program.constants.items()
    }
    found = ChainMap(constants, interface.names)  # type: ignore[arg-type]  # it gets more as results are written
    taking = () if lines else interface.taking
    opened = replace(interface, opening=(*interface.opening, *lines), names=found, taking=taking)
    return replace(program, constants=arrays), wide, opened


def numbers_of(equation: Equation) -> Iterator[Ref]:
    """What an equation reads as numbers, not as positions."""
    match equation:
        case Contract() | Map() | MatrixFunction():
            yield from equation.operands
        case Sum():
            yield from (term for _, term in equation.terms if term is not None)
        case Extremum():
            yield equation.operand
        case Update():
            yield from (equation.base, equation.value)


LARGEST = 1 << 20
"""Constants of more entries are computed in each run."""


def prepared(program: Program, dtypes: Sequence[Any] = (), positions: Collection[str] = ()) -> Program:
    """The same outputs, from fewer steps. ``positions`` are the labels that are looked at in each run."""
    if dtypes:
        inputs = tuple(replace(i, dtype=np.dtype(d).name) for i, d in zip(program.inputs, dtypes, strict=True))
        program = replace(program, inputs=inputs)
    program = folded(rounds.extracted(program))
    program = replace(program, equations=tuple(map(squares_as_products, program.equations)))
    program = picking.with_picks_placed(fuse(program, is_better_together))
    return algebra.simplified(picking.without_certain_picks(program, positions))


def folded(program: Program) -> Program:
    """What is made of constants alone is computed now."""
    constants = {name: np.asarray(array) for name, array in program.constants.items()}
    sizes = program.sizes
    left: list[Equation] = []
    for equation in program.equations:
        names = [ref.name for ref in operands(equation)]
        count = int(np.prod([sizes[i] for i in equation.out.indices], dtype=np.int64))
        if all(name in constants for name in names) and count <= LARGEST and not isinstance(equation, Opaque):
            constants[equation.out.name] = interpretation.compute(equation, constants, sizes)
        elif not (isinstance(equation, Opaque) and equation.out.name in constants):
            left.append(equation)
    used = {ref.name for equation in left for ref in operands(equation)} | {ref.name for ref in program.outputs}
    return replace(
        program,
        equations=tuple(left),
        constants={name: array for name, array in constants.items() if name in used},
    )


def squares_as_products(equation: Equation) -> Equation:
    """A square as a product, which can be put into others."""
    if isinstance(equation, Map) and equation.function == "power" and equation.parameter == 2:
        (ref,) = equation.operands
        return Contract(equation.out, (ref, ref), source=equation.source)
    return equation


def is_better_together(part: Equation, whole: Equation) -> bool:
    """Whether a product is to be put into the product that reads it: never where an order of work would be lost."""
    if not isinstance(part, Contract) or not isinstance(whole, Contract):
        return False
    if is_cut(whole) and is_overlapping(part):
        return True
    if part.brackets or len(part.operands) + len(whole.operands) > 6:
        return False
    present = {i for ref in part.operands for i in ref.indices}
    if whole.brackets:  # a product of two that is added up in places that overlap
        overlaps = any(len(side.terms) > 1 for b in whole.brackets for side in (b.left, b.right))
        if not overlaps or len(whole.operands) > 1 or len(part.operands) != 2 or present <= set(part.out.indices):
            return False
    distinct = len(set(part.out.indices)) == len(part.out.indices)
    if not distinct or not set(part.out.indices) <= present or isinstance(part.factor.number, float | complex):
        return False
    sums = not present <= set(part.out.indices)
    return not sums or len(whole.operands) == 1  # a sum of a sum is one sum


def is_overlapping(equation: Contract) -> bool:
    """Whether it is a product of two that is added up at places that overlap: ``y[l] = … [l=a+r]``."""
    for bracket in equation.brackets:
        place, other = sorted((bracket.left, bracket.right), key=lambda side: len(side.terms))
        if bracket.relation != "=" or not place.is_letter or place.letters not in equation.out.indices:
            return False
        if len(other.terms) < 2 or other.pick is not None:
            return False
    return len(equation.operands) == 2 and bool(equation.brackets)


def is_cut(equation: Contract) -> bool:
    """Whether it is a piece that is cut out of an array: ``y[j] = x[l] [l=j+2]``."""
    for bracket in equation.brackets:
        sides = (bracket.left, bracket.right)
        if bracket.relation != "=" or any(s.pick or [f for f, _ in s.terms] != [ONE] for s in sides):
            return False
        if sum(side.letters in equation.out.indices for side in sides) != 1:
            return False
    return len(equation.operands) == 1 and bool(equation.brackets)


def paired(program: Program) -> Program:
    """The program with each product of many operands as a tree of products of two, in the order of least work.

    Reverse mode along that tree gives the gradient by every operand for at most twice the forward's multiplications:
    each product of two has two transposes of the same cost, and shares what is above and below it.
    """
    taken = {*program.defining(), *program.constants, *(i.ref.name for i in program.inputs)}
    equations = (made for equation in program.equations for made in in_pairs(equation, program.sizes, taken))
    return replace(program, equations=tuple(equations))


def in_pairs(equation: Equation, sizes: dict[str, int], taken: set[str]) -> list[Equation]:
    """A product as products of two; brackets, and products that sum nothing, stay as they are."""
    if not isinstance(equation, Contract) or len(equation.operands) < 3 or equation.brackets:
        return [equation]
    kept = equation.out.indices
    terms = ["".join(dict.fromkeys(ref.indices)) for ref in equation.operands]
    if not set("".join(terms)) - set(kept) or len(set(kept)) != len(kept):
        return [equation]
    left = list(equation.operands)
    made: list[Equation] = []
    for positions in path_of(terms, kept, sizes):
        chosen = tuple(left[n] for n in positions)
        left = [ref for n, ref in enumerate(left) if n not in positions]
        if not left:
            made.append(replace(equation, operands=chosen))
            break
        needed = {i for ref in left for i in ref.indices} | set(kept)
        letters = "".join(dict.fromkeys(i for ref in chosen for i in ref.indices if i in needed))
        name = free_name(f"{equation.out.name}_part", taken)
        made.append(Contract(Ref(name, letters), chosen, source=equation.source))
        left.append(Ref(name, letters))
    return made


def path_of(terms: Sequence[str], kept: str, sizes: dict[str, int]) -> list[tuple[int, ...]]:
    """The positions of the operands of each product; its result goes to the end."""
    letters = dict.fromkeys("".join(terms) + kept)
    names = {letter: opt_einsum.get_symbol(n) for n, letter in enumerate(letters)}
    named = tuple("".join(names[i] for i in term) for term in terms)
    out = "".join(names[i] for i in kept if any(i in term for term in terms))
    return execution.contraction_order(Subscripts(named, out), {names[i]: sizes[i] for i in letters})
