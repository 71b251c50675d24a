"""What gradients are gradients of: arrays among those that a script's expressions can read, by name and by shape."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import eq
from typing import Any

import numpy as np

from einbackprop.checking.naming import gradient_of
from einbackprop.core.nesting import Attribute, Path, label, leaves
from einbackprop.core.records import dataclass

from .arguments import is_data
from .invention import TARGET

DEEPEST = 5


@dataclass(frozen=True)
class Place:
    """Something that a script's expressions can read: an array, or what holds some.

    Attributes
    ----------
    text
        Where it stands: ``net.params['W1']``.
    name
        What it is called there: ``W1``.
    shapes
        Those of the arrays of real numbers in it.
    counted
        The same of all numbers, whole ones too: somebody may write ``w = np.array([1, 2])``.
    """

    text: str
    name: str
    shapes: tuple[tuple[int, ...], ...]
    counted: tuple[tuple[int, ...], ...]
    path: Path


def places_in(state: Mapping[str, Any]) -> list[Place]:
    """Every array of real numbers in a state, and all that holds some, the outer ones first."""
    return [place for name, value in state.items() for place in _places(value, (name,), name)]


def _places(value: Any, path: Path, name: str) -> Iterator[Place]:
    counted = shapes_of(value, "iuf")
    if not counted or len(path) > DEEPEST or not is_data(value):
        return
    yield Place(label(str(path[0]), path[1:]), name, shapes_of(value), counted, path)
    if isinstance(value, Mapping):
        inner = [(key, key if isinstance(key, str) else name, item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        inner = [(position, name, item) for position, item in enumerate(value)]
    elif isinstance(value, np.ndarray) or not hasattr(value, "__dict__"):
        inner = []
    else:
        inner = [(Attribute(key), key, item) for key, item in vars(value).items()]
    for step, called, item in inner:
        yield from _places(item, (*path, step), called)


def stands_in(text: str, root: str) -> bool:
    """Whether a place is another one, or in it: ``p['W']`` and ``p`` in ``p``."""
    return text == root or text.startswith((f"{root}[", f"{root}."))


def shapes_of(value: Any, kinds: str = "f") -> tuple[tuple[int, ...], ...]:
    """The shapes of the arrays and numbers of some kinds in a value, those of floating point, from left to right."""
    return tuple(np.shape(leaf) for _, leaf in leaves(value) if isinstance(leaf, float | int | np.number | np.ndarray)
                 and not isinstance(leaf, bool) and np.asarray(leaf).dtype.kind in kinds)


MEASURED = re.compile(r"data|obs\w*|measure\w*|meas", re.IGNORECASE)
"""What observations are called that a model is compared with."""
Agrees = Callable[[Place, Any], bool]
"""Whether a value is the gradient of a loss with respect to what stands at a place."""


def roots_of(
    gradients: Any, names: Sequence[str], places: Sequence[Place], agrees: Agrees | None = None,
    given: Sequence[Place | None] = (),
) -> tuple[tuple[str, ...], list[str]]:  # fmt: skip
    """Where what some gradients are gradients of stands, empty where nothing fits; and the names of those gradients
    that have no place where others have one.

    Parameters
    ----------
    gradients
        What the code gave.
    names
        What its parts are called.
    places
        All that there is, the likeliest first.
    agrees
        Tells what names do not; None leaves it at these.
    given
        What the function that gave them was given, in order.
    """
    found, left = _completed(gradients, names, places, agrees)
    if len(found) > 1 and isinstance(gradients, Mapping) and (holder := _keyed_alike(gradients, places)) is not None:
        found, left = {holder.text: holder}, []
    if not found or left:
        together = _whole(gradients, places) or (() if found else _in_order(gradients, places))
        if instead := together or _as_given(gradients, names, given, places):
            found, left = {place.text: place for place in instead}, []
    return tuple(_together(list(found.values()), places)), left if found else []


def _keyed_alike(gradients: Mapping[Any, Any], places: Sequence[Place]) -> Place | None:
    """The dict with the keys and shapes of some gradients: of two networks with the same keys the one that they fit."""
    shapes = {place.path: place.shapes for place in places if not isinstance(place.path[-1], Attribute)}
    for place in places:
        inner = {key: shapes.get((*place.path, key)) for key in gradients}
        if len(gradients) > 1 and all(inner[key] == shapes_of(value) for key, value in gradients.items()):
            return place
    return None


def _whole(gradients: Any, places: Sequence[Place]) -> Sequence[Place]:
    """What holds as many arrays as there are gradients, in a sequence; of their shapes, or of most of them: a gradient
    may have a wrong one. Empty without that.
    """
    shapes = shapes_of(gradients)
    like = [(place, sum(map(eq, place.shapes, shapes))) for place in places if len(place.shapes) == len(shapes)]
    best = max((count for _, count in like), default=0)
    # one array of the shape of the targets is the derivative of something else
    return [place for place, count in like if count == best and 2 * count > len(shapes)
            and (len(shapes) > 1 or not (is_target(place.name) or MEASURED.fullmatch(place.text)))][:1]  # fmt: skip


def is_target(name: str) -> bool:
    """Whether a name is that of targets.

    >>> is_target("train_y"), is_target("targets"), is_target("start")
    (True, True, False)
    """
    return any(TARGET.fullmatch(word) for word in (name, *name.split("_")))


def _as_given(
    gradients: Any, names: Sequence[str], given: Sequence[Place | None], places: Sequence[Place]
) -> list[Place]:
    """The places of gradients that a function gives in the order in which it takes what they are of, though some have a
    wrong shape; empty where a name says otherwise, unless it stands twice, and where none fits, whichever way it lies.
    """
    parts = list(gradients) if isinstance(gradients, list | tuple) else [gradients]
    known = itertools.takewhile(lambda place: place is not None, given)  # behind an expression nothing is the first
    order = [place for place in known if place is not None and len(place.shapes) == 1][: len(parts)]  # no labels
    shapes = [shape for part in parts for shape in shapes_of(part, "iuf")]
    if len(order) < len(parts) or len(shapes) != len(parts):
        return []
    called = [_named(name, value, places) for name, value in _parts(gradients, names)]
    says_otherwise = len(called) == len(parts) and any(
        one is not None and one.text != place.text and names.count(name) < 2
        for one, place, name in zip(called, order, names, strict=False))  # fmt: skip
    fits = [sorted(shape) == sorted(place.shapes[0]) for shape, place in zip(shapes, order, strict=True)]
    beside = len(names) == len(parts) and any(  # probabilities, returned with the gradients
        name.isidentifier() and len(gradient_of(name)) < 2 and not fit for name, fit in zip(names, fits, strict=True))
    return order if any(fits) and not says_otherwise and not beside else []


def _completed(
    gradients: Any, names: Sequence[str], places: Sequence[Place], agrees: Agrees | None
) -> tuple[dict[str, Place], list[str]]:
    """What `_placed` gives by names; where these place some gradients and not all, the others by what agrees."""
    found, left = _placed(gradients, names, places)
    return _placed(gradients, names, places, agrees) if found and left else (found, left)


def _placed(
    gradients: Any, names: Sequence[str], places: Sequence[Place], agrees: Agrees | None = None
) -> tuple[dict[str, Place], list[str]]:
    """The place of each gradient by its text, and the names of those that have none."""
    found: dict[str, Place] = {}
    left = []
    several = [gradients, *gradients] if isinstance(gradients, list | tuple) else [gradients]
    keys = {str(key) for one in several if isinstance(one, Mapping) for key in one}
    for name, value in _parts(gradients, names):
        place = _named(name, value, places) or _alike(value, places) or _promised(name, value, places, name in keys)
        if place is None and not name.isidentifier():
            place = _beside(value, list(found.values()), places)
        # a number beside gradients may be a part of the loss, which is the gradient of its factor
        is_gradient = len(shapes_of(value)) == 1 and (shapes_of(value) != ((),) or len(gradient_of(name)) > 1)
        if place is None and agrees is not None and is_gradient:
            place = next((one for one in places if one.shapes == shapes_of(value) and one.text not in found
                          and agrees(one, value)), None)  # fmt: skip
        if place is not None and place.text not in found:
            found[place.text] = place
        elif shapes_of(value):  # no place, or that of another one: ``return db, dw, db``
            left.append(name)
    return found, left


def _promised(name: str, value: Any, places: Sequence[Place], is_key: bool) -> Place | None:
    """What a gradient says by its name that it is of, though it has another shape: a wrong one has to be told. In a
    dict, where it ``is_key``, it may have the name of that itself.
    """
    stems = [stem.strip("_") for stem in (*gradient_of(name)[1:], *[name] * is_key)]
    if len(shapes_of(value)) != 1:
        return None
    return next((place for stem in stems for place in places  # a whole number is no parameter
                 if place.name.strip("_") == stem and len(place.counted) == 1 and (place.shapes or place.counted[0])),
                None)  # fmt: skip


def _alike(value: Any, places: Sequence[Place]) -> Place | None:
    """What holds several arrays of the same shapes as these gradients, which have no name of their own."""
    shapes = shapes_of(value)
    return next((place for place in places if len(shapes) > 1 and place.shapes == shapes), None)


def _beside(value: Any, found: Sequence[Place], places: Sequence[Place]) -> Place | None:
    """The only place of such shapes beside those that were found: ``net.b`` where ``net.W`` was, for ``dz.sum(0)``."""
    holders = {place.path[:-1] for place in found if len(place.path) > 1}
    fits = [place for place in places if place.path[:-1] in holders and place.shapes == shapes_of(value)
            and place not in found]  # fmt: skip
    return fits[0] if len(fits) == 1 else None


def _in_order(gradients: Any, places: Sequence[Place]) -> list[Place]:
    """The places of gradients without names: what stands in the same order and has the same shapes."""
    parts = [shapes_of(part) for part in gradients] if isinstance(gradients, list | tuple) else []
    found: list[Place] = []
    left = iter([place for place in places if len(place.path) == 1])
    for shapes in parts:
        place = next((place for place in left if place.shapes == shapes), None)
        if place is None:
            return []
        found.append(place)
    return found


def _parts(gradients: Any, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The parts of gradients with their names: entries of a dict, and what a tuple's places are called."""
    if isinstance(gradients, Mapping):
        yield from ((str(key), value) for key, value in gradients.items())
    elif isinstance(gradients, list | tuple) and len(gradients) == len(names) > 1:
        for name, value in zip(names, gradients, strict=True):
            if isinstance(value, Mapping):
                yield from _parts(value, ())
            else:
                yield name, value
    else:
        yield names[0] if len(names) == 1 else "", gradients


def _named(name: str, value: Any, places: Sequence[Place]) -> Place | None:
    """The place of what a gradient of some name and shapes is the gradient of."""
    shapes = shapes_of(value)
    if not shapes:
        return None
    fits = [place for place in places if shapes in (place.shapes, place.counted)]
    for stem in (one.strip("_") for one in (*gradient_of(name)[1:], name)):
        exact = [place for place in fits if place.name.strip("_") == stem]
        alike = [place for place in fits if place.name.strip("_").lower() == stem.lower()]
        short = [place for place in fits if len(stem) <= 2 and place.name.lower().startswith(stem.lower())]
        ended = [place for place in fits if len(place.name) > 1 and name.lower().endswith(f"_{place.name.lower()}")]
        shortened = [place for place in fits if abbreviates(stem, place.name)]
        one = shortened if len({place.name for place in shortened}) == 1 else []  # d_ls, of log_sigma
        if found := [*exact, *alike, *short, *ended, *one]:  # nabla_w, of weights; abl_weights
            return found[0]
    return None


def abbreviates(short: str, name: str) -> bool:
    """Whether letters of a name, the first among them, make a shorter one: ``ls`` of ``log_sigma``.

    >>> abbreviates("ls", "log_sigma"), abbreviates("sl", "log_sigma"), abbreviates("l", "log_sigma")
    (True, False, False)
    """
    rest = iter(name.lower())
    return 1 < len(short) < len(name) and short[0].lower() == name[0].lower() and all(
        letter in rest for letter in short.lower())  # fmt: skip


def _together(found: Sequence[Place], places: Sequence[Place]) -> Iterator[str]:
    """Places by their text; what holds several of them and nothing else stands for these."""
    whole = {place.path: place for place in places}
    done: set[str] = set()
    for place in found:
        holder = whole.get(place.path[:-1])
        inside = [one for one in found if one.path[:-1] == place.path[:-1] and len(one.path) > 1]
        covered = holder is not None and len(inside) > 1 and not isinstance(place.path[-1], Attribute) and (
            len(holder.counted) == sum(len(one.counted) for one in inside))
        text = holder.text if covered and holder is not None else place.text
        if text not in done:
            done.add(text)
            yield text
