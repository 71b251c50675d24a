"""The quiz: one line of a backward that is right put wrong, tried, and asked for."""

import io
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from library import COLUMNS, text_of
from sampling import some

from einbackprop.core.source import parse_python
from einbackprop.errors import OptionError, ScriptError
from einbackprop.shell import prompts, scripts
from einbackprop.shell.command import main
from einbackprop.shell.mistakes import LEVELS, mistakes_in
from einbackprop.shell.prompts import script_text, write_quiz
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.questions import Question
from einbackprop.shell.quiz import Original, Quiz, make_quiz, statements_in, with_statement

EXAMPLE = Path(scripts.__file__).parent / "examples" / "mynet.py"
MYNET = Question(("weights",), "loss(weights, X, T)", "gradients(weights, X, T)")
ENTROPY = Question(("W1", "b1", "W2", "b2"), "loss(W1, b1, W2, b2, X, y)", "gradients(W1, b1, W2, b2, X, y)")
WORDS = Question(("E", "V"), "loss(E, V, words, t)", "grads(E, V, words, t)")
SIZES = "W1, b1, W2, b2, X, y = build(np.random.default_rng(1), (6, 4, 5, 3))"


BOTH = """\
import numpy as np
rng = np.random.default_rng(0)
W, X, y = rng.normal(size=(3, 2)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))


def both(W, X, y):
    p = np.tanh(X @ W)
    loss = np.sum((p - y) ** 2) / 2
    d = p - y
    dz = d * (1 - p ** 2)
    dW = X.T @ dz
    return loss, dW
"""
LAYER = """\
import numpy as np
rng = np.random.default_rng(0)
W, b, X, y = rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))


def predict(W, b, X):
    return 1 / (1 + np.exp(-(X @ W + b)))


def loss(W, b, X, y):
    return np.sum((predict(W, b, X) - y) ** 2) / len(X) + 0.5 * np.sum(W * W)


def gradients(W, b, X, y):
    n = len(X)
    p = predict(W, b, X)
    dp = 2 * (p - y) / n
    dz = dp * p * (1 - p)
    dW = np.dot(X.T, dz)
    dW += W
    db = np.sum(dz, axis=0)
    return dW, db
"""


@cache
def original(name: str) -> Original:
    """The scripts that are right, each checked once."""
    return {
        "mynet": lambda: Original(Rewriting(EXAMPLE.read_text(encoding="utf-8")), MYNET),
        "layer": lambda: Original(Rewriting(LAYER), Question(("W", "b"), "loss(W, b, X, y)", "gradients(W, b, X, y)")),
        "words": lambda: Original(Rewriting(text_of("words")), WORDS),
        "softmax": lambda: Original(Rewriting(text_of("softmax")), ENTROPY, setup=SIZES),
        "both": lambda: Original(Rewriting(BOTH), Question(("W",), both="both(W, X, y)")),
    }[name]()


@cache
def quiz(name: str, level: int, seed: int) -> Quiz:
    return original(name).quiz(level, seed)


DRAWN = [(name, level, seed) for name in ("mynet", "layer", "words", "softmax", "both")
         for level in LEVELS for seed in (0, 1)]  # fmt: skip
FOUND: list[bool] = []


@pytest.mark.long
@pytest.mark.parametrize(("name", "level", "seed"), some(DRAWN, 4))
def test_a_quiz_has_one_line_that_is_wrong(name: str, level: int, seed: int, tmp_path: Path) -> None:
    own, made = original(name), quiz(name, level, seed)
    pairs = list(zip(own.source.splitlines(), made.source.splitlines(), strict=True))
    assert [n for n, (one, two) in enumerate(pairs, 1) if one != two] == [made.line]
    assert (made.original_line, made.wrong_line) == tuple(line.strip() for line in pairs[made.line - 1])
    assert made.first <= made.line <= made.last
    assert any(first <= made.line <= last for first, last in made.shown)
    assert made.original_line not in made.listing.splitlines()[0]
    path = tmp_path / "script.py"
    path.write_text(made.source, encoding="utf-8")
    report = scripts.answer(str(path), own.question, own.setup, diagnosed=seed == 0)
    assert report.exit_code == 1
    assert tuple(item.name for item in report.gradients if item.verdict == "wrong") == made.wrong
    if seed == 0:
        FOUND.append(made.line in [item.line for item in report.findings])


def test_the_check_finds_most_of_them() -> None:
    assert FOUND.count(True) >= 0.8 * len(FOUND)


@pytest.mark.long
def test_the_same_seed_gives_the_same_quiz_and_others_give_others() -> None:
    own = original("words")
    again = make_quiz(own.source, own.question, 1, 1)
    assert again == quiz("words", 1, 1)
    assert len({own.quiz(1, seed).source for seed in range(5)}) >= 4


@pytest.mark.long
def test_the_levels_are_of_different_kinds() -> None:
    kinds = {level: {quiz(name, of, seed).kind for name, of, seed in DRAWN if of == level} for level in LEVELS}
    assert kinds[1].isdisjoint(kinds[2] | kinds[3])
    assert kinds[2].isdisjoint(kinds[3])
    assert sum(map(len, kinds.values())) >= 8


def test_no_line_of_the_forward_is_put_wrong() -> None:
    lines = {statement.lineno for statement, _ in original("mynet").statements}
    assert lines == {36, 37, 39, 40, 41, 43, 44, 45, 47, 48, 49, 51}


def test_where_one_function_gives_both_the_lines_of_gradients_are_put_wrong() -> None:
    own = original("both")
    assert [statement.lineno for statement, _ in own.statements] == [9, 10, 11, 12]
    assert {quiz("both", level, 0).line for level in LEVELS} <= {9, 10, 11, 12}


def test_the_answer_is_a_line() -> None:
    made = quiz("mynet", 2, 1)
    right, wrong = made.answered(made.line), made.answered(39)
    assert right == (
        "Right: line 45 it is.\n  line 45   db2 = d_second.mean(axis=0)\n  should be db2 = d_second.sum(axis=0)\n"
        "The mistake is about a sum or a mean.")  # fmt: skip
    assert wrong.startswith("No: it is line 45, not 39.\n")
    assert (made.is_right(45), made.is_right(44), made.is_right(46)) == (True, False, False)
    assert made.asked == "One line here is wrong, and with it the gradient of b2."
    assert "35  def gradients(weights, X, T):\n" in made.listing
    assert "45      db2 = d_second.mean(axis=0)\n" in made.listing


def test_of_a_statement_on_several_lines_each_is_right() -> None:
    source = BOTH.replace("dW = X.T @ dz", "dW = (\n        X.T\n        @ dz\n    )")
    made = Original(Rewriting(source), Question(("W",), both="both(W, X, y)"))
    found = next(quiz for seed in range(20) if (quiz := made.quiz(1, seed)).first == 11)
    assert [found.is_right(line) for line in range(10, 16)] == [False, True, True, True, True, False]


def test_nothing_shows_where_something_was() -> None:
    source = "def f(p, y, n, g):\n    d = (p - y) / n\n    e = g['a'] * (d + 1)\n    return d, e\n"
    tree = parse_python(source)
    made = {
        with_statement(source, statement, mistake.statement).splitlines()[statement.lineno - 1].strip()
        for statement, _ in statements_in(tree) for level in LEVELS
        for mistake in mistakes_in(statement, ("p", "y", "n", "g"), level)
    }  # fmt: skip
    assert {"d = p / n", "d = (y - p) / n", "d = p - y", "d = -(p - y) / n"} <= made
    assert not [line for line in made if "(p)" in line or "(d)" in line or '"' in line]


def test_a_script_that_is_wrong_is_refused() -> None:
    wrong = COLUMNS.wrong("another layer's delta")
    with pytest.raises(ScriptError) as caught:
        make_quiz(wrong, Question(COLUMNS.wrt, COLUMNS.loss, COLUMNS.grads), script="net.py")
    assert str(caught.value) == "net.py: the file is to be right first, and the check says wrong: W2 (of 6 gradients)"


def test_a_script_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ScriptError, match="has no name 'lost'"):
        make_quiz(BOTH, Question(("W",), "lost(W)", "both(W, X, y)"))
    with pytest.raises(OptionError, match="alone does not say what to check"):
        make_quiz(BOTH, Question(("W",), "both(W, X, y)[0]"))


def test_where_there_is_no_mistake_of_a_level_others_are_named() -> None:
    source = "import numpy as np\nw = np.ones(3)\n\n\ndef loss(w):\n    return np.sum(w)\n\n\ndef grads(w):\n" \
             "    return np.ones_like(w)\n"  # fmt: skip
    with pytest.raises(ScriptError) as caught:
        make_quiz(source, Question(("w",), "loss(w)", "grads(w)"), 2)
    assert str(caught.value) == "script.py: no mistake of level 2 makes a gradient wrong here: try level 1 or 3"
    with pytest.raises(OptionError, match="there is no level 4 of a quiz: there are 1, 2 and 3"):
        make_quiz(source, Question(("w",), "loss(w)", "grads(w)"), 4)


# The command line

OPTIONS = ["--loss", MYNET.loss, "--grads", MYNET.grads, "--wrt", "weights", "--level", "2", "--seed", "1"]


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "mynet.py"
    path.write_bytes(EXAMPLE.read_bytes())
    return str(path)


@pytest.mark.slow
def test_the_command_asks_and_says(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quiz", script, *OPTIONS, "--answer", "45"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("35  def gradients(weights, X, T):\n")
    assert "\nOne line here is wrong, and with it the gradient of b2.\nRight: line 45 it is.\n" in out
    assert main(["quiz", script, *OPTIONS, "--answer", "44"]) == 1
    assert "No: it is line 45, not 44." in capsys.readouterr().out


@pytest.fixture
def made(script: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The script, of which the quiz is made already."""
    found = quiz("mynet", 2, 1), script_text(script)
    monkeypatch.setattr(prompts, "quiz_of_script", lambda *_: found)
    return script


@pytest.mark.parametrize(("typed", "code", "said"), [
    ("here\n45\n", 0, "Right: line 45 it is."), ("40\n", 1, "No: it is line 45, not 40."), ("", 2, "")])  # fmt: skip
def test_the_line_is_typed(
    made: str, typed: str, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert main(["quiz", made, *OPTIONS]) == code
    captured = capsys.readouterr()
    assert "Which line is it? \n" in captured.out
    assert said in captured.out
    assert ("should be" in captured.out) is (code != 2)
    assert ("the number of a line, such as 40" in captured.err) is typed.startswith("here")
    assert ("no answer was given; --solution says which line it is" in captured.err) is (code == 2)


def test_an_interruption_at_the_prompt_is_no_answer(
    made: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(io.StringIO):
        def readline(self, *_: object) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())
    assert main(["quiz", made, *OPTIONS]) == 2
    assert "should be" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_teacher_writes_it(script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "exercise.py"
    Path(script).write_bytes(EXAMPLE.read_bytes().replace(b"\n", b"\r\n"))
    assert main(["quiz", script, *OPTIONS, "--write", str(target)]) == 0
    assert capsys.readouterr().out == f"wrote {target}: one line of it is wrong\n"
    pairs = zip(Path(script).read_bytes().split(b"\r\n"), target.read_bytes().split(b"\r\n"), strict=True)
    assert [two for one, two in pairs if one != two] == [b"    db2 = d_second.mean(axis=0)"]
    with pytest.raises(ScriptError, match="is there already: move it away or delete it first, or give --force"):
        write_quiz(quiz("mynet", 2, 1), script_text(script), str(target))
    assert main(["quiz", script, *OPTIONS, "--write", str(target), "--force", "--solution"]) == 0
    assert "should be db2 = d_second.sum(axis=0)" in capsys.readouterr().out
    assert main(["check", str(target), *OPTIONS[:6]]) == 1


def test_a_wrong_script_is_2(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(script).write_text(EXAMPLE.read_text(encoding="utf-8").replace("first.T @ d_second", "second.T @ d_second"),
                            encoding="utf-8")  # fmt: skip
    assert main(["quiz", script, *OPTIONS]) == 2
    said = "mynet.py: the file is to be right first, and the check says wrong: W2 (of 6 gradients)\n"
    assert capsys.readouterr().err.endswith(said)
    assert main(["quiz", script + ".no", *OPTIONS]) == 2
    assert "No such file" in capsys.readouterr().err


FLAT = """\
import numpy as np
rng = np.random.default_rng(0)
X, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
W = rng.normal(size=(3, 2))
for epoch in range(20):
    p = np.tanh(X @ W)
    loss = np.sum((p - y) ** 2) / 2
    d = p - y
    dz = d * (1 - p ** 2)
    dW = X.T @ dz
    W -= 0.1 * dW
"""


def test_what_is_not_asked_is_proposed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, target = tmp_path / "flat.py", tmp_path / "exercise.py"
    path.write_text(FLAT, encoding="utf-8")
    assert main(["quiz", str(path), "--level", "2", "--write", str(target)]) == 0
    assert capsys.readouterr().err.startswith("(one round of the loop in lines 5 to ")
    pairs = list(zip(FLAT.splitlines(), target.read_text(encoding="utf-8").splitlines(), strict=True))
    assert len([one for one, two in pairs if one != two]) == 1
    assert main(["check", str(target)]) == 1
    assert main(["check", str(path)]) == 0
    assert main(["quiz", str(path), "--level", "2", "--answer", "1"]) == 1
    listing = capsys.readouterr().out
    assert "\n 5  for epoch in range(20):\n" in listing  # as the user has it, not as a function
    assert "\n11      W -= 0.1 * dW\n" in listing


def test_a_notebook_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quiz", str(tmp_path / "net.ipynb")]) == 2
    assert "a quiz is made of a script, not of a notebook: save its cells as a script first" in capsys.readouterr().err


def test_the_help_says_the_exit_codes() -> None:
    command = [sys.executable, "-m", "einbackprop", "quiz", "-h"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "  0  the answer is the line" in shown.stdout
    assert "  1  it is another line\n" in shown.stdout
    assert "  2  the script or an option could not be used, or no answer was given\n" in shown.stdout
