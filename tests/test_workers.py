"""Blocks on several threads: how many there are, whose memory they have, and what becomes of errors."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import einbackprop as eb
from einbackprop.plans import regions, workers
from einbackprop.plans.lowering import are_disturbed

RNG = np.random.default_rng(0)


def loss(x: Any) -> Any:
    return np.sum(np.exp(np.tanh(x)) * np.cos(x))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three workers, and small arrays are taken for large ones."""
    monkeypatch.setattr(workers, "available", lambda: 3)
    for name, value in (("LARGE", 1), ("BLOCK", 400), ("SHARED", 400)):
        monkeypatch.setattr(regions, name, value)


@pytest.mark.parametrize(
    ("environment", "processors", "count"),
    [
        ({}, 4, 4), ({}, 64, workers.MOST), ({"OPENBLAS_NUM_THREADS": "2"}, 4, 2), ({"OMP_NUM_THREADS": "1"}, 4, 1),
        ({"MKL_NUM_THREADS": "16"}, 4, 4), ({"OPENBLAS_NUM_THREADS": "0"}, 4, 4), ({"OMP_NUM_THREADS": "2,1"}, 4, 4),
        ({"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "1"}, 4, 3),
    ],
)  # fmt: skip
def test_there_are_as_many_as_products_have_threads(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], processors: int, count: int
) -> None:
    for name in workers.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    assert workers.available() == count


@pytest.mark.parametrize(("blocks", "most", "lengths"), [
    (6, 2, [3, 3]), (7, 3, [2, 2, 3]), (2, 3, [1, 1]), (1, 3, [1]), (5, 1, [5]),
])  # fmt: skip
def test_shares_lie_side_by_side_and_are_alike(blocks: int, most: int, lengths: list[int]) -> None:
    found = workers.shares(range(blocks), most)
    assert [len(share) for share in found] == lengths
    assert [n for share in found for n in share] == [*range(blocks)]


@pytest.mark.usefixtures("shared")
def test_several_callers_have_workers_and_memory_of_their_own() -> None:
    x = RNG.normal(size=(60, 40))
    function = eb.compile(eb.value_and_grad(loss), x)
    assert "side_by_side" in function.plan.source
    given = [x * n for n in range(1, 9)]
    expected = [function(one) for one in given]
    with ThreadPoolExecutor(8) as callers:
        for _ in range(20):
            for (value, gradient), (own_value, own_gradient) in zip(
                callers.map(function, given), expected, strict=True
            ):
                assert value == own_value
                np.testing.assert_array_equal(gradient, own_gradient)


@pytest.mark.usefixtures("shared")
def test_workers_are_as_quiet_as_a_plan_is() -> None:
    x = RNG.normal(size=(60, 40))
    x[-1, -1] = 1000.0  # in the share of the last worker
    function = eb.compile(lambda x: np.sum(np.exp(x) * np.cosh(0.1 * x) + np.sin(x)), x)
    assert "side_by_side" in function.plan.source
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function(x) == np.inf


@pytest.mark.parametrize("way", ["raise", "ignore"])
def test_workers_treat_errors_as_the_thread_does_that_has_them_work(way: Any) -> None:
    def work(number: int) -> float:
        return float(np.exp(np.float64(1000.0 * number)))

    with np.errstate(all=way):
        if way == "ignore":
            assert workers.side_by_side(work, [0, 1], [(), ()]) == [1, np.inf]
            return
        with pytest.raises(FloatingPointError, match="overflow"):
            workers.side_by_side(work, [0, 1], [(), ()])


def test_what_one_worker_raises_is_raised_when_all_have_ended() -> None:
    ended = []

    def work(number: int, wait: float) -> None:
        threading.Event().wait(wait)
        ended.append(number)
        if number == 0:
            raise ValueError("of the first")

    with pytest.raises(ValueError, match="of the first"):
        workers.side_by_side(work, [0, 1, 2], [(0.0,), (0.1,), (0.05,)])
    assert sorted(ended) == [0, 1, 2]


def test_products_have_one_thread_meanwhile_and_as_many_as_before_afterwards() -> None:
    get, set_ = workers.PRODUCTS.functions
    before = get()
    set_(before + 1)
    if get() != before + 1:
        pytest.skip("the threads of this library of products are not known")
    try:
        with workers.PRODUCTS.single():
            with workers.PRODUCTS.single():  # of another caller
                assert get() == 1
            assert get() == 1
        assert get() == before + 1
    finally:
        set_(before)


def test_where_threads_of_products_cannot_be_set_nothing_is() -> None:
    products = workers.Products("there is no such library")
    with products.single():
        assert products.functions[0]() == 1


def test_workers_do_not_stand_beside_large_products() -> None:
    """Threads of a library's products wait for work on the processors of the workers."""
    x, W = RNG.normal(size=(1024, 256)), RNG.normal(size=(256, 256))

    def deep(x: Any, W: Any) -> Any:
        for _ in range(4):
            x = np.tanh(x @ W)
        return np.sum(x)

    source = eb.compile(eb.value_and_grad(deep, wrt=(0, 1)), x, W).plan
    assert "side_by_side" not in source.source
    assert not are_disturbed(source.steps)


FORKED = """
import os, numpy as np
import einbackprop as eb
from einbackprop.plans import regions, workers
workers.available = lambda: 3
regions.LARGE, regions.BLOCK, regions.SHARED = 1, 400, 400
x = np.ones((60, 40))
function = eb.compile(lambda x: np.sum(np.exp(np.tanh(x)) * np.cos(x)), x)
expected = function(x)
assert "side_by_side" in function.plan.source
child = os.fork()
if not child:
    os._exit(0 if function(x) == expected else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_that_was_forked_has_threads_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, check=False,
                          timeout=60)  # fmt: skip
    assert (done.stdout, done.stderr) == ("0\n", "")
