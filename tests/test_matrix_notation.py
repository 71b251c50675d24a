"""Matrix notation: golden forms and reasons, and random contractions evaluated as the matrices that they say."""

import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from einbackprop.core.program import ONE, Bracket, Contract, Factor, Position, Ref, Sum
from einbackprop.core.subscripts import parse
from einbackprop.notation.index_notation import View
from einbackprop.notation.latex import latex
from einbackprop.notation.matrix_notation import matrix_form, matrix_text, transpose_reason


def contract(subscripts, names="ABCDEF", factor=ONE):
    """The contraction that subscripts are, of operands A, B, C."""
    parsed = parse(subscripts, closed=True)
    return Contract(Ref("Z", parsed.output), tuple(map(Ref, names, parsed.inputs)), (), factor)


FORMS = {
    "ij,jb->ib": "A·B",
    "ib,jb->ij": "A·Bᵀ",
    "ij,ib->jb": "Aᵀ·B",
    "ij,jb->bi": "Bᵀ·Aᵀ",
    "ij,jk,kl->il": "A·B·C",
    "i,j->ij": "A·Bᵀ",
    "i,i->": "Aᵀ·B",
    "i,ij,j->": "Aᵀ·B·C",
    "ij,j->i": "A·B",
    "ij->ji": "Aᵀ",
    "ij->i": "A·1",
    "ij->j": "Aᵀ·1",
    "ij->": "1ᵀ·A·1",
    "i->": "1ᵀ·A",
    "k->kb": "A·1ᵀ",
    "->ij": "A 1·1ᵀ",
    "->ii": "A I",
    "ii->": "tr(A)",
    "ii->i": "diag(A)",
    "i->ii": "diag(A)",
    "ij,ji->": "tr(A·B)",
    "ij,ij->": "tr(A·Bᵀ)",
    "ij,ij->ij": "A ⊙ B",
    "ij,ji->ij": "A ⊙ Bᵀ",
    "lk,lb,kb,kb->kb": "(Aᵀ·B) ⊙ C ⊙ D",
    "i,ij->ij": "diag(A)·B",
    "ij,j->ij": "A·diag(B)",
    ",ij->ij": "A B",
    "i,i,jk->jk": "(Aᵀ·B) C",
    "bij,bjk->bik": "A·B for each b",
    "bhqd,bhkd->bhqk": "A·Bᵀ for each b, h",
    "ijk->ijk": "A",
    "ijk->kji": None,
    "ijji->j": None,
    "ijk,ijl->kl": None,
    "ij,ij,ij->i": None,
}


@pytest.mark.parametrize(("subscripts", "form"), FORMS.items())
def test_matrix_forms(subscripts, form):
    assert matrix_text(contract(subscripts)) == form


def test_factors_stand_in_front():
    assert matrix_text(contract("ij,ik->jk", factor=Factor.of(1, i=-1))) == "1/I Aᵀ·B"
    assert matrix_text(contract("ij,ij->ij", factor=Factor.of(Fraction(1, 2)))) == "½ (A ⊙ B)"
    assert matrix_text(contract("ij->ij", factor=-ONE)) == "-A"


def test_brackets_have_no_matrix_form():
    bracket = Bracket(Position.of("i"), "≤", Position.of("j"))
    assert matrix_text(Contract(Ref("Z", "ij"), (Ref("A", "ij"),), (bracket,))) is None


REASONS = {
    "ij,ib->jb": "A is summed over its first letter, i, so it stands transposed.",
    "ib,jb->ij": "B stands last and is summed over its second letter, b, so it stands transposed.",
    "ij->ji": "the result has A's letters the other way round, ji for ij, so it stands transposed.",
    "i,j->ij": "B has the result's last letter, j, so it stands as a row.",
    "i,i->": "A is summed over i with what follows it, so it stands as a row.",
    "ij,ki->kj": "B has k, the result's first letter, so it stands first.",
    "bij,bki->bkj": "B has k, the result's first letter after b, so it stands first.",
    "ij,jb->ib": None,
    "ij,ij->ij": None,
}


@pytest.mark.parametrize(("subscripts", "reason"), REASONS.items())
def test_reasons(subscripts, reason):
    assert transpose_reason(contract(subscripts)) == reason


def test_operands_can_be_shown_as_expressions():
    slope = Sum(Ref("u", "kb"), ((ONE, None), (-ONE, Ref("h2", "kb"))))
    equation = Contract(Ref("d2", "kb"), (Ref("W3", "lk"), Ref("d3", "lb"), Ref("h", "kb"), Ref("u", "kb")))
    view = View(names={"h": "h2"}, inline={"u": slope})
    assert matrix_text(equation, view) == "(W3ᵀ·d3) ⊙ h2 ⊙ (1 - h2)"


INSIDE = [
    # (what t is, the subscripts of A, t, the form)
    (Sum(Ref("t", "ij"), ((ONE, None), (-ONE, Ref("b", "ij")))), "ij,ij->ij", "A ⊙ (1 - b)"),
    (Sum(Ref("t", "ij"), ((ONE, Ref("c")), (-ONE, Ref("b", "ij")))), "ij,ij->ij", "A ⊙ (c - b)"),
    (Sum(Ref("t", "ij"), ((ONE, Ref("c", "j")), (-ONE, Ref("b", "ij")))), "ij,ij->ij", None),  # c is a row there
    (Contract(Ref("t", "ij"), (Ref("U", "ik"), Ref("V", "jk"))), "ij,ij->ij", "A ⊙ (U·Vᵀ)"),
    (Contract(Ref("t", "i"), (Ref("U", "ik"),)), "ij,i->ij", "diag((U·1))·A"),
    (Contract(Ref("t", "ij"), (Ref("c", "i"),)), "ij,ij->ij", None),  # nothing in it says how many columns
    (Contract(Ref("t", "bi"), (Ref("U", "bk"), Ref("V", "ik"))), "bij,bi->bj", None),  # U·Vᵀ is whole, not of one b
]  # fmt: skip


@pytest.mark.parametrize(("inner", "subscripts", "form"), INSIDE)
def test_values_inside_a_form_are_whole_arrays(inner, subscripts, form):
    assert matrix_text(contract(subscripts, "At"), View(inline={"t": inner})) == form


def test_latex_of_a_matrix_form():
    assert latex(matrix_form(contract("ij,ib->jb")).markup) == r"{A}^{\top}\cdot B"


# Random contractions, evaluated as the matrices that the form says: vectors are columns, 1 a column of ones.


def evaluated(form, arrays, out, sizes):
    """The value of a form without a batch, and without ones."""
    expression = re.sub(r"(?<=[\w)ᵀ]) (?=[\w(])", " * ", form)
    expression = expression.replace("·", " @ ").replace("⊙", "*").replace("ᵀ", ".T")
    columns = {name: a if a.ndim == 2 else a.reshape(-1, 1) if a.ndim else a for name, a in arrays.items()}
    columns |= {"tr": np.trace, "diag": lambda a: np.diag(a[:, 0]) if a.shape[1] == 1 else np.diag(a).reshape(-1, 1)}
    return np.asarray(eval(expression, columns)).reshape([sizes[i] for i in out])


SIZES = {"i": 2, "j": 3, "k": 4, "l": 5}


@st.composite
def chains(draw):
    """Terms of one or two letters, each letter in two of them or in one and the output, in any order and direction."""
    path = draw(st.permutations("ijkl"))[: draw(st.integers(2, 4))]
    terms = ["".join(pair) for pair in pairwise(path)]
    if draw(st.booleans()):
        terms.append(path[-1])
    terms += draw(st.lists(st.sampled_from([path[0], path[0] + path[-1], ""]), max_size=2))
    terms = [draw(st.sampled_from([term, term[::-1]])) for term in draw(st.permutations(terms))]
    out = "".join(draw(st.permutations(sorted({path[0], path[-1]}))))
    return terms, draw(st.sampled_from([out, path[0], ""]))


@given(chains(), st.integers(0, 99))
@example((["ij", "jk"], "ki"), 0)
def test_a_form_has_the_value_of_the_contraction(chain, seed):
    terms, out = chain
    equation = contract(f"{','.join(terms)}->{out}")
    form = matrix_text(equation)
    if form is None or "each" in form or "1" in form:
        return
    rng = np.random.default_rng(seed)
    arrays = {ref.name: rng.integers(-4, 5, [SIZES[i] for i in ref.indices]).astype(float) for ref in equation.operands}
    expected = np.einsum(f"{','.join(terms)}->{out}", *arrays.values())
    np.testing.assert_array_equal(evaluated(form, arrays, out, SIZES), expected)


def test_the_evaluation_of_forms_can_fail():
    arrays = {"A": np.arange(6.0).reshape(2, 3), "B": np.arange(8.0).reshape(2, 4)}
    with pytest.raises(ValueError, match="mismatch in its core dimension"):
        evaluated("A·B", arrays, "jk", SIZES)
    np.testing.assert_array_equal(evaluated("Aᵀ·B", arrays, "jk", SIZES), arrays["A"].T @ arrays["B"])
