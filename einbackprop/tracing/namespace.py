"""The ``np`` that user code sees while it is traced: the same names, but arrays that it makes are traced too.

NumPy itself asks an array-like before it does anything with it, except where it makes a new array (``np.zeros``,
``np.array``, ``np.float32(x)``): there the trace would be lost, so those are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from . import creation
from .recorder import Recorder, View
from .reductions import product_of_sizes
from .rules import cast, unwrap
from .sizes import is_measured, plain

Make = Callable[..., Any]


class Module:
    """A stand-in for a module: some names are ours, functions keep traced arrays in lists, the rest is as it was."""

    def __init__(self, module: ModuleType, ours: dict[str, Any], wrap: Callable[[Any], Any]) -> None:
        self._module, self._ours, self._wrap = module, ours, wrap

    def __getattr__(self, name: str) -> Any:
        if name not in self._ours:
            self._ours[name] = self._wrap(getattr(self._module, name))
        return self._ours[name]


class Function:
    """A NumPy function that takes lists of traced arrays too; ``at``, ``outer``, … are those of the function."""

    def __init__(self, function: Any, recorder: Recorder) -> None:
        self._function, self._recorder = function, recorder

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        takes_list = getattr(self._function, "__name__", "") in LISTS
        given = [self._gather(a) if not (takes_list and n == 0) else a for n, a in enumerate(arguments)]
        return self._function(*given, **keywords)

    def _gather(self, value: Any) -> Any:
        if isinstance(value, list | tuple) and creation.has_traced(value):
            return creation.as_array(self._recorder, value, None, False)
        return value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


LISTS = frozenset("concatenate stack hstack vstack dstack column_stack einsum tensordot broadcast_arrays".split())


class Casting(type):
    """The type of a stand-in for a scalar type: called on a traced array it casts, else it is that type."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        if arguments and issubclass(type(arguments[0]), View):
            return cast(cls.recorder, arguments[0], cls.plain_type)  # type: ignore[attr-defined]
        return cls.plain_type(*map(plain, arguments), **keywords)  # type: ignore[attr-defined]

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, cls.plain_type)  # type: ignore[attr-defined]

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, cls.plain_type)  # type: ignore[attr-defined]


def casting(plain_type: type, recorder: Recorder) -> Any:
    """A stand-in for ``np.float32``, ``float`` and the like; it serves as a dtype as well."""
    fields = {"plain_type": plain_type, "recorder": recorder, "dtype": np.dtype(plain_type)}
    return Casting(plain_type.__name__, (), fields)


def numpy_for(recorder: Recorder) -> Module:
    """The stand-in for ``numpy``."""
    numpy_random = Module(np.random, {}, lambda value: value)
    ours = makers(recorder)
    ours["linalg"] = Module(np.linalg, {}, lambda value: wrapped(value, recorder))
    ours["random"] = numpy_random
    return Module(np, ours, lambda value: wrapped(value, recorder))


def math_for(recorder: Recorder) -> Module:
    """The stand-in for ``math``: of a traced number, the ufunc."""
    same = {"pow": np.power, "fabs": np.absolute, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan}

    def wrap(value: Any) -> Any:
        ufunc = same.get(getattr(value, "__name__", "")) or getattr(np, getattr(value, "__name__", " "), None)
        if not callable(value) or not isinstance(ufunc, np.ufunc):
            return value
        return lambda *arguments: (
            ufunc(*arguments)
            if any(issubclass(type(a), View) or is_measured(a) for a in arguments)
            else value(*arguments)
        )

    return Module(math, {}, wrap)


def wrapped(value: Any, recorder: Recorder) -> Any:
    """A name of NumPy as traced code sees it."""
    if isinstance(value, type):
        return casting(value, recorder) if issubclass(value, np.generic) and value is not np.generic else value
    return Function(value, recorder) if callable(value) else value


def makers(recorder: Recorder) -> dict[str, Any]:
    """The functions that make arrays."""

    def filling(function: Any, number: Any) -> Make:
        def make(shape: Any, dtype: Any = float, *rest: Any, **keywords: Any) -> Any:
            return creation.filled(recorder, shape, number, function(plain_shape(shape), real_dtype(dtype)))

        return make

    def full(shape: Any, fill_value: Any, dtype: Any = None, **keywords: Any) -> Any:
        value = np.full(plain_shape(shape), unwrap(fill_value), real_dtype(dtype))
        return creation.filled(recorder, shape, fill_value, value)

    def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float, **keywords: Any) -> Any:
        value = np.eye(int(N), None if M is None else int(M), k, real_dtype(dtype))
        return creation.identity(recorder, N, M, k, value)

    def arange(*bounds: Any, dtype: Any = None, **keywords: Any) -> Any:
        value = np.arange(*map(unwrap, bounds), dtype=real_dtype(dtype))
        stop = bounds[0] if len(bounds) == 1 else None
        return creation.counting(recorder, stop if is_measured(stop) else len(value), value)

    def array(object: Any, dtype: Any = None, copy: Any = True, **keywords: Any) -> Any:
        made = creation.as_array(recorder, object, real_dtype(dtype), bool(copy))
        return made if dtype is None else cast(recorder, made, real_dtype(dtype))

    def asarray(a: Any, dtype: Any = None, *rest: Any, **keywords: Any) -> Any:
        return array(a, dtype, copy=False)

    def prod(a: Any, *rest: Any, **keywords: Any) -> Any:
        sizes = isinstance(a, list | tuple) and any(map(is_measured, a))
        return product_of_sizes(a) if sizes else np.prod(a, *rest, **keywords)

    def ndim(a: Any) -> int:
        return int(np.ndim(unwrap(a)))

    return {
        "zeros": filling(np.zeros, 0), "ones": filling(np.ones, 1), "empty": filling(np.zeros, 0), "full": full,
        "eye": eye, "identity": lambda n, dtype=float: eye(n, None, 0, dtype), "arange": arange, "array": array,
        "asarray": asarray, "asanyarray": asarray, "ascontiguousarray": asarray, "asfarray": asarray,
        "prod": prod, "ndim": ndim, "shape": lambda a: a.shape if issubclass(type(a), View) else np.shape(a),
        "size": lambda a: a.size if issubclass(type(a), View) else np.size(a), "c_": Joined(recorder, -1),
        "r_": Joined(recorder, 0), "array_equal": lambda a, b, **k: np.array_equal(unwrap(a), unwrap(b), **k),
        "allclose": lambda *a, **k: np.allclose(*map(unwrap, a), **k),
    }  # fmt: skip


class Joined:
    """``np.c_`` and ``np.r_`` of arrays."""

    def __init__(self, recorder: Recorder, axis: int) -> None:
        self.recorder, self.axis = recorder, axis

    def __getitem__(self, parts: Any) -> Any:
        parts = parts if isinstance(parts, tuple) else (parts,)
        if not creation.has_traced(parts):
            return (np.c_ if self.axis else np.r_)[parts]
        arrays = [creation.as_array(self.recorder, p, None, False) for p in parts]
        if self.axis and all(len(a.axes) == 1 for a in arrays):
            arrays = [a[:, None] for a in arrays]
        return np.concatenate(arrays, axis=self.axis)


def plain_shape(shape: Any) -> Any:
    """A shape of plain ints."""
    return tuple(int(n) for n in shape) if isinstance(shape, tuple | list) else int(shape)


def real_dtype(dtype: Any) -> Any:
    """The dtype that a stand-in for a scalar type stands for."""
    return dtype.plain_type if isinstance(type(dtype), type) and issubclass(type(dtype), Casting) else dtype
