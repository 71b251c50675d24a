"""Embeddings: a vector for each token of a vocabulary.

    v  tokens of the vocabulary    b  sequences                  n  second letter for v
    e  features of a vector        t  positions in a sequence    m  second letter for e

    [e=m] is 1 where e is m, else 0. ⇒ is the chain rule: times the cotangent of what is
    differentiated, summed over its letters. A second letter then takes the first one's name.
"""

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.layers.checks import require_range
from einbackprop.layers.layer import Array, Layer

EMBEDDING = """
x[b,t,e] = Σ_v [v=token[b,t]] E[v,e]        gather: the bracket leaves one v, the token's row of E

∂x[b,t,e]/∂E[n,m] = [n=token[b,t]] [e=m]      ⇒  dE[v,e] = Σ_bt [v=token[b,t]] dx[b,t,e]

    Scatter-add: each position adds its cotangent to the row of its token.
"""


@declare_shapes("E[v,e], token[b,t]")
def embedding(E: Array, token: Array) -> Array:
    """Return `x[b,t,e]`, the vector of each token.

    Raises
    ------
    RangeError
        If a token is none of the vocabulary: below 0, or not below the size of v.
    """
    require_range("embedding", "token", token, "v", E.shape[0])
    return E[token]


@declare_shapes("dx[b,t,e], E[v,e], token[b,t]")
def embedding_vjp(dx: Array, E: Array, token: Array) -> Array:
    """Return `dE[v,e]`. Raises as `embedding` does."""
    require_range("embedding_vjp", "token", token, "v", E.shape[0])
    dE = np.zeros(E.shape, dx.dtype)
    np.add.at(dE, token, dx)
    return dE


LAYERS = (
    Layer("embedding", "a vector for each token",
          "each position adds its cotangent to the row of its token",
          embedding, embedding_vjp, EMBEDDING, outputs=("x",), wrt=("E",)),
)  # fmt: skip
