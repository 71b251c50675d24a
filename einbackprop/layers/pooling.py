"""Pooling: an image made smaller, each window of pixels by one number.

    p, q  row and column of an input pixel     b  samples
    y, x  row and column of an output pixel    g  groups
    r, t  row and column in a window           i  channels of a group
    n     second letter for p, r               m  second letter for q, t

    ⇒ is the chain rule: times the cotangent of what is differentiated, summed over its letters. A
    second letter then takes the first one's name.

[p = s·y + r] is 1 where the pixel p stands at the place r of the window y, else 0; as in `convolution`, it runs as a
strided view. The stride s is the window's size unless it is given: then windows do not overlap. Pixels that fill no
window at the end are not looked at.
"""

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.execution import einsum
from einbackprop.layers.layer import Array, Layer
from einbackprop.layers.windows import scatter, windows

AVERAGE_POOLING = """
w[b,g,i,y,x,r,t] = Σ_pq [p = s·y + r] [q = s·x + t] X[b,g,i,p,q]        windows: a view of X
Z[b,g,i,y,x]     = 1/R 1/T Σ_rt w[b,g,i,y,x,r,t]

∂Z[b,g,i,y,x]/∂w[b,g,i,y,x,n,m] = 1/R 1/T ones[n] ones[m]               the same for each place
⇒  dw[b,g,i,y,x,r,t] = 1/R 1/T dZ[b,g,i,y,x] ones[r] ones[t]
∂w[b,g,i,y,x,r,t]/∂X[b,g,i,n,m] = [n = s·y + r] [m = s·x + t]
⇒  dX[b,g,i,p,q] = Σ_yxrt [p = s·y + r] [q = s·x + t] dw[b,g,i,y,x,r,t]      scatter
"""


@declare_shapes("X[b,g,i,p,q]")
def average_pooling(X: Array, *, size: int, stride: int | None = None) -> Array:
    """Return `Z[b,g,i,y,x]`, the mean of each window. Raises ShapeError if not one window fits."""
    w = windows(X, (size, size), stride or size)
    R, T = w.shape[5:]
    Z: Array = einsum(",,bgiyxrt->bgiyx", 1 / R, 1 / T, w)
    return Z


@declare_shapes("dZ[b,g,i,y,x], X[b,g,i,p,q]")
def average_pooling_vjp(dZ: Array, X: Array, *, size: int, stride: int | None = None) -> Array:
    """Return `dX[b,g,i,p,q]`."""
    R = T = size
    ones_r, ones_t = np.ones(R, X.dtype), np.ones(T, X.dtype)
    dw = einsum(",,bgiyx,r,t->bgiyxrt", 1 / R, 1 / T, dZ, ones_r, ones_t)
    return scatter(dw, X.shape[3:], stride or size)


MAX_POOLING = """
w[b,g,i,y,x,r,t] = Σ_pq [p = s·y + r] [q = s·x + t] X[b,g,i,p,q]        windows: a view of X
Z[b,g,i,y,x]     = max_rt w[b,g,i,y,x,r,t]

    hit[b,g,i,y,x,r,t] is 1 at the place where the maximum is (the first of equals), else 0:
hit[b,g,i,y,x,r,t] = first_rt w[b,g,i,y,x,r,t]
∂Z[b,g,i,y,x]/∂w[b,g,i,y,x,n,m] = hit[b,g,i,y,x,n,m]
⇒  dw[b,g,i,y,x,r,t] = hit[b,g,i,y,x,r,t] dZ[b,g,i,y,x]
∂w[b,g,i,y,x,r,t]/∂X[b,g,i,n,m] = [n = s·y + r] [m = s·x + t]
⇒  dX[b,g,i,p,q] = Σ_yxrt [p = s·y + r] [q = s·x + t] dw[b,g,i,y,x,r,t]      scatter
"""


@declare_shapes("X[b,g,i,p,q]")
def max_pooling(X: Array, *, size: int, stride: int | None = None) -> Array:
    """Return `Z[b,g,i,y,x]`, the largest of each window. Raises ShapeError if not one window fits."""
    w = windows(X, (size, size), stride or size)
    Z: Array = np.max(w, axis=(5, 6))
    return Z


@declare_shapes("dZ[b,g,i,y,x], X[b,g,i,p,q]")
def max_pooling_vjp(dZ: Array, X: Array, *, size: int, stride: int | None = None) -> Array:
    """Return `dX[b,g,i,p,q]`: each cotangent goes where its maximum came from."""
    w = windows(X, (size, size), stride or size)
    place = np.argmax(w.reshape(*w.shape[:5], size * size), axis=5)
    hit = np.equal.outer(place, np.arange(size * size)).reshape(w.shape)
    dw = einsum("bgiyxrt,bgiyx->bgiyxrt", hit, dZ)
    return scatter(dw, X.shape[3:], stride or size)


LAYERS = (
    Layer("average pooling", "each window of pixels by its mean",
          "shared equally by the pixels of a window",
          average_pooling, average_pooling_vjp, AVERAGE_POOLING, outputs=("Z",), wrt=("X",)),
    Layer("max pooling", "each window of pixels by its largest",
          "all of it to the pixel that was the largest of its window",
          max_pooling, max_pooling_vjp, MAX_POOLING, outputs=("Z",), wrt=("X",)),
)  # fmt: skip
