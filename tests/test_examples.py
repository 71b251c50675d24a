"""The examples that ship: each is checked by the command in its own docstring, read, and written out."""

import ast
import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sampling import some

from einbackprop.errors import ScriptError
from einbackprop.shell import gallery
from einbackprop.shell.command import main
from einbackprop.shell.gallery import Example, examples, write_example

GALLERY = examples()
RIGHT = [one for one in GALLERY if one.name != "three_mistakes"]
MENDED = {
    "d_output = 2 * (output - X) / X.size": "d_output = 2 * (output - X) / output.shape[0]",
    'grads["W2"] = code.T @ d_output + decay * params["W2"]':
        'grads["W2"] = code.T @ d_output + 2 * decay * params["W2"]',
    'd_code = d_output @ params["W2"].T * (1 - code)': 'd_code = d_output @ params["W2"].T * (1 - code ** 2)',
}


def named(one: Example) -> str:
    return one.name


def checked(one: Example, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What its own command prints, run where it was written."""
    monkeypatch.chdir(folder)
    write_example(one.name)
    program, *arguments = one.command
    assert program == "einbackprop"
    code = main(arguments)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert code == (1 if one not in RIGHT else 0)
    return captured.out


@pytest.mark.long
@pytest.mark.parametrize("one", some(RIGHT, 2), ids=named)
def test_the_command_of_its_docstring_finds_an_example_right(
    one: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = checked(one, tmp_path, monkeypatch, capsys)
    lines = report.splitlines()
    count = re.fullmatch(r"right: all (\d+) gradients", lines[0])
    assert count is not None
    verdicts = [line for line in lines[1:] if re.match(r"  \S+ +\(\S*\) +proved ", line)]
    assert len(verdicts) == int(count[1])  # every one is proved
    assert not [line for line in lines if line.startswith("!")]  # nothing is said of its data


@pytest.mark.slow
def test_of_three_mistakes_three_are_found_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = gallery.example("three_mistakes")
    report = checked(one, tmp_path, monkeypatch, capsys)
    assert report.startswith("wrong: W1, b1, W2, b2 (of 4 gradients)\n")
    found = re.findall(r"^! three_mistakes\.py, line (\d+): (.*)$", report, re.MULTILINE)
    assert {code for _, code in found} == set(MENDED)
    lines = one.text.splitlines()
    assert all(lines[int(line) - 1].strip() == code for line, code in found)
    assert set(re.findall(r"^ +write +(.*)$", report, re.MULTILINE)) == set(MENDED.values())
    mended = one.text
    for wrong, right in MENDED.items():
        mended = mended.replace(wrong, right)
    Path("three_mistakes.py").write_text(mended, encoding="utf-8")
    assert main(list(one.command[1:])) == 0
    assert capsys.readouterr().out.startswith("right: all 4 gradients\n")


@pytest.mark.parametrize("one", GALLERY, ids=named)
def test_an_example_is_a_script_that_somebody_reads(one: Example) -> None:
    lines = one.text.splitlines()
    assert 25 <= len(lines) <= 90
    assert max(map(len, lines)) <= 120
    assert len(one.title) <= 90
    assert one.title.endswith(".")
    assert one.file in one.command
    names: dict[str, object] = {"__name__": one.name}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(one.text, one.file, "exec"), names)
    assert printed.getvalue() == ""  # what it prints and trains is guarded


@pytest.mark.parametrize("name", [one.name for one in GALLERY if "__main__" in one.text])
def test_what_an_example_does_when_it_is_run_goes_well(name: str) -> None:
    script = Path(gallery.__file__).parent / "examples" / f"{name}.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_backward_of_forty_steps_has_forty() -> None:
    tree = ast.parse(gallery.example("forty_steps").text)
    (backward,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "backward")
    made = [node for node in backward.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    assert len(made) == 40
    assert len({node.targets[0].id for node in made if isinstance(node.targets[0], ast.Name)}) == 40


def test_every_script_of_the_folder_is_in_the_gallery_once() -> None:
    folder = Path(gallery.__file__).parent / "examples"
    assert sorted(gallery.NAMES) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert len(gallery.NAMES) == 12


def test_examples_are_listed_with_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(gallery.NAMES)
    assert lines[1] == (
        "mynet           A network with two hidden layers, its gradient written by hand. Rows are samples.")


@pytest.mark.parametrize("name", ["lstm", "lstm.py"])
def test_an_example_is_written_by_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["example", name]) == 0
    assert capsys.readouterr().out == "wrote lstm.py\n"
    assert os.listdir() == ["lstm.py"]
    assert Path("lstm.py").read_text(encoding="utf-8") == gallery.example("lstm").text
    assert main(["example", name]) == 2
    assert capsys.readouterr().err == (
        "einbackprop: lstm.py is there already: move it away or delete it first, or give --force\n")
    assert main(["example", name, "--force"]) == 0


def test_what_is_no_example_is_said_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ScriptError) as caught:
        write_example("ltsm.py", str(tmp_path))
    assert str(caught.value) == "there is no example 'ltsm.py': did you mean lstm?"
    with pytest.raises(ScriptError) as caught:
        write_example("x.py", str(tmp_path))
    assert str(caught.value) == (
        "there is no example 'x.py': there are exercise, mynet, softmax, batchnorm, attention, lstm, convolution, vae, "
        "word2vec, solve, forty_steps and three_mistakes")
    with pytest.raises(ScriptError, match=r"mynet\.py cannot be written: No such file or directory$"):
        write_example("mynet.py", str(tmp_path / "no"))


def test_commands_are_as_they_are_typed() -> None:
    """The docstring's lines, with their backslashes, are what a shell makes the command of."""
    for one in GALLERY:
        source = one.text.split('"""')[1]
        typed = re.search(r"^    (einbackprop check (?:.*\\\n)*.*)$", source, re.MULTILINE)
        assert typed is not None
        assert tuple(shlex.split(typed[1].replace("\\\n", ""))) == one.command
