"""What of a report may be shown to someone who looks for the mistake: where it is, and perhaps what it is about.

Parts of a report go in; the same without what is right, and without numbers from which it could be guessed, come out.
At level 1 a finding says the kind of its mistake, at level 2 the line alone. Who is to find a mistake may read the own
lines as formulas, so these stay.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..errors import OptionError
from .verdicts import Finding, Gradient, Line

LEVELS = (1, 2)
"""The line and the kind of mistake; the line alone."""


def require_level(level: int) -> None:
    """Raise OptionError if a level is none."""
    if isinstance(level, bool) or level not in LEVELS:
        raise OptionError(f"a hint has level 1 (the line and the kind of mistake) or 2 (the line alone), not {level!r}")


def hinted_gradients(gradients: Sequence[Gradient]) -> tuple[Gradient, ...]:
    """Gradients without the numbers and notes of wrong ones: twice what is expected says what is wrong."""
    return tuple(_without_numbers(item) if item.verdict == "wrong" else item for item in gradients)


def hinted_findings(findings: Sequence[Finding], level: int) -> tuple[Finding, ...]:
    """Findings that say no more of mistakes than the level allows; what is no mistake, and has no line, stays."""
    kept = (item for item in findings if level == 1 or item.line is not None or item.kind is None)
    return tuple(item if item.line is None and item.kind is None else _without_answer(item, level) for item in kept)


def hinted_lines(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines of which those that are wrong do not say what they are, which their names may belie."""
    return tuple(replace(line, meaning="") if line.verdict == "wrong" else line for line in lines)


def sentence(kind: str, level: int, where: str = "here") -> str:
    """What is said of a mistake of some kind, which may not be known."""
    about = f" It is about {kind}." if kind else " Of what kind is not known."
    return f"A mistake is {where}." + (about if level == 1 else "")


def _without_answer(item: Finding, level: int) -> Finding:
    said = sentence(item.kind or "", level, "here" if item.line is not None else "in the code")
    return Finding(said, item.file, item.line, kind=item.kind if level == 1 else None)


def _without_numbers(item: Gradient) -> Gradient:
    return Gradient(item.name, item.verdict, item.grade, shape=item.shape)
