"""What a report says to write, as one patch of the user's files, for ``patch -p0`` and ``git apply``."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.files import opened, reason
from ..core.visible import visible
from .records import Finding
from .source_edits import Replacement, encoding_of, rewritten


class Patch(NamedTuple):
    """A patch as text and in the encodings of its files, empty where there is nothing to write; and what could not be
    put into it.
    """

    text: str
    data: bytes
    left_out: tuple[str, ...]


def patch_of(findings: Sequence[Finding], folder: str = "") -> Patch:
    """One unified patch of all that findings say to write.

    Parameters
    ----------
    findings
    folder
        Where it is to be applied; the current one unless given. Where files are not under it, the patch begins with the
        folder in which it can be.
    """
    told: dict[str, list[Finding]] = {}
    for item in findings:
        if item.write and item.file and item.line:
            told.setdefault(os.path.realpath(item.file), []).append(item)
    top = os.path.realpath(folder or os.curdir)
    apart = any(os.path.relpath(file, top).startswith(os.pardir) for file in told)
    if apart:
        top = os.path.commonpath([os.path.dirname(file) for file in told])
    parts = [_of_file(file, os.path.relpath(file, top), items) for file, items in told.items()]
    if apart and any(part.text for part in parts):
        first = f"To be applied in {visible(top)}:\n"
        parts.insert(0, Patch(first, first.encode(), ()))
    texts, datas, left_out = zip(*parts, strict=True) if parts else ((), (), ())
    return Patch("".join(texts), b"".join(datas), tuple(itertools.chain(*left_out)))


def _of_file(file: str, name: str, findings: Sequence[Finding]) -> Patch:
    """The patch of one file."""
    try:
        with opened(file) as stream:
            data = stream.read()
        encoding = encoding_of(data)
        before = data.decode(encoding)
    except (OSError, SyntaxError, UnicodeError, LookupError) as error:
        return Patch("", b"", (f"{visible(name)} cannot be read: {reason(error)}",))
    replacements: list[Replacement] = []
    left_out = []
    for item in findings:
        made = rewritten(before, item.line or 0, item.write or "")
        if made is None or any(a.start < b.end and b.start < a.end for a in made for b in replacements):
            left_out.append(f"{visible(name)}, line {item.line}: no patch for it; write {visible(item.write or '')}")
        else:
            replacements += [r for r in made if r not in replacements]
    after = before
    for start, end, text in sorted(replacements, reverse=True):
        after = after[:start] + text.replace("\n", _newline(before)) + after[end:]
    if not name.isprintable():
        return Patch("", b"", (f"{visible(name)}: no patch names such a file",))
    shown = "./" + Path(name).as_posix() + ("\t" if " " in name else "")  # as diff ends a name with a space
    mark = "\ufeff" if encoding == "utf-8-sig" else ""
    patch = _unified(mark + before, mark + after, shown)
    return Patch(patch, patch.encode("utf-8" if mark else encoding), tuple(left_out))


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unified(before: str, after: str, name: str) -> str:
    """The difference of two texts, with the mark where one does not end in a new line."""
    one, two = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (before, after))
    rows = difflib.unified_diff(one, two, name, name)
    return "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)
