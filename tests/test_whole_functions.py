"""Whole functions drawn at random, fifteen operations and more: never a value or a gradient that differs silently."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest
from drawn_functions import blocks, counted, draw
from function_outcomes import outcomes
from sampling import THOROUGH

SEEDS = range(10_000) if THOROUGH else range(0, 10_000, 449)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What NumPy warns of in drawn functions says nothing about us."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.long
def test_drawn_functions_are_numpys_everywhere() -> None:
    """Interpreted, compiled, as emitted source, at these sizes and at others; at others a refusal says what holds."""
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        drawn = draw(seed)
        kinds = set()
        for kind, more in outcomes(drawn, gradients=seed % 4 == 0):
            assert not kind.startswith("differs"), f"seed {seed}, {kind}: {more}\n{drawn.source}"
            kinds.add(kind)
        seen.update(kinds)
    there = len(SEEDS) - seen["not drawn"]
    assert there > 0.95 * len(SEEDS), seen
    assert seen["refused"] + seen["unread"] < 0.1 * there, seen
    judged = len([seed for seed in SEEDS if seed % 4 == 0])
    assert find_spec("torch") is None or seen["unjudged"] < 0.5 * judged, seen
    assert seen["bare"] < 0.1 * there, seen  # refused by NumPy, at other sizes


@pytest.mark.slow
def test_what_is_drawn() -> None:
    """Fifteen operations and more, on all of the constructs."""
    sources = [draw(seed).source for seed in range(400)]
    assert min(counted(source.split("\n")) for source in sources) >= 15
    text = "\n".join(sources)
    constructs = """for | reversed( | while | if | elif | class Net | class Layer | self. | cache[ | += | -= | *= | // 2
        = part( | lambda | := | zip( | enumerate( | .append( | softmax( | keepdims | np.where | .reshape( | .T | len(
        .items() | np.zeros( | [::-1] | np.concatenate | argmax | np.maximum | > 0"""
    for construct in re.split(r" \| |\n +", constructs):
        assert construct in text, construct
    assert len(blocks()) > 250
