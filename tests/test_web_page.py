"""The page that needs no installation, as it is used, in a browser that is driven for real.

That needs Chromium, and a folder with Pyodide's files in EINBACKPROP_PYODIDE: npm's package of that name, and its NumPy
beside them.
"""

import base64
import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from driven import Page, browser, served
from web_code import ASKED, MYNET, PENALISED, WRONG

from einbackprop.web import site

SIX = "six-1.16.0-py2.py3-none-any.whl"
STATE = "document.body.dataset.state"
VERDICT = "document.body.dataset.verdict"
STATUS = "document.getElementById('status').textContent"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, served with all that it needs, in a browser."""
    pyodide = os.environ.get("EINBACKPROP_PYODIDE")
    if not pyodide:
        pytest.skip("EINBACKPROP_PYODIDE names no folder with Pyodide's files")
    folder = tmp_path_factory.mktemp("used")
    own = folder / "pyodide"
    own.mkdir()
    for file in Path(pyodide).iterdir():
        (own / file.name).symlink_to(file)
    add_package(own)
    site.write_site(str(folder / "page"), str(own))
    accept_package(folder / "page")
    with browser(folder) as page, served(folder / "page") as (address, _):
        start = time.monotonic()
        page.open(address)
        page.wait(f"{STATE} === 'ready'", 60)
        print(f"ready after {time.monotonic() - start:.1f} s")
        yield page


def add_package(folder: Path) -> None:
    """Another package beside Pyodide's NumPy, of which its lock file knows: six, which is made here."""
    with zipfile.ZipFile(folder / SIX, "w") as wheel:
        wheel.writestr("six.py", "SEVEN = 7\n")
        wheel.writestr("six-1.16.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n")
        wheel.writestr("six-1.16.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n")
        wheel.writestr("six-1.16.0.dist-info/RECORD", "")


def accept_package(page: Path) -> None:
    """Change the lock file, and what the page knows of it, for that package."""
    lock = json.loads((page / "pyodide" / "pyodide-lock.json").read_text("utf-8"))
    lock["packages"]["six"]["sha256"] = hashlib.sha256((page / "pyodide" / SIX).read_bytes()).hexdigest()
    text = json.dumps(lock).encode()
    (page / "pyodide" / "pyodide-lock.json").write_bytes(text)
    known = json.loads((page / "site.json").read_text("utf-8"))
    digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
    known["pyodide"]["pyodide-lock.json"]["integrity"] = f"sha256-{digest}"
    (page / "site.json").write_text(json.dumps(known), "utf-8")


@pytest.fixture
def page(opened: Page) -> Page:
    """The page as it was in the beginning, ready."""
    opened.events.clear()
    opened.resize(1400)
    opened.value("history.replaceState(null, '', location.pathname)")  # a test before may have left a link
    opened.press("#tab-check")
    opened.press("#clear")
    opened.wait(f"{STATE} === 'ready' && {STATUS} === 'ready: paste some code'")
    return opened


def paste(page: Page, code: str) -> None:
    """Put code in place of what is in the editor, as somebody does who pastes."""
    page.press("#clear")
    page.wait("document.activeElement.closest('#editor') !== null")
    page.insert(code)


def fill(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        page.press(f"#field-{name}")
        page.value(f"document.getElementById('field-{name}').select()")
        page.insert(text)


def choose(page: Page, menu: str, value: str) -> None:
    page.value(f"document.getElementById('{menu}').value = '{value}'")
    page.value(f"document.getElementById('{menu}').dispatchEvent(new Event('change'))")


def settled(page: Page, verdict: str) -> None:
    page.wait(f"{STATE} === 'ready' && {VERDICT} === '{verdict}' && !document.body.classList.contains('stale')", 60)


def test_a_mistake_is_pasted_found_and_repaired(page: Page) -> None:
    paste(page, WRONG)
    settled(page, "wrong")
    assert page.value(STATUS) == "wrong: W2 (of 6 gradients)"
    assert page.value("document.querySelector('.cm-line.mark.wrong').textContent.trim()") == "dW2 = second.T @ d_second"
    assert "must stand here" in page.value("document.querySelector('.below').textContent")
    if picture := os.environ.get("EINBACKPROP_PICTURE"):  # of a mistake that is found, as a README may show it
        page.press("#go")
        page.picture(Path(picture))
    assert page.value("document.querySelectorAll('.below :is(.yours, .expected):has(math)').length") == 2
    page.press(".repair")
    settled(page, "right")
    assert page.value(STATUS) == "right: all 6 gradients"
    assert page.value("document.querySelector('.mark')") is None
    paste(page, WRONG)
    settled(page, "wrong")
    page.key(".", 190, control=True)
    settled(page, "right")
    start = time.monotonic()
    page.press("#run")
    page.wait(f"{STATE} === 'running'")
    settled(page, "right")
    print(f"checked in {time.monotonic() - start:.1f} s")
    assert page.complaints() == []


def test_what_nobody_asked_is_compared_with_the_loss_that_is_meant_until_it_is_asked(page: Page) -> None:
    paste(page, PENALISED)
    settled(page, "right")
    assert "but of loss(W) + 0.5 * weight" in page.value("document.body.textContent")
    fill(page, loss="1.0 * loss(W)")
    settled(page, "wrong")


def test_it_reads_and_derives_and_letters_light_up(page: Page) -> None:
    paste(page, MYNET)
    page.press("#tab-read")
    fill(page, expression="gradients(weights, X, T)")
    page.wait(f"{STATUS} === '16 lines read'")
    letters = ("[...document.querySelectorAll('#result mi')].filter(e => "
               "getComputedStyle(e).textDecorationLine === 'underline')")  # fmt: skip
    assert page.value(f"{letters}.length") == 0
    page.hover("#result .letters i")
    letter = page.value("document.querySelector('#result .letters i').textContent")
    lit = page.value(f"{letters}.map(e => e.textContent)")
    assert len(lit) > 5
    assert set(lit) == {letter}
    page.press("#tab-derive")
    fill(page, loss="loss(weights, X, T)", wrt="weights")
    page.wait("!!document.querySelector('#result .copy')")
    assert "def backward(weights, X, T" in page.value("document.querySelector('#result pre').textContent")
    assert page.complaints() == []


def test_what_runs_can_be_stopped_and_goes_on(page: Page) -> None:
    paste(page, "while True:\n    pass\n")
    page.press("#tab-read")
    page.wait("document.getElementById('clock').textContent.startsWith('2 s')")
    page.press("#stop")
    page.wait(f"{STATUS} === 'stopped: press Run'", 60)
    assert page.value("document.getElementById('result').textContent.trim()") == ""
    paste(page, "import numpy as np\nx = np.ones(3)\ny = x * 2\n")
    page.wait("document.getElementById('field-expression').value === ''")
    fill(page, expression="x + x")
    page.wait("!!document.querySelector('#result .line')")
    assert page.complaints() == []


@pytest.mark.long
def test_code_that_is_pasted_over_what_never_ends_is_run(page: Page) -> None:
    paste(page, "while True:\n    pass\n")
    page.wait("document.getElementById('clock').textContent.startsWith('11 s')", 30)
    paste(page, MYNET)
    settled(page, "right")


def test_a_link_that_is_cut_says_so(page: Page) -> None:
    page.value("location.hash = '#code=cut!'")
    page.wait("document.getElementById('notes').textContent.startsWith('The link is cut or was changed')")
    page.press("#clear")
    page.wait("!document.getElementById('notes').textContent.includes('link')")
    paste(page, MYNET)
    settled(page, "right")


def test_a_link_holds_the_code_and_the_question(page: Page) -> None:
    code = WRONG + "# Ünïcödé 😀\n"
    paste(page, code)
    fill(page, **ASKED)
    settled(page, "wrong")
    page.press("#link")
    page.wait("location.hash.startsWith('#code=')")
    linked = page.value("location.hash")
    assert len(linked) < len(code)
    page.press("#clear")
    page.wait(f"{STATUS} === 'ready: paste some code'")
    page.value("location.hash = ''")
    page.value(f"location.hash = {linked!r}")
    settled(page, "wrong")
    assert page.value("[...document.querySelectorAll('.below')].length") == 1
    assert page.value("document.querySelector('#field-wrt').value") == "weights"


def test_code_outlives_a_reload(page: Page) -> None:
    paste(page, WRONG)
    settled(page, "wrong")
    page.value("history.replaceState(null, '', location.pathname)")
    page.value("window.old = true")
    page.value("setTimeout(() => location.reload())")
    page.wait("window.old === undefined && document.body !== null")
    settled(page, "wrong")
    assert page.value("document.querySelector('.cm-line.mark.wrong').textContent.trim()") == "dW2 = second.T @ d_second"


def test_code_that_stops_is_marked(page: Page) -> None:
    page.press("#tab-read")
    paste(page, "import numpy as np\nx = np.load('weights.npz')\n")
    page.wait("!!document.querySelector('.mark.stopped')")
    said = page.value("document.getElementById('result').textContent")
    assert "no files stand beside the code in a browser: make the data in the code" in said
    paste(page, "import numpy as np\nimport torch_geometric\n" + MYNET)
    page.press("#tab-check")
    settled(page, "right")
    assert "torch_geometric is not installed" in page.value("document.getElementById('notes').textContent")


def test_a_hint_keeps_the_answer_back(page: Page) -> None:
    paste(page, WRONG)
    settled(page, "wrong")
    choose(page, "hint", "2")
    page.wait("document.querySelector('.below')?.textContent === 'A mistake is here.'")
    assert "expected" not in page.value("document.getElementById('result').textContent")
    page.press("#link")
    page.wait("location.hash.includes('hint=2')")
    linked = page.value("location.hash")
    choose(page, "hint", "0")
    page.wait("!!document.querySelector('.repair')")
    page.value("location.hash = ''")
    page.value(f"location.hash = {linked!r}")  # a teacher's link keeps it back too
    page.wait("document.querySelector('.below')?.textContent === 'A mistake is here.'")
    choose(page, "hint", "0")


def test_a_link_to_a_quiz_asks_the_same_and_tells_nothing_before(page: Page) -> None:
    paste(page, MYNET)
    settled(page, "right")
    page.press("#tab-quiz")
    page.wait("!!document.querySelector('.quiz .primary')")
    page.press(".quiz .primary")
    page.wait("!!document.querySelector('.quiz .asked')")
    mistaken = page.value("sessionStorage.getItem('code')")
    assert mistaken != MYNET
    page.press("#link")
    page.wait(f"{STATUS}.startsWith('the link is copied')")
    assert "seed=" in page.value("location.hash")
    page.value("window.old = true")
    page.value("setTimeout(() => location.reload())")
    page.wait("window.old === undefined && document.body?.classList.contains('concealed')")
    assert page.value("getComputedStyle(document.getElementById('editor')).visibility") == "hidden"
    page.wait("!!document.querySelector('.quiz .asked')", 90)
    assert page.value("sessionStorage.getItem('code')") == mistaken
    assert page.value("getComputedStyle(document.getElementById('editor')).visibility") == "visible"
    page.press("#tab-check")
    settled(page, "wrong")
    assert page.value("location.hash") == ""


def test_a_quiz_is_made_and_its_line_found(page: Page) -> None:
    paste(page, MYNET)
    settled(page, "right")
    page.press("#tab-quiz")
    page.wait("!!document.querySelector('.quiz .primary')")
    choose(page, "level", "2")  # makes none yet
    choose(page, "level", "1")
    page.press(".quiz .primary")
    page.wait("!!document.querySelector('.quiz .asked')")
    page.value("window.first = document.querySelector('.quiz .asked')")
    choose(page, "level", "2")  # another one, of the code that was right
    page.wait("![window.first, null].includes(document.querySelector('.quiz .asked'))")
    assert page.value("document.querySelector('.below, .mark')") is None
    page.press(".cm-line:nth-of-type(3)")
    page.wait("document.querySelector('.quiz input').value === "
              "document.querySelector('.cm-lineNumbers .cm-activeLineGutter').textContent")  # fmt: skip
    page.value("document.querySelector('.quiz input').select()")
    page.insert("1")
    page.press(".quiz .primary")
    page.wait("document.querySelector('.quiz .said').textContent === 'No, line 1 is not the one.'")
    page.press(".quiz .answer button:nth-of-type(2)")  # show it
    page.press(".repair")
    page.press("#tab-check")
    settled(page, "right")


def test_the_gallery_and_the_first_sight(opened: Page) -> None:
    opened.wait("document.querySelectorAll('#gallery option').length > 1")
    opened.press("#clear")
    choose(opened, "gallery", "mynet.py")
    settled(opened, "right")


def test_a_package_that_pyodide_has_is_fetched(page: Page) -> None:
    page.press("#tab-read")
    paste(page, "import six\nimport numpy as np\nx = np.ones(six.SEVEN)\n")
    fill(page, expression="x + x")
    page.wait("!!document.querySelector('#result .line')")
    assert "= 7" in page.value("document.querySelector('#result .letters').textContent")


COUNTED = """
import numpy as np

rng = np.random.default_rng(0)
X, y, rows = rng.normal(size=(9, 4)), rng.normal(size=9), rng.integers(0, 3, size=9)
W = rng.normal(size=(3, 4))


def loss(W):
    return np.sum((np.sum(W[rows] * X, axis=1) - y) ** 2)


def gradient(W):
    d = 2 * (np.sum(W[rows] * X, axis=1) - y)[:, None] * X
    return np.stack([np.bincount(rows, column, 3) for column in d.T], axis=1)
"""


def test_positions_of_64_bits_are_taken_where_those_of_a_browser_have_32(page: Page) -> None:
    paste(page, COUNTED)
    settled(page, "right")


def test_code_reaches_no_other_address(page: Page, tmp_path: Path) -> None:
    code = ("import js\nx = 1.0\nrequest = js.XMLHttpRequest.new()\n"
            "request.open('GET', '{}worker.js', False)\nrequest.send()\n")  # fmt: skip
    page.press("#tab-read")
    with served(tmp_path) as (elsewhere, asked):
        paste(page, code.format(elsewhere))
        page.wait("document.getElementById('result').textContent.includes('NetworkError')")
        assert asked == []
    paste(page, code.format(page.value("location.origin") + "/"))
    page.wait(f"{STATE} === 'ready' && {STATUS}.startsWith('fill in')")


def test_it_fits_any_screen_and_has_labels(page: Page) -> None:
    paste(page, WRONG + "# " + "a long comment " * 40 + "\n")
    fill(page, **ASKED)
    settled(page, "wrong")
    for tab in ("check", "read", "derive", "quiz"):
        page.press(f"#tab-{tab}")
        page.wait(f"{STATE} === 'ready'")
        for width in (1400, 800, 400):
            page.resize(width)
            too_wide = page.value(
                "[...document.querySelectorAll('html, body, .cm-scroller, #result')]"
                ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className || e.tagName)")
            assert too_wide == [], (tab, width)
    unnamed = page.value(
        "[...document.querySelectorAll('button, input, select, [role=textbox]')].filter(e => !e.labels?.length"
        " && !e.getAttribute('aria-label') && !e.textContent.trim()).map(e => e.outerHTML)")
    assert unnamed == []
