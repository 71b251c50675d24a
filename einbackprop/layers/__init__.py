"""The catalogue: layers that people derive by hand, each with its forward, its vjp, and the derivation between them.

A file per family. Above each pair of functions stands the derivation, as data, once: it is what the catalogue shows.
`[i=n]` is 1 where i is n, else 0. ∂ is taken with second letters, and ⇒ applies the chain rule: times the
cotangent of what is differentiated, summed over its letters, and the second letters renamed to the first ones.
"""

from einbackprop.layers import (
    attention,
    convolution,
    dropout,
    embedding,
    linear,
    losses,
    normalization,
    pointwise,
    pooling,
    recurrence,
    softmax,
    transformer,
)
from einbackprop.layers.layer import Layer

FAMILIES = (
    linear, pointwise, softmax, losses, normalization, dropout, embedding, convolution, pooling, recurrence, attention,
    transformer,
)  # fmt: skip

CATALOGUE: dict[str, Layer] = {layer.name: layer for family in FAMILIES for layer in family.LAYERS}
