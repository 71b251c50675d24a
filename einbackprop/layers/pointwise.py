"""Pointwise functions: each entry by itself, so an array of any shape has no letters here.

`x` is what goes in, `y` what comes out, and a product of arrays is taken entry by entry: `dy y (1 - y)` is the einsum
`"...,...,...->..."`. ∂y/∂x is the derivative at one entry: at another entry's x there is none.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from einbackprop import network
from einbackprop.execution import einsum
from einbackprop.layers.checks import one_shape
from einbackprop.layers.layer import Array, Layer

SIGMOID = """
y = 1/(1 + exp(-x))

∂y/∂x = exp(-x) y y = (1/y - 1) y y = y (1 - y)      ⇒  dx = dy y (1 - y)
"""


def sigmoid(x: Array) -> Array:
    """Return `y`, between 0 and 1. No exponent is positive on the way: see `network.sigmoid`."""
    return network.sigmoid(x)


@one_shape
def sigmoid_vjp(dy: Array, x: Array, y: Array) -> Array:
    """Return `dx`, in terms of the output."""
    dx: Array = einsum("...,...,...->...", dy, y, 1 - y)
    return dx


TANH = """
y = tanh(x)

∂y/∂x = 1 - y y      ⇒  dx = dy (1 - y y)
"""


def tanh(x: Array) -> Array:
    """Return `y`, between -1 and 1."""
    y: Array = np.tanh(x)
    return y


@one_shape
def tanh_vjp(dy: Array, x: Array, y: Array) -> Array:
    """Return `dx`, in terms of the output."""
    dx: Array = einsum("...,...->...", dy, 1 - y * y)
    return dx


RELU = """
y = max(x, 0)

∂y/∂x = [x > 0]      ⇒  dx = dy [x > 0]      0 at the kink
"""


def relu(x: Array) -> Array:
    """Return `y`, the positive part."""
    y: Array = np.maximum(x, 0)
    return y


@one_shape
def relu_vjp(dy: Array, x: Array) -> Array:
    """Return `dx`."""
    dx: Array = einsum("...,...->...", dy, x > 0)
    return dx


LEAKY_RELU = """
y = max(x, 0) + slope min(x, 0)

∂y/∂x = [x > 0] + slope [x ≤ 0]      ⇒  dx = dy [x > 0] + slope dy [x ≤ 0]      slope at the kink
"""


def leaky_relu(x: Array, *, slope: float = 0.01) -> Array:
    """Return `y`, in which negative values are made small instead of 0."""
    y: Array = np.maximum(x, 0) + slope * np.minimum(x, 0)
    return y


@one_shape
def leaky_relu_vjp(dy: Array, x: Array, *, slope: float = 0.01) -> Array:
    """Return `dx`."""
    dx: Array = einsum("...,...->...", dy, x > 0) + einsum(",...,...->...", slope, dy, x <= 0)
    return dx


SOFTPLUS = """
y = log(1 + exp(x))

∂y/∂x = exp(x)/(1 + exp(x)) = sigmoid(x)      ⇒  dx = dy sigmoid(x)
"""


def softplus(x: Array) -> Array:
    """Return `y`, a smooth positive part.

    Computed as max(x, 0) + log(1 + e^min(x,-x)), which is the same with e^max(x, 0) taken out of the logarithm:
    no exponent is positive. min(x,-x) is -|x|, and analytic away from 0, as `network.sigmoid` says.
    """
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(np.minimum(x, -x)))
    return y


@one_shape
def softplus_vjp(dy: Array, x: Array) -> Array:
    """Return `dx`."""
    dx: Array = einsum("...,...->...", dy, sigmoid(x))
    return dx


ROOT = math.sqrt(2 / math.pi)
CUBIC = 0.044715

GELU = """
t = tanh(ROOT (x + CUBIC x x x))                       ROOT = √(2/π), CUBIC = 0.044715
y = 1/2 x (1 + t)                                      nearly x Φ(x), Φ the normal distribution

rise = ROOT (1 + 3 CUBIC x x)                          the derivative of what is inside the tanh
∂t/∂x = (1 - t t) rise
∂y/∂x = 1/2 (1 + t) + 1/2 x (1 - t t) rise      ⇒  dx = 1/2 dy (1 + t) + 1/2 dy x (1 - t t) rise
"""


def gelu(x: Array) -> Array:
    """Return `y`, x where x is large, 0 where it is small (the tanh form of Hendrycks and Gimpel, 2016)."""
    t = np.tanh(ROOT * (x + CUBIC * x * x * x))
    y: Array = einsum(",...,...->...", 0.5, x, 1 + t)
    return y


@one_shape
def gelu_vjp(dy: Array, x: Array) -> Array:
    """Return `dx`."""
    t = np.tanh(ROOT * (x + CUBIC * x * x * x))
    rise = ROOT * (1 + 3 * CUBIC * x * x)
    dx: Array = einsum(",...,...->...", 0.5, dy, 1 + t) + einsum(
        ",...,...,...,...->...", 0.5, dy, x, 1 - t * t, rise
    )
    return dx


SILU = """
s = sigmoid(x)
y = x s

∂s/∂x = s (1 - s)
∂y/∂x = s + x s (1 - s)      ⇒  dx = dy s (1 + x (1 - s))
"""


def silu(x: Array) -> Array:
    """Return `y`, x gated by its own sigmoid."""
    s = sigmoid(x)
    y: Array = einsum("...,...->...", x, s)
    return y


@one_shape
def silu_vjp(dy: Array, x: Array) -> Array:
    """Return `dx`."""
    s = sigmoid(x)
    dx: Array = einsum("...,...,...->...", dy, s, 1 + x * (1 - s))
    return dx


def pointwise(
    name: str, words: str, vjp_words: str, forward: Callable[..., Any], vjp: Callable[..., Any], derivation: str
) -> Layer:
    """A layer from x to y."""
    return Layer(name, words, vjp_words, forward, vjp, derivation, outputs=("y",), wrt=("x",))


LAYERS = (
    pointwise("sigmoid", "squashes to between 0 and 1",
              "scaled by y (1 - y), 1/4 at most", sigmoid, sigmoid_vjp, SIGMOID),
    pointwise("tanh", "squashes to between -1 and 1",
              "scaled by 1 - y y, which is 1 at 0 and nothing far out", tanh, tanh_vjp, TANH),
    pointwise("relu", "the positive part",
              "passed on where x is above 0, stopped elsewhere", relu, relu_vjp, RELU),
    pointwise("leaky relu", "the positive part, and a little of the negative",
              "passed on where x is above 0, scaled by the slope elsewhere",
              leaky_relu, leaky_relu_vjp, LEAKY_RELU),
    pointwise("softplus", "a smooth positive part",
              "scaled by the sigmoid", softplus, softplus_vjp, SOFTPLUS),
    pointwise("gelu", "x times the normal distribution at x, by a tanh",
              "scaled by the gate (1 + t)/2, and by x times the gate's own slope",
              gelu, gelu_vjp, GELU),
    pointwise("silu", "x gated by its own sigmoid",
              "scaled by the gate s, and by x times the gate's own slope", silu, silu_vjp, SILU),
)
