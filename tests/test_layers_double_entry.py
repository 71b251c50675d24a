"""Double entry for the catalogue: each vjp, as people wrote it, is what the machine derives from the forward.

All layers are compared in numbers, at drawn sizes. Beyond that their cotangents are proved equal, for every size and
every value. Loops run as often as they were traced: those over steps, gates and a kernel's places are written out, and
what is proved then holds for that many of them, and for every size of the other letters.
"""

import contextlib
import inspect
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers_cases import (
    CONVOLUTIONS,
    POINTWISE,
    POOLING,
    RECURRENT,
    Case,
    case_of,
    cases,
    pointwise_case,
    square_case,
    wrong_vjps,
)
from layers_unrolling import unrolled
from normal_forms import drawn_arrays
from sampling import some

from einbackprop.capture.tracer import record
from einbackprop.core import nesting
from einbackprop.core.interpretation import run
from einbackprop.core.program import Opaque, Program, operands
from einbackprop.derivation.accumulation import vjp as derive_vjp
from einbackprop.errors import ShapeError, TraceError
from einbackprop.execution import einsum
from einbackprop.layers import CATALOGUE, attention, convolution, recurrence
from einbackprop.layers.windows import scatter
from einbackprop.proof.proving import Comparison, Prover

EVERY = pytest.mark.parametrize("name", CATALOGUE)
FEW = settings(max_examples=max(2, settings.default.max_examples // 50 * 2))


def leaves(value):
    return [array for _, array in nesting.leaves(value)]


def trace(function, *arguments):
    """The program with every round of its loops by itself."""
    return record(function, arguments, keeps_sizes=True).unrolled.program


def derived_from(case):
    """The program of forward, and its derived vjp."""
    function, options = case.layer.forward, case.settings  # a whole layer would be copied for each trace
    names = list(inspect.signature(function).parameters)

    def forward(*arguments):
        return function(*arguments, **options)

    program = trace(forward, *case.arguments)
    wrt = [i.ref.name for i in program.inputs if names[i.path[0]] in case.layer.wrt]
    return program, derive_vjp(program, wrt)


def values_of(case, program, derived):
    """What a derived vjp gives for a case."""
    arguments = [nesting.get(case.arguments, i.path) for i in program.inputs]
    is_loss = not program.outputs[0].indices
    return run(derived, [*arguments, *([] if is_loss else case.cotangents)])


@pytest.mark.long
@EVERY
@FEW
@given(st.data())
def test_vjp_is_what_is_derived_from_the_traced_forward(name, data):
    case = data.draw(cases(name, max_size=3, ones=False))
    values = values_of(case, *derived_from(case))
    if case.cotangents[0].ndim == 0:
        case = Case(name, case.arguments, case.settings, (np.array(1.0),))
    for value, written in zip(values, leaves(case.vjp()), strict=True):
        np.testing.assert_allclose(value, written, rtol=1e-9, atol=1e-11)


# --- proofs ----------------------------------------------------------------------------------------

LOOPS = (*RECURRENT, *CONVOLUTIONS, *POOLING)
STEPS = {"RNN": (1, 2, 3), "LSTM": (1, 2), "GRU": (1, 2, 3)}
LONGEST = 4  # letters of so many entries at most are written out: steps, gates, a kernel's places

# The one line that is compared in numbers alone.
IN_NUMBERS = {
    "max pooling": "dw, where a cotangent goes in its window: the derived place is a row and a column, the written one "
    "counts through the window. What becomes of dw is proved",
}


def proof_cases():
    """A name for each proof, and its case: at sizes that are as alike as the layer allows, or written out."""
    for name in CATALOGUE:
        if name in POINTWISE:
            yield name, lambda name=name: pointwise_case(name, (2, 3), np.random.default_rng(0))
        elif name not in LOOPS:
            yield name, lambda name=name: square_case(name)
    rng = np.random.default_rng(0)
    for name in RECURRENT:
        for steps in STEPS[name]:
            size = {"t": steps, "i": 5, "j": 6, "b": 7}
            yield f"{name}, {steps} steps", lambda name=name, size=size: case_of(name, size, {}, rng)
    size = {"b": 5, "g": 6, "i": 7, "o": 8, "p": 13, "q": 15, "r": 3, "t": 2}
    for stride, padding, dilation in ((1, 0, 1), (2, 1, 1), (1, 2, 3), (3, 1, 2)):
        windows = {"stride": stride, "padding": padding, "dilation": dilation}
        for name in CONVOLUTIONS:
            label = f"{name}, {stride} {padding} {dilation}"
            yield label, lambda name=name, windows=windows: case_of(name, size, windows, rng)
    for name in POOLING:
        for windows in ({"size": 3, "stride": None}, {"size": 3, "stride": 2}):
            yield f"{name}, {windows['stride']}", lambda name=name, windows=windows: case_of(name, size, windows, rng)


PROOFS = dict(proof_cases())


@dataclass
class Pair:
    """A derived vjp and a written one, as programs.

    Attributes
    ----------
    derived, written
        The programs.
    names
        What an input of the written one is called in the derived one.
    given
        Values that are taken as they are: the written one's name, and the derived one's.
    """

    derived: Program
    written: Program
    names: dict[str, str]
    given: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, case, vjp=None, derived=None):
        """The layer's own vjp, or another one; what is derived does not depend on that, and may be given."""
        vjp = vjp or case.layer.vjp
        program, derived = derived or derived_from(case)
        is_loss = not program.outputs[0].indices
        taken = [n for n, output in enumerate(case.layer.outputs) if output in inspect.signature(vjp).parameters]

        forward, options = case.layer.forward, case.settings

        def written(cotangents, *arguments):
            returned = forward(*arguments, **options)
            outputs = returned if isinstance(returned, tuple) else (returned,)
            needed = [outputs[n] for n in taken]
            return vjp(*([1.0] if is_loss else cotangents), *arguments, *needed, **options)

        other = trace(written, [] if is_loss else list(case.cotangents), *case.arguments)
        called = {i.path: i.ref.name for i in other.inputs}
        names = {called[(i.path[0] + 1, *i.path[1:])]: i.ref.name for i in program.inputs}
        if not is_loss:
            names |= {called[(0, n)]: i.ref.name for n, i in enumerate(derived.inputs[len(program.inputs) :])}
        given = {"dw": "dw"} if case.name in IN_NUMBERS else {}
        return cls(derived, other, names, given)

    def written_out(self):
        """The same along the letters of a few entries: `x@0` and `x@1` instead of `x`."""
        derived, written = unrolled(self.derived, LONGEST), unrolled(self.written, LONGEST)

        def entries(program, whole):
            """The entries of some values, under what these are called on the other side."""
            made = [e.out.name for e in program.equations] + [i.ref.name for i in program.inputs]
            parts = [(name, *name.partition("@")) for name in made if "+" not in name]
            return {name: whole[own] + at + place for name, own, at, place in parts if own in whole}

        return Pair(derived, written, entries(written, self.names), entries(written, self.given))

    def shapes(self, of="derived"):
        """The shape of each cotangent."""
        program = getattr(self, of)
        return [[program.sizes[i] for i in ref.indices] for ref in program.outputs]

    def compared(self):
        """Each cotangent that is derived, compared with the written one."""
        outputs = [(a.name, b.name) for a, b in zip(self.derived.outputs, self.written.outputs, strict=True)]
        arrays = drawn_arrays(self.derived) if runs(self.derived) and runs(self.written) else ()
        prover = Prover(self.derived, self.written, arrays, names=self.names, given=self.given, linked=outputs)
        for a, b in outputs:
            yield prover.compare(a, b)


def runs(program):
    """Whether each value of a program is made before it is read."""
    known = {*program.constants, *(i.ref.name for i in program.inputs)}
    for equation in program.equations:
        if not known.issuperset(ref.name for ref in operands(equation)):
            return False
        known |= set() if isinstance(equation, Opaque) else {equation.out.name}
    return True


def comparisons(case, vjp=None, derived=None):
    """Each cotangent that is derived, compared with the one that a vjp returns."""
    pair = Pair.of(case, vjp, derived)
    if pair.shapes() == pair.shapes(of="written"):
        yield from (pair.written_out() if case.name in LOOPS else pair).compared()
    else:
        yield Comparison("undecided", reason="the shapes differ")


def plain_weights(q, k, mask):
    """Attention's weights without the largest score taken out, and without the limit at 0."""
    z = einsum(",bhtd,bhsd->bhts", q.shape[3] ** -0.5, q, k)
    e = einsum("ts,bhts->bhts", mask, np.exp(z))
    return einsum("bhts,bht->bhts", e, 1 / einsum("bhts->bht", e))


@pytest.mark.long
@pytest.mark.parametrize("name", some(PROOFS, 2))
def test_vjp_is_proved_to_be_the_derived_one(name, monkeypatch):
    """As it runs; but in a block, where formulas are long, attention has its plain weights. By itself it has not."""
    if name == "transformer block":
        monkeypatch.setattr(attention, "attention_weights", plain_weights)
    for found in comparisons(PROOFS[name]()):
        assert found, found.reason


def test_every_layer_is_proved():
    assert {name.split(", ")[0] for name in PROOFS} == set(CATALOGUE)
    assert set(IN_NUMBERS) <= set(CATALOGUE)


@pytest.mark.parametrize("name", ["linear", "RMS norm", "softmax", "soft cross-entropy", "attention", "rotary position",
                                  "convolution 1d, 3 1 2", "average pooling, 2", "RNN, 2 steps"])  # fmt: skip
def test_a_wrong_literal_is_not_proved(name):
    case = PROOFS[name]()
    derived = derived_from(case)
    wrong = some(wrong_vjps(case.layer), 9)
    assert wrong
    for edit, mutant in wrong:
        with contextlib.suppress(ShapeError, TraceError):
            assert not all(comparisons(case, mutant, derived)), edit


def of_the_same_step(h, h0):
    return h


def turned_round(w, pixels, stride=1, padding=0, dilation=1):
    return scatter(w[..., ::-1], pixels, stride, padding, dilation)


def one_pixel_off(w, pixels, stride=1, padding=0, dilation=1):
    return np.roll(scatter(w, pixels, stride, padding, dilation), 1, axis=-1)


@pytest.mark.parametrize(
    ("name", "module", "function", "wrong"),
    [
        ("RNN, 2 steps", recurrence, "one_step_before", of_the_same_step),
        ("LSTM, 2 steps", recurrence, "one_step_before", of_the_same_step),
        ("GRU, 2 steps", recurrence, "one_step_before", of_the_same_step),
        ("convolution 1d, 3 1 2", convolution, "scatter", turned_round),
        ("convolution 2d, 3 1 2", convolution, "scatter", turned_round),
        ("convolution 1d, 3 1 2", convolution, "scatter", one_pixel_off),
    ],
)
def test_a_wrong_step_or_pixel_is_not_proved(name, module, function, wrong, monkeypatch):
    monkeypatch.setattr(module, function, wrong)
    assert not all(comparisons(PROOFS[name]()))


# --- programs written out --------------------------------------------------------------------------


def entries_of(program, arrays):
    """The arrays that a program takes once it is written out."""
    found = []
    for given_, array in zip(program.inputs, arrays, strict=True):
        short = [program.sizes[i] <= LONGEST for i in given_.ref.indices]
        for where in np.ndindex(*[n for n, is_short in zip(array.shape, short, strict=True) if is_short]):
            places = iter(where)
            found.append(array[tuple(next(places) if is_short else slice(None) for is_short in short)])
    return found


@pytest.mark.parametrize("name", [name for name in PROOFS if name.split(", ")[0] in (*RECURRENT, *CONVOLUTIONS)])
def test_programs_have_the_same_values_written_out(name):
    case = PROOFS[name]()
    program, derived = derived_from(case)
    arguments = [nesting.get(case.arguments, i.path) for i in program.inputs] + list(case.cotangents)
    found = leaves(run(unrolled(derived, LONGEST), entries_of(derived, arguments)))
    whole = values_of(case, program, derived)
    outputs = zip(derived.outputs, whole, strict=True)
    expected = [
        array[tuple(place)]
        for ref, array in outputs
        for place in places_of([derived.sizes[i] for i in ref.indices])
    ]
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def places_of(shape):
    """Each place along the short axes, the long ones whole."""
    for where in np.ndindex(*[n for n in shape if n <= LONGEST]):
        places = iter(where)
        yield [next(places) if n <= LONGEST else slice(None) for n in shape]
