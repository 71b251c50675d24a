"""`einsum` against ``np.einsum``, whose code it does not share.

Operands hold small integers, so that sums of products are exact in every dtype and ``==`` decides.
"""

import itertools
import threading
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from einbackprop.core.subscripts import parse
from einbackprop.errors import DtypeError, ShapeError, SubscriptsError
from einbackprop.plans import execution
from einbackprop.plans.execution import PLANS_KEPT, contraction_order, einsum, lower

DTYPES = ["f8", "f4", "c16", "c8", "f2", "g", "G", "i8", "i1", "u2", "?", "O"]


def words(subscripts: str, size: int = 3, dtype: str = "f8") -> list[str]:
    """What each step of a contraction became, with all letters of one size."""
    parsed = parse(subscripts)
    shapes = [(size,) * len(term) for term in parsed.inputs]
    return [step.word for step in lower(parsed, shapes, np.dtype(dtype)).steps]


@st.composite
def explicit_subscripts(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    """Subscripts of 1 to 4 operands, with a size for each letter."""
    letters = "abcdef"[: draw(st.integers(1, 6))]
    term = st.text(letters, max_size=4)
    if draw(st.booleans()):
        term = st.lists(st.sampled_from(letters), max_size=4, unique=True).map("".join)
    terms = draw(st.lists(term, min_size=1, max_size=4))
    known = sorted(set("".join(terms)))
    output = "".join(draw(st.permutations(known)))[: draw(st.integers(0, 5))]
    smallest = draw(st.sampled_from([2, 2, 1, 0]))
    sizes = {x: draw(st.integers(smallest, 4)) for x in known}
    return f"{','.join(terms)}->{output}", sizes


@st.composite
def laid_out(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """A read-only array of small integers, in one of the layouts that arrays have."""
    layout = draw(st.sampled_from(["C", "F", "reversed", "strided", "broadcast"]))
    count = int(np.prod(shape))
    seed = draw(st.integers(0, 2**16))
    values = np.random.default_rng(seed).integers(-2, 3, count).reshape(shape)
    array = np.array(values, dtype, order="F" if layout == "F" else "C")
    if layout == "reversed":
        array = array[(..., *(slice(None, None, -1) for _ in shape))]
    elif layout == "strided":
        wide = np.full([2 * n + 1 for n in shape], 1, dtype)
        place = wide[(..., *(slice(1, None, 2) for _ in shape))]
        place[...] = array
        array = place
    elif layout == "broadcast" and shape:
        array = np.broadcast_to(array[:1], shape)
    array = array.view()
    array.flags.writeable = False
    return array


def assert_same(got, want):
    """Equal values, the same shape, dtype and type."""
    assert type(got) is type(want)
    assert np.shape(got) == np.shape(want)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    assert np.array_equal(got, want)


@pytest.mark.slow
@settings(max_examples=400)
@given(st.data())
def test_einsum_is_np_einsum(data):
    subscripts, sizes = data.draw(explicit_subscripts())
    dtype = data.draw(st.sampled_from(DTYPES))
    shapes = [tuple(sizes[x] for x in term) for term in parse(subscripts).inputs]
    operands = [data.draw(laid_out(shape, dtype)) for shape in shapes]
    got = einsum(subscripts, *operands)
    assert_same(got, np.einsum(subscripts, *operands))
    if dtype != "O":
        assert not any(np.shares_memory(got, x) for x in operands)


@settings(max_examples=150)
@given(st.data())
def test_mixed_dtypes(data):
    subscripts, sizes = data.draw(explicit_subscripts())
    operands = []
    for term in parse(subscripts).inputs:
        dtype = data.draw(st.sampled_from(["f8", "f4", "c8", "i8", "i1", "?", ">f8", ">i4"]))
        operands.append(data.draw(laid_out(tuple(sizes[x] for x in term), dtype)))
    got = einsum(subscripts, *operands)
    want = np.einsum(subscripts, *operands)
    # np.einsum keeps a foreign byte order where it has one operand.
    assert np.asarray(got).dtype == np.result_type(*operands)
    assert type(got) is type(want)
    assert np.shape(got) == np.shape(want)
    assert np.array_equal(got, want)


# One case, or more, for each word, so that no kernel goes untested by the luck of a draw.
KERNELS = {
    "GEMM": ["ij,jb->ib", "ij,ib->jb", "ib,jb->ij", "ji,bj->bi", "ij,jb->bi", "abi,ic->abc",
             "iab,bac->ic", "aib,ajb->ji", "abk,kcd->acbd", "iij,jk->ik", "abc,cbd->ad"],
    "GEMV": ["kb,b->k", "kb,k->b", "k,kb->b", "abc,bc->a", "cab,c->ba", "k,kab->ab"],
    "dot": ["i,i->", "ij,ij->", "ij,ji->", "ii,i->", "ijk,kji->"],
    "outer": ["k,b->kb", "k,b->bk", "ab,c->cab", "ab,cd->abcd"],
    "elementwise": ["kb,kb->kb", "kb,bk->bk", "kb,b->kb", "kb,k->kb", ",kb->kb", ",->", "a,bc->bac",
                    "ab,bc->abc", "ab,bc->cba", "ab,cd->acbd"],
    "batched": ["xij,xjk->xik", "xij,xkj->xik", "xij,xjk->xki", "bqhd,bkhd->bhqk", "ij,bjk->bik",
                "bhqk,bkhd->bqhd", "ikb,kjb->ijb", "bij,bj->bi", "bi,bij->bj", "bjk,ij->bik",
                "ik,kjl->jil", "kb,kbj->jb", "xyij,yxkj->xyik", "abik,abjk->iabj", "xai,xbci->xabc",
                "xabi,xic->axbc"],
    "elementwise, dot with ones": ["kb,kb->b", "bk,bk->b", "abk,abk->ab", "kab,kab->ba"],
    "elementwise, sum": ["akb,akb->ab"],
    "dot with ones": ["kb->k", "kb->b", "kb->", "abk->ab", "kab->ba", "abc->a", "iij->j", "ii->"],
    "sum": ["akb->ab", "akb->ba", "kakb->b", "akbc->b"],
    "copy": ["ij->ij", "ij->ji", "ii->i", "iij->ij", "iij->ji", "ijji->ij", "->", "abc->bca"],
}  # fmt: skip
CASES = [(word, subscripts) for word, strings in KERNELS.items() for subscripts in strings]


@pytest.mark.parametrize(("word", "subscripts"), CASES)
def test_each_kernel(word, subscripts):
    assert words(subscripts) == [word]
    rng = np.random.default_rng(0)
    parsed = parse(subscripts)
    for stratum in ((2, 3, 4, 5, 6), (3, 3, 3, 3, 3), (1, 4, 1, 2, 1), (2, 0, 3, 2, 0)):
        sizes = dict(zip(parsed.letters, stratum, strict=False))
        for dtype in ("f8", "f4", "c16", "i8", "O", "?"):
            operands = [rng.integers(-4, 5, [sizes[x] for x in term]).astype(dtype) for term in parsed.inputs]
            assert_same(einsum(subscripts, *operands), np.einsum(subscripts, *operands))


def test_a_wrong_layout_would_be_seen():
    """The check above objects to a transposed operand, even a square one."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(-4, 5, (2, 3, 3)).astype(float)
    with pytest.raises(AssertionError):
        assert_same(einsum("ij,jb->ib", a.T, b), np.einsum("ij,jb->ib", a, b))
    with pytest.raises(AssertionError):
        assert_same(einsum("ij,jb->ib", a, b).astype("f4"), np.einsum("ij,jb->ib", a, b))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("...ij,...jk->...ik", [(2, 3), (3, 4)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
        ("...ij,...jk->...ik", [(5, 1, 2, 3), (6, 3, 4)]),
        ("ij,...j->...i", [(2, 3), (4, 5, 3)]),
        ("i...,i...->...", [(3, 4, 1), (3, 1, 5)]),
        ("...,...->...", [(), (2, 3)]),
        ("...i,i->...", [(3,), (3,)]),
        ("i...j->j...i", [(2, 3, 4, 5)]),
        ("...->...", [(2, 1)]),
        ("...,...,...->...", [(1, 1), (4,), (3, 1)]),
        ("...ii->...", [(1, 3, 3)]),
        ("...i,...i->...i", [(0, 1, 3), (1, 0, 3)]),
        ("i...,...->...i", [(2, 1, 3), (1, 3)]),
    ],
)
def test_ellipsis(subscripts, shapes):
    rng = np.random.default_rng(0)
    operands = [rng.integers(-4, 5, shape).astype(float) for shape in shapes]
    got = einsum(subscripts, *operands)
    assert_same(got, np.einsum(subscripts, *operands))
    assert not any(np.shares_memory(got, x) for x in operands)


def test_a_letter_does_not_stretch_where_an_ellipsis_does():
    a, b = np.ones((4, 3)), np.ones((1, 3))
    assert einsum("...,...->...", a, b).shape == (4, 3)
    assert np.einsum("ij,ij->ij", a, b).shape == (4, 3)
    with pytest.raises(ShapeError) as caught:
        einsum("ij,ij->ij", a, b)
    assert str(caught.value) == (
        "einsum('ij,ij->ij'): the letter i has two sizes, 4 and 1:\n"
        "    operand 0 'ij' has shape (4, 3), so i = 4\n"
        "    operand 1 'ij' has shape (1, 3), so i = 1\n"
        "One letter has one size: a size of 1 does not stretch. "
        "To broadcast, leave the letter out of that term."
    )


def test_bad_calls_say_what_is_wrong():
    with pytest.raises(SubscriptsError, match="expected '->'"):
        einsum("ij,jb", np.ones((2, 3)), np.ones((3, 4)))
    with pytest.raises(SubscriptsError, match=r"such as 'ij,ib->jb', not \[0, 1\]"):
        einsum([0, 1], np.ones(2), np.ones(3))
    with pytest.raises(ShapeError, match="have 2 operands, but 1 was given"):
        einsum("i,i->", np.ones(2))
    with pytest.raises(ShapeError, match="have 1 operand, but 0 were given"):
        einsum("->")
    with pytest.raises(ShapeError, match=r"operand 1 'jb' has 2 letters, but its shape \(3,\)"):
        einsum("ij,jb->ib", np.ones((2, 3)), np.ones(3))
    with pytest.raises(DtypeError, match="operand 1 has dtype <U1, but a sum of products needs"):
        einsum("i,i->", np.ones(2), ["a", "b"])
    with pytest.raises(DtypeError, match=r"operand 0 has dtype timedelta64\[s\]"):
        einsum("i->", np.ones(2, "m8[s]"))


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "f2", "i1", "g"])
def test_python_scalars_are_weak(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    assert_same(einsum(",ij->ij", 2, x), x * 2)
    assert_same(einsum("ij,->ji", x, 2), x.T * 2)
    assert_same(einsum("ij,,ij->", x, 2, x), np.sum(2 * x * x, dtype=dtype))
    assert_same(einsum(",ij->ij", 0.5, x), 0.5 * x)
    assert_same(einsum(",ij->ij", 1j, x), 1j * x)


def test_other_scalars_are_not_weak():
    x = np.ones((2, 3), "f4")
    assert einsum(",ij->ij", np.float64(0.5), x).dtype == "f8"
    assert einsum(",ij->ij", np.array(0.5), x).dtype == "f8"
    assert einsum(",ij->ij", np.float32(0.5), x).dtype == "f4"
    assert einsum(",ij->ij", True, x).dtype == "f4"
    assert_same(einsum(",->", 2, 3), np.int64(6))
    assert_same(einsum(",->", 2, 0.5), np.float64(1.0))
    assert_same(einsum("->", True), np.True_)


def test_a_python_integer_that_does_not_fit():
    with pytest.raises(OverflowError):
        einsum(",i->i", 300, np.ones(2, "i1"))


def test_lists_are_operands():
    assert_same(einsum("ij,j->i", [[1, 2], [3, 4]], (1, 1)), np.array([3, 7]))
    assert_same(einsum("i,i->", [1.5], [2]), np.float64(3.0))


def test_no_letters_left_is_a_scalar():
    for got in (
        einsum("i,i->", np.ones(3), np.ones(3)),
        einsum("ij->", np.ones((2, 3))),
        einsum("->", np.array(2.0)),
        einsum("ii->", np.eye(3)),
        einsum("i,j->", np.ones(2), np.ones(3)),
        einsum("i,ij,j->", np.ones(2), np.ones((2, 3)), np.ones(3)),
    ):
        assert type(got) is np.float64


def test_integers_wrap_around():
    x = np.array([100, 100], "i1")
    assert_same(einsum("i->", x), np.int8(-56))
    assert_same(einsum("i,i->i", x, x), np.array([16, 16], "i1"))
    # In float64 throughout, so 100 · 100 does not wrap before the last product.
    assert_same(einsum("i,i,i->i", x, x, np.ones(2)), np.array([10_000.0, 10_000.0]))


def test_bool_is_or_of_and():
    a = np.array([[True, False], [False, False]])
    b = np.array([[True, True], [True, False]])
    assert_same(einsum("ij,jk->ik", a, b), np.array([[True, True], [False, False]]))
    assert_same(einsum("ij->i", b), np.array([True, True]))
    assert_same(einsum("ij->", a), np.True_)


def test_objects_stay_exact():
    third = Fraction(1, 3)
    a = np.array([[third, 2], [10**30, 1]], object)
    assert einsum("ij,j->i", a, np.array([3, third], object)).tolist() == [
        1 + Fraction(2, 3),
        3 * 10**30 + third,
    ]
    huge = np.array([10**20], object)
    assert einsum("i,j,k->", huge, huge, huge) == 10**60
    assert type(einsum("i,j,k->", huge, huge, huge)) is int


@pytest.mark.parametrize("subscripts", ["aib->ab", "ai->a", "ia->a", "i->"])
def test_float16_is_added_up_in_float32(subscripts):
    """2048 + 1 is 2048 in float16."""
    ones = np.ones([3000 if x == "i" else 2 for x in parse(subscripts).inputs[0]], "f2")
    assert np.all(einsum(subscripts, ones) == 3000)
    assert np.add.accumulate(ones.ravel()[:3000])[-1] == 2048


def test_longdouble_keeps_its_bits():
    x = np.array([np.longdouble(1), np.finfo(np.longdouble).eps])
    assert einsum("i,i->", x, np.ones(2, np.longdouble)) - 1 == np.finfo(np.longdouble).eps
    assert einsum("i->", x) - 1 == np.finfo(np.longdouble).eps


@pytest.mark.parametrize("subscripts", ["i->", "i,i->", "ib->b", "bi->b", "ib,ib->b", "bi->"])
def test_long_float32_sums_are_accurate(subscripts):
    row = np.random.default_rng(0).random(1_000_000, dtype=np.float32) ** 2
    operands = []
    for term in parse(subscripts).inputs:
        x = row if len(term) == 1 else np.stack([row] * 2, axis=term.index("b"))
        operands.append(np.ascontiguousarray(x))
    got = np.asarray(einsum(subscripts, *operands))
    exact = np.einsum(subscripts, *(x.astype(float) for x in operands))
    assert np.all(np.abs(got - exact) <= 1e-4 * exact)
    # What the bound catches: terms added one after the other, as np.einsum does along a first axis.
    terms = row if subscripts.count(",") == 0 else row * row
    in_order = np.add.accumulate(terms)[-1]
    assert abs(in_order - terms.sum(dtype=float)) > 1e-4 * terms.sum(dtype=float)


def test_zero_times_a_missing_sum():
    assert_same(einsum("ij,jk->ik", np.ones((2, 0)), np.ones((0, 3))), np.zeros((2, 3)))
    assert_same(einsum("xij,xjk->xik", np.ones((4, 2, 0)), np.ones((4, 0, 3))), np.zeros((4, 2, 3)))
    assert_same(einsum("ij->", np.ones((0, 3))), np.float64(0))


def test_results_are_the_callers_own():
    """Writing to a result changes neither an operand nor the next result."""
    x = np.arange(9.0).reshape(3, 3)
    before = x.copy()
    for subscripts in ("ij->ij", "ij->ji", "ii->i", "ij->i", "ij,ij->ij", "ij,jk->ik", "ij,jk->ki"):
        operands = [x] * len(parse(subscripts).inputs)
        first = einsum(subscripts, *operands)
        want = first.copy()
        first[...] = -1
        assert np.array_equal(x, before)
        assert np.array_equal(einsum(subscripts, *operands), want)


def test_products_in_place_spare_the_operands():
    operands = [np.full((2, 3), value) for value in (2.0, 3.0, 5.0, 7.0)]
    got = einsum("kb,kb,kb,kb->kb", *operands)
    assert np.array_equal(got, np.full((2, 3), 210.0))
    assert [x[0, 0] for x in operands] == [2, 3, 5, 7]
    assert "multiply(x2, x0, x0)" in lower(parse("lk,lb,kb->kb"), [(2, 3), (2, 4), (3, 4)], np.dtype(float)).source


def test_a_plan_prints_and_frees_what_it_used():
    plan = lower(parse("ij,jk,kl->il"), [(2, 30), (30, 4), (4, 5)], np.dtype("f4"))
    assert str(plan) == (
        "def run(x0, x1, x2):\n"
        "    x0 = x0.dot(x1); del x1  # ij,jk->ik  GEMM\n"
        "    x2 = x0.dot(x2); del x0  # kl,ik->il  GEMM\n"
        "    return x2"
    )


@pytest.mark.parametrize(
    ("subscripts", "text"),
    [
        ("ij,ib->jb", "x0.T.dot(x1)"),
        ("ib,jb->ij", "x0.dot(x1.T)"),
        ("ij,jb->bi", "x1.T.dot(x0.T)"),
        # Two letters summed: the larger operand is not copied, whichever it is.
        ("akl,lkb->ab", "x0.reshape(9, 20).dot(x1.transpose(1, 0, 2).reshape(20, 2))"),
        ("bkl,lka->ba", "x0.transpose(0, 2, 1).reshape(2, 20).dot(x1.reshape(20, 9))"),
        ("kb,b->kb", "multiply(x0, x1)"),
        ("bk,b->bk", "multiply(x0, x1.reshape(2, 1))"),
        # BLAS can write rows that lie one after the other, but not every 30th element.
        (
            "bhqk,bkhd->bqhd",
            "matmul_into(x0, x1.transpose(0, 2, 1, 3), (2, 8, 7, 3), (0, 2, 1, 3), (2, 7, 8, 3))",
        ),
        ("akc,kbc->abc", "matmul(x0.transpose(2, 0, 1), x1.transpose(2, 0, 1)).transpose(1, 2, 0)"),
    ],
)
def test_no_copy_that_is_not_needed(subscripts, text):
    sizes = {"a": 9, "b": 2, "c": 3, "d": 3, "h": 7, "i": 2, "j": 3, "k": 4, "l": 5, "q": 8}
    parsed = parse(subscripts)
    shapes = [tuple(sizes[x] for x in term) for term in parsed.inputs]
    (step,) = lower(parsed, shapes, np.dtype(float)).steps
    assert step.text == text


def test_words_depend_on_dtype_and_size():
    """BLAS has no integers, for which a broadcast product is faster; long sums go in two steps."""
    assert words("k,b->kb", dtype="f4") == ["outer"]
    assert words("k,b->kb", dtype="i8") == ["elementwise"]
    shapes = [(100, 200)]
    in_floats = lower(parse("kb->"), shapes, np.dtype("f4")).steps[0]
    in_integers = lower(parse("kb->"), shapes, np.dtype("i8")).steps[0]
    assert in_floats.text == "x0.dot(ones_200).dot(ones_100)"
    assert in_integers.text == "add.reduce(x0, (0, 1), dtype)"


def test_many_operands_go_pairwise():
    rng = np.random.default_rng(0)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZαβγδεζηθικλμ"
    pairs = [a + b for a, b in itertools.pairwise(letters)]
    assert len(pairs) > 60
    chain = [rng.integers(-1, 2, (2, 2)).astype(object) for _ in pairs]
    want = np.eye(2, dtype=object)
    for matrix in chain:
        want = want @ matrix
    assert np.array_equal(einsum(f"{','.join(pairs)}->{letters[0]}{letters[-1]}", *chain), want)


def test_the_order_is_the_cheap_one():
    sizes = {"i": 1000, "j": 2, "k": 1000, "l": 2}
    assert contraction_order(parse("ij,jk,kl->il"), sizes) == [(1, 2), (0, 1)]
    sizes = {"i": 2, "j": 1000, "k": 2, "l": 1000}
    assert contraction_order(parse("ij,jk,kl->il"), sizes) == [(0, 1), (0, 1)]
    assert contraction_order(parse("ij,jk->ik"), sizes) == [(0, 1)]
    # From the right it is matrix times thin matrix throughout; a greedy search costs 15 times more.
    sizes = {"i": 50, "j": 50, "k": 50, "l": 20, "m": 2}
    assert contraction_order(parse("ij,jk,kl,lm->im"), sizes) == [(2, 3), (1, 2), (0, 1)]


def test_no_intermediate_is_larger_than_need_be():
    """The mask joins a factor; it is not kept for a product with g, k and d all at once."""
    shapes = [(8, 16, 32), (8, 32, 64), (8, 32)]
    plan = lower(parse("bgk,bkd,bk->bgd"), shapes, np.dtype(float))
    assert set(plan.steps[0].subscripts.output) in (set("bkd"), set("bgk"))


C_CONTIGUOUS = [
    text
    for word in ("GEMM", "GEMV", "outer", "copy", "dot with ones")
    for text in KERNELS[word]
    if parse(text).output and text not in ("abk,kcd->acbd", "kab->ba")
] + ["bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "ij,bjk->bik", "xij,xjk->xki"]


@pytest.mark.parametrize("subscripts", C_CONTIGUOUS)
def test_c_contiguous_where_it_is_free(subscripts):
    sizes = dict(zip(parse(subscripts).letters, (2, 3, 4, 5, 6), strict=False))
    operands = [np.ones([sizes[x] for x in term]) for term in parse(subscripts).inputs]
    assert einsum(subscripts, *operands).flags.c_contiguous


class Traced:
    """A type that takes part in NumPy's protocol, as a tracer does."""

    shape = (2, 3)

    def __array_function__(self, function, types, arguments, keywords):
        return function, arguments, keywords


def test_other_types_get_the_call_as_np_einsum():
    traced, x = Traced(), np.ones((3, 4))
    function, arguments, keywords = einsum("ij, jb -> ib", traced, x)
    assert function is np.einsum
    assert arguments == ("ij,jb->ib", traced, x)
    assert keywords == {}
    with pytest.raises(SubscriptsError):
        einsum("ij,jb", traced, x)
    with pytest.raises(ShapeError, match="the letter i has two sizes, 2 and 3"):
        einsum("ij,ib->jb", traced, x)
    with pytest.raises(ShapeError, match="have 2 operands, but 1 was given"):
        einsum("ij,ib->jb", traced)


def test_subclasses_of_ndarray_go_the_same_way():
    class Named(np.ndarray):
        def __array_function__(self, function, types, arguments, keywords):
            return function

    assert einsum("ij->ji", np.ones((2, 3)).view(Named)) is np.einsum


def test_plans_are_shared_and_bounded():
    execution._plan.cache_clear()
    for _ in range(3):
        einsum("ij,jb->ib", np.ones((2, 3)), np.ones((3, 4)))
    info = execution._plan.cache_info()
    assert (info.misses, info.hits) == (1, 2)
    for size in range(PLANS_KEPT + 10):
        einsum("i->i", np.ones(size, "?"))
    assert execution._plan.cache_info().currsize == PLANS_KEPT
    execution._plan.cache_clear()


def test_a_failed_call_is_not_kept():
    execution._plan.cache_clear()
    for _ in range(2):
        with pytest.raises(ShapeError):
            einsum("ij,jb->ib", np.ones((2, 3)), np.ones((4, 3)))
    assert execution._plan.cache_info().currsize == 0


def test_threads():
    """Threads that plan and run the same cases at once get what one thread gets."""
    rng = np.random.default_rng(0)
    cases = [
        (subscripts, [rng.integers(-4, 5, [size] * len(term)).astype(float) for term in terms])
        for size in (2, 3, 5)
        for subscripts in ("ij,jb->ib", "bhqk,bkhd->bqhd", "kb,kb->b", "kb,kb,kb->kb", "kb->k")
        for terms in [parse(subscripts).inputs]
    ]
    want = [np.einsum(subscripts, *operands) for subscripts, operands in cases]
    execution._plan.cache_clear()
    start = threading.Barrier(4)
    wrong: list[str] = []

    def work() -> None:
        start.wait()
        for _ in range(50):
            for (subscripts, operands), expected in zip(cases, want, strict=True):
                if not np.array_equal(einsum(subscripts, *operands), expected):
                    wrong.append(subscripts)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@given(st.sampled_from([text for _, text in CASES]), st.integers(1, 3), st.integers(1, 3))
@example("ij,jb->ib", 1, 2)
def test_sizes_are_strict_for_every_kernel(subscripts, size, wrong):
    """One axis of one operand of another size is refused if its letter stands elsewhere."""
    parsed = parse(subscripts)
    everything = "".join(parsed.inputs)
    letter = next((x for x in parsed.letters if everything.count(x) > 1), None)
    if letter is None or size == wrong:
        return
    shapes = [[size] * len(term) for term in parsed.inputs]
    operand = next(n for n, term in enumerate(parsed.inputs) if letter in term)
    shapes[operand][parsed.inputs[operand].index(letter)] = wrong
    with pytest.raises(ShapeError, match=f"the letter {letter} has two sizes"):
        einsum(subscripts, *(np.ones(shape) for shape in shapes))
