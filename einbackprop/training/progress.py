"""A progress bar: loss, accuracy, samples a second, time left. By rich where it is installed, else one plain line.

Nothing is shown where standard error is no terminal.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol, TextIO

from einbackprop.notation.console import show


@dataclass(frozen=True)
class Moment:
    """What there is to show after a step.

    Attributes
    ----------
    step, steps
        How far it is, and how far it goes.
    loss
        A mean over the last steps.
    accuracy
        On what is held out, when it was measured last; None before.
    speed, unit
        How many images, or characters, a second.
    left
        Seconds.
    """

    step: int
    steps: int
    loss: float
    accuracy: float | None
    speed: float
    unit: str
    left: float

    def words(self) -> str:
        """All of it but the bar."""
        accuracy = "" if self.accuracy is None else f"  accuracy {self.accuracy:.1%}"
        return f"loss {self.loss:.4f}{accuracy}  {self.speed:,.0f} {self.unit}/s  {duration(self.left)} left"


class Shown(Protocol):
    """Something that shows a moment."""

    def __call__(self, moment: Moment) -> None:
        """Show it."""


def duration(seconds: float) -> str:
    """Minutes and seconds.

    >>> duration(83.6)
    '1:24'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


@contextmanager
def progress(steps: int, stream: TextIO | None = None) -> Iterator[Shown]:
    """Show moments while this lasts.

    Parameters
    ----------
    steps
        How far it goes.
    stream
        Where to; standard error by default.
    """
    stream = sys.stderr if stream is None else stream
    if stream is None or not stream.isatty():
        yield lambda moment: None
    elif find_spec("rich"):
        with rich_bar(steps, stream) as shown:
            yield shown
    else:
        with plain_line(stream) as shown:
            yield shown


@contextmanager
def rich_bar(steps: int, stream: TextIO) -> Iterator[Shown]:
    """A bar by rich."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=None), TextColumn("{task.completed}/{task.total}"), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("", total=steps)
        yield lambda moment: bar.update(task, completed=moment.step, description=moment.words())


@contextmanager
def plain_line(stream: TextIO) -> Iterator[Shown]:
    """One line, written over and over, and gone in the end."""
    width = 0

    def shown(moment: Moment) -> None:
        nonlocal width
        line = f"{moment.step}/{moment.steps}  {moment.words()}"
        show(f"\r{line:<{width}}", stream)
        width = len(line)

    try:
        yield shown
    finally:
        show(f"\r{' ' * width}\r", stream)
