"""What reading adds to a check: proofs, guards, shapes; and that it never contradicts what runs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of

from einbackprop.capture.tracer import record_pair
from einbackprop.diagnosis.review import Review, review
from einbackprop.errors import TraceError

SOURCE = """\
import numpy as np


def loss(W, b, X, Y):
    p = 1 / (1 + np.exp(-(X @ W + b)))
    return -np.sum(Y * np.log(p)) / len(X)


def gradients(W, b, X, Y):
    p = 1 / (1 + np.exp(-(X @ W + b)))
    dz = Y * (p - 1) / len(X)
    db = dz.sum(axis=0)
    return X.T @ dz, db
"""
NAMES = ("W", "b", "X", "Y")


def drawn(seed: int, sizes: tuple[int, int, int] = (5, 3, 4)) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    samples, inner, outer = sizes
    shapes = (inner, outer), (outer,), (samples, inner), (samples, outer)
    return tuple(rng.normal(size=shape) for shape in shapes)


def reviewed(
    changes: dict[str, str], wrong: Sequence[str], others: Sequence[Any] = (), state: Any = None,
    change: Callable[[Any], Any] = lambda result: result,
) -> Review:  # fmt: skip
    """The review of the gradients of W and b, of which some are called wrong."""
    source = SOURCE
    for before, after in changes.items():
        assert before in source
        head, _, tail = source.rpartition(before)
        source = head + after + tail
    module: Any = module_of(source, "reviewed")
    state = drawn(0) if state is None else state
    result = change(module.gradients(*state))
    trace = record_pair(module.loss, module.gradients, state, NAMES)
    values = dict(zip(("W", "b"), result, strict=True))
    paths = {"W": (0,), "b": (1,)}
    return review(trace, state, values, result, paths, lambda declared: declared.path, wrong, others)


def test_right_gradients_are_proved() -> None:
    found = reviewed({}, ())
    assert found.agrees
    assert found.proofs.grades == {"W": "proved", "b": "proved"}
    assert "every size is at least 1" in found.proofs.assumptions
    assert [line.verdict for line in found.lines(lambda file, line: "right")] == ["right"] * 4
    assert [line.meaning for line in found.lines(lambda *_: "")] == ["p", "∂L/∂(what the sigmoid takes for p)",
                                                                     "∂L/∂b", "∂L/∂W"]  # fmt: skip
    assert found.dimensions


def test_what_is_wrong_is_agreed_on_and_the_rest_proved() -> None:
    found = reviewed({"return X.T @ dz": "return X.T @ p"}, ["W"])
    assert (found.agrees, found.proofs.grades, found.doubted, found.note) == (True, {"b": "proved"}, frozenset(), "")


def test_what_is_right_as_it_was_read_is_doubted_and_not_proved() -> None:
    found = reviewed({}, ["b"])
    assert (found.agrees, found.doubted, found.proofs.grades) == (False, {"b"}, {"W": "proved"})


def test_what_is_wrong_as_it_was_read_is_never_called_right() -> None:
    found = reviewed({"return X.T @ dz": "return X.T @ p"}, ())
    assert not found.agrees
    assert (found.proofs.grades, found.read.lines) == ({}, ())
    assert "lines are not judged" in found.note


def test_a_mistake_of_other_sizes_is_seen_there() -> None:
    square, other = drawn(0, (4, 3, 4)), drawn(1, (5, 3, 4))
    changes = {"dz = Y * (p - 1) / len(X)": "dz = Y * (p - 1) / Y.shape[1]"}
    alone = reviewed(changes, ["W", "b"], state=square)
    assert (alone.agrees, alone.doubted) == (False, {"W", "b"})
    both = reviewed(changes, ["W", "b"], [other], square)
    assert (both.agrees, both.doubted) == (True, frozenset())


def test_what_was_not_read_as_it_runs_proves_nothing() -> None:
    def other(result: Any) -> Any:
        result[0][0, 0] += 1e-3
        return result

    found = reviewed({}, (), change=other)
    assert (found.agrees, found.proofs.grades) == (False, {})
    assert "lines are not judged" in found.note


@pytest.mark.parametrize("guard", ["1e-7", "1e-9"])
def test_a_guard_of_the_loss_that_gradients_leave_out_is_forgiven(guard: str) -> None:
    guarded = {"np.log(p)": f"np.log(p + {guard})"}
    found = reviewed(guarded, ["W", "b"])
    assert found.forgiven.keys() == {"W", "b"}
    said = f"right, but for the {float(guard):.3g} that the loss adds on line 6 before it takes the logarithm"
    assert found.forgiven["W"] == said
    assert (found.agrees, found.proofs.grades, found.doubted) == (True, {}, frozenset())
    assert "∂L/∂b" in [line.meaning for line in found.lines(lambda *_: "")]
    wrong = reviewed(guarded | {"return X.T @ dz": "return X.T @ p"}, ["W", "b"])
    assert wrong.forgiven.keys() == {"b"}
    assert wrong.agrees


def test_a_shape_that_is_another_gets_its_line() -> None:
    found = reviewed({"db = dz.sum(axis=0)": "db = dz.sum(axis=0, keepdims=True)"}, ["b"])
    (finding,) = found.findings
    assert finding.line == 12
    assert finding.message == (
        "the values are right, but the shape is (1, 4), and b has shape (4,): leave out keepdims=True.")
    assert found.proofs.grades == {"W": "proved"}
    assert reviewed({"db = dz.sum(axis=0)": "db = p.sum(axis=0, keepdims=True)"}, ["b"]).findings == ()


def test_a_gradient_that_is_made_and_not_returned_gets_its_line() -> None:
    found = reviewed({"return X.T @ dz, db": "return X.T @ dz, None"}, ["b"])
    (finding,) = found.findings
    assert (finding.line, finding.message) == (
        13, "the gradient of b is made on line 12, but it is not returned.")
    assert found.proofs.grades == {"W": "proved"}


def test_what_cannot_be_read_is_said() -> None:
    found = review(TraceError("no way\n  through"), (), {}, (), {}, lambda declared: declared.path, ())
    assert found.note == "lines are not judged: no way through"
    large = reviewed({}, (), state=drawn(0, (90, 200, 30)))
    assert "20,000 entries" in large.note
    unread = reviewed({"np.log(p)": "np.log(np.unwrap(p, axis=0))"}, ["W", "b"])
    assert "lines are not judged" in unread.note or not unread.proofs.grades
