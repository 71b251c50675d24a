"""The cotangent of every value of a loss, at a state; and which of them a given array is.

The traced loss is differentiated by all that it computes, and evaluated. An array is identified by its entries alone,
so that it may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any

import numpy as np

from einbackprop.capture.tracer import Trace
from einbackprop.core import elementwise, interpretation, simplification
from einbackprop.core.program import (
    Dimension,
    Equation,
    Extremum,
    Input,
    Map,
    MatrixFunction,
    Opaque,
    Program,
    Ref,
    operands,
)
from einbackprop.core.records import dataclass
from einbackprop.core.recurrences import reached
from einbackprop.core.source import CALL, INNER, Spelling
from einbackprop.derivation import accumulation, gradients
from einbackprop.diagnosis.evaluation import (
    Array,
    Evaluated,
    Identifier,
    Kind,
    Known,
    Meaning,
    evaluate,
    simple_factor,
    tail,
)
from einbackprop.errors import DerivationError, EinbackpropError
from einbackprop.notation import markup
from einbackprop.notation.view import View, factor_markup

LONGEST = 40
"""Signs of an expression that stands for a value without a name."""


@dataclass(frozen=True)
class Cotangents:
    """The cotangents of a loss at a state.

    Attributes
    ----------
    values : mapping of name to array
        The cotangent of each value of the loss that has a name for the user, in the shape that it has under that name.
        Where several values have one name, the input's, else the last one's; `called` has all.
    forward : mapping of name to array
        These values themselves.
    of_value : mapping of value to array
        The cotangent of each value of the program, named or not, with an axis for each of its letters.
    forward_of_value : mapping of value to array
        The values themselves.
    noise : mapping of value to float
        How much of such a cotangent may be rounding.
    known : tuple of Known
        All that an array can be, the likeliest first.
    program : Program
        What was differentiated: the loss alone.
    arrays : tuple of arrays
        What it was evaluated for.
    failure : str
        Why there is nothing, if the loss cannot be differentiated.
    derived : Program
        The loss and its derivative by all its values.
    made : mapping of value to array
        The values of that.
    """

    values: Mapping[str, Array] = field(default_factory=dict)
    forward: Mapping[str, Array] = field(default_factory=dict)
    of_value: Mapping[str, Array] = field(default_factory=dict)
    forward_of_value: Mapping[str, Array] = field(default_factory=dict, repr=False)
    noise: Mapping[str, float] = field(default_factory=dict)
    known: tuple[Known, ...] = ()
    program: Program = field(default=Program((), (), (), ()), repr=False)
    arrays: tuple[Any, ...] = field(default=(), repr=False)
    failure: str = ""
    derived: Program = field(default=Program((), (), (), ()), repr=False)
    made: Mapping[str, Array] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(traced: Trace | Program, arrays: Sequence[Any], wrt: Collection[str] | None = None) -> Cotangents:
        """Differentiate a loss by all that it computes, and evaluate that.

        Parameters
        ----------
        traced : Trace or Program
            Of a loss, or of a loss and its gradients: the first output is the loss.
        arrays : sequence of arrays
            What it was traced with, in the order of the program's inputs.
        wrt : collection of str, optional
            The inputs that gradients are wanted of; all by default.

        Returns
        -------
        Cotangents
            Of values that reach the loss through what was not read there is none.
        """
        return Derivative(traced).at(arrays, wrt)

    @staticmethod
    def of_all(
        traced: Trace | Program, states: Sequence[Sequence[Any]], wrt: Collection[str] | None = None
    ) -> list[Cotangents]:
        """The same at several states, derived once; at all but the first of `wrt` alone."""
        derivative = Derivative(traced)
        return [derivative.of_inputs(arrays, wrt) if n else derivative.at(arrays, wrt)
                for n, arrays in enumerate(states)]  # fmt: skip

    def called(self, name: str, kind: Kind = "cotangent") -> tuple[Array, ...]:
        """The cotangents of all values that the user calls so, or the values themselves, in the order in which they are
        made; the last part of a name is enough: ``W`` for ``self.W``."""
        found = [one.array for one in self.known if one.kind == kind and tail(name) in one.names]
        return tuple(found[::-1])

    def identify(self, array: Any, called: str = "") -> Meaning | None:
        """What an array is, up to the order of axes, axes of size 1 and a factor; None of what is nothing known.

        Parameters
        ----------
        array
            Equal to what it is to 1e-6 of its largest entry (less, in single precision). Zeros, constants and single
            numbers are nothing, unless the name says what they are and they are that.
        called : str, optional
            What the user calls it: of several equal values, that name decides.
        """
        found = self._identifier.meaning(array, called)
        if found is None or found[0].kind == "part":
            found = self._slopes.meaning(array) or found
        if found is None:
            return None
        known, number, axes = found
        factor = simple_factor(number, self._sizes)
        amount = markup.text(factor_markup(factor, self._view, alone=True))
        return Meaning(known.kind, known.of, float(factor.value(self._sizes).real), axes, amount, known.value)

    @cached_property
    def _identifier(self) -> Identifier:
        return Identifier(self.known)

    @cached_property
    def _slopes(self) -> Identifier:
        """The derivatives of pointwise functions: few arrays are such."""
        return Identifier(list(slopes(self.program, self.forward_of_value)))

    @cached_property
    def _view(self) -> View:
        return View.of(self.program)

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """The letter of each size that one dimension alone has."""
        sizes = [d.size for d in self.program.dimensions]
        return {d.letters[0]: d.size for d in self.program.dimensions if sizes.count(d.size) == 1 and d.size > 2}


class Derivative:
    """The derivative of a loss by all that it computes, derived once, when it is first asked for, and evaluated at
    several states.

    Parameters
    ----------
    traced : Trace or Program
        Of a loss, or of a loss and its gradients: the first output is the loss.
    """

    def __init__(self, traced: Trace | Program) -> None:
        self._traced = traced

    @cached_property
    def _derivation(self) -> _Derivation:
        program = self._traced.unrolled.program if isinstance(self._traced, Trace) else self._traced
        return _Derivation(program, names_of(self._traced))

    def at(self, arrays: Sequence[Any], wrt: Collection[str] | None = None) -> Cotangents:
        """All cotangents, with their names; of the inputs those of ``wrt``, or all."""
        return self._evaluated(lambda: self._derivation.cotangents(arrays, wrt), arrays)

    def of_inputs(self, arrays: Sequence[Any], wrt: Collection[str] | None = None) -> Cotangents:
        """The cotangents of inputs alone, without names, in a part of the time."""
        return self._evaluated(
            lambda: self._derivation.values(arrays, self._derivation.inputs if wrt is None else wrt), arrays)

    def _evaluated(self, work: Callable[[], Cotangents], arrays: Sequence[Any]) -> Cotangents:
        try:
            return replace(work(), arrays=tuple(arrays))
        except EinbackpropError as error:
            return Cotangents(failure=" ".join(str(error).split()), arrays=tuple(arrays))


@dataclass(frozen=True)
class Names:
    """What the user calls a value of a loss.

    Attributes
    ----------
    bound : tuple of Spelling
        The names that it is bound to, and with which axes.
    read : set of str
        Those by which functions read it that are given it.
    written : str
        An expression that gives it.
    """

    bound: tuple[Spelling, ...] = ()
    read: frozenset[str] = frozenset()
    written: str = ""

    @property
    def by_tail(self) -> dict[str, str]:
        """All names by their last parts."""
        return {tail(name): name for name in (*self.read, *(spelling.text for spelling in self.bound[::-1]))}


def names_of(traced: Trace | Program) -> dict[str, Names]:
    """What the user calls each value of a loss."""
    if isinstance(traced, Program):
        return {}
    bindings = traced.bindings[: traced.of_loss or None]
    bound: dict[str, dict[str, Spelling]] = {}
    read: dict[str, set[str]] = {}
    written: dict[str, str] = {}
    for binding in bindings:
        for access in (*binding.binds, *binding.changes) if binding.statement.kind != "Return" else ():
            if access.spelling.text.strip("_"):
                bound.setdefault(access.value, {}).setdefault(access.spelling.text, access.spelling)
        for access in binding.reads:
            rank, said = access.spelling.rank, access.spelling.text
            if rank < INNER:
                read.setdefault(access.value, set()).add(said)
            elif rank == CALL and len(said) < len(written.get(access.value, "." * LONGEST)):
                written[access.value] = said
    values = {*bound, *read, *written}
    return {
        value: Names(
            tuple(sorted(bound.get(value, {}).values(), key=lambda spelling: spelling.rank)),
            frozenset(read.get(value, ())), written.get(value, ""),
        )
        for value in values
    }  # fmt: skip


class _Derivation:
    """The derivative of the loss of a program by all its values, which can be evaluated."""

    def __init__(self, program: Program, names: Mapping[str, Names]) -> None:
        equations = simplification.needed(program.equations, [program.outputs[0].name])
        unread = [e.out for e in equations if isinstance(e, Opaque)]
        self.loss = accumulation.as_loss(replace(
            program, inputs=(*program.inputs, *(Input(out, str(program.constants[out.name].dtype)) for out in unread)),
            equations=tuple(e for e in equations if not isinstance(e, Opaque)), outputs=program.outputs[:1],
            output_units=program.output_units[:1], structure=0,
        ))  # fmt: skip
        self.unread = [program.constants[out.name] for out in unread]
        self.inputs = [i.ref.name for i in self.loss.inputs if np.dtype(i.dtype).kind == "f"]
        self.primals = [*moving(self.loss, self.inputs, lost(equations))]
        self.made = self.loss.defining()
        self.indices = {i.ref.name: i.ref.indices for i in self.loss.inputs}
        self.indices |= {name: e.out.indices for name, e in self.made.items()}
        self.units = {i.ref.name: i.units for i in program.inputs}
        self.names = {value: self._named(value, names.get(value, Names())) for value in self.indices}

    def _named(self, value: str, names: Names) -> Names:
        """The names of a value, the one that is its label first; of an input, its label in any case."""
        label = self.loss.labels.get(value, "" if value in self.made else value).strip("_")
        if not label or (names.bound and value in self.made) or any(spelling.text == label for spelling in names.bound):
            return replace(names, bound=tuple(sorted(names.bound, key=lambda spelling: spelling.text != label)))
        return replace(names, bound=(Spelling(label, self._axes(value)), *names.bound))

    def _axes(self, value: str) -> tuple[tuple[int, ...], ...]:
        """The axes of a value as they are."""
        units, places = self.units.get(value, ()), iter(range(len(self.indices[value])))
        return tuple(() if n in units else (next(places),) for n in range(len(self.indices[value]) + len(units)))

    @cached_property
    def derived(self) -> Program:
        """The cotangents of the values that the loss depends on."""
        return accumulation.vjp_of_all(self.loss, self.primals)

    def evaluated(self, derived: Program, arrays: Sequence[Any]) -> tuple[Program, Evaluated]:
        """What was derived as it was evaluated, and its values."""
        made = evaluate(derived, arrays)
        if any(ref.name in made.values and interpretation.has_nan(made.values[ref.name]) for ref in derived.outputs):
            derived = gradients.without_nan_here(derived, self.loss, arrays)
            made = evaluate(derived, arrays)
        return derived, made

    def values(self, arrays: Sequence[Any], wrt: Collection[str] | None) -> Cotangents:
        """The cotangents of inputs alone, without their names."""
        wanted = [n for n, primal in enumerate(self.primals) if wrt is None or primal in wrt]
        outputs = tuple(self.derived.outputs[n] for n in wanted)
        equations = tuple(simplification.needed(self.derived.equations, [ref.name for ref in outputs]))
        units = tuple(self.derived.output_units[n] for n in wanted) if self.derived.output_units else ()
        derived = replace(self.derived, equations=equations, outputs=outputs, output_units=units, structure=0)
        _, made = self.evaluated(derived, [*arrays, *self.unread])
        found = {self.primals[n]: ref.name for n, ref in zip(wanted, outputs, strict=True) if ref.name in made.values}
        return Cotangents(
            of_value={primal: made.values[name] for primal, name in found.items()},
            noise={primal: made.noise.get(name, 0.0) for primal, name in found.items()},
        )

    def cotangents(self, arrays: Sequence[Any], wrt: Collection[str] | None) -> Cotangents:
        """All that is known of the loss."""
        arrays = [*arrays, *self.unread]
        derived, made = self.evaluated(self.derived, arrays)
        forward = evaluate(self.loss, arrays)
        names = {p: r.name for p, r in zip(self.primals, derived.outputs, strict=True) if r.name in made.values}
        of_value = {primal: made.values[name] for primal, name in names.items()}
        noise = {primal: made.noise.get(name, 0.0) for primal, name in names.items()}
        known = [
            *self._known("cotangent", Evaluated(of_value, noise), wrt),
            *self._known("forward", forward, None),
            *self._parts(derived, made, set(names.values())),
        ]
        return Cotangents(
            self._by_name(of_value), self._by_name(forward.values), of_value, forward.values, noise, tuple(known),
            self.loss, derived=derived, made=made.values,
        )  # fmt: skip

    def _by_name(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Values under the user's names; the inputs last, so that they have theirs."""
        order = [*self.made, *(i.ref.name for i in self.loss.inputs)]
        return {
            spelling.text: arranged(values[value], spelling)
            for value in order if value in values for spelling in reversed(self.names[value].bound)
        }  # fmt: skip

    def _known(self, kind: Kind, found: Evaluated, wrt: Collection[str] | None) -> Iterator[Known]:
        """What arrays can be: later values before earlier ones, those with a name before others, inputs at last."""
        later = list(self.made)[::-1]
        named = sorted(later, key=lambda value: not self.names[value].bound)
        for value in (*named, *(i.ref.name for i in self.loss.inputs)):
            if value not in found.values:
                continue
            names, is_wanted = self.names[value], wrt is None or value in wrt or value not in self.inputs
            spelled = names.bound or (Spelling(self._described(value), self._axes(value)),)
            of_shape = {frozenset(filter(None, spelling.axes)): spelling for spelling in reversed(spelled)}
            for spelling in of_shape.values():
                array, noise = arranged(found.values[value], spelling), found.noise.get(value, 0.0)
                yield Known(kind, spelling.text, array, noise, names.by_tail, is_wanted, value)

    def _parts(self, derived: Program, made: Evaluated, whole: Collection[str]) -> Iterator[Known]:
        """The values of the derivative that are no cotangents: terms and factors of one."""
        for equation in reversed(derived.equations):
            name = equation.out.name
            origin = derived.origins.get(name, "")
            of = self.names.get(origin, Names()).bound
            if of and name in made.values and name not in whole:
                yield Known("part", of[0].text, made.values[name], made.noise.get(name, 0.0), value=origin)

    def _described(self, value: str) -> str:
        """What is said of a value without a name: what it goes into, an expression that gives it, or its line."""
        into = (e for e in self.loss.equations if isinstance(e, Map) and e.operands[0].name == value)
        named = next((e for e in into if len(e.operands) == 1 and self.names[e.out.name].bound), None)
        if named is not None:
            return f"(what the {named.function} takes for {self.names[named.out.name].bound[0].text})"
        written = self.names[value].written
        if written:
            return written if written.startswith("(") else f"({written})"
        source = self.made[value].source if value in self.made else None
        return "(a value without a name)" if source is None else f"(a value of line {source.line})"


def arranged(array: Array, spelling: Spelling) -> Array:
    """A value with its axes as the user has them under a name."""
    order = [n for axis in spelling.axes for n in axis]
    if sorted(order) != list(range(array.ndim)):
        return array
    shape = [int(np.prod([array.shape[n] for n in axis])) for axis in spelling.axes]
    return array.transpose(order).reshape(shape)


def moving(program: Program, inputs: Collection[str], without: Collection[str]) -> Iterator[str]:
    """The values by which a program can be differentiated: inputs, what they move, and arrays that it starts from."""

    def is_moved(equation: Equation, moved: Collection[str]) -> bool:
        read = [ref.name for ref in operands(equation)]
        starts = not read and bool(equation.out.indices)
        return not is_fixed(equation) and (starts or any(one in moved for one in read))

    yield from (name for name in reached(program.equations, inputs, is_moved) if name not in without)


def is_fixed(equation: Equation) -> bool:
    """Whether a value moves in steps: a position, or what is true or false."""
    match equation:
        case Extremum():
            return bool(equation.position_of)
        case Map():
            return elementwise.is_boolean(equation.function)
        case MatrixFunction():
            return equation.function == "detsign"
    return False


def lost(equations: Sequence[Equation]) -> set[str]:
    """The values that reach the last one through what was not read."""
    found, before = set[str](), -1
    while len(found) > before:
        before = len(found)
        for equation in reversed(equations):
            if isinstance(equation, Opaque) or equation.out.name in found:
                found |= {ref.name for ref in operands(equation)}
    return found


def slopes(program: Program, forward: Mapping[str, Array]) -> Iterator[Known]:
    """The derivative of each pointwise function of one value, at the values that it was applied to."""
    for equation in reversed(program.equations):
        if not isinstance(equation, Map) or len(equation.operands) > 1 or elementwise.is_boolean(equation.function):
            continue
        read = equation.operands[0]
        if read.name in forward and forward[read.name].dtype.kind == "f":
            alone = Map(Ref("y", "i"), equation.function, (Ref("x", "i"),), equation.parameter)
            size = Dimension("i", forward[read.name].size)
            try:
                derived = accumulation.vjp(Program((Input(Ref("x", "i")),), (alone,), (alone.out,), (size,)), ["x"])
            except DerivationError:
                continue
            flat = forward[read.name].ravel()
            (slope,) = interpretation.run(derived, [flat, np.ones_like(flat)])
            name = program.labels.get(equation.out.name, "").strip("_")
            of = f"the {equation.function}" + (f" that makes {name}" if name else "")
            yield Known("slope", of, slope.reshape(forward[read.name].shape), value=equation.out.name)
