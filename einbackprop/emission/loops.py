"""Recurrences as Python loops: equations that read one another go in, the lines of a ``for`` come out.

What is read after the loop, or in other rounds of it, is an array with an entry for each round, made before it; all
else has a name in the round alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.letters import rebuilt
from ..core.program import Equation, Program, Ref, operands
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
        made = [] if self.depth else [self._array(e) for e in block.equations if e.out.name in self.kept]
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
        scope.outside = scope.outside if self.depth else ()
        if not scope.engine.writes:
            return [*made, *self._carried(block, counter, size, body)]
        rounds = f"range({scope.alone(letter)})"
        rounds = rounds if block.step > 0 else f"reversed({rounds})"
        return [*made, f"for {counter} in {rounds}:", *indented(body)]

    def _carried(self, block: Recurrence, counter: str, size: str, body: list[str]) -> list[str]:
        """A loop whose rounds give the next ones their arrays: JAX's, which does not grow with the rounds."""
        scope = self.scope
        names = [scope.names[e.out.name] for e in block.equations if e.out.name in self.kept]
        arrays, rounds = ", ".join(names), scope.identifiers.take(f"round_{counter}")
        given = arrays if len(names) == 1 else scope.identifiers.take("made")
        head = [] if len(names) == 1 else [f"{arrays} = {given}"]
        head += [] if block.step > 0 else [f"{counter} = {size} - 1 - {counter}"]
        together = arrays if len(names) == 1 else f"({arrays})"
        return [
            "", f"def {rounds}({counter}, {given}):", *indented([*head, *body, f"return {arrays}"]), "",
            f"{arrays} = jax.lax.fori_loop(0, {size}, {rounds}, {together})",
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
        is_local = ref.name in fixed and ref.name not in self.kept
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


def indented(lines: Sequence[str]) -> list[str]:
    """Lines one level further in."""
    return [INDENT + line if line else "" for line in lines]
