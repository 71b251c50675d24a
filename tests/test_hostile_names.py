"""Names that drive terminals, break out of strings, or turn lines around: in source, reports, readings and pages."""

import ast
import contextlib
import enum
import json
import os
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hostile import BIDIRECTIONAL, CONTROLS, MARKUP, NAMES, OTHERS, is_safe, unsafe
from sampling import THOROUGH

import einbackprop as eb
from einbackprop.core.program import Contract, Dimension, Input, Program, Ref
from einbackprop.core.visible import in_html, shown, visible
from einbackprop.emission.literals import in_ascii, literal, quoted
from einbackprop.errors import EinbackpropError, NotationError
from einbackprop.notation import latex, pages
from einbackprop.plans import lowering
from einbackprop.shell.command import main

CALLED = {"np.einsum", "np.array", "np.asarray", "np.ones", "np.zeros", "np.full", "getattr", "float", "np.sum"}
A = np.array([1.0, -2.0, 3.0])
FEW = [*NAMES[:: 2 if THOROUGH else 9], "a\nb", "\u202ex", "\x1b[31m", '"', "\0", "\ud800", "<b>"]
REPORTED = FEW if THOROUGH else [*FEW[:-7:4], *FEW[-7:]]  # a whole check for each


class Text(str):
    """A string that says something else than it is."""

    def __repr__(self):
        return "__import__('os').mkdir('exploded')"

    __str__ = __repr__


class Stateful:
    """A key whose repr is a literal when it is looked at, and code when it is used."""

    seen = 0

    def __repr__(self):
        Stateful.seen += 1
        return "'a'" if Stateful.seen % 2 else "__import__('os').mkdir('exploded')"

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash("a")


class Silent:
    def __repr__(self):
        raise ValueError("\x1b[31m")


class Colour(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    RED = 'r"\n'


class Mixed(str, enum.Enum):  # noqa: UP042
    RED = "r"


KEYS = [Text('a"\n'), np.str_('u"'), np.int64(4), np.float64(0.5), Word.RED, Mixed.RED, ("t", 1), ('"', ("\u202e",)),
        b'b"\n', 1.5, float("inf"), -float("inf"), None, True, 0, -3, 2 + 3j, ..., (), 10**400]  # fmt: skip
NO_KEYS = [Stateful(), frozenset({1}), float("nan"), (1, float("nan")), object()]


def emitted(loss, data):
    """The source of a loss's gradient, after what it may hold was looked at, and what it returns."""
    text = eb.source(eb.derive(loss, data))
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) in CALLED, ast.unparse(node)
    (definition,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert all(isinstance(node, (ast.Assign, ast.Return)) for node in definition.body)
    assert all(isinstance(node, (ast.FunctionDef, ast.Import, ast.Assign)) for node in tree.body)
    assert is_safe(text), unsafe(text)
    namespace = {}
    exec(compile(text, "source", "exec"), namespace)
    plain = {}
    exec(compile(in_ascii(text).encode("ascii"), "source", "exec"), plain)
    result = namespace["backward"](data)
    again = plain["backward"](data)
    assert repr(result) == repr(again)
    return result


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not os.path.exists("exploded")


def test_there_are_many():
    assert len(NAMES) >= 200


@pytest.mark.parametrize("part", range(4))
def test_source_of_any_key_runs_and_is_right(part):
    for name in NAMES[part::4]:
        found = emitted(lambda p, name=name: (p[name] ** 2).sum(), {name: A})
        assert list(found) == [name]
        np.testing.assert_array_equal(found[name], 2 * A)


@pytest.mark.parametrize("part", range(4))
def test_source_of_any_attribute_runs_and_is_right(part):
    for name in NAMES[part::4]:
        if name == "__class__":  # is none of the instance's own
            continue
        holder = type("Net", (), {})()
        holder.__dict__[name] = A
        found = emitted(lambda n, name=name: (getattr(n, name) ** 2).sum(), holder)
        np.testing.assert_array_equal(found[name], 2 * A)


@pytest.mark.parametrize("number", range(len(KEYS)))
def test_source_of_keys_of_other_types(number):
    key = KEYS[number]
    found = emitted(lambda p: (p[key] ** 2).sum(), {key: A})
    np.testing.assert_array_equal(found[key], 2 * A)


@pytest.mark.parametrize("number", range(len(NO_KEYS)))
def test_a_key_without_a_literal_is_refused(number):
    key = NO_KEYS[number]
    with pytest.raises(NotationError, match="cannot be written as a literal"):
        literal(key)


def test_whole_numbers_that_are_keys_are_no_positions():
    data = {0: A, 1: 2 * A}
    found = emitted(lambda p: (p[0] ** 2).sum() + (p[1] ** 3).sum(), data)
    np.testing.assert_array_equal(found[0], 2 * A)
    np.testing.assert_array_equal(found[1], 3 * (2 * A) ** 2)


def test_every_character_in_a_string():
    text = "".join(map(chr, range(0x3000))) + BIDIRECTIONAL + OTHERS + "\U0001f600\U000e0001"
    assert ast.literal_eval(quoted(text)) == text
    assert is_safe(quoted(text))
    long = [quoted('\\", ' * 9) for _ in range(9)]  # commas in strings are no place to break a line
    assert ast.literal_eval("[" + ", ".join(long) + "]") == ['\\", ' * 9] * 9


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_names_in_a_program_reach_no_source_and_no_plan(part):
    for name in NAMES[part::2]:
        ref = Ref(name or "x", "i")
        program = Program((Input(ref),), (Contract(Ref("y" + name, ""), (ref, ref)),), (Ref("y" + name, ""),),
                          (Dimension("i", 3, name),), structure=0)  # fmt: skip
        text = eb.source(program)
        assert is_safe(text), unsafe(text)
        assert len(ast.parse(text).body) <= 2
        shown = eb.explain(program)
        assert is_safe(str(shown)), unsafe(str(shown))
        ElementTree.fromstring(f"<p>{pages.sections(shown.sections)}</p>")
        written = latex.sections(shown.sections)
        assert is_safe(written)
        assert not len(re.findall(r"(?<!\\)\$", written)) % 2
        assert written.count("\\begin{") == written.count("\\end{")


def test_a_plan_has_only_comments_of_the_users(monkeypatch):
    seen = []
    original = lowering.compiled

    def compiled(source, constants):
        seen.append(source)
        return original(source, constants)

    monkeypatch.setattr(lowering, "compiled", compiled)
    for name in FEW:
        function = eb.compile(lambda p, name=name: (np.tanh(p[name]) ** 2).sum(), {name: A})
        np.testing.assert_allclose(function({name: A}), (np.tanh(A) ** 2).sum())
    allowed = re.compile(r"[ -~\n]*")
    assert len(seen) >= len(FEW)
    for source in seen:
        assert is_safe(source), unsafe(source)
        assert allowed.fullmatch(ast.unparse(ast.parse(source)))


# --- reports, readings, pages -----------------------------------------------------------------------


def wrong_report(name):
    data = {name: A, "other": A}
    return eb.check(lambda p: (p[name] ** 2 * p["other"]).sum(),
                    lambda p: {name: p[name] * p["other"], "other": p[name] ** 2}, data)  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
def test_reports_and_pages_of_any_key(part):
    for name in REPORTED[part::2]:
        report = wrong_report(name)
        assert report.exit_code == 1
        for text in (str(report), report.to_html(), report._repr_mimebundle_()["text/html"]):
            assert is_safe(text), (ascii(name), unsafe(text))
        data = json.loads(report.to_json())
        assert report.to_json().isprintable()
        report.to_json().encode("utf-8")
        assert data["ok"] is False
        root = ElementTree.fromstring(report.to_html().removeprefix("<!DOCTYPE html>\n"))
        assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "img")]
        assert not [e for e in root.iter() for a in e.attrib if a.startswith("on")]
        colour = re.sub(r"\x1b\[[\d;]*m", "", report.text(colour=True))
        assert is_safe(colour) or "\x1b" in name, unsafe(colour)


def test_colours_are_ours_alone():
    report = wrong_report("\x1b[31mW\x1b[0m")
    assert "\x1b[31mW" not in report.text(colour=True)
    assert "\\x1b[31mW" in str(report)


@pytest.mark.parametrize("part", range(2))
def test_readings_of_any_key_and_function_name(part):
    for name in FEW[part::2]:
        def function(p, name=name):
            h = p[name] * 2
            return (h ** 2).sum()

        function.__name__ = function.__qualname__ = name
        shown = str(eb.read(function, {name: A}))
        assert is_safe(shown), unsafe(shown)


def test_errors_of_any_key():
    for name in FEW:
        def raises(p, name=name):
            raise ValueError(name + "\x1b[31m")

        calls = (eb.read, raises, {name: A}), (eb.check, raises, raises, {name: A}), (eb.explain, name + "\x1b"), (
            eb.einsum, name + "\x1b->", A)  # fmt: skip
        for call, *arguments in calls:
            with pytest.raises(EinbackpropError) as caught:
                call(*arguments)
            assert is_safe(str(caught.value)), unsafe(str(caught.value))


def test_a_key_whose_repr_raises_is_shown_by_its_type():
    assert shown(Silent()) == "<Silent>"
    assert len(shown("x" * 10_000)) <= 200


# --- scripts ----------------------------------------------------------------------------------------

SCRIPT = """
import numpy as np
p = {%(key)s: np.array([1.0, 2.0])}
def L(p):
    h = p[%(key)s] * 2  # %(comment)s
    return (h ** 2).sum()
def G(p):
    return {%(key)s: 7 * p[%(key)s]}
"""
SOME = NAMES if THOROUGH else [*FEW[::6], *MARKUP[:3], *FEW[-6:]]
FILES = [name for name in SOME if "/" not in name and "\0" not in name and len(name) < 100]


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_scripts_of_any_name_with_any_key(part, tmp_path, capsys):
    for name in FILES[part::4]:
        comment = "".join(c for c in name if c not in "\r\n\x0c\0")
        text = SCRIPT % {"key": ascii(name), "comment": comment}
        with contextlib.suppress(UnicodeEncodeError, OSError):
            script = tmp_path / f"{name}.py"
            script.write_bytes(text.encode("utf-8", "replace"))
            options = ["--loss", "L(p)", "--wrt", "p"]
            for command in (["check", str(script), *options, "--grads", "G(p)", "--html", "page.html"],
                            ["check", str(script), *options, "--grads", "G(p)", "--json"],
                            ["read", str(script), "L(p)"], ["derive", str(script), *options],
                            ["check", str(script), *options, "--grads", f"G({name})"]):  # fmt: skip
                code = main(command)
                said = capsys.readouterr()
                assert is_safe(said.out), (command, unsafe(said.out))
                assert is_safe(said.err), (command, unsafe(said.err))
                assert code in (0, 1, 2)
            page = (tmp_path / "page.html").read_text(encoding="utf-8")
            assert is_safe(page), unsafe(page)
            ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def test_all_that_does_not_print_is_an_escape():
    text = "".join(c for c in CONTROLS + BIDIRECTIONAL + OTHERS if c != "\t")
    assert visible(text).isascii()
    assert visible(text).encode("ascii").decode("unicode_escape").encode("utf-16", "surrogatepass") == text.encode(
        "utf-16", "surrogatepass")  # fmt: skip
    assert "\u202e" not in in_html("\u202e")
