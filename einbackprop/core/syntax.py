"""Python source as a syntax tree."""

import ast
import threading
from typing import Literal, overload

ONE_AT_A_TIME = threading.RLock()


@overload
def parse_python(text: str) -> ast.Module: ...


@overload
def parse_python(text: str, mode: Literal["eval"]) -> ast.Expression: ...


@overload
def parse_python(text: str, mode: Literal["exec", "eval"]) -> ast.AST: ...


def parse_python(text: str, mode: Literal["exec", "eval"] = "exec") -> ast.AST:
    """The syntax tree of some source, as ``ast.parse`` gives it.

    CPython counts the depth of a tree for all threads together: two that parse at once may fail with a SystemError.

    Raises
    ------
    SyntaxError
    """
    with ONE_AT_A_TIME:
        return ast.parse(text, mode=mode)
