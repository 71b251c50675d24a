"""The question of a layer: its forward, and its backward at a cotangent that is drawn."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from einbackprop.checking.answers import same
from einbackprop.checking.naming import gradient_of
from einbackprop.core.nesting import leaves
from einbackprop.core.source import parse_python, substituted

from ..questions import Question
from .arguments import Resolver, arguments_in, free_names, united
from .candidates import Layer, cotangents_of
from .definitions import Definition, receiver_in
from .invention import Term
from .proposal import Proposal
from .roots import roots_of
from .search import Search


def of_layer(search: Search, resolver: Resolver, layer: Layer) -> Proposal | None:
    """A layer's forward and backward, with a cotangent that is drawn."""
    cotangents = cotangents_of(layer)
    forward = resolver.call(layer.forward) if cotangents else None
    forward = forward and with_named_arguments(forward, layer.forward, search.names)
    result = None if forward is None else search.trials(forward.setup, forward.text)
    if forward is not None and result is None:
        ways = (one for one in as_wide(search, resolver, layer, forward)
                if search.trials(one.setup, one.text) is not None)  # fmt: skip
        forward = next(ways, forward)
        result = search.trials(forward.setup, forward.text)
    if not cotangents or forward is None or result is None:
        return None
    reads_cache = any(name in layer.forward.parts or name == "cache" for name in layer.backward.parameters)
    outputs = layer.forward.parts[: -1 if reads_cache else None]
    if len(cotangents) == 1 and len(outputs) > 1 and isinstance(result, tuple):
        # of several outputs the one that the cotangent is called after
        stems = gradient_of(cotangents[0])
        place = next((n for n, name in enumerate(outputs) if name in stems), 0)
        text = f"(lambda result: (result[{place}], result[-1]))({forward.text})" if reads_cache else (
            f"{forward.text}[{place}]")
        forward, result = Term(text, forward.setup), (result[place], result[-1])
    given = {name: "dout" if len(cotangents) == 1 else f"dout[{n}]" for n, name in enumerate(cotangents)}
    rest = [name for name in layer.backward.parameters
            if name not in given and name not in layer.backward.optional]  # fmt: skip
    setup, shared = list(forward.setup), arguments_in(forward, search.script)
    for name in rest:
        if name in layer.forward.parts and len(layer.forward.parts) > 1:
            place = layer.forward.parts.index(name)
            is_last = place == len(layer.forward.parts) - 1
            given[name] = "cache" if is_last else "out"
        elif name in shared:  # what this forward was given, not what another call of the backward is
            given[name] = shared[name].text
        elif (term := resolver.parameter(layer.backward, name)) is not None:
            # a variable may hold what another call of the forward has left
            is_made = term.text.isidentifier() or term.text.startswith(f"{layer.forward.name}(")
            is_own = name == "cache" and isinstance(result, tuple) and is_made
            given[name] = name if is_own else term.text
            setup += [] if is_own else term.setup
        elif len(rest) == 1 and isinstance(result, tuple):
            given[name] = "cache"
        else:
            return None
    arguments = ", ".join(given[name] for name in layer.backward.parameters if name in given)
    receiver = receiver_in(forward.text) if layer.backward.owner else ""
    backward = f"{receiver}.{layer.backward.name}({arguments})" if receiver else (
        f"{layer.backward.name}({arguments})")
    return _tried(search, resolver, layer, Term(forward.text, united(setup)), backward, receiver)


def as_wide(search: Search, resolver: Resolver, layer: Layer, forward: Term) -> Iterator[Term]:
    """The call of a layer's forward, with data that were made up as wide as the arrays that the layer's object holds,
    such as those of a norm that was made for so many features.
    """
    receiver = resolver.receiver(layer.forward.owner) if layer.forward.owner else None
    held = search.trials(receiver.setup, f"vars({receiver.text})") if receiver is not None else None
    arrays = [leaf for _, leaf in leaves(held) if isinstance(leaf, np.ndarray) and leaf.ndim]
    made = [one for one in forward.setup if one.partition(" = ")[0] in layer.forward.parameters]
    named = (line.partition(" = ")[2] for line in forward.setup)
    letters = {search.trials(forward.setup, text): text for text in named if re.fullmatch("[a-z]", text)}
    for size in dict.fromkeys(array.shape[-1] for array in arrays) if len(made) == 1 else ():
        wide = re.sub(r"\w+\)$", f"{letters.get(size, size)})", made[0])
        yield Term(forward.text, tuple(wide if one == made[0] else one for one in forward.setup))


def with_named_arguments(call: Term, function: Definition, names: Mapping[str, object]) -> Term:
    """A call whose arguments are names: of ``forward(np.stack([u, v]))`` the gradient is one of ``x``, neither of u nor
    of v.
    """
    node = parse_python(call.text, "eval").body
    if not isinstance(node, ast.Call):
        return call
    setup = list(call.setup)
    places = [(name, n) for n, name in enumerate(function.parameters[: len(node.args)])]
    for name, n in places:
        given = node.args[n]
        is_place = isinstance(given, ast.Name | ast.Attribute | ast.Subscript | ast.Constant | ast.Starred)
        if not is_place and free_names(given) and name not in names:
            setup.append(f"{name} = {ast.unparse(given)}")
            node.args[n] = ast.Name(name, ast.Load())
    return Term(ast.unparse(node), tuple(setup))


def _tried(
    search: Search, resolver: Resolver, layer: Layer, forward: Term, backward: str, receiver: str
) -> Proposal | None:
    """The question of a layer, once its backward was run on a cotangent of ones."""
    stored = search.script.left_by(layer.backward) if receiver else ()
    several = "dout[1]" in backward
    given = ["result = " + forward.text, "out = result[0] if isinstance(result, tuple) else result",
             "cache = result[-1] if isinstance(result, tuple) else None",
             "dout = [one * 0 + 1.0 for one in result[:-1]]" if several else "dout = out * 0 + 1.0"]  # fmt: skip
    held = ", ".join(f"{name!r}: {receiver}.{name}" for name in stored)
    gradients = search.trials([*forward.setup, *given], f"({backward}, {{{held}}})")
    if gradients is None:
        return None
    made = {f"{receiver}.{name}" for name in layer.forward.stores} if receiver else set()
    places = [place for place in search.places(forward) if place.text not in made]  # an input that is kept is no input
    returned, parts = gradients[0], [part for part in layer.backward.parts if part != "None"]
    order = search.given(forward, places)
    own = [root for root in roots_of(returned, parts, places, given=order)[0]
           if reads(search, forward, root)] if parts else []  # fmt: skip
    roots = [*own, *roots_of(gradients[1], (), places)[0]]
    if not roots:
        return None
    grads = ", ".join([*(["returned"] if own else []), *(f"{receiver}.{name}" for name in stored)])
    question = Question(list(dict.fromkeys(roots)), forward=forward.text, backward=backward,
                        grads=grads if stored else "")
    expression, draws = _as_read(forward, backward, receiver, search.numpy)
    return replace(search.proposal(question, forward.setup, resolver), expression=expression, draws=draws)


def reads(search: Search, forward: Term, root: str) -> bool:
    """Whether a forward gives something else where an array is moved; True where that cannot be told."""
    ones = search.ones_at(forward.setup, [root])
    values = [search.trials.moved(forward.setup, moves, f"[{forward.text}]") for moves in ({}, ones)]
    return None in values or not same(*values)


def _as_read(forward: Term, backward: str, receiver: str, numpy: str) -> tuple[str, str]:
    """A backward after its forward as one expression, and the statement that draws its cotangent."""
    parts = {"cache": f"{forward.text}[-1]", "out": f"{forward.text}[0]"}
    nodes = {name: parse_python(text, "eval").body for name, text in parts.items()}
    after = ast.unparse(substituted(parse_python(backward, "eval").body, nodes))
    several = "dout[1]" in backward
    whole = f"{forward.text}[0]" if after != backward and not several else forward.text
    drawn = f"{numpy}.random.randn(*{numpy}.shape({whole}))"
    if several:
        drawn = f"[{numpy}.random.randn(*{numpy}.shape(each)) for each in {forward.text}[:-1]]"
    return f"({forward.text}, {after})[-1]" if receiver else after, f"dout = {drawn}"
