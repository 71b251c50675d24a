"""Functions whose authors say what axes are called, in the ways people do; and functions whose authors say nothing."""
# ruff: noqa: F722, F841, RUF059

import numpy as np
from numpy.typing import NDArray


class Float:
    """As jaxtyping's: an array and the words for its axes."""

    def __class_getitem__(cls, item):
        return item[0]


Array = NDArray[np.float64]


def einsum_wins(x: Float[Array, "batch dim"], w):
    n, d = x.shape
    return np.einsum("pq,qr->pr", x, w)


def annotated(x: Float[Array, "batch dim"], w: Float[Array, "dim hidden"]):
    y = np.tanh(x @ w)
    return y


def annotated_as_text(x: "Float[Array, 'b t c']", w: "Float[Array, 'c d']"):
    return x @ w


def annotated_from_the_right(x: Float[Array, "... seq dim"], w: Float[Array, "dim k"]):
    return x @ w


def annotated_local(X, W):
    z: Float[Array, "n k"] = X @ W
    return z


def comments_behind(X, W1, W2):
    A = X @ W1  # (N, H)
    S = A @ W2  # the scores, of shape (N, C)
    return S


def comment_of_a_product(X, W):
    y = np.dot(X, W)  # (N, D) @ (D, K) -> (N, K)
    return y


def comments_of_several(X, W):
    y, z = X @ W, X.T @ X  # (N, K), (D, D)
    return y, z


def comment_with_brackets(X, W):
    y = X @ W  # [B, T]
    return y


def comment_with_crosses(X, W):
    y = X @ W  # N x K
    return y


def comment_above(q, k):
    # q: (batch, heads, seq, dim), k: (batch, heads, seq, dim)
    return q @ k.transpose(0, 1, 3, 2)


def comments_of_parameters(
    x,  # (B, T, C)
    w,  # (C, 4*C)
):
    return x @ w


def comment_beside(Q, K):
    # Q (B, L, D), K has shape (B, L, D)
    return Q @ K.transpose(0, 2, 1)


def course_docstring(x, w, beta):
    """An affine layer.

    Inputs:
    - x: A numpy array containing input data, of shape (N, d_1, ..., d_k)
    - w: A numpy array of weights, of shape (D, M)
    - beta: A numpy array of biases, of shape (M,)
    """
    out = x.reshape(x.shape[0], -1) @ w + beta
    return out


def numpy_docstring(x, W):
    """A product.

    Parameters
    ----------
    x : ndarray, shape (n_samples, n_features)
    W : ndarray of shape (n_features, n_outputs)
    """
    return x @ W


def sizes_unpacked(X, W):
    N, D = X.shape
    C = W.shape[1]
    return X @ W / N


def sizes_in_words(X, W):
    num_train, dim = X.shape
    num_classes = W.shape[1]
    scores = X.dot(W)
    return scores / num_train


def sizes_in_columns(A, W, beta):
    n_out, n_in = W.shape
    m = A.shape[1]
    return W @ A + beta


def sizes_of_layers(X, W):
    D_in, D_out = W.shape
    return X @ W


def sizes_of_time(x, h0, Wx, Wh):
    batch_size, seq_len, input_size = x.shape
    hidden_size = h0.shape[1]
    h = h0
    for t in range(seq_len):
        h = np.tanh(x[:, t] @ Wx + h @ Wh)
    return h


def no_name_is_a_letter(X, W, n, k):
    N, K = X.shape
    return X @ W + n[:, None] + k


SAID = {
    "einsum_wins": ("p = 3", "q = 4", "r = 2"),
    "annotated": ("b = 3", "d = 4", "h = 2"),
    "annotated_as_text": ("b = 3", "t = 5", "c = 4", "d = 2"),
    "annotated_from_the_right": ("s = 5", "d = 4", "k = 2"),
    "annotated_local": ("n = 3", "k = 2"),
    "comments_behind": ("n = 3", "h = 2", "c = 6"),
    "comment_of_a_product": ("n = 3", "k = 2"),
    "comments_of_several": ("n = 3", "k = 2", "d, i = 4"),
    "comment_with_brackets": ("b = 3", "t = 2"),
    "comment_with_crosses": ("n = 3", "k = 2"),
    "comment_above": ("b = 3", "h = 7", "s = 5", "d = 4"),
    "comment_beside": ("b = 3", "l = 5", "d = 4"),
    "comments_of_parameters": ("b = 3", "t = 5", "c = 4"),
    "course_docstring": ("n = 3", "m = 2"),
    "numpy_docstring": ("b = 3", "f = 4", "o = 2"),
    "sizes_unpacked": ("n = 3 (N)", "d = 4 (D)", "c = 2 (C)"),
    "sizes_in_words": ("b = 3 (num_train)", "d = 4 (dim)", "c = 2 (num_classes)"),
    "sizes_in_columns": ("o = 2 (n_out)", "i = 4 (n_in)", "m = 3 (m)"),
    "sizes_of_layers": ("d = 4 (D_in)", "o = 2 (D_out)"),
    "sizes_of_time": ("b = 3 (batch_size)", "t = 5 (seq_len)", "i = 4 (input_size)", "(hidden_size)"),
    "no_name_is_a_letter": ("b = 3 (N)", "i = 4 (K)"),
}
"""What the table of letters says of each."""
