"""Programs on a mesh of JAX's devices: letters become the axes of ``PartitionSpec``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from ..core.program import Input, Program
from ..core.records import dataclass
from ..errors import BackendError
from ..plans.compilation import Reading, run_by
from ..plans.engines import Jax
from .mesh import Placement

T = TypeVar("T")

SIMULATED = "XLA_FLAGS=--xla_force_host_platform_device_count={}"


class MeshedJax(Jax):
    """JAX with a program on the devices of a mesh.

    Parameters
    ----------
    placement : Placement

    Raises
    ------
    BackendError
        JAX is not installed, or there are not enough devices.
    """

    def __init__(self, placement: Placement) -> None:
        super().__init__()
        self.placement = placement
        self.sharding = import_module("jax.sharding")
        devices, count = self.module.devices(), placement.mesh.devices
        if len(devices) < count:
            raise BackendError(
                f"the mesh has {count} devices, but JAX has {len(devices)} here; to try it on this machine, set "
                f"{SIMULATED.format(count)} before JAX is imported")  # fmt: skip
        axes = placement.mesh.axes
        self.mesh = self.sharding.Mesh(np.array(devices[:count]).reshape(*axes.values()), tuple(axes))

    def taken(self, array: Any) -> Any:
        return array  # it is put where it lies when the function is run

    def returned(self, array: Any) -> Any:
        if isinstance(array, np.ndarray) or array.is_fully_addressable or array.is_fully_replicated:
            return np.array(array)
        return import_module("jax.experimental.multihost_utils").process_allgather(array, tiled=True)

    def compiled(self, function: Callable[..., Any], program: Program) -> MeshedRun:
        placement = replace(self.placement, program=program)
        own = {declared.ref.name for declared in self.placement.program.inputs}

        def lying(layout: Sequence[str], units: Sequence[int]) -> Any:
            axes = [axis or None for axis in with_units(layout, units, "")]
            return self.sharding.NamedSharding(self.mesh, self.sharding.PartitionSpec(*axes))

        def place_of(one: Input) -> Place:
            if one.ref.name not in own:  # a constant
                return Place(lying((), ()), (), ())
            layout, letters = placement.layout(one.ref.indices), one.ref.indices
            sizes = [program.dimension(letter).size for letter in letters]
            padded = [placement.padded(letter) if axis else size
                      for letter, axis, size in zip(letters, layout, sizes, strict=True)]  # fmt: skip
            return Place(lying(layout, one.units), with_units(sizes, one.units, 1), with_units(padded, one.units, 1))

        places = [place_of(one) for one in program.inputs]

        def of_own_sizes(*arrays: Any) -> Any:
            """The function of arrays without their padding. XLA goes on to compute them in parts, the last ones
            filled up again, and leaves out of sums what fills them."""
            return function(*(self._cut(*each) for each in zip(arrays, places, strict=True)))

        output_units = program.output_units or ((),) * len(program.outputs)
        made = [lying(placement.laid(ref), units) for ref, units in zip(program.outputs, output_units, strict=True)]
        run = self.module.jit(of_own_sizes, in_shardings=tuple(one.lying for one in places), out_shardings=made)
        return MeshedRun(run, lambda arrays: [self.put(*each) for each in zip(arrays, places, strict=True)])

    def _cut(self, array: Any, place: Place) -> Any:
        if not place.is_padded:
            return array
        own = array[tuple(map(slice, place.shape))]
        return self.module.lax.with_sharding_constraint(own, place.lying)

    def put(self, array: Any, place: Place) -> Any:
        """An array where it lies on the mesh, padded. Of one of NumPy, which each process has, nothing is sent."""
        of_numpy = isinstance(array, np.ndarray)
        if place.is_padded:
            widths = [(0, to - size) for size, to in zip(place.shape, place.padded, strict=True)]
            array = (np if of_numpy else self.module.numpy).pad(array, widths)
        if of_numpy:
            return self.module.make_array_from_callback(array.shape, place.lying, lambda part: array[part])
        return self.module.device_put(array, place.lying)


@dataclass(frozen=True)
class Place:
    """Where an array lies on a mesh, its shape, and what that is with padding."""

    lying: Any
    shape: tuple[int, ...]
    padded: tuple[int, ...]

    @property
    def is_padded(self) -> bool:
        """Whether some of its sizes do not divide."""
        return self.shape != self.padded


def with_units(values: Iterable[T], units: Iterable[int], unit: T) -> tuple[T, ...]:
    """What the letters of an array have, and something for its axes of one entry, which have no letter."""
    found = [*values]
    for position in sorted(units):
        found.insert(position, unit)
    return tuple(found)


@dataclass(frozen=True)
class MeshedRun:
    """A function under ``jit``, of arrays that are first put where they lie."""

    jitted: Any
    put: Callable[[Sequence[Any]], list[Any]]

    def __call__(self, *arrays: Any) -> Any:
        """The results."""
        return self.jitted(*self.put(arrays))

    def lower(self, *arrays: Any) -> Any:
        """What JAX makes of it."""
        return self.jitted.lower(*self.put(arrays))


class ShardedFunction:
    """A function that JAX runs on the devices of a mesh. ``source`` is its Python.

    Parameters
    ----------
    placement : Placement
    reading : Reading
        The function whose program it is.

    Raises
    ------
    BackendError
        See ``MeshedJax``.
    ArgumentError
        See ``compile``.
    """

    def __init__(self, placement: Placement, reading: Reading) -> None:
        self.placement = placement
        self.engine = MeshedJax(placement)
        self._run = run_by(self.engine, reading, keeps=True)

    @property
    def source(self) -> str:
        """What JAX runs, for pasting."""
        return self._run.plan.source

    def lowered(self, *arguments: Any) -> Any:
        """What JAX makes of it for these arguments: ``.compile().as_text()`` shows the collectives."""
        with self.engine.running(()):
            return self._run.run.lower(*self._run.placed(*self._run.admitted(arguments)))  # type: ignore[attr-defined]

    def __call__(self, *arguments: Any) -> Any:
        """The function's results, as JAX's arrays that lie on the mesh."""
        return self._run(*arguments)

    def __repr__(self) -> str:
        return f"<function on {self.placement.mesh.devices} devices, run by JAX>"
