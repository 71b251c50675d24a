"""The transformer block: attention, then a feed-forward network at each position, each added to what it was given.

    b  sequences                  h  heads
    t  positions of a sequence    d  features of a head
    s  positions looked at        f  hidden units of the feed-forward network
    e  features of the model
    m  second letter for e        n  second letter for f

    [e=m] is 1 where e is m, else 0. ⇒ is the chain rule: times the cotangent of what is
    differentiated, summed over its letters. A second letter then takes the first one's name.

A residual `y = x + branch(x)` uses x twice, so its cotangents add up: `dx = dy + what comes back through the branch`.
"""

from collections.abc import Sequence

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.execution import einsum
from einbackprop.layers.attention import multi_head_attention, multi_head_attention_vjp
from einbackprop.layers.layer import Array, Layer
from einbackprop.layers.normalization import layer_norm, layer_norm_vjp
from einbackprop.layers.pointwise import gelu, gelu_vjp

FEED_FORWARD = """
a[b,t,f] = Σ_e W1[f,e] x[b,t,e] + c1[f] ones[b] ones[t]
g[b,t,f] = gelu(a[b,t,f])
y[b,t,e] = Σ_f W2[e,f] g[b,t,f] + c2[e] ones[b] ones[t]

∂y[b,t,e]/∂W2[m,n]   = [e=m] g[b,t,n]           ⇒  dW2[e,f]  = Σ_bt dy[b,t,e] g[b,t,f]
∂y[b,t,e]/∂c2[m]     = [e=m] ones[b] ones[t]    ⇒  dc2[e]    = Σ_bt dy[b,t,e] ones[b] ones[t]
∂y[b,t,e]/∂g[b,t,n]  = W2[e,n]                  ⇒  dg[b,t,f] = Σ_e W2[e,f] dy[b,t,e]
da[b,t,f] : see gelu
∂a[b,t,f]/∂W1[n,m]   = [f=n] x[b,t,m]           ⇒  dW1[f,e]  = Σ_bt da[b,t,f] x[b,t,e]
∂a[b,t,f]/∂c1[n]     = [f=n] ones[b] ones[t]    ⇒  dc1[f]    = Σ_bt da[b,t,f] ones[b] ones[t]
∂a[b,t,f]/∂x[b,t,m]  = W1[f,m]                  ⇒  dx[b,t,e] = Σ_f W1[f,e] da[b,t,f]
"""


@declare_shapes("x[b,t,e], W1[f,e], c1[f], W2[e,f], c2[e]")
def feed_forward(x: Array, W1: Array, c1: Array, W2: Array, c2: Array) -> Array:
    """Return `y[b,t,e]`: a network of one hidden layer, the same at each position."""
    ones_b, ones_t = np.ones(x.shape[0], x.dtype), np.ones(x.shape[1], x.dtype)
    a = einsum("fe,bte->btf", W1, x) + einsum("f,b,t->btf", c1, ones_b, ones_t)
    g = gelu(a)
    y: Array = einsum("ef,btf->bte", W2, g) + einsum("e,b,t->bte", c2, ones_b, ones_t)
    return y


@declare_shapes("dy[b,t,e], x[b,t,e], W1[f,e], c1[f], W2[e,f], c2[e]")
def feed_forward_vjp(
    dy: Array, x: Array, W1: Array, c1: Array, W2: Array, c2: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Return `dx[b,t,e], dW1[f,e], dc1[f], dW2[e,f], dc2[e]`."""
    ones_b, ones_t = np.ones(x.shape[0], x.dtype), np.ones(x.shape[1], x.dtype)
    a = einsum("fe,bte->btf", W1, x) + einsum("f,b,t->btf", c1, ones_b, ones_t)
    g = gelu(a)

    dW2 = einsum("bte,btf->ef", dy, g)
    dc2 = einsum("bte,b,t->e", dy, ones_b, ones_t)
    dg = einsum("ef,bte->btf", W2, dy)
    da = gelu_vjp(dg, a)
    dW1 = einsum("btf,bte->fe", da, x)
    dc1 = einsum("btf,b,t->f", da, ones_b, ones_t)
    dx = einsum("fe,btf->bte", W1, da)
    return dx, dW1, dc1, dW2, dc2


TRANSFORMER_BLOCK = """
x1[b,t,e] = layer_norm(x, gamma1, beta1)
y[b,t,e]  = x[b,t,e] + multi_head_attention(x1, Wq, Wk, Wv, Wo, mask)
y1[b,t,e] = layer_norm(y, gamma2, beta2)
z[b,t,e]  = y[b,t,e] + feed_forward(y1, W1, c1, W2, c2)

    y reaches z as it is and through a branch, and x reaches y in the same two ways. What comes back
    through a branch is made by the vjps of its two layers, the last one first:
dy[b,t,e] = dz[b,t,e] + dy_branch[b,t,e]      layer_norm_vjp of feed_forward_vjp of dz
dx[b,t,e] = dy[b,t,e] + dx_branch[b,t,e]      layer_norm_vjp of multi_head_attention_vjp of dy
"""


@declare_shapes(
    "x[b,t,e], (gamma1[e], beta1[e], Wq[h,d,e], Wk[h,d,e], Wv[h,d,e], Wo[e,h,d], "
    "gamma2[e], beta2[e], W1[f,e], c1[f], W2[e,f], c2[e]), mask[t,s]"
)
def transformer_block(x: Array, parameters: Sequence[Array], mask: Array) -> Array:
    """Return `z[b,t,e]`, by two residuals, each of a branch that normalizes first. Raises as `attention` does."""
    gamma1, beta1, Wq, Wk, Wv, Wo, gamma2, beta2, W1, c1, W2, c2 = parameters
    y = x + multi_head_attention(layer_norm(x, gamma1, beta1), Wq, Wk, Wv, Wo, mask)
    z: Array = y + feed_forward(layer_norm(y, gamma2, beta2), W1, c1, W2, c2)
    return z


@declare_shapes(
    "dz[b,t,e], x[b,t,e], (gamma1[e], beta1[e], Wq[h,d,e], Wk[h,d,e], Wv[h,d,e], Wo[e,h,d], "
    "gamma2[e], beta2[e], W1[f,e], c1[f], W2[e,f], c2[e]), mask[t,s]"
)
def transformer_block_vjp(
    dz: Array, x: Array, parameters: Sequence[Array], mask: Array
) -> tuple[Array, list[Array]]:
    """Return `dx[b,t,e]` and the list of the parameters' cotangents. Raises as `attention` does."""
    gamma1, beta1, Wq, Wk, Wv, Wo, gamma2, beta2, W1, c1, W2, c2 = parameters
    x1 = layer_norm(x, gamma1, beta1)
    y = x + multi_head_attention(x1, Wq, Wk, Wv, Wo, mask)
    y1 = layer_norm(y, gamma2, beta2)

    dy1, dW1, dc1, dW2, dc2 = feed_forward_vjp(dz, y1, W1, c1, W2, c2)
    dy_branch, dgamma2, dbeta2 = layer_norm_vjp(dy1, y, gamma2, beta2)
    dy = dz + dy_branch

    dx1, dWq, dWk, dWv, dWo = multi_head_attention_vjp(dy, x1, Wq, Wk, Wv, Wo, mask)
    dx_branch, dgamma1, dbeta1 = layer_norm_vjp(dx1, x, gamma1, beta1)
    dx = dy + dx_branch
    return dx, [dgamma1, dbeta1, dWq, dWk, dWv, dWo, dgamma2, dbeta2, dW1, dc1, dW2, dc2]


LAYERS = (
    Layer("feed-forward", "a network of one hidden layer, the same at each position",
          "through the two linear maps and gelu, last one first",
          feed_forward, feed_forward_vjp, FEED_FORWARD, outputs=("y",), wrt=("x", "W1", "c1", "W2", "c2")),
    Layer("transformer block", "attention and a feed-forward network, each added to what it was given",
          "past each branch as it is, and through the branch: the two add up",
          transformer_block, transformer_block_vjp, TRANSFORMER_BLOCK, outputs=("z",), wrt=("x", "parameters")),
)  # fmt: skip
