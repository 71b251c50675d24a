"""A scope: the function that source is written into, with its names, sizes and lines so far."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import Dtype, settled_dtypes, value_dtypes
from ..core.elementwise import numeric
from ..core.interpretation import product_kind, whole
from ..core.program import (
    Bracket,
    Contract,
    Equation,
    Factor,
    Position,
    Program,
    Ref,
    operands,
)
from ..core.records import dataclass
from ..core.subscripts import Subscripts, rename_for_numpy
from .engines import NUMPY, TORCH, Engine
from .helpers import is_elementwise, is_one_product, multiplies_matrices
from .literals import Identifiers


@dataclass
class Scope:
    """What the source of one program has at hand.

    Attributes
    ----------
    program : Program
    einsum : str
        The function that contracts.
    names : mapping of value to identifier
    dtypes : mapping of value to dtype, as traced
    swapped : mapping of value to dtype, if the inputs had the other width of floats
    identifiers : Identifiers
    lines : list of str
        The statements of one equation, without indentation.
    vectors : list of str
        Statements that make vectors of ones, to stand before them.
    used_sizes : mapping of the letters of a dimension to the variable that holds its size
    at_hand : set of str
        The inputs that have been given a name.
    helpers : set of str
        Functions that have to be defined above.
    inlined : mapping of value to equation
        Values that have no line of their own.
    held : mapping of letter to str
        Sizes that must stay, and why.
    guards : mapping of str to str
        Conditions on sizes at which the code does not hold, and what to say of each.
    wholes : mapping of value to value
        For what is an entry of a value in a round of a loop, that value.
    outside : sequence of str
        While a loop is written, what it reads that is there before it.
    like : mapping of value to value
        The input whose dtype each value has that is made of numbers alone, where that is known.
    followed : set of str
        The values whose dtype is read.
    made_ones : mapping of letters of a dimension, dtype and swapped dtype to the variable that holds ones
    engine : Engine
        What runs the source.
    """

    program: Program
    einsum: str
    names: dict[str, str]
    dtypes: dict[str, Dtype]
    swapped: dict[str, Dtype]
    identifiers: Identifiers
    like: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    vectors: list[str] = field(default_factory=list)
    used_sizes: dict[str, str] = field(default_factory=dict)
    at_hand: set[str] = field(default_factory=set)
    helpers: set[str] = field(default_factory=set)
    inlined: dict[str, Equation] = field(default_factory=dict)
    made_ones: dict[tuple[str, Dtype, Dtype | None], str] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)
    guards: dict[str, str] = field(default_factory=dict)
    wholes: dict[str, str] = field(default_factory=dict)
    outside: Sequence[str] = ()
    engine: Engine = NUMPY

    def traced_size(self, letter: str) -> int:
        """The size that a letter had when the program was traced."""
        return self.program.sizes[letter]

    def size(self, letter: str) -> str:
        """The size of a letter as an expression: a variable where an input has the letter, else a number."""
        dimension = self.program.dimension(letter)
        if dimension.letters not in self.used_sizes:
            made = self.program.expressions.get(dimension.letters[0])
            if made is not None and not dimension.size:  # what is empty here says nothing of what is not
                for source in made.letters:
                    self.held.setdefault(source, f"{letter} = 0 is made of it")
                return "0"
            if made is not None:
                code = made.code(self.size)
                if not made.positive:
                    self.guards.setdefault(f"{code} < 1", f"{letter} = {dimension.size} is made of them")
                return f"({code})" if " " in code else code
            if not self.is_given(letter):
                self.hold(letter, f"{letter} = {dimension.size} is made of it")
                return str(dimension.size)
            self.used_sizes[dimension.letters] = self.identifiers.take(dimension.letters[0].upper())
        return self.used_sizes[dimension.letters]

    def is_given(self, letter: str) -> bool:
        """Whether an input says the size of a letter."""
        letters = self.program.dimension(letter).letters
        return any(i in letters for given in self.program.inputs for i in given.ref.indices)

    def hold(self, letter: str, reason: str) -> None:
        """The size of a letter is a number somewhere, so that what it is made of must stay."""
        first = self.program.dimension(letter).letters[0]
        for source in first if self.is_given(letter) else self.program.made_of.get(first, ""):
            self.held.setdefault(source, reason)

    def position(self, letter: str, number: int) -> str | None:
        """A position along a letter that is made of sizes, as an expression."""
        place = self.program.places.get((self.program.dimension(letter).letters[0], number))
        if place is None:
            return None
        code = place.size.code(self.size)
        if not place.within:
            self.guards.setdefault(f"not 0 <= {code} <= {self.size(letter)}", place.reason)
        return code

    def freeze(self) -> None:
        """Positions are numbers somewhere, so that the sizes that they are made of must stay."""
        for place in self.program.places.values():
            for letter in place.size.letters:
                self.held.setdefault(letter, place.reason)

    def sized(self, letter: str) -> Callable[[Mapping[str, int]], int] | None:
        """The size of a letter as a function of those of the inputs' letters; None where that is not known."""
        letters, number = self.program.dimension(letter).letters, self.traced_size(letter)
        made = self.program.expressions.get(letters[0])
        if made is not None:
            return made.value
        if self.is_number(letter) or letters[0] in self.program.held:
            return lambda sizes: number
        return (lambda sizes: sizes[letters[0]]) if self.is_given(letter) else None

    def other_sizes(self) -> Iterator[dict[str, int]]:
        """Sizes of letters that an expression is tried at; those that are held are as they are."""
        for n in range(6):
            free = [(d.letters, 11 + 7 * n + 5 * k * n % 23) for k, d in enumerate(self.program.dimensions)]
            yield {letter: self.traced_size(letter) if letters[0] in self.program.held else size
                   for letters, size in free for letter in letters}

    def is_number(self, letter: str) -> bool:
        """Whether the size of a letter is a number in the code."""
        return self.program.made_of.get(self.program.dimension(letter).letters[0]) == ""

    def shape(self, letters: str) -> str:
        """A shape: ``(K, B)``; of one letter its size alone."""
        return self.size(letters) if len(letters) == 1 else f"({', '.join(self.size(i) for i in letters)})"

    def write(self, line: str) -> None:
        """Add a statement."""
        self.lines.append(self.engine.translated(line))

    def assign(self, name: str, expression: str) -> None:
        """Write that a name, or an entry of an array, is something."""
        array, is_entry, index = name.partition("[")
        if is_entry and not self.engine.writes:
            self.write(f"{array} = {array}.at[{index[:-1]}].set({expression})")
        else:
            self.write(f"{name} = {expression}")

    def put(self, name: str, index: str, expression: str) -> None:
        """Write into a part of an array."""
        if self.engine.writes:
            self.write(f"{name}[{index}] = {expression}")
        else:
            self.assign(name, f"{name}.at[{index}].set({expression})")

    def add(self, name: str, index: str, expression: str) -> None:
        """Write that entries are added where they go, also several to one place; of several axes all are given."""
        if self.engine is NUMPY:
            self.write(f"np.add.at({name}, {f'({index})' if ', ' in index else index}, {expression})")
        elif self.engine.writes:
            self.write(f"{name}.index_put_(torch.broadcast_tensors({index}), {expression}, accumulate=True)")
        else:
            self.assign(name, f"{name}.at[{index}].add({expression})")

    def helper(self, name: str) -> str:
        """What a function is called that stands above, or that the engine has."""
        if name in self.engine.own:
            return self.engine.own[name]
        self.helpers.add(name)
        return name

    def value(self, name: str, among: Sequence[str] = ()) -> str:
        """A value as a number or array of numbers: booleans count as 0 and 1, in the dtype of floats ``among`` them."""
        if not self.is_boolean(name):
            return self.names[name]
        return f"{self.names[name]}.astype({self.dtype(self.counting(among), among)})"

    def counting(self, among: Sequence[str]) -> Dtype:
        """The dtype that booleans are counted in beside other values: it does not widen floats."""
        floats = [self.dtypes[name] for name in among if self.dtypes[name].kind in "fc"]
        return np.result_type(*floats) if floats else np.dtype(np.int64)

    def is_boolean(self, name: str) -> bool:
        """Whether a value is True and False."""
        return self.dtypes[name].kind == "b"

    def sample(self, name: str) -> NDArray[Any]:
        """One number of a value's dtype, booleans counting as integers."""
        return numeric(np.ones(1, self.dtypes[name]))

    def position_value(self, name: str) -> str:
        """A value as an array of positions."""
        is_position = self.dtypes[name].kind in "iu" and (self.engine.mixes or self.dtypes[name] == np.int64)
        return self.names[name] if is_position else self.cast(self.names[name], np.dtype(np.int64))

    def cast(self, expression: str, kind: Dtype, names: Sequence[str] = ()) -> str:
        """An expression in a dtype, that of one of some values if they have it."""
        return f"{expression}.astype({self.dtype(kind, names) if names else self.engine.dtype(kind)})"

    def dtype(self, kind: Dtype, names: Sequence[str], *, hoisted: bool = False) -> str:
        """A dtype as an expression: that of one of these arrays if they have it, so that it follows them. What is
        ``hoisted`` out of a loop takes that of what is there before it."""
        written = [self.wholes.get(leaf, leaf) for name in names for leaf in self.written_in(name)]
        if hoisted and self.outside:
            written = [name for name in (*written, *self.outside) if name in self.outside]
        having = [name for name in written if self.dtypes[name] == kind]
        other = self.swapped_kind(names)
        for name in sorted(having, key=lambda name: self.swapped[name] != other):
            self.followed.add(name)
            return f"{self.names[name]}.dtype"
        return self.engine.dtype(kind)

    def read_by(self, equation: Contract) -> list[str]:
        """The values that give a contraction its dtype: what it reads, and the input like which it is."""
        like = self.like.get(equation.out.name)
        return [*(ref.name for ref in equation.operands), *([] if like is None else [like])]

    def written_in(self, name: str) -> list[str]:
        """The values that stand where a value is read: itself, or what it is made of where it has no line."""
        equation = self.inlined.get(name)
        if equation is None:
            return [name]
        return [leaf for ref in operands(equation) for leaf in self.written_in(ref.name)]

    def swapped_kind(self, names: Sequence[str]) -> Dtype | None:
        """The dtype that a product of values has if the inputs have the other width of floats."""
        return product_kind([numeric(np.ones(1, self.swapped[name])) for name in names]) if names else None

    def ones(self, letter: str, kind: Dtype, names: Sequence[str]) -> str:
        """A vector of ones along a letter, made once."""
        key = (self.program.dimension(letter).letters, kind, self.swapped_kind(names))
        if key not in self.made_ones:
            self.made_ones[key] = self.identifiers.take(f"ones_{letter}")
            dtype = self.dtype(kind, names, hoisted=True)
            self.vectors.append(f"{self.made_ones[key]} = np.ones({self.size(letter)}, dtype={dtype})")
        return self.made_ones[key]

    def call_einsum(self, terms: Sequence[tuple[str, str]], out: str, kind: Dtype | None = None) -> str:
        """A contraction of (expression, letters), of numbers of a ``kind`` where it may be a product of matrices."""
        subscripts = rename_for_numpy(Subscripts(tuple(letters for _, letters in terms), out))
        planned = len(terms) > 2 and set("".join(subscripts.inputs)) > set(subscripts.output)
        called = self.einsum
        is_numpy = called == "np.einsum" and self.engine is NUMPY
        if is_numpy and kind is not None and kind.kind in "fc" and multiplies_matrices(subscripts):
            planned = not is_one_product(subscripts)
            called = called if planned else "einsum"
            self.helpers |= set() if planned else {"einsum"}
        if self.engine is TORCH and is_elementwise(subscripts):
            called = self.helper("einsum")
        extra = ", optimize=True" if planned and is_numpy and called == "np.einsum" else ""
        return f'{called}("{subscripts}", {", ".join(expression for expression, _ in terms)}{extra})'

    def aligned(self, ref: Ref, letters: str, *, numbers: bool = True, among: Sequence[str] = ()) -> str:
        """A value with exactly these letters: transposed, its diagonal, copied along letters that it lacks."""
        expression = self.value(ref.name, among) if numbers else self.names[ref.name]
        if ref.indices == letters:
            return expression
        if not numbers and self.is_boolean(ref.name):
            return self.cast(self.aligned(ref, letters), np.dtype(bool))
        counted = self.is_boolean(ref.name)
        kind = self.counting(among) if counted else self.dtypes[ref.name]
        missing = [i for i in dict.fromkeys(letters) if i not in ref.indices]
        ones = [(self.ones(i, kind, among if counted else [ref.name]), i) for i in missing]
        return self.call_einsum([(expression, ref.indices), *ones], letters)

    def spread(
        self, refs: Sequence[Ref], letters: str, *, numbers: bool = True, among: Sequence[str] = (),
        kind: Dtype | None = None,
    ) -> list[str]:  # fmt: skip
        """Values as NumPy's broadcasting takes them: scalars as they are if another value has every letter. Those that
        go into floats, which are of a ``kind``, where the engine would not make them such."""
        full = any(set(ref.indices) >= set(letters) for ref in refs)
        shown: list[str] = []
        for ref in refs:
            if full and not ref.indices:
                shown.append(self.value(ref.name, among) if numbers else self.names[ref.name])
            else:
                shown.append(self.aligned(ref, letters, numbers=numbers, among=among))
            if not self.engine.mixes and kind is not None and kind.kind in "fc" and self.dtypes[ref.name].kind in "biu":
                shown[-1] = self.cast(shown[-1], kind, among or [ref.name for ref in refs])
        return shown

    def arange(self, letter: str, letters: str) -> str:
        """The positions along a letter, on the axes of ``letters``."""
        return f"np.arange({self.alone(letter)})" + new_axes(letter, letters)

    def alone(self, letter: str) -> str:
        """The size of a letter as an expression that stands by itself."""
        size = self.size(letter)
        return size[1:-1] if size.startswith("(") else size

    def place(self, position: Position, letters: str) -> str:
        """A position for every combination of letters."""
        parts: list[str] = []
        for factor, letter in position.terms:
            number = whole(Factor(factor.number), {})
            head = [str(abs(number))] if abs(number) != 1 else []
            sizes = [self.size(i) if power == 1 else f"{self.size(i)}**{power}" for i, power in factor.sizes]
            sign = "-" if number < 0 else "+"
            parts.append(f" {sign} {' * '.join([*head, *sizes, self.arange(letter, letters)])}")
        if position.pick is not None:
            parts.append(f" + {self.picked(position.pick, letters)}")
        if position.constant or not parts:
            parts.append(f" {'-' if position.constant < 0 else '+'} {abs(position.constant)}")
        total = "".join(parts)
        return "-" + total[3:] if total.startswith(" - ") else total[3:]

    def picked(self, pick: Ref, letters: str) -> str:
        """An array of positions on the axes of ``letters``."""
        own = "".join(i for i in letters if i in pick.indices)
        expression = self.position_value(pick.name)
        if own != pick.indices:
            expression = self.call_einsum([(expression, pick.indices)], own)
        if not own or letters.endswith(own):
            return expression
        first = letters.index(own[0])
        axes = ", ".join(":" if i in own else "None" for i in letters[first:])
        return f"{expression}[{axes}]"

    def bracket(self, bracket: Bracket) -> str:
        """A bracket as an array of booleans, on the axes of its letters."""
        sign = {"=": "==", "≠": "!=", "<": "<", "≤": "<="}[bracket.relation]
        letters = bracket.letters
        return f"{self.place(bracket.left, letters)} {sign} {self.place(bracket.right, letters)}"


def new_axes(letter: str, letters: str) -> str:
    """The index that puts a vector on its axis among several."""
    after = len(letters) - letters.index(letter) - 1
    return f"[{', '.join([':', *['None'] * after])}]" if after else ""


SWAPPED = {"float64": "float32", "float32": "float64", "complex128": "complex64", "complex64": "complex128"}


def dtypes_of(program: Program) -> tuple[dict[str, Dtype], dict[str, Dtype], dict[str, str]]:
    """The dtype of every value, that with inputs of the other width of floats, and the input like which numbers are."""
    widths = program, swapped_widths(program)
    settled = [settled_dtypes(given) for given in widths]
    dtypes = [value_dtypes(given) for given in widths]
    read = {ref.name for equation in program.equations for ref in operands(equation)}
    inputs = sorted((i.ref.name for i in program.inputs), key=lambda name: name not in read)
    like: dict[str, str] = {}
    for equation in program.equations:
        name = equation.out.name
        if isinstance(equation, Contract) and all(name in found for found in settled):
            wanted = [found[name] for found in settled]
            given = next((i for i in inputs if wanted == [known[i] for known in dtypes]), None)
            whole = all(ref.name in like or dtypes[0][ref.name].kind in "biu" for ref in equation.operands)
            if given is not None and whole:
                like[name] = given
    taken = [{name: known[given] for name, given in like.items()} for known in dtypes]
    now, other = (value_dtypes(given, settled=found) for given, found in zip(widths, taken, strict=True))
    return now, other, like


def swapped_widths(program: Program) -> Program:
    """The program with float32 for float64 among its inputs and the other way round."""
    return replace(program, inputs=tuple(replace(i, dtype=SWAPPED.get(i.dtype, i.dtype)) for i in program.inputs))
