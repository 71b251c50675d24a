"""Functions drawn at random that make arrays in every way, write into them in every way, and read all of them.

A statement that NumPy refuses is drawn again, so each program runs; nothing in them is known of what is a view.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MAKES = """
{a}.copy() | {a}.copy(order="F") | {a}.copy("K") | {a}.copy(order="A") | np.copy({a}) | np.copy({a}, order="C")
np.array({a}) | np.array({a}, order="F") | np.array({a}, order="C") | np.array({a}, copy=False) | np.asarray({a})
np.asarray({a}, order="F") | np.ascontiguousarray({a}) | np.asfortranarray({a}) | np.array({a}, ndmin=3)
np.array([{a}, {a}]) | np.asanyarray({a}) | np.array({a}.T, copy=None) | np.asarray({a}.T, order="C")
{a}.T | {a}.T.copy() | {a}.mT | {a}.swapaxes(0, 1) | np.swapaxes({a}, 0, -1) | np.moveaxis({a}, 0, -1)
{a}.transpose() | np.transpose({a}, (1, 0)) | np.rollaxis({a}, -1) | np.matrix_transpose({a})
{a}.take([1, 0], axis=0) | np.take({a}, [0, 0, 1]) | np.take({a}, [1], axis=-1) | {a}[[1, 0]] | {a}[:, [1, 0]]
{a}[[0, 0], [1, 1]] | {a}[[True, False]] | {a}[[]] | {a}[{a} > .6] | {a}[{a} > 9] | {a}[np.ix_([1, 0], [0, 1])]
{a}.T[[1, 0]] | {a}[..., [1, 0]] | {a}[np.array([[0, 1], [1, 0]])] | {a}[:, :, [0, 1]] | {a}[0, :, [0, 1]]
{a}.reshape(-1) | {a}.reshape(1, -1) | {a}.reshape(-1, 2) | {a}.reshape(3, -1) | {a}.reshape(-1, order="F")
{a}.reshape(2, -1, order="F") | {a}.reshape(-1, order="A") | {a}.T.reshape(-1) | {a}.T.reshape({a}.shape)
{a}.ravel() | {a}.ravel("F") | {a}.ravel("K") | {a}.ravel(order="A") | np.ravel({a}) | {a}.T.ravel()
{a}.flatten() | {a}.flatten("F") | {a}.flatten("K") | {a}.T.flatten() | {a}.reshape({a}.shape) | {a}.reshape(())
{a}.astype(float) | {a}.astype(float, order="C") | {a}.astype(float, copy=False) | {a}.T.astype(float)
{a}.astype(float, order="F", copy=False) | {a}.astype(np.float32).astype(float)
{a} * 1. | {a} + 0 | {a} - 0. | {a} / 1 | {a} ** 1 | -{a} | +{a} | {a} * 2 | np.positive({a}) | np.exp(.1 * {a})
np.add({a}, 1, order="F") | np.multiply({a}, 2., order="C") | {a} + {b} | {a} * {b} | {a} + {a}.T | {a}.T * {b}
np.maximum({a}, {b}) | np.minimum({a}, .5) | np.where({a} > .5, {a}, .1) | np.where({a} > .5, {b}, {a}) | np.abs({a})
np.zeros_like({a}) | np.ones_like({a}, order="F") | np.full_like({a}, .5) | np.zeros({a}.shape)
np.zeros_like({a}, order="C") | np.zeros({a}.shape, order="F") | np.full({a}.shape, .5, order="F")
np.full_like({a}.T, .3) | np.ones({a}.shape[::-1], order="F") | np.eye(3, order="F") | np.zeros((3, 2), order="F").T
{a}.squeeze() | np.squeeze({a}, 0) | np.expand_dims({a}, 1) | {a}[None] | {a}[..., None] | {a}[:, None]
np.broadcast_to({a}, (2, *{a}.shape)) | np.broadcast_to({a}[:1], {a}.shape) | np.broadcast_arrays({a}, 1.)[0]
np.broadcast_to({a}, (2, *{a}.shape)).copy() | np.broadcast_to({a}, (2, *{a}.shape)).reshape(-1)
np.concatenate([{a}, {a}]) | np.concatenate([{a}]) | np.concatenate([{a}.T, {a}.T], axis=1) | np.stack([{a}, {b}], -1)
np.concatenate([{a}, {b}], axis=None) | np.vstack([{a}]) | np.hstack([{a}, {a}]) | np.dstack([{a}])
np.append({a}, .5)
np.column_stack([{a}, {a}]) | np.c_[{a}, {a}] | np.r_[{a}, {a}] | np.concatenate([{a}.T, {b}.T])
np.repeat({a}, 2, axis=0) | np.repeat({a}, 1) | np.repeat({a}, 1, axis=-1) | np.tile({a}, 1) | np.tile({a}, (2, 1))
np.tile({a}.T, (1, 2)) | np.repeat({a}.T, 2, axis=0)
np.einsum("ij->ji", {a}) | np.einsum("ii->i", {a}) | np.einsum("ij->ij", {a}) | np.einsum("ij,kj->ik", {a}, {a})
np.einsum("ij->j", {a}) | np.einsum("ij,ij->ji", {a}, {a}) | np.einsum("...", {a}) | np.einsum("i->i", {a})
{a}.sum(0) | {a}.sum(axis=1, keepdims=True) | {a}.max(0) | {a}.cumsum(0) | {a}.mean(-1) | {a}.sum(axis=()) | {a}.sum()
np.cumsum({a}) | np.max({a}, axis=0, keepdims=True) | {a}.T.sum(0) | {a}.sum(-1) | {a}.mean(axis=1) | {a}.prod(0)
np.diagonal({a}) | {a}.diagonal().copy() | np.diag({a}) | np.diagonal({a}, 1) | np.diagflat({a}) | {a}.trace()
np.split({a}, 1)[0] | np.array_split({a}, 2)[1] | np.hsplit({a}, 1)[0] | np.vsplit({a}, [1])[0]
np.split({a}, [1])[-1]
np.flip({a}) | np.flip({a}, 0) | np.fliplr({a}) | np.flipud({a}) | np.rot90({a}) | np.rot90({a}, 2) | np.rot90({a}, 0)
np.roll({a}, 1) | np.roll({a}, 0) | np.roll({a}, 1, axis=0) | np.roll({a}.T, 1, axis=0)
np.atleast_1d({a}) | np.atleast_2d({a}) | np.atleast_3d({a}) | np.sort({a}, axis=0) | np.sort({a})
np.sort({a}, None)
np.sort({a}.T, axis=0) | {a}.clip(.2, .8) | np.clip({a}, None, .7) | np.clip({a}, None, None) | {a}.round(3)
np.real({a})
{a}.real | np.conj({a}) | {a}.conj() | np.nan_to_num({a}) | np.nan_to_num({a}, copy=False) | np.triu({a})
np.tril({a})
np.pad({a}, 1) | np.pad({a}, 0) | np.insert({a}, 0, .5, axis=0) | np.delete({a}, 0, 0) | np.delete({a}, [], 0)
np.meshgrid({a}, {a}, copy=False)[0] | np.meshgrid({a}, {a})[1] | np.meshgrid({a}, {a}, sparse=True, copy=False)[0]
{a}[0] | {a}[-1] | {a}[0, 0] | {a}[-1:] | {a}[::2] | {a}[:, ::-1] | {a}[...] | {a}[()] | {a}[::-1] | {a}[1:, 1:]
{a}[5:]
{a}[:, 0] | {a}[..., -1] | {a}[0:1] | {a}[:, :1] | {a}[..., 0, :] | {a}.view() | {a}.flat | {a}[0, ...]
{a}[0, 0, ...]
np.lib.stride_tricks.sliding_window_view({a}, 2, axis=0) | {a} @ {a}.T | np.dot({a}.T, {a}) | np.outer({a}, {a})
np.kron({a}, {a}) | np.float64({a}) | np.dot({a}, {a}) | {a}[:, None] * {a}[None] | np.inner({a}, {a})
list({a})[0] | [*{a}][-1] | next(iter({a})) | np.array([*{a}]) | np.array({a}.tolist())
np.select([{a} > .5], [{a}], .1)
np.take_along_axis({a}, np.argsort({a}, axis=0), axis=0) | np.resize({a}, (2, 2)) | np.require({a}, requirements="F")
np.compress([True, False], {a}, axis=0) | np.extract({a} > .5, {a}) | np.partition({a}, 1) | {a}.repeat(2)
np.linalg.norm({a}, axis=0) | np.std({a}, axis=0) | np.diff({a}, n=0) | np.diff({a}) | np.logaddexp({a}.T, {b}.T)
"""

WRITES = """
{v}[0] = {c} | {v}[-1] = {c} | {v}[..., 0] = {c} | {v}[1:] = {c} | {v}[::2] *= {c} | {v}[::-1] = {v} * {c}
{v} += {c} | {v} *= {c} | {v} -= {w} | {v} /= 2 | {v} **= 2 | {v} += {v} | {v} += {v}.T | {v} *= {v}[::-1]
{v}[{v} > .5] = {c} | {v}[{v} > .5] *= {c} | {v}[{v} > 9] = {c} | {v}[{v} > -9] += {c} | {v}[~({v} > .5)] -= {c}
{v}[[0, 0]] += {c} | {v}[[0, 0, 0]] = {c} | {v}[[0, 0, 1]] = [.1, {c}, .2] | {v}[[1, 0]] = {v}[[0, 1]] | {v}[[]] = {c}
{v}[[0, 0], [0, 0]] += {c} | {v}[[0, 0], [1, 1]] = [.3, {c}] | {v}[:, [0, 0]] *= {c} | {v}[..., [0, -1]] -= {c}
{v}[[0, 1, 0]] *= {c} | {v}[[0, -1]] /= 2 | {v}[np.array([[0, 0], [0, 1]])] += {c} | {v}[[0, 0]] = {v}[[1, 0]]
np.add.at({v}, [0, 0], {c}) | np.subtract.at({v}, [0, 1, 0], {c}) | np.multiply.at({v}, [0, 0], {c})
np.add.at({v}, ([0, 0], [1, 1]), {c}) | np.add.at({v}, 0, {c}) | np.add.at({v}, {v} > .5, {c})
np.multiply({v}, 2, out={v}) | np.add({v}, {c}, out={v}[...]) | np.exp({v}, {v}) | np.maximum({v}, {c}, out={v})
np.multiply({v}, {c}, out={v}, where={v} > .5) | np.add({w}, {c}, out={v}) | np.add({v}[::-1], {v}, out={v})
np.copyto({v}, {c}) | np.copyto({v}, {c}, where={v} > .5) | np.copyto({v}, {w}) | np.copyto({v}[:1], {c})
np.put({v}, [0, 1], {c}) | {v}.put([0], [{c}]) | {v}.fill({c}) | {v}[:1].fill({c}) | {v}.sort() | {v}.sort(axis=0)
{v}.flat[0] = {c} | {v}.flat = {c} | {v}.flat[1:] = {c} | {v}.flat[[0, 0]] += {c} | {v}.flat[::2] *= {c}
np.fill_diagonal({v}, {c}) | np.place({v}, {v} > .5, [.1]) | np.putmask({v}, {v} > .5, {c})
np.put_along_axis({v}, np.argmax({v}, axis=0, keepdims=True), {c}, axis=0) | {v}[...] = {w} | {v}[:] = {c}
{v}[()] = {c}
{v}.T[0] = {c} | {v}.reshape(-1)[0] = {c} | {v}.ravel()[1] = {c} | {v}.ravel("F")[1:] *= {c} | {v}.ravel("K")[0] = {c}
{v}.T.reshape(-1)[1:] = {c} | {v}.T.ravel()[0] += {c} | {v}.reshape(2, -1)[0] = {c}
{v}.reshape(-1, order="F")[-1] = {c}
{v}.T[...] += {c} | {v}.squeeze()[...] = {c} | {v}[None][..., 0] = {c} | {v}.swapaxes(0, 1)[0] *= {c}
{v}[0][0] = {c}
{v}[1:] += {v}[:-1] | {v}[1:] = {v}[:-1] | {v}[:] = {v}[::-1] | {v}[:-1] -= {v}[1:] | {v}[0] = {v}[-1]
{v}[0, 0] += {c}
np.clip({v}, .2, .8, out={v}) | np.cumsum({v}, axis=0, out={v}) | {v}.clip(.2, .8, out={v})
np.sum({v}, 0, out={v}[0])
np.take({v}, [0, 0], axis=0, out={v}[:2]) | {v}.partition(1) | np.nan_to_num({v}, copy=False, nan={c})
{v}[0], {v}[1] = {v}[1], {v}[0]
for row in {v}: row *= {c} | for row in {v}: row[0] = {c} | for row in {v}.T: row += {c}
{v}[{v} > .5] = {v}[{v} > .5] * 2
{v}[np.ix_([0, 1], [0])] = {c} | {v}[{v}[:, 0] > .5] = {c} | {v}[:, {v}[0] > .5] *= {c} | {v}[{v}.argmax()] = {c}
np.einsum("ii->i", {v})[...] = {c} | np.einsum("ij->ji", {v})[0] = {c} | np.split({v}, [1])[0][...] = {c}
np.atleast_2d({v})[0] = {c} | np.flip({v})[0] = {c} | np.asarray({v})[0] = {c} | np.rot90({v}, 2)[0] = {c}
np.ascontiguousarray({v})[0] = {c} | np.asfortranarray({v})[0] = {c} | np.array({v}, copy=None)[0] = {c}
"""

SHAPES = [(2, 3), (3, 2), (3, 3), (2, 3), (4,), (2, 3, 2), (1, 3), (2, 1), (3,), (1,), (), (0,), (2, 0), (2, 2), (1, 1)]


def options(text: str) -> list[str]:
    """The templates of a table."""
    return [part.strip() for line in text.strip().splitlines() for part in line.split(" | ")]


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda x: x.copy(),
    "F": lambda x: x.copy(order="F"),
    "transposed": lambda x: x.T.copy().T,
    "steps": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy(),
    "negative": lambda x: x[..., ::-1].copy()[..., ::-1] if x.ndim else x.copy(),
    "first axis inmost": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0) if x.ndim else x.copy(),
}


@dataclass(frozen=True)
class Drawn:
    """A function of one array, as source and as a function, and the array in a layout."""

    source: str
    function: Callable[[Any], Any]
    entries: Any
    layout: str

    def argument(self, change: Any = 0.0) -> Any:
        """A new array in the layout."""
        return LAYOUTS[self.layout](np.asarray(self.entries + change))


def statement(rng: Any, names: list[str], lines: list[str]) -> str:
    """One statement that makes an array or writes into one."""
    a, b = (names[-1] if rng.random() < 0.6 else str(rng.choice(names)) for _ in range(2))
    if rng.random() < (0.55 if len(lines) < 3 else 0.35):
        return f"{'abdefghk'[len(names) - 1]} = {rng.choice(options(MAKES)).format(a=a, b=b)}"
    c = rng.choice([".3", "s", "s * .7"])
    return str(rng.choice(options(WRITES)).format(v=a, w=b, c=c))


def written(lines: list[str], names: list[str]) -> str:
    """The source of the function: what every array holds in the end counts, each entry with a weight of its own."""
    body = ["s = .2 + .1 * np.sum(x)", *lines]
    terms = [f"np.sum(np.sin({n}) * np.arange(1., np.size({n}) + 1).reshape(np.shape({n})))" for n in names]
    return "\n    ".join(["def f(x):", *body, f"return {' + '.join(terms)}"])


def function_of(source: str) -> Any:
    """The last function that a source defines."""
    space: dict[str, Any] = {"np": np}
    exec(source, space)
    return list(space.values())[-1]


def draw(seed: int) -> Drawn:
    """A program of some statements, each of which NumPy runs on arrays of this shape and layout."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[rng.integers(len(SHAPES))]
    entries = np.asarray(rng.permutation(int(np.prod(shape))).reshape(shape) * 0.137 + 0.21)
    layout = str(rng.choice(list(LAYOUTS)))
    lines: list[str] = []
    names = ["x"]
    for _ in range(40):
        line = statement(rng, names, lines)
        name = line[0] if line[1:4] == " = " else ""
        source = written([*lines, line], [*names, name] if name else names)
        drawn = Drawn(source, function_of(source), entries, layout)
        if fine(drawn):
            lines.append(line)
            names += [name] if name else []
        if len(lines) == rng.integers(3, 7) or len(lines) == 6:
            break
    source = written(lines, names)
    return Drawn(source, function_of(source), entries, layout)


def fine(drawn: Drawn) -> bool:
    """Whether NumPy runs a program, and gives a moderate number."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = drawn.function(drawn.argument())
        except Exception:
            return False
    return bool(np.ndim(found) == 0 and np.isrealobj(found) and np.isfinite(found) and abs(found) < 1e4)
