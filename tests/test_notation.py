"""Index notation: golden texts, and programs that survive being printed and parsed."""

import dataclasses
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Source,
    Sum,
    Update,
)
from einbackprop.errors import NotationError
from einbackprop.notation.equations import parse_all
from einbackprop.notation.index_notation import EXACT, View, equation_latex, equation_text
from einbackprop.notation.serialisation import format_program, parse_program

HALF = Factor.of(Fraction(1, 2))
MINUS = -ONE
BATCH_MEAN = Factor.of(1, b=-1)


def is_at(left, *right, constant=0, pick=None, relation="="):
    """``[left = terms + constant + pick]``; a term is (coefficient, letter)."""
    terms = tuple((c if isinstance(c, Factor) else Factor.of(c), i) for c, i in right)
    return Bracket(Position.of(left), relation, Position(terms, constant, pick))


ONE_MINUS = Sum(Ref("u", "kb"), ((ONE, None), (MINUS, Ref("h2", "kb"))))

# the equation, as people read it, and in the exact form where that differs
GOLDEN = [
    (Contract(Ref("z2", "kb"), (Ref("W2", "kj"), Ref("h1", "jb"))), "z2[k,b] = Σ_j W2[k,j] h1[j,b]", None),
    (Sum(Ref("z", "kb"), ((ONE, Ref("a", "kb")), (ONE, Ref("b2", "k")))), "z[k,b] = a[k,b] + b2[k]", None),
    (ONE_MINUS, "u[k,b] = 1 - h2[k,b]", None),
    (Contract(Ref("L"), (Ref("e", "lb"), Ref("e", "lb")), factor=HALF), "L = ½ Σ_lb e[l,b] e[l,b]", None),
    (Contract(Ref("m", "l"), (Ref("x", "lb"),), factor=BATCH_MEAN), "m[l] = 1/B Σ_b x[l,b]", "m[l] = |b|⁻¹ Σ_b x[l,b]"),
    (Contract(Ref("m"), (Ref("B"),), factor=BATCH_MEAN), "m = 1/|b| B", "m = |b|⁻¹ B"),
    (Contract(Ref("m"), (Ref("x"),), factor=Factor.of(-0.5, b=-1)), "m = -1/(2B) x", "m = -½·|b|⁻¹ x"),
    (
        Contract(Ref("s", "qd"), (Ref("q", "qd"),), factor=Factor.of(1, d=Fraction(-1, 2))),
        "s[q,d] = 1/√D q[q,d]",
        "s[q,d] = |d|^(-1/2) q[q,d]",
    ),
    (Contract(Ref("c", "ij")), "c[i,j] = 1", None),
    (Contract(Ref("c", "ij"), factor=Factor.of(0.1)), "c[i,j] = 0.1", None),
    (Contract(Ref("A", "ii"), (Ref("x", "i"),)), "A[i,i] = x[i]", None),
    (Contract(Ref("y", "i"), (Ref("x", "i"),), factor=MINUS), "y[i] = -x[i]", "y[i] = -1 x[i]"),
    (Sum(Ref("y", "i"), ((MINUS, Ref("x", "i")),)), "y[i] = -x[i]", "y[i] = + -x[i]"),
    (Sum(Ref("y", "i"), ((ONE, Ref("x", "i")),)), "y[i] = x[i]", "y[i] = + x[i]"),
    (Sum(Ref("y", "i"), ()), "y[i] = 0", "y[i] = no terms"),
    (
        Contract(Ref("y", "s"), (Ref("x", "p"), Ref("w", "r")), (is_at("p", (2, "s"), (1, "r"), constant=-1),)),
        "y[s] = Σ_pr x[p] w[r] [p=2s+r-1]",
        None,
    ),
    (
        Contract(Ref("y", "f"), (Ref("x", "he"),), (is_at("f", (Factor.of(1, e=1), "h"), (1, "e")),)),
        "y[f] = Σ_he x[h,e] [f=h·E+e]",
        "y[f] = Σ_he x[h,e] [f=h·|e|+e]",
    ),
    (
        Contract(Ref("q", "b"), (Ref("p", "nb"),), (is_at("n", pick=Ref("y", "b")),)),
        "q[b] = Σ_n p[n,b] [n=y[b]]",
        None,
    ),
    (
        Contract(Ref("a", "ts"), (Ref("x", "ts"),), (is_at("s", (1, "t"), relation="≤"),)),
        "a[t,s] = x[t,s] [s≤t]",
        None,
    ),
    (Map(Ref("h", "kb"), "sigmoid", (Ref("z", "kb"),)), "h[k,b] = sigmoid(z[k,b])", None),
    (Map(Ref("y"), "power", (Ref("x"),), Fraction(2)), "y = x²", "y = power(x; 2)"),
    (Map(Ref("y"), "power", (Ref("x"),), Fraction(1, 2)), "y = √x", "y = power(x; ½)"),
    (Map(Ref("y"), "power", (Ref("x"),), Fraction(-1)), "y = 1/x", "y = power(x; -1)"),
    (Map(Ref("y"), "power", (Ref("x"),), Fraction(-1, 2)), "y = 1/√x", "y = power(x; -½)"),
    (Map(Ref("y"), "relu", (Ref("x"),)), "y = max(x, 0)", "y = relu(x)"),
    (Map(Ref("y"), "maximum", (Ref("x"), Ref("z"))), "y = max(x, z)", "y = maximum(x, z)"),
    (Map(Ref("y"), "greater", (Ref("x"), Ref("z"))), "y = [x > z]", "y = greater(x, z)"),
    (Map(Ref("y"), "where", (Ref("c"), Ref("x"), Ref("z"))), "y = x where c else z", "y = where(c, x, z)"),
    (Extremum(Ref("m", "b"), Ref("x", "kb")), "m[b] = max_k x[k,b]", None),
    (Extremum(Ref("m", "b"), Ref("x", "kb"), held=True), "m[b] = max_k x[k,b]", "m[b] = held max_k x[k,b]"),
    (Extremum(Ref("m", "b"), Ref("x", "kb"), "min", "k"), "m[b] = argmin_k x[k,b]", None),
    (Extremum(Ref("m", "b"), Ref("x", "klb"), "max", "l"), "m[b] = l of argmax_kl x[k,l,b]", None),
    (Extremum(Ref("m", "b"), Ref("x", "b")), "m[b] = max x[b]", None),
    (
        Update(Ref("y", "p"), Ref("x", "p"), Ref("v", "s"), (is_at("p", (2, "s"), constant=1),), Ref("m", "p")),
        "y[p] = v[s] at [p=2s+1] where m[p], x[p] elsewhere",
        None,
    ),
    (Update(Ref("y", "p"), Ref("x", "p"), Ref("v")), "y[p] = v, x[p] elsewhere", None),
    (
        Opaque(Ref("y"), (Ref("x", "i"),), "a 'thing' that\nis \"odd\""),
        "y = not read from x[i]: a 'thing' that is \"odd\"",
        'y = not read from x[i]: "a \'thing\' that\\nis \\"odd\\""',
    ),
    (
        Contract(Ref("y"), (Ref("max_k"), Ref("net.W", "i"), Ref("at"))),
        "y = Σ_i max_k net.W[i] at",
        'y = Σ_i "max_k" "net.W"[i] "at"',
    ),
]


@pytest.mark.parametrize(("equation", "shown", "exact"), GOLDEN)
def test_equations_print_as_people_write_them(equation, shown, exact):
    assert equation_text(equation) == shown
    assert equation_text(equation, EXACT) == (exact or shown)
    assert parse_all(exact or shown) == equation


def test_inlined_values_take_the_letters_of_where_they_are_used():
    slope = Contract(Ref("d", "jb"), (Ref("dh", "jb"), Ref("h", "jb"), Ref("u", "jb")))
    assert equation_text(slope, View(inline={"u": ONE_MINUS})) == "d[j,b] = dh[j,b] h[j,b] (1 - h2[j,b])"
    summing = Contract(Ref("t", "kb"), (Ref("W", "kj"), Ref("x", "jb")))
    clash = Sum(Ref("z", "jb"), ((ONE, Ref("t", "jb")), (ONE, Ref("c", "j"))))
    assert equation_text(clash, View(inline={"t": summing})) == "z[j,b] = Σ_a W[j,a] x[a,b] + c[j]"
    inside = Contract(Ref("y", "kb"), (Ref("t", "kb"), Ref("c", "k")))
    assert equation_text(inside, View(inline={"t": summing})) == "y[k,b] = (Σ_j W[k,j] x[j,b]) c[k]"


def test_names_can_be_shown_by_their_labels():
    view = View(names={"hid_1_2": "hid_1"})
    assert equation_text(Map(Ref("y", "b"), "tanh", (Ref("hid_1_2", "b"),)), view) == "y[b] = tanh(hid_1[b])"


def test_latex_of_a_matrix_product_and_its_mean():
    product = Contract(Ref("z", "kb"), (Ref("W_2", "kj"), Ref("x", "jb")), factor=BATCH_MEAN)
    assert equation_latex(product) == r"z_{kb}\,=\,\frac{1}{B}\,\sum_{j} \mathrm{W\_2}_{kj}\,x_{jb}"


# Programs drawn at random, to be printed and parsed.

names = st.one_of(
    st.sampled_from(["x", "W1", "max_k", "at", "no", "inf", "Σ_j", "½", "net.W", "a b", "θ", "", '"', "x²", "not"]),
    st.text(st.characters(codec="utf-8"), max_size=4),
)
LETTERS = "bijkeéα"
letters = st.text(st.sampled_from(LETTERS), max_size=3)
fractions = st.one_of(
    st.integers(-3, 3).map(Fraction),
    st.sampled_from([Fraction(1, 2), Fraction(-1, 3), Fraction(0.1), Fraction(1e300), Fraction(10**17)]),
    st.fractions(),
    st.floats(allow_nan=False, allow_infinity=False).map(Fraction),
)
numbers = st.one_of(
    fractions,
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.complex_numbers(allow_nan=False).filter(lambda z: z.imag != 0),
)
powers = st.one_of(st.integers(-3, 3), st.fractions(-2, 2, max_denominator=3)).filter(bool)
sizes = st.dictionaries(st.sampled_from(LETTERS), powers, max_size=2).map(lambda d: tuple(sorted(d.items())))
factors = st.builds(Factor, numbers, sizes)
refs = st.builds(Ref, names, letters)
coefficients = st.builds(Factor, fractions, sizes)
positions = st.builds(
    Position,
    st.lists(st.tuples(coefficients, st.sampled_from(LETTERS)), max_size=2).map(tuple),
    st.integers(-3, 3),
    st.none() | refs,
)
brackets = st.lists(st.builds(Bracket, positions, st.sampled_from("=≠<≤"), positions), max_size=2).map(tuple)
sources = st.none() | st.builds(Source, names, st.integers(1, 99), names, names, st.integers(0, 3))
several = st.lists(refs, max_size=3).map(tuple)


@st.composite
def extrema(draw):
    out, ref = draw(letters), draw(letters)
    over = [i for i in ref if i not in out]
    along = draw(st.sampled_from(["", *over]))
    kind = draw(st.sampled_from(["max", "min"]))
    return Extremum(Ref(draw(names), out), Ref(draw(names), ref), kind, along, draw(st.booleans()), draw(sources))


equations = st.one_of(
    st.builds(Contract, refs, several, brackets, factors, sources),
    st.builds(Sum, refs, st.lists(st.tuples(factors, st.none() | refs), max_size=3).map(tuple), sources),
    st.builds(Map, refs, st.sampled_from(["exp", "power", "maximum"]), several, st.none() | numbers, sources),
    extrema(),
    st.builds(Update, refs, refs, refs, brackets, st.none() | refs, sources),
    st.builds(Opaque, refs, several, names, sources),
)
steps = st.one_of(st.integers(0, 9), names, names.filter(bool).map(Attribute))
structures = st.recursive(st.integers(0, 9), lambda x: st.lists(x, max_size=2) | st.dictionaries(names, x, max_size=2))


@given(equations)
def test_every_equation_survives_printing(equation):
    assert parse_all(equation_text(equation, EXACT)) == equation


def inputs_called(name):
    dtypes = st.sampled_from(["float32", "int64", "bool"])
    paths = st.lists(steps, max_size=2).map(tuple)
    return st.builds(Input, st.builds(Ref, st.just(name), letters), dtypes, paths, st.sampled_from([(), (1,), (0, 2)]))


@st.composite
def programs(draw):
    """Programs whose values are defined before they are used; they need not mean anything."""
    known = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    inputs = [draw(inputs_called(name)) for name in known]
    constants = {}
    for name in draw(st.lists(names.filter(lambda n: n not in known), max_size=2, unique=True)):
        dtype = draw(st.sampled_from(["f2", "f4", "f8", "g", "c16", "i8", "u8", "?", "U3"]))
        raw = draw(st.lists(st.floats(allow_nan=True, width=16), max_size=4))
        with np.errstate(invalid="ignore"):
            constants[name] = np.array(raw, "f8").astype(dtype)
    written = []
    for equation in draw(st.lists(equations, max_size=4)):
        name = draw(names.filter(lambda n: n not in {*known, *constants, *(e.out.name for e in written)}))
        written.append(redirected(equation, name, [*known, *constants], draw))
    outputs = tuple(Ref(n, draw(letters)) for n in draw(st.lists(st.sampled_from([*known, *constants]), max_size=2)))
    units = draw(st.sampled_from([(), tuple((1,) for _ in outputs)]))
    labels = draw(st.dictionaries(names, names, max_size=2))
    return Program(
        tuple(inputs), tuple(written), outputs, (Dimension("ij", 3, "hid \"den\""), Dimension("bkeéα", 0)), constants,
        draw(structures), units, labels, draw(st.dictionaries(names, names, max_size=2)),
    )  # fmt: skip


def redirected(equation, name, known, draw):
    """The equation defining ``name``, with every operand one of ``known``."""

    def swap(value):
        if isinstance(value, Ref):
            return Ref(draw(st.sampled_from(known)), value.indices)
        if isinstance(value, tuple):
            return tuple(swap(item) for item in value)
        if dataclasses.is_dataclass(value) and not isinstance(value, Factor | Source):
            names = [f.name for f in dataclasses.fields(value)]
            return dataclasses.replace(value, **{name: swap(getattr(value, name)) for name in names})
        return value

    return dataclasses.replace(swap(equation), out=Ref(name, equation.out.indices))


def same_program(a, b):
    """Equal, also in what ``==`` leaves out."""
    assert list(a.constants) == list(b.constants)
    for name, array in a.constants.items():
        other = b.constants[name]
        assert (array.dtype, array.shape) == (other.dtype, other.shape)
        assert array.tobytes() == other.tobytes() or np.array_equal(array, other, equal_nan=True)
    assert (a.labels, a.origins) == (b.labels, b.origins)
    assert [e.source for e in a.equations] == [e.source for e in b.equations]
    kinds = [[type(step) for step in i.path] for p in (a, b) for i in p.inputs]
    assert kinds[: len(a.inputs)] == kinds[len(a.inputs) :]
    return a == b


@given(programs())
def test_every_program_survives_printing(program):
    assert same_program(parse_program(format_program(program)), program)


SMALL = Program(
    (Input(Ref("W", "hg"), "float32", (0, "W")), Input(Ref("b", "h"), units=(1,), path=(0, Attribute("b")))),
    (
        Contract(Ref("s", "h"), (Ref("W", "hg"), Ref("c", "g")), source=Source("net.py", 12, "s = W @ c", "step")),
        Sum(Ref("z", "h"), ((ONE, Ref("s", "h")), (MINUS, Ref("b", "h")))),
    ),
    (Ref("z", "h"),),
    (Dimension("hg", 2, "hidden"),),
    {"c": np.array([0.1, 2.0])},
    {"z": 0},
    origins={"z": "s"},
)
SMALL_TEXT = """einbackprop program 1
dimensions
  hg = 2 "hidden"
inputs
  W[h,g] : float32 at [0]['W']
  b[h] : float64 units (1,) at [0].b
constants
  c : <f8 (2,) = [0.1, 2.0]
equations
  s[h] = Σ_g W[h,g] c[g]                              # "net.py" line 12 in "step" call 0: "s = W @ c"
  z[h] = s[h] - b[h]
outputs
  z[h]
structure
  {'z': 0}
origins
  z = "s"
"""


def test_a_program_as_text():
    assert format_program(SMALL) == SMALL_TEXT
    assert same_program(parse_program(SMALL_TEXT), SMALL)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("program 1", "program 2", "line 1: expected 'einbackprop program 1', found 'e'"),
        ("dimensions", "dims", "line 2: expected one of dimensions, inputs, constants"),
        ("hg = 2", "hg = x", "line 3: expected a whole number, found 'x'\n      hg = x"),
        ("hg = 2", "hgh = 2", "expected a letter that has no dimension yet; h has one, found 'h'"),
        ("float32", "float33", "expected the name of a dtype, such as float64, found 'f'"),
        ("['W']", "['W'", "expected a number or string as in Python, then ']'"),
        ("[0.1, 2.0]", "[0.1]", r"expected the data of an array of dtype float64 and shape (2,)"),
        ("Σ_g", "Σ_h", "expected Σ_g in this equation, as those letters are not in s[h]"),
        ("Σ_g ", "", "expected Σ_g in this equation"),
        ("c[g]", "c[g", "expected ',' or ']', found '#'"),
        ("c[g]", "c[1]", "expected a letter, found '1'"),
        ("c[g]", "q[g]", "line 10: expected values that are defined above, but q is not"),
        ("z[h] = s", "s[h] = s", "line 11: expected a value that is not defined yet; s is"),
        ("- b[h]", "- b[k]", "expected letters that have a dimension (hg), but k has none"),
        ("- b[h]", "-", "expected a number, a name, a bracket or Σ, found the end of the line"),
        ("- b[h]", "- b[h] c[h]", "expected a sum of terms with one operand each before this"),
        ("- b[h]", "* b[h]", "line 11: expected the end of the line, found '*'"),
        ("{'z': 0}", "{'z': open}", "expected numbers, strings, lists, tuples and dicts as in Python"),
        ('z = "s"', "z = s", "expected a name in quotes, found 's'"),
        ('W @ c"', "W @ c", "line 10: expected a string in double quotes that ends, found '\"'"),
    ],
)
def test_malformed_programs_get_a_message_with_line_and_caret(old, new, message):
    assert old in SMALL_TEXT
    with pytest.raises(NotationError, match=re.escape(message)) as caught:
        parse_program(SMALL_TEXT.replace(old, new, 1))
    assert str(caught.value).endswith("^")


def test_the_caret_stands_under_what_is_wrong():
    with pytest.raises(NotationError) as caught:
        parse_all("z[i] = x[i] + y[2]")
    assert str(caught.value).splitlines() == [
        "line 1: expected a letter, found '2'",
        "    z[i] = x[i] + y[2]",
        "                    ^",
    ]


def outcome(parser, text):
    """What the parser makes of the text, or its error."""
    try:
        return parser(text)
    except NotationError as error:
        return error


@given(st.data())
def test_any_damage_to_a_program_is_an_error_or_a_program(data):
    at = data.draw(st.integers(0, len(SMALL_TEXT)))
    length = data.draw(st.integers(0, 3))
    damage = data.draw(st.text(st.sampled_from(' [](){}=,.:;#"\'+-*/|^·½Σ_¹⁻0123456789abhgzWc\n\r\0é'), max_size=3))
    program = outcome(parse_program, SMALL_TEXT[:at] + damage + SMALL_TEXT[at + length :])
    if isinstance(program, NotationError):
        assert "expected" in str(program)
    else:
        assert same_program(parse_program(format_program(program)), program)


@given(st.text())
def test_any_text_is_an_error_or_an_equation(text):
    equation = outcome(parse_all, text)
    if isinstance(equation, NotationError):
        assert "expected" in str(equation)
    else:
        assert parse_all(equation_text(equation, EXACT)) == equation


def test_what_cannot_be_written_is_said():
    objects = dataclasses.replace(SMALL, constants={"c": np.array([Fraction(1, 3), 1], object)})
    with pytest.raises(NotationError, match=r"the constant c holds objects \(dtype object\)"):
        format_program(objects)
    with pytest.raises(NotationError, match="the structure must be made of numbers, strings, lists"):
        format_program(dataclasses.replace(SMALL, structure={0: object}))
    with pytest.raises(NotationError, match="a position's coefficient must be whole, not inf"):
        equation_text(Contract(Ref("y", "i"), (), (is_at("i", (math.inf, "i")),)))
