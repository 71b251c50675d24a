"""What is asked of a script's gradients, by the options that ask it, as a problem to check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from einbackprop.capture.tracer import traces
from einbackprop.checking import naming
from einbackprop.checking.functions import halves_of
from einbackprop.checking.layers import Backward, Layer, Taken, layer_problem, output_of
from einbackprop.checking.problems import Problem, at_targets, called, describe
from einbackprop.core.nesting import Path, duplicate, get, inside, leaves, replaced
from einbackprop.core.program import Input
from einbackprop.core.records import dataclass
from einbackprop.core.visible import shortened
from einbackprop.errors import CodeError, OptionError, ScriptError
from einbackprop.shell.complaints import missing_step, no_place
from einbackprop.shell.reach import Namespace, Reach, compiled, evaluation, leads_to, loaded, reach_of, require, root_of
from einbackprop.world import Runner, World


def path_of(text: str, names: Namespace, script: str) -> Path:
    """Where ``net.layers[0].W`` stands in a state. Raises ScriptError where a script's names have no such arrays."""
    compiled(text, "--wrt", "eval")
    path = naming.path_of(text)
    if path is None:
        raise ScriptError(f"--wrt: {no_place(text, names)}")
    require(str(path[0]), names, "--wrt", script)
    try:
        value = get(names, path)
    except (LookupError, AttributeError, TypeError) as error:
        said = missing_step(path, names) or f"{shortened(text)}: {describe(error)}"
        raise ScriptError(f"--wrt: {said}") from error
    if not any(isinstance(leaf, (np.ndarray, float, int)) for _, leaf in leaves(value)):
        raise ScriptError(f"--wrt: {shortened(text)} holds no arrays: it is {type(value).__name__}")
    return root_of(path, names)


OUTPUT, CACHE, RETURNED = "out", "cache", "returned"
"""What --backward and --grads can read beside the script's names: outputs and cache of forward, what backward gave."""


@dataclass(frozen=True)
class Question:
    """The expressions of one check, by option; those that were not given are empty.

    Three forms: loss and grads; both; forward and backward, perhaps with grads.
    """

    wrt: Sequence[str]
    loss: str = ""
    grads: str = ""
    both: str = ""
    forward: str = ""
    backward: str = ""
    cotangent: str = "dout"

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked: what the script seems to ask is then to be found."""
        return not (self.wrt or self.loss or self.grads or self.both or self.forward or self.backward)

    def required(self) -> Question:
        """The question, if its options go together. Raises OptionError."""
        given = {f"--{name}" for name in ("loss", "grads", "both", "forward", "backward") if getattr(self, name)}
        forms = ({"--loss", "--grads"}, {"--both"}, {"--forward", "--backward"}, {"--forward", "--backward", "--grads"})
        if given not in forms:
            several = f"{', '.join(sorted(given))} do not go together"
            what = several if len(given) > 1 else f"{min(given, default='--wrt')} alone does not say what to check"
            raise OptionError(f"{what}: give --loss and --grads, or --both, or --forward and --backward")
        if not self.wrt:
            raise OptionError("--wrt is missing: what are the gradients with respect to? A name, net.W1 or p['W1']")
        if not self.cotangent.isidentifier():
            raise OptionError(f"--cotangent: {shortened(self.cotangent)!r} is no name")
        return self


@dataclass(frozen=True)
class Copied:
    """The expressions of a question, copied into a world: a function of the state for each, and the state."""

    reach: Reach
    roots: tuple[Path, ...]
    world: World
    names: Namespace
    functions: tuple[Callable[[Mapping[str, Any]], Any], ...]
    sources: tuple[Callable[[], Any], ...]
    state: Namespace


def problem_of(question: Question, names: Namespace, script: str, seed: int) -> Problem:
    """The problem that a question asks of a script's names. Raises ScriptError where an expression cannot be used."""
    if question.both:
        copied, problem = _both(question, names, script)
    elif question.forward:
        copied, problem = _layer(question, names, script, seed)
    else:
        copied = _copied(question, names, script, {"--loss": question.loss, "--grads": question.grads})
        loss, grads = copied.functions
        loss_source, grads_source = copied.reach.sources
        problem = _problem(copied, loss, grads, loss_source, grads_source)
    _require_read(question, copied, names, problem)
    return problem


def _both(question: Question, names: Namespace, script: str) -> tuple[Copied, Problem]:
    """The problem of one expression that gives a loss and its gradients."""
    copied = _copied(question, names, script, {"--both": question.both})
    both, source = copied.functions[0], copied.reach.sources[0]
    run = Runner(copied.world, both)
    loss, grads, place = halves_of(both, lambda: called(run, copied.state, "--both"), source)
    return copied, _problem(copied, loss, grads, source, naming.AllBut(source, place))


def _layer(question: Question, names: Namespace, script: str, seed: int) -> tuple[Copied, Problem]:
    """The problem of a layer's forward and backward."""
    texts = {"--forward": question.forward, "--backward": question.backward}
    texts |= {"--grads": question.grads} if question.grads else {}
    read = {name for option, text in texts.items() if option != "--forward" for name in loaded(text, option)}
    ours = {question.cotangent} | ({OUTPUT, CACHE, RETURNED} & read) - set(loaded(question.forward, "--forward"))
    copied = _copied(question, names, script, texts, ours)
    forward, sources, private = copied.functions[0], copied.sources, copied.names

    def has_cache(result: Any) -> bool:
        found = CACHE in ours and isinstance(result, tuple) and len(result) > 1
        if CACHE in ours and not found and CACHE not in names:
            raise ScriptError(f"--backward reads cache, but forward returned no tuple that ends in one: it returned "
                              f"{type(result).__name__}")
        return found

    def backward(taken: Taken) -> Backward:
        def run(state: Any, result: Any) -> Any:
            held = {OUTPUT: output_of(result, taken)} | ({CACHE: result[-1]} if taken.has_cache else {})
            private.update({name: value for name, value in held.items() if name in ours})
            return sources[1]()

        return run

    def grads(state: Any, returned: Any) -> Any:
        private.update({RETURNED: returned} if RETURNED in ours else {})
        return sources[2]()

    layer = Layer(forward, backward, has_cache, grads if question.grads else None, question.cotangent,
                  question.cotangent, question.cotangent in read)
    order = (*copied.state, question.cotangent)
    base = _problem(copied, forward, forward, copied.reach.sources[0], copied.reach.sources[-1], order)
    return copied, layer_problem(base, layer, order, seed)


def at_roots(state: Namespace, roots: tuple[Path, ...], order: Sequence[str]) -> Callable[[Input], Path]:
    """Where in a state the inputs of a program stand whose arguments were the values of these names, in order."""
    return at_targets(state, roots, lambda declared: (order[int(declared.path[0])], *declared.path[1:]))


def _copied(
    question: Question, names: Namespace, script: str, texts: Mapping[str, str], ours: set[str] | None = None
) -> Copied:
    """The expressions, and all that they can reach, in a world of their own."""
    roots = tuple(path_of(text, names, script) for text in question.wrt)
    hidden = [str(root[0]) for root in roots if ours and root[0] in ours]
    if hidden:
        raise ScriptError(f"--wrt: {hidden[0]} is what einbackprop hands in: call it otherwise"
                          + (", or give --cotangent" if hidden[0] == question.cotangent else ""))
    reach = reach_of(names, texts, script, [str(root[0]) for root in roots], ours or (), views=True)
    _require_copies(question.wrt, roots, reach.state)
    world = World()
    private, sources, own, places = world.of((names, reach.sources, reach.state, reach.places))
    functions = tuple(evaluation(source, private, places) for source in sources)
    return Copied(reach, roots, world, private, functions, sources, own)


def _require_copies(texts: Sequence[str], roots: tuple[Path, ...], state: Namespace) -> None:
    """Raise ScriptError where an array to differentiate stands in something that a copy of the state shares."""
    copied = duplicate(state)
    for text, root in zip(texts, roots, strict=True):
        for path, leaf in leaves(get(state, root), root):
            if isinstance(leaf, np.ndarray) and get(copied, path) is leaf:
                kinds = (type(get(state, path[:at])).__name__ for at in range(1, len(path))
                         if inside(get(state, path[:at])) is None)  # fmt: skip
                kind = next(kinds, "")  # else it is an attribute of a dict or list, beside its entries
                to_do = f"give the array a name, --setup {shortened(f'w = {text}')!r} --wrt w" if kind else (
                    "keep it under a key, or in an object that is no dict and no list")
                holder = kind or type(get(state, path[:-1])).__name__
                said = f"{shortened(text)} stands in a {holder}, whose content is not copied"
                raise ScriptError(f"--wrt: {said}: {to_do}")


def _require_read(question: Question, copied: Copied, names: Namespace, problem: Problem) -> None:
    """Raise ScriptError where nothing that the loss reads leads to what is to be differentiated, and it does not change
    with it.
    """
    option = "--both" if question.both else "--loss" if question.loss else "--forward"
    for text, root in zip(question.wrt, copied.roots, strict=True):
        if not (leads_to(copied.reach, root, names) or _changes(problem, root)):
            raise unread(option, text)


def unread(option: str, text: str) -> ScriptError:
    """The error of a loss that does not read what it is to be differentiated by: every gradient would be zero."""
    name = shortened(text)
    return ScriptError(f"--wrt: {name}: {option} does not read it, and other values of {name} leave it as it is. "
                       f"If it uses what was taken from {name} before, such as a copy, let {option} take that anew, as "
                       f"in make({name})(x); or give --wrt the arrays that it does read")


def _changes(problem: Problem, root: Path) -> bool:
    """Whether the loss is another one, or none, for other values of what it is differentiated by."""
    losses = []
    for by in (0.0, 0.5):
        state = duplicate(problem.state)
        for path, leaf in leaves(get(state, root), root):
            state = replaced(state, path, leaf + by) if isinstance(leaf, np.ndarray | float) else state
        try:
            losses.append(float(called(problem.loss, state, "loss")))
        except (ScriptError, CodeError, TypeError, ValueError):  # what raises is told by the check
            return True
    return losses[0] != losses[1]


def _problem(
    copied: Copied, loss: Callable[..., Any], grads: Callable[..., Any], loss_source: Any, grads_source: Any,
    order: tuple[str, ...] = (),
) -> Problem:  # fmt: skip
    """The problem of two functions of the state, which is what the expressions can reach of the script's data."""
    order, world = order or tuple(copied.state), copied.world
    return Problem(
        Runner(world, loss), Runner(world, grads), copied.state, copied.roots, {name: name for name in order},
        loss_source, grads_source,
        *traces(world, loss, grads, order),
        at_roots(copied.state, copied.roots, order),
    )  # fmt: skip
