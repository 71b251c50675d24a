"""What runs in the page's Python: a question in JSON goes in, an answer in JSON comes out.

The code is written to a file, and asked as the command line asks a script. What the user can set right comes back as
``error``, in one line.
"""

import ast
import contextlib
import functools
import importlib.util
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from einbackprop.checking import reports
from einbackprop.checking.problems import place_of
from einbackprop.checking.source_edits import rewritten
from einbackprop.checking.verdicts import Finding
from einbackprop.core.progress import InternalFault, collecting, contained
from einbackprop.core.source import parse_python
from einbackprop.core.visible import one_line
from einbackprop.errors import CodeError, EinbackpropError, NothingError, OptionError
from einbackprop.reading import pages
from einbackprop.shell.absent import say_once
from einbackprop.shell.guesses import settle
from einbackprop.shell.proposals import Proposal, proposals_of, readings_of
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.questions import Question
from einbackprop.shell.scripts import answer, read_script, run, running
from einbackprop.web.commands import command_in

Answer = dict[str, Any]
Text = dict[str, Any] | None

NAME = "pasted.py"
"""What the code is called in what is said of it."""

SECONDS = 30.0
"""After which a check ends with what there is: somebody is typing."""

NOTHING = "Nothing in it was found to give gradients: say what the loss is, which call gives gradients, and of what."

OURS = "einbackprop: "  # begins a line that is not the code's own
MOST_PRINTED = 4000  # characters
EXPRESSIONS = ("loss", "grads", "both", "forward", "backward")

LACKING: tuple[tuple[type[BaseException], str, str], ...] = (
    (ModuleNotFoundError, "", "{name} is not to be had in this browser: take out what needs it, or run einbackprop "
     "where it is installed"),
    (FileNotFoundError, "", "no files stand beside the code in a browser: make the data in the code"),
    (RuntimeError, "can't start new thread", "a browser has no threads for Python: run einbackprop on your machine"),
    (OSError, "", "a browser lets Python reach neither files nor the network: run einbackprop on your machine"),
    (EOFError, "", "nobody can be asked for input here: put the value in the code"),
)  # fmt: skip
"""What code may need that a browser has not: the error that it meets, a part of its message, and what to do."""


def counting(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """A function of NumPy's that takes 64-bit integers as positions or counts, in an argument at a place, where those
    of this Python have 32 bits, as in a browser: NumPy refuses these, though ``rng.integers`` gives them.
    """
    @functools.wraps(function)
    def counted(*arguments: Any, **keywords: Any) -> Any:
        given = [one.astype(np.intp) if n == place and isinstance(one, np.ndarray) and one.dtype == np.int64 else one
                 for n, one in enumerate(arguments)]  # fmt: skip
        return function(*given, **keywords)

    return counted


if np.dtype(np.intp).itemsize < np.dtype(np.int64).itemsize:
    for called, at in (("bincount", 0), ("repeat", 1), ("unravel_index", 0), ("ravel_multi_index", 0)):
        setattr(np, called, counting(getattr(np, called), at))


def answered(request: str) -> str:
    """Answer a question: ``{"ask": "check", "code": …, …}``, with the arguments of that function here.

    Returns
    -------
    str
        A JSON object. It has ``error`` if the question could not be answered, ``marks`` for lines of the code,
        ``printed``, what the code printed, and ``said``, what was said of it meanwhile.
    """
    asked = json.loads(request)
    work = ASKED[asked.pop("ask")]
    printed = io.StringIO()
    say_once.cache_clear()  # each question is a run of its own
    with collecting() as faults, contextlib.redirect_stderr(printed):
        found = contained("the answer", functools.partial(_answer, work, asked), {"error": "nothing was decided"})
    if faults and "error" in found:
        found = {"error": _told(faults[-1])}
    lines = printed.getvalue().splitlines(keepends=True)
    said = [line.removeprefix(OURS).strip() for line in lines if line.startswith(OURS)]
    rest = "".join(line for line in lines if not line.startswith(OURS))
    return json.dumps({"marks": [], **found, "said": said, "printed": rest[-MOST_PRINTED:]})


def absent(request: str) -> str:
    """The modules that the code of a question imports and that are not here, as a JSON list."""
    try:
        tree = parse_python(json.loads(request).get("code", ""))
    except (SyntaxError, ValueError):
        return "[]"
    words = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    words += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    tops = dict.fromkeys(word.partition(".")[0] for word in words)
    return json.dumps([top for top in tops if top not in sys.modules and importlib.util.find_spec(top) is None])


def _answer(work: Callable[..., Answer], asked: Answer) -> Answer:
    try:
        return work(**asked)
    except EinbackpropError as error:
        said = re.sub(rf"\S*/{re.escape(NAME)}", NAME, one_line(str(error)))  # where it was written to says nothing
        return {"error": said + lacking(error), "marks": list(_stopped(error))}


def _told(fault: InternalFault) -> str:
    said = one_line(f"{fault.kind}: {fault.message}" if fault.message else fault.kind)
    return f"a mistake of einbackprop itself, not of your code: {said} at {fault.place}. Nothing was decided."


def lacking(error: BaseException) -> str:
    """What to do where the code stopped because a browser has not what it needs; empty where that is not why."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, part, advice in LACKING:
            if isinstance(cause, kind) and part in str(cause):
                return "; " + advice.format(name=getattr(cause, "name", None) or "it")
        cause = cause.__cause__
    return ""


def _stopped(error: EinbackpropError) -> Iterator[Answer]:
    """The line of the code on which it stopped, to be marked."""
    ours, cause = error if isinstance(error, CodeError) else None, error.__cause__
    place = ours.place if ours is not None else None
    if place is None and cause is not None:
        place = place_of(cause)
    if place is not None and place[0].endswith(NAME):
        said = ours.said if ours is not None else str(cause)
        yield {"line": place[1], "kind": "stopped", "message": one_line(said), "html": "", "write": "",
               "edits": []}  # fmt: skip


def check(
    code: str, wrt: str, setup: str = "", cotangent: str = "dout", hint: int = 0, text: Text = None,
    guess: bool = False, **expressions: str,
) -> Answer:  # fmt: skip
    """Judge the gradients of some code.

    Parameters
    ----------
    code
        The text of a script.
    wrt
        What the gradients are with respect to, between commas.
    hint
        The level of a hint that is to be given in place of the answer; 0 for none.
    text
        What is run in the place of the code, if anything, as a proposal says it.
    guess
        Whether nobody asked it: it was found in the code.
    setup, cotangent, **expressions
        As the options of ``einbackprop check``: ``loss``, ``grads``, ``both``, ``forward``, ``backward``.

    Returns
    -------
    dict
        The report as ``html``, its ``headline``, the ``exit`` code, and a mark for each line that is wrong.

    Raises
    ------
    EinbackpropError
        As `einbackprop.shell.scripts.answer` does.
    """
    question = Question(parts_of(wrt), cotangent=cotangent or "dout", **expressions)
    if not question.wrt:
        raise OptionError("nothing is given that the gradients are with respect to: name it, as in W1, b1")
    with _written(code) as script:
        if guess:
            with run(script, text=rewriting_of(text)) as names:
                report = settle(names, question, script, setup, 0, SECONDS).report
        else:
            report = answer(script, question, setup, 0, SECONDS, rewriting_of(text))
        report = report.hint(hint) if hint else report
        html = reports.part_of_page(report.gradients, report.lines, report.findings, report.assumptions,
                                    report.dimensions, report.faults)  # fmt: skip
    marks = [_mark(item, code) for item in report.findings if item.line and item.file == script]
    followers = sorted({line.line for line in report.lines if line.verdict == "follows" and line.file == script})
    return {"html": html, "headline": report.headline, "exit": report.exit_code, "marks": marks, "follows": followers}


def _mark(item: Finding, code: str) -> Answer:
    return {"line": item.line, "kind": "wrong", "message": item.message, "html": reports.mistake(item),
            "write": item.write or "", "edits": edits(code, item.line or 0, item.write or "")}  # fmt: skip


def quiz(
    code: str, wrt: str, level: int = 1, seed: int = 0, setup: str = "", cotangent: str = "dout", text: Text = None,
    **expressions: str,
) -> Answer:  # fmt: skip
    """One mistake put into some code, whose line is to be found.

    Parameters are those of `check`; ``level`` and ``seed`` those of `einbackprop.shell.quiz.make_quiz`.

    Returns
    -------
    dict
        The ``code`` with the mistake, what is ``asked``, the ``first`` and the ``last`` line that are right answers,
        the ``line``, what the mistake is about as ``kind``, and the line as it should be, ``original``.

    Raises
    ------
    EinbackpropError
        The code cannot be used, its gradients are not right, or no mistake of the level makes them wrong.
    """
    from einbackprop.shell.prompts import with_mistake
    from einbackprop.shell.quiz import Original

    question = Question(parts_of(wrt), cotangent=cotangent or "dout", **expressions)
    own = rewriting_of(text) or Rewriting(code)
    with _written(code) as script:
        made = Original(own, question, script, setup).quiz(int(level), seed)
    return {"code": with_mistake(code, made), "asked": made.asked, "first": made.first, "last": made.last,
            "line": made.line, "kind": made.kind, "original": made.original_line}  # fmt: skip


def read(code: str, expression: str, setup: str = "", draws: str = "", text: Text = None) -> Answer:
    """What an expression among the names of some code does, line by line, as ``html``. Raises EinbackpropError."""
    with _written(code) as script:
        reading = read_script(script, expression, "\n".join(filter(None, (setup, draws))), 0, rewriting_of(text))
        return {"html": pages.part_of_page(reading), "headline": f"{len(reading.lines)} lines read"}


def derive(code: str, loss: str, wrt: str, setup: str = "", target: str = "numpy", text: Text = None) -> Answer:
    """The gradient of a loss, derived: its equations as ``html``, and as Python in ``source``.

    Raises EinbackpropError.
    """
    wanted = parts_of(wrt)
    if not wanted:
        raise OptionError("nothing is given to differentiate with respect to: name it, as in W1, b1")
    # an eighth of the modules, for which the page need not wait
    from einbackprop.shell.derivations import derive_script

    with _written(code) as script:
        derived = derive_script(
            script, loss, wanted, setup, target=target, text=rewriting_of(text))  # type: ignore[arg-type]
        return {"html": derived.html, "source": str(derived), "headline": derived.title}


def propose(code: str, setup: str = "") -> Answer:
    """What the code seems to ask.

    Returns
    -------
    dict
        ``proposals``, the likeliest first, each with the ``fields`` of a question, other ``choices`` for them, and
        ``notes``. What its docstring says comes before what is found in it.

    Raises
    ------
    EinbackpropError
        The code cannot be run.
    """
    with _written(code) as script:
        again = functools.partial(running, script, setup)
        said, found = command_in(code), list[Proposal]()
        with contextlib.suppress(NothingError), again() as (names, errors):
            found = proposals_of(names, code, lambda rewriting: again(text=rewriting), errors)
            found = found or readings_of(names, code)
            if not found and said is None:
                raise NothingError(NOTHING)
    shown = found if said is None else [with_reading(said, found), *(one for one in found if not same(one, said))]
    offers = [offered(item, setup, guess=said is None or item.question != said.question) for item in shown]
    return {"proposals": offers, "notes": [] if shown else [NOTHING]}


def same(one: Proposal, other: Proposal) -> bool:
    """Whether two proposals are about the same expressions."""
    return one.question is not None and all(
        getattr(one.question, name) == getattr(other.question, name) for name in EXPRESSIONS if name != "grads")


def with_reading(said: Proposal, found: Sequence[Proposal]) -> Proposal:
    """What a docstring says, with what is to be read as it was found for the same expressions."""
    like = next((one for one in found if same(one, said)), said)
    return replace(said, expression=like.expression, draws=like.draws, choices=like.choices)


def offered(proposal: Proposal, setup: str = "", guess: bool = True) -> Answer:
    """A proposal as the page's fields hold it; ``more`` is what has to run after the reader's own setup. It is a
    ``guess`` unless the code itself says that this is asked.
    """
    question, made = proposal.question or Question(()), "; ".join(proposal.setup.splitlines())
    form = "both" if question.both else "layer" if question.forward else "apart"
    fields: Answer = {name: getattr(question, name) for name in EXPRESSIONS}
    fields |= {"form": form, "wrt": ", ".join(question.wrt), "cotangent": question.cotangent, "setup": setup or made,
               "more": made if setup else "", "guess": guess, "expression": proposal.expression,
               "draws": proposal.draws,
               "text": proposal.source and {**proposal.source._asdict(), "added": sorted(proposal.source.added)}}
    choices = {name: list(others) for name, others in proposal.choices.items() if others}
    return {"fields": fields, "choices": choices, "notes": list(proposal.notes),
            "title": question.grads or question.both or question.backward or proposal.expression}  # fmt: skip


def parts_of(text: str) -> list[str]:
    """``W1, p["b, 1"]`` in its parts, brackets around it or not; of what is no list of expressions, the whole."""
    try:
        tree = parse_python(f"[{text.strip()}]", "eval").body
    except (SyntaxError, ValueError):
        return [text.strip()]
    while isinstance(tree, ast.List | ast.Tuple):
        if len(tree.elts) != 1 or not isinstance(tree.elts[0], ast.List | ast.Tuple):
            return [ast.unparse(part) for part in tree.elts]
        tree = tree.elts[0]
    return [text.strip()]


def rewriting_of(text: Text) -> Rewriting | None:
    """What is run in the place of the code, as `offered` has told the page."""
    return Rewriting(**{**text, "added": frozenset(text["added"])}) if text else None


def edits(code: str, line: int, write: str) -> list[tuple[int, int, str]]:
    """The replacements by which a line becomes what is to be written, by positions as a browser counts them."""
    made = rewritten(code, line, write) if write else None

    def units(position: int) -> int:
        return len(code[:position].encode("utf-16-le")) // 2

    return [(units(start), units(end), text) for start, end, text in made or ()]


@contextlib.contextmanager
def _written(code: str) -> Iterator[str]:
    """The code as a file, for as long as it is asked."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder).resolve() / NAME
        script.write_bytes(code.encode("utf-8", "replace"))
        yield str(script)


ASKED: dict[str, Callable[..., Answer]] = {
    "propose": propose, "read": read, "check": check, "derive": derive, "quiz": quiz,
}  # fmt: skip
