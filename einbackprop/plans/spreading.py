"""Products whose parts overlap where they go: the gradient by an image of a convolution with it.

``Σ_o k[o,r,t] d[o,y,x]`` belongs to ``out[y+r,x+t]``. Each pair r, t could be added at its own place: nine passes for a
window of 3×3. Or ``l = y+r`` takes the place of y: then r is summed by the product, which reads ``d[o,l-r,x]``, zero
where there is no such y. That costs copies of d, and a little more arithmetic; three passes are left. Which letters
are so absorbed is a matter of cost.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from itertools import product as each
from math import prod

from ..core.records import dataclass
from . import blocks, patterns, pointwise
from .blocks import SMALL, is_matrix
from .patterns import Form, Pattern
from .views import View, memory_order
from .workspace import Slot, Workspace

ADDED, ADDED_BYTE = 0.35, 0.07
"""Nanoseconds to add an entry to its place, and for each byte of it."""
COPIED_BYTE, RUN = 0.02, 8.0
"""Nanoseconds to copy a byte, and for each piece that lies together."""
FLOP_BYTE = 0.0028
"""Nanoseconds of an operation, for each byte of an entry."""


@dataclass(frozen=True)
class Shift:
    """A letter that is absorbed: ``l = sign · partner + step · letter - low`` takes the place of its partner."""

    axis: int
    letter: str
    partner: str
    sign: int
    step: int
    low: int
    length: int

    def position(self, number: int) -> Form:
        """Where the partner's entries go if the letter is this number."""
        return Form.of({self.partner: self.sign}, self.step * number - self.low)


@dataclass(frozen=True)
class Roles:
    """The letters of a product ``left · right``, of which ``right`` may be copied."""

    left: View
    right: View
    loops: str
    over: str
    rows: str
    columns: str
    summed: str


def short_letters(work: Workspace, pattern: Pattern, letters: str, out: View) -> str:
    """Letters, the shortest first, such that parts without them do not overlap, and leave an axis at its ends."""
    over, forms = "", list(pattern.out)
    for letter in sorted(letters, key=lambda i: work.sizes[i]):
        rest = "".join(i for i in letters if i not in over)
        joined = [(f, n) for f, n in zip(forms, out.array.shape, strict=True) if len(f.terms) > 1]
        injective = patterns.is_injective(pattern.out, out.array.shape, rest, work.sizes)
        if injective and not any(form.leaves(work.sizes, length) for form, length in joined):
            break
        if any(len(form.terms) > 1 and form.coefficient(letter) for form in pattern.out):
            over += letter
            forms = [form.substituted(letter, Form()) for form in forms]
    return over


def overlapping(
    work: Workspace, forms: Sequence[Form], over: str, made: View, letters: str, out: View
) -> Iterator[tuple[View, View]]:
    """Places in an array, and what of a product goes there: each combination of some letters fills its own.

    What would go outside is left out.
    """
    for numbers in each(*(range(work.sizes[i]) for i in over)):
        chosen = {letter: Form((), number) for letter, number in zip(over, numbers, strict=True)}
        inner = inside(work, substituted(forms, chosen), out.array.shape)
        if inner is not None:
            at = {letter: Form(((letter, 1),)) for letter in letters} | chosen | inner
            own = "".join(at[i].letters for i in letters if i in made.term)
            steps = [[at[i].coefficient(j) for j in own] for i in made.term]
            part = made.affine(own, work.shape(own), steps, [at[i].constant for i in made.term])
            rest = "".join(at[i].letters for i in letters)
            yield patterns.at_positions(work, out, substituted(forms, at), rest), part


def inside(work: Workspace, forms: Sequence[Form], shape: Sequence[int]) -> dict[str, Form] | None:
    """For each letter that leaves its axis, one that does not; None if nothing is left."""
    moved: dict[str, Form] = {}
    for form, length in zip(forms, shape, strict=True):
        if form.leaves(work.sizes, length):
            numbers = form.within(work.sizes, length) if form.terms else range(0)
            if not numbers:
                return None
            moved[form.letters] = part_of(work, form.letters, numbers)
    return moved


def part_of(work: Workspace, letter: str, numbers: range) -> Form:
    """The letter of which only some numbers are left, in terms of another that begins at 0."""
    return Form(((work.shorter(letter, len(numbers)), 1),), numbers.start)


def substituted(forms: Sequence[Form], table: Mapping[str, Form]) -> list[Form]:
    """Positions with others in the place of their letters."""
    left = list(forms)
    for letter, form in table.items():
        left = [old.substituted(letter, form) for old in left]
    return left


def accumulated(work: Workspace, pattern: Pattern, made: View, letters: str, out: View) -> None:
    """Add up parts that overlap."""
    over = short_letters(work, pattern, letters, out)
    for place, part in overlapping(work, pattern.out, over, made, letters, out):
        pointwise.apply(work, "add", [place, part], place)


def spread(work: Workspace, pattern: Pattern, views: Sequence[View], kept: str, out: View) -> bool:
    """Add up parts of a product of two that overlap, a piece of it at a time; whether that is possible and pays."""
    alone = [form.letters for form in pattern.out if form == Form(((form.letters, 1),))]
    alone = [i for i in alone if sum(bool(form.coefficient(i)) for form in pattern.out) == 1]
    roles = roles_of(work, views, kept, short_letters(work, pattern, kept, out), alone)
    if roles is None:
        return False
    shifts = cheapest(work, pattern, roles, out)
    if shifts is not None:
        Spreading(work, pattern, roles, shifts, out).emit()
    return shifts is not None


def roles_of(work: Workspace, views: Sequence[View], kept: str, over: str, alone: Sequence[str]) -> Roles | None:
    """The letters' roles in a product that is long enough to be made in pieces."""
    left, right = views if over and over[0] in views[0].term else (views[1], views[0])
    batch = [i for i in left.term if i in right.term and i in kept]
    summed = "".join(i for i in memory_order(right) if i in left.term and i not in kept)
    rows = "".join(i for i in memory_order(left) if i not in right.term)
    columns = "".join(i for i in memory_order(right) if i not in left.term)
    size = prod(work.shape(kept)) * left.dtype.itemsize
    if size < blocks.LONG or not set(batch) <= set(alone) or set(rows + columns) | set(batch) != set(kept):
        return None
    loops = "".join(batch)
    for letter in alone:
        if size // prod(work.shape(loops)) > blocks.CACHED and letter not in loops:
            loops += letter
    rows, columns = ("".join(i for i in group if i not in loops + over) for group in (rows, columns))
    if not over or not set(over) <= set(left.term) or not columns or not summed:
        return None
    return Roles(left, right, loops, over, rows, columns, summed)


def cheapest(work: Workspace, pattern: Pattern, roles: Roles, out: View) -> tuple[Shift, ...] | None:
    """The letters to absorb; None if the product cannot be made in pieces."""
    possible = [shift for letter in roles.over if (shift := shift_of(work, pattern, roles, letter, out)) is not None]
    best: tuple[float, tuple[Shift, ...]] | None = None
    for count in range(len(possible) + 1):
        for shifts in combinations(possible, count):
            if len({shift.partner for shift in shifts}) == count and is_possible(roles, shifts):
                found = cost(work, roles, shifts), shifts
                best = found if best is None or found[0] < best[0] else best
    return None if best is None else best[1]


def shift_of(work: Workspace, pattern: Pattern, roles: Roles, letter: str, out: View) -> Shift | None:
    """How a letter is absorbed, if it stands in one axis, beside one of the columns."""
    axes = [n for n, form in enumerate(pattern.out) if form.coefficient(letter)]
    form = pattern.out[axes[0]]
    partners = [i for i in form.letters if i != letter]
    if len(axes) != 1 or len(partners) != 1 or partners[0] not in roles.columns:
        return None
    (partner,) = partners
    sign, step, length = form.coefficient(partner), form.coefficient(letter), out.array.shape[axes[0]]
    if abs(sign) != 1 or sum(bool(form.coefficient(partner)) for form in pattern.out) != 1:
        return None
    low, high = Form.of({partner: sign, letter: step}).bounds(work.sizes)
    low, high = max(low, -form.constant), min(high, length - 1 - form.constant)
    return Shift(axes[0], letter, partner, sign, step, low, high - low + 1) if low <= high else None


def is_possible(roles: Roles, shifts: Sequence[Shift]) -> bool:
    """Whether both operands are matrices, or are copied."""
    absorbed = {shift.letter for shift in shifts}
    rows = "".join(i for i in roles.over if i not in absorbed) + roles.rows
    if not rows or (not shifts and not is_matrix(roles.right, roles.columns, roles.summed)):
        return False
    return roles.left.size <= SMALL or (not shifts and is_matrix(roles.left, rows, roles.summed))


def cost(work: Workspace, roles: Roles, shifts: Sequence[Shift]) -> float:
    """Nanoseconds: additions to places, copies, and arithmetic."""
    itemsize = roles.left.dtype.itemsize
    lengths = dict(work.sizes)
    lengths.update((shift.partner, shift.length) for shift in shifts)
    absorbed = [shift.letter for shift in shifts]
    made = prod(lengths[i] for i in roles.loops + roles.over + roles.rows + roles.columns if i not in absorbed)
    times = prod(work.shape(absorbed))
    total = made * (ADDED + ADDED_BYTE * itemsize)
    total += 2 * made * times * prod(work.shape(roles.summed)) * FLOP_BYTE * itemsize
    if shifts:
        lying = memory_order(roles.right)
        run = roles.right.count(lying[max(lying.index(shift.partner) for shift in shifts) :])
        total += times * roles.right.size * (COPIED_BYTE * itemsize + RUN / max(run, 1))
    return total


def at_letters(
    work: Workspace, view: View, term: str, names: Mapping[str, str], starts: Mapping[str, int] | None = None
) -> View:
    """A view with other letters for some axes, which begin elsewhere, or go on; an axis without one is read at 0."""
    steps = [[int(i == names.get(own, own)) for i in term] for own in view.term]
    return view.affine(term, work.shape(term), steps, [(starts or {}).get(own, 0) for own in view.term])


class Spreading:
    """A product that is made for one index of the loops at a time, and added to where it belongs."""

    def __init__(
        self, work: Workspace, pattern: Pattern, roles: Roles, shifts: Sequence[Shift], out: View
    ) -> None:
        self.work = work
        self.roles = roles
        self.shifts = shifts
        self.out = out
        self.absorbed = "".join(shift.letter for shift in shifts)
        self.over = "".join(i for i in roles.over if i not in self.absorbed)
        self.rows = self.over + roles.rows
        self.summed = self.absorbed + roles.summed
        long = {shift.partner: work.letter(shift.length) for shift in shifts}
        self.columns = "".join(long.get(i, i) for i in roles.columns)
        self.forms = list(pattern.out)
        for shift in shifts:
            constant = pattern.out[shift.axis].constant + shift.low
            self.forms[shift.axis] = Form.of({long[shift.partner]: 1}, constant)

    def emit(self) -> None:
        """The call that makes the product and adds it up."""
        work, loops = self.work, self.roles.loops
        made = work.allocate(self.rows + self.columns, self.roles.left.dtype)
        letters = loops + self.rows + self.columns
        parts = list(overlapping(work, self.forms, self.over, made, letters, self.out))
        parts = [(place.transposed(loops + part.term), part) for place, part in parts]
        gaps: list[View] = []
        if self.columns[1:]:
            parts = [self.lengthened(place, part, gaps) for place, part in parts]
        left = self.left()
        flops = prod(work.shape(loops)) * made.size * (2 * prod(work.shape(self.summed)) + 1)
        with blocks.shared(work, loops) as (share, count):
            sources, right, regions = self.copying()
            views = [share(left), made.joined([self.rows, self.columns]), share(right)]
            texts = [f"{{{n}}}" for n in range(len(views))]
            places = [share(place) for place, _ in parts]
            for group in ([part for _, part in parts], places, gaps, regions, [*map(share, sources)]):
                texts.append("(" + "".join(f"{{{n}}}, " for n in range(len(views), len(views) + len(group))) + ")")
                views += group
            call = f"spread_in_blocks({', '.join(texts)}, {len(loops)})"
            work.assembly.emit("GEMM in blocks", call, *views, out=self.out, flops=flops // count)

    def lengthened(self, place: View, part: View, gaps: list[View]) -> tuple[View, View]:
        """A part with short rows, and its place, as one long row with what lies between, to which zeros are written."""
        work, row, itemsize = self.work, part.term[-1], part.dtype.itemsize
        stride, wide = work.sizes[self.columns[-1]] * itemsize, part.length(row) * itemsize
        if wide == stride or part.stride(row) != itemsize or place.stride(row) != itemsize:
            return place, part
        joined, step = "", stride
        for letter in reversed(part.term[:-1]):
            if part.stride(letter) != step or place.stride(letter) != step:
                break
            joined, step = letter + joined, step * part.length(letter)
        count = part.count(joined)
        if count < 2:
            return place, part
        long, gap, fewer = work.letter(1), work.letter(1), work.letter(count - 1)
        work.sizes |= {long: ((count - 1) * stride + wide) // itemsize, gap: (stride - wide) // itemsize}
        rest = "".join(i for i in part.term if i not in joined + row)
        between = {joined[-1]: fewer, row: gap}
        gaps.append(at_letters(work, part, rest + fewer + gap, between, {row: part.length(row)}))
        place = at_letters(work, place, self.roles.loops + rest + long, {row: long})
        return place, at_letters(work, part, rest + long, {row: long})

    def looped(self, view: View, groups: Sequence[str]) -> View:
        """A view with the axes of the loops in front, of size 1 where it lacks one."""
        return view.joined([*(i if i in view.term else "" for i in self.roles.loops), *groups])

    def left(self) -> View:
        """The operand that is read as matrices, copied if it is none."""
        left = self.roles.left
        if not is_matrix(left, self.rows, self.summed):
            own = "".join(i for i in left.term if i in self.roles.loops) + self.rows + self.summed
            left = pointwise.copied(self.work, left, own, Slot(left.dtype, "", self.work.allocate(own, left.dtype)))
        return self.looped(left, [self.rows, self.summed])

    def copying(self) -> tuple[list[View], View, list[View]]:
        """What is copied, the right operand or the memory for one piece of it, and the regions that copies go to."""
        if not self.shifts:
            return [], self.looped(self.roles.right, [self.summed, self.columns]), []
        work, right = self.work, self.roles.right
        own = self.roles.summed + self.roles.columns
        inmost = min(own, key=lambda i: (right.stride(i), -right.length(i)))
        groups = [self.summed, self.columns] if inmost in self.roles.columns else [self.columns, self.summed]
        block = work.allocate("".join(groups), right.dtype)
        work.assembly.emit("fill", "{out}.fill(0)", out=block)
        regions, sources = [], []
        for numbers in each(*(range(work.sizes[i]) for i in self.absorbed)):
            at = {i: Form(((i, 1),)) for i in block.term + right.term}
            for shift, number in zip(self.shifts, numbers, strict=True):
                form = shift.position(number)
                at[shift.partner] = part_of(work, shift.partner, form.within(work.sizes, shift.length))
                long = self.columns[self.roles.columns.index(shift.partner)]
                at |= {shift.letter: Form((), number), long: form.substituted(shift.partner, at[shift.partner])}
            letters = "".join(at[i].letters for i in own)
            if 0 not in work.shape(letters):
                regions.append(patterns.at_positions(work, block, [at[i] for i in block.term], letters))
                every = "".join(i for i in right.term if i in self.roles.loops) + letters
                source = patterns.at_positions(work, right, [at[i] for i in right.term], every)
                sources.append(self.looped(source, [*letters]))
        return sources, block.joined([self.summed, self.columns]), regions
