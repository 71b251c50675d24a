"""Derivations, which are text: their letters in colour, and which of their values is made of which, as a graph."""

import re
from collections.abc import Collection, Iterator

from einbackprop.core.program import Ref
from einbackprop.core.visible import in_html
from einbackprop.notation.graphs import Arrow, Graph, Kind, Node
from einbackprop.notation.pages import colour

LETTERS = re.compile(r"(?<=_)[a-z]+(?= )|(?<=\[)[a-z0-9](?:[,=][a-z0-9])*(?=\])")
EQUATION = re.compile(r"(?:.*⇒\s+)?(?P<name>[A-Za-z]\w*)(?:\[(?P<letters>[^\]]*)\])?\s+= (?P<right>.*)")
REMARK = re.compile(r"\s{3,}.*")
READ = re.compile(r"(?<![\w∂])([A-Za-z]\w*)(?:\[([a-z0-9,]*)\])?(?!\w|\()")
OVER = re.compile(r"(?:Σ|max|first)_\w+")
LEFT_OUT = {"ones", "epsilon"}  # they are in every layer, and say nothing


def coloured(derivation: str) -> str:
    """A derivation as HTML, every letter in its colour."""

    def painted(run: re.Match[str]) -> str:
        return "".join(f'<i style="color:{colour(c)}">{c}</i>' if c.isalpha() else c for c in run.group())

    return LETTERS.sub(painted, in_html(derivation))


def graph_in(derivation: str) -> Graph:
    """The values that a derivation defines, in its order, and what each is made of."""
    equations = list(equations_in(derivation))
    defined = {name for name, _, _ in equations}
    bare = not re.search(r"\w\[", derivation)  # no letters tell values from sizes
    pairs = ((name, found) for name, _, right in equations for found in read_in(right, defined, bare))
    read = [(name, found) for name, found in pairs if found.name != name]
    known = defined | {found.name for _, found in read}
    nodes: dict[str, Node] = {}
    for name, letters, right in equations:
        kind: Kind = "gradient" if name.startswith("d") and name[1:] in known else "value"
        nodes.setdefault(name, Node(name, Ref(name, letters), kind, f"{name} = {right}"))
    return Graph(tuple(nodes.values()), tuple(dict.fromkeys(Arrow(found.name, name, found) for name, found in read)))


def equations_in(derivation: str) -> Iterator[tuple[str, str, str]]:
    """The name, the letters and the right-hand side of each value that is defined; partial derivatives are none."""
    for line in derivation.splitlines():
        found = None if line.startswith("    ") else EQUATION.fullmatch(line)
        if found is not None and ("∂" not in line or "⇒" in line):
            yield found["name"], letters_in(found["letters"]), REMARK.sub("", found["right"])


def read_in(right: str, defined: Collection[str], bare: bool) -> Iterator[Ref]:
    """The values on a right-hand side, with the letters under which they are read."""
    for name, letters in READ.findall(OVER.sub("", right)):
        if name not in LEFT_OUT and (bare or name in defined or letters_in(letters)):
            yield Ref(name, letters_in(letters))


def letters_in(inside: str | None) -> str:
    """The letters of ``0,t,i``."""
    return "".join(c for c in inside or "" if c.isalpha())
