"""Curves of loss and accuracy as a picture, by matplotlib (the extra `viz`)."""

import os
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np

from einbackprop.errors import OptionError
from einbackprop.training.checkpoints import replace_file
from einbackprop.training.loop import Snapshot

TRAINED, HELD, FAINT = "#0072b2", "#d55e00", "#b8cfe0"
BEGINNINGS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
SUFFIXES = tuple(BEGINNINGS)


def require_drawable(file: str) -> None:
    """Refuse, before a training, what could not be drawn after it.

    Raises
    ------
    OptionError
        If the name does not end in .png, .svg or .pdf, if there is no such directory, or a file that is no picture, or
        no matplotlib.
    """
    path = Path(file)
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"--plot is {file}, but must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise OptionError(f"--plot is {file}, but no file can be written there: the directory must exist")
    if path.exists() and not path.read_bytes().startswith(BEGINNINGS[path.suffix.lower()]):
        raise OptionError(f"--plot is {file}, but what is there is no picture: name another file")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise OptionError(f"--plot is {file}, but no file can be written there")
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
    figure.suptitle(textwrap.fill(title, 110), fontsize=10)
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
        figure.savefig(stream, format=Path(file).suffix[1:].lower(), dpi=150)

    replace_file(file, write)
