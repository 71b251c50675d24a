"""Edits of how axes lie: transposes, orders of operands, letters of an einsum, axes added and taken away."""

import ast
from collections.abc import Iterator, Sequence
from itertools import combinations, islice, permutations, product

from einbackprop.checking.naming import gradient_of
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kinds, Place
from einbackprop.diagnosis.vocabulary.hand import NEAREST
from einbackprop.diagnosis.vocabulary.operands import in_matrix_product
from einbackprop.diagnosis.vocabulary.trees import (
    PRODUCTS,
    SUMS,
    altered,
    attribute,
    binary,
    call,
    held_number,
    is_same,
    negated,
    number,
    parsed,
    subscript,
    swaps,
)

COMMUTATIVE = frozenset(("maximum", "minimum", "add", "multiply", "fmax", "fmin", "logical_and", "logical_or", "equal"))
STACKING = frozenset(("vstack", "hstack", "concatenate", "stack", "column_stack", "row_stack", "dstack", "append"))
NEAR, MOST_AXES = 6, 4
CHANNELS = ((0, 2, 3, 1), (0, 3, 1, 2))
"""The orders between channels that come first and that come last."""
TRANSPOSED = "{} must be transposed here: {}.T"


def transposed(expression: Expression) -> Iterator[Edit]:
    """The transpose of an operand, of what a call makes, or of the whole; of several axes, the last two swapped."""
    for place in expression.places:
        shape = expression.shape(place)
        compound = isinstance(place.node, ast.BinOp | ast.UnaryOp | ast.Compare)
        if isinstance(place.node, ast.Constant | ast.Tuple) or is_transposed(place.parent) or len(shape or "ab") < 2:
            continue
        cost = 1.0 if in_matrix_product(expression, place) else 1.5 + 0.5 * compound
        text = f"({place.text})" if compound else place.text
        if shape is None or len(shape) == 2:
            yield expression.edit(place, attribute(place.node, "T"), cost, TRANSPOSED, text, text)
        if shape is None or len(shape) > 2:
            swap = call(attribute(place.node, "swapaxes"), [number(-1), number(-2)])
            yield expression.edit(place, swap, cost + 0.4, "the last two axes of {} must be swapped here", text)
        if shape is not None and len(shape) in (3, 4):
            for order in permutations(range(len(shape))):
                turned = call(attribute(place.node, "transpose"), [number(n) for n in order])
                more = 1.2 if not is_reshaped(place.parent) else -0.4 if order in CHANNELS else 0.4
                yield expression.edit(place, turned, cost + more, "the axes of {} must lie as {} here", text, order)


def is_reshaped(parent: ast.AST | None) -> bool:
    """Whether it is the reshape of a value that is read, where the order of its axes counts and no shape shows it."""
    return isinstance(parent, ast.Attribute) and parent.attr in ("reshape", "ravel", "flatten")


def not_transposed(expression: Expression) -> Iterator[Edit]:
    """What is transposed as it was; its axes in another order."""
    for place in expression.places:
        node = place.node
        if is_transposed(node):
            inner = transposed_value(expression, node)
            yield expression.edit(place, inner, 1.0, "{} must not be transposed here", inner)
        orders = [arg for arg in node.args if isinstance(arg, ast.Tuple)] if isinstance(node, ast.Call) else []
        listed = expression.called(node) == "transpose" and not expression.is_numpy(node) and len(node.args) > 2
        if expression.called(node) == "transpose" and (listed or orders):
            for order in permutations(node.args if listed else orders[0].elts):
                args = [*order] if listed else [a if a is not orders[0] else ast.Tuple([*order], ast.Load())
                                                for a in node.args]  # fmt: skip
                new, said = ast.Call(node.func, args, []), ast.Tuple([*order], ast.Load())
                yield expression.edit(place, new, 1.2, "the axes must lie as {} here", said)


def reordered(expression: Expression) -> Iterator[Edit]:
    """The sides of a product of matrices, a difference (in a longer sum too) or a quotient, or two arguments, in the
    other order.
    """
    for place in expression.products:
        node = place.node
        if isinstance(node.op, ast.MatMult | ast.Sub | ast.Div | ast.Pow):
            new: ast.expr = negated(node) if isinstance(node.op, ast.Sub) else ast.BinOp(node.right, node.op, node.left)
            cost = 1.0 if isinstance(node.op, ast.MatMult) else 1.7
            if isinstance(node.op, ast.Sub):  # of 1 - h, the order is seldom what is wrong, of h - 1 more often
                is_likely = held_number(node.right) is not None or is_phrase(expression, new)
                cost = 1.3 if held_number(node.left) is not None else 0.8 if is_likely else 0.9
            yield expression.edit(place, new, cost, "{} is needed, not {}", new, place)
        if isinstance(node.op, SUMS) and isinstance(node.left, ast.BinOp) and isinstance(node.left.op, SUMS) and (
                type(node.left.op) is not type(node.op)):  # a difference within a longer sum, ``x + 1 - y``
            new = ast.BinOp(ast.BinOp(node.left.left, node.left.op, node.right), node.op, node.left.right)
            yield expression.edit(place, new, 1.4, "{} is needed, not {}", new, place)
    for place in expression.calls:
        node, called = place.node, expression.called(place.node)
        for args, apart in swaps(node.args):
            if called not in COMMUTATIVE and not any(isinstance(a, ast.Starred) for a in args):
                new = ast.Call(node.func, args, node.keywords)
                yield expression.edit(place, new, 1.1 + 0.2 * apart, "{} is needed", new)
        for stacked in [node.args[0]] if called in STACKING and node.args else ():
            for items, apart in swaps(getattr(stacked, "elts", ())):
                new = ast.Call(node.func, [altered(stacked, elts=items), *node.args[1:]], node.keywords)
                yield expression.edit(place, new, 1.2 + 0.2 * apart, "{} is needed", new)
        if called == "dot" and len(node.args) == 1 and not expression.is_numpy(node):
            new = ast.Call(attribute(node.args[0], "dot"), [node.func.value], [])
            yield expression.edit(place, new, 1.0, "{} is needed, not {}", new, place)


def is_phrase(expression: Expression, node: ast.expr) -> bool:
    """Whether the function has an expression elsewhere."""
    return any(is_same(node, phrase) for phrase in expression.hand.phrases)


def regrouped(expression: Expression) -> Iterator[Edit]:
    """Parentheses elsewhere: ``(a - b) * c`` for ``a - b * c``, ``a / (b * c)`` for ``a / b * c``, ``1 - y ** 2`` for
    ``(1 - y) ** 2``."""
    for place in expression.products:
        node = place.node
        if isinstance(node.right, ast.BinOp) and strength(node.op) and strength(node.right.op):
            inner: ast.expr = ast.BinOp(node.left, node.op, node.right.left)
            for side in [inner] + [negated(inner)] * isinstance(node.op, ast.Sub):
                new = ast.BinOp(side, node.right.op, node.right.right)
                yield expression.edit(place, new, 1.6, "{} is needed: parentheses stand wrong", new)
        if isinstance(node.left, ast.BinOp) and strength(node.op) and strength(node.left.op):
            new = ast.BinOp(node.left.left, node.left.op, ast.BinOp(node.left.right, node.op, node.right))
            yield expression.edit(place, new, 1.6, "{} is needed: parentheses stand wrong", new)
        if isinstance(node.op, ast.Mult | ast.Div):
            for product in within_sums(node.left, node.op, node.right):
                yield expression.edit(place, product, 1.65, "{} is needed: parentheses stand wrong", product)


def within_sums(node: ast.expr, operator: ast.operator, factor: ast.expr) -> Iterator[ast.BinOp]:
    """A product of which a further factor belongs to one term of a sum in it: ``(a + b * c) * d`` for
    ``(a + b) * d * c``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, PRODUCTS):
        yield from (ast.BinOp(inner, node.op, node.right) for inner in within_sums(node.left, operator, factor))
        yield from (ast.BinOp(node.left, node.op, inner) for inner in within_sums(node.right, operator, factor)
                    if isinstance(node.op, ast.Mult))  # fmt: skip
    elif isinstance(node, ast.BinOp) and isinstance(node.op, SUMS):
        yield ast.BinOp(node.left, node.op, ast.BinOp(node.right, operator, factor))
        yield ast.BinOp(ast.BinOp(node.left, operator, factor), node.op, node.right)


def strength(operator: ast.operator) -> int:
    """How much an operator binds: sums 1, products 2, powers 3; 0 for others."""
    kinds: tuple[tuple[type[ast.operator], ...], ...] = (SUMS, PRODUCTS, (ast.Pow,))
    return next((n for n, kind in enumerate(kinds, 1) if isinstance(operator, kind)), 0)


def reordered_and_transposed(expression: Expression) -> Iterator[Edit]:
    """A product of matrices in the other order, with one side transposed that was not, or the other way round."""
    for place in (*expression.products, *expression.calls):
        sides = matrix_sides(expression, place.node)
        for left, right in flips(*sides[::-1]) if sides else ():
            new = matrix_product(place.node, left, right)
            yield expression.edit(place, new, 1.7, "{} is needed, not {}", new, place)
        for left, right in flips(*sides)[-1:] if sides else ():
            new = matrix_product(place.node, left, right)
            yield expression.edit(place, new, 1.5, "{} is needed, not {}", new, place)


def matrix_factor_missing(expression: Expression) -> Iterator[Edit]:
    """A square matrix more before an operand or after it, as a graph's adjacency is: ``A @ d @ W`` for ``d @ W``."""
    products = [place.node for place in (*expression.products, *expression.calls)]
    like = next((node for node in products if matrix_sides(expression, node)), binary(number(1), "@", number(1)))
    squares = [(rank, name, shape[0]) for rank, (name, shape) in enumerate(expression.hand.shapes.items())
               if len(shape) == 2 and len({*shape}) == 1]  # fmt: skip
    matrices = [place for place in expression.operands if len(expression.shape(place) or ()) == 2]
    for place, (rank, name, size) in product(matrices, squares):
        rows, columns = expression.shape(place) or (0, 0)
        for matrix, more in ((parsed(name), 0.0), (attribute(parsed(name), "T"), 0.1)) if name != place.text else ():
            before = [(matrix, place.node)] if size == rows else []
            after = [(place.node, matrix)] if size == columns else []
            for sides in before + after:
                new = matrix_product(like, *sides)
                yield expression.edit(place, new, 1.9 + more + NEAREST * rank, "{} is needed, not {}", new, place)


def einsum_letters(expression: Expression) -> Iterator[Edit]:
    """Other subscripts of an einsum: two letters swapped, one replaced by another, one of the result left out."""
    for place in expression.calls:
        node = place.node
        first = node.args[0] if node.args and isinstance(node.args[0], ast.Constant) else None
        if expression.called(node) == "einsum" and first is not None and isinstance(first.value, str):
            for text, cost in other_subscripts(first.value):
                new = ast.Call(node.func, [ast.Constant(text), *node.args[1:]], node.keywords)
                yield expression.edit(place, new, cost, "'{}' is needed, not '{}'", text, first.value)


def broadcast(expression: Expression) -> Iterator[Edit]:
    """An axis of size 1 added to an operand, or the shape of another given to it."""
    none, every = ast.Constant(None), ast.Slice()
    for place in expression.places:
        shape = expression.shape(place)
        named = isinstance(place.node, ast.Name | ast.Attribute | ast.Call)
        if not (named or (isinstance(place.node, ast.BinOp | ast.Subscript) and place.outer is None)):
            continue
        for axes in range(1, 4) if shape is None else (len(shape),) if shape else ():
            for at in range(axes + 1):
                index = ast.Tuple([*([every] * at), none, *([every] * (axes - at))], ast.Load())
                new = subscript(place.node, index)
                cost = 1.8 if shape is not None and axes == 1 else 2.5 + 0.1 * axes
                yield expression.edit(place, new, cost, "an axis is missing: {}", new)
        near = [*expression.hand.shapes][:NEAR] if place.is_term or shape else []
        own = gradient_of(expression.target or place.text)[1:]  # db has the shape of b
        for rank, name in enumerate(dict.fromkeys([*(n for n in own if near and n in expression.hand.shapes), *near])):
            like = call(attribute(place.node, "reshape"), [attribute(parsed(name), "shape")])
            if name != place.text and shape != expression.hand.shapes[name]:
                message = "{} must be reshaped to the shape of {}"
                is_wanted = place.outer is None and expression.hand.wanted == expression.hand.shapes[name]
                cost = (1.6 if is_wanted else 2.0) + 0.02 * rank - 0.15 * (name in own)
                called = expression.target if expression.target and place.outer is None else place
                yield expression.edit(place, like, cost, message, called, name)
                if len(expression.hand.shapes[name]) == 4 and len(shape or (0, 0)) == 2:
                    images = channels_first(place.node, parsed(name))
                    yield expression.edit(place, images, 2.1 + 0.02 * rank, message, place, name)


def channels_first(matrix: ast.expr, like: ast.expr) -> ast.expr:
    """A matrix whose columns are channels, as the images that have the shape of others."""
    lengths = [subscript(attribute(like, "shape"), number(axis)) for axis in (0, 2, 3, 1)]
    images = call(attribute(matrix, "reshape"), lengths)
    return call(attribute(images, "transpose"), [number(axis) for axis in (0, 3, 1, 2)])


def reshaped(expression: Expression) -> Iterator[Edit]:
    """What is reshaped as it was; reshaped to the shape of another."""
    for place in expression.calls:
        node = place.node
        if expression.called(node) in ("reshape", "ravel", "flatten", "squeeze"):
            inner = node.args[0] if expression.is_numpy(node) else node.func.value
            yield expression.edit(place, inner, 1.8, "{} must not be reshaped here", inner)
        if expression.called(node) == "reshape":
            kept = node.args[:1] if expression.is_numpy(node) else []
            for rank, name in enumerate([*expression.hand.shapes][: 2 * NEAR]):
                new = ast.Call(node.func, [*kept, attribute(parsed(name), "shape")], node.keywords)
                yield expression.edit(place, new, 1.5 + 0.02 * rank, "the shape must be that of {} here", name)
        yield from reshaped_and_transposed(expression, place)


def reshaped_and_transposed(expression: Expression, place: Place) -> Iterator[Edit]:
    """Axes in another order by reshaping, where they must be transposed, and the other way round: ``x.reshape(m, n)``
    and ``x.reshape(n, m).transpose(1, 0)`` have one shape."""
    node, called = place.node, expression.called(place.node)
    if expression.is_numpy(node) or called not in ("reshape", "transpose"):
        return
    own = sequence(node.args)
    if called == "reshape" and 1 < len(own) <= MOST_AXES:
        for axes in islice(permutations(range(len(own))), 1, None):
            back = sorted(axes, key=axes.__getitem__)
            inner = with_sizes(node, [own[n] for n in back])
            new = call(attribute(inner, "transpose"), [number(n) for n in axes])
            yield expression.edit(place, new, 1.9, "{} is needed: axes are swapped by transposing", new)
    inner = node.func.value
    if called == "transpose" and expression.called(inner) == "reshape" and not expression.is_numpy(inner):
        sizes, order = sequence(inner.args), [*map(held_number, own)]
        if sorted(order, key=repr) == [*range(len(sizes))]:
            new = with_sizes(inner, [sizes[int(n)] for n in order if n is not None])
            yield expression.edit(place, new, 1.7, "{} is needed: nothing is transposed here", new)


def sequence(arguments: Sequence[ast.expr]) -> list[ast.expr]:
    """The arguments of a function that takes several or one tuple of them."""
    first = arguments[0] if len(arguments) == 1 else None
    return [*(first.elts if isinstance(first, ast.Tuple) else arguments)]


def with_sizes(node: ast.Call, sizes: list[ast.expr]) -> ast.Call:
    """A call with other sizes, in a tuple if they were."""
    changed: ast.Call = altered(node, args=[altered(node.args[0], elts=sizes)] if len(node.args) == 1 else sizes)
    return changed


def is_transposed(node: ast.AST | None) -> bool:
    """Whether a node is ``x.T``, or a call that swaps axes."""
    if isinstance(node, ast.Attribute):
        return node.attr == "T"
    func = node.func if isinstance(node, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr in ("transpose", "swapaxes")


def transposed_value(expression: Expression, node: ast.expr) -> ast.expr:
    """What a node is the transpose of."""
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Attribute)
        return node.args[0] if expression.is_numpy(node) else node.func.value
    assert isinstance(node, ast.Attribute)
    return node.value


def matrix_sides(expression: Expression, node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """The two sides of a product of matrices, however it is written; None where a node is none."""
    if isinstance(node, ast.BinOp):
        return (node.left, node.right) if isinstance(node.op, ast.MatMult) else None
    if not isinstance(node, ast.Call) or expression.called(node) not in ("dot", "matmul", "outer"):
        return None
    if expression.is_numpy(node):
        return (node.args[0], node.args[1]) if len(node.args) == 2 else None
    assert isinstance(node.func, ast.Attribute)
    return (node.func.value, node.args[0]) if len(node.args) == 1 else None


def matrix_product(like: ast.expr, left: ast.expr, right: ast.expr) -> ast.expr:
    """The product of two matrices, written as another is."""
    if isinstance(like, ast.BinOp):
        return ast.BinOp(left, like.op, right)
    assert isinstance(like, ast.Call)
    if len(like.args) == 1:
        return ast.Call(attribute(left, "dot"), [right], [])
    return ast.Call(like.func, [left, right], like.keywords)


def flips(left: ast.expr, right: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Two sides with the left, the right and both transposed, or no longer."""
    one, two = (side.value if isinstance(side, ast.Attribute) and side.attr == "T" else attribute(side, "T")
                for side in (left, right))  # fmt: skip
    return [(one, right), (left, two), (one, two)]


def other_subscripts(text: str) -> Iterator[tuple[str, float]]:
    """The subscripts of an einsum with one thing changed, and what each costs."""
    arrow = text.find("->")
    letters = sorted({letter for letter in text if letter.isalpha()})
    for one, two in combinations([n for n, letter in enumerate(text) if letter.isalpha()], 2):
        inside = text[one:two]
        if "," not in inside and "-" not in inside and text[one] != text[two]:
            yield text[:one] + text[two] + text[one + 1 : two] + text[one] + text[two + 1 :], 1.1
    for at, letter in enumerate(text):
        for other in letters if letter.isalpha() else ():
            yield text[:at] + other + text[at + 1 :], 1.3
        if letter.isalpha() and at > arrow >= 0:
            yield text[:at] + text[at + 1 :], 1.5
    for at in range(arrow + 2, len(text) + 1) if arrow >= 0 else ():
        for letter in letters:
            if letter not in text[arrow:]:
                yield text[:at] + letter + text[at:], 1.6


KINDS: Kinds = {
    transposed: "a transpose", not_transposed: "a transpose", reordered: "the order of two operands",
    regrouped: "parentheses", reordered_and_transposed: "a transpose, or the order of two operands",
    matrix_factor_missing: "a factor", einsum_letters: "the letters of an einsum", broadcast: "a shape",
    reshaped: "a shape",
}  # fmt: skip
