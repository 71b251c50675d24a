"""Fixtures as programs, each traced and differentiated once for all tests that read it."""

import copy
from typing import Any

import numpy as np
from tracing_quietly import no_collection

from einbackprop.capture.tracer import trace
from einbackprop.core import nesting
from einbackprop.core.program import Program
from einbackprop.derivation.accumulation import vjp

Read = tuple[Program, Program, list[Any]]
_KEPT: dict[str, Read] = {}


def read_of(fixture: Any) -> Read:
    """The loss of a fixture, its gradient, and the arrays that both take; the gradient takes a cotangent as well."""
    if fixture.name not in _KEPT:
        arguments = fixture.arguments(np.random.default_rng(0), fixture.sizes)
        with no_collection():
            forward = trace(fixture.loss, *copy.deepcopy(arguments))
        arrays = [nesting.get(arguments, declared.path) for declared in forward.inputs]
        _KEPT[fixture.name] = forward, vjp(forward), arrays
    return _KEPT[fixture.name]
