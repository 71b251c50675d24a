"""A program that is being written: its equations so far, and names that are still free."""

from collections.abc import Callable

import numpy as np

from . import dimensions, elementwise
from .program import Contract, Dimension, Equation, Extremum, Map, Opaque, Program, Ref, Sum, Update


def free_name(name: str, taken: set[str]) -> str:
    """The name, with a number appended where it is taken; it is taken from now on."""
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free


class Workspace:
    """Equations written after those of a program, and what is known of each value.

    Attributes
    ----------
    equations : list of Equation
        The program's, and those appended.
    origins : dict of name to name
        For each value appended, the forward value whose equation it comes from.
    indices : dict of name to str
        One letter for each axis of each value, all distinct.
    complex_values, boolean_values : set of str
        Values that depend on an input declared complex (and are not real again), and values that are true or false.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.dimensions = list(program.dimensions)
        self.equations: list[Equation] = []
        self.origins: dict[str, str] = {}
        self.taken = {*program.constants, *program.labels.values(), *(i.ref.name for i in program.inputs)}
        self.taken |= {equation.out.name for equation in program.equations}
        arrays = {name: array.dtype.kind for name, array in program.constants.items()}
        arrays |= {i.ref.name: np.dtype(i.dtype).kind for i in program.inputs}
        self.complex_values = {name for name, kind in arrays.items() if kind == "c"}
        self.boolean_values = {name for name, kind in arrays.items() if kind == "b"}
        self.indices = {ref.name: ref.indices for ref in (*program.outputs, *(i.ref for i in program.inputs))}
        for equation in program.equations:
            self.append(equation)

    def append(self, equation: Equation, origin: str = "") -> Ref:
        """Write an equation; ``origin`` is the forward value that it comes from."""
        out = equation.out
        self.equations.append(equation)
        self.indices[out.name] = self.distinct(out.indices)
        if origin:
            self.origins[out.name] = origin
        if is_complex(equation, self.complex_values):
            self.complex_values.add(out.name)
        if isinstance(equation, Map) and elementwise.is_boolean(equation.function):
            self.boolean_values.add(out.name)
        return out

    def write(self, label: str, letters: str, origin: str, make: Callable[[Ref], Equation]) -> Ref:
        """Write a value that gets the label, or one like it, as its name."""
        return self.append(make(Ref(self.fresh(label), letters)), origin)

    def fresh(self, name: str) -> str:
        """The name, with a number appended where it is taken."""
        return free_name(name, self.taken)

    def distinct(self, indices: str) -> str:
        """The same axes with no letter twice: a repeated one is replaced by another of its dimension."""
        chosen = ""
        for letter in indices:
            chosen += letter if letter not in chosen else self.other(letter, indices + chosen)
        return chosen

    def other(self, letter: str, used: str) -> str:
        """Another letter of the same dimension; a new one where it has no more."""
        place = next(n for n, dimension in enumerate(self.dimensions) if letter in dimension.letters)
        dimension = self.dimensions[place]
        for candidate in dimension.letters:
            if candidate not in used:
                return candidate
        everywhere = "".join(d.letters for d in self.dimensions)
        new = next(i for i in dimensions.FLOW_LETTERS + dimensions.OTHER_LETTERS if i not in everywhere)
        self.dimensions[place] = Dimension(dimension.letters + new, dimension.size, dimension.name)
        return new

    def conjugate(self, ref: Ref) -> Ref:
        """The conjugate of a value that depends on an input declared complex; a real one is its own."""
        if ref.name not in self.complex_values:
            return ref
        letters = "".join(dict.fromkeys(ref.indices))
        return self.write(f"conj_{ref.name}", letters, "", lambda out: Map(out, "conj", (ref,)))


def is_complex(equation: Equation, complex_values: set[str]) -> bool:
    """Whether a value is complex: where it is made from one that is, or with a complex factor."""
    match equation:
        case Contract(_, refs, _, factor):
            return isinstance(factor.number, complex) or any(ref.name in complex_values for ref in refs)
        case Sum(_, terms):
            return any(
                isinstance(factor.number, complex) or (ref is not None and ref.name in complex_values)
                for factor, ref in terms
            )
        case Map(_, function, refs):
            return not elementwise.lookup(function).real and any(ref.name in complex_values for ref in refs)
        case Update(_, base, value):
            return base.name in complex_values or value.name in complex_values
        case Extremum(_, operand):
            return not equation.position_of and operand.name in complex_values
        case Opaque(out):
            return out.name in complex_values
