"""A check ends in the time that it is given, and however deep the code goes."""

import functools
import gc
import io
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from limits_code import (
    chain,
    chain_gradient,
    convolution,
    convolution_gradient,
    group_norm,
    group_norm_gradient,
    loss,
    right,
    scatter,
    scatter_gradient,
    wrong,
)  # fmt: skip

import einbackprop as eb
from einbackprop.core import progress
from einbackprop.core.scoped import SELDOM, seldom_collected
from einbackprop.errors import ArgumentError, OptionError
from einbackprop.shell.command import main
from einbackprop.world import World

rng = np.random.default_rng(5)
PAUSE = 0.05


def slowly(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        time.sleep(PAUSE)
        return function(*arguments)

    return run


A, B, x = rng.normal(size=(3, 4)), rng.normal(size=(2, 3)), rng.normal(size=4)


# Time


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0.01, 0.6, 2.5])
def test_it_ends_in_time_with_what_it_has(seconds: float) -> None:
    for gradients, verdict in ((right, "right"), (wrong, "wrong")):
        start = time.monotonic()
        report = eb.check(slowly(loss), slowly(gradients), A, B, x, wrt=(0, 1), seconds=seconds)
        assert time.monotonic() - start < seconds + PAUSE + 2  # 1, but for what else the machine does
        a, b = report.gradients
        assert a.verdict in ("right", "undecided")
        assert b.verdict in (verdict, "undecided")
        assert f"The time of {seconds:g} seconds was over" in " ".join(report.text().split())
        if a.verdict == "right":
            assert "right at your sizes: the time was over before others were tried" in a.note
        assert not report.faults
    if seconds < 0.1:
        assert {g.verdict for g in report.gradients} == {"undecided"}
        assert {g.note for g in report.gradients} == {"the time was over before it was compared"}


def test_no_call_of_the_users_code_begins_once_the_time_is_over() -> None:
    met: list[int] = []
    with progress.limited(1e-9), pytest.raises(progress.OutOfTimeError):
        World().call(met.append, 1)
    assert not met


def test_time_that_suffices_changes_nothing() -> None:
    for gradients in (right, wrong):
        free = eb.check(loss, gradients, A, B, x, wrt=(0, 1))
        assert str(eb.check(loss, gradients, A, B, x, wrt=(0, 1), seconds=600)) == str(free)


@pytest.mark.parametrize("seconds", [0, -1, "2", True, float("nan")])
def test_what_is_no_time(seconds: Any) -> None:
    with pytest.raises(OptionError, match="seconds must be a positive number"):
        eb.check(loss, right, A, B, x, wrt=(0, 1), seconds=seconds)


@pytest.mark.parametrize("text", ["0", "-3", "soon", "inf", "nan"])
def test_what_is_no_time_on_the_command_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["check", "x.py", "--loss", "a", "--grads", "b", "--wrt", "W", f"--seconds={text}"])
    assert stopped.value.code == 2
    assert f"'{text}' is not a positive number of seconds" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.long
def test_a_terminal_shows_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOWN_AFTER", 0.1)
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    eb.check(slowly(loss), slowly(right), A, B, x, wrt=(0, 1), seconds=2)
    text = shown.getvalue()
    assert "einbackprop: the comparison …" in text  # however far it comes in that time
    assert text.endswith(progress.ERASE)
    assert "\n" not in text
    monkeypatch.setattr(sys, "stderr", plain := io.StringIO())
    eb.check(slowly(loss), slowly(right), A, B, x, wrt=(0, 1), seconds=0.5)
    assert plain.getvalue() == ""


# Depth


def low_limit(work: Callable[[], Any]) -> Any:
    """Do something with room for 300 more calls inside one another."""
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1  # type: ignore[assignment]
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 300)
    try:
        return work()
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("loss", "gradient", "arguments"), [
    (scatter, scatter_gradient, (rng.normal(size=3),)),
    (chain, chain_gradient, (rng.normal(size=3),)),
    (convolution, convolution_gradient, (rng.normal(size=(2, 2, 2, 2)), rng.normal(size=(1, 2, 3, 3)))),
    (group_norm, group_norm_gradient, (rng.normal(size=(3, 6)),)),
])  # fmt: skip
def test_depth_of_the_code_is_no_depth_of_ours(
    loss: Callable[..., Any], gradient: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    assert low_limit(lambda: eb.check(loss, gradient, *arguments)).ok  # an error of ours would be raised
    assert not low_limit(lambda: eb.check(loss, lambda *a: 1.5 * gradient(*a), *arguments)).ok


def test_a_long_chain_is_read_derived_and_written() -> None:
    x = np.array([0.3, 0.7, 0.9])
    read = low_limit(lambda: str(eb.read(chain, x)))
    assert "x = " not in read or len(read) < 100_000
    program = low_limit(lambda: eb.derive(chain, x))
    assert "def " in low_limit(lambda: eb.source(program))
    assert np.allclose(low_limit(lambda: eb.grad(chain)(x)), chain_gradient(x))


def test_lists_in_lists_without_end() -> None:
    nested: Any = np.ones(3)
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(ArgumentError, match="may be nested 100 deep") as refused:
        eb.check(lambda a: 0.0, lambda a: a, nested)
    assert "\n" not in str(refused.value)
    with pytest.raises(ArgumentError, match="may be nested 100 deep"):
        eb.read(lambda a: 0.0, nested)


def test_garbage_is_collected_seldom_during_a_check_and_as_before_after_it() -> None:
    before = gc.get_threshold()
    try:
        for own in ((700, 10, 10), (50_000, 5, 5), (0, 10, 10)):  # Python's own, one that is larger, none
            gc.set_threshold(*own)
            with seldom_collected():
                assert gc.get_threshold() == ((SELDOM, *own[1:]) if own[0] == 700 else own)
            assert gc.get_threshold() == own
    finally:
        gc.set_threshold(*before)
