"""Softmax and its logarithm, over classes, for each sample of a batch.

    k  classes                 n  second letter for k
    b  samples of the batch    d  second letter for b

    [k=n] is 1 where k is n, else 0. ⇒ is the chain rule: times the cotangent of what is
    differentiated, summed over its letters. A second letter then takes the first one's name.
"""

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.execution import einsum
from einbackprop.layers.layer import Array, Layer

SOFTMAX = """
top[b]   = max_k z[k,b]
e[k,b]   = exp(z[k,b] - top[b] ones[k])      top cancels in p: it only keeps e at 1 or below
total[b] = Σ_k e[k,b]
p[k,b]   = e[k,b] / total[b]

∂e[k,b]/∂z[n,d]   = e[k,b] [k=n] [b=d]
∂total[b]/∂z[n,d] = e[n,b] [b=d]
∂p[k,b]/∂z[n,d]   = (e[k,b] [k=n] / total[b] - e[k,b] e[n,b] / total[b]^2) [b=d]
                  = p[k,b] ([k=n] - p[n,b]) [b=d]

    Times dp[k,b] and summed over k: the bracket leaves p dp, and the other term p times inner.
inner[b] = Σ_k dp[k,b] p[k,b]
⇒  dz[k,b] = p[k,b] (dp[k,b] - inner[b] ones[k])
"""


@declare_shapes("z[k,b]")
def softmax(z: Array) -> Array:
    """Return `p[k,b]`, positive and of sum 1 over the classes."""
    ones = np.ones(z.shape[0], z.dtype)
    top = np.max(z, axis=0)
    e = np.exp(z - einsum("b,k->kb", top, ones))
    total = einsum("kb->b", e)
    p: Array = einsum("kb,b->kb", e, 1 / total)
    return p


@declare_shapes("dp[k,b], z[k,b], p[k,b]")
def softmax_vjp(dp: Array, z: Array, p: Array) -> Array:
    """Return `dz[k,b]`, in terms of the output."""
    ones = np.ones(z.shape[0], z.dtype)
    inner = einsum("kb,kb->b", dp, p)
    dz: Array = einsum("kb,kb->kb", p, dp - einsum("b,k->kb", inner, ones))
    return dz


LOG_SOFTMAX = """
top[b]   = max_k z[k,b]
u[k,b]   = z[k,b] - top[b] ones[k]           top cancels in q: it only keeps exp(u) at 1 or below
total[b] = Σ_k exp(u[k,b])
q[k,b]   = u[k,b] - log(total[b]) ones[k]
p[k,b]   = exp(q[k,b])                       the softmax

∂total[b]/∂z[n,d] = exp(u[n,b]) [b=d]
∂q[k,b]/∂z[n,d]   = ([k=n] - exp(u[n,b]) / total[b]) [b=d] = ([k=n] - p[n,b]) [b=d]
sum_dq[b] = Σ_k dq[k,b]
⇒  dz[k,b] = dq[k,b] - p[k,b] sum_dq[b]
"""


@declare_shapes("z[k,b]")
def log_softmax(z: Array) -> Array:
    """Return `q[k,b]`, the logarithm of the softmax, exact where the softmax itself would be 0."""
    ones = np.ones(z.shape[0], z.dtype)
    top = np.max(z, axis=0)
    u = z - einsum("b,k->kb", top, ones)
    total = einsum("kb->b", np.exp(u))
    q: Array = u - einsum("b,k->kb", np.log(total), ones)
    return q


@declare_shapes("dq[k,b], z[k,b], q[k,b]")
def log_softmax_vjp(dq: Array, z: Array, q: Array) -> Array:
    """Return `dz[k,b]`, in terms of the output."""
    p = np.exp(q)
    sum_dq = einsum("kb->b", dq)
    dz: Array = dq - einsum("kb,b->kb", p, sum_dq)
    return dz


LAYERS = (
    Layer("softmax", "scores to probabilities",
          "less its mean under p, then scaled by p: what one class gains the others lose",
          softmax, softmax_vjp, SOFTMAX, outputs=("p",), wrt=("z",)),
    Layer("log softmax", "scores to logarithms of probabilities",
          "less p times its sum over the classes: the same added to all scores changes nothing",
          log_softmax, log_softmax_vjp, LOG_SOFTMAX,
          outputs=("q",), wrt=("z",)),
)  # fmt: skip
