"""Which line to blame for a mistake, and what it says and should say."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..capture.statements import statements_of
from ..core.program import ONE, Contract, Equation, Ref, Source, operands
from ..notation.markup import Markup, Partial
from .advice import advise, namespace, run, statement_of
from .aliases import code_of, is_alias, names_read
from .edits import Edit
from .judging import Judging, Target, line_of
from .orientation import ends_in_transpose
from .rewriting import transposings
from .sampling import CLOSE, Array
from .search import Search
from .spelling import variables
from .wording import Formula, Words

TURNING = r"\.T\b|transpose|swapaxes|dot|@|matmul|einsum|outer"


@dataclass(frozen=True)
class Place:
    """A line, what it computes, what it should compute, and how to write that."""

    source: Source | None
    yours: Formula | None
    expected: Formula | None
    advice: str | None = None


class Places:
    """The lines of a judged backward, as places of mistakes."""

    def __init__(self, judging: Judging, words: Words) -> None:
        self.judging, self.words = judging, words
        forward = judging.truth.forward.equations
        returned = {ref.name for ref in judging.program.outputs}  # the trace may have put their axes in order
        made = [e for e in (*forward, *judging.program.equations) if e.out.name not in returned]
        self.files = {e.source.file for e in made if e.source is not None}

    def is_outside(self, source: Source | None) -> bool:
        """Whether it is no line of the user's: there the trace put a result in order."""
        return source is not None and source.file not in self.files

    def is_order(self, equation: Equation) -> bool:
        """Whether an equation only puts the axes of what is returned in the order in which it is returned."""
        returned = {ref.name for ref in self.judging.program.outputs}
        match equation:
            case Contract(Ref(name, out), (Ref(_, read),), (), factor) if factor == ONE and name in returned:
                return sorted(out) == sorted(read)
        return False

    def place_of(self, edit: Edit, search: Search) -> Place:
        """The line of an edit: where its equation stands, or where what it reads was made the other way round."""
        equation, words = edit.edited, self.words
        source = equation.source
        if edit.kind == "transpose":
            turned = self._turned(edit, search)
            if turned is not None:
                return turned
            if source is not None and not edit.old and not ends_in_transpose(source):
                source = source.shown
        if edit.kind == "replace" and source is not None and source.caller is not None:
            source = self.where_passed(source, edit.new)
        stays = line_of(source)[:2] == line_of(equation.source)[:2]
        advice = advise(edit, search, words) if stays else None
        if is_alias(equation) and edit.kind == "replace":
            return Place(source, self._named(equation, edit.old), self._named(equation, edit.new), advice)
        return Place(source, words.line(equation, {}), words.line(equation, edit.by_name), advice)

    def _named(self, equation: Equation, value: str) -> Formula:
        """A value given another name: ``x[b,i] = X[b,i]``."""
        right = self.words.read(value)
        return Formula.of((Ref(self.words.name(equation.out.name), right.indices), " = ", right))

    # Transposes

    def _turned(self, edit: Edit, search: Search) -> Place | None:
        """The line that made the operand of a transposition, if it is there that it came the wrong way round; the line
        that returned it, if it was turned there."""
        source, old = edit.edited.source, edit.old
        outside = self.is_outside(source) or self.is_order(edit.edited)
        if outside:
            old = next(ref.name for ref in operands(edit.edited))
        made = self.judging.made.get(old)
        if made is None or made.source is None or self.is_outside(made.source) or len(made.out.indices) != 2:
            return None
        if ends_in_transpose(made.source) if outside else not self._could_turn(source, old):
            return self._made_turned(made, search)
        if outside:
            target = next(t for t in self.judging.targets if t.value == edit.edited.out.name)
            return self.returned_as(target, (self.words.read(old, turned=True),), (self.words.read(old),))
        return None

    def _made_turned(self, made: Equation, search: Search) -> Place:
        """The line of a value that it leaves transposed."""
        turned = replace(made, out=Ref(made.out.name, made.out.indices[::-1]))
        expected = self.words.line(made, {made.out.name: turned})
        return Place(made.source, self.words.line(made, {}), expected, self._turning_advice(made, search))

    def _could_turn(self, source: Source | None, old: str) -> bool:
        """Whether a line has a product of matrices or a transpose in it, so that its mistake may be one."""
        if source is None:
            return False
        role = self.judging.original.get(old)
        computed_again = role is not None and role.known.kind == "forward"
        return computed_again or re.search(TURNING, source.code) is not None

    def _turning_advice(self, made: Equation, search: Search) -> str | None:
        """The line that makes a value, with one transpose more or less."""
        own, statement = self.judging.own_sample, statement_of(made.source)
        array = self.judging.first[own].get(made.out.name) if own is not None else None
        if statement is None or array is None:
            return None
        for value in transposings(statement.value, made.out.name):
            if is_matrix(run(value, self._names(made, search)), array.T):
                statement.value = value
                return ast.unparse(statement)
        return None

    def _names(self, made: Equation, search: Search) -> dict[str, Any]:
        own = self.judging.own_sample
        assert own is not None
        return namespace(self.words.line_of(made), self.judging.first[own], search, self.words)

    # Calls and returns

    def where_passed(self, source: Source | None, new: str = "") -> Source | None:
        """The line that calls a helper of one line, if the helper reads what it is given and nothing else."""
        if source is None or source.caller is None:
            return source
        function = code_of(source.file).function_at(source.line)
        parameters = {a.arg for a in function.args.args} if function else set()
        given = names_read(source.shown.code)
        reads_given = set(variables(source.code)) == parameters
        return source.shown if reads_given and self.words.name(new) not in given else source

    def return_line(self) -> Source | None:
        """The line on which the gradients are returned: the last of the function that makes most of them."""
        targets = {target.value for target in self.judging.targets} & set(self.judging.roots)
        sources = [self.judging.made[name].source for name in targets]
        counts = Counter((s.file, s.function) for s in sources if s is not None and s.file in self.files)
        if not counts:
            return None
        (file, function), _ = counts.most_common(1)[0]
        statements = statements_of(file)
        lines = [s.line for s in sources if s is not None and (s.file, s.function) == (file, function)]
        last = statements.text.count("\n") + 1
        after = (n for n in range(max(lines), last) if isinstance(statements.at(n), ast.Return))
        line = next(after, None)
        return Source(file, line, statements.code(line), function) if line is not None else None

    def returned_as(self, target: Target, yours: Markup, expected: Markup) -> Place:
        """The return line: what was returned as the gradient of a parameter, and what should be."""
        truth = self.judging.truth
        made = truth.made.get(truth.target(target.parameter).name)
        parameter = Ref(self.words.name(target.parameter), made.out.indices if made else "")
        left: Markup = (Partial(Ref("L"), parameter), " = ")
        return Place(self.return_line(), Formula.of((*left, *yours)), Formula.of((*left, *expected)))


def is_matrix(result: Any, array: Array) -> bool:
    """Whether a result is an array as it stands, to rounding."""
    if not isinstance(result, np.ndarray) or result.shape != array.shape:
        return False
    return bool(np.abs(result - array).max(initial=0) <= 10 * CLOSE * np.abs(array).max(initial=0))
