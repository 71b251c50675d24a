"""Kernels: the NumPy expression that a contraction of one or two operands becomes.

An expression is Python text, made for given sizes and dtype, in which views bring the operands
into place for one call:

============== ======================================================= ======================
word           when                                                    call
============== ======================================================= ======================
GEMM           letters summed, letters left on both sides              ``a.dot(b)``
GEMV           letters left on one side only                           ``a.dot(b)``
dot            all letters summed                                      ``a.dot(b)``
batched        as GEMM, with letters shared by both and the output     ``matmul(a, b)``
outer          nothing summed, nothing shared, output in order         ``a.dot(b)``
elementwise    nothing summed otherwise                                ``multiply(a, b)``
dot with ones  letters of one operand summed, at one end of its term   ``a.dot(ones)``
sum            letters of one operand summed otherwise                 ``add.reduce(a, axes)``
copy, view     nothing to compute
============== ======================================================= ======================

``a.dot(b)`` is the cheapest way into BLAS: a third of ``np.matmul`` on small matrices. A transpose
is never computed: it is a view, and BLAS takes either order. What a kernel makes is always an
array of its own (but for a view), or a NumPy scalar where the output has no letters. It is
C-contiguous wherever that costs no further pass over the data. Terms have no ellipsis here, and
all operands have one dtype.
"""

from collections.abc import Iterable, Sequence
from dataclasses import field
from math import prod
from typing import Any

import numpy as np

from ..core.records import dataclass

# The dtypes that BLAS knows.
_BLAS = "fdFD"

# Sums up to this length keep their ones, and are one dot: beyond, adding one by one would lose float32 digits.
_ONES = 4096


@dataclass(frozen=True)
class Array:
    """An array in an expression: the text that makes it, and its term.

    ``spare`` says that the text is the name of an intermediate result that nothing else needs.
    """

    text: str
    term: str
    spare: bool = False


@dataclass(frozen=True)
class Kernel:
    """The word for what a contraction became, and the array that it makes."""

    word: str
    result: Array


@dataclass(frozen=True)
class Case:
    """What kernels are made for: the size of each letter and the one dtype.

    ``names`` has what the texts refer to; kernels add their constants to it.
    """

    sizes: dict[str, int]
    dtype: np.dtype[Any]
    names: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        names = {
            "add": np.add,
            "asarray": np.asarray,
            "dtype": self.dtype,
            "float32": np.float32,
            "matmul": np.matmul,
            "matmul_into": matmul_into,
            "multiply": np.multiply,
            "np_ones": np.ones,
            "sum_long": sum_long,
        }
        object.__setattr__(self, "names", names)

    def shape(self, letters: Iterable[str]) -> tuple[int, ...]:
        """The size of each letter."""
        return tuple(self.sizes[x] for x in letters)

    def count(self, letters: Iterable[str]) -> int:
        """The product of the sizes of letters."""
        return prod(self.shape(letters))

    def ones(self, length: int) -> str:
        """The text of a vector of ones; a short one is made once."""
        if length > _ONES:
            return f"np_ones({length}, dtype)"
        name = f"ones_{length}"
        if name not in self.names:
            self.names[name] = np.ones(length, self.dtype)
        return name


def matmul_into(a: Any, b: Any, shape: tuple[int, ...], axes: tuple[int, ...], matrices: tuple[int, ...]) -> Any:
    """``np.matmul`` into a new C-contiguous array of ``shape``.

    Transposed by ``axes`` and reshaped to ``matrices``, both without a copy, it is where the
    matrices of the product belong.
    """
    out = np.empty(shape, np.result_type(a, b))
    np.matmul(a, b, out.transpose(axes).reshape(matrices))
    return out


def sum_long(matrix: Any) -> Any:
    """The sums of the rows of a matrix: dots with ones over blocks of columns, and the sum of these."""
    ones = np.ones(_ONES, matrix.dtype)
    blocks = [matrix[:, start : start + _ONES] for start in range(0, matrix.shape[1], _ONES)]
    return np.add.reduce([block.dot(ones[: block.shape[1]]) for block in blocks], dtype=matrix.dtype)


def letters_needed(letters: str, terms: Iterable[str]) -> str:
    """Those letters, once each, that stand in one of the terms."""
    needed = "".join(terms)
    return "".join(x for x in dict.fromkeys(letters) if x in needed)


def arrange(case: Case, array: Array, groups: Sequence[str]) -> str:
    """The text of an array with an axis for each group of letters; an empty one has size 1.

    It is a view unless letters that do not lie beside each other in memory must share an axis.
    """
    order = "".join(groups)
    text = array.text
    if order == array.term[::-1] and order != array.term:
        text += ".T"
    elif order != array.term:
        text += f".transpose{tuple(array.term.index(x) for x in order)}"
    if any(len(group) != 1 for group in groups):
        text += f".reshape({', '.join(str(case.count(group)) for group in groups)})"
    return text


def contract_one(case: Case, array: Array, output: str, *, copy: bool = True) -> Kernel:
    """The kernel of ``'term->output'``: a diagonal, a sum, a transpose.

    With ``copy=False`` the result may be a view of the operand.
    """
    array = _diagonal(array)
    summed = "".join(x for x in array.term if x not in output)
    if summed:
        word, total = _sum(case, array, summed)
        return Kernel(word, Array(arrange(case, total, list(output)), output))
    text = arrange(case, array, list(output))
    if not copy:
        return Kernel("view", Array(text, output))
    # x[()] of an array without axes is a scalar.
    return Kernel("copy", Array(text + (".copy()" if output else "[()]"), output))


def _diagonal(array: Array) -> Array:
    """The view in which each letter of the term stands once."""
    text, term = array.text, array.term
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            text += f".diagonal(0, {first}, {second})"
            # NumPy puts the diagonal last.
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    return Array(text, term)


def _sum(case: Case, array: Array, summed: str) -> tuple[str, Array]:
    """The word and the result of a sum over letters of one array.

    A dot with ones is up to three times faster than ``add.reduce``, and along a first axis, where
    ``add.reduce`` adds one by one, more accurate too. A long array is summed along its last axis
    first; what has one axis is left to ``add.reduce``, which adds pairwise.
    """
    kept = "".join(x for x in array.term if x not in summed)
    length = case.count(summed)
    if not kept and length > _ONES and len(summed) > 1 and case.dtype.char in _BLAS:
        _, rows = _sum(case, array, summed[-1])
        return _sum(case, rows, summed[:-1])
    at_an_end = array.term in (kept + summed, summed + kept)
    if not at_an_end or (not kept and length > _ONES):
        axes = tuple(array.term.index(x) for x in summed)
        if case.dtype.char == "e":  # added up in float32, as einsum does
            return "sum", Array(f"add.reduce({array.text}, {axes}, float32).astype(dtype)", kept)
        return "sum", Array(f"add.reduce({array.text}, {axes}, dtype)", kept)
    matrix = arrange(case, array, [group for group in (kept, summed) if group])
    in_rows = array.term == kept + summed  # BLAS adds these in several lanes
    long = length > _ONES and not in_rows
    text = f"sum_long({matrix})" if long else f"{matrix}.dot({case.ones(length)})"
    if len(kept) > 1:
        text += f".reshape{case.shape(kept)}"
    return "dot with ones", Array(text, kept)


def contract_pair(case: Case, left: Array, right: Array, output: str) -> Kernel:
    """The kernel of ``'left,right->output'``.

    Examples
    --------
    >>> case = Case({"i": 2, "j": 3, "b": 5}, np.dtype(float))
    >>> contract_pair(case, Array("W", "ij"), Array("d", "ib"), "jb")
    Kernel(word='GEMM', result=Array(text='W.T.dot(d)', term='jb', spare=False))
    """
    left, right = _alone(case, left, right, output), _alone(case, right, left, output)
    batch = "".join(x for x in output if x in left.term and x in right.term)
    rows = "".join(x for x in output if x not in right.term)
    columns = "".join(x for x in output if x not in left.term)
    summed = "".join(x for x in left.term if x not in output)
    matrix = not batch and output in (rows + columns, columns + rows)
    if not summed and not (matrix and rows and columns and case.dtype.char in _BLAS):
        return _elementwise(case, left, right, output)
    if batch and not rows and not columns:
        product = _elementwise(case, left, right, left.term).result
        total = contract_one(case, Array(product.text, left.term), output)
        return Kernel(f"elementwise, {total.word}", total.result)
    if not batch and not matrix:
        # Such as 'ij,bjk->bik': a loop over b needs no copy, where one GEMM would need two.
        batch = _loop_letters(rows, output) or _loop_letters(columns, output)
    if not batch:
        return _matrix_product(case, left, right, summed, output)
    rows, columns = ("".join(x for x in group if x not in batch) for group in (rows, columns))
    if not columns or output[-1] in rows:
        left, right, rows, columns = right, left, columns, rows
    return _batched(case, left, right, (batch, rows, columns, summed), output)


def _alone(case: Case, array: Array, other: Array, output: str) -> Array:
    """An operand after its diagonals, and its sums over letters that nothing else has."""
    term = letters_needed(array.term, (other.term, output))
    return array if term == array.term else contract_one(case, array, term, copy=False).result


def _loop_letters(group: str, output: str) -> str:
    """The letters before ``group`` in an output that has others on both sides of it, or ``''``."""
    before, _, after = output.partition(group)
    return before if after else ""


def _elementwise(case: Case, left: Array, right: Array, output: str) -> Kernel:
    """The product that broadcasts each operand to the output."""
    texts = []
    for array in (left, right):
        groups = [x if x in array.term else "" for x in output]
        while groups and not groups[0]:
            del groups[0]  # leading axes broadcast by themselves
        texts.append(arrange(case, array, groups))
    # A result that nothing else needs, and that has the output's axes, takes the product.
    texts += [x.text for x in (left, right) if x.spare and output and x.term == output][:1]
    if case.dtype.char == "O":
        # Without it NumPy would take two Python integers, which scalar results are, for int64.
        texts.append("dtype=dtype")
    return Kernel("elementwise", Array(f"multiply({', '.join(texts)})", output))


def _matrix_product(case: Case, left: Array, right: Array, summed: str, output: str) -> Kernel:
    """One product of two matrices or vectors."""
    rows = "".join(x for x in output if x in left.term)
    columns = "".join(x for x in output if x in right.term)
    if output != rows + columns and output == columns + rows:
        left, right, rows, columns = right, left, columns, rows
    if summed:
        word = "GEMM" if rows and columns else "GEMV" if rows or columns else "dot"
        # The order of the summed letters is free: take the one that copies less.
        orders = ["".join(x for x in array.term if x in summed) for array in (left, right)]
        summed = min(
            orders,
            key=lambda order: _copied(case, left, rows, order) + _copied(case, right, columns, order),
        )
        # A matrix has two axes, a vector one.
        left_groups = [group for group in (rows, summed) if group]
        right_groups = [group for group in (summed, columns) if group]
    else:
        word, left_groups, right_groups = "outer", [rows, ""], ["", columns]
    text = f"{arrange(case, left, left_groups)}.dot({arrange(case, right, right_groups)})"
    made = rows + columns
    if len(rows) > 1 or len(columns) > 1:
        text += f".reshape{case.shape(made)}"
    return Kernel(word, Array(arrange(case, Array(text, made), list(output)), output))


def _copied(case: Case, array: Array, kept: str, summed: str) -> int:
    """How many elements are copied to make a matrix of a C-ordered array."""
    return 0 if array.term in (kept + summed, summed + kept) else case.count(array.term)


def _batched(case: Case, left: Array, right: Array, letters: tuple[str, str, str, str], output: str) -> Kernel:
    """``matmul`` over the letters of the batch; those that an operand lacks broadcast."""
    batch, rows, columns, summed = letters
    loops = [[x if x in array.term else "" for x in batch] for array in (left, right)]
    a = arrange(case, left, [*loops[0], rows, summed])
    b = arrange(case, right, [*loops[1], summed, columns])
    made = batch + rows + columns
    if made != output and output[-1] in columns and rows in output and columns in output:
        # Each matrix of the output has its rows in memory as BLAS needs them.
        axes = tuple(output.index(x) for x in made)
        matrices = (*case.shape(batch), case.count(rows), case.count(columns))
        text = f"matmul_into({a}, {b}, {case.shape(output)}, {axes}, {matrices})"
        return Kernel("batched", Array(text, output))
    text = f"matmul({a}, {b})"
    if len(rows) != 1 or len(columns) != 1:
        text += f".reshape{case.shape(made)}"
    return Kernel("batched", Array(arrange(case, Array(text, made), list(output)), output))
