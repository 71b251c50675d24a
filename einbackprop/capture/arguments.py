"""The arguments of a trace, which of their arrays is which input of the program, and what the function returned."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core import nesting
from ..core.nesting import DEEPEST, too_deep
from ..core.program import Contract
from . import arithmetic, pointwise, sizes
from .memory import View, is_traced, laid_out, require_plain
from .recorder import Recorder
from .selections import Selection

PLAIN = (np.ndarray, nesting.Number, np.memmap)
KINDS = "fiucb"


class Arguments:
    """The arguments of a trace: each array is one input, in every run the same.

    Attributes
    ----------
    inputs : list of (value name, path, dtype)
    """

    def __init__(self, recorder: Recorder, arguments: tuple[Any, ...], names: tuple[str, ...]) -> None:
        self.recorder, self.arguments, self._labels = recorder, arguments, names
        self.inputs: list[tuple[str, nesting.Path, str]] = []
        self._by_id: dict[int, tuple[Any, str]] = {}
        self._roots: Counter[int] = Counter()
        self._looking: dict[int, list[View]] = {}  # by the memory that they are copies of
        self._sizes: dict[int, Any] = {}
        for path, leaf in nesting.leaves(arguments):
            if isinstance(leaf, np.ndarray) and leaf.dtype.kind in KINDS:
                require_plain(type(leaf))
                self._add(path, leaf)

    def _add(self, path: nesting.Path, leaf: Any) -> None:
        if id(leaf) in self._by_id:
            return
        name = self.recorder.fresh(map(self.recorder.dimensions.new, leaf.shape), leaf)
        label = self._labels[int(str(path[0]))] if len(path) == 1 else path[-1]
        if isinstance(label, str):
            self.recorder.names[name] = str(label)
            for n, axis in enumerate(self.recorder.axes[name]):
                axis.place = f"{label}.shape[{n}]" if leaf.ndim > 1 else f"len({label})"
        self.inputs.append((name, path, leaf.dtype.name))
        if leaf.ndim > 1:
            self.recorder.laid[name] = order_of(leaf)
        self._by_id[id(leaf)] = leaf, name
        self._roots[id(nesting.root(leaf))] += 1

    def traced(self, array: Any) -> Any:
        """A traced copy of an array: the input that it is, or else a constant."""
        own = type(array) in PLAIN or id(array) in self._by_id
        if array.dtype.kind not in KINDS or not own:  # a masked array among the globals is none that is followed
            return nesting.duplicate_array(array)
        if id(array) not in self._by_id:
            made: View = self.recorder.constant(array).copied(laid_out(array))
        else:
            name = self._by_id[id(array)][1]
            made = self.recorder.wrap(name, [(i,) for i in range(array.ndim)], laid_out(array))
        memory = id(nesting.root(array))
        looking = self._looking.setdefault(memory, [])
        looking.append(made)
        for other in looking:  # what is written into one of them changes them all
            other.buffer.shared = len(looking) > 1 or self._roots[memory] > 1
        return made

    def begin(self) -> None:
        """A function is run: what it can reach is copied anew."""
        self._looking.clear()

    def size(self, position: int, number: Any) -> Any:
        """A whole number among the arguments as a size, of an axis that the data may turn out to have."""
        if type(number) is not int or number < 1:
            return number
        if position not in self._sizes:
            axis = self.recorder.dimensions.new(number, self._labels[position])
            axis.place = self._labels[position]
            self._sizes[position] = arithmetic.size_of(axis)
        return self._sizes[position]


def order_of(array: Any) -> str | tuple[int, ...]:
    """How an array lies in memory: C, F, or its strides."""
    return "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else array.strides


@dataclass
class Returned:
    """Outputs: value names, the unit axes and the dtype of each; ``nest`` adds what a function returned.

    ``original`` gives the user's own class of one that is a copy. ``identifies`` says whether what has an argument's
    size for every size runs over its dimension.
    """

    recorder: Recorder
    names: list[str] = field(default_factory=list)
    units: list[tuple[int, ...]] = field(default_factory=list)
    dtypes: list[np.dtype[Any]] = field(default_factory=list)
    original: Callable[[type], type] = type
    identifies: bool = False

    def nest(self, value: Any, level: int = 0) -> Any:
        """The value's nesting, with the number of an output in place of each array or number."""
        if level > DEEPEST:
            raise too_deep(value)
        if type(value) is Selection:
            value = value.picked()
        if is_output(value):
            array = pointwise.lift(self.recorder, value)
            with self.recorder.on_the_line_of(array.buffer.name):
                name, units = in_order(self.recorder, array)
            if self.identifies:
                self.recorder.identify(self.recorder.axes[name])
            self.names.append(name)
            self.units.append(units)
            self.dtypes.append(np.asarray(array.value).dtype)
            return len(self.names) - 1
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            kind: Any = self.original(type(value))
            return kind(*(self.nest(item, level + 1) for item in value))
        if isinstance(value, list | tuple):
            made = [self.nest(item, level + 1) for item in value]
            return made if isinstance(value, list) else tuple(made)
        if isinstance(value, dict):
            return {key: self.nest(item, level + 1) for key, item in value.items()}
        return value


def is_output(value: Any) -> bool:
    """Whether it is an array or a number."""
    if is_traced(value) or sizes.is_measured(value):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind in KINDS
    return isinstance(value, int | float | complex | np.number | np.bool_) and not isinstance(value, bool)


def in_order(recorder: Recorder, array: View) -> tuple[str, tuple[int, ...]]:
    """The name of a value whose stored axes are the array's axes in order, and the array's unit axes."""
    x = recorder.read(array)
    for i in range(len(x.axes)):
        recorder.flatten(x, i)
    wanted = "".join(x.axes)
    name = x.ref.name
    if x.ref.indices != wanted:
        ref = x.ref
        name = recorder.emit(wanted, lambda out, source: Contract(out, (ref,), source=source), array.value)
    if array.buffer.name in recorder.names:  # transposed or merged, it is what the user called it
        recorder.names.setdefault(name, recorder.names[array.buffer.name])
    units = tuple(i for i, axis in enumerate(x.axes) if not axis or recorder.dimensions.axis(axis).is_unit)
    return name, units
