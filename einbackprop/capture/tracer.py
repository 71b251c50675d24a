"""``trace``: run a function once on traced arrays, and give what it did as a Program.

In the private copy of the code that runs, stand-ins take the place of NumPy and ``math``.

What was written down is held against what NumPy answered, so that no reading is wrong without being told: each equation
is evaluated on the values that its operands had in the trace. Where the result is not NumPy's, the value is kept as it
was, as one that could not be read.
"""

import inspect
import math
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import field, replace
from types import BuiltinFunctionType, CodeType, ModuleType
from typing import Any

import numpy as np
from numpy.lib import stride_tricks

from ..core.idioms import recognise
from ..core.nesting import parameter_names
from ..core.program import Program
from ..core.records import dataclass
from ..errors import EinbackpropError, TraceError
from ..rerolling import Choice, Loop
from ..world import Raised, World
from ..world.modules import Private, held, in_another_world, real_module
from ..world.others import random_generator
from . import failures
from .assembly import Lettering, assemble, plainly_named
from .bindings import Arguments, Binding, Returned
from .conditions import WATCHER, Condition, assumed
from .loops import rolled
from .memory import View, is_traced
from .namespace import DRAWING, Function, Module, Vectorized, builtins_for, library_for, math_for, numpy_for
from .observation import Observer
from .recorder import Note, Recorder
from .traced import Traced
from .verification import verified

LIBRARY = "scipy"  # whose functions make plain arrays of what they are given


class StandIns:
    """The traced ``np`` and ``math`` of one world, made where the code first refers to them."""

    def __init__(self, recorder: Recorder, world: World) -> None:
        self._recorder, self._world = recorder, world
        self._homes: list[Module] = []
        self._builtins = builtins_for(recorder)
        self._modules: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        """What stands for a module, class or function; itself where nothing does."""
        if isinstance(value, ModuleType):
            real = real_module(value)
            if real.__name__.partition(".")[0] == LIBRARY:
                return library_for(self._recorder, real)
            if real in (np, np.random):
                self._begin(value)
            elif not self._modules and (real is math or real.__name__.startswith("numpy")):
                self._begin(np)
            return self._modules.get(id(real), value)
        if type(value) in DRAWING:
            made = random_generator(self._world, DRAWING[type(value)], value)
            return self._world.keep(made, made)  # its methods lead to it, and it is no value to be copied
        if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, np.random.RandomState):
            return Function(getattr(self._world.of(value.__self__), value.__name__), self._recorder)
        if type(value) is np.vectorize:
            inner, options = self._world.of(value.pyfunc), (value.otypes, value.__doc__, value.excluded)
            return Vectorized(self._recorder, inner, *options, value.cache, value.signature)
        if type(value) is type(np.random.default_rng) and value is not np.random.default_rng:
            return value  # what methods of random generators are made of
        name, module = getattr(value, "__name__", None), getattr(value, "__module__", None) or ""
        if not isinstance(name, str) or not isinstance(module, str):
            return value
        if module.startswith("numpy") or isinstance(value, np.ufunc):
            self._begin(np)
            for home in self._homes:
                if getattr(home.module, name, None) is value:
                    return getattr(home, name)
        if module.partition(".")[0] == LIBRARY:
            return library_for(self._recorder, value)
        if value is range or value is len:  # `from builtins import range`; int and float may be bases of classes
            return self._builtins[name]
        if module == "math":
            self._begin(np)
            return getattr(self._modules[id(math)], name)
        return value

    def _begin(self, module: ModuleType) -> None:
        """Make the stand-ins; the random numbers go on from where those of the module are that is met first."""
        if self._modules:
            return
        random = module if real_module(module) is np.random else held(module).get("random")
        random = in_another_world(random, self._world) if isinstance(random, Private) else Private(
            self._world, np.random)  # fmt: skip
        numpy = numpy_for(self._recorder, Private(self._world, np), random)
        self._modules = {
            id(np): numpy, id(math): math_for(self._recorder), id(np.linalg): numpy.linalg,
            id(np.random): numpy.random, id(np.lib): numpy.lib, id(stride_tricks): numpy.lib.stride_tricks,
        }  # fmt: skip
        self._homes = [numpy, numpy.linalg, numpy.random, numpy.lib.stride_tricks]


def traced_world(recorder: Recorder, traced: Any, code: Callable[[CodeType], CodeType]) -> World:
    """A world in which arrays are what ``traced`` makes of them, NumPy's functions record what they do, and ``code``
    gives the code of the user's functions."""
    world = World(array=traced, builtins=builtins_for(recorder), once=True, code=code)
    world.stand_in = StandIns(recorder, world).of
    return world


TRACING: ContextVar[bool] = ContextVar("TRACING", default=False)


@dataclass(frozen=True)
class Trace:
    """A program, and what its reader should know; its constants that were made from values of this run; the dtypes
    that NumPy gave its outputs; whether how arguments lie in memory may say what it computes; the conditions that went
    as they did in this run; what each statement read and bound, in the order in which they ran; the program with each
    statement by itself, in which no idiom is named that goes over several; and, of a loss and its gradients, how many
    of the statements ran for the loss; and what its loops are called and go through."""

    program: Program
    notes: tuple[Note, ...]
    frozen: Mapping[str, Note]
    dtypes: tuple[np.dtype[Any], ...]
    ordered: bool = False
    conditions: tuple[Condition, ...] = ()
    bindings: tuple[Binding, ...] = ()
    by_statement: Program | None = None
    of_loss: int = 0
    loops: Mapping[Hashable, Loop] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    by_round: Program | None = None

    @property
    def unrolled(self) -> "Trace":
        """The same with a program that has every value of every round of the loops."""
        return self if self.by_round is None else replace(self, program=recognise(self.by_round), by_round=None)

    @property
    def alone(self) -> Program:
        """The program for whoever needs no bindings: without numbers in the names of what stands for all rounds."""
        return self.program if self.by_round is None else plainly_named(self.program)


def trace(function: Callable[..., Any], *arguments: Any) -> Program:
    """Write down what a function does with arrays, as a program in index notation.

    Parameters
    ----------
    function : callable
        Any Python function of NumPy code. It is run once; its branches go as they go for these values.
    *arguments : arrays, or nested lists, tuples, dicts and objects of arrays
        They are copied: nothing of the caller's is changed.

    Returns
    -------
    Program
        Its inputs are the arrays of the arguments, its outputs those that the function returned.

    Raises
    ------
    TraceError
        The function did something that a trace cannot follow, or raised an exception; the message names its line.
    """
    return record(function, arguments, keeps_sizes=True).alone


def record(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    names: tuple[str, ...] | None = None,
    *,
    keeps_sizes: bool = False,
) -> Trace:
    """Trace, and keep the notes.

    Parameters
    ----------
    names : tuple of str or None
        What the arguments are called; None asks the function's signature.
    keeps_sizes : bool
        Whether expressions of sizes get letters of their own in factors.
    """
    session = Session(arguments, names or parameter_names(function, len(arguments)))
    session.recorder.keeps_sizes = keeps_sizes
    return session.finished(session.run(function))


def record_pair(
    loss: Callable[..., Any],
    gradients: Callable[..., Any],
    arguments: tuple[Any, ...],
    names: tuple[str, ...] | None = None,
) -> Trace:
    """Trace a loss and what a user's code gives as its gradients, in one program with one vocabulary.

    Each gets copies of the same arguments, which are the same inputs of the program. The dimensions are those of the
    loss: where the gradients bring two of them together, there is a note with the line, and each keeps its letters.

    Returns
    -------
    Trace
        The program's structure is a pair: what the loss returned, and what the gradients were.
    """
    session = Session(arguments, names or parameter_names(loss, len(arguments)))
    session.recorder.keeps_sizes = True
    forward = session.run(loss)
    session.recorder.settle()
    session.identify()
    of_loss = session.runs
    return replace(session.finished((forward, session.run(gradients))), of_loss=of_loss)


class Session:
    """One recorder, and the functions that are run in it on the same arguments."""

    def __init__(self, arguments: tuple[Any, ...], names: tuple[str, ...]) -> None:
        if TRACING.get():
            raise TraceError("a trace inside a trace is not read: call the function itself there")
        self._observer = Observer()
        self.recorder = self._observer.recorder = Recorder(Traced, self._observer.source, self._observer.path)
        self._arguments = Arguments(self.recorder, arguments, names)
        self._observer.named = set(self.recorder.names)
        self._returned = Returned(self.recorder)
        self._of_loss: int | None = None

    def run(self, function: Callable[..., Any]) -> Any:
        """Run a copy of a function on traced copies of the arguments; how what it returned is nested."""
        token, watching = TRACING.set(True), WATCHER.set(self.recorder)
        traced = sys.gettrace()
        try:
            self._arguments.begin()
            world = traced_world(self.recorder, self._arguments.traced, self._observer.code)
            copy, given = world.of((function, self._arguments.arguments))
            given = tuple(map(self._arguments.size, range(len(given)), given))
            self._name_globals(world)
            result = world.call(copy, *given, again=False)
            self._returned.original = world.original
            return self._returned.nest(finite(result, function))
        except Raised as raised:
            if isinstance(raised.error, EinbackpropError):
                raise failures.located(raised.error) from raised.error.__cause__
            raise failures.failed(raised.error, self._described) from raised.error
        except EinbackpropError as error:
            raise failures.located(error) from error.__cause__
        finally:
            sys.settrace(traced)
            TRACING.reset(token)
            WATCHER.reset(watching)

    @property
    def runs(self) -> int:
        """How many statements were run so far."""
        return len(self._observer.runs)

    def identify(self) -> None:
        """What is returned from now on runs over the dimensions of arguments where it has their sizes."""
        self._returned.identifies = True
        self._of_loss = self.runs

    def _name_globals(self, world: World) -> None:
        """Arrays among the globals are called what the user calls them."""
        for namespace in world.namespaces.values():
            for name, value in namespace.held.items():
                if is_traced(value):
                    self.recorder.names.setdefault(value.buffer.name, name)

    def finished(self, structure: Any) -> Trace:
        """The program of all that was run."""
        self.recorder.end()
        made = assemble(self.recorder, self._arguments.inputs, self._returned, structure, self._observer.runs)
        program, misread = verified(made.program, made.known)
        by_round, (program, branches) = program, rolled(
            program, made.bindings, made.loops, made.choices, made.known, self._of_loss, made.lettering, self.recorder)
        program, by_round = made.sized(program), made.sized(by_round)
        dtypes, conditions = tuple(self._returned.dtypes), self.recorder.conditions()
        program = replace(program, conditions=assumed([c for c in conditions if c.is_of_values]))
        notes = tuple(note for note in made.notes if note.source is None or note.source.place not in branches)
        notes += misread + tuple(of_sizes(conditions))
        by_statement = recognise(by_round, lambda equation: equation.source and equation.source.shown)
        return Trace(
            recognise(program), notes, made.frozen, dtypes, self.recorder.ordered, conditions, made.bindings,
            by_statement, loops=made.loops, choices=made.choices,
            by_round=by_round if by_round.equations != program.equations else None,
        )  # fmt: skip

    def _described(self, array: View) -> str:
        """``W2[k,j]``: an array in a message, with the letters known so far."""
        recorder = self.recorder
        label = recorder.names.get(array.buffer.name, "an array")
        inputs = [name for name, _, _ in self._arguments.inputs]
        lettering = Lettering(recorder, recorder.equations, recorder.axes, inputs, self._observer.runs)
        stored = dict(enumerate(lettering.padded(array.buffer.name)))
        letters = ["".join(stored[i] for i in axis) or "1" for axis in array.axes]
        return f"{label}[{','.join(letters)}]" if not any(array.window) else f"a part of {label}"


def of_sizes(conditions: Iterable[Condition]) -> Iterator[Note]:
    """What the reader should know of conditions that are not noted as those on values are."""
    for condition in conditions:
        if condition.kind in ("sizes", "caught"):
            yield Note(f"this holds where {condition.said}", condition.source)


def finite(result: Any, function: Callable[..., Any]) -> Any:
    """What a function returned, unless its values come one at a time."""
    if inspect.isgenerator(result) or inspect.iscoroutine(result):
        result.close()
        name = getattr(function, "__name__", "the function")
        raise TraceError(f"{name} is a generator: its values come one at a time. Trace a function that returns them")
    return result


def of_values(function: Callable[[Any], Any], state: Any) -> Callable[..., Any]:
    """A function of such a state, by name or by position, as one of its values."""
    if isinstance(state, Mapping):
        names = tuple(state)
        return lambda *values: function(dict(zip(names, values, strict=True)))
    return lambda *values: function(list(values))


def traces(
    world: World, loss: Callable[[Any], Any], gradients: Callable[[Any], Any], names: tuple[str, ...]
) -> tuple[Callable[[Any], Trace], Callable[[Any], Trace]]:
    """How a loss alone is traced at a state, whose values have names, and how it is together with its gradients."""

    def values_at(state: Any) -> tuple[Any, ...]:
        world.restore()
        return tuple(state.values() if isinstance(state, Mapping) else state)

    def forward(state: Any) -> Trace:
        return record(of_values(loss, state), values_at(state), names)

    def pair(state: Any) -> Trace:
        return record_pair(of_values(loss, state), of_values(gradients, state), values_at(state), names)

    return forward, pair
