"""What a check finds, for programs: lines for editors, GitHub's annotations, SARIF, and JSON of several."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from library import COLUMNS

from einbackprop.checking.reports import Report
from einbackprop.checking.verdicts import Finding, Gradient
from einbackprop.core.source import CELLS, Cell
from einbackprop.errors import CodeError, ScriptError
from einbackprop.shell.command import main
from einbackprop.shell.formats import KINDS, Outcome, as_github, as_json, as_lines, as_sarif, path_of, region_of, uri_of

OPTIONS = ["--loss", COLUMNS.loss, "--grads", COLUMNS.grads, "--wrt", "theta"]
WRONG = Gradient("W", "wrong", "close", 0.5, 1e15, (0, 1), 1.5, 2.5, (2, 2))
RIGHT = Gradient("b", "right", "proved", 0.0, 0.0, (0,), 1.0, 1.0, (2,))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def written(text: str, name: str = "net.py") -> str:
    path = Path(name).absolute()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return str(path)


def found(file: str, line: int, message: str = "x must stand here.", write: str = "") -> Outcome:
    """The outcome of a check that found one thing."""
    finding = Finding(message, file, line, write=write or None)
    return Outcome(file, "net.py: loss(W)", Report((WRONG, RIGHT), findings=(finding,)))


def results(text: str) -> list[dict[str, Any]]:
    """The results of a SARIF document, which is as the standard wants it."""
    document = json.loads(text)
    assert set(document) == {"$schema", "version", "runs"}
    assert document["version"] == "2.1.0"
    [run] = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "einbackprop"
    assert driver["version"]
    assert [rule["id"] for rule in driver["rules"]] == list(KINDS)
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.isascii()
        assert uri.isprintable()
        assert " " not in uri
    return list(run["results"])


def repaired(text: str, fix: dict[str, Any]) -> str:
    """A text with a fix of a SARIF document in it."""
    lines = text.splitlines(keepends=True)
    [change] = fix["artifactChanges"]
    for part in reversed(change["replacements"]):
        region = part["deletedRegion"]
        assert region["startLine"] == region["endLine"]
        line = lines[region["startLine"] - 1]
        new = line[: region["startColumn"] - 1] + part["insertedContent"]["text"] + line[region["endColumn"] - 1 :]
        lines[region["startLine"] - 1] = new
    return "".join(lines)


@pytest.mark.slow
def test_a_mistake_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    text = COLUMNS.wrong("untransposed W")
    written(text, "sub/net.py")
    line = next(n for n, (a, b) in enumerate(zip(text.splitlines(), COLUMNS.text.splitlines(), strict=True), 1)
                if a != b)  # fmt: skip
    arguments = ["check", "sub/net.py", *OPTIONS, "--format"]
    assert main([*arguments, "lines"]) == 1
    captured = capsys.readouterr()
    column = len(text.splitlines()[line - 1]) - len(text.splitlines()[line - 1].lstrip()) + 1
    assert captured.out.startswith(f"sub/net.py:{line}:{column}: wrong: W2 must be transposed here")
    assert captured.out.count("\n") == 1
    assert captured.err == "wrong: W1, b1 (of 6 gradients)\n"
    assert main([*arguments, "github"]) == 1
    assert capsys.readouterr().out.startswith(
        f"::error file=sub/net.py,line={line},endLine={line},col={column},"
        "title=einbackprop%3A wrong%3A W1%2C b1 (of 6 gradients)::W2 must be transposed here")
    assert main([*arguments, "sarif"]) == 1
    [result] = results(capsys.readouterr().out)
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "sub/net.py"}
    assert (place["region"]["startLine"], place["region"]["startColumn"]) == (line, column)
    assert repaired(text, result["fixes"][0]) == COLUMNS.text


def test_what_is_right_gives_nothing_but_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    written(COLUMNS.text)
    for form in ("lines", "github", "sarif"):
        assert main(["check", "net.py", *OPTIONS, "--format", form]) == 0
        captured = capsys.readouterr()
        assert captured.err == "right: all 6 gradients\n"
        assert results(captured.out) == [] if form == "sarif" else captured.out == ""


def test_json_is_short_for_a_format_and_only_one_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    written(COLUMNS.text)
    assert main(["check", "net.py", *OPTIONS, "--format", "json"]) == 0
    one = capsys.readouterr().out
    assert main(["check", "net.py", *OPTIONS, "--json"]) == 0
    assert capsys.readouterr().out == one
    for options in (["--json", "--diff"], ["--format", "sarif", "--json"], ["--format", "xml"]):
        with pytest.raises(SystemExit):
            main(["check", "net.py", *OPTIONS, *options])


def test_a_wrong_gradient_without_a_line_is_said_of_the_file() -> None:
    outcome = Outcome(written("x = 1\n"), "", Report((WRONG, RIGHT)))
    assert as_lines([outcome]) == (
        "net.py: wrong: the gradient of W is wrong: off by 1e+15 roundings at [0, 1]: yours 1.5, expected 2.5")
    assert as_github([outcome]).startswith("::error file=net.py,title=einbackprop%3A wrong%3A W (of 2 gradients)::the ")
    [result] = results(as_sarif([outcome]))
    assert result["ruleId"] == "wrong-gradient"
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_what_is_not_decided_is_a_warning_and_a_remark_a_note() -> None:
    gradients = (Gradient("W", "kink", note="a kink, as relu at 0"), Gradient("b", "undecided", note="why\nnot"))
    outcome = Outcome(written("x = 1\n"), "", Report(gradients, findings=(Finding("X is empty"),)))
    assert as_lines([outcome]).splitlines() == [
        "net.py: kink: the gradient of W is at a kink: a kink, as relu at 0",
        "net.py: undecided: the gradient of b is undecided: why not",
        "net.py: note: X is empty",
    ]
    assert [line.split(" ")[0] for line in as_github([outcome]).splitlines()] == ["::warning", "::warning", "::notice"]
    assert [item["ruleId"] for item in results(as_sarif([outcome]))] == ["kink", "undecided", "remark"]


def test_an_error_is_said_too(capsys: pytest.CaptureFixture[str]) -> None:
    written("import numpy as np\n\nw = 1 / 0\n")
    question = ["--loss", "w.sum()", "--grads", "w", "--wrt", "w", "--format"]
    for form, said in (("lines", "net.py: error: net.py, line 3: ZeroDivisionError: division by zero\n"),
                       ("github", "::error file=net.py,title=einbackprop%3A error::net.py, line 3: ZeroDivisionError")):
        assert main(["check", "net.py", *question, form]) == 2
        captured = capsys.readouterr()
        assert captured.out.startswith(said)
        assert captured.err == "einbackprop: net.py, line 3: ZeroDivisionError: division by zero\n"
    assert main(["check", "net.py", *question, "sarif"]) == 2
    document = capsys.readouterr().out
    [result] = results(document)
    assert result["ruleId"] == "unusable"
    assert json.loads(document)["runs"][0]["invocations"] == [{"executionSuccessful": False}]
    for form in ("text", "json", "lines"):
        assert main(["check", "net.py", *question, form]) == 2
        assert capsys.readouterr().err == "einbackprop: net.py, line 3: ZeroDivisionError: division by zero\n"
    stopped = Outcome("net.py", "", error=CodeError("the loss", (os.path.abspath("net.py"), 3, "f"), "ValueError: no"))
    assert as_lines([stopped]) == "net.py:3:1: error: the loss: net.py, line 3, in f: ValueError: no"


HOSTILE = "a,b:c%d\x1b[31m\n::error::x;ü.py"


@pytest.mark.skipif(os.name == "nt", reason="no such names")
def test_hostile_names_and_messages_stay_on_their_line() -> None:
    file = written("ü = 'ä'; y = x\n", HOSTILE)
    outcome = found(file, 1, "100%, a:b\n::error::\r\x1b]0;x\x07 `w`.", "y = z\nw = 1")
    lines = as_lines([outcome])
    assert lines == (
        "a,b:c%d\\x1b[31m\\n::error::x;ü.py:1:1: wrong: 100%, a:b ::error:: \\x1b]0;x\\x07 `w`. Write `y = z\\nw = 1`.")
    command = as_github([outcome])
    assert command == (
        "::error file=a%2Cb%3Ac%25d\\x1b[31m\\n%3A%3Aerror%3A%3Ax;ü.py,line=1,endLine=1,col=1,"
        "title=einbackprop%3A wrong%3A W (of 2 gradients)::100%25, a:b ::error:: \\x1b]0;x\\x07 `w`."
        "%0Awrite: y = z%0Awrite: w = 1")
    sarif = as_sarif([outcome])
    assert sarif.isprintable()
    [result] = results(sarif)
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == (
        "a%2Cb%3Ac%25d%1B%5B31m%0A%3A%3Aerror%3A%3Ax%3B%C3%BC.py")
    assert as_json([outcome]).isprintable()
    assert json.loads(as_json([outcome]))[0]["script"] == file


def test_columns_are_characters_and_the_region_is_the_statement() -> None:
    file = written("def f(x):\n\tä = 'é'; return (x +\n   x)\n\nif f:  # c\n    y = 1\n")
    assert region_of(file, 2) == (2, 2, 2, 22)
    assert region_of(file, 5) == (5, 1, 5, 11)
    assert region_of(file, 9) == (9, 1, 9, 1)
    long = written("y = (1 +\n     'ü')\n", "long.py")
    assert region_of(long, 1) == (1, 1, 2, 10)
    assert "line=1,endLine=2,col=1," in as_github([found(long, 1)])


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_fix_changes_only_what_is_to_be_written(start: str, newline: str) -> None:
    text = newline.join(["# ü", "def f(x, d):", "    ü = 'ä'; dW = x.T@d  # keep", "    return dW", ""])
    [result] = results(as_sarif([found(written(start + text), 3, write="dW = x.T @ d + 0.1 * W")]))
    assert repaired(text, result["fixes"][0]) == text.replace("x.T@d", "x.T@d + 0.1 * W")
    assert result["fixes"][0]["artifactChanges"][0]["artifactLocation"] == {"uri": "net.py"}


def test_there_is_no_fix_where_the_line_cannot_be_rewritten() -> None:
    [result] = results(as_sarif([found(written("x = 1\n"), 1, write="print(")]))
    assert "fixes" not in result
    assert result["message"]["text"] == "x must stand here.\nwrite: print("


def test_paths_are_from_the_current_folder(folder: Path) -> None:
    above = written("x = 1\n", "../above.py")
    assert path_of(above) == (folder.parent / "above.py").as_posix()
    assert uri_of(above).startswith("file:///")
    assert path_of(os.path.join("sub", "..", "sub", "x.py")) == "sub/x.py"
    assert path_of("..x.py") == "..x.py"


def test_a_cell_is_named_and_has_no_lines_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    file = os.path.abspath("a.ipynb") + ", cell 3"
    monkeypatch.setitem(CELLS, file, Cell(os.path.abspath("a.ipynb"), 3))
    outcome = found(file, 2, write="y = 1")
    assert as_lines([outcome]) == "a.ipynb:cell 3:2:1: wrong: x must stand here. Write `y = 1`."
    assert as_github([outcome]) == (
        "::error file=a.ipynb,title=einbackprop%3A wrong%3A W (of 2 gradients)::"
        "cell 3, line 2: x must stand here.%0Awrite: y = 1")
    [result] = results(as_sarif([outcome]))
    assert result["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "a.ipynb"}}}]
    assert result["message"]["text"] == "cell 3, line 2: x must stand here.\nwrite: y = 1"
    assert "fixes" not in result


def test_what_is_said_of_an_expression_is_said_of_the_script() -> None:
    error = CodeError("the loss", ("<--loss>", 1, "<lambda>"), "ValueError: no")
    assert as_lines([Outcome(written("x = 1\n"), "", error=error)]).startswith("net.py: error: the loss: ")
    assert as_lines([Outcome("net.py", "", error=ScriptError("net.py: gone"))]) == "net.py: error: net.py: gone"


def test_json_of_several_is_a_list() -> None:
    error = Outcome("b.py", "b.py: f(x)", error=ScriptError("b.py: gone"))
    one, two = json.loads(as_json([found(written("x\ny\n"), 2), error]))
    assert (one["ok"], one["schema"], one["title"], one["findings"][0]["line"]) == (False, 1, "net.py: loss(W)", 2)
    assert two == {"script": "b.py", "title": "b.py: f(x)", "ok": False, "error": "b.py: gone"}


