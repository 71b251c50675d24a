"""``compile`` for JAX and PyTorch: a program goes in, a function comes out that the engine runs.

What runs is the source that `emission` writes for the engine. Arguments are taken apart and refused as those of every
compiled function are; NumPy's arrays go to the engine and results come back as NumPy's, unless the engine's own arrays
are given: then nothing is copied to the host.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import numpy as np

from ..core import visible
from ..core.program import Program
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
    def running(self, arrays: Sequence[Any]) -> AbstractContextManager[Any]:
        """The context in which a function runs on these arrays, which are the engine's."""

    def function(self, text: str) -> Callable[..., Any]:
        """The function that source defines."""
        names: dict[str, Any] = {}
        with self.running(()):
            exec(compile(text, f"<{self.called}>", "exec"), names)
        return self.compiled(names["compiled"])

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function as the engine runs it fast."""
        return function


class Jax(Engine):
    """JAX: functions run under ``jit``, with 64 bits whatever its configuration says."""

    target, called = "jax", "JAX"

    def found(self, device: Any) -> Any:
        if not isinstance(device, str):
            return device
        platform, _, number = device.partition(":")
        try:
            return self.module.devices(platform)[int(number or 0)]
        except (RuntimeError, IndexError, ValueError) as error:
            here = ", ".join(f"{one.platform}:{one.id}" for one in self.module.devices())
            raise BackendError(f"JAX has no device {device!r} here: it has {here}") from error

    def is_own(self, array: Any) -> bool:
        return isinstance(array, self.module.Array)

    def taken(self, array: Any) -> Any:
        return self.module.device_put(array, self.device)

    def returned(self, array: Any) -> Any:
        return np.array(array)

    def cast(self, array: Any, dtype: np.dtype[Any]) -> Any:
        return array.astype(dtype)

    def running(self, arrays: Sequence[Any]) -> AbstractContextManager[Any]:
        if hasattr(self.module, "enable_x64"):
            return self.module.enable_x64(True)  # type: ignore[no-any-return]
        return import_module("jax.experimental").enable_x64(True)  # type: ignore[no-any-return]

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.module.jit(function)  # type: ignore[no-any-return]


class Torch(Engine):
    """PyTorch: functions run as they are, and nothing is recorded for its own derivatives."""

    target, called = "torch", "PyTorch"

    def found(self, device: Any) -> Any:
        try:
            return self.module.zeros(0, device=device).device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            cuda = ", ".join(f"cuda:{n}" for n in range(self.module.cuda.device_count()))
            raise BackendError(
                f"PyTorch has no device {device!r} here: it has cpu{cuda and ', '}{cuda}") from error  # fmt: skip

    def is_own(self, array: Any) -> bool:
        return isinstance(array, self.module.Tensor)

    def taken(self, array: Any) -> Any:
        plain = np.require(array, requirements=["C", "W"])  # of others PyTorch warns, or has none
        return self.module.from_numpy(plain).to(self.device)

    def returned(self, array: Any) -> Any:
        return array.cpu().numpy()

    def cast(self, array: Any, dtype: np.dtype[Any]) -> Any:
        return array.to(getattr(self.module, dtype.name))

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
        orders: Orders = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.engine, self.guard, self.structure, self.orders = engine, guard, program.structure, orders
        self.scalars, self.casts = scalars, casts
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
        self.run = engine.function(self.plan.source)
        self.labels = label_ranges(program)
        self.take = taking(guard)

    def __call__(self, *arguments: Any) -> Any:
        """The function's results."""
        if len(arguments) != len(self.guard.arguments):
            count = len(self.guard.arguments)
            raise ArgumentError(f"the function was compiled for {count} arguments, not for {len(arguments)}")
        engine = self.engine
        given = self.take(*arguments)
        own = [engine.is_own(array) for array in given]
        for n, array in enumerate(given):
            given[n] = array if own[n] else np.asarray(array)
            self.guard.require(n, tuple(given[n].shape), dtype_of(given[n]))
        for n, (least, most) in self.labels.items():
            labels = engine.returned(given[n]) if own[n] else given[n]
            if labels.size and not least <= labels.min() <= labels.max() <= most:
                self.guard.astray(n, labels, (least, most))
        with engine.running([array for array, is_own in zip(given, own, strict=True) if is_own]):
            arrays = [
                array if is_own else engine.taken(array.astype(dtype, copy=False))
                for array, is_own, dtype in zip(given, own, self.dtypes, strict=True)
            ]
            made = list(self.run(*arrays, *self.constants))
            made = [engine.cast(one, self.casts[n]) if n in self.casts else one for n, one in enumerate(made)]
        if any(own):
            return filled(self.structure, made)
        require_orders(self.orders, arguments)
        plain = [engine.returned(one) for one in made]
        for n, one in enumerate(plain):  # a result that is an argument, or a view of one, is a copy
            if any(np.may_share_memory(one, array) for array in given):
                plain[n] = one.copy()
        found = filled(self.structure, [one[()] if n in self.scalars else one for n, one in enumerate(plain)])
        if self.make_spare is None:
            return found
        return without_nan(found, self.first, lambda: self.spare(*arguments))

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


def dtype_of(array: Any) -> np.dtype[Any]:
    """The dtype of an array of NumPy or of an engine."""
    name = str(array.dtype).removeprefix("torch.")
    return array.dtype if isinstance(array, np.ndarray) else np.dtype("bfloat16" if name == "bfloat16" else name)


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
