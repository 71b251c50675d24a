"""The catalogue as it is shown: by name, by function, with its code, and as the reference card of NOTES.md."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import einbackprop as eb
from einbackprop import layers
from einbackprop.errors import ScriptError
from einbackprop.layers import CATALOGUE
from einbackprop.layers.layer import Layer
from einbackprop.layers.normalization import batch_norm, batch_norm_vjp, normalized_over_batch
from einbackprop.notation.catalogue import code_of, functions_of, layer_named
from einbackprop.notation.derivations import coloured, graph_in
from einbackprop.shell.command import main

NOTES = (Path(__file__).parent.parent / "NOTES.md").read_text(encoding="utf-8")
EVERY = pytest.mark.parametrize("name", CATALOGUE)


def reference_card() -> str:
    """All layers as a table in Markdown: forward, vjp, in words."""
    head = "| layer | forward | vjp | in words |\n|---|---|---|---|\n"
    return head + "".join(card_row(layer) for layer in CATALOGUE.values())


def card_row(layer: Layer) -> str:
    """A layer's row of the reference card."""
    forward, vjp = ("<br>".join(f"`{line}`" for line in lines) for lines in formulas(layer))
    return f"| **{layer.name}** | {forward} | {vjp} | {layer.words}; back: {layer.vjp_words} |\n"


def formulas(layer: Layer) -> tuple[list[str], list[str]]:
    """The equations of a layer's derivation, up to its outputs and after them; no partial derivatives, no notes."""
    equations = list(equations_of(layer.derivation))
    last = max(n for n, equation in enumerate(equations) if name_of(equation) in layer.outputs)
    return equations[: last + 1], equations[last + 1 :]


def equations_of(derivation: str) -> Iterator[str]:
    """The equations that define a value, without notes."""
    for line in derivation.strip("\n").split("\n"):
        equation = re.sub(r" +([=:]) ", r" \1 ", line.split("⇒")[-1].strip() if "⇒" in line else line)
        if re.match(r"\w+(\[[^]]*\])?(, \w+)* [=:] ", equation):
            yield re.split(r" {3,}", equation)[0]


def name_of(equation: str) -> str:
    """What an equation defines."""
    return re.split(r"\W", equation, maxsplit=1)[0]


def card():
    return NOTES.split("\n## 4. Reference card\n")[1].split("\n## ")[0].split("\n\n", 1)[1].rstrip("\n") + "\n"


def test_the_card_in_the_notes_is_current():
    assert card() == reference_card()


def test_the_card_has_every_layer_in_four_columns():
    rows = reference_card().splitlines()[2:]
    assert [row.split("**")[1] for row in rows] == list(CATALOGUE)
    assert {row.replace(" | ", "\n").count("\n") for row in rows} == {3}


@EVERY
def test_the_card_defines_each_output_and_each_cotangent(name):
    layer = CATALOGUE[name]
    forward, vjp = formulas(layer)
    for formula in (*forward, *vjp):
        assert formula in " ".join(layer.derivation.split()).replace(" : ", " : ")
    assert {formula.split("[")[0].split(" ")[0] for formula in forward} >= set(layer.outputs)
    defined = " ".join(vjp)
    given = {"h0", "c0", "parameters"}  # h0 and c0 get dp and dbefore of the first step; parameters are the branches'
    for wrt in set(layer.wrt) - given:
        assert f"d{wrt}[" in defined or f"d{wrt} =" in defined
    assert not any(formula.startswith("∂") for formula in (*forward, *vjp))


def test_a_formula_of_the_card_is_without_its_note():
    forward, vjp = formulas(CATALOGUE["linear"])
    assert forward == ["z[i,b] = Σ_j W[i,j] x[j,b] + c[i] ones[b]"]
    assert vjp == ["dW[i,j] = Σ_b dz[i,b] x[j,b]", "dx[j,b] = Σ_i W[i,j] dz[i,b]", "dc[i] = Σ_b dz[i,b] ones[b]"]
    assert formulas(CATALOGUE["dropout"]) == (["y = 1/keep mask x"], ["dx = 1/keep mask dy"])


@EVERY
def test_a_layer_is_explained_by_itself_by_its_functions_and_by_the_command(name, capsys):
    layer = CATALOGUE[name]
    text = str(eb.explain(layer))
    assert str(eb.explain(layer.forward)) == str(eb.explain(layer.vjp)) == text
    assert main(["explain", name.replace(" ", "-")]) == 0
    assert capsys.readouterr().out == text + "\n"
    assert text.startswith(f"{name}: {layer.words}\n\n")
    assert layer.derivation.strip() in text
    assert f" Backward: {layer.vjp_words}. " in " ".join(text.split())
    assert all(len(line) <= 100 for line in text.splitlines())
    assert f"\ndef {layer.forward.__name__}(" in text
    assert f"\ndef {layer.vjp.__name__}(" in text
    for line in inspect.getsource(layer.vjp).splitlines():
        if "einsum(" in line:
            assert line in text


def test_the_code_that_is_shown_runs_on_and_has_no_docstring():
    text = str(eb.explain(CATALOGUE["batch norm"]))
    code = text[text.index("def batch_norm(") :]
    assert [node.name for node in ast.parse(code).body] == ["batch_norm", "batch_norm_vjp", "normalized_over_batch"]
    assert '"""' not in code
    assert "@" not in code


def test_a_layer_is_shown_with_what_it_calls_of_its_file_but_no_other_layer():
    assert functions_of(CATALOGUE["batch norm"]) == [batch_norm, batch_norm_vjp, normalized_over_batch]
    names = [function.__name__ for function in functions_of(CATALOGUE["multi-head attention"])]
    assert names == ["multi_head_attention", "multi_head_attention_vjp"]


def test_the_letters_stand_first():
    assert "    b  samples, or sequences " in str(eb.explain(batch_norm)).split("mean[k]   =")[0]
    assert str(eb.explain(CATALOGUE["relu"])).startswith("relu: the positive part\n\ny = max(x, 0)\n")


def test_a_notebook_shows_a_layer():
    bundle = eb.explain(CATALOGUE["softmax"])._repr_mimebundle_()
    assert bundle["text/plain"] == str(eb.explain(CATALOGUE["softmax"])) == repr(eb.explain(CATALOGUE["softmax"]))
    assert "&quot;kb-&gt;b&quot;" in bundle["text/html"]
    assert "<pre>softmax: scores to probabilities" in bundle["text/html"]


def test_a_derivation_is_drawn():
    graph = graph_in(CATALOGUE["softmax"].derivation)
    assert [(node.value, node.shown.indices, node.kind) for node in graph.nodes] == [
        ("top", "b", "value"), ("e", "kb", "value"), ("total", "b", "value"), ("p", "kb", "value"),
        ("inner", "b", "value"), ("dz", "kb", "gradient")]  # fmt: skip
    assert {(arrow.source, arrow.target, arrow.shown.indices) for arrow in graph.arrows} == {
        ("z", "top", "kb"), ("z", "e", "kb"), ("top", "e", "b"), ("e", "total", "kb"), ("e", "p", "kb"),
        ("total", "p", "b"), ("dp", "inner", "kb"), ("p", "inner", "kb"), ("p", "dz", "kb"), ("dp", "dz", "kb"),
        ("inner", "dz", "b")}  # fmt: skip
    k, b = (f'<i style="color:var(--of-{letter})">{letter}</i>' for letter in "kb")
    assert coloured("p[k,b] Σ_k 1/B < [k=b]") == f"p[{k},{b}] Σ_{k} 1/B &lt; [{k}={b}]"


@pytest.mark.parametrize("layer", CATALOGUE.values(), ids=lambda layer: layer.name)
def test_the_page_of_a_layer_has_all_of_it(layer):
    root = ElementTree.fromstring(eb.explain(layer).to_html().removeprefix("<!DOCTYPE html>\n"))
    text = "".join(root.itertext())
    for part in (layer.words, layer.derivation.strip(), code_of(layer.forward), code_of(layer.vjp)):
        assert part in text, part
    derived = {f"d{name}" for name in layer.wrt if re.search(rf"\bd{name}\b", layer.derivation)}
    assert derived <= {node.value for node in graph_in(layer.derivation).nodes if node.kind == "gradient"}


@pytest.mark.parametrize("name", ["layer norm", "layer-norm", "LayerNorm", "LAYER_NORM"])
def test_a_name_may_be_joined_in_any_way(name):
    assert layer_named(name) is CATALOGUE["layer norm"]


REFUSED = {
    "einbackprop.layers.linear is a file of layers: explain one of linear": layers.linear,
    "einbackprop.layers.softmax is a file of layers: explain one of softmax, log softmax": layers.softmax,
    "3 cannot be explained: give subscripts such as 'ij,jb->ib', an equation, a program, or a layer of "
    "einbackprop.layers; eb.read shows a function of your own": 3,
    "len cannot be explained: give subscripts such as 'ij,jb->ib', an equation, a program, or a layer of "
    "einbackprop.layers; eb.read shows a function of your own": len,
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_no_layer_is_refused(message):
    with pytest.raises(ScriptError) as caught:
        eb.explain(REFUSED[message])
    assert str(caught.value) == message


def test_a_name_that_is_nearly_one_is_guessed():
    with pytest.raises(ScriptError, match=r"^the catalogue has no layer 'lstn': did you mean 'LSTM'\?$"):
        layer_named("lstn")
