"""`einbackprop check` alone: what pyproject.toml asks for is checked, and the worst outcome decides the exit code."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from einbackprop.errors import OptionError
from einbackprop.shell import command
from einbackprop.shell.command import main
from einbackprop.shell.project import checks_of

RIGHT = "import numpy as np\nw = np.ones(3)\ndef f(w):\n    return (w**2).sum()\ndef g(w):\n    return 2 * w\n"
WRONG = RIGHT.replace("2 * w", "3 * w")
UNDECIDED = RIGHT + "g0 = g(w)\n"
UNUSABLE = RIGHT + "del w; 1 / 0\n"
CHECK = '{script = "%s", loss = "f(w)", grads = "g(w)", wrt = "w"}'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a script for each outcome, and a folder in it in which the tests run."""
    for name, text in (("right.py", RIGHT), ("wrong.py", WRONG), ("unusable.py", UNUSABLE),
                       ("undecided.py", UNDECIDED)):
        (tmp_path / name).write_text(text)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    return tmp_path


def asks(folder: Path, *checks: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.einbackprop]\nchecks = [{', '.join(checks)}]\n", encoding="utf-8")


def of(name: str) -> str:
    return CHECK % name if name != "undecided.py" else CHECK.replace("g(w)", "g0") % name


def refused(text: str) -> str:
    Path("pyproject.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(OptionError) as caught:
        checks_of(".")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_report_stands_under_its_script(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asks(folder, of("right.py"), of("wrong.py"))
    assert main(["check"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("right.py: f(w)\nright: 1 gradient\n  w  (3,)")
    assert "\n\nwrong.py: f(w)\nwrong: w (of 1 gradient)\n" in captured.out
    assert captured.err == ""


def test_of_a_script_alone_all_is_checked_that_it_seems_to_ask(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RIGHT.replace("def f", "def loss").replace("def g", "def gradient")
    (folder / "open.py").write_text(text, encoding="utf-8")
    (folder / "empty.py").write_text("x = 1\n", encoding="utf-8")
    asks(folder, '{script = "open.py"}', '{script = "open.py", setup = "w = w * 2"}', '{script = "empty.py"}')
    assert main(["check"]) == 2  # nothing says what the last one asks
    out = capsys.readouterr()
    assert out.out.count('open.py\nasked: --loss "loss(w)" --grads "gradient(w)" --wrt w') == 2
    assert out.out.count("right: 1 gradient") == 2
    assert "nothing in it was found to give gradients" in out.err + out.out


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["right.py"], 0),
        (["right.py", "undecided.py"], 3),
        (["undecided.py", "wrong.py", "right.py"], 1),
        (["wrong.py", "unusable.py", "undecided.py"], 2),
        (["wrong.py", "none.py"], 2),
    ],
)  # fmt: skip
def test_the_worst_outcome_decides(names: list[str], code: int, folder: Path) -> None:
    asks(folder, *map(of, names))
    assert main(["check", "--format", "lines"]) == code


def test_an_error_does_not_stop_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asks(folder, of("unusable.py"), of("right.py"))
    assert main(["check"]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("unusable.py: f(w)\nnot checked\n\nright.py: f(w)\nright: 1 gradient\n")
    assert captured.err == (
        "einbackprop: unusable.py: f(w): unusable.py, line 7: ZeroDivisionError: division by zero\n")


def test_several_are_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asks(folder, of("right.py"), of("wrong.py"), of("unusable.py"))
    assert main(["check", "--json"]) == 2
    rows = json.loads(capsys.readouterr().out)
    assert [row["ok"] for row in rows] == [True, False, False]
    assert [row["title"] for row in rows] == ["right.py: f(w)", "wrong.py: f(w)", "unusable.py: f(w)"]
    assert rows[2]["error"] == "unusable.py, line 7: ZeroDivisionError: division by zero"
    assert main(["check", "--format", "sarif"]) == 2
    [run] = json.loads(capsys.readouterr().out)["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["wrong-line", "unusable"]
    asks(folder, of("right.py"))
    assert main(["check", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_several_are_one_patch_and_one_page(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "also.py").write_text(WRONG)
    asks(folder, of("wrong.py"), of("also.py"))
    monkeypatch.chdir(folder)
    assert main(["check", "--diff", "--html", "page.html"]) == 1
    patch = capsys.readouterr().out
    assert patch.index("+++ ./wrong.py") < patch.index("+++ ./also.py")
    page = (folder / "page.html").read_text("utf-8")
    assert page.index("<h1>wrong.py: f(w)</h1>") < page.index("<h1>also.py: f(w)</h1>")
    assert page.count("<!DOCTYPE html>") == 1
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    (folder / "mine.html").write_text("mine")
    asks(folder, of("right.py"))
    assert main(["check", "--html", "mine.html"]) == 2
    assert (folder / "mine.html").read_text() == "mine"


def test_all_options_of_a_check_can_be_asked(folder: Path) -> None:
    asks(folder, '{script = "right.py", forward = "f(-w)", backward = "b(d)", grads = "-g", cotangent = "d", '
                 'wrt = ["w", "p[\'-v\']"], setup = "-1\\nx = 2", seed = 7, seconds = 2.5}')  # fmt: skip
    [check] = checks_of(".")
    question = check.question
    assert Path(check.script) == folder / "right.py"
    assert (question.forward, question.backward, question.grads) == ("f(-w)", "b(d)", "-g")
    assert (question.cotangent, question.wrt) == ("d", ["w", "p['-v']"])
    assert (check.setup, check.seed, check.seconds) == ("-1\nx = 2", 7, 2.5)
    (folder / "pyproject.toml").write_text(
        '[[tool.einbackprop.checks]]\nscript = "a.py"\nboth = "f(w)"\nwrt = "w"\n'
        '[[tool.einbackprop.checks]]\nscript = "sub/b.py"\nboth = "f(w)"\nwrt = "w"\n')
    assert [check.title for check in checks_of(".")] == ["a.py: f(w)", "sub/b.py: f(w)"]


def test_the_nearest_file_with_the_table_counts(folder: Path) -> None:
    asks(folder, of("right.py"))
    Path("pyproject.toml").write_text("[project]\nname = 'inner'\n")
    assert checks_of(".")[0].script == str(folder / "right.py")
    Path("pyproject.toml").write_text(f"[tool.einbackprop]\nchecks = [{of('here.py')}]\n")
    assert checks_of(".")[0].script == str(folder / "sub" / "here.py")


WHERE = "pyproject.toml, [tool.einbackprop]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.einbackprop]\nchecks = 3\n",
         f"{WHERE}: checks must be a list of tables, each with script, and the options of check"),
        ("[tool.einbackprop]\n",
         f"{WHERE}: checks must be a list of tables, each with script, and the options of check"),
        ("[tool.einbackprop]\ncheck = []\n", f"{WHERE}: there is no 'check': did you mean checks?"),
        ("[tool.einbackprop]\nchecks = [3]\n", f"{WHERE}: check 1 must be a table, not 3"),
        ("[tool.einbackprop]\nchecks = [{}]\n", f"{WHERE}: check 1 must have the path of its script, not None"),
        ("[tool.einbackprop]\nchecks = [{scrip = 'a.py'}]\n",
         f"{WHERE}: check 1: there is no 'scrip': did you mean script?"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', gards = 'g', loss = 'f', wrt = 'w'}]\n",
         f"{WHERE}: check 1: there is no 'gards': did you mean grads?"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', \"x\\u001b\" = 'g'}]\n",
         f"{WHERE}: check 1: there is no 'x\\x1b': there are script, loss, grads, both, forward, backward, "),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', loss = 3}]\n",
         f"{WHERE}: check 1, of 'a.py': loss must be a text, not 3"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', loss = ['f']}]\n",
         f"{WHERE}: check 1, of 'a.py': loss must be a text, not ['f']"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', wrt = []}]\n",
         f"{WHERE}: check 1, of 'a.py': wrt must be a text, not []"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', seed = true}]\n",
         f"{WHERE}: check 1, of 'a.py': seed must be a number, not True"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', seed = -1}]\n",
         f"{WHERE}: check 1, of 'a.py': argument --seed: '-1' is no whole number from 0 to 4294967295"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', seconds = nan}]\n",
         f"{WHERE}: check 1, of 'a.py': argument --seconds: 'nan' is not a positive number of seconds"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', loss = 'f', grads = 'g'}]\n",
         f"{WHERE}: check 1, of 'a.py': --wrt is missing: "
         "what are the gradients with respect to? A name, net.W1 or p['W1']"),
        ("[tool.einbackprop]\nchecks = [{script = 'a.py', loss = 'f', wrt = 'w'}]\n",
         f"{WHERE}: check 1, of 'a.py': --loss alone does not say what to check: give --loss and --grads, or "),
        ("[tool.einbackprop\n", "pyproject.toml: it is no TOML: "),
        ("\udcff", "pyproject.toml: it is no TOML: 'utf-8' codec can't decode"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_in_one_line(text: str, said: str) -> None:
    assert refused(text).startswith(said)


def test_no_script_and_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert capsys.readouterr().err == (
        "einbackprop: give SCRIPT, or say in pyproject.toml what to check: there is none with [tool.einbackprop] here "
        "or above\n")


@pytest.mark.parametrize("options", [["--loss", "f(w)"], ["--wrt", "w"], ["--seconds", "3"], ["--seed", "1"]])
def test_options_without_a_script_are_refused(
    options: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asks(folder, of("right.py"))
    assert main(["check", *options]) == 2
    assert capsys.readouterr().err == f"einbackprop: {options[0]} is asked of no script: give SCRIPT before it\n"


def test_the_hook_runs_the_command_that_there_is(folder: Path) -> None:
    text = (Path(__file__).parent.parent / ".pre-commit-hooks.yaml").read_text("utf-8")
    fields = dict(line.lstrip("- ").split(": ", 1) for line in text.splitlines())
    assert (fields["id"], fields["language"], fields["pass_filenames"]) == ("einbackprop-check", "python", "false")
    program, *arguments = fields["entry"].split()
    asks(folder, of("wrong.py"))
    done = subprocess.run([sys.executable, "-m", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("wrong.py: f(w)\nwrong: w (of 1 gradient)\n")


def test_the_help_shows_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Without SCRIPT, all that [tool.einbackprop] in the nearest pyproject.toml asks for is checked" in said
    assert "[SCRIPT]" in said
    assert set(command.ASKED) >= {"--loss", "--grads", "--wrt", "--setup", "--seed", "--seconds"}
