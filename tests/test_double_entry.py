"""Double entry: the literals that people wrote in network.py are the normal form of what the machine derives."""

import re
from pathlib import Path

import numpy as np
import pytest
from normal_forms import einsum_normal_form

from einbackprop import network
from einbackprop.capture.tracer import trace
from einbackprop.core.program import ONE, Contract, Program, Sum
from einbackprop.derivation.gradients import derive

COTANGENTS = (
    "dpredictions", "dW3", "dhid_2", "db3", "dz2", "dW2", "dhid_1", "db2", "dz1", "dW1", "db1",
)  # fmt: skip


def loss(parameters: list, X: np.ndarray, targets: np.ndarray) -> float:
    return network.squared_loss(network.forward(parameters, X)[-1], targets)


def backward(parameters: list, X: np.ndarray, targets: np.ndarray) -> list:
    return network.backward(network.forward(parameters, X), targets, parameters)


def lines(program: Program) -> dict[str, str]:
    """Each contraction by its name, in normal form; ones dropped, ``1 - h`` under one name, a number in its factor."""
    made = program.defining()
    ones = frozenset(
        e.out.name for e in program.equations if isinstance(e, Contract) and not e.operands and e.factor == ONE
    )
    called = {}
    for equation in program.equations:
        if isinstance(equation, Sum):
            terms = [(f.number, "" if r is None else r.name) for f, r in equation.terms]
            shown = [f"{n}{r if r in program.labels else called.get(r, r)}" for n, r in terms]
            called[equation.out.name] = "".join(shown)
    found = {}
    for equation in program.equations:
        if isinstance(equation, Contract) and equation.operands:
            factor = equation.factor
            refs = []
            for ref in equation.operands:
                inner = made.get(ref.name)
                if isinstance(inner, Contract) and not inner.operands and not ref.indices:
                    factor = factor * inner.factor
                else:
                    refs.append(type(ref)(called.get(ref.name, ref.name), ref.indices))
            found[equation.out.name] = einsum_normal_form(Contract(equation.out, tuple(refs), (), factor), ones)
    return found


def drawn() -> tuple:
    return network.initialize(3, 4, 4, 2, 5, np.random.default_rng(0))


@pytest.mark.parametrize("name", COTANGENTS)
def test_a_line_of_backward_is_the_derived_one(name: str) -> None:
    written, derived = lines(trace(backward, *drawn())), lines(derive(loss, *drawn()))
    assert written[name] == derived[name]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('einsum("lk,lb->kb", W3', 'einsum("kl,lb->kb", W3'),
        ('einsum("kb,jb->kj", dz2, hid_1)', 'einsum("kb,jb->kj", dhid_2, hid_1)'),
        ("1 - hid_1)", "1 + hid_1)"),
        ('einsum(",lb->lb", 1 / B', 'einsum(",lb->lb", 2 / B'),
    ],
    ids=range(4),
)
def test_a_wrong_literal_is_seen(before: str, after: str, tmp_path: Path) -> None:
    text = Path(network.__file__).read_text(encoding="utf-8")
    assert before in text
    file = tmp_path / "broken.py"
    head, tail = text.split("def deriv_squared_loss")
    tail = tail.replace(before, after)
    undeclared = re.sub(r"@declare_shapes[(](.|\n)*?[)]\n(?=def)", "", head + "def deriv_squared_loss" + tail)
    file.write_text(undeclared, encoding="utf-8")
    names: dict = {"__name__": "broken", "__file__": str(file)}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)
    square = network.initialize(4, 4, 4, 4, 5, np.random.default_rng(0))

    def broken(parameters: list, X: np.ndarray, targets: np.ndarray) -> list:
        return names["backward"](names["forward"](parameters, X), targets, parameters)

    written, derived = lines(trace(broken, *square)), lines(derive(loss, *square))
    assert any(written.get(name) != derived[name] for name in COTANGENTS)
