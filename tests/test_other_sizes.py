"""What is read at one size, at others: sizes as expressions, and source that is NumPy's there or says why not."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from condition_cases import Case, function
from test_conditions import BEHIND, RIGHT, SPELLED, THOROUGH, WRONG, arguments, checked, some

import einbackprop as eb
from einbackprop.capture import terms
from einbackprop.capture.tracer import record
from einbackprop.checking.elsewhere import told
from einbackprop.core.dimensions import Axis

OTHERS = ((7, 5), (9, 4), (8, 3), (12, 6))
LOSSES = sorted({case.loss for case in (*RIGHT, *SPELLED, *WRONG, *BEHIND)})
GRADIENTS = sorted({case.gradient for case in (*RIGHT, *SPELLED, *WRONG)})
UNREAD = ("np.resize", "np.insert(2 * x[1:6]")  # kept as they are in the run


def drawn(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """A vector and a matrix of other sizes."""
    rng = np.random.default_rng(n * m)
    return rng.normal(size=n), rng.normal(size=(n, m))


def slope(loss: Callable[..., Any], x: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Differences of a loss."""
    steps = 1e-5 * np.eye(len(x))
    return np.array([(loss(x + step, both) - loss(x - step, both)) / 2e-5 for step in steps])


def in_source(program: Any) -> Callable[..., Any]:
    """The function that is emitted for a program."""
    made: dict[str, Any] = {}
    exec(eb.source(program, name="emitted"), made)  # the text is ours
    found: Callable[..., Any] = made["emitted"]
    return found


def holds(emitted: Callable[..., Any], numpys: Callable[..., Any]) -> None:
    """Emitted source gives NumPy's values at the user's sizes; at others too, or it says why not."""
    for n, m in ((6, 4), *OTHERS):
        x, both = drawn(n, m)
        with np.errstate(all="ignore"):
            try:
                wanted = numpys(x.copy(), both.copy())
            except (ValueError, IndexError, AssertionError, KeyError):
                continue  # the code is not made for these sizes
            try:
                found = emitted(x, both)
            except ValueError as error:
                assert (n, m) != (6, 4)
                assert re.search(r" must be |too small: |could not broadcast", str(error)), error  # noqa: PT017
            else:
                np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", some([Case(text, text, "") for text in LOSSES], 8), ids=str)
def test_source_of_losses_and_their_gradients(loss: Case) -> None:
    code = function(loss.loss)
    holds(in_source(eb.trace(code, *arguments())), code)
    derived = eb.derive(code, *arguments())
    holds(in_source(derived), lambda x, both: slope(code, x, both))


@pytest.mark.parametrize("gradient", some([Case(text, "", text) for text in GRADIENTS], 8), ids=str)
def test_source_of_gradients_that_people_write(gradient: Case) -> None:
    if not any(text in gradient.gradient for text in UNREAD):
        code = function(gradient.gradient)
        holds(in_source(eb.trace(code, *arguments())), code)


def expressions(rng: random.Random) -> Iterator[tuple[str, terms.Terms]]:
    """A sum of two sizes and a number, as Python and as terms."""
    axes = [Axis(6, "n"), Axis(4, "m")]
    a, b, c = (rng.randint(-9, 9) for _ in range(3))
    found = {frozenset([(axes[0], Fraction(1))]): a, frozenset([(axes[1], Fraction(1))]): b, terms.NONE: c}
    yield f"({a}*n + {b}*m + {c})", {m: Fraction(x) for m, x in found.items() if x}


def test_whole_quotients_are_what_python_gives() -> None:
    rng = random.Random(3)
    for _ in range(300):
        ((text, found),) = expressions(rng)
        divisor = rng.randint(1, 7)
        whole, rest, below = terms.quotient(found, {terms.NONE: Fraction(divisor)})
        for n, m in ((6, 4), (7, 5), (1, 1), (9, 2)):
            for axis in {axis for part in (whole, rest) for axis in terms.axes_in(part)}:
                axis.size = {"n": n, "m": m}[axis.name]
            parts = [terms.value(part) for part in (whole, rest, below)]
            assert all(part is not None and part.denominator == 1 for part in parts)
            made = int(parts[0] or 0) + int(parts[1] or 0) // int(parts[2] or 0)
            assert made == eval(f"{text} // {divisor}", {"n": n, "m": m}), (text, divisor, n, m)


@pytest.mark.parametrize(("one", "other"), [
    ("(n + 2 - 3) // 2 + 1", "(n + 1) // 2"), ("n // 2", "(2 * n + 1) // 4"), ("n >> 1", "int(n / 2)"),
    ("-(-n // 4)", "(n + 3) // 4"), ("math.ceil(n / 4)", "(n + 3) // 4"), ("int(np.ceil(n / 4))", "(n + 3) // 4"),
    ("divmod(n, 4)[1]", "n - 4 * (n // 4)"), ("n & 3", "n % 4"), ("n % 2 + n", "2 * n - n // 2 * 2"),
    ("~-n", "n - 1"), ("3 * n // 2", "n + n // 2"), ("n * m // m", "n"), ("pow(n, 2)", "n * n"),
    ("abs(-n - m)", "n + m"), ("np.arange(n)[-1]", "n - 1"), ("X.strides[0] // X.itemsize", "m"),
    ("X.reshape(-1, m).shape[0]", "len(X)"),
    ("np.tile(x, 2).shape[0]", "2 * n"), ("x[1::2].size", "n // 2"), ("np.pad(x, 2).size", "n + 4"),
])  # fmt: skip
def test_two_spellings_are_one_size(one: str, other: str) -> None:
    """They have one letter in factors: a gradient in one spelling is proved for a loss in the other."""
    sizes = "n, m = len(x), X.shape[1]\n"
    loss, gradient = f"{sizes}return (x ** 2).sum() * (1 + ({one}))", f"{sizes}return 2 * x * (1 + ({other}))"
    report = checked(Case("", loss, gradient))
    assert report.gradients[0].grade == "proved", str(report)


@pytest.mark.parametrize(("line", "said"), [
    ("k = round(n / 4)", "round(n / 4) is 2 in line 4"),
    ("k = n ** m", "n**m is 1296 in line 4"),
    ("k = math.gcd(n, m)", "gcd(n, m) is 2 in line 4"),
    ("k = int(n ** 0.5)", "int(sqrt(n)) is 2 in line 4"),
    ("k = operator.index(n // 2 + 1)", "n // 2 + 1 is 4 in line 3"),
    ("k = len(np.hanning(len(X.T)))", "m is 4 in line 3"),
    ("k = (n | 1) + 1", "n | 1 is 7 in line 4"),
])
def test_a_number_that_lost_its_sizes_is_told_in_the_users_words(line: str, said: str) -> None:
    report = checked(Case("", f"n, m = X.shape\n{line}\nreturn (x ** 2).sum() / k", f"n, m = X.shape\n{line}\n"
                          "return 2 * x / k"))  # fmt: skip
    told = f"Nothing is proved for other sizes, since numbers stand for sizes here: {said}."
    assert told in report.assumptions, report.assumptions


@pytest.mark.parametrize(("gradient", "said"), [
    ("d = np.zeros(6)\nd += 2 * x\nreturn d", "len(x) is 6 in line 3"),
    ("return X.sum(1, keepdims=True).reshape(6) * 0 + 2 * x", "X.shape[0] is 6 in line 2"),
    ("return 2 * x + X @ np.zeros(4)", "X.shape[1] is 4 in line 2"),
    ("n, m = X.shape\nreturn 2 * x + 0 * np.zeros(2 * m - 2)", "len(x) is 2*m - 2 in line 3"),
    ("return (2 * x).reshape(-1, 2).reshape(-1)", "len(x) is a multiple of 2 in line 2"),
    ("print(len(x), f'{len(x)}')\nreturn {'g6': 2}[f'g{len(x)}'] * x", "len(x) is 6 in line 3"),
    ("return 2 * x if len(x) not in {7, 8} else x", "len(x) is 6 in line 2"),
])  # fmt: skip
def test_a_number_in_the_code_that_meets_a_size_is_a_condition(gradient: str, said: str) -> None:
    report = checked(Case("", "return (x ** 2).sum()", gradient))
    assert report.gradients[0].grade == "proved", str(report)
    rests = next(text for text in report.assumptions if text.startswith("Proofs rest on: "))
    assert said in rests.removesuffix(".").split("; "), rests


def test_what_is_only_printed_is_no_condition() -> None:
    code = "n = len(x)\nprint(f'{n} {x.sum():.2f}', n, x[0], str(n))\nreturn (x ** 2).sum()"
    assert record(function(code), arguments()).conditions == ()


@pytest.mark.parametrize("case", WRONG if THOROUGH else [], ids=str)
def test_wrong_gradients_are_right_at_six_and_wrong_elsewhere(case: Case) -> None:
    loss, gradient = function(case.loss), function(case.gradient)

    def right(n: int, m: int) -> bool:
        x, both = drawn(n, m)
        try:
            return bool(np.allclose(gradient(x, both), slope(loss, x, both), rtol=1e-4, atol=1e-5))
        except (ValueError, IndexError):
            return False

    with np.errstate(all="ignore"):
        assert right(6, 4)
        assert not all(right(n, m) for n, m in ((8, 4), (10, 8), (18, 3), *OTHERS))


GATES = "H = X.shape[0]\nz = x @ X\nreturn (np.tanh(z[:H]) * z[H:2 * H]).sum() + z[3 * H:].sum() / (2 * H)"
HEADS = "T, D = x.shape\nh = x.reshape(T, 2, D // 2).transpose(1, 0, 2)\ns = h @ h.transpose(0, 2, 1)\n" \
        "return (s ** 2).sum() / np.sqrt(D // 2) + 0 * X.sum()"
PACKED = "n = len(X)\nW, b = x[:n * 2].reshape(n, 2), x[n * 2:]\nreturn ((X @ W + b) ** 2).sum()"
POOLING = "H, W = x.shape\ny = x.reshape(H // 2, 2, W // 2, 2).mean((1, 3))\nreturn (y ** 2).sum() + 0 * X.sum()"
SHIFTS = "R = len(X)\no = len(x) - R + 1\nout = np.zeros(o)\nfor r in range(R):\n    out += X[r] * x[r:r + o]\n" \
         "return (out ** 2).mean()"
STRIDED = "p, s, R = 1, 2, len(X)\ny = np.pad(x, p)\no = (len(x) + 2 * p - R) // s + 1\n" \
          "w = np.lib.stride_tricks.sliding_window_view(y, R)[::s]\nreturn ((w @ X) ** 2).sum() / o"
HALVES = "n = len(x)\na, b = x[:n // 2], x[n // 2:]\nreturn (a ** 2).mean() + (b ** 3).mean() + 0 * X.sum()"
COVARIANCE = "n, d = x.shape\nc = x - x.mean(0)\nS = c.T @ c / (n - 1)\n" \
             "return (S ** 2).sum() / (d * (d + 1) / 2) + X.sum()"
NEXT = "T, V = x.shape\np = x[:-1] * x[1:]\nreturn p.sum() / (T - 1) + x[T - 1].sum() / V + 0 * X.sum()"
SECOND = "h = 1 / (len(x) - 1)\nu = (x[2:] - 2 * x[1:-1] + x[:-2]) / h ** 2\nreturn (u ** 2).sum() * h + 0 * X.sum()"


@pytest.mark.parametrize(("body", "shapes", "runs"), [
    (GATES, [((4 * h, h), (h,)) for h in (3, 4, 5, 2)], 4),
    (HEADS, [((t, d), (2,)) for t, d in ((3, 4), (4, 6), (2, 8))], 3),
    (PACKED, [((2 * n + 2,), (n,)) for n in (3, 4, 2)], 3),
    (POOLING, [((h, w), (2,)) for h, w in ((4, 6), (6, 6), (2, 4))], 3),
    (SHIFTS, [((n,), (r,)) for n, r in ((7, 3), (9, 3), (9, 5))], 2),
    (STRIDED, [((n,), (3,)) for n in (7, 9, 8)], 1),
    (HALVES, [((n,), (2,)) for n in (6, 7, 9, 4)], 4),
    (COVARIANCE, [((n, d), (2,)) for n, d in ((6, 3), (7, 4), (5, 2))], 3),
    (NEXT, [((t, v), (2,)) for t, v in ((6, 3), (7, 4), (4, 5))], 3),
    (SECOND, [((n,), (2,)) for n in (6, 7, 9, 3)], 4),
])  # fmt: skip
def test_source_of_what_people_compute_of_sizes(body: str, shapes: list[Any], runs: int) -> None:
    """It runs at so many of the sizes, the first of which were those that were read, and is right there."""
    rng = np.random.default_rng(2)
    code, given = function(body), [tuple(rng.normal(size=shape) for shape in pair) for pair in shapes]
    emitted, ran = in_source(eb.derive(code, *given[0])), 0
    for x, both in given:
        wanted = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[place] = 1e-5
            wanted[place] = (code(x + step, both) - code(x - step, both)) / 2e-5
        try:
            np.testing.assert_allclose(emitted(x, both), wanted, rtol=1e-4, atol=1e-5)
            ran += 1
        except ValueError as error:
            assert " must be " in str(error), error  # noqa: PT017
    assert ran >= runs


def test_source_says_where_sizes_do_not_fit() -> None:
    code = function("n = len(x)\nreturn (x[n - 4:] ** 2).sum() / (n // 3)")
    emitted = in_source(eb.trace(code, *arguments()))
    for n in (4, 5, 9):
        x, both = drawn(n, 2)
        np.testing.assert_allclose(emitted(x, both), code(x, both))
    with pytest.raises(ValueError, match=r"these sizes are too small: n - 4 is 2 in line 3"):
        emitted(*drawn(3, 2))
    with pytest.raises(ValueError, match="these sizes are too small"):
        in_source(eb.trace(function("return x.sum() / (len(x) // 3)"), *arguments()))(*drawn(2, 2))


@pytest.mark.long
@pytest.mark.parametrize("kind", [int, bool, float])
@pytest.mark.parametrize("is_columns", [True, False])
def test_one_hot_data_of_any_kind_stay_one_hot_at_other_sizes(kind: type, is_columns: bool) -> None:
    """The gradient of a cross-entropy relies on that."""
    rng = np.random.default_rng(2)
    X, W = rng.normal(size=(4, 2)), rng.normal(size=(2, 3))
    T = np.eye(3, dtype=kind)[[2, 1, 2, 2]]

    def probabilities(W: Any, X: Any) -> Any:
        e = np.exp(X @ W)
        return e / e.sum(axis=1, keepdims=True)

    def rows(T: Any) -> Any:
        return T.T if is_columns else T

    report = eb.check(lambda W, X, T: -np.sum(rows(T) * np.log(probabilities(W, X))),
                      lambda W, X, T: X.T @ (probabilities(W, X) - rows(T)), W, X, T.T if is_columns else T)
    assert report.ok, report
    half = eb.check(lambda W, X, T: -np.sum(rows(T) * np.log(probabilities(W, X))),
                    lambda W, X, T: X.T @ (2 * probabilities(W, X) - rows(T)), W, X, T.T if is_columns else T)
    assert not half.ok


def test_the_sizes_of_many_letters_are_cut_short() -> None:
    assert told({"i": 3, "j": 3, "b": 4}) == "i=j=3, b=4"
    assert told({f"a{n}": 1 for n in range(40)}).endswith("=a11=1 and 28 more")


def test_other_sizes_are_said_as_the_shapes_of_the_users_arrays() -> None:
    report = eb.check(lambda x, W, b: np.sum((x @ W + b) ** 2),
                      lambda x, W, b: {"W": 2 * x.T @ (x @ W + b), "b": 2 * np.sum(x @ W + b, 0)},
                      np.ones((5, 3)), np.ones((3, 3)), np.ones(3), wrt=["W", "b"])  # fmt: skip
    (said,) = (text for text in report.assumptions if "Checked at others as well: " in text)
    found = re.search(r"well: W \((\d+),(\d+)\), x \((\d+),(\d+)\)\.", said)  # `b` shows no size more
    assert found is not None, said
    inputs, units, samples, of_samples = found.groups()
    assert inputs == of_samples
    assert len({inputs, units, samples}) == 3
