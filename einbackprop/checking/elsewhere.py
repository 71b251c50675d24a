"""The check at sizes of our own: what is right only where two sizes happen to be equal is wrong.

The letters of a traced loss say which axes of which arrays are one dimension, so that all of them can be given another
size together. Sizes that stand in the code as numbers, and those of data that have a meaning, stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.nesting import Path, get, leaves, rebuild, root
from ..core.program import Dimension, Input, Program
from ..core.progress import in_time
from ..errors import ScriptError
from ..notation.steps import listed
from .answers import Trial, User, tried_once
from .drawing import Role, draw, range_role, role
from .free_sizes import Array, distinct_sizes, free_dimensions
from .problems import Problem, with_arrays

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


LARGEST = 20_000  # entries of all inputs together: beyond, the user's own sizes have taken long enough


@dataclass(frozen=True)
class Elsewhere:
    """What was found at other sizes.

    Attributes
    ----------
    tried : tuple of str
        The sizes at which the user's code ran, in words.
    wrong : mapping of name to str
        The gradients that are wrong there, and at which sizes.
    hides : tuple of str
        What the user's own sizes hide, in words.
    certain : bool
        Whether the sizes were the user's to choose, so that the code is meant to work at all of them.
    is_cut : bool
        Whether the time was over before all of them were tried.
    states : tuple of nested arrays
        At which some were wrong that are right at the user's sizes.
    """

    tried: tuple[str, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    certain: bool = False
    is_cut: bool = False
    states: tuple[Any, ...] = ()


def look(problem: Problem, trial: Trial, program: Program | None, seed: int) -> Elsewhere:
    """Run the user's functions at other sizes, where that can be done.

    Parameters
    ----------
    problem : Problem
    trial : Trial
        What is wanted, and its verdicts, at the user's sizes.
    program : Program or None
        The loss and the gradients traced together, where they could be.
    seed : int
        Decides the draws.
    """
    right = {item.name for item in trial.gradients if item.verdict == "right"}
    names = {target.path: target.name for target in trial.targets}
    hides: list[str] = []
    if program is not None:
        inputs = {d.ref.name: names[path] for d in program.inputs if (path := problem.place(d)) in names}
        hides = hiding(program, inputs)
    tried: list[str] = []
    states: list[Any] = []
    wrong: dict[str, str] = {}

    def try_all() -> bool:
        for sizes, other in problems_elsewhere(problem, trial.state, program, set(names), seed):
            there = _tried(other, trial.user, seed)
            if there is not None and there.user.random:
                break
            if there is not None:
                tried.append(sizes)
                new = {name: sizes for name in there.wrong if name in right and name not in wrong}
                wrong.update(new)
                states.extend([there.state] if new else ())
        return True

    done = in_time("trying other sizes", try_all, False)
    return Elsewhere(tuple(tried), wrong, tuple(hides), problem.elsewhere is not None, not done, tuple(states))


def _tried(problem: Problem, user: User, seed: int) -> Trial | None:
    """The gradients at one draw; None where the code is not made for these sizes."""
    try:
        return tried_once(problem, np.random.default_rng(seed), user)
    except ScriptError:
        return None


def small_states(
    problem: Problem, state: Any, program: Program, paths: set[tuple[object, ...]], seed: int
) -> Iterator[Any]:
    """Two states at the smallest sizes that are all different, as far as the code leaves sizes free."""
    arrays = [np.asarray(get(state, problem.place(declared))) for declared in program.inputs]
    parameters = {d.ref.name for d in program.inputs if problem.place(d) in paths}
    sizes = distinct_sizes(program, free_dimensions(program, arrays, parameters))
    rng = np.random.default_rng(seed)
    for _ in range(2):
        made = resized(state, program, problem.place, sizes, parameters, rng)
        if made is not None:
            yield with_arrays(replace(problem, state=made))


def problems_elsewhere(
    problem: Problem, state: Any, program: Program | None, paths: set[tuple[object, ...]], seed: int
) -> Iterator[tuple[str, Problem]]:
    """The problem at other sizes: those that the user's own code can make, or else those of the letters."""
    if problem.elsewhere is not None:
        yield from problem.elsewhere()
        return
    if program is None:
        return
    arrays = [np.asarray(get(state, problem.place(declared))) for declared in program.inputs]
    if sum(array.size for array in arrays) > LARGEST:
        return
    parameters = {d.ref.name for d in program.inputs if problem.place(d) in paths}
    sizes = other_sizes(program, arrays, parameters)
    if sizes is not None:
        rng = np.random.default_rng(seed)
        state = resized(state, program, problem.place, sizes, parameters, rng)
        if state is not None:
            changed = {d.letters[0]: sizes[d.letters[0]] for d in program.dimensions}
            yield told(changed), replace(problem, state=state)
