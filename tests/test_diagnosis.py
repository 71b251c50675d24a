"""The name of the mistake: each kind of edit, its line, its sentence, what is expected, what to write."""

from collections import Counter

import numpy as np
import pytest
from library import GENERATED
from mutant_outcomes import module_of
from test_judging import SHAPES, SQUARE, judged, traced

from einbackprop.checking.records import Finding
from einbackprop.checking.solving import check
from einbackprop.core.program import Contract, Factor, Map, Ref, Source, Sum
from einbackprop.diagnosis import edits
from einbackprop.diagnosis.explaining import Diagnosis, Mistake, explain_mistakes
from einbackprop.diagnosis.orientation import ends_in_transpose
from einbackprop.diagnosis.search import Search, Surroundings


def findings(changes: dict[str, str], shapes: dict[str, tuple[int, ...]] = SQUARE) -> tuple[Finding, ...]:
    program, arguments = traced(changes, shapes)
    return explain_mistakes(program, {1: "W", 2: "b", 3: "V"}, arguments, np.random.default_rng(1))[1]


ONE_EDIT = [
    ("dh = dout @ V.T", "dh = dout @ V", 15, "V must be transposed here: its axes stand the wrong way round.",
     "dh[b,j] = Σ_k dout[b,k] V[j,k]", "dh = dout @ V.T"),
    ("dW = X.T @ dz", "dW = X.T @ dh", 18, "dz must stand here, not dh.",
     "dW[i,j] = Σ_b X[b,i] dz[b,j]", "dW = X.T @ dz"),
    ("dW = X.T @ dz", "dW = -X.T @ dz", 18, "the sign is wrong.",
     "dW[i,j] = Σ_b X[b,i] dz[b,j]", "dW = X.T @ dz"),
    ("dz = dh * (1 - h**2)", "dz = dh * (1 - h**3)", 16, "the exponent 3 should be 2.",
     "dz[b,j] = dh[b,j] (1 - h[b,j]²)", "dz = dh * (1 - h ** 2)"),
    ("dz = dh * (1 - h**2)", "dz = dh", 16, "the derivative of the tanh that makes h is missing: multiply by 1 -",
     "dz[b,j] = dh[b,j] (1 - h[b,j] h[b,j])", "dz = dh * (1 - h * h)"),
    ("dz = dh * (1 - h**2)", "dz = dh * (1 - h)", 16,
     "1 - h[b,j] is not the derivative of the tanh that makes h: 1 - h[b,j] h[b,j] is.",
     "dz[b,j] = dh[b,j] (1 - h[b,j] h[b,j])", None),
    ("dz = dh * (1 - h**2)", "dz = dh * (1 + h**2)", 16, "the sign is wrong.",
     "dz[b,j] = dh[b,j] (1 - h[b,j]²)", "dz = dh * (1 - h ** 2)"),
    ("dz = dh * (1 - h**2)", "dz = dh * h * (1 - h**2)", 16, "the factor h is too much.",
     "dz[b,j] = dh[b,j] (1 - h[b,j]²)", "dz = dh * (1 - h ** 2)"),
    ("dz = dh * (1 - h**2)", "dz = dh * (1 - np.tanh(h)**2)", 16, "h must stand here, not tanh(h[b,j]).",
     "dz[b,j] = dh[b,j] (1 - h[b,j]²)", None),
    ("dV = h.T @ dout", "dV = h.T @ dout + 0.1 * V", 14, "the term 0.1 V[j,k] is too much.",
     "dV[j,k] = Σ_b h[b,j] dout[b,k]", "dV = h.T @ dout"),
    ("dV = h.T @ dout", "dV = (h.T @ dout).T", 14, "dV must be transposed here",
     "dV[j,k] = Σ_b h[b,j] dout[b,k]", "dV = h.T @ dout"),
    ("db = dz.sum(axis=0)", "db = dz.mean(axis=0)", 17, "a mean where a sum is needed: it is divided by B",
     "db[j] = Σ_b dz[b,j]", None),
    ("db = dz.sum(axis=0)", "db = dz.sum(axis=1)", 17, "you sum over j; it must be over b.",
     "db[j] = Σ_b dz[b,j]", "db = dz.sum(axis=0)"),
    ("dout = (out - Y) / len(X)", "dout = out - Y", 13, "the factor 1/B is missing (B is the size of b).",
     "dout[b,k] = 1/B out[b,k] - 1/B Y[b,k]", "dout = (out - Y) / out.shape[0]"),
    ("dout = (out - Y) / len(X)", "dout = out / len(X)", 13, "a term is missing: - 1/B Y.",
     "dout[b,k] = 1/B out[b,k] - 1/B Y[b,k]", None),
    ("return dW, db, dV", "return dW, db, dV.T", 19, "dV must be transposed here", "∂L/∂V[j,k] = dV[j,k]", None),
    ("return dW, db, dV", "return dW, db, V", 19, "V, returned as the gradient of V, is not ∂L/∂V; dV is.",
     "∂L/∂V[j,k] = dV[j,k]", None),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "line", "said", "expected", "write"), ONE_EDIT, ids=lambda x: str(x)[:24])
def test_each_kind_of_mistake_is_named(
    before: str, after: str, line: int, said: str, expected: str, write: str | None
) -> None:
    (finding,) = findings({before: after})
    assert finding.line == line
    assert finding.message.startswith(said)
    assert finding.expected is not None
    assert finding.expected.split("\n")[0] == expected
    assert finding.yours != finding.expected
    if write is not None:
        assert finding.write == write


def test_correct_code_has_no_finding() -> None:
    assert findings({}) == ()
    assert findings({"dz = dh * (1 - h**2)": "dz = dh * (1 - h) * (1 + h)"}) == ()
    assert findings({}, SHAPES) == ()


@pytest.mark.parametrize("after", ["np.abs(out - Y) / len(X)", "np.exp(out) * Y"])
def test_where_no_small_edit_explains_it_nothing_is_claimed(after: str) -> None:
    (finding,) = findings({"dout = (out - Y) / len(X)": f"dout = {after}"})
    assert finding.message == "dout is not ∂L/∂out; expected is what ∂L/∂out is."
    assert finding.write is None
    assert finding.expected is not None
    assert finding.expected.startswith("dout[b,k] = 1/B (out[b,k] - Y[b,k])")


def test_an_updated_weight_is_named_as_one() -> None:
    update = "    V -= 0.1 * (h.T @ dout)\n    dh = dout @ V.T"
    found = findings({"    dh = dout @ V.T": update})
    assert found
    assert "V was changed before this line; the gradient needs V as the forward used it." in found[0].message


def test_what_the_loss_itself_runs_is_trusted() -> None:
    (script,) = (s for s in GENERATED if s.name == "lstm")
    module = module_of(script.source.replace("dzo = do * o * (1 - o)", "dzo = do * o + (1 - o)"), "cell")
    arguments = module.build(np.random.default_rng(0), script.equal)
    (finding,) = check(module.loss, module.gradients, *arguments, wrt=(0, 1, 2, 3, 6)).findings
    assert finding.line == 41  # and not the sigmoid, nor another line of the step, which the backward runs again


@pytest.mark.parametrize(
    ("before", "after", "expected", "write"),
    [
        ("(guess - truth) / truth.shape[-1]", "guess - truth", None, "return (guess - truth) / truth.shape[1]"),
        ("d_guess = deriv_cost(guess, truth)", "d_guess = -deriv_cost(guess, truth)",
         "d_guess[l,b] = 1/B (guess[l,b] - truth[l,b])", None),
    ],
)  # fmt: skip
def test_what_a_line_cannot_see_is_not_named_on_it(before: str, after: str, expected: str, write: str) -> None:
    (script,) = (s for s in GENERATED if s.name == "columns")
    module = module_of(script.source.replace(before, after).replace("guess = W3", "out = W3").replace(
        "return [X, one, two, guess]", "return [X, one, two, out]"), "columns")  # fmt: skip
    arguments = module.build(np.random.default_rng(0), script.equal)
    (finding,) = check(module.loss, module.gradients, *arguments, wrt=0).findings
    assert write is None or finding.write == write  # n is another function's
    assert expected is None or (finding.expected or "").split("\n")[0] == expected  # and so is out


def test_the_other_side_of_a_mask_is_said_in_signs_and_once() -> None:
    (script,) = (s for s in GENERATED if s.name == "rows")
    module = module_of(script.source.replace("dh2 * (z2 > 0)", "dh2 * (z2 < 0)"), "mask")
    arguments = module.build(np.random.default_rng(0), script.equal)
    (finding,) = check(module.loss, module.gradients, *arguments, wrt=tuple(range(6))).findings
    assert finding.message == "< should be >."  # and not: or >=, which differs at 0 only


def test_several_mistakes_are_several_findings() -> None:
    found = findings({"dout = (out - Y) / len(X)": "dout = out - Y", "dW = X.T @ dz": "dW = X.T @ dh"})
    assert [finding.line for finding in found] == [13, 18]
    assert found[1].message == "dz must stand here, not dh."


def test_edits_that_are_as_small_are_told() -> None:
    mistake = Mistake(None, "the sign is wrong.", None, None, None, ("in line 3, the sign is wrong",))
    assert mistake.finding().message == "the sign is wrong. Just as small: in line 3, the sign is wrong."
    (finding,) = findings({"dW = X.T @ dz": "dW = -X.T @ dz"})
    assert finding.message == "the sign is wrong."  # and not: X must stand here, not -X


SOFTMAX = "dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))"


def of_softmax(after: str) -> Finding:
    """What is said of an attention head whose softmax goes back otherwise."""
    (script,) = (s for s in GENERATED if s.name == "attention")
    assert SOFTMAX in script.source
    module = module_of(script.source.replace(SOFTMAX, after), "head")
    arguments = module.build(np.random.default_rng(0), script.equal)
    (finding,) = check(module.loss, module.gradients, *arguments, wrt=(0, 1, 2, 3)).findings
    assert finding.line == 33
    return finding


def test_the_cross_term_of_a_softmax_is_named() -> None:
    finding = of_softmax("dS = A * dA")
    assert finding.message == "the cross term of the softmax is missing: - Σ_n A[b,m] A[b,n] dA[b,n]."


def test_the_derivative_of_a_softmax_is_expected_in_its_output() -> None:
    finding = of_softmax("dS = A * (1 - A) * dA")
    assert (finding.expected or "").startswith("dS[b,m] = A[b,m] (dA[b,m] - Σ_n A[b,n] dA[b,n])\n")


def test_a_sum_within_a_line_over_the_wrong_axis() -> None:
    finding = of_softmax(SOFTMAX.replace("axis=1", "axis=0"))
    assert finding.message == "you sum over b; it must be over m."
    assert finding.write == SOFTMAX.replace("axis=1", "axis=0").replace("axis=0", "axis=1")


def test_an_edit_that_is_told_makes_everything_right() -> None:
    judging = judged({"dh = dout @ V.T": "dh = dout @ V"}, SQUARE)
    (name,) = judging.fixed
    search = Search(judging, Surroundings(judging), name)
    explanation = search.explain()
    assert explanation.edits
    for edit in explanation.edits:
        assert search.works(edit)
        assert not judging.wrong(judging.rerun(judging.first, {}, edit.by_name))
    assert not search.works(edits.Edit("scale", (judging.made[name],)))  # the line as it stands


def test_lines_say_what_they_are_and_what_follows() -> None:
    diagnosis = Diagnosis(judged({"dh = dout @ V.T": "dh = 2 * dout @ V.T"}))
    said = {line.line: (line.verdict, line.meaning) for line in diagnosis.lines()}
    assert said[14] == ("right", "∂L/∂V")
    assert said[15] == ("wrong", "∂L/∂h")
    assert said[16][0] == "follows"
    assert [line for line, (verdict, _) in said.items() if verdict == "follows"] == [16, 17, 18]


# Edits of one equation


PRODUCT = Contract(Ref("z", "kb"), (Ref("W", "kj"), Ref("h", "jb")))


def test_every_operand_and_the_result_can_be_transposed() -> None:
    shown = {(edit.old, edit.edited.out.indices) for edit in edits.transposed(PRODUCT)}
    assert shown == {("W", "kb"), ("h", "kb"), ("", "bk")}


def test_an_operand_is_replaced_only_where_sizes_meet() -> None:
    values = {"W": np.ones((4, 3)), "h": np.ones((3, 5)), "z": np.ones((4, 5)), "V": np.ones((4, 3)), "x": np.ones(7)}
    made = [edit.edited.operands for edit in edits.with_operand_replaced(PRODUCT, ["V", "x"], values)]
    assert (Ref("V", "kj"), Ref("h", "jb")) in made
    assert (Ref("W", "kj"), Ref("x", "b")) in made  # b is any size where h alone brings it
    assert not any(ref == Ref("x", "j") for refs in made for ref in refs)


def test_other_letters_functions_exponents_and_factors() -> None:
    kinds = Counter(edit.edited.out.indices for edit in edits.with_other_letters(PRODUCT, True))
    assert {"jb", "kj", "b", "k", "jkb"} <= set(kinds)
    power = Map(Ref("s", "j"), "power", (Ref("h", "j"),), Factor.of(2).number)
    assert {edit.new for edit in edits.with_other_function(power, [])} >= {"3", "1", "-1", "1/2"}
    tanh = Map(Ref("s", "j"), "tanh", (Ref("h", "j"),))
    assert "sigmoid" in {edit.new for edit in edits.with_other_function(tanh, [])}
    total = Sum(Ref("s", "j"), ((Factor(), Ref("a", "j")), (Factor(), Ref("c", "j"))))
    gone = edits.with_term_scaled(total, 1, Factor.of(0))
    assert (gone.kind, gone.edited) == ("drop term", Sum(Ref("s", "j"), ((Factor(), Ref("a", "j")),)))
    scaled = edits.scaled_by(PRODUCT, Factor.of(-1))
    assert scaled is not None
    assert scaled.edited == Contract(PRODUCT.out, PRODUCT.operands, (), Factor.of(-1))


def test_what_ends_in_a_transpose(tmp_path) -> None:
    file = tmp_path / "lines.py"
    file.write_text("a = (b @ c).T\na = b.T @ c\na = (b @ c).transpose()\na = b.T\n", encoding="utf-8")
    assert [ends_in_transpose(Source(str(file), n, "")) for n in (1, 2, 3, 4)] == [True, False, True, False]


def scaled_loss(W, b, x):
    return np.sum((W @ x * b) ** 2) / 2


def twice_its_gradient(W, b, x):
    dz = W @ x * b
    return (2 * dz * b) @ x.T


def test_the_einsum_of_a_finding_takes_arrays_as_the_user_has_them() -> None:
    """An axis of size 1 that has no letter is not there for einsum."""
    report = check(scaled_loss, twice_its_gradient, np.ones((2, 3)), np.ones((2, 1)), np.ones((3, 4)))
    assert 'einsum("jb,j,ib->ji", dz, b[:, 0], x)' in str(report)
