"""The calls that a minimizer makes: of what it is given, at the start that it is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from einbackprop.core.source import callee, substituted

MINIMIZER = re.compile(r"minimi[sz]e|^fmin|check_grad|sgd|descen[dt]|^optimi[sz]e|bfgs|newton|conjugate|^n?cg$|^scg$|"
                       r"steepest|levenberg", re.IGNORECASE)  # fmt: skip
"""What is called that calls a function which it is given."""


def calls_handed_on(call: ast.Call, is_own: bool = False) -> Iterator[ast.Call]:
    """The calls that a minimizer makes of the functions that it is given, at the start that it is given:
    ``minimize(cost, theta, args=(X, y), jac=True)`` calls ``cost(theta, X, y)``, and ``descend(cost, slope, theta)``
    both at theta. Whatever it is called, a function of the script (``is_own``) may be one that is given a lambda.
    """
    is_given = is_own and any(isinstance(one, ast.Lambda) for one in call.args[:1])
    if not (is_given or MINIMIZER.search(callee(call))):
        return
    given = {item.arg: item.value for item in call.keywords}
    start = given.get("x0", call.args[1] if len(call.args) > 1 else None)
    shown = next((one for one in call.args[2:4] if isinstance(one, ast.Tuple)), ast.Tuple([], ast.Load()))
    more = given.get("args", shown)
    rest = more.elts if isinstance(more, ast.Tuple | ast.List) else [more]
    handed = [*call.args[:1], *call.args[2:3], *(given[name] for name in ("fun", "func", "f", "fprime", "jac")
                                                 if name in given)]  # fmt: skip
    if start is None:
        return
    own = "x0" not in given and not callee(call).startswith("fmin")
    if own and len(call.args) > 2 and all(isinstance(one, ast.Name | ast.Attribute) for one in call.args[:3]):
        yield from (ast.Call(function, [call.args[2], *rest], []) for function in call.args[:2])
    for function in handed:
        if isinstance(function, ast.Lambda) and isinstance(function.body, ast.Call) and callee(function.body):
            names = [item.arg for item in function.args.args]
            yield substituted(function.body, dict(zip(names, [start], strict=False)))
        elif isinstance(function, ast.Name | ast.Attribute):
            yield ast.Call(function, [start, *rest], [])
