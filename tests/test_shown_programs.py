"""Programs and compiled functions as they are shown: in a terminal, in a notebook, and in LaTeX."""

import io
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn_programs import programs
from hostile import NAMES, is_safe
from hypothesis import given

import einbackprop as eb
from einbackprop.core.program import Contract, Dimension, Input, Program, Ref
from einbackprop.emission.writing import inlined
from einbackprop.notation.display import fitted


def loss(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.sum(np.tanh(W @ x) ** 2) / x.shape[1]


W, x = np.ones((3, 4)), np.ones((4, 5))


def test_a_derived_program_is_its_equations() -> None:
    assert str(eb.derive(loss, W, x)).splitlines()[2:] == [
        "Takes W[j,i], x[i,b]:",
        "    t1[j,b] = Σ_i W[j,i] x[i,b]",
        "    t2[j,b] = tanh(t1[j,b])",
        "",
        "Derived:",
        "    t2_squared[j,b] = t2[j,b] t2[j,b]",
        "           dt1[j,b] = 2/B t2[j,b] (1 - t2_squared[j,b])",
        "            dW[j,i] = Σ_b dt1[j,b] x[i,b]",
        "",
        "Returns dW[j,i].",
    ]
    assert repr(eb.derive(loss, W, x)) == "<program: W[j,i], x[i,b] → dW[j,i], 6 equations>"


def test_a_program_of_many_inputs_has_a_short_repr() -> None:
    program = eb.trace(lambda parts: sum(parts), [np.ones(2) for _ in range(40)])
    assert "and 34 more → " in repr(program)
    assert len(repr(program)) < 200


@given(programs())
def test_every_equation_is_shown_in_every_format(drawn: tuple[Program, list[np.ndarray]]) -> None:
    program, _ = drawn
    bundle = program._repr_mimebundle_()
    assert bundle["text/plain"] == str(program)
    inside = inlined(program)
    shown = [equation for equation in program.equations if equation.out.name not in inside]
    assert str(program).count(" = ") >= len(shown)
    root = ElementTree.fromstring(f"<p>{bundle['text/html']}</p>")
    assert len([e for e in root.iter() if e.get("class") == "right"]) == len(shown)
    assert bundle["text/latex"].count(r"\begin{aligned}") == bundle["text/latex"].count(r"\end{aligned}")
    assert len(repr(program).splitlines()) == 1


def test_any_name_is_shown_safely() -> None:
    for name in NAMES:
        ref = Ref(name or "x", "i")
        program = Program((Input(ref),), (Contract(Ref("y" + name, ""), (ref, ref)),), (Ref("y" + name, ""),),
                          (Dimension("i", 3, name),))  # fmt: skip
        for text in (str(program), repr(program), *program._repr_mimebundle_().values()):
            assert is_safe(text), ascii(name)


def test_a_compiled_function_shows_its_plan() -> None:
    compiled = eb.compile(eb.value_and_grad(loss), W, x)
    assert str(compiled) == str(compiled.plan)
    bundle = compiled._repr_mimebundle_()
    assert bundle == compiled.plan._repr_mimebundle_()
    assert bundle["text/plain"] == str(compiled)
    root = ElementTree.fromstring(f"<p>{bundle['text/html']}</p>")
    assert len(list(root.iter("tr"))) == 1 + len(compiled.plan.steps)
    said = "".join(root.itertext())
    assert all(step.equation in said and step.word in said for step in compiled.plan.steps)


def test_the_table_of_a_plan_fits_a_terminal() -> None:
    def long(a_name: np.ndarray, another_name: np.ndarray) -> np.ndarray:
        return np.sum(a_name * another_name * np.exp(a_name) * np.tanh(another_name) * (a_name + another_name) ** 3)

    plan = eb.compile(eb.grad(long), np.ones((3, 4)), np.ones((3, 4))).plan
    rows = str(plan).splitlines()
    assert max(map(len, rows)) <= 100
    assert any(row.startswith("    ") for row in rows)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_texts_fit_the_terminal_they_are_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(W: np.ndarray, x: np.ndarray) -> np.ndarray:
        return 2 * np.tanh(W @ x) * (1 + np.tanh(W @ x) ** 2) @ x.T / x.shape[1]

    shown = [eb.read(loss, W, x), eb.explain("ij,jb->ib"), eb.check(loss, wrong, W, x)]
    plan = eb.compile(eb.grad(loss), W, x).plan
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    for columns, widest in ((60, 60), (100, 100), (250, 100), (10, 60)):
        monkeypatch.setenv("COLUMNS", str(columns))
        for one in shown:
            assert max(map(len, repr(one).splitlines())) <= widest, one
        with fitted():
            assert max(map(len, str(plan).splitlines())) <= max(widest, 62)
    assert max(len(row) for one in shown for row in str(one).splitlines()) > 60  # a file has 100
