"""The linear layer, on samples in columns.

    i  units of the output      n  second letter for i
    j  units of the input       m  second letter for j
    b  samples of the batch     d  second letter for b

    [i=n] is 1 where i is n, else 0. ⇒ is the chain rule: times the cotangent of what is
    differentiated, summed over its letters. A second letter then takes the first one's name.
"""

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.execution import einsum
from einbackprop.layers.layer import Array, Layer

LINEAR = """
z[i,b] = Σ_j W[i,j] x[j,b] + c[i] ones[b]

∂z[i,b]/∂W[n,m] = [i=n] x[m,b]       ⇒  dW[i,j] = Σ_b dz[i,b] x[j,b]         dz·xᵀ
∂z[i,b]/∂x[m,d] = W[i,m] [b=d]       ⇒  dx[j,b] = Σ_i W[i,j] dz[i,b]         Wᵀ·dz
∂z[i,b]/∂c[n]   = [i=n] ones[b]      ⇒  dc[i]   = Σ_b dz[i,b] ones[b]
"""


@declare_shapes("W[i,j], x[j,b], c[i]")
def linear(W: Array, x: Array, c: Array) -> Array:
    """Return `z[i,b]`, the inputs weighted and the bias added to every sample."""
    ones = np.ones(x.shape[1], x.dtype)
    z: Array = einsum("ij,jb->ib", W, x) + einsum("i,b->ib", c, ones)
    return z


@declare_shapes("dz[i,b], W[i,j], x[j,b], c[i]")
def linear_vjp(dz: Array, W: Array, x: Array, c: Array) -> tuple[Array, Array, Array]:
    """Return `dW[i,j], dx[j,b], dc[i]`."""
    ones = np.ones(x.shape[1], x.dtype)
    dW = einsum("ib,jb->ij", dz, x)
    dx = einsum("ij,ib->jb", W, dz)
    dc = einsum("ib,b->i", dz, ones)
    return dW, dx, dc


LAYERS = (
    Layer("linear", "weighted sums of the inputs and a bias, W·x + c",
          "W: the cotangent times the input, summed over the samples; x: back along the same weights",
          linear, linear_vjp, LINEAR, outputs=("z",), wrt=("W", "x", "c")),
)  # fmt: skip
