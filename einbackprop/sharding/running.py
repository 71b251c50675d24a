"""Programs on a mesh of JAX's devices: letters become the axes of ``PartitionSpec``."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from ..core import nesting
from ..core.program import Ref
from ..emission.writing import source
from ..errors import BackendError, ShapeError
from ..plans.engines import Jax
from ..plans.gradients import filled
from .mesh import Placement

SIMULATED = "XLA_FLAGS=--xla_force_host_platform_device_count={}"


class ShardedFunction:
    """A function that JAX runs on the devices of a mesh. ``source`` is its Python.

    Parameters
    ----------
    placement : Placement

    Raises
    ------
    BackendError
        JAX is not installed, or there are not enough devices.
    """

    def __init__(self, placement: Placement) -> None:
        self.placement, self.program = placement, placement.program
        self.engine = Jax()
        jax, sharding = self.engine.module, import_module("jax.sharding")
        devices, count = jax.devices(), placement.mesh.devices
        if len(devices) < count:
            raise BackendError(
                f"the mesh has {count} devices, but JAX has {len(devices)} here; to try it on this machine, set "
                f"{SIMULATED.format(count)} before JAX is imported")  # fmt: skip
        axes = placement.mesh.axes
        mesh = sharding.Mesh(np.array(devices[:count]).reshape(*axes.values()), tuple(axes))

        def lying(ref: Ref) -> Any:
            spec = sharding.PartitionSpec(*(axis or None for axis in placement.layout(ref.indices)))
            return sharding.NamedSharding(mesh, spec)

        inputs = tuple(replace(declared, path=(), units=()) for declared in self.program.inputs)
        flat = replace(self.program, inputs=inputs, structure=list(range(len(self.program.outputs))))
        self.source = source(flat, "sharded", target="jax")
        self.lying = [lying(declared.ref) for declared in inputs]
        names: dict[str, Any] = {}
        with self.engine.running(()):
            exec(compile(self.source, "<sharded>", "exec"), names)
            self.run = jax.jit(names["sharded"], in_shardings=tuple(self.lying),
                               out_shardings=[lying(ref) for ref in self.program.outputs])  # fmt: skip

    def lowered(self, *arguments: Any) -> Any:
        """What JAX makes of it for these arguments: ``.compile().as_text()`` shows the collectives."""
        with self.engine.running(()):
            return self.run.lower(*self._taken(arguments))

    def __call__(self, *arguments: Any) -> Any:
        """The function's results, as JAX's arrays that lie on the mesh."""
        with self.engine.running(()):
            return filled(self.program.structure, self.run(*self._taken(arguments)))

    def _taken(self, arguments: tuple[Any, ...]) -> list[Any]:
        """The arrays, each on the devices where it lies."""
        taken = []
        for declared, lying in zip(self.program.inputs, self.lying, strict=True):
            array = nesting.get(arguments, declared.path)
            array = array if self.engine.is_own(array) else np.asarray(array)
            shape = tuple(self.program.sizes[i] for i in declared.ref.indices)
            if tuple(size for n, size in enumerate(array.shape) if n not in declared.units) != shape:
                given = tuple(array.shape)
                raise ShapeError(f"{declared.ref.name} has shape {given}, but {shape} is what was sharded: shard again "
                                 "for other shapes")  # fmt: skip
            if declared.units:
                array = array.reshape(shape)
            taken.append(self.engine.module.device_put(array, lying))
        return taken

    def __repr__(self) -> str:
        return f"<function on {self.placement.mesh.devices} devices, run by JAX>"
