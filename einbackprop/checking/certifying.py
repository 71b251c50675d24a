"""The slope of a loss, from the loss alone: the reference that shares no code with a derivative.

Two methods, each with an estimate of its own error. The complex step (Squire and Trapp 1998),
L'(x) = Im L(x + ih) / h, has no truncation error worth the name at h = 2^-80 and subtracts
nothing. It is taken only if the real part of the complex evaluation is the real loss and a random
direction of each array agrees with differences. Else: central differences, extrapolated to h = 0 (Richardson
1911; the choice of the best entry of the tableau is Ridders's, 1982).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import numpy as np

from einbackprop.checking.analytic import (
    SINGLE,
    AnalyticArray,
    RoundedArray,
    bare,
    creating,
    disturbed,
    narrow_noise,
    noisy,
)
from einbackprop.core.nesting import Number, Path, duplicate_array, get, rebuild, replaced
from einbackprop.core.records import dataclass
from einbackprop.core.visible import shown
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

Loss = Callable[[Any], Any]
Directions = Mapping[Path, np.ndarray]

STEP = 2.0**-80  # of the complex step, relative to what moves
AMPLIFICATION = 64.0  # well above the rounding that is there anyway, well below any nonlinearity
SAMPLES, FEW, FEWEST = 6, 3, 2  # noisy runs that show what rounding does: at the first state, at others, of slow code
LEVELS = 10
FIRST_STEP = 2.0**-3
FINE = 2.0**-15  # of the first step
NEAR = 2.0**-10  # of the first step
ENOUGH = 1e-10  # to which differences are refined that are compared with a complex step
ALONE = 2.0**-10  # an array with a slope that is smaller beside the largest has a self-check of its own
FITTED = 12  # differences through which a polynomial is laid
LOST = 2.0**-20  # an entry that is smaller beside the largest would be lost in a step that is right for that one


@dataclass(frozen=True)
class Slope:
    """A derivative along a direction, and how far it may be off."""

    value: float
    error: float

    def agrees(self, other: "Slope", margin: float = 4.0) -> bool:
        """Whether the two are one number as far as their errors can tell."""
        return abs(self.value - other.value) <= margin * (self.error + other.error)


class Reference:
    """Slopes of one loss at one state.

    Parameters
    ----------
    loss
        Takes a copy of the state, returns one number. It may change the copy.
    state
        Nested arrays of any shapes; those at `paths` are what slopes are taken with respect to.
        float32 is cast up, so that the reference is a float64 one where the user's code allows.
    paths
        Where in the state those arrays stand.
    rng
        Draws the directions of the self-check and the rounding noise.
    narrow
        The eps of dtypes narrower than float64 that may round inside the loss, the widest first.
    survived
        Whether the complex step survived the same loss at another state. It is trusted here then, until it is doubted.
    samples
        How many noisy runs show what rounding does.

    Raises
    ------
    ScriptError
        If the loss is not one real number.
    """

    def __init__(
        self, loss: Loss, state: Any, paths: tuple[Path, ...], rng: np.random.Generator,
        narrow: tuple[float, ...] = (SINGLE,),
        survived: bool = False,
        samples: int = SAMPLES,
    ) -> None:  # fmt: skip
        self.narrow, self.samples, self._is_trusted = narrow, samples, survived
        self._known: dict[Path, np.ndarray] = {}
        self._entries: dict[tuple[Path, tuple[int, ...]], Slope] = {}
        self.loss = loss
        self._strictly: Loss = getattr(loss, "strictly", loss)
        self.state = state
        self.paths = paths
        self.rng = rng
        value = loss(rebuild(state, widened))
        self.value = number(value).real
        kind = np.asarray(value).dtype  # of a total in float32 all values near by may be the same: no noise shows then
        self.last = float(np.finfo(kind).eps) if kind in (np.float32, np.float16) else 0.0

    @cached_property
    def rounding(self) -> float:
        """How far rounding can move the loss."""
        return max(self._plain[1], self._narrow)

    @property
    def coarse(self) -> float:
        """The eps of a dtype narrower than float64 that rounds inside the loss; that of float64 where there is none."""
        return max((self.last, *self.narrow[-1:])) if self._narrow else float(np.finfo(float).eps)

    @cached_property
    def _plain(self) -> tuple[float, float]:
        """What one rounding of each operation does to the loss, usually and at most."""
        moved = [self._noisy_value(salt) - self.value for salt in salts(self.rng, self.samples)]
        finite = sorted(abs(move) / AMPLIFICATION for move in moved if np.isfinite(move))
        eps = float(np.finfo(float).eps)
        # in a run or two a narrow dtype rounds the other way; np.median would import np.ma
        usual = finite[len(finite) // 2] if finite else 0.0
        return usual, max(finite, default=0.0) + eps * abs(self.value)

    @cached_property
    def _narrow(self) -> float:
        """How far rounding in a narrow dtype moves the loss, 0 where none shows."""
        def run(state: Any) -> np.ndarray:
            return np.array(self._value(state))

        value, found = np.array(self.value), self.last * abs(self.value)
        for kind in self.narrow:
            usual = np.array(self._plain[0])
            found = max(found, 2 * float(narrow_noise(run, self.state, value, usual, self.rng, kind, widened)))
        return found

    @cached_property
    def analytic(self) -> bool:
        """Whether the complex step survives this loss: the self-check.

        Each array has its say: what a real buffer drops of one must not be lost beside another with a larger slope.
        """
        try:
            gap = abs(self._carried({}, 0.0, AnalyticArray).real - self.value)
            close = 1e-9 * abs(self.value)
            if not (gap <= close or gap <= close + 32 * self.rounding):
                return False
            return self._is_trusted or all(self._survives(direction) for direction in self._checked())
        except (Raised, ScriptError):  # whatever the user's code does with a complex array
            return False

    def doubt(self) -> bool:
        """Check the complex step at this state too, where it was trusted since it survived another one; return whether
        slopes are others now."""
        if not (self._is_trusted and self.analytic):
            return False
        self._is_trusted = False
        del self.analytic
        if not self.analytic:
            self._entries.clear()
        return not self.analytic

    @property
    def method(self) -> str:
        """The name of the method that `slope` uses."""
        return "complex step" if self.analytic else "differences"

    def slope(self, directions: Directions) -> Slope:
        """Return the derivative along a direction by the better method that works here."""
        if not self.analytic:
            return self.difference(directions)
        value = self._complex_step(directions, AnalyticArray)
        return Slope(value, 8 * float(np.finfo(float).eps) * abs(value))

    def entry(self, path: Path, index: tuple[int, ...]) -> Slope:
        """Return the slope of one entry of an array, computed once."""
        if (path, index) not in self._entries:
            self._entries[path, index] = self.slope({path: unit(self._magnitudes(path).shape, index)})
        return self._entries[path, index]

    def gradient(self, path: Path, close: float) -> np.ndarray:
        """Return the slopes of all entries of an array, each to ``close`` of the largest if that can be had."""
        shape = self._magnitudes(path).shape
        slopes = {at: self.entry(path, at) for at in np.ndindex(shape)}
        largest = max((abs(slope.value) for slope in slopes.values()), default=0.0)
        for at, slope in slopes.items():
            if not self.analytic and slope.error > close * largest:  # at a kink near by finer differences know more
                slopes[at] = self.surest({path: unit(shape, at)})
        return np.array([slope.value for slope in slopes.values()]).reshape(shape)

    def refined(self, slope: Slope, directions: Directions) -> Slope:
        """Return the slope with an error that counts rounding inside the loss, measured."""
        if not self.analytic:
            return slope
        kinds = [noisy(AnalyticArray, salt, AMPLIFICATION) for salt in salts(self.rng, self.samples)]
        moved = [abs(self._complex_step(directions, kind) - slope.value) for kind in kinds]
        return Slope(slope.value, slope.error + 8 * max(moved) / AMPLIFICATION)

    def difference(self, directions: Directions, first: float | None = None, enough: float = 0.0) -> Slope:
        """Return the extrapolated central difference, from a first step on, refined until it is known well enough."""
        def ratio(step: float) -> float:
            ahead, behind = self._shifted(directions, step), self._shifted(directions, -step)
            return (ahead - behind) / (2 * step)

        slope = _extrapolated(ratio, 4.0, first or self._first_step(directions), self.rounding, enough)
        if first is not None or not self._narrow:
            return slope
        return min(slope, self._fitted(directions), key=lambda slope: slope.error)

    def _fitted(self, directions: Directions) -> Slope:
        """Return the slope of polynomials through many differences: where the loss is noisy, noise averages out."""
        best = Slope(np.nan, np.inf)
        for widths in range(3):
            reach = self._first_step(directions) * 2.0 ** (2 - widths)
            places = np.arange(1, FITTED + 1) / FITTED
            odd = np.array([self._shifted(directions, reach * x) - self._shifted(directions, -reach * x)
                            for x in places]) / 2
            previous = np.nan
            for degree in range(1, 6):
                inverse = np.linalg.pinv(places[:, None] ** np.arange(1, 2 * degree, 2))[0]
                value = float(inverse @ odd) / reach
                noise = self.rounding * float(np.sqrt(inverse @ inverse)) / reach
                error = abs(value - previous) + noise
                if error < best.error:
                    best = Slope(value, error)
                previous = value
        return best

    def near(self, directions: Directions) -> Slope:
        """Return a central difference at a small step, with what it differs by from that at half of it for its error:
        four runs, for what can be off by a lot.
        """
        step = NEAR * self._first_step(directions)
        first, second = ((self._shifted(directions, size) - self._shifted(directions, -size)) / (2 * size)
                         for size in (step, step / 2))  # fmt: skip
        error = abs(first - second) + 2 * self.rounding / step
        return Slope(second, error if np.isfinite(error) else np.inf)

    def fine(self, directions: Directions) -> Slope:
        """Return the central difference at steps so small that hardly a kink is between them.

        A network of thousands of relu looks smooth from afar: its differences then agree, and are off.
        """
        return self.difference(directions, FINE * self._first_step(directions))

    def one_sided(self, directions: Directions) -> tuple[Slope, Slope]:
        """Return the slopes on the side behind and on the side ahead; at a kink they differ."""
        def ratio(step: float) -> float:
            return (self._shifted(directions, step) - self.value) / step

        first = self._first_step(directions)
        behind = _extrapolated(lambda step: ratio(-step), 2.0, first, 2 * self.rounding)
        return behind, _extrapolated(ratio, 2.0, first, 2 * self.rounding)

    def surest(self, directions: Directions) -> Slope:
        """Return the difference, or the one-sided one if it is more certain: a kink may lie on one side only.

        Central differences whose steps reach across it can agree among themselves, and be wrong: finer ones tell.
        """
        difference, fine = self.difference(directions), self.fine(directions)
        if not difference.agrees(fine):
            return fine
        sides = self.one_sided(directions)
        smooth = np.isfinite(sides[0].error + sides[1].error) and sides[0].agrees(sides[1])
        return min(difference, fine, *(sides if smooth else ()), key=lambda slope: slope.error)

    def _shifted(self, directions: Directions, step: float) -> float:
        state = rebuild(self.state, widened)
        for path, direction in directions.items():
            leaf = get(state, path)
            if isinstance(leaf, np.ndarray):
                leaf += step * direction
            else:
                state = replaced(state, path, leaf + step * float(direction))
        return self._value(state)

    def _value(self, state: Any) -> float:
        try:
            return number(self.loss(state)).real
        except (Raised, ScriptError):  # the user's code may assert something, or refuse array subclasses
            return np.nan

    def _noisy_value(self, salt: int) -> float:
        return self._value(rebuild(self.state, lambda array: rounded(widened(array), salt)))

    def _complex_step(self, directions: Directions, kind: type[AnalyticArray]) -> float:
        step = STEP * self._size(directions)
        return self._carried(directions, step, kind).imag / step

    def _carried(self, directions: Directions, step: float, kind: type[AnalyticArray]) -> complex:
        """Return the loss of complex values; the arrays that the user's code creates, to fill them, are complex too."""
        state = _carrying(self.state, kind, directions, step)
        world = getattr(self.loss, "world", None)
        with nullcontext() if world is None else world.given(creating(kind)):
            return number(self._strictly(state))

    def _size(self, directions: Directions) -> float:
        """The step along a direction that is as large as the smallest of what moves; near enough to it beside much."""
        least, largest = np.inf, 0.0
        for path, direction in directions.items():
            values, moving = self._magnitudes(path), direction.ravel().nonzero()[0]
            if moving.size:
                speed = np.abs(direction.ravel()[moving])
                ratios = values.ravel()[moving] / speed
                if not ratios.all():
                    ratios = ratios[ratios > 0] if ratios.any() else np.array([values.max() / speed.max()])
                least, largest = min(least, float(ratios.min())), max(largest, float(ratios.max()))
        return max(least, largest * 1e-150) if 0 < largest < np.inf else 1.0

    def _magnitudes(self, path: Path) -> np.ndarray:
        if path not in self._known:
            self._known[path] = np.abs(np.asarray(get(self.state, path), dtype=np.float64))
        return self._known[path]

    def _survives(self, directions: Directions) -> bool:
        exact = self._complex_step(directions, AnalyticArray)
        slope = self.difference(directions, enough=ENOUGH)
        if abs(exact - slope.value) <= 4 * slope.error + 1e-9 * abs(exact):
            return True
        slope = self.fine(directions)
        return slope.error <= 1e-3 * abs(exact) and abs(exact - slope.value) <= 4 * slope.error

    def _checked(self) -> Iterator[Directions]:
        """The directions of the self-check: arrays in proportion to their slopes together, those without one alone."""
        one, other = self._random_direction(), self._random_direction()
        slopes = {path: abs(self._complex_step({path: one[path]}, AnalyticArray)) for path in self.paths}
        largest = max(slopes.values(), default=0.0)
        alone = {path for path, slope in slopes.items() if not slope > ALONE * largest}
        for path in alone:
            yield {path: one[path]}
        together = {path: one[path] * (largest / slope) for path, slope in slopes.items() if path not in alone}
        if together:
            yield together
        yield other

    def _random_direction(self) -> Directions:
        """A direction in which all entries of an array move as far as its largest, or, of mixed sizes, as their own."""
        def sized(path: Path) -> np.ndarray:
            values = self._magnitudes(path)
            largest = float(values.max(initial=0.0)) or 1.0
            mixed = bool(np.any((values > 0) & (values < LOST * LOST * largest)))
            size = np.where(values > 0, values, largest) if mixed else np.full(values.shape, largest)
            drawn = self.rng.uniform(-1.0, 1.0, values.shape)
            return size * (0.5 * np.sign(drawn) + 0.5 * drawn)

        return {path: sized(path) for path in self.paths}

    def _first_step(self, directions: Directions) -> float:
        """A step that is moderate for the largest entry that moves, or for a lone one that is far from the largest."""
        sizes = [(self._moving(path, direction), np.abs(direction).max(initial=0))
                 for path, direction in directions.items()]
        value, speed = (max(column) for column in zip(*sizes, strict=True))
        return FIRST_STEP * float(value or 1.0) / float(speed or 1.0)

    def _moving(self, path: Path, direction: np.ndarray) -> float:
        values = self._magnitudes(path)
        largest, moving = float(values.max(initial=0.0)), float(values[direction != 0].max(initial=0.0))
        return moving if 0 < moving < LOST * largest else largest


def unit(shape: tuple[int, ...], index: tuple[int, ...]) -> np.ndarray:
    """Return the direction of one entry."""
    direction = np.zeros(shape)
    direction[index] = 1.0
    return direction


def widened(array: np.ndarray) -> Any:
    """Return a copy, of at least double precision if it is of floats."""
    if array.dtype.kind != "f" or type(array) is Number:
        return duplicate_array(array)
    return array.astype(np.result_type(array.dtype, np.float64), order="K")


def rounded(array: Any, salt: int) -> Any:
    """Return a float array as a noisy one, itself off by as much; integers and labels as they are.

    Values that are whole numbers stay: a mask, a one-hot row or a label beside other data is exact.
    """
    if not isinstance(array, (np.ndarray, float)) or np.asarray(array).dtype.kind != "f":
        return array
    array = np.asarray(array)
    moved = np.where(array == np.rint(array), array, disturbed(array, salt, AMPLIFICATION))
    return moved.view(noisy(RoundedArray, salt, AMPLIFICATION))


def salts(rng: np.random.Generator, count: int = SAMPLES) -> list[int]:
    """Return the salts of as many noisy runs as an estimate of rounding takes."""
    return [int(salt) for salt in rng.integers(2**63, size=count)]


def _carrying(state: Any, kind: type[AnalyticArray], directions: Directions, step: float) -> Any:
    """Copy the state with every float array complex, a step along the directions in the imaginary parts."""
    def convert(array: np.ndarray) -> Any:
        if array.dtype.kind != "f":
            return duplicate_array(array)
        return array.astype(np.result_type(array.dtype, np.complex128), order="K").view(kind)

    copied = rebuild(state, convert)
    for path, direction in directions.items():
        bare(get(copied, path)).imag[...] = step * direction
    return copied


def number(result: Any) -> complex:
    """Return what a loss returned as one number; ScriptError if it is none."""
    try:
        values = np.asarray(bare(result))
    except ValueError as error:  # lists that are no rectangle, or nest too deeply
        raise ScriptError(f"the loss must be one number, but it is {shown(result)}") from error
    if values.size != 1 or values.dtype.kind not in "biufc":
        if callable(result):
            raise ScriptError("the loss must be one number, but it is a function: call it, as in loss(W, X)")
        what = f"an array of shape {values.shape}: take its mean or sum" if values.size != 1 else shown(result)
        raise ScriptError(f"the loss must be one number, but it is {what}")
    return complex(values.reshape(())[()])


def _extrapolated(
    ratio: Callable[[float], float], order: float, step: float, rounding: float, enough: float = 0.0
) -> Slope:
    """Extrapolate difference ratios at halved steps to step 0, and keep the most certain one, or the first that is
    known to ``enough`` of itself.

    `order` is the factor by which the leading error falls as the step is halved: 4 for central
    ratios, 2 for one-sided ones. A column removes one power of it.
    """
    best = Slope(np.nan, np.inf)
    previous: list[float] = []
    for _ in range(LEVELS):
        row = [ratio(step)]
        noise = 2 * rounding / step
        for column, coarse in enumerate(previous):
            row.append(row[-1] + (row[-1] - coarse) / (order ** (column + 1) - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - coarse)) + noise
            if error < best.error:
                best = Slope(row[-1], error)
        if noise > best.error or best.error <= enough * abs(best.value):
            break
        previous, step = row, step / 2
    return best
