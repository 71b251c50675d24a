"""Which functions of a script give gradients, which a loss, which are a layer's two halves: by names and returns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...core.records import dataclass
from .definitions import FORWARD, Definition, Script
from .invention import TARGET, UPSTREAM

GRADIENTS = re.compile(r"^(?!.*(?:desc|abstieg)).*?(?:grad|back|bprop|bwd|deriv|nabla|jac|bptt|adjoint|pullback)",
                       re.IGNORECASE)  # fmt: skip
FALLING = (r"loss|cost|mse|nll|entropy|perd[ai]|perte|co[uû]t|custo|verlust|fehler|kosten|verlies|strata|koszt|"
           r"kay[iı]p|galat|kerugian|biaya|ztr[aá]t|veszt|tappio|f[oö]rlust|kostnad|pierder|poter[iy]")  # fmt: skip
"""What numbers are called of which nobody wants more."""
LOSS = re.compile(FALLING + r"|objecti[vf]|objetivo|obiettivo|zielfunk|error|erro|energy|lik\b|logp|criterion|"
                  r"likelihood|posterior|log_?prob\b|elbo|"
                  r"risk|divergence|deviance|misfit|^(?:J|L|E|C|ce|f)$", re.IGNORECASE)  # fmt: skip
TRAINED = re.compile(r"loss|cost|objective|nll|likelihood|logp|criterion|entropy|elbo|risk|^[JL]$",
                     re.IGNORECASE)  # fmt: skip
"""What a loss is called that is trained for; an ``error`` that is printed may be twice that."""
NUMERICAL = re.compile(r"numeric|finite|check|approx|eval_num|test|compare|assert|relative|rel_err", re.IGNORECASE)
SHORT = re.compile(r"gr?|δ|∇", re.IGNORECASE)
"""What the gradient is called that a loss returns as well."""
EMPTYING = re.compile(r"zero|reset|clear|flush", re.IGNORECASE)
"""What functions are called that leave gradients empty."""
TRAINING = re.compile(r"train|^fit|^main|plot|optimi[sz]|descen|abstieg|^sgd|update|^run_|epoch|^step$|minimi[sz]e|"
                      r"solve|sample$|predict|accuracy|load|init", re.IGNORECASE)  # fmt: skip
VALUE = re.compile(r"(?:in|out)(?:put)?s?|act(?:ivation)?s?|value|[xzah]\d?|net|weighted_input")
"""What a derivative is called with that is taken at a value."""
STARTING = re.compile(r"init|reset|build|create", re.IGNORECASE)
"""What methods are called that make or draw what an object begins with."""


@dataclass(frozen=True)
class Layer:
    """A forward and the backward that belongs to it."""

    forward: Definition
    backward: Definition


def gradient_functions(script: Script) -> Iterator[Definition]:
    """Functions that give gradients, the likeliest first: those that say so and whose returns do."""
    def likelihood(item: Definition) -> tuple[int, int]:
        given = len(script.gradients_in(item)) + sum(map(script.is_gradient, item.stores))
        return (2 * item.says(GRADIENTS) + bool(given), given)

    found = [item for item in script.definitions if gives_gradients(script, item)]
    return iter(sorted(found, key=likelihood, reverse=True))


def gives_gradients(script: Script, item: Definition) -> bool:
    """Whether a function seems to give gradients, and does not train; as a whole does that hands on to a method of its
    own name which gives some, whatever that is called.
    """
    parts = [other for other in script.functions(item.name) if other.owner != item.owner and item.name in item.calls]
    return any(_gives(script, one) for one in (item, *parts))


def _gives(script: Script, item: Definition) -> bool:
    """Whether a function seems to give gradients by what it is called, stores and returns."""
    if item.says(NUMERICAL) or item.says(EMPTYING) or item.name.startswith("__") or item.makes_functions:
        return False
    named = item.says(GRADIENTS) or item.name in script.updating
    # ``return L, g``, or of a loss
    parts = script.parts_of(item)
    says_loss = item.says(LOSS) or (len(parts) == 2 and LOSS.search(parts[0]) is not None)
    is_short = says_loss and SHORT.fullmatch("".join(parts[1:])) is not None
    given = is_short or bool(script.gradients_in(item))
    if TRAINING.search(item.name) and not named:
        return given
    return named or given or any(map(script.is_gradient, item.stores))


def has_loss(script: Script, item: Definition) -> bool:
    """Whether what a function returns may be a loss and gradients."""
    parts = script.parts_of(item)
    if len(parts) < 2:
        return False
    called = [name for name in parts if not script.is_gradient(name) and (
        LOSS.search(name) if name.isidentifier() else re.search(r"loss|cost|nll", name, re.IGNORECASE))]
    if item.says(LOSS) or called:
        return True
    # ``value_and_grad`` has one of another name; of ``gradients``, with ``g0, gw, gV``, a number may be a gradient too
    says_so = re.search(r"_and_|_with_|val", item.name) is not None or not item.says(GRADIENTS)
    return says_so and bool(script.gradients_in(item)) and not script.is_gradient(parts[0])


def loss_functions(script: Script, gradients: Definition) -> tuple[list[Definition], list[Definition]]:
    """Functions that may be the loss, the likeliest first, of the same class first: those that are called one, and any
    others.
    """
    def likelihood(item: Definition) -> tuple[bool, int, bool]:
        shared = len(set(item.parameters) & set(gradients.parameters))
        return (item.owner == gradients.owner, shared, item.says(LOSS))

    possible = [item for item in script.definitions if item.returned and item.node is not gradients.node
                and not item.says(NUMERICAL) and not item.says(GRADIENTS)
                and not item.name.startswith("__") and (item.says(LOSS) or not TRAINING.search(item.name))]
    called = [item for item in possible if item.says(LOSS) or any(LOSS.search(part) for part in item.parts)]
    others = [item for item in possible if item not in called]
    ordered = (sorted(found, key=likelihood, reverse=True) for found in (called, others))
    return next(ordered), next(ordered)


def layers(script: Script) -> Iterator[Layer]:
    """Pairs of a forward and a backward: ``affine_forward`` and ``affine_backward``, two methods of a class."""
    for item in script.definitions:
        if not item.says(GRADIENTS) or item.says(NUMERICAL):
            continue
        for other in script.definitions:
            if item.owner == other.owner and FORWARD.search(other.name) and stem_of(item.name) == stem_of(other.name):
                yield Layer(other, item)
                break


def stem_of(name: str) -> str:
    """What a forward and its backward have in common: ``affine`` of ``affine_forward``."""
    name = re.sub(r"forward|backward|fprop|bprop|backprop(agate|agation)?|back|fwd|bwd|propagation|_?grad(ients?)?|"
                  r"call|feed", "", name, flags=re.IGNORECASE)  # fmt: skip
    return name.strip("_").lower()


def cotangents_of(layer: Layer) -> list[str]:
    """The parameters of a backward that are the cotangents of its forward's outputs; none where none is called so."""
    needed = [name for name in layer.backward.parameters if name not in layer.backward.optional]
    named = [name for name in needed if UPSTREAM.fullmatch(name) and name not in layer.forward.parameters]
    if named:
        return named
    alone = len(needed) == 1 and needed[0] not in ("cache", *layer.forward.parameters)
    # of targets: its loss is its own; of an output: it is the derivative there
    return needed if alone and not (TARGET.fullmatch(needed[0]) or VALUE.fullmatch(needed[0])) else []
