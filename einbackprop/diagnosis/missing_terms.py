"""A path that is missing in a sum, of one term or two, or a factor of several: a search goes in, the line with them
comes out.

What a penalty leaves is a term times a number: ``beta * 0.5 * (np.exp(logvar) - 1) / n``. Where what is missing is a
multiple of something at hand, the factor is known, and is looked up among products of the numbers at hand.
So may a difference that stands elsewhere be: ``dvar * (x - mean) * 2 / N``.

A norm's gradient has a term in brackets, ``(n * d - d.sum(0) - xn * (d * xn).sum(0)) / (n * std)``. What the brackets
should make is what the statement should, divided by what a 1 more in them adds to it.

A peephole adds ``di * p_i + df * p_f`` to the gradient of a state, an attention head that of its queries and of its
keys. No single term sets anything right then. But where it is known what a statement should make (`localization`), it
is known what the two add up to, and of all pairs of products of what is at hand those that do are found at once:
each is measured along one drawn direction, and what is left of the sum is looked up. Of a statement that runs several
times, as in a layer's backward, it is known what the gradients lack, and what each term would add to them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np

from einbackprop.diagnosis.experiments import Array
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.multiples import CLOSE, Factor, expected, factors_at_hand, factors_between
from einbackprop.diagnosis.omissions import solved
from einbackprop.diagnosis.repair import TIERS, Round
from einbackprop.diagnosis.trying import Compiler, Table, Trial
from einbackprop.diagnosis.vocabulary import Edit, Hand
from einbackprop.diagnosis.vocabulary.compounds import norm_terms, penalties_at_hand, phrase_products, products_at_hand
from einbackprop.diagnosis.vocabulary.expression import Expression, Place
from einbackprop.diagnosis.vocabulary.trees import PRODUCTS, SUMS, binary, multiplied, number

COSTS = 2.6, 3.2
"""What a term costs that is missing, and two of them, before what each is made of."""
SUSPECTS, TRIED = 8, 12
"""Statements of which pairs are looked for, and pairs of one with which the whole code is run, at most."""
ODD = 0.3
"""What a term costs at least that another statement may lack instead, of names at hand there."""


def of_missing_terms(search: Round) -> Repair | None:
    """The term that is missing in a statement, or the two, with which everything is right."""
    known = sorted(solved(search.alone), key=lambda one: one.made.passes)  # what hands on others' values comes last
    found = None
    for suspect in known[:SUSPECTS]:
        terms = Terms(suspect, True)
        search.evaluate([terms], TIERS[-1])
        completed = terms.completed(search.gap_of(suspect))
        cheaper = (edit for edit in completed if found is None or edit.cost < found.edit.cost)
        tried = (search.edited(terms, edit, search.wrong) for edit in islice(cheaper, TRIED))
        works = (repair for repair in tried if search.judge.works(search.version.changed([repair.change])))
        found = next(works, found)
        if found is not None and found.edit.cost < COSTS[0] + ODD:
            break
    return found


class Terms(Table):
    """A statement's expression, and the products of what is at hand that may be added to it, or to what stands in
    brackets in it."""

    factors: Sequence[Factor] = ()
    _moved: Mapping[int, Place] = MappingProxyType({})

    def _candidates(self, names: Mapping[str, Any], hand: Hand) -> Iterator[Trial]:
        value = self.suspect.site.value
        compiler = Compiler(self.suspect.site, names)
        self.factors = [*factors_at_hand(hand, names)]
        yield Trial(Edit(0.0, "", value), compiler.code(value))
        expression = self._expression = Expression(value, hand, self.suspect.site.statement)
        inner = [place for place in expression.places if is_scaled(place)]
        moved = [(place, expression.edit(place, binary(place.node, "+", number(1)), 0.0, "")) for place in inner]
        self._moved = {id(edit): place for place, edit in moved}
        yield from (Trial(edit, compiler.code(edit.value)) for _, edit in moved if edit.value is not None)
        made = (*products_at_hand(expression), *penalties_at_hand(expression), *phrase_products(expression))
        is_sum = bool(inner) or isinstance(getattr(value, "op", None), SUMS)
        for compound in (*made, *(norm_terms(expression) if is_sum else ())):
            yield Trial(Edit(compound.cost, "", compound.node), compiler.code(compound.node))

    def completed(self, gap: Mapping[str, Array]) -> Iterator[Edit]:
        """The expression with one term more, or two, where these make it what it should be, the likeliest first;
        ``gap`` is by how much each gradient is off."""
        suspect = self.suspect
        made = [(trial.edit, np.concatenate(trial.values)) for trial in self.trials if trial.code and trial.values]
        wanted = expected(suspect.made.values, suspect.shift, suspect.expected)
        if not made or made[0][0].value is not suspect.site.value or wanted.shape != made[0][1].shape:
            return
        fitting = [(edit, values) for edit, values in made[1:] if values.shape == wanted.shape]
        if suspect.is_repeated and not suspect.is_known and suspect.jacobian is not None:
            edits = self._of_gradients(fitting, np.concatenate([gap[name].ravel() for name in suspect.names]))
        else:
            moving = suspect.moving
            fitting = [(edit, values[moving]) for edit, values in fitting]
            edits = self._of_values(fitting, made[0][1][moving], wanted[moving])
        yield from sorted(edits, key=lambda edit: edit.cost)

    def _of_gradients(self, fitting: Sequence[tuple[Edit, Array]], missing: Array) -> Iterator[Edit]:
        """By what the gradients lack, and what terms would add to them in all runs together."""
        assert self.suspect.jacobian is not None
        terms = [(edit, self.suspect.jacobian @ values) for edit, values in fitting
                 if id(edit) not in self._moved and np.all(np.isfinite(values))]  # fmt: skip
        near = CLOSE * float(np.abs(missing).max(initial=0.0))
        return self._of_terms(terms, [(self._expression.places[0], missing, near)])

    def _of_values(self, fitting: Sequence[tuple[Edit, Array]], own: Array, wanted: Array) -> Iterator[Edit]:
        """By what the statement makes, and what it should make."""
        terms = [(edit, values) for edit, values in fitting if id(edit) not in self._moved]
        near = CLOSE * float(np.abs(wanted).max(initial=0.0))
        places = [(self._expression.places[0], wanted - own, near)]
        for edit, values in fitting:
            slope = values - own
            if id(edit) in self._moved and slope.all():  # what a 1 more there adds
                close = near / float(np.abs(slope).max(initial=0.0))
                places.append((self._moved[id(edit)], (wanted - own) / slope, close))
        scaled = [edit for term, values in terms for factor in factors_between(wanted, values, near, self.factors)
                  for edit in self._scaled(term, factor)]  # fmt: skip
        return self._of_terms(terms, places, scaled)

    def _of_terms(
        self, terms: Sequence[tuple[Edit, Array]], places: Sequence[tuple[Place, Array, float]],
        others: Sequence[Edit] = (),
    ) -> Iterator[Edit]:  # fmt: skip
        """One term more, at a place at which something is missing, or other edits; where there are none, two."""
        multiples = [self._multiple(place, edit, factor) for place, total, close in places for edit, values in terms
                     for factor in factors_between(total, values, close, self.factors)]  # fmt: skip
        yield from (*multiples, *others)
        if not (multiples or others):
            _, missing, near = places[0]
            for pair in summing(missing, [values for _, values in terms], near):
                yield self._with([terms[n][0] for n in pair])

    def _multiple(self, place: Place, term: Edit, factor: Factor) -> Edit:
        """The expression with one term more at a place, times a number, or less that."""
        assert term.value is not None
        sign, more = "+" if factor.value > 0 else "-", factor.of(term.value)
        cost = COSTS[0] + term.cost + factor.cost
        whole = binary(place.node, sign, more)
        edit = self._expression.edit(place, whole, cost, "a term is missing: {} {}", sign, more)
        return replace(edit, kind="a term")

    def _scaled(self, term: Edit, factor: Factor) -> Iterator[Edit]:
        """The expression times the other side of a product that has it as one, and a number: ``2 * dv / N * xc``."""
        own = self.suspect.site.value
        if isinstance(term.value, ast.BinOp) and isinstance(term.value.op, ast.Mult):
            sides = term.value.left, term.value.right
            for mine, other in (sides, sides[::-1]):
                if ast.dump(mine) == ast.dump(own):
                    more, cost = factor.of(other), COSTS[0] + term.cost + factor.cost
                    yield Edit(cost, "the factor {} is missing", multiplied(more, own), parts=(more,), kind="a factor")

    def _with(self, terms: Sequence[Edit]) -> Edit:
        """The expression with two terms more."""
        value = self.suspect.site.value
        for term in terms:
            assert term.value is not None
            value = binary(value, "+", term.value)
        parts = tuple(term.value for term in terms)
        cost = COSTS[1] + sum(term.cost for term in terms)
        return Edit(cost, "two terms are missing: + {} + {}", value, parts=parts, kind="a term")


def is_scaled(place: Place) -> bool:
    """Whether a place is that of a sum in brackets, and what stands around it multiplies, divides or adds to it, entry
    by entry."""
    if place.outer is None or not isinstance(getattr(place.node, "op", None), SUMS) or place.is_term:
        return False
    around = place.outer
    while isinstance(getattr(around.node, "op", None), (*PRODUCTS, *SUMS, ast.USub)) and not isinstance(
            around.node.op, ast.MatMult):  # fmt: skip
        if around.outer is None:
            return True
        around = around.outer
    return False


def summing(total: Array, terms: list[Array], near: float) -> Iterator[tuple[int, int]]:
    """The pairs of terms whose sum is a total, each once.

    >>> list(summing(np.array([3.0, 5.0]), [np.array([1.0, 1.0]), np.array([2.0, 4.0]), np.array([3.0, 0.0])], 1e-9))
    [(0, 1)]
    """
    along = np.random.default_rng(0).normal(size=total.size)
    places = np.array([term @ along for term in terms])
    order = np.argsort(places)
    reach = near * float(np.abs(along).sum())
    for one, place in enumerate(places):
        left = float(total @ along) - place
        first, last = np.searchsorted(places[order], [left - reach, left + reach])
        for other in order[first:last]:
            if one < other and np.abs(terms[one] + terms[other] - total).max(initial=0.0) <= near:
                yield one, int(other)
