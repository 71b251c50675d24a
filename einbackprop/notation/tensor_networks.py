"""A contraction drawn as a tensor network: an array is a node, a letter a line that joins the nodes that have it.

Where each letter joins two arrays or is open, the arrays stand on a circle, in their order. So the network of a
cotangent has the places of its contraction: the cotangent stands where the operand stood, whose letters are the open
ends now. In other networks, of products entry by entry, diagonals and plain sums, each letter is a rail beside the
arrays, with a dot where one of them has it; a rail that goes on at the end is a letter of the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..core.letters import letters_of
from ..core.program import Contract
from ..core.records import dataclass
from ..core.visible import in_html
from . import svg
from .index_notation import View, bracket_markup, equation_text
from .markup import text

HALF, GAP, LEG, BEND = 17.0, 54.0, 34.0, 30.0
ROW, RAIL, SLOT = 42.0, 24.0, 9.0
MOST = 12
"""Arrays on a circle; of more the rails are read with more ease."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Site:
    """A node: what it is called, its letters, where it stands, half of its width, and whether it is a cotangent."""

    name: str
    letters: str
    at: Point
    half: float
    is_cotangent: bool

    def shape(self) -> str:
        """The node, its name inside."""
        x, y = self.at
        return (
            f'<rect class="{"gradient" if self.is_cotangent else "value"}" x="{x - self.half:.1f}" y="{y - HALF:.1f}" '
            f'width="{2 * self.half:.1f}" height="{2 * HALF:.1f}" rx="{HALF}"/>'
            f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{in_html(svg.short(self.name))}</text>'
        )


def network(contract: Contract, view: View, cotangent: str = "") -> str:
    """The network of a contraction as a figure; the node of a cotangent is in its colour."""
    named = [(view.ref(ref).name, ref.indices, ref.name == cotangent) for ref in contract.operands]
    named += [(text(bracket_markup(bracket, view)), bracket.letters, False) for bracket in contract.brackets]
    if not named:
        return ""
    words = equation_text(contract, view)
    joins = {i: [n for n, (_, own, _) in enumerate(named) for one in own if one == i] for i in letters_of(contract)}
    opened = contract.out.indices
    on_circle = len(named) <= MOST and len(set(opened)) == len(opened)
    if on_circle and all(len(own) == (1 if i in opened else 2) == len(set(own)) for i, own in joins.items()):
        return circle(named, joins, words)
    return rails(named, joins, opened, words)


def half_width(named: Sequence[tuple[str, str, bool]]) -> float:
    """Half the width of all nodes, such that each name has room."""
    return max(HALF, *(svg.CHARACTER * len(svg.short(name)) / 2 + 9 for name, *_ in named))


# A circle: of two, a row


def circle(named: Sequence[tuple[str, str, bool]], joins: dict[str, list[int]], words: str) -> str:
    """The network whose letters join two nodes each, or are open."""
    half, count = half_width(named), len(named)
    radius = (2 * half + GAP) / (2 * math.sin(math.pi / count)) if count > 1 else 0.0
    angles = [math.pi + 2 * math.pi * n / count for n in range(count)]
    places = [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]
    sites = [Site(name, own, at, half, is_d) for (name, own, is_d), at in zip(named, places, strict=True)]
    shapes: list[str] = []
    points = [(site.at[0] + way * half, site.at[1] + way * HALF) for site in sites for way in (-1, 1)]
    for own in {tuple(own): None for own in joins.values()}:
        together = [letter for letter, others in joins.items() if tuple(others) == own]
        for n, letter in enumerate(together):
            aside = n - (len(together) - 1) / 2
            if len(own) == 2:
                shapes += joined(letter, sites[own[0]].at, sites[own[1]].at, aside * BEND, points)
            else:
                shapes += leg(letter, sites[own[0]], aside, points)
    shapes += [site.shape() for site in sites]
    (left, right), (top, bottom) = ((min(run), max(run)) for run in zip(*points, strict=True))
    return svg.figure(shapes, left - 12, top - 14, right - left + 24, bottom - top + 28, words)


def joined(letter: str, a: Point, b: Point, aside: float, points: list[Point]) -> Iterator[str]:
    """A letter that two nodes have: a line, bent where there are several."""
    length = math.dist(a, b)
    way = (-(b[1] - a[1]) / length, (b[0] - a[0]) / length)
    middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
    over, top = shifted(middle, way, 2 * aside), shifted(middle, way, aside)
    yield edge(letter, f"M{a[0]:.1f} {a[1]:.1f}Q{over[0]:.1f} {over[1]:.1f} {b[0]:.1f} {b[1]:.1f}")
    beside = shifted(top, way, -11 if abs(way[1]) < 0.9 else 0)  # beside a line that goes up, above one that does not
    yield svg.letters(letter, beside[0], beside[1] - (5 if abs(way[1]) >= 0.9 else -4))
    points.append(shifted(top, way, math.copysign(16, aside)))


def leg(letter: str, site: Site, aside: float, points: list[Point]) -> Iterator[str]:
    """An open letter: a line that goes outwards."""
    x, y = site.at
    angle = (math.atan2(y, x) if math.hypot(x, y) > 1 else math.pi / 2) + 0.7 * aside
    way = (math.cos(angle), math.sin(angle))
    reach = min(site.half / (abs(way[0]) or 1e-9), HALF / (abs(way[1]) or 1e-9))
    end = shifted(site.at, way, reach + LEG)
    yield edge(letter, f"M{x:.1f} {y:.1f}L{end[0]:.1f} {end[1]:.1f}")
    beyond = shifted(end, way, 9)
    yield svg.letters(letter, beyond[0], beyond[1] + 4)
    points.append(beyond)


def shifted(point: Point, way: Point, distance: float) -> Point:
    """A point, so far on in a direction."""
    return (point[0] + way[0] * distance, point[1] + way[1] * distance)


# Rails


def rails(named: Sequence[tuple[str, str, bool]], joins: dict[str, list[int]], opened: str, words: str) -> str:
    """The network with the nodes under each other and a rail for each letter."""
    half = half_width(named)
    row = max(ROW, SLOT * max(len(own) for _, own, _ in named) + 12)
    sites = [Site(name, own, (0.0, n * row), half, is_d) for n, (name, own, is_d) in enumerate(named)]
    columns = {letter: half + RAIL * (n + 1.2) for n, letter in enumerate(joins)}
    shapes: list[str] = []
    met: dict[str, list[float]] = {letter: [] for letter in joins}
    for site in sites:
        for n, letter in enumerate(site.letters):
            y = site.at[1] + (n - (len(site.letters) - 1) / 2) * SLOT
            met[letter].append(y)
            shapes.append(edge(letter, f"M{half:.1f} {y:.1f}H{columns[letter]:.1f}"))
            shapes.append(dot(letter, columns[letter], y))
    bottom = sites[-1].at[1] + row / 2 + 8
    for letter, x in columns.items():
        heights = met[letter] or [bottom - 12]
        ends = [bottom] if letter in opened else []
        shapes.append(edge(letter, f"M{x:.1f} {min(heights):.1f}V{max(heights + ends):.1f}"))
        shapes.append(svg.letters(letter * max(opened.count(letter), 1), x, bottom + 14 if ends else min(heights) - 7))
    shapes += [site.shape() for site in sites]
    width = half + max(columns.values(), default=half) + 24
    return svg.figure(shapes, -half - 12, -row / 2 - 14, width, bottom + row / 2 + 36, words)


def edge(letter: str, path: str) -> str:
    """A line in the colour of a letter."""
    return f'<path class="edge" style="stroke:var(--of-{letter})" d="{path}"/>'


def dot(letter: str, x: float, y: float) -> str:
    """Where an array has a letter."""
    return f'<circle class="dot" style="fill:var(--of-{letter})" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
