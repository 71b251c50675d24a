"""Which equations are equal but for their names, the names of their letters and the order of a product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby, islice, permutations, product

from .letters import letters_of, rename_letters
from .program import Contract, Equation, Ref

MOST_ARRANGEMENTS = 120
"""How many orders of operands of one name are tried, to see that two Contracts are equal."""

FIRST_NUMBER = 0xE000
"""The characters that number letters: private ones, which are nobody's letters."""


def fingerprint(equation: Equation, dimension: Mapping[str, int]) -> str:
    """A text that equal equations share, whatever their name and letters are called.

    The order of operands of a Contract does not matter. Each letter is numbered where it first stands, the output's
    first, and goes with its dimension, since a letter may stand in no operand.
    """
    if not isinstance(equation, Contract):
        return numbered(equation, dimension)
    return min(numbered(arranged, dimension) for arranged in arrangements(equation))


def arrangements(equation: Contract) -> Iterator[Contract]:
    """The orders of its operands, by name: several where a name stands more than once."""
    ordered = sorted(equation.operands, key=lambda ref: ref.name)
    groups = [list(group) for _, group in groupby(ordered, key=lambda ref: ref.name)]
    for orders in islice(product(*(permutations(group) for group in groups)), MOST_ARRANGEMENTS):
        yield replace(equation, operands=tuple(ref for order in orders for ref in order))


def numbered(equation: Equation, dimension: Mapping[str, int]) -> str:
    """The equation as a text, with numbers for letters and none for its name."""
    letters = letters_of(equation)
    table = {letter: chr(FIRST_NUMBER + n) for n, letter in enumerate(letters)}
    anonymous = replace(equation, out=Ref("", equation.out.indices), source=None)
    return f"{rename_letters(anonymous, table)} {[dimension[letter] for letter in letters]}"
