"""Letters on a mesh: what the report says each line costs is what XLA makes of it on 8 simulated devices."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devices import FOLDER, on_devices
from sampling import THOROUGH
from test_layers_in_loops import traced

import einbackprop as eb
from einbackprop import networks
from einbackprop.core.program import Contract, Dimension, Input, Program, Ref
from einbackprop.core.simplification import needed
from einbackprop.derivation.accumulation import vjp
from einbackprop.emission.writing import source
from einbackprop.errors import ShardingError
from einbackprop.layers import CATALOGUE
from einbackprop.layers.attention import causal_mask
from einbackprop.layers.transformer import transformer_block
from einbackprop.sharding.mesh import Mesh, Placement
from einbackprop.sharding.report import Sharding, Suggestions
from einbackprop.shell.command import main

RNG = np.random.default_rng(0)
MESHES = [{"x": 8}, {"x": 4, "y": 2}, {"x": 2, "y": 2, "z": 2}]
CLOSE = 1e-5  # in float32, beside one device


def placed(program: Program, mesh: dict[str, int], letters: dict[str, str], outputs: Any = None) -> Sharding:
    """A program in float32 on a mesh, without what its outputs do not need."""
    inputs = tuple(replace(i, dtype=i.dtype.replace("float64", "float32")) for i in program.inputs)
    kept = needed(program.equations, [ref.name for ref in program.outputs])
    program = replace(program, inputs=inputs, equations=tuple(kept))
    return Sharding(Placement(program, Mesh(mesh), letters, outputs or {}))


def job(found: Sharding) -> dict[str, Any]:
    """A program on its mesh, for the process that runs it."""
    program, placement = found.program, found.placement
    inputs = tuple(replace(declared, path=()) for declared in program.inputs)
    flat = replace(program, inputs=inputs, structure=list(range(len(program.outputs))))
    return {
        "source": source(flat, "go", target="jax"), "name": "go", "mesh": dict(placement.mesh.axes),
        "inputs": [placement.layout(i.ref.indices) for i in inputs],
        "outputs": [placement.laid(ref) for ref in program.outputs],
        "shapes": [[program.sizes[i] for i in declared.ref.indices] for declared in inputs],
        "dtypes": [declared.dtype for declared in inputs],
    }  # fmt: skip


def run(found: list[Sharding]) -> list[tuple[Counter[tuple[str, int, int]], float]]:
    """The collectives that XLA makes of programs, and how far their results are off."""
    pytest.importorskip("jax")
    given = json.dumps([job(one) for one in found])
    printed = on_devices("-W", "ignore", str(FOLDER / "sharded_programs.py"), given=given)
    return [(Counter(map(tuple, made)), off) for made, off in json.loads(printed)]


def predicted(found: Sharding) -> Counter[tuple[str, int, int]]:
    """The collectives that the report has, as (kind, devices that do it together, entries)."""
    return Counter((one.kind, found.placement.mesh.axes[one.axis], one.entries) for one in found.collectives)


def drawn(random_: random.Random) -> Sharding:
    """An einsum of one or two operands, some of its letters on the axes of a mesh of 8 devices."""
    letters = "abcdef"[: random_.randint(2, 5)]
    operands = ["".join(random_.sample(letters, random_.randint(1, min(3, len(letters)))))
                for _ in range(random_.randint(1, 2))]  # fmt: skip
    used = "".join(dict.fromkeys("".join(operands)))
    out = Ref("out", "".join(random_.sample(used, random_.randint(0, len(used)))))
    mesh = random_.choice(MESHES)
    refs = tuple(Ref(f"A{n}", indices) for n, indices in enumerate(operands))
    program = Program(
        tuple(map(Input, refs)), (Contract(out, refs),), (out,),
        tuple(Dimension(i, 8 * random_.randint(1, 3)) for i in used),
    )  # fmt: skip
    return placed(program, mesh, dict(zip(random_.sample(used, min(len(used), len(mesh))), mesh, strict=False)))


@pytest.mark.long
def test_an_einsum_costs_what_xla_makes_of_it() -> None:
    found = [drawn(random.Random(seed)) for seed in range(300 if THOROUGH else 40)]
    for one, (made, off) in zip(found, run(found), strict=True):
        assert predicted(one) == made, str(one)
        assert off <= CLOSE, str(one)


PADDING = "; with padding (pad=True, --pad) sizes need not divide"


def loss(weights: Any, X: Any, T: Any) -> Any:
    W1, b1, W2, b2 = weights
    return 0.5 * np.sum((np.tanh(X @ W1 + b1) @ W2 + b2 - T) ** 2) / len(X)


def network(*sizes: int) -> tuple[Any, ...]:
    rows, first, hidden, last = sizes
    weights = [RNG.normal(size=(first, hidden)), RNG.normal(size=hidden), RNG.normal(size=(hidden, last)),
               RNG.normal(size=last)]  # fmt: skip
    return weights, RNG.normal(size=(rows, first)), RNG.normal(size=(rows, last))


GRADIENT = eb.derive(loss, *network(24, 16, 32, 8))
LETTERS = {"b": 24, "i": 16, "j": 32, "k": 8}


@pytest.mark.long
def test_the_gradient_of_a_network_costs_what_xla_makes_of_it() -> None:
    assert {i: d.size for d in GRADIENT.dimensions for i in d.letters} == LETTERS
    ways = [dict(zip(letters, ("x", "y"), strict=True)) for letters in permutations(LETTERS, 2)]
    found = [placed(GRADIENT, {"x": 4, "y": 2}, way) for way in ways if fits(way)]
    assert len(found) > 6
    for one, (made, off) in zip(found, run(found), strict=True):
        assert predicted(one) == made, str(one)
        assert off <= CLOSE


def drawn_result(random_: random.Random) -> Sharding | None:
    """An einsum whose result is to lie on further axes, if there are letters and axes for that."""
    one = drawn(random_)
    (out,) = one.program.outputs
    layout = one.placement.layout(out.indices)
    axes = [axis for axis in one.placement.mesh.axes if axis not in layout]
    letters = [letter for letter, axis in zip(out.indices, layout, strict=True) if not axis]
    asked = dict(zip(random_.sample(letters, len(letters)), random_.sample(axes, len(axes)), strict=False))
    return Sharding(replace(one.placement, outputs={"out": asked})) if asked else None


@pytest.mark.long
def test_a_result_that_is_asked_for_in_parts_costs_what_xla_makes_of_it() -> None:
    found = [one for seed in range(800 if THOROUGH else 120) if (one := drawn_result(random.Random(seed)))]
    other = 0
    for one, (made, off) in zip(found, run(found), strict=True):
        assert off <= CLOSE, str(one)
        if on_processors(predicted(one)) != made:  # of sums along two axes XLA takes a part between the two
            assert len({each.axis for each in one.collectives if each.kind != "all-gather"}) > 1, str(one)
            other += 1
    assert other <= 0.1 * len(found)


def on_processors(found: Counter[tuple[str, int, int]]) -> Counter[tuple[str, int, int]]:
    """What XLA makes of a reduce-scatter on processors: it adds everything up, and each device keeps its part."""
    made: Counter[tuple[str, int, int]] = Counter()
    for (kind, devices, entries), times in found.items():
        made[kind.replace("reduce-scatter", "all-reduce"), devices, entries] += times
    return made


@pytest.mark.long
def test_gradients_in_parts_are_reduced_and_scattered() -> None:
    """As optimisers whose state lies in parts want them (Rajbhandari et al., ZeRO, 2020)."""
    outputs = {"dW1": {"i": "x"}, "db1": {"j": "x"}, "dW2": {"j": "x"}, "db2": {"k": "x"}}
    found = placed(GRADIENT, {"x": 4, "y": 2}, {"b": "x"}, outputs)
    assert [one.kind for one in found.collectives] == ["reduce-scatter"] * 4
    assert found.bytes == placed(GRADIENT, {"x": 4, "y": 2}, {"b": "x"}).bytes / 2
    ((made, off),) = run([found])
    assert on_processors(predicted(found)) == made
    assert off <= CLOSE


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"dW3": {"i": "x"}}, "there is no result 'dW3': the program has dW1, db1, dW2, db2"),
        ({"dW1": {"k": "x"}}, "dW1[i,j] has no letter 'k'"),
        ({"dW1": {"i": "z"}}, "i cannot lie on 'z': the mesh has x, y"),
        ({"dW1": {"i": "x", "j": "x"}}, "dW1 would lie on x with i and with j: put one of them on another axis"),
        ({"dW1": "x"}, "outputs={'dW1': {'i': 'data'}} puts a letter on an axis, not 'x'"),
        ({"db2": {"k": "y"}},
         "k = 8 cannot be divided among the 3 devices along y: 6 or 9 could, or an axis of 2, 4, 8 devices"),
    ],
)  # fmt: skip
def test_what_results_cannot_lie_as_is_said(outputs: Any, said: str) -> None:
    with pytest.raises(ShardingError) as caught:
        placed(GRADIENT, {"x": 4, "y": 3}, {"b": "x"}, outputs)
    assert str(caught.value) == said


def fits(way: dict[str, str]) -> bool:
    try:
        placed(GRADIENT, {"x": 4, "y": 2}, way)
    except ShardingError:
        return False
    return True


def padded_einsum(random_: random.Random) -> dict[str, Any]:
    """An einsum of one or two operands, sizes that need not divide, and letters on the axes of a mesh of 8 devices.

    Of fewer entries than there are devices XLA adds up what it would gather of more: sizes begin at 8.
    """
    letters = "abcdef"[: random_.randint(2, 5)]
    operands = ["".join(random_.sample(letters, random_.randint(1, min(3, len(letters)))))
                for _ in range(random_.randint(1, 2))]  # fmt: skip
    used = "".join(dict.fromkeys("".join(operands)))
    subscripts = f"{','.join(operands)}->{''.join(random_.sample(used, random_.randint(0, len(used))))}"
    mesh = random_.choice(MESHES)
    sizes = {i: random_.randint(8, 24) for i in used}
    names = ", ".join("AB"[: len(operands)])
    return {"source": f"def f({names}): return np.einsum('{subscripts}', {names})", "name": "f", "mesh": mesh,
            "shapes": [[sizes[i] for i in operand] for operand in operands],
            "letters": dict(zip(random_.sample(used, min(len(used), len(mesh))), mesh, strict=False))}  # fmt: skip


WHOLE = """
def softmax(Z):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)

def network(W, bias, V, X, T):
    return -np.sum(T * np.log(softmax(np.tanh(X @ W + bias) @ V))) / len(X)

gradient = eb.grad(network, wrt=(0, 1, 2))

def attention(q, k, v):
    return np.einsum("bst,btd->bsd", softmax(np.einsum("bsd,btd->bst", q, k).reshape(-1, k.shape[1])).reshape(
        len(q), -1, k.shape[1]), v)

def logarithms(X):
    return np.log(X * X).sum(axis=1), 1 / (X * X).mean(axis=0), -(X * X).max(axis=0)
"""
PADDED = [
    ("gradient", [[6, 7], [7], [7, 5], [10, 6], [10, 5]], {"x": 4, "y": 2}, letters)
    for letters in ({"b": "x"}, {"b": "x", "j": "y"}, {"j": "x", "i": "y"})
] + [
    ("attention", [[3, 7, 5], [3, 9, 5], [3, 9, 5]], {"x": 2, "y": 4}, {"b": "x"}),
    ("logarithms", [[11, 6]], {"x": 4, "y": 2}, {"i": "x"}), ("logarithms", [[6, 11]], {"x": 4, "y": 2}, {"j": "x"}),
]  # fmt: skip


@pytest.mark.slow
def test_sizes_that_do_not_divide_are_padded_and_what_fills_them_counts_for_nothing() -> None:
    pytest.importorskip("jax")
    jobs = [padded_einsum(random.Random(seed)) for seed in range(300 if THOROUGH else 30)]
    jobs += [{"source": WHOLE, "name": name, "shapes": shapes, "mesh": mesh, "letters": letters}
             for name, shapes, mesh, letters in PADDED]  # fmt: skip
    printed = on_devices("-W", "ignore", str(FOLDER / "padded_programs.py"), given=json.dumps(jobs))
    for one, (told, made, off) in zip(jobs, json.loads(printed), strict=True):
        assert off <= CLOSE, one
        assert Counter(map(tuple, told)) == Counter(map(tuple, made)), (one, told, made)


def rows(A: Any, B: Any) -> Any:
    return np.einsum("ij,jk->ik", A, B)


def test_on_paper_a_device_has_as_many_entries_as_padding_gives_it() -> None:
    found = eb.shard(loss, *network(10, 6, 7, 5), mesh={"x": 4, "y": 2}, letters={"b": "x", "j": "y"}, pad=True)
    assert isinstance(found, Sharding)
    told = " ".join(str(found).split())
    assert "letters: i = 6, b = 10 on x, padded to 12, j = 7 on y, padded to 8, k = 5 in" in told
    assert json.loads(found.to_json())["padded"] == {"b": 12, "j": 8}
    first = found.lines[0]
    assert (found.layout(first.equation.out), first.local) == (f"{first.equation.out.name}[b_x, j_y]", (3, 4))
    product = eb.shard(rows, n(10, 6), n(6, 8), mesh={"x": 4}, letters={"i": "x"}, pad=True)
    assert isinstance(product, Sharding)
    (line,) = product.lines  # what is returned has its own size: it is gathered
    assert line.local == (10, 8)
    assert [(one.kind, one.entries, one.can_wait) for one in line.collectives] == [("all-gather", 12 * 8, True)]
    with pytest.raises(ShardingError, match=r"^i = 10 cannot be divided .* axis of 2, 5, 10 devices$"):
        eb.shard(rows, n(10, 6), n(6, 8), mesh={"x": 4}, letters={}, outputs={"t1": {"i": "x"}}, pad=True)


def test_suggestions_pad_what_does_not_divide() -> None:
    said = f"no letters of this program can lie on all axes of x 4: 4 devices{PADDING}"
    with pytest.raises(ShardingError, match=f"^{re.escape(said)}$"):
        eb.shard(lambda A, B: A @ B, n(10, 6), n(6, 7), mesh={"x": 4})
    found = eb.shard(lambda A, B: A @ B, n(10, 6), n(6, 7), mesh={"x": 4}, pad=True)
    assert {letter for one in found for letter in one.placement.letters}  # type: ignore[union-attr]
    assert all(one.placement.pad for one in found)  # type: ignore[union-attr]


def n(*shape: int) -> Any:
    return RNG.normal(size=shape)


LAYERS: dict[str, tuple[Any, ...]] = {
    "layer norm": (n(8, 16, 24), n(24), n(24)), "softmax": (n(16, 24),), "batch norm": (n(16, 24), n(16), n(16)),
    "attention": (n(8, 4, 16, 24), n(8, 4, 16, 24), n(8, 4, 16, 24), causal_mask(16)),
    "convolution 2d": (n(8, 2, 4, 16, 16), n(2, 8, 4, 3, 3), n(2, 8)),
    "RNN": (n(6, 16, 8), n(32, 8), n(32, 16), n(32, 32), n(32)),
    "LSTM": (n(6, 16, 8), n(32, 8), n(32, 8), n(4, 32, 16), n(4, 32, 32), n(4, 32)),
    "feed-forward": (n(8, 16, 24), n(32, 24), n(32), n(24, 32), n(24)), "RMS norm": (n(8, 16, 24), n(24)),
}  # fmt: skip
OTHERWISE = {
    ("convolution 2d", "s"): "windows along a letter in parts: XLA adds rows up before it puts them in their places",
    ("RNN", "g"): "a recurrent weight: XLA has an all-reduce and takes a part of it, where a reduce-scatter would do",
    ("LSTM", "g"): "the same",
    ("LSTM", "q"): "gates are put beside one another: XLA moves parts to other devices",
    ("with its transpose", "i"): "XLA exchanges blocks by an all-to-all, of fewer bytes than an all-gather",
}
"""Where XLA does something else, and what."""


@pytest.mark.long
def test_layers_cost_what_xla_makes_of_them() -> None:
    found: dict[tuple[str, str], Sharding] = {}
    for name, arguments in LAYERS.items():
        derived = vjp(traced(name, CATALOGUE[name].forward, arguments))
        for dimension in derived.dimensions:
            letter = dimension.letters[0]
            if dimension.size % 4 == 0 and (THOROUGH or (name, letter) in OTHERWISE or letter in "bjkst"):
                found[name, letter] = placed(derived, {"x": 4, "y": 2}, {letter: "x"})
    transposed = eb.shard(lambda W: np.tanh(W) * W.T, n(16, 16), mesh={"x": 4, "y": 2}, letters={"i": "x"})
    assert isinstance(transposed, Sharding)
    found["with its transpose", "i"] = transposed
    assert len(found) > (30 if THOROUGH else 15)
    other = set()
    for (key, one), (made, off) in zip(found.items(), run([*found.values()]), strict=True):
        assert off <= 2 * CLOSE, key
        other |= {key} if predicted(one) != made else set()
    assert other == OTHERWISE.keys()


def whole_gradients() -> dict[str, Program]:
    """The gradients of networks by all of their parameters, and of layers by all that they take."""
    rng = np.random.default_rng(0)
    images, classes, tokens = n(24, 16, 16), rng.integers(0, 8, 24), rng.integers(0, 40, (24, 16))
    small = networks.initialize_gpt(40, 16, 32, 8, 1, rng)
    (block,) = small["blocks"]

    def block_loss(parameters: Any, x: Any) -> Any:
        return np.sum(transformer_block(x, [parameters[name] for name in networks.BLOCK], causal_mask(16)) ** 2)

    derived = {
        "MLP": (networks.mlp_loss, networks.initialize_mlp([16, 32, 24, 8], rng), n(16, 40), rng.integers(0, 8, 40)),
        "conv net": (networks.convnet_loss, networks.initialize_convnet((16, 16), (8, 16), 8, rng), images, classes),
        "GPT": (networks.gpt_loss, small, tokens, np.roll(tokens, -1)), "GPT block": (block_loss, block, n(24, 16, 32)),
    }  # fmt: skip
    layers = {name: vjp(traced(name, CATALOGUE[name].forward, LAYERS[name]))
              for name in ("attention", "layer norm", "LSTM")}  # fmt: skip
    return {**{name: eb.derive(*given) for name, given in derived.items()}, **layers}


WINDOWS = "XLA adds rows of windows up before it puts them in their places"
APART = {
    ("conv net", "p"): WINDOWS, ("conv net", "q"): WINDOWS, ("conv net", "λ"): WINDOWS, ("conv net", "μ"): WINDOWS,
    ("GPT", "t"): "each step looks at all others", ("GPT block", "t"): "each step looks at all others",
    ("GPT", "k"): "a sum goes into rows of an embedding", ("GPT", "m"): "steps are joined behind samples",
    ("GPT", "fvl"): "rows of an embedding move to other devices", ("GPT", "fjv"): "the same",
    ("LSTM", "g"): "XLA has an all-reduce and takes a part of it", ("LSTM", "q"): "gates lie side by side",
}  # fmt: skip
"""Letters, or an order of them on the axes, with which XLA does something else, and why."""


def ways(name: str, program: Program, mesh: dict[str, int], random_: random.Random) -> Iterator[Sharding]:
    """A program with letters on all axes of a mesh, in an order that is drawn, without those that are apart."""
    letters = [d.letters[0] for d in program.dimensions]
    for way in random_.sample(found := [*permutations(letters, len(mesh))], len(found)):
        if not any(own == name and (apart in way or apart == "".join(way)) for own, apart in APART):
            with suppress(ShardingError):
                yield placed(program, mesh, dict(zip(way, mesh, strict=True)))


@pytest.mark.long
def test_whole_gradients_cost_what_xla_makes_of_them() -> None:
    random_, found = random.Random(0), []
    for number, (name, program) in enumerate(whole_gradients().items()):
        for mesh in MESHES if THOROUGH else [MESHES[number % len(MESHES)]]:
            if THOROUGH or name in ("MLP", "GPT block", "layer norm"):
                found += islice(ways(name, program, mesh, random_), 2 if THOROUGH else 1)
    assert len(found) == (40 if THOROUGH else 3)  # of a layer norm and an LSTM few letters can lie on three axes
    for one, (made, off) in zip(found, run(found), strict=True):
        assert predicted(one) == made, str(one)
        assert off <= CLOSE, str(one)


@pytest.mark.long
@pytest.mark.skipif(not THOROUGH, reason="takes a minute: --hypothesis-profile=thorough")
def test_where_xla_does_something_else_it_still_does() -> None:
    programs = whole_gradients()
    meshes = {1: {"x": 2, "y": 4}, 3: MESHES[2]}
    found = [placed(programs[name], meshes[len(apart)], dict(zip(apart, "xyz", strict=False))) for name, apart in APART]
    for one, (made, off) in zip(found, run(found), strict=True):
        assert predicted(one) != made, str(one)
        assert off <= CLOSE, str(one)


def test_bytes_flops_and_memory_are_those_of_one_device() -> None:
    found = placed(GRADIENT, {"data": 4, "model": 2}, {"b": "data", "j": "model"})
    by_value = {line.equation.out.name: line for line in found.lines}
    product = by_value["dW1"]  # dW1[i,j] = Σ_b X[b,i] dt2[b,j]
    assert found.layout(product.equation.out) == "dW1[i, j_model]"
    assert (product.local, product.partial) == ((16, 16), ("data",))
    assert product.flops == 2 * 6 * 16 * 16
    (reduction,) = product.collectives
    assert (reduction.kind, reduction.can_wait) == ("all-reduce", True)
    assert reduction.bytes == 2 * 3 / 4 * 16 * 16 * 4  # a ring: each of 4 devices sends 3/4 of it twice
    assert found.bytes == sum(one.bytes for one in found.collectives)
    alone = placed(GRADIENT, {"data": 1}, {"b": "data"})
    assert alone.bytes == 0
    arguments = 16 * 32 + 32 + 32 * 8 + 8 + 24 * 16 + 24 * 8
    assert alone.memory >= 4 * (arguments + 16 * 32 + 32 + 32 * 8 + 8)
    assert found.memory < alone.memory


OPERATIONS: dict[str, tuple[Any, tuple[Any, ...], int]] = {
    "matrices": (lambda A, B: A @ B, (n(4, 5), n(5, 6)), 2 * 4 * 5 * 6),
    "three of them, two at a time": (lambda *three: eb.einsum("ij,jk,kl->il", *three), (n(30, 40), n(40, 50), n(50, 3)),
                                     2 * 3 * 40 * 50 + 2 * 3 * 30 * 40),
    "a convolution": (lambda x, K: CATALOGUE["convolution 2d"].forward(x, K, np.zeros((1, 8))),
                      (n(8, 1, 4, 16, 16), n(1, 8, 4, 3, 3)), 2 * 8 * 8 * 4 * 9 * 14 * 14),
    "a reshape": (lambda x: x.reshape(4, 2, 6).transpose(1, 0, 2), (n(8, 6),), 0),
    "a difference of slices": (lambda x: x[1:] - x[:-1], (n(8, 6),), 7 * 6),
    "a mask": (lambda x, d: d * (x > 0), (n(8, 6), n(8, 6)), 2 * 8 * 6),
    "a number times a product": (lambda A, B: 3 * (A @ B), (n(4, 5), n(5, 6)), 2 * 4 * 5 * 6 + 4 * 6),
    "the terms of a sum": (lambda A, B: A - 2 * B, (n(4, 5), n(4, 5)), 2 * 4 * 5),
    "an inverse": (lambda A: np.linalg.inv(A), (n(2, 5, 5),), 2 * 2 * 5**3),
    "a pick": (lambda E, y: E[y], (n(9, 4), RNG.integers(9, size=7)), 0),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_those_of_the_best_order_and_none_of_what_only_moves(name: str) -> None:
    function, arguments, count = OPERATIONS[name]
    found = eb.shard(function, *arguments, mesh={"x": 1}, letters={})
    assert isinstance(found, Sharding)
    assert found.flops == count


def test_what_is_joined_lies_as_the_outermost_of_it() -> None:
    """Heads in front of their features, samples in front of their steps: a block of these is a block of those."""

    def heads(x: Any, W: Any) -> Any:
        return np.exp((x @ W).reshape(12, 4, 8)).sum(2)

    found = eb.shard(heads, n(12, 16), n(16, 32), mesh={"x": 4}, letters={"j": "x"})
    assert isinstance(found, Sharding)
    assert [found.layout(declared.ref) for declared in found.program.inputs] == ["x[b, i]", "W[i, j_x]"]
    assert found.layout(found.program.outputs[0]).endswith("[b, k_x]")
    assert not found.collectives
    said = ("j = 32 joins k = 4 with others, and the 8 devices along x would cut through it: an axis of 2, 4 devices "
            "would not")  # fmt: skip
    with pytest.raises(ShardingError, match=f"^{re.escape(said)}$"):
        eb.shard(heads, n(12, 16), n(16, 32), mesh={"x": 8}, letters={"j": "x"})


def test_what_lies_alike_lies_on_one_axis() -> None:
    said = r"^k and i lie alike, as one is joined of the other, and are to lie on x and on y: give one$"
    with pytest.raises(ShardingError, match=said):
        eb.shard(lambda x: x.reshape(12, 4, 8).sum(2), n(12, 32), mesh={"x": 2, "y": 2}, letters={"k": "x", "i": "y"})


def test_a_letter_of_no_argument_and_no_result_is_refused() -> None:
    def loss(x: Any) -> Any:
        return np.sum(np.exp(x[:, None] - np.arange(8.0)) ** 2)

    with pytest.raises(ShardingError, match=r"^b is a letter of no argument and no result, so that nothing can be put "
                                            r"on x along it: i could lie there; arrays that are made on the way are "
                                            r"none of its arguments: make them before it \(--setup\)$"):  # fmt: skip
        eb.shard(loss, n(16), mesh={"x": 4}, letters={"b": "x"})


def test_notes_say_what_stays_and_what_is_idle() -> None:
    def function(x: Any) -> Any:
        y = x[x > 0]
        return y if y.sum() > 0 else -y

    found = eb.shard(function, np.abs(n(8)), mesh={"x": 2, "y": 2}, letters={"i": "x"})
    assert isinstance(found, Sharding)
    *stays, idle = found.notes
    assert any("y = x[x > 0]: which entries a mask picks depends on values: here they are" in note for note in stays)
    assert any("this run took the way of True" in note for note in stays)
    assert idle == "nothing lies on y: its 2 devices do the same work"
    assert "keeps: " in str(found)
    assert json.loads(found.to_json())["notes"] == [*found.notes]


@pytest.mark.slow
def test_on_paper_there_can_be_any_number_of_devices() -> None:
    found = eb.shard(lambda A, B: A @ B, np.ones((4096, 64)), np.ones((64, 4096)),
                     mesh={"x": 4096, "y": 4096}, letters={"j": "x", "k": "y"})  # fmt: skip
    assert found.lines[-1].local == (1, 1)
    assert "16777216 devices" in str(found)


@pytest.mark.parametrize(("mesh", "letters", "said"), [
    ({"x": 4}, {"q": "x"}, r"^there is no letter 'q': the program has i = 16, b = 24, j = 32, k = 8$"),
    ({"x": 4}, {"b": "y"}, r"^b cannot lie on 'y': the mesh has x$"),
    ({"x": 5}, {"b": "x"}, r"^b = 24 cannot be divided among the 5 devices along x: 20 or 25 could, or an axis of "
                           r"2, 3, 4, 6, 8, 12, 24 devices, or padding \(pad=True, --pad\)$"),
    ({"x": 4}, {"i": "x", "j": "x"}, r"^W1\[i,j\] would lie on x with i and with j: put one of them on another axis, "
                                     r"or on none$"),
    ({"x": 0}, {"b": "x"}, r"^the axis x has a number of devices, at least 1, not 0$"),
    ({"1": 4}, {"b": "1"}, r"^an axis of a mesh has a name, such as data, not '1'$"),
    ({}, {}, r"^a mesh has axes: mesh=\{'data': 4, 'model': 2\}, not \{\}$"),
    (4, {}, r"^a mesh has axes: mesh=\{'data': 4, 'model': 2\}, not 4$"),
    ({"x": True}, {}, r"^the axis x has a number of devices, at least 1, not True$"),
    ({"x": 2.0}, {}, r"^the axis x has a number of devices, at least 1, not 2\.0$"),
    ({"x": 4}, "b=x", r"^letters=\{'b': 'data'\} puts a letter on an axis, not 'b=x'$"),
    ({"x": 4}, {1: "x"}, r"^there is no letter 1: the program has "),
    ({"x": 4}, {"b": ["x"]}, r"^b cannot lie on \['x'\]: a letter lies on one axis, and the mesh has x$"),
])  # fmt: skip
def test_what_cannot_lie_so_is_said_with_what_could(mesh: Any, letters: Any, said: str) -> None:
    with pytest.raises(ShardingError, match=said):
        placed(GRADIENT, mesh, letters)


def test_rounds_lie_on_no_axis() -> None:
    def recurrent(W: Any, x: Any) -> Any:
        h = np.zeros(4)
        for t in range(len(x)):
            h = np.tanh(x[t] + W @ h)
        return h

    with pytest.raises(ShardingError, match=r"^t counts rounds that go on with the one before: it can lie on no axis$"):
        eb.shard(recurrent, n(4, 4), n(8, 4), mesh={"x": 2}, letters={"t": "x"})
    found = eb.shard(recurrent, n(4, 4), n(8, 4), mesh={"x": 2}, letters={"i": "x"})
    assert isinstance(found, Sharding)
    assert {(one.kind, one.rounds) for one in found.collectives} == {("all-gather", 8)}


def test_suggestions_move_less_than_others() -> None:
    found = eb.shard(GRADIENT, mesh={"x": 4, "y": 2}, suggest=4)
    assert isinstance(found, Suggestions)
    assert len(found) == 4
    sent = [one.bytes for one in found]
    assert sent == sorted(sent)
    ways = [dict(zip(letters, ("x", "y"), strict=True)) for letters in permutations(LETTERS, 2)]
    useful = [one for way in ways if fits(way) and (one := eb.shard(GRADIENT, mesh={"x": 4, "y": 2}, letters=way))
              and one.flops < 0.7 * min(eb.shard(GRADIENT, mesh={"x": 4, "y": 2}, letters={i: axis}).flops
                                        for i, axis in way.items())]  # fmt: skip
    assert sent[0] <= min(one.bytes for one in useful)
    shown = str(found).splitlines()
    assert shown[:3] == ["mesh: x 4 × y 2: 8 devices", "letters: i = 16,  b = 24,  j = 32,  k = 8", "each device:"]
    assert shown[3].split() == ["on", "the", "axes", "sends", "holds", "operations"]
    said = f"no letters of this program can lie on all axes of x 5: 5 devices{PADDING}"
    with pytest.raises(ShardingError, match=f"^{re.escape(said)}$"):
        eb.shard(GRADIENT, mesh={"x": 5})
    for most in (0, -1, 2.5, True, "all"):
        said = rf"^suggest is how many ways to place letters are shown, at least 1, not {most!r}$"
        with pytest.raises(ShardingError, match=said):
            eb.shard(GRADIENT, mesh={"x": 4}, suggest=most)  # type: ignore[arg-type]


def test_a_formula_costs_what_stands_in_it_too() -> None:
    """``1 - h**2`` has no line of its own where a product reads it: its operations are those of the product's line."""
    found = eb.shard(lambda d, h: np.sum(d * (1 - h)), n(8, 4), n(8, 4), mesh={"x": 2}, letters={"i": "x"})
    text = str(found)
    assert isinstance(found, Sharding)
    assert "(1 - " in text
    shown = [int(number.replace(",", "")) for number in re.findall(r": ([\d,]+)\)$", text, re.MULTILINE)]
    assert sum(shown) == found.flops > 0


def test_a_sum_whose_entries_are_put_elsewhere_can_wait() -> None:
    found = eb.shard(lambda X, d: (X.T @ d).reshape(4, 2, 8), n(16, 8), n(16, 8), mesh={"x": 4}, letters={"i": "x"})
    assert isinstance(found, Sharding)
    assert [(one.kind, one.can_wait) for one in found.collectives] == [("all-reduce", True)]


def test_an_axis_of_one_device_moves_nothing() -> None:
    one = placed(GRADIENT, {"x": np.int64(1), "y": 1}, {"b": "x", "j": "y"})  # type: ignore[dict-item]
    alone = placed(GRADIENT, {"x": 1}, {})
    assert not one.collectives
    assert (one.flops, one.memory) == (alone.flops, alone.memory)
    assert json.loads(one.to_json())["mesh"] == {"x": 1, "y": 1}


def test_what_computes_nothing_holds_its_arguments() -> None:
    found = eb.shard(lambda x: x, n(8, 4), mesh={"x": 2}, letters={"i": "x"})
    assert isinstance(found, Sharding)
    assert (found.memory, found.bytes, found.flops) == (8 * 4 * 8 // 2, 0, 0)


def test_a_name_that_two_values_have_is_told_apart() -> None:
    def gradients(p: Any, x: Any) -> Any:
        e = np.exp(x @ p["W"])
        e = e / e.sum(axis=1, keepdims=True)
        return {"W": x.T @ e}

    found = eb.shard(gradients, {"W": n(8, 4)}, n(12, 8), mesh={"x": 2}, letters={"b": "x"})
    assert isinstance(found, Sharding)
    names = [found.placement.called(line.equation.out.name) for line in found.lines]
    assert len({*names, "W", "x"}) == len(names) + 2
    assert "\n  W[" not in str(found)


def test_suggestions_are_not_run() -> None:
    with pytest.raises(ShardingError, match=r"^these are several ways: give shard letters, or take one of them: found"):
        eb.shard(lambda x: np.tanh(x), n(8, 4), mesh={"x": 2}).compile()


def test_dimensions_that_nothing_has_are_not_told() -> None:
    found = eb.shard(lambda x: (x * 2, x.reshape(4, 2, 4).sum())[0], n(8, 4), mesh={"x": 2}, letters={"i": "x"})
    assert isinstance(found, Sharding)
    assert {d.size for d in found.program.dimensions} == {8, 4}
    assert len(found.program.dimensions) == 2


def test_a_program_alone_is_not_run() -> None:
    with pytest.raises(ShardingError, match=r"^a program takes no arguments here: give it alone, or a function with "):
        eb.shard(GRADIENT, n(8, 4), mesh={"x": 2})
    with pytest.raises(ShardingError, match=r"^a program alone is not run: give shard the function and its arguments$"):
        placed(GRADIENT, {"x": 4}, {"b": "x"}).compile()


SCRIPT = """import numpy as np

def gradient(W, X, T):
    d = (X @ W - T) / len(X)
    return X.T @ d
"""


def test_the_command_says_what_each_line_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "net.py"
    script.write_text(SCRIPT)
    setup = "W, X, T = np.ones((8, 6)), np.ones((12, 8)), np.ones((12, 6))"
    asked = ["shard", str(script), "gradient(W, X, T)", "--setup", setup, "--mesh", "data=4"]
    page = tmp_path / "page.html"
    assert main([*asked, "--letters", "b=data", "--html", str(page)]) == 0
    text = capsys.readouterr().out
    assert "   5  return X.T @ d\n" in text
    assert "[i, j] = Σ_b X[b,i] d[b,j]   (8×6: 288)\n            partial over data: all-reduce, 576 bytes, can " in text
    shown = page.read_text(encoding="utf-8")
    assert "<td>288</td><td>partial over data: all-reduce, 576 bytes, can wait</td>" in shown
    assert "   5  return X.T @ d" in shown
    assert main([*asked, "--letters", "b=data", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["schema"], data["mesh"], data["letters"]) == (2, {"data": 4}, {"b": "data"})
    last = data["lines"][-1]
    assert last["collectives"][0]["bytes"] == 2 * 3 * 8 * 6 * 8 // 4
    assert (last["file"], last["line"], last["code"], last["dtype"]) == (str(script), 5, "return X.T @ d", "float64")
    assert {"letters": ["b"], "size": 12, "axis": "data"} in data["dimensions"]
    named = data["lines"][-1]["value"]
    assert main([*asked, "--letters", "b=data", "--output", f"{named}:i=data"]) == 0
    text = capsys.readouterr().out
    assert f"{named}[i_data, j] = Σ_b X[b,i] d[b,j]   (2×6: 288)\n            partial over data: reduce-scatter" in text
    assert main(asked) == 0
    assert "letters" in capsys.readouterr().out
    assert main([*asked, "--letters", "b=data", "--output", "X:i=data"]) == 2
    assert f"there is no result 'X': the program has {named}" in capsys.readouterr().err
    assert main([*asked[:-1], "data=5", "--letters", "b=data", "--pad"]) == 0
    assert "b = 12 on data, padded to 15" in " ".join(capsys.readouterr().out.split())
    assert main([*asked, "--letters", "b=data", "--suggest", "2"]) == 2
    assert "suggest finds letters: give letters, or suggest, not both" in capsys.readouterr().err
    assert main([*asked, "--letters", "q=data"]) == 2
    assert "there is no letter 'q'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*asked[:-1], "data:4"])
    assert "'data:4' is not written as data=4,model=2" in capsys.readouterr().err


def test_what_is_asked_of_one_result_twice_is_asked_of_it_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    path = tmp_path / "net.py"
    path.write_text("import numpy as np\ndef gradient(X, d):\n    dW = X.T @ d\n    return dW\n", encoding="utf-8")
    asked = ["--output", "dW:j=x", "--output", "dW:k=y"]
    setup = "X, d = np.ones((8, 16)), np.ones((8, 4))"
    command = ["shard", str(path), "gradient(X, d)", "--setup", setup, "--mesh", "x=2,y=2", "--letters", "i=x"]
    assert main([*command, *asked]) == 0
    assert "dW[j_x, k_y] = " in capsys.readouterr().out


@pytest.mark.slow
def test_a_report_is_an_error_of_ours_nowhere() -> None:
    """Every layer of the catalogue has one, with whatever letter lies on an axis."""
    for name, arguments in LAYERS.items():
        derived = vjp(traced(name, CATALOGUE[name].forward, arguments))
        laid = {i for ref in (*derived.outputs, *(one.ref for one in derived.inputs)) for i in ref.indices}
        for dimension in derived.dimensions:
            if dimension.size % 2 == 0 and dimension.letters[0] in laid - {"t"}:
                found = placed(derived, {"x": 2}, {dimension.letters[0]: "x"})
                assert str(found)
                assert json.loads(found.to_json())["lines"]
                assert found.total in found.to_html()


ON_DEVICES = """
import warnings
import numpy as np
import einbackprop as eb

def loss(weights, X, T):
    W, b = weights["W"], weights["b"]
    return np.sum((np.tanh(X @ W + b) - T) ** 2) / len(X)

rng = np.random.default_rng(0)
given = {"W": rng.normal(size=(8, 6)), "b": rng.normal(size=(1, 6))}, rng.normal(size=(12, 8)), rng.normal(size=(12, 6))
sharding = eb.shard(eb.value_and_grad(loss), *given, mesh={"data": 4, "model": 2}, letters={"n": "data", "i": "model"})
function = sharding.compile()
value, gradient = function(*given)
expected, theirs = eb.value_and_grad(loss)(*given)
np.testing.assert_allclose(float(value), expected, rtol=1e-12)
for name in theirs:
    assert gradient[name].dtype == np.float64
    np.testing.assert_allclose(np.asarray(gradient[name]), theirs[name], rtol=1e-12, atol=1e-14)
again = function({name: given[0][name] - 0.1 * np.asarray(gradient[name]) for name in given[0]}, *given[1:])
assert float(again[0]) < float(value)
assert "all-reduce" in function.lowered(*given).compile().as_text()
asked = {"dW": {"i": "data"}}
parts = eb.shard(eb.grad(loss), *given, mesh={"data": 4}, letters={"n": "data"}, outputs=asked)
made = parts.compile()(*given)["W"]
assert [shard.data.shape for shard in made.addressable_shards] == [(2, 6)] * 4, made.sharding
np.testing.assert_allclose(np.asarray(made), theirs["W"], rtol=1e-12, atol=1e-14)

def said(call):
    try:
        call()
    except eb.errors.EinbackpropError as error:
        print(error)

def picked(X, y):
    return -np.log(X[np.arange(len(y)), y]).sum()

def root_of_squares(x, b):
    return np.sqrt(((x + b) ** 2).sum(1)).sum()

said(lambda: function(given[0], given[1][:4], given[2]))
said(lambda: eb.shard(lambda x: x * 2, np.ones(16), mesh={"x": 16}, letters={"i": "x"}).compile())
X, y = rng.random((8, 4)), np.arange(8) % 4
labelled = eb.shard(eb.grad(picked), X, y, mesh={"x": 4}, letters={"b": "x"}).compile()
np.testing.assert_allclose(np.asarray(labelled(X, y)), eb.grad(picked)(X, y))
assert not labelled(X, y).sharding.is_fully_replicated
said(lambda: labelled(X, y + 1))
said(lambda: labelled(X.astype(np.float32), y))
said(lambda: labelled(X))
said(lambda: eb.shard(lambda x: np.sort(x, 0), X, mesh={"x": 4}, letters={"j": "x"}).compile())
with warnings.catch_warnings(record=True) as caught:
    eb.shard(lambda x: x * 2 if x[0, 0] > 0 else x, X, mesh={"x": 4}, letters={"i": "x"}).compile()
print(caught[0].message, caught[0].filename)
x, b = np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((1, 2))
safe = eb.shard(eb.grad(root_of_squares, wrt=(0, 1)), x, b, mesh={"x": 2}, letters={"i": "x"}).compile()
for mine, theirs in zip(safe(x, b), eb.grad(root_of_squares, wrt=(0, 1))(x, b)):
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(np.asarray(mine), theirs)
"""


@pytest.mark.slow
def test_it_runs_on_the_devices() -> None:
    pytest.importorskip("jax")
    assert on_devices("-c", ON_DEVICES).splitlines() == [
        "X has shape (4, 8), but was compiled for shape (12, 8). Compile again for other shapes.",
        "the mesh has 16 devices, but JAX has 8 here; to try it on this machine, set "
        "XLA_FLAGS=--xla_force_host_platform_device_count=16 before JAX is imported",
        "y holds 4 at [3], but picks from an axis where positions are 0 to 3.",
        "X has dtype float32, but was compiled for dtype float64. Convert it, or compile again.",
        "the function was compiled for 2 arguments, not for 1",
        "line 50: positions here depend on values: they are kept as they are in this run. They must not stay so: "
        "compile what comes before, and what comes after",
        "line 52: the program depends on values here: this run took the way of True. The compiled function keeps to "
        "that, whatever its arguments <string>",
    ]
