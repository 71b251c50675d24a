"""The check of what tests print finds what is false, and says nothing of what is true."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from printed_truth import Recorder

from einbackprop.core.program import Bracket, Contract, Equation, Extremum, Factor, Map, Position, Ref, Sum, Update
from einbackprop.notation import index_notation, matrix_notation, numpy_code
from einbackprop.notation.explanation import explain
from einbackprop.notation.view import View

W, D, H = Ref("W", "kj"), Ref("d", "kb"), Ref("h", "jb")
MEAN = Contract(Ref("dW", "kj"), (D, H), factor=Factor.of(1, b=-1))
SQUARE = Map(Ref("s", "jb"), "power", (H,), Fraction(2))
PICKED = Bracket(Position.of("k"), "=", Position(pick=Ref("y", "b")))
WINDOW = Bracket(Position.of("p"), "=", Position(((Factor.of(2), "s"), (Factor.of(1), "r")), 1))
TRUE: dict[str, tuple[Equation, dict[str, Equation]]] = {
    "a mean": (MEAN, {}),
    "a sum that stands inside": (replace(MEAN, operands=(D, Ref("s", "jb"))), {"s": SQUARE}),
    "a logarithm": (Map(Ref("L", "kb"), "log", (D,)), {}),
    "a pick": (Contract(Ref("L"), (D,), (PICKED,), Factor.of(-1, b=-1)), {}),
    "a pick that stands inside": (
        Contract(Ref("L"), (D,), (PICKED,)),
        {"y": Extremum(Ref("y", "b"), Ref("p", "kb"), "max", "k")},
    ),
    "windows": (Contract(Ref("y", "sr"), (Ref("x", "p"),), (WINDOW,)), {}),
    "a write": (Update(Ref("g", "kb"), D, Ref("v", "b"), (PICKED,)), {}),
    "a write with a mask": (Update(Ref("g", "kb"), D, Ref("v", "b"), (), Ref("m", "kb")), {}),
    "a result that is called like what it reads": (Sum(Ref("W_2", "kj"), ((Factor.of(1), W), (Factor.of(-3), W))), {}),
}


def said(equation: Equation, inline: dict[str, Equation], **more: Any) -> list[str]:
    """What is said of an equation when it is printed."""
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(View, "within", recorder.recording(View.within))
        index_notation.equation_text(equation, View(inline=inline, **more))
        assert len(recorder.waiting) == 1
        return recorder.judged()


@pytest.mark.parametrize("case", TRUE)
def test_nothing_is_said_of_what_is_true(case: str) -> None:
    assert said(*TRUE[case], names={"W_2": "W"}) == []


def test_what_was_printed_before_is_not_judged_again() -> None:
    recorder = Recorder()
    for view in (View(), View(), View(names={"d": "delta"})):
        recorder.note(MEAN, view)
    assert len(recorder.waiting) == 2


def without_factor(equation: Contract, view: View) -> Any:
    return TEXT_OF_PRODUCT(replace(equation, factor=Factor()), view)


def turned(ref: Ref, view: View) -> Any:
    return TEXT_OF_NAME(replace(ref, indices=ref.indices[::-1]), view)


def other_order(self: numpy_code.Writer, equation: Contract) -> Any:
    first, second = equation.operands
    return CODE_OF_CONTRACTION(self, replace(equation, operands=(replace(first, indices=first.indices[::-1]), second)))


def transposed(self: matrix_notation.Operands, link: Any) -> Any:
    return TEXT_OF_LINK(self, replace(link, transposed=not link.transposed))


TEXT_OF_PRODUCT, TEXT_OF_NAME = index_notation.product, index_notation.named
CODE_OF_CONTRACTION, TEXT_OF_LINK = numpy_code.Writer.contraction, matrix_notation.Operands.name
MISTAKES: list[tuple[Any, str, Callable[..., Any], str]] = [
    (index_notation, "product", without_factor, "dW[k,j] = Σ_b d[k,b] h[j,b]"),
    (index_notation, "named", turned, "dW[k,j] = 1/B Σ_b d[b,k] h[b,j]"),
    (numpy_code.Writer, "contraction", other_order, 'einsum("bk,jb->kj", d, h) / d.shape[1]'),
    (matrix_notation.Operands, "name", transposed, "1/B dᵀ·h"),
]


@pytest.mark.parametrize(("where", "name", "wrong", "printed"), MISTAKES)
def test_a_mistake_in_what_prints_is_found(where: Any, name: str, wrong: Any, printed: str) -> None:
    """A lost factor, letters that change places, in the equation, the einsum line and the matrix form."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, wrong)
        faults = said(MEAN, {})
    assert printed in [fault.splitlines()[0] for fault in faults]


def test_a_letter_that_is_taken_for_another_in_what_stands_inside_is_found() -> None:
    """What is written numbers its entries by letters that no Σ announces: they must not stand around it."""
    twice = Bracket(Position.of("p"), "=", Position(((Factor.of(2), "s"),)))
    written = {"w": Update(Ref("w", "p"), Ref("x", "p"), Ref("v", "s"), (twice,))}
    product = Contract(Ref("y", "ps"), (Ref("w", "p"), Ref("z", "s")))
    assert said(product, written) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(View, "another", lambda self, letter, used: letter)
        assert said(product, written) != []


def test_explanations_are_judged() -> None:
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(View, "within", recorder.recording(View.within))
        str(explain("ij,jb->ib"))
        printed = {equation.out.name for equation, _ in recorder.waiting}
    assert printed == {"Z", "dA", "dB"}
