"""Gradients that code only uses: a step of training goes in; out comes which arrays it moves against which loss, by how
much.

Gradient descent changes its arrays by minus a rate times the gradient of its loss. So whatever the code is called or
looks like, an array before a step, less the same after it, over the rate, is a gradient; and of several losses that is
meant whose differences these changes follow, in all directions by one factor.
"""

from __future__ import annotations

import ast
import itertools
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from einbackprop.checking.certifying import number
from einbackprop.core.nesting import label, leaves
from einbackprop.world.ownership import is_users_class

from .arguments import LONGEST, united
from .invention import Term
from .losses import is_defined, is_number, usual_losses
from .updates import RATE

MOST = 40
"""How many arrays of a script are looked at."""
STEP, SAME = 1e-6, 1e-3
"""The length of a difference, and how far apart two slopes may be that are taken for one."""
MULTIPLES = 400
"""Up to which number multiples of a rate are looked for: larger ones lie closer together than slopes are told apart."""

Moved = Callable[[Sequence[str], Mapping[str, np.ndarray], str], Any]


@dataclass(frozen=True)
class Measure:
    """Something that may be the loss: an expression of a number, or a usual loss of an output and a target.

    Attributes
    ----------
    text
        The expression of the loss.
    parts
        The expressions of which it is made: itself, or the output and the target.
    formula
        The loss of ``out`` and ``target``; empty where the only part is the loss.
    named
        Whether the script says that it is one.
    trained
        Whether it is taken even where no change follows it.
    compared
        What the output and the target are called, or the number itself.
    outside
        Whether it is evaluated before the step, even where others are among what that gives.
    """

    text: str
    parts: tuple[str, ...]
    formula: str = ""
    named: bool = False
    trained: bool = False
    compared: tuple[str, ...] = ()
    outside: bool = False

    def value(self, parts: Sequence[Any]) -> float:
        """The number, given the values of its parts; nan where it is none."""
        value = parts[0]
        if self.formula and not is_defined(self.formula, *parts):
            return float("nan")
        if self.formula:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    value = eval(_compiled(self.formula), {"np": np, "out": parts[0], "target": parts[1]})
                except (ValueError, IndexError, TypeError, AttributeError):
                    return float("nan")
        return float(np.real(number(value))) if is_number(value) else float("nan")


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
    """

    loss: Measure
    moved: tuple[Changed, ...]
    followed: int
    rate: float
    held: Mapping[str, str]
    multiple: float = 1.0
    seen: int = 0

    @property
    def is_held(self) -> bool:
        """Whether gradients are read where the step leaves them, not off what it changes.

        Of a multiple, such as what is added to the weights, the rate tells more.
        """
        is_gradient = _alike(1.0, self.multiple)
        return bool(self.held) and (len(self.held) >= self.followed if is_gradient else self.seen > self.followed)

    @property
    def of(self) -> tuple[str, ...]:
        """What there are gradients of."""
        return tuple(self.held) if self.is_held else tuple(item.text for item in self.moved)

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
                if np.isfinite(change).all():
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
        self, measures: Sequence[Measure], setup: Sequence[str], rates: Rates
    ) -> tuple[Step, Descent | None]:
        """The loss that the step descends, and the step: itself, or at rest where that alone is sure to descend one."""
        descents = list(self.descents(measures, setup))
        found = best_of(descents, rates)
        if (found is None or not found.is_sure) and (rest := self.at_rest(descents)) is not None:
            other = best_of(list(rest.descents(measures, setup)), rates)
            if other is not None and other.is_sure:
                return rest, other
        return self, found

    def after(self, texts: Sequence[str]) -> str:
        """A list of expressions, as they are after the step; ``found`` is what it gave."""
        return f"(lambda found: [{', '.join(texts)}])({self.call.text})"

    def descents(self, measures: Sequence[Measure], setup: Sequence[str]) -> Iterator[Descent]:
        """The losses that the step descends, in the order in which they are given."""
        own = list(dict.fromkeys(part for one in measures if not one.outside for part in one.parts))
        parts = list(dict.fromkeys(part for one in measures for part in one.parts if part not in own))
        parts, given = ([*own, *parts], []) if not self.has_losses else (parts, own)
        whole = united([*setup, *self.call.setup])
        calls = [part for part in parts if self.call.text in part]  # each makes a step, which the others must not see
        rest = [part for part in parts if part not in calls]
        groups = [(rest, False), *(([part], False) for part in calls), (given, True)]
        groups = [(self._evaluable(group, whole, after), after) for group, after in groups]

        def losses(moves: Mapping[str, np.ndarray]) -> np.ndarray:
            known: dict[str, Any] = {}
            for group, after in groups:
                text = self.after(group) if after else f"[{', '.join(group)}]"
                known |= zip(group, self.moved(whole, moves, text) or [None] * len(group), strict=True)
            return np.array([one.value([known.get(part) for part in one.parts]) for one in measures])

        shapes = {value.shape for value in self.holders.values()}
        items = [item for item in self.inputs if item.change.any() or item.before.shape in shapes]
        ways = [[np.random.default_rng(seed).normal(size=item.before.shape) for seed in (0, 1)] for item in items]
        rises = [[(losses({item.text: STEP * way}) - losses({item.text: -STEP * way})) / (2 * STEP) for way in pair]
                 for item, pair in zip(items, ways, strict=True)]  # fmt: skip
        for n, measure in enumerate(measures):
            slopes = [(item, pair, [rise[n] for rise in both])
                      for item, pair, both in zip(items, ways, rises, strict=True)]  # fmt: skip
            # without those on which this loss does not depend
            found = self._descent(measure, [one for one in slopes if all(np.isfinite(one[2])) and max(
                map(abs, one[2])) > 1e-9])  # fmt: skip
            if found is not None:
                yield found

    def _evaluable(self, parts: list[str], setup: Sequence[str], after: bool) -> list[str]:
        """The expressions that have a value: one that has none would leave none to the others."""
        def value(texts: Sequence[str]) -> Any:
            return self.moved(setup, {}, self.after(texts) if after else f"[{', '.join(texts)}]")

        return parts if value(parts) is not None else [part for part in parts if value([part]) is not None]

    def _descent(
        self, measure: Measure, slopes: Sequence[tuple[Changed, Sequence[np.ndarray], Sequence[float]]]
    ) -> Descent | None:
        """What of a step follows a loss that rises so in two directions of each of its arrays."""
        moved, sizes = [], []
        ratios: list[tuple[float, int]] = []
        multiples: list[tuple[str, str, float]] = []  # of what, where it is held, and what multiple of the gradient
        for item, ways, rises in slopes:
            if item.text in measure.compared:  # an output's own gradient is its distance from the target, a sum's is 1
                continue
            for text, value in self.holders.items():
                if value.shape == item.before.shape and text != item.text:
                    first, second = _ratios(value, ways, rises)
                    if _alike(first, second) and (_alike(1.0, first) or (value.size > 1 and measure.named)):
                        multiples.append((item.text, text, first))
            if not item.change.any():
                continue
            first, second = _ratios(item.change, ways, rises)
            follows = bool(np.isfinite(first) and first and _alike(first, second))
            if follows:
                ratios.append((-first, int(np.count_nonzero(item.change))))
            elif not self._goes_on(item):
                continue
            moved.append(item)
            sizes.append(-first)
        held, multiple, seen = self._held(multiples)
        best = max((one for one, _ in ratios), default=None, key=lambda one: sum(
            _alike(one, other) for other, _ in ratios))
        # one number follows whatever it moves: two have to agree
        if best is not None and sum(count for other, count in ratios if _alike(best, other)) > 1:
            followed = sum(_alike(best, other) for other, _ in ratios)
            return Descent(measure, tuple(moved), followed, best, held, multiple, seen)
        if sum(item.before.size for item in self.inputs if item.text in held) < 2:  # as one number follows any other
            held = {}
        rate = float(np.median(sizes or [0.0]))
        return Descent(measure, tuple(moved), 0, rate, held, multiple, seen) if moved or held else None

    def _goes_on(self, item: Changed) -> bool:
        """Whether an array is after the step what it was and something more; an output is made anew from others."""
        if item.text not in self._going_on:
            way = np.random.default_rng(2).normal(size=item.before.shape)
            found = self.moved(self.call.setup, {item.text: STEP * way}, self.after([self.places[item.text]]))
            moved = np.asarray(found[0], float) - item.before - item.change if found else way * 0
            along = float(np.sum(moved * way)) / STEP if moved.shape == way.shape else 0.0
            self._going_on[item.text] = along > 0.5 * float(np.sum(way * way))
        return self._going_on[item.text]

    def _held(self, multiples: Sequence[tuple[str, str, float]]) -> tuple[dict[str, str], float, int]:
        """Where gradients are held that are one multiple of those of a loss, by what they are gradients of, and that
        multiple; where they are wrong, what stands in the same place for another array: ``net[1].dW`` for ``net[1].W``.
        """
        factors = [factor for *_, factor in multiples if factor]
        best = max(factors, default=0.0, key=lambda one: (
            sum(_alike(one, other) for other in factors), _alike(1.0, one)))  # fmt: skip
        held: dict[str, str] = {}
        for of, text, factor in multiples:
            if factor and _alike(best, factor) and of not in held and text not in held.values():
                held[of] = text
        trained = {item.text for item in self.changes} & held.keys()
        held = {of: text for of, text in held.items() if of in trained or not trained}  # not of data as well
        shapes, seen = {item.text: item.before.shape for item in self.inputs}, len(held)
        for of, text in list(held.items()):
            for other, shape in shapes.items():
                place = in_place_of(of, text, other)
                if other not in held and place not in held.values() and place in self.holders and (
                        self.holders[place].shape == shape):
                    held[other] = place
        return {of: held[of] for of in shapes if of in held}, best, seen

    def gradients(self, found: Descent, rate: str, news: str = "", olds: str = "") -> str:
        """The expression of the gradients: what the step leaves, or what was, less what is after it, over the rate."""
        if found.is_held:
            texts = list(found.held.values())
            if any(re.match(r"found\b", text) for text in texts):  # what the call gives
                return self.after(texts) if len(texts) > 1 else texts[0].replace("found", self.call.text, 1)
            return f"({self.call.text}, {texts[0] if len(texts) == 1 else '[' + ', '.join(texts) + ']'})[1]"
        olds = olds or f"[{', '.join(f'{item.text} + 0' for item in found.moved)}]"
        news = news or f"({self.call.text}, [{', '.join(item.text for item in found.moved)}])[1]"
        change = "new - old" if found.rate < 0 else "old - new"
        scaled = change if rate == "1" else f"({change}) / {rate}"
        whole = f"[{scaled} for old, new in zip({olds}, {news})]"
        return f"{whole}[0]" if len(found.moved) == 1 else whole


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
    is_alike = re.sub(r"\d+", "#", of) == re.sub(r"\d+", "#", other)
    if is_alike and numbers and re.findall(r"\d+", text) == numbers:
        return re.sub(r"\d+", lambda _: next(given), text)
    word, new = (re.findall(r"\w+", one)[-1] for one in (of, other))
    if of.rpartition(word)[::2] == other.rpartition(new)[::2] and word in text:
        head, _, tail = text.rpartition(word)
        return f"{head}{new}{tail}"
    return ""


def places_of(state: Mapping[str, Any]) -> list[str]:
    """Where the numbers and arrays of floating point of a state stand, those in objects of the user's too, each array
    once.
    """
    found: dict[Any, str] = {}
    for name, value in state.items():
        if is_of_library(value):
            continue
        for path, leaf in itertools.islice(leaves(value), LONGEST) if name.isidentifier() else ():
            if _is_real(leaf) or (not path and type(leaf) is int):  # a weight that begins as 0
                found.setdefault(id(leaf) if isinstance(leaf, np.ndarray) else (name, path), label(name, path))
    return list(found.values())[:MOST]


def is_of_library(value: Any) -> bool:
    """Whether it is an object of an installed library, such as a figure, or holds one first; arrays are none."""
    if isinstance(value, np.ndarray):
        value = [*value.flat[:1]] if value.dtype.kind == "O" else []
    if isinstance(value, list | tuple):
        return any(map(is_of_library, value[:1]))
    kind = type(value)
    return kind.__module__.partition(".")[0] not in ("builtins", "numpy", "collections") and not is_users_class(kind)


def measures_of(out: str, target: str, numpy: str) -> list[Measure]:
    """The usual losses of an output and a target."""
    told = usual_losses(out, target, numpy)
    return [Measure(text, (out, target), formula, compared=(out, target))
            for text, formula in zip(told, usual_losses("out", "target", "np"), strict=True)]  # fmt: skip


def squares_of(text: str, error: Any) -> list[Measure]:
    """The losses of a number, or an array, that is the difference of an output and a target."""
    single = np.ndim(error) == 0
    ways = ("0.5 * {} ** 2", "{} ** 2") if single else ("0.5 * ({} ** 2).sum()", "({} ** 2).sum()", "({} ** 2).mean()")
    return [Measure(way.format(text), (way.format(text),)) for way in ways]


@dataclass(frozen=True)
class Rates:
    """The numbers of a script that may be the rate of a step, as expressions with their values.

    Those that are called a rate, and all others.
    """

    called: Sequence[tuple[str, float]]
    others: Sequence[tuple[str, float]]

    def known(self, found: Descent) -> str:
        """An expression of the number that is the rate; empty where there is none."""
        size = abs(found.rate)
        numbers = (*self.called, ("1", 1.0), *self.others)
        return next((text for text, value in numbers if _alike(size, float(value))), "")

    def closeness(self, found: Descent) -> int:
        """How well the rate is explained: 2 where it is what is called one, or 1 where nothing is; 1 where it is any
        other number of the script.
        """
        usual = [value for _, value in self.called] or [1.0]
        return 2 if any(_alike(abs(found.rate), value) for value in usual) else int(bool(self.known(found)))

    def multiple(self, found: Descent) -> tuple[str, float, int] | None:
        """What is called a rate of which the rate is a multiple or a part, its value and that number; None without."""
        size = abs(found.rate)
        return next(((text, value, times) for text, value in self.called for times in range(1, MULTIPLES)
                     if _alike(size, value / times) or _alike(size, value * times)), None)  # fmt: skip

    def of(self, found: Descent) -> str:
        """An expression of the rate: a number that is it, else one that is called so; of losses that the code does not
        have, a multiple of that.
        """
        size = abs(found.rate)
        if (multiple := self.multiple(found)) is not None:
            text, value, times = multiple
            plain = times == 1 or found.loss.named  # a factor of the script's own loss is the check's affair
            return text if plain else f"({text} {'/' if size < value else '*'} {times})"
        known = self.known(found) or (self.called[0][0] if self.called else "")
        return known or (f"{size:.4g}" if found.followed else "1")

    def fits(self, found: Descent) -> bool:
        """Whether the rate may be one of the script's, but for a mean instead of a sum; of a loss that the script names
        any may, where it names no rate.
        """
        explained = bool(self.known(found) or self.multiple(found))
        return found.is_held or explained or (found.loss.named and not self.called)


def rates_in(source: str, state: Mapping[str, Any], value_of: Callable[[str], Any]) -> Rates:
    """The numbers of a script that may be a rate: in its text, and in what a step can read."""
    nodes = list(ast.walk(ast.parse(source)))
    texts = dict.fromkeys(ast.unparse(node) for node in nodes if isinstance(node, ast.Name | ast.Attribute)
                          and RATE.fullmatch(node.id if isinstance(node, ast.Name) else node.attr))  # fmt: skip
    held = [(label(name, path), leaf) for name, value in state.items() for path, leaf in leaves(value)
            if not (path and type(path[-1]) is int)]  # numbers in lists are data
    read = [(text, value_of(text)) for text in texts]
    called = [*read, *((text, leaf) for text, leaf in held if RATE.fullmatch(re.split(r"\W+", text.strip("]'"))[-1]))]
    listed = {id(inner) for node in nodes if isinstance(node, ast.List) for inner in ast.walk(node)}
    written = [(repr(node.value), node.value) for node in nodes if isinstance(node, ast.Constant)
               and id(node) not in listed]  # fmt: skip
    return Rates(*([(text, float(value)) for text, value in found if type(value) in (int, float) and value > 0]
                   for found in (called, [*written, *held])))  # fmt: skip


def best_of(descents: Sequence[Descent], rates: Rates) -> Descent | None:
    """The loss that the most changes follow, of those that as many follow the one that is named if its rate fits, then
    one with a rate that the script has, then the first; where none follow any, the one that is called what is trained
    for, or that says what the errors are.
    """
    followed = [one for one in descents if one.agreeing and (
        one.loss.named or (2 * one.agreeing >= len(one.moved) and rates.fits(one)))]  # fmt: skip
    trained = [one for one in descents if one.loss.trained and one.moved]
    return max(followed or trained[:1], default=None, key=lambda one: (
        one.agreeing, one.loss.named and rates.fits(one),
        2 * _alike(1.0, one.multiple) if one.is_held else rates.closeness(one), one.loss.named))  # fmt: skip


def _compiled(formula: str) -> Any:
    return compile(formula, "<loss>", "eval")


def _ratios(value: np.ndarray, ways: Sequence[np.ndarray], rises: Sequence[float]) -> Iterator[float]:
    """By how much more an array goes along each direction than a loss rises there."""
    return (float(np.sum(value * way)) / rise if rise else np.inf for way, rise in zip(ways, rises, strict=True))


def _is_real(value: Any) -> bool:
    return type(value) is float or (isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f"
                                    and value.size > 0)  # fmt: skip


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * abs(one)
