"""Which equations run together as native loops: groups that go over some letters, the rows, once.

For one entry of the rows every equation of a group is computed before the next: a layer norm goes over its samples, and
what it needs of one sample stays in cache. A sum over the rows is complete only after them, so whatever reads it comes
after the group. A small program is one group without rows. Those equations of a group share a nest of loops of which
one makes what the next has at hand.
"""

from collections.abc import Iterable, Sequence
from dataclasses import field
from itertools import combinations
from math import prod

from ..core.dtypes import beside_numbers
from ..core.letters import letters_of, rename_letters
from ..core.program import Contract, Equation, Extremum, Input, Map, Ref, Sum, operands, picks
from ..core.records import dataclass
from .contractions import kind_of
from .native_functions import KINDS, expression, is_slow
from .workspace import Workspace

FEW = 4096
"""Up to so many steps a loop is faster than the calls of NumPy and BLAS that it stands for."""
FEW_CALLS = 512
"""The same for functions such as log, of which NumPy computes several entries at once."""
SHARE = 64
"""If an array of the program has so many times the entries, they do not matter."""
CACHE = 1 << 20
"""Bytes that a group may keep for one entry of its rows."""
CALL = 4096
"""Bytes that could be moved while a call begins."""


@dataclass
class Group:
    """Equations that are computed together.

    Attributes
    ----------
    rows : str
        The letters of the outer loops.
    members : list of Equation
        In letters of the group: a letter of the rows is the same one in each.
    sums : set of str
        The members that are sums over rows, complete at the end.
    made : dict of str to str
        The others, and their letters.
    nbytes : int
        What they keep for one entry of the rows.
    saved : int
        The traffic that they save.
    """

    rows: str
    members: list[Equation] = field(default_factory=list)
    sums: set[str] = field(default_factory=set)
    made: dict[str, str] = field(default_factory=dict)
    nbytes: int = 0
    saved: int = 0

    def reads(self, name: str) -> bool:
        """Whether a value is read by one of its equations."""
        return any(ref.name == name for equation in self.members for ref in operands(equation))


Item = Equation | Group


class Grouping:
    """What is known of a program while its equations are put into groups; only small ``stacks`` can be in any."""

    def __init__(self, work: Workspace, stacks: set[str]) -> None:
        self.work = work
        self.stacks = stacks
        self.sizes = work.sizes
        everything = [*work.program.inputs, *work.program.equations]
        largest = max((self.size((i.ref if isinstance(i, Input) else i.out).indices) for i in everything), default=0)
        self.few_calls = max(FEW_CALLS, largest // SHARE)
        self.native = {e.out.name for e in work.program.equations if self.is_native(e)}

    def size(self, letters: Iterable[str]) -> int:
        """How many entries letters have."""
        return prod(self.sizes[i] for i in letters)

    # what one equation can be

    def is_native(self, equation: Equation) -> bool:
        """Whether an equation can be a loop that is worth it."""
        dtypes, out = self.work.dtypes, equation.out
        if dtypes[out.name].name not in KINDS or len(set(out.indices)) != len(out.indices):
            return False
        names = {ref.name for ref in operands(equation)}
        picked = {ref.name for ref in picks(equation.brackets)} if isinstance(equation, Contract) else set()
        if any(dtypes[n].name not in KINDS and not (n in picked and dtypes[n].kind in "iu") for n in names):
            return False
        steps = self.size(letters_of(equation))
        match equation:
            case Contract(_, refs, brackets, factor):
                largest = max((self.size(ref.indices) for ref in (*refs, out)), default=0)
                few = steps <= FEW or (steps <= largest and not brackets)
                known = kind_of(self.work, equation, dtypes[out.name]).name in KINDS
                return few and known and not isinstance(factor.number, complex)
            case Sum(_, terms):
                if out.name in self.stacks and steps > FEW:
                    return False
                return not any(isinstance(factor.number, complex) for factor, _ in terms)
            case Map():
                text = expression(equation, KINDS[dtypes[out.name].name], kinds_of(self.work, equation))
                return text is not None and (steps <= self.few_calls or not is_slow(equation))
            case Extremum(position_of=along):
                at_once = dtypes[out.name].kind == "f" and not along
                return steps > 0 and (steps <= FEW or at_once)
            case _:
                return False

    def is_view(self, equation: Equation) -> bool:
        """Whether it costs nothing as a plan has it."""
        return (
            isinstance(equation, Contract) and len(equation.operands) == 1 and not equation.brackets
            and not self.summed(equation) and equation.factor.value(self.sizes) == 1
        )  # fmt: skip

    def summed(self, equation: Equation) -> set[str]:
        """The letters that an equation sums over."""
        return set(letters_of(equation)) - set(equation.out.indices)

    # groups

    def schedule(self, equations: Sequence[Equation]) -> list[Item]:
        """The equations in an order in which they can be computed, some in groups."""
        items: list[Item] = []
        left = list(equations)
        while left:
            first = left[0]
            if first.out.name not in self.native or self.is_view(first):
                items.append(left.pop(0))
                continue
            group, before, after = self.best(left)
            if not self.pays(group):
                items.append(left.pop(0))
                continue
            items += [*self.schedule(before), group]
            left = after
        return items

    def pays(self, group: Group) -> bool:
        """Whether loops are worth it: they save a call, at least."""
        if not group.members:
            return False
        first = group.members[0]
        parts = [*operands(first), *([0] if isinstance(first, Contract) and self.summed(first) else [])]
        return len(group.members) > 1 or len(parts) > 2

    def best(self, equations: Sequence[Equation]) -> tuple[Group, list[Equation], list[Equation]]:
        """The group that begins with the first equation and saves most, what comes before it, and what after."""
        first = equations[0]
        largest = max((first.out, *operands(first)), key=lambda ref: self.size(ref.indices))
        letters = "".join(dict.fromkeys(largest.indices + letters_of(first)))[:4]
        choices = ["".join(c) for n in range(len(letters) + 1) for c in combinations(letters, n)]
        found = [self.grown(rows, equations) for rows in choices]
        return max(found, key=lambda item: (len(item[0].members) > 0, item[0].saved, -item[0].nbytes))

    def grown(self, rows: str, equations: Sequence[Equation]) -> tuple[Group, list[Equation], list[Equation]]:
        """A group over these rows with every equation that can be in it."""
        group = Group(rows)
        before: list[Equation] = []
        after: list[Equation] = []
        late: set[str] = set()
        for equation in equations:
            names = {ref.name for ref in operands(equation)}
            if not names & late and equation.out.name in self.native and self.admit(group, equation):
                late |= {equation.out.name} & group.sums
            elif names & late or names & group.made.keys():
                after.append(equation)
                late.add(equation.out.name)
            else:
                before.append(equation)
            if not group.members:  # the first equation has no place in such a group
                break
        return group, before, after

    def admit(self, group: Group, equation: Equation) -> bool:
        """Put an equation into a group, if it can be there."""
        if self.is_view(equation) and not any(ref.name in group.made for ref in operands(equation)):
            return False
        equation = self.in_letters_of(group, equation)
        out, letters, rows = equation.out, letters_of(equation), group.rows
        if not set(rows) <= set(letters):
            return False
        for ref in operands(equation):
            pairs = zip(group.made.get(ref.name, ""), ref.indices, strict=False)
            if any(made in rows and made != used for made, used in pairs):
                return False
        partial = not set(rows) <= set(out.indices)
        if partial and isinstance(equation, Extremum) and equation.position_of:
            return False
        itemsize = 8 if partial else self.work.dtypes[out.name].itemsize
        kept = itemsize * self.size(i for i in out.indices if partial or i not in rows)
        if group.nbytes + kept > CACHE or not self.runs_along_memory(group, equation):
            return False
        group.nbytes += kept
        inside = [ref for ref in operands(equation) if ref.name in group.made]
        group.saved += CALL + sum(self.size(r.indices) * self.work.dtypes[r.name].itemsize for r in inside)
        group.members.append(equation)
        if partial:
            group.sums.add(out.name)
        else:
            group.made[out.name] = out.indices
        return True

    def in_letters_of(self, group: Group, equation: Equation) -> Equation:
        """The equation with the letters by which the group made what it reads, where they are free."""
        table: dict[str, str] = {}
        own = letters_of(equation)
        for ref in operands(equation):
            for made, used in zip(group.made.get(ref.name, ""), ref.indices, strict=False):
                if made != used and made not in own and made not in table.values():
                    table.setdefault(used, made)
        return rename_letters(equation, table) if table else equation

    def runs_along_memory(self, group: Group, equation: Equation) -> bool:
        """Whether the innermost loop goes along the last axis of every large array, and no sum waits for itself."""
        rows, out, letters = group.rows, equation.out, letters_of(equation)
        inside = [i for i in letters if i not in rows]
        if self.size(letters) <= FEW:
            return True
        terms = [ref.indices for ref in (out, *operands(equation)) if self.size(ref.indices) > FEW]
        last = {term[-1] for term in terms if term and (not inside or set(term) & set(inside))}
        if len(last) > 1 or (inside and last & set(rows)):
            return False
        return bool(inside) or not rows or not out.indices or rows[-1] in out.indices


def kinds_of(work: Workspace, equation: Map) -> list[str]:
    """The kinds in which a function takes its operands."""
    beside = beside_numbers(equation, work.dtypes, work.weak)
    return [KINDS[beside.get(ref.name, work.dtypes[ref.name]).name] for ref in equation.operands]


def equations_of(items: Sequence[Item]) -> list[Equation]:
    """The equations of items, in order."""
    return [equation for item in items for equation in (item.members if isinstance(item, Group) else [item])]


@dataclass
class Nest:
    """Loops over letters, the outermost first, inside those over the rows.

    Attributes
    ----------
    loops : str
    members : list of Equation
        What is computed in the innermost loop, or summed up by it.
    pointwise : set of str
        The members that sum nothing: those after them in the nest read their value as it is.
    """

    loops: str
    members: list[Equation] = field(default_factory=list)
    pointwise: set[str] = field(default_factory=set)

    def holds(self, ref: Ref, indices: str) -> bool:
        """Whether a value is at hand in the innermost loop, as it is read."""
        return ref.name in self.pointwise and ref.indices == indices


def nests_of(group: Group, work: Workspace) -> tuple[list[Nest], dict[str, int]]:
    """The equations of a group, each in the first nest that it can be in; and the number of each one's nest."""
    nests: list[Nest] = []
    place: dict[str, int] = {}
    for equation in group.members:
        letters = [i for i in letters_of(equation) if i not in group.rows]
        if isinstance(equation, Extremum):  # of what is chosen in the same loop it would be found one by one
            earliest = place.get(equation.operand.name, -1) + 1
        else:
            earliest = max((first_after(ref, nests, place, group) for ref in operands(equation)), default=0)
        order = order_of(equation, letters, work)
        alike = set if is_free(equation) else str
        fitting = (n for n in range(earliest, len(nests)) if alike(nests[n].loops) == alike(order))
        at = next(fitting, len(nests))
        if at == len(nests):
            nests.append(Nest(order))
        nests[at].members.append(equation)
        place[equation.out.name] = at
        if set(equation.out.indices) == set(letters_of(equation)):
            nests[at].pointwise.add(equation.out.name)
    return nests, place


def first_after(ref: Ref, nests: list[Nest], place: dict[str, int], group: Group) -> int:
    """The first nest that can read a value: the one that makes it, if it is read there as it is made."""
    if ref.name not in place:
        return 0
    at = place[ref.name]
    return at if nests[at].holds(ref, group.made.get(ref.name, "")) else at + 1


def is_free(equation: Equation) -> bool:
    """Whether loops may go in any order: not where the first of several entries is asked for."""
    return not (isinstance(equation, Extremum) and equation.position_of)


def order_of(equation: Equation, letters: list[str], work: Workspace) -> str:
    """The order of loops: as the largest array that has every letter lies in memory, else the sums inside."""
    terms = [ref.indices for ref in (equation.out, *operands(equation)) if set(letters) <= set(ref.indices)]
    if not is_free(equation):
        terms = [equation.out.indices]
    order = max(terms, key=lambda term: prod(work.shape(term)), default=equation.out.indices)
    first = [i for i in dict.fromkeys(order) if i in letters]
    return "".join([*first, *(i for i in letters if i not in first)])
