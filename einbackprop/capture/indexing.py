"""How slices and picks are read: as brackets between the letters of both sides."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.program import ONE, Bracket, Contract, Position, Ref, Sum
from . import arithmetic, creation
from .failures import asks_numpy
from .memory import At, Slice, View, follows, is_traced
from .pointwise import Selection, lift, positions
from .recorder import Indexed, Recorder
from .sizes import as_number, axes_of, frozen, is_measured, plain, product_of_sizes

Key = list[Any]
WHOLE = slice(None)


@asks_numpy
def get_item(recorder: Recorder, array: View, key: Any) -> Any:
    """``array[key]``: a view where NumPy gives one, else a pick by integer arrays, or a selection by a mask."""
    items = normalise(recorder, array, key)
    if is_mask(items[0] if items else None) and not any(map(is_advanced, items[1:])):
        return selected(recorder, array, items)
    items = without_masks(recorder, items)
    value = value_at(array, key)
    if any(map(is_index_array, items)):
        return pick(recorder, array, items, value)
    made: View = view_of(recorder, array, items, value)
    if isinstance(value, np.ndarray):
        return made if isinstance(array.value, np.ndarray) else made.copied(value)  # of a number NumPy makes an array
    if array.buffer.name in recorder.constants and np.asarray(value).dtype.kind in "iu":
        return counted(recorder, array, items, value)  # one of the numbers that the code itself counts with
    return made.copied(value)  # a NumPy scalar is no view


def counted(recorder: Recorder, array: View, items: Key, value: Any) -> Any:
    """One of the numbers that ``np.arange(n)`` has, as an expression of sizes; of another constant, the number."""
    name = array.buffer.name
    if name not in recorder.sized:
        return value
    if name not in recorder.counts or array.window != (None,) or any(map(is_traced, items)):
        return arithmetic.lost(value, f"an entry of np.arange({recorder.sized[name].answer.partition(' is ')[0]})")
    (begin, step), place = recorder.counts[name], items[0]
    found = begin + step * (place if plain(place) >= 0 else extent_along(recorder, array, 0) + place)
    return found.like(value) if is_measured(found) else value


@asks_numpy
def value_at(array: View, key: Any) -> Any:
    """What the user's own key gives: whether that is an array, and how it lies in memory, depends on how it is written.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if any(type(part) is Selection or isinstance(part, list | range | tuple) for part in parts):
        parts = [entry(array.recorder, part) for part in parts]
    return array.value[tuple(map(concrete_key, parts))]


@asks_numpy
def selected(recorder: Recorder, array: View, items: Key) -> Selection:
    """``array[mask, …]``."""
    mask = items[0]
    rest = [WHOLE] * len(mask.axes) + items[1:]
    part = view_of(recorder, array, rest, array.value[tuple(map(concrete_key, rest))])
    return Selection(part.copied(np.array(part.value)), mask.copied(np.array(mask.value)))


# Keys


@asks_numpy
def concrete_key(key: Any) -> Any:
    """The key with plain arrays and numbers in it."""
    if isinstance(key, tuple):
        return tuple(map(concrete_key, key))
    if isinstance(key, slice):
        return slice(*(None if k is None else int(k) for k in (key.start, key.stop, key.step)))
    if isinstance(key, list):
        return [concrete_key(k) for k in key]
    return key.value if is_traced(key) else plain(key)


def normalise(recorder: Recorder, array: View, key: Any) -> Key:
    """One item for each axis of the array (a mask may take several), and None where a unit axis is put in."""
    items = [entry(recorder, item) for item in (key if isinstance(key, tuple) else (key,))]
    used = sum(len(item.axes) if is_mask(item) else 1 for item in items if item is not None and item is not Ellipsis)
    if used > len(array.axes):
        raise IndexError(f"too many indices for array: array is {len(array.axes)}-dimensional, but {used} were indexed")
    whole = [WHOLE] * (len(array.axes) - used)
    at = next((n for n, item in enumerate(items) if item is Ellipsis), None)
    return [*items, *whole] if at is None else [*items[:at], *whole, *items[at + 1 :]]


@asks_numpy
def entry(recorder: Recorder, item: Any) -> Any:
    """A list, tuple or range of integers as an array; one integer as an int; a traced array as it is."""
    if type(item) is Selection:
        return item.picked()
    if isinstance(item, range | list | tuple):
        return lift(recorder, creation.as_array(recorder, list(item), None if len(item) else int, copy=False))
    if type(item) in (bool, np.bool_):
        return lift(recorder, np.array(item))
    if type(item) is np.ndarray:
        return lift(recorder, item) if item.ndim or item.dtype == bool else int(item)
    return item


def is_mask(item: Any) -> bool:
    """Whether an item is an array of booleans, or one: that takes no axis."""
    return is_traced(item) and np.asarray(item.value).dtype == bool


def is_index_array(item: Any) -> bool:
    """Whether an item is an array of integers with at least one axis."""
    return is_traced(item) and bool(item.axes) and not is_mask(item)


def is_advanced(item: Any) -> bool:
    """Whether an item is an array with at least one axis."""
    return is_traced(item) and bool(item.axes)


def is_number(item: Any) -> bool:
    """Whether an item is one integer."""
    alone = is_traced(item) and not item.axes and not is_mask(item)
    return is_measured(item) or isinstance(item, int | np.integer) or alone


def without_masks(recorder: Recorder, items: Key) -> Key:
    """The positions in place of masks."""
    return [part for item in items for part in (positions(recorder, item) if is_mask(item) else (item,))]


# Views


def view_of(recorder: Recorder, array: View, items: Key, value: Any) -> Any:
    """Slices, integers and new axes: another window on the same memory."""
    axes: list[tuple[int, ...]] = []
    window = list(array.window)
    shape = np.shape(array.value)
    n = -1
    for item in items:
        if item is None:
            axes.append(())
            continue
        n += 1
        axis, size = array.axes[n], shape[n]
        if isinstance(item, slice):
            wanted = range(size)[concrete_key(item)]
            if wanted == range(size) and axis:
                require_whole(recorder, item, extent_along(recorder, array, n))
            if wanted == range(size) or (size == 1 and len(wanted) == 1):
                axes.append(axis)
                continue
        if len(axis) > 1 or (not axis and isinstance(item, slice)):
            return view_of(recorder, with_own_axis(recorder, array, n), items, value)
        if axis:
            narrow(recorder, array, window, axis[0], extent_along(recorder, array, n), item)
        if isinstance(item, slice):
            axes.append(axis)
    return array.like(axes, value, tuple(window))


def with_own_axis(recorder: Recorder, array: View, n: int) -> Any:
    """The array with a single letter on axis n, which a reshape had merged from several, or which had none."""

    def read() -> View:
        x = recorder.read(array)
        recorder.own_letter(x, n)
        if x.axes[n] not in x.ref.indices:
            ref = x.ref
            letters = ref.indices + x.axes[n]
            x.ref = Ref(recorder.emit(letters, lambda out, source: Contract(out, (ref,), source=source)), letters)
        stored = {letter: i for i, letter in enumerate(x.ref.indices)}
        own: View = recorder.wrap(x.ref.name, [tuple(stored[i] for i in axis) for axis in x.axes], array.value)
        return own

    made = read()
    follows(made, array, lambda: read().buffer.name, lambda: made.like(made.axes, array.value))
    return made


def narrow(recorder: Recorder, array: View, window: list[Any], i: int, extent: Any, item: Any) -> None:
    """Make the window along stored axis i, of some extent, smaller by a slice or an integer."""
    before, size = window[i], int(plain(extent))
    stored = recorder.axes[recorder.current(array.buffer)][i]
    start, step, begin = (before.start, before.step, before.begin) if isinstance(before, Slice) else (0, 1, 0)
    stored.root().opened = True
    if isinstance(item, slice):
        wanted = range(size)[concrete_key(item)]
        first, stride = start + step * wanted.start, step * wanted.step
        if len(wanted) == stored.size and (first, stride) == (0, 1):
            window[i] = None
        else:
            offset, count = extents(item, extent, wanted)
            place = begin + step * offset
            window[i] = Slice(first, stride, recorder.part(stored, place, stride, count), place)
        return
    place = int(item.value if is_traced(item) else plain(item))
    if not -size <= place < size:
        raise IndexError(f"index {place} is out of bounds for axis with size {size}")
    position = start + step * (place % size)
    if is_traced(item) and place >= 0 and step == 1:
        name, more = counted_from(recorder, recorder.read(item).ref.name)
        window[i] = At(position, name, start + more)
        if start:
            recorder.spot(stored, begin)
    elif is_traced(item):  # backwards, or from the end: as it is in this run
        window[i] = At(position)
        recorder.note("the position here depends on values: it is kept as it is in this run", only_here=True)
    else:
        window[i] = At(position)
        recorder.spot(stored, begin + step * from_the_start(recorder, item, extent))


def counted_from(recorder: Recorder, name: str) -> tuple[str, int]:
    """A traced integer as another one and a whole number that stands in the code: of ``i + 2`` i and 2."""
    more = 0
    while isinstance(made := recorder.made.get(name), Sum) and len(made.terms) == 2:
        numbers = [factor.number for factor, ref in made.terms if ref is None and not factor.sizes]
        values = [ref.name for factor, ref in made.terms if ref is not None and factor == ONE]
        if len(numbers) != 1 or len(values) != 1 or int(numbers[0].real) != numbers[0]:
            break
        name, more = values[0], more + int(numbers[0].real)
    return name, more


def from_the_start(recorder: Recorder, item: Any, extent: Any) -> Any:
    """A position as an expression of sizes; where it is the first of one, as ``x[-1]`` may be, that is so here only."""
    place = item if plain(item) >= 0 else extent + item
    if plain(place) or not is_measured(place):
        return place
    if not is_fixed(extent):
        recorder.met("frozen", as_number(extent), axes_of(extent))
    return 0


def require_whole(recorder: Recorder, item: slice, extent: Any) -> None:
    """A slice takes all of an axis: where its bounds do not say so for every size, it is so at these sizes only."""
    if is_fixed(extent):
        return
    start, stop, step = item.start, item.stop, item.step
    if stop is not None and plain(extent):
        recorder.ends(extent, stop if plain(stop) >= 0 else extent + stop)
    if (start is not None and (is_measured(start) or plain(start) < 0)) or (step is not None and plain(step) != 1) or (
            stop is not None and not plain(extent)):  # fmt: skip
        recorder.met("frozen", as_number(extent), axes_of(extent))


def is_fixed(extent: Any) -> bool:
    """Whether how many entries there are is a number that stands in the code."""
    return not is_measured(extent) or all(axis.root().literal for axis in axes_of(extent))


def extent_along(recorder: Recorder, array: View, n: int) -> Any:
    """How many entries an axis has, as a size that remembers its letters."""
    stored = recorder.axes[recorder.current(array.buffer)]
    parts = [stored[i] if (w := array.window[i]) is None or isinstance(w, At) else w.axis for i in array.axes[n]]
    return product_of_sizes(map(arithmetic.size_of, parts)) if parts else np.shape(array.value)[n]


def written_out(recorder: Recorder, array: View, n: int) -> int:
    """How many entries an axis has, for what is written out entry by entry: it holds for this size alone."""
    return int(plain(frozen(extent_along(recorder, array, n))))


def extents(item: slice, size: Any, wanted: range) -> tuple[Any, Any]:
    """The start and the number of entries of a slice, as expressions of sizes."""
    step = wanted.step
    if is_measured(item.step):
        frozen(item.step)

    def bound(given: Any, default: Any) -> Any:
        return default if given is None else given if plain(given) >= 0 else size + given

    start = bound(item.start, 0 if step > 0 else size - 1)
    stop = bound(item.stop, size if step > 0 else -1)
    if step > 0 and plain(stop) > plain(size):
        stop = size
        if item.stop is not None:
            frozen(size)
    count = (stop - start) if step == 1 else (start - stop) if step == -1 else (
        (stop - start + step - 1) // step if step > 0 else (start - stop - step - 1) // -step)  # fmt: skip
    if plain(start) != wanted.start or plain(count) != len(wanted):
        frozen(size)
        return wanted.start, len(wanted)
    return tuple(frozen(x) if is_measured(x) and x.lost else x for x in (start, count))


# Picks


def pick(recorder: Recorder, array: View, items: Key, value: Any) -> Any:
    """``array[indices]``: for each axis with an index array, a bracket ``[k = y[n]]``."""
    target = basic_part(recorder, array, items)
    x, axes, brackets = picked_letters(recorder, target, items)
    made = recorder.define(axes, lambda out, source: Contract(out, (x.ref,), brackets, source=source), value)
    recorder.picked[made.buffer.name] = (target.copied(None), picked_places(items, target))
    return made


def basic_part(recorder: Recorder, array: View, items: Key) -> Any:
    """The view that only the slices and new axes of a key give."""
    basic = [WHOLE if is_index_array(item) or is_number(item) else item for item in items]
    return view_of(recorder, array, basic, array.value[tuple(map(concrete_key, basic))])


def picked_letters(recorder: Recorder, base: View, items: Key) -> tuple[Indexed, list[str], tuple[Bracket, ...]]:
    """The base read, the letters of each axis of what is picked, and the brackets between the two."""
    indexed = [is_index_array(item) or is_number(item) for item in items]
    x = recorder.read(base)
    for n, advanced in enumerate(indexed):
        if advanced:
            recorder.flatten(x, n)
    arrays = [
        counted_from_the_start(recorder, lift(recorder, item), axis)
        for axis, item in zip(x.axes, items, strict=True)
        if is_index_array(item)
    ]
    indices, common = recorder.broadcast(arrays)
    by_array = iter(zip(arrays, indices, strict=True))
    brackets: list[Bracket] = []
    for n, item in enumerate(items):
        positions_, index = next(by_array) if is_index_array(item) else (None, None)
        if not indexed[n] or not x.axes[n]:
            continue  # a unit axis has one entry only
        if positions_ is None or index is None:
            extent = extent_along(recorder, base, n)
            place = int(item.value if is_traced(item) else plain(item)) % recorder.size(x.axes[n])
            if not is_traced(item):
                recorder.spot(recorder.dimensions.axis(x.axes[n]), from_the_start(recorder, item, extent))
            brackets.append(Bracket(Position.of(x.axes[n]), "=", Position((), place)))
        elif counts_up(positions_, recorder.size(x.axes[n])) and len(index.ref.indices) == 1:
            letter = index.ref.indices
            if positions_.buffer.name not in recorder.sized:
                recorder.met("frozen", f"all {recorder.size(letter)} positions are named by numbers",
                             (recorder.dimensions.axis(x.axes[n]),))  # fmt: skip
            recorder.unify(letter, x.axes[n])
            if letter in x.ref.indices:  # a diagonal
                brackets.append(Bracket(Position.of(x.axes[n]), "=", Position.of(letter)))
            else:
                x.rename(x.axes[n], letter)
        else:
            brackets.append(Bracket(Position.of(x.axes[n]), "=", Position((), 0, index.ref)))
    return x, arranged(common, x.axes, indexed), tuple(brackets)


def arranged(common: Sequence[str], axes: Sequence[str], indexed: Sequence[bool]) -> list[str]:
    """The axes of a pick: those of the index arrays stand where the index arrays stood, or first if those are apart."""
    rest = [axis for axis, advanced in zip(axes, indexed, strict=True) if not advanced]
    together = [n for n, advanced in enumerate(indexed) if advanced]
    adjacent = together == list(range(together[0], together[-1] + 1))
    at = together[0] if adjacent else 0
    return [*rest[:at], *common, *rest[at:]]


def counts_up(index: View, size: int) -> bool:
    """Whether an index array is 0, 1, 2, … along a whole axis: the index is then the letter itself."""
    value = np.asarray(index.value)
    name, recorder = index.buffer.name, index.recorder
    is_constant = name in recorder.constants and name not in recorder.frozen
    return is_constant and value.size == size == max(value.shape) and bool((value.reshape(-1) == np.arange(size)).all())


def counted_from_the_start(recorder: Recorder, index: Any, letters: str) -> Any:
    """Positions that count from the end of an axis as positions that count from the start."""
    size = recorder.extent(letters)
    value = np.asarray(index.value)
    if not value.size or value.min() >= 0:
        return index
    if index.buffer.name in recorder.constants and index.buffer.name not in recorder.made:
        if not is_fixed(size):
            recorder.met("frozen", as_number(size), axes_of(size))
        return recorder.constant(value % plain(size))
    return lift(recorder, np.where(index < 0, index + size, index))


@asks_numpy
def picked_places(items: Key, base: View) -> Any:
    """Which entries of the base a key picks, as positions in C order."""
    shape = np.shape(base.value)
    key = tuple(concrete_key(item) if is_index_array(item) or is_number(item) else WHOLE for item in items)
    return np.arange(int(np.prod(shape))).reshape(shape)[key]
