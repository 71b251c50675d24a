"""Checks of whole scripts: mutants, names, setups, and what cannot be used."""

import inspect
import json
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from library import CACHING_NET, COLUMNS, LAYERS_OF_THREE, line_of
from sampling import THOROUGH, some
from verdict_cases import undiagnosed

from einbackprop.checking.reports import Report
from einbackprop.errors import ScriptError
from einbackprop.shell import scripts, watch
from einbackprop.shell.derivations import derive_script
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.questions import Question
from einbackprop.shell.scripts import check_script, run
from einbackprop.shell.setups import names_wanted
from einbackprop.world.drawing import NOTHING

EXAMPLE = Path(scripts.__file__).parent / "examples" / "mynet.py"


def written(folder: Path, source: str, name: str = "script.py") -> str:
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return str(path)


def wrong(report: Report) -> tuple[str, ...]:
    return tuple(item.name for item in report.gradients if item.verdict == "wrong")


def refused(folder: Path, source: str, loss: str = "L(w)", grads: str = "2 * w", wrt: str = "w",
            setup: str = "") -> str:
    with pytest.raises(ScriptError) as caught:
        check_script(written(folder, source), loss, grads, [wrt], setup)
    assert "\n" not in str(caught.value)
    return str(caught.value)


CLASS = """import numpy as np
class Dense:
    def __init__(self, inputs, outputs):
        self.W = np.random.randn(inputs, outputs)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, d):
        self.dW = self.x.T @ d
        return 3 * d @ self.W.T
"""


def test_objects_at_other_sizes_run_the_code_with_the_repair(tmp_path: Path) -> None:
    """The objects of other sizes are made in a world of their own; their classes have to be those that are edited."""
    question = Question(("x", "dense.W"), forward="dense.forward(x)", backward="dense.backward(dout)",
                        grads="returned, dense.dW")  # fmt: skip
    report = scripts.answer(written(tmp_path, CLASS), question, "dense = Dense(i, j); x = np.random.randn(b, i)")
    assert wrong(report) == ("x",)
    assert [item.write for item in report.findings if item.line] == ["return d @ self.W.T"]


ALL_FIVE = "theta, X, Y = build(5, 5, 5, 5, 5)"
QUADRATIC = "import numpy as np\nw = np.array([0.5, -2.0])\ndef L(w):\n    return (w ** 2).sum()\n"


@pytest.mark.parametrize("setup", ["", ALL_FIVE, "theta, X, Y = build(i, j, k, l, b)"])
def test_a_right_script_is_right_and_its_names_are_the_users(setup: str) -> None:
    report = COLUMNS.report(COLUMNS.text, setup)
    assert tuple(item.name for item in report.gradients) == LAYERS_OF_THREE
    assert [item.verdict for item in report.gradients] == ["right"] * 6
    assert report.exit_code == 0
    assert report.findings == ()
    assert max(item.roundings or 0 for item in report.gradients) < 8


PLAIN_VALUES = "theta, X, Y = build(4, 4, 4, 4, 4); theta = [0 * array for array in theta]; X = 0 * X + 1; Y = 0 * Y"
BATCH_OF_ONE = "theta, X, Y = build(4, 4, 4, 4, 1)"


# Each mistake with the script's own values and with one of the others in turn; with all in the thorough profile, and
# so are mistakes looked for at all of the others.
SETUPS = {"0.01 randn": "", "zeros, all 4": PLAIN_VALUES, "batch of 1": BATCH_OF_ONE}
SET_UP = [pytest.param(name, setup, id=f"{name}, {label}") for n, name in enumerate(COLUMNS.mistakes)
          for k, (label, setup) in enumerate(SETUPS.items()) if THOROUGH or k in (0, 1 + n % 2)]  # fmt: skip


LOOKED_FOR = ("factor 2", "half a derivative", "mean for a sum", "updated weight")


@pytest.mark.long
@pytest.mark.parametrize(("name", "setup"), some(SET_UP))
def test_no_verdict_depends_on_values_or_on_sizes_that_happen_to_be_equal(
    name: str, setup: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = COLUMNS.mistakes[name]
    if THOROUGH or not setup or name in LOOKED_FOR:
        report = COLUMNS.report(mutant.of(COLUMNS.text), setup)
        assert len([item for item in report.findings if item.line is not None]) == 1
    else:
        undiagnosed(monkeypatch)
        script = written(tmp_path, mutant.of(COLUMNS.text))
        report = check_script(script, COLUMNS.loss, COLUMNS.grads, COLUMNS.wrt, setup)
    assert wrong(report) == mutant.wrong
    assert report.exit_code == 1
    assert all(item.verdict in ("right", "wrong") for item in report.gradients)


@pytest.mark.parametrize("name", ["a millionth", "a nan"])
def test_what_is_as_small_as_a_guard_or_no_number_has_a_line_to_write(name: str) -> None:
    mutant = COLUMNS.mistakes[name]
    (finding,) = COLUMNS.report(mutant.of(COLUMNS.text)).findings
    assert finding.write == mutant.before


def test_what_the_users_sizes_hide_is_said() -> None:
    told = COLUMNS.report(COLUMNS.text, BATCH_OF_ONE).assumptions
    assert told[-2] == (
        "At your sizes W1 (j=i=4), W2 (k=j=4) and W3 (l=k=4) are square, so that no shape shows a missing transpose; "
        "the batch is of 1 (n=1), so that nothing shows whether it is summed over. "
        "Checked at others as well: W1 (4,3), W2 (6,4), W3 (7,6), Y (7,5).")
    told = COLUMNS.report(COLUMNS.text, "theta, X, Y = build(3, 5, 4, 2, 4)").assumptions
    assert told[-2].startswith("At your sizes the batch is as large as a layer (n=k=4), so that one axis can ")
    assert not any("At your sizes" in text for text in COLUMNS.report(COLUMNS.text, "theta, X, Y = build(3, 5, 4, 2, 6)"
                                                                ).assumptions)


def test_what_is_right_only_where_sizes_are_equal_is_wrong() -> None:
    source = COLUMNS.text.replace("n = X.shape[1]", "n = X.shape[0]")
    report = COLUMNS.report(source, "theta, X, Y = build(4, 5, 6, 2, 4)")
    assert wrong(report) == LAYERS_OF_THREE
    assert report.gradients[0].note == (
        "right only at sizes such as yours, which hide a mistake: wrong at W1 (4,3), W2 (6,4), W3 (2,6), Y (2,5)")
    assert len(report.findings) == 1
    assert "shape[1]" in (report.findings[0].write or "")


def test_a_size_that_is_wrong_is_put_right_where_it_is_named() -> None:
    source = COLUMNS.text.replace("n = X.shape[1]", "n = X.shape[0]")
    report = COLUMNS.report(source, "theta, X, Y = build(4, 5, 6, 2, 4)")
    assert [(item.line, item.write) for item in report.findings] == [(line_of(source, "n = X"), "n = X.shape[1]")]


def test_what_is_hidden_by_sizes_that_cannot_be_changed_is_no_more_than_right() -> None:
    source = COLUMNS.text.replace("n = X.shape[1]", "n = X.shape[0]; X.reshape(4, 4)")
    report = COLUMNS.report(source, "theta, X, Y = build(4, 5, 6, 2, 4)")
    assert report.exit_code == 0
    assert any(text.startswith("Your sizes can hide a mistake: the batch is as large") for text in report.assumptions)


def test_the_letters_of_a_setup_are_tried_at_equal_sizes_too() -> None:
    source = COLUMNS.text.replace("dW2 = np.dot(d_two, one.T)",
                             "dW2 = np.dot(d_two, one.T) * (2 if W2.shape[0] == W2.shape[1] else 1)")
    assert wrong(COLUMNS.report(source, "theta, X, Y = build(3, 5, 4, 2, 6)")) == ()
    report = COLUMNS.report(source, "theta, X, Y = build(i, j, k, l, b)")
    assert wrong(report) == ("W2",)
    assert report.gradients[2].note.endswith("wrong at b=i=j=k=l=4")
    assert "those of the letters in --setup are ours" in report.assumptions[0]


def test_the_example_is_right() -> None:
    report = check_script(str(EXAMPLE), "loss(weights, X, T)", "gradients(weights, X, T)", ["weights"])
    assert report.ok
    assert tuple(item.name for item in report.gradients) == LAYERS_OF_THREE


def test_breaking_a_line_of_the_example_is_seen(tmp_path: Path) -> None:
    source = EXAMPLE.read_text(encoding="utf-8").replace("(1 - second**2)", "(1 - second)")
    report = check_script(written(tmp_path, source), "loss(weights, X, T)",
                          "gradients(weights, X, T)", ["weights"])
    assert wrong(report) == ("W1", "b1", "W2", "b2")


def test_a_mistake_that_the_scripts_own_values_hide_is_found() -> None:
    source = COLUMNS.text.replace("db2 = d_two.sum(axis=1)", "db2 = d_two.sum(axis=1) + b2 * b1")
    assert wrong(COLUMNS.report(source)) == ("b2",)


def test_seeds_change_the_draws_and_nothing_else(tmp_path: Path) -> None:
    script = written(tmp_path, COLUMNS.text)
    texts = {seed: check_script(script, COLUMNS.loss, COLUMNS.grads, ["theta"], "", seed).to_json()
             for seed in (0, 1)}
    np.random.seed(17)  # the script's own random numbers are decided by the seed, not by what came before
    again = check_script(script, COLUMNS.loss, COLUMNS.grads, ["theta"], "", 1).to_json()
    assert texts[0] != texts[1] == again
    assert all(json.loads(text)["ok"] for text in texts.values())


def test_values_left_from_an_earlier_run_are_no_accusation(tmp_path: Path) -> None:
    source = COLUMNS.text + "values = run(theta, X)\n"
    report = check_script(written(tmp_path, source), COLUMNS.loss, "back(values, Y, theta)", ["theta"])
    assert report.exit_code == 3
    assert report.findings[0].message == (
        "the gradients depend on values, on which the loss does not: left from an earlier run? "
        "Compute it where the gradients are computed, as in backward(forward(W, X), Y)"
    )


def test_only_gradients_that_depend_on_old_values_are_withdrawn(tmp_path: Path) -> None:
    source = "import numpy as np\nw, v, x = np.ones(2), np.ones(2), np.array([0.3, 0.4])\nold = w * x\n"
    script = written(tmp_path, source)
    report = check_script(script, "(w * v * x).sum()", "[v * x, old]", ["w", "v"])
    assert [item.verdict for item in report.gradients] == ["right", "undecided"]
    both = check_script(script, "(w * v * x).sum()", "[w, old]", ["w", "v"])
    assert [item.verdict for item in both.gradients] == ["wrong", "undecided"]


def test_names_follow_the_script_when_it_is_edited() -> None:
    assert COLUMNS.report().gradients[0].name == "W1"
    assert COLUMNS.report(COLUMNS.text.replace("W1", "first")).gradients[0].name == "first"


def test_data_that_only_a_method_reads_are_data(tmp_path: Path) -> None:
    source = ("import numpy as np\nX = np.array([0.3, -0.4])\nclass Net:\n    def __init__(self):\n"
              "        self.w = np.ones(2)\n    def loss(self):\n        return (self.w * X).sum()\n"
              "    def gradient(self):\n        return X\nnet = Net()\n")
    report = check_script(written(tmp_path, source), "net.loss()", "net.gradient()", ["net.w"])
    assert report.ok
    assert "Data: yours, and in one draw redrawn: X (of both signs)." in report.assumptions


@pytest.mark.parametrize("wrt", [["net.W", "net.b"], ["net"], ["layers['net'].W", "layers['net'].b"]])
def test_attributes_of_objects_with_caches(tmp_path: Path, wrt: list[str]) -> None:
    loss, grads = CACHING_NET.loss, CACHING_NET.grads
    script = written(tmp_path, CACHING_NET.text)
    right = check_script(script, loss, grads, wrt)
    assert [(item.name, item.verdict) for item in right.gradients] == [("W", "right"), ("b", "right")]
    assert wrong(check_script(script, loss, grads.replace("2 *", ""), wrt)) == ("W", "b")
    named = check_script(script, loss, f"dict(zip(['dW', 'db'], {grads}))", wrt)
    assert [(item.name, item.verdict) for item in named.gradients] == [("W", "right"), ("b", "right")]


def test_functions_that_read_globals_see_the_drawn_values(tmp_path: Path) -> None:
    source = QUADRATIC + "def loss():\n    return L(w)\ndef gradient():\n    return 2 * w\n"
    assert check_script(written(tmp_path, source), "loss()", "gradient()", ["w"]).ok
    assert not check_script(written(tmp_path, source), "loss()", "gradient() * w", ["w"]).ok


def test_a_script_runs_as_an_import_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "beside_it.py").write_text("import numpy as np\nw = np.ones(2)\n", encoding="utf-8")
    source = (QUADRATIC + "import sys\nfrom beside_it import w\nassert len(sys.argv) == 1\nprint('hello')\n"
              "if __name__ == '__main__':\n    raise SystemExit('the main block ran')\n")
    script = written(tmp_path, source, "random.py")  # the name of a module of Python's own
    argv, path = list(sys.argv), list(sys.path)
    assert check_script(script, "L(w)", "2 * w", ["w"]).ok
    assert (sys.argv, sys.path) == (argv, path)
    assert "beside_it" not in sys.modules
    assert capsys.readouterr() == ("", "hello\n")


def test_global_random_numbers_are_left_alone(tmp_path: Path) -> None:
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    check_script(written(tmp_path, COLUMNS.text), COLUMNS.loss, COLUMNS.grads, ["theta"])
    assert np.random.rand() == expected


def test_the_letters_of_a_setup_become_different_sizes() -> None:
    report = COLUMNS.report(COLUMNS.text, "theta, X, Y = build(i, j, k, l, b)")
    shapes = {item.name: item.shape for item in report.gradients}
    sizes = [shapes["W1"][1], *(shapes[name][0] for name in ("b1", "b2", "b3"))]
    assert len(set(sizes)) == 4
    assert 1 not in sizes


def test_messages_of_what_cannot_be_used(tmp_path: Path) -> None:
    assert refused(tmp_path, QUADRATIC, wrt="v") == "--wrt: script.py has no name 'v'; --setup can make it"
    assert refused(tmp_path, QUADRATIC + "weights = w\n", wrt="wieghts") == (
        "--wrt: script.py has no name 'wieghts': did you mean 'weights'?")
    assert refused(tmp_path, QUADRATIC, loss="L(w, Q)") == (
        "--loss: script.py has no name 'Q'; --setup can make it")
    assert refused(tmp_path, QUADRATIC, loss="L(w") == "--loss: '(' was never closed: L(w"
    assert refused(tmp_path, QUADRATIC, wrt="w + 1") == (
        "--wrt: 'w + 1' is no name, attribute or item of the script")
    assert refused(tmp_path, QUADRATIC, wrt="w.W1") == (
        "--wrt: w has no attribute 'W1': it is an array of shape (2,)")
    assert refused(tmp_path, QUADRATIC, wrt="L") == "--wrt: L holds no arrays: it is function"
    assert refused(tmp_path, QUADRATIC, setup="w = 1 / 0") == "--setup: ZeroDivisionError: division by zero"
    assert refused(tmp_path, QUADRATIC, loss="w") == (
        "the loss must be one number, but it is an array of shape (2,): take its mean or sum")
    assert refused(tmp_path, QUADRATIC, loss="L") == (
        "the loss must be one number, but it is a function: call it, as in loss(W, X)")
    assert refused(tmp_path, QUADRATIC, loss="'no'") == "the loss must be one number, but it is 'no'"
    assert refused(tmp_path, QUADRATIC, loss=" ") == "--loss is empty: give an expression among the script's names"
    assert refused(tmp_path, QUADRATIC, grads="L") == (
        "the gradients must be arrays, or lists, tuples or dicts of them, but they are a function: call it, as in "
        "gradients(W, X)")
    assert refused(tmp_path, QUADRATIC, grads="'no'") == (
        "the gradients must be arrays, or lists, tuples or dicts of them, but they are 'no'")


def test_a_file_that_is_not_there_is_said_with_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(script: str) -> str:
        with pytest.raises(ScriptError) as caught:
            check_script(script, "L(w)", "w", ["w"])
        return str(caught.value)

    folder = tmp_path / "nets"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    missing = str(tmp_path / "nosuch.py")
    assert said(missing) == f"{missing}: No such file or directory"
    assert said("nosuch.py") == f"nosuch.py: No such file or directory: looked for in {tmp_path}"
    written(folder, QUADRATIC, "mynet.py")
    there = str(Path("nets", "mynet.py"))
    for typed in ("mynte.py", "mynet", "my_net.py"):
        given = str(Path("nets", typed))
        assert said(given) == (
            f"{given}: No such file or directory: looked for in {folder}: did you mean {there!r}?")
    given = str(folder / "mynte.py")
    assert said(given) == f"{given}: No such file or directory: did you mean {str(folder / 'mynet.py')!r}?"
    given = str(Path("nest", "mynet.py"))
    assert said(given) == f"{given}: No such file or directory: there is no folder {tmp_path / 'nest'}"


HELD = QUADRATIC + """
class Net:
    def __init__(self):
        self.W1, self.b1 = np.ones((2, 3)), np.ones(3)
    def weights(self):
        return [self.W1, self.b1]
net = Net()
p = {"W1": w, "b1": w, "W2": w}
many = {f"layer{n}": w for n in range(20)}
empty, layers, numbers = {}, [net, net], {0: w, 1: w}
def values():
    return w
"""


@pytest.mark.parametrize(("wrt", "said"), [
    ("w,p", "'w,p' is more than one: give each by itself, --wrt w --wrt p"),
    ("[net.W1, p['W1']]",
     "\"[net.W1, p['W1']]\" is more than one: give each by itself, --wrt net.W1 --wrt \"p['W1']\""),
    ("net.weights()",
     "'net.weights()' is a call, and what a call returns has no place in the script: give a name, an attribute or an "
     'item, or --setup "weights = net.weights()" --wrt weights, if the expressions read weights or the very arrays in '
     "it"),
    ("values()",  # a name that is taken
     "'values()' is a call, and what a call returns has no place in the script: give a name, an attribute or an "
     'item, or --setup "arrays = values()" --wrt arrays, if the expressions read arrays or the very arrays in it'),
    ("p['W9']", "p has no key 'W9'; it has 'W1', 'W2' and 'b1'"),
    ("many['layer21']",
     "many has no key 'layer21'; it has 'layer1', 'layer2', 'layer10', 'layer11', 'layer12', 'layer13' and 14 more"),
    ("empty['W1']", "empty has no key 'W1': it is empty"),
    ("numbers[2]", "numbers has no key 2; it has 0 and 1"),
    ("net.W9", "net has no attribute 'W9'; it has W1 and b1"),
    ("layers[1].B1", "layers[1] has no attribute 'B1'; it has W1 and b1"),
    ("layers[2].W1", "layers has no item 2: it is a list of 2"),
    ("w['a']", "w['a']: IndexError: only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer "
               "or boolean arrays are valid indices"),
])  # fmt: skip
def test_what_is_no_place_is_said_with_what_to_write(wrt: str, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path, HELD, wrt=wrt) == f"--wrt: {said}"


def test_the_setup_that_a_call_is_told_to_have_checks(tmp_path: Path) -> None:
    source = HELD + "def loss():\n    return np.sum(net.W1**2) + np.sum(net.b1**3)\n"
    report = check_script(written(tmp_path, source), "loss()", "[2 * net.W1, 3 * net.b1**2]", ["weights"],
                          "weights = net.weights()")
    assert report.ok


SLOW = """import time
def train():
    time.sleep({seconds})
for step in range(2):
    train()
w = 1.0
"""


def test_a_script_that_trains_when_it_is_imported_is_told_to_guard_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.05)
    slow, quick = SLOW.format(seconds=0.2), SLOW.format(seconds=0)
    told = (
        "einbackprop: slow.py is still running after 0.05 s, at line 5: train()\n"
        "  It runs to its end first, as an import would. Guard what trains or plots with\n"
        '  if __name__ == "__main__":  what stands under that does not run here.\n')
    with scripts.run(written(tmp_path, slow, "slow.py")):
        assert capsys.readouterr() == ("", told)
    with scripts.run(written(tmp_path, "import slow\nw = slow.w\n", "outer.py")):
        assert "outer.py is still running after 0.05 s, at line 1: import slow\n" in capsys.readouterr().err
    with scripts.run(written(tmp_path, quick, "quick.py")):
        time.sleep(0.2)
    assert capsys.readouterr() == ("", "")
    with scripts.run(written(tmp_path, "1 / 0\n")):
        time.sleep(0.1)
    assert "still running" not in capsys.readouterr().err


def test_where_there_are_no_threads_a_slow_script_runs_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(watch, "PATIENCE", 0.05)
    monkeypatch.setattr(threading.Thread, "start", none)
    with scripts.run(written(tmp_path, SLOW.format(seconds=0.1))) as names:
        assert names["w"] == 1
    assert capsys.readouterr() == ("", "")


def test_messages_name_the_users_line(tmp_path: Path) -> None:
    assert refused(tmp_path, QUADRATIC + "def g(w):\n    raise ValueError('no')\n", loss="g(w)") == (
        "the loss: script.py, line 6, in g: ValueError: no")
    assert refused(tmp_path, "import numpy as np\nnp.zeros(3) + np.zeros(2)\n") == (
        "script.py, line 2: ValueError: operands could not be broadcast together with shapes (3,) (2,)")
    assert refused(tmp_path, "def f(:\n") == "script.py, line 1: SyntaxError: invalid syntax"
    assert refused(tmp_path, "import sys\nsys.exit(4)\n") == (
        "script.py: it called sys.exit(4): guard that with if __name__ == '__main__'")
    assert refused(tmp_path, "x = input()\n") == "script.py, line 1: EOFError: EOF when reading a line"


RAISING = pytest.mark.xfail(strict=True, reason="w has 2 entries: where gradients raise, 2 and w.shape[0] are the same")


@pytest.mark.parametrize("body", [pytest.param("return {}['k']", marks=RAISING), "return w @ np.ones(3)"])
def test_gradients_that_raise_are_not_repaired_by_a_size(body: str, tmp_path: Path) -> None:
    report = check_script(written(tmp_path, QUADRATIC + f"def g(w):\n    {body}\n"), "L(w)", "g(w)", ["w"])
    assert report.findings[0].write == "return 2 * w"


def test_gradients_that_raise_are_wrong_and_it_is_said_where(tmp_path: Path) -> None:
    for body, said, write in (
        ("raise ValueError('no')", "ValueError: no", None), ("return {}['k']", "KeyError: 'k'", "return 2 * w"),
    ):  # fmt: skip
        report = check_script(written(tmp_path, QUADRATIC + f"def g(w):\n    {body}\n"), "L(w)", "g(w)", ["w"])
        assert report.exit_code == 1
        assert [(g.name, g.verdict, g.note) for g in report.gradients] == [
            ("w", "wrong", "the gradients raise an exception where the loss runs")]
        (finding,) = report.findings
        assert finding.line == 6
        assert (finding.write is None) == (write is None)
        assert finding.message == said if write is None else said in finding.message
        assert f"! script.py, line 6: {body}\n" in str(report)
    source = QUADRATIC + "def g(w):\n    return w @ np.ones(3)\n"
    report = check_script(written(tmp_path, source), "L(w)", "g(w)", ["w"])
    assert report.exit_code == 1
    (finding,) = report.findings
    assert finding.line == 6
    assert finding.write  # two mistakes in one line
    assert "w[i] · an array[j]: i (2) meets j (3)." in finding.message


@pytest.mark.long
@pytest.mark.parametrize(("before", "after", "told", "mistake", "write"), [
    ("np.dot(W3.T, d_guess)", "np.dot(W3, d_guess)",
     "W3[l,k] · d_guess[l,n]: k (4) meets l (2).", "W3 must be transposed here",
     "d_two = np.dot(W3.T, d_guess) * two * (1 - two)"),
    ("np.dot(d_two, one.T)", "np.dot(d_two, one)",
     "d_two[k,n] · one[j,n]: n (6) meets j (5).", "one must be transposed here",
     "dW2 = np.dot(d_two, one.T)"),
    ("* one * (1 - one)", "* two * (1 - two)",
     "an array[j,n] * two[k,n]: j (5) meets k (4).", "one must stand here, not two",
     "d_one = np.dot(W2.T, d_two) * one * (1 - one)"),
    ("np.dot(d_one, X.T)", "np.einsum('jb,jb->ji', d_one, X)", "", "", None),
    ("np.dot(d_one, X.T)", "np.einsum('jb,bi->ji', d_one, X)",
     "einsum('jb,bi->ji'): the letter b is 6 in d_one[j,n] and 3 in X[i,n].", "", None),
])
@pytest.mark.parametrize("at_import", [False, True])
def test_shapes_that_stop_the_code_are_said_in_letters(
    before: str, after: str, told: str, mistake: str, write: str | None, at_import: bool
) -> None:
    source = COLUMNS.text.replace(before, after).replace("build(3, 4, 4, 2, 5)", "build(3, 5, 4, 2, 6)")
    line = COLUMNS.text[: COLUMNS.text.index(before)].count("\n") + 1
    report = COLUMNS.report(source + ("back(run(theta, X), Y, theta)\n" if at_import else ""))
    assert report.exit_code == 1
    assert report.findings[0].line == line
    assert report.findings[0].message.startswith(mistake)
    assert told in report.findings[0].message
    assert write is None or report.findings[0].write == write


def test_in_a_method_what_to_write_names_the_attribute(tmp_path: Path) -> None:
    source = CACHING_NET.text.replace("self.gW += self.X.T @ dz", "self.gW = self.X @ dz")
    report = check_script(written(tmp_path, source), CACHING_NET.loss, CACHING_NET.grads, list(CACHING_NET.wrt))
    assert [(f.line, f.write) for f in report.findings] == [(11, "self.gW = self.X.T @ dz")]
    assert report.findings[0].message.startswith("self.X must be transposed here")
    assert report.findings[0].message.endswith("X[n,i] · dz[n,j]: i (3) meets n (5).")


def test_a_parameter_of_whole_numbers_is_read_as_one_of_floats(tmp_path: Path) -> None:
    source = QUADRATIC.replace("[0.5, -2.0]", "[1, -2]") + "def g(w):\n    return 3 * w\n"
    report = check_script(written(tmp_path, source), "L(w)", "g(w)", ["w"])
    assert wrong(report) == ("w",)
    assert [(item.line, item.write) for item in report.findings] == [(6, "return 2 * w")]
    assert check_script(written(tmp_path, source), "L(w)", "2 * w", ["w"]).gradients[0].grade == "proved"


def test_a_python_number_is_followed(tmp_path: Path) -> None:
    report = check_script(written(tmp_path, "s = 2.5\n"), "3 * s ** 2", "6 * s", ["s"])
    assert [g.grade for g in report.gradients] == ["proved"]
    source = ("import numpy as np\nX, y = np.arange(12.0).reshape(6, 2) ** 0.5, np.ones(6)\nw, b = np.ones(2), 0.5\n"
              "def loss(w, b):\n    return 0.5 * np.sum((X @ w + b - y) ** 2)\n"
              "def grads(w, b):\n    r = X @ w + b - y\n    db = r.mean()\n    return X.T @ r, db\n")
    report = check_script(written(tmp_path, source), "loss(w, b)", "grads(w, b)", ["w", "b"])
    assert [(g.verdict, g.grade) for g in report.gradients] == [("right", "proved"), ("wrong", "close")]
    (finding,) = (f for f in report.findings if f.line)
    assert (finding.line, finding.write) == (8, "db = r.sum()")


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # NumPy's own, of the user's own code
def test_an_empty_batch_is_undecided_and_said(tmp_path: Path) -> None:
    source = QUADRATIC + "X = np.zeros((0, 2))\ndef loss(w, X):\n    return np.mean((X @ w) ** 2)\n"
    report = check_script(written(tmp_path, source), "loss(w, X)", "0 * w", ["w"])
    assert report.exit_code == 3
    assert [item.message for item in report.findings] == ["X is empty, of shape (0, 2): nothing can be seen in it"]
    assert not any("Reference" in text for text in report.assumptions)


def test_a_loss_that_stops_is_said_in_letters() -> None:
    source = COLUMNS.text.replace("b2[:, None]", "b2").replace("build(3, 4, 4, 2, 5)", "build(3, 5, 4, 2, 6)")
    with pytest.raises(ScriptError, match=r"^the loss: script\.py, line 25, in run: an array\[k,b\] \+ b2\[n\]: "
                                          r"b \(6\) meets n \(4\)\.$"):
        COLUMNS.report(source)


def test_a_guard_in_the_loss_of_large_arrays_accuses_nobody(tmp_path: Path) -> None:
    """Their lines are not read: a small constant in the logarithm is found where it is written or stands under a local
    name, and else nobody knows what it changes.
    """
    text = """import numpy as np
rng = np.random.default_rng(0)
X, W = rng.normal(size=(60, 400)), rng.normal(size=(400, 5)) * 0.2
Y = np.eye(5)[rng.integers(0, 5, size=60)]
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
def loss(W):
    assert W.shape == (400, 5) and len(X) == 60  # so that no smaller ones can be read
    return -np.sum(Y * np.log(softmax(X @ W) + 1e-7)) / 60
def gradient(W):
    return X.T @ (softmax(X @ W) - Y) / 60
"""
    script = written(tmp_path, text)
    (gradient,) = check_script(script, "loss(W)", "gradient(W)", ["W"]).gradients
    assert gradient.verdict == "right"
    assert gradient.note.startswith("right, but for the 1e-07 that the loss adds before it takes the logarithm")
    elsewhere = written(tmp_path, text.replace("+ 1e-7", "+ tiny") + "tiny = 1e-7\n")
    (gradient,) = check_script(elsewhere, "loss(W)", "gradient(W)", ["W"]).gradients
    assert gradient.verdict == "undecided"
    assert "a guard in the loss" in gradient.note
    script = written(tmp_path, text)
    (gradient,) = check_script(script, "loss(W)", "1.01 * gradient(W)", ["W"]).gradients
    assert gradient.verdict == "wrong"


def test_a_script_that_stops_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    stops = QUADRATIC + "raise ValueError('no data')\ndef g(w):\n    return 2 * w\n"
    assert check_script(written(tmp_path, stops), "L(w)", "g(w)", ["w"]).gradients[0].grade == "proved"
    assert refused(tmp_path, stops + "del w\n") == "script.py, line 5: ValueError: no data"


@pytest.mark.parametrize(("setup", "letters"), [
    ("theta, X, Y = build(i, j, k, l, b)", "bijkl"),
    ("r = np.random.default_rng(0); x, y = r.random((n, 3)), [x for x in range(k)]", "kn"),
    ("import numpy as p; w = p.ones((m, d)); s = [lambda a: a + b for c in range(q)]", "bdmq"),
    ("def f(u, v=h):\n    w = u\n    return w + t\nz = f(1)", "ht"),
    ("", ""),
])  # fmt: skip
def test_letters_that_a_setup_makes_itself_are_no_sizes(setup: str, letters: str) -> None:
    assert {name for name in names_wanted(setup) if len(name) == 1} == set(letters)


def test_a_setup_without_letters_of_its_own_is_checked_at_the_sizes_of_the_formulas() -> None:
    report = COLUMNS.report(COLUMNS.text, "s = 4; theta, X, Y = build(s, 5, 6, 2, s)")
    said = next(text for text in report.assumptions if "hecked at o" in text)
    assert "s=" not in said
    assert "those of the letters" not in report.assumptions[0]


SEVERAL_NAMES = """import numpy as np
a, b, unread, number = np.array([[1., -2., 3.], [.5, 4., -1.]]), np.array([2., -3., .5]), np.ones(4), 0.5
pair, held, same = (a, b), {"a": a, "b": b}, a
class Layer: pass
layer = Layer(); layer.w = a
def of(a, b): return np.sum((a @ b) ** 2)
def inside(): return np.sum((layer.w @ b) ** 2)
def scaled(): return np.sum(a * number)
"""


@pytest.mark.parametrize("loss", ["of(a, b)", "of(*pair)", "of(same, b)", "of(**held)", "inside()"])
@pytest.mark.parametrize(("wrt", "expected"), [
    (["a"], "da"), (["b"], "db"), (["same"], "da"), (["b", "layer"], "(db, {'w': da})"), (["pair"], "[da, db]"),
    (["held"], "{'a': da, 'b': db}"), (["held['b']", "layer.w"], "(db, da)"),
])  # fmt: skip
def test_an_array_of_several_names_has_the_gradient_by_each(
    loss: str, wrt: list[str], expected: str, tmp_path: Path
) -> None:
    derived = derive_script(written(tmp_path, SEVERAL_NAMES), loss, wrt)
    names: dict[str, Any] = {}
    exec(SEVERAL_NAMES + str(derived), names)
    got = names["backward"](*(names[name] for name in inspect.signature(names["backward"]).parameters))
    names["da"] = 2 * np.outer(names["a"] @ names["b"], names["b"])
    names["db"] = 2 * (names["a"] @ names["b"]) @ names["a"]
    np.testing.assert_equal(got, eval(expected, names))


def test_what_no_gradient_can_be_derived_for_is_refused(tmp_path: Path) -> None:
    def refusal(loss: str, *wrt: str) -> str:
        with pytest.raises(ScriptError) as caught:
            derive_script(written(tmp_path, SEVERAL_NAMES), loss, wrt)
        return str(caught.value)

    assert refusal("scaled()", "number") == "--wrt: 'number' holds no arrays: it is float; np.array(…) makes it one"
    assert refusal("of(a, b)", "pair", "same") == (
        "--wrt: 'pair' and 'same' hold the same array of shape (2, 3): give one of them")
    assert refusal("of(a, b)", "unread").startswith("--wrt: unread: --loss does not read it, and other values of")
    of_none = derive_script(written(tmp_path, SEVERAL_NAMES), "of(a, b) + 0 * unread.size", ["unread"])
    assert "np.full(" in str(of_none)


def test_too_many_letters_are_refused(tmp_path: Path) -> None:
    text = refused(tmp_path, QUADRATIC, setup="w = np.ones((a, c, d, e, f, g, h, i, j))")
    assert text == "--setup: at most 8 letters can be sizes, not a, c, d, e, f, g, h, i, j"


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    script = tmp_path / "binary.py"
    script.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScriptError, match=r"binary\.py.*(SyntaxError|ValueError)"):
        check_script(str(script), "a", "b", ["W"], "")


def test_what_is_run_in_the_place_of_a_script_draws_nothing(tmp_path: Path) -> None:
    """The script itself draws, once; each loop that is tried would draw all figures again."""
    pytest.importorskip("matplotlib")
    script = written(tmp_path, "import matplotlib.pyplot as plt\nplt.figure()\nlines = plt.plot([1, 2])\n"
                               "many = len(plt.get_fignums())\nplt.close()\n")  # fmt: skip
    with run(script) as names:
        assert (len(names["lines"]), names["many"]) == (1, 1)
    with run(script, text=Rewriting("import matplotlib.pyplot as plt\nlines = plt.plot([1, 2])\n")) as names:
        assert names["lines"] is NOTHING


IN_A_QUEUE = """
from collections import deque
import numpy as np


class Weights(dict):
    pass


layers = deque([np.array([0.5, -2.0])])
held = Weights()
held.w = layers[0]


def L():
    return (layers[0] ** 2).sum()


def g():
    return 2 * layers[0]
"""


@pytest.mark.parametrize(("wrt", "said"), [
    ("layers[0]", "layers[0] stands in a deque, whose content is not copied: give the array a name, --setup 'w = "),
    ("held.w", "held.w stands in a Weights, whose content is not copied: keep it under a key"),
])
def test_an_array_of_which_no_copy_is_made_is_named_with_what_to_do(wrt: str, said: str, tmp_path: Path) -> None:
    """It was written into where it stood, which ended in an error of ours."""
    script = written(tmp_path, IN_A_QUEUE)
    with pytest.raises(ScriptError, match=re.escape(said)):
        check_script(script, "L()", "g()", [wrt])
    assert check_script(script, "L()", "g()", ["w"], setup="w = layers[0]").gradients[0].verdict == "right"
