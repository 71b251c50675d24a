"""Faults of omission: a search goes in, the line that is missing comes out.

Where a line may be missing (`holes`), a hole is made: a number, broadcast to each shape that there is until the code
runs to its end. What should stand in it is solved for as for any suspect (`localization`), and made of what is at hand
there. Names that nothing binds, and that cannot be solved for, are bound as elsewhere (`lost_names`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice, takewhile
from math import prod
from types import CodeType
from typing import Any

import numpy as np

from einbackprop.core.source import root_of
from einbackprop.diagnosis.analogy import analogous
from einbackprop.diagnosis.blocks import targets_of
from einbackprop.diagnosis.evaluation import tail
from einbackprop.diagnosis.experiments import Both, EndlessError, Shift, limited, real_shapes
from einbackprop.diagnosis.holes import Hole, carries, earlier, holes, places, to_next, updates, updates_of_row
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.localization import LARGEST, Localization, shift_of
from einbackprop.diagnosis.lost_names import (
    buffers,
    lines_elsewhere,
    lines_of_calls,
    lines_of_values,
    lost_names,
    written_elsewhere,
    zeros_of_sizes,
)
from einbackprop.diagnosis.multiples import CLOSE, Factor, expected, factors_at_hand, factors_between
from einbackprop.diagnosis.repair import LIKELY, Round
from einbackprop.diagnosis.suspects import Suspect
from einbackprop.diagnosis.trying import Compiler, Table, Tier, Trial, Trying, fits
from einbackprop.diagnosis.versions import Change, Version
from einbackprop.diagnosis.vocabulary import Edit, Hand, values_at_hand
from einbackprop.diagnosis.vocabulary.hand import is_array
from einbackprop.diagnosis.vocabulary.insertions import MISSING, scattered
from einbackprop.diagnosis.vocabulary.trees import Numbering, negated, number, parsed

ELSEWHERE = 60
"""Statements of other functions that may be missing, at most."""
SHAPES, PLACES, SUSPECTS, UPDATES, FIRST = 24, 6, 4, 24, 2
"""Shapes that a hole is given, places where it is made, statements after which, lines after each, at most; and lines
after one that only a part of the gradients depends on, the likeliest."""
MISSING_LINE = "a line is missing: {}"
COMPUTED = "what this line computes"
"""What the mistake is about where a statement makes something else."""
COST = 1.0
"""What a line that is missing costs more than the value in it."""
EVERY = Tier(-np.inf, np.inf)
FILLINGS = (Tier(-np.inf, COST + 1.5), Tier(COST + 1.5, np.inf))
"""Where a line may be missing in many places, simple values are tried in each first: some tens of some thousands."""


def of_omission(search: Round) -> Repair | None:
    """The line that is missing, with which everything is right, or more than before: where nothing is bound, and where
    zeros are all that a gradient is made of.

    Where a value is missing and no line was found, the search remembers what it should be (`Round.hole`).
    """
    for first in holes(search.localization, search.wrong):
        around = list(islice(places(search.version, first), PLACES))
        found = next(filter(None, (of_lost_name(search, hole) for hole in around)), None)
        tried = (filled(search, hole, tier) for tier in FILLINGS for hole in around) if found is None else ()
        found = next(filter(None, tried), found)
        if found is not None:
            return found
    before = search.localization.before or {}
    is_something = any(before.get(name) is None or np.any(before[name]) for name in search.wrong)
    return None if is_something or is_filled(search) else of_updates(search)


def of_lost_update(search: Round) -> Repair | None:
    """The line that is missing after a statement that makes only a part of what it should, or only the first of what
    the rounds of a loop read."""
    lost = (hole for suspect in search.localization.suspects for hole in carries(search.version, suspect))
    found = (filled(search, hole) for hole in islice(lost, PLACES))
    return of_next_round(search) or next(filter(None, found), None) or of_updates(search)


def is_left_out(search: Round) -> bool:
    """Whether something is added to other entries of what a statement makes one of that can be at fault, as
    ``g['b'] += …`` is beside ``g['W'] = …``, and nothing to its own.
    """
    for site in (table.suspect.site for table in search.alone):
        targets = site.statement.targets if isinstance(site.statement, ast.Assign) else []
        if any(is_part(target) and ast.unparse(target) == site.target for target in targets):
            nodes = [node.target for node in ast.walk(site.function) if isinstance(node, ast.AugAssign)]
            beside = {root_of(ast.unparse(target)) for target in nodes if is_part(target)}
            if site.target not in map(ast.unparse, nodes) and root_of(site.target) in beside:
                return True
    return False


def is_filled(search: Round) -> bool:
    """Whether the zeros that gradients are made of have a statement that adds to them: it is not run, or adds nothing.
    """
    zeros = (suspect.site for suspect in solved(search.alone) if suspect.made.is_zero and suspect.made.entries > 1)
    return any(adds_to(node, root_of(site.target)) for site in zeros for node in ast.walk(site.function))


def adds_to(node: ast.AST, name: str) -> bool:
    """Whether a node is a statement that adds to what stands under a name, or writes to a part of it."""
    return isinstance(node, ast.Assign | ast.AugAssign) and any(
        root_of(ast.unparse(target)) == name for target in targets_of(node)
        if isinstance(node, ast.AugAssign) or isinstance(target, ast.Subscript))


def is_part(target: ast.expr) -> bool:
    """Whether a target is one of several arrays that something holds, ``g['W']``, ``net.W`` or ``grads[l]``, and not
    some entries of an array, ``dx[mask > 0]``."""
    if isinstance(target, ast.Attribute):
        return True
    whole = ast.Constant | ast.Name | ast.UnaryOp | ast.BinOp
    return isinstance(target, ast.Subscript) and isinstance(target.slice, whole)


def lost_updates(search: Round) -> list[Hole]:
    """Where a line may be missing that adds to what a statement makes, where there is a value that it should make: to a
    row that is all that is wrong, of the last statement first, then to what begins as zeros. On that some of the wrong
    gradients may depend, since lines may be missing for others.
    """
    started = (suspect for suspect in solved(search.others) if suspect.made.is_zero)
    several = [(suspect, UPDATES) for suspect in islice(solved(search.alone), SUSPECTS)]
    known = roots_of(search.alone)
    updated = (table.suspect for table in search.alone if table.suspect.site.is_update)  # by one number, for example
    several += [(suspect, UPDATES) for suspect in updated if root_of(suspect.site.target) not in known]
    several += [(suspect, FIRST) for suspect in islice(started, SUSPECTS)]
    several.sort(key=lambda each: not each[0].made.is_zero)
    places_after = [enumerate(islice(updates(search.version, suspect), most)) for suspect, most in several]
    ranked = sorted(chain.from_iterable(places_after), key=lambda each: each[0] // FIRST)  # some of each in turn
    rows = [hole for suspect in [*solved(search.alone)][::-1] for hole in updates_of_row(search.version, suspect)]
    return [*{hole.key: hole for hole in (*rows[:PLACES], *(hole for _, hole in ranked))}.values()]


def of_next_round(search: Round) -> Repair | None:
    """The line that is missing which hands something on from one round to the next, where it is known of a statement
    that this is all that it lacks."""
    carried = [hole for suspect in solved(search.alone) for hole in to_next(search.version, suspect)][:PLACES]
    return next(filter(None, (filled(search, hole, tier) for tier in FILLINGS for hole in carried)), None)


def of_updates(search: Round) -> Repair | None:
    """The line that is missing in one of these places."""
    every = lost_updates(search)
    for tier in FILLINGS:
        tried = takewhile(lambda _: search.values > 0 and not search.judge.is_late, every)
        found = next(filter(None, (filled(search, hole, tier) for hole in tried)), None)
        if found is not None:
            return found
        known = roots_of((*search.alone, *search.others))
        every = [hole for hole in every if root_of(ast.unparse(hole.target)) in known]
        # the smallest part that can be at fault
        every.sort(key=lambda hole: entries_of(search.localized.get(hole.key)))
    return None


def entries_of(localization: Localization | None) -> float:
    """Of how many entries what is missing has, if that is known."""
    return np.inf if localization is None or localization.hole is None else localization.hole.made.entries


def of_next(search: Round, last: Repair | None) -> Repair | None:
    """The next line that is missing, after one that was found: where one is, more may be."""
    return of_updates(search) if last is not None and last.edit.wording == MISSING_LINE else None


def solved(tables: Iterable[Table]) -> Iterator[Suspect]:
    """The statements for each of which there is a value with which all that depends on it is right."""
    return (table.suspect for table in tables if table.suspect.shift is not None)


def roots_of(tables: Iterable[Table]) -> set[str]:
    """The names that these statements bind, or write to."""
    return {root_of(suspect.site.target) for suspect in solved(tables)}


def of_whole_value(search: Round) -> Repair | None:
    """A statement that makes something else of what is at hand, where there is a value that it should make."""
    made = (suspect for suspect in solved(search.alone) if not suspect.made.passes)
    return search.likeliest_of([Filling(suspect, search.known) for suspect in islice(made, SUSPECTS)])


def of_lost_name(search: Round, hole: Hole) -> Repair | None:
    """The line that binds a name that nothing in its function binds, with which everything is right."""
    names = lost_names(search.version, hole)
    likely = [*lines_of_calls(hole, search.version), *buffers(hole, search.version, shapes_of_wrong(search))]
    if names:
        search.is_lost = True
        likely += [*lines_elsewhere(hole, search.version), *lines_of_values(names, hole, search.version)]
    return of_lines(search, hole, likely)


def of_line_elsewhere(search: Round) -> Repair | None:
    """The line with which another function of the file binds a name that nothing binds here, or one like others."""
    for first in holes(search.localization, search.wrong):
        for hole in islice(places(search.version, first), PLACES) if lost_names(search.version, first) else ():
            found = of_lines(search, hole, lines_elsewhere(hole, search.version))
            if found is not None:
                return found
    return None


def of_other_function(search: Round) -> Repair | None:
    """A statement of another function of the file that is missing in one that the gradients run: ``tape.d = self.d``,
    which the backward of each other layer has."""
    functions = {id(suspect.site.function): suspect.site for suspect in search.localization.suspects[::-1]}
    lines = ((site, line) for site in functions.values() for line in written_elsewhere(site))
    for site, line in islice(lines, min(ELSEWHERE, search.whole // 2)):
        last, definition = getattr(site.function, "body")[-1], (site.file, site.definition)  # noqa: B009
        hole = Hole(definition, last, targets_of(line)[0], is_after=not isinstance(last, ast.Return))
        place = earlier(search.version, hole, line.value)
        change = Change(definition, place.statement, place.beside(line))
        found = whole_repair(search, site, Edit(COST, MISSING_LINE, kind=MISSING), change)
        if found is not None:
            return found
    return None


def of_lines(search: Round, hole: Hole, lines: Iterable[ast.stmt]) -> Repair | None:
    """The first of some lines with which everything is right where a line is missing, further up perhaps."""
    def repair(place: Hole, line: ast.stmt) -> Repair | None:
        site = search.version.sites(hole.definition)[0]
        change = Change(hole.definition, place.statement, place.beside(line))
        return whole_repair(search, site, Edit(COST, MISSING_LINE, kind=MISSING), change)

    for line in lines:
        found = repair(hole, line)
        if found is not None:
            moved = earlier(search.version, hole, line.value) if isinstance(line, ast.Assign) else hole
            return (None if moved is hole else repair(moved, line)) or found
        if isinstance(search.experiment.raised, EndlessError):  # others may not end either, which takes long
            break
    return None


def shapes_of_wrong(search: Round) -> dict[str, tuple[int, ...]]:
    """The shapes of the gradients that are wrong, by what they are gradients of."""
    return {tail(name): search.experiment.shapes[name] for name in sorted(search.wrong)}


def localized(search: Round, hole: Hole) -> Localization | None:
    """The localization of a version with a hole, for which it is known what should stand there, found once; None if
    that cannot be found."""
    if hole.key not in search.localized:
        search.localized[hole.key] = localization_of(search, hole)
    return search.localized[hole.key]


def localization_of(search: Round, hole: Hole) -> Localization | None:
    """The same, found anew."""
    version = search.version.changed([hole.filled(number(1.0))])
    site = site_of(version, hole)
    if site is None:
        return None
    every = (*search.localization.made, *search.localization.in_loss.values())
    made = real_shapes(every)
    made |= {np.shape(held) for held in hole.frame.f_locals.values() if is_array(held)} if hole.frame else set()
    made |= {shape for one in made if len(one) > 2 for shape in ((one[0], prod(one[1:])), (prod(one[:-1]), one[-1]))}
    own = [search.experiment.shapes[name] for name in sorted(search.wrong)]
    others = sorted((shape for shape in made if prod(shape) <= LARGEST), key=prod)
    for shape in islice(dict.fromkeys([*own, *others]), SHAPES):
        try:
            if not ends(search, version, Shift({site: np.zeros(0)}, {site: shape})):
                if isinstance(search.experiment.raised, EndlessError):
                    return None
                continue
            localization = Localization(search.experiment, version, (site, shape))
        except ValueError:  # it does not compile there
            return None
        if localization.hole is not None:
            return localization
    return None


def ends(search: Round, version: Version, watcher: Shift) -> bool:
    """Whether the gradients come to their end with a hole: a loop may wait for what is missing."""
    with version.watched_by(watcher), limited(search.judge.lines):
        return search.experiment.run() is not None


def site_of(version: Version, hole: Hole) -> Site | None:
    """The site of a hole, in a version that has it."""
    target, line = ast.unparse(hole.target), hole.statement.lineno
    return next((site for site in version.sites(hole.definition) if site.target == target
                 and site.statement.lineno == line and isinstance(site.value, ast.Constant)), None)  # fmt: skip


def filled(search: Round, hole: Hole, tier: Tier = EVERY) -> Repair | None:
    """The likeliest line that makes what is missing, as far as that sets everything right, or more than before; made of
    the values of a tier."""
    localization = localized(search, hole)
    if localization is None or localization.hole is None:
        return None
    best: Repair | None = None
    table = evaluated(search, localization, tier)
    for edit in fitting(search, localization, table):
        assert edit.value is not None
        moved = earlier(search.version, hole, edit.value)
        tried = (each.filled(edit.value) for each in ([hole] if moved is hole else [moved, hole]))
        repair = next(filter(None, (repair_of(search, table.suspect.site, edit, change) for change in tried)), None)
        if repair is not None and repair.mends == search.wrong:
            return repair
        best = best or repair
    best = best or (scattered_line(search, hole, table) if tier in (EVERY, FILLINGS[0]) else None)
    before = search.localization.before or {}
    is_unknown = best is None and hole.does == "=" and all(before.get(name) is None for name in search.wrong)
    if is_unknown and search.hole is None:
        search.hole, search.unfilled = localization.hole, hole
    return best


def evaluated(search: Round, localization: Localization, tier: Tier) -> Filling:
    """What a hole can be filled with of a tier, evaluated where it is once it holds what it should."""
    suspect = localization.hole
    assert suspect is not None and suspect.grown is not None and suspect.shift is not None  # noqa: PT018
    table = Filling(suspect, search.known)
    table.begin(tier)
    right = shift_of(suspect, suspect.shift)
    with localization.version.watched_by(Both(Trying([table], localization.loss_code), right)):
        search.experiment.run()
    search.values -= table.evaluated
    search.judge.edits += table.evaluated
    return table


def fitting(search: Round, localization: Localization, table: Filling) -> list[Edit]:
    """What a hole can be filled with, as far as its Jacobian tells, the likeliest first."""
    suspect = table.suspect
    assert localization.before is not None
    gap = search.experiment.gap(localization.before, suspect.names)
    wanted = suspect.reach & localization.wrong
    found = [trial.edit for trial in table.trials if fits(search.experiment, trial, suspect, gap) >= wanted]
    is_factor = isinstance(getattr(suspect.site.statement, "op", None), ast.Mult)  # ``d *= 2 * h / d`` is no line
    return sorted(found or (() if is_factor else table.multiples()), key=lambda edit: edit.cost)[:LIKELY]


def scattered_line(search: Round, hole: Hole, table: Filling) -> Repair | None:
    """The line that adds to the entries of an array that an index picks, with which everything is right."""
    name = ast.unparse(hole.target)
    if hole.does != "+=" or table.hand is None or name not in table.hand.shapes:
        return None
    for line, cost in scattered(name, table.hand):
        change = Change(hole.definition, hole.statement, hole.beside(line))
        repair = whole_repair(search, table.suspect.site, Edit(COST + cost, MISSING_LINE, kind=MISSING), change)
        if repair is not None:
            return repair
    return None


def repair_of(search: Round, site: Site, edit: Edit, change: Change) -> Repair | None:
    """A line that is put in, as a repair; None where nothing is right with it that was not before."""
    version = search.version.changed([change])
    works = search.judge.works(version)
    left = frozenset() if works else search.judge.left(version)
    if left is None or not left < search.wrong or not (left or works):  # right at the first state alone is wrong
        return None
    assert isinstance(change.replacement, tuple)
    line = next(part for part in change.replacement if part is not change.node)
    said = replace(edit, parts=(line,), statements=change.replacement)
    return Repair(site, said, change, edit.cost, search.wrong - left)


def whole_repair(search: Round, site: Site, edit: Edit, change: Change) -> Repair | None:
    """The same, where with it everything is right."""
    found = repair_of(search, site, edit, change)
    return found if found is not None and found.mends == search.wrong else None


class Filling(Table):
    """What a hole may be filled with, evaluated where it is.

    Parameters
    ----------
    suspect : Suspect
    known : dict
        What was made for other holes of the same hands, and what was compiled, which is done once.
    """

    def __init__(self, suspect: Suspect, known: dict[object, Any]) -> None:
        super().__init__(suspect, True)
        self._known = known
        self._factors: list[Factor] = []

    def _candidates(self, names: Mapping[str, Any], hand: Hand) -> Iterator[Trial]:
        function = self.suspect.site.function
        self._factors = [factor for factor in factors_at_hand(hand, names) if factor.times or factor.over]
        line = getattr(function, "lineno", 0)
        key = line, tuple(hand.shapes.items()), hand.sizes, hand.wanted
        numbering, codes = self._known.setdefault(line, (Numbering(), dict[int, CodeType | None]()))
        if key not in self._known:
            made = dict[int, tuple[ast.expr, float]]()
            zeros = ((value, 0.6) for value in zeros_of_sizes(hand, names))
            every = chain(values_at_hand(hand), zeros)
            for value, cost in sorted(every, key=lambda made: made[1]):
                made.setdefault(numbering.of(value)[0], (value, COST + cost))
            self._known[key] = made
        compiler, tier = Compiler(self.suspect.site, names), self._tier
        is_missing = self.suspect.is_missing
        said, kind = (MISSING_LINE, MISSING) if is_missing else ("{} is needed here", COMPUTED)
        is_first = is_missing and tier.above < COST <= tier.limit
        for value in analogous(parsed(self.suspect.site.target), function, names, hand.shapes) if is_first else ():
            yield Trial(Edit(COST, said, value, parts=(value,), kind=kind), compiler.code(value))
        for same, (value, cost) in self._known[key].items():
            if tier.above < cost <= tier.limit:
                if same not in codes:
                    codes[same] = compiler.code(value)
                if codes[same] is not None:
                    yield Trial(Edit(cost, said, value, parts=(value,), kind=kind), codes[same])

    def multiples(self) -> Iterator[Edit]:
        """Numbers at hand times what was evaluated, where that moves the gradients as what is missing does."""
        suspect = self.suspect
        wanted = expected(suspect.made.values, suspect.shift, suspect.expected)
        jacobian = None if suspect.is_repeated else suspect.jacobian  # of several runs each is compared
        missing = wanted if jacobian is None else jacobian @ wanted
        near = CLOSE * float(np.abs(missing).max(initial=0.0))
        for trial in self.trials:
            own = np.concatenate(trial.values) if trial.values else np.zeros(0)
            if own.shape != wanted.shape:
                continue
            moved = own if jacobian is None else jacobian @ own
            for factor in factors_between(missing, moved, near, self._factors):
                assert trial.edit.value is not None
                made = factor.of(trial.edit.value)
                value = made if factor.value > 0 else negated(made)
                cost, said = trial.edit.cost + factor.cost, trial.edit.wording
                yield Edit(cost, said, value, parts=(value,), kind=trial.edit.kind)
