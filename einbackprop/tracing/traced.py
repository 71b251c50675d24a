"""The array that stands in for the user's: NumPy's operations on it are written down, and done as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import TraceError
from . import rules
from .indexing import get_item, set_item
from .recorder import View
from .sizes import size_of

METHODS = frozenset(
    "all any argmax argmin argsort clip cumsum diagonal dot max mean min prod ravel repeat round sort squeeze std sum "
    "swapaxes take trace var".split()
)


class Traced(View, np.lib.mixins.NDArrayOperatorsMixin):
    """A traced array. It looks like an ndarray; what NumPy cannot do with it without losing it raises TraceError."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    @property
    def __class__(self) -> type:  # isinstance(x, np.ndarray) is what user code asks
        return np.ndarray

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise TypeError("the class of a traced array cannot be set")

    # What NumPy calls

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return rules.apply_ufunc(self.recorder, ufunc, method, inputs, keywords)

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        return rules.apply_function(self.recorder, function, arguments, keywords)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        where = self.recorder.source()
        raise TraceError(
            "the trace is lost here: NumPy asks for the plain numbers of a traced array"
            + (f" in line {where.line} of {where.file}:\n    {where.code}" if where else "")
            + "\nMake the arrays that it is combined with by np.zeros, np.array, … of the traced code, or pass them as arguments."
        )

    # Looks

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes, each of which remembers its dimension."""
        stored = self.recorder.axes[self.buffer.name]
        sizes = []
        for axis, size in zip(self.axes, np.shape(self.value), strict=True):
            product: Any = size
            for n, i in enumerate(axis):
                window = self.window[i]
                one = size_of(stored[i] if window is None else window.axis)  # type: ignore[union-attr]
                product = one if n == 0 else product * one
            sizes.append(product)
        return tuple(sizes)

    @property
    def size(self) -> Any:
        """How many entries, as a product of sizes that remember their dimensions."""
        product: Any = 1
        for n, size in enumerate(self.shape):
            product = size if n == 0 else product * size
        return product

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.axes)

    @property
    def dtype(self) -> Any:
        """The dtype in this run."""
        return np.asarray(self.value).dtype

    @property
    def T(self) -> Any:
        """The axes reversed: no equation, only another order of letters."""
        return self.like(self.axes[::-1], self.value.T)

    @property
    def real(self) -> Any:
        """The array itself where it is real."""
        return np.real(self)

    @property
    def imag(self) -> Any:
        """Zeros where it is real."""
        return np.imag(self)

    @property
    def flat(self) -> Any:
        """The entries in C order."""
        return self.reshape(-1)

    # Methods

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in METHODS:
            raise AttributeError(f"a traced array has no {name}")
        function = getattr(np, name)
        return lambda *arguments, **keywords: function(self, *arguments, **keywords)

    def reshape(self, *shape: Any, **keywords: Any) -> Any:
        """The same entries in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **keywords)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order."""
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def flatten(self, order: str = "C") -> Any:
        """A copy in one axis."""
        return np.copy(self).reshape(-1)

    def astype(self, dtype: Any, **keywords: Any) -> Any:
        """The same values in another dtype."""
        return rules.cast(self.recorder, self, dtype)

    def copy(self, order: str = "C") -> Any:
        """The same values in memory of their own."""
        return np.copy(self)

    def conj(self) -> Any:
        """The complex conjugate."""
        return np.conjugate(self)

    conjugate = conj

    def fill(self, value: Any) -> None:
        """Write one value everywhere."""
        self[...] = value

    def item(self, *index: int) -> Any:
        """One entry, still traced."""
        return self[index] if index else self.reshape(())

    def tolist(self) -> Any:
        """The plain numbers."""
        self.recorder.note(".tolist() gives plain numbers: what is made from them is not followed")
        return self.value.tolist()

    def __getitem__(self, key: Any) -> Any:
        return get_item(self.recorder, self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        set_item(self.recorder, self, key, value)

    def __iter__(self) -> Iterator[Any]:
        if not self.axes:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(int(self.shape[0])))

    def __len__(self) -> int:
        if not self.axes:
            raise TypeError("len() of unsized object")
        return int(self.shape[0])

    def __bool__(self) -> bool:
        answer = bool(self.value)
        self.recorder.note(f"the program depends on values here: this run took the way of {answer}")
        return answer

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __complex__(self) -> complex:
        return complex(self.value)

    def __index__(self) -> int:
        return int(np.asarray(self.value).__index__())

    def __repr__(self) -> str:
        return f"traced {self.value!r}"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value if np.ndim(self.value) else np.asarray(self.value)[()], spec)

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self)
