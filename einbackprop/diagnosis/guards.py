"""Guards: small numbers that a loss adds so that it never takes the logarithm of 0, and that gradients leave out.

``-log(p + 1e-7)`` is written for the screen, and ``p - y`` is the gradient of ``-log(p)``: people mean it so. Such a
gradient is not accused; what was left out is said, and by how much it matters at the values drawn.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..core.program import Equation, Map, Program, Sum, operands

LARGEST = Fraction(1, 10_000)
LOGARITHMS = ("log", "log2", "log10")


def guards(program: Program) -> list[Sum]:
    """The sums that add a small number to what only logarithms are taken of."""
    users: dict[str, list[Equation]] = {}
    for equation in program.equations:
        for ref in operands(equation):
            users.setdefault(ref.name, []).append(equation)
    sums = [equation for equation in program.equations if isinstance(equation, Sum) and added(equation)]
    return [equation for equation in sums if set(map(name_of, users.get(equation.out.name, ()))) == {"log"}]


def name_of(equation: Equation) -> str:
    """The pointwise function that an equation applies; every logarithm is one."""
    function = equation.function if isinstance(equation, Map) else ""
    return "log" if function in LOGARITHMS else function


def added(equation: Sum) -> Fraction:
    """The small number that a sum adds; 0 if it adds none."""
    for factor, ref in equation.terms:
        number = factor.number
        if ref is None and not factor.sizes and isinstance(number, Fraction) and 0 < number <= LARGEST:
            return number
    return Fraction(0)


def without(program: Program, left_out: list[Sum]) -> Program:
    """The program that does not add these numbers."""
    names = {equation.out.name for equation in left_out}

    def bare(equation: Equation) -> Equation:
        if not isinstance(equation, Sum) or equation.out.name not in names:
            return equation
        small = added(equation)
        kept = tuple((f, ref) for f, ref in equation.terms if ref is not None or f.sizes or f.number != small)
        return replace(equation, terms=kept)

    return replace(program, equations=tuple(map(bare, program.equations)))


def sentence(left_out: list[Sum]) -> str:
    """What a right gradient leaves out: ``right, but for the 1e-07 that the loss adds on line 85``."""
    numbers = dict.fromkeys(f"{float(added(equation)):.3g}" for equation in left_out)
    lines = dict.fromkeys(equation.source.line for equation in left_out if equation.source is not None)
    where = f" on line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))}" if lines else ""
    return f"right, but for the {' and '.join(numbers)} that the loss adds{where} before it takes the logarithm"
