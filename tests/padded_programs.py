"""Run by tests in a process of its own: functions on 8 simulated devices, with sizes that do not divide among them.

Reads a list of jobs as JSON (source, its function's name, shapes, mesh, letters), writes for each the collectives that
the report has, those in what XLA made of it, and how far the results are off.
"""

import json
import sys
from typing import Any

import numpy as np
from sharded_programs import collectives, drawn

import einbackprop as eb

Counted = list[tuple[str, int, int]]


def run(job: dict[str, Any]) -> tuple[Counted, Counted, float]:
    """The collectives of the report, those that XLA made, and how far the largest of the results' entries is off."""
    names: dict[str, Any] = {"np": np, "eb": eb}
    exec(job["source"], names)
    function, rng = names[job["name"]], np.random.default_rng(0)
    arrays = [drawn(rng, shape, "float32") for shape in job["shapes"]]
    sharding = eb.shard(function, *arrays, mesh=job["mesh"], letters=job["letters"], pad=True)
    assert not isinstance(sharding, tuple)
    compiled = sharding.compile()
    made, expected = compiled(*arrays), function(*arrays)
    if not isinstance(made, tuple):
        made, expected = (made,), (expected,)
    assert [one.shape for one in made] == [one.shape for one in expected]
    off = max(float(np.abs(np.asarray(a) - b).max() / (np.abs(b).max() or 1))
              for a, b in zip(made, expected, strict=True))  # fmt: skip
    told = [(one.kind, job["mesh"][one.axis], one.entries) for one in sharding.collectives]
    return told, collectives(compiled.lowered(*arrays).compile().as_text()), off


if __name__ == "__main__":
    json.dump([run(job) for job in json.load(sys.stdin)], sys.stdout)
