"""Sums of products of atoms in canonical form: products, renamed indices, sums over indices.

Terms are a dict from monomials to coefficients; a monomial is a frozenset of (atom, exponent). A sum over indices
falls apart into connected pieces: Σ_k Σ_l a_k b_l c_i is c_i·(Σ_k a_k)·(Σ_l b_l), and each piece is one atom, named
canonically. Everything here keeps the value: what is not recognised as equal stays unequal, never the reverse.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any

from ..core.collecting import summed
from ..core.progress import tick
from ..core.records import dataclass
from ..errors import UndecidedError
from .indices import Atom, Exponent, Head, Index, Number, Row, dimension_of, index, name_indices

Monomial = frozenset[tuple[Atom, Exponent]]
Terms = dict[Monomial, Number]
Product = dict[Atom, Exponent]

UNIT: Monomial = frozenset()
ONE: Terms = {UNIT: 1}
FIRST_BOUND = 1 << 16
DEEPEST = 30  # rules inside one another
ONE_ENTRY = "an axis of size 1 keeps that size"


@dataclass(slots=True)
class Context:
    """What a comparison knows, and what its result will rest on.

    Attributes
    ----------
    sizes : mapping
        The traced size of each dimension; what is concluded from one is noted.
    rules : dict
        Sums over an index that the caller declared to be a number, by the digest of their head.
    rests : dict
        The assumptions used so far (an ordered set).
    heads : dict
        Every head, by its digest.
    unrelated : set
        Pairs of equations, with the indices that they share, of which one says nothing simple beside the other.
    relations : dict
        What sums with equations are to one another, by their heads and the indices that they share, and what that rests
        on.
    most_terms, most_steps : int
        Beyond these, comparing ends undecided.
    """

    sizes: Mapping[int, int] = field(default_factory=dict)
    rules: dict[bytes, Number] = field(default_factory=dict)
    rests: dict[str, None] = field(default_factory=dict)
    heads: dict[bytes, Head] = field(default_factory=dict)
    unrelated: set[tuple[Any, ...]] = field(default_factory=set)
    relations: dict[tuple[Any, ...], tuple[str | None, Mapping[str, None]]] = field(default_factory=dict)
    most_terms: int = 2000
    most_steps: int = 100_000
    steps: int = 0
    depth: int = 0
    serial: int = FIRST_BOUND

    def renewed(self, most_terms: int, most_steps: int) -> "Context":
        """A context in which nothing was used yet, with the heads, and what they are to one another, of this one."""
        return replace(self, rules={}, rests={}, most_terms=most_terms, most_steps=most_steps, steps=0)

    def fresh(self, dimension: int) -> Index:
        """An index that is used nowhere else."""
        self.serial += 1
        return index(dimension, self.serial)

    def note(self, assumption: str) -> None:
        """Remember that the result rests on this."""
        self.rests[assumption] = None

    def count(self, steps: int = 1) -> None:
        """Give up where the formulas have grown too large."""
        self.steps += steps
        tick()
        if self.steps > self.most_steps:
            raise UndecidedError(f"not decided within {self.most_steps} steps")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One rule inside another: give up where they go on without end, as ``a·q⁻¹ = 1 - b·q⁻¹`` can."""
        if self.depth == DEEPEST:
            raise UndecidedError(f"not decided by {DEEPEST} rules inside one another")
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def intern(self, digest: bytes, make: Any) -> Head:
        """The head with this digest, made if it is new."""
        head: Head | None = self.heads.get(digest)
        if head is None:
            head = self.heads[digest] = make()
        return head


def whole(number: Number) -> Number:
    """The same number, as an int where it is whole."""
    return number.numerator if number.denominator == 1 else number


def constant(number: Number) -> Terms:
    """A number."""
    return {UNIT: whole(number)} if number else {}


def monomial(atoms: Mapping[Atom, Exponent], number: Number = 1) -> Terms:
    """A product that needs no rule."""
    return {frozenset(atoms.items()): whole(number)}


def add(*summands: Terms) -> Terms:
    """The sum; terms that cancel are dropped."""
    return summed(term for terms in summands for term in terms.items())


def scale(terms: Terms, number: Number) -> Terms:
    """The terms times a number."""
    if number == 1:
        return terms
    return {m: whole(c * number) for m, c in terms.items()} if number else {}


def multiply(a: Terms, b: Terms, context: Context) -> Terms:
    """The product, distributed.

    Raises
    ------
    UndecidedError
        It has more terms than the context allows.
    """
    if b == ONE or a == ONE:
        return a if b == ONE else b
    if len(a) * len(b) > context.most_terms:
        raise UndecidedError(f"a product has over {context.most_terms} terms")

    def product(m: Monomial, n: Monomial) -> Terms:
        return normalise(summed((*m, *n)), context) if m and n else {m or n: 1}

    return summed((k, c * d * e) for m, c in a.items() for n, d in b.items() for k, e in product(m, n).items())


def whole_power(terms: Terms, exponent: int, context: Context) -> Terms:
    """``terms`` to a whole power ≥ 0, multiplied out."""
    result = ONE
    for _ in range(exponent):
        result = multiply(result, terms, context)
    return result


def normalise(atoms: Product, context: Context) -> Terms:
    """The product of powers of atoms after the rules that the atoms bring; ``atoms`` may be changed.

    A head's ``reduce(atoms, atom, context)`` returns terms that equal the product, or None where it has nothing to do.
    """
    context.count()
    for atom, exponent in list(atoms.items()):
        if not exponent:
            del atoms[atom]
        elif atom[0].indicator and exponent > 0:
            atoms[atom] = 1
    for atom in list(atoms):
        if atom[0].reduce is not None:
            reduced: Terms | None = atom[0].reduce(atoms, atom, context)
            if reduced is not None:
                return reduced
    if context.rules:
        for atom, exponent in atoms.items():
            if atom[0].digest in context.rules and exponent > 0 and exponent == int(exponent):
                rest = without(atoms, atom)
                return scale(normalise(rest, context), context.rules[atom[0].digest] ** int(exponent))
    return {frozenset(atoms.items()): 1}


def without(atoms: Mapping[Atom, Exponent], *left_out: Atom) -> Product:
    """The product with some atoms left out."""
    return {a: e for a, e in atoms.items() if a not in left_out}


def times(atoms: Mapping[Atom, Exponent], terms: Terms, context: Context) -> Terms:
    """A product of atoms times terms."""
    return summed(
        (k, c * e) for m, c in terms.items() for k, e in normalise(summed((*atoms.items(), *m)), context).items()
    )


def substitute(terms: Terms, mapping: Mapping[Index, Index], context: Context) -> Terms:
    """The terms with their indices renamed; two may be given one name, which reads a diagonal."""
    return summed((k, c * e) for m, c in terms.items() for k, e in rename(m, mapping, context).items())


def rename(m: Iterable[tuple[Atom, Exponent]], mapping: Mapping[Index, Index], context: Context) -> Terms:
    """One product with its indices renamed."""
    atoms: list[tuple[Atom, Exponent]] = []
    rebuilt: list[Terms] = []
    for (head, where), exponent in m:
        new = tuple([mapping.get(i, i) for i in where])
        if head.arguments and len(set(new)) < len(new) and len(set(where)) == len(where):
            rebuilt.append(rebuild(head, new, exponent, context))
            continue
        atoms.append((head.at(new), exponent))
    result = normalise(summed(atoms), context)
    for factor in rebuilt:
        result = multiply(result, factor, context)
    return result


def rebuild(head: Head, where: Sequence[Index], exponent: Exponent, context: Context) -> Terms:
    """The power of an atom from its arguments, with the given indices in its slots."""
    arguments, bound = opened(head, where, context)
    assert head.make is not None
    if head.kind == "power":
        result: Terms = head.make(arguments, exponent, context)
        return result
    value: Terms = head.make(arguments, bound, context)
    if exponent == int(exponent) and exponent >= 0:
        return whole_power(value, int(exponent), context)
    if len(value) == 1:
        ((m, c),) = value.items()
        if c == 1:
            return normalise({atom: e * exponent for atom, e in m}, context)
    raise UndecidedError(f"the power {exponent} of a diagonal")


def opened(head: Head, where: Sequence[Index], context: Context) -> tuple[list[Terms], tuple[Index, ...]]:
    """The formulas inside an atom, with the given indices in its slots and fresh bound ones."""
    mapping = {index(d, slot): i for slot, (d, i) in enumerate(zip(head.dimensions, where, strict=True))}
    bound = {slot: context.fresh(dimension_of(slot)) for slot in head.bound}
    arguments = [substitute(a, mapping | bound, context) for a in head.arguments]
    return arguments, tuple(bound.values())


def inside(atom: Atom) -> Terms:
    """The first formula inside an atom, in the atom's own indices."""
    head, where = atom
    slots = {index(d, k): i for k, (d, i) in enumerate(zip(head.dimensions, where, strict=True))}
    return relabel(head.arguments[0], slots)


def make_atom(
    kind: str, name: str, rows: Sequence[Row], arguments: Sequence[Terms], context: Context,
    over: frozenset[Index] = frozenset(), mirror: Sequence[Row] = (), **traits: Any,
) -> Atom:  # fmt: skip
    """The atom made of formulas, with its indices named canonically; ``traits`` are those of its head."""
    naming = name_indices(rows, over, mirror)
    digest = naming.digest(kind, name)

    def make() -> Head:
        dimensions = tuple(dimension_of(i) for i in naming.order)
        slots = {i: index(d, k) for k, (i, d) in enumerate(zip(naming.order, dimensions, strict=True))}
        inside = tuple(relabel(a, slots) for a in arguments)
        heads = [head for a in inside for m in a for (head, _), _ in m]
        if kind == "sum":
            traits["positive"] = all(h.positive for h in heads)
        return Head(
            digest, kind, name, inside, dimensions[: naming.free], tuple(slots[i] for i in naming.order[naming.free :]),
            naming.symmetries, naming.orbits, **traits,
        )  # fmt: skip

    return context.intern(digest, make).at(naming.order[: naming.free])


def relabel(terms: Terms, names: Mapping[Index, Index]) -> Terms:
    """The terms with their indices renamed one to one; nothing can merge."""
    return {
        frozenset([(head.at(tuple([names[i] for i in where])), e) for (head, where), e in m]): c
        for m, c in terms.items()
    }


def rows_of(arguments: Sequence[Terms]) -> list[Row]:
    """Formulas as rows to be named: each term is tagged with its coefficient and the argument that it is in."""
    return [(f"{k}:{c}", list(m)) for k, terms in enumerate(arguments) for m, c in terms.items()]


def size(dimension: int, context: Context) -> Head:
    """The head of the size of a dimension."""
    digest = f"size {dimension}".encode()
    return context.intern(digest, lambda: Head(digest, "size", str(dimension), positive=True, integer=True))
