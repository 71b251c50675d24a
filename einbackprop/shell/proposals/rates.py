"""Rates of a step: which number of the script it is that a change is of a gradient, and which loss that speaks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from einbackprop.core.nesting import label, leaves
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee

from .updates import RATE

if TYPE_CHECKING:
    from .steps import Descent

MULTIPLES = 400
"""Up to which number multiples of a rate are looked for: larger ones lie closer together than slopes are told apart."""
SAME = 1e-3
"""How far apart two slopes, or two rates, may be that are taken for one."""


@dataclass(frozen=True)
class Rates:
    """The numbers of a script that may be the rate of a step, as expressions with their values.

    Those that are called a rate, all others, and what calls and defaults give for one somewhere.
    """

    called: Sequence[tuple[str, float]]
    others: Sequence[tuple[str, float]]
    told: Sequence[float] = ()

    def known(self, found: Descent) -> str:
        """An expression of the number that is the rate; empty where there is none."""
        return self.text_of(abs(found.rate))

    def text_of(self, rate: float) -> str:
        """The same of a number."""
        numbers = (*self.called, ("1", 1.0), *self.others)
        return next((text for text, value in numbers if alike(rate, float(value))), "")

    def closeness(self, found: Descent) -> int:
        """How well the rate is explained: 2 where it is what is called one, or 1 where nothing is; 1 where it is any
        other number of the script.
        """
        usual = [value for _, value in self.called] or [1.0]
        return 2 if any(alike(abs(found.rate), value) for value in usual) else int(bool(self.known(found)))

    def multiple(self, found: Descent) -> tuple[str, float, int] | None:
        """What is called a rate of which the rate is a multiple or a part, its value and that number; None without."""
        size = abs(found.rate)
        return next(((text, value, times) for times in range(1, MULTIPLES) for text, value in self.called
                     if alike(size, value / times) or alike(size, value * times)), None)  # fmt: skip

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
        if not known and not found.followed and self.told:
            known = repr(self.told[0])
        if not known and found.is_followed and not found.loss.named:  # cut down, they move less than the rate says
            larger = [(value, text) for text, value in self.others if value > size]
            return min(larger)[1] if larger else f"{size:.4g}"
        if not known and found.loss.named and found.followed and size:  # a rate by another name, over a batch's size
            counts = {int(value) for _, value in self.others if value == int(value) and 2 < value < MULTIPLES}
            parts = [(count, text) for text, value in self.others for count in counts if alike(value / size, count)]
            known = min(parts)[1] if parts else ""
        return known or (f"{size:.4g}" if found.followed else "1")

    def fits(self, found: Descent) -> bool:
        """Whether the rate may be one of the script's, but for a mean instead of a sum; of a loss that the script names
        any may, where it names no rate.
        """
        return found.is_held or self.explains(found) or (found.loss.named and not self.called)

    def explains(self, found: Descent) -> bool:
        """Whether the rate is a number of the script, or a multiple or a part of what is called a rate."""
        return bool(self.known(found) or self.multiple(found))


NO_RATES = Rates((), ())


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

    def numbers(found: Sequence[tuple[str, Any]]) -> list[tuple[str, float]]:
        return [(text, float(value)) for text, value in found if type(value) in (int, float) and value > 0]

    told = told_rates(nodes)
    return Rates(numbers([*called, *((repr(value), value) for value in told)]), numbers([*written, *held]), told)


def told_rates(nodes: Sequence[ast.AST]) -> list[float]:
    """The numbers that calls, and then defaults, give for what is called a rate: ``step(lr=0.1)``, ``step(0.1)`` of
    ``def step(lr)``, ``def train(x, lr=0.1)``.
    """
    parameters: dict[str, list[str]] = {}
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            names = [item.arg for item in (*node.args.posonlyargs, *node.args.args)]
            parameters[node.name] = names[1:] if names[:1] == ["self"] else names
    given: list[tuple[str | None, ast.expr | None]] = []
    defaults: list[tuple[str | None, ast.expr | None]] = []
    for node in nodes:
        if isinstance(node, ast.Call):
            given += [(item.arg, item.value) for item in node.keywords]
            given += zip(parameters.get(callee(node), ()), node.args, strict=False)
        elif isinstance(node, ast.arguments):
            formal = [*node.posonlyargs, *node.args]
            last = formal[len(formal) - len(node.defaults) :]
            defaults += zip((item.arg for item in last), node.defaults, strict=True)
            defaults += zip((item.arg for item in node.kwonlyargs), node.kw_defaults, strict=True)
    return [value.value for name, value in (*given, *defaults) if RATE.fullmatch(name or "")
            and isinstance(value, ast.Constant) and type(value.value) is float]  # fmt: skip


def best_of(descents: Sequence[Descent], rates: Rates) -> Descent | None:
    """The loss that the most changes follow, of those that as many follow the one that is named if its rate fits (that
    of what may be printed alone exactly), then one with a rate that the script has, then the first; where none follow
    any, the one that is called what is trained for, or that says what the errors are, or else is named. Of a loss that
    nobody wrote half of them have to follow it, or two with a rate that the script has, or that are
    held as they are, or one such where no other loss is followed at all: all layers before a mistake are wrong.
    """
    def is_exactly(one: Descent) -> bool:
        return alike(1.0, one.multiple) if one.is_held else bool(rates.known(one))

    followed = [one for one in descents if one.agreeing and (
        one.loss.named or one.is_followed or (2 * one.agreeing >= len(one.moved) and rates.fits(one))
        or (one.agreeing > 1 and is_exactly(one)))]  # fmt: skip
    told = [one for one in descents if one.agreeing and is_exactly(one)]
    trained = [one for one in descents if one.loss.trained and one.moved]
    named = [one for one in descents if one.loss.named and one.loss.text.isidentifier() and one.moved]
    return max(followed or told or trained[:1] or named[:1], default=None, key=lambda one: (
        one.agreeing,
        one.loss.named and rates.fits(one) and (rates.closeness(one) > 1 or not one.loss.may_be_double),
        2 * alike(1.0, one.multiple) if one.is_held else rates.closeness(one), one.loss.named, one.is_exact))


def alike(one: float, other: float) -> bool:
    """Whether two slopes or rates may be taken for one; where a loss does not rise, neither is any.

    >>> alike(1.0, 1.0001), alike(1.0, 1.1), alike(float("inf"), 1.0), alike(float("inf"), float("inf"))
    (True, False, False, False)
    """
    one, other = float(one), float(other)  # of which the infinite ones are compared without a warning
    return abs(one - other) <= SAME * abs(one) < float("inf")
