"""What all searches for a question share: a script, its names, expressions tried among them, and which loss agrees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from einbackprop.checking.answers import ORDER, same
from einbackprop.checking.certifying import number
from einbackprop.checking.functions import without
from einbackprop.checking.naming import gradient_of
from einbackprop.core.nesting import Path, label, leaves
from einbackprop.core.records import dataclass

from ..questions import Question
from .arguments import Resolver, arguments_in, united
from .definitions import GRADIENTS, Definition, Script
from .invention import INDICES, LAYOUTS, Invention, Term, makes_weights, names_of_parameters, numpy_in
from .losses import is_number
from .measures import Measure
from .proposal import Proposal
from .roots import Place, places_in, roots_of
from .steps import STEP, places_of
from .trials import Trials

NOT_CHECKED = "not checked"
MADE = "made, since the script has no values for"
MOST_MOVED = 12
"""How many arrays are moved to see whether a loss depends on them."""
TOLD, MOST_ALIKE = 1e-8, 6
"""Slopes of which one is larger say something; how many gradients are tried for one array that have its shape."""
WEIGHTS = 6
"""How many numbers are tried as the weight of a term of a loss."""
ELSEWHERE = 0.3
"""By how much weights are moved where one place does not tell losses apart."""


@dataclass(frozen=True)
class Search:
    """Looks for questions of one script.

    Attributes
    ----------
    script
    names
        Those of the script after it ran.
    trials
    source
        Its text.
    """

    script: Script
    names: dict[str, Any]
    trials: Trials
    source: str

    @property
    def numpy(self) -> str:
        """What NumPy is called in expressions."""
        return numpy_in(self.names) or "np"

    @property
    def numpy_setup(self) -> tuple[str, ...]:
        """The statement that gives it that name where the script has only its parts."""
        return () if numpy_in(self.names) else ("import numpy as np",)

    @cached_property
    def _makers(self) -> list[Definition]:
        """The functions that make weights of sizes."""
        return [item for item in self.script.definitions if makes_weights(item)]

    def resolvers(self, inner: bool = False) -> Iterator[Resolver]:
        """Ways to find arguments, the likeliest first; ``inner`` is that of `Invention`."""
        avoided, unknown = names_of_parameters(self.source), False
        for n, layout in enumerate((*LAYOUTS, INDICES)):
            if layout == INDICES and not unknown:
                break
            for by_site in (False, True, None):
                invention = Invention(self.source, layout, avoided, inner=inner, makers=self._makers,
                                      definitions=self.script.definitions)  # fmt: skip
                yield Resolver(self.script, self.names, self.trials, by_site, invention)
                unknown |= bool(invention.unknown)
            if n == 0 and not (invention.used or unknown):
                break  # nothing was made that could lie otherwise

    def roots(
        self, gradients: Any, names: Sequence[str], term: Term, more: str = "", losses: Sequence[str] = ()
    ) -> tuple[tuple[str, ...], list[str]]:
        """What gradients are of, among what two expressions can read, and the gradients of which that is not known.

        Where names do not tell, a gradient is of what one of the ``losses`` rises along.
        """
        places = self.places(term, more)

        def agrees(place: Place, value: Any) -> bool:
            return any(self._agrees(loss, term.setup, place.text, value) for loss in losses)

        roots, left = roots_of(gradients, names, places, agrees, self.given(term, places))
        return roots, [name for name in left if self.script.is_gradient(name) or gradient_of(name)[1:]]

    def places(self, term: Term, more: str = "") -> list[Place]:
        """All that two expressions can read but what holds gradients; what the call in the first gives a parameter has
        its name too.
        """
        found = [place for place in places_in(self.trials.state(term.setup, term.text, more))
                 if not any(isinstance(step, str) and step.lower() in GRADIENTS for step in place.path)]
        given = arguments_in(term, self.script)
        named = [replace(place, name=name) for name, one in given.items() for place in found
                 if place.text == one.text and place.name != name]  # fmt: skip
        return [*found, *named]

    def given(self, term: Term, places: Sequence[Place]) -> list[Place | None]:
        """What a call is given, in order; None for what is no place of arrays."""
        by_text = {place.text: place for place in places}
        return [by_text.get(one.text) for one in arguments_in(term, self.script).values()]

    def weights(self, call: Term) -> dict[str, float]:
        """The numbers of floating point that a call is given or can read, which may weigh a term of a loss."""
        texts = places_of(self.trials.state(call.setup, call.text))
        held = zip(texts, self.trials(call.setup, f"[{', '.join(texts)}]") or (), strict=False)
        numbers = ((text, float(np.ravel(value)[0])) for text, value in held if is_number(value))
        return dict(itertools.islice(numbers, WEIGHTS))

    def after(self, call: Term, state: Mapping[str, Any]) -> dict[str, Any]:
        """What the names of a state hold after a call, and the globals that functions of the script bind."""
        held = "".join(f"{name!r}: {name}, " for name in state if name.isidentifier())
        stored = tuple(name for name in self.script.stored if name not in state)
        bound = f"**{{name: globals()[name] for name in {stored} if name in globals()}}" if stored else ""
        found = self.trials(call.setup, f"({call.text}, {{{held}{bound}}})[1]")
        return found if isinstance(found, dict) else {}

    def agreements(self, loss: Term, gradients: Term, roots: Sequence[str]) -> int:
        """How many gradients agree with differences of a loss."""
        setup = united([*loss.setup, *gradients.setup])
        return sum(self._agrees(loss.text, setup, root, part)
                   for root, part in self._parts(setup, gradients.text, roots))

    def agreements_of(
        self, measures: Sequence[Measure], setup: Sequence[str], gradients: str, roots: Sequence[str], sign: float = 1.0
    ) -> list[int]:
        """The same of several losses that are made of the same expressions, which are evaluated once for all; where the
        ``sign`` is -1, of gradients that stand the wrong way round.

        Where several agree with as many, those that do so elsewhere too: where weights are 0, as they are when a
        training begins, a derivative such as h * (1 - h) is a number, and may be that of samples.
        """
        found = self._agreements_at(0.0, measures, setup, gradients, roots, sign)
        best = max(found, default=0)
        if not best or found.count(best) < 2:
            return found
        elsewhere = self._agreements_at(ELSEWHERE, measures, setup, gradients, roots, sign)
        most = max(there for here, there in zip(found, elsewhere, strict=True) if here == best)
        return [here if here < best or there == most else 0 for here, there in zip(found, elsewhere, strict=True)]

    def _agreements_at(
        self, shift: float, measures: Sequence[Measure], setup: Sequence[str], gradients: str, roots: Sequence[str],
        sign: float,
    ) -> list[int]:  # fmt: skip
        """How many gradients agree with differences of each loss where all that they are of is moved by a number."""
        found = [0] * len(measures)
        parts = list(dict.fromkeys(part for one in measures for part in one.parts))
        moved = {held: shift * ones for held, ones in self.ones_at(setup, roots).items()} if shift else {}
        for root, part in self._parts(setup, gradients, roots, moved):
            sides = self._sides(f"[{', '.join(parts)}]", setup, root, part, moved=moved)
            if sides is None:
                continue
            values, expected = sides
            known = [dict(zip(parts, side or [None] * len(parts), strict=True)) for side in values]
            for n, measure in enumerate(measures):
                ends = [measure.value([side[name] for name in measure.parts]) for side in known]
                found[n] += agree((ends[0] - ends[1]) / (2 * STEP), sign * expected)
        return found

    def depends(self, loss: Term, gradients: Term, roots: Sequence[str]) -> bool:
        """Whether a loss is another number where what the gradients are of is moved, at least half of the arrays."""
        setup = united([*loss.setup, *gradients.setup])
        ones = [*self.ones_at(setup, roots).items()][:MOST_MOVED]
        # norms undo an even move
        uneven = ((held, np.cos(np.arange(one.size)).reshape(one.shape)) for held, one in ones)
        moves: list[dict[str, np.ndarray]] = [{}, *({held: by} for held, by in uneven), {}]
        values = [self.trials.moved(setup, one, loss.text) for one in moves]
        if not ones or not all(map(is_number, values)):
            return True
        first, *moved, again = map(number, values)
        if first != again:
            return False  # of what draws without a seed nobody knows
        return 2 * sum(value != first for value in moved) >= len(moved)

    def ones_at(self, setup: Sequence[str], roots: Sequence[str]) -> dict[str, np.ndarray]:
        """Ones to be added to all real arrays that some expressions hold, by where these stand."""
        return {label(root, path): np.ones(leaf.shape)
                for root in roots for path, leaf in reals(self.trials(setup, root))}  # fmt: skip

    def is_multiple(self, loss: Term, gradients: Term, roots: Sequence[str]) -> bool:
        """Whether a gradient is that of a loss but for a factor: then the loss is the one that is meant."""
        setup = united([*loss.setup, *gradients.setup])
        whole = list(self._parts(setup, gradients.text, roots))
        several = [(root, part) for root, part in whole if len(reals(part)) > 1]
        apart = [(label(root, path), leaf) for root, part in several for path, leaf in reals(part)]
        return any(self._ratio(loss.text, setup, root, part)[0] is not None for root, part in (*whole, *apart))

    def _is_likely(self, question: Question, setup: tuple[str, ...], place: int) -> bool:
        """Whether a gradient is that of the question's loss but for a factor; where nothing can be told, there is no
        doubt: of layers, of single numbers and of what is no double, where all slopes are zero.
        """
        loss, given = question.loss, self.trials(setup, question.grads) if question.grads else None
        if question.both:
            result = self.trials(setup, question.both)
            loss = f"({question.both})[{place}]"
            given = without(result, place) if isinstance(result, tuple | list) and len(result) > 1 else None
        parts = [np.asarray(leaf) for _, leaf in leaves(given) if isinstance(leaf, np.ndarray | float)]
        can_tell = False
        for root in question.wrt if loss and parts else ():
            for path, held in reals(self.trials(setup, root)):
                is_telling = held.size > 1 and held.dtype == np.float64  # one number is a multiple of any other
                alike = [part for part in parts if part.shape == held.shape and is_telling]
                for part in alike[:MOST_ALIKE]:
                    ratio, known = self._ratio(loss, setup, label(root, path), part)
                    if ratio is not None:
                        return True
                    can_tell = can_tell or known
        return not can_tell

    def _ratio(self, loss: str, setup: Sequence[str], root: str, gradient: Any) -> tuple[float | None, bool]:
        """The one factor by which a gradient is that of a loss in two directions; None where it is not. And whether
        there is anything to compare.
        """
        pairs = [self._slopes(loss, setup, root, gradient, seed) for seed in (0, 1)]
        known = [(found, expected) for found, expected in filter(None, pairs) if abs(found) + abs(expected) > TOLD]
        ratios = [found / expected for found, expected in known if expected and found]
        if len(ratios) == 2 and abs(ratios[0] - ratios[1]) <= 1e-3 * abs(ratios[0]):
            return ratios[0], True
        return None, bool(known)

    def _parts(
        self, setup: Sequence[str], gradients: str, roots: Sequence[str],
        moved: Mapping[str, np.ndarray] | None = None,
    ) -> Iterator[tuple[str, Any]]:  # fmt: skip
        """What there is a gradient of, with that gradient; perhaps where arrays are ``moved``."""
        value = self.trials.moved(setup, moved, gradients) if moved else self.trials(setup, gradients)
        parts = list(value.values()) if isinstance(value, Mapping) else list(value) if isinstance(
            value, list | tuple) else [value]
        for position, root in enumerate(roots):
            part = value if len(roots) == 1 else parts[position] if position < len(parts) else None
            if part is not None:
                yield root, part

    def _agrees(self, loss: str, setup: Sequence[str], root: str, gradient: Any) -> bool:
        """Whether a gradient gives the difference of the loss in a direction."""
        slopes = self._slopes(loss, setup, root, gradient)
        return slopes is not None and agree(*slopes)

    def _slopes(
        self, loss: str, setup: Sequence[str], root: str, gradient: Any, seed: int = 0
    ) -> tuple[float, float] | None:
        """The difference of a loss in a drawn direction, and what a gradient says that it is; None without either."""
        sides = self._sides(loss, setup, root, gradient, seed)
        if sides is None or not all(map(is_number, sides[0])):
            return None
        return (number(sides[0][0]) - number(sides[0][1])).real / (2 * STEP), sides[1]

    def _sides(
        self, text: str, setup: Sequence[str], root: str, gradient: Any, seed: int = 0,
        moved: Mapping[str, np.ndarray] | None = None,
    ) -> tuple[list[Any], float] | None:  # fmt: skip
        """An expression on both sides in a drawn direction, and what a gradient says of the slope between them."""
        at = self.trials(setup, root)
        inside = reals(at)
        by_path = {path: leaf for path, leaf in leaves(gradient) if isinstance(leaf, np.ndarray | float)}
        same = by_path.keys() == {path for path, _ in inside}  # keys of a dict may come in another order
        given = [by_path[path] for path, _ in inside] if same else list(by_path.values())
        if not inside or [np.shape(leaf) for leaf in given] != [leaf.shape for _, leaf in inside]:
            return None
        rng = np.random.default_rng(seed)
        ways = {label(root, path): np.asarray(rng.normal(size=leaf.shape)) for path, leaf in inside}
        expected = sum(float(np.sum(way * one)) for way, one in zip(ways.values(), given, strict=True))
        begun = moved or {}
        sides = [{**begun, **{held: begun.get(held, 0.0) + sign * way for held, way in ways.items()}}
                 for sign in (STEP, -STEP)]  # fmt: skip
        return [self.trials.moved(setup, side, text) for side in sides], expected

    def _afresh(self, question: Question, setup: Sequence[str]) -> Question:
        """The question with the gradients after the loss, where they read what that leaves, else values of before."""
        after = f"({question.loss}, {question.grads})[1]"
        if not (question.loss and question.grads):
            return question
        ones = self.ones_at(setup, question.wrt)
        there, here = ([self.trials.moved(setup, moves, text) for text in (question.grads, after)]
                       for moves in (ones, {}))  # fmt: skip
        if any(value is None for value in (*here, *there)):
            return question
        is_stale = same(here[0], here[1], ORDER) and not same(there[0], there[1], ORDER)
        return replace(question, grads=after) if is_stale else question

    def proposal(
        self, question: Question, setup: Sequence[str], resolver: Resolver,
        more: Mapping[str, tuple[str, ...]] | None = None, left: Sequence[str] = (), place: int = 0,
    ) -> Proposal:  # fmt: skip
        """A question with what is to be said of it; ``left`` are gradients that it leaves out, and ``place`` is that of
        the loss in what gives both.
        """
        question = self._afresh(question, setup)
        made = [name for name, told in resolver.invention.used.items() if any(
            statement.startswith(f"{name} =") for statement in setup)]
        notes = [f"{', '.join(made)}: {MADE} "
                 f"{'it' if len(made) == 1 else 'them'}"] if made else []
        diverged = [text for text in resolver.diverged if any(
            statement.startswith(f"{text} = 0.1") for statement in setup)]  # fmt: skip
        notes += [f"{', '.join(diverged)}: not finite when the script has run, so drawn afresh"] if diverged else []
        notes += [f"{NOT_CHECKED}: {', '.join(left)}, since nothing was found to take "
                  f"{'it' if len(left) == 1 else 'them'} with respect to"] if left else []  # fmt: skip
        expression = question.grads or question.both or question.backward
        is_likely = self._is_likely(question, tuple(setup), place)
        return Proposal(question, expression, "\n".join(setup), "", tuple(notes), more or {}, is_likely=is_likely)


def agree(found: float, expected: float) -> bool:
    """Whether two slopes are the same; that both are nothing shows nothing."""
    size = abs(found) + abs(expected)
    return bool(size > 1e-8 and abs(found - expected) <= 1e-3 * size)


def paired(held: Any, given: Any) -> list[tuple[Path, np.ndarray]]:
    """The arrays in gradients, by the paths of what they are gradients of: keys of a dict may come in another order."""
    paths, parts = [path for path, _ in reals(held)], dict(reals(given))
    return [(path, parts[path]) for path in paths] if parts.keys() == {*paths} else [
        *zip(paths, parts.values(), strict=False)]  # fmt: skip


def reals(value: Any) -> list[tuple[Path, np.ndarray]]:
    """The arrays and numbers of floating point in a value, by path."""
    return [(path, np.asarray(leaf)) for path, leaf in leaves(value)
            if isinstance(leaf, np.ndarray | float) and np.asarray(leaf).dtype.kind == "f"]  # fmt: skip
