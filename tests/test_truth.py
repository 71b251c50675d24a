"""What is printed is true: drawn formulas in every notation, read back from their text alone and evaluated."""


from drawn_formulas import Drawn, drawn
from hypothesis import assume, given
from hypothesis import strategies as st
from truth import einsum_fault, equation_fault, matrix_fault, persistent

from einbackprop.errors import FunctionError, RangeError


@st.composite
def cases(draw) -> Drawn:
    """A drawn formula; one that NumPy cannot evaluate is none."""
    try:
        return drawn(draw(st.randoms(use_true_random=False)))
    except (FunctionError, RangeError, ValueError, OverflowError):  # a complex number where there is no order
        assume(False)
        raise


@given(cases())
def test_equations_have_the_value_that_they_say(case):
    assert persistent(case, equation_fault) == ""


@given(cases())
def test_einsum_lines_can_be_pasted_and_give_the_value(case):
    assert persistent(case, einsum_fault) == ""


@given(cases())
def test_matrix_forms_have_the_value_that_they_say(case):
    assert persistent(case, matrix_fault) == ""
