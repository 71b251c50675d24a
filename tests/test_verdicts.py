"""The one table by which a verdict is made: each row decides of real code, in this order, and NOTES.md shows it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from verdict_cases import CASES, Case, undiagnosed

import einbackprop as eb
from einbackprop.checking import certifying, solving, verdicts
from einbackprop.checking.trials import SLIGHT
from einbackprop.checking.verdicts import TABLE, Added, Facts, Row
from einbackprop.core.progress import Progress

PACKAGE = Path(verdicts.__file__).parent.parent
NOTES = (Path(__file__).parent.parent / "NOTES.md").read_text(encoding="utf-8")
CONTESTED = {
    ("raises", "uncompared"), ("unclear", "missing"), ("complex_dtype", "misshapen, transposed"),
    ("differs, unsettled", "differs, random"), ("differs, redrawn", "differs, random"),
    ("differs, redrawn", "differs, unexcused"),
    ("differs, random", "differs, unexcused"), ("differs, slight, unread", "differs"),
    ("differs, derived", "differs, tiny"), ("uncompared", "agrees, empty"), ("elsewhere, meant", "agrees"),
    ("elsewhere", "agrees, clipped"), ("agrees, coarse, untried", "agrees, untried"),
}  # fmt: skip
"""Rows of which both hold of some case. Two rows that are not here exclude each other, or the one holds the other."""
Known = dict[str, tuple[Facts, Added, Row]]


def end_time(patch: pytest.MonkeyPatch, until: str, times: int) -> None:
    """Let the time be over once a check says for the how-manieth time what it is doing."""
    left = [times]

    def said(progress: Progress, name: str, value: Any) -> None:
        object.__setattr__(progress, name, value)
        left[0] -= name == "what" and value == until

    patch.setattr(Progress, "__setattr__", said)
    patch.setattr(Progress, "over", property(lambda _: left[0] <= 0))


def steepen(patch: pytest.MonkeyPatch, times: float) -> None:
    """Let differences of the loss be so many times too large, and all there is."""
    own = certifying.Reference._shifted
    patch.setattr(certifying.Reference, "_shifted",
                  lambda self, *step: self.value + times * (own(self, *step) - self.value))  # fmt: skip
    patch.setattr(certifying.Reference, "analytic", property(lambda _: False, lambda *_: None), raising=False)


def decided(case: Case) -> tuple[eb.Report, Known]:
    """The report on a case, and for each gradient the facts and the row that decided."""
    used: Known = {}
    own = verdicts.row_of
    with pytest.MonkeyPatch.context() as patch:

        def row_of(facts: Facts, added: Added) -> Row:
            used[facts.name] = facts, added, own(facts, added)
            return used[facts.name][2]

        patch.setattr(verdicts, "row_of", row_of)
        if not case.is_assumed:
            undiagnosed(patch)
        if case.until:
            end_time(patch, case.until, case.times)
        if case.steep:
            steepen(patch, case.steep)
        solve = solving.solve
        patch.setattr(solving, "solve", lambda problem, **more: solve(
            replace(problem, is_guess=case.is_guess, is_assumed=case.is_assumed), **more))
        report = eb.check(case.loss, case.gradients, *case.arguments, wrt=case.wrt, seconds=600 if case.until else None)
    return report, used


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[Case, eb.Report, Known]]:
    return [(case, *decided(case)) for case in CASES]


def name_of(row: Row) -> str:
    return ", ".join(row.when)


def test_each_row_decides_of_real_code(outcomes: Any) -> None:
    for case, report, used in outcomes:
        first = report.gradients[0]
        row = used[first.name][2]
        assert name_of(row) == case.when
        assert first.verdict == row.verdict
        assert (first.grade is None) == (first.verdict in ("kink", "undecided"))
        facts = used[first.name][0]
        compared = facts.differs or facts.agrees or facts.kink or facts.uncertain
        if case.when.split(", ")[0] in ("differs", "agrees", "kink", "uncertain"):
            assert compared is not None
            assert (first.index, first.yours, first.expected) == (compared.index, compared.yours, compared.expected)
    assert {case.when for case in CASES} == set(map(name_of, TABLE))


def test_a_right_gradient_has_the_grade_of_its_proof(outcomes: Any) -> None:
    grades = {(case.when, report.gradients[0].grade) for case, report, _ in outcomes}
    assert grades >= {("agrees", "proved"), ("agrees", "close"), ("agrees, coarse", "close")}


def test_how_much_a_guard_changes_is_said(outcomes: Any) -> None:
    ((first, facts),) = ((report.gradients[0], used["w"][0]) for case, report, used in outcomes
                         if case.when == "guard, differs")  # fmt: skip
    assert facts.differs.max_error > SLIGHT
    assert f"changes it by up to {facts.differs.max_error:.1g} of its largest entry" in first.note


def contested(outcomes: Any) -> set[tuple[str, str]]:
    """The pairs of rows that both hold of some case, so that a table with the two swapped decides it otherwise."""
    found = set()
    for _, _, used in outcomes:
        for facts, added, row in used.values():
            known = verdicts.known_of(facts, added)
            lower = TABLE[TABLE.index(row) + 1 :]
            found |= {(name_of(row), name_of(other)) for other in lower if verdicts.holds(other, known)}
    return found


def test_the_order_of_rows_matters_to_real_code(outcomes: Any) -> None:
    pairs = contested(outcomes)
    assert pairs >= CONTESTED
    for number, row in enumerate(TABLE):
        for lower in TABLE[number + 1 :]:
            assert not set(row.when) < set(lower.when), "a row that never decides"
            assert (name_of(row), name_of(lower)) in pairs or not set(lower.when) < set(row.when)


def test_two_rows_swapped_are_objected_to(outcomes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for first, second in sorted(CONTESTED):
        names = list(map(name_of, TABLE))
        table = list(TABLE)
        n, m = names.index(first), names.index(second)
        table[n], table[m] = table[m], table[n]
        monkeypatch.setattr(verdicts, "TABLE", tuple(table))
        changed = [1 for _, _, used in outcomes for facts, added, row in used.values()
                   if verdicts.row_of(facts, added) is not row]  # fmt: skip
        assert changed
        assert shown(table) not in NOTES


@pytest.mark.slow
def test_reading_and_proof_can_only_add_what_is_theirs() -> None:
    """Nothing makes or changes a verdict but the table, and additions name no fact of the black box."""
    assert not {field.name for field in fields(Facts)} & {field.name for field in fields(Added)}
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                    and (node.module or "").endswith(("records", "reports")) for alias in node.names}  # fmt: skip
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if file != Path(verdicts.__file__):
            assert "Gradient" not in imported or all(ast.unparse(call.func) != "Gradient" for call in calls)
            assert not [keyword for call in calls for keyword in call.keywords if keyword.arg == "grade"]


def test_the_black_box_imports_the_world_and_the_core_alone() -> None:
    left, seen = ["deciding"], set()
    while left:
        name = left.pop()
        seen.add(name)
        for module in imports_of(PACKAGE / "checking" / f"{name}.py"):
            folder, _, rest = module.partition(".")
            assert folder in ("world", "core", "errors", "checking"), f"{name} imports {module}"
            left += [rest] if folder == "checking" and rest not in seen else []
    assert {"verdicts", "comparing", "certifying", "answers"} <= seen


def imports_of(file: Path) -> Iterator[str]:
    """What a module of checking imports of the package when it is imported: ``core.nesting``."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").removeprefix("einbackprop").strip(".")
            if node.level == 1:
                module = f"checking.{module}".strip(".")
            if node.level or (node.module or "").startswith("einbackprop"):
                names = [alias.name for alias in node.names] if module == "checking" else [""]
                yield from (f"{module}.{name}".strip(".") for name in names)


def shown(table: Sequence[Row]) -> str:
    """The table as NOTES.md has it; facts that are added by others than the black box in italics."""
    added = {field.name for field in fields(Added)}
    rows = ["| facts | verdict | grade | what is said |", "|---|---|---|---|"]
    for row in table:
        facts = ", ".join(f"*{name}*" if name in added else name for name in row.when) or "otherwise"
        rows.append(f"| {facts} | {row.verdict} | {row.grade} | {row.says} |")
    return "\n".join(rows) + "\n"


def meanings() -> str:
    """The facts and what they mean, as their docstrings have it."""
    lines = []
    for kind, mark in ((Facts, ""), (Added, "*")):
        entries = (inspect.getdoc(kind) or "").split("----------\n")[1]
        for names, text in re.findall(r"^(\S.*)\n((?: .*(?:\n|$))+)", entries, re.MULTILINE):
            lines.append(f"- {mark}{names}{mark}: {' '.join(text.split())}")
    return "\n".join(lines) + "\n"


def test_notes_show_the_table() -> None:
    assert meanings() in NOTES
    assert shown(TABLE) in NOTES


def test_the_facts_of_the_table_are_facts() -> None:
    named = {name for row in TABLE for name in row.when}
    told = {name for row in TABLE for _, name, _, _ in Formatter().parse(row.says) if name}
    known = {field.name for kind in (Facts, Added) for field in fields(kind)}
    assert named <= known
    assert known - named == {"name", "shape", "guard_changes", "proof"}
    assert {name.partition(".")[0] for name in told} <= known
