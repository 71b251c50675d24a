"""Networks put together of layers: against the exercise's network, PyTorch, and complex step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einbackprop import network
from einbackprop.core import nesting
from einbackprop.errors import RangeError, ShapeError
from einbackprop.layers.pointwise import relu
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
from einbackprop.optimisers import adamw, mapped, sgd, start_adamw, start_sgd
from einbackprop.plans.compilation import compile as compiled
from einbackprop.plans.gradients import value_and_grad
from einbackprop.strategies import layer_sizes


def mlp_relu(parameters, X):
    return mlp(parameters, X, relu)


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


@pytest.mark.slow
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


@pytest.mark.slow
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


# --- beside PyTorch ------------------------------------------------------------------------------


NETWORKS = ["mlp", "convnet", "gpt"]


def as_tensors(parameters, torch):
    return mapped(lambda array: torch.tensor(array, requires_grad=True), parameters)


@pytest.mark.parametrize(("name", "forward"), [("mlp", mlp_relu), ("convnet", convnet), ("gpt", gpt)])
def test_logits_are_those_of_pytorch(name, forward):
    torch = pytest.importorskip("torch")
    from layers_torch import NETWORKS as IN_TORCH

    rng = np.random.default_rng(0)
    _, parameters, inputs, _ = examples(rng)[name]
    parameters = mapped(lambda array: array + 0.1 * rng.standard_normal(array.shape), parameters)
    expected = IN_TORCH[name](as_tensors(parameters, torch), torch.tensor(inputs)).detach().numpy()
    np.testing.assert_allclose(forward(parameters, inputs), expected, rtol=1e-10, atol=1e-12)


OPTIMISERS = {
    "sgd": (lambda *given: sgd(*given, rate=0.05, momentum=0.9), start_sgd,
            lambda torch, tensors: torch.optim.SGD(tensors, lr=0.05, momentum=0.9)),
    "adamw": (lambda *given: adamw(*given, rate=3e-3, decay=0.01), start_adamw,
              lambda torch, tensors: torch.optim.AdamW(tensors, lr=3e-3, weight_decay=0.01)),
}  # fmt: skip


def batches(name, count):
    """The same for both sides."""
    rng = np.random.default_rng(7)
    return [examples(rng)[name][2:] for _ in range(count)]


def losses(name, optimiser, data, parameters):
    """The loss before each step, by what trains: gradients compiled once."""
    loss, *_ = examples(np.random.default_rng(0))[name]
    step, start, _ = OPTIMISERS[optimiser]
    gradient = compiled(value_and_grad(loss), parameters, *data[0], reuse=True)
    state, found = start(parameters), []
    for batch in data:
        value, gradients = gradient(parameters, *batch)
        found.append(float(value))
        parameters, state = step(parameters, gradients, state)
    return found


def torch_losses(name, optimiser, data, parameters):
    import torch
    from layers_torch import NETWORKS as IN_TORCH

    torch.set_num_threads(1)  # so small that threads wait for each other
    tensors = as_tensors(parameters, torch)
    steps = OPTIMISERS[optimiser][2](torch, leaves_of(tensors))
    found = []
    for inputs, label in data:
        z = IN_TORCH[name](tensors, torch.tensor(inputs))
        loss = torch.nn.functional.cross_entropy(z.T, torch.tensor(label).flatten())
        steps.zero_grad()
        loss.backward()
        steps.step()
        found.append(loss.item())
    return found


def leaves_of(nested):
    values = nested.values() if isinstance(nested, dict) else nested
    return [leaf for value in values for leaf in (leaves_of(value) if isinstance(value, dict | list) else [value])]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_losses_of_100_steps_are_those_of_pytorch(name, optimiser):
    pytest.importorskip("torch")
    data = batches(name, 100)
    parameters = examples(np.random.default_rng(0))[name][1]
    found, expected = (side(name, optimiser, data, parameters) for side in (losses, torch_losses))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0)
    assert np.ptp(expected) > 0.1  # they go somewhere


def test_a_step_of_another_length_would_be_seen():
    data = batches("mlp", 20)
    parameters = examples(np.random.default_rng(0))["mlp"][1]
    right = losses("mlp", "sgd", data, parameters)
    moved = mapped(lambda array: array * (1 + 1e-7), parameters)
    assert np.max(abs(np.divide(losses("mlp", "sgd", data, moved), right) - 1)) > 1e-9


# --- what they are -------------------------------------------------------------------------------


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
    "cross_entropy: label[1] is 10, but k runs from 0 to 9.":
        lambda rng: mlp_loss(initialize_mlp([3, 10], rng), np.ones((3, 2)), np.array([0, 10])),
    "cross_entropy: label[0] is -1, but k runs from 0 to 4.":
        lambda rng: convnet_loss(initialize_convnet((8, 8), (2, 2), 5, rng), np.ones((2, 8, 8)), np.array([-1, 0])),
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


def test_a_label_that_is_refused_is_said_of_the_line_that_asked():
    parameters = initialize_mlp([3, 4], np.random.default_rng(0))
    with pytest.raises(RangeError) as caught:
        value_and_grad(mlp_loss)(parameters, np.ones((3, 2)), np.array([0, 4]))
    where, what = str(caught.value).split("\n")
    assert "losses.py" in where
    assert where.endswith('in cross_entropy: require_range("cross_entropy", "label", label, "k", K)')
    assert what == "cross_entropy: label[1] is 4, but k runs from 0 to 3."
