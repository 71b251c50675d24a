"""Helpers: functions that source defines above its own, and which contractions one of them takes."""

from ..core.subscripts import Subscripts

HELPERS = {
    "einsum": '''
def einsum(subscripts, a, b):
    """np.einsum of two arrays as a product of matrices: np.einsum alone does not call BLAS."""
    left, right, out = subscripts.replace("->", ",").split(",")
    batch = [i for i in out if i in left and i in right]
    rows = [i for i in out if i not in right]
    columns = [i for i in out if i not in left]
    summed = [i for i in left if i in right and i not in out]
    a = np.transpose(a, [left.index(i) for i in batch + rows + summed])
    b = np.transpose(b, [right.index(i) for i in batch + summed + columns])
    matrices = a.ndim == b.ndim == len(batch) + 2
    product = np.matmul(a, b) if matrices else np.tensordot(a, b, len(summed))
    made = batch + rows + columns
    return np.transpose(product, [made.index(i) for i in out])
''',
    "erf": '''
def erf(x):
    """The error function, a number at a time; scipy.special.erf is faster."""
    from math import erf as of_number

    return np.vectorize(of_number, otypes=[float])(x).astype(x.dtype)
''',
    "sigmoid": '''
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, -x)))
''',
    "softplus": '''
def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(np.minimum(x, -x)))
''',
}


def multiplies_matrices(subscripts: Subscripts) -> bool:
    """Whether two arrays are summed over letters of both, and each has letters of the result that the other lacks.

    >>> from ..core.subscripts import parse
    >>> [multiplies_matrices(parse(text)) for text in ("ij,jb->ib", "bij,bj->bi", "ij,ij->ij", "i,j->ij")]
    [True, False, False, False]
    """
    if len(subscripts.inputs) != 2:
        return False
    left, right, out = map(set, (*subscripts.inputs, subscripts.output))
    return bool((left & right) - out and (left - right) & out and (right - left) & out)


def is_elementwise(subscripts: Subscripts) -> bool:
    """Whether operands are multiplied entry by entry: one of them, or the result, has all letters.

    >>> from ..core.subscripts import parse
    >>> [is_elementwise(parse(text)) for text in ("ij,ij->ij", "ij,j->i", "i,j->ij", "ij,jb->ib", "ii,i->i", "ij->ji")]
    [True, True, True, False, False, False]
    """
    terms = (*subscripts.inputs, subscripts.output)
    if len(subscripts.inputs) < 2 or any(len(set(term)) < len(term) for term in terms):
        return False
    return any(set(term) == set("".join(terms)) for term in terms)


def is_one_product(subscripts: Subscripts) -> bool:
    """Whether the helper takes a product of matrices: one product, or one for each index of letters that all have.

    >>> from ..core.subscripts import parse
    >>> [is_one_product(parse(text)) for text in ("qij,jb->qib", "hij,hjb->hib", "hqij,hjb->hqib", "iij,jb->ib")]
    [True, True, False, False]
    """
    left, right, out = map(set, (*subscripts.inputs, subscripts.output))
    if (left ^ right) - out or any(len(set(term)) < len(term) for term in subscripts.inputs):
        return False
    return not left & right & out or len(left - right) == len(right - left) == len((left & right) - out) == 1
