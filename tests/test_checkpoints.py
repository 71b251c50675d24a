"""Checkpoints: the same bytes for the same training, going on as if never stopped, and files that are not ours."""

import errno
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from einbackprop.core import nesting
from einbackprop.core.files import replace_file
from einbackprop.errors import CheckpointError
from einbackprop.shell.command import main
from einbackprop.training import runs
from einbackprop.training.checkpoints import DESCRIPTION, FORMAT, load, save, settings_of, snapshot_of
from einbackprop.training.digits import DigitsSettings, digits_task
from einbackprop.training.loop import Training, start

ROOT = Path(__file__).parent.parent
SMALL = ["train", "digits", "--network", "mlp", "--hidden", "6", "--epochs", "2"]
TEXT = ["train", "text", "{text}", "--context", "4", "--features", "4", "--heads", "2", "--blocks", "1", "--steps", "7",
        "--batch", "3"]  # fmt: skip
SETTINGS = DigitsSettings(network="mlp", hidden=(6,), epochs=2)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("the quick brown fox jumps over the lazy dog. " * 9, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def trained():
    """A task, and where it is after five steps."""
    task = digits_task(SETTINGS)
    training = Training(task, start(task))
    for _ in range(5):
        training.advance()
    return task, training.snapshot()


def words(command):
    return [word.format(text="text") for word in command]


def interrupted_after(step, monkeypatch):
    """From now on a training is interrupted there, as by Ctrl-C."""
    def observe(self, training):
        if training.step == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(runs.Observer, "__call__", observe)


@pytest.mark.long
@pytest.mark.parametrize(("command", "step"), [(SMALL, 30), (SMALL, 44), (TEXT, 3)])
def test_a_training_that_was_interrupted_ends_with_the_same_bytes(command, step, here, monkeypatch, capsys):
    command = words(command)
    assert main([*command, "--save", "whole.npz"]) == 0
    assert main([*command, "--save", "again.npz"]) == 0
    assert (here / "whole.npz").read_bytes() == (here / "again.npz").read_bytes()
    assert main([*command, "--seed", "1", "--save", "other.npz"]) == 0
    assert (here / "whole.npz").read_bytes() != (here / "other.npz").read_bytes()

    capsys.readouterr()
    with monkeypatch.context() as patch:
        interrupted_after(step, patch)
        assert main([*command, "--save", "part.npz"]) == 130
    assert f"interrupted after {step} of " in capsys.readouterr().out
    assert load("part.npz").step == step
    last = command[2:3] if command[1] == "text" else []
    assert main([*command[:2], *last, "--load", "part.npz", "--save", "part.npz"]) == 0
    assert (here / "part.npz").read_bytes() == (here / "whole.npz").read_bytes()
    assert sorted(path.name for path in here.iterdir()) == ["again.npz", "other.npz", "part.npz", "text", "whole.npz"]


def test_a_training_can_go_on_for_longer(here, capsys):
    assert main([*SMALL, "--save", "a.npz"]) == 0
    assert main(["train", "digits", "--load", "a.npz", "--epochs", "3", "--save", "b.npz"]) == 0
    assert "44 steps in " in capsys.readouterr().out
    assert (load("a.npz").step, load("b.npz").step) == (88, 132)


def test_what_is_loaded_is_what_was_saved(here, trained):
    task, snapshot = trained
    save("a.npz", task, snapshot)
    checkpoint = load("a.npz")
    assert settings_of(checkpoint, DigitsSettings) == task.settings
    found = snapshot_of(checkpoint, task)
    for one, other in ((found.parameters, snapshot.parameters), (found.optimiser, snapshot.optimiser)):
        for (path, a), (again, b) in zip(nesting.leaves(one), nesting.leaves(other), strict=True):
            assert path == again
            np.testing.assert_array_equal(a, b, strict=True)
    np.testing.assert_array_equal(found.losses, snapshot.losses)
    np.testing.assert_array_equal(found.measures, snapshot.measures)


def test_numpy_opens_it_without_pickle(here, trained):
    save("a.npz", *trained)
    with np.load("a.npz", allow_pickle=False) as arrays:
        assert arrays["parameters/layers/0/W"].shape == (6, 64)
        assert json.loads(arrays[DESCRIPTION])["format"] == FORMAT


# --- ended while writing -------------------------------------------------------------------------


ENDED = """
import os, sys
from einbackprop.core.files import replace_file

def write(stream):
    stream.write(b"half of it")
    stream.flush()
    os._exit(9)

replace_file(sys.argv[1], write)
"""


def test_who_ends_at_once_while_writing_leaves_the_old_one(here):
    (here / "a.npz").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", ENDED, str(here / "a.npz")], cwd=ROOT, check=False)
    assert done.returncode == 9
    assert (here / "a.npz").read_bytes() == b"old"


def test_a_write_that_fails_leaves_the_old_one_and_nothing_else(here):
    (here / "a.npz").write_bytes(b"old")

    def write(stream):
        stream.write(b"half of it")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        replace_file("a.npz", write)
    assert (here / "a.npz").read_bytes() == b"old"
    assert sorted(path.name for path in here.iterdir()) == ["a.npz", "text"]


def test_a_disk_that_is_full_is_one_line_and_leaves_the_old_one(here, trained, monkeypatch, capsys):
    save("a.npz", *trained)
    before = (here / "a.npz").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["train", "digits", "--load", "a.npz", "--save", "a.npz"]) == 2
    assert capsys.readouterr().err == "einbackprop: a.npz cannot be saved: No space left on device\n"
    assert (here / "a.npz").read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == ["a.npz", "text"]


def test_a_link_stays_a_link_and_its_target_is_replaced(here):
    (here / "target").write_bytes(b"old")
    (here / "link").symlink_to("target")
    replace_file("link", lambda stream: stream.write(b"new"))
    assert (here / "link").is_symlink()
    assert (here / "target").read_bytes() == b"new"


# --- files that are not ours ---------------------------------------------------------------------


def rewritten(file, change):
    """Write the checkpoint anew, with its description and entries changed."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(entries.pop(DESCRIPTION))
    change(about, entries)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(DESCRIPTION, json.dumps(about))
        for name, content in entries.items():
            archive.writestr(name, content)


def npy(file, array):
    np.save(file, array, allow_pickle=True)
    return file.read_bytes()


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def flipped(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncated(file):
    file.write_bytes(file.read_bytes()[:-2000])


NOT_OURS = "a.npz is no checkpoint of einbackprop, and was left as it is"
DAMAGED = "a.npz is damaged"
SPOILED = {
    "a text": (lambda f: f.write_text("W = 3\n"), f"{NOT_OURS} (File is not a zip file)"),
    "nothing": (lambda f: f.write_bytes(b""), f"{NOT_OURS} (File is not a zip file)"),
    "arrays of somebody": (lambda f: np.savez(f, W=np.ones(3)), f"{NOT_OURS} (\"There is no item named "
                                                                "'checkpoint.json' in the archive\")"),
    "a pickle": (lambda f: f.write_bytes(npy(f.with_name("p.npy"), np.array([Bomb()]))), NOT_OURS),
    "another version": (lambda f: rewritten(f, lambda about, _: about.update(format="einbackprop checkpoint 2")),
                        "a.npz has the format 'einbackprop checkpoint 2', but this version reads "
                        "'einbackprop checkpoint 1'"),
    "one bit": (flipped, DAMAGED + ", and was left as it is (Bad CRC-32 for file "),
    "the end": (truncated, DAMAGED + ", and was left as it is (File is not a zip file)"),
    "a pickle inside": (lambda f: rewritten(f, lambda _, entries: entries.update(
        {"losses.npy": npy(f.with_name("p.npy"), np.array([Bomb()]))})),
        DAMAGED + ", and was left as it is ('losses.npy' holds dtype('O'), no numbers of float32 or float64)"),
    "an array is missing": (lambda f: rewritten(f, lambda _, entries: entries.pop("parameters/layers/0/W.npy")),
                            DAMAGED + ": it misses array parameters/layers/0/W"),
    "an array more": (lambda f: rewritten(f, lambda _, entries: entries.update(
        {"V.npy": npy(f.with_name("p.npy"), np.ones(2))})), DAMAGED + ": it has an unknown array V"),
    "another shape": (lambda f: rewritten(f, lambda _, entries: entries.update(
        {"mean/layers/0/c.npy": npy(f.with_name("p.npy"), np.ones(2, np.float32))})),
        DAMAGED + ": mean/layers/0/c is float32 of shape (2,), but must be float32 of shape (6,)"),
    "another dtype": (lambda f: rewritten(f, lambda _, entries: entries.update(
        {"mean/layers/0/c.npy": npy(f.with_name("p.npy"), np.ones(6))})),
        DAMAGED + ": mean/layers/0/c is float64 of shape (6,), but must be float32 of shape (6,)"),
    "another network": (lambda f: rewritten(f, lambda about, _: about["settings"].update(hidden=[7])), DAMAGED + ": "),
    "another step": (lambda f: rewritten(f, lambda about, _: about.update(step=6)),
                     DAMAGED + ": losses is float64 of shape (5,), but must be float64 of shape (6,)"),
    "words for numbers": (lambda f: rewritten(f, lambda about, _: about["settings"].update(epochs="many")),
                          DAMAGED + ": its settings are none ("),
    "a fraction": (lambda f: rewritten(f, lambda about, _: about["settings"].update(batch=2.5)),
                   DAMAGED + ": its settings are none (batch is 2.5)"),
    "a setting of somebody": (lambda f: rewritten(f, lambda about, _: about["settings"].update(colour="red")),
                              DAMAGED + ": its settings are none ("),
    "text": (lambda f: rewritten(f, lambda about, _: about.update(task="text")),
             "a.npz was trained on text, not on digits"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILED)
def test_a_file_that_is_not_ours_is_refused_in_one_line_and_stays(what, here, trained, capsys):
    file = here / "a.npz"
    save("a.npz", *trained)
    spoil, message = SPOILED[what]
    spoil(file)
    before = file.read_bytes()
    assert main(["train", "digits", "--load", "a.npz", "--save", "a.npz"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"einbackprop: {message}")
    assert captured.err.count("\n") == 1
    assert file.read_bytes() == before
    assert not (here / "exploded").exists()


@pytest.mark.parametrize("content", [b"", b"my notes", b"PK\x03\x04"])
def test_nothing_is_saved_over_a_file_of_somebody(content, here, capsys):
    (here / "a.npz").write_bytes(content)
    assert main([*SMALL, "--save", "a.npz"]) == 2
    assert (here / "a.npz").read_bytes() == content
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"einbackprop: {NOT_OURS} (File is not a zip file)\n"


def test_nothing_is_saved_over_another_training(here, trained, capsys):
    save("a.npz", *trained)
    before = (here / "a.npz").read_bytes()
    assert main([*SMALL, "--save", "a.npz"]) == 2
    assert capsys.readouterr().err == (
        "einbackprop: a.npz is the checkpoint of another training: --load it to go on, or --save elsewhere\n")
    assert (here / "a.npz").read_bytes() == before


def test_the_pickle_would_have_gone_off(here):
    np.save("p.npy", np.array([Bomb()]), allow_pickle=True)
    np.load("p.npy", allow_pickle=True)
    assert (here / "exploded").exists()


def test_a_snapshot_is_refused_for_another_task(here, trained):
    save("a.npz", *trained)
    with pytest.raises(CheckpointError, match="parameters/layers/0/W is float32 of shape"):
        snapshot_of(load("a.npz"), digits_task(DigitsSettings(network="mlp", hidden=(5,), epochs=2)))
