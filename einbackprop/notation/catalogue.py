"""The catalogue: a layer looked up by name or by its function, shown with its code."""

import ast
import inspect
import re
from collections.abc import Callable
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from einbackprop.core import visible
from einbackprop.core.progress import contained
from einbackprop.core.records import dataclass
from einbackprop.core.source import parse_python
from einbackprop.errors import ScriptError
from einbackprop.layers import CATALOGUE
from einbackprop.layers.layer import Layer
from einbackprop.notation import derivations, latex, pages
from einbackprop.notation.graph_drawing import drawing


@dataclass(frozen=True)
class LayerExplanation:
    """A layer to be read: its derivation and its einsums. ``str`` gives text; a notebook shows it as it stands.

    Attributes
    ----------
    layer : Layer
    """

    layer: Layer

    def __str__(self) -> str:
        title, derivation = str(self.layer).split("\n\n", 1)
        return "\n\n".join(part.rstrip("\n") for part in (title, self.letters, derivation, self.code) if part)

    def __repr__(self) -> str:
        return str(self)

    @property
    def letters(self) -> str:
        """What each letter ranges over: the tables at the top of the layer's file."""
        lines = (inspect.getdoc(inspect.getmodule(inspect.unwrap(self.layer.forward))) or "").splitlines()
        kept = [line for line in lines if line.startswith("    ") or not line]
        return re.sub("\n{3,}", "\n\n", "\n".join(kept)).strip("\n")

    @property
    def code(self) -> str:
        """Forward and vjp as they stand in their file, and the functions of that file that they call."""
        return "\n\n".join(code_of(function) for function in functions_of(self.layer)) + "\n"

    @property
    def html(self) -> str:
        """The explanation as HTML, as a notebook shows it."""
        return pages.article([f"<pre>{visible.in_html(str(self))}</pre>"])

    def to_html(self) -> str:
        """The explanation as one page, with nothing in it from elsewhere: the derivation, drawn too, and the code."""
        layer, called = self.layer, functions_of(self.layer)
        parts = [("Letters", self.letters), ("Forward and derivation", layer.derivation.strip("\n"))]
        shown = [section(heading, derivations.coloured(text)) for heading, text in parts if text]
        drawn = contained("the drawing on the page", lambda: drawing(derivations.graph_in(layer.derivation)), "")
        code = [section(heading, visible.in_html(code_of(function))) for heading, function in zip(
            ("Forward", f"Backward: {layer.vjp_words}"), called, strict=False)]  # fmt: skip
        rest = "\n\n".join(map(code_of, called[2:]))
        code += [section("What they call", visible.in_html(rest))] if rest else []
        name, words = visible.in_html(layer.name), visible.in_html(layer.words)
        header = f"<header><h1>{name}<small> {words}</small></h1></header>"
        return pages.page(layer.name, pages.article([header, *shown, *code, drawn]))

    @property
    def latex(self) -> str:
        """The explanation as LaTeX: a fragment of lines in typewriter letters, for a document that has amsmath."""
        return latex.verbatim(str(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.html}


def section(heading: str, content: str) -> str:
    """Lines of text under a heading, on a page."""
    return f"<section><h2>{visible.in_html(heading)}</h2><pre>{content}</pre></section>"


def functions_of(layer: Layer) -> list[Callable[..., Any]]:
    """Forward, vjp, and what they call of their own file that is no layer itself, nor a check."""
    known = {function for other in CATALOGUE.values() for function in (other.forward, other.vjp)}
    found = [layer.forward, layer.vjp]
    for function in found:
        plain = inspect.unwrap(function)
        for name in plain.__code__.co_names:
            called = plain.__globals__.get(name)
            at_home = inspect.isfunction(called) and called.__module__ == plain.__module__
            if at_home and called not in known and called not in found and not name.startswith("require"):
                found.append(called)
    return found


def code_of(function: Callable[..., Any]) -> str:
    """The source of a function without its decorators and its docstring."""
    lines = inspect.getsource(inspect.unwrap(function)).splitlines()
    (definition,) = parse_python("\n".join(lines)).body
    assert isinstance(definition, ast.FunctionDef)
    docstring = definition.body[0]
    return "\n".join(lines[definition.lineno - 1 : docstring.lineno - 1] + lines[docstring.end_lineno :])


def layer_named(name: str) -> Layer:
    """The layer of a name, however its words are joined: ``layer norm``, ``layer-norm``, ``LayerNorm``.

    Raises
    ------
    ScriptError
        There is no such layer.
    """
    known = {plain(layer): layer for layer in CATALOGUE}
    if plain(name) in known:
        return CATALOGUE[known[plain(name)]]
    close = get_close_matches(plain(name), known, 1)
    hint = f"did you mean {known[close[0]]!r}?" if close else "`einbackprop explain` alone lists them"
    raise ScriptError(f"the catalogue has no layer {visible.shown(name)}: {hint}")


def layer_of(what: Any) -> Layer:
    """The layer that something is, or whose forward or vjp it is, or that a module of the catalogue has alone.

    Raises
    ------
    ScriptError
        It is none.
    """
    if isinstance(what, Layer):
        return what
    for layer in CATALOGUE.values():
        if what in (layer.forward, layer.vjp):
            return layer
    if isinstance(what, ModuleType) and hasattr(what, "LAYERS"):
        names = ", ".join(layer.name for layer in what.LAYERS)
        raise ScriptError(f"{what.__name__} is a file of layers: explain one of {names}")
    called = getattr(what, "__qualname__", None) or visible.shown(what)
    raise ScriptError(
        f"{called} cannot be explained: give subscripts such as 'ij,jb->ib', an equation, a program, or a layer of "
        "einbackprop.layers; eb.read shows a function of your own"
    )


def plain(name: str) -> str:
    """The letters and digits of a name."""
    return "".join(c for c in name.lower() if c.isalnum())
