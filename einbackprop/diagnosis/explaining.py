"""Naming the mistake: which edit makes a wrong line right, in words and in the user's own code.

``explain_mistakes`` is what a check calls: the verdict on every line of a backward, and a finding for every mistake.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .. import elementwise
from ..checking.records import Finding, Line
from ..program import Contract, Map, Program, Source, Sum, operands
from ..tracing.statements import statements_of
from .advice import advise
from .edits import Edit
from .judging import Judging, Run, Step, Target, line_of
from .sampling import Array
from .search import Explanation, Search, Surroundings
from .truth import Role
from .wording import Formula, Words, amount_text

ORDER = ("wrong", "follows", "undecided", "right")
TURNING = r"\.T\b|transpose|swapaxes|dot|@|matmul|einsum|outer"


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes
    ----------
    source : Source or None
        The line that is wrong.
    message : str
    yours, expected : Formula or None
    advice : str or None
        The line to write instead.
    alternatives : tuple of str
        Other edits, as small, that make everything right as well.
    """

    source: Source | None
    message: str
    yours: Formula | None
    expected: Formula | None
    advice: str | None = None
    alternatives: tuple[str, ...] = ()

    def finding(self) -> Finding:
        """The mistake as a report shows it."""
        said = self.message
        if self.alternatives:
            said += " Just as small: " + "; or ".join(self.alternatives) + "."
        source = self.source
        return Finding(
            said, source.file if source else None, source.line if source else None,
            shown(self.yours), shown(self.expected), self.advice,
            self.yours.markup if self.yours else (), self.expected.markup if self.expected else (),
        )  # fmt: skip


def shown(formula: Formula | None) -> str | None:
    """A formula in index notation, then with einsum."""
    if formula is None:
        return None
    return formula.equation + (f"\n{formula.einsum}" if formula.einsum else "")


class Diagnosis:
    """The mistakes of a judged backward, explained."""

    def __init__(self, judging: Judging) -> None:
        self.judging = judging
        self.surroundings = Surroundings(judging)
        self.words = Words(judging, self.surroundings)
        self.searches = {name: Search(judging, self.surroundings, name) for name in judging.fixed}
        forward = judging.truth.forward.equations
        returned = {ref.name for ref in judging.program.outputs}  # the trace may have put their axes in order
        made = [e for e in (*forward, *judging.program.equations) if e.out.name not in returned]
        self.files = {e.source.file for e in made if e.source is not None}
        self.explanations = self._explanations()

    def _explanations(self) -> list[Explanation]:
        """An explanation for each wrong step; of a line that ran several times, for the first run."""
        found: list[Explanation] = []
        seen: set[tuple[str, int]] = set()
        for name, search in self.searches.items():
            line = line_of(self.judging.made[name].source)[:2]
            if line not in seen:
                found.append(search.explain())
                seen.add(line)
        counts = Counter(line for x in found for line in {line_of(e.edited.source)[:2] for e in x.edits})

        def shared(edit: Edit) -> int:
            return -counts[line_of(edit.edited.source)[:2]]

        return [Explanation(x.name, x.role, tuple(sorted(x.edits, key=shared))) for x in found]

    def mistakes(self) -> list[Mistake]:
        """One for each wrong line, in the order of the lines."""
        found: dict[tuple[str, int], Mistake] = {}
        exchanged: set[tuple[str, str, str]] = set()
        for explanation in self.explanations:
            edit = explanation.edits[0] if explanation.edits else None
            if edit is not None and edit.kind in ("replace", "transpose") and edit.old:
                pair = edit.kind, edit.old, edit.new
                if pair in exchanged:  # one value that got the wrong name, and is read on several lines
                    continue
                exchanged.add(pair)
            mistake = self._mistake(explanation)
            target = next((t for t in self.judging.targets if t.value == explanation.name), None)
            outside = mistake.source is not None and mistake.source.file not in self.files
            if target is not None and (outside or self.is_another(target)):
                mistake = self._misplaced(target.value, target.parameter)
            found.setdefault(line_of(mistake.source)[:2], mistake)
        made = sorted(found.values(), key=lambda m: line_of(m.source))
        return made + [self._misplaced(target.value, target.parameter) for target in self.judging.misplaced]

    def _mistake(self, explanation: Explanation) -> Mistake:
        words, name = self.words, explanation.name
        if not explanation.edits:
            source = self.where_passed(self.judging.made[name].source)
            yours = words.line(self.judging.made[name], {})
            expected = words.derived(explanation.role, name)
            called, meaning = words.name(name), words.meaning(explanation.role)
            return Mistake(source, f"{called} is not {meaning}; expected is what {meaning} is.", yours, expected)
        edit, *others = explanation.edits
        others = [x for x in others if x.kind != "replace" or words.value(x.old) != words.value(x.new)]
        line = words.line_of(edit.edited)
        return Mistake(
            self.place_of(edit), sentence(edit, explanation, self), words.line(edit.edited, {}),
            words.line(edit.edited, edit.by_name), advise(edit, self.searches[name], words),
            tuple(self._alternative(other, explanation, line_of(line[0].source)) for other in others[:2]),
        )  # fmt: skip

    def place_of(self, edit: Edit) -> Source | None:
        """The line to blame: where the equation stands, or where what it reads got its name."""
        equation = edit.edited
        source = equation.source
        old = self.judging.made.get(edit.old)
        if source is not None and source.file not in self.files:  # where the trace put the result in order
            inner = [self.judging.made[ref.name].source for ref in operands(equation) if ref.name in self.judging.made]
            return inner[0] if inner else None
        if edit.kind == "transpose" and old is not None and not self.could_transpose(source, edit.old):
            return old.source
        if edit.kind == "transpose" and not edit.old:
            return source.shown if source is not None else None
        if edit.kind not in ("replace", "transpose") or source is None:
            return source
        if source.caller is not None and edit.kind == "replace":
            return self.where_passed(source, edit.new)
        return self.where_named(source, self.words.name(edit.old)) or source

    def could_transpose(self, source: Source | None, old: str) -> bool:
        """Whether a line has a product of matrices or a transpose in it, so that its mistake may be one."""
        if source is None or source.file not in self.files:
            return False
        role = self.judging.original.get(old)
        computed_again = role is not None and role.known.kind == "forward"
        return computed_again or re.search(TURNING, source.code) is not None

    def where_named(self, source: Source, name: str) -> Source | None:
        """An earlier line of the function that gives a value another name, where the line reads it by that."""
        used = identifiers(source.code)
        statements = statements_of(source.file)
        if name in used:
            return None
        for line in range(source.line - 1, 0, -1):
            node = statements.at(line)
            if isinstance(node, ast.FunctionDef):
                return None
            names_it = isinstance(node, ast.Assign) and identifiers(ast.unparse(node.targets[0])) & used
            if isinstance(node, ast.Assign) and names_it and name in identifiers(ast.unparse(node.value)):
                return Source(source.file, line, statements.code(line), source.function)
        return None

    def where_passed(self, source: Source | None, new: str = "") -> Source | None:
        """The line that calls a helper of one line, if the helper reads what it is given and nothing else."""
        if source is None or source.caller is None:
            return source
        try:
            calls = [n for n in ast.walk(ast.parse(source.shown.code)) if isinstance(n, ast.Call)]
        except SyntaxError:
            return source
        own = [call for call in calls if ast.unparse(call.func).split(".")[-1] == source.function]
        given = {ast.unparse(argument) for call in own for argument in call.args}
        line = [e for e in self.judging.program.equations if line_of(e.source) == line_of(source)]
        read = {ref.name for e in line for ref in operands(e)} - {e.out.name for e in line}
        return source if len(read) != len(given) or self.words.name(new) in given else source.shown

    def return_line(self, parameter: str) -> Source | None:
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

    def _alternative(self, edit: Edit, explanation: Explanation, line: tuple[str, int, int]) -> str:
        said = sentence(edit, explanation, self).rstrip(".")
        place = line_of(edit.edited.source)
        return said if place == line else f"in line {place[1]}, {said}"

    def is_another(self, target: Target) -> bool:
        """Whether what was returned is the gradient of something else, or a value of the forward, and the right one is
        there too."""
        own, known = self.judging.original.get(target.value), self.judging.truth.target(target.parameter)
        roles = [self.judging.original[name] for name in self.judging.roots if name != target.value]
        plain = [r for r in roles if r is not None and r.is_plain]
        return own is not None and own.is_plain and any(r.known == known for r in plain)

    def _misplaced(self, value: str, parameter: str) -> Mistake:
        """A gradient in whose place another value was returned."""
        words, judging = self.words, self.judging
        known = judging.truth.target(parameter)
        right = [n for n in judging.roots if (role := judging.original[n]) and role.known == known]
        instead = f"; {words.name(right[0])} is" if right else ""
        message = f"{words.name(value)}, returned as the gradient of {parameter}, is not ∂L/∂{parameter}{instead}."
        expected = None if right or known is None else words.derived(Role(known), "d" + parameter)
        return Mistake(self.other_name(value) or self.return_line(parameter), message, None, expected)

    def other_name(self, value: str) -> Source | None:
        """The line that gives a value a second name and nothing else, where there is just one: ``db = d``."""
        source, name = self.judging.made[value].source, self.words.name(value)
        if source is None or source.file not in self.files:
            return None
        statements = statements_of(source.file)
        nodes = [statements.at(line) for line in range(source.line + 1, statements.text.count("\n") + 2)]
        plain = {
            node.lineno for node in nodes if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Name) and node.value.id == name
        }  # fmt: skip
        if len(plain) != 1:
            return None
        (line,) = plain
        return Source(source.file, line, statements.code(line), source.function)

    # Lines

    def lines(self) -> list[Line]:
        """Every line of the backward that gives a value to others, with what it is and its verdict."""
        groups: dict[tuple[str, int], list[Step]] = {}
        for step in self.judging.steps:
            source = self.judging.made[step.name].source
            if source is not None:
                groups.setdefault(line_of(source)[:2], []).append(step)
        wrong = {line_of(m.source)[:2] for m in self.mistakes()} if self.judging.fixed else set()
        return [self._line(place, steps, wrong) for place, steps in sorted(groups.items())]

    def _line(self, place: tuple[str, int], steps: Sequence[Step], wrong: set[tuple[str, int]]) -> Line:
        made = self.judging.made
        verdicts = {step.verdict for step in steps}
        verdict = next(v for v in ORDER if v in verdicts)
        if verdict == "wrong" and place not in wrong:
            verdict = "follows"  # the mistake was found in a line that this one depends on
        first = [s for s in steps if line_of(made[s.name].source)[2] == line_of(made[steps[0].name].source)[2]]
        step = first[-1]
        source = made[step.name].source
        assert source is not None
        formula = self.words.line(made[step.name], {})
        verdict = "wrong" if place in wrong else verdict
        return Line(source.file, source.line, source.code, formula.equation, formula.subscripts,
                    self.meaning(step), verdict, formula.markup)  # fmt: skip

    def meaning(self, step: Step) -> str:
        """What a value is, and what its name says where that is something else."""
        if step.role is None:
            return ""
        said = self.words.meaning(step.role)
        named = self.named_after(self.words.name(step.name))
        known = step.role.known
        if named and known.kind == "cotangent" and self.words.name(known.of) != named and known.of != named:
            before = next_to(named, known.of, self.judging)
            said += f": {before}, though its name says {named}" if before else f", though its name says {named}"
        return said

    def named_after(self, name: str) -> str:
        """The value of the forward that a name says it is the gradient of: ``dL_dhid_2`` says hid_2."""
        stripped = re.sub(r"^(d[lL]oss|d[LJEC]|∂L|grad|delta|d)(_?d_?|_|/)", "", name)
        labels = self.judging.truth.forward.labels
        return stripped if stripped != name and stripped in labels.values() else ""


def identifiers(code: str) -> set[str]:
    """The variables of a line."""
    try:
        return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    except SyntaxError:
        return set()


def next_to(named: str, value: str, judging: Judging) -> str:
    """``the gradient before the sigmoid``: where a value stands, seen from the one that a name says."""
    forward = judging.truth.forward
    for equation in forward.equations:
        named_so = isinstance(equation, Map) and forward.labels.get(equation.out.name) == named
        if isinstance(equation, Map) and named_so and any(ref.name == value for ref in operands(equation)):
            return f"the gradient before the {equation.function}"
    return ""


# Sentences


def sentence(edit: Edit, explanation: Explanation, diagnosis: Diagnosis) -> str:
    """What is wrong, in words."""
    words = diagnosis.words
    old, new = (words.value(name) if name else "" for name in (edit.old, edit.new))
    match edit.kind:
        case "replace":
            return replaced_sentence(edit, diagnosis)
        case "transpose":
            return f"{old or new} must be transposed here: its axes stand the wrong way round."
        case "scale":
            return scaled_sentence(edit, diagnosis)
        case "drop":
            return f"the factor {old}{' and the factor ' + new if new else ''} is too much."
        case "drop term":
            return f"the term {old or '1'} is too much."
        case "insert":
            made = {shown: of for of, name in diagnosis.judging.truth.slopes.items()
                    if (shown := diagnosis.surroundings.show(name))}  # fmt: skip
            if edit.new in made:
                return f"the derivative of {words.maker(made[edit.new])} is missing: multiply by {new}."
            return f"the factor {new} is missing."
        case "term":
            amount = amount_text(edit.factor)
            signed = {"1": f"+ {new}", "-1": f"- {new}"}.get(amount, f"+ {amount} {new}")
            return f"a term is missing: {signed}."
        case "letters":
            return letters_sentence(edit)
        case "function":
            return f"{edit.old} should be {edit.new}."
        case "parameter":
            return f"the exponent {edit.old} should be {edit.new}."
        case "gather":
            return f"= where += is needed: what {old} held before is lost."


def replaced_sentence(edit: Edit, diagnosis: Diagnosis) -> str:
    """One value for another: of another layer, an updated one, an input for an output."""
    words, truth = diagnosis.words, diagnosis.judging.truth
    old, new = forward_value(edit.old, diagnosis), forward_value(edit.new, diagnosis)
    said, instead = words.value(edit.old), words.value(edit.new)
    maker = truth.made.get(new)
    if edit.old in diagnosis.judging.made and edit.new in ancestors(edit.old, diagnosis) and old == edit.old:
        return f"{said} was changed before this line; the gradient needs {instead} as the forward used it."
    if isinstance(maker, Map) and any(ref.name == old for ref in operands(maker)):
        return f"the derivative of the {maker.function} takes its output {instead}, and you give it its input {said}."
    other = truth.made.get(old)
    if isinstance(maker, Map) and isinstance(other, Map) and maker.function == other.function:
        formulas = [slope_text(maker.function, name) for name in (said, instead)]
        if len(edit.equations) > 1 and all(formulas):
            return (
                f"you multiply by {formulas[0]}; the {maker.function} here made {instead}, so it must be {formulas[1]}."
            )
    return f"{instead} must stand here, not {said}."


def forward_value(name: str, diagnosis: Diagnosis) -> str:
    """The value of the forward that a value is, if it is one computed again."""
    role = diagnosis.judging.original.get(name)
    return role.known.of if role and role.is_plain and role.known.kind == "forward" else name


def ancestors(name: str, diagnosis: Diagnosis) -> set[str]:
    """What a value is made from."""
    found = {name}
    for equation in reversed(diagnosis.judging.program.equations):
        if equation.out.name in found:
            found |= {ref.name for ref in operands(equation)}
    return found - {name}


def slope_text(function: str, output: str) -> str:
    """``h·(1-h)``: a derivative in terms of the output."""
    stated = elementwise.statement(function)
    if stated is None or re.search(r"\bx\d?\b", stated):
        return ""
    return re.sub(r"\by\b", output, stated).replace("**2", "²").replace(" * ", "·").replace(" - ", "−")


def scaled_sentence(edit: Edit, diagnosis: Diagnosis) -> str:
    """A factor is wrong."""
    factor, number = edit.factor, edit.factor.number
    what = f" of {diagnosis.words.value(edit.old)}" if edit.old else ""
    if factor.number == -1 and not factor.sizes:
        return f"the sign{what} is wrong."
    source = edit.edited.source
    sizes = [(i, p) for i, p in factor.sizes]
    if len(sizes) == 1 and number == 1 and source is not None:
        (letter, power) = sizes[0]
        size = size_name(letter, diagnosis.judging.program)
        if power == 1 and "mean" in source.code:
            return f"a mean where a sum is needed: it is divided by {size}."
        if power == -1 and "sum" in source.code:
            return f"a sum where a mean is needed: divide by {size}."
        if power in (1, -1):
            return f"the factor {'1/' if power == -1 else ''}{size}{what} is missing."
    return f"a factor{what} is wrong: multiply by {amount_text(factor)}."


def size_name(letter: str, program: Program) -> str:
    """``B, the size of b (batch_size)``."""
    name = program.dimension(letter).name
    return f"{letter.upper()} ({name})" if name else f"{letter.upper()}, the size of {letter}"


def letters_sentence(edit: Edit) -> str:
    """A sum over the wrong letter, or none."""
    equation = edit.edited
    if edit.old and edit.new:
        return f"you sum over {edit.new}; it must be over {edit.old}."
    if edit.old:
        return f"the sum over {edit.old} is missing."
    assert isinstance(equation, Contract | Sum)
    return f"you sum over {edit.new}, which must stay."


# The whole


def explain_mistakes(
    program: Program, targets: Mapping[int, str], arrays: Sequence[Array], rng: np.random.Generator,
    run: Run | None = None,
) -> tuple[tuple[Line, ...], tuple[Finding, ...], dict[str, str]]:  # fmt: skip
    """Judge every line of a backward, and name its mistakes.

    Parameters
    ----------
    program : Program
        The loss and the gradients traced together (``record_pair``): the first output is the loss.
    targets : mapping of int to str
        For each output that is a gradient, the name of the program's input that it is the gradient of.
    arrays : sequence of arrays
        The user's inputs, in the order of ``program.inputs``.
    rng : Generator
    run : callable, optional
        The loss and the gradients as a function of such arrays that gives arrays in the order of the outputs. With
        it, what the code does elsewhere than it was traced is undecided instead of misjudged.

    Returns
    -------
    lines : tuple of Line
    findings : tuple of Finding
    verdicts : dict
        For each input: 'right', 'wrong' or 'undecided'.

    Raises
    ------
    DerivationError
        The loss cannot be differentiated.
    """
    judging = Judging(program, targets, arrays, rng, run)
    diagnosis = Diagnosis(judging)
    findings = tuple(mistake.finding() for mistake in diagnosis.mistakes())
    verdicts = {}
    for n, target in enumerate(judging.targets):
        lost = judging.unreadable >> n & 1 or not judging.samples
        verdicts[target.parameter] = "undecided" if lost else "wrong" if judging.wrong_at_first >> n & 1 else "right"
    return tuple(diagnosis.lines()), findings, verdicts
