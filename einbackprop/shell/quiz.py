"""A quiz: a script whose gradients are right, with one mistake put into it, and who finds the line has understood it.

The text of a script and what is asked of its gradients go in (`Original`), a `Quiz` comes out. Every mistake is tried:
the gradients of the script must be right before and wrong after, and the code must still run to its end.
"""

import ast
import contextlib
import io
import os
import random
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain, islice, zip_longest
from types import FrameType
from typing import Any

import numpy as np

from einbackprop.checking.deciding import decide
from einbackprop.checking.problems import Problem, with_arrays
from einbackprop.checking.reports import Report
from einbackprop.checking.source_edits import Text, rewritten
from einbackprop.checking.verdicts import Facts
from einbackprop.core.collecting import grouped
from einbackprop.core.nesting import duplicate
from einbackprop.core.records import dataclass
from einbackprop.core.source import parse_python
from einbackprop.core.visible import listed
from einbackprop.errors import OptionError, ScriptError
from einbackprop.shell.mistakes import LEVELS, OF_SHAPES, Mistake, mistakes_in
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.questions import Question, problem_of
from einbackprop.shell.scripts import answer, run

TRIES, IN_TURN = 80, 4
"""Mistakes that are tried for one quiz, at most, and of one kind before others are."""



@dataclass(frozen=True)
class Quiz:
    """A script with one mistake in it.

    Attributes
    ----------
    source : str
        The text with the mistake: it differs from the original in one line.
    line : int
        The line that is wrong.
    first, last : int
        Where the statement that it is in starts and ends.
    kind : str
        What the mistake is about.
    wrong_line, original_line : str
        The line as it is, and as it should be, without indentation.
    level : int
    wrong : tuple of str
        What the gradients that are wrong now are the gradients of.
    shown : tuple of pairs of int
        The first and the last line of each function that holds a line of the backward.
    """

    source: str
    line: int
    first: int
    last: int
    kind: str
    wrong_line: str
    original_line: str
    level: int
    wrong: tuple[str, ...]
    shown: tuple[tuple[int, int], ...]

    @property
    def listing(self) -> str:
        """The functions that compute the gradients, each line with its number."""
        lines, width = [*enumerate(self.source.splitlines(), 1)], len(str(self.shown[-1][1]))
        parts = ["\n".join(f"{n:>{width}}  {line}".rstrip() for n, line in lines[first - 1 : last])
                 for first, last in self.shown]  # fmt: skip
        return "\n\n".join(parts)

    @property
    def asked(self) -> str:
        """What is to be found."""
        gradients = "gradient" if len(self.wrong) == 1 else "gradients"
        return f"One line here is wrong, and with it the {gradients} of {listed(self.wrong)}."

    def is_right(self, line: int) -> bool:
        """Whether a line is the one, or one of the statement that it is in."""
        return self.first <= line <= self.last

    def answered(self, line: int) -> str:
        """Whether a line is the one, and what it should be."""
        said = f"Right: line {self.line} it is." if self.is_right(line) else f"No: it is line {self.line}, not {line}."
        return f"{said}\n{self.solution}"

    @property
    def solution(self) -> str:
        """The line as it is, as it should be, and what the mistake is about."""
        return (f"  line {self.line:<4} {self.wrong_line}\n  should be {self.original_line}\n"
                f"The mistake is about {self.kind}.")  # fmt: skip


def make_quiz(
    source: str, question: Question, level: int = 1, seed: int = 0, *, script: str = "script.py", setup: str = ""
) -> Quiz:
    """Put one mistake into a script whose gradients are right.

    Parameters
    ----------
    source
        The text of the script.
    question
        What is asked of its gradients, as `check` takes it.
    level
        1: a sign, a transpose, an operand. 2: a factor, an axis, a derivative. 3: a path, an index, an order.
    seed
        Which mistake it is, and all draws: the same seed gives the same quiz.
    script
        The path of the file, which need not be there: modules beside it are found.
    setup
        Statements that run after the script.

    Raises
    ------
    OptionError
        There is no such level, or the question's expressions do not go together.
    ScriptError
        The script cannot be used, its gradients are not right, or no mistake of that level makes them wrong.
    """
    return Original(Rewriting(source), question, script, setup).quiz(level, seed)


class Original:
    """A script whose gradients are right, from which quizzes are made; it is checked once.

    Parameters
    ----------
    text
        What is run; of the lines that are added, since they are not the user's, none is put wrong.
    question, script, setup
        As `make_quiz` takes them.
    """

    def __init__(self, text: Rewriting, question: Question, script: str = "script.py", setup: str = "") -> None:
        self._text, self.source, self.added = text, text.text, text.added
        self.question, self.script, self.setup = question.required(), script, setup
        self._path = os.path.abspath(script)

    def quiz(self, level: int = 1, seed: int = 0) -> Quiz:
        """A quiz of a level. Raises as `make_quiz` does."""
        if level not in LEVELS:
            raise OptionError(f"there is no level {level!r} of a quiz: there are 1, 2 and 3")
        rest = []
        for proposed in islice(self._proposed(level, random.Random(seed)), TRIES):
            wrong = self._wrong(proposed[0])
            is_of_shapes = proposed[2].kind in OF_SHAPES
            if any(facts.misshapen is None or is_of_shapes for facts in wrong):
                found = self._quiz(*proposed, level)
                if found is not None:
                    return found
            elif wrong:
                rest.append(proposed)
        for proposed in rest:
            found = self._quiz(*proposed, level)
            if found is not None:
                return found
        others = " or ".join(str(other) for other in LEVELS if other != level)
        raise ScriptError(f"{self.script}: no mistake of level {level} makes a gradient wrong here: try level {others}")

    @cached_property
    def statements(self) -> Sequence[tuple[ast.stmt, ast.AST]]:
        """The statements that compute the gradients, and not the loss, each with the function that it is in."""
        report = self._report(self.source)
        if not report.ok:
            raise ScriptError(f"{self.script}: the file is to be right first, and the check says {report.headline}")
        return self._of_backward(report)

    def _report(self, source: str) -> Report:
        """What the check says of the script with a text; only the first time, what it prints is shown."""
        quiet = contextlib.redirect_stderr(io.StringIO())
        with contextlib.nullcontext() if source == self.source else quiet:
            text = self._text._replace(text=source)
            return answer(self.script, self.question, self.setup, text=text, diagnosed=False)

    @contextlib.contextmanager
    def _problem(self, source: str) -> Iterator[Problem]:
        """The problem that the script with a text has, while that runs without a word of its own."""
        with np.errstate(all="ignore"), contextlib.redirect_stderr(io.StringIO()), \
                run(self.script, self.setup, text=self._text._replace(text=source)) as names:  # fmt: skip
            yield problem_of(self.question, names, os.path.basename(self.script), 0)

    def _wrong(self, source: str) -> list[Facts]:
        """The facts of the gradients that are wrong by a text; none where it stops, which shows the line itself."""
        try:
            with self._problem(source) as problem:
                decision = decide(problem, 0, False)
        except ScriptError:
            return []
        names = () if decision.error is not None else decision.trial.wrong
        return [facts for facts in decision.trial.facts if facts.name in names]

    def _proposed(self, level: int, random: random.Random) -> Iterator[tuple[str, ast.stmt, Mistake]]:
        """Texts with one line otherwise, the statement that it is in as it was, and the mistake: a few of each kind in
        turn, in an order that the random numbers decide."""
        kinds = grouped(
            (mistake.kind, (statement, mistake))
            for statement, function in self.statements
            for mistake in mistakes_in(statement, variables(function, statement), level)
        )  # fmt: skip
        groups = [kinds[kind] for kind in sorted(kinds)]
        for group in groups:
            random.shuffle(group)
        random.shuffle(groups)
        turns = ([group[at : at + IN_TURN] for at in range(0, len(group), IN_TURN)] for group in groups)
        for statement, mistake in chain.from_iterable(filter(None, chain.from_iterable(zip_longest(*turns)))):
            source = with_statement(self.source, statement, mistake.statement)
            if len(differing(self.source, source)) == 1:
                yield source, statement, mistake

    def _quiz(self, source: str, statement: ast.stmt, mistake: Mistake, level: int) -> Quiz | None:
        """The quiz of a mistake that runs show; None where the whole check does not call a gradient wrong."""
        report = self._report(source)
        if report.exit_code != 1:
            return None
        (line,) = differing(self.source, source)
        first, last = span(statement)
        functions = sorted({span_of_function(function) for _, function in self.statements})
        shown = tuple(one for one in functions if not any(is_within(one, other) for other in functions))
        return Quiz(
            source, line, first, last, mistake.kind, source.splitlines()[line - 1].strip(),
            self.source.splitlines()[line - 1].strip(), level,
            tuple(item.name for item in report.gradients if item.verdict == "wrong"), shown,
        )  # fmt: skip

    def _of_backward(self, report: Report) -> Sequence[tuple[ast.stmt, ast.AST]]:
        """The statements that the gradients run and the loss does not; where one function gives both, those from the
        first on that makes a gradient, as far as it was read. What is computed again as the loss does is none of them.
        """
        with self._problem(self.source) as problem:
            state = with_arrays(problem)
            of_loss, of_gradients = (
                lines_run(partial(function, duplicate(state)), self._path)
                for function in (problem.loss, problem.gradients)
            )  # fmt: skip
        found = [*statements_in(parse_python(self.source))]
        own = of_gradients - of_loss
        if not own:
            meant = {line.line for line in report.lines if line.file == self._path and "∂" in line.meaning}
            starts = grouped((function, statement.lineno) for statement, function in found if is_on(statement, meant))
            for function, lines in starts.items():
                own |= of_gradients.intersection(range(min(lines), span_of_function(function)[1] + 1))
        again = {ast.dump(statement) for statement, _ in found if is_on(statement, of_loss - own)}
        return [(statement, function) for statement, function in found
                if is_on(statement, own - self.added) and ast.dump(statement) not in again]  # fmt: skip


def lines_run(call: Callable[[], Any], file: str) -> set[int]:
    """The lines of a file that a call runs."""
    lines: set[int] = set()

    def on_line(frame: FrameType, event: str, argument: Any) -> Any:
        lines.add(frame.f_lineno)
        return on_line

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        return on_line if frame.f_code.co_filename == file else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        call()
        return lines
    finally:
        sys.settrace(before)


def statements_in(tree: ast.AST, function: ast.AST | None = None) -> Iterator[tuple[ast.stmt, ast.AST]]:
    """The statements of functions that compute something, and the loops, each with its function."""
    for node in ast.iter_child_nodes(tree):
        if function is not None and isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.For):
            yield node, function
        yield from statements_in(node, node if isinstance(node, ast.FunctionDef) else function)


def span(statement: ast.stmt) -> tuple[int, int]:
    """The first and the last line of a statement; of a loop, of what stands before its body."""
    if isinstance(statement, ast.For):
        return statement.lineno, max(statement.lineno, statement.body[0].lineno - 1)
    return statement.lineno, statement.end_lineno or statement.lineno


def is_on(statement: ast.stmt, lines: Collection[int]) -> bool:
    """Whether a statement stands on one of some lines."""
    first, last = span(statement)
    return any(first <= line <= last for line in lines)


def span_of_function(function: Any) -> tuple[int, int]:
    """The first and the last line of a function, its decorators included."""
    return min([function.lineno, *(d.lineno for d in function.decorator_list)]), function.end_lineno


def is_within(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether lines are some of others."""
    return one != other and other[0] <= one[0] and one[1] <= other[1]


def variables(function: Any, statement: ast.stmt) -> list[str]:
    """The variables of a function that are bound on a line above a statement."""
    arguments = [argument.arg for argument in function.args.args if argument.arg != "self"]
    stored = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
              and node.lineno < statement.lineno and node.id != "_"]  # fmt: skip
    return [*dict.fromkeys((*arguments, *stored))]


def with_statement(source: str, old: ast.stmt, new: ast.stmt) -> str:
    """A text with a statement written otherwise, in the user's own spelling; as it is where that cannot be done."""
    text = ast.unparse(ast.fix_missing_locations(new))
    replacements = rewritten(source, old.lineno, text.splitlines()[0] if isinstance(old, ast.For) else text)
    made = source if replacements is None else Text(source).changed(replacements)
    for number in differing(source, made):
        if not any(True for _ in barer(source, number)):  # else the user likes them
            while (plain := next(barer(made, number), "")):
                made = plain
    return made


def barer(text: str, number: int) -> Iterator[str]:
    """The text with a pair of parentheses less on a line, where they say nothing: what is left of ``(p - y) / n``
    without y shows where something was."""
    ends: list[int] = []
    for at, character in enumerate(text.splitlines()[number - 1]):
        if character == "(":
            ends.append(at)
        elif character == ")" and ends:
            plain = with_line(text, number, partial(without, places=(ends.pop(), at)))
            if is_same(plain, text):
                yield plain


def without(line: str, places: Collection[int]) -> str:
    """A line without the characters at some places."""
    return "".join(character for at, character in enumerate(line) if at not in places)


def with_line(text: str, number: int, change: Callable[[str], str]) -> str:
    """A text with one line changed."""
    lines = text.splitlines(keepends=True)
    lines[number - 1] = change(lines[number - 1])
    return "".join(lines)


def is_same(one: str, two: str) -> bool:
    """Whether two texts are the same code."""
    try:
        return ast.dump(parse_python(one)) == ast.dump(parse_python(two))
    except SyntaxError:
        return False


def differing(one: str, two: str) -> list[int]:
    """The numbers of the lines in which two texts differ; none where one has more lines."""
    mine, theirs = one.splitlines(), two.splitlines()
    pairs = enumerate(zip(mine, theirs, strict=False), 1)
    return [number for number, (a, b) in pairs if a != b] if len(mine) == len(theirs) else []
