"""Scripts that import what is not installed: what needs it is left out, the rest runs."""

import json
from pathlib import Path

import pytest

from einbackprop.shell.absent import say_once
from einbackprop.shell.command import main

LIBRARY = "surely_not_there"
LOSS = """
W, X = np.ones((3, 2)), np.arange(12.0).reshape(4, 3)
def loss(W):
    return np.sum((X @ W) ** 2)
def grad(W):
    return 2 * X.T @ (X @ W)
"""


@pytest.fixture(autouse=True)
def nothing_was_said() -> None:
    say_once.cache_clear()


def checked(folder: Path, source: str, *options: str) -> int:
    script = folder / "net.py"
    script.write_text(f"import numpy as np\n{source}", encoding="utf-8")
    return main(["check", str(script), *options])


def test_a_script_runs_without_what_it_does_not_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"import {LIBRARY}.tools as tools\nfrom {LIBRARY} import load\n{LOSS}\ndef data():\n    return load('x')\n"
    assert checked(tmp_path, source) == 0
    shown = capsys.readouterr()
    assert "right: 1 gradient" in shown.out
    assert shown.err == f"einbackprop: {LIBRARY} is not installed: what needs it cannot run\n"


def test_statements_that_need_it_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"from {LIBRARY} import load\nY = load('y')\nprint(Y.shape)\n{LOSS}"
    assert checked(tmp_path, source) == 0
    assert capsys.readouterr().err.splitlines()[1] == "einbackprop: net.py: left out: lines 3, 4"


def test_who_uses_it_gets_the_error_of_the_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"import {LIBRARY}\n{LOSS}\ndef other(W):\n    return {LIBRARY}.loss(W)\n"
    assert checked(tmp_path, source, "--loss", "other(W)", "--grads", "grad(W)", "--wrt", "W") == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(
        f"net.py, line 11, in other: ModuleNotFoundError: No module named '{LIBRARY}'")


def test_an_import_that_may_fail_fails(tmp_path: Path) -> None:
    source = f"try:\n    import {LIBRARY}\n    found = 1\nexcept ImportError:\n    found = 0\nassert not found\n{LOSS}"
    assert checked(tmp_path, source) == 0


def test_what_only_shows_something_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("einbackprop.shell.absent.SILENT", frozenset({LIBRARY}))
    source = (f"import {LIBRARY}.pyplot as plt\n{LOSS}\nfigure, axes = plt.subplots()\naxes.plot(W)\n"
              "with plt.style.context('x'):\n    axes[0] = plt.show()\n")  # fmt: skip
    assert checked(tmp_path, source) == 0
    assert capsys.readouterr().err == f"einbackprop: {LIBRARY} is not installed: what it shows is left out\n"


STOPS = {
    "W @ np.ones(7)": "net.py, line 10: ValueError: ",
    "Y = np.loadtxt('absent.csv')": "net.py, line 10: FileNotFoundError: absent.csv not found.",
    "import sys; sys.exit(2)": "net.py: it called sys.exit(2): guard that with if __name__ == '__main__'",
}


@pytest.mark.parametrize("line", STOPS)
@pytest.mark.parametrize("library", ["", f"import {LIBRARY}"])
def test_what_stops_with_an_error_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, library: str
) -> None:
    source = f"{library}\n{LOSS}\n{line}\nY + nothing\nV = W"
    assert checked(tmp_path, source, "--loss", "loss(V)", "--grads", "grad(V)", "--wrt", "V") == 0
    *_, error, left_out = capsys.readouterr().err.splitlines()
    assert error.startswith(f"einbackprop: {STOPS[line]}")
    assert left_out == "einbackprop: net.py: left out: lines 10, 11"


def test_an_error_is_the_answer_where_what_it_left_out_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source, options in ((f"{LOSS}V = W / absent\n", ["--loss", "loss(V)", "--grads", "grad(V)", "--wrt", "V"]),
                            ("def f(): pass\n\nV = absent\n", [])):  # fmt: skip
        assert checked(tmp_path, source, *options) == 2
        assert capsys.readouterr().err == (
            f"einbackprop: net.py, line {source.count(chr(10)) + 1}: NameError: name 'absent' is not defined\n")


def test_a_notebook_goes_on_with_its_next_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["import numpy as np\n" + f"from {LIBRARY} import *", "Y = load('y')", "print(Y)", LOSS]
    notebook = {"cells": [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells],
                "metadata": {}, "nbformat": 4, "nbformat_minor": 5}  # fmt: skip
    file = tmp_path / "analysis.ipynb"
    file.write_text(json.dumps(notebook), encoding="utf-8")
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"einbackprop: {LIBRARY} is not installed: what needs it cannot run",
        "einbackprop: analysis.ipynb, cell 2: left out: line 1",
        "einbackprop: analysis.ipynb, cell 3: left out: line 1",
    ]
