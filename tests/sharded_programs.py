"""Run by tests in a process of its own: programs on 8 simulated devices, and the collectives in what XLA made of them.

Reads a list of jobs as JSON (source, its function's name, mesh, specs of the arguments and results, shapes), writes for
each the collectives as (kind, number of devices that do it together, entries) and how far the results are off.
"""

import json
import re
import sys
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

KINDS = "all-reduce|all-gather|reduce-scatter|collective-permute|all-to-all"
COLLECTIVE = re.compile(rf"= (.*?) ({KINDS})(?:-start)?\((.*)")
SHAPE = re.compile(r"[a-z]+\d+\[([\d,]*)\]")


def collectives(text: str) -> list[tuple[str, int, int]]:
    """The collectives in compiled text; of an all-gather what there is after it, of a scatter what there was before."""
    found = []
    for made, kind, rest in COLLECTIVE.findall(text):
        size = devices(rest)
        for shape in SHAPE.findall(made):
            entries = int(np.prod([int(n) for n in shape.split(",") if n]))
            found.append((kind, size, entries * size if kind == "reduce-scatter" else entries))
    return found


def devices(text: str) -> int:
    """How many devices do a collective together: of groups that are listed, counted, or axes of a mesh."""
    if "source_target_pairs" in text:  # a permutation, of all
        return jax.device_count()
    listed = re.search(r"replica_groups=\{\{([\d,]+)\}", text)
    counted = re.search(r"replica_groups=\[\d+,(\d+)\]", text)
    axes = re.search(r"replica_groups=mesh\[([^]]*)\].*?\{([^}]*)\}", text)
    if listed or counted:
        return len(listed[1].split(",")) if listed else int(counted[1] if counted else 0)
    assert axes is not None, text
    lengths = dict(part.split("=") for part in axes[1].split(","))
    parts = [part.strip().rpartition(")") for part in axes[2].split(",")]  # 'x', or 'x':(2)2 for two of its devices
    return int(np.prod([int(rest) if head else int(lengths[rest]) for head, _, rest in parts]))


def drawn(rng: np.random.Generator, shape: list[int], kind: str) -> np.ndarray:
    """An argument: a mask is mostly True, labels are 0 and 1, numbers so small that no recurrence blows rounding up."""
    if kind == "bool":
        return rng.random(shape) < 0.7
    return rng.normal(0, 0.25, size=shape).astype(kind) if kind.startswith("float") else rng.integers(0, 2, shape)


def run(job: dict[str, Any]) -> tuple[list[tuple[str, int, int]], float]:
    """What XLA made of a job, and how far the results are from those of one device, relative to the largest entry."""
    axes = job["mesh"]
    mesh = Mesh(np.array(jax.devices()).reshape(*axes.values()), tuple(axes))

    def lying(spec: list[str]) -> NamedSharding:
        return NamedSharding(mesh, PartitionSpec(*(axis or None for axis in spec)))

    names: dict[str, Any] = {}
    exec(job["source"], names)
    function = names[job["name"]]
    rng = np.random.default_rng(0)
    arrays = [drawn(rng, shape, kind) for shape, kind in zip(job["shapes"], job["dtypes"], strict=True)]
    expected = function(*arrays)
    compiled = jax.jit(
        function, in_shardings=tuple(map(lying, job["inputs"])), out_shardings=list(map(lying, job["outputs"]))
    ).lower(*arrays).compile()  # fmt: skip
    found = compiled(*(jax.device_put(a, lying(spec)) for a, spec in zip(arrays, job["inputs"], strict=True)))
    off = max(float(np.abs(np.asarray(a) - np.asarray(b)).max() / (np.abs(np.asarray(b)).max() or 1))
              for a, b in zip(found, expected, strict=True))  # fmt: skip
    return collectives(compiled.as_text()), off


if __name__ == "__main__":
    json.dump([run(job) for job in json.load(sys.stdin)], sys.stdout)
