"""SVG: a drawing in a page, its names and letters in the colours of the page."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.program import Ref
from ..core.visible import in_html, shortened

CHARACTER, SMALL = 7.6, 6.4
"""How wide a character of a name, and a letter, is."""

LONGEST = 22


def figure(shapes: Iterable[str], left: float, top: float, width: float, height: float, words: str) -> str:
    """A drawing of its own size, or as wide as there is room."""
    body = "".join(shapes)
    return (
        f'<figure><svg xmlns="http://www.w3.org/2000/svg" class="drawing" role="img" aria-label="{in_html(words)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}">'
        f"{body}</svg></figure>"
    )


def label(ref: Ref, x: float, y: float, anchor: str = "middle") -> str:
    """A name with its letters below it."""
    inside = f'<tspan class="sub" dy="3">{spans(ref.indices)}</tspan>' if ref.indices else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{in_html(short(ref.name))}{inside}</text>'


def letters(run: str, x: float, y: float, anchor: str = "middle", name: str = "") -> str:
    """Letters in their colours, perhaps after a name."""
    before = f'<tspan class="name">{in_html(name)} </tspan>' if name else ""
    return f'<text class="letters" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{before}{spans(run)}</text>'


def spans(run: str) -> str:
    """Each letter in its colour."""
    return "".join(f'<tspan style="fill:var(--of-{letter})">{in_html(letter)}</tspan>' for letter in run)


def short(name: str, most: int = LONGEST) -> str:
    """A name of no more than some characters."""
    return shortened(name, most)


def width_of(ref: Ref) -> float:
    """How wide the label of a value is."""
    return CHARACTER * len(short(ref.name)) + SMALL * len(ref.indices)
