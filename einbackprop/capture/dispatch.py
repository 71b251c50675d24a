"""What happens when NumPy asks a traced array: it is done on plain arrays, and a rule writes it down."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..core.progress import frames_of, handler_codes
from ..errors import TraceError
from . import calculus, contractions, matrices, picking, special, writing
from .failures import MismatchError, asks_numpy
from .memory import is_traced, require_followed, settled
from .pointwise import cast, lift, name_of, pointwise, unread
from .recorder import Recorder
from .rules import ABOUT_SHAPES, ABOUT_VALUES, OMITTED, REDUCTIONS, RULES, WRITES, unwrap

LOST = "the trace is lost here: a result is written into a plain array. Make it by np.zeros in the traced code"
WITHOUT_MEANING = frozenset({"casting", "subok"})


@asks_numpy
def apply_ufunc(
    recorder: Recorder, ufunc: np.ufunc, method: str, inputs: Sequence[Any], keywords: Mapping[str, Any]
) -> Any:
    """A ufunc, or a method of one, on traced arrays."""
    given = {key: value for key, value in keywords.items() if value is not None and key not in WITHOUT_MEANING}
    out = given.pop("out", (None,))[0]
    where = given.pop("where", True)
    if method == "at":
        return apply_at(recorder, ufunc, inputs)
    if method == "__call__":
        result = call(recorder, ufunc, inputs, given)
    elif method == "reduce":
        result = reduced(recorder, ufunc, inputs[0], {"axis": 0, **keywords_of_reduce(given, keywords)}, where)
        where = True
    elif method == "accumulate" and (ufunc is np.add or ufunc in calculus.ACCUMULATED):
        axis = given.get("axis", inputs[1] if len(inputs) > 1 else 0)
        rule = np.cumsum if ufunc is np.add else partial(calculus.ACCUMULATED[ufunc], recorder, None)
        result = rule(inputs[0], axis=axis)
    elif method == "outer":
        spread = lift(recorder, inputs[0])[(..., *(None,) * np.ndim(unwrap(inputs[1])))]
        result = ufunc(spread, inputs[1])
    else:
        value = getattr(ufunc, method)(*map(unwrap, inputs), **{key: unwrap(item) for key, item in given.items()})
        result = unread(recorder, inputs, f"{name_of(ufunc)}.{method} is not read", value)
    if where is not True:
        if out is None:
            raise TraceError(f"np.{ufunc.__name__}(…, where=…) without out= leaves entries undefined: use np.where")
        result = np.where(where, result, out)
    return result if out is None else write_out(recorder, out, result)


def keywords_of_reduce(given: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of ``reduce``, in which axis=None means something."""
    return {**given, "axis": None} if "axis" in keywords and keywords["axis"] is None else dict(given)


def call(recorder: Recorder, ufunc: np.ufunc, inputs: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """A plain call of a ufunc."""
    if set(keywords) - {"dtype", "order"}:
        raise TraceError(f"np.{ufunc.__name__} with {', '.join(keywords)} is not read")
    value = done(ufunc, ufunc.__name__, inputs, keywords)
    if ufunc is np.matmul:
        result = contractions.matmul(recorder, inputs[0], inputs[1], value)
    elif ufunc.signature is not None and ufunc.__name__ in matrices.PRODUCTS:
        result = matrices.PRODUCTS[ufunc.__name__](recorder, value, *inputs)
    elif special.of_library(ufunc) and ufunc.__name__ in special.UFUNCS:
        result = special.UFUNCS[ufunc.__name__](recorder, value, *inputs)
    elif ufunc.nout > 1:
        result = several(recorder, ufunc, inputs, value)
    else:
        result = pointwise(recorder, ufunc, inputs, value)
    if keywords.get("dtype") is not None:
        result = cast(recorder, result, keywords["dtype"])
    return settled(result, value, inputs)


@asks_numpy
def done(function: Callable[..., Any], name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """What NumPy answers on the plain arrays."""
    try:
        return function(*map(unwrap, arguments), **{key: unwrap(item) for key, item in keywords.items()})
    except ValueError as error:
        if not handler_codes().isdisjoint(frame.f_code for frame, _ in frames_of(error)):
            raise  # a signal handler's, not NumPy's
        arrays = [a for a in arguments if is_traced(a) or type(a) is np.ndarray]
        subscripts = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        raise MismatchError(str(error), name, arrays, subscripts) from error


def several(recorder: Recorder, ufunc: np.ufunc, inputs: Sequence[Any], value: Any) -> Any:
    """A ufunc with two results."""
    if ufunc is np.divmod:
        return np.floor_divide(*inputs), np.remainder(*inputs)
    if ufunc is np.modf:
        whole = np.trunc(inputs[0])
        return inputs[0] - whole, whole
    return unread(recorder, inputs, f"{name_of(ufunc)} is not read", value)


@asks_numpy
def reduced(recorder: Recorder, ufunc: np.ufunc, array: Any, keywords: dict[str, Any], where: Any) -> Any:
    """``np.add.reduce`` and the like."""
    value = ufunc.reduce(unwrap(array), **{key: unwrap(item) for key, item in keywords.items()}, where=unwrap(where))
    rule = REDUCTIONS.get(ufunc)
    if rule is None:
        return unread(recorder, [array], f"{name_of(ufunc)}.reduce is not read", value)
    given = keywords if where is True else {**keywords, "where": where}
    return settled(ruled(rule, f"{name_of(ufunc)}.reduce", (recorder, value, array), given), value, [array])


def apply_at(recorder: Recorder, ufunc: np.ufunc, inputs: Sequence[Any]) -> None:
    """``ufunc.at``: a write for each entry, one after the other."""
    if not is_traced(inputs[0]):
        raise TraceError(LOST)
    if ufunc not in (np.add, np.subtract):
        picking.at_places(recorder, ufunc, inputs[0], *inputs[1:])
        return
    writing.add_at(recorder, inputs[0], inputs[1], inputs[2], 1 if ufunc is np.add else -1)
    recorder.ordered |= recorder.viewed
    require_followed(inputs[0])


@asks_numpy
def write_out(recorder: Recorder, out: Any, result: Any) -> Any:
    """``out=``: the result goes into an array that is there already. A NumPy scalar is no array: it is replaced."""
    if not is_traced(out):
        if isinstance(out, np.ndarray):
            raise TraceError(LOST)
        return result
    if not isinstance(out.value, np.ndarray):
        return result
    np.copyto(out.value, result.value if is_traced(result) else result, casting="same_kind")
    writing.assign(recorder, out, result)
    recorder.ordered |= recorder.viewed
    require_followed(out)
    return out


def apply_function(recorder: Recorder, function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """A NumPy function on traced arrays."""
    given = dict(keywords)
    out = given.pop("out", None)
    if function in WRITES:
        if not is_traced(arguments[0]):
            raise TraceError(LOST)
        return ruled(RULES[function], name_of(function), (recorder, None, *arguments), given)
    before = [(a.value, np.array(a.value)) for a in arguments if is_traced(a)] if function not in RULES else []
    value = done(function, function.__name__, arguments, given)
    if function in RULES:
        again = partial(read_as, recorder, RULES[function], name_of(function), value, arguments, given)
        result = settled(again(), value, inside([*arguments, *given.values()]), again)
    else:
        if value is None or any(not np.array_equal(now, then, equal_nan=True) for now, then in before):
            raise TraceError(f"np.{function.__name__} changes its argument, and is not read: write it with x[…] = …")
        result = without_rule(recorder, function, [*arguments, *given.values()], value)
    return result if out is None else write_out(recorder, out, result)


def apply_library(recorder: Recorder, function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """A function of SciPy on traced arrays."""
    name, everything = name_of(function), inside([*arguments, *keywords.values()])
    value = done(function, function.__name__, arguments, keywords)
    if name not in special.FUNCTIONS:
        return special.without_rule(recorder, everything, name, value)
    made = read_as(recorder, special.FUNCTIONS[name], name, value, arguments, keywords)
    return settled(made, value, everything)


def read_as(
    recorder: Recorder, rule: Callable[..., Any], name: str, value: Any, arguments: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Any:  # fmt: skip
    """What a rule makes; a form of the call that it has no parameters for is a value that could not be read."""
    try:
        return ruled(rule, name, (recorder, value, *arguments), keywords)
    except FormError as error:
        return unread(recorder, inside([*arguments, *keywords.values()]), str(error), value)


class FormError(TraceError):
    """A call has an argument that its rule has no parameter for."""


def inside(arguments: Sequence[Any]) -> list[Any]:
    """The arguments, and what those that are lists hold."""
    return [part for a in arguments for part in (a if isinstance(a, list | tuple) else [a])]


def ruled(rule: Callable[..., Any], name: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """Apply a rule; what it has no parameter for is refused."""
    if "keepdims" in keywords:  # any truth value, or NumPy's own mark for a keyword that was not given
        keywords = {**keywords, "keepdims": unwrap(keywords["keepdims"]) not in (False, OMITTED)}
    if keywords.get("dtype") is None:  # as np.row_stack calls np.vstack: it says nothing, nor does how to cast then
        keywords = {key: value for key, value in keywords.items() if key not in ("dtype", "casting")}
    try:
        return rule(*arguments, **keywords)
    except TypeError:
        try:
            inspect.signature(rule).bind(*arguments, **keywords)
        except TypeError:
            shown = ", ".join([f"{len(arguments) - 2} arguments", *(f"{key}=…" for key in keywords)])
            raise FormError(f"{name} with {shown} is not read in this form") from None
        raise


def without_rule(recorder: Recorder, function: Any, arguments: Sequence[Any], value: Any) -> Any:
    """What no rule reads: answers about shapes as they are, arrays and numbers as values that could not be read."""
    if function in ABOUT_SHAPES or isinstance(value, str):
        return value
    if function in ABOUT_VALUES:
        recorder.note(f"np.{function.__name__} looks at values: its answer is that of this run", only_here=True)
        return value
    traced = [part for part in inside(arguments) if is_traced(part)]
    return unread(recorder, traced, f"{name_of(function)} is not read", value)
