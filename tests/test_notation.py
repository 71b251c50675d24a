"""Index notation: golden texts."""

import math
from fractions import Fraction

import pytest

from einbackprop.core.program import (
    ONE,
    Bracket,
    Contract,
    Extremum,
    Factor,
    Map,
    Opaque,
    Position,
    Ref,
    Sum,
    Update,
)
from einbackprop.errors import NotationError
from einbackprop.notation.index_notation import View, equation_markup, equation_text
from einbackprop.notation.latex import latex

HALF = Factor.of(Fraction(1, 2))
MINUS = -ONE
BATCH_MEAN = Factor.of(1, b=-1)


def is_at(left, *right, constant=0, pick=None, relation="="):
    """``[left = terms + constant + pick]``; a term is (coefficient, letter)."""
    terms = tuple((c if isinstance(c, Factor) else Factor.of(c), i) for c, i in right)
    return Bracket(Position.of(left), relation, Position(terms, constant, pick))


ONE_MINUS = Sum(Ref("u", "kb"), ((ONE, None), (MINUS, Ref("h2", "kb"))))

GOLDEN = [
    (Contract(Ref("z2", "kb"), (Ref("W2", "kj"), Ref("h1", "jb"))), "z2[k,b] = Σ_j W2[k,j] h1[j,b]"),
    (Sum(Ref("z", "kb"), ((ONE, Ref("a", "kb")), (ONE, Ref("b2", "k")))), "z[k,b] = a[k,b] + b2[k]"),
    (ONE_MINUS, "u[k,b] = 1 - h2[k,b]"),
    (Contract(Ref("L"), (Ref("e", "lb"), Ref("e", "lb")), factor=HALF), "L = ½ Σ_lb e[l,b] e[l,b]"),
    (Contract(Ref("m", "l"), (Ref("x", "lb"),), factor=BATCH_MEAN), "m[l] = 1/B Σ_b x[l,b]"),
    (Contract(Ref("m"), (Ref("B"),), factor=BATCH_MEAN), "m = 1/|b| B"),
    (Contract(Ref("m"), (Ref("x"),), factor=Factor.of(-0.5, b=-1)), "m = -1/(2B) x"),
    (
        Contract(Ref("s", "qd"), (Ref("q", "qd"),), factor=Factor.of(1, d=Fraction(-1, 2))),
        "s[q,d] = 1/√D q[q,d]",
    ),
    (Contract(Ref("c", "ij")), "c[i,j] = 1"),
    (Contract(Ref("c", "ij"), factor=Factor.of(0.1)), "c[i,j] = 0.1"),
    (Contract(Ref("A", "ii"), (Ref("x", "i"),)), "A[i,i] = x[i]"),
    (Contract(Ref("y", "i"), (Ref("x", "i"),), factor=MINUS), "y[i] = -x[i]"),
    (Sum(Ref("y", "i"), ((MINUS, Ref("x", "i")),)), "y[i] = -x[i]"),
    (Sum(Ref("y", "i"), ((ONE, Ref("x", "i")),)), "y[i] = x[i]"),
    (Sum(Ref("y", "i"), ()), "y[i] = 0"),
    (
        Contract(Ref("y", "s"), (Ref("x", "p"), Ref("w", "r")), (is_at("p", (2, "s"), (1, "r"), constant=-1),)),
        "y[s] = Σ_r x[2s+r-1] w[r]",
    ),
    (
        Contract(Ref("y", "f"), (Ref("x", "he"),), (is_at("f", (Factor.of(1, e=1), "h"), (1, "e")),)),
        "y[f] = Σ_he x[h,e] [f=h·E+e]",
    ),
    (
        Contract(Ref("q", "b"), (Ref("p", "nb"),), (is_at("n", pick=Ref("y", "b")),)),
        "q[b] = p[y[b],b]",
    ),
    (
        Contract(Ref("a", "ts"), (Ref("x", "ts"),), (is_at("s", (1, "t"), relation="≤"),)),
        "a[t,s] = x[t,s] [s≤t]",
    ),
    (Map(Ref("h", "kb"), "sigmoid", (Ref("z", "kb"),)), "h[k,b] = sigmoid(z[k,b])"),
    (Map(Ref("y"), "power", (Ref("x"),), Fraction(2)), "y = x²"),
    (Map(Ref("y"), "power", (Ref("x"),), Fraction(1, 2)), "y = √x"),
    (Map(Ref("y"), "power", (Ref("x"),), Fraction(-1)), "y = 1/x"),
    (Map(Ref("y"), "power", (Ref("x"),), Fraction(-1, 2)), "y = 1/√x"),
    (Map(Ref("y"), "relu", (Ref("x"),)), "y = max(x, 0)"),
    (Map(Ref("y"), "maximum", (Ref("x"), Ref("z"))), "y = max(x, z)"),
    (Map(Ref("y"), "greater", (Ref("x"), Ref("z"))), "y = [x > z]"),
    (Map(Ref("y"), "where", (Ref("c"), Ref("x"), Ref("z"))), "y = x where c else z"),
    (Extremum(Ref("m", "b"), Ref("x", "kb")), "m[b] = max_k x[k,b]"),
    (Extremum(Ref("m", "b"), Ref("x", "kb"), held=True), "m[b] = max_k x[k,b]"),
    (Extremum(Ref("m", "b"), Ref("x", "kb"), "min", "k"), "m[b] = argmin_k x[k,b]"),
    (Extremum(Ref("m", "b"), Ref("x", "klb"), "max", "l"), "m[b] = l of argmax_kl x[k,l,b]"),
    (Extremum(Ref("m", "b"), Ref("x", "b")), "m[b] = max x[b]"),
    (
        Update(Ref("y", "p"), Ref("x", "p"), Ref("v", "s"), (is_at("p", (2, "s"), constant=1),), Ref("m", "p")),
        "y[p] = v[s] at [p=2s+1] where m[p], x[p] elsewhere",
    ),
    (Update(Ref("y", "p"), Ref("x", "p"), Ref("v")), "y[p] = v, x[p] elsewhere"),
    (
        Opaque(Ref("y"), (Ref("x", "i"),), "a 'thing' that\nis \"odd\""),
        "y = not read from x[i]: a 'thing' that is \"odd\"",
    ),
    (
        Contract(Ref("y"), (Ref("max_k"), Ref("net.W", "i"), Ref("at"))),
        "y = Σ_i (max_k) net.W[i] (at)",
    ),
]


@pytest.mark.parametrize(("equation", "shown"), GOLDEN)
def test_equations_print_as_people_write_them(equation, shown):
    assert equation_text(equation) == shown


def test_inlined_values_take_the_letters_of_where_they_are_used():
    slope = Contract(Ref("d", "jb"), (Ref("dh", "jb"), Ref("h", "jb"), Ref("u", "jb")))
    assert equation_text(slope, View(inline={"u": ONE_MINUS})) == "d[j,b] = dh[j,b] h[j,b] (1 - h2[j,b])"
    summing = Contract(Ref("t", "kb"), (Ref("W", "kj"), Ref("x", "jb")))
    clash = Sum(Ref("z", "jb"), ((ONE, Ref("t", "jb")), (ONE, Ref("c", "j"))))
    assert equation_text(clash, View(inline={"t": summing})) == "z[j,b] = Σ_a W[j,a] x[a,b] + c[j]"
    inside = Contract(Ref("y", "kb"), (Ref("t", "kb"), Ref("c", "k")))
    assert equation_text(inside, View(inline={"t": summing})) == "y[k,b] = (Σ_j W[k,j] x[j,b]) c[k]"


def letters_at(left: str, right: str) -> Bracket:
    return Bracket(Position.of(left), "=", Position.of(right))


THREE_AB = Contract(Ref("t", "i"), (Ref("a", "i"), Ref("b", "i")), factor=Factor.of(3))
SQUARE, ROOT = (Map(Ref("t"), "power", (Ref("x"),), p) for p in (Fraction(2), Fraction(1, 2)))
INSIDE = [
    # (the values that stand inside, the equation, what is shown)
    ([THREE_AB, Contract(Ref("s"), (Ref("t", "i"), Ref("t", "i")))],
     Sum(Ref("y", "i"), ((ONE, Ref("t", "i")), (MINUS, Ref("s")))),
     "y[i] = 3 a[i] b[i] - Σ_i (3 a[i] b[i]) (3 a[i] b[i])"),
    ([THREE_AB], Sum(Ref("y", "i"), ((HALF, Ref("t", "i")), (ONE, Ref("t", "i")))),
     "y[i] = 1.5 a[i] b[i] + 3 a[i] b[i]"),
    ([Sum(Ref("t"), ((ONE, Ref("x")), (ONE, None)))], Map(Ref("y"), "power", (Ref("t"),), Fraction(2)), "y = (x + 1)²"),
    ([SQUARE], Map(Ref("y"), "power", (Ref("t"),), Fraction(3)), "y = (x²)³"),
    ([SQUARE], Map(Ref("y"), "power", (Ref("t"),), Fraction(1, 2)), "y = √(x²)"),
    ([ROOT], Map(Ref("y"), "power", (Ref("t"),), Fraction(2)), "y = (√x)²"),
    ([Map(Ref("t"), "power", (Ref("x"),), Fraction(-1)), Map(Ref("u"), "power", (Ref("t"),), Fraction(-1))],
     Contract(Ref("y"), (Ref("z"), Ref("u"))), "y = z/(1/x)"),
    ([Contract(Ref("t"), (Ref("x", "k"),)), Map(Ref("u"), "power", (Ref("z"),), Fraction(-1))],
     Contract(Ref("y"), (Ref("t"), Ref("u"))), "y = (Σ_k x[k])/z"),
    ([Map(Ref("t", "i"), "abs", (Ref("x", "i"),)), Sum(Ref("u", "i"), ((ONE, Ref("t", "i")), (MINUS, None)))],
     Map(Ref("y", "i"), "abs", (Ref("u", "i"),)), "y[i] = abs(|x[i]| - 1)"),
    ([], Map(Ref("y"), "abs", (Ref("b"),)), "y = abs(b)"),
    ([], Map(Ref("y"), "logical_xor", (Ref("x"), Ref("z"))), "y = [x xor z]"),
    ([], Map(Ref("y"), "power", (Ref("x"),), Fraction(1, 3)), "y = cbrt(x)"),
    ([Map(Ref("t"), "where", (Ref("c"), Ref("x"), Ref("z")))],
     Sum(Ref("y"), ((ONE, Ref("t")), (ONE, None))), "y = (x where c else z) + 1"),
    ([Update(Ref("t", "p"), Ref("x", "p"), Ref("v", "s"), (is_at("p", (2, "s")),))],
     Contract(Ref("y", "ps"), (Ref("t", "p"), Ref("z", "s"))), "y[p,s] = (v[a] at [p=2a], x[p] elsewhere) z[s]"),
    ([Contract(Ref("t", "ii"), (Ref("x", "i"),))],
     Sum(Ref("y", "kl"), ((ONE, Ref("t", "kl")), (ONE, Ref("z", "kl")))), "y[k,l] = x[k] [k=l] + z[k,l]"),
    ([Contract(Ref("c"), factor=Factor.of(-2))], Contract(Ref("y"), (Ref("x"), Ref("c"))), "y = x (-2)"),
    ([Contract(Ref("c"), factor=BATCH_MEAN)], Map(Ref("y"), "power", (Ref("c"),), Fraction(2)), "y = (1/B)²"),
    ([Contract(Ref("t", "d"), (Ref("x", "d"),), factor=Factor.of(1, c=1, d=-3))],
     Sum(Ref("y", "c"), ((HALF, Ref("t", "c")), (ONE, None))), "y[c] = 1/(2C²) x[c] + 1"),
    ([], Contract(Ref("y"), (Ref("x"),), factor=Factor.of(Fraction(2, 7), b=1)), "y = 2B/7 x"),
    ([], Contract(Ref("y"), (Ref("BJ"),), factor=Factor.of(1, b=-1, j=-1)), "y = 1/(|b||j|) BJ"),
    ([], Contract(Ref("y"), (Ref("x", "n"),), (is_at("n", pick=Ref("n")),)), "y = x[n[]]"),
    ([Contract(Ref("t"), (Ref("w", "p"),))],
     Contract(Ref("y", "s"), (Ref("x", "p"), Ref("t")), (is_at("p", (1, "s"), constant=1),)),
     "y[s] = x[s+1] (Σ_p w[p])"),
    ([], Contract(Ref("y"), (Ref("x"),), factor=Factor.of(0.12573022)), "y = 0.125730 x"),
    ([], Contract(Ref("y"), (Ref("x"),), factor=Factor.of(1 - 0.9)), "y = 0.1 x"),
    ([], Contract(Ref("y"), (Ref("x"),), factor=Factor.of(123456789)), "y = 123456789 x"),
    ([], Contract(Ref("y"), (Ref("x"),), factor=Factor.of(-1e9)), "y = -1e+09 x"),
]  # fmt: skip


@pytest.mark.parametrize(("inside", "equation", "shown"), INSIDE)
def test_what_stands_inside_a_formula_keeps_its_meaning(inside, equation, shown):
    assert equation_text(equation, View(inline={e.out.name: e for e in inside})) == shown


def test_names_can_be_shown_by_their_labels():
    view = View(names={"hid_1_2": "hid_1"})
    assert equation_text(Map(Ref("y", "b"), "tanh", (Ref("hid_1_2", "b"),)), view) == "y[b] = tanh(hid_1[b])"


def test_latex_of_a_matrix_product_and_its_mean():
    product = Contract(Ref("z", "kb"), (Ref("W_2", "kj"), Ref("x", "jb")), factor=BATCH_MEAN)
    assert latex(equation_markup(product)) == r"z_{kb}\,=\,\frac{1}{B}\,\sum_{j} \mathrm{W\_2}_{kj}\,x_{jb}"


def test_a_position_with_a_coefficient_that_is_not_whole_is_not_written():
    with pytest.raises(NotationError, match="a position's coefficient must be whole, not inf"):
        equation_text(Contract(Ref("y", "i"), (), (is_at("i", (math.inf, "i")),)))


def test_latex_of_a_power_of_two_values():
    equation = Map(Ref("y", "i"), "pow", (Ref("x", "i"), Ref("p")))
    assert latex(equation_markup(equation)) == "y_{i}\\,=\\,{x_{i}}^{p}"
    assert equation_text(equation) == "y[i] = x[i]^p"
    inverse = Map(Ref("z", "i"), "power", (Ref("y", "i"),), Fraction(-1))
    inline = View(inline={"y": equation})
    assert equation_text(inverse, inline) == "z[i] = 1/(x[i]^p)"
    assert equation_text(Map(Ref("r", "i"), "power", (Ref("y", "i"),), Fraction(1, 2)), inline) == "r[i] = √(x[i]^p)"


def test_a_value_that_picks_and_stands_inside_is_written_out():
    """Its own name would be one that nobody knows."""
    back = Contract(Ref("t", "b"), (Ref("y", "k"),), (is_at("k", (-1, "b"), constant=6),))
    equation = Contract(Ref("g", "bj"), (), (is_at("j", pick=Ref("t", "b")),))
    assert equation_text(equation, View(inline={"t": back})) == "g[b,j] = [j=y[6-b]]"
