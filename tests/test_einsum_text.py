"""Lines with einsum: what they look like, and which cannot be pasted."""

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction

import pytest

from einbackprop.core.program import ONE, Contract, Extremum, Factor, Map, Ref, Sum, Update
from einbackprop.core.records import dataclass
from einbackprop.notation.einsum_text import einsum_line, einsum_text
from einbackprop.notation.index_notation import View

PRODUCT = Contract(Ref("t", "kb"), (Ref("W", "kj"), Ref("h", "jb")))
MASK = Map(Ref("m", "kb"), "greater", (Ref("z", "kb"), Ref("c")))
TOTAL = Contract(Ref("y"), (Ref("t", "kb"),))


def made(function: str, *operands: Ref, parameter: Fraction | None = None) -> Map:
    return Map(Ref("t", "kb"), function, operands or (Ref("z", "kb"),), parameter)


LINES = [
    # (the values that stand inside, the equation, how it is seen, the line)
    ([PRODUCT], Sum(Ref("z", "kb"), ((ONE, Ref("t", "kb")), (ONE, Ref("b", "k")))), {},
     'einsum("kj,jb->kb", W, h) + b[:, None]'),
    ([PRODUCT], Sum(Ref("z", "kb"), ((ONE, Ref("t", "kb")), (ONE, Ref("b", "k")))), {"units": {"b": (1,)}},
     'einsum("kj,jb->kb", W, h) + b'),
    ([], Sum(Ref("z", "kb"), ((ONE, Ref("a", "kb")), (-ONE, Ref("b", "k")))), {},
     'a - einsum("k,b->kb", b, np.ones(a.shape[1]))'),
    ([], Contract(Ref("m", "k"), (Ref("x", "kb"),), factor=Factor.of(Fraction(1, 2), b=-1)), {},
     '0.5 * einsum("kb->k", x) / x.shape[1]'),
    ([], Contract(Ref("m", "k"), (Ref("x", "kb"),), factor=Factor.of(Fraction(-2, 7), b=-1, k=1)), {},
     '-2 * x.shape[0] * einsum("kb->k", x) / (7 * x.shape[1])'),
    ([], Contract(Ref("m", "k"), (Ref("x", "kb"),)), {"units": {"m": (1,)}}, 'einsum("kb->k", x)[:, None]'),
    ([], Contract(Ref("m"), (Ref("x", "kb"),)), {"units": {"m": (0, 1)}}, 'np.reshape(einsum("kb->", x), (1, 1))'),
    ([made("sigmoid")], TOTAL, {}, 'einsum("kb->", 1 / (1 + np.exp(-z)))'),
    ([made("relu")], TOTAL, {}, 'einsum("kb->", np.maximum(z, 0))'),
    ([made("power", parameter=Fraction(-1, 2))], TOTAL, {}, 'einsum("kb->", 1 / np.sqrt(z))'),
    ([made("where", Ref("m", "kb"), Ref("z", "kb"), Ref("c"))], TOTAL, {}, 'einsum("kb->", np.where(m, z, c))'),
    ([made("step")], TOTAL, {}, 'einsum("kb->", 1 * (z > 0))'),
    ([], Contract(Ref("n"), (Ref("m", "kb"),)), {"booleans": frozenset("m")}, 'einsum("kb->", 1 * m)'),
    ([Extremum(Ref("t", "kb"), Ref("x", "kjb"))], TOTAL, {}, 'einsum("kb->", np.max(x, axis=1))'),
    ([], Contract(Ref("y", "k"), (Ref("d", "kb"), Ref("o", "b"))), {"ones": frozenset("o")},
     'einsum("kb,b->k", d, np.ones(d.shape[1]))'),
    ([], Contract(Ref("y", "k"), (Ref("d", "kb"),), factor=Factor.of(1, b=-1)), {"names": {"d": 'g["W"] + 1'}},
     'einsum("kb->k", (g["W"] + 1)) / (g["W"] + 1).shape[1]'),
    ([Contract(Ref("t", "d"), (Ref("x", "d"), Ref("z", "d")), factor=Factor.of(1, c=1, d=1))],
     Contract(Ref("y"), (Ref("t", "c"),)), {}, 'einsum("c->", x.shape[0]**2 * x * z)'),
    ([], Contract(Ref("y", "α"), (Ref("A", "αβ"), Ref("x", "β"))), {}, 'einsum("ab,b->a", A, x)'),
]  # fmt: skip


@pytest.mark.parametrize(("inside", "equation", "seen", "line"), LINES)
def test_a_line_is_python(inside, equation, seen, line):
    view = View(inline={e.out.name: e for e in inside}, **seen)
    found = einsum_line(equation, view)
    assert found is not None
    assert (found.text, found.reason) == (line, "")


@pytest.mark.parametrize(
    ("inside", "equation", "names", "text"),
    [
        ([], Contract(Ref("y", "kb"), (Ref("c", "k"),)), {},
         'einsum("k->kb", c)  # not to be pasted: no array of the line says how large b is'),
        ([], Contract(Ref("y", "ii"), (Ref("x", "i"),)), {},
         'einsum("i->ii", x)  # not to be pasted: np.einsum writes no diagonal'),
        ([], Contract(Ref("y"), (Ref("x", "i"),)), {"x": "∂L/∂x"},
         'einsum("i->", ∂L/∂x)  # not to be pasted: ∂L/∂x is no expression of Python'),
        ([], Contract(Ref("y"), (Ref("x", "i"),)), {"x": "np"},
         'einsum("i->", np)  # not to be pasted: np is called like what the line needs'),
        ([Update(Ref("t", "kb"), Ref("x", "kb"), Ref("c"))], TOTAL, {},
         'einsum("kb->", (c, x elsewhere))  # not to be pasted: it writes into an array'),
    ],
)  # fmt: skip
def test_what_is_nothing_to_paste_says_so(inside, equation, names, text):
    view = View(names=names, inline={e.out.name: e for e in inside})
    assert einsum_text(equation, view) == text


@dataclass(frozen=True, slots=True)
class Merged(View):
    """A view of arrays with merged axes: the places of the letters of each axis."""

    places: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)

    def axes(self, ref: Ref) -> tuple[str, ...]:
        places = self.places.get(ref.name, tuple((n,) for n in range(len(ref.indices))))
        return tuple("".join(ref.indices[n] for n in axis) for axis in places)


def test_merged_axes_are_one_letter_where_they_stay_together_and_are_taken_apart_where_not():
    gram = Contract(Ref("G", "kl"), (Ref("F", "kij"), Ref("F", "lij")), factor=Factor.of(1, i=-1, j=-1))
    flat = Merged(places={"F": ((0,), (1, 2))})
    assert einsum_text(gram, flat) == 'einsum("ki,li->kl", F, F) / F.shape[1]'
    apart = Contract(Ref("y", "k"), (Ref("F", "kij"), Ref("x", "i"), Ref("z", "j")))
    assert einsum_text(apart, flat) == 'einsum("kij,i,j->k", F.reshape(F.shape[0], x.shape[0], z.shape[0]), x, z)'
    joined = Contract(Ref("F", "kij"), (Ref("x", "ik"), Ref("z", "j")))
    assert einsum_text(joined, flat) == 'einsum("ik,j->kij", x, z).reshape(x.shape[1], -1)'
