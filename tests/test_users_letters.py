"""Letters: the user's own words where there are any; else b is the samples and t is time."""

from typing import Any

import lettered_functions
import numpy as np
import pytest
import unlettered_functions
from reading_truth import reading_with_values, untrue

import einbackprop as eb
from einbackprop.capture.shape_words import named_shapes, shapes_in

RNG = np.random.default_rng(0)


def drawn(*shapes: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(RNG.normal(size=shape) for shape in shapes)


X, W, Y = drawn((3, 4), (4, 2), (4, 3))
LETTERED: dict[str, tuple[Any, ...]] = dict.fromkeys(lettered_functions.SAID, (X, W)) | {
    "annotated_as_text": drawn((3, 5, 4), (4, 2)),
    "annotated_from_the_right": drawn((3, 5, 4), (4, 2)),
    "comments_behind": drawn((3, 4), (4, 2), (2, 6)),
    "comment_above": drawn((3, 7, 5, 4), (3, 7, 5, 4)),
    "comment_beside": drawn((3, 5, 4), (3, 5, 4)),
    "comments_of_parameters": drawn((3, 5, 4), (4, 16)),
    "course_docstring": drawn((3, 2, 2), (4, 2), (2,)),
    "sizes_in_columns": drawn((4, 3), (2, 4), (2, 1)),
    "sizes_of_time": drawn((3, 5, 4), (3, 6), (4, 6), (6, 6)),
    "no_name_is_a_letter": drawn((3, 4), (4, 2), (3,), (2,)),
}
LABELS = np.array([0, 1, 2, 3, 0])
XW = drawn((5, 3), (3, 4))[::-1]
RECURRENT = drawn((4, 3), (4, 4), (5, 3))
UNLETTERED: dict[str, tuple[Any, ...]] = {
    "rows": (*XW, *drawn((5, 4))),
    "columns": drawn((4, 3), (4, 1), (2, 4), (3, 5), (2, 5)),
    "logistic": (*drawn((3,)), 0.5, XW[1], np.array([0.0, 1, 1, 0, 1])),
    "softmax_of_labels": (*XW, LABELS),
    "softmax_of_one_hot": (*XW, np.eye(4)[LABELS]),
    "hinge": (*XW, LABELS),
    "ridge": drawn((3,), (5, 3), (5,)),
    "two_layers": drawn((3, 4), (4,), (4, 2), (2,), (5, 3), (5, 2)),
    "batch_norm": drawn((3,), (3,), (5, 3), (5, 3)),
    "autoencoder": drawn((3, 2), (2, 3), (5, 3)),
    "embedding": (*drawn((7, 3), (3, 4)), np.array([0, 3, 2, 6, 1]), LABELS),
    "poisson": (*drawn((3,), (5, 3)), np.array([0.0, 1, 2, 1, 3])),
    "recurrent": RECURRENT,
    "recurrent_over_elements": (*RECURRENT, *drawn((5, 4))),
    "recurrent_of_samples": drawn((3, 4), (4, 4), (6, 5, 3), (5, 4)),
    "smoothed": (0.3, *drawn((6, 5))),
    "carried_in_a_buffer": RECURRENT,
    "carried_in_a_dict": RECURRENT,
    "carried_by_samples": drawn((3, 4), (4, 4), (6, 5, 3), (5, 4)),
    "accumulated": drawn((5, 3), (5, 3)),
}


@pytest.mark.parametrize("name", lettered_functions.SAID)
def test_the_users_words_for_axes_give_their_letters(name: str) -> None:
    reading = reading_with_values(getattr(lettered_functions, name), *LETTERED[name])
    table = str(reading).partition("\n")[0]
    for said in lettered_functions.SAID[name]:
        assert said in table
    assert not list(untrue(reading))


@pytest.mark.parametrize("name", unlettered_functions.SAID)
def test_without_words_samples_are_b_and_time_is_t(name: str) -> None:
    table = str(eb.read(getattr(unlettered_functions, name), *UNLETTERED[name])).partition("\n")[0]
    for said in unlettered_functions.SAID[name]:
        assert said in table


def test_words_do_not_change_what_is_computed() -> None:
    plain, worded = eb.trace(lambda X, W: np.tanh(X @ W), X, W), eb.trace(lettered_functions.annotated, X, W)
    assert plain.equations
    assert len(plain.equations) == len(worded.equations)
    assert [d.size for d in plain.dimensions] == [d.size for d in worded.dimensions]


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("# (N, D)", [("N", "D")]),
        ("# (N,)", [("N",)]),
        ("# [batch, 4, dim]", [("batch", "", "dim")]),
        ("# N x D -> (D, 2*H)", [("N", "D"), ("D", "")]),
        ("# shape (..., d)", [("...", "d")]),
        ("# a hidden layer (ReLU)", []),
        ("# f(x) of (3, 4)", []),
    ],
)
def test_shapes_are_found_in_comments(text: str, shapes: list[tuple[str, ...]]) -> None:
    assert shapes_in(text) == shapes


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("- x: Input data, of shape (N, D)", [("x", ("N", "D"))]),
        ("X : ndarray of shape (n_samples, n_features)", [("X", ("n_samples", "n_features"))]),
        ("# q: (b, t, d), k: (b, t, d)", [("q", ("b", "t", "d")), ("k", ("b", "t", "d"))]),
        ("# W1 (D, H), b1 has shape (H,)", [("W1", ("D", "H")), ("b1", ("H",))]),
        ("- gamma, beta: scale and shift, (D,)", [("gamma", ("D",)), ("beta", ("D",))]),
        ("the gradient (see above) is returned", []),
    ],
)
def test_names_are_found_with_their_shapes(line: str, named: list[tuple[str, tuple[str, ...]]]) -> None:
    assert list(named_shapes(line)) == named
