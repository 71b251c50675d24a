"""Proofs by way of what was proved before: deep programs, and none for different values."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_programs import programs
from formulas_in_text import program
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from normal_forms import drawn_arrays, same
from rewrites import CHANGING, KEEPING
from test_normal_form import TIE, evaluate, exact_arrays

from einbackprop.core.program import Contract, Factor, Ref
from einbackprop.errors import UndecidedError
from einbackprop.proof import proving
from einbackprop.proof.proving import TOO_LARGE, Prover

FORWARD = """
z{n}[k,b] = Σ_l W{n}[k,l] h{m}[l,b]
mean{n}[k] = |b|⁻¹ Σ_b z{n}[k,b]
off{n}[k,b] = z{n}[k,b] - mean{n}[k]
var{n}[k] = |b|⁻¹ Σ_b off{n}[k,b] off{n}[k,b]
i{n}[k] = power(ve{n}[k]; -½)
x{n}[k,b] = off{n}[k,b] i{n}[k]
s{n}[k,b] = x{n}[k,b] g{n}[k]
y{n}[k,b] = s{n}[k,b] + c{n}[k]
h{n}[k,b] = relu(y{n}[k,b])
"""
COMPACT = """
on{n}[k,b] = step(y{n}[k,b])
dx{n}[k,b] = dh{n}[k,b] on{n}[k,b] g{n}[k]
m{n}[k] = |b|⁻¹ Σ_b dx{n}[k,b]
a{n}[k] = |b|⁻¹ Σ_b dx{n}[k,b] x{n}[k,b]
p{n}[k,b] = x{n}[k,b] a{n}[k]
in{n}[k,b] = dx{n}[k,b] - m{n}[k] - p{n}[k,b]
dz{n}[k,b] = i{n}[k] in{n}[k,b]
dW{n}[k,l] = Σ_b dz{n}[k,b] h{m}[l,b]
dh{m}[l,b] = Σ_k W{n}[k,l] dz{n}[k,b]
"""
STAGED = """
ds{n}[k,b] = dh{n}[k,b] on{n}[k,b]
dx{n}[k,b] = ds{n}[k,b] g{n}[k]
di{n}[k] = Σ_b dx{n}[k,b] off{n}[k,b]
i3{n}[k] = power(i{n}[k]; 3)
dv{n}[k] = -½ di{n}[k] i3{n}[k]
one{n}[k,b] = dx{n}[k,b] i{n}[k]
two{n}[k,b] = 2·|b|⁻¹ off{n}[k,b] dv{n}[k]
do{n}[k,b] = one{n}[k,b] + two{n}[k,b]
dm{n}[k] = Σ_b do{n}[k,b]
dz{n}[k,b] = do{n}[k,b] - |b|⁻¹ dm{n}[k]
dW{n}[k,l] = Σ_b dz{n}[k,b] h{m}[l,b]
dh{m}[l,b] = Σ_k W{n}[k,l] dz{n}[k,b]
"""
SHIFTED = "ve{n}[k] = var{n}[k] + 0.001\n"


def network(layers: int, backward: str):
    """Layers of batch norm and relu, and a backward pass through them."""
    text = ""
    for n in range(1, layers + 1):
        forward = FORWARD.replace("i{n}[k] =", SHIFTED + "i{n}[k] =", 1)
        text += forward.format(n=n, m=n - 1)
    steps = [backward.format(n=n, m=n - 1) for n in range(layers, 0, -1)]
    if backward is STAGED:
        text += "".join(f"on{n}[k,b] = step(y{n}[k,b])\n" for n in range(1, layers + 1))
    return program(text + "".join(steps))


def test_what_is_made_of_a_value_that_was_given_up_is_not_written_out_where_another_was_too_large():
    p, q = network(2, COMPACT), network(2, STAGED)
    prover = Prover(p, q, drawn_arrays(p))
    prover.too_large = {(0, "dW2")}, "it is too large"
    assert prover.beyond("dW2", "dW2") == "it is too large"
    assert prover.beyond("x0", "x0") == ""
    prover.too_large = set(), "it is too large"
    assert prover.beyond("dW2", "dW2") == ""


@pytest.mark.parametrize("layers", [1, 3])
def test_deep_batch_norm(layers):
    p, q = network(layers, COMPACT), network(layers, STAGED)
    prover = Prover(p, q, drawn_arrays(p))
    for n in range(layers, 0, -1):
        found = prover.compare(f"dW{n}", f"dW{n}")
        assert found.verdict == "proved", found
        assert "roots and logarithms are taken of positive numbers only" in found.assumptions


def test_a_deep_mistake_is_found_and_what_is_right_stays_right():
    p, q = network(3, COMPACT), network(3, STAGED)
    place = next(k for k, e in enumerate(q.equations) if e.out.name == "two2")
    wrong = replace(q.equations[place], factor=Factor.of(1, b=-1))
    q = replace(q, equations=(*q.equations[:place], wrong, *q.equations[place + 1 :]))
    prover = Prover(p, q, drawn_arrays(p))
    verdicts = [prover.compare(f"dW{n}", f"dW{n}").verdict for n in (3, 2, 1)]
    assert verdicts == ["proved", "undecided", "undecided"]
    # a line is judged on what the lines before it gave, where they are taken as given
    assert same(p, "dz1", q, "dz1", given={"dh1": "dh1"})


@pytest.fixture
def never_written_out(monkeypatch):
    """Every proof goes by way of other values."""
    monkeypatch.setattr(Prover, "written_out", lambda *_: (None, TOO_LARGE))


@given(data=st.data(), drawn=programs(most_equations=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
def test_rewrites_are_proved_step_by_step(never_written_out, data, drawn):
    p, _ = drawn
    assume(p.equations and all(d.size for d in p.dimensions))
    q = p
    for _ in range(data.draw(st.integers(1, 4))):
        q = data.draw(st.sampled_from(KEEPING))(q, data.draw)
    name = p.equations[-1].out.name
    found = Prover(p, q, drawn_arrays(p)).compare(name, name)
    assert found.verdict in ("proved", "undecided")
    assert found or "no" not in found.reason.split()[:1]


@given(data=st.data(), drawn=programs(polynomial=True, most_equations=8), seed=st.integers(0, 99))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
def test_steps_prove_nothing_that_is_different(never_written_out, data, drawn, seed):
    p, _ = drawn
    assume(p.equations and all(d.size for d in p.dimensions))
    q = data.draw(st.sampled_from(CHANGING))(p, data.draw)
    q = data.draw(st.sampled_from([*CHANGING, *KEEPING]))(q, data.draw)
    name = p.equations[-1].out.name
    found = Prover(p, q, drawn_arrays(p)).compare(name, name)
    if found and TIE not in found.assumptions:
        arrays = exact_arrays(p, p.sizes, np.random.default_rng(seed))
        assert (evaluate(p, arrays, p.sizes)[name] == evaluate(q, arrays, p.sizes)[name]).all()


def test_values_that_only_seem_equal_are_no_step(never_written_out, monkeypatch):
    """Agreement at random numbers proposes a step; the step itself is proved."""
    p = program("a[b] = exp(x[b])\nq[b] = a[b] w[b]")
    q = program("a[b] = exp(x[b])\ns[b] = 0.0000000000001 + a[b]\nq[b] = s[b] w[b]")
    assert Prover(p, q, drawn_arrays(p)).compare("q", "q").verdict == "undecided"


def test_names_of_intermediate_values_mean_nothing():
    p = program("h[b] = exp(x[b])\nq[b] = h[b] h[b]")
    q = program("h[b] = sin(x[b])\nq[b] = h[b] h[b]")
    assert not Prover(p, q, drawn_arrays(p)).compare("q", "q")
    opaque = 'h[b] = not read from x[b]: a loop\nq[b] = h[b] h[b]'
    p, q = program(opaque), program(opaque)
    assert Prover(p, q, drawn_arrays(p)).compare("q", "q").verdict == "undecided"  # values that share a name
    assert Prover(p, p, drawn_arrays(p)).compare("q", "q").verdict == "proved"


def test_axes_must_match():
    p = program("q[k,b] = z[k,b]\nr[b] = w[b]")
    found = same(p, "q", p, "r")
    assert (found.verdict, found.reason) == ("undecided", "q and r have not the same number of axes")


def test_a_declared_sum_must_be_one():
    contract = Contract(Ref("s", "b"), (Ref("w", "b"),))
    p = program("q[b] = w[b]\nr[b] = w[b]")
    with pytest.raises(UndecidedError, match=r"w\[b\] = 1 is no sum of one product over an index"):
        same(p, "q", p, "r", sums=((contract, 1),))


def test_what_is_opened_first():
    p = program("a[b] = exp(x[b])\nc[b] = a[b] a[b]\nd[b] = c[b] + y[b]\nq[b] = a[b] d[b]")
    prover = Prover(p, p, drawn_arrays(p))
    cuts = {n: (n, (0,), {}) for n in ("a", "c", "d")}
    assert prover.cost_of_opening("c", {"a", "c"}, cuts) == (0, 1)  # made of what stands there anyway
    assert prover.cost_of_opening("d", {"a", "d"}, cuts) == (1, 2)
    assert proving.reach(p, "d") == {"d", "c", "a", "x", "y"}


PICKED = """
p[b] = Σ_k x[k,b] [k=y[b]]
r[b] = power(p[b]; {power})
z[l,b] = r[b] {by}[l,b] [l={label}[b]]
"""
ALONE = "s[l,b] = power(x[l,b]; {power})\nz[l,b] = s[l,b] {by}[l,b] [l={label}[b]]\n"


def picking(text: str, power: int, by: str, label: str = "y"):
    needed = "q[l,b] = x[l,b] w[l,b] y[b] u[b]\n"  # all inputs, on either side
    return program(needed + text.format(power=power, by=by, label=label), y="int64", u="int64")


@pytest.mark.parametrize("power", [-2, -1, 2, 3])
@pytest.mark.parametrize(("by", "other"), ["xw", "wx"])
def test_what_a_bracket_picks_from_a_sum(power, by, other):
    """``(Σ_k x_kb [k=y_b])ⁿ [l=y_b]`` is ``x_lbⁿ [l=y_b]``; not with another power, factor or label."""
    summed = picking(PICKED, power, by)
    assert Prover(summed, picking(ALONE, power, by), drawn_arrays(summed)).compare("z", "z").verdict == "proved"
    for alone in (picking(ALONE, power + 1, by), picking(ALONE, power, other), picking(ALONE, power, by, "u")):
        assert Prover(summed, alone, drawn_arrays(summed)).compare("z", "z").verdict != "proved"
    for label in "yu":
        one = picking(PICKED, power, by, "u")
        found = Prover(one, picking(ALONE, power, by, label), drawn_arrays(one)).compare("z", "z")
        assert found.verdict != "proved"


# --- brackets that follow one another, functions on either side of 0, what is under a maximum --------


def resized(text, **sizes):
    p = program(text, "b p l y")
    return replace(p, dimensions=tuple(replace(d, size=sizes.get(d.letters, d.size)) for d in p.dimensions))


def test_a_bracket_on_a_bracket_is_one_bracket():
    steps = "w[b,l] = Σ_y x[b,y] [l=2y]\nr[b,p] = Σ_l w[b,l] [p=l+1]"
    one, other = "r[b,p] = Σ_y x[b,y] [p=2y+1]", "r[b,p] = Σ_y x[b,y] [p=2y+2]"
    wide = {"p": 9, "l": 7, "y": 4}
    assert same(resized(steps, **wide), "r", resized(one, **wide), "r")
    assert not same(resized(steps, **wide), "r", resized(other, **wide), "r")
    narrow = wide | {"l": 6, "p": 6}  # the last entry of x is at l = 6, which there is not
    assert not same(resized(steps, **narrow), "r", resized(one, **narrow), "r")


SOFTPLUS = """
m[b] = - x[b]
n[b] = minimum(x[b], m[b])
e[b] = exp(n[b])
t[b] = 1 + e[b]
i[b] = power(t[b]; -1)
z = 0
s[b] = greater(x[b], z)
a[b] = s[b] i[b]
o[b] = 1 - s[b]
u[b] = o[b] {left} i[b]
q[b] = a[b] + u[b]
r[b] = sigmoid(x[b])
"""


def test_a_quotient_of_exponentials_is_taken_on_either_side_of_0():
    p, wrong = program(SOFTPLUS.format(left="e[b]")), program(SOFTPLUS.format(left=""))
    assert same(p, "q", p, "r")
    assert not same(wrong, "q", wrong, "r")


BELOW = """
off[k,b] = -inf
w[k,b] = where(M[k,b], z[k,b], off[k,b])
m[b] = max_k {of}[k,b]
o[k,b] = z[k,b] - m[b]
z0 = 0
c[k,b] = minimum(o[k,b], z0)
q[k,b] = {mask}[k,b] c[k,b]
r[k,b] = {mask}[k,b] o[k,b]
"""


@pytest.mark.parametrize(
    ("of", "mask", "proved"), [("w", "M", True), ("z", "M", True), ("w", "N", False), ("y", "M", False)]
)
def test_nothing_is_above_its_own_maximum(of, mask, proved):
    p = program(BELOW.format(of=of, mask=mask), M="bool", N="bool")
    assert bool(same(p, "q", p, "r")) is proved


def test_values_are_compared_at_the_given_numbers_where_others_are_none():
    """The log of what is drawn may be that of a negative number; those of the run were positive."""
    p = program("n[b] = log(x[b])\nq[b] = n[b] n[b]")
    seen = Prover(p, p, drawn_arrays(p))
    assert seen.compare("q", "q")
    seen.look_for_partners()
    assert seen.seen is not None
    assert np.isfinite(seen.seen[0]["q"]).all()
    without = Prover(p, p)
    without.look_for_partners()
    assert without.seen is None
