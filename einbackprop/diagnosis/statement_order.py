"""Statement order: a search goes in, the statement that stands before or after its place comes out, moved.

An array that is changed while its old value is still needed, as ``W -= lr * dW`` above ``dx = dz @ W.T``, makes every
later line wrong as it stands, and no edit of one of them is what was meant. So of two statements of a block, one of
which binds what the other reads, and the other of which a wrong gradient depends on, each is moved over the other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from einbackprop.core.records import dataclass
from einbackprop.core.source import statements_of
from einbackprop.diagnosis.blocks import NESTED, blocks_of
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.repair import Round
from einbackprop.diagnosis.versions import Change
from einbackprop.diagnosis.vocabulary import Edit
from einbackprop.diagnosis.vocabulary.trees import OPERANDS

MOVES = 400
"""Moves that are tried, at most: with each the whole code is run. Of code that takes long, fewer are."""
COST = 1.5
ORDER = "the order of statements"
BLOCKS = (*NESTED, ast.FunctionDef, ast.ClassDef)
SIDES = ("before", "after")
LEAVING = (ast.Return, ast.Raise, ast.Break, ast.Continue)


@dataclass(frozen=True, eq=False)
class Move:
    """A statement that is moved over another of its block.

    Attributes
    ----------
    site : Site
        A value of the other statement, or of one in it.
    moved, other : ast.stmt
    name : str
        What the one binds and the other reads.
    is_binding : bool
        Whether it is the moved one that binds it.
    is_later : bool
        Whether the moved one goes after the other.
    beside : ast.stmt
        The one that it comes to stand beside: one without a body, which can be written as a whole.
    is_after : bool
        Whether it comes to stand after that.
    """

    site: Site
    moved: ast.stmt
    other: ast.stmt
    name: str
    is_binding: bool
    is_later: bool
    beside: ast.stmt
    is_after: bool

    def repair(self, mends: frozenset[str]) -> Repair:
        """The move as two changes: where the statement comes to stand, and where it stood."""
        order = (self.beside, self.moved) if self.is_after else (self.moved, self.beside)
        does = f"makes {self.name} anew" if self.is_binding else f"reads {self.name}"
        said = f"line {self.moved.lineno}, which {does}, belongs {SIDES[self.is_after]} this one"
        reads, binds = ("there", "here") if self.is_binding else ("here", "there")
        needed = "as it was" if self.is_binding is self.is_later else f"as it is made {binds}"
        why = f"this belongs {SIDES[self.is_later]} line {self.other.lineno}: {self.name} is needed {reads} {needed}"
        change = Change((self.site.file, self.site.definition), self.beside, order)
        origin = self._taken_out(why, mends)
        return Repair(self.site, Edit(COST, said, statements=order, kind=ORDER), change, COST, mends, origin)

    def left_out(self, mends: frozenset[str]) -> Repair:
        """The statement left out, of one that binds a name too early: the gradients may not need what it makes."""
        why = f"this is too early or too much: line {self.other.lineno} needs {self.name} as it was"
        return self._taken_out(why, mends)

    def _taken_out(self, why: str, mends: frozenset[str]) -> Repair:
        """The statement taken from where it stands."""
        change = Change((self.site.file, self.site.definition), self.moved, ())
        return Repair(self.site, Edit(COST, why, removed=True, kind=ORDER), change, COST, mends)


def of_order(search: Round) -> Repair | None:
    """The move of one statement with which every gradient is right."""
    for move in islice(moves(search), min(MOVES, search.whole // 2)):
        repair = move.repair(search.wrong)
        if works(search, repair):
            alone = move.left_out(search.wrong) if move.is_binding and move.is_later else None
            found = alone if alone is not None and works(search, alone) else repair
            return replace(found, cost=COST + search.likelihood.of_forward(move.site))
    return None


def works(search: Round, repair: Repair) -> bool:
    """Whether with a repair every gradient is right, and has the shape that it should have, or had."""
    version, before = search.version.changed(repair.changes), search.localization.before or {}
    if not search.judge.works(version):
        return False
    with search.judge.running(version):
        made = search.experiment.run() or {}
    return all(
        np.shape(made.get(name, ())) in (search.experiment.shapes[name], np.shape(before.get(name, ())))
        for name in search.wrong
    )


def moves(search: Round) -> Iterator[Move]:
    """The moves of a statement that a wrong gradient depends on over one that binds what it reads, and of that over it:
    the last of those that gradients depend on first, each once."""
    seen: set[tuple[int, int]] = set()
    for suspect in reversed(search.localization.suspects):
        site = suspect.site
        if not suspect.reach & search.wrong or isinstance(site.function, ast.Lambda):
            continue
        for block, at in blocks_of(search.version.tree((site.file, site.definition)), site.statement):
            read = {*spelled(block[at], ast.Load), *read_by_calls(block[at], statements_of(site.file).tree)}
            for n in (*range(at + 1, len(block)), *reversed(range(at))):
                name = next((name for name in spelled(block[n], ast.Store) if name in read), None)
                if name is None or (id(block[n]), id(block[at])) in seen:
                    continue
                seen.add((id(block[n]), id(block[at])))
                if n > at or is_bound(name, block[n], site):
                    over = placed(site, block, n, at, name, True), placed(site, block, at, n, name, False)
                    yield from (move for move in over if move is not None)


def placed(site: Site, block: Sequence[ast.stmt], n: int, other: int, name: str, is_binding: bool) -> Move | None:
    """The move of the nth statement of a block over another; None where that cannot be written."""
    where = beside(block, other, is_later=n < other)
    if where is None or isinstance(block[n], (*LEAVING, *BLOCKS)):
        return None
    if not all(map(statements_of(site.file).stands_alone, (block[n], where[0]))):
        return None
    return Move(site, block[n], block[other], name, is_binding, n < other, *where)


def beside(block: Sequence[ast.stmt], at: int, is_later: bool) -> tuple[ast.stmt, bool] | None:
    """The statement without a body beside which one stands that comes after, or before, the one at a place of a block,
    and whether it stands after that; None if there is none."""
    around = [(block[at], is_later)]
    if is_later and at + 1 < len(block):
        around.append((block[at + 1], False))
    if not is_later and at > 0:
        around.append((block[at - 1], True))
    simple = (each for each in around if not isinstance(each[0], BLOCKS))
    return next((each for each in simple if not (each[1] and isinstance(each[0], LEAVING))), None)


def spelled(statement: ast.stmt, context: type[ast.expr_context]) -> list[str]:
    """The variables and attributes that a statement reads, or those that it binds or whose entries it writes to, if by
    a call alone: ``items.append(x)``, ``np.add.at(x, i, y)``, ``np.exp(x, out=y)``."""
    found: list[str] = []
    for node in ast.walk(statement):
        parts: list[ast.AST] = [node] if isinstance(getattr(node, "ctx", None), context) else []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and context is ast.Store:
            parts = changed_by(node.value)
        for part in parts:
            while isinstance(part, ast.Subscript) and isinstance(part.value, OPERANDS):
                part = part.value
            if isinstance(part, OPERANDS):
                found.append(ast.unparse(part))
    return list(dict.fromkeys(found))


def read_by_calls(statement: ast.stmt, tree: ast.Module) -> Iterator[str]:
    """What the functions of a file that a statement calls read, as it would spell that: attributes of the object whose
    method is called, and globals.
    """
    calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
    functions = (node for node in (ast.walk(tree) if calls else ()) if isinstance(node, ast.FunctionDef))
    for function in functions:
        for call in calls:
            if isinstance(call, ast.Name) and call.id == function.name:
                bound = {*parameters_of(function), *spelled(function, ast.Store)}
                yield from (name for name in spelled(function, ast.Load) if name not in bound)
            elif isinstance(call, ast.Attribute) and call.attr == function.name and parameters_of(function):
                own = f"{parameters_of(function)[0]}."
                yield from (f"{ast.unparse(call.value)}.{name.removeprefix(own)}"
                            for name in spelled(function, ast.Load) if name.startswith(own))  # fmt: skip


def changed_by(node: ast.Call) -> list[ast.AST]:
    """What a call may change whose result nothing takes: an object by its method, or an array that it writes into."""
    out: list[ast.AST] = [keyword.value for keyword in node.keywords if keyword.arg == "out"]
    if out or not isinstance(node.func, ast.Attribute):
        return out
    return [*node.args[:1]] if node.func.attr in ("at", "copyto", "fill_diagonal", "put") else [node.func.value]


def is_bound(name: str, statement: ast.stmt, site: Site) -> bool:
    """Whether a name has a value before a statement: an attribute, a parameter, or what a line above binds."""
    above = (node for node in ast.walk(site.function) if isinstance(node, ast.stmt) and node.lineno < statement.lineno)
    names = (name for node in above if node is not site.function for name in spelled(node, ast.Store))
    return not name.isidentifier() or name in parameters_of(site.function) or name in names


def parameters_of(function: ast.AST) -> list[str]:
    """The names of a function's parameters."""
    arguments = getattr(function, "args", None)
    return [node.arg for node in ast.walk(arguments) if isinstance(node, ast.arg)] if arguments else []
