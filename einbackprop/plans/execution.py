"""Execution: `einsum`, strict about sizes, planned once for each case."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from einbackprop.core.subscripts import (
    Shape,
    expand_ellipsis,
    letter_sizes,
    parse,
    require_operand_count,
)
from einbackprop.errors import DtypeError, SubscriptsError
from einbackprop.plans.einsum_lowering import lower

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
