"""The differentials of functions of matrices.

    X = inv(A)            δX = -X δA X
    d = det(A)            δd = d tr(X δA)                      X = inv(A)
    ℓ = logdet(A)         δℓ = tr(X δA)
    A x = b               A δx = δb - δA x
    L Lᵀ = A              δL = L Φ(L⁻¹ δA L⁻ᵀ)                 Φ: the lower triangle, with half of the diagonal
    P = pinv(A)           δP = -P δA P + P Pᵀ δAᵀ (1 - A P) + (1 - P A) δAᵀ Pᵀ P

The first three lines and the reverse of the fourth are in M. Giles, "Collected matrix derivative results for forward
and reverse mode algorithmic differentiation" (2008); that of Cholesky in I. Murray, "Differentiation of the Cholesky
decomposition" (arXiv:1602.07527, 2016); the last, where the rank stays, in G. Golub and V. Pereyra, "The
differentiation of pseudo-inverses and nonlinear least squares problems" (1973). That of a determinant goes through the
inverse, so that a singular matrix has none here. NumPy's ``cholesky`` reads the lower triangle of A alone: so the
cotangent of A is one of a lower triangle.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from ..core.letters import moved
from ..core.program import ONE, Bracket, Contract, Equation, Factor, MatrixFunction, Position, Ref, Sum

if TYPE_CHECKING:
    from .differential import Workspace

MINUS = Factor(Fraction(-1))
HALF = Factor(Fraction(1, 2))


def contracts(equation: MatrixFunction, moving: set[str], work: Workspace) -> list[tuple[Contract, int]]:
    """The terms of the differential, each with the slot that moves.

    Those of ``solve`` and of ``cholesky`` are what moves on the right-hand side of the equation that defines them: a
    cotangent of the result becomes one of that by ``pulled_back``.
    """
    out, matrix = equation.out, equation.operands[0]
    i, j = tuple(equation.matrix)
    if equation.function == "solve":
        k, right = equation.result, moved(out, equation.result, i)
        terms = [(Contract(right, (equation.operands[1],)), 0)]
        terms += [(Contract(right, (matrix, moved(out, k, j)), (), MINUS), 0)]
        return [term for term in terms if term[0].operands[0].name in moving]
    match equation.function:
        case "inv":
            k, r = tuple(equation.result)
            return [(Contract(out, (moved(out, r, i), matrix, moved(out, k, j)), (), MINUS), 1)]
        case "det":
            return [(Contract(out, (out, inverse(equation, work), matrix)), 2)]
        case "logdet":
            return [(Contract(out, (inverse(equation, work), matrix)), 1)]
        case "cholesky":
            return [(Contract(moved(out, equation.result, i + j), (matrix,), (at_most(j, i),)), 0),
                    (Contract(moved(out, equation.result, j + i), (matrix,), (below(j, i),)), 0)]  # fmt: skip
        case "pinv":
            return of_pseudo_inverse(equation, work)
    return []


def at_most(j: str, i: str) -> Bracket:
    """``[j ≤ i]``."""
    return Bracket(Position.of(j), "≤", Position.of(i))


def below(j: str, i: str) -> Bracket:
    """``[j < i]``."""
    return Bracket(Position.of(j), "<", Position.of(i))


def same(i: str, j: str) -> Bracket:
    """``[i = j]``."""
    return Bracket(Position.of(i), "=", Position.of(j))


def inverse(equation: MatrixFunction, work: Workspace) -> Ref:
    """The inverse of the matrix, with the letter of its columns on its rows and the other way round."""
    i, j = tuple(equation.matrix)
    matrix = equation.operands[0]
    result = letters_beside(work, j + i, matrix.indices + equation.out.indices)
    made = work.write(
        f"inv_{matrix.name}", equation.batch + result, equation.out.name,
        lambda out: MatrixFunction(out, "inv", (matrix,), equation.matrix, result),
    )  # fmt: skip
    return moved(made, result, j + i)


def letters_beside(work: Workspace, letters: str, used: str) -> str:
    """Other letters over the same dimensions."""
    made = ""
    for letter in letters:
        made += work.other(letter, used + letters + made)
    return made


def of_pseudo_inverse(equation: MatrixFunction, work: Workspace) -> list[tuple[Contract, int]]:
    """The five terms of a pseudo-inverse, P[k,r] of A[i,j]."""
    out, matrix = equation.out, equation.operands[0]
    (i, j), (k, r) = tuple(equation.matrix), tuple(equation.result)
    p, q = tuple(letters_beside(work, i + j, matrix.indices + out.indices))

    def entry(row: str, column: str) -> Ref:
        return moved(out, k + r, row + column)

    return [
        (Contract(out, (entry(k, i), matrix, entry(j, r)), (), MINUS), 1),
        (Contract(out, (entry(k, p), entry(j, p), matrix), (same(i, r),)), 2),
        (Contract(out, (entry(k, p), entry(j, p), matrix, moved(matrix, j, q), entry(q, r)), (), MINUS), 2),
        (Contract(out, (matrix, entry(q, i), entry(q, r)), (same(j, k),)), 0),
        (Contract(out, (entry(k, p), moved(matrix, i, p), matrix, entry(q, i), entry(q, r)), (), MINUS), 2),
    ]


def pulled_back(equation: Equation, cotangent: str, work: Workspace) -> str:
    """The cotangent that the terms are transposed with: that of the right-hand side of the equation of a solve or of
    a Cholesky factor, else the result's own."""
    if not isinstance(equation, MatrixFunction) or equation.function not in ("solve", "cholesky"):
        return cotangent
    made = through_solve if equation.function == "solve" else through_cholesky
    return made(equation, Ref(cotangent, equation.out.indices), work).name


def through_solve(equation: MatrixFunction, cotangent: Ref, work: Workspace) -> Ref:
    """``Aᵀ h = dx``."""
    i, j = tuple(equation.matrix)
    matrix = work.conjugate(equation.operands[0])
    k = letters_beside(work, i, matrix.indices + equation.out.indices)
    right = moved(cotangent, equation.result, j)
    return work.write(
        f"d{equation.out.name}_solved", equation.out.indices.replace(equation.result, k), equation.out.name,
        lambda out: MatrixFunction(out, "solve", (matrix, right), j + i, k),
    )  # fmt: skip


def through_cholesky(equation: MatrixFunction, cotangent: Ref, work: Workspace) -> Ref:
    """``L⁻ᵀ Φ(Lᵀ dL) L⁻¹``."""
    out, (k, r) = equation.out, tuple(equation.result)
    m, p, q = tuple(letters_beside(work, k + k + r, out.indices + equation.matrix))
    name = out.name

    def write(what: str, indices: str, make: Callable[[Ref], Equation]) -> Ref:
        return work.write(f"d{name}_{what}", indices, name, make)

    square = moved(out, k + r, m + r).indices
    inner = write("turned", square, lambda to: Contract(to, (moved(out, k + r, k + m), cotangent)))
    triangle = write("lower", square, lambda to: Contract(to, (inner,), (at_most(r, m),)))
    diagonal = write("diagonal", square, lambda to: Contract(to, (inner,), (same(r, m),)))
    lower = write("halved", square, lambda to: Sum(to, ((ONE, triangle), (-HALF, diagonal))))
    inverted = work.write(
        f"inv_{name}", moved(out, k + r, p + q).indices, name,
        lambda to: MatrixFunction(to, "inv", (out,), k + r, p + q),
    )  # fmt: skip
    left, right = moved(inverted, p + q, m + p), moved(inverted, p + q, r + q)
    return write("solved", moved(out, k + r, p + q).indices, lambda to: Contract(to, (left, lower, right)))
