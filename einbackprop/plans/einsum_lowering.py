"""Lowering: contractions become plans, straight lines of NumPy for given sizes and dtype.

A contraction of many operands is split into steps of two in the order that opt_einsum finds, and
each step becomes a kernel (`einbackprop.kernels`). The plan is Python source, which can be read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import opt_einsum

from einbackprop.core.subscripts import Shape, Subscripts, letter_sizes
from einbackprop.plans.kernels import Array, Case, Kernel, contract_one, contract_pair, letters_needed

# opt_einsum's dynamic programming is exact, and below a millisecond up to here.
_EXACT_SEARCH = 8


@dataclass(frozen=True)
class Step:
    """One line of a plan: what it contracts, the word for how, and its text."""

    subscripts: Subscripts
    word: str
    text: str


@dataclass(frozen=True)
class Plan:
    """The steps that compute one contraction.

    Attributes
    ----------
    subscripts : Subscripts
    steps : tuple of Step
    source : str
        The steps as the Python function ``run``.
    run : callable
        Takes the operands, returns the result.
    """

    subscripts: Subscripts
    steps: tuple[Step, ...]
    source: str
    run: Callable[..., Any]

    def __str__(self) -> str:
        return self.source


def lower(
    subscripts: Subscripts,
    shapes: Sequence[Shape],
    dtype: np.dtype[Any],
    entries: Sequence[str] | None = None,
) -> Plan:
    """The plan of one contraction.

    Parameters
    ----------
    subscripts : Subscripts
        Without an ellipsis, and with each output letter in an input, once in the output.
    shapes : sequence of tuple of int
    dtype : numpy.dtype
        That of every operand and of the result.
    entries : sequence of str, optional
        The text of each operand as it enters, in terms of ``x0``, ``x1``, …, where it has to be
        brought to its shape and dtype first, as in ``'x0.astype(dtype)'``.

    Raises
    ------
    ShapeError
        If a letter has two sizes.

    Examples
    --------
    >>> from einbackprop.core.subscripts import parse
    >>> shapes = (2, 4), (2, 5), (4, 5), (4, 5)
    >>> print(lower(parse("lk,lb,kb,kb->kb"), shapes, np.dtype(float)))
    def run(x0, x1, x2, x3):
        x0 = x0.T.dot(x1); del x1  # lk,lb->kb  GEMM
        x2 = multiply(x2, x0, x0); del x0  # kb,kb->kb  elementwise
        x3 = multiply(x3, x2, x2); del x2  # kb,kb->kb  elementwise
        return x3
    """
    sizes = letter_sizes(subscripts, shapes)
    case = Case(sizes, dtype)
    names = [f"x{n}" for n in range(len(shapes))]
    arrays = [Array(text, term) for text, term in zip(entries or names, subscripts.inputs, strict=True)]
    steps, lines = [], []
    left = list(names)
    for positions in contraction_order(subscripts, sizes):
        taken = [arrays[n] for n in positions]
        gone = [left[n] for n in positions]
        arrays = [array for n, array in enumerate(arrays) if n not in positions]
        left = [name for n, name in enumerate(left) if n not in positions]
        needed = [array.term for array in arrays] + [subscripts.output]
        terms = tuple(array.term for array in taken)
        output = letters_needed("".join(terms), needed) if arrays else subscripts.output
        kernel = _kernel(case, taken, output)
        steps.append(Step(Subscripts(terms, output), kernel.word, kernel.result.text))
        # The result takes the name of the first operand, and memory is freed as soon as it can be.
        lines.append(f"{gone[0]} = {kernel.result.text}" + "".join(f"; del {x}" for x in gone[1:]))
        arrays.append(Array(gone[0], output, spare=True))
        left.append(gone[0])
    source = _source(names, steps, lines, left[0])
    return Plan(subscripts, tuple(steps), source, _compiled(source, case.names))


def _kernel(case: Case, operands: Sequence[Array], output: str) -> Kernel:
    if len(operands) == 1:
        return contract_one(case, operands[0], output)
    return contract_pair(case, operands[0], operands[1], output)


def _source(names: Sequence[str], steps: Sequence[Step], lines: Sequence[str], result: str) -> str:
    """The Python function of a plan."""
    if len(steps) == 1:
        body = [f"return {steps[0].text}  # {steps[0].subscripts}  {steps[0].word}"]
    else:
        body = [f"{line}  # {step.subscripts}  {step.word}" for line, step in zip(lines, steps, strict=True)]
        body.append(f"return {result}")
    return "\n    ".join([f"def run({', '.join(names)}):", *body])


def _compiled(source: str, names: dict[str, Any]) -> Callable[..., Any]:
    """The function that a plan's source defines.

    Nothing of the user's is in the source but index letters, in comments, and integers.
    """
    namespace = dict(names)
    exec(compile(source, "<einbackprop plan>", "exec"), namespace)
    run: Callable[..., Any] = namespace["run"]
    return run


def contraction_order(subscripts: Subscripts, sizes: dict[str, int]) -> list[tuple[int, ...]]:
    """The positions of the one or two operands of each step, in increasing order.

    A step takes those operands away and appends its result to those left.
    """
    count = len(subscripts.inputs)
    if count <= 2:
        return [tuple(range(count))]
    # A size of 0 makes every order free, and the search takes its logarithm.
    shapes = [tuple(max(sizes[x], 1) for x in term) for term in subscripts.inputs]
    path, _ = opt_einsum.contract_path(
        str(subscripts), *shapes, shapes=True, optimize="dp" if count <= _EXACT_SEARCH else "auto"
    )
    return [tuple(sorted(positions)) for positions in path]
