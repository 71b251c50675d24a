"""A mistake in a loop: its first round, where everything before is known, tells what the step should have been.

One round set right makes no gradient right, since the mistake is in the others too. It makes the steps right after it
known ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.program import Sum, Update, operands
from .judging import Judging, line_of
from .truth import Role

GRADIENTS = ("cotangent", "part", "data")
SOON = 3  # of those, one of the first must become known
AFTER = 2  # steps after the first unknown one that may be the mistake as well
NEXT = 8  # steps after the first unknown one that are looked at
MOST_EDITED = 6  # suspects for which a small edit is searched


@dataclass(frozen=True)
class Guess:
    """A step in a role, and how many of the next steps are known then."""

    name: str
    role: Role
    score: int


def suspects_in_a_loop(
    judging: Judging, reaching: Sequence[str], roles_for: Callable[[str], Iterable[Role]]
) -> Iterator[tuple[str, Role]]:
    """Steps of a loop, and what each should be: other rounds of a line that was set right, then guesses."""
    yield from scaled_runs(judging, reaching)
    names, later = first_unknown(judging, reaching)
    found = guesses(judging, names, later, roles_for) if names else []
    best = [guess for guess in found if guess.score == found[0].score][:MOST_EDITED]
    yield from ((guess.name, guess.role) for guess in best)


def first_unknown(judging: Judging, reaching: Sequence[str]) -> tuple[list[str], list[str]]:
    """The first step of a loop that is nothing known, between those that it is made from and some that are made of it;
    and the unknown steps after it.

    Parameters
    ----------
    judging : Judging
    reaching : sequence of str
        The steps that reach a wrong gradient, in order.
    """
    made = judging.made
    runs = Counter(line_of(made[name].source)[:2] for name in reaching)
    sums = summing_lines(judging, reaching)
    filled = [
        name for name in reaching
        if not judging.is_target(name) and line_of(made[name].source)[:2] not in sums
        and np.any(judging.now[0].get(name, 0))
    ]  # fmt: skip
    unknown = {name: None for name in filled if judging.identify(name, judging.now) is None}
    steps = set(reaching)
    inputs = {name: direct_inputs(judging, name, steps) for name in filled}
    for name in list(unknown):  # a sum of some paths is nothing known, and right if what is made of it is known
        readers = [reader for reader, read in inputs.items() if name in read]
        if readers and not any(reader in unknown for reader in readers):
            del unknown[name]
    if not unknown or runs[line_of(made[next(iter(unknown))].source)[:2]] < 2:
        return [], []
    first, *later = unknown
    fed = [n for n in inputs[first] if n not in judging.fixed and could_be_short(judging, n)]
    return [*fed, first, *later[:AFTER]], later[:NEXT]


def summing_lines(judging: Judging, names: Sequence[str]) -> set[tuple[str, int]]:
    """The lines that add to, or write into, what their own earlier runs made: that is nothing known before the last."""
    made, labels = judging.made, judging.program.labels
    found = set()
    for name in names:
        equation, line = made[name], line_of(made[name].source)[:2]
        for ref in operands(equation) if isinstance(equation, Sum | Update) else ():
            is_same = ref.name in made and line_of(made[ref.name].source)[:2] == line
            if is_same and labels.get(ref.name) == labels.get(name):
                found.add(line)
    return found


def direct_inputs(judging: Judging, name: str, steps: Collection[str]) -> list[str]:
    """The steps from which another is made without a step between them, in order."""
    made = judging.made
    found: set[str] = set()
    stack = [ref.name for ref in operands(made[name])]
    while stack:
        value = stack.pop()
        if value in steps:
            found.add(value)
        elif value in made and value not in judging.forward:
            stack += [ref.name for ref in operands(made[value])]
    return sorted(found, key=lambda n: judging.place[n])


def could_be_short(judging: Judging, name: str) -> bool:
    """Whether a step is a gradient or a part of one, or nothing known."""
    role = judging.role_of(name)
    return bool(np.any(judging.now[0].get(name, 0))) and (role is None or role.known.kind in GRADIENTS)


def scaled_runs(judging: Judging, reaching: Sequence[str]) -> Iterator[tuple[str, Role]]:
    """Other rounds of a line that was set right that are what they should be but for a factor."""
    made = judging.made
    lines = {line_of(made[name].source)[:2]: role for name, role in judging.fixed.items()}
    for name in reaching:
        right = lines.get(line_of(made[name].source)[:2])
        role = judging.identify(name, judging.now) if right is not None and not judging.is_target(name) else None
        if right is None or role is None or not right.known.kind == role.known.kind == "cotangent":
            continue
        if role.factor != right.factor and kind_of(judging, role) == kind_of(judging, right):
            yield name, Role(role.known, right.factor, role.axes)


def guesses(
    judging: Judging, names: Sequence[str], later: Sequence[str], roles_for: Callable[[str], Iterable[Role]]
) -> list[Guess]:
    """What the steps could be meant to be, by how many later steps are known then, the best first.

    What another round of the line is the gradient of comes first.
    """
    lines = {line_of(judging.made[name].source)[:2] for name in judging.fixed}
    again = [name for name in names if line_of(judging.made[name].source)[:2] in lines]
    for chosen in (again, names):
        for of_its_kind in (True, False):
            found = [g for name in chosen for g in guesses_of(judging, name, later, roles_for(name), of_its_kind)]
            if found:
                return sorted(found, key=lambda guess: -guess.score)
    return []


def guesses_of(
    judging: Judging, name: str, later: Sequence[str], roles: Iterable[Role], of_its_kind: bool
) -> Iterator[Guess]:
    """What one step could be meant to be."""
    kinds = kinds_of_runs(judging, name)
    for role in roles:
        if role.known.kind in ("cotangent", "part") and (kind_of(judging, role) in kinds) == of_its_kind:
            soon = any(True for _ in become_known(judging, name, role, later[:SOON]))
            score = len(list(become_known(judging, name, role, later))) if soon else 0
            if score:
                yield Guess(name, role, score)


def kinds_of_runs(judging: Judging, name: str) -> set[str]:
    """What the other runs of a step's line are gradients of, by their labels."""
    line, label = line_of(judging.made[name].source)[:2], judging.program.labels.get(name)
    known = {**judging.original, **judging.fixed}
    labels, made = judging.program.labels, judging.made
    roles = (known[n] for n in judging.roots if line_of(made[n].source)[:2] == line and labels.get(n) == label)
    same = (role for role in roles if role is not None and role.known.kind == "cotangent")
    return {kind_of(judging, role) for role in same} - {""}


def kind_of(judging: Judging, role: Role) -> str:
    """The label of what a role is the gradient of."""
    return judging.truth.forward.labels.get(role.known.of, "")


def become_known(judging: Judging, name: str, role: Role, later: Sequence[str]) -> Iterator[str]:
    """The later steps that are gradients of something else, with a step in a role."""
    after = [n for n in later if judging.place[n] > judging.place[name]]
    if not after:
        return
    change = {name: [role.array(sample) for sample in judging.samples]}
    values = judging.rerun(judging.now, change, upto=after[-1])
    for step in after:
        if values[0].get(step) is not judging.now[0].get(step):
            known = judging.identify(step, values)
            if known is not None and known.known.kind in ("cotangent", "part") and known.known.name != role.known.name:
                yield step
