"""The workspace of a lowering: each value's view, its memory, and what later equations want of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..core.collecting import grouped
from ..core.dtypes import beside_numbers
from ..core.letters import moved
from ..core.program import Contract, Equation, Factor, Input, Map, Program, Ref, Sum, operands
from ..core.records import dataclass
from .assembly import Assembly
from .views import Dtype, Root, View, is_dense, memory_order, prototype


@dataclass(frozen=True)
class Copy:
    """A copy of a view, and how many steps there were when it was made."""

    source: View
    view: View
    made: int

    def is_valid(self, assembly: Assembly) -> bool:
        """Whether nothing has been written to either since; a copy in a loop is good for its round only."""
        copying, *later = assembly.steps[self.made - 1 :]
        roots = (self.source.root, self.view.root)
        return copying.loop is assembly.loop and all(step.out not in roots for step in later)

    def of(self, view: View) -> View | None:
        """The copy in the letters of a view of the same entries, if it is clear which is which."""
        table: dict[str, str] = {}
        for letter in self.source.term:
            axis = self.source.length(letter), self.source.stride(letter)
            same = [i for i in view.term if (view.length(i), view.stride(i)) == axis and i not in table.values()]
            if not same or (len(same) > 1 and axis[0] > 1):
                return None
            table[letter] = same[0]
        return self.view.named("".join(table[i] for i in self.view.term))


Number = int | float | complex


@dataclass(frozen=True)
class Slot:
    """Where a result goes: the value it is (or '' for an intermediate), its dtype, and memory if that is given."""

    dtype: Dtype
    name: str = ""
    into: View | None = None


class Workspace:
    """Values while a program is lowered.

    Attributes
    ----------
    sizes : dict of letter to size
        Letters that lowering makes are added.
    dtypes : mapping of value to dtype
    weak : set of str
        Values made of numbers alone, which take the dtype of what they are used with.
    values : dict of value to View
        Axis n of a view is axis n of the value; the letters are those of the equation that made it.
    at : int
        The number of the equation that is being lowered.
    copies : dict of str to list of Copy
        Copies that were made of a view: see ``roles``.
    orders : dict of letters to str
        How the first product of these letters lies in memory.
    home : callable
        The place of a value that belongs in a stack: see ``placing``.
    apart : set of str
        Values that are run as a whole, never in blocks: stacks, and what is put into them.
    waiting : sequence of View
        Operands of that equation that later steps of it read.
    scattered : Contract or None
        A product that is not made but added, where labels say, to the sum that is lowered next.
    placed : dict of value to View
        Where values are to be written, if that is given.
    workers : int
        How many threads there are for blocks.
    """

    def __init__(
        self, program: Program, dtypes: Mapping[str, Dtype], weak: frozenset[str], *, reuse: bool
    ) -> None:
        self.program = program
        self.assembly = Assembly()
        self.sizes = dict(program.sizes)
        self.dtypes = dtypes
        self.weak = weak
        self.values: dict[str, View] = {}
        self.at = -1
        self.fresh = set() if reuse else {ref.name for ref in program.outputs}
        self.last: dict[str, int] = {}
        self.readers = grouped((ref.name, equation) for equation in program.equations for ref in operands(equation))
        self.defining = program.defining()
        self.outs = {equation.out.name: equation.out for equation in program.equations}
        self.made = 0
        self.parts: dict[tuple[str, int], str] = {}
        self.waiting: Sequence[View] = ()
        self.home: Callable[[str, Dtype, str], View | None] = nowhere
        self.apart: frozenset[str] = frozenset()
        self.placed: dict[str, View] = {}
        self.workers = 1
        self.scattered: Contract | None = None
        self.copies: dict[str, list[Copy]] = {}
        self.orders: dict[frozenset[str], str] = {}
        self.casts: dict[tuple[int, Dtype], tuple[View, View]] = {}
        self.number_equations(program.equations)

    def number_equations(self, order: Sequence[Equation]) -> None:
        """Note which equation is the last to read each value, in this order."""
        self.last = {ref.name: number for number, equation in enumerate(order) for ref in operands(equation)}
        self.last |= {ref.name: len(order) for ref in self.program.outputs}
        for view in self.values.values():
            view.root.last = -1
        for name, view in self.values.items():
            view.root.last = max(view.root.last, self.last.get(name, -1))
        for _, made in self.casts.values():
            made.root.last = len(order)

    # values

    def argument(self, number: int, declared: Input, order: Sequence[int] | None = None) -> View:
        """The view of an argument, without its axes of size 1 that have no letter, as it is taken to lie in memory."""
        letters = declared.ref.indices
        order = range(len(letters)) if order is None else order
        root = Root(f"x{number}", "input", self.shape(letters[n] for n in order), np.dtype(declared.dtype))
        array = prototype(root.shape, root.dtype).transpose(np.argsort(order))
        return View(root.name, root, array, letters)

    def converted(self, view: View, dtype: Dtype) -> View:
        """A view's entries as numbers of a dtype, converted once for all equations that read it."""
        key = id(view), dtype
        if key not in self.casts:
            made = self.cast(view, dtype)
            made.root.last = max(view.root.last, self.at)
            self.casts[key] = view, made
        return self.casts[key][1]

    def define(self, name: str, view: View) -> None:
        """A value has been computed, or is a view of another."""
        view.root.last = max(view.root.last, self.last.get(name, -1))
        self.values[name] = replace(view)  # a view of its own, though it may lie where another value did

    def is_output(self, name: str) -> bool:
        """Whether a value is returned."""
        return self.last.get(name, -1) == len(self.program.equations)

    def read(self, ref: Ref) -> View:
        """A value in the letters in which it is used, the diagonal where one stands twice."""
        return self.values[ref.name].named(ref.indices).without_repeats()

    def read_all(self, equation: Equation) -> list[View]:
        """The operands of an equation, numbers in the dtype of the others."""
        beside = beside_numbers(equation, {name: view.dtype for name, view in self.values.items()}, self.weak)
        return [self.read_as(ref, beside.get(ref.name, self.values[ref.name].dtype)) for ref in operands(equation)]

    def read_as(self, ref: Ref, dtype: Dtype) -> View:
        """The same as numbers of a dtype."""
        view = self.values[ref.name]
        if view.dtype != dtype:
            view = self.converted(view, dtype)
        return view.named(ref.indices).without_repeats()

    def cast(self, view: View, dtype: Dtype) -> View:
        """A view's entries as another dtype."""
        if view.root.kind == "constant" and view.text == view.root.name:
            return self.assembly.constant(self.assembly.constants[view.root.name].astype(dtype), view.term)
        order = memory_order(view)
        root = self.assembly.root([view.length(i) for i in order], dtype)
        root.last = self.at
        out = View.of(root, order).transposed(view.term)
        self.assembly.emit("cast", "copyto({out}, {0}, 'unsafe')", view, out=out)
        return out

    def letter(self, size: int) -> str:
        """A new letter, of no alphabet, for an axis that lowering makes."""
        self.made += 1
        letter = chr(0xE000 + self.made)
        self.sizes[letter] = size
        return letter

    def shorter(self, letter: str, length: int) -> str:
        """A letter for a part of an axis: always the same one for parts of a length."""
        if (letter, length) not in self.parts:
            self.parts[letter, length] = self.letter(length)
        return self.parts[letter, length]

    # memory

    def shape(self, letters: Iterable[str]) -> tuple[int, ...]:
        """The size of each letter."""
        return tuple(self.sizes[i] for i in letters)

    def allocate(self, order: str, dtype: Dtype, name: str = "") -> View:
        """Memory for an array whose letters lie in that order: at its place in a stack, if it belongs there."""
        home = self.home(order, dtype, name)
        if home is not None:
            return home
        root = self.assembly.root(self.shape(order), dtype, fresh=name in self.fresh)
        root.last = self.at
        return View.of(root, order)

    def slot(self, ref: Ref) -> Slot:
        """Where the value of an equation goes."""
        return Slot(self.dtypes[ref.name], ref.name, self.placed.get(ref.name))

    def open(self, slot: Slot, order: str) -> View:
        """The memory of a slot, with the letters in that order (as they lie in memory if it is new)."""
        return slot.into.transposed(order) if slot.into is not None else self.allocate(order, slot.dtype, slot.name)

    def number(self, value: Number, dtype: Dtype) -> View:
        """A number as a constant without axes, which ufuncs take faster than Python's."""
        return self.assembly.constant(np.array(value, dtype), "")

    def ones(self, length: int, dtype: Dtype) -> View:
        """A vector of ones."""
        return self.assembly.constant(np.ones(length, dtype), " ")

    def is_spare(self, view: View, others: Sequence[View] = ()) -> bool:
        """Whether a view's memory may be written over by the equation that is being lowered: nothing reads it later.

        Not that of a single entry: there a ufunc takes three times as long in place.
        """
        root = view.root
        if view.size == 1:
            return False
        if root.kind != "buffer" or root.last > self.at or any(v.root is root for v in (*others, *self.waiting)):
            return False
        return view.array.flags.writeable and is_dense(view) and view.root.nbytes == view.size * view.dtype.itemsize

    # what is wanted

    def order_of(self, name: str, letters: str, candidates: Sequence[View] = ()) -> str:
        """The order in memory that costs least: as the operands that have every letter lie, else as readers want it."""
        full = [view for view in candidates if set(view.term) == set(letters)]
        if full:
            return memory_order(full[0])
        wanted = (self.wanted(name, 3) or self.wanted_by_products(name)) if name else None
        if wanted is not None:
            out = self.outs[name].indices
            return "".join(out[axis] for axis in wanted) if set(out) == set(letters) else letters
        return self.parted(name, letters) if candidates else letters

    def parted(self, name: str, letters: str) -> str:
        """The letters in the two groups in which the first product that reads a value wants them."""
        for reader in self.readers.get(name, ()):
            if not isinstance(reader, Contract) or reader.brackets or len(reader.operands) != 2:
                continue
            mine, other = sorted((ref.indices for ref in reader.operands), key=lambda i: set(i) != set(letters))
            summed = {i for i in mine if i in other and i not in reader.out.indices}
            if set(mine) == set(letters) and summed and not {*mine} & {*other} & {*reader.out.indices}:
                return "".join(sorted(letters, key=lambda i: i not in summed))
        return letters

    def wanted(self, name: str, depth: int) -> tuple[int, ...] | None:
        """The order of a value's axes in memory that readers want: that of what they read besides, entry by entry."""
        out = self.outs.get(name)
        if out is None or depth == 0 or len(set(out.indices)) != len(out.indices):
            return None
        for reader in self.readers.get(name, ()):
            mine = next((ref.indices for ref in operands(reader) if ref.name == name), "")
            if len(mine) != len(set(mine)) or not (is_elementwise(reader) or is_plain(reader)):
                continue
            for ref in operands(reader):
                if set(ref.indices) == set(mine) and len(ref.indices) == len(mine) and ref.name != name:
                    order = self.lying(ref, depth)
                    if order is not None:
                        return tuple(mine.index(i) for i in order)
            same = is_elementwise(reader) and set(mine) == set(reader.out.indices)
            further = self.wanted(reader.out.name, depth - 1) if same else None
            if further is not None:
                return tuple(mine.index(reader.out.indices[axis]) for axis in further)
        return None

    def lying(self, ref: Ref, depth: int) -> str | None:
        """The order in memory of a value's letters; if it is not made yet, of what it is made of entry by entry."""
        if ref.name in self.values:
            return memory_order(self.values[ref.name].named(ref.indices))
        made = self.defining.get(ref.name)
        if made is None or depth == 0 or not is_elementwise(made) or len(set(made.out.indices)) < len(ref.indices):
            return None  # a diagonal says nothing of the order
        for other in operands(made):
            if set(other.indices) == set(made.out.indices) and len(other.indices) == len(set(other.indices)):
                order = self.lying(moved(other, made.out.indices, ref.indices), depth - 1)
                if order is not None:
                    return order
        return None

    def wanted_by_products(self, name: str) -> tuple[int, ...] | None:
        """The order that a product wants which reads a value: what it sums over together, and what it keeps."""
        for reader in self.readers.get(name, ()):
            refs = list(operands(reader))
            if not is_plain(reader) or len(refs) != 2 or name not in self.outs:
                continue
            mine, other = refs if refs[0].name == name else refs[::-1]
            rows = "".join(i for i in mine.indices if i not in other.indices)
            summed = "".join(i for i in mine.indices if i in other.indices and i not in reader.out.indices)
            whole = len(rows) + len(summed) == len(mine.indices) == len(set(mine.indices))
            if whole and rows and summed and set(rows) <= set(reader.out.indices):
                order = rows + summed if mine.indices[-1] in summed else summed + rows
                return tuple(mine.indices.index(i) for i in order)
        return None


def is_plain(equation: Equation) -> bool:
    """Whether it is a product without brackets."""
    return isinstance(equation, Contract) and not equation.brackets


def nowhere(order: str, dtype: Dtype, name: str) -> None:
    """No array belongs anywhere."""


def is_elementwise(equation: Equation) -> bool:
    """Whether each entry is made from one entry of each operand."""
    match equation:
        case Sum() | Map():
            return True
        case Contract(out, refs, brackets):
            return not brackets and all(set(ref.indices) <= set(out.indices) for ref in refs)
        case _:
            return False


def number_of(factor: Factor, sizes: Mapping[str, int]) -> Number:
    """A factor as a number of Python."""
    value = factor.value(sizes)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return value
