"""What a compiled function requires of its arguments: their structure, shapes, dtypes, and labels that are positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core import nesting
from ..core.nesting import Attribute, Path
from ..core.program import Program
from ..errors import ArgumentError, DtypeError, RangeError, ShapeError
from .picking import label_ranges, test_of
from .preparation import Interface, squeezed


class Guard:
    """What a compiled function requires of its arguments, and how it takes them apart."""

    def __init__(self, program: Program, arguments: tuple[Any, ...], names: Sequence[str]) -> None:
        self.program = program
        self.arguments = arguments
        self.names = names
        self.inputs = [self.leaf(i.path) for i in program.inputs]
        self.places = {id(array): n for n, array in enumerate(self.inputs)}
        self.constants: dict[str, Any] = {}
        self.lines: list[str] = []

    def leaf(self, path: Path) -> Any:
        """An array of the examples."""
        return nesting.get(self.arguments, path)

    def interface(self, scalars: set[int], casts: Mapping[int, Any]) -> Interface:
        """The source's parameters, its lines that take arguments apart and check them, and its result.

        ``scalars`` are the outputs that are numbers, ``casts`` the dtypes of outputs that have another one.
        """
        self.take(("a", self.arguments), ())
        taking = self.lines
        count = len(self.inputs)
        xs = "".join(f"x{n}, " for n in range(count))
        tests = [f"type(x{n}) is ndarray and x{n}.shape == s{n} and x{n}.dtype is d{n}" for n in range(count)]
        for n, array in enumerate(self.inputs):
            self.constants |= {f"s{n}": array.shape, f"d{n}": array.dtype}
        head = ", ".join(f"a{n}" for n in range(len(self.arguments)))
        everything = f"({head}, )" if self.arguments else "()"
        opening = ["try:", *(f"    {line}" for line in taking), "    pass"]
        opening += ["except mismatches:", f"    refuse({everything})"]
        labels = label_ranges(self.program)
        taken, admitted = () if labels else tuple(opening), f"admitted({everything})"
        if count:
            opening += [f"if not ({' and '.join(tests)}):", f"    {xs}= {admitted}"]
        for n, bounds in labels.items():
            opening.append(f"if {test_of(f'x{n}', self.inputs[n].dtype, bounds)}: astray({n}, x{n}, {bounds})")
        opening += squeezed(self.program)
        own = [np.dtype(array.dtype.name) for array in self.inputs]  # of two C types of one size, the usual one
        foreign = [n for n, array in enumerate(self.inputs) if array.dtype.num != own[n].num or array.dtype != own[n]]
        opening += [f"x{n} = x{n}.astype({own[n].name})" for n in foreign]
        self.constants |= {"mismatches": MISMATCHES, "refuse": self.refuse, "admitted": self.admitted}
        self.constants["astray"] = self.astray
        shapes = self.program.structure

        def returned(texts: Sequence[str]) -> str:
            cast = {n: f"{texts[n]}.astype({dtype.name}, copy=False)" for n, dtype in casts.items()}
            texts = [cast.get(n, text) for n, text in enumerate(texts)]
            values = [f"{text}[()]" if n in scalars else text for n, text in enumerate(texts)]
            return nested(shapes, values, self.constants)

        positions = {self.program.inputs[n].ref.name: most + 1 for n, (least, most) in labels.items() if least >= 0}
        real = any(dtype.kind in "fc" for dtype in casts.values())
        return Interface(
            head, opening, returned, self.constants, taken, admitted, self.orders(), positions, real, strict=True
        )

    def orders(self) -> dict[int, tuple[int, ...]]:
        """The axes of the examples as they lie in memory, where that is not C's order."""
        orders = {}
        for number, (declared, array) in enumerate(zip(self.program.inputs, self.inputs, strict=True)):
            order = tuple(int(n) for n in np.argsort([-abs(stride) for stride in array.strides], kind="stable"))
            if array.size and not declared.units and order != tuple(range(array.ndim)):
                orders[number] = order
        return orders

    def take(self, container: tuple[str, Any], path: Path) -> None:
        """The lines that take a container apart: the arguments themselves, if the path is empty."""
        text, value = container
        children = nesting.inside(value) or []
        if not path:
            for n, (step, inner) in enumerate(children):
                self.item(f"a{n}", inner, (step,))
            return
        if isinstance(value, list | tuple):
            targets = [f"{text}_{n}" for n in range(len(children))]
            self.lines.append(f"{''.join(f'{t}, ' for t in targets)}= {text}" if targets else f"() = {text}")
        else:
            targets = []
            if isinstance(value, dict):
                self.lines.append(f"if len({text}) != {len(value)}: raise KeyError")
            for n, (step, _) in enumerate(children):
                targets.append(f"{text}_{n}")
                key = self.constant(str(step) if isinstance(step, Attribute) else step)
                got = f"getattr({text}, {key})" if isinstance(step, Attribute) else f"{text}[{key}]"
                self.lines.append(f"{targets[-1]} = {got}")
        for target, (step, inner) in zip(targets, children, strict=True):
            self.item(target, inner, (*path, step))

    def item(self, text: str, value: Any, path: Path) -> None:
        """The lines for what stands at a path: an input, a container, or what must be as it was."""
        number = self.places.get(id(value))
        if number is not None and tuple(self.program.inputs[number].path) == path:
            self.lines.append(f"x{number} = {text}")
        elif number is not None:  # one array at two places
            self.lines.append(f"if {text} is not x{number}: raise ValueError")
        elif nesting.inside(value) is not None:
            self.take((text, value), path)
        elif isinstance(value, int | float | complex | str | bytes | np.generic):
            kept = self.constant(value)
            self.lines.append(f"if type({text}) is not type({kept}) or {text} != {kept} == {kept}: raise ValueError")
        elif isinstance(value, np.ndarray):
            kept = self.constant(value.copy())
            self.lines.append(f"if not array_equal({text}, {kept}): raise ValueError")
            self.constants["array_equal"] = np.array_equal
        elif value is None:
            self.lines.append(f"if {text} is not None: raise ValueError")

    def constant(self, value: Any) -> str:
        """A name for an object."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    # when something is not as it was

    def refuse(self, arguments: tuple[Any, ...]) -> None:
        """Say where the structure of the arguments, or a value that is no array, is another than it was."""
        before = dict(nesting.leaves(self.arguments))
        now = dict(nesting.leaves(arguments))
        for path in [*before, *now]:
            name = self.name(path)
            if path not in now:
                raise ArgumentError(f"{name} is missing: the function was compiled for arguments that have it")
            if path not in before:
                raise ArgumentError(f"there is a {name} that the arguments which the function was compiled for lack")
            if not isinstance(before[path], np.ndarray) and not _same(before[path], now[path]):
                raise ArgumentError(
                    f"{name} is {now[path]!r}, but was {before[path]!r} when the function was compiled, and is part "
                    f"of it. Compile again, or pass an array to let it vary."
                )
        raise ArgumentError("two arguments that were one array when the function was compiled are two arrays now")

    def admitted(self, arguments: tuple[Any, ...]) -> list[Any]:
        """The arrays, from what can be taken for them; an error for what cannot."""
        arrays = []
        for number, declared in enumerate(self.program.inputs):
            array = np.asarray(nesting.get(arguments, declared.path))
            self.require(number, array.shape, array.dtype)
            arrays.append(array)
        return arrays

    def require(self, number: int, shape: tuple[int, ...], dtype: Any) -> None:
        """Refuse an array for an input of another shape or dtype."""
        name, example = self.name(self.program.inputs[number].path), self.inputs[number]
        if shape != example.shape:
            raise ShapeError(
                f"{name} has shape {shape}, but was compiled for shape {example.shape}. Compile again for other shapes."
            )
        if dtype != example.dtype:
            raise DtypeError(
                f"{name} has dtype {dtype}, but was compiled for dtype {example.dtype}. Convert it, or compile again."
            )

    def astray(self, number: int, labels: Any, bounds: tuple[int, int]) -> None:
        """Say which label is no position along the axis that it picks from."""
        least, most = bounds
        labels = np.asarray(labels)
        place = [int(n) for n in np.argwhere((labels < least) | (labels > most))[0]]
        before = int(np.asarray(self.inputs[number]).min(initial=0))
        hint = ""
        if least == 0 <= before and labels[tuple(place)] < 0:
            hint = ". To count from the end, compile with an example that does"
        raise RangeError(
            f"{self.name(self.program.inputs[number].path)} holds {labels[tuple(place)]} at {place}, but picks from an "
            f"axis where positions are {least} to {most}{hint}."
        )

    def name(self, path: Path) -> str:
        """What a person calls the argument at a path."""
        position = int(str(path[0]))
        root = self.names[position] if position < len(self.names) else f"argument {position}"
        return nesting.label(root, path[1:])


MISMATCHES = (ValueError, TypeError, KeyError, IndexError, AttributeError)


def _same(before: Any, now: Any) -> bool:
    """Whether a value that is no array is what it was."""
    return type(before) is type(now) and (before == now or before != before)


def nested(structure: Any, texts: Sequence[str], constants: dict[str, Any]) -> str:
    """The outputs' expressions as the structure nests them; whatever is no output is a constant."""
    match structure:
        case bool() | None:
            return repr(structure)
        case int():
            return texts[structure]
        case list() | tuple():
            items = "".join(f"{nested(item, texts, constants)}, " for item in structure)
            return f"[{items}]" if isinstance(structure, list) else f"({items})"
        case dict():
            pairs = []
            for key, value in structure.items():
                name = f"k{len(constants)}"
                constants[name] = key
                pairs.append(f"{name}: {nested(value, texts, constants)}")
            return f"{{{', '.join(pairs)}}}"
        case _:
            name = f"k{len(constants)}"
            constants[name] = structure
            return name
