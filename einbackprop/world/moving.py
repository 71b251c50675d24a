"""Objects of one world in another: their classes are copies that were made there, whose code nothing here changes."""

from typing import Any

import numpy as np

from .copies import World


def moved(value: Any, there: World, here: World) -> Any:
    """A value with every object in it of the class that ``here`` has in the place of the one that ``there`` made.

    It is changed in place: give a copy. Containers of plain types and the attributes of objects are looked through.
    """
    if there is not here:
        _move(value, there, here, set())
    return value


def _move(value: Any, there: World, here: World, met: set[int]) -> None:
    if id(value) in met or isinstance(value, np.ndarray | np.generic | str | bytes | int | float | type):
        return
    met.add(id(value))
    original = there.original(type(value))
    if original is not type(value):
        object.__setattr__(value, "__class__", here.of(original))
    if isinstance(value, dict):
        inner = list(value.values())
    else:
        inner = list(value) if isinstance(value, list | tuple | set) else []
    for item in (*inner, *getattr(value, "__dict__", {}).values()):
        _move(item, there, here, met)
