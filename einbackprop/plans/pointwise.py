"""Sums of terms and pointwise functions: ufuncs into memory that is there already, in place where nothing is lost.

Operands are brought to one order in memory, that of the largest: a ufunc that reads one operand along its rows and
another along its columns costs 4 to 20 times as much. Choices by a mask, ``where(mask, a, b)``, are made with the bits
of the numbers, which are lost nowhere: nan, -0, inf.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from ..core import elementwise
from ..core.program import Map, Ref, Sum
from .views import Dtype, View, memory_order
from .workspace import Number, Slot, Workspace, number_of

UFUNCS = {
    "exp": "exp", "expm1": "expm1", "exp2": "exp2", "log": "log", "log1p": "log1p", "log2": "log2",
    "log10": "log10", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "arcsin", "arccos": "arccos",
    "arctan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "arcsinh",
    "arccosh": "arccosh", "arctanh": "arctanh", "abs": "abs", "sign": "sign", "maximum": "maximum",
    "minimum": "minimum", "conj": "conjugate",
}  # fmt: skip
"""Functions that are a ufunc, on floating point numbers."""

KEYWORD = {"maximum", "minimum"}
"""Ufuncs that want their output by name, and that are slow beside a single number."""

LONG_ROW = 1 << 15
"""Entries of a row of one number, at most."""

SMALL = 512
"""Entries up to which memory traffic does not matter."""

QUIET = {
    "maximum", "minimum", "tanh", "sin", "cos", "abs", "sign", "conj", "arctan", "relu", "step", "truth", "where",
    "greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "logical_not",
}  # fmt: skip
"""Functions that NumPy does not warn about on finite numbers."""


def target(work: Workspace, slot: Slot, letters: str, operands: Sequence[View], still: Sequence[View] = ()) -> View:
    """Memory for an elementwise result: an operand that nothing needs any more, else new memory in their order.

    ``still`` are views that later steps of the same equation read.
    """
    if slot.into is not None:
        return slot.into
    order = work.order_of(slot.name, letters, sorted(operands, key=lambda v: -v.size))
    home = work.home(order, slot.dtype, slot.name)
    if home is not None:
        return home
    if slot.name not in work.fresh:
        for view in operands:
            rest = [v for v in operands if v is not view and v.text != view.text]
            if view.dtype == slot.dtype and set(view.term) == set(letters) and work.is_spare(view, [*rest, *still]):
                return view
    return work.allocate(order, slot.dtype, slot.name)


def apply(work: Workspace, function: str, operands: Sequence[View], out: View, *, flops: int = 1) -> View:
    """Write a call of a ufunc."""
    order = memory_order(out)
    places = ", ".join(f"{{{n}}}" for n in range(len(operands)))
    spread = [filled_out(work, view, out).spread(order) for view in operands]
    if function in KEYWORD:
        spread = [as_row(work, view, out, order) for view in spread]
    call = f"{function}({places}, {'out=' * (function in KEYWORD)}{{out}})"
    work.assembly.emit("elementwise", call, *spread, out=out.transposed(order), flops=flops * out.size)
    return out


def filled_out(work: Workspace, view: View, out: View) -> View:
    """An operand with every letter of a small result: a ufunc that broadcasts takes as long to begin as three calls."""
    if not view.term or set(view.term) == set(out.term) or out.size > SMALL or view.dtype != out.dtype:
        return view
    order = memory_order(out)
    if view.root.kind == "constant" and view.text == view.root.name:
        shape = tuple(out.length(i) for i in order)
        axes = [view.term.index(i) for i in order if i in view.term]
        array = work.assembly.constants[view.root.name].transpose(axes).reshape(view.spread(order).array.shape)
        return work.assembly.constant(np.broadcast_to(array, shape), order)
    whole = work.allocate(order, view.dtype)
    lacking = "".join(i for i in order if i not in view.term)
    own = "".join(i for i in view.term if i in order)
    work.assembly.emit("fill", "{out}[...] = {0}", view, out=whole.transposed(lacking + own))
    return whole


def as_row(work: Workspace, number: View, out: View, order: str) -> View:
    """A number as an array of it, as long as the last axes of a large result: two to four times as fast."""
    first = next((n for n in range(len(order)) if out.count(order[n:]) <= LONG_ROW), len(order))
    row = order[first:]
    if number.root.kind != "constant" or number.size != 1 or out.count(row) <= SMALL:
        return number
    value = work.assembly.constants[number.root.name].reshape(())
    return work.assembly.constant(np.broadcast_to(value, work.shape(row)), row).spread(order)


def product(work: Workspace, operands: Sequence[View], letters: str, slot: Slot, scale: Number = 1) -> View:
    """The product of views, each broadcast to the letters, times a number."""
    views = small_first(work, sorted(operands, key=lambda v: -v.size), slot)
    if scale != 1 or not views:
        constant = work.number(scale, slot.dtype)
        smallest = views.pop() if len(views) > 1 and views[-1].size < views[0].size else None
        if smallest is not None:
            place = target(work, Slot(slot.dtype), smallest.term, [smallest], views)
            views.append(apply(work, "multiply", [smallest, constant], place))
        else:
            views.append(constant)
    if len(views) == 1:
        return copied(work, views[0], letters, slot)
    out = target(work, slot, letters, views[:2], views[2:])
    result = apply(work, "multiply", views[:2], out)
    for view in views[2:]:
        result = apply(work, "multiply", [result, view], result)
    return result


def small_first(work: Workspace, views: list[View], slot: Slot) -> list[View]:
    """The operands, the largest first, with those put together that make nothing larger: each saves a whole pass."""
    while len(views) > 2:
        *rest, smallest = views
        host = next((v for v in reversed(rest[1:]) if set(smallest.term) <= set(v.term)), None)
        if host is None or host.size == rest[0].size:
            return views
        others = [v for v in rest if v is not host]
        place = target(work, Slot(slot.dtype), host.term, [host, smallest], others)
        made = apply(work, "multiply", [host, smallest], place)
        views = sorted([*others, made], key=lambda v: -v.size)
    return views


def copied(work: Workspace, view: View, letters: str, slot: Slot) -> View:
    """A view's entries in memory of their own, broadcast to the letters."""
    out = slot.into
    if out is None:
        out = work.allocate(work.order_of(slot.name, letters, [view]), slot.dtype, slot.name)
    order = memory_order(out)
    work.assembly.emit("copy", "copyto({out}, {0})", view.spread(order), out=out.transposed(order))
    return out


def add_terms(work: Workspace, equation: Sum) -> View:
    """``out = Σ factor · term``."""
    out, dtype = equation.out, work.dtypes[equation.out.name]
    slot = work.slot(out)
    terms = [(number_of(factor, work.program.sizes), ref) for factor, ref in equation.terms]
    terms.sort(key=lambda term: _rank(term[1], out.indices, work))
    views = [
        (number, work.read_as(ref, dtype) if ref is not None else work.number(1, dtype)) for number, ref in terms
    ]
    signed = [(not isinstance(number, complex) and number < 0, number, view) for number, view in views]
    if all(subtracted for subtracted, _, _ in signed) and len(signed) > 1:
        result = _added(work, [(False, -number, view) for _, number, view in signed], out.indices, slot)
        return apply(work, "negative", [result], result)
    signed.sort(key=lambda term: term[0])  # begin with one that is added
    return _added(work, signed, out.indices, slot)


def _rank(ref: Ref | None, letters: str, work: Workspace) -> tuple[int, int]:
    """Full terms first, and among them what may be written over."""
    if ref is None:
        return (2, 0)
    return (0 if set(ref.indices) == set(letters) else 1, 0 if work.is_spare(work.values[ref.name]) else 1)


def _added(work: Workspace, terms: list[tuple[bool, Number, View]], letters: str, slot: Slot) -> View:
    """Terms added one after another into one array."""
    rest = [view for _, _, view in terms]
    (_, number, first), *others = terms
    if not others:
        if number == 1 and slot.into is not None and first.root is slot.into.root:
            return slot.into
        free = number == 1 and slot.into is None and slot.name not in work.fresh
        if free and first.dtype == slot.dtype and set(first.term) == set(letters) and work.is_spare(first):
            return first
        return product(work, [first], letters, slot, number)
    if number != 1:
        first = _scaled(work, first, number, rest[1:])
    result: View | None = None
    for position, (subtracted, factor, view) in enumerate(others):
        later = rest[position + 2 :]
        weight = -factor if subtracted else factor
        if weight != 1:
            view = _scaled(work, view, weight, [*later, result or first])
        operands = [result or first, view]
        if result is None:
            result = target(work, slot, letters, operands, later)
        apply(work, "subtract" if subtracted else "add", operands, result)
    assert result is not None
    return result


def _scaled(work: Workspace, view: View, number: Number, still: Sequence[View]) -> View:
    """A term times a number, in memory of its own or in place."""
    if view.root.kind == "constant" and not view.term:
        return work.number(work.assembly.constants[view.root.name][()] * number, view.dtype)
    place = target(work, Slot(view.dtype), view.term, [view], still)
    return apply(work, "multiply", [view, work.number(number, view.dtype)], place)


def pointwise(work: Workspace, equation: Map) -> View:
    """``out = f(operands)``."""
    out = equation.out
    dtype = work.dtypes[out.name]
    slot = work.slot(out)
    views = work.read_all(equation)
    numbers = views[1:] if equation.function == "where" else views
    floating = dtype.kind in "fc" and dtype.char != "e" and all(view.dtype == dtype for view in numbers)
    if floating and equation.function in WRITERS:
        written = WRITERS[equation.function](work, views, equation, slot)
        if written is not None:
            return written
    if dtype.kind == "b" and equation.function in CONDITIONS and len({view.dtype for view in views}) == 1:
        return condition(work, views, equation, slot)
    if floating and equation.function in UFUNCS:
        return apply(work, UFUNCS[equation.function], views, target(work, slot, out.indices, views), flops=8)
    return evaluated(work, equation, views, slot)


def evaluated(work: Workspace, equation: Map, views: Sequence[View], slot: Slot) -> View:
    """Any function, as the table of functions evaluates it."""
    order = work.order_of(slot.name, equation.out.indices, views)
    out = work.open(slot, order)
    name = work.assembly.function(Evaluation(equation.function, equation.parameter))
    places = ", ".join(f"{{{n}}}" for n in range(len(views)))
    work.assembly.emit(
        "elementwise", f"copyto({{out}}, {name}({places}), 'unsafe')", *[v.spread(order) for v in views], out=out,
        flops=8 * out.size,
    )  # fmt: skip
    return out


class Evaluation:
    """A pointwise function as the source of a plan calls it."""

    def __init__(self, function: str, parameter: Fraction | float | complex | None) -> None:
        self.function = function
        self.parameter = parameter

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        return elementwise.evaluate(self.function, arrays, self.parameter)


Writer = Callable[[Workspace, Sequence[View], Map, Slot], View | None]


def _sigmoid(work: Workspace, views: Sequence[View], equation: Map, slot: Slot) -> View | None:
    """``1 / (1 + exp(-x))``: to rounding on both sides. Where exp overflows, 1/inf is what it should be."""
    if slot.dtype.kind == "c":
        return None
    (x,) = views
    out = apply(work, "negative", [x], target(work, slot, equation.out.indices, [x]))
    apply(work, "exp", [out], out, flops=8)
    apply(work, "add", [out, work.number(1, slot.dtype)], out)
    return reciprocal(work, out, out)


def _relu(work: Workspace, views: Sequence[View], equation: Map, slot: Slot) -> View | None:
    """``max(x, 0)``."""
    if slot.dtype.kind == "c":
        return None
    out = target(work, slot, equation.out.indices, views)
    return apply(work, "maximum", [views[0], work.number(0, slot.dtype)], out)


def _power(work: Workspace, views: Sequence[View], equation: Map, slot: Slot) -> View | None:
    """Powers that are cheaper than ``power``."""
    p, (x,) = equation.parameter, views
    if not isinstance(p, Fraction):
        return None
    out: View
    if p in (Fraction(2), Fraction(3), Fraction(4)):
        out = target(work, slot, equation.out.indices, [x], [x] if p == 3 else [])
        apply(work, "multiply", [x, x], out)
        return out if p == 2 else apply(work, "multiply", [out, x if p == 3 else out], out)
    if p not in (Fraction(1, 2), Fraction(-1, 2), Fraction(-1), Fraction(-2)):
        return None
    out = target(work, slot, equation.out.indices, [x])
    if p == Fraction(-1, 2) and slot.dtype.kind == "c":
        return None
    if p.denominator == 2:
        apply(work, "sqrt", [x], out)
    elif p == -2:
        apply(work, "multiply", [x, x], out)
    if p == Fraction(1, 2):
        return out
    return reciprocal(work, x if p == -1 else out, out)


def reciprocal(work: Workspace, view: View, out: View) -> View:
    """``1 / view``: on long arrays ``reciprocal`` takes twice as long, and if complex it is less accurate."""
    if out.dtype.kind == "c" or out.size > SMALL:
        return apply(work, "divide", [work.number(1, out.dtype), view], out)
    return apply(work, "reciprocal", [view], out)


def _where(work: Workspace, views: Sequence[View], equation: Map, slot: Slot) -> View | None:
    """The larger of two values, or its own memory, with the other one written over it where it is not wanted."""
    mask, yes, no = views
    if mask.dtype != bool:
        return None
    letters = equation.out.indices
    base, other = (yes, no) if yes.size >= no.size else (no, yes)
    out = target(work, slot, letters, [base] if set(base.term) == set(letters) else [], [other, mask])
    if out.size > SMALL and slot.dtype.char in INTEGERS:
        return selected(work, mask, base, other, out, wanted=base is yes)
    if base is yes:
        mask = apply(work, "logical_not", [mask], work.allocate(memory_order(mask), mask.dtype))
    order = memory_order(out)
    arranged = out.transposed(order)
    if out.root is not base.root:
        work.assembly.emit("copy", "copyto({out}, {0})", base.spread(order), out=arranged)
    call = "copyto({out}, {0}, 'no', {1})"
    work.assembly.emit("write", call, other.spread(order), mask.spread(order), out=arranged)
    return out


WRITERS: dict[str, Writer] = {"sigmoid": _sigmoid, "relu": _relu, "power": _power, "where": _where}

CONDITIONS = {
    "greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "logical_and", "logical_or",
    "logical_xor", "logical_not", "step", "truth",
}  # fmt: skip
"""Functions whose values are True and False."""


def condition(work: Workspace, views: Sequence[View], equation: Map, slot: Slot) -> View:
    """A comparison, written as True and False."""
    function, letters = equation.function, equation.out.indices
    (first, *_), kind = views, views[0].dtype
    if function == "truth" and kind.kind == "b" and set(first.term) == set(letters):
        return first
    if function == "step":
        function, views = "greater", [first, work.number(0, kind)]
    elif function == "truth":
        function, views = "not_equal", [first, work.number(0, kind)]
    return apply(work, function, views, work.open(slot, work.order_of(slot.name, letters, views)))


INTEGERS = {"f": "int32", "d": "int64"}
"""Integers of as many bits."""


def selected(work: Workspace, mask: View, base: View, other: View, out: View, *, wanted: bool) -> View:
    """``base`` where the mask is as wanted, elsewhere ``other``: by bits, whatever numbers they stand for.

    A masked copy takes 50 times as long as this where the mask has no long runs.
    """
    kind = np.dtype(INTEGERS[out.dtype.char])
    keep = work.allocate(memory_order(mask), kind)  # all bits, or none
    work.assembly.emit("cast", "copyto({out}, {0})", mask.transposed(keep.term), out=keep)
    if wanted:
        work.assembly.emit("bits", "negative({0}, {out})", keep, out=keep, flops=keep.size)
    else:
        work.assembly.emit("bits", "subtract({0}, {1}, {out})", keep, work.number(1, kind), out=keep, flops=keep.size)
    base, other, place = (as_integers(work, view, kind) for view in (base, other, out))
    if other.root.kind == "constant" and not work.assembly.constants[other.root.name].any():
        by_bits(work, "and", base, keep, place)
    elif set(other.term) <= set(keep.term) and 2 * keep.size <= out.size:
        rest = work.allocate(keep.term, kind)
        by_bits(work, "xor", keep, work.number(-1, kind), rest)
        by_bits(work, "and", rest, other, rest)
        by_bits(work, "and", base, keep, place)
        by_bits(work, "or", place, rest, place)
    else:
        by_bits(work, "xor", base, other, place)
        by_bits(work, "and", place, keep, place)
        by_bits(work, "xor", place, other, place)
    return out


def by_bits(work: Workspace, operation: str, left: View, right: View, out: View) -> None:
    """Write a call of a ufunc on bits."""
    order = memory_order(out)
    call = f"bitwise_{operation}({{0}}, {{1}}, {{out}})"
    work.assembly.emit("bits", call, left.spread(order), right.spread(order), out=out.transposed(order), flops=out.size)


def as_integers(work: Workspace, view: View, kind: Dtype) -> View:
    """The bits of a view as integers."""
    if view.root.kind == "constant" and view.text == view.root.name:
        return work.assembly.constant(work.assembly.constants[view.root.name].view(kind), view.term)
    return View(f"{view.text}.view({kind.name})", view.root, view.array.view(kind), view.term)
