"""Statements that give a value another name: ``dz = dh``, ``layer.backward(d)``, ``return dh`` under the name of dW.

They leave no equation in a trace, but may be what is wrong. Here each that the backward reads by gets an equation, so
that it is judged as any other line is.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..capture.statements import statements_of
from ..checking.naming import gradient_of
from ..core.program import Contract, Equation, Program, Ref, Source, operands
from ..core.simplification import needed, with_refs
from ..core.syntax import parse_python

DEEPEST = 6
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Naming:
    """A statement that gives a value another name: by an assignment or a call, perhaps transposed."""

    line: int
    name: str
    is_call: bool = False
    is_turned: bool = False


def with_aliases(program: Program, targets: Sequence[int]) -> Program:
    """The program with an equation for each statement of the backward that only gives a value another name.

    Parameters
    ----------
    program : Program
        The loss and the gradients, traced together.
    targets : sequence of int
        The outputs that are gradients.
    """
    forward = {e.out.name for e in needed(program.equations, [program.outputs[0].name])}
    program = with_returns(program, forward)
    aliases = Aliases(program, forward)
    equations: list[Equation] = []
    for equation in program.equations:
        if equation.out.name not in forward:
            read = aliases.read_by(equation)
            equations += [made for made in read.values() if made not in equations]
            equation = with_refs(equation, functools.partial(renamed, read=read))
        equations.append(equation)
    equations = without(equations, [made for made in equations if is_passed(made) and is_read_rightly(made, equations)])
    outputs = list(program.outputs)
    for n, made in aliases.returned([(n, program.outputs[n]) for n in targets]):
        equations += [made] if made not in equations else []
        outputs[n] = Ref(made.out.name, outputs[n].indices)
    return replace(
        program, equations=tuple(equations), outputs=tuple(outputs), labels={**program.labels, **aliases.labels}
    )


def is_read_rightly(alias: Equation, equations: Sequence[Equation]) -> bool:
    """Whether an argument is read on other lines of the function that it is passed to: it is what that one reads by
    another name, and what this one reads by mistake."""
    readers = [e.source for e in equations if e.source and alias.out.name in {ref.name for ref in operands(e)}]
    function = code_of(readers[0].file).function_at(readers[0].line) if readers else None
    name = alias.out.name.partition(" passed as ")[2].partition(" in line ")[0]
    loads = {n.lineno for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name} if function else set()
    return bool(loads - {source.line for source in readers})


def without(equations: Sequence[Equation], aliases: Sequence[Equation]) -> list[Equation]:
    """The equations without some aliases: what these were other names of is read by its own."""
    gone = {made.out.name: made for made in aliases}

    def own(ref: Ref) -> Ref:
        made = gone.get(ref.name)
        if made is None:
            return ref
        (read,) = operands(made)
        return Ref(read.name, ref.indices if read.indices == made.out.indices else ref.indices[::-1])

    return [with_refs(e, own) for e in equations if e.out.name not in gone]


def with_returns(program: Program, forward: Collection[str]) -> Program:
    """The program with an equation for each line that only returns a value that the caller gives another name."""
    labels = dict(program.labels)
    names: dict[str, Contract] = {}
    equations: list[Equation] = []
    for equation in program.equations:
        source, name = equation.source, equation.out.name
        outside = {n: made for n, made in names.items() if source is None or not same_function(made.source, source)}
        equation = with_refs(equation, functools.partial(renamed, read=outside))
        equations.append(equation)
        found = returned_otherwise(source, labels.get(name, "")) if source is not None and name not in forward else None
        if found is not None and source is not None:
            code = statements_of(source.file).code(found.line)
            there = Source(source.file, found.line, code, source.function, -1 - source.call)
            alias = Ref(f"{name} as {labels[name]} in line {found.line}", equation.out.indices)
            names[name] = Contract(alias, (equation.out,), source=there)
            equations.append(names[name])
            labels |= {alias.name: labels[name], name: found.name}
    outputs = tuple(renamed(ref, names) for ref in program.outputs)
    return replace(program, equations=tuple(equations), outputs=outputs, labels=labels)


def same_function(one: Source | None, other: Source) -> bool:
    """Whether two lines stand in one function."""
    return one is not None and code_of(one.file).function_at(one.line) is code_of(other.file).function_at(other.line)


def returned_otherwise(source: Source, label: str) -> Naming | None:
    """The line that does nothing but return what a line makes, which the caller names otherwise; and its name there."""
    statements = statements_of(source.file)
    node = statements.at(source.line)
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    function = code_of(source.file).function_at(source.line)
    if function is None or not isinstance(target, ast.Name):
        return None
    own = target.id
    if label == own or not label.strip("_"):
        return None
    for end in ast.walk(function):
        if isinstance(end, ast.Return) and isinstance(end.value, ast.Name) and end.value.id == own:
            return Naming(end.lineno, own)
    return None


def renamed(ref: Ref, read: Mapping[str, Contract]) -> Ref:
    """The operand read under its other name."""
    made = read.get(ref.name)
    if made is None:
        return ref
    is_turned = made.out.indices != made.operands[0].indices
    return Ref(made.out.name, ref.indices[::-1] if is_turned else ref.indices)


class Aliases:
    """The equations of statements that give values other names, each made once."""

    def __init__(self, program: Program, forward: Collection[str]) -> None:
        self.program, self.made = program, program.defining()
        self.trusted = trusted_functions(program, forward)
        self.labels: dict[str, str] = {}
        self.indices = {i.ref.name: i.ref.indices for i in program.inputs}
        self.indices |= {e.out.name: e.out.indices for e in program.equations}
        self.equations: dict[tuple[str, int, str, tuple[int, int]], Contract] = {}
        self.traced = traced_lines(program)

    def read_by(self, equation: Equation) -> dict[str, Contract]:
        """For values that a line reads under another name than their own: the statement that gave it, an equation."""
        source = equation.source
        if source is None:
            return {}
        spelled = names_read(source.code)
        found: dict[str, Contract] = {}
        for ref in operands(equation):
            own = self.program.labels.get(ref.name, "").strip("_")
            if own and ref.name in self.indices and own not in {name.split(".")[-1] for name in spelled}:
                naming = next(self._namings(source, spelled, own, self.made.get(ref.name)), None)
                if naming is not None:
                    function = code_of(source.file).function_at(source.line)
                    run = (function.lineno, source.call) if naming.is_call and function else (0, 0)
                    found[ref.name] = self._equation(source.file, naming, ref.name, run)
        return found

    def _namings(
        self, source: Source, spelled: Collection[str], own: str, made: Equation | None
    ) -> Iterator[Naming]:
        code = code_of(source.file)
        function = code.function_at(source.line)
        if function is not None:
            for name in spelled:
                for naming in code.namings(name, own, function, source.line, DEEPEST):
                    place = code.function_at(naming.line)
                    is_silent = naming.is_call or (source.file, naming.line) not in self.traced
                    if is_silent and place is not None and place.name not in self.trusted:
                        maker = made.source.function if made is not None and made.source is not None else ""
                        turned = code.turned_result(own, place, maker)
                        yield naming if turned is None else Naming(turned, own, False, not naming.is_turned)

    def returned(self, outputs: Sequence[tuple[int, Ref]]) -> Iterator[tuple[int, Contract]]:
        """For outputs returned under another name than their own: the statement that gave it, an equation."""
        sources = [self.made[ref.name].source for _, ref in outputs if ref.name in self.made]
        places = Counter(s.file for s in sources if s is not None)
        for file, _ in places.most_common(1):
            code = code_of(file)
            lines = [s.line for s in sources if s is not None and s.file == file]
            function = code.function_at(max(lines))
            elements = returned_elements(function, len(outputs)) if function else None
            for (n, ref), element in zip(outputs, elements or (), strict=False):
                naming = self._returned_by(code, function, ref, element)
                if naming is not None and ref.name in self.indices:
                    yield n, self._equation(file, naming, ref.name)

    def _returned_by(self, code: Code, function: Function | None, ref: Ref, element: ast.expr) -> Naming | None:
        own = self.program.labels.get(ref.name, "").strip("_")
        if function is None or not isinstance(element, ast.Name) or own == element.id:
            return None
        last = code.assignment(element.id, function, element.lineno)
        if last is None or (code.file, last.lineno) in self.traced:
            return None
        if own not in names_read(last.value) and not named_after(element.id, self.program.labels.values()):
            return None
        return Naming(last.lineno, element.id)

    def _equation(self, file: str, naming: Naming, value: str, run: tuple[int, int] = (0, 0)) -> Contract:
        """The equation of a statement, for one run of the function that it calls."""
        key = (file, naming.line, value, run)
        if key not in self.equations:
            count = sum(k[:2] == key[:2] for k in self.equations)
            statements = statements_of(file)
            function = code_of(file).function_at(naming.line)
            source = Source(
                file, naming.line, statements.code(naming.line), function.name if function else "", -1 - count
            )
            how = "passed as" if naming.is_call else "as"
            name = f"{value} {how} {naming.name} in line {naming.line}" + (f", run {count + 1}" if count else "")
            indices = self.indices[value]
            out = indices[::-1] if naming.is_turned and len(indices) == 2 else indices
            self.equations[key] = Contract(Ref(name, out), (Ref(value, indices),), source=source)
            self.labels[name] = naming.name
        return self.equations[key]


def trusted_functions(program: Program, forward: Collection[str]) -> set[str]:
    """The functions that make the loss, and those that they call."""
    sources = [e.source for e in program.equations if e.out.name in forward and e.source is not None]
    found = {s.function for s in sources}
    waiting = list(found)
    files = {s.file for s in sources}
    while waiting:
        name = waiting.pop()
        called = {c for file in files for f in code_of(file).functions if f.name == name for c in calls_of(f)}
        waiting += called - found
        found |= called
    return found


def calls_of(node: ast.AST) -> set[str]:
    """The functions and methods that are called in some code, by name."""
    calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
    return {ast.unparse(call.func).split(".")[-1] for call in calls}


def is_passed(equation: Equation) -> bool:
    """Whether an alias is an argument that is passed, not an assignment."""
    return is_alias(equation) and " passed as " in equation.out.name


def traced_lines(program: Program) -> set[tuple[str, int]]:
    """The lines that left an equation."""
    return {(e.source.file, e.source.line) for e in program.equations if e.source is not None}


def is_alias(equation: Equation) -> bool:
    """Whether an equation stands for a statement that gives a value another name."""
    return equation.source is not None and equation.source.call < 0


# Source text


def named_after(name: str, values: Collection[str]) -> str:
    """The value that a name says it is the gradient of: of ``dL_dhid_2``, ``dhid_2``, ``grad_hid_2`` that is hid_2."""
    return next((called for called in gradient_of(name)[1:] if called in values), "")


class Code:
    """A file's functions, and which statement gave a name its value."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        try:
            tree = parse_python(text)
        except SyntaxError:
            tree = parse_python("")
        self.functions = [n for n in ast.walk(tree) if isinstance(n, Function)]
        self.classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]

    def function_at(self, line: int) -> Function | None:
        """The innermost function that a line stands in."""
        around = [f for f in self.functions if f.lineno <= line <= (f.end_lineno or f.lineno)]
        return max(around, key=lambda f: f.lineno, default=None)

    def assignment(self, name: str, function: Function, before: int) -> ast.Assign | None:
        """The last assignment to a name in a function, before a line."""
        found = [
            n for n in ast.walk(function)
            if isinstance(n, ast.Assign) and n.lineno < before and name in {ast.unparse(t) for t in n.targets}
        ]  # fmt: skip
        return max(found, key=lambda n: n.lineno, default=None)

    def turned_result(self, name: str, function: Function, maker: str) -> int | None:
        """The line that gives a name to the transpose of what a function of the file returns."""
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and name in {ast.unparse(t) for t in node.targets}:
                match node.value:
                    case ast.Attribute(value=ast.Call(func=called), attr="T"):
                        if ast.unparse(called).split(".")[-1] == maker:
                            return node.lineno
        return None

    def namings(self, name: str, own: str, function: Function, before: int, depth: int) -> Iterator[Naming]:
        """The statements by which a function's name may have got the value that is called otherwise."""
        if not depth:
            return
        assigned = self.assignment(name, function, before)
        if assigned is not None:
            yield from self._given(assigned.value, Naming(assigned.lineno, name.split(".")[-1]), own, function, depth)
        elif "." in name:
            for method in self._methods_beside(function):
                stored = self.assignment(name, method, (method.end_lineno or 0) + 1)
                if stored is not None and method is not function:
                    yield from self._given(stored.value, None, own, method, depth)
        else:
            for caller, argument in self._arguments(name, function):
                yield from self._given(argument, Naming(argument.lineno, name, True), own, caller, depth)

    def _given(
        self, value: ast.expr, naming: Naming | None, own: str, function: Function, depth: int
    ) -> Iterator[Naming]:
        """The statement itself, where it reads the value by its own name; else those that gave it the name it reads."""
        is_turned = isinstance(value, ast.Attribute) and value.attr == "T"
        value = value.value if is_turned and isinstance(value, ast.Attribute) else value
        is_plain = isinstance(value, ast.Name | ast.Attribute)
        if own in names_read(value) and (is_plain or (naming is not None and not naming.is_call)):
            is_another = naming is not None and (is_turned or naming.name != own)
            yield from [replace(naming, is_turned=is_turned)] if naming is not None and is_another else []
        if is_plain:
            yield from self.namings(ast.unparse(value), own, function, value.lineno, depth - 1)

    def _methods_beside(self, function: Function) -> list[Function]:
        """The methods of the class that a method belongs to."""
        own = next((c for c in self.classes if function in c.body), None)
        return [n for n in own.body if isinstance(n, Function)] if own else []

    def _arguments(self, name: str, function: Function) -> Iterator[tuple[Function, ast.expr]]:
        """What is given for a parameter where the function is called, and the function that calls."""
        parameters = [a.arg for a in function.args.args if a.arg != "self"]
        if name not in parameters:
            return
        place = parameters.index(name)
        for caller in self.functions:
            for node in ast.walk(caller):
                calls = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == function.name
                if isinstance(node, ast.Call) and calls and place < len(node.args):
                    yield caller, node.args[place]


@functools.lru_cache(maxsize=64)
def _code(file: str, text: str) -> Code:
    return Code(file, text)


def code_of(file: str) -> Code:
    """The functions of a file as it stands now."""
    return _code(file, statements_of(file).text)


def names_read(code: str | ast.AST) -> list[str]:
    """The variables and attributes (``self.x``) that code reads."""
    try:
        tree = parse_python(code) if isinstance(code, str) else code
    except SyntaxError:
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            found.append(ast.unparse(node))
        if isinstance(node, ast.AugAssign):
            found.append(ast.unparse(node.target))
    return list(dict.fromkeys(found))


def returned_elements(function: Function, count: int) -> list[ast.expr] | None:
    """What a function returns one by one, if it is so many."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple | ast.List):
            return node.value.elts if len(node.value.elts) == count else None
    return None
