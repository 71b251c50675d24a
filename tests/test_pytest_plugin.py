"""The plugin for pytest: a failing assertion shows the whole report, and frames of ours stand in no traceback.

pytest runs in a process of its own, on a file as a user writes it, and finds the plugin by its entry point.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
START = '''
import numpy as np

import einbackprop as eb

W, X = np.ones((2, 3)), np.arange(6.0).reshape(3, 2)


def loss(W):
    return np.sum((X @ W) ** 2)


def right(W):
    return 2 * X.T @ (X @ W)


def wrong(W):
    return X.T @ (X @ W)


def stopping(W):
    H = X @ W
    return H @ X @ X


class Test:
    pass

'''
REPORT = "\nE       wrong: W (of 1 gradient)\nE         W  (2,3)  wrong  off by "


def ran(folder: Path, test: str, *options: str) -> str:
    """What pytest prints of a file that has a test in it, and of what a conftest asserts when all is over."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        [(name, module)] = tomllib.load(stream)["project"]["entry-points"]["pytest11"].items()
    known = folder / "site" / "einbackprop_plugin-0.dist-info"
    known.mkdir(parents=True)
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: einbackprop-plugin\nVersion: 0\n")
    (known / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_net.py").write_text(START + test, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(known.parent)]), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *options, "."]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.stderr == ""
    return done.stdout


ASSERTIONS = (
    "assert eb.check(loss, wrong, W)",
    "assert eb.check(loss, wrong, W), 'as a message'",
    "report = eb.check(loss, wrong, W)\n    assert report",
    "report = eb.check(loss, wrong, W)\n    other = eb.check(loss, right, W)\n    assert report.ok",
    "assert (\n        eb.check(loss, right, W) and eb.check(\n            loss, wrong, W).ok\n    )",
    "assert eb.check(loss, wrong, W).exit_code == 0",
    "Test.report = eb.check(loss, wrong, W)\n    assert Test.report",
)


@pytest.mark.slow
def test_a_failing_assertion_shows_the_whole_report(tmp_path: Path) -> None:
    tests = (f"def test_{n}():\n    {assertion}\n\n" for n, assertion in enumerate(ASSERTIONS))
    shown = ran(tmp_path, "".join(tests))
    parts = re.split(r"^_+ test_\d _+$", shown, flags=re.MULTILINE)[1:]
    assert len(parts) == len(ASSERTIONS)
    for part in parts:
        assert part.count(REPORT) == 1, part
        assert "\nE         Reference: complex step of the loss, itself checked by differences" in part
        assert not frames(part)


def frames(shown: str) -> list[str]:
    """The places that a traceback names outside of the test's file."""
    places = re.findall(r"^(\S+\.py):\d+: ", shown.replace("\\", "/"), re.MULTILINE)
    return [place for place in places if place != "test_net.py"]


@pytest.mark.slow
def test_other_assertions_and_tests_that_pass_are_left_alone(tmp_path: Path) -> None:
    test = "def test_one():\n    report = eb.check(loss, wrong, W)\n    assert loss(W) < 0\n"
    test += "def test_two():\n    assert eb.check(loss, right, W)\n"
    test += "def test_three():\n    report = eb.check(loss, wrong, W)\n    raise AssertionError('report')\n"
    test += "def test_four():\n    report = eb.check(loss, wrong, W)\n    report.nothing\n"
    shown = ran(tmp_path, test)
    assert REPORT not in shown
    assert "3 failed, 1 passed" in shown


@pytest.mark.slow
def test_frames_of_ours_are_left_out_where_the_error_is_the_users(tmp_path: Path) -> None:
    test = "def test_loss():\n    eb.check(stopping, right, W)\n"
    test += "def test_grad():\n    eb.grad(stopping)(W)\n"
    test += "def test_asserted():\n    from einbackprop.testing import assert_gradients_match\n"
    test += "    assert_gradients_match(loss, wrong, W)\n"
    shown = ran(tmp_path, test).replace("\\", "/")
    assert re.search(r"^> +eb\.check\(stopping, right, W\)$", shown, re.MULTILINE)
    assert re.search(r"^> +return H @ X @ X$", shown, re.MULTILINE)
    assert "3 failed" in shown
    assert frames(shown) == []


@pytest.mark.slow
def test_frames_of_ours_are_shown_where_the_error_is_ours_or_all_are_wanted(tmp_path: Path) -> None:
    test = "def test_ours():\n    from einbackprop.core import nesting\n    nesting.get({}, ('x',))\n"
    assert "einbackprop/core/nesting.py:" in ran(tmp_path / "a", test).replace("\\", "/")
    test = "def test_users():\n    eb.check(stopping, right, W)\n"
    assert "einbackprop/checking/" in ran(tmp_path / "b", test, "--full-trace").replace("\\", "/")


def test_the_plugin_alone_costs_nothing(tmp_path: Path) -> None:
    test = "def test_it(): pass\n"
    (tmp_path / "conftest.py").write_text(
        "import sys\n\n"
        "def pytest_configure(config):\n"
        "    assert config.pluginmanager.has_plugin('einbackprop')\n"
        "    ours = sorted(name for name in sys.modules if name.startswith(('einbackprop', 'numpy')))\n"
        "    assert ours == ['einbackprop', 'einbackprop.pytest_plugin'], ours\n")
    assert "1 passed" in ran(tmp_path, test)
    assert "has_plugin" not in ran(tmp_path / "b", test)
