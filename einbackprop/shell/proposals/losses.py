"""Losses by what a function returned, and the usual ones, for scripts that have none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from einbackprop.checking.penalties import PENALTY

from .candidates import LOSS

SUMS = 10
"""How many of the usual losses are sums; the others are means."""
ERROR = re.compile(r"(?:l\d_?)?(?:output_?)?e(?:rr(?:ors?)?)?(?:_?\w\w?)?|diff\w*|resid\w*|res", re.IGNORECASE)
"""What people call the difference of an output and a target."""


def is_number(value: Any) -> bool:
    """Whether it is one finite real number."""
    return is_float(value) and bool(np.isfinite(np.asarray(value)).all())


def is_float(value: Any) -> bool:
    """Whether it is one real number, or none any more: the loss after a training that diverged."""
    return isinstance(value, int | float | np.generic | np.ndarray) and np.size(value) == 1 and (
        np.asarray(value).dtype.kind == "f")


def place_of_loss(result: Any, parts: Sequence[str]) -> int | None:
    """Where the loss stands in what a function returned: the number that is called one, else the first number."""
    if not isinstance(result, tuple | list) or len(result) != len(parts):
        return None
    numbers = [place for place, value in enumerate(result) if is_float(value)]
    called = [place for place in numbers if LOSS.search(parts[place])]
    return next(iter([*called, *numbers]), None)


def is_enough(agreements: int, gradients: int, source: str) -> bool:
    """Whether a loss that nobody wrote may be taken for the one that is meant: half of its gradients agree, or all
    where the source may add a penalty of its own to some.
    """
    return agreements > 0 and (agreements == gradients if PENALTY.search(source) else 2 * agreements >= gradients)


def likeliest(agreements: Sequence[int], gradients: int) -> int:
    """The place of the usual loss that is meant: of those that agree with the most gradients the first; where that is
    not with all, a mean rather than a sum: a mean is what somebody forgets in one place.
    """
    best = max(agreements)
    places = [place for place, count in enumerate(agreements) if count == best]
    means = [place for place in places if place >= SUMS]
    return means[0] if best < gradients and means else places[0]


def usual_losses(out: str, target: str, numpy: str) -> list[str]:
    """Half the squared distance, and cross-entropies of probabilities, as sums and as means of several kinds; of labels
    too.
    """
    of_labels = f"-{numpy}.sum({numpy}.log({out}[{numpy}.arange(len({target})), {target}]))"
    of_columns = f"-{numpy}.sum({numpy}.log({out}[{target}, {numpy}.arange(len({target}))]))"
    hot_rows = f"{numpy}.sum(({out} - {numpy}.eye({out}.shape[-1])[{target}]) ** 2)"
    hot_columns = f"{numpy}.sum(({out} - {numpy}.eye(len({out}))[:, {target}]) ** 2)"
    sums = [*sums_of(out, target, numpy), of_labels, of_columns,
            f"0.5 * {hot_rows}", hot_rows, f"0.5 * {hot_columns}", hot_columns]
    assert len(sums) == SUMS
    counts = [f"len({target})", f"{target}.shape[-1]", f"{numpy}.size({target})"]
    return [*sums, *(f"{one} / {count}" for one in sums for count in counts)]


def sums_of(out: str, target: str, numpy: str, weight: str = "") -> list[str]:
    """Half the squared distance, all of it, and cross-entropies, as sums; with weights for their entries, or for their
    rows, where some are given: a mask, or ones over a number.
    """
    factor = f"{weight} * " if weight else ""
    both = f"{target} * {numpy}.log({out}) + (1 - {target}) * {numpy}.log(1 - {out})"
    squares = f"{numpy}.sum({factor}({out} - {target}) ** 2)"
    return [f"0.5 * {squares}", squares, f"-{numpy}.sum({factor}{target} * {numpy}.log({out}))",
            f"-{numpy}.sum({factor}({both}))" if weight else f"-{numpy}.sum({both})"]


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of what is no array too: that of nothing for lists of arrays of unlike shapes, as activations are.

    >>> shape_of([1.0, 2.0]), shape_of([np.ones(2), np.ones((2, 2))]), shape_of(None)
    ((2,), (), ())
    """
    try:
        return np.shape(value)
    except ValueError:
        return ()


def is_defined(formula: str, out: Any, target: Any) -> bool:
    """Whether one of the usual losses takes such an output and target: labels are whole numbers, one for each row or
    column. What does not fit would make arrays as large as all samples by all samples before it raises.
    """
    is_of_columns = "[target," in formula or "[:, target]" in formula
    if not (is_of_columns or ", target]" in formula or ")[target]" in formula):
        return True
    shape = shape_of(out)
    is_labels = len(shape_of(target)) == 1 and np.asarray(target).dtype.kind in "iu"
    return is_labels and len(shape) == 2 and shape[int(is_of_columns)] == len(target)


def can_compare(out: Any, target: Any) -> bool:
    """Whether an output may be compared with a target: as many samples in rows, or labels of as many in columns, or one
    number each.
    """
    one, other = shape_of(out), shape_of(target)
    are_numbers = set(one) | set(other) <= {1}
    return one[:1] == other[:1] or (len(other) == 1 < len(one) and one[-1:] == other) or are_numbers


def is_label(out: Any, target: Any) -> bool:
    """Whether a target is a place in an output, of one sample: ``-log(out[target])`` is its loss.

    >>> is_label(np.ones(4), 3), is_label(np.ones(4), 4), is_label(np.ones((4, 1)), 3), is_label(np.ones(4), np.ones(4))
    (True, False, False, False)
    """
    return type(target) in (int, np.int64) and len(shape_of(out)) == 1 and 0 <= target < len(out)


def turned(out: Any, target: Any) -> str | None:
    """What is written after a target so that an output can be compared with it; None where nothing does.

    >>> turned(np.ones((4, 1)), np.ones(4)), turned(np.ones((2, 4)), np.ones((4, 2))), turned(np.ones(4), np.ones(4))
    ('[:, None]', '.T', '')
    """
    shape, other = shape_of(out), shape_of(target)
    if len(other) == 1 and len(shape) == 2 and 1 in shape and other[0] == np.size(out) > 1:  # the one beside the other
        return "[:, None]" if shape[1] == 1 else "[None]"  # would be all by all
    if len(other) == 2 and other[::-1] == shape != other:
        return ".T"
    return "" if can_compare(out, target) else None
