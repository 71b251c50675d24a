"""A layer without a loss: forward and backward become a loss and its gradients, which are checked like any others.

A cotangent of the shape of what forward returns is drawn; the loss is the sum of their product. The gradients are what
backward returns, or leaves on objects. One run of both, at the user's own values, says which parts of what forward
returned are outputs and where each gradient is; every later run takes the same parts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from einbackprop.capture.tracer import traces
from einbackprop.checking.draws import role
from einbackprop.checking.matching import Where, collected, places_of
from einbackprop.checking.problems import Problem, called, targets_of, with_arrays
from einbackprop.core.nesting import Number, Path, duplicate, get, label, leaves
from einbackprop.core.records import dataclass
from einbackprop.core.visible import shown
from einbackprop.errors import ScriptError
from einbackprop.world import Raised, Runner

State = Any
Backward = Callable[[State, Any], Any]


@dataclass(frozen=True)
class Taken:
    """What forward returned, taken apart: where its outputs are, and where the cotangent of each is in the cotangent.

    The last place of a tuple is no output if it is a cache.
    """

    outputs: tuple[Path, ...]
    cotangents: tuple[Path, ...]
    has_cache: bool


@dataclass(frozen=True)
class Layer:
    """A layer's functions, copied into one world.

    Attributes
    ----------
    forward
        Takes the state, returns what the user's forward does.
    backward
        Takes how what forward returns is taken apart, and gives a function of the state and of what forward returned,
        which runs the user's backward.
    has_cache
        Whether the last place of what forward returned is a cache.
    grads
        Takes the state and what backward returned, after it: gives the gradients. None where they have to be found.
    key
        Where the cotangent stands in the state; `name` is what the user calls it.
    is_used
        Whether backward reads the cotangent; if it does not, that of a single number is 1.
    """

    forward: Callable[[State], Any]
    backward: Callable[[Taken], Backward]
    has_cache: Callable[[Any], bool]
    grads: Backward | None
    key: Any
    name: str
    is_used: bool = True


class Repeated(Runner):
    """A runner that draws the same random numbers each time.

    The mask of a dropout is then no accident: forward draws it first wherever it runs, alone or before backward.
    """

    def goes_on(self, state: Any) -> Any:
        """Run it as ever."""
        return self(state)


def layer_problem(problem: Problem, layer: Layer, names: tuple[str, ...], seed: int = 0) -> Problem:
    """The problem whose loss and gradients are a layer's, with the cotangent in its state.

    Parameters
    ----------
    problem
        Its state has no cotangent yet; its functions are not looked at, but for their world.
    layer
    names
        What the values of the state are called, the cotangent too.
    seed
        Decides the cotangent.

    Raises
    ------
    ScriptError
        Forward raises or returns no array of floats, or a gradient is not found.
    """
    world = problem.loss.world
    result = called(Runner(world, layer.forward), with_arrays(problem), "forward")
    taken = taken_apart(result, layer.has_cache(result))
    if not layer.is_used:
        _require_number(result, taken)
    cotangent = cotangent_of(result, taken, np.random.default_rng([seed, 7])) if layer.is_used else None
    state = with_cotangent(problem.state, layer.key, cotangent)
    backward = layer.backward(taken)
    key, forward, grads = layer.key, layer.forward, layer.grads

    def loss(state: State) -> Any:
        return weighted(forward(state), taken, state[key])

    def returned(state: State) -> Any:
        made = backward(state, forward(state))
        return made if grads is None else grads(state, made)

    complete = replace(problem, state=state, labels={**problem.labels, key: layer.name})
    where = {} if grads is not None else _found(complete, returned)

    def gradients(state: State) -> Any:
        return collected(returned(state), state, where)

    forward_of, pair = traces(world, loss, gradients, names)
    return replace(
        complete, loss=Repeated(world, loss), gradients=Repeated(world, gradients), forward=forward_of, pair=pair,
        notes=tuple(_told(layer, taken, where, complete)),
    )  # fmt: skip


def taken_apart(result: Any, has_cache: bool) -> Taken:
    """Find the outputs in what forward returned: its arrays of floats, a cache aside.

    In a tuple that holds arrays, what else it holds is no output: lists, dicts and objects of arrays are caches.

    Raises
    ------
    ScriptError
        There is no output, or one is complex or an object.
    """
    kept = result[:-1] if has_cache else result
    found = list(leaves(kept))
    if any(np.iscomplexobj(leaf) for _, leaf in found):
        raise ScriptError("forward returns complex numbers: only real ones can be checked")
    outputs = [path for path, leaf in found if _is_float(leaf)]
    if isinstance(kept, tuple) and any(map(_is_float, kept)):
        outputs = [path for path in outputs if len(path) == 1]
    if not outputs:
        more = " beside its cache" if has_cache else ""
        raise ScriptError(f"forward must return an array of floats, but what it returns{more} is {_kind(kept)}")
    if len(outputs) > 1 and any(isinstance(step, str) and not isinstance(_holder(kept, path), dict)
                                for path in outputs for step in path[-1:]):
        raise ScriptError(f"forward returns an object with several arrays ({label('', outputs[0])[1:]}, "
                          f"{label('', outputs[1])[1:]}): write which one is its output, as in layer.forward(x).data")
    if len(outputs) == 1:
        return Taken((outputs[0],), ((),), has_cache)
    return Taken(tuple(outputs), tuple(outputs), has_cache)


def cotangent_of(result: Any, taken: Taken, rng: np.random.Generator) -> Any:
    """Draw a cotangent: an array of the shape of the one output, or nested as the several are, None for others."""
    if taken.cotangents == ((),):
        return _drawn(get(result, taken.outputs[0]), rng)
    return _nested(result[:-1] if taken.has_cache else result, rng)


def with_cotangent(state: State, key: Any, cotangent: Any) -> State:
    """The state, by name or by position, with the cotangent at its key."""
    return {**state, key: cotangent} if isinstance(state, Mapping) else [*state, cotangent]


def weighted(result: Any, taken: Taken, cotangent: Any) -> Any:
    """The sum of the outputs times their cotangents; without a cotangent, the one output."""
    if cotangent is None:
        return get(result, taken.outputs[0])
    parts = [np.sum(get(result, there) * get(cotangent, here))
             for there, here in zip(taken.outputs, taken.cotangents, strict=True)]
    return sum(parts[1:], parts[0])


def output_of(result: Any, taken: Taken) -> Any:
    """What forward returned without its cache; of a tuple of one place, that place."""
    kept = result[:-1] if taken.has_cache else result
    return kept[0] if taken.has_cache and len(kept) == 1 else kept


def _require_number(result: Any, taken: Taken) -> None:
    """Where backward reads no cotangent, what forward returns must be a loss itself. Raises ScriptError."""
    outputs = [get(result, path) for path in taken.outputs]
    if len(outputs) > 1 or np.size(outputs[0]) != 1:
        shapes = ", ".join(str(np.shape(output)).replace(" ", "") for output in outputs)
        raise ScriptError(f"backward does not take the cotangent of what forward returns (shape {shapes}): hand it in, "
                          "as in backward(dout, cache)")


def _nested(value: Any, rng: np.random.Generator) -> Any:
    if _is_float(value):
        return _drawn(value, rng)
    if isinstance(value, dict):
        return {key: _nested(item, rng) for key, item in value.items()}
    if isinstance(value, tuple) and any(map(_is_float, value)):
        return tuple(_drawn(item, rng) if _is_float(item) else None for item in value)
    if isinstance(value, tuple | list):
        items = [_nested(item, rng) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return None


def _drawn(output: Any, rng: np.random.Generator) -> np.ndarray:
    """An array of both signs, without a pattern that a check would take for a promise."""
    dtype = output.dtype if isinstance(output, np.ndarray | np.generic) else np.dtype(np.float64)
    for _ in range(100):
        drawn = np.asarray(rng.normal(size=np.shape(output)), dtype=dtype)
        if role(drawn).kind == "real":
            break
    return drawn if isinstance(output, np.ndarray) else drawn.astype(np.float64).view(Number)


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray | np.floating | float) and np.asarray(leaf).dtype.kind == "f"


def _holder(value: Any, path: Path) -> Any:
    return get(value, path[:-1])


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return "None: is it returned?" if value is None else shown(value)


def _found(problem: Problem, returned: Callable[[State], Any]) -> Where:
    """Where each gradient is after backward has run; nothing where it raises, since the check says that."""
    state = with_arrays(problem)
    targets = targets_of(problem, state)
    try:
        result, after = problem.loss.world.call(partial(_with_state, returned), duplicate(state))
    except Raised:
        return {}
    return places_of(result, after, targets, problem.gradients_source, problem.label)


def _with_state(function: Callable[[State], Any], state: State) -> tuple[Any, State]:
    return function(state), state


def _told(layer: Layer, taken: Taken, where: Where, problem: Problem) -> Sequence[str]:
    """What was taken for what, in sentences."""
    name = layer.name
    if not layer.is_used:
        told = ["What forward returns is a number, and backward takes no cotangent: it is the loss."]
    elif len(taken.outputs) == 1:
        first = " first" if taken.outputs[0] == (0,) else ""
        told = [f"{name} is drawn by einbackprop: the cotangent of what forward returns{first}. The loss is the sum of "
                "their product."]
    else:
        told = [f"{name} is drawn by einbackprop: a cotangent for each of the {len(taken.outputs)} outputs of forward. "
                "The loss is the sum of their products."]
    if taken.has_cache:
        told.append("The cache is what forward returns last.")
    left = [f"that of {target} is {problem.label(path)}" for target, (is_left, path) in where.items() if is_left]
    if left:
        told.append(f"Gradients that backward leaves on objects: {', '.join(left)}.")
    return told
