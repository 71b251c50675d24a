"""Networks put together of layers: against the exercise's network, PyTorch, and complex step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einbackprop import nesting, network
from einbackprop.compilation import compile as compiled
from einbackprop.errors import RangeError, ShapeError
from einbackprop.gradients import value_and_grad
from einbackprop.networks import (
    BLOCK,
    convnet,
    convnet_loss,
    gpt,
    gpt_loss,
    initialize_convnet,
    initialize_gpt,
    initialize_mlp,
    mlp,
    mlp_loss,
    mlp_regression_loss,
)
from einbackprop.strategies import layer_sizes


def leaves(value):
    return [array for _, array in nesting.leaves(value)]


@given(layer_sizes(), st.integers(0, 99))
@settings(max_examples=10)
def test_mlp_of_two_hidden_layers_is_the_exercise(sizes, seed):
    *units, batch = sizes
    rng = np.random.default_rng(seed)
    parameters = initialize_mlp(units, rng)
    for layer in parameters["layers"]:
        layer["c"] = rng.standard_normal(layer["c"].shape)
    X, target = rng.standard_normal((units[0], batch)), rng.standard_normal((units[-1], batch))
    flat = [array for layer in parameters["layers"] for array in (layer["W"], layer["c"])]

    activations = network.forward(flat, X)
    np.testing.assert_array_equal(mlp(parameters, X), activations[-1])
    value, gradient = value_and_grad(mlp_regression_loss)(parameters, X, target)
    assert value == pytest.approx(network.squared_loss(activations[-1], target), rel=1e-12)
    found = [array for layer in gradient["layers"] for array in (layer["W"], layer["c"])]
    for a, b in zip(found, network.backward(activations, target, flat), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def examples(rng):
    """Each loss with arguments."""
    return {
        "mlp": (mlp_loss, initialize_mlp([3, 5, 4, 4, 2], rng), rng.standard_normal((3, 6)), rng.integers(0, 2, 6)),
        "convnet": (convnet_loss, initialize_convnet((8, 9), (3, 4), 5, rng), rng.standard_normal((4, 8, 9)),
                    rng.integers(0, 5, 4)),
        "gpt": (gpt_loss, initialize_gpt(7, 5, 8, 2, 2, rng), rng.integers(0, 7, (3, 4)), rng.integers(0, 7, (3, 4))),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["mlp", "convnet", "gpt"])
def test_gradient_of_a_network_is_the_complex_step(name):
    rng = np.random.default_rng(0)
    loss, parameters, *data = examples(rng)[name]  # and no bias 0: where all units of a layer rest, it is a kink
    parameters = nesting.rebuild(parameters, lambda array: array + 0.1 * rng.standard_normal(array.shape))
    value, gradient = value_and_grad(loss)(parameters, *data)
    assert value == pytest.approx(loss(parameters, *data), rel=1e-12)
    for n, (path, array) in enumerate(nesting.leaves(parameters)):
        direction = rng.standard_normal(array.shape)
        moved = nesting.replaced(parameters, path, array + 1e-30j * direction)
        slope = loss(moved, *data).imag / 1e-30
        assert slope == pytest.approx(np.sum(leaves(gradient)[n] * direction), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["mlp", "convnet", "gpt"])
def test_float32_networks_have_float32_losses_and_gradients(name):
    loss, parameters, *data = examples(np.random.default_rng(0))[name]
    narrow = nesting.rebuild(parameters, lambda array: array.astype(np.float32))
    data = [array.astype(np.float32) if array.dtype.kind == "f" else array for array in data]
    assert loss(narrow, *data).dtype == np.float32
    gradient = value_and_grad(loss)
    for function in (gradient, compiled(gradient, narrow, *data)):
        value, cotangents = function(narrow, *data)
        assert {value.dtype, *(array.dtype for array in leaves(cotangents))} == {np.dtype(np.float32)}


def test_convnet_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    parameters, X = initialize_convnet((8, 9), (3, 4), 5, rng), rng.standard_normal((4, 8, 9))
    parameters["bias1"], parameters["c"] = rng.standard_normal((1, 3)), rng.standard_normal(5)
    given = {name: torch.tensor(array) for name, array in parameters.items()}
    h = torch.tensor(X)[:, None]
    for K, bias in (("K1", "bias1"), ("K2", "bias2")):
        h = torch.relu(torch.nn.functional.conv2d(h, given[K][0], given[bias][0], padding=1))
        h = torch.nn.functional.max_pool2d(h, 2)
    z = h.flatten(1) @ given["W"].flatten(1).T + given["c"]
    np.testing.assert_allclose(convnet(parameters, X), z.T.numpy(), rtol=1e-10, atol=1e-12)


def test_gpt_sees_only_what_came_before():
    rng = np.random.default_rng(0)
    parameters, token = initialize_gpt(7, 6, 8, 2, 2, rng), rng.integers(0, 7, (2, 6))
    later = token.copy()
    later[:, 4] = (later[:, 4] + 1) % 7
    before, after = (gpt(parameters, t).reshape(7, 2, 6) for t in (token, later))
    np.testing.assert_array_equal(before[:, :, :4], after[:, :, :4])
    assert (before[:, :, 4:] != after[:, :, 4:]).all()


def test_blocks_have_the_parameters_that_the_block_takes():
    for block in initialize_gpt(7, 6, 8, 2, 3, np.random.default_rng(0))["blocks"]:
        assert set(block) == set(BLOCK)


MESSAGES = {
    "a network has an input and an output, so two sizes at least; [3] were given.":
        lambda rng: initialize_mlp([3], rng),
    "images of 3 by 8 pixels cannot be halved twice; 4 by 4 is the least.":
        lambda rng: initialize_convnet((3, 8), (1, 1), 2, rng),
    "128 features do not divide into 5 heads; choose a multiple of 5.":
        lambda rng: initialize_gpt(9, 8, 128, 5, 1, rng),
    "token[b,t] has t = 9, but there are positions for 8 only; cut the sequences.":
        lambda rng: gpt(initialize_gpt(9, 8, 4, 2, 1, rng), np.zeros((2, 9), int)),
    "embedding: token[0,1] is 9, but v runs from 0 to 8.":
        lambda rng: gpt(initialize_gpt(9, 8, 4, 2, 1, rng), np.array([[0, 9]])),
}  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_networks_refuse_what_does_not_fit_in_one_line(message):
    with pytest.raises((ShapeError, RangeError)) as caught:
        MESSAGES[message](np.random.default_rng(0))
    assert str(caught.value) == message
