"""Drawings: a graph has the arrows that its program has, and what is drawn can be read."""

import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import measured
from drawn_programs import programs
from hypothesis import assume, given
from hypothesis import strategies as st
from test_explanation import contracts

import einbackprop as eb
from einbackprop.core.letters import letters_of
from einbackprop.core.program import Contract, Program, Ref, operands
from einbackprop.core.subscripts import parse
from einbackprop.notation import graph_drawing, pages, svg
from einbackprop.notation.graph_drawing import Drawing, drawing
from einbackprop.notation.graphs import Arrow, Graph, Node, graph_of
from einbackprop.notation.index_notation import View
from einbackprop.notation.tensor_networks import MOST, network

SVG = "{http://www.w3.org/2000/svg}"
LETTERS = "abcdefgh"


def texts(figure: str) -> list[str]:
    return ["".join(e.itertext()) for e in ElementTree.fromstring(figure).iter(f"{SVG}text")]


def chain(count: int, back: int = 7) -> Graph:
    """Lines, each of which reads the one above, one further back, the mirrored one as a backward does, and a weight."""
    nodes = tuple(Node(f"v{n}", Ref(f"value_{n}", "jb")) for n in range(count))
    pairs = {(n - 1, n) for n in range(1, count)} | {(n - back, n) for n in range(back, count, 3)}
    pairs |= {(count - 1 - n, n) for n in range(count // 2 + 1, count)}
    arrows = [Arrow(f"v{a}", f"v{b}", Ref(f"value_{a}", "kb")) for a, b in sorted(pairs) if a != b]
    return Graph(nodes, (*arrows, *(Arrow("W", node.value, Ref("W", "jk")) for node in nodes)))


# The graph


def reached(program: Program, value: str, shown: set[str]) -> set[str]:
    """What a value is made of, as far back as what is shown: an oracle that goes by paths."""
    defining = program.defining()
    if value not in defining:
        return set()
    parts = [{r.name} if r.name in shown else reached(program, r.name, shown) for r in operands(defining[value])]
    return set().union(*parts)


@given(programs(), st.data())
def test_arrows_are_what_values_are_made_of(drawn, data):
    program, _ = drawn
    values = [equation.out.name for equation in program.equations]
    kept = [value for value in values if data.draw(st.booleans())]
    graph = graph_of(program, tuple(Node(value, Ref(value)) for value in kept))
    shown = {*kept, *(i.ref.name for i in program.inputs)}
    for value in kept:
        arrows = {arrow.source for arrow in graph.arrows if arrow.target == value}
        assert arrows == reached(program, value, shown)


@given(programs())
def test_no_two_values_are_in_one_lane_at_one_height(drawn):
    program, _ = drawn
    assume(program.equations)  # of what is returned as it was given nothing is drawn
    graph = graph_of(program, tuple(Node(e.out.name, e.out) for e in program.equations))
    made = Drawing(graph)
    reaches = {}
    for value, lane in made.lanes.items():
        ranks = [made.rank[value], *(made.rank[a.target] for row in made.rows for a in row.taps if a.source == value)]
        reaches[value] = lane, min(ranks), max(ranks)
    for (one, a, b), (other, c, d) in combinations(reaches.values(), 2):
        assert one != other or b < c or d < a
    taken = [a for row in made.rows for a in (*row.leaves, *row.taps, *([row.above] if row.above else []))]
    assert sorted(map(repr, taken)) == sorted(map(repr, graph.arrows))
    if len(graph.nodes) > 1:
        shown = texts(made.figure())
        for node in graph.nodes:
            assert svg.short(node.shown.name) + node.shown.indices in shown
        for arrow in graph.arrows:
            assert any(text.endswith(arrow.shown.indices) for text in shown)


def test_a_value_that_reads_itself_has_a_way_to_itself():
    graph = Graph((Node("h", Ref("h", "t")), Node("y", Ref("y"))), (Arrow("h", "h", Ref("h", "t")),))
    assert Drawing(graph).lanes == {"h": 0}
    ElementTree.fromstring(drawing(graph))


def test_a_reading_and_a_derivation_are_drawn():
    def backward(W: np.ndarray, x: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = np.tanh(W @ x)
        dz = d * (1 - y**2)
        dW = dz @ x.T
        return dW, W.T @ dz

    W, x, d = np.ones((2, 3)), np.ones((3, 4)), np.ones((2, 4))
    html = eb.read(backward, W, x, d)._repr_mimebundle_()["text/html"]
    (figure,) = re.findall(r"<figure>.*?</figure>", html)
    assert texts(figure).count("W") == 2
    assert {shown.rstrip("ijkb") for shown in texts(figure)} >= {"y", "dz", "dW", "return₂", "W", "x", "d"}
    derived = eb.derive(lambda W, x: np.sum(np.tanh(W @ x)), W, x)
    (figure,) = re.findall(r"<figure>.*?</figure>", derived._repr_mimebundle_()["text/html"])
    assert 'class="gradient"' in figure
    assert "<figure>" in eb.explain("ij,jb->ib").html


# What is drawn can be read

OVERLAPS = """(() => { const texts = Array.from(document.querySelectorAll("figure text"));
    const boxes = texts.map(t => t.getBoundingClientRect()), met = [];
    for (let a = 0; a < boxes.length; a++) for (let b = 0; b < a; b++) {
        const one = boxes[a], other = boxes[b], much = 1.5;
        if (one.left + much < other.right && other.left + much < one.right
            && one.top + 4 * much < other.bottom && other.top + 4 * much < one.bottom)
            met.push(texts[a].textContent + " on " + texts[b].textContent); }
    const small = Array.from(document.querySelectorAll("figure svg")).filter(
        s => s.getBoundingClientRect().width < 0.8 * s.viewBox.baseVal.width).length;
    return {met, small}; })()"""


def article(figure: str) -> str:
    return pages.page("drawn", pages.article([figure]))


@pytest.mark.long
@pytest.mark.parametrize("count", [10, 60])
def test_nothing_is_drawn_over_another_at_any_number_of_lines(count, tmp_path):
    assert measured(article(drawing(chain(count))), OVERLAPS, 420, tmp_path) == {"met": [], "small": 0}


@pytest.mark.slow
def test_the_measure_sees_what_is_drawn_over_another(tmp_path, monkeypatch):
    monkeypatch.setattr(graph_drawing, "SLOT", 4.0)
    assert measured(article(drawing(chain(10))), OVERLAPS, 1400, tmp_path)["met"]


def network_of(subscripts: str) -> str:
    parsed = parse(subscripts)
    refs = (Ref(f"name_{n}", term) for n, term in enumerate(parsed.inputs))
    return network(Contract(Ref("z", parsed.output), tuple(refs)), View())


NETWORKS = ["ij,jb->ib", "ij,ij->", "kb,kb,kb->kb", "lk,lb,kb,kb->kb", "ii->", "ij->i", "i,j->ij", "bhqd,bhkd->bhqk",
            "ab,bc,cd,da->", "abcdefgh,abcdefgh->", "ij,jk,ki,il->l", "abc,abd,acd,bcd->"]  # fmt: skip


@pytest.mark.slow
def test_networks_can_be_read(tmp_path):
    rings = [",".join(f"{LETTERS[n]}{LETTERS[n + 1]}" for n in range(7)) + "->ah"]
    many = ["ij," * 59 + "ij->i"]
    figures = "".join(map(network_of, [*NETWORKS, *rings, *many]))
    assert measured(article(figures), OVERLAPS, 420, tmp_path) == {"met": [], "small": 0}


@given(contracts())
def test_a_network_has_every_array_and_every_letter(contract):
    figure = network(contract, View())
    if not contract.operands and not contract.brackets:
        assert not figure
        return
    shown = texts(figure)
    for ref in contract.operands:
        assert shown.count(ref.name) >= 1
    for letter in letters_of(contract):
        assert any(text in (letter, 2 * letter, 3 * letter) for text in shown)


def test_a_network_of_many_arrays_has_rails():
    long = [f"{chr(97 + n)}{chr(98 + n)}" for n in range(MOST + 1)]
    assert "<circle" in network_of(",".join(long) + "->" + long[0][0] + long[-1][1])
    assert "<circle" not in network_of(",".join(long[:4]) + "->ae")
