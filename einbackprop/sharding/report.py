"""``shard``: a function, a mesh and letters go in; what each device holds, computes and moves comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ..capture.tracer import Trace
from ..core.letters import letters_of as letters_in
from ..core.program import Opaque, Program, Ref, operands
from ..core.progress import contained
from ..core.records import dataclass
from ..core.simplification import needed
from ..core.visible import in_html, visible
from ..emission.writing import inlined
from ..errors import ShardingError
from ..notation import pages
from ..notation.display import columns, fitted
from ..notation.index_notation import View, equation_markup, equation_text
from ..plans.compilation import Reading
from ..plans.compilation import told as said_of
from .layouts import Collective, Layouts, Line
from .mesh import Mesh, Placement, told
from .suggestion import suggested

if TYPE_CHECKING:
    from .running import ShardedFunction

SCHEMA = 2
SUGGESTIONS = 5
KEY = ("in parentheses: the shape of each value on one device, and the operations it takes; what is sent is counted as "
       "rings of devices send it, in {}")  # fmt: skip
HEAD = ("line", "formula, and how its value lies", "on one device", "operations", "sends")
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def shard(
    function: Callable[..., Any] | Program, *arguments: Any, mesh: Mapping[str, int],
    letters: Mapping[str, str] | None = None, suggest: int | None = None,
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
    suggest : int, optional
        Without letters: how many ways to put them there are shown, 5 unless given, those that move least first, of
        those that leave a device no more than three quarters of the work for each letter.
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
    trace = None if reading is None else reading.trace
    return placed(program, mesh, letters, suggest, outputs, pad, Origin(reading, trace))


@dataclass(frozen=True)
class Origin:
    """Where a program comes from: the function that was read, which can be run on a mesh, and its trace, with notes."""

    reading: Reading | None = None
    trace: Trace | None = None


def placed(
    program: Program, mesh: Mapping[str, int], letters: Mapping[str, str] | None, suggest: int | None,
    outputs: Mapping[str, Mapping[str, str]] | None, pad: bool, origin: Origin
) -> Sharding | Suggestions:  # fmt: skip
    """What a program costs on a mesh: see ``shard``."""
    kept = needed(program.equations, [ref.name for ref in program.outputs])
    used = set().union(*(letters_in(equation) for equation in kept))
    used |= {letter for ref in (*program.outputs, *(i.ref for i in program.inputs)) for letter in ref.indices}
    dimensions = tuple(d for d in program.dimensions if used.intersection(d.letters))
    program, grid = replace(program, equations=tuple(kept), dimensions=dimensions), Mesh(mesh)
    if letters is None:
        if outputs is not None:
            raise ShardingError("outputs goes with letters: give both, or neither")
        ways = suggested(program, grid, SUGGESTIONS if suggest is None else suggest, pad=pad)
        return Suggestions(Sharding(one, origin) for one in ways)
    if suggest is not None:
        raise ShardingError("suggest finds letters: give letters, or suggest, not both")
    return Sharding(Placement(program, grid, letters, outputs or {}, pad), origin)


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
    origin : Origin
        Where its program comes from.
    """

    placement: Placement
    origin: Origin = Origin()

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
        """Operations of each device: additions, multiplications, and pointwise functions of a number."""
        return self._layouts.flops

    @property
    def memory(self) -> int:
        """Bytes of the values that live on each device where most do, without what an engine needs besides."""
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
        if self.origin.reading is None:
            raise ShardingError("a program alone is not run: give shard the function and its arguments")
        from .running import ShardedFunction

        return ShardedFunction(self.placement, self.origin.reading)

    def layout(self, ref: Ref) -> str:
        """A value as it lies: ``X[b_data, i]``."""
        return written(self.placement.called(ref.name), ref.indices, self.placement.laid(ref))

    def __str__(self) -> str:
        return "\n".join(visible(row, keep="\n") for row in self._rows())

    def __repr__(self) -> str:
        with fitted():
            return str(self)

    def _rows(self) -> Iterator[str]:
        """The report for a terminal."""
        yield f"mesh: {self.placement.mesh}"
        yield from letters_of(self.placement)
        yield from wrap(KEY.format(self.dtype), columns())
        for row in self._given():
            yield from wrap(row, columns(), subsequent_indent="       ", break_long_words=False)
        view, code = self._view, ""
        for line in self._shown(view):
            if (own := code_of(line)) != code:
                yield from wrap(own, columns(), subsequent_indent="      ", break_long_words=False)
                code = own
            said = f"        {self.layout(line.equation.out)} = {made(line, view)}   ({cost_of(line)})"
            yield from wrap(said, columns(), subsequent_indent="            ", break_long_words=False)
            for one in line.collectives:
                yield from wrap(self._said(one), columns() - 12, initial_indent="            ",
                                subsequent_indent="              ", break_long_words=False)  # fmt: skip
        yield from wrap(self.total, columns(), subsequent_indent="    ")
        for note in self.notes:
            yield from wrap(note, columns(), initial_indent="note: ", subsequent_indent="      ")

    def _shown(self, view: View) -> Iterator[Line]:
        """The lines that the report has: what stands in the formula of another one costs what it costs there."""
        inner: dict[str, Line] = {}
        for line in self.lines:
            names = dict.fromkeys(ref.name for ref in operands(line.equation))
            parts = [inner.pop(name) for name in names if name in inner]
            moves = tuple(one for part in (*parts, line) for one in part.collectives)
            whole = replace(line, flops=sum(part.flops for part in (*parts, line)), collectives=moves)
            if line.equation.out.name in view.inline:
                inner[line.equation.out.name] = whole
            else:
                yield whole

    def _given(self) -> Iterator[str]:
        """The arguments, and the constant arrays that lines read."""
        yield f"takes: {', '.join(self.layout(declared.ref) for declared in self.program.inputs)}"
        inline = self._view.inline
        kept = {ref.name: ref for line in self.lines for ref in operands(line.equation)
                if ref.name in self.program.constants and ref.indices and ref.name not in inline}  # fmt: skip
        if kept:
            called = self.placement.called
            names = [written(called(name), ref.indices, ("",) * len(ref.indices)) for name, ref in kept.items()]
            yield f"keeps: {', '.join(names)}"

    @property
    def _view(self) -> View:
        """The names of values; constants that stand in formulas are no lines."""
        return replace(View.of(self.program), inline=inlined(self.program))

    @property
    def dtype(self) -> str:
        """The dtypes of the floating-point arguments."""
        kinds = dict.fromkeys(declared.dtype for declared in self.program.inputs)
        return " and ".join(kind for kind in kinds if np.dtype(kind).kind in "fc") or "float64"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know: what stays as it was in this run, and axes of the mesh that nothing lies on."""
        placement, trace = self.placement, self.origin.trace
        found = [] if trace is None else [*trace.frozen.values(), *(note for note in trace.notes if note.only_here)]
        stay = [said_of(note) for note in found]
        opaque = [line.equation for line in self.lines if isinstance(line.equation, Opaque)]
        unread = [f"{placement.called(one.out.name)} was not read ({one.reason}), and is not counted" for one in opaque]
        used = {placement.axis(letter) for dimension in self.program.dimensions for letter in dimension.letters}
        idle = [f"nothing lies on {axis}: its {count} devices do the same work"
                for axis, count in placement.mesh.axes.items() if axis not in used and count > 1]  # fmt: skip
        return tuple(dict.fromkeys([*stay, *unread, *idle]))

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
        counts = {kind: sum(one.rounds for one in self.collectives if one.kind == kind)
                  for kind in ("all-reduce", "reduce-scatter", "all-gather")}  # fmt: skip
        said = enumerated([f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items() if n])
        waiting = [one for one in self.collectives if one.can_wait]
        axes = dict.fromkeys((one.kind, one.axis) for one in waiting)
        together = "one" if len(axes) == 1 else str(len(axes))
        late = f" ({len(waiting)} can wait and be {together})" if len(waiting) > len(axes) else ""
        moved = f"sends {amount(self.bytes)} in {said}{late}" if said else "sends nothing"
        work = f"computes {self.flops:,} operation{'s' * (self.flops != 1)}"
        return f"each device: {moved}, {work}, and holds {amount(self.memory)} where it holds most"

    def to_json(self) -> str:
        """All of it as data. ``schema`` is the version of its form."""
        lines = [
            {
                "value": self.placement.called(line.equation.out.name), "equation": equation_text(line.equation),
                **source_of(line), "dtype": self._layouts.dtypes[line.equation.out.name].name,
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
            "dimensions": [{"letters": [*d.letters], "size": d.size, "axis": self.placement.axis(d.letters[0]) or None}
                           for d in self.program.dimensions],
            "inputs": [self.layout(declared.ref) for declared in self.program.inputs], "lines": lines,
            "bytes": self.bytes, "flops": self.flops, "memory": self.memory, "notes": self.notes,
        }, ensure_ascii=False, indent=1)  # fmt: skip

    def to_html(self) -> str:
        """The report as one page, with nothing in it from elsewhere."""
        title = f"letters on {self.placement.mesh}"
        return pages.page(title, pages.article([pages.heading(title), self.part()]))

    def part(self) -> str:
        """The report for a page: a table of the lines, formulas in the colours of their letters."""
        axes = letters_of(self.placement, 10**6)[0]
        head = "".join(f'<th scope="col">{in_html(cell)}</th>' for cell in HEAD)
        rows = "".join(f"<tr>{row}</tr>" for row in self._cells())
        first = "".join(map(note_html, (axes, *self._given(), KEY.format(self.dtype))))
        table = f'<table class="plan"><tr>{head}</tr>{rows}</table>'
        body = f"{pages.legend(self.program.dimensions)}{first}{table}{note_html(self.total)}"
        return f"<section>{body}</section>{pages.listed('Notes', self.notes)}"

    def _cells(self) -> Iterator[str]:
        """The rows of the table."""
        view, code = self._view, ""
        for line in self._shown(view):
            own = code_of(line)
            shown, code = own if own != code else "", own
            text = f"{self.layout(line.equation.out)} = {made(line, view)}"
            markup = contained("a formula on the page", partial(equation_markup, line.equation, view), ())
            formula = pages.formula(markup, text) + f"<br/><code>{in_html(self.layout(line.equation.out))}</code>"
            local = "×".join(map(str, line.local)) or "a number"
            sent = "<br/>".join(in_html(self._said(one)) for one in line.collectives)
            cells = [f"<code>{in_html(shown)}</code>", formula, local, f"{line.flops:,}", sent]
            yield "".join(f"<td>{cell}</td>" for cell in cells)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": pages.article([self.part()])}


class Suggestions(tuple[Sharding, ...]):
    """Ways to put the letters of a program on the axes of a mesh, those that move least first."""

    __slots__ = ()

    def compile(self) -> ShardedFunction:
        """None of them is run by itself: raises ShardingError."""
        raise ShardingError("these are several ways: give shard letters, or take one of them: found[0].compile()")

    def __str__(self) -> str:
        rows = [(", ".join(f"{letter}={axis}" for letter, axis in one.placement.letters.items()), amount(one.bytes),
                 amount(one.memory), f"{one.flops:,}") for one in self]  # fmt: skip
        rows = [("on the axes", "sends", "holds", "operations"), *rows]
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
        table = f"<section><pre>{in_html(str(self))}</pre></section>"
        return pages.page(title, pages.article([pages.heading(title), table, *(one.part() for one in self)]))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": f"<pre>{in_html(str(self))}</pre>"}


def note_html(text: str) -> str:
    """A paragraph about a table."""
    return f'<p class="note">{in_html(text)}</p>'


def made(line: Line, view: View) -> str:
    """What a line computes, without its name."""
    return equation_text(line.equation, view).partition(" = ")[2]


def cost_of(line: Line) -> str:
    """The shape of a value on one device, and the operations that it takes."""
    shape = "×".join(map(str, line.local)) or "a number"
    return f"{shape}: {line.flops:,}" if line.flops else shape


def code_of(line: Line) -> str:
    """The user's line that an equation comes from; empty where that is none, as in what is derived."""
    source = source_of(line)
    return f"{source['line']:4}  {source['code']}" if source else ""


def source_of(line: Line) -> dict[str, Any]:
    """The place of that line as data."""
    if line.equation.source is None:
        return {}
    source = line.equation.source.shown
    return {"file": source.file, "line": source.line, "code": source.code}


def enumerated(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([part for part in (", ".join(parts[:-1]), *parts[-1:]) if part])


def letters_of(placement: Placement, width: int | None = None) -> list[str]:
    """The letters of a program, their sizes, and on which axes they lie, in rows that fit a terminal or a width."""
    parts = [told(d) + (f" on {axis}" if (axis := placement.axis(d.letters[0])) else "")
             + (f", padded to {padded}" if (padded := placement.padded(d.letters[0])) != d.size else "")
             for d in placement.program.dimensions]  # fmt: skip
    return wrap("letters: " + ",  ".join(parts), width or columns(), subsequent_indent="         ")


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
