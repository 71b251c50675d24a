"""``compile``: a function of arrays, read once, as a straight line of NumPy for arrays of these shapes and dtypes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..capture.recorder import Note
from ..capture.tracer import Trace, parameter_names, record
from ..core import nesting, simplification
from ..core.dtypes import value_dtypes, weak_values
from ..core.nesting import Attribute, Path
from ..core.program import Opaque, Program, operands
from ..derivation.accumulation import as_loss
from ..derivation.gradients import may_meet_infinity, with_arrays, without_nan
from ..errors import ArgumentError, DtypeError, RangeError, ShapeError
from .gradients import Gradient, Running, number_dtypes
from .lowering import Plan, lower
from .native import lower_natively, names_of
from .picking import label_ranges, test_of
from .preparation import Interface, Orders, orders_of, require_orders, squeezed
from .rounds import plannable


def compile(
    function: Callable[..., Any], *arguments: Any, reuse: bool = False, backend: str | None = None
) -> Compiled:
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

    Returns
    -------
    Compiled
        A callable. Its ``plan`` prints what is called, and ``plan.source`` is its Python. It never reads the function
        again: what the function closes over, or draws at random, stays as it was, and so do branches, of which there
        is a warning. Numbers are NumPy's to rounding (``a/b`` may be ``a·(1/b)``), whole numbers of few bits do not
        wrap, and float32 stays float32: a conversion to a wider float inside the function is not followed. Labels
        that are no positions are refused. It can be called by several threads at once, and never writes to its
        arguments.

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
    if isinstance(function, Gradient):
        arguments = with_arrays(arguments, function.wrt)
    own = function.loss if isinstance(function, Gradient) else function
    names = parameter_names(own, len(arguments))
    read = plannable(record(own, arguments, names))
    if isinstance(function, Gradient):
        program = function.derived(as_loss(read.program), arguments)
        scalars = {0} if function.with_value else set()
        casts = number_dtypes(program, function)
        if function.with_value:
            casts |= {n: dtype for n, dtype in kinds_of(read).items() if n == 0 and dtype.kind in "fc"}
    else:
        program = read.program
        scalars = {n for n, ref in enumerate(program.outputs) if not ref.indices}
        casts = kinds_of(read)
    require_readable(program)
    require_lasting(read, program)
    guard = Guard(program, arguments, names)
    dtypes = [guard.leaf(i.path).dtype for i in program.inputs]
    native = [dtype.newbyteorder("=") for dtype in dtypes]
    if backend is None:
        plan = lower(program, native, reuse=reuse, interface=guard.interface(scalars, casts))
    else:
        interface = guard.interface(scalars, casts)
        plan = lower_natively(program, native, names=names_of(backend), reuse=reuse, interface=interface)
    orders = orders_of(program, arguments) if read.ordered else {}
    compiled = Compiled(plan, len(arguments), orders)
    if not isinstance(function, Gradient) or not may_meet_infinity(program, lambda: compiled(*arguments)):
        return compiled
    safe = function.safe.derived(as_loss(read.program), arguments)
    spare = Guard(safe, arguments, names).interface({0}, number_dtypes(safe, function.safe))
    make = partial(lower, safe, native, interface=spare)
    return Compiled(plan, len(arguments), orders, make, int(function.with_value))


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

    ``spare`` makes the plan of a gradient that is not nan where 0 meets infinity, for calls in which that happens.
    """

    def __init__(
        self, plan: Plan, count: int, orders: Orders, spare: Callable[[], Plan] | None = None, first: int = 0
    ) -> None:
        super().__init__(plan)
        self.count, self.first, self.orders = count, first, orders
        self.make_spare = spare

    @cached_property
    def spare(self) -> Running:
        """The plan without that nan, lowered when it is needed."""
        assert self.make_spare is not None
        return Running(self.make_spare())

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
        warnings.warn(f"{said}. The compiled function keeps to that, whatever its arguments", stacklevel=3)


def told(note: Note) -> str:
    """A note, with the user's line."""
    if note.source is None:
        return note.message
    return f"line {note.source.line}: {note.source.code.rstrip(':')}: {note.message}"


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
        for declared, example in zip(self.program.inputs, self.inputs, strict=True):
            name = self.name(declared.path)
            array = np.asarray(nesting.get(arguments, declared.path))
            if array.shape != example.shape:
                raise ShapeError(
                    f"{name} has shape {array.shape}, but was compiled for shape {example.shape}. "
                    f"Compile again for other shapes."
                )
            if array.dtype != example.dtype:
                raise DtypeError(
                    f"{name} has dtype {array.dtype}, but was compiled for dtype {example.dtype}. "
                    f"Convert it, or compile again."
                )
            arrays.append(array)
        return arrays

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
