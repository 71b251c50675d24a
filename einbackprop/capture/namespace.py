"""The ``np`` that user code sees while it is traced: the same names, but arrays that it makes are traced too.

NumPy itself asks an array-like before it does anything with it, except where it makes a new array (``np.zeros``,
``np.array``, ``np.float32(x)``): there the trace would be lost, so those are ours.
"""

import functools
import math
import operator
from collections.abc import Callable
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.lib import stride_tricks

from ..errors import TraceError
from . import creation, dispatch, joining, pointwise
from .grids import Grid, Joined, positions, stepped
from .memory import is_traced
from .pointwise import Selection
from .recorder import Recorder
from .rules import unwrap
from .sizes import decided, frozen, is_measured, plain, product_of_sizes, rounds

Make = Callable[..., Any]
LISTS = frozenset({
    np.concatenate, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack, np.append, np.einsum, np.tensordot,
    np.broadcast_arrays, np.linalg.multi_dot, np.select, np.ravel_multi_index, np.ix_,
    np.piecewise, np.block, *(getattr(np, name) for name in ("row_stack",) if hasattr(np, name)),
})  # fmt: skip
"""Functions that take a list of arrays as such."""

NUMBERS = frozenset(kind for kind in np.sctypeDict.values() if issubclass(kind, np.number | np.bool_))
"""The types of numbers that arrays can hold; ``np.floating`` and the like are no such."""

REAL = (int, float, np.integer, np.floating)

ABOUT_KINDS = frozenset({np.isscalar, np.iterable, np.issubdtype, np.result_type, np.can_cast})
"""Functions that ask of a size only what kind of thing it is."""

SAME_IN_MATH = {"pow": np.power, "fabs": np.absolute, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan}

WHOLE_IN_MATH = ("floor", "ceil", "trunc")  # Python asks a size itself, and gives a whole number


class Module:
    """A stand-in for a module: some names are ours, others are wrapped when they are asked for."""

    def __init__(self, module: ModuleType, ours: dict[str, Any], wrap: Callable[[Any], Any]) -> None:
        self.module, self._ours, self._wrap = module, ours, wrap

    def __getattr__(self, name: str) -> Any:
        if name not in self._ours:
            self._ours[name] = self._wrap(getattr(self.module, name))
        return self._ours[name]


class Function:
    """A NumPy function that takes lists of traced arrays too, and gives out traced arrays.

    ``at``, ``outer``, … are those of the function.
    """

    def __init__(self, function: Any, recorder: Recorder) -> None:
        self.function, self._recorder = function, recorder
        self._takes_lists = function in LISTS

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        asks_kind = isinstance(self.function, np.ufunc) or self.function in ABOUT_KINDS
        if not asks_kind and not creation.has_traced([*arguments, *keywords.values()]):
            arguments, keywords = frozen(arguments), {key: frozen(value) for key, value in keywords.items()}
        given = list(arguments) if self._takes_lists else [creation.gathered(self._recorder, a) for a in arguments]
        if "dtype" in keywords:
            keywords["dtype"] = real_dtype(keywords["dtype"])
        result = self.function(*given, **keywords)
        return creation.given_out(self._recorder, result) if type(result) is np.ndarray else result

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.function, name)
        return Function(found, self._recorder) if name in ("reduce", "accumulate") else found


class Casting(type):
    """The type of a stand-in for a type of numbers: called on a traced array it casts, else it is that type.

    ``isinstance`` and ``issubclass`` are asked of the class, and so is what a dtype is: hence a class, not an object.
    """

    plain_type: type
    recorder: Recorder

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        first: Any = arguments[0] if arguments else None
        if is_traced(first) or type(first) is Selection:
            value = cls.plain_type(first.value) if cls.plain_type in NUMBERS else None
            if isinstance(value, np.ndarray) and is_traced(first):
                return creation.taken_as(cls.recorder, first, value)
            made = first.astype(cls.plain_type)
            return made.copied(value) if isinstance(value, np.generic) and is_traced(made) else made
        if is_measured(first) and len(arguments) == 1 and issubclass(cls.plain_type, REAL):
            size = first if issubclass(cls.plain_type, float | np.floating) else math.trunc(first)
            return size.like(cls.plain_type(size.number)) if is_measured(size) else cls.plain_type(size)
        if isinstance(first, list | tuple) and creation.has_traced(first):
            return pointwise.cast(cls.recorder, creation.as_array(cls.recorder, first, None, False), cls.plain_type)
        made = cls.plain_type(*map(frozen, arguments), **keywords)
        return creation.given_out(cls.recorder, made)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, cls.plain_type)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, cls.plain_type)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.plain_type, name)


def casting(plain_type: type, recorder: Recorder) -> Any:
    """A stand-in for ``np.float32``, ``float`` and the like; it serves as a dtype as well."""
    fields = {"plain_type": plain_type, "recorder": recorder, "dtype": np.dtype(plain_type)}
    return Casting(plain_type.__name__, (), fields)


def real_dtype(dtype: Any) -> Any:
    """The dtype that a stand-in for a type of numbers stands for."""
    return dtype.plain_type if type(dtype) is Casting else dtype


def numpy_for(recorder: Recorder, numpy: ModuleType, random: ModuleType) -> Module:
    """The stand-in for ``numpy``, over those of a world for it and for its random numbers."""

    def wrapped(value: Any) -> Any:
        if isinstance(value, type):
            return casting(value, recorder) if value in NUMBERS else value
        return Function(value, recorder) if callable(value) else value

    def as_strided(x: Any, shape: Any = None, strides: Any = None, **keywords: Any) -> Any:
        value = stride_tricks.as_strided(unwrap(x), unwrap(shape), unwrap(strides), **keywords)
        return joining.strided(recorder, x, shape, strides, value.copy()) if is_traced(x) else value

    tricks = Module(stride_tricks, {"as_strided": as_strided}, wrapped)
    made = makers(recorder)
    counted = functools.partial(stepped, made["arange"])
    return Module(
        numpy,
        {
            **made,
            **shape_readers(recorder),
            "c_": Joined(recorder, counted, -1),
            "r_": Joined(recorder, counted, 0),
            "ogrid": Grid(counted, sparse=True),
            "mgrid": Grid(counted, sparse=False),
            "indices": lambda dimensions, dtype=int, sparse=False: positions(
                counted, dimensions, real_dtype(dtype), sparse),
            "vectorize": functools.partial(Vectorized, recorder),
            "linalg": Module(np.linalg, {}, wrapped),
            "random": Module(random, generators(random), wrapped),
            "lib": Module(np.lib, {"stride_tricks": tricks}, lambda value: value),
        },
        wrapped,
    )


DRAWN = ("permutation", "shuffle", "choice", "binomial", "multinomial", "negative_binomial", "hypergeometric",
         "multivariate_hypergeometric")  # fmt: skip
"""The random numbers whose makers look at what they are given before they take it for a whole number, or an array."""


def drawn(maker: Callable[[str], Callable[..., Any]], name: str, *given: Any, **keywords: Any) -> Any:
    """Random numbers by the maker of this name, which takes sizes for the numbers that they are.

    What is drawn by traced arrays, as by the probabilities that a network gives, is as in this run; of the entries of
    one their places are drawn.
    """
    first: Any = given[0] if given else None
    if is_traced(first) and np.ndim(first) and name in DRAWN[:3] and "axis" not in keywords:
        draw = "permutation" if name == "shuffle" else name
        picked = first[drawn(maker, draw, len(first.value), *given[1:], **keywords)]
        if name != "shuffle":
            return picked
        first[...] = picked
        return None
    for part in dispatch.inside([*given, *keywords.values()]):
        if is_traced(part):
            part.recorder.met("taken", None)
    plain = {key: unwrap(frozen(value)) for key, value in keywords.items()}
    return maker(name)(*(unwrap(frozen(value)) if value is not first or name != "shuffle" else value
                         for value in given), **plain)  # fmt: skip


def of_plain_numbers(kind: type) -> type:
    """A class of random numbers some of whose methods draw by `drawn`."""

    def asked(name: str) -> Callable[..., Any]:
        def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
            return drawn(lambda one: functools.partial(getattr(kind, one), self), name, *arguments, **keywords)

        return method

    return type(kind.__name__, (kind,), {name: asked(name) for name in DRAWN if hasattr(kind, name)})


DRAWING = {kind: of_plain_numbers(kind) for kind in (np.random.Generator, np.random.RandomState)}


def generators(random: ModuleType) -> dict[str, Any]:
    """The makers of random numbers that draw by `drawn`."""
    own, maker = DRAWING[np.random.Generator], functools.partial(getattr, random)
    return {
        **{name: functools.partial(drawn, maker, name) for name in DRAWN if hasattr(np.random, name)},
        "RandomState": DRAWING[np.random.RandomState],
        "Generator": own,
        "default_rng": lambda seed=None: own(np.random.default_rng(frozen(seed)).bit_generator),
    }


def library_for(recorder: Recorder, found: Any) -> Any:
    """The stand-in for a module or a function of a library whose functions ask for the plain numbers of arrays."""
    if isinstance(found, ModuleType):
        return Module(found, {}, functools.partial(library_for, recorder))
    if not isinstance(found, FunctionType):
        return found

    @functools.wraps(found)
    def asked(*arguments: Any, **keywords: Any) -> Any:
        if creation.has_traced([*arguments, *keywords.values()]):
            return dispatch.apply_library(recorder, found, arguments, keywords)
        made = found(*map(frozen, arguments), **{key: frozen(value) for key, value in keywords.items()})
        return creation.given_out(recorder, made)

    return asked


class Vectorized:
    """``np.vectorize`` of a function: of traced arrays a call for each entry."""

    def __init__(self, recorder: Recorder, pyfunc: Any, *rest: Any, **keywords: Any) -> None:
        self._recorder, self.pyfunc = recorder, pyfunc
        self._plain = np.vectorize(pyfunc, *rest, **keywords)
        self._by_entry = self._plain.signature is None and not self._plain.excluded

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if not creation.has_traced([*arguments, *keywords.values()]):
            return creation.given_out(self._recorder, self._plain(*map(frozen, arguments), **keywords))
        if keywords or not self._by_entry:
            raise TraceError("np.vectorize with a signature, excluded or named arguments is not read")
        together = np.broadcast_arrays(*(creation.as_array(self._recorder, a, None, False) for a in arguments))
        shape = tuple(map(rounds, together[0].shape))
        entries = [self.pyfunc(*(a[index] for a in together)) for index in np.ndindex(shape)]
        if not entries or isinstance(entries[0], tuple):
            raise TraceError("np.vectorize is read where there are entries, and one result for each")
        return np.reshape(np.stack([pointwise.lift(self._recorder, entry) for entry in entries]), together[0].shape)


def math_for(recorder: Recorder) -> Module:
    """The stand-in for ``math``: of a traced number, the ufunc."""

    def wrapped(value: Any) -> Any:
        name = getattr(value, "__name__", " ")
        if value is math.fsum:
            return lambda numbers: added(list(numbers))
        if value is math.erf:
            return error_function
        if value is math.prod:
            return lambda numbers, *, start=1: functools.reduce(operator.mul, numbers, start)
        ufunc = SAME_IN_MATH.get(name) or getattr(np, name, None)
        if not isinstance(ufunc, np.ufunc):
            return value
        def either(*numbers: Any) -> Any:
            if name == "log" and len(numbers) == 2:
                return either(numbers[0]) / either(numbers[1])
            keeps = any(map(is_traced, numbers)) or (name not in WHOLE_IN_MATH and any(map(is_measured, numbers)))
            return (ufunc if keeps else value)(*numbers)

        return either

    def error_function(x: Any) -> Any:
        return pointwise.apply_map(recorder, "erf", [x], math.erf(x.value)) if is_traced(x) else math.erf(x)

    def added(numbers: list[Any]) -> Any:
        kept = creation.has_traced(numbers) or any(map(is_measured, numbers))
        return sum(numbers) if kept else math.fsum(numbers)

    return Module(math, {}, wrapped)


def builtins_for(recorder: Recorder) -> dict[str, Any]:
    """Stand-ins for builtins that would lose the trace, or the letter of a size."""

    def length(value: Any) -> Any:
        return value.shape[0] if is_traced(value) and value.axes else len(value)

    return {
        "float": casting(float, recorder), "int": casting(int, recorder), "len": length, "range": Range,
        "max": extreme(max, np.maximum, operator.gt, recorder), "min": extreme(min, np.minimum, operator.lt, recorder),
    }  # fmt: skip


def extreme(
    builtin: Callable[..., Any], function: np.ufunc, goes_before: Callable[[Any, Any], bool], recorder: Recorder
) -> Callable[..., Any]:
    """A stand-in for ``max`` or ``min``: the largest of numbers is asked of NumPy, whichever it is, as long as some
    are traced and have a gradient; of sizes, it is a condition which one it is."""
    wrapped = Function(function, recorder)

    def chosen(*values: Any, **options: Any) -> Any:
        some = values if len(values) != 1 or not isinstance(values[0], list | tuple) else tuple(values[0])
        numbers = [value for value in some if is_traced(value) or isinstance(value, REAL)]
        differ = [value for value in some if is_traced(value) and value.dtype.kind == "f"]
        are_numbers = len(some) > 1 and len(numbers) == len(some) and not any(map(np.ndim, some))
        if are_numbers and differ and not options:
            return functools.reduce(wrapped, some)
        if are_numbers and not any(map(is_traced, some)) and any(map(is_measured, some)) and not options:
            return functools.reduce(lambda one, other: other if decided(goes_before, other, one) else one, some)
        return builtin(*values, **options)

    return chosen


class Ranging(type):
    """The type of the stand-in for ``range``: that a loop runs as often as a size says is written down."""

    def __call__(cls, *bounds: Any) -> range:
        count = None if any(map(is_traced, bounds)) else number_of_rounds(*bounds)
        if is_measured(count):
            rounds(count)
        return range(*map(plain, bounds))

    def __instancecheck__(cls, value: Any) -> bool:
        return type(value) is range


class Range(metaclass=Ranging):
    """What stands in for ``range``."""


def number_of_rounds(*bounds: Any) -> Any:
    """How many numbers a range has, as an expression of sizes."""
    if not any(map(is_measured, bounds)):
        return None
    start, stop, step = (*((0, *bounds) if len(bounds) == 1 else bounds), 1)[:3]
    return (stop - start) * step if plain(step) in (1, -1) else next(filter(is_measured, bounds))


def makers(recorder: Recorder) -> dict[str, Any]:
    """The functions that make arrays."""

    def filling(function: Any, number: Any) -> Make:
        def make(shape: Any, dtype: Any = float, order: Any = "C") -> Any:
            return creation.filled(recorder, shape, number, function(unwrap(shape), real_dtype(dtype), order))

        return make

    def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C") -> Any:
        return filling(lambda n, kind, layout: np.full(n, unwrap(fill_value), kind, layout), fill_value)(
            shape, dtype, order)

    def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float, order: Any = "C") -> Any:
        value = np.eye(int(N), None if M is None else int(M), k, real_dtype(dtype), order)
        return creation.identity(recorder, N, M, k, value)

    def arange(*bounds: Any, dtype: Any = None) -> Any:
        value = np.arange(*map(unwrap, bounds), dtype=real_dtype(dtype))
        return creation.counting(recorder, bounds, value)

    def diagonal_places(n: Any, ndim: int = 2) -> Any:
        return (arange(n),) * ndim

    def array(
        object: Any, dtype: Any = None, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0
    ) -> Any:
        real = real_dtype(dtype)
        object = object.picked() if type(object) is Selection else object
        own = not is_traced(object)  # a list, of which an array is made first
        made = creation.as_array(recorder, object, real, False)
        if not is_traced(made):
            return np.array(made, ndmin=ndmin) if ndmin else made
        value = np.array(made.value, real, copy=own or copy, order=order, ndmin=ndmin)
        taken = creation.taken_as(recorder, made, value)
        if order in ("C", "F") and not (own or copy):
            recorder.decisions.decided(made, taken, (), taken.buffer.root is made.buffer.root)
        return taken

    def fromiter(iter: Any, dtype: Any, count: int = -1, **keywords: Any) -> Any:
        numbers = list(iter if count < 0 else islice(iter, count))
        if creation.has_traced(numbers):
            return array(numbers, dtype)
        return np.fromiter(numbers, real_dtype(dtype), len(numbers), **keywords)

    def asarray(a: Any, dtype: Any = None, *rest: Any, **keywords: Any) -> Any:
        order: Any = keywords.pop("order", rest[0] if rest else "K") or "K"
        if type(a) is np.ndarray and np.asarray(a, real_dtype(dtype), order) is a:
            return a
        return array(a, dtype, None, order, **keywords)

    return {
        "zeros": filling(np.zeros, 0), "ones": filling(np.ones, 1), "empty": filling(np.zeros, 0), "full": full,
        "eye": eye, "identity": lambda n, dtype=float: eye(n, None, 0, dtype), "arange": arange, "array": array,
        "fromiter": fromiter, "diag_indices": diagonal_places,
        "diag_indices_from": lambda arr: diagonal_places(arr.shape[0], arr.ndim),
        "asarray": asarray, "asanyarray": asarray,
        "ascontiguousarray": lambda a, dtype=None: asarray(a, dtype, "C", ndmin=1),
        "asfortranarray": lambda a, dtype=None: asarray(a, dtype, "F", ndmin=1),
        "zeros_like": liking(recorder, np.zeros_like), "ones_like": liking(recorder, np.ones_like),
        "empty_like": liking(recorder, np.zeros_like), "full_like": liking(recorder, np.full_like),
    }  # fmt: skip


def liking(recorder: Recorder, function: Any) -> Make:
    """``np.zeros_like`` and the like: of a plain array too, what is made is traced."""

    def make(a: Any, *rest: Any, **keywords: Any) -> Any:
        if "dtype" in keywords:
            keywords["dtype"] = real_dtype(keywords["dtype"])
        return function(creation.as_array(recorder, a, None, False), *map(real_dtype, rest), **keywords)

    return make


def shape_readers(recorder: Recorder) -> dict[str, Any]:
    """The functions that look at shapes, which remember their letters."""

    def prod(a: Any, *rest: Any, **keywords: Any) -> Any:
        sizes = isinstance(a, list | tuple) and any(map(is_measured, a))
        return product_of_sizes(a) if sizes else Function(np.prod, recorder)(a, *rest, **keywords)

    def shape(a: Any) -> Any:
        return a.shape if is_traced(a) else np.shape(unwrap(a))

    def size(a: Any, axis: Any = None) -> Any:
        found = shape(a)
        return product_of_sizes(found) if axis is None else found[axis]

    return {"prod": prod, "shape": shape, "size": size, "ndim": lambda a: int(np.ndim(unwrap(a)))}
