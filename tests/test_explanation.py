"""Explanations: golden texts, every step true in numbers, and what terminals, notebooks and LaTeX get."""

import copy
import re
import string
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction

import formula_values
import numpy as np
import pytest
from equation_parser import parse_all
from hypothesis import example, given
from hypothesis import strategies as st
from tracing_quietly import no_collection
from wild import FIXTURES

from einbackprop.capture.tracer import trace
from einbackprop.core import elementwise, interpretation
from einbackprop.core.elementwise import FUNCTIONS
from einbackprop.core.letters import letters_of
from einbackprop.core.program import (
    ONE,
    Bracket,
    Contract,
    Dimension,
    Extremum,
    Factor,
    Input,
    Map,
    Position,
    Program,
    Ref,
    Sum,
    Update,
)
from einbackprop.derivation.accumulation import value_and_vjp, vjp_of_contract
from einbackprop.errors import SubscriptsError
from einbackprop.notation.display import PALETTE, hue, on_terminal, painted
from einbackprop.notation.explanation import explain, slopes
from einbackprop.notation.index_notation import View
from einbackprop.notation.markup import text
from einbackprop.notation.steps import derivation

PRODUCT = """\
    z_ib = Σ_j W_ij x_jb
       z = einsum("ij,jb->ib", W, x)
       z = W·x

With respect to W; n and m are second letters over the dimensions of i and j:
    ∂z_ib/∂W_nm = Σ_j [i=n] [j=m] x_jb         W_ij is the entry W_nm only where i = n and j = m
                = [i=n] x_mb                   the sum over j has one term that is not 0, j = m
          dW_nm = Σ_ib dz_ib ∂z_ib/∂W_nm       the chain rule: a sum over every letter of z
                = Σ_ib dz_ib [i=n] x_mb
                = Σ_b dz_nb x_mb               the sum over i has one term that is not 0, i = n
          dW_ij = Σ_b dz_ib x_jb               n and m written as i and j again
             dW = einsum("ib,jb->ij", dz, x)   dz stands where W stood, W's letters where z's stood
             dW = dz·xᵀ                        x stands last and is summed over its second letter,
                                               b, so it stands transposed.

With respect to x; m and d are second letters over the dimensions of j and b:
    ∂z_ib/∂x_md = Σ_j W_ij [j=m] [b=d]         x_jb is the entry x_md only where j = m and b = d
                = W_im [b=d]                   the sum over j has one term that is not 0, j = m
          dx_md = Σ_ib dz_ib ∂z_ib/∂x_md       the chain rule: a sum over every letter of z
                = Σ_ib W_im dz_ib [b=d]
                = Σ_i W_im dz_id               the sum over b has one term that is not 0, b = d
          dx_jb = Σ_i W_ij dz_ib               m and d written as j and b again
             dx = einsum("ij,ib->jb", W, dz)   dz stands where x stood, x's letters where z's stood
             dx = Wᵀ·dz                        W is summed over its first letter, i, so it stands
                                               transposed.

In short:
    ∂z_ib/∂W_nm = [i=n] x_mb ⇒ dW_ij = Σ_b dz_ib x_jb
    ∂z_ib/∂x_md = W_im [b=d] ⇒ dx_jb = Σ_i W_ij dz_ib"""

BIAS = """\
    z_kb = c_k
       z = einsum("k->kb", c)   the same for every b; np.einsum takes a vector of ones there
       z = c·1ᵀ

With respect to c; n is a second letter over the dimension of k:
    ∂z_kb/∂c_n = [k=n]                   c_k is the entry c_n only where k = n
          dc_n = Σ_kb dz_kb ∂z_kb/∂c_n   the chain rule: a sum over every letter of z
               = Σ_kb dz_kb [k=n]
               = Σ_b dz_nb               the sum over k has one term that is not 0, k = n
          dc_k = Σ_b dz_kb               n written as k again
            dc = einsum("kb->k", dz)     dz stands where c stood, c's letters where z's stood
            dc = dz·1

In short:
    ∂z_kb/∂c_n = [k=n] ⇒ dc_k = Σ_b dz_kb"""

DIAGONAL = """\
    Z = Σ_i A_ii
    Z = einsum("ii->", A)
    Z = tr(A)

With respect to A; n and m are second letters over the dimension of i:
    ∂Z/∂A_nm = Σ_i [i=n] [i=m]      A_ii is the entry A_nm only where i = n and i = m
             = [n=m]                the sum over i has one term that is not 0, i = n
       dA_nm = dZ ∂Z/∂A_nm          the chain rule
             = dZ [n=m]
       dA_im = dZ [i=m]             n written as i again
          dA = einsum("->ii", dZ)   writes the diagonal, zeros elsewhere; np.einsum cannot
          dA = dZ I

In short:
    ∂Z/∂A_nm = [n=m] ⇒ dA_im = dZ [i=m]"""


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (explain("ij,jb->ib", names=("W", "x"), result="z"), PRODUCT),
        (explain("k->kb", names=("c",), result="z"), BIAS),
        (explain("ii->"), DIAGONAL),
    ],
)
def test_explanations_of_subscripts(shown, expected):
    assert str(shown) == expected


def last_section(*arguments, **options):
    return str(explain(*arguments, **options)).split("\n\n")[-1].splitlines()


def test_an_array_that_stands_twice():
    assert last_section("ij,ij->", names=("x", "x"), result="L") == [
        "x stands twice, so its cotangents add up:",
        "    dx_ij = dL x_ij + x_ij dL   a change of it comes in at each place",
        "          = 2 dL x_ij           the terms are equal",
    ]
    assert last_section("ij,ik->jk", names=("x", "x")) == [
        "x stands twice, so its cotangents add up:",
        "    dx_ij = Σ_k dZ_jk x_ik + Σ_a x_ia dZ_aj   a change of it comes in at each place",
    ]


@pytest.mark.parametrize(
    ("subscripts", "lines"),
    [
        ("ij->i", ["∂Z_i/∂A_nm = [i=n] ⇒ dA_ij = dZ_i"]),
        (",ij->ij", ["∂Z_ij/∂A = B_ij ⇒ dA = Σ_ij dZ_ij B_ij", "∂Z_ij/∂B_nm = A [i=n] [j=m] ⇒ dB_ij = A dZ_ij"]),
        ("i->ii", ["∂Z_ia/∂A_n = [i=n] [i=a] ⇒ dA_i = dZ_ii"]),
        ("ijji->j", ["∂Z_j/∂A_nmdp = [j=m] [j=d] [n=p] ⇒ dA_ijdp = dZ_j [j=d] [i=p]"]),
        ("...ij,...jk->...ik", ["∂Z_…ik/∂A_…nm = [i=n] B_…mk ⇒ dA_…ij = Σ_k dZ_…ik B_…jk"]),
        ("...i->...", ["∂Z_…/∂A_…n = 1 ⇒ dA_…i = dZ_…"]),
        ("->", ["∂Z/∂A = 1 ⇒ dA = dZ"]),
    ],
)
def test_corner_cases_in_short(subscripts, lines):
    assert [line.strip() for line in last_section(subscripts)[1 : len(lines) + 1]] == lines


def test_an_ellipsis_is_explained():
    shown = str(explain("...ij,...jk->...ik"))
    assert shown.startswith("… stands for any number of axes; read it as one letter.")
    assert 'dA = einsum("...ik,...jk->...ij", dZ, B)' in shown
    assert "the chain rule: a sum over every letter of\n" in shown


def test_names_with_digits_or_underscores_keep_their_brackets():
    shown = str(explain("kj,jb->kb", names=("W2", "hid_1"), result="z2"))
    assert "∂z2[k,b]/∂W2[n,m] = [k=n] hid_1[m,b] ⇒ dW2[k,j] = Σ_b dz2[k,b] hid_1[j,b]" in shown


def test_a_line_that_is_nothing_to_paste_says_why():
    rows = str(explain(Contract(Ref("y", "i"), (Ref("A", "ij"),), factor=Factor.of(1, b=-1))))
    assert 'einsum("ij->i", A)   not to be pasted: no array of the line says how large b is' in rows


def test_wrong_numbers_of_names():
    message = re.escape("'ij,jb->ib' has 2 operands, but the names given are ('W',)")
    with pytest.raises(SubscriptsError, match=message):
        explain("ij,jb->ib", names=("W",))
    with pytest.raises(SubscriptsError, match="malformed subscripts"):
        explain("ij,jb-ib")


SOFTMAX = Program(
    (Input(Ref("x", "kb")),),
    (
        Extremum(Ref("top", "b"), Ref("x", "kb"), held=True),
        Sum(Ref("z", "kb"), ((ONE, Ref("x", "kb")), (-ONE, Ref("top", "b")))),
        Map(Ref("e", "kb"), "exp", (Ref("z", "kb"),)),
        Contract(Ref("s", "b"), (Ref("e", "kb"),)),
        Map(Ref("r", "b"), "power", (Ref("s", "b"),), Fraction(-1)),
        Contract(Ref("p", "kb"), (Ref("e", "kb"), Ref("r", "b"))),
        Contract(Ref("dr", "b"), (Ref("e", "kb"), Ref("dp", "kb"))),
        Contract(Ref("ds", "b"), (Ref("dr", "b"), Ref("r", "b"), Ref("r", "b")), factor=-ONE),
        Contract(Ref("de_p", "kb"), (Ref("dp", "kb"), Ref("r", "b"))),
        Sum(Ref("de", "kb"), ((ONE, Ref("de_p", "kb")), (ONE, Ref("ds", "b")))),
        Contract(Ref("dz", "kb"), (Ref("de", "kb"), Ref("e", "kb"))),
    ),
    (Ref("dz", "kb"),),
    (Dimension("k", 3, "class"), Dimension("b", 5, "batch")),
    origins={"dr": "p", "ds": "r", "de_p": "p", "de": "e", "dz": "z"},
)
SOFTMAX_TEXT = """\
Letters: k class (3),  b batch (5)

Forward:
    top[b] = max_k x[k,b]
    z[k,b] = x[k,b] - top[b]
    e[k,b] = exp(z[k,b])
      s[b] = Σ_k e[k,b]
         s = einsum("kb->b", e)
         s = eᵀ·1                       e is summed over its first letter, k, so it stands
                                        transposed.
      r[b] = 1/s[b]
    p[k,b] = e[k,b] r[b]
         p = einsum("kb,b->kb", e, r)
         p = e·diag(r)

From p[k,b] = e[k,b] r[b]:
    dr[b] = Σ_k e[k,b] dp[k,b]
       dr = einsum("kb,kb->b", e, dp)
       dr = eᵀ·dp for each b            e is summed over k with what follows it, so it stands as a
                                        row.

From r[b] = 1/s[b], where ∂r/∂s = -r²:
    ds[b] = -dr[b] r[b] r[b]
       ds = -einsum("b,b,b->b", dr, r, r)
       ds = -(dr ⊙ r ⊙ r)

From p[k,b] = e[k,b] r[b]:
    de_p[k,b] = dp[k,b] r[b]
         de_p = einsum("kb,b->kb", dp, r)
         de_p = dp·diag(r)

From e[k,b] = exp(z[k,b]), where ∂e/∂z = e:
    de[k,b] = de_p[k,b] + ds[b]

From z[k,b] = x[k,b] - top[b]:
    dz[k,b] = de[k,b] e[k,b]
         dz = einsum("kb,kb->kb", de, e)
         dz = de ⊙ e"""


def test_the_explanation_of_a_softmax():
    assert str(explain(replace(SOFTMAX, inputs=(*SOFTMAX.inputs, Input(Ref("dp", "kb")))))) == SOFTMAX_TEXT


@pytest.mark.parametrize(
    ("equation", "line"),
    [
        (Map(Ref("h", "k"), "sigmoid", (Ref("z", "k"),)), "dz[k] = dh[k] h[k] (1 - h[k])"),
        (Sum(Ref("z", "kb"), ((ONE, Ref("a", "kb")), (-ONE, Ref("c", "k")))), "dc[k] = -Σ_b dz[k,b]"),
        (
            Update(Ref("y", "p"), Ref("x", "p"), Ref("v"), (Bracket(Position.of("p"), "=", Position(constant=1)),)),
            "dx[p] = dy[p] [p≠1]",
        ),
    ],
)
def test_other_equations_are_explained_by_their_derivative(equation, line):
    assert line in str(explain(equation))


@pytest.mark.parametrize(
    ("power", "slope"),
    [(2, "2 x"), (3, "3 x²"), (Fraction(1, 2), "1/(2 y)"), (-1, "-y²"), (-2, "-2 x^(-3)"),
     (Fraction(0.3), "0.3 x^(-0.7)")],
)
def test_the_slopes_of_powers_are_worked_out(power, slope):
    assert f"∂y/∂x = {slope}:" in str(explain(Map(Ref("y"), "power", (Ref("x"),), Fraction(power))))


SLOPES = [Map(Ref("y"), name, tuple(map(Ref, "uvw"[: len(f.partials)]))) for name, f in FUNCTIONS.items()]
SLOPES = [e for e in SLOPES if e.function != "power"]
SLOPES += [Map(Ref("y"), "power", (Ref("u"),), Fraction(p)) for p in (3, 2, -1, -2, 0.5, -0.5, 0.3, 1.5, 0.125)]


@pytest.mark.parametrize("equation", SLOPES, ids=lambda equation: f"{equation.function} {equation.parameter}")
def test_the_slopes_that_are_stated_are_those_of_the_function(equation, monkeypatch):
    for name in ("step", "greater", "greater_equal", "less", "less_equal", "pow", "logical_not"):
        monkeypatch.setitem(formula_values.FUNCTIONS, name, lambda *x, name=name: elementwise.evaluate(name, x, None))
    values = {"u": 1.3 if equation.function == "arccosh" else 0.35, "v": 0.6, "w": 1.7}
    values = {ref.name: np.array(values[ref.name]) for ref in equation.operands}

    def at(**moved):
        return float(interpretation.compute(equation, {**values, **moved}, {}))

    stated = re.findall(r"∂y/∂(.) = (.*?)(?= and ∂|$)", slopes(equation, View()))
    for name, formula in stated:
        expected = (at(**{name: values[name] + 1e-6}) - at(**{name: values[name] - 1e-6})) / 2e-6
        got = formula_values.formula_value(f"slope = {formula}", {**values, "y": np.array(at()), "π": np.pi})
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8, err_msg=formula)


@pytest.mark.parametrize("fixture", FIXTURES[::4], ids=lambda fixture: fixture.name)
def test_explanations_of_hand_written_networks_are_fit_to_be_read(fixture):
    arguments = fixture.arguments(np.random.default_rng(0), fixture.sizes)
    with no_collection():
        forward = trace(fixture.loss, *copy.deepcopy(arguments))
    shown = explain(value_and_vjp(forward))
    assert max(map(len, str(shown).splitlines())) <= 100
    ET.fromstring(f"<html>{shown.html}</html>")


# Every step is true in numbers.

SIZES_WRITTEN_OUT = View(taken=frozenset(string.ascii_uppercase))  # |b|, not B


def value(expression, out, arrays, sizes):
    """The array that an expression is, with the letters ``out``."""
    indices = f"[{','.join(out)}]" if out else ""
    equation = parse_all(f"value{indices} = {expression}")
    assert isinstance(equation, Contract)
    return interpretation.compute(equation, arrays, sizes)


def check_steps(contract, slot, sizes, mutate=lambda step: step):
    """Each line of the partial derivative, and each of the cotangent, has the value of the first."""
    derived = derivation(contract, slot, "dZ", "dA", SIZES_WRITTEN_OUT)
    for new, old in derived.second:
        sizes[new] = sizes[old]
    for new in set("abcdefgh") - set(sizes):
        sizes[new] = sizes[contract.out.indices[0]] if contract.out.indices else 1
    rng = np.random.default_rng(0)
    out = list(contract.out.indices)
    arrays = {ref.name: rng.integers(-4, 5, [sizes[i] for i in ref.indices]).astype(float) for ref in contract.operands}
    arrays["dZ"] = rng.integers(-4, 5, [sizes[i] for i in out]).astype(float)
    expected = interpretation.compute(vjp_of_contract(contract, slot, "dZ", "dA"), arrays, sizes)
    groups: list[list[str]] = []
    for step in map(mutate, derived.steps):
        if step.left:
            groups.append([])
        groups[-1].append(text(step.right))
    partial, cotangent, *final = groups
    entry = "".join(new for new, _ in derived.second)
    spread = derived.steps[0].left[0].of.indices
    first = value(partial[0], spread + entry, arrays, sizes)
    for line in partial[1:]:
        np.testing.assert_array_equal(value(line, spread + entry, arrays, sizes), first)
    for line in cotangent[1:]:
        np.testing.assert_array_equal(value(line, entry, arrays, sizes), expected)
    for lines in final:
        free = re.sub(r"^dA\[?|\]$|,", "", text(derived.result.left))
        np.testing.assert_array_equal(value(lines[0], free, arrays, sizes), expected)


@st.composite
def contracts(draw):
    """Contractions of up to three operands, with diagonals, letters summed alone and brackets."""
    runs = draw(st.lists(st.text("ijk", max_size=3), min_size=1, max_size=3))
    present = sorted(set("".join(runs)))
    out = "".join(draw(st.lists(st.sampled_from(present), max_size=2))) if present else ""
    brackets = []
    if len(present) > 1 and draw(st.booleans()):
        left, right = draw(st.permutations(present))[:2]
        place = Position(((Factor.of(draw(st.sampled_from([1, 2]))), right),), draw(st.integers(0, 1)))
        brackets.append(Bracket(Position.of(left), draw(st.sampled_from("=≤")), place))
    factor = draw(st.sampled_from([ONE, -ONE, Factor.of(Fraction(1, 2))]))
    refs = tuple(Ref(name, run) for name, run in zip("ABC", runs, strict=False))
    return Contract(Ref("Z", out), refs, tuple(brackets), factor)


@given(contracts(), st.data())
@example(Contract(Ref("Z", "ii"), (Ref("A", "i"),)), None)
@example(Contract(Ref("Z"), (Ref("A", "ii"),)), None)
def test_every_step_of_a_derivation_is_true(contract, data):
    slot = data.draw(st.integers(0, len(contract.operands) - 1)) if data else 0
    check_steps(contract, slot, {"i": 2, "j": 3, "k": 4})


@pytest.mark.parametrize(("old", "new"), [("Σ_b ", "2 Σ_b "), ("x[m,b]", "x[m,d]")])
def test_the_check_of_steps_can_fail(old, new):
    product = Contract(Ref("z", "ib"), (Ref("W", "ij"), Ref("x", "jb")))

    def mutate(step):
        return replace(step, right=(text(step.right).replace(old, new, 1),))

    with pytest.raises((AssertionError, ValueError, KeyError)):
        check_steps(product, 0, {"i": 2, "j": 3, "b": 4}, mutate)


# Terminals, notebooks, LaTeX

EVERY_OTHER = Bracket(Position.of("p"), "=", Position(((Factor.of(2), "s"),), 1))
EXAMPLES = [
    explain("ij,jb->ib", names=("W", "x"), result="z"),
    explain("...ij,...jk->...ik", names=("a_rather_long_name_of_a_matrix", "B"), result="another_long_name"),
    explain(SOFTMAX),
    explain(Contract(Ref("y", "s"), (Ref("x", "p"),), (EVERY_OTHER,))),
    explain("ij->", names=("<b>&\\_{",), result="L"),
]


@pytest.mark.parametrize("shown", EXAMPLES[:1] + EXAMPLES[2:])
def test_text_fits_100_columns(shown):
    assert max(map(len, str(shown).splitlines())) <= 100


@pytest.mark.parametrize("shown", EXAMPLES)
def test_colours_add_nothing_but_colours(shown):
    coloured = shown.text(colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == str(shown)
    assert "\x1b" not in str(shown)


def test_a_letter_has_one_colour_and_neighbours_differ():
    coloured = EXAMPLES[0].text(colour=True)
    assert painted("j") in coloured
    assert set(re.findall(r"\x1b\[38;5;(\d+)mj", coloured)) == {str(hue("j")[0])}
    assert len({hue(letter) for letter in "ijklbnmd"}) == 8
    assert len(PALETTE) == len(set(PALETTE))


def test_colour_only_on_a_terminal(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert on_terminal(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not on_terminal(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert "\x1b" in repr(EXAMPLES[0])
    assert "\x1b" not in str(EXAMPLES[0])


@pytest.mark.parametrize("shown", EXAMPLES)
def test_html_is_well_formed_and_self_contained(shown):
    html = shown.html
    tree = ET.fromstring(f"<html>{html}</html>")
    assert len(list(tree.iter("{http://www.w3.org/1998/Math/MathML}math"))) > 2
    assert not re.search(r"<script|<link|<img|href=|src=|@import|url\(", html)


@pytest.mark.parametrize("shown", EXAMPLES)
def test_latex_is_balanced(shown):
    latex = re.sub(r"\\[{}\\]", "", shown.latex)
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\begin{aligned}") == latex.count(r"\end{aligned}") == sum(bool(s.rows) for s in shown.sections)
    outside = re.sub(r"\\(text|texttt|mathrm)\{[^{}]*\}", "", latex)
    assert not re.search(r"[Σ∂≤≠½ᵀ⇒…·⊙]", outside.replace("…", ""))


def test_latex_of_the_product():
    short = r"\frac{\partial z_{ib}}{\partial W_{nm}} &= [i=n]\,x_{mb}\,\Rightarrow \,\mathrm{dW}_{ij}"
    assert short in EXAMPLES[0].latex


def test_a_notebook_gets_three_formats():
    bundle = EXAMPLES[0]._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "text/latex"}
    assert bundle["text/plain"] == PRODUCT
    assert "<msub><mi>W</mi>" in bundle["text/html"]


def test_letters_of_an_equation():
    assert letters_of(Contract(Ref("z", "ib"), (Ref("W", "ij"), Ref("x", "jb")))) == "ibj"
