"""Dropout: some units are silenced, by a mask that the caller draws.

Pointwise, so arrays have no letters: see `pointwise`.
"""

from einbackprop.errors import RangeError
from einbackprop.execution import einsum
from einbackprop.layers.checks import one_shape
from einbackprop.layers.layer import Array, Layer

DROPOUT = """
y = 1/keep mask x        mask is 1 for what stays, a fraction keep of all: so the mean stays too

∂y/∂x = 1/keep mask      ⇒  dx = 1/keep mask dy
"""


@one_shape
def dropout(x: Array, mask: Array, *, keep: float) -> Array:
    """Return `y`, x where the mask is 1, made larger by 1/keep (Srivastava et al., 2014).

    Parameters
    ----------
    x, mask
        Of one shape. The mask holds True for what stays (or 1 and 0, of x's dtype): draw one by
        ``rng.random(x.shape) < keep``.
    keep
        The probability of a 1 in the mask.

    Raises
    ------
    RangeError
        If keep is not above 0, or above 1.
    """
    require_probability("dropout", keep)
    y: Array = einsum(",...,...->...", 1 / keep, mask, x)
    return y


@one_shape
def dropout_vjp(dy: Array, x: Array, mask: Array, *, keep: float) -> Array:
    """Return `dx`: what was silenced gets no blame. Raises as `dropout` does."""
    require_probability("dropout_vjp", keep)
    dx: Array = einsum(",...,...->...", 1 / keep, mask, dy)
    return dx


def require_probability(function: str, keep: float) -> None:
    """Refuse a fraction that cannot be kept."""
    if not 0 < keep <= 1:
        raise RangeError(f"{function}: keep is {keep}; pass the fraction of units that stay, above 0, at most 1.")


LAYERS = (
    Layer("dropout", "units silenced by a given mask",
          "nothing for what was silenced, 1/keep times it for the others",
          dropout, dropout_vjp, DROPOUT, outputs=("y",), wrt=("x",)),
)  # fmt: skip
