"""The states at which a check is made: which arrays are drawn, which are redrawn, which are kept.

A gradient that is right only for the values at hand is wrong; one that is right only for labels that sum to one is
right for such labels. So what an array is to the code is read off its values, and kept.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from typing import Any, Literal

import numpy as np

from ..core.nesting import Path, duplicate, get, leaves, rebuild, root
from ..core.records import dataclass
from ..errors import ScriptError
from ..world import Raised
from .certifying import number

Kind = Literal["kept", "distribution", "fraction", "positive", "definite", "symmetric", "orthogonal", "unit",
               "increasing", "real"]  # fmt: skip

WORDS: dict[Kind, str] = {
    "kept": "as they are",
    "distribution": "positive, summing to one",
    "fraction": "between 0 and 1",
    "positive": "positive",
    "definite": "symmetric, positive definite",
    "symmetric": "symmetric",
    "orthogonal": "orthogonal",
    "unit": "of norm one",
    "increasing": "increasing",
    "real": "of both signs",
}
ORDINARY = 2.0**20  # values that are larger, or smaller than its inverse, are drawn as large as they are
FEW_ROWS = 3  # of fewer a column may be whole by chance
MIXED = 2.0**40  # entries that differ by more than this are each drawn as large as they are


@dataclass(frozen=True)
class Role:
    """What the values of an array have in common.

    `axis` is where a distribution sums to one, or what has norm one; `scale` how large fresh values are, 1 if the
    array's are of an ordinary size. `columns` of a matrix stay, those of the right half counted from the end: whole
    numbers beside values that are none, such as the labels of a table, or the ones of a bias.
    """

    kind: Kind
    axis: int = 0
    scale: Any = field(default=1.0, repr=False, compare=False)
    columns: Mapping[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def words(self) -> str:
        """What fresh values have in common."""
        return WORDS[self.kind] + (", but for columns of whole numbers" if self.columns else "")


def role(values: np.ndarray) -> Role:
    """Read off an array's values what a fresh draw has to keep.

    Integers, bools, whole-numbered floats (labels, one-hot rows, 0/1 masks, counts) and constants
    are kept as they are.

    >>> role(np.array([[0.25, 0.75], [0.5, 0.5]])), role(np.array([0.0, 1.0, 1.0]))
    (Role(kind='distribution', axis=1), Role(kind='kept', axis=0))
    """
    if values.dtype.kind != "f" or not values.size or not np.all(np.isfinite(values)):
        return Role("kept")
    if np.all(values == np.rint(values)) or (values.size > 1 and np.ptp(values) == 0):
        return Role("kept")
    special = _structure(values)
    if special is not None and special.kind != "unit":  # what of data is right for such only is doubted
        return special
    if values.min() == 0 and np.mean(values == 0) > 0.5:
        return Role("kept")
    kind: Kind = "real" if values.min() < 0 else _bounded(values)
    return Role(kind, scale=scale_of(values), columns=_whole_columns(values))


def parameter_role(values: np.ndarray) -> Role:
    """Return what a parameter has to keep: what its entries are to each other, and a vector of scales its sign.

    A matrix of positive weights is a way to start, not a promise; ones or variances are one. So is a symmetric matrix,
    or one whose rows sum to one: nobody starts with such by chance.
    """
    if values.dtype.kind != "f" or not values.size or not np.all(np.isfinite(values)):
        return Role("real")
    whole = bool(np.all(values == np.rint(values)))
    special = None if whole or np.ptp(values) == 0 else _structure(values)
    if special is not None:
        return special
    if values.ndim < 2 and values.min() > 0:
        return Role("positive", scale=scale_of(values))
    return Role("real", scale=scale_of(values))


def range_role(values: np.ndarray) -> Role:
    """Return what a parameter keeps that stays in the range of its values: their sign too, or that they are below 1."""
    kept = parameter_role(values)
    if kept.kind in ("real", "positive") and values.size and values.min() >= 0 and values.max() > 0:
        return replace(kept, kind=_bounded(values))
    return kept


def scale_of(values: np.ndarray) -> Any:
    """Return how large fresh values are: 1 for arrays of an ordinary size, an array where the entries' sizes differ."""
    size = np.abs(values).astype(np.float64)
    largest = float(size.max(initial=0.0))
    if not largest:
        return 1.0
    smallest = float(size[size > 0].min())
    if largest > MIXED * smallest:
        return np.where(size > 0, size, largest)
    return 1.0 if 1 / ORDINARY < largest < ORDINARY else largest


def draw(values: np.ndarray, kept: Role, rng: np.random.Generator) -> np.ndarray:
    """Draw an array of the same shape and dtype, O(1) in scale, that keeps the role."""
    shape = values.shape
    if kept.kind == "kept":
        return values.copy()
    if kept.kind == "distribution":
        drawn = rng.uniform(0.1, 1.0, shape)
        drawn = drawn / drawn.sum(axis=kept.axis, keepdims=True)
    elif kept.kind == "fraction":
        drawn = rng.uniform(0.02, 0.98, shape)
    elif kept.kind == "positive":
        drawn = rng.uniform(0.5, 2.0, shape) * _fitting(kept.scale, shape)
    elif kept.kind == "unit":
        drawn = rng.normal(size=shape)
        drawn = drawn / np.sqrt((drawn * drawn).sum(axis=kept.axis, keepdims=True))
    elif kept.kind == "increasing":
        drawn = np.sort(rng.normal(size=shape)) + np.arange(len(values)) / len(values)
        drawn = (drawn - drawn[0] + rng.uniform(0.5, 1.0) if values[0] > 0 else drawn) * kept.scale
        if values[0] > 0 and values[-1] < 1:  # probabilities, or times within a unit
            drawn = np.sort(rng.uniform(0.02, 0.98, shape))
    elif kept.kind == "real" or len(set(shape)) != 1:  # no square any more, at other sizes
        drawn = rng.normal(0.0, spread(shape), shape) * _fitting(kept.scale, shape)
    elif kept.kind == "orthogonal":
        drawn = np.linalg.qr(rng.normal(size=shape))[0] * rng.choice([-1.0, 1.0], shape[-1:])
    else:
        drawn = rng.normal(size=shape)
        definite = kept.kind == "definite"
        drawn = drawn @ drawn.T / len(drawn) + np.eye(len(drawn)) if definite else drawn + drawn.T
        drawn = drawn * kept.scale
    drawn = np.asarray(drawn).astype(values.dtype)
    for at, column in kept.columns.items() if drawn.ndim == 2 else ():
        if -drawn.shape[1] <= at < drawn.shape[1]:
            drawn[:, at] = np.resize(column, len(drawn))
    return drawn


def spread(shape: tuple[int, ...]) -> float:
    """Return a standard deviation at which a layer of this shape neither vanishes nor saturates."""
    return 1.0 if len(shape) < 2 else min(1.0, 2.0 / float(np.sqrt(max(shape))))


def _structure(values: np.ndarray) -> Role | None:
    """What the entries are to each other, where nothing but intention makes them so."""
    plain = values.astype(np.float64)
    slack = 1e-5 if values.dtype.itemsize < 8 else 1e-9
    if values.ndim == 1 and len(values) > 2 and np.all(np.diff(plain) > 0):
        return Role("increasing", scale=scale_of(values[-1:] - values[:1]))
    if values.min() >= 0:
        for axis in reversed(range(values.ndim)):
            if values.shape[axis] > 1 and np.allclose(plain.sum(axis=axis), 1, rtol=0, atol=slack):
                return Role("distribution", axis)
    if values.ndim == 2 and 1 < values.shape[0] == values.shape[1]:
        largest = float(np.abs(plain).max())
        if np.allclose(plain, plain.T, rtol=0, atol=0.01 * slack * largest):
            kind: Kind = "definite" if np.linalg.eigvalsh(plain / largest).min() > 0 else "symmetric"
            return Role(kind, scale=float(np.max(scale_of(values))))
        if np.allclose(plain.T @ plain, np.eye(len(plain)), rtol=0, atol=slack):
            return Role("orthogonal")
    for axis in reversed(range(values.ndim)):
        if values.shape[axis] > 1 and np.allclose((plain * plain).sum(axis=axis), 1, rtol=0, atol=slack):
            return Role("unit", axis)
    return None


def _whole_columns(values: np.ndarray) -> dict[int, np.ndarray]:
    """The columns of a matrix that are whole numbers and not all zero, by their places as in `Role.columns`."""
    if values.ndim != 2 or len(values) < FEW_ROWS:
        return {}
    count = values.shape[1]
    whole = np.all(values == np.rint(values), axis=0) & np.any(values, axis=0)
    return {int(at if 2 * at < count else at - count): values[:, at].copy() for at in np.flatnonzero(whole)}


def _fitting(scale: Any, shape: tuple[int, ...]) -> Any:
    """The scale as it is, or, of entries of other sizes, the largest."""
    return scale if np.shape(scale) in ((), shape) else np.max(scale)


def _bounded(values: np.ndarray) -> Kind:
    return "fraction" if values.max() < 1 and values.max() > 1 / ORDINARY else "positive"


Function = Callable[[Any], Any]

_POSITIVE = Role("positive")
NEAR_ZERO = 2.0**-10  # of their values: a loss changes as little there, but for one that is singular at zero
SINGULAR = 2.0**-7
SAME = 2.0**-40  # of a loss: a change that is smaller is rounding


@dataclass(frozen=True)
class Draw:
    """A state with fresh parameters, and with the user's data or with redrawn ones."""

    state: Any
    data_redrawn: bool


class Drawing:
    """Draws states on which the user's functions run and the loss is a finite number.

    Attributes
    ----------
    parameters
        Paths of the arrays that the gradients are with respect to.
    data
        Paths and roles of the other float arrays that the loss depends on and that can be redrawn.
    kept
        Paths of the other float arrays that the loss reads: labels, masks, one-hot rows, constants.
    idle
        Paths of those that change nothing in the loss: caches, buffers, earlier results.
    parameters_are
        How the parameters were drawn, in words.
    """

    def __init__(
        self, loss: Function, gradients: Function, state: Any, parameters: tuple[Path, ...], rng: np.random.Generator
    ) -> None:
        self.functions = (loss, gradients)
        self.own = state
        self.parameters = parameters
        self.rng = rng
        self.parameters_are = ""
        self.data: dict[Path, Role] = {}
        self.kept: list[Path] = []
        self.idle: list[Path] = []
        self._draw_parameters = self._first_that_works()
        self._sort_data()

    def draws(self) -> Iterator[Draw]:
        """Two draws at the user's data, then one more, at redrawn data where there are any."""
        for data in ({}, {}, self.data):
            state = self._working(data)
            if state is None and data:
                data, state = {}, self._working({})
            if state is not None:
                yield Draw(state, bool(data))

    def with_idle_redrawn(self, state: Any, paths: list[Path]) -> Any:
        """Return a copy of a state with other values in arrays that the loss does not depend on."""
        copied = self.copied(state)
        self._fill(copied, paths, [Role("real")] * len(paths))
        return copied

    def _first_that_works(self) -> Callable[[Any], None]:
        """The freest way to draw parameters that these functions survive, and at which the loss still sees them all."""
        arrays = [get(self.own, path) for path in self.parameters]
        free = [self._without_norm(path, parameter_role(array))
                for path, array in zip(self.parameters, arrays, strict=True)]
        within = [range_role(array) for array in arrays]
        large = [replace(item, scale=float(np.abs(array).max(initial=0.0)) or 1.0)
                 for item, array in zip(within, arrays, strict=True)]
        ways: list[tuple[str, Callable[[Any], None]]] = [
            (_words(free), lambda state: self._fill(state, self.parameters, free)),
            (_words(within), lambda state: self._fill(state, self.parameters, within)),
            (f"{_words(large)}, as large as yours", lambda state: self._fill(state, self.parameters, large)),
            ("positive", lambda state: self._fill(state, self.parameters, [_POSITIVE] * len(free))),
            ("near your own values", self._nudge),
        ]
        open_ = [i for i, (a, b) in enumerate(zip(free, within, strict=True)) if a.kind != b.kind]
        working: list[tuple[str, Callable[[Any], None]]] = []
        for words, way in ways[:1] + ways[1 if open_ else 2:]:
            self._draw_parameters = way
            state = self._working({})
            if state is None:
                continue
            working.append((words, way))
            if self._sees_all(state) and not (way is ways[0][1] and any(self._leaves_range(state, i) for i in open_)):
                break
        else:
            if not working:
                self.parameters_are = "your own values: at others the loss is no finite number"
                return lambda state: None
            working = working[:1]
        self.parameters_are, way = working[-1]
        return way

    def _without_norm(self, path: Path, kept: Role) -> Role:
        """The role, or a freer one where the loss normalises the parameter itself, so that its sums are no promise."""
        if kept.kind not in ("unit", "distribution"):
            return kept
        change = self._change(self.own, path, lambda array: 2 * array)
        if abs(change) > SAME * abs(value(self.functions[0], self.own)):
            return kept
        return Role("real" if kept.kind == "unit" else "positive")

    def _sees_all(self, state: Any) -> bool:
        """Whether the loss changes with each parameter with which it changes at the user's own values.

        Where sigmoids are saturated, or everything is clipped, nothing shows.
        """
        still = value(self.functions[0], state)
        unmoved = [path for path in self.parameters if self._moved(state, path) == still]
        if not unmoved:
            return True
        own = value(self.functions[0], self.own)
        return all(self._moved(self.own, path) == own for path in unmoved)

    def _moved(self, state: Any, path: Path) -> float:
        """The loss where one parameter is a little larger."""
        moved = self.copied(state)
        leaf = get(moved, path)
        leaf *= np.random.default_rng(0).uniform(1.01, 1.1, leaf.shape)
        return value(self.functions[0], moved)

    def _leaves_range(self, state: Any, index: int) -> bool:
        """Whether the loss is not made for negative entries of a parameter of which the user's has none, or for entries
        above 1, if its entries are all below.

        They are clipped one by one. Or it is singular at zero from above alone, as a logarithm with a guard.
        """
        path = self.parameters[index]
        above = get(state, path) > 1
        if above.any() and get(self.own, path).max() < 1 and not self._change(
                state, path, lambda array: np.where(above, 1.3 * array, array)):  # fmt: skip
            return True
        if self._change(state, path, lambda array: np.where(array < 0, 1.3 * array, array)) == 0:
            return bool(np.any(get(state, path) < 0))
        usual = SINGULAR * abs(self._change_near(path, 1.0))
        return abs(self._change_near(path, NEAR_ZERO)) > usual >= abs(self._change_near(path, -NEAR_ZERO))

    def _change_near(self, path: Path, factor: float) -> float:
        """By how much the loss changes where a parameter is a multiple of the user's, and grows a little."""
        return self._change(self.own, path, lambda array: 1.1 * factor * array, lambda array: factor * array)

    def _change(
        self, state: Any, path: Path, after: Callable[[Any], Any], before: Callable[[Any], Any] = np.copy
    ) -> float:
        """By how much the loss differs between two arrays that are made of one of the state's."""
        values = []
        for make in (before, after):
            copied = self.copied(state)
            leaf = get(copied, path)
            leaf[...] = make(leaf)
            values.append(value(self.functions[0], copied))
        return values[1] - values[0]

    def _fill(self, state: Any, paths: Collection[Path], roles: Collection[Role]) -> None:
        for path, kept in zip(paths, roles, strict=True):
            leaf = get(state, path)
            leaf[...] = draw(leaf, kept, self.rng)

    def _nudge(self, state: Any) -> None:
        for path in self.parameters:
            leaf = get(state, path)
            leaf *= 1 + 0.3 * self.rng.uniform(-1, 1, leaf.shape)

    def _fresh(self, data: dict[Path, Role]) -> Any:
        state = self.copied(self.own)
        self._fill(state, data, data.values())
        self._draw_parameters(state)
        return state

    def _working(self, data: dict[Path, Role]) -> Any:
        """A drawn state on which both functions run, or None after a few attempts."""
        for _ in range(3):
            state = self._fresh(data)
            if np.isfinite(value(self.functions[0], state)) and self._runs(state):
                return state
        return None

    def _runs(self, state: Any) -> bool:
        try:
            self.functions[1](duplicate(state))
        except Raised:  # the user's code may assert something about its values
            return False
        return True

    def _sort_data(self) -> None:
        """Find what the loss depends on by redrawing the other float arrays one by one."""
        base = self._fresh({})
        before = value(self.functions[0], base)
        met = {id(root(get(self.own, path))) for path in self.parameters}
        for path, leaf in leaves(self.own):
            if not isinstance(leaf, np.ndarray) or leaf.dtype.kind != "f" or id(root(leaf)) in met:
                continue
            met.add(id(root(leaf)))
            kept = role(leaf)
            state = self.copied(base)
            get(state, path)[...] = draw(leaf, Role("positive") if kept.kind == "kept" else kept, self.rng)
            if value(self.functions[0], state) == before:
                self.idle.append(path)
            elif kept.kind == "kept":
                self.kept.append(path)
            else:
                self.data[path] = kept

    @staticmethod
    def copied(state: Any) -> Any:
        """Copy the state; a number that a check moves stays an array."""
        return rebuild(state, lambda array: array.copy(order="K"))


def value(loss: Function, state: Any) -> float:
    """Return the loss of a copy of the state, nan where the user's code raises."""
    try:
        return number(loss(duplicate(state))).real
    except (Raised, ScriptError):  # the user's code may assert something about its values
        return np.nan


def _words(roles: list[Role]) -> str:
    kinds: list[Kind] = sorted({item.kind for item in roles}, reverse=True)
    return " or ".join(WORDS[kind] for kind in kinds)
