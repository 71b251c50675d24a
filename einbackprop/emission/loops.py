"""Recurrences as Python loops: equations that read one another go in, the lines of a ``for`` come out.

What is read after the loop, or in other rounds of it, is an array with an entry for each round, made before it; all
else has a name in the round alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from ..core.letters import rebuilt
from ..core.program import Equation, Program, Ref, operands
from ..core.records import dataclass
from ..core.recurrences import Recurrence, blocks, is_shift, loops
from ..core.rounds import Carry, carries
from . import statements
from .scope import Scope

INDENT = "    "
Fixed = Mapping[str, Mapping[int, str]]
"""The variable that counts along axes of values: ``{"h": {0: "t"}}``."""


@dataclass
class Loops:
    """The recurrences of a program whose source is written.

    Attributes
    ----------
    program : Program
        Its recurrences are ``plain``.
    scope : Scope
    lines_of : callable
        Gives the lines of an equation, and what is said of it, given a function that writes them into the scope.
    kept : set of str
        The values that are read beside their round.
    carries : dict of value to Carry
        What rounds read of others.
    skipped : dict of value to Equation
        The values that have no line, since another has what they are in its own.
    depth : int
        How many loops there are around the lines that are being written.
    """

    program: Program
    scope: Scope
    lines_of: Callable[[Equation, Callable[[], None]], list[str]]
    kept: set[str] = field(default_factory=set)
    carries: dict[str, Carry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blocks = blocks(self.program.equations)
        for block in loops(self.blocks):
            self._look_into(block)
        self.skipped = {e.out.name: e for carry in self.carries.values() for e in carry.inside}
        self._counters: dict[str, str] = {}
        self._stacked: set[str] = set()  # the values of a scan, which have a name in the round though they are kept
        self._states: dict[tuple[str, Ref | None], str] = {}  # what its rounds get of the one before
        self.depth = 0

    def _look_into(self, block: Recurrence) -> None:
        """Note what the rounds of a recurrence read of one another, and what is kept of them."""
        found = carries(self.program, block)
        own = {e.out.name for e in block.body if not isinstance(e, Recurrence)}
        read = {ref.name for ref in self.program.outputs} | {carry.value.name for carry in found.values()}
        read |= {ref.name for e in self.program.equations if e.out.name not in own for ref in operands(e)}
        self.kept |= read & own
        self.carries |= found

    def lines(self, block: Recurrence, fixed: Fixed | None = None) -> list[str]:
        """The arrays of a recurrence, and the loop that fills them."""
        scope, fixed = self.scope, fixed or {}
        letter = next(block.letter(e) for e in block.equations if not is_shift(e))
        if letter not in self._counters:
            self._counters[letter] = scope.identifiers.take(letter)
        counter, size = self._counters[letter], scope.size(letter)
        inner = {name: {**fixed.get(name, {}), axis: counter} for name, axis in block.axes.items()}
        if not self.depth:
            scope.outside = self._outside(block)
        is_scan = not scope.engine.writes and not self.depth and self._hands_on(block)
        kept = [e for e in block.equations if e.out.name in self.kept]
        made = [] if self.depth or is_scan else [self._array(e) for e in kept]
        self._stacked = {e.out.name for e in kept} if is_scan else set()
        starts = self._starts(block, inner) if is_scan else []
        body: list[str] = []
        self.depth += 1
        for part in block.body:
            if isinstance(part, Recurrence):
                body += self.lines(part, inner)
            elif part.out.name not in self.skipped and part.out.name not in scope.inlined:
                body += self._round(part, inner[part.out.name], inner, block)
        while not body[0]:
            del body[0]
        self.depth -= 1
        self._stacked = set()
        scope.outside = scope.outside if self.depth else ()
        names = [scope.names[e.out.name] for e in kept]
        if is_scan:
            return self._scanned(block, counter, size, body, names, starts)
        if not scope.engine.writes:
            return [*made, *self._carried(block, counter, size, body, names)]
        rounds = f"range({scope.alone(letter)})"
        rounds = rounds if block.step > 0 else f"reversed({rounds})"
        return [*made, f"for {counter} in {rounds}:", *indented(body)]

    def _hands_on(self, block: Recurrence) -> bool:
        """Whether each round reads of others only what the one before made: JAX's ``scan`` hands that on."""
        own = {e.out.name for e in block.equations}
        for equation in (e for e in block.equations if e.out.name not in self.skipped):
            carry = self.carries.get(equation.out.name)
            if carry is not None and (carry.step != -block.step or carry.value.name not in self.kept):
                return False
            letter = block.letter(equation)
            read = [ref for ref in operands(equation) if ref.name in own] if carry is None else []
            if any(ref.indices[block.axes[ref.name]] != letter for ref in read):
                return False
        return not any(isinstance(part, Recurrence) for part in block.body)

    def _starts(self, block: Recurrence, fixed: Fixed) -> list[str]:
        """The lines that make what the first round of a scan gets, which the others get of the one before."""
        scope, starts = self.scope, []
        self._states = {}
        for equation in block.equations:
            carry = self.carries.get(equation.out.name)
            if carry is None or (carry.value.name, carry.start) in self._states:
                continue
            letters = {equation.out.indices[axis]: counter for axis, counter in fixed[equation.out.name].items()}
            own = self._part(carry.value, letters, fixed).indices
            kind = scope.dtype(scope.dtypes[carry.value.name], scope.outside)
            start = f"np.zeros({scope.shape(own)}, dtype={kind})"
            if carry.start is not None:
                given = scope.aligned(self._part(carry.start, letters, fixed), own)
                start = f"np.asarray({given}, dtype={kind})"
            name = scope.identifiers.take(f"{scope.names[carry.value.name]}_last")
            self._states[carry.value.name, carry.start] = name
            starts.append(f"{name} = {start}")
        return starts

    def _scanned(
        self, block: Recurrence, counter: str, size: str, body: list[str], names: Sequence[str], starts: Sequence[str]
    ) -> list[str]:
        """A loop whose rounds give the next one what it reads, and put what is kept beside one another."""
        given, made = [*self._states.values()], [self.scope.names[value] for value, _ in self._states]
        rounds, back = self.scope.identifiers.take(f"round_{counter}"), "" if block.step > 0 else ", reverse=True"
        one = given[0] if len(given) == 1 else self.scope.identifiers.take("last")
        head = [] if len(given) == 1 else [f"{', '.join(given)} = {one}"]
        return [
            *starts, "", f"def {rounds}({one}, {counter}):",
            *indented([*head, *body, f"return {together(made)}, {together(names)}"]), "",
            f"_, {together(names)} = jax.lax.scan({rounds}, {together(given)}, np.arange({size}){back})",
        ]  # fmt: skip

    def _carried(self, block: Recurrence, counter: str, size: str, body: list[str], names: Sequence[str]) -> list[str]:
        """A loop whose rounds give the next ones their arrays, where some read what others made than the one before."""
        scope = self.scope
        arrays, rounds = ", ".join(names), scope.identifiers.take(f"round_{counter}")
        given = arrays if len(names) == 1 else scope.identifiers.take("made")
        head = [] if len(names) == 1 else [f"{arrays} = {given}"]
        head += [] if block.step > 0 else [f"{counter} = {size} - 1 - {counter}"]
        return [
            "", f"def {rounds}({counter}, {given}):", *indented([*head, *body, f"return {arrays}"]), "",
            f"{arrays} = jax.lax.fori_loop(0, {size}, {rounds}, {together(names)})",
        ]  # fmt: skip

    def _array(self, equation: Equation) -> str:
        """The line that makes the array of a value."""
        scope, name = self.scope, equation.out.name
        kind = scope.dtype(scope.dtypes[name], scope.outside)
        return f"{scope.names[name]} = np.zeros({scope.shape(equation.out.indices)}, dtype={kind})"

    def _outside(self, block: Recurrence) -> list[str]:
        """What a recurrence reads that is made before it."""
        inside = {e.out.name for e in block.equations}
        starts = [e for at, carry in self.carries.items() if at in inside for e in carry.inside]
        read = dict.fromkeys(ref.name for e in (*block.equations, *starts) for ref in operands(e))
        return [name for name in read if name not in inside and name not in self.skipped]

    def _round(self, equation: Equation, at: Mapping[int, str], fixed: Fixed, block: Recurrence) -> list[str]:
        """The lines of an equation in one round."""
        letters = {equation.out.indices[axis]: counter for axis, counter in at.items()}
        carry, target = self.carries.get(equation.out.name), self._part(equation.out, letters, fixed)
        if carry is None:
            made = self._in_round(equation, target, letters, fixed)
            return self.lines_of(equation, lambda: statements.write(made, self.scope))
        letter, step = block.letter(equation), carry.step
        counter, last = letters[letter], self.scope.size(letter)
        there = f"{counter} {'-' if step < 0 else '+'} {abs(step)}"
        if self._stacked:
            state = self._state(carry, self._part(carry.value, letters, fixed))
            taken = self.scope.aligned(state, target.indices)
            return self.lines_of(equation, lambda: self.scope.assign(self.scope.names[target.name], taken))
        read = self.scope.aligned(self._part(carry.value, {**letters, letter: there}, fixed), target.indices)
        within = f"{counter} >= {-step}" if step < 0 else f"{counter} < {last} - {step}"
        within = f"{counter} > 0" if step == -1 else within
        here = self._part(carry.value, letters, fixed)
        other = f"np.zeros_like({self.scope.aligned(here, target.indices)})"
        if carry.start is not None:
            other = self.scope.aligned(self._part(carry.start, letters, fixed), target.indices)
        taken = f"{read} if {within} else {other}"
        if not self.scope.engine.writes:  # there the counter is no number
            taken = f"np.where({within}, {read}, {other})"
        return self.lines_of(equation, lambda: self.scope.assign(self.scope.names[target.name], taken))

    def _state(self, carry: Carry, value: Ref) -> Ref:
        """What a round of a scan gets of the one before, in the letters of a value of its own."""
        name = self._states[carry.value.name, carry.start]
        for kinds in (self.scope.dtypes, self.scope.swapped):
            kinds[name] = kinds[carry.value.name]
        self.scope.names[name] = name
        return Ref(name, value.indices)

    def _in_round(self, equation: Equation, out: Ref, letters: Mapping[str, str], fixed: Fixed) -> Equation:
        """The equation of one entry, without the letters of loops."""
        return rebuilt(
            equation, out, lambda ref: self._part(ref, letters, fixed), letter=lambda i: "" if i in letters else i)

    def _part(self, ref: Ref, letters: Mapping[str, str], fixed: Fixed) -> Ref:
        """A value in a round: the entry of an array, or a name that the round has."""
        scope, own = self.scope, "".join(i for i in ref.indices if i not in letters)
        if own == ref.indices:
            return ref
        index = [letters.get(i, ":") for i in ref.indices]
        while index[-1] == ":":
            index.pop()
        is_local = ref.name in fixed and (ref.name not in self.kept or ref.name in self._stacked)
        text = scope.names[ref.name] if is_local else f"{scope.names[ref.name]}[{', '.join(index)}]"
        made = Ref(ref.name if is_local else f"{ref.name}[{', '.join(index)}]", own)
        scope.names[made.name], scope.wholes[made.name] = text, ref.name
        for kinds in (scope.dtypes, scope.swapped):
            kinds[made.name] = kinds[ref.name]
        inlined = scope.inlined.get(ref.name)
        if inlined is not None:  # has the letters of its own equation
            made = Ref(f"{ref.name}[{', '.join(index)}]", own)
            table = dict(zip(ref.indices, inlined.out.indices, strict=True))
            theirs = {table[i]: counter for i, counter in letters.items() if i in table}
            rest = Ref(made.name, "".join(i for i in inlined.out.indices if i not in theirs))
            scope.inlined[made.name] = self._in_round(inlined, rest, theirs, fixed)
            for kinds in (scope.dtypes, scope.swapped):
                kinds[made.name] = kinds[ref.name]
        return made


def together(names: Sequence[str]) -> str:
    """Several expressions as a tuple, one alone."""
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def indented(lines: Sequence[str]) -> list[str]:
    """Lines one level further in."""
    return [INDENT + line if line else "" for line in lines]
