"""A real browser that a test drives as a person would, over a pipe that Chromium has for that; and a static server."""

import base64
import contextlib
import http.server
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from browser import BROWSERS

# Chromium reads what it is told on descriptor 3 and answers on 4.
ON_3_AND_4 = (
    "import fcntl, os, sys\n"
    "told, said = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3])\n"
    "os.dup2(told, 3); os.dup2(said, 4)\n"
    "os.execvp(sys.argv[3], sys.argv[3:])\n"
)


class Page:
    """One tab of a browser."""

    def __init__(self, told: int, said: int) -> None:
        self.told, self.said, self.rest, self.numbers = told, said, b"", itertools.count(1)
        self.session: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []

    def open(self, address: str) -> None:
        """Open a tab of its own at an address."""
        self.session = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What Chromium answers to a call."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters, **self.session}
        os.write(self.told, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            part = os.read(self.said, 1 << 16)
            assert part, "the browser has ended"
            self.rest += part
        first, _, self.rest = self.rest.partition(b"\0")
        return json.loads(first)

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is, awaited."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, (expression, found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 60) -> Any:
        """What an expression is once it is true; fails if that takes longer."""
        end = time.monotonic() + seconds
        while not (found := self._value_unless_left(expression)):
            assert time.monotonic() < end, (expression, self.value("document.body.innerText"), self.complaints())
            time.sleep(0.05)
        return found

    def _value_unless_left(self, expression: str) -> Any:
        """What an expression is; None where the page is left while it is asked."""
        try:
            return self.value(expression)
        except AssertionError as error:
            if "navigated" not in str(error):
                raise
            return None

    def press(self, selector: str) -> None:
        """Press an element with the mouse, in its middle, once it stays there: a busy page moves what it shows."""
        middle = ("{const b = e.getBoundingClientRect();"
                  "return b.width ? [b.x + b.width / 2, b.y + b.height / 2] : null}")  # fmt: skip
        place = self.wait(
            f"(async () => {{const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            f"const middle = () => {middle}; e.scrollIntoView({{block: 'center'}}); const first = middle();"
            "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"
            "const then = e.isConnected ? middle() : null; return `${first}` === `${then}` ? then : null})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def hover(self, selector: str) -> None:
        """Move the mouse onto an element."""
        x, y = self.value(
            f"(() => {{const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]})()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def insert(self, text: str) -> None:
        """Insert a text where the cursor is, as a paste does."""
        self.call("Input.insertText", text=text)

    def key(self, name: str, code: int, control: bool = False) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code,
                      modifiers=2 if control else 0)  # fmt: skip

    def resize(self, width: int, height: int = 900, dark: bool = False) -> None:
        """Show it on a screen so large, in a light or a dark scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, file: Path) -> None:
        """Write what is seen as a PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """What the page has written to its console as errors, and the exceptions that nobody caught."""
        found = []
        for event in self.events:
            about = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(json.dumps(about["exceptionDetails"])[:2000])
            if event.get("method") == "Log.entryAdded" and about["entry"]["level"] == "error":
                found.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
            if event.get("method") == "Runtime.consoleAPICalled" and about["type"] == "error":
                found.append(json.dumps(about["args"])[:2000])
        return found


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser with a profile of its own; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None or sys.platform == "win32":
        pytest.skip("no Chromium here")
    read_by_it, told = os.pipe()
    said, written_by_it = os.pipe()
    command = [sys.executable, "-c", ON_3_AND_4, str(read_by_it), str(written_by_it), found, "--headless",
               "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}",
               "--window-size=1400,900"]  # fmt: skip
    process = subprocess.Popen(command, pass_fds=(read_by_it, written_by_it), stderr=subprocess.DEVNULL)
    os.close(read_by_it)
    os.close(written_by_it)
    page = Page(told, said)
    try:
        yield page
    finally:
        with contextlib.suppress(AssertionError, OSError):
            page.session = {}
            page.call("Browser.close")
        os.close(told)
        os.close(said)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A static server that says nothing, and tells `asked` of each file."""

    def __init__(self, *arguments: Any, asked: list[str], **more: Any) -> None:
        self.asked = asked
        super().__init__(*arguments, **more)

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The address at which a folder is served, and what was asked of it."""
    asked: list[str] = []
    handler = partial(Quiet, directory=str(folder), asked=asked)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()
