"""Using a user's script as it is: run it as an import would, then evaluate expressions in it."""

import contextlib
import functools
import io
import linecache
import operator
import os
import random
import sys
import types
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path as FilePath
from typing import NamedTuple, Protocol

import numpy as np

from einbackprop.capture.tracer import Trace, of_values, record
from einbackprop.checking.elsewhere import told
from einbackprop.checking.problems import Problem, describe
from einbackprop.checking.reports import Report
from einbackprop.checking.solving import solve
from einbackprop.core.files import opened, reason, replace_file, reported_as, require_replaceable
from einbackprop.core.source import ADDED, name_of
from einbackprop.errors import CodeError, ScriptError
from einbackprop.notation import pages
from einbackprop.reading.reading import Reading, reading_of
from einbackprop.shell import notebooks
from einbackprop.shell.absent import missing_module, say_absent, say_once, standing_in
from einbackprop.shell.complaints import missing_file
from einbackprop.shell.execution import FUTURES, LeftOut, execute_what_can
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.questions import Question, problem_of
from einbackprop.shell.reach import Namespace, Reach, compiled, reach_of
from einbackprop.shell.setups import SIZES, letters_in
from einbackprop.shell.watch import watched
from einbackprop.world.drawing import undrawn

LARGEST_SCRIPT = 20_000_000
_STRATA = ((4,) * 8, (3, 3, 4, 4, 2, 2, 5, 5), (4, 3, 3, 2, 2, 5, 5, 4))


def check_script(
    script: str,
    loss: str,
    grads: str,
    wrt: Sequence[str],
    setup: str = "",
    seed: int = 0,
    seconds: float | None = None,
) -> Report:
    """Run a script and check the gradients that one expression gives of another; as `answer` does."""
    return answer(script, Question(wrt, loss, grads), setup, seed, seconds)


def answer(
    script: str, question: Question, setup: str = "", seed: int = 0, seconds: float | None = None,
    text: Rewriting | None = None, *, diagnosed: bool = True,
) -> Report:  # fmt: skip
    """Run a script and check what is asked of its gradients.

    Parameters
    ----------
    script
        Path of the file.
    question
        Expressions among the script's names, and what the gradients are with respect to: names, attributes ``net.W1``,
        items ``p["W1"]``.
    setup
        Statements that run after the script. Single letters in it that have no value become sizes,
        each its own: ``parameters, X, Y = initialize(i, j, k, l, b)``.
    seed
        Of the script's global random numbers and of the check's draws.
    seconds
        When to end, with what there is by then; the script itself does not count.
    text
        What is run in the place of the file's text, if anything.
    diagnosed
        Whether mistakes are looked for; else there are verdicts and lines.

    Raises
    ------
    ScriptError
        In one line: what could not be used, where, and why.
    OptionError
        The expressions do not go together.
    """
    question.required()

    def problem(names: Namespace) -> Problem:
        return problem_of(question, names, os.path.basename(script), seed)

    with run(script, seed=seed, text=text) as names:
        return answer_among(names, problem, setup, seed, seconds, diagnosed=diagnosed)


def answer_among(
    names: Namespace, problem: Callable[[Namespace], Problem], setup: str, seed: int, seconds: float | None, *,
    diagnosed: bool = True, unless_related: bool = False,
) -> Report:  # fmt: skip
    """Check what is asked of some names, after statements that make more of them. Raises as `answer` does.

    For ``diagnosed`` and ``unless_related`` see `einbackprop.checking.solving.solve`.
    """
    letters = _set_up(setup, names)
    elsewhere = partial(_elsewhere, setup, letters, names, problem) if letters else None
    asked = replace(problem(names), elsewhere=elsewhere)
    return solve(asked, seed, seconds, diagnosed=diagnosed, unless_related=unless_related)


def read_script(script: str, expression: str, setup: str = "", seed: int = 0, text: Rewriting | None = None) -> Reading:
    """Run a script, and read what an expression among its names does, line by line. Raises as `check_script` does.

    A ``text`` is run in the place of the file's.
    """
    with run(script, setup, seed, text=text) as names:
        reach = reach_of(names, {"EXPRESSION": expression}, os.path.basename(script))
        return replace(reading_of(traced(reach, names), list(reach.state.values())), title=expression)


class Shown(Protocol):
    """What can be printed as LaTeX, and written as a page."""

    @property
    def latex(self) -> str: ...

    def to_html(self) -> str: ...


def traced(reach: Reach, names: Namespace) -> Trace:
    """The trace of the one expression, its data as arguments under their own names."""
    return record(of_values(reach.functions[0], reach.state), tuple(reach.state.values()), tuple(reach.state))


@contextlib.contextmanager
def run(
    script: str, setup: str = "", seed: int = 0, text: Rewriting | None = None
) -> Iterator[Namespace]:
    """Execute a script, or the cells of a notebook in order, as an import would, then statements; yield its names.

    It sees its own ``sys.argv``, finds modules beside it, opens no window, and its
    ``if __name__ == "__main__"`` block does not run. What it prints goes to stderr. Functions of the
    script see names that are rebound in what is yielded. A ``text`` is run in the place of the file's; it prints and
    draws nothing.

    Statements that stop with an error are left out, and said. Raises ScriptError, of the first of these where what is
    done with the names raises one for lack of something.
    """
    with running(script, setup, seed, text) as (names, _):
        yield names


@contextlib.contextmanager
def running(
    script: str, setup: str = "", seed: int = 0, text: Rewriting | None = None
) -> Iterator[tuple[Namespace, tuple[BaseException, ...]]]:
    """The same, with the errors at which it stopped."""
    file = os.path.abspath(script)
    linecache.cache.pop(file, None)
    codes = _compiled(script) if text is None else [_code(text.text, file, script)]
    ADDED.pop(file, None)
    if text is not None:  # without a time of change, so that nobody looks the file up again
        linecache.cache[file] = (len(text.text), None, text.text.splitlines(keepends=True), file)
        ADDED[file] = text.added
    module = types.ModuleType(_module_name(script))
    module.__file__ = os.path.abspath(script)
    module.__dict__.update(notebooks.PROVIDED if notebooks.is_notebook(script) else {})
    printed = sys.stderr if text is None else io.StringIO()  # what the file itself prints was seen when it ran
    unseen = undrawn() if text is not None else contextlib.nullcontext()  # it was drawn when the file itself ran
    with _as_imported(script, module), notebooks.folder_of(script), contextlib.redirect_stdout(printed), unseen:
        absent, stops = _executed(codes, module, seed, "" if text is None else text.until)
        with standing_in(absent):
            try:
                _set_up(setup, module.__dict__)
                yield module.__dict__, tuple(stop.error.__cause__ for stop in stops if stop.error.__cause__)
            except ScriptError as error:
                if stops and not isinstance(error, CodeError):
                    raise stops[0].error from stops[0].error.__cause__
                say_left_out(stops if text is None else ())
                raise
            say_left_out(stops if text is None else ())


class Stop(NamedTuple):
    """The first error of a file or a cell, and what is said of all that was left out there."""

    error: ScriptError
    said: Sequence[str]


def _executed(
    codes: Sequence[types.CodeType], module: types.ModuleType, seed: int, until: str
) -> tuple[Collection[str], Sequence[Stop]]:
    """Execute code in a module, once more for each library that turns out to be absent; these libraries, and the files
    of which something was left out.
    """
    absent: dict[str, None] = {}
    before = dict(module.__dict__)
    while True:
        module.__dict__.clear()
        module.__dict__.update(before)
        np.random.seed(seed)
        random.seed(seed)
        try:
            with standing_in(absent):
                found = [(_executed_one(code, module, absent, until), name_of(code.co_filename)) for code in codes]
        except ModuleNotFoundError as error:
            missing = missing_module(error)
            absent[missing] = None
            say_absent(missing)
            continue
        return absent, [_left_out(left, file, absent) for left, file in found if left.error is not None]


def _executed_one(code: types.CodeType, module: types.ModuleType, absent: Collection[str], until: str) -> LeftOut:
    """Execute a file or a cell as far as it goes. Raises ModuleNotFoundError if a library turns out to be absent."""
    def ends(error: BaseException) -> bool:
        missing = missing_module(error)
        return bool(missing) and missing not in absent

    with watched(code.co_filename):
        return execute_what_can(code, module.__dict__, ends, until)


def write_page(html: str, file: str, force: bool = False) -> None:
    """Write a page. Raises ScriptError if it cannot be written, or, unforced, if what is there is no page of ours."""
    with reported_as(ScriptError, f"--html: {file} cannot be written"):
        require_replaceable(file, lambda ends: pages.MARK.encode() in ends, "a page of einbackprop", force)
        replace_file(file, lambda stream: stream.write(html.encode()))


def source_of(script: str) -> bytes:
    """What stands in a file. Raises ScriptError, with where it was looked for."""
    most = notebooks.LARGEST_NOTEBOOK if notebooks.is_notebook(script) else LARGEST_SCRIPT
    try:
        with opened(script, most) as file:
            return file.read()
    except OSError as error:
        where = missing_file(script) if isinstance(error, FileNotFoundError) else ""
        raise ScriptError(": ".join(filter(None, (script, reason(error), where)))) from error


def text_of(script: str) -> str:
    """The source of a script, or of all cells of a notebook. Raises ScriptError."""
    if notebooks.is_notebook(script):
        return "\n".join(code.text for code in notebooks.codes_of(source_of(script), script))
    return source_of(script).decode("utf-8", "replace")


def _compiled(script: str) -> list[types.CodeType]:
    """The code of a script, or of each cell of a notebook."""
    source = source_of(script)
    if not notebooks.is_notebook(script):
        return [_code(source, os.path.abspath(script), script)]
    codes: list[types.CodeType] = []
    for text, name in notebooks.codes_of(source, script):
        futures = functools.reduce(operator.or_, (code.co_flags & FUTURES for code in codes), 0)
        codes.append(_code(text, name, name_of(name), futures))
    return codes


def _code(source: bytes | str, file: str, script: str, futures: int = 0) -> types.CodeType:
    """Some source, compiled under a file name; ``futures`` are the flags of what earlier cells imported."""
    try:
        code: types.CodeType = compile(source, file, "exec", futures, dont_inherit=True)
    except (SyntaxError, ValueError, LookupError) as error:
        said = describe(error)
        named = os.path.basename(script) in said
        raise ScriptError(said if named else f"{script}: {said}") from error
    except (MemoryError, RecursionError) as error:
        raise ScriptError(f"{script}: it nests too deeply for Python") from error
    return code


def _module_name(script: str) -> str:
    """The script's own name, unless a module has it: a script may be called random.py."""
    stem = FilePath(script).stem
    taken = stem in sys.modules or stem in sys.stdlib_module_names or stem == "__main__"
    return f"script_{stem}" if taken else stem


@contextlib.contextmanager
def _as_imported(script: str, module: types.ModuleType) -> Iterator[None]:
    """Give a script the interpreter's state that an import would, and take it back."""
    argv, path, stdin = sys.argv, list(sys.path), sys.stdin
    modules, backend = set(sys.modules), os.environ.get("MPLBACKEND")
    drawn, python_drawn = np.random.get_state(), random.getstate()
    folder = os.path.dirname(os.path.abspath(script))
    sys.argv, sys.stdin = [script], io.StringIO()
    sys.path[:0] = [folder, os.getcwd()]  # what stands beside it, and packages of the project, as python -m finds them
    sys.modules[module.__name__] = module
    os.environ["MPLBACKEND"] = "Agg"
    try:
        yield
    finally:
        sys.argv, sys.path[:], sys.stdin = argv, path, stdin
        np.random.set_state(drawn)
        random.setstate(python_drawn)
        _forget(set(sys.modules) - modules, folder)
        sys.modules.pop(module.__name__, None)
        if backend is None:
            del os.environ["MPLBACKEND"]
        else:
            os.environ["MPLBACKEND"] = backend


def _forget(imported: set[str], folder: str) -> None:
    """Let go of modules that stand beside the script: another script may have others so named."""
    for name in imported:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and os.path.dirname(os.path.abspath(file)) == folder:
            del sys.modules[name]


def _execute(run_one: Callable[[Namespace], None], names: Namespace, what: str) -> None:
    try:
        run_one(names)
    except (Exception, SystemExit) as error:
        raise _stopped(error, what) from error


def _left_out(left: LeftOut, file: str, absent: Collection[str]) -> Stop:
    assert left.error is not None
    made = _stopped(left.error, file)
    lines = f"{file}: left out: line{'s' * (len(left.lines) > 1)} {', '.join(map(str, left.lines))}"
    is_known = bool(absent) and isinstance(left.error, ImportError | NameError)
    return Stop(made, (lines,) if is_known else (str(made), lines))


def say_left_out(stops: Sequence[Stop]) -> None:
    """Say which statements are left out, and why."""
    for stop in stops:
        for text in stop.said:
            say_once(text)


def _stopped(error: BaseException, what: str) -> ScriptError:
    """What is said of an error that some code of the user's stopped with."""
    if isinstance(error, SystemExit):
        made = ScriptError(f"{what}: it called sys.exit({error.code!r}): guard that with if __name__ == '__main__'")
    else:
        text = describe(error)
        made = ScriptError(text if text.startswith(what) else f"{what}: {text}")
    made.__cause__ = error
    return made


def _set_up(setup: str, names: Namespace) -> tuple[str, ...]:
    """Run the setup's statements; single letters in them that have no value become sizes, and are returned."""
    code = compiled(setup, "--setup", "exec")
    letters = letters_in(setup, names)
    if len(letters) > len(SIZES):
        raise ScriptError(f"--setup: at most {len(SIZES)} letters can be sizes, "
                          f"not {', '.join(letters)}")
    names.update(zip(letters, SIZES, strict=False))
    _execute(partial(exec, code), names, "--setup")
    return tuple(letters)


def _elsewhere(
    setup: str, letters: Sequence[str], names: Namespace, problem: Callable[[Namespace], Problem]
) -> Iterator[tuple[str, Problem]]:
    """The problem at other sizes of the setup's letters: all equal, then each equal to a neighbour."""
    code = compiled(setup, "--setup", "exec")
    for strata in _STRATA:
        sizes = strata[: len(letters)]
        names.update(zip(letters, sizes, strict=True))
        _execute(partial(exec, code), names, "--setup")
        try:
            made = problem(names)
        except ScriptError:  # what runs before the check does not at these sizes
            continue
        yield told(dict(zip(letters, sizes, strict=True))), made
