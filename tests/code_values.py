"""What a printed line of code is worth, pasted where the user's names are bound."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from formula_parser import continues

PYTHON = re.compile(r'"[^"]*"|[^\W\d]\w*|\d[\d.]*(?:e[-+]?\d+)?j?|.')
"""A piece of a line of Python: a string, a name, a number, a sign."""


def code_value(code: str, values: Mapping[str, Any]) -> Any:
    """What a line of code gives where the values have their names, any expressions of Python."""
    names = sorted(values, key=len, reverse=True)
    bound: dict[str, Any] = {"np": np, "einsum": np.einsum}
    at, text = 0, ""
    while at < len(code):
        fitting = (n for n in names if code.startswith(n, at) and not continues(code[at + len(n) : at + len(n) + 1]))
        name = next(fitting, "")
        word = PYTHON.match(code, at)
        assert word is not None
        follows = text[-1:].isidentifier() or text.endswith((".", ")", "]"))
        if name and not (follows and name.startswith("(")) and not text.endswith("."):
            key = f"_v{names.index(name)}"
            bound[key] = values[name]
            text, at = text + key, at + len(name)
        else:
            text, at = text + word[0], word.end()
    with np.errstate(all="ignore"):
        return eval(text, bound)
