"""``explain``: why a backward line is what it is, from the chain rule down.

For subscripts, an equation, a program; and for a layer of the catalogue, which has its derivation written down.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import Any, overload

from ..core import elementwise, letters
from ..core.program import (
    Contract,
    Dimension,
    Equation,
    Extremum,
    Input,
    Map,
    MatrixFunction,
    Opaque,
    Program,
    Ref,
    Sum,
    Update,
    operands,
)
from ..core.records import dataclass
from ..core.subscripts import parse
from ..core.visible import listed
from ..derivation.accumulation import vjp, vjp_of_contract
from ..emission.writing import inlined
from ..errors import SubscriptsError
from ..layers import CATALOGUE
from ..layers.layer import Layer
from . import einsum_text, latex, matrix_notation, pages
from .catalogue import LayerExplanation, layer_named, layer_of
from .display import Row, Section, fitted, on_terminal, sections_text
from .index_notation import View, equation_markup, joined, right_hand_side
from .markup import Markup, raised, text
from .programs import letters_heading
from .steps import ELLIPSIS, derivation
from .tensor_networks import network
from .view import nearest_float

OPERANDS = "ABCDEFGHJKMNPQRSTUVWXY"
WRITTEN = {"ln2": "log(2)", "ln10": "log(10)", "erf_at_0": "2/√π"}  # the constants of slopes


@dataclass(frozen=True)
class Explanation:
    """A derivation to be read. ``str`` gives it as text; a notebook shows it with MathML.

    Attributes
    ----------
    sections : tuple of Section
    compact : bool
        Whether text says ``W_ij`` for ``W[i,j]``.
    title : str
        Of its page.
    """

    sections: tuple[Section, ...]
    compact: bool = False
    title: str = "explained"

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        with fitted():
            return self.text(colour=on_terminal())

    def text(self, *, colour: bool = False) -> str:
        """The explanation as text, at most 100 columns wide; in ``colour`` each letter has one everywhere."""
        return sections_text(self.sections, compact=self.compact, colour=colour)

    @property
    def latex(self) -> str:
        """The explanation as LaTeX: a fragment of text and displayed formulas, for a document that has amsmath."""
        return latex.sections(self.sections)

    @property
    def html(self) -> str:
        """The explanation as HTML with MathML, without JavaScript, as a notebook shows it."""
        return pages.article([pages.sections(self.sections)])

    def to_html(self) -> str:
        """The explanation as one page, with nothing in it from elsewhere."""
        return pages.page(self.title, pages.article([pages.heading(self.title), pages.sections(self.sections)]))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.html, "text/latex": self.latex}


@overload
def explain(
    what: str | Equation | Program, names: Sequence[str] | None = None, result: str = "Z"
) -> Explanation: ...


@overload
def explain(what: Layer | Callable[..., Any]) -> LayerExplanation: ...


def explain(
    what: Any, names: Sequence[str] | None = None, result: str = "Z"
) -> Explanation | LayerExplanation:
    """Explain where derivatives come from.

    Parameters
    ----------
    what : str, Equation, Program, Layer or callable
        Subscripts such as ``'ij,jb->ib'``, an equation, or a program: each equation of it, a derived one under the
        equation that it was derived from. Or a layer: one of ``einbackprop.layers.CATALOGUE``, or its function, such
        as ``einbackprop.layers.softmax.softmax``.
    names : sequence of str, optional
        What the operands of subscripts are called; a name that stands twice is one array used twice. A, B, C, …
        by default.
    result : str
        What the result of subscripts is called. Its cotangent is d and that name.

    Returns
    -------
    Explanation or LayerExplanation

    Raises
    ------
    SubscriptsError
        The subscripts are malformed, or there are not as many names as operands.
    ScriptError
        It is none of these.

    Examples
    --------
    >>> print(str(explain("ij,jb->ib", names=("W", "x"), result="z")).split("In short:")[1])
        ∂z_ib/∂W_nm = [i=n] x_mb ⇒ dW_ij = Σ_b dz_ib x_jb
        ∂z_ib/∂x_md = W_im [b=d] ⇒ dx_jb = Σ_i W_ij dz_ib
    """
    match what:
        case str():
            return explain_contract(contract_of(what, names, result), View())
        case Contract():
            return explain_contract(what, View())
        case Program():
            return explain_program(what)
        case Sum() | Map() | Extremum() | Update() | MatrixFunction() | Opaque():
            return explain_program(vjp_of_equation(what))
        case _:
            return LayerExplanation(layer_of(what))


def catalogue() -> str:
    """The layers of the catalogue, a line each."""
    width = max(map(len, CATALOGUE))
    return "\n".join(f"{layer.name:<{width}}  {layer.words}" for layer in CATALOGUE.values())


def explained(what: str, names: str | None = None, result: str | None = None) -> Explanation | LayerExplanation:
    """What the command line says of subscripts, or of a layer by its name.

    Raises
    ------
    ScriptError
        There is no such layer.
    SubscriptsError
        The subscripts are malformed.
    """
    if "->" in what or "," in what:
        operands = tuple(name.strip() for name in names.split(",")) if names else None
        return explain(what, names=operands, result=result) if result else explain(what, names=operands)
    return explain(layer_named(what))


def contract_of(subscripts: str, names: Sequence[str] | None, result: str) -> Contract:
    """The contraction that subscripts are; an ellipsis is one letter."""
    parsed = parse(subscripts, closed=True)
    terms = [term.replace("...", ELLIPSIS) for term in parsed.inputs]
    default = [*OPERANDS[: len(terms)], *(f"A{n}" for n in range(len(terms) - len(OPERANDS)))]
    called = default if names is None else list(names)
    if isinstance(names, str) or len(called) != len(terms):
        raise SubscriptsError(f"{subscripts!r} has {len(terms)} operands, but the names given are {names!r}")
    out = Ref(result, parsed.output.replace("...", ELLIPSIS))
    return Contract(out, tuple(Ref(name, term) for name, term in zip(called, terms, strict=True)))


def explain_contract(contract: Contract, view: View) -> Explanation:
    """The cotangent of every operand of a contraction."""
    view = view.within(contract)
    named = [view.ref(contract.out).name, *(view.ref(ref).name for ref in contract.operands)]
    compact = not any(re.search(r"[_\d\W]", name) for name in named)
    rows = (forward_row(contract, view), *code_rows(contract, view))
    sections = [Section(ellipsis_note(contract), rows, network(contract, view))]
    counts = [ref.name for ref in contract.operands]
    short: list[Row] = []
    for slot, ref in enumerate(contract.operands):
        section, row = operand_section(contract, slot, counts.count(ref.name) > 1, view, compact)
        sections.append(section)
        short.append(row)
    sections.append(Section("In short:", tuple(short)))
    for name in dict.fromkeys(n for n in counts if counts.count(n) > 1):
        sections.append(adding_section(contract, name, view))
    return Explanation(tuple(sections), compact, text(equation_markup(contract, view), compact=compact))


def ellipsis_note(contract: Contract) -> str:
    """What an ellipsis stands for, where there is one."""
    if ELLIPSIS not in letters.letters_of(contract):
        return ""
    return (
        f"{ELLIPSIS} stands for any number of axes; read it as one letter. Where an operand has fewer of them, or size "
        "1 along one, NumPy stretches it, and its cotangent is summed over those axes in the end."
    )


def forward_row(contract: Contract, view: View) -> Row:
    """The contraction itself."""
    markup = equation_markup(contract, view)
    return Row(markup[:1], markup[2:])


def code_rows(contract: Contract, view: View) -> list[Row]:
    """The einsum of a contraction, and its matrix notation with the reason of each transpose."""
    left: Markup = (Ref(view.ref(contract.out).name),)
    rows: list[Row] = []
    line = einsum_text.einsum_line(contract, view)
    if line is not None:
        unpasteable = f"{einsum_text.MARK.strip(' #')} {line.reason}" if line.reason else ""
        rows.append(Row(left, note=closed_note(contract) or unpasteable, code=line.text.replace(ELLIPSIS, "...")))
    form = None if ELLIPSIS in letters.letters_of(contract) else matrix_notation.matrix_form(contract, view)
    if form is not None and (line is not None or any(link.transposed for link in form.chain)):
        rows.append(Row(left, form.markup, matrix_notation.transpose_reason(contract, view) or ""))
    return rows


def closed_note(contract: Contract) -> str:
    """What to do where no ``np.einsum`` takes the subscripts."""
    out = contract.out.indices
    if len(set(out)) < len(out):
        return "writes the diagonal, zeros elsewhere; np.einsum cannot"
    present = {i for ref in contract.operands for i in ref.indices}
    missing = [i for i in out if i not in present]
    return f"the same for every {listed(missing)}; np.einsum takes a vector of ones there" if missing else ""


def operand_section(
    contract: Contract, slot: int, again: bool, view: View, compact: bool
) -> tuple[Section, Row]:
    """The cotangent of one operand step by step, and in short."""
    ref = contract.operands[slot]
    result, name = view.ref(contract.out).name, view.ref(ref).name
    steps = derivation(contract, slot, f"d{result}", f"d{name}", view, compact)
    second = [(new, old) for new, old in steps.second if old != ELLIPSIS]
    heading = f"With respect to {name}" + (f" where it stands as operand {slot + 1}" if again else "")
    if second:
        news, olds = listed([new for new, _ in second]), listed(list(dict.fromkeys(old for _, old in second)))
        are = "are second letters" if len(second) > 1 else "is a second letter"
        heading += f"; {news} {are} over {'the dimensions' if ' and ' in olds else 'the dimension'} of {olds}"
    rows = [Row(step.left, step.right, step.why) for step in steps.steps]
    derived = vjp_of_contract(contract, slot, f"d{result}", f"d{name}")
    code = code_rows(derived, view)
    if code and code[0].code and not code[0].note:
        code[0] = replace(code[0], note=f"d{result} stands where {name} stood, {name}'s letters where {result}'s stood")
    short = Row(steps.partial.left, (*steps.partial.right, " ⇒ ", *steps.result.left, " = ", *steps.result.right))
    return Section(heading + ":", (*rows, *code), network(derived, view, f"d{result}")), short


def adding_section(contract: Contract, name: str, view: View) -> Section:
    """An array that stands several times has the sum of its cotangents."""
    slots = [n for n, ref in enumerate(contract.operands) if ref.name == name]
    cotangent, shown = f"d{view.ref(contract.out).name}", view.ref(contract.operands[slots[0]]).name
    first = contract.operands[slots[0]].indices
    derived = [letters.relettered(vjp_of_contract(contract, slot, cotangent, f"d{shown}"), first) for slot in slots]
    parts = [right_hand_side(term, view)[0] for term in derived]
    rows = [Row((Ref(f"d{shown}", first),), joined(parts, " + "), "a change of it comes in at each place")]
    products = [sorted((ref.name, ref.indices) for ref in operands(term)) for term in derived]
    if all(product == products[0] for product in products):
        rows.append(Row((), (f"{len(parts)} ", *parts[0]), "the terms are equal"))
    often = "twice" if len(slots) == 2 else f"{len(slots)} times"
    return Section(f"{shown} stands {often}, so its cotangents add up:", tuple(rows))


def vjp_of_equation(equation: Equation) -> Program:
    """A program of one equation and its derivative, each letter of size 2."""
    refs = {ref.name: ref for ref in operands(equation)}
    dimensions = tuple(Dimension(letter, 2) for letter in letters.letters_of(equation))
    inputs = tuple(Input(ref) for ref in refs.values())
    forward = Program(inputs, (equation,), (equation.out,), dimensions)
    derived = vjp(forward)
    equations = [equation, *(e for e in derived.equations if e.out.name != equation.out.name)]
    return replace(derived, equations=tuple(equations))


def explain_program(program: Program) -> Explanation:
    """Every equation of a program: the forward, then each derived line under the line that it comes from."""
    view = replace(View.of(program), inline=inlined(program))
    shown = [equation for equation in program.equations if equation.out.name not in view.inline]
    forward = [equation for equation in shown if equation.out.name not in program.origins]
    sections = [Section(letters_heading(program), ())] if program.dimensions else []
    sections.append(Section("Forward:", tuple(row for equation in forward for row in equation_rows(equation, view))))
    derived = [equation for equation in shown if equation.out.name in program.origins]
    defining = program.defining()
    for origin, group in groupby(derived, key=lambda equation: program.origins[equation.out.name]):
        source = defining.get(origin)
        heading = f"From {text(equation_markup(source, view))}" if source is not None else f"For {origin}"
        rows = tuple(row for equation in group for row in equation_rows(equation, view))
        sections.append(Section(f"{heading}{slopes(source, view)}:", rows))
    return Explanation(tuple(section for section in sections if section.heading or section.rows))


def equation_rows(equation: Equation, view: View) -> list[Row]:
    """An equation with its einsum and its matrix notation."""
    markup = equation_markup(equation, view)
    rows = [Row(markup[:1], markup[2:])]
    return rows + (code_rows(equation, view) if isinstance(equation, Contract) else [])


def slopes(equation: Equation | None, view: View) -> str:
    """The derivatives of a pointwise function, as they are stated: ``, where ∂h/∂z = h (1 - h)``."""
    if not isinstance(equation, Map):
        return ""
    stated = []
    for slot, ref in enumerate(equation.operands):
        formula = elementwise.statement(equation.function, slot, equation.parameter)
        if isinstance(equation.parameter, Fraction) and formula == elementwise.FUNCTIONS["power"].partials[0]:
            formula = power_slope(equation.parameter)
        if formula not in (None, "0"):
            names = {**WRITTEN, "x": view.ref(ref).name, "y": view.ref(equation.out).name}
            names |= {f"x{n}": view.ref(operand).name for n, operand in enumerate(equation.operands)}
            words = "".join(names.get(word, word) for word in re.split(r"(\w+)", str(formula)))
            words = re.sub(r"\*\*(\d)\b", lambda match: raised(match[1]), words.replace(" * ", " ")).replace("**", "^")
            stated.append(f"∂{view.ref(equation.out).name}/∂{view.ref(ref).name} = {words}")
    return f", where {' and '.join(stated)}" if stated else ""


def power_slope(p: Fraction) -> str:
    """The derivative of a power with its exponent worked out: ``2 * x``, ``3 * x**2``, ``-2 * x**(-3)``."""
    number, less = (str(q if q.denominator < 10 else nearest_float(q)) for q in (p, p - 1))
    return f"{number} * x" if less == "1" else f"{number} * x**{less if less.isdigit() else f'({less})'}"
