"""What is wrong, in words: a sentence for each kind of edit."""

from __future__ import annotations

import re

from ..core import elementwise
from ..core.program import Contract, Map, Program, Sum, operands
from .edits import Edit
from .truth import ancestors
from .wording import Words, amount_text

SIGNS = {"greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<="}


def sentence(edit: Edit, words: Words) -> str:
    """What is wrong, in words."""
    old, new = (words.on_line(name, edit.edited) if name else "" for name in (edit.old, edit.new))
    match edit.kind:
        case "replace":
            return replaced_sentence(edit, words)
        case "transpose":
            return f"{old or new} must be transposed here: its axes stand the wrong way round."
        case "scale":
            return scaled_sentence(edit, words)
        case "drop":
            return f"the factor {old}{' and the factor ' + new if new else ''} is too much."
        case "drop term":
            return f"the term {old or '1'} is too much."
        case "insert":
            if edit.new in (made := slopes_shown(words)):
                return f"the derivative of {words.maker(made[edit.new])} is missing: multiply by {new}."
            return f"the factor {new} is missing."
        case "term":
            amount = amount_text(edit.factor)
            sign, size = ("-", amount[1:]) if amount.startswith("-") else ("+", amount)
            signed = f"{sign} {new}" if size == "1" else f"{sign} {size} {new}"
            crossed = {words.surroundings.show(name) for name in words.judging.truth.crossed}
            missing = "the cross term of the softmax" if edit.new in crossed else "a term"
            return f"{missing} is missing: {signed}."
        case "letters":
            return letters_sentence(edit)
        case "function":
            return f"{SIGNS.get(edit.old, edit.old)} should be {SIGNS.get(edit.new, edit.new)}."
        case "parameter":
            return f"the exponent {edit.old} should be {edit.new}."
        case "gather":
            return f"= where += is needed: what {old} held before is lost."


def slopes_shown(words: Words) -> dict[str, str]:
    """The derivatives of pointwise functions as they are shown, and the value that each function makes."""
    return {words.surroundings.show(name): of for of, name in words.judging.truth.slopes.items()}


def replaced_sentence(edit: Edit, words: Words) -> str:
    """One value for another: of another layer, an updated one, an input for an output."""
    truth = words.judging.truth
    slopes = slopes_shown(words)
    if edit.new in slopes:
        what = words.maker(slopes[edit.new])
        return f"{words.value(edit.old)} is not the derivative of {what}: {words.value(edit.new)} is."
    old, new = forward_value(edit.old, words), forward_value(edit.new, words)
    said, instead = (words.on_line(name, edit.edited) for name in (edit.old, edit.new))
    maker = truth.made.get(new)
    is_changed = edit.new in ancestors(words.program, edit.old) and old == edit.old
    if is_changed and words.name(edit.old) == words.name(edit.new):
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
        if elementwise.statement(maker.function) and edit.edited.out.name not in words.judging.roots:
            return f"{instead} must stand here, not {said}: the {maker.function} here made {instead}."
    if instead == said:
        return f"{said} here is not the {said} that is needed, but another of that name."
    return f"{instead} must stand here, not {said}."


def forward_value(name: str, words: Words) -> str:
    """The value of the forward that a value is, if it is one computed again."""
    role = words.judging.original.get(name)
    return role.known.of if role and role.is_forward else name


def slope_text(function: str, output: str) -> str:
    """``h·(1-h)``: a derivative in terms of the output."""
    stated = elementwise.statement(function)
    if stated is None or re.search(r"\bx\d?\b", stated):
        return ""
    return re.sub(r"\by\b", output, stated).replace("**2", "²").replace(" * ", "·").replace(" - ", "−")


def scaled_sentence(edit: Edit, words: Words) -> str:
    """A factor is wrong."""
    factor, number = edit.factor, edit.factor.number
    what = f" of {words.value(edit.old)}" if edit.old and words.can_name(edit.old) else ""
    if factor.number == -1 and not factor.sizes:
        return f"the sign{what} is wrong."
    source = edit.edited.source
    sizes = [(i, p) for i, p in factor.sizes]
    if len(sizes) == 1 and number == 1 and source is not None:
        (letter, power) = sizes[0]
        size = size_name(letter, words.judging.program)
        if power == 1 and "mean" in source.code:
            return f"a mean where a sum is needed: it is divided by {size}."
        if power == -1 and "sum" in source.code:
            return f"a sum where a mean is needed: divide by {size}."
        if power in (1, -1):
            name, _, meaning = size.partition(", ")
            said = f" ({name} is {meaning})" if meaning else ""
            return f"the factor {'1/' if power == -1 else ''}{name}{what} is missing{said}."
    wrong = f"a factor{what} is wrong: multiply by {amount_text(factor)}"
    if number == 1 and sorted(power for _, power in sizes) == [-1, 1]:
        over, under = (size_name(i, words.judging.program) for i, _ in sorted(sizes, key=lambda size: size[1]))
        return f"{wrong}, which is to divide by {over}, not by {under}."
    return f"{wrong}."


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
