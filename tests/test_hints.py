"""Hints: where a mistake is and what it is about, and nowhere what is right."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from library import CHARACTERS, COLUMNS, CONTEXTS, Script
from sampling import some

import einbackprop as eb
from einbackprop.checking.reports import Report
from einbackprop.checking.verdicts import Finding, Gradient
from einbackprop.diagnosis.vocabulary import compounds, expressions, statements
from einbackprop.errors import OptionError
from einbackprop.shell.command import main
from einbackprop.shell.scripts import check_script

CONCEPTS = {"sum", "axis"}  # words of kinds, and of NumPy
SAID = re.compile(r"A mistake is (here|in the code)\.( It is about [a-z ,]+\.| Of what kind is not known\.)?")

OF_COLUMNS = {
    "transposed weight gradient": "a transpose",
    "missing 1/B": "a factor",
    "factor 2": "a factor",
    "sign": "the order of two operands",
    "sign of one": "a sign",
    "no derivative": "the derivative of a pointwise function",
    "half a derivative": "the derivative of a pointwise function",
    "wrong-layer derivative": "an operand",
    "no bias sum": "a sum",
    "bias sum keeps an axis": "a shape",
    "bias sum over everything": "an axis that is summed over",
    "mean for a sum": "the function that is called",
    "untransposed W": "a transpose",
    "updated weight": "the order of statements",
    "another bias": "an operand",
    "a gradient left out": "what is returned",
    "weight decay": "a term",
}
CASES = [
    *((COLUMNS, name, kind) for name, kind in OF_COLUMNS.items()),
    (CONTEXTS, "of a vector", "how a value is assigned"),
    (CHARACTERS, "the step", "an index"),
]
NAMED = [pytest.param(*case, id=f"{case[0].name}, {case[1]}") for case in CASES]


def identifiers(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", text))


def assert_says_no_answer(report: Report, hint: Report, source: str) -> None:
    """What is to be written, and what is expected, stand nowhere in a hint; it names nothing that the line does not."""
    lines = source.splitlines()
    shown = {"text": str(hint), "json": hint.to_json(), "page": html.unescape(hint.to_html())}
    shown |= {name: html.unescape(text) for name, text in hint._repr_mimebundle_().items()}
    for told, said in zip(report.findings, hint.findings, strict=True):
        if told.line is None:
            continue
        assert SAID.fullmatch(said.message), said.message
        assert (said.line, said.file) == (told.line, told.file)
        assert said.write is said.yours is said.expected is None
        assert said.yours_markup == said.expected_markup == ()
        new = identifiers(told.write or "") - identifiers(lines[told.line - 1]) - CONCEPTS
        assert not new & identifiers(said.message)
        own = (source, told.yours or "", *(line.equation for line in report.lines if line.line == told.line))
        for answer in filter(None, (told.write, told.expected)):
            first = answer.splitlines()[0]
            if not any(first in text for text in own):
                assert not [name for name, text in shown.items() if first in text], first
    assert '"write"' not in shown["json"]
    assert not re.search(r'"expected": (?!-?\d)', shown["json"])
    assert '<dd class="write">' not in shown["page"]
    assert '<dd class="expected">' not in shown["page"]
    for gradient in hint.gradients:
        if gradient.verdict == "wrong":
            assert gradient == Gradient(gradient.name, "wrong", gradient.grade, shape=gradient.shape)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("script", "mistake", "kind"), some(NAMED))
def test_a_hint_says_the_line_and_the_kind_and_never_the_answer(script: Script, mistake: str, kind: str) -> None:
    source = script.wrong(mistake)
    report = script.report(source)
    assert [item.kind for item in report.findings if item.line is not None] == [kind]
    assert f'"kind": "{kind}"' in report.to_json()
    hint, line = report.hint(), report.hint(2)
    assert_says_no_answer(report, hint, source)
    assert_says_no_answer(report, line, source)
    assert [item.message for item in hint.findings if item.line] == [f"A mistake is here. It is about {kind}."]
    assert [item.message for item in line.findings if item.line] == ["A mistake is here."]
    assert kind not in str(line)
    assert kind not in line.to_json()
    for one in (hint, line):
        assert [item.verdict for item in one.lines] == [item.verdict for item in report.lines]
        assert (one.exit_code, one.headline, one.assumptions) == (report.exit_code, report.headline, report.assumptions)


def test_the_kinds_of_these_mistakes_are_many() -> None:
    assert len({kind for _, _, kind in CASES}) >= 12


def test_every_edit_of_a_line_has_a_kind_without_code_in_it() -> None:
    for kinds in (expressions.KINDS, compounds.KINDS, statements.KINDS):
        for kind in kinds.values():
            assert re.fullmatch("[a-z ,]+", kind), kind


def test_a_finding_whose_kind_is_not_known_says_so() -> None:
    report = Report((), findings=(Finding("d should be ∂L/∂z.", "net.py", 3), Finding("y holds 1 everywhere")))
    assert [item.message for item in report.hint().findings] == [
        "A mistake is here. Of what kind is not known.", "y holds 1 everywhere"]  # fmt: skip


def test_an_order_that_is_told_for_the_whole_is_an_answer() -> None:
    note = Finding("the gradients are returned in the order db, dW, but they are matched", kind="the order of what is "
                   "returned")  # fmt: skip
    report = Report((), findings=(note,))
    assert [item.message for item in report.hint().findings] == [
        "A mistake is in the code. It is about the order of what is returned."]  # fmt: skip
    assert report.hint(2).findings == ()


@pytest.mark.parametrize("level", [0, 3, -1, True])
def test_a_level_that_is_none_is_refused(level: int) -> None:
    words = r"a hint has level 1 \(the line and the kind of mistake\) or 2 \(the line alone\), not "
    with pytest.raises(OptionError, match=words):
        Report(()).hint(level)


def test_of_right_gradients_a_hint_is_the_report() -> None:
    report = COLUMNS.report()
    assert report.hint() == report.hint(2) == report


def test_hints_of_functions_and_of_notebooks() -> None:
    def gradients(W: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.outer(x, W @ x)

    report = eb.check(lambda W, x: 0.5 * np.sum((W @ x) ** 2), gradients, np.ones((2, 2)), np.array([0.3, -0.4]))
    shown = report.hint()._repr_mimebundle_()
    assert "It is about" in shown["text/plain"]
    assert "outer(W @ x, x)" in str(report)
    assert not [text for text in shown.values() if "outer(W @ x, x)" in text or "expected" in text]


# The command line

OPTIONS = ["--loss", COLUMNS.loss, "--grads", COLUMNS.grads, "--wrt", "theta"]


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "script.py"
    path.write_text(COLUMNS.wrong("another layer's delta"), encoding="utf-8")
    return str(path)


ANSWER = "np.dot(d_two, one.T)"


@pytest.mark.slow
def test_the_command_gives_hints(script: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", script, *OPTIONS]) == 1
    assert ANSWER in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert main(["check", script, *OPTIONS, "--hint", "--html", str(page)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("wrong: W2 (of 6 gradients)\n")
    assert "dW2 = np.dot(d_two, two.T)\n    A mistake is here. It is about an operand.\n" in out
    assert ANSWER not in out
    assert "expected" not in out
    written = html.unescape(page.read_text(encoding="utf-8"))
    assert "A mistake is here. It is about an operand." in written
    assert ANSWER not in written
    assert main(["check", script, *OPTIONS, "--hint", "2", "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert {name: finding[name] for name in finding if name != "file"} == {"line": 37, "message": "A mistake is here."}


def test_a_patch_is_no_hint(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", script, *OPTIONS, "--hint", "--diff"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "einbackprop: --diff is what to write, and --hint does not say that: give one of the two\n")


@pytest.mark.long
@pytest.mark.parametrize("form", ["lines", "github", "sarif"])
def test_what_programs_read_is_a_hint_too(script: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", script, *OPTIONS, "--hint", "--format", form]) == 1
    out = capsys.readouterr().out
    assert "A mistake is here. It is about an operand." in out
    assert ANSWER not in out
    assert "expected" not in out
    assert "Write" not in out


def test_what_is_no_level_is_said(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--hint", script, *OPTIONS])
    assert "is no level: it is --hint, --hint 1 or --hint 2, and stands after SCRIPT" in capsys.readouterr().err


def test_a_script_that_runs_into_its_mistake_gets_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "script.py"
    wrong = COLUMNS.text.replace("np.dot(W3.T, d_guess)", "np.dot(W3, d_guess)")
    path.write_text(wrong + "back(run(theta, X), Y, theta)\n", encoding="utf-8")
    for level, said in (("1", "A mistake is here. It is about a transpose."), ("2", "A mistake is here.")):
        assert main(["check", str(path), *OPTIONS, "--hint", level]) == 1
        shown = capsys.readouterr()
        assert "! script.py, line 36: d_two = np.dot(W3, d_guess) * two * (1 - two)\n" in shown.out
        assert f"    {said}\n" in shown.out
        assert "W3.T" not in shown.out + shown.err


def test_gradients_that_raise_get_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(COLUMNS.text.replace("np.dot(W3.T, d_guess)", "np.dot(W3, d_guess)"), encoding="utf-8")
    report = check_script(str(path), COLUMNS.loss, COLUMNS.grads, ["theta"])
    assert_says_no_answer(report, report.hint(), path.read_text(encoding="utf-8"))
    assert "W3.T" in str(report)
    assert "It is about a transpose." in str(report.hint())
