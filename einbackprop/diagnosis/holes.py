"""Where a line may be missing: a search goes in, the places come out, and what is to be bound there.

That is before a statement which reads a name that nothing was bound to, or which reads ``None`` or hands it on; and
after a statement that makes only a part of what it should, in the loops there too.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile
from math import prod
from types import FrameType
from typing import Any, Literal

import numpy as np

from einbackprop.core.records import dataclass
from einbackprop.diagnosis.blocks import (
    LOOPS,
    NESTED,
    blocks_of,
    bound_by,
    function_of,
    indices_in,
    read_by,
    statement_at,
    targets_of,
    until_read,
)
from einbackprop.diagnosis.crashes import innermost_first
from einbackprop.diagnosis.evaluation import meant, tail
from einbackprop.diagnosis.experiments import CLOSE
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.localization import Localization
from einbackprop.diagnosis.suspects import Suspect
from einbackprop.diagnosis.versions import Change, Definition, Version
from einbackprop.diagnosis.vocabulary.hand import MISSING, counters, is_object, value_of
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    along,
    assignment,
    binary,
    exchanged,
    is_minus,
    is_same,
    names_in,
    negated,
    number,
    parsed,
    subscript,
    written,
)

FEW = 2
"""Entries of a dict that may each lack a line, at most: of more, something else is wrong."""


@dataclass(frozen=True, eq=False)
class Hole:
    """A line that is missing before a statement.

    Attributes
    ----------
    definition : Definition
    statement : ast.stmt
    target : ast.expr
        What is to be bound: a name, an attribute or an entry.
    does : '=', '+=' or '*='
        What the line does with it.
    is_after : bool
        Whether the line is missing after the statement instead, which is the last in a loop.
    frame : FrameType or None
        Where the code stops since it is missing.
    """

    definition: Definition
    statement: ast.stmt
    target: ast.expr
    does: Literal["=", "+=", "*="] = "="
    is_after: bool = False
    frame: FrameType | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others of the same version."""
        return self.statement, ast.dump(self.target), self.does, self.is_after

    @property
    def names(self) -> dict[str, Any]:
        """What is bound where the code stops."""
        return {} if self.frame is None else {**self.frame.f_globals, **self.frame.f_locals}

    def filled(self, value: ast.expr) -> Change:
        """The line that binds it to a value, or adds one to it, before the statement."""
        target = written(self.target)
        match self.does, value:
            case "*=", ast.BinOp(ast.Constant(1), ast.Div(), size):
                line: ast.stmt = ast.AugAssign(target, ast.Div(), size)
            case "*=", _:
                line = ast.AugAssign(target, ast.Mult(), value)
            case "+=", _ if is_minus(value):
                line = ast.AugAssign(target, ast.Sub(), negated(value))
            case "+=", _:
                line = ast.AugAssign(target, ast.Add(), value)
            case _:
                line = assignment(target, value)
        return Change(self.definition, self.statement, self.beside(line))

    def beside(self, line: ast.stmt) -> tuple[ast.stmt, ...]:
        """A line with the statement that it stands before, or after."""
        return (self.statement, line) if self.is_after else (line, self.statement)


def holes(localization: Localization, wrong: frozenset[str]) -> Iterator[Hole]:
    """The values that are missing, as far as the run shows."""
    if localization.raised is not None:
        yield from unbound(localization.raised, localization.version)
        return
    absent = {name for name in wrong if (localization.before or {}).get(name) is None}
    for made in reversed(localization.made) if absent else ():
        site = made.site
        if made.whole is None and isinstance(site.value, OPERANDS) and not isinstance(site.function, ast.Lambda):
            yield Hole((site.file, site.definition), site.statement, site.value)
        elif type(made.whole) is dict and isinstance(site.statement, ast.Return) and isinstance(site.value, OPERANDS):
            for name in sorted(absent):
                entry = subscript(site.value, ast.Constant(key_for(name, made.whole)))
                yield Hole((site.file, site.definition), site.statement, entry)


def unbound(error: BaseException, version: Version) -> Iterator[Hole]:
    """What the statements at which the code stops read that nothing was bound to, or that is None."""
    for frame, line in innermost_first(error):
        definition = version.definition_of(frame.f_code)
        statement = None if definition is None else statement_at(version.tree(definition), line)
        if definition is None or statement is None:
            continue
        names = {**vars(builtins), **frame.f_globals, **frame.f_locals}
        for node in read_by(statement):
            if is_missing(node, names):
                yield Hole(definition, statement, node, frame=frame)


def is_missing(node: ast.expr, names: Mapping[str, Any]) -> bool:
    """Whether a name, an attribute or an entry is bound to nothing, or to None."""
    held = value_of(node, names)
    if held is None or isinstance(node, ast.Name):
        return held is None or held is MISSING
    if held is not MISSING or not isinstance(node, ast.Attribute | ast.Subscript):
        return False
    base = value_of(node.value, names)
    if isinstance(node, ast.Subscript):
        return isinstance(base, dict) and isinstance(node.slice, ast.Constant)
    return is_object(base) and not hasattr(type(base), node.attr)


def key_for(name: str, held: Mapping[Any, Any]) -> str:
    """The key under which a gradient belongs in a dict, after those of the others: ``dW1`` beside ``dW2``."""
    own = tail(name)
    for key in held:
        for other in meant(key) if isinstance(key, str) else ():
            if key.endswith(other) and len(key) > len(other):
                return f"{key.removesuffix(other)}{own}"
    return own


def places(version: Version, hole: Hole) -> Iterator[Hole]:
    """A hole before the statement that needs it, before the loops around that, and further up where the statements
    between write to something that is at hand."""
    yield hole
    blocks = blocks_of(version.tree(hole.definition), hole.statement)
    for block, at in blocks:
        if isinstance(block[at], LOOPS) and block[at] is not hole.statement:
            yield replace(hole, statement=block[at])
    block, at = blocks[0] if blocks else ([], 0)
    for statement in reversed(block[:at]):
        if isinstance(statement, ast.AugAssign | ast.Expr | ast.Assign | ast.For | ast.If):
            yield replace(hole, statement=statement)


def updates(version: Version, suspect: Suspect) -> Iterator[Hole]:
    """Where something may be added to what a statement makes, or to an entry of it: before it is read, and in the loops
    between, to one entry in each round."""
    for target, shape, following in lacking_at(version, suspect):
        yield from additions(target, shape, following, suspect.site)


def updates_of_row(version: Version, suspect: Suspect) -> Iterator[Hole]:
    """Where something may be added to the one row of what a statement makes that is not what it should be, or column:
    ``g[0] += …``."""
    for target, shape, following in lacking_at(version, suspect):
        after = until_read(following, ast.unparse(target))
        last = next((n for n in reversed(range(len(after))) if is_update_of(after[n], target)), -1)
        for row in lacking_rows(target, shape, suspect):  # beside what is done to all of it
            definition = suspect.site.file, suspect.site.definition
            yield from (Hole(definition, one, row, "+=") for one in dict.fromkeys((*after[last + 1 :][:1], *after[:1])))


def is_update_of(statement: ast.stmt, target: ast.expr) -> bool:
    """Whether a statement is an update of a target."""
    return isinstance(statement, ast.AugAssign) and ast.unparse(statement.target) == ast.unparse(target)


def lacking_at(
    version: Version, suspect: Suspect
) -> Iterator[tuple[ast.expr, tuple[int, ...], list[ast.stmt]]]:  # fmt: skip
    """What a statement binds and may lack something, with its shape and the statements after it."""
    bound = bound_at(version, suspect)
    if bound is not None:
        target, following = bound
        yield from ((one, shape, following) for one, shape in lacking(target, suspect))


def lacking(target: ast.expr, suspect: Suspect) -> Iterator[tuple[ast.expr, tuple[int, ...]]]:
    """What a statement binds, with its shape; of several arrays, such as those of a dict, those that are not what they
    should be."""
    whole, shapes = suspect.made.whole, suspect.made.shapes[0]
    if len(shapes) == 1:
        if not suspect.made.is_complex:
            yield target, shapes[0]
    elif type(whole) is dict and suspect.shift is not None and len(whole) == len(shapes):
        ends = np.cumsum([prod(shape) for shape in shapes])
        off = np.split(suspect.shift, ends[:-1])
        largest = float(np.abs(suspect.shift).max(initial=0.0))
        every = zip(whole, shapes, off, strict=True)
        wanting = [(subscript(target, ast.Constant(key)), shape) for key, shape, by in every
                   if isinstance(key, str | int) and np.abs(by).max(initial=0.0) > CLOSE * largest]  # fmt: skip
        yield from wanting if len(wanting) <= FEW else ()


def lacking_rows(target: ast.expr, shape: tuple[int, ...], suspect: Suspect) -> list[ast.expr]:
    """The one row of an array, or column, that is not what it should be: ``g[0]``, ``g[:, -1]``."""
    if suspect.is_repeated or suspect.shift is None or suspect.shift.size != prod(shape):
        return []
    off = np.abs(suspect.shift.reshape(shape))
    places = np.nonzero(off > CLOSE * off.max(initial=0.0))
    at = [(axis, int(where[0])) for axis, where in enumerate(places) if shape[axis] > 1 and len({*where.tolist()}) == 1]
    return [subscript(target, along(axis, number(n if n + 1 < shape[axis] else -1))) for axis, n in at]


def rebinding(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that bind a name which one before has bound: what that made is lost with them."""
    bound: set[str] = set()
    for statement in statements:
        targets = targets_of(statement) if isinstance(statement, ast.Assign) else ()
        names = {*map(ast.unparse, targets)}
        if names & bound:
            yield statement
        bound |= names


def additions(
    target: ast.expr, shape: tuple[int, ...], following: list[ast.stmt], site: Site
) -> Iterator[Hole]:
    """Where something may be added to an array, in the statements that follow."""
    definition, own = (site.file, site.definition), target
    if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value  # other parts of the array may be what is wrong
    after = until_read(following, ast.unparse(target))
    ends = dict.fromkeys((*after[-1:], *after[:1], *rebinding(after)))
    parts = [subscript(target, index) for index in indices_in(site.function, target)
             if isinstance(index, ast.Tuple | ast.Compare | ast.Slice)
             and not names_in(index) & set(counters(site.function))]  # fmt: skip
    loops = [statement for statement in after if isinstance(statement, LOOPS)]
    bodies = [(loop, body) for loop in loops for body in bodies_of(loop)]
    by_entry = [Hole(definition, body[-1], place, "+=", is_after=True) for loop, body in bodies
                for place in entries(target, len(shape), loop, site.function)]  # fmt: skip
    is_filled = any(writes_entry(statement, target) for loop in loops for statement in ast.walk(loop))
    added = (one for one in after if is_update_of(one, target))
    yield from (Hole(definition, statement, target, "*=") for statement in dict.fromkeys((*after[-1:], *added)))
    yield from by_entry if is_filled else ()
    yield from (Hole(definition, body[-1], target, "+=", is_after=True) for _, body in bodies)
    yield from (Hole(definition, statement, one, "+=") for one in dict.fromkeys((target, own)) for statement in ends)
    yield from (Hole(definition, statement, part, "*=") for part in parts for statement in after[-1:])
    yield from (Hole(definition, statement, part, "+=") for part in parts for statement in ends)
    yield from () if is_filled else by_entry


def writes_entry(statement: ast.AST, target: ast.expr) -> bool:
    """Whether a statement writes to entries of a target."""
    return any(isinstance(place, ast.Subscript) and is_same(place.value, target) for place in targets_of(statement))


def carries(version: Version, suspect: Suspect) -> Iterator[Hole]:
    """Where a value that a loop reads, and that is bound before it, may be bound anew in each round."""
    bound = bound_at(version, suspect)
    target, following = bound if bound is not None else (None, [])
    name = target.id if isinstance(target, ast.Name) else ""
    as_it_was = takewhile(lambda statement: name not in bound_by(statement), following)
    for loop in (statement for statement in as_it_was if isinstance(statement, LOOPS)):
        if target is not None and name in names_in(loop):
            yield Hole((suspect.site.file, suspect.site.definition), loop.body[-1], target, is_after=True)


def to_next(version: Version, suspect: Suspect) -> Iterator[Hole]:
    """Where a round may hand something on to the next, of a statement that makes what it should in its first run and
    not in those after it: ``dC[t - 1] += …`` in a loop, else a term more where the statement stands."""
    site, targets = suspect.site, targets_of(suspect.site.statement)
    target = targets[0] if len(targets) == 1 else None
    if not is_right_first(suspect) or not isinstance(target, ast.Subscript):
        return
    added = [node for node in ast.walk(site.function) if isinstance(node, ast.AugAssign)]
    same = [statement for statement in added if is_same(statement.target, target)]
    for statement in dict.fromkeys((*same[::-1], site.statement)):
        yield Hole((site.file, site.definition), statement, target, "+=", is_after=True)
    for loop in version.around(site):
        if isinstance(loop, ast.For) and isinstance(loop.target, ast.Name):
            names = [node for node in ast.walk(target.slice) if isinstance(node, ast.Name)]
            places = [name for name in names if name.id == loop.target.id]
            is_backwards = any(word in ast.unparse(loop.iter) for word in ("reversed", "-1"))
            for sign in ("-+" if is_backwards else "+-") if places else "":
                index = exchanged(target.slice, {id(node): binary(node, sign, number(1)) for node in places})
                place = subscript(target.value, index)
                yield Hole((site.file, site.definition), loop.body[-1], place, "+=", is_after=True)


def is_right_first(suspect: Suspect) -> bool:
    """Whether it is known what a statement should make in each of its runs, and it makes that in the first alone."""
    off = np.abs(np.zeros(1) if suspect.shift is None else suspect.shift)
    first = off[: suspect.made.values[0].size].max(initial=0.0)
    return bool(suspect.is_repeated and suspect.is_known and first <= CLOSE * off.max(initial=0.0))


def bound_at(version: Version, suspect: Suspect) -> tuple[ast.expr, list[ast.stmt]] | None:
    """What a statement binds, and the statements after it in its block; itself too, where it updates what there was."""
    site = suspect.site
    blocks = blocks_of(version.tree((site.file, site.definition)), site.statement)
    is_return = isinstance(site.statement, ast.Return | ast.Expr) or isinstance(site.function, ast.Lambda)
    if is_return or site.is_passed or not blocks:
        return None
    try:
        target = parsed(site.target)
    except (SyntaxError, ValueError):
        return None
    block, at = blocks[0]
    return (target, block[at + (not site.is_update) :]) if isinstance(target, OPERANDS) else None


def bodies_of(loop: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of a loop, and of the loops and conditions in it, the innermost first."""
    return [node.body for node in ast.walk(loop) if isinstance(node, NESTED)][::-1]


def entries(target: ast.expr, rank: int, loop: ast.stmt, function: ast.AST) -> list[ast.expr]:
    """The entries of an array that a loop may write to: by indices that the function has, and by its counters."""
    spelled = indices_in(function, target)
    counts = [ast.Name(name, ast.Load()) for name in counters(loop)]
    single = [index for index in (*counts, *spelled) if not isinstance(index, ast.Tuple | ast.Slice | ast.Constant)]
    sliced = [along(axis, index) for index in single for axis in reversed(range(rank))]
    inside = [index for index in (*spelled, *sliced) if names_in(index) & names_in(loop)]
    return [subscript(target, index) for index in {ast.unparse(index): index for index in inside}.values()]


def earlier(version: Version, hole: Hole, value: ast.expr) -> Hole:
    """A hole further up in its block, as far as what it is filled with is made there: beside what is listed with it,
    as people write ``dW`` before ``db`` and return both; else before a return, beside what is returned, and at the end
    of a loop after what it is filled with; as it is where none of this is so."""
    block, at = next(iter(blocks_of(version.tree(hole.definition), hole.statement)), ([hole.statement], 0))
    end = at + hole.is_after
    needed = names_in(value) | names_in(hole.target)
    first = next((n + 1 for n in reversed(range(end)) if needed & bound_by(block[n])), 0)
    function = function_of(version.tree(hole.definition), hole.statement)
    place = beside_listed(hole, block[first:end], function) if function is not None else None
    if place is None and hole.is_after and first:
        place = 0
    if place is None and isinstance(hole.statement, ast.Return):
        beside = names_in(hole.statement)
        place = next((n for n, one in enumerate(block[first:at]) if beside & bound_by(one)), 0)
    if place is None or first + place == end:
        return hole
    return replace(hole, statement=block[first + place], is_after=False)


def beside_listed(hole: Hole, block: list[ast.stmt], function: ast.AST) -> int | None:
    """Where in a block a line belongs by the order in which what it binds is returned, or listed in another tuple of
    the function: after what is listed before it, else before what is listed after it."""
    name = ast.unparse(hole.target)
    for node in ast.walk(function):
        items = [names_in(item) | {ast.unparse(item)} for item in getattr(node, "elts", ())]
        own = next((n for n, item in enumerate(items) if name in item), None)
        bound = {n: at for at, one in enumerate(block) for n, item in enumerate(items) if item & bound_by(one)}
        if own is None or not bound.keys() - {own}:
            continue
        order = [bound[n] for n in sorted(bound) if n != own]
        before, after = [*range(own)][::-1], [*range(own + 1, len(items))]
        if sum(a > b for a, b in pairwise(order)) > sum(a < b for a, b in pairwise(order)):  # last things first
            before, after = after, before
        found = next((bound[n] + 1 for n in before if n in bound), None)
        return found if found is not None else min(bound[n] for n in after if n in bound)
    return None
