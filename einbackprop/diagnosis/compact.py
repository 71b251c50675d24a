"""The shorter formulas by which people write some derivatives, beside the derived steps, which are longer.

The derived steps of a softmax p = e / Σ e go by way of e and its sum. People write them in p alone:

    dz[b,k] = p[b,k] (dp[b,k] - Σ_m p[b,m] dp[b,m])

The term under the sum, by which every class answers for every other, is the one that is most often forgotten. If p goes
nowhere but into a log, v[b] = log p[b,y_b], what is divided by p cancels:

    dz[b,k] = dv[b] [k = y_b] - p[b,k] dv[b]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeGuard

from ..core.letters import rename_letters
from ..core.program import ONE, Contract, Equation, Factor, Map, Program, Ref, Sum, operands
from ..core.simplification import needed
from ..core.workspace import Workspace


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
    others : frozenset of str
        What else was written for them: nothing that a line is likely to be meant to be.
    """

    equations: dict[str, Equation]
    crossed: frozenset[str]
    others: frozenset[str]


class Writer:
    """Writes shorter formulas of a derivative, and what they are made of.

    Parameters
    ----------
    forward : Program
        The loss.
    cotangents : mapping of name to name
        Of values of the forward.
    work : Workspace
        The derivative; values that the formulas are made of are written to it.
    """

    def __init__(self, forward: Program, cotangents: Mapping[str, str], work: Workspace) -> None:
        self.forward, self.cotangents, self.work = forward, cotangents, work
        self.equations: dict[str, Equation] = {}
        self.crossed: list[str] = []
        self.written: list[str] = []

    def write(self) -> Shorter:
        """Write all of them, and what the forward has and its derivative did not need."""
        all_of_them = list(softmaxes(self.forward))
        there = {equation.out.name for equation in self.work.equations}
        outputs = needed(self.forward.equations, [found.output.name for found in all_of_them])
        self.work.equations += [equation for equation in outputs if equation.out.name not in there]
        for found in all_of_them:
            if {found.output.name, found.argument.name} <= set(self.cotangents):
                users = [e for e in self.forward.equations if found.output.name in {r.name for r in operands(e)}]
                ahead = self.through_log(found, users[0]) if len(users) == 1 else None
                self.equations[self.cotangents[found.argument.name]] = ahead or self.in_general(found)
        return Shorter(self.equations, frozenset(self.crossed), frozenset(self.written) - frozenset(self.crossed))

    def part(self, found: Softmax, label: str, letters: str, equation: Equation) -> Ref:
        """Write a value that a formula is made of."""
        name = f"{found.output.name}_{label}"
        made = self.work.write(name, letters, found.argument.name, lambda out: replace(equation, out=out))
        self.written.append(made.name)
        return made

    def in_general(self, found: Softmax) -> Equation:
        """``p[b,k] (dp[b,k] - Σ_m p[b,m] dp[b,m])``."""
        p = found.output
        slope = Ref(self.cotangents[p.name], p.indices)
        inner = self.part(found, "inner", found.kept, Contract(p, (p, slope)))
        self.crossed.append(self.part(found, "cross", p.indices, Contract(p, (p, inner))).name)
        apart = self.part(found, "apart", p.indices, Sum(p, ((ONE, slope), (-ONE, inner))))
        return Contract(self.of_argument(found), (p, apart))

    def of_argument(self, found: Softmax) -> Ref:
        """The cotangent of what the softmax is of."""
        return Ref(self.cotangents[found.argument.name], found.argument.indices)

    def through_log(self, found: Softmax, user: Equation) -> Equation | None:
        """``dv[b,k] - p[b,k] Σ_m dv[b,m]`` where v = log p; ``dv[b] [k = y_b] - p[b,k] dv[b]`` where one is picked."""
        p = found.output
        if map_of(user, "log") is not None and user.out.name in self.cotangents:
            (read,) = operands(user)
            here = dict(zip(read.indices, p.indices, strict=True))
            slope = Ref(self.cotangents[user.out.name], "".join(here[i] for i in user.out.indices))
            total = self.part(found, "total", found.kept, Contract(p, (slope,)))
            return self.difference(found, (ONE, slope), Contract(p, (p, total)))
        log = next((e for e in self.forward.equations if is_log_of(e, user.out.name)), None)
        if not is_pick(user, p.name) or log is None or log.out.name not in self.cotangents:
            return None
        here = dict(zip(user.operands[0].indices, p.indices, strict=True))
        picked = {i: here.get(k, "") for i, k in zip(log.operands[0].indices, user.out.indices, strict=True)}
        slope = Ref(self.cotangents[log.out.name], "".join(picked[i] for i in log.out.indices))
        if sorted(slope.indices) != sorted(found.kept):
            return None
        pattern = rename_letters(Contract(user.operands[0], (), user.brackets), here)
        made = next((e for e in self.work.equations if e.out.name == slope.name), None)
        if isinstance(made, Contract) and not made.operands and not made.brackets:  # of a mean: 1/B everywhere
            own = self.part(found, "own", p.indices, pattern)
            return Sum(self.of_argument(found), ((-made.factor, p), (made.factor, own)))
        assert isinstance(pattern, Contract)
        own = self.part(found, "own", p.indices, replace(pattern, operands=(slope,)))
        return self.difference(found, (ONE, own), Contract(p, (p, slope)))

    def difference(self, found: Softmax, own: tuple[Factor, Ref], taken: Contract) -> Equation:
        """A term less another."""
        return Sum(self.of_argument(found), (own, (-ONE, self.part(found, "taken", found.output.indices, taken))))


def is_log_of(equation: Equation, name: str) -> TypeGuard[Map]:
    """Whether an equation takes the log of a value."""
    return map_of(equation, "log") is not None and name in {ref.name for ref in operands(equation)}


def is_pick(equation: Equation, name: str) -> TypeGuard[Contract]:
    """Whether an equation picks entries of a value by brackets, and does nothing else."""
    match equation:
        case Contract(_, (Ref(read, letters),), (_, *_), factor):
            return read == name and factor == ONE and len(set(letters)) == len(letters)
    return False
