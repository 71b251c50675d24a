"""Convolutions: the same weights at every place of a line or an image.

    p, q  row and column of an input pixel     b     samples
    y, x  row and column of an output pixel    g     groups, each with channels of its own
    r, t  row and column in the kernel         i, o  input and output channels of a group
    n     second letter for p                  m     second letter for q

    s, d, a are numbers: the stride, the dilation, the padding. ⇒ is the chain rule: times the
    cotangent of what is differentiated, summed over its letters. Then n and m are called p and q.

Along each axis they meet in one bracket, [p = s·y + d·r - a]: it is 1 where the output pixel y sees the input pixel p
through the place r of the kernel, else 0. `windows` runs it as a strided view of the input, and `scatter` as sums into
it. (True convolution would flip the kernel. As everybody's, this is a correlation.)

Groups are a letter, not an argument: a plain convolution has one group, one with a kernel for each channel has as many
groups as channels, of one input and one output channel each.
"""

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.execution import einsum
from einbackprop.layers.layer import Array, Layer
from einbackprop.layers.windows import scatter, windows

CONVOLUTION_1D = """
w[b,g,i,y,r] = Σ_p [p = s·y + d·r - a] X[b,g,i,p]                       windows: a view of X
Z[b,g,o,y]   = Σ_ir K[g,o,i,r] w[b,g,i,y,r] + bias[g,o] ones[b] ones[y]

    Z is a sum of products. The cotangent of a factor is dZ times the other factors, summed over the
    letters that it lacks:
dbias[g,o]    = Σ_by dZ[b,g,o,y] ones[b] ones[y]                        bias serves all b and y
dK[g,o,i,r]   = Σ_by dZ[b,g,o,y] w[b,g,i,y,r]                           and so does the kernel
dw[b,g,i,y,r] = Σ_o K[g,o,i,r] dZ[b,g,o,y]                              a window serves all o

    An entry of w is one pixel, or 0 in the padding. A pixel is in several windows, which add up:
∂w[b,g,i,y,r]/∂X[b,g,i,n] = [n = s·y + d·r - a]
⇒  dX[b,g,i,p] = Σ_yr [p = s·y + d·r - a] dw[b,g,i,y,r]                 scatter: the same bracket
"""


@declare_shapes("X[b,g,i,p], K[g,o,i,r], bias[g,o]")
def convolution_1d(
    X: Array, K: Array, bias: Array, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Array:
    """Return `Z[b,g,o,y]`. Raises ShapeError if the kernel is longer than the padded input."""
    w = windows(X, K.shape[3:], stride, padding, dilation)
    ones_b, ones_y = np.ones(w.shape[0], X.dtype), np.ones(w.shape[3], X.dtype)
    Z: Array = einsum("goir,bgiyr->bgoy", K, w) + einsum("go,b,y->bgoy", bias, ones_b, ones_y)
    return Z


@declare_shapes("dZ[b,g,o,y], X[b,g,i,p], K[g,o,i,r], bias[g,o]")
def convolution_1d_vjp(
    dZ: Array, X: Array, K: Array, bias: Array,
    *, stride: int = 1, padding: int = 0, dilation: int = 1,
) -> tuple[Array, Array, Array]:
    """Return `dX[b,g,i,p], dK[g,o,i,r], dbias[g,o]`."""
    w = windows(X, K.shape[3:], stride, padding, dilation)
    ones_b, ones_y = np.ones(w.shape[0], X.dtype), np.ones(w.shape[3], X.dtype)
    dbias = einsum("bgoy,b,y->go", dZ, ones_b, ones_y)
    dK = einsum("bgoy,bgiyr->goir", dZ, w)
    dw = einsum("goir,bgoy->bgiyr", K, dZ)
    dX = scatter(dw, X.shape[3:], stride, padding, dilation)
    return dX, dK, dbias


CONVOLUTION_2D = """
    windows, a view of X, by a bracket for each axis:
w[b,g,i,y,x,r,t] = Σ_pq [p = s·y + d·r - a] [q = s·x + d·t - a] X[b,g,i,p,q]
Z[b,g,o,y,x]     = Σ_irt K[g,o,i,r,t] w[b,g,i,y,x,r,t] + bias[g,o] ones[b] ones[y] ones[x]

    Z is a sum of products. The cotangent of a factor is dZ times the other factors, summed over the
    letters that it lacks:
dbias[g,o]        = Σ_byx dZ[b,g,o,y,x] ones[b] ones[y] ones[x]         bias serves all b, y and x
dK[g,o,i,r,t]     = Σ_byx dZ[b,g,o,y,x] w[b,g,i,y,x,r,t]                and so does the kernel
dw[b,g,i,y,x,r,t] = Σ_o K[g,o,i,r,t] dZ[b,g,o,y,x]                      a window serves all o

    An entry of w is one pixel, or 0 in the padding. A pixel is in several windows, which add up:
∂w[b,g,i,y,x,r,t]/∂X[b,g,i,n,m] = [n = s·y + d·r - a] [m = s·x + d·t - a]
⇒  dX[b,g,i,p,q] = Σ_yxrt [p = s·y + d·r - a] [q = s·x + d·t - a] dw[b,g,i,y,x,r,t]      scatter
"""


@declare_shapes("X[b,g,i,p,q], K[g,o,i,r,t], bias[g,o]")
def convolution_2d(
    X: Array, K: Array, bias: Array, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Array:
    """Return `Z[b,g,o,y,x]`. Raises ShapeError if the kernel is larger than the padded input."""
    w = windows(X, K.shape[3:], stride, padding, dilation)
    ones_b = np.ones(w.shape[0], X.dtype)
    ones_y, ones_x = np.ones(w.shape[3], X.dtype), np.ones(w.shape[4], X.dtype)
    Z: Array = (
        einsum("goirt,bgiyxrt->bgoyx", K, w)
        + einsum("go,b,y,x->bgoyx", bias, ones_b, ones_y, ones_x)
    )
    return Z


@declare_shapes("dZ[b,g,o,y,x], X[b,g,i,p,q], K[g,o,i,r,t], bias[g,o]")
def convolution_2d_vjp(
    dZ: Array, X: Array, K: Array, bias: Array,
    *, stride: int = 1, padding: int = 0, dilation: int = 1,
) -> tuple[Array, Array, Array]:
    """Return `dX[b,g,i,p,q], dK[g,o,i,r,t], dbias[g,o]`."""
    w = windows(X, K.shape[3:], stride, padding, dilation)
    ones_b = np.ones(w.shape[0], X.dtype)
    ones_y, ones_x = np.ones(w.shape[3], X.dtype), np.ones(w.shape[4], X.dtype)
    dbias = einsum("bgoyx,b,y,x->go", dZ, ones_b, ones_y, ones_x)
    dK = einsum("bgoyx,bgiyxrt->goirt", dZ, w)
    dw = einsum("goirt,bgoyx->bgiyxrt", K, dZ)
    dX = scatter(dw, X.shape[3:], stride, padding, dilation)
    return dX, dK, dbias


LAYERS = (
    Layer("convolution 1d", "the same weights at every place of a line",
          "the kernel adds up over every place where it was used; a pixel, over every window that saw it",
          convolution_1d, convolution_1d_vjp, CONVOLUTION_1D, outputs=("Z",), wrt=("X", "K", "bias")),
    Layer("convolution 2d", "the same weights at every place of an image",
          "the kernel adds up over every place where it was used; a pixel, over every window that saw it",
          convolution_2d, convolution_2d_vjp, CONVOLUTION_2D, outputs=("Z",), wrt=("X", "K", "bias")),
)  # fmt: skip
