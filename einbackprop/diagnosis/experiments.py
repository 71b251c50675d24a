"""Experiments: the user's gradients run at one state, as they are, with values shifted, or with other source.

In go the user's two functions, a state and the true gradients there; out come the gradients of each experiment, and
whether they are right. Nothing is read but what the functions return and what their statements make.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field
from functools import cached_property
from math import prod
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einbackprop.checking.answers import User
from einbackprop.checking.certifying import Reference, Slope, number, widened
from einbackprop.checking.comparing import DIRECTIONS
from einbackprop.checking.matching import Target
from einbackprop.core.nesting import Path, duplicate, rebuild
from einbackprop.core.records import dataclass
from einbackprop.diagnosis.hooks import Site, Watcher
from einbackprop.errors import ScriptError
from einbackprop.world import Raised
from einbackprop.world.ownership import is_users

Array = NDArray[np.float64]
Gradients = dict[str, Any]
CLOSE = 1e-6
"""How far a gradient may be from the true one, relative to its largest entry."""
EXACT = 1e-9
"""The same where the true one is known to rounding, and a gradient is off by less than that."""
NARROW = 1e-3
"""The same where the code computes in float32."""
FLOOR = 1e-10
"""The same relative to the largest gradient: one that is zero for every value has rounding noise of that size."""
MANY = 200
"""Entries beyond which a derived gradient is taken for the true one, if it is that along some random directions; of a
loss of which differences have to be taken so is any."""
SAME = 1e-9
"""How far two gradients that are the same may be apart: rounding moves as much."""
DEEPEST = 4
"""Containers in containers of which a value may consist."""


class Experiment:
    """The user's gradients at one state.

    Parameters
    ----------
    user : User
    state : nested arrays
    paths : tuple of Path
        What the gradients are taken of.
    rng : Generator
    derived : callable
        Gives what is derived from the loss as it was read, at a state, by path; nothing of a loss that was not read.
    trusted : set of target name
        The targets whose gradients are right at states such as this.
    is_sketched : bool
        Whether gradients are compared along random directions alone, where slopes are known well enough: of many
        entries that takes a hundredth of the time.

    Attributes
    ----------
    truth : dict of target name to array
        The gradients of the loss, by the black box's reference.
    shapes : dict of target name to tuple of int
    loss : float
    raised : BaseException or None
        What the user's code raised in the last run.
    runs : int
        How many times the gradients were run.
    strict : bool
        Whether a gradient with an axis of size 1 too many, or too few, is wrong.
    loose : frozenset of target name
        The targets whose gradient has such an axis as it stands.
    """

    raised: BaseException | None = None
    runs: int = 0
    strict: bool = False
    loose: frozenset[str] = frozenset()

    def __init__(
        self, user: User, state: Any, paths: tuple[Path, ...], rng: np.random.Generator,
        derived: Callable[[Any], Mapping[Path, Array]] = lambda state: {}, trusted: Set[str] = frozenset(),
        is_sketched: bool = False,
    ) -> None:  # fmt: skip
        self.user, self._rng = user, rng
        self.state = state if user.narrow else rebuild(state, widened)
        reference = next((known for known in user.references if known.state is state), None)
        if reference is None:
            reference = Reference(user.loss, state, paths, rng, user.narrow_loss, user.survived)
        self.loss, self._reference = reference.value, reference
        self.shapes = {target.name: tuple(target.shape) for target in user.targets}
        self._derived, self._trusted = derived, trusted
        self.tolerance = NARROW if user.narrow else CLOSE
        self.is_exact = reference.analytic and not user.narrow
        # all of it now: what is asked for later would be of code that is edited, and of a loss perhaps
        self._slopes = {target.name: self._slopes_of(target) for target in user.targets} if is_sketched else {}
        if not self._slopes or not all(map(are_sure, self._slopes.values())):
            self._slopes = {}
            _ = self.truth

    @cached_property
    def truth(self) -> dict[str, Array]:
        targets, raised = self.user.targets, self.raised
        own = (self.run() if self._trusted else None) or {}
        self.raised = raised
        known = {t.path: np.asarray(own[t.name]) for t in targets
                 if t.name in self._trusted and t.name in own and np.shape(own[t.name]) == t.shape}  # fmt: skip
        is_long = sum(map(prod, self.shapes.values())) > MANY or not self._reference.analytic
        known |= self._derived(self.state) if is_long else {}
        return {t.name: true_gradient(self._reference, t.path, known.get(t.path), self._rng) for t in targets}

    @cached_property
    def largest(self) -> float:
        """The largest entry of all true gradients."""
        return max((float(np.abs(g).max(initial=0.0)) for g in self.truth.values()), default=0.0)

    def _slopes_of(self, target: Target) -> list[tuple[Array, Slope]]:
        """Some directions, and the slopes of the loss along them."""
        ways = [self._rng.normal(size=target.shape) for _ in range(DIRECTIONS)]
        return [(way, self._reference.slope({target.path: way})) for way in ways]

    def run(self) -> Gradients | None:
        """The gradients, by target; None where the code raises or refuses."""
        self.raised = None
        self.runs += 1
        try:
            returned = self.user.gradients(duplicate(self.state))
            return dict(self.user.matched(returned, self.state, self.loss).values)
        except Raised as raised:
            self.raised = raised.error
            return None
        except EndlessError as error:
            self.raised = error
            return None
        except ScriptError:
            return None

    def keeps_loss(self) -> bool:
        """Whether the loss, which is trusted, is what it was."""
        try:
            return bool(np.isclose(number(self.user.loss(duplicate(self.state))).real, self.loss, rtol=1e-9))
        except (Raised, EndlessError, ScriptError, TypeError, ValueError):  # it raises, or is no number any more
            return False

    def gap(self, gradients: Gradients, names: Iterable[str]) -> Gradients:
        """By how much some gradients, which have the shapes of the true ones, are off."""
        wanted = {name: self.truth[name] for name in names}
        return {n: t - np.asarray(gradients[n], dtype=np.float64).reshape(t.shape) for n, t in wanted.items()}

    def off(self, gradients: Gradients, names: Iterable[str]) -> float:
        """By how much some gradients are off at most, of the largest entry of each true one; infinitely where they have
        no values or other shapes, or where the true ones are only known along some directions."""
        if self._slopes or not all(self.has_shape(name, gradients) for name in names):
            return np.inf
        gaps = self.gap(gradients, names)
        largest = {name: float(np.abs(self.truth[name]).max(initial=0.0)) or 1.0 for name in gaps}
        return max((float(np.abs(by).max(initial=0.0)) / largest[name] for name, by in gaps.items()), default=0.0)

    def wrong(self, gradients: Gradients | None) -> frozenset[str]:
        """The names of the gradients that are not the true ones; all of them where there are none."""
        if gradients is None:
            return frozenset(self.shapes)
        return frozenset(name for name in self.shapes if not self.is_right(name, gradients.get(name)))

    def is_right(self, name: str, value: Any) -> bool:
        """Whether a gradient is the true one."""
        array = np.zeros(self.shapes[name]) if value is None else np.asarray(value)
        if array.dtype.kind not in "biuf" or not self.fits(array, name):
            return False
        array = np.asarray(array, dtype=np.float64).reshape(self.shapes[name])
        if self._slopes:
            return self._is_along(name, array)
        return float(np.abs(array - self.truth[name]).max(initial=0.0)) <= self.allowed(name)  # nan is not

    def _is_along(self, name: str, array: Array) -> bool:
        """Whether a gradient is the true one along some directions."""
        steepest = max(abs(slope.value) for slopes in self._slopes.values() for _, slope in slopes)
        allowed = self.tolerance * float(np.linalg.norm(array)) + FLOOR * steepest
        return all(abs(slope.value - float(np.sum(way * array))) <= allowed + slope.error
                   for way, slope in self._slopes[name])  # fmt: skip

    def fits(self, array: Any, name: str) -> bool:
        """Whether a gradient has the shape of the true one; axes of size 1 may be more or less, unless that counts."""
        shape, true = np.shape(array), self.shapes[name]
        return shape == true if self.strict else plain(shape) == plain(true)

    def keeps_shapes(self, gradients: Gradients) -> bool:
        """Whether gradients have the shapes of the true ones, but where axes of size 1 were more or less before."""
        return all(name in gradients and np.shape(gradients[name]) == shape
                   for name, shape in self.shapes.items() if name not in self.loose)  # fmt: skip

    def allowed(self, name: str) -> float:
        """How far a gradient may be from the true one."""
        return self.tolerance * float(np.abs(self.truth[name]).max(initial=0.0)) + FLOOR * self.largest

    def alike(self, one: Any, other: Any) -> bool:
        """Whether two gradients of one target are the same, to rounding."""
        if one is None or other is None:
            return one is other
        a, b = np.asarray(one), np.asarray(other)
        if a.shape != b.shape:
            return False
        scale = float(np.abs(a).max(initial=0.0)) + float(np.abs(b).max(initial=0.0))
        return bool(np.allclose(a, b, rtol=0, atol=SAME * scale + 0.1 * FLOOR * self.largest, equal_nan=True))

    def has_shape(self, name: str, gradients: Gradients) -> bool:
        """Whether a gradient has the shape of what it is the gradient of."""
        value = gradients.get(name)
        return value is not None and self.fits(value, name)


def are_sure(slopes: Sequence[tuple[Array, Slope]]) -> bool:
    """Whether slopes are known well enough to tell gradients by."""
    largest = max(abs(slope.value) for _, slope in slopes)
    return all(slope.error <= CLOSE * largest for _, slope in slopes)


def true_gradient(reference: Reference, path: Path, derived: Array | None, rng: np.random.Generator) -> Array:
    """The gradient of a loss: what was derived, or is known as right, where it is that along random directions, and
    they are fewer than its entries; else entry by entry."""
    if derived is not None and derived.size > DIRECTIONS:
        allowed = CLOSE * float(np.linalg.norm(derived))
        ways = [rng.normal(size=derived.shape) for _ in range(DIRECTIONS)]
        slopes = [(reference.slope({path: way}), float(np.sum(way * derived))) for way in ways]
        if all(abs(slope.value - along) <= allowed + slope.error <= 2 * allowed for slope, along in slopes):
            return derived
    return reference.gradient(path, CLOSE)


class EndlessError(BaseException):
    """The code runs far more lines than it did before it was edited. What the user's code catches is no such error:
    Python takes away the function that counts lines once that has raised."""


@dataclass
class Limit:
    """How many lines the user's code may run, and how many it has run."""

    lines: float
    ran: int = 0


LIMITS: list[Limit] = []
"""Those that hold now, the outer ones before the inner ones."""


@contextlib.contextmanager
def limited(lines: float) -> Iterator[Callable[[], int]]:
    """Let the user's code run so many lines, then raise `EndlessError` in it; what is given tells how many it has run.

    Several hold at once, one inside the other. Where a debugger or a measure of coverage traces the code there is no
    limit, and no line is counted.
    """
    limit = Limit(lines)
    if sys.gettrace() not in (None, entered):
        yield lambda: 0
        return
    LIMITS.append(limit)
    sys.settrace(entered)
    try:
        yield lambda: limit.ran
    finally:
        LIMITS.pop()
        sys.settrace(entered if LIMITS else None)


def entered(frame: FrameType, event: str, _: Any) -> Any:
    """What Python calls as a function begins: lines of the user's functions are counted."""
    return counted if is_users(frame.f_code.co_filename) else None


def counted(frame: FrameType, event: str, _: Any) -> Any:
    """What Python calls at each line of a function that is traced."""
    if event == "line":
        for limit in LIMITS:
            limit.ran += 1
            if limit.ran > limit.lines:
                raise EndlessError("the loop does not end")
    return counted


def plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its axes of size 1."""
    return tuple(size for size in shape if size != 1)


# Values that statements make


def is_number(value: Any) -> bool:
    """Whether a value is an array of numbers, or a number; True and False alone are none."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in ("fiubc" if isinstance(value, np.ndarray) else "fiuc")
    return isinstance(value, float | int | complex) and not isinstance(value, bool)


class ComplexShape(tuple[int, ...]):
    """The shape of complex numbers as real ones: with an axis more, of the real and the imaginary part."""


def real_parts(part: Any) -> Array:
    """An array or a number as real numbers; of complex ones the real and the imaginary parts along one axis more."""
    if np.iscomplexobj(part):
        return np.stack([np.real(part), np.imag(part)], -1)
    return np.asarray(part, dtype=np.float64)


def shape_of(part: Any) -> tuple[int, ...]:
    """The shape of an array or a number as real numbers."""
    return ComplexShape((*np.shape(part), 2)) if np.iscomplexobj(part) else np.shape(part)


def numbers(value: Any, depth: int = 0) -> Iterator[Any]:
    """The arrays and numbers in a value: itself, or the entries of tuples, lists and dicts."""
    if is_number(value):
        yield value
    elif depth < DEEPEST and type(value) in (tuple, list, dict):
        for item in value.values() if type(value) is dict else value:
            yield from numbers(item, depth + 1)


def shapes_of(value: Any) -> list[tuple[int, ...]]:
    """The shapes of the arrays and numbers in a value."""
    return [shape_of(part) for part in numbers(value)]


def with_numbers(value: Any, others: Iterator[Any], depth: int = 0) -> Any:
    """The value with others in the place of its arrays and numbers."""
    if is_number(value):
        return next(others)
    if depth < DEEPEST and type(value) in (tuple, list):
        return type(value)(with_numbers(item, others, depth + 1) for item in value)
    if depth < DEEPEST and type(value) is dict:
        return {key: with_numbers(item, others, depth + 1) for key, item in value.items()}
    return value


def shifted(part: Any, by: Array) -> Any:
    """An array or a number with something added; a mask or an integer becomes a float where that is not zero."""
    if np.iscomplexobj(part):
        real, imaginary = np.moveaxis(by.reshape(shape_of(part)), -1, 0)
        moved = np.asarray(part) + (real + 1j * imaginary)
        return moved.astype(part.dtype) if isinstance(part, np.ndarray) else complex(moved)
    is_float = np.asarray(part).dtype.kind == "f"
    if not is_float and not by.any():
        return np.copy(part) if isinstance(part, np.ndarray) else part
    moved = np.asarray(part, dtype=np.float64) + by.reshape(np.shape(part))
    if isinstance(part, np.ndarray):
        return moved.astype(part.dtype) if is_float else moved
    return float(moved)


def flat(value: Any) -> Array:
    """All numbers of a value, one after the other."""
    parts = [real_parts(part).ravel() for part in numbers(value)]
    return np.concatenate(parts) if parts else np.zeros(0)


@dataclass(eq=False)
class Made:
    """What a statement made, each time that it ran.

    Attributes
    ----------
    site : Site
    values : list of array
        The numbers of each run, one after the other.
    shapes : list of tuple of shapes
    entangled : bool
        Whether a value was a view of other memory, or an array that another statement had made.
    depth : int
        How many functions are called in one another there.
    passes : bool
        Whether it made nothing that was not there before, as ``return dx`` does.
    first : int
        How many values were made before the first one.
    into : tuple of int or None
        The shape of what it is added to, or of the part of an array that it is written to.
    """

    site: Site
    first: int
    values: list[Array] = field(default_factory=list)
    shapes: list[tuple[tuple[int, ...], ...]] = field(default_factory=list)
    entangled: bool = False
    passes: bool = True
    depth: int = 0
    whole: Any = None
    into: tuple[int, ...] | None = None

    @property
    def entries(self) -> int:
        """How many numbers it made in all."""
        return sum(value.size for value in self.values)

    @property
    def is_complex(self) -> bool:
        """Whether some of them are parts of complex numbers."""
        return any(isinstance(shape, ComplexShape) for shapes in self.shapes for shape in shapes)

    @property
    def is_finite(self) -> bool:
        """Whether all of them are finite numbers."""
        return all(bool(np.isfinite(value).all()) for value in self.values)

    @property
    def is_zero(self) -> bool:
        """Whether all of them are zero: others may add to it."""
        return not any(np.any(value) for value in self.values)

    @property
    def largest(self) -> float:
        """The largest of them."""
        largest = max((float(np.abs(value).max(initial=0.0)) for value in self.values), default=0.0)
        return largest if np.isfinite(largest) else 0.0


def real_shapes(every: Iterable[Made]) -> set[tuple[int, ...]]:
    """The shapes of all arrays of real numbers that statements made."""
    shapes = (shape for made in every for run in made.shapes for shape in run)
    return {shape for shape in shapes if not isinstance(shape, ComplexShape)}


class Shift:
    """A watcher that adds something to the numbers that one statement makes, run after run.

    Parameters
    ----------
    by : mapping of Site to array
        For all runs, one after the other; what is too short goes on with zeros.
    grown : mapping of Site to shape
        The shapes to which values are broadcast first.

    Attributes
    ----------
    seen : dict of Site to list of array
        The numbers as they are with that.
    """

    def __init__(self, by: Mapping[Site, Array], grown: Mapping[Site, tuple[int, ...]] | None = None) -> None:
        self.by, self.grown, self.sites = by, grown or {}, by.keys()
        self.seen: dict[Site, list[Array]] = {site: [] for site in by}
        self._at = dict.fromkeys(by, 0)

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """A statement made a value."""
        by, parts = self.by[site], []
        for part in numbers(value):
            if site in self.grown:
                part = np.broadcast_to(np.asarray(part), self.grown[site])
            size, start = prod(shape_of(part)), self._at[site]
            self._at[site] += size
            delta = by[start : start + size]
            if delta.size < size:
                delta = np.concatenate([delta, np.zeros(size - delta.size)])
            parts.append(shifted(part, delta))
            self.seen[site].append(np.array(real_parts(parts[-1])).ravel())  # it may be written to
        return with_numbers(value, iter(parts))


def copied(value: Any) -> Any:
    """A value with copies of its arrays: what is written into one is not written into the other."""
    return with_numbers(value, (np.copy(p) if isinstance(p, np.ndarray) else p for p in numbers(value)))


class Put:
    """A watcher that puts other values in the place of those that one statement makes, run after run."""

    def __init__(self, site: Site, values: Sequence[Any]) -> None:
        self.sites, self._values = frozenset({site}), iter(values)

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """A statement made a value."""
        return copied(next(self._values, value))


class Both:
    """Two watchers: the first sees what statements make, the second changes it."""

    def __init__(self, first: Watcher, second: Watcher) -> None:
        self._watchers = first, second
        one, two = first.sites, second.sites
        self.sites = None if one is None or two is None else frozenset((*one, *two))

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """A statement made a value."""
        first, second = (watcher.sites is None or site in watcher.sites for watcher in self._watchers)
        if first:
            self._watchers[0].made(site, value, frame)
        return self._watchers[1].made(site, value, frame) if second else value


def conformed(value: Any, shapes: Sequence[tuple[int, ...]]) -> Array | None:
    """All numbers of a value, broadcast to given shapes, one after the other; None where they cannot be."""
    parts = list(numbers(value))
    if len(parts) != len(shapes):
        return None
    found = []
    for part, shape in zip(parts, shapes, strict=True):
        if isinstance(shape, ComplexShape):
            part = np.asarray(part, dtype=np.complex128)
        elif np.iscomplexobj(part):
            return None
        array = real_parts(part)
        try:  # most have the shape, and broadcasting takes ten times as long
            found.append((array if array.shape == shape else np.broadcast_to(array, shape)).ravel())
        except ValueError:
            return None
    return np.concatenate(found) if found else np.zeros(0)


def stacked(gradients: Gradients, names: Sequence[str]) -> Array:
    """Some gradients in one vector."""
    parts = [np.asarray(gradients[name], dtype=np.float64).ravel() for name in names]
    return np.concatenate(parts) if parts else np.zeros(0)
