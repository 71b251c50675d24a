"""Versions of the user's source: as it is, with parts replaced, and each with hooks in it.

In go functions of a world and changes of the syntax tree of their files; for a while the functions have the code that
the changed source compiles to. Nothing of the user's own is written to.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import CodeType

from einbackprop.capture.observation import (
    REWRITTEN,
    by_place,
    compiled,
    filled,
    imports_of,
    is_same,
    nested,
    place_of,
)
from einbackprop.core.records import dataclass
from einbackprop.core.source import copied_tree, statements_of, statements_of_text
from einbackprop.diagnosis.hooks import Hook, Hooker, Site, Unwatched, Watcher, library_of
from einbackprop.diagnosis.vocabulary.trees import altered
from einbackprop.world import World
from einbackprop.world.ownership import is_users

Codes = dict[tuple[object, ...], CodeType]
Definition = tuple[str, int]
"""A file, and which of the statements at its top."""
Definitions = dict[int, tuple[CodeType, Definition | None]]
"""By the identity of codes, which are held."""


@dataclass(frozen=True, eq=False)
class Change:
    """A node of a version, and what stands in its place: an expression, or statements, perhaps several or none."""

    definition: Definition
    node: ast.expr | ast.stmt
    replacement: ast.expr | tuple[ast.stmt, ...]


class Hooked:
    """What all versions of a world share: who watches, and the definitions that have hooks, each hooked once."""

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []
        self.failures: list[Exception] = []
        self.codes: dict[tuple[Definition, int, int], Codes] = {}
        self.sites: dict[int, tuple[ast.stmt, tuple[Site, ...]]] = {}  # by the identity of trees, which are held
        self.libraries: dict[str, frozenset[str]] = {}
        self.known: Definitions = {}


class Version:
    """One version of the user's source.

    Parameters
    ----------
    world : World
        Its functions are the user's.
    trees : mapping of Definition to ast.stmt
        The definitions that are not as they stand in their files.
    hooked : Hooked, optional
        That of the versions that it was made of.
    new : sequence of nodes
        What stands in no other version.
    """

    def __init__(
        self, world: World, trees: Mapping[Definition, ast.stmt] | None = None, hooked: Hooked | None = None,
        new: Sequence[ast.AST] = (),
    ) -> None:  # fmt: skip
        self.world, self.trees = world, dict(trees or {})
        self._hooked, self._new = hooked or Hooked(), new
        self._plain: dict[tuple[Definition, int], Codes] = {}
        self._given: dict[int, tuple[CodeType, CodeType]] = {}  # which holds the codes, so that no other has their id
        self._outer: dict[Definition, dict[int, ast.AST]] = {}

    def sites(self, definition: Definition) -> tuple[Site, ...]:
        """The hooks of a definition."""
        tree = self.tree(definition)
        return self._hooked.sites[id(tree)][1] if id(tree) in self._hooked.sites else self._with_sites(definition)[1]

    def _with_sites(self, definition: Definition) -> tuple[ast.stmt, tuple[Site, ...]]:
        """A definition with hooks, and what the numbers in them stand for."""
        (file, _), tree = definition, self.tree(definition)
        if file not in self._hooked.libraries:
            self._hooked.libraries[file] = library_of(statements_of(file).tree)
        hooker = Hooker(*definition, self._hooked.libraries[file])
        made = hooker.hooked(tree)
        return made, self._hooked.sites.setdefault(id(tree), (tree, tuple(hooker.sites)))[1]

    def definition_of(self, code: CodeType) -> Definition | None:
        """The definition that a code with hooks is part of, or one without."""
        for (definition, *_), codes in self._hooked.codes.items():
            if any(made is code for made in codes.values()):
                return definition
        return self._definition(code)

    def _definition(self, code: CodeType) -> Definition | None:
        """The same for a code without hooks, looked up once."""
        known = self._hooked.known
        if id(code) not in known:
            known[id(code)] = code, definition_of(code)
        return known[id(code)][1]

    def changed(self, changes: Sequence[Change]) -> Version:
        """The version with changes of its nodes."""
        trees = dict(self.trees)
        for definition in dict.fromkeys(change.definition for change in changes):
            some = {id(c.node): c.replacement for c in changes if c.definition == definition}
            trees[definition] = rebuilt(self.tree(definition), some, self._above(definition, some))
        replacements = (change.replacement for change in changes)
        new = [node for made in replacements for node in (made if isinstance(made, tuple) else (made,))]
        return Version(self.world, trees, self._hooked, new)

    def of_texts(self, texts: Mapping[str, str]) -> Version:
        """The version of other texts of files, which have the same definitions."""
        trees = dict(self.trees)
        for file, text in texts.items():
            trees |= {(file, n): tree for n, tree in enumerate(statements_of_text(text).tree.body)}
        return Version(self.world, trees, self._hooked)

    def is_edited(self, definition: Definition) -> bool:
        """Whether a definition is another than the user's."""
        file, position = definition
        edited = self.trees.get(definition)
        return edited is not None and ast.dump(edited) != ast.dump(statements_of(file).tree.body[position])

    def around(self, site: Site) -> list[ast.stmt]:
        """The statements with a body that a statement stands in, within its function, the innermost first."""
        outer = self._parents((site.file, site.definition))
        found: list[ast.stmt] = []
        at = outer.get(id(site.statement))
        while at is not None and not isinstance(at, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            if isinstance(at, ast.stmt):
                found.append(at)
            at = outer.get(id(at))
        return found

    def _above(self, definition: Definition, nodes: Collection[int]) -> set[int]:
        """The nodes that some nodes of a definition are in, by identity."""
        outer, found = self._parents(definition), set[int]()
        for node in nodes:
            while node in outer and id(outer[node]) not in found:
                node = id(outer[node])
                found.add(node)
        return found

    def _parents(self, definition: Definition) -> dict[int, ast.AST]:
        """The node that each node of a definition is a part of, by identity, looked up once."""
        if definition not in self._outer:
            nodes = ast.walk(self.tree(definition))
            self._outer[definition] = {id(child): node for node in nodes for child in ast.iter_child_nodes(node)}
        return self._outer[definition]

    def tree(self, definition: Definition) -> ast.stmt:
        """A definition in this version."""
        file, position = definition
        return self.trees.get(definition) or statements_of(file).tree.body[position]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Give the functions the code of this version.

        Raises
        ------
        ValueError
            A part cannot stand where it is put, or needs other variables around it.
        """
        with self._recoded(self._code, Unwatched()):
            yield

    @contextlib.contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        """The same, with hooks that ask a watcher what statements are to make; what it raises is raised at the end."""
        failures = self._hooked.failures
        failures.clear()
        with self._recoded(self._hooked_code, watcher):
            yield
        if failures:
            raise failures[0]

    @contextlib.contextmanager
    def _recoded(self, code: Callable[[CodeType], CodeType], watcher: Watcher) -> Iterator[None]:
        """Give the functions other code for a while, whose hooks ask a watcher."""
        self._hooked.watchers.append(watcher)
        try:
            with recoded(self.world, code):
                yield
        finally:
            self._hooked.watchers.pop()

    def _code(self, own: CodeType) -> CodeType:
        if "at" in own.co_names:  # which has a check of what it is given in code with hooks
            return self._hooked_code(own)
        definition = self._definition(own)
        if definition not in self.trees:
            return own
        key = definition, own.co_flags
        if key not in self._plain:
            file, position = definition
            before, after = pruned(statements_of(file).tree.body[position], self.trees[definition])
            self._plain[key] = paired(definition, own.co_flags, before, after, self._new)
        return self._plain[key].get(place_of(own), own)

    def _hooked_code(self, own: CodeType) -> CodeType:
        """The code with hooks of one without, looked up once: gradients run so a thousand times."""
        if id(own) not in self._given:
            self._given[id(own)] = own, self._with_hooks(own)
        return self._given[id(own)][1]

    def _with_hooks(self, own: CodeType) -> CodeType:
        definition = self._definition(own)
        if definition is None:
            return own
        key, hooked = (definition, own.co_flags, id(self.tree(definition))), self._hooked
        if key not in hooked.codes:
            file, position = definition
            tree, sites = self._with_sites(definition)
            codes = paired(definition, own.co_flags, statements_of(file).tree.body[position], tree, self._new)
            hook = Hook(sites, hooked.watchers, hooked.failures)
            hooked.codes[key] = {place: filled(code, hook) for place, code in codes.items()}
        return hooked.codes[key].get(place_of(own), own)


@contextlib.contextmanager
def recoded(world: World, code: Callable[[CodeType], CodeType]) -> Iterator[None]:
    """Give the functions of a world other code for a while, and those that are copied meanwhile."""
    before, known = world.code, [(function, function.__code__) for function in world.functions]
    own = {function for function, _ in known}
    plain: dict[int, CodeType] = {}

    def given(was: CodeType) -> CodeType:
        made = code(was)
        plain[id(made)] = was
        return made

    world.code = given
    try:
        for function, was in known:
            if is_users(was.co_filename):
                function.__code__ = code(was)
        yield
    finally:
        world.code = before
        for function, was in known:
            function.__code__ = was
        for function in world.functions:
            if function not in own:
                function.__code__ = plain.get(id(function.__code__), function.__code__)


def definition_of(code: CodeType) -> Definition | None:
    """The definition at the top of a file that a code is part of."""
    if not is_users(code.co_filename):
        return None
    position = statements_of(code.co_filename).position(code.co_firstlineno)
    return None if position is None or not is_current(code, position) else (code.co_filename, position)


@functools.lru_cache(maxsize=4096)
def is_current(code: CodeType, position: int) -> bool:
    """Whether a code is what the source in its file compiles to: the file may have been changed since it was read."""
    file = code.co_filename
    statements = statements_of(file)
    made = by_place(compiled([*imports_of(statements.tree), statements.tree.body[position]], file, code.co_flags))
    own = made.get(place_of(code))
    rewritten = any(name.startswith(REWRITTEN) for name in (*code.co_names, *code.co_varnames))
    return own is not None and (rewritten or is_same(own, code))


def paired(definition: Definition, flags: int, before: ast.stmt, after: ast.stmt, edited: Sequence[ast.AST]) -> Codes:
    """The codes of a changed definition, by what they are in the unchanged one. Raises ValueError where it is none."""
    file, position = definition
    if any(is_of_number(node) for part in edited for node in ast.walk(part)):
        raise ValueError("a number has no entries and cannot be called")  # of which Python would warn the user
    statements = statements_of(file)
    imports = imports_of(statements.tree)
    try:
        new = compiled([*imports, after], file, flags)
        if before is statements.tree.body[position]:
            old = code_as_it_is(file, statements.text, position, flags)
        else:  # parts of a class
            old = compiled([*imports, before], file, flags)
    except (SyntaxError, RecursionError) as error:
        raise ValueError(str(error)) from error
    pairs = list(zip(nested(old), nested(new), strict=False))
    if any(one.co_name != two.co_name for one, two in pairs):  # a lambda more, or less
        by_place = {place_of(code): code for code in nested(new)}
        pairs = [(one, by_place[place_of(one)]) for one in nested(old) if place_of(one) in by_place]
    return {place_of(one): two for one, two in pairs if one.co_freevars == two.co_freevars}


@functools.lru_cache(maxsize=256)
def code_as_it_is(file: str, text: str, position: int, flags: int) -> CodeType:
    """The code of a definition in a file, compiled once: each edit of it is compared with that."""
    tree = statements_of_text(text).tree
    return compiled([*imports_of(tree), tree.body[position]], file, flags)


def is_of_number(node: ast.AST) -> bool:
    """Whether a node is an entry or a call of a number that is written down: ``2[t]``, ``2(t)``."""
    inner = node.value if isinstance(node, ast.Subscript) else node.func if isinstance(node, ast.Call) else None
    return isinstance(inner, ast.Constant) and isinstance(inner.value, int | float | complex)


def pruned(before: ast.stmt, after: ast.stmt) -> tuple[ast.stmt, ast.stmt]:
    """Two versions of a definition; of a class only those parts of its body that differ."""
    if not isinstance(before, ast.ClassDef) or not isinstance(after, ast.ClassDef) or before is after:
        return before, after
    pairs = [(one, two) for one, two in zip(before.body, after.body, strict=False) if one is not two]
    if len(before.body) != len(after.body) or not pairs:
        return before, after
    made = copy.copy(before), copy.copy(after)
    bodies = zip(*(pruned(one, two) for one, two in pairs), strict=True)
    for node, body in zip(made, bodies, strict=True):
        node.body, node.decorator_list = list(body), []
    return made


def rebuilt(
    tree: ast.stmt, replacements: Mapping[int, ast.expr | tuple[ast.stmt, ...]], above: Collection[int] | None = None
) -> ast.stmt:
    """A tree with nodes replaced, by their identity; the tree itself stays, and what is unchanged is shared.

    ``above`` are the nodes that these are in, where that is known.
    """

    def of(node: ast.AST) -> list[ast.AST]:
        found = replacements.get(id(node))
        if found is not None:
            parts = list(found) if isinstance(found, tuple) else [found]
            return [located(part, node) for part in parts] or [ast.copy_location(ast.Pass(), node)]
        if above is not None and id(node) not in above:
            return [node]
        changed: dict[str, object] = {}
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                new = [made for item in value for made in (of(item) if isinstance(item, ast.AST) else [item])]
                if len(new) != len(value) or any(one is not two for one, two in zip(new, value, strict=True)):
                    changed[name] = new
            elif isinstance(value, ast.AST):
                (new_value,) = of(value)
                if new_value is not value:
                    changed[name] = new_value
        return [altered(node, **changed) if changed else node]

    made = of(tree)
    if len(made) != 1:  # at the top of a file, where one statement must stand
        body = [part for part in made if isinstance(part, ast.stmt)]
        made = [ast.fix_missing_locations(ast.copy_location(ast.If(ast.Constant(True), body, []), tree))]
    assert isinstance(made[0], ast.stmt)
    return made[0]


def located(tree: ast.AST, at: ast.AST) -> ast.AST:
    """A copy of a tree that stands where another node stood; what it has of that, as the body of a loop, stays."""
    made: ast.AST = copied_tree(tree)
    kept = {id(node) for node in ast.walk(at)}
    for own, node in zip(ast.walk(tree), ast.walk(made), strict=True):
        if "lineno" in getattr(node, "_attributes", ()) and not (id(own) in kept and hasattr(own, "lineno")):
            ast.copy_location(node, at)
    return made


def mangled(tree: ast.expr, inside: str) -> ast.expr:
    """An expression in which ``__x`` is what it is in the body of a class."""
    if not inside.strip("_") or not any(map(private_part, ast.walk(tree))):
        return tree
    made: ast.expr = copied_tree(tree)
    for node in ast.walk(made):
        if name := private_part(node):
            setattr(node, name, f"_{inside.lstrip('_')}{getattr(node, name)}")
    return made


def private_part(node: ast.AST) -> str:
    """The field of a node that holds a name such as ``__x``; none if no field does."""
    name = "id" if isinstance(node, ast.Name) else "attr" if isinstance(node, ast.Attribute) else ""
    text = getattr(node, name, "") if name else ""
    return name if text.startswith("__") and not text.endswith("__") else ""
