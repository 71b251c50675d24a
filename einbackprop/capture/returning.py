"""What a traced function returned: its arrays as outputs, and how they were nested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.nesting import DEEPEST, too_deep
from ..core.program import Contract
from .arguments import KINDS
from .memory import View, is_traced
from .pointwise import lift
from .recorder import Recorder
from .selections import Selection
from .sizes import is_measured


@dataclass
class Returned:
    """Outputs: value names, the unit axes and the dtype of each; ``nest`` adds what a function returned.

    ``original`` gives the user's own class of one that is a copy. ``identifies`` says whether what has an argument's
    size for every size runs over its dimension.
    """

    recorder: Recorder
    names: list[str] = field(default_factory=list)
    units: list[tuple[int, ...]] = field(default_factory=list)
    dtypes: list[np.dtype[Any]] = field(default_factory=list)
    original: Callable[[type], type] = type
    identifies: bool = False

    def nest(self, value: Any, level: int = 0) -> Any:
        """The value's nesting, with the number of an output in place of each array or number."""
        if level > DEEPEST:
            raise too_deep(value)
        if type(value) is Selection:
            value = value.picked()
        if is_output(value):
            array = lift(self.recorder, value)
            with self.recorder.on_the_line_of(array.buffer.name):
                name, units = in_order(self.recorder, array)
            if self.identifies:
                self.recorder.identify(self.recorder.axes[name])
            self.names.append(name)
            self.units.append(units)
            self.dtypes.append(np.asarray(array.value).dtype)
            return len(self.names) - 1
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            kind: Any = self.original(type(value))
            return kind(*(self.nest(item, level + 1) for item in value))
        if isinstance(value, list | tuple):
            made = [self.nest(item, level + 1) for item in value]
            return made if isinstance(value, list) else tuple(made)
        if isinstance(value, dict):
            return {key: self.nest(item, level + 1) for key, item in value.items()}
        return value


def is_output(value: Any) -> bool:
    """Whether it is an array or a number."""
    if is_traced(value) or is_measured(value):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind in KINDS
    return isinstance(value, int | float | complex | np.number | np.bool_) and not isinstance(value, bool)


def in_order(recorder: Recorder, array: View) -> tuple[str, tuple[int, ...]]:
    """The name of a value whose stored axes are the array's axes in order, and the array's unit axes."""
    x = recorder.read(array)
    for i in range(len(x.axes)):
        recorder.flatten(x, i)
    wanted = "".join(x.axes)
    name = x.ref.name
    if x.ref.indices != wanted:
        ref = x.ref
        name = recorder.emit(wanted, lambda out, source: Contract(out, (ref,), source=source), array.value)
    if array.buffer.name in recorder.names:  # transposed or merged, it is what the user called it
        recorder.names.setdefault(name, recorder.names[array.buffer.name])
    units = tuple(i for i, axis in enumerate(x.axes) if not axis or recorder.dimensions.axis(axis).is_unit)
    return name, units
