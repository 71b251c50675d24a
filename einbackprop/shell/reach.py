"""Expressions of a script as functions of the data that they can reach.

What an expression reads stands under names of the script. Functions hold data beside the names too: in the variables of
the functions around them, in defaults, as arguments that are bound already. Where that is what a name has, it changes
with the name: ``nll, grads, theta = make()`` means one ``theta``.
"""

from __future__ import annotations

import ast
import difflib
import linecache
import sys
import types
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from functools import _lru_cache_wrapper, cached_property, partial
from typing import Any, Literal

import numpy as np

from einbackprop.checking.naming import path_of
from einbackprop.core.nesting import Attribute, Path, get, inside, label, leaves, root
from einbackprop.core.records import dataclass
from einbackprop.core.source import parse_python
from einbackprop.core.visible import shortened
from einbackprop.errors import ScriptError
from einbackprop.world.calls import is_dunder
from einbackprop.world.ownership import is_users_class, is_users_module, unwrapped
from einbackprop.world.snapshots import EMPTY, content_of, slots_of

Namespace = dict[str, Any]

LONGEST = 100_000
"""Characters of an expression, or of statements."""


Place = tuple[Any, Path, Path]
"""What holds a value, the steps in it, and where in the state the value stands."""


def evaluation(
    function: types.FunctionType, names: Namespace, places: Collection[Place] = ()
) -> Callable[[Mapping[str, Any]], Any]:
    """An expression of a script as a function of values for the script's names; it is to be run in a world.

    What functions hold of these at ``places`` they hold of the values.
    """

    def evaluate(values: Mapping[str, Any]) -> Any:
        names.update(values)
        for holder, steps, path in places:
            put(holder, steps, get(values, path))
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
    places
        Where functions hold some of it beside its names.
    beside
        Gives the names of what functions hold of the script's data that no code looks up. It is no state: what was
        computed of data before, ``gram = X.T @ X``, has to fit to these.
    """

    sources: tuple[types.FunctionType, ...]
    functions: tuple[Callable[[Mapping[str, Any]], Any], ...]
    state: Namespace
    places: tuple[Place, ...]
    beside: Callable[[], list[str]]


def reach_of(
    names: Namespace, texts: Mapping[str, str], script: str, more: Sequence[str] = (), ours: Collection[str] = (),
    *, views: bool = False,
) -> Reach:  # fmt: skip
    """Expressions by the option that gave them, and the data that they, or ``more`` names, can reach.

    The names that are ``ours`` are handed in later: what the script has under them is hidden. With ``views``, arrays
    that functions hold and that look at the memory of some in the state are state too: ``W = theta[:6].reshape(2, 3)``.
    """
    sources = tuple(_function(text, option, names) for option, text in texts.items())
    written = [(name, option) for option, text in texts.items() for name in loaded(text, option)]
    for name, option in written:
        if name not in ours:
            require(name, names, option, script)
    graph = _Graph(names, sources)
    reached = graph.reached() - set(ours)
    wanted = dict.fromkeys([*(name for name, _ in written), *sorted(reached), *more])
    order = [name for name in wanted if name in reached | set(more)]
    state = {name: names[name] if name in names else _value_at(name, names) for name in order}
    state |= graph.views(state) if views else {}
    places = tuple(graph.places(state))
    return Reach(sources, tuple(evaluation(source, names, places) for source in sources), state, places,
                 graph.held_beside)


def leads_to(reach: Reach, root: Path, names: Namespace) -> bool:
    """Whether what the first of the expressions reads of a script's names leads to what stands at a path of the state.

    It leads nowhere near to what was copied before, ``t = theta.copy()``.
    """
    return _Graph(names, reach.sources[:1]).leads_to(str(root[0]), get(reach.state, root))


def root_of(path: Path, names: Namespace) -> Path:
    """The path of something among a script's names as one in a state: what a module or a class has, of which there are
    no two, stands there under its full name, ``model.theta``; so does what an object has in its slots.
    """
    fixed = [at for at in range(1, len(path)) if is_fixed(get(names, path[:at]))]
    end = fixed[-1] + 1 if fixed else 1
    return (label(str(path[0]), path[1:end]), *path[end:])


def is_fixed(value: Any) -> bool:
    """Whether a state has no copy of something that holds arrays: a module, a class, a function, an object of slots."""
    kinds = types.ModuleType | type | types.FunctionType
    return isinstance(value, kinds) or (inside(value) is None and bool(slots_of(value)))


def _value_at(name: str, names: Namespace) -> Any:
    path = path_of(name)
    assert path is not None  # root_of made it
    return get(names, path)


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


def require(name: str, names: Namespace, option: str, script: str) -> None:
    builtins = names.get("__builtins__", {})
    known = builtins if isinstance(builtins, dict) else vars(builtins)
    if name in names or name in known:
        return
    close = difflib.get_close_matches(name, [n for n in names if not n.startswith("__")], 1)
    hint = f": did you mean {close[0]!r}?" if close else "; --setup can make it"
    raise ScriptError(f"{option}: {script} has no name {name!r}{hint}")


class _Graph:
    """All that some functions can reach: the names they look up, and what holds what."""

    def __init__(self, names: Namespace, functions: Collection[types.FunctionType]) -> None:
        self.names = names
        self.held: list[tuple[Any, Path, Any]] = []  # what holds a value, the steps to it, and the value
        self._looked_up: set[str] = set()
        self._met: dict[int, Any] = {}
        left: list[Any] = list(functions)
        while left:
            value = left.pop()
            if id(value) not in self._met and not isinstance(value, ATOMS):
                self._met[id(value)] = value
                left += [] if isinstance(value, type) else [type(value)]
                if isinstance(value, tuple | types.MethodType):  # in which nothing can be put
                    left += [item for _, item in _through(value, ())]
                    continue
                if isinstance(value, types.FunctionType):
                    where = value.__globals__.get("__name__", "")
                    elsewhere = where != names.get("__name__") and where in sys.modules
                    left += [sys.modules[where]] if elsewhere else [names[name] for name in self._new(value.__code__)]
                for step, inner in parts_of(value):
                    reached = list(_through(inner, (step,)))
                    self.held += [(value, steps, item) for steps, item in reached]
                    left += [item for _, item in reached]

    def _new(self, code: types.CodeType) -> list[str]:
        found = [name for name in _names_in(code) if name in self.names and name not in self._looked_up]
        self._looked_up |= set(found)
        return found

    def reached(self) -> set[str]:
        """The names of data that the functions look up."""
        return self._looked_up & self._data.keys()

    def leads_to(self, name: str, value: Any) -> bool:
        """Whether the functions look a name up, or reach its value, a part of it, or an array in the same memory."""
        memories = {id(root(met)) for met in self._met.values() if isinstance(met, np.ndarray)}
        arrays = (leaf for _, leaf in leaves(value) if isinstance(leaf, np.ndarray))
        return (name in self._looked_up or not self._met.keys().isdisjoint(paths_to({name: value}))
                or any(id(root(array)) in memories for array in arrays))  # fmt: skip

    def held_beside(self) -> list[str]:
        """The names of other data of which functions hold something."""
        known = paths_to({name: self._data[name] for name in self.reached()})
        held = {id(value) for holder, _, value in self.held if id(holder) not in known and is_data(value)}
        names = self._data.items() if held - known.keys() else ()
        return [name for name, value in names if not held.isdisjoint(paths_to({name: value}).keys() - known.keys())]

    @cached_property
    def _data(self) -> Namespace:
        return {name: value for name, value in self.names.items()
                if not is_dunder(name) and not isinstance(value, CODE)}  # fmt: skip

    def views(self, state: Namespace) -> Namespace:
        """The arrays beside the names that look at the memory of some in a state, under names that say so."""
        known = paths_to(state)
        owners = {id(root(value)): path for path in known.values() if isinstance(value := get(state, path), np.ndarray)}
        found: dict[int, tuple[str, Any]] = {}
        for holder, _, value in self.held:
            is_view = isinstance(value, np.ndarray) and id(value) not in known and id(holder) not in known
            if is_view and (path := owners.get(id(root(value)))) is not None:
                text = f"{label(str(path[0]), path[1:])} (view {len(found) + 1})"
                found.setdefault(id(value), (text, value))
        return dict(found.values())

    def places(self, state: Namespace) -> Iterator[Place]:
        """Where something beside the names, and what they lead to, holds arrays or containers of a state."""
        known = paths_to(state)
        for holder, steps, value in self.held:
            if id(value) in known and id(holder) not in known:
                yield holder, steps, known[id(value)]


def paths_to(state: Namespace) -> dict[int, Path]:
    """Where in a state its arrays and containers stand first, by their identity."""
    known: dict[int, Path] = {}
    left: deque[tuple[Path, Any]] = deque(((name,), value) for name, value in state.items())
    while left:
        path, value = left.popleft()
        if id(value) not in known and is_data(value):
            known[id(value)] = path
            is_bound = isinstance(value, types.MethodType)  # a copy of a state has a copy of what it is bound to
            children = [(Attribute("__self__"), value.__self__)] if is_bound else parts_of(value)
            left += [((*path, step), inner) for step, inner in children]
    return known


def is_data(value: Any) -> bool:
    """Whether a value is an array or a container, or a method of something, which a copy of a state has copies of."""
    return isinstance(value, np.ndarray | types.MethodType) or inside(value) is not None


CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, np.ufunc)
"""What is no data."""
ATOMS = (int, float, complex, str, bytes, type(None), np.generic, types.BuiltinFunctionType, np.ufunc)
"""What holds nothing of a script's."""


def contents(holder: Any) -> list[tuple[Hashable, Any]]:
    """What a function, a variable around it, a call that waits for arguments, a module or class of the user's, or a
    container holds.
    """
    if isinstance(holder, types.CellType):
        return [] if (held := content_of(holder)) is EMPTY else [(0, held)]
    if isinstance(holder, types.FunctionType):
        return [*((Attribute(f"cell {at}"), cell) for at, cell in enumerate(holder.__closure__ or ())),
                *enumerate(holder.__defaults__ or ()), *(holder.__kwdefaults__ or {}).items(),
                *((Attribute(name), value) for name, value in vars(holder).items())]  # fmt: skip
    if isinstance(holder, partial):
        return [(Attribute("func"), holder.func), *enumerate(holder.args), *holder.keywords.items()]
    if isinstance(holder, types.ModuleType):
        known = vars(holder).items() if is_users_module(holder) else ()
        return [(Attribute(name), value) for name, value in known if not is_dunder(name)]
    if isinstance(holder, type):
        members = vars(holder).items() if is_users_class(holder) else ()
        found = [(name, unwrapped(value)) for name, value in members]
        return [(Attribute(name), value) for name, value in (*found, ("__bases__", holder.__bases__))]
    if isinstance(holder, deque):
        return list(enumerate(deque.__iter__(holder)))
    if isinstance(holder, _lru_cache_wrapper):
        return [(Attribute("__wrapped__"), holder.__wrapped__)]
    slots = [(Attribute(slot.__name__), value) for slot, value in slots_of(holder) if value is not EMPTY]
    return [*(inside(holder) or ()), *slots]


def parts_of(holder: Any) -> list[tuple[Hashable, Any]]:
    """The same without what holds nothing itself, such as numbers: there may be many."""
    return [part for part in contents(holder) if not isinstance(part[1], ATOMS)]


def put(holder: Any, steps: Path, value: Any) -> None:
    """Put a value where a function, a variable around it, a call that waits or a container holds another."""
    step = steps[0]
    value = _with(dict(contents(holder))[step], steps[1:], value)
    if isinstance(holder, types.CellType):
        holder.cell_contents = value
    elif isinstance(holder, types.FunctionType) and isinstance(step, int):
        before = holder.__defaults__ or ()
        holder.__defaults__ = (*before[:step], value, *before[step + 1 :])
    elif isinstance(holder, types.FunctionType) and not isinstance(step, Attribute):
        holder.__kwdefaults__ = {**(holder.__kwdefaults__ or {}), str(step): value}
    elif isinstance(holder, partial):
        args = [value if at == step else item for at, item in enumerate(holder.args)]
        is_function = isinstance(step, Attribute)
        keywords = {name: value if name == step and not is_function else item for name, item in holder.keywords.items()}
        setstate: Any = getattr(holder, "__setstate__")  # noqa: B009 - typeshed does not know it
        setstate((value if is_function else holder.func, tuple(args), keywords, vars(holder)))
    elif isinstance(holder, type):
        type.__setattr__(holder, str(step), value)
    elif isinstance(step, Attribute):
        slot = {slot.__name__: slot for slot, _ in slots_of(holder)}.get(str(step))
        if slot is not None:
            slot.__set__(holder, value)
        else:
            vars(holder)[str(step)] = value
    else:
        base: Any = next(kind for kind in (dict, list, deque, np.ndarray) if isinstance(holder, kind))
        base.__setitem__(holder, step, value)


def _through(value: Any, steps: Path) -> Iterator[tuple[Path, Any]]:
    """What stands in a value that cannot be changed, a tuple or a bound method, with the steps to it; else itself."""
    if isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from _through(item, (*steps, at))
    elif isinstance(value, types.MethodType):
        yield (*steps, Attribute("__func__")), value.__func__
        yield from _through(value.__self__, (*steps, Attribute("__self__")))
    else:
        yield steps, value


def _with(value: Any, steps: Path, new: Any) -> Any:
    """A tuple or bound method with something else at the steps that `_through` gave."""
    if not steps:
        return new
    if isinstance(value, types.MethodType):
        return types.MethodType(value.__func__, _with(value.__self__, steps[1:], new))
    items = [_with(item, steps[1:], new) if at == steps[0] else item for at, item in enumerate(value)]
    return tuple.__new__(type(value), items)  # a named tuple may be made of other arguments


def _names_in(code: types.CodeType) -> set[str]:
    """The names that some code, and the functions in it, look up."""
    inner = [_names_in(item) for item in code.co_consts if isinstance(item, types.CodeType)]
    return set(code.co_names).union(*inner)
