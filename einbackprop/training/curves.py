"""Curves of loss and accuracy as a picture, by matplotlib (the extra `viz`)."""

import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np

from einbackprop.core.files import reason, replace_file, require_replaceable
from einbackprop.core.visible import visible
from einbackprop.errors import OptionError
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
