"""How to write it: the user's own line with the one thing changed, in the user's own NumPy.

A line is only proposed if running it gives what it should: the line as it stands is run on the values of a draw first,
to see that they are the values it reads.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..core.program import Equation, Source, operands
from ..core.syntax import parse_python
from ..world import Raised, attempt
from ..world.calls import MARK
from .edits import Edit
from .frames import frames_at, outcomes, spellings
from .rewriting import grown, is_negative, rewritten, scaled_parts, times, with_nodes
from .sampling import CLOSE, Array, Values
from .scoping import reads_known_names
from .search import Search
from .spelling import spelled as spelled_on
from .wording import Words


def advise(edit: Edit, search: Search, words: Words) -> str | None:
    """The line to write instead; None where there is none that is sure to be right.

    Parameters
    ----------
    edit : Edit
    search : Search
        Of the step that the edit makes right.
    words : Words
    """
    own = search.judging.own_sample
    statement = statement_of(edit.edited.source)
    if statement is None or own is None:
        return None
    if edit.kind == "gather":
        return added_to(statement)
    line = words.line_of(edit.edited)
    end = words.end_of(line)
    names = namespace(line, search.base[own], search, words)
    yours = search.base[own].get(end)
    wanted = wanted_value(edit, search, own, end)
    if yours is None or wanted is None:
        return None
    if not same(run(statement.value, names), yours):
        return advise_in_frames(statement, edit, search, words, yours, wanted)
    for changed in rewritten(statement, edit, words):
        if not reads_known_names(changed, edit.edited.source):
            continue
        value = changed.value
        assert isinstance(value, ast.expr)
        result = run(value, names)
        if same(result, wanted):
            return ast.unparse(changed)
    return advise_in_frames(statement, edit, search, words, yours, wanted)


def advise_in_frames(
    statement: Any, edit: Edit, search: Search, words: Words, yours: Array, wanted: Array
) -> str | None:
    """The line to write instead, tried among the variables that the user's own code has there."""
    judging, source, own = search.judging, edit.edited.source, search.judging.own_sample
    assert own is not None
    assert source is not None
    new = search.base[own].get(edit.new)
    for names in frames_at(judging.run, judging.given(judging.samples[own], judging.arrays), source.file, source.line):
        reached = [n for n, result in enumerate(outcomes(statement, names)) if same(result, yours)]
        if reached:
            called = list(spellings(names, new)) if new is not None else []
            others = respelled(statement, edit, called)
            for changed in chain(sized(statement, edit, names), rewritten(statement, edit, words), others):
                results = outcomes(changed, names)
                if len(results) > reached[0] and same(results[reached[0]], wanted):
                    return ast.unparse(changed)
            return None
    return None


def sized(statement: Any, edit: Edit, names: dict[str, Any]) -> Iterator[Any]:
    """The statement divided by, or times, a variable that holds the number: ``/ m`` for ``/ 8``."""
    number = edit.factor.value({}) if edit.kind == "scale" and not edit.factor.sizes else 0
    if not isinstance(number, complex) and number > 0 and number not in (1, 2, Fraction(1, 2)):
        wanted, operator = (float(number), ast.Mult()) if number > 1 else (1 / float(number), ast.Div())
        for name in [n for n, held in names.items() if type(held) is int and abs(held - wanted) < 1e-9]:
            for change in scaled_parts(statement.value, operator, ast.Name(name, ast.Load())):
                other = copy.deepcopy(statement)
                other.value = change
                yield other


def respelled(statement: Any, edit: Edit, called: list[ast.expr]) -> Iterator[Any]:
    """The statement with a value put into it that the line has by one of some spellings."""
    value = statement.value
    for new in called:
        match edit.kind:
            case "replace":
                nodes = list(ast.walk(value))
                places = [n for n, x in enumerate(nodes) if isinstance(x, ast.Name | ast.Attribute | ast.Subscript)]
                changes = [with_nodes(value, {n: new}) for n in places]
            case "insert":
                changes = [grown(value, ast.Mult(), new)]
            case "term":
                sign = ast.Sub() if is_negative(edit.factor) else ast.Add()
                changes = [grown(value, sign, times(edit.factor, new))]
            case _:
                changes = []
        for change in changes:
            other = copy.deepcopy(statement)
            other.value = change
            yield other


def statement_of(source: Source | None) -> Any:
    """The statement of a line, if it computes something; None else."""
    try:
        body = parse_python(source.code if source else "").body
    except SyntaxError:
        return None
    statement = body[0] if body else None
    computes = isinstance(statement, ast.Assign | ast.AugAssign | ast.Return) and statement.value is not None
    return statement if computes else None


def added_to(statement: ast.stmt) -> str | None:
    """``dW += …`` for ``dW = …``."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, ast.Name | ast.Subscript | ast.Attribute):
        return None
    return ast.unparse(ast.AugAssign(target, ast.Add(), statement.value))


def names_of(line: list[Equation]) -> set[str]:
    """The values that a line reads."""
    return {ref.name for equation in line for ref in operands(equation)}


def namespace(line: list[Equation], values: Values, search: Search, words: Words) -> dict[str, Any]:
    """What the names of a line stand for in the sample of the user's sizes; those of other values at hand for what is
    put there instead."""
    sizes = search.judging.program.sizes
    names: dict[str, Any] = {"np": np, "numpy": np}
    for name in (*search.pool, *names_of(line)):  # those that the line reads come last and stay
        if name in values:
            names[words.name(name)] = values[name]
            names[words.on_line(name, line[0])] = values[name]
    called = {name: words.name(name) for name in names_of(line)}
    for name, text in spelled_on(line, called, search.judging.made).items():
        if name in values and text.isidentifier():
            names[text] = values[name]
        elif name in values and text.startswith("self.") and text.count(".") == 1:
            setattr(names.setdefault("self", SimpleNamespace()), text.removeprefix("self."), values[name])
    for dimension in search.judging.program.dimensions:
        if dimension.name and dimension.name not in names:
            names[dimension.name] = sizes[dimension.letters[0]]
    return names


def wanted_value(edit: Edit, search: Search, n: int, end: str) -> Array | None:
    """What the line should give in a sample."""
    if end == search.name:
        return search.goal[n]
    return search.values_with(edit.by_name, n).get(end)


def run(expression: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression of the user's; None where it cannot be run on its own."""
    code = compile(ast.fix_missing_locations(ast.Expression(copy.deepcopy(expression))), "<line>", "eval")
    try:
        return attempt(eval, code, {"__builtins__": {MARK: True}}, dict(names))
    except Raised:  # names that are not values, shapes that the trace has not kept
        return None


def same(result: Any, array: Array) -> bool:
    """Whether a result is an array's values, but for axes of size 1."""
    if result is None or isinstance(result, tuple | list) or np.size(result) != array.size:
        return False
    if np.asarray(result).dtype.kind not in "biuf":
        return False
    plain = np.reshape(np.asarray(result, dtype=np.float64), array.shape)
    return bool(np.abs(plain - array).max(initial=0) <= 10 * CLOSE * np.abs(array).max(initial=0))
