"""Derivatives of programs, as programs of the same kinds, by reverse mode.

Each equation's differential is a sum of Contracts, each linear in one operand (module ``differential``). Reverse mode
transposes each by slot substitution:

    z[i,b]  = Σ_j W[i,j] x[j,b]          'ij,jb->ib'
    dW[i,j] = Σ_b dz[i,b] x[j,b]         'ib,jb->ij'     dz stands where W stood, W's letters where z's stood
    dx[j,b] = Σ_i W[i,j] dz[i,b]         'ij,ib->jb'     dz stands where x stood, x's letters where z's stood

Cotangents of complex values are ``∂L/∂Re z + i ∂L/∂Im z`` for a real L, the direction in which L grows fastest (the
convention of PyTorch; that of JAX is its conjugate): ``δL = Re Σ conj(dz) δz``. So the other operands are conjugated
where they depend on an input that was declared complex, and nowhere else: a program of real inputs stays analytic,
and complex step goes through its derivative.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..core.letters import free_name
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Equation,
    Factor,
    Input,
    Map,
    Position,
    Program,
    Ref,
    Sum,
    operands,
)
from ..core.records import dataclass
from ..core.recurrences import Recurrence, blocks, carried, flat, reached
from ..core.simplification import fingerprint, is_view, plus, seen_through, simplify
from ..errors import DerivationError
from .differential import Term, Workspace, differential, flows, is_complex
from .matrices import pulled_back


def vjp_of_contract(equation: Contract, slot: int, cotangent: str, name: str) -> Contract:
    """The vjp of a contraction with respect to one operand, by slot substitution.

    The cotangent takes the place of the operand, and the operand's letters take the place of the output's. The other
    operands, the brackets and the factor keep theirs.

    Parameters
    ----------
    equation : Contract
        ``z[i,b] = Σ_j W[i,j] x[j,b]``, say.
    slot : int
        Which operand: 0 for W.
    cotangent, name : str
        The names of ``dz`` and ``dW``.

    Returns
    -------
    Contract
        ``dW[i,j] = Σ_b dz[i,b] x[j,b]``. Exact for repeated letters too (``'ii->'`` gives ``'->ii'``, a diagonal),
        for a letter summed alone (``'ij->i'`` gives ``'i->ij'``, broadcast) and for one that the output has from
        nowhere (``'->i'`` gives ``'i->'``). Of complex operands it is the transpose: ``vjp`` conjugates the others.
    """
    operand = equation.operands[slot]
    refs = list(equation.operands)
    refs[slot] = Ref(cotangent, equation.out.indices)
    return replace(equation, out=Ref(name, operand.indices), operands=tuple(refs), source=None)


def vjp(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """Reverse mode: the cotangents of values, given those of the outputs.

    Parameters
    ----------
    program : Program
    wrt : sequence of str, optional
        Names of inputs, or of other values. All inputs of real or complex numbers by default.

    Returns
    -------
    Program
        Its outputs are the cotangents in the order of ``wrt``, named ``d`` and the value's name: zeros where a value
        does not reach an output. Its inputs are those of ``program``, followed by one cotangent an output; a single
        scalar output needs none, since it is differentiated with the cotangent 1. See the module for the convention
        on complex numbers.

    Raises
    ------
    DerivationError
        A name is unknown, holds integers or booleans, or reaches an output through a line that could not be read.
    """
    return simplify(Reverse(simplify(program, wrt or ()), wrt).run(keep_outputs=False))


def vjp_of_all(program: Program, wrt: Sequence[str]) -> Program:
    """As ``vjp``, with respect to any values of a program: views are not read through, so that what goes by way of a
    view is its cotangent too."""
    return simplify(Reverse(program, wrt).run(keep_outputs=False))


def value_and_vjp(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """As ``vjp``, with the outputs of ``program`` before the cotangents."""
    return simplify(Reverse(simplify(program, wrt or ()), wrt).run(keep_outputs=True))


@dataclass(frozen=True, slots=True)
class Part:
    """A contribution to a derivative: a Contract that has no name yet.

    ``origin`` is the value whose equation it comes from, ``by`` the value by which it came.
    """

    contract: Contract
    origin: str
    by: str


class Derivation:
    """Which values of a program move, and sums of contributions to a derivative."""

    def __init__(self, program: Program, wrt: Sequence[str] | None) -> None:
        self.program = program
        self.work = Workspace(program)
        self.wrt = [i.ref.name for i in program.inputs if is_number(i)] if wrt is None else [*wrt]
        for name in self.wrt:
            self.check(name)
        self.moving = set(reached(
            program.equations, self.wrt, lambda equation, moving: flows(equation, moving, self.work.complex_values)))
        self.labels = dict(program.labels)

    def check(self, name: str) -> None:
        """Raise if there is no derivative with respect to the name."""
        if name not in self.work.indices:
            there_are = ", ".join(i.ref.name for i in self.program.inputs)
            raise DerivationError(f"there is no value {name!r} to differentiate by; the inputs are {there_are}")
        for i in self.program.inputs:
            if i.ref.name == name and not is_number(i):
                raise DerivationError(
                    f"{name}[{','.join(i.ref.indices)}] holds {i.dtype}, which has no derivative; "
                    f"pass it as float64 if it is meant to vary"
                )

    def settle(self, name: str, of: str, parts: Sequence[Part]) -> str:
        """Write the sum of the contributions to the derivative of a value; return its name.

        Of a value that is real, the real part: what complex values around it contribute besides is no slope of it.
        """
        work, indices = self.work, self.work.indices[of]
        parts = self.added_up(parts)
        origin = parts[0].origin if len(parts) == 1 else of
        complex_parts = any(is_complex(part.contract, work.complex_values) for part in parts)
        to_real = complex_parts and of not in work.complex_values
        out = Ref(work.fresh(f"{name}_complex" if to_real else name), indices)
        if not parts:
            work.append(Contract(out, factor=Factor(Fraction(0))), origin)
        elif len(parts) == 1:
            (part,) = parts
            out = Ref(out.name, part.contract.out.indices)
            work.append(replace(part.contract, out=out), origin)
        else:
            work.append(Sum(out, tuple(self.term(part, name, indices) for part in parts)), origin)
        if to_real:
            distinct = Ref(out.name, work.indices[out.name])
            out = work.write(name, distinct.indices, origin, lambda real: Map(real, "real", (distinct,)))
        return out.name

    def term(self, part: Part, name: str, indices: str) -> tuple[Factor, Ref]:
        """A contribution as a term of a Sum: read directly where it is a view, else written as a value first."""
        contract = part.contract
        if is_view(contract) and contract.operands:
            return contract.factor, seen_through(contract, Ref("", indices)) or contract.out
        written = self.work.append(
            replace(contract, out=Ref(self.work.fresh(f"{name}_from_{part.by}"), contract.out.indices)), part.origin
        )
        return ONE, Ref(written.name, indices)

    def added_up(self, parts: Sequence[Part]) -> list[Part]:
        """Contributions that are equal but for their factors become one: ``x x`` has the derivative ``2 dy x``."""
        dimension = {letter: n for n, d in enumerate(self.work.dimensions) for letter in d.letters}
        merged: dict[object, Part] = {}
        for part in parts:
            factor = part.contract.factor
            key = fingerprint(replace(part.contract, factor=ONE), dimension), factor.sizes
            if key in merged:
                first = merged[key]
                factor = plus(first.contract.factor, factor)
                part = replace(first, contract=replace(first.contract, factor=factor))
            merged[key] = part
        return list(merged.values())

    def program_of(self, inputs: Sequence[Input], outputs: Sequence[str], units: Sequence[tuple[int, ...]]) -> Program:
        """The program as it is written now, with more inputs and other outputs."""
        return replace(
            self.program,
            inputs=(*self.program.inputs, *inputs),
            equations=tuple(self.work.equations),
            outputs=tuple(Ref(name, self.work.indices[name]) for name in outputs),
            dimensions=tuple(self.work.dimensions),
            structure=list(range(len(outputs))),
            output_units=tuple(units) if any(units) else (),
            labels=self.labels,
            origins={**self.program.origins, **self.work.origins},
        )

    def declare(self, name: str, like: str, units: tuple[int, ...]) -> Input:
        """A new input for the cotangent or tangent of a value: as wide as the numbers among the inputs."""
        dtypes = [np.dtype(i.dtype) for i in self.program.inputs if is_number(i)] or [np.dtype(np.float64)]
        dtype = np.result_type(*dtypes)
        ref = Ref(self.work.fresh(name), self.work.indices[like])
        self.work.indices[ref.name] = ref.indices
        if like in self.work.complex_values:
            self.work.complex_values.add(ref.name)
        elif dtype.kind == "c":
            dtype = np.empty(0, dtype).real.dtype
        return Input(ref, dtype.name, (), units)


class Reverse(Derivation):
    """Reverse mode: the equations from the last to the first, each transposed by slot substitution."""

    def __init__(self, program: Program, wrt: Sequence[str] | None) -> None:
        super().__init__(program, wrt)
        self.parts: dict[str, list[Part]] = defaultdict(list)
        self.cotangents: dict[str, str] = {}
        self.late: dict[str, list[Part]] = defaultdict(list)
        self.reserved: dict[str, Ref] = {}

    def carry(self, equations: Sequence[Equation]) -> None:
        """Let what the next round contributes to a value that it reads be read before it is there, under a name that
        is reserved for it: the cotangents of a recurrence are one that runs the other way."""
        for name in sorted(carried(equations) & self.moving):
            ref = Ref(self.work.fresh(f"d{name}_carried"), self.work.indices[name])
            self.reserved[name], self.work.indices[ref.name] = ref, ref.indices
            if name in self.work.complex_values:
                self.work.complex_values.add(ref.name)
            self.parts[name].append(Part(Contract(Ref("", ref.indices), (ref,)), name, name))

    def run(self, *, keep_outputs: bool) -> Program:
        """The program of the cotangents."""
        program = self.program
        outputs = [ref.name for ref in program.outputs] if keep_outputs else []
        seeds = self.seed()
        first_use: dict[str, str] = {}
        in_order = blocks(program.equations)
        for equation in flat(in_order):
            for ref in operands(equation):
                first_use.setdefault(ref.name, equation.out.name)
        for block in reversed(in_order):
            own = block.equations if isinstance(block, Recurrence) else (block,)
            if isinstance(block, Recurrence) and any(self.parts[equation.out.name] for equation in own):
                self.carry(own)
            for equation in reversed(own):
                cotangent = self.cotangent(equation.out.name)
                if cotangent:
                    pulled = pulled_back(equation, cotangent, self.work)
                    for term in differential(equation, self.moving, self.work):
                        name, part = term.moving.name, self.transposed(term, pulled, equation.out.name)
                        if name in self.reserved and name in self.cotangents:  # of another round
                            self.late[name].append(replace(part, contract=turned(part.contract)))
                        else:
                            self.parts[name].append(part)
                for ref in operands(equation):
                    if first_use[ref.name] == equation.out.name:  # going backwards, its last: all are there
                        self.cotangent(ref.name)
            for name in [equation.out.name for equation in own if equation.out.name in self.reserved]:
                made = Ref(self.settle(f"d{name}_from_next", name, self.late[name]), self.work.indices[name])
                self.work.append(Contract(self.reserved[name], (made,)), name)
        found = [self.cotangent(name) or self.settle(f"d{name}", name, []) for name in self.wrt]
        units = {i.ref.name: i.units for i in program.inputs}
        own_units = (program.output_units or ((),) * len(program.outputs)) if keep_outputs else ()
        indices = list(range(len(outputs), len(outputs) + len(found)))
        derived = self.program_of(seeds, [*outputs, *found], [*own_units, *(units.get(name, ()) for name in self.wrt)])
        return replace(derived, structure=[program.structure, indices]) if keep_outputs else derived

    def seed(self) -> list[Input]:
        """The cotangents of the outputs: 1 for a single scalar, else inputs."""
        program = self.program
        if len(program.outputs) == 1 and not program.outputs[0].indices:
            name = program.outputs[0].name
            self.parts[name].append(Part(Contract(Ref("")), name, name))
            return []
        seeds = []
        for ref, units in zip(program.outputs, program.output_units or ((),) * len(program.outputs), strict=True):
            seed = self.declare(f"d{ref.name}", ref.name, units)
            seeds.append(seed)
            self.parts[ref.name].append(Part(Contract(seed.ref, (seed.ref,)), ref.name, ref.name))
        return seeds

    def cotangent(self, name: str) -> str:
        """The name of the cotangent of a value, whose contributions are all there. Empty if it has none."""
        if name in self.moving and name not in self.cotangents and self.parts[name]:
            self.cotangents[name] = self.settle(f"d{name}", name, self.parts[name])
            if name in self.labels:
                self.labels[self.cotangents[name]] = f"d{self.labels[name]}"
        return self.cotangents.get(name, "")

    def transposed(self, term: Term, cotangent: str, origin: str) -> Part:
        """The contribution of one term: its vjp, the other operands conjugated where they are complex."""
        contract, work = term.contract, self.work
        others = [ref if n == term.slot else work.conjugate(ref) for n, ref in enumerate(contract.operands)]
        contract = replace(contract, operands=tuple(others), factor=contract.factor.conjugate())
        if term.conjugated:
            cotangent = work.conjugate(Ref(cotangent, work.indices[cotangent])).name
        return Part(vjp_of_contract(contract, term.slot, cotangent, ""), origin, origin)


def turned(contract: Contract) -> Contract:
    """The same with ``[s=t-1]`` as ``[t=s+1]`` where t is summed over: what a round reads is of the one after it."""
    out = contract.out.indices

    def other_way(bracket: Bracket) -> Bracket:
        (left, right), letter = (bracket.left, bracket.right), bracket.right.letters
        is_shift = left.is_letter and bracket.relation == "=" and right == Position.of(letter, constant=right.constant)
        if not is_shift or left.letters not in out or letter in out or len(letter) != 1:
            return bracket
        return Bracket(Position.of(letter), "=", Position.of(left.letters, constant=-right.constant))

    return replace(contract, brackets=tuple(map(other_way, contract.brackets)))


def is_number(declared: Input) -> bool:
    """Whether an input holds real or complex numbers (object arrays hold exact ones)."""
    return np.dtype(declared.dtype).kind in "fcO"


def as_loss(forward: Program) -> Program:
    """The program, if it has one scalar output, or one array of a single number, which is summed."""
    sizes = {letter: dimension.size for dimension in forward.dimensions for letter in dimension.letters}
    letters = forward.outputs[0].indices if len(forward.outputs) == 1 else ""
    if letters and all(sizes[letter] == 1 for letter in letters):
        taken = {declared.ref.name for declared in forward.inputs} | {e.out.name for e in forward.equations}
        single = Ref(free_name(forward.outputs[0].name, {*taken, *forward.constants}), "")
        forward = replace(
            forward, equations=(*forward.equations, Contract(single, forward.outputs)), outputs=(single,),
            held={**forward.held, **dict.fromkeys(letters, "a loss returns one number")},
        )  # fmt: skip
    if len(forward.outputs) != 1 or forward.outputs[0].indices:
        shapes = [f"{ref.name}[{','.join(ref.indices)}]" for ref in forward.outputs] or ["nothing"]
        raise DerivationError(f"a loss returns one number, but this one returns {', '.join(shapes)}: sum or average it")
    if any(forward.output_units):
        forward = replace(forward, output_units=())  # a loss of shape (1, 1) is one number too
    return forward
