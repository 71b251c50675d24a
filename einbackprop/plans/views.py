"""Views: what a plan knows about its arrays before there are any.

A `View` is an array in the making: the text that makes it, its letters, and a *prototype*, an array of the same
shape and strides over no memory. Whatever is done to the text is done to the prototype, so that a plan knows which
axes lie beside each other in memory, and asks NumPy itself whether a reshape is a view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from itertools import pairwise
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..core.records import dataclass
from .routines import Array, affine

Dtype = np.dtype[Any]
Kind = Literal["input", "constant", "buffer", "result", "part", "entry"]


@dataclass(eq=False)
class Root:
    """A piece of memory: an argument, a constant, a buffer of the plan, a result made anew in each call, or the part
    (the entry along the first axis) of one of these that is at hand in a loop.

    Attributes
    ----------
    name : str
        What the plan's source calls it.
    kind : str
    shape : tuple of int
        As it lies in memory, C-ordered (an argument is taken to be so too: it is read rightly if not).
    dtype : dtype
    last : int
        The number of the last equation that reads it.
    below : int or None
        Whole numbers that are known to be at least 0 and less than this.
    origin : int
        How many entries lie before it in the prototype that it is a part of.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    dtype: Dtype
    last: int = -1
    below: int | None = None
    origin: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether it stays where it is between calls, so that views of it can be made once."""
        return self.kind in ("constant", "buffer")

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class View:
    """An array in the making.

    Attributes
    ----------
    text : str
        The expression that makes it from its root.
    root : Root
        The memory that it looks at.
    array : ndarray
        The prototype.
    term : str
        One letter for each axis.
    """

    text: str
    root: Root
    array: Array = field(repr=False)
    term: str

    @staticmethod
    def of(root: Root, term: str) -> View:
        """All of a piece of memory."""
        return View(root.name, root, prototype(root.shape, root.dtype), term)

    @property
    def dtype(self) -> Dtype:
        """Its dtype."""
        return self.array.dtype

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self.array.size

    @property
    def start(self) -> int:
        """How many entries of its memory lie before its first one."""
        whole = self.array
        while whole.base is not None:  # that of as_strided is an object which has a base
            whole = whole.base
        here, there = (array.__array_interface__["data"][0] for array in (self.array, whole))
        return int(here - there) // self.dtype.itemsize - self.root.origin

    def are_positions(self, length: int) -> bool:
        """Whether it is known to hold nothing but positions along an axis."""
        return self.root.below is not None and self.root.below <= length

    def stride(self, letter: str) -> int:
        """The stride along a letter, in bytes."""
        return self.array.strides[self.term.index(letter)]

    def length(self, letter: str) -> int:
        """The size of a letter."""
        length: int = self.array.shape[self.term.index(letter)]
        return length

    def count(self, letters: Iterable[str]) -> int:
        """The product of the sizes of those of the letters that it has."""
        return prod(self.length(i) for i in letters if i in self.term)

    def named(self, term: str) -> View:
        """The same axes by other letters."""
        return replace(self, term=term)

    def transposed(self, term: str) -> View:
        """The same letters in another order."""
        if term == self.term:
            return self
        axes = tuple(self.term.index(i) for i in term)
        text = ".T" if axes == tuple(reversed(range(len(axes)))) else f".transpose{axes}"
        return View(self.text + text, self.root, self.array.transpose(axes), term)

    def without_repeats(self) -> View:
        """The diagonal where a letter stands twice."""
        view = self
        for letter in dict.fromkeys(self.term):
            while view.term.count(letter) > 1:
                first = view.term.index(letter)
                second = view.term.index(letter, first + 1)
                rest = view.term[:first] + view.term[first + 1 : second] + view.term[second + 1 :]
                text = f"{view.text}.diagonal(0, {first}, {second})"
                view = View(text, view.root, view.array.diagonal(0, first, second), rest + letter)
        return view

    def spread(self, letters: str) -> View:
        """Its letters in the order of ``letters``, with an axis of size 1 for each that it lacks, but in front."""
        view = self.transposed("".join(i for i in letters if i in self.term))
        kept = letters[min((letters.index(i) for i in view.term), default=len(letters)) :]
        if kept == view.term:
            return view
        index = tuple(slice(None) if i in self.term else None for i in kept)
        text = ", ".join(":" if i in self.term else "None" for i in kept)
        return View(f"{view.text}[{text}]", view.root, view.array[index], kept)

    def with_units(self, axes: tuple[int, ...]) -> View:
        """The array with axes of size 1 put in, for results."""
        if not axes:
            return self
        shape = np.expand_dims(self.array, axes).shape
        return replace(self, text=f"{self.text}.reshape({shape})", array=self.array.reshape(shape))

    def joined(self, groups: Sequence[str]) -> View:
        """One axis for each group of letters, which must lie beside each other in memory; an empty one has size 1.

        The term has the first letter of each group, and a space for an empty one.
        """
        view = self.transposed("".join(groups))
        term = "".join(group[:1] or " " for group in groups)
        if all(len(group) == 1 for group in groups):
            return view
        shape = tuple(view.count(group) for group in groups)
        text = f"{view.text}.reshape({', '.join(map(str, shape))})"
        array = view.array.reshape(shape)
        if array.size and not np.may_share_memory(array, view.array):  # reshape(copy=False) came with NumPy 2.1
            raise ValueError(f"{view.text} would be copied")
        return View(text, view.root, array, term)

    def affine(self, term: str, shape: tuple[int, ...], steps: Sequence[Sequence[int]], starts: Sequence[int]) -> View:
        """Read at affine positions: axis n at ``starts[n] + Σ_m steps[n][m] · letter m`` of the new term."""
        simple = self._sliced(term, shape, steps, starts)
        if simple is not None:
            return simple
        rows = tuple(tuple(row) for row in steps)
        text = f"affine({self.text}, {shape}, {rows}, {tuple(starts)})"
        return View(text, self.root, affine(self.array, shape, rows, tuple(starts)), term)

    def _sliced(
        self, term: str, shape: tuple[int, ...], steps: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> View | None:
        """The same by slices alone, where each axis has a letter of its own or none."""
        used = [[m for m, step in enumerate(row) if step] for row in steps]
        flat = [m for row in used for m in row]
        if any(len(row) > 1 for row in used) or len(set(flat)) != len(term) or len(flat) != len(term):
            return None
        if any(steps[n][row[0]] < 0 for n, row in enumerate(used) if row):
            return None
        index: list[Any] = []
        for n, row in enumerate(used):
            if row:
                step, length = steps[n][row[0]], shape[row[0]]
                stop = starts[n] + step * (length - 1) + 1 if length else starts[n]
                if stop > self.array.shape[n]:  # further along in memory than this axis
                    return None
                whole = starts[n] == 0 and step == 1 and stop == self.array.shape[n]
                index.append(slice(None) if whole else slice(starts[n], stop, step))
            else:
                index.append(starts[n])
        own = "".join(term[m] for m in flat)
        if all(i == slice(None) for i in index):
            return self.named(own).transposed(term)
        return View(self.text + _subscript(index), self.root, self.array[(*index, ...)], own).transposed(term)


def _subscript(index: Sequence[Any]) -> str:
    """The text of an index of slices and numbers; an ellipsis keeps what has no axes left an array."""
    parts = []
    for item in index:
        if isinstance(item, slice):
            ends = [":" if item == slice(None) else f"{item.start}:{item.stop}"]
            parts.append(ends[0] + (f":{item.step}" if item.step not in (None, 1) else ""))
        else:
            parts.append(str(item))
    if not any(isinstance(item, slice) for item in index):
        parts.append("...")
    return f"[{', '.join(parts)}]"


def prototype(shape: Sequence[int], dtype: Dtype) -> Array:
    """A C-ordered array of the shape, over no memory."""
    strides, step = [], dtype.itemsize
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    if 0 in shape:
        return np.empty(tuple(shape), dtype)
    return as_strided(np.empty(1, dtype), tuple(shape), tuple(reversed(strides)))


def memory_order(view: View) -> str:
    """The letters as they lie in memory, the outermost first."""
    return "".join(view.term[n] for n in sorted(range(len(view.term)), key=lambda n: -abs(view.array.strides[n])))


def is_joined(view: View, letters: str) -> bool:
    """Whether letters, in that order, lie beside each other in memory, as one axis does."""
    long = [i for i in letters if view.length(i) != 1]
    return all(view.stride(a) == view.stride(b) * view.length(b) for a, b in pairwise(long))


def inner_group(view: View, letters: str) -> str:
    """The last of the letters that lie together."""
    group = letters[-1:]
    for letter in reversed(letters[:-1]):
        if not is_joined(view, letter + group):
            break
        group = letter + group
    return group


def is_dense(view: View) -> bool:
    """Whether it covers a piece of memory, each entry once, in the order of some permutation of its letters."""
    return is_joined(view, memory_order(view)) and has_unit_stride(view, view.term)


def has_unit_stride(view: View, letters: str) -> bool:
    """Whether entries along one of the letters lie next to each other (or there is but one entry)."""
    strides = [view.stride(i) for i in letters if view.length(i) > 1]
    return not strides or min(strides) == view.dtype.itemsize
