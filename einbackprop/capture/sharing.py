"""Views that NumPy may give at some sizes only: a reshape is a view or a copy, as the strides at hand allow.

With an axis of size 1 a transpose is contiguous, and a reshape of it a view; with two entries there it is a copy.
Where a write comes after that, and the array on the other side is read, the sizes at hand decide what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.dimensions import Axis
from ..core.program import Source
from .conditions import Meeting
from .memory import Buffer, View


@dataclass(slots=True, eq=False)
class Decision:
    """A view or a copy, whichever these sizes gave.

    Attributes
    ----------
    sides : tuple of Buffer
        The memory of the array and of its reshape, which is the same one for a view.
    axes : tuple of Axis
        The dimensions that decided; none where the order in memory did alone.
    source : Source or None
    written : set of Buffer
        What was written into since.
    """

    sides: tuple[Buffer, Buffer]
    axes: tuple[Axis, ...]
    source: Source | None
    written: set[Buffer] = field(default_factory=set)


class Decisions:
    """The decisions of one trace, as long as it is not known that they matter.

    Attributes
    ----------
    mattered : bool
        Whether how an argument lies in memory may say what an array holds that was read.
    """

    def __init__(self) -> None:
        self._open: dict[Buffer, list[Decision]] = {}
        self.mattered = False

    def decided(self, array: View, made: View, axes: tuple[Axis, ...], is_view: bool) -> None:
        """A reshape was a view, or a copy; of a view, only axes with one entry could have made it one."""
        deciding = tuple(axis for axis in axes if not axis.root().literal and (axis.size < 2 or not is_view))
        if len(array.axes) > 1:
            decision = Decision((array.buffer.root, made.buffer.root), deciding, array.recorder.source())
            for side in set(decision.sides):
                self._open.setdefault(side, []).append(decision)

    def written(self, array: View) -> None:
        """An array was written into."""
        here = array.buffer.root
        for decision in self._open.get(here, ()):
            decision.written.add(here)

    def read(self, array: View) -> list[Meeting]:
        """The conditions on sizes on which it depends what an array holds that is read."""
        here = array.buffer.root
        known = [decision for decision in self._open.get(here, ()) if decision.written]
        met = [decision for decision in known if len(set(decision.sides)) == 1 or decision.written - {here}]
        if met:
            self.mattered = True
            self._open[here] = [decision for decision in self._open[here] if decision not in met]
        return [Meeting("sizes", decision.source, True, decision.axes) for decision in met if decision.axes]
