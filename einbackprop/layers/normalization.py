"""Normalizations: subtract a mean, divide by a spread, then scale by gamma and shift by beta, which are learned.

They differ in what the mean goes over, and so in which letters the mean keeps:

    batch norm  x[k,b]      over the samples:                   mean[k]
    layer norm  x[b,t,k]    over the features:                  mean[b,t]
    RMS norm    x[b,t,k]    over the features, without a mean:  r[b,t]
    group norm  x[b,g,c,p]  over a group's channels and pixels: mean[b,g]

    b  samples, or sequences      k  features                 g  groups
    t  positions in a sequence    c  channels of a group      p  pixels, of whatever arrangement
    d  second letter for b, p     m  second letter for k, c

    [k=m] is 1 where k is m, else 0. ⇒ is the chain rule: times the cotangent of what is
    differentiated, summed over its letters. A second letter then takes the first one's name.

All take two passes, the mean first: Σ x² - (Σ x)² would lose every digit where the mean is large.
"""

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.execution import einsum
from einbackprop.layers.layer import Array, Layer

EPSILON = 1e-5  # keeps the spread away from 0

BATCH_NORM = """
mean[k]   = 1/B Σ_b x[k,b]
u[k,b]    = x[k,b] - mean[k] ones[b]
var[k]    = 1/B Σ_b u[k,b] u[k,b]
r[k]      = (var[k] + epsilon)^(-1/2)                       one over the spread
xhat[k,b] = r[k] u[k,b]
y[k,b]    = gamma[k] xhat[k,b] + beta[k] ones[b]

∂y[k,b]/∂gamma[m]  = [k=m] xhat[m,b]          ⇒  dgamma[k]  = Σ_b dy[k,b] xhat[k,b]
∂y[k,b]/∂beta[m]   = [k=m] ones[b]            ⇒  dbeta[k]   = Σ_b dy[k,b] ones[b]
∂y[k,b]/∂xhat[m,d] = [k=m] [b=d] gamma[m]     ⇒  dxhat[k,b] = gamma[k] dy[k,b]

    x moves xhat = r u in three ways. It moves u, as it is and through the mean:
∂u[k,b]/∂x[m,d] = [k=m] ([b=d] - 1/B)

    And it moves r, through var. There ∂r/∂var is (-1/2) r^3, and r u is xhat:
∂var[k]/∂u[m,d] = [k=m] 2/B u[k,d]
∂r[k]/∂u[m,d]   = [k=m] (-1/2) r[k]^3 2/B u[k,d]
                = -[k=m] 1/B r[k]^2 xhat[k,d]

    The product rule for r u, and r u = xhat once more:
∂xhat[k,b]/∂u[m,d] = [k=m] (r[k] [b=d] - u[k,b] 1/B r[k]^2 xhat[k,d])
                   = [k=m] r[k] ([b=d] - 1/B xhat[k,b] xhat[k,d])

    From u on to x: ∂xhat/∂u times ∂u/∂x, summed over all u of the feature, is four products. One
    has the factor Σ_b xhat[k,b], which is 0, since the mean is gone. Three are left:
∂xhat[k,b]/∂x[m,d] = [k=m] r[k] ([b=d] - 1/B - 1/B xhat[k,b] xhat[k,d])

    Times dxhat[k,b] and summed over b, each of the three gives one term of dx:
along_ones[k] = 1/B Σ_b dxhat[k,b]
along_xhat[k] = 1/B Σ_b dxhat[k,b] xhat[k,b]
⇒  dx[k,b] = r[k] (dxhat[k,b] - along_ones[k] ones[b] - along_xhat[k] xhat[k,b])

    Forward ignores a common shift of a feature and, but for epsilon, a common stretch. So does
    backward: what dxhat has along ones and along xhat is taken out.
"""


@declare_shapes("x[k,b], gamma[k], beta[k]")
def batch_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float = EPSILON) -> Array:
    """Return `y[k,b]`, each feature normalized over the batch (in training; Ioffe and Szegedy, 2015)."""
    ones = np.ones(x.shape[1], x.dtype)
    xhat, _ = normalized_over_batch(x, epsilon)
    y: Array = einsum("k,kb->kb", gamma, xhat) + einsum("k,b->kb", beta, ones)
    return y


@declare_shapes("dy[k,b], x[k,b], gamma[k], beta[k]")
def batch_norm_vjp(
    dy: Array, x: Array, gamma: Array, beta: Array, *, epsilon: float = EPSILON
) -> tuple[Array, Array, Array]:
    """Return `dx[k,b], dgamma[k], dbeta[k]`."""
    B = x.shape[1]
    ones = np.ones(B, x.dtype)
    xhat, r = normalized_over_batch(x, epsilon)

    dgamma = einsum("kb,kb->k", dy, xhat)
    dbeta = einsum("kb,b->k", dy, ones)
    dxhat = einsum("k,kb->kb", gamma, dy)

    along_ones = einsum(",kb->k", 1 / B, dxhat)
    along_xhat = einsum(",kb,kb->k", 1 / B, dxhat, xhat)
    dx = einsum(
        "k,kb->kb", r,
        dxhat - einsum("k,b->kb", along_ones, ones) - einsum("k,kb->kb", along_xhat, xhat),
    )
    return dx, dgamma, dbeta


def normalized_over_batch(x: Array, epsilon: float) -> tuple[Array, Array]:
    """Return `xhat[k,b], r[k]`: mean 0 and variance 1 over the samples, and one over the spread."""
    B = x.shape[1]
    ones = np.ones(B, x.dtype)
    mean = einsum(",kb->k", 1 / B, x)
    u = x - einsum("k,b->kb", mean, ones)
    var = einsum(",kb,kb->k", 1 / B, u, u)
    r = (var + epsilon) ** -0.5
    xhat = einsum("k,kb->kb", r, u)
    return xhat, r


LAYER_NORM = """
mean[b,t]   = 1/K Σ_k x[b,t,k]
u[b,t,k]    = x[b,t,k] - mean[b,t] ones[k]
var[b,t]    = 1/K Σ_k u[b,t,k] u[b,t,k]
r[b,t]      = (var[b,t] + epsilon)^(-1/2)                   one over the spread
xhat[b,t,k] = r[b,t] u[b,t,k]
y[b,t,k]    = gamma[k] xhat[b,t,k] + beta[k] ones[b] ones[t]

∂y[b,t,k]/∂gamma[m] = [k=m] xhat[b,t,m]          ⇒  dgamma[k] = Σ_bt dy[b,t,k] xhat[b,t,k]
∂y[b,t,k]/∂beta[m]  = [k=m] ones[b] ones[t]      ⇒  dbeta[k]  = Σ_bt dy[b,t,k] ones[b] ones[t]
dxhat[b,t,k] = gamma[k] dy[b,t,k]

    All of one token, with its b and t. x moves xhat = r u in three ways. It moves u, as it is and
    through the mean:
∂u[b,t,k]/∂x[b,t,m] = [k=m] - 1/K

    And it moves r, through var. There ∂r/∂var is (-1/2) r^3, and r u is xhat:
∂var[b,t]/∂u[b,t,m] = 2/K u[b,t,m]
∂r[b,t]/∂u[b,t,m]   = (-1/2) r[b,t]^3 2/K u[b,t,m]
                    = -1/K r[b,t]^2 xhat[b,t,m]

    The product rule for r u, and r u = xhat once more:
∂xhat[b,t,k]/∂u[b,t,m] = r[b,t] [k=m] - u[b,t,k] 1/K r[b,t]^2 xhat[b,t,m]
                       = r[b,t] ([k=m] - 1/K xhat[b,t,k] xhat[b,t,m])

    From u on to x: ∂xhat/∂u times ∂u/∂x, summed over all u of the token, is four products. One
    has the factor Σ_k xhat[b,t,k], which is 0, since the mean is gone. Three are left:
∂xhat[b,t,k]/∂x[b,t,m] = r[b,t] ([k=m] - 1/K - 1/K xhat[b,t,k] xhat[b,t,m])

    Times dxhat[b,t,k] and summed over k, each of the three gives one term of dx:
along_ones[b,t] = 1/K Σ_k dxhat[b,t,k]
along_xhat[b,t] = 1/K Σ_k dxhat[b,t,k] xhat[b,t,k]
⇒  dx[b,t,k] = r[b,t] (dxhat[b,t,k] - along_ones[b,t] ones[k] - along_xhat[b,t] xhat[b,t,k])

    Forward ignores a common shift of a token and, but for epsilon, a common stretch. So does
    backward: what dxhat has along ones and along xhat is taken out.
"""


@declare_shapes("x[b,t,k], gamma[k], beta[k]")
def layer_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float = EPSILON) -> Array:
    """Return `y[b,t,k]`, each token normalized over its features (Ba, Kiros and Hinton, 2016)."""
    ones_b, ones_t = np.ones(x.shape[0], x.dtype), np.ones(x.shape[1], x.dtype)
    xhat, _ = normalized_over_features(x, epsilon)
    y: Array = einsum("k,btk->btk", gamma, xhat) + einsum("k,b,t->btk", beta, ones_b, ones_t)
    return y


@declare_shapes("dy[b,t,k], x[b,t,k], gamma[k], beta[k]")
def layer_norm_vjp(
    dy: Array, x: Array, gamma: Array, beta: Array, *, epsilon: float = EPSILON
) -> tuple[Array, Array, Array]:
    """Return `dx[b,t,k], dgamma[k], dbeta[k]`."""
    B, T, K = x.shape
    ones_b, ones_t, ones_k = np.ones(B, x.dtype), np.ones(T, x.dtype), np.ones(K, x.dtype)
    xhat, r = normalized_over_features(x, epsilon)

    dgamma = einsum("btk,btk->k", dy, xhat)
    dbeta = einsum("btk,b,t->k", dy, ones_b, ones_t)
    dxhat = einsum("k,btk->btk", gamma, dy)

    along_ones = einsum(",btk->bt", 1 / K, dxhat)
    along_xhat = einsum(",btk,btk->bt", 1 / K, dxhat, xhat)
    dx = einsum(
        "bt,btk->btk", r,
        dxhat - einsum("bt,k->btk", along_ones, ones_k) - einsum("bt,btk->btk", along_xhat, xhat),
    )
    return dx, dgamma, dbeta


def normalized_over_features(x: Array, epsilon: float) -> tuple[Array, Array]:
    """Return `xhat[b,t,k], r[b,t]`: mean 0 and variance 1 over the features, and one over the spread."""
    K = x.shape[2]
    ones = np.ones(K, x.dtype)
    mean = einsum(",btk->bt", 1 / K, x)
    u = x - einsum("bt,k->btk", mean, ones)
    var = einsum(",btk,btk->bt", 1 / K, u, u)
    r = (var + epsilon) ** -0.5
    xhat = einsum("bt,btk->btk", r, u)
    return xhat, r


RMS_NORM = """
square[b,t] = 1/K Σ_k x[b,t,k] x[b,t,k]
r[b,t]      = (square[b,t] + epsilon)^(-1/2)                one over the root of the mean square
xhat[b,t,k] = r[b,t] x[b,t,k]
y[b,t,k]    = gamma[k] xhat[b,t,k]

∂y[b,t,k]/∂gamma[m] = [k=m] xhat[b,t,m]     ⇒  dgamma[k] = Σ_bt dy[b,t,k] xhat[b,t,k]
dxhat[b,t,k] = gamma[k] dy[b,t,k]

    All of one token, with its b and t. ∂r/∂square is (-1/2) r^3, ∂square/∂x is 2/K x, r x is xhat:
∂r[b,t]/∂x[b,t,m]      = (-1/2) r[b,t]^3 2/K x[b,t,m] = -1/K r[b,t]^2 xhat[b,t,m]
∂xhat[b,t,k]/∂x[b,t,m] = r[b,t] [k=m] - x[b,t,k] 1/K r[b,t]^2 xhat[b,t,m]
                       = r[b,t] ([k=m] - 1/K xhat[b,t,k] xhat[b,t,m])

    Times dxhat[b,t,k] and summed over k, each of the two gives one term of dx:
along_xhat[b,t] = 1/K Σ_k dxhat[b,t,k] xhat[b,t,k]
⇒  dx[b,t,k] = r[b,t] (dxhat[b,t,k] - along_xhat[b,t] xhat[b,t,k])

    Forward ignores, but for epsilon, a common stretch of a token. So does backward: what dxhat has
    along xhat is taken out.
"""


@declare_shapes("x[b,t,k], gamma[k]")
def rms_norm(x: Array, gamma: Array, *, epsilon: float = EPSILON) -> Array:
    """Return `y[b,t,k]`, each token divided by the root of its mean square (Zhang and Sennrich, 2019)."""
    xhat, _ = over_mean_square(x, epsilon)
    y: Array = einsum("k,btk->btk", gamma, xhat)
    return y


@declare_shapes("dy[b,t,k], x[b,t,k], gamma[k]")
def rms_norm_vjp(
    dy: Array, x: Array, gamma: Array, *, epsilon: float = EPSILON
) -> tuple[Array, Array]:
    """Return `dx[b,t,k], dgamma[k]`."""
    K = x.shape[2]
    xhat, r = over_mean_square(x, epsilon)

    dgamma = einsum("btk,btk->k", dy, xhat)
    dxhat = einsum("k,btk->btk", gamma, dy)

    along_xhat = einsum(",btk,btk->bt", 1 / K, dxhat, xhat)
    dx = einsum("bt,btk->btk", r, dxhat - einsum("bt,btk->btk", along_xhat, xhat))
    return dx, dgamma


def over_mean_square(x: Array, epsilon: float) -> tuple[Array, Array]:
    """Return `xhat[b,t,k], r[b,t]`: mean square 1 over the features, and what x was multiplied by."""
    K = x.shape[2]
    square = einsum(",btk,btk->bt", 1 / K, x, x)
    r = (square + epsilon) ** -0.5
    xhat = einsum("bt,btk->btk", r, x)
    return xhat, r


GROUP_NORM = """
mean[b,g]     = 1/C 1/P Σ_cp x[b,g,c,p]
u[b,g,c,p]    = x[b,g,c,p] - mean[b,g] ones[c] ones[p]
var[b,g]      = 1/C 1/P Σ_cp u[b,g,c,p] u[b,g,c,p]
r[b,g]        = (var[b,g] + epsilon)^(-1/2)                 one over the spread
xhat[b,g,c,p] = r[b,g] u[b,g,c,p]
y[b,g,c,p]    = gamma[g,c] xhat[b,g,c,p] + beta[g,c] ones[b] ones[p]

dgamma[g,c]    = Σ_bp dy[b,g,c,p] xhat[b,g,c,p]             gamma and beta serve all b and p
dbeta[g,c]     = Σ_bp dy[b,g,c,p] ones[b] ones[p]
dxhat[b,g,c,p] = gamma[g,c] dy[b,g,c,p]

    All of one group of one sample, with its b and g. As in layer norm, c and p together for k:
∂u[b,g,c,p]/∂x[b,g,m,d]    = [c=m] [p=d] - 1/C 1/P
∂r[b,g]/∂u[b,g,m,d]        = -1/C 1/P r[b,g]^2 xhat[b,g,m,d]
∂xhat[b,g,c,p]/∂x[b,g,m,d] = r[b,g] ([c=m] [p=d] - 1/C 1/P - 1/C 1/P xhat[b,g,c,p] xhat[b,g,m,d])

along_ones[b,g] = 1/C 1/P Σ_cp dxhat[b,g,c,p]
along_xhat[b,g] = 1/C 1/P Σ_cp dxhat[b,g,c,p] xhat[b,g,c,p]
along[b,g,c,p]  = along_ones[b,g] ones[c] ones[p] + along_xhat[b,g] xhat[b,g,c,p]
⇒  dx[b,g,c,p]  = r[b,g] (dxhat[b,g,c,p] - along[b,g,c,p])
"""


@declare_shapes("x[b,g,c,p], gamma[g,c], beta[g,c]")
def group_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float = EPSILON) -> Array:
    """Return `y[b,g,c,p]`, each group of channels of a sample normalized (Wu and He, 2018)."""
    ones_b, ones_p = np.ones(x.shape[0], x.dtype), np.ones(x.shape[3], x.dtype)
    xhat, _ = normalized_over_group(x, epsilon)
    y: Array = einsum("gc,bgcp->bgcp", gamma, xhat) + einsum("gc,b,p->bgcp", beta, ones_b, ones_p)
    return y


@declare_shapes("dy[b,g,c,p], x[b,g,c,p], gamma[g,c], beta[g,c]")
def group_norm_vjp(
    dy: Array, x: Array, gamma: Array, beta: Array, *, epsilon: float = EPSILON
) -> tuple[Array, Array, Array]:
    """Return `dx[b,g,c,p], dgamma[g,c], dbeta[g,c]`."""
    B, _, C, P = x.shape
    ones_b, ones_c, ones_p = np.ones(B, x.dtype), np.ones(C, x.dtype), np.ones(P, x.dtype)
    xhat, r = normalized_over_group(x, epsilon)

    dgamma = einsum("bgcp,bgcp->gc", dy, xhat)
    dbeta = einsum("bgcp,b,p->gc", dy, ones_b, ones_p)
    dxhat = einsum("gc,bgcp->bgcp", gamma, dy)

    along_ones = einsum(",,bgcp->bg", 1 / C, 1 / P, dxhat)
    along_xhat = einsum(",,bgcp,bgcp->bg", 1 / C, 1 / P, dxhat, xhat)
    along = (
        einsum("bg,c,p->bgcp", along_ones, ones_c, ones_p)
        + einsum("bg,bgcp->bgcp", along_xhat, xhat)
    )
    dx = einsum("bg,bgcp->bgcp", r, dxhat - along)
    return dx, dgamma, dbeta


def normalized_over_group(x: Array, epsilon: float) -> tuple[Array, Array]:
    """Return `xhat[b,g,c,p], r[b,g]`: mean 0 and variance 1 over a group, and one over the spread."""
    _, _, C, P = x.shape
    ones_c, ones_p = np.ones(C, x.dtype), np.ones(P, x.dtype)
    mean = einsum(",,bgcp->bg", 1 / C, 1 / P, x)
    u = x - einsum("bg,c,p->bgcp", mean, ones_c, ones_p)
    var = einsum(",,bgcp,bgcp->bg", 1 / C, 1 / P, u, u)
    r = (var + epsilon) ** -0.5
    xhat = einsum("bg,bgcp->bgcp", r, u)
    return xhat, r


LAYERS = (
    Layer("batch norm", "each feature: mean 0, variance 1 over the batch (in training)",
          "times gamma, without what that has along ones and along xhat over the batch, then over the spread",
          batch_norm, batch_norm_vjp, BATCH_NORM, outputs=("y",), wrt=("x", "gamma", "beta")),
    Layer("layer norm", "each token: mean 0, variance 1 over its features",
          "times gamma, without what that has along ones and along xhat in a token, then over the spread",
          layer_norm, layer_norm_vjp, LAYER_NORM, outputs=("y",), wrt=("x", "gamma", "beta")),
    Layer("RMS norm", "each token: mean square 1 over its features",
          "times gamma, without what that has along xhat in a token, then over the root mean square",
          rms_norm, rms_norm_vjp, RMS_NORM, outputs=("y",), wrt=("x", "gamma")),
    Layer("group norm", "each group of channels of a sample: mean 0, variance 1",
          "times gamma, without what that has along ones and along xhat in a group, then over the spread",
          group_norm, group_norm_vjp, GROUP_NORM, outputs=("y",), wrt=("x", "gamma", "beta")),
)  # fmt: skip
