"""Regions: equations that go along the same letters are run on one part of their arrays after another.

A pass over an array that is larger than the cache costs what memory costs. ``u = x - mean``, ``e = exp(u)`` and
``total = Σ e`` read and write whole arrays one after another; taken for 64 rows at a time, all but the first read and
the last write stay in the cache. A `Region` is a set of such equations: each entry of what they make needs, along the
letters of the blocks, the same entry of what they read. Sums over those letters are added up from block to block.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import product
from math import prod

from ..core.program import Contract, Equation, Extremum, Map, Ref, Sum, operands
from ..core.records import dataclass
from .views import memory_order
from .workspace import Workspace

Slices = tuple[tuple[slice, ...], ...]

LARGE = 1 << 20
"""Bytes of an array from which on blocks are worth while."""
BLOCK = 1 << 19
"""Bytes of a block of one array."""
SHARED = 1 << 21
"""Bytes of a block where several threads share them: each call of NumPy costs a change of the interpreter's lock."""
FEW = 5
"""Whole arrays up to which a region has blocks twice as long: they stay in cache, and there are half as many calls."""
FEWEST = 3
"""Passes over such an array that a region must save."""


@dataclass
class Region:
    """Equations that are run block by block.

    Attributes
    ----------
    order : str
        The letters of a large array of it, as they lie in memory.
    letters : str
        The first of these, along which the blocks are taken: the last of them in parts, the others one by one.
    part : int
        The length of a block along the last letter.
    before, after : list of Equation
        Those that must be computed before it, and those that can be computed after it.
    inside : list of Equation
    sums : set of str
        Values of it that are added up over the blocks.
    members : dict of str to str
        Values that are made block by block, and their letters.
    axes : dict of str to tuple
        Values from outside, and for each of their axes the letter of a block along which it is cut, or ''.
    """

    order: str
    letters: str
    part: int
    before: list[Equation] = field(default_factory=list)
    inside: list[Equation] = field(default_factory=list)
    after: list[Equation] = field(default_factory=list)
    sums: set[str] = field(default_factory=set)
    members: dict[str, str] = field(default_factory=dict)
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def fits(self, equation: Equation) -> bool:
        """Whether an equation can be run block by block, or is a sum over blocks."""
        out = equation.out.indices
        cuts = {(ref.name, self.cut_of(ref.indices)) for ref in operands(equation)}
        twice = len(cuts) != len({name for name, _ in cuts})  # read along other axes each time
        if twice or len(set(out)) != len(out) or not all(self.is_cut(ref) for ref in operands(equation)):
            return False
        along = set(self.letters)
        match equation:
            case Sum() | Map():
                return along <= set(out)
            case Contract():
                read = {i for ref in operands(equation) for i in ref.indices}
                if any(along & set(moved_letters(equation, n)) for n in range(len(equation.brackets))):
                    return False
                if along <= set(out):
                    return along <= read and not is_large_product(equation, along)
                small = not along & set(out) and along <= read and not equation.brackets
                return small and not is_large_product(equation, set())
            case Extremum():
                return not equation.position_of and along <= set(out)
            case _:
                return False

    def is_cut(self, ref: Ref) -> bool:
        """Whether a block of an equation reads a block of a value: along the same axes whoever reads it."""
        cut = self.cut_of(ref.indices)
        if ref.name in self.members:
            return cut == self.cut_of(self.members[ref.name])
        distinct = all(cut.count(i) == 1 for i in cut if i)
        return ref.name not in self.sums and distinct and self.axes.get(ref.name, cut) == cut

    def cut_of(self, indices: str) -> tuple[str, ...]:
        """For each axis the letter of a block along which it is cut, or ''."""
        return tuple(i if i in self.letters else "" for i in indices)

    def lying(self, indices: str) -> str:
        """The order in memory of a value that is needed afterwards: blocks lie one after another."""
        if sorted(indices) == sorted(self.order):
            return self.order
        return "".join(i for i in self.letters if i in indices) + "".join(i for i in indices if i not in self.letters)

    def parts(self, sizes: Mapping[str, int]) -> Iterator[tuple[dict[str, int], Slices]]:
        """For each shape of a block, the sizes of its letters, and where the blocks of it are."""
        outer, inner = self.letters[:-1], self.letters[-1]
        whole = sizes[inner] - sizes[inner] % self.part
        for start, stop in ((0, whole), (whole, sizes[inner])):
            if start < stop:
                length = min(self.part, stop - start)
                axes = [[slice(n, n + 1) for n in range(sizes[i])] for i in outer]
                axes.append([slice(n, n + length) for n in range(start, stop, length)])
                yield {**dict.fromkeys(outer, 1), inner: length}, tuple(product(*axes))

    def take(self, equation: Equation) -> None:
        """Make an equation part of the region."""
        self.inside.append(equation)
        for ref in operands(equation):
            if ref.name not in self.members:
                self.axes[ref.name] = self.cut_of(ref.indices)
        if set(self.letters) <= set(equation.out.indices):
            self.members[equation.out.name] = equation.out.indices
        else:
            self.sums.add(equation.out.name)


def moved_letters(equation: Contract, number: int) -> str:
    """The letters of a bracket but for those by which it picks: along these a block must have everything."""
    bracket = equation.brackets[number]
    terms = [*bracket.left.terms, *bracket.right.terms]
    return "".join(letter + "".join(i for i, _ in coefficient.sizes) for coefficient, letter in terms)


def is_large_product(equation: Contract, batch: set[str]) -> bool:
    """Whether a product has letters of its own in two operands, so that BLAS has to see the whole of it."""
    kept, terms = set(equation.out.indices), [set(ref.indices) for ref in equation.operands]
    if not set().union(*terms) - kept:
        return False
    largest = max(terms, key=len)
    if all(term <= largest for term in terms):
        return False
    return len(terms) != 2 or not batch or not all(batch <= term for term in terms)


def region_from(work: Workspace, equations: Sequence[Equation], start: int) -> Region | None:
    """The region that begins with one of the equations, if it is worth while."""
    region = None if work.scattered else begun(work, equations[start])
    if region is None:
        return None
    rest = equations[start:]
    waiting: set[str] = set()
    early: dict[str, Equation] = {}
    for equation in rest:
        names = {ref.name for ref in operands(equation)}
        inner = names & (region.members.keys() | region.sums)
        fits = equation.out.name not in work.apart and region.fits(equation)
        if fits and not names & waiting and is_worth_while(work, region, equation):
            region.take(equation)
        elif names & waiting or inner:
            waiting.add(equation.out.name)
        else:
            early[equation.out.name] = equation
    region = without_later(work, region)
    large = [e for e in region.inside if size_of(work, e.out) > prod(work.shape(region.letters[:-1])) * region.part]
    if sum(map(passes, large)) < (FEWEST if work.workers == 1 else 1):
        return None
    whole = [e for e in region.inside if size_of(work, e.out) >= prod(work.shape(region.order))]
    length = work.sizes[region.letters[-1]]
    if len(whole) <= FEW and length % (2 * region.part) == 0 and length // (2 * region.part) >= work.workers:
        region.part *= 2
    needed = needed_of(region.inside, early)
    chosen = {equation.out.name for equation in region.inside}
    region.inside = small_first(work, region.inside)
    region.before = [equation for name, equation in early.items() if name in needed]
    region.after = [e for e in rest if e.out.name not in needed and e.out.name not in chosen]
    return region


def small_first(work: Workspace, inside: Sequence[Equation]) -> list[Equation]:
    """The equations with those that make little of much as early as can be: then what they read can be written over."""
    order: list[Equation] = []
    for equation in inside:
        names = {ref.name for ref in operands(equation)}
        at = len(order)
        if any(8 * size_of(work, equation.out) < size_of(work, ref) for ref in operands(equation)):
            at = max((n for n, other in enumerate(order, 1) if other.out.name in names), default=0)
        order.insert(at, equation)
    return order


def passes(equation: Equation) -> int:
    """How often it goes over an array."""
    return max(1, len(equation.operands) - 1) if isinstance(equation, Contract) else 1


def without_later(work: Workspace, region: Region) -> Region:
    """The region without what may as well be made later: nothing in it reads that, and what it is made of is kept."""
    inside = {equation.out.name for equation in region.inside}
    for equation in reversed(region.inside):
        name = equation.out.name
        own = {reader.out.name for reader in work.readers.get(name, ())}
        later = name in region.members and own and not own & inside and not work.is_output(name)
        if later and all(stays(work, ref.name, inside) for ref in operands(equation)):
            inside.discard(name)
    left = Region(region.order, region.letters, region.part)
    for equation in region.inside:
        if equation.out.name in inside:
            left.take(equation)
    return left


def stays(work: Workspace, name: str, inside: set[str]) -> bool:
    """Whether a value is there after a region anyway."""
    if work.is_output(name) or (name in work.values and work.values[name].root.kind in ("input", "constant")):
        return True
    left = (reader.out.name for reader in work.readers.get(name, ()))
    return any(reader not in inside and reader not in work.values for reader in left)


def is_worth_while(work: Workspace, region: Region, equation: Equation) -> bool:
    """Whether a block of an equation is neither tiny nor larger than the cache; a sum over blocks must be small."""
    size = size_of(work, equation.out)
    if set(region.letters) <= set(equation.out.indices):
        return size <= 4 * prod(work.shape(region.order))
    return 8 * size * work.dtypes[equation.out.name].itemsize <= BLOCK


def size_of(work: Workspace, ref: Ref) -> int:
    """The entries of a value."""
    return prod(work.shape(ref.indices))


def needed_of(wanted: Sequence[Equation], makers: dict[str, Equation]) -> set[str]:
    """Those of the values of ``makers`` that equations depend on."""
    needed: set[str] = set()
    waiting = list(wanted)
    while waiting:
        for ref in operands(waiting.pop()):
            if ref.name in makers and ref.name not in needed:
                needed.add(ref.name)
                waiting.append(makers[ref.name])
    return needed


def begun(work: Workspace, equation: Equation) -> Region | None:
    """An empty region along the first letters, in memory, of a large array that an equation reads."""
    refs = [ref for ref in operands(equation) if len(set(ref.indices)) == len(ref.indices)]
    if not refs or equation.out.name in work.apart:
        return None
    ref = max(refs, key=lambda ref: size_of(work, ref))
    if ref.name not in work.values:
        return None
    view = work.values[ref.name].named(ref.indices)
    if view.size * view.dtype.itemsize < max(LARGE, 1) or view.dtype.kind not in "fc":
        return None
    block = BLOCK if work.workers == 1 else max(BLOCK, min(SHARED, view.size * view.dtype.itemsize // work.workers))
    order, entries = memory_order(view), max(block // view.dtype.itemsize, 1)
    first = next((n for n in range(len(order)) if view.count(order[n + 1 :]) <= entries), None)
    if first is None:
        return None
    part = part_of(view.length(order[first]), entries // view.count(order[first + 1 :]))
    region = Region(order, order[: first + 1], part)
    return region if region.fits(equation) else None


def part_of(length: int, most: int) -> int:
    """The length of a block: at most so much, such that it goes into the whole if that costs no more than half."""
    most = max(1, min(length, most))
    return next((n for n in range(most, most // 2, -1) if length % n == 0), most)
