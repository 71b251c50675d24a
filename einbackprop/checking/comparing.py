"""One gradient array compared with the reference at one state: whether it agrees, differs, or that cannot be told.

The tolerance is rounding, measured: the user's function is run a few times on arrays whose every
operation errs by a known number of eps; what that does to an entry tells what one eps does to it,
whatever cancels inside. There is no absolute tolerance. What is beyond it differs only if differences of the loss,
which share nothing with the complex step, contradict the user as well. What that means for the verdict on the gradient
stands in `verdicts`.

The complex step is as exact along a direction as it is at one entry, so that three directions in which each entry of
all arrays counts by its own rounding tell as much as all entries one by one. Where something differs along one, each
array has directions of its own, and a small one is compared entry by entry. Differences of the loss are not so exact:
with them each entry is compared, of a large array a few.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Literal

import numpy as np

from einbackprop.checking.certifying import AMPLIFICATION, Directions, Reference, Slope, unit
from einbackprop.core.nesting import Path
from einbackprop.core.records import dataclass

Found = Literal["agrees", "differs", "kink", "uncertain"]
MARGIN = 32.0  # units of measured rounding that a correct gradient may be off
ROUGH = 16.0  # standard deviations of noise that a correct gradient may be off: they are estimated from few values
DOUBT = 4.0  # how many times its own error estimate the reference may be off
BLUNT = 9e-7  # differences alone accuse nothing that is closer than this, relative to the entry
ZERO = 1e-6  # of what cancels in it: an entry that is smaller may be rounding alone
SEEN = 5e-5  # a mistake that must show, relative to the largest entry,
SEEN_ROUNDINGS = 50.0  # or in roundings of the loss
ENTRIES = 200  # arrays up to this size are compared entry by entry, if not more
MOST_LINES = 40_000  # of the user's run for that in the loss, at one draw and if all gradients are so large
RUNS = {"complex step": 1, "differences": 6}  # of the loss for the slope of one entry
SAMPLED = 6
DIRECTIONS = 3
FAINT = 2.0**-60  # of the largest rounding in an array: a smaller one weighs no more in a direction
NEAR = 0.01
"""How far a difference may be from the complex step, beside what is yours, for there to be no kink."""
PLAIN = 1e6  # times more than rounding of what is returned: no rounding inside the loss makes up for that
NOTHING = 32.0  # times the error of an entry that is 0 within it: a smaller reference is rounding of what cancels
SETTLED = 8  # how many of the entries that disagree are looked into before giving up


def affordable(method: str, lines: int) -> int:
    """Up to how many entries of an array are all compared, by a method; ``lines`` is how many of the user's run for one
    of each gradient, by the complex step."""
    return max(min(ENTRIES, MOST_LINES // (lines * RUNS[method])), SAMPLED)


@dataclass(frozen=True)
class Returned:
    """What the user's function returned for one array, and what rounding does to it.

    `values` has the array's shape, in float64; `disturbed` are the values of the noisy runs, of
    shape (runs, *shape); `eps` is that of the dtype that was returned, or of a narrower one on the way, whose noise in
    each entry is `rough`; `coarsest` is that of the narrowest dtype of what goes in, by which noisy runs are disturbed.
    """

    values: np.ndarray
    disturbed: np.ndarray
    eps: float
    rough: np.ndarray | None = None
    coarsest: float = 0.0

    @property
    def plain(self) -> np.ndarray:
        """What one rounding in the dtypes of all results does to each entry."""
        moves = np.abs(self.disturbed - self.values)
        moves = np.sort(np.where(np.isfinite(moves), moves, 0.0), axis=0)
        return np.asarray(moves[len(moves) // 2] / AMPLIFICATION) if len(moves) else np.zeros(self.values.shape)

    def rougher(self, noise: np.ndarray, eps: float) -> "Returned":
        """The same, with noise of each entry that comes from a narrower dtype on the way."""
        rough = noise if self.rough is None else np.maximum(self.rough, noise)
        return replace(self, rough=rough, eps=max(eps, self.eps))

    def along(self, direction: np.ndarray) -> Slope:
        """Return the user's slope along a direction, and how far rounding may have moved it."""
        moving = direction != 0
        values, weights = self.values[moving], direction[moving]
        slope = float(values @ weights)
        moves = (self.disturbed[:, moving] - values) @ weights
        moves = np.sort(np.abs(moves[np.isfinite(moves)]))  # in a run or two a branch may flip
        spread = float(moves[len(moves) // 2]) / AMPLIFICATION if len(moves) else 0.0
        if self.rough is not None:
            spread += float(np.hypot.reduce(self.rough[moving] * weights, axis=None)) * ROUGH / MARGIN
        return Slope(slope, MARGIN * spread + 8 * self.eps * float(np.abs(values) @ np.abs(weights)))


@dataclass(frozen=True)
class Outcome:
    """What one comparison found, and the entry on which that rests (where all agree, the one that is most off).

    `max_error` is relative to the largest entry, `roundings` in units of the rounding that is measured there.
    """

    found: Found
    index: tuple[int, ...]
    yours: float
    expected: float
    max_error: float
    roundings: float


@dataclass(frozen=True)
class _Probe:
    """One comparison: an entry, or (index None) a random direction over all entries."""

    index: tuple[int, ...] | None
    direction: np.ndarray
    yours: Slope
    reference: Slope

    @property
    def excess(self) -> float:
        """The difference as a multiple of what is allowed; infinite where there is no number."""
        allowed = self.yours.error + DOUBT * self.reference.error
        gap = abs(self.yours.value - self.reference.value)
        if not np.isfinite(gap) or allowed == 0 < gap:
            return np.inf
        return gap / allowed if gap > 0 else 0.0


def agree_together(reference: Reference, yours: Mapping[Path, Returned], rng: np.random.Generator) -> bool:
    """Whether all of some gradients agree with the reference along directions through all of them.

    Parameters
    ----------
    reference
        Of the loss at this draw.
    yours
        The user's values by where the arrays stand in the state.
    rng
        Draws the directions.
    """
    if not reference.analytic:
        return False
    for directions in balanced(yours, rng):
        sides = [yours[path].along(direction) for path, direction in directions.items()]
        along = Slope(sum(side.value for side in sides), sum(side.error for side in sides))
        if _Probe(None, np.zeros(0), along, reference.slope(directions)).excess > 1:
            return False
    return True


def balanced(yours: Mapping[Path, Returned], rng: np.random.Generator) -> Iterator[dict[Path, np.ndarray]]:
    """Directions in which what is off in any entry shows: each is weighed by its rounding, so that a small one is not
    lost beside large ones. The second is the first backwards: of entries that tie for a maximum others rise alone then.
    """
    noise = {path: one.plain + one.eps * np.abs(one.values) for path, one in yours.items() if one.values.size}
    largest = max((float(each.max()) for each in noise.values()), default=0.0)
    least = FAINT * largest if 0 < largest < np.inf else np.inf  # where nothing is known all count alike
    weights = {path: 1 / np.clip(each / least, 1.0, None) for path, each in noise.items()}

    def drawn() -> dict[Path, np.ndarray]:
        return {path: rng.uniform(0.5, 1.5, each.shape) * rng.choice([-1.0, 1.0], each.shape) * each
                for path, each in weights.items()}  # fmt: skip

    first = drawn()
    yield from (first, {path: -direction for path, direction in first.items()}, drawn())


def compare(
    reference: Reference, path: Path, yours: Returned, rng: np.random.Generator, entries: int = ENTRIES,
    *, agrees: bool = False,
) -> Outcome:  # fmt: skip
    """Compare one gradient with the reference, at the reference's state.

    Parameters
    ----------
    reference
        Of the loss at this draw.
    path
        Where the array stands in the state.
    yours
        The user's values, of the array's shape.
    rng
        Draws the entries and directions of large arrays.
    entries
        Up to so many entries an array is not large, and all are compared.
    agrees
        Whether it is known to agree along directions with others: then its largest entry is compared, and another one.
    """
    size = yours.values.size
    if not size:
        return Outcome("agrees", (), 0.0, 0.0, 0.0, 0.0)

    def probed(chosen: Iterator[tuple[tuple[int, ...] | None, np.ndarray]]) -> list[_Probe]:
        return [_probe(reference, path, yours, index, direction) for index, direction in chosen]

    probes: list[_Probe] = []
    if agrees:
        probes = probed(_sample(yours, rng, min(entries, 2)))
        agrees = all(probe.excess <= 1 for probe in probes)
    if not agrees and size > SAMPLED and reference.analytic:
        ways = ((None, directions[path]) for directions in balanced({path: yours}, rng))
        probes = probed(chain(_sample(yours, rng, min(entries, SAMPLED)), ways))
    elif not agrees:
        probes = []
    if not probes or (size <= entries and any(probe.excess > 1 for probe in probes)):
        probes = probed(_directions(yours.values.shape, rng, entries))
    suspects = sorted((p for p in probes if p.excess > 1), key=lambda p: -p.excess)[:SETTLED]
    if suspects and reference.doubt():
        return compare(reference, path, yours, rng, entries)
    settled: list[tuple[Found, _Probe]] = []
    for probe in suspects:
        settled.append((_settled(reference, path, probe), probe))
        if settled[-1][0] == "differs":
            break
    found, probe = _gravest(settled, [probe for probe in probes if probe.index is not None])
    if found == "agrees" and _is_blind(reference, yours, probes):
        found = "uncertain"
    if probe.index is None:
        probe = _located(reference, path, yours, probe)
    return _outcome(found, probe, yours, probes)


def _is_blind(reference: Reference, yours: Returned, probes: list[_Probe]) -> bool:
    """Whether the reference is so uncertain that a small mistake in the largest entry would not show."""
    if reference.analytic:
        return False
    largest = _scale(yours, probes)
    doubt = max((DOUBT * p.reference.error for p in probes if p.index is not None), default=0.0)
    return bool(doubt > max(SEEN, SEEN_ROUNDINGS * reference.coarse) * largest)


def _scale(yours: Returned, probes: list[_Probe]) -> float:
    """The size of the largest entry, or of what cancels in it: a gradient that is zero for every value has a scale."""
    entries = [p for p in probes if p.index is not None]
    one = MARGIN * max(yours.eps, yours.coarsest)
    largest, cancelling = (max((size for size in sizes if np.isfinite(size)), default=0.0) for sizes in (
        [abs(p.reference.value) for p in entries], [p.yours.error / one for p in entries]))
    return largest if largest > ZERO * cancelling else cancelling


def _gravest(settled: list[tuple[Found, _Probe]], entries: list[_Probe]) -> tuple[Found, _Probe]:
    doubts = [(found, probe) for found, probe in settled if found != "agrees"]
    if doubts:
        return min(doubts, key=lambda doubt: ("differs", "kink", "uncertain").index(doubt[0]))
    return "agrees", max(entries, key=lambda p: p.excess)


def _directions(
    shape: tuple[int, ...], rng: np.random.Generator, entries: int
) -> Iterator[tuple[tuple[int, ...] | None, np.ndarray]]:
    """All entries of a small array; of a large one a sample, and directions that no error hides from.

    A direction weighs every entry by a random number: a wrong row, or a transpose, is orthogonal
    to it with probability 0.
    """
    size = int(np.prod(shape))
    sampled = min(SAMPLED, entries)
    yield from _units(shape, range(size) if size <= entries else np.sort(rng.choice(size, sampled, replace=False)))
    for _ in range(DIRECTIONS if size > entries else 0):
        yield None, rng.normal(size=shape)


def _sample(
    yours: Returned, rng: np.random.Generator, count: int
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Some entries of an array, the largest among them."""
    size, shape = yours.values.size, yours.values.shape
    largest = int(np.argmax(np.abs(yours.values)))
    yield from _units(shape, sorted({largest, *rng.choice(size, min(count, size) - 1, replace=False).tolist()}))


def _units(shape: tuple[int, ...], places: Iterable[int]) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Entries of an array, by their places in memory: the index of each, and the direction of it alone."""
    for flat in places:
        index = tuple(int(at) for at in np.unravel_index(flat, shape))
        yield index, unit(shape, index)


def _probe(
    reference: Reference,
    path: Path,
    yours: Returned,
    index: tuple[int, ...] | None,
    direction: np.ndarray,
) -> _Probe:
    slope = reference.slope({path: direction}) if index is None else reference.entry(path, index)
    probe = _Probe(index, direction, yours.along(direction), slope)
    if 1 < probe.excess <= PLAIN and not reference.analytic:  # what is further off is looked at when it is settled
        return replace(probe, reference=reference.surest({path: direction}))
    return probe


def _settled(reference: Reference, path: Path, probe: _Probe) -> Found:
    """Decide a disagreement: rounding after all, a kink, a mistake, or not to be decided."""
    directions: Directions = {path: probe.direction}
    is_far, sure = probe.excess > PLAIN, None
    if is_far and reference.analytic and _is_plainly_off(reference, directions, probe):
        return "differs"
    if is_far and not reference.analytic:
        refined = sure = reference.surest(directions)
    else:  # of what is off by far more than rounding differences tell enough, which are taken below
        refined = probe.reference if is_far else reference.refined(probe.reference, directions)
    if replace(probe, reference=refined).excess <= 1:
        return "agrees"
    own = probe.yours
    if abs(own.value) <= own.error and abs(refined.value) <= NOTHING * own.error:
        return "agrees"
    behind, ahead = reference.one_sided(directions)
    if not np.isfinite(behind.error + ahead.error):
        return "uncertain"
    if not behind.agrees(ahead) and abs(behind.value - ahead.value) > 1e-7 * abs(ahead.value):
        return "kink"
    difference = sure or reference.surest(directions)
    if not reference.analytic and abs(probe.yours.value - difference.value) <= BLUNT * abs(difference.value):
        return "agrees"
    if np.isfinite(refined.value) and not difference.agrees(refined, DOUBT):
        return "uncertain"
    if replace(probe, reference=difference).excess > 1:
        return "differs"
    return "uncertain" if np.isfinite(refined.value) else "agrees"


def _is_plainly_off(reference: Reference, directions: Directions, probe: _Probe) -> bool:
    """Whether two central differences are so near to the complex step beside what is yours that neither a kink nor a
    fault of the reference is the reason: at a kink they are off by about as much as the slopes on its sides differ.
    """
    gap = abs(probe.yours.value - probe.reference.value)
    near = reference.near(directions)
    return bool(abs(near.value - probe.reference.value) + near.error <= NEAR * gap)


def _located(reference: Reference, path: Path, yours: Returned, probe: _Probe) -> _Probe:
    """Find an entry behind a direction that disagrees, by halving."""
    flat = np.flatnonzero(probe.direction)
    shape = probe.direction.shape
    while len(flat) > 1:
        halves = []
        for part in (flat[: len(flat) // 2], flat[len(flat) // 2 :]):
            direction = np.zeros(probe.direction.size)
            direction[part] = probe.direction.ravel()[part]
            halves.append((_probe(reference, path, yours, None, direction.reshape(shape)), part))
        _, flat = max(halves, key=lambda half: half[0].excess)
    index = tuple(int(at) for at in np.unravel_index(flat[0], shape))
    return _probe(reference, path, yours, index, unit(shape, index))


def _outcome(found: Found, probe: _Probe, yours: Returned, probes: list[_Probe]) -> Outcome:
    """Put the difference in numbers: relative to the largest entry, and in roundings."""
    value, expected = probe.yours.value, probe.reference.value
    gap = abs(value - expected)
    entries = [p for p in [*probes, probe] if p.index is not None]
    gaps = [abs(p.yours.value - p.reference.value) for p in entries]
    largest = _scale(yours, entries)
    rounding = max(probe.yours.error / MARGIN, yours.eps * abs(expected))
    relative = max(gaps) / (largest or abs(value) or 1.0)
    unit_of = rounding or yours.eps * (largest or abs(value) or 1.0)
    return Outcome(found, probe.index or (), value, expected, relative, gap / unit_of)
