"""Loops of the user's code: in which rounds each statement ran, and which dimension a loop goes through."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..core.collecting import grouped
from ..core.dimensions import Axis
from ..core.interpretation import whole
from ..core.program import Contract, Equation, Program, Source, Sum, Update, operands
from ..core.progress import contained
from ..core.simplification import simplify
from ..rerolling import Choice, Loop, Path, Rerolled, is_cut_short, is_loop, reroll
from .arithmetic import size_of
from .bindings import Binding, Run
from .loop_numbers import counts, leaked
from .recorder import Recorder
from .verification import confirmed


class Lettered(Protocol):
    """The letters of a program and its dimensions."""

    def axis_of(self, letter: str) -> Axis | None: ...

    def letter(self, axis: Axis) -> str: ...


ROUNDS = 3  # by so few positions say whether they are affine in the counter


def paths_of(bindings: Iterable[Binding]) -> dict[Source, Path]:
    """The rounds of loops in which each statement ran, those around the calls that it ran in first."""
    found: dict[Source, Path] = {}
    for binding in bindings:
        outer = found.get(binding.caller, ()) if binding.caller is not None else ()
        own = binding.rounds
        call = ((("call", binding.caller), 0),) if own and not outer else ()  # its loops run in each call of a function
        found[binding.source] = (*outer, *call, *own)
    return found


def loops_of(
    bindings: Iterable[Binding], recorder: Recorder, letter_of: Callable[[Axis], str]
) -> dict[Hashable, Loop]:
    """What each loop is called by its counter, and a letter of the dimension that it goes through. The loop of a
    comprehension is the order in which its statement makes values.

    Parameters
    ----------
    bindings : iterable of Binding
    recorder : Recorder
    letter_of : callable
        A letter of a dimension, empty where it has none.
    """
    through = grouped((source.place, along) for source, along in recorder.gone_through() if source is not None)
    found: dict[Hashable, Loop] = {}
    for binding in bindings:
        statement, place = binding.statement, binding.source.place
        met = () if is_cut_short(statement.code) else through.get(place, ())
        along = list(dict.fromkeys(axis and axis.root() for axis in met))
        sizes = {axis.size if axis is not None else -1 for axis in along}  # zip goes through several at once
        letter = letter_of(along[0]) if along and along[0] is not None and len(sizes) == 1 else ""
        if statement.site >= 0:
            key = statement.file, statement.function, statement.site
            found[key] = Loop(binding.counter, letter, statement.code)
        elif along:
            letters = {axis: letter_of(axis) for axis in along if axis is not None}
            found["order", place] = Loop("", "".join(letters.values()), statement.code)
    return found


def name_dimensions(runs: Iterable[Run], recorder: Recorder) -> str:
    """Dimensions that loops go through get the letters of their counters, all of which are returned."""
    counters = {run.source.place: run.counter for run in runs if len(run.counter) == 1}
    for source, along in recorder.gone_through():
        counter = counters.get(source.place, "") if source is not None else ""
        if along is not None and counter.isalpha():
            root = along.root()
            root.hint += counter if counter not in root.hint else ""
    return "".join(set(counters.values()))


def dimensions_of_time(equations: Iterable[Equation], recorder: Recorder) -> set[Axis]:
    """The dimensions of loops whose rounds go on with what the one before has made: time, as a rule.

    What only adds to a sum, or writes into an array, goes on with nothing.
    """
    made: dict[str, Equation] = {}
    through = grouped((id(source), along.root()) for source, along in recorder.gone_through() if along is not None)
    found: set[Axis] = set()

    def origin(name: str) -> Source | None:
        """The statement that made a value, or the array that it is a part of."""
        own = made.get(name)
        while isinstance(own, Contract) and own.brackets and len(own.operands) == 1 and own.operands[0].name in made:
            own = made[own.operands[0].name]
        return own.source if own is not None else None

    for equation in equations:
        made[equation.out.name] = equation
        path = recorder.path(equation.source)
        is_part = isinstance(equation, Contract) and bool(equation.brackets) and len(equation.operands) == 1
        if not path or is_part or isinstance(equation, Sum | Update):
            continue
        for ref in operands(equation):
            for (loop, number), (other, before) in zip(path, recorder.path(origin(ref.name)), strict=False):
                if loop is not other:
                    break
                if number != before:
                    found.update(through.get(id(loop), ()))
                    break
    return found


def rolled(
    program: Program, bindings: Sequence[Binding], loops: Mapping[Hashable, Loop], choices: Sequence[Choice],
    known: Mapping[str, Any], of_loss: int | None, lettering: Lettered, recorder: Recorder,
) -> tuple[Program, set[Hashable]]:  # fmt: skip
    """The program with letters for loops, and the places of those conditions that may turn out as they like now. The
    recorder is told which loops may run as often as one likes.

    It is held against the unrolled one on the values of the trace: where it does not agree, that is a mistake of ours,
    and the unrolled one stays.
    """
    paths = paths_of(bindings)
    forward = {binding.source for binding in bindings[:of_loss]}
    made = contained(
        "the letters of loops", lambda: confirmed(reroll(program, paths, loops, forward, choices), known), None)
    if made is None or not made.loops:
        return program, set()
    for size, other, source in claims(made, lettering.axis_of):
        recorder.claim(size, other, source)
    sizes = made.program.sizes
    through = {loop: [sizes[i] for i in told.letter] for loop, told in loops.items() if told.letter}
    opened = {loop for loop in made.loops if loop in through and min(through[loop]) >= ROUNDS}
    counted = {loop for binding in bindings if counts(binding) for loop, _ in paths[binding.source]} | leaked(bindings)
    opened -= counted
    inside = {source.place for source, path in paths.items() if opened & {loop for loop, _ in path}}
    own = {b.source.place: (b.statement.file, b.statement.function, b.statement.site)
            for b in bindings if b.statement.site >= 0}  # fmt: skip
    ended = {place for place, loop in own.items() if loop not in opened}
    places: set[Hashable] = {place for place, loop in own.items() if loop in opened} | (inside - ended)
    places |= {loop[1] for loop in opened if isinstance(loop, tuple) and loop[0] == "order"}
    whole = {source.place for source, path in paths.items()
             if {loop for loop, _ in path if is_loop(loop)} <= made.loops - counted} | places  # fmt: skip
    program, branches = simplify(made.program), {place for place in made.branches if place in whole}
    recorder.open_loops(places, branches, left_positions(program, lettering.letter))
    headers: dict[Hashable, Source] = {own[b.source.place]: b.source for b in bindings if b.source.place in own}
    for letter in made.ends:  # what the last round makes stands at the last position for every number of rounds
        letters = made.program.dimension(letter).letters
        source = next((headers[made.counters[i]] for i in letters if made.counters.get(i) in headers), None)
        for axis in {axis for axis in map(lettering.axis_of, letters) if axis is not None}:
            recorder.spot(axis, size_of(axis) - 1, source)
    return program, branches


def claims(made: Rerolled, axis_of: Callable[[str], Axis | None]) -> Iterator[tuple[Any, Any, Source | None]]:
    """Sizes that are equal where the positions that loops go through reach the end of an axis, and the statement.

    They reach it at these sizes; at others only if that is so for every size, or these sizes are equal there as well.
    """
    program, sizes = made.program, made.program.sizes

    def size(letter: str) -> Any:
        known = filter(None, map(axis_of, program.dimension(letter).letters))
        return next(map(size_of, known), sizes[letter])

    for equation in program.equations:
        for letter in (i for ref in operands(equation) if ref.name in made.given for i in ref.indices):
            yield size(letter), sizes[letter], equation.source
        for bracket in equation.brackets if isinstance(equation, Contract | Update) else ():
            for left, right in ((bracket.left, bracket.right), (bracket.right, bracket.left)):
                if bracket.relation == "=" and left.is_letter and any(i in made.counters for i in right.letters):
                    steps = [(whole(factor, sizes), i) for factor, i in right.terms]
                    going = [(step, i) for step, i in steps if step > 0]
                    reach = right.constant + sum(step * (sizes[i] - 1) for step, i in going)
                    if right.pick is None and reach == sizes[left.letters] - 1:
                        yield size(left.letters), sum(
                            (size(i) * step - step for step, i in going), right.constant + 1), equation.source


def left_positions(program: Program, letter_of: Callable[[Axis], str]) -> Callable[[Axis, int], bool]:
    """A function that says whether a number stands as a position along an axis in a program; where a loop begins or
    ends is none, no statement says that."""
    left = {
        (letter, side.constant)
        for equation in program.equations if isinstance(equation, Contract | Update) and equation.source is not None
        for bracket in equation.brackets
        for side, other in ((bracket.right, bracket.left), (bracket.left, bracket.right))
        for letter in other.letters
    }  # fmt: skip

    def is_left(axis: Axis, number: int) -> bool:
        letter = letter_of(axis)
        own = next((d.letters for d in program.dimensions if letter and letter in d.letters), "")
        return not own or any((one, number) in left for one in own)

    return is_left
