"""How slices, picks by label and writes are read: as brackets between the letters of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import TraceError
from ..program import ONE, Bracket, Contract, Equation, Factor, Position, Ref, Source, Sum, Update

from .pointwise import is_scalar, is_zero, lift, same_value
from .recorder import At, Indexed, Recorder, Slice, View
from .selections import Selection
from .sizes import is_measured, plain

Key = list[Any]


def get_item(recorder: Recorder, array: View, key: Any) -> Any:
    """``array[key]``: a view where NumPy gives one, else a pick by integer arrays."""
    items = normalise(recorder, array, key)
    value = array.value[concrete_key(key)]
    if is_mask(items[0]) and all(item == slice(None) for item in items[1:]):
        return Selection(same_value(recorder, array, array.value.copy()), same_value(recorder, items[0], items[0].value))
    if any(is_mask(item) for item in items):
        return recorder.opaque([array], "a selection by a mask is not read: its length depends on the values", value)
    if not any(is_index_array(item) for item in items):
        return view_of(recorder, array, items, value)
    return pick(recorder, array, items, value)


def set_item(recorder: Recorder, array: View, key: Any, new: Any) -> None:
    """``array[key] = new``."""
    items = normalise(recorder, array, key)
    index = concrete_key(key)
    plain_new = new.value if issubclass(type(new), View) or isinstance(new, Selection) else new
    if any(is_mask(item) for item in items):
        write_masked(recorder, array, items, new)
        array.value[index] = plain_new
        return
    array.value[index] = plain_new
    if any(is_index_array(item) for item in items):
        write_picked(recorder, array, items, new)
    else:
        target = view_of(recorder, array, items, array.value[index])
        if not (issubclass(type(new), View) and same_view(target, new)):  # x[i] += v ends by writing x[i] to itself
            assign(recorder, target, new)


def same_view(a: View, b: View) -> bool:
    """Whether two arrays are the same view of the same memory."""
    return a.buffer is b.buffer and a.window == b.window and a.axes == b.axes


def concrete_key(key: Any) -> Any:
    """The key with plain arrays and numbers in it."""
    if isinstance(key, tuple):
        return tuple(map(concrete_key, key))
    if isinstance(key, slice):
        return slice(*(None if k is None else int(k) for k in (key.start, key.stop, key.step)))
    if isinstance(key, list):
        return [concrete_key(k) for k in key]
    return key.value if issubclass(type(key), View) else plain(key)


def normalise(recorder: Recorder, array: View, key: Any) -> Key:
    """One item for each axis of the array, and None where a unit axis is put in."""
    items = list(key) if isinstance(key, tuple) else [key]
    items = [entry(recorder, item) for item in items]
    used = sum(rank_used(item) for item in items if item is not None and item is not Ellipsis)
    whole = [slice(None)] * (len(array.axes) - used)
    if used > len(array.axes):
        raise IndexError(f"too many indices for array: array is {len(array.axes)}-dimensional, but {used} were indexed")
    at = next((n for n, item in enumerate(items) if item is Ellipsis), None)
    return [*items, *whole] if at is None else [*items[:at], *whole, *items[at + 1 :]]


def rank_used(item: Any) -> int:
    """How many axes an item of a key takes."""
    return int(item.ndim) if is_mask(item) else 1


def entry(recorder: Recorder, item: Any) -> Any:
    """A list or range of integers as an array; a traced array as it is."""
    if isinstance(item, range | list):
        return lift(recorder, np.array([plain(i) for i in item])) if not any(
            issubclass(type(i), View) for i in item) else np.array(item)
    if type(item) is np.ndarray:
        return lift(recorder, item) if item.ndim else int(item)
    return item


def is_mask(item: Any) -> bool:
    """Whether an item is an array of booleans."""
    return issubclass(type(item), View) and np.asarray(item.value).dtype == bool


def is_index_array(item: Any) -> bool:
    """Whether an item is an array of integers with at least one axis."""
    return issubclass(type(item), View) and bool(item.axes) and not is_mask(item)


# Views


def view_of(recorder: Recorder, array: View, items: Key, value: Any) -> Any:
    """Slices, integers and new axes: another window on the same memory."""
    axes: list[tuple[int, ...]] = []
    window = list(array.window)
    own = iter(enumerate(array.axes))
    for item in items:
        if item is None:
            axes.append(())
            continue
        n, axis = next(own)
        size = np.shape(array.value)[n]
        if isinstance(item, slice) and range(size) == range(size)[concrete_key(item)]:
            axes.append(axis)
            continue
        if len(axis) > 1:
            return view_of(recorder, with_own_axis(recorder, array, n), items, value)
        kept = not axis or narrow(recorder, array, window, axis[0], size, item)
        if isinstance(item, slice):
            axes.append(axis if kept else ())
    return array.like(axes, value, tuple(window))


def with_own_axis(recorder: Recorder, array: View, n: int) -> Any:
    """The array with a single letter on axis n, which a reshape had merged from several."""
    x = recorder.read(array)
    recorder.flatten(x, n)
    name = x.ref.name
    stored = {letter: i for i, letter in enumerate(x.ref.indices)}
    made = recorder.wrap(name, [tuple(stored[i] for i in axis) for axis in x.axes], array.value)
    made.buffer.base = array.buffer
    return made


def narrow(recorder: Recorder, array: View, window: list[Any], i: int, size: int, item: Any) -> bool:
    """Make the window along stored axis i smaller by a slice or an integer; whether an axis is left."""
    before = window[i]
    stored = recorder.axes[array.buffer.name][i]
    start, step = (before.start, before.step) if isinstance(before, Slice) else (0, 1)
    if isinstance(item, slice):
        wanted = range(size)[concrete_key(item)]
        first, stride = start + step * wanted.start, step * wanted.step
        if len(wanted) == stored.size and (first, stride) == (0, 1):
            window[i] = None
        else:
            way = ("slice", first, stride, len(wanted))
            window[i] = Slice(first, stride, recorder.dimensions.derived(way, [stored], len(wanted)))
        return True
    place = int(item.value if issubclass(type(item), View) else item)
    if not -size <= place < size:
        raise IndexError(f"index {place} is out of bounds for an axis of size {size}")
    traced = issubclass(type(item), View) and before is None and place >= 0
    window[i] = At(start + step * (place % size), recorder.read(item).ref.name if traced else "")
    return False


# Picks


def pick(recorder: Recorder, array: View, items: Key, value: Any) -> Any:
    """``array[indices]``: for each axis with an index array, a bracket ``[k = y[n]]``."""
    x, positions, places, brackets = picked_letters(recorder, array, items)
    axes = arranged(positions, places)
    made = recorder.define(axes, lambda out, source: Contract(out, (x.ref,), brackets, source=source), value)
    recorder.picked[made.buffer.name] = (array.buffer.name, picked_places(items, np.shape(array.value)))
    return made


def arranged(positions: list[str], places: list[str | None]) -> list[str]:
    """The axes of a pick: those of the index arrays stand where the index arrays stood, or first if those are apart."""
    rest = [axis for axis in places if axis is not None]
    together = [n for n, axis in enumerate(places) if axis is None]
    adjacent = together == list(range(together[0], together[-1] + 1))
    at = sum(axis is not None for axis in places[: together[0]]) if adjacent else 0
    return [*rest[:at], *positions, *rest[at:]]


def picked_letters(
    recorder: Recorder, array: View, items: Key
) -> tuple[Indexed, list[str], list[str | None], tuple[Bracket, ...]]:
    """The array read, the letters of the index arrays' common axes, the letters of each axis of the rest (None where
    an index stands), and the brackets."""
    basic = [slice(None) if is_index_array(item) or is_number(item) else item for item in items]
    advanced = [item if is_index_array(item) or is_number(item) else None for item in items]
    base = view_of(recorder, array, basic, array.value[tuple(concrete_key(b) for b in basic)])
    x = recorder.read(base)
    for n, item in enumerate(advanced):
        if item is not None:
            recorder.flatten(x, n)
    indices, positions = recorder.broadcast([lift(recorder, i) for i in advanced if is_index_array(i)])
    brackets: list[Bracket] = []
    read = iter(indices)
    places: list[str | None] = []
    for axis, item in zip(list(x.axes), advanced, strict=True):
        places.append(axis if item is None else None)
        if item is None:
            continue
        if is_number(item):
            brackets.append(Bracket(Position.of(axis), "=", Position((), int(item) % recorder.size(axis))))
            continue
        index = next(read)
        if counts_up(item, recorder.size(axis)) and len(index.ref.indices) == 1:
            letter = index.ref.indices
            recorder.dimensions.unify(recorder.dimensions.axis(letter), recorder.dimensions.axis(axis), recorder.source())
            x.rename(axis, letter)
            places = [p if p is None else p.replace(axis, letter) for p in places]
        else:
            check_range(item, recorder.size(axis))
            brackets.append(Bracket(Position.of(axis), "=", Position((), 0, index.ref)))
    return x, positions, places, tuple(brackets)


def is_number(item: Any) -> bool:
    """Whether an item is one integer."""
    return is_measured(item) or isinstance(item, int | np.integer) or (
        issubclass(type(item), View) and not item.axes and not is_mask(item))


def counts_up(index: Any, size: int) -> bool:
    """Whether an index array is 0, 1, 2, … along a whole axis: the index is then the letter itself."""
    value = np.asarray(index.value)
    flat = value.reshape(-1)
    return max(value.shape) == value.size == size and bool((flat == np.arange(size)).all())


def check_range(index: Any, size: int) -> None:
    """Refuse positions that count from the end: a bracket cannot say that for each entry."""
    value = np.asarray(index.value)
    if value.size and (value.min() < 0 or value.max() >= size):
        raise TraceError(f"an index array goes from {value.min()} to {value.max()}; what is read is 0 to {size - 1}")


# Writes


def assign(recorder: Recorder, target: View, new: Any) -> None:
    """Write into a view: the buffer holds a new value from here on."""
    for base in target.buffer.bases():
        base.stale = True
    name = target.buffer.name
    added = added_part(recorder, target, new)
    if added is not None:
        target.buffer.name = accumulate(recorder, target, added)
        return
    source = recorder.read(lift(recorder, new))
    base, out, brackets = recorder.window_letters(target)
    goal = Indexed(Ref(name, base), ["".join(out[i] for i in axis) for axis in target.axes])
    align(recorder, goal, source)
    if brackets:
        written = goal.ref
        target.buffer.name = recorder.emit(
            written.indices, lambda o, line: Update(o, Ref(name, o.indices), source.ref, brackets, None, line), None
        )
    elif source.ref.indices == goal.ref.indices:
        target.buffer.name = source.ref.name
    else:
        target.buffer.name = recorder.emit(
            goal.ref.indices, lambda o, line: Contract(o, (source.ref,), source=line), None
        )


def align(recorder: Recorder, goal: Indexed, source: Indexed) -> None:
    """Give the source the goal's letters, from the last axis on, as NumPy broadcasts."""
    while len(source.axes) > len(goal.axes):
        if source.axes[0]:
            recorder.join(Indexed(Ref(""), ["" for _ in goal.axes] + [source.axes[0]]), -1, source, 0)
        source.axes.pop(0)
    for i in range(1, len(source.axes) + 1):
        recorder.join(goal, -i, source, -i)


def added_part(recorder: Recorder, target: View, new: Any) -> tuple[Factor, Ref | None] | None:
    """The v of ``x[i] = x[i] + v``: what is added to what stood there; None where the write is another."""
    if not issubclass(type(new), View) or not any(target.window):
        return None
    before = recorder.gathered(target)
    equation = recorder.equations[-1] if recorder.equations else None
    if before is None or not isinstance(equation, Sum) or equation.out.name != new.buffer.name or any(new.window):
        return None
    return rest_of_sum(equation, before)


def rest_of_sum(equation: Sum, name: str) -> tuple[Factor, Ref | None] | None:
    """The other term of a sum of two in which a value stands as it is."""
    refs = [ref for _, ref in equation.terms]
    if len(refs) == 2:
        for n, (factor, ref) in enumerate(equation.terms):
            if ref is not None and ref.name == name and factor == ONE and ref.indices == equation.out.indices:
                return equation.terms[1 - n]
    return None


def accumulate(recorder: Recorder, target: View, added: tuple[Factor, Ref | None]) -> str:
    """``x' = x + [p = …] v``: the write of a sum as a sum of writes, so that a loop reads as one."""
    equation = recorder.equations.pop()
    base, out, brackets = recorder.window_letters(target)
    kept = "".join(out[i] for axis in target.axes for i in axis)
    return scatter(recorder, target.buffer.name, base, added, equation.out.indices, kept, brackets)


def scatter(
    recorder: Recorder, name: str, base: str, added: tuple[Factor, Ref | None], letters: str, new: str,
    brackets: tuple[Bracket, ...],
) -> str:  # fmt: skip
    """Emit ``out = base + factor · [brackets] term``; the term's ``letters`` are written ``new``."""
    factor, term = added
    refs: tuple[Ref, ...] = ()
    if term is not None:
        table = dict(zip(letters, new, strict=True))
        for old, letter in table.items():
            recorder.dimensions.unify(recorder.dimensions.axis(letter), recorder.dimensions.axis(old), recorder.source())
        refs = (Ref(term.name, "".join(table.get(i, i) for i in term.indices)),)

    def spread(o: Ref, line: Source | None) -> Equation:
        return Contract(o, refs, brackets, factor, line)

    part = recorder.emit(base, spread, None)
    total = recorder.letters(recorder.axes[name])
    return recorder.emit(total, lambda o, line: Sum(o, ((ONE, Ref(name, total)), (ONE, Ref(part, total))), line), None)


def write_picked(recorder: Recorder, array: View, items: Key, new: Any) -> None:
    """``p[np.arange(n), y] = new``; with ``-=`` it is a sum: ``p - [k = y[n]]``."""
    if any(array.window) or any(len(axis) != 1 for axis in array.axes) or any(item is None for item in items):
        raise TraceError("a write by index arrays into a view of part of an array is not read: write into the array itself")
    value = new.value if issubclass(type(new), View) else new
    x, positions, places, brackets = picked_letters(recorder, array, items)
    spots = picked_places(items, np.shape(array.value))
    if len(np.unique(spots)) != spots.size:
        raise TraceError("a write by index arrays goes to one place twice: use np.add.at to add them up")
    axes = arranged(positions, places)
    name = array.buffer.name
    equation = recorder.equations[-1] if recorder.equations else None
    if isinstance(equation, Sum) and issubclass(type(new), View) and equation.out.name == new.buffer.name:
        for _, ref in equation.terms:
            before, at = recorder.picked.get(ref.name if ref else "", ("", None))
            rest = rest_of_sum(equation, ref.name) if ref and before == name and np.array_equal(at, spots) else None
            if rest is not None:
                recorder.equations.pop()
                array.buffer.name = scatter(
                    recorder, name, x.ref.indices, rest, equation.out.indices, "".join(axes), brackets
                )
                return
    source = recorder.read(lift(recorder, value if np.ndim(value) == 0 and not issubclass(type(new), View) else new))
    align(recorder, Indexed(x.ref, axes), source)
    array.buffer.name = recorder.emit(
        x.ref.indices, lambda o, line: Update(o, Ref(name, o.indices), source.ref, brackets, None, line), None
    )


def picked_places(items: Key, shape: Sequence[int]) -> Any:
    """Which entries a key picks, as positions in C order."""
    key = tuple(np.asarray(item.value) if issubclass(type(item), View) else concrete_key(item) for item in items)
    return np.arange(int(np.prod(shape))).reshape(shape)[key]


def write_masked(recorder: Recorder, array: View, items: Key, new: Any) -> None:
    """``x[mask] = v``: v where the mask holds, x elsewhere."""
    mask = items[0]
    single = isinstance(new, Selection) or np.ndim(new.value if issubclass(type(new), View) else new) == 0
    if not is_mask(mask) or any(item != slice(None) for item in items[1:]) or not single:
        raise TraceError("a write by a mask is read where one mask picks from the first axes: use np.where else")
    before = same_value(recorder, array, np.array(array.value))
    spread = mask.like([*mask.axes, *((),) * (len(array.axes) - len(mask.axes))], mask.value)
    spread.value = np.reshape(mask.value, np.shape(mask.value) + (1,) * (len(array.axes) - len(mask.axes)))
    if isinstance(new, Selection):
        result = new.written_into(before)
    elif is_zero(new):
        result = np.multiply(before, np.logical_not(spread))
    else:
        result = np.where(spread, new, before)
    assign(recorder, array, result)


def add_at(recorder: Recorder, array: View, key: Any, new: Any) -> None:
    """``np.add.at(array, key, new)``: every entry is added, however often its place is named."""
    items = normalise(recorder, array, key)
    if any(array.window):
        raise TraceError("np.add.at into a view of part of an array is not read: use the array itself")
    if not any(is_index_array(item) for item in items):
        target = view_of(recorder, array, items, array.value[concrete_key(key)])
        assign(recorder, target, np.add(target, new))
        return
    x, positions, places, brackets = picked_letters(recorder, array, items)
    source = recorder.read(lift(recorder, new))
    align(recorder, Indexed(x.ref, arranged(positions, places)), source)
    letters = x.ref.indices
    name = array.buffer.name
    part = recorder.emit(letters, lambda o, line: Contract(o, (source.ref,), brackets, source=line), None)
    np.add.at(array.value, concrete_key(key), new.value if issubclass(type(new), View) else new)
    array.buffer.name = recorder.emit(
        letters, lambda o, line: Sum(o, ((ONE, Ref(name, letters)), (ONE, Ref(part, letters))), line), None
    )


