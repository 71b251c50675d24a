"""Copies of objects of all kinds, made once each: what one copy refers to are copies too.

Objects that can change are made empty first and filled later, from a queue, so that cycles are no trouble and depth
costs no stack. What is filled last are sets and dicts, since a key may have a hash that the user wrote.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from contextvars import ContextVar
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..core.progress import tick
from . import calls, classes, drawing, library, modules, others
from .calls import Namespace, is_dunder, name_refusal
from .others import Refused
from .ownership import DYNAMIC, is_users_class, is_users_function, is_users_module, mentioned
from .snapshots import EMPTY, Snapshot, content_of

STANDING = (ModuleType, type, FunctionType, BuiltinFunctionType, np.ufunc, type(np.sum), np.vectorize,
            np.random.Generator, np.random.RandomState, type(np.random.default_rng))  # fmt: skip
"""What may have a stand-in."""
DEEPEST = 20  # tuples in tuples: what cannot change must be made from the inside out
NO_REGISTRY = 0
"""What stands for the registry of warnings of a namespace: Python raises a TypeError where it would warn."""
MANY = 20_000  # objects of an installed library that are copied; what else they lead to is shared


class World:
    """A private copy of everything that some functions can reach.

    Parameters
    ----------
    array : callable or None
        What stands for an array of numbers; a copy, unless told otherwise. Copies made without it keep views views of
        one memory.
    stand_in : callable or None
        What stands for a module, class or function that is nobody's to copy; itself, unless told otherwise.
    builtins : mapping
        Builtins that have a stand-in.
    once : bool
        Whether it is for one run, so that nothing need ever be put back.
    code : callable or None
        What stands for the code of a function of the user's; the code, unless told otherwise.

    Attributes
    ----------
    functions : list of FunctionType
        The copies of the user's functions.
    namespaces : dict
        By the identity of the original globals.

    Examples
    --------
    >>> total = [0]
    >>> def add(x):
    ...     total.append(x)
    ...     return sum(total)
    >>> world = World()
    >>> private = world.of(add)
    >>> world.call(private, 2), world.call(private, 2), add(1)
    (2, 2, 1)
    """

    def __init__(
        self,
        array: Callable[[Any], Any] | None = None,
        stand_in: Callable[[Any], Any] | None = None,
        builtins: modules.Names | None = None,
        once: bool = False,
        code: Callable[[CodeType], CodeType] | None = None,
    ) -> None:
        self.code = code
        self.array, self.stand_in, self._once = array, stand_in, once
        self.functions: list[FunctionType] = []
        self.namespaces: dict[int, Namespace] = {}
        self._made: dict[int, Any] = {}
        self._kept: list[Any] = []  # an id means something only while its object lives
        self._classes: dict[type, bool] = {}
        self._originals: dict[type, type] = {}
        self._fills: deque[Callable[[], object]] = deque()
        self._late: deque[Callable[[], object]] = deque()
        self._mutable: list[Any] = []
        self._private: list[modules.Private] = []
        self._places: dict[tuple[int, ...], list[tuple[Callable[[str, Any], None], str, Any]]] = {}
        self._mentioned: set[str] = set()
        self._depth = self._foreign = self._busy = 0
        self._identities: dict[int, int] = {}
        self.variables: list[ContextVar[Any]] = []  # those that the code can reach
        self.memories: dict[int, Any] = {}  # of arrays of which only a part was copied so far
        self.standing, self.with_subclasses = modules.standing(), False
        self._snapshot = Snapshot()
        self.builtins = calls.builtins_of(self, builtins or {})

    # Use

    def of(self, value: Any) -> Any:
        """The copy of a value; of what cannot change, the value itself."""
        return self._finished(lambda: self.shell(value))

    def call(
        self, function: Callable[..., Any], *arguments: Any, again: bool = True, random: bool = True,
        strict: bool = False,
    ) -> Any:  # fmt: skip
        """Call a copy, once everything is as it was when it was copied.

        Parameters
        ----------
        again : bool
            False leaves everything as the call before has left it.
        random : bool
            False lets random generators go on from where they are.
        strict : bool
            Whether a warning of NumPy's, such as that an imaginary part is lost, is an error.

        Raises
        ------
        Raised
            With what the function raised, of the user's own class.
        """
        tick()
        if again:
            self.restore(random=random)
        if strict:
            for namespace in self.namespaces.values():
                namespace.names["__warningregistry__"] = NO_REGISTRY
        return calls.attempt(self._with_own_errors, function, arguments)

    def _with_own_errors(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        for variable in self.variables:
            value = variable.get(None)
            if (made := self.of(value)) is not value:
                variable.set(made)
        try:
            return function(*arguments)
        except Exception as error:
            calls.give_own_classes(error, self._originals)
            raise

    def restore(self, *, random: bool = True) -> None:
        """Make everything what it was when it was copied; ``random=False`` lets random generators go on."""
        self._snapshot.restore(random=random)

    def drawn(self) -> list[Any]:
        """How far the random generators are: two calls that end alike have drawn the same numbers."""
        return self._snapshot.drawn()

    @contextmanager
    def given(self, others: Sequence[tuple[Any, Any]]) -> Iterator[None]:
        """Let the copied code find others where it refers to functions of NumPy's or Python's; pairs of each."""
        instead = {id(function): other for function, other in others}
        places = self._referring([function for function, _ in others])
        for put, name, function in places:
            put(name, instead[id(function)])
        try:
            yield
        finally:
            for put, name, function in places:
                put(name, function)

    def _referring(self, functions: Sequence[Any]) -> list[tuple[Callable[[str, Any], None], str, Any]]:
        """Where copied code refers to some functions: what puts a value in such a place, its name, and the function.

        Looked up again where names were copied since: `given` is entered for each run.
        """
        names = *map(id, functions), *(len(one.held) for one in self.namespaces.values()), len(self._private)
        if names not in self._places:
            known = {id(function): function for function in functions}
            self._places = {names: [
                *((namespace.set, name, value) for namespace in set(self.namespaces.values())
                  for name, value in namespace.held.items() if id(value) in known),
                *((modules.held(m).__setitem__, name, function) for m in self._private for function in functions
                  if getattr(modules.real_module(m), name := str(function.__name__), None) is function),
            ]}  # fmt: skip
        return self._places[names]

    def names_of(self, original: modules.Names) -> modules.Names:
        """The copy of a namespace of the user's, with what its copied functions mention."""
        names: modules.Names = self.of(original)
        return names

    def found(self, value: Any) -> Any:
        """The copy of a value, if it has been made."""
        return self._made.get(id(value))

    def original(self, kind: type) -> type:
        """The user's own class of a copied class; other classes unchanged."""
        return self._originals.get(kind, kind)

    # Making

    def shell(self, value: Any) -> Any:
        """The copy of a value, to be filled later where it can be."""
        kind = type(value)
        if kind in library.ATOMS:
            return value
        if id(value) in self._made:
            return self._made[id(value)]
        if kind is np.ndarray or (self.array is not None and issubclass(kind, np.ndarray)):
            return self.keep(value, others.ndarray(self, value))
        made = self._by_kind(kind, value)
        return made if made is value else self.keep(value, made)

    def _by_kind(self, kind: type, value: Any) -> Any:
        if self.stand_in is not None and issubclass(kind, STANDING):
            other = self.stand_in(value)
            if other is not value:
                return other
        if id(value) in self.standing:
            return modules.replaced(self, value)
        rule = library.RULES.get(kind)
        if rule is not None:
            return rule(self, value)
        if kind is FunctionType:
            return self._function(value)
        if issubclass(kind, ModuleType):
            return self._module(value)
        if issubclass(kind, type):
            return classes.copied(self, value) if self.is_users_class(value) else value
        return library.instance(self, value)

    def keep(self, value: Any, made: Any) -> Any:
        """Remember a copy, and that it can be changed by whoever has it."""
        self._made[id(value)] = self._made[id(made)] = made
        self._identities[id(made)] = self._identities.get(id(value), id(value))
        self._kept += (value, made)
        self._mutable.append(made)
        return made

    def settled(self, value: Any) -> Any:
        """Remember that a value is its own copy."""
        self._made[id(value)] = value
        self._kept.append(value)
        return value

    def keep_alive(self, value: Any) -> None:
        """Let a value live as long as its id is used here."""
        self._kept.append(value)

    def identity(self, value: Any) -> int:
        """What ``id`` is in this world: that of the original, under which it may be known."""
        return self._identities.get(id(value), id(value))

    def restore_with(self, put_back: Callable[[], None]) -> None:
        """Remember how something is put back between two runs."""
        if not self._once:
            self._snapshot.add_restore(put_back)

    def watch(self, made: Any) -> Any:
        """Remember the content of something that is ours, and can be changed."""
        if not self._once:
            self._snapshot.add(made)
        return made

    def renamed(self, original: type, made: type) -> None:
        """Remember which class a class is the copy of."""
        self._originals[made] = self._originals.get(original, original)

    def fill(self, work: Callable[[], object], *, late: bool = False) -> None:
        """Do something once all that is being copied has been made, or (``late``) been filled."""
        (self._late if late else self._fills).append(work)

    def inner(self, values: Iterable[Any]) -> list[Any]:
        """Copies of what a value consists of that must be whole before the value can be made."""
        self._depth += 1
        try:
            items = list(values)
            for part in library.inside_out(self, items) if self._depth > DEEPEST else ():
                self.shell(part)
            return [self.shell(item) for item in items]
        finally:
            self._depth -= 1

    def is_users_class(self, kind: type) -> bool:
        """Whether the user wrote a class, or it is a copy of such a class."""
        if kind not in self._classes:
            self._classes[kind] = kind in self._originals or is_users_class(kind)
        return self._classes[kind]

    def is_affordable(self) -> bool:
        """Whether one more object of an installed library may be copied."""
        self._foreign += 1
        return self._foreign <= MANY

    def _finished(self, make: Callable[[], Any]) -> Any:
        """Make a copy, and fill all that was made; within another call of this, that one will."""
        self._busy += 1
        try:
            made = make()
            if self._busy == 1:
                self._finish()
        finally:
            self._busy -= 1
        return made

    def _finish(self) -> None:
        while self._fills or self._late:
            (self._fills or self._late).popleft()()
        mutable, self._mutable = self._mutable, []
        for made in () if self._once else mutable:
            self._snapshot.add(made)

    # Functions and what they look up

    def _function(self, function: FunctionType) -> Any:
        own = is_users_function(function)
        if drawing.draws(function.__module__):
            return drawing.NOTHING
        if not own and not others.leads_to_users(self, function):
            return modules.replaced(self, function)
        names = self.namespace(function.__globals__).names if own else function.__globals__
        cells = function.__closure__
        closure = None if cells is None else tuple(self.inner(cells))
        code = self.code(function.__code__) if own and self.code is not None else function.__code__
        made = FunctionType(code, names, function.__name__, None, closure)
        for attribute in ("__module__", "__qualname__", "__doc__"):
            setattr(made, attribute, getattr(function, attribute))
        if (parameters := getattr(function, "__type_params__", None)) is not None:
            setattr(made, "__type_params__", parameters)  # noqa: B010 - from Python 3.12 on
        self.fill(lambda: self._fill_function(function, made))
        if own:
            self.functions.append(made)
            self.mention(function.__code__)
        return made

    def _fill_function(self, function: FunctionType, made: FunctionType) -> None:
        if function.__defaults__ is not None:
            made.__defaults__ = self.shell(function.__defaults__)
        if function.__kwdefaults__ is not None:
            made.__kwdefaults__ = {name: self.shell(value) for name, value in function.__kwdefaults__.items()}
        for name, value in function.__dict__.items():
            made.__dict__[name] = self.shell(value)
        for name, cell in zip(function.__code__.co_freevars, made.__closure__ or (), strict=True):
            name_refusal(cell, name)

    def cell(self, cell: CellType) -> CellType:
        """A copy of a variable of an outer function."""
        made = CellType()

        def fill() -> None:
            content = content_of(cell)
            if content is not EMPTY:
                made.cell_contents = self.shell(content)

        self.fill(fill)
        return made

    def _module(self, module: ModuleType) -> Any:
        if isinstance(module, modules.Private):
            return modules.in_another_world(module, self)
        if is_users_module(module) or isinstance(module, modules.Copied):
            return self.namespace(vars(module)).module
        if self.is_users_class(type(module)):
            return library.instance(self, module)
        if module.__name__.startswith("einbackprop"):
            return module
        self._private.append(modules.Private(self, module))
        self.restore_with(self._private[-1].restore)
        return self._private[-1]

    def namespace(self, names: modules.Names) -> Namespace:
        """The copy of the globals of one of the user's modules."""
        if id(names) not in self.namespaces:
            module = modules.Copied(str(names.get("__name__")), self, names)
            made = self.namespaces[id(names)] = self.namespaces[id(vars(module))] = Namespace(names, module)
            self._kept.append(names)
            self._made[id(names)] = self._made[id(made.names)] = made.names
            for name in filter(is_dunder, list(names)):
                made.set(name, names[name])
            if calls.are_usual(names.get("__builtins__")):
                made.set("__builtins__", self.builtins)
            self._snapshot.add_restore(made.restore)
            self.fill(lambda: self._look_up(made, self._mentioned))
        return self.namespaces[id(names)]

    def mention(self, code: CodeType) -> None:
        """Let every namespace have what some code mentions."""
        new = mentioned(code) - self._mentioned
        if "__subclasses__" in new:
            self.with_subclasses = True
            self.fill(lambda: classes.with_subclasses(self, list(self._originals.values())))
        if new:
            self._mentioned |= new
            self.fill(lambda: self._look_up_all(new))

    def _look_up_all(self, mentions: Set[str]) -> None:
        for namespace in dict.fromkeys(self.namespaces.values()):
            self._look_up(namespace, mentions)

    def _look_up(self, namespace: Namespace, mentions: Set[str]) -> None:
        if namespace.whole:
            return
        if not DYNAMIC.isdisjoint(self._mentioned):
            mentions, namespace.whole = namespace.original.keys(), True
        for name in sorted(namespace.original.keys() & mentions):
            if name not in namespace.held:
                self.look_up(namespace, name)

    def named(self, names: modules.Names, name: str) -> Any:
        """The copy of one global of a namespace, which the code asks for while it runs."""
        return self._finished(lambda: self.look_up(self.namespace(names), name))

    def provides(self, copied: modules.Names, name: str) -> bool:
        """Whether one of the user's modules has a global: its copied globals have it then too, though no code mentions
        it yet."""
        namespace = next((one for one in self.namespaces.values() if one.names is copied), None)
        if namespace is None or name not in namespace.original:
            return False
        if name not in namespace.held:
            self._finished(lambda: self.look_up(namespace, name))
        return True

    def look_up(self, namespace: Namespace, name: str) -> Any:
        """The copy of one global."""
        made = self.shell(namespace.original[name])
        if type(made) is Refused:
            made.called(name)
        namespace.set(name, made)
        return made

    def method(self, method: MethodType) -> Any:
        """A bound method over copies."""
        function, owner = self.inner((method.__func__, method.__self__))
        return method if function is method.__func__ and owner is method.__self__ else MethodType(function, owner)
