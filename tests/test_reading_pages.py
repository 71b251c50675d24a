"""A reading, a derivation and an explanation as a page, in a notebook and in LaTeX."""

import functools
import linecache
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import measured
from hypothesis import given
from library import COLUMNS
from test_truth import cases
from wild import FIXTURES

import einbackprop as eb
from einbackprop.core.source import name_of
from einbackprop.notation import latex
from einbackprop.notation.breaking import pieces
from einbackprop.notation.index_notation import equation_markup
from einbackprop.notation.markup import Markup, Power, Quotient, Raised, Root, text
from einbackprop.reading.reading import Reading
from einbackprop.shell.command import main

MATH = "{http://www.w3.org/1998/Math/MathML}"
XHTML = "{http://www.w3.org/1999/xhtml}"
rng = np.random.default_rng(0)

CORPUS = ("nielsen_mini_batch", "columns_deep_caches", "conv_im2col_class", "max_pool_reshape", "char_rnn",
          "attention_multi_head", "groupnorm", "transformer_block", "glove_pairs", "vae_reparametrised")  # fmt: skip
HOSTILE = '''
def backward(cache, dout, Wα, naïve):
    # <script>alert(1)</script> & 100%
    d_1 = cache["a_b"].T @ dout; s = "%&#$_{}~^\\\\"
    total = (
        d_1 * Wα * Wα
        + naïve
    )
    return total, d_1, np.where(d_1 > 0, d_1 ** 2, np.exp(-d_1))
'''


@pytest.fixture
def hostile(tmp_path: Path) -> Reading:
    file = tmp_path / "a_b&c.py"
    file.write_text(HOSTILE, encoding="utf-8")
    names = {"np": np}
    exec(compile(HOSTILE, str(file), "exec"), names)
    a, d = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    return eb.read(names["backward"], {"a_b": a}, d, np.ones((3, 4)), np.ones((3, 4)))


@functools.cache
def reading_of_the_corpus() -> list[Reading]:
    return [eb.read(fixture.gradients, *fixture.arguments(rng)) for fixture in FIXTURES if fixture.name in CORPUS]


def parsed(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))


def named(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [e for e in root.iter() if kind in e.get("class", "").split()]


def said(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


# Where a formula may be broken


def is_whole(markup: Markup) -> bool:
    return not any(isinstance(part, Quotient | Root | Raised | Power) for part in markup)


@given(cases())
def test_pieces_are_the_formula(case):
    markup = equation_markup(case.equation, case.view)
    parts = list(pieces(markup))
    assert all(parts)
    assert not any(isinstance(part[-1], str) and part[-1].endswith(tuple(" +-=")) for part in parts[:-1])
    if is_whole(markup):
        assert " ".join(text(part).strip() for part in parts).replace(" ", "") == text(markup).replace(" ", "")


def test_a_wide_fraction_and_a_wide_root_are_written_on_the_line():
    wide: Markup = ("a", *(" + b" for _ in range(20)))
    assert text(next(pieces((Quotient(wide, ("n",)),)))) == "(a"
    assert text(list(pieces((Quotient(wide, ("n",)),)))[-1]) == "+ b)/n"
    assert text(next(pieces((Root(wide),)))) == "√(a"
    assert text(list(pieces((Raised(("(", *wide, ")"), "2"),)))[-1]) == "+ b)²"
    assert len(list(pieces((Quotient(("a + b",), ("n",)),)))) == 1


# The page of a reading


def test_the_page_has_the_code_beside_its_formulas(hostile):
    root = parsed(hostile.to_html())
    lines = {said(named(row, "number")[0]): row for row in named(root, "line")}
    assert list(lines) == ["2", "3", "4", "5", "9"]
    assert said(lines["2"][1]) == "def backward(cache, dout, Wα, naïve):"
    statement = [said(span) for span in lines["5"][1]]
    assert statement == ["    total = (", "        d_1 * Wα * Wα", "        + naïve", "    )"]
    assert len(named(lines["5"], "formula")) == 1
    assert len(named(lines["9"], "formula")) == 3
    assert 'einsum("ij,ik->jk", cache["a_b"], dout)' in said(lines["4"])
    assert "cache[\"a_b\"]ᵀ·dout" in said(lines["4"])
    assert said(next(root.iter(f"{XHTML}h2"))) == "a_b&c.py"
    assert {e.text for e in root.iter(f"{MATH}mi") if e.get("style") == "color:var(--of-j)"} == {"j"}
    assert said(named(root, "letters")[0]) == "i = 5 j = 3 k = 4"


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(hostile):
    html = hostile.to_html()
    assert "<script" not in html
    assert not re.search(r"\b(src|href)=|url\(|@import", html)
    assert "<script>alert(1)</script> & 100%" in said(parsed(html))


def test_a_notebook_shows_what_the_page_has(hostile):
    bundle = hostile._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == str(hostile)
    assert bundle["text/latex"] == hostile.latex
    assert "<html" not in bundle["text/html"]
    assert "<h1" not in bundle["text/html"]
    article = bundle["text/html"].partition('<article class="einbackprop">')[2]
    assert article in hostile.to_html()


def test_values_under_other_names_stand_together_and_runs_are_counted():
    def backward(grads: dict, x: np.ndarray) -> np.ndarray:
        W, b = grads["W"], grads["b"]
        for _ in range(3):
            x = np.tanh(W @ x + b)
        return x

    root = parsed(eb.read(backward, {"W": np.eye(3), "b": np.ones(3)}, np.ones(3)).to_html())
    assert len(named(named(root, "aliases")[0], "formula")) == 2


def test_a_reading_of_nothing_is_a_page_too():
    reading = eb.read(lambda x: 3, np.ones(2))
    assert "nothing is computed here" in said(parsed(reading.to_html()))


def test_a_cell_is_called_a_cell(monkeypatch):
    def name_of_code(file: str) -> tuple[str, str] | None:
        return ("Cell", "In[5]") if file == "/tmp/ipykernel_7/1230243725.py" else None

    ipython = types.ModuleType("IPython")
    compiler = types.SimpleNamespace(format_code_name=name_of_code)
    ipython.get_ipython = lambda: types.SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert name_of("/tmp/ipykernel_7/1230243725.py") == "Cell In[5]"
    assert name_of("/tmp/ipykernel_7/mine.py") == "mine.py"
    code, file = "def double(x):\n    return 2 * x\n", "/tmp/ipykernel_7/1230243725.py"
    monkeypatch.setitem(linecache.cache, file, (len(code), None, code.splitlines(keepends=True), file))
    names: dict = {}
    exec(compile(code, file, "exec"), names)
    reading = eb.read(names["double"], np.ones(3))
    for shown in (str(reading), reading.to_html(), reading.latex):
        assert "Cell In[5]" in shown
        assert "1230243725" not in shown
    ipython.get_ipython = lambda: None
    assert name_of("/tmp/ipykernel_7/1230243725.py") == "1230243725.py"


TOO_WIDE = """Array.from(document.querySelectorAll(".einbackprop")).map(a => {
    const edge = a.getBoundingClientRect().right + 1;
    return Array.from(a.querySelectorAll("math, code, span, div, p, svg")).filter(
        e => e.getBoundingClientRect().right > edge).map(e => e.textContent.slice(0, 80)); }).flat()"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("width", [1400, 800, 400])
def test_nothing_scrolls_sideways(width, tmp_path):
    readings = reading_of_the_corpus()
    html = readings[0].to_html()
    more = "".join(reading._repr_mimebundle_()["text/html"] for reading in readings)
    assert measured(html, TOO_WIDE, width, tmp_path, more) == []


def test_the_measure_sees_what_is_too_wide(tmp_path):
    more = f'<article class="einbackprop"><p><code style="white-space:pre">{"wide " * 200}</code></p></article>'
    assert measured("<html><body></body></html>", TOO_WIDE, 800, tmp_path, more)


# LaTeX


def compiled(fragment: str, folder: Path) -> str:
    """What a TeX engine says of a document with the fragment; skips the test without one."""
    engine = next(filter(None, map(shutil.which, ("pdflatex", "tectonic", "xelatex", "lualatex"))), None)
    if engine is None:
        pytest.skip("no TeX here")
    start = "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
    (folder / "document.tex").write_text(f"{start}{fragment}\n\\end{{document}}\n", encoding="utf-8")
    options = [] if "tectonic" in engine else ["-interaction=nonstopmode", "-halt-on-error"]
    ran = subprocess.run([engine, *options, "document.tex"], cwd=folder, capture_output=True, timeout=120, check=False)
    said = ran.stdout.decode("utf-8", "replace")
    assert ran.returncode == 0, said[-1500:]
    return said


def require_whole_formulas(fragment: str) -> None:
    """No blank line in a displayed formula, and what opens closes."""
    displayed = re.findall(r"\\\[\n(.*?)\n\\\]", fragment, re.DOTALL)
    assert displayed or "\\ttfamily" in fragment
    for formula in displayed:
        assert "\n\n" not in formula
        assert formula.count(r"\begin{aligned}") == formula.count(r"\end{aligned}") == 1
    plain = re.sub(r"\\[{}\\$]", "", fragment)
    assert plain.count("{") == plain.count("}")
    assert not plain.count("$") % 2


def test_a_reading_in_latex_compiles(hostile, tmp_path):
    fragments = [hostile.latex, *(reading.latex for reading in reading_of_the_corpus())]
    for fragment in fragments:
        require_whole_formulas(fragment)
    assert r"\mathrm{d\_1}_{jk} &= \sum_{i} \mathrm{cache[" in hostile.latex
    assert r"\mathrm{W\alpha }" in hostile.latex
    compiled("\n\n".join(fragments), tmp_path)


BROKEN = [("\n\\end{aligned}", "\n\n\\end{aligned}"), ("_{jk}", "_{jk"), ("\\quad", "$")]


@pytest.mark.parametrize(("old", "new"), BROKEN)
def test_the_check_of_latex_can_fail(hostile, old, new):
    assert old in hostile.latex
    with pytest.raises(AssertionError):
        require_whole_formulas(hostile.latex.replace(old, new, 1))


def test_a_fragment_that_is_not_latex_does_not_compile(tmp_path):
    with pytest.raises(AssertionError):
        compiled(r"a_b", tmp_path)


def test_explanations_in_latex_compile(tmp_path):
    shown = [eb.explain("ij,jb->ib", names=("W", "x"), result="z"), eb.explain("ii,...j->i..."),
             eb.explain(eb.derive(lambda W, x: np.sum(np.tanh(W @ x) ** 3), np.ones((2, 3)), np.ones((3, 4)))),
             eb.explain(eb.explain.__globals__["CATALOGUE"]["layer norm"])]  # fmt: skip
    for one in shown:
        require_whole_formulas(one.latex)
    compiled("\n\n".join(one.latex for one in shown), tmp_path)


def test_any_character_has_a_form_in_latex(tmp_path):
    odd = "∂Σβϵ₂²ᵀéñßøЖ中𝛼%&#$_{}~^\\<>|\"'`…⋯√±→"
    compiled(f"{latex.words(odd)} ${''.join(map(latex.in_math, odd))}$ ${latex.latex_name(odd)}$", tmp_path)


# The command line


@pytest.mark.slow
def test_the_commands_write_pages_and_latex(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(COLUMNS.text, encoding="utf-8")
    asked = {
        "read": ["read", "net.py", COLUMNS.grads],
        "derive": ["derive", "net.py", "--loss", COLUMNS.loss, "--wrt", "theta"],
        "explain": ["explain", "ij,jb->ib"],
        "layer": ["explain", "softmax"],
    }
    for name, command in asked.items():
        assert main([*command, "--html", f"{name}.html"]) == 0
        printed = capsys.readouterr().out
        assert parsed(Path(f"{name}.html").read_text(encoding="utf-8")).tag == f"{XHTML}html"
        assert main([*command, "--latex"]) == 0
        fragment = capsys.readouterr().out
        assert fragment != printed
        require_whole_formulas(fragment)
        assert main(command) == 0
        assert capsys.readouterr().out == printed
        Path(f"{name}.html").write_text("mine", encoding="utf-8")
        assert main([*command, "--html", f"{name}.html"]) == 2
        assert "is not a page of einbackprop" in capsys.readouterr().err
        assert Path(f"{name}.html").read_text(encoding="utf-8") == "mine"
        assert main([*command, "--html", f"{name}.html", "--force"]) == 0
        capsys.readouterr()
    root = parsed(Path("read.html").read_text(encoding="utf-8"))
    assert said(next(root.iter(f"{XHTML}h1"))) == COLUMNS.grads
