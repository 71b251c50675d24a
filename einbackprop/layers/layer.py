"""What a layer of the catalogue is: a forward, its vjp, and how one came from the other."""

import textwrap
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ..core.records import dataclass

Array = NDArray[Any]
WIDTH = 100


@dataclass(frozen=True)
class Layer:
    """A forward and its vjp, with the derivation that leads from the one to the other.

    Attributes
    ----------
    name : str
        What the layer is looked up by: ``"layer norm"``.
    words : str
        What it does, in a few words.
    vjp_words : str
        What becomes of a cotangent on its way back, in a few words.
    forward, vjp : callable
        ``vjp`` takes the cotangents of what forward returns, then what forward takes, then those of forward's
        outputs that it needs, by their names. It returns one cotangent for each of ``wrt``, in their order.
    derivation : str
        The forward's equations in index notation, then the partial derivatives and the cotangents that follow.
        What stands right of ``⇒`` is the chain rule applied to what stands left of it.
    outputs : tuple of str
        What the derivation calls the values that forward returns.
    wrt : tuple of str
        The arguments that have a cotangent. Integers, masks and settings have none.
    """

    name: str
    words: str
    vjp_words: str
    forward: Callable[..., Any]
    vjp: Callable[..., Any]
    derivation: str
    outputs: tuple[str, ...]
    wrt: tuple[str, ...]

    def __str__(self) -> str:
        backward = textwrap.fill(f"Backward: {self.vjp_words}.", WIDTH)
        return f"{self.name}: {self.words}\n\n{self.derivation.strip()}\n\n{backward}\n"
