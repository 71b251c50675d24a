"""The command line where nothing is as it should be: encodings, full devices, closed streams, absurd words."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile import is_safe
from library import COLUMNS
from sampling import THOROUGH, some

from einbackprop.emission.literals import in_ascii
from einbackprop.notation.console import complain, say, spelled
from einbackprop.shell.command import main

CHECK = ["--loss", COLUMNS.loss, "--grads", COLUMNS.grads, "--wrt", "theta"]
READ = "back(run(theta, X), Y, theta)"
SMALL = ["train", "digits", "--network", "mlp", "--hidden", "4", "--epochs", "1"]
COMMANDS = {
    "check": ["check", "σ.py", *CHECK],
    "json": ["check", "σ.py", *CHECK, "--json"],
    "read": ["read", "σ.py", READ],
    "derive": ["derive", "σ.py", *CHECK[:2], "--wrt", "theta"],
    "explain": ["explain", "ij,jb->ib"],
    "explain layer": ["explain", "layer norm"],
    "explain all": ["explain"],
    "example": ["example", "--force"],
    "train": [*SMALL, "--save", "σ→.npz", "--force"],
    "error": ["check", "σ→.py", *CHECK],
    "option": ["check", "--σ→"],
    "subscripts": ["explain", "σ→"],
    "help": ["check", "--help"],
}
OTHERS = ["cp437", "latin-1", "utf-8", "utf-16", "koi8-r", "shift_jis"]
POSIX = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = COLUMNS.wrong("untransposed W")
    Path("σ.py").write_text(wrong.replace("d_two", "δ"), encoding="utf-8")
    return tmp_path


def run(arguments):
    try:
        return main(arguments)
    except SystemExit as error:
        return error.code


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", *(OTHERS if THOROUGH else ())])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_on_every_console(name, encoding, here, monkeypatch):
    written, complained = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(complained, encoding=encoding))
    code = run(COMMANDS[name])
    sys.stdout.flush()
    out, said = written.getvalue().decode(encoding), complained.getvalue().decode(encoding)
    assert code == {"check": 1, "json": 1, "error": 2, "option": 2, "subscripts": 2}.get(name, 0), said
    assert is_safe(out)
    assert is_safe(said)
    assert out or said
    if name == "derive":
        compile(out if encoding == "utf-8" else out.encode("ascii"), "backward", "exec")


def test_the_spelling_is_one_table():
    text = "z_ib = Σ_j W_ij·x_jb ⇒ ∂L/∂α² ≤ Wᵀ ⊙ x⁻¹ ≠ ½, ∞"
    assert spelled(text, "ascii") == "z_ib = sum_j W_ij@x_jb => dL/dalpha**2 <= W.T * x**-1 != 1/2, inf"
    assert spelled(text, "utf-8") == text
    assert spelled("x⁻¹ é", "latin-1") == "x**-1 é"
    assert spelled("日", "ascii") == "\\u65e5"
    assert spelled("x", "no such encoding") == "x"
    assert spelled("Ω ς λ", "ascii") == "Omega final lambda"


def test_source_in_ascii_gives_each_identifier_another():
    text = 'def backward(α, alpha, 日):\n    α = α + alpha + 日["é", \'日\']  # ∂L/∂α\n    return α\n'
    plain = in_ascii(text)
    assert plain.isascii()
    namespace = {}
    exec(plain, namespace)
    assert namespace["backward"](1, 2, {("é", "日"): 4}) == 7


# --- streams that take nothing, as processes ------------------------------------------------------------


def shell(command, here, **environment):
    """A command of a POSIX shell, ``einbackprop`` standing for the command line: exit code, stdout, stderr."""
    program = f"'{sys.executable}' -m einbackprop"
    done = subprocess.run(
        ["sh", "-c", command.replace("einbackprop", program, 1)], cwd=here, capture_output=True, timeout=60,
        check=False, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **environment},
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "backslashreplace")


WORDS = f'check σ.py --loss "{COLUMNS.loss}" --grads "{COLUMNS.grads}" --wrt theta'
FULL = "einbackprop: standard output cannot be written to: No space left on device\n"
STREAMS = {
    "einbackprop explain > /dev/full": (2, FULL),
    "einbackprop --help > /dev/full": (2, FULL),
    f"einbackprop {WORDS} > /dev/full": (2, FULL),
    "einbackprop explain >&-": (2, "einbackprop: standard output cannot be written to: it is closed\n"),
    "einbackprop explain nothing 2>&-": (2, ""),
    "einbackprop explain nothing 2>/dev/full": (2, ""),
    f"einbackprop {WORDS} <&- 2>&-": (1, ""),
    f"einbackprop {' '.join(SMALL)} 2>&-": (0, ""),
    "(sleep 0.1; einbackprop explain; echo $? >&2) | true": (0, "0\n"),
    f"(sleep 0.1; einbackprop {WORDS}; echo $? >&2) | true": (0, "1\n"),
}


@pytest.mark.long
@POSIX
@pytest.mark.parametrize("number", some(range(len(STREAMS)), 2))
def test_streams_that_take_nothing(number, here):
    command, (code, said) = list(STREAMS.items())[number]
    found, _, err = shell(command, here)
    assert (found, err) == (code, said), command


@POSIX
def test_a_console_of_the_environment(here):
    code, out, err = shell(f"einbackprop {WORDS}", here, PYTHONIOENCODING="ascii")
    assert (code, err) == (1, "")
    assert out.isascii()
    assert "sum_k" in out or "@" in out


# --- words that nobody types ----------------------------------------------------------------------------

LONG = {
    "characters": "1" + "+1" * 40_000,
    "more characters": "1" + "+1" * 60_000,
    "a number": "9" * 99_000,
    "parentheses": "(" * 10_000 + "1" + ")" * 10_000,
    "brackets": "[" * 90 + "]" * 90,
    "minuses": "-" * 10_000 + "1",
    "powers": "2" + "**2" * 20_000,
    "nots": "not " * 20_000 + "1",
    "calls": "f(" * 150 + ")" * 150,
    "attributes": "w" + ".T" * 30_000,
    "comparisons": "1" + "<1" * 30_000,
    "lambdas": "lambda: " * 5_000 + "1",
    "conditions": "1 if 1 else " * 20_000 + "1",
    "a null": "1\0",
    "a new line": "1\n",
    "a surrogate": "'\ud800' + w.sum()",
    "an escape": "\x1b[31m",
    "an indent": "  w.sum()",
    "white space": " \t\n",
    "statements": "import os; 1",
    "an assignment": "(w := 1)",
    "a yield": "(yield 1)",
    "await": "await w",
    "a comment": "w.sum() # )",
    "a backslash": "w.sum() \\",
    "a string": "'''",
    "f": "f'{'",
}
SCRIPT = "import numpy as np\nw = np.ones(3)\ndef f(w): return (w ** 2).sum()\n"


@pytest.mark.parametrize("option", ["--loss", "--grads", "--wrt", "--setup", "read"] if THOROUGH else ["--wrt"])
@pytest.mark.parametrize("name", LONG)
def test_absurd_expressions_are_one_line(name, option, here, capsys):
    Path("s.py").write_text(SCRIPT, encoding="utf-8")
    options = {"--loss": "f(w)", "--grads": "2 * w", "--wrt": "w", "--setup": "", option: LONG[name]}
    command = ["read", "--", "s.py", LONG[name]] if option == "read" else ["check", "s.py"]
    if option != "read":
        command += [f"{word}={text}" for word, text in options.items()]
    began = time.process_time()
    code = run(command)
    assert time.process_time() - began < 10
    said = capsys.readouterr()
    assert is_safe(said.out)
    assert is_safe(said.err)
    if code == 2:
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert len(said.err) < 1000
    assert code in (0, 1, 2, 3)


def test_absurd_scripts_are_one_line(here, capsys):
    os.mkdir("folder.py")
    contents = {
        "null.py": b"x = 1\0\n", "binary.py": bytes(range(256)) * 9, "coding.py": b"# coding: nonsense\n",
        "rot.py": b"# coding: rot13\n",
        "hex.py": b"# coding: hex\n", "latin.py": "x = 'é'\n".encode("latin-1"), "bom.py": b"\xff\xfex\0",
        "utf7.py": b"# coding: utf-7\n+2AA\n", "deep.py": b"x = " + b"(" * 9999, "zip.py": b"PK\3\4",
        "minus.py": b"x = " + b"-" * 99_999 + b"1", "long.py": b"x = 1" + b"+1" * 99_999,
        "number.py": b"x = " + b"9" * 9999, "nothing.py": b"", "undefined.py": b"# coding: undefined\n",
        "idna.py": b"# coding: idna\nx\n", "string.py": b"# coding: string_escape\n",
    }  # fmt: skip
    for name, content in contents.items():
        Path(name).write_bytes(content)
    names = [*contents, "folder.py", "no.py", "a\0b.py", "\x1b[31m.py", "x" * 5000, ""]
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe.py")
        os.symlink("loop.py", "loop.py")
        Path("large.py").touch()
        os.truncate("large.py", 2**40)
        names += ["pipe.py", "loop.py", "large.py", "/dev/zero", "/dev/null", "/dev/stdin"]
    for name in names:
        began = time.process_time()
        assert run(["read", name, "1 + x"]) in (0, 2), name
        assert time.process_time() - began < 3, name
        said = capsys.readouterr()
        assert (said.out == "") or name in ("long.py", "number.py", "minus.py"), name
        assert said.err.count("\n") <= 1, (name, said.err)
        assert is_safe(said.err)


@pytest.mark.parametrize("seed", ["-1", "1e9", "9" * 5000, "x\x1b[31m", "nan", "", "4294967296", "١", "0x1"])
def test_absurd_seeds_are_refused(seed, here, capsys):
    code = run(["check", "σ.py", *CHECK, f"--seed={seed}"])
    assert code == (2 if seed != "١" else 1)
    assert is_safe(capsys.readouterr().err)


def test_what_is_said_where_nobody_listens(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    complain("nothing")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    complain("nothing")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    say("Σ")
    assert sys.stdout.getvalue() == "Σ\n"
