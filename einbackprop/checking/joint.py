"""One function that returns a loss and its gradients: which part is the loss, and the two as functions of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from einbackprop.checking import naming
from einbackprop.core.visible import shown
from einbackprop.errors import ScriptError

Place = int | str

_LOSS = re.compile(r"(?:^|[^a-z])(?:loss|cost|error|err|objective|obj|nll|j|l|e)(?:$|[^a-z])", re.IGNORECASE)
ASKED = "return the pair (loss, gradients), or loss, dW, db"


def loss_place(result: Any, source: Any) -> Place:
    """Find which part of what a function returned is the loss: a position in a tuple, or a key of a dict.

    It is the one number there. Of several numbers, the return statement of ``source`` says which is called a loss;
    else it is the first place.

    Raises
    ------
    ScriptError
        No part can be the loss, or nothing is left beside it.
    """
    if isinstance(result, dict):
        names = {key: str(key) for key in result}
    elif isinstance(result, tuple | list) and len(result) > 1:
        spelled = naming.places_returned(source, len(result)) or ("",) * len(result)
        names = dict(enumerate(spelled))
    else:
        what = f"an array of shape {result.shape}" if isinstance(result, np.ndarray) else shown(result)
        raise ScriptError(f"what is returned must be a loss and its gradients, but it is {what}: {ASKED}")
    numbers = [place for place in names if _is_number(result[place])]
    called = [place for place in numbers if _LOSS.search(names[place])]
    likely = called if called and (len(numbers) > 1 or isinstance(result, dict)) else numbers
    if not likely or (len(likely) > 1 and likely[0] != 0) or (isinstance(result, dict) and not called):
        held = ", ".join(_described(result[place], names[place]) for place in names)
        raise ScriptError(f"which part is the loss is not clear: returned are {held}: {ASKED}")
    place: Place = likely[0]
    return place


def loss_in(both: Callable[..., Any], place: Place) -> Callable[..., Any]:
    """The loss of a function that returns it at some place, as a function of the same arguments."""
    return lambda *arguments: both(*arguments)[place]


def gradients_in(both: Callable[..., Any], place: Place) -> Callable[..., Any]:
    """What a function returns but for the loss, as a function of the same arguments."""
    return lambda *arguments: without(both(*arguments), place)


def without(result: Any, place: Place) -> Any:
    """What was returned but for the loss: the other one of a pair, else a tuple or a dict of the others."""
    if isinstance(result, dict):
        left = {key: value for key, value in result.items() if key != place}
        return next(iter(left.values())) if len(left) == 1 and _is_nest(*left.values()) else left
    others = tuple(item for n, item in enumerate(result) if n != place)
    return others[0] if len(others) == 1 else others


def _is_nest(value: Any) -> bool:
    return isinstance(value, dict | list | tuple)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.generic | np.ndarray):
        return False
    return np.size(value) == 1 and np.asarray(value).dtype.kind in "iuf"


def _described(value: Any, name: str) -> str:
    """``dW (2,3)``: a part of what was returned."""
    shape = str(np.shape(value)).replace(" ", "") if isinstance(value, np.ndarray) else type(value).__name__
    return f"{name} {shape}".strip()

