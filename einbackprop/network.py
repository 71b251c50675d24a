"""A network of two sigmoid layers and a linear one: every formula an einsum, forward and backward.

One letter ranges over one dimension, from the first line to the last:

    i  input units      k  units of hidden layer 2      b  samples of the batch, B of them
    j  units of hidden layer 1      l  output units

`z2[k,b]` is an array with one axis for k and one for b. The cotangent of an array, the gradient of
the loss L with respect to it, is named d + its name and has its letters: `dz2[k,b]` = ∂L/∂z2[k,b].
`ones[b]` is 1 for each sample: it copies a bias to all samples, and it sums over them.
n, m and d are second letters, for partial derivatives only; `backward` says what for.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from einbackprop.core.shapes import declare_shapes
from einbackprop.plans.execution import einsum

Array = NDArray[Any]


def initialize(
    input_dim: int,
    hidden1_dim: int,
    hidden2_dim: int,
    output_dim: int,
    batch_size: int,
    rng: np.random.Generator | None = None,
) -> tuple[list[Array], Array, Array]:
    """Draw parameters `[W1[j,i], b1[j], W2[k,j], b2[k], W3[l,k], b3[l]]`, `X[i,b]`, `targets[l,b]`.

    Weights are small and normal, biases zero, X uniform in [0, 1), targets normal. Without `rng`
    they come from NumPy's global state.
    """
    draw: Any = np.random if rng is None else rng
    i, j, k, l, b = input_dim, hidden1_dim, hidden2_dim, output_dim, batch_size

    W1, b1 = 0.01 * draw.standard_normal((j, i)), np.zeros(j)
    W2, b2 = 0.01 * draw.standard_normal((k, j)), np.zeros(k)
    W3, b3 = 0.01 * draw.standard_normal((l, k)), np.zeros(l)

    X, targets = draw.random((i, b)), draw.standard_normal((l, b))
    return [W1, b1, W2, b2, W3, b3], X, targets


def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + e⁻ˣ), for an x of any shape, real or complex.

    It is computed as e^min(x,0) / (1 + e^min(x,-x)), the same thing with numerator and denominator
    multiplied by e^min(x,0): no exponent is positive, so nothing overflows. Unlike |x|, min(x,-x) is
    analytic away from 0 (NumPy orders complex numbers by their real part first).
    """
    numerator = np.exp(np.minimum(x, 0))
    denominator = 1 + np.exp(np.minimum(x, -x))
    quotient: Array = numerator / denominator
    return quotient


@declare_shapes("predictions[l,b], targets[l,b]")
def squared_loss(predictions: Array, targets: Array) -> Any:
    """L = Σ_b 1/B · 1/2 Σ_l (predictions[l,b] - targets[l,b])², a mean over the samples."""
    B = targets.shape[-1]
    error = predictions - targets
    return einsum(",,lb,lb->", 1 / B, 0.5, error, error)


@declare_shapes("predictions[l,b], targets[l,b]")
def deriv_squared_loss(predictions: Array, targets: Array) -> Array:
    """Return `dpredictions[l,b]`, the cotangent of the predictions under `squared_loss`."""
    B = targets.shape[-1]

    # L = Σ_b 1/B Σ_l 1/2 (predictions[l,b] - targets[l,b])²
    #
    # ∂L/∂predictions[n,d] = Σ_b 1/B Σ_l (predictions[l,b] - targets[l,b]) [l=n] [b=d]
    # dpredictions[l,b] = 1/B (predictions[l,b] - targets[l,b])
    #     The 2 of the square cancels the 1/2; the 1/B of the mean stays.
    dpredictions: Array = einsum(",lb->lb", 1 / B, predictions - targets)
    return dpredictions


@declare_shapes("(W1[j,i], b1[j], W2[k,j], b2[k], W3[l,k], b3[l]), X[i,b]")
def forward(parameters: list[Array], X: Array) -> list[Array]:
    """Return the activations `[X[i,b], hid_1[j,b], hid_2[k,b], predictions[l,b]]`."""
    W1, b1, W2, b2, W3, b3 = parameters
    ones = np.ones(X.shape[-1], X.dtype)

    # z1[j,b] = Σ_i W1[j,i] X[i,b] + b1[j] ones[b]
    z1 = einsum("ji,ib->jb", W1, X) + einsum("j,b->jb", b1, ones)
    hid_1 = sigmoid(z1)

    # z2[k,b] = Σ_j W2[k,j] hid_1[j,b] + b2[k] ones[b]
    z2 = einsum("kj,jb->kb", W2, hid_1) + einsum("k,b->kb", b2, ones)
    hid_2 = sigmoid(z2)

    # predictions[l,b] = Σ_k W3[l,k] hid_2[k,b] + b3[l] ones[b]
    predictions = einsum("lk,kb->lb", W3, hid_2) + einsum("l,b->lb", b3, ones)

    return [X, hid_1, hid_2, predictions]


@declare_shapes(
    "(X[i,b], hid_1[j,b], hid_2[k,b], predictions[l,b]), targets[l,b], "
    "(W1[j,i], b1[j], W2[k,j], b2[k], W3[l,k], b3[l])"
)
def backward(activations: list[Array], targets: Array, parameters: list[Array]) -> list[Array]:
    """Return the cotangents `[dW1[j,i], db1[j], dW2[k,j], db2[k], dW3[l,k], db3[l]]`.

    Each line is the chain rule: of a forward equation, take the cotangent of the left side times a
    partial derivative, and sum over the letters of the left side. What is differentiated by carries
    second letters: n for units of the equation's own layer, m for units of the layer below, d for
    samples. `[k=n]` is 1 where k = n and 0 elsewhere: of a sum over k it leaves the one term k = n.
    A letter without such a bracket stays summed. At last n, m and d get their first letters back.

    An activation and what goes into its sigmoid have a cotangent each: dhid_2, then dz2.
    """
    X, hid_1, hid_2, predictions = activations
    _, _, W2, _, W3, _ = parameters
    ones = np.ones(X.shape[-1], X.dtype)
    dpredictions = deriv_squared_loss(predictions, targets)

    # predictions[l,b] = Σ_k W3[l,k] hid_2[k,b] + b3[l] ones[b]
    #
    # ∂predictions[l,b]/∂W3[n,m] = [l=n] hid_2[m,b]
    # dW3[l,k] = Σ_b dpredictions[l,b] hid_2[k,b]                           dpredictions·hid_2ᵀ
    dW3 = einsum("lb,kb->lk", dpredictions, hid_2)

    # ∂predictions[l,b]/∂hid_2[m,d] = W3[l,m] [b=d]
    # dhid_2[k,b] = Σ_l W3[l,k] dpredictions[l,b]                           W3ᵀ·dpredictions
    #     Transposed, since forward sums over W3's second letter and this over its first.
    dhid_2 = einsum("lk,lb->kb", W3, dpredictions)

    # ∂predictions[l,b]/∂b3[n] = [l=n] ones[b]
    # db3[l] = Σ_b dpredictions[l,b] ones[b]
    #     One b3 serves all samples, so no bracket ends the sum over b.
    db3 = einsum("lb,b->l", dpredictions, ones)

    # hid_2[k,b] = σ(z2[k,b])                                               σ′ = σ (1 - σ)
    #
    # ∂hid_2[k,b]/∂z2[n,d] = hid_2[k,b] (1 - hid_2[k,b]) [k=n] [b=d]
    # dz2[k,b] = dhid_2[k,b] hid_2[k,b] (1 - hid_2[k,b])
    dz2 = einsum("kb,kb,kb->kb", dhid_2, hid_2, 1 - hid_2)

    # z2[k,b] = Σ_j W2[k,j] hid_1[j,b] + b2[k] ones[b]
    #
    # ∂z2[k,b]/∂W2[n,m] = [k=n] hid_1[m,b]
    # dW2[k,j] = Σ_b dz2[k,b] hid_1[j,b]                                    dz2·hid_1ᵀ
    dW2 = einsum("kb,jb->kj", dz2, hid_1)

    # ∂z2[k,b]/∂hid_1[m,d] = W2[k,m] [b=d]
    # dhid_1[j,b] = Σ_k W2[k,j] dz2[k,b]                                    W2ᵀ·dz2
    dhid_1 = einsum("kj,kb->jb", W2, dz2)

    # ∂z2[k,b]/∂b2[n] = [k=n] ones[b]
    # db2[k] = Σ_b dz2[k,b] ones[b]
    db2 = einsum("kb,b->k", dz2, ones)

    # hid_1[j,b] = σ(z1[j,b])
    #
    # ∂hid_1[j,b]/∂z1[n,d] = hid_1[j,b] (1 - hid_1[j,b]) [j=n] [b=d]
    # dz1[j,b] = dhid_1[j,b] hid_1[j,b] (1 - hid_1[j,b])
    dz1 = einsum("jb,jb,jb->jb", dhid_1, hid_1, 1 - hid_1)

    # z1[j,b] = Σ_i W1[j,i] X[i,b] + b1[j] ones[b]
    #
    # ∂z1[j,b]/∂W1[n,m] = [j=n] X[m,b]
    # dW1[j,i] = Σ_b dz1[j,b] X[i,b]                                        dz1·Xᵀ
    dW1 = einsum("jb,ib->ji", dz1, X)

    # ∂z1[j,b]/∂b1[n] = [j=n] ones[b]
    # db1[j] = Σ_b dz1[j,b] ones[b]
    db1 = einsum("jb,b->j", dz1, ones)

    return [dW1, db1, dW2, db2, dW3, db3]
