"""A notebook as Python: its file goes in, the text of each code cell comes out, without what only IPython understands.

Cells are numbered from 1 among the code cells that are not empty, which is ``In [n]`` once all have run in a fresh
kernel. Each has a file name of its own, known to `linecache`, so that whatever names a line names its cell.
"""

import contextlib
import json
import linecache
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from einbackprop.core.source import CELLS, Cell, parse_python
from einbackprop.core.visible import shown
from einbackprop.errors import ScriptError

SUFFIX = ".ipynb"
LARGEST_NOTEBOOK = 200_000_000  # bytes; pictures are most of them
PROVIDED = {"display": print}
"""The names that a notebook has without making them."""

PYTHON_CELLS = frozenset({"time", "capture", "prun", "check"})
"""The cell magics that run their cell as Python among the notebook's names; what others run is not the notebook's."""

SUSPECT = re.compile(r"^[ \t]*[%!?]|\?[ \t]*;?[ \t]*$|=[ \t]*[!%]", re.MULTILINE)
MAGIC = re.compile(
    r"""(?P<indent>[ \t]*)
    (?: %time[ \t]+(?P<body>\S.*)                 # which runs the statement
      | [%!]
      | \?{1,2}[ \t]*[\w%]                        # ?name
      | [\w.%*]+[ \t]*\?{1,2}[ \t]*;?[ \t]*$      # name?
      | [\w.,\[\]'" \t]+=[ \t]*(?:!|%[ \t]*\w)    # names = !command
    )""",
    re.VERBOSE | re.MULTILINE,
)
TOKEN = re.compile(
    r'''"""(?:\\.|.)*?(?:"""|\Z) | \'\'\'(?:\\.|.)*?(?:\'\'\'|\Z) | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?
    | \#[^\n]* | \\\n | [^"'\#\\\n()\[\]{}]+ | .''',
    re.DOTALL | re.VERBOSE,
)


class Code(NamedTuple):
    """A cell that runs: its text as Python, as many lines as the cell has, and the file name of its code."""

    text: str
    file: str


def is_notebook(script: str) -> bool:
    """Whether a file is a notebook, by its name."""
    return script.lower().endswith(SUFFIX)


def folder_of(script: str) -> contextlib.AbstractContextManager[None]:
    """The folder in which a notebook runs, which is its own, entered; a script runs where its user is."""
    folder = os.path.dirname(os.path.abspath(script)) if is_notebook(script) else os.curdir
    return contextlib.chdir(folder)


def codes_of(data: bytes, script: str) -> list[Code]:
    """The cells of a notebook that run as Python, in order, their text known to linecache.

    Raises
    ------
    ScriptError
        It is no notebook, or one of another language.
    """
    codes = []
    for number, cell in enumerate(_cells(_parsed(data, script), script), 1):
        text = python_of(cell)
        if text is not None:
            code = Code(text, f"{os.path.abspath(script)}, cell {number}")
            linecache.cache[code.file] = (len(text), None, [line + "\n" for line in text.split("\n")], code.file)
            CELLS[code.file] = Cell(os.path.abspath(script), number)
            codes.append(code)
    return codes


def _parsed(data: bytes, script: str) -> dict[str, Any]:
    """The notebook as JSON says it."""
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ScriptError(f"{script}: it is no notebook, which is JSON: {error}") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        old = isinstance(notebook, dict) and "worksheets" in notebook
        raise ScriptError(f"{script}: it is a notebook of an older format: open it in Jupyter and save it again" if old
                          else f"{script}: it is no notebook: it has no list of cells")
    language = _language(notebook.get("metadata"))
    if not language.lower().startswith(("python", "ipython")):
        raise ScriptError(f"{script}: its kernel runs {shown(language)}, and only Python can be read")
    return notebook


def _language(metadata: Any) -> str:
    """The language of a notebook's kernel; Python where it does not say."""
    for section, key in (("language_info", "name"), ("kernelspec", "language")):
        held = metadata.get(section) if isinstance(metadata, dict) else None
        if isinstance(held, dict) and isinstance(held.get(key), str):
            return str(held[key])
    return "python"


def _cells(notebook: dict[str, Any], script: str) -> Iterator[str]:
    """The texts of the code cells that are not empty."""
    for place, cell in enumerate(notebook["cells"], 1):
        source = cell.get("source", "") if isinstance(cell, dict) else None
        text = "".join(map(str, source)) if isinstance(source, list) else source
        if not isinstance(text, str):
            raise ScriptError(f"{script}: it is no notebook: its cell {place} of all has no text")
        if cell.get("cell_type") == "code" and text.strip():
            yield text.replace("\r\n", "\n").replace("\r", "\n")


def python_of(cell: str) -> str | None:
    """A cell without magics and shell commands, line for line; None where a magic makes it another language.

    >>> python_of("%matplotlib inline\\nx = 1")
    'pass\\nx = 1'
    """
    lines = cell.split("\n")
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if not line.startswith("%%"):
            break
        if line[2:].split()[:1] not in [[name] for name in PYTHON_CELLS]:
            return None
        lines[number] = ""
    text = "\n".join(lines)
    return text if not SUSPECT.search(text) or _is_python(text) else "".join(_without_magics(text))


def _is_python(text: str) -> bool:
    try:
        parse_python(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _without_magics(text: str) -> Iterator[str]:
    """The logical lines of a cell, ``pass`` for each that is IPython's; a ``%`` inside parentheses is Python's."""
    at = 0
    while at < len(text):
        magic = MAGIC.match(text, at)
        end = _end_of_command(text, at) if magic else _end_of_statement(text, at)
        part = text[at:end]
        yield magic["indent"] + (magic["body"] or "pass") + "\n" * part.count("\n") if magic else part
        at = end


def _end_of_command(text: str, start: int) -> int:
    """Where a line ends, those after it that a backslash adds included."""
    end = start
    while end < len(text):
        end = text.find("\n", end) + 1 or len(text)
        if not text[start:end].rstrip("\n").endswith("\\"):
            break
    return end


def _end_of_statement(text: str, start: int) -> int:
    """Where a logical line of Python ends: outside of strings and parentheses."""
    depth = 0
    for token in TOKEN.finditer(text, start):
        depth += (token[0] in "([{") - (token[0] in ")]}")
        if token[0] == "\n" and depth <= 0:
            return token.end()
    return len(text)
