"""Python functions and their arguments as a problem to check.

One function that returns a loss and its gradients is taken as two.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from einbackprop.capture.failures import explained
from einbackprop.capture.tracer import traces
from einbackprop.checking import naming
from einbackprop.checking.layers import Backward, Layer, Taken, layer_problem
from einbackprop.checking.problems import Problem, at_targets, called, place_of, with_arrays
from einbackprop.checking.unfinished import left_loss
from einbackprop.core.nesting import Choice, Path, get, parameter_names, parameters, position_of
from einbackprop.core.visible import shown
from einbackprop.errors import CodeError, EinbackpropError, OptionError, ScriptError
from einbackprop.world import Runner, World

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


def halves_of(
    both: Callable[..., Any], call: Callable[[], Any], source: Any
) -> tuple[Callable[..., Any], Callable[..., Any], Place]:
    """The loss of a function that returns it with its gradients, these, and its place in what ``call`` of it returns.

    Where that stops with an error after the loss was made, the loss is what it was by then.

    Raises
    ------
    CodeError
        It stops before that.
    ScriptError
        As `loss_place`.
    """
    try:
        place = loss_place(call(), source)
    except CodeError as stopped:
        left = left_loss(stopped.__cause__ or stopped, lambda name: bool(_LOSS.search(name)), _is_number)
        if left is None:
            raise
        loss, place = left.of(both), left.place
    else:
        loss = loss_in(both, place)
    return loss, gradients_in(both, place), place


def without(result: Any, place: Place) -> Any:
    """What was returned but for the loss: the other one of a pair, else a tuple or a dict of the others."""
    if isinstance(result, dict):
        left = {key: value for key, value in result.items() if key != place}
        first = next(iter(left.values()), None)
        return first if len(left) == 1 and isinstance(first, dict | list | tuple) else left
    others = tuple(item for n, item in enumerate(result) if n != place)
    return others[0] if len(others) == 1 else others


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.generic | np.ndarray):
        return False
    return np.size(value) == 1 and np.asarray(value).dtype.kind in "iuf"


def _described(value: Any, name: str) -> str:
    """``dW (2,3)``: a part of what was returned."""
    shape = str(np.shape(value)).replace(" ", "") if isinstance(value, np.ndarray) else type(value).__name__
    return f"{name} {shape}".strip()


COTANGENT = "dout"


def pair_problem(loss: Any, gradients: Any, arguments: Sequence[Any], wrt: Choice) -> Problem:
    """The problem of a loss and of gradients, two functions of the same arguments. Raises ScriptError, OptionError."""
    roots = roots_of(loss, arguments, wrt)
    world = World()
    own_loss, own_gradients, state = world.of((loss, gradients, list(arguments)))
    return _problem(world, own_loss, own_gradients, state, roots, loss, gradients, loss)


def both_problem(both: Any, arguments: Sequence[Any], wrt: Choice) -> Problem:
    """The problem of one function that returns a loss and its gradients. Raises ScriptError, OptionError."""
    roots = roots_of(both, arguments, wrt)
    world = World()
    own, state = world.of((both, list(arguments)))
    run = Runner(world, lambda state: own(*state))
    loss, gradients, place = halves_of(own, lambda: called(run, state, "the loss and its gradients"), both)
    return _problem(world, loss, gradients, state, roots, both, naming.AllBut(both, place), both)


def _problem(
    world: World, loss: Callable[..., Any], gradients: Callable[..., Any], state: list[Any], roots: tuple[Path, ...],
    loss_source: Any, gradients_source: Any, named: Any,
) -> Problem:  # fmt: skip
    """The problem of two copied functions; `named` is the one whose parameters name the arguments."""

    def loss_at(state: Any) -> Any:
        return loss(*state)

    def gradients_at(state: Any) -> Any:
        return gradients(*state)

    forward, pair = traces(world, loss_at, gradients_at, parameter_names(named, len(state)))
    return Problem(
        loss=Runner(world, loss_at),
        gradients=Runner(world, gradients_at),
        state=state,
        roots=roots,
        labels=dict(enumerate(parameters(named)[: len(state)])),
        loss_source=loss_source,
        gradients_source=gradients_source,
        forward=forward,
        pair=pair,
        place=at_targets(state, roots, lambda declared: declared.path),
    )


def roots_of(function: Any, arguments: Sequence[Any], wrt: Choice, given: int = 0) -> tuple[Path, ...]:
    """The paths of what is meant among the arguments: by position, by name, or as ``net.layers[0].W``.

    A position counts from argument `given` on.

    Raises
    ------
    ScriptError
        There is no such argument, or nothing at the path.
    OptionError
        It is no position and no name of an argument.
    """
    several = isinstance(wrt, list | tuple)
    return tuple(_root(function, arguments, item, wrt, given) for item in (wrt if several else (wrt,)))  # type: ignore[union-attr]


def _root(function: Any, arguments: Sequence[Any], item: Any, wrt: Choice, given: int) -> Path:
    path = naming.path_of(item) if isinstance(item, str) else None
    position = position_of(function, item if path is None else str(path[0]), wrt)
    count = len(arguments)
    if isinstance(item, str) and position >= count:
        raise ScriptError(f"wrt is {item}, but there are {count} arguments")
    if not isinstance(item, str):
        count -= given
        if not -count <= position < count:
            raise ScriptError(f"wrt is {position}, but there are {count} arguments")
        position = position % count + given
    root = (position, *(path or ())[1:])
    try:
        get(arguments, root)
    except (LookupError, AttributeError, TypeError) as error:
        raise ScriptError(f"wrt={item!r}: {type(error).__name__}: {error}") from error
    return root


def layer_problem_of(
    forward: Any, backward: Any, arguments: Sequence[Any], wrt: Choice, grads: Any, cotangent: str | None
) -> Problem:
    """The problem of a layer's forward and backward. Raises ScriptError, OptionError."""
    forward, owner = _unbound(forward)
    given = () if owner is None else (owner,)
    backward, grads = (_unbound(item, owner)[0] for item in (backward, grads))
    values = (*given, *arguments)
    roots = roots_of(forward, values, wrt, len(given))
    known = parameters(forward)[: len(values)]
    free = _free(backward, known)
    if cotangent is not None and cotangent not in free:
        raise OptionError(f"cotangent={cotangent!r}, but backward has no parameter of that name beside forward's: "
                          f"{', '.join(free) or 'it has none'}")
    world = World()
    own_forward, own_backward, own_grads, state = world.of((forward, backward, grads, list(values)))
    count, key = len(values), len(values)

    def run(state: Any) -> Any:
        return own_forward(*state[:count])

    def passed(taken: Taken) -> Backward:
        plan = _plan(backward, known, cotangent, taken)
        return lambda state, result: own_backward(*(give(state, result, key) for give in plan))

    def left(state: Any, returned: Any) -> Any:
        by_name = dict(zip(known, state, strict=False))
        return own_grads(*(by_name.get(name, returned) for name in parameters(grads)))

    name = cotangent or (free[0] if free else COTANGENT)
    layer = Layer(run, passed, lambda result: _has_cache(result, free, cotangent), left if grads is not None else None,
                  key, name, bool(free))
    names = (*parameter_names(forward, count), name)
    base = _problem(world, own_forward, own_backward, state, roots, forward, grads if grads is not None else backward,
                    forward)
    return layer_problem(base, layer, names)


def _unbound(function: Any, owner: Any = None) -> tuple[Any, Any]:
    """The function of a bound method, and what it is bound to; of another owner than is given, the method itself."""
    if not isinstance(function, FunctionType | MethodType | type) and callable(function):
        inner = type(function).__call__
        function = MethodType(inner, function) if isinstance(inner, FunctionType) else function
    bound = isinstance(function, MethodType) and not isinstance(function.__self__, type)
    is_owners = bound and (owner is None or function.__self__ is owner)
    return (function.__func__, function.__self__) if is_owners else (function, None)


def _free(backward: Any, known: Sequence[str]) -> tuple[str, ...]:
    """The parameters of backward that forward does not have: the cotangents, the cache, and no others.

    Those that have a default are among them only if all have one.
    """
    try:
        signature = inspect.signature(backward).parameters
    except (TypeError, ValueError):
        return (COTANGENT,)
    free = [name for name in parameters(backward) if name not in known]
    needed = [name for name in free if signature[name].default is inspect.Parameter.empty]
    if not free and any(item.kind == inspect.Parameter.VAR_POSITIONAL for item in signature.values()):
        return (COTANGENT,)
    return tuple(needed or free[:1])


def _has_cache(result: Any, free: Sequence[str], cotangent: str | None) -> bool:
    """Whether backward takes a cache: it has more free parameters than the cotangent, and forward ends in one.

    The last place of a tuple is a cache unless backward has as many cotangents, named so, as there are places.
    """
    if len(free) < 2:
        return False
    if not isinstance(result, tuple) or len(result) < 2:
        raise ScriptError(f"backward takes {' and '.join(free)}, but forward returned no tuple (output, cache): it "
                          f"returned {type(result).__name__}. Wrap it, as in lambda dout, x: backward(dout, x)")
    spelled = all(len(naming.gradient_of(name)) > 1 for name in free)
    return not (cotangent is None and spelled and len(free) == len(result))


Give = Callable[[Any, Any, int], Any]


def _plan(backward: Any, known: Sequence[str], cotangent: str | None, taken: Taken) -> list[Give]:
    """What backward is given, one after the other: each a function of the state, what forward returned, and where in
    the state the cotangent is.
    """
    free = _free(backward, known)
    cotangents = [name for name in free if name == cotangent] or list(free[: len(free) - taken.has_cache])
    caches = [name for name in free if name not in cotangents]
    if len(caches) > 1 or (len(cotangents) > 1 and len(cotangents) != len(taken.outputs)):
        raise ScriptError(f"backward takes {', '.join(free)}, and forward returned {len(taken.outputs)} outputs"
                          f"{' and a cache' if taken.has_cache else ''}: wrap it, as in "
                          "lambda dout, cache: backward(dout, cache)")
    return [_give(name, known, cotangents, caches, taken) for name in parameters(backward)
            if name in known or name in free] or [_cotangent(())]


def _give(name: str, known: Sequence[str], cotangents: Sequence[str], caches: Sequence[str], taken: Taken) -> Give:
    if name in caches:
        return lambda state, result, key: result[-1]
    if name in cotangents:
        return _cotangent(taken.cotangents[cotangents.index(name)] if len(cotangents) > 1 else ())
    position = known.index(name)
    return lambda state, result, key: state[position]


def _cotangent(path: Path) -> Give:
    return lambda state, result, key: get(state[key], path)


def with_letters(problem: Problem, error: CodeError) -> CodeError:
    """An error of the user's code, said in letters where it is about shapes: the code is read up to where it stops."""
    if error.place is None or not isinstance(error.__cause__, ValueError) or problem.pair is None:
        return error
    try:
        problem.pair(with_arrays(problem))
    except EinbackpropError as stop:
        letters = explained(stop)
        if letters and place_of(stop.__cause__ or stop) == error.place:
            return CodeError(error.what, error.place, f"{letters}.")
    return error
