"""Naming the mistake: which edit makes a wrong line right, in words and in the user's own code.

``explain_mistakes`` is what a check calls: the verdict on every line of a backward, and a finding for every mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..checking.records import Finding, Line
from ..core.faults import contained
from ..core.program import Contract, Dimension, Map, Program, Ref, Source, operands
from .aliases import named_after
from .blaming import judge
from .edits import Edit
from .judging import Judging, Run, Step, Target, line_of
from .places import Places
from .sampling import Array
from .search import Explanation, Search, Surroundings
from .sentences import sentence
from .truth import Role
from .wording import Formula, Words

ORDER = ("wrong", "follows", "undecided", "right")


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes
    ----------
    source : Source or None
        The line that is wrong.
    message : str
    yours, expected : Formula or None
    advice : str or None
        The line to write instead.
    alternatives : tuple of str
        Other edits, as small, that make everything right as well.
    """

    source: Source | None
    message: str
    yours: Formula | None
    expected: Formula | None
    advice: str | None = None
    alternatives: tuple[str, ...] = ()

    def finding(self) -> Finding:
        """The mistake as a report shows it."""
        said = self.message
        if self.alternatives:
            said += " Just as small: " + "; or ".join(self.alternatives) + "."
        source = self.source
        return Finding(
            said, source.file if source else None, source.line if source else None,
            shown(self.yours), shown(self.expected), self.advice,
            self.yours.markup if self.yours else (), self.expected.markup if self.expected else (),
        )  # fmt: skip


LONGEST = 400
"""Signs of a formula that somebody would read."""


def shown(formula: Formula | None) -> str | None:
    """A formula in index notation, then with einsum."""
    if formula is None or len(formula.equation) > LONGEST:
        return None
    return formula.equation + (f"\n{formula.einsum}" if formula.einsum else "")


class Diagnosis:
    """The mistakes of a judged backward, explained."""

    def __init__(self, judging: Judging) -> None:
        self.judging = judging
        self.surroundings = Surroundings(judging)
        self.words = Words(judging, self.surroundings)
        self.searches = {name: Search(judging, self.surroundings, name) for name in judging.fixed}
        self.places = Places(judging, self.words)
        self.explanations = self._explanations()

    def _explanations(self) -> list[Explanation]:
        """An explanation for each wrong step; of a line that ran several times, for the first run."""
        found: list[Explanation] = []
        seen: set[tuple[str, int]] = set()
        for name, search in self.searches.items():
            line = line_of(self.judging.made[name].source)[:2]
            if line not in seen:
                found.append(search.explain())
                seen.add(line)
        counts = Counter(line for x in found for line in {line_of(e.edited.source)[:2] for e in x.edits})

        def shared(edit: Edit) -> int:
            return -counts[line_of(edit.edited.source)[:2]]

        return [Explanation(x.name, x.role, tuple(sorted(x.edits, key=shared))) for x in found]

    def mistakes(self) -> list[Mistake]:
        """One for each wrong line, in the order of the lines."""
        found: dict[tuple[str, int], Mistake] = {}
        exchanged: set[tuple[str, str, str]] = set()
        for explanation in self.explanations:
            edit = explanation.edits[0] if explanation.edits else None
            if edit is not None and edit.kind in ("replace", "transpose") and edit.old:
                pair = edit.kind, edit.old, edit.new
                if pair in exchanged:  # one value that got the wrong name, and is read on several lines
                    continue
                exchanged.add(pair)
            mistake = self._mistake(explanation)
            target = next((t for t in self.judging.targets if t.value == explanation.name), None)
            if target is not None and (self.places.is_outside(mistake.source) or self.is_another(target)):
                mistake = self._misplaced(target)
            found.setdefault(line_of(mistake.source)[:2], mistake)
        made = sorted(found.values(), key=lambda m: line_of(m.source))
        return made + [self._misplaced(target) for target in self.judging.misplaced]

    def _mistake(self, explanation: Explanation) -> Mistake:
        words, name = self.words, explanation.name
        if not explanation.edits:
            source = self.places.where_passed(self.judging.made[name].source)
            yours = words.line(self.judging.made[name], {})
            expected = words.derived(explanation.role, name)
            called, meaning = words.name(name), words.meaning(explanation.role)
            told = f"; expected is what {meaning} is." if expected else "."
            if words.is_nameless(explanation.role):
                meaning, told = "the gradient that is needed here", "; expected is that." if expected else "."
            return Mistake(source, f"{called} is not {meaning}{told}", yours, expected)
        edit, *others = explanation.edits
        others = [x for x in others if is_another(x, edit, words)]
        place = self.places.place_of(edit, self.searches[name])
        alternatives = tuple(self._alternative(other, line_of(place.source)[:2]) for other in others[:2])
        return Mistake(place.source, sentence(edit, words), place.yours, place.expected, place.advice, alternatives)

    def _alternative(self, edit: Edit, line: tuple[str, int]) -> str:
        said = sentence(edit, self.words).rstrip(".")
        place = line_of(edit.edited.source)[:2]
        return said if place == line else f"in line {place[1]}, {said}"

    def is_another(self, target: Target) -> bool:
        """Whether what was returned is the gradient of something else, or a value of the forward, and the right one is
        there too."""
        own, known = self.judging.original.get(target.value), self.judging.truth.target(target.parameter)
        roles = [self.judging.original[name] for name in self.judging.roots if name != target.value]
        is_there = any(r is not None and r.is_plain and r.known == known for r in roles)
        return own is not None and own.is_plain and own.known != known and is_there

    def _misplaced(self, target: Target) -> Mistake:
        """A gradient in whose place another value was returned."""
        words, judging = self.words, self.judging
        known = judging.truth.target(target.parameter)
        right = [n for n in judging.roots if (role := judging.original[n]) and role.known == known and role.is_plain]
        parameter = words.name(target.parameter)
        called = f"what is returned as the gradient of {parameter}"
        if words.can_name(target.value):
            called = f"{words.name(target.value)}, returned as the gradient of {parameter},"
        meant = [t.value for t in judging.targets if t.parameter == target.parameter and t.value != target.value]
        instead = f"; {words.name(meant[0])} is meant to be" if meant else ""
        if right:
            instead = f"; {words.name(right[-1])} is" if words.can_name(right[-1]) else ""
        right = right[-1:] or meant
        derived = None if right else words.derived(Role(known), target.value)
        expected = (words.read(right[0]),) if right else derived.right if derived else ("…",)
        place = self.places.returned_as(target, (words.read(target.value),), expected)
        message = f"{called} is not ∂L/∂{parameter}{instead}."
        return Mistake(place.source, message, place.yours, place.expected)

    # Lines

    def lines(self) -> list[Line]:
        """Every line of the backward that gives a value to others, with what it is and its verdict."""
        groups: dict[tuple[str, int], list[Step]] = {}
        for step in self.judging.steps:
            source = self.judging.made[step.name].source
            if source is not None:
                groups.setdefault(line_of(source)[:2], []).append(step)
        wrong = {line_of(m.source)[:2] for m in self.mistakes()} if self.judging.fixed else set()
        made = [
            contained(f"line {place[1]}", partial(self._line, place, steps, wrong), None)
            for place, steps in sorted(groups.items())
        ]
        return [line for line in made if line is not None]

    def _line(self, place: tuple[str, int], steps: Sequence[Step], wrong: set[tuple[str, int]]) -> Line:
        made = self.judging.made
        verdicts = {step.verdict for step in steps}
        verdict = next(v for v in ORDER if v in verdicts)
        if verdict == "wrong" and place not in wrong:
            verdict = "follows"  # the mistake was found in a line that this one depends on
        first = [s for s in steps if line_of(made[s.name].source)[2] == line_of(made[steps[0].name].source)[2]]
        step = first[-1]
        source = made[step.name].source
        assert source is not None
        formula = self.words.line(made[step.name], {})
        verdict = "wrong" if place in wrong else verdict
        return Line(source.file, source.line, source.code, formula.equation, formula.subscripts,
                    self.meaning(step), verdict, formula.markup)  # fmt: skip

    def meaning(self, step: Step) -> str:
        """What a value is, and what its name says where that is something else."""
        if step.role is None:
            return ""
        said = self.words.meaning(step.role)
        named = named_after(self.words.name(step.name), self.judging.truth.forward.labels.values())
        known = step.role.known
        if named and known.kind == "cotangent" and self.words.name(known.of) != named and known.of != named:
            before = next_to(named, known.of, self.judging)
            said += f": {before}, though its name says {named}" if before else f", though its name says {named}"
        return said


def is_another(edit: Edit, first: Edit, words: Words) -> bool:
    """Whether an edit says something else than the first: not the same term once more, or a name for itself."""
    if edit.kind == "replace":
        match words.judging.made.get(edit.old):
            case Contract(_, (Ref(read, _),), (), _) if first.kind == "scale" and not words.can_name(edit.old):
                return read != edit.new  # `-X` for `X` is a sign once more
        return words.value(edit.old) != words.value(edit.new)
    if edit.kind == first.kind == "function":  # `>` and `>=` differ at a kink only
        return edit.new.removesuffix("_equal") != first.new.removesuffix("_equal")
    return edit.kind != "term" or first.kind != "term" or edit.edited.out != first.edited.out


def next_to(named: str, value: str, judging: Judging) -> str:
    """``the gradient before the sigmoid``: where a value stands, seen from the one that a name says."""
    forward = judging.truth.forward
    for equation in forward.equations:
        named_so = isinstance(equation, Map) and forward.labels.get(equation.out.name) == named
        if isinstance(equation, Map) and named_so and any(ref.name == value for ref in operands(equation)):
            return f"the gradient before the {equation.function}"
    return ""


# The whole


def explain_mistakes(
    program: Program, targets: Mapping[int, str], arrays: Sequence[Array], rng: np.random.Generator,
    run: Run | None = None,
) -> tuple[tuple[Line, ...], tuple[Finding, ...], dict[str, str], tuple[Dimension, ...]]:  # fmt: skip
    """Judge every line of a backward, and name its mistakes.

    Parameters
    ----------
    program : Program
        The loss and the gradients traced together (``record_pair``): the first output is the loss.
    targets : mapping of int to str
        For each output that is a gradient, the name of the program's input that it is the gradient of.
    arrays : sequence of arrays
        The user's inputs, in the order of ``program.inputs``.
    rng : Generator
    run : callable, optional
        The loss and the gradients as a function of such arrays that gives arrays in the order of the outputs. With
        it, what the code does elsewhere than it was traced is undecided instead of misjudged.

    Returns
    -------
    lines : tuple of Line
    findings : tuple of Finding
    verdicts : dict
        For each input: 'right', 'wrong' or 'undecided'.
    dimensions : tuple of Dimension
        The program's, with the letters that the lines and formulas have besides.

    Raises
    ------
    DerivationError
        The loss cannot be differentiated.
    """
    judging = judge(program, targets, arrays, rng, run)
    verdicts = {}
    for n, target in enumerate(judging.targets):
        lost = judging.unreadable >> n & 1 or not judging.samples
        verdicts[target.parameter] = "undecided" if lost else "wrong" if judging.wrong_at_first >> n & 1 else "right"
    lines, findings, dimensions = contained("the diagnosis", lambda: _explained(judging), ((), (), ()))
    return lines, findings, verdicts, dimensions


def _explained(judging: Judging) -> tuple[tuple[Line, ...], tuple[Finding, ...], tuple[Dimension, ...]]:
    """The lines, the findings and the dimensions of a judged backward."""
    if not judging.samples:  # at no values does the code go the way that was read
        return (), (), tuple(judging.program.dimensions)
    diagnosis = Diagnosis(judging)
    findings = tuple(mistake.finding() for mistake in diagnosis.mistakes())
    return tuple(diagnosis.lines()), findings, diagnosis.words.dimensions()
