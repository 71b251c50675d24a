"""A hundred checkpoints that somebody hostile wrote: each refused in one line, at once, with little memory."""

# ruff: noqa: E501

import io
import json
import os
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hostile import NAMES, is_safe
from sampling import THOROUGH

from einbackprop.shell.command import main
from einbackprop.training.checkpoints import DESCRIPTION, FORMAT, save
from einbackprop.training.digits import DigitsSettings, digits_task
from einbackprop.training.loop import start

POSIX = hasattr(os, "mkfifo")
HUGE = "9" * 5000
LARGE = 10**18


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A checkpoint as it should be: its description, and its entries."""
    file = tmp_path_factory.mktemp("good") / "a.npz"
    task = digits_task(DigitsSettings(network="mlp", hidden=(6,), epochs=2))
    save(str(file), task, start(task))
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(entries.pop(DESCRIPTION)), entries


def archive(entries, compression=zipfile.ZIP_STORED):
    """An archive of pairs of names and contents."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as made:
        for name, content in entries:
            made.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()


def npy(header, content=b""):
    """An array of the .npy format with a header as it is given."""
    header = header.encode("latin-1", "replace") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", min(len(header), 65535)) + header + content


def shaped(shape, descr="'<f4'", order="False", content=b"\0" * 24):
    return npy(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", content)


SHAPES = ["(-1,)", "(-6, -1)", f"({LARGE},)", f"({LARGE}, {LARGE})", f"({HUGE},)", f"({LARGE}, 0)", "(6.0,)", "(True,)", "('6',)",
          "(None,)", "6", "[6]", "()", "(6,) * 10**9", "(" * 150 + ")" * 150, "(" * 9000, "-" * 9000 + "1", "__import__('os')",
          "(6,), 'extra': 1", "(0xFFFFFFFFFFFFFFFF,)", "(1e400,)", "({},)", "(6, " + "1, " * 90 + ")"]  # fmt: skip
DTYPES = ["'|O'", "'<f8'", "'<f2'", "'|V0'", "'<U1'", "'<M8[s]'", "'|S6'", "[('a', '<f4')]", "[('a', '|O')]", "None", "3", "'x'",
          "'<f4,<f4'", "'V1000000000'", "[('a', '<f4', (1000000000,))]", "'<c8'", "'|b1'", "'>f4'", HUGE]  # fmt: skip
STEPS = [-1, LARGE, 1.5, "5", None, True, [], {}, 10**4000]
SETTINGS = [{"hidden": [LARGE]}, {"hidden": [-1]}, {"hidden": [6.0]}, {"hidden": ["6"]}, {"hidden": []}, {"hidden": [99_999, 99_999]},
            {"hidden": [[6]]}, {"hidden": [True]}, {"hidden": 6}, {"hidden": None}, {"hidden": [50_000] * 50},
            {"batch": LARGE}, {"batch": -3}, {"batch": True}, {"epochs": 10**4000}, {"learning_rate": 1e400}, {"learning_rate": "1"},
            {"decay": -1.0}, {"seed": -1}, {"seed": 10**4000}, {"network": "x\x1b[31m"}, {"network": 3}, {"network": "conv"},
            {"channels": [9, 9, 9]}, {"\x1b[31m": 1}, {"self": 1}, {"__class__": 1}]  # fmt: skip
TEXTS = ["", "3", "[]", "null", '"x"', "{", "[" * 90_000, '{"a":' * 15_000, '{"format": NaN}', '{"format": ' + HUGE + "}", "\x00",
         '{"format": "einbackprop checkpoint 1"}', '{"format": "\\u001b[31m\\u202e"}', "\ud800".encode("utf-8", "surrogatepass"),
         " " * 200_000, '{"format": Infinity}', '{"format": {"a": [1]}}']  # fmt: skip


def attacks(about, entries):
    """Files by what is wrong with them."""
    def made(description=about, more=(), without=(), **changed):
        kept = [(name, content) for name, content in entries.items() if name not in without]
        text = description if isinstance(description, (str, bytes)) else json.dumps(description | changed)
        return archive([(DESCRIPTION, text), *kept, *more])

    W = "parameters/layers/0/c.npy"
    for what, header in [*((s[:20], shaped(s)) for s in SHAPES), *((d[:20], shaped("(6,)", d)) for d in DTYPES)]:
        yield f"array {what}", made(without=[W], more=[(W, header)])
    yield "fortran", made(without=[W], more=[(W, shaped("(6,)", order="True"))])
    yield "version", made(without=[W], more=[(W, b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{")])
    yield "no header", made(without=[W], more=[(W, b"")])
    yield "short", made(without=[W], more=[(W, shaped("(6,)", content=b"\0" * 23))])
    yield "twice", made(more=[(W, entries[W])])
    yield "twice itself", archive([(DESCRIPTION, json.dumps(about))] * 2)
    yield "no measures", made(without=["measures.npy"], more=[("measures.npy", shaped("()", "'<f8'", content=b"\0" * 8))])
    for step in STEPS:
        yield f"step {str(step)[:9]}", made(step=step)
    for settings in SETTINGS:
        yield f"settings {str(settings)[:30]}", made(settings=about["settings"] | settings)
    yield "no settings", made(settings=[["network", "mlp"]])
    yield "task", made(task=["digits"])
    for text in TEXTS:
        yield f"text {text[:9]!r}", made(description=text)
    for name in ("../../x.npy", "/etc/passwd", "x\0.npy", *NAMES[90:110]):
        yield f"entry {name!r:.20}", made(more=[(name or "x", entries[W])])
    bomb = [(DESCRIPTION, json.dumps(about)), ("x.npy", shaped("(250000000,)", content=b"\0" * 10**8))]
    yield "bomb", archive(bomb, zipfile.ZIP_DEFLATED)
    yield "bomb of text", archive([(DESCRIPTION, " " * 10**8)], zipfile.ZIP_DEFLATED)
    whole = made()
    yield "declared", whole.replace(struct.pack("<L", len(entries[W])), struct.pack("<L", 2**32 - 2))
    yield "directory", whole[:-22] + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 65535, 65535, 2**31, 0, 0)
    yield "zip64", whole[:-22] + b"PK\6\7" + b"\xff" * 16 + whole[-22:]
    yield "entries", archive([(DESCRIPTION, json.dumps(about)), *((f"{n}.npy", b"") for n in range(30_000))])
    for cut in (1, 21, 22, 23, 100, len(whole) // 2, len(whole) - 3):
        yield f"cut {cut}", whole[:-cut]
    yield "comment", whole[:-2] + b"\5\0hello"
    yield "encrypted", whole.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0")
    yield "nothing", b""
    yield "mark", (DESCRIPTION + FORMAT).encode()


def special(here):
    """Names of what is no plain file, or not all of it on the disk."""
    os.mkdir("folder")
    yield "folder"
    yield "no such file"
    yield "a\0b"
    yield "x" * 5000
    if POSIX:
        os.mkfifo("pipe")
        os.symlink("loop", "loop")
        os.symlink("nowhere", "dangling")
        Path("sparse").touch()
        os.truncate("sparse", 2**32 - 2**21)
        Path("larger").touch()
        os.truncate("larger", 2**40)
        yield from ("pipe", "loop", "dangling", "sparse", "larger", "/dev/zero", "/dev/null", "/dev/full", "/dev/stdin")


def refuse(file, capsys, what):
    """The file is refused in one line that is safe and not long, within a second, and with less than 50 MB."""
    if THOROUGH:  # which costs time
        tracemalloc.start()
    began = time.process_time()
    try:
        code = main(["train", "digits", "--load", str(file)])
        seconds = time.process_time() - began
        peak = tracemalloc.get_traced_memory()[1] if THOROUGH else 0
    finally:
        tracemalloc.stop()
    said = capsys.readouterr()
    assert code == 2, (what, code, said)
    assert said.out == "", what
    assert said.err.count("\n") == 1, (what, said.err)
    assert is_safe(said.err), what
    assert len(said.err) < 1000 + len(file), (what, len(said.err))
    assert seconds < 1.5, (what, seconds)
    assert peak < 50e6, (what, peak)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_checkpoints(good, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["train", "digits", "--load", "nothing"])  # what is imported once is not counted
    capsys.readouterr()
    found = list(attacks(*good))
    assert len(found) >= 100
    for what, content in found if THOROUGH else found[::3]:
        Path("a.npz").write_bytes(content)
        refuse("a.npz", capsys, what)
        assert Path("a.npz").read_bytes() == content
    for name in special(tmp_path):
        refuse(name, capsys, name)


def test_the_good_one_is_taken(good, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    about, entries = good
    Path("a.npz").write_bytes(archive([(DESCRIPTION, json.dumps(about)), *entries.items()]))
    assert main(["train", "digits", "--load", "a.npz", "--save", "a.npz"]) == 0


@pytest.mark.skipif(not POSIX, reason="no pipes in the file system")
def test_texts_that_are_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    Path("large").touch()
    os.truncate("large", 2**40)
    Path("binary").write_bytes(bytes(range(256)) * 100_000)
    Path("late").write_bytes(b"a" * 70_000 + b"\xff")
    np.save("array.npy", np.ones(1000))
    for file in ("pipe", "loop", "large", "binary", "late", "array.npy", "/dev/zero", "/dev/null", "/dev/full", ".", "a\0b", "no"):
        began = time.process_time()
        assert main(["train", "text", file]) == 2, file
        assert time.process_time() - began < 1.5, file
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        assert is_safe(said.err)
