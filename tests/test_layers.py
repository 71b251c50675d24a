"""The catalogue: each layer against PyTorch, complex step and its own derivation; and the checkers against mutants."""

import ast
import inspect
import re
import warnings
from dataclasses import replace

import layers_code
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers_cases import (
    CONVOLUTIONS,
    HELD,
    LAYERS_AS_FUNCTIONS,
    POINTWISE,
    POOLING,
    RECURRENT,
    Case,
    arrays_of,
    cases,
    declared,
    settings_in_letters,
    square_case,
    tree_of,
    wrong_vjps,
)
from layers_numbers import Derivation
from layers_reading import Equation, Partial, lines_of

from einbackprop.checking import certifying
from einbackprop.core import nesting
from einbackprop.errors import RangeError, ShapeError
from einbackprop.layers import CATALOGUE, FAMILIES, attention, losses, normalization, pointwise, softmax
from einbackprop.layers.convolution import convolution_1d
from einbackprop.layers.dropout import dropout
from einbackprop.layers.embedding import embedding, embedding_vjp
from einbackprop.layers.linear import linear
from einbackprop.layers.pooling import average_pooling_vjp
from einbackprop.layers.recurrence import gru, lstm, rnn
from einbackprop.layers.windows import scatter, windows
from einbackprop.plans.compilation import compile as compile_
from einbackprop.plans.gradients import value_and_grad

EVERY = pytest.mark.parametrize("name", CATALOGUE)
STEP = 1e-30


def leaves(value):
    return [array for _, array in nesting.leaves(value)]


def few(examples):
    """Hypothesis draws this many examples, or as many as the profile says if that is more than usual."""
    return settings(max_examples=max(examples, settings.default.max_examples // 50 * examples))


# --- what there is -------------------------------------------------------------------------------


def test_the_catalogue_has_every_layer():
    wanted = (
        "linear, sigmoid, tanh, relu, leaky relu, softplus, gelu, silu, softmax, log softmax, half squared error, "
        "cross-entropy, soft cross-entropy, binary cross-entropy, batch norm, layer norm, RMS norm, group norm, "
        "dropout, embedding, convolution 1d, convolution 2d, average pooling, max pooling, RNN, LSTM, GRU, attention, "
        "multi-head attention, rotary position, feed-forward, transformer block"
    )
    assert set(CATALOGUE) == set(wanted.split(", "))
    assert len(CATALOGUE) == sum(len(family.LAYERS) for family in FAMILIES)


@EVERY
def test_vjp_takes_and_returns_what_the_layer_says(name):
    layer = CATALOGUE[name]
    taken = [p.name for p in inspect.signature(layer.forward).parameters.values()]
    given = [p.name for p in inspect.signature(layer.vjp).parameters.values()]
    settings_of = [p.name for p in inspect.signature(layer.forward).parameters.values() if p.kind is p.KEYWORD_ONLY]
    needed = [output for output in layer.outputs if output in given]
    arrays = [argument for argument in taken if argument not in settings_of]
    assert given == [f"d{output}" for output in layer.outputs] + arrays + needed + settings_of

    named = re.findall(r"`([^`]*)`", layer.vjp.__doc__ or "")[0]
    letters = {tensor.name: ",".join(tensor.letters) for item in declared(layer.forward) if not isinstance(item, list)
               for tensor in [item]}  # fmt: skip
    if name == "transformer block":
        assert named == "dx[b,t,e]"
    else:
        assert named == ", ".join(f"d{w}[{letters[w]}]" if w in letters else f"d{w}" for w in layer.wrt)


@EVERY
def test_a_layer_shows_its_derivation_as_it_stands_in_the_file(name):
    layer = CATALOGUE[name]
    assert layer.derivation in inspect.getsource(inspect.getmodule(layer.vjp))
    assert layer.derivation.strip() in str(layer)
    assert str(layer).startswith(f"{name}: {layer.words}\n")


# --- numbers -------------------------------------------------------------------------------------


def rounding(case, evaluate):
    """How far a rounding of each step can carry each value of `evaluate`, in the case's dtype: measured, by noise."""
    eps = float(np.finfo(case.cotangents[0].dtype).eps)
    wide = case.cast(np.float64)
    exact = evaluate(wide)
    worst = [np.max(abs(value), initial=0) for value in exact]
    for salt in range(3):

        def noisy(value, salt=salt):
            return nesting.rebuild(value, lambda array: certifying.rounded(array, salt))

        moved = evaluate(Case(case.name, noisy(wide.arguments), case.settings, noisy(wide.cotangents)))
        for n, (a, b) in enumerate(zip(moved, exact, strict=True)):
            off = np.max(abs(np.asarray(a) - b), initial=0) / certifying.AMPLIFICATION / np.finfo(np.float64).eps
            worst[n] = max(worst[n], off)
    return [eps * units for units in worst]


ROUNDINGS = 40  # sums of a few dozen numbers, by another order of steps


def assert_close(values, references, worst):
    for value, reference, unit in zip(values, references, worst, strict=True):
        assert value.shape == reference.shape
        assert np.max(abs(value.astype(float) - reference), initial=0) <= ROUNDINGS * unit


def directional(case, direction):
    """d/dh of Σ cotangents · forward(primals + h direction), by a complex step: no formula of a derivative in it."""
    names = list(inspect.signature(case.layer.forward).parameters)
    arguments = list(case.arguments)
    for name, step in zip(case.layer.wrt, direction, strict=True):
        at = names.index(name)
        if isinstance(step, list):
            arguments[at] = [array + STEP * 1j * one for array, one in zip(arguments[at], step, strict=True)]
        else:
            arguments[at] = arguments[at] + STEP * 1j * step
    outputs = case.forward(*arguments)
    return sum(np.sum(c * o) for c, o in zip(case.cotangents, outputs, strict=True)).imag / STEP


def agrees_with_complex_step(case, vjp=None):
    """Whether a vjp is right along a random direction in each argument by itself: then it is right in each entry."""
    rng = np.random.default_rng(0)
    cotangents = case.vjp(vjp)
    primals = case.primals()
    for n, _ in enumerate(primals):
        direction = nesting.rebuild([nesting.rebuild(p, np.zeros_like) for p in primals], np.copy)
        direction[n] = nesting.rebuild(direction[n], lambda array: rng.standard_normal(array.shape))
        products = [np.sum(a * b) for a, b in zip(leaves(cotangents), leaves(direction), strict=True)]
        sizes = [np.sum(abs(a * b)) for a, b in zip(leaves(cotangents), leaves(direction), strict=True)]
        if not abs(directional(case, direction) - sum(products)) <= 1e-10 * sum(sizes) + 1e-13:
            return False
    return True


@EVERY
@few(5)
@given(st.data())
def test_vjp_is_the_complex_step(name, data):
    assert agrees_with_complex_step(data.draw(cases(name)))


@pytest.mark.slow
@pytest.mark.long
@EVERY
@few(3)
@given(st.data())
def test_forward_and_vjp_are_those_of_pytorch(name, data):
    pytest.importorskip("torch")
    import layers_torch

    case = data.draw(cases(name, ones=name not in NORMALIZED))
    for dtype in (np.float64, np.float32):
        narrow = case.cast(dtype)
        wide = narrow.cast(np.float64)  # the same numbers
        names = list(inspect.signature(case.layer.forward).parameters)
        wrt = [names.index(w) for w in case.layer.wrt]
        outputs, gradients = layers_torch.forward_and_vjp(name, wide.arguments, case.settings, wide.cotangents, wrt)
        assert_close(narrow.forward(), outputs, rounding(narrow, lambda c: c.forward()))
        assert_close(leaves(narrow.vjp()), gradients, rounding(narrow, lambda c: leaves(c.vjp())))


# Over one entry, the variance is 0, and a gradient that is 0 is rounding in PyTorch.
NORMALIZED = ("batch norm", "layer norm", "group norm", "transformer block")


@EVERY
@few(2)
@given(st.data())
def test_float32_stays_float32_and_nothing_is_written_to(name, data):
    case = data.draw(cases(name)).cast(np.float32)
    before = [array.copy() for array in leaves((case.arguments, case.cotangents))]
    for value in (*case.forward(), *leaves(case.vjp())):
        assert value.dtype == np.float32
    after = leaves((case.arguments, case.cotangents))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


# --- the derivations -----------------------------------------------------------------------------


def derivation_of(case):
    layer = case.layer
    return Derivation(lines_of(layer.derivation), arrays_of(case), LAYERS_AS_FUNCTIONS, settings_in_letters(case))


def small(name):
    return cases(name, max_size=2 if name in (*CONVOLUTIONS, *POOLING) else 3, steps=1)


@EVERY
@few(3)
@given(st.data())
def test_equations_of_the_derivation_hold_in_the_code(name, data):
    derivation = derivation_of(data.draw(small(name)))
    compared = 0
    for line, value, held in derivation.equations():
        if held is not None:
            np.testing.assert_allclose(value, held, rtol=1e-9, atol=1e-11, err_msg=line.text)
            compared += 1
    layer = CATALOGUE[name]
    lines = {line.name for line in derivation.lines if isinstance(line, Equation)}
    assert compared
    assert lines >= set(layer.outputs)
    if name in RECURRENT:  # there the cotangents of the state before are called so
        lines |= {"dh0"} if "dp" in lines else set()
        lines |= {"dc0"} if "dbefore" in lines else set()
    if name != "transformer block":  # its parameters' cotangents are those of its parts
        assert {f"d{w}" for w in layer.wrt} <= lines


@EVERY
@few(3)
@given(st.data())
def test_partial_derivatives_are_the_complex_steps(name, data):
    derivation = derivation_of(data.draw(small(name)))
    list(derivation.equations())
    for name_held in HELD.get(name, ()):
        derivation.lines = [line for line in derivation.lines if getattr(line, "name", "") != name_held]
    for line in derivation.partials():
        stepped = derivation.stepped(line)
        for value in derivation.stated(line):
            np.testing.assert_allclose(value, stepped, rtol=1e-8, atol=1e-9, err_msg=line.text)


@EVERY
@few(3)
@given(st.data())
def test_what_follows_is_the_chain_rule(name, data):
    derivation = derivation_of(data.draw(small(name)))
    values = {id(line): value for line, value, _ in derivation.equations()}
    count = 0
    for line in derivation.partials():
        stated = derivation.stated(line)
        later = derivation.lines[derivation.lines.index(line) + 1 :]
        after = next((line for line in later if isinstance(line, Partial) or line.follows), None)
        if not isinstance(after, Equation):
            continue
        (of, of_letters), (_, by_letters) = line.of, line.by
        cotangent = derivation.line(derivation.arrays).array(f"d{of}", of_letters)
        of_letters = "".join(of_letters) or "Z" * cotangent.ndim
        by_letters = "".join(by_letters) or "Z"
        kept = "".join(dict.fromkeys(of_letters + by_letters))
        chained = np.einsum(f"{of_letters},{kept}->{by_letters}", cotangent, stated[-1])
        np.testing.assert_allclose(chained, values[id(after)], rtol=1e-8, atol=1e-9, err_msg=line.text)
        count += 1
    assert count == sum(isinstance(line, Equation) and line.follows for line in derivation.lines)


@EVERY
def test_einsums_are_the_equations_of_the_derivation(name):
    unexplained, count = layers_code.unexplained(CATALOGUE[name])
    assert not unexplained
    assert count or name in ("embedding", "transformer block")  # a gather; calls of other layers


@EVERY
def test_subscripts_are_the_declared_letters(name):
    """Each operand that is declared has its declared letters, wherever it stands."""
    layer = CATALOGUE[name]
    for function in (layer.forward, layer.vjp):
        letters = {t.name: "".join(t.letters) for i in declared(function) for t in (i if isinstance(i, list) else [i])}
        for call in layers_code.einsum_calls(tree_of(function)):
            terms = call.args[0].value.split("->")[0].split(",")
            for term, operand in zip(terms, call.args[1:], strict=True):
                if isinstance(operand, ast.Name) and operand.id in letters:
                    also = ALSO.get((name, operand.id))
                    assert term in (letters[operand.id], also), f"{term} for {operand.id} in {ast.unparse(call)}"


ALSO = {("multi-head attention", "x"): "bse"}  # the same positions, looked at


# --- the checkers, against mutants ---------------------------------------------------------------


WITH_LETTERS = [n for n in CATALOGUE if n not in (*POINTWISE, "embedding", "transformer block")]


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_LETTERS)
def test_a_wrong_literal_is_found(name):
    case = square_case(name)
    assert agrees_with_complex_step(case)
    wrong = list(wrong_vjps(CATALOGUE[name]))
    assert wrong
    for edit, mutant in wrong:
        try:
            right = agrees_with_complex_step(case, mutant)
        except (ShapeError, ValueError):  # a letter with two sizes
            right = False
        assert not right, edit


@EVERY
def test_a_wrong_letter_in_a_derivation_is_found(name):
    """Of each cotangent's equation, two letters of a factor exchanged: the code then says something else."""
    layer = CATALOGUE[name]
    assert not layers_code.unexplained(layer)[0]
    for line in layer.derivation.splitlines():
        head, equals, right = line.rpartition(" = ")
        for found in re.finditer(r"\[(\w),(\w)((?:,\w)*)\]", right) if re.search(r"(^|⇒ +)d\w+\[", head) else []:
            first, second, rest = found.groups()
            wrong = f"{head}{equals}{right[: found.start()]}[{second},{first}{rest}]{right[found.end() :]}"
            if name not in ("embedding", "transformer block") and "·" not in line and "t" not in (first, second):
                changed = replace(layer, derivation=layer.derivation.replace(line, wrong))
                assert layers_code.unexplained(changed)[0], wrong


# --- extremes ------------------------------------------------------------------------------------


def float32(*values):
    return np.array(values, np.float32)


def test_sigmoids_at_a_thousand():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = float32(-1000, -80, 0, 80, 1000)
        np.testing.assert_allclose(pointwise.sigmoid(x), [0, np.exp(-80.0), 0.5, 1, 1], rtol=1e-6)
        np.testing.assert_allclose(pointwise.softplus(x), [0, np.exp(-80.0), np.log(2), 80, 1000], rtol=1e-6)
        np.testing.assert_allclose(pointwise.silu(x), [0, -80 * np.exp(-80.0), 0, 80, 1000], rtol=1e-6)
        np.testing.assert_allclose(pointwise.gelu(x), [0, 0, 0, 80, 1000], rtol=1e-6)
        ones = np.ones_like(x)
        np.testing.assert_allclose(pointwise.sigmoid_vjp(ones, x, pointwise.sigmoid(x)), [0, 0, 0.25, 0, 0], atol=1e-7)
        np.testing.assert_allclose(pointwise.softplus_vjp(ones, x), [0, 0, 0.5, 1, 1], atol=1e-7)
        np.testing.assert_allclose(pointwise.silu_vjp(ones, x), [0, 0, 0.5, 1, 1], atol=1e-7)
        np.testing.assert_allclose(pointwise.gelu_vjp(ones, x), [0, 0, 0.5, 1, 1], atol=1e-7)


def test_softmax_and_cross_entropy_at_ten_thousand():
    z = float32(1e4, -1e4, 0).reshape(3, 1)
    label = np.array([1])
    np.testing.assert_array_equal(softmax.softmax(z).ravel(), [1, 0, 0])
    np.testing.assert_array_equal(softmax.log_softmax(z).ravel(), [0, -2e4, -1e4])
    assert losses.cross_entropy(z, label) == 2e4
    np.testing.assert_array_equal(losses.cross_entropy_vjp(1.0, z, label).ravel(), [1, -1, 0])
    target = float32(0, 1, 0).reshape(3, 1)
    assert losses.soft_cross_entropy(z, target) == 2e4
    np.testing.assert_array_equal(losses.soft_cross_entropy_vjp(1.0, z, target)[0].ravel(), [1, -1, 0])
    assert losses.binary_cross_entropy(z, target) == pytest.approx(2e4 + np.log(2))
    np.testing.assert_array_equal(losses.binary_cross_entropy_vjp(1.0, z, target)[0].ravel(), [1, -1, 0.5])


def compiled(function):
    """A function that is compiled for its arguments each time."""
    return lambda *arguments: compile_(function, *arguments)(*arguments)


@pytest.mark.parametrize("run", [lambda function: function, compiled], ids=["derived", "compiled"])
def test_derived_gradients_are_as_stable(run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        z, label, target = float32(1e4, -1e4, 0).reshape(3, 1), np.array([1]), float32(0, 1, 0).reshape(3, 1)
        for loss, goal, slope in ((losses.cross_entropy, label, 0), (losses.soft_cross_entropy, target, 0),
                                  (losses.binary_cross_entropy, target, 0.5)):  # fmt: skip
            value, gradient = run(value_and_grad(loss))(z, goal)
            assert value == pytest.approx(2e4, rel=1e-4)
            np.testing.assert_array_equal(gradient.ravel(), [1, -1, slope])
        x = float32(-1000, 0, 1000)
        for function, slopes in ((pointwise.sigmoid, (0, 0.25, 0)), (pointwise.softplus, (0, 0.5, 1)),
                                 (pointwise.silu, (0, 0.5, 1)), (pointwise.gelu, (0, 0.5, 1))):  # fmt: skip

            def total(x, function=function):
                return np.sum(function(x))

            np.testing.assert_allclose(run(value_and_grad(total))(x)[1], slopes, atol=1e-7)


def test_the_derived_gradient_of_layer_norm_at_a_mean_of_two_thousand():
    rng = np.random.default_rng(0)
    x, dy = 2000 + rng.standard_normal((1, 64, 256)), rng.standard_normal((1, 64, 256))
    x, dy = x.astype(np.float32), dy.astype(np.float32)
    gamma, beta = np.ones(256, np.float32), np.zeros(256, np.float32)

    def loss(x):
        return np.sum(dy * normalization.layer_norm(x, gamma, beta))

    exact = normalization.layer_norm_vjp(*(array.astype(float) for array in (dy, x, gamma, beta)))[0]
    for run in (lambda function: function, compiled):
        gradient = run(value_and_grad(loss))(x)[1]
        assert gradient.dtype == np.float32
        assert np.max(abs(gradient - exact)) < 5e-4


def test_scores_of_ten_thousand_under_a_mask():
    q = np.full((1, 1, 2, 1), 1e4, np.float32)
    k, v = float32(-1, 1).reshape(1, 1, 2, 1), float32(3, 5).reshape(1, 1, 2, 1)
    o = attention.attention(q, k, v, attention.causal_mask(2))
    np.testing.assert_array_equal(o.ravel(), [3, 5])  # the first sees the first alone, though the second fits better


@pytest.mark.parametrize("name", ["layer norm", "batch norm", "group norm"])
def test_normalization_at_a_mean_of_two_thousand(name):
    rng = np.random.default_rng(0)
    x = (2000 + rng.standard_normal((64, 256))).astype(np.float32)
    layer, shape = CATALOGUE[name], {"layer norm": (1, 64, 256), "batch norm": (64, 256), "group norm": (64, 1, 16, 16)}
    x = x.reshape(shape[name])
    size = {"layer norm": 256, "batch norm": 64, "group norm": (1, 16)}[name]
    gamma, beta, dy = np.ones(size, np.float32), np.zeros(size, np.float32), rng.standard_normal(x.shape)
    exact = layer.forward(x.astype(float), gamma.astype(float), beta.astype(float))
    assert np.max(abs(layer.forward(x, gamma, beta) - exact)) < 2e-3  # one pass: E[x²] - E[x]² is 0.5 off or worse
    dx = layer.vjp(dy, x.astype(float), gamma.astype(float), beta.astype(float))[0]
    assert np.max(abs(layer.vjp(dy.astype(np.float32), x, gamma, beta)[0] - dx)) < 5e-3
    one_pass = np.mean(x * x, dtype=np.float32) - np.mean(x, dtype=np.float32) ** 2
    assert abs(one_pass - 1) > 0.01


# --- windows -------------------------------------------------------------------------------------


def test_windows_are_a_view():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert np.shares_memory(windows(x, (2, 2), stride=2), x)
    assert np.shares_memory(windows(x, (2,), dilation=2), x)
    assert not np.shares_memory(windows(x, (2,), padding=1), x)


@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3))
def test_windows_and_scatter_are_the_bracket(pixels, kernel, stride, padding, dilation):
    if pixels + 2 * padding < dilation * (kernel - 1) + 1:
        with pytest.raises(ShapeError, match="no window fits"):
            windows(np.zeros(pixels), (kernel,), stride, padding, dilation)
        return
    count = (pixels + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    bracket = np.zeros((pixels, count, kernel))
    for y in range(count):
        for r in range(kernel):
            if 0 <= (p := stride * y + dilation * r - padding) < pixels:
                bracket[p, y, r] = 1
    x, w = np.arange(1.0, pixels + 1), np.arange(1.0, count * kernel + 1).reshape(count, kernel)
    seen = windows(x, (kernel,), stride, padding, dilation)
    np.testing.assert_array_equal(seen, np.einsum("pyr,p->yr", bracket, x))
    np.testing.assert_array_equal(scatter(w, (pixels,), stride, padding, dilation), np.einsum("pyr,yr->p", bracket, w))


# --- what is wrong with an argument ---------------------------------------------------------------


def zeros(*shape):
    return np.zeros(shape)


MESSAGES = {
    "linear: c[i] has i = 1 (shape (1,)), but W[i,j] has i = 4 (shape (4, 3)). One letter has one size, and a size of "
    "1 does not stretch: c should have the shape (4,).": lambda: linear(zeros(4, 3), zeros(3, 5), zeros(1)),
    "sigmoid_vjp: dy has the shape (1, 3), but x has (2, 3). The function works entry by entry: pass arrays of one "
    "shape.":
        lambda: pointwise.sigmoid_vjp(zeros(1, 3), zeros(2, 3), zeros(2, 3)),
    "cross_entropy: label[2] is 3, but k runs from 0 to 2.":
        lambda: losses.cross_entropy(zeros(3, 4), np.array([0, 2, 3, 9])),
    "cross_entropy: label[1] is -1, but k runs from 0 to 2.":
        lambda: losses.cross_entropy(zeros(3, 2), np.array([0, -1])),
    "cross_entropy_vjp: label has dtype float64, but it picks along k; pass integers.":
        lambda: losses.cross_entropy_vjp(1.0, zeros(3, 2), zeros(2)),
    "cross_entropy: label[b] should have 1 axis, one for each letter, but the array passed has 2 (shape (3, 2)); "
    "reshape it.": lambda: losses.cross_entropy(zeros(3, 2), zeros(3, 2)),
    "embedding: token[1,0] is 5, but v runs from 0 to 4.":
        lambda: embedding(zeros(5, 2), np.array([[0, 1], [5, 0]])),
    "embedding_vjp: token[0,1] is -2, but v runs from 0 to 4.":
        lambda: embedding_vjp(zeros(1, 2, 2), zeros(5, 2), np.array([[0, -2]])),
    "dropout: keep is 0; pass the fraction of units that stay, above 0, at most 1.":
        lambda: dropout(zeros(2), zeros(2), keep=0),
    "dropout: x has the shape (2,), but mask has (3,). The function works entry by entry: pass arrays of one "
    "shape.":
        lambda: dropout(zeros(2), zeros(3), keep=0.5),
    "no window fits axis 0 of the pixels: a kernel of 3 with dilation 2 spans 5, and there are 4 pixels with padding 0 "
    "on both sides. Stride (1) and dilation are at least 1, padding at least 0.":
        lambda: convolution_1d(zeros(1, 1, 1, 4), zeros(1, 1, 1, 3), zeros(1, 1), dilation=2),
    "attention: mask[t,s] has s = 3 (shape (2, 3)), but k[b,h,s,d] has s = 2 (shape (1, 1, 2, 4)). One letter has one "
    "size: mask should have the shape (2, 2).":
        lambda: attention.attention(zeros(1, 1, 2, 4), zeros(1, 1, 2, 4), zeros(1, 1, 2, 4), np.ones((2, 3), bool)),
    "attention: mask[1,:] lets position 1 see nothing; let each position see one at least.":
        lambda: attention.attention(*[zeros(1, 1, 2, 4)] * 3, np.array([[True, True], [False, False]])),
    "rotary: x[b,h,t,d] has d = 5 (shape (1, 1, 2, 5)), but R[t,w,c,a] has w = 2, which turns 4 features in pairs. "
    "Make R by rotations(T, d // 2), for an even d.":
        lambda: attention.rotary(zeros(1, 1, 2, 5), attention.rotations(2, 2)),
    "lstm: Wx[q,i,j] has q = 3 (shape (3, 2, 2)), but there are 4 gates.":
        lambda: lstm(zeros(1, 2, 1), zeros(2, 1), zeros(2, 1), zeros(3, 2, 2), zeros(3, 2, 2), zeros(3, 2)),
    "rnn: x[t,j,b] has t = 0 (shape (0, 2, 1)), but one step at least is needed.":
        lambda: rnn(zeros(0, 2, 1), zeros(2, 1), zeros(2, 2), zeros(2, 2), zeros(2)),
    "there are 3 windows along axis 1 of the pixels, but 2 fit: a kernel of 2, stride 2, dilation 1, and 4 pixels with "
    "padding 0 on both sides.":
        lambda: average_pooling_vjp(zeros(1, 1, 1, 2, 3), zeros(1, 1, 1, 4, 4), size=2),
    "there are 9 windows along axis 0 of the pixels, but 1 fit: a kernel of 2, stride 3, dilation 1, and 4 pixels with "
    "padding 0 on both sides.":
        lambda: scatter(zeros(9, 2), (4,), stride=3),
    "gru: Wx[q,i,j] has q = 4 (shape (4, 2, 2)), but there are 3 gates.":
        lambda: gru(zeros(1, 2, 1), zeros(2, 1), zeros(4, 2, 2), zeros(4, 2, 2), zeros(4, 2), zeros(4, 2)),
}  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_a_wrong_argument_gets_one_clear_line(message):
    with pytest.raises((ShapeError, RangeError)) as caught:
        MESSAGES[message]()
    assert str(caught.value) == message


def test_gradients_of_a_batch_of_one_are_zero():
    dx, _, _ = normalization.batch_norm_vjp(*np.ones((2, 3, 1)), np.ones(3), np.ones(3))
    np.testing.assert_array_equal(dx, np.zeros((3, 1)))
