"""``trace``: run a function once on traced arrays, and give what it did as a Program."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nesting
from ..errors import EinbackpropError, TraceError
from ..idioms import recognise
from ..program import Contract, Program
from .assembly import Return, assemble
from .capture import Observer, is_users, statements_of, swapped
from .pointwise import lift
from .recorder import Note, Recorder, View
from .sizes import is_measured, plain
from .traced import Traced

ONE_AT_A_TIME = threading.RLock()  # the user's modules hold our np for the time of a trace


@dataclass(frozen=True)
class Trace:
    """A program, and what its reader should know."""

    program: Program
    notes: tuple[Note, ...]


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
    return record(function, arguments).program


def record(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    names: tuple[str, ...] | None = None,
    namespace: dict[str, Any] | None = None,
) -> Trace:
    """Trace, and keep the notes.

    Parameters
    ----------
    names : tuple of str or None
        What the arguments are called; None asks the function's signature.
    namespace : dict or None
        The names of a script, where the function is an expression in it.
    """
    observer = Observer()
    recorder = observer.recorder = Recorder(Traced, observer.source)
    inputs, traced = make_inputs(recorder, arguments, names or parameter_names(function, len(arguments)))
    with ONE_AT_A_TIME, np.errstate(all="ignore"), swapped(recorder, function, namespace):
        before = sys.gettrace()
        sys.settrace(observer.on_call)
        try:
            result = function(*traced)
        except EinbackpropError as error:
            raise located(error, observer) from error.__cause__
        except RecursionError:
            raise TraceError("the function calls itself without an end") from None
        except Exception as error:
            raise failed(error, recorder) from error
        finally:
            sys.settrace(before)
    if inspect.isgenerator(result):
        raise TraceError(f"{function.__name__} is a generator: its values come one at a time. Trace a function that returns them")
    returned = collect(recorder, result)
    return Trace(recognise(assemble(recorder, inputs, returned)), tuple(recorder.notes))


def parameter_names(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    """What a function calls its arguments."""
    try:
        names = [p.name for p in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        names = []
    return tuple(names[i] if i < len(names) else f"x{i}" for i in range(count))


def make_inputs(
    recorder: Recorder, arguments: tuple[Any, ...], names: tuple[str, ...]
) -> tuple[list[tuple[str, tuple[Any, ...], str]], tuple[Any, ...]]:
    """Copies of the arguments with traced arrays in them, and what the inputs are."""
    inputs: list[tuple[str, tuple[Any, ...], str]] = []
    made: dict[int, Any] = {}

    for path, leaf in nesting.leaves(arguments):
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiucb" and id(leaf) not in made:
            axes = [recorder.dimensions.new(size) for size in leaf.shape]
            value = np.array(leaf)
            name = recorder.fresh(axes, value.copy())
            traced = recorder.wrap(name, [(i,) for i in range(leaf.ndim)], value)
            if len(path) == 1:
                recorder.names[name] = names[int(path[0])]  # type: ignore[call-overload]
            elif isinstance(path[-1], str):
                recorder.names[name] = str(path[-1])
            inputs.append((name, path, leaf.dtype.name))
            made[id(leaf)] = traced
    copies = tuple(nesting.rebuild(argument, lambda array: made[id(array)]) for argument in arguments)
    return inputs, copies


def located(error: EinbackpropError, observer: Observer) -> EinbackpropError:
    """The error with the user's line, if its message has none yet."""
    where = last_user_line(error)
    if where is None or "line " in str(error):
        return error
    return type(error)(f"{where}: {error}")


def failed(error: Exception, recorder: Recorder) -> TraceError:
    """An exception of the user's code, in one line."""
    where = last_user_line(error)
    return TraceError(f"{where or 'the code'} raised {type(error).__name__}: {error}")


def last_user_line(error: BaseException) -> str | None:
    """``file, line 12, in backward: code`` of the innermost user frame of a traceback."""
    found = None
    step = error.__traceback__
    while step is not None:
        if is_users(step.tb_frame.f_code.co_filename):
            found = (step.tb_frame.f_code, step.tb_lineno)
        step = step.tb_next
    if found is None:
        return None
    code, line = found
    return f"{code.co_filename}, line {line}, in {code.co_name}: {statements_of(code.co_filename).code(line)}"


def collect(recorder: Recorder, result: Any) -> Return:
    """The arrays that a function returned, each with its axes in order, and how they were nested."""
    names: list[str] = []
    units: list[tuple[int, ...]] = []

    def leaf(value: Any) -> Any:
        if issubclass(type(value), View) or isinstance(value, int | float | np.ndarray | np.number):
            if isinstance(value, bool):
                return value
            array = lift(recorder, value if issubclass(type(value), View) else plain(value))
            name, unit = in_order(recorder, array)
            names.append(name)
            units.append(unit)
            return len(names) - 1
        return value

    def walk(value: Any) -> Any:
        if issubclass(type(value), View) or is_measured(value):
            return leaf(value)
        if isinstance(value, list | tuple):
            items = [walk(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return leaf(value)

    structure = walk(result)
    return Return(tuple(names), tuple(units), structure)


def in_order(recorder: Recorder, array: View) -> tuple[str, tuple[int, ...]]:
    """The name of a value whose stored axes are the array's axes in order, and the array's unit axes."""
    x = recorder.read(array)
    for i in range(len(x.axes)):
        recorder.flatten(x, i)
    wanted = "".join(x.axes)
    unit = tuple(
        i for i, axis in enumerate(x.axes) if not axis or (recorder.dimensions.axis(axis).unit and recorder.size(axis) == 1)
    )
    if x.ref.indices == wanted:
        return x.ref.name, unit
    ref = x.ref
    name = recorder.emit(wanted, lambda out, source: Contract(out, (ref,), source=source), np.asarray(array.value))
    if ref.name in recorder.names:
        recorder.names.setdefault(name, recorder.names[ref.name])
    return name, unit
