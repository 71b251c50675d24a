"""Hand-written NumPy backpropagation as people publish it: correct code, unusual code, wrong code.

`FIXTURES` is in the styles of courses, books and small libraries, `CONTROLS` is correct code written in
unusual ways, `WRONG` has one realistic mistake each. All text is our own.
"""

from . import (
    attention,
    classes,
    columns,
    convolutions,
    generative,
    losses,
    nielsen,
    norms,
    recurrent,
    rows,
    unusual_layers,
    unusual_networks,
    words,
    wrong,
)
from .fixture import GROUPS, Fixture, Wrong, pick, replace

FIXTURES: list[Fixture] = [
    *nielsen.FIXTURES,
    *columns.FIXTURES,
    *rows.FIXTURES,
    *classes.FIXTURES,
    *norms.FIXTURES,
    *convolutions.FIXTURES,
    *recurrent.FIXTURES,
    *attention.FIXTURES,
    *words.FIXTURES,
    *losses.FIXTURES,
    *generative.FIXTURES,
]

CONTROLS: list[Fixture] = [*unusual_networks.CONTROLS, *unusual_layers.CONTROLS]

WRONG: list[Wrong] = wrong.WRONG

__all__ = ["CONTROLS", "FIXTURES", "GROUPS", "WRONG", "Fixture", "Wrong", "pick", "replace"]
