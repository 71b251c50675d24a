"""What ``einbackprop train`` does, from its options to its last line, and what it shows meanwhile.

The bar has loss, accuracy, samples a second and the time left: by rich where it is installed, else one plain line, and
nothing where standard error is no terminal. The picture, of loss and accuracy, is made by matplotlib (the extra
`viz`).
"""

import io
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO, TypeVar

import numpy as np

from einbackprop.core.files import replace_file, reported_as, require_replaceable
from einbackprop.core.records import dataclass
from einbackprop.core.visible import visible
from einbackprop.errors import BackendError, CheckpointError, OptionError
from einbackprop.notation.console import complain, say, show
from einbackprop.training import characters, checkpoints, digits
from einbackprop.training.checkpoints import Checkpoint
from einbackprop.training.loop import Snapshot, Steps, Task, Training, count, measured, start, verify

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
    with reported_as(OptionError, f"--plot: {file} cannot be written"):
        require_replaceable(file, lambda ends: MARK.encode() in ends, "a picture of einbackprop", force)
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

    with reported_as(OptionError, f"--plot: {file} cannot be written"):
        replace_file(file, write)


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


INTERVAL = 0.1  # seconds from one moment that is shown to the next
SMOOTHED = 50  # a mean of so many losses is shown
INTERRUPTED, LOST = 130, 2
NEW_LINE = "\n"

Settings = TypeVar("Settings")
Given = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What is done beside training.

    Attributes
    ----------
    save, load, plot
        Names of files.
    check
        Whether gradients are verified first.
    force
        Whether files are replaced that were not written here.
    mesh, letters
        The axes of a mesh of JAX's devices that trains, and what lies on them.
    process, coordinator
        Which of how many processes this is, and where the first of them listens. It alone writes and tells.

    Raises
    ------
    OptionError
        One is of no use without another.
    """

    save: str | None = None
    load: str | None = None
    plot: str | None = None
    check: bool = False
    force: bool = False
    mesh: Mapping[str, int] | None = None
    letters: Mapping[str, str] | None = None
    process: tuple[int, int] | None = None
    coordinator: str | None = None

    def __post_init__(self) -> None:
        for one, other in (("letters", "mesh"), ("process", "mesh"), ("process", "coordinator"),
                           ("coordinator", "process")):  # fmt: skip
            if getattr(self, one) is not None and getattr(self, other) is None:
                raise OptionError(f"--{one} is of no use without --{other}: give both, or neither")

    @property
    def is_first(self) -> bool:
        """Whether this is the one process, or the first of several."""
        return self.process is None or self.process[0] == 0


def train_digits(given: Given, options: Options) -> int:
    """Train on handwritten digits, and return the exit code.

    Parameters
    ----------
    given
        Fields of `DigitsSettings` with the values that were asked for.
    options
        What else to do.

    Raises
    ------
    OptionError, CheckpointError
        Before anything is trained or written.
    """
    checkpoint = loaded("digits", options)
    if checkpoint is None:
        network = given.get("network", "conv")
        settings = digits.DigitsSettings(**{"network": network} | digits.DEFAULTS.get(network, {}) | given)
    else:
        settings = going_on(checkpoint, digits.DigitsSettings, given)
    foreign = "channels" if settings.network == "mlp" else "hidden"
    if foreign in given:
        raise OptionError(f"--{foreign} does not go with --network {settings.network}")
    task = digits.digits_task(settings)
    return run(task, digits.description(settings), options, checkpoint, lambda snapshot: None)


def train_text(file: str | None, given: Given, options: Options) -> int:
    """Train on a text, write some of it, and return the exit code.

    Parameters
    ----------
    file
        A text file; without one the help texts of this Python.
    given
        Fields of `TextSettings` with the values that were asked for.
    options
        What else to do.

    Raises
    ------
    OptionError, DataError, CheckpointError
        Before anything is trained or written.
    """
    checkpoint = loaded("text", options)
    text = characters.text_of(file)
    if checkpoint is None:
        settings = characters.TextSettings(**given, digest=text.digest)
    else:
        settings = going_on(checkpoint, characters.TextSettings, given)
        if settings.digest != text.digest:
            raise CheckpointError(f"{checkpoint.file} was trained on another text than {text.name}: name that one")
    task = characters.text_task(settings, text)

    def closing(snapshot: Snapshot) -> None:
        say(f"a 3-gram model with add-one smoothing has a loss of {characters.ngram_loss(text):.4f} there")
        drawn = characters.sample(snapshot.parameters, text, 400, np.random.default_rng([settings.seed, 4]))
        say(f"a sample:\n{visible(drawn, keep=NEW_LINE)}")

    return run(task, characters.description(settings, text), options, checkpoint, closing)


def loaded(task: str, options: Options) -> Checkpoint | None:
    """The checkpoint that was asked for, and all that can be refused before a training."""
    checkpoint = None if options.load is None else checkpoints.load(options.load)
    if checkpoint is not None and checkpoint.task != task:
        raise CheckpointError(f"{checkpoint.file} was trained on {checkpoint.task}, not on {task}")
    if options.save is not None:
        checkpoints.require_free(options.save, options.load, options.force)
    if options.plot is not None:
        require_drawable(options.plot, options.force)
        if options.save is not None and os.path.realpath(options.plot) == os.path.realpath(options.save):
            raise OptionError(f"--plot and --save are both {options.plot}: name two files")
    return checkpoint


def going_on(checkpoint: Checkpoint, kind: type[Settings], given: Given) -> Settings:
    """The settings of a checkpoint, perhaps for longer."""
    settings: Any = checkpoints.settings_of(checkpoint, kind)
    for name, value in given.items():
        old = getattr(settings, name)
        if name not in ("epochs", "steps") and value != old:
            option = f"--{name.replace('_', '-')}"
            raise OptionError(f"{option} is {shown(value)}, but {checkpoint.file} was made with {shown(old)}: "
                              f"leave {option} out")  # fmt: skip
    longer: Settings = replace(settings, **given)
    return longer


def shown(value: Any) -> str:
    """A setting as it is given on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def run(
    task: Task, description: str, options: Options, checkpoint: Checkpoint | None, closing: Callable[[Snapshot], None]
) -> int:
    """Train, keep what is to be kept, and say how it went."""
    snapshot = start(task) if checkpoint is None else checkpoints.snapshot_of(checkpoint, task)
    if snapshot.step > task.steps:
        raise OptionError(f"{options.load} has {snapshot.step} steps behind it, but only {task.steps} are asked for")
    steps = steps_of(task, snapshot, options)
    if not options.is_first:
        _, complete = trained(task, snapshot, options, steps)
        return ended(complete, options)
    say(visible(f"{description}; {count(snapshot.parameters):,} parameters"))
    if options.check:
        how = "complex step in float64, and the compiled float32 function against it"
        say(f"checked: all {verify(task)} gradients are right ({how})")

    began, first = time.perf_counter(), snapshot.step
    snapshot, complete = trained(task, snapshot, options, steps)
    seconds = time.perf_counter() - began
    if options.save is not None:
        checkpoints.save(options.save, task, snapshot)
    if options.plot is not None:
        draw(options.plot, snapshot, description)

    taken = snapshot.step - first
    how_far = "" if complete else f"; interrupted after {snapshot.step} of {task.steps}"
    say(f"{taken} steps in {seconds:.1f} s, {taken * task.items / seconds:,.0f} {task.unit} a second{how_far}")
    for what, file in (("saved", options.save), ("drew", options.plot)):
        if file is not None:
            say(visible(f"{what} {file}"))
    loss, accuracy = measured(task.forward, snapshot.parameters, task.test)
    say(f"held out: loss {loss:.4f}, accuracy {accuracy:.2%}")
    closing(snapshot)
    return ended(complete, options)


def ended(complete: bool, options: Options) -> int:
    """The exit code. One of several processes that is interrupted does not wait for the others."""
    if not complete and options.process is not None:
        from einbackprop.sharding.processes import leave

        leave(INTERRUPTED)
    return 0 if complete else INTERRUPTED


def steps_of(task: Task, snapshot: Snapshot, options: Options) -> Steps | None:
    """What takes the steps on the devices of a mesh; None where this process does, with NumPy."""
    if options.mesh is None:
        return None
    from einbackprop.sharding.processes import join
    from einbackprop.training.meshes import MeshSteps, placed

    sharding = placed(task, snapshot, options.mesh, options.letters)  # what cannot be is said before others are met
    if options.process is not None and options.coordinator is not None:
        process, processes = options.process
        complain(visible(f"process {process} of {processes} meets the others at {options.coordinator}"))
        join(options.coordinator, process, processes)
    return MeshSteps(task, snapshot, sharding)


def trained(task: Task, snapshot: Snapshot, options: Options, steps: Steps | None) -> tuple[Snapshot, bool]:
    """Where a training ends, and whether it ran to its end; a checkpoint is written on the way."""
    training, kept = Training(task, snapshot, steps), snapshot

    def keep(reached: Snapshot) -> None:
        nonlocal kept
        kept = reached
        if options.save is not None and options.is_first:
            checkpoints.save(options.save, task, reached)

    try:
        with progress(task.steps, sys.stderr if options.is_first else io.StringIO()) as bar:
            training.run(Observer(task, bar, snapshot.step), keep)
        return training.snapshot(), True
    except KeyboardInterrupt:  # of several processes none has it all, and the others may be gone
        return (training.snapshot() if options.process is None else kept), False
    except BackendError as error:
        if options.process is None:
            raise
        saved = f"; {options.save} has {kept.step} steps: go on with --load {options.save}" if options.save else ""
        complain(visible(f"einbackprop: {error}{saved if kept is not snapshot else ''}"))
        from einbackprop.sharding.processes import leave

        leave(LOST)


class Observer:
    """Looks at a training after each step, and shows a few of these moments a second."""

    def __init__(self, task: Task, bar: Shown, first: int) -> None:
        self.task = task
        self.bar = bar
        self.first = first
        self.began = self.shown_at = time.perf_counter()

    def __call__(self, training: Training) -> None:
        now = time.perf_counter()
        if now - self.shown_at < INTERVAL and not training.is_over():
            return
        self.shown_at = now
        pace = (now - self.began) / (training.step - self.first)
        self.bar(
            Moment(
                step=training.step,
                steps=self.task.steps,
                loss=float(np.mean(training.losses[-SMOOTHED:])),
                accuracy=float(training.measures[-1][4]) if training.measures else None,
                speed=self.task.items / pace,
                unit=self.task.unit,
                left=pace * (self.task.steps - training.step),
            )
        )
