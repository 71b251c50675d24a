"""The states at which a check is made: which arrays are drawn, which are redrawn, which are kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from einbackprop.checking.certifying import number
from einbackprop.checking.drawing import WORDS, Kind, Role, draw, parameter_role, role
from einbackprop.core.nesting import Path, duplicate, get, leaves, rebuild, root
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

Function = Callable[[Any], Any]

_POSITIVE = Role("positive")


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
        """The freest way to draw parameters that these functions survive."""
        arrays = [get(self.own, path) for path in self.parameters]
        roles = [parameter_role(array) for array in arrays]
        ways: list[tuple[str, Callable[[Any], None]]] = [
            (_words(roles), lambda state: self._fill(state, roles)),
            ("positive", lambda state: self._fill(state, [_POSITIVE] * len(roles))),
            ("near your own values", self._nudge),
        ]
        for words, way in ways:
            self._draw_parameters = way
            if self._working({}) is not None:
                self.parameters_are = words
                return way
        self.parameters_are = "your own values: at others the loss is no finite number"
        return lambda state: None

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
        get(base, other)[...] += rng.uniform(0.1, 0.5, get(base, other).shape)
    moved = Drawing.copied(base)
    get(moved, path)[...] += rng.uniform(0.1, 0.5, get(moved, path).shape)
    return value(loss, moved) != value(loss, base)


def value(loss: Function, state: Any) -> float:
    """Return the loss of a copy of the state, nan where the user's code raises."""
    try:
        return number(loss(duplicate(state))).real
    except (Raised, ScriptError):  # the user's code may assert something about its values
        return np.nan


def _words(roles: list[Role]) -> str:
    kinds: list[Kind] = sorted({item.kind for item in roles}, reverse=True)
    return " or ".join(WORDS[kind] for kind in kinds)
