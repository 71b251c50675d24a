"""Mistakes that people make in a line of a backward, to put into one that is right.

A statement goes in; out come other statements, each with one thing wrong and the kind of that. There are three levels:
1 is seen at a glance (a sign, a transpose, another operand), 2 takes a derivation (factors, axes, derivatives), 3 takes
the whole of it (a path that is missing, an index, an order). Nothing is run here, so that some change nothing, and
others stop the code: whoever puts one in tries it. What repairs code has a vocabulary of its own (`diagnosis`), which
this is not made from: a quiz is to be what people do, not what can be undone.
"""

import ast
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..core.records import dataclass

LEVELS = (1, 2, 3)
OF_SHAPES = frozenset({"a transpose", "the order of a product", "an axis that is summed over"})
"""The kinds by which a gradient may get another shape: that is what they are about."""
ALIKE = 4
"""Names that are tried in the place of one: those most alike."""
SUMS = {"sum": "mean", "mean": "sum"}
SHIFTS = {":-1": "1:", "1:": ":-1"}


@dataclass(frozen=True)
class Mistake:
    """A statement with one thing wrong, and the kind of that in a few words, which do not say what is right."""

    kind: str
    statement: ast.stmt


@dataclass(frozen=True)
class Spot:
    """A node of a statement, what it stands in, and the names that the function has there."""

    node: Any
    parent: Any
    names: Sequence[str]


Wrong = Callable[[Spot], Iterator[ast.expr]]
"""What may stand in the place of a node by mistake."""


def mistakes_in(statement: ast.stmt, names: Sequence[str], level: int) -> Iterator[Mistake]:
    """A statement with one mistake of a level, in every way; of one with a body, in its first line.

    Parameters
    ----------
    statement
        It is not changed.
    names
        Variables that are bound before it.
    level
        1, 2 or 3.
    """
    if level == 3:
        yield from _of_update(statement)
    if level == 1:
        yield from _of_sign(statement)
    field = "iter" if isinstance(statement, ast.For) else "value"
    value: Any = getattr(statement, field, None)
    for kind, wrong in _KINDS[level].items() if value is not None else ():
        for new in _everywhere(value, names, wrong):
            yield Mistake(kind, _with(statement, field, new))


def _everywhere(value: ast.expr, names: Sequence[str], wrong: Wrong) -> Iterator[ast.expr]:
    """An expression with one node put wrong, in every way."""
    nodes = list(ast.walk(value))
    parents = {id(child): node for node in nodes for child in ast.iter_child_nodes(node)}
    for number, node in enumerate(nodes):
        for new in wrong(Spot(node, parents.get(id(node)), names)):
            whole = copy.deepcopy(value)
            yield _Exchange(list(ast.walk(whole))[number], copy.deepcopy(new)).visit(whole)


class _Exchange(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self._new if node is self._old else super().visit(node)


def _with(statement: ast.stmt, field: str, value: ast.expr) -> ast.stmt:
    changed = copy.copy(statement)
    setattr(changed, field, value)
    return changed


# Level 1: signs, transposes, operands


def _of_sign(statement: ast.stmt) -> Iterator[Mistake]:
    """``-=`` for ``+=``, and a minus before the whole of what is assigned."""
    match statement:
        case ast.AugAssign(target, ast.Add() | ast.Sub() as sign, value):
            other = ast.Sub() if isinstance(sign, ast.Add) else ast.Add()
            yield Mistake("a sign", ast.copy_location(ast.AugAssign(target, other, value), statement))
        case ast.Assign(value=ast.BinOp(op=ast.Mult() | ast.MatMult() | ast.Div()) | ast.Call() as value):
            yield Mistake("a sign", _with(statement, "value", _negated(value)))


def _negated(value: ast.expr) -> ast.expr:
    """A product with a minus before its first factor."""
    match value:
        case ast.BinOp(left, ast.Mult() | ast.MatMult() | ast.Div() as operator, right):
            return ast.BinOp(_negated(left), operator, right)
    return ast.UnaryOp(ast.USub(), value)


def _signs(spot: Spot) -> Iterator[ast.expr]:
    match spot.node:
        case ast.UnaryOp(ast.USub(), ast.Name() | ast.BinOp() | ast.Call() as operand):
            yield operand
        case ast.BinOp(ast.Constant(1), ast.Sub(), right):
            yield ast.BinOp(ast.Constant(1), ast.Add(), right)
        case ast.BinOp(left, ast.Sub(), right) if not isinstance(right, ast.Constant):
            yield ast.BinOp(right, ast.Sub(), left)
        case ast.BinOp(left, ast.Add(), right) if not isinstance(right, ast.Constant):
            yield ast.BinOp(left, ast.Sub(), right)


def _transposes(spot: Spot) -> Iterator[ast.expr]:
    """An operand transposed, or no longer; a whole product transposed."""
    yield from _turned(spot)
    match spot.node:
        case ast.Attribute(inner, "T"):
            yield inner
        case ast.Name(ctx=ast.Load()) | ast.Subscript(ctx=ast.Load()) as node if _is_factor(spot):
            yield ast.Attribute(node, "T", ast.Load())


def _turned(spot: Spot) -> Iterator[ast.expr]:
    """A product that is the transpose of what it should be: ``d.T @ x`` for ``x.T @ d``."""
    match spot.node:
        case ast.BinOp(ast.Attribute(left, "T"), ast.MatMult(), right):
            yield ast.BinOp(ast.Attribute(right, "T", ast.Load()), ast.MatMult(), left)
        case ast.BinOp(left, ast.MatMult(), ast.Attribute(right, "T")):
            yield ast.BinOp(right, ast.MatMult(), ast.Attribute(left, "T", ast.Load()))
        case ast.Call(ast.Attribute(attr="dot" | "matmul") as called, [ast.Attribute(left, "T"), right], []):
            yield ast.Call(called, [ast.Attribute(right, "T", ast.Load()), left], [])
        case ast.Call(ast.Attribute(attr="dot" | "matmul") as called, [left, ast.Attribute(right, "T")], []):
            yield ast.Call(called, [right, ast.Attribute(left, "T", ast.Load())], [])
        case ast.Call(ast.Attribute(ast.Attribute(left, "T"), "dot"), [right], []):
            yield ast.Call(ast.Attribute(ast.Attribute(right, "T", ast.Load()), "dot", ast.Load()), [left], [])


def _is_factor(spot: Spot) -> bool:
    """Whether a node is a side of a product of matrices."""
    match spot.parent:
        case ast.BinOp(op=ast.MatMult()):
            return True
        case ast.Call(ast.Attribute(attr="dot" | "matmul" | "outer"), arguments):
            return any(argument is spot.node for argument in arguments)
    return False


def _operands(spot: Spot) -> Iterator[ast.expr]:
    """Another variable, those that are called alike first."""
    node = spot.node
    is_operand = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in spot.names
    if is_operand and isinstance(spot.parent, ast.BinOp | ast.Attribute | ast.Call | ast.UnaryOp):
        others = sorted(spot.names, key=lambda name: (-_likeness(name, node.id), name))
        yield from (ast.Name(name, ast.Load()) for name in others[1 : 1 + ALIKE])


def _likeness(one: str, two: str) -> float:
    """How much alike two names are: the share of characters that they begin and end with."""
    begins = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    ends = next((n for n, (a, b) in enumerate(zip(one[::-1], two[::-1], strict=False)) if a != b), 0)
    return (begins + ends) / max(len(one), len(two))


def _sides(spot: Spot) -> Iterator[ast.expr]:
    """The two sides of a product of matrices in the other order."""
    match spot.node:
        case ast.BinOp(left, ast.MatMult(), right):
            yield ast.BinOp(right, ast.MatMult(), left)
        case ast.Call(ast.Attribute(attr="dot" | "matmul" | "outer") as function, [left, right], []):
            yield ast.Call(function, [right, left], [])


# Level 2: factors, axes, derivatives


def _factors(spot: Spot) -> Iterator[ast.expr]:
    """A number or a size more or less as a factor, which the loss brings with it."""
    match spot.node:
        case ast.BinOp(left, ast.Div(), _):
            yield left
        case ast.BinOp(ast.Constant(int() | float()), ast.Mult(), right):
            yield right
        case ast.BinOp(left, ast.Mult(), ast.Constant(int() | float()) | ast.Name()):
            yield left
        case ast.BinOp(ast.Name(), ast.Mult(), right):
            yield right
        case ast.BinOp(ast.Name(), ast.Sub(), _) as difference if not isinstance(spot.parent, ast.BinOp):
            yield ast.BinOp(ast.Constant(2), ast.Mult(), difference)


def _means(spot: Spot) -> Iterator[ast.expr]:
    """A sum for a mean, a mean for a sum."""
    match spot.node:
        case ast.Attribute(value, attr) if attr in SUMS:
            yield ast.Attribute(value, SUMS[attr], ast.Load())


def _axes(spot: Spot) -> Iterator[ast.expr]:
    """Another axis, or none."""
    match spot.node, spot.parent:
        case ast.Constant(int() as axis), ast.keyword("axis") if not isinstance(axis, bool):
            yield ast.Constant(1 - axis if axis in (0, 1) else 0)
        case ast.Call(function, arguments, keywords), _ if any(keyword.arg == "axis" for keyword in keywords):
            yield ast.Call(function, arguments, [keyword for keyword in keywords if keyword.arg != "axis"])


def _slopes(spot: Spot) -> Iterator[ast.expr]:
    """The derivative of a pointwise function, wrong or left out: ``1 - h`` for ``1 - h ** 2``."""
    match spot.node:
        case ast.BinOp(ast.Constant(1), ast.Sub(), ast.BinOp(base, ast.Pow() | ast.Mult(), _)):
            yield ast.BinOp(ast.Constant(1), ast.Sub(), base)
        case ast.BinOp(left, ast.Mult(), ast.BinOp(ast.Constant(1), ast.Sub(), taken)):
            yield left
            if isinstance(taken, ast.BinOp) and isinstance(taken.op, ast.Pow):  # of tanh as of a sigmoid
                complement = ast.BinOp(ast.Constant(1), ast.Sub(), taken.left)
                yield ast.BinOp(ast.BinOp(left, ast.Mult(), taken.left), ast.Mult(), complement)
        case ast.BinOp(left, ast.Mult(), ast.Compare()):
            yield left
        case ast.BinOp(base, ast.Pow(), ast.Constant(2)):
            yield base


def _relations(spot: Spot) -> Iterator[ast.expr]:
    """The opposite condition of a mask."""
    opposite: Mapping[type[ast.cmpop], ast.cmpop] = {
        ast.Gt: ast.Lt(), ast.Lt: ast.Gt(), ast.GtE: ast.Lt(), ast.LtE: ast.Gt(), ast.Eq: ast.NotEq(),
    }  # fmt: skip
    match spot.node:
        case ast.Compare(left, [sign], right) if type(sign) in opposite:
            yield ast.Compare(left, [opposite[type(sign)]], right)


# Level 3: paths, indices, orders


def _of_update(statement: ast.stmt) -> Iterator[Mistake]:
    """``=`` for ``+=``: what came along other paths is lost."""
    match statement:
        case ast.AugAssign(target, ast.Add() | ast.Sub(), value):
            yield Mistake("a path that is missing", ast.copy_location(ast.Assign([target], value), statement))


def _terms(spot: Spot) -> Iterator[ast.expr]:
    """A sum without one of its terms: a path along which a gradient flows."""
    match spot.node:
        case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right) if not _holds_number(left, right):
            yield left
            if isinstance(sign, ast.Add) and not isinstance(getattr(left, "op", None), ast.Add | ast.Sub):
                yield right


def _holds_number(*terms: ast.expr) -> bool:
    return any(isinstance(term, ast.Constant) for term in terms)


def _indices(spot: Spot) -> Iterator[ast.expr]:
    """The neighbour of an entry, the other part of an axis."""
    node, parent = spot.node, spot.parent
    if not (isinstance(parent, ast.Subscript) and parent.slice is node) or ast.unparse(parent).find(".shape[") >= 0:
        return
    match node:
        case ast.BinOp(ast.Name() as name, ast.Sub() | ast.Add(), ast.Constant(1)):
            yield name
        case ast.Name(id=counter) if len(counter) == 1 or counter == "step":
            yield ast.BinOp(node, ast.Sub(), ast.Constant(1))
        case ast.Constant(int() as number) if number > 0:
            yield ast.Constant(number - 1)


def _slices(spot: Spot) -> Iterator[ast.expr]:
    match spot.node:
        case ast.Slice() as part if ast.unparse(part) in SHIFTS:
            other = ast.parse(f"x[{SHIFTS[ast.unparse(part)]}]", mode="eval").body
            assert isinstance(other, ast.Subscript)
            yield other.slice


def _letters(spot: Spot) -> Iterator[ast.expr]:
    """Two letters of an einsum exchanged, within an operand or the result."""
    match spot.parent:
        case ast.Call(ast.Name("einsum") | ast.Attribute(attr="einsum"), [ast.Constant(str() as text) as first, *_]):
            for at in range(len(text) - 1) if first is spot.node else ():
                one, two = text[at], text[at + 1]
                if one.isalpha() and two.isalpha() and one != two:
                    yield ast.Constant(text[:at] + two + one + text[at + 2 :])


def _rounds(spot: Spot) -> Iterator[ast.expr]:
    """A loop that runs forwards, where it should run backwards."""
    match spot.node:
        case ast.Call(ast.Name("reversed"), [inner], []):
            yield inner


def _places(spot: Spot) -> Iterator[ast.expr]:
    """Two neighbours in each other's place, of what is returned."""
    match spot.node:
        case ast.Tuple(items, ast.Load()) | ast.List(items, ast.Load()) if spot.parent is None:
            for at in range(len(items) - 1):
                for other in range(at + 1, min(at + 3, len(items))):  # W1 with b1, and W1 with W2
                    order = [*items]
                    order[at], order[other] = order[other], order[at]
                    yield type(spot.node)(order, ast.Load())


_KINDS: Mapping[int, Mapping[str, Wrong]] = {
    1: {"a sign": _signs, "a transpose": _transposes, "an operand": _operands, "the order of a product": _sides},
    2: {"a factor": _factors, "a sum or a mean": _means, "an axis that is summed over": _axes,
        "the derivative of a pointwise function": _slopes, "a condition": _relations},
    3: {"a term that is missing": _terms, "an index": _indices, "a part of an axis": _slices,
        "the letters of an einsum": _letters, "the direction of a loop": _rounds,
        "the order of what is returned": _places},
}  # fmt: skip
