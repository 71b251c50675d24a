"""``np`` on PyTorch tensors, as far as drawn functions need it: the judge of gradients where values agree.

Only what PyTorch does with the same meaning is here; anything else raises, and PyTorch does not judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


class UnjudgedError(Exception):
    """PyTorch has no such thing."""


def tensor(value: Any) -> Any:
    """A tensor of an array, a number, or a list of such."""
    if isinstance(value, Array):
        return value.t
    if isinstance(value, list | tuple):
        return torch.stack([tensor(item).to(torch.float64) for item in value])
    return torch.as_tensor(np.asarray(value))


def floats(value: Any) -> Any:
    """The same in float64."""
    found = tensor(value)
    return found if found.is_floating_point() else found.to(torch.float64)


def axes(axis: Any) -> Any:
    """An axis as PyTorch takes it."""
    return tuple(axis) if isinstance(axis, tuple) else axis


def key_of(key: Any) -> Any:
    """A key; PyTorch has no steps back."""
    if isinstance(key, tuple):
        return tuple(map(key_of, key))
    if isinstance(key, slice) and key.step is not None and int(key.step) < 0:
        raise UnjudgedError("a step back")
    if isinstance(key, range | list):
        return torch.as_tensor(list(key))
    return key.t if isinstance(key, Array) else torch.as_tensor(key) if isinstance(key, np.ndarray) else key


def operator(function: Callable[..., Any], turned: bool = False) -> Any:
    """A binary operator."""

    def apply(self: Array, other: Any) -> Any:
        left, right = (tensor(other), self.t) if turned else (self.t, tensor(other))
        return Array(function(left.clone(), right.clone()))  # what is kept for the gradient is never written into

    return apply


def in_place(function: Callable[..., Any]) -> Any:
    """An augmented assignment: a number is replaced, an array is written into."""

    def apply(self: Array, other: Any) -> Any:
        made = function(self.t.clone(), tensor(other).clone())
        if not self.t.ndim:
            return Array(made)
        self.t[...] = made
        return self

    return apply


def power(a: Any, b: Any) -> Any:
    """``a ** b``, by a plain number where it is one: the logarithm of a is not asked for."""
    return a ** (b.item() if not b.ndim and not b.requires_grad else b)


class Array:
    """A tensor with the manners of an ndarray."""

    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, t: Any) -> None:
        self.t = t

    shape = property(lambda self: tuple(self.t.shape))
    ndim = property(lambda self: self.t.ndim)
    size = property(lambda self: self.t.numel())
    T = property(lambda self: Array(self.t.permute(*range(self.t.ndim)[::-1])))

    def __len__(self) -> int:
        return len(self.t)

    def __iter__(self) -> Any:
        return (Array(self.t[n]) for n in range(len(self.t)))

    def __bool__(self) -> bool:
        return bool(self.t)

    def __float__(self) -> float:
        raise UnjudgedError("float")

    def __index__(self) -> int:
        return int(self.t)

    def __getitem__(self, key: Any) -> Any:
        return Array(self.t[key_of(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if not (isinstance(value, Array) and value.t is self.t):
            self.t[key_of(key)] = tensor(value).to(self.t.dtype).clone()

    def __neg__(self) -> Any:
        return Array(-self.t)

    def __invert__(self) -> Any:
        return Array(~self.t)

    __add__, __radd__ = operator(torch.add), operator(torch.add, True)
    __sub__, __rsub__ = operator(lambda a, b: a + -1 * b), operator(lambda a, b: a + -1 * b, True)
    __mul__, __rmul__ = operator(torch.mul), operator(torch.mul, True)
    __truediv__, __rtruediv__ = operator(torch.div), operator(torch.div, True)
    __pow__, __matmul__ = operator(power), operator(lambda a, b: floats(Array(a)) @ floats(Array(b)))
    __rmatmul__ = operator(lambda a, b: a @ b, True)
    __gt__, __lt__, __ge__, __le__ = map(operator, (torch.gt, torch.lt, torch.ge, torch.le))
    __eq__, __and__ = operator(torch.eq), operator(torch.logical_and)  # type: ignore[assignment]
    __mod__, __floordiv__ = operator(torch.remainder), operator(torch.floor_divide)
    __iadd__, __isub__ = in_place(torch.add), in_place(lambda a, b: a - b)
    __imul__, __itruediv__, __ipow__ = in_place(torch.mul), in_place(torch.div), in_place(power)

    def astype(self, kind: Any) -> Any:
        """In another dtype; float32 is no judge."""
        if kind in (int, bool):
            return Array(self.t.to(torch.int64 if kind is int else torch.bool))
        return Array(self.t.to(torch.float64).clone())

    def copy(self) -> Any:
        """A copy."""
        return Array(self.t.clone())

    def reshape(self, *shape: Any) -> Any:
        """A view where PyTorch gives one, as NumPy does."""
        return Array(self.t.reshape(shape[0] if isinstance(shape[0], tuple) else shape))

    def ravel(self) -> Any:
        """A view where PyTorch gives one."""
        return Array(self.t.reshape(-1))

    def flatten(self) -> Any:
        """A copy."""
        return Array(self.t.reshape(-1).clone())

    def transpose(self, *order: Any) -> Any:
        """The axes in another order."""
        order = order[0] if order and isinstance(order[0], tuple) else order
        return Array(self.t.permute(*order)) if order else self.T

    def squeeze(self, axis: int) -> Any:
        """Without an axis."""
        return Array(self.t.squeeze(axis))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(FUNCTIONS, name):
            raise UnjudgedError(name)
        return lambda *rest, **keywords: getattr(FUNCTIONS, name)(self, *rest, **keywords)


def reduction(function: Callable[..., Any]) -> Any:
    """A function along axes."""

    def apply(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        found = floats(a).clone()
        over = tuple(range(found.ndim)) if axis is None else axes(axis)
        return Array(function(found, over, keepdims))

    return apply


def extremum(function: Callable[..., Any]) -> Any:
    """A maximum or minimum; the first of several gets the gradient, as in ``Extremum``."""

    def apply(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        found = floats(a)
        if axis is None:
            return Array(function(found.reshape(-1), 0)[0])
        return Array(function(found, axis, keepdims)[0])

    return apply


def pointwise(function: Callable[..., Any]) -> Any:
    """A function of each entry."""

    def apply(*operands: Any, out: Any = None) -> Any:
        made = Array(function(*(floats(operand).clone() for operand in operands)).clone())
        if out is not None:
            out[...] = made
            return out
        return made

    return apply


def joined(function: Callable[..., Any]) -> Any:
    """A function that joins several arrays."""
    return lambda arrays, axis=0: Array(function([floats(a) for a in arrays], axis))


def like(function: Callable[..., Any]) -> Any:
    """``zeros_like``."""
    return lambda a, dtype=None: Array(function(floats(a).detach()))


def blank(function: Callable[..., Any]) -> Any:
    """``zeros``."""
    return lambda shape, dtype=float: Array(function(shape, dtype=torch.int64 if dtype is int else torch.float64))


def add_at(a: Any, key: Any, values: Any) -> None:
    """``np.add.at``."""
    keys = key if isinstance(key, tuple) else (key,)
    a.t.index_put_(tuple(map(tensor, map(key_of, keys))), floats(values), accumulate=True)


class Adding:
    """``np.add``."""

    at = staticmethod(add_at)

    def __call__(self, a: Any, b: Any, out: Any = None) -> Any:
        return pointwise(torch.add)(a, b, out=out)


class FUNCTIONS:
    """The functions of ``np``."""

    newaxis, float64, pi = None, float, np.pi
    add = Adding()
    exp, log, tanh, sqrt, abs, sin, cos = map(pointwise, (
        torch.exp, torch.log, torch.tanh, torch.sqrt, torch.abs, torch.sin, torch.cos))  # fmt: skip
    square, log1p, expm1, hypot, logaddexp, multiply, subtract, maximum, minimum = map(pointwise, (
        torch.square, torch.log1p, torch.expm1, torch.hypot, torch.logaddexp, torch.mul, torch.sub, torch.maximum,
        torch.minimum))  # fmt: skip
    sum, mean = reduction(torch.sum), reduction(torch.mean)
    var = reduction(lambda a, over, keep: torch.var(a, over, correction=0, keepdim=keep))
    std = reduction(lambda a, over, keep: torch.std(a, over, correction=0, keepdim=keep))
    max, min = extremum(torch.max), extremum(torch.min)
    argmax = staticmethod(lambda a, axis=None: Array(torch.argmax(tensor(a), axis)))
    argmin = staticmethod(lambda a, axis=None: Array(torch.argmin(tensor(a), axis)))
    cumsum = staticmethod(lambda a, axis: Array(torch.cumsum(floats(a), axis)))
    dot = matmul = staticmethod(lambda a, b: Array(floats(a).clone() @ floats(b).clone()))
    outer = staticmethod(lambda a, b: Array(torch.outer(floats(a).flatten().clone(), floats(b).flatten().clone())))
    einsum = staticmethod(lambda text, *operands: Array(torch.einsum(text, *(floats(o).clone() for o in operands))))
    tensordot = staticmethod(lambda a, b, axes=2: Array(torch.tensordot(a.t.clone(), b.t.clone(), axes)))
    split = staticmethod(lambda a, n, axis=0: [Array(part) for part in torch.tensor_split(a.t, n, axis)])
    tile = staticmethod(lambda a, n: Array(torch.tile(a.t, n)))
    repeat = staticmethod(lambda a, n, axis: Array(torch.repeat_interleave(a.t, n, axis)))
    moveaxis = staticmethod(lambda a, i, j: Array(torch.moveaxis(a.t, i, j)))
    diff = staticmethod(lambda a, axis=-1: Array(torch.diff(a.t, dim=axis)))
    sign, arctan, sinh, power = map(pointwise, (torch.sign, torch.arctan, torch.sinh, power))
    where = staticmethod(lambda test, a, b: Array(torch.where(tensor(test), floats(a), floats(b))))
    clip = staticmethod(lambda a, low, high, out=None: pointwise(lambda x: torch.clip(x, low, high))(a, out=out))
    zeros, ones, empty = blank(torch.zeros), blank(torch.ones), blank(torch.zeros)
    zeros_like, ones_like, empty_like = like(torch.zeros_like), like(torch.ones_like), like(torch.zeros_like)
    eye = staticmethod(lambda n: Array(torch.eye(n, dtype=torch.float64)))
    arange = staticmethod(lambda n: Array(torch.arange(n)))
    concatenate, stack = joined(torch.cat), joined(torch.stack)
    vstack = staticmethod(lambda arrays: Array(torch.vstack([floats(a) for a in arrays])))
    hstack = staticmethod(lambda arrays: Array(torch.hstack([floats(a) for a in arrays])))
    array = staticmethod(lambda a, dtype=None: Array(floats(a).clone()))
    asarray = staticmethod(lambda a, dtype=None: a)
    transpose = staticmethod(lambda a, order=None: a.transpose(order) if order else a.T)
    swapaxes = staticmethod(lambda a, i, j: Array(a.t.swapaxes(i, j)))
    reshape = staticmethod(lambda a, shape: a.reshape(shape))
    trace = staticmethod(lambda a: Array(torch.trace(a.t)))
    diag = staticmethod(lambda a: Array(torch.diag(a.t)))
    triu, tril = staticmethod(lambda a: Array(torch.triu(a.t))), staticmethod(lambda a: Array(torch.tril(a.t)))


def gradients(source: str, arguments: Any, wrt: Any) -> tuple[float, list[Any]]:
    """The value and the gradients of the loss that a source defines, by the arrays at some paths, run line by line."""
    space: dict[str, Any] = {"np": FUNCTIONS}
    leaves: dict[int, Any] = {}

    def given(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: given(item) for key, item in value.items()}
        if isinstance(value, list):
            return list(map(given, value))
        if not isinstance(value, np.ndarray):
            return value
        leaf = leaves[id(value)] = torch.tensor(value, requires_grad=value.dtype.kind == "f")
        return Array(leaf.clone())

    traced = [given(argument) for argument in arguments]
    exec(source, space)
    loss = space["loss"](*traced).t
    wanted = [leaves[id(array)] for array in wrt]
    found = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return float(loss), [gradient.numpy() for gradient in found]
