"""What statements read and bind is observed: readings name each value as its statement does, however it got there."""

import ast
import inspect
import linecache
import sys
import warnings
from typing import Any

import binding_programs
import numpy as np
import pytest
from reading_truth import reading_with_values, untrue

import einbackprop as eb
from einbackprop.capture.tracer import record
from einbackprop.errors import TraceError
from einbackprop.reading.formulas import Formula

READ = {
    "alias": """
        a[i,j] = X[i,j]
        a[j,i] = a[i,j]
        c[j,i] = a[j,i]
        return[j,k] = Σ_i c[j,i] X[i,k]
        """,
    "unpack": """
        W[j,i] = params[0][0][j,i]
        b[j] = params[0][1][j]
        V[k,j] = params[1][k,j]
        h[j,n] = Σ_i W[j,i] X[i,n] + b[j]
        return[k,n] = Σ_j V[k,j] h[j,n]
        """,
    "starred": """
        first[j,i] = Ws[0][j,i]
        rest[0][k,j] = Ws[1][k,j]
        rest[1][l,k] = Ws[2][l,k]
        h[j,b] = Σ_i first[j,i] X[i,b]
        U[k,j] = rest[0][k,j]
        h[k,b] = Σ_j U[k,j] h[j,b]
        return[l,b] = h[l,b]
        """,
    "attributes": """
        self.W[j,i] = W[j,i]
        self.x[i,b] = x[i,b]
        return[j,b] = Σ_i self.W[j,i] x[i,b]
        self.grad[j,i] = Σ_b d[j,b] self.x[i,b]
        return[i,b] = Σ_j self.W[j,i] d[j,b]
        out[j,b] = layer.forward(X)[j,b]
        dx[i,b] = layer.backward(out)[i,b]
        return₁[i,b] = dx[i,b]
        return₂[j,i] = layer.grad[j,i]
        """,
    "dicts": """
        cache["h"][j,b] = Σ_i p["W"][j,i] X[i,b]
        cache["z"][k,b] = Σ_j p["V"][k,j] cache["h"][j,b]
        d[k,b] = cache["z"][k,b] - Y[k,b]
        grads["V"][k,j] = Σ_b d[k,b] cache["h"][j,b]
        grads["W"][j,i] = Σ_kb p["V"][k,j] d[k,b] X[i,b]
        grads[k][k,j] += 0.1 p[k][k,j]
        return["V"][k,j] = grads["V"][k,j]
        return["W"][j,i] = grads["W"][j,i]
        """,
    "augmented": """
        g[i,j] = 0
        h[i,b] = Σ_j W[i,j] X[j,b]
        h[i,c] -= 1/B Σ_b h[i,b]
        h[i,b] /= 5
        loss += Σ_ib h[i,b] h[i,b]
        loss *= 0.5
        g[i,j] += Σ_b h[i,b] X[j,b]
        g[0,j] = 2 g[0,j]
        g[i,j] = g[i,j] - [j=1]
        return₁ = loss
        return₂[i,j] = g[i,j]
        """,
    "walrus": """
        h[j,b] = Σ_i W[j,i] X[i,b]
        s = Σ_jb h[j,b]
        return = 1/B s
        """,
    "comprehension": """
        hs[0][j,b] = Σ_i Ws[0][j,i] X[i,b]
        hs[1][k,b] = Σ_i Ws[1][k,i] X[i,b]
        return = Σ_jb hs[0][j,b] hs[0][j,b] + Σ_kb hs[1][k,b] hs[1][k,b]
        """,
    "two": """
        h[j,b] = Σ_i W[j,i] X[i,b]
        z[b,j] = h[j,b]
        s[b,k] = Σ_j z[b,j] h[j,k]
        return[b,k] = s[b,k]
        """,
    "lines": """
        z[j,b] = Σ_i W[j,i] X[i,b] - Y[0,b] + 1
        return = Σ_jb z[j,b] z[j,b]
        """,
    "reshaped": """
        flat[(ij)] = X[i,j]
        flat[(ij)] = Σ_k (3 at [k=0], flat[k] elsewhere) [k=i·J+j]
        cube[i,j] = flat[(ij)]
        row[j] = X[0,j]
        row[j] += 1
        return[i,j] = cube[i,j] X[i,j]
        """,
    "helpers": """
        m[b] = 1/I Σ_i z[i,b]
        c[i,b] = z[i,b] - m[b]
        return[i,b] = c[i,b]/√(1/K Σ_k c[k,b] c[k,b] + 1e-05)
        a[i,b] = normalise(X)[i,b]
        h[j,b] = 2 normalise(W @ a)[j,b]
        (W @ a)[j,b] = Σ_i W[j,i] a[i,b]
        return[j,b] = h[j,b]
        """,
    "nested": """
        return[k,b] = sigmoid(Σ_l V[k,l] sigmoid(Σ_i W[l,i] X[i,b]))
        """,
    "lambdas": """
        return = 2 Σ_ij X[i,j] X[i,j]
        """,
    "recurrent": """
        h[i] = 0
        h[t,i] = tanh(Σ_j Wx[i,j] xs[t,j] + Σ_k Wh[i,k] h[t-1,k])
        hs[t,i] = h[t,i]
        dh[i] = 0
        dWh[i,k] = 0
        dz[t,i] = (dh[t+1,i] + hs[t,i]) (1 - hs[t,i]²)
        dWh[i,k] += dz[i] hs[t - 1][k]
        dh[t,i] = Σ_k Wh[k,i] dz[t,k]
        return[i,k] = dWh[i,k]
        """,
    "by_time": """
        hs[-1][i] = 0
        hs[t,i] = tanh(xs[t,i] + Σ_j Wh[i,j] hs[t-1,j])
        """,
    "zipped": """
        x[n,i] = X[i,n]
        t[n,k] = Y[k,n]
        total += Σ_nik x[n,i] x[n,i] t[n,k] t[n,k]
        return = total
        """,
    "labels": """
        s[b,j] = Σ_i W[j,i] X[i,b]
        s[b,j] = s[b,j] - max_k s[b,k]
        p[b,j] = exp(s[b,j])/(Σ_k exp(s[b,k]))
        loss = -1/B Σ_b log(p[b,y[b]])
        d[b,j] = p[b,j]
        d[b,j] = d[b,j] - [j=y[b]]
        d[b,j] /= len(y)
        return₁ = loss
        return₂[i,j] = Σ_b X[i,b] d[b,j]
        """,
    "masks": """
        d[i,j] = 2 X[i,j]
        d[i,j] = d[i,j] [X[i,j] ≥ 0]
        e[i,j] = X[i,j] where [X[i,j] > 0] else 0.1 X[i,j]
        m[i,j] = [X[i,j] > ½]
        return[i,j] = d[i,j] m[i,j] + e[i,j]
        """,
    "guarded": """
        r[i,j] = 1/X[i,j]
        q[i,k] = Σ_j r[i,j] X[k,j]
        return[i,k] = q[i,k]
        """,
    "tuples": """
        z[j,b] = Σ_i W[j,i] X[i,b]
        return₁[j,b] = z[j,b]
        return₂[j,b] = tanh(z[j,b])
        z[j,b] = forward(W, X)[0][j,b]
        h[j,b] = forward(W, X)[1][j,b]
        cache[0][j,i] = W[j,i]
        cache[1][i,b] = X[i,b]
        W2[j,i] = cache[0][j,i]
        X2[i,b] = cache[1][i,b]
        return₁[j,i] = Σ_b h[j,b] X2[i,b]
        return₂[i,b] = Σ_j W2[j,i] (1 - h[j,b]²)
        """,
    "closures": """
        return[j] = ½ Σ_ib W[j,i] X[i,b]
        """,
    "outs": """
        acc[i,j] = 0
        acc[i,j] = 2 X[i,j]
        acc[i,j] = min(max(acc[i,j], 0), 1)
        acc[i,j] = acc[i,j] + Σ_k 1 [j=([0, 0])[k]]
        acc[i,j] = acc[i,(kept of this run)[i,j]]
        return[i,j] = acc[i,j]
        """,
    "dataclasses": """
        h[i,j] = tanh(s.h[i,j] + x[i,j])
        (s.c * h)[i,j] = s.c[i,j] h[i,j]
        s.c[i,j] *= 2
        return[i,j] = s.h[i,j] + s.c[i,j]
        """,
    "chained": """
        a[i,j] = X[i,j] + Z[i,j]
        b[i,j] = X[i,j] + Z[i,j]
        a[i,j] = 2 b[i,j]
        b[i,j] += 1
        return[i,j] = a[i,j] - b[i,j]
        """,
    "gates": """
        i[b,h] = a[b,h]
        f[b,h] = a[b,H+h]
        o[b,h] = a[b,2H+h]
        g[b,h] = a[b,3H+h]
        c2[b,h] = sigmoid(f[b,h]) c[b,h] + sigmoid(i[b,h]) tanh(g[b,h])
        da[b,h] = i[b,h]
        da[b,H+h] = f[b,h]
        da[b,2H+h] = o[b,h]
        da[b,3H+h] = g[b,h]
        da[b,H+h] = c2[b,h]
        return₁[b,k] = da[b,k]
        return₂[b,h] = sigmoid(o[b,h]) tanh(c2[b,h])
        """,
    "ternary": """
        h[i,j] = 2 X[i,j]
        k[i,j] = h[i,j]²
        return[i,j] = k[i,j]
        """,
    "whiles": """
        h[i,j] = X[i,j]
        h[k,i,j] = ½ h[k-1,i,j] + 1
        return[i,j] = h[i,j]
        """,
    "generators": """
        outs[0][j,b] = Σ_i Ws[0][j,i] X[i,b]
        outs[1][k,b] = Σ_i Ws[1][k,i] X[i,b]
        s = Σ_jb outs[0][j,b] + Σ_kb outs[1][k,b]
        return[j,b] = s outs[0][j,b]
        """,
    "consts": """
        mask[j] = np.array([[1., 0, 1, 0, 1]])[j]
        z[i,j] = X[i,j] mask[j] + np.array([1., 2., 3.])[i] + b[i]
        z[i,j] = Σ_n z[i,n] ([n=j]) W[0,0]
        return[i,j] = z[i,j]
        """,
}
"""The equations of each function of ``binding_programs``, one a value, in the order of its lines."""

X = np.arange(1.0, 7).reshape(3, 2)


@pytest.mark.parametrize("name", READ)
def test_each_statement_is_read_in_its_own_names(name: str) -> None:
    function, arguments = getattr(binding_programs, name), binding_programs.CASES[name]
    reading = reading_with_values(function, *arguments)
    found = [formula.equation for line in reading.lines for formula in line.formulas]
    assert found == READ[name].split("\n        ")[1:-1]
    assert not list(untrue(reading))


def equations(function: Any, *arguments: Any) -> list[str]:
    return [formula.equation for line in eb.read(function, *arguments).lines for formula in line.formulas]


def test_a_factor_is_not_lost_between_two_terms() -> None:
    def twice(x):
        return x - np.sum(x * x)

    def f(a, b):
        y = twice(3 * a * b)
        return y

    assert "y[i,j] = 3 a[i,j] b[i,j] - Σ_kl (3 a[k,l] b[k,l]) (3 a[k,l] b[k,l])" in equations(f, X, X + 1)


def test_a_number_has_a_name_and_no_letters() -> None:
    def f(X, W, s, reg):
        return X.T.dot(s) + 2 * reg * W

    (equation,) = equations(f, X, np.ones((2, 4)), np.ones((3, 4)), 0.1)
    assert equation.endswith(" + 2 reg W[i,j]")


def test_a_statement_over_several_lines_runs_once() -> None:
    def f(x):
        z = (x * 2
             + 1)  # fmt: skip
        return z

    reading = eb.read(f, X)
    assert [(line.runs, line.source.code) for line in reading.lines] == [(1, "z = x * 2 + 1"), (1, "return z")]


def test_what_is_accumulated_is_shown_as_that() -> None:
    def f(xs, a):
        g, loss, grads = np.zeros(2), 0.0, {"W": np.zeros(2)}
        for x in xs:
            margin = np.sum(x * a)
            g -= a * x
            loss += margin
            grads["W"] += g
        return loss, grads["W"]

    found = equations(f, X, np.ones(2))
    assert {"g[b,i] = g[b-1,i] - a[i] x[b,i]", "loss += Σ_b margin[b]", 'grads["W"][i] += Σ_b g[b,i]'} <= set(found)


@pytest.mark.parametrize("form", ["equation", "einsum", "matrix"])
def test_the_truth_of_a_reading_is_really_asked_for(form: str) -> None:
    def f(W, x):
        z = W @ x
        return z.T

    reading = reading_with_values(f, X, X.T + 1)
    (line, *_) = reading.lines
    (formula,) = line.formulas
    assert not list(untrue(reading))
    false = {"equation": "z[j,k] = Σ_i W[j,i] x[i,j]", "einsum": 'einsum("ji,ik->kj", W, x)', "matrix": "x·W"}
    kept = {name: getattr(formula, name) for name in ("name", "equation", "einsum", "matrix", "value")}
    object.__setattr__(line, "formulas", (Formula(**{**kept, form: false[form]}),))
    assert form in [fault.kind for fault in untrue(reading)]


def test_probes_leave_the_code_as_it_is() -> None:
    class Base:
        def made(self, x):
            return x * 2

    class Own(Base):
        __slots__ = ()

        def made(self, x):
            self_ = super().made(x)
            return self_ + self.__private()

        def __private(self):
            return 1

    def f(x):
        count = 0

        def inner():
            nonlocal count
            count += 1
            return count

        inner()
        names = sorted(locals())
        total = [k + 1 for k in range(inner())]
        first, second = (lambda t: t + 1), (lambda t: t * 3)
        made = (i * x for i in total)
        return Own().made(x) + first(second(x)) + sum(made) + len(names)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (output,) = eb.trace(f, X).outputs
    assert output.indices
    assert record(f, (X,)).program.outputs
    np.testing.assert_allclose(eb.compile(f, X)(X), f(X))


def test_a_traceback_is_that_of_the_users_lines() -> None:
    def f(x):
        y = (x
             + 1)  # fmt: skip
        return y + undefined  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TraceError, match=f"line {f.__code__.co_firstlineno + 3}, in f: return y . undefined"):
        eb.read(f, X)


def test_code_without_source_is_read_by_its_lines() -> None:
    names: dict[str, Any] = {"np": np}
    exec(compile("def f(x):\n    z = x * 2\n    return z * z\n", "<nowhere>", "exec"), names)
    before = sys.gettrace()
    np.testing.assert_allclose(eb.compile(names["f"], X)(X), 4 * X * X)
    assert sys.gettrace() is before
    assert {equation.source.line for equation in eb.trace(names["f"], X).equations if equation.source} == {2, 3}


def test_a_file_that_was_changed_since_is_not_taken_for_the_code() -> None:
    names: dict[str, Any] = {"np": np}
    old, new = "def f(x):\n    z = x * 2\n    return z * z\n", "def f(x):\n    z = x * 3\n    return z * z\n"
    linecache.cache["changed.py"] = (len(new), None, new.splitlines(True), "changed.py")
    try:
        exec(compile(old, "changed.py", "exec"), names)
        np.testing.assert_allclose(eb.compile(names["f"], X)(X), 4 * X * X)
    finally:
        del linecache.cache["changed.py"]


def test_every_statement_of_python_can_have_probes() -> None:
    """Each module of the package and of its tests, compiled with probes, warns of nothing and keeps its places."""
    from einbackprop.capture import instrumentation, observation
    from einbackprop.core import source

    for module in (instrumentation, observation, source, binding_programs):
        text = inspect.getsource(module)
        for position, node in enumerate(ast.parse(text).body):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                made = observation.probed(f"{module.__name__}.py", text, position, 0)
            assert set(made.codes) == set(made.plain)
            lines = {line for code in made.codes.values() for _, _, line in code.co_lines() if line}
            assert lines <= set(range((node.lineno - 20), (node.end_lineno or 0) + 1)) | {0}
