"""The check at sizes of our own, all different: what is right only where two sizes happen to be equal is wrong.

The letters of a traced loss say which axes of which arrays are one dimension, so that all of them can be given another
size together. Sizes that stand in the code as numbers, or that it reads by name, and those of data that have a meaning,
stay.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import interpretation, progress
from ..core.collecting import grouped
from ..core.nesting import Path, get, leaves, rebuild, root
from ..core.program import (
    Bracket,
    Contract,
    Dimension,
    Input,
    Opaque,
    Position,
    Program,
    Sum,
    Update,
    operands,
    picks,
)
from ..core.records import dataclass
from ..core.visible import listed
from ..errors import ScriptError
from .answers import User
from .deciding import Unclipped
from .draws import Role, draw, parameter_role, range_role, role
from .problems import Problem, arrays_at, with_arrays
from .relations import multiples
from .trials import Trial, tried_once

Array = NDArray[Any]
SQUARE = ("symmetric", "definite", "orthogonal")
SMALLEST = 3  # two samples are too few for a norm: its outputs are ±1 whatever goes in


def is_of_samples(letter: str, program: Program) -> bool:
    """Whether a letter ranges over samples."""
    return bool(program.samples) and program.samples in program.dimension(letter).letters


def free_dimensions(
    program: Program, arrays: Sequence[Array], parameters: Collection[str], fixed: Collection[int]
) -> set[str]:
    """The first letters of the dimensions that may have any size: not those that are ``fixed``, which the code reads
    as numbers.

    A single unit stays single: ``np.mean`` over one output is right without a sum over outputs. A batch of one does
    not: it hides a mistake.
    """
    tied: set[str] = set()
    for equation in program.equations:
        if isinstance(equation, Contract | Update):
            tied |= {i for bracket in equation.brackets for i in tied_letters(bracket, program)}
        if isinstance(equation, Opaque):
            tied |= {i for ref in (equation.out, *operands(equation)) for i in ref.indices}
        tied |= {i for ref in operands(equation) if ref.name in program.constants for i in ref.indices}
    written = sizes_written(program).union(fixed)
    tied |= {i for d in program.dimensions if d.size in written for i in d.letters}
    for declared, array in zip(program.inputs, arrays, strict=True):
        own = declared.ref.name in parameters
        single = {i for i in declared.ref.indices if program.sizes[i] == 1 and (own or not is_of_samples(i, program))}
        plain = interpretation.squeeze(np.asarray(array), declared)
        stays = parameter_role(plain).kind in SQUARE if own else not can_be_resized(np.asarray(array))
        tied |= set(declared.ref.indices) if stays else single
    return {d.letters[0] for d in program.dimensions if not tied & set(d.letters) and d.size}


def sizes_written(program: Program) -> set[int]:
    """The sizes of a program that may stand in the code as numbers: it is wrong at others."""
    numbers = whole_numbers(program)
    return {d.size for d in program.dimensions if written_out(d.size, program, numbers)}


def written_out(size: int, program: Program, numbers: Collection[int]) -> bool:
    """Whether a number in the program could be a size, as in ``/ len(X)``, ``/ (n - 1)`` or ``2 / n``: then the size
    must stay."""
    likely = {size - 1, 2 * size, size * size, size / 2} | {size * d.size for d in program.dimensions}
    return size > 1 and (size in numbers or any(n in likely for n in numbers if n > 2))


def whole_numbers(program: Program) -> set[int]:
    """The numerators and denominators of the factors of a program, and of their squares."""
    found: set[int] = set()
    for equation in program.equations:
        factors = [f for f, _ in equation.terms] if isinstance(equation, Sum) else [getattr(equation, "factor", None)]
        for number in (f.number for f in factors if f is not None):
            if isinstance(number, Fraction):
                if number.denominator > 10_000:  # a root, perhaps
                    number = (number * number).limit_denominator(10_000)
                found |= {abs(number.numerator), number.denominator}
    return found - {0, 1}


def tied_letters(bracket: Bracket, program: Program) -> set[str]:
    """The letters of a bracket whose sizes are not free: all but those of ``[i=j]`` over one dimension, and those that
    say for which sample labels pick."""
    left, right = bracket.left, bracket.right
    shifted = replace(right, constant=0)
    if left.is_letter and right == Position():  # the first one
        return set()
    if left.is_letter and shifted.is_letter and program.dimension(left.letters) is program.dimension(shifted.letters):
        return set()
    picked = {i for ref in picks((bracket,)) for i in ref.indices}
    whole = all(not s.constant and (s.pick is None or not s.terms) for s in (left, right))
    return set(bracket.letters) - (picked if whole else set())


def can_be_resized(array: Array) -> bool:
    """Whether an array of another size can be drawn that is data of the same kind."""
    if role(array).kind in SQUARE:
        return False
    return not (array.dtype.kind in "iu" and array.size > 1 and len(np.unique(array)) == array.size)


def distinct_sizes(program: Program, free: Collection[str], tied: Collection[str] = ()) -> dict[str, int]:
    """A size for each dimension, all different, but one for those letters that are ``tied`` and have the same. Those
    that are not free keep theirs.
    """
    sizes = program.sizes
    taken = {d.size for d in program.dimensions if d.letters[0] not in free}
    given: dict[int, int] = {}
    for dimension in program.dimensions:
        if dimension.letters[0] in free:
            size = next(n for n in range(SMALLEST, 10_000) if n not in taken)
            if dimension.letters[0] in tied:
                size = given.setdefault(dimension.size, size)
            taken.add(size)
            sizes |= dict.fromkeys(dimension.letters, size)
    return sizes


Sizes = dict[str, int]
Place = Callable[[Input], Path]


def other_sizes(
    program: Program, arrays: Sequence[Array], parameters: Collection[str], fixed: Collection[int]
) -> Sizes | None:
    """Sizes of our own, all different; None where the user's have nothing in common.

    Parameters
    ----------
    program : Program
        The loss, or the loss and the gradients traced together.
    arrays : sequence of arrays
        The inputs of the program.
    parameters : collection of str
        The inputs that gradients are taken of.
    fixed : collection of int
        Sizes that stay.
    """
    own = [d.size for d in program.dimensions]
    if len(set(own)) == len(own) and 1 not in own:
        return None
    sizes = distinct_sizes(program, free_dimensions(program, arrays, parameters, fixed))
    return sizes if sizes != program.sizes else None


def resized(
    state: Any, program: Program, place: Place, sizes: Mapping[str, int], parameters: Collection[str],
    rng: np.random.Generator,
) -> Any:  # fmt: skip
    """The state with its arrays at other sizes; data stay data of their kind (one-hot rows, labels, masks).

    None where two arrays look at one memory, which cannot be cut anew.
    """
    arrays = {id(leaf): leaf for _, leaf in leaves(state) if isinstance(leaf, np.ndarray)}
    if len({id(root(array)) for array in arrays.values()}) < len(arrays):
        return None
    fresh = {}
    for declared in program.inputs:
        own = get(state, place(declared))
        shape = tuple(sizes[i] for i in declared.ref.indices)
        if shape != np.squeeze(own, declared.units).shape:
            if declared.ref.name in parameters:
                array = draw(np.empty(shape, own.dtype), role_at(own, shape), rng)
            elif own.size and np.all(own == own.flat[0]):  # ones, or a buffer of zeros
                array = np.full(shape, own.flat[0])
            else:
                samples = [n for n, letter in enumerate(declared.ref.indices) if letter == program.samples]
                array = data_like(np.squeeze(own, declared.units), shape, rng, samples)
            fresh[id(own)] = np.expand_dims(array, declared.units).astype(own.dtype)
    return rebuild(state, lambda array: fresh.get(id(array), array))


def data_like(own: Array, shape: tuple[int, ...], rng: np.random.Generator, samples: Sequence[int] = ()) -> Array:
    """Data of another shape that are of the same kind: labels stay labels, one-hot rows one-hot.

    ``samples`` are the axes that count samples, where these are known.
    """
    if own.dtype.kind not in "fc":
        return repeated(own, shape, rng, samples)
    kept = role(own)
    if kept.kind == "kept" and own.size and np.ptp(own) > 0:
        return repeated(own, shape, rng, samples)
    return draw(np.ones(shape), Role("real") if kept.kind == "kept" else kept, rng)


def repeated(plain: Array, shape: tuple[int, ...], rng: np.random.Generator, samples: Sequence[int] = ()) -> Array:
    """Whole numbers of another shape: entries come again along each axis, in one order in all arrays, so that what one
    of them masks is masked in the others still.

    Where there is at most one 1 along an axis, as in one-hot rows, so there is, one of its own for each where there was
    a single row.
    """
    # of a permutation both axes are one-hot: classes are what counts no samples, and stand last by custom
    order = sorted(range(plain.ndim), key=lambda axis: (axis in samples, -axis))
    is_mask = set(np.unique(plain)) == {0.0, 1.0}
    hot = next((axis for axis in order if is_mask and plain.sum(axis=axis).max() == 1), None)
    single = any(old == 1 < new for axis, (old, new) in enumerate(zip(plain.shape, shape, strict=True)) if axis != hot)
    if single and hot is None:
        return rng.choice(plain.ravel(), shape)
    found = plain
    for axis, size in enumerate(shape):
        if axis != hot:
            found = np.take(found, np.arange(size) % found.shape[axis], axis)
    if hot is None:
        return found
    place = found.argmax(hot) % shape[hot]
    place = rng.integers(0, shape[hot], place.shape) if single else place
    return np.moveaxis(np.eye(shape[hot])[place] * np.expand_dims(found.any(hot), -1), -1, hot)


def role_at(own: np.ndarray, shape: tuple[int, ...]) -> Role:
    """What a parameter keeps of the user's values at another shape."""
    kept = range_role(own)
    return kept if kept.kind != "kept" and len(shape) == own.ndim else Role("real")


def told(sizes: Mapping[str, int]) -> str:
    """``i=j=4, b=5``: sizes in words, the first ones of many."""
    letters = grouped((size, letter) for letter, size in [*sizes.items()][:TOLD])
    said = ", ".join(f"{'='.join(same)}={size}" for size, same in letters.items())
    return f"{said} and {len(sizes) - TOLD} more" if len(sizes) > TOLD else said


def shapes_told(problem: Problem, trial: Trial, program: Program, state: Any) -> str:
    """``W (4,6), X (5,4)``: the shapes of the arrays of a state that together show all sizes, those wanted first, and
    the first ones of many. The letters are ours, and no line of a report may say which size is which.
    """
    names = {target.path: target.name for target in trial.targets}
    said, known = [], set[str]()
    placed = [*zip(map(problem.place, program.inputs), program.inputs, arrays_at(problem, program, state), strict=True)]
    for path, declared, array in sorted(placed, key=lambda one: one[0] not in names):
        if not known.issuperset(declared.ref.indices):
            said.append(f"{names.get(path) or problem.label(path)} {str(np.shape(array)).replace(' ', '')}")
        known.update(declared.ref.indices)
    return ", ".join(said[:TOLD]) + f" and {len(said) - TOLD} more" * (len(said) > TOLD)


def hiding(program: Program, parameters: Mapping[str, str]) -> list[str]:
    """What the user's own sizes hide, in words.

    Parameters
    ----------
    program : Program
    parameters : mapping of input name to the user's name
        The arrays that gradients are taken of.
    """
    square = []
    for declared in program.inputs:
        own = [program.dimension(i) for i in declared.ref.indices]
        different = len(own) == 2 and own[0] is not own[1]  # a recurrent weight is square at every size
        if declared.ref.name in parameters and different and own[0].size == own[1].size != 1:
            square.append(f"{parameters[declared.ref.name]} ({'='.join(declared.ref.indices)}={own[0].size})")
    found = []
    if square:
        are = "is" if len(square) == 1 else "are"
        found.append(f"{listed(square)} {are} square, so that no shape shows a missing transpose")
    units = {i for declared in program.inputs if declared.ref.name in parameters for i in declared.ref.indices}
    batch = program.dimension(program.samples) if program.samples else None
    return found + (_batch(program, batch, units) if batch is not None and not units & set(batch.letters) else [])


def _batch(program: Program, batch: Dimension, units: Collection[str]) -> list[str]:
    """What a batch's size hides, beside ``units``, the letters of what gradients are taken of."""
    letter = batch.letters[0]
    if batch.size == 1:
        return [f"the batch is of 1 ({letter}=1), so that nothing shows whether it is summed over"]
    layers = (program.dimension(i) for i in sorted(units))
    same = list(dict.fromkeys(layer.letters[0] for layer in layers if layer.size == batch.size))
    if same:
        return [f"the batch is as large as a layer ({'='.join([letter, *same])}={batch.size}), so that one axis can "
                "stand for the other"]
    return []


TOLD = 12  # letters, or arrays, whose sizes anybody reads
LARGEST = 20_000  # entries of all inputs together: beyond, the user's own sizes have taken long enough


@dataclass(frozen=True)
class Elsewhere:
    """What was found at other sizes.

    Attributes
    ----------
    tried : tuple of str
        The sizes at which the user's code ran, in words.
    wrong : mapping of name to str
        The gradients that are wrong there, and at which sizes.
    hides : tuple of str
        What the user's own sizes hide, in words.
    certain : bool
        Whether the sizes were the user's to choose, so that the code is meant to work at all of them.
    is_cut : bool
        Whether the time was over before all of them were tried.
    states : tuple of nested arrays
        At which some were wrong that are right at the user's sizes.
    tied : mapping of name to str
        The gradients that are right wherever sizes are equal that are equal in the user's code, and which: how many
        samples there are of different data, or others, if they are multiples of what they should be where these differ.
    """

    tried: tuple[str, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    certain: bool = False
    is_cut: bool = False
    states: tuple[Any, ...] = ()
    tied: Mapping[str, str] = field(default_factory=dict)


def look(problem: Problem, trial: Trial, program: Program | None, seed: int) -> Elsewhere:
    """Run the user's functions at other sizes, where that can be done.

    Parameters
    ----------
    problem : Problem
    trial : Trial
        What is wanted, and its verdicts, at the user's sizes.
    program : Program or None
        The loss and the gradients traced together, where they could be.
    seed : int
        Decides the draws.
    """
    shorter = {facts.name for facts in trial.facts if facts.scaled}  # at what norm elsewhere is not known
    right = {item.name for item in trial.gradients if item.verdict == "right"} - shorter
    names = {target.path: target.name for target in trial.targets}
    hides: list[str] = []
    if program is not None:
        inputs = {d.ref.name: names[path] for d in program.inputs if (path := problem.place(d)) in names}
        hides = hiding(program, inputs)
    tried: list[str] = []
    states: list[Any] = []
    wrong: dict[str, str] = {}
    tied: dict[str, str] = {}

    def try_all() -> bool:
        if shorter and not right:
            return True
        for sizes, other in problems_elsewhere(problem, trial, program, set(names), seed):
            there = _tried(other, trial.user, seed)
            if there is not None and there.user.random:
                break
            if there is not None:
                tried.append(sizes)
                new = {name: sizes for name in there.wrong if name in right and name not in wrong}
                if new and program is not None and problem.elsewhere is None:
                    tied.update(_where_tied(problem, trial, there, program, set(names), seed))
                new = {name: sizes for name, sizes in new.items() if name not in tied}
                wrong.update(new)
                states.extend([there.state] if new else ())
        return True

    done = progress.in_time("trying other sizes", try_all, False)
    return Elsewhere(tuple(tried), wrong, tuple(hides), problem.elsewhere is not None, not done, tuple(states), tied)


def _where_tied(
    problem: Problem, trial: Trial, there: Trial, program: Program, paths: set[tuple[object, ...]], seed: int
) -> dict[str, str]:
    """The gradients that are right where sizes are equal that the user has equal: of arrays of data how many samples
    they have, or else any sizes, if they are only multiples where those differ.

    Data of two kinds come in batches of one size. A queries' matrix that is square by design has one size, whichever of
    the two a root is taken of.
    """
    arrays = arrays_at(problem, program, trial.state)
    parameters = {d.ref.name for d in program.inputs if problem.place(d) in paths}
    of_data = {program.dimension(d.ref.indices[0]).letters[0] for d in program.inputs
               if d.ref.name not in parameters and d.ref.indices}  # fmt: skip
    of_layers = {d.letters[0] for d in program.dimensions if not is_of_samples(d.letters[0], program)}
    scaled = multiples(there, np.random.default_rng(seed)) & {*there.wrong}
    own = {target.path for target in trial.targets if target.name in scaled}
    inside = {program.dimension(i).letters[0] for d in program.inputs if problem.place(d) in own for i in d.ref.indices}
    free = free_dimensions(program, arrays, parameters, trial.user.numbers)
    for tied, named, names in ((of_data, of_data, {*there.wrong}), (of_layers, inside, scaled)):
        groups = grouped((d.size, d.letters[0]) for d in program.dimensions if d.letters[0] in named and d.size > 1)
        equal = ["=".join(letters) for letters in groups.values() if len(letters) > 1]
        if not (equal and names):
            continue
        sizes = distinct_sizes(program, free, tied)
        state = resized(trial.state, program, problem.place, sizes, parameters, np.random.default_rng(seed))
        found = None if state is None else _tried(replace(problem, state=state), trial.user, seed)
        if found is not None and names - {*found.wrong}:
            return dict.fromkeys(names - {*found.wrong}, listed(equal))
    return {}


def _tried(problem: Problem, user: User, seed: int) -> Trial | None:
    """The gradients at one draw, without clipping if that makes the difference; None where the code is not made for
    these sizes.
    """
    bare = Unclipped(problem.gradients)
    try:
        found = tried_once(problem, np.random.default_rng(seed), user)
        if found.wrong:
            free = tried_once(replace(problem, gradients=bare), np.random.default_rng(seed), user)
            found = free if bare.acts and {*free.wrong} < {*found.wrong} else found
    except ScriptError:
        return None
    return found


def small_states(
    problem: Problem, trial: Trial, program: Program, paths: set[tuple[object, ...]], seed: int
) -> Iterator[Any]:
    """Two states at the smallest sizes that are all different, as far as the code leaves sizes free."""
    arrays = arrays_at(problem, program, trial.state)
    parameters = {d.ref.name for d in program.inputs if problem.place(d) in paths}
    sizes = distinct_sizes(program, free_dimensions(program, arrays, parameters, trial.user.numbers))
    rng = np.random.default_rng(seed)
    for _ in range(2):
        made = resized(trial.state, program, problem.place, sizes, parameters, rng)
        if made is not None:
            yield with_arrays(replace(problem, state=made))


def problems_elsewhere(
    problem: Problem, trial: Trial, program: Program | None, paths: set[tuple[object, ...]], seed: int
) -> Iterator[tuple[str, Problem]]:
    """The problem at other sizes: those that the user's own code can make, or else those of the letters."""
    if problem.elsewhere is not None:
        yield from problem.elsewhere()
        return
    if program is None:
        return
    arrays = arrays_at(problem, program, trial.state)
    if sum(array.size for array in arrays) > LARGEST:
        return
    parameters = {d.ref.name for d in program.inputs if problem.place(d) in paths}
    sizes = other_sizes(program, arrays, parameters, trial.user.numbers)
    if sizes is not None:
        state = resized(trial.state, program, problem.place, sizes, parameters, np.random.default_rng(seed))
        if state is not None:
            yield shapes_told(problem, trial, program, state), replace(problem, state=state)
