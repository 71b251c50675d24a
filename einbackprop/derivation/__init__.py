"""The differential of each kind of equation, reverse accumulation, and the gradient of a loss."""

from .accumulation import value_and_vjp, vjp

__all__ = ["value_and_vjp", "vjp"]
