"""Values in an order in which what each is made from comes first, without recursion: a loop of the user's makes
programs thousands of equations deep."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from .program import Equation, operands

Node = TypeVar("Node", bound=Hashable)


def operands_first(name: str, made: Mapping[str, Equation], known: Container[str] = ()) -> Iterator[str]:
    """The names of a value and of all that it is made from, operands first; what is known is left out, and what is only
    needed for that."""
    return bottom_up(name, lambda n: (ref.name for ref in operands(made[n])) if n in made else (), known)


def bottom_up(root: Node, inner: Callable[[Node], Iterable[Node]], known: Container[Node] = ()) -> Iterator[Node]:
    """A node and all below it, each once and after those below it; ``known`` is asked again as the caller fills it.

    >>> list(bottom_up(3, lambda n: range(n)))
    [0, 1, 2, 3]
    """
    seen: set[Node] = set()
    waiting = [(root, False)]
    while waiting:
        node, is_ready = waiting.pop()
        if is_ready:
            yield node
        elif node not in seen and node not in known:
            seen.add(node)
            waiting.append((node, True))
            waiting += [(n, False) for n in reversed([*inner(node)])]
