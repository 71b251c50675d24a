"""How reshapes, transposes and diagonals are read: where possible as another arrangement of the same letters."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.dimensions import Axis
from ..core.program import Bracket, Contract, Position, Ref
from . import arithmetic, creation, pointwise
from .memory import At, Slice, View, follows
from .recorder import Indexed, Recorder
from .sizes import is_measured, named_axis, plain, product_of_sizes, sized_axis

Plan = list[tuple[list[int], list[int]]]
"""Groups of axes before a reshape, and the groups that they become."""


def transposed(array: View, order: Sequence[int] | None, value: Any) -> Any:
    """The axes in another order."""
    order = range(len(array.axes))[::-1] if order is None else [int(i) % len(array.axes) for i in order]
    return array.like([array.axes[i] for i in order], value)


def moved(array: View, source: Any, destination: Any, value: Any) -> Any:
    """``np.moveaxis``."""
    rank = len(array.axes)
    sources = [int(i) % rank for i in np.atleast_1d(source)]
    targets = [int(i) % rank for i in np.atleast_1d(destination)]
    order = [i for i in range(rank) if i not in sources]
    for target, i in sorted(zip(targets, sources, strict=True)):
        order.insert(target, i)
    return transposed(array, order, value)


def swapped(array: View, first: int, second: int, value: Any) -> Any:
    """``np.swapaxes``."""
    order = list(range(len(array.axes)))
    order[first], order[second] = order[second], order[first]
    return transposed(array, order, value)


def unit_axes(array: View, axis: Any, value: Any) -> Any:
    """``np.expand_dims``: axes of size 1 without a letter."""
    rank = np.ndim(value)
    added = {int(i) % rank for i in np.atleast_1d(axis)}
    rest = iter(array.axes)
    return array.like([() if i in added else next(rest) for i in range(rank)], value)


def squeezed(recorder: Recorder, array: View, axis: Any, value: Any) -> Any:
    """``np.squeeze``: axes of size 1 go."""
    gone = [i for i, size in enumerate(np.shape(array.value)) if size == 1]
    if axis is not None and array.axes:
        gone = [int(i) % len(array.axes) for i in np.atleast_1d(axis)]
    return without_units(recorder, array, gone, value)


def without_units(recorder: Recorder, array: View, gone: Sequence[int], value: Any) -> Any:
    """The array without these axes of size 1; the dimension of one that has a letter becomes a unit."""
    window = list(array.window)
    for i in gone:
        for stored in array.axes[i]:
            here = window[stored]
            if isinstance(here, Slice):
                window[stored] = At(here.start)
                recorder.spot(recorder.axes[recorder.current(array.buffer)][stored], here.begin)
            else:
                recorder.axes[recorder.current(array.buffer)][stored].root().unit = True
    return array.like([axis for i, axis in enumerate(array.axes) if i not in gone], value, tuple(window))


def reshaped(recorder: Recorder, array: View, shape: Any, value: Any) -> Any:
    """``np.reshape``: axes that merge carry the letters of all; an axis that splits gets new letters.

    ``shape`` is what the user wrote, so that its sizes may remember their dimensions. Where NumPy gives a view, a
    write to the result is a write to the array.
    """
    wanted = list(shape) if isinstance(shape, tuple | list) else [shape]
    sizes = np.shape(value)
    if not sizes:
        return without_units(recorder, array, range(len(array.axes)), value)
    wanted = with_the_rest(array, wanted)
    plan = grouping(np.shape(array.value), sizes)
    if plan is None:
        return without_entries(recorder, array, wanted, value)
    is_view = np.may_share_memory(value, array.value)
    recorder.viewed |= np.ndim(array.value) > 1
    merged = merged_view(recorder, array, plan, sizes, value)
    if merged is not None:
        claim_sizes(recorder, merged, wanted)
        made = merged if is_view else merged.copied(value)
        recorder.decisions.decided(array, made, axes_along(array), is_view)
        return made
    shared = array if is_view else array.copied(array.value)

    def read() -> View:
        x = recorder.read(shared)
        axes = split_axes(recorder, x, plan, sizes, wanted)
        made: View = recorder.define(axes, lambda out, source: Contract(out, (x.ref,), source=source), value)
        claim_sizes(recorder, made, wanted)
        return made

    made = read()
    if is_view:
        follows(made, array, lambda: read().buffer.name,
                lambda: reshaped(recorder, made, np.shape(array.value), array.value))  # fmt: skip
    recorder.decisions.decided(array, made, axes_along(array), is_view)
    return made


def axes_along(array: View) -> tuple[Axis, ...]:
    """The dimensions of all axes of an array."""
    stored = array.recorder.axes[array.recorder.current(array.buffer)]
    every = [i for axis in array.axes for i in axis]
    return tuple(w.axis if isinstance(w := array.window[i], Slice) else stored[i] for i in every)


def with_the_rest(array: Any, wanted: list[Any]) -> list[Any]:
    """The shape with what -1 stands for, where the other sizes say so."""
    others = product_of_sizes(n for n in wanted if plain(n) != -1)
    if len(wanted) == 1 or not plain(others):
        return wanted
    return [arithmetic.evenly(array.size, others) if type(n) is int and n == -1 else n for n in wanted]


def claim_sizes(recorder: Recorder, made: Any, wanted: Sequence[Any]) -> None:
    """A reshape holds where the sizes of its result are the numbers that stand there."""
    if len(wanted) == len(made.axes):
        for said, size in zip(wanted, made.shape, strict=True):
            if is_measured(size) and plain(said) == size.number:
                recorder.claim(size, said)


def without_entries(recorder: Recorder, array: View, wanted: Sequence[Any], value: Any) -> Any:
    """A reshape of an array with no entries: which axes are which cannot be told."""
    recorder.note("a reshape of an array with no entries says nothing about which axes become which")
    x = recorder.read(array)
    said = wanted if len(wanted) == np.ndim(value) else [None] * np.ndim(value)
    axes = [named_axis(n) or recorder.dimensions.new(size) for n, size in zip(said, np.shape(value), strict=True)]
    letters = list(recorder.letters(axes))
    return recorder.define(letters, lambda out, source: Contract(out, (x.ref,), source=source), value)


def split_axes(
    recorder: Recorder, x: Indexed, plan: Plan, sizes: Sequence[int], wanted: Sequence[Any]
) -> list[str]:
    """The letters of each axis of a reshape in which an axis splits."""
    axes: list[str] = [""] * len(sizes)
    for old, new in plan:
        letters = "".join(x.axes[i] for i in old)
        parts = split_letters(recorder, letters, [sizes[j] for j in new])
        if parts is None:
            dealt = iter(split_axis(recorder, x, letters, [(sizes[j], wanted[j]) for j in new if sizes[j] != 1]))
            parts = [next(dealt) if sizes[j] != 1 else "" for j in new]
        for j, part in zip(new, parts, strict=True):
            axes[j] = part
    return axes


def grouping(old: Sequence[int], new: Sequence[int]) -> Plan | None:
    """Which old axes make which new ones: the smallest groups of neighbours with the same number of entries.

    None where there are no entries and the shapes differ: nothing can be told then.
    """
    if prod(old) == 0:
        return [([i], [i]) for i in range(len(old))] if list(old) == list(new) else None
    groups: Plan = []
    i = j = 0
    while i < len(old) or j < len(new):
        left, right = [], []
        if i < len(old):
            left.append(i)
            i += 1
        if j < len(new):
            right.append(j)
            j += 1
        while prod(old[a] for a in left) != prod(new[b] for b in right):
            if prod(old[a] for a in left) < prod(new[b] for b in right):
                left.append(i)
                i += 1
            else:
                right.append(j)
                j += 1
        groups.append((left, right))
    return groups


def merged_view(recorder: Recorder, array: View, plan: Plan, sizes: Sequence[int], value: Any) -> Any:
    """The reshape as another grouping of the same stored axes; None where an axis splits in the middle."""
    axes: list[tuple[int, ...]] = [()] * len(sizes)
    stored = recorder.axes[recorder.current(array.buffer)]
    for old, new in plan:
        letters = [i for axis in old for i in array.axes[axis]]
        entries = [window_size(array, stored, i) for i in letters]
        for j in new:
            taken: list[int] = []
            while prod(entries[: len(taken)]) < sizes[j] and len(taken) < len(letters):
                taken.append(letters[len(taken)])
            if prod(entries[: len(taken)]) != sizes[j]:
                return None
            letters, entries = letters[len(taken) :], entries[len(taken) :]
            axes[j] = tuple(taken)
        if prod(entries) != 1:
            return None
        if letters:  # axes of size 1 that end a group stay with its last axis
            axes[new[-1] if new else 0] += tuple(letters)
    return array.like(axes, value)


def window_size(array: View, stored: Sequence[Axis], i: int) -> int:
    """How many entries of a stored axis are in the view."""
    window = array.window[i]
    return stored[i].size if window is None else 1 if isinstance(window, At) else window.axis.size


def split_letters(recorder: Recorder, letters: str, sizes: Sequence[int]) -> list[str] | None:
    """The letters dealt out to axes of these sizes; None where one letter would have to be split."""
    parts: list[str] = []
    for size in sizes:
        part = ""
        while recorder.size(part) < size and letters:
            part, letters = part + letters[0], letters[1:]
        if recorder.size(part) != size:
            return None
        parts.append(part)
    return parts if recorder.size(letters) == 1 else None


def split_axis(recorder: Recorder, x: Indexed, letters: str, wanted: Sequence[tuple[int, Any]]) -> list[str]:
    """Split an axis in letters of its own: the same dimension splits the same way each time."""
    holder = Indexed(x.ref, [letters])
    recorder.flatten(holder, 0)
    axis = recorder.dimensions.axis(holder.axes[0])
    sizes = tuple(size for size, _ in wanted)
    parts = [sized_axis(said) or part_of_split(recorder, axis, n, sizes, said) for n, (_, said) in enumerate(wanted)]
    recorder.claim(arithmetic.size_of(axis), product_of_sizes(said for _, said in wanted))
    new = recorder.letters(parts)
    divide(recorder, holder, 0, new)
    x.ref = holder.ref
    return list(new)


def divide(recorder: Recorder, source: Indexed, i: int, letters: str) -> None:
    """Write one axis of the source in several letters: ``[p = h·E + e]``."""
    recorder.own_letter(source, i)
    whole, ref = source.axes[i], source.ref
    bracket = Bracket(Position.of(whole), "=", recorder.joined(letters))
    kept = "".join(letter for letter in dict.fromkeys(ref.indices) if letter != whole) + letters
    name = recorder.emit(kept, lambda out, line: Contract(out, (ref,), (bracket,), source=line))
    source.ref, source.axes[i] = Ref(name, kept), letters


def part_of_split(recorder: Recorder, whole: Axis, n: int, sizes: tuple[int, ...], said: Any) -> Axis:
    """Part n of an axis that splits, the same each time."""
    made = recorder.dimensions.derived(("split", n, sizes), [whole], sizes[n])
    if made.parent is None and made.made is None:
        made.literal = type(said) is int and said == sizes[n]
    return made


def stretched(recorder: Recorder, a: Any, shape: Sequence[Any], value: Any) -> Any:
    """``np.broadcast_to``: the letters that were not there are new."""
    x = recorder.read(pointwise.lift(recorder, a))
    axes = []
    for j, size in enumerate(np.shape(value)):
        i = j - (np.ndim(value) - len(x.axes))
        own = x.axes[i] if i >= 0 else ""
        named = named_axis(shape[j])
        if own and recorder.size(own) == 1 and size != 1:
            for letter in own:
                recorder.dimensions.axis(letter).unit = True
            own = ""
        if not own and (size != 1 or named is not None):
            own = recorder.dimensions.letter(creation.axis_of_size(recorder, shape[j]))
        axes.append(own)
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), source=source), value)


def stretched_together(r: Recorder, v: Any, *args: Any, subok: bool = False) -> Any:
    """``np.broadcast_arrays``."""
    return tuple(stretched(r, a, np.shape(value), value) for a, value in zip(args, v, strict=True))


def meshed(r: Recorder, v: Any, *xi: Any, indexing: str = "xy", copy: bool = True, sparse: bool = False) -> Any:
    """``np.meshgrid``."""
    rank = len(xi)
    order = [1, 0, *range(2, rank)] if indexing == "xy" and rank > 1 else list(range(rank))
    made = [
        np.reshape(pointwise.lift(r, x), [-1 if order[j] == i else 1 for j in range(rank)]) for i, x in enumerate(xi)
    ]
    return made if sparse else [a.copy() for a in stretched_together(r, v, *made)]


def trace_of(recorder: Recorder, a: Any, value: Any) -> Any:
    """``np.trace``: the diagonal, summed."""
    x = recorder.read(pointwise.lift(recorder, a))
    joined_axes(recorder, x, 0, 1)
    return recorder.define(x.axes[2:], lambda out, source: Contract(out, (x.ref,), source=source), value)


def diagonal(recorder: Recorder, value: Any, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """``np.diagonal``: ``x[i,i]``; off the diagonal of a rectangle, of the largest square that is in it."""
    array: Any = pointwise.lift(recorder, a)
    first, second = (int(i) % len(array.axes) for i in (axis1, axis2))
    size = int(np.shape(value)[-1])
    if not size:
        return pointwise.unread(recorder, [array], "a diagonal without entries is not read", value)
    shape = np.shape(array.value)
    if (shape[first], shape[second]) != (size, size):
        window = [slice(None)] * len(shape)
        window[first] = slice(max(0, -offset), max(0, -offset) + size)
        window[second] = slice(max(0, offset), max(0, offset) + size)
        array = array[tuple(window)]
    x = recorder.read(array)
    joined_axes(recorder, x, first, second)
    axes = [axis for i, axis in enumerate(x.axes) if i not in (first, second)] + [x.axes[first]]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), source=source), value)


def joined_axes(recorder: Recorder, x: Indexed, first: int, second: int) -> None:
    """Give two axes of one array one letter."""
    recorder.flatten(x, first)
    recorder.flatten(x, second)
    if x.axes[first] and x.axes[second]:
        recorder.unify(x.axes[first], x.axes[second])
        x.rename(x.axes[second], x.axes[first])
