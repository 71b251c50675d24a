"""Copies of objects of all kinds, made once each: what one copy refers to are copies too.

Objects that can change are made empty first and filled later, from a queue, so that cycles are no trouble and depth
costs no stack. What is filled last are sets and dicts, since a key may have a hash that the user wrote.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..core.nesting import duplicate_array, root
from ..core.progress import tick
from ..errors import RefusedError
from . import classes, library, modules
from .calls import attempt
from .mentions import DYNAMIC, mentioned
from .ownership import is_users_class, is_users_function, is_users_module
from .refusals import Refused
from .snapshots import EMPTY, Snapshot, content_of, put_entries_back

Names = dict[str, Any]
STANDING = (ModuleType, type, FunctionType, BuiltinFunctionType, np.ufunc, type(np.sum))
"""What may have a stand-in."""
DEEPEST = 200  # tuples in tuples: what cannot change must be made from the inside out
NO_REGISTRY = 0
"""What stands for the registry of warnings of a namespace: Python raises a TypeError where it would warn."""
WHOLE = 1 << 26  # bytes: of a larger memory only the part that is looked at is copied
MANY = 20_000  # objects of an installed library that are copied; what else they lead to is shared


class Namespace:
    """The global names of one of the user's modules, and those that were copied so far.

    Attributes
    ----------
    original : dict
    module : ModuleType
        The copy; its ``__dict__`` is the globals of the functions that are copied.
    """

    def __init__(self, original: Names, module: ModuleType) -> None:
        self.original, self.module = original, module
        self.held: Names = {}  # what is put back between two runs

    @property
    def names(self) -> Names:
        """The globals of the copies."""
        return vars(self.module)

    def set(self, name: str, value: Any) -> None:
        """Give a name its copy."""
        self.names[name] = self.held[name] = value

    def restore(self) -> None:
        """Put back what the names were."""
        put_entries_back(self.names, self.held)


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
        builtins: Names | None = None,
        once: bool = False,
    ) -> None:
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
        self._mentioned: set[str] = set()
        self._depth = self._foreign = 0
        self._snapshot = Snapshot()
        self.builtins = modules.builtins_of(self, builtins or {})

    # Use

    def of(self, value: Any) -> Any:
        """The copy of a value; of what cannot change, the value itself."""
        made = self.shell(value)
        self._finish()
        return made

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
        return attempt(self._with_own_errors, function, arguments)

    def _with_own_errors(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            self.give_own_classes(error)
            raise

    def restore(self, *, random: bool = True) -> None:
        """Make everything what it was when it was copied; ``random=False`` lets random generators go on."""
        self._snapshot.restore(random=random)

    @contextmanager
    def given(self, function: Any, other: Any) -> Iterator[None]:
        """Let the copied code find another function where it refers to one of NumPy's or Python's."""
        places: list[tuple[Callable[[str, Any], None], str]] = [
            (namespace.set, name) for namespace in set(self.namespaces.values())
            for name, value in namespace.held.items() if value is function
        ]  # fmt: skip
        own = str(function.__name__)
        places += [
            (vars(m).__setitem__, own) for m in self._private
            if getattr(modules.real_module(m), own, None) is function
        ]  # fmt: skip
        for put, name in places:
            put(name, other)
        try:
            yield
        finally:
            for put, name in places:
                put(name, function)

    def names_of(self, original: Names) -> Names:
        """The copy of a namespace of the user's, with what its copied functions mention."""
        names: Names = self.of(original)
        return names

    def give_own_classes(self, error: BaseException) -> None:
        """Give an exception, and those that led to it, the classes that the user knows."""
        pending, seen = [error], set[int]()
        while pending:
            item = pending.pop()
            if id(item) not in seen:
                seen.add(id(item))
                if type(item) in self._originals:
                    item.__class__ = self._originals[type(item)]
                pending += [e for e in (item.__cause__, item.__context__) if e is not None]

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
            return self.keep(value, self._array(value))
        made = self._by_kind(kind, value)
        return made if made is value else self.keep(value, made)

    def _by_kind(self, kind: type, value: Any) -> Any:
        if self.stand_in is not None and isinstance(value, STANDING):
            other = self.stand_in(value)
            if other is not value:
                return other
        rule = library.RULES.get(kind)
        if rule is not None:
            return rule(self, value)
        if kind is FunctionType:
            return self._function(value)
        if isinstance(value, ModuleType):
            return self._module(value)
        if isinstance(value, type):
            return classes.copied(self, value) if self.is_users_class(value) else value
        return library.instance(self, value)

    def keep(self, value: Any, made: Any) -> Any:
        """Remember a copy, and that it can be changed by whoever has it."""
        self._made[id(value)] = self._made[id(made)] = made
        self._kept += (value, made)
        self._mutable.append(made)
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
            if self._depth > DEEPEST:
                raise RefusedError(f"what the code is given, or refers to, is nested more than {DEEPEST} tuples deep")
            return [self.shell(item) for item in values]
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

    def _finish(self) -> None:
        while self._fills or self._late:
            (self._fills or self._late).popleft()()
        mutable, self._mutable = self._mutable, []
        for made in () if self._once else mutable:
            self._snapshot.add(made)

    def _array(self, array: Any) -> Any:
        if array.dtype == object:
            return library.objects(self, array)
        if self.array is not None:
            return self.array(array)
        owner = root(array)
        whole = owner.nbytes <= WHOLE or owner.nbytes <= 8 * array.nbytes
        if owner is array or type(owner) is not np.ndarray or not whole or array.dtype != owner.dtype:
            return duplicate_array(array)
        base = self.shell(owner)
        offset = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        if not base.flags.c_contiguous or not owner.flags.c_contiguous:
            return duplicate_array(array)
        made = np.ndarray(array.shape, base.dtype, buffer=base, offset=offset, strides=array.strides)
        made.flags.writeable = array.flags.writeable
        return made

    # Functions and what they look up

    def _function(self, function: FunctionType) -> Any:
        own = is_users_function(function)
        if not own and not library.leads_to_users(self, function):
            return modules.replaced(self, function)
        names = self.namespace(function.__globals__).names if own else function.__globals__
        cells = function.__closure__
        closure = None if cells is None else tuple(self.inner(cells))
        made = FunctionType(function.__code__, names, function.__name__, None, closure)
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
        if module.__name__ in modules.PRIVATE:
            self._private.append(modules.Private(self, module))
            return self._private[-1]
        return self.namespace(vars(module)).module if is_users_module(module) else module

    def namespace(self, names: Names) -> Namespace:
        """The copy of the globals of one of the user's modules."""
        if id(names) not in self.namespaces:
            module = modules.Copied(str(names.get("__name__")), self, names)
            made = self.namespaces[id(names)] = self.namespaces[id(vars(module))] = Namespace(names, module)
            self._kept.append(names)
            self._made[id(names)] = self._made[id(made.names)] = made.names
            for name in filter(is_dunder, list(names)):
                made.set(name, names[name])
            if modules.are_usual(names.get("__builtins__")):
                made.set("__builtins__", self.builtins)
            self._snapshot.add_restore(made.restore)
            self.fill(lambda: self._look_up(made, self._mentioned))
        return self.namespaces[id(names)]

    def mention(self, code: CodeType) -> None:
        """Let every namespace have what some code mentions."""
        new = mentioned(code) - self._mentioned
        if new:
            self._mentioned |= new
            self.fill(lambda: self._look_up_all(new))

    def _look_up_all(self, mentions: Set[str]) -> None:
        for namespace in dict.fromkeys(self.namespaces.values()):
            self._look_up(namespace, mentions)

    def _look_up(self, namespace: Namespace, mentions: Set[str]) -> None:
        if not DYNAMIC.isdisjoint(self._mentioned):
            mentions = namespace.original.keys()
        for name in sorted(namespace.original.keys() & mentions):
            if name not in namespace.held:
                self.look_up(namespace, name)

    def named(self, names: Names, name: str) -> Any:
        """The copy of one global of a namespace, which the code asks for while it runs."""
        made = self.look_up(self.namespace(names), name)
        self._finish()
        return made

    def look_up(self, namespace: Namespace, name: str) -> Any:
        """The copy of one global."""
        made = self.shell(namespace.original[name])
        if isinstance(made, Refused):
            made.called(name)
        namespace.set(name, made)
        return made

    def method(self, method: MethodType) -> Any:
        """A bound method over copies."""
        function, owner = self.inner((method.__func__, method.__self__))
        return method if function is method.__func__ and owner is method.__self__ else MethodType(function, owner)


def is_dunder(name: str) -> bool:
    """Whether a name is one of Python's own, such as ``__file__``."""
    return name.startswith("__") and name.endswith("__")


def name_refusal(cell: CellType, name: str) -> None:
    """Tell what stands for something that is refused how the user calls it."""
    held = content_of(cell)
    if isinstance(held, Refused):
        held.called(name)


class Runner:
    """A copied function of a state: each call begins with everything as it was when it was copied.

    Parameters
    ----------
    world : World
    function : callable
        Takes the state.
    """

    def __init__(self, world: World, function: Callable[[Any], Any]) -> None:
        self.world, self.function = world, function

    def __call__(self, state: Any) -> Any:
        """Run it."""
        return self.world.call(self.function, state)

    def goes_on(self, state: Any) -> Any:
        """Run it with the random numbers that follow those of the call before."""
        return self.world.call(self.function, state, random=False)

    def strictly(self, state: Any) -> Any:
        """Run it so that an imaginary part that would be lost is an error."""
        return self.world.call(self.function, state, strict=True)
