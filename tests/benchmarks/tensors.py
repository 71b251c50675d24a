"""Tensor networks: one einsum of many tensors, and its gradient by every one of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from contenders import Arguments, Rival, Shape, Workload, normal

import einbackprop as eb

Network = tuple[str, list[Shape]]

PAIRS = ("greedy", 2**60)
"""NumPy is to contract in pairs, however large: else it makes a scalar of many operands in one loop."""

CHAINS: dict[str, Network] = {
    "matrix chain of 8": (
        "ab,bc,cd,de,ef,fg,gh,hi->ai",
        [(60, 80), (80, 100), (100, 60), (60, 120), (120, 80), (80, 40), (40, 90), (90, 50)],
    ),
    "MPS of 8, bond 32": (
        "ia,ajb,bkc,cld,dme,enf,fog,gp->ijklmnop",
        [(2, 32), *[(32, 2, 32)] * 6, (32, 2)],
    ),
    "tensor train of 5, rank 16": ("ia,ajb,bkc,cld,dm->ijklm", [(8, 16), *[(16, 8, 16)] * 3, (16, 8)]),
    "Tucker 24³ core 12³": ("abc,ia,jb,kc->ijk", [(12, 12, 12), (24, 12), (24, 12), (24, 12)]),
    "CP 32³ rank 16": ("ir,jr,kr->ijk", [(32, 16)] * 3),
}  # fmt: skip


def random_networks() -> dict[str, Network]:
    """Networks of the generators of `einsum_benchmark`; where it is not installed, of opt_einsum's generator."""
    try:
        from einsum_benchmark.generators import random, structured
    except ImportError:
        from opt_einsum.testing import rand_equation

        drawn = {f"opt_einsum's rand_equation {n}": rand_equation(n, 3, 2, 3, 8, seed=n) for n in range(8, 18)}
        return {name: (subscripts, [tuple(s) for s in shapes]) for name, (subscripts, shapes) in drawn.items()}
    made = {
        "lattice 3×3": structured.lattice((3, 3), d_min=8),
        "lattice 4×4": structured.lattice((4, 4), d_min=6),
        "lattice 2×8": structured.lattice((2, 8), d_min=8),
        "lattice 2×2×3": structured.lattice((2, 2, 3), d_min=4),
        "regular of 12": random.regular(12, 3, 4, 8, seed=0),
        "regular of 20": random.regular(20, 3, 2, 4, seed=1),
        "tree of 20": structured.tree(20, 4, 12, 2, seed=0),
        "tree of 30": structured.tree(30, 4, 12, 2, seed=1),
        "connected network of 10": random.connected_network(10, 3, 2, 3, 6, seed=0),
        "connected hypernetwork of 10": random.connected_hypernetwork(
            10, 2.5, 5, 3, number_of_output_indices=2, min_axis_size=3, max_axis_size=6, seed=1
        ),
    }
    return {name: (subscripts, [tuple(map(int, s)) for s in shapes]) for name, (subscripts, shapes) in made.items()}


def workload(name: str, subscripts: str, shapes: list[Shape]) -> Workload:
    """A network, its entries weighted and added up, to be differentiated by every tensor."""
    out = subscripts.split("->")[1]
    letters = subscripts.split("->")[0].replace(",", "")
    sizes = dict(zip(letters, [n for shape in shapes for n in shape], strict=True))

    def arguments(rng: np.random.Generator, dtype: str) -> Arguments:
        *tensors, seed = normal(rng, dtype, *shapes, tuple(sizes[i] for i in out))
        return tensors, (np.asarray(seed),)

    def loss(tensors: Any, seed: Any) -> Any:
        return np.sum(eb.einsum(subscripts, *tensors) * seed)

    def torch_loss(tensors: Any, seed: Any) -> Any:
        import torch

        return (torch.einsum(subscripts, *tensors) * seed).sum()

    def jax_loss(tensors: Any, seed: Any) -> Any:
        import jax

        return (jax.numpy.einsum(subscripts, *tensors) * seed).sum()

    by_hand = {"einsum an operand": one_einsum_each(subscripts)}
    return Workload(
        name, arguments, loss, by_hand, {"PyTorch": Rival(torch_loss)}, {"jax.jit": Rival(jax_loss)}
    )  # fmt: skip


def one_einsum_each(subscripts: str) -> Callable[..., Any]:
    """The gradient as its formulas stand: an einsum of all the others for each operand."""
    left, out = subscripts.split("->")
    terms = left.split(",")

    def step(tensors: Any, seed: Any) -> Any:
        gradients = []
        for n, term in enumerate(terms):
            rest = ",".join([*terms[:n], *terms[n + 1 :], out])
            gradients.append(np.einsum(f"{rest}->{term}", *tensors[:n], *tensors[n + 1 :], seed, optimize=PAIRS))
        return np.sum(np.einsum(subscripts, *tensors, optimize=PAIRS) * seed), gradients

    return step


FAMILIES = {
    "matrix chain, MPS, TT, Tucker, CP": (
        [workload(name, *network) for name, network in CHAINS.items()],
        {"jax.jit": (0.45, 0.45), "PyTorch": (0.3, 0.3), "einsum an operand": (0.12, 0.12)},
    ),
    "random networks": (
        [workload(name, *network) for name, network in random_networks().items()],
        {"jax.jit": (0.4, 0.4), "PyTorch": (0.2, 0.2), "einsum an operand": (0.04, 0.04)},
    ),
}
"""Networks whose ratios are put together as geometric means, and the targets of those."""
