"""What each statement made, and what it passed to user code, in one run: statements run under a hook go in."""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Collection
from types import FrameType
from typing import Any

import numpy as np

from einbackprop.core.nesting import root
from einbackprop.diagnosis.experiments import Made, flat, numbers, shape_of, shapes_of
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.versions import mangled
from einbackprop.diagnosis.vocabulary.hand import value_of


class Recording:
    """A watcher that writes down what every statement makes.

    Attributes
    ----------
    handed : dict of Site to Site
        The arguments that user code was called with, and the first statement that ran there.
    """

    def __init__(self) -> None:
        self.sites: Collection[Site] | None = None
        self.made_by: dict[Site, Made] = {}
        self.handed: dict[Site, Site] = {}
        self.fired = 0
        self._open: list[tuple[Site, int]] = []
        self._known: dict[int, Any] = {}
        self.contents: set[bytes] = set()

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """A statement made a value."""
        self.fired += 1
        depth = depth_of(frame)
        for other, outer in self._open:
            if outer < depth:
                self.handed.setdefault(other, site)
        self._open = [one for one in self._open if site.is_passed and one[1] == depth]
        if site.is_passed:
            self._open.append((site, depth))
        if site not in self.made_by:
            self.made_by[site] = Made(site, self.fired, depth=depth, whole=value, into=shape_written_to(site, frame))
        entry = self.made_by[site]
        parts = list(numbers(value))
        entry.values.append(flat(value))
        content = entry.values[-1].tobytes()
        views = bool(parts) and all(isinstance(p, np.ndarray) and id(root(p)) in self._known for p in parts)
        entry.passes &= views or content in self.contents
        entry.shapes.append(tuple(shape_of(part) for part in parts))
        for part in parts:
            if isinstance(part, np.ndarray):
                entry.entangled |= part.base is not None or id(part) in self._known
                if not site.is_passed:
                    self._known[id(part)] = part
                    self._known[id(root(part))] = root(part)
        if not site.is_passed:  # what is only passed is made by no statement
            self.contents.add(content)
        return value

    def by_statements(self) -> list[Made]:
        """What statements made, and the floats that they passed to user code, in the order in which they ran first."""
        kept = [made for made in self.made_by.values() if not made.site.is_passed or self._is_handed(made)]
        return sorted(kept, key=lambda made: made.first)

    def _is_handed(self, made: Made) -> bool:
        kinds = [np.asarray(part).dtype.kind for part in numbers(made.whole)]
        return made.site in self.handed and not {"f", "c"}.isdisjoint(kinds)


def shape_written_to(site: Site, frame: FrameType) -> tuple[int, ...] | None:
    """The shape of what a statement adds a value to, or of the part of an array that it writes one to."""
    targets = getattr(site.statement, "targets", None) or [getattr(site.statement, "target", None)]
    is_whole = len(targets) == 1 and getattr(site.statement, "value", None) is site.value
    if not is_whole or not (site.is_update or isinstance(targets[0], ast.Subscript)):
        return None
    held = value_of(mangled(targets[0], site.inside), ChainMap(frame.f_locals, frame.f_globals))
    return np.shape(held) if isinstance(held, np.ndarray | np.generic) else None


def depth_of(frame: FrameType | None) -> int:
    """How many functions are called in one another."""
    depth = 0
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


def is_handed_on(made: Made, gradient: object) -> bool:
    """Whether what a statement made is what is returned as a gradient."""
    is_alike = list(made.shapes[0]) == shapes_of(gradient)
    return is_alike and np.array_equal(made.values[0], flat(gradient), equal_nan=True)
