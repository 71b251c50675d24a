"""The workloads: each loss in NumPy, as it stands in the package, and the same in PyTorch and JAX."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import exercise
import numpy as np

from einbackprop import network
from einbackprop.layers.attention import attention, causal_mask
from einbackprop.layers.convolution import convolution_2d
from einbackprop.layers.losses import cross_entropy
from einbackprop.layers.normalization import layer_norm
from einbackprop.layers.recurrence import lstm
from einbackprop.layers.transformer import transformer_block

Shape = tuple[int, ...]
Arguments = tuple[list[Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Workload:
    """A loss with its arguments: `loss(parameters, *data)`, to be differentiated by every parameter.

    `products` are the shapes of the matrix products in one step: nothing can be faster than those alone.
    """

    name: str
    arguments: Callable[[np.random.Generator, str], Arguments]
    loss: Callable[..., Any]
    numpy: Callable[..., Any] | None = None
    torch: Callable[..., Any] | None = None
    jax: Callable[..., Any] | None = None
    products: tuple[tuple[Shape, Shape], ...] = ()


def normal(rng: np.random.Generator, dtype: str, *shapes: Shape) -> list[Any]:
    return [(0.3 * rng.standard_normal(shape)).astype(dtype) for shape in shapes]


def thrice(m: int, k: int, n: int, *batch: int, times: int = 1) -> list[tuple[Shape, Shape]]:
    """A product forward, and its two transposes backward."""
    return [
        ((*batch, m, k), (*batch, k, n)), ((*batch, m, n), (*batch, n, k)), ((*batch, k, m), (*batch, m, n)),
    ] * times  # fmt: skip


# The exercise's network


def mlp(sizes: tuple[int, int, int, int, int]) -> Workload:
    i, j, k, l, b = sizes

    def arguments(rng: np.random.Generator, dtype: str) -> Arguments:
        parameters, X, targets = exercise.arguments_of(sizes, dtype)
        return parameters, (X, targets)

    def loss(parameters: Any, X: Any, targets: Any) -> Any:
        return network.squared_loss(network.forward(parameters, X)[-1], targets)

    def numpy_step(parameters: Any, X: Any, targets: Any) -> Any:
        activations = exercise.matmul_forward(parameters, X)
        half = parameters[0].dtype.type(0.5)
        value = np.mean(half * np.linalg.norm(activations[-1] - targets, axis=0) ** 2)
        return value, exercise.matmul_backward(activations, targets, parameters)

    def torch_loss(parameters: Any, X: Any, targets: Any) -> Any:
        W1, b1, W2, b2, W3, b3 = parameters
        h1 = (W1 @ X + b1[:, None]).sigmoid()
        h2 = (W2 @ h1 + b2[:, None]).sigmoid()
        return 0.5 * ((W3 @ h2 + b3[:, None] - targets) ** 2).sum(0).mean()

    def jax_loss(parameters: Any, X: Any, targets: Any) -> Any:
        import jax

        W1, b1, W2, b2, W3, b3 = parameters
        h1 = jax.nn.sigmoid(W1 @ X + b1[:, None])
        h2 = jax.nn.sigmoid(W2 @ h1 + b2[:, None])
        return 0.5 * ((W3 @ h2 + b3[:, None] - targets) ** 2).sum(0).mean()

    products = (*thrice(j, i, b)[::2], *thrice(k, j, b), *thrice(l, k, b))
    name = f"exercise {i}-{j}-{k}-{l} b{b}"
    return Workload(name, arguments, loss, numpy_step, torch_loss, jax_loss, products)


# Attention: the sum of its output, weighted


def attention_loss(parameters: Any, mask: Any, seed: Any) -> Any:
    return np.sum(attention(*parameters, mask) * seed)


def attention_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
    shape = (8, 8, 128, 64)
    q, k, v, seed = normal(rng, dtype, shape, shape, shape, shape)
    return [q, k, v], (causal_mask(128), seed)


def attention_torch(parameters: Any, mask: Any, seed: Any) -> Any:
    import torch

    return (torch.nn.functional.scaled_dot_product_attention(*parameters, attn_mask=mask) * seed).sum()


def attention_jax(parameters: Any, mask: Any, seed: Any) -> Any:
    import jax

    q, k, v = parameters
    z = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    return (jax.nn.softmax(jax.numpy.where(mask, z, -jax.numpy.inf), axis=-1) @ v * seed).sum()


ATTENTION_PRODUCTS = (*thrice(128, 64, 128, 8, 8), *thrice(128, 128, 64, 8, 8))


# Softmax with cross-entropy


def cross_entropy_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
    return normal(rng, dtype, (8192, 1024)), (rng.integers(0, 8192, 1024),)


def cross_entropy_loss(parameters: Any, labels: Any) -> Any:
    return cross_entropy(parameters[0], labels)


def cross_entropy_torch(parameters: Any, labels: Any) -> Any:
    import torch

    return torch.nn.functional.cross_entropy(parameters[0].T, labels)


def cross_entropy_jax(parameters: Any, labels: Any) -> Any:
    import jax

    z = jax.nn.log_softmax(parameters[0], axis=0)
    return -z[labels, jax.numpy.arange(len(labels))].mean()


# Layer normalization


def layer_norm_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
    x, gamma, beta, seed = normal(rng, dtype, (8, 512, 768), (768,), (768,), (8, 512, 768))
    return [x, gamma, beta], (seed,)


def layer_norm_loss(parameters: Any, seed: Any) -> Any:
    return np.sum(layer_norm(*parameters) * seed)


def layer_norm_torch(parameters: Any, seed: Any) -> Any:
    import torch

    x, gamma, beta = parameters
    return (torch.nn.functional.layer_norm(x, (768,), gamma, beta, 1e-5) * seed).sum()


def layer_norm_of_jax(x: Any, gamma: Any, beta: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    centred = x - mean
    variance = (centred * centred).mean(-1, keepdims=True)
    return gamma * centred / (variance + 1e-5) ** 0.5 + beta


def layer_norm_jax(parameters: Any, seed: Any) -> Any:
    return (layer_norm_of_jax(*parameters) * seed).sum()


# LSTM


def lstm_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
    T, b, h = 32, 32, 128
    Wx, Wh, bias, x, h0, c0, seed = normal(
        rng, dtype, (4, h, h), (4, h, h), (4, h), (T, h, b), (h, b), (h, b), (T, h, b)
    )
    return [x, Wx, Wh, bias], (h0, c0, seed)


def lstm_loss(parameters: Any, h0: Any, c0: Any, seed: Any) -> Any:
    x, Wx, Wh, bias = parameters
    return np.sum(lstm(x, h0, c0, Wx, Wh, bias)[0] * seed)


def lstm_torch(parameters: Any, h0: Any, c0: Any, seed: Any) -> Any:
    import torch

    x, Wx, Wh, bias = parameters
    h, c, total = h0, c0, 0.0
    from_x = torch.einsum("qij,tjb->tqib", Wx, x) + bias[:, :, None]
    for t in range(len(x)):
        a = from_x[t] + torch.einsum("qig,gb->qib", Wh, h)
        c = a[1].sigmoid() * c + a[0].sigmoid() * a[2].tanh()
        h = a[3].sigmoid() * c.tanh()
        total = total + (h * seed[t]).sum()
    return total


def lstm_jax(parameters: Any, h0: Any, c0: Any, seed: Any) -> Any:
    import jax

    x, Wx, Wh, bias = parameters
    from_x = jax.numpy.einsum("qij,tjb->tqib", Wx, x) + bias[:, :, None]

    def step(carry: Any, ax: Any) -> Any:
        h, c = carry
        a = ax + jax.numpy.einsum("qig,gb->qib", Wh, h)
        c = jax.nn.sigmoid(a[1]) * c + jax.nn.sigmoid(a[0]) * jax.numpy.tanh(a[2])
        h = jax.nn.sigmoid(a[3]) * jax.numpy.tanh(c)
        return (h, c), h

    return (jax.lax.scan(step, (h0, c0), from_x)[1] * seed).sum()


LSTM_PRODUCTS = (*thrice(512, 128, 1024), *thrice(512, 128, 32, times=32)[: 2 * 32], ((512, 1024), (1024, 128)))


# Convolution


def convolution_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
    X, K, bias, seed = normal(rng, dtype, (64, 1, 16, 28, 28), (1, 32, 16, 3, 3), (1, 32), (64, 1, 32, 28, 28))
    return [X, K, bias], (seed,)


def convolution_loss(parameters: Any, seed: Any) -> Any:
    return np.sum(convolution_2d(*parameters, padding=1) * seed)


def convolution_torch(parameters: Any, seed: Any) -> Any:
    import torch

    X, K, bias = parameters
    return (torch.nn.functional.conv2d(X[:, 0], K[0], bias[0], padding=1) * seed[:, 0]).sum()


def convolution_jax(parameters: Any, seed: Any) -> Any:
    import jax

    X, K, bias = parameters
    Z = jax.lax.conv(X[:, 0], K[0], (1, 1), "SAME") + bias[0][:, None, None]
    return (Z * seed[:, 0]).sum()


CONVOLUTION_PRODUCTS = tuple(thrice(32, 144, 64 * 784))


# A block of a transformer


def block_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
    b, t, e, h, f = 8, 128, 256, 8, 1024
    shapes: list[Shape] = [(e,), (e,), (h, e // h, e), (h, e // h, e), (h, e // h, e), (e, h, e // h)]
    shapes += [(e,), (e,), (f, e), (f,), (e, f), (e,)]
    x, seed, *parameters = normal(rng, dtype, (b, t, e), (b, t, e), *shapes)
    return [x, *parameters], (causal_mask(t), seed)


def block_loss(parameters: Any, mask: Any, seed: Any) -> Any:
    x, *rest = parameters
    return np.sum(transformer_block(x, rest, mask) * seed)


def block_torch(parameters: Any, mask: Any, seed: Any) -> Any:
    import torch

    F = torch.nn.functional
    x, g1, c1, Wq, Wk, Wv, Wo, g2, c2, W1, d1, W2, d2 = parameters
    e = x.shape[-1]
    n = F.layer_norm(x, (e,), g1, c1, 1e-5)
    q, k, v = (torch.einsum("hde,bte->bhtd", W, n) for W in (Wq, Wk, Wv))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    y = x + torch.einsum("fhd,bhtd->btf", Wo, o)
    n = F.layer_norm(y, (e,), g2, c2, 1e-5)
    z = y + F.linear(F.gelu(F.linear(n, W1, d1), approximate=BLOCK_GELU), W2, d2)
    return (z * seed).sum()


def block_jax(parameters: Any, mask: Any, seed: Any) -> Any:
    import jax

    np_ = jax.numpy
    x, g1, c1, Wq, Wk, Wv, Wo, g2, c2, W1, d1, W2, d2 = parameters
    n = layer_norm_of_jax(x, g1, c1)
    q, k, v = (np_.einsum("hde,bte->bhtd", W, n) for W in (Wq, Wk, Wv))
    z = np_.where(mask, q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]), -np_.inf)
    y = x + np_.einsum("fhd,bhtd->btf", Wo, jax.nn.softmax(z, axis=-1) @ v)
    n = layer_norm_of_jax(y, g2, c2)
    z = y + jax.nn.gelu(n @ W1.T + d1, approximate=BLOCK_GELU == "tanh") @ W2.T + d2
    return (z * seed).sum()


BLOCK_GELU = "tanh"
BLOCK_PRODUCTS = (
    *thrice(1024, 256, 256, times=4), *thrice(128, 32, 128, 8, 8), *thrice(128, 128, 32, 8, 8),
    *thrice(1024, 256, 1024), *thrice(1024, 1024, 256),
)  # fmt: skip


# Tensor networks: the gradient by every tensor

NETWORKS: dict[str, tuple[str, list[Shape]]] = {
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


def tensor_network(name: str, subscripts: str, shapes: list[Shape]) -> Workload:
    out = subscripts.split("->")[1]
    sizes = dict(zip(subscripts.split("->")[0].replace(",", ""), [n for shape in shapes for n in shape], strict=True))
    result = tuple(sizes[i] for i in out)

    def arguments(rng: np.random.Generator, dtype: str) -> Arguments:
        *tensors, seed = normal(rng, dtype, *shapes, result)
        return tensors, (seed,)

    def loss(tensors: Any, seed: Any) -> Any:
        return np.sum(np.einsum(subscripts, *tensors, optimize=True) * seed)

    def torch_loss(tensors: Any, seed: Any) -> Any:
        import torch

        return (torch.einsum(subscripts, *tensors) * seed).sum()

    def jax_loss(tensors: Any, seed: Any) -> Any:
        import jax

        return (jax.numpy.einsum(subscripts, *tensors) * seed).sum()

    def one_einsum_each(tensors: Any, seed: Any) -> Any:
        terms = subscripts.split("->")[0].split(",")
        gradients = []
        for n, term in enumerate(terms):
            rest = ",".join([*terms[:n], *terms[n + 1 :], out])
            gradients.append(np.einsum(f"{rest}->{term}", *tensors[:n], *tensors[n + 1 :], seed, optimize=True))
        return np.sum(np.einsum(subscripts, *tensors, optimize=True) * seed), gradients

    return Workload(name, arguments, loss, one_einsum_each, torch_loss, jax_loss)


WORKLOADS = [
    mlp((3, 4, 4, 2, 5)),
    mlp((64, 128, 128, 10, 32)),
    mlp((784, 512, 512, 10, 128)),
    mlp((1024, 2048, 2048, 1024, 512)),
    Workload("attention b8 h8 t128 d64", attention_arguments, attention_loss, None, attention_torch, attention_jax,
             ATTENTION_PRODUCTS),
    Workload("transformer block d256 t128 b8", block_arguments, block_loss, None, block_torch, block_jax,
             BLOCK_PRODUCTS),
    Workload("softmax cross-entropy 8192×1024", cross_entropy_arguments, cross_entropy_loss, None,
             cross_entropy_torch, cross_entropy_jax),
    Workload("layer norm 4096×768", layer_norm_arguments, layer_norm_loss, None, layer_norm_torch, layer_norm_jax),
    Workload("LSTM T32 b32 h128", lstm_arguments, lstm_loss, None, lstm_torch, lstm_jax, LSTM_PRODUCTS),
    Workload("conv 3×3 16→32 28×28 b64", convolution_arguments, convolution_loss, None, convolution_torch,
             convolution_jax, CONVOLUTION_PRODUCTS),
    *(tensor_network(name, *network) for name, network in NETWORKS.items()),
]  # fmt: skip
