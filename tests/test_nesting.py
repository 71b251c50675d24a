"""Nested arrays: paths, names, and copies in which aliases stay aliases."""

import random
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

from einbackprop.core.nesting import Attribute, Number, duplicate, get, label, leaves, rebuild, replaced

Pair = namedtuple("Pair", "W b")


class Layer:
    def __init__(self, W: Any) -> None:
        self.W = W
        self.activate = self.shout

    def shout(self) -> Any:
        return 10 * self.W


def paths(value: Any) -> list[str]:
    return [label("p", path) for path, _ in leaves(value)]


def test_leaves_come_in_order_with_paths_as_python_writes_them() -> None:
    value = {"a": [1.0, (None, np.ones(2))], "net": Layer(np.ones(3)), "n": Pair(1, 2)}
    assert paths(value) == ["p['a'][0]", "p['a'][1][0]", "p['a'][1][1]", "p['net'].W", "p['net'].activate",
                            "p['n'][0]", "p['n'][1]"]
    assert all(get(value, path) is leaf for path, leaf in leaves(value) if isinstance(leaf, np.ndarray))


def test_an_array_of_objects_is_a_container() -> None:
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.ones(2), np.ones((3, 1))]
    assert [np.shape(leaf) for _, leaf in leaves(ragged)] == [(2,), (3, 1)]
    copied = duplicate(ragged)
    copied[0][0] = 9
    assert ragged[0][0] == 1


def test_a_cycle_ends() -> None:
    parent, child = Layer(np.ones(1)), Layer(np.zeros(1))
    parent.child, child.parent = child, parent  # type: ignore[attr-defined]
    assert paths(parent) == ["p.W", "p.activate", "p.child.W", "p.child.activate"]
    copied = duplicate(parent)
    assert copied.child.parent is copied


def test_a_copy_shares_nothing_with_the_original() -> None:
    value = {"a": [np.ones(2), (np.ones(2),)], "net": Layer(np.ones(2)), "o": OrderedDict(W=np.ones(2))}
    copied = duplicate(value)
    for path, leaf in leaves(copied):
        if isinstance(leaf, np.ndarray):
            leaf += 1
            assert np.array_equal(get(value, path), [1, 1])
    assert type(copied["o"]) is OrderedDict


def test_aliases_stay_aliases() -> None:
    W = np.ones(2)
    copied = duplicate({"W": W, "parameters": [W, W]})
    copied["W"][0] = 5
    assert copied["parameters"][0] is copied["parameters"][1] is copied["W"]
    assert W[0] == 1


@pytest.mark.parametrize(
    "view",
    [lambda t: t[2:8].reshape(2, 3), lambda t: t[::-1], lambda t: t[1::3], lambda t: t[4:10].reshape(3, 2).T,
     lambda t: t.reshape(3, 4)[:, 1], lambda t: t[5:5], lambda t: t],
    ids=["slice", "reversed", "strided", "transposed", "column", "empty", "itself"],
)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_views_stay_views_whatever_the_new_dtype(view: Any, dtype: Any) -> None:
    theta = np.arange(12.0)
    value = [theta, view(theta)]
    copied = rebuild(value, lambda array: array.astype(dtype))
    assert np.array_equal(copied[1], value[1])
    copied[0][:] = np.arange(12) * 7
    assert np.array_equal(copied[1], 7 * value[1])
    assert np.array_equal(theta, np.arange(12))


def test_a_lone_view_is_copied_without_what_it_looks_at() -> None:
    big = np.zeros(1000)
    copied = duplicate([big[:3]])
    assert copied[0].base is None


def test_bound_methods_and_generators_belong_to_the_copy() -> None:
    layer = Layer(np.ones(1))
    copied = duplicate(layer)
    copied.W[0] = 2
    assert copied.activate() == [20]
    generators = [np.random.default_rng(0), random.Random(0), np.random.RandomState(0)]
    first, second = duplicate(generators), duplicate(generators)
    assert [g.random() if hasattr(g, "random") else g.rand() for g in first] == [g.random() for g in second]


def test_named_tuples_stay_named() -> None:
    assert duplicate(Pair(np.ones(1), 2)).b == 2


def test_a_leaf_is_replaced_and_the_original_kept() -> None:
    value = {"a": [(1.0, 2.0)], "net": Layer(3.0), "pair": Pair(1, 2)}
    assert replaced(value, ("a", 0, 1), 9)["a"] == [(1.0, 9)]
    assert replaced(value, ("net", Attribute("W")), 9)["net"].W == 9
    assert replaced(value, ("pair", 0), 9)["pair"] == Pair(9, 2)
    assert value["a"] == [(1.0, 2.0)]
    assert value["net"].W == 3.0
    assert replaced(value, (), 9) == 9


def test_a_number_comes_back_as_a_python_number() -> None:
    number = np.array(2.5).view(Number)
    copied = duplicate([number])
    assert type(copied[0]) is float
    assert copied == [2.5]


def test_functions_and_modules_are_kept_as_they_are() -> None:
    value = [np, len, paths, "text", None]
    assert all(a is b for a, b in zip(duplicate(value), value, strict=True))


class Duration(float):
    """A number with attributes: it cannot be made empty and filled afterwards."""


def test_an_object_that_is_no_plain_record_is_kept_as_it_is() -> None:
    duration = Duration(2.0)
    duration.unit = "s"
    assert duplicate({"t": duration})["t"] is duration


def test_what_is_made_of_a_number_that_stands_for_one_is_an_array() -> None:
    number = np.array(2.0).view(Number)
    made = duplicate({"c": number, "rows": [np.ones(3) + number]})
    assert type(made["c"]) is float
    assert type(made["rows"][0]) is np.ndarray
    np.testing.assert_array_equal(made["rows"][0], [3.0, 3.0, 3.0])
