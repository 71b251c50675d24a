"""`check`: correct code is never accused, wrong code is, and every message says what it should."""

import io
import json
import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from controls import CONTROLS, LABELS, ONE_HOT, TARGETS, ZEROS, Control, W, X, squares, squares_gradient
from mutant_outcomes import module_of
from sampling import THOROUGH, some

from einbackprop.checking import deciding, solving
from einbackprop.checking.reports import Report
from einbackprop.checking.solving import check
from einbackprop.checking.texts import ranges
from einbackprop.checking.verdicts import Finding, Gradient, Line
from einbackprop.core import nesting
from einbackprop.errors import EinbackpropError, GradientError, ScriptError
from einbackprop.notation.display import ESCAPE, WIDTH, painted
from einbackprop.shell.command import main

ABOVE_SIX = "every entry, in arrays of more than 6 along 3 directions"
SHARP = [name for name, control in CONTROLS.items() if control.sharp]


def judged(control: Control, gradients: Any = None) -> Report:
    return check(control.loss, gradients or control.gradients, *control.arguments, wrt=control.wrt)


def slightly_off(result: Any) -> Any:
    """The largest entry of the last array, off by a millionth."""
    path, leaf = [(path, leaf) for path, leaf in nesting.leaves(result) if leaf is not None][-1]
    values = np.array(leaf, dtype=np.float64)
    index = np.unravel_index(np.argmax(np.abs(values)), values.shape)
    values[index] *= 1 + 1e-6
    return nesting.replaced(result, path, values)


@pytest.mark.long
@pytest.mark.parametrize("name", CONTROLS)
def test_correct_code_is_right(name: str) -> None:
    report = judged(CONTROLS[name])
    assert report, str(report)
    assert report.exit_code == 0
    assert all(item.grade in ("close", "proved") for item in report.gradients)


@pytest.mark.long
@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize("name", SHARP if THOROUGH else SHARP[::2])
def test_a_relative_error_of_a_millionth_is_wrong(name: str) -> None:
    control = CONTROLS[name]
    if name in ("None where the loss does not look", "loss and gradient"):
        report = judged(control, lambda *inputs: slightly_off(squares_gradient(inputs[0], inputs[-1])))
    else:
        report = judged(control, lambda *inputs: slightly_off(control.gradients(*inputs)))
    assert report.exit_code == 1, str(report)
    assert [item.verdict for item in report.gradients].count("wrong") == 1


@pytest.mark.long
@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize("name", [name for name, control in CONTROLS.items() if not control.sharp])
def test_where_rounding_is_coarse_a_half_is_still_wrong(name: str) -> None:
    control = CONTROLS[name]

    def off(*inputs: Any) -> Any:
        result = control.gradients(*inputs)
        path, leaf = list(nesting.leaves(result))[-1]
        return nesting.replaced(result, path, leaf + np.float16(0.5) * (1 + np.abs(leaf)))

    assert judged(control, off).exit_code == 1


@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize("kind", ["transpose", "row", "column", "entry"])
def test_no_error_pattern_hides_in_a_large_array(kind: str) -> None:
    control = CONTROLS["a large matrix"]
    square = (0.01 * np.random.default_rng(0).normal(size=(60, 60)), control.arguments[1])

    def off(W: Any, X: Any) -> Any:
        d = control.gradients(W, X)
        if kind == "transpose":
            return d.T
        d[{"row": (7,), "column": (slice(None), 9), "entry": (7, 9)}[kind]] *= 1.001
        return d

    report = check(control.loss, off, *square)
    item = report.gradients[0]
    assert item.verdict == "wrong"
    assert item.index is not None
    assert {"row": item.index[0] == 7, "column": item.index[1] == 9, "entry": item.index == (7, 9),
            "transpose": True}[kind]
    assert any(ABOVE_SIX in text for text in report.assumptions)


@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize("place", range(19))
def test_a_small_entry_is_not_lost_beside_large_ones(place: int) -> None:
    scales = 10.0 ** np.arange(-12, 7)

    def loss(w: Any, x: Any) -> Any:
        return np.sum(scales * np.sin(w) * x)

    def gradient(w: Any, x: Any) -> Any:
        d = scales * np.cos(w) * x
        d[place] *= 1 + 1e-9
        return d

    w, x = np.random.default_rng(place).normal(size=(2, 19))
    (item,) = check(loss, gradient, w, x).gradients
    assert item.verdict in ("wrong", "undecided")  # differences of so large a loss may tell nothing of it
    assert item.index == (place,)


@pytest.mark.parametrize("factor", [1, 1.5])
def test_labels_in_a_column_of_a_table_stay_labels(factor: float) -> None:
    """No rounding makes another class of what ``int`` truncates, and no draw: it would excuse whatever is wrong."""
    def scores(W: Any, row: Any) -> Any:
        e = np.exp(W @ row[:-1])
        return e / e.sum()

    def loss(W: Any, rows: Any) -> Any:
        return -sum(np.log(scores(W, row)[int(row[-1])]) for row in rows)

    def gradient(W: Any, rows: Any) -> Any:
        return factor * sum(np.outer(scores(W, row) - np.eye(3)[int(row[-1])], row[:-1]) for row in rows)

    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=(5, 4)), [2, 0, 1, 1, 2]])
    report = check(loss, gradient, rng.normal(size=(3, 4)), rows)
    assert [item.verdict for item in report.gradients] == ["right" if factor == 1 else "wrong"]
    assert any("rows (of both signs, but for columns of whole numbers)" in said for said in report.assumptions)


@pytest.mark.long
@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize("off", [0, 1e-4])
def test_a_loss_of_many_lines_runs_along_few_directions(off: float) -> None:
    def loss(W: Any) -> Any:
        total = 0.0
        for _ in range(8):
            for row in W:
                total += float((row**3).sum())  # no complex number: differences tell
        return total

    def gradients(W: Any) -> Any:
        d = 24 * W**2
        d[7, 9] *= 1 + off
        return d

    W = np.random.default_rng(0).normal(size=(12, 12))
    report = check(loss, gradients, W)
    (item,) = report.gradients
    assert item.verdict == ("wrong" if off else "right")
    assert item.index == (7, 9) or not off
    assert any("every entry; of arrays above 31 entries 6 of them and 3 random directions" in said
               for said in report.assumptions), report


def test_slow_code_keeps_what_it_showed_of_narrow_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[deciding.Decision] = []
    decide = deciding.decide
    monkeypatch.setattr(deciding, "SLOW", 0)
    monkeypatch.setattr(solving, "decide", lambda *asked: found.append(decide(*asked)) or found[-1])
    assert check(squares, squares_gradient, W, X)
    assert found[0].entries == 1
    assert found[0].trial.user.narrow == found[0].trial.user.narrow_loss == ()


def test_arguments_are_not_changed() -> None:
    control = CONTROLS["inputs changed in place"]
    before = [argument.copy() for argument in control.arguments]
    report = judged(control)
    assert all(np.array_equal(a, b) for a, b in zip(before, control.arguments, strict=True))
    assert report.findings[0].message == (
        "the gradients function changes W in place: whoever calls it finds other values there afterwards")


def test_only_a_change_in_place_is_told() -> None:
    assert check(squares, squares_gradient, W, X).findings == ()


def test_random_numbers_inside_are_told_and_accuse_only_where_both_draw_the_same() -> None:
    def loss(W: Any, X: Any) -> Any:
        return ((np.random.rand(6, 4) < 0.5) * (X @ W)).sum()

    def gradient(W: Any, X: Any) -> Any:
        return X.T @ (np.random.rand(6, 4) < 0.5).astype(float)

    def later(W: Any, X: Any) -> Any:
        np.random.rand()
        return gradient(W, X)

    def unseeded(W: Any, X: Any) -> Any:
        return X.T @ (np.random.default_rng().random((6, 4)) < 0.5).astype(float)

    told = ("the loss and the gradients answered differently when asked twice with the same values: random "
            "numbers inside? Each run of the check begins with the same random state")
    report = check(loss, gradient, W, X)
    assert report.ok
    assert report.findings[0].message == f"{told}, and both draw the same numbers"
    assert check(loss, lambda W, X: 2 * gradient(W, X), W, X).exit_code == 1
    for other in (later, unseeded):
        doubtful = check(loss, other, W, X)
        assert doubtful.exit_code == 3
        assert doubtful.findings[0].message == told
        assert doubtful.gradients[0].note == (
            "it differs from the reference, but the functions draw random numbers and may have drawn "
            "different ones: pass the random numbers in as data")


@pytest.mark.parametrize("seed", range(3))
def test_what_answers_by_chance_is_never_right(seed: int) -> None:
    """How far such answers lie apart is not their rounding: measured as that, it would let anything pass."""
    drawn = np.random.default_rng(seed).spawn  # other numbers at each call, whatever NumPy's own random state

    def mask() -> Any:
        return drawn(1)[0].random((6, 4)) < 0.5

    def loss(W: Any, X: Any) -> Any:
        return (mask() * (X @ W)).sum()

    def gradient(W: Any, X: Any) -> Any:
        return X.T @ mask().astype(float)

    def seeded(W: Any, X: Any) -> Any:
        return ((np.random.rand(6, 4) < 0.5) * (X @ W)).sum()

    for one, two in ((loss, gradient), (loss, lambda W, X: X.T @ (np.random.rand(6, 4) < 0.5)), (seeded, gradient)):
        report = check(one, two, W, X)
        assert report.exit_code == 3, report
        assert report.gradients[0].note.startswith(
            "the loss is another one each time that it is computed from the same values" if one is loss
            else "it differs from the reference, but the functions draw random numbers")


@pytest.mark.slow
def test_the_rounding_of_single_numbers_is_measured() -> None:
    """A difference of a weight over a small rate has few digits."""
    def step(w: Any, x: Any) -> Any:
        return w - 1e-5 * 2 * (w * x - 1.0) * x

    def loss(w: Any, x: Any) -> Any:
        return (w * x - 1.0) ** 2

    report = check(loss, lambda w, x: (w - step(w, x)) / 1e-5, 1.3, 0.7, wrt=[0])
    assert report.ok, report
    assert not check(loss, lambda w, x: (w - step(w, x)) / 1.0001e-5, 1.3, 0.7, wrt=[0]).ok


def test_global_random_numbers_are_left_alone() -> None:
    np.random.seed(5)
    expected = np.random.rand(3)
    np.random.seed(5)
    check(lambda W: (W * np.random.rand(3, 4)).sum(), lambda W: np.random.rand(3, 4), W)
    assert np.array_equal(np.random.rand(3), expected)


def test_a_generator_among_the_arguments_draws_the_same_numbers_each_time() -> None:
    def loss(W: Any, X: Any, rng: Any) -> Any:
        return ((rng.random((6, 4)) < 0.5) * (X @ W)).sum()

    report = check(loss, lambda W, X, rng: X.T @ (rng.random((6, 4)) < 0.5), W, X, np.random.default_rng(1))
    assert report.ok
    assert report.findings == ()


KINKED = np.array([0.0, 0.002, -0.003])


def kinked(w: Any) -> Any:
    """Finite only near the user's own values, of which one sits at the kink."""
    return np.abs(w).sum() - np.log(2e-6 - ((w - KINKED) ** 2).sum())


def kinked_gradient(w: Any) -> Any:
    return np.sign(w) + 2 * (w - KINKED) / (2e-6 - ((w - KINKED) ** 2).sum())


def test_a_kink_is_called_a_kink() -> None:
    report = check(kinked, lambda w: kinked_gradient(w) + 0.5 * (w == 0), KINKED)
    assert report.exit_code == 3
    assert report.gradients[0].verdict == "kink"
    assert report.gradients[0].index == (0,)
    assert report.gradients[0].note == (
        "a kink: the loss has another slope on each side of these values (as relu at 0, a tie in max), "
        "so any value between the two is as good")
    assert str(report).startswith("kink: w (of 1 gradient)\n")
    assert "drawn afresh 3 times, near your own values" in str(report)


def test_a_mistake_beside_a_kink_is_a_mistake() -> None:
    report = check(kinked, lambda w: kinked_gradient(w) * (1 + (w < 0)), KINKED)
    assert report.gradients[0].verdict == "wrong"
    assert report.gradients[0].index == (2,)


def test_no_finite_loss_is_undecided() -> None:
    report = check(lambda w: np.nan * w.sum(), lambda w: w, np.ones(2))
    assert report.exit_code == 3
    assert report.gradients[0].note == "no values were found at which the loss is a finite number"


def test_an_epsilon_in_one_of_the_two_is_named() -> None:
    def loss(w: Any, t: Any) -> Any:
        p = np.exp(np.linalg.tensorsolve(np.eye(3), w))  # it is not read, so the lines are not judged
        return (t * np.sqrt(p + 1e-8)).sum()

    report = check(loss, lambda w, t: t * np.sqrt(np.exp(w)) / 2, np.zeros(3), np.array([0.3, 0.2, 0.7]))
    assert report.gradients[0].verdict == "wrong"
    note = report.gradients[0].note
    assert note.startswith("it is off by only ")
    assert note.endswith("e-09 of the largest entry: does a small constant, as in log(p + 1e-8), stand in "
                         "one of the two functions and not in the other?")


def test_a_gradient_that_relies_on_the_data_is_doubted_not_accused() -> None:
    data = np.array([[0.6, -0.8], [-0.28, 0.96]])  # rows of length one, which no draw keeps

    def gradient(w: Any, x: Any) -> Any:
        return 2 * w

    report = check(lambda w, x: (w**2 * (x**2).sum(axis=1)).sum(), gradient, np.zeros(2), data)
    assert report.exit_code == 3
    assert report.gradients[0].note == (
        "right with your data, not with redrawn data: either your data hide a mistake, or the gradient "
        "relies on something about them")


def test_how_parameters_were_drawn_is_said() -> None:
    for name, words in (("a matrix that must be positive", "between 0 and 1"),
                                ("a scale that must be positive", "positive"),
                        ("norm", "of both signs")):
        assert f"drawn afresh 3 times, {words}; sizes are yours." in judged(CONTROLS[name]).assumptions[0]


def test_constant_data_are_mentioned() -> None:
    report = check(squares, squares_gradient, W, np.ones((6, 3)))
    assert [item.message for item in report.findings] == [
        "X holds 1 everywhere, and is kept so: such data can hide a mistake"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda d: d.T, "its gradient has shape (4, 3), but W has shape (3, 4): is it transposed?"),
        (lambda d: d[:1], "its gradient has shape (1, 4), but W has shape (3, 4): NumPy would broadcast the two "
                          "without a word, but the gradient has the shape of what it is the gradient of"),
        (lambda d: d.sum(), "its gradient has shape (), but W has shape (3, 4): NumPy would broadcast the two "
                            "without a word, but the gradient has the shape of what it is the gradient of"),
        (lambda d: d[None] * np.ones((6, 1, 1)),
         "its gradient has shape (6, 3, 4), but W has shape (3, 4): is a sum over an axis missing?"),
        (lambda d: d[:, :2], "its gradient has shape (3, 2), but W has shape (3, 4)"),
    ],
)
def test_a_wrong_shape_is_wrong_and_said(change: Any, note: str) -> None:
    report = check(squares, lambda W, X: change(squares_gradient(W, X)), W, X)
    assert (report.gradients[0].verdict, report.gradients[0].note) == ("wrong", note)
    assert report.exit_code == 1


def test_a_shape_that_broadcasts_to_the_right_one_is_wrong_for_a_vector() -> None:
    report = check(lambda b: (b**2).sum(), lambda b: 2 * b[None], ZEROS)
    assert report.exit_code == 1
    assert report.gradients[0].note.startswith(
        "its gradient has shape (1, 4), but b has shape (4,): NumPy would broadcast")


def test_a_complex_gradient_is_undecided() -> None:
    report = check(squares, lambda W, X: squares_gradient(W, X) + 0j, W, X)
    assert report.gradients[0].note == "its gradient is complex (complex128), not real"
    assert report.exit_code == 3


def two_loss(p: Any, X: Any) -> Any:
    return np.tanh(X @ p["W"] + p["b"]).sum()


def two_gradients(p: Any, X: Any) -> Any:
    d = 1 - np.tanh(X @ p["W"] + p["b"]) ** 2
    return X.T @ d, d.sum(axis=0)


PAIR = {"W": W, "b": ZEROS}


@pytest.mark.parametrize("keys", [("W", "b"), ("dW", "db"), ("grad_W", "grad_b"), ("dL_dW", "dL_db"),
                                  ("W_grad", "b_grad"), ("dLdW", "dLdb"), ("∂L_∂W", "∂L_∂b"), ("gW", "gb")])
def test_keys_are_matched_however_decorated(keys: tuple[str, str]) -> None:
    def gradients(p: Any, X: Any) -> Any:
        dW, db = two_gradients(p, X)
        return {keys[1]: db, keys[0]: dW}

    report = check(two_loss, gradients, PAIR, X)
    assert [(item.name, item.verdict) for item in report.gradients] == [("W", "right"), ("b", "right")]


def test_a_missing_key_is_wrong_and_an_extra_one_is_told() -> None:
    report = check(two_loss, lambda p, X: {"dW": two_gradients(p, X)[0], "dX": X, "h[-1]": [X]}, PAIR, X)
    assert [(item.name, item.verdict) for item in report.gradients] == [("W", "right"), ("b", "wrong")]
    assert report.gradients[1].note == "no gradient was returned for it"
    assert "also returned, but not asked for: dX, h[-1][0]" in [item.message for item in report.findings]


def test_a_missing_key_is_wrong_even_where_zeros_make_the_loss_blind_to_it() -> None:
    zeros = {"V": np.zeros((2, 3)), "U": np.zeros((3, 2))}
    report = check(lambda p: ((p["V"] @ p["U"]) ** 2).sum(),
                   lambda p: {"V": 2 * p["V"] @ p["U"] @ p["U"].T}, zeros)
    assert [(item.name, item.verdict) for item in report.gradients] == [("V", "right"), ("U", "wrong")]


def test_too_few_without_names_are_undecided() -> None:
    report = check(lambda a, b, c: (a * b * c).sum(), lambda a, b, c: [b * c + 0, a * c + 0],
                   np.ones(2), np.ones(2), np.ones(2), wrt=(0, 1, 2))
    assert report.exit_code == 3
    assert report.findings[0].message == (
        "2 gradients were returned for 3 arrays (a, b, c), and nothing says which is missing: "
        "return them in that order, or in a dict by name")


def test_too_many_without_names_are_undecided() -> None:
    report = check(lambda a, b: (a * b).sum(), lambda a, b: [b + 0, a + 0], np.ones(2), np.ones(2), wrt="a")
    assert report.exit_code == 3
    assert report.findings[0].message == (
        "2 gradients were returned for 1 array (a), and nothing says which are theirs: "
        "return only these in that order, or in a dict by name")


def test_another_order_in_the_return_statement_is_told() -> None:
    def gradients(a: Any, b: Any) -> Any:
        da, db = b + 0, a + 0
        return db, da

    report = check(lambda a, b: (a * b).sum(), gradients, np.ones(2), np.ones(2), wrt=(0, 1))
    assert report.exit_code == 1
    assert "the gradients are returned in the order db, da, but they are matched by position with a, b" in [
        item.message for item in report.findings]  # fmt: skip


def test_several_arguments_may_come_back_in_a_dict() -> None:
    report = check(lambda a, b: (a * b).sum(), lambda a, b: {"db": a, "da": b}, np.ones(2), np.ones(2), wrt=(0, 1))
    assert report.ok


def test_a_negative_position_counts_from_the_end() -> None:
    assert check(lambda X, W: squares(W, X), lambda X, W: squares_gradient(W, X), X, W, wrt=-1).ok


def unpacking_loss(parameters: Any, X: Any) -> Any:
    return inner_loss(X, values=parameters)


def inner_loss(X: Any, values: Any) -> Any:
    V, c = values
    return np.tanh(X @ V + c).sum()


def list_gradients(parameters: Any, X: Any) -> Any:
    return list(two_gradients(dict(zip("Wb", parameters, strict=True)), X))


def test_names_are_those_that_the_users_code_unpacks() -> None:
    report = check(unpacking_loss, list_gradients, [W, ZEROS], X)
    assert [item.name for item in report.gradients] == ["V", "c"]
    by_lambda = check(lambda q, X: unpacking_loss(q, X), list_gradients, [W, ZEROS], X)
    assert [item.name for item in by_lambda.gradients] == ["V", "c"]


def test_names_fall_back_on_positions() -> None:
    report = check(lambda q, X: two_loss({"W": q[0], "b": q[1]}, X), list_gradients, [W, ZEROS], X)
    assert [item.name for item in report.gradients] == ["q[0]", "q[1]"]


def test_messages_of_functions_that_raise() -> None:
    def loss(W: Any, X: Any) -> Any:
        raise ValueError("no\n such luck")

    with pytest.raises(ScriptError) as caught:
        check(loss, squares_gradient, W, X)
    line = loss.__code__.co_firstlineno + 1
    assert str(caught.value) == f"the loss: {Path(__file__).name}, line {line}, in loss: ValueError: no such luck"
    with pytest.raises(ScriptError, match=r"^the loss must be one number, but it is an array of shape \(6, 4\)"):
        check(lambda W, X: X @ W, squares_gradient, W, X)
    with pytest.raises(ScriptError, match=r"^wrt is 2, but there are 2 arguments$"):
        check(squares, squares_gradient, W, X, wrt=2)
    with pytest.raises(ScriptError, match=r"^y holds no arrays to differentiate: it is str$"):
        check(lambda y: 1.0, lambda y: 1.0, "label")
    with pytest.raises(ScriptError, match=r"^W has dtype complex128: only real numbers can be checked$"):
        check(squares, squares_gradient, W + 0j, X)
    assert issubclass(ScriptError, EinbackpropError)


@pytest.mark.slow
def test_what_the_verdict_rests_on_is_printed() -> None:
    control = CONTROLS["p - Y, one-hot"]
    text = str(check(control.loss, control.gradients, W, X, ONE_HOT))
    told = " ".join(text.split())
    assert "W: drawn afresh 3 times, of both signs; sizes are yours." in text
    assert "Data: yours, and in one draw redrawn: X (between 0 and 1)." in text
    assert "Kept as they are: Y." in text
    assert f"Reference: complex step of the loss, itself checked by differences; {ABOVE_SIX}" in told
    labelled = CONTROLS["softmax with labels"]
    assert "Kept" not in str(check(labelled.loss, labelled.gradients, W, ZEROS, X, LABELS, wrt=(0, 1)))
    looped = CONTROLS["recurrent, buffers of zeros"]
    told = " ".join(str(judged(looped)).split())
    assert f"Reference: complex step of the loss, itself checked by differences; {ABOVE_SIX}" in told
    text = str(check(lambda W, X, Y: float(control.loss(W, X, Y)), control.gradients, W, X, ONE_HOT))
    assert "Reference: differences of the loss; every entry." in text


def test_a_report_is_text_and_json_and_raises() -> None:
    report = check(two_loss, lambda p, X: (two_gradients(p, X)[0], 2 * two_gradients(p, X)[1]), PAIR, X)
    lines = str(report).splitlines()
    assert lines[0] == "wrong: b (of 2 gradients)"
    assert lines[1].startswith("  W  (3,4)  proved  off by ")
    assert re.match(r"  b  \(4,\)   wrong   off by \d\.\de\+15 roundings at \[\d\]: yours ", lines[2])
    assert max(map(len, lines)) <= WIDTH
    data = json.loads(report.to_json())
    assert data["ok"] is False
    assert [finding["line"] for finding in data["findings"]] == [line["line"] for line in data["lines"]
                                                                 if line["verdict"] == "wrong"]
    assert [(item["name"], item["verdict"], item["grade"]) for item in data["gradients"]] == [
        ("W", "right", "proved"), ("b", "wrong", "close")]
    assert data["gradients"][1]["max_error"] == pytest.approx(1.0)
    assert data["gradients"][1]["yours"] == pytest.approx(2 * data["gradients"][1]["expected"])
    with pytest.raises(GradientError) as caught:
        report.raise_if_wrong()
    assert str(caught.value) == str(report)
    assert isinstance(caught.value, AssertionError)
    right = check(squares, squares_gradient, W, X)
    right.raise_if_wrong()
    assert str(right).startswith("right: 1 gradient\n")
    assert bool(right)
    assert not bool(report)


def test_a_report_holds_lines_and_findings_as_the_design_says() -> None:
    line = Line("f.py", 54, "d = W.T @ e", "d[j,b] = Σ_k W[k,j] e[k,b]", "kj,kb->jb", "∂L/∂h", "wrong")
    report = Report((Gradient("W", "wrong", "proved", float("inf")),), (line,),
                    (Finding("transposed", "f.py", 54, "W.T", "W"),))
    data = json.loads(report.to_json())
    assert data["lines"][0]["is"] == "∂L/∂h"
    assert data["lines"][0]["line"] == 54
    assert data["findings"][0] == {"message": "transposed", "file": "f.py", "line": 54, "yours": "W.T", "expected": "W"}
    assert data["gradients"][0]["max_error"] is None
    assert "! f.py, line 54: d = W.T @ e\n    transposed\n    yours     W.T\n    expected  W" in str(report)


FOLLOWED = Report(
    (Gradient("W", "wrong"),),
    (*(Line("f.py", n, "", "", "", "", "follows") for n in (56, 58, 62, 60, 61)),
     Line("f.py", 9, "", "", "", "", "right")),
    (Finding("transposed", "f.py", 54, "d[j,b] = Σ_k W[j,k] e[k,b]\neinsum", None, "d = W.T @ e"),),
)


def test_lines_that_follow_are_summed_up() -> None:
    assert "\n  Lines 56, 58 and 60 to 62 are wrong only because of that." in str(FOLLOWED)
    assert [ranges(numbers) for numbers in ([3], [3, 4], [3, 4, 5], [1, 2, 3, 5, 6, 8, 9, 10])] == [
        "3", "3 and 4", "3 to 5", "1 to 3, 5, 6 and 8 to 10"]
    one = Report(FOLLOWED.gradients, FOLLOWED.lines[:1], FOLLOWED.findings * 2)
    assert "\n  Line 56 is wrong only because of these." in str(one)
    assert "wrong only" not in str(Report(FOLLOWED.gradients, FOLLOWED.lines))


def test_what_to_write_stands_on_a_line_of_its_own() -> None:
    assert "    transposed\n    write     d = W.T @ e\n    yours     d[j,b] =" in str(FOLLOWED)
    assert json.loads(FOLLOWED.to_json())["findings"][0] == {
        "message": "transposed", "file": "f.py", "line": 54, "yours": "d[j,b] = Σ_k W[j,k] e[k,b]\neinsum",
        "write": "d = W.T @ e"}


def test_colour_is_added_to_the_text_and_nothing_else() -> None:
    coloured = FOLLOWED.text(colour=True)
    assert ESCAPE.sub("", coloured) == FOLLOWED.text()
    assert "\x1b[31;1mwrong\x1b[0m" in coloured
    assert f"d[{painted('j')},{painted('b')}] = Σ_{painted('k')} W[" in coloured
    assert "\x1b" not in FOLLOWED.text()
    right = check(squares, squares_gradient, W, X)
    assert "\x1b[32mproved\x1b[0m" in right.text(colour=True)


def test_colour_is_for_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert repr(FOLLOWED) == str(FOLLOWED)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert repr(FOLLOWED) == FOLLOWED.text(colour=True)
    monkeypatch.setenv("NO_COLOR", "")
    assert repr(FOLLOWED) == FOLLOWED.text(colour=True)  # an empty NO_COLOR is none
    monkeypatch.setenv("NO_COLOR", "1")
    assert repr(FOLLOWED) == str(FOLLOWED)


def test_no_gradients_is_not_right() -> None:
    assert not Report(())
    assert Report(()).exit_code == 3
    assert str(Report(())) == "no gradients"


@pytest.mark.slow
def test_long_reports_stay_within_a_hundred_columns() -> None:
    names = [f"a_rather_long_name_of_a_parameter_{n}" for n in range(9)]
    p = {name: TARGETS.copy() for name in names}
    report = check(lambda p: sum((v**2).sum() for v in p.values()), lambda p: dict(p), p)
    assert max(map(len, str(report).splitlines())) <= WIDTH
    assert str(report).replace("\n", " ").startswith("wrong: " + ", ".join(names))


def test_gradients_that_are_not_returned_are_told() -> None:
    with pytest.raises(ScriptError, match=r"^the gradients are None: are they returned\?$"):
        check(lambda b: (b**2).sum(), lambda b: None, ZEROS)


def test_nothing_is_right_of_no_data() -> None:
    X = np.zeros((0, 3))
    report = check(lambda W, X: ((X @ W) ** 2).sum(), lambda W, X: 3 * X.T @ (X @ W), np.ones((3, 2)), X)
    assert report.exit_code == 3
    assert report.gradients[0].note.endswith("is empty, and every gradient is 0 then")


def test_a_gradient_that_is_no_number_is_said_plainly() -> None:
    report = check(lambda b: (b**2).sum(), lambda b: 2 * b * np.nan, ZEROS)
    assert report.exit_code == 1
    assert "yours nan, expected" in str(report)
    assert "nan roundings" not in str(report)


# What correct code was once accused of


def relu_network(seed: int, units: int, samples: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(units, 6)) * 0.3, rng.normal(size=(1, units)) * 0.1,
            rng.normal(size=(6, samples)), rng.normal(size=(1, samples)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", some([1, 2, 0]))
def test_a_network_of_thousands_of_kinks_is_right(seed: int) -> None:
    """Differences reach across some kink at any step that rounding allows."""
    def loss(W: Any, V: Any, x: Any, y: Any) -> Any:
        return np.mean((V @ np.maximum(W @ x, 0) - y) ** 2)

    def gradients(W: Any, V: Any, x: Any, y: Any) -> Any:
        h = np.maximum(W @ x, 0)
        d = 2 * (V @ h - y) / y.size
        return (V.T @ d * (h > 0)) @ x.T, d @ h.T

    arguments = relu_network(seed, 64, 300)
    report = check(loss, gradients, *arguments, wrt=(0, 1))
    assert report.exit_code == 0, str(report)
    wrong = check(loss, lambda *a: (gradients(*a)[0] * (1 + 1e-4), gradients(*a)[1]), *arguments, wrt=(0, 1))
    assert [g.verdict for g in wrong.gradients] == ["wrong", "right"]


def test_a_mean_over_a_single_output_needs_no_sum() -> None:
    """A size of 1 that a parameter has is not one that is equal by chance."""
    def loss(W: Any, x: Any, y: Any) -> Any:
        return np.mean((x @ W - y) ** 2)

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 1))
    report = check(loss, lambda W, x, y: 2 * x.T @ (x @ W - y) / len(x), rng.normal(size=(3, 1)), x, y)
    assert report.exit_code == 0, str(report)
    assert report.findings == ()


def test_a_mask_of_truth_values_among_equal_sizes() -> None:
    def loss(W: Any, x: Any, keep: Any) -> Any:
        return np.sum(np.where(keep, np.tanh(x @ W), 0) ** 2)

    def gradient(W: Any, x: Any, keep: Any) -> Any:
        h = np.where(keep, np.tanh(x @ W), 0)
        return x.T @ (2 * h * keep * (1 - h**2))

    rng = np.random.default_rng(0)
    keep = rng.random((4, 4)) < 0.5
    assert check(loss, gradient, rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), keep).exit_code == 0


def centred(W: Any, b: Any, x: Any, y: Any) -> tuple[Any, Any]:
    z = x @ W + b
    return z, z - z.mean(axis=0)


def test_lines_before_a_norm_are_judged_though_what_cancels_is_rounding() -> None:
    """The gradient of a bias that a norm takes away again is 0, and the code's own answer is noise."""
    def loss(W: Any, b: Any, x: Any, y: Any) -> Any:
        return 0.5 * np.sum((centred(W, b, x, y)[1] - y) ** 2)

    def gradients(W: Any, b: Any, x: Any, y: Any) -> Any:
        d = centred(W, b, x, y)[1] - y
        dz = d - d.mean(axis=0)
        dW = (x + 1).T @ dz
        return dW, dz.sum(axis=0)

    rng = np.random.default_rng(0)
    arguments = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(6, 3)), rng.normal(size=(6, 4))
    assert check(loss, gradients, *arguments, wrt=(0, 1)).exit_code == 0  # a column of ones more: dz sums to 0

    def wrong(W: Any, b: Any, x: Any, y: Any) -> Any:
        d = centred(W, b, x, y)[1] - y
        dz = d - d.mean(axis=0)
        dW = 2 * x.T @ dz
        return dW, dz.sum(axis=0)

    report = check(loss, wrong, *arguments, wrt=(0, 1))
    assert [g.verdict for g in report.gradients] == ["wrong", "right"]
    (finding,) = report.findings
    assert finding.write == "dW = x.T @ dz"


def test_what_is_derived_from_the_loss_is_doubted_rather_than_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where differences that reach across kinks agree among themselves, they are not believed alone."""
    from einbackprop.checking import certifying

    def loss(w: Any) -> Any:
        return np.sum(np.abs(w))

    own = certifying.Reference._shifted

    def steeper(self: Any, directions: Any, step: float) -> Any:
        return self.value + 1.5 * (own(self, directions, step) - self.value)

    monkeypatch.setattr(certifying.Reference, "_shifted", steeper)
    monkeypatch.setattr(certifying.Reference, "analytic", property(lambda _: False, lambda *_: None), raising=False)
    w = np.array([1.0, -2.0, 3.0])
    report = check(loss, lambda w: np.sign(w), w)
    assert report.exit_code == 3, str(report)
    assert "it is what is derived from the loss as it was read, and differences of the loss say otherwise" in str(
        report.gradients[0].note)
    assert check(loss, lambda w: 2 * np.sign(w), w).exit_code == 1


def test_a_single_output_stays_single_though_its_weights_are_not_asked_about() -> None:
    rng = np.random.default_rng(0)
    V = rng.normal(size=(4, 1))

    def loss(W: Any, V: Any, X: Any) -> Any:
        return np.mean((np.tanh(X @ W) @ V) ** 2)

    def gradient(W: Any, V: Any, X: Any) -> Any:
        h = np.tanh(X @ W)
        return X.T @ (2 * (h @ V) / len(X) @ V.T * (1 - h**2))

    report = check(loss, gradient, rng.normal(size=(3, 4)), V, rng.normal(size=(6, 3)))
    assert report.exit_code == 0, str(report)


def test_labels_in_a_loop_are_no_error_of_ours() -> None:
    """Numbers that are drawn for a proof may be no positions."""
    X, y = np.random.default_rng(0).normal(size=(5, 4)), np.array([1, 2, 0, 1, 2])

    def one_hot(y: Any) -> Any:
        Y = np.zeros((5, 3))
        for i in range(5):
            Y[i, y[i]] = 1
        return Y

    def loss(W: Any, X: Any, y: Any) -> Any:
        return 0.5 * np.sum((X @ W - one_hot(y)) ** 2)

    def gradient(W: Any, X: Any, y: Any) -> Any:
        g = np.zeros(W.shape)
        for t in range(5):
            g += np.outer(X[t], X[t] @ W - one_hot(y)[t])
        return g

    assert check(loss, gradient, np.ones((4, 3)), X, y).exit_code == 0


@pytest.mark.slow
def test_pooling_whose_windows_overlap_is_called_wrong_and_repaired() -> None:
    def pool(A: Any) -> Any:
        P = np.zeros((3, 3))
        for h in range(3):
            for c in range(3):
                P[h, c] = np.max(A[h : h + 2, c])
        return P

    def loss(K: Any, X: Any) -> Any:
        return 0.5 * np.sum(pool(X @ K) ** 2)

    def gradient(K: Any, X: Any) -> Any:
        A = X @ K
        dP = pool(A)
        dA = np.zeros(A.shape)
        for h in range(3):
            for c in range(3):
                window = A[h : h + 2, c]
                mask = window == np.max(window)
                dA[h : h + 2, c] = mask * dP[h, c]
        return X.T @ dA

    rng = np.random.default_rng(7)
    X, K = rng.normal(size=(4, 2)), rng.normal(size=(2, 3))
    report = check(loss, gradient, K, X)
    assert report.exit_code == 1, str(report)
    (finding,) = (f for f in report.findings if f.line)
    assert finding.write == "dA[h : h + 2, c] += mask * dP[h, c]"


def test_gradients_that_are_clipped_are_right_but_for_that() -> None:
    def loss(W: Any, x: Any) -> Any:
        return 0.5 * np.sum((x @ W) ** 2)

    def gradients(W: Any, x: Any) -> Any:
        g = x.T @ (x @ W)
        np.clip(g, -5, 5, out=g)
        return g

    rng = np.random.default_rng(0)
    x, W = 3 * rng.normal(size=(8, 3)), 0.01 * rng.normal(size=(3, 2))
    report = check(loss, gradients, W, x)
    assert report.exit_code == 0, str(report)
    assert report.gradients[0].note.startswith("np.clip keeps entries of it within bounds")
    assert check(loss, lambda W, x: np.clip(2 * gradients(W, x), -5, 5), W, x).exit_code == 1
    assert np.clip(9, -5, 5) == 5


def test_what_is_clipped_may_be_a_list_or_nothing_else_that_works() -> None:
    w = np.array([3.0, -0.4])
    report = check(lambda w: np.sum(w**2), lambda w: np.clip([w[0], 2 * w[1]], -5, 5) * 1.0, w)
    assert [gradient.verdict for gradient in report.gradients] == ["wrong"]
    assert check(lambda w: np.sum(w**2), lambda w: np.clip([9 * w[0], 2 * w[1]], -5, 5) * 1.0, w).exit_code == 1

    def refuses(w: Any) -> Any:
        root = np.clip(w, -1, 1)
        if np.any(np.abs(root) > 1):
            raise ValueError("not within bounds")
        return root

    assert check(lambda w: np.sum(w**2), refuses, w).exit_code == 1


def layers_loss(W: Any, V: Any, x: Any, y: Any) -> Any:
    return 0.5 * np.sum((np.tanh(x @ W) @ V - y) ** 2)


def layers_gradients(W: Any, V: Any, x: Any, y: Any) -> Any:
    h = np.tanh(x @ W)
    d = h @ V - y
    return x.T @ ((d @ V.T) * (1 - h**2)), h.T @ d


def by_the_norm_of_all(gradients: list[Any], most: float) -> list[Any]:
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    return [g * (most / (norm + 1e-6)) for g in gradients] if norm > most else gradients


def by_the_norm_of_each(gradients: list[Any], most: float) -> list[Any]:
    for g in gradients:
        if np.linalg.norm(g) > most:
            g *= most / np.linalg.norm(g)
    return gradients


def scaled_case() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(8, 3)), rng.normal(size=(8, 2))


@pytest.mark.parametrize("shortened", [by_the_norm_of_all, by_the_norm_of_each])
def test_gradients_that_are_shortened_to_a_norm_are_right_but_for_that(shortened: Any) -> None:
    report = check(layers_loss, lambda *a: shortened([*layers_gradients(*a)], 2.0), *scaled_case(), wrt=("W", "V"))
    assert report.ok, str(report)
    said = "it is made shorter where its norm, or that of all, is above 2;"
    assert [item.note.startswith(said) for item in report.gradients] == [True, True]


def open_loss(W: Any, V: Any, b: Any, x: Any, y: Any) -> Any:
    return np.sum(np.exp(np.maximum(0, x @ W - 0.05) @ V) + (b - y) ** 2)


def open_gradients(W: Any, V: Any, b: Any, x: Any, y: Any) -> list[Any]:
    h = np.maximum(0, x @ W - 0.05)
    d = np.exp(h @ V)
    return [x.T @ ((d @ V.T) * (h > 0)), h.T @ d, 2 * (b - y).sum(axis=0)]


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_a_norm_is_known_though_at_some_values_gradients_vanish_or_are_no_numbers(factor: float) -> None:
    """Made smaller, nothing reaches W any more; made larger, the exponential overflows."""
    rng = np.random.default_rng(0)
    arguments = [3 * rng.normal(size=shape) for shape in ((3, 4), (4, 2), 2, (8, 3), (8, 2))]

    def gradients(*a: Any) -> list[Any]:
        return [factor * g for g in by_the_norm_of_all(open_gradients(*a), 1.0)]

    report = check(open_loss, gradients, *arguments, wrt=("W", "V", "b"))
    assert report.ok is (factor == 1), str(report)


def with_half_of_one(W: Any, V: Any, x: Any, y: Any) -> list[Any]:
    dW, dV = layers_gradients(W, V, x, y)
    return [0.5 * dW, dV]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("gradients", [
    lambda *a: by_the_norm_of_all(with_half_of_one(*a), 2.0),
    lambda *a: [0.5 * g for g in by_the_norm_of_all([*layers_gradients(*a)], 2.0)],
    lambda *a: [g / np.linalg.norm(g) for g in layers_gradients(*a)],  # normalized, however short it is
    lambda *a: [2.0 * g / (1 + np.linalg.norm(g)) for g in layers_gradients(*a)],
], ids=["half of one", "half of all", "normalized", "longer, the less"])  # fmt: skip
def test_what_is_no_gradient_shortened_to_a_norm_is_not_right(gradients: Any) -> None:
    report = check(layers_loss, gradients, *scaled_case(), wrt=("W", "V"))
    assert "right" not in {item.verdict for item in report.gradients if item.name == "W"}, str(report)


def test_gradients_that_are_clipped_at_other_sizes_alone_are_right() -> None:
    def loss(w: Any, x: Any) -> Any:
        return np.sum(np.sin(x @ w)) / len(x) ** 5

    def gradients(w: Any, x: Any) -> Any:
        return np.clip(np.cos(x @ w) @ x / len(x) ** 5, -2e-3, 2e-3)

    def wrong(w: Any, x: Any) -> Any:
        return np.clip(np.cos(x @ w) @ x / len(w) ** 5, -2e-3, 2e-3)

    x = np.random.default_rng(0).normal(size=(5, 5))  # at sizes of its own the check has fewer samples
    report = check(loss, gradients, np.full(5, 0.1), x)
    assert report.ok, report
    assert any("Checked at others" in said for said in report.assumptions), report
    assert "right only at sizes such as yours" in str(check(loss, wrong, np.full(5, 0.1), x))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("total", [1, 100, 1000, 10_000])
def test_a_total_in_float32_far_from_zero_accuses_nothing_that_is_right(total: float) -> None:
    """All values of the loss near by may be the same there, so that no noise shows."""

    def loss(w: Any) -> Any:
        return np.float32(total) + np.float32(np.sum(np.tanh(np.linalg.tensorsolve(np.eye(3), w))))

    def gradient(w: Any) -> Any:
        return 1 - np.tanh(w) ** 2

    w = np.array([0.4, -0.7, 1.2])
    assert check(loss, gradient, w).gradients[0].verdict == ("right" if total == 1 else "undecided")
    assert check(loss, lambda w: 2 * gradient(w), w).gradients[0].verdict == "wrong"


@pytest.mark.parametrize("hot", [
    lambda y, C: np.arange(C) == y[:, None], lambda y, C: (y[:, None] == np.arange(C)).astype(float),
    lambda y, C: np.eye(C)[y],
], ids=["compared", "as numbers", "rows of the identity"])  # fmt: skip
def test_one_hot_rows_are_proved_however_they_are_made(hot: Any) -> None:
    def softmax(z: Any) -> Any:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def loss(W: Any, X: Any, y: Any) -> Any:
        return -np.sum(hot(y, W.shape[1]) * np.log(softmax(X @ W))) / len(y)

    def gradients(W: Any, X: Any, y: Any) -> Any:
        p = softmax(X @ W)
        p[np.arange(len(y)), y] -= 1
        return X.T @ p / len(y)

    rng = np.random.default_rng(0)
    arguments = rng.normal(size=(4, 3)), rng.normal(size=(5, 4)), rng.integers(3, size=5)
    (gradient,) = check(loss, gradients, *arguments).gradients
    assert (gradient.verdict, gradient.grade) == ("right", "proved")


def test_gradients_in_a_dict_are_those_of_what_ends_with_their_keys() -> None:
    rng = np.random.default_rng(0)
    net = types.SimpleNamespace(p={"W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 2)), "b": np.ones(2)})

    def both(net: Any, X: Any, off: float = 1.0) -> Any:
        h = np.tanh(X @ net.p["W"])
        o = h @ net.p["V"] + net.p["b"]
        dh = (o @ net.p["V"].T) * (1 - h * h)
        return 0.5 * np.sum(o**2), {"b": o.sum(axis=0), "V": off * h.T @ o, "W": X.T @ dh}

    X = rng.normal(size=(5, 3))
    wrt = ["net.p['W']", "net.p['V']"]
    assert check(both, net, X, wrt=wrt).ok
    report = check(lambda net, X: both(net, X, 2.0), net, X, wrt=wrt)
    assert [item.name for item in report.gradients if item.verdict == "wrong"] == ["net.p['V']"]


def test_a_mistake_is_found_of_a_loss_that_is_an_array_of_one_number() -> None:
    """As of a network of columns: axes of size 1 have letters, where biases have them."""
    def loss(W: Any, b: Any, V: Any, x: Any) -> Any:
        return 0.5 * (V @ np.tanh(W @ x + b) - 1) ** 2

    def gradients(W: Any, b: Any, V: Any, x: Any) -> Any:
        h = np.tanh(W @ x + b)
        dz = V @ h - 1
        dh = (V.T @ dz) * (1 - h**2)
        return dh @ x.T, dh, dz @ h.T

    def wrong(W: Any, b: Any, V: Any, x: Any) -> Any:
        h = np.tanh(W @ x + b)
        dz = V @ h - 1
        dh = (V.T @ dz) * (1 - h)
        return dh @ x.T, dh, dz @ h.T

    rng = np.random.default_rng(0)
    W, b, V, x = (rng.normal(size=shape) for shape in ((4, 3), (4, 1), (1, 4), (3, 1)))
    assert loss(W, b, V, x).shape == (1, 1)
    report = check(loss, gradients, W, b, V, x, wrt=(0, 1, 2))
    assert [item.grade for item in report.gradients] == ["proved"] * 3, report
    (finding,) = [item for item in check(loss, wrong, W, b, V, x, wrt=(0, 1, 2)).findings if item.line]
    assert finding.write == "dh = (V.T @ dz) * (1 - h ** 2)"


@pytest.mark.usefixtures("verdicts_alone")
def test_a_number_is_no_place_in_memory() -> None:
    """After ``s = b``, ``s += w[0]`` leaves b as it is: b is a number of Python, and read as one."""
    def total(b: Any, w: Any) -> Any:
        s = b
        for j in range(2):
            s += w[j] * w[j]
        return s

    def gradients(b: Any, w: Any) -> Any:
        s = total(b, w)
        return s + b, 2 * b * w

    report = check(lambda b, w: total(b, w) * b, gradients, 0.5, np.array([1.0, 2.0]), wrt=(0, 1))
    first, _ = report.gradients
    assert (first.verdict, first.grade) == ("right", "proved"), report
    assert not any("not judged" in text for text in report.assumptions)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize("off", [0, 1e-3])
def test_slow_code_runs_a_few_times(off: float) -> None:
    runs = 0

    def loss(W: Any, X: Any) -> Any:
        nonlocal runs
        runs += 1
        total = 0.0
        for row in X:
            for number in row:
                total = total + np.sum(np.sin(W * number))
        return total

    def gradients(W: Any, X: Any) -> Any:
        d = np.sum([np.cos(W * number) * number for number in X.ravel()], axis=0)
        d[2, 1] *= 1 + off
        return d

    rng = np.random.default_rng(0)
    report = check(loss, gradients, rng.normal(size=(5, 4)), rng.normal(size=(42, 40)))
    assert [item.verdict for item in report.gradients] == ["wrong" if off else "right"]
    if not off:
        assert runs < 120
        assert any("1 entry and 3 random directions" in text for text in report.assumptions), report


LAYER = """\
import numpy as np


class Dense:
    def __init__(self, W):
        self.W, self.x, self.out = W, None, None

    def forward(self, x):
        self.x = x
        self.out = np.tanh(x @ self.W)
        return self.out

    def backward(self, dout):
        dz = dout * (1 - self.out**2)
        return self.x.T @ dz


rng = np.random.default_rng(5)
net, x, T = Dense(rng.normal(size=(3, 2))), rng.normal(size=(4, 3)), rng.normal(size=(4, 2))


def loss():
    return ((net.forward(x) - T) ** 2).sum()


def gradients():
    return net.backward(2 * (net.out - T))
"""


@pytest.mark.parametrize(("before", "wrong", "found"), [
    ("", "", None), ("net.forward(x)\n", "", None),
    ("", "dz = dout * (1 - self.out)", "dz = dout * (1 - self.out ** 2)"),
    ("", "dz = dout * (1 - self.oot**2)", "dz = dout * (1 - self.out**2)"),
])  # fmt: skip
def test_gradients_that_read_what_the_loss_leaves_run_after_it(
    before: str, wrong: str, found: str | None, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    text = LAYER.replace("dz = dout * (1 - self.out**2)", wrong or "dz = dout * (1 - self.out**2)") + before
    path = tmp_path / "layer.py"
    path.write_text(text)
    exit_code = main(["check", str(path), "--loss", "loss()", "--grads", "gradients()", "--wrt", "net.W", "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert exit_code == (found is not None)
    assert findings[-1]["message"] == "the gradients read what the loss leaves behind: they run after it here"
    assert [item["write"] for item in findings if "write" in item] == ([] if found is None else [found])


SCORES = """\
import numpy as np


class Scores:
    def __init__(self, V):
        self.V, self.dV = V, np.zeros_like(V)

    def forward(self, H):
        self.H = H
        return (H @ self.V).squeeze(-1) @ H

    def backward(self, dout):
        d = self.H @ dout
        self.dV += self.H.T @ d.reshape(-1, 1)
        return np.outer(self.H @ self.V, dout) + np.outer(d, self.V)


def focal(p, t):
    q = np.clip(p, 1e-15, 1 - 1e-15)
    return -np.mean(t * np.log(q) + (1 - t) * np.log(1 - q))


def focal_gradient(p, t):
    q = np.clip(p, 1e-15, 1 - 1e-15)
    return ((1 - t) / (1 - q) - t / q) / p.size


def chosen(weights, x):
    return np.sum(np.tanh(x @ weights["value"]))


def chosen_gradient(weights, x):
    return np.outer(1 - np.tanh(x @ weights["value"]) ** 2, weights["policy"])
"""


def test_a_buffer_of_gradients_is_no_batch_of_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "scores.py"
    path.write_text(SCORES)
    made = "r = np.random.default_rng(8); net, H = Scores(r.normal(size=(3, 1))), r.normal(size=(5, 3))"
    asked = ["--forward", "net.forward(H)", "--backward", "net.backward(dout)", "--wrt", "H", "--wrt", "net.V"]
    exit_code = main(["check", str(path), *asked, "--setup", made])
    said = capsys.readouterr().out
    assert exit_code == 0, said
    assert "the batch is of 1" not in said


@pytest.mark.parametrize("p", [[0.2, 0.4, 0.7], [0.4, 0.2, 0.7], [0.7, 0.4, 0.2, 0.9, 0.1]])
def test_probabilities_are_drawn_where_the_loss_is_not_clipped(p: list[float]) -> None:
    module, t = module_of(SCORES, "scores"), np.array([1.0, 0.0, 1.0, 0.0, 1.0])[: len(p)]
    report = check(module.focal, module.focal_gradient, np.array(p), t)
    assert report.exit_code == 0, report


def test_another_entry_of_a_dict_that_the_loss_reads_is_no_value_of_an_earlier_run() -> None:
    module, rng = module_of(SCORES, "scores"), np.random.default_rng(9)
    weights = {"policy": rng.normal(size=3), "value": rng.normal(size=3)}
    (finding,) = check(module.chosen, module.chosen_gradient, weights, rng.normal(size=(4, 3)), wrt="x").findings
    assert finding.write == 'return np.outer(1 - np.tanh(x @ weights["value"]) ** 2, weights["value"])'


def test_none_beside_gradients_and_lists_of_them_are_matched() -> None:
    x, W = np.array([1.0, 2.0]), [np.array([3.0]), np.array([4.0, 5.0])]
    assert check(lambda x: np.sum(x**2), lambda x: (2 * x, None), x).exit_code == 0
    report = check(lambda W, b: sum(np.sum(w**2) for w in W) + np.sum(b**3),
                   lambda W, b: {"grad_b": 3 * b**2, "grad_W": [2 * w for w in W]}, W, x, wrt=(0, 1))  # fmt: skip
    assert report.exit_code == 0, report
    beside = check(lambda a, x: np.sum(a**2) + np.sum(x**3), lambda a, x: (3 * x**2, {"da": 2 * a}), W[1], x,
                   wrt=(0, 1))  # fmt: skip
    assert beside.exit_code == 0, beside


def test_a_mistake_in_float32_is_not_called_small() -> None:
    rng = np.random.default_rng(10)
    W, x = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(5, 4))
    report = check(lambda x, W: np.sum(np.tanh(x @ W)), lambda x, W: (1 - np.tanh(x @ W)) @ W.T, x, W)
    assert report.exit_code == 1
    assert "small constant" not in str(report)


def test_a_batch_is_as_large_as_a_layer_only_where_that_is_one() -> None:
    rng = np.random.default_rng(13)
    A, X = rng.normal(size=(4, 4)), rng.normal(size=(4, 3))

    def said(W: Any) -> str:
        report = check(lambda W, A, X: np.mean((A @ np.tanh(X @ W)) ** 2), lambda W, A, X: (
            X.T @ ((A.T @ (A @ np.tanh(X @ W))) * (1 - np.tanh(X @ W) ** 2)) * 2 / A.shape[0] / W.shape[1]), W, A, X)
        assert report.ok, report
        return str(report)

    assert "as large as a layer" not in said(rng.normal(size=(3, 2)))


def test_a_debugger_is_not_entered() -> None:
    def loss(x: Any) -> Any:
        import pdb

        if np.any(x > 0):
            pdb.set_trace()
        return np.sum(x**2)

    assert check(loss, lambda x: 2 * x, np.array([1.0, -2.0])).exit_code == 0


ADDED_UP = """\
import numpy as np


class Model:
    def __init__(self):
        self.W, self.lr, self.loss = np.random.default_rng(0).normal(size=(2, 3)), 0.1, 0.0

    def train(self, x, t):
        e = self.W @ x - t
        self.loss += 0.5 * np.sum(e ** 2)
        self.W -= self.lr * np.outer(e, x)


model = Model()
data = [(np.array([1.0, -2.0, 0.5]), np.array([0.3, -0.7])), (np.array([0.2, 1.0, -1.5]), np.array([1.0, 0.4]))]
for x, t in data:
    model.train(x, t)
"""


def test_a_loss_that_a_step_adds_up_is_no_parameter(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "model.py"
    path.write_text(ADDED_UP)
    assert main(["check", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = [item["name"] for report in (found if isinstance(found, list) else [found]) for item in report["gradients"]]
    assert names == ["W"]
