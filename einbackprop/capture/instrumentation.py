"""Instrumentation: probes in a syntax tree, calls that tell which statement runs, what it reads under which name, and
what it binds.

Every node keeps its place in the source, so that tracebacks and positions are those of the user's file.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..core.source import CALL, CHAIN, INNER, LITERAL, NAME, Statements
from .probes import Read, Site, Statement, Target

PROBES = ("enters", "opens", "starts", "round", "read", "made", "operand", "returned", "ends", "caught")
"""What a probe tells; each is a method of the observer."""
MARK = "\0einbackprop."
"""How the constants begin that stand for probes in a compiled tree."""




class Probe(ast.Call):
    """The call of a probe."""


class Prober(ast.NodeTransformer):
    """Puts probes into one definition at the top of a file.

    Attributes
    ----------
    sites : list of Statement or Read
        What the numbers in the probes stand for.
    """

    def __init__(self, statements: Statements, file: str) -> None:
        self.sites: list[Site] = []
        self._statements, self._file = statements, file
        self._function = ""
        self._inner: set[str] = set()
        self._loops: tuple[int, ...] = ()

    # Probes

    def _call(self, probe: str, *arguments: Any, at: ast.AST) -> ast.Call:
        """A call of a probe. It stands in a conditional expression, since Python warns where a string is called."""
        assert probe in PROBES
        function = ast.IfExp(ast.Constant(True), ast.Constant(MARK + probe), ast.Constant(None))
        given = [a if isinstance(a, ast.expr) else ast.Constant(a) for a in arguments]
        return placed(Probe(function, given, []), at)

    def _tell(self, probe: str, *arguments: Any, at: ast.AST) -> ast.Expr:
        """A statement that is a probe."""
        return ast.copy_location(ast.Expr(self._call(probe, *arguments, at=at)), at)

    def _site(self, site: Site) -> int:
        self.sites.append(site)
        return len(self.sites) - 1

    # Functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """A function: its body, and a probe that says that it begins. Decorators and defaults stay as they are."""
        before = self._function, self._inner, self._loops
        self._function, self._inner, self._loops = node.name, set(), ()
        first = node.body[0]
        documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        body = self.block(node.body[documented:])
        node.body = [*node.body[:documented], self._tell("enters", at=node.body[0]), *body]
        self._function, self._inner, self._loops = before
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        """It stays as it is."""
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """A class: its functions."""
        definitions = ast.FunctionDef | ast.ClassDef
        node.body = [self.visit(part) if isinstance(part, definitions) else part for part in node.body]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        """A lambda is part of the statement that calls it; one that nothing of the user's calls is a statement."""
        before = self._inner
        self._inner = before | {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        body = node.body
        site = self._site(self._statement(body, "Lambda", function="<lambda>"))
        made = self._call("returned", site, self.visit(body), at=body)
        pair = ast.Tuple([self._call("opens", site, at=body), made], ast.Load())
        node.body = ast.copy_location(ast.Subscript(pair, ast.Constant(1), ast.Load()), body)
        for part in (pair, node.body.slice):
            ast.copy_location(part, body)
        self._inner = before
        return node

    # Statements

    def block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements of a block with their probes."""
        return [made for statement in body for made in self._probed(statement)]

    def _probed(self, node: ast.stmt) -> Iterator[ast.stmt]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield self.visit(node)
            return
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal | ast.Pass):
            yield node
            return
        kind = type(node).__name__
        targets = list(targets_of(node))
        statement = self._statement(node, kind)
        site = self._site(statement)
        before = self._loops
        self._loops = (*before, site) if isinstance(node, ast.For | ast.While) else before
        yield self._tell("starts", site, at=node)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            loaded = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            yield ast.copy_location(ast.Expr(self.visit(loaded)), node)
        bound = (*(self._target(target, path) for target, path in targets), *self._appended(node))
        loop = site if self._loops != before else -1
        self.sites[site] = replace(statement, targets=bound, site=loop)
        names = [ast.copy_location(ast.Name(t.id, ast.Load()), t) for t, _ in targets if isinstance(t, ast.Name)]
        yield self._inside(node, site, names)
        self._loops = before
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr) and getattr(node, "value", None):
            yield self._tell("ends", site, *names, at=node)

    def _statement(self, node: Any, kind: str, function: str = "") -> Statement:
        augmented = isinstance(node, ast.AugAssign)
        return Statement(
            self._file, function or self._function, node.lineno, node.col_offset, self._statements.header(node), kind,
            operator=self._statements.operator(node) if augmented else "",
            operand=self.segment(node.value) if augmented else "", loops=self._loops,
        )  # fmt: skip

    def _inside(self, node: Any, site: int, names: list[ast.Name]) -> ast.stmt:
        """A statement with the probes inside it; its targets have theirs already."""
        match node:
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                node.value = self._call("made", site, self.visit(value), at=value)
            case ast.AugAssign(value=value):
                node.value = self._call("operand", site, self.visit(value), at=value)
            case ast.Return(value=ast.expr() as value):
                node.value = self._call("returned", site, self.visit(value), at=value)
            case ast.For():
                node.iter = self.visit(node.iter)
                node.body = [self._tell("round", site, *names, at=node.body[0]), *self.block(node.body)]
                node.orelse = self.block(node.orelse)
            case ast.While():
                node.test = self.visit(node.test)
                node.body = [self._tell("round", site, at=node.body[0]), *self.block(node.body)]
                node.orelse = self.block(node.orelse)
            case ast.If():
                node.test = self.visit(node.test)
                node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            case ast.With():
                for item in node.items:
                    item.context_expr = self.visit(item.context_expr)
                node.body = [self._watched([self._tell("ends", site, *names, at=node.body[0]), *self.block(node.body)])]
            case ast.Try() | ast.TryStar():
                for handler in node.handlers:
                    handler.body = [self._tell("caught", at=handler.body[0]), *self.block(handler.body)]
                node.body, node.orelse, node.finalbody = map(self.block, (node.body, node.orelse, node.finalbody))
            case ast.Match():
                node.subject = self.visit(node.subject)
                for case in node.cases:
                    case.guard = self.visit(case.guard) if case.guard else None
                    case.body = self.block(case.body)
            case ast.Expr() | ast.Raise() | ast.Assert():
                self.generic_visit(node)
        return node  # type: ignore[no-any-return]

    def _watched(self, body: list[ast.stmt]) -> ast.stmt:
        """The body of a ``with``, which may swallow an exception."""
        at = body[0]
        told = [self._tell("caught", at=at), ast.copy_location(ast.Raise(), at)]
        handler = ast.copy_location(ast.ExceptHandler(None, None, told), at)
        return ast.copy_location(ast.Try(body, [handler], [], []), at)

    def _target(self, node: ast.expr, path: tuple[int, ...]) -> Target:
        """A target, what it reads visited, so that the places of these reads are known."""
        text = self.segment(node)
        if isinstance(node, ast.Name):
            return Target(text, node.id, path)
        assert isinstance(node, ast.Attribute | ast.Subscript)
        owner, node.value = node.value, self._always(node.value)
        base = len(self.sites) - 1
        if isinstance(node, ast.Attribute):
            return Target(text, node.attr, path, False, base)
        label = self.segment(owner).split(".")[-1]
        if isinstance(node.slice, ast.Slice) or is_index_tuple(node.slice):
            node.slice = self.visit(node.slice)
            return Target(text, label, path, False, base)
        node.slice = self._always(node.slice)
        return Target(text, label, path, False, base, len(self.sites) - 1)

    def _appended(self, node: ast.stmt) -> Iterator[Target]:
        """The last entry of a list, where a statement adds one."""
        match node:
            case ast.Expr(ast.Call(ast.Attribute(value=owner, attr="append") as function, [_], [])) if is_chain(owner):
                text = self.segment(owner)
                function.value = self._always(owner)
                yield Target(f"{text}[-1]", text.split(".")[-1], (), False, len(self.sites) - 1, last=True)

    def _always(self, node: ast.expr) -> ast.expr:
        """An expression that is read, whatever it is; its site is the last."""
        spec = replace(self._spec(node, whole=False), kept=True)
        inner = self.generic_visit(node) if isinstance(node, ast.Attribute | ast.Subscript) else (
            node if isinstance(node, ast.Name | ast.Constant) else self.visit(node))  # fmt: skip
        assert isinstance(inner, ast.expr)
        return self._call("read", self._site(spec), inner, at=node)

    # Expressions

    def segment(self, node: ast.AST) -> str:
        """The text of an expression."""
        return self._statements.segment(node)

    def _rank(self, node: ast.AST) -> int:
        if not is_chain(node):
            return CALL
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        return INNER if names & self._inner else NAME if isinstance(node, ast.Name) else CHAIN

    def _spec(self, node: ast.expr, whole: bool = True) -> Read:
        """What is known of an expression, before there are probes in it."""
        bound = node.target.id if isinstance(node, ast.NamedExpr) else ""
        primary = isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
        text = bound or (self.segment(node) if primary else f"({self.segment(node)})")
        rank = NAME if bound else LITERAL if isinstance(node, ast.List) else self._rank(node)
        return Read(text, rank, label_of(node), whole, bound)

    def _read(self, spec: Read, inner: ast.expr, at: ast.AST) -> ast.expr:
        return self._call("read", self._site(spec), inner, at=at)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A name that is read."""
        return self._read(self._spec(node), node, node) if isinstance(node.ctx, ast.Load) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """An attribute that is read."""
        spec = self._spec(node)
        node.value = self._owner(node.value)
        return self._read(spec, node, node) if isinstance(node.ctx, ast.Load) else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """An entry or a part that is read."""
        spec = self._spec(node)
        if spec.rank == INNER and self._rank(node.value) < INNER:
            spec = replace(spec, owner=self.segment(node.value))
            node.value, node.slice = self._owner(node.value), self._always(node.slice)
            spec = replace(spec, key=len(self.sites) - 1)
        else:
            node.value, node.slice = self._owner(node.value), self.visit(node.slice)
        return self._read(spec, node, node) if isinstance(node.ctx, ast.Load) else node

    def _owner(self, node: ast.expr) -> ast.expr:
        """What an attribute or an entry belongs to: of a container, only that one entry is read."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return self._read(replace(self._spec(node, whole=False), inner=True), node, node)
        made: ast.expr = self.visit(node)
        last = self.sites[-1] if self.sites else None
        if isinstance(last, Read) and isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
            self.sites[-1] = replace(last, inner=True)
        return made

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """A call, and what it is given."""
        if isinstance(node, Probe):
            return node
        spec = self._spec(node)
        if isinstance(node.func, ast.Attribute):
            node.func.value = self._owner(node.func.value)
        elif not isinstance(node.func, ast.Name):
            node.func = self.visit(node.func)
        node.args = [self._argument(argument) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self._argument(keyword.value)
        return self._read(spec, node, node)

    def _argument(self, node: ast.expr) -> ast.expr:
        spec = self._spec(node)
        made = self.visit(node)
        if isinstance(node, ast.BinOp | ast.UnaryOp | ast.IfExp | ast.BoolOp | ast.Compare):
            return self._read(spec, made, node)
        return made  # type: ignore[no-any-return]

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        """``(n := x)`` binds a name, and is read."""
        spec = self._spec(node)
        node.value = self.visit(node.value)
        return self._read(spec, node, node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        """Text stays as it is."""
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        """A list that is written down: its entries, and the list, which may become an array."""
        spec = self._spec(node, whole=False)
        made = self.generic_visit(node)
        assert isinstance(made, ast.expr)
        return self._read(spec, made, node) if isinstance(node.ctx, ast.Load) else made

    def _comprehension(self, node: Any) -> Any:
        """A comprehension: what it binds is no name of the statement."""
        before = self._inner
        stored = (part for g in node.generators for part in ast.walk(g.target) if isinstance(part, ast.Name))
        first = node.generators[0]
        first.iter = self.visit(first.iter)
        kept, first.iter = first.iter, ast.copy_location(ast.Constant(None), first.iter)
        self._inner = before | {part.id for part in stored}
        node = self.generic_visit(node)
        first.iter = kept
        self._inner = before
        return node

    def visit(self, node: ast.AST) -> Any:
        """A part of the tree with its probes."""
        return self._comprehension(node) if isinstance(node, COMPREHENSIONS) else super().visit(node)


def placed(made: Probe, at: Any) -> Probe:
    """A call that was made up of nodes without places, and of some of the source, with the place of a node of that."""
    new: list[Any] = [made, made.func, *ast.iter_child_nodes(made.func)]
    for part in (*new, *(argument for argument in made.args if isinstance(argument, ast.Constant))):
        if not hasattr(part, "lineno"):
            part.lineno, part.col_offset = at.lineno, at.col_offset
            part.end_lineno, part.end_col_offset = at.end_lineno, at.end_col_offset
    return made


def label_of(node: ast.AST) -> str:
    """What a person calls what an expression gives: its name, or that of an attribute or a key."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return name if name.isidentifier() else ""
    return ""


def is_chain(node: ast.AST) -> bool:
    """Whether it is a name, or attributes and entries of one: it can be evaluated again, and gives the same."""
    match node:
        case ast.Name():
            return True
        case ast.Attribute(value=owner):
            return is_chain(owner)
        case ast.Subscript(value=owner, slice=index):
            return is_chain(owner) and all(isinstance(part, HARMLESS) for part in ast.walk(index))
    return False


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
HARMLESS = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Slice, ast.Tuple, ast.List, ast.UnaryOp, ast.BinOp,
    ast.operator, ast.unaryop, ast.expr_context, ast.JoinedStr, ast.FormattedValue,
)  # fmt: skip
"""What an index can consist of and do nothing but say where."""


def is_index_tuple(node: ast.AST) -> bool:
    """Whether an index is that of an array: a tuple with a slice in it."""
    return isinstance(node, ast.Tuple) and any(isinstance(part, ast.Slice | ast.Starred) for part in node.elts)


def targets_of(node: ast.AST) -> Iterator[tuple[ast.expr, tuple[int, ...]]]:
    """The targets of a statement, those of a tuple one by one, with their places in it."""
    match node:
        case ast.Assign(targets=targets):
            found: Iterable[ast.expr | None] = targets
        case ast.AugAssign(target=target) | ast.For(target=target):
            found = [target]
        case ast.AnnAssign(target=target, value=ast.expr()):
            found = [target]
        case ast.With(items=items):
            found = [item.optional_vars for item in items]
        case _:
            found = ()
    for one in found:
        if one is not None:
            yield from singles(one, ())


def singles(target: ast.expr, path: tuple[int, ...]) -> Iterator[tuple[ast.expr, tuple[int, ...]]]:
    """The targets in one target."""
    match target:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for n, part in enumerate(parts):
                yield from singles(part, (*path, n))
        case ast.Starred(value=ast.Name() as inner):
            yield inner, path
        case ast.Name() | ast.Attribute() | ast.Subscript():
            yield target, path
