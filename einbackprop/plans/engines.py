"""``compile`` for JAX and PyTorch: a program goes in, a function comes out that the engine runs.

What runs is the source that `emission` writes for the engine. Arguments are taken apart and refused as those of every
compiled function are; NumPy's arrays go to the engine and results come back as NumPy's, unless the engine's own arrays
are given: then nothing is copied to the host.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import numpy as np

from ..core import nesting, visible
from ..core.program import Program
from ..core.records import dataclass
from ..core.visible import shown
from ..derivation.gradients import without_nan
from ..emission.engines import Target
from ..emission.writing import source
from ..errors import ArgumentError, BackendError, DtypeError
from .gradients import filled, open_constants
from .guarding import MISMATCHES, Guard
from .picking import label_ranges
from .preparation import Orders, require_orders

HELD = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "complex64", "complex128",
}  # fmt: skip
"""The dtypes that both engines have."""


class Engine(ABC):
    """An engine that is installed, and one of its devices.

    Parameters
    ----------
    device : str or device, optional
        As the engine calls it: ``"cpu"``, ``"gpu"`` of JAX, ``"cuda:1"`` of PyTorch. The engine's first unless given.

    Raises
    ------
    BackendError
        It is not installed, or has no such device here.
    """

    target: Target
    called: str

    def __init__(self, device: Any = None) -> None:
        if find_spec(self.target) is None:
            raise BackendError(
                f"backend='{self.target}' needs {self.called}: pip install 'einbackprop[{self.target}]', or leave "
                "backend out")  # fmt: skip
        self.module: Any = import_module(self.target)
        self.device = None if device is None else self.found(device)

    @abstractmethod
    def found(self, device: Any) -> Any:
        """A device by its name. Raises BackendError."""

    @abstractmethod
    def is_own(self, array: Any) -> bool:
        """Whether an array is the engine's."""

    @abstractmethod
    def taken(self, array: Any) -> Any:
        """An array of NumPy as one of the engine's, on the device."""

    @abstractmethod
    def returned(self, array: Any) -> Any:
        """An array of the engine as one of NumPy's that can be written into."""

    @abstractmethod
    def cast(self, array: Any, dtype: np.dtype[Any]) -> Any:
        """An array of the engine in another dtype."""

    @abstractmethod
    def has_nan(self, array: Any) -> bool:
        """Whether an entry of one of its arrays is nan."""

    @abstractmethod
    def where_nan(self, array: Any, other: Any) -> Any:
        """An array with the entries of another where its own are nan."""

    @abstractmethod
    def running(self, arrays: Sequence[Any]) -> AbstractContextManager[Any]:
        """The context in which a function runs on these arrays, which are the engine's."""

    def function(self, text: str, program: Program) -> Callable[..., Any]:
        """The function that the source of a program defines."""
        names: dict[str, Any] = {}
        with self.running(()):
            exec(compile(text, f"<{self.called}>", "exec"), names)
            return self.compiled(names["compiled"], program)

    def compiled(self, function: Callable[..., Any], program: Program) -> Callable[..., Any]:
        """The function of a program as the engine runs it fast."""
        return function


class Jax(Engine):
    """JAX: functions run under ``jit``, with 64 bits whatever its configuration says."""

    target, called = "jax", "JAX"

    def found(self, device: Any) -> Any:
        if isinstance(device, self.module.Device):
            return device
        platform, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
        try:
            return dict(enumerate(self.module.devices(platform or "none")))[int(number or 0)]
        except (RuntimeError, KeyError, ValueError) as error:
            here = ", ".join(f"{one.platform}:{one.id}" for one in self.module.devices())
            raise BackendError(f"JAX has no device {shown(device)} here: it has {here}") from error

    def is_own(self, array: Any) -> bool:
        return isinstance(array, self.module.Array)

    def taken(self, array: Any) -> Any:
        return self.module.device_put(array, self.device)

    def returned(self, array: Any) -> Any:
        return np.array(array)

    def cast(self, array: Any, dtype: np.dtype[Any]) -> Any:
        return array.astype(dtype)

    def has_nan(self, array: Any) -> bool:
        return array.dtype.kind in "fc" and bool(self.module.numpy.isnan(array).any())

    def where_nan(self, array: Any, other: Any) -> Any:
        return self.module.numpy.where(self.module.numpy.isnan(array), other, array)

    def running(self, arrays: Sequence[Any]) -> AbstractContextManager[Any]:
        if hasattr(self.module, "enable_x64"):
            return self.module.enable_x64(True)  # type: ignore[no-any-return]
        return import_module("jax.experimental").enable_x64(True)  # type: ignore[no-any-return]

    def compiled(self, function: Callable[..., Any], program: Program) -> Callable[..., Any]:
        return self.module.jit(function)  # type: ignore[no-any-return]


class Torch(Engine):
    """PyTorch: functions run as they are, and nothing is recorded for its own derivatives."""

    target, called = "torch", "PyTorch"

    def found(self, device: Any) -> Any:
        cuda = ", ".join(f"cuda:{n}" for n in range(self.module.cuda.device_count()))
        said = f"PyTorch has no device {shown(device)} here: it has cpu{cuda and ', '}{cuda}"
        try:
            named = self.module.device(device)
            found = self.module.zeros(0, device=named).device
        except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
            raise BackendError(said) from error
        if found.type == "meta" or (found.type == "cpu" and named.index):  # it takes any number for the processor
            raise BackendError(said)
        return found

    def is_own(self, array: Any) -> bool:
        return isinstance(array, self.module.Tensor)

    def taken(self, array: Any) -> Any:
        plain = np.require(array, requirements=["C", "W"])  # of others PyTorch warns, or has none
        return self.module.from_numpy(plain).to(self.device)

    def returned(self, array: Any) -> Any:
        return array.cpu().numpy()

    def cast(self, array: Any, dtype: np.dtype[Any]) -> Any:
        return array.to(getattr(self.module, dtype.name))

    def has_nan(self, array: Any) -> bool:
        return array.dtype.is_floating_point and bool(self.module.isnan(array).any())

    def where_nan(self, array: Any, other: Any) -> Any:
        return self.module.where(self.module.isnan(array), other, array)

    def running(self, arrays: Sequence[Any]) -> AbstractContextManager[Any]:
        stack = ExitStack()
        stack.enter_context(self.module.no_grad())
        device = next((array.device for array in arrays), self.device)
        if device is not None:  # what source makes is made where the arguments are
            stack.enter_context(self.module.device(device))
        return stack


ENGINES: Mapping[str, type[Engine]] = {"jax": Jax, "torch": Torch}


@dataclass(frozen=True)
class Source:
    """What a compiled function runs: ``source`` is its Python."""

    source: str
    backend: str

    def __str__(self) -> str:
        return self.source

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.source, "text/html": f"<pre>{visible.in_html(self.source)}</pre>"}


class EngineFunction:
    """A compiled function that an engine runs. ``plan.source`` is its Python.

    Parameters
    ----------
    program : Program
        Its inputs say by their paths where they are among the arguments.
    guard : Guard
    scalars : set of int
        The outputs that are numbers.
    casts : mapping of int to dtype
        The outputs that have another dtype than the program says.
    engine : Engine
    orders : mapping, optional
        How NumPy's arrays must lie in memory.
    keeps : bool
        Whether results stay where they are, whatever the arguments were.

    Attributes
    ----------
    make_spare : callable or None
        Makes the gradient that is not nan where 0 meets infinity, as a function of the same arguments.
    first : int
        How many results stand before the gradient.
    """

    make_spare: Callable[[], Callable[..., Any]] | None = None
    first: int = 0

    def __init__(
        self, program: Program, guard: Guard, scalars: set[int], casts: Mapping[int, np.dtype[Any]], engine: Engine,
        orders: Orders = MappingProxyType({}), keeps: bool = False,
    ) -> None:  # fmt: skip
        self.engine, self.guard, self.structure, self.orders = engine, guard, program.structure, orders
        self.scalars, self.casts, self.keeps = scalars, casts, keeps
        opened, constants = open_constants(program)
        inputs = tuple(replace(declared, path=()) for declared in opened.inputs)
        flat = replace(opened, inputs=inputs, structure=list(range(len(opened.outputs))))
        self.plan = Source(source(flat, "compiled", target=engine.target), engine.target)
        with engine.running(()):
            self.constants = [engine.taken(np.asarray(program.constants[name])) for name in constants]
        self.dtypes = [np.dtype(declared.dtype) for declared in program.inputs]
        for declared, dtype in zip(program.inputs, self.dtypes, strict=True):
            if dtype.name not in HELD:
                raise DtypeError(f"{guard.name(declared.path)} has dtype {dtype}, which {engine.called} does not have")
        self.run = engine.function(self.plan.source, flat)
        self.labels = label_ranges(program)
        self.take = taking(guard)

    def __call__(self, *arguments: Any) -> Any:
        """The function's results."""
        engine = self.engine
        given, own = self.admitted(arguments)
        with engine.running([array for array, is_own in zip(given, own, strict=True) if is_own]):
            made = list(self.run(*self.placed(given, own)))
            made = [engine.cast(one, self.casts[n]) if n in self.casts else one for n, one in enumerate(made)]
            if any(own) or self.keeps:
                return filled(self.structure, self._without_nan(made, arguments))
        plain = [engine.returned(one) for one in made]
        for n, one in enumerate(plain):  # a result that is an argument, or a view of one, is a copy
            if any(np.may_share_memory(one, array) for array in given):
                plain[n] = one.copy()
        found = filled(self.structure, [one[()] if n in self.scalars else one for n, one in enumerate(plain)])
        if self.make_spare is None:
            return found
        return without_nan(found, self.first, lambda: self.spare(*arguments))

    def admitted(self, arguments: tuple[Any, ...]) -> tuple[list[Any], list[bool]]:
        """The arrays among the arguments, checked, and which of them are the engine's."""
        if len(arguments) != len(self.guard.arguments):
            count = len(self.guard.arguments)
            raise ArgumentError(f"the function was compiled for {count} arguments, not for {len(arguments)}")
        given = self.take(*arguments)
        own = [self.engine.is_own(array) for array in given]
        for n, array in enumerate(given):
            given[n] = array if own[n] else np.asarray(array)
            self.guard.require(n, tuple(given[n].shape), dtype_of(given[n]))
        for n, (least, most) in self.labels.items():
            labels = self.engine.returned(given[n]) if own[n] else given[n]
            if labels.size and not least <= labels.min() <= labels.max() <= most:
                self.guard.astray(n, labels, (least, most))
        if not all(own):
            require_orders(self.orders, arguments)
        return given, own

    def placed(self, given: Sequence[Any], own: Sequence[bool]) -> list[Any]:
        """What the engine runs on: the arrays as its own, and the constants."""
        arrays = [
            array if is_own else self.engine.taken(array.astype(dtype, copy=False))
            for array, is_own, dtype in zip(given, own, self.dtypes, strict=True)
        ]
        return [*arrays, *self.constants]

    def _without_nan(self, made: list[Any], arguments: tuple[Any, ...]) -> list[Any]:
        """Results of the engine, a gradient's without the nan where 0 meets infinity."""
        if self.make_spare is None or not any(map(self.engine.has_nan, made[self.first :])):
            return made
        value, finite = self.spare(*arguments)
        value, *finite = [value, *(leaf for _, leaf in nesting.leaves(finite) if leaf is not None)]
        if not np.isfinite(self.engine.returned(value)).all():  # the nan is the user's own
            return made
        better = [self.engine.where_nan(one, self._own(other)) for one, other in zip(
            made[self.first :], finite, strict=True)]  # fmt: skip
        return [*made[: self.first], *better]

    def _own(self, array: Any) -> Any:
        return array if self.engine.is_own(array) else self.engine.taken(np.asarray(array))

    @cached_property
    def spare(self) -> Callable[..., Any]:
        """The gradient without that nan."""
        assert self.make_spare is not None
        return self.make_spare()

    def __repr__(self) -> str:
        return f"<compiled function of {len(self.guard.arguments)} arguments, run by {self.engine.called}>"

    def __str__(self) -> str:
        return str(self.plan)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self.plan._repr_mimebundle_()


def dtype_of(array: Any) -> np.dtype[Any] | str:
    """The dtype of an array of NumPy or of an engine; the name of one that NumPy lacks."""
    name = str(array.dtype).removeprefix("torch.")
    try:
        return array.dtype if isinstance(array, np.ndarray) else np.dtype(name)
    except TypeError:  # such as bfloat16
        return name


def taking(guard: Guard) -> Callable[..., list[Any]]:
    """The function that takes arguments apart: the arrays, in the order of the program's inputs."""
    guard.take(("a", guard.arguments), ())
    head = ", ".join(f"a{n}" for n in range(len(guard.arguments)))
    lines = ["try:", *(f"    {line}" for line in guard.lines), "    pass"]
    lines += ["except mismatches:", f"    refuse(({head}{', ' if head else ''}))"]
    lines.append(f"return [{', '.join(f'x{n}' for n in range(len(guard.inputs)))}]")
    text = "\n".join([f"def taken({head}):", *(f"    {line}" for line in lines)])
    names: dict[str, Any] = {**guard.constants, "mismatches": MISMATCHES, "refuse": guard.refuse}
    exec(compile(text, "<arguments>", "exec"), names)
    made: Callable[..., list[Any]] = names["taken"]
    return made
