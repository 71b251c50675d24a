"""How products of matrices are written down: each is one contraction, whatever its NumPy name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.program import Bracket, Contract, Position
from . import arithmetic, creation, layout
from .memory import View, follows, is_traced
from .pointwise import is_scalar, lift, product, unread
from .recorder import Indexed, Recorder


def contracted(recorder: Recorder, operands: Sequence[Indexed], axes: Sequence[str], value: Any) -> Any:
    """The product of operands, summed over every letter that the result lacks."""
    refs = tuple(x.ref for x in operands)
    return recorder.define(axes, lambda out, source: Contract(out, refs, source=source), value)


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


def dot(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``np.dot``: the last axis of a with the last but one of b; nothing broadcasts."""
    if rank_of(a) == 0 or rank_of(b) == 0:
        return product(recorder, a, b, value)
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    summed_together(recorder, x, len(x.axes) - 1, y, max(len(y.axes) - 2, 0))
    return contracted(recorder, [x, y], x.axes + y.axes, value)


def inner(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``np.inner``: the last axes of both."""
    if rank_of(a) == 0 or rank_of(b) == 0:
        return product(recorder, a, b, value)
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    summed_together(recorder, x, len(x.axes) - 1, y, len(y.axes) - 1)
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
