"""For pytest: a failing ``assert`` of a report shows all of it, and a traceback has no frames of this package.

pytest loads it by itself. It imports nothing that costs, and nothing of this package until a test fails.
"""

import ast
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

PACKAGE = __name__.partition(".")[0]
BETWEEN = ("numpy", "contextlib", "functools")
"""Modules whose frames stand between ours, as that of ``np.errstate``."""
KEPT_BY_PYTEST = "@py_assert"
"""How the names start under which pytest keeps the values of an assertion."""


def pytest_runtest_makereport(item: "pytest.Item", call: "pytest.CallInfo[None]") -> None:
    """Give the exception of a failed test its report, and take our frames out, before pytest writes about it."""
    if call.excinfo is None or f"{PACKAGE}.errors" not in sys.modules:  # nothing of ours has run
        return
    error = call.excinfo.value
    for report in asserted(error) if isinstance(error, AssertionError) else ():
        error.add_note(str(report))
    if not item.config.getoption("fulltrace") and is_users(error):
        for one in chain_of(error):
            one.__traceback__ = relinked([step for step, is_ours in judged(one) if not is_ours])


def asserted(error: AssertionError) -> list[Any]:
    """The reports of checks that the assertion which has failed is about."""
    from einbackprop.core.source import statements_of

    checking = sys.modules.get(f"{PACKAGE}.checking.reports")
    *_, step = steps_of(error)
    statement = statements_of(step.tb_frame.f_code.co_filename).at(step.tb_lineno)
    if checking is None or not isinstance(statement, ast.Assert):
        return []
    words = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    names = step.tb_frame.f_globals | step.tb_frame.f_locals
    values = [value for name, value in names.items() if name in words or name.startswith(KEPT_BY_PYTEST)]
    return list({id(value): value for value in values if type(value) is checking.Report}.values())


def is_users(error: BaseException) -> bool:
    """Whether an exception was raised on purpose, or by code that is not ours: not by a mistake of ours."""
    *_, (_, is_ours) = judged(error)
    return not is_ours or isinstance(error, sys.modules[f"{PACKAGE}.errors"].EinbackpropError)


def judged(error: BaseException) -> list[tuple[TracebackType, bool]]:
    """The steps of a traceback, each with whether it is ours, or stands next to such steps for us."""
    steps = list(steps_of(error))
    modules = [str(step.tb_frame.f_globals.get("__name__", "")).partition(".")[0] for step in steps]
    before, after = reaching(modules), reaching(modules[::-1])[::-1]
    return [(step, one or other) for step, one, other in zip(steps, before, after, strict=True)]


def reaching(modules: list[str]) -> list[bool]:
    """Which modules are ours, or come after ours with none but those `BETWEEN` in between."""
    found: list[bool] = []
    for module in modules:
        found.append(module == PACKAGE or (module in BETWEEN and found[-1:] == [True]))
    return found


def relinked(steps: list[TracebackType]) -> TracebackType | None:
    """A traceback of these steps alone."""
    for n, step in enumerate(steps):
        step.tb_next = steps[n + 1] if n + 1 < len(steps) else None
    return steps[0] if steps else None


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that it came of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def steps_of(error: BaseException) -> Iterator[TracebackType]:
    """The steps of the traceback of an exception, from the outside in."""
    step = error.__traceback__
    while step is not None:
        yield step
        step = step.tb_next
