"""``compile``: the same values as the function, guarded, read once; gradients called plainly are never stale."""

import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of
from sampling import some
from wild import FIXTURES, Fixture, pick

import einbackprop as eb
from einbackprop.core import nesting
from einbackprop.errors import ArgumentError, DtypeError, RangeError, ShapeError

SEED = 3


@dataclass
class Net:
    layers: list[dict[str, np.ndarray]]


def quadratic(p: dict, x: np.ndarray) -> float:
    return np.sum((p["W"] @ x + p["b"][:, None]) ** 2)


def drawn() -> tuple:
    rng = np.random.default_rng(0)
    return {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=3)}, rng.normal(size=(4, 5))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*The compiled function keeps to that:UserWarning")
@pytest.mark.parametrize("fixture", some(FIXTURES), ids=lambda f: f.name)
def test_a_compiled_gradient_is_the_hand_written_one(fixture: Fixture) -> None:
    """On other numbers than it was compiled with, where the network's own branches do not depend on them."""
    examples = fixture.arguments(np.random.default_rng(SEED), sizes=fixture.sizes)
    wrt = tuple(range(len(examples)))
    compiled = eb.compile(eb.value_and_grad(fixture.loss, wrt=wrt), *examples)
    value, gradient = compiled(*nesting.duplicate(examples))
    truth = fixture.gradients(*nesting.duplicate(examples))
    assert np.isclose(value, fixture.loss(*nesting.duplicate(examples)), rtol=1e-12)
    for ours, theirs in fixture.pairs:
        expected = np.asarray(pick(truth, theirs))
        found = np.asarray(pick(gradient, ours))
        scale = np.abs(expected).max(initial=0)
        assert np.abs(found.reshape(expected.shape) - expected).max(initial=0) <= 1e-10 * scale + 1e-12


def test_a_function_is_compiled_to_the_same_function() -> None:
    p, x = drawn()
    compiled = eb.compile(quadratic, p, x)
    p["W"] *= 2
    found = compiled(p, x)
    assert isinstance(found, np.float64)
    np.testing.assert_allclose(found, quadratic(p, x), rtol=1e-14)


def test_results_are_nested_as_the_function_nests_them() -> None:
    def function(a: np.ndarray, b: np.ndarray) -> Any:
        return {"sum": a + b, ("product", 1): [a * b, None, "text"], "a": (a,)}

    a, b = np.arange(3.0), np.ones(3)
    found = eb.compile(function, a, b)(a, b)
    assert list(found) == ["sum", ("product", 1), "a"]
    assert found["product", 1][1:] == [None, "text"]
    np.testing.assert_array_equal(found["product", 1][0], a)
    assert found["a"][0] is not a  # an argument that is returned is copied
    assert not np.shares_memory(found["a"][0], a)


def test_objects_and_lists_are_taken_apart_and_gradients_stand_where_arrays_stood() -> None:
    net = Net([{"W": np.eye(2)}, {"W": 2 * np.eye(2)}])

    def loss(net: Any, x: np.ndarray) -> float:
        for layer in net.layers:
            x = np.tanh(layer["W"] @ x)
        return np.sum(x)

    x = np.ones((2, 3))
    found = eb.compile(eb.grad(loss), net, x)(net, x)
    expected = eb.grad(loss)(net, x)
    np.testing.assert_allclose(found["layers"][1]["W"], expected["layers"][1]["W"], rtol=1e-14)


def test_the_function_is_read_once() -> None:
    """What it closes over stays as it was when it was compiled."""
    state = {"factor": 2.0}
    compiled = eb.compile(lambda x: state["factor"] * x, np.ones(2))
    state["factor"] = 3.0
    np.testing.assert_array_equal(compiled(np.ones(2)), [2, 2])


def test_results_are_kept_unless_reuse_is_asked_for() -> None:
    x = np.ones((2, 2))
    kept, reused = eb.compile(np.tanh, x), eb.compile(np.tanh, x, reuse=True)
    first = kept(x)
    kept(0 * x)
    np.testing.assert_array_equal(first, np.tanh(x))
    first = reused(x)
    reused(0 * x)
    np.testing.assert_array_equal(first, 0 * x)


MISUSES = {
    "shape": (ShapeError, r"x has shape \(4, 6\), but was compiled for shape \(4, 5\). Compile again"),
    "axes": (ShapeError, r"p\['b'\] has shape \(3, 1\), but was compiled for shape \(3,\)"),
    "dtype": (DtypeError, r"p\['W'\] has dtype float32, but was compiled for dtype float64. Convert it"),
    "missing": (ArgumentError, r"p\['b'\] is missing"),
    "extra": (ArgumentError, r"there is a p\['c'\] that the arguments .* lack"),
    "count": (ArgumentError, r"compiled for 2 arguments, not for 1"),
}


@pytest.mark.parametrize("kind", MISUSES)
def test_other_arguments_are_refused_by_name(kind: str) -> None:
    p, x = drawn()
    compiled = eb.compile(quadratic, p, x)
    error, message = MISUSES[kind]
    wrong: dict[str, tuple] = {
        "shape": (p, np.ones((4, 6))),
        "axes": (p | {"b": np.ones((3, 1))}, x),
        "dtype": (p | {"W": p["W"].astype(np.float32)}, x),
        "missing": ({"W": p["W"]}, x),
        "extra": (p | {"c": x}, x),
        "count": (p,),
    }
    with pytest.raises(error, match=message):
        compiled(*wrong[kind])
    np.testing.assert_allclose(compiled(p, x), quadratic(p, x), rtol=1e-14)


def test_what_can_be_taken_for_the_array_is() -> None:
    compiled = eb.compile(lambda x: x.T @ x, np.ones((2, 2)))
    np.testing.assert_array_equal(compiled([[1.0, 2.0], [3.0, 4.0]]), [[10, 14], [14, 20]])
    subclass = np.array([[1.0, 2.0], [3.0, 4.0]]).view(type("Sub", (np.ndarray,), {}))
    assert type(compiled(subclass)) is np.ndarray


def test_a_number_among_the_arguments_must_stay_as_it_was() -> None:
    compiled = eb.compile(lambda x, rate, name: rate * x, np.ones(2), 0.5, "sgd")
    np.testing.assert_array_equal(compiled(np.ones(2), 0.5, "sgd"), [0.5, 0.5])
    message = r"rate is 0.25, but was 0.5 when the function was compiled, and is part of it. .* pass an array"
    with pytest.raises(ArgumentError, match=message):
        compiled(np.ones(2), 0.25, "sgd")
    with pytest.raises(ArgumentError, match="name is 'adam', but was 'sgd'"):
        compiled(np.ones(2), 0.5, "adam")


def test_one_array_at_two_places_must_be_one_array_again() -> None:
    x = np.ones(2)
    compiled = eb.compile(lambda a, b: a + 2 * b, x, x)
    np.testing.assert_array_equal(compiled(x, x), [3, 3])
    with pytest.raises(ArgumentError, match=r"two arguments that were one array .* are two arrays now"):
        compiled(x, np.zeros(2))


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2), (2, 1, 0)])
def test_arrays_may_lie_otherwise_than_the_examples(axes: tuple[int, ...]) -> None:
    """A plan is made for the order in memory of the examples, and right for any."""

    def loss(x: Any, w: Any) -> Any:
        u = x - x.max(axis=2, keepdims=True)
        return np.sum(np.einsum("bti,ij->btj", np.exp(u) / np.exp(u).sum(axis=2, keepdims=True), w) ** 2)

    rng = np.random.default_rng(0)
    arrays = [np.moveaxis(rng.normal(size=(3, 4, 5)).transpose(axes).copy(), range(3), axes) for _ in range(3)]
    w = rng.normal(size=(arrays[0].shape[2], 2)).T.copy().T
    compiled = eb.compile(eb.value_and_grad(loss), arrays[0], w)
    for array in (*arrays, arrays[1].copy(), np.asfortranarray(arrays[2]), arrays[0][::-1]):
        (value, slope), (expected, expected_slope) = compiled(array, w), eb.value_and_grad(loss)(array, w)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose(slope, expected_slope, rtol=1e-9, atol=1e-14)


def test_arrays_in_another_byte_order() -> None:
    x = np.arange(3).astype(">f8")
    found = eb.compile(lambda x: 2 * x, x)(x)
    np.testing.assert_array_equal(found, [0, 2, 4])


def test_a_float_to_differentiate_by() -> None:
    compiled = eb.compile(eb.value_and_grad(lambda x, y: x * x * y), 3.0, np.float64(2.0))
    value, slope = compiled(4.0, np.float64(2.0))
    assert (value, slope) == (32.0, 16.0)


def test_names_of_the_users_are_no_code() -> None:
    """Keys of dicts end up in comments; a line break in one must not end the comment."""
    key = "W\n        raise SystemExit"
    found = eb.compile(lambda p: p[key] @ p[key], {key: np.eye(2)})
    np.testing.assert_array_equal(found({key: 2 * np.eye(2)}), 4 * np.eye(2))
    assert "\n        raise SystemExit" not in found.plan.source


def test_a_plan_prints_what_it_calls() -> None:
    p, x = drawn()
    plan = eb.compile(eb.grad(quadratic), p, x).plan
    text = str(plan)
    assert "GEMM" in text
    assert "dot with ones" in text
    assert f"{plan.flops:,} flops" in text
    compile(plan.source, "plan", "exec")
    head, *rows, _ = text.splitlines()
    assert head.split() == ["equation", "call", "flops", "bytes", "into"]
    product = next(row for row in rows if "GEMM" in row).split()
    assert product[-4:-1] == ["GEMM", f"{2 * 3 * 4 * 5}", f"{8 * (12 + 20 + 15)}"]
    assert product[-1] in plan.source
    for step in plan.steps:
        assert step.equation in plan.source
        assert step.word in text


def test_gradients_called_plainly_are_never_stale() -> None:
    """A closed-over number, array or flag that has changed is seen, though plans are kept."""
    state: dict[str, Any] = {"scale": 1.0, "big": np.ones(100), "flag": True}

    def loss(x: np.ndarray) -> float:
        y = state["scale"] * x * state["big"]
        return np.sum(y if state["flag"] else y**2)

    found = eb.grad(loss)
    x = np.full(100, 2.0)
    np.testing.assert_array_equal(found(x), np.ones(100))
    state["scale"] = 3.0
    np.testing.assert_array_equal(found(x), np.full(100, 3.0))
    state["big"] = np.full(100, 2.0)
    np.testing.assert_array_equal(found(x), np.full(100, 6.0))
    state["big"][0] = 5.0
    assert found(x)[0] == 15.0
    state["flag"] = False
    np.testing.assert_array_equal(found(x)[1:], np.full(99, 2 * 6 * 12.0))
    np.testing.assert_array_equal(found(2 * x)[1:], np.full(99, 2 * 6 * 24.0))


def test_gradients_are_called_plainly_by_threads_at_once() -> None:
    """While one thread's function is read, another's runs with NumPy as it is."""
    wrong: list[int] = []

    def loss(x: np.ndarray) -> float:
        return np.sum(np.sin(x) * np.ones(x.shape))

    def work() -> None:
        for n in range(30):
            x = np.arange(float(1 + n % 4))
            if type(x) is not np.ndarray or not np.allclose(eb.grad(loss)(x), np.cos(x)):
                wrong.append(n)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.slow
def test_a_gradient_by_every_operand_costs_three_times_the_product() -> None:
    """Along the tree of pairs: forward once, and two transposes a pair."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(6, 12, 9)
    matrices = [rng.normal(size=(a, b)) for a, b in pairwise(sizes)]

    def chain(ms: list) -> np.ndarray:
        return np.einsum("ab,bc,cd,de,ef,fg,gh,hi->ai", *ms)

    seed = rng.normal(size=(sizes[0], sizes[-1]))
    forward = eb.compile(chain, matrices).plan.flops
    both = eb.compile(eb.value_and_grad(lambda ms: np.sum(seed * chain(ms))), matrices).plan.flops
    assert both <= 3 * forward + 5 * seed.size


# Labels


def picked_loss(scores, labels):
    return np.sum(scores[np.arange(len(labels)), labels] ** 2)


def looked_up_loss(table, tokens):
    return np.sum(table[tokens] ** 2)


LABELS = [(picked_loss, (4, 3), 3), (looked_up_loss, (5, 2), 5)]


@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", ">i4", "u2"])
@pytest.mark.parametrize(("loss", "shape", "count"), LABELS)
def test_a_label_that_is_no_position_is_refused(loss, shape, count, dtype):
    table = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    good = np.array([0, count - 1, 1, 0], dtype)
    plan = eb.compile(eb.value_and_grad(loss), table, good)
    assert plan(table, good)[0] == loss(table, good)
    for wrong in [count, *([-1] if np.dtype(dtype).kind == "i" else [])]:
        labels = good.copy()
        labels[2] = wrong
        with pytest.raises(RangeError, match=rf"holds {wrong} at \[2\], but picks from an axis where positions are 0"):
            plan(table, labels)
    assert plan(table, good)[0] == loss(table, good)


@pytest.mark.parametrize(("loss", "shape", "count"), LABELS)
def test_labels_count_from_the_end_where_the_example_does(loss, shape, count):
    table = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    plan = eb.compile(eb.value_and_grad(loss), table, np.array([0, -1, 1, -count]))
    for labels in ([0, count - 1, -count, -2], [1, 1, 1, 1]):
        value, gradient = plan(table, np.array(labels))
        assert value == loss(table, labels)
        assert np.array_equal(gradient, eb.grad(loss)(table, np.array(labels)))
    for wrong in (count, -count - 1):
        with pytest.raises(RangeError, match=rf"holds {wrong} at \[0\]"):
            plan(table, np.array([wrong, 0, 0, 0]))


def test_no_labels_are_all_positions():
    plan = eb.compile(eb.value_and_grad(looked_up_loss), np.ones((3, 2)), np.zeros(0, int))
    assert plan(np.ones((3, 2)), np.zeros(0, int))[0] == 0


def test_a_comparison_with_labels_takes_any():
    def loss(scores, labels):
        return np.sum(scores * (labels[:, None] == np.arange(3)))

    scores = np.arange(12.0).reshape(4, 3)
    plan = eb.compile(eb.value_and_grad(loss), scores, np.array([0, 1, 2, 1]))
    assert plan(scores, np.array([-1, 7, 0, 1]))[0] == loss(scores, np.array([-1, 7, 0, 1]))


X = np.array([3.0, 1.0, 2.0])


def test_what_the_examples_decided_is_refused_where_it_would_be_stale() -> None:
    with pytest.raises(eb.errors.ArgumentError) as raised:
        eb.compile(lambda x: np.sort(x) @ np.arange(3.0), X)
    assert "positions here depend on values: they are kept as they are in this run. They must not" in str(raised.value)
    with pytest.raises(eb.errors.ArgumentError, match="which entries a mask picks depends on values"):
        eb.compile(lambda x: x[x > 1.5][0], X)


def test_a_branch_that_the_examples_decided_is_warned_of() -> None:
    def loss(x: np.ndarray) -> Any:
        total = np.sum(x)
        if total > 0:
            return total * total
        return -total

    with pytest.warns(UserWarning, match="the program depends on values") as warned:
        compiled = eb.compile(eb.value_and_grad(loss), X)
    (warning,) = warned
    assert str(warning.message).endswith(
        "if total > 0: the program depends on values here: this run took the way of True. "
        "The compiled function keeps to that, whatever its arguments"
    )
    assert warning.filename == __file__
    assert compiled(X)[0] == 36


LASTING = """
import numpy as np
def loss(x):
    assert np.all(np.isfinite(x))
    y = x.copy()
    y[x < 0] = 0.1 * x[x < 0]
    return np.sum(y) + x[np.argmax(x)] + np.max(x) + np.nansum(x) + sum(x.tolist())
"""


def test_what_lasts_is_not_warned_of() -> None:
    """Warnings are errors in these tests; an assertion that pytest has rewritten leads to all of its modules."""
    loss = module_of(LASTING, "lasting").loss
    x = -X
    compiled = eb.compile(loss, X)
    np.testing.assert_allclose(compiled(x), loss(x), rtol=1e-14)


def test_what_is_written_onto_a_diagonal_says_nothing_of_the_order_in_memory() -> None:
    def loss(x: Any) -> Any:
        m = x @ x.T
        d = np.diag(m) + np.trace(m)
        return np.sum(d * d) + np.sum(np.sin(0.5 * (m[1:] - m[:-1]) @ m))

    x = np.random.default_rng(0).random((3, 3))
    gradient = eb.grad(loss)
    np.testing.assert_allclose(eb.compile(gradient, x)(x), gradient(x))
    slopes = [(loss(x + 1e-6 * e) - loss(x - 1e-6 * e)) / 2e-6 for e in np.eye(9).reshape(9, 3, 3)]
    np.testing.assert_allclose(gradient(x).reshape(-1), slopes, rtol=1e-6)
