"""What is to be checked: two functions, what they read, and the arrays that gradients are wanted for.

What the two raise is said with the user's line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from einbackprop.checking import naming
from einbackprop.checking.matching import Target
from einbackprop.core.nesting import (
    Attribute,
    Number,
    Path,
    duplicate,
    foreign,
    get,
    label,
    leaves,
    replaced,
    unlike_arrays,
)
from einbackprop.core.program import Input, Program
from einbackprop.core.progress import frames_of
from einbackprop.core.records import dataclass
from einbackprop.errors import CodeError, RefusedError, ScriptError
from einbackprop.world import Raised, Runner, told
from einbackprop.world.ownership import is_users

if TYPE_CHECKING:
    from einbackprop.capture.tracer import Trace

GRADIENTS = "the gradients"


def called(function: Callable[[Any], Any], state: Any, what: str) -> Any:
    """Call a user's function, which runs in a world, on a copy of the state.

    Raises
    ------
    CodeError
        Names the user's file and line, the function, and what it raised.
    ScriptError
        The function uses something that a copy of it cannot have.
    """
    try:
        return function(duplicate(state))
    except Raised as raised:
        if isinstance(raised.error, ScriptError):
            raise raised.error from raised.error.__cause__
        if isinstance(raised.error, RefusedError):
            raise ScriptError(f"{what}: {describe(raised.error)}") from raised.error
        raise CodeError(what, place_of(raised.error), words_of(raised.error)) from raised.error


def counted(call: Callable[[], Any], most: float = inf) -> tuple[Any, int]:
    """What a call returns, and how many lines of the user's it runs: of more than ``most`` one more than that, since
    counting takes longer than running them."""
    count = 0

    def on_line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        if count > most:
            sys.settrace(None)  # what is returned here would end it for this scope alone, if at all
        return on_line

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        return on_line if is_users(frame.f_code.co_filename) else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        result = call()
        return result, count
    finally:
        sys.settrace(before)


def describe(error: BaseException) -> str:
    """Say what was raised and where, in the innermost line that is the user's."""
    return str(CodeError("", place_of(error), words_of(error))).removeprefix(": ")


def words_of(error: BaseException) -> str:
    """The class and message of an exception; of one of ours the message alone."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg}"
    message = told(error)
    return message if isinstance(error, RefusedError) else f"{type(error).__name__}: {message}"


def place_of(error: BaseException) -> tuple[str, int, str] | None:
    """The file, line and function of the innermost line that is the user's; a syntax error has its own line."""
    if isinstance(error, SyntaxError):
        return (error.filename, error.lineno, "<module>") if error.filename and error.lineno else None
    frames = [(frame.f_code, line) for frame, line in frames_of(error) if is_users(frame.f_code.co_filename)
              and not frame.f_code.co_filename.startswith("<")]  # fmt: skip
    return (frames[-1][0].co_filename, frames[-1][1], frames[-1][0].co_name) if frames else None


HELD = ("data", "value", "val", "array")
"""Attributes in which a parameter that is an object holds its array: ``layer.W.data`` is W."""


@dataclass(frozen=True)
class Problem:
    """What is to be checked.

    Attributes
    ----------
    loss, gradients
        Functions of a copy of the state, which run in one world.
    state
        Everything that the two read: nested arrays.
    roots
        The paths in the state of what the gradients are with respect to.
    labels
        What the user calls the first step of a path.
    loss_source, gradients_source
        The functions in whose source names are looked for.
    forward, pair
        Trace the loss alone, or both together, at a state.
    place
        Where an input of such a trace stands in the state.
    elsewhere
        The same at other sizes, one after the other, with what those are, where somebody knows how to make them.
    notes
        What was taken for what, in sentences for the report.
    is_guess
        Whether nobody has asked it: it was found where something else may be meant.
    is_assumed
        Whether its loss stands nowhere in the code.
    """

    loss: Runner
    gradients: Runner
    state: Any
    roots: tuple[Path, ...]
    labels: Mapping[Any, str]
    loss_source: Any
    gradients_source: Any
    forward: Callable[[Any], Trace] | None = None
    pair: Callable[[Any], Trace] | None = None
    place: Callable[[Input], Path] = lambda declared: declared.path
    elsewhere: Callable[[], Iterator[tuple[str, Problem]]] | None = None
    notes: tuple[str, ...] = ()
    is_guess: bool = False
    is_assumed: bool = False

    def label(self, path: Path) -> str:
        """Write a path in the state as the user would."""
        return label(self.labels.get(path[0], f"argument {path[0]}"), path[1:])


def at_targets(state: Any, roots: tuple[Path, ...], place: Callable[[Input], Path]) -> Callable[[Input], Path]:
    """A function such as `place`, by which an array at several places is where a gradient is wanted: ``x``, not the
    ``layer.x`` that an earlier run has left.
    """
    wanted: dict[int, Path] = {}
    for root in roots:
        for path, leaf in leaves(get(state, root), root):
            wanted.setdefault(id(leaf), path)
    places = state.items() if isinstance(state, Mapping) else enumerate(state)
    known = {path: wanted[id(leaf)] for step, value in places for path, leaf in leaves(value, (step,))
             if isinstance(leaf, np.ndarray) and id(leaf) in wanted}
    return lambda declared: known.get(place(declared), place(declared))


def arrays_at(problem: Problem, program: Program, state: Any) -> tuple[np.ndarray, ...]:
    """The inputs of a program in a state."""
    return tuple(np.asarray(get(state, problem.place(declared))) for declared in program.inputs)


def with_arrays(problem: Problem) -> Any:
    """The state with an array where a Python number or an integer array is differentiated."""
    state = problem.state
    for path, leaf in leaves(state):
        if name := unlike_arrays(type(leaf)):
            raise ScriptError(f"{problem.label(path)} is an {name}: only plain arrays can be checked, np.asarray(…)")
    for path, leaf in [(p, x) for r in problem.roots for p, x in _numeric(problem, r)]:
        if isinstance(leaf, np.ndarray):
            if leaf.dtype.kind in "biu":
                state = replaced(state, path, leaf.astype(np.float64))
        else:
            state = replaced(state, path, np.array(leaf, dtype=np.float64).view(Number))
    return state


def _numeric(problem: Problem, start: Path) -> list[tuple[Path, Any]]:
    """The arrays and floats under a root; whole numbers beside them are settings, and weights where nothing else is."""
    value = get(problem.state, start)
    numbers = [(start + path, leaf) for path, leaf in leaves(value)
               if isinstance(leaf, np.ndarray | int | float | np.generic) and not isinstance(leaf, bool)]
    found = [(path, leaf) for path, leaf in numbers if isinstance(leaf, np.ndarray | float | np.floating)] or numbers
    if not found:
        for path, leaf in leaves(value):
            if said := foreign(leaf, problem.label(start + path)):
                raise ScriptError(said)
        raise ScriptError(f"{problem.label(start)} holds no arrays to differentiate: "
                          f"it is {type(value).__name__}")
    for path, leaf in found:
        if np.asarray(leaf).dtype.kind not in "biuf":
            raise ScriptError(f"{problem.label(path)} has dtype {np.asarray(leaf).dtype}: "
                              "only real numbers can be checked")
    return found


def targets_of(problem: Problem, state: Any) -> list[Target]:
    """What gradients are wanted for, with the user's names."""
    targets = []
    for position, start in enumerate(problem.roots):
        found = _numeric(replace(problem, state=state), start)
        names = _names(problem, start, [path for path, _ in found])
        several = (position,) if len(problem.roots) > 1 else ()
        targets += [Target(name, path, (*several, *path[len(start):]), np.shape(leaf))
                    for name, (path, leaf) in zip(names, found, strict=True)]
    taken = [target.name for target in targets]
    return [target if taken.count(target.name) == 1
            else replace(target, name=problem.label(target.path)) for target in targets]


def _names(problem: Problem, start: Path, paths: list[Path]) -> list[str]:
    """The names of the arrays under a root: keys, or what the user unpacks it into, or paths."""
    inner = [path[len(start):] for path in paths]
    if len(start) == 1 and inner and all(path and isinstance(path[0], int) for path in inner):
        variable = problem.labels.get(start[0], "")
        unpacked = naming.unpacked(problem.loss_source, variable, len(get(problem.state, start)))
        if unpacked:
            return [label(unpacked[int(str(path[0]))], path[1:]) for path in inner]
    names = []
    for path, full in zip(inner, paths, strict=True):
        if path and len(full) > 1 and path[-1] in HELD:
            path, full = path[:-1], full[:-1]
        by_name = bool(path) and all(isinstance(step, str) for step in path)
        names.append(".".join(map(str, path)) if by_name else _short(problem.label(full), full))
    return names


def _short(text: str, path: Path) -> str:
    """An attribute's own name will do: ``W1`` for ``net.W1``."""
    return str(path[-1]) if isinstance(path[-1], Attribute) else text
