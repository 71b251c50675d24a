"""The layers of the catalogue written in loops are the layers of the catalogue: proved, but for a few."""

from __future__ import annotations

import inspect
from typing import Any

import layers_in_loops
import numpy as np
import pytest
from normal_forms import drawn_arrays
from sampling import some

import einbackprop as eb
from einbackprop.core.program import Program
from einbackprop.layers import CATALOGUE
from einbackprop.layers.attention import causal_mask, rotations
from einbackprop.proof.proving import Prover

LOOSE = {
    "average pooling": "what a window is a part of is P//3 pixels here and (P-3)//3+1 there",
    "max pooling": "the same",
    "rotary position": "halves of an axis that is w + w here and 2·w there, joined by a loop in which both are written",
    "multi-head attention": "loops go through an array that comprehensions have made, whose axes are dimensions anew",
    "transformer block": "the same, within it",
}
"""The layers that are not proved equal, and why; they are equal at numbers."""

OTHERWISE = {"RMS norm": "rms_norm", "RNN": "rnn", "LSTM": "lstm", "GRU": "gru", "rotary position": "rotary"}
SETTINGS = {"average pooling": {"size": 3}, "max pooling": {"size": 3}, "dropout": {"keep": 0.5}}


def looped(name: str) -> Any:
    """The layer in loops."""
    called = OTHERWISE.get(name, name.replace(" ", "_").replace("-", "_"))
    return layers_in_loops.POINTWISE.get(name) or getattr(layers_in_loops, called)


def arguments(name: str, seed: int = 0) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)

    def n(*shape: int) -> Any:
        return rng.normal(size=shape)

    block = [n(5), n(5), n(3, 6, 5), n(3, 6, 5), n(3, 6, 5), n(5, 3, 6), n(5), n(5), n(7, 5), n(7), n(5, 7), n(5)]
    return {
        "linear": (n(3, 4), n(4, 5), n(3)), "half squared error": (n(3, 4), n(3, 4)),
        "cross-entropy": (n(3, 5), rng.integers(0, 3, 5)), "soft cross-entropy": (n(3, 4), n(3, 4)),
        "binary cross-entropy": (n(3, 4), n(3, 4)), "batch norm": (n(3, 4), n(3), n(3)),
        "layer norm": (n(3, 4, 5), n(5), n(5)), "RMS norm": (n(3, 4, 5), n(5)),
        "group norm": (n(2, 3, 4, 5), n(3, 4), n(3, 4)), "dropout": (n(3, 4), rng.random((3, 4)) < 0.5),
        "embedding": (n(6, 3), rng.integers(0, 6, (4, 5))), "convolution 1d": (n(2, 3, 4, 6), n(3, 3, 4, 3), n(3, 3)),
        "convolution 2d": (n(2, 2, 2, 4, 4), n(2, 2, 2, 2, 2), n(2, 2)), "average pooling": (n(2, 3, 4, 12, 9),),
        "max pooling": (n(2, 2, 2, 12, 9),), "RNN": (n(6, 2, 4), n(3, 4), n(3, 2), n(3, 3), n(3)),
        "LSTM": (n(6, 2, 5), n(3, 5), n(3, 5), n(4, 3, 2), n(4, 3, 3), n(4, 3)),
        "GRU": (n(6, 2, 5), n(3, 5), n(3, 3, 2), n(3, 3, 3), n(3, 3), n(3, 3)),
        "attention": (n(2, 3, 5, 6), n(2, 3, 5, 6), n(2, 3, 5, 6), causal_mask(5)),
        "multi-head attention": (n(3, 5, 7), n(4, 6, 7), n(4, 6, 7), n(4, 6, 7), n(8, 4, 6), causal_mask(5)),
        "rotary position": (n(3, 4, 5, 6), rotations(5, 3)),
        "feed-forward": (n(3, 4, 5), n(6, 5), n(6), n(5, 6), n(5)),
        "transformer block": (n(3, 4, 5), block, causal_mask(4)),
    }.get(name, (n(3, 4),))  # fmt: skip


def as_tuple(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def traced(name: str, function: Any, given: tuple[Any, ...]) -> Program:
    """A layer, as a program whose inputs are called as its parameters are."""
    names = ", ".join([*inspect.signature(looped(name)).parameters][: len(given)])
    scope = {"layer": function, "settings": SETTINGS.get(name, {})}
    return eb.trace(eval(f"lambda {names}: layer({names}, **settings)", scope), *given)  # the text is ours


@pytest.mark.long
@pytest.mark.parametrize("name", some(CATALOGUE, 2))
def test_a_layer_in_loops_is_that_of_the_catalogue(name: str) -> None:
    forward, settings, given = CATALOGUE[name].forward, SETTINGS.get(name, {}), arguments(name)
    both = (as_tuple(function(*given, **settings)) for function in (looped(name), forward))
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    mine, theirs = traced(name, looped(name), given), traced(name, forward, given)
    linked = [(a.name, b.name) for a, b in zip(mine.outputs, theirs.outputs, strict=True)]
    prover = Prover(mine, theirs, drawn_arrays(mine), linked=linked)
    assert all(prover.compare(*pair) for pair in linked) == (name not in LOOSE)


def test_few_are_equal_at_numbers_alone() -> None:
    assert len(LOOSE) <= 5
    assert LOOSE.keys() <= CATALOGUE.keys()
