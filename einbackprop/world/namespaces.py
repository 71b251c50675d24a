"""The global names of the user's modules, and which of them were copied so far."""

from __future__ import annotations

from types import CellType, ModuleType
from typing import Any

from .refusals import Refused
from .snapshots import content_of, put_entries_back

Names = dict[str, Any]


class Namespace:
    """The global names of one of the user's modules, and those that were copied so far.

    Attributes
    ----------
    original : dict
    module : ModuleType
        The copy; its ``__dict__`` is the globals of the functions that are copied.
    """

    def __init__(self, original: Names, module: ModuleType) -> None:
        self.original, self.module = original, module
        self.held: Names = {}  # what is put back between two runs
        self.whole = False  # whether all names were copied

    @property
    def names(self) -> Names:
        """The globals of the copies."""
        return vars(self.module)

    def set(self, name: str, value: Any) -> None:
        """Give a name its copy."""
        self.names[name] = self.held[name] = value

    def restore(self) -> None:
        """Put back what the names were."""
        put_entries_back(self.names, self.held)


def is_dunder(name: str) -> bool:
    """Whether a name is one of Python's own, such as ``__file__``."""
    return name.startswith("__") and name.endswith("__")


def name_refusal(cell: CellType, name: str) -> None:
    """Tell what stands for something that is refused how the user calls it."""
    held = content_of(cell)
    if type(held) is Refused:
        held.called(name)
