"""The states at which a check is made: which arrays are drawn, which are redrawn, which are kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from einbackprop.checking.certifying import Reference, number
from einbackprop.checking.drawing import WORDS, Kind, Role, draw, parameter_role, range_role, role
from einbackprop.core.nesting import Path, duplicate, get, leaves, rebuild, root
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

Function = Callable[[Any], Any]

_POSITIVE = Role("positive")
NEAR_ZERO = 2.0**-10  # of their values: a loss changes as little there, but for one that is singular at zero
SINGULAR = 2.0**-7
SAME = 2.0**-40  # of a loss: a change that is smaller is rounding
ROUNDINGS = 64.0  # a change of the loss by fewer is none


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
        self,
        loss: Function,
        gradients: Function,
        state: Any,
        parameters: tuple[Path, ...],
        rng: np.random.Generator,
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
        for path in paths:
            leaf = get(copied, path)
            leaf[...] = draw(leaf, Role("real"), self.rng)
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
            (_words(free), lambda state: self._fill(state, free)),
            (_words(within), lambda state: self._fill(state, within)),
            (f"{_words(large)}, as large as yours", lambda state: self._fill(state, large)),
            ("positive", lambda state: self._fill(state, [_POSITIVE] * len(free))),
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
        """Whether the loss is not made for negative entries of a parameter of which the user's has none.

        They are clipped one by one. Or it is singular at zero from above alone, as a logarithm with a guard.
        """
        path = self.parameters[index]
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

    def _fill(self, state: Any, roles: list[Role]) -> None:
        for path, kept in zip(self.parameters, roles, strict=True):
            leaf = get(state, path)
            leaf[...] = draw(leaf, kept, self.rng)

    def _nudge(self, state: Any) -> None:
        for path in self.parameters:
            leaf = get(state, path)
            leaf *= 1 + 0.3 * self.rng.uniform(-1, 1, leaf.shape)

    def _fresh(self, data: dict[Path, Role]) -> Any:
        state = self.copied(self.own)
        for path, kept in data.items():
            leaf = get(state, path)
            leaf[...] = draw(leaf, kept, self.rng)
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
            probe = get(state, path)
            probe[...] = draw(leaf, Role("positive") if kept.kind == "kept" else kept, self.rng)
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


def depends(loss: Function, state: Any, path: Path, others: Sequence[Path]) -> bool:
    """Whether the loss changes with one array of the state; True where it cannot be told.

    The others are moved first: at zeros no layer depends on the one before it.
    """
    rng = np.random.default_rng(0)
    base = Drawing.copied(state)
    for other in others:
        _move(get(base, other), rng)
    moved = Drawing.copied(base)
    _move(get(moved, path), rng)
    change = value(loss, moved) - value(loss, base)
    if not np.isfinite(change) or change == 0:
        return change != 0
    try:  # a bias in front of a batch norm changes the loss by rounding alone
        rounding = Reference(loss, base, (path,), rng).rounding
    except ScriptError:
        return True
    return abs(change) > ROUNDINGS * rounding


def _move(array: Any, rng: np.random.Generator) -> None:
    array += (np.abs(array).max(initial=0.0) or 1.0) * rng.uniform(0.1, 0.5, array.shape)


def value(loss: Function, state: Any) -> float:
    """Return the loss of a copy of the state, nan where the user's code raises."""
    try:
        return number(loss(duplicate(state))).real
    except (Raised, ScriptError):  # the user's code may assert something about its values
        return np.nan


def _words(roles: list[Role]) -> str:
    kinds: list[Kind] = sorted({item.kind for item in roles}, reverse=True)
    return " or ".join(WORDS[kind] for kind in kinds)
