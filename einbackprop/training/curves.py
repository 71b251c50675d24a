"""What is shown of a training: a progress bar while it goes on, then curves of loss and accuracy as a picture.

The bar has loss, accuracy, samples a second and the time left: by rich where it is installed, else one plain line, and
nothing where standard error is no terminal. The picture is made by matplotlib (the extra `viz`).
"""

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

import numpy as np

from einbackprop.core.files import reason, replace_file, require_replaceable
from einbackprop.core.visible import visible
from einbackprop.errors import OptionError
from einbackprop.notation.console import show
from einbackprop.training.loop import Snapshot

TRAINED, HELD, FAINT = "#0072b2", "#d55e00", "#b8cfe0"
MARK = "einbackprop curves"
"""What shows that a picture is one of ours."""
MARKED = {".png": "Software", ".svg": "Creator", ".pdf": "Creator"}
"""Where the mark stands in the metadata of each kind of file."""
SUFFIXES = tuple(MARKED)


def require_drawable(file: str, force: bool = False) -> None:
    """Refuse, before a training, what could not be drawn after it; whether to replace what is no picture of ours.

    Raises
    ------
    OptionError
        If the name does not end in .png, .svg or .pdf, if there is no such directory, or a file that was not drawn
        here, or no matplotlib.
    """
    if Path(file).suffix.lower() not in SUFFIXES:
        raise OptionError(f"--plot is {file}, but must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    try:
        require_replaceable(file, lambda ends: MARK.encode() in ends, "a picture of einbackprop", force)
    except OSError as error:
        raise OptionError(f"--plot: {file} cannot be written: {reason(error)}") from error
    if not find_spec("matplotlib"):
        raise OptionError("--plot needs matplotlib, which is not installed: pip install 'einbackprop[viz]'")


def draw(file: str, snapshot: Snapshot, title: str) -> None:
    """Draw loss and accuracy, and write the picture.

    Parameters
    ----------
    file
        Ends in .png, .svg or .pdf.
    snapshot
        Of a training that took one step at least.
    title
        What was trained.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 4), layout="constrained")
    figure.suptitle(textwrap.fill(visible(title).replace("$", "\\$"), 110), fontsize=10)
    loss, accuracy = figure.subplots(1, 2)
    steps = np.arange(1, len(snapshot.losses) + 1)
    at, trained_loss, trained, held_loss, held = snapshot.measures.T
    loss.plot(steps, snapshot.losses, color=FAINT, linewidth=0.6, label="each batch")
    loss.plot(at, trained_loss, color=TRAINED, label="trained on")
    loss.plot(at, held_loss, color=HELD, label="held out")
    loss.set(xlabel="step", ylabel="loss", ylim=(0, None))
    accuracy.plot(at, trained, color=TRAINED, label="trained on")
    accuracy.plot(at, held, color=HELD, label="held out")
    accuracy.set(xlabel="step", ylabel="accuracy")
    accuracy.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    for axes in (loss, accuracy):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.02)

    def write(stream: BinaryIO) -> None:
        suffix = Path(file).suffix.lower()
        figure.savefig(stream, format=suffix[1:], dpi=150, metadata={MARKED[suffix]: MARK})

    try:
        replace_file(file, write)
    except OSError as error:
        raise OptionError(f"--plot: {file} cannot be written: {reason(error)}") from error


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
