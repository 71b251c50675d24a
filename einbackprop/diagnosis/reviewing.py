"""From a verdict on each gradient to a verdict on each line: the check goes into the user's code, if it can be read.

The black box decides what is right and what is wrong. Here the loss and the gradients are traced together, every line
is judged, mistakes are named, and right gradients are proved. Where the two disagree, or the code cannot be read, the
black box stands alone, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..capture.conditions import assumed
from ..capture.tracer import Trace
from ..checking.records import Finding, Grade, Line
from ..core.faults import contained
from ..core.nesting import Path, duplicate, get, leaves, replaced
from ..core.program import Bracket, Contract, Dimension, Input, Position, Program, Ref, operands
from ..core.progress import doing
from ..core.simplification import needed, simplify
from ..derivation.accumulation import vjp
from ..errors import DerivationError, EinbackpropError, UndecidedError
from ..proof.comparison import NOTHING, Assumptions
from ..proof.proving import Prover
from ..proof.witness import is_fixed
from .explaining import explain_mistakes
from .guards import guards, sentence, without
from .judging import Run
from .misshapen import about_shapes

Function = Callable[[Any], Any]
PATIENCE = (1000, 6000)  # terms and steps of a proof: about half a second
SEARCHED = 300  # equations: in longer programs no numbers are looked for at which a gradient that is right would differ
LARGEST = 20_000  # entries of all inputs together: beyond, the black box has taken long enough


@dataclass(frozen=True)
class Review:
    """What reading the code adds to a check.

    Attributes
    ----------
    lines, findings
    grades : mapping of target name to grade, of right gradients that were proved
    assumptions : tuple of str
        What the proofs rest on.
    frozen : tuple of str
        Numbers that lost the sizes that they are made of, so that nothing is proved for others.
    note : str
        Why there is nothing, if there is nothing.
    agrees : bool
        Whether the code, as it was read, shows the same gradients as wrong.
    dimensions : tuple of Dimension
        What the letters of the lines range over.
    forgiven : mapping of target name to str
        Gradients that are wrong only in what a guard of the loss changes, and what is to be said of them.
    doubted : set of target names
        Gradients that the black box calls wrong, and that are what is derived from the loss as it was read.
    is_cut : bool
        Whether an error of ours or the end of the time stopped it, so that it is not known what is forgiven.
    """

    lines: tuple[Line, ...] = ()
    findings: tuple[Finding, ...] = ()
    grades: Mapping[str, Grade] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    note: str = ""
    agrees: bool = False
    dimensions: tuple[Dimension, ...] = ()
    forgiven: Mapping[str, str] = field(default_factory=dict)
    doubted: frozenset[str] = frozenset()
    is_cut: bool = False


@dataclass(frozen=True)
class Reviewed:
    """The traced pair, and which of its outputs is the gradient of which input.

    ``targets`` has, for each output, the target's name and the input's.
    """

    program: Program
    targets: dict[int, tuple[str, str]]
    places: tuple[Path, ...]


def review(
    traced: Trace | EinbackpropError, state: Any, loss: Function, gradients: Function, values: Mapping[str, Any],
    result: Any, paths: Mapping[str, Path], place: Callable[[Input], Path], wrong: Sequence[str], seed: int,
) -> Review:  # fmt: skip
    """Judge the lines of a backward.

    Parameters
    ----------
    traced : Trace or EinbackpropError
        The loss and the gradients as one program, or why they cannot be read.
    state, loss, gradients
        What both read, and both as functions of it.
    values : mapping
        What was returned for each target, leaves of ``result``.
    paths : mapping
        Where each target stands in the state.
    place : callable
        Where an input of the program stands in the state.
    wrong : sequence of str
        The targets whose gradient the black box calls wrong.
    """
    if isinstance(traced, EinbackpropError):
        return Review(note=f"lines are not judged: {' '.join(str(traced).split())}")
    try:
        found = matched(traced.program, values, result, paths, place)
    except UnfollowedError as error:
        return Review(note=f"lines are not judged: {error}")
    arrays = [np.asarray(get(state, path)) for path in found.places]
    if sum(array.size for array in arrays) > LARGEST:
        return Review(note="the arrays are large: lines are judged up to 20,000 entries in all")
    inputs = {n: parameter for n, (_, parameter) in found.targets.items()}
    run = runner(found, state, loss, gradients)
    doing("judging the lines")
    work = partial(leaving_out_guards, found, inputs, arrays, wrong, seed)
    guarded = contained("what guards of the loss explain", work, "cut")
    is_cut, forgiven = guarded == "cut", guarded if isinstance(guarded, Forgiven) else None
    if forgiven:
        found, wrong = forgiven.found, [name for name in wrong if name not in forgiven.targets]
    again = None if forgiven else run  # the code itself has its guards
    judging = partial(judged, found.program, inputs, arrays, seed, again)
    mistakes = contained("the judging of lines", judging, None)
    if isinstance(mistakes, DerivationError):
        return Review(note=f"lines are not judged: {' '.join(str(mistakes).split())}")
    shapes = {name: np.shape(value) for name, value in values.items() if value is not None}
    misshapen = {name for name in wrong if shapes.get(name) != np.shape(get(state, paths[name]))}
    read = Review(is_cut=True)
    right = [name for name in values if name not in wrong]
    if mistakes is not None:
        read = compared(found, mistakes, misshapen, wrong)
        if not read.agrees:
            return read
        accused = {target for target, parameter in found.targets.values() if mistakes[2].get(parameter) == "wrong"}
        names = [name for name in wrong if name in misshapen - accused]
        fits = frozenset(t for t, p in found.targets.values() if mistakes[2].get(p) == "right")
        wanted = {name: np.shape(get(state, paths[name])) for name in names}
        saying = partial(about_shapes, found.program, found.targets, wanted, fits, values, read.lines)
        read = replace(read, findings=(*read.findings, *contained("what is said of shapes", saying, ())))
        right = [target for target in values if target in fits and target not in names]
    doing("proving")
    frozen = tuple(dict.fromkeys(condition.said for condition in traced.conditions if condition.freezes and right))
    proving = partial(proofs, found, [] if frozen else right, arrays, assumed(traced.conditions))
    grades, assumptions = contained("the proof", proving, ({}, ()))
    told = dict.fromkeys(forgiven.targets, forgiven.sentence) if forgiven else {}
    grades = {name: grade for name, grade in grades.items() if name not in told}
    cut = read.is_cut or is_cut
    return replace(read, grades=grades, assumptions=assumptions, frozen=frozen, forgiven=told, is_cut=cut)


Mistakes = tuple[tuple[Line, ...], tuple[Finding, ...], dict[str, str], tuple[Dimension, ...]]


def judged(
    program: Program, inputs: Mapping[int, str], arrays: Sequence[Any], seed: int, run: Run | None
) -> Mistakes | DerivationError:
    """What `explain_mistakes` gives, or why the loss cannot be differentiated."""
    try:
        return explain_mistakes(program, inputs, arrays, np.random.default_rng(seed), run)
    except DerivationError as error:
        return error


def compared(found: Reviewed, mistakes: Mistakes, misshapen: set[str], wrong: Sequence[str]) -> Review:
    """The lines and findings, if they show the same gradients as wrong as the black box does."""
    lines, findings, verdicts, dimensions = mistakes
    accused = {target for target, parameter in found.targets.values() if verdicts.get(parameter) == "wrong"}
    if accused | misshapen != set(wrong):
        read_right = {target for target, parameter in found.targets.values() if verdicts.get(parameter) == "right"}
        doubted = frozenset(read_right & set(wrong) - misshapen)
        note = "lines are not judged: what was read does not show the same gradients as wrong"
        return Review(note=note, doubted=doubted)
    return Review(lines, findings, agrees=True, dimensions=used(found.program, dimensions))


@dataclass(frozen=True)
class Forgiven:
    """The code without the guards of its loss, the targets whose gradient is right then, and what to say of them."""

    found: Reviewed
    targets: frozenset[str]
    sentence: str


def leaving_out_guards(
    found: Reviewed, inputs: Mapping[int, str], arrays: Sequence[Any], wrong: Sequence[str], seed: int
) -> Forgiven | None:
    """Whether gradients that the black box calls wrong are those of the loss without its guards."""
    left_out = guards(found.program) if wrong else []
    if not left_out:
        return None
    bare = replace(found, program=without(found.program, left_out))
    mistakes = judged(bare.program, inputs, arrays, seed, None)
    if isinstance(mistakes, DerivationError):
        return None
    verdicts = mistakes[2]
    right = frozenset(name for name, parameter in found.targets.values() if verdicts.get(parameter) == "right")
    targets = right.intersection(wrong)
    return Forgiven(bare, targets, sentence(left_out)) if targets else None


def used(program: Program, dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """Those of the dimensions whose letters stand in some equation."""
    letters = {i for e in program.equations for ref in (e.out, *operands(e)) for i in ref.indices}
    return tuple(d for d in dimensions if letters & set(d.letters))


class UnfollowedError(Exception):
    """What a trace does not show, in words for the user."""


def matched(
    program: Program, values: Mapping[str, Any], result: Any, paths: Mapping[str, Path], place: Callable[[Input], Path]
) -> Reviewed:
    """Find the program's output and input for each target. Raises UnfollowedError where there is none."""
    places = tuple(place(declared) for declared in program.inputs)
    by_place = {path: declared.ref.name for path, declared in zip(places, program.inputs, strict=True)}
    structure = program.structure[1]
    at: dict[int, list[Path]] = {}
    for path, leaf in leaves(result):
        at.setdefault(id(leaf), []).append(path)
    targets = {}
    for name, value in values.items():
        if paths[name] not in by_place:
            raise UnfollowedError(f"{name} is a number, or stands at two places; an array of its own can be followed")
        if value is not None and at.get(id(value)):
            number = get(structure, at[id(value)].pop(0))  # one array may be returned twice
            targets[int(number)] = (name, by_place[paths[name]])
    if not targets:
        raise UnfollowedError("no gradient that was returned could be followed")
    return Reviewed(with_axes_of_inputs(program, targets), targets, places)


def with_axes_of_inputs(program: Program, targets: Mapping[int, tuple[str, str]]) -> Program:
    """The program with its gradients written in the axes of what they are gradients of.

    An axis of size 1 may be a letter in the one and none in the other: a reshape to 1 channel makes an axis of nothing.
    """
    inputs = {declared.ref.name: declared for declared in program.inputs}
    made, taken = program.defining(), {*program.defining(), *inputs}
    outputs, labels = list(program.outputs), dict(program.labels)
    units = list(program.output_units or ((),) * len(outputs))
    equations = list(program.equations)
    for n, (_, parameter) in targets.items():
        out, declared = outputs[n], inputs[parameter]
        own = axes_of(out.indices, units[n])
        wanted = axes_of(declared.ref.indices, declared.units)
        if len(own) != len(wanted) or [i == "" for i in own] == [k == "" for k in wanted]:
            continue
        letters = "".join((i or k) if k else "" for i, k in zip(own, wanted, strict=True))
        apart = [i or k for i, k in zip(own, wanted, strict=True) if (i == "") != (k == "")]
        if any(program.sizes[i] != 1 for i in apart):  # another shape, not another spelling of the same
            continue
        brackets = tuple(Bracket(Position.of(i), "=", Position()) for i in apart)
        name = f"{out.name}_as_{parameter}"
        while name in taken:
            name += "_"
        taken.add(name)
        source = made[out.name].source if out.name in made else None
        equations.append(Contract(Ref(name, letters), (out,), brackets, source=source))
        outputs[n], units[n] = Ref(name, letters), declared.units
        labels |= {name: labels[out.name]} if out.name in labels else {}
    return replace(
        program, equations=tuple(equations), outputs=tuple(outputs), output_units=tuple(units), labels=labels
    )


def axes_of(letters: str, units: Sequence[int]) -> list[str]:
    """The letter of each axis, and none for those of size 1 that have none."""
    rest = iter(letters)
    return ["" if n in units else next(rest) for n in range(len(letters) + len(units))]


def runner(found: Reviewed, state: Any, loss: Function, gradients: Function) -> Callable[[Sequence[Any]], list[Any]]:
    """The user's own code as a function of the program's inputs, with the program's outputs."""
    structure = found.program.structure

    def run(arrays: Sequence[Any]) -> list[Any]:
        changed = duplicate(state)
        for path, array in zip(found.places, arrays, strict=True):
            leaf = get(changed, path)
            if isinstance(leaf, np.ndarray):  # written in place: a layer may hang in the state by two names
                leaf[...] = array
            else:
                changed = replaced(changed, path, np.array(array))
        answers = (loss(duplicate(changed)), gradients(duplicate(changed)))
        outputs: dict[int, Any] = {}
        for answer, shape in zip(answers, structure, strict=True):
            for path, number in leaves(shape):
                if isinstance(number, int) and not isinstance(number, bool):
                    outputs[number] = get(answer, path)
        units = found.program.output_units or ((),) * len(found.program.outputs)
        return [np.squeeze(np.asarray(outputs[n]), axis=units[n]) for n in range(len(found.program.outputs))]

    return run


def sums_of_data(found: Reviewed, arrays: Sequence[Any]) -> tuple[tuple[Contract, int], ...]:
    """Arrays to which nothing is derived whose rows or columns sum to 1, as one-hot labels do."""
    parameters = {parameter for _, parameter in found.targets.values()}
    known = []
    for declared, array in zip(found.program.inputs, arrays, strict=True):
        values = np.squeeze(np.asarray(array), axis=declared.units)
        if declared.ref.name in parameters or values.dtype.kind not in "fiu" or not values.size:
            continue
        for axis in range(values.ndim):
            if values.shape[axis] > 1 and np.allclose(values.sum(axis=axis), 1, rtol=0, atol=1e-9):
                rest = declared.ref.indices[:axis] + declared.ref.indices[axis + 1 :]
                known.append((Contract(Ref("s", rest), (declared.ref,)), 1))
    return tuple(known)


def proofs(
    found: Reviewed, right: Sequence[str], arrays: Sequence[Any], conditions: Sequence[str] = ()
) -> tuple[dict[str, Grade], tuple[str, ...]]:
    """Prove right gradients equal to the derived ones; the grade of each, and what the proofs rest on.

    They rest on the conditions that were met as well. What is not proved of any data is tried once more with what the
    sums of theirs are: p - y is right of such y alone.
    """
    if not right:
        return {}, ()
    program = simplify(found.program)  # the forward runs twice
    loss = program.outputs[0]
    forward = replace(
        program, equations=tuple(needed(program.equations, [loss.name])), outputs=(loss,), output_units=(), structure=0
    )
    chosen = {n: target for n, target in found.targets.items() if target[0] in right}
    try:
        derived = vjp(forward, [parameter for _, parameter in chosen.values()])
    except DerivationError:  # what cannot be proved stays as sure as it is
        return {}, ()
    pairs = [(n, name, out.name) for (n, (name, _)), out in zip(chosen.items(), derived.outputs, strict=True)]
    grades: dict[str, Grade] = {}
    rests: dict[str, None] = {}
    sums = sums_of_data(found, arrays)
    for assuming in (NOTHING, Assumptions(sums)) if sums else (NOTHING,):
        left = [pair for pair in pairs if pair[1] not in grades]
        prover = prover_of(program, derived, assuming) if left else None
        if prover is None:
            break
        for n, name, cotangent in left:
            work = partial(graded, prover, program.outputs[n].name, cotangent, len(program.equations) <= SEARCHED)
            grade, assumptions = contained(f"the proof of the gradient of {name}", work, (None, ()))
            if grade is not None:
                grades[name] = grade
            rests |= dict.fromkeys(assumptions)
    return grades, (*rests, *conditions) if grades else ()


def prover_of(program: Program, derived: Program, assuming: Assumptions) -> Prover | None:
    """A prover, if what is assumed can be stated."""
    try:
        return Prover(program, derived, assuming=assuming)
    except UndecidedError:
        return None


def graded(prover: Prover, name: str, cotangent: str, search: bool) -> tuple[Grade | None, tuple[str, ...]]:
    """How sure it is that a gradient is the derived one, at more sizes than those of the run; what that rests on."""
    comparison = prover.compare(name, cotangent, search=search, patience=PATIENCE)
    if comparison.verdict == "proved":
        return "proved", comparison.assumptions
    return ("exact" if comparison.exact and not any(map(is_fixed, prover.sides)) else None), ()
