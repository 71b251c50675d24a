"""Source: it runs as pasted, passes ruff, reads well, and gives the interpreter's numbers."""

import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sampling import some
from traced_fixtures import read_of
from tracing_quietly import no_collection
from wild import CONTROLS, FIXTURES

from einbackprop.core import interpretation
from einbackprop.core.letters import letters_of
from einbackprop.core.nesting import Attribute
from einbackprop.core.program import (
    ONE,
    Bracket,
    Contract,
    Dimension,
    Extremum,
    Factor,
    Input,
    Map,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
    operands,
    picks,
)
from einbackprop.derivation.accumulation import value_and_vjp
from einbackprop.derivation.gradients import derive
from einbackprop.emission.literals import identifier
from einbackprop.emission.writing import source, wrapped
from einbackprop.errors import NotationError
from einbackprop.plans.gradients import grad

EINSUMS = ["np.einsum", "eb.einsum"]


def executed(program, arrays, **options):
    """What the source of a program returns; every warning but those of 0/0 is an error."""
    text = source(program, **options).replace("import einbackprop as eb", "import einbackprop.execution as eb")
    namespace = {}
    exec(compile(text, "source", "exec"), namespace)
    with np.errstate(all="ignore"):
        return namespace["backward"](*arrays)


def agrees(program, arrays, **options):
    """The source and the interpreter give the same arrays: values to rounding, shapes, and dtypes."""
    program = replace(program, structure=list(range(len(program.outputs))))
    with np.errstate(all="ignore"):
        expected = interpretation.run(program, arrays)
    for ref, mine, theirs in zip(program.outputs, executed(program, arrays, **options), expected, strict=True):
        mine = np.asarray(mine)
        assert mine.shape == theirs.shape, ref
        if theirs.dtype.kind in "fc":
            assert mine.dtype == theirs.dtype, (ref, mine.dtype, theirs.dtype)
        largest = np.abs(np.nan_to_num(theirs)).max(initial=0)
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * (1 + largest))


def labels_are_positions(program, arrays):
    """Whether every label is a position along the axis that it picks from; source trusts that they are."""
    given_labels = {i.ref.name: a for i, a in zip(program.inputs, arrays, strict=True) if a.dtype == np.int64}
    for equation in program.equations:
        for bracket in getattr(equation, "brackets", ()):
            for ref in picks((bracket,)):
                largest = given_labels[ref.name].max(initial=-1)
                if any(largest >= program.sizes[i] for side in (bracket.left, bracket.right) for _, i in side.terms):
                    return False
    return True


@given(programs(), st.sampled_from(EINSUMS))
def test_source_gives_the_numbers_of_the_interpreter(drawn, einsum):
    program, arrays = drawn
    assume(labels_are_positions(program, arrays))
    agrees(program, arrays, einsum=einsum)


@given(programs(complex_inputs=True))
def test_source_of_complex_programs(drawn):
    program, arrays = drawn
    assume(labels_are_positions(program, arrays))
    agrees(program, arrays)


@given(programs())
def test_source_keeps_float32(drawn):
    program, arrays = drawn
    assume(labels_are_positions(program, arrays))
    inputs = tuple(replace(i, dtype=i.dtype.replace("float64", "float32")) for i in program.inputs)
    narrow = [a.astype(np.float32) if a.dtype == np.float64 else a for a in arrays]
    with np.errstate(all="ignore"):
        expected = interpretation.run(program, narrow)
    outputs = list(range(len(program.outputs)))
    got = executed(replace(program, structure=outputs), narrow)  # traced with float64, run with float32
    traced = executed(replace(program, inputs=inputs, structure=outputs), narrow)
    for mine, also, theirs in zip(got, traced, expected, strict=True):
        if theirs.dtype == np.float32:
            assert np.asarray(mine).dtype == np.asarray(also).dtype == np.float32


@given(programs(scalar=True, most_equations=4))
def test_source_of_derived_programs(drawn):
    program, arrays = drawn
    assume(labels_are_positions(program, arrays))
    derived = value_and_vjp(program)
    given = {i.ref.name: array for i, array in zip(program.inputs, arrays, strict=True)}
    agrees(derived, [given.get(i.ref.name, np.float64(1)) for i in derived.inputs])


def run_ruff(*options, text=None):
    """Run ruff."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", *options]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def ruff(text):
    """What ruff says about a text, where ruff is installed."""
    pytest.importorskip("ruff")
    done = run_ruff("--isolated", "-", text=text)
    return done.stdout if done.returncode else ""


def test_ruff_finds_nothing_in_source(tmp_path):
    texts = []

    @settings(max_examples=60, database=None, derandomize=True, deadline=None)
    @given(programs(), st.sampled_from(EINSUMS))
    def collect(drawn, einsum):
        texts.append(source(drawn[0], einsum=einsum))

    collect()
    pytest.importorskip("ruff")
    for number, text in enumerate(texts):
        (tmp_path / f"s{number}.py").write_text(text)
    strict = ["--select=E,F,W,I,B,UP,SIM,C4,RUF,PT,N", "--ignore=N803,N806,RUF001,RUF002,RUF003", "--line-length=120"]
    for options in ([], strict):
        done = run_ruff("--isolated", *options, str(tmp_path))
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_by_ruff_can_fail():
    assert "F841" in ruff("def f():\n    x = 1\n")


NETWORK = Program(
    (
        Input(Ref("W", "ji"), path=(0, 0)),
        Input(Ref("c", "j"), path=(0, 1)),
        Input(Ref("X", "ib"), path=(1,)),
        Input(Ref("Y", "jb"), path=(2,)),
    ),
    (
        Contract(Ref("a", "jb"), (Ref("W", "ji"), Ref("X", "ib"))),
        Sum(Ref("z", "jb"), ((ONE, Ref("a", "jb")), (ONE, Ref("c", "j")))),
        Map(Ref("h", "jb"), "sigmoid", (Ref("z", "jb"),)),
        Sum(Ref("e", "jb"), ((ONE, Ref("h", "jb")), (-ONE, Ref("Y", "jb")))),
        Contract(Ref("dh", "jb"), (Ref("e", "jb"),), factor=Factor.of(1, b=-1)),
        Sum(Ref("slope", "jb"), ((ONE, None), (-ONE, Ref("h", "jb")))),
        Contract(Ref("dz", "jb"), (Ref("dh", "jb"), Ref("h", "jb"), Ref("slope", "jb"))),
        Contract(Ref("dc", "j"), (Ref("dz", "jb"),)),
        Contract(Ref("dW", "ji"), (Ref("dz", "jb"), Ref("X", "ib"))),
    ),
    (Ref("dW", "ji"), Ref("dc", "j")),
    (Dimension("i", 3, "input"), Dimension("j", 4), Dimension("b", 5, "batch")),
    structure=[0, 1],
    origins={"dh": "e", "slope": "h", "dz": "h", "dc": "z", "dW": "a"},
)

NETWORK_SOURCE = '''import numpy as np


def einsum(subscripts, a, b):
    """np.einsum of two arrays as a product of matrices: np.einsum alone does not call BLAS."""
    left, right, out = subscripts.replace("->", ",").split(",")
    batch = [i for i in out if i in left and i in right]
    rows = [i for i in out if i not in right]
    columns = [i for i in out if i not in left]
    summed = [i for i in left if i in right and i not in out]
    a = np.transpose(a, [left.index(i) for i in batch + rows + summed])
    b = np.transpose(b, [right.index(i) for i in batch + summed + columns])
    matrices = a.ndim == b.ndim == len(batch) + 2
    product = np.matmul(a, b) if matrices else np.tensordot(a, b, len(summed))
    made = batch + rows + columns
    return np.transpose(product, [made.index(i) for i in out])


def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, -x)))


def backward(parameters, X, Y):
    # i input,  b batch
    W, c = parameters
    B = X.shape[1]

    a = einsum("ji,ib->jb", W, X)  # a[j,b] = Σ_i W[j,i] X[i,b]
    ones_b = np.ones(B, dtype=c.dtype)
    z = a + np.einsum("j,b->jb", c, ones_b)  # z[j,b] = a[j,b] + c[j]
    h = sigmoid(z)  # h[j,b] = sigmoid(z[j,b])
    e = h - Y  # e[j,b] = h[j,b] - Y[j,b]

    # e[j,b] = h[j,b] - Y[j,b]
    dh = e / B  # dh[j,b] = 1/B e[j,b]

    # h[j,b] = sigmoid(z[j,b])
    dz = np.einsum("jb,jb,jb->jb", dh, h, 1 - h)  # dz[j,b] = dh[j,b] h[j,b] (1 - h[j,b])

    # z[j,b] = a[j,b] + c[j]
    dc = np.einsum("jb->j", dz)  # dc[j] = Σ_b dz[j,b]

    # a[j,b] = Σ_i W[j,i] X[i,b]
    dW = einsum("jb,ib->ji", dz, X)  # dW[j,i] = Σ_b dz[j,b] X[i,b]

    return [dW, dc]
'''


def test_the_source_of_a_layer_reads_like_a_text_book():
    assert source(NETWORK, arguments=("parameters",)) == NETWORK_SOURCE


def test_the_source_takes_other_sizes_and_keeps_float32():
    derived = NETWORK
    rng = np.random.default_rng(0)
    for sizes in ((3, 4, 5), (2, 2, 7), (1, 3, 1), (2, 3, 0)):
        i, j, b = sizes
        arrays = [rng.standard_normal(shape).astype(np.float32) for shape in [(j, i), (j,), (i, b), (j, b)]]
        with np.errstate(all="ignore"):
            expected = interpretation.run(derived, arrays)
            got = executed(derived, [arrays[:2], *arrays[2:]])
        for mine, theirs in zip(got, expected, strict=True):
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def single(equation, *inputs, sizes, constants=None, outputs=None):
    """A program of one equation."""
    out = outputs or (equation.out,)
    declared = tuple(Input(ref, dtype) for ref, dtype in inputs)
    if len(set(equation.out.indices)) < len(equation.out.indices):  # an output has each letter once
        sizes, out = {"iu": sizes["i"]}, (Ref(equation.out.name, "iu"),)
    return Program(declared, (equation,), out, tuple(Dimension(i, n) for i, n in sizes.items()), constants or {})


def at(left, *terms, constant=0, pick=None, relation="="):
    """``[left = terms + constant]``."""
    coefficients = tuple((c if isinstance(c, Factor) else Factor.of(c), i) for c, i in terms)
    return Bracket(Position.of(left), relation, Position(coefficients, constant, pick))


def gathering(out, operand, *brackets):
    return Contract(Ref("y", out), (Ref("x", operand),), brackets)


SIZES = {"p": 7, "s": 3, "r": 2, "h": 2, "e": 3, "f": 6, "n": 4, "b": 5, "t": 4, "i": 4, "α": 2, "β": 3}

# an equation, and the lines that it becomes
READABLE = [
    (gathering("s", "p", at("p", (2, "s"), constant=1)), "y = x[1::2]"),
    (gathering("s", "p", at("p", (2, "s"))), "y = x[:5:2]"),
    (gathering("bs", "bp", at("p", (1, "s"), constant=4)), "y = x[:, 4:]"),
    (gathering("b", "bp", at("p", constant=3)), "y = x[:, 3]"),
    (gathering("n", "t", at("t", (-1, "n"), constant=3)), "y = x[::-1]"),
    (gathering("he", "f", at("f", (Factor.of(1, e=1), "h"), (1, "e"))), "y = x.reshape(2, 3)"),
    (gathering("f", "he", at("f", (Factor.of(1, e=1), "h"), (1, "e"))), "y = x.reshape(H * E)"),
    (gathering("bf", "bhe", at("f", (Factor.of(1, e=1), "h"), (1, "e"))), "y = x.reshape(B, H * E)"),
    (gathering("b", "nb", at("n", pick=Ref("k", "b"))), "y = x[k, np.arange(B)]"),
    (gathering("nb", "b", at("n", pick=Ref("k", "b"))), "y = np.zeros((4, B), dtype=x.dtype)|y[k, np.arange(B)] = x"),
    (gathering("n", "b", at("n", pick=Ref("k", "b"))), "y = np.zeros(4, dtype=x.dtype)|np.add.at(y, k, x)"),
    (gathering("p", "s", at("p", (2, "s"), constant=1)), "y = np.zeros(7, dtype=x.dtype)|y[1::2] = x"),
    (
        gathering("sr", "p", at("p", (2, "s"), (1, "r"))),
        "y = np.lib.stride_tricks.sliding_window_view(x, 2, axis=0)[::2]",
    ),
    (
        gathering("ts", "ts", at("s", (1, "t"), relation="≤")),
        'pattern_ts = np.tri(T, S, dtype=x.dtype)|y = np.einsum("ts,ts->ts", x, pattern_ts)',
    ),
    (
        gathering("ps", "s", at("p", (2, "s"))),
        "pattern_ps = (np.arange(7)[:, None] == 2 * np.arange(S)).astype(x.dtype)|"
        'y = np.einsum("s,ps->ps", x, pattern_ps)',
    ),
    (gathering("ii", "i"), 'y = np.zeros((I_, I_), dtype=x.dtype)|np.einsum("ii->i", y)[...] = x'),
    (gathering("ib", "i"), 'ones_b = np.ones(5, dtype=x.dtype)|y = np.einsum("i,b->ib", x, ones_b)'),
    (Contract(Ref("y"), (Ref("x", "ii"),)), 'y = np.einsum("ii->", x)'),
    (Contract(Ref("y", "ib"), (), factor=Factor.of(0.5)), "y = np.full((4, 5), 0.5)"),
    (Contract(Ref("y", "i"), (Ref("x", "i"),), factor=Factor.of(Fraction(-3, 2), i=-1)), "y = (-3) * x / (2 * I_)"),
    (Contract(Ref("y", "α"), (Ref("x", "αβ"), Ref("x", "αβ"))), 'y = np.einsum("ab,ab->a", x, x)'),
    (Extremum(Ref("y", "b"), Ref("x", "nb")), "y = x.max(axis=0)"),
    (Extremum(Ref("y", "b"), Ref("x", "nb"), "min", "n"), "y = x.argmin(axis=0)"),
    (
        Update(Ref("y", "bp"), Ref("x", "bp"), Ref("v", "b"), (at("p", constant=3),)),
        "y = x.copy()|y[:, 3] = v",
    ),
    (
        Update(Ref("y", "nb"), Ref("x", "nb"), Ref("v"), (at("n", pick=Ref("k", "b")),)),
        "y = x.copy()|y[k, np.arange(B)] = v",
    ),
    (Map(Ref("y", "ib"), "power", (Ref("x", "ib"),), Fraction(-2)), "y = 1 / x**2"),
    (Map(Ref("y", "ib"), "where", (Ref("m", "ib"), Ref("x", "ib"), Ref("x", "ib"))), "y = np.where(m, x, x)"),
]


@pytest.mark.parametrize(("equation", "expected"), READABLE)
def test_brackets_become_readable_numpy(equation, expected):
    dtypes = {"x": "float64", "v": "float64", "k": "int64", "m": "bool"}
    refs = {ref.name: ref for ref in operands(equation)}
    sizes = {letter: SIZES[letter] for letter in dict.fromkeys(letters_of(equation))}
    program = single(equation, *((ref, dtypes[name]) for name, ref in refs.items()), sizes=sizes)
    rng = np.random.default_rng(0)
    draw = {
        "f": rng.standard_normal,
        "i": lambda shape: rng.integers(0, 4, shape),
        "b": lambda shape: rng.random(shape) < 0.5,
    }
    arrays = [draw[dtypes[name][0]]([SIZES[i] for i in ref.indices]) for name, ref in refs.items()]
    agrees(program, arrays)
    code = [line.strip().split("  #")[0] for line in source(program).split("\n") if " = " in line or "(y" in line]
    written = [line for line in code if not line.startswith("#") and ".shape[" not in line and "np.asarray" not in line]
    assert "|".join(written) == expected


def test_float32_stays_where_numpy_would_widen_it():
    equation = Contract(Ref("y", "ib"), (Ref("x", "ib"),), factor=Factor.of(0.5))
    half = single(equation, (Ref("x", "ib"), "float32"), sizes={"i": 2, "b": 3})
    x = np.ones((2, 3), np.float32)
    assert executed(half, [x]).dtype == np.float32
    assert np.einsum(",ij->ij", 0.5, x).dtype == np.float64


def test_more_than_52_letters_in_a_program_are_renamed_per_line():
    letters = [chr(i) for i in range(ord("α"), ord("ω"))] + [chr(i) for i in range(ord("а"), ord("я"))]
    first = Contract(Ref("y", letters[0]), (Ref("x", letters[0] + letters[40]),))
    second = Contract(Ref("z", letters[0]), (Ref("y", letters[0]), Ref("x", letters[0] + letters[50])))
    dimensions = tuple(Dimension(i, 2) for i in letters if i != letters[50] and i != letters[40])
    shared = Dimension(letters[40] + letters[50], 3)
    x = Input(Ref("x", letters[0] + letters[40]))
    program = Program((x,), (first, second), (second.out,), (*dimensions, shared))
    agrees(program, [np.arange(6.0).reshape(2, 3)])
    assert 'np.einsum("ab->a", x)' in source(program)


HOSTILE = ["lambda", "l", "np", "sum", "import os; os.abort()", "x\n    raise SystemExit", "ﬁ", "", "1a", "backward"]
HOSTILE += ["a b", '"', "é", "__import__('os')"]


def test_names_of_users_cannot_inject_code():
    inputs = tuple(Input(Ref(name, "i")) for name in HOSTILE)
    terms = tuple((ONE, Ref(name, "i")) for name in HOSTILE)
    reason = Opaque(Ref("odd\n1/0", "i"), (), "why\nraise SystemExit\r1/0")
    last = Sum(Ref("z", "i"), ((ONE, Ref("out\n1/0", "i")), (ONE, Ref("odd\n1/0", "i"))))
    equations = (Sum(Ref("out\n1/0", "i"), terms), reason, last)
    constants = {"odd\n1/0": np.array([1.0, np.nan])}
    program = Program(inputs, equations, (last.out,), (Dimension("i", 2, "na\nme"),), constants)
    agrees(program, [np.full(2, float(n)) for n in range(len(HOSTILE))])
    assert ruff(source(program)) == ""


def test_identifiers():
    given = ["net.W", "lambda", "l", "1a", "", "ﬁ", "x'"]
    assert [identifier(name) for name in given] == ["net_W", "lambda_", "l_", "v1a", "value", "fi", "x_"]


def test_arguments_are_unpacked_from_where_they_stand():
    paths = [(0, "W"), (0, "layers", 0), (0, "layers", 1), (2, Attribute("gamma")), (2, Attribute("not me"))]
    names = ["W", "A", "B", "g", "n"]
    inputs = tuple(Input(Ref(n, "i"), path=p) for n, p in zip(names, paths, strict=True))
    total = Sum(Ref("z", "i"), tuple((ONE, Ref(n, "i")) for n in names if n != "A"))
    program = Program(inputs, (total,), (Ref("z", "i"),), (Dimension("i", 2),), structure={"it's": (0, None, [0])})
    text = source(program, arguments=("p",))
    assert text.split("\n\n\n")[0].splitlines()[:7] == [
        "def backward(p, argument_1, argument_2):",
        '    W = p["W"]',
        '    _A, B = p["layers"]',
        "    g = argument_2.gamma",
        '    n = getattr(argument_2, "not me")',
        "",
        "    z = W + B + g + n  # z[i] = W[i] + B[i] + g[i] + n[i]",
    ]
    assert '''return {"it's": (z, None, [z])}''' in text
    holder = type("Holder", (), {})()
    holder.gamma, holder.__dict__["not me"] = np.ones(2), np.ones(2)
    namespace = {}
    exec(text, namespace)
    result = namespace["backward"]({"W": np.ones(2), "layers": [None, np.ones(2)]}, None, holder)
    np.testing.assert_array_equal(result["it's"][0], [4, 4])


def test_unit_axes_are_dropped_and_put_back():
    total = Sum(Ref("z", "k"), ((ONE, Ref("b", "k")), (ONE, Ref("b", "k"))))
    inputs = (Input(Ref("b", "k"), units=(1,)),)
    program = Program(inputs, (total,), (total.out,), (Dimension("k", 3),), structure=[0], output_units=((1,),))
    agrees(program, [np.ones((3, 1))])
    assert "b = b.squeeze(1)" in source(program)


def test_bad_requests_are_refused():
    program = single(gathering("i", "i"), (Ref("x", "i"), "float64"), sizes={"i": 2})
    with pytest.raises(NotationError, match="the function's name must be an identifier that is not in use, not 'a b'"):
        source(program, "a b")
    with pytest.raises(NotationError, match=re.escape("einsum must be 'np.einsum' or 'eb.einsum', not 'einsum'")):
        source(program, einsum="einsum")
    twice = replace(program, inputs=(Input(Ref("x", "i"), path=(0,)), Input(Ref("w", "i"), path=(0,))))
    with pytest.raises(NotationError, match=re.escape("the path (0,) of w is no place of its own among the arguments")):
        source(twice)


def test_long_lines_are_broken_where_python_allows_it():
    line = "x = f(" + ", ".join(f"{n}000000000" for n in range(20)) + ', "a, b, c")'
    rows = wrapped(line)
    assert max(map(len, rows)) <= 100
    assert "".join(row.strip() + " " for row in rows).replace("( ", "(").strip() == line


# Beside float32 these have whole numbers of their own, numbers drawn in float64, or masks that are summed by label.
WIDE = {
    "matrix_factorisation_mask", "matrix_factorisation_by_rating", "vae_reparametrised", "rows_svm_naive_loops",
    "rows_svm_vectorized", "smoothed_masked_cross_entropy",
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("fixture", some([*FIXTURES, *CONTROLS], start=2), ids=lambda fixture: fixture.name)
def test_source_of_hand_written_networks_and_their_gradients(fixture):
    forward, derived, arrays = read_of(fixture)
    for program in (forward, derived):
        plain = replace(program, inputs=tuple(replace(given, path=()) for given in program.inputs))
        given = [*arrays, *[np.float64(1)] * (len(plain.inputs) - len(arrays))]
        agrees(plain, given)
        if fixture.name not in WIDE:
            plain = replace(plain, structure=list(range(len(plain.outputs))))
            narrow = [a.astype(np.float32) if a.dtype == np.float64 else a for a in map(np.asarray, given)]
            found = executed(plain, narrow)
            assert {np.asarray(array).dtype for array in found} <= {np.dtype(np.float32)}


def test_the_source_of_a_nested_gradient_takes_the_arguments_as_they_are():
    def loss(parameters, X, Y):
        error = parameters["W"] @ X + parameters["c"][:, None] - Y
        return (error**2).mean()

    rng = np.random.default_rng(0)
    parameters = {"W": rng.standard_normal((2, 3)), "c": rng.standard_normal(2)}
    X, Y = rng.standard_normal((3, 5)), rng.standard_normal((2, 5))
    namespace = {}
    with no_collection():
        exec(source(derive(loss, parameters, X, Y)), namespace)
        expected = grad(loss)(parameters, X, Y)
    gradient = namespace["backward"](parameters, X, Y)
    assert gradient.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(gradient[name], expected[name], rtol=1e-12)
