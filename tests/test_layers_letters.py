"""Letters have one meaning in a file of the catalogue: the table at its top says it, of second letters as well."""

import ast
import inspect
import re
from itertools import pairwise

import layers_code
import pytest
from layers_cases import declared, tree_of
from layers_numbers import refs
from layers_reading import Equation, Partial, lines_of

from einbackprop.layers import CATALOGUE, FAMILIES

WITH_LETTERS = [family for family in FAMILIES if not family.__name__.endswith(("pointwise", "dropout"))]
FILES = pytest.mark.parametrize("family", WITH_LETTERS, ids=lambda family: family.__name__.split(".")[-1])

# Two letters over the same things, as the tables say in words, where an array is read with either.
SAME = {("attention", "st"), ("attention", "ts"), ("recurrence", "ig"), ("recurrence", "gi")}


def top_of(module):
    """The docstring of a file as it stands there: from Python 3.13 on the compiler takes the indent out."""
    return ast.get_docstring(ast.parse(inspect.getsource(module)), clean=False)


def table(text):
    """What the table at a file's top says of each letter."""
    meanings = {}
    for line in text.splitlines():
        cells = re.split(r" {2,}", line.strip()) if line.startswith("    ") else []
        for letters, meaning in pairwise(cells):
            if re.fullmatch(r"[a-z](, [a-z])*", letters):
                for letter in letters.split(", "):
                    assert letter not in meanings, f"{letter} stands twice"
                    meanings[letter] = meaning
    return meanings


def seconds(meanings):
    """The letters that each second letter stands for."""
    found = {letter: re.fullmatch(r"second letter for (.*)", meaning) for letter, meaning in meanings.items()}
    return {letter: said[1].split(", ") for letter, said in found.items() if said}


def own_letters(layer):
    """The letters of each array of a layer, as its declarations and the left sides of its derivation have them."""
    found = {}
    for function in (layer.vjp, layer.forward):
        for item in declared(function):
            found |= {tensor.name: tensor.letters for tensor in (item if isinstance(item, list) else [item])}
    lines = [line for line in lines_of(layer.derivation) if isinstance(line, Equation)]
    found |= {line.name: line.letters for line in lines if not any(i.isdigit() for i in line.letters)}
    return found


def used(layer):
    """Each array of a derivation with the letters that it is read with."""
    for line in lines_of(layer.derivation):
        if isinstance(line, Partial):
            yield from (line.of, line.by)
        for tree in line.rights if isinstance(line, Partial) else [line.right]:
            yield from refs(tree)


def unlisted(layer, text):
    """What is read with letters that are not its own and that the table does not give for them."""
    meanings = table(text)
    file = inspect.getmodule(layer.vjp).__name__.split(".")[-1]
    others, own = seconds(meanings), own_letters(layer)
    for name, letters in used(layer):
        plain = [i for i in letters if not i.isdigit()]
        yield from (f"{i} in {name}" for i in plain if i not in meanings)
        for i, first in zip(letters, own.get(name, ()), strict=False) if len(letters) == len(own.get(name, ())) else ():
            if i != first and first not in others.get(i, ()) and (file, first + i) not in SAME and not i.isdigit():
                yield f"{i} for {first} in {name}"
    for function in (layer.forward, layer.vjp):
        for call in layers_code.einsum_calls(tree_of(function)):
            yield from (f"{i} in {call.args[0].value}" for i in call.args[0].value if i.isalpha() and i not in meanings)


@FILES
def test_every_letter_is_listed_at_the_top_of_its_file_with_one_meaning(family):
    for layer in family.LAYERS:
        assert not list(unlisted(layer, top_of(family)))


@FILES
def test_no_letter_is_listed_that_is_not_used(family):
    letters = {i for layer in family.LAYERS for _, letters in used(layer) for i in letters}
    shapes = {i for layer in family.LAYERS for letters in own_letters(layer).values() for i in letters}
    words = set(re.findall(r"(?<!\w)[a-z](?!\w)", " ".join(layer.derivation for layer in family.LAYERS)))
    assert set(table(top_of(family))) <= letters | shapes | words


@pytest.mark.parametrize("name", ["linear", "attention", "layer norm", "RNN", "convolution 2d"])
def test_a_table_without_a_letter_or_with_another_meaning_is_seen(name):
    layer = CATALOGUE[name]
    text = top_of(inspect.getmodule(layer.vjp))
    assert not list(unlisted(layer, text))
    for letter, meanings in seconds(table(text)).items():
        said = f"second letter for {', '.join(meanings)}"
        if letter in {i for _, letters in used(layer) for i in letters}:
            assert said in text
            assert list(unlisted(layer, text.replace(said, "second letter for z")))
    first = next(i for _, letters in used(layer) for i in letters)
    assert list(unlisted(layer, re.sub(rf"(?m)(^ +|  ){first}( +|, )", r"\1Z\2", text, count=1)))


def test_no_string_of_an_einsum_is_assembled():
    for family in FAMILIES:
        for call in layers_code.einsum_calls(ast.parse(inspect.getsource(family))):
            assert isinstance(call.args[0], ast.Constant), ast.unparse(call)
