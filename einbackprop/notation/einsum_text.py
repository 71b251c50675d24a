"""An equation as a person would type it with einsum, to be pasted where it stands: ``einsum("lk,lb->kb", W3, dh)``.

``numpy_code`` writes the line. What it cannot write is shown in words, and marked as nothing to paste. ``emission``
writes whole programs that run.
"""

from dataclasses import replace

from ..core.program import ONE, Contract, Equation, Factor, Ref, Sum
from ..core.records import dataclass
from .arrays import Line, UnwritableError
from .index_notation import CUT, PLAIN, View, operand
from .markup import Markup, Part, Power, Quotient, Raised, Root, text
from .numpy_code import Writer
from .view import factor_markup

MARK = "  # not to be pasted: "


@dataclass(frozen=True, slots=True)
class EinsumLine:
    """The right-hand side of a line with einsum.

    Attributes
    ----------
    text : str
    reason : str
        Why it is nothing to paste; empty where it is Python that gives the line's value, with ``np`` and ``einsum``.
    """

    text: str
    reason: str = ""

    @property
    def pasteable(self) -> bool:
        """Whether it is Python that gives the line's value."""
        return not self.reason

    def __str__(self) -> str:
        return self.text if self.pasteable else f"{self.text}{MARK}{self.reason}"


def einsum_text(equation: Equation, view: View = PLAIN) -> str | None:
    """The right-hand side with einsum; None where it is none: a pointwise function, a write, a bracket.

    Examples
    --------
    >>> einsum_text(Contract(Ref("dW", "kj"), (Ref("d", "kb"), Ref("h", "jb")), factor=Factor.of(1, b=-1)))
    'einsum("kb,jb->kj", d, h) / d.shape[1]'
    """
    line = einsum_line(equation, view)
    return None if line is None else str(line)


def einsum_line(equation: Equation, view: View = PLAIN) -> EinsumLine | None:
    """The right-hand side with einsum, and whether it can be pasted."""
    view = view.within(equation)
    words = None
    if isinstance(equation, Contract):
        words = contraction_text(equation, view)
    elif isinstance(equation, Sum):
        words = sum_text(equation, view)
    if words is None or CUT in words:
        return None
    try:
        return EinsumLine(Writer(view, Line(view, equation)).of_line())
    except UnwritableError as reason:
        return EinsumLine(words, str(reason))


def contraction_text(equation: Contract, view: View) -> str | None:
    """One contraction, its factor in front; a product with no letters to sum or order is none."""
    if equation.brackets or not equation.operands or not any(ref.indices for ref in (equation.out, *equation.operands)):
        return None
    single = len(equation.operands) == 1 and equation.operands[0].indices == equation.out.indices
    if single:
        return None
    terms = ",".join(ref.indices for ref in equation.operands)
    names = ", ".join(operand_code(ref, view) for ref in equation.operands)
    return f'{factor_code(equation.factor, view)}einsum("{terms}->{equation.out.indices}", {names})'


def sum_text(equation: Sum, view: View) -> str | None:
    """Signed terms, if one of them is a contraction or is broadcast."""
    parts: list[str] = []
    worth = False
    for factor, ref in equation.terms:
        negative = not isinstance(factor.number, complex) and factor.number < 0
        sign = ("- " if negative else "+ ") if parts else ("-" if negative else "")
        body, contracted = term_code(-factor if negative else factor, ref, equation.out, view)
        worth = worth or contracted
        parts.append(sign + body)
    return " ".join(parts) if worth else None


def term_code(factor: Factor, ref: Ref | None, out: Ref, view: View) -> tuple[str, bool]:
    """One term, and whether it takes an einsum."""
    if ref is None:
        return plain_text(factor_markup(factor, view, alone=True)), False
    inner = view.inline.get(ref.name)
    if isinstance(inner, Contract):
        same = view.placed(inner, ref.indices)
        assert isinstance(same, Contract)
        code = contraction_text(replace(same, factor=factor * same.factor), view)
        if code is not None:
            return code, True
    if ref.indices != out.indices:
        missing = [i for i in out.indices if i not in ref.indices]
        terms = ",".join([ref.indices, *missing])
        ones = ", ".join(f"ones_{i}" for i in missing)
        names = operand_code(ref, view) + (f", {ones}" if ones else "")
        return f'{factor_code(factor, view)}einsum("{terms}->{out.indices}", {names})', True
    return factor_code(factor, view) + operand_code(ref, view), False


def factor_code(factor: Factor, view: View) -> str:
    """A factor in front of an einsum."""
    if factor == ONE:
        return ""
    if factor.number == -1 and not factor.sizes:
        return "-"
    return plain_text(factor_markup(factor, view, alone=True)) + " * "


def operand_code(ref: Ref, view: View) -> str:
    """An operand without its letters: a name, or the expression that stands for it."""
    return plain_text(operand(ref, view, "sum"))


def plain_text(markup: Markup) -> str:
    """The formula without indices."""
    return text(tuple(map(without_indices, markup)))


def without_indices(part: Part) -> Part:
    """A part of a formula, its values without letters."""
    match part:
        case Ref(name, _):
            return Ref(name)
        case Raised(body, exponent):
            return Raised(tuple(map(without_indices, body)), exponent)
        case Power(base, exponent):
            return Power(tuple(map(without_indices, base)), tuple(map(without_indices, exponent)))
        case Quotient(over, under):
            return Quotient(tuple(map(without_indices, over)), tuple(map(without_indices, under)))
        case Root(body):
            return Root(tuple(map(without_indices, body)))
        case _:
            return part

