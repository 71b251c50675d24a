"""The exercise's network: its numbers, its gradients, its messages, and that it says what it does."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reading import Letters, check_derivations, einsum_lines, is_call

from einbackprop import network
from einbackprop.errors import ShapeError
from einbackprop.network import (
    backward,
    deriv_squared_loss,
    forward,
    initialize,
    sigmoid,
    squared_loss,
)
from einbackprop.strategies import layer_sizes, networks

NAMES = ["W1", "b1", "W2", "b2", "W3", "b3"]
SOURCE = Path(network.__file__).read_text(encoding="utf-8")


# --- the same in matmul style, and what rounding can do to it ------------------------------------


def matmul_forward(parameters, X):
    W1, b1, W2, b2, W3, b3 = parameters
    h1 = 1 / (1 + np.exp(-(W1 @ X + b1[:, None])))
    h2 = 1 / (1 + np.exp(-(W2 @ h1 + b2[:, None])))
    return [X, h1, h2, W3 @ h2 + b3[:, None]]


def matmul_loss(p, t):
    return ((p - t) ** 2).sum() / 2 / t.shape[1]


def matmul_backward(activations, t, parameters):
    (X, h1, h2, p), (_, _, W2, _, W3, _) = activations, parameters
    d3 = (p - t) / t.shape[1]
    d2 = W3.T @ d3 * h2 * (1 - h2)
    d1 = W2.T @ d2 * h1 * (1 - h1)
    return [d1 @ X.T, d1.sum(1), d2 @ h1.T, d2.sum(1), d3 @ h2.T, d3.sum(1)]


def rounding(parameters, X, t):
    """How far rounding can carry each activation, each gradient and the loss, in units of eps.

    To first order: a product adds its factors' errors, each times the other factor; a sum of terms
    adds theirs and the sum of their absolute values, since it can cancel.
    """
    W1, b1, W2, b2, W3, b3 = map(abs, parameters)
    _, h1, h2, p = matmul_forward(parameters, X)
    e1 = h1 + (W1 @ abs(X) + b1[:, None]) / 4  # the sigmoid's slope is 1/4 at most
    e2 = h2 + (W2 @ (h1 + e1) + b2[:, None]) / 4
    ep = W3 @ (h2 + e2) + b3[:, None]

    d3, s2, s1 = abs(p - t) / t.shape[1], h2 * (1 - h2), h1 * (1 - h1)
    ed3 = (ep + abs(p) + abs(t)) / t.shape[1]
    d2, ed2 = W3.T @ d3 * s2, W3.T @ (d3 + ed3) * s2 + W3.T @ d3 * (s2 + e2)
    ed1 = W2.T @ (d2 + ed2) * s1 + W2.T @ d2 * (s1 + e1)
    d1 = W2.T @ d2 * s1
    gradients = [
        (d1 + ed1) @ abs(X).T, (d1 + ed1).sum(1),
        (d2 + ed2) @ h1.T + d2 @ e1.T, (d2 + ed2).sum(1),
        (d3 + ed3) @ h2.T + d3 @ e2.T, (d3 + ed3).sum(1),
    ]  # fmt: skip
    return [e1, e2, ep], gradients, (d3 * (abs(p - t) + 2 * ed3 * t.shape[1])).sum()


# Over 12,000 random networks, the two differed by 1.5 of these units at most: in float32, whose exp
# is good to a few units in the last place.
ROUNDINGS = 3


def assert_close(actual, expected, error, dtype):
    for a, b, e in zip(actual, expected, error, strict=True):
        assert np.shape(a) == np.shape(b)
        assert a.dtype == dtype
        assert np.all(abs(a - b) <= ROUNDINGS * np.finfo(dtype).eps * e)


def assert_same_numbers(parameters, X, targets, change=lambda gradients: None):
    dtype = X.dtype
    activations = forward(parameters, X)
    gradients = backward(activations, targets, parameters)
    change(gradients)
    loss = squared_loss(activations[-1], targets)

    expected = matmul_forward(parameters, X)
    wide = [array.astype(np.float64) for array in [*parameters, X, targets]]
    activation_error, gradient_error, loss_error = rounding(wide[:6], *wide[6:])
    assert activations[0] is X
    assert_close(activations[1:], expected[1:], activation_error, dtype)
    expected_gradients = matmul_backward(expected, targets, parameters)
    assert_close(gradients, expected_gradients, gradient_error, dtype)
    assert_close([loss], [matmul_loss(expected[-1], targets)], [loss_error], dtype)


@pytest.mark.slow
# A BLAS may compute on what lies beside five numbers of 32 bits, and say that it met no number: seen once in many runs.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore:invalid value encountered in dot:RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(data=st.data())
@settings(max_examples=max(500, settings.default.max_examples))
def test_same_numbers_as_matmul_style(dtype, data):
    assert_same_numbers(*data.draw(networks(dtype=dtype, ones=True)))


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-12), (np.float32, 1e-3)])
@pytest.mark.parametrize("position", range(6), ids=NAMES)
def test_tolerance_would_see_a_small_error_in_one_entry(dtype, error, position):
    """Its largest entry wrong by 1e-12 of itself (in float32: by a thousandth)."""

    def change(gradients):
        gradient = gradients[position]
        gradient.flat[abs(gradient).argmax()] *= 1 + error

    rng = np.random.default_rng(0)
    for _ in range(20):
        network = random_network(rng, (3, 5, 4, 2, 7), dtype)
        assert_same_numbers(*network)
        with pytest.raises(AssertionError):
            assert_same_numbers(*network, change)


def random_network(rng, sizes, dtype=np.float64):
    parameters, X, targets = initialize(*sizes, rng=rng)
    parameters = [rng.standard_normal(array.shape).astype(dtype) for array in parameters]
    return parameters, X.astype(dtype), targets.astype(dtype)


# --- gradients against methods that know no formula ----------------------------------------------


def flat_loss(parameters, X, targets):
    """The loss as a function of all parameters in one vector."""
    ends = np.cumsum([array.size for array in parameters])[:-1]

    def loss(vector):
        pieces = np.split(vector, ends)
        arrays = [p.reshape(a.shape) for p, a in zip(pieces, parameters, strict=True)]
        return squared_loss(forward(arrays, X)[-1], targets)

    return loss


def flat(arrays):
    return np.concatenate([array.ravel() for array in arrays])


@given(networks(max_size=6, ones=True))
def test_gradients_agree_with_complex_step(drawn):
    parameters, X, targets = drawn
    loss, vector = flat_loss(*drawn), flat(parameters)
    steps = 1e-200j * np.eye(vector.size)
    expected = np.array([loss(vector + step).imag for step in steps]) / 1e-200
    _, error, _ = rounding(*drawn)
    actual = flat(backward(forward(parameters, X), targets, parameters))
    assert np.all(abs(actual - expected) <= ROUNDINGS * np.finfo(float).eps * flat(error))


@given(networks(max_size=6, ones=True))
def test_gradients_agree_with_central_differences(drawn):
    """To 1e-8 of the scale, where the differences' own error is some 1e-10: h² and eps / h."""
    parameters, X, targets = drawn
    loss, vector, h = flat_loss(*drawn), flat(parameters), 1e-5
    expected = np.array([loss(vector + s) - loss(vector - s) for s in h * np.eye(vector.size)])
    _, error, _ = rounding(*drawn)
    actual = flat(backward(forward(parameters, X), targets, parameters))
    assert np.all(abs(actual - expected / (2 * h)) <= 1e-8 * (1 + flat(error)))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("sizes", [(3, 4, 5, 2, 6), (4, 4, 4, 4, 4), (2, 1, 3, 1, 1)])
def test_gradients_agree_with_jax(sizes):
    jax = pytest.importorskip("jax")
    network = parameters, X, targets = random_network(np.random.default_rng(7), sizes)

    def loss(parameters):
        W1, b1, W2, b2, W3, b3 = parameters
        h1 = jax.nn.sigmoid(W1 @ X + b1[:, None])
        h2 = jax.nn.sigmoid(W2 @ h1 + b2[:, None])
        return ((W3 @ h2 + b3[:, None] - targets) ** 2).sum(axis=0).mean() / 2

    with jax.enable_x64(True):
        expected = [np.asarray(array) for array in jax.grad(loss)(parameters)]
    _, error, _ = rounding(*network)
    assert_close(backward(forward(parameters, X), targets, parameters), expected, error, np.float64)


@pytest.mark.parametrize("seed", range(20))
def test_gradients_agree_with_pytorch(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    network = parameters, X, targets = random_network(rng, rng.integers(1, 9, 5))
    W1, b1, W2, b2, W3, b3 = leaves = [torch.tensor(a, requires_grad=True) for a in parameters]

    h1 = torch.sigmoid(W1 @ torch.tensor(X) + b1[:, None])
    h2 = torch.sigmoid(W2 @ h1 + b2[:, None])
    error = W3 @ h2 + b3[:, None] - torch.tensor(targets)
    ((error**2).sum(dim=0).mean() / 2).backward()

    expected = [leaf.grad.numpy() for leaf in leaves]
    _, error, _ = rounding(*network)
    assert_close(backward(forward(parameters, X), targets, parameters), expected, error, np.float64)


# --- each function by itself ---------------------------------------------------------------------


@given(layer_sizes(ones=True, zeros=True))
def test_initialize_without_rng_draws_from_numpys_global_state(sizes):
    i, j, k, l, b = sizes
    np.random.seed(3)
    parameters, X, targets = initialize(i, j, k, l, b)
    np.random.seed(3)
    assert_array_equal(parameters[0], np.random.randn(j, i) * 0.01)
    assert_array_equal(parameters[2], np.random.randn(k, j) * 0.01)
    assert_array_equal(parameters[4], np.random.randn(l, k) * 0.01)
    assert_array_equal(X, np.random.rand(i, b))
    assert_array_equal(targets, np.random.randn(l, b))
    for bias, size in zip(parameters[1::2], (j, k, l), strict=True):
        assert_array_equal(bias, np.zeros(size))


def test_initialize_with_rng_leaves_numpys_global_state_alone():
    np.random.seed(3)
    first = flat(initialize(3, 4, 5, 2, 6, rng=np.random.default_rng(1))[0])
    assert np.random.rand() == np.random.RandomState(3).rand()
    assert_array_equal(first, flat(initialize(3, 4, 5, 2, 6, np.random.default_rng(1))[0]))


def exact_sigmoid(x):
    """1 / (1 + exp(-x)) from longdouble, whose exponents reach beyond float64's."""
    return 1 / (1 + np.exp(-np.longdouble(x)))


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="longdouble is no wider")
@pytest.mark.parametrize(("dtype", "reach"), [(np.float64, 700), (np.float32, 85)])
def test_sigmoid_is_right_to_the_last_bits(dtype, reach):
    x = np.concatenate([np.linspace(-reach, reach, 4001), [-40, -1, -1e-9, 0, 1e-9, 40]])
    x = x.astype(dtype)
    error = abs(sigmoid(x) - exact_sigmoid(x)) / exact_sigmoid(x)
    assert error.max() <= 4 * np.finfo(dtype).eps
    tanh_form = (1 + np.tanh(x / 2)) / 2  # what such a tolerance refuses
    assert (abs(tanh_form - exact_sigmoid(x)) / exact_sigmoid(x)).max() > 0.9


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_sigmoid_neither_warns_nor_overflows(dtype):
    x = np.array([-np.inf, -1e30, -1000, 1000, 1e30, np.inf], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert_array_equal(sigmoid(x[1:-1]), np.array([0, 0, 1, 1], dtype), strict=True)
        if dtype is not np.complex128:
            assert_array_equal(sigmoid(x), np.array([0, 0, 0, 1, 1, 1], dtype), strict=True)
    with pytest.raises(FloatingPointError), np.errstate(over="raise"):
        1 / (1 + np.exp(-x[2:3]))  # as the exercise has it


@pytest.mark.parametrize("step", [1e-200j, -1e-200j])
def test_sigmoid_is_right_under_complex_step(step):
    x = np.array([-1000, -200, -40, -1, -1e-9, 0, 1e-9, 1, 40, 200, 1000.0])
    slope = (sigmoid(x + step) / step).real
    expected = exact_sigmoid(x) * exact_sigmoid(-x)
    assert np.all(abs(slope - expected) <= 4 * np.finfo(float).eps * expected + 1e-320)


def test_sigmoid_takes_scalars_and_integers():
    assert sigmoid(0) == sigmoid(0.0) == 0.5
    assert_array_equal(sigmoid(np.array([-2, 2])), sigmoid(np.array([-2.0, 2.0])), strict=True)


def test_loss_of_known_numbers():
    predictions, targets = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [1.0, 1.0]])
    assert squared_loss(predictions, targets) == (1 + 4 + 9) / 2 / 2
    assert_array_equal(deriv_squared_loss(predictions, targets), [[0.5, 0], [1, 1.5]])


def test_backward_changes_nothing_that_it_is_given():
    parameters, X, targets = random_network(np.random.default_rng(0), (3, 4, 5, 2, 6))
    activations = forward(parameters, X)
    before = flat([*parameters, *activations, targets])
    backward(activations, targets, parameters)
    assert_array_equal(flat([*parameters, *activations, targets]), before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble, np.complex128])
def test_dtype_stays(dtype):
    parameters, X, targets = random_network(np.random.default_rng(0), (3, 4, 5, 2, 6), dtype)
    activations = forward(parameters, X)
    gradients = backward(activations, targets, parameters)
    loss = squared_loss(activations[-1], targets)
    slope = deriv_squared_loss(activations[-1], targets)
    assert {array.dtype for array in [*activations, *gradients, loss, slope]} == {np.dtype(dtype)}


# --- messages ------------------------------------------------------------------------------------


def message_of(function, *arguments):
    with pytest.raises(ShapeError) as caught:
        function(*arguments)
    return str(caught.value)


def test_messages_name_tensor_letter_and_sizes():
    parameters, X, targets = random_network(np.random.default_rng(0), (3, 4, 5, 2, 6))
    W1, b1, W2, b2, W3, b3 = parameters
    activations = X, hid_1, hid_2, predictions = forward(parameters, X)

    assert message_of(forward, [W1, b1, W2, b2[:1], W3, b3], X) == (
        "forward: b2[k] has k = 1 (shape (1,)), but W2[k,j] has k = 5 (shape (5, 4)). One letter "
        "has one size, and a size of 1 does not stretch: b2 should have the shape (5,)."
    )
    assert message_of(forward, [W1, b1, W2, b2, W3.T, b3], X) == (
        "forward: W3[l,k] has k = 2 (shape (5, 2)), but W2[k,j] has k = 5 (shape (5, 4)). One "
        "letter has one size: W3 should have the shape (2, 5), its transpose."
    )
    assert message_of(backward, activations, targets[:, :1], parameters) == (
        "backward: targets[l,b] has b = 1 (shape (2, 1)), but X[i,b] has b = 6 (shape (3, 6)). One "
        "letter has one size, and a size of 1 does not stretch: targets should have the shape "
        "(2, 6)."
    )
    assert message_of(backward, [X, hid_1, hid_2], targets, parameters) == (
        "backward: activations has length 3; pass these 4 arrays: X[i,b], hid_1[j,b], hid_2[k,b], "
        "predictions[l,b]."
    )
    for function in (squared_loss, deriv_squared_loss):
        assert message_of(function, predictions, targets[0]) == (
            f"{function.__name__}: targets[l,b] should have 2 axes, one for each letter, but the "
            "array passed has 1 (shape (6,)); reshape it."
        )


# --- the file says what it does ------------------------------------------------------------------


LETTERS = {
    "X": "ib", "W1": "ji", "b1": "j", "z1": "jb", "hid_1": "jb",
    "W2": "kj", "b2": "k", "z2": "kb", "hid_2": "kb",
    "W3": "lk", "b3": "l", "predictions": "lb", "targets": "lb", "ones": "b",
}  # fmt: skip


def test_every_letter_has_one_meaning_throughout_the_file():
    letters = Letters(SOURCE)
    for name, own in LETTERS.items():
        assert letters[name] == own
        assert letters.get(f"d{name}", own) == own


def test_every_backward_line_follows_from_the_partial_derivative_above_it():
    assert check_derivations(SOURCE, Letters(SOURCE)) == len(
        einsum_lines(SOURCE.split("backward(")[1])
    )


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"lk,lb->kb"', '"kl,lb->kb"'),  # W3 untransposed
        ('"kb,jb->kj"', '"kb,jb->jk"'),  # dW2 transposed
        ('"kb,jb->kj"', '"kc,jc->kj"'),  # another letter for the batch
        ("dhid_1, hid_1, 1 - hid_1", "dhid_1, hid_1, 1 - hid_2"),  # the other layer's sigmoid
        ("predictions[l,b], targets[l,b]", "predictions[k,b], targets[k,b]"),  # l and k mixed
        ("dz2 = einsum", "dW2 = einsum"),
    ],
)
def test_a_letter_with_two_meanings_would_be_seen(right, wrong):
    assert right in SOURCE
    with pytest.raises((AssertionError, KeyError)):
        Letters(SOURCE.replace(right, wrong))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("= W3[l,m] [b=d]", "= W3[m,l] [b=d]"),
        ("= [k=n] hid_1[m,b]", "= [k=m] hid_1[m,b]"),
        ("= [k=n] ones[b]", "= [k=n] [b=d] ones[b]"),
        ("(1 - hid_2[k,b]) [k=n] [b=d]", "(1 - hid_2[k,b]) [k=n]"),
        ("dz2[k,b] = dhid_2[k,b]", "dz2[k,b] = dz2[k,b]"),
        ("Σ_k W2[k,j] dz2[k,b]", "Σ_b W2[k,j] dz2[k,b]"),
        ("Σ_l W3[l,k] dpredictions[l,b]", "Σ_l W3[k,l] dpredictions[l,b]"),
        ("W3, dpredictions)", "W3, targets)"),
        ('"jb,ib->ji", dz1, X', '"ib,jb->ji", X, dz1'),
    ],
)
def test_a_formula_that_does_not_follow_would_be_seen(right, wrong):
    assert right in SOURCE
    with pytest.raises(AssertionError):
        check_derivations(SOURCE.replace(right, wrong), Letters(SOURCE))


def test_forward_equations_stand_above_their_backward_lines():
    in_forward, in_backward = SOURCE.split("\ndef forward(")[1].split("\ndef backward(")
    for equation in re.findall(r"# (\w+\[\w,b\] = Σ.*)", in_forward):
        assert f"# {equation}\n    #\n    # ∂{equation.split(' = ')[0]}/∂" in in_backward


def test_formulas_are_literal_einsums_and_nothing_else():
    tree = ast.parse(SOURCE)
    calls = [node for node in ast.walk(tree) if is_call(node, "einsum")]
    assert len(calls) == len(re.findall(r"\beinsum\(", SOURCE)) == 18
    assert all(isinstance(call.args[0], ast.Constant) for call in calls)
    for node in ast.walk(tree):
        assert not isinstance(node, ast.MatMult)
        assert getattr(node, "attr", None) not in {"T", "dot", "matmul", "transpose", "sum", "mean"}
