"""Forward mode: what reverse mode is held against, made from the same differentials, read as they stand."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from einbackprop.core.letters import moved
from einbackprop.core.program import ONE, Bracket, Contract, Factor, MatrixFunction, Position, Program, Ref, Sum
from einbackprop.core.recurrences import blocks, carried, flat
from einbackprop.core.simplification import simplify
from einbackprop.derivation.accumulation import Derivation, Part
from einbackprop.derivation.differential import Term, differential
from einbackprop.errors import DerivationError


def jvp(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """Forward mode: the tangents of the outputs, given those of inputs.

    Parameters
    ----------
    program : Program
    wrt : sequence of str, optional
        Names of inputs; all inputs of real or complex numbers by default.

    Returns
    -------
    Program
        Its inputs are those of ``program``, followed by one tangent for each of ``wrt``, named as the input with
        ``_dot`` appended. Its outputs are the tangents of the outputs: zeros where no input reaches one.

    Raises
    ------
    DerivationError
        A name is no input, holds integers or booleans, or reaches an output through a line that could not be read.
    """
    return simplify(Forward(simplify(program), wrt).run())


class Forward(Derivation):
    """Forward mode: the equations from the first to the last, each differential as it stands."""

    def run(self) -> Program:
        """The program of the tangents."""
        units = {i.ref.name: i.units for i in self.program.inputs}
        for name in self.wrt:
            if name not in units:
                raise DerivationError(f"{name} is no input, so it has no tangent; the inputs are {', '.join(units)}")
        inputs = [self.declare(f"{name}_dot", name, units[name]) for name in self.wrt]
        tangents = {name: declared.ref.name for name, declared in zip(self.wrt, inputs, strict=True)}
        order = [*flat(blocks(self.program.equations))]
        ahead = {name: self.work.fresh(f"{name}_dot_ahead") for name in sorted(carried(order) & self.moving)}
        self.work.indices |= {made: self.work.indices[name] for name, made in ahead.items()}
        tangents |= ahead
        for equation in order:
            name = equation.out.name
            if name in self.moving:
                parts = [
                    Part(self.moved(term, tangents[term.moving.name]), name, term.moving.name)
                    for term in differential(equation, self.moving, self.work)
                ]
                made = self.settle(f"{name}_dot", name, parts)
                tangents[name] = self.pushed(equation, made) if isinstance(equation, MatrixFunction) else made
                if name in ahead:
                    indices = self.work.indices[name]
                    self.work.append(Contract(Ref(ahead[name], indices), (Ref(tangents[name], indices),)))
        names = [ref.name for ref in self.program.outputs]
        outputs = [tangents.get(name) or self.settle(f"{name}_dot", name, []) for name in names]
        derived = self.program_of(inputs, outputs, self.program.output_units)
        return replace(derived, structure=self.program.structure)

    def pushed(self, equation: MatrixFunction, tangent: str) -> str:
        """The tangent of the result from that of the right-hand side of the equation that defines it."""
        out, work = equation.out, self.work
        if equation.function == "solve":
            right = moved(Ref(tangent, out.indices), equation.result, equation.matrix[0])
            return work.write(f"{out.name}_dot", out.indices, "", lambda to: MatrixFunction(
                to, "solve", (equation.operands[0], right), equation.matrix, equation.result)).name  # fmt: skip
        if equation.function != "cholesky":
            return tangent
        (k, l), (p, q) = tuple(equation.result), tuple(equation.matrix)
        m = work.other(k, out.indices + equation.matrix)
        inverse = work.write("inverse", moved(out, k + l, p + q).indices, "", lambda to: MatrixFunction(
            to, "inv", (out,), k + l, p + q))  # fmt: skip
        refs = (moved(inverse, p + q, k + p), Ref(tangent, moved(out, k + l, p + q).indices),
                moved(inverse, p + q, l + q))  # fmt: skip
        half = Factor.of(Fraction(1, 2))
        parts = [work.write("lower", out.indices, "", lambda to, b=b: Contract(to, refs, (b,), half))
                 for b in (Bracket(Position.of(l), r, Position.of(k)) for r in ("≤", "<"))]  # fmt: skip
        lower = work.write("halved", out.indices, "", lambda to: Sum(to, tuple((ONE, part) for part in parts)))
        left, right = moved(out, k + l, k + m), moved(lower, k + l, m + l)
        return work.write(f"{out.name}_dot", out.indices, "", lambda to: Contract(to, (left, right))).name

    def moved(self, term: Term, tangent: str) -> Contract:
        """A term of a differential, with the tangent in the place of the operand that moves."""
        refs, ref = list(term.contract.operands), Ref(tangent, term.moving.indices)
        refs[term.slot] = self.work.conjugate(ref) if term.conjugated else ref
        return replace(term.contract, operands=tuple(refs), source=None)
