"""From wrong gradients to findings: the statement where each mistake was made, and what to write instead.

A repair is written in the user's own text: the statement with the edit, and nothing else changed.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import permutations
from typing import Any

import numpy as np

from einbackprop.checking.guards import LARGEST
from einbackprop.checking.source_edits import Replacement, Text, rewritten
from einbackprop.checking.verdicts import Finding
from einbackprop.core import progress
from einbackprop.core.collecting import grouped
from einbackprop.core.nesting import get
from einbackprop.core.source import edited, parse_python, statements_of, statements_of_text
from einbackprop.core.visible import listed
from einbackprop.diagnosis.cases import Case, Diagnosis, Place
from einbackprop.diagnosis.cotangents import Cotangents
from einbackprop.diagnosis.evaluation import Kind, Meaning, meant, tail
from einbackprop.diagnosis.experiments import CLOSE, EXACT, NARROW, Array, Experiment, Made
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.judge import Judge
from einbackprop.diagnosis.likelihood import Repair, has_entries, new_statements
from einbackprop.diagnosis.localization import Localization
from einbackprop.diagnosis.recording import Recording
from einbackprop.diagnosis.search import Search
from einbackprop.diagnosis.suspects import arrays_of, needed_of
from einbackprop.diagnosis.synthesis import Synthesis
from einbackprop.diagnosis.unexplained import Blame
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.vocabulary.insertions import MISSING
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

STATES = 3
SLIGHT, CLEARED = 1e-4, 100
"""Of its largest entry, what a gradient is off by little; by how many times less it is off once that is repaired."""
LOCAL = "With that everything is right at sizes and numbers such as yours, and something is not at others."
OF_SHAPE = "the values are right, and the shape is not"
CARRIED = "what a loop carries from one round to the next"
UPDATES: Mapping[type[ast.operator], str] = {ast.Add: "added to", ast.Sub: "subtracted from"}


def diagnose(case: Case, seed: int) -> Diagnosis:
    """The mistakes in a backward: each on its line, with a line to write where one was found that repairs."""
    progress.doing("looking for the mistakes")
    experiments = list(experiments_of(case, seed))
    if not experiments:
        return Diagnosis()
    larger = list(experiments_at_larger_sizes(case, seed))
    for experiment in (*experiments, *larger):
        allow_for_differences(experiment, case.wrong)
    version = Version(case.user.loss.world)
    sharpen([*experiments, *larger], case, case.is_guarded or has_own_guard(experiments[0], version))
    if case.user.random and not is_settled(experiments[0], version):
        return Diagnosis()
    roles = Roles(case.cotangents(experiments[0].state), experiments[0].truth)
    judge = Judge(experiments, roles, larger)
    search = Search(judge, version)
    repairs, before, after = search.run()
    is_local = judge.is_for_own_sizes and not judge.works(search.version)
    if is_local:  # all that repairs does so at sizes such as these
        judge = Judge(experiments, roles)
        search = Search(judge, version)
        repairs, before, after = search.run()
    is_odd = repairs and not is_cleared(judge, version, search.version, case.wrong)
    if is_odd or any(bypasses(repair, version, search.version) for repair in repairs):
        return Diagnosis(open=frozenset(made.site.place for made in before.made))
    is_repaired = judge.works(search.version)
    parts = (part for repair in repairs for part in (repair.origin, repair) if part is not None)
    found = ((part.statement.col_offset, finding_of(part, is_repaired)) for part in parts if is_repaired or part.mends)
    told = merged(found)
    texts = texts_of(told)
    written_whole = texts.keys() == {item.file for item in told if item.write}  # some lines can only be told
    if is_repaired and written_whole and not judge.works(version.of_texts(texts)):  # edits work, their text does not
        told, texts = [replace(item, write=None) for item in told], {}
    if is_local:
        told = [replace(item, message=f"{item.message} {LOCAL}") if item.write else item for item in told]
    are_shaped = experiments[0].strict and any(item.write for item in told)
    if are_shaped:
        said = [f"{item.message.removesuffix('.')}: {OF_SHAPE}." for item in told]
        told = [replace(item, message=message, kind="a shape") for item, message in zip(told, said, strict=True)]
    told += map(roles.about, search.unexplained)
    follows = differing(before, after)
    findings = with_formulas(told, version.of_texts(texts), texts, case, follows)
    wrong = {suspect.site.place for suspect in after.suspects} if after.wrong else set()
    return Diagnosis(findings, follows, frozenset(wrong), are_shaped)


def has_own_guard(experiment: Experiment, version: Version) -> bool:
    """Whether a small number stands in the code of the gradients and none such in that of the loss, as in
    ``-1 / (p + 1e-8)``: what is right is off by more than rounding then."""
    def small(run: Callable[[], object]) -> set[float]:
        seen = Recording()
        with version.watched_by(seen):
            run()
        functions = {id(site.function): site.function for site in seen.made_by}.values()
        values = (node.value for function in functions for node in ast.walk(function) if isinstance(node, ast.Constant))
        return {value for value in values if isinstance(value, float) and 0 < value <= LARGEST}

    return bool(small(experiment.run) - small(experiment.keeps_loss))


def is_settled(experiment: Experiment, version: Version) -> bool:
    """Whether the gradients are the same each time, once memory as it was found is filled."""
    with version.watched_by(Recording()):
        one, two = experiment.run(), experiment.run()
    return one is not None and two is not None and all(experiment.alike(one[name], two.get(name)) for name in one)


def bypasses(repair: Repair, before: Version, after: Version) -> bool:
    """Whether a repair of the question leaves out the code that is wrong: it calls none of the functions any more that
    it called before."""
    definition = repair.change.definition
    one, two = (
        {ast.unparse(node.func) for node in ast.walk(version.tree(definition)) if isinstance(node, ast.Call)}
        for version in (before, after)
    )
    return isinstance(before.tree(definition), ast.Expr) and bool(one) and not one & two


def made_by(site: Site) -> str:
    """What a statement makes, in words: its target, or what an update adds to that, or takes from it."""
    name, statement = site.target or "what is made here", site.statement
    way = UPDATES.get(type(statement.op)) if isinstance(statement, ast.AugAssign) else None
    return f"what is {way} {name}" if way else name


class Roles:
    """What values are gradients of, by the derivative of the loss as it was read.

    Parameters
    ----------
    cotangents : Cotangents
    truth : mapping of target name to array
        What the gradients should be. A function of the loss may call a part of its path by the name of a parameter.
    """

    def __init__(self, cotangents: Cotangents, truth: Mapping[str, Array]) -> None:
        self._cotangents, self._truth = cotangents, {tail(name): array for name, array in truth.items()}

    def is_gradient(self, value: Array) -> bool:
        """Whether an array is the gradient of some value of the loss, whatever the order of its axes."""
        return self._gradient(value) is not None

    def is_value(self, value: Array) -> bool:
        """Whether an array is a value of the loss or the gradient of one, whatever the order of its axes."""
        return self._meaning(value, "cotangent", "forward") is not None

    def _gradient(self, value: Array) -> Meaning | None:
        """What an array is the gradient of, without a factor."""
        return self._meaning(value, "cotangent")

    def _meaning(self, value: Array, *kinds: Kind) -> Meaning | None:
        """What an array is without a factor, if that is of one of some kinds."""
        meaning = self._cotangents.identify(value)
        is_plain = meaning is not None and meaning.kind in kinds and abs(meaning.factor - 1) < CLOSE
        return meaning if is_plain else None

    def about(self, blame: Blame) -> Finding:
        """What is known of a statement that is wrong, or missing, and for which no edit was found."""
        suspect, site = blame.suspect, blame.suspect.site
        name, needed = made_by(site), needed_of(suspect)
        should = None if needed is None else self._cotangents.identify(needed, site.target)
        is_gradient = should is not None and should.kind == "cotangent"
        if suspect.is_missing:
            said = f": it should be {should.text}." if should is not None and is_gradient else "."
            return Finding(f"a line that makes {name} is missing before this one{said}", *site.place, kind=MISSING)
        if blame.why == "rounds":
            said = "is not all that it should be: this is not done wherever it should be."
            return Finding(f"{name} {said}", *site.place, kind="a loop or a condition")
        if blame.why == "shape":
            needed_shapes = (self._truth[tail(of)].shape for of in sorted(suspect.reach) if tail(of) in self._truth)
            said = f"{name} has shape {suspect.made.shapes[-1][0]}, and the gradient that is made of it"
            return Finding(f"{said} must have {next(needed_shapes, 'another')}.", *site.place, kind="a shape")
        if blame.why == "carried":
            said = "is right in the first round, and not in those after it: what is carried from one to the next?"
            return Finding(f"what is made here {said}", *site.place, kind=CARRIED)
        said = f"{name} is not what the gradients need"
        if should is not None and is_gradient:
            said = f"{name} should be {should.text}"
        elif any(self.breaks(site.target, array, suspect.is_repeated) for array in arrays_of(suspect.made)):
            said = f"{name} is not the gradient that its name says"
        return Finding(f"{said}, and no small edit was found, of this line or of one before it, that makes it that.",
                       *site.place)  # fmt: skip

    def expressions(self, wanted: Array, at_hand: Mapping[str, Array], numpy: str) -> Iterator[ast.expr]:
        """Expressions of arrays at hand that give an array, by the derivative of the loss."""
        return self._synthesis.expressions(wanted, at_hand, numpy)

    @cached_property
    def _synthesis(self) -> Synthesis:
        return Synthesis(self._cotangents)

    def promised(self, name: str, value: Array) -> bool | None:
        """Whether an array is what its name says, as ``dz`` says the gradient of z; None where it says nothing."""
        known = self._called(name)
        fitting = [array for array in known if sorted(np.squeeze(array).shape) == sorted(np.squeeze(value).shape)]
        if any(is_turned(value, array) for array in self._cotangents.called(name, "forward")):
            return None  # ``self.x = x`` keeps x for the backward
        kept = [array for array in fitting if is_turned(value, array)]
        if kept and all(len(set(np.squeeze(array).shape)) == 1 and not is_same(value, array) for array in kept):
            return None  # dV.T, or the gradient of another layout
        return bool(kept) if known and (kept or not self._is_of_nameless(value)) else None

    def _called(self, name: str) -> list[Array]:
        """The gradients of the parameter that a name says, or of the values."""
        known = [self._truth[of] for of in meant(name) if of in self._truth]
        return known or [array for of in meant(name) for array in self._cotangents.called(of)]

    def is_target(self, name: str) -> bool:
        """Whether a name says the gradient of what gradients are wanted of."""
        return not self._truth.keys().isdisjoint(meant(name))

    def wanted(self, name: str, shape: tuple[int, ...]) -> list[Array]:
        """The arrays of a shape that a name says: the gradients of what is called so."""
        return [array for array in self._called(name) if array.shape == shape]

    def breaks(self, name: str, value: Array, is_one_of_several: bool = False) -> bool:
        """Whether an array is not the gradient that its name says, nor anything else that is known; one of several that
        are added up need not be the gradient of a target."""
        if is_one_of_several and self.is_target(name):
            return False
        if self.promised(name, value) is not False or self._cotangents.identify(value) is not None:
            return False
        return not any(has_entries(array, value) for array in self._called(name))  # in another layout, by a reshape

    def _is_of_nameless(self, value: Array) -> bool:
        """Whether an array is the gradient of a value without a name: it may be called after what that goes into."""
        meaning = self._gradient(value)
        return meaning is not None and not any(
            one.names for one in self._cotangents.known if one.value == meaning.value
        )


def is_same(value: Array, other: Array) -> bool:
    """Whether an array is another, in the order of its axes."""
    one, two = np.squeeze(value), np.squeeze(other)
    return one.shape == two.shape and np.allclose(one, two, rtol=0, atol=CLOSE * float(np.abs(two).max(initial=0.0)))


def is_turned(value: Array, other: Array) -> bool:
    """Whether an array is another, whatever the order of its axes."""
    two = np.squeeze(other)
    return any(is_same(value, two.transpose(order)) for order in permutations(range(two.ndim)))


def differing(before: Localization, after: Localization) -> frozenset[Place]:
    """The statements that make other values after the repairs than before."""

    def by_place(made: Sequence[Made]) -> dict[Place, list[Array]]:
        found: dict[Place, list[Array]] = {}
        for entry in made:
            found.setdefault(entry.site.place, []).extend(entry.values)
        return found

    one, two = by_place(before.made), by_place(after.made)
    return frozenset(place for place in one if not same(one[place], two.get(place, [])))


def same(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Whether two statements made the same values, to rounding."""
    if [a.shape for a in one] != [b.shape for b in other]:
        return False
    largest = max((float(np.abs(a).max(initial=0.0)) for a in one), default=0.0)
    return all(np.allclose(a, b, rtol=0, atol=CLOSE * largest, equal_nan=True) for a, b in zip(one, other, strict=True))


def experiments_of(case: Case, seed: int) -> Iterator[Experiment]:
    """Experiments at some states: the first is one at which just the wrong gradients are wrong, of any sizes."""
    rng = np.random.default_rng(seed)
    here = (experiment_at(case, state, rng, is_sketched=False) for state in case.states[:STATES])
    there = (experiment_at(case, state, rng, is_sketched=True) for state in case.elsewhere)
    made = [one for one in (*here, *there) if one is not None]
    yield from sorted(made, key=lambda e: len(e.wrong(e.run()) ^ case.wrong))


def experiments_at_larger_sizes(case: Case, seed: int) -> Iterator[Experiment]:
    """Experiments at sizes for which the user's code may not be meant: where it raises, or gradients that are right
    elsewhere are wrong, it is not."""
    rng = np.random.default_rng(seed)
    for state in case.larger:
        experiment = experiment_at(case, state, rng, is_sketched=True)
        gradients = None if experiment is None else experiment.run()
        if experiment is not None and gradients is not None and experiment.wrong(gradients) <= case.wrong:
            yield experiment


def is_cleared(judge: Judge, given: Version, mended: Version, wrong: frozenset[str]) -> bool:
    """Whether gradients that are off by little are off by much less with an edit: where a guard of the loss is all that
    they lack, one that moves the guard may be near by chance."""
    def off(version: Version) -> float:
        with judge.running(version):
            return judge.first.off(judge.first.run() or {}, wrong)

    before = off(given) if judge.first.is_exact else np.inf
    return not before <= SLIGHT or off(mended) <= before / CLEARED  # NaN is not little


def sharpen(experiments: Sequence[Experiment], case: Case, has_guard: bool) -> None:
    """Let experiments see what is wrong: a guard, of the loss or of the gradients alone, changes more than rounding, a
    small mistake less. What is as small as a guard of the gradients may be a mistake."""
    first, close = experiments[0], [experiment.tolerance for experiment in experiments]
    if has_guard:
        for experiment in experiments:
            experiment.tolerance = max(experiment.tolerance, NARROW)
        if not case.wrong <= first.wrong(first.run()):  # what is wrong changes less than a guard may
            for experiment, tolerance in zip(experiments, close, strict=True):
                experiment.tolerance = tolerance
    if not case.wrong <= first.wrong(first.run()) and not case.is_guarded and first.is_exact:
        for experiment in experiments:
            experiment.tolerance = EXACT
    own = first.run() or {}
    first.loose = frozenset(name for name, value in own.items()
                            if first.has_shape(name, own) and np.shape(value) != first.shapes[name])  # fmt: skip
    if not first.wrong(own or None):  # the values are right, the shapes are not
        for experiment in experiments:
            experiment.strict = True


def allow_for_differences(experiment: Experiment, wrong: frozenset[str]) -> None:
    """Let an experiment be as exact as differences of the loss are there: near a kink, gradients that are right would
    be called wrong, and no edit could repair anything.
    """
    own = experiment.run() or {}
    for name in experiment.wrong(own) - wrong if own else ():
        if experiment.has_shape(name, own):
            off, true = experiment.gap(own, [name])[name], experiment.truth[name]
            relative = float(np.abs(off).max(initial=0.0)) / max(float(np.abs(true).max(initial=0.0)), 1e-300)
            experiment.tolerance = max(experiment.tolerance, 2 * relative if relative < NARROW else 0.0)


def experiment_at(case: Case, state: Any, rng: np.random.Generator, is_sketched: bool) -> Experiment | None:
    """An experiment at a state, of other sizes perhaps, where gradients are compared along directions then; None where
    the loss does not run there, or is no finite number: what no gradient has could be made by no edit."""
    try:
        targets = [replace(t, shape=np.shape(get(state, t.path))) for t in case.user.targets]
        user = replace(case.user, targets=targets, unfit={}, _names={})
        trusted = {target.name for target in targets} - case.wrong
        made = Experiment(user, state, tuple(t.path for t in targets), rng, case.derived, trusted, is_sketched)
    except (Raised, ScriptError):  # the code is not made for these sizes
        return None
    return made if np.isfinite(made.loss) else None


def texts_of(findings: Iterable[Finding]) -> dict[str, str]:
    """The files as findings say to write them."""
    writes = grouped(
        (item.file, (item.line, item.write)) for item in findings if item.file and item.line and item.write
    )
    return {file: text for file, some in writes.items() if (text := edited_text(file, some)) is not None}


def with_formulas(
    findings: Sequence[Finding], version: Version, texts: Mapping[str, str], case: Case, follows: frozenset[Place]
) -> tuple[Finding, ...]:
    """Findings with what their lines compute, and what they compute as they are to be written: in a version of the
    code with these texts. The lines that follow from them are read with them, since the report tells of both.
    """
    own = [(item.file or "", item.line or 0) for item in findings]
    new = [(file, line + lines_more(findings, file, line)) for file, line in own]
    to_write = frozenset(place for place, item in zip(new, findings, strict=True) if item.write not in (None, "pass"))
    before = case.lines(follows.union(place for place in own if all(place)))
    with version.running(), edited(texts):
        read = partial(case.read, to_write)
        after = progress.contained("the formulas of the lines as they are to be written", read, {})
    found = []
    for item, place, written_at in zip(findings, own, new, strict=True):
        one, two = before.get(place), after.get(written_at)
        if one is not None and not is_line_more(item):
            item = replace(item, yours=one.formula, yours_markup=one.markup)
        if two is not None and written_at in to_write and (one is None or one.formula != two.formula):
            item = replace(item, expected=two.formula, expected_markup=two.markup)
        found.append(item)
    return tuple(found)


def lines_more(findings: Sequence[Finding], file: str, line: int) -> int:
    """How many lines the file has more above a line, once what is said of lines above is written."""
    above = [item for item in findings if item.write and item.file == file and item.line and item.line < line]
    own = (statements_of(file).at(item.line or 0) for item in above)
    spans = ((one.end_lineno or one.lineno) - one.lineno + 1 if one is not None else 1 for one in own)
    return sum(len((item.write or "").split("\n")) - span for item, span in zip(above, spans, strict=True))


def is_line_more(finding: Finding) -> bool:
    """Whether a finding has lines to write for one line."""
    is_other = finding.write is not None and not finding.write.startswith("elif ")  # which is no statement by itself
    return is_other and len(statements_of_text(finding.write or "").tree.body) > 1


def merged(findings: Iterable[tuple[int, Finding]]) -> list[Finding]:
    """The findings, given with the columns of their statements, those of one statement as one: a later edit is written
    with the earlier ones in it, and lines that are missing at one place are written together."""
    found: dict[tuple[str | None, int | None, int], Finding] = {}
    for column, item in findings:
        place = item.file, item.line, column
        if place in found:
            said = f"{found[place].message.removesuffix('.')}; {item.message}"
            kinds = filter(None, dict.fromkeys((found[place].kind, item.kind)))
            write = written_together(found[place].write, item.write)
            item = replace(item, message=said, write=write, kind=" and ".join(kinds) or None)
        found[place] = item
    return list(found.values())


def written_together(before: str | None, write: str | None) -> str | None:
    """What is to be written for two findings of one line: both lines that are missing before it or after it, one beside
    the other perhaps."""
    if before is None or write is None:
        return write
    one, two = before.split("\n"), write.split("\n")
    for kept in range(min(len(one), len(two)) - 1, 0, -1):
        if one[-kept:] == two[-kept:]:
            return "\n".join([*one[:-kept], *two])
        if two[:kept] in (one[:kept], one[-kept:]):
            return "\n".join([*one, *two[kept:]])
    return write


def finding_of(repair: Repair, is_repaired: bool) -> Finding:
    """A repair in words, with the line to write; without one, if something is wrong still with all repairs together."""
    then = "" if is_repaired else f": then {listed(sorted(repair.mends))} would be right"
    return Finding(f"{repair.edit.message}{then}.", repair.site.file, repair.statement.lineno,
                   write=written(repair) if is_repaired else None, kind=repair.edit.kind or None)  # fmt: skip


def code_of(statement: ast.stmt) -> str:
    """A statement as code; of one with a body its first line."""
    text = ast.unparse(statement)
    return text.splitlines()[0] if hasattr(statement, "body") else text


def guarded_text(repair: Repair, part: ast.stmt) -> str | None:
    """A condition around the statement that is repaired, with that as the user wrote it; None for anything else."""
    if not isinstance(part, ast.If) or part.body != [repair.statement]:
        return None
    own = own_text(repair, repair.statement) or code_of(repair.statement)
    return code_of(ast.fix_missing_locations(part)) + "\n" + textwrap.indent(own, "    ")


def written(repair: Repair) -> str:
    """What to write instead, in the user's spelling: comments, spacing and line breaks are kept."""
    new, source = new_statements(repair), Text(statements_of(repair.site.file).text)
    plain = "\n".join(
        own_text(repair, part) or guarded_text(repair, part)
        or source.requoted(code_of(ast.fix_missing_locations(part))) for part in new
    )  # fmt: skip
    changed = edited_text(repair.site.file, [(repair.statement.lineno, plain)])
    if changed is None or len(new) != 1:
        return plain
    if hasattr(new[0], "body") and hasattr(repair.statement, "body"):
        header = changed.splitlines()[repair.statement.lineno - 1].strip()  # it may be an elif
        return header if header.endswith(":") else plain
    text, statements = Text(changed), statements_of_text(changed)
    position = statements.position(repair.statement.lineno)
    if position is None:
        return plain
    found = [
        node for node in ast.walk(statements.tree.body[position])
        if isinstance(node, ast.stmt) and node.lineno == repair.statement.lineno
    ]  # fmt: skip
    own = next((node for node in found if ast.dump(node) == ast.dump(parse_python(plain).body[0])), None)
    return plain if own is None else unindented(text, own)


def own_text(repair: Repair, part: ast.stmt) -> str | None:
    """A statement that a repair keeps beside a new one, or moves, as the user wrote it; None for one that is new."""
    statements = statements_of(repair.site.file)
    own = statements.at(part.lineno) if hasattr(part, "lineno") else None
    if own is None or hasattr(own, "body") or ast.dump(own) != ast.dump(part):
        return None
    found = unindented(Text(statements.text), own)
    try:  # of lines that go on further left, or in a string, the text alone says something else
        return found if ast.dump(parse_python(found).body[0]) == ast.dump(part) else None
    except SyntaxError:
        return None


def unindented(text: Text, statement: ast.stmt) -> str:
    """A statement as the user wrote it, without its indentation; after another on its line, as it is."""
    start, end = text.span(statement)
    lead = text.text[text.position(statement.lineno, 0) : start]
    return textwrap.dedent(lead + text.text[start:end]) if not lead.strip() else text.text[start:end]


def edited_text(file: str, writes: Sequence[tuple[int, str]]) -> str | None:
    """A file's text with statements, given by the lines on which they begin, written otherwise; None if they cannot."""
    statements = statements_of(file)
    text, replacements = Text(statements.text), []
    for line, write in writes:
        position = statements.position(line)
        if position is None:
            return None
        tree = statements.tree.body[position]  # what is around it need not be parsed again and again
        first = min([tree.lineno, *(d.lineno for d in getattr(tree, "decorator_list", ()))])
        start, end = text.position(first, 0), text.span(tree)[1]
        found = rewritten(text.text[start:end], line - first + 1, write)
        if found is None:
            return None
        replacements += [Replacement(start + r.start, start + r.end, r.text) for r in found]
    return text.changed(replacements)
