"""``shard``: a function, a mesh and letters go in; what each device holds, computes and moves comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ..core import visible
from ..core.letters import letters_of as letters_in
from ..core.program import Program, Ref
from ..core.simplification import needed
from ..emission.writing import inlined
from ..errors import ShardingError
from ..notation import pages
from ..notation.display import columns, fitted
from ..notation.index_notation import View, equation_text
from ..plans.compilation import Reading
from .layouts import Collective, Layouts, Line
from .mesh import Mesh, Placement, told
from .suggestion import suggested

if TYPE_CHECKING:
    from .running import ShardedFunction

SCHEMA = 1
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def shard(
    function: Callable[..., Any] | Program, *arguments: Any, mesh: Mapping[str, int],
    letters: Mapping[str, str] | None = None, suggest: int = 5,
    outputs: Mapping[str, Mapping[str, str]] | None = None, pad: bool = False,
) -> Sharding | Suggestions:  # fmt: skip
    """What a function costs with its letters on the axes of a mesh of devices. No engine is needed for it.

    Parameters
    ----------
    function : callable or Program
        A function of NumPy code, or what ``grad`` or ``value_and_grad`` returned; or a program, without arguments.
    *arguments : arrays, or nested lists, tuples, dicts and objects of arrays
        Examples, for the sizes.
    mesh : mapping of str to int
        The axes and how many devices there are along each: ``{"data": 4, "model": 2}``.
    letters : mapping of letter to axis
        Which dimensions lie on which axes: ``{"b": "data", "j": "model"}``. An array lies on an axis with one of its
        letters at most; one whose letters are of one dimension lies there with the first.
    suggest : int
        Without letters: how many ways to put them there are shown, those that move least first, of those that leave a
        device no more than three quarters of the work for each letter.
    outputs : mapping of result to (mapping of letter to axis), optional
        Results that are to lie on further axes, by the names that the report has: with ``{"dW": {"i": "data"}}`` each
        device along ``data`` keeps its part of a sum over the samples, after a reduce-scatter. (On processors XLA adds
        everything up all the same.)
    pad : bool
        Whether sizes that do not divide are filled up: the last devices have fewer entries, or none, of their own.
        Results are gathered along such a letter, since they have their own size.

    Returns
    -------
    Sharding or Suggestions
        It prints well; ``.lines`` and ``.collectives`` have the numbers. Suggestions are a tuple of them.

    Raises
    ------
    ShardingError
        There is no such letter, axis or result, sizes do not divide and ``pad`` is not given, or an array would lie on
        an axis with two letters.
    TraceError, DerivationError
        See ``trace`` and ``grad``.

    Examples
    --------
    >>> import numpy as np
    >>> found = shard(lambda W, X: np.tanh(X @ W), np.ones((8, 6)), np.ones((4, 8)),
    ...               mesh={"data": 4, "model": 2}, letters={"b": "data", "i": "model"})
    >>> [(one.kind, one.axis, one.value, one.bytes) for one in found.collectives]
    [('all-reduce', 'model', 't1', 48)]
    """
    program, reading = program_of(function, arguments)
    kept = needed(program.equations, [ref.name for ref in program.outputs])
    used = set().union(*(letters_in(equation) for equation in kept))
    used |= {letter for ref in (*program.outputs, *(i.ref for i in program.inputs)) for letter in ref.indices}
    dimensions = tuple(d for d in program.dimensions if used.intersection(d.letters))
    program, grid = replace(program, equations=tuple(kept), dimensions=dimensions), Mesh(mesh)
    if letters is None:
        if outputs is not None:
            raise ShardingError("outputs goes with letters: give both, or neither")
        return Suggestions(Sharding(one, reading) for one in suggested(program, grid, suggest, pad=pad))
    return Sharding(Placement(program, grid, letters, outputs or {}, pad), reading)


def program_of(function: Callable[..., Any] | Program, arguments: tuple[Any, ...]) -> tuple[Program, Reading | None]:
    """The program of a function of arguments, and how it was read."""
    if isinstance(function, Program):
        if arguments:
            raise ShardingError("a program takes no arguments here: give it alone, or a function with arguments")
        return function, None
    reading = Reading.of(function, arguments)
    return reading.program, reading


@dataclass(frozen=True)
class Sharding:
    """A program on a mesh.

    Attributes
    ----------
    placement : Placement
    reading : Reading or None
        The function whose program it is.
    """

    placement: Placement
    reading: Reading | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """The equations, in the order in which they are computed."""
        return self._layouts.lines

    @cached_property
    def _layouts(self) -> Layouts:
        return Layouts(self.placement)

    @property
    def program(self) -> Program:
        """The program."""
        return self.placement.program

    @property
    def collectives(self) -> tuple[Collective, ...]:
        """All that devices do together, in order."""
        return tuple(one for line in self.lines for one in line.collectives)

    @property
    def bytes(self) -> int:
        """That each device sends."""
        return self._layouts.bytes_sent

    @property
    def flops(self) -> int:
        """Additions and multiplications of each device."""
        return self._layouts.flops

    @property
    def memory(self) -> int:
        """Bytes that live on each device where most do."""
        return self._layouts.memory

    def compile(self) -> ShardedFunction:
        """The function on JAX's devices: it takes the arguments of the function, and returns arrays that lie there.

        Raises
        ------
        BackendError
            JAX is not installed, or has fewer devices than the mesh.
        ArgumentError
            See ``einbackprop.compile``.
        ShardingError
            A program was given, and no function.
        """
        if self.reading is None:
            raise ShardingError("a program alone is not run: give shard the function and its arguments")
        from .running import ShardedFunction

        return ShardedFunction(self.placement, self.reading)

    def layout(self, ref: Ref) -> str:
        """A value as it lies: ``X[b_data, i]``."""
        return written(self.placement.called(ref.name), ref.indices, self.placement.laid(ref))

    def __str__(self) -> str:
        return "\n".join(visible.visible(row, keep="\n") for row in self._rows())

    def __repr__(self) -> str:
        with fitted():
            return str(self)

    def _rows(self) -> Iterator[str]:
        """The report for a terminal."""
        yield f"mesh: {self.placement.mesh}"
        yield from letters_of(self.placement)
        yield "in parentheses: the shape of each value on one device"
        given = ", ".join(self.layout(declared.ref) for declared in self.program.inputs)
        yield from wrap(f"takes: {given}", columns(), subsequent_indent="       ", break_long_words=False)
        view = replace(View.of(self.program), inline=inlined(self.program))
        for line in self.lines:
            out = line.equation.out
            if out.name in view.inline:
                continue
            _, _, made = equation_text(line.equation, view).partition(" = ")
            shape = "×".join(map(str, line.local)) or "a number"
            yield from wrap(f"  {self.layout(out)} = {made}   ({shape})", columns(), subsequent_indent="      ",
                            break_long_words=False)  # fmt: skip
            for one in line.collectives:
                yield from wrap(self._said(one), columns() - 8, initial_indent="        ",
                                subsequent_indent="          ", break_long_words=False)  # fmt: skip
        yield from wrap(self.total, columns(), subsequent_indent="    ")

    def _said(self, one: Collective) -> str:
        """A collective in words."""
        times = f", {one.rounds} times in all" if one.rounds > 1 else ""
        match one.kind:
            case "all-gather":
                said = f"all-gather of {self.placement.called(one.value)} along {one.letter} over {one.axis}"
            case "all-reduce":
                said = f"partial over {one.axis}: all-reduce"
            case "reduce-scatter":
                said = f"partial over {one.axis}: reduce-scatter"
        return f"{said}, {amount(one.bytes)}{times}{', can wait' if one.can_wait else ''}"

    @property
    def total(self) -> str:
        """What it costs, as a sentence."""
        counts = {kind: sum(one.kind == kind for one in self.collectives)
                  for kind in ("all-reduce", "reduce-scatter", "all-gather")}  # fmt: skip
        said = " and ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items() if n)
        waiting = [one for one in self.collectives if one.can_wait]
        axes = dict.fromkeys((one.kind, one.axis) for one in waiting)
        together = "one" if len(axes) == 1 else str(len(axes))
        late = f" ({len(waiting)} can wait and be {together})" if len(waiting) > len(axes) else ""
        moved = f"sends {amount(self.bytes)} in {said}{late}" if said else "sends nothing"
        return (f"each device: {moved}, computes {self.flops:,} additions and multiplications, and holds at most "
                f"{amount(self.memory)}")  # fmt: skip

    def to_json(self) -> str:
        """All of it as data. ``schema`` is the version of its form."""
        lines = [
            {
                "value": self.placement.called(line.equation.out.name), "equation": equation_text(line.equation),
                "line": line.equation.source.line if line.equation.source else None,
                "layout": self.layout(line.equation.out), "local": line.local, "flops": line.flops, "held": line.held,
                "collectives": [
                    {"kind": one.kind, "axis": one.axis, "value": self.placement.called(one.value),
                     "letter": one.letter, "bytes": one.bytes, "rounds": one.rounds, "can_wait": one.can_wait}
                    for one in line.collectives
                ],
            }
            for line in self.lines
        ]  # fmt: skip
        return json.dumps({
            "schema": SCHEMA, "mesh": dict(self.placement.mesh.axes), "letters": dict(self.placement.letters),
            "padded": {i: size for i in self.placement.letters
                       if (size := self.placement.padded(i)) != self.program.dimension(i).size},
            "inputs": [self.layout(declared.ref) for declared in self.program.inputs], "lines": lines,
            "bytes": self.bytes, "flops": self.flops, "memory": self.memory,
        }, ensure_ascii=False, indent=1)  # fmt: skip

    def to_html(self) -> str:
        """The report as one page, with nothing in it from elsewhere."""
        title = f"letters on {self.placement.mesh}"
        body = f"<section><pre>{visible.in_html(str(self))}</pre></section>"
        return pages.page(title, pages.article([pages.heading(title), body]))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": f"<pre>{visible.in_html(str(self))}</pre>"}


class Suggestions(tuple[Sharding, ...]):
    """Ways to put the letters of a program on the axes of a mesh, those that move least first."""

    __slots__ = ()

    def compile(self) -> ShardedFunction:
        """None of them is run by itself: raises ShardingError."""
        raise ShardingError("these are several ways: give shard letters, or take one of them: found[0].compile()")

    def __str__(self) -> str:
        rows = [(", ".join(f"{letter}={axis}" for letter, axis in one.placement.letters.items()), amount(one.bytes),
                 amount(one.memory), f"{one.flops:,}") for one in self]  # fmt: skip
        rows = [("on the axes", "sends", "holds at most", "computes"), *rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        placement = self[0].placement
        known = letters_of(replace(placement, letters={}))
        return "\n".join([f"mesh: {placement.mesh}", *known, "each device:", *table])

    def __repr__(self) -> str:
        return str(self)

    def to_json(self) -> str:
        """Each of them as data, in a list."""
        return json.dumps([json.loads(one.to_json()) for one in self], ensure_ascii=False, indent=1)

    def to_html(self) -> str:
        """The table and the reports as one page."""
        title = f"letters on {self[0].placement.mesh}"
        body = "".join(f"<section><pre>{visible.in_html(str(part))}</pre></section>" for part in (self, *self))
        return pages.page(title, pages.article([pages.heading(title), body]))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": f"<pre>{visible.in_html(str(self))}</pre>"}


def letters_of(placement: Placement) -> list[str]:
    """The letters of a program, their sizes, and on which axes they lie."""
    parts = [told(d) + (f" on {axis}" if (axis := placement.axis(d.letters[0])) else "")
             + (f", padded to {padded}" if (padded := placement.padded(d.letters[0])) != d.size else "")
             for d in placement.program.dimensions]  # fmt: skip
    return wrap("letters: " + ",  ".join(parts), columns(), subsequent_indent="         ")


def written(name: str, indices: str, layout: Sequence[str]) -> str:
    """A value with its layout, as the literature on scaling writes it: ``X[b_data, i]``."""
    parts = [f"{letter}_{axis}" if axis else letter for letter, axis in zip(indices, layout, strict=True)]
    return f"{name}[{', '.join(parts)}]" if parts else name


def amount(count: int) -> str:
    """A number of bytes for people: ``1.6 MB``."""
    size, unit = float(count), 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{count} bytes" if not unit else f"{size:.3g} {UNITS[unit]}"
