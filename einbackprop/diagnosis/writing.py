"""A repair in the user's own text: the statement with the edit, and nothing else changed."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence

from einbackprop.capture.statements import statements_of, statements_of_text
from einbackprop.checking.source_edits import Replacement, Text, rewritten
from einbackprop.core.syntax import parse_python
from einbackprop.diagnosis.likelihood import Repair, new_statements


def code_of(statement: ast.stmt) -> str:
    """A statement as code; of one with a body its first line."""
    text = ast.unparse(statement)
    return text.splitlines()[0] if hasattr(statement, "body") else text


def written(repair: Repair) -> str:
    """What to write instead, in the user's spelling: comments, spacing and line breaks are kept."""
    new = new_statements(repair)
    plain = "\n".join(code_of(ast.fix_missing_locations(statement)) for statement in new)
    changed = edited_text(repair.site.file, [(repair.statement.lineno, plain)])
    if changed is None or len(new) != 1 or hasattr(new[0], "body"):
        return plain
    text, statements = Text(changed), statements_of_text(changed)
    position = statements.position(repair.statement.lineno)
    if position is None:
        return plain
    found = [
        node for node in ast.walk(statements.tree.body[position])
        if isinstance(node, ast.stmt) and node.lineno == repair.statement.lineno
    ]  # fmt: skip
    own = min(found, key=lambda node: ast.dump(node) != ast.dump(parse_python(plain).body[0]), default=None)
    if own is None:
        return plain
    start, end = text.span(own)
    first = text.position(own.lineno, 0)
    lead = text.text[first:start]
    return textwrap.dedent(lead + text.text[start:end]) if not lead.strip() else text.text[start:end]


def edited_text(file: str, writes: Sequence[tuple[int, str]]) -> str | None:
    """A file's text with statements, given by the lines on which they begin, written otherwise; None if they cannot."""
    statements = statements_of(file)
    text, replacements = Text(statements.text), []
    for line, write in writes:
        position = statements.position(line)
        if position is None:
            return None
        tree = statements.tree.body[position]  # what is around it need not be parsed again and again
        first = min([tree.lineno, *(d.lineno for d in getattr(tree, "decorator_list", ()))])
        start, end = text.position(first, 0), text.span(tree)[1]
        found = rewritten(text.text[start:end], line - first + 1, write)
        if found is None:
            return None
        replacements += [Replacement(start + r.start, start + r.end, r.text) for r in found]
    return text.changed(replacements)
