"""Arithmetic: an equation, the sizes of its letters and the parts of these on one device go in, a count comes out.

A product of two that is summed over takes a multiplication and an addition for each combination of its letters,
``2 m n k`` for matrices. A letter that a bracket fixes makes no combinations of its own: in ``w[y,r] = x[y+r]``, the p
of ``[p=y+r]`` has one value for each y and r. What only puts entries elsewhere is no arithmetic.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import prod

import opt_einsum

from ..core.factors import ONE
from ..core.letters import letters_of
from ..core.program import Contract, Equation, Extremum, Map, MatrixFunction, Sum


def operations(equation: Equation, sizes: Mapping[str, int], cut: Mapping[str, int]) -> int:
    """How many additions and multiplications an equation takes on one device.

    Parameters
    ----------
    equation : Equation
    sizes : mapping of letter to size
    cut : mapping of letter to int
        Among how many devices the entries of a letter are divided.
    """
    entries = combinations(equation.out.indices, sizes, cut)
    match equation:
        case Contract():
            return contracted(equation, sizes, cut, entries)
        case Sum(_, terms):
            scaled = sum(ref is not None and factor not in (ONE, -ONE) for factor, ref in terms)
            return entries * (max(len(terms) - 1, 0) + scaled)
        case Map():
            return entries
        case Extremum():
            return combinations(equation.operand.indices, sizes, cut)
        case MatrixFunction():
            return combinations(equation.batch, sizes, cut) * of_matrix(equation, sizes)
    return 0


def of_matrix(equation: MatrixFunction, sizes: Mapping[str, int]) -> int:
    """The operations of a function of a matrix, as its factors take them (Golub and Van Loan, Matrix Computations)."""
    rows, columns = (sizes[i] for i in equation.matrix)
    match equation.function:
        case "inv":
            return 2 * rows**3
        case "solve":
            sides = prod(sizes[i] for i in equation.operands[1].indices if i not in equation.batch + equation.matrix)
            return 2 * rows**3 // 3 + 2 * rows**2 * sides
        case "cholesky":
            return rows**3 // 3
        case "pinv":
            return 2 * rows * columns * min(rows, columns)
    return 2 * rows**3 // 3


def contracted(equation: Contract, sizes: Mapping[str, int], cut: Mapping[str, int], entries: int) -> int:
    """The same of a contraction of so many entries: two operands at a time, in the best order if it has no brackets."""
    terms = tuple(ref.indices for ref in equation.operands)
    scaling = 0 if equation.factor in (ONE, -ONE) or not terms else entries
    if len(terms) > 2 and not equation.brackets:
        lengths = tuple((i, combinations(i, sizes, cut)) for i in dict.fromkeys("".join(terms)))
        return scaling + in_best_order(terms, equation.out.indices, lengths)
    free = free_letters(equation, sizes)
    others = prod(count for letter, count in cut.items() if letter in letters_of(equation) and letter not in free)
    steps = -(-combinations(free, sizes, cut) // others)
    return scaling + steps * (max(len(terms) - 1, 0) + (steps > entries))


@lru_cache(maxsize=1024)
def in_best_order(terms: tuple[str, ...], out: str, lengths: tuple[tuple[str, int], ...]) -> int:
    """The additions and multiplications of an einsum of several operands."""
    sizes = dict(lengths)
    shapes = [tuple(sizes[i] for i in term) for term in terms]
    _, found = opt_einsum.contract_path(f"{','.join(terms)}->{out}", *shapes, shapes=True)
    return int(found.opt_cost)


def free_letters(equation: Contract, sizes: Mapping[str, int]) -> str:
    """The letters of a contraction without one, the longest, that each of its brackets fixes."""
    letters = dict.fromkeys(letters_of(equation))
    for bracket in equation.brackets:
        fixed = [letter for letter, _ in bracket.solved() if letter in letters]
        if fixed:
            del letters[max(fixed, key=sizes.__getitem__)]
    return "".join(letters)


def combinations(letters: str, sizes: Mapping[str, int], cut: Mapping[str, int]) -> int:
    """How many combinations of values letters have on one device."""
    return prod(-(-sizes[i] // cut.get(i, 1)) for i in dict.fromkeys(letters))
