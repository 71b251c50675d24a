"""Arguments for each layer of the catalogue, at drawn sizes, and what running it shows.

Shapes are read from the declarations in the code. What a shape does not say (labels, masks, ties between letters) is
here, as data.
"""

import ast
import inspect
import sys
import textwrap
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from mutants import mutants

from einbackprop.core import nesting, shapes
from einbackprop.layers import CATALOGUE
from einbackprop.layers.attention import attention, causal_mask, multi_head_attention, rotations
from einbackprop.layers.normalization import layer_norm
from einbackprop.layers.transformer import feed_forward
from einbackprop.strategies import sizes

POINTWISE = ("sigmoid", "tanh", "relu", "leaky relu", "softplus", "gelu", "silu", "dropout")
RECURRENT = ("RNN", "LSTM", "GRU")
CONVOLUTIONS = {"convolution 1d": "pr", "convolution 2d": "pqrt"}
POOLING = ("average pooling", "max pooling")

# A letter that has another's size, and letters that have one size only.
TIES = {"RNN": "gi", "LSTM": "gi", "GRU": "gi", "multi-head attention": "st", "transformer block": "st"}
FIXED = {"LSTM": {"q": 4}, "GRU": {"q": 3}, "rotary position": {"a": 2, "c": 2}}
HELD = {"softmax": {"top"}, "log softmax": {"top"}}  # a derivation says that they cancel
LAYERS_AS_FUNCTIONS = {f.__name__: f for f in (attention, multi_head_attention, layer_norm, feed_forward)}


@dataclass(frozen=True)
class Case:
    """A layer's arguments and settings, and random cotangents of what forward returns."""

    name: str
    arguments: tuple
    settings: dict
    cotangents: tuple

    @property
    def layer(self):
        return CATALOGUE[self.name]

    def cast(self, dtype):
        """The same case in another dtype; integers and masks stay."""

        def converted(array):
            return array.astype(dtype) if array.dtype.kind in "fc" else array

        def each(value):
            return nesting.rebuild(value, converted)

        return Case(self.name, each(self.arguments), self.settings, each(self.cotangents))

    def forward(self, *arguments):
        """What forward returns, as a tuple."""
        returned = self.layer.forward(*(arguments or self.arguments), **self.settings)
        return returned if isinstance(returned, tuple) else (returned,)

    def vjp(self, vjp=None):
        """One cotangent for each of wrt, as a tuple; of another vjp, if one is given."""
        vjp = vjp or self.layer.vjp
        returned = vjp(*self.cotangents, *self.arguments, *self.needed(vjp), **self.settings)
        return returned if isinstance(returned, tuple) else (returned,)

    def needed(self, vjp):
        """Those of forward's outputs that a vjp takes."""
        outputs = dict(zip(self.layer.outputs, self.forward(), strict=True))
        return [outputs[name] for name in inspect.signature(vjp).parameters if name in outputs]

    def primals(self):
        """The arguments that have a cotangent."""
        named = dict(zip(inspect.signature(self.layer.forward).parameters, self.arguments, strict=False))
        return [named[name] for name in self.layer.wrt]


def declared(function):
    """A function's declaration of shapes, read from its source: one item an argument."""
    for decorator in tree_of(function).decorator_list:
        if isinstance(decorator, ast.Call) and decorator.func.id == "declare_shapes":
            return shapes.parse(ast.literal_eval(decorator.args[0]))
    return []


def tree_of(function):
    """The syntax tree of a function."""
    return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]


def wrong_vjps(layer):
    """What was edited, and the layer's vjp with letters of one literal exchanged: for each literal and exchange."""
    module, name = inspect.getmodule(layer.vjp), layer.vjp.__name__
    for mutant in mutants(inspect.getsource(module), [name], ["letters"]):
        namespace = {"__name__": module.__name__}
        exec(compile(mutant.source, "mutant", "exec"), namespace)
        yield mutant.edit, namespace[name]


def letters_of(items):
    return "".join(dict.fromkeys(i for t in items for u in (t if isinstance(t, list) else [t]) for i in u.letters))


@st.composite
def cases(draw, name, max_size=4, ones=True, steps=None):
    """A case of one layer. With `steps`, a small one: no size above max_size, recurrent layers of so many steps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if name in POINTWISE:
        return pointwise_case(name, draw(st.lists(st.integers(1, max_size), min_size=steps or 0, max_size=3)), rng)
    free = "".join(i for i in letters_of(declared(CATALOGUE[name].forward)) if i not in FIXED.get(name, {}))
    size = draw(sizes(free, max_size=max(max_size, len(free) + 1), ones=ones))
    if steps:
        size = {letter: min(n, max_size) for letter, n in size.items()}
    settings = windowed(draw, name, size) if name in (*CONVOLUTIONS, *POOLING) else {}
    if steps and name in RECURRENT:
        size["t"] = steps
    return case_of(name, size, settings, rng)


def pointwise_case(name, shape, rng):
    """A case of a layer without letters."""
    mask = [rng.random(shape) < 0.75] if name == "dropout" else []
    settings = {"leaky relu": {"slope": 0.2}, "dropout": {"keep": 0.75}}.get(name, {})
    return with_cotangents(Case(name, (rng.standard_normal(shape), *mask), settings, ()), rng)


def case_of(name, size, settings, rng):
    """A case at given sizes, those apart that are tied to others."""
    size = size | FIXED.get(name, {})
    if name in TIES:
        letter, same = TIES[name]
        size[letter] = size[same]
    if name == "rotary position":
        size["d"] = 2 * size["w"]
    arguments = [argument(item, size, rng, name) for item in declared(CATALOGUE[name].forward)]
    return with_cotangents(Case(name, tuple(arguments), settings, ()), rng)


def square_case(name):
    """A case in which sizes are equal wherever they can be, so that no wrong letter shows in a shape."""
    settings = {"stride": 2} if name in CONVOLUTIONS else {"size": 3, "stride": 2} if name in POOLING else {}
    size = dict.fromkeys(letters_of(declared(CATALOGUE[name].forward)), 3)
    if settings:  # three windows of three pixels; with a stride of 1 a window's places would be like the windows
        size |= {"p": 7, "q": 7}
    return case_of(name, size, settings, np.random.default_rng(0))


def with_cotangents(case, rng):
    """The case, with random cotangents of what forward returns."""
    drawn = tuple(np.asarray(rng.standard_normal(np.shape(output))) for output in case.forward())
    return Case(case.name, case.arguments, case.settings, drawn)


def windowed(draw, name, size):
    """Settings of windows, and sizes of pixels so that one fits at least."""
    stride, extra = draw(st.integers(1, 3)), draw(st.integers(0, 3))
    if name in POOLING:
        window = draw(st.integers(1, 3))
        size |= {"p": window + extra, "q": window + draw(st.integers(0, 3))}
        return {"size": window, "stride": draw(st.sampled_from([None, stride]))}
    padding, dilation = draw(st.integers(0, 2)), draw(st.integers(1, 3))
    letters = CONVOLUTIONS[name]
    for pixel, place in zip(letters[: len(letters) // 2], letters[len(letters) // 2 :], strict=True):
        size[place] = min(size[place], 3)
        size[pixel] = max(1, dilation * (size[place] - 1) + 1 + extra - 2 * padding)
    return {"stride": stride, "padding": padding, "dilation": dilation}


def argument(item, size, rng, name):
    """An array of the declared shape, or a list of them."""
    if isinstance(item, list):
        return [argument(tensor, size, rng, name) for tensor in item]
    shape = tuple(size[i] for i in item.letters)
    if item.name == "label":
        return rng.integers(0, size["k"], shape)
    if item.name == "token":
        return rng.integers(0, size["v"], shape)
    if item.name == "R":
        return rotations(size["t"], size["w"])
    if item.name == "mask":
        if name == "attention" or rng.random() < 0.5:
            return (rng.random(shape) < 0.6) | (np.arange(shape[1]) == rng.integers(shape[1]))
        return causal_mask(shape[0])
    return rng.standard_normal(shape)


def settings_in_letters(case):
    """What a derivation calls the settings of windows."""
    if case.name in POOLING:
        return {"s": case.settings["stride"] or case.settings["size"]}
    names = {"stride": "s", "dilation": "d", "padding": "a"}
    return {names.get(name, name): value for name, value in case.settings.items()}


def arrays_of(case):
    """Everything that a layer's code names, by its names: arguments, outputs, cotangents, and what is local.

    Outer functions come before the ones that they call, and another layer is not looked into.
    """
    layer = case.layer
    arrays = dict(zip(inspect.signature(layer.forward).parameters, case.arguments, strict=False))
    for value in [value for value in arrays.values() if isinstance(value, list)]:
        names = [tensor.name for item in declared(layer.forward) if isinstance(item, list) for tensor in item]
        arrays |= zip(names, value, strict=True)
    arrays |= {"ROOT": np.sqrt(2 / np.pi), "CUBIC": 0.044715, "epsilon": 1e-5} | case.settings
    arrays |= zip(layer.outputs, case.forward(), strict=True)
    arrays |= zip([f"d{name}" for name in layer.outputs], case.cotangents, strict=True)
    arrays |= zip([f"d{name}" for name in layer.wrt], case.vjp(), strict=True)
    for run in (case.vjp, case.forward):
        for frame in reversed(frames(run, layer)):
            for name, value in frame.items():
                if isinstance(value, np.ndarray | np.generic | int | float) and not name.startswith("ones"):
                    arrays.setdefault(name, value)
    return arrays


def frames(run, layer):
    """The local variables of the functions in a layer's own file, each when it returns, the outermost last."""
    own = {inspect.unwrap(layer.forward).__code__, inspect.unwrap(layer.vjp).__code__}
    others = {inspect.unwrap(f).__code__ for other in CATALOGUE.values() for f in (other.forward, other.vjp)} - own
    file, found = inspect.unwrap(layer.vjp).__code__.co_filename, []

    def watch(frame, event, _):
        code = frame.f_code
        if event == "return" and code.co_filename == file and code not in others and code.co_name != "<genexpr>":
            found.append(dict(frame.f_locals))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(before)
    return found
