"""What README.md and NOTES.md show of the command line is what it prints."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from einbackprop.shell.command import main

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def without_roundings(text: str) -> str:
    """The text without what differs from one processor to the next: how far rounding is off, and where it is most."""
    return re.sub(r"off by [\d.,e+]+ roundings at \[[\d, ]*\]", "off by rounding", text).rstrip("\n")


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of the console blocks, in order, with what stands under it."""
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.replace("\\\n", "").split("\n")
            yield lines[0], "\n".join(lines[1:]).rstrip("\n")


@pytest.mark.parametrize("document", ["README.md", "NOTES.md"])
def test_the_console_blocks_are_real(
    document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = list(commands((ROOT / document).read_text(encoding="utf-8")))
    assert shown
    for command, output in shown:
        words = shlex.split(command)
        if words[0] == "einbackprop":
            main(words[1:])
            assert without_roundings(capsys.readouterr().out) == without_roundings(output), command
        else:
            assert words[0] == "sed", command
            subprocess.run(words, check=True)


def test_a_changed_output_is_seen() -> None:
    ((command, output),) = commands("```console\n$ einbackprop explain \\\n    relu\nwrong\n```\n")
    assert (shlex.split(command), output) == (["einbackprop", "explain", "relu"], "wrong")
