"""Program synthesis from the derivative: what a statement should make goes in, expressions of what is at hand come out.

Every gradient is a chain of products and sums that `derivation` knows. A value that a statement should make is found
among those of the derivative by its entries, and so are the arrays at hand; the equations between the two are written
as one line of NumPy, as a person would with einsum.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice

from einbackprop.core.letters import Letters, merged, set_apart, with_operands
from einbackprop.core.program import Contract, Equation, Input, Ref, operands
from einbackprop.core.simplification import simplify
from einbackprop.core.source import Spelling, substituted
from einbackprop.diagnosis.cotangents import Cotangents
from einbackprop.diagnosis.evaluation import Array, Identifier, Known
from einbackprop.diagnosis.vocabulary.trees import parsed
from einbackprop.notation.arrays import Line, UnwritableError
from einbackprop.notation.numpy_code import Writer
from einbackprop.notation.view import View

MOST, LONGEST = 16, 160
"""Equations in one line, and characters of it, at most: nobody reads more."""
WAYS = 4
"""Values of the derivative that an array may be, of which expressions are made."""


class Synthesis:
    """Expressions for the values of a derivative.

    Parameters
    ----------
    cotangents : Cotangents
    """

    def __init__(self, cotangents: Cotangents) -> None:
        self._program, self._made = cotangents.derived, cotangents.made

    def expressions(self, wanted: Array, at_hand: Mapping[str, Array], numpy: str = "np") -> Iterator[ast.expr]:
        """Expressions that give an array, made of arrays at hand, which are nearest first."""
        known: dict[str, Spelling] = {}
        for text, array in at_hand.items():
            for value, axes in self._equal(array):
                known.setdefault(value, Spelling(text, axes))
        for value, axes in islice(self._equal(wanted), WAYS):
            equation = self._equations.get(value)
            line = None if equation is None else self._line(equation, axes, {**known, value: None})
            if line is not None and len(line) <= LONGEST:
                module = {"np": parsed(numpy), "einsum": parsed(f"{numpy}.einsum")}
                yield substituted(ast.parse(line, mode="eval").body, module)

    @cached_property
    def _equations(self) -> dict[str, Equation]:
        return self._program.defining()

    @cached_property
    def _letters(self) -> dict[str, str]:
        """The letters of each value."""
        inputs = {declared.ref.name: declared.ref.indices for declared in self._program.inputs}
        return inputs | {name: equation.out.indices for name, equation in self._equations.items()}

    @cached_property
    def _identifier(self) -> Identifier:
        """Finds which values of the derivative an array is; a gradient before what equals it."""
        made = ((value, array) for value, array in self._made.items() if value in self._letters)
        return Identifier([Known("part", value, array, value=value) for value, array in made][::-1])

    def _equal(self, array: Array) -> Iterator[tuple[str, tuple[tuple[int, ...], ...]]]:
        """The values that an array is, and for each of its axes which of the value's that is; none where its size is 1.
        """
        for known, order in self._identifier.equal(array):
            lettered = [axis for axis, size in enumerate(self._made[known.value].shape) if size != 1]
            places = iter([(lettered[axis],) for axis in order])
            yield known.value, tuple(next(places) if size != 1 else () for size in array.shape)

    def _line(
        self, equation: Equation, axes: tuple[tuple[int, ...], ...], known: Mapping[str, Spelling | None]
    ) -> str | None:
        """An equation as code, with what is at hand by name, and what is not as what it is."""
        inside = self._inside(equation, known)
        if inside is None:
            return None
        named = {value: spelling for value, spelling in known.items() if spelling is not None}
        letters = Letters(self._program.dimensions)
        equation, inside = self._simplified(equation, inside, named, letters)

        def arranged(ref: Ref) -> Ref:
            spelling = named.get(ref.name)
            return ref if spelling is None else Ref(ref.name, "".join(spelling.letters(ref.indices)))

        apart = set_apart([*inside.values()], [*inside.values(), equation], letters)
        own = with_operands(equation, arranged)
        out = "".join(own.out.indices[place] for axis in axes for place in axis)
        if sorted(out) != sorted(own.out.indices):
            return None
        own = replace(own, out=Ref(own.out.name, out))
        view = replace(
            View.of(self._program), names={value: spelling.text for value, spelling in named.items()},
            inline={one.out.name: with_operands(one, arranged) for one in apart}, at_hand=frozenset(named),
            units={value: spelling.units for value, spelling in named.items()} | {
                own.out.name: tuple(n for n, axis in enumerate(axes) if not axis)},
            alike={letter: d.letters for d in letters.dimensions() for letter in d.letters},
            fresh=letters.free, sized=tuple(
                (spelling.text, spelling.letters(self._letters[value])) for value, spelling in named.items()),
        )  # fmt: skip
        try:
            writer = Writer(view, Line(view, own))
            return writer.shaped(writer.made(own), writer.axes(own.out))
        except UnwritableError:
            return None

    def _inside(self, equation: Equation, known: Mapping[str, Spelling | None]) -> dict[str, Equation] | None:
        """The equations between one and what is at hand; None where an input is not, or there are many."""
        inside: dict[str, Equation] = {}
        waiting = [equation]
        while waiting:
            for ref in operands(waiting.pop()):
                if known.get(ref.name) is None and ref.name not in inside:
                    inner = self._equations.get(ref.name)
                    if inner is None or len(inside) == MOST:
                        return None
                    inside[ref.name] = inner
                    waiting.append(inner)
        return inside

    def _simplified(
        self, equation: Equation, inside: Mapping[str, Equation], named: Collection[str], letters: Letters
    ) -> tuple[Equation, dict[str, Equation]]:
        """An equation, and those inside it, with products of products as one."""
        kept = tuple(one for one in self._program.equations if one is equation or one.out.name in inside)
        read = dict.fromkeys(ref.name for one in kept for ref in operands(one) if ref.name in named)
        inputs = tuple(Input(Ref(value, self._letters[value])) for value in read)
        part = replace(self._program, inputs=inputs, equations=kept, outputs=(equation.out,),
                       output_units=(), structure=0)  # fmt: skip
        made: dict[str, Equation] = {}
        for one in simplify(part).equations:
            factors = [made.get(ref.name) for ref in operands(one)] if isinstance(one, Contract) else []
            parts = {factor.out.name: factor for factor in factors if isinstance(factor, Contract)}
            made[one.out.name] = merged(one, parts, letters) if isinstance(one, Contract) and parts else one
        return made.pop(equation.out.name), made
