"""`check --diff`: a patch of what is to be written, which changes nothing else and can be applied."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from einbackprop.checking.source_edits import Text, patch_of, rewritten
from einbackprop.checking.verdicts import Finding
from einbackprop.shell.command import main


def changed(statement: str, write: str) -> str | None:
    """A statement of a function after the edit, as it then stands in the file."""
    text = f"def f():\n    ä = 'é'\n{statement}\n\n\ndef g():\n    return 1\n"
    made = rewritten(text, 3, write)
    if made is None:
        return None
    after = Text(text).changed(made)
    assert after.startswith("def f():\n    ä = 'é'\n")
    assert after.endswith("\n\n\ndef g():\n    return 1\n")
    return after[len("def f():\n    ä = 'é'\n"):-len("\n\n\ndef g():\n    return 1\n")]


@pytest.mark.parametrize(
    ("statement", "write", "expected"),
    [
        ("    d = prediction - T  # off", "d = (prediction - T) / N", "    d = (prediction - T) / N  # off"),
        ("    d = (prediction   -T)  # off", "d = (prediction - T) / N", "    d = (prediction   -T) / N  # off"),
        ("    dW = X.T@d  # c", "dW = X.T @ d + 0.1 * W", "    dW = X.T@d + 0.1 * W  # c"),
        ("    dW = (X.T  # ü\n          @second)", "dW = first.T @ second",
         "    dW = (first.T  # ü\n          @second)"),
        ("    dW=d1.dot( h1 )", "dW = d1.dot(h1.T)", "    dW=d1.dot( h1.T )"),
        ("    dW  =  np.outer(d1,x)", "dW += np.outer(d1, x)", "    dW  +=  np.outer(d1,x)"),
        ("    dW  -=  np.outer(d1,x)", "dW = np.outer(d1, x)", "    dW  =  np.outer(d1,x)"),
        ("    return (dx,  dw/2.0, # half\n            db)", "return (dx, dw, db)",
         "    return (dx,  dw, # half\n            db)"),
        ("    return dx,  dw", "return (dw, dx)", "    return dw,  dx"),
        ("    a = 1; db = x  -  y ; c = 2", "db = x + y", "    a = 1; db = x  +  y ; c = 2"),
        ("    ds = p* (g - (g*p ).sum( axis=1,keepdims=True))", "ds = p * (g - (g * p).sum(axis=0, keepdims=True))",
         "    ds = p* (g - (g*p ).sum( axis=0,keepdims=True))"),
        ("    db = d.sum( axis = 0 )", "db = d.sum(axis=0, keepdims=True)", "    db = d.sum(axis=0, keepdims=True)"),
        ("    y = a - b - c", "y = a - (b - c)", "    y = a - (b - c)"),
        ("    y = 'ä' and x*m  # é", "y = 'ä' and x * (m > 0)", "    y = 'ä' and x*(m > 0)  # é"),
        ("    y = (a   < # why\n         b)", "y = a <= b", "    y = (a   <= # why\n         b)"),
        ("    y = (a  # - as in\n         - b)", "y = a + b", "    y = (a  # - as in\n         + b)"),
        ("    y = log(x  +1e-8)* 2.50", "y = log(x + 1e-08) * -2.5", "    y = log(x  +1e-8)* -2.5"),
        ("    y = x.T @ d / len(d)", "y = x.T @ d", "    y = x.T @ d"),
        ("    y = a*b*c", "y = a * c", "    y = a*c"),
        ("    g = X  @ (r@p[\"V\"])", "g = X.T @ (r @ p['V']) / len(X)", "    g = X.T  @ (r@p[\"V\"]) / len(X)"),
        ("    y = X@(a  -b)", "y = (a - b) @ X", "    y = (a - b)@X"),
        ("    y = x[ 1: ]", "y = x[:-1]", "    y = x[ :-1 ]"),
        ("    s += d[k]*h[ j ]", "s += d[k] * W[j, k]", "    s += d[k]*W[ j, k ]"),
        ("    y = x", "y = x\nz = 2", "    y = x\n    z = 2"),
        ("    if a: y = x*2", "y = x * 3", "    if a: y = x*3"),
        ("    for i in range( n ):\n        y = 2", "for i in range(n - 1):",
         "    for i in range( n - 1 ):\n        y = 2"),
        ("    y = x", "print(", None),
    ],
)  # fmt: skip
def test_nothing_but_the_edit_changes(statement: str, write: str, expected: str | None) -> None:
    assert changed(statement, write) == expected


MAIN = '''import numpy as np
from helper import scaled, outer

x, w = np.random.randn(5, 3), np.random.randn(3, 3)


def loss(x, w):
    return 0.5 * np.sum(np.tanh(x @ w) ** 2)


def gradients(x, w):
    h = np.tanh(x @ w)
    d = scaled(h)
    return (d @ w,   # to the input
            outer(x, d))
'''
HELPER = '''def scaled(h):
    return h*(1 - h**2)


def outer(x, d):
    dw = (x.T  # of rows
          @ d)
    return dw
'''


def files(folder: Path, main_text: str = MAIN, helper: str = HELPER, newline: str = "\n") -> None:
    for name, text in (("main.py", main_text), ("helper.py", helper)):
        (folder / name).write_bytes(text.replace("\n", newline).encode())


CHECK = ["--loss", "loss(x, w)", "--grads", "gradients(x, w)", "--wrt", "x", "--wrt", "w"]


@pytest.mark.skipif(not shutil.which("patch") or not shutil.which("git"), reason="there is no patch, or no git")
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("command", [["patch", "-p0"], ["git", "apply", "-"]])
def test_the_patch_applies_and_repairs(
    command: list[str], newline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q", "."], check=True)
    (tmp_path / "code").mkdir()
    files(tmp_path / "code", newline=newline)
    assert main(["check", "code/main.py", *CHECK, "--diff"]) == 1
    out, err = capsysbinary.readouterr()
    assert err.decode() == "wrong: x (of 2 gradients)\n"
    changes = [row for row in out.decode().splitlines() if row[0] in "+-" and row[:3] not in ("+++", "---")]
    assert changes == ["-    return (d @ w,   # to the input", "+    return (d @ w.T,   # to the input"]
    binary = ["--binary"] if command[0] == "patch" else []
    subprocess.run([*command[:2], *binary, *command[2:]], input=out, check=True)
    expected = MAIN.replace("d @ w,", "d @ w.T,").replace("\n", newline)
    assert (tmp_path / "code" / "main.py").read_bytes() == expected.encode()
    assert main(["check", "code/main.py", *CHECK, "--diff"]) == 0
    out, err = capsysbinary.readouterr()
    assert (out, err.decode()) == (b"", "right: all 2 gradients\n")


TWO = """import numpy as np

def loss(W, b, X, T):
    return 0.5 * np.sum((np.tanh(X @ W + b) - T) ** 2)

def gradients(W, b, X, T):
    h = np.tanh(X @ W + b)
    d = (h - T) * (1 - h ** 2)
    dW = X.T @ d * 2; db = d.mean(axis=0)  # of both
    return dW, db
"""


@pytest.mark.slow
def test_two_statements_of_a_line_are_both_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "net.py"
    script.write_text(TWO, encoding="utf-8")
    setup = "rng = np.random.default_rng(0); W, b, X, T = [rng.normal(size=s) for s in ((3, 4), 4, (5, 3), (5, 4))]"
    asked = ["check", str(script), "--loss", "loss(W, b, X, T)", "--grads", "gradients(W, b, X, T)", "--wrt", "W",
             "--wrt", "b", "--setup", setup]  # fmt: skip
    assert main([*asked, "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {item["write"] for item in findings} == {"dW = X.T @ d", "db = d.sum(axis=0)"}
    assert main([*asked, "--diff"]) == 1
    assert "\n+    dW = X.T @ d; db = d.sum(axis=0)  # of both\n" in capsys.readouterr().out


def test_a_mistake_in_another_file_is_in_that_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files(tmp_path, MAIN.replace("d @ w,", "d @ w.T,"), HELPER.replace("x.T  #", "2 * x.T  #"))
    assert main(["check", str(tmp_path / "main.py"), *CHECK]) == 1
    assert "! helper.py, line 6: dw = 2 * x.T @ d\n" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "main.py"), *CHECK, "--diff"]) == 1
    patch = capsys.readouterr().out
    assert patch.startswith(f"To be applied in {tmp_path.resolve()}:\n--- ./helper.py\n+++ ./helper.py\n")
    assert "\n-    dw = (2 * x.T  # of rows\n+    dw = (x.T  # of rows\n           @ d)\n" in patch
    assert main(["check", str(tmp_path / "main.py"), *CHECK, "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == 1
    assert [(Path(item["file"]).name, item["line"]) for item in data["findings"]] == [("helper.py", 6)]
    assert {Path(line["file"]).name for line in data["lines"]} == {"main.py", "helper.py"}


def test_several_files_are_one_patch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = [
        Finding("a", "main.py", 14, write="return (d @ w.T, outer(x, d))"),
        Finding("b", "helper.py", 2, write="return h * (1 - h)"),
        Finding("c", "helper.py", 6, write="dw = x.T @ d * 2"),
        Finding("d", "helper.py", 6, write="dw = x @ d"),
        Finding("e", "gone.py", 1, write="x = 1"),
        Finding("f", "helper.py", 1, write="x = 1"),
        Finding("general"),
        Finding("nothing to write", "helper.py", 7),
    ]
    patch = patch_of(found)
    assert patch.data.decode() == patch.text
    assert [row for row in patch.text.splitlines() if row.startswith(("---", "+", "-"))] == [
        "--- ./main.py", "+++ ./main.py", "-    return (d @ w,   # to the input",
        "+    return (d @ w.T,   # to the input",
        "--- ./helper.py", "+++ ./helper.py", "-    return h*(1 - h**2)", "+    return h*(1 - h)",
        "-          @ d)", "+          @ d * 2)",
    ]
    assert patch.left_out == (
        "helper.py, line 6: no patch for it; write dw = x @ d", "helper.py, line 1: no patch for it; write x = 1",
        "gone.py cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("y = 1\nx = 'ä'*a".encode(),
         "-x = 'ä'*a\n\\ No newline at end of file\n+x = 'ä'*b\n\\ No newline at end of file\n"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe4'*a\n", "-x = 'ä'*a\n+x = 'ä'*b\n"),
        ("\ufeffy = 1\nx = 'ä'*a\n".encode(), " \ufeffy = 1\n-x = 'ä'*a\n+x = 'ä'*b\n"),
        ("y = '\u2028\x0c'\nx = 'ä'*a\n".encode(), "-x = 'ä'*a\n+x = 'ä'*b\n"),
    ],
    ids=["no last newline", "latin-1", "a byte order mark", "separators"],
)
def test_files_of_all_kinds(data: bytes, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_bytes(data)
    patch = patch_of([Finding("", "s.py", 2, write="x = 'ä' * b")])
    assert patch.text.endswith(expected)
    assert patch.left_out == ()
    if shutil.which("patch"):
        subprocess.run(["patch", "-p0", "--binary"], input=patch.data, check=True)
        assert (tmp_path / "s.py").read_bytes() == data.replace(b"*a", b"*b")


def test_names_of_files_with_spaces_and_control_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("my net.py", "a\nb.py"):
        (tmp_path / name).write_text("x = a*b\n", encoding="utf-8")
    patch = patch_of([Finding("", "my net.py", 1, write="x = a + b"), Finding("", "a\nb.py", 1, write="x = a + b")])
    assert patch.left_out == ("a\\nb.py: no patch names such a file",)
    for command in (["patch", "-p0"], ["git", "apply", "-"]):
        if shutil.which(command[0]):
            (tmp_path / "my net.py").write_text("x = a*b\n", encoding="utf-8")
            subprocess.run(command, input=patch.data, check=True)
            assert (tmp_path / "my net.py").read_text(encoding="utf-8") == "x = a+b\n"


def test_new_lines_end_as_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_bytes(b"def f():\r\n    x = 1\r\n")
    patch = patch_of([Finding("", "s.py", 2, write="x = 1\ny = 2")])
    assert patch.text.endswith("+++ ./s.py\n@@ -1,2 +1,3 @@\n def f():\r\n     x = 1\r\n+    y = 2\r\n")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("w", "<--grads>, line 1: no patch for a question; write lambda: (3 * w * w)"),
        ("np.exp(w) + 1", "einbackprop: no line to write was found: the report without --diff says what is"),
    ],
)
def test_what_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str, said: str
) -> None:
    (tmp_path / "s.py").write_text("import numpy as np\nw = np.array([0.5, -2.0])\n", encoding="utf-8")
    assert main(["check", str(tmp_path / "s.py"), "--loss", "(w**3).sum()", "--grads", asked, "--wrt", "w",
                 "--diff"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f"{said}\n")
    assert err.startswith("wrong: w (of 1 gradient)\n")


@pytest.mark.parametrize("quote", ["'", '"'])
def test_strings_are_written_in_the_quotes_of_the_file(quote: str) -> None:
    source = "x = f('a')\ny = g(z, 'b')\nw = s[f'b{n}'] + x\n".replace("'", quote)
    for line, write in ((2, "y = g(z, 'c')"), (3, "w = s[f'c{n}'] + x")):
        replacements = rewritten(source, line, write)
        assert replacements is not None
        lines = source.splitlines(keepends=True)
        lines[line - 1] = lines[line - 1].replace("b", "c")
        assert Text(source).changed(replacements) == "".join(lines)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        ("w = 0\nv = 1\nfor i in x:",
         "def f(x):\n    w = 0\n    v = 1\n    for i in x:\n        w = i\n    return w\n"),
        ("for i in x:\nw = 0", "def f(x):\n    for i in x:\n        w = i\n    w = 0\n    return w\n"),
        ("w = 0\nfor i in y:", None),
    ],
)  # fmt: skip
def test_a_line_is_put_before_a_loop_or_after_it(write: str, expected: str | None) -> None:
    text = "def f(x):\n    for i in x:\n        w = i\n    return w\n"
    found = rewritten(text, 2, write)
    assert (None if found is None else Text(text).changed(found)) == expected
    branches = "if x:\n    w = 0\nelif y:\n    w = 1\n"
    assert rewritten(branches, 3, "v = 1\nif y:") is None
