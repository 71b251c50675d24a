"""What reading the code adds to a check: proofs, guards, shapes, and the lines of the backward.

The loss and the gradients are traced together, and the gradients compared with those that are derived from the loss.
Mistakes are not looked for here. Where what was read and the black box disagree, the black box is right, and the report
says so. A proof says what it rests on.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cache, partial
from typing import Any

import numpy as np

from einbackprop.capture.conditions import Condition, assumed
from einbackprop.capture.tracer import Trace
from einbackprop.checking.verdicts import Finding, Grade, Line
from einbackprop.core import progress, simplification
from einbackprop.core.nesting import Path, get
from einbackprop.core.program import Contract, Dimension, Equation, Input, Opaque, Program, Ref, Source, operands
from einbackprop.core.progress import contained
from einbackprop.core.records import dataclass
from einbackprop.core.source import statements_of
from einbackprop.core.visible import first_of, listed
from einbackprop.derivation.accumulation import as_loss, vjp
from einbackprop.diagnosis.cases import Place
from einbackprop.diagnosis.cotangents import Cotangents
from einbackprop.diagnosis.evaluation import CLOSE, Evaluated, evaluate
from einbackprop.diagnosis.lines import (
    LOGARITHM,
    USES,
    Lines,
    Pair,
    UnfollowedError,
    guards,
    lines_of_backward,
    matched,
    sentence,
    without,
)
from einbackprop.errors import DerivationError, EinbackpropError, UndecidedError
from einbackprop.proof.proving import Comparison, Prover, Sums

PATIENCE = (1000, 6000)  # terms and steps of a proof: about half a second
MOST_RUNS = 16
"""Of one statement: the values of a loop are written out round by round, and beyond this nothing is proved."""


@dataclass(frozen=True)
class Proofs:
    """What was proved.

    Attributes
    ----------
    grades : mapping of target name to grade, of right gradients that were proved
    assumptions : tuple of str
        What the proofs rest on.
    obstacle : str
        Why nothing is proved, as a sentence.
    is_cut : bool
        Whether a formula grew too large. Written out round by round it is larger.
    """

    grades: Mapping[str, Grade] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    obstacle: str = ""
    is_cut: bool = False

    def and_also(self, other: Proofs) -> Proofs:
        """These proofs and others."""
        grades, rests = {**self.grades, **other.grades}, dict.fromkeys((*self.assumptions, *other.assumptions))
        return replace(self, grades=grades, assumptions=(*rests,), obstacle="" if grades else self.obstacle)


def proofs(
    pair: Pair, right: Sequence[str], arrays: Sequence[Any], conditions: Sequence[Condition] = ()
) -> Proofs:
    """Prove right gradients equal to the derived ones.

    Proofs rest on the conditions that were met as well. What is not proved of any data is tried once more with what the
    sums of theirs are: p - y is right of such y alone.
    """
    if not right:
        return Proofs()
    program = simplification.simplify(pair.program)  # the forward runs twice
    obstacle = why_not(program.equations, conditions)
    if obstacle:
        return Proofs(obstacle=obstacle)
    loss = program.outputs[0]
    chosen = {n: target for n, target in pair.targets.items() if target[0] in right}
    try:
        forward = as_loss(replace(
            program, equations=tuple(simplification.needed(program.equations, [loss.name])), outputs=(loss,),
            output_units=(), structure=0,
        ))  # fmt: skip
        derived = vjp(forward, [parameter for _, parameter in chosen.values()])
    except DerivationError:  # what cannot be proved stays as sure as it is
        return Proofs()
    pairs = [(n, name, out.name) for (n, (name, _)), out in zip(chosen.items(), derived.outputs, strict=True)]
    grades: dict[str, Grade] = {}
    rests: dict[str, None] = {}
    is_cut = False
    sums = sums_of_data(pair, arrays)
    for known in ((), sums) if sums else ((),):
        left = [one for one in pairs if one[1] not in grades]
        prover = prover_of(program, derived, arrays, known) if left else None
        if prover is None:
            break
        for n, name, cotangent in left:
            work = partial(prover.compare, program.outputs[n].name, cotangent, patience=PATIENCE)
            found = contained(f"the proof of the gradient of {name}", work, Comparison("undecided"))
            if found:
                grades[name] = "proved"
                rests |= dict.fromkeys(found.assumptions)
            is_cut = is_cut or found.is_too_large
    return Proofs(grades, (*rests, *assumed(conditions)) if grades else (), is_cut=is_cut)


def why_not(equations: Iterable[Equation], conditions: Iterable[Condition]) -> str:
    """Why nothing can be proved, as a sentence: sizes that became numbers, or a statement that runs too often."""
    frozen = [*dict.fromkeys(condition.said for condition in conditions if condition.freezes)]
    if frozen:
        told = first_of(frozen, most=4)  # a position in an array may take a page
        return f"Nothing is proved for other sizes, since numbers stand for sizes here: {told}."
    places = dict.fromkeys(equation.source.shown for equation in equations if equation.source is not None)
    runs = Counter(replace(place, call=0) for place in places)
    often = next((place for place, count in runs.items() if count > MOST_RUNS), None)
    return f"Nothing is proved: line {often.line} runs more than {MOST_RUNS} times." if often else ""


def sums_of_data(pair: Pair, arrays: Sequence[Any]) -> Sums:
    """Arrays to which nothing is derived whose rows or columns sum to 1, as one-hot labels do."""
    parameters = {parameter for _, parameter in pair.targets.values()}
    known = []
    for declared, array in zip(pair.program.inputs, arrays, strict=True):
        values = np.squeeze(np.asarray(array), axis=declared.units)
        if declared.ref.name in parameters or values.dtype.kind not in "fiu" or not values.size:
            continue
        for axis in range(values.ndim):
            if values.shape[axis] > 1 and np.allclose(values.sum(axis=axis), 1, rtol=0, atol=1e-9):
                rest = declared.ref.indices[:axis] + declared.ref.indices[axis + 1 :]
                known.append((Contract(Ref("s", rest), (declared.ref,)), 1))
    return tuple(known)


def prover_of(program: Program, derived: Program, arrays: Sequence[Any], sums: Sums) -> Prover | None:
    """A prover, if what is assumed can be stated."""
    try:
        return Prover(program, derived, arrays, sums=sums)
    except UndecidedError:
        return None


Shape = tuple[int, ...]
LARGEST = 20_000  # entries of all inputs together: beyond, the black box has taken long enough


@dataclass(frozen=True)
class Review:
    """What reading the code adds to a check.

    Attributes
    ----------
    proofs : Proofs
        Of right gradients.
    note : str
        Why there is nothing, if there is nothing.
    agrees : bool
        Whether the code, as it was read, shows the same gradients as wrong at the states that were given.
    forgiven : mapping of target name to str
        Gradients that are wrong only in what a guard of the loss changes, and what is to be said of them.
    doubted : set of target names
        Gradients that the black box calls wrong, and that are what is derived from the loss as it was read.
    is_cut : bool
        Whether an error of ours, the end of the time or the size of arrays stopped it, so that it is not known what is
        forgiven.
    findings : tuple of Finding
        Of gradients of a wrong shape, and of those that are made and not returned.
    reads : callable
        Gives lines of the backward, without verdicts: those of some places, or all. They are read when they are asked
        for: of most lines hardly anybody asks.
    trace : Trace or None
    cotangents : Cotangents
        Of the loss, without the guards that are forgiven.
    """

    proofs: Proofs = field(default=Proofs(), repr=False)
    note: str = ""
    agrees: bool = False
    forgiven: Mapping[str, str] = field(default_factory=dict)
    doubted: frozenset[str] = frozenset()
    is_cut: bool = False
    findings: tuple[Finding, ...] = ()
    reads: Callable[[frozenset[Place] | None], Lines] = field(default=lambda at: Lines(), repr=False)
    trace: Trace | None = field(default=None, repr=False)
    cotangents: Cotangents = field(default=Cotangents(), repr=False)

    @property
    def read(self) -> Lines:
        """The lines of the backward, without verdicts."""
        return self.reads(None)

    def lines(self, verdict_of: Callable[[str, int], str], at: frozenset[Place] | None = None) -> tuple[Line, ...]:
        """The lines, all or those ``at`` some places, with the verdict of each file and line: right, wrong, follows or
        undecided."""
        return self.reads(at).judged(verdict_of)

    @property
    def proved(self) -> int:
        """How many gradients are proved."""
        return list(self.proofs.grades.values()).count("proved")

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What the letters of the lines range over."""
        return self.read.dimensions


def review(
    traced: Trace | EinbackpropError, state: Any, values: Mapping[str, Any], result: Any, paths: Mapping[str, Path],
    place: Callable[[Input], Path], wrong: Collection[str], others: Sequence[Any] = (), tiny: Collection[str] = (),
) -> Review:  # fmt: skip
    """What a traced loss and its gradients say of a check.

    Parameters
    ----------
    traced : Trace or EinbackpropError
        The loss and the gradients as one program, or why they cannot be read.
    state
        What they were traced with.
    values : mapping
        What was returned there for each target that has a plain verdict, leaves of ``result``.
    paths : mapping
        Where each target stands in the state.
    place : callable
        Where an input of the program stands in the state.
    wrong : collection of str
        The targets whose gradient the black box calls wrong.
    others : sequence, optional
        More states, at other sizes perhaps, at which some of these are wrong; what was read is run there too.
    tiny : collection of str, optional
        Those of the wrong ones that are so by less than a guard of a division explains.
    """
    if isinstance(traced, EinbackpropError):
        return Review(note=f"lines are not judged: {' '.join(str(traced).split())}", is_cut=True)
    try:
        pair = matched(traced.program, values, result, paths, place)
    except UnfollowedError as error:
        return Review(note=f"lines are not judged: {error}", is_cut=True)
    states = [[np.asarray(get(one, path)) for path in pair.places] for one in (state, *others)]
    read = {ref.name for equation in pair.program.equations for ref in operands(equation)}
    sizes = {i.ref.name: array.size for i, array in zip(pair.program.inputs, states[0], strict=True)}
    if sum(size for name, size in sizes.items() if name in read) > LARGEST:
        return Review(note="the arrays are large: lines are judged up to 20,000 entries in all", is_cut=True)
    progress.doing("judging the lines")
    compared = Compared.of(traced, pair, states)
    if compared.cotangents.failure:
        return Review(note=f"lines are not judged: {compared.cotangents.failure}", is_cut=True)
    shapes = {name: np.shape(get(state, path)) for name, path in paths.items()}
    has_rounds = bool(traced.loops) and traced.by_round is not None
    rounds = partial(matched, traced.unrolled.program, values, result, paths, place) if has_rounds else None
    return reviewed(traced, compared, states, values, shapes, wrong, rounds, tiny)


def reviewed(
    traced: Trace, compared: Compared, states: Sequence[Sequence[Any]], values: Mapping[str, Any],
    shapes: Mapping[str, Shape], wrong: Collection[str], rounds: Callable[[], Pair] | None = None,
    tiny: Collection[str] = (),
) -> Review:  # fmt: skip
    """What is said of a pair that could be compared; ``shapes`` are those that gradients should have, and ``rounds``
    gives the pair with every round of its loops by itself."""
    cut = Forgiven(compared)
    found = contained("what guards of the loss explain", partial(forgiven, traced, compared, states, wrong, tiny), cut)
    compared, left = found.compared, set(wrong) - found.targets
    misshapen = {name for name in left if values.get(name) is None or np.shape(values[name]) != shapes[name]}
    doubted = compared.right & left - misshapen
    told = dict.fromkeys(found.targets, found.sentence)
    read = Review(trace=traced, cotangents=compared.cotangents, doubted=doubted, is_cut=found is cut)
    apart = sorted(compared.wrong - left)
    if apart or not (told or is_faithful(compared, values)):
        others = f"{listed(apart)} would be wrong" if apart else "they do not give the gradients that were returned"
        return replace(read, note=f"lines are not judged: as they were read, {others}")

    @cache
    def lines(at: frozenset[Place] | None) -> Lines:
        return contained("the lines", partial(lines_of_backward, traced, compared.cotangents, at), Lines())

    said = {name: shape for name, shape in shapes.items() if name in misshapen - compared.wrong}
    saying = partial(about_shapes, compared, said, values, lines)
    findings = contained("what is said of shapes", lambda: tuple(saying()), ())
    progress.doing("proving")
    right = [name for name in values if name in compared.right - left - found.targets]
    proved = contained("the proof", partial(proofs, compared.pair, right, states[0], traced.conditions), Proofs())
    open_ = [name for name in right if name not in proved.grades]
    if rounds is not None and open_ and not told and not proved.is_cut:  # it may be proved of as many rounds as ran

        def of_rounds() -> Proofs:
            return proofs(rounds(), open_, states[0], traced.conditions)

        proved = proved.and_also(contained("the proof", of_rounds, Proofs()))
    return replace(
        read, agrees=compared.wrong | misshapen == left, forgiven=told, reads=lines, findings=findings, proofs=proved
    )


@dataclass(frozen=True)
class Compared:
    """A pair at some states, compared with what is derived from its loss.

    Attributes
    ----------
    pair : Pair
    cotangents, made : Cotangents and Evaluated
        Of the loss, and of the pair, at the first state.
    right, wrong : set of target names
        Those whose gradient is the derived one at all states, and those whose is another somewhere.
    """

    pair: Pair
    cotangents: Cotangents
    made: Evaluated
    right: frozenset[str] = frozenset()
    wrong: frozenset[str] = frozenset()

    @staticmethod
    def of(traced: Trace, pair: Pair, states: Sequence[Sequence[Any]]) -> Compared:
        """Compare the gradients of a pair with what is derived from its loss, given the arrays of each state.

        What was not read has its value at the first one alone.
        """
        states = states[:1] if any(isinstance(e, Opaque) for e in pair.program.equations) else states
        parameters = {parameter for _, parameter in pair.targets.values()}
        read = replace(traced, program=pair.program, by_round=None)
        derived = Cotangents.of_all(read, states, parameters)
        found = [(known, evaluated(pair.program, arrays)) for known, arrays in zip(derived, states, strict=True)]
        right: set[str] = set()
        wrong: set[str] = set()
        for cotangents, made in found:
            for n, (name, parameter) in pair.targets.items():
                if parameter in cotangents.of_value:
                    true, noise = cotangents.of_value[parameter], cotangents.noise[parameter]
                    (right if made.agree(pair.program.outputs[n].name, true, noise) else wrong).add(name)
        return Compared(pair, *found[0], frozenset(right - wrong), frozenset(wrong))


def evaluated(program: Program, arrays: Sequence[Any]) -> Evaluated:
    """The values of a program; none at sizes for which it was not read."""
    try:
        return evaluate(program, arrays)
    except EinbackpropError:
        return Evaluated()


def is_faithful(compared: Compared, values: Mapping[str, Any]) -> bool:
    """Whether the gradients have the values that the code gave, as it was read."""
    for n, (name, _) in compared.pair.targets.items():
        value = compared.pair.program.outputs[n].name
        yours, read = np.asarray(values[name]), compared.made.values.get(value)
        if read is None or read.size != yours.size:
            return False
        close = float(np.finfo(yours.dtype).eps) ** 0.5 if yours.dtype.kind == "f" else 0.0
        scale = max(CLOSE, close) * float(np.abs(read).max(initial=0))
        noise = compared.made.noise.get(value, 0.0)
        if not np.allclose(yours.ravel(), read.ravel(), rtol=0, atol=max(scale, noise), equal_nan=True):
            return False
    return True


@dataclass(frozen=True)
class Forgiven:
    """The code without the guards of its loss, the targets whose gradient is right then, and what to say of them."""

    compared: Compared
    targets: frozenset[str] = frozenset()
    sentence: str = ""


def forgiven(
    traced: Trace, compared: Compared, states: Sequence[Sequence[Any]], wrong: Collection[str], tiny: Collection[str]
) -> Forgiven:
    """Which gradients that the black box calls wrong are those of the loss without its guards: those of logarithms, and
    those of divisions and roots if they change next to nothing.
    """
    for uses, most in ((USES, {*tiny}), ((LOGARITHM,), {*wrong})):
        left_out = guards(compared.pair.program, uses) if most.intersection(wrong) else []
        bare = replace(compared.pair, program=without(compared.pair.program, left_out))
        again = Compared.of(traced, bare, states) if left_out else compared
        targets = again.right.intersection(wrong) & most if left_out else frozenset()
        if targets:
            return Forgiven(again, targets, sentence(compared.pair.program, left_out))
    return Forgiven(compared)


def about_shapes(
    compared: Compared, wanted: Mapping[str, Shape], values: Mapping[str, Any],
    reads: Callable[[frozenset[Place] | None], Lines],
) -> Iterator[Finding]:
    """A finding for each gradient that is missing though a line makes it, or right but for axes of size 1.

    ``wanted`` has the shape that each of them should have.
    """
    program = compared.pair.program
    sources = {name: source_of(program, n) for n, (name, _) in compared.pair.targets.items()}
    for name, shape in wanted.items():
        source, own = sources.get(name), np.shape(values.get(name, ()))
        if values.get(name) is None:
            lines = reads(None)
            for line, meanings in zip(lines.lines, lines.meanings, strict=True):
                if any(meaning.text == f"∂L/∂{name}" for meaning in meanings):
                    said = f"the gradient of {name} is made on line {line.line}, but it is not returned."
                    yield Finding(said, line.file, return_after(line), kind="what is returned")
                    break
        elif name in compared.right and source is not None:
            said = f"the values are right, but the shape is {own}, and {name} has shape {shape}: "
            said += "leave out keepdims=True." if "keepdims" in source.code else f"add .reshape({name}.shape)."
            yield Finding(said, source.file, source.line, kind="a shape")


def source_of(program: Program, output: int) -> Source | None:
    """Where an output was made."""
    made = program.defining().get(program.outputs[output].name)
    return None if made is None else made.source


def return_after(line: Line) -> int:
    """The line of the next return statement; the line itself where there is none."""
    statements = statements_of(line.file)
    after = range(line.line, statements.text.count("\n") + 2)
    return next((n for n in after if isinstance(statements.at(n), ast.Return)), line.line)
