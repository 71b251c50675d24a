"""Hand-written NumPy gradients, read and checked in index notation."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checking.solving import check
    from .compilation import compile
    from .emission.writing import source
    from .execution import einsum
    from .gradients import derive, grad, value_and_grad
    from .reading import read
    from .subscripts import vjp_subscripts
    from .text.explanation import explain
    from .tracing.tracer import trace

__all__ = [
    "check", "compile", "derive", "einsum", "explain", "grad", "read", "source", "trace", "value_and_grad",
    "vjp_subscripts",
]  # fmt: skip

_HOMES = {
    "check": "checking.solving",
    "compile": "compilation",
    "derive": "gradients",
    "einsum": "execution",
    "explain": "text.explanation",
    "grad": "gradients",
    "read": "reading",
    "source": "emission.writing",
    "trace": "tracing.tracer",
    "value_and_grad": "gradients",
    "vjp_subscripts": "subscripts",
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used: `import einbackprop` costs no more than what it needs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return __all__
