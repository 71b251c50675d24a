"""Functions of matrices: read, derived twice, printed, proved, emitted and compiled, held against NumPy and others."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from formula_values import formula_value
from forward_mode import jvp
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import some
from test_compositions import differences
from test_tracing import check, seeds

import einbackprop as eb
from einbackprop.core import interpretation
from einbackprop.core.program import MatrixFunction, Opaque
from einbackprop.derivation import accumulation, matrices
from einbackprop.errors import DerivationError, EinbackpropError
from einbackprop.notation.index_notation import equation_text

Function = Callable[..., Any]


def drawn(seed: int, *shape: int) -> np.ndarray:
    """Numbers; of square matrices such as are far from singular, for every size."""
    made = np.random.default_rng(seed).normal(size=shape)
    return made + 3 * np.eye(shape[-1]) if len(shape) > 1 and shape[-1] == shape[-2] else made


def positive(x: np.ndarray) -> np.ndarray:
    return x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1])


A, B, C, V = drawn(0, 4, 4), drawn(1, 4, 3), drawn(2, 2, 4, 4), drawn(3, 4)
WIDE = drawn(4, 5, 2, 4, 3)
CASES: dict[str, tuple[Function, list[np.ndarray]]] = {
    "inv": (np.linalg.inv, [A]), "inv of a batch": (np.linalg.inv, [C]),
    "inv of a transpose": (lambda a: np.linalg.inv(a.T), [A]),
    "inv of what stands in the line": (lambda a: np.linalg.inv(a @ a.T), [A]),
    "solve": (np.linalg.solve, [A, V]), "solve for columns": (np.linalg.solve, [A, B]),
    "solve by a transpose": (lambda a, b: np.linalg.solve(a.T, b), [A, B]),
    "solve a batch": (np.linalg.solve, [C, drawn(5, 2, 4, 3)]), "solve a batch for one": (np.linalg.solve, [C, B]),
    "solve one for a batch": (np.linalg.solve, [A, C]), "solve a batch for a vector": (np.linalg.solve, [C, V]),
    "solve a wide batch": (np.linalg.solve, [C, WIDE]), "solve by itself": (lambda a: np.linalg.solve(a, a.T), [A]),
    "det": (np.linalg.det, [A]), "det of a batch": (np.linalg.det, [C]),
    "slogdet": (lambda a: np.linalg.slogdet(a).logabsdet, [A]),
    "slogdet of a batch": (lambda a: np.linalg.slogdet(a)[0] * np.linalg.slogdet(a)[1], [-C[:, :3, :3]]),
    "cholesky": (np.linalg.cholesky, [positive(A)]), "cholesky of a batch": (np.linalg.cholesky, [positive(C)]),
    "upper cholesky": (lambda a: np.linalg.cholesky(a, upper=True), [positive(A)]),
    "cholesky of a product": (lambda x: np.linalg.cholesky(x.T @ x), [B]),
    "pinv": (np.linalg.pinv, [B]), "wide pinv": (np.linalg.pinv, [B.T]), "pinv of a batch": (np.linalg.pinv, [WIDE[0]]),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[:2], [B, V]),
    "lstsq for columns": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[:2], [B, A[:, :2]]),
    "matrix_power": (lambda a: np.linalg.matrix_power(a / 3, 5), [A]),
    "negative matrix_power": (lambda a: np.linalg.matrix_power(a, -2), [C]),
    "no matrix_power": (lambda a: np.linalg.matrix_power(a, 0) * a, [C]),
    "of one": (np.linalg.solve, [A[:1, :1], V[:1]]),
}  # fmt: skip
if np.lib.NumpyVersion(np.__version__) < "2.0.0":
    del CASES["upper cholesky"]


def weighted(function: Function, arguments: list[np.ndarray]) -> Function:
    """A loss: a sum of the entries of what a function gives, with weights."""

    def parts(value: Any) -> list[Any]:
        return list(value) if isinstance(value, tuple) else [value]

    weights = [np.cos(np.arange(np.size(x)) + 1.0).reshape(np.shape(x)) for x in parts(function(*arguments))]

    def loss(*given: Any) -> Any:
        return sum(np.sum(w * x) for w, x in zip(weights, parts(function(*given)), strict=True))

    return loss


@pytest.mark.parametrize("name", CASES)
def test_values_gradients_and_source(name: str) -> None:
    function, arguments = CASES[name]
    check(function, *arguments)
    loss = weighted(function, arguments)
    for n in range(len(arguments)):
        derived = eb.derive(loss, *arguments, wrt=n)
        (found,) = interpretation.run(derived, arguments)
        np.testing.assert_allclose(found, differences(loss, arguments, n), rtol=1e-5, atol=1e-7)
        space: dict[str, Any] = {}
        exec(eb.source(derived), space)
        np.testing.assert_allclose(space["backward"](*arguments), found, rtol=1e-9, atol=1e-11)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name: str) -> None:
    """The gradient of a sum of the entries of the gradient."""
    function, arguments = CASES[name]
    first = eb.grad(weighted(function, arguments))

    def slope(*given: Any) -> Any:
        return np.sum(np.sin(np.arange(arguments[0].size).reshape(arguments[0].shape)) * first(*given))

    forward = eb.trace(weighted(function, arguments), *arguments)
    once = accumulation.vjp(forward, [forward.inputs[0].ref.name])
    twice = accumulation.vjp(once, [once.inputs[0].ref.name])
    seed = np.sin(np.arange(arguments[0].size).reshape(arguments[0].shape))
    (found,) = interpretation.run(twice, [*arguments, seed])
    np.testing.assert_allclose(found, differences(slope, arguments, 0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", some([name for name in CASES if "lstsq" not in name]))
def test_forward_mode_is_the_transpose_of_reverse_mode(name: str) -> None:
    function, arguments = CASES[name]
    program = eb.trace(function, *arguments)
    names = [i.ref.name for i in program.inputs]
    tangents = [np.sin(np.arange(x.size) + 2.0).reshape(x.shape) for x in arguments]
    (along,) = interpretation.run(jvp(program, names), [*arguments, *tangents])
    seed = np.cos(np.arange(along.size)).reshape(along.shape)
    back = interpretation.run(accumulation.vjp(program, names), [*arguments, seed][: len(arguments) + bool(seed.ndim)])
    assert np.isclose(np.sum(seed * along), sum(np.sum(t * g) for t, g in zip(tangents, back, strict=True)))


@settings(max_examples=15)
@given(seed=seeds, n=st.integers(0, 4), m=st.integers(0, 3), batch=st.lists(st.integers(0, 2), max_size=2))
def test_any_sizes(seed: int, n: int, m: int, batch: list[int]) -> None:
    a, b = drawn(seed, *batch, n, n), drawn(seed + 1, *batch, n, m)
    check(np.linalg.solve, a, b)
    check(lambda x: (np.linalg.inv(x), np.linalg.det(x), np.linalg.slogdet(x)), a)
    check(np.linalg.cholesky, positive(a))


@pytest.mark.long
def test_as_jax_has_it() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    pairs: list[tuple[Function, Function]] = [
        (lambda x: np.sum(np.linalg.cholesky(x @ x.T) ** 3), lambda x: jnp.sum(jnp.linalg.cholesky(x @ x.T) ** 3)),
        (lambda x: np.linalg.slogdet(x)[1] ** 2, lambda x: jnp.linalg.slogdet(x)[1] ** 2),
        (lambda x: np.sum(np.linalg.solve(x, x.T @ B) ** 2), lambda x: jnp.sum(jnp.linalg.solve(x, x.T @ B) ** 2)),
        (lambda x: np.sum(np.linalg.pinv(x[:, :2]) ** 3), lambda x: jnp.sum(jnp.linalg.pinv(x[:, :2]) ** 3)),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(eb.grad(ours)(A), jax.grad(theirs)(A), rtol=1e-8)


def test_complex_matrices() -> None:
    z = A + 1j * drawn(9, 4, 4)
    check(np.linalg.solve, z, B)
    check(np.linalg.det, z)
    check(np.linalg.slogdet, z, opaque=True)
    check(np.linalg.cholesky, z @ z.conj().T, opaque=True)

    def loss(x: np.ndarray) -> Any:
        return np.sum(np.abs(np.linalg.solve(x, B)) ** 2)

    found, step = eb.grad(loss)(z), 1e-6
    for direction in (1.0, 1j):
        moved = np.zeros((4, 4), complex)
        moved[1, 2] = direction * step
        slope = (loss(z + moved) - loss(z - moved)) / (2 * step)
        assert np.isclose(slope, (np.conj(found[1, 2]) * direction).real, rtol=1e-6)


# Printing


@pytest.mark.parametrize("name", CASES)
def test_what_is_printed_is_true(name: str) -> None:
    function, arguments = CASES[name]
    for program in (eb.trace(function, *arguments), eb.derive(weighted(function, arguments), *arguments)):
        values, sizes = interpretation.evaluate(program, arguments)
        for equation in program.equations:
            if isinstance(equation, MatrixFunction):
                found = formula_value(equation_text(equation), values, sizes)
                np.testing.assert_allclose(found, values[equation.out.name], rtol=1e-9, atol=1e-12)


def test_formulas() -> None:
    def function(a: np.ndarray, b: np.ndarray) -> Any:
        x = np.linalg.solve(a, b)
        q = np.linalg.inv(a @ a.T)
        size = np.linalg.slogdet(a)[1]
        return x, q, size

    said = str(eb.read(function, A, V))
    assert "x[k] = solve(a, b)[k]" in said
    assert "q[i,j] = inv_kl(Σ_m a[k,m] a[l,m])[i,j]" in said
    assert "size = logdet(a)" in said


def test_source_solves() -> None:
    source = eb.source(eb.derive(lambda a, b: np.sum(np.linalg.solve(a, b) ** 2), A, V, wrt=(0, 1)))
    assert source.count("np.linalg.solve(") == 2
    assert "np.linalg.solve(a.T, " in source
    assert "inv" not in source


# Compiling


def test_compiled() -> None:
    def function(a: np.ndarray, b: np.ndarray) -> Any:
        x = np.linalg.solve(a, np.tanh(b))
        return np.sum(x * x) + np.linalg.slogdet(a)[1], np.exp(x)

    expected = function(A, B)
    for backend in (None, "numba") if find_spec("numba") else (None,):
        compiled = eb.compile(function, A, B, backend=backend)
        for mine, theirs in zip(compiled(A, B), expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    narrow = eb.compile(function, A.astype(np.float32), B.astype(np.float32))
    assert narrow(A.astype(np.float32), B.astype(np.float32))[1].dtype == np.float32


def test_a_singular_matrix_is_refused_as_numpy_refuses_it() -> None:
    compiled = eb.compile(lambda a: np.sum(np.linalg.inv(a)), A)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        compiled(np.ones((4, 4)))
    with pytest.raises(EinbackpropError, match="Singular matrix"):
        eb.trace(np.linalg.inv, np.ones((4, 4)))
    with pytest.raises(EinbackpropError, match="must be square"):
        eb.trace(lambda a: np.linalg.inv(a), B)
    with pytest.raises(EinbackpropError):
        eb.trace(lambda a, b: np.linalg.solve(a, b), A, B.T)


def test_what_has_no_derivative() -> None:
    with pytest.raises(DerivationError, match=r"np\.linalg\.eigvalsh is not read"):
        eb.derive(lambda a: np.sum(np.linalg.eigvalsh(a)), positive(A))
    flat = eb.derive(lambda a: np.linalg.slogdet(a)[0], A)
    assert not interpretation.run(flat, [A])[0].any()


# Checking


def solving(a: np.ndarray, b: np.ndarray) -> Any:
    x = np.linalg.solve(a, b)
    return 0.5 * np.sum(x * x)


def solving_back(a: np.ndarray, b: np.ndarray) -> Any:
    x = np.linalg.solve(a, b)
    db = np.linalg.solve(a.T, x)
    return -np.outer(db, x), db


def solving_by_inverse(a: np.ndarray, b: np.ndarray) -> Any:
    inverse = np.linalg.inv(a)
    x = inverse @ b
    db = inverse.T @ x
    return -np.outer(db, x), db


def solving_untransposed(a: np.ndarray, b: np.ndarray) -> Any:
    x = np.linalg.solve(a, b)
    db = np.linalg.solve(a, x)
    return -np.outer(db, x), db


def inverting(x: np.ndarray) -> Any:
    q = np.linalg.inv(x.T @ x)
    return np.sum(q * q)


def inverting_back(x: np.ndarray) -> Any:
    q = np.linalg.inv(x.T @ x)
    dk = -q.T @ (2 * q) @ q.T
    return x @ (dk + dk.T)


def inverting_back_by_symmetry(x: np.ndarray) -> Any:
    q = np.linalg.inv(x.T @ x)
    return -4 * x @ q @ q @ q


def likelihood(x: np.ndarray, s: np.ndarray) -> Any:
    q = np.linalg.inv(s)
    return np.linalg.slogdet(s)[1] + np.sum((x @ q) * x)


def likelihood_back(x: np.ndarray, s: np.ndarray) -> Any:
    q = np.linalg.inv(s)
    return x @ (q + q.T), q.T - q.T @ x.T @ x @ q.T


def likelihood_wrong(x: np.ndarray, s: np.ndarray) -> Any:
    q = np.linalg.inv(s)
    return x @ (q + q.T), q.T + q.T @ x.T @ x @ q.T


def factoring(x: np.ndarray) -> Any:
    return np.sum(np.sin(np.linalg.cholesky(x @ x.T + np.eye(len(x)))))


def factoring_back(x: np.ndarray) -> Any:
    factor = np.linalg.cholesky(x @ x.T + np.eye(len(x)))
    p = np.tril(factor.T @ np.cos(factor))
    p[np.diag_indices(len(p))] *= 0.5
    inverse = np.linalg.inv(factor)
    s = inverse.T @ p @ inverse
    return (s + s.T) @ x


@pytest.mark.parametrize(
    ("loss", "gradients", "arguments"),
    [
        (factoring, factoring_back, (B,)),
        (solving, solving_back, (A, V)),
        (solving, solving_by_inverse, (A, V)),
        (inverting, inverting_back, (B,)),
        (inverting, inverting_back_by_symmetry, (B,)),
        (likelihood, likelihood_back, (B.T, positive(A))),
        (lambda a: np.linalg.slogdet(a)[1], lambda a: np.linalg.inv(a.T), (A,)),
        (lambda a: np.linalg.det(a), lambda a: np.linalg.det(a.T) * np.linalg.inv(a).T, (A,)),
    ],
    ids=range(8),
)
def test_right_backwards_are_proved(loss: Function, gradients: Function, arguments: tuple[np.ndarray, ...]) -> None:
    report = eb.check(loss, gradients, *arguments, wrt=tuple(range(len(arguments))) if len(arguments) > 1 else 0)
    assert report, str(report)
    assert str(report).count("  proved  ") == len(arguments)


def test_wrong_backwards_are_corrected() -> None:
    said = str(eb.check(solving, solving_untransposed, A, V, wrt=(0, 1)))
    assert "write     db = np.linalg.solve(a.T, x)" in said
    said = str(eb.check(likelihood, likelihood_wrong, B.T, positive(A), wrt=(0, 1)))
    assert "write     return x @ (q + q.T), q.T - q.T @ x.T @ x @ q.T" in said


def test_a_wrong_differential_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants of each differential: a sign, a transpose, half of a diagonal."""
    right = matrices.contracts

    def without_minus(*arguments: Any) -> Any:
        return [(c.__class__(c.out, c.operands, c.brackets), slot) for c, slot in right(*arguments)]

    monkeypatch.setattr(matrices, "contracts", without_minus)
    for name in ("inv", "solve", "pinv"):
        function, arguments = CASES[name]
        loss = weighted(function, arguments)
        (found,) = interpretation.run(eb.derive(loss, *arguments), arguments)
        assert not np.allclose(found, differences(loss, arguments, 0), rtol=1e-3)
    monkeypatch.setattr(matrices, "contracts", right)
    monkeypatch.setattr(matrices, "at_most", matrices.below)
    function, arguments = CASES["cholesky"]
    loss = weighted(function, arguments)
    (found,) = interpretation.run(eb.derive(loss, *arguments), arguments)
    assert not np.allclose(found, differences(loss, arguments, 0), rtol=1e-3)


def test_scipy_linalg() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    cases: list[tuple[Function, list[np.ndarray]]] = [
        (lambda a, b: linalg.solve(a, b), [A, B]), (lambda a: linalg.inv(a), [A]), (lambda a: linalg.det(a), [A]),
        (lambda a: linalg.cholesky(a), [positive(A)]), (lambda a: linalg.cholesky(a, lower=True), [positive(A)]),
        (lambda a, b: linalg.solve_triangular(a, b), [A, V]),
        (lambda a, b: linalg.solve_triangular(a, b, lower=True, trans=1), [A, V]),
    ]  # fmt: skip
    for function, arguments in cases:
        check(function, *arguments)
        loss = weighted(function, arguments)
        (found,) = interpretation.run(eb.derive(loss, *arguments), arguments)
        np.testing.assert_allclose(found, differences(loss, arguments, 0), rtol=1e-5, atol=1e-7)
    factored = eb.trace(lambda a, b: linalg.cho_solve(linalg.cho_factor(a), b), positive(A), V)
    assert {e.reason for e in factored.equations if isinstance(e, Opaque)} == {
        "scipy.linalg.cho_factor is not read", "scipy.linalg.cho_solve is not read"}  # fmt: skip
