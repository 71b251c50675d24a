"""Normal forms, for tests: ``expand`` gives that of a value, ``same`` compares two values by a ``Prover`` of their own,
``einsum_normal_form`` is for one written line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einbackprop.core.program import Bracket, Contract, Factor, Position, Program, Ref
from einbackprop.proof.expansion import Expansion
from einbackprop.proof.indices import Head
from einbackprop.proof.polynomials import Context, Terms
from einbackprop.proof.proving import Comparison, Prover, Sums, declare, right_side


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A value in normal form: equal polynomials are equal for every size and value.

    Attributes
    ----------
    terms : mapping of monomial to Fraction
        A monomial is a frozenset of (atom, exponent); the value's axes are the indices with serial number 0, 1, …
    rests : tuple of str
        What the form rests on, beside sizes of at least 1. It does not count in a comparison.
    """

    terms: Terms
    rests: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.terms)


def expand(
    program: Program, name: str, *, given: Sequence[str] = (), sums: Sums = (), most_terms: int = 2000,
    heads: dict[bytes, Head] | None = None,
) -> Polynomial:  # fmt: skip
    """The normal form of a value of a program.

    Parameters
    ----------
    program : Program
    name : str
        An input, a constant, or what an equation defines.
    given : sequence of str
        Values that are taken as they are, as if they were inputs, and not expanded.
    sums : tuple of (Contract, number)
    most_terms : int
        Beyond this, expanding ends.
    heads : dict, optional
        The heads of another normal form with which this one is compared.

    Raises
    ------
    UndecidedError
        It has more terms than that, is too symmetric, or is nowhere defined.
    """
    sizes = {k: d.size for k, d in enumerate(program.dimensions)}
    context = Context(sizes=sizes, most_terms=most_terms, heads={} if heads is None else heads)
    expansion = Expansion(program, context, given={n: {} for n in given})
    declare(expansion, sums)
    return Polynomial(expansion.value(name), tuple(expansion.rests(name)))


def same(
    program: Program, name: str, other: Program | None = None, other_name: str | None = None, *,
    names: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None, sums: Sums = (),
) -> Comparison:  # fmt: skip
    """Compare two values, of one program or of two.

    Parameters
    ----------
    program, name
        The first value.
    other, other_name
        The second; of the same program, or with the same name, where not given.
    names : mapping, optional
        For inputs of the other program that are called otherwise: its name, and the first program's.
    given : mapping, optional
        Values that are taken as they are: the other's name, and the first program's.
    sums : tuple of (Contract, number)
        Sums of inputs of the first program that have a known value.

    Returns
    -------
    Comparison
    """
    other, other_name = other or program, other_name or name
    pairs = [(name, other_name)]
    prover = Prover(program, other, drawn_arrays(program, sums), names=names, given=given, sums=sums, linked=pairs)
    return prover.compare(name, other_name)


def drawn_arrays(program: Program, sums: Sums = (), seed: int = 0) -> list[NDArray[Any]]:
    """Random numbers for the inputs of a program, at its own sizes, with the sums that are given."""
    rng = np.random.default_rng(seed)
    arrays = []
    for declared in program.inputs:
        shape, kind = [program.sizes[i] for i in declared.ref.indices], np.dtype(declared.dtype).kind
        whole = rng.integers(2 if kind == "b" else min(d.size for d in program.dimensions) or 1, size=shape)
        array = rng.uniform(0.1, 1, size=shape) if kind == "f" else whole.astype(declared.dtype)
        for contract, value in sums:
            if contract.operands[0].name == declared.ref.name:
                summed = [k for k, i in enumerate(contract.operands[0].indices) if i not in contract.out.indices]
                array = array * (float(value) / array.sum(axis=tuple(summed), keepdims=True))
        arrays.append(array)
    return arrays


def einsum_normal_form(contract: Contract, ones: Sequence[str] = ()) -> str:
    """One written line as a canonical text: factors sorted by name, factors of one dropped.

    The letters stay as they are written, so that two lines have one text only if the same subscripts stand at the
    same operands.

    Parameters
    ----------
    contract : Contract
    ones : sequence of str
        The operands that hold ones only.

    Examples
    --------
    >>> line = Contract(Ref("dc", "i"), (Ref("dz", "ib"), Ref("ones", "b")), factor=Factor.of(0.5, b=-1))
    >>> einsum_normal_form(line, ["ones"])
    '[i] = 1/(2B) Σ_b dz[i,b]'
    """
    kept = tuple(sorted((r for r in contract.operands if r.name not in ones), key=lambda r: (r.name, r.indices)))
    brackets = tuple(sorted(map(_oriented, contract.brackets), key=repr))
    held = {*contract.out.indices, *"".join(r.indices for r in kept), *"".join(b.letters for b in brackets)}
    alone = "".join(r.indices for r in contract.operands if r.name in ones)
    counted = {i: 1 for i in alone if i not in held}
    line = Contract(Ref("out", contract.out.indices), kept, brackets, contract.factor * Factor.of(1, **counted))
    return f"[{','.join(contract.out.indices)}] = {right_side(line)}"


def _oriented(bracket: Bracket) -> Bracket:
    """The bracket with its sides in one order, where that does not matter, and their terms sorted."""
    sides = [_sorted(bracket.left), _sorted(bracket.right)]
    left, right = sorted(sides, key=_simplicity) if bracket.relation in "=≠" else sides
    return replace(bracket, left=left, right=right)


def _sorted(position: Position) -> Position:
    return replace(position, terms=tuple(sorted(position.terms, key=lambda term: term[1])))


def _simplicity(position: Position) -> tuple[int, str]:
    return len(position.terms) + bool(position.constant) + 2 * bool(position.pick), repr(position)
