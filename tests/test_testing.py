"""`assert_gradients_match`: it passes what is right, and fails with the report otherwise."""

import numpy as np
import pytest
from hypothesis import Phase, find, settings

from einbackprop import testing
from einbackprop.checking.reports import Gradient, Report
from einbackprop.checking.solving import check
from einbackprop.network import backward, forward, initialize, squared_loss
from einbackprop.strategies import layer_sizes
from einbackprop.testing import assert_gradients_match

# Not `explain`, which traces each line that runs once an example has failed.
FEW = settings(max_examples=15, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink])


def loss_of(parameters, X, Y):
    W1, b1, W2, b2, W3, b3 = parameters
    return squared_loss(forward([W1, b1, W2, b2, W3, b3], X)[-1], Y)


def gradients_of(parameters, X, Y):
    return backward(forward(parameters, X), Y, parameters)


@pytest.mark.long
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (3, 1, 4, 2, 1), (1, 3, 3, 1, 4)])
def test_right_gradients_pass_at_sizes_of_1(sizes):
    """At sizes above 1 they are drawn where the function is documented."""
    assert_gradients_match(loss_of, gradients_of, *initialize(*sizes))


def test_wrong_gradient_fails_with_the_report():
    def loss(parameters, X):
        W, b = parameters
        return np.sum((W @ X + b[:, None]) ** 2)

    def wrong(parameters, X):
        W, b = parameters
        d = 2 * (W @ X + b[:, None])
        return [d @ X.T, 1.001 * d.sum(axis=1)]

    arguments = [np.ones((3, 4)), np.ones(3)], np.ones((4, 5))
    with pytest.raises(AssertionError) as caught:
        assert_gradients_match(loss, wrong, *arguments)
    assert str(caught.value) == str(check(loss, wrong, *arguments))
    assert str(caught.value).startswith("wrong: b (of 2 gradients)\n")


def untransposed(parameters, X, Y):
    """The exercise's backward with W2 in place of its transpose: it runs for equal layers only."""
    W1, b1, W2, b2, W3, b3 = parameters
    return backward(forward(parameters, X), Y, [W1, b1, W2.T, b2, W3, b3])


@pytest.mark.long
def test_failure_shrinks_to_the_smallest_network():
    def fails(sizes):
        if sizes[1] != sizes[2]:
            return False
        try:
            assert_gradients_match(loss_of, untransposed, *initialize(*sizes))
        except AssertionError:
            return True
        return False

    assert find(layer_sizes(), fails, settings=FEW) == (2, 2, 2, 2, 2)


@pytest.mark.parametrize("verdict", ["undecided", "kink"])
def test_what_is_not_right_is_a_failure(verdict, monkeypatch):
    report = Report((Gradient("W1", "right"), Gradient("W2", verdict)))
    monkeypatch.setattr(testing, "check", lambda *arguments, wrt: report)
    with pytest.raises(AssertionError) as caught:
        assert_gradients_match(loss_of, gradients_of, [])
    assert str(caught.value) == str(report)
    assert str(caught.value).startswith(f"{verdict}: W2 (of 2 gradients)")


def test_wrt_says_which_argument():
    def loss(x, W):
        return np.sum((W @ x) ** 2)

    def gradient(x, W):
        return 2 * np.outer(W @ x, x)

    def both(x, W):
        return 2 * W.T @ W @ x, gradient(x, W)

    arguments = np.ones(3), np.ones((2, 3))
    assert_gradients_match(loss, gradient, *arguments, wrt=1)
    assert_gradients_match(loss, both, *arguments, wrt=(0, 1))
    with pytest.raises(AssertionError, match="wrong: x"):
        assert_gradients_match(loss, gradient, *arguments)
