"""The question of a round of a training loop: what it changes over the rate are the gradients of a loss."""

from __future__ import annotations

import ast
import itertools
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import numpy as np

from einbackprop.core.collecting import grouped
from einbackprop.core.nesting import leaves
from einbackprop.core.progress import in_time
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python, root_of, substituted
from einbackprop.core.visible import listed
from einbackprop.errors import ScriptError

from ..questions import Question
from .arguments import Resolver, free_names
from .candidates import GRADIENTS, LOSS, NUMERICAL, TRAINED, TRAINING
from .definitions import FORWARD, Script, own_nodes, statements_in
from .flat_questions import Again, called, note_of
from .flattened import Flat, Rewriting, as_function, loops_around, rounds
from .invention import Term
from .losses import is_number
from .proposal import NO_LOSS, Proposal
from .rates import Rates, alike, rates_in
from .roots import stands_in
from .round_measures import RoundMeasures, among
from .search import NOT_CHECKED, Search
from .seeds import PAIRS, Seeded, held_in, seeded, with_seed
from .step_questions import said_of
from .steps import BEFORE, Descent, Step, copies_of, places_of
from .trials import Trials
from .updates import update_of

MOST = 12
"""How many loops of a script are tried."""
PLACES = 4
"""How many rounds of a loop are looked at whose samples hide weights."""
FEW = 8
"""How many numbers a sample has of which each may be weighed by numbers of their own."""
SECONDS = 8.0
"""After which no further loop is tried."""
EVALUATIONS = 30
"""How often a round is run at least, to see what it descends."""
PRODUCTS = frozenset(("dot", "matmul", "einsum", "outer", "multiply"))
OTHERS = (NUMERICAL, FORWARD, GRADIENTS, LOSS, re.compile(r"sample$|build|load|predict|plot|accuracy|make|create|init"))
"""What functions are called whose loops train nothing."""


@dataclass(frozen=True)
class Rounds:
    """What the rounds of a script's loops descend, which is looked for once.

    Attributes
    ----------
    script
    source
        Its text.
    again
        Runs another text in the script's place.
    """

    script: Script
    source: str
    again: Again

    def of(self, *, is_sure: bool = False) -> Iterator[Proposal]:
        """What is asked by the loop whose round moves most of what it changes along the gradient of a loss; where it
        has to be sure, at least half of that.
        """
        found = [one for one in self.found if one.descent.is_sure or not is_sure]
        if found:
            tree = parse_python(self.source)
            likeliest = max(sorted(found, key=lambda one: one.place), key=lambda one: one.likelihood(tree))
            search, descent = likeliest.search, likeliest.descent
            made = search.source_with(self.source, descent, self.name)
            yield replace(search.proposal(descent, search.rates.of(descent)), source=made)

    @property
    def name(self) -> str:
        """What a round is called that becomes a function."""
        return "step" if "step" not in self.script.words else "one_step"

    @cached_property
    def found(self) -> list[Found]:
        """The rounds that descend something.

        Rounds that both compute something and update something, themselves or by what they call, are tried first, of
        these inner ones, and then those that take less time: one that makes many steps follows no gradient, and takes
        longest.
        """
        found: list[Found] = []
        with ExitStack() as stack:
            for rank in (2, 1, 0):
                if any(one.descent.is_sure and one.descent.loss.named for one in found):
                    break  # what only computes, or only updates, would follow a loss by chance
                begun = time.monotonic()
                for seconds, search in self._timed(rank, stack):
                    left = SECONDS - (time.monotonic() - begun)
                    if left < 0 or (found and seconds * EVALUATIONS > SECONDS):
                        break
                    step, descent = in_time("a round", search.best, (None, None), left)
                    if descent is not None and descent.loss.named and not descent.agreeing:
                        descent = in_time("a seed", partial(search.as_passed_on, descent, self.name), descent, left)
                    if step is not None and descent is not None:
                        place = self.possible.index(search.flat)
                        found.append(Found(replace(search, call=step.call), descent, rank, place))
        return found

    def seeded(self) -> Iterator[Proposal]:
        """What is asked by the first round whose backward can be seeded, since its loss is written nowhere."""
        begun = time.monotonic()
        with ExitStack() as stack:
            for _, search in itertools.chain.from_iterable(self._timed(rank, stack) for rank in (2, 1)):
                left = SECONDS - (time.monotonic() - begun)
                seed = partial(search.of_seed, self.source, self.name)
                asked = in_time("a seed", seed, None, left) if left > 0 else None
                if asked is not None:
                    yield asked
                    return

    @cached_property
    def possible(self) -> list[Flat]:
        """The rounds that change something."""
        tree = parse_python(self.source)
        return [one for one in rounds(self.script) if changes_something(one, tree)]

    @cached_property
    def by_rank(self) -> dict[int, list[Flat]]:
        """The same by how much of a step of training stands in each."""
        updaters = updaters_of(self.script)
        return grouped((len({*parts_of(one.body, self.script, updaters)}), one) for one in self.possible)

    def _timed(self, rank: int, stack: ExitStack) -> list[tuple[float, RoundSearch]]:
        """The rounds of a rank in the order in which they are tried, with the seconds that each takes."""
        flats = self.by_rank.get(rank, [])
        timed = list(_timed(flats, self.script, self.source, self.again, stack, self.name))
        return sorted(timed, key=lambda one: (around(one[1].flat, flats), one[0]))


class Found(NamedTuple):
    """A round, what it descends, how much of a step of training stands in it, and its place among others."""

    search: RoundSearch
    descent: Descent
    rank: int
    place: int

    def likelihood(self, tree: ast.Module) -> tuple[bool, int, bool, int]:
        """The larger, the likelier it is that the round trains: that it both computes and updates; then how many
        gradients agree, and whether their loss has a name; of those that say as much the innermost, however long each
        took.
        """
        loop, descent = self.search.flat.loop, self.descent
        depth = -1 if loop is None else len(loops_around(loop, tree))
        is_training = self.rank == 2 and (descent.loss.named or descent.agreeing > 0)
        return is_training, descent.agreeing, descent.loss.named, depth


def around(flat: Flat, flats: Sequence[Flat]) -> int:
    """How many of some rounds stand in one."""
    last = max(item.end_lineno or item.lineno for item in flat.body)
    return sum(flat.body[0].lineno <= one.loop.lineno <= last for one in flats if one.loop is not None)


def updaters_of(script: Script) -> set[str]:
    """The names of the functions that update something, themselves or by what they call."""
    found = {item.name for item in script.definitions if any(map(update_of, item.statements))}
    while more := {item.name for item in script.definitions if item.calls & found} - found:
        found |= more
    return found


def parts_of(body: Sequence[ast.stmt], script: Script, updaters: Collection[str]) -> Iterator[str]:
    """What of a step of training stands in a round: products, or calls of the script's functions; updates, or calls of
    functions with such.
    """
    for statement in statements_in(body):
        if update_of(statement):
            yield "an update"
        for node in own_nodes(statement):
            called = callee(node) if isinstance(node, ast.Call) else ""
            if called in PRODUCTS or any(script.functions(called)) or (
                    isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)):
                yield "an update" if called in updaters else "a product"


def _timed(
    flats: Sequence[Flat], script: Script, source: str, again: Again, stack: ExitStack, name: str
) -> Iterator[tuple[float, RoundSearch]]:
    """Rounds that may train something, each with the seconds that it takes; their names live on the stack."""
    begun = time.monotonic()
    for flat in flats[:MOST]:
        if time.monotonic() - begun > SECONDS:
            return
        made: list[tuple[float, RoundSearch]] = []
        for place in range(PLACES):
            text = as_function(source, flat, name, "dict(locals())", script=script, place=place)
            with suppress(ScriptError):
                names, _ = stack.enter_context(again(text))
                start = time.monotonic()
                search = in_time("a round", partial(RoundSearch.of, script, text.text, names, flat, name, place), None)
                made += [(time.monotonic() - start, search)] if search is not None else []
            if not made or not made[-1][1].sees_zeros:
                break
        if made:
            yield max(made, key=lambda one: len(one[1].step.changes)) if len(made) > 1 else made[0]


def changes_something(flat: Flat, tree: ast.Module) -> bool:
    """Whether a round may train something: where it stands, and that it calls or assigns."""
    function = flat.scope.function
    if function is not None and not TRAINING.search(function.name):
        if NUMERICAL.search(function.name):  # differences move what they are taken of, too
            return False
        updates = any(map(update_of, statements_in(flat.body)))
        if not updates and any(kind.search(function.name) for kind in OTHERS):
            return False
    around = loops_around(flat.loop, tree) if flat.loop is not None and function is None else []
    if len(around) > 1 and any(isinstance(one, ast.While) for one in around):
        return False  # nothing would end the outer one
    kinds = ast.AugAssign | ast.Assign | ast.Expr
    return any(isinstance(item, kinds) for item in statements_in(flat.body))


@dataclass(frozen=True)
class RoundSearch:
    """Looks for the question of a round that was made a function.

    Attributes
    ----------
    search
    flat
    call
        The call of the function.
    given
        What is local in the round, by name.
    resolver
    place
        The number of the round.
    """

    search: Search
    flat: Flat
    call: Term
    given: dict[str, Any]
    resolver: Resolver
    place: int = 0

    @classmethod
    def of(
        cls, script: Script, text: str, names: dict[str, Any], flat: Flat, name: str, place: int = 0
    ) -> RoundSearch | None:
        """With the call of the function; None where it cannot be called. In the script all of its calls still stand."""
        search = Search(script, names, Trials(names), text)
        for resolver in search.resolvers():
            made = called(flat, name, resolver)
            given = None if made is None else search.trials(made[0].setup, made[0].text)
            if made is not None and isinstance(given, dict):  # a function with ``yield`` gives a generator
                return cls(search, flat, made[0], given, resolver, place)
        return None

    @cached_property
    def state(self) -> dict[str, Any]:
        """What the round can reach: of one inside a function, all that this function can, as it was made there."""
        makers = [line.partition(" = ")[2] for line in self.call.setup[-1:]] if self.flat.scope.function else []
        return self.search.trials.state(self.call.setup, self.call.text, *makers)

    @cached_property
    def reached(self) -> dict[str, Any]:
        """What that is after the round."""
        return self.search.after(self.call, self.state)

    @property
    def measures(self) -> RoundMeasures:
        """What the round may descend."""
        return RoundMeasures(self.search, self.flat, self.call, self.given, self.reached, self.resolver)

    @property
    def sees_zeros(self) -> bool:
        """Whether a sample that the round sees hides weights, as the first one of XOR does, which is all zeros."""
        counted, known = self._counted, {**self.search.names, **self.given}
        samples = [self.given.get(name) for name in counted]
        for node in self.flat.nodes:
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name) and node.slice.id in counted and (
                    isinstance(node.value, ast.Name)):
                whole, place = (known.get(one.id) for one in (node.value, node.slice))
                if isinstance(whole, list | np.ndarray) and isinstance(place, int) and 0 <= place < len(whole):
                    samples.append(whole[place])
        return any(map(hides_weights, samples))

    @property
    def _counted(self) -> list[str]:
        """The names that the loop gives something new in each round."""
        loop = self.flat.loop
        nodes = ast.walk(loop.target) if isinstance(loop, ast.For) else ()
        return [node.id for node in nodes if isinstance(node, ast.Name)]

    @cached_property
    def step(self) -> Step:
        """The round as a step, of what it is given under its own names and of what else it can reach."""
        carried = self.given.keys() & {*self.flat.carried}
        places = {text: among(text) if root_of(text) in carried else text for text in places_of(self.state)}
        local = {name: value for name, value in self.given.items()
                 if name not in self.search.names and name not in self._counted}  # a sample is no gradient
        left = {text: text for text in places_of(self.reached)}
        left |= {text: among(text) for text in places_of(local)}
        return Step(self.call, places, self.search.trials.moved, left, has_losses=True)

    def best(self) -> tuple[Step, Descent | None]:
        """What the round descends, and the round as a step; see `Step.best`."""
        step = self.step
        measures = list(self.measures.all()) if step.changes or step.holders else []
        return step.best(measures, (), self.rates, self.search.numpy) if measures else (step, None)

    def of_seed(self, source: str, name: str) -> Proposal | None:
        """The question of the round with the seed of its backward given, where its loss is written nowhere: of the one
        from which the most arrays can be reached, if what it passes on to one of them is its gradient.
        """
        called, kept, numpy = self._free("dout"), self._free("out"), self.search.numpy
        every = self.seeded(name, called)
        passing = [one for one in every if one.agreeing and self._passes_on(one)]
        named = [one for one in every if cast(Seeded, one.loss).is_called_so and one.is_held]  # where none is right
        for found in sorted(passing or named, key=farthest):
            pair, rate = cast(Seeded, found.loss), self.rates.of(found)
            loss = replace(pair, text=f"{numpy}.sum({kept} * {called})")
            made = with_seed(self.source_with(source, replace(found, loss=loss), name), pair, called, kept, numpy)
            if made is not None:
                reached = {item.text for one in every for item in one.moved} - {item.text for item in found.moved}
                return self._with_seed(self.proposal(found, rate), made, pair, called, reached)
        return None

    def as_passed_on(self, descent: Descent, name: str) -> Descent:
        """A descent that no gradient follows, with what some seed of the backward passes on rightly: all gradients of
        its loss are wrong, and stand where those of the seed stand.
        """
        passing = (one for one in self.seeded(name, "") if one.agreeing and self._passes_on(one))
        best = min(passing, default=None, key=farthest)
        return descent if best is None else replace(
            descent, moved=best.moved, rate=best.rate, held=best.held, multiple=best.multiple)

    def seeded(self, name: str, called: str) -> list[Descent]:
        """What the round descends of the sums of a value times a seed, by the name that this is ``called``."""
        run, step = partial(self.search.trials.moved, self.call.setup, text=self.call.text), self.step
        held = [one for one in held_in(partial(run, {}), name)
                if not any(item.is_itself(one.value) for item in step.changes)]  # fmt: skip
        pairs = list(itertools.islice(seeded(held, called, self.search.numpy), PAIRS))

        def losses(moves: Mapping[str, np.ndarray]) -> np.ndarray:
            values = {one.place: one.value for one in held_in(partial(run, moves), name)}
            return np.array([pair.at(values) for pair in pairs])

        return [self._of_what_moves(one) for one in step.descents(pairs, (), self.rates, losses)] if pairs else []

    def _with_seed(
        self, found: Proposal, made: Rewriting, pair: Seeded, called: str, reached: Collection[str]
    ) -> Proposal:  # fmt: skip
        """The proposal, which says what is given; other values of the round depend on arrays that are ``reached``."""
        numpy, place = self.search.numpy, pair.seed.place
        drawn = f"{called} = {numpy}.random.default_rng(0).normal(size={pair.seed.value.shape})"
        where = f"line {place.line}" if place.line else f"the call in line {place.function}"
        notes = [one for one in found.notes if not one.startswith(NO_LOSS)]
        notes.append(f"{NO_LOSS}: the backward is checked from {place.name} on ({where}), in whose place {called} is "
                     f"drawn; the gradients are those of {pair.text}; what makes {place.name} is not checked")
        asked = found.question.wrt if found.question is not None else ()
        left = [item.text for item in self.step.changes if item.text in reached and not any(
            stands_in(item.text, root) for root in asked)]  # fmt: skip
        notes += [f"{NOT_CHECKED}: {', '.join(left)}, which that does not depend on"] if left else []
        return replace(found, source=made, setup="\n".join([*self.call.setup, drawn]), notes=tuple(notes))

    def _of_what_moves(self, found: Descent) -> Descent:
        """A descent without the gradients of arrays on which its loss does not depend; what is held goes before what
        changes by a rate that has no name.
        """
        moved, changed = {item.text for item in found.moved}, {item.text for item in self.step.changes}
        held = {of: text for of, text in found.held.items() if of in moved or of not in changed}
        is_held = len(held) >= len(moved) and found.seen >= found.followed and is_mean(found.multiple)
        return replace(found, held=held, followed=0 if is_held and held else found.followed)

    def _passes_on(self, found: Descent) -> bool:
        """Whether gradients are known that are made of the seed, and are not the seed itself, as that of what is only
        added is.
        """
        if not (is_mean(found.multiple) if found.is_held else self.rates.explains(found)):
            return False
        seed = cast(Seeded, found.loss).seed.value
        gradients = [self.step.holders[text] for text in found.held.values() if text in self.step.holders] if (
            found.is_held) else [item.change / -found.rate for item in found.moved]
        return any(one.shape != seed.shape or not np.allclose(one, seed) for one in gradients)

    def _free(self, name: str) -> str:
        """A name that the script does not use, like another one."""
        names = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(1)))
        return next(text for text in names if text not in self.search.script.words)

    def source_with(self, source: str, descent: Descent, name: str) -> Rewriting:
        """The source of a script with the round as a function of this ``name``, which returns its loss and what it
        leaves.
        """
        given = descent.held.values() if descent.is_held else descent.of
        before = self._loss_before(descent)
        loss = "None" if descent.loss.outside else descent.loss.text if before is None else before.kept
        handed = ", ".join([loss, *given])
        return as_function(source, self.flat, name, handed, script=self.search.script, place=self.place)

    def _loss_before(self, descent: Descent) -> LossBefore | None:
        """The loss of what was before the round, where it is a call that reads what the round binds anew, as
        ``params = step(params, grads)`` does, and may have changed then; None of any other loss.
        """
        loss, anew = parse_python(descent.loss.text, "eval").body, self.measures.anew
        changed = [name for name in free_names(loss) if name in anew]
        if descent.loss.outside or not isinstance(loss, ast.Call) or not changed:
            return None
        kept = [name for name in free_names(loss) if name in self.given and name not in anew]
        places = {name: parse_python(f"found[0][{n}]", "eval").body for n, name in enumerate(kept)}
        there = ast.unparse(substituted(loss, {**anew, **places}))
        return LossBefore(f"[{', '.join(kept)}]", there, copies_of(dict.fromkeys(BEFORE.findall(there))))

    @cached_property
    def rates(self) -> Rates:
        """What may be the rate, what is local in the round as the number that it is."""
        local = {name: repr(value) for name, value in self.given.items() if type(value) in (int, float)}
        found = rates_in(self.search.source, self.state, lambda text: self.search.trials(
            self.call.setup, local.get(text, text)))  # fmt: skip
        return Rates([(local.get(text, text), value) for text, value in found.called], found.others, found.told)

    def proposal(self, descent: Descent, rate: str) -> Proposal:
        """The question of the function, which returns the loss and what it has changed."""
        step = Step(self.call, {}, self.search.trials.moved)
        # in one expression, so that both are of the same run where that draws random numbers
        gradients = step.gradients(descent, rate, "found[1:]", "olds")
        olds = ", ".join(f"{item.text} + 0" for item in descent.moved)
        both = f"(lambda olds, found: (found[0], {gradients}))([{olds}], {self.call.text})"
        both = self.call.text if descent.is_held else both
        if (there := self._loss_before(descent)) is not None:
            rest = "*found[1:]" if descent.is_held else gradients
            both = f"(lambda before, olds, found: ({there.loss}, {rest}))({there.before}, [{olds}], {self.call.text})"
        question = Question(descent.of, both=both)
        if descent.loss.outside:
            apart = f"{self.call.text}[1:]" if descent.is_held else step.gradients(
                descent, rate, f"{self.call.text}[1:]")  # fmt: skip
            question = Question(descent.of, descent.loss.text, apart)
        said = said_of(descent, rate, "it")
        written = [name for name in self.flat.losses if TRAINED.search(name) and is_number(self.given.get(name))]
        if written and any(one.startswith(NO_LOSS) for one in said):
            said.append(f"they are not those of {listed(written)}, which the round makes")
        setup, notes = "\n".join(self.call.setup), (note_of(self.flat), *said)
        return Proposal(question, self.call.text, setup, notes=notes, is_likely=descent.is_sure)


class LossBefore(NamedTuple):
    """What a round has to give for a loss of what was before it, the loss of that, and copies of what was before."""

    kept: str
    loss: str
    before: str


def is_mean(multiple: float) -> bool:
    """Whether something is held as it is, or as the mean of so many.

    >>> is_mean(1.0), is_mean(0.03125), is_mean(0.3), is_mean(2.0)
    (True, True, False, False)
    """
    count = round(1 / multiple) if 0 < multiple < 1.5 else 0
    return count > 0 and alike(count * multiple, 1.0)


def farthest(found: Descent) -> tuple[int, int, bool]:
    """The less, the more arrays a loss depends on, and the more of their gradients are its, as it is first."""
    return -len(found.moved or found.of), -found.agreeing, not alike(1.0, found.multiple)


def hides_weights(value: Any) -> bool:
    """Whether something is an array, or several numbers, all zero, or one of a few: what these are weighed by is not
    changed then.
    """
    held = [leaf for _, leaf in leaves(value)]
    if not (isinstance(value, np.ndarray) or len(held) > 1):
        return False
    if not all(isinstance(one, int | float | np.ndarray | np.generic) for one in held):
        return False
    numbers = np.concatenate([np.ravel(one) for one in held]) if held else np.zeros(0)
    return not np.any(numbers) or (len(numbers) <= FEW and not np.all(numbers))
