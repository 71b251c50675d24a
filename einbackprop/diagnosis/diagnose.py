"""From wrong gradients to findings: the statement where each mistake was made, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from einbackprop.checking.answers import User
from einbackprop.checking.problems import Problem, targets_of
from einbackprop.checking.records import Finding
from einbackprop.core.nesting import Path
from einbackprop.core.progress import doing
from einbackprop.diagnosis.experiments import Experiment
from einbackprop.diagnosis.repair import Identify, Repair, Search
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.writing import written
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

STATES = 3


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and where.

    Attributes
    ----------
    findings : tuple of Finding
    repairs : tuple of Repair
    is_repaired : bool
        Whether everything is right with these.
    """

    findings: tuple[Finding, ...] = ()
    repairs: tuple[Repair, ...] = ()
    is_repaired: bool = False


@dataclass(frozen=True)
class Case:
    """What is to be diagnosed.

    Attributes
    ----------
    problem : Problem
    user : User
        The functions as the black box ran them.
    states : sequence of nested arrays
        Where the loss has slopes.
    elsewhere : sequence of nested arrays
        The same at other sizes.
    paths : tuple of Path
        What gradients are taken of.
    wrong : frozenset of str
        The gradients that are wrong by the black box.
    identify : callable
    """

    problem: Problem
    user: User
    states: Sequence[Any]
    paths: tuple[Path, ...]
    wrong: frozenset[str]
    elsewhere: Sequence[Any] = ()
    identify: Callable[[Any], Identify] = field(default=lambda state: lambda value: None)


def diagnose(case: Case, seed: int) -> Diagnosis:
    """The mistakes in a backward: each on its line, with a line to write where one was found that repairs."""
    doing("looking for the mistakes")
    experiments = list(experiments_of(case, seed))
    if not experiments:
        return Diagnosis()
    version = Version(case.user.loss.world)
    search = Search(experiments, version, case.identify(experiments[0].state))
    repairs, _ = search.run()
    findings = tuple(finding_of(repair) for repair in repairs)
    return Diagnosis(findings, tuple(repairs), search.works(search.version))


def experiments_of(case: Case, seed: int) -> Iterator[Experiment]:
    """Experiments at some states: the first is one at which just the wrong gradients are wrong."""
    rng = np.random.default_rng(seed)
    made = [Experiment(case.user, state, case.paths, rng) for state in case.states[:STATES]]
    made.sort(key=lambda e: len(e.wrong(e.run()) ^ case.wrong))
    yield from made
    for state in case.elsewhere:
        try:
            targets = targets_of(case.problem, state)
            user = replace(case.user, targets=targets, unfit={}, _names={})
            yield Experiment(user, state, tuple(t.path for t in targets), rng)
        except (Raised, ScriptError):  # the code is not made for these sizes
            continue


def finding_of(repair: Repair) -> Finding:
    """A repair, in words."""
    return Finding(f"{repair.edit.message}.", repair.site.file, repair.statement.lineno, write=written(repair))
