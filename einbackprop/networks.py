"""Networks put together of the catalogue's layers: plain functions, with parameters in nested dicts of arrays.

    mlp      the exercise's network at any depth         X[i,b] to z[k,b]
    convnet  two convolutions, for small images          X[b,p,q] to z[k,b]
    gpt      a transformer that predicts the next token  token[b,t] to z[v,n], n over all positions of all sequences

    i  input units               p, q  row and column of a pixel      b, t  sequence, position
    k  classes, or outputs       o  channels                          e  features      v  tokens
    b  samples                   y, x  row and column, pooled         h  heads         d, f  see `layers.transformer`

None has a backward: `value_and_grad` of a loss derives it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from einbackprop.errors import ShapeError
from einbackprop.layers.attention import causal_mask
from einbackprop.layers.convolution import convolution_2d
from einbackprop.layers.embedding import embedding
from einbackprop.layers.layer import Array
from einbackprop.layers.linear import linear
from einbackprop.layers.losses import cross_entropy, half_squared_error
from einbackprop.layers.normalization import layer_norm
from einbackprop.layers.pointwise import relu, sigmoid
from einbackprop.layers.pooling import max_pooling
from einbackprop.layers.transformer import transformer_block
from einbackprop.plans.execution import einsum

Parameters = dict[str, Any]

BLOCK = ("gamma1", "beta1", "Wq", "Wk", "Wv", "Wo", "gamma2", "beta2", "W1", "c1", "W2", "c2")


def normal(rng: np.random.Generator, *shape: int, fan_in: int) -> Array:
    """Draw weights so that a sum of `fan_in` of them, times numbers of size 1, has size 1."""
    weights: Array = rng.standard_normal(shape) / np.sqrt(fan_in)
    return weights


# The exercise's network, at any depth


def initialize_mlp(sizes: Sequence[int], rng: np.random.Generator) -> Parameters:
    """Draw parameters ``{"layers": [{"W": W[i,j], "c": c[i]}, …]}``.

    Parameters
    ----------
    sizes
        Units of the input, of each hidden layer, and of the output.

    Raises
    ------
    ShapeError
        If there are fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ShapeError(f"a network has an input and an output, so two sizes at least; {list(sizes)} were given.")
    layers = [{"W": normal(rng, i, j, fan_in=j), "c": np.zeros(i)} for j, i in pairwise(sizes)]
    return {"layers": layers}


def mlp(parameters: Parameters, X: Array, activation: Callable[[Array], Array] = sigmoid) -> Array:
    """Return `z[k,b]`: hidden layers with an activation, then a linear one."""
    *hidden, last = parameters["layers"]
    h = X
    for layer in hidden:
        h = activation(linear(layer["W"], h, layer["c"]))
    return linear(last["W"], h, last["c"])


def mlp_regression_loss(parameters: Parameters, X: Array, target: Array) -> Any:
    """Return the mean over the samples of half the squared error, as in the exercise. `target` is [k,b]."""
    return half_squared_error(mlp(parameters, X), target)


def mlp_loss(parameters: Parameters, X: Array, label: Array) -> Any:
    """Return the cross-entropy with labels `label[b]`. The hidden units are relu."""
    return cross_entropy(mlp(parameters, X, relu), label)


# A convolutional network


def initialize_convnet(
    pixels: tuple[int, int], channels: tuple[int, int], classes: int, rng: np.random.Generator
) -> Parameters:
    """Draw the kernels K1, K2 with their biases, and the weights W[k,g,o,y,x] of the classes.

    Raises
    ------
    ShapeError
        If the image is too small to be pooled twice.
    """
    y, x = (size // 4 for size in pixels)
    if min(y, x) < 1:
        raise ShapeError(f"images of {pixels[0]} by {pixels[1]} pixels cannot be halved twice; 4 by 4 is the least.")
    first, second = channels
    return {
        "K1": normal(rng, 1, first, 1, 3, 3, fan_in=9),
        "bias1": np.zeros((1, first)),
        "K2": normal(rng, 1, second, first, 3, 3, fan_in=9 * first),
        "bias2": np.zeros((1, second)),
        "W": normal(rng, classes, 1, second, y, x, fan_in=second * y * x),
        "c": np.zeros(classes),
    }


def convnet(parameters: Parameters, X: Array) -> Array:
    """Return `z[k,b]` of images `X[b,p,q]`: twice a convolution, relu and halving, then one weight for each number."""
    one = np.ones(1, X.dtype)
    h = einsum("bpq,g,i->bgipq", X, one, one)
    for K, bias in (("K1", "bias1"), ("K2", "bias2")):
        h = max_pooling(relu(convolution_2d(h, parameters[K], parameters[bias], padding=1)), size=2)
    ones = np.ones(X.shape[0], X.dtype)
    z: Array = einsum("kgoyx,bgoyx->kb", parameters["W"], h) + einsum("k,b->kb", parameters["c"], ones)
    return z


def convnet_loss(parameters: Parameters, X: Array, label: Array) -> Any:
    """Return the cross-entropy with labels `label[b]`."""
    return cross_entropy(convnet(parameters, X), label)


# A small GPT


def initialize_gpt(
    vocabulary: int, context: int, features: int, heads: int, blocks: int, rng: np.random.Generator
) -> Parameters:
    """Draw embeddings E[v,e] and P[t,e], the blocks' parameters by name, and the last norm's; the output is E again.

    Raises
    ------
    ShapeError
        If the features do not divide into heads.
    """
    if heads < 1 or features % heads:
        raise ShapeError(f"{features} features do not divide into {heads} heads; choose a multiple of {heads}.")
    e, h, d, f = features, heads, features // heads, 4 * features

    def block() -> Parameters:
        weights = {name: normal(rng, h, d, e, fan_in=e) for name in ("Wq", "Wk", "Wv")}
        weights |= {"Wo": normal(rng, e, h, d, fan_in=2 * blocks * e)}  # residuals add up: start small
        weights |= {"W1": normal(rng, f, e, fan_in=e), "W2": normal(rng, e, f, fan_in=2 * blocks * f)}
        weights |= {"gamma1": np.ones(e), "beta1": np.zeros(e), "gamma2": np.ones(e), "beta2": np.zeros(e)}
        return weights | {"c1": np.zeros(f), "c2": np.zeros(e)}

    return {
        "E": 0.02 * rng.standard_normal((vocabulary, e)),
        "P": 0.02 * rng.standard_normal((context, e)),
        "blocks": [block() for _ in range(blocks)],
        "gamma": np.ones(e),
        "beta": np.zeros(e),
    }


def gpt(parameters: Parameters, token: Array) -> Array:
    """Return `z[v,n]`, for each position n of all sequences `token[b,t]`, one after the other, the next token's logits.

    Raises
    ------
    ShapeError
        If the sequences are longer than the context that the parameters have positions for.
    """
    E, P = parameters["E"], parameters["P"]
    (B, T), context = token.shape, P.shape[0]
    if context < T:
        raise ShapeError(f"token[b,t] has t = {T}, but there are positions for {context} only; cut the sequences.")
    ones = np.ones(B, E.dtype)
    x = embedding(E, token) + einsum("te,b->bte", P[:T], ones)
    for block in parameters["blocks"]:
        x = transformer_block(x, [block[name] for name in BLOCK], causal_mask(T))
    x = layer_norm(x, parameters["gamma"], parameters["beta"])
    z: Array = einsum("ve,bte->vbt", E, x)
    return z.reshape(E.shape[0], B * T)


def gpt_loss(parameters: Parameters, token: Array, following: Array) -> Any:
    """Return the cross-entropy of the next tokens `following[b,t]`, a mean over all positions."""
    return cross_entropy(gpt(parameters, token), following.reshape(-1))
