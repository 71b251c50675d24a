"""Proposes what a script asks: by its functions, else by what it does outside of them."""

from __future__ import annotations

from typing import Any

from einbackprop.core.source import parse_python

from .definitions import script_of
from .flat_questions import Again, of_flat_parts, of_updating_backwards
from .flattened import flat_parts
from .function_questions import FunctionSearch
from .proposal import Proposal
from .trials import Trials

NOTHING = "no function that gives gradients was found: give --loss and --grads, or --both, or --forward and --backward"


def propose(names: dict[str, Any], source: str, again: Again | None = None) -> Proposal:
    """What a script asks first; a proposal without a question where nothing is found.

    Parameters
    ----------
    names
        Those of the script after it ran.
    source
        Its text.
    again
        Runs another text in the script's place; None leaves out what stands in no function.
    """
    found = next(iter(proposals_of(names, source, again)), None)
    return found or Proposal(notes=(NOTHING,))


def proposals_of(names: dict[str, Any], source: str, again: Again | None = None) -> list[Proposal]:
    """All that a script asks, a proposal for each function that gives gradients, the likeliest first.

    A function that another one calls which is asked about already is left out. Parameters are those of `propose`.
    """
    tree = parse_python(source)
    script = script_of(tree)
    flats = list(flat_parts(script, tree)) if again is not None else []
    found = list(of_updating_backwards(flats, source, again)) if again is not None else []
    found = found or FunctionSearch(script, names, Trials(names), source).all()
    if not found and again is not None:
        found = list(of_flat_parts(script, flats, source, again))
    return found


def readings_of(names: dict[str, Any], source: str) -> list[Proposal]:
    """What can be read at least where nothing can be checked: proposals without a question, for functions that give
    gradients and are called with arrays that are made up. Parameters are those of `propose`.
    """
    return FunctionSearch(script_of(parse_python(source)), names, Trials(names), source).readings()
