"""By analogy: a name that a line should bind goes in; what lines that bind names like it give it comes out.

What people write for one gate, layer or parameter they write for the next with other names: where a function has
``dai = di * sigmoid(ai)``, what it binds to ``dao`` is likely to be ``do * sigmoid(ao)``.
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from einbackprop.diagnosis.blocks import targets_of
from einbackprop.diagnosis.vocabulary.hand import MISSING, alike_at_ends, value_of
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, exchanged, parsed

DIGITS, DIGITS_APART = re.compile(r"\d+"), re.compile(r"(\d+)")


def analogous(
    target: ast.expr, function: ast.AST, names: Mapping[str, Any], known: Collection[str] = ()
) -> list[ast.expr]:
    """What a name may be bound to, as statements of a function bind names like it, the nearest in the text first; what
    may be added to it, as others add to it: ``di * p_i`` beside ``df * p_f``.

    Parameters
    ----------
    target : ast.expr
        A name, an attribute or an entry: to this may be bound what is to the whole of another, ``dv[0]`` beside ``du``.
    function : ast.AST
    names : mapping of str to value
        What is bound where the line is to stand. A name is changed only into one that is.
    known : collection of str
        The arrays at hand there, as they are spelled.
    """
    wanted, found = ast.unparse(target), dict[str, ast.expr]()
    whole = ast.unparse(target.value) if isinstance(target, ast.Subscript) else wanted
    for node in ast.walk(function):
        targets = targets_of(node) if isinstance(node, ast.Assign | ast.AugAssign) else []
        value = getattr(node, "value", None)
        if len(targets) != 1 or not isinstance(targets[0], OPERANDS) or not isinstance(value, ast.expr):
            continue
        text = ast.unparse(targets[0])
        called = dict.fromkeys((wanted, whole))
        made = siblings(value, names, known) if text == wanted else [
            renamed(value, renaming(text, name), names) for name in called]  # fmt: skip
        found |= {ast.unparse(new): new for new in made if new is not value}
    line = getattr(target, "lineno", 0)
    return sorted(found.values(), key=lambda value: abs(line - getattr(value, "lineno", line)))


def siblings(value: ast.expr, names: Mapping[str, Any], known: Collection[str]) -> Iterator[ast.expr]:
    """An expression in which two operands or more are called otherwise in the same way."""
    own = [ast.unparse(node) for node in operands_of(value)]
    for rename in dict.fromkeys(made for text in own for other in known if (made := renaming(text, other))):
        new = renamed(value, rename, names)
        if sum(one != ast.unparse(two) for one, two in zip(own, operands_of(new), strict=True)) > 1:
            yield new


class Renaming(NamedTuple):
    """How one name becomes another: ``dai`` becomes ``dao`` where ``i`` becomes ``o``; ``dW1`` becomes ``dW2`` where
    each number becomes one more, so that ``h0`` becomes ``h1``.
    """

    old: str
    new: str

    def of(self, name: str) -> Iterator[str]:
        """What another name becomes, the likeliest first; nothing where it stays as it is."""
        if self.old.isdigit() and self.new.isdigit():
            more = int(self.new) - int(self.old)
            yield DIGITS.sub(lambda number: str(int(number[0]) + more), name)
        yield name.replace(self.old, self.new)
        starts = [found.start() for found in re.finditer(re.escape(self.old), name)]
        yield from (name[:at] + self.new + name[at + len(self.old) :] for at in reversed(starts))


def renaming(one: str, other: str) -> Renaming | None:
    """How a name becomes another that begins or ends alike; None where it does not.

    >>> [(made.old, made.new) for made in (renaming("dW_in", "dW_out"), renaming("dW9", "dW10")) if made]
    [('in', 'out'), ('9', '10')]
    >>> renaming("dx", "mask"), renaming("dx", "dx1")
    (None, None)
    """
    parts = [DIGITS_APART.split(name) for name in (one, other)]
    if len(parts[0]) == len(parts[1]):
        differing = [pair for pair in zip(*parts, strict=True) if pair[0] != pair[1]]
        if len(differing) == 1 and all(part.isdigit() for part in differing[0]):
            return Renaming(*differing[0])
    start, end = alike_at_ends(one, other)
    old, new = one[start : len(one) - end], other[start : len(other) - end]
    return Renaming(old, new) if start + end and old and new else None


def renamed(value: ast.expr, rename: Renaming | None, names: Mapping[str, Any]) -> ast.expr:
    """An expression in which what is read is called otherwise, where something is called so; itself where nothing is.
    """
    if rename is None:
        return value
    chosen: dict[int, ast.AST] = {}
    for node in operands_of(value):
        for text in rename.of(ast.unparse(node)):
            if text != ast.unparse(node) and is_bound(text, names):
                chosen[id(node)] = parsed(text)
                break
    return exchanged(value, chosen) if chosen else value


def is_bound(text: str, names: Mapping[str, Any]) -> bool:
    """Whether a text is the name of something, an attribute or an entry that there is: ``0`` for ``i`` is none."""
    try:
        node = parsed(text)
    except SyntaxError:
        return False
    return isinstance(node, OPERANDS) and value_of(node, names) is not MISSING


def operands_of(node: ast.AST) -> Iterator[ast.expr]:
    """What an expression reads, the whole of ``cache['a']``, without the functions that it calls."""
    if isinstance(node, OPERANDS):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.Call) and child is node.func:
            child = child.value if isinstance(child, ast.Attribute) else ast.Pass()
        yield from operands_of(child)
