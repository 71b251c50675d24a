"""The strict, explicit einsum on BLAS that the formulas are written with; ``plans.execution`` runs it."""

from .plans.execution import einsum

__all__ = ["einsum"]
