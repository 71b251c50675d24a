"""Checkpoints: a training in one file that is a zip of arrays and one text in JSON, without pickle.

A file is written beside the old one and put in its place when it is whole: whoever is killed on the way leaves the old
one as it was. What is read is trusted with nothing: it must have the format's mark, the arrays of the network that its
settings describe, of their shapes, and no others. All that is known before a number is read; entries are not
compressed, so that no file unfolds into more than it is.
"""

import contextlib
import json
import math
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import IO, Any, BinaryIO, TypeVar

import numpy as np

from einbackprop.core import nesting
from einbackprop.core.files import opened, reason, replace_file, reported_as, target_of
from einbackprop.core.records import dataclass
from einbackprop.core.visible import shortened, shown
from einbackprop.errors import CheckpointError, EinbackpropError
from einbackprop.layers.layer import Array
from einbackprop.training.loop import Snapshot, Task, start

FORMAT = "einbackprop checkpoint 1"
DESCRIPTION = "checkpoint.json"
LARGEST = 2**32 - 2**20
"""Bytes of a file: no number in it needs more than 32 bits."""
LONGEST_DESCRIPTION = 100_000
LONGEST_HEADER = 400
MOST_ENTRIES = 20_000
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, TypeError, NotImplementedError,
              RuntimeError, MemoryError, OverflowError, UnicodeError, SyntaxError)  # fmt: skip

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Header:
    """What an array is."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


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
        What they are, by their names in the file.
    """

    file: str
    task: str
    step: int
    settings: dict[str, Any]
    arrays: dict[str, Header]


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
    arrays = flat(snapshot)
    if sum(array.nbytes + 1000 for array in arrays.values()) > LARGEST:
        raise CheckpointError(f"{file} cannot be saved: checkpoints hold less than 4 GB")
    about = {"format": FORMAT, "task": task.name, "step": snapshot.step, "settings": asdict(task.settings)}

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(zipfile.ZipInfo(DESCRIPTION), json.dumps(about, indent=1))
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)

    with reported_as(CheckpointError, f"{file} cannot be saved"):
        replace_file(file, write)


def load(file: str) -> Checkpoint:
    """Read what a checkpoint says of itself and of its arrays, but not yet their numbers.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is no checkpoint, or it is damaged.
    """
    if not os.path.lexists(file):
        raise CheckpointError(f"{file} cannot be loaded: there is no such file")
    with reading(file) as archive:
        entries = entries_of(archive)
        about = description_of(archive, entries.pop(DESCRIPTION))
        if about["format"] != FORMAT:
            told = shown(about["format"])
            raise CheckpointError(f"{file} has the format {told}, but this version reads {FORMAT!r}")
        for name, kind in (("task", str), ("step", int), ("settings", dict)):
            if type(about[name]) is not kind:
                raise ValueError(f"its {name} is {shown(about[name])}")
        arrays = {name.removesuffix(".npy"): header_of(archive, entry) for name, entry in entries.items()}
        return Checkpoint(file, about["task"], about["step"], about["settings"], arrays)


@contextlib.contextmanager
def reading(file: str) -> Iterator[zipfile.ZipFile]:
    """The file as an archive. Whatever is wrong with it is a CheckpointError."""
    try:
        with opened(file, LARGEST) as stream:
            require_small_directory(stream)
            with zipfile.ZipFile(stream) as archive:
                yield archive
    except UNREADABLE as error:
        what = "is damaged" if is_ours(file) else "is no checkpoint of einbackprop"
        raise CheckpointError(f"{file} {what}, and was left as it is ({why(error)})") from error


def require_small_directory(stream: BinaryIO) -> None:
    """Refuse an archive whose list of entries would fill memory before it is known what they are.

    The list of one of ours ends with the file: the last record says how long it is.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 42))
    last = stream.read().rjust(42)
    stream.seek(0)
    if not last[20:].startswith(b"PK\5\6"):
        raise zipfile.BadZipFile("File is not a zip file")
    if last.startswith(b"PK\6\7"):
        raise ValueError("it is an archive of more than 4 GB, or says so")
    entries, length = struct.unpack("<10xHL6x", last[20:])
    if entries > MOST_ENTRIES or length > MOST_ENTRIES * 300:
        raise ValueError(f"it has {entries} entries")


def entries_of(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by name. They are as they stand in the file, so that together they are no longer than it."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) < len(archive.infolist()):
        raise ValueError("an entry stands in it twice")
    for name, entry in entries.items():
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise ValueError(f"{shown(name)} is compressed or encrypted")
    assert archive.fp is not None
    if sum(entry.file_size for entry in entries.values()) > archive.fp.seek(0, os.SEEK_END):
        raise ValueError("its entries are longer than the file")
    if DESCRIPTION not in entries:
        raise KeyError(f"There is no item named {DESCRIPTION!r} in the archive")
    return entries


def description_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> dict[str, Any]:
    """What a checkpoint says of itself."""
    if entry.file_size > LONGEST_DESCRIPTION:
        raise ValueError(f"{DESCRIPTION} has {entry.file_size} bytes")

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    about = json.loads(archive.read(entry), parse_constant=refuse)
    if type(about) is not dict:
        raise ValueError(f"{DESCRIPTION} holds no object")
    return about


def header_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Header:
    """The dtype and shape of an array, which are those of as many bytes as its entry has."""
    with archive.open(entry) as stream:
        return read_header(stream, entry)


def read_header(stream: IO[bytes], entry: zipfile.ZipInfo) -> Header:
    """Read a header of the .npy format, version 1.0; the stream stands at the numbers then."""
    name = shown(entry.filename)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} has another version of its format")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=LONGEST_HEADER)
    if dtype not in DTYPES:
        raise ValueError(f"{name} holds {shown(dtype)}, no numbers of float32 or float64")
    if fortran_order or any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"{name} has the shape {shown(shape)}")
    if math.prod(shape) * dtype.itemsize != entry.file_size - stream.tell():
        raise ValueError(f"{name} has the shape {shown(shape)}, but {entry.file_size} bytes")
    return Header(shape, dtype)


def read_array(archive: zipfile.ZipFile, name: str, header: Header) -> Array:
    """One array, after all of its entry was read and its checksum seen to be right."""
    entry = archive.getinfo(name)
    with archive.open(entry) as stream:
        if read_header(stream, entry) != header:
            raise ValueError(f"{name} has changed")
        content = stream.read()
    if len(content) != math.prod(header.shape) * header.dtype.itemsize:
        raise EOFError(f"{name} ends too early")
    array: Array = np.frombuffer(bytearray(content), header.dtype).reshape(header.shape)
    return array


def is_ours(file: str) -> bool:
    """Whether a file has the marks of a checkpoint, whole or not."""
    try:
        with opened(file) as stream:
            return has_marks(stream.read(400))
    except OSError:
        return False


def has_marks(beginning: bytes) -> bool:
    """Whether a file that begins so has the marks of a checkpoint."""
    return DESCRIPTION.encode() in beginning and b"einbackprop checkpoint " in beginning


def why(error: BaseException) -> str:
    """What an error says, in one line that is not long."""
    return "it nests too deeply" if isinstance(error, RecursionError) else shortened(reason(error))


def require_free(file: str, loaded: str | None, force: bool = False) -> None:
    """Refuse to write a checkpoint where something is that is not the one that was loaded, unless that is forced.

    Raises
    ------
    CheckpointError
    """
    with reported_as(CheckpointError, f"--save: {file} cannot be written"):
        target = target_of(file)
    try:
        with tempfile.TemporaryFile(dir=target.parent):  # rights alone do not tell
            pass
    except OSError as error:
        raise CheckpointError(f"--save: {file} cannot be written: {target.parent} takes no files") from error
    if force or not target.exists() or (loaded is not None and target.samefile(loaded)):
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
            if not is_like(given[name], default):
                raise TypeError(f"{name} is {shown(given[name])}")
        return settings
    except (TypeError, KeyError, OverflowError, EinbackpropError) as error:
        raise CheckpointError(f"{checkpoint.file} is damaged: its settings are none ({why(error)})") from error


def is_like(value: Any, default: Any) -> bool:
    """Whether a setting has the type of another, within a tuple too."""
    if type(value) is not type(default):
        return False
    return not isinstance(value, tuple) or (bool(value) and all(type(item) is type(default[0]) for item in value))


def snapshot_of(checkpoint: Checkpoint, task: Task) -> Snapshot:
    """The training that a checkpoint holds.

    Raises
    ------
    CheckpointError
        If its arrays are not those of the task's network.
    """
    given = checkpoint.arrays
    held = sum(math.prod(header.shape) for header in given.values())
    if task.settings.weights() > held:  # before so many are drawn
        raise CheckpointError(f"{checkpoint.file} is damaged: its network is larger than its {held:,} numbers")
    first = start(task)
    require_arrays(checkpoint, flat(first))
    with reading(checkpoint.file) as archive:
        arrays = {name: read_array(archive, f"{name}.npy", header) for name, header in given.items()}

    def filled(part: str, template: Any) -> Any:
        for path, _ in list(nesting.leaves(template)):
            template = nesting.replaced(template, path, arrays["/".join(map(str, (part, *path)))])
        return template

    optimiser = {"steps": checkpoint.step} | {part: filled(part, first.parameters) for part in ("mean", "square")}
    return Snapshot(filled("parameters", first.parameters), optimiser, arrays["losses"], arrays["measures"])


def require_arrays(checkpoint: Checkpoint, wanted: Mapping[str, Array]) -> None:
    """Refuse a checkpoint whose arrays are others, or of other shapes and dtypes."""
    given = checkpoint.arrays
    for name in [*wanted, *given]:
        if name not in given or name not in wanted:
            where = "misses" if name not in given else "has an unknown"
            raise CheckpointError(f"{checkpoint.file} is damaged: it {where} array {name}")
    lengths = {"losses": (checkpoint.step,), "measures": (*given["measures"].shape[:1], 5)}
    for name, array in wanted.items():
        shape = lengths.get(name, array.shape)
        if given[name] != Header(shape, array.dtype):
            is_now = f"{given[name].dtype} of shape {given[name].shape}"
            raise CheckpointError(
                f"{checkpoint.file} is damaged: {name} is {is_now}, but must be {array.dtype} of shape {shown(shape)}"
            )
