"""Recurrent layers, over a sequence: each step takes the step before.

    t  steps of the sequence    i  units of the layer
    b  samples                  g  the same units, at the step before
    q  gates                    j  units of the input
    n  second letter for i      m  second letter for g, j

    [i=n] is 1 where i is n, else 0. ⇒ is the chain rule: times the cotangent of what is
    differentiated, summed over its letters. A second letter then takes the first one's name.

    p is h one step before: p[t] = h[t-1], and p[0] = h0. An equation for h[t] is one for every t.

Only p makes the order. Backward, the cotangent of h[t] has two sources: dh[t], which came from outside, and dp[t+1],
since h[t] is p[t+1]. Their sum is written `flow[t]`. A weight serves every step, so its cotangent sums over t.
"""

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.errors import ShapeError
from einbackprop.execution import einsum
from einbackprop.layers.layer import Array, Layer
from einbackprop.layers.pointwise import sigmoid

RNN = """
from_x[t,i,b] = Σ_j Wx[i,j] x[t,j,b] + bias[i] ones[t] ones[b]      all steps at once
a[t,i,b]      = from_x[t,i,b] + Σ_g Wh[i,g] p[t,g,b]                step by step
h[t,i,b]      = tanh(a[t,i,b])

    flow[t] is the whole cotangent of h[t]: dh[t], which came from outside, and dp[t+1].
∂h[t,i,b]/∂a[t,n,b]  = [i=n] (1 - h[t,n,b] h[t,n,b])
⇒  da[t,i,b] = flow[t,i,b] (1 - h[t,i,b] h[t,i,b])
∂a[t,i,b]/∂p[t,m,b]  = Wh[i,m]                         ⇒  dp[t,g,b] = Σ_i Wh[i,g] da[t,i,b]

    A weight serves all steps, so that its cotangent is summed over t:
∂a[t,i,b]/∂Wx[n,m]   = [i=n] x[t,m,b]                  ⇒  dWx[i,j] = Σ_tb da[t,i,b] x[t,j,b]
∂a[t,i,b]/∂Wh[n,m]   = [i=n] p[t,m,b]                  ⇒  dWh[i,g] = Σ_tb da[t,i,b] p[t,g,b]
∂a[t,i,b]/∂bias[n]   = [i=n] ones[t] ones[b]           ⇒  dbias[i] = Σ_tb da[t,i,b] ones[t] ones[b]
∂a[t,i,b]/∂x[t,m,b]  = Wx[i,m]                         ⇒  dx[t,j,b] = Σ_i Wx[i,j] da[t,i,b]
"""


@declare_shapes("x[t,j,b], h0[i,b], Wx[i,j], Wh[i,g], bias[i]")
def rnn(x: Array, h0: Array, Wx: Array, Wh: Array, bias: Array) -> Array:
    """Return `h[t,i,b]`, the state after each step (Elman, 1990)."""
    require_steps("rnn", x)
    ones_t, ones_b = np.ones(x.shape[0], x.dtype), np.ones(x.shape[2], x.dtype)
    from_x = einsum("ij,tjb->tib", Wx, x) + einsum("i,t,b->tib", bias, ones_t, ones_b)

    steps, p = [], h0
    for t in range(len(x)):
        a = from_x[t] + einsum("ig,gb->ib", Wh, p)
        h = np.tanh(a)
        steps.append(h)
        p = h
    return np.stack(steps)


@declare_shapes("dh[t,i,b], x[t,j,b], h0[i,b], Wx[i,j], Wh[i,g], bias[i], h[t,i,b]")
def rnn_vjp(
    dh: Array, x: Array, h0: Array, Wx: Array, Wh: Array, bias: Array, h: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Return `dx[t,j,b], dh0[i,b], dWx[i,j], dWh[i,g], dbias[i]`."""
    ones_t, ones_b = np.ones(x.shape[0], x.dtype), np.ones(x.shape[2], x.dtype)
    p = one_step_before(h, h0)

    da, dp = np.zeros_like(h), np.zeros_like(h0)
    for t in reversed(range(len(x))):
        flow = dh[t] + dp
        da[t] = einsum("ib,ib->ib", flow, 1 - h[t] * h[t])
        dp = einsum("ig,ib->gb", Wh, da[t])

    dWx = einsum("tib,tjb->ij", da, x)
    dWh = einsum("tib,tgb->ig", da, p)
    dbias = einsum("tib,t,b->i", da, ones_t, ones_b)
    dx = einsum("ij,tib->tjb", Wx, da)
    return dx, dp, dWx, dWh, dbias


def one_step_before(h: Array, h0: Array) -> Array:
    """Return `p`: p[t] = h[t-1], and p[0] = h0."""
    return np.concatenate([h0[np.newaxis], h[:-1]])


LSTM = """
from_x[q,t,i,b] = Σ_j Wx[q,i,j] x[t,j,b] + bias[q,i] ones[t] ones[b]
a[q,t,i,b]      = from_x[q,t,i,b] + Σ_g Wh[q,i,g] p[t,g,b]

write[t,i,b] = sigmoid(a[0,t,i,b])
keep[t,i,b]  = sigmoid(a[1,t,i,b])
new[t,i,b]   = tanh(a[2,t,i,b])
show[t,i,b]  = sigmoid(a[3,t,i,b])
c[t,i,b]     = keep[t,i,b] before[t,i,b] + write[t,i,b] new[t,i,b]      before: c one step before
s[t,i,b]     = tanh(c[t,i,b])
h[t,i,b]     = show[t,i,b] s[t,i,b]

    flow[t] is the whole cotangent of h[t]: dh[t], which came from outside, and dp[t+1]. That of
    c[t] has three parts: dc[t] from outside and dbefore[t+1], together from_c[t]; and one by s:
flow_c[t,i,b]  = from_c[t,i,b] + flow[t,i,b] show[t,i,b] (1 - s[t,i,b] s[t,i,b])

    h and c are sums of products. The cotangent of a factor is theirs times the other factor:
dshow[t,i,b]   = flow[t,i,b] s[t,i,b]
dkeep[t,i,b]   = flow_c[t,i,b] before[t,i,b]
dbefore[t,i,b] = keep[t,i,b] flow_c[t,i,b]
dwrite[t,i,b]  = flow_c[t,i,b] new[t,i,b]
dnew[t,i,b]    = write[t,i,b] flow_c[t,i,b]

    The derivatives of sigmoid and tanh, in terms of their values:
da[0,t,i,b]    = dwrite[t,i,b] write[t,i,b] (1 - write[t,i,b])
da[1,t,i,b]    = dkeep[t,i,b] keep[t,i,b] (1 - keep[t,i,b])
da[2,t,i,b]    = dnew[t,i,b] (1 - new[t,i,b] new[t,i,b])
da[3,t,i,b]    = dshow[t,i,b] show[t,i,b] (1 - show[t,i,b])

    As in RNN, with a letter for the gates:
dp[t,g,b]  = Σ_qi Wh[q,i,g] da[q,t,i,b]
dWx[q,i,j] = Σ_tb da[q,t,i,b] x[t,j,b]
dWh[q,i,g] = Σ_tb da[q,t,i,b] p[t,g,b]
dbias[q,i] = Σ_tb da[q,t,i,b] ones[t] ones[b]
dx[t,j,b]  = Σ_qi Wx[q,i,j] da[q,t,i,b]
"""


@declare_shapes("x[t,j,b], h0[i,b], c0[i,b], Wx[q,i,j], Wh[q,i,g], bias[q,i]")
def lstm(x: Array, h0: Array, c0: Array, Wx: Array, Wh: Array, bias: Array) -> tuple[Array, Array]:
    """Return `h[t,i,b], c[t,i,b]`, the output and the cell after each step (Hochreiter and Schmidhuber, 1997).

    The gates q are, in this order: what is written into the cell, what is kept of it (the forget gate), what is new
    for it, what is shown of it (the output gate).
    """
    require_steps("lstm", x)
    require_gates("lstm", Wx, 4)
    ones_t, ones_b = np.ones(x.shape[0], x.dtype), np.ones(x.shape[2], x.dtype)
    from_x = einsum("qij,tjb->tqib", Wx, x) + einsum("qi,t,b->tqib", bias, ones_t, ones_b)

    outputs, cells, p, before = [], [], h0, c0
    for t in range(len(x)):
        a = from_x[t] + einsum("qig,gb->qib", Wh, p)
        write, keep, new, show = lstm_gates(a)
        c = einsum("ib,ib->ib", keep, before) + einsum("ib,ib->ib", write, new)
        s = np.tanh(c)
        h = einsum("ib,ib->ib", show, s)
        outputs.append(h)
        cells.append(c)
        p, before = h, c
    return np.stack(outputs), np.stack(cells)


@declare_shapes(
    "dh[t,i,b], dc[t,i,b], x[t,j,b], h0[i,b], c0[i,b], Wx[q,i,j], Wh[q,i,g], bias[q,i], "
    "h[t,i,b], c[t,i,b]"
)
def lstm_vjp(
    dh: Array, dc: Array, x: Array, h0: Array, c0: Array, Wx: Array, Wh: Array, bias: Array,
    h: Array, c: Array,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Return `dx[t,j,b], dh0[i,b], dc0[i,b], dWx[q,i,j], dWh[q,i,g], dbias[q,i]`."""
    ones_t, ones_b = np.ones(x.shape[0], x.dtype), np.ones(x.shape[2], x.dtype)
    p, before, s = one_step_before(h, h0), one_step_before(c, c0), np.tanh(c)
    from_x = einsum("qij,tjb->qtib", Wx, x) + einsum("qi,t,b->qtib", bias, ones_t, ones_b)
    a = from_x + einsum("qig,tgb->qtib", Wh, p)
    write, keep, new, show = lstm_gates(a)

    da, dp, dbefore = np.zeros_like(a), np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(len(x))):
        flow, from_c = dh[t] + dp, dc[t] + dbefore
        flow_c = from_c + einsum("ib,ib,ib->ib", flow, show[t], 1 - s[t] * s[t])
        dshow = einsum("ib,ib->ib", flow, s[t])
        dkeep = einsum("ib,ib->ib", flow_c, before[t])
        dbefore = einsum("ib,ib->ib", keep[t], flow_c)
        dwrite = einsum("ib,ib->ib", flow_c, new[t])
        dnew = einsum("ib,ib->ib", write[t], flow_c)
        da[0, t] = einsum("ib,ib,ib->ib", dwrite, write[t], 1 - write[t])
        da[1, t] = einsum("ib,ib,ib->ib", dkeep, keep[t], 1 - keep[t])
        da[2, t] = einsum("ib,ib->ib", dnew, 1 - new[t] * new[t])
        da[3, t] = einsum("ib,ib,ib->ib", dshow, show[t], 1 - show[t])
        dp = einsum("qig,qib->gb", Wh, da[:, t])

    dWx = einsum("qtib,tjb->qij", da, x)
    dWh = einsum("qtib,tgb->qig", da, p)
    dbias = einsum("qtib,t,b->qi", da, ones_t, ones_b)
    dx = einsum("qij,qtib->tjb", Wx, da)
    return dx, dp, dbefore, dWx, dWh, dbias


def lstm_gates(a: Array) -> tuple[Array, Array, Array, Array]:
    """Return write, keep, new and show, each with the letters of `a` after the q."""
    return sigmoid(a[0]), sigmoid(a[1]), np.tanh(a[2]), sigmoid(a[3])


GRU = """
ax[q,t,i,b]  = Σ_j Wx[q,i,j] x[t,j,b] + bias_x[q,i] ones[t] ones[b]
ah[q,t,i,b]  = Σ_g Wh[q,i,g] p[t,g,b] + bias_h[q,i] ones[t] ones[b]
reset[t,i,b] = sigmoid(ax[0,t,i,b] + ah[0,t,i,b])
keep[t,i,b]  = sigmoid(ax[1,t,i,b] + ah[1,t,i,b])
new[t,i,b]   = tanh(ax[2,t,i,b] + reset[t,i,b] ah[2,t,i,b])
h[t,i,b]     = (1 - keep[t,i,b]) new[t,i,b] + keep[t,i,b] p[t,i,b]

    h[t] mixes each unit with itself one step before: there p has the letter i. flow[t] is the whole
    cotangent of h[t]: dh[t], which came from outside, and dp[t+1]. keep stands in h twice:
dkeep[t,i,b]  = flow[t,i,b] (p[t,i,b] - new[t,i,b])
dnew[t,i,b]   = flow[t,i,b] (1 - keep[t,i,b])

    The derivatives of tanh and sigmoid, in terms of their values:
dax[2,t,i,b]  = dnew[t,i,b] (1 - new[t,i,b] new[t,i,b])
dreset[t,i,b] = dax[2,t,i,b] ah[2,t,i,b]
dax[0,t,i,b]  = dreset[t,i,b] reset[t,i,b] (1 - reset[t,i,b])
dax[1,t,i,b]  = dkeep[t,i,b] keep[t,i,b] (1 - keep[t,i,b])

    In two gates ah is added to ax, and has the same cotangent. In the third it is scaled first:
dah[0,t,i,b]  = dax[0,t,i,b]
dah[1,t,i,b]  = dax[1,t,i,b]
dah[2,t,i,b]  = dax[2,t,i,b] reset[t,i,b]

    p reaches h[t] through the gates, and as what is kept of it:
dp[t,g,b]    = Σ_qi Wh[q,i,g] dah[q,t,i,b] + flow[t,g,b] keep[t,g,b]
dWx[q,i,j]   = Σ_tb dax[q,t,i,b] x[t,j,b]
dWh[q,i,g]   = Σ_tb dah[q,t,i,b] p[t,g,b]
dbias_x[q,i] = Σ_tb dax[q,t,i,b] ones[t] ones[b]
dbias_h[q,i] = Σ_tb dah[q,t,i,b] ones[t] ones[b]
dx[t,j,b]    = Σ_qi Wx[q,i,j] dax[q,t,i,b]
"""


@declare_shapes("x[t,j,b], h0[i,b], Wx[q,i,j], Wh[q,i,g], bias_x[q,i], bias_h[q,i]")
def gru(x: Array, h0: Array, Wx: Array, Wh: Array, bias_x: Array, bias_h: Array) -> Array:
    """Return `h[t,i,b]`, the state after each step (Cho et al., 2014, with the reset after the product).

    The gates q are, in this order: what of the state the new one sees (the reset gate), what is kept of it (the update
    gate), what is new.
    """
    require_steps("gru", x)
    require_gates("gru", Wx, 3)
    ones_t, ones_b = np.ones(x.shape[0], x.dtype), np.ones(x.shape[2], x.dtype)
    ax = einsum("qij,tjb->tqib", Wx, x) + einsum("qi,t,b->tqib", bias_x, ones_t, ones_b)

    steps, p = [], h0
    for t in range(len(x)):
        ah = einsum("qig,gb->qib", Wh, p) + einsum("qi,b->qib", bias_h, ones_b)
        _, keep, new = gru_gates(ax[t], ah)
        h = einsum("ib,ib->ib", 1 - keep, new) + einsum("ib,ib->ib", keep, p)
        steps.append(h)
        p = h
    return np.stack(steps)


@declare_shapes(
    "dh[t,i,b], x[t,j,b], h0[i,b], Wx[q,i,j], Wh[q,i,g], bias_x[q,i], bias_h[q,i], h[t,i,b]"
)
def gru_vjp(
    dh: Array, x: Array, h0: Array, Wx: Array, Wh: Array, bias_x: Array, bias_h: Array, h: Array
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Return `dx[t,j,b], dh0[i,b], dWx[q,i,j], dWh[q,i,g], dbias_x[q,i], dbias_h[q,i]`."""
    ones_t, ones_b = np.ones(x.shape[0], x.dtype), np.ones(x.shape[2], x.dtype)
    p = one_step_before(h, h0)
    ax = einsum("qij,tjb->qtib", Wx, x) + einsum("qi,t,b->qtib", bias_x, ones_t, ones_b)
    ah = einsum("qig,tgb->qtib", Wh, p) + einsum("qi,t,b->qtib", bias_h, ones_t, ones_b)
    reset, keep, new = gru_gates(ax, ah)

    dax, dah, dp = np.zeros_like(ax), np.zeros_like(ah), np.zeros_like(h0)
    for t in reversed(range(len(x))):
        flow = dh[t] + dp
        dkeep = einsum("ib,ib->ib", flow, p[t] - new[t])
        dnew = einsum("ib,ib->ib", flow, 1 - keep[t])
        dax[2, t] = einsum("ib,ib->ib", dnew, 1 - new[t] * new[t])
        dreset = einsum("ib,ib->ib", dax[2, t], ah[2, t])
        dax[0, t] = einsum("ib,ib,ib->ib", dreset, reset[t], 1 - reset[t])
        dax[1, t] = einsum("ib,ib,ib->ib", dkeep, keep[t], 1 - keep[t])
        dah[0, t] = dax[0, t]
        dah[1, t] = dax[1, t]
        dah[2, t] = einsum("ib,ib->ib", dax[2, t], reset[t])
        dp = einsum("qig,qib->gb", Wh, dah[:, t]) + einsum("gb,gb->gb", flow, keep[t])

    dWx = einsum("qtib,tjb->qij", dax, x)
    dWh = einsum("qtib,tgb->qig", dah, p)
    dbias_x = einsum("qtib,t,b->qi", dax, ones_t, ones_b)
    dbias_h = einsum("qtib,t,b->qi", dah, ones_t, ones_b)
    dx = einsum("qij,qtib->tjb", Wx, dax)
    return dx, dp, dWx, dWh, dbias_x, dbias_h


def gru_gates(ax: Array, ah: Array) -> tuple[Array, Array, Array]:
    """Return reset, keep and new, each with the letters of `ax` and `ah` after the q."""
    reset, keep = sigmoid(ax[0] + ah[0]), sigmoid(ax[1] + ah[1])
    new = np.tanh(ax[2] + einsum("...,...->...", reset, ah[2]))
    return reset, keep, new


def require_steps(function: str, x: Array) -> None:
    """Refuse a sequence of no steps: it has no state after any."""
    if not len(x):
        raise ShapeError(f"{function}: x[t,j,b] has t = 0 (shape {tuple(x.shape)}), but one step at least is needed.")


def require_gates(function: str, Wx: Array, count: int) -> None:
    """Refuse weights with another number of gates."""
    if Wx.shape[0] != count:
        raise ShapeError(
            f"{function}: Wx[q,i,j] has q = {Wx.shape[0]} (shape {tuple(Wx.shape)}), but there are {count} gates."
        )


LAYERS = (
    Layer("RNN", "a state that each step mixes with its input",
          "from the last step to the first, flow[t] = dh[t] + dp[t+1]; a weight adds up over time",
          rnn, rnn_vjp, RNN, outputs=("h",), wrt=("x", "h0", "Wx", "Wh", "bias")),
    Layer("LSTM", "a cell that gates write into, keep and show",
          "flow[t] = dh[t] + dp[t+1], from_c[t] = dc[t] + dbefore[t+1]: back along the cell, scaled by what was kept",
          lstm, lstm_vjp, LSTM, outputs=("h", "c"), wrt=("x", "h0", "c0", "Wx", "Wh", "bias")),
    Layer("GRU", "a state that gates reset, keep and renew",
          "flow[t] = dh[t] + dp[t+1]: back along what was kept, and through the new and its gates",
          gru, gru_vjp, GRU, outputs=("h",), wrt=("x", "h0", "Wx", "Wh", "bias_x", "bias_h")),
)  # fmt: skip
