"""The arguments of a trace: which of their arrays is which input of the program."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..core import nesting
from .arithmetic import size_of
from .memory import View, laid_out, require_plain
from .recorder import Recorder

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
            self._sizes[position] = size_of(axis)
        return self._sizes[position]


def order_of(array: Any) -> str | tuple[int, ...]:
    """How an array lies in memory: C, F, or its strides."""
    return "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else array.strides
