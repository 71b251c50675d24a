"""A line's equations as one formula, under the user's names."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.fusion import Letters, fuse, set_apart
from ..core.letters import letters_of, rename_letters
from ..core.order import bottom_up
from ..core.program import Contract, Dimension, Equation, Factor, Map, Program, Ref, Update, operands
from ..notation.einsum_text import einsum_text
from ..notation.index_notation import View, equation_markup, equation_text
from ..notation.markup import Markup, text
from ..reading.formulas import is_ones
from .judging import Judging, line_of
from .scoping import called_there, names_at
from .search import Surroundings
from .spelling import spelled, variables
from .truth import Known, Role

READABLE = 60  # equations that one formula may be made of


@dataclass(frozen=True)
class Formula:
    """A value in index notation, as text and as markup, and with einsum where it has one; ``subscripts`` of a single
    contraction."""

    equation: str
    einsum: str | None
    subscripts: str
    markup: Markup = ()

    @staticmethod
    def of(markup: Markup) -> Formula:
        """A formula that is no einsum."""
        return Formula(text(markup), None, "", markup)

    @property
    def right(self) -> Markup:
        """The right-hand side of the equation."""
        return self.markup[self.markup.index(" = ") + 1 :]


class Words:
    """The user's names for values, and formulas in them."""

    def __init__(self, judging: Judging, surroundings: Surroundings) -> None:
        self.judging = judging
        self.program = judging.program
        self.surroundings = surroundings
        self.inline = surroundings.inline
        self.aliases = dict(self._aliases())
        self.shown: dict[str, set[str]] = {}

    def dimensions(self) -> tuple[Dimension, ...]:
        """The program's dimensions, with the letters that formulas have needed besides."""
        return tuple(
            replace(d, letters=d.letters + "".join(sorted(self.shown.get(d.letters[0], set()) - set(d.letters))))
            for d in self.program.dimensions
        )

    def _aliases(self) -> Iterator[tuple[str, str]]:
        """For values of the forward without a name, the name that the backward has for them."""
        labels = self.program.labels
        for name, role in self.judging.original.items():
            if role and role.is_forward and role.axes == tuple(range(len(role.axes))):
                label = labels.get(name, "_")
                if label.strip("_") and not labels.get(role.known.of, "").strip("_"):
                    yield role.known.of, label

    def name(self, value: str) -> str:
        """What the user calls a value."""
        label = self.aliases.get(value) or self.program.labels.get(value, "")
        return label if label.strip("_") else value

    def can_name(self, value: str) -> bool:
        """Whether a value can be spoken of: it has a name of the user's, or is a formula in such names."""
        named = {i.ref.name for i in self.program.inputs} | set(self.program.labels) | set(self.inline)
        return value in named or self.name(value) != value

    def read(self, value: str, turned: bool = False) -> Ref:
        """A value with its letters, or with its axes turned round, under the user's name."""
        made = self.judging.made.get(value)
        given = {i.ref.name: i.ref.indices for i in self.program.inputs}
        indices = made.out.indices if made else given.get(value, "")
        return Ref(self.name(value), indices[::-1] if turned else indices)

    def names_in(self, equations: Sequence[Equation]) -> dict[str, str]:
        """The user's names of the values of a formula; the program's own for two values of one name."""
        values = dict.fromkeys(ref.name for e in equations for ref in (e.out, *operands(e)))
        called = {value: self.name(value) for value in values}
        made = [e.out.name for e in equations]
        names = {}
        for value, name in called.items():
            others = [v for v in values if v != value and called[v] == name and v not in made and value not in made]
            names[value] = value if any(not self._same(value, other) for other in others) else name
        return names

    def _same(self, a: str, b: str) -> bool:
        values = self.judging.now[0]
        return a in values and b in values and self.judging.samples[0].close(values[a], values[b])

    # Formulas

    def line(self, equation: Equation, changed: Mapping[str, Equation]) -> Formula:
        """The line in which an equation stands, with some of its equations changed."""
        own = self.line_of(equation)
        end = self.end_of(own)
        fresh = {name: e for name, e in changed.items() if name not in self.judging.made}
        equations = []
        for e in own:
            new = changed.get(e.out.name, e)
            equations += [fresh[ref.name] for ref in operands(new) if ref.name in fresh]
            equations.append(new)
        return self.formula(equations, end)

    def line_of(self, equation: Equation) -> list[Equation]:
        """The equations of one run of the line of an equation; a helper of one line counts to its caller's."""
        line = line_of(equation.source)
        made = self.judging.program.equations
        return [
            e for e in made
            if e.source is not None and e.out.name not in self.judging.forward
            and (line_of(e.source) == line or line_of(e.source.shown) == line)
        ]  # fmt: skip

    def end_of(self, line: Sequence[Equation]) -> str:
        """The value that a line is about: the last that it gives to others."""
        ends = [e.out.name for e in line if e.out.name in self.judging.original]
        return ends[-1] if ends else line[-1].out.name

    def formula(self, equations: Sequence[Equation], out: str) -> Formula:
        """A value that some equations make, as one formula."""
        needed, wanted = [], {out}
        for e in reversed(equations):
            if e.out.name in wanted:
                needed.append(e)
                wanted |= {ref.name for ref in operands(e)}
        needed.reverse()
        read = dict.fromkeys(ref.name for e in needed for ref in operands(e) if ref.name in self.inline)
        extra = list({e.out.name: e for name in read for e in self._nested(name)}.values())
        program = Program((), (*extra, *needed), (needed[-1].out,), self._dimensions())
        keep = self.program.labels
        fused = fuse(program, lambda part, whole: part.out.name != out and (part.out.name not in keep or part in extra))
        main = fused.defining()[out]
        letters = Letters(fused.dimensions)
        inside = set_apart([e for e in fused.equations if e is not main], fused.equations, letters)
        names = self.names_in([*fused.equations])
        names |= self._spelled(out, names)
        names |= {e.out.name: "ones" for e in inside if is_ones(e)}
        inline = {e.out.name: e for e in inside if not is_ones(e)}
        view = replace(View.of(self.program), names=names, inline=inline, taken=frozenset(names.values()))
        main = self.in_forward_letters(main)
        shown = {i for e in (main, *inside) for i in letters_of(e)}
        for d in letters.dimensions():
            self.shown.setdefault(d.letters[0], set()).update(shown & set(d.letters))
        markup = equation_markup(main, view)
        return Formula(text(markup), einsum_text(main, view), subscripts(main), markup)

    def _spelled(self, out: str, names: Mapping[str, str]) -> dict[str, str]:
        """What the line itself calls values that have another name elsewhere, and values that are equal to those."""
        own = self.judging.made.get(out)
        line = [e for e in self.line_of(own) if e.source == own.source] if own and own.source else []
        if not line:
            return {}
        made = {e.out.name for e in line}
        called = {ref.name: self.name(ref.name) for e in line for ref in operands(e) if ref.name not in made}
        called |= spelled(line, called, self.judging.made)
        called |= self._passed(own.source.shown.code if own and own.source else "", self.line_of(line[0]), called)
        others = [value for value in names if value not in called and value not in made]
        again = {value: called[read] for value in others for read in called if self._same(value, read)}
        return called | again

    def _passed(self, code: str, whole: Sequence[Equation], called: Mapping[str, str]) -> dict[str, str]:
        """The one name of a line that no other value has, for the one value that its helpers read and it does not."""
        made = {e.out.name for e in whole}
        read = {ref.name: self.name(ref.name) for e in whole for ref in operands(e) if ref.name not in made}
        read |= {value: name for value, name in called.items() if value in read}
        names = variables(code)
        unknown = [value for value, name in read.items() if name not in names and "." not in name and "(" not in name]
        free = [name for name in names if name not in read.values()]
        return {unknown[0]: free[0]} if len(unknown) == len(free) == 1 else {}

    def in_forward_letters(self, equation: Equation) -> Equation:
        """The equation with the letters that the forward has for what it reads, where they go together.

        Where a mistake brings two dimensions together they do not, and the equation stays as it was read.
        """
        table: dict[str, str] = {}
        for ref in operands(equation):
            for own, wanted in zip(ref.indices, self.forward_letters(ref), strict=False):
                if table.setdefault(own, wanted) != wanted:
                    return equation
        whole = {i: table.get(i, i) for i in letters_of(equation)}
        return rename_letters(equation, table) if len(set(whole.values())) == len(whole) else equation

    def forward_letters(self, ref: Ref) -> str:
        """The letters of a value where it is given, or the forward or its derivative makes it; none of another."""
        role, truth = self.judging.original.get(ref.name), self.judging.truth
        name = role.known.name if role else ref.name
        stated = [i.ref for i in self.program.inputs if i.ref.name == name] or [
            e.out for e in truth.program.equations if e.out.name == name
        ]
        letters = stated[0].indices if stated else ""
        if len(letters) != len(ref.indices):
            return ""
        order = role.axes if role and role.axes else range(len(letters))
        return "".join(letters[axis] for axis in order)

    def derived(self, role: Role, out: str) -> Formula | None:
        """What a step should be, derived: in the user's names where the user has a value, else in full.

        None of what nobody would read: loops over entries leave hundreds of terms.
        """
        name = role.known.name
        multiple = self._multiple(role, out)
        if multiple is not None:
            return self.formula([multiple], out)
        made = self.judging.truth.made.get(name)
        letters = made.out.indices if made else self.judging.made[out].out.indices
        order = role.axes or tuple(range(len(letters)))
        indices = "".join(letters[axis] for axis in order)
        there = copy.copy(self)
        there.surroundings = self.surroundings.before(out)
        there.inline = there.surroundings.inline
        read = Ref(there.surroundings.show(name) if made else name, letters)
        if there._terms(read.name) > READABLE:
            return None
        return there.formula([Contract(Ref(out, indices), (read,), factor=role.factor)], out)

    def _multiple(self, role: Role, out: str) -> Contract | None:
        """What a step should be, as a multiple of a value that its line reads."""
        made = self.judging.made.get(out)
        for ref in operands(made) if made is not None and not isinstance(made, Update) else ():
            own = self.judging.role_of(ref.name) if ref.name in self.judging.roots else None
            if own is not None and own.known == role.known and own.axes == role.axes and own.factor.number:
                sizes = {letter: -power for letter, power in own.factor.sizes}
                return Contract(
                    Ref(out, ref.indices), (ref,), (), role.factor * Factor.of(1 / own.factor.number, **sizes)
                )
        return None

    def _terms(self, name: str) -> int:
        """How many equations a value written out in full is made of, those that stand in it twice counted twice."""
        known: dict[str, int] = {}
        for inner in bottom_up(name, self._read_inline):
            read = operands(self.inline[inner]) if inner in self.inline else ()
            known[inner] = (inner in self.inline) + sum(known.get(ref.name, 0) for ref in read)
        return known[name]

    def _nested(self, name: str) -> list[Equation]:
        """A slope's equation, those that it reads before it."""
        return [self.inline[inner] for inner in bottom_up(name, self._read_inline)]

    def _read_inline(self, name: str) -> list[str]:
        """The values that a value reads and that are written out where it is."""
        read = operands(self.inline[name]) if name in self.inline else ()
        return [ref.name for ref in read if ref.name in self.inline]

    def _dimensions(self) -> tuple[Dimension, ...]:
        known = self.judging.truth.program.dimensions
        own = {i for d in self.program.dimensions for i in d.letters}
        merged = []
        for d in self.program.dimensions:
            more = next((k.letters for k in known if k.letters[0] in d.letters), "")
            merged.append(replace(d, letters=d.letters + "".join(i for i in more if i not in own)))
        return tuple(merged)

    def value(self, name: str) -> str:
        """A value in a sentence: its name, or its formula in values that have names."""
        nested = self._nested(name) if name in self.inline else self._nameless(name)
        if not nested:
            return self.name(name)
        return text(self.formula(nested, nested[-1].out.name).right)

    def on_line(self, name: str, equation: Equation) -> str:
        """A value in a sentence about a line: as the line calls it."""
        said = self._spelled(equation.out.name, {name: self.name(name)}).get(name) or self.value(name)
        known = names_at(equation.source)
        if known and said.isidentifier() and said not in known:
            return called_there(self.judging, name, equation.source) or said
        return said

    def _nameless(self, name: str) -> list[Equation]:
        """The equation of a value that has no name, those of such values that it reads before it."""
        made = self.judging.made.get(name)
        if made is None or self.can_name(name) or isinstance(made, Update):
            return []
        return [*(e for ref in operands(made) for e in self._nameless(ref.name)), made]

    # What a value is

    def meaning(self, role: Role) -> str:
        """``∂L/∂hid_2``, ``B · ∂L/∂t6``: what a value is."""
        known, factor = role.known, role.factor
        said = {
            "cotangent": f"∂L/∂{self.primal(known)}",
            "data": f"∂L/∂{self.primal(known)}",
            "part": f"a part of ∂L/∂{self.primal(known)}",
            "forward": self.name(known.of),
            "slope": f"the derivative of {self.maker(known.of)}",
        }[known.kind]
        if not role.is_plain:
            amount = amount_text(factor)
            said = f"-{said}" if amount == "-1" else f"{amount} {said}"
        return said + (", transposed" if role.axes != tuple(sorted(role.axes)) else "")

    def primal(self, known: Known) -> str:
        """The forward value that a gradient is of; without a name, by what is made of it."""
        name = self.name(known.of)
        if name != known.of or known.of not in self.judging.made:
            return name
        maker = self.next_map(known.of)
        return f"(what the {maker.function} takes for {self.name(maker.out.name)})" if maker else name

    def is_nameless(self, role: Role) -> bool:
        """Whether a gradient is of something that has no name for the user."""
        known, labels = role.known, self.program.labels
        named = self.aliases.get(known.of) or labels.get(known.of, "").strip("_")
        return known.kind != "forward" and not named and self.primal(known) == known.of in self.judging.made

    def next_map(self, value: str) -> Map | None:
        """The pointwise function that a forward value goes into."""
        maps = [e for e in self.judging.truth.forward.equations if isinstance(e, Map) and len(e.operands) == 1]
        named = (e for e in maps if e.operands[0].name == value and e.out.name in self.program.labels)
        return next(named, None)

    def maker(self, value: str) -> str:
        """The pointwise function that makes a value."""
        made = self.judging.truth.made.get(value)
        return f"the {made.function} that makes {self.name(value)}" if isinstance(made, Map) else self.name(value)


def amount_text(factor: Factor) -> str:
    """A factor alone: ``1/B``, ``-1``, ``½``."""
    return equation_text(Contract(Ref("x"), factor=factor)).removeprefix("x = ")


def subscripts(equation: Equation) -> str:
    """``lk,lb,kb,kb->kb``: the letters of a contraction."""
    if not isinstance(equation, Contract):
        return ""
    return ",".join(ref.indices for ref in equation.operands) + "->" + equation.out.indices
