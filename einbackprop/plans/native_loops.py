"""Groups of equations as the source of functions of explicit loops.

Every array is one axis of entries in a loop, wherever it lies: sizes and strides are numbers in the source. A sum is
taken in float64 and rounded once at its end.
"""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from ..core.interpretation import whole
from ..core.program import Bracket, Contract, Equation, Extremum, Factor, Map, Position, Ref, Sum, operands
from . import assembly, contractions
from .native_functions import converted, expression, number
from .native_groups import Group, Nest, kinds_of, nests_of
from .native_kernel import Kernel, Stored, dense_steps, kind
from .views import Dtype, View, has_unit_stride
from .workspace import Workspace, number_of

AT_ONCE = 8
"""Steps of a loop that a processor takes at once, or so."""


class Writer:
    """Writes the loops of one group."""

    def __init__(self, work: Workspace, group: Group, kernel: Kernel, texts: Mapping[str, str], kept: set[str]) -> None:
        self.work = work
        self.group = group
        self.kernel = kernel
        self.texts = texts
        self.kept = kept
        self.nests, place = nests_of(group, work)
        self.later = {
            ref.name
            for at, nest in enumerate(self.nests) for equation in nest.members for ref in operands(equation)
            if place.get(ref.name, at) < at
        }  # fmt: skip
        self.stored: dict[str, Stored] = {}
        self.numbers: dict[str, int] = {e.out.name: n for n, e in enumerate(group.members)}
        self.letters: dict[str, str] = {}
        self.loaded: dict[str, str] = {}
        self.count = 0
        self.nest = Nest("")
        self.opening: list[str] = []
        self.closing: list[str] = []

    def write(self) -> None:
        """The body of the kernel."""
        lines = [line for nest in self.nests for line in self.nest_text(nest)]
        for letter in reversed(self.group.rows):
            lines = self.loop(letter, lines)
        self.kernel.body = [*self.opening, *lines, *self.closing]

    def loop(self, letter: str, lines: Sequence[str]) -> list[str]:
        """A loop around lines: over all entries of a letter, or over the rows of one worker."""
        among = "first, last" if letter == self.kernel.rows else self.work.sizes[letter]
        return [f"for {self.variable(letter)} in range({among}):", *indented(lines or ["pass"])]

    def variable(self, letter: str) -> str:
        """The variable of a letter: the letter itself, if Python has no other opinion of it."""
        return self.letters.setdefault(letter, letter if letter.isascii() else f"i{len(self.letters)}")

    # nests

    def nest_text(self, nest: Nest) -> list[str]:
        """A nest: what the innermost loop does, with what is prepared before a loop and finished after it."""
        self.nest, self.loaded = nest, {}
        before: dict[int, list[str]] = {}
        after: dict[int, list[str]] = {}
        inner: list[str] = []
        for equation in nest.members:
            comment = f"# {assembly.safe(self.texts[equation.out.name])}"
            if equation.out.name in nest.pointwise:
                inner += [comment, *self.pointwise(equation)]
            else:
                inner += [comment, *self.reduction(equation, before, after)]
        lines = [*inner]
        for depth in range(len(nest.loops), -1, -1):
            lines = [*before.get(depth, []), *lines, *after.get(depth, [])]
            if depth:
                lines = self.loop(nest.loops[depth - 1], lines)
        return lines

    def pointwise(self, equation: Equation) -> list[str]:
        """A value of one entry of every operand."""
        lines, text = self.value(equation)
        name = self.scalar(equation.out.name)
        return [*lines, f"{name} = {text}", *self.keep(equation, name)]

    def keep(self, equation: Equation, text: str) -> list[str]:
        """Store a value where others read it: outside, or in a later nest."""
        out = equation.out
        inner = any(i not in self.group.rows for i in out.indices)
        if out.name in self.kept or (out.name in self.later and inner):
            return [f"{self.entry(self.storage(out), out.indices)} = {text}"]
        return []

    def reduction(
        self, equation: Equation, before: dict[int, list[str]], after: dict[int, list[str]]
    ) -> list[str]:
        """A sum or extremum: what the innermost loop adds; the rest goes before and after the loops."""
        lines, text = self.value(equation)
        out, nest, rows = equation.out, self.nest, self.group.rows
        partial = out.name in self.group.sums
        own = [i for i in out.indices if i not in rows]
        depth = len(own) if set(nest.loops[: len(own)]) == set(own) else -1
        accumulator = accumulator_of(equation, self.kind_in(equation))
        name = self.scalar(out.name)
        start = initial(equation, accumulator)
        if depth >= 0 and (not partial or depth < len(nest.loops)):
            total = f"s{name[1:]}"
            before.setdefault(depth, []).append(f"{total} = {start}")
            if isinstance(equation, Extremum) and equation.position_of:
                before[depth].append(f"{name} = 0")
                after[depth] = [*after.get(depth, []), *self.keep(equation, name)]
                return [*lines, *self.positioned(equation, total, text, name)]
            finished = [f"{name} = {self.finished(equation, total, accumulator)}"]
            end = self.accumulated(equation, total, accumulator) if partial else [*finished, *self.keep(equation, name)]
            after[depth] = [*after.get(depth, []), *end]
            return [*lines, *combined(equation, total, text)]
        if partial:
            return [*lines, *self.accumulated(equation, text, accumulator)]
        same = self.is_exact(equation, accumulator) and out.name not in self.kept
        array = self.storage(out) if same else self.scratch(out, np.dtype(accumulator.rstrip('_')), rows)
        size = prod(self.work.sizes[i] for i in own)
        opening = [f"for each in range({size}):", f"    {array.name}[each] = {start}"]
        before[0] = [*before.get(0, []), *opening]
        if same:
            return [*lines, *combined(equation, self.entry(array, out.indices), text)]
        ending = [f"{name} = {self.finished(equation, self.entry(array, out.indices), accumulator)}"]
        closing = [*ending, *self.keep(equation, name)]
        for letter in reversed(own):
            closing = self.loop(letter, closing)
        after[0] = [*after.get(0, []), *closing]
        return [*lines, *combined(equation, self.entry(array, out.indices), text)]

    def positioned(self, equation: Extremum, total: str, text: str, name: str) -> list[str]:
        """Hold an entry against an extremum, and its position where it is greater, or the first nan."""
        sign = ">" if equation.kind == "max" else "<"
        test = f"if {text} {sign} {total} or ({text} != {text} and {total} == {total}):"
        return [test, f"    {total} = {text}", f"    {name} = {self.variable(equation.position_of)}"]

    def accumulated(self, equation: Equation, text: str, accumulator: str) -> list[str]:
        """Add to a sum over the rows, which is complete after them."""
        out = equation.out
        start, name = initial(equation, accumulator), self.scalar(out.name)
        size = prod(self.work.sizes[i] for i in out.indices)
        is_partial, wide = bool(self.kernel.rows), np.dtype(accumulator.rstrip("_"))
        same = is_partial or self.is_exact(equation, accumulator)
        target = self.partial(out, wide) if is_partial else self.storage(out)
        if out.indices:
            array = target if same else self.scratch(out, wide, "")
            entry = self.entry(array, out.indices)
            self.opening += [f"for each in range({size}):", f"    {array.name}[each] = {start}"]
            finished = self.finished(equation, f"{array.name}[each]", accumulator)
            self.closing += [] if same else [f"for each in range({size}):", f"    {target.name}[each] = {finished}"]
        else:
            entry = f"r{name[1:]}"
            self.opening.append(f"{entry} = {start}")
            self.closing.append(f"{target.name}[0] = {entry if same else self.finished(equation, entry, accumulator)}")
        return combined(equation, entry, text)

    def partial(self, out: Ref, dtype: Dtype) -> Stored:
        """Memory of a worker for what it makes of its rows, which is part of a sum over all of them."""
        root = self.work.assembly.root(self.work.shape(out.indices), dtype)
        self.kernel.own.append(root)
        self.kernel.partial[out.name] = View.of(root, out.indices)
        return Stored(self.kernel.array(root), dense_steps(root.shape), dtype)

    def is_exact(self, equation: Equation, accumulator: str) -> bool:
        """Whether a sum is the value as it is."""
        return self.finished(equation, "", accumulator) == ""

    def finished(self, equation: Equation, total: str, accumulator: str) -> str:
        """A sum times its factor, as the value's dtype."""
        out = self.kind_of_value(equation.out)
        factor = number_of(equation.factor, self.work.sizes) if isinstance(equation, Contract) else 1
        if factor != 1 and out != "int64_":
            wide = converted(total, accumulator, "float64_")
            return converted(f"{wide} * {number(factor, 'float64_')}", "float64_", out)
        return f"{total} * {number(factor, 'int64_')}" if factor != 1 else converted(total, accumulator, out)

    # values

    def value(self, equation: Equation) -> tuple[list[str], str]:
        """The lines that load operands, and the text of an entry: of the value, or of what is summed."""
        lines: list[str] = []
        out = self.kind_of_value(equation.out)
        match equation:
            case Contract():
                text = self.product(equation, lines)
            case Sum(_, terms):
                text = "".join(self.term(factor, ref, out, lines) for factor, ref in terms) or number(0, out)
                text = text.removeprefix(" + ")
            case Map(_, _, given):
                kinds = kinds_of(self.work, equation)
                loads = [self.load(ref, k, lines) for ref, k in zip(given, kinds, strict=True)]
                text = (expression(equation, out, kinds, at_once=self.is_long) or "").format(*loads)
            case Extremum(_, operand):
                text = self.load(operand, self.kind_in(equation), lines)
            case _:
                raise AssertionError(equation)
        return lines, text

    def product(self, equation: Contract, lines: list[str]) -> str:
        """A product of operands where brackets hold; times its factor where nothing is summed."""
        among, out = self.kind_in(equation), self.kind_of_value(equation.out)
        loads = [self.load(ref, among, lines) for ref in equation.operands]
        conditions = [self.condition(bracket, lines) for bracket in equation.brackets]
        reduced = equation.out.name not in self.nest.pointwise
        text = " * ".join(loads) or number(1, among)
        factor = number_of(equation.factor, self.work.sizes)
        if reduced:
            to = accumulator_of(equation, among)
            text = converted(text, among, to)
        else:
            to = out
            text = converted(text, among, out)
            if factor != 1:
                text = f"{text} * {number(factor, out)}" if loads else number(factor, out)
        return f"choose({' and '.join(conditions)}, {text}, {number(0, to)})" if conditions else text

    @property
    def is_long(self) -> bool:
        """Whether the innermost loop is long enough for several entries at once."""
        loops = self.group.rows + self.nest.loops
        return bool(loops) and self.work.sizes[loops[-1]] >= AT_ONCE

    def term(self, factor: Factor, ref: Ref | None, out: str, lines: list[str]) -> str:
        """A term of a sum, with its sign."""
        value = number_of(factor, self.work.sizes)
        if ref is None:
            return f" + {number(value, out)}"
        text = self.load(ref, out, lines)
        if value in (1, -1):
            return f" {'+' if value == 1 else '-'} {text}"
        return f" + {number(value, out)} * {text}"

    def condition(self, bracket: Bracket, lines: list[str]) -> str:
        """Whether a bracket holds."""
        sign = {"=": "==", "≠": "!=", "<": "<", "≤": "<="}[bracket.relation]
        return f"{self.position(bracket.left, lines)} {sign} {self.position(bracket.right, lines)}"

    def position(self, position: Position, lines: list[str]) -> str:
        """A position along an axis."""
        parts = [f"{whole(f, self.work.sizes)} * {self.variable(i)}" for f, i in position.terms]
        if position.pick is not None:
            parts.append(self.load(position.pick, "int64_", lines))
        if position.constant or not parts:
            parts.append(str(position.constant))
        return " + ".join(parts)

    # memory

    def load(self, ref: Ref, to: str, lines: list[str]) -> str:
        """An entry of a value, as a kind: a variable that holds it."""
        made = self.group.made.get(ref.name)
        rows_only = made is not None and set(made) <= set(self.group.rows)
        dtype = self.work.dtypes[ref.name]
        if made is not None and (rows_only or self.nest.holds(ref, made)):
            return converted(self.scalar(ref.name), kind(dtype), to)
        stored = self.storage_of(ref)
        if stored is None:
            return number(self.work.assembly.constants[self.work.values[ref.name].root.name][()], to)
        entry = self.entry(stored, ref.indices)
        if entry not in self.loaded:
            self.count += 1
            self.loaded[entry] = f"u{self.count}"
            lines.append(f"{self.loaded[entry]} = {entry}")
        return converted(self.loaded[entry], kind(stored.dtype), to)

    def entry(self, stored: Stored, indices: str) -> str:
        """The text of an entry of an array."""
        parts = [
            f"{step} * {self.variable(i)}" if step != 1 else self.variable(i)
            for step, i in zip(stored.steps, indices, strict=True)
            if step and self.work.sizes[i] > 1
        ]
        if stored.first and parts:
            parts.insert(0, str(stored.first))
        return f"{stored.name}[at({' + '.join(parts)})]" if parts else f"{stored.name}[{stored.first}]"

    def storage_of(self, ref: Ref) -> Stored | None:
        """Where a value that is read lies; None for a number."""
        if ref.name in self.stored or ref.name in self.group.made:
            return self.storage(Ref(ref.name, self.group.made.get(ref.name, ref.indices)))
        view = self.work.values[ref.name]
        if view.root.kind == "constant" and view.array.ndim == 0:
            return None
        self.stored[ref.name] = self.lying(view if can_be_read(view) else dense(self.work, view))
        return self.stored[ref.name]

    def lying(self, view: View) -> Stored:
        """A view as loops go along it."""
        steps = tuple(s // view.dtype.itemsize for s in view.array.strides)
        return Stored(self.kernel.array(view.root), steps, view.dtype, view.start)

    def storage(self, out: Ref) -> Stored:
        """Where a value of the group lies: a buffer or result, or what is kept for one entry of the rows."""
        if out.name not in self.stored:
            dtype = self.work.dtypes[out.name]
            if out.name in self.kept:
                view = self.work.values[out.name]
                self.kernel.written.add(view.root)
                self.stored[out.name] = self.lying(view)
            else:
                self.stored[out.name] = self.scratch(out, dtype, self.group.rows)
        return self.stored[out.name]

    def scratch(self, out: Ref, dtype: Dtype, rows: str) -> Stored:
        """Memory for the letters that are not rows."""
        shape = [1 if i in rows else self.work.sizes[i] for i in out.indices]
        root = self.work.assembly.root(shape, dtype)
        self.kernel.own += [root] * bool(self.kernel.rows)
        steps = tuple(0 if i in rows else s for i, s in zip(out.indices, dense_steps(shape), strict=True))
        return Stored(self.kernel.array(root), steps, dtype)

    def scalar(self, name: str) -> str:
        """The variable of a value."""
        return f"v{self.numbers[name]}"

    # kinds

    def kind_of_value(self, out: Ref) -> str:
        """The kind of a value."""
        return kind(self.work.dtypes[out.name])

    def kind_in(self, equation: Equation) -> str:
        """The kind in which operands are multiplied or compared."""
        dtype = self.work.dtypes[equation.out.name]
        match equation:
            case Contract():
                return kind(contractions.kind_of(self.work, equation, dtype))
            case Extremum(_, operand):
                return self.kind_of_value(operand)
            case _:
                return kind(dtype)


def accumulator_of(equation: Equation, among: str) -> str:
    """The kind in which a sum is taken; an extremum is one of its operand's entries."""
    return "float64_" if isinstance(equation, Contract) and among == "float32_" else among


def initial(equation: Equation, accumulator: str) -> str:
    """The text of what a sum or an extremum begins with."""
    return number(identity(equation, np.dtype(accumulator.rstrip("_"))), accumulator)


def identity(equation: Equation, dtype: Dtype) -> int | float:
    """What changes no sum, or no extremum: 0, or the least or the greatest number of a dtype."""
    if not isinstance(equation, Extremum):
        return 0
    if dtype.kind == "f":
        return -np.inf if equation.kind == "max" else np.inf
    least, most = (False, True) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return least if equation.kind == "max" else most


def combined(equation: Equation, total: str, text: str) -> list[str]:
    """The line that adds an entry to a sum, or holds it against an extremum: nan is the extreme value of all."""
    if isinstance(equation, Extremum):
        return [f"{total} = {'larger' if equation.kind == 'max' else 'smaller'}({total}, {text})"]
    return [f"{total} = plus({total}, {text})"]


def indented(lines: Sequence[str]) -> list[str]:
    """Lines inside a block."""
    return [f"    {line}" for line in lines]


def can_be_read(view: View) -> bool:
    """Whether loops can go along a view as it lies: upwards, over entries beside one another."""
    root, axes = view.root, zip(view.array.strides, view.array.shape, strict=True)
    at_hand = root.kind in ("part", "entry")  # where that begins is known of all of it alone
    if view.dtype != root.dtype or (at_hand and not (view.text == root.name and view.array.flags.c_contiguous)):
        return False
    return has_unit_stride(view, view.term) and all(step > 0 for step, length in axes if length > 1)


def dense(work: Workspace, view: View) -> View:
    """A copy that lies in one piece."""
    letters = "".join(chr(0xF000 + n) for n in range(view.array.ndim))
    root = work.assembly.root(view.array.shape, view.dtype)
    root.last = work.at
    out = View.of(root, letters)
    work.assembly.emit("copy", "copyto({out}, {0})", view.named(letters), out=out)
    return out.named(view.term)
