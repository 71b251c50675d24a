"""Assertions for users' own tests of hand-written gradients."""

from collections.abc import Callable
from typing import Any

from einbackprop.checking.solving import check
from einbackprop.core.nesting import Choice


def assert_gradients_match(
    loss: Callable[..., Any],
    gradients: Callable[..., Any],
    *arguments: Any,
    wrt: Choice = 0,
) -> None:
    """Assert that `gradients` returns the gradients of `loss`; fail with the report of `check`.

    Parameters
    ----------
    loss
        Function of `arguments` that returns a number.
    gradients
        Function of `arguments` that returns what your code returns: the gradients of `loss` with
        respect to `arguments[wrt]`, in nested lists, tuples or dicts like it.
    *arguments
        Arrays, or nested lists, tuples or dicts of them. Their shapes count; the values at which
        the gradients are compared are drawn afresh.
    wrt
        The position or the name of the argument that `loss` is differentiated by, or several.

    Raises
    ------
    AssertionError
        If a gradient is wrong, or if it cannot be decided whether it is right; the message is the
        report of `einbackprop.check`.

    Examples
    --------
    For a test file, with a network of your own in place of this one:

    >>> from hypothesis import given, settings
    >>> from einbackprop.network import backward, forward, initialize, squared_loss
    >>> from einbackprop.strategies import layer_sizes
    >>> @settings(max_examples=10, deadline=None)
    ... @given(layer_sizes())
    ... def test_backward(sizes):
    ...     parameters, X, Y = initialize(*sizes)
    ...     assert_gradients_match(
    ...         lambda parameters: squared_loss(forward(parameters, X)[-1], Y),
    ...         lambda parameters: backward(forward(parameters, X), Y, parameters),
    ...         parameters,
    ...     )
    >>> test_backward()
    """
    __tracebackhide__ = True
    report = check(loss, gradients, *arguments, wrt=wrt)
    if not report:
        raise AssertionError(str(report))
