"""Which names a piece of code can look up, and whether it can look up any other by computing its name."""

from __future__ import annotations

import functools
from types import CodeType

DYNAMIC = frozenset({"globals", "vars", "eval", "exec", "locals", "__dict__", "__globals__"})
"""Names by which code gets at a namespace as a whole."""


@functools.lru_cache(maxsize=8192)
def mentioned(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes in some code, and in the code inside it; words in strings count too.

    ``getattr(module, "x")`` mentions x.
    """
    found: set[str] = set()
    pending = [code]
    while pending:
        inner = pending.pop()
        found.update(inner.co_names)
        for constant in inner.co_consts:
            if isinstance(constant, CodeType):
                pending.append(constant)
            elif isinstance(constant, str) and constant.isidentifier():
                found.add(constant)
    return frozenset(found)
