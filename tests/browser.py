"""A real browser, where there is one: a page as it draws it, and what a script measures there."""

import json
import re
import shutil
import subprocess
from html import escape
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def measured(html: str, script: str, width: int, folder: Path, more: str = "") -> Any:
    """What an expression of JavaScript is in a page whose body is so wide; skips the test without a browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium here")
    measuring = (
        f'<style>body{{width:{width}px!important}}</style>{more}<pre id="seen" style="display:none"></pre><script>'
        f'document.getElementById("seen").textContent = JSON.stringify({script});</script>'
    )
    file = folder / "measured.html"
    file.write_text(html.replace("</body>", measuring + "</body>"), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
               f"--window-size={max(width, 500)},900", "--virtual-time-budget=2000", "--dump-dom", file.as_uri()]
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="seen"[^>]*>(.*?)</pre>', drawn, re.DOTALL)
    assert found, escape(drawn[:500])
    return json.loads(found.group(1))
