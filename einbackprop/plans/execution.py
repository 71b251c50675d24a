"""Execution: `einsum`, strict about sizes, planned once for each case.

A contraction of many operands is split into steps of two in the order that opt_einsum finds, and each step becomes a
kernel (``kernels``). The plan is Python source, which can be read.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import opt_einsum
from numpy.typing import ArrayLike

from einbackprop.core.records import dataclass
from einbackprop.core.subscripts import (
    Shape,
    Subscripts,
    expand_ellipsis,
    letter_sizes,
    parse,
    require_operand_count,
)
from einbackprop.errors import DtypeError, SubscriptsError
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


# How many plans are kept, the least recently used going first.
PLANS_KEPT = 2048

_PYTHON_SCALARS = (int, float, complex)


def einsum(subscripts: str, *operands: ArrayLike) -> Any:
    """Sum of products in index notation: one letter, one size.

    ``einsum("ij,jb->ib", W, x)`` is Σ_j W_ij x_jb. It is planned once for each combination of
    subscripts, shapes and dtypes; the plan runs on BLAS.

    Parameters
    ----------
    subscripts : str
        One term of letters an operand, then ``->``, then the letters of the output, which must be
        written. ``'...'`` stands for any further axes, which broadcast as NumPy's do, and must
        stand in the output too. A letter that an operand repeats takes its diagonal; a letter
        that is not in the output is summed.
    *operands : array_like
        Arrays, nested lists, scalars. None is written to.

    Returns
    -------
    numpy.ndarray or scalar
        A new array, never a view of an operand, or a NumPy scalar where the output has no letters
        (for objects, the object). All is computed in ``np.result_type`` of the operands, in the
        machine's byte order: integers wrap around, Python scalars are weak (0.5 times float32 is
        float32), and for bool a product is ``and`` and a sum is ``or``. A matrix product is
        C-contiguous wherever that costs no further pass; rely on no memory order.

    Raises
    ------
    SubscriptsError
        If the string is malformed, with a caret under the offending character.
    ShapeError
        If a letter has two sizes (a size of 1 does not stretch), if an operand has another number
        of axes than its term, or if there are more or fewer operands than terms.
    DtypeError
        If an operand does not hold numbers, bools or objects.
    OverflowError
        If a Python integer does not fit the dtype, as NumPy does.

    Notes
    -----
    An operand of another type that takes part in NumPy's protocol (``__array_function__``), such
    as a tracer or a subclass of ndarray, gets the call as ``np.einsum``, once the subscripts and
    any shapes that can be seen are checked.

    Examples
    --------
    >>> W = np.arange(6).reshape(2, 3)
    >>> einsum("ij,j->i", W, [1, 0, 1])
    array([2, 8])
    >>> einsum("ij,ib->jb", W, np.ones((1, 4)))
    Traceback (most recent call last):
    einbackprop.errors.ShapeError: einsum('ij,ib->jb'): the letter i has two sizes, 2 and 1:
        operand 0 'ij' has shape (2, 3), so i = 2
        operand 1 'ib' has shape (1, 4), so i = 1
    One letter has one size: a size of 1 does not stretch. To broadcast, leave the letter out of
    that term.
    """
    # The usual case comes first and stays short: it should cost no more than np.matmul does.
    if len(operands) == 2:
        a, b = operands
        if type(a) is np.ndarray and type(b) is np.ndarray and type(subscripts) is str:
            return _plan(subscripts, a.shape, a.dtype, b.shape, b.dtype)(a, b)
    return _einsum_of_any(subscripts, operands)


def _einsum_of_any(subscripts: str, operands: tuple[Any, ...]) -> Any:
    """`einsum` for any number and types of operands."""
    if not isinstance(subscripts, str):
        raise SubscriptsError(f"the first argument of einsum is a string such as 'ij,ib->jb', not {subscripts!r}")
    arrays = []
    signature: list[Any] = []
    for operand in operands:
        kind = type(operand)
        if kind in _PYTHON_SCALARS:
            signature += (None, kind)
        else:
            if kind is not np.ndarray:
                if hasattr(kind, "__array_function__"):
                    return _einsum_by_protocol(subscripts, operands)
                operand = np.asarray(operand)
            signature += (operand.shape, operand.dtype)
        arrays.append(operand)
    return _plan(subscripts, *signature)(*arrays)


def _einsum_by_protocol(subscripts: str, operands: tuple[Any, ...]) -> Any:
    """Check what can be checked, then let NumPy hand the call to the operands' own type."""
    parsed = parse(subscripts)
    require_operand_count(parsed, len(operands))
    shapes = [operand.shape if hasattr(operand, "shape") else np.shape(operand) for operand in operands]
    if all(isinstance(shape, tuple) for shape in shapes):
        letter_sizes(*expand_ellipsis(parsed, shapes))
    if len(operands) < 3:
        return np.einsum(str(parsed), *operands)
    # In pairs, however large: in one loop over all letters a large network would take years.
    return np.einsum(str(parsed), *operands, optimize=("greedy", 2**60))


@lru_cache(maxsize=PLANS_KEPT)
def _plan(subscripts: str, *signature: Any) -> Callable[..., Any]:
    """The function that contracts operands of these shapes and dtypes.

    The signature is a shape and a dtype an operand, flat; None and the type for a Python scalar.
    """
    parsed = parse(subscripts)
    seen_shapes: list[Shape | None] = list(signature[::2])
    kinds = list(signature[1::2])
    require_operand_count(parsed, len(kinds))
    dtype = _result_dtype(subscripts, kinds)
    shapes = [shape or () for shape in seen_shapes]
    expanded, plain_shapes = expand_ellipsis(parsed, shapes)
    entries = [
        _entry(f"x{n}", kind, dtype) + (f".reshape({plain})" if plain != shape else "")
        for n, (kind, shape, plain) in enumerate(zip(kinds, shapes, plain_shapes, strict=True))
    ]
    return lower(expanded, plain_shapes, dtype, entries).run


def _result_dtype(subscripts: str, kinds: Sequence[Any]) -> np.dtype[Any]:
    """The common dtype, in which Python's own int, float and complex are weak."""
    for number, kind in enumerate(kinds):
        if isinstance(kind, np.dtype) and kind.kind not in "biufcO":
            raise DtypeError(
                f"einsum({subscripts!r}): operand {number} has dtype {kind}, "
                "but a sum of products needs numbers, bools or objects"
            )
    return np.result_type(*(kind if isinstance(kind, np.dtype) else kind(0) for kind in kinds))


def _entry(name: str, kind: Any, dtype: np.dtype[Any]) -> str:
    """The text that brings an operand to the common dtype."""
    if not isinstance(kind, np.dtype):
        return f"asarray({name}, dtype)"
    return name if kind == dtype else f"{name}.astype(dtype)"
