"""Functions of matrices as calls of ``np.linalg``."""

from ..core import matrix_functions
from ..core.program import MatrixFunction, Ref
from .scope import Scope


def call(equation: MatrixFunction, scope: Scope) -> str:
    """``np.linalg.inv(A)``, ``np.linalg.solve(A, b)``; columns along several letters are those of one matrix."""
    *arranged, made = equation.arranged
    parts = [arranged_matrix(ref, i, scope) for ref, i in zip(equation.operands, arranged, strict=True)]
    columns, back = equation.columns, ""
    if equation.function == "solve" and equation.batch and not columns:
        parts[1], back = f"{parts[1]}[..., None]", "[..., 0]"
    elif len(columns) > 1:
        rows = [scope.size(i) for i in arranged[1][: -len(columns)]]
        together = " * ".join(scope.size(i) for i in columns)
        parts[1], back = f"{parts[1]}.reshape({', '.join([*rows, together])})", f".reshape({scope.shape(made)})"
    expression = matrix_functions.code(equation.function, *parts) + back
    return expression if made == equation.out.indices else scope.call_einsum([(expression, made)], equation.out.indices)


def arranged_matrix(ref: Ref, letters: str, scope: Scope) -> str:
    """An operand with its axes in this order; of a matrix the other way round, its transpose."""
    own = ref.indices
    if len(own) > 1 and own != letters == own[:-2] + own[:-3:-1] and not scope.is_boolean(ref.name):
        return f"{scope.names[ref.name]}.{'T' if len(own) == 2 else 'swapaxes(-1, -2)'}"
    return scope.aligned(ref, letters)
