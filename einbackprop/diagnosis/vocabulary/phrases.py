"""Edits by what the function says elsewhere: a term or a factor that is missing, as other lines have it, or with other
names: where ``dz @ Wz.T`` and ``dr @ Wr.T`` stand, ``dh @ Wh.T`` may be missing.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kind
from einbackprop.diagnosis.vocabulary.hand import NEAREST
from einbackprop.diagnosis.vocabulary.operands import shape_cost, unlikeness
from einbackprop.diagnosis.vocabulary.scaling import with_factor
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, binary, exchanged, held_number, parsed

NEAR, LIKE = 24, 8
"""Phrases of which variants are made; the names that are tried in the place of one in them."""


def said_elsewhere(expression: Expression) -> Iterator[Edit]:
    """A term or a factor more that other lines have, as it is or with other names."""
    places = [place for place in expression.places if place.is_term][:3]
    for rank, phrase in enumerate(expression.hand.phrases):
        is_long = isinstance(phrase, ast.BinOp) and isinstance(phrase.op, ast.Add | ast.Sub)
        for variant, more in ((phrase, 0.0), *(variants(expression, phrase) if rank < NEAR else ())):
            cost = 1.9 + more + NEAREST * min(rank, 20)
            for place in places:
                if held_number(place.node) is not None and place.outer is not None:
                    continue
                price = cost + 0.2 * (place.outer is not None)
                new = with_factor(place.node, variant)
                yield expression.edit(place, new, price, "the factor {} is missing", variant)
                if variant is phrase:
                    over = binary(place.node, "/", phrase)
                    yield expression.edit(place, over, price + 0.1, "the division by {} is missing", phrase)
                if place.outer is None and not is_long:
                    plus, minus = (binary(place.node, sign, variant) for sign in "+-")
                    yield expression.edit(place, plus, price + 0.1, "a term is missing: + {}", variant)
                    yield expression.edit(place, minus, price + 0.2, "a term is missing: - {}", variant)


def variants(expression: Expression, phrase: ast.expr) -> Iterator[tuple[ast.expr, float]]:
    """A phrase with another name in the place of one, and the others changed as that was: ``dr @ Wr.T`` for z."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(phrase):
        if isinstance(node, OPERANDS) and (text := ast.unparse(node)) in expression.hand.shapes:
            found.setdefault(text, []).append(node)
    shapes = expression.hand.shapes
    for text in found:
        alike = [name for name in shapes if name != text and shape_cost(shapes[text], shapes[name]) == 0]
        for name in sorted(alike, key=lambda name: unlikeness(name, text))[:LIKE]:
            names = {text: name, **followers(text, name, [other for other in found if other != text], [*shapes])}
            changes = {id(node): parsed(new) for old, new in names.items() for node in found[old]}
            cost = 0.3 + 0.5 * unlikeness(name, text) - 0.1 * (len(names) > 1)
            yield exchanged(phrase, changes), cost


def followers(text: str, name: str, others: list[str], known: Collection[str]) -> dict[str, str]:
    """What other names become where one becomes another: ``Wz`` becomes ``Wr`` as ``dz`` becomes ``dr``."""
    start = next((n for n, (a, b) in enumerate(zip(text, name, strict=False)) if a != b), min(len(text), len(name)))
    end = next((n for n, (a, b) in enumerate(zip(text[start:][::-1], name[start:][::-1], strict=False)) if a != b), 0)
    old, new = text[start : len(text) - end], name[start : len(name) - end]
    changed = {other: other.replace(old, new) for other in others} if old else {}
    return {other: to for other, to in changed.items() if to != other and to in known}


KINDS: tuple[Kind, ...] = (said_elsewhere,)
