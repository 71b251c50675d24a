"""Which axes are one dimension, and what letters a reader sees: ten small programs, and what the forward settles."""

import numpy as np
import pytest

from einbackprop.capture.tracer import Trace, record, record_pair, trace
from einbackprop.core import interpretation
from einbackprop.core.dimensions import Axis, Dimensions, choose_letters
from einbackprop.core.program import Opaque, Program
from einbackprop.errors import TraceError
from einbackprop.notation.index_notation import View, equation_text


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def inputs(program: Program) -> dict[str, str]:
    return {i.ref.name: i.ref.indices for i in program.inputs}


def lines(program: Program) -> list[str]:
    view = View.of(program)
    return [equation_text(equation, view) for equation in program.equations]


def conflicts(found: Trace) -> list[tuple[int, str]]:
    return [(n.source.line, n.message) for n in found.notes if n.source and "nothing in common" in n.message]


# The ten


def loss_of_two_layers(W1, W2, X, Y):
    h = np.tanh(W1 @ X)
    e = W2 @ h - Y
    return np.sum(e**2)


def gradients_untransposed(W1, W2, X, Y):
    h = np.tanh(W1 @ X)
    e = W2 @ h - Y
    dh = W2 @ e  # W2.T is meant
    return (dh * (1 - h**2)) @ X.T, e @ h.T


def gradients_transposed(W1, W2, X, Y):
    h = np.tanh(W1 @ X)
    e = W2 @ h - Y
    dh = W2.T @ e
    return (dh * (1 - h**2)) @ X.T, e @ h.T


SQUARE = (draw(4, 3), draw(4, 4), draw(3, 5), draw(4, 5))


def test_an_untransposed_square_weight_is_a_conflict() -> None:
    found = record_pair(loss_of_two_layers, gradients_untransposed, SQUARE)
    assert inputs(found.program) == {"W1": "ji", "W2": "kj", "X": "ib", "Y": "kb"}
    line = gradients_untransposed.__code__.co_firstlineno + 3
    assert conflicts(found)[0] == (
        line,
        "axis 2 of W2 runs over j, axis 1 of e runs over k: "
        "they meet here, but have nothing in common except their size, 4",
    )


def test_the_transposed_one_is_none() -> None:
    found = record_pair(loss_of_two_layers, gradients_transposed, SQUARE)
    assert not conflicts(found)
    assert inputs(found.program) == {"W1": "ji", "W2": "kj", "X": "ib", "Y": "kb"}
    assert "dh[j,b] = Σ_k W2[k,j] e_2[k,b]" in lines(found.program)


def test_a_recurrent_weight_has_two_letters_of_one_dimension() -> None:
    def run(xs, Wxh, Whh, h):
        for x in xs:
            h = np.tanh(Wxh @ x + Whh @ h)
        return h

    program = trace(run, draw(3, 2), draw(4, 2), draw(4, 4), draw(4))
    assert inputs(program) == {"xs": "ti", "Wxh": "ji", "Whh": "jk", "h": "j"}
    assert program.dimension("j").letters == "jk"
    assert any("Σ_k Whh[j,k] " in line for line in lines(program))
    assert not any("jj" in ref.indices or "kk" in ref.indices for e in program.equations for ref in [e.out])


def test_a_residual_keeps_its_row_and_its_column_letter() -> None:
    def residual(W, x):
        y = x + np.tanh(W @ x)
        return y

    program = trace(residual, draw(4, 4), draw(4, 5))
    assert inputs(program) == {"W": "ij", "x": "ib"}
    assert lines(program)[0] == "t1[i,b] = Σ_j W[i,j] x[j,b]"
    assert lines(program)[-1] == "y[i,b] = x[i,b] + t2[i,b]"


def test_queries_and_keys_are_two_dimensions() -> None:
    def scores(Q, K):
        S = Q @ K.T
        return S

    program = trace(scores, draw(4, 3), draw(4, 3))
    assert lines(program) == ["S[j,k] = Σ_i Q[j,i] K[k,i]"]
    assert len(program.dimensions) == 3


def test_a_gram_matrix_has_two_letters_and_no_diagonal() -> None:
    def gram(X):
        G = X.T @ X
        return G

    program = trace(gram, draw(5, 3))
    assert lines(program) == ["G[j,k] = Σ_i X[i,j] X[i,k]"]
    assert [d.letters for d in program.dimensions] == ["i", "jk"]


def test_a_square_matrix_used_both_ways_on_different_vectors() -> None:
    def both(A, x, y):
        p, q = A @ x, A.T @ y
        return p, q

    program = trace(both, draw(4, 4), draw(4), draw(4))
    assert lines(program) == ["p[j] = Σ_i A[j,i] x[i]", "q[i] = Σ_j A[j,i] y[j]"]
    assert [d.letters for d in program.dimensions] == ["i", "j"]


def test_a_square_matrix_applied_twice_maps_a_dimension_to_itself() -> None:
    def twice(A, x):
        y = A @ (A @ x)
        return y

    program = trace(twice, draw(4, 4), draw(4))
    assert lines(program) == ["t1[i] = Σ_j A[i,j] x[j]", "y[i] = Σ_j A[i,j] t1[j]"]
    assert [d.letters for d in program.dimensions] == ["ij"]


def test_tied_weights_go_there_and_back() -> None:
    def tied(W, x):
        h = np.tanh(W @ x)
        r = W.T @ h
        return r

    program = trace(tied, draw(4, 3), draw(3, 5))
    assert inputs(program) == {"W": "ji", "x": "ib"}
    assert lines(program)[-1] == "r[i,b] = Σ_j W[j,i] h[j,b]"


def bias(W, x, c):
    z = W @ x + c
    return z


def test_a_bias_of_one_column_has_one_letter() -> None:
    program = trace(bias, draw(4, 3), draw(3, 5), draw(4, 1))
    assert inputs(program) == {"W": "ji", "x": "ib", "c": "j"}
    assert program.inputs[2].units == (1,)
    assert lines(program)[-1] == "z[j,b] = t1[j,b] + c[j]"


def test_a_batch_of_one_is_a_dimension_still() -> None:
    program = trace(bias, draw(4, 3), draw(3, 1), draw(4, 1))
    assert inputs(program) == {"W": "ji", "x": "ib", "c": "jb"}  # which of the two it is, only the names say


def test_two_hidden_layers_of_one_size_stay_two_dimensions() -> None:
    def two(W1, W2, X):
        h1 = np.tanh(W1 @ X)
        h2 = np.tanh(W2 @ h1)
        return h2

    program = trace(two, draw(4, 3), draw(4, 4), draw(3, 4))
    assert inputs(program) == {"W1": "ji", "W2": "kj", "X": "ib"}
    assert [d.size for d in program.dimensions] == [3, 4, 4, 4]


# Letters and sizes


def test_letters_that_the_user_wrote_survive() -> None:
    def layer(W, x):
        z = np.einsum("oi,in->on", W, x)
        return z @ z.T

    program = trace(layer, draw(4, 3), draw(3, 5))
    assert inputs(program) == {"W": "oi", "x": "in"}


def test_an_argument_that_is_a_size_keeps_its_letter_where_the_data_say_so() -> None:
    def backward(dz, batch_size):
        db = np.dot(dz, np.ones((batch_size,))) / batch_size
        return db

    program = trace(backward, draw(4, 5), 5)
    assert inputs(program) == {"dz": "ib"}
    assert lines(program)[-1] == "db[i] = 1/batch_size t2[i]"
    assert program.dimension("b").name == "batch_size"


def test_an_argument_that_is_only_a_number_is_a_number() -> None:
    def scaled(x, times):
        return x / times

    program = trace(scaled, draw(4, 5), 5)
    assert lines(program) == ["t1[i,j] = 0.2 x[i,j]"]
    assert len(program.dimensions) == 2


@pytest.mark.parametrize(
    "spelling",
    [lambda X: X / X.shape[0], lambda X: X / len(X), lambda X: X * (1 / X.T.shape[-1]), lambda X: X / np.shape(X)[0],
     lambda X: X / float(X.shape[0])],
    ids=["shape", "len", "T", "np.shape", "float"],
)  # fmt: skip
def test_a_shape_used_as_a_number_keeps_its_letter(spelling) -> None:
    (equation,) = trace(spelling, draw(3, 4)).equations
    assert equation.factor.sizes == ((equation.out.indices[0], -1),)


def test_what_the_forward_takes_apart_is_not_settled() -> None:
    """A loop over samples does not say that X and Y have the same ones; the backward may."""

    def loss(w, X, Y):
        return sum((w @ x - y) ** 2 for x, y in zip(X, Y, strict=True))

    def gradients(w, X, Y):
        return 2 * (X @ w - Y) @ X

    assert not conflicts(record_pair(loss, gradients, (draw(3), draw(3, 3), draw(3))))


def test_both_functions_of_a_pair_get_the_same_arguments_anew() -> None:
    def loss(p):
        p["W"] *= 2
        return np.sum(p["W"])

    def gradients(p):
        return p["W"] + 0.0

    p = {"W": draw(2, 3)}
    found = record_pair(loss, gradients, (p,))
    assert [i.ref.name for i in found.program.inputs] == ["W"]
    assert found.program.structure == (0, 1)
    loss_of, gradient = found.program.outputs
    assert loss_of.indices == ""
    assert gradient.indices == "ij"
    values = interpretation.run(found.program, [p["W"]])
    assert np.allclose(values[0], 2 * p["W"].sum())
    assert np.array_equal(values[1], p["W"])  # not what the loss made of it
    assert np.array_equal(p["W"], draw(2, 3))


# The parts


def test_settled_dimensions_are_not_merged() -> None:
    dimensions = Dimensions()
    a, b, c = (dimensions.new(4) for _ in range(3))
    dimensions.settle([a, b])
    assert dimensions.unify(a, c)
    assert not dimensions.unify(b, c)
    assert c.root() is a.root() is not b.root()


def test_an_axis_made_in_the_same_way_is_the_same() -> None:
    dimensions = Dimensions()
    a, b = dimensions.new(6), dimensions.new(6)
    first = dimensions.derived(("slice", 0, 1, 3), [a], 3)
    assert dimensions.derived(("slice", 0, 1, 3), [b], 3) is not first
    dimensions.unify(a, b)
    assert dimensions.derived(("slice", 0, 1, 3), [b], 3) is first


def test_letters_run_out_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("einbackprop.core.dimensions.PROVISIONAL", 2)
    dimensions = Dimensions()
    axis = dimensions.new(1)
    for _ in range(2):
        dimensions.letter(axis)
    with pytest.raises(TraceError, match="over 2 indices: trace it at smaller sizes"):
        dimensions.letter(axis)


def test_letters_are_chosen_in_order_and_second_ones_stand_near_the_first() -> None:
    flow = [Axis(2), Axis(3, name="T"), Axis(4, hint="q"), Axis(5), Axis(6)]
    chosen = choose_letters(flow, {flow[0]: 2}, flow[3])
    assert [chosen[axis] for axis in flow] == ["ik", "t", "q", "b", "j"]


def test_more_dimensions_than_letters() -> None:
    flow = [Axis(n) for n in range(120)]
    chosen = choose_letters(flow, {}, None)
    assert len(set(chosen.values())) == 120


def test_a_trace_says_nothing_of_conflicts_without_a_forward() -> None:
    assert not conflicts(record(gradients_untransposed, SQUARE))


def test_two_axes_of_size_1_that_meet_are_units_both_where_one_of_them_is_stretched() -> None:
    def loss(V: np.ndarray, b: np.ndarray, y: np.ndarray) -> np.floating:
        return np.sum((V @ b - y) ** 2)

    def gradients(V: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        e = V @ b - y
        h = np.append(np.zeros((1, 4)), b.T, axis=0)
        ba = (1 - h[-1].reshape(4, 1) ** 2) * np.dot(e, V).T
        return e * h[-1].reshape(1, 4), ba

    found = record_pair(loss, gradients, (draw(1, 4), draw(4, 1), draw(1, 1)))
    assert not any(isinstance(equation, Opaque) for equation in found.program.equations)


def test_of_many_dimensions_those_of_size_1_get_the_last_letters() -> None:
    """A recurrence of columns has some in each round: hidden units were called by the letters that were left."""
    units, hidden = [Axis(1) for _ in range(90)], Axis(24)
    letters = choose_letters([*units, hidden], {hidden: 2}, None)
    assert letters[hidden] == "ij"
    assert len({letter for some in letters.values() for letter in some}) == 92
