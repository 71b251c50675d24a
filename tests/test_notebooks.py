"""Notebooks: their cells run as one module, what only IPython understands is left out, and a line names its cell."""

import builtins
import json
import linecache
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import einbackprop
from einbackprop.errors import OptionError, ScriptError
from einbackprop.shell.command import main
from einbackprop.shell.derivations import derive_script
from einbackprop.shell.notebooks import python_of
from einbackprop.shell.scripts import check_script, read_script

MAGICS = """%matplotlib inline
!pip install --quiet \\
    "numpy it's"
import numpy as np
"""
FORWARD = """%%time
rng = np.random.default_rng(0)
W, b, X = rng.normal(size=(3, 3)), np.ones(3), rng.normal(size=(5, 3))
display(W)

def forward(W, b, X):
    z = X @ W + b
    return np.tanh(z)

def loss(W, b, X):
    return 0.5 * np.sum(forward(W, b, X) ** 2)
"""
BACKWARD = """def gradients(W, b, X):
    h = forward(W, b, X)
    dz = h * (1 - h**2)
    return X.T @ dz, dz.sum(axis=0)
"""
WRONG = BACKWARD.replace("X.T @ dz", "X.T @ h")


def notebook(folder: Path, *cells: str | dict[str, Any], name: str = "analysis.ipynb", **metadata: Any) -> str:
    """A notebook of these code cells, or of cells as they are, with some text and an empty cell among them."""
    made: list[dict[str, Any]] = [{"cell_type": "markdown", "source": ["# Read %me\n"], "metadata": {}}]
    for cell in cells:
        code = {"cell_type": "code", "source": cell.splitlines(keepends=True) if isinstance(cell, str) else [],
                "metadata": {}, "outputs": [], "execution_count": None}
        made += [cell if isinstance(cell, dict) else code, {**code, "source": "\n \n"}]
    path = folder / name
    path.write_text(json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return str(path)


def refused(path: str) -> str:
    with pytest.raises(ScriptError) as caught:
        read_script(path, "f(x)")
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(path, "PATH")


def test_a_notebook_is_checked_as_a_script_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = notebook(tmp_path, MAGICS, FORWARD, "%%bash\nrm -rf nothing\n", BACKWARD)
    question = ["--loss", "loss(W, b, X)", "--grads", "gradients(W, b, X)", "--wrt", "W", "--wrt", "b"]
    assert main(["check", path, *question]) == 0
    assert capsys.readouterr().out.startswith("right: all 2 gradients\n  W  (3,3)  proved")


def test_a_finding_names_its_cell_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = notebook(tmp_path, MAGICS, FORWARD, "%%bash\nrm -rf nothing\n", WRONG)
    report = check_script(path, "loss(W, b, X)", "gradients(W, b, X)", ["W", "b"])
    assert "! analysis.ipynb, cell 4, line 4: return X.T @ h, dz.sum(axis=0)\n    dz must stand here, not h." in (
        str(report))
    assert "<h2>analysis.ipynb, cell 4</h2>" in report.to_html()
    data = json.loads(report.to_json())
    [finding] = data["findings"]
    assert (finding["file"], finding["cell"], finding["line"]) == (path, 4, 4)
    assert finding["write"] == "return X.T @ dz, dz.sum(axis=0)"
    assert {(line["file"], line["cell"]) for line in data["lines"]} == {(path, 2), (path, 4)}
    before = Path(path).read_bytes()
    question = ["--loss", "loss(W, b, X)", "--grads", "gradients(W, b, X)", "--wrt", "W", "--wrt", "b"]
    assert main(["check", path, *question, "--diff"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "einbackprop: analysis.ipynb, cell 4, line 4: no patch for a notebook; write return X.T @ dz, " in (
        captured.err)
    assert Path(path).read_bytes() == before


def test_a_reading_has_a_listing_for_each_cell(tmp_path: Path) -> None:
    path = notebook(tmp_path, MAGICS, FORWARD, BACKWARD)
    reading = read_script(path, "gradients(W, b, X)")
    text = str(reading)
    assert "\nanalysis.ipynb, cell 2\n   7  z = X @ W + b\n" in text
    assert "\nanalysis.ipynb, cell 3\n   2  h = forward(W, b, X)\n" in text
    assert "<h2>analysis.ipynb, cell 2</h2>" in reading.to_html()
    assert "einsum(" in str(derive_script(path, "loss(W, b, X)", ["W"]))


def test_an_error_names_its_cell(tmp_path: Path) -> None:
    assert refused(notebook(tmp_path, "x = 1\n", "\ny = x\nz = y / 0\n")) == (
        "analysis.ipynb, cell 2, line 3: ZeroDivisionError: division by zero")
    assert refused(notebook(tmp_path, "x = 1\n", "%matplotlib inline\ny = = 2\n")) == (
        "analysis.ipynb, cell 2, line 2: SyntaxError: invalid syntax")
    assert refused(notebook(tmp_path, "import sys\n", "sys.exit(2)\n")).startswith(
        "analysis.ipynb, cell 2: it called sys.exit(2)")
    surrogate = {"cell_type": "code", "source": "y = '\ud800'"}
    assert refused(notebook(tmp_path, "x = '\\ud800'\n", surrogate)).startswith(
        "analysis.ipynb, cell 2: UnicodeEncodeError: ")
    stopped = notebook(tmp_path, "import numpy as np\nx = np.ones(3)\n", "def f(x):\n    return x @ np.ones(2)\n")
    with pytest.raises(ScriptError, match=r"analysis\.ipynb, cell 2, line 2, in f: "):
        check_script(stopped, "f(x)", "x", ["x"])


def test_what_a_cell_imports_from_the_future_holds_for_those_below(tmp_path: Path) -> None:
    first = "from __future__ import annotations\nimport numpy as np\nx = np.ones(2)\n"
    path = notebook(tmp_path, first, "def f(x: Unknown) -> Unknown:\n    return x * x\n")
    assert "return[i] = x[i] x[i]" in str(read_script(path, "f(x)"))


def test_a_notebook_runs_in_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def f(x):\n    return x * x\n")
    (tmp_path / "data.txt").write_text("1 2 3\n")
    before = os.getcwd()
    path = notebook(tmp_path, "import numpy as np\nfrom beside import f\nx = np.loadtxt('data.txt')\n")
    assert "i = 3" in str(read_script(path, "f(x)"))
    assert os.getcwd() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "PATH: it is no notebook, which is JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\x00", "PATH: it is no notebook, which is JSON: "),
        (b"[" * 100_000, "PATH: it is no notebook, which is JSON: "),
        (b"[]", "PATH: it is no notebook: it has no list of cells"),
        (b'{"cells": 3}', "PATH: it is no notebook: it has no list of cells"),
        (b'{"worksheets": []}', "PATH: it is a notebook of an older format: open it in Jupyter and save it again"),
        (b'{"cells": [{"cell_type": "code", "source": 3}]}',
         "PATH: it is no notebook: its cell 1 of all has no text"),
        (b'{"cells": [], "metadata": {"kernelspec": {"language": "R\\u001b"}}}',
         "PATH: its kernel runs 'R\\x1b', and only Python can be read"),
        (b'{"cells": [], "metadata": {"language_info": {"name": "julia"}, "kernelspec": []}}',
         "PATH: its kernel runs 'julia', and only Python can be read"),
    ],
)  # fmt: skip
def test_what_is_no_notebook_of_python_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.ipynb"
    path.write_bytes(content)
    assert refused(str(path)).startswith(said)
    assert refused(str(tmp_path / "none.ipynb")) == "PATH: No such file or directory"


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("x = 1\n", "x = 1\n"),
        ("%matplotlib inline", "pass"),
        ("%load_ext autoreload\n%autoreload 2\nx = 1", "pass\npass\nx = 1"),
        ("if x:\n    !ls it's\n    y = 2\n", "if x:\n    pass\n    y = 2\n"),
        ("!ls \\\n  -l \\\n  -a\nx = 1", "pass\n\n\nx = 1"),
        ("x = (a\n% b)\n!ls", "x = (a\n% b)\npass"),
        ("x = '''\n%no magic\n!'''\n%magic", "x = '''\n%no magic\n!'''\npass"),
        ('s = "(" # ( it\'s\n%magic', 's = "(" # ( it\'s\npass'),
        ("x = a \\\n  % b\n%magic", "x = a \\\n  % b\npass"),
        ("x = a % b\ny = x != b", "x = a % b\ny = x != b"),
        ("files = !ls\nt, u = %timeit -o f()\n", "pass\npass\n"),
        ("%time x = f()\n", "x = f()\n"),
        ("np.sum?\n?np\nnp.dot??\n", "pass\npass\npass\n"),
        ("\n%%time\nx = 1", "\n\nx = 1"),
        ("%%capture out --no-stderr\n%%time\nx = 1", "\n\nx = 1"),
        ("%%check --loss 'f(x)'\n!ls\nx = 1", "\npass\nx = 1"),
        ("%%bash\nls", None),
        ("%%timeit\nx = 1", None),
        ("%%javascript\nx = 1", None),
        ("%%", None),
        ("# a comment\n%%time\nx = 1", "# a comment\npass\nx = 1"),
    ],
)
def test_what_only_ipython_understands_is_left_out_line_for_line(cell: str, python: str | None) -> None:
    assert python_of(cell) == python
    if python is not None:
        assert python.count("\n") == cell.count("\n")


def test_the_help_says_how_cells_are_numbered(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["read", "--help"])
    assert "numbered from 1 as in In [1], empty ones left out" in " ".join(capsys.readouterr().out.split())


class Ran:
    def __init__(self, success: bool) -> None:
        self.success = success


class FakeShell:
    """What the magic uses of IPython's shell."""

    def __init__(self) -> None:
        self.user_ns = vars(types.ModuleType("__main__"))
        self.user_ns.update({"__builtins__": builtins, "np": np, "In": ["", "first", "second"]})
        self.execution_count = 3
        self.ran: list[tuple[str, int]] = []
        self.magics: dict[tuple[str, str], Any] = {}

    def run_cell(self, raw_cell: str) -> Ran:
        self.ran.append((raw_cell, self.execution_count))
        file = f"/cells/{len(self.ran)}.py"
        linecache.cache[file] = (len(raw_cell), None, raw_cell.splitlines(keepends=True), file)
        try:
            exec(compile(raw_cell, file, "exec"), self.user_ns)
        except ZeroDivisionError:
            return Ran(False)
        return Ran(True)

    def register_magic_function(self, func: Any, magic_kind: str = "line", magic_name: str | None = None) -> None:
        self.magics[magic_kind, str(magic_name)] = func


def magic_of(shell: FakeShell) -> Any:
    """The magic that `%load_ext einbackprop` gives to a shell."""
    einbackprop.load_ipython_extension(shell)
    [((kind, name), magic)] = shell.magics.items()
    assert (kind, name) == ("line_cell", "check")
    assert '%%check --loss "loss(W, X)"' in magic.__doc__
    return magic


LOSS = "rng = np.random.default_rng(0)\nW, X = rng.normal(size=(3, 3)), rng.normal(size=(5, 3))\n"
LOSS += "def loss(W, X):\n    return 0.5 * np.sum(np.tanh(X @ W) ** 2)\n"
GRADS = "def grads(W, X):\n    h = np.tanh(X @ W)\n    return X.T @ (h * (1 - h**2))\n"
ASKING = '--loss "loss(W, X)" --grads "grads(W, X)" --wrt W'


def test_a_cell_is_run_and_then_checked() -> None:
    shell = FakeShell()
    check = magic_of(shell)
    shell.run_cell(LOSS)
    report = check(ASKING, GRADS.replace("X.T @ (h * (1 - h**2))", "X.T @ h"))
    assert report.headline == "wrong: W (of 1 gradient)"
    [finding] = report.findings
    assert finding.line == 4  # the first is that of the magic
    assert "X.T @ h" in report._repr_mimebundle_()["text/html"]
    assert shell.ran[-1] == (f"# %%check {ASKING}\n" + GRADS.replace("X.T @ (h * (1 - h**2))", "X.T @ h"), 2)
    assert shell.execution_count == 3
    assert check(ASKING, GRADS).ok
    assert check(ASKING).ok
    assert check(ASKING, "x = 3\n").ok
    assert shell.user_ns["x"] == 3


def test_a_cell_is_given_a_hint() -> None:
    shell = FakeShell()
    check = magic_of(shell)
    shell.run_cell(LOSS)
    wrong = GRADS.replace("X.T @ (h * (1 - h**2))", "X.T @ h")
    report = check(f"{ASKING} --hint", wrong)
    assert [item.message for item in report.findings] == [
        "A mistake is here. It is about the derivative of a pointwise function."]  # fmt: skip
    assert not [text for text in report._repr_mimebundle_().values() if "expected" in text or "1 - h" in text]
    assert check(f"{ASKING} --hint 2").findings[0].message == "A mistake is here."


def test_the_setup_of_a_check_leaves_the_names_as_they_were() -> None:
    shell = FakeShell()
    check = magic_of(shell)
    shell.run_cell(LOSS + GRADS)
    before = dict(shell.user_ns)
    report = check(ASKING + ' --setup "W = np.ones((i, j)); X = rng.normal(size=(b, i)); new = 1" --seed 3')
    assert report.ok
    assert any("those of the letters in --setup are ours" in item for item in report.assumptions)
    assert shell.user_ns == before


def test_a_cell_that_stops_is_not_checked() -> None:
    shell = FakeShell()
    assert magic_of(shell)(ASKING, "1 / 0") is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "--wrt alone does not say what to check: give --loss and --grads, or --both, or "),
        ('--loss "f(x) --wrt x', 'No closing quotation: write --loss "loss(W, X)", in quotes'),
        ("--lose f", "unrecognized arguments: --lose f"),
        ("--seed x", "argument --seed: 'x' is no whole number from 0 to 4294967295"),
        ('--loss "f(W)" --grads "grads(W, X)" --wrt W', "--loss: the notebook has no name 'f'"),
        ('--loss "loss(W, X @ X)" --grads W --wrt W', "the loss: ValueError: "),
    ],
)
def test_what_cannot_be_asked_in_a_cell_is_said_in_one_line(line: str, said: str) -> None:
    shell = FakeShell()
    shell.run_cell(LOSS + GRADS)
    with pytest.raises(OptionError) as caught:
        magic_of(shell)(line)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


IN_IPYTHON = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in {cells!r}:
    result = shell.run_cell(cell, store_history=True)
print("OK", shell.user_ns["_"].headline, result.success)
bad = shell.run_cell("%%check --wrong\\npass\\n", store_history=True)
print("THEN", type(bad.error_in_exec).__name__, shell.user_ns["X"].shape)
"""


@pytest.mark.slow
def test_the_magic_in_ipython(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    wrong = GRADS.replace("X.T @ (h * (1 - h**2))", "X.T @ h")
    cells = ["%load_ext einbackprop", f"import numpy as np\n{LOSS}", f"%%check {ASKING}\n{wrong}"]
    code = IN_IPYTHON.format(cells=cells)
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "! Cell In[3], line 4: return X.T @ h\n" in done.stdout, done.stdout + done.stderr
    assert "OK wrong: W (of 1 gradient) True\n" in done.stdout
    assert "THEN UsageError (5, 3)\n" in done.stdout
    assert "UsageError: unrecognized arguments: --wrong" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_loading_the_extension_needs_no_ipython() -> None:
    code = ("import sys; sys.modules['IPython'] = None\nimport einbackprop.shell.magics\n"
            "assert 'load_ipython_extension' not in dir(einbackprop)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
