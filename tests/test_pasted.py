"""The helper ``einsum`` of pasted source: it is np.einsum, and stands where a product of matrices does."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tracing_quietly import no_collection

import einbackprop as eb
from einbackprop import network
from einbackprop.core.program import Contract, Dimension, Input, Program, Ref
from einbackprop.core.subscripts import parse
from einbackprop.emission.helpers import HELPERS, is_one_product, multiplies_matrices
from einbackprop.emission.writing import source
from einbackprop.errors import NotationError

CALL = re.compile(r'((?:np\.)?einsum)\("([^"]*)"')


def defined(text):
    """What a text defines."""
    namespace = {"np": np}
    exec(compile(text, "source", "exec"), namespace)
    return namespace


helper = defined(HELPERS["einsum"])["einsum"]


@st.composite
def products(draw):
    """Subscripts that the helper takes, and the size of each letter."""
    batch = draw(st.sampled_from(["", "", "g", "gh"]))
    most = 1 if batch else 3
    rows, columns, summed = (draw(st.integers(1, most).map(letters.__getitem__)) for letters in GROUPS)
    left, right, out = (
        "".join(draw(st.permutations(letters))) for letters in (batch + rows + summed, batch + summed + columns,
                                                                batch + rows + columns)
    )  # fmt: skip
    sizes = {letter: draw(st.sampled_from([0, 1, 2, 3, 4])) for letter in batch + rows + columns + summed}
    return f"{left},{right}->{out}", sizes


GROUPS = (["", "i", "ij", "ijk"], ["", "b", "bc", "bcd"], ["", "s", "st", "stu"])
KINDS = ["float16", "float32", "float64", "longdouble", "complex64", "complex128", "int8", "int64", "bool"]


@given(products(), st.sampled_from(KINDS), st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
@example(("ij,jb->ib", {"i": 2, "j": 0, "b": 3}), "float32", "float32", 0)
def test_the_helper_is_np_einsum(drawn, first, second, seed):
    subscripts, sizes = drawn
    assert multiplies_matrices(parse(subscripts))
    assert is_one_product(parse(subscripts))
    left, right, _ = subscripts.replace("->", ",").split(",")
    rng = np.random.default_rng(seed)
    a, b = (
        rng.integers(-2, 3, [sizes[i] for i in term]).astype(kind)
        for term, kind in ((left, first), (right, second))
    )  # fmt: skip
    expected, found = np.einsum(subscripts, a, b), helper(subscripts, a, b)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(found, expected)  # whole numbers: nothing is rounded


MISTAKES = [
    ("batch = [i for i in out if i in left and i in right]", "batch = []"),
    ("rows = [i for i in out if i not in right]", "rows = [i for i in out if i in left]"),
    ("columns = [i for i in out if i not in left]", "columns = [i for i in out if i in right]"),
    ("if i in right and i not in out]", "if i in right]"),
    ("left.index(i) for i in batch + rows + summed", "left.index(i) for i in batch + summed + rows"),
    ("right.index(i) for i in batch + summed", "right.index(i) for i in summed + batch"),
    ("len(batch) + 2", "2"),
    ("made = batch + rows + columns", "made = batch + columns + rows"),
    ("[made.index(i) for i in out]", "[out.index(i) for i in made]"),
    ("np.tensordot(a, b, len(summed))", "np.tensordot(a, b, 1)"),
]
SUBSCRIPTS = ["isj,tbs->btij", "gsi,bsg->gbi", "sij,tbs->btij", "ist,tsb->ib", "gish,hgsb->bhig"]


def is_np_einsum(einsum):
    """Whether a function gives what np.einsum does, for some subscripts and arrays."""
    rng = np.random.default_rng(0)
    sizes = {letter: 2 + n for n, letter in enumerate("ijbtsgh")}
    for subscripts in SUBSCRIPTS:
        assert is_one_product(parse(subscripts))
        terms = subscripts.split("->")[0].split(",")
        a, b = (rng.integers(-9, 9, [sizes[i] for i in term]) for term in terms)
        try:
            found = einsum(subscripts, a, b)
        except (ValueError, IndexError):
            return False
        if not np.array_equal(found, np.einsum(subscripts, a, b)):
            return False
    return True


@pytest.mark.parametrize(("right", "wrong"), MISTAKES)
def test_mistakes_in_the_helper_are_found(right, wrong):
    text = HELPERS["einsum"]
    assert text.count(right) == 1
    assert is_np_einsum(helper)
    assert not is_np_einsum(defined(text.replace(right, wrong))["einsum"])


def test_float16_is_added_up_as_np_einsum_does():
    a, b = np.random.default_rng(0).random((2, 3, 3000)).astype("float16")
    for subscripts in ("is,js->ij", "is,js->ji"):
        np.testing.assert_allclose(helper(subscripts, a, b), np.einsum(subscripts, a, b), rtol=2e-3)


# Subscripts, the dtypes of the operands, and how the call starts and ends.
CALLS = [
    ("ij,jb->ib", "ff", "einsum(", "b)"),
    ("ij,jb->ib", "fd", "einsum(", "b)"),
    ("ij,jb->ib", "FF", "einsum(", "b)"),
    ("ij,jb->ib", "ll", "np.einsum(", "b)"),  # BLAS knows no whole numbers
    ("ij,jb->ib", "fl", "einsum(", "b.astype(a.dtype))"),
    ("qij,jb->bqi", "ff", "einsum(", "b)"),
    ("hts,hsd->htd", "ff", "einsum(", "b)"),
    ("hqts,hsd->hqtd", "ff", "np.einsum(", "optimize=True)"),
    ("iij,jb->ib", "ff", "np.einsum(", "optimize=True)"),
    ("ijk,jb->ib", "ff", "np.einsum(", "optimize=True)"),
    ("ij,ij->ij", "ff", "np.einsum(", "b)"),
    ("ij,ij->j", "ff", "np.einsum(", "b)"),
    ("ij,j->i", "ff", "np.einsum(", "b)"),
    ("ij,jb->", "ff", "np.einsum(", "b)"),
    ("i,b->ib", "ff", "np.einsum(", "b)"),
    (",ij->ij", "ff", "np.einsum(", "b)"),
]


def one_contraction(subscripts, kinds):
    """A program that contracts a and b."""
    left, right, out = subscripts.replace("->", ",").split(",")
    inputs = tuple(Input(Ref(n, term), np.dtype(k).name) for n, term, k in zip("ab", (left, right), kinds, strict=True))
    sizes = {letter: 2 + n for n, letter in enumerate(dict.fromkeys(left + right))}
    dimensions = tuple(Dimension(letter, size) for letter, size in sizes.items())
    refs = tuple(i.ref for i in inputs)
    return Program(inputs, (Contract(Ref("y", out), refs),), (Ref("y", out),), dimensions, structure=0), sizes


@pytest.mark.parametrize(("subscripts", "kinds", "start", "end"), CALLS)
def test_products_of_matrices_go_through_the_helper_alone(subscripts, kinds, start, end):
    program, sizes = one_contraction(subscripts, kinds)
    text = source(program)
    line = next(line.strip().split("  #")[0] for line in text.split("\n") if "y = " in line)
    assert line.startswith(f'y = {start}"{subscripts}", a')
    assert line.endswith(end)
    assert ("def einsum(" in text) == (start == "einsum(")
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-3, 4, [sizes[i] for i in g.ref.indices]).astype(g.dtype) for g in program.inputs]
    found, expected = defined(text)["backward"](*arrays), np.einsum(subscripts, *arrays)
    assert found.dtype == (np.float32 if kinds == "fl" else expected.dtype)
    np.testing.assert_array_equal(found, expected)


def test_an_einsum_of_the_users_and_that_of_the_package_stay_theirs():
    program, _ = one_contraction("ij,jb->ib", "ff")
    named = replace(
        program,
        inputs=(Input(Ref("einsum", "ij"), "float32"), program.inputs[1]),
        equations=(Contract(Ref("y", "ib"), (Ref("einsum", "ij"), Ref("b", "jb"))),),
    )
    assert 'y = einsum("ij,jb->ib", einsum_2, b)' in source(named)
    assert "def einsum(" not in source(program, einsum="eb.einsum")
    for name in HELPERS:
        with pytest.raises(NotationError, match="must be an identifier that is not in use"):
            source(program, name)


def loss(parameters, X, targets):
    return network.squared_loss(network.forward(parameters, X)[-1], targets)


NETWORK = [
    "ji,ib->jb", "j,b->jb", "kj,jb->kb", "k,b->kb", "lk,kb->lb", "l,b->lb", "lb,lb->",
    "lb->l", "lb,kb->lk", "lk,lb->kb", "kb,kb,kb->kb", "kb->k", "kb,jb->kj", "kj,kb->jb", "jb,jb,jb->jb", "jb->j",
    "jb,ib->ji",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_keeps_its_einsums_its_dtype_and_its_numbers(dtype):
    parameters, X, targets = network.initialize(5, 4, 4, 2, 7, rng=np.random.default_rng(0))
    arguments = [array.astype(dtype) for array in parameters], X.astype(dtype), targets.astype(dtype)
    gradient = eb.value_and_grad(loss)
    with no_collection():
        text = source(gradient.program(arguments))
        value, expected = eb.compile(gradient, *arguments)(*arguments)
    assert text.startswith("import numpy as np\n")
    assert text.count("import") == 1
    calls = CALL.findall(text)
    assert [subscripts for _, subscripts in calls] == NETWORK
    for spelled, subscripts in calls:
        assert (spelled == "einsum") == multiplies_matrices(parse(subscripts))
    for contracts in ({}, {"einsum": np.einsum}):  # the helper may be taken out again
        run = defined(text)
        run.update(contracts)
        found, gradients = run["backward"](*arguments)
        np.testing.assert_allclose(found, value, rtol=1e-5)
        for mine, theirs in zip(gradients, expected, strict=True):
            assert mine.dtype == dtype
            np.testing.assert_allclose(mine, theirs, rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-7)


NAMED = [
    (lambda x, m: np.sum(np.where(m, x, -0.5) ** 2), "np.full((), -0.5, dtype=x.dtype)"),
    (lambda x, m: np.sum(np.minimum(x, 0.5) * m), "np.full((), 0.5, dtype=x.dtype)"),
    (lambda x, m: -np.mean(np.log(x)[np.array([0, 1, 0]), np.arange(3)]), "np.zeros((I_, B), dtype=x.dtype)"),
    (lambda x, m: np.mean(x), "np.full((I_, J), 1, dtype=x.dtype)"),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "expected"), NAMED)
def test_numbers_that_have_a_name_take_the_dtype_of_what_they_are_used_with(loss, expected, dtype):
    x, m = np.random.default_rng(0).random((2, 3)).astype(dtype), np.eye(2, 3) > 0
    with no_collection():
        text = source(eb.derive(loss, x, m))
    for kind in ("float32", "float64"):  # whatever it was traced with
        assert defined(text)["backward"](x.astype(kind), m).dtype == kind
    assert expected in text
