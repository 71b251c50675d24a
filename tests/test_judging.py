"""Which line is wrong: values are matched with what they are, lines judged on their own inputs, the rest follows."""

from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of

from einbackprop.capture.tracer import record_pair
from einbackprop.core.program import Contract, Factor, Map, Program, Ref, Sum
from einbackprop.diagnosis.aliases import is_alias, named_after, with_aliases
from einbackprop.diagnosis.blaming import judge
from einbackprop.diagnosis.judging import Judging
from einbackprop.diagnosis.orientation import oriented
from einbackprop.diagnosis.refitting import refit
from einbackprop.diagnosis.truth import Known, Matching, Truth, ratio, sized

SCRIPT = """\
import numpy as np


def loss(W, b, V, X, Y):
    h = np.tanh(X @ W + b)
    out = h @ V
    return 0.5 * np.sum((out - Y) ** 2) / len(X)


def gradients(W, b, V, X, Y):
    h = np.tanh(X @ W + b)
    out = h @ V
    dout = (out - Y) / len(X)
    dV = h.T @ dout
    dh = dout @ V.T
    dz = dh * (1 - h**2)
    db = dz.sum(axis=0)
    dW = X.T @ dz
    return dW, db, dV
"""
SHAPES = {"W": (3, 4), "b": (4,), "V": (4, 2), "X": (5, 3), "Y": (5, 2)}
SQUARE = dict.fromkeys(["W", "V", "X", "Y"], (4, 4)) | {"b": (4,)}
LINES = {"dout": 13, "dV": 14, "dh": 15, "dz": 16, "db": 17, "dW": 18}


def traced(edits: dict[str, str], shapes: dict[str, tuple[int, ...]] = SHAPES) -> tuple[Program, list[Any]]:
    """The loss and edited gradients traced together, and the arguments."""
    source = SCRIPT
    for before, after in edits.items():
        assert source.count(before) >= 1
        head, _, tail = source.rpartition(before)
        source = head + after + tail
    rng = np.random.default_rng(0)
    arguments = [rng.normal(size=shapes[name]) for name in SHAPES]
    module = module_of(source, "judged")
    return record_pair(module.loss, module.gradients, arguments).program, arguments


def judged(edits: dict[str, str], shapes: dict[str, tuple[int, ...]] = SHAPES) -> Judging:
    program, arguments = traced(edits, shapes)
    return judge(program, {1: "W", 2: "b", 3: "V"}, arguments, np.random.default_rng(1))


def verdicts(judging: Judging) -> dict[str, str]:
    """The verdict on each named step of the backward."""
    return {judging.program.labels.get(s.name, s.name): s.verdict for s in judging.steps}


def test_what_every_value_is() -> None:
    judging = judged({})
    labels = judging.program.labels
    roles = {labels.get(name): role for name, role in judging.original.items()}
    assert {labels.get(roles[name].known.of, roles[name].known.of) for name in ("dV", "dW", "db")} == {"V", "W", "b"}
    assert (roles["dout"].known.kind, labels[roles["dout"].known.of]) == ("cotangent", "out")
    assert (roles["dh"].known.kind, labels[roles["dh"].known.of]) == ("cotangent", "h")
    assert roles["h"].known.kind == "forward"
    assert set(verdicts(judging).values()) == {"right"}
    assert judging.fixed == {}


@pytest.mark.parametrize(
    ("before", "after", "wrong", "follows"),
    [
        ("dz = dh * (1 - h**2)", "dz = dh * (1 - h)", "dz", {"db", "dW"}),
        ("dout = (out - Y) / len(X)", "dout = out - Y", "dout", {"dV", "dh", "dz", "db", "dW"}),
        ("dW = X.T @ dz", "dW = -X.T @ dz", "dW", set()),
        ("dh = dout @ V.T", "dh = dout @ V.T / 2", "dh", {"dz", "db", "dW"}),
    ],
)
def test_one_mistake_is_wrong_and_what_comes_after_follows(
    before: str, after: str, wrong: str, follows: set[str]
) -> None:
    judging = judged({before: after})
    said = verdicts(judging)
    assert {name for name, verdict in said.items() if verdict == "wrong"} == {wrong}
    assert {name for name, verdict in said.items() if verdict == "follows"} == follows


def test_lines_are_judged_on_their_own_inputs() -> None:
    judging = judged({"dout = (out - Y) / len(X)": "dout = out - Y", "dW = X.T @ dz": "dW = 3 * X.T @ dz"})
    assert {name for name, verdict in verdicts(judging).items() if verdict == "wrong"} == {"dout", "dW"}


def test_a_transpose_that_sizes_hide_is_found_at_other_sizes() -> None:
    hidden = judged({"dh = dout @ V.T": "dh = dout @ V"}, SQUARE)
    assert {name for name, verdict in verdicts(hidden).items() if verdict == "wrong"} == {"dh"}
    distinct = [tuple(s.sizes.values()) for s in hidden.samples if not s.own_sizes]
    assert distinct
    assert all(len(set(sizes)) > 2 for sizes in distinct)


def test_a_right_rewriting_is_right() -> None:
    assert judged({"dz = dh * (1 - h**2)": "dz = dh - dh * h * h"}).fixed == {}


# Views and names


def test_what_a_name_says() -> None:
    values = ["hid_2", "W", "out"]
    assert [named_after(name, values) for name in ("dL_dhid_2", "grad_W", "dout", "delta", "dW2", "out")] == [
        "hid_2", "W", "out", "", "", ""]  # fmt: skip


def test_a_statement_that_only_gives_a_name_gets_an_equation() -> None:
    program, _ = traced({"dz = dh * (1 - h**2)": "dz = dh"})
    assert not any(is_alias(e) for e in program.equations)
    (alias,) = [e for e in with_aliases(program, [1, 2, 3]).equations if is_alias(e)]
    assert alias.source is not None
    assert (alias.source.line, alias.source.code) == (LINES["dz"], "dz = dh")
    judging = judged({"dz = dh * (1 - h**2)": "dz = dh"})
    assert [judging.made[name].source.line for name in judging.fixed] == [LINES["dz"]]


def test_a_value_that_is_left_transposed_is_turned_and_stays_what_it_is() -> None:
    program, arguments = traced({"dh = dout @ V.T": "dh = (V @ dout.T).T"})
    turned = oriented(program)
    before = next(e for e in program.equations if program.labels.get(e.out.name) == "dh")
    after = next(e for e in turned.equations if turned.labels.get(e.out.name) == "dh")
    assert after.out.indices == before.out.indices[::-1]
    judging = judge(program, {1: "W", 2: "b", 3: "V"}, arguments, np.random.default_rng(1))
    assert judging.fixed == {}


def test_where_another_value_is_returned_what_was_meant_is_judged_too() -> None:
    judging = judged({"return dW, db, dV": "return dW, db, V", "dV = h.T @ dout": "dV = 2 * h.T @ dout"})
    assert [target.parameter for target in judging.misplaced] == ["V"]
    assert [judging.program.labels[name] for name in judging.fixed] == ["dV"]


# Truth and matching


def test_a_value_is_matched_up_to_a_factor_and_the_order_of_axes() -> None:
    judging = judged({})
    out = judging.program.outputs[1].name
    arrays = [sample.yours[out] for sample in judging.samples]
    (role,) = judging.matching.roles(arrays)
    assert role.known == judging.truth.target("W")
    (scaled,) = judging.matching.roles([-3 * array.T for array in arrays])
    assert (scaled.known, scaled.factor, scaled.axes) == (role.known, Factor.of(-3), (1, 0))
    by_batch = [array * sample.sizes["b"] for array, sample in zip(arrays, judging.samples, strict=True)]
    (sized_role,) = judging.matching.roles(by_batch)
    assert sized_role.factor == Factor.of(1, b=1)
    assert judging.matching.roles([array + 0.1 for array in arrays]) == []
    assert judging.matching.roles([arrays[0], *(2 * array for array in arrays[1:])]) == []


def test_what_is_the_gradient_of_data_is_the_last_thing_that_a_value_is_taken_for() -> None:
    program, _ = traced({})
    kinds = [known.kind for known in Truth(program, ["W", "b", "V"]).known]
    assert kinds[-2:] == ["data", "data"]
    assert "data" not in [known.kind for known in Truth(program).known]


def test_a_ratio_is_one_number() -> None:
    a = np.array([[1.0, 2.0], [3.0, -4.0]])
    assert ratio(2.5 * a, a) == pytest.approx(2.5)
    assert ratio(a + 1e-3, a) is None
    assert ratio(a[:1], a) is None
    assert ratio(0 * a, a) is None


def test_a_factor_is_a_number_or_made_of_sizes() -> None:
    samples = judged({}).samples
    b = [sample.sizes["b"] for sample in samples]
    assert sized([0.5] * len(b), samples) == Factor.of(0.5)
    assert sized([1 / n for n in b], samples) == Factor.of(1, b=-1)
    assert sized([1.0, 2.7, 3.1][: len(b)], samples) is None


def test_matching_without_samples_knows_nothing() -> None:
    program, _ = traced({})
    assert Matching(Truth(program), []).roles([]) == []
    assert Known("dW", "cotangent", "W") != Known("dW", "data", "W")


# Values of another rank


def test_an_equation_is_refitted_to_operands_of_another_rank() -> None:
    product = Contract(Ref("t", "bj"), (Ref("d", "bj"), Ref("g", "j")))
    assert refit(product, {"d": 1}) == Contract(Ref("t", "j"), (Ref("d", "j"), Ref("g", "j")))
    square = Map(Ref("s", "j"), "power", (Ref("g", "j"),))
    grown = refit(square, {"g": 2})
    assert grown is not None
    assert len(grown.out.indices) == 2
    total = refit(Sum(Ref("s", "bj"), ((Factor(), Ref("a", "bj")), (Factor(), Ref("c", "j")))), {"a": 1})
    assert total is not None
    assert total.out.indices == "j"
    assert refit(Contract(Ref("y", "bk"), (Ref("a", "bj"), Ref("W", "jk"))), {"a": 1}) is None
