"""Hypothesis strategies for property tests: sizes drawn in strata, operands, networks.

Sizes that are drawn independently are seldom all different, and sizes of 1 hide most mistakes: a
transposed square weight, a sum over the wrong axis. So sizes come in strata, each of them drawn
often:

- each size free, 2 or more;
- all distinct;
- all equal;
- two equal (`sizes`); hidden layers equal, or batch equal to a layer (`layer_sizes`);
- with a 1, only if `ones` are asked for; with a 0, only if `zeros` are.

Examples shrink to the smallest sizes that still fail. To test a backward of your own, paste this
into a test file::

    from hypothesis import given, settings
    from einbackprop.strategies import layer_sizes
    from einbackprop.testing import assert_gradients_match

    @settings(max_examples=20, deadline=None)
    @given(layer_sizes())
    def test_backward(sizes):
        parameters, X, Y = initialize(*sizes)
        assert_gradients_match(
            lambda parameters: squared_loss(forward(parameters, X)[-1], Y),
            lambda parameters: backward(forward(parameters, X), Y, parameters),
            parameters,
        )
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import DTypeLike, NDArray

from einbackprop.core.subscripts import parse

Array = NDArray[Any]


def layer_sizes(
    hidden: int = 2, *, max_size: int = 9, ones: bool = False, zeros: bool = False
) -> SearchStrategy[tuple[int, ...]]:
    """Sizes of a stack of layers: input, the hidden layers, output, and last the batch.

    Parameters
    ----------
    hidden
        How many hidden layers.
    max_size
        The largest size.
    ones, zeros
        Whether sizes of 1, and of 0, are drawn too.

    Raises
    ------
    ValueError
        If there are too few sizes up to `max_size` for all to be distinct.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(layer_sizes())
    ... def test_shape(sizes):
    ...     i, j, k, l, b = sizes
    ...     assert (np.ones((j, i)) @ np.ones((i, b))).shape == (j, b)
    >>> test_shape()
    """
    layers, batch = range(hidden + 2), hidden + 2
    ties: dict[str, list[tuple[int, ...]]] = {
        "batch equal to a layer": [(layer, batch) for layer in layers]
    }
    if hidden > 1:
        ties["hidden equal"] = [tuple(layers)[1:-1]]
    return _stratified(hidden + 3, ties, max_size, ones, zeros).map(tuple)


def sizes(
    letters: str, *, max_size: int = 9, ones: bool = False, zeros: bool = False
) -> SearchStrategy[dict[str, int]]:
    """A size for each letter, as a dict.

    Parameters
    ----------
    letters
        The letters, each once.
    max_size, ones, zeros
        As for `layer_sizes`.

    Raises
    ------
    ValueError
        If a letter stands twice, or if there are too few sizes for all to be distinct.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(sizes("ijb"))
    ... def test_letters(size):
    ...     W, x = np.ones((size["i"], size["j"])), np.ones((size["j"], size["b"]))
    ...     assert (W @ x == size["j"]).all()
    >>> test_letters()
    """
    if len(set(letters)) < len(letters):
        raise ValueError(f"sizes({letters!r}): write each letter once")
    ties = {"two equal": list(combinations(range(len(letters)), 2))}
    return _stratified(len(letters), ties, max_size, ones, zeros).map(
        lambda drawn: dict(zip(letters, drawn, strict=True))
    )


def operands(
    subscripts: str,
    *,
    dtype: DTypeLike = np.float64,
    exact: bool = False,
    max_size: int = 9,
    ones: bool = False,
    zeros: bool = False,
) -> SearchStrategy[list[Array]]:
    """Arrays for a contraction, one for each term of `subscripts`.

    Parameters
    ----------
    subscripts
        Such as `"ij,jb->ib"`, without an ellipsis.
    dtype
        Of all operands: bool, integer, float, complex or object (which holds Python's integers).
    exact
        Draw whole numbers from -4 to 4, without 0, so that sums of products are exact and can be
        compared with `==`. Otherwise normal ones.
    max_size, ones, zeros
        As for `layer_sizes`.

    Raises
    ------
    SubscriptsError
        If the string is malformed.
    ValueError
        If it has an ellipsis, which says nothing about sizes.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(operands("ij,jb->ib", exact=True))
    ... def test_matmul(arrays):
    ...     W, x = arrays
    ...     assert (np.einsum("ij,jb->ib", W, x) == W @ x).all()
    >>> test_matmul()
    """
    parsed = parse(subscripts)
    if parsed.has_ellipsis:
        raise ValueError(f"operands({subscripts!r}): an ellipsis has no sizes; write letters")
    size_of = sizes(parsed.letters, max_size=max_size, ones=ones, zeros=zeros)

    def build(size: Mapping[str, int], seed: int) -> list[Array]:
        rng = np.random.default_rng(seed)
        return [
            _values(rng, tuple(size[letter] for letter in term), np.dtype(dtype), exact)
            for term in parsed.inputs
        ]

    return st.builds(build, size_of, _seeds)


def networks(
    *,
    dtype: DTypeLike = np.float64,
    max_size: int = 9,
    ones: bool = False,
    zeros: bool = False,
) -> SearchStrategy[tuple[list[Array], Array, Array]]:
    """Parameters, X and targets for `einbackprop.network`, as its `initialize` returns them.

    All values are normal: tiny weights and biases of zero would hide mistakes.

    Parameters
    ----------
    dtype
        Of all arrays: float or complex.
    max_size, ones, zeros
        As for `layer_sizes`.

    Examples
    --------
    >>> from hypothesis import given
    >>> from einbackprop.network import forward
    >>> @given(networks())
    ... def test_forward(drawn):
    ...     parameters, X, targets = drawn
    ...     assert forward(parameters, X)[-1].shape == targets.shape
    >>> test_forward()
    """

    def build(sizes: tuple[int, ...], seed: int) -> tuple[list[Array], Array, Array]:
        i, j, k, l, b = sizes
        rng = np.random.default_rng(seed)
        *parameters, X, targets = [
            _values(rng, shape, np.dtype(dtype), exact=False)
            for shape in [(j, i), (j,), (k, j), (k,), (l, k), (l,), (i, b), (l, b)]
        ]
        return parameters, X, targets

    return st.builds(build, layer_sizes(max_size=max_size, ones=ones, zeros=zeros), _seeds)


# NumPy draws the values: drawn by Hypothesis one by one, most would be 0.
_seeds = st.integers(0, 2**32 - 1)


def _values(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], exact: bool
) -> Array:
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind == "c":
        real = _values(rng, shape, np.dtype(np.float64), exact)
        return (real + 1j * _values(rng, shape, np.dtype(np.float64), exact)).astype(dtype)
    if exact or dtype.kind in "iuO":
        sign = 1 if dtype.kind == "u" else rng.choice([-1, 1], shape)
        return np.asarray(sign * rng.integers(1, 5, shape)).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def _stratified(
    count: int,
    ties: Mapping[str, Sequence[tuple[int, ...]]],
    max_size: int,
    ones: bool,
    zeros: bool,
) -> SearchStrategy[list[int]]:
    """Sizes in strata: `ties` names, for each stratum of its own, the positions that can be tied.

    In each stratum, Hypothesis draws the stratum, which of its variants, and then all sizes, those
    that are determined too. So it can shrink an example to the free stratum with the same sizes,
    and there make each size smaller.
    """
    if max_size - 1 < count:
        raise ValueError(
            f"max_size={max_size}: {count} sizes from 2 to {max_size} cannot all be distinct; "
            f"allow {count + 1} at least"
        )
    tied = {**ties, "all equal": [tuple(range(count))]} if count > 1 else {}
    fixed = {"ones": 1} if ones else {}
    fixed |= {"zeros": 0} if zeros else {}
    above_one = st.integers(2, max_size)
    any_size = st.integers(0 if zeros else 2 - ones, max_size)
    if zeros and not ones:
        any_size = any_size.filter(lambda size: size != 1)

    @st.composite
    def drawn(draw: DrawFn) -> list[int]:
        # Twice, since about a third of the draws for it are thrown away: a size came up again.
        distinct = ["all distinct"] * 2
        stratum = draw(st.sampled_from(["free", *distinct, *tied, *fixed]))
        variant = draw(st.integers(0, 255))
        equal = tied[stratum][variant % len(tied[stratum])] if stratum in tied else ()
        sizes: list[int] = []
        for position in range(count):
            choices = above_one if stratum in tied else any_size
            if stratum == "all distinct":
                choices = above_one.filter(lambda size: size not in sizes)
            elif position in equal[1:]:
                choices = st.integers(sizes[equal[0]], sizes[equal[0]])
            elif stratum in fixed and position == variant % count:
                choices = st.integers(fixed[stratum], fixed[stratum])
            sizes.append(draw(choices))
        return sizes

    return drawn()
