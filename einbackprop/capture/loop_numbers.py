"""Plain numbers that loops make: of the rounds of a loop the program knows what arrays become, and of a number the last
value alone. Where one goes on after the loop, the loop runs as often as it did."""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterable
from functools import lru_cache

from ..core.source import nodes_of
from .bindings import Binding

Loops = frozenset[Hashable]
WORD = re.compile(r"[^\W\d]\w*")


def counts(binding: Binding) -> bool:
    """Whether a statement changes what is no array, from what it was before: round by round that is another number,
    of which the program knows the last."""
    statement = binding.statement
    traced = {access.spelling.text.partition("[")[0] for access in (*binding.binds, *binding.changes)}
    plain = [target.text for target in statement.targets if target.text.partition("[")[0] not in traced]
    if statement.kind == "Expr":
        return not traced and not binding.reads
    read = statement.code.partition("=")[2]
    return statement.site < 0 and any(
        statement.operator or re.search(rf"(?<!\w){re.escape(text)}(?!\w)", read) for text in plain)  # fmt: skip


def leaked(bindings: Iterable[Binding]) -> set[Hashable]:
    """The loops of which a counter, or a number made of one, is read after them, as ``i`` in ``s / (i + 1)``.

    Parameters
    ----------
    bindings : iterable of Binding
        In the order in which they ran.
    """
    counted: dict[tuple[Hashable, str], Loops] = {}  # by call and name: the loops that a number is of
    found: set[Hashable] = set()
    for binding in bindings:
        statement = binding.statement
        call: Hashable = (statement.file, statement.function, binding.caller)
        around = frozenset((statement.file, statement.function, site) for site in statement.loops)
        own = {(statement.file, statement.function, statement.site)} if statement.site >= 0 else set()
        read = [counted[call, name] for name in names_read(statement.code) if (call, name) in counted]
        found |= {loop for loops in read for loop in loops - around}
        traced = {access.spelling.text for access in (*binding.binds, *binding.changes)}
        for target in statement.targets:
            if (own or read) and target.text not in traced:
                counted[call, target.text] = around | own
            else:
                counted.pop((call, target.text), None)
    return found


@lru_cache(maxsize=4096)
def names_read(code: str) -> frozenset[str]:
    """The names that a statement reads, of a compound one those of its first line; not those of comprehensions."""
    nodes = nodes_of(code)
    if nodes is None:
        return frozenset(WORD.findall(code))
    inner = {one.id for node in nodes if isinstance(node, ast.comprehension) for one in ast.walk(node.target)
             if isinstance(one, ast.Name)}  # fmt: skip
    read = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)}
    read |= {node.target.id for node in nodes if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)}
    return frozenset(read - inner)
