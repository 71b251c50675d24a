"""NOTES.md and network.py say the same, and each formula follows from the one before it."""

import ast
import doctest
from pathlib import Path

import pytest
from reading import Letters, check_derivations, is_call

from einbackprop import network

SOURCE = Path(network.__file__).read_text(encoding="utf-8")
NOTES = (Path(__file__).parent.parent / "NOTES.md").read_text(encoding="utf-8")
EXERCISE = NOTES.split("\n## 2. ")[1].split("\n## ")[0]


def code_of(text):
    """The statements of a text's doctests, without their comments."""
    return "".join(example.source for example in doctest.DocTestParser().get_examples(text))


def einsums_of(source):
    """Every einsum, in order, as text."""
    calls = [node for node in ast.walk(ast.parse(source)) if is_call(node, "einsum")]
    return [
        ast.unparse(call) for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset))
    ]


def equations_of(text):
    """The forward equations and the partial derivatives, each as often as it occurs as a comment."""
    lines = [line.strip().removeprefix(">>> ") for line in text.splitlines()]
    return {line.split("   ")[0] for line in lines if line.startswith("# ") and " = " in line}


def test_notes_and_network_have_the_same_einsums():
    functions = {
        node.name: ast.unparse(node)
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.FunctionDef)
    }
    order = ["forward", "squared_loss", "deriv_squared_loss", "backward"]
    expected = [text for name in order for text in einsums_of(functions[name])]
    assert einsums_of(code_of(EXERCISE)) == expected
    assert len(expected) == 18
    assert len(einsums_of(SOURCE)) == 18  # none elsewhere


def test_every_line_of_the_notes_follows_from_the_partial_derivative_above_it():
    text = EXERCISE.replace(">>> ", "")
    assert check_derivations(text, Letters(SOURCE)) == 10


def test_formulas_of_network_stand_in_the_notes():
    def backward_formulas(text):
        return {line for line in equations_of(text) if line.startswith(("# d", "# ∂"))}

    in_backward = backward_formulas(SOURCE.split("\ndef backward(")[1])
    assert len(in_backward) == 20
    assert in_backward <= backward_formulas(EXERCISE)
    in_forward = equations_of(SOURCE.split("\ndef forward(")[1].split("\ndef ")[0])
    assert len(in_forward) == 3
    assert in_forward <= equations_of(EXERCISE)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"lk,lb->kb", W3, dpredictions', '"kl,lb->kb", W3, dpredictions'),
        ('"lk,lb->kb", W3, dpredictions', '"lk,lb->kb", dpredictions, W3'),
        ('>>> db2 = einsum("kb,b->k", dz2, ones)\n', ""),
    ],
)
def test_another_einsum_in_the_notes_would_be_seen(right, wrong):
    assert right in EXERCISE
    assert einsums_of(code_of(EXERCISE.replace(right, wrong))) != einsums_of(code_of(EXERCISE))
