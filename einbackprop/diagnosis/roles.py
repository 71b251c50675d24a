"""What a step of a backward could be meant to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from ..core.program import ONE, Factor
from .judging import Judging
from .truth import Known, Role, ratio


class Roles:
    """The roles in which steps could be meant, and what is said of those that they have."""

    def __init__(self, judging: Judging) -> None:
        self.judging = judging
        self.truth, self.original, self.samples = judging.truth, judging.original, judging.samples

    def _factors(self) -> tuple[list[Factor], list[Factor]]:
        """Factors that a step of this code may have: those of its other steps; and, less likely, sizes."""
        others = [role.factor for role in self.original.values() if role and role.known.kind == "cotangent"]
        plain = list(dict.fromkeys([ONE, *others, *(-factor for factor in others)]))
        dimensions = self.judging.program.dimensions
        sizes = [Factor.of(1, **{d.letters[0]: power}) for d in dimensions for power in (1, -1)]
        return plain, [f for f in (*sizes, Factor.of(2), Factor.of(-1)) if f not in plain]

    def roles_for(self, name: str, factors: Sequence[Factor]) -> Iterator[Role]:
        """The roles in which a step could be meant.

        A step that already is a gradient is never meant to be the same times a factor, unless its own is a strange one.
        """
        own = [t for t in self.judging.targets if t.value == name]
        if own:
            yield from (Role(self.truth.target(t.parameter)) for t in own)
            return
        original = self.original.get(name)
        settled = original is not None and original.is_plain
        certain = self._is_certain(name)
        for known in self.truth.known:
            if settled and original is not None and known.name == original.known.name:
                continue
            allowed = factors if known.kind == "cotangent" else factors[:1]
            if original is not None and original.known == known:
                allowed = [ONE] if original.factor.number == 1 else self._factors()[0]
            for axes in self._orders(name, known):
                for factor in allowed:
                    role = Role(known, factor, axes)
                    if role != original and not (certain and self._is_multiple(name, role)):
                        yield role

    def _orders(self, name: str, known: Known) -> list[tuple[int, ...]]:
        """The orders of axes in which a true value has the shape of a step; if no true value has it, any."""
        true = self.samples[0].truth.get(known.name)
        if true is None or true.dtype.kind not in "fc":
            return []
        value = self.judging.now[0].get(name)
        orders = list(permutations(range(true.ndim)))
        fitting = [axes for axes in orders if value is not None and true.transpose(axes).shape == value.shape]
        if not fitting and name in self.judging.aliases and known.kind in ("forward", "cotangent"):
            return orders[:1]  # another value than it should be, of another shape perhaps
        is_open = value is None or self.original.get(name) is None  # then its shape may be the mistake
        if fitting or not is_open or known.kind not in ("cotangent", "part"):
            return fitting
        return orders[:2] if name in self.judging.program.labels else []

    def _is_certain(self, name: str) -> bool:
        """Whether a step is the gradient of something on the way, or of a parameter, as it stands."""
        role = self.original.get(name)
        return role is not None and role.is_plain and role.known.kind in ("cotangent", "part")

    def _is_as_named(self, name: str) -> bool:
        """Whether a step is the gradient that its name says."""
        role = self.original.get(name)
        return self._is_certain(name) and role is not None and role.known.of in self.judging.promised(name)

    def _is_turned(self, name: str) -> bool:
        """Whether a step is a gradient, with its axes in another order than those of what it is the gradient of."""
        role = self.original.get(name)
        is_known = self._is_certain(name) or (name in self.judging.aliases and role is not None and role.is_plain)
        return is_known and role is not None and role.axes != tuple(sorted(role.axes))

    def _is_multiple(self, name: str, role: Role) -> bool:
        """Whether a role is what a step is now, times a factor."""
        value = self.judging.now[0].get(name)
        return value is not None and ratio(value, role.array(self.samples[0])) is not None

    def turned_roles(self, name: str) -> Iterator[Role]:
        """What a step is, with its axes in another order."""
        role = self.original.get(name)
        kinds = ("cotangent", "forward") if name in self.judging.aliases else ("cotangent",)
        if role is not None and role.is_plain and role.known.kind in kinds:
            for axes in permutations(role.axes):
                if axes != role.axes:
                    yield Role(role.known, role.factor, axes)
