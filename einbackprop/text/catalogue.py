"""The catalogue looked up by name, for the command line."""

from difflib import get_close_matches

from einbackprop.errors import ScriptError
from einbackprop.layers import CATALOGUE
from einbackprop.layers.layer import Layer
from einbackprop.text.explanation import explain


def explained(what: str | None, names: str | None = None, result: str | None = None) -> str:
    """What there is to say of subscripts or of a layer; of nothing, the list of layers.

    Raises
    ------
    ScriptError
        There is no such layer.
    SubscriptsError
        The subscripts are malformed.
    """
    if what is None:
        width = max(map(len, CATALOGUE))
        return "\n".join(f"{layer.name:<{width}}  {layer.words}" for layer in CATALOGUE.values())
    if "->" in what or "," in what:
        operands = tuple(name.strip() for name in names.split(",")) if names else None
        return str(explain(what, names=operands, result=result) if result else explain(what, names=operands))
    return str(layer_named(what))


def layer_named(name: str) -> Layer:
    """The layer of a name, however its words are joined: ``layer norm``, ``layer-norm``, ``LayerNorm``."""
    known = {plain(layer): layer for layer in CATALOGUE}
    if plain(name) in known:
        return CATALOGUE[known[plain(name)]]
    close = get_close_matches(plain(name), known, 1)
    hint = f"did you mean {known[close[0]]!r}?" if close else "`einbackprop explain` alone lists them"
    raise ScriptError(f"the catalogue has no layer {name!r}: {hint}")


def plain(name: str) -> str:
    """The letters and digits of a name."""
    return "".join(c for c in name.lower() if c.isalnum())
