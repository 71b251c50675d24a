"""Algebra before lowering: fewer passes, the same values; a softmax under a mask is differentiated as what it is."""

from typing import Any

import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import given
from test_lowering import assert_same

import einbackprop as eb
from einbackprop.core import interpretation
from einbackprop.core.program import ONE, Contract, Dimension, Factor, Input, Program, Ref, Sum
from einbackprop.derivation.accumulation import value_and_vjp
from einbackprop.layers.attention import attention, attention_vjp, causal_mask
from einbackprop.notation.index_notation import View, equation_text
from einbackprop.plans.algebra import simplified

X, ROW, MASK = np.arange(6.0).reshape(2, 3) + 1, np.arange(3.0) + 1, np.tri(2, 3, dtype=bool)


def equations_of(function: Any, *arguments: Any) -> list[str]:
    """The equations of a function as simplified, in index notation."""
    program = simplified(eb.trace(function, *arguments))
    for a, b in zip(interpretation.run(program, arguments), as_list(function(*arguments)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    return [equation_text(equation, View.of(program)) for equation in program.equations]


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def reused(x: Any, r: Any, mask: Any) -> Any:
    return np.einsum("bk,k->bk", x, r), np.einsum("bk,bk,k->b", x, np.exp(x), r)


def with_a_common_factor(x: Any, r: Any, mask: Any) -> Any:
    total = np.einsum("k,bk->bk", r, np.sin(x)) - np.einsum("k,k->k", r, np.exp(r))
    return np.einsum("bk,bk->bk", total, x)


def with_a_common_factor_for_two(x: Any, r: Any, mask: Any) -> Any:
    total = np.einsum("k,bk->bk", r, np.sin(x)) - np.einsum("k,k->k", r, np.exp(r))
    return np.einsum("bk,bk->bk", total, x), np.exp(total)


def with_a_mask_twice(x: Any, r: Any, mask: Any) -> Any:
    e = np.einsum("bk,bk->bk", mask, np.exp(x))
    return e, np.einsum("bk,bk,k->bk", e, mask, r)


def with_a_number(x: Any, r: Any, mask: Any) -> Any:
    return np.einsum("bk,k->b", 0.5 * np.einsum("bk,bk->bk", x, np.sin(x)), r)


def with_a_number_that_all_would_take(x: Any, r: Any, mask: Any) -> Any:
    scaled = 0.5 * np.einsum("bk,bk->bk", x, np.sin(x))
    return np.exp(scaled), scaled * x


def with_a_sum_of_a_product(x: Any, r: Any, mask: Any) -> Any:
    e, t = np.exp(x), np.log(np.einsum("bk->b", x))
    p = np.einsum("bk,b->bk", e, t)
    return p, np.einsum("b,b,k->bk", t, np.einsum("bk,bk->b", e, np.sin(x)), r)


def with_a_sum_that_others_read(x: Any, r: Any, mask: Any) -> Any:
    e, t = np.exp(x), np.log(np.einsum("bk->b", x))
    p, total = np.einsum("bk,b->bk", e, t), np.einsum("bk,bk->b", e, np.sin(x))
    return p, np.einsum("b,b->b", t, total), total


def with_a_sum_over_the_factor(x: Any, r: Any, mask: Any) -> Any:
    e = np.exp(x)
    p = np.einsum("bk,k->bk", e, r)
    return p, np.einsum("k,b->bk", r, np.einsum("bk,bk->b", e, np.sin(x)))


def with_a_square(x: Any, r: Any, mask: Any) -> Any:
    return np.einsum("bk,bk->bk", x, x), np.einsum("b,b->b", np.einsum("bk,bk->b", x, np.exp(x)), np.sum(x, axis=1))


AS_SIMPLIFIED = {
    with_a_square: [
        "t1[b,k] = x[b,k] x[b,k]", "t2[b,k] = exp(x[b,k])", "t3[b] = Σ_k x[b,k] t2[b,k]", "t4[b] = Σ_k x[b,k]",
        "t5[b] = t3[b] t4[b]",
    ],
    with_a_sum_of_a_product: [
        "e[b,k] = exp(x[b,k])", "t1[b] = Σ_k x[b,k]", "t[b] = log(t1[b])", "p[b,k] = e[b,k] t[b]",
        "t2[b,k] = sin(x[b,k])", "t3[b] = Σ_k t2[b,k] p[b,k]", "t4[b,i] = t3[b] r[i]",
    ],
    with_a_sum_that_others_read: [
        "e[b,k] = exp(x[b,k])", "t1[b] = Σ_k x[b,k]", "t[b] = log(t1[b])", "p[b,k] = e[b,k] t[b]",
        "t2[b,k] = sin(x[b,k])", "total[b] = Σ_k e[b,k] t2[b,k]", "t3[b] = t[b] total[b]",
    ],
    with_a_sum_over_the_factor: [
        "e[b,k] = exp(x[b,k])", "p[b,k] = e[b,k] r[k]", "t1[b,k] = sin(x[b,k])", "t2[b] = Σ_k e[b,k] t1[b,k]",
        "t3[b,k] = r[k] t2[b]",
    ],
    reused: ["t1[b,k] = x[b,k] r[k]", "t2[b,k] = exp(x[b,k])", "t3[b] = Σ_k t1[b,k] t2[b,k]"],
    with_a_common_factor: [
        "t1[b,k] = sin(x[b,k])", "t3[k] = exp(r[k])", "total[b,k] = t1[b,k] - t3[k]",
        "t5[b,k] = total[b,k] x[b,k] r[k]",
    ],
    with_a_common_factor_for_two: [
        "t1[b,k] = sin(x[b,k])", "t2[b,k] = r[k] t1[b,k]", "t3[k] = exp(r[k])", "t4[k] = r[k] t3[k]",
        "total[b,k] = t2[b,k] - t4[k]", "t5[b,k] = total[b,k] x[b,k]", "t6[b,k] = exp(total[b,k])",
    ],
    with_a_mask_twice: ["t1[b,k] = exp(x[b,k])", "e[b,k] = mask[b,k] t1[b,k]", "t2[b,k] = e[b,k] r[k]"],
    with_a_number: [
        "t1[b,k] = sin(x[b,k])", "t2[b,k] = x[b,k] t1[b,k]", "t3[b,k] = t2[b,k]", "t4[b] = ½ Σ_k t3[b,k] r[k]",
    ],
    with_a_number_that_all_would_take: [
        "t1[b,k] = sin(x[b,k])", "t2[b,k] = x[b,k] t1[b,k]", "scaled[b,k] = ½ t2[b,k]", "t3[b,k] = exp(scaled[b,k])",
        "t4[b,k] = scaled[b,k] x[b,k]",
    ],
}  # fmt: skip


@pytest.mark.parametrize("function", AS_SIMPLIFIED, ids=lambda f: f.__name__)
def test_products_are_put_together_otherwise(function: Any) -> None:
    assert equations_of(function, X, ROW, MASK) == AS_SIMPLIFIED[function]


def test_like_terms_are_one() -> None:
    a, b, out = Ref("a", "i"), Ref("b", "i"), Ref("z", "i")
    program = Program(
        (Input(a), Input(b)),
        (
            Contract(Ref("p", "i"), (a, b), (), Factor.of(2)), Contract(Ref("q", "i"), (b, a), (), Factor.of(3)),
            Sum(out, ((ONE, Ref("p", "i")), (ONE, a), (Factor.of(-2), Ref("q", "i")))),
        ),
        (out,), (Dimension("i", 3),),
    )  # fmt: skip
    *_, total = simplified(program).equations
    assert total == Sum(out, ((Factor.of(-2), Ref("p", "i")), (ONE, a)))
    (expected,), (found,) = (interpretation.run(p, [ROW, ROW + 1]) for p in (program, simplified(program)))
    np.testing.assert_array_equal(found, expected)


@given(programs(scalar=True))
def test_simplified_gradients_are_the_same(drawn: Any) -> None:
    program, arrays = drawn
    gradient = value_and_vjp(program)
    with np.errstate(all="ignore"):
        expected = interpretation.run(gradient, arrays)
        assert_same(interpretation.run(simplified(gradient), arrays), expected)


# Softmaxes under a mask


def attention_loss(qkv: Any, mask: Any, seed: Any) -> Any:
    return np.sum(attention(*qkv, mask) * seed)


def drawn_attention() -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(2, 3, 5, 4)) for _ in range(3)], rng.normal(size=(2, 3, 5, 4))


def test_a_softmax_under_a_mask_has_no_derivative_by_its_maximum() -> None:
    qkv, seed = drawn_attention()
    compiled = eb.compile(eb.grad(attention_loss), qkv, causal_mask(5), seed)
    words = {step.word for step in compiled.plan.steps}
    assert not words & {"position", "scatter"}
    assert "less_equal" not in compiled.plan.source
    assert "minimum" in compiled.plan.source  # what is not seen may be larger than the maximum
    expected = attention_vjp(seed, *qkv, causal_mask(5))
    for found, truth in zip(compiled(qkv, causal_mask(5), seed), expected, strict=True):
        np.testing.assert_allclose(found, truth, atol=1e-14)


def kinked(x: Any, mask: Any) -> Any:
    """The clipped value is read without the mask too."""
    u = np.minimum(x - np.max(np.where(mask, x, -np.inf), axis=1, keepdims=True), 0)
    return np.sum(mask * np.exp(u) * ROW) + np.sum(u)


def unmasked(x: Any, mask: Any) -> Any:
    u = np.minimum(x - np.max(np.where(mask, x, -np.inf), axis=1, keepdims=True), 0)
    return np.sum(np.exp(u) * ROW)


def of_another_mask(x: Any, mask: Any) -> Any:
    u = np.minimum(x - np.max(np.where(mask, x, -np.inf), axis=1, keepdims=True), 0)
    return np.sum(np.tri(2, 3, 1, dtype=bool) * np.exp(u) * ROW)


def not_normalized(x: Any, mask: Any) -> Any:
    u = np.minimum(x - np.max(np.where(mask, x, -np.inf), axis=1, keepdims=True), 0)
    return np.sum(mask * np.exp(u) * ROW)


@pytest.mark.parametrize("function", [kinked, unmasked, of_another_mask, not_normalized])
def test_what_is_no_softmax_under_a_mask_keeps_its_derivative(function: Any) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3))
    steps = 1e-6 * np.eye(6).reshape(6, 2, 3)
    slopes = [(function(x + step, MASK) - function(x - step, MASK)) / 2e-6 for step in steps]
    np.testing.assert_allclose(eb.grad(function)(x, MASK).ravel(), slopes, atol=1e-8)
