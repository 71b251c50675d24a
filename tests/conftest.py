"""Hypothesis profiles: `fast` unless told otherwise, `ci` (the same examples each time), `full` (as many, and every
case of every test), `thorough` (many more of both).

`pytest --hypothesis-profile=thorough` chooses one, and so does HYPOTHESIS_PROFILE=thorough. Of tests that are marked
`long`, since all their cases take minutes, `fast` and `ci` run a part of the cases, or nothing where there is one case;
so does `fast` of those that are marked `slow`, which take a second or more.

Errors of ours are raised in all tests but those of `einbackprop.core.progress`, which take the switch away.

Each equation, einsum line and matrix form that any test prints must be true. What is read is held against the values
that its statements had (`reading_truth`), all else against the equation itself (`printed_truth`).
"""

import functools
import gc
import os
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from printed_truth import Recorder

# An error of ours in any part of a check fails the test in which it happens, in subprocesses too.
os.environ["EINBACKPROP_TRACEBACK"] = "1"

settings.register_profile(
    "fast", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("fast"), derandomize=True)
settings.register_profile("full", settings.get_profile("fast"))
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# Its own doctests are looked for in every module: scripts are read by tests, not imported, and `layers_torch` is
# PyTorch's side of a comparison.
collect_ignore_glob = ["scripts/*", "pasted/*"]
collect_ignore = [] if find_spec("torch") else ["layers_torch.py", "torch_numpy.py"]
collect_ignore += [] if find_spec("jax") else ["padded_programs.py", "sharded_programs.py"]


@pytest.fixture(autouse=True, scope="session")
def what_is_read_is_true() -> Iterator[None]:
    from reading_truth import untrue, with_values

    from einbackprop.reading import reading
    from einbackprop.shell import scripts

    reading_of = reading.reading_of

    @functools.wraps(reading_of)
    def checked(*arguments: Any) -> Any:
        made = reading_of(*arguments)
        assert not (false := list(untrue(made))), false
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "record", with_values(reading.record))
        patch.setattr(scripts, "traced", with_values(scripts.traced))
        patch.setattr(reading, "reading_of", checked)
        patch.setattr(scripts, "reading_of", checked)
        yield


@pytest.fixture
def verdicts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of verdicts: no mistakes are looked for, which takes most of the time of a check."""
    from verdict_cases import undiagnosed

    undiagnosed(monkeypatch)


@functools.cache
def printed() -> "Recorder":
    """What the session prints."""
    from printed_truth import Recorder

    return Recorder()


@pytest.fixture(autouse=True, scope="session")
def what_is_printed_is_kept() -> Iterator[None]:
    from einbackprop.notation.view import View

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(View, "within", printed().recording(View.within))
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless all is asked for, or a test is named."""
    from sampling import FAST, some

    if any("::" in argument for argument in config.args):
        return
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("long") or (FAST and item.get_closest_marker("slow")):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left = {item for of_one in cases.values() for item in of_one}
    for of_one in cases.values():
        every = 36 if FAST and of_one[0].get_closest_marker("slow") else 6
        left -= {*some(of_one, every, int(len(of_one) == 1))}
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]


def pytest_collection_finish() -> None:
    """What has been imported stays: the collector, which took an eighth of the time, looks at what tests make alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """What a test printed is judged when it is over; drawn formulas are judged by their own tests."""
    with printed().of_a_test():
        yield
        if item.path.name != "test_truth.py":
            assert not (false := printed().judged()), "\n".join(false)
