"""Copies of all that the user's code can change, with traced arrays in them: arguments, closures, globals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np

from ..core import nesting
from .memory import View, is_traced
from .reaching import Names, is_empty, namespaces
from .recorder import Recorder
from .sizes import size_of
from .swapping import StandIns, state

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
        self._sizes: dict[int, Any] = {}
        for path, leaf in nesting.leaves(arguments):
            if isinstance(leaf, np.ndarray) and leaf.dtype.kind in KINDS:
                self._add(path, leaf)

    def _add(self, path: nesting.Path, leaf: Any) -> None:
        if id(leaf) in self._by_id:
            return
        name = self.recorder.fresh(map(self.recorder.dimensions.new, leaf.shape), leaf)
        label = self._labels[int(str(path[0]))] if len(path) == 1 else path[-1]
        if isinstance(label, str):
            self.recorder.names[name] = str(label)
        self.inputs.append((name, path, leaf.dtype.name))
        self._by_id[id(leaf)] = leaf, name
        self._roots[id(nesting.root(leaf))] += 1

    def traced(self, array: Any) -> Any:
        """A traced copy of an array: the input that it is, or else a constant."""
        if array.dtype.kind not in KINDS:
            return nesting.duplicate_array(array)
        if id(array) not in self._by_id:
            return self.recorder.constant(array).copied(np.array(array))
        name = self._by_id[id(array)][1]
        made: View = self.recorder.wrap(name, [(i,) for i in range(array.ndim)], np.array(array))
        made.buffer.shared = self._roots[id(nesting.root(array))] > 1
        return made

    def size(self, position: int, number: Any) -> Any:
        """A whole number among the arguments as a size, of an axis that the data may turn out to have."""
        if type(number) is not int or number < 1:
            return number
        if position not in self._sizes:
            self._sizes[position] = size_of(self.recorder.dimensions.new(number, self._labels[position]))
        return self._sizes[position]

    def isolated(
        self, function: Callable[..., Any], namespace: Names | None
    ) -> tuple[Callable[..., Any], tuple[Any, ...], list[tuple[Names, Names]]]:
        """Copies of the function and the arguments, and what the user's namespaces are to hold meanwhile."""
        found = namespaces(function, namespace, self.arguments)
        closures = Closures(function)
        globals_ = [state(names, function) for names in found]
        rebuilt = nesting.rebuild((self.arguments, closures.contents, globals_), self.traced)
        arguments, contents, globals_ = rebuilt
        arguments = tuple(map(self.size, range(len(arguments)), arguments))
        stand_ins = StandIns(self.recorder)
        changes = [(names, changed(names, new, stand_ins)) for names, new in zip(found, globals_, strict=True)]
        for name, value in ((n, v) for new in globals_ for n, v in new.items()):
            if is_traced(value):
                self.recorder.names.setdefault(value.buffer.name, name)
        return closures.rebuilt(contents), arguments, changes


def changed(names: Names, copies: Names, stand_ins: StandIns) -> Names:
    """What a namespace holds while its code is traced."""
    new = dict(copies)
    for name, value in names.items():
        if name not in new and (other := stand_ins.of(value)) is not value:
            new[name] = other
    return {**{name: value for name, value in stand_ins.builtins.items() if name not in names}, **new}


class Closures:
    """What a function closes over, is bound to, or was given beforehand.

    Attributes
    ----------
    contents : list
        The values, to be copied; functions among them are taken apart in turn.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._cells: dict[int, CellType] = {}
        self._functions: dict[int, FunctionType] = {}
        self._partials: list[Any] = []
        self._add(function)
        filled = [cell for cell in self._cells.values() if not is_empty(cell)]
        self._filled = [cell for cell in filled if not isinstance(cell.cell_contents, FunctionType)]
        self._bound = getattr(function, "__self__", None) if isinstance(function, MethodType) else None
        self.contents: list[Any] = [
            self._bound, [(p.args, p.keywords) for p in self._partials], [cell.cell_contents for cell in self._filled]
        ]  # fmt: skip

    def _add(self, function: Any) -> None:
        if isinstance(function, partial):
            self._partials.append(function)
            self._add(function.func)
        elif isinstance(function, MethodType):
            self._add(function.__func__)
        elif isinstance(function, FunctionType) and function.__closure__ and id(function) not in self._functions:
            self._functions[id(function)] = function
            for cell in function.__closure__:
                self._cells[id(cell)] = cell
                if not is_empty(cell):
                    self._add(cell.cell_contents)

    def rebuilt(self, contents: list[Any]) -> Any:
        """The function over the copies."""
        bound, given, values = contents
        cells = {key: CellType() for key in self._cells}
        for cell, value in zip(self._filled, values, strict=True):
            cells[id(cell)].cell_contents = value
        functions = {}
        for key, old in self._functions.items():
            closure = tuple(cells[id(cell)] for cell in old.__closure__ or ())
            functions[key] = FunctionType(old.__code__, old.__globals__, old.__name__, old.__defaults__, closure)
            functions[key].__kwdefaults__ = old.__kwdefaults__
        for key, cell in self._cells.items():
            if not is_empty(cell) and isinstance(cell.cell_contents, FunctionType):
                inner = cell.cell_contents
                cells[key].cell_contents = functions.get(id(inner), inner)
        partials = {id(p): arguments for p, arguments in zip(self._partials, given, strict=True)}

        def again(old: Any) -> Any:
            if isinstance(old, partial):
                arguments, keywords = partials[id(old)]
                return partial(again(old.func), *arguments, **keywords)
            if isinstance(old, MethodType):
                return MethodType(again(old.__func__), bound)
            return functions.get(id(old), old)

        return again(self._function)
