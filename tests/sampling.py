"""Cases of one mechanism: a sample of many of them, all of them in the thorough profile."""

from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

THOROUGH = settings.get_current_profile_name() == "thorough"
Case = TypeVar("Case")


def some(cases: Iterable[Case], every: int = 3, start: int = 0) -> list[Case]:
    """Every third case, or another part of them, from one on; all of them in the thorough profile."""
    found = list(cases)
    return found if THOROUGH else found[start::every]
