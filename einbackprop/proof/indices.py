"""Atoms with indices, and the canonical naming of the indices of a product or a sum of them.

The dimensions of two programs are numbered together: one number for those of inputs that go together, and of values
that are compared.

Two formulas that differ only in how their summation indices are called, or in the order of commuting factors, get
one and the same name. That is graph isomorphism, so it is done as graph programs do it: colour the indices by what
they touch, refine the colours until they are stable, and where a tie remains, try each of the tied indices in turn
and keep the smallest result. Ties between indices that can be exchanged are cut short. The exchanges found on the way
are the symmetries of the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from hashlib import blake2b
from typing import Any

from ..core.collecting import grouped
from ..core.program import Program, operands
from ..core.records import dataclass
from ..errors import UndecidedError

Index = int
"""A dimension's number, and a serial number among the indices that range over it: ``dimension << 32 | serial``."""

Number = int | Fraction
"""A coefficient; whole ones are ints, with which Python computes ten times as fast."""
Exponent = Number
MOST_LEAVES = 200
MOST_SYMMETRIES = 720
DIGEST_SIZE = 20


def index(dimension: int, serial: int) -> Index:
    """The index with this serial number over a dimension."""
    return dimension << 32 | serial


def dimension_of(i: Index) -> int:
    """The dimension that an index ranges over."""
    return i >> 32


@dataclass(eq=False, slots=True)
class Head:
    """What an atom is, without its indices: an input, a size, a function of a formula, a sum, a power's base.

    Attributes
    ----------
    digest : bytes
        Equal for equal heads, and for no others (a 160-bit hash of the canonical formula). A context has one head of
        each, so that heads, and atoms, are compared as objects.
    arguments : tuple of terms
        The formulas inside, written in the slots ``index(dimension, 0)``, ``index(dimension, 1)``, …
    dimensions : tuple of int
        One for each slot.
    bound : tuple of indices
        The further slots that are summed or maximised over inside.
    symmetries : tuple of permutations
        The rearrangements of the slots, besides leaving them as they are, that change nothing.
    orbits : tuple of int
        Slots that a symmetry exchanges have one number.
    make : callable, optional
        Builds the value anew from other arguments, for when two slots get the same index.
    reduce : callable, optional
        The rule that the atom brings into a product; see ``polynomials.normalise``.
    lead : optional
        What ``reduce`` looks for.
    """

    digest: bytes
    kind: str
    name: str = ""
    arguments: tuple[dict[frozenset[Any], Number], ...] = ()
    dimensions: tuple[int, ...] = ()
    bound: tuple[Index, ...] = ()
    symmetries: tuple[tuple[int, ...], ...] = ()
    orbits: tuple[int, ...] = ()
    indicator: bool = False
    positive: bool = False
    integer: bool = False
    make: Callable[..., Any] | None = None
    reduce: Callable[..., Any] | None = None
    lead: Any = None

    def at(self, indices: tuple[Index, ...]) -> Atom:
        """The atom with these indices, arranged the one way among those that the symmetries allow."""
        if self.symmetries:
            indices = min(indices, *(tuple([indices[k] for k in s]) for s in self.symmetries))
        return (self, indices)


Atom = tuple[Head, tuple[Index, ...]]
Row = tuple[str, Sequence[tuple[Atom, Exponent]]]
"""A tag, and a product of powers of atoms."""


@dataclass(frozen=True, slots=True)
class Naming:
    """The canonical order of the indices: first the free ones, then the bound ones.

    ``code`` is the formula with its indices so named, ``symmetries`` the rearrangements of the free ones that leave it.
    """

    order: tuple[Index, ...]
    free: int
    code: tuple[Any, ...]
    symmetries: tuple[tuple[int, ...], ...]
    orbits: tuple[int, ...]

    def digest(self, *what: object) -> bytes:
        """A name for the formula, given what else distinguishes it."""
        dimensions = [dimension_of(i) for i in self.order]
        return blake2b(repr((what, dimensions, self.free, self.code)).encode(), digest_size=DIGEST_SIZE).digest()


def name_indices(rows: Sequence[Row], bound: Iterable[Index] = (), mirror: Sequence[Row] = ()) -> Naming:
    """Name the indices of rows of atoms canonically.

    Parameters
    ----------
    rows : sequence of Row
        The order of the rows, and of the atoms in a row, does not matter.
    bound : iterable of Index
        The indices that are summed over; the others are free.
    mirror : sequence of Row
        Other rows with the same meaning (those of −x for an even function of x), from which more symmetries follow.

    Raises
    ------
    UndecidedError
        There are too many ties.
    """
    over = frozenset(bound)
    indices = dict.fromkeys(i for _, items in rows for (_, where), _ in items for i in where)
    search = _Search(rows)
    search.explore(_rank({i: (i in over, dimension_of(i)) for i in indices}))
    exchanges = search.exchanges
    if mirror:
        other = _Search(mirror)
        other.explore(_rank({i: (i in over, dimension_of(i)) for i in indices}))
        if other.code == search.code:
            exchanges = [*exchanges, dict(zip(search.order, other.order, strict=True))]
    free = len(indices) - len(over & indices.keys())
    symmetries = _close(exchanges, search.order[:free])
    orbits = tuple(min([k, *(s[k] for s in symmetries)]) for k in range(free))
    return Naming(search.order, free, search.code, symmetries, orbits)


@dataclass(slots=True)
class _Search:
    """The search for the smallest code over all ways to break ties."""

    rows: Sequence[Row]
    code: tuple[Any, ...] = ()
    order: tuple[Index, ...] = ()
    path: tuple[Index, ...] = ()
    exchanges: list[dict[Index, Index]] = field(default_factory=list)
    leaves: int = 0

    def explore(self, colours: dict[Index, int], path: tuple[Index, ...] = ()) -> int:
        """Refine; take the code where no tie is left, else break the first of the smallest ties each way.

        ``path`` holds the indices that ties were broken by. Returns how long a path to continue from: when a leaf turns
        out to be the image of the best one, all of the branch is the image of one that was explored.
        """
        colours = _refine(self.rows, colours)
        cells = grouped((colour, i) for i, colour in colours.items())
        tied = [(len(cell), colour) for colour, cell in cells.items() if len(cell) > 1]
        if not tied:
            return self.leaf(tuple(sorted(colours, key=colours.__getitem__)), path)
        _, colour = min(tied)
        tried: list[Index] = []
        for i in cells[colour]:
            twin = next((k for k in tried if self.interchangeable(i, k)), None)
            if twin is not None:
                self.exchanges.append({i: twin, twin: i})
                continue
            tried.append(i)
            back = self.explore({k: 2 * c + (c == colour and k != i) for k, c in colours.items()}, (*path, i))
            if back < len(path):
                return back
        return len(path)

    def interchangeable(self, i: Index, k: Index) -> bool:
        """Whether swapping two indices leaves the rows as they are."""
        swap = {i: k, k: i}
        return _encode(self.rows, lambda x: swap.get(x, x)) == _encode(self.rows, lambda x: x)

    def leaf(self, order: tuple[Index, ...], path: tuple[Index, ...]) -> int:
        """Keep the code if it is the smallest so far; an equal one is a symmetry."""
        self.leaves += 1
        if self.leaves > MOST_LEAVES:
            raise UndecidedError(f"a product over {len(order)} indices is too symmetric to be compared")
        code = _encode(self.rows, {i: k for k, i in enumerate(order)}.__getitem__)
        if self.order and code == self.code:
            self.exchanges.append(dict(zip(self.order, order, strict=True)))
            return next((k for k, (i, j) in enumerate(zip(path, self.path, strict=False)) if i != j), len(path))
        if not self.order or code < self.code:
            self.code, self.order, self.path = code, order, path
        return len(path)


def _encode(rows: Sequence[Row], label: Callable[[Index], int]) -> tuple[Any, ...]:
    """The rows as sorted tuples, in the given names of the indices."""
    coded = []
    for tag, items in rows:
        atoms = [(h.at(tuple([label(i) for i in where])), exponent) for (h, where), exponent in items]
        coded.append((tag, tuple(sorted([(h.digest, str(e), where) for (h, where), e in atoms]))))
    return tuple(sorted(coded))


def _rank(keys: dict[Index, Any]) -> dict[Index, int]:
    """Number the indices by the rank of their keys."""
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values())))}
    return {i: ranks[key] for i, key in keys.items()}


def _refine(rows: Sequence[Row], colours: dict[Index, int]) -> dict[Index, int]:
    """Colour the indices by what they touch, until no colour splits any more."""
    while len(set(colours.values())) < len(colours):
        touched: dict[Index, list[Any]] = {i: [] for i in colours}
        for tag, items in rows:
            seen = [
                (h.digest, str(e), tuple(sorted([(o, colours[i]) for o, i in zip(h.orbits, where, strict=True)])))
                for (h, where), e in items
            ]
            row = (tag, tuple(sorted(seen))) if len(rows) > 1 else ()
            for sight, ((h, where), _) in zip(seen, items, strict=True):
                for orbit, i in zip(h.orbits, where, strict=True):
                    touched[i].append((row, sight, orbit))
        finer = _rank({i: (colour, tuple(sorted(touched[i]))) for i, colour in colours.items()})
        if len(set(finer.values())) == len(set(colours.values())):
            break
        colours = finer
    return colours


def _close(exchanges: Sequence[dict[Index, Index]], slots: tuple[Index, ...]) -> tuple[tuple[int, ...], ...]:
    """The group that the exchanges generate on the free indices, as permutations of the slots, identity left out."""
    place = {i: k for k, i in enumerate(slots)}
    identity = tuple(range(len(slots)))
    generators = {tuple(place[e.get(i, i)] for i in slots) for e in exchanges} - {identity}
    group, new = {identity}, {identity}
    while new:
        new = {tuple(g[k] for k in s) for s in new for g in generators} - group
        group |= new
        if len(group) > MOST_SYMMETRIES:
            raise UndecidedError(f"a formula has over {MOST_SYMMETRIES} symmetries")
    return tuple(sorted(group - {identity}))


Letter = tuple[int, str]
"""0 for the first program, 1 for the second; and a letter of it."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """Numbers for the dimensions of two programs together.

    Attributes
    ----------
    first, second : dict of letter to int
        The number of each letter, for either program.
    sizes : dict of int to int
        The traced size of each.
    merged : bool
        Whether the second program made two dimensions of the first one.
    """

    first: dict[str, int]
    second: dict[str, int]
    sizes: dict[int, int]
    merged: bool


def number_dimensions(
    program: Program, other: Program, called: Mapping[str, str], values: Sequence[tuple[str, str]] = ()
) -> Numbering:
    """Number the dimensions of two programs together.

    Parameters
    ----------
    program, other : Program
    called : mapping
        For inputs and other values of the second, what goes with each in the first.
    values : sequence of pairs of str
        Letters of the axes of values that are compared, of the first program and of the second.

    Returns
    -------
    Numbering
        Dimensions that nothing links are one where their letters are the same.
    """
    sides = [(0, d) for d in program.dimensions] + [(1, d) for d in other.dimensions]
    parent: dict[Letter, Letter] = {(side, i): (side, d.letters[0]) for side, d in sides for i in d.letters}

    def root(x: Letter) -> Letter:
        while parent[x] != x:
            x = parent[x]
        return x

    if program is other:
        pairs = [(d.letters[0], d.letters[0]) for d in program.dimensions]
    else:
        pairs = [(indices_of(program, ours) or "", indices_of(other, name) or "") for name, ours in called.items()]
        pairs += values
    linked: set[Letter] = set()
    for first, second in pairs:
        for i, k in zip(first, second, strict=False):
            linked |= {root((0, i)), root((1, k))}
            parent[root((1, k))] = root((0, i))
            linked.add(root((0, i)))
    for d in other.dimensions:
        if (0, d.letters[0]) in parent and not {root((0, d.letters[0])), root((1, d.letters[0]))} & linked:
            parent[root((1, d.letters[0]))] = root((0, d.letters[0]))
    numbers = {r: n for n, r in enumerate(dict.fromkeys(root(x) for x in parent))}
    first_numbers = {i: numbers[root((0, i))] for d in program.dimensions for i in d.letters}
    second_numbers = {i: numbers[root((1, i))] for d in other.dimensions for i in d.letters}
    sizes = {second_numbers[d.letters[0]]: d.size for d in other.dimensions}
    sizes |= {first_numbers[d.letters[0]]: d.size for d in program.dimensions}
    merged = len(set(first_numbers.values())) < len(program.dimensions)
    return Numbering(first_numbers, second_numbers, sizes, merged)


def indices_of(program: Program, name: str) -> str | None:
    """The letters of a value where it is made or given, None where there is no such value."""
    for given in program.inputs:
        if given.ref.name == name:
            return given.ref.indices
    equation = program.defining().get(name)
    if equation is not None:
        return equation.out.indices
    read = [ref.indices for e in program.equations for ref in operands(e) if ref.name == name]
    read += [ref.indices for ref in program.outputs if ref.name == name]
    return read[0] if read else None
