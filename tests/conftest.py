"""Hypothesis profiles: `fast` unless told otherwise, `ci` (the same examples each time), `thorough`.

`pytest --hypothesis-profile=thorough` chooses one, and so does HYPOTHESIS_PROFILE=thorough.

Errors of ours are raised in all tests but those of `einbackprop.core.faults`, which take the switch away.

Whatever any test reads is held against the values that its statements had (`reading_truth`): each equation, einsum line
and matrix form that is printed must be true.
"""

import functools
import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# An error of ours in any part of a check fails the test in which it happens, in subprocesses too.
os.environ["EINBACKPROP_TRACEBACK"] = "1"

settings.register_profile(
    "fast", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("fast"), derandomize=True)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# Its own doctests are looked for in every module: the scripts are read by tests, not imported, and `layers_torch` is
# PyTorch's side of a comparison.
collect_ignore_glob = ["scripts/*"]
collect_ignore = [] if find_spec("torch") else ["layers_torch.py", "torch_numpy.py"]


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
        patch.setattr(scripts, "_traced", with_values(scripts._traced))
        patch.setattr(reading, "reading_of", checked)
        patch.setattr(scripts, "reading_of", checked)
        yield
