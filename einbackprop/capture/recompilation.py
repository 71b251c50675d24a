"""The code of a function of the user's, compiled again from its source with probes in it.

The probes are constants of the code, so that no namespace of the user's has a name more.
"""

import ast
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType

from ..core.syntax import ONE_AT_A_TIME, parse_python
from .instrumentation import MARK, Prober
from .probes import Site
from .statements import statements_of, statements_of_text

FUTURE = 0x1FE0000  # the flags of a code's `from __future__` imports
REWRITTEN = "@py"  # how the names begin that pytest adds to the asserts of a test
Place = tuple[str, int, tuple[int, int]]


@dataclass(frozen=True)
class Probed:
    """The codes of one definition with marks where probes are to stand, and what the numbers in them stand for."""

    codes: dict[Place, CodeType]
    plain: dict[Place, CodeType]
    sites: tuple[Site, ...]


@functools.lru_cache(maxsize=256)
def probed(file: str, text: str, position: int, flags: int) -> Probed:
    """A definition at the top of a file, compiled as it stands and with probes."""
    statements = statements_of_text(text)
    prober = Prober(statements, file)
    node = parse_python(text).body[position]  # a tree of its own, since it is changed
    imports = imports_of(statements.tree)  # what a module imports is compiled in another way
    plain = by_place(compiled([*imports, statements.tree.body[position]], file, flags))
    return Probed(by_place(compiled([*imports, prober.visit(node)], file, flags)), plain, tuple(prober.sites))


def imports_of(node: ast.AST) -> list[ast.stmt]:
    """The imports of a module, those in its functions and classes aside."""
    found: list[ast.stmt] = []
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            found.append(part)
        elif isinstance(part, ast.stmt | ast.ExceptHandler) and not isinstance(part, ast.FunctionDef | ast.ClassDef):
            found += imports_of(part)
    return found


def compiled(body: list[ast.stmt], file: str, flags: int) -> CodeType:
    """The code of some statements of a module."""
    with ONE_AT_A_TIME:
        made: CodeType = compile(ast.Module(body, []), file, "exec", flags & FUTURE, dont_inherit=True)
        return made


def by_place(code: CodeType) -> dict[Place, CodeType]:
    """The codes in a code, by their places."""
    return {place_of(inner): inner for inner in nested(code)}


def place_of(code: CodeType) -> Place:
    """What tells a code from others of its file: of two lambdas on a line, where their bodies begin."""
    first = (0, 0)
    if code.co_name == "<lambda>":
        first = min(((line, column) for line, _, column, _ in code.co_positions() if line and column), default=first)
    return code.co_qualname, code.co_firstlineno, first


def nested(code: CodeType) -> Iterator[CodeType]:
    """The codes in a code, itself aside."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested(constant)


def is_same(code: CodeType, other: CodeType) -> bool:
    """Whether two codes do the same: the file may have been changed since it was read."""
    if code.co_code != other.co_code or code.co_names != other.co_names or len(code.co_consts) != len(other.co_consts):
        return False
    return all(
        is_same(one, two) if isinstance(one, CodeType) and isinstance(two, CodeType) else repr(one) == repr(two)
        for one, two in zip(code.co_consts, other.co_consts, strict=True)
    )


def with_probes(code: CodeType, told: Callable[[str, tuple[Site, ...]], object]) -> CodeType | None:
    """A code with probes in it; None where its source is not to be had.

    Parameters
    ----------
    code : CodeType
    told : callable
        The object whose methods the probes are, for a file and the sites of its probes.
    """
    file, statements = code.co_filename, statements_of(code.co_filename)
    position = statements.position(code.co_firstlineno)
    if position is None:
        return None
    try:
        found = probed(file, statements.text, position, code.co_flags)
    except (SyntaxError, RecursionError):  # too deep for Python, with a probe at each step of it
        return None
    place = place_of(code)
    plain, made = found.plain.get(place), found.codes.get(place)
    rewritten = any(name.startswith(REWRITTEN) for name in (*code.co_names, *code.co_varnames))
    if plain is None or made is None or not (rewritten or is_same(plain, code)) or made.co_freevars != code.co_freevars:
        return None
    return filled(made, told(file, found.sites))


def filled(code: CodeType, methods: object) -> CodeType:
    """A code with probes in the place of their marks."""
    constants = tuple(
        filled(c, methods) if isinstance(c, CodeType)
        else getattr(methods, c.removeprefix(MARK)) if isinstance(c, str) and c.startswith(MARK) else c
        for c in code.co_consts
    )  # fmt: skip
    return code.replace(co_consts=constants)
