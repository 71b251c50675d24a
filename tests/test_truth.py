"""What is printed is true: drawn formulas in every notation, read back from their text alone and evaluated."""


from itertools import permutations
from random import Random

import pytest
from drawn_formulas import Drawn, drawn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from printed_truth import faults
from truth import einsum_fault, equation_fault, matrix_fault, persistent

from einbackprop.core.program import Contract, Ref
from einbackprop.errors import FunctionError, RangeError
from einbackprop.notation.index_notation import equation_markup
from einbackprop.notation.latex import latex
from einbackprop.notation.markup import Markup, Power, Quotient, Raised, Root, Words, mathml
from einbackprop.notation.matrix_notation import matrix_text
from einbackprop.notation.view import View

MANY = settings(max_examples=6 * settings.get_profile(settings.get_current_profile_name()).max_examples)
"""Six times as many as elsewhere: one takes two milliseconds."""


@st.composite
def cases(draw) -> Drawn:
    """A drawn formula; one that NumPy cannot evaluate is none."""
    randoms = st.randoms(use_true_random=False) | st.builds(Random, st.integers(0, 2**32))
    try:
        return drawn(draw(randoms))
    except (FunctionError, RangeError, ValueError, OverflowError):  # a complex number where there is no order
        assume(False)
        raise


@pytest.mark.slow
@MANY
@given(cases())
def test_equations_have_the_value_that_they_say(case):
    assert persistent(case, equation_fault) == ""


@pytest.mark.slow
@MANY
@given(cases())
def test_einsum_lines_can_be_pasted_and_give_the_value(case):
    assert persistent(case, einsum_fault) == ""


@pytest.mark.slow
@MANY
@given(cases())
def test_matrix_forms_have_the_value_that_they_say(case):
    assert persistent(case, matrix_fault) == ""


@pytest.mark.slow
def test_a_matrix_in_two_roles_of_a_product_is_one_matrix() -> None:
    """``x[i,j] x[k,i]`` for each i would be a row of x and a column of it, by one name."""
    pairs, threes = (["".join(p) for p in permutations("ijkl", count)] for count in (2, 3))
    shown = 0
    for one, other in (("ij", "ij"), ("ij", "jk"), ("ij", "kj"), *(("ijk", other) for other in threes)):
        for out in ("", "i", "k", *pairs):
            if set(out) <= set(one + other):
                contract = Contract(Ref("y", out), (Ref("x", one), Ref("x", other)))
                view = View(names={}, inline={}, sizes={"i": 2, "j": 3, "k": 4, "l": 5})
                assert [*faults(contract, view)] == []
                shown += matrix_text(contract, view) is not None
    assert shown > 50


def signs(markup: Markup) -> int:
    """How many parentheses and brackets stand in a formula, fractions and roots aside."""
    total = 0
    for part in markup:
        match part:
            case str(text) | Words(text) | Ref(text):
                total += sum(text.count(sign) for sign in "([")
            case Raised(body) | Root(body):
                total += signs(body)
            case Quotient(over, under) | Power(over, under):
                total += signs(over) + signs(under)
    return total


@given(cases())
def test_latex_and_mathml_keep_the_parentheses_of_a_formula(case):
    markup = equation_markup(case.equation, case.view)
    for shown in (latex(markup), mathml(markup, lambda letter: "red")):
        assert sum(shown.count(sign) for sign in "([") == signs(markup)
