"""The differential of each kind of equation, reverse accumulation, and the gradient of a loss.

A program goes in, a program of the same kinds comes out: `differential` has the terms of each equation (those
of functions of matrices are in `matrices`), `accumulation` adds up their transposes from the last line to the first
(of a recurrence, from its last round to its first),
`gradients` derives a Python function and nests the result.
"""

from .accumulation import value_and_vjp, vjp

__all__ = ["value_and_vjp", "vjp"]
