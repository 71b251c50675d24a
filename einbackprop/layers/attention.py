"""Attention: each position of a sequence looks at others, and takes what it finds there.

    b  sequences                       h  heads
    t  positions that look             d  features of a head
    s  positions that are looked at    w  pairs of a head's features
    e  features of the model           a  halves of d: 0, 1
    f  the same, in the output         c  the same halves, once they are turned
    u  second letter for t, s          n  second letter for d, a
    m  second letter for w

    [s=u] is 1 where s is u, else 0. ⇒ is the chain rule: times the cotangent of what is
    differentiated, summed over its letters. A second letter then takes the first one's name.

t and s run over the same positions where a sequence attends to itself. D and W are the sizes of d and w.
"""

import math

import numpy as np

from einbackprop.core.shapes import declare_shapes
from einbackprop.errors import RangeError, ShapeError
from einbackprop.execution import einsum
from einbackprop.layers.checks import concrete
from einbackprop.layers.layer import Array, Layer

ATTENTION = """
z[b,h,t,s]     = D^(-1/2) Σ_d q[b,h,t,d] k[b,h,s,d]             how well query t fits key s

    p is the softmax of z over the keys s that the mask lets t see. top[b,h,t] is the largest z
    among these: it cancels in p. min changes only what is not seen. Both keep exp at 1 or below.
e[b,h,t,s]     = mask[t,s] exp(min(z[b,h,t,s] - top[b,h,t] ones[s], 0))
total[b,h,t]   = Σ_s e[b,h,t,s]
p[b,h,t,s]     = e[b,h,t,s] / total[b,h,t]
o[b,h,t,d]     = Σ_s p[b,h,t,s] v[b,h,s,d]                      the values, weighted

    o is a sum of products p v. The cotangent of a factor is do times the other factor, summed over
    the letters that it lacks:
dp[b,h,t,s]    = Σ_d do[b,h,t,d] v[b,h,s,d]
dv[b,h,s,d]    = Σ_t p[b,h,t,s] do[b,h,t,d]                     a value serves every query t

    From p back to z, for one query. top is held, since it cancels. Where the mask is 0, so are e
    and its slope. total adds up all e, so that each z moves all p:
∂e[b,h,t,s]/∂z[b,h,t,u]   = e[b,h,t,s] [s=u]
∂total[b,h,t]/∂z[b,h,t,u] = e[b,h,t,u]
∂p[b,h,t,s]/∂z[b,h,t,u]   = e[b,h,t,s] [s=u] / total[b,h,t] - e[b,h,t,s] e[b,h,t,u] / total[b,h,t]^2
                          = p[b,h,t,s] ([s=u] - p[b,h,t,u])

    Times dp[b,h,t,s] and summed over s: the bracket leaves p dp, and the other term p times inner.
inner[b,h,t]   = Σ_s dp[b,h,t,s] p[b,h,t,s]
⇒  dz[b,h,t,s] = p[b,h,t,s] (dp[b,h,t,s] - inner[b,h,t] ones[s])

    z is a sum of products q k:
∂z[b,h,t,s]/∂q[b,h,u,n] = D^(-1/2) [t=u] k[b,h,s,n]
⇒  dq[b,h,t,d] = D^(-1/2) Σ_s dz[b,h,t,s] k[b,h,s,d]
∂z[b,h,t,s]/∂k[b,h,u,n] = D^(-1/2) [s=u] q[b,h,t,n]
⇒  dk[b,h,s,d] = D^(-1/2) Σ_t q[b,h,t,d] dz[b,h,t,s]
"""


def causal_mask(T: int) -> Array:
    """Return `mask[t,s]`, the bracket [s ≤ t]: a position sees itself and what came before."""
    return np.tri(T, dtype=bool)


@declare_shapes("q[b,h,t,d], k[b,h,s,d], v[b,h,s,d], mask[t,s]")
def attention(q: Array, k: Array, v: Array, mask: Array) -> Array:
    """Return `o[b,h,t,d]`, for each query the values, weighted by how well their keys fit (Vaswani et al., 2017).

    Parameters
    ----------
    q, k, v
        Queries, keys, values.
    mask
        True where query t may see key s (or 1 and 0, of q's dtype). `causal_mask(T)` is one, and
        `np.ones((T, S), bool)` masks nothing.

    Raises
    ------
    RangeError
        If a query sees no key: its weights would be 0/0.
    """
    p = attention_weights(q, k, mask)
    o: Array = einsum("bhts,bhsd->bhtd", p, v)
    return o


@declare_shapes("do[b,h,t,d], q[b,h,t,d], k[b,h,s,d], v[b,h,s,d], mask[t,s]")
def attention_vjp(
    do: Array, q: Array, k: Array, v: Array, mask: Array
) -> tuple[Array, Array, Array]:
    """Return `dq[b,h,t,d], dk[b,h,s,d], dv[b,h,s,d]`. Raises as `attention` does."""
    D = q.shape[3]
    ones = np.ones(k.shape[2], k.dtype)
    p = attention_weights(q, k, mask)

    dp = einsum("bhtd,bhsd->bhts", do, v)
    dv = einsum("bhts,bhtd->bhsd", p, do)
    inner = einsum("bhts,bhts->bht", dp, p)
    dz = einsum("bhts,bhts->bhts", p, dp - einsum("bht,s->bhts", inner, ones))
    dq = einsum(",bhts,bhsd->bhtd", 1 / math.sqrt(D), dz, k)
    dk = einsum(",bhtd,bhts->bhsd", 1 / math.sqrt(D), q, dz)
    return dq, dk, dv


def attention_weights(q: Array, k: Array, mask: Array) -> Array:
    """Return `p[b,h,t,s]`, positive where the mask is, and of sum 1 over s."""
    require_seen(mask)
    D = q.shape[3]
    ones = np.ones(k.shape[2], k.dtype)
    z = einsum(",bhtd,bhsd->bhts", 1 / math.sqrt(D), q, k)
    top = np.max(np.where(mask, z, -np.inf), axis=3)
    e = einsum("ts,bhts->bhts", mask, np.exp(np.minimum(z - einsum("bht,s->bhts", top, ones), 0)))
    total = einsum("bhts->bht", e)
    p: Array = einsum("bhts,bht->bhts", e, 1 / total)
    return p


def require_seen(mask: Array) -> None:
    """Refuse a mask that hides all keys from a query."""
    sees = (concrete(mask) != 0).any(axis=1)
    if not sees.all():
        t = int(np.argmin(sees))
        raise RangeError(f"attention: mask[{t},:] lets position {t} see nothing; let each position see one at least.")


MULTI_HEAD_ATTENTION = """
q[b,h,t,d] = Σ_e Wq[h,d,e] x[b,t,e]                        the letter h makes a query for each head:
k[b,h,s,d] = Σ_e Wk[h,d,e] x[b,s,e]                        no reshape splits features into heads,
v[b,h,s,d] = Σ_e Wv[h,d,e] x[b,s,e]                        and none joins them again
o[b,h,t,d] = attention(q, k, v, mask)
y[b,t,f]   = Σ_hd Wo[f,h,d] o[b,h,t,d]

    Each of these lines is a sum of products of two factors. The cotangent of a factor is that of
    the line times the other factor, summed over the letters that it lacks:
dWo[f,h,d]  = Σ_bt dy[b,t,f] o[b,h,t,d]
do[b,h,t,d] = Σ_f Wo[f,h,d] dy[b,t,f]
dq, dk, dv  : see attention
dWq[h,d,e]  = Σ_bt dq[b,h,t,d] x[b,t,e]
dWk[h,d,e]  = Σ_bs dk[b,h,s,d] x[b,s,e]
dWv[h,d,e]  = Σ_bs dv[b,h,s,d] x[b,s,e]

    x is used three times, since a position looks and is looked at, so three cotangents add up. The
    letter s of dk and dv is t here: both run over the same positions.
dx[b,t,e] = Σ_hd Wq[h,d,e] dq[b,h,t,d] + Σ_hd Wk[h,d,e] dk[b,h,t,d] + Σ_hd Wv[h,d,e] dv[b,h,t,d]
"""


@declare_shapes("x[b,t,e], Wq[h,d,e], Wk[h,d,e], Wv[h,d,e], Wo[f,h,d], mask[t,s]")
def multi_head_attention(
    x: Array, Wq: Array, Wk: Array, Wv: Array, Wo: Array, mask: Array
) -> Array:
    """Return `y[b,t,f]`, the sequence attending to itself with several heads. Raises as `attention` does."""
    q = einsum("hde,bte->bhtd", Wq, x)
    k = einsum("hde,bse->bhsd", Wk, x)
    v = einsum("hde,bse->bhsd", Wv, x)
    o = attention(q, k, v, mask)
    y: Array = einsum("fhd,bhtd->btf", Wo, o)
    return y


@declare_shapes("dy[b,t,f], x[b,t,e], Wq[h,d,e], Wk[h,d,e], Wv[h,d,e], Wo[f,h,d], mask[t,s]")
def multi_head_attention_vjp(
    dy: Array, x: Array, Wq: Array, Wk: Array, Wv: Array, Wo: Array, mask: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Return `dx[b,t,e], dWq[h,d,e], dWk[h,d,e], dWv[h,d,e], dWo[f,h,d]`. Raises as `attention` does."""
    q = einsum("hde,bte->bhtd", Wq, x)
    k = einsum("hde,bse->bhsd", Wk, x)
    v = einsum("hde,bse->bhsd", Wv, x)
    o = attention(q, k, v, mask)

    dWo = einsum("btf,bhtd->fhd", dy, o)
    do = einsum("fhd,btf->bhtd", Wo, dy)
    dq, dk, dv = attention_vjp(do, q, k, v, mask)
    dWq = einsum("bhtd,bte->hde", dq, x)
    dWk = einsum("bhsd,bse->hde", dk, x)
    dWv = einsum("bhsd,bse->hde", dv, x)
    dx = (
        einsum("hde,bhtd->bte", Wq, dq)
        + einsum("hde,bhtd->bte", Wk, dk)
        + einsum("hde,bhtd->bte", Wv, dv)
    )
    return dx, dWq, dWk, dWv, dWo


ROTARY = """
    Feature w and feature W + w make a pair (W = D/2). R[t,w] is a rotation in the plane, of two rows
    c and two columns a, by an angle that grows with the position t:
pair[b,h,t,a,w]   = Σ_d [d = W·a + w] x[b,h,t,d]
turned[b,h,t,c,w] = Σ_a R[t,w,c,a] pair[b,h,t,a,w]
y[b,h,t,d]        = Σ_cw [d = W·c + w] turned[b,h,t,c,w]

    Each d is one pair of c and w, so that the same bracket leads back:
dturned[b,h,t,c,w] = Σ_d [d = W·c + w] dy[b,h,t,d]
∂turned[b,h,t,c,w]/∂pair[b,h,t,n,m] = [w=m] R[t,w,c,n]
⇒  dpair[b,h,t,a,w] = Σ_c R[t,w,c,a] dturned[b,h,t,c,w]         Rᵀ, the rotation back
dx[b,h,t,d] = Σ_aw [d = W·a + w] dpair[b,h,t,a,w]
"""


def rotations(T: int, W: int, *, base: float = 10000.0) -> Array:
    """Return `R[t,w,c,a]`: for position t and pair w the rotation by the angle t·base^(-w/W)."""
    angle = np.einsum("t,w->tw", np.arange(T), base ** (-np.arange(W) / W))
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)


@declare_shapes("x[b,h,t,d], R[t,w,c,a]")
def rotary(x: Array, R: Array) -> Array:
    """Return `y[b,h,t,d]`: queries and keys turned so that their product sees only how far apart they are.

    R is made by `rotations(T, D // 2)`, cast to x's dtype (Su et al., 2021; the halves form, pairs w and w + D/2).

    Raises
    ------
    ShapeError
        If a head's features do not make the pairs that R turns.
    """
    require_pairs("rotary", x, R)
    pair = x.reshape(*x.shape[:3], 2, R.shape[1])
    turned = einsum("twca,bhtaw->bhtcw", R, pair)
    y: Array = turned.reshape(x.shape)
    return y


@declare_shapes("dy[b,h,t,d], x[b,h,t,d], R[t,w,c,a]")
def rotary_vjp(dy: Array, x: Array, R: Array) -> Array:
    """Return `dx[b,h,t,d]`. Raises as `rotary` does."""
    require_pairs("rotary_vjp", x, R)
    dturned = dy.reshape(*x.shape[:3], 2, R.shape[1])
    dpair = einsum("twca,bhtcw->bhtaw", R, dturned)
    dx: Array = dpair.reshape(x.shape)
    return dx


def require_pairs(function: str, x: Array, R: Array) -> None:
    """Refuse features that R does not pair up."""
    if x.shape[3] != 2 * R.shape[1]:
        raise ShapeError(
            f"{function}: x[b,h,t,d] has d = {x.shape[3]} (shape {tuple(x.shape)}), but R[t,w,c,a] has "
            f"w = {R.shape[1]}, which turns {2 * R.shape[1]} features in pairs. "
            "Make R by rotations(T, d // 2), for an even d."
        )


LAYERS = (
    Layer("attention", "values weighted by how well their keys fit a query, under a mask",
          "to the values by the same weights; through the softmax to queries and keys",
          attention, attention_vjp, ATTENTION, outputs=("o",), wrt=("q", "k", "v")),
    Layer("multi-head attention", "a sequence attending to itself with several heads",
          "through each head; x is used three times, so three cotangents add up",
          multi_head_attention, multi_head_attention_vjp, MULTI_HEAD_ATTENTION,
          outputs=("y",), wrt=("x", "Wq", "Wk", "Wv", "Wo")),
    Layer("rotary position", "pairs of features turned by an angle that grows with the position",
          "turned back by the same angle",
          rotary, rotary_vjp, ROTARY, outputs=("y",), wrt=("x",)),
)  # fmt: skip
