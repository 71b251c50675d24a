"""What all tests share: Hypothesis profiles, and no doctest of a module whose extra is missing."""

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fast", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("fast"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=2000)
# `pytest --hypothesis-profile=thorough` comes later, and wins.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# Modules of the package that import an extra at once, since they are nothing without it.
EXTRAS = {"strategies.py": "hypothesis"}


class WithoutMissingExtras:
    """Leaves out the package's modules whose extra is not installed."""

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        extra = EXTRAS.get(collection_path.name)
        missing = extra is not None and importlib.util.find_spec(extra) is None
        return True if missing and collection_path.parent.name == "einbackprop" else None


def pytest_configure(config: pytest.Config) -> None:
    # A hook of this file itself would be asked about paths under tests/ only.
    config.pluginmanager.register(WithoutMissingExtras())
