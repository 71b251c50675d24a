"""The user's words for axes: from annotations, comments and docstrings of the code to dimensions of a trace.

``x: Float[np.ndarray, "batch dim"]``, ``h = x @ W  # (N, H)`` and ``x: input data, of shape (N, D)`` in a docstring all
say what the axes of an array are called. A word of a statement's own comment is about what it binds; the others are
about the name that stands beside them, in the function that they stand in.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from ..core.dimensions import Axis
from ..core.records import dataclass
from ..core.source import parse_python, statements_of, statements_of_text
from .bindings import Held, Run, in_memory
from .recorder import Recorder

Words = tuple[str, ...]
"""What each axis is called; empty for one without a word, and ``...`` for any number of axes."""
SHAPE = re.compile(r"[(\[]([\w.+*/ -]+,[\w.+*/, -]*)[)\]]|\b([A-Z]\w*(?:\s*[x×]\s*[A-Z]\w*)+)\b")
NAMES = r"(?:^|[\s,;(])[-*]?\s*((?:[A-Za-z_]\w*\s*,\s*)*[A-Za-z_]\w*)"
EXPLAINED = re.compile(rf"{NAMES}\s*(?:[:=](?!=)|--|[—–])")
BESIDE = re.compile(rf"{NAMES}(?:\.shape)?\s*(?:==|is|has)?\s*(?:of\s+)?(?:shape)?\s*(?=[(\[])")


@dataclass(frozen=True)
class Said:
    """What one function says of axes: of what a statement binds, by its line, and of names; what comes first goes
    first."""

    of_statements: Mapping[int, tuple[Words, ...]]
    of_names: Mapping[str, tuple[Words, ...]]


class Spoken:
    """What one text says of axes, read function by function, where it is asked for.

    Parameters
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self.statements = statements_of_text(text)
        defined = [node for node in self.statements.all if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        self.functions = {node.lineno: node for node in defined}
        self._said: dict[int, Said] = {}

    def function_at(self, line: int) -> int:
        """The line of the ``def`` of the innermost function around a line; 0 where there is none."""
        return max((first for first, node in self.functions.items() if first <= line <= last_line(node)), default=0)

    def said(self, function: int) -> Said:
        """What a function says, by the line of its ``def``; what stands outside of all, for 0."""
        if function not in self._said:
            self._said[function] = self._read(function)
        return self._said[function]

    def _read(self, function: int) -> Said:
        node = self.functions.get(function)
        lines = self.statements.text.splitlines(keepends=True)
        first, last = (node.lineno, last_line(node)) if node else (1, len(lines))
        found = comments_of("".join(lines[first - 1 : last]))
        comments = {line + first - 1: text for line, text in found if self.function_at(line + first - 1) == function}
        apart = dict(comments)  # the comments that belong to no statement
        of_statements: dict[int, tuple[Words, ...]] = {}
        for statement in self.statements.all:
            if not first <= statement.lineno <= last or hasattr(statement, "body"):
                continue
            if self.function_at(statement.lineno) == function:
                noted = annotated(statement.annotation) if isinstance(statement, ast.AnnAssign) else []
                for line in range(statement.lineno, last_line(statement) + 1):
                    noted += shapes_in(comments.get(line, ""))
                    apart.pop(line, None)
                if noted:
                    of_statements[statement.lineno] = tuple(noted)
        beside = (named for text in apart.values() for named in named_shapes(text))
        names: dict[str, tuple[Words, ...]] = {}
        for name, words in chain(
            of_arguments(node, comments) if node else (), beside, of_docstring(node) if node else ()
        ):  # fmt: skip
            names[name] = (*names.get(name, ()), words)
        return Said(of_statements, names)


def words_of_axes(recorder: Recorder, runs: Iterable[Run]) -> dict[Axis, list[str]]:
    """The user's words for each dimension, those of annotations first.

    Parameters
    ----------
    recorder : Recorder
    runs : iterable of Run
        The statements that were run, in order.
    """
    found: dict[Axis, dict[str, None]] = {}
    told: set[tuple[str, int, int, str]] = set()
    files: dict[str, Spoken] = {}
    for run in runs:
        statement = run.statement
        if statement.file not in files:
            files[statement.file] = spoken_in(statements_of(statement.file).text)
        spoken = files[statement.file]
        function = spoken.function_at(statement.line)
        said = spoken.said(function)
        for words, held in of_statement(said.of_statements.get(statement.line, ()), run):
            name_axes(recorder, held, words, found)
        names = said.of_names
        for seen in (*run.reads, *run.binds) if names else ():
            call = statement.file, function, id(run.caller), seen.text
            if seen.text in names and call not in told:
                told.add(call)
                for words in names[seen.text]:
                    name_axes(recorder, seen.held, words, found)
    return {axis: list(words) for axis, words in found.items()}


def of_statement(shapes: Sequence[Words], run: Run) -> Iterator[tuple[Words, Held]]:
    """Which shape of a comment is that of which array that the statement binds: the last one, unless there is one for
    each."""
    bound = [seen.held for seen in run.binds if seen.rank == 0]
    if len(bound) > 1:
        yield from zip(shapes, bound, strict=True) if len(shapes) == len(bound) else ()
    elif bound:
        yield from ((words, bound[0]) for words in shapes[::-1])


def name_axes(recorder: Recorder, held: Held, words: Words, found: dict[Axis, dict[str, None]]) -> None:
    """Give the axes of an array the words of a shape, where it has as many axes."""
    place = in_memory(recorder, held)
    if place is None:
        return
    name, axes = place
    if "..." in words:
        before = words.index("...")
        after = len(words) - before - 1
        words = words[:before] + ("",) * (len(axes) - before - after) + words[before + 1 :]
    if len(words) != len(axes):
        return
    for word, stored in zip(words, axes, strict=True):
        if word and len(stored) == 1:
            axis = recorder.axes[name][stored[0]].root()
            found.setdefault(axis, {})[word] = None


@functools.lru_cache(maxsize=256)
def spoken_in(text: str) -> Spoken:
    """What a text says of the axes of its arrays: nothing where it is no Python."""
    return Spoken(text)


def of_arguments(
    node: ast.FunctionDef | ast.AsyncFunctionDef, comments: Mapping[int, str]
) -> Iterator[tuple[str, Words]]:
    """What annotations say of arguments, and comments on lines of their own: the name, the words."""
    for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
        comment = comments.get(argument.lineno, "") if argument.lineno != node.lineno else ""
        for words in (*annotated(argument.annotation), *shapes_in(comment)):
            yield argument.arg, words


def of_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, Words]]:
    """What a docstring says of names: the name, the words."""
    for sentence in (ast.get_docstring(node) or "").splitlines():
        yield from named_shapes(sentence)


def last_line(node: ast.stmt) -> int:
    """The line on which a statement ends."""
    return node.end_lineno or node.lineno


def comments_of(text: str) -> Iterator[tuple[int, str]]:
    """The comment of each line that has one."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, IndentationError):
        return


def annotated(annotation: ast.expr | None) -> list[Words]:
    """The words of an annotation such as ``Float[np.ndarray, "batch dim"]``, as jaxtyping has them."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = parse_python(annotation.value, "eval").body
        except SyntaxError:
            return []
    if not isinstance(annotation, ast.Subscript) or not isinstance(annotation.slice, ast.Tuple):
        return []
    texts = [e.value for e in annotation.slice.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    return [tuple(map(word_of, one.split())) for one in texts if one.strip()]


def word_of(item: str) -> str:
    """What an item of a shape says: a name, ``...`` for any number of axes; nothing where it is a number or a sum."""
    item = item.strip()
    if item.startswith(("...", "*")):
        return "..."
    plain = item.lstrip("#?").rpartition("=")[2]  # jaxtyping: sizes that broadcast, and names of numbers
    return plain if plain.isidentifier() else ""


def shapes_in(text: str, spoken: Callable[[str], str] = word_of) -> list[Words]:
    """The shapes that a text speaks of: ``(N, D)``, ``[N, D]``, ``N x D``; ``spoken`` says what each item is."""
    found = []
    for match in SHAPE.finditer(text):
        items = re.split(r"\s*[x×]\s*", match[2]) if match[2] else match[1].rstrip(", ").split(",")
        found.append(tuple(map(spoken, items)))
    return [words for words in found if any(words)]


def named_shapes(line: str, spoken: Callable[[str], str] = word_of) -> Iterator[tuple[str, Words]]:
    """The names that a line speaks of, each with the shape that stands after it: ``- x: data, of shape (N, D)``, or
    ``x (N, D)``."""
    matches = list(EXPLAINED.finditer(line)) or list(BESIDE.finditer(line))
    for n, match in enumerate(matches):
        stop = matches[n + 1].start(1) if n + 1 < len(matches) else len(line)
        shape = shapes_in(line[match.end(1) : stop], spoken)[:1]
        for called in match[1].split(",") if shape else ():
            yield called.strip(), shape[0]
