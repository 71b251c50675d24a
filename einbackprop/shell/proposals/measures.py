"""What may be the loss of a step: numbers that the code has, and the usual losses of an output and a target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np

from einbackprop.checking.certifying import number
from einbackprop.core.records import dataclass
from einbackprop.core.scoped import unwarned

from .candidates import TRAINED
from .losses import is_defined, is_number, shape_of, sums_of, usual_losses

NAMES = "out", "target", "weight"
"""What the parts of a formula are called in it."""
MOST_TERMS = 3
"""How many numbers that a call gives may be terms of its loss."""


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
        The loss of ``out`` and ``target``, and a ``weight`` perhaps; empty where the only part is the loss.
    named
        Whether the script says that it is one.
    trained
        Whether it is taken even where no change follows it.
    compared
        What the output and the target are called, or the number itself.
    outside
        Whether it is evaluated before the step, even where others are among what that gives.
    called
        What it is called where the code returns it; empty where the expression says it.
    """

    text: str
    parts: tuple[str, ...]
    formula: str = ""
    named: bool = False
    trained: bool = False
    compared: tuple[str, ...] = ()
    outside: bool = False
    called: str = ""

    @property
    def may_be_double(self) -> bool:
        """Whether it is called an error and nothing more: what is trained for may be half of what is printed."""
        text = self.called or self.text
        return "err" in text.lower() and not TRAINED.search(text)

    def value(self, parts: Sequence[Any]) -> float:
        """The number, given the values of its parts; nan where it is none."""
        value = parts[0]
        if self.formula:
            if not is_defined(self.formula, *parts[:2]):
                return float("nan")
            with unwarned(), np.errstate(all="ignore"):
                try:
                    value = eval(_compiled(self.formula), {"np": np, **dict(zip(NAMES, parts, strict=False))})
                except (ValueError, IndexError, TypeError, AttributeError):
                    return float("nan")
        return float(np.real(number(value))) if is_number(value) else float("nan")


def measures_of(out: str, target: str, numpy: str) -> list[Measure]:
    """The usual losses of an output and a target; what is called stands once in each, as it may draw a mask."""
    told, named = usual_losses(out, target, numpy), usual_losses("out", target, numpy)
    if "(" in out and "out" not in re.findall(r"\w+", target):
        told = [text if text.count(out) < 2 else f"(lambda out: {once})({out})"
                for text, once in zip(told, named, strict=True)]  # fmt: skip
    return [Measure(text, (out, target), formula, compared=(out, target))
            for text, formula in zip(told, usual_losses("out", "target", "np"), strict=True)]  # fmt: skip


def weighed(out: str, target: str, weight: str, numpy: str) -> list[Measure]:
    """The usual losses of an output and a target whose entries are weighed, by a mask perhaps."""
    formulas = sums_of("out", "target", "np", "weight")
    return [Measure(text, (out, target, weight), formula, compared=(out, target))
            for text, formula in zip(sums_of(out, target, numpy, weight), formulas, strict=True)]  # fmt: skip


def of_label(out: str, target: str, numpy: str) -> Measure:
    """The cross-entropy of one sample, of which the target is a place in the output."""
    return Measure(f"-{numpy}.log({out}[{target}])", (out, target), "-np.log(out[target])", compared=(out, target))


def squares_of(text: str, error: Any) -> list[Measure]:
    """The losses of a number, or an array, that is the difference of an output and a target."""
    single = not shape_of(error)
    ways = ("0.5 * {} ** 2", "{} ** 2") if single else ("0.5 * ({} ** 2).sum()", "({} ** 2).sum()", "({} ** 2).mean()")
    return [Measure(way.format(text), (way.format(text),)) for way in ways]


def totals_of(names: Mapping[int, str], text: str, weights: Mapping[str, float]) -> Iterator[Measure]:
    """The sums of two numbers that a call gives, terms of a loss that it does not add up itself; one may have a weight:
    ``found[0] + beta * found[1]``. ``names`` are what these are called, by their places.
    """
    for one, other in permutations([*names][:MOST_TERMS], 2):
        for weight, value in {**({"": 1.0} if one < other else {}), **weights}.items():
            factor = f"{weight} * " if weight else ""
            yield Measure(
                f"(lambda found: found[{one}] + {factor}found[{other}])({text})",
                (f"{text}[{one}]", f"{text}[{other}]"), f"out + {value!r} * target", named=True,
                called=f"{names[one]} + {factor}{names[other]}")


@lru_cache(maxsize=1024)
def _compiled(formula: str) -> Any:
    return compile(formula, "<loss>", "eval")
