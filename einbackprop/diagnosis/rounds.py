"""A mistake in a loop: its first round, where everything before is known, tells what the step should have been.

One round set right makes no gradient right, since the mistake is in the others too. It makes the steps right after it
known ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..program import operands
from .judging import Judging, line_of
from .truth import Role

NEXT = 8  # steps after the first unknown one that are looked at
MOST_EDITED = 6  # suspects for which a small edit is searched


@dataclass(frozen=True)
class Guess:
    """A step in a role, and how many of the next steps are known then."""

    name: str
    role: Role
    score: int


def first_unknown(judging: Judging, reaching: Sequence[str]) -> tuple[list[str], list[str]]:
    """The first step of a loop that is nothing known, after those that it is made from; and the unknown steps after it.

    Parameters
    ----------
    judging : Judging
    reaching : sequence of str
        The steps that reach a wrong gradient, in order.
    """
    made = judging.made
    runs = Counter(line_of(made[name].source)[:2] for name in reaching)
    computed = [name for name in reaching if not judging.is_target(name) and any(True for _ in operands(made[name]))]
    unknown = [name for name in computed if judging.identify(name, judging.now) is None]
    if not unknown or runs[line_of(made[unknown[0]].source)[:2]] < 2:
        return [], []
    return [*feeding(judging, unknown[0], set(reaching)), unknown[0]], unknown[1 : NEXT + 1]


def feeding(judging: Judging, name: str, steps: set[str]) -> list[str]:
    """The steps from which another is made without a step between them, that could be short of something."""
    made = judging.made
    found: dict[str, None] = {}
    stack = [ref.name for ref in operands(made[name])]
    while stack:
        value = stack.pop()
        if value in steps:
            role = judging.role_of(value)
            if role is None or role.known.kind in ("cotangent", "part", "data"):
                found[value] = None
        elif value in made and value not in judging.forward:
            stack += [ref.name for ref in operands(made[value])]
    return sorted((n for n in found if n not in judging.fixed), key=lambda n: judging.place[n])


def guesses(
    judging: Judging, names: Sequence[str], later: Sequence[str], roles_for: Callable[[str], Iterable[Role]]
) -> list[Guess]:
    """What the steps could be meant to be, by how many later steps are known then, the best first."""
    found: list[Guess] = []
    for name in names:
        for role in roles_for(name):
            if role.known.kind in ("cotangent", "part"):
                score = sum(1 for _ in become_known(judging, name, role, later))
                if score:
                    found.append(Guess(name, role, score))
    return sorted(found, key=lambda guess: -guess.score)


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


