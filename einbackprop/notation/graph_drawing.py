"""A graph of lines, drawn: the lines under each other in their order, as they stand in the code.

What comes from outside stands at the left of the line that reads it. A value that the next line reads goes straight
down; one that is read further on goes down a lane at the right, from which each of its readers takes it. So the drawing
grows in one direction only, and a line of the drawing is as easy to follow at sixty lines as at ten.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.collecting import grouped
from ..core.program import Ref
from ..core.records import dataclass
from ..core.visible import in_html
from . import svg
from .graphs import Arrow, Graph, Node

SLOT, GAP, ROUND = 18.0, 24.0, 6.0
LANE, NARROWEST, LANES = 13.0, 5.0, 180.0  # between lanes, at least; of all, where there are many
LETTER = 6.8
HEADING = "What is made of what"
NEAR = 3  # lines
LONGEST = 13  # characters of a name at a lane


@dataclass(frozen=True)
class Placed:
    """A line of the drawing: where it stands, and what it takes at the left, from the line above, and from lanes."""

    node: Node
    top: float
    height: float
    leaves: tuple[Arrow, ...]
    above: Arrow | None
    taps: tuple[Arrow, ...]

    def slot(self, number: int, count: int) -> float:
        """The height of one of several places at a side."""
        return self.top + self.height / 2 + (number - (count - 1) / 2) * SLOT


def drawing(graph: Graph) -> str:
    """The graph as a part of a page; nothing where there is nothing to see."""
    return f"<section><h2>{HEADING}</h2>{Drawing(graph).figure()}</section>" if len(graph.nodes) > 1 else ""


class Drawing:
    """The places of a graph, and the shapes that stand there."""

    def __init__(self, graph: Graph) -> None:
        self.rank = {node.value: n for n, node in enumerate(graph.nodes)}
        by_target = grouped((arrow.target, arrow) for arrow in graph.arrows)
        direct = {node.value: self._above(by_target.get(node.value, ()), n) for n, node in enumerate(graph.nodes)}
        inner = [a for a in graph.arrows if a.source in self.rank and a is not direct[a.target]]
        self.lanes = self._lanes(inner)
        self.rows: list[Placed] = []
        top = 0.0
        for node in graph.nodes:
            own = by_target.get(node.value, ())
            leaves = tuple(arrow for arrow in own if arrow.source not in self.rank)
            taps = sorted((a for a in own if a in inner), key=lambda arrow: self.lanes[arrow.source])
            slots = max(len(leaves), len(taps) + (node.value in self.lanes))
            height = max(30.0, slots * SLOT + 12)
            self.rows.append(Placed(node, top, height, leaves, direct[node.value], tuple(taps)))
            top += height + GAP
        self.bottom = top - GAP
        self.half = max(svg.width_of(node.shown) for node in graph.nodes) / 2 + 12
        longest = max((len(self._name(arrow)) + len(arrow.shown.indices) for arrow in graph.arrows), default=0)
        letters = max((len(arrow.shown.indices) for arrow in graph.arrows), default=0)
        self.lead, self.reach = 22 + LETTER * letters, 22 + LETTER * longest  # to the leaves, and to the first lane
        self.names = max((svg.CHARACTER * len(svg.short(a.shown.name)) for r in self.rows for a in r.leaves), default=0)

    def _name(self, arrow: Arrow) -> str:
        """The name of what comes down a lane from further than one sees at a glance."""
        far = self.rank[arrow.target] - self.rank.get(arrow.source, self.rank[arrow.target]) > NEAR
        return svg.short(arrow.shown.name, LONGEST) if far else ""

    def _above(self, arrows: tuple[Arrow, ...] | list[Arrow], rank: int) -> Arrow | None:
        """What a line takes from the one above it, if that is all of it."""
        found = [arrow for arrow in arrows if self.rank.get(arrow.source) == rank - 1]
        return found[0] if len(found) == 1 else None

    def _lanes(self, arrows: list[Arrow]) -> dict[str, int]:
        """A lane for each value, such that no two are in one lane at the same height."""
        reaches = {
            source: [self.rank[source], *(self.rank[arrow.target] for arrow in own)]
            for source, own in grouped((arrow.source, arrow) for arrow in arrows).items()
        }
        free: list[int] = []  # for each lane, the first line at which it is free
        lanes: dict[str, int] = {}
        for source, ranks in sorted(reaches.items(), key=lambda item: min(item[1])):
            number = next((n for n, line in enumerate(free) if line < min(ranks)), len(free))
            free[number : number + 1] = [max(ranks)]
            lanes[source] = number
        self.step = max(NARROWEST, min(LANE, LANES / max(len(free), 1)))
        self.width = len(free) * self.step
        return lanes

    def figure(self) -> str:
        """The whole drawing."""
        left = -self.half - (self.lead + self.names if self.names else 0) - 8
        right = self.half + (self.reach + self.width if self.width else 0) + 8
        shapes = [shape for row in self.rows for shape in self._row(row)]
        words = f"a graph of {len(self.rows)} lines"
        return svg.figure(shapes, left, -6, right - left, self.bottom + 12, words)

    def _row(self, row: Placed) -> Iterator[str]:
        """A line, what it takes, and the lane that its value goes down."""
        yield '<g class="node">'
        yield from self._lane(row)
        middle = row.top + row.height / 2
        for n, arrow in enumerate(row.leaves):
            yield from self._leaf(arrow, row.slot(n, len(row.leaves)))
        if row.above is not None:
            yield f'<path class="edge" d="M0 {row.top - GAP:.1f}V{row.top - 5:.1f}"/>{head(0, row.top, 90)}'
            yield svg.letters(row.above.shown.indices, 6, row.top - GAP / 2 + 4, "start")
        yield (
            f'<rect class="{row.node.kind}" x="{-self.half:.1f}" y="{row.top:.1f}" width="{2 * self.half:.1f}" '
            f'height="{row.height:.1f}" rx="{ROUND}"><title>{in_html(row.node.title)}</title></rect>'
        )
        yield svg.label(row.node.shown, 0, middle + 4) + "</g>"

    def _leaf(self, arrow: Arrow, y: float) -> Iterator[str]:
        """What comes from outside: its name, and a short way to the line, with the letters on it."""
        start = -self.half - self.lead
        yield svg.label(Ref(arrow.shown.name), start - 3, y + 4, "end")
        yield f'<path class="edge" d="M{start:.1f} {y:.1f}H{-self.half - 5:.1f}"/>{head(-self.half, y, 0)}'
        yield svg.letters(arrow.shown.indices, start + self.lead / 2 - 3, y - 3)

    def _lane(self, row: Placed) -> Iterator[str]:
        """The way of a value from its line to all that read it further on."""
        value = row.node.value
        if value not in self.lanes:
            return
        x = self.half + self.reach + self.lanes[value] * self.step
        out = row.slot(len(row.taps), len(row.taps) + 1)
        yield f'<path class="edge" d="M{self.half:.1f} {out:.1f}H{x - ROUND:.1f}"/>'
        for reader in self.rows:
            for n, arrow in enumerate(reader.taps):
                if arrow.source == value:
                    y = reader.slot(n, len(reader.taps) + (reader.node.value in self.lanes))
                    turn = ROUND if y > out else -ROUND
                    yield (
                        f'<path class="edge" d="M{x - ROUND:.1f} {out:.1f}Q{x:.1f} {out:.1f} {x:.1f} {out + turn:.1f}'
                        f'V{y - turn:.1f}Q{x:.1f} {y:.1f} {x - ROUND:.1f} {y:.1f}H{self.half + 5:.1f}"/>'
                        f"{head(self.half, y, 180)}"
                    )
                    yield svg.letters(arrow.shown.indices, self.half + 9, y - 3, "start", self._name(arrow))


def head(x: float, y: float, turned: int) -> str:
    """The head of an arrow that ends at a point."""
    return f'<path class="head" transform="translate({x:.1f} {y:.1f}) rotate({turned})" d="M0 0L-6 -3V3Z"/>'
