"""What to write is tried in the user's own code: where it is proposed, it makes every gradient right."""

import importlib.util
import io
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np
import pytest
from library import LAYERS, RECURRENT, REPAIRED, Script

from einbackprop import check
from einbackprop.checking import repairing
from einbackprop.checking.reports import Report
from einbackprop.shell.scripts import check_script

CASES = [(name, mistake) for name, script in REPAIRED.items() for mistake in script.mistakes]


def checked(path: Path, script: Script, text: str) -> Report:
    """A check of its own, for tests that change how it goes."""
    path.write_text(text, encoding="utf-8")
    return check_script(str(path), script.loss, script.grads, list(script.wrt), "")


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("net", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(value: object) -> list[np.ndarray]:
    if isinstance(value, dict):
        return numbers(list(value.values()))
    if isinstance(value, list | tuple):
        return [array for part in value for array in numbers(part)]
    return [np.asarray(value)]


def gradients_of(script: Script, text: str, path: Path) -> list[np.ndarray]:
    """The gradients that a text gives, with the script's own values."""
    path.write_text(text, encoding="utf-8")
    with redirect_stdout(io.StringIO()):
        return numbers(eval(script.grads, vars(module_of(path))))


@pytest.mark.parametrize(("name", "mistake"), CASES)
def test_one_mistake_is_found_on_its_line_and_what_to_write_repairs_it(name: str, mistake: str, tmp_path: Path) -> None:
    script = REPAIRED[name]
    wrong, text = script.mistakes[mistake].after, script.wrong(mistake)
    report = script.report(text)
    assert not report
    (finding,) = [f for f in report.findings if f.line is not None]
    assert finding.line == text.split("\n").index(wrong) + 1
    assert finding.write is not None
    indent = len(wrong) - len(wrong.lstrip())
    lines = text.split("\n")
    lines[finding.line - 1] = "\n".join(" " * indent + line for line in finding.write.split("\n"))
    repaired = gradients_of(script, "\n".join(lines), tmp_path / "repaired.py")
    for mine, theirs in zip(repaired, gradients_of(script, script.text, tmp_path / "right.py"), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", REPAIRED)
def test_right_code_has_nothing_to_repair(name: str) -> None:
    report = REPAIRED[name].report()
    assert report
    assert report.findings == ()


@pytest.mark.parametrize(("first", "second"), [("a helper", "an axis"), ("an operand", "a size")])
def test_of_two_mistakes_neither_is_said_to_be_all(first: str, second: str) -> None:
    report = LAYERS.report(LAYERS.mistakes[second].of(LAYERS.wrong(first)))
    assert not report
    assert not [f.message for f in report.findings if "then every gradient is right" in f.message]


def test_a_proposal_that_does_not_repair_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were any change taken for a repair, the first would be proposed, and it would not help."""
    text = RECURRENT.wrong("the entry before")
    honest = RECURRENT.report(text)
    monkeypatch.setattr(repairing.Search, "is_repair", lambda *_: True)
    monkeypatch.setattr(repairing.Search, "is_repaired_by", lambda *_: False)
    careless = checked(tmp_path / "careless.py", RECURRENT, text)
    assert [f.write for f in honest.findings] != [f.write for f in careless.findings]


def test_a_part_in_ten_thousand_is_not_right() -> None:
    """Of the tolerance: a thousand times closer than the smallest mistake that people make."""
    array = np.random.default_rng(0).normal(size=(3, 4))
    wanted = float((array * array).sum())
    is_right = repairing.Slopes._is_right
    assert is_right(None, array, array, wanted)
    assert is_right(None, array * (1 + 1e-9), array, wanted)
    assert not is_right(None, array * (1 + 1e-6), array, wanted)
    assert not is_right(None, array[:2], array, wanted)
    assert not is_right(None, None, array, 0.0)
    array[0, 0] = np.inf
    assert not is_right(None, array, np.ones((3, 4)), 1.0)  # a division by what is 0 repairs nothing


def test_the_users_functions_are_as_they_were_and_print_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "net.py"
    path.write_text(LAYERS.wrong("an axis"), encoding="utf-8")
    module = module_of(path)
    functions = [f for f in vars(module).values() if isinstance(f, FunctionType)]
    before: list[CodeType] = [f.__code__ for f in functions]
    report = check(module.loss, module.backward, module.W, module.b, module.x, module.t, wrt=(0, 1))
    assert not report
    assert [f.write for f in report.findings if f.line is not None] != [None]
    assert all(f.__code__ is code for f, code in zip(functions, before, strict=True))
    assert capsys.readouterr().out == ""


def test_a_function_that_loops_until_something_holds_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed line might make it run for ever."""
    loop = "    t = len(x)\n    while t:\n        t -= 1"
    text = RECURRENT.text.replace("    for t in reversed(range(len(x))):", loop)
    assert checked(tmp_path / "right.py", RECURRENT, text)
    runs = []
    monkeypatch.setattr(repairing.Search, "is_repair", lambda _, *changes: runs.append(changes))
    assert not checked(tmp_path / "net.py", RECURRENT, RECURRENT.mistakes["the entry before"].of(text))
    assert not runs
