"""The reader of printed formulas itself: what it makes of each notation, and what it refuses."""

import numpy as np
import pytest
from code_values import code_value
from formula_nodes import UnreadableError
from formula_values import Trajectory, formula_value, size_letters
from matrix_values import matrix_value

RNG = np.random.default_rng(0)
W, X, d = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 4))
v, w, p = RNG.normal(size=3), RNG.normal(size=2), RNG.normal(size=6)
y = np.array([2, 0, 1, 1])
flat = RNG.normal(size=(4, 6))
VALUES = {
    "W": W, "X": X, "d": d, "v": v, "w": w, "p": p, "y": y, "flat": flat, "n": 2, "b": -0.5, "at": 3.0, "x": v[:, None],
    'g["W"]': np.ones((2, 3)), "hs[t-1]": d, "self.W": 2 * W, "X.T": X.T, "sigmoid(z)": d * d, "net.layers[0].W": W,
}  # fmt: skip
LEFT, RIGHT = np.zeros((2, 3, 4)), np.arange(3)

TRUE = {
    "z[i,k] = Σ_j W[i,j] X[j,k] + w[i]": W @ X + w[:, None],
    "z = ½ Σ_ij W[i,j]²": 0.5 * np.sum(W**2),
    "z[i] = 1/(2J) Σ_j W[i,j]": W.mean(1) / 2,
    "z[k] = Σ_j X[j,k]/(Σ_j |X[j,k]|)": X.sum(0) / np.abs(X).sum(0),
    "z[j] = -v[j]²": -(v**2),
    "z[j] = (-v[j])²": v**2,
    "z[j] = 2 v[j]/(1 - √(v[j]²))": 2 * v / (1 - np.abs(v)),
    "z[j] = |v[j]| |b| - abs(b)": None,  # |b| is a size, which nothing says
    "z[j] = |v[j]| abs(b)": np.abs(v) * 0.5,
    "z[i,k] = max_j (W[i,j] X[j,k])": (W[:, :, None] * X).max(1),
    "z[k] = j of argmax_ji X[j,k] - W[i,j]": None,  # a maximum is of what follows at once, and j stands free
    "z[k] = argmin_j X[j,k]": X.argmin(0),
    "z[i] = j of argmax_jk (W[i,j] X[j,k])": (W[:, :, None] * X).reshape(2, -1).argmax(1) // 4,
    "z[k] = Σ_j X[j,k] [j=y[k]]": X[y, np.arange(4)],
    "z[k] = Σ_j X[j,k] [j=n]": X[2],
    "z[k] = X[n,k]": X[2],
    "z[k] = X[y[k],k]": X[y, np.arange(4)],
    "z[j,k] = X[2-j,k] + 0 v[j]": X[::-1],
    "z[k] = X[0,k] + X[n[],k]": X[0] + X[2],
    "z[j,t] = p[2j+t-1]": None,  # nothing says how large t is
    "z[i] = Σ_j W[i,j] p[2j+i-1]": np.array([W[0] @ [0, p[1], p[3]], W[1] @ [p[0], p[2], p[4]]]),
    "z[k] = max_j (v[j] + X[j-1,k])": (v[:, None] + np.vstack([0 * X[:1], X[:2]])).max(0),
    "z[k] = flat[k,1] + flat[k,5] + flat[k,6]": flat[:, 1] + flat[:, 5],
    "p[2j+1] = v[j]": np.where(np.arange(6) % 2, np.repeat(v, 2), p),
    "flat[k,j+2] = X[j,k] where [v[j] > 0]": np.hstack([flat[:, :2], np.where(v > 0, X.T, flat[:, 2:5]), flat[:, 5:]]),
    "flat[y[k]+1,0] = d[0,k]": None,  # several values in one place
    "W[n[]-1,j] = 2 v[j]": np.array([W[0], 2 * v]),
    "lost[0,j] = v[j]": None,  # nothing says what else is there
    "z[q] = v[j] at [q=2j+1], p[q] elsewhere": np.where(np.arange(6) % 2, np.repeat(v, 2), p),
    "z[j] = v[j] where [v[j] > 0] else -1": np.where(v > 0, v, -1),
    "z[j] = b where [v[j] > 0], v[j] elsewhere": np.where(v > 0, -0.5, v),
    "z[k,j] = X.T[k,j] (at)": X.T * 3,
    "z[i,k] = hs[t-1][i,k] sigmoid(z)[i,k] self.W[i,j]": None,  # j is neither summed over nor in the result
    "z[i] = Σ_j self.W[i,j] - net.layers[0].W[i,j]": None,
    "z[i,k] = hs[t-1][i,k] - sigmoid(z)[i,k]": d - d * d,
    "z[k] = Σ_ij W[i,j] flat[k,(ij)]": flat @ W.reshape(-1),
    "z[(ij)] = W[i,j] v[j]": (W * v).reshape(-1),
    "z[i,i] = w[i]": np.diag(w),
    "z[j] = x[j]": v,
    'g["W"][i,j] -= 0.1 W[i,j]': 1 - 0.1 * W,
    'g["W"][i,j] *= v[j]': np.ones((2, 3)) * v,
    "b += Σ_j v[j]": -0.5 + v.sum(),
    "return[j] = v[j]": v,
    "return₂[i] = w[i]": w,
    'return["dw"][i] = w[i]': w,
    "z[j] = v[j] -1": None,  # a sign has a space on both sides, or none after it
    "z[j] = lost[j]": None,
    "z[j] = W[j,j]": None,  # j has two sizes
    "z[j] = 1 + Σ_j v[j": None,
    "z[j] = tanh(∞ v[j])": np.sign(v),
    "z[j] = (1+2j) v[j]": (1 + 2j) * v,
    "z[j] = v[j]^(0.5) + power(v[j]; 2)": None if (v < 0).any() else v**0.5 + v**2,
    "z[j] = v[j]⁻² + 2^v[j]": v**-2.0 + 2**v,
    "z = nan": np.nan,
}


@pytest.mark.parametrize("equation", TRUE)
def test_a_formula_is_worth_what_numpy_makes_of_it(equation):
    expected = TRUE[equation]
    if expected is None:
        try:
            value = formula_value(equation, VALUES)
        except UnreadableError:
            return
        assert np.isnan(value).any()
    else:
        value = formula_value(equation, VALUES)
        np.testing.assert_allclose(np.broadcast_to(value, np.shape(expected)), expected)


def test_what_a_round_left_to_the_next_is_one_position_before():
    values = {"h": Trajectory(X, 0, d[0]), "v": v}
    forwards, backwards = np.vstack([d[:1], X[:2]]), np.vstack([X[1:], d[:1]])
    np.testing.assert_allclose(formula_value("z[j,k] = v[j] h[j-1,k] + h[j,k]", values), v[:, None] * forwards + X)
    np.testing.assert_allclose(formula_value("z[j,k] = v[j] h[j+1,k]", values), v[:, None] * backwards)
    np.testing.assert_allclose(formula_value("z[j,k] = 0 v[j] + h[j-2,k]", values), np.vstack([0 * d[0], forwards[:2]]))


def test_a_letter_whose_size_is_given_may_be_a_position():
    np.testing.assert_allclose(formula_value("z[j,k] = X[j,k]", VALUES, {"j": 2}), X[:2])
    np.testing.assert_allclose(formula_value("z[j,k] = X[j,k]", VALUES, {"j": 4}), np.vstack([X, 0 * X[:1]]))


def test_what_has_no_value_is_refused():
    refused = [equation for equation, value in TRUE.items() if value is None and "^" not in equation]
    for equation in refused:
        with pytest.raises(UnreadableError):
            formula_value(equation, VALUES)


def test_sizes_are_handed_in_where_no_array_has_the_letter():
    assert size_letters("z[j] = 1/√K v[j]", VALUES) == {"k"}
    with pytest.raises(UnreadableError, match="nothing says how large k is"):
        formula_value("z[j] = 1/√K v[j]", VALUES)
    np.testing.assert_allclose(formula_value("z[j] = 1/√K v[j]", VALUES, {"k": 4}), v / 2)


def test_code_is_worth_what_it_gives_where_the_names_are_bound():
    assert code_value('einsum("ij,jk->ik", self.W, X)', VALUES) == pytest.approx(2 * W @ X)
    assert code_value('g["W"] - 1e-1 * X.T[0] * np.ones(hs[t-1].shape[0])[:, None]', VALUES) == pytest.approx(
        1 - 0.1 * X.T[0] * np.ones((2, 1))
    )


def test_a_matrix_form_is_worth_what_numpy_makes_of_it():
    sizes = {"i": 2, "j": 3, "k": 4}
    letters = {"W": "ij", "X": "jk", "d": "ik"}
    for form, out, expected in [
        ("W·X", "ik", W @ X),
        ("½ ((Wᵀ·d) ⊙ X)", "jk", 0.5 * (W.T @ d) * X),
        ("1/J 1ᵀ·X·1", "", X.sum() / 3),
        ("diag(w)·(1 - W²)", "ij", w[:, None] * (1 - W**2)),
        ("Wᵀ·w·1ᵀ", "jk", (W.T @ w)[:, None] * np.ones(4)),
        ("Xᵀ·W for each i", "ik", W @ X),
    ]:
        np.testing.assert_allclose(matrix_value(form, VALUES, letters, out, sizes), expected, err_msg=form)
    with pytest.raises(UnreadableError):
        matrix_value("X·W", VALUES, letters, "ik", sizes)
    with pytest.raises(UnreadableError):
        matrix_value("W ⊙ X", VALUES, letters, "ik", sizes)
