"""``derive``, ``grad``, ``value_and_grad``: of every hand-written network, and of what cannot be differentiated."""

import numpy as np
import pytest
from sampling import THOROUGH
from wild import FIXTURES, Fixture, pick

from einbackprop.checking.solving import check
from einbackprop.core import nesting
from einbackprop.core.interpretation import run
from einbackprop.derivation.gradients import derive
from einbackprop.errors import DerivationError, OptionError
from einbackprop.plans.compilation import compile
from einbackprop.plans.gradients import grad, value_and_grad

SEED = 3


def everything(fixture: Fixture, sizes: tuple[int, ...]) -> tuple:
    return fixture.arguments(np.random.default_rng(SEED), sizes=sizes)


@pytest.mark.long
@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f.name)
def test_the_derived_gradient_is_the_hand_written_one(fixture: Fixture) -> None:
    for sizes in fixture.strata if THOROUGH else fixture.strata[-1:]:  # at distinct ones it is compiled
        arguments = everything(fixture, sizes)
        value, gradient = value_and_grad(fixture.loss, wrt=tuple(range(len(arguments))))(*arguments)
        assert np.isclose(value, fixture.loss(*nesting.duplicate(arguments)), rtol=1e-12)
        truth = fixture.gradients(*nesting.duplicate(arguments))
        for ours, theirs in fixture.pairs:
            expected = np.asarray(pick(truth, theirs))
            found = np.asarray(pick(gradient, ours))
            assert found.size == expected.size
            scale = np.abs(expected).max(initial=0)
            assert np.abs(found.reshape(expected.shape) - expected).max(initial=0) <= 1e-10 * scale + 1e-12


def test_a_wrong_gradient_would_be_seen() -> None:
    """The tolerance above misses nothing of the size of a rounding error in single precision."""
    fixture = FIXTURES[0]
    arguments = everything(fixture, fixture.sizes)
    expected = np.asarray(pick(fixture.gradients(*nesting.duplicate(arguments)), fixture.pairs[0][1]))
    scale = np.abs(expected).max()
    assert np.abs(expected * (1 + 1e-7) - expected).max() > 1e-10 * scale + 1e-12


def quadratic(p: dict, x: np.ndarray) -> float:
    return np.sum((p["W"] @ x + p["b"][:, None]) ** 2)


def drawn() -> tuple:
    rng = np.random.default_rng(0)
    return {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=3)}, rng.normal(size=(4, 5))


def test_the_gradient_is_nested_as_the_argument() -> None:
    p, x = drawn()
    residual = p["W"] @ x + p["b"][:, None]
    found = grad(quadratic)(p, x)
    assert set(found) == {"W", "b"}
    np.testing.assert_allclose(found["W"], 2 * residual @ x.T, rtol=1e-13)
    np.testing.assert_allclose(grad(quadratic, wrt=1)(p, x), 2 * p["W"].T @ residual, rtol=1e-13)
    both = grad(quadratic, wrt=(0, 1))(p, x)
    np.testing.assert_array_equal(both[0]["b"], found["b"])


def test_derive_gives_a_program_that_gives_the_gradient() -> None:
    p, x = drawn()
    program = derive(quadratic, p, x)
    found = run(program, [p["W"], p["b"], x])
    np.testing.assert_allclose(found[0], grad(quadratic)(p, x)["W"], rtol=1e-14)


def test_float32_stays_float32() -> None:
    p, x = drawn()
    small = {name: array.astype(np.float32) for name, array in p.items()}
    value, gradient = value_and_grad(quadratic)(small, x.astype(np.float32))
    assert value.dtype == gradient["W"].dtype == np.float32


def test_a_changed_closed_over_value_is_seen() -> None:
    scale = {"factor": 1.0}
    found = grad(lambda x: scale["factor"] * np.sum(x))
    x = np.ones(2)
    np.testing.assert_array_equal(found(x), [1, 1])
    scale["factor"] = 3.0
    np.testing.assert_array_equal(found(x), [3, 3])


def test_an_argument_that_the_loss_does_not_use_has_the_gradient_zero() -> None:
    found = grad(lambda x, y: np.sum(x), wrt=1)(np.ones(2), np.ones((3, 2)))
    np.testing.assert_array_equal(found, np.zeros((3, 2)))


def test_a_loss_that_is_no_number_is_named() -> None:
    with pytest.raises(DerivationError, match=r"returns one number, but this one returns .*\[.,.\]: sum or average it"):
        grad(lambda x: x * 2)(np.ones((2, 3)))


def test_integers_are_nothing_to_differentiate_by() -> None:
    with pytest.raises(DerivationError, match="wrt=0 holds no array of real or complex numbers"):
        grad(lambda x: np.sum(x))(np.arange(3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "loss",
    [
        lambda a: a.sum(), lambda a: np.sum(2 * a), lambda a: np.cumsum(a)[1], lambda a: np.max(a),
        lambda a: np.clip(a, 0, 2).sum(), lambda a: 0 * a[0], lambda a: a[0] - a[2], lambda a: np.mean(2.5 * a),
    ],
    ids=["sum", "twice", "cumsum", "max", "clip", "zero", "entries", "mean"],
)  # fmt: skip
def test_a_gradient_of_numbers_alone_has_the_dtype_of_what_it_belongs_to(loss, dtype):
    """Whole numbers for float parameters would make ``g *= 0.1`` an error."""
    a = np.array([1, 3, 2], dtype)
    gradient = grad(loss)
    found = [gradient(a), compile(gradient, a)(a), compile(gradient, a, reuse=True)(a)]
    found += [value_and_grad(loss)(a)[1], compile(value_and_grad(loss), a)(a)[1]]
    for g in found:
        assert g.dtype == dtype
        g *= 0.1


def affine(W, b, x):
    return np.sum((x @ W + b) ** 2)


@pytest.mark.parametrize(
    ("wrt", "same"), [("b", 1), ("x", 2), (["W", "b"], (0, 1)), ([0, 2], (0, 2)), (("x", 0), (2, 0))]
)
def test_arguments_may_be_named(wrt, same):
    arguments = np.ones((3, 2)), np.ones(2), np.ones((4, 3))
    found, expected = grad(affine, wrt)(*arguments), grad(affine, same)(*arguments)
    pairs = zip(found, expected, strict=True) if isinstance(same, tuple) else [(found, expected)]
    for mine, theirs in pairs:
        np.testing.assert_array_equal(mine, theirs)
    assert derive(affine, *arguments, wrt=wrt) == derive(affine, *arguments, wrt=same)


@pytest.mark.parametrize(
    ("wrt", "said"),
    [("z", "wrt='z', but the loss has no argument 'z': its arguments are W, b, x"),
     (["W", "z"], "wrt=['W', 'z'], but the loss has no argument 'z': its arguments are W, b, x"),
     (1.5, "wrt=1.5 must be the position or the name of an argument, or several in a tuple"),
     (None, "wrt=None must be the position or the name of an argument, or several in a tuple"),
     (True, "wrt=True must be the position or the name of an argument, or several in a tuple")],
)  # fmt: skip
def test_what_names_no_argument_is_said(wrt, said):
    arguments = np.ones((3, 2)), np.ones(2), np.ones((4, 3))
    for call in (lambda: grad(affine, wrt), lambda: derive(affine, *arguments, wrt=wrt),
                 lambda: check(affine, affine, *arguments, wrt=wrt)):  # fmt: skip
        with pytest.raises(OptionError) as raised:
            call()
        assert str(raised.value) == said
