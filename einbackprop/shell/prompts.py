"""What a quiz reads and writes: the text of the script, the file with the mistake in it, and the answer."""

import io
import os
import sys
import tokenize
from dataclasses import replace
from pathlib import Path

from einbackprop.core.files import opened, reason, replace_file, reported_as
from einbackprop.core.records import dataclass
from einbackprop.errors import ScriptError
from einbackprop.notation.console import complain, say
from einbackprop.shell.answers import asked, proposed
from einbackprop.shell.notebooks import is_notebook
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.questions import Question
from einbackprop.shell.quiz import Original, Quiz
from einbackprop.shell.scripts import LARGEST_SCRIPT


@dataclass(frozen=True)
class ScriptText:
    """The text of a script, its lines ended by ``\\n``, and how the file has it."""

    text: str
    encoding: str
    newline: str

    def encoded(self, text: str) -> bytes:
        """Another text as bytes, as the file has its own."""
        return text.replace("\n", self.newline).encode(self.encoding)


def script_text(script: str) -> ScriptText:
    """The text of a script. Raises ScriptError where it cannot be read."""
    with reported_as(ScriptError, script), opened(script, LARGEST_SCRIPT) as file:
        data = file.read()
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        text = data.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise ScriptError(f"{script} cannot be read: {reason(error)}") from error
    newline = "\r\n" if "\r\n" in text else "\n"
    return ScriptText(text.replace("\r\n", "\n"), encoding, newline)


def quiz_of_script(script: str, question: Question, setup: str, level: int, seed: int) -> tuple[Quiz, ScriptText]:
    """A quiz of a script, and the script as it is; what is not asked is proposed, and said. Raises as `make_quiz` does.
    """
    if is_notebook(script):
        raise ScriptError(f"{script}: a quiz is made of a script, not of a notebook: save its cells as a script first")
    own, rewriting = script_text(script), None
    if question.is_empty:
        proposal = proposed(script, setup)[0]
        assert proposal.question is not None
        complain("\n".join(asked(proposal)))
        question, rewriting = proposal.question, proposal.source
        setup = "\n".join(filter(None, (setup, proposal.setup)))
    quiz = Original(rewriting or Rewriting(own.text), question, script, setup).quiz(level, seed)
    return replace(quiz, source=with_mistake(own.text, quiz)), own


def with_mistake(text: str, quiz: Quiz) -> str:
    """The user's own text with the mistake of a quiz, which was made of that, or of the same lines in a function."""
    lines = text.splitlines(keepends=True)
    lines[quiz.line - 1] = lines[quiz.line - 1].replace(quiz.original_line, quiz.wrong_line)
    return "".join(lines)


def write_quiz(quiz: Quiz, own: ScriptText, file: str, force: bool = False) -> None:
    """Write the script with the mistake. Raises ScriptError if it cannot be, or, unforced, if something is there."""
    if os.path.lexists(file) and not force:
        raise ScriptError(f"--write: {file} is there already: move it away or delete it first, or give --force")
    with reported_as(ScriptError, f"--write: {file} cannot be written"):
        replace_file(Path(file), lambda stream: stream.write(own.encoded(quiz.source)))


def asked_line() -> int | None:
    """The line that is typed at a prompt; None where nothing more is, or Ctrl-C was."""
    try:
        while True:
            say("Which line is it? ", end="")
            typed = sys.stdin.readline() if sys.stdin is not None else ""
            if not typed.endswith("\n") or not sys.stdin.isatty():  # no key has ended the line on the screen
                say("")
            if not typed:
                return None
            if typed.strip().isascii() and typed.strip().isdecimal():
                return int(typed)
            complain("the number of a line, such as 40")
    except KeyboardInterrupt:
        say("")
        return None
