"""Algebra on a program before it is lowered: the same values from fewer passes over large arrays.

What derivation writes repeats itself: ``mask · de · t`` where ``e = mask · t`` is there already, ``½ a b`` with a
number that a small factor could take along, ``dp t + c t t`` that is read as ``(dp + c t) (t e)``.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from ..core.collecting import grouped
from ..core.letters import moved, uses_of
from ..core.program import ONE, Contract, Equation, Factor, Program, Ref, Sum, operands
from ..core.simplification import needed

Equations = list[Equation]


def simplified(program: Program) -> Program:
    """The same outputs, with products that are there already used again, and common factors taken out of sums."""
    equations = list(program.equations)
    kept = {ref.name for ref in program.outputs}
    booleans = {i.ref.name for i in program.inputs if np.dtype(i.dtype).kind == "b"}
    equations = with_numbers_moved(equations, kept, program.sizes)
    equations = with_masks_once(with_products_reused(equations), booleans)
    equations = with_like_terms_joined(equations, kept)
    equations = with_factors_taken_out(equations, kept)
    equations = with_masks_once(with_products_reused(equations), booleans)
    equations = with_sums_of_products(needed(equations, kept), kept)
    equations = with_like_terms_joined(equations, kept)
    return replace(program, equations=tuple(with_numbers_moved(equations, kept, program.sizes)))


def readers_of(equations: Sequence[Equation], kept: set[str]) -> Counter[str]:
    """How often each value is read; being an output counts twice."""
    return uses_of(equations) + Counter([*kept, *kept])


def is_product(equation: Equation | None) -> bool:
    """Whether each entry is a product of one entry of each operand, times a number that is exact."""
    if not isinstance(equation, Contract) or equation.brackets or not equation.operands:
        return False
    out, read = equation.out.indices, {i for ref in equation.operands for i in ref.indices}
    return read == set(out) and len(set(out)) == len(out) and is_exact(equation.factor)


def is_exact(factor: Factor) -> bool:
    """Whether a number can be divided by."""
    return isinstance(factor.number, Fraction) and factor.number != 0


def inverse(factor: Factor) -> Factor:
    """One over an exact factor."""
    assert isinstance(factor.number, Fraction)
    return Factor(1 / factor.number, tuple((i, -p) for i, p in factor.sizes))


# Numbers


def with_numbers_moved(equations: Sequence[Equation], kept: set[str], sizes: Mapping[str, int]) -> Equations:
    """Numbers in products go on to the products that read them, where a smaller operand may take them along."""
    readers = grouped((ref.name, equation) for equation in equations for ref in operands(equation))
    taken: dict[str, Factor] = {}
    changed = []
    for equation in equations:
        if isinstance(equation, Contract):
            factor = prod((taken.get(ref.name, ONE) for ref in equation.operands), start=equation.factor)
            equation = replace(equation, factor=factor)
            size = size_of(equation.out, sizes)
            name = equation.out.name
            goes_on = name not in kept and is_product(equation) and equation.factor != ONE
            goes_on = goes_on and all(size_of(ref, sizes) == size for ref in equation.operands)
            if goes_on and all(takes_along(reader, name, size, sizes) for reader in readers.get(name, [])):
                taken[name] = equation.factor
                equation = replace(equation, factor=ONE)
        changed.append(equation)
    return changed


def takes_along(reader: Equation, name: str, size: int, sizes: Mapping[str, int]) -> bool:
    """Whether a reader of a value takes a number along at no cost: it has one already, or something smaller."""
    if not isinstance(reader, Contract) or not is_exact(reader.factor):
        return False
    if [ref.name for ref in operands(reader)].count(name) != 1 or name not in [r.name for r in reader.operands]:
        return False
    small = min(size_of(ref, sizes) for ref in (*reader.operands, reader.out))
    return reader.factor != ONE or 2 * small <= size


def size_of(ref: Ref, sizes: Mapping[str, int]) -> int:
    """How many entries there are."""
    return prod(sizes[i] for i in ref.indices)


# Products


def with_masks_once(equations: Sequence[Equation], booleans: set[str]) -> Equations:
    """Products in which a mask stands once, be it as a part of another operand: its square is itself."""
    within: dict[str, tuple[str, set[Ref]]] = {}  # the masks in a product, in its letters
    changed = []
    for equation in equations:
        if isinstance(equation, Contract):
            left: list[Ref] = []
            for n, ref in enumerate(equation.operands):
                others = [*left, *equation.operands[n + 1 :]]
                if ref.name not in booleans or not any(ref in masks_of(other, within, booleans) for other in others):
                    left.append(ref)
            equation = replace(equation, operands=tuple(left))
            if is_product(equation):
                inside = {mask for ref in left for mask in masks_of(ref, within, booleans)}
                within[equation.out.name] = equation.out.indices, inside
        changed.append(equation)
    return changed


def masks_of(ref: Ref, within: Mapping[str, tuple[str, set[Ref]]], booleans: set[str]) -> set[Ref]:
    """The masks that are factors of an operand, in the letters of its use."""
    if ref.name in booleans:
        return {ref}
    indices, masks = within.get(ref.name, ("", set()))
    return {moved(mask, indices, ref.indices) for mask in masks}


def with_products_reused(equations: Sequence[Equation]) -> Equations:
    """Products of which a part is a value that has been computed."""
    parts: dict[str, list[Contract]] = {}
    changed = []
    for equation in equations:
        if isinstance(equation, Contract):
            if len(equation.operands) > 1:
                for part in [p for name in {r.name for r in equation.operands} for p in parts.get(name, ())]:
                    equation = with_part(equation, part)
            if is_product(equation) and len(equation.operands) > 1:
                parts.setdefault(equation.operands[0].name, []).append(equation)
        changed.append(equation)
    return changed


def with_part(whole: Contract, part: Contract) -> Contract:
    """A product with a part of it in the place of the part's operands, where it has all of them."""
    if len(part.operands) > len(whole.operands) or not is_exact(whole.factor):
        return whole
    for chosen, letters in matches(part.operands, whole.operands):
        left = [ref for n, ref in enumerate(whole.operands) if n not in chosen]
        found = Ref(part.out.name, "".join(letters[i] for i in part.out.indices))
        left.insert(min(chosen), found)
        return replace(whole, operands=tuple(left), factor=whole.factor * inverse(part.factor))
    return whole


def matches(
    wanted: Sequence[Ref], given: Sequence[Ref], chosen: tuple[int, ...] = (), letters: Mapping[str, str] | None = None
) -> Iterator[tuple[tuple[int, ...], Mapping[str, str]]]:
    """The ways to find operands among others: their positions, and a letter for each letter, all distinct."""
    letters = letters or {}
    if len(chosen) == len(wanted):
        yield chosen, letters
        return
    ref = wanted[len(chosen)]
    for n, other in enumerate(given):
        if other.name == ref.name and n not in chosen:
            table = dict(letters)
            agree = all(table.setdefault(a, b) == b for a, b in zip(ref.indices, other.indices, strict=True))
            if agree and len(set(table.values())) == len(table):
                yield from matches(wanted, given, (*chosen, n), table)


def with_sums_of_products(equations: Sequence[Equation], kept: set[str]) -> Equations:
    """``Σ p d`` for ``t Σ e d`` where ``p = e t`` is there: e is not needed any longer, and p may take its place."""
    uses, made = readers_of(equations, kept), {equation.out.name: equation for equation in equations}
    place = {equation.out.name: n for n, equation in enumerate(equations)}
    last = {ref.name: n for n, equation in enumerate(equations) for ref in operands(equation)}
    last.update(dict.fromkeys(kept, len(equations)))
    pairs = [e for e in equations if isinstance(e, Contract) and is_product(e) and len(e.operands) == 2]
    products = grouped((name, e) for e in pairs if e.factor == ONE for name in {ref.name for ref in e.operands})
    for reader in equations:
        for use in reader.operands if isinstance(reader, Contract) else ():
            total = made.get(use.name)
            if not isinstance(total, Contract) or total.brackets or uses[use.name] > 1:
                continue
            at = place[total.out.name]
            for part, product in ((r, p) for r in total.operands for p in products.get(r.name, ())):
                whole, found, name = made[reader.out.name], in_sum(product, part, total, use), product.out.name
                alone = last[part.name] > at >= last.get(name, 0)  # p would be kept for this
                if isinstance(whole, Contract) and found is not None and place[name] < at and not alone:
                    scaled, factor = found
                    if factor in whole.operands:
                        made[total.out.name] = replace(total, operands=(*without(total.operands, part), scaled))
                        made[reader.out.name] = replace(whole, operands=without(whole.operands, factor))
                        break
    return [made[equation.out.name] for equation in equations]


def without(refs: Sequence[Ref], ref: Ref) -> tuple[Ref, ...]:
    """The operands without one of them."""
    left = list(refs)
    left.remove(ref)
    return tuple(left)


def in_sum(product: Contract, part: Ref, total: Contract, use: Ref) -> tuple[Ref, Ref] | None:
    """``p`` of ``p[i,j] = e[i,j] t[i]`` in the letters of a sum that reads e, and t in those of where that is read."""
    own, other = sorted(product.operands, key=lambda ref: ref.name != part.name)
    table = dict(zip(own.indices, part.indices, strict=True))
    outer = dict(zip(total.out.indices, use.indices, strict=True))
    distinct = len(set(table.values())) == len(table) and len(outer) == len(use.indices) == len(set(use.indices))
    if not distinct or set(own.indices) != set(product.out.indices) or len(own.indices) != len(set(own.indices)):
        return None
    if not set(other.indices) < set(own.indices) or not {table[i] for i in other.indices} <= set(outer):
        return None
    found = Ref(product.out.name, "".join(table[i] for i in product.out.indices))
    return found, Ref(other.name, "".join(outer[table[i]] for i in other.indices))


# Sums


def with_like_terms_joined(equations: Sequence[Equation], kept: set[str]) -> Equations:
    """Sums in which terms that are multiples of one value, or of one product, are one term."""
    uses = readers_of(equations, kept)
    made = {equation.out.name: equation for equation in equations}
    changed: Equations = []
    for equation in equations:
        if isinstance(equation, Sum):
            terms: dict[object, tuple[Factor, Ref | None]] = {}
            for n, (factor, ref) in enumerate(equation.terms):
                factor, ref = without_multiples(factor, ref, made)
                key: object = ref
                product = made.get(ref.name) if ref is not None else None
                if ref is not None and isinstance(product, Contract) and is_product(product) and uses[ref.name] == 1:
                    key = tuple(sorted((r.name, r.indices) for r in in_letters(product, ref)))
                joined = added(terms[key], (factor, ref), made) if key in terms else (factor, ref)
                terms[key if joined else n] = joined or (factor, ref)
            equation = replace(equation, terms=tuple(terms.values()))
        changed.append(equation)
    return needed(changed, kept)


def without_multiples(factor: Factor, ref: Ref | None, made: Mapping[str, Equation]) -> tuple[Factor, Ref | None]:
    """A term that is a multiple of a value, as that value."""
    product = made.get(ref.name) if ref is not None else None
    while ref is not None and isinstance(product, Contract) and is_product(product) and len(product.operands) == 1:
        factor, (ref,) = factor * product.factor, in_letters(product, ref)
        product = made.get(ref.name)
    return factor, ref


def added(
    first: tuple[Factor, Ref | None], second: tuple[Factor, Ref | None], made: Mapping[str, Equation]
) -> tuple[Factor, Ref | None] | None:
    """One term for two that are multiples of one value, if their factors differ by a number."""
    (factor, ref), (other, also) = first, second
    mine, its = (made.get(r.name) if r is not None else None for r in (ref, also))
    if ref != also and isinstance(mine, Contract) and isinstance(its, Contract):
        other = other * its.factor * inverse(mine.factor)
    if factor.sizes != other.sizes or not is_exact(factor) or not is_exact(other):
        return None
    return replace(factor, number=factor.number + other.number), ref


def in_letters(product: Contract, ref: Ref) -> list[Ref]:
    """The operands of a product in the letters of a place where it is used."""
    return [moved(r, product.out.indices, ref.indices) for r in product.operands]


def with_factors_taken_out(equations: Sequence[Equation], kept: set[str]) -> Equations:
    """Sums that one product reads, with what all their terms are multiplied by put into that product instead."""
    uses = readers_of(equations, kept)
    made = {equation.out.name: equation for equation in equations}
    for equation in equations:
        if not isinstance(equation, Contract):
            continue
        for position, ref in enumerate(equation.operands):
            total = made.get(ref.name)
            if not isinstance(total, Sum) or uses[ref.name] > 1:
                continue
            common = common_factor(total, made, uses)
            current = made[equation.out.name]
            if common is not None and isinstance(current, Contract) and current.operands[position] == ref:
                more = moved(common, total.out.indices, ref.indices)
                made[equation.out.name] = replace(current, operands=(*current.operands, more))
                divide(total, common, made)
    return needed([made[equation.out.name] for equation in equations], kept)


def common_factor(total: Sum, made: Mapping[str, Equation], uses: Counter[str]) -> Ref | None:
    """An operand of fewer letters that every term has, if one of the terms is nothing but it and another."""
    candidates: list[Ref] | None = None
    saves = False
    for _, ref in total.terms:
        product = made.get(ref.name) if ref is not None else None
        if ref is None or not isinstance(product, Contract) or not is_product(product) or uses[ref.name] > 1:
            return None
        own = in_letters(product, ref)
        candidates = own if candidates is None else [r for r in candidates if r in own]
        saves |= len(own) == 2 and set(ref.indices) == set(total.out.indices)
    small = [r for r in candidates or () if set(r.indices) < set(total.out.indices)]
    return small[0] if small and saves and len(set(total.out.indices)) == len(total.out.indices) else None


def divide(total: Sum, common: Ref, made: dict[str, Equation]) -> None:
    """Take a common factor out of the terms of a sum."""
    terms: list[tuple[Factor, Ref | None]] = []
    for factor, ref in total.terms:
        assert ref is not None
        product = made[ref.name]
        assert isinstance(product, Contract)
        own = in_letters(product, ref)
        own.remove(common)
        letters = "".join(dict.fromkeys("".join(r.indices for r in own)))
        if len(own) == 1 and len(letters) == len(own[0].indices):
            terms.append((factor * product.factor, own[0]))
        else:
            made[ref.name] = replace(product, out=Ref(ref.name, letters), operands=tuple(own))
            terms.append((factor, Ref(ref.name, letters)))
    made[total.out.name] = replace(total, terms=tuple(terms))
