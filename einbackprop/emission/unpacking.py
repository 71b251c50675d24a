"""Unpacking: the parameters of a function in source, and the lines that take its nested arguments apart."""

from __future__ import annotations

import keyword
from collections.abc import Container, Iterator, Sequence
from dataclasses import field
from typing import Any

from ..core.nesting import Attribute
from ..core.program import Input, Program
from ..core.records import dataclass
from ..core.visible import shown
from ..errors import NotationError
from .literals import exactly, literal, quoted
from .scope import Scope


@dataclass
class Node:
    """A place among the arguments: an input, or what stands at each step further in."""

    children: dict[Any, Node] = field(default_factory=dict)
    input: Input | None = None


def tree(program: Program) -> Node:
    """The inputs where their paths say; without any path, each is an argument of its own."""
    root = Node()
    placed = any(given.path for given in program.inputs)
    for number, given in enumerate(program.inputs):
        node = root
        for step in given.path if placed else (number,):
            node = node.children.setdefault(step, Node())
        if node is root or node.input is not None:
            path = shown(given.path)
            raise NotationError(f"the path {path} of {given.ref.name} is no place of its own among the arguments")
        node.input = given
    if any(node.input and node.children for node in descend(root)):
        raise NotationError("an input stands inside another among the arguments")
    if not all(isinstance(step, int) and step >= 0 for step in root.children):
        raise NotationError(f"arguments are counted from 0, not by {shown(list(root.children))}")
    return root


def descend(node: Node) -> Iterator[Node]:
    """Every place, from the outside in."""
    yield node
    for child in node.children.values():
        yield from descend(child)


def parameters(root: Node, called: Sequence[str], scope: Scope) -> tuple[list[str], list[tuple[str, Node]]]:
    """The function's parameters, and those among them that are to be unpacked."""
    names: list[str] = []
    nested: list[tuple[str, Node]] = []
    single = len(root.children) == 1
    for position in range(max(root.children, default=-1) + 1):
        node = root.children.get(position, Node())
        given = called[position] if position < len(called) else "arguments" if single else f"argument_{position}"
        names.append(scope.names[node.input.ref.name] if node.input else scope.identifiers.take(given))
        if node.children:
            nested.append((names[-1], node))
    return names, nested


def unpack(expression: str, node: Node, used: Container[str], scope: Scope) -> Iterator[str]:
    """The lines that take a container apart; an array that is not used is not named."""
    ordered = all(type(step) is int and step == n for n, step in enumerate(node.children))
    if ordered and len(node.children) > 1:
        targets = [target(expression, step, child, used, scope) for step, child in node.children.items()]
        yield f"{', '.join(targets)} = {expression}"
        for inner, child in zip(targets, node.children.values(), strict=True):
            yield from unpack(inner, child, used, scope)
        return
    for step, child in node.children.items():
        inner = reach(expression, step)
        if child.input is None:
            yield from unpack(inner, child, used, scope)
        elif child.input.ref.name in used:
            yield f"{scope.names[child.input.ref.name]} = {inner}"


def target(expression: str, step: Any, child: Node, used: Container[str], scope: Scope) -> str:
    """The variable that an item of a list is unpacked to."""
    if child.input is None:
        return scope.identifiers.take(f"{expression}_{step}")
    name = scope.names[child.input.ref.name]
    return name if child.input.ref.name in used else scope.identifiers.take(f"_{name}")


def reach(expression: str, step: Any) -> str:
    """An item or attribute of an expression."""
    if isinstance(step, Attribute):
        name = exactly(str, step)
        plain = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)
        return f"{expression}.{name}" if plain else f"getattr({expression}, {quoted(name)})"
    return f"{expression}[{literal(step)}]"
