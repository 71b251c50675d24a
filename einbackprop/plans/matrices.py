"""Functions of matrices: calls of ``np.linalg``."""

import numpy as np

from ..core import matrix_functions
from ..core.program import MatrixFunction
from .views import View
from .workspace import Workspace


def call(work: Workspace, equation: MatrixFunction) -> View:
    """A function of matrices: a call of ``np.linalg``, whose result is copied to its place."""
    *arranged, made = equation.arranged
    views = [work.read_as(ref, work.dtypes[equation.out.name]) for ref in equation.operands]
    out = work.open(work.slot(equation.out), made)

    def evaluate(*arrays: np.ndarray) -> np.ndarray:  # what lacks the first letters has fewer axes
        wide = [a.reshape((1,) * (len(i) - a.ndim) + a.shape) for a, i in zip(arrays, arranged, strict=True)]
        return matrix_functions.evaluate(equation.function, *wide)

    name = work.assembly.function(evaluate)
    places = ", ".join(f"{{{n}}}" for n in range(len(views)))
    spread = [view.spread(letters) for view, letters in zip(views, arranged, strict=True)]
    flops = out.size * work.sizes[equation.matrix[0]] ** 2
    work.assembly.emit(equation.function, f"copyto({{out}}, {name}({places}))", *spread, out=out, flops=flops)
    return out.transposed(equation.out.indices)
