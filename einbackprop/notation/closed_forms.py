"""Functions of whole axes that code spells out, found in a program and named: softmax, log-sum-exp, mean, variance.

A value is the softmax of another if it is made of that one alone, and has the values of its softmax whatever that is:
it is recognised by what it is, not by how it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, islice

import numpy as np

from ..core import letters
from ..core.elementwise import Array
from ..core.interpretation import evaluate
from ..core.program import Equation, Input, Opaque, Program, Ref, operands
from ..core.records import dataclass
from ..core.recurrences import recurrent
from ..core.simplification import needed
from ..errors import EinbackpropError

NEAREST = 6  # values that one is made of alone, of which so many are asked
MOST = 400  # of all values together
LARGEST = 200_000  # combinations of letters: beyond, nothing is named
SAME = 1e-9
SMALL = 1e-2  # what is added to a variance before it divides is no larger

Axes = tuple[int, ...]
Function = Callable[[Array, Axes], Array]


def softmax(x: Array, axes: Axes) -> Array:
    """Exponentials over their sum."""
    e = np.exp(x - x.max(axis=axes, keepdims=True))
    return np.asarray(e / e.sum(axis=axes, keepdims=True))


def log_sum_exp(x: Array, axes: Axes) -> Array:
    """The logarithm of the sum of exponentials."""
    top = x.max(axis=axes, keepdims=True)
    return np.asarray(np.log(np.exp(x - top).sum(axis=axes)) + top.squeeze(axes))


def log_softmax(x: Array, axes: Axes) -> Array:
    """The logarithm of the softmax."""
    return np.asarray(x - np.expand_dims(log_sum_exp(x, axes), axes))


def norm(x: Array, axes: Axes) -> Array:
    """The root of the sum of squares."""
    return np.asarray(np.sqrt((x * x).sum(axis=axes)))


def centred(x: Array, axes: Axes) -> Array:
    """A value less its mean."""
    return np.asarray(x - x.mean(axis=axes, keepdims=True))


KEEPING: Mapping[str, Function] = {
    "the softmax of {x} over {i}": softmax,
    "the log-softmax of {x} over {i}": log_softmax,
    "{x} less its mean over {i}": centred,
}
REDUCING: Mapping[str, Function] = {
    "the mean of {x} over {i}": lambda x, axes: np.asarray(x.mean(axis=axes)),
    "the variance of {x} over {i}": lambda x, axes: np.asarray(x.var(axis=axes)),
    "the standard deviation of {x} over {i}": lambda x, axes: np.asarray(x.std(axis=axes)),
    "the norm of {x} over {i}": norm,
    "the log-sum-exp of {x} over {i}": log_sum_exp,
}
"""What is said of a value that keeps the letters of x, and of one that lacks some, i."""
STANDARDISED = "{x} standardised over {i}"


@dataclass(frozen=True)
class Naming:
    """The values of a program that are such functions of others.

    Parameters
    ----------
    program : Program
    called : callable
        What a value is called.
    """

    program: Program
    called: Callable[[str], str]

    def sentences(self) -> Iterator[tuple[str, str]]:
        """Each value that is one, with the sentence that says which."""
        program = self.program
        if sum(letters.combinations(e, program.sizes) for e in program.equations) > LARGEST:
            return
        refs = {**{i.ref.name: i.ref for i in program.inputs}, **{e.out.name: e.out for e in program.equations}}
        inputs = {declared.ref.name for declared in program.inputs}
        asked = 0
        sources: dict[str, tuple[str, ...]] = dict.fromkeys(inputs, ())
        looped = recurrent(program.equations)
        sources |= dict.fromkeys(looped, ())  # each is made of what other rounds have left
        standing = {self.called(name): name for name in inputs}  # what each name in the code is the name of by now
        for equation in program.equations:
            name = equation.out.name
            if name in looped:
                standing[self.called(name)] = name
                continue
            made_of = self._made_of(equation, sources)
            if made_of is not None:
                sources[name] = made_of
            if made_of and name in program.labels and equation.out.indices:
                known = (one for one in made_of if one in program.labels or one in inputs)
                near = [*islice(known, NEAREST)] if asked < MOST else []
                asked += len(near)
                for one in near:
                    said = self._named(equation.out, refs[one])
                    if said is not None:
                        text, over = said
                        yield name, f"is {text.format(x=self._told(one, standing), i=over)}"
                        break
            standing[self.called(name)] = name

    def _told(self, name: str, standing: Mapping[str, str]) -> str:
        """What a value is called; with its line if that is the name of another value by now."""
        called = self.called(name)
        if standing.get(called, name) == name:
            return called
        source = next((e.source for e in self.program.equations if e.out.name == name), None)
        return f"{called} (as {f'of line {source.line}' if source is not None else 'given'})"

    def _made_of(self, equation: Equation, sources: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
        """The values of each of which alone one is made, the nearest first; None of what no argument goes into."""
        read = [ref.name for ref in operands(equation)]
        chains = [(name, *sources[name]) for name in read if name in sources]
        is_known = all(name in sources or name in self.program.constants for name in read)
        if isinstance(equation, Opaque) or not chains or not is_known:
            return () if chains or not is_known else None
        return tuple(name for name in chains[0] if all(name in chain for chain in chains))

    def _named(self, out: Ref, source: Ref) -> tuple[str, str] | None:
        """Which of the functions a value is of another, and over what; None if it is none of them."""
        own = source.indices
        if len(set(own)) < len(own) or len(set(out.indices)) < len(out.indices) or not set(out.indices) <= set(own):
            return None
        sizes = self.program.sizes
        over = "".join(i for i in own if i not in out.indices)
        kept = [tuple(some) for n in (1, 2) for some in combinations(range(len(own)), n)]
        some_axes = [tuple(map(own.index, over))] if over else kept
        axes = [some for some in some_axes if all(sizes[own[k]] > 1 for k in some)]
        drawn = [np.random.default_rng(seed).normal(size=[sizes[i] for i in own]) * (1 + seed) for seed in range(2)]
        try:
            with np.errstate(all="ignore"):
                values = [self._value(out, source, x) for x in drawn]
        except EinbackpropError:
            return None
        order = [i for i in own if i in out.indices]
        values = [value.transpose([out.indices.index(i) for i in order]) for value in values]
        for some in axes:
            for text in self._of(drawn, values, some, bool(over)):
                return text, " and ".join(own[k] for k in some)
        return None

    def _value(self, out: Ref, source: Ref, x: Array) -> Array:
        """What a value is where another is x."""
        rest = [e for e in self.program.equations if e.out.name != source.name]
        part = Program(
            (Input(source),), tuple(needed(rest, [out.name])), (out,), self.program.dimensions, self.program.constants)
        return evaluate(part, [x])[0][out.name]

    @staticmethod
    def _of(drawn: list[Array], values: list[Array], axes: Axes, reduces: bool) -> Iterator[str]:
        """The sentences that hold of values for what was drawn."""
        both = list(zip(drawn, values, strict=True))
        for text, function in (REDUCING if reduces else KEEPING).items():
            if all(is_close(value, function(x, axes)) for x, value in both):
                yield text
        if not reduces and all(is_standardised(x, value, axes) for x, value in both):
            yield STANDARDISED


def is_close(value: Array, other: Array) -> bool:
    """Whether two arrays are equal but for rounding."""
    return value.shape == other.shape and bool(np.all(np.abs(value - other) <= SAME * (1 + np.abs(other))))


def is_standardised(x: Array, value: Array, axes: Axes) -> bool:
    """Whether a value is x less its mean, over the root of its variance plus something small."""
    if value.shape != x.shape:
        return False
    with np.errstate(all="ignore"):
        added = (centred(x, axes) / value) ** 2 - x.var(axis=axes, keepdims=True)
        first = float(np.median(added))
        expected = centred(x, axes) / np.sqrt(x.var(axis=axes, keepdims=True) + first)
    return -SAME <= first <= SMALL and is_close(value, expected)
