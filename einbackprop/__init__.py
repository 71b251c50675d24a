"""Hand-written NumPy gradients, read and checked in index notation."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .capture.tracer import trace
    from .checking.solving import check, check_layer
    from .core.subscripts import vjp_subscripts
    from .derivation.gradients import derive
    from .emission.writing import source
    from .notation.explanation import explain
    from .plans.compilation import compile
    from .plans.execution import einsum
    from .plans.gradients import grad, value_and_grad
    from .reading.reading import read
    from .sharding.report import shard

__all__ = [
    "check", "check_layer", "compile", "derive", "einsum", "explain", "grad", "read", "shard", "source", "trace",
    "value_and_grad", "vjp_subscripts",
]  # fmt: skip

_HOMES = {
    "check": "checking.solving",
    "check_layer": "checking.solving",
    "compile": "plans.compilation",
    "derive": "derivation.gradients",
    "einsum": "plans.execution",
    "explain": "notation.explanation",
    "grad": "plans.gradients",
    "load_ipython_extension": "shell.magics",  # for %load_ext
    "read": "reading.reading",
    "shard": "sharding.report",
    "source": "emission.writing",
    "trace": "capture.tracer",
    "value_and_grad": "plans.gradients",
    "vjp_subscripts": "core.subscripts",
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used: `import einbackprop` costs no more than what it needs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return __all__
