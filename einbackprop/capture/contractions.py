"""How products of matrices, and sums, means, norms and extrema over axes, are written down.

A product of matrices is one contraction, whatever its NumPy name. What has NumPy's names and order of parameters,
behind what NumPy answered, is a rule as it stands.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.program import Bracket, Contract, Extremum, Factor, Position
from . import arithmetic, creation, layout, sizes
from .indexing import written_out
from .memory import View, follows, is_traced
from .pointwise import add, apply_map, contracted, is_boolean, is_scalar, lift, product, unread
from .recorder import Indexed, Recorder


def summed_together(recorder: Recorder, x: Indexed, i: int, y: Indexed, j: int) -> None:
    """Make two axes one index that is summed over, and take them off both lists of axes."""
    recorder.join(x, i, y, j)
    del x.axes[i]
    del y.axes[j]


def matmul(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``a @ b``: the last axis of a with the last but one of b; axes before those broadcast."""
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    rows = x.axes.pop(-2) if len(x.axes) > 1 else None
    columns = y.axes.pop(-1) if len(y.axes) > 1 else None
    summed_together(recorder, x, len(x.axes) - 1, y, len(y.axes) - 1)
    batch: list[str] = []
    for i in range(-max(len(x.axes), len(y.axes)), 0):
        if -i <= len(x.axes) and -i <= len(y.axes):
            recorder.join(x, i, y, i)
        batch.append((x.axes[i] if -i <= len(x.axes) else "") or (y.axes[i] if -i <= len(y.axes) else ""))
    return contracted(recorder, [x, y], batch + [axis for axis in (rows, columns) if axis is not None], value)


def dot(recorder: Recorder, a: Any, b: Any, value: Any, place: int = 2) -> Any:
    """``np.dot``: the last axis of a with the last but one of b, of ``np.inner`` the last one; nothing broadcasts."""
    if rank_of(a) == 0 or rank_of(b) == 0:
        return product(recorder, a, b, value)
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    summed_together(recorder, x, len(x.axes) - 1, y, max(len(y.axes) - place, 0))
    return contracted(recorder, [x, y], x.axes + y.axes, value)


def outer(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``np.outer``: every entry of a with every entry of b."""
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    return contracted(recorder, [x, y], ["".join(x.axes), "".join(y.axes)], value)


def kron(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``np.kron``: each axis of the result is that of a and that of b, merged."""
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    rank = max(len(x.axes), len(y.axes))
    left = [""] * (rank - len(x.axes)) + x.axes
    right = [""] * (rank - len(y.axes)) + y.axes
    return contracted(recorder, [x, y], [p + q for p, q in zip(left, right, strict=True)], value)


def vdot(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``np.vdot``: the sum of the products of all entries, those of a conjugated."""
    a, b = lift(recorder, np.conjugate(a)), lift(recorder, b)
    x, y = recorder.read(a), recorder.read(b)
    if np.shape(a.value) != np.shape(b.value):
        x, y = Indexed(x.ref, ["".join(x.axes)]), Indexed(y.ref, ["".join(y.axes)])
    for i in range(len(x.axes)):
        recorder.join(x, i, y, i)
    return contracted(recorder, [x, y], [], value)


def tensordot(recorder: Recorder, a: Any, b: Any, axes: Any, value: Any) -> Any:
    """``np.tensordot``: pairs of axes are summed."""
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    if isinstance(axes, int | np.integer):
        left, right = list(range(-int(axes), 0)), list(range(int(axes)))
    else:
        left, right = ([axis] if np.ndim(axis) == 0 else list(axis) for axis in axes)
    left = [i % len(x.axes) for i in left]
    right = [j % len(y.axes) for j in right]
    for i, j in zip(left, right, strict=True):
        recorder.join(x, i, y, j)
    kept = [axis for i, axis in enumerate(x.axes) if i not in left]
    kept += [axis for j, axis in enumerate(y.axes) if j not in right]
    return contracted(recorder, [x, y], kept, value)


def einsum(recorder: Recorder, arguments: Sequence[Any], value: Any) -> Any:
    """``np.einsum``: the letters that the user wrote survive."""
    if isinstance(arguments[0], str):
        terms, output = explicit(arguments[0].replace(" ", ""), [rank_of(a) for a in arguments[1:]])
        given: Sequence[Any] = arguments[1:]
    else:
        given = arguments[: len(arguments) // 2 * 2 : 2]
        subscripts = ",".join(map(letters_of, arguments[1::2]))
        if len(arguments) % 2:
            subscripts += "->" + letters_of(arguments[-1])
        terms, output = explicit(subscripts, [rank_of(a) for a in given])
    operands = [recorder.read(lift(recorder, a)) for a in given]
    table: dict[str, Indexed] = {}
    for term, x in zip(terms, operands, strict=True):
        for i, letter in enumerate(term):
            recorder.flatten(x, i)
            known = table.setdefault(letter, Indexed(x.ref, [x.axes[i]]))
            recorder.join(known, 0, x, i)
            known.axes[0] = known.axes[0] or x.axes[i]
            if isinstance(arguments[0], str) and letter.isascii() and len(known.axes[0]) == 1:
                axis = recorder.dimensions.axis(known.axes[0])
                axis.hint = axis.hint or letter
    made: View = contracted(recorder, operands, [table[letter].axes[0] for letter in output], value)
    if len(given) == 1 and is_traced(given[0]) and sorted(terms[0]) == sorted(set(output)) == sorted(output):
        array: View = given[0]
        if isinstance(value, np.ndarray) and np.may_share_memory(value, array.value):
            order = [output.index(letter) for letter in terms[0]]
            follows(made, array, lambda: einsum(recorder, arguments, value).buffer.name,
                    lambda: layout.transposed(made, order, array.value))  # fmt: skip
    elif len(given) == 1 and is_traced(given[0]) and len(terms[0]) == 2 and len(output) == len(set(terms[0])) == 1:
        whole: Any = given[0]
        line: Any = made
        on_it = np.not_equal(creation.identity(recorder, whole.shape[0], None, 0, np.eye(len(value))), 0)

        def back() -> Any:
            return np.where(on_it, line[:, None], whole)

        follows(made, whole, lambda: einsum(recorder, arguments, value).buffer.name, back)
    return made


def letters_of(numbers: Any) -> str:
    """The subscripts of the form of ``np.einsum`` that takes lists of whole numbers."""
    return "".join("..." if n is Ellipsis else chr(ord("A" if n < 26 else "a") + int(n) % 26) for n in numbers)


def explicit(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Terms and output with one character an axis: the axes of an ellipsis are digits, counted from the right."""
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    spare = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    longest = max((n for term, n in zip(terms, spare, strict=True) if "..." in term), default=0)
    digits = "".join(chr(0x2460 + n) for n in range(longest))
    spread = [t.replace("...", digits[len(digits) - n :]) for t, n in zip(terms, spare, strict=True)]
    if not arrow:
        letters = sorted(i for i in set(inputs) if i.isalpha() and inputs.count(i) == 1)
        output = ("..." if "..." in inputs else "") + "".join(letters)
    return spread, output.replace("...", digits)


def convolved(recorder: Recorder, a: Any, v: Any, mode: str, flipped: bool, value: Any) -> Any:
    """``np.convolve``, or ``np.correlate`` where v is flipped: ``[p + c = s + r]`` and ``[s = p + r - c]``."""
    n, m = len(a), len(v)
    if n < m and not flipped:
        return convolved(recorder, v, a, mode, False, value)
    if n < m:
        return unread(recorder, [a, v], "a correlation with something longer than the data is not read", value)
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, np.conjugate(v) if flipped else v))
    recorder.flatten(x, 0)
    recorder.flatten(y, 0)
    s, r = x.axes[0], y.axes[0]
    before = {"full": m - 1, "same": m // 2, "valid": 0}[mode] if flipped else {
        "full": 0, "same": (m - 1) // 2, "valid": m - 1}[mode]  # fmt: skip
    way = ("windows", mode, flipped)
    places = [recorder.dimensions.axis(s), recorder.dimensions.axis(r)]
    most, least = arithmetic.size_of(places[0]), arithmetic.size_of(places[1])
    count = {"full": most + least - 1, "same": most, "valid": most - least + 1}[mode]
    p = recorder.dimensions.letter(recorder.sized_as(recorder.dimensions.derived(way, places, len(value)), count))
    if flipped:
        bracket = Bracket(Position.of(s), "=", Position.of(p, r, constant=-before))
    else:
        bracket = Bracket(Position.of(p, constant=before), "=", Position.of(s, r))
    if before:  # an offset, written as a number
        sizes.frozen(least)
    if mode == "same" and sizes.is_measured(most - least):  # as long as the longer of the two
        sizes.is_negative(most - least)
    refs = (x.ref, y.ref)
    return recorder.define([p], lambda out, source: Contract(out, refs, (bracket,), source=source), value)


def rank_of(value: Any) -> int:
    """The number of axes of an operand."""
    return 0 if is_scalar(value) else int(np.ndim(value.value if is_traced(value) else value))


def in_turn(recorder: Recorder, arrays: Sequence[Any], value: Any) -> Any:
    """``np.linalg.multi_dot``: from left to right."""
    result = arrays[0]
    for array in arrays[1:]:
        result = np.dot(result, array)
    return lift(recorder, result).copied(value)


def positive_axes(axis: Any, rank: int) -> list[int]:
    """The axes that a reduction is over, counted from the front."""
    if axis is None:
        return list(range(rank))
    return [int(i) % rank for i in (axis if isinstance(axis, tuple | list) else (axis,))] if rank else []


def kept_axes(x: Indexed, over: Sequence[int], keepdims: bool) -> list[str]:
    """The letters of the result's axes: a reduced axis goes, or stays as a unit axis."""
    return [("" if i in over else axis) for i, axis in enumerate(x.axes) if keepdims or i not in over]


def total(recorder: Recorder, a: Any, axis: Any, keepdims: bool, value: Any, factor: Factor | None = None) -> Any:
    """The sum over axes, times a factor."""
    x = recorder.read(lift(recorder, a))
    over = positive_axes(axis, len(x.axes))
    return recorder.define(
        kept_axes(x, over, keepdims),
        lambda out, source: Contract(out, (x.ref,), (), factor or Factor(), source),
        value,
    )


def count(a: Any, axis: Any) -> Any:
    """How many entries a reduction runs over, as a size that remembers its letters."""
    return sizes.product_of_sizes(a.shape[i] for i in positive_axes(axis, len(a.axes)))


def mean(recorder: Recorder, a: Any, axis: Any, keepdims: bool, value: Any) -> Any:
    """The sum over the number of entries."""
    a = lift(recorder, a)
    if not int(count(a, axis)):
        return unread(recorder, [a], "a mean over no entries is not read", value)
    return total(recorder, a, axis, keepdims, value, recorder.factor(1 / count(a, axis)))


def variance(recorder: Recorder, value: Any, a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0,
             keepdims: bool = False) -> Any:  # fmt: skip
    """The mean of the squared differences from the mean."""
    a = lift(recorder, a)
    plain = np.asarray(a.value)
    over = tuple(positive_axes(axis, plain.ndim))
    n = count(a, axis)
    if plain.dtype.kind == "c" or int(n) <= ddof:
        return unread(recorder, [a], "a variance of complex numbers, or of too few, is not read", value)
    centre = mean(recorder, a, over, True, plain.mean(over, keepdims=True))
    difference = plain - plain.mean(over, keepdims=True)
    off = add(recorder, a, centre, -1, difference)
    square = apply_map(recorder, "power", [off], difference**2, Fraction(2))
    return total(recorder, square, axis, keepdims, value, recorder.factor(1 / (n - ddof if ddof else n)))


def deviation(recorder: Recorder, value: Any, a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0,
              keepdims: bool = False) -> Any:  # fmt: skip
    """The root of the variance."""
    var = variance(recorder, np.asarray(value) ** 2, a, axis, ddof=ddof, keepdims=keepdims)
    return apply_map(recorder, "power", [var], value, Fraction(1, 2))


def norm(
    recorder: Recorder, value: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    """The Euclidean norm (of all entries, or along axes), the 1-norm and the maximum norm of vectors."""
    a = lift(recorder, x)
    plain = np.asarray(a.value)
    over = tuple(positive_axes(axis, plain.ndim))
    is_vector = len(over) == 1 or (axis is None and ord is None)
    size = np.abs(plain)
    if (ord is None or (ord == 2 and is_vector) or (ord == "fro" and len(over) == 2)) and plain.dtype.kind != "c":
        squares = np.sum(size**2, over, keepdims=keepdims)
        square = apply_map(recorder, "power", [a], size**2, Fraction(2))
        return apply_map(recorder, "power", [total(recorder, square, over, keepdims, squares)], value, Fraction(1, 2))
    if ord == 1 and is_vector:
        return total(recorder, apply_map(recorder, "abs", [a], size), over, keepdims, value)
    if ord == np.inf and is_vector:
        return extremum(recorder, apply_map(recorder, "abs", [a], size), "max", over, keepdims, value)
    if ord in ("nuc", 2, -2) or plain.dtype.kind == "c":
        return unread(recorder, [a], f"np.linalg.norm with ord={ord!r} is not read", value)
    return norm_of_order(a, ord, over, keepdims) if is_vector else norm_of_sums(a, ord, over, keepdims)


def norm_of_order(a: Any, ord: Any, over: tuple[int, ...], keepdims: bool) -> Any:
    """The norm of vectors of another order than 1, 2 and infinity."""
    if ord == -np.inf:
        return np.min(np.abs(a), axis=over, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.not_equal(a, 0), axis=over, keepdims=keepdims)
    return np.sum(np.abs(a) ** ord, axis=over, keepdims=keepdims) ** (1.0 / ord)


def norm_of_sums(a: Any, ord: Any, over: tuple[int, ...], keepdims: bool) -> Any:
    """The norms of matrices that are the largest or smallest sum of a column (1, -1) or of a row (inf, -inf)."""
    summed, kept = over if abs(ord) == 1 else over[::-1]
    extreme = (np.max if ord > 0 else np.min)(
        np.sum(np.abs(a), axis=summed, keepdims=True), axis=kept, keepdims=True)
    return extreme if keepdims else np.squeeze(extreme, axis=over)


def extremum(recorder: Recorder, a: Any, kind: Any, axis: Any, keepdims: bool, value: Any, held: bool = False) -> Any:
    """Max or min over axes; ``held`` where nothing depends on it."""
    x = recorder.read(lift(recorder, a))
    over = positive_axes(axis, len(x.axes))
    if not any(x.axes[i] for i in over):
        return lift(recorder, np.reshape(a, np.shape(value))).copied(value)
    return recorder.define(
        kept_axes(x, over, keepdims), lambda out, source: Extremum(out, x.ref, kind, "", held, source), value
    )


def position(
    kind: Any, recorder: Recorder, value: Any, a: Any, axis: Any = None, *, keepdims: bool = False
) -> Any:
    """Where along one axis the extreme value is first reached; along all, where in C order."""
    a = lift(recorder, a)
    x = recorder.read(a)
    over = positive_axes(axis, len(x.axes))
    merged = Indexed(x.ref, ["".join(x.axes[i] for i in over)])
    recorder.own_letter(merged, 0)
    letter, ref = merged.axes[0], merged.ref
    axes = kept_axes(x, over, keepdims)
    if letter not in ref.indices:
        return recorder.define(axes, lambda out, source: Contract(out, (), (), Factor.of(0), source), value)
    return recorder.define(axes, lambda out, source: Extremum(out, ref, kind, letter, source=source), value)


def holds(
    everywhere: bool, recorder: Recorder, value: Any, a: Any, axis: Any = None, *, keepdims: bool = False
) -> Any:
    """``np.all`` and ``np.any``: the min and max of 0 and 1."""
    a = lift(recorder, a)
    truth = a if is_boolean(a) else apply_map(recorder, "not_equal", [a, 0], np.asarray(a.value) != 0)
    if not np.size(a.value):
        return unread(recorder, [a], "np.all and np.any of no entries are not read", value)
    return extremum(recorder, truth, "min" if everywhere else "max", axis, keepdims, value)


def multiplied(recorder: Recorder, value: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """``np.prod``: the product of the slices along each axis, one factor an entry."""
    a = lift(recorder, a)
    result: Any = a
    for i in sorted(positive_axes(axis, len(a.axes)), reverse=True):
        size = written_out(recorder, result, i)
        lead = (slice(None),) * i
        parts = [result[(*lead, slice(n, n + 1) if keepdims else n)] for n in range(size)]
        if not parts:
            return unread(recorder, [a], "a product over no entries is not read", value)
        result = parts[0]
        for part in parts[1:]:
            result = result * part
    return lift(recorder, result).copied(value)


def log_sum_exp(recorder: Recorder, value: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """``np.logaddexp.reduce``: with the max taken out, which nothing depends on."""
    a = lift(recorder, a)
    over = tuple(positive_axes(axis, len(a.axes)))
    top = extremum(recorder, a, "max", over, True, np.max(a.value, axis=over, keepdims=True), held=True)
    result = top + np.log(np.sum(np.exp(a - top), axis=over, keepdims=True))
    return result if keepdims else np.squeeze(result, axis=over)


def running_sum(recorder: Recorder, value: Any, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """``np.cumsum`` along one axis: the sum over all positions up to this one."""
    x = recorder.read(lift(recorder, a if np.ndim(a.value if is_traced(a) else a) else np.reshape(a, -1)))
    if axis is None:
        x, axis = Indexed(x.ref, ["".join(x.axes)]), 0
    i = positive_axes(axis, len(x.axes))[0]
    recorder.own_letter(x, i)
    last = recorder.dimensions.letter(recorder.dimensions.axis(x.axes[i]))
    bracket = Bracket(Position.of(x.axes[i]), "≤", Position.of(last))
    axes = [*x.axes[:i], last, *x.axes[i + 1 :]]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value)


def average(
    recorder: Recorder, value: Any, a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False
) -> Any:
    """``np.average``: a mean, weighted if weights are given."""
    if weights is None:
        return mean(recorder, a, axis, keepdims, value)
    a, weights = lift(recorder, a), lift(recorder, weights)
    over = positive_axes(axis, len(a.axes))
    if len(weights.axes) != len(a.axes):
        rest = [i for i in range(len(a.axes)) if i not in over]
        if len(over) != 1:
            return unread(recorder, [a, weights], "np.average with weights of several axes is not read", value)
        weights = lift(recorder, np.expand_dims(weights, tuple(rest)))
    plain, w = np.asarray(a.value), np.broadcast_to(weights.value, np.shape(a.value))
    weighted, weight = (np.sum(p, axis=tuple(over), keepdims=keepdims) for p in (plain * w, w))
    top = total(recorder, product(recorder, a, weights, plain * w), over, keepdims, weighted)
    wide = product(recorder, weights, np.ones_like(a), w)
    bottom = total(recorder, wide, over, keepdims, weight)
    inverse = apply_map(recorder, "power", [bottom], 1 / np.asarray(weight), Fraction(-1))
    return product(recorder, top, inverse, value)


def masked(a: Any, where: Any, number: Any) -> Any:
    """The array with a number where a mask does not hold; the array itself without a mask."""
    return a if where is True else np.where(where, a, number)
