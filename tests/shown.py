"""An equation as it is shown, with the values that it reads and the value that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from einbackprop.core.program import Equation, Ref
from einbackprop.core.visible import visible
from einbackprop.notation.view import View


@dataclass(frozen=True)
class Shown:
    """An equation, how it is shown, values by their names in the program, and its own value."""

    equation: Equation
    view: View
    values: Mapping[str, Any]
    expected: Any

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each letter."""
        raise NotImplementedError

    def again(self, seed: int) -> Shown:
        """The same with other numbers."""
        raise NotImplementedError

    @property
    def known(self) -> dict[str, Any]:
        """The values by the names that they are shown by, and the sizes that have names."""
        inline, sizes = self.view.inline, (self.view.sizes, self.sizes)
        named = {self.view.size(i).name: some[i] for some in sizes for i in some}
        named = {name: size for name, size in named.items() if name and not (len(name) == 1 and name.isupper())} | {
            name: size for name, size in named.items() if name in self.view.size_names.values()}  # fmt: skip
        shown = {name: value for name, value in self.values.items() if name not in inline}
        return named | {visible(self.view.called(name)): value for name, value in shown.items()}

    @property
    def is_finite(self) -> bool:
        """Whether no value is infinite or none."""
        return all(np.isfinite(value).all() for value in self.values.values())

    @property
    def arrays_known(self) -> dict[str, Any]:
        """The values as the user has them, with their axes of size 1."""
        refs = {ref.name: ref for ref in self.view.reached(self.equation) if ref.name not in self.view.inline}
        return {self.view.called(name): self.as_array(ref, self.values[name]) for name, ref in refs.items()}

    def as_array(self, ref: Ref, value: Any) -> Any:
        """A value with the axes of size 1 that its array has, and those that are merged in one."""
        return np.reshape(value, [prod(self.sizes[i] for i in axis) for axis in self.view.axes(ref)])
