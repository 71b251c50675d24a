"""Cases of one mechanism: a sample of many of them, all of them in the profiles `full` and `thorough`."""

from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

FAST = settings.get_current_profile_name() == "fast"
THOROUGH = settings.get_current_profile_name() == "thorough"
WHOLE = settings.get_current_profile_name() in ("full", "thorough")
Case = TypeVar("Case")


def some(cases: Iterable[Case], every: int = 3, start: int = 0) -> list[Case]:
    """Every third case, or another part of them, from one on; all of them where the profile asks for the whole."""
    found = list(cases)
    return found if WHOLE else found[start::every]
