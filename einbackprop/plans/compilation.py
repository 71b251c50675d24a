"""``compile``: a function of arrays, read once, as a straight line of NumPy for arrays of these shapes and dtypes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ..capture.recorder import Note
from ..capture.tracer import Trace, record
from ..core import nesting, simplification
from ..core.dtypes import value_dtypes, weak_values
from ..core.nesting import parameter_names
from ..core.program import Opaque, Program, operands
from ..core.records import dataclass
from ..derivation.accumulation import as_loss
from ..derivation.gradients import may_meet_infinity, with_arrays, without_nan
from ..errors import ArgumentError
from .engines import ENGINES, Engine, EngineFunction
from .gradients import Gradient, Running, number_dtypes
from .guarding import Guard
from .lowering import Plan, lower
from .native import lower_natively, names_of
from .preparation import Orders, orders_of, require_orders
from .rounds import plannable

OURS = __name__.partition(".")[0]


def compile(
    function: Callable[..., Any], *arguments: Any, reuse: bool = False, backend: str | None = None, device: Any = None
) -> Compiled | EngineFunction:
    """Read a function once, and make the same function of straight-line NumPy.

    Parameters
    ----------
    function : callable
        A function of NumPy code, or what ``grad`` or ``value_and_grad`` returned.
    *arguments : arrays, or nested lists, tuples, dicts and objects of arrays
        Examples: the compiled function takes arguments of the same structure, shapes and dtypes, and whatever in them
        is no array must be equal. They are not kept.
    reuse : bool
        Whether results may lie in memory that the next call (of the same thread) writes over. It saves allocating
        them anew.
    backend : str, optional
        ``"numba"`` makes native loops of small programs, and of elementwise runs and sums along them in larger ones.
        It takes numba some seconds; what was made is in ``plan.source``. Arrays that are not C-ordered are copied.
        ``"jax"`` and ``"torch"`` run the source that ``source`` writes for them (JAX's under ``jit``, in 64 bits where
        the examples are). They take NumPy's arrays and return such, or take their own and return these.
    device : str or device, optional
        Where JAX or PyTorch runs it, as it calls that: ``"cpu"``, ``"gpu"``, ``"cuda:1"``. Its first unless given;
        arrays of its own stay where they are.

    Returns
    -------
    Compiled
        A callable. Its ``plan`` prints what is called, and ``plan.source`` is its Python. It never reads the function
        again: what the function closes over, or draws at random, stays as it was, and so do branches, of which there
        is a warning. Numbers are NumPy's to rounding (``a/b`` may be ``a·(1/b)``), whole numbers of few bits do not
        wrap, and float32 stays float32: a conversion to a wider float inside the function is not followed. Labels
        that are no positions are refused. It can be called by several threads at once, and never writes to its
        arguments. It goes over large arrays on as many threads as matrix products have (``OPENBLAS_NUM_THREADS``,
        ``MKL_NUM_THREADS``, ``OMP_NUM_THREADS``, or as there are processors; 8 at most); sums over them depend on how
        many in their last digits.

    Raises
    ------
    TraceError, DerivationError
        See ``trace`` and ``grad``.
    ArgumentError
        A value that could not be read depends on the arguments, or positions that must not stay as they are do: those
        of a sort, or of entries that a mask picks.
    BackendError
        There is no such backend, or it is not installed.

    Examples
    --------
    >>> def loss(W, x):
    ...     return np.sum((W @ x) ** 2)
    >>> W, x = np.ones((2, 3)), np.ones((3, 4))
    >>> gradient = compile(Gradient(loss), W, x)
    >>> gradient(W, 2 * x)
    array([[96., 96., 96.],
           [96., 96., 96.]])
    >>> gradient(W, np.ones((3, 5)))
    Traceback (most recent call last):
    einbackprop.errors.ShapeError: x has shape (3, 5), but was compiled for shape (3, 4). Compile again
    for other shapes.
    """
    engine = engine_of(backend, device, reuse)
    reading = Reading.of(function, arguments)
    if engine is not None:
        return run_by(engine, reading)
    reading = replace(reading, trace=plannable(reading.trace))
    arguments, read = reading.arguments, reading.trace
    program, scalars, casts = lasting(reading)
    guard = Guard(program, arguments, reading.names)
    interface = guard.interface(scalars, casts)
    native = [guard.leaf(i.path).dtype.newbyteorder("=") for i in program.inputs]
    plan = lower(program, native, reuse=reuse, interface=interface) if backend is None else lower_natively(
        program, native, names=names_of(backend), reuse=reuse, interface=interface)  # fmt: skip
    compiled = Compiled(plan, len(arguments), orders_of(program, arguments) if read.ordered else {})
    if isinstance(function, Gradient) and may_meet_infinity(program, lambda: compiled(*arguments)):
        safe = reading.derived(function.safe)
        spare = Guard(safe, arguments, reading.names).interface({0}, number_dtypes(safe, function.safe))
        compiled.make_spare = lambda: Running(lower(safe, native, interface=spare))
        compiled.first = int(function.with_value)
    return compiled


@dataclass(frozen=True)
class Reading:
    """A function that has been read, and for what.

    Attributes
    ----------
    function : callable
        Or what ``grad`` or ``value_and_grad`` returned: then its loss has been read.
    trace : Trace
    arguments : tuple
        The examples.
    names : sequence of str
        What they are called.
    """

    function: Callable[..., Any]
    trace: Trace
    arguments: tuple[Any, ...]
    names: Sequence[str]

    @classmethod
    def of(cls, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Reading:
        """Read a function of these arguments. Raises TraceError."""
        if isinstance(function, Gradient):
            arguments = with_arrays(arguments, function.wrt)
        own = function.loss if isinstance(function, Gradient) else function
        names = parameter_names(own, len(arguments))
        return cls(function, record(own, arguments, names), arguments, names)

    @property
    def program(self) -> Program:
        """What the function computes. Raises DerivationError."""
        return self.derived(self.function) if isinstance(self.function, Gradient) else self.trace.program

    def derived(self, gradient: Gradient) -> Program:
        """A gradient of the loss that was read. Raises DerivationError."""
        return gradient.derived(as_loss(self.trace.program), self.arguments)


def run_by(engine: Engine, reading: Reading, *, keeps: bool = False) -> EngineFunction:
    """What ``compile`` returns, of a function that has been read, run by an engine.

    ``keeps`` says whether results stay with the engine for NumPy's arguments too.
    """
    function, arguments, names = reading.function, reading.arguments, reading.names
    program, scalars, casts = lasting(reading)
    orders = orders_of(program, arguments) if reading.trace.ordered else {}
    compiled = EngineFunction(program, Guard(program, arguments, names), scalars, casts, engine, orders, keeps)

    def results() -> list[Any]:
        made = [one for _, one in nesting.leaves(compiled(*arguments))]
        return [engine.returned(one) if engine.is_own(one) else one for one in made]

    if isinstance(function, Gradient) and may_meet_infinity(program, results):
        safe = reading.derived(function.safe)
        guard, numbers = Guard(safe, arguments, names), number_dtypes(safe, function.safe)
        compiled.make_spare = lambda: EngineFunction(safe, guard, {0}, numbers, engine, keeps=keeps)
        compiled.first = int(function.with_value)
    return compiled


def lasting(reading: Reading) -> tuple[Program, set[int], dict[int, np.dtype[Any]]]:
    """The program of a function that has been read, which of its outputs are numbers, and which have another dtype.

    Raises
    ------
    ArgumentError
        It holds on to what the examples' values decided.
    """
    function, read, program = reading.function, reading.trace, reading.program
    if isinstance(function, Gradient):
        scalars = {0} if function.with_value else set()
        casts = number_dtypes(program, function)
        if function.with_value:
            casts |= {n: dtype for n, dtype in kinds_of(read).items() if n == 0 and dtype.kind in "fc"}
    else:
        scalars = {n for n, ref in enumerate(program.outputs) if not ref.indices}
        casts = kinds_of(read)
    require_readable(program)
    require_lasting(read, program)
    return program, scalars, casts


def engine_of(backend: str | None, device: Any, reuse: bool) -> Engine | None:
    """The engine of a backend, None for NumPy's plans and numba's. Raises BackendError and ArgumentError."""
    if isinstance(backend, str) and backend in ENGINES:
        if reuse:
            raise ArgumentError(f"reuse is of memory that NumPy writes into: leave it out for backend={backend!r}")
        return ENGINES[backend](device)
    if device is not None:
        raise ArgumentError(f"device is for backend='jax' and backend='torch', not for backend={backend!r}")
    return None


def kinds_of(read: Trace) -> dict[int, np.dtype[Any]]:
    """The dtypes of outputs that may have another kind here: whole numbers, and floats that are made of them.

    float32 stays float32 beside numbers, whatever NumPy makes of it.
    """
    found = value_dtypes(read.program, weak_values(read.program))
    whole = all(np.dtype(declared.dtype).kind not in "fc" for declared in read.program.inputs)
    pairs = zip(read.program.outputs, read.dtypes, strict=True)
    return {
        n: dtype for n, (ref, dtype) in enumerate(pairs)
        if whole or dtype.kind not in "fc" or found[ref.name].kind != dtype.kind
    }  # fmt: skip


class Compiled(Running):
    """A compiled function. ``plan`` says what it does.

    ``make_spare`` makes the gradient that is not nan where 0 meets infinity, for calls in which that happens, and
    ``first`` is how many results stand before the gradient.
    """

    make_spare: Callable[[], Running] | None = None
    first: int = 0

    def __init__(self, plan: Plan, count: int, orders: Orders) -> None:
        super().__init__(plan)
        self.count, self.orders = count, orders

    @cached_property
    def spare(self) -> Running:
        """The plan without that nan, lowered when it is needed."""
        assert self.make_spare is not None
        return self.make_spare()

    def __call__(self, *arguments: Any) -> Any:
        """The function's results."""
        if len(arguments) != self.count:
            raise ArgumentError(f"the function was compiled for {self.count} arguments, not for {len(arguments)}")
        found = super().__call__(*arguments)
        if self.orders:
            require_orders(self.orders, arguments)
        return found if self.make_spare is None else without_nan(found, self.first, lambda: self.spare(*arguments))

    def __repr__(self) -> str:
        return f"<compiled function of {self.count} arguments, {len(self.plan.steps)} calls>"

    def __str__(self) -> str:
        return str(self.plan)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self.plan._repr_mimebundle_()


def require_readable(program: Program) -> None:
    """Refuse a program that holds on to a value made from the arguments of the example."""
    for equation in program.equations:
        if isinstance(equation, Opaque) and equation.operands:
            where = f"line {equation.source.line}: {equation.source.code}" if equation.source else equation.out.name
            raise ArgumentError(f"{where} could not be read ({equation.reason}), and its value must not stay as it is")


def require_lasting(read: Trace, program: Program) -> None:
    """Refuse a program with positions that the examples' values decided; warn of branches that they decided."""
    outputs = {ref.name for ref in program.outputs}
    used = outputs.union(
        ref.name for equation in simplification.needed(program.equations, outputs) for ref in operands(equation)
    )
    for name, note in read.frozen.items():
        if name in used:
            raise ArgumentError(f"{told(note)}. They must not stay so: compile what comes before, and what comes after")
    by_line = {note.source and note.source.line: told(note) for note in read.notes if note.only_here}
    if by_line:
        rest = [f"So do {len(by_line) - 3} lines more"] if len(by_line) > 3 else []
        said = ". ".join([*list(by_line.values())[:3], *rest])
        warnings.warn(f"{said}. The compiled function keeps to that, whatever its arguments", stacklevel=depth())


def depth() -> int:
    """How many frames up from the caller, which is the first, the code that is not ours is."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == OURS:
        frame, level = frame.f_back, level + 1
    return level


def told(note: Note) -> str:
    """A note, with the user's line."""
    if note.source is None:
        return note.message
    code = note.source.code.rstrip(":")  # none of what was typed at a prompt
    return f"line {note.source.line}: {f'{code}: ' if code else ''}{note.message}"
