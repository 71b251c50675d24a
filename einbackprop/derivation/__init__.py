"""The differential of each kind of equation, reverse and forward accumulation, and the gradient of a loss."""

from .accumulation import jvp, value_and_vjp, vjp

__all__ = ["jvp", "value_and_vjp", "vjp"]
