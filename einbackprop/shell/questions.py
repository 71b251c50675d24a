"""What is asked of a script's gradients, by the options that ask it, as a problem to check.

Expressions among the names of the script become functions of the data that they can reach.
"""

from __future__ import annotations

import ast
import difflib
import linecache
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from einbackprop.capture.tracer import traces
from einbackprop.checking import naming
from einbackprop.checking.functions import halves_of
from einbackprop.checking.layers import Backward, Layer, Taken, layer_problem, output_of
from einbackprop.checking.problems import Problem, at_targets, called, describe
from einbackprop.core.nesting import Path, get, leaves
from einbackprop.core.program import Input
from einbackprop.core.source import parse_python
from einbackprop.core.visible import shortened
from einbackprop.errors import OptionError, ScriptError
from einbackprop.shell.complaints import missing_step, no_place
from einbackprop.world import Runner, World

Namespace = dict[str, Any]

LONGEST = 100_000
"""Characters of an expression, or of statements."""


def evaluation(function: types.FunctionType, names: Namespace) -> Callable[[Mapping[str, Any]], Any]:
    """An expression of a script as a function of values for the script's names; it is to be run in a world."""

    def evaluate(values: Mapping[str, Any]) -> Any:
        names.update(values)
        return function()

    return evaluate


@dataclass(frozen=True)
class Reach:
    """Expressions of a script as functions of the data that they can reach.

    Attributes
    ----------
    sources
        A function for each expression, as Python compiled it.
    functions
        The same, of a mapping that stands for ``state``: the script sees its values under its own names.
    state
        What the expressions can read of the script's data, by name.
    """

    sources: tuple[types.FunctionType, ...]
    functions: tuple[Callable[[Mapping[str, Any]], Any], ...]
    state: Namespace


def reach_of(
    names: Namespace, texts: Mapping[str, str], script: str, more: Sequence[str] = (), ours: Collection[str] = ()
) -> Reach:
    """Expressions by the option that gave them, and the data that they, or ``more`` names, can reach.

    The names that are ``ours`` are handed in later: what the script has under them is hidden.
    """
    sources = tuple(_function(text, option, names) for option, text in texts.items())
    for option, text in texts.items():
        for name in loaded(text, option):
            if name not in ours:
                _require(name, names, option, script)
    reached = _reachable([source.__code__ for source in sources], names) - set(ours)
    written = [name for option, text in texts.items() for name in loaded(text, option)]
    order = [name for name in dict.fromkeys([*written, *sorted(reached), *more]) if name in reached | set(more)]
    state = {name: names[name] for name in order}

    return Reach(sources, tuple(evaluation(source, names) for source in sources), state)


def compiled(source: str, option: str, mode: Literal["exec", "eval"]) -> types.CodeType:
    if not source.strip() and mode == "eval":
        raise ScriptError(f"{option} is empty: give an expression among the script's names")
    written = shortened(" ".join(source.split()))
    if len(source) > LONGEST:
        raise ScriptError(f"{option} has {len(source):,} characters, of which {LONGEST:,} at most are read: {written}")
    try:
        code = compile(source, file_of(option), mode, dont_inherit=True)
        parse_python(source, mode)  # which gives up earlier than the compiler
    except SyntaxError as error:
        raise ScriptError(f"{option}: {error.msg}: {written}") from error
    except (ValueError, OverflowError) as error:
        raise ScriptError(f"{option}: {error}: {written}") from error
    except (MemoryError, RecursionError) as error:
        raise ScriptError(f"{option} nests too deeply for Python: {written}") from error
    return code


def _function(text: str, option: str, names: Namespace) -> types.FunctionType:
    """An expression as a function, its source known to linecache so that names are read off it."""
    compiled(text, option, "eval")
    source, file = f"lambda: ({text})", file_of(option)
    linecache.cache[file] = (len(source), None, [source + "\n"], file)
    function = eval(compiled(source, option, "eval"), names)
    assert isinstance(function, types.FunctionType)
    return function


def file_of(option: str) -> str:
    """What the file of an option's expression is called: ``<--grads>``."""
    return f"<{option}>"


def _expression(text: str, option: str) -> ast.expr:
    compiled(text, option, "eval")
    return parse_python(text, mode="eval").body


def loaded(text: str, option: str) -> list[str]:
    """The names that an expression reads from the script, in order, those it binds itself aside."""
    nodes = list(ast.walk(_expression(text, option)))
    used = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.id for node in used if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return [node.id for node in used if node.id not in bound]


def _require(name: str, names: Namespace, option: str, script: str) -> None:
    builtins = names.get("__builtins__", {})
    known = builtins if isinstance(builtins, dict) else vars(builtins)
    if name in names or name in known:
        return
    close = difflib.get_close_matches(name, [n for n in names if not n.startswith("__")], 1)
    hint = f": did you mean {close[0]!r}?" if close else "; --setup can make it"
    raise ScriptError(f"{option}: {script} has no name {name!r}{hint}")


def path_of(text: str, names: Namespace, script: str) -> Path:
    """The path of ``net.layers[0].W`` in the script's names."""
    compiled(text, "--wrt", "eval")
    path = naming.path_of(text)
    if path is None:
        raise ScriptError(f"--wrt: {no_place(text, names)}")
    _require(str(path[0]), names, "--wrt", script)
    try:
        value = get(names, path)
    except (LookupError, AttributeError, TypeError) as error:
        said = missing_step(path, names) or f"{shortened(text)}: {describe(error)}"
        raise ScriptError(f"--wrt: {said}") from error
    if not any(isinstance(leaf, (np.ndarray, float, int)) for _, leaf in leaves(value)):
        raise ScriptError(f"--wrt: {shortened(text)} holds no arrays: it is {type(value).__name__}")
    return path


def _reachable(codes: list[types.CodeType], names: Namespace) -> set[str]:
    """The names of data that some code can read, through the script's functions and classes."""
    reached: set[str] = set()
    seen: set[Any] = set()
    while codes:
        code = codes.pop()
        codes += [item for item in code.co_consts if isinstance(item, types.CodeType)]
        for name in set(code.co_names) - seen:
            seen.add(name)
            value = names.get(name)
            inner = _codes(value)
            codes += inner
            if not inner and not isinstance(value, (types.ModuleType, types.BuiltinFunctionType, type, np.ufunc)):
                reached.add(name)
                codes += _codes(type(value))
    return {name for name in reached if name in names and not name.startswith("__")}


def _codes(value: Any) -> list[types.CodeType]:
    """The code of a function, or of the methods of a class and its bases."""
    if isinstance(value, types.FunctionType):
        return [value.__code__]
    if isinstance(value, type) and value.__module__ not in ("builtins", "numpy"):
        members = [member for base in value.__mro__ for member in vars(base).values()]
        functions = [getattr(member, "__func__", getattr(member, "fget", member))
                     for member in members]
        return [item.__code__ for item in functions if isinstance(item, types.FunctionType)]
    return []


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
        return _both(question, names, script)
    if question.forward:
        return _layer(question, names, script, seed)
    copied = _copied(question, names, script, {"--loss": question.loss, "--grads": question.grads})
    loss, grads = copied.functions
    loss_source, grads_source = copied.reach.sources
    return _problem(copied, loss, grads, loss_source, grads_source)


def _both(question: Question, names: Namespace, script: str) -> Problem:
    """The problem of one expression that gives a loss and its gradients."""
    copied = _copied(question, names, script, {"--both": question.both})
    both, source = copied.functions[0], copied.reach.sources[0]
    run = Runner(copied.world, both)
    loss, grads, place = halves_of(both, lambda: called(run, copied.state, "--both"), source)
    return _problem(copied, loss, grads, source, naming.AllBut(source, place))


def _layer(question: Question, names: Namespace, script: str, seed: int) -> Problem:
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
    return layer_problem(base, layer, order, seed)


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
    reach = reach_of(names, texts, script, [str(root[0]) for root in roots], ours or ())
    world = World()
    private, sources, own = world.of((names, reach.sources, reach.state))
    functions = tuple(evaluation(source, private) for source in sources)
    return Copied(reach, roots, world, private, functions, sources, own)


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
