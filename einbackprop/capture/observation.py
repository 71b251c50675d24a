"""Watching the user's code while it runs: which statement makes a value, and what it is called there.

The code of a function is compiled again from its source with probes in it. The probes are constants of the code, so
that no namespace of the user's has a name more.
"""

import ast
import functools
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import field
from types import CodeType, FrameType
from typing import Any
from weakref import ref

import numpy as np

from ..core.program import Source
from ..core.records import dataclass
from ..core.source import CALL, INNER, compile_tree, copied_tree, statements_of, statements_of_text
from ..world.ownership import is_users
from . import sizes
from .bindings import Held, Run, Seen, Turns
from .instrumentation import MARK, Prober
from .memory import View, is_traced
from .probes import FAR, Probes, Read, Site, Statement, entries, items_of, name_of_key
from .recorder import Recorder, Rounds

DEEPEST = 20_000  # of containers in containers some have names; one that holds itself would have no end
SHOWN = 4  # entries of a container that a statement makes which are bound by it
YIELD = re.compile(r"\byield\b")
OF_NUMBERS = (ArithmeticError, ValueError, IndexError)


@dataclass(slots=True)
class Frame:
    """A call of a function of the user's: how deep it is, which statement called it, and which one it is at."""

    code: CodeType
    depth: int
    caller: Run | None
    run: Run | None = None
    rounds: dict[int, int] = field(default_factory=dict)
    loops: dict[int, Run] = field(default_factory=dict)


class Observer:
    """Watches the user's statements: which is being run, what it reads and binds, and which names values get.

    Attributes
    ----------
    runs : list of Run
        In the order in which they began.
    keeps_values : bool
        Whether copies of the arrays that statements read and bind are kept.
    """

    keeps_values = False

    def __init__(self) -> None:
        self.recorder: Recorder  # which is made for it
        self.named: set[str] = set()  # the arguments, which have their names already
        self.runs: list[Run] = []
        self.frames: dict[int, Frame] = {}
        self._by_source: dict[int, Run] = {}
        self._error: Any = None
        self._counts: dict[Statement, int] = {}
        self._uncounted: dict[Statement, set[str]] = {}
        self._lines: dict[tuple[str, int], int] = {}
        self._depths: dict[str, int] = {}
        self._helpers: dict[tuple[str, int], bool] = {}

    # Code

    def code(self, code: CodeType) -> CodeType:
        """A code of the user's with probes; where its source is not to be had, its lines are watched instead."""
        if not is_users(code.co_filename):
            return code
        made = with_probes(code, lambda file, sites: Probes(self, sites))
        if made is None:
            sys.settrace(self.on_call)
        return code if made is None else made

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Called by Python for every new frame: watch those of the user's code that has no probes."""
        return self.on_line if is_users(frame.f_code.co_filename) else None

    def on_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        """A line starts, or something is raised."""
        if event == "exception" and id(frame) not in self.frames:
            self.raised(argument[1])
        if event == "line":
            key = frame.f_code.co_filename, frame.f_lineno
            self._lines[key] = self._lines.get(key, 0) + 1
        return self.on_line

    # Statements

    def run_of(self, frame: FrameType | None) -> Run | None:
        """The statement that a frame is at, or the one that called what the frame belongs to."""
        while frame is not None:
            known = self.frames.get(id(frame))
            if known is not None and known.code is frame.f_code and known.run is not None:
                return known.run
            frame = frame.f_back
        return None

    def source(self) -> Source | None:
        """The user's statement that is being run."""
        frame: FrameType | None = sys._getframe(1)
        run = self.run_of(frame)
        if run is not None:
            return run.source
        while frame is not None and not is_users(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is None:
            return None
        file, line = frame.f_code.co_filename, frame.f_lineno
        run_before = self._lines.get((file, line), 1) - 1
        return Source(file, line, statements_of(file).code(line), frame.f_code.co_name, run_before)

    def yielding(self, loop: Run) -> Turns:
        """The loops around the ``yield`` that a round of a loop has just taken its values from; none if it has not."""
        last = self.runs[-1]
        is_other = last is not loop and all(run is not loop for run, _ in last.loops)  # not of the loop's own body
        return last.loops if is_other and YIELD.search(last.statement.code) else ()

    def path(self, source: Source | None) -> Rounds:
        """The loops around a statement that was run, outer ones first, each with its round."""
        run = self._by_source.get(id(source))
        return run.path if run is not None else ()

    def enter(self, frame: FrameType) -> Frame:
        """A function begins."""
        depth, outer = 0, frame.f_back
        while outer is not None:
            depth, outer = depth + 1, outer.f_back
        made = self.frames[id(frame)] = Frame(frame.f_code, depth, self.run_of(frame.f_back))
        return made

    def start(self, statement: Statement, frame: Frame) -> None:
        """A statement is run once more."""
        number = self._counts.get(statement, 0)
        self._counts[statement] = number + 1
        caller = frame.caller
        helped = caller.source if caller is not None and self._is_one_return(frame.code) else None
        source = Source(
            statement.file, statement.line, statement.code, statement.function, number, helped, statement.column
        )
        loops = tuple((frame.loops[loop], frame.rounds[loop]) for loop in statement.loops if loop in frame.loops)
        uncounted = self._uncounted.setdefault(statement, set())
        constants = len(self.recorder.constants)
        frame.run = Run(statement, source, caller, constants=constants, loops=loops, uncounted=uncounted)
        self.runs.append(frame.run)
        self._by_source[id(source)] = frame.run

    def _is_one_return(self, code: CodeType) -> bool:
        """Whether a function is nothing but one ``return``: asked for every statement, so its file is read once."""
        place = code.co_filename, code.co_firstlineno
        if place not in self._helpers:
            self._helpers[place] = statements_of(code.co_filename).is_one_return(code.co_firstlineno)
        return self._helpers[place]

    def raised(self, error: BaseException | None) -> None:
        """An exception that numbers can cause: where the code goes on, it was caught, and that is a condition."""
        if isinstance(error, OF_NUMBERS) and error is not self._error:
            self._error = error
            self.recorder.met("caught", type(error).__name__)

    # Values

    def held(self, array: View) -> Held:
        """What a traced array is now."""
        copy = np.array(array.value) if self.keeps_values else None
        return Held(self.recorder.current(array.buffer), array.window, array.axes, copy)

    def saw(self, run: Run, text: str, rank: int, array: View, inner: bool = False) -> None:
        """A statement read an array."""
        seen = Seen(text, rank, self.held(array), inner)
        run.reads.append(seen)
        run.live.append((seen, ref(array)))

    def bound(self, run: Run, text: str, value: Any, rank: int = 0) -> None:
        """A statement bound a value, or a container of values."""
        if is_traced(value):
            if any(value.window):
                self.recorder.read(value)
            run.binds.append(Seen(text, rank, self.held(value)))
        elif rank == 0:
            for entry, item in [*entries(text, value)][:SHOWN]:
                if is_traced(item):
                    run.binds.append(Seen(entry, 1, self.held(item)))

    def changed(self, run: Run) -> None:
        """A statement has ended: what it wrote into is bound by it."""
        bound = {seen.text for seen in run.binds}
        told: set[tuple[str, Any]] = set()
        for seen, array in sorted(run.live, key=lambda pair: (pair[0].rank, len(pair[0].text))):
            view = array()
            if view is None or seen.rank >= CALL or self.recorder.current(view.buffer) == seen.held.value:
                continue
            if any(seen.text.startswith(f"{change.text}[") for change in run.changes):
                continue  # `dx[n]` in `dx[n][i] += d`: that dx was written into says it
            if any(view.window):
                self.recorder.read(view)
            held = self.held(view)
            if (held.value, held.window) not in told and seen.text not in bound:
                told.add((held.value, held.window))
                run.changes.append(Seen(seen.text, seen.rank, held))
        for read, value in run.arrays:
            self._constant(run, read, value)
        if run.plain_operand is not None:
            self._constant(run, Read(f"({run.statement.operand})", CALL), run.plain_operand)
            run.operand, run.plain_operand = run.reads[-1].held if run.reads else None, None
        run.arrays.clear()
        run.live.clear()
        run.values.clear()
        run.made = None

    def _constant(self, run: Run, read: Read, value: Any) -> None:
        """A plain array or list that a statement read, where it has become a constant of the program."""
        name = self.recorder.constant_of(value, run.constants)
        if name is not None:
            rank, copy = np.ndim(value), np.array(value) if self.keeps_values else None
            held = Held(name, (None,) * rank, tuple((n,) for n in range(rank)), copy)
            run.reads.append(Seen(read.text, read.rank, held))
            if read.label and read.rank < INNER:
                self.recorder.names.setdefault(name, read.label)

    def bind(self, value: Any, label: str, depth: int, *, entry: bool = False) -> None:
        """A value got a name in the user's code; the outermost name stays, there the first.

        An argument keeps its own name; as an ``entry`` of a container, it is labelled so beside.
        """
        recorder = self.recorder
        if not label.strip("_") or depth > DEEPEST:
            return  # `_, b = weights`: a name for what is not needed says nothing
        if is_traced(value):
            name = recorder.gathered(value.buffer.name, value.window) if any(value.window) else value.buffer.name
            if name in self.named:
                if entry:
                    recorder.entries[name] = label
            elif name is not None and depth < self._depths.get(name, sys.maxsize):
                self._depths[name] = depth
                recorder.names[name] = label
        elif (axis := sizes.named_axis(value)) is not None:
            if not entry:
                axis.root().name = axis.root().name or label
        elif items := items_of(value):
            several = len(items) > 1 and not issubclass(type(value), dict)
            if several and all(self._is_argument(item) for _, item in items):
                return  # `old = [W1, b1]`: their own names say more than old_0
            for key, item in items:
                self.bind(item, name_of_key(label, key), depth + FAR, entry=True)

    def _is_argument(self, value: Any) -> bool:
        """Whether a value is an argument, which has its name already."""
        return is_traced(value) and not any(value.window) and value.buffer.name in self.named


FUTURE = 0x1FE0000  # the flags of a code's `from __future__` imports
REWRITTEN = "@py"  # how the names begin that pytest adds to the asserts of a test
Place = tuple[str, int, tuple[int, int]]


@dataclass(frozen=True)
class Probed:
    """The codes of one definition with marks where probes are to stand, and what the numbers in them stand for."""

    codes: dict[Place, CodeType]
    plain: dict[Place, CodeType]
    sites: tuple[Site, ...]


@functools.lru_cache(maxsize=1024)
def probed(file: str, text: str, position: int, flags: int) -> Probed:
    """A definition at the top of a file, compiled as it stands and with probes."""
    statements = statements_of_text(text)
    prober = Prober(statements, file)
    node = copied_tree(statements.tree.body[position])  # since it is changed
    imports = imports_of(statements.tree)  # what a module imports is compiled in another way
    plain = by_place(compiled([*imports, statements.tree.body[position]], file, flags))
    return Probed(by_place(compiled([*imports, prober.visit(node)], file, flags)), plain, tuple(prober.sites))


def imports_of(node: ast.AST) -> list[ast.stmt]:
    """The imports of a module, those in its functions and classes aside."""
    found: list[ast.stmt] = []
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            found.append(part)
        elif isinstance(part, ast.stmt | ast.ExceptHandler) and not isinstance(part, ast.FunctionDef | ast.ClassDef):
            found += imports_of(part)
    return found


def compiled(body: list[ast.stmt], file: str, flags: int) -> CodeType:
    """The code of some statements of a module."""
    return compile_tree(ast.Module(body, []), file, "exec", flags & FUTURE)


def by_place(code: CodeType) -> dict[Place, CodeType]:
    """The codes in a code, by their places."""
    return {place_of(inner): inner for inner in nested(code)}


def place_of(code: CodeType) -> Place:
    """What tells a code from others of its file: of two lambdas on a line, where their bodies begin."""
    first = (0, 0)
    if code.co_name == "<lambda>":
        first = min(((line, column) for line, _, column, _ in code.co_positions() if line and column), default=first)
    return code.co_qualname, code.co_firstlineno, first


def nested(code: CodeType) -> Iterator[CodeType]:
    """The codes in a code, itself aside."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested(constant)


def is_same(code: CodeType, other: CodeType) -> bool:
    """Whether two codes do the same: the file may have been changed since it was read."""
    if code.co_code != other.co_code or code.co_names != other.co_names or len(code.co_consts) != len(other.co_consts):
        return False
    return all(
        is_same(one, two) if isinstance(one, CodeType) and isinstance(two, CodeType) else repr(one) == repr(two)
        for one, two in zip(code.co_consts, other.co_consts, strict=True)
    )


def with_probes(code: CodeType, told: Callable[[str, tuple[Site, ...]], object]) -> CodeType | None:
    """A code with probes in it; None where its source is not to be had.

    Parameters
    ----------
    code : CodeType
    told : callable
        The object whose methods the probes are, for a file and the sites of its probes.
    """
    file, statements = code.co_filename, statements_of(code.co_filename)
    position = statements.position(code.co_firstlineno)
    if position is None:
        return None
    try:
        found = probed(file, statements.text, position, code.co_flags)
    except (SyntaxError, RecursionError):  # too deep for Python, with a probe at each step of it
        return None
    place = place_of(code)
    plain, made = found.plain.get(place), found.codes.get(place)
    rewritten = any(name.startswith(REWRITTEN) for name in (*code.co_names, *code.co_varnames))
    if plain is None or made is None or not (rewritten or is_same(plain, code)) or made.co_freevars != code.co_freevars:
        return None
    return filled(made, told(file, found.sites))


def filled(code: CodeType, methods: object) -> CodeType:
    """A code with probes in the place of their marks."""
    constants = tuple(
        filled(c, methods) if isinstance(c, CodeType)
        else getattr(methods, c.removeprefix(MARK)) if isinstance(c, str) and c.startswith(MARK) else c
        for c in code.co_consts
    )  # fmt: skip
    return code.replace(co_consts=constants)
