"""Layers of the catalogue with one literal of their vjp changed."""

import inspect
import re

import layers_code
import numpy as np
from layers_cases import tree_of


def literals(function):
    """Each subscripts string of a function, and where its line and column are in the file."""
    lines, start = inspect.getsourcelines(inspect.unwrap(function))
    shift = len(lines[0]) - len(lines[0].lstrip())
    for call in layers_code.einsum_calls(tree_of(function)):
        node = call.args[0]
        yield node.value, start + node.lineno - 1, node.col_offset + shift


def swapped(subscripts):
    """The same with two letters of one operand, or of the output, exchanged."""
    *terms, output = re.split(",|->", subscripts)
    for n, term in enumerate([*terms, output]):
        for at in range(len(term) - 1):
            if "." not in term and term[at] != term[at + 1]:
                changed = [*terms, output]
                changed[n] = term[:at] + term[at + 1] + term[at] + term[at + 2 :]
                yield ",".join(changed[:-1]) + "->" + changed[-1]


def mutants(layer):
    """The layer's vjp with one literal of it changed, for each literal and each change."""
    module = inspect.getmodule(layer.vjp)
    text = inspect.getsource(module).splitlines(keepends=True)
    for subscripts, line, column in literals(layer.vjp):
        for changed in swapped(subscripts):
            lines = list(text)
            row = lines[line - 1].encode()  # columns count bytes
            assert row[column + 1 :].startswith(subscripts.encode())
            lines[line - 1] = (row[: column + 1] + changed.encode() + row[column + 1 + len(subscripts) :]).decode()
            namespace = {"__name__": module.__name__}
            exec(compile("".join(lines), "mutant", "exec"), namespace)
            yield subscripts, changed, namespace[layer.vjp.__name__]


def is_harmless(subscripts, changed):
    """Whether both say the same for all arrays, where an operand of one letter is `ones`."""
    rng = np.random.default_rng(0)
    terms = subscripts.split("->")[0].split(",")
    operands = [np.ones([3] * len(t)) if len(t) < 2 else rng.integers(1, 99, [3] * len(t)) for t in terms]
    return np.array_equal(np.einsum(subscripts, *operands), np.einsum(changed, *operands))
