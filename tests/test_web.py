"""The page that needs no installation: what its Python answers, and the site that is written."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from browser import measured
from sampling import some
from web_code import ASKED, LINE, MYNET, PENALISED, RIGHT, WRONG

import einbackprop
from einbackprop.core.progress import SWITCH
from einbackprop.layers import CATALOGUE
from einbackprop.shell.command import main
from einbackprop.web import session, site
from einbackprop.web.commands import command_in
from einbackprop.world.ownership import LIBRARY, places_of

PACKAGE = Path(einbackprop.__file__).parent


def answer(ask: str, code: str, **more: Any) -> dict[str, Any]:
    return json.loads(session.answered(json.dumps({"ask": ask, "code": code, **more})))


def edited(code: str, edits: list[list[Any]]) -> str:
    """The code with its edits, whose positions count as a browser does."""
    units = code.encode("utf-16-le")
    for start, end, text in sorted(edits, reverse=True):
        units = units[: 2 * start] + text.encode("utf-16-le") + units[2 * end :]
    return units.decode("utf-16-le")


# what the page's Python answers


@pytest.mark.slow
def test_a_check() -> None:
    found = answer("check", MYNET, **ASKED)
    assert (found["exit"], found["headline"], found["marks"]) == (0, "right: all 6 gradients", [])
    assert found["html"].startswith("<style>")
    found = answer("check", WRONG, **ASKED)
    assert (found["exit"], found["headline"]) == (1, "wrong: W2 (of 6 gradients)")
    (mark,) = found["marks"]
    assert (mark["line"], mark["kind"], mark["write"]) == (LINE, "wrong", RIGHT)
    assert "<math" in mark["html"]
    assert edited(WRONG, mark["edits"]) == MYNET


def test_an_edit_keeps_breaks_and_comments_and_counts_as_a_browser_does() -> None:
    code = ("# 𝔸 title 😀\nimport numpy as np\n\nW = np.array([[1.0, 2.0], [3.0, 4.0]])\nx = np.array([0.5, -1.0])\n\n"
            "def loss(W):\n    return np.sum((W @ x) ** 2)\n\n"
            "def grads(W):\n    return (3  # 😀 two\n            * np.outer(W @ x,\n               x))\n")
    (mark,) = answer("check", code, loss="loss(W)", grads="grads(W)", wrt="W")["marks"]
    changed = edited(code, mark["edits"])
    assert changed == code.replace("(3 ", "(2 ")
    assert answer("check", changed, loss="loss(W)", grads="grads(W)", wrt="W")["exit"] == 0


def test_what_is_read_and_derived() -> None:
    found = answer("read", MYNET, expression="gradients(weights, X, T)")
    assert "<math" in found["html"]
    assert found["headline"] == "16 lines read"
    found = answer("derive", MYNET, loss="loss(weights, X, T)", wrt="weights", target="jax")
    assert "jnp.einsum" in found["source"]
    assert "As Python" in found["html"]


def test_letters_in_the_setup_are_sizes() -> None:
    code = ("import numpy as np\ndef L(W, x): return np.sum(np.tanh(W @ x))\n"
            "def G(W, x): return (1 - np.tanh(W @ x)**2) @ x.T")  # fmt: skip
    asked = {"loss": "L(W, x)", "grads": "G(W, x)", "wrt": "W",
             "setup": "W, x = np.random.randn(i, j), np.random.randn(j, b)"}
    assert answer("check", code, **asked)["exit"] == 0


@pytest.mark.parametrize(("text", "parts"), [
    ("W1, b1", ["W1", "b1"]), ("p['a, b'], net.W", ["p['a, b']", "net.W"]), ("", []), (" W ", ["W"]), ("W,", ["W"]),
    ("a b", ["a b"]), ("[W1, b1]", ["W1", "b1"]), ("(W1, (b1))", ["W1", "b1"]), ("w for w in W", ["w for w in W"]),
])  # fmt: skip
def test_names_between_commas(text: str, parts: list[str]) -> None:
    assert session.parts_of(text) == parts


STOPPED = {
    "def f(:\n": ("pasted.py, line 1: SyntaxError: invalid syntax", 1),
    "import numpy as np\nimport numpy.absent\n": ("numpy.absent is not to be had in this browser: take out", 2),
    "x = open('weights.npz')\n": ("no files stand beside the code in a browser: make the data in the code", 1),
    "raise RuntimeError(\"can't start new thread\")\n": ("a browser has no threads for Python", 1),
    "x = input()\n": ("nobody can be asked for input here", 1),
    "import sys\nsys.exit(3)\n": ("it called sys.exit(3): guard that with if __name__", 2),
    "y = 1\n\n1 / 0\n": ("pasted.py, line 3: ZeroDivisionError: division by zero", 3),
}


@pytest.mark.parametrize("code", STOPPED)
def test_code_that_stops_is_told_in_one_line_and_marked(code: str) -> None:
    words, line = STOPPED[code]
    found = answer("read", code, expression="x")
    assert words in found["error"]
    assert "\n" not in found["error"]
    assert [(mark["line"], mark["kind"]) for mark in found["marks"]] == [(line, "stopped")]


def test_what_does_not_go_together_is_said() -> None:
    assert "give --loss and --grads, or" in answer("check", MYNET, loss="loss(weights, X, T)", wrt="weights")["error"]
    assert "name it, as in W1, b1" in answer("check", MYNET, **{**ASKED, "wrt": " "})["error"]
    assert "has no name 'los'" in answer("check", MYNET, **{**ASKED, "loss": "los(weights)"})["error"]


def test_what_the_code_prints_is_shown() -> None:
    found = answer("read", "print('x' * 5000, 'hello')\nx = 1.0\n", expression="x")
    assert found["printed"].endswith("hello\n")
    assert len(found["printed"]) == session.MOST_PRINTED


def test_what_is_imported_and_not_here_is_known() -> None:
    code = ("import numpy.linalg, os\nimport torch_geometric.nn as nn\n"
            "def f():\n    from absent_one import x\nfrom . import y")  # fmt: skip
    assert json.loads(session.absent(json.dumps({"ask": "read", "code": code}))) == ["torch_geometric", "absent_one"]
    assert session.absent(json.dumps({"ask": "read", "code": "import ("})) == "[]"


def test_what_is_not_here_is_told_and_the_rest_goes_on() -> None:
    for _ in range(2):
        found = answer("read", "import torch_geometric\nprint('on')\nx = 1.0\n", expression="x")
        assert found["said"] == ["torch_geometric is not installed: what needs it cannot run"]
        assert found["printed"] == "on\n"
        assert "error" not in found


def test_a_mistake_of_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH)
    monkeypatch.setitem(session.ASKED, "read", lambda **_: 1 / 0)  # type: ignore[arg-type, return-value]
    told = answer("read", "")["error"]
    assert told.startswith("a mistake of einbackprop itself, not of your code: ZeroDivisionError")


@pytest.mark.slow
def test_a_hint_says_where_and_not_what() -> None:
    for level, said in ((1, "A mistake is here. It is about"), (2, "A mistake is here.<")):
        found = answer("check", WRONG, hint=level, **ASKED)
        (mark,) = found["marks"]
        assert (mark["line"], mark["write"], mark["edits"]) == (LINE, "", [])
        assert said in mark["html"]
        assert "expected" not in found["html"]
        assert RIGHT not in json.dumps(found)
    assert answer("check", MYNET, hint=1, **ASKED)["exit"] == 0


@pytest.mark.slow
def test_a_hint_does_not_say_how_to_mend_what_stops() -> None:
    code = MYNET.replace(RIGHT, "dW2 = first @ d_second") + "gradients(weights, X, T)\n"
    told = answer("check", code, **ASKED)
    assert "ValueError: " in told["said"][0]
    assert told["marks"][0]["kind"] == "wrong"
    assert RIGHT in json.dumps(told)
    told = answer("check", code, hint=2, **ASKED)
    (mark,) = told["marks"]
    assert (mark["line"], mark["edits"]) == (LINE, [])
    assert "A mistake is here." in mark["html"]
    assert "first.T" not in json.dumps(told)


@pytest.mark.long
def test_a_quiz() -> None:
    made = answer("quiz", MYNET, level=1, seed=3, **ASKED)
    assert made["first"] <= made["line"] <= made["last"]
    lines = made["code"].splitlines()
    assert [n for n, (one, other) in enumerate(zip(MYNET.splitlines(), lines, strict=True), 1) if one != other] == [
        made["line"]]  # fmt: skip
    assert made["original"] == MYNET.splitlines()[made["line"] - 1].strip()
    assert answer("check", made["code"], **ASKED)["exit"] == 1
    assert "One line here is wrong" in made["asked"]
    assert "is to be right first" in answer("quiz", WRONG, **ASKED)["error"]
    found = fields(FLAT_RIGHT)
    asked = {name: found[name] for name in ("wrt", "text", *session.EXPRESSIONS) if name in found}
    assert "for step in range" in answer("quiz", FLAT_RIGHT, **asked)["code"]


# what it proposes


def fields(code: str, **more: Any) -> dict[str, str]:
    (first, *_) = answer("propose", code, **more)["proposals"]
    return {name: value for name, value in first["fields"].items() if value}


def test_the_docstring_may_say_what_to_check() -> None:
    body = "\ndef f(x): return 2 * x\ndef b(dx): return 2 * dx\nimport numpy as np\nx = p = np.ones(3)\n"
    layer = ('"""\neinbackprop check a.py --forward "f(x)" \\\n'
             '  --backward "b(dx)" --wrt x --wrt "p[\'a\']" --cotangent dx\n"""')  # fmt: skip
    assert fields(layer + body) == {"form": "layer", "wrt": "x, p['a']", "cotangent": "dx", "forward": "f(x)",
                                    "backward": "b(dx)"}  # fmt: skip
    both = '"""einbackprop check a.py --both "f(W)" --wrt W --setup "W = 3"\n"""'
    assert fields(both) == {"form": "both", "wrt": "W", "cotangent": "dout", "setup": "W = 3", "expression": "f(W)",
                            "both": "f(W)"}  # fmt: skip
    for other in ('"""einbackprop check a.py --loss "f(W)', '"""einbackprop check a.py"""', "x = 1", "def f(:",
                  '"""einbackprop check a.py --loss "f(W)" --wrt W"""'):  # fmt: skip
        assert command_in(other) is None


def test_a_penalty_that_the_loss_found_leaves_out_is_no_mistake_unless_it_was_asked_for() -> None:
    (offer,) = answer("propose", PENALISED)["proposals"]
    asked = {name: offer["fields"][name] for name in ("loss", "grads", "wrt", "guess")}
    found = answer("check", PENALISED, **asked)
    assert (found["exit"], found["marks"]) == (0, [])
    assert "but of loss(W) + 0.5 * weight * ((W ** 2).sum())" in found["html"]
    meant = answer("check", PENALISED, **{**asked, "guess": False})
    assert meant["exit"] == 1
    assert [mark["write"] for mark in meant["marks"]] == ["return X.T @ (X @ W - T)"]


@pytest.mark.slow
def test_what_is_found_in_the_code_is_proposed() -> None:
    code = MYNET[MYNET.index("import itertools") :]
    asked = {"form": "apart", "cotangent": "dout", **ASKED, "expression": "gradients(weights, X, T)"}
    assert fields(MYNET) == asked
    assert fields(code) == {**asked, "guess": True}  # its docstring does not say it
    unmade = code[: code.index("weights = make_weights")]
    made = fields(unmade)
    assert made["setup"]
    assert answer("check", unmade, **{name: made[name] for name in ("loss", "grads", "wrt", "setup")})["exit"] == 0
    own = fields(unmade, setup="X = np.ones((3, 7))")
    assert own["setup"] == "X = np.ones((3, 7))"
    assert own["more"]
    assert answer("propose", "x = 1\n") == {
        "marks": [], "notes": [session.NOTHING], "printed": "", "proposals": [], "said": []}  # fmt: skip
    alone = "def backward(d3, W3, h2):\n    return d3 @ h2.T, W3.T @ d3\n"
    (told,) = answer("propose", alone)["proposals"]
    assert told["notes"][-1] == "no loss and no forward was found: it can be read, not checked"
    assert told["fields"]["loss"] == told["fields"]["grads"] == ""
    assert "<math" in answer("read", alone, expression=told["title"], setup=told["fields"]["setup"])["html"]
    assert answer("propose", "1 / 0")["marks"][0]["line"] == 1


FLAT = """\
import numpy as np

W = np.array([[0.1, 0.4], [0.3, -0.2]])
x, t = np.array([0.05, 0.1]), np.array([0.01, 0.99])

for step in range(100):
    out = np.tanh(W @ x)
    loss = 0.5 * np.sum((out - t) ** 2)
    d_out = out - t
    d_z = d_out * (1 - out)
    dW = np.outer(d_z, x)
    W -= 0.1 * dW
"""


FLAT_RIGHT = FLAT.replace("(1 - out)", "(1 - out ** 2)")


def test_what_stands_in_no_function_is_proposed_and_its_line_mended() -> None:
    found = fields(FLAT)
    asked = {name: found[name] for name in ("wrt", "text", *session.EXPRESSIONS) if name in found}
    (mark,) = answer("check", FLAT, **asked)["marks"]
    assert mark["line"] == 10
    mended = edited(FLAT, mark["edits"])
    assert mended == FLAT.replace("(1 - out)", "(1 - out ** 2)") or "out * out" in mended or "out**2" in mended
    found = fields(mended)
    assert answer("check", mended, **{name: found[name] for name in asked})["exit"] == 0


def test_several_functions_are_several_proposals() -> None:
    code = "import numpy as np\n" + "".join(
        f"def {name}_loss(W): return np.sum({name}(W))\ndef {name}_loss_grad(W): return {slope}\n"
        for name, slope in (("sin", "np.cos(W)"), ("exp", "np.exp(W)"))) + "sin, exp = np.sin, np.exp\nW = np.ones(3)\n"
    found = answer("propose", code)["proposals"]
    assert sorted(one["title"] for one in found) == ["exp_loss_grad(W)", "sin_loss_grad(W)"]


@pytest.mark.long
@pytest.mark.parametrize("example", some(site.examples(), 2), ids=lambda example: example["name"])
def test_the_gallery_is_proposed_as_it_is_meant(example: dict[str, str]) -> None:
    found = fields(example["code"])
    asked = {name: found[name] for name in ("wrt", "setup", "cotangent", "text", *session.EXPRESSIONS) if name in found}
    exit_code = answer("check", example["code"], **asked)["exit"]
    assert exit_code == (1 if example["name"] == "three_mistakes.py" else 0)
    reading = {name: found[name] for name in ("expression", "setup", "draws", "text") if name in found}
    assert "<math" in answer("read", example["code"], **reading)["html"]


# whose code it is


def test_the_library_may_be_a_zip_file() -> None:
    told = ("//lib/python3.12", "//lib/python3.12/site-packages")
    assert places_of(told, ("/lib/python3.12/os.py", "/lib/python312.zip/enum.py")) == (
        "/lib/python3.12", "/lib/python3.12/site-packages", "/lib/python312.zip")  # fmt: skip
    assert all(not place.startswith("//") for place in LIBRARY)


@pytest.mark.slow
def test_code_of_a_zipped_library_is_not_the_users(tmp_path: Path) -> None:
    library = tmp_path / "library.zip"
    with zipfile.ZipFile(library, "w") as bundle:
        for name in ("enum", "heapq", "copy", "contextlib", "functools", "statistics"):
            bundle.writestr(f"{name}.py", (Path(os.__file__).parent / f"{name}.py").read_bytes())
    code = MYNET.replace("import itertools", "import copy\nimport functools\nimport itertools").replace(
        "first, second, prediction = predict(weights, X)",
        "first, second, prediction = copy.copy(functools.partial(predict, weights)(X))")
    program = (
        f"import sys; sys.path.insert(0, {str(library)!r})\nimport json, copy\n"
        "from einbackprop.web.session import answered\nfrom einbackprop.world.ownership import is_users\n"
        "assert '.zip' in copy.copy.__code__.co_filename\nassert not is_users(copy.copy.__code__.co_filename)\n"
        "print(json.loads(answered(sys.stdin.read()))['headline'])"
    )
    ran = subprocess.run([sys.executable, "-c", program], input=json.dumps({"ask": "check", "code": code, **ASKED}),
                         capture_output=True, text=True, timeout=120, check=False, encoding="utf-8")  # fmt: skip
    assert ran.stdout == "right: all 6 gradients\n", ran.stderr


# the site


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site.write_site(str(tmp_path_factory.mktemp("site") / "page"))


def test_the_site_is_whole(written: Path) -> None:
    for page in (written / "index.html", *sorted((written / "layers").iterdir())):
        for address in re.findall(r'(?:href|src)="([^"]*)"', page.read_text("utf-8")):
            if not address.startswith("data:"):
                assert (page.parent / address).is_file(), (page, address)
    assert {page.name for page in (written / "layers").iterdir()} == {
        "index.html", *(site.file_of(name) for name in CATALOGUE)}  # fmt: skip
    about = json.loads((written / "site.json").read_text("utf-8"))
    assert {"mynet.py"} <= {example["name"] for example in about["examples"]}
    assert all(example["title"] and example["code"] for example in about["examples"])
    for script in written.glob("*.js"):
        for name in re.findall(r'from "\./([^"]*)"', script.read_text("utf-8")):
            assert (written / name).is_file()


@pytest.mark.long
@pytest.mark.parametrize("name", ["index.html", "lstm.html", "multi-head-attention.html"])
def test_pages_of_layers_do_not_scroll_sideways(name: str, written: Path, tmp_path: Path) -> None:
    html = (written / "layers" / name).read_text("utf-8")
    size = "(e => [e.scrollWidth, e.clientWidth])(document.querySelector('article'))"
    width, room = measured(html, size, 380, tmp_path)
    assert width <= room <= 380


def test_nothing_is_from_elsewhere_but_pyodide(written: Path) -> None:
    known = (site.CORE, site.PACKAGES.removesuffix("full/"), "http://www.w3.org/")
    for file in written.rglob("*"):
        if file.suffix in (".html", ".css", ".js", ".json") and file.name != "editor.js":
            for address in re.findall(r"https?://[^\s\"'<>`]*", file.read_text("utf-8")):
                assert address.rstrip(";").startswith(known), (file, address)
    about = json.loads((written / "site.json").read_text("utf-8"))
    assert all(re.fullmatch("sha256-[A-Za-z0-9+/]{43}=", one["integrity"]) for one in about["pyodide"].values())
    policy = re.search(r'Security-Policy" content="([^"]*)"', (written / "index.html").read_text("utf-8"))
    assert policy is not None
    assert f"connect-src 'self' {site.CORE} {site.PACKAGES.removesuffix('full/')};" in policy.group(1)


@pytest.mark.slow
def test_the_bundle_is_the_same_each_time_and_runs(written: Path, tmp_path: Path) -> None:
    assert (written / site.BUNDLE).read_bytes() == site.packages()
    with zipfile.ZipFile(written / site.BUNDLE) as bundle:
        bundle.extractall(tmp_path)
    names = bundle.namelist()
    assert {name.split("/")[0] for name in names} == {"einbackprop", "opt_einsum"}
    assert not [name for name in names if not name.endswith(".py") or "training" in name]
    program = ("import sys; sys.path.insert(0, sys.argv[1]); import einbackprop, opt_einsum, json;"
               "assert all(one.__file__.startswith(sys.argv[1]) for one in (einbackprop, opt_einsum));"
               "from einbackprop.web.session import answered;"
               "print(json.loads(answered(sys.stdin.read()))['headline'])")  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120,
                         input=json.dumps({"ask": "check", "code": MYNET, **ASKED}), check=False)  # fmt: skip
    assert ran.stdout == "right: all 6 gradients\n", ran.stderr


@pytest.mark.slow
def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "todo.txt").write_text("mine")
    assert main(["web", str(folder)]) == 2
    assert capsys.readouterr().err == (
        f"einbackprop: {folder} cannot be written: what is there is not a site of einbackprop: name another folder, or "
        "give --force\n")  # fmt: skip
    assert os.listdir(folder) == ["todo.txt"]
    (folder / "index.html").write_text("<html></html>")
    assert main(["web", str(folder)]) == 2
    assert main(["web", str(folder), "--force"]) == 0
    assert main(["web", str(folder)]) == 0  # a site of ours now
    assert (folder / "todo.txt").read_text() == "mine"
    assert main(["web", str(folder / "todo.txt")]) == 2
    assert f"{folder / 'todo.txt'} cannot be written: " in capsys.readouterr().err


def test_pyodide_must_be_the_one_that_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["web", str(tmp_path / "page"), "--pyodide", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"einbackprop: --pyodide: {tmp_path / 'pyodide.mjs'} cannot be read: No such file or directory\n")  # fmt: skip
    (tmp_path / "pyodide.mjs").write_text("alert(1)")
    assert main(["web", str(tmp_path / "page"), "--pyodide", str(tmp_path)]) == 2
    assert "pyodide.mjs is not that of Pyodide 0.27.7: its SHA-256 is" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


@pytest.mark.slow
def test_the_editor_is_what_its_script_makes(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("no npm here")
    source = PACKAGE / "web" / "editor"
    assert "resolved" not in (source / "package-lock.json").read_text("utf-8")
    copied = shutil.copytree(source, tmp_path / "editor", ignore=shutil.ignore_patterns("node_modules"))
    environment = os.environ | {"npm_config_cache": str(tmp_path / "cache")}
    got = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=copied, capture_output=True, text=True,
                         timeout=300, check=False, env=environment)  # fmt: skip
    if got.returncode:
        pytest.skip(f"npm has no packages: {got.stderr[-300:]}")
    made = tmp_path / "made"
    made.mkdir()
    subprocess.run([node, "bundle.mjs", str(made)], cwd=copied, check=True, timeout=120)
    for name in ("editor.js", "LICENSES.txt"):
        assert (made / name).read_bytes() == (PACKAGE / "web" / "static" / name).read_bytes(), name
