"""What the values of a backward are: which gradient, whatever they are called.

Where a forward and a backward are read together without the loss, the first value that is called a gradient is taken
for what it must be the gradient of, the last value of the forward of its dimensions that it is made from. From there
every cotangent is derived, and the user's values are compared with them at drawn values.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checking import draws, naming
from ..core.collecting import grouped
from ..core.program import Contract, Equation, Input, Map, Program, Ref, operands
from ..core.records import dataclass
from ..core.simplification import is_temporary, needed
from ..diagnosis.cotangents import Cotangents
from ..diagnosis.evaluation import Meaning, evaluate
from .closed_forms import Naming

SEED = 0
DERIVATIVE = re.compile(r"d_?(?!(L|J|C|E|[Ll]oss|[Cc]ost|[Ee]rror)_)\w+_d_\w+")  # of something by something else
MOST_STARTS = 4  # a buffer that a loop fills has as many earlier values as rounds
GRADIENT = re.compile(r"(d|∂|grad|delta)(L|J)?[_/A-Z]|delta\d*$|grad$")


@dataclass(frozen=True)
class Meanings:
    """What values are: a sentence for each; ``given`` says what they rest on."""

    of: Mapping[str, str]
    given: str = ""


def meanings(program: Program, arrays: Sequence[NDArray[Any]]) -> Meanings:
    """What the values of a backward are the gradients of.

    Parameters
    ----------
    program : Program
        A forward and its backward, read together.
    arrays : sequence of arrays
        The inputs: labels, masks and the like stay what they are in the draws.
    """
    rng = np.random.default_rng(SEED)
    known = [np.asarray(array) for array in arrays]
    fresh = [
        draws.draw(array, draws.range_role(array), rng) if array.dtype.kind == "f" else array for array in known
    ]
    for seed, primal in [*given_starts(program), *starts(program)]:
        started = starting_from(program, seed, primal)
        added = [rng.normal(size=[program.sizes[i] for i in one.ref.indices]) for one in started.inputs[len(known) :]]
        for values in (fresh, known):
            found = found_meanings(started, [*values, *added], seed)
            if found:
                said = {name: sentence(program, name, meaning) for name, meaning in found.items()}
                given = f"here {label(program, seed)} is taken as ∂L/∂{label(program, primal)}"
                return Meanings(said, given)
    return Meanings({})


def closed_forms(program: Program) -> dict[str, str]:
    """What values are of others, in the program's letters: ``is the softmax of s over j``."""
    return dict(Naming(program, lambda name: label(program, name)).sentences())


def given_starts(program: Program) -> list[tuple[str, str]]:
    """The inputs that are called gradients of a value, with the last value of that name that has their sizes."""
    sizes = program.sizes
    found = []
    for declared in program.inputs:
        name = declared.ref.name
        meant = {said.casefold() for said in naming.gradient_of(label(program, name))[1:]}
        fitting = [
            e.out.name for e in program.equations
            if program.labels.get(e.out.name, "").casefold() in meant
            and [sizes[i] for i in e.out.indices] == [sizes[i] for i in declared.ref.indices]
        ]  # fmt: skip
        found += [(name, fitting[-1])] if fitting else []
    return found


def starts(program: Program) -> list[tuple[str, str]]:
    """The first value that is called a gradient, with each earlier value that it may be the gradient of."""
    made = program.defining()
    known = {name.casefold() for name in (*program.labels.values(), *inputs_of(program))}
    for equation in program.equations:
        name = equation.out.name
        if name in program.labels and is_called_gradient(program.labels[name], known):
            name = finished(program, name)
            before = [e.out.name for e in needed(program.equations, [name])]
            dimensions = [program.dimension(i) for i in equation.out.indices]
            fitting = [
                other for other in before
                if other != name and other in program.labels and program.labels[other] != program.labels[name]
                and [program.dimension(i) for i in made[other].out.indices] == dimensions
            ]  # fmt: skip
            meant = {said.casefold() for said in naming.gradient_of(program.labels[name])[1:]}
            fitting.sort(key=lambda other: program.labels[other].casefold() in meant)
            return [(name, other) for other in fitting[: -MOST_STARTS - 1 : -1]]
    return []


def finished(program: Program, name: str) -> str:
    """A value once it is what its name says: ``dscores /= N`` after ``dscores[range(N), y] -= 1``."""
    users = grouped({(ref.name, equation.out.name) for equation in program.equations for ref in operands(equation)})
    returned = {ref.name for ref in program.outputs}
    while name not in returned and len(users.get(name, ())) == 1:
        (again,) = users[name]
        if program.labels.get(again) != program.labels[name]:
            break
        name = again
    return name


def is_called_gradient(called: str, known: Collection[str]) -> bool:
    """Whether a name says that it is a gradient: of one that is known, or by its spelling (``d_out``, ``delta2``)."""
    if DERIVATIVE.fullmatch(called):
        return False
    of = [name.casefold() for name in naming.gradient_of(called)[1:]]
    return any(name in known for name in of) or GRADIENT.match(called) is not None


def starting_from(program: Program, seed: str, primal: str) -> Program:
    """The program with the seed as an input and ``Σ primal · seed`` as its loss: the seed is the primal's cotangent."""
    indices = program.defining()[primal].out.indices
    loss = Contract(Ref("loss of the seed"), (Ref(primal, indices), Ref(seed, indices)))
    if seed in inputs_of(program):
        position = next(n for n, e in enumerate(program.equations) if e.out.name == primal)
        kept = (*program.equations[: position + 1], loss, *program.equations[position + 1 :])
        return replace(program, equations=kept, outputs=(loss.out,), output_units=(), structure=0)
    position = next(n for n, e in enumerate(program.equations) if e.out.name == seed)
    kept = (*program.equations[:position], loss, *program.equations[position + 1 :])
    given = Input(Ref(seed, indices), "float64", (len(program.inputs),))
    return replace(
        program, inputs=(*program.inputs, given), equations=kept, outputs=(loss.out,), output_units=(), structure=0
    )


def found_meanings(program: Program, arrays: Sequence[NDArray[Any]], seed: str) -> dict[str, Meaning]:
    """The named values that are made of the seed and are cotangents."""
    cotangents = Cotangents.of(program, arrays)
    forward = {e.out.name for e in cotangents.program.equations}
    made = {} if cotangents.failure else evaluate(program, arrays).values
    meanings = {}
    of_seed = {seed}
    for equation in program.equations:
        name = equation.out.name
        if of_seed.isdisjoint(ref.name for ref in operands(equation)):
            continue
        of_seed.add(name)
        if name in program.labels and name not in forward and name in made:
            meaning = cotangents.identify(made[name], program.labels[name])
            if meaning is not None and meaning.kind == "cotangent":
                meanings[name] = meaning
    return meanings


def sentence(program: Program, name: str, meaning: Meaning) -> str:
    """``is ∂L/∂W2``; of what goes into a function, which; and what the name says, if it says another."""
    what = meaning.value
    factor = "" if meaning.is_plain else "a multiple of "
    said = [other for other in naming.gradient_of(program.labels[name])[1:] if other]
    misled = next((other for other in said if other in program.labels.values() or other in inputs_of(program)), "")
    if what in program.labels or what in inputs_of(program):
        shown = label(program, what)
        return f"is {factor}∂L/∂{shown}" + (f": its name says {misled}" if misled and misled != shown else "")
    into = next((e for e in program.equations if what in [ref.name for ref in operands(e)]), None)
    if isinstance(into, Map) and into.out.name in program.labels:
        shown = label(program, into.out.name)
        argument = f"is {factor}the gradient of the argument of the {into.function} that makes {shown}"
        return argument + (": its name misleads" if misled == shown else "")
    return f"is {factor}the gradient of an unnamed value" + made_in(into)


def made_in(equation: Equation | None) -> str:
    """Where an unnamed value is used."""
    source = equation.source if equation is not None else None
    return f" of line {source.line}" if source is not None else ""


def inputs_of(program: Program) -> set[str]:
    """The names of the inputs."""
    return {i.ref.name for i in program.inputs}


def label(program: Program, name: str) -> str:
    """What a person calls a value; an argument that has a name of its own is called so."""
    is_named = name in inputs_of(program) and not is_temporary(name)
    return name if is_named else program.labels.get(name, name)
