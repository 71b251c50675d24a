"""Training on a mesh: the losses are those of one process, and a checkpoint goes on wherever it is loaded."""

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from devices import FOLDER, free_port, on_devices, together
from mesh_trainings import on_host
from sampling import THOROUGH

from einbackprop.errors import BackendError
from einbackprop.sharding import processes
from einbackprop.shell.command import main
from einbackprop.training.checkpoints import load

SCRIPT = str(FOLDER / "mesh_trainings.py")
STEPS = 50
MESHES = [
    ({"data": 2, "model": 2}, [{"b": "data", "k": "model"}, {"b": "data", "h": "model", "j": "model"}]),
    ({"data": 4}, [None, None]),
    ({"model": 2}, [{"l": "model"}, {"f": "model", "n": "model"}]),
]


def require_same(found: str) -> None:
    """The losses that a mesh printed are those of this process, step by step."""
    for theirs, own in zip(json.loads(found.splitlines()[-1]), on_host(STEPS), strict=True):
        assert len(own) == STEPS + 1
        np.testing.assert_allclose(theirs, own, rtol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize(("mesh", "letters"), MESHES if THOROUGH else MESHES[:1])
def test_losses_on_a_mesh_are_those_of_one_process(mesh: dict[str, int], letters: list[dict[str, str] | None]) -> None:
    pytest.importorskip("jax")
    require_same(on_devices(SCRIPT, json.dumps(mesh), json.dumps(letters), str(STEPS), devices=4))


@pytest.mark.long
def test_losses_of_two_processes_are_those_of_one() -> None:
    pytest.importorskip("jax")
    where = f"127.0.0.1:{free_port()}"
    letters = [{"b": "data"}, {"h": "data", "j": "data"}]  # of the second each process has half of the heads
    given = [SCRIPT, json.dumps({"data": 2}), json.dumps(letters), str(STEPS)]
    for code, out, errors in together([[*given, str(k), "2", where] for k in range(2)]):
        assert code == 0, errors
        require_same(out)


def command(*options: str) -> list[str]:
    return ["-m", "einbackprop", "train", "digits", "--network", "mlp", "--hidden", "24,16", *options]


@pytest.mark.long
def test_after_a_process_was_killed_the_next_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jax")
    file, whole = tmp_path / "kept.zip", tmp_path / "whole.zip"
    shared = ["--mesh", "data=2", "--coordinator", f"127.0.0.1:{free_port()}", "--epochs", "2000"]

    def kill(running: Sequence["subprocess.Popen[str]"]) -> None:
        until = time.monotonic() + 60
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.02)
        running[1].kill()

    (code, _, errors), _ = together(
        [command(*shared, "--process", "0/2", "--save", str(file)), command(*shared, "--process", "1/2")], 60, kill)
    assert code == 2, errors
    assert "Traceback" not in errors
    assert "was not finished, another process may have ended: " in errors
    reached = load(str(file)).step
    assert f"{file} has {reached} steps: go on with --load {file}" in errors.replace("\n", " ")
    assert list(tmp_path.iterdir()) == [file]

    epochs = str(reached // 89 + 1)  # of 89 batches
    options = ["train", "digits", "--epochs", epochs]
    assert main([*options, "--load", str(file), "--save", str(whole)]) == 0  # with NumPy
    printed = on_devices(*command("--load", str(file), "--epochs", epochs, "--mesh", "data=1,model=2", "--letters",
                                  "b=data,k=model"))  # fmt: skip
    own, theirs = (text.split("held out: loss ")[1].split(",")[0] for text in (capsys.readouterr().out, printed))
    assert abs(float(own) - float(theirs)) < 1e-3


@pytest.mark.long
def test_a_process_that_is_interrupted_does_not_wait_for_the_other(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    file = tmp_path / "kept.zip"
    shared = ["--mesh", "data=2", "--coordinator", f"127.0.0.1:{free_port()}", "--epochs", "2000"]

    def interrupt(running: Sequence["subprocess.Popen[str]"]) -> None:
        until = time.monotonic() + 60
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.02)
        running[1].send_signal(signal.SIGINT)

    began = time.monotonic()
    both = [command(*shared, "--process", "0/2", "--save", str(file)), command(*shared, "--process", "1/2")]
    first, other = together(both, 90, interrupt)
    assert time.monotonic() - began < 60
    assert (first[0], other[0]) == (2, 130), first[2] + other[2]
    assert "was not finished, another process may have ended: " in first[2]
    assert "Traceback" not in first[2] + other[2]
    assert load(str(file)).step > 0


@pytest.mark.parametrize(
    ("where", "process", "said"),
    [
        ("127.0.0.1:{}", 1, "process 1 of 2 did not find the others at '127.0.0.1:{}': [Errno 111] Connection refused"),
        ("nowhere", 1, "the coordinator is 'nowhere', but must be HOST:PORT, such as 127.0.0.1:9000"),
        ("127.0.0.1:{}", 2, "process 2 of 2 is none: they are counted from 0 to 1"),
    ],
)
def test_a_process_that_finds_no_others_says_so(
    where: str, process: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jax")
    monkeypatch.setattr(processes, "SECONDS", 0)
    port = free_port()
    with pytest.raises(BackendError) as caught:
        processes.join(where.format(port), process, 2)
    assert str(caught.value) == said.format(port)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--letters", "b=data"], "--letters is of no use without --mesh: give both, or neither"),
        (["--mesh", "data=2", "--process", "0/2"],
         "--process is of no use without --coordinator: give both, or neither"),
        (["--mesh", "data=2", "--process", "2/2"], "'2/2' is not written as 0/2 and 1/2, the processes of two"),
        (["--mesh", "data=3"], "b = 32 cannot be divided among the 3 devices along data: 30 or 33 could, or an axis "
                               "of 2, 4, 8, 16, 32 devices"),
        (["--mesh", "data=4096"], "cannot be divided among the 4096 devices along data"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["train", "digits", *options])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())
