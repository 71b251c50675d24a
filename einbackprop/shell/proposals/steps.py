"""Gradients that code only uses: a step of training goes in; out comes which arrays it moves against which loss, by how
much.

Gradient descent changes its arrays by minus a rate times the gradient of its loss. So whatever the code is called or
looks like, an array before a step, less the same after it, over the rate, is a gradient; and of several losses that is
meant whose differences these changes follow, in all directions by one factor.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np

from einbackprop.checking.naming import gradient_of
from einbackprop.core.nesting import label, leaves
from einbackprop.core.progress import in_time
from einbackprop.core.records import dataclass
from einbackprop.core.visible import numberless
from einbackprop.world.ownership import is_users_class

from .arguments import LONGEST, united
from .candidates import FALLING, LOSS
from .definitions import GRADIENTS
from .invention import Term
from .measures import Measure
from .rates import NO_RATES, SAME, Rates, alike, best_of
from .roots import is_target

MOST, CHANGED = 400, 40
"""How many arrays of a script are looked at, and how many of those that a step changes."""
STEP = 1e-6
"""The length of a difference."""
DONE = 1e-8
"""A step that changes everything by less, relative to the largest entry, shows no slopes."""
EXACT = 1e-5
"""How far apart two slopes may be that have to be one where nothing else tells."""
NOISE = 1e-6
"""How far a difference may be off, relative to itself."""

Losses = Callable[[Mapping[str, np.ndarray]], np.ndarray]
Moved = Callable[[Sequence[str], Mapping[str, np.ndarray], str], Any]


BEFORE = re.compile(r"before\['(.+?)'\]")
"""What an expression reads of what was before a step, by the expression of that."""


def copies_of(texts: Iterable[str]) -> str:
    """A dict of copies of what some expressions stand for, as an expression.

    >>> copies_of(["p"])
    "{'p': __import__('copy').deepcopy(p)}"
    """
    copies = (f"{text!r}: __import__('copy').deepcopy({text})" for text in texts)
    return f"{{{', '.join(copies)}}}"


@dataclass(frozen=True)
class Changed:
    """An array, or a number, before a step.

    Attributes
    ----------
    text
        Where it stands.
    before, change
        Its value, and by how much the step changes it.
    """

    text: str
    before: np.ndarray
    change: np.ndarray

    def is_itself(self, value: np.ndarray) -> bool:
        """Whether another array is this one under another name, which half its square has as a gradient."""
        return value.shape == self.before.shape and any(
            np.allclose(value, one, 1e-12, 0) for one in (self.before, self.before + self.change))


Slopes: TypeAlias = tuple[Changed, Sequence[np.ndarray], Sequence[float]]
"""An array, two directions, and how a loss rises along them."""


DESCENDED = re.compile(FALLING + r"|err(?!\w*rate)", re.IGNORECASE)  # what is called a rate of errors may be another


@dataclass(frozen=True)
class Descent:
    """What a step descends.

    Attributes
    ----------
    loss
    moved
        What the step changes of what the loss depends on.
    followed
        How many of these change along its gradient.
    rate
        The factor of their gradients; negative where the step ascends.
    held
        What the step leaves that is a gradient of the loss itself: by what it is the gradient of, where it stands.
    multiple
        What multiple of the loss' gradients that is.
    seen
        How many of these are that; the others stand in the places of theirs.
    is_exact
        Whether what changes or is held so follows the loss closely: a penalty beside it may be very small.
    is_told
        Whether all that is held is called a gradient, and no number of the script is the rate: what changes is then a
        multiple of them, as where momentum averages.
    """

    loss: Measure
    moved: tuple[Changed, ...]
    followed: int
    rate: float
    held: Mapping[str, str]
    multiple: float = 1.0
    seen: int = 0
    is_exact: bool = False
    is_told: bool = False

    @property
    def is_held(self) -> bool:
        """Whether gradients are read where the step leaves them, not off what it changes.

        Of a multiple, such as what is added to the weights, the rate tells more; so it does where more is changed than
        is held, as by a loop over layers that leaves the gradients of one.
        """
        if not self.held or not alike(1.0, self.multiple):
            return bool(self.held) and self.seen + self.is_told > self.followed
        return len(self.held) > self.followed or len(self.held) == self.followed >= len(self.moved)

    @property
    def of(self) -> tuple[str, ...]:
        """What there are gradients of."""
        return tuple(self.held) if self.is_held else tuple(item.text for item in self.moved)

    @property
    def ascends(self) -> bool:
        """Whether it is meant to go up, as along a likelihood: up a loss goes only a mistake."""
        return self.rate < 0 and not (self.loss.formula or DESCENDED.search(self.loss.text))

    @property
    def is_followed(self) -> bool:
        """Whether all that changes follows a number of the script, whatever the rate: gradients may have been cut down.
        """
        entries = sum(item.before.size for item in self.moved)
        return not self.loss.formula and self.followed == len(self.moved) > 1 and entries > len(self.moved) + 1

    @property
    def is_sure(self) -> bool:
        """Whether at least half of the gradients are those of the loss."""
        return 2 * self.agreeing >= max(1, len(self.of))

    @property
    def agreeing(self) -> int:
        """How many gradients are those of the loss, but for one rate."""
        return max(self.followed, self.seen)


@dataclass(frozen=True)
class Step:
    """A step of training, and what it changes and leaves.

    Attributes
    ----------
    call
        The expression that makes the step, with the statements that it needs.
    places
        Where the numbers and arrays stand that may change, with what each is after the step, among ``found``.
    moved
        Evaluates an expression after statements, with something added to arrays.
    left
        Where arrays stand that the step may leave, with what each is among ``found``.
    has_losses
        Whether losses are among what the step gave; else they are evaluated where it was not made.
    """

    call: Term
    places: Mapping[str, str]
    moved: Moved
    left: Mapping[str, str] = field(default_factory=dict)
    has_losses: bool = False
    _going_on: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def inputs(self) -> tuple[Changed, ...]:
        """All numbers of floating point that there are before the step, and afterwards in the same shape."""
        texts = list(self.places)
        before = self.moved(self.call.setup, {}, f"[{', '.join(texts)}]")
        after = self.moved(self.call.setup, {}, self.after([*self.places.values()]))
        found = []
        for text, old, new in zip(texts, before or (), after or (), strict=False):
            if (_is_real(old) or type(old) is int) and _is_real(new) and np.shape(old) == np.shape(new):
                with np.errstate(all="ignore"):  # a training that diverged
                    change = np.asarray(new, float) - np.asarray(old, float)
                is_total = not np.shape(old) and LOSS.search(re.findall(r"\w+", text)[-1])  # loss += …
                if np.isfinite(change).all() and not is_total:
                    found.append(Changed(text, np.asarray(old, float), change))
        return tuple(found)

    @property
    def changes(self) -> tuple[Changed, ...]:
        """Those of them that are others after the step."""
        return tuple(item for item in self.inputs if item.change.any())

    @cached_property
    def holders(self) -> dict[str, np.ndarray]:
        """The arrays that the step leaves and did not find as they are, but no other names of what it changed."""
        same = {item.text for item in self.inputs if not item.change.any()}
        texts = [text for text in self.left if text not in same]
        values = self.moved(self.call.setup, {}, self.after([self.left[text] for text in texts])) or ()
        found = {text: np.asarray(value, float) for text, value in zip(texts, values, strict=False) if _is_real(value)}
        return {text: value for text, value in found.items() if not any(
            text != item.text and value.shape == item.change.shape and np.allclose(
                value, item.before + item.change, 1e-12, 0) for item in self.changes)}  # fmt: skip

    def at_rest(self, descents: Sequence[Descent]) -> Step | None:
        """The same step after what it adds up, such as the velocities of momentum, was set to zero; None without any.

        That is what the step changes and no loss depends on, of the shape of what one does.
        """
        moved = {item.text: item.before.shape for found in descents for item in found.moved}
        idle = [item.text for item in self.changes if item.text not in moved and item.before.shape in moved.values()]
        stopped = [f"{text} = {text} * 0" for text in idle]
        return replace(self, call=Term(self.call.text, (*self.call.setup, *stopped))) if idle else None

    def best(
        self, measures: Sequence[Measure], setup: Sequence[str], rates: Rates, numpy: str
    ) -> tuple[Step, Descent | None]:
        """The loss that the step descends, and the step: itself, or at rest where that alone is sure to descend one."""
        step, found = self._at_rest_or_not(measures, setup, rates)
        begun = [item.text for item in found.moved if not item.before.any()] if found is not None else []
        done = [item.text for item in self.changes] if self.is_done else []
        if not begun and (not done or (found is not None and found.is_sure)):
            return step, found
        # where some are zero the loss may not depend on others, and where it is as small as it gets on none
        drawn = [f"{text} = 0.1 * ({text} + {numpy}.random.randn(*{numpy}.shape({text})))" for text in begun or done]
        there = replace(step, call=Term(step.call.text, (*step.call.setup, *drawn)))
        other = in_time("a step from elsewhere", partial(there.descended, measures, setup, rates), None)
        known = found.agreeing if found is not None else 0
        return step, other if other is not None and other.agreeing > known else found

    @property
    def is_done(self) -> bool:
        """Whether nothing changes by more than rounding may: the training has come to its end."""
        return bool(self.changes) and all(
            np.abs(item.change).max() <= DONE * np.abs(item.before).max() for item in self.changes)  # fmt: skip

    def _at_rest_or_not(
        self, measures: Sequence[Measure], setup: Sequence[str], rates: Rates
    ) -> tuple[Step, Descent | None]:
        descents = list(self.descents(measures, setup, rates))
        found = best_of(descents, rates)
        if (found is None or not found.is_sure) and (rest := self.at_rest(descents)) is not None:
            other = in_time("a step at rest", partial(rest.descended, measures, setup, rates), None)
            if other is not None and other.is_sure:
                return rest, other
        return self, found

    def descended(self, measures: Sequence[Measure], setup: Sequence[str], rates: Rates) -> Descent | None:
        """The loss that the step descends as it is."""
        return best_of(list(self.descents(measures, setup, rates)), rates)

    def after(self, texts: Sequence[str]) -> str:
        """A list of expressions, as they are after the step; ``found`` is what it gave."""
        listed = f"[{', '.join(texts)}]"
        kept = dict.fromkeys(BEFORE.findall(listed))
        if not kept:
            return f"(lambda found: {listed})({self.call.text})"
        return f"(lambda before, found: {listed})({copies_of(kept)}, {self.call.text})"

    def descents(
        self, measures: Sequence[Measure], setup: Sequence[str], rates: Rates = NO_RATES, losses: Losses | None = None
    ) -> Iterator[Descent]:  # fmt: skip
        """The losses that the step descends, in the order in which they are given; ``losses`` are what they are where
        something is added to arrays, for such as are no expressions.
        """
        losses = losses or self._losses(measures, setup)
        shapes = {value.shape for value in self.holders.values()}
        items = [item for item in self.inputs if item.change.any() or item.before.shape in shapes]
        items = sorted(items, key=lambda item: not item.change.any())[:CHANGED]
        ways = [[np.random.default_rng(seed).normal(size=item.before.shape) for seed in (0, 1)] for item in items]
        unmoved = losses({}) if items else np.zeros(0)

        def slopes_of(item: Changed, pair: Sequence[np.ndarray]) -> list[np.ndarray]:
            """How much each loss rises in two directions; most arrays move none, such as those of an optimizer."""
            ahead = losses({item.text: STEP * pair[0]})
            if np.array_equal(ahead, unmoved, equal_nan=True):
                return [ahead - unmoved] * 2
            sides = [(ahead, pair[0]), (losses({item.text: STEP * pair[1]}), pair[1])]
            return [(there - losses({item.text: -STEP * way})) / (2 * STEP) for there, way in sides]

        rises = [slopes_of(item, pair) for item, pair in zip(items, ways, strict=True)]
        for n, measure in enumerate(measures):
            slopes = [(item, pair, [rise[n] for rise in both])
                      for item, pair, both in zip(items, ways, rises, strict=True)]  # fmt: skip
            # without those on which this loss does not depend
            found = self._descent(measure, [one for one in slopes if all(np.isfinite(one[2])) and max(
                map(abs, one[2])) > 1e-9], rates)  # fmt: skip
            if found is not None:
                yield replace(found, is_told=not rates.explains(found) and all(
                    is_called_gradient(text, of) for of, text in found.held.items()))  # fmt: skip

    def _losses(self, measures: Sequence[Measure], setup: Sequence[str]) -> Losses:
        """What losses are where something is added to arrays."""
        own = list(dict.fromkeys(part for one in measures if not one.outside for part in one.parts))
        parts = list(dict.fromkeys(part for one in measures for part in one.parts if part not in own))
        parts, given = ([*own, *parts], []) if not self.has_losses else (parts, own)
        whole = united([*setup, *self.call.setup])
        calls = [part for part in parts if self.call.text in part]  # each makes a step, which the others must not see
        rest = [part for part in parts if part not in calls]
        groups = [(rest, False), *(([part], False) for part in calls), (given, True)]
        groups = [(known, after) for group, after in groups if (known := self._evaluable(group, whole, after))]

        def losses(moves: Mapping[str, np.ndarray]) -> np.ndarray:
            known: dict[str, Any] = {}
            for group, after in groups:
                text = self.after(group) if after else f"[{', '.join(group)}]"
                known |= zip(group, self.moved(whole, moves, text) or [None] * len(group), strict=True)
            return np.array([one.value([known.get(part) for part in one.parts]) for one in measures])

        return losses

    def _evaluable(self, parts: list[str], setup: Sequence[str], after: bool) -> list[str]:
        """The expressions that have a value: one that has none would leave none to the others."""
        def value(texts: Sequence[str]) -> Any:
            return self.moved(setup, {}, self.after(texts) if after else f"[{', '.join(texts)}]")

        return parts if not parts or value(parts) is not None else [part for part in parts if value([part]) is not None]

    def _descent(
        self, measure: Measure, slopes: Sequence[Slopes], rates: Rates
    ) -> Descent | None:
        """What of a step follows a loss that rises so in two directions of each of its arrays."""
        moved, sizes = [], []
        factors: list[float] = []  # of each moved: of the loss' gradient; 0 where it is none
        ratios: list[tuple[float, int]] = []
        offs: list[tuple[float, float]] = []
        multiples: list[tuple[str, str, float]] = []  # of what, where it is held, and what multiple of the gradient
        renewed: dict[str, list[tuple[str, str]]] = {}  # by the rate: of what, and where that stands after an update
        for item, ways, rises in slopes:
            if item.text in measure.compared:  # an output's own gradient is its distance from the target, a sum's is 1
                continue
            for text, value in self.holders.items():
                if value.shape == item.before.shape and text != item.text:
                    first, second = _ratios(value, ways, rises)
                    # what is the negative gradient of targets is that of what these are compared with
                    may_be_wrong = value.size > 1 and measure.named and not is_target(re.findall(r"\w+", item.text)[-1])
                    if alike(first, second) and (alike(1.0, first) or may_be_wrong):
                        multiples.append((item.text, text, first))
                    first, second = _ratios(value - item.before, ways, rises)
                    if alike(first, second) and (told := rates.text_of(-first)):
                        renewed.setdefault(told, []).append((item.text, text))
            if not item.change.any():
                continue
            first, second = _ratios(item.change, ways, rises)
            follows = bool(np.isfinite(first) and first and alike(first, second))
            if follows:
                ratios.append((-first, int(np.count_nonzero(item.change))))
                offs.append((-first, abs(second / first - 1)))
            elif not self._goes_on(item):
                continue
            factors.append(-first if follows else 0.0)
            moved.append(item)
            sizes.append(-first)
        held, multiple, seen = self._held(multiples, slopes)
        told, pairs = max(renewed.items(), default=("", []), key=lambda one: len(one[1]))
        if len(dict(pairs)) > max(1, len(ratios), seen - (not alike(1.0, multiple))):
            shapes = {item.text: item.before.shape for item in self.inputs}
            beside = ((other, in_place_of(*pairs[0], other)) for other in shapes)  # of a wrong gradient
            news = {of: text for of, text in beside if text in self.holders and self.holders[text].shape == shapes[of]}
            held = {of: f"({of} - {text}) / {told}" for of, text in {**news, **dict(pairs)}.items()}
            return Descent(measure, tuple(moved), 0, 0.0, held, 1.0, len(dict(pairs)))
        best = max((one for one, _ in ratios), default=None, key=lambda one: sum(
            alike(one, other) for other, _ in ratios))
        moving = [(item, ways, rises) for item, ways, rises in slopes if item in moved]
        found = None
        # one number follows whatever it moves: two have to agree
        if best is not None and sum(count for other, count in ratios if alike(best, other)) > 1:
            followed = sum(alike(best, other) or is_decayed(item.before, item.change, ways, rises, -best)
                           for other, (item, ways, rises) in zip(factors, moving, strict=True))  # fmt: skip
            is_exact = all(off < EXACT and abs(one / best - 1) < EXACT for one, off in offs if alike(best, one))
            found = Descent(measure, tuple(moved), followed, best, held, multiple, seen, is_exact)
        for _, rate in rates.called if len(moved) > max(1, len(ratios)) else ():  # of penalties the rate alone tells
            count = sum(is_decayed(item.before, item.change, ways, rises, -rate, EXACT) for item, ways, rises in moving)
            if 2 * count >= len(moved) and (found is None or count >= found.followed):
                return Descent(measure, tuple(moved), count, rate, held, multiple, seen)
        if found is not None:
            return found
        if sum(item.before.size for item in self.inputs if item.text in held) < 2:  # as one number follows any other
            held = {}
        rate = float(np.median(sizes or [0.0]))
        if not held and measure.named and (called := self._called(moved)):
            return Descent(measure, tuple(moved), 0, rate, called, 1.0)
        return Descent(measure, tuple(moved), 0, rate, held, multiple, seen) if moved or held else None

    def _called(self, moved: Sequence[Changed]) -> dict[str, str]:
        """Where there stands what is called the gradient of each of some arrays, and has its shape; nothing where that
        is not known of all: where no gradient is right, what an optimizer makes of them tells nothing.
        """
        found = {item.text: [text for text, value in self.holders.items()
                             if value.shape == item.before.shape and is_called_gradient(text, item.text)]
                 for item in moved}  # fmt: skip
        return {of: texts[0] for of, texts in found.items()} if all(found.values()) else {}

    def _goes_on(self, item: Changed) -> bool:
        """Whether an array is after the step what it was and something more; an output is made anew from others."""
        if item.text not in self._going_on:
            way = np.random.default_rng(2).normal(size=item.before.shape)
            found = self.moved(self.call.setup, {item.text: STEP * way}, self.after([self.places[item.text]]))
            moved = np.asarray(found[0], float) - item.before - item.change if found else way * 0
            along = float(np.sum(moved * way)) / STEP if moved.shape == way.shape else 0.0
            self._going_on[item.text] = along > 0.5 * float(np.sum(way * way))
        return self._going_on[item.text]

    def _held(
        self, multiples: Sequence[tuple[str, str, float]], slopes: Sequence[Slopes]
    ) -> tuple[dict[str, str], float, int]:
        """Where gradients are held that are one multiple of those of a loss, by what they are gradients of, and that
        multiple; where they are wrong, what stands in the same place for another array: ``net[1].dW`` for ``net[1].W``.
        """
        factors = [factor for *_, factor in multiples if factor]
        called = [factor for of, text, factor in multiples if is_called_gradient(text, of)]
        best = max(factors, default=0.0, key=lambda one: (
            sum(alike(one, other) for other in factors), alike(1.0, one),
            sum(alike(one, other) for other in called), -abs(one - 1.0)))  # fmt: skip
        held: dict[str, str] = {}
        # the closest first, since numbers of other things may be near
        for of, text, factor in sorted(multiples, key=lambda one: abs(one[2] - best)):
            if factor and alike(best, factor) and of not in held and text not in held.values():
                held[of] = text
        inputs = {item.text: item for item in self.inputs}
        moved = {item.text for item in self.changes}
        asked = moved if moved & held.keys() else inputs.keys()  # not of data as well
        held = {of: text for of, text in held.items() if of in asked}
        for item, ways, rises in slopes if held else ():
            if item.text in asked - held.keys() and (
                    text := self._penalised(item, ways, rises, best, {*held.values()})):
                held[item.text] = text
        if all(of in inputs and inputs[of].is_itself(self.holders[text]) for of, text in held.items()):
            held = {}
        shapes, seen = {text: item.before.shape for text, item in inputs.items()}, len(held)
        for of, text in list(held.items()):
            for other, shape in shapes.items():
                place = in_place_of(of, text, other)
                value = self.holders.get(place)
                if value is None or other in held or place in held.values():
                    continue
                # of what is trained, or stands beside it in a dict or a list, one of another shape is wrong
                is_trained = other in moved or (of.endswith("]") and of.rpartition("[")[0] == other.rpartition("[")[0])
                is_other = np.squeeze(value).shape != np.squeeze(np.empty(shape)).shape
                if value.shape == shape or (is_trained and is_other):
                    held[other] = place
        kept_in = {numberless(text) for text in held.values()}  # what is left in one list is told by its shape
        needed = [item for item, *_ in slopes if item.text in moved and item.text not in held]
        for item in filter(self._goes_on, needed if kept_in else ()):
            left = [text for text, value in self.holders.items() if value.shape == item.before.shape
                    and text not in held.values() and numberless(text) in kept_in]  # fmt: skip
            if len(left) == 1:
                held[item.text] = left[0]
        return {of: held[of] for of in shapes if of in held}, best, seen

    def _penalised(
        self, item: Changed, ways: Sequence[np.ndarray], rises: Sequence[float], multiple: float, taken: set[str]
    ) -> str:
        """Where a multiple of a gradient is held with a penalty's; empty where it is not."""
        return next((text for text, value in self.holders.items()
                     if value.shape == item.before.shape and text != item.text and text not in taken
                     and is_decayed(item.before, value, ways, rises, multiple)), "")  # fmt: skip

    def beside(self, found: Descent) -> list[str]:
        """The arrays that the step leaves in one tuple or list with gradients that it leaves, and are none of these."""
        within = {numberless(text) for text in found.held.values()} & {numberless(text) for text in self.left}
        return [text for text in self.holders if text not in found.held.values()
                and numberless(text) in within and re.fullmatch(r"found(\[\d+\])+", text)]  # fmt: skip

    def gradients(self, found: Descent, rate: str, news: str = "", olds: str = "") -> str:
        """The expression of the gradients: what the step leaves, or what was, less what is after it, over the rate."""
        if found.is_held:
            texts = list(found.held.values())
            if any(re.search(r"\bfound\b", text) for text in texts):  # what the call gives
                return self.after(texts) if len(texts) > 1 else re.sub(
                    r"\bfound\b", lambda _: self.call.text, texts[0], count=1)
            return f"({self.call.text}, {texts[0] if len(texts) == 1 else '[' + ', '.join(texts) + ']'})[1]"
        olds = olds or f"[{', '.join(f'{item.text} + 0' for item in found.moved)}]"
        news = news or f"({self.call.text}, [{', '.join(item.text for item in found.moved)}])[1]"
        change = "new - old" if found.ascends else "old - new"
        scaled = change if rate == "1" else f"({change}) / {rate}"
        whole = f"[{scaled} for old, new in zip({olds}, {news})]"
        return f"{whole}[0]" if len(found.moved) == 1 else whole


def is_decayed(
    before: np.ndarray, value: np.ndarray, ways: Sequence[np.ndarray], rises: Sequence[float], factor: float,
    same: float = SAME,
) -> bool:  # fmt: skip
    """Whether a value is a factor times the gradient of a loss and a multiple of the array itself, or of those of its
    entries for which there is a gradient: of a penalty of which the loss knows nothing. Of one number nobody can tell.
    """
    more = [float(np.sum(value * way)) / factor - rise for way, rise in zip(ways, rises, strict=True)]
    for decaying in (before, before * (value != 0)):
        if np.count_nonzero(decaying) < 2:
            return False
        along = [float(np.sum(decaying * way)) for way in ways]
        one, other, size = more[0] * along[1], more[1] * along[0], max(map(abs, along))
        noise = NOISE * max(map(abs, rises)) * size
        if abs(one - other) <= same * (abs(one) + abs(other)) + noise < max(map(abs, more)) * size:
            return True
    return False


def is_called_gradient(text: str, of: str) -> bool:
    """Whether the name of what stands in one place says that it is the gradient of what stands in another.

    >>> is_called_gradient("net[0].d_weight", "net[0].weight"), is_called_gradient("adam.m[0]", "net[0].weight")
    (True, False)
    >>> is_called_gradient("grads['W']", "theta['W']"), is_called_gradient("old['W']", "theta['W']")
    (True, False)
    """
    (*around, name), (*_, other) = (re.findall(r"[^\W\d]\w*", one) for one in (text, of))
    is_kept_so = name == other and any(word.lower() in GRADIENTS for word in around)
    return is_kept_so or other in [stem.strip("_") for stem in gradient_of(name)[1:]]


def in_place_of(of: str, text: str, other: str) -> str:
    """What stands to another name as a text to one; empty where that cannot be told.

    >>> in_place_of("net[0].W", "net[0].dW", "net[1].W"), in_place_of("p['W1']", "grads['dW1']", "p['b2']")
    ('net[1].dW', "grads['db2']")
    >>> in_place_of("net[0].w.data", "net[0].w.grad", "net[0].b.data")
    'net[0].b.grad'
    """
    words, held = re.findall(r"\w+|\W", of), re.findall(r"\w+|\W", text)
    same = next((n for n, (one, two) in enumerate(zip(words, held, strict=False)) if one != two), 0)
    end = "".join(words[same:])
    if same and other.endswith(end):
        return other.removesuffix(end) + "".join(held[same:])
    numbers, given = re.findall(r"\d+", of), iter(re.findall(r"\d+", other))
    is_alike = numberless(of) == numberless(other)
    if is_alike and numbers and re.findall(r"\d+", text) == numbers:
        return re.sub(r"\d+", lambda _: next(given), text)
    word, new = (re.findall(r"\w+", one)[-1] for one in (of, other))
    if of.rpartition(word)[::2] == other.rpartition(new)[::2] and word in text:
        head, _, tail = text.rpartition(word)
        return f"{head}{new}{tail}"
    return ""


def places_of(state: Mapping[str, Any]) -> list[str]:
    """Where the numbers and arrays of floating point of a state stand, those in objects of the user's too, each array
    once; of many those that stand in the fewest containers.
    """
    found: dict[Any, str] = {}
    depths: dict[Any, int] = {}
    for name, value in state.items():
        if is_of_library(value):
            continue
        for path, leaf in itertools.islice(leaves(value), LONGEST) if name.isidentifier() else ():
            if _is_real(leaf) or (not path and type(leaf) is int):  # a weight that begins as 0
                key, text = id(leaf) if isinstance(leaf, np.ndarray) else (name, path), label(name, path)
                if found.setdefault(key, text).endswith(f".{text}"):  # net.W rather than optimizer.net.W
                    found[key] = text
                depths.setdefault(key, len(path))
    order = list(found) if len(found) <= MOST else sorted(found, key=depths.__getitem__)
    return [found[key] for key in order[:MOST]]


def is_of_library(value: Any) -> bool:
    """Whether it is an object of an installed library, such as a figure, or holds one first; arrays are none."""
    if isinstance(value, np.ndarray):
        value = [*value.flat[:1]] if value.dtype.kind == "O" else []
    if isinstance(value, list | tuple):
        return any(map(is_of_library, value[:1]))
    kind = type(value)
    return kind.__module__.partition(".")[0] not in ("builtins", "numpy", "collections") and not is_users_class(kind)


def _ratios(value: np.ndarray, ways: Sequence[np.ndarray], rises: Sequence[float]) -> Iterator[float]:
    """By how much more an array goes along each direction than a loss rises there."""
    return (float(np.sum(value * way)) / rise if rise else np.inf for way, rise in zip(ways, rises, strict=True))


def _is_real(value: Any) -> bool:
    return type(value) is float or (isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f"
                                    and value.size > 0)  # fmt: skip
