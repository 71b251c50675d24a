"""Optimisers: against PyTorch's, on nested parameters, with nothing written to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einbackprop.optimisers import adamw, mapped, sgd, start_adamw, start_sgd


def nested(rng):
    layer = {"W": rng.standard_normal((3, 2)), "c": rng.standard_normal(3)}
    return {"layers": [layer], "more": (rng.standard_normal(4),)}


def flat(parameters):
    (layer,), (more,) = parameters["layers"], parameters["more"]
    return [layer["W"], layer["c"], more]


def steps_of(step, state, rng, count):
    """Parameters before the first step, the gradients, and the parameters after the last."""
    first = parameters = nested(rng)
    state, gradients = state(parameters), [nested(rng) for _ in range(count)]
    for gradient in gradients:
        parameters, state = step(parameters, gradient, state)
    return first, gradients, parameters


def by_torch(make, first, gradients):
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(array, requires_grad=True) for array in flat(first)]
    optimiser = make(torch, tensors)
    for gradient in gradients:
        for tensor, array in zip(tensors, flat(gradient), strict=True):
            tensor.grad = torch.tensor(array)
        optimiser.step()
    return [tensor.detach().numpy() for tensor in tensors]


RATES = st.sampled_from([1e-3, 0.1, 1.0])


@given(st.integers(0, 99), RATES, st.sampled_from([0.0, 0.5, 0.9]))
@settings(max_examples=10)
def test_sgd_is_that_of_pytorch(seed, rate, momentum):
    rng = np.random.default_rng(seed)
    first, gradients, last = steps_of(
        lambda *given: sgd(*given, rate=rate, momentum=momentum), start_sgd, rng, 5
    )
    reference = by_torch(lambda torch, w: torch.optim.SGD(w, lr=rate, momentum=momentum), first, gradients)
    for a, b in zip(flat(last), reference, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@given(st.integers(0, 99), RATES, st.sampled_from([0.0, 0.01, 0.3]))
@settings(max_examples=10)
def test_adamw_is_that_of_pytorch(seed, rate, decay):
    rng = np.random.default_rng(seed)
    first, gradients, last = steps_of(
        lambda *given: adamw(*given, rate=rate, beta1=0.8, beta2=0.95, decay=decay), start_adamw, rng, 5
    )
    settings = {"lr": rate, "betas": (0.8, 0.95), "eps": 1e-8, "weight_decay": decay}
    reference = by_torch(lambda torch, w: torch.optim.AdamW(w, **settings), first, gradients)
    for a, b in zip(flat(last), reference, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("step", "start"), [(sgd, start_sgd), (adamw, start_adamw)])
def test_steps_write_to_nothing_and_keep_float32(step, start):
    parameters, gradients = ({"w": np.full(3, value, np.float32)} for value in (1, 2))
    state = start(parameters)
    for _ in range(3):
        moved, state = step(parameters, gradients, state, rate=0.1)
        assert (parameters["w"] == 1).all()
        assert (gradients["w"] == 2).all()
        assert moved["w"].dtype == np.float32
        assert (moved["w"] < 1).all()
    assert (start(parameters)["velocity" if step is sgd else "mean"]["w"] == 0).all()


def test_the_bowl_is_descended():
    for step, state, rate in ((sgd, start_sgd, 0.1), (adamw, start_adamw, 0.1)):
        w = {"w": np.array([3.0, -2.0])}
        s = state(w)
        for _ in range(400):
            w, s = step(w, {"w": 2 * w["w"]}, s, rate=rate)
        assert np.max(abs(w["w"])) < 1e-3


def test_gradients_that_are_nested_otherwise_are_refused():
    with pytest.raises(KeyError):
        mapped(np.add, {"W": 1}, {"V": 1})
    with pytest.raises(ValueError, match="zip"):
        mapped(np.add, [1, 2], [1])
