"""Graphs: which shown value is made of which, with the letters under which it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from ..core.program import Equation, Program, Ref, operands
from ..core.records import dataclass
from .view import View

Kind = Literal["value", "gradient"]


@dataclass(frozen=True, slots=True)
class Node:
    """A line of a program: the value that it makes, as it is shown, and what it says.

    Attributes
    ----------
    value : str
        Its name in the program.
    shown : Ref
    kind : 'value' or 'gradient'
    title : str
        The equation.
    """

    value: str
    shown: Ref
    kind: Kind = "value"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A value that is read: where it comes from, which line reads it, and how it is shown there."""

    source: str
    target: str
    shown: Ref


@dataclass(frozen=True, slots=True)
class Graph:
    """Lines in their order, and what each reads: values of other lines, and what comes from outside."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]


def graph_of(program: Program, nodes: tuple[Node, ...]) -> Graph:
    """The graph of some values of a program; those between them are followed to the next that is shown."""
    defining, view = program.defining(), View.of(program)
    names = {node.value: node.shown.name for node in nodes} | outside(program, view)
    arrows: dict[Arrow, None] = {}
    for node in nodes:
        for ref in reads(node.value, names, defining):
            arrows[Arrow(ref.name, node.value, Ref(names[ref.name], ref.indices))] = None
    return Graph(nodes, tuple(arrows))


def outside(program: Program, view: View) -> dict[str, str]:
    """What inputs and named constants are called."""
    inputs = {i.ref.name: view.called(i.ref.name) for i in program.inputs}
    return inputs | {name: program.labels[name] for name in program.constants if name in program.labels}


def reads(value: str, shown: Mapping[str, str], defining: Mapping[str, Equation]) -> Iterator[Ref]:
    """The values that one is made of, as far back as the first that are shown."""
    seen = {value}
    pending = read_by(defining.get(value))
    while pending:
        ref = pending.pop()
        if ref.name in shown:
            yield ref
        elif ref.name not in seen:
            seen.add(ref.name)
            pending += read_by(defining.get(ref.name))


def read_by(equation: Equation | None) -> list[Ref]:
    """The operands of an equation, the first one last."""
    return [] if equation is None else list(operands(equation))[::-1]
