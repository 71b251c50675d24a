"""The shorter formulas by which people write some derivatives, beside the derived steps, which are longer.

The derived steps of a softmax p = e / Σ e go by way of e and its sum. People write them in p alone:

    dz[b,k] = p[b,k] (dp[b,k] - Σ_m p[b,m] dp[b,m])

The term under the sum, by which every class answers for every other, is the one that is most often forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from ..program import ONE, Contract, Equation, Map, Program, Ref, Sum, operands
from ..workspace import Workspace


@dataclass(frozen=True)
class Softmax:
    """A softmax in a program.

    Attributes
    ----------
    output, argument : Ref
        With the same letters.
    kept : str
        The letters over which its sum does not go.
    """

    output: Ref
    argument: Ref
    kept: str


def softmaxes(program: Program) -> Iterator[Softmax]:
    """The quotients of an exp by its sum, where neither is used for anything else."""
    made = program.defining()
    users: dict[str, list[str]] = {}
    for equation in program.equations:
        for ref in operands(equation):
            users.setdefault(ref.name, []).append(equation.out.name)
    for equation in program.equations:
        match equation:
            case Contract(out, (one, other), (), factor) if factor == ONE:
                for e, inverse in ((one, other), (other, one)):
                    exp, total = map_of(made.get(e.name), "exp"), summed_by(made.get(inverse.name), made)
                    alone = users[inverse.name] == [out.name]
                    if exp and total and alone and users[e.name] == [total.out.name, out.name]:
                        yield from softmax(out, e, exp, total)


def map_of(equation: Equation | None, function: str, parameter: object = None) -> Map | None:
    """The equation, if it is this pointwise function."""
    is_it = isinstance(equation, Map) and equation.function == function and equation.parameter == parameter
    return equation if is_it and isinstance(equation, Map) else None


def summed_by(inverse: Equation | None, made: Mapping[str, Equation]) -> Contract | None:
    """The sum of one value that an equation is the reciprocal of."""
    power = map_of(inverse, "power", Fraction(-1))
    match made.get(power.operands[0].name) if power else None:
        case Contract(_, (_,), (), factor) as total if factor == ONE:
            return total
    return None


def softmax(out: Ref, e: Ref, exp: Map, total: Contract) -> Iterator[Softmax]:
    """The softmax ``out = e / total``, if each letter of e is one of its own in it."""
    if sorted(e.indices) == sorted(out.indices) and len(set(e.indices)) == len(e.indices):
        here = dict(zip(exp.out.indices, e.indices, strict=True))
        argument = Ref(exp.operands[0].name, "".join(here[i] for i in exp.operands[0].indices))
        kept = "".join(i for i, k in zip(e.indices, total.operands[0].indices, strict=True) if k in total.out.indices)
        if len(argument.indices) == len(e.indices):
            yield Softmax(out, argument, kept)


@dataclass(frozen=True)
class Shorter:
    """The shorter formulas of a derivative.

    Attributes
    ----------
    equations : dict of name to Equation
        For a cotangent, the equation that people write.
    crossed : frozenset of str
        Terms of these by which every class answers for every other.
    """

    equations: dict[str, Equation]
    crossed: frozenset[str]


def write_shorter(forward: Program, cotangents: Mapping[str, str], work: Workspace) -> Shorter:
    """Write the parts of the shorter formulas to a derivative.

    Parameters
    ----------
    forward : Program
        The loss.
    cotangents : mapping of name to name
        Of values of the forward.
    work : Workspace
        The derivative.
    """
    equations: dict[str, Equation] = {}
    crossed: list[str] = []
    for found in softmaxes(forward):
        dp, dz = cotangents.get(found.output.name), cotangents.get(found.argument.name)
        if dp is None or dz is None:
            continue
        p, letters, origin = found.output, found.output.indices, found.argument.name
        slope = Ref(dp, letters)

        def write(label: str, out: str, equation: Equation, name: str = p.name, origin: str = origin) -> Ref:
            return work.write(f"{name}_{label}", out, origin, lambda ref: replace(equation, out=ref))

        inner = write("inner", found.kept, Contract(p, (p, slope)))
        crossed.append(write("cross", letters, Contract(p, (p, inner))).name)
        apart = write("apart", letters, Sum(p, ((ONE, slope), (-ONE, inner))))
        equations[dz] = Contract(Ref(dz, found.argument.indices), (p, apart))
    return Shorter(equations, frozenset(crossed))
