"""A report as a page: well-formed, complete in itself, readable in either scheme, and drawn by a real browser."""

import json
import re
import shutil
import subprocess
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from library import COLUMNS

from einbackprop.checking import texts
from einbackprop.checking.reports import Report, page
from einbackprop.checking.solving import check
from einbackprop.checking.verdicts import Finding, Gradient, Line
from einbackprop.core.source import names_of
from einbackprop.notation import style
from einbackprop.notation.display import READABLE, contrast, hue, readable_colour
from einbackprop.shell.command import main

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MATH = "{http://www.w3.org/1998/Math/MathML}"
XHTML = "{http://www.w3.org/1999/xhtml}"


def report_of(mutant: str = "") -> Report:
    return COLUMNS.report(COLUMNS.wrong(mutant) if mutant else None)


def parsed(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))


def rows(root: ElementTree.Element, kind: str) -> list[str]:
    """The numbers of the lines of a kind."""
    found = [e for e in root.iter(f"{XHTML}div") if e.get("class") == f"line {kind}"]
    return ["".join(e[0].itertext())[:2] for e in found]


def formulas(root: ElementTree.Element) -> list[ElementTree.Element]:
    """The formulas that are set as mathematics."""
    return [e for e in root.iter() if e.get("class") == "formula" and e.find(f"{MATH}math") is not None]


def test_the_page_has_code_beside_math_and_marks_the_mistake() -> None:
    report = report_of("untransposed W")
    root = parsed(report.to_html())
    assert "".join(next(root.iter(f"{XHTML}h1")).itertext()) == "✗ wrong W1, b1 (of 6 gradients)"
    assert rows(root, "wrong") == ["39"]
    assert rows(root, "follows") == ["40", "41"]
    assert {"33", "34", "36", "37"} <= set(rows(root, "right"))
    (mistake,) = (e for e in root.iter(f"{XHTML}div") if e.get("class") == "mistake")
    text = "".join(mistake.itertext())
    assert text.startswith("W2 must be transposed here")
    assert "write" + "d_one = np.dot(W2.T, d_two) * one * (1 - one)" + "yours" in text
    assert 'einsum("kj,kn,jn,jn->jn", W2, d_two, one, 1 - one)' in text
    assert len(formulas(mistake)) == 2
    letters = [e for e in mistake.iter(f"{MATH}mi") if e.get("style") == "color:var(--of-k)"]
    assert {e.text for e in letters} == {"k"}


def test_code_stands_as_far_left_as_it_can() -> None:
    root = parsed(report_of("untransposed W").to_html())
    codes = ["".join(e[1].itertext()) for e in root.iter(f"{XHTML}div") if "line " in e.get("class", "") and len(e) > 1]
    assert "d_two = np.dot(W3.T, d_guess) * two * (1 - two)" in codes
    assert min(len(code) - len(code.lstrip()) for code in codes if code) == 0


@pytest.mark.slow
def test_a_line_whose_shape_is_wrong_is_marked_with_its_formula_and_the_right_one() -> None:
    root = parsed(report_of("bias sum keeps an axis").to_html())
    assert rows(root, "wrong") == ["38"]
    (mistake,) = (e for e in root.iter() if e.get("class") == "mistake")
    assert len(formulas(mistake)) == 2
    assert "db2 = d_two.sum(axis=1)" in "".join(mistake.itertext())


def test_a_right_page() -> None:
    root = parsed(report_of().to_html())
    assert "".join(next(root.iter(f"{XHTML}h1")).itertext()) == "✓ right all 6 gradients"
    assert not rows(root, "wrong")
    assert not [e for e in root.iter() if e.get("class") == "mistake"]
    assert len(formulas(root)) >= 8


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = report_of("untransposed W").to_html()
    assert "<script" not in html
    assert not re.search(r"\b(src|href)=|url\(|@import", html)
    assert set(re.findall(r"https?://[^\"<]*", html)) <= {
        "http://www.w3.org/1999/xhtml", "http://www.w3.org/1998/Math/MathML"}


def test_what_the_user_wrote_is_shown_and_not_run() -> None:
    name, code = "<b>&\"'", "x = a < b & c  # <script>"
    html = page((Gradient(name, "wrong", note=name),), (Line("<f>.py", 1, code, "e < f", "", "", "wrong"),),
                (Finding(name), Finding("m < n", "<f>.py", 1, "y < z", "<i>", "<u>")), (name,), ())
    text = "".join(parsed(html).itertext())
    for shown in (name, code, "<f>.py", "m < n", "y < z", "<u>"):
        assert shown in text
    assert "<script" not in html


SCHEMES = {"light": (style.LETTERS_LIGHT, style.LIGHT), "dark": (style.LETTERS_DARK, style.DARK)}


@pytest.mark.parametrize(("background", "scheme"), SCHEMES.values(), ids=SCHEMES)
def test_colours_can_be_read(background: str, scheme: str) -> None:
    colours = dict(part.split(":") for part in scheme.strip(";").split(";"))
    for text in ("--text", "--soft", "--good", "--bad", "--doubt"):
        for panel in ("--page", "--panel", "--bad-panel"):
            assert contrast(colours[text], colours[panel]) >= READABLE, (text, panel)
    for letter in "ijklmnopqrsuvwxyzacdefghbt":
        for panel in ("--page", "--panel", "--bad-panel"):
            assert contrast(readable_colour(letter, background), colours[panel]) >= READABLE, (letter, panel)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the known near miss
    assert readable_colour("j", "#888888") != hue("j")[1]


def test_the_command_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, html = tmp_path / "net.py", tmp_path / "net.html"
    script.write_text(COLUMNS.text, encoding="utf-8")
    options = ["check", str(script), "--loss", COLUMNS.loss, "--grads", COLUMNS.grads, "--wrt", "theta", "--html"]
    assert main([*options, str(html)]) == 0
    assert parsed(html.read_text(encoding="utf-8")).tag == f"{XHTML}html"
    assert capsys.readouterr().out.startswith("right: all 6 gradients\n")
    assert main([*options, str(tmp_path / "no" / "net.html")]) == 2
    assert capsys.readouterr().err == (
        f"einbackprop: --html: {tmp_path / 'no' / 'net.html'} cannot be written: No such file or directory\n")


def test_a_notebook_shows_text_and_html() -> None:
    report = check(lambda W: (W**2).sum(), lambda W: W, np.ones((2, 3)))
    shown = report._repr_mimebundle_()
    assert shown["text/plain"] == str(report)
    assert shown["text/html"] in report.to_html()
    assert "<html" not in shown["text/html"]


def test_a_report_without_lines_is_a_page_too() -> None:
    report = Report((Gradient("W", "kink", note="a kink"),), assumptions=("Nothing.",))
    text = "".join(parsed(report.to_html()).itertext())
    assert "? kink" in text
    assert "W: a kink" in text
    assert "".join(parsed(Report(()).to_html()).itertext()).count("no gradients") == 2  # the title and the heading


@pytest.mark.slow
def test_a_real_browser_draws_it(tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium here")
    html = report_of("untransposed W").to_html()
    measuring = """<pre id="seen"></pre><script>
    const box = selector => document.querySelector(selector).getBoundingClientRect();
    const sub = document.querySelector(".mistake msub");
    document.getElementById("seen").textContent = JSON.stringify({
      wide: document.documentElement.scrollWidth, window: innerWidth,
      lowered: sub.children[1].getBoundingClientRect().top - sub.children[0].getBoundingClientRect().top,
      code: box(".line.right > code").left, math: box(".line.right > .math").left,
      under: box(".line.right > .math").top - box(".line.right > code").top,
      wrong: getComputedStyle(document.querySelector(".line.wrong")).backgroundColor,
      right: getComputedStyle(document.querySelector(".line.right")).backgroundColor,
    });</script>"""
    file = tmp_path / "page.html"
    file.write_text(html.replace("</body>", measuring + "</body>"), encoding="utf-8")
    seen = {}
    for width in (1200, 500):
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
                   f"--window-size={width},900", "--virtual-time-budget=2000", "--dump-dom", file.as_uri()]
        drawn = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
        found = re.search(r'<pre id="seen">(\{.*?\})</pre>', drawn)
        assert found, escape(drawn[:500])
        seen[width] = json.loads(found.group(1))
    for measured in seen.values():
        assert measured["wide"] <= measured["window"]  # nothing makes the page itself scroll sideways
        assert measured["lowered"] > 0  # an index is set as an index
        assert measured["wrong"] != measured["right"]
    assert seen[1200]["math"] > seen[1200]["code"] + 200  # beside the code
    assert abs(seen[500]["math"] - seen[500]["code"]) < 100  # under it
    assert seen[500]["under"] > 10


def test_files_are_named_so_that_they_can_be_told_apart() -> None:
    assert names_of(["/a/b/s.py", "/a/c/s.py", "/a/c/t.py", "/c/c/t.py", "u.py"]) == {
        "/a/b/s.py": "b/s.py", "/a/c/s.py": "c/s.py", "/a/c/t.py": "a/c/t.py", "/c/c/t.py": "c/c/t.py", "u.py": "u.py"}
    def line(file: str, number: int) -> Line:
        return Line(file, number, "", "", "", "", "follows")

    lines = [line("/a/s.py", 3), line("/a/s.py", 4), line("/b/h.py", 9)]
    assert texts.followers(lines[:1], [Finding("", "/a/s.py", 2)]) == "Line 3 is wrong only because of that."
    assert texts.followers(lines, [Finding("", "/a/s.py", 2)]) == (
        "Lines 3 and 4, and line 9 of h.py are wrong only because of that.")
    assert texts.followers(lines[:2], [Finding("", "/b/h.py", 2)]) == (
        "Lines 3 and 4 of s.py are wrong only because of that.")
    both = [Finding("", "/b/h.py", 2), Finding("", "/a/s.py", 2)]
    assert texts.followers(lines, both) == "Lines 3 and 4 of s.py, and line 9 of h.py are wrong only because of these."
