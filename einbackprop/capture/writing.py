"""How writes into arrays are read: the buffer holds a new value from there on."""

from typing import Any

import numpy as np

from ..core.program import ONE, Bracket, Contract, Equation, Factor, Map, Ref, Source, Sum, Update
from ..errors import TraceError
from . import layout, picking, sizes
from .failures import asks_numpy
from .indexing import (
    Key,
    basic_part,
    concrete_key,
    is_advanced,
    is_index_array,
    is_mask,
    normalise,
    picked_letters,
    picked_places,
    view_of,
    without_masks,
)
from .memory import UNFOLLOWED, Buffer, View, is_traced, require_followed, same_value
from .pointwise import Selection, cast, is_scalar, is_zero, lift, same_mask
from .recorder import Indexed, Recorder

Added = tuple[Factor, Ref | None]


@asks_numpy
def set_item(recorder: Recorder, array: View, key: Any, new: Any) -> None:
    """``array[key] = new``."""
    recorder.ordered |= recorder.viewed
    write_item(recorder, array, key, new)
    require_followed(array)


@asks_numpy
def as_it_is(recorder: Recorder, array: View, new: Any) -> Any:
    """What is written, read before the write: a list as an array, and a copy of what lies in the same memory."""
    if isinstance(new, list | tuple):
        new = np.stack([lift(recorder, item) for item in new]) if any(map(is_traced, new)) else np.array(new)
    if is_traced(new) and isinstance(new.value, np.ndarray) and np.may_share_memory(new.value, array.value):
        return new.copied(np.array(new.value))
    return new


@asks_numpy
def write_item(recorder: Recorder, array: View, key: Any, new: Any) -> None:
    """The write itself, by slices, a mask or index arrays."""
    if not isinstance(array.value, np.ndarray):
        raise TypeError(f"'numpy.{np.asarray(array.value).dtype.name}' object does not support item assignment")
    items = normalise(recorder, array, key)
    if is_mask(items[0] if items else None) and not any(map(is_advanced, items[1:])) and fits_mask(items[0], new):
        write_masked(recorder, array, items, as_it_is(recorder, array, new))
        return
    items = without_masks(recorder, items)
    new = new.picked() if type(new) is Selection else new
    if any(map(is_index_array, items)):
        write_picked(recorder, array, items, as_it_is(recorder, array, new))
        return
    index = tuple(map(concrete_key, items))
    target = view_of(recorder, array, items, array.value[index])
    if is_traced(new) and same_view(target, new):  # x[i] += v ends by writing x[i] to itself
        return
    new = as_it_is(recorder, array, new)
    array.value[index] = plain_value(new)
    assign(recorder, target, new)


def plain_value(new: Any) -> Any:
    """The plain entries of what is written."""
    return new.value if is_traced(new) or type(new) is Selection else sizes.plain(new)


def same_view(a: View, b: View) -> bool:
    """Whether two arrays are the same view of the same memory."""
    return a.buffer is b.buffer and a.window == b.window and a.axes == b.axes


# Writes by slices


def assign(recorder: Recorder, target: View, new: Any) -> None:
    """Write into a view: its buffer holds a new value from here on, and so do those that it follows from."""
    buffer = target.buffer
    if buffer.shared:
        raise TraceError("this array shares its memory with another: a write to it is not read. Make it a copy")
    old = recorder.current(buffer)
    added = added_part(recorder, target, new)
    if added is not None:
        buffer.name = accumulate(recorder, target, new, added)
    else:
        buffer.name = overwrite(recorder, target, in_kind(recorder, target, new))
    if old in recorder.names:
        recorder.names.setdefault(buffer.name, recorder.names[old])
    write_through(recorder, buffer)


def in_kind(recorder: Recorder, target: View, new: Any) -> Any:
    """What is written, in the kind of numbers that the target holds: a float that goes into whole numbers is cut."""
    source = lift(recorder, new)
    kind, given = np.asarray(target.value).dtype, np.asarray(source.value).dtype
    return cast(recorder, source, kind) if kind.kind in "iub" and given.kind not in (kind.kind, "b") else source


def overwrite(recorder: Recorder, target: View, new: View) -> str:
    """The value of the buffer after a write: an Update, or what was written where it fills the buffer."""
    source = recorder.read(new)
    base, out, brackets = recorder.window_letters(target)
    goal = Indexed(Ref(target.buffer.name, base), ["".join(out[i] for i in axis) for axis in target.axes])
    align(recorder, goal, source)
    if brackets:
        name = target.buffer.name
        return recorder.emit(base, lambda o, line: Update(o, Ref(name, o.indices), source.ref, brackets, None, line))
    if source.ref.indices == base:
        return source.ref.name
    return recorder.emit(base, lambda o, line: Contract(o, (source.ref,), source=line))


def align(recorder: Recorder, goal: Indexed, source: Indexed) -> None:
    """Give the source the goal's letters, from the last axis on, as NumPy broadcasts; the goal keeps its own."""
    while len(source.axes) > len(goal.axes):  # leading axes of size 1
        source.axes.pop(0)
    for i in range(1, len(source.axes) + 1):
        own, letters = source.axes[-i], goal.axes[-i]
        if own and recorder.size(own) == 1 and recorder.size(letters) > 1:
            source.axes[-i] = ""
        elif own and [recorder.size(p) for p in own] == [recorder.size(q) for q in letters]:
            for p, q in zip(own, letters, strict=True):
                recorder.unify(q, p)
                source.rename(p, q)
        elif own and not letters and recorder.size(own) == 1:
            without_letters(recorder, source, len(source.axes) - i)
        elif own:
            layout.divide(recorder, source, len(source.axes) - i, letters)


def without_letters(recorder: Recorder, source: Indexed, i: int) -> None:
    """Take the letters from an axis of size 1, which is written where there is none."""
    roots = [recorder.dimensions.axis(letter).root() for letter in source.axes[i]]
    if any(root.opened for root in roots):
        ref = source.ref
        kept = "".join(letter for letter in ref.indices if letter not in source.axes[i])
        source.ref = Ref(recorder.emit(kept, lambda out, line: Contract(out, (ref,), source=line)), kept)
    else:
        for root in roots:
            root.unit = True
    source.axes[i] = ""


def write_through(recorder: Recorder, buffer: Buffer) -> None:
    """Write a buffer that follows from another to that other as well."""
    derived = buffer.derived
    if derived is None:
        return
    if derived.back is None:
        raise TraceError(UNFOLLOWED)
    base = derived.base
    with recorder.aside():
        assign(recorder, base, derived.back())
    derived.seen = base.buffer.name


# Writes that add


def added_part(recorder: Recorder, target: View, new: Any) -> Added | None:
    """The v of ``x[i] = x[i] + v``: what is added to what stood there; None where the write is another."""
    if not is_traced(new) or not any(target.window) or any(new.window):
        return None
    before, equation = recorder.gathered(target.buffer.name, target.window), recorder.made.get(new.buffer.name)
    if before is None or not isinstance(equation, Sum) or target.axes != in_order(target, new):
        return None
    return rest_of_sum(equation, before)


def in_order(target: View, new: View) -> tuple[tuple[int, ...], ...]:
    """The target's axes, if the new value has its stored axes in their order; else nothing that equals them."""
    kept = [i for axis in target.axes for i in axis]
    return target.axes if [i for axis in new.axes for i in axis] == list(range(len(kept))) else ()


def rest_of_sum(equation: Sum, name: str) -> Added | None:
    """The other term of a sum of two in which a value stands as it is."""
    if len(equation.terms) == 2:
        for n, (factor, ref) in enumerate(equation.terms):
            if ref is not None and ref.name == name and factor == ONE and ref.indices == equation.out.indices:
                return equation.terms[1 - n]
    return None


def accumulate(recorder: Recorder, target: View, new: View, added: Added) -> str:
    """``x' = x + [p = …] v``: the write of a sum as a sum of writes, so that a loop reads as one."""
    base, out, brackets = recorder.window_letters(target)
    kept = "".join(out[i] for axis in target.axes for i in axis)
    letters = recorder.made[new.buffer.name].out.indices
    return scatter(recorder, target.buffer.name, base, added, dict(zip(letters, kept, strict=True)), brackets)


def scatter(
    recorder: Recorder, name: str, base: str, added: Added, table: dict[str, str], brackets: tuple[Bracket, ...]
) -> str:
    """Emit ``out = base + factor · [brackets] term``; the term's letters are renamed by a table."""
    factor, term = added
    refs: tuple[Ref, ...] = ()
    if term is not None:
        for old, letter in table.items():
            recorder.unify(letter, old)
        refs = (Ref(term.name, "".join(table.get(i, i) for i in term.indices)),)

    def spread(o: Ref, line: Source | None) -> Equation:
        return Contract(o, refs, brackets, factor, line)

    part = recorder.emit(base, spread)
    total = recorder.letters(recorder.axes[name])
    return recorder.emit(total, lambda o, line: Sum(o, ((ONE, Ref(name, total)), (ONE, Ref(part, total))), line))


# Writes by index arrays


@asks_numpy
def write_picked(recorder: Recorder, array: View, items: Key, new: Any) -> None:
    """``p[np.arange(n), y] = new``; with ``-=`` it is a sum: ``p - [k = y[n]]``."""
    target = basic_part(recorder, array, items)
    x, axes, brackets = picked_letters(recorder, target, items)
    spots = picked_places(items, target)
    entries = plain_value(new)
    if len(np.unique(spots)) != spots.size:
        new, brackets, axes = last_writes(recorder, target, x, new, spots)
    array.value[tuple(map(concrete_key, items))] = entries
    rest, letters = added_at(recorder, target, new, spots)
    if rest is not None:
        table = dict(zip(letters, "".join(axes), strict=True))
        made = scatter(recorder, x.ref.name, x.ref.indices, rest, table, brackets)
    else:
        source = recorder.read(in_kind(recorder, target, new))
        letters = x.ref.indices + "".join(bracket.letters for bracket in brackets)
        align(recorder, Indexed(x.ref, ["".join(i for i in axis if i in letters) for axis in axes]), source)
        made = recorder.emit(
            x.ref.indices, lambda o, line: Update(o, Ref(x.ref.name, o.indices), source.ref, brackets, None, line)
        )
    replace(recorder, target, x, made)


def last_writes(
    recorder: Recorder, target: View, x: Indexed, new: Any, spots: Any
) -> tuple[Any, tuple[Bracket, ...], list[str]]:
    """Where entries go to one place several times, the last stays: the array as it is after the write, all of it."""
    message = "entries are written to one place several times here: which one stays is kept from this run"
    recorder.note(message, only_here=True)
    flat_spots = np.asarray(spots).reshape(-1)
    last = {int(spot): n for n, spot in enumerate(flat_spots)}
    order = np.array([last.get(n, -1) for n in range(np.size(target.value))])
    spread = np.reshape(np.broadcast_to(lift(recorder, new), np.shape(spots)), -1)
    there = np.reshape(target.copied(np.array(target.value)), -1)
    both = np.concatenate([spread, there])
    picks = np.where(order >= 0, order, len(flat_spots) + np.arange(len(order)))
    return np.reshape(both[picks], np.shape(target.value)), (), list(x.axes)


def added_at(recorder: Recorder, target: View, new: Any, spots: Any) -> tuple[Added | None, str]:
    """The v of ``x[idx] = x[idx] + v``, and the letters of the sum."""
    equation = recorder.made.get(new.buffer.name) if is_traced(new) else None
    if isinstance(equation, Sum) and not any(new.window):
        for _, ref in equation.terms:
            known = recorder.picked.get(ref.name) if ref else None
            if ref and known and same_value(known[0], target):
                rest = rest_of_sum(equation, ref.name)
                if rest is not None and np.array_equal(known[1], spots):
                    return rest, equation.out.indices
    return None, ""


def replace(recorder: Recorder, target: View, x: Indexed, name: str) -> None:
    """Write a new value for all of a view, given in the letters with which it was read."""
    stored = {letter: i for i, letter in enumerate(x.ref.indices)}
    groups = [tuple(stored[i] for i in axis if i in stored) for axis in x.axes]
    assign(recorder, target, recorder.wrap(name, groups, target.value))


@asks_numpy
def add_at(recorder: Recorder, array: View, key: Any, new: Any, sign: int = 1) -> None:
    """``np.add.at(array, key, new)``: every entry is added, however often its place is named."""
    items, new = without_masks(recorder, normalise(recorder, array, key)), as_it_is(recorder, array, new)
    if not any(map(is_index_array, items)):
        target = view_of(recorder, array, items, array.value[tuple(map(concrete_key, items))])
        total = np.add(target, new) if sign > 0 else np.subtract(target, new)
        array.value[tuple(map(concrete_key, items))] = total.value
        assign(recorder, target, total)
        return
    target = basic_part(recorder, array, items)
    x, axes, brackets = picked_letters(recorder, target, items)
    source = recorder.read(lift(recorder, new))
    align(recorder, Indexed(x.ref, axes), source)
    ufunc = np.add if sign > 0 else np.subtract
    ufunc.at(array.value, tuple(map(concrete_key, items)), plain_value(new))
    added = (Factor.of(sign), Ref(source.ref.name, source.ref.indices))
    replace(recorder, target, x, scatter(recorder, x.ref.name, x.ref.indices, added, {}, brackets))


# Writes by masks


def fits_mask(mask: View, new: Any) -> bool:
    """Whether what is written where a mask holds can be written with the whole array."""
    if type(new) is Selection:
        return same_mask(new.mask, mask)
    return is_scalar(new) or (is_traced(new) and not new.axes) or not mask.axes


@asks_numpy
def write_masked(recorder: Recorder, array: View, items: Key, new: Any) -> None:
    """``x[mask] = v``: v where the mask holds, x elsewhere."""
    mask = items[0]
    rest = [slice(None)] * len(mask.axes) + items[1:]
    target = view_of(recorder, array, rest, array.value[(*map(concrete_key, rest), ...)])
    before: Any = target.copied(np.array(target.value))
    spread = mask[(..., *(None,) * (len(target.axes) - len(mask.axes)))]
    if type(new) is Selection:
        result = np.where(spread, new.whole, before)
    elif is_zero(new) and np.isfinite(before.value).all() and not is_of_no_numbers(mask):
        result = np.multiply(before, np.logical_not(spread))
    else:
        result = np.where(spread, new, before)
    target.value[mask.value] = plain_value(new)
    assign(recorder, target, result)


def is_of_no_numbers(mask: View) -> bool:
    """Whether a mask is where something is nan or infinite: 0 times that is not 0."""
    made = mask.recorder.made.get(mask.buffer.name)
    return isinstance(made, Map) and made.function in ("isnan", "isinf")


# Functions that write into their first argument


def write_flat(array: Any, key: Any, values: Any) -> None:
    """``array.flat[key] = values``: into a reshape where that is a view, else into a copy that is written back."""
    entries: Any = np.reshape(array, -1)
    entries[key] = values
    if not np.may_share_memory(entries.value, array.value):
        array[...] = np.reshape(entries, np.shape(array.value))


def put(recorder: Recorder, _: Any, a: Any, ind: Any, v: Any) -> None:
    """``np.put`` of one value, or of as many as places."""
    places, values = lift(recorder, as_it_is(recorder, a, ind)), lift(recorder, as_it_is(recorder, a, v))
    count, given = np.size(places.value), np.size(values.value)
    if given not in (1, count):
        raise TraceError("np.put of fewer or more values than places is not read")
    write_flat(a, np.reshape(places, -1), np.reshape(values, () if given == 1 else -1))


def put_along_axis(recorder: Recorder, _: Any, arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """``np.put_along_axis``."""
    if axis is None:
        set_item(recorder, layout.reshaped(recorder, arr, (-1,), arr.value.reshape(-1)), (indices,), values)
        return
    set_item(recorder, arr, picking.grid_along(recorder, np.shape(arr.value), indices, axis % len(arr.axes)), values)


def copy_to(recorder: Recorder, _: Any, dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """``np.copyto``."""
    set_item(recorder, dst, Ellipsis, src if where is True else np.where(where, src, dst))


def put_mask(recorder: Recorder, _: Any, a: Any, mask: Any, values: Any) -> None:
    """``np.putmask`` of one number."""
    if np.ndim(plain_value(values)):
        raise TraceError("np.putmask of several values is not read: use np.where")
    set_item(recorder, a, Ellipsis, np.where(mask, values, a))


def fill_diagonal(recorder: Recorder, _: Any, a: Any, val: Any, wrap: bool = False) -> None:
    """``np.fill_diagonal`` of a matrix."""
    if len(a.axes) != 2 or wrap:
        raise TraceError("np.fill_diagonal is read for a matrix and without wrap=True")
    places = np.arange(min(np.shape(a.value)))
    values = val if np.ndim(plain_value(val)) == 0 else val[: len(places)]
    set_item(recorder, a, (places, places), values)
