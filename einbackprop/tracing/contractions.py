"""How products of matrices are written down: each is one contraction, whatever its NumPy name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from ..errors import TraceError
from ..program import Contract
from .pointwise import is_scalar, lift, product
from .recorder import Indexed, Recorder, View


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
    if is_scalar(a) or is_scalar(b) or np.ndim(_plain(a)) == 0 or np.ndim(_plain(b)) == 0:
        return product(recorder, a, b, value)
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    summed_together(recorder, x, len(x.axes) - 1, y, max(len(y.axes) - 2, 0))
    return contracted(recorder, [x, y], x.axes + y.axes, value)


def inner(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``np.inner``: the last axes of both."""
    if is_scalar(a) or is_scalar(b):
        return product(recorder, a, b, value)
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    summed_together(recorder, x, len(x.axes) - 1, y, len(y.axes) - 1)
    return contracted(recorder, [x, y], x.axes + y.axes, value)


def outer(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``np.outer``: every entry of a with every entry of b."""
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    return contracted(recorder, [x, y], ["".join(x.axes), "".join(y.axes)], value)


def vdot(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``np.vdot`` of real arrays: the sum of the products of all entries."""
    if np.iscomplexobj(_plain(a)):
        return recorder.opaque([lift(recorder, a), lift(recorder, b)], "np.vdot of complex arrays is not read", value)
    x, y = recorder.read(lift(recorder, a)), recorder.read(lift(recorder, b))
    merged = [Indexed(z.ref, ["".join(z.axes)]) for z in (x, y)]
    if len(x.axes) == len(y.axes):
        for i in range(len(x.axes)):
            recorder.join(x, i, y, i)
        merged = [x, y]
    else:
        recorder.join(merged[0], 0, merged[1], 0)
    return contracted(recorder, merged, [], value)


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
    if not isinstance(arguments[0], str):
        raise TraceError("np.einsum is read in its form with a subscripts string, such as 'ij,jb->ib'")
    inputs, output = explicit(arguments[0].replace(" ", ""), [np.ndim(_plain(a)) for a in arguments[1:]])
    operands = [recorder.read(lift(recorder, a)) for a in arguments[1:]]
    table: dict[str, Indexed] = {}
    for term, x in zip(inputs, operands, strict=True):
        for i, letter in enumerate(term):
            known = table.setdefault(letter, Indexed(x.ref, [x.axes[i]]))
            recorder.join(known, 0, x, i)
            known.axes[0] = known.axes[0] or x.axes[i]
            if letter.isalpha() and len(known.axes[0]) == 1:
                axis = recorder.dimensions.axis(known.axes[0])
                axis.hint = axis.hint or letter
    return contracted(recorder, operands, [table[letter].axes[0] for letter in output], value)


def explicit(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Terms and output with one character an axis: the axes of an ellipsis are digits, counted from the right."""
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    longest = max((rank - len(t.replace("...", "")) for t, rank in zip_longest(terms, ranks, fillvalue=0) if "..." in t),
                  default=0)  # fmt: skip
    digits = "".join(chr(0x2460 + n) for n in range(longest))
    spread = [
        t.replace("...", digits[len(digits) - (rank - len(t.replace("...", ""))) :] if "..." in t else "")
        for t, rank in zip(terms, ranks, strict=True)
    ]
    if not arrow:
        letters = sorted(i for i in set(inputs) if i.isalpha() and inputs.count(i) == 1)
        output = ("..." if "..." in inputs else "") + "".join(letters)
    return spread, output.replace("...", digits)


def _plain(value: Any) -> Any:
    return value.value if issubclass(type(value), View) else value
