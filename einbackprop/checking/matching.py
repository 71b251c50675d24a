"""Which of the arrays that a gradients function returned is the gradient of what.

After a backward has run, gradients are in what it returned, or left on objects under names such as ``dW``.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from einbackprop.checking import naming
from einbackprop.core.nesting import Path, get, label, leaves
from einbackprop.core.records import dataclass
from einbackprop.core.visible import shown
from einbackprop.errors import ScriptError

Found = list[tuple[Path, Any]]


@dataclass(frozen=True)
class Target:
    """An array that a gradient is wanted for.

    `path` leads to it in the state; `key` from the outermost thing that the gradients function is
    expected to mirror; `name` is the user's.
    """

    name: str
    path: Path
    key: Path
    shape: tuple[int, ...]


@dataclass
class Matching:
    """The value that was returned for each target, by name; what was not, and what else was."""

    values: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unclear: bool = False


def match(
    result: Any, targets: Sequence[Target], returned: Callable[[int], naming.Names | None], loss: Callable[[], float]
) -> Matching:
    """Match what a gradients function returned with what it should be the gradients of.

    By key where there are keys, ``d``, ``grad_``, ``dL_d`` and the like stripped; else by position
    where the count is right; else by the names that the function's own return statement gives.

    Parameters
    ----------
    result
        Nested lists, tuples, dicts and objects of arrays, numbers and None.
    targets
        In the order of the user's arguments.
    returned
        Gives the names that the gradients function's own return statement has, if it has so many.
    loss
        Gives the loss, to know it when a function returns ``(loss, gradients)``.
    """
    found = [(path, leaf) for path, leaf in leaves(result) if _is_value(leaf)]
    if len(found) == len(targets) + 1 and _is_loss(found[0], loss):
        found = found[1:]
    if len(found) > len(targets) == sum(leaf is not None for _, leaf in found):  # what has none, such as a mask
        found = [(path, leaf) for path, leaf in found if leaf is not None]
    if len(targets) == 1 and len(found) != 1 and _is_plain_list(result):
        with contextlib.suppress(ValueError):  # lists that are no rectangle are no array
            found = [((), np.array(result, dtype=float))]
    if any(_has_name(path) for path, _ in found):
        matching = _by_key(found, targets)
        if matching.values or len(found) != len(targets):
            return matching
    if len(found) == len(targets):
        names = tuple(target.name for target in targets)
        matching = Matching({name: leaf for name, (_, leaf) in zip(names, found, strict=True)})
        matching.notes += _order(names, returned(len(found)))
        return matching
    return _by_returned_name(found, targets, returned(len(found)))


def _by_key(found: Found, targets: Sequence[Target]) -> Matching:
    left = list(targets)
    matching = Matching()
    for path, leaf in sorted(found, key=lambda one: not _has_name(one[0])):  # a name says more than a place
        target = _target_of(path, left)
        if target is None:
            matching.extra.append(label(path[0], path[1:]) if isinstance(path[0], str) else label("", path))
        else:
            matching.values[target.name] = leaf
            left.remove(target)
    unnamed = [(path, leaf) for path, leaf in found if leaf is not None and not _has_name(path)]
    if [np.shape(leaf) for _, leaf in unnamed] == [target.shape for target in left]:  # beside a dict of the others
        matching.values |= {target.name: leaf for target, (_, leaf) in zip(left, unnamed, strict=True)}
        matching.extra = [one for one in matching.extra if one not in {label("", path) for path, _ in unnamed}]
        left = []
    matching.missing = [target.name for target in left]
    return matching


def _has_name(path: Path) -> bool:
    return any(isinstance(step, str) for step in path)


def _target_of(path: Path, targets: Sequence[Target]) -> Target | None:
    """The target with the same path but for the decoration of its keys, else with that name, else the only one that
    ends with it: ``net.p['W1']`` for ``W1``, ``net.weights[0]`` for ``grad_weights[0]``.
    """
    for target in targets:
        if path == target.key or (path and _agree(path, target.key)):
            return target
    if not _has_name(path):
        return None
    name, *places = _end_of(path)
    candidates = naming.gradient_of(name)
    by_name = {target.name: target for target in targets}
    ends = [_end_of(target.path) for target in targets]
    by_end = {end: target for end, target in zip(ends, targets, strict=True) if ends.count(end) == 1}
    found = [by_name.get(label(one, tuple(places))) for one in candidates]
    found += [by_end.get((one, *places)) for one in candidates]
    found += [by_name.get(one) for one in candidates]  # the only one in a list
    return next((target for target in found if target is not None), None)


def _end_of(path: Path) -> tuple[Any, ...]:
    """The last name in a path, and what stands after it: ``("weights", 0)`` of ``net.weights[0]``."""
    last = max((n for n, step in enumerate(path) if isinstance(step, str)), default=0)
    return tuple(path[last:])


def _agree(path: Path, key: Path) -> bool:
    return len(path) == len(key) and all(
        mine == theirs or (isinstance(mine, str) and theirs in naming.gradient_of(mine))
        for mine, theirs in zip(path, key, strict=True)
    )


def _by_returned_name(
    found: Found, targets: Sequence[Target], names: naming.Names | None
) -> Matching:
    if names is not None:
        named: Found = [((name,), leaf) for name, (_, leaf) in zip(names, found, strict=True)]
        matching = _by_key(named, targets)
        if matching.values:
            return matching
    wanted = ", ".join(target.name for target in targets)
    arrays = "array" if len(targets) == 1 else "arrays"
    what, these = ("which is missing", "them") if len(found) < len(targets) else ("which are theirs", "only these")
    note = (f"{len(found)} gradients were returned for {len(targets)} {arrays} ({wanted}), and "
            f"nothing says {what}: return {these} in that order, or in a dict by name")
    return Matching(notes=[note], unclear=True)


@functools.lru_cache(maxsize=256)
def _order(wanted: tuple[str, ...], names: naming.Names | None) -> Sequence[str]:
    """A note if the names in the return statement are the targets' in another order."""
    by_name = tuple(next((n for n in naming.gradient_of(name) if n in wanted), "") for name in names or ())
    if sorted(by_name) != sorted(wanted) or by_name == wanted:
        return []
    return [f"the gradients are returned in the order {', '.join(names or ())}, but they are "
            f"matched by position with {', '.join(wanted)}"]


def _is_value(leaf: Any) -> bool:
    return leaf is None or isinstance(leaf, (np.ndarray, np.generic, int, float))


def _is_loss(first: tuple[Path, Any], loss: Callable[[], float]) -> bool:
    path, leaf = first
    if leaf is None or np.size(leaf) != 1 or path != (0,):
        return False
    return bool(np.isclose(float(np.reshape(leaf, ())), loss(), rtol=1e-3))


def _is_plain_list(result: Any) -> bool:
    return isinstance(result, (list, tuple)) and all(
        isinstance(item, (int, float)) or _is_plain_list(item) for item in result
    )


Where = dict[str, tuple[bool, Path]]
"""By target name: whether the gradient was left in the state, and its path there, or in what was returned."""

WORDS = frozenset({"grad", "grads", "gradient", "gradients", "d", "g"})
"""What a holder of gradients is called, or a gradient beside its ``data``."""


def places_of(
    returned: Any, state: Any, targets: Sequence[Target], source: Any, label: Callable[[Path], str]
) -> Where:
    """Find the gradient of each target.

    Parameters
    ----------
    returned, state
        What backward returned, and the state that it left behind.
    source
        The function whose return statement gives names.
    label
        Writes a path in the state as the user would.

    Returns
    -------
    dict
        Empty where what was returned has them all.

    Raises
    ------
    ScriptError
        There is none for a target, or there are several that differ.
    """
    whole = _matched(returned, targets, source)
    is_whole = not whole.unclear and all(target.name in whole.values for target in targets)
    if is_whole and _is_named(returned, targets, source):
        return {}
    left = {target.name: place for target in targets if (place := _left(state, target, targets, label)) is not None}
    if not left and (is_whole or (whole.values and not whole.unclear)):
        return {}  # the check says which are missing
    others = [target for target in targets if target.name not in left]
    matching = _matched(returned, others, source) if others else Matching()
    paths = {id(leaf): path for path, leaf in leaves(returned)}
    values = {} if matching.unclear else matching.values
    absent = [target.name for target in others if id(values.get(target.name, values)) not in paths]
    if absent and is_whole:
        return {}
    if absent:
        raise ScriptError(_not_found(absent, returned))
    where: Where = {name: (True, place) for name, place in left.items()}
    return where | {name: (False, paths[id(value)]) for name, value in values.items()}


def collected(returned: Any, state: Any, where: Where) -> Any:
    """The gradients by target name, or what was returned, where that is all."""
    if not where:
        return returned
    return {name: get(state if is_left else returned, path) for name, (is_left, path) in where.items()}


def _matched(returned: Any, targets: Sequence[Target], source: Any) -> Matching:
    if returned is None:
        return Matching(unclear=True)
    return match(returned, targets, lambda count: naming.returned(source, count), lambda: np.nan)


def _is_named(returned: Any, targets: Sequence[Target], source: Any) -> bool:
    """Whether what was returned has names, and a gradient of each target among them."""
    found = list(leaves(returned))
    if any(_has_name(path) for path, _ in found):
        return True
    names = naming.returned(source, len(found)) or ()
    known = {name for spelled in names for name in naming.gradient_of(spelled)}
    return all(target.name in known for target in targets)


def _left(state: Any, target: Target, targets: Sequence[Target], label: Callable[[Path], str]) -> Path | None:
    """The one place in the state that is called the gradient of a target; None where there is none.

    A holder of the same name with other steps is taken if no other has just the target's steps.
    """
    own = {other.path for other in targets}
    found = [(path, leaf) for path, leaf in leaves(state) if path not in own]
    arrays = {path: leaf for path, leaf in found if isinstance(leaf, np.ndarray | np.floating)}
    for is_strict in (True, False):
        called = [path for path in arrays if is_gradient_of(path, target.path, is_strict)]
        fitting = [path for path in called if np.shape(arrays[path]) == target.shape] or (called if is_strict else [])
        if len({id(arrays[path]) for path in fitting}) > 1:
            raise ScriptError(f"the gradient of {target.name} may be {' or '.join(map(label, fitting))}: --grads says "
                              "which, or grads= in Python")
        if fitting:
            return fitting[0]
    return None


def is_gradient_of(path: Path, target: Path, is_strict: bool = True) -> bool:
    """Whether a path is spelled as that of the gradient of what is at another: alike but for ``d``, ``grad``.

    Unless it must be so strictly, the word ``grads`` may stand where the target has another word.

    >>> is_gradient_of(("net", "dW"), ("net", "W")), is_gradient_of(("net", "grads", "W"), ("net", "W"))
    (True, True)
    >>> is_gradient_of(("net", "W", "grad"), ("net", "W", "data"), is_strict=False)
    True
    """
    return path != target and _is_spelled_so(path, target, is_strict)


def _is_spelled_so(path: Path, target: Path, is_strict: bool) -> bool:
    if not path or not target:
        return not path and not target
    step, wanted = path[0], target[0]
    plain = step.lstrip("_") if isinstance(step, str) else step
    alike = step == wanted or (isinstance(plain, str) and wanted in naming.gradient_of(plain))
    if alike and _is_spelled_so(path[1:], target[1:], is_strict):
        return True
    if isinstance(plain, str) and plain.lower() in WORDS:
        if _is_spelled_so(path[1:], target, is_strict):
            return True
        return not is_strict and isinstance(wanted, str) and _is_spelled_so(path[1:], target[1:], is_strict)
    return False


def _not_found(names: Sequence[str], returned: Any) -> str:
    """What is missing, what there is, and what to do."""
    count = sum(1 for _, leaf in leaves(returned) if isinstance(leaf, np.ndarray | np.number | float))
    arrays = "1 array" if count == 1 else f"{count} arrays"
    what = "nothing" if returned is None else arrays if count else shown(returned)
    name = names[-1].rpartition(".")[2]
    return (f"no gradient was found for {', '.join(names)}: backward returned {what}, and left none under a name such "
            f"as d{name}; --grads says where it is, or grads= in Python")
