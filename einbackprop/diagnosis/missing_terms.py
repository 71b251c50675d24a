"""A path that is missing in a sum, and takes one term to write or two: a search goes in, the line with them comes out.

A peephole adds ``di * p_i + df * p_f`` to the gradient of a state, an attention head that of its queries and of its
keys. No single term sets anything right then. But where it is known what a statement should make (`localization`), it
is known what the two add up to, and of all pairs of products of what is at hand those that do are found at once:
each is measured along one drawn direction, and what is left of the sum is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from einbackprop.diagnosis.experiments import Array
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.omissions import solved
from einbackprop.diagnosis.repair import TIERS, Round
from einbackprop.diagnosis.trying import Compiler, Table, Trial
from einbackprop.diagnosis.vocabulary import Edit, Hand
from einbackprop.diagnosis.vocabulary.compounds import products_at_hand
from einbackprop.diagnosis.vocabulary.expression import Expression
from einbackprop.diagnosis.vocabulary.trees import binary

COSTS = 2.6, 3.2
"""What a term costs that is missing, and two of them, before what each is made of."""
SUSPECTS, TRIED = 4, 12
"""Statements of which pairs are looked for, and pairs of one with which the whole code is run, at most."""
CLOSE = 1e-5
"""How far the sum of two terms may be from what is missing, relative to the largest entry."""


def of_missing_terms(search: Round) -> Repair | None:
    """The term that is missing in a statement, or the two, with which everything is right."""
    known = sorted(solved(search.alone), key=lambda one: one.made.passes)  # what hands on others' values comes last
    for suspect in known[:SUSPECTS]:
        terms = Terms(suspect, True)
        search.evaluate([terms], TIERS[-1])
        for edit in islice(terms.completed(), TRIED):
            repair = search.edited(terms, edit, search.wrong)
            if search.judge.works(search.version.changed([repair.change])):
                return repair
    return None


class Terms(Table):
    """A statement's expression, and the products of what is at hand that may be added to it."""

    def _candidates(self, names: Mapping[str, Any], hand: Hand) -> Iterator[Trial]:
        value = self.suspect.site.value
        compiler = Compiler(self.suspect.site, names)
        yield Trial(Edit(0.0, "", value), compiler.code(value))
        for compound in products_at_hand(Expression(value, hand, self.suspect.site.statement)):
            yield Trial(Edit(compound.cost, "", compound.node), compiler.code(compound.node))

    def completed(self) -> Iterator[Edit]:
        """The expression with one term more, or two, where these make it what it should be, the likeliest first."""
        suspect = self.suspect
        made = [(trial.edit, np.concatenate(trial.values)) for trial in self.trials if trial.code and trial.values]
        wanted = expected(suspect.made.values, suspect.shift, suspect.expected)
        if not made or made[0][0].value is not suspect.site.value or wanted.shape != made[0][1].shape:
            return
        moving = suspect.moving
        missing = (wanted - made[0][1])[moving]
        terms = [(edit, values[moving]) for edit, values in made[1:] if values.shape == wanted.shape]
        near = CLOSE * float(np.abs(wanted[moving]).max(initial=0.0))
        alone = [(n,) for n, (_, values) in enumerate(terms) if np.abs(values - missing).max(initial=0.0) <= near]
        found = alone or summing(missing, [values for _, values in terms], near)
        edits = (self._with([terms[n][0] for n in places]) for places in found)
        yield from sorted(edits, key=lambda edit: edit.cost)

    def _with(self, terms: Sequence[Edit]) -> Edit:
        """The expression with some terms more."""
        value = self.suspect.site.value
        for term in terms:
            assert term.value is not None
            value = binary(value, "+", term.value)
        said = ("a term is missing: + {}", "two terms are missing: + {} + {}")[len(terms) - 1]
        cost = COSTS[len(terms) - 1] + sum(term.cost for term in terms)
        return Edit(cost, said, value, parts=tuple(term.value for term in terms), kind="a term")


def expected(made: list[Array], shift: Array | None, known: list[Array]) -> Array:
    """What a statement should make, run after run: as it is known of each run, else what it made and by how much that
    is off.
    """
    if len(known) == len(made) > 1:
        return np.concatenate(known)
    return np.concatenate(made) + (0.0 if shift is None else shift)


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
