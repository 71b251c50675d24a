"""Assembly: steps in order become the source of a Python function, and its buffers pieces of one block of memory.

The source has two parts. ``make`` is run once a thread: it takes a block of memory, and makes every view of it and
of the constants, and the bound ``dot`` methods. ``run``, which it returns, is what is called: views of its arguments
are all it has to make. A buffer's memory serves others before its first step and after its last one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

import numpy as np

from ..core.collecting import grouped
from ..core.records import dataclass
from ..core.visible import visible
from . import routines, workers
from .routines import Array
from .views import Dtype, Root, View

MANY = 200
"""Buffers for which places are looked for once."""


@dataclass(frozen=True, eq=False)
class Loop:
    """Steps that are run for one block after another, or for one round of a recurrence.

    Attributes
    ----------
    variables : tuple of str
        The names of the slices that a block is, one for each letter; none of a round.
    blocks : str
        The name of the sequence of these.
    times : int
        How many there are.
    down : bool
        Whether the last round comes first.
    workers : int
        How many threads share the blocks; then ``blocks`` is a sequence for each of them.
    """

    variables: tuple[str, ...]
    blocks: str
    times: int
    down: bool = False
    workers: int = 1


Phase = Literal["before", "each", "after"]


@dataclass(frozen=True)
class Step:
    """One call.

    Attributes
    ----------
    word : str
        What kind of call it is: GEMM, elementwise, …
    template : str
        Its text, with ``{0}``, ``{1}``, … where views stand.
    views : tuple of View
        What it reads and writes.
    out : Root or None
        The memory that it writes to.
    flops, nbytes : int
        Arithmetic, and memory read and written.
    equation : str
        The equation that it is part of, in index notation.
    loop : Loop or None
        The loop in which it is.
    phase : 'before', 'each' or 'after'
        Whether it is run for each block, or once a worker: by the worker before its blocks, or after all workers.
    """

    word: str
    template: str
    views: tuple[View, ...]
    out: Root | None
    flops: int
    nbytes: int
    equation: str = ""
    loop: Loop | None = None
    phase: Phase = "each"

    @property
    def times(self) -> int:
        """How often it is run."""
        if self.loop is None:
            return 1
        return self.loop.times if self.phase == "each" else self.loop.workers


@dataclass
class Assembly:
    """The steps so far, and the memory that they use."""

    steps: list[Step] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    roots: list[Root] = field(default_factory=list)
    kept: dict[tuple[bytes, tuple[int, ...], str], View] = field(default_factory=dict)
    equation: str = ""
    loop: Loop | None = None
    phase: Phase = "each"

    def root(self, shape: Sequence[int], dtype: Dtype, *, fresh: bool = False) -> Root:
        """New memory: a buffer, or where ``fresh`` an array that each call makes anew."""
        letter = "r" if fresh else "b"
        root = Root(f"{letter}{len(self.roots)}", "result" if fresh else "buffer", tuple(shape), dtype)
        self.roots.append(root)
        return root

    def imagined(self, shape: Sequence[int], dtype: Dtype) -> Root:
        """Memory that nothing is written to: to try an order."""
        return Root("", "buffer", tuple(shape), dtype)

    def constant(self, array: Array, term: str) -> View:
        """An array that is the same in each call."""
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = (array.tobytes(), array.shape, array.dtype.str)
        if key not in self.kept or array.dtype == object:
            array = array.copy()
            array.setflags(write=False)
            name = f"c{len(self.constants)}"
            self.constants[name] = array
            self.kept[key] = View.of(Root(name, "constant", array.shape, array.dtype), "".join(term))
        return self.kept[key].named(term)

    def function(self, call: Any) -> str:
        """The name of a function that the source calls, or of another object that it needs."""
        name = f"f{len(self.constants)}"
        self.constants[name] = call
        return name

    def emit(
        self, word: str, template: str, *views: View, out: View | None = None, flops: int = 0, shares: int = 1
    ) -> None:
        """Write a step; ``{n}`` in the template is views[n], ``{out}`` what it writes to.

        It goes over one of so many ``shares`` of the views.
        """
        every = views if out is None else (*views, out)
        text = template.replace("{out}", f"{{{len(views)}}}")
        nbytes = sum(view.size * view.dtype.itemsize for view in every) // shares
        root = out.root if out else None
        self.steps.append(Step(word, text, every, root, flops, nbytes, self.equation, self.loop, self.phase))

    def cut(self, view: View, letters: Sequence[str], variables: Mapping[str, str], shape: Mapping[str, int]) -> View:
        """The part of a view that is at hand in a loop: along the axes that have a letter, a block."""
        index = tuple(slice(0, shape[i]) if i else slice(None) for i in letters)
        array = view.array[(*index, ...)]
        root = part_of(view, array, f"p{len(self.steps)}", "part")
        places = ", ".join(variables[i] if i else ":" for i in letters)
        self.steps.append(Step("block", f"{root.name} = {{0}}[{places}]", (view,), None, 0, 0, "", self.loop))
        return View(root.name, root, array, view.term)

    def entry(self, view: View) -> View:
        """The entry along the first axis of a view that is at hand in a round."""
        array = view.array[0, ...]
        root = part_of(view, array, f"p{len(self.steps)}", "entry")
        self.steps.append(Step("entry", root.name, (view,), None, 0, 0, "", self.loop))
        return View(root.name, root, array, view.term[1:])


def part_of(view: View, array: Array, name: str, kind: Literal["part", "entry"]) -> Root:
    """The memory of a part of a view, whose prototype is the array, by a name of its own."""
    root = Root(name, kind, array.shape, view.dtype, view.root.last, view.root.below)
    root.origin = View(name, root, array, "").start
    return root


def offsets(spans: Mapping[Root, tuple[int, int]]) -> tuple[dict[Root, int], int]:
    """Where each buffer lies in one block of memory, and how long that is: the largest first, wherever it fits.

    Two buffers share bytes only where one is no longer needed when the other is first written. Of two as long, the
    one that is needed first comes first, or the one that is needed last, whichever takes less.
    """
    first = packed(spans, sorted(spans, key=lambda root: -root.nbytes))
    if len(spans) > MANY:
        return first
    last = packed(spans, sorted(spans, key=lambda root: (-root.nbytes, -spans[root][1])))
    return min(first, last, key=lambda found: found[1])


def packed(spans: Mapping[Root, tuple[int, int]], order: Sequence[Root]) -> tuple[dict[Root, int], int]:
    """Places for buffers, found for one after another, and the end of the last place."""
    placed: dict[Root, int] = {}
    end = 0
    for root in order:
        taken = sorted(
            (at, at + padded(other)) for other, at in placed.items()
            if spans[other][0] <= spans[root][1] and spans[root][0] <= spans[other][1]
        )  # fmt: skip
        at = 0
        for start, stop in taken:
            if start - at >= padded(root):
                break
            at = max(at, stop)
        placed[root] = at
        end = max(end, at + padded(root))
    return placed, end


def spans_of(steps: Sequence[Step], outputs: Iterable[View]) -> dict[Root, tuple[int, int]]:
    """The first and the last step at which each buffer is needed: through a whole loop, if outside of it too."""
    needed = [*((view.root, n) for n, step in enumerate(steps) for view in step.views),
              *((view.root, len(steps)) for view in outputs)]  # fmt: skip
    used = grouped((root, number) for root, number in needed if root.kind == "buffer")
    loops = grouped((step.loop, number) for number, step in enumerate(steps) if step.loop is not None)
    spans = {}
    for root, numbers in used.items():
        first, last = min(numbers), max(numbers)
        for within in loops.values():
            start, stop = within[0], within[-1]
            if first <= stop and start <= last and not (start <= first and last <= stop):
                first, last = min(first, start), max(last, stop)
        spans[root] = first, last
    return spans


def padded(root: Root) -> int:
    """A buffer's length, such that the next one is aligned."""
    return -(-root.nbytes // routines.ALIGNMENT) * routines.ALIGNMENT


def owners_of(steps: Sequence[Step], spans: Mapping[Root, tuple[int, int]]) -> dict[Root, Loop]:
    """Buffers that are needed in one loop of several workers only: each worker has its own."""
    found = {}
    for root, (first, last) in spans.items():
        loop = steps[first].loop
        if loop is not None and loop.workers > 1 and last < len(steps) and steps[last].loop is loop:
            found[root] = loop
    return found


def pieces(places: Mapping[Root, int]) -> list[str]:
    """The lines that make buffers of a block of memory."""
    return [f"{root.name} = piece(block, {at}, {root.shape}, {root.dtype.name})"
            for root, at in sorted(places.items(), key=lambda item: int(item[0].name[1:]))]  # fmt: skip


@dataclass
class Task:
    """A loop that several workers share, while it is written.

    Attributes
    ----------
    loop : Loop
    nbytes : int
        The memory that each of them has.
    making : list of str
        The lines that make its buffers, and views of them.
    own : list of str
        What these are called.
    lines : dict of phase to list of str
    """

    loop: Loop
    nbytes: int
    making: list[str]
    own: list[str]
    lines: dict[Phase, list[str]] = field(default_factory=lambda: {"before": [], "each": [], "after": []})

    def text(self, number: str) -> tuple[list[str], list[str]]:
        """The lines that make the workers' memory, and those that have them work."""
        own = ", ".join(self.own)
        words = set(re.findall(r"\w+", " ".join(self.lines["after"])))
        read = ", ".join(name for name in self.own if name in words)
        making = [
            f"def owned{number}(block):",
            *(f"    {line}" for line in self.making),
            f"    return [{own}]",
            f"own{number} = [owned{number}(memory({self.nbytes})) for _ in range({self.loop.workers})]",
        ]
        running = [
            f"def work{number}({', '.join(['blocks', *self.own])}):",
            *(f"    {line}" for line in self.lines["before"]),
            f"    for {', '.join(self.loop.variables)}, in blocks:",
            *(f"        {line}" for line in self.lines["each"]),
            f"    return [{read}]",
            f"for [{read}] in side_by_side(work{number}, {self.loop.blocks}, own{number}):",
            *(f"    {line}" for line in self.lines["after"] or ["pass"]),
        ]
        return making, running


class Source:
    """The text of a plan while it is written."""

    def __init__(self, assembly: Assembly, outputs: Sequence[View]) -> None:
        self.assembly = assembly
        self.names: dict[str, str] = {}
        self.making: list[str] = []
        self.running: list[str] = []
        self.begun: set[Root] = set()
        self.loop: Loop | None = None
        self.outside = 0
        self.entries: dict[str, str] = {}
        self.counted: list[tuple[str, str]] = []
        self.task: Task | None = None
        self.spans = spans_of(assembly.steps, outputs)
        self.owners = owners_of(assembly.steps, self.spans)
        self.places, self.nbytes = offsets({r: span for r, span in self.spans.items() if r not in self.owners})
        if self.places:
            self.making += [f"block = memory({self.nbytes})", "owner = block.base", *pieces(self.places)]
        for step in assembly.steps:
            self.write(step)
        self.close()

    def write(self, step: Step) -> None:
        """The line of a step."""
        if step.loop is not self.loop:
            self.close()
            self.loop, self.outside = step.loop, len(self.running)
            self.counted = []
            if step.loop is not None and step.loop.workers > 1:
                self.task = self.begun_task(step.loop)
            elif step.loop is not None:
                self.running.append(f"for {', '.join(step.loop.variables)}, in {step.loop.blocks}:")
        line = step.template
        out = step.views[-1] if step.out is not None else None
        for view in step.views:
            if view is not out and view.root.kind == "result" and view.root not in self.begun:
                self.begin(view.root)
        if step.word == "entry" and step.loop is not None:
            self.enter(line, step.views[0], step.loop)
            return
        texts = [self.view(v) if v.root in self.begun or v.root.kind != "result" else "" for v in step.views]
        if out is not None and out.root.kind == "result" and out.root not in self.begun:
            if line.startswith("{0}.dot(") and out.text == out.root.name and out.root.shape:
                self.begun.add(out.root)
                line = f"{out.text} = {{0}}.dot({{1}})"
            else:
                self.begin(out.root)
                texts[-1] = self.view(out)
        if "{0}.dot(" in line and step.views[0].root.is_kept:
            line, texts[0] = line.replace("{0}.dot", "{0}", 1), self.kept(f"{texts[0]}.dot", step.views[0].root)
        elif "{0}.dot(" in line and step.views[0].root.name in self.entries:
            bound = self.each(f"{step.views[0].text}.dot", step.views[0].root)
            line, texts[0] = line.replace("{0}.dot", "{0}", 1), bound
        comment = f"  # {safe(step.equation)}  {step.word}" if step.equation else f"  # {step.word}"
        self.append(line.format(*texts) + comment, here=True, phase=step.phase)

    def begun_task(self, loop: Loop) -> Task:
        """What workers are to do, with memory for what nothing else reads."""
        places, nbytes = offsets({root: span for root, span in self.spans.items() if self.owners.get(root) is loop})
        self.nbytes += loop.workers * nbytes
        return Task(loop, nbytes, pieces(places), [root.name for root in places])

    def close(self) -> None:
        """Write what workers are to do, once all of it is known."""
        if self.task is not None:
            making, running = self.task.text(self.task.loop.blocks[1:])
            self.making += making
            self.running += running
            self.task = None

    def enter(self, name: str, view: View, loop: Loop) -> None:
        """A variable for the entry of a view in each round; of kept memory, all entries are made once."""
        text = f"entries({self.view(view)}, {loop.down})"
        if view.root.is_kept:
            text = self.entries[name] = self.kept(text, view.root)
        self.count(name, text)

    def each(self, text: str, root: Root) -> str:
        """The variable for what is made of an entry of kept memory: made once for each round."""
        if text not in self.names:
            self.names[text] = f"t{len(self.names)}"
            self.count(self.names[text], self.kept(f"[{text} for {root.name} in {self.entries[root.name]}]", root))
        return self.names[text]

    def count(self, name: str, text: str) -> None:
        """One more variable of the rounds that are being written."""
        self.counted.append((name, text))
        names, texts = (", ".join(parts) for parts in zip(*self.counted, strict=True))
        self.running[self.outside] = f"for {names}, in zip({texts}):"

    def append(self, line: str, *, here: bool, phase: Phase = "each") -> None:
        """One more line, in the loop that is being written, or before it."""
        if self.task is not None:
            (self.task.lines[phase] if here else self.running).append(line)
        elif self.loop is None or here:
            self.running.append("    " * (self.loop is not None) + line)
        else:
            self.running.insert(self.outside, line)
            self.outside += 1

    def begin(self, root: Root) -> None:
        """Make the memory of a result."""
        self.begun.add(root)
        self.append(f"{root.name} = empty({root.shape}, {root.dtype.name})", here=False)

    def view(self, view: View) -> str:
        """The name of a view. One of kept memory is made once, another where it is first needed."""
        if view.text == view.root.name or view.text in self.names:
            return self.names.get(view.text, view.text)
        if view.root.is_kept:
            return self.kept(view.text, view.root)
        if view.root.name in self.entries:
            return self.each(view.text, view.root)
        name = self.names[view.text] = f"t{len(self.names)}"
        self.append(f"{name} = {view.text}", here=view.root.kind in ("part", "entry"))
        return name

    def kept(self, text: str, root: Root) -> str:
        """The name of what is made once, or once for each worker."""
        if text not in self.names:
            name = self.names[text] = f"v{len(self.names)}"
            if self.task is not None and root in self.owners:
                self.task.making.append(f"{name} = {text}")
                self.task.own.append(name)
            else:
                self.making.append(f"{name} = {text}")
        return self.names[text]

    def text(self, head: str, opening: Sequence[str], returned: str, decorator: str = "") -> str:
        """The whole source."""
        body = [*opening, *self.running, f"return {returned}"]
        lines = ["def make():", *(f"    {line}" for line in self.making)]
        lines += [f"    {decorator}"] * bool(decorator)
        lines += [f"    def run({head}):", *(f"        {line}" for line in body), "    return run"]
        return "\n".join(lines) + "\n"


def safe(text: str) -> str:
    """Text that stays within a comment, whatever names are in it."""
    return visible(text)


ROUTINES = """
affine entries extreme gather memory multiply_in_blocks piece position_of scatter_along spread_in_blocks
windows_in_blocks within
"""
FROM_NUMPY = """
abs add arccos arccosh arcsin arcsinh arctan arctanh bitwise_and bitwise_or bitwise_xor conjugate copyto cos cosh
divide einsum empty equal errstate exp
exp2 expm1 greater greater_equal less less_equal log log10 log1p log2 logical_and logical_not logical_or logical_xor
matmul maximum minimum multiply ndarray negative not_equal power reciprocal sign sin sinh sqrt square subtract tan tanh
vecdot
"""

NAMES: dict[str, Any] = {
    "add_reduce": np.add.reduce,
    "cumsum": np.add.accumulate,
    "maximum_reduce": routines.reduction(np.maximum),
    "minimum_reduce": routines.reduction(np.minimum),
    **{name: np.dtype(name) for name in (np.dtype(kind).name for kind in "?bhilqBHILQefdgFDG")},
    **{name: getattr(routines, name) for name in ROUTINES.split()},
    **{name: getattr(np, name) for name in FROM_NUMPY.split()},
    "side_by_side": workers.side_by_side,
}
"""What the source of every plan refers to."""


def compiled(source: str, constants: dict[str, Any]) -> Callable[[], Callable[..., Any]]:
    """The function ``make`` of a source. Nothing of the user's is in it but index notation, in comments."""
    namespace = {**NAMES, **constants}
    exec(compile(source, "<einbackprop plan>", "exec"), namespace)
    make: Callable[[], Callable[..., Any]] = namespace["make"]
    return make
