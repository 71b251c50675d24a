"""Which of the arrays that a gradients function returned is the gradient of what."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from einbackprop.checking import naming
from einbackprop.core.nesting import Path, label, leaves

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
    if len(targets) == 1 and len(found) != 1 and _is_plain_list(result):
        with contextlib.suppress(ValueError):  # lists that are no rectangle are no array
            found = [((), np.array(result, dtype=float))]
    if any(isinstance(step, str) for path, _ in found for step in path):
        matching = _by_key(found, targets)
        if matching.values or len(found) != len(targets):
            return matching
    if len(found) == len(targets):
        matching = Matching({t.name: leaf for t, (_, leaf) in zip(targets, found, strict=True)})
        matching.notes += _order(targets, returned(len(found)))
        return matching
    return _by_returned_name(found, targets, returned(len(found)))


def _by_key(found: Found, targets: Sequence[Target]) -> Matching:
    left = list(targets)
    matching = Matching()
    for path, leaf in found:
        target = _target_of(path, left)
        if target is None:
            matching.extra.append(label("", path).strip("[]'\"."))
        else:
            matching.values[target.name] = leaf
            left.remove(target)
    matching.missing = [target.name for target in left]
    return matching


def _target_of(path: Path, targets: Sequence[Target]) -> Target | None:
    """The target with the same path but for the decoration of its keys, else with that name."""
    for target in targets:
        if path == target.key or (path and _agree(path, target.key)):
            return target
    names = [step for step in path if isinstance(step, str)]
    candidates = naming.gradient_of(names[-1]) if names else ()
    by_name = {target.name: target for target in targets}
    return next((by_name[name] for name in candidates if name in by_name), None)


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
    note = (f"{len(found)} gradients were returned for {len(targets)} arrays ({wanted}), and "
            "nothing says which is missing: return them in that order, or in a dict by name")
    return Matching(notes=[note], unclear=True)


def _order(targets: Sequence[Target], names: naming.Names | None) -> list[str]:
    """A note if the names in the return statement are the targets' in another order."""
    wanted = [target.name for target in targets]
    by_name = [next((n for n in naming.gradient_of(name) if n in wanted), "") for name in names or ()]
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
    if not isinstance(result, (list, tuple)):
        return False
    return all(isinstance(item, (int, float)) or _is_plain_list(item) for item in result)
