"""A loss and its gradients as one program: which output is the gradient of which input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from einbackprop.core.nesting import Path, get, leaves
from einbackprop.core.program import Bracket, Contract, Input, Position, Program, Ref


@dataclass(frozen=True)
class Pair:
    """A traced pair.

    Attributes
    ----------
    program : Program
        Its first output is the loss.
    targets : mapping of an output's number to the target's name and the input's
    places : tuple of paths
        Where the program's inputs stand in the state.
    """

    program: Program
    targets: Mapping[int, tuple[str, str]]
    places: tuple[Path, ...]


class UnfollowedError(Exception):
    """What a trace does not show, in words for the user."""


def matched(
    program: Program, values: Mapping[str, Any], result: Any, paths: Mapping[str, Path], place: Callable[[Input], Path]
) -> Pair:
    """Find the program's output and input for each target.

    Parameters
    ----------
    program : Program
    values : mapping
        What was returned for each target, leaves of ``result``.
    paths : mapping
        Where each target stands in the state.
    place : callable
        Where an input of the program stands in the state.

    Raises
    ------
    UnfollowedError
        There is none.
    """
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
    return Pair(with_axes_of_inputs(program, targets), targets, places)


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
