"""Arrays for parameters that a script has no values for: of the shapes that comments, docstrings and annotations give,
else of those that names suggest.

Sizes are single letters, which a check fills with numbers that differ.
"""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property, lru_cache
from string import ascii_lowercase
from typing import Any

from einbackprop.capture.shape_words import comments_of, named_shapes
from einbackprop.core.records import dataclass

from ..setups import SIZES as LENGTHS
from .definitions import Definition

WEIGHT = re.compile(r"(?:W|w|weights?|theta|Theta|V|U|kernel)_?(\d*)")
BIAS = re.compile(r"(?:b|c|bias(?:es)?|B)_?(\d*)")
DATA = re.compile(r"x|X|xs|inputs?|data|features|X_?train|A_?prev")
STATE = re.compile(r"[hcsa]_?prev|prev_?[hcsa]|[hcsa]0|h_?prev|state|hidden")
TARGET = re.compile(r"[yY]|[tT]|[yY]_?(?:true|train|batch|one_?hot|oh|enc(?:oded)?)|(?:\w+_)?(?:targets?|labels?)|"
                    r"(?:targets?|labels?)_\w+|(?:\w+_)?truth|one_?hot\w*|expected(?:_?out(?:puts?)?)?|desired\w*")
UPSTREAM = re.compile(r"d_?(out|y|z|h|a|o|top|next|up)\w*|grad_?(out(put)?|y|z|in)?|upstream\w*|d_?L\w*|delta\w*|error|"
                      r"d[A-Z]\w?|dvalues|g|err|d|dprev\w*|output_(?:grad\w*|error)|grad_top")  # fmt: skip
"""What a backward calls the cotangent of its forward's output."""
VALUE = re.compile(r"(?:d|g|grad|delta|err|error)?_?(?:[hazsuHAZSU]|act|out|hidden|layer)?_?(\d)")
"""What is called so in a layer: what it makes, and the gradient of that."""
SCORED = re.compile(r"loss|softmax|entropy|criterion|nll|hinge|svm", re.IGNORECASE)
"""What losses of scores are called."""
VECTOR = re.compile(r"gamma|beta|scale|shift|mu|sigma")
PENALTY = re.compile(r"reg\w*|lam\w*|lmbda|alpha|(?:weight_?)?decay|wd|l[12](?:_\w+)?|beta|mu|C")
"""What people call the factor of a penalty."""
NUMBER = re.compile(rf"{PENALTY.pattern}|learn\w*|rate|eta|step_?size|lr|eps\w*|beta\d|momentum|temperature|margin|"
                    r"delta")  # fmt: skip
RANDOM = re.compile(r"rng|generator|random_state|rs|prng")
LIST = re.compile(r"hidden\w*(?:list|sizes|dims|units|layers)")
SIZES = re.compile(r"sizes|(?:layer|layers?)_?(?:sizes|dims|dimensions)|dims|shape|architecture|layers")
_OF_SIZE = r"(?:_?(?:size|dim|units|features|nodes|count))?"
INPUT = re.compile(r"(?:nn_?)?(?:n_?|num_?|d_?)?(?:in|input|x|inputs|features|visible|D)" + _OF_SIZE)
OUT = re.compile(r"(?:nn_?)?(?:n_?|num_?|d_?)?(?:out|output|y|outputs|classes|C|labels)" + _OF_SIZE)
HEIGHT = re.compile(r"(?:n_?)?(?:H|W|height|width)(?:_?(?:in|prev|x|\d))?")
WINDOW = re.compile(r"f|k|K|F[HW]?|HH|WW|R|S|kh|kw|k_?[hw]|f_?[hw]|(?:kernel|filter|pool|window)\w*")
IMAGES = re.compile(r"\bH\w*, ?W|n_H\w*, ?n_W|height, ?width", re.IGNORECASE)
SETTINGS = {"stride": "1", "strides": "1", "pad": "1", "padding": "1", "mode": "'train'", "pool_height": "2",
            "pool_width": "2", "size": "2", "pool_size": "2", "momentum": "0.9", "p": "0.5", "seed": "0"}  # fmt: skip
HEADS = re.compile(r"(?:n|num)_?heads?|heads?")
WHOLE = re.compile(r"\b(?:an? )?(?:int|integer|index|row number|position)\b", re.IGNORECASE)
COUNT = re.compile(r"n_\w+|num_\w+|\w*_?(?:size|dim|units|count|nodes)|hidden\w*|D|H|C|D_\w+")
LABELS = re.compile(r"\b(?:labels?|class(?:es)?|integers?|int|ind(?:ex|ices)|ids?|tokens?|words?)\b", re.IGNORECASE)
ALIKE = 3
"""How many parameters two functions share at least whose arguments have the same shapes."""
SPARE = "nijklmpqrsuvgohfde"
"""Letters for sizes, in the order in which they are taken."""


@dataclass(frozen=True)
class Term:
    """An expression among a script's names, and the statements that have to run before it."""

    text: str
    setup: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How arrays lie whose shapes nobody told.

    Attributes
    ----------
    samples
        ``rows``: x is (samples, in) and W (in, out); ``columns``: x is (in, samples) and W (out, in); ``column``: the
        same of one sample; ``vector``: x is (in,) and W (out, in); ``steps``: x is (steps, in, 1), a column each.
    target
        What a target is: ``values``, like the output; ``labels``, a class for each sample; ``numbers``, one for each;
        ``indices``, of any kind, as is what has a name that says nothing: the words of a sentence, the tags of these.
    """

    samples: str = "rows"
    target: str = "values"


INDICES = Layout(target="indices")
LAYOUTS = tuple(Layout(samples, target) for target in ("values", "labels", "numbers")
                for samples in ("rows", "columns", "column", "vector", "steps")
                if target == "values" or samples in ("rows", "columns"))  # fmt: skip


@dataclass
class Invention:
    """Makes arrays for parameters.

    Attributes
    ----------
    text
        The script's source.
    layout
    avoided
        Names that no letter may be: those of parameters.
    used
        The names of parameters that were made, and whether somebody told their shapes.
    letters
        That of each size, by what the size is called.
    only
        The names that may be made; None where all may.
    inner
        Whether what a forward makes may be made up as well, as ``h1`` and ``d3`` of ``backward(d3, W3, h1)``: such a
        backward can be read, not checked.
    unknown
        The names of parameters that say nothing.
    makers
        The functions that make weights of sizes: what they are given is sizes.
    definitions
        All functions.
    """

    text: str = ""
    layout: Layout = field(default_factory=Layout)
    avoided: frozenset[str] = frozenset()
    used: dict[str, bool] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)
    only: frozenset[str] | None = None
    inner: bool = False
    unknown: set[str] = field(default_factory=set)
    makers: Sequence[Definition] = ()
    definitions: Sequence[Definition] = ()

    @cached_property
    def layers(self) -> int:
        """How many layers the numbered weights of the source make; 2 where there is a hidden size, else 1."""
        numbers = [int(found) for found in re.findall(r"\b[Ww](?:eights?_?)?([1-9])\b", self.text)]
        return max(numbers, default=2 if re.search(r"hidden|\bn_h\b", self.text) else 1)

    def of(self, definition: Definition, name: str, names: Mapping[str, Any]) -> Term | None:
        """An array, or what else a parameter seems to be, made by a statement of the setup; None where its name and
        its function say nothing of it.
        """
        numpy = numpy_in(names)
        if self.only is not None and name not in self.only:
            return None
        made = self._value(definition, name, names, numpy or "np")
        if made is None:
            self.unknown.add(name)
            return None
        imports = () if numpy else ("import numpy as np",)
        return Term(name, (*imports, f"{name} = {made}"))

    def _value(self, definition: Definition, name: str, names: Mapping[str, Any], numpy: str) -> str | None:
        if LIST.fullmatch(name):
            self.used[name] = False
            return f"[{self._size('layer 1', names)}, {self._size('layer 2', names)}]"
        is_maker = any(definition.node is one.node for one in self.makers)
        if is_maker or (definition.name == "__init__" and (len(name) > 1 or name in "nmkdhpqDHCNMK")):
            size = self._size_of_object(definition, name, names)
            is_other = name in SETTINGS or any(one.fullmatch(name) for one in (NUMBER, RANDOM, HEADS, SIZES))
            if size is None and is_maker and not is_other:
                size = self._size(name, names)
            if size is not None:
                self.used[name] = False
                return size
        if SIZES.fullmatch(name):
            self.used[name] = False
            count = len(self._parts(definition, name)) or 3
            inner = [self._size(f"layer {n}", names) for n in range(count - 1)]
            return f"[{', '.join([*inner, self._size('the output', names)])}]"
        # a backward is given what its forward is
        pairs = (one for one in self.definitions if len({*one.parameters} & {*definition.parameters}) >= ALIKE)
        for teller, (told, shape) in ((one, found) for one in (definition, *pairs) for found in self._told(one)):
            if told == name:
                line = next((line for line in self._lines(teller) if re.search(rf"\b{name}\b.*[(\[]", line)), "")
                if "..." in shape:  # (N, d_1, ..., d_k)
                    shape = (shape[0], "D")
                sizes = [self._size(item, names, shape) for item in shape]
                self.used[name] = True
                if LABELS.search(line) and TARGET.fullmatch(name):
                    classes = self._size("C", names)
                    return f"{numpy}.random.randint({classes}, size=({', '.join(sizes)},))"
                return f"{numpy}.random.randn({', '.join(sizes)})"
        if any(re.match(rf"\W*{name}\b", line) and WHOLE.search(line) for line in self._lines(definition)):
            self.used[name] = True
            return "1"
        parts = self._parts(definition, name)
        if parts:
            made_of = {part: self._guessed(part, names, numpy) for part in parts}
            if all(made_of.values()):
                keyed = isinstance(parts, tuple)
                shown = [f"{part!r}: {made}" if keyed else made for part, made in made_of.items() if made]
                return f"{{{', '.join(shown)}}}" if keyed else f"[{', '.join(shown)}]"
        if TARGET.fullmatch(name) and self.layout.target == "labels" and self._is_of_scores(definition, name):
            self.used[name] = False
            return f"{numpy}.random.randint({self._layer(0, names)}, size={self._size('samples', names)})"
        is_index = self.layout == INDICES and definition.name != "__init__"
        guessed = None if is_index and TARGET.fullmatch(name) else self._guessed(name, names, numpy)
        return guessed or (self._indices(definition, name, names, numpy) if is_index and not parts else None)

    def _indices(self, definition: Definition, name: str, names: Mapping[str, Any], numpy: str) -> str:
        """Positions along any axis: one for each sample, or of the shape that the function unpacks, this parameter's or
        that of another one which says nothing.
        """
        if not TARGET.fullmatch(name):
            self.unknown.add(name)
        own = [name, *(one for one in definition.parameters if one in self.unknown)]
        several = [definition, *(one for one in self.definitions if name in one.parameters)]
        words = next(filter(None, (self._unpacked(one, own) for one in several)), ["samples"])
        self.used[name] = False
        sizes = ", ".join(self._size(one, names) for one in words)
        return f"{numpy}.random.randint({min(LENGTHS)}, size={sizes if len(words) == 1 else f'({sizes})'})"

    def _unpacked(self, definition: Definition, names: Sequence[str]) -> list[str]:
        """What a function calls the sizes of one of some parameters: where it unpacks these, or reads as many of them
        as somebody told of another parameter.
        """
        found = next(filter(None, (unpacked(definition, f"{name}.shape") for name in names)), [])
        rank = max((rank_in(definition, name) for name in names), default=0)
        alike = ([*shape] for told, shape in self._told(definition) if told not in names and len(shape) == rank > 1)
        return found or next(alike, [])

    def _is_of_scores(self, definition: Definition, target: str) -> bool:
        """Whether a function takes data and a target alone and is called a loss, or the class that it is a method of:
        its data are scores then, one for each class.
        """
        needed = [one for one in definition.parameters if one not in definition.optional]
        others = [one for one in needed if one != target]
        is_loss = SCORED.search(definition.owner or definition.name) is not None
        return is_loss and len(others) == 1 and DATA.fullmatch(others[0]) is not None

    def _size_of_object(self, definition: Definition, name: str, names: Mapping[str, Any]) -> str | None:
        """A size with which an object is made: the first is the input's, the last the output's, unless names say so."""
        if INPUT.fullmatch(name) or OUT.fullmatch(name):
            return self._size(name, names)
        letters = [one for one in definition.parameters if len(one) == 1]
        if name not in letters or len(letters) < 2:
            return self._size(name, names) if len(name) == 1 else None
        last = name == letters[-1]
        return self._layer(0, names) if name == letters[0] else self._size("the output", names) if last else (
            self._size(name, names))

    def _layer(self, number: int, names: Mapping[str, Any]) -> str:
        """The size of a layer; that of the last one is the output's."""
        return self._size("the output" if number == self.layers else f"layer {number}", names)

    def _samples(self, features: str, names: Mapping[str, Any]) -> str:
        """The shape of as many features for each sample."""
        if self.layout.samples == "vector":
            return features
        if self.layout.samples == "steps":
            return f"{self._size('samples', names)}, {features}, 1"
        count = "1" if self.layout.samples == "column" else self._size("samples", names)
        return f"{count}, {features}" if self.layout.samples == "rows" else f"{features}, {count}"

    def _one_hot(self, classes: str, names: Mapping[str, Any], numpy: str) -> str:
        """Targets that all losses can be given: for cross-entropies rows have to sum to one."""
        rows = f"{numpy}.eye({classes})"
        if self.layout.samples == "vector":
            return f"{rows}[{numpy}.random.randint({classes})]"
        count = "1" if self.layout.samples in ("column", "steps") else self._size("samples", names)
        picked = f"{rows}[{numpy}.random.randint({classes}, size={count})]"
        return picked if self.layout.samples == "rows" else f"{picked}.T"

    def _guessed(self, name: str, names: Mapping[str, Any], numpy: str) -> str | None:
        """What a name alone suggests."""
        if name in SETTINGS:
            self.used[name] = False
            return SETTINGS[name]
        kind, self.used[name] = self.layout.samples, False
        if HEADS.fullmatch(name):
            return "2"
        if match := WEIGHT.fullmatch(name):
            layer = int(match[1] or self.layers)
            before, after = self._layer(layer - 1, names), self._layer(layer, names)
            return f"{numpy}.random.randn({before}, {after})" if kind == "rows" else (
                f"{numpy}.random.randn({after}, {before})")
        if match := BIAS.fullmatch(name):
            after = self._layer(int(match[1] or self.layers), names)
            return f"{numpy}.random.randn({after}{', 1' if kind in ('columns', 'column', 'steps') else ''})"
        if STATE.fullmatch(name):
            return f"{numpy}.random.randn({self._samples(self._layer(self.layers, names), names)})"
        if DATA.fullmatch(name):
            if (images := self._input_shape) and kind == "rows":
                return f"{numpy}.random.randn({self._size('samples', names)}, {images})"
            return f"{numpy}.random.randn({self._samples(self._layer(0, names), names)})"
        if TARGET.fullmatch(name):
            after = self._layer(self.layers, names)
            if self.layout.target == "labels":
                return f"{numpy}.random.randint({after}, size={self._size('samples', names)})"
            if self.layout.target == "numbers":
                return f"{numpy}.random.randn({self._size('samples', names)})"
            return self._one_hot(after, names, numpy)
        if self.inner and (value := VALUE.fullmatch(name)):
            return f"{numpy}.random.randn({self._samples(self._layer(int(value[1]), names), names)})"
        if self.inner and UPSTREAM.fullmatch(name):
            return f"{numpy}.random.randn({self._samples(self._layer(self.layers, names), names)})"
        if VECTOR.fullmatch(name):
            return f"{numpy}.random.randn({self._layer(0, names)})"
        if NUMBER.fullmatch(name):
            return "0.1"
        if RANDOM.fullmatch(name):
            return f"{numpy}.random.default_rng(0)"
        if COUNT.fullmatch(name):
            hidden = name.startswith(("hidden", "n_h")) and self.layers > 1
            return self._layer(1, names) if hidden else self._size(name, names)
        del self.used[name]
        return None

    @cached_property
    def _input_shape(self) -> str:
        """The sizes of one sample, where what makes the weights has them as a default: ``input_dim=(1, 28, 28)``."""
        defaults = (item.default_of(name) for item in self.makers for name in item.parameters if INPUT.fullmatch(name))
        shapes = (one.elts for one in defaults if isinstance(one, ast.Tuple))
        return next((", ".join(map(ast.unparse, sizes)) for sizes in shapes), "")

    def _parts(self, definition: Definition, name: str) -> tuple[str, ...] | list[str]:
        """The keys that a function reads of a parameter, or the names that it unpacks it into, as a list."""
        return unpacked(definition, name) or keys_read(definition, name)

    def _size(self, word: str, names: Mapping[str, Any], shape: Sequence[str] = ()) -> str:
        """The letter of a size, or what a shape says where it is a number or a sum of words.

        Where there are images all sizes are numbers, small ones: loops over pixels are many, and windows have to fit.
        """
        word = word.strip()
        if word.isdecimal():
            return word
        if not word.isidentifier() and " " not in word:
            word = re.sub(r"(?<=\d)(?=[A-Za-z])", "*", word)  # 4H
            return re.sub(r"[A-Za-z_]\w*", lambda match: self._size(match[0], names), word)
        called, word = word, "layer 0" if INPUT.fullmatch(word) else "the output" if OUT.fullmatch(word) else word
        if word in self._fixed:
            return self._fixed[word]
        if word not in self.letters:
            images = IMAGES.search(self.text) is not None
            self.letters[word] = self._number(called, shape) if images else self._letter(called, names)
        return f"2 * {self.letters[word]}" if word != "samples" and is_of_heads(self.text) else self.letters[word]

    @property
    def _fixed(self) -> Mapping[str, str]:
        return fixed_sizes(self.text)

    def _letter(self, word: str, names: Mapping[str, Any]) -> str:
        """A letter that is no other size's and no name of the script's: the first of the word, if that is free."""
        first = word[0].lower() if word.isidentifier() else ""
        taken = {*self.letters.values(), *self.avoided}
        free = (one for one in (*first, *SPARE, *ascii_lowercase)
                if one.isalpha() and one.isascii() and one not in taken and one not in names)  # fmt: skip
        return next(free, "3")

    def _number(self, word: str, shape: Sequence[str]) -> str:
        """A size of images, of windows in them, or of what there are of these: samples and channels."""
        for kind, sizes in ((HEIGHT, "54"), (WINDOW, "32")):
            if kind.fullmatch(word) and sum(kind.fullmatch(item.strip()) is not None for item in shape) > 1:
                return next((size for size in sizes if size not in self.letters.values()), sizes[0])
        return next((size for size in "2346" if size not in self.letters.values()), "3")

    @property
    def _comments(self) -> Mapping[int, str]:
        return comments_by_line(self.text)

    def _lines(self, definition: Definition) -> Iterator[str]:
        """The lines of a docstring and of the comments in and right above a function."""
        yield from joined((ast.get_docstring(definition.node) or "").splitlines())
        first, last = definition.node.lineno, definition.node.end_lineno or definition.node.lineno
        comments = self._comments
        yield from (text for line, text in comments.items() if first <= line <= last)
        above = first - 1
        while above in comments:
            yield comments[above]
            above -= 1

    def _told(self, definition: Definition) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The shapes that the code gives for names: annotations first."""
        formal = definition.node.args
        for argument in (*formal.posonlyargs, *formal.args, *formal.kwonlyargs):
            for node in ast.walk(argument.annotation) if argument.annotation else ():
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and (
                        re.fullmatch(r"[\w ]+", node.value)):
                    yield argument.arg, tuple(node.value.split())
        for line in self._lines(definition):
            yield from named_shapes(line, spoken=lambda item: item.strip())


def keys_read(definition: Definition, name: str) -> tuple[str, ...]:
    """The keys that a function reads of a name."""
    return tuple(dict.fromkeys(
        node.slice.value for node in ast.walk(definition.node) if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name) and node.value.id == name and isinstance(node.ctx, ast.Load)
        and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)))


def makes_weights(item: Definition) -> bool:
    """Whether a function gives a dict, and may take sizes alone: it takes no part of what it is given, nor asks it for
    anything.

    >>> from einbackprop.core.source import parse_python
    >>> makes = lambda text: makes_weights(Definition(parse_python(text).body[0]))
    >>> makes("def new(n, seed): return {'W': rand(n, n)}"), makes("def back(p, x): return {'W': x.T @ p['W']}")
    (True, False)
    """
    nodes = list(ast.walk(item.node))
    displays = {target.id for node in nodes if isinstance(node, ast.Assign) and is_dict(node.value)
                for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip
    gives = any(is_dict(value) or (isinstance(value, ast.Name) and value.id in displays) for value in item.returned)
    held = (node.value for node in nodes if isinstance(node, ast.Attribute | ast.Subscript))
    sides = (side for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
             for side in (node.left, node.right))  # fmt: skip
    used = {one.id for one in (*held, *sides) if isinstance(one, ast.Name) and not RANDOM.fullmatch(one.id)}
    return gives and not item.owner and not used.intersection(item.parameters)


def is_dict(value: ast.expr | None) -> bool:
    """Whether an expression is a dict as it stands."""
    return isinstance(value, ast.Dict | ast.DictComp) or (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict")


def rank_in(definition: Definition, name: str) -> int:
    """How many axes a parameter has at least, by what a function reads of its shape: 2 of ``idx.shape[1]``; else 0."""
    read = (node.slice.value for node in ast.walk(definition.node) if isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant) and ast.unparse(node.value) == f"{name}.shape")  # fmt: skip
    return max((place + 1 for place in read if isinstance(place, int)), default=0)


def unpacked(definition: Definition, text: str) -> list[str]:
    """The names into which a function unpacks a name or a shape: ``B, T = idx.shape``, ``X, W = cache``."""
    for node in ast.walk(definition.node):
        target = node.targets[0] if isinstance(node, ast.Assign) and ast.unparse(node.value) == text else None
        if isinstance(target, ast.Tuple) and all(isinstance(item, ast.Name) for item in target.elts):
            return [item.id for item in target.elts if isinstance(item, ast.Name)]
    return []


def numpy_in(names: Mapping[str, Any]) -> str | None:
    """What a script calls NumPy."""
    return next((key for key, value in names.items()
                 if isinstance(value, types.ModuleType) and value.__name__ == "numpy"), None)  # fmt: skip


def joined(lines: Sequence[str]) -> Iterator[str]:
    """Lines of a docstring, each with those that go on with it: they are indented further."""
    whole, indent = "", 0
    for line in lines:
        own = len(line) - len(line.lstrip())
        if line.strip() and whole and own > indent:
            whole += " " + line.strip()
            continue
        if whole:
            yield whole
        whole, indent = line.strip(), own
    yield whole


def names_of_parameters(text: str) -> frozenset[str]:
    """The names of all parameters in a source text: no size can have one of them."""
    return frozenset(node.arg for node in ast.walk(ast.parse(text)) if isinstance(node, ast.arg))


@lru_cache(maxsize=4)  # of one text there are many inventions
def fixed_sizes(text: str) -> Mapping[str, str]:
    """Sizes of the input and the output that a source gives as numbers: ``nn_input_dim = 2``."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and type(node.value.value) is int:
            for target in node.targets:
                name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
                for kind, size in ((INPUT, "layer 0"), (OUT, "the output")):
                    if COUNT.fullmatch(name) and kind.fullmatch(name):
                        found[size] = str(node.value.value)
    return found


@lru_cache(maxsize=4)
def is_of_heads(text: str) -> bool:
    """Whether a function has to be given how many heads there are, which have to divide what they share."""
    formal = (node.args for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    needed = (one.arg for args in formal for one in args.args[: len(args.args) - len(args.defaults)])
    return any(map(HEADS.fullmatch, needed))


@lru_cache(maxsize=4)
def comments_by_line(text: str) -> Mapping[int, str]:
    """The comments of a source, by line."""
    return dict(comments_of(text))
