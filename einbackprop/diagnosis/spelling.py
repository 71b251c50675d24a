"""What a line calls the values that it reads: ``self.y`` in a method, for what its caller knows by another name."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from ..core.program import Equation, operands
from ..core.syntax import parse_python
from .aliases import Code, code_of, names_read


def spelled(line: Sequence[Equation], called: Mapping[str, str], made: Mapping[str, Equation]) -> dict[str, str]:
    """How a line writes the values that it reads: attributes in full, and the one value whose name does not stand in it
    by the one name or call there that is no other's.

    Parameters
    ----------
    line : sequence of Equation
        Of one run.
    called : mapping of name to str
        What each value is called elsewhere.
    made : mapping of name to Equation
        How each value is made.
    """
    source = line[0].source
    if source is None:
        return {}
    own = {equation.out.name for equation in line}
    read = dict.fromkeys(ref.name for equation in line for ref in operands(equation) if ref.name not in own)
    tails = {name.split(".")[-1]: name for name in variables(source.code)}
    calls = calls_in(source.code, code_of(source.file))
    elsewhere = {v for v in read if v in made and (s := made[v].source) is not None and s.function != source.function}
    unknown = [v for v in read if called.get(v, v) not in tails or (calls and v in elsewhere)]
    known = {called.get(v, v): v for v in read if v not in unknown}
    found = {v: tails[name] for name, v in known.items() if "." in tails[name]}
    others = calls or [name for tail, name in tails.items() if tail not in known]
    return found | ({unknown[0]: others[0]} if len(unknown) == len(others) == 1 else {})


def calls_in(source: str, code: Code) -> list[str]:
    """The calls of a line to functions and methods of the same file."""
    own = {function.name for function in code.functions}
    try:
        nodes = list(ast.walk(parse_python(source)))
    except SyntaxError:
        return []
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if ast.unparse(call.func).split(".")[-1] in own]


def variables(code: str) -> list[str]:
    """The variables of a line and the attributes of ``self``, without modules and functions."""
    try:
        tree = parse_python(code)
    except SyntaxError:
        return []
    functions = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    objects = {name.split(".")[0] for name in functions if "." in name} | {"self"}
    found = names_read(tree)
    plain = [name for name in found if "." not in name and name not in functions | objects]
    return plain + [name for name in found if name.startswith("self.") and name.count(".") == 1]
