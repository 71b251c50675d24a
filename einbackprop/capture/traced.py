"""The array that stands in for the user's: NumPy's operations on it are written down, and done as well."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.program import Source
from ..errors import TraceError
from ..rerolling import Choice
from . import arithmetic, creation, dispatch, indexing, pointwise, writing
from .conditions import asked_by_others
from .memory import View, is_traced, require_plain, settled
from .pointwise import Selection
from .sizes import deeper, product_of_sizes, rounds

METHODS = frozenset({
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "cumprod", "cumsum", "diagonal",
    "dot", "max", "mean", "min", "nonzero", "prod", "ptp", "put", "ravel", "repeat", "round", "searchsorted", "squeeze",
    "std", "sum", "swapaxes", "take", "trace", "var",
})  # fmt: skip
LOST = (
    "the trace is lost here: NumPy asks for the plain numbers of a traced array. Make the arrays that it is combined "
    "with by np.zeros, np.array, … in the traced code, or pass them as arguments"
)


class Traced(View, np.lib.mixins.NDArrayOperatorsMixin):
    """A traced array. It looks like an ndarray; what NumPy cannot do with it without losing it raises TraceError."""

    __slots__ = ()

    @property
    def __class__(self) -> type:  # isinstance(x, np.ndarray), isinstance(loss, float) is what user code asks
        return type(self.value) if isinstance(self.value, np.ndarray | np.generic) else np.ndarray

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise TypeError("the class of a traced array cannot be set")

    # What NumPy calls

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if any(type(i) is Selection for i in (*inputs, *keywords.get("out", ()))):
            return NotImplemented  # a selection knows what to do
        if method == "__call__":  # scores - np.max(scores) of a list; of others a tuple may be an index
            inputs = tuple(creation.gathered(self.recorder, i) for i in inputs)
        return dispatch.apply_ufunc(self.recorder, ufunc, method, inputs, keywords)

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        if Selection in types:
            return NotImplemented
        return dispatch.apply_function(self.recorder, function, arguments, keywords)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Its numbers, where they are whole ones: ``np.random.choice(labels)`` draws of such as they are."""
        if self.value.dtype.kind not in "biu":
            raise TraceError(LOST)
        self.recorder.met("taken", None)
        return np.array(self.value, dtype)

    # Looks

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes, each of which remembers its dimension."""
        stored = self.recorder.axes[self.recorder.current(self.buffer)]
        sizes = []
        for axis, size in zip(self.axes, np.shape(self.value), strict=True):
            parts = [stored[i] if self.window[i] is None else self.window[i].axis for i in axis]  # type: ignore[union-attr]
            sizes.append(product_of_sizes(map(arithmetic.size_of, parts)) if parts else size)
        return tuple(sizes)

    @shape.setter
    def shape(self, shape: Any) -> None:
        made = self.view().reshape(shape)  # of another view, which stays as it is
        if not np.may_share_memory(made.value, self.value):
            raise AttributeError("incompatible shape for in-place modification: use .reshape() to make a copy")
        self.buffer, self.window, self.axes, self.value = made.buffer, made.window, made.axes, made.value

    @property
    def size(self) -> Any:
        """How many entries, as a product of sizes that remember their dimensions."""
        return product_of_sizes(self.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.axes)

    @property
    def dtype(self) -> Any:
        """The dtype in this run."""
        return np.asarray(self.value).dtype

    @property
    def itemsize(self) -> int:
        """The bytes of an entry."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> Any:
        """The bytes of all entries."""
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[Any, ...]:
        """The strides, which remember the sizes that they are made of where entries lie one after another."""
        plain_array, shape = np.asarray(self.value), self.shape
        if plain_array.flags.c_contiguous:
            return tuple(product_of_sizes([self.itemsize, *shape[n + 1 :]]) for n in range(len(shape)))
        return tuple(arithmetic.lost(stride, "a stride") for stride in plain_array.strides)

    @property
    def T(self) -> Any:  # noqa: N802  # as NumPy calls it
        """The axes reversed: no equation, only another order of letters."""
        return self.like(self.axes[::-1], self.value.T)

    @property
    def mT(self) -> Any:  # noqa: N802  # as NumPy calls it
        """The last two axes swapped."""
        return np.swapaxes(self, -1, -2)

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
        """The entries in C order, to be read and written."""
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        given = value if is_traced(value) else np.asarray(value)
        if given.size == 1:
            self[...] = np.reshape(given, ())
        elif given.size == np.size(self.value):
            self[...] = np.reshape(given, np.shape(self.value))
        else:
            raise TraceError("fewer values than entries, written to .flat, are not read: repeat them with np.resize")

    # Methods

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in METHODS:
            function = getattr(np, name)
            return lambda *arguments, **keywords: function(self, *arguments, **keywords)
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            raise TraceError(f".{name} of an array is not read")
        raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")

    def reshape(self, *shape: Any, **keywords: Any) -> Any:
        """The same entries in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **keywords)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return np.transpose(self, order)

    def flatten(self, order: Any = "C") -> Any:
        """A copy in one axis."""
        entries: Any = np.ravel(self, order)
        return settled(entries, np.asarray(self.value).flatten(order), ())

    def astype(
        self, dtype: Any, order: Any = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """The same values in another dtype."""
        plain_dtype = np.dtype(dtype)
        own = self.value if isinstance(self.value, np.ndarray) else np.asarray(self.value)[()]
        value = own.astype(plain_dtype, order=order, copy=copy)
        if value is self.value:
            return self
        return settled(pointwise.cast(self.recorder, self, plain_dtype), value, ())

    def copy(self, order: Any = "C") -> Any:
        """The same values in memory of their own."""
        return self.copied(self.value) if not isinstance(self.value, np.ndarray) else np.copy(self, order)

    def view(self, *kinds: Any, **keywords: Any) -> Any:
        """The same array once more: what is written to one is written to both. As another kind it is refused."""
        for kind in (*kinds, *keywords.values()):
            if isinstance(kind, type) and issubclass(kind, np.ndarray):
                require_plain(kind)
                if kind is not np.ndarray:
                    raise TraceError(f"an array as {kind.__name__} is not read: only plain arrays are")
            elif np.dtype(kind) != self.dtype:
                raise TraceError(".view of an array as another dtype is not read: .astype gives the same numbers")
        return self.like(self.axes, self.value.view() if isinstance(self.value, np.ndarray) else self.value)

    def conj(self) -> Any:
        """The complex conjugate; a real array itself, as NumPy does it."""
        return np.conjugate(self) if np.iscomplexobj(self.value) else self

    conjugate = conj

    def fill(self, value: Any) -> None:
        """Write one value everywhere."""
        self[...] = value

    def sort(self, axis: int = -1, **keywords: Any) -> None:
        """Sort in place."""
        self[...] = np.sort(self, axis=axis, **keywords)

    def item(self, *index: int) -> Any:
        """One entry, still traced."""
        if not index:
            return self.reshape(()).copied(np.asarray(self.value).reshape(())[()])
        return np.reshape(self, -1)[index[0]] if len(index) == 1 else self[index]

    def tolist(self) -> Any:
        """Nested lists of the entries, still traced; whole numbers and truth values are plain ones."""
        if self.value.dtype.kind not in "fc":
            self.recorder.met("taken", None)
            return self.value.tolist()
        return [part.tolist() for part in self] if self.axes else self.item()

    def __getitem__(self, key: Any) -> Any:
        return indexing.get_item(self.recorder, self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        writing.set_item(self.recorder, self, key, value)

    def __iter__(self) -> Iterator[Any]:
        if not self.axes:
            raise TypeError("iteration over a 0-d array")
        extent = self.shape[0]
        return self._entries(rounds(extent), (extent, self.recorder.source()))

    def _entries(self, count: int, goes_through: tuple[Any, Source | None]) -> Iterator[Any]:
        """All entries; it is remembered where nobody asks for one more: as many were wanted, at whatever size."""
        unasked = self.recorder.unasked
        for i in range(count):
            if i and i == count - 1:  # of one entry nothing is a sum
                unasked.append(goes_through)
            yield self[i]
        unasked[:] = [one for one in unasked if one is not goes_through]

    def __len__(self) -> int:
        if not self.axes:
            raise TypeError("len() of unsized object")
        return int(rounds(self.shape[0]) if asked_by_others() else np.shape(self.value)[0])

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self == item))

    # Numbers

    def __bool__(self) -> bool:
        answer = bool(self.value)
        source = self.recorder.source()
        if source is not None and not any(self.window):
            self.recorder.choices.append(Choice(source, self.recorder.current(self.buffer), answer))
        if source is not None and source.code.startswith("assert "):
            self.recorder.met("values", answer)
        else:
            message = f"the program depends on values here: this run took the way of {answer}"
            self.recorder.note(message, only_here=True, kind="values", answer=answer)
        return answer

    def _number(self, kind: Callable[[Any], Any]) -> Any:
        self.recorder.note(
            "a plain number is taken out of the trace here: what is made from it is not followed", only_here=True
        )
        return kind(self.value)

    def __float__(self) -> float:
        return self._number(float)  # type: ignore[no-any-return]

    def __int__(self) -> int:
        return self._number(int)  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return self._number(complex)  # type: ignore[no-any-return]

    def __index__(self) -> int:
        self.recorder.note("a whole number is taken out of the trace here: it stays as in this run", only_here=True)
        return int(np.asarray(self.value).__index__())

    def __round__(self, digits: int = 0) -> Any:
        return np.round(self, digits)

    def __hash__(self) -> int:
        if isinstance(self.value, np.ndarray):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        self.recorder.met("taken", None)
        return hash(self.value)

    def _written(self, is_asked: bool) -> Any:
        """The value to be written out: what follows may depend on how it is, but for what is printed."""
        if is_asked and not self.recorder.prints():
            self.recorder.met("taken", None)
        return self.value

    def __repr__(self) -> str:
        return repr(self._written(asked_by_others()))

    def __str__(self) -> str:
        return str(self._written(asked_by_others()))

    def __format__(self, spec: str) -> str:
        return format(self._written(asked_by_others()), spec)

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self)


class Flat(np.lib.mixins.NDArrayOperatorsMixin):
    """``x.flat``: a reshape where that is a view, else a copy that is written back. Calculations give new arrays."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def copy(self) -> Any:
        """A copy of the entries as they are now."""
        return self.array.flatten()

    def __getitem__(self, key: Any) -> Any:
        return self.copy()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        writing.write_flat(self.array, key, value)

    def __len__(self) -> int:
        return int(rounds(self.array.size))

    def __iter__(self) -> Iterator[Any]:
        entries = self.copy()
        return (entries[n] for n in range(rounds(entries.shape[0])))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TraceError("np.array(x.flat) and the like are not read: write x.reshape(-1)")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if any(type(out) is Flat for out in keywords.get("out", ())):
            del keywords["out"]  # flat += 1 makes an array
        return getattr(ufunc, method)(*map(entries_of, inputs), **keywords)

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        return function(*map(entries_of, arguments), **{key: entries_of(value) for key, value in keywords.items()})


def entries_of(value: Any, level: int = 0) -> Any:
    """The entries in place of each ``Flat`` in nested lists."""
    if isinstance(value, list | tuple):
        return type(value)([entries_of(item, deeper(level)) for item in value])
    return value.copy() if type(value) is Flat else value
