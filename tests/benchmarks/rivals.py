"""The workloads: each loss in NumPy, as it stands in the package, and the same in PyTorch and JAX."""

import functools
import math
from collections.abc import Callable
from typing import Any

import exercise
import numpy as np
import opt_einsum
from contenders import Arguments, Rival, Shape, Targets, Workload, normal, thrice

from einbackprop import network
from einbackprop.layers.attention import attention, causal_mask
from einbackprop.layers.convolution import convolution_2d
from einbackprop.layers.losses import cross_entropy
from einbackprop.layers.normalization import batch_norm, layer_norm
from einbackprop.layers.recurrence import lstm
from einbackprop.layers.transformer import transformer_block

# The exercise's network


def mlp(sizes: tuple[int, int, int, int, int], targets: Targets, native: Targets | None = None) -> Workload:
    i, j, k, l, b = sizes

    def arguments(rng: np.random.Generator, dtype: str) -> Arguments:
        parameters, X, targets = exercise.arguments_of(sizes, dtype)
        return parameters, (X, targets)

    products = (*thrice(j, i, b)[::2], *thrice(k, j, b), *thrice(l, k, b))
    by_hand = {"matmul style": mlp_numpy}
    if b <= 128:
        by_hand |= {name: mlp_on(einsum) for name, einsum in EINSUMS.items()}
    if b <= 32:
        by_hand["autograd"] = mlp_autograd
    return Workload(
        f"exercise {i}-{j}-{k}-{l} b{b}", arguments, mlp_loss, by_hand, {"PyTorch": Rival(mlp_torch)},
        {"jax.jit": Rival(mlp_jax)}, products, targets, native or {},
    )  # fmt: skip


def mlp_loss(parameters: Any, X: Any, targets: Any) -> Any:
    return network.squared_loss(network.forward(parameters, X)[-1], targets)


def mlp_numpy(parameters: Any, X: Any, targets: Any) -> Any:
    activations = exercise.matmul_forward(parameters, X)
    half = parameters[0].dtype.type(0.5)
    value = np.mean(half * np.linalg.norm(activations[-1] - targets, axis=0) ** 2)
    return value, exercise.matmul_backward(activations, targets, parameters)


def mlp_on(einsum: Callable[..., Any]) -> Callable[..., Any]:
    """The network of the package with another einsum under it."""

    def step(parameters: Any, X: Any, targets: Any) -> Any:
        before, network.einsum = network.einsum, einsum
        activations = network.forward(parameters, X)
        gradients = network.backward(activations, targets, parameters)
        value = network.squared_loss(activations[-1], targets)
        network.einsum = before
        return value, gradients

    return step


def mlp_torch(parameters: Any, X: Any, targets: Any) -> Any:
    W1, b1, W2, b2, W3, b3 = parameters
    h1 = (W1 @ X + b1[:, None]).sigmoid()
    h2 = (W2 @ h1 + b2[:, None]).sigmoid()
    return 0.5 * ((W3 @ h2 + b3[:, None] - targets) ** 2).sum(0).mean()


def mlp_jax(parameters: Any, X: Any, targets: Any) -> Any:
    import jax

    W1, b1, W2, b2, W3, b3 = parameters
    h1 = jax.nn.sigmoid(W1 @ X + b1[:, None])
    h2 = jax.nn.sigmoid(W2 @ h1 + b2[:, None])
    return 0.5 * ((W3 @ h2 + b3[:, None] - targets) ** 2).sum(0).mean()


def mlp_autograd(parameters: Any, X: Any, targets: Any) -> Any:
    import autograd

    return autograd.value_and_grad(mlp_of_autograd)(parameters, X, targets)


def mlp_of_autograd(parameters: Any, X: Any, targets: Any) -> Any:
    import autograd.numpy as np_

    W1, b1, W2, b2, W3, b3 = parameters
    h1 = 1 / (1 + np_.exp(-(W1 @ X + b1[:, None])))
    h2 = 1 / (1 + np_.exp(-(W2 @ h1 + b2[:, None])))
    return np_.mean(0.5 * np_.sum((W3 @ h2 + b3[:, None] - targets) ** 2, axis=0))


@functools.cache
def expression(subscripts: str, *shapes: Shape) -> Any:
    return opt_einsum.contract_expression(subscripts, *shapes)


def by_expression(subscripts: str, *operands: Any) -> Any:
    """`opt_einsum.contract_expression`, made once for each equation and its shapes."""
    return expression(subscripts, *map(np.shape, operands))(*operands)


EINSUMS = {"np.einsum": np.einsum, "opt_einsum": opt_einsum.contract, "contract_expression": by_expression}


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


def attention_on(einsum: Callable[..., Any]) -> Callable[..., Any]:
    """The formulas of the package's attention on another einsum."""

    def step(parameters: Any, mask: Any, seed: Any) -> Any:
        q, k, v = parameters
        scale = np.asarray(1 / math.sqrt(q.shape[-1]), q.dtype)
        z = np.where(mask, einsum(",bhtd,bhsd->bhts", scale, q, k), -600)
        e = np.exp(z - z.max(axis=3, keepdims=True))
        p = einsum("bhts,bht->bhts", e, 1 / einsum("bhts->bht", e))
        o = einsum("bhts,bhsd->bhtd", p, v)
        dp = einsum("bhtd,bhsd->bhts", seed, v)
        dv = einsum("bhts,bhtd->bhsd", p, seed)
        dz = p * (dp - einsum("bhts,bhts->bht", dp, p)[..., np.newaxis])
        dq = einsum(",bhts,bhsd->bhtd", scale, dz, k)
        dk = einsum(",bhtd,bhts->bhsd", scale, q, dz)
        return einsum("bhtd,bhtd->", o, seed), [dq, dk, dv]

    return step


ATTENTION_PRODUCTS = (*thrice(128, 64, 128, 8, 8), *thrice(128, 128, 64, 8, 8))


# Softmax with cross-entropy


def cross_entropy_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
    (logits,) = normal(rng, dtype, (1024, 8192))  # the classes of a sample beside one another, for every contender
    return [logits.T], (rng.integers(0, 8192, 1024),)


def cross_entropy_loss(parameters: Any, labels: Any) -> Any:
    return cross_entropy(parameters[0], labels)


def cross_entropy_torch(parameters: Any, labels: Any) -> Any:
    import torch

    return torch.nn.functional.cross_entropy(parameters[0], labels)


def cross_entropy_jax(parameters: Any, labels: Any) -> Any:
    import jax

    z = jax.nn.log_softmax(parameters[0], axis=-1)
    return -z[jax.numpy.arange(len(labels)), labels].mean()


def classes_last(parameters: list[Any], data: tuple[Any, ...]) -> Arguments:
    return [np.ascontiguousarray(parameters[0].T)], data


def classes_first(gradients: list[Any]) -> list[Any]:
    return [gradients[0].T]


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


# Batch normalization: images for PyTorch, a row for each channel for the others


def batch_norm_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
    x, gamma, beta, seed = normal(rng, dtype, (64, 32 * 784), (64,), (64,), (64, 32 * 784))
    return [x, gamma, beta], (seed,)


def batch_norm_loss(parameters: Any, seed: Any) -> Any:
    return np.sum(batch_norm(*parameters) * seed)


def batch_norm_jax(parameters: Any, seed: Any) -> Any:
    x, gamma, beta = parameters
    mean = x.mean(1, keepdims=True)
    centred = x - mean
    variance = (centred * centred).mean(1, keepdims=True)
    return ((gamma[:, None] * centred / (variance + 1e-5) ** 0.5 + beta[:, None]) * seed).sum()


def batch_norm_torch(parameters: Any, seed: Any) -> Any:
    import torch

    x, gamma, beta = parameters
    return (torch.nn.functional.batch_norm(x, None, None, gamma, beta, True, 0.1, 1e-5) * seed).sum()


def as_images(parameters: list[Any], data: tuple[Any, ...]) -> Arguments:
    def images(rows: Any) -> Any:
        return np.ascontiguousarray(rows.reshape(64, 32, 28, 28).swapaxes(0, 1))

    return [images(parameters[0]), *parameters[1:]], (images(data[0]),)


def as_rows(gradients: list[Any]) -> list[Any]:
    return [gradients[0].swapaxes(0, 1).reshape(64, -1), *gradients[1:]]


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


def lstm_fused(parameters: Any, h0: Any, c0: Any, seed: Any) -> Any:
    """`nn.LSTM`: one call for all steps."""
    import torch

    x, Wx, Wh, bias, no_bias = parameters
    weights = {"weight_ih_l0": Wx, "weight_hh_l0": Wh, "bias_ih_l0": bias, "bias_hh_l0": no_bias}
    module = lstm_module(Wx.dtype)
    h, _ = torch.func.functional_call(module, weights, (x, (h0, c0)))
    return (h * seed).sum()


@functools.cache
def lstm_module(dtype: Any) -> Any:
    import torch

    return torch.nn.LSTM(128, 128, dtype=dtype)


def lstm_enter(parameters: list[Any], data: tuple[Any, ...]) -> Arguments:
    """Batch before units, the gates' weights below one another, and PyTorch's second bias."""
    x, Wx, Wh, bias = parameters
    h0, c0, seed = (np.ascontiguousarray(array.swapaxes(-1, -2)) for array in data)
    x = np.ascontiguousarray(x.swapaxes(1, 2))
    bias = bias.reshape(-1)
    return [x, Wx.reshape(-1, 128), Wh.reshape(-1, 128), bias, np.zeros_like(bias)], (h0[None], c0[None], seed)


def lstm_leave(gradients: list[Any]) -> list[Any]:
    x, Wx, Wh, bias, _ = gradients
    return [x.swapaxes(1, 2), Wx.reshape(4, 128, 128), Wh.reshape(4, 128, 128), bias.reshape(4, 128)]


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


WORKLOADS = [
    mlp(
        (3, 4, 4, 2, 5), {"matmul style": (0.5, 0.5), "jax.jit": (0.15, 0.15), "PyTorch": (0.05, 0.05)},
        {"matmul style": (0.1, 0.1), "jax.jit": (0.03, 0.03), "PyTorch": (0.01, 0.01)},
    ),
    mlp((64, 128, 128, 10, 32), {"matmul style": (0.85, 0.92), "jax.jit": (0.35, 0.35), "PyTorch": (0.2, 0.2)}),
    mlp((784, 512, 512, 10, 128), {"GEMM": (1.03, 1.03)}),
    mlp((1024, 2048, 2048, 1024, 512), {"GEMM": (1.03, 1.03)}),
    Workload(
        "attention b8 h8 t128 d64", attention_arguments, attention_loss,
        {name: attention_on(einsum) for name, einsum in EINSUMS.items()}, {"PyTorch": Rival(attention_torch)},
        {"jax.jit": Rival(attention_jax)}, ATTENTION_PRODUCTS,
        {"GEMM": (1.1, 1.1), "PyTorch": (0.9, 0.7), "jax.jit": (0.9, 0.9), "opt_einsum": (0.15, 0.15)},
    ),
    Workload(
        "GPT block d256 t128 b8", block_arguments, block_loss, {}, {"PyTorch": Rival(block_torch)},
        {"jax.jit": Rival(block_jax)}, BLOCK_PRODUCTS,
        {"GEMM": (1.12, 1.12), "PyTorch": (0.95, 0.88), "jax.jit": (0.85, 0.85)},
    ),
    Workload(
        "softmax cross-entropy 1024×8192", cross_entropy_arguments, cross_entropy_loss, {},
        {"PyTorch": Rival(cross_entropy_torch, classes_last, classes_first)},
        {"jax.jit": Rival(cross_entropy_jax, classes_last, classes_first)}, (),
        {"PyTorch": (0.6, 0.6), "jax.jit": (0.25, 0.25)},
    ),
    Workload(
        "LSTM T32 b32 h128", lstm_arguments, lstm_loss, {},
        {"PyTorch": Rival(lstm_torch), "nn.LSTM": Rival(lstm_fused, lstm_enter, lstm_leave)},
        {"jax.jit": Rival(lstm_jax)}, LSTM_PRODUCTS,
        {"PyTorch": (0.65, 0.65), "nn.LSTM": (1.15, 0.8), "jax.jit": (1.0, 1.0)},
    ),
    Workload(
        "conv 3×3 16→32 28×28 b64", convolution_arguments, convolution_loss, {}, {"PyTorch": Rival(convolution_torch)},
        {"jax.jit": Rival(convolution_jax)}, CONVOLUTION_PRODUCTS, {"PyTorch": (1.3, 0.9), "jax.jit": (0.9, 0.9)},
    ),
    Workload(
        "layer norm 4096×768", layer_norm_arguments, layer_norm_loss, {}, {"PyTorch": Rival(layer_norm_torch)},
        {"jax.jit": Rival(layer_norm_jax)}, (), {"jax.jit": (0.85, 0.85)}, {"PyTorch": (1.2, 1.2)},
    ),
    Workload(
        "batch norm 32×64×28×28", batch_norm_arguments, batch_norm_loss, {},
        {"PyTorch": Rival(batch_norm_torch, as_images, as_rows)}, {"jax.jit": Rival(batch_norm_jax)}, (),
        {"jax.jit": (0.85, 0.85)},
    ),
]  # fmt: skip
