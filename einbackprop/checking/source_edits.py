"""A statement rewritten in the user's own text: what the edit does not touch keeps its comments, spacing and breaks.

In go a text, a statement of it and what to write instead; out come replacements of parts of the text. They are the
smallest that the two syntax trees allow: one operator, one operand, one call. Whether the changed text says what is to
be written is seen by parsing it again; where it does not, the whole statement is replaced.

What a report says to write is also given as one patch of the user's files, for ``patch -p0`` and ``git apply``.
"""

import ast
import copy
import difflib
import io
import itertools
import os
import re
import tokenize
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from einbackprop.checking.verdicts import Finding
from einbackprop.core.collecting import grouped
from einbackprop.core.files import opened, reason
from einbackprop.core.source import CELLS, is_question, name_of, parse_python
from einbackprop.core.visible import visible

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**", ast.FloorDiv: "//",
    ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.And: "and", ast.Or: "or",
}  # fmt: skip
BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
ATOMS = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.JoinedStr)
HELD = "einbackprop_held_"


class Replacement(NamedTuple):
    """Part of a text, by positions of characters, and what stands there instead."""

    start: int
    end: int
    text: str


class Text:
    """A text with the positions that a syntax tree gives: lines, and columns in bytes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line))

    def position(self, line: int, column: int) -> int:
        """Where a line and a column in bytes are."""
        return self._starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node: Any) -> tuple[int, int]:
        """Where a node starts and ends."""
        return self.position(node.lineno, node.col_offset), self.position(node.end_lineno, node.end_col_offset)

    def of(self, node: Any) -> str:
        """A node as the user wrote it."""
        start, end = self.span(node)
        return self.text[start:end]

    def within_parentheses(self, node: Any) -> tuple[int, int]:
        """Where a node with the parentheses around it starts and ends, if there are any."""
        start, end = self.span(node)
        before, after = self.text[:start].rstrip(), self.text[end:].lstrip()
        if before.endswith("(") and after.startswith(")"):
            return len(before) - 1, len(self.text) - len(after) + 1
        return start, end

    @cached_property
    def quote(self) -> str:
        """The quotes in which most of its short strings stand."""
        found = [quote for quote, _ in re.findall(r"""(?<=[\[(,=])[ ]*f?(['"])(?!\1)([\w{}]*)\1""", self.text)]
        return max("'\"", key=found.count)

    def requoted(self, code: str) -> str:
        """Code as Python writes it, with these quotes."""
        return code.replace("'", self.quote) if '"' not in code else code

    def changed(self, replacements: Sequence[Replacement]) -> str:
        """The text with its parts replaced."""
        text = self.text
        for start, end, new in sorted(replacements, reverse=True):
            text = text[:start] + new + text[end:]
        return text


def rewritten(text: str, line: int, write: str) -> list[Replacement] | None:
    """The replacements by which the statement on a line becomes what is to be written; None where that cannot be done.

    Parameters
    ----------
    text
        Of the whole file.
    line
        Where the statement starts.
    write
        One statement or several, in any spelling.
    """
    found = _rewritten(text, line, write)
    return None if found is None else [*found]


@lru_cache(maxsize=64)
def _rewritten(text: str, line: int, write: str) -> tuple[Replacement, ...] | None:
    source, meant = Text(text), _meant(text, line, write)
    if meant is None:
        return None
    tree, old, wanted = meant
    number = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)].index(old)
    ways = {tuple(way) for way in _ways(source, old, wanted[0])} if len(wanted) == 1 else set()
    for replacements in sorted(ways, key=lambda way: (*_cost(source, way), way)):
        if _says(source.changed(replacements), number, wanted[0]):
            return replacements
    start, end = source.span(old)
    indent = source.text[source.position(line, 0):start]
    if any(isinstance(getattr(old, name, None), list) for name in BODIES):
        return _beside(source, old, wanted, write.splitlines(), indent)
    whole = [Replacement(start, end, ("\n" + indent).join(write.splitlines()))]
    return (*whole,) if not indent.strip() or len(wanted) == 1 else None


def _beside(
    source: Text, old: ast.stmt, wanted: list[ast.stmt], lines: list[str], indent: str
) -> tuple[Replacement, ...] | None:
    """New statements before one with a body, or after it; None where its head is to be written otherwise."""
    start, end = source.span(old)
    if indent.strip() or len(wanted) < 2 or source.text.startswith("elif", start):
        return None
    if _plain(wanted[-1]) == _plain(old):
        return (Replacement(start, start, "".join(f"{line}\n{indent}" for line in lines[:-1])),)
    if _plain(wanted[0]) == _plain(old):
        return (Replacement(end, end, "".join(f"\n{indent}{line}" for line in lines[1:])),)
    return None


@lru_cache(maxsize=4096)
def _dump(node: ast.AST) -> str:
    """A node as a text; each is asked for many times, and stays as it is."""
    return ast.dump(node)


def _meant(text: str, line: int, write: str) -> tuple[ast.Module, ast.stmt, list[ast.stmt]] | None:
    """A text as a tree, the statement of it on a line that is most like what is to be written, and that."""
    try:
        tree, wanted = parse_python(text), _statements(write)
    except (SyntaxError, ValueError):
        return None
    found = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno == line]
    if not found or not wanted:
        return None
    return tree, max(found, key=lambda node: _likeness(node, wanted[0])), wanted


def _statements(write: str) -> list[ast.stmt]:
    body = write.removeprefix("el") if write.startswith("elif ") else write
    try:
        return parse_python(body).body
    except SyntaxError:  # the head alone of a statement with a body
        return parse_python(re.sub(r":$", ": pass", body, flags=re.MULTILINE)).body


def _likeness(node: ast.stmt, wanted: ast.stmt) -> tuple[bool, int]:
    """How much alike two statements are: of one kind, and of how many same nodes."""
    mine, theirs = ({_dump(item) for item in ast.walk(tree)} for tree in (node, wanted))
    return type(node) is type(wanted), len(mine & theirs)


def _says(text: str, number: int, wanted: ast.stmt) -> bool:
    """Whether the statement of a text, by its number in a walk, is the wanted one, and there are as many as before."""
    try:
        found = [node for node in ast.walk(parse_python(text)) if isinstance(node, ast.stmt)]
    except (SyntaxError, ValueError):
        return False
    return number < len(found) and _plain(found[number]) == _plain(wanted)


def _plain(node: Any) -> str:
    """A statement as a text that tells it from others; of one with a body, its head."""
    bare = copy.copy(node)
    for name in BODIES:
        if isinstance(getattr(node, name, None), list):
            setattr(bare, name, [])
    return ast.dump(bare)


def _ways(source: Text, old: ast.stmt, new: ast.stmt) -> Iterator[list[Replacement]]:
    """Replacements to try: as they are, in parentheses, with parentheses around what is kept; part by part or around
    what is kept whole.
    """
    for flags in itertools.product((False, True), repeat=len(Way._fields)):
        made = _differences(source, old, new, Way(*flags))
        if made is not None:
            yield made


class Way(NamedTuple):
    """How a node is replaced: in parentheses; with parentheses around what is kept of it; as a whole as soon as one is
    part of the other; together with the parentheses around it; as the left side of an operation that is written after
    it.
    """

    outer: bool
    inner: bool
    around: bool
    over: bool
    grown: bool


def _cost(source: Text, way: Sequence[Replacement]) -> tuple[int, int]:
    """How many words and signs are taken out and put in, and how many characters are in the parts replaced; parentheses
    that would be left around a name, or around others, count as more than it takes to take them out.
    """
    cost = 0
    for start, end, text in way:
        mine, theirs = (re.findall(r"\w+|\s+|\S", part) for part in (source.text[start:end], text))
        matcher = difflib.SequenceMatcher(None, mine, theirs, autojunk=False)
        cost += sum((b - a) + (d - c) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal")
        around = re.search(r"(?:^|[^\w\s)\]])\s*\($", source.text[:start]) and source.text[end:].lstrip()[:1] == ")"
        cost += 3 * bool(around and text.isidentifier())
        cost += 2 * (text.startswith("(") and mine[:1] != ["("])  # as if a call's were kept
        is_within = source.text[:start].rstrip().endswith("(") and source.text[end:].lstrip().startswith(")")
        cost += 6 * (is_in_parentheses(text) and (is_within or is_in_parentheses(text[1:-1])))
    return cost, sum(end - start + len(text) for start, end, text in way)


def is_in_parentheses(text: str) -> bool:
    """Whether an expression is in parentheses as a whole.

    >>> is_in_parentheses("(a + (b))"), is_in_parentheses("(a) + (b)")
    (True, False)
    """
    depths = itertools.accumulate((char == "(") - (char == ")") for char in text[:-1])
    return text.startswith("(") and text.endswith(")") and all(depths)


def _differences(source: Text, old: Any, new: Any, way: Way) -> list[Replacement] | None:
    """Replace the smallest nodes that differ; None where two statements have nothing in common."""
    if _dump(old) == _dump(new):
        return []
    if isinstance(old, ast.Subscript) and isinstance(new, ast.Subscript) and _has_other_indices(old, new):
        inside = _differences(source, old.value, new.value, way)
        text = _spelled(source, old.slice, new.slice, way.inner)[1:-1]  # no parentheses around indices: W[j, k]
        return None if inside is None else [*inside, Replacement(*source.span(old.slice), text)]
    if way.grown and isinstance(old, ast.expr) and isinstance(new, ast.BinOp) and not _is_alike(old, new):
        left = _differences(source, old, new.left, way._replace(grown=False))
        end = (source.within_parentheses(old) if way.outer else source.span(old))[1]
        right = _spelled(source, old, new.right, way.inner)
        return None if left is None else [*left, Replacement(end, end, f" {OPERATORS[type(new.op)]} {right}")]
    found: tuple[list[Replacement], list[tuple[Any, Any]]] | None = None
    if not (way.around and _is_part(old, new)):
        is_alike = type(old) is type(new) and not isinstance(old, ast.JoinedStr)  # whose parts have no places
        pairs = _children(old, new) if is_alike else None
        found = ([], pairs) if pairs is not None else _other_operator(source, old, new)
    if found is not None:
        replacements, pairs = found
        for one, two in pairs:
            part = _differences(source, one, two, way)
            if part is None:
                return None
            replacements += part
        return replacements
    if not isinstance(old, ast.expr) or not isinstance(new, ast.expr):
        return None
    text = _spelled(source, old, new, way.inner)
    span = source.within_parentheses(old) if way.over else source.span(old)
    return [Replacement(*span, f"({text})" if way.outer and not isinstance(new, ATOMS) else text)]


def _has_other_indices(old: ast.Subscript, new: ast.Subscript) -> bool:
    """Whether another number of indices is to be written, of which there are several."""
    count = len(old.slice.elts) if isinstance(old.slice, ast.Tuple) else 1
    return isinstance(new.slice, ast.Tuple) and len(new.slice.elts) not in (0, count)


def _is_part(old: ast.AST, new: ast.AST) -> bool:
    """Whether one of two expressions is part of the other."""
    mine, theirs = _dump(old), _dump(new)
    held = mine in map(_dump, ast.walk(new)) or theirs in map(_dump, ast.walk(old))
    return held and isinstance(old, ast.expr)


def _is_alike(old: ast.expr, new: ast.BinOp) -> bool:
    """Whether two expressions are the same operation."""
    return isinstance(old, ast.BinOp) and type(old.op) is type(new.op)


def _children(old: Any, new: Any) -> list[tuple[Any, Any]] | None:
    """The nodes under two, in pairs, if whatever else the two hold is the same."""
    pairs: list[tuple[Any, Any]] = []
    for name in old._fields:
        one, two = getattr(old, name, None), getattr(new, name, None)
        if name in BODIES and isinstance(one, list):
            continue
        ones, twos = (one, two) if isinstance(one, list) and isinstance(two, list) else ([one], [two])
        if len(ones) != len(twos):
            return None
        for first, second in zip(ones, twos, strict=True):
            if isinstance(first, ast.expr | ast.keyword | ast.comprehension) and isinstance(second, ast.AST):
                pairs.append((first, second))
            elif _dumped(first) != _dumped(second):
                return None
    return pairs


def _dumped(value: Any) -> Any:
    return _dump(value) if isinstance(value, ast.AST) else (type(value), value)


def _other_operator(source: Text, old: Any, new: Any) -> tuple[list[Replacement], list[tuple[Any, Any]]] | None:
    """Where the two differ in an operator, or in how they assign: its replacement, and the nodes on its sides."""
    match old, new:
        case ast.BinOp(), ast.BinOp():
            signs = OPERATORS[type(old.op)], OPERATORS[type(new.op)]
            left, right, pairs = old.left, old.right, [(old.left, new.left), (old.right, new.right)]
        case ast.Compare(ops=[one]), ast.Compare(ops=[two]):
            signs = OPERATORS.get(type(one), ""), OPERATORS.get(type(two), "")
            left, right = old.left, old.comparators[0]
            pairs = [(old.left, new.left), (old.comparators[0], new.comparators[0])]
        case (ast.Assign(targets=[_]) | ast.AugAssign()), (ast.Assign(targets=[_]) | ast.AugAssign()):
            mine, theirs = (node.targets[0] if isinstance(node, ast.Assign) else node.target for node in (old, new))
            signs = _assignment(old), _assignment(new)
            left, right, pairs = mine, old.value, [(mine, theirs), (old.value, new.value)]
        case _:
            return None
    start, end = source.span(left)[1], source.span(right)[0]
    at = _sign_in(source.text[start:end], signs[0])
    if at is None or not signs[1]:
        return None
    return [Replacement(start + at, start + at + len(signs[0]), signs[1])], pairs


def _assignment(node: ast.Assign | ast.AugAssign) -> str:
    return "=" if isinstance(node, ast.Assign) else f"{OPERATORS[type(node.op)]}="


def _sign_in(gap: str, sign: str) -> int | None:
    """Where an operator stands between two operands, comments aside."""
    code = re.sub(r"#[^\r\n]*", lambda comment: " " * len(comment.group()), gap)
    at = code.find(sign) if sign else -1
    return at if at >= 0 else None


def _spelled(source: Text, old: ast.expr, new: ast.expr, inner: bool) -> str:
    """A new expression in which every part that the old one has as well is spelled as the user did."""
    own = {_dump(node): node for node in reversed(list(ast.walk(old))) if isinstance(node, ast.expr)}
    held: list[str] = []

    class Holding(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            kept = own.get(ast.dump(node)) if isinstance(node, ast.expr) else None
            if kept is None and isinstance(node, ast.JoinedStr):
                return node  # what stands in an f-string is no expression by itself
            if kept is None or isinstance(kept, ast.Constant | ast.Starred | ast.Slice):
                return self.generic_visit(node)
            text = source.of(kept)
            held.append(f"({text})" if _needs(kept, text) and inner else text)
            return ast.Name(f"{HELD}{len(held) - 1}_", ast.Load())

    made = source.requoted(ast.unparse(Holding().visit(copy.deepcopy(new))))
    return re.sub(f"{HELD}(\\d+)_", lambda name: held[int(name.group(1))], made)


def _needs(node: ast.expr, text: str) -> bool:
    """Whether parentheses may be needed around an expression."""
    return not isinstance(node, ATOMS) and not (isinstance(node, ast.Tuple) and text.startswith("("))


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
    written = [item for item in findings if item.write and item.file and item.line]
    told = grouped((os.path.realpath(item.file or ""), item) for item in written if not _unpatched(item.file or ""))
    top = os.path.realpath(folder or os.curdir)
    apart = any(os.path.relpath(file, top).startswith(os.pardir) for file in told)
    if apart:
        top = os.path.commonpath([os.path.dirname(file) for file in told])
    parts = [_of_file(file, os.path.relpath(file, top), items) for file, items in told.items()]
    if apart and any(part.text for part in parts):
        first = f"To be applied in {visible(top)}:\n"
        parts.insert(0, Patch(first, first.encode(), ()))
    parts += [Patch("", b"", (_left_out(name_of(file), item, what),)) for item in written
              if (what := _unpatched(file := item.file or ""))]  # fmt: skip
    texts, datas, left_out = zip(*parts, strict=True) if parts else ((), (), ())
    return Patch("".join(texts), b"".join(datas), tuple(itertools.chain(*left_out)))


def _unpatched(file: str) -> str:
    """What a file name stands for, where that is none that a patch can change."""
    return "a notebook" if file in CELLS else "a question" if is_question(file) else ""


def _left_out(name: str, item: Finding, what: str) -> str:
    """What is said in place of a patch."""
    return f"{visible(name)}, line {item.line}: no patch for {what}; write {visible(item.write or '')}"


def _of_file(file: str, name: str, findings: Sequence[Finding]) -> Patch:
    """The patch of one file."""
    try:
        with opened(file) as stream:
            data = stream.read()
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        before = data.decode(encoding)
    except (OSError, SyntaxError, UnicodeError, LookupError) as error:
        return Patch("", b"", (f"{visible(name)} cannot be read: {reason(error)}",))
    replacements: list[Replacement] = []
    left_out, edited = [], dict[tuple[int, int], list[Replacement]]()
    for item in findings:
        meant = _meant(before, item.line or 0, item.write or "")
        made = rewritten(before, item.line or 0, item.write or "")
        overlaps = made and any(a.start < b.end and b.start < a.end for a in made for b in replacements)
        place = (meant[1].lineno, meant[1].col_offset) if meant is not None else (0, 0)
        if made is None or overlaps or edited.setdefault(place, made) != made:
            left_out.append(_left_out(name, item, "it"))
        else:
            replacements += [r for r in made if r not in replacements]
    newline = "\r\n" if "\r\n" in before else "\n"
    after = Text(before).changed([r._replace(text=r.text.replace("\n", newline)) for r in replacements])
    if not name.isprintable():
        return Patch("", b"", (f"{visible(name)}: no patch names such a file",))
    shown = "./" + Path(name).as_posix() + ("\t" if " " in name else "")  # as diff ends a name with a space
    mark = "\ufeff" if encoding == "utf-8-sig" else ""
    patch = _unified(mark + before, mark + after, shown)
    return Patch(patch, patch.encode("utf-8" if mark else encoding), tuple(left_out))


def _unified(before: str, after: str, name: str) -> str:
    """The difference of two texts, with the mark where one does not end in a new line."""
    one, two = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (before, after))
    rows = difflib.unified_diff(one, two, name, name)
    return "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)
