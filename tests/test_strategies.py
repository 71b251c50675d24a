"""The strategies: each stratum is drawn, failures shrink to the smallest sizes, values are sound."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from einbackprop.errors import SubscriptsError
from einbackprop.strategies import layer_sizes, networks, operands, sizes

STEADY = settings(max_examples=400, derandomize=True, database=None)


def drawn_from(strategy, count=400):
    """Some examples, the same each time."""
    drawn = []

    @settings(STEADY, max_examples=count)
    @given(strategy)
    def collect(example):
        drawn.append(example)

    collect()
    return drawn


def strata_of(size):
    """Which strata a tuple of layer sizes is in."""
    *layers, batch = size
    hidden = layers[1:-1]
    return {
        "all distinct": len(set(size)) == len(size) and min(size) > 1,
        "all equal": len(set(size)) == 1,
        "hidden equal": len(set(hidden)) == 1 < len(set(layers)),
        "batch equal to one layer": layers.count(batch) == 1 and len(set(layers)) > 2,
        "ones": 1 in size,
        "zeros": 0 in size,
    }


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [set(), {"ones"}, {"zeros"}, {"ones", "zeros"}])
def test_layer_sizes_draws_each_stratum_often_and_no_other(wanted):
    asked = {name: name in wanted for name in ("ones", "zeros")}
    drawn = drawn_from(layer_sizes(**asked), 200)
    count = Counter(name for size in drawn for name, inside in strata_of(size).items() if inside)
    for name in strata_of((2, 3, 4, 5, 6)):
        if name not in ("ones", "zeros") or name in wanted:
            assert count[name] >= len(drawn) / 20, name
        else:
            assert count[name] == 0, name


def test_independent_sizes_would_hardly_draw_the_strata():
    drawn = drawn_from(st.tuples(*[st.integers(1, 9)] * 5))
    count = Counter(name for size in drawn for name, inside in strata_of(size).items() if inside)
    assert count["all equal"] < len(drawn) / 20


@pytest.mark.slow
def test_batch_is_tied_to_each_layer():
    tied = Counter(size[:-1].index(size[-1]) for size in drawn_from(layer_sizes())
                   if size[:-1].count(size[-1]) == 1)  # fmt: skip
    assert set(tied) == {0, 1, 2, 3}


@pytest.mark.parametrize("hidden", [0, 1, 2, 4])
def test_layer_sizes_counts_layers(hidden):
    assert {len(size) for size in drawn_from(layer_sizes(hidden), 50)} == {hidden + 3}


@pytest.mark.slow
def test_sizes_draws_each_letter_and_ties_each_pair():
    drawn = drawn_from(sizes("ijb"))
    assert all(list(size) == ["i", "j", "b"] for size in drawn)
    assert min(min(size.values()) for size in drawn) == 2
    pairs = Counter(
        pair for size in drawn for pair in ("ij", "ib", "jb")
        if size[pair[0]] == size[pair[1]] and len(set(size.values())) == 2
    )  # fmt: skip
    assert min(pairs[pair] for pair in ("ij", "ib", "jb")) >= 10
    assert sum(len(set(size.values())) == 3 for size in drawn) >= 80
    assert sum(len(set(size.values())) == 1 for size in drawn) >= 40
    assert all(size == {} for size in drawn_from(sizes("")))
    assert {size["i"] for size in drawn_from(sizes("i", max_size=3))} == {2, 3}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("asked", [{}, {"ones": True}, {"zeros": True}])
@pytest.mark.parametrize(
    ("fails", "smallest"),
    [
        (lambda i, j, k, l, b: True, "2 2 2 2 2"),
        (lambda i, j, k, l, b: j >= 3, "2 3 2 2 2"),
        (lambda i, j, k, l, b: len({i, j, k, l, b}) == 5 and min(i, j, k, l, b) > 1, "2 3 4 5 6"),
        (lambda i, j, k, l, b: j == k > 3, "2 4 4 2 2"),
        (lambda i, j, k, l, b: i == j == k == l == b > 2, "3 3 3 3 3"),
        (lambda i, j, k, l, b: i == b > 4, "5 2 2 2 5"),
        (lambda i, j, k, l, b: b > 6 and k > 2, "2 2 3 2 7"),
    ],
)
def test_failures_shrink_to_the_smallest_sizes(fails, smallest, asked):
    least = "0" if "zeros" in asked else "1" if "ones" in asked else "2"
    expected = tuple(map(int, smallest.split()))
    if "2" in smallest.split() and "4 5 6" not in smallest:
        expected = tuple(map(int, smallest.replace("2", least).split()))
    found = find(layer_sizes(**asked), lambda size: fails(*size), settings=STEADY)
    assert found == expected


@pytest.mark.slow
def test_operands_fit_their_subscripts_and_are_generic():
    for W, x, c in drawn_from(operands("ij,jb,->ib")):
        assert W.shape[1] == x.shape[0]
        assert c.shape == ()
        assert len(set(W.ravel())) == W.size  # no two values equal, none 0


@given(operands("ij,jb->ib", exact=True))
def test_exact_operands_give_exact_sums_in_float64(arrays):
    W, x = arrays
    assert {*np.unique(W), *np.unique(x)} <= {-4, -3, -2, -1, 1, 2, 3, 4}
    assert np.array_equal((W @ x).astype(object), W.astype(int) @ x.astype(int))


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "f4", "f8", "g", "c8", "c16", "O"])
@pytest.mark.parametrize("exact", [True, False])
def test_operands_have_their_dtype(dtype, exact):
    for array, scalar in drawn_from(operands("ij,->i", dtype=dtype, exact=exact), 20):
        assert array.dtype == scalar.dtype == np.dtype(dtype)
        if dtype == "O":
            assert {type(value) for value in array.flat} == {int}
        if np.dtype(dtype).kind == "c":
            assert np.all(array.imag != 0)


def test_networks_are_drawn_with_biases_and_large_weights():
    for parameters, X, targets in drawn_from(networks(dtype=np.float32), 50):
        W1, b1, W2, b2, W3, b3 = parameters
        assert {array.dtype.name for array in [*parameters, X, targets]} == {"float32"}
        assert W1.shape == (*b1.shape, X.shape[0])
        assert W2.shape == (*b2.shape, *b1.shape)
        assert W3.shape == (*b3.shape, *b2.shape)
        assert targets.shape == (*b3.shape, X.shape[1])
        for array in [*parameters, X, targets]:
            assert np.all(array != 0)
            assert abs(array).max() > 0.01


@pytest.mark.parametrize(
    ("wrong", "kind", "text"),
    [
        (lambda: layer_sizes(max_size=5), ValueError,
         "max_size=5: 5 sizes from 2 to 5 cannot all be distinct; allow 6 at least"),
        (lambda: sizes("iji"), ValueError, "sizes('iji'): write each letter once"),
        (lambda: operands("...i->..."), ValueError,
         "operands('...i->...'): an ellipsis has no sizes; write letters"),
    ],
)  # fmt: skip
def test_messages_of_strategies(wrong, kind, text):
    with pytest.raises(kind) as caught:
        wrong()
    assert str(caught.value) == text


def test_malformed_subscripts_are_refused():
    with pytest.raises(SubscriptsError):
        operands("ij,jb")
