"""NumPy calls that are read as other calls: the program gives NumPy's numbers, and its gradient that of differences."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tracing import check, seeds

import einbackprop as eb
from einbackprop.capture import calculus, matrices, special, statistics
from einbackprop.core import interpretation
from einbackprop.core.program import Opaque

Function = Callable[..., Any]
STEP = 1e-6


def differences(loss: Function, arguments: list[np.ndarray], n: int) -> np.ndarray:
    """The gradient with respect to argument n by central differences."""
    slopes = np.zeros(np.shape(arguments[n]))
    for index in np.ndindex(slopes.shape):
        ends = []
        for sign in (1, -1):
            moved = [np.array(x) for x in arguments]
            moved[n][index] += sign * STEP
            ends.append(float(loss(*moved)))
        slopes[index] = (ends[0] - ends[1]) / (2 * STEP)
    return slopes


def check_gradients(function: Function, *arguments: np.ndarray) -> None:
    """Values as NumPy's; gradients of a sum of them, with weights, as differences tell."""
    check(function, *arguments)
    weights = [np.cos(np.arange(np.size(x)) + 1.0).reshape(np.shape(x)) for x in parts(function(*arguments))]

    def loss(*given: Any) -> Any:
        return sum(np.sum(w * x) for w, x in zip(weights, parts(function(*given)), strict=True))

    for n in range(len(arguments)):
        expected = differences(loss, list(arguments), n)
        derived = eb.derive(loss, *arguments, wrt=n)
        (found,) = interpretation.run(derived, arguments)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def parts(value: Any) -> list[Any]:
    """Each of several results."""
    return list(value) if isinstance(value, tuple | list) else [value]


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


CUBE, MATRIX, OTHER = drawn(0, 2, 3, 4), drawn(1, 4, 3), drawn(2, 4, 3)
LINE, LINE2, VECTOR = drawn(3, 5), drawn(4, 5), drawn(5, 3)
PLACES = np.array([0.0, 0.4, 1.0, 2.5, 3.0])
BLANK = np.where(np.arange(12).reshape(4, 3) == 5, np.nan, MATRIX)

CASES: dict[str, tuple[Function, list[np.ndarray]]] = {
    "cumprod": (lambda x: np.cumprod(x, axis=1), [MATRIX]), "cumprod of all": (lambda x: np.cumprod(x), [MATRIX]),
    "x.cumprod": (lambda x: x.cumprod(axis=0), [CUBE]), "accumulate": (np.maximum.accumulate, [MATRIX]),
    "minimum.accumulate": (lambda x: np.minimum.accumulate(x, axis=1), [MATRIX]),
    "logaddexp.accumulate": (lambda x: np.logaddexp.accumulate(x), [LINE]),
    "diff": (lambda x: np.diff(x, n=2, axis=0), [MATRIX]),
    "diff of ends": (lambda x: np.diff(x, axis=1, prepend=0, append=x[:, :1]), [MATRIX]),
    "ediff1d": (lambda x: np.ediff1d(x, to_end=[1.0, 2.0]), [MATRIX]),
    "gradient": (lambda x: np.gradient(x), [MATRIX]), "gradient by steps": (lambda x: np.gradient(x, 0.5), [LINE]),
    "gradient along": (lambda x: np.gradient(x, 0.1, 2.0, axis=(2, 1)), [CUBE]),
    "gradient, order 2": (lambda x: np.gradient(x, 0.5, axis=0, edge_order=2), [MATRIX]),
    "gradient by places": (lambda x, t: np.gradient(x, np.cumsum(np.exp(t))), [LINE, LINE2]),
    "trapezoid": (lambda y: np.trapezoid(y, dx=0.5), [MATRIX]), "trapezoid of places": (np.trapezoid, [LINE, LINE2]),
    "trapezoid along": (lambda y, x: np.trapezoid(y, x, axis=0), [MATRIX, drawn(6, 4)]),
    "trapezoid of matrices": (lambda y, x: np.trapezoid(y, x, axis=1), [MATRIX, OTHER]),
    "polyval": (np.polyval, [VECTOR, MATRIX]), "polymul": (np.polymul, [VECTOR, LINE]),
    "interp": (lambda x, f: np.interp(x, PLACES, f), [np.array([-1.0, 0.1, 2.6, 9.0]), LINE]),
    "interp to the sides": (lambda x, t, f: np.interp(x, t, f, left=0.0, right=2.0), [LINE / 9, PLACES, LINE2]),
    "vander": (lambda x: np.vander(x, 3), [VECTOR]), "rising vander": (lambda x: np.vander(x, increasing=True), [LINE]),
    "linspace": (lambda a, b: np.linspace(a, b, 4), [VECTOR, LINE[:3]]), "sinc": (np.sinc, [MATRIX]),
    "angle": (lambda x, y: np.angle(x + 1j * y), [LINE, LINE2]),
    "median": (lambda x: np.median(x), [MATRIX]), "median along": (lambda x: np.median(x, axis=1), [MATRIX]),
    "median of axes": (lambda x: np.median(x, axis=(0, 2), keepdims=True), [CUBE]),
    "percentile": (lambda x: np.percentile(x, 30, axis=0), [MATRIX]),
    "quantile": (lambda x: np.quantile(x, [0.0, 0.3, 1.0], axis=1, keepdims=True), [MATRIX]),
    "cov": (np.cov, [MATRIX]), "cov of columns": (lambda x: np.cov(x, rowvar=False, ddof=0), [MATRIX]),
    "cov of two": (np.cov, [LINE, LINE2]), "cov of one": (lambda x: np.cov(x, bias=True), [LINE]),
    "corrcoef": (np.corrcoef, [MATRIX]), "corrcoef of two": (lambda x, y: np.corrcoef(x, y)[0, 1], [LINE, LINE2]),
    "cross": (np.cross, [MATRIX, OTHER]), "cross of one": (np.cross, [MATRIX, VECTOR]),
    "cross along": (lambda a, b: np.cross(a, b, axis=0), [MATRIX[:3], OTHER[:3]]),
    "linalg.cross": (np.linalg.cross, [MATRIX, OTHER]), "linalg.vecdot": (np.linalg.vecdot, [MATRIX, OTHER]),
    "vecdot": (np.vecdot, [MATRIX, OTHER]), "linalg.matmul": (lambda a, b: np.linalg.matmul(a.T, b), [MATRIX, OTHER]),
    "linalg.tensordot": (np.linalg.tensordot, [MATRIX, OTHER]), "linalg.trace": (np.linalg.trace, [CUBE]),
    "linalg.diagonal": (np.linalg.diagonal, [CUBE]), "linalg.matrix_transpose": (np.linalg.matrix_transpose, [CUBE]),
    "linalg.vector_norm": (lambda x: np.linalg.vector_norm(x, axis=1, keepdims=True), [MATRIX]),
    "vector_norm of all": (np.linalg.vector_norm, [CUBE]), "linalg.matrix_norm": (np.linalg.matrix_norm, [CUBE]),
    "norm of order 3": (lambda x: np.linalg.norm(x, 3, axis=1), [MATRIX]),
    "norm of order -inf": (lambda x: np.linalg.norm(x, -np.inf), [LINE]),
    "norm of order 0": (lambda x: np.linalg.norm(x, 0) * x, [LINE]),
    "largest column": (lambda x: np.linalg.norm(x, 1), [MATRIX]),
    "smallest row": (lambda x: np.linalg.norm(x, -np.inf, axis=(1, 2), keepdims=True), [CUBE]),
    "block": (lambda a, b: np.block([[a, b], [np.ones((2, 6))]]), [MATRIX, OTHER]),
    "block of vectors": (lambda a, b: np.block([a, b, 1.0]), [LINE, LINE2]),
    "diag": (lambda x: np.diag(x, 1) + np.diag(x, -1), [VECTOR]),
    "triu_indices_from": (lambda a: a[np.triu_indices_from(a, 1)] * a[np.tril_indices_from(a, -1)], [MATRIX[:3]]),
    "dsplit": (lambda x: np.dsplit(x, 2)[1], [CUBE]),
    "vectorize": (lambda x: np.vectorize(lambda v: v * math.exp(v) if v > 0 else v)(x), [MATRIX]),
    "math.erf": (lambda x: np.vectorize(math.erf)(x), [MATRIX]),
    "vectorize of two": (lambda x, y: np.vectorize(lambda a, b: max(a, b) * b)(x, y), [MATRIX, VECTOR]),
    "nansum": (lambda x: np.nansum(x, axis=0), [BLANK]), "nanmean": (lambda x: np.nanmean(x, axis=1), [BLANK]),
    "nanmax": (lambda x: np.nanmax(x, axis=1), [BLANK]), "nanmin": (lambda x: np.nanmin(x), [BLANK]),
    "nanvar": (lambda x: np.nanvar(x, axis=0, ddof=1), [BLANK]), "nanstd": (lambda x: np.nanstd(x), [BLANK]),
    "nanprod": (lambda x: np.nanprod(x, axis=0), [BLANK]), "nancumsum": (lambda x: np.nancumsum(x, 1), [BLANK]),
    "nancumprod": (lambda x: np.nancumprod(x, axis=0), [BLANK]), "fmod": (lambda x: np.fmod(x, 0.3), [MATRIX]),
    "copysign": (np.copysign, [LINE, LINE2]), "signbit": (lambda x: np.signbit(x) * x, [LINE]),
    "ldexp": (lambda x: np.ldexp(x, 3), [LINE]), "logaddexp2": (np.logaddexp2, [LINE, LINE2]),
}  # fmt: skip
NEWER: dict[str, tuple[Function, list[np.ndarray]]] = {
    "matvec": (lambda a, x: np.matvec(a, x), [CUBE, drawn(6, 4)]),
    "vecmat": (lambda x, a: np.vecmat(x, a), [VECTOR, CUBE]),
    "cumulative_sum": (lambda x: np.cumulative_sum(x, axis=0), [MATRIX]),
    "cumulative_prod": (lambda x: np.cumulative_prod(x, axis=1, include_initial=True), [MATRIX]),
}
CASES |= {name: case for name, case in NEWER.items() if hasattr(np, name)}


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    function, arguments = CASES[name]
    check_gradients(function, *arguments)


@pytest.mark.slow
@settings(max_examples=15)
@given(seed=seeds, m=st.integers(2, 4), n=st.integers(2, 4))
def test_any_sizes(seed: int, m: int, n: int) -> None:
    x = drawn(seed, m, n)
    functions: list[Function] = [
        np.median, np.cov, lambda x: np.cumprod(x, axis=0), np.gradient, lambda x: np.trapezoid(x, axis=0),
        lambda x: np.block([[x], [x]]), lambda x: np.quantile(x, 0.7, axis=0), lambda x: np.diff(x, append=0.0),
    ]  # fmt: skip
    for function in functions:
        check(function, x)


def test_sizes_of_one_and_none() -> None:
    check(lambda x: np.cumprod(x, axis=0), np.ones((1, 3)))
    check(lambda x: np.cumprod(x, axis=0), np.ones((0, 3)))
    check(lambda x: np.diff(x, axis=0), np.ones((1, 3)))
    check(lambda x: np.trapezoid(x, axis=0), np.ones((1, 3)))
    check(lambda x: np.median(x, axis=0), np.ones((1, 3)))
    check(lambda x: np.gradient(x), np.array([1.0, 3.0]))


def test_every_table_is_drawn_from() -> None:
    spelled = " ".join(CASES)
    tables = [calculus.RULES, statistics.RULES, matrices.RULES]
    names = {f.__name__ for table in tables for f in table} | set(matrices.PRODUCTS) | set(calculus.NEWER)
    quiet = {"nanargmax", "nanargmin", "tril_indices_from"} | {n for n in NEWER if not hasattr(np, n)}
    quiet |= {"inv", "det", "pinv", "cholesky", "slogdet", "solve", "lstsq", "matrix_power"}  # a file of their own
    assert {name for name in names if name not in spelled} <= quiet


def test_what_is_not_read_says_so_of_its_own_line() -> None:
    def function(x: np.ndarray) -> Any:
        y = np.linalg.eigvalsh(x.T @ x)
        z = np.average(x, axis=0, returned=True)[0]
        return np.sum(x * x) + 0 * y.sum() + 0 * z.sum()

    said = str(eb.read(function, MATRIX))
    assert "np.linalg.eigvalsh is not read" in said
    assert "np.average with 1 arguments, axis=…, returned=… is not read in this form" in said
    assert "not read" not in said.split("return np.sum")[1].split("note:")[0]


def unread(function: Function, *arguments: Any) -> list[str]:
    """What of a function is not read."""
    return [e.reason for e in eb.trace(function, *arguments).equations if isinstance(e, Opaque)]


def test_forms_that_are_not_read() -> None:
    assert unread(lambda x: np.quantile(x, 0.5, method="lower"), LINE)
    assert unread(lambda x: np.cov(x, aweights=[1, 2, 1]), MATRIX)
    assert unread(lambda x: np.interp(x, PLACES, LINE, period=1), LINE2)
    assert unread(lambda x, t: np.gradient(x, t, edge_order=2), LINE, PLACES)
    assert unread(lambda x: np.linalg.norm(x, "nuc"), MATRIX)
    assert unread(lambda x: np.fft.fft(x).real, LINE) == ["np.fft.fft is not read"]
    with pytest.raises(eb.errors.TraceError, match=r"np\.vectorize with a signature"):
        eb.trace(lambda x: np.vectorize(np.sum, signature="(n)->()")(x), MATRIX)


# SciPy


def scipy_cases() -> dict[str, tuple[Function, list[np.ndarray]]]:
    """Calls of functions of ``scipy.special``, where it is installed."""
    sp = pytest.importorskip("scipy.special")
    share, other = np.abs(MATRIX) / 4 + 0.1, np.abs(OTHER) / 4 + 0.1
    return {
        "erf": (lambda x: sp.erf(x), [MATRIX]),
        "expit": (lambda x: sp.expit(x), [MATRIX]), "log_expit": (lambda x: sp.log_expit(x), [MATRIX]),
        "logit": (lambda x: sp.logit(x), [share]), "xlogy": (lambda x, y: sp.xlogy(x, y), [MATRIX, share]),
        "xlog1py": (lambda x, y: sp.xlog1py(x, y), [MATRIX, share]), "entr": (lambda x: sp.entr(x), [share]),
        "rel_entr": (lambda x, y: sp.rel_entr(x, y), [share, other]),
        "kl_div": (lambda x, y: sp.kl_div(x, y), [share, other]), "cbrt": (lambda x: sp.cbrt(x), [share]),
        "exp2": (lambda x: sp.exp2(x), [MATRIX]), "expm1": (lambda x: sp.expm1(x), [MATRIX]),
        "log1p": (lambda x: sp.log1p(x), [share]), "softmax": (lambda x: sp.softmax(x, axis=1), [MATRIX]),
        "softmax of all": (lambda x: sp.softmax(x), [MATRIX]),
        "log_softmax": (lambda x: sp.log_softmax(x, axis=0), [MATRIX]),
        "logsumexp": (lambda x: sp.logsumexp(x, axis=1), [MATRIX]), "logsumexp of all": (sp.logsumexp, [MATRIX]),
        "logsumexp with weights": (lambda x, b: sp.logsumexp(x, axis=0, b=b, keepdims=True), [MATRIX, share]),
    }  # fmt: skip


def test_scipy() -> None:
    cases = scipy_cases()
    for function, arguments in cases.values():
        check_gradients(function, *arguments)
    known = set(special.UFUNCS) | {name.rpartition(".")[2] for name in special.FUNCTIONS if "special" in name}
    assert known <= set(cases)


def test_scipy_at_zeros_and_what_it_has_no_rule_for() -> None:
    sp = pytest.importorskip("scipy.special")
    check(lambda x, y: sp.xlogy(x, y), np.array([0.0, 0.0, 2.0]), np.array([0.0, 3.0, 0.5]))
    check(lambda x: sp.entr(x), np.array([0.0, 0.5]))
    assert unread(lambda x: sp.gammaln(x) * x, np.ones(2)) == ["scipy.special.gammaln is not read"]
    linalg = pytest.importorskip("scipy.linalg")
    assert unread(lambda x: linalg.expm(x) * x, np.eye(2)) == ["scipy.linalg.expm is not read"]


def halved(a: np.ndarray) -> Any:
    d = np.array(a)
    d[np.diag_indices(len(d))] *= 0.5
    return np.sum(np.sin(d)) + np.sum(a[np.diag_indices_from(a)])


def halved_back(a: np.ndarray) -> Any:
    d = np.array(a)
    d[np.diag_indices(len(d))] *= 0.5
    g = np.cos(d)
    g[np.diag_indices(len(d))] = 0.5 * np.diag(g) + 1
    return g


def test_places_on_a_diagonal_are_a_letter() -> None:
    assert "d[i,i] = ½ d[i,i]" in str(eb.read(halved, MATRIX[:3]))
    assert "  proved  " in str(eb.check(halved, halved_back, MATRIX[:3]))
