"""Losses: one number L, a mean over the samples of a batch of B.

    k  classes, or units of the output    n  second letter for k
    b  samples of the batch               d  second letter for b

    [k=n] is 1 where k is n, else 0. ⇒ is the chain rule: times the cotangent of what is
    differentiated, summed over its letters. A second letter then takes the first one's name.

dL is the cotangent of the loss itself: 1, unless the loss is a term of something larger.
"""

from typing import Any

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.execution import einsum
from einbackprop.layers.checks import require_range
from einbackprop.layers.layer import Array, Layer
from einbackprop.layers.pointwise import sigmoid, softplus
from einbackprop.layers.softmax import log_softmax, softmax

HALF_SQUARED_ERROR = """
error[k,b] = y[k,b] - target[k,b]
L = 1/B Σ_kb 1/2 error[k,b] error[k,b]

∂L/∂error[n,d]  = 1/B 1/2 2 error[n,d]        the 2 of the square cancels the 1/2
∂L/∂y[n,d]      = 1/B error[n,d]         ⇒  dy[k,b] = dL/B error[k,b]
∂L/∂target[n,d] = -1/B error[n,d]        ⇒  dtarget[k,b] = -dL/B error[k,b]
"""


@declare_shapes("y[k,b], target[k,b]")
def half_squared_error(y: Array, target: Array) -> Any:
    """Return `L`, the mean over the samples of half the squared error of each."""
    B = y.shape[1]
    error = y - target
    L = einsum(",,kb,kb->", 1 / B, 0.5, error, error)
    return L


@declare_shapes("dL[], y[k,b], target[k,b]")
def half_squared_error_vjp(dL: Any, y: Array, target: Array) -> tuple[Array, Array]:
    """Return `dy[k,b], dtarget[k,b]`."""
    B = y.shape[1]
    error = y - target
    dy = einsum(",,kb->kb", dL, 1 / B, error)
    dtarget = einsum(",,kb->kb", dL, -1 / B, error)
    return dy, dtarget


CROSS_ENTROPY = """
p[k,b]    = exp(z[k,b]) / (Σ_n exp(z[n,b]))                  softmax
q[k,b]    = log(p[k,b])                                      log softmax
picked[b] = Σ_k [k=label[b]] q[k,b]
L         = -1/B Σ_b picked[b]

∂q[k,b]/∂z[n,d] = ([k=n] - p[n,b]) [b=d]                     see log softmax
∂L/∂z[n,d]      = -1/B Σ_k [k=label[d]] ([k=n] - p[n,d])     Σ_k [k=label[d]] = 1
                = 1/B (p[n,d] - [n=label[d]])
error[k,b] = p[k,b] - [k=label[b]]
⇒  dz[k,b] = dL/B error[k,b]
"""


@declare_shapes("z[k,b], label[b]")
def cross_entropy(z: Array, label: Array) -> Any:
    """Return `L`, the mean of -log p at each sample's label, p the softmax of the logits z.

    Raises
    ------
    RangeError
        If a label is no class: below 0, or not below the size of k.
    """
    K, B = z.shape
    require_range("cross_entropy", "label", label, "k", K)
    q = log_softmax(z)
    picked = q[label, np.arange(B)]
    L = einsum(",b->", -1 / B, picked)
    return L


@declare_shapes("dL[], z[k,b], label[b]")
def cross_entropy_vjp(dL: Any, z: Array, label: Array) -> Array:
    """Return `dz[k,b]`: the probabilities, less 1 at the label. Raises as `cross_entropy` does."""
    K, B = z.shape
    require_range("cross_entropy_vjp", "label", label, "k", K)
    error = softmax(z)
    error[label, np.arange(B)] -= 1
    dz: Array = einsum(",,kb->kb", dL, 1 / B, error)
    return dz


SOFT_CROSS_ENTROPY = """
p[k,b] = exp(z[k,b]) / (Σ_n exp(z[n,b]))                     softmax
q[k,b] = log(p[k,b])                                         log softmax
L      = -1/B Σ_kb target[k,b] q[k,b]

∂q[k,b]/∂z[n,d] = ([k=n] - p[n,b]) [b=d]                     see log softmax
∂L/∂z[n,d]      = -1/B Σ_k target[k,d] ([k=n] - p[n,d])
                = 1/B (p[n,d] (Σ_k target[k,d]) - target[n,d])
mass[b] = Σ_k target[k,b]                                    1, if the targets are distributions
⇒  dz[k,b] = dL/B p[k,b] mass[b] - dL/B target[k,b]
∂L/∂target[n,d] = -1/B q[n,d]     ⇒  dtarget[k,b] = -dL/B q[k,b]
"""


@declare_shapes("z[k,b], target[k,b]")
def soft_cross_entropy(z: Array, target: Array) -> Any:
    """Return `L`, the mean over the samples of the cross-entropy between targets and the softmax of the logits z."""
    B = z.shape[1]
    q = log_softmax(z)
    L = einsum(",kb,kb->", -1 / B, target, q)
    return L


@declare_shapes("dL[], z[k,b], target[k,b]")
def soft_cross_entropy_vjp(dL: Any, z: Array, target: Array) -> tuple[Array, Array]:
    """Return `dz[k,b], dtarget[k,b]`."""
    B = z.shape[1]
    p, q = softmax(z), log_softmax(z)
    mass = einsum("kb->b", target)
    dz = einsum(",,kb,b->kb", dL, 1 / B, p, mass) - einsum(",,kb->kb", dL, 1 / B, target)
    dtarget = einsum(",,kb->kb", dL, -1 / B, q)
    return dz, dtarget


BINARY_CROSS_ENTROPY = """
s[k,b] = softplus(z[k,b])
L      = 1/B Σ_kb s[k,b] - 1/B Σ_kb target[k,b] z[k,b]

    -log p = softplus(z) - z and -log(1 - p) = softplus(z) for p = sigmoid(z), so that L is
    the sum of -target log p - (1 - target) log(1 - p)

∂s[k,b]/∂z[n,d] = sigmoid(z[k,b]) [k=n] [b=d]
p[k,b] = sigmoid(z[k,b])
∂L/∂z[n,d]      = 1/B (p[n,d] - target[n,d])     ⇒  dz[k,b] = dL/B (p[k,b] - target[k,b])
∂L/∂target[n,d] = -1/B z[n,d]                    ⇒  dtarget[k,b] = -dL/B z[k,b]
"""


@declare_shapes("z[k,b], target[k,b]")
def binary_cross_entropy(z: Array, target: Array) -> Any:
    """Return `L`, the mean over the samples of the sum over k of each yes-or-no cross-entropy with logits z."""
    B = z.shape[1]
    s = softplus(z)
    L = einsum(",kb->", 1 / B, s) - einsum(",kb,kb->", 1 / B, target, z)
    return L


@declare_shapes("dL[], z[k,b], target[k,b]")
def binary_cross_entropy_vjp(dL: Any, z: Array, target: Array) -> tuple[Array, Array]:
    """Return `dz[k,b], dtarget[k,b]`."""
    B = z.shape[1]
    p = sigmoid(z)
    dz = einsum(",,kb->kb", dL, 1 / B, p - target)
    dtarget = einsum(",,kb->kb", dL, -1 / B, z)
    return dz, dtarget


LAYERS = (
    Layer("half squared error", "half the squared distance to a target",
          "the error, over the batch size",
          half_squared_error, half_squared_error_vjp, HALF_SQUARED_ERROR, outputs=("L",), wrt=("y", "target")),
    Layer("cross-entropy", "-log of the probability of the label, with logits",
          "the probabilities, less 1 at the label, over the batch size",
          cross_entropy, cross_entropy_vjp, CROSS_ENTROPY, outputs=("L",), wrt=("z",)),
    Layer("soft cross-entropy", "cross-entropy with logits on distributions",
          "the probabilities less the targets, over the batch size, if targets sum to 1",
          soft_cross_entropy, soft_cross_entropy_vjp, SOFT_CROSS_ENTROPY, outputs=("L",), wrt=("z", "target")),
    Layer("binary cross-entropy", "cross-entropy of independent yes-or-no answers, with logits",
          "the probabilities less the targets, over the batch size",
          binary_cross_entropy, binary_cross_entropy_vjp, BINARY_CROSS_ENTROPY, outputs=("L",), wrt=("z", "target")),
)  # fmt: skip
