"""``read``: what it prints, line by line, and that it fits, whatever the code."""

import re
import textwrap
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from library import COLUMNS
from sampling import some
from wild import FIXTURES, Fixture

from einbackprop.reading.reading import Reading, as_code, read, wrapped
from einbackprop.shell.command import main


def module_of(tmp_path: Path, text: str) -> types.ModuleType:
    """Code as a user has it: in a file."""
    file = tmp_path / "mine.py"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    module = types.ModuleType("mine")
    module.__file__ = str(file)
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module.__dict__)
    return module


def equations(reading: Reading) -> list[str]:
    """The equations that say more than that a value has another name."""
    return [formula.equation for line in reading.lines for formula in line.formulas if not formula.is_alias]


def einsums(reading: Reading) -> list[str | None]:
    return [formula.einsum for line in reading.lines for formula in line.formulas]


def test_a_matmul_style_backward_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "net.py"
    script.write_text(COLUMNS.text, encoding="utf-8")
    assert main(["read", str(script), COLUMNS.grads]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "one[j,n] = sigmoid(Σ_i W1[j,i] X[i,n] + b1[j])",
        "d_guess[l,n] = 1/N (guess[l,n] - truth[l,n])",
        'einsum("ln,kn->lk", d_guess, two)',
        "d_two[k,n] = Σ_l W3[l,k] d_guess[l,n] two[k,n] (1 - two[k,n])",
        'einsum("lk,ln,kn,kn->kn", W3, d_guess, two, 1 - two)',
        "dW2[k,j] = Σ_n d_two[k,n] one[j,n]",
        "d_one[j,n] = Σ_k W2[k,j] d_two[k,n] one[j,n] (1 - one[j,n])",
        'einsum("jn->j", d_one)',
    ):
        assert expected in printed, expected
    assert max(map(len, printed.splitlines())) <= 100


def test_what_gradients_are_is_said_where_the_forward_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "net.py"
    script.write_text(COLUMNS.text, encoding="utf-8")
    main(["read", str(script), COLUMNS.grads])
    printed = capsys.readouterr().out
    assert "is the gradient of the argument of the sigmoid that makes two: its name misleads" in printed
    assert "is ∂L/∂W2" in printed
    assert "note: here d_guess is taken as ∂L/∂guess" in printed


def test_a_wrong_line_is_not_said_to_be_a_gradient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "net.py"
    script.write_text(COLUMNS.text.replace("np.dot(d_two, one.T)", "np.dot(d_two, two.T)"), encoding="utf-8")
    main(["read", str(script), COLUMNS.grads])
    printed = capsys.readouterr().out
    assert "is ∂L/∂W2" not in printed
    assert "is ∂L/∂W3" in printed


def test_two_layers_of_one_size_keep_two_letters(tmp_path: Path) -> None:
    mine = module_of(
        tmp_path,
        """
        import numpy as np

        def two(A, B, x):
            h = A @ x
            return B @ h
        """,
    )
    square = np.ones((4, 4))
    found = equations(read(mine.two, square, square.copy(), np.ones((4, 4))))
    assert found == ["h[j,b] = Σ_i A[j,i] x[i,b]", "return[k,b] = Σ_j B[k,j] h[j,b]"]


def test_a_recurrent_weight_has_two_letters_of_one_dimension(tmp_path: Path) -> None:
    mine = module_of(
        tmp_path,
        """
        import numpy as np

        def run(xs, Wxh, Whh, h):
            hs = {-1: h}
            for t in range(len(xs)):
                hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1])
            return hs[len(xs) - 1]
        """,
    )
    reading = read(mine.run, np.ones((3, 2)), np.ones((4, 2)), np.ones((4, 4)), np.ones(4))
    (line,) = [line for line in reading.lines if "tanh" in line.source.code]
    (formula,) = line.formulas
    assert formula.equation.startswith("hs[t,")
    assert "hs[t-1," in formula.equation
    whh = formula.equation.split("Whh[")[1].split("]")[0]
    assert len(set(whh.split(","))) == 2


def test_a_helper_of_one_line_is_read_where_it_is_called(tmp_path: Path) -> None:
    mine = module_of(
        tmp_path,
        """
        import numpy as np

        def sigmoid(z):
            return 1 / (1 + np.exp(-z))

        def layer(W, x):
            y = sigmoid(W @ x)
            return y
        """,
    )
    reading = read(mine.layer, np.ones((2, 3)), np.ones(3))
    assert [line.source.code for line in reading.lines] == ["y = sigmoid(W @ x)", "return y"]
    assert equations(reading) == ["y[j] = sigmoid(Σ_i W[j,i] x[i])"]


def test_a_letter_that_is_summed_is_not_one_that_stands_free(tmp_path: Path) -> None:
    mine = module_of(
        tmp_path,
        """
        def softmax_vjp(dp, p):
            dz = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
            return dz
        """,
    )
    (equation,) = equations(read(mine.softmax_vjp, np.ones((5, 3)), np.ones((5, 3))))
    free = equation.split("dz[")[1].split("]")[0].split(",")
    summed = equation.split("Σ_")[1].split(" ")[0]
    assert summed not in free


def test_brackets_are_shown_and_give_no_einsum(tmp_path: Path) -> None:
    mine = module_of(
        tmp_path,
        """
        import numpy as np

        def scores(p, y):
            d = p.copy()
            d[np.arange(len(y)), y] -= 1
            return d
        """,
    )
    reading = read(mine.scores, np.ones((4, 3)), np.array([0, 2, 1, 1]))
    (equation,) = equations(reading)
    assert equation == "d[b,i] = d[b,i] - [i=y[b]]"
    assert set(einsums(reading)) == {None}


def test_a_quotient_keeps_its_parentheses(tmp_path: Path) -> None:
    mine = module_of(
        tmp_path,
        """
        def bce(A, Y):
            dA = Y / A - (1 - Y) / (1 - A)
            return dA
        """,
    )
    (equation,) = equations(read(mine.bce, np.full(3, 0.5), np.ones(3)))
    assert equation.endswith("= Y[i]/A[i] - (1 - Y[i])/(1 - A[i])")


def test_reading_changes_nothing(tmp_path: Path) -> None:
    mine = module_of(tmp_path, "def inplace(x, y):\n    x *= 2\n    x += y\n    return x\n")
    x, y = np.ones(3), np.arange(3.0)
    read(mine.inplace, x, y)
    np.testing.assert_array_equal(x, np.ones(3))
    assert type(mine.inplace.__globals__.get("np", np)) is types.ModuleType


@pytest.mark.long
@pytest.mark.parametrize("fixture", some(FIXTURES), ids=lambda f: f.name)
def test_every_network_of_the_corpus_is_read_within_100_columns(fixture: Fixture) -> None:
    arguments = fixture.arguments(np.random.default_rng(0))
    for function in (fixture.loss, fixture.gradients):
        reading = read(function, *arguments)
        assert reading.lines
        assert "not read" not in str(reading)
        for row in str(reading).splitlines():
            assert len(row) <= 100


def test_a_gradient_is_taken_for_what_its_name_says_once_it_is_finished() -> None:
    def backward(W: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        scores = X @ W
        e = np.exp(scores)
        probs = e / e.sum(axis=1, keepdims=True)
        dscores = probs.copy()
        dscores[np.arange(len(y)), y] -= 1
        dscores /= len(y)
        dW = X.T @ dscores
        return dW

    text = str(read(backward, np.ones((3, 4)), np.ones((5, 3)), np.arange(5) % 4))
    assert "note: here dscores is taken as ∂L/∂scores" in text  # and not for the gradient of probs
    assert "is ∂L/∂W" in text
    assert "a multiple of" not in text


def test_a_name_for_what_is_not_needed_is_none() -> None:
    """``_, b = weights``: the underscore does not become what others are called by."""
    def inner(weights):
        W, b = weights
        return W * b

    def outer(weights):
        W, _ = weights
        return inner(weights) + W

    text = str(read(outer, [np.ones(3), np.ones(3)]))
    assert "_[" not in text
    assert "W[i] b[i]" in text


def test_a_long_line_of_code_is_python_on_all_its_rows() -> None:
    """Wherever it is broken: within parentheses, and in no string."""
    def rows(length: int) -> str:
        line = f'einsum("ij,j->i", {"W" * length}, p["the bias"]) + einsum("ij,j->i", V, p["all of the weights"]) / n'
        return "\n".join(wrapped(as_code(line)))

    shown = [rows(length) for length in range(1, 60)]
    for code in shown:
        assert 'p["the bias"]' in code
        assert 'p["all of the weights"]' in code
        compile(code, "", "eval")
    assert {code[0] for code in shown if "\n" in code} == {"(", "e"}


def test_an_entry_that_stands_twice_in_a_statement_is_no_array_of_all_rounds(tmp_path: Path) -> None:
    net = module_of(tmp_path, """
        import numpy as np
        class Net:
            def __init__(self):
                self.W = [np.eye(3, 4), np.eye(4, 2)]
            def forward(self, X):
                self.a = [X]
                for W in self.W:
                    self.a.append(np.tanh(self.a[-1] @ W))
                return self.a[-1]
            def backward(self, X, Y):
                d = self.forward(X) - Y
                for k in (1, 0):
                    if k:
                        d = d @ self.W[k].T * self.a[k] * (1 - self.a[k])
                return d
    """).Net()
    assert "self.a[1][b,j] (1 - self.a[1][b,j])" in str(read(net.backward, np.eye(5, 3), np.eye(5, 2)))


def test_the_derivative_of_one_value_by_another_is_not_taken_for_a_gradient() -> None:
    def network(t: Any, gradient: float) -> Any:
        exp = np.exp(t)
        p = exp / np.sum(exp)
        t_exp = np.exp(t)
        total = np.sum(t_exp)
        d_out_d_t = -t_exp[0] * t_exp / total**2
        d_L_d_t = gradient * d_out_d_t
        return p, d_L_d_t

    assert "∂" not in str(read(network, np.array([0.3, -1.0, 0.7]), 0.4))


ALIASED = {
    "d = a * b * (1 - b)": "d[i] = a[i] b[i] (1 - b[i])",
    "d = (1 - a) * b": "d[i] = (1 - a[i]) b[i]",
    "d = b - a * np.tanh(b)": "d[i] = b[i] - a[i] tanh(b[i])",
    "d = np.exp(-(a + 1)) * b / (b + 2)": "d[i] = exp(-(a[i] + 1)) b[i]/(b[i] + 2)",
}


@pytest.mark.parametrize("line", ALIASED)
def test_two_names_of_one_array_stand_where_they_are_written(line: str, tmp_path: Path) -> None:
    """Where the target is 0, ``error = out - target`` is ``out``, and still no formula may confuse the two."""
    code = f"import numpy as np\ndef f(a, target=0):\n    b = a - target\n    {line}\n    return d\n"
    assert equations(read(module_of(tmp_path, code).f, np.full(3, 0.3)))[0] == ALIASED[line]


def test_a_sum_that_begins_with_nothing_is_read_as_it_goes_on() -> None:
    def summed(xs: Any, Ws: Any) -> Any:
        out = 0
        for name, x, W in zip("abc", xs, Ws, strict=True):
            out = out + (x @ W) * (2 if name == "b" else 1)
        return out

    rng = np.random.default_rng(0)
    reading = read(summed, list(rng.normal(size=(3, 3, 2))), list(rng.normal(size=(3, 2, 4))))
    (line,) = [line for line in reading.lines if line.source.code.startswith("out = out")]
    assert line.formulas[0].equation == "out[b,j] = out[b,j] + 2 Σ_k x[b,k] W[k,j]"
    assert "(the second of 3 times)" in str(reading)


BUFFERS = """
import numpy as np

def gates(W, x):
    c, g = np.zeros((len(x), len(W))), np.zeros((len(x), 2 * len(W)))
    for t in range(len(x)):
        g[t] = x[t] @ W
        c[t] = np.tanh(g[t, :len(W)])
        if t > 0:
            c[t] += g[t, len(W):] * c[t - 1]
    return np.sum(c[-1])
"""


def test_of_rounds_that_are_not_one_no_entry_of_another_array_is_told(tmp_path: Path) -> None:
    """An array of which each round writes a row has two axes in every round."""
    rng = np.random.default_rng(0)
    reading = read(module_of(tmp_path, BUFFERS).gates, rng.normal(size=(3, 6)), rng.normal(size=(4, 3)))
    found = equations(reading)
    assert "c[0,i] = tanh(g[0,i])" in found
    assert "c[2,i] = c[t][i] + g[2,I+i] c[t - 1][i]" in found
    assert not any("g[t,t" in text or text.startswith("np.") or re.search(r"\\bt_?\\d", text) for text in found)


def test_arrays_that_each_round_has_of_its_own_are_told_of_all_rounds(tmp_path: Path) -> None:
    text = """
    import numpy as np

    def step(x, W):
        d = x @ W
        d[:2] *= x
        d[2:] = 1 - d[2:] ** 2
        return np.sum(d)

    def steps(W, x):
        total = 0.0
        for t in range(len(x)):
            total += step(x[t], W)
        return total
    """
    rng = np.random.default_rng(0)
    found = equations(read(module_of(tmp_path, text).steps, rng.normal(size=(2, 4)), rng.normal(size=(3, 2))))
    assert {"d[t,i] = d[t,i] x[t,i]", "d[t,k+2] = 1 - d[t,k+2]²"} <= {*found}


def test_an_array_that_is_read_through_two_views_has_its_own_name() -> None:
    def pairs(a: Any, c: Any) -> Any:
        b = a
        return np.sum(c / (a[:, None] + 1)), np.sum(c * (1 / (a[:, None] + 1) + 1 / (b[None, :] + 1)))

    *_, last = read(pairs, np.ones(3), np.ones((3, 3))).lines
    assert [formula.equation for formula in last.formulas] == [
        "return₁ = Σ_ij c[i,j]/(a[i] + 1)", "return₂ = Σ_ij c[i,j] (1/(a[i] + 1) + 1/(b[j] + 1))"]
