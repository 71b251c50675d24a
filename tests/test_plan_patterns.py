"""Plans of index patterns and recurrences against the interpreter: blocks of any length, any stride and dilation."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lowering import checked, typed

import einbackprop as eb
from einbackprop.capture.tracer import trace
from einbackprop.core.program import Program
from einbackprop.derivation.accumulation import value_and_vjp, vjp
from einbackprop.layers.convolution import convolution_1d, convolution_2d, convolution_2d_vjp
from einbackprop.layers.recurrence import gru, lstm, rnn
from einbackprop.plans import assembly, blocks, contractions, lowering, products, rounds, spreading, workers
from einbackprop.plans.lowering import Plan, lower
from einbackprop.plans.preparation import paired

Shape = tuple[int, ...]
FEWER = settings(max_examples=settings.default.max_examples * 2 // 5)


def loss_of(layer: Any, *arguments: Any, **options: int) -> Program:
    """The gradient of a weighted sum of what a layer returns."""
    seed = np.cos(np.arange(np.size(layer(*arguments, **options))))
    return value_and_vjp(trace(lambda *a: np.sum(layer(*a, **options).reshape(-1) * seed), *arguments))


@st.composite
def convolutions(draw: Any) -> tuple[Program, list[np.ndarray]]:
    """The gradient of a convolution along one axis or two, and its arguments."""
    axes = draw(st.integers(1, 2))
    b, g, i, o = (draw(st.integers(1, 3)) for _ in range(4))
    kernel = [draw(st.integers(1, 3)) for _ in range(axes)]
    options = {name: draw(st.integers(low, 2)) for name, low in (("stride", 1), ("dilation", 1), ("padding", 0))}
    spans = [options["dilation"] * (r - 1) + 1 for r in kernel]
    pixels = [max(1, span - 2 * options["padding"]) + draw(st.integers(0, 4)) for span in spans]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shapes = [(b, g, i, *pixels), (g, o, i, *kernel), (g, o)]
    arguments = [rng.normal(size=shape) for shape in shapes]
    return loss_of(convolution_1d if axes == 1 else convolution_2d, *arguments, **options), arguments


@contextlib.contextmanager
def blocks_of(cached: int, added: float, count: int = 1) -> Iterator[None]:
    """Small arrays are taken as large ones; ``added`` is what adding to a place costs, ``count`` how many work."""
    with (
        patch.multiple(blocks, LONG=0, CACHED=cached), patch.object(products, "NARROW", 1),
        patch.object(contractions, "FILLED", 0), patch.object(spreading, "ADDED", added),
        patch.object(workers, "available", lambda: count), patch.object(lowering, "are_disturbed", lambda _: False),
    ):  # fmt: skip
        yield


@pytest.mark.slow
@given(
    convolutions(), st.sampled_from(["float64", "float32"]), st.booleans(),
    st.sampled_from([64, 600, 2400, 10**6]), st.sampled_from([0.0, 1.0, 100.0]), st.integers(1, 3),
)  # fmt: skip
def test_convolutions_as_they_are_lowered_and_in_blocks_of_any_length(
    drawn: Any, dtype: str, reuse: bool, cached: int, added: float, count: int
) -> None:
    """And of arrays that lie in any way: windows are views, which go by the strides that an argument has."""
    program, arguments = drawn
    checked(program, arguments)
    image, *rest = arguments
    wide = np.zeros((*image.shape[:-1], 2 * image.shape[-1]))
    wide[..., ::2] = image
    turned = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
    with blocks_of(cached, added, count):
        checked(*typed(program, arguments, dtype), reuse=reuse)
        plan = lower(program)
    expected = plan.make()(*arguments)
    for other in (wide[..., ::2], turned, np.asfortranarray(image)):
        for found, value in zip(plan.make()(other, *rest), expected, strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@given(st.data())
def test_products_added_at_places_that_overlap_and_are_cut(data: Any) -> None:
    """``y[l] += k[r] d[n]`` at ``l = s·n + a·r + c``, of which only some places are there."""
    axes = data.draw(st.integers(1, 2))
    n, r, o, i = (data.draw(st.integers(1, 5)) for _ in range(4))
    step, by = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    length = step * (n - 1) + by * (r - 1) + 1
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    kernel, image = rng.normal(size=(o, i) + (r,) * axes), rng.normal(size=(3, o) + (n,) * axes)
    last = "pq"[:axes], "xy"[:axes]

    def spread(kernel: Any, image: Any) -> Any:
        whole = np.zeros((3, i) + (length,) * axes)
        parts = np.einsum(f"oi{last[0]},bo{last[1]}->bi{last[0]}{last[1]}", kernel, image)
        for offsets in np.ndindex((r,) * axes):
            places = tuple(slice(by * at, by * at + step * (n - 1) + 1, step) for at in offsets)
            whole[(slice(None), slice(None), *places)] += parts[(slice(None), slice(None), *offsets)]
        return np.sin(whole[(slice(None), slice(None), *[slice(start, stop)] * axes)])

    costs = data.draw(st.sampled_from([200, 10**6])), data.draw(st.sampled_from([0.0, 100.0]))
    with blocks_of(*costs, data.draw(st.integers(1, 3))):
        checked(value_and_vjp(trace(lambda *a: np.sum(spread(*a) ** 2), kernel, image)), [kernel, image])


def test_a_convolution_copies_one_sample_at_a_time() -> None:
    """Forward, and both products backward: no copy of all windows, nine times the image, is made."""
    rng = np.random.default_rng(0)
    X, K, bias = rng.normal(size=(16, 1, 8, 20, 20)), rng.normal(size=(1, 8, 8, 3, 3)), rng.normal(size=(1, 8))
    seed = rng.normal(size=(16, 1, 8, 20, 20))

    def loss(X: Any, K: Any, bias: Any, seed: Any) -> Any:
        return np.sum(convolution_2d(X, K, bias, padding=1) * seed)

    plan = lower(vjp(trace(loss, X, K, bias, seed), ["X", "K", "bias"]))
    assert [step.word for step in plan.steps].count("GEMM in blocks") == 2
    assert plan.nbytes < 4 * X.nbytes
    for found, expected in zip(
        plan.make()(X, K, bias, seed), convolution_2d_vjp(seed, X, K, bias, padding=1), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("part", ["multiply_in_blocks", "windows_in_blocks", "spread_in_blocks"])
def test_a_block_that_is_not_added_up_is_seen(part: str) -> None:
    """The check of plans objects where a block is left out, or what a worker does."""
    rng = np.random.default_rng(0)
    arguments = [rng.normal(size=(3, 1, 2, 6, 6)), rng.normal(size=(1, 2, 2, 3, 3)), rng.normal(size=(1, 2))]
    program = loss_of(convolution_2d, *arguments)
    first = patch("einbackprop.plans.routines.indices_of", lambda shape: [(0,) * len(shape)])
    with blocks_of(2400, 100.0), first:
        assert part in lower(program).source
        with pytest.raises(AssertionError):
            checked(program, arguments)

    def one_works(function: Any, given: Any, own: Any) -> list[Any]:
        return [function(given[0], *own[0])]

    with blocks_of(2400, 100.0, 3), patch.dict(assembly.NAMES, side_by_side=one_works):
        assert part in lower(program).source
        with pytest.raises(AssertionError):
            checked(program, arguments)



# Stacks


@st.composite
def stacks(draw: Any) -> tuple[Any, list[np.ndarray]]:
    """A function that puts arrays beside one another, on any axis, nested and used again, and its arguments."""
    count, axis, later = draw(st.integers(2, 5)), draw(st.integers(0, 2)), draw(st.booleans())
    join = draw(st.sampled_from(["stack", "concatenate"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = tuple(draw(st.integers(1, 3)) for _ in range(2))
    W, x = rng.normal(size=(shape[0], shape[0])), rng.normal(size=shape)
    rows = draw(st.booleans())

    def function(W: Any, x: Any) -> Any:
        parts = []
        for n in range(count):
            x = np.tanh(W @ x) if n % 2 else np.sin(x) * (n + 1)
            parts.append(x)
        if rows and join == "stack":
            parts = [np.stack([part[0], part[-1]]) for part in parts]
        whole = np.stack(parts, axis) if join == "stack" else np.concatenate(parts, axis % 2)
        return np.sum(whole * whole) + (np.sum(np.cos(whole)) + np.sum(parts[0]) if later else 0)

    return function, [W, x]


@pytest.mark.slow
@given(stacks(), st.booleans(), st.sampled_from(["float64", "float32"]))
def test_stacks_and_their_gradients(drawn: Any, reuse: bool, dtype: str) -> None:
    function, arguments = drawn
    program = trace(function, *arguments)
    checked(*typed(program, arguments, dtype), reuse=reuse)
    checked(*typed(value_and_vjp(program), arguments, dtype), reuse=reuse)


def test_what_is_stacked_is_made_in_its_place() -> None:
    """No step copies, and one run after another gives the same."""
    W, x = np.random.default_rng(0).normal(size=(2, 3, 3))

    def function(W: Any, x: Any) -> Any:
        first = np.tanh(W @ x)
        second = np.sin(W @ first)
        return np.stack([first, second, np.cos(W @ second)]) * 2

    program = trace(function, W, x)
    plan = checked(program, [W, x])
    assert {step.word for step in plan.steps} == {"GEMM", "elementwise"}
    run = plan.make()
    (first,), (second,) = run(W, x), run(W, 2 * x)
    np.testing.assert_allclose(first, function(W, x))
    np.testing.assert_allclose(second, function(W, 2 * x))


# Recurrences


def recurrent(W: Any, U: Any, bias: Any, x: Any, h: Any) -> Any:
    """A recurrence that multiplies each step's input within its loop."""
    states = []
    for t in range(len(x)):
        h = np.tanh(U @ x[t] + W @ h + bias[:, np.newaxis])
        states.append(h)
    return np.stack(states)


def arguments_of(sizes: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    t, i, j, b = sizes
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) / 2 for shape in ((i, i), (i, j), (i,), (t, j, b), (i, b))]


def recurrence_loss(*arguments: Any) -> Any:
    states = recurrent(*arguments)
    return np.sum(states * states) + np.sum(states[-1])


def backwards_too(W: Any, U: Any, bias: Any, x: Any, h: Any) -> Any:
    """The same recurrence from both ends, by the same weights."""
    there, back = recurrent(W, U, bias, x, h), recurrent(W, U, bias, x[::-1], h)[::-1]
    return np.sum(there * back) + recurrence_loss(W, U, bias, x, 2 * h)


@pytest.mark.slow
@given(
    st.tuples(st.integers(1, 7), *[st.integers(1, 3)] * 3), st.sampled_from(["float64", "float32"]), st.booleans(),
    st.sampled_from([recurrence_loss, backwards_too]),
)  # fmt: skip
@FEWER
def test_recurrences(sizes: tuple[int, ...], dtype: str, reuse: bool, loss: Any) -> None:
    arguments = arguments_of(sizes)
    checked(*typed(value_and_vjp(trace(loss, *arguments)), arguments, dtype), reuse=reuse)


@pytest.mark.parametrize(("layer", "shapes"), [
    (rnn, [(5, 2, 3), (3, 3), (3, 2), (3, 3), (3,)]),
    (lstm, [(5, 2, 3), (2, 3), (2, 3), (4, 2, 2), (4, 2, 2), (4, 2)]),
    (gru, [(5, 2, 3), (2, 3), (3, 2, 2), (3, 2, 2), (3, 2), (3, 2)]),
])  # fmt: skip
def test_recurrent_layers(layer: Any, shapes: list[tuple[int, ...]]) -> None:
    arguments = [np.random.default_rng(0).normal(size=shape) for shape in shapes]

    def loss(*arguments: Any) -> Any:
        result = layer(*arguments)
        return np.sum(np.cos(result[0] if isinstance(result, tuple) else result))

    checked(value_and_vjp(trace(loss, *arguments)), arguments)


def test_a_recurrence_multiplies_once_for_all_steps_where_it_can() -> None:
    """W·h step by step, forward and backward, but one product for W's gradient, and for U: forward and backward."""
    arguments = arguments_of((8, 3, 4, 5))
    plan = checked(value_and_vjp(trace(recurrence_loss, *arguments), ["x0", "x1", "x3"]), arguments)
    words = [step.word for step in plan.steps]
    assert words.count("GEMM") + words.count("batched") <= 8 + 7 + 4


def test_planning_does_not_grow_with_the_rounds() -> None:
    plans = [lower(value_and_vjp(trace(recurrence_loss, *arguments_of((t, 2, 3, 2))))) for t in (4, 40)]
    assert len({len(plan.steps) for plan in plans}) == len({plan.source.count("\n") for plan in plans}) == 1


def test_rounds_that_read_their_own_entry_are_seen() -> None:
    """The check objects to a loop whose rounds do not read what the round before has left."""
    arguments = arguments_of((6, 2, 3, 2))
    program = value_and_vjp(trace(recurrence_loss, *arguments))
    begun = rounds.begun

    def same_entry(*given: Any) -> Any:
        whole, before = begun(*given)
        return whole, whole.named(before.term)

    with patch.object(rounds, "begun", same_entry), pytest.raises(AssertionError):
        checked(program, arguments)


# Tensor networks

NETWORKS = [
    ("ab,bc,cd,de,ef->af", [(6, 8), (8, 5), (5, 9), (9, 7), (7, 4)]),
    ("ia,ajb,bkc,cl->ijkl", [(3, 5), (5, 4, 6), (6, 3, 5), (5, 4)]),
    ("abc,ia,jb,kc->ijk", [(4, 4, 4), (7, 4), (7, 4), (7, 4)]),
    ("ab,cbd,ed,afg,chgi,eji,fk,hkl,jl->", [(3, 3), (3, 3, 3), (3, 3), (3, 3, 3), (3,) * 4, *[(3, 3, 3), (3, 3)] * 2]),
]  # fmt: skip


def network_loss(subscripts: str) -> Any:
    def loss(*tensors: Any) -> Any:
        return np.sum(eb.einsum(subscripts, *tensors) * 2)

    return loss


def multiplications(plan: Plan) -> int:
    """The arithmetic of products that sum over something."""
    return sum(step.flops for step in plan.steps if step.word in ("GEMM", "GEMV", "batched"))


@pytest.mark.parametrize(("subscripts", "shapes"), NETWORKS)
def test_all_gradients_of_a_network_cost_thrice_the_forward(subscripts: str, shapes: list[Shape]) -> None:
    """Reverse mode along the tree of pairs: each product has two transposes, and nothing is computed twice."""
    tensors = [np.random.default_rng(n).normal(size=shape) for n, shape in enumerate(shapes)]
    forward = paired(trace(network_loss(subscripts), *tensors))
    plan = lower(value_and_vjp(forward))
    assert multiplications(plan) <= 3.01 * multiplications(lower(forward))
    left, out = subscripts.split("->")
    terms = left.split(",")
    seed = np.full_like(np.einsum(subscripts, *tensors, optimize=True), 2)
    for n, (found, term) in enumerate(zip(plan.make()(*tensors)[1:], terms, strict=True)):
        others = [*terms[:n], *terms[n + 1 :]]
        operands = [*tensors[:n], *tensors[n + 1 :], seed]
        expected = np.einsum(f"{','.join([*others, out])}->{term}", *operands, optimize=True)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("subscripts", "shapes"), NETWORKS)
def test_an_array_is_copied_for_a_product_once(subscripts: str, shapes: list[Shape]) -> None:
    """Of two copies of one array, one at least has another order."""
    tensors = [np.random.default_rng(n).normal(size=shape) for n, shape in enumerate(shapes)]
    plan = checked(value_and_vjp(paired(trace(network_loss(subscripts), *tensors))), tensors)
    copies = [step for step in plan.steps if step.word == "copy"]
    assert len(copies) <= len(plan.program.equations)
    assert len({step.views[0].text for step in copies}) == len(copies)
