"""The command line: exit codes, one line for an error, help that helps, and a cheap import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from library import COLUMNS

from einbackprop.core.progress import OutOfTimeError
from einbackprop.shell.absent import say_once
from einbackprop.shell.command import main

OPTIONS = ["--loss", COLUMNS.loss, "--grads", COLUMNS.grads, "--wrt", "theta"]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(COLUMNS.text, encoding="utf-8")
    return path


def test_right_is_0(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(script), *OPTIONS]) == 0
    assert capsys.readouterr().out.startswith("right: all 6 gradients\n")


def test_wrong_is_1_and_named(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script.write_text(COLUMNS.wrong("untransposed W"), encoding="utf-8")
    assert main(["check", str(script), *OPTIONS]) == 1
    assert capsys.readouterr().out.startswith("wrong: W1, b1 (of 6 gradients)\n")


def test_unusable_is_2_in_one_line(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script.write_text("def run(\n", encoding="utf-8")
    assert main(["check", str(script), *OPTIONS]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "einbackprop: script.py, line 1: SyntaxError: '(' was never closed\n"


def test_a_script_that_runs_into_its_mistake_is_checked(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say_once.cache_clear()  # another test may have run into the same line
    wrong = COLUMNS.text.replace("np.dot(W3.T, d_guess)", "np.dot(W3, d_guess)")
    script.write_text(wrong + "back(run(theta, X), Y, theta)\n", encoding="utf-8")
    assert main(["check", str(script), *OPTIONS]) == 1
    captured = capsys.readouterr()
    line = COLUMNS.text[: COLUMNS.text.index("np.dot(W3.T, d_guess)")].count("\n") + 1
    assert f"! script.py, line {line}: d_two = np.dot(W3, d_guess) * two * (1 - two)" in captured.out
    assert "write     d_two = np.dot(W3.T, d_guess) * two * (1 - two)\n" in captured.out
    stop, left_out = captured.err.splitlines()
    assert stop.startswith(f"einbackprop: script.py, line {line}, in back: ValueError: shapes (2,4) and (2,5) not")
    assert left_out == f"einbackprop: script.py: left out: line {len(wrong.splitlines()) + 1}"


def test_undecided_is_3(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script.write_text(COLUMNS.text + "g = back(run(theta, X), Y, theta)\n", encoding="utf-8")
    options = [*OPTIONS[:3], "g", *OPTIONS[4:]]
    assert main(["check", str(script), *options]) == 3
    assert capsys.readouterr().out.startswith("undecided: W1, b1, W2, b2, W3, b3 (of 6 gradients)\n")


def test_json_is_json(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(script), *OPTIONS, "--json", "--seed", "3",
                 "--setup", "theta, X, Y = build(i, j, k, l, b)"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["ok"] is True
    assert [item["name"] for item in data["gradients"]] == ["W1", "b1", "W2", "b2", "W3", "b3"]


def test_several_names_may_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "two.py"
    script.write_text("import numpy as np\nw, v = np.ones(2), np.ones(2)\n", encoding="utf-8")
    options = ["--loss", "(w * v**2).sum()", "--wrt", "w", "--wrt", "v"]
    assert main(["check", str(script), *options, "--grads", "v**2, 2 * w * v"]) == 0
    assert main(["check", str(script), *options, "--grads", "dict(v=w * v, w=v**2)"]) == 1
    assert "wrong: v (of 2 gradients)" in capsys.readouterr().out


def test_the_example_is_written_here_and_not_over_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["example"]) == 0
    assert (tmp_path / "mynet.py").exists()
    assert capsys.readouterr().out == "wrote mynet.py\n"
    assert main(["example", "mynet.py"]) == 2
    assert capsys.readouterr().err == (
        "einbackprop: mynet.py is there already: move it away or delete it first, or give --force\n")
    assert main(["check", "mynet.py", "--loss", "loss(weights, X, T)", "--grads",
                 "gradients(weights, X, T)", "--wrt", "weights"]) == 0


def test_help_shows_an_example_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["check", "--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "einbackprop example mynet.py" in text
    assert "3  undecided" in text


def test_version_and_missing_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as version:
        main(["--version"])
    assert version.value.code == 0
    assert capsys.readouterr().out.startswith("einbackprop ")
    assert main(["check", "x.py", *OPTIONS[:4]]) == 2
    assert capsys.readouterr().err == (
        "einbackprop: --wrt is missing: what are the gradients with respect to? A name, net.W1 or p['W1']\n")


def test_importing_the_command_costs_no_numpy_of_its_own() -> None:
    code = "import sys, einbackprop.errors; before = set(sys.modules); import einbackprop.shell.command; " \
           "print(*sorted(m for m in set(sys.modules) - before if m.startswith('einbackprop')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "einbackprop.notation", "einbackprop.notation.console", "einbackprop.shell", "einbackprop.shell.command"]


@pytest.mark.slow
def test_the_package_runs_as_a_module(script: Path) -> None:
    command = [sys.executable, "-m", "einbackprop", "check", str(script), *OPTIONS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mistake_of_our_own_is_said_to_be_one(
    script: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise KeyError("t17")

    monkeypatch.setattr("einbackprop.shell.scripts.solve", failing)
    monkeypatch.delenv("EINBACKPROP_TRACEBACK")
    arguments = ["check", str(script), *OPTIONS]
    assert main(arguments) == 4
    said = capsys.readouterr().err
    assert said.startswith("einbackprop: a mistake of einbackprop itself, not of your code: KeyError: 't17' at shell/")
    assert "EINBACKPROP_TRACEBACK=1" in said
    monkeypatch.setenv("EINBACKPROP_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(arguments)


def test_time_that_is_over_before_a_verdict_is_said_to_be(
    script: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> None:
        raise OutOfTimeError

    monkeypatch.setattr("einbackprop.shell.scripts.solve", late)
    assert main(["check", str(script), *OPTIONS]) == 3
    said = capsys.readouterr().err
    assert said == "einbackprop: the time was over before anything was decided: --seconds gives more\n"


def test_a_mistake_of_our_own_in_one_check_of_several_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from einbackprop.shell import project

    answer = project.answer

    def failing(script: str, *rest: object) -> object:
        if script.endswith("first.py"):
            raise KeyError("t17")
        return answer(script, *rest)  # type: ignore[arg-type]

    text = "import numpy as np\nw = np.ones(3)\ndef f(w):\n    return (w**2).sum()\ndef g(w):\n    return 3 * w\n"
    asked = 'loss = "f(w)", grads = "g(w)", wrt = "w"'
    (tmp_path / "second.py").write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.einbackprop]\nchecks = [{{script = "first.py", {asked}}}, {{script = "second.py", {asked}}}]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(project, "answer", failing)
    monkeypatch.delenv("EINBACKPROP_TRACEBACK")
    assert main(["check", "--format", "lines"]) == 4
    captured = capsys.readouterr()
    assert captured.out.startswith("first.py: error: einbackprop failed by a mistake of its own\nsecond.py:6:5: wrong")
    assert "a mistake of einbackprop itself, not of your code: KeyError: 't17'" in captured.err


def test_importing_check_loads_no_compiler() -> None:
    code = "import sys, einbackprop; einbackprop.check; print(*sorted({m.split('.')[1] for m in sys.modules " \
           "if m.startswith('einbackprop.')} | ({'numba', 'jax', 'torch', 'opt_einsum'} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = {"capture", "checking", "core", "derivation", "diagnosis", "errors", "notation", "proof", "reading"}
    expected |= {"rerolling"}
    assert set(done.stdout.split()) <= expected | {"world"}


def test_what_stops_in_the_setup_has_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "net.py"
    script.write_text("""\
import numpy as np


def loss(W, b, X):
    return np.sum((X @ W + b) ** 2)


def gradients(W, b, X):
    d = 2 * (X @ W + b)
    return {"W": X.T @ d, "b": d.sum()}
""", encoding="utf-8")  # fmt: skip
    setup = """\
r = np.random.default_rng(0)
W, b, X = r.normal(size=(3, 2)), r.normal(size=2), r.normal(size=(4, 3))
def grads():
    return [gradients(W, b, X)[k].reshape(v.shape) for k, v in (("W", W), ("b", b))]"""
    assert main(["check", str(script), "--loss", "loss(W, b, X)", "--grads", "grads()", "--wrt", "W", "--wrt", "b",
                 "--setup", setup]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "The code stops: ValueError: cannot reshape array of size 1 into shape (2,)." in said
    assert "None" not in said
