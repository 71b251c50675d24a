"""Statements that are judged by their names: what is at fault where ``dz`` is not the gradient of z, and its operands
are right. And edits that such statements were found to need."""

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of

from einbackprop import check
from einbackprop.capture import tracer
from einbackprop.checking import mistakes
from einbackprop.checking.reports import Report
from einbackprop.checking.shrinking import cost_at
from einbackprop.diagnosis import diagnose, named_values, search
from einbackprop.diagnosis.diagnose import Roles
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.repair import Round
from einbackprop.diagnosis.suspects import Suspect
from einbackprop.diagnosis.trying import is_expected
from einbackprop.rerolling.rolling import Rerolling

rng = np.random.default_rng(0)
BLOCKS = """\
import numpy as np


def block(x, W, V):
    gate, up = x @ W, x @ V
    s = 1 / (1 + np.exp(-gate))
    silu = gate * s
    h = silu * up
    return h + x, (x, gate, up, s, silu)


def block_backward(dout, W, V, cache):
    x, gate, up, s, silu = cache
    dsilu = dout * up
    dup = dout * silu
    dgate = dsilu * s * (1 + gate * (1 - s))
    dx = dout + dgate @ W.T + dup @ V.T
    return dx, x.T @ dgate, x.T @ dup


def loss(W, V, x, C):
    for _ in range(2):
        x, _ = block(x, W, V)
    return np.sum(C * x)


def gradients(W, V, x, C):
    caches = []
    for _ in range(2):
        x, cache = block(x, W, V)
        caches.append(cache)
    d, DW, DV = C, 0, 0
    for cache in reversed(caches):
        d, w, v = block_backward(d, W, V, cache)
        DW, DV = DW + w, DV + v
    return DW, DV


def part(one, other):
    return one * other
"""
RECURRENT = """\
import numpy as np


def loss(W, xs):
    h, c = np.zeros(3), np.zeros(3)
    for x in xs:
        z = np.concatenate((h, x))
        c = c * np.tanh(x.sum()) + np.tanh(W @ z)
        h = np.sin(c)
    return np.sum(h)


def gradients(W, xs):
    H = 3
    h, c, kept = np.zeros(H), np.zeros(H), []
    for x in xs:
        z = np.concatenate((h, x))
        c = c * np.tanh(x.sum()) + np.tanh(W @ z)
        h = np.sin(c)
        kept.append((z, c))
    dW, dh, dc = np.zeros_like(W), np.ones(H), np.zeros(H)
    for t in reversed(range(len(xs))):
        z, c = kept[t]
        before = kept[t - 1][1] if t > 0 else np.zeros(H)
        dc = dc + dh * np.cos(c)
        da = dc * (1 - (c - before * np.tanh(xs[t].sum())) ** 2)
        dW += np.outer(da, z)
        dc = dc * np.tanh(xs[t].sum())
        dz = W.T @ da
        dh = dz[:H]
    return dW
"""
EMBEDDINGS = """\
import numpy as np


def part(index, theta, size):
    return theta[index * size : (index + 1) * size]


def loss(theta, C):
    size = len(theta) // 2 // len(C)
    total = 0.0
    for i in range(len(C)):
        for j in range(len(C)):
            slope = (2 / (1 + np.exp(-C[i, j])) - 1) * np.cosh(C[i, j])
            total += slope * part(i, theta, size) @ part(j + len(C), theta, size)
    return total


def gradients(theta, C):
    size = len(theta) // 2 // len(C)
    g = np.zeros_like(theta)
    for i in range(len(C)):
        for j in range(len(C)):
            u, v = part(i, theta, size), part(j + len(C), theta, size)
            weight = 1 / (1 + np.exp(-C[i, j]))
            of_u = (2 * weight - 1) * v * np.cosh(C[i, j])
            of_v = (2 * weight - 1) * u * np.cosh(C[i, j])
            g[i * size : (i + 1) * size] += of_u
            j += len(C)
            g[j * size : (j + 1) * size] += of_v
    return g
"""
NORM = """\
import numpy as np


def loss(x, C, eps):
    mu, var = x.mean(axis=0), x.var(axis=0)
    return np.sum(C * (x - mu) / np.sqrt(var + eps))


def gradients(x, C, eps):
    N = len(x)
    mu, var = x.mean(axis=0), x.var(axis=0)
    dvar = np.sum(C * (x - mu) * -0.5 / np.sqrt(var + eps) ** 3, axis=0)
    dmu = np.sum(-C / np.sqrt(var + eps), axis=0)
    dx = C / np.sqrt(var + eps) + dvar * 2 * (x - mu) / N + dmu / N
    return dx
"""


def wrong(source: str, right: str, instead: str) -> SimpleNamespace:
    """A module with a mistake."""
    assert source.count(right) == 1
    return module_of(source.replace(right, instead), "named")


def of_blocks(right: str, instead: str) -> Report:
    """The report of two blocks of one function, with a mistake."""
    assert BLOCKS.count(right) == 1
    return of_blocks_in(BLOCKS.replace(right, instead))


def of_blocks_in(source: str) -> Report:
    module = module_of(source, "blocks")
    W, V, x, C = (rng.standard_normal(shape) for shape in ((3, 3), (3, 3), (4, 3), (4, 3)))
    return check(module.loss, module.gradients, W, V, x, C, wrt=(0, 1))


def test_a_statement_of_a_function_that_is_called_twice_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    own = search.of_promised_value

    def recorded(round_: Round) -> Repair | None:
        found = own(round_)
        seen.append(round_.misnamed and round_.misnamed.site.target)
        return found

    monkeypatch.setattr(search, "of_promised_value", recorded)
    (finding,) = of_blocks("dsilu * s * (1 + gate * (1 - s))", "dsilu * s * (1 - gate * (1 - s))").findings
    assert seen == ["dgate"]
    assert finding.write == "dgate = dsilu * s * (1 + gate * (1 - s))"


def test_where_no_edit_repairs_it_is_written_from_the_derivative() -> None:
    (finding,) = of_blocks("dsilu * s * (1 + gate * (1 - s))", "dsilu * s * (1 - s)").findings
    assert finding.write == "dgate = dsilu * s + gate * dsilu * s * (1 - s)"


def test_what_is_at_fault_is_named_where_nothing_repairs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "of_misnamed", lambda round_: None)
    monkeypatch.setattr(search, "of_derivative", lambda round_: None)
    (finding,) = of_blocks("dsilu * s * (1 + gate * (1 - s))", "dsilu * s * (1 - s)").findings
    assert finding.line == 16
    assert finding.write is None


AFTER_ANOTHER = """\
import numpy as np


def loss(U, W, x, y):
    z = x @ U
    h = np.tanh(z)
    p = h @ W
    return np.sum((p - y) ** 2)


def gradients(U, W, x, y):
    z = x @ U
    h = np.tanh(z)
    dp = 2 * (h @ W - y)
    dW = h.T @ dp
    dh = dp @ W.T * (1 - h**2)
    dU = x.T @ np.sin(dh)
    return dU, dW
"""


def test_a_gradient_that_is_called_after_another_value_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "found_by", lambda round_: search.of_promised_value(round_) and None)
    module = module_of(AFTER_ANOTHER, "after_another")
    arguments = [rng.standard_normal(shape) for shape in ((3, 4), (4, 2), (5, 3), (5, 2))]
    (finding,) = check(module.loss, module.gradients, *arguments, wrt=(0, 1)).findings
    assert finding.line == 17


def test_where_no_statement_is_what_its_name_says_none_is_at_fault_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = first_ones(monkeypatch)
    source = AFTER_ANOTHER.replace("    dW = h.T @ dp\n", "").replace("return dU, dW", "return dU, h.T @ dp")
    module = module_of(source.replace("dp", "error").replace("dU", "first"), "after_another")
    arguments = [rng.standard_normal(shape) for shape in ((3, 4), (4, 2), (5, 3), (5, 2))]
    assert check(module.loss, module.gradients, *arguments, wrt=(0, 1)).findings
    assert found == [None]


@pytest.mark.parametrize(
    ("right", "instead", "operands"),
    [
        ("dgate = dsilu * s", "dgate = (2 * dsilu) * s", True),
        ("dsilu = dout * up", "dsilu = dout * silu", True),
        ("dsilu = dout * up", "part = dout * silu\n    dsilu = part * 1", False),  # what it reads says nothing
        ("dsilu = dout * up", "dsilu = np.sum([dout * silu], axis=0)", True),
        ("dsilu = dout * up", "part = dout * s\n    dsilu = part.clip(-9, 9) * 2", False),
        ("dsilu = dout * up", "dsilu = 2 * part(dout, silu)", False),  # what it calls may be at fault
        ("dgate = dsilu * s", "dh = dgate = dsilu", True),
    ],
)
def test_only_what_reads_what_is_right_is_at_fault_by_its_name(
    right: str, instead: str, operands: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = first_ones(monkeypatch)
    assert of_blocks(right, instead).findings
    assert (found[0] is not None) is operands


def first_ones(monkeypatch: pytest.MonkeyPatch) -> list[Suspect | None]:
    """A list to which is added what is at fault by its name, in each round of a search."""
    own, found = named_values.first_misnamed, list[Suspect | None]()

    def kept(round_: Round) -> Suspect | None:
        found.append(own(round_))
        return found[-1]

    monkeypatch.setattr(named_values, "first_misnamed", kept)
    return found


@pytest.mark.parametrize(
    ("replaced", "target"),
    [
        ([("dx = dout + dgate", "dW = x.T @ dgate\n    dx = dout - dgate")], "dx"),  # dW is one of two that are added
        ([("dx = dout + dgate", "ds = dgate.sum(axis=0)\n    dx = dout - dgate")], "dx"),  # the s of another shape
        ([("dx = dout + dgate @ W.T", "dx = dout\n    dx = dgate @ W.T")], None),  # ``+=`` is meant
    ],
)
def test_a_statement_that_makes_something_else_than_its_name_says_may_be_right(
    replaced: list[tuple[str, str]], target: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = first_ones(monkeypatch)
    source = BLOCKS
    for old, new in replaced:
        source = source.replace(old, new)
    assert of_blocks_in(source).findings
    assert (found[0] and found[0].site.target) == target




def of_recurrent(right: str, instead: str, source: str = RECURRENT) -> Report:
    module = wrong(source, right, instead)
    return check(module.loss, module.gradients, rng.standard_normal((3, 5)), rng.standard_normal((4, 2)), wrt=0)


def of_recurrent_before(right: str, instead: str) -> Report:
    return of_recurrent(right, instead, RECURRENT.replace("(h, x)", "(x, h)").replace("dz[:H]", "dz[-H:]"))


def of_embeddings(right: str, instead: str) -> Report:
    module = wrong(EMBEDDINGS, right, instead)
    return check(module.loss, module.gradients, rng.standard_normal(16), rng.standard_normal((4, 4)), wrt=0)


def of_norm(right: str, instead: str) -> Report:
    module = wrong(NORM, right, instead)
    return check(module.loss, module.gradients, rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), 1e-2, wrt=0)


@pytest.mark.parametrize(
    ("reported", "right", "instead", "write"),
    [
        (of_recurrent, "dh = dz[:H]", "dh = dz[-H:]", "dh = dz[:H]"),
        (of_recurrent_before, "dh = dz[-H:]", "dh = dz[:H]", "dh = dz[-H:]"),
        (of_recurrent, "kept[t - 1][1] if t > 0 else np.zeros(H)", "kept[t - 1][1]",
         "before = kept[t - 1][1] if t > 0 else np.zeros_like(kept[t - 1][1])"),
        (of_embeddings, "of_u = (2 * weight - 1) * v", "of_u = 2 * weight * v",
         "of_u = (2 * weight - 1) * v * np.cosh(C[i, j])"),
        (of_norm, "np.sqrt(var + eps) ** 3", "np.sqrt(var + eps)",
         "dvar = np.sum(C * (x - mu) * -0.5 / np.sqrt(var + eps) ** 3, axis=0)"),
    ],
    ids=["the other end of an array", "the end of an array", "the last entry in the first round", "less one",
         "the power of a root"],
)  # fmt: skip
def test_edits_that_were_not_known(
    reported: Callable[[str, str], Report], right: str, instead: str, write: str
) -> None:
    (finding,) = [item for item in reported(right, instead).findings if item.line]
    assert finding.write == write


def test_what_is_tried_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "diagnose", lambda case, seed: warnings.warn("odd", RuntimeWarning, stacklevel=1))
    case: Any = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mistakes.diagnosis_of(case, 0)


@pytest.mark.parametrize(("keeping", "chosen"), [((), 1), ((3,), 3), ((2, 3), 2)])
def test_of_edits_that_set_everything_right_one_that_keeps_the_shapes_is_chosen(
    keeping: tuple[int, ...], chosen: int
) -> None:
    judge = SimpleNamespace(keeps_shapes=False)

    def works(repair: Any) -> bool:
        judge.keeps_shapes = repair.cost in keeping
        return bool(repair.cost)

    round_: Any = SimpleNamespace(judge=judge, _works=works)
    found = Round.likeliest_that_works(round_, [SimpleNamespace(cost=cost) for cost in (3, 2, 0, 1)])  # type: ignore
    assert found is not None
    assert found.cost == chosen


def test_a_gradient_in_another_layout_is_not_broken() -> None:
    array = rng.standard_normal((2, 3, 4))
    known: Any = SimpleNamespace(
        called=lambda name, kind="cotangent": (array,) if (name, kind) == ("out", "cotangent") else (),
        identify=lambda *_: None, known=())  # fmt: skip
    roles = Roles(known, {})
    assert not roles.breaks("dout", array)
    assert not roles.breaks("dout", array.transpose(0, 2, 1).reshape(8, 3))
    assert roles.breaks("dout", 2 * array.transpose(0, 2, 1).reshape(8, 3))


def test_sizes_at_which_all_gradients_are_zero_are_none_to_look_at() -> None:
    """The size of a vector is computed of another, and would be 0 where that is small."""
    (finding,) = of_embeddings("of_v = (2 * weight - 1) * u", "of_v = (2 * weight - 1) * v").findings
    assert finding.write == "of_v = (2 * weight - 1) * u * np.cosh(C[i, j])"


def test_of_gradients_that_are_zero_everywhere_smaller_sizes_are_looked_at() -> None:
    module = wrong(EMBEDDINGS, "    return g\n", "    return 0 * g\n")
    given = rng.standard_normal(16), rng.standard_normal((4, 4))
    zeros, right = (cost_of(function, given) for function in (module.gradients, module_of(EMBEDDINGS, "own").gradients))
    assert zeros is not None
    assert right is not None


def cost_of(gradients: Any, given: tuple[np.ndarray, ...]) -> tuple[int, int] | None:
    """What gradients cost at sizes at which all are zero."""
    state = {"theta": given[0], "C": given[1]}
    user = SimpleNamespace(
        loss=lambda held: 0.0, gradients=lambda held: gradients(held["theta"], held["C"]),
        matched=lambda result, held: SimpleNamespace(values={"theta": result}))  # fmt: skip
    trial: Any = SimpleNamespace(user=user, state=state, targets=[SimpleNamespace(name="theta", path=("theta",))])
    small = cost_at(trial, {"theta": np.ones(5), "C": np.ones((4, 4))})
    assert (small is None) is bool(np.any(user.gradients(state)))
    return cost_at(trial, state)


def test_what_has_the_axes_of_something_else_is_not_expected() -> None:
    assert is_expected(np.ones((6, 1)), np.ones((6, 4)), 1e-9)
    assert not is_expected(np.ones((6, 6)), np.ones((4, 1)), 1e-9)


def test_what_no_statement_made_in_rounds_is_not_stacked() -> None:
    """The runs of a value may be none at all."""
    x = rng.standard_normal((4, 3))
    traced = tracer.trace(lambda x: sum(np.tanh(row).sum() for row in x), x)
    rolling = Rerolling(traced, {}, ())
    assert rolling.stacked([], []) is None


def test_a_helper_that_knows_only_its_argument_is_given_another_that_is_called_alike() -> None:
    source = AFTER_ANOTHER.replace("(1 - h**2)", "slope(h)").replace("np.sin(dh)", "dh")
    source = source.replace("    z =", "    z1 =").replace("(z)", "(z1)").replace("    h =", "    a1 =")
    source = source.replace("h @", "a1 @").replace("h.T", "a1.T").replace("(h)", "(a1)")
    module = module_of(source + "\n\ndef slope(s):\n    return 1 - np.tanh(s) ** 2\n", "helper")
    arguments = [rng.standard_normal(shape) for shape in ((3, 4), (4, 2), (5, 3), (5, 2))]
    (finding,) = check(module.loss, module.gradients, *arguments, wrt=(0, 1)).findings
    assert finding.write == "dh = dp @ W.T * slope(z1)"
