"""Declared shapes: what is accepted, and what the messages say."""

import numpy as np
import pytest
from hypothesis import given

from einbackprop.core import shapes
from einbackprop.core.shapes import declare_shapes
from einbackprop.errors import ShapeError, SubscriptsError
from einbackprop.strategies import sizes


@declare_shapes("(W[i,j], c[i]), x[j,b], rate[]")
def linear(layer, x, rate, name=""):
    """A function to declare."""
    return name or "called"


def given_shapes(W=(4, 3), c=(4,), x=(3, 5), rate=()):
    return linear([np.zeros(W), np.zeros(c)], np.zeros(x), np.zeros(rate))


def message(*args, **kwargs):
    with pytest.raises(ShapeError) as caught:
        linear(*args, **kwargs)
    return str(caught.value)


@given(sizes("ijb", ones=True, zeros=True))
def test_declared_shapes_are_accepted_and_others_are_not(size):
    i, j, b = size["i"], size["j"], size["b"]
    for _ in range(2):  # the second call takes the short road
        assert given_shapes((i, j), (i,), (j, b)) == "called"
        for wrong in [((i, j), (i + 1,), (j, b)), ((i, j), (i,), (j + 1, b))]:
            with pytest.raises(ShapeError):
                given_shapes(*wrong)


def test_function_keeps_its_name_its_text_and_its_other_arguments():
    assert (linear.__name__, linear.__doc__) == ("linear", "A function to declare.")
    arrays = [np.zeros((4, 3)), np.zeros(4)], np.zeros((3, 5))
    assert linear(*arrays, np.zeros(()), "named") == "named"
    assert linear(rate=np.zeros(()), x=arrays[1], name="keys", layer=arrays[0]) == "keys"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            {"c": (1,)},
            "linear: c[i] has i = 1 (shape (1,)), but W[i,j] has i = 4 (shape (4, 3)). One letter "
            "has one size, and a size of 1 does not stretch: c should have the shape (4,).",
        ),
        (
            {"x": (2, 5)},
            "linear: x[j,b] has j = 2 (shape (2, 5)), but W[i,j] has j = 3 (shape (4, 3)). One "
            "letter has one size: x should have the shape (3, 5).",
        ),
        (
            {"c": (4, 1)},
            "linear: c[i] should have 1 axis, one for each letter, but the array passed has 2 "
            "(shape (4, 1)); reshape it.",
        ),
        (
            {"W": (4,)},
            "linear: W[i,j] should have 2 axes, one for each letter, but the array passed has 1 "
            "(shape (4,)); reshape it.",
        ),
        (
            {"rate": (1,)},
            "linear: rate[] should have 0 axes, one for each letter, but the array passed has 1 "
            "(shape (1,)); reshape it.",
        ),
    ],
)
def test_message_names_array_letter_and_both_sizes(wrong, text):
    given_shapes()
    with pytest.raises(ShapeError) as caught:
        given_shapes(**wrong)
    assert str(caught.value) == text


def test_message_blames_the_odd_one_out_and_sees_a_transpose():
    @declare_shapes("V[k,j], W[j,i], x[i,b], c[j]")
    def layer(V, W, x, c): ...

    with pytest.raises(ShapeError) as caught:  # W comes before x and c, which agree against it
        layer(np.zeros((7, 4)), np.zeros((3, 4)), np.zeros((3, 5)), np.zeros(4))
    assert str(caught.value) == (
        "layer: W[j,i] has j = 3 (shape (3, 4)), but V[k,j] has j = 4 (shape (7, 4)). One letter "
        "has one size: W should have the shape (4, 3), its transpose."
    )


def test_message_for_a_letter_that_one_array_repeats():
    @declare_shapes("W[h,h]")
    def trace(W): ...

    trace(np.zeros((3, 3)))
    with pytest.raises(ShapeError, match=r"W\[h,h\] has h = 4 \(shape \(3, 4\)\), but W\[h,h\]"):
        trace(np.zeros((3, 4)))


def test_message_for_a_list_of_another_length():
    assert message([np.zeros((4, 3))], np.zeros((3, 5)), np.zeros(())) == (
        "linear: layer has length 1; pass these 2 arrays: W[i,j], c[i]."
    )


def test_message_for_an_array_in_place_of_a_list():
    assert message(np.zeros((2, 3)), np.zeros((3, 5)), np.zeros(())) == (
        "linear: layer is a ndarray; pass a list of W[i,j], c[i]."
    )


def test_message_for_something_without_a_shape():
    layer = [np.zeros((4, 3)), np.zeros(4)]
    text = "linear: x[j,b] is a list, which has no shape; pass an array with 2 axes."
    assert message(layer, [[1.0]], np.zeros(())) == text
    text = "linear: c[i] is a float, which has no shape; pass an array with 1 axis."
    assert message([layer[0], 1.0], np.zeros((3, 5)), np.zeros(())) == text


def test_missing_argument_is_pythons_own_error():
    with pytest.raises(TypeError, match="missing 2 required positional arguments: 'x' and 'rate'"):
        linear([np.zeros((4, 3)), np.zeros(4)])


def test_only_shape_is_read():
    class Shaped:
        def __init__(self, *shape):
            self.shape = shape

        def __getattr__(self, name):
            raise AssertionError(f"{name} was read")

    assert linear((Shaped(4, 3), Shaped(4)), Shaped(3, 5), Shaped()) == "called"


def test_memory_of_accepted_shapes_is_bounded(monkeypatch):
    monkeypatch.setattr(shapes, "_CACHED", 2)
    for b in range(5):
        assert given_shapes(x=(3, b)) == "called"
    with pytest.raises(ShapeError):
        given_shapes(x=(2, 5))


@pytest.mark.parametrize(
    ("declaration", "caret"),
    [("W[i,j] x[j]", 6), ("W[i,j], x", 8), ("(W[i,j], x[j]", 0), ("W[ij]", 0), ("W[i],", 5)],
)
def test_caret_stands_where_a_declaration_breaks(declaration, caret):
    with pytest.raises(SubscriptsError) as caught:
        declare_shapes(declaration)
    assert str(caught.value) == (
        f"not a declaration of shapes:\n  {declaration}\n  {' ' * caret}^\n"
        "Write each array as name[letters], as in W[i,j], and a list of arrays in parentheses."
    )


def test_a_number_stands_for_an_array_without_letters():
    assert linear([np.zeros((4, 3)), np.zeros(4)], np.zeros((3, 5)), 0.1) == "called"


def test_a_mean_over_nothing_says_which_axis_is_empty():
    @declare_shapes("(W[i,j], c[i]), x[j,b]")
    def mean(layer, x):
        return 1 / x.shape[1]

    layer = [np.zeros((4, 3)), np.zeros(4)]
    with pytest.raises(ShapeError) as caught:
        mean(layer, np.zeros((3, 0)))
    assert str(caught.value) == (
        "mean: x[j,b] has b = 0 (shape (3, 0)). A mean over nothing is 0/0: pass arrays that are not empty."
    )
    with pytest.raises(ShapeError, match=r"mean: W\[i,j\] has i = 0"):
        mean([np.zeros((0, 3)), np.zeros(0)], np.zeros((3, 0)))

    @declare_shapes("x[j,b]")
    def own(x):
        return 1 / 0

    with pytest.raises(ZeroDivisionError):  # not ours to explain
        own(np.zeros((3, 2)))
