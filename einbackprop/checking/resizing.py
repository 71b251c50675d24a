"""The user's arrays at other sizes: no verdict should rest on two sizes that happen to be equal.

The letters of a traced loss say which axes of which arrays are one dimension, so that all of them can be given another
size together. Sizes that stand in the code as numbers, and those of data that have a meaning, stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from ..core.nesting import Path, get, leaves, rebuild, root
from ..core.program import Dimension, Input, Program
from ..notation.steps import listed
from .drawing import Role, draw, range_role, role
from .free_sizes import Array, distinct_sizes, free_dimensions

Sizes = dict[str, int]
Place = Callable[[Input], Path]


def other_sizes(program: Program, arrays: list[Any], parameters: Collection[str]) -> Sizes | None:
    """Sizes of our own, all different; None where the user's have nothing in common.

    Parameters
    ----------
    program : Program
        The loss, or the loss and the gradients traced together.
    arrays : list of arrays
        The inputs of the program.
    parameters : collection of str
        The inputs that gradients are taken of.
    """
    own = [d.size for d in program.dimensions]
    if len(set(own)) == len(own) and 1 not in own:
        return None
    sizes = distinct_sizes(program, free_dimensions(program, arrays, parameters))
    return sizes if sizes != program.sizes else None


def resized(
    state: Any, program: Program, place: Place, sizes: Mapping[str, int], parameters: Collection[str],
    rng: np.random.Generator,
) -> Any:  # fmt: skip
    """The state with its arrays at other sizes; data stay data of their kind (one-hot rows, labels, masks).

    None where two arrays look at one memory, which cannot be cut anew.
    """
    arrays = {id(leaf): leaf for _, leaf in leaves(state) if isinstance(leaf, np.ndarray)}
    if len({id(root(array)) for array in arrays.values()}) < len(arrays):
        return None
    fresh = {}
    for declared in program.inputs:
        own = get(state, place(declared))
        shape = tuple(sizes[i] for i in declared.ref.indices)
        if shape != np.squeeze(own, declared.units).shape:
            if declared.ref.name in parameters:
                array = draw(np.empty(shape, own.dtype), role_at(own, shape), rng)
            elif own.size and np.all(own == own.flat[0]):  # ones, or a buffer of zeros
                array = np.full(shape, own.flat[0])
            else:
                array = data_like(np.squeeze(own, declared.units), shape, rng)
            fresh[id(own)] = np.expand_dims(array, declared.units).astype(own.dtype)
    return rebuild(state, lambda array: fresh.get(id(array), array))


def data_like(own: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Data of another shape that are of the same kind: labels stay labels, one-hot rows one-hot."""
    if own.dtype.kind not in "fc":
        return rng.choice(own.ravel(), shape)
    kept = role(own)
    if kept.kind == "kept" and own.size and np.ptp(own) > 0:
        return redrawn(own, shape, rng)
    return draw(np.ones(shape), Role("real") if kept.kind == "kept" else kept, rng)


def redrawn(plain: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Whole numbers of another shape: one-hot rows stay one-hot, masks stay masks."""
    for axis in range(plain.ndim):
        if set(np.unique(plain)) == {0.0, 1.0} and np.all(plain.sum(axis=axis) == 1):
            hot = rng.integers(0, shape[axis], [n for i, n in enumerate(shape) if i != axis])
            return np.moveaxis(np.eye(shape[axis])[hot], -1, axis)
    return rng.choice(plain.ravel(), shape)


def role_at(own: np.ndarray, shape: tuple[int, ...]) -> Role:
    """What a parameter keeps of the user's values at another shape."""
    kept = range_role(own)
    return kept if kept.kind != "kept" and len(shape) == own.ndim else Role("real")


def told(sizes: Mapping[str, int]) -> str:
    """``i=j=4, b=5``: sizes in words."""
    letters: dict[int, list[str]] = {}
    for letter, size in sizes.items():
        letters.setdefault(size, []).append(letter)
    return ", ".join(f"{'='.join(same)}={size}" for size, same in letters.items())


def hiding(program: Program, parameters: Mapping[str, str]) -> list[str]:
    """What the user's own sizes hide, in words.

    Parameters
    ----------
    program : Program
    parameters : mapping of input name to the user's name
        The arrays that gradients are taken of.
    """
    square = []
    for declared in program.inputs:
        own = [program.dimension(i) for i in declared.ref.indices]
        different = len(own) == 2 and own[0] is not own[1]  # a recurrent weight is square at every size
        if declared.ref.name in parameters and different and own[0].size == own[1].size != 1:
            square.append(f"{parameters[declared.ref.name]} ({'='.join(declared.ref.indices)}={own[0].size})")
    found = []
    if square:
        are = "is" if len(square) == 1 else "are"
        found.append(f"{listed(square)} {are} square, so that no shape shows a missing transpose")
    units = {i for declared in program.inputs if declared.ref.name in parameters for i in declared.ref.indices}
    samples = [d for d in program.dimensions if d.letters.startswith("b") and not units & set(d.letters)]
    batch = samples[0] if samples else None
    return found + (_batch(program, batch) if batch is not None else [])


def _batch(program: Program, batch: Dimension) -> list[str]:
    if batch.size == 1:
        return ["the batch is of 1 (b=1), so that nothing shows whether it is summed over"]
    same = [d.letters[0] for d in program.dimensions if d is not batch and d.size == batch.size]
    if same:
        return [f"the batch is as large as a layer ({'='.join(['b', *same])}={batch.size}), so that one axis can stand "
                "for the other"]
    return []
