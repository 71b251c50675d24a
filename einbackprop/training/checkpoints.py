"""Checkpoints: a training in one file that is a zip of arrays and one text in JSON, without pickle.

A file is written beside the old one and put in its place when it is whole: whoever is killed on the way leaves the old
one as it was. What is read is trusted with nothing: it must have the format's mark, the arrays of the network that its
settings describe, of their shapes, and no others.
"""

import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from einbackprop.core import nesting
from einbackprop.errors import CheckpointError, EinbackpropError
from einbackprop.layers.layer import Array
from einbackprop.training.loop import Snapshot, start
from einbackprop.training.task import Task

FORMAT = "einbackprop checkpoint 1"
DESCRIPTION = "checkpoint.json"
UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, TypeError, NotImplementedError,
              RuntimeError)  # fmt: skip

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds, before it is known whether that makes sense.

    Attributes
    ----------
    file, task, step
        Where it was read, what is trained, how far it is.
    settings
        The task's settings by name.
    arrays
        By their names in the file.
    """

    file: str
    task: str
    step: int
    settings: dict[str, Any]
    arrays: dict[str, Array]


def replace_file(file: str, write: Callable[[BinaryIO], None]) -> None:
    """Write a file whole, or leave what was there: also if the process is killed, or the power fails."""
    target = Path(os.path.realpath(file))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def flat(snapshot: Snapshot) -> dict[str, Array]:
    """The arrays of a snapshot by name."""
    nested = {
        "parameters": snapshot.parameters,
        "mean": snapshot.optimiser["mean"],
        "square": snapshot.optimiser["square"],
        "losses": snapshot.losses,
        "measures": snapshot.measures,
    }
    return {"/".join(map(str, path)): array for path, array in nesting.leaves(nested)}


def save(file: str, task: Task, snapshot: Snapshot) -> None:
    """Write a checkpoint. The same training makes the same bytes.

    Raises
    ------
    CheckpointError
        If it cannot be written. What was there before stays.
    """
    about = {"format": FORMAT, "task": task.name, "step": snapshot.step, "settings": asdict(task.settings)}

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(zipfile.ZipInfo(DESCRIPTION), json.dumps(about, indent=1))
            for name, array in flat(snapshot).items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)

    try:
        replace_file(file, write)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be saved: {error.strerror or error}") from error


def load(file: str) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is no checkpoint, or it is damaged.
    """
    if not Path(file).exists():
        raise CheckpointError(f"{file} cannot be loaded: there is no such file")
    try:
        with zipfile.ZipFile(file) as archive:
            about = json.loads(archive.read(DESCRIPTION))
            if about["format"] != FORMAT:
                raise CheckpointError(f"{file} has the format {about['format']!r}, but this version reads {FORMAT!r}")
            names = [name for name in archive.namelist() if name != DESCRIPTION]
            arrays = {name.removesuffix(".npy"): read_array(archive, name) for name in names}
        return Checkpoint(file, str(about["task"]), int(about["step"]), dict(about["settings"]), arrays)
    except UNREADABLE as error:
        what = "is damaged" if is_ours(file) else "is no checkpoint of einbackprop"
        raise CheckpointError(f"{file} {what}, and was left as it is ({reason(error)})") from error


def read_array(archive: zipfile.ZipFile, name: str) -> Array:
    """One array, after all of its entry was read and its checksum seen to be right."""
    with archive.open(name) as entry:
        array: Array = np.lib.format.read_array(entry, allow_pickle=False)
        if entry.read(1):
            raise ValueError(f"{name} goes on after its array")
    return array


def is_ours(file: str) -> bool:
    """Whether a file has the marks of a checkpoint, whole or not."""
    try:
        with Path(file).open("rb") as stream:
            beginning = stream.read(400)
        return DESCRIPTION.encode() in beginning and FORMAT.encode() in beginning
    except OSError:
        return False


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def require_free(file: str, loaded: str | None) -> None:
    """Refuse to write a checkpoint where something is that is not the one that was loaded.

    Raises
    ------
    CheckpointError
    """
    target = Path(os.path.realpath(file))
    if target.is_dir():
        raise CheckpointError(f"{file} is a directory: name a file to save to")
    if not target.parent.is_dir():
        raise CheckpointError(f"{file} cannot be saved: there is no directory {target.parent}")
    try:
        with tempfile.TemporaryFile(dir=target.parent):  # rights alone do not tell
            pass
    except OSError as error:
        raise CheckpointError(f"{file} cannot be saved: {target.parent} cannot be written to") from error
    if not target.exists() or (loaded is not None and target.samefile(loaded)):
        return
    load(file)
    raise CheckpointError(f"{file} is the checkpoint of another training: --load it to go on, or --save elsewhere")


def settings_of(checkpoint: Checkpoint, kind: type[Settings]) -> Settings:
    """The settings of a checkpoint.

    Raises
    ------
    CheckpointError
        If they are not the settings of that kind.
    """
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in checkpoint.settings.items()}
    try:
        settings = kind(**given)
        for name, default in vars(kind()).items():
            if type(given[name]) is not type(default):
                raise TypeError(f"{name} is {given[name]!r}")
        return settings
    except (TypeError, KeyError, EinbackpropError) as error:
        raise CheckpointError(f"{checkpoint.file} is damaged: its settings are none ({reason(error)})") from error


def snapshot_of(checkpoint: Checkpoint, task: Task) -> Snapshot:
    """The training that a checkpoint holds.

    Raises
    ------
    CheckpointError
        If its arrays are not those of the task's network.
    """
    first = start(task)
    wanted, given = flat(first), checkpoint.arrays
    for name in [*wanted, *given]:
        if name not in given or name not in wanted:
            where = "misses" if name not in given else "has an unknown"
            raise CheckpointError(f"{checkpoint.file} is damaged: it {where} array {name}")
    lengths = {"losses": (checkpoint.step,), "measures": (given["measures"].shape[0], 5)}
    for name, array in wanted.items():
        shape = lengths.get(name, array.shape)
        if given[name].shape != shape or given[name].dtype != array.dtype:
            is_now = f"{given[name].dtype} of shape {given[name].shape}"
            raise CheckpointError(
                f"{checkpoint.file} is damaged: {name} is {is_now}, but must be {array.dtype} of shape {shape}"
            )

    def filled(part: str, template: Any) -> Any:
        for path, _ in list(nesting.leaves(template)):
            template = nesting.replaced(template, path, given["/".join(map(str, (part, *path)))])
        return template

    optimiser = {"steps": checkpoint.step} | {part: filled(part, first.parameters) for part in ("mean", "square")}
    return Snapshot(filled("parameters", first.parameters), optimiser, given["losses"], given["measures"])
