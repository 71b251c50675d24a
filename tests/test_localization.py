"""Hooks around values, versions of the source, and the statements at fault, with what they should have made."""

import ast
import warnings
from collections.abc import Callable, Sequence
from types import FrameType, FunctionType
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of

from einbackprop.checking.answers import User
from einbackprop.checking.functions import pair_problem
from einbackprop.checking.problems import targets_of, with_arrays
from einbackprop.core.syntax import parse_python
from einbackprop.diagnosis.experiments import Experiment, Recording
from einbackprop.diagnosis.hooks import Hooker, Site
from einbackprop.diagnosis.localization import Localization, Suspect
from einbackprop.diagnosis.versions import Change, Version
from einbackprop.world import World

# Statements of every kind: the body of `f(x)`, and what is bound there, in the order in which it is made

STATEMENTS = {
    "an assignment": ("y = x + 1\nreturn y", ["y", ""]),
    "two names": ("y = z = x + 1\nreturn y + z", ["y", ""]),
    "a tuple": ("y, z = x + 1, 2 * x\nreturn y * z", ["y", "z", ""]),
    "an unpacked call": ("y, z = divmod(x, 2)\nreturn y - z", ["(y, z)", ""]),
    "the rest of a list": ("y, *z = x, 1, 2\nreturn y + sum(z)", None),
    "an annotation": ("y: float = x + 1\nz: int\nreturn y", ["y", ""]),
    "an increment": ("y = x\ny += 3 * x\nreturn y", ["y", "y", ""]),
    "an attribute": ("o.v = x + 1\nreturn o.v", ["o.v", ""]),
    "entries": ("d = {}\nd['a'] = x\nd['a'] *= 2\nreturn d['a']", ["d['a']", "d['a']", ""]),
    "a dict": ("d = {'a': x, **{'b': 2 * x}}\nreturn d['a'] + d['b']", ["'a'", "", ""]),
    "several returned": ("return x, [x + 1, x], {'k': x}", None),
    "passed on": ("out = []\nout.append(x + 1)\nreturn out", ["", ""]),
    "by keyword": ("a = np.zeros(2)\nnp.add(x, 1, out=a)\nreturn a", None),
    "a walrus": ("y = (z := x + 1) * 2\nreturn y + z", ["y", ""]),
    "a condition": ("y = x if x > 0 else -x\nif y > 1:\n    y = y - 1\nelse:\n    y = y + 1\nreturn y", None),
    "loops": ("y = 0.0\nfor k in range(3):\n    y += k * x\nelse:\n    y += 1\n"
              "while y < 50:\n    y = 2 * y\nreturn y", None),
    "errors": ("try:\n    y = x / 0\nexcept ZeroDivisionError:\n    y = x\nfinally:\n    z = 1\nreturn y + z", None),
    "with": ("with np.errstate(all='ignore'):\n    y = x + 1\nreturn y", ["y", ""]),
    "match": ("match x:\n    case int() | float() if x > 9:\n        return 1\n"
              "    case _:\n        return x + 1", None),
    "a comprehension": ("return sum([x * k for k in range(3)])", [""]),
    "a lambda": ("g = lambda v: v * x\nreturn g(2)", None),
    "an inner function": ("def g(v=x):\n    w = v + x\n    return w\nreturn g(1)", ["w", "", ""]),
    "nonlocal": ("y = x\ndef g():\n    nonlocal y\n    y = y + 1\n    return y\nreturn g() + y", None),
    "a generator": ("def g():\n    yield x\n    got = yield x + 1\n    yield from (x, 2)\nreturn sum(g())", None),
    "a decorator": ("@twice\ndef g():\n    return x + 1\nreturn g()", None),
    "a class": ("class A:\n    k = x\n    def __init__(self):\n        self.__p = x + 1\n    def m(self):\n"
                "        return self.__p\nreturn A().m() + A.k", None),
    "super": ("class A:\n    def m(self):\n        return x + 1\nclass B(A):\n    def m(self):\n"
              "        y = super().m()\n        return 2 * y\nreturn B().m()", None),
    "a global": ("global total\ntotal = x + 1\nreturn total", ["total", ""]),
    "arguments": ("def g(*a, **k):\n    return sum(a) + k['b']\nreturn g(*[x, 1], **{'b': x})", None),
    "text": ("t = f'{x + 1}'\nreturn float(t)", ["t", ""]),
    "nothing": ("assert x\ndel x\nreturn None", [""]),
}  # fmt: skip
AROUND = """\
import functools
import numpy as np
total = 0


class O:
    pass


o = O()


def twice(function):
    @functools.wraps(function)
    def run(*a):
        return 2 * function(*a)
    return run


def f(x):
"""


def function_of(body: str, name: str) -> Any:
    text = AROUND + "".join(f"    {line}\n" for line in body.splitlines())
    return module_of(text, name).f


def versions(function: Callable[..., Any]) -> tuple[Version, Callable[..., Any]]:
    """The version of the source of a function, and a call of it in its world."""
    world = World()
    own = world.of(function)
    return Version(world), lambda *arguments: world.call(own, *arguments)


def plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("kind", STATEMENTS)
def test_hooks_change_nothing_and_see_what_is_made(kind: str) -> None:
    body, targets = STATEMENTS[kind]
    f = function_of(body, f"hooked_{kind.replace(' ', '_')}")
    version, call = versions(f)
    expected = plain(f(3.0))
    recording = Recording()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with version.watched_by(recording):
            assert plain(call(3.0)) == expected
    assert plain(call(3.0)) == expected
    assert recording.fired
    made = [site.target for site in recording.made_by]
    assert targets is None or made == targets
    assert all(ast.unparse(site.value) in ast.unparse(site.statement) for site in recording.made_by)


def test_the_tree_that_hooks_are_put_into_stays_as_it_was() -> None:
    for body, _ in STATEMENTS.values():
        text = "def f(x):\n" + "".join(f"    {line}\n" for line in body.splitlines())
        (tree,) = parse_python(text).body
        before = ast.dump(tree, include_attributes=True)
        hooker = Hooker("f.py", 0)
        hooked = hooker.hooked(tree)
        assert ast.dump(tree, include_attributes=True) == before
        nodes = {id(node) for node in ast.walk(tree)}
        assert all(id(site.value) in nodes and id(site.statement) in nodes for site in hooker.sites)
        assert not nodes & {id(node) for node in ast.walk(hooked)} - {id(n) for n in ast.walk(tree) if not n._fields}


class Doubling:
    """A watcher that doubles what one target is bound to."""

    def __init__(self, target: str) -> None:
        self.target = target

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        return 2 * value if site.target == self.target else value


@pytest.mark.parametrize(("kind", "target", "result"), [
    ("a tuple", "z", 48.0), ("an increment", "y", 24.0), ("an attribute", "o.v", 8.0), ("entries", "d['a']", 24.0),
    ("a dict", "'a'", 12.0), ("a walrus", "y", 20.0), ("an inner function", "w", 8.0), ("nonlocal", "y", 28.0),
    ("a class", "self.__p", 11.0), ("super", "y", 16.0), ("a lambda", "g", None), ("a global", "total", 8.0),
])  # fmt: skip
def test_what_a_watcher_returns_stands_in_the_place_of_what_was_made(kind: str, target: str, result: float) -> None:
    if result is None:
        return
    f = function_of(STATEMENTS[kind][0], f"doubled_{kind.replace(' ', '_')}")
    version, call = versions(f)
    before = f(3.0)
    with version.watched_by(Doubling(target)):
        assert call(3.0) == result
    assert call(3.0) == before


# Versions


def changed(function: Callable[..., Any], before: str, after: str) -> tuple[Version, Callable[..., Any]]:
    """The version in which one expression stands in the place of another, and the call."""
    version, call = versions(function)
    code = function.__code__
    definition = version.definition_of(code)
    assert definition is not None
    nodes = [n for n in ast.walk(version.tree(definition)) if isinstance(n, ast.expr) and ast.unparse(n) == before]
    (node,) = nodes
    new = parse_python(after).body[0]
    assert isinstance(new, ast.Expr)
    return version.changed([Change(definition, node, new.value)]), call


@pytest.mark.parametrize(("kind", "before", "after", "result"), [
    ("an assignment", "x + 1", "x + 2", 5.0),
    ("a comprehension", "x * k", "x + k", 12.0),
    ("a lambda", "v * x", "v + x", 5.0),
    ("an inner function", "v + x", "v - x", -2.0),
    ("nonlocal", "y + 1", "y + 2", 10.0),
    ("a generator", "x + 1", "x + 2", 13.0),
    ("a decorator", "x + 1", "x + 2", 10.0),
    ("a class", "self.__p", "2 * self.__p", None),
    ("super", "super().m()", "super().m() + 1", 10.0),
    ("a global", "x + 1", "x + 2", 5.0),
    ("text", "x + 1", "x + 2", 5.0),
    ("arguments", "sum(a)", "2 * sum(a)", 11.0),
])  # fmt: skip
def test_an_expression_is_put_in_the_place_of_another(kind: str, before: str, after: str, result: Any) -> None:
    body = STATEMENTS[kind][0]
    if kind == "a class":
        body, result = body.replace("self.__p = x", "self.__q = x").replace("return self.__p", "return self.__q"), 11.0
        before, after = "self.__q", "2 * self.__q"
    f = function_of(body, f"changed_{kind.replace(' ', '_')}")
    unchanged = f(3.0)
    if kind == "a class":  # one of the two is a target
        version, call = versions(f)
        definition = version.definition_of(f.__code__)
        assert definition is not None
        (node,) = [n for n in ast.walk(version.tree(definition)) if isinstance(n, ast.Attribute) and n.attr == "__q"
                   and isinstance(n.ctx, ast.Load)]  # fmt: skip
        new = parse_python(after).body[0]
        assert isinstance(new, ast.Expr)
        other = version.changed([Change(definition, node, new.value)])
    else:
        other, call = changed(f, before, after)
    with other.running():
        assert call(3.0) == result
        assert f(3.0) == unchanged
    assert call(3.0) == unchanged
    with other.watched_by(Recording()):
        assert call(3.0) == result
    assert call(3.0) == unchanged


def test_statements_are_put_in_the_place_of_one_or_of_none() -> None:
    f = function_of("y = x\ny += 1\nreturn y", "statements")
    version, call = versions(f)
    definition = version.definition_of(f.__code__)
    assert definition is not None
    tree: Any = version.tree(definition)
    for text, result in (("y += 2\ny *= 2", 10.0), ("", 3.0), ("for k in range(2): y += 1", 5.0)):
        new = tuple(parse_python(text).body)
        with version.changed([Change(definition, tree.body[1], new)]).running():
            assert call(3.0) == result
    assert call(3.0) == 4.0


def test_two_changes_and_a_change_of_a_change() -> None:
    f = function_of("y = x + 1\nreturn 2 * y", "twice_changed")
    one, call = changed(f, "x + 1", "x + 5")
    definition = one.definition_of(f.__code__)
    assert definition is not None
    tree: Any = one.tree(definition)
    (number,) = parse_python("7 * y").body
    two = one.changed([Change(definition, tree.body[1].value, number.value)])  # type: ignore[attr-defined]
    with two.running():
        assert call(3.0) == 56.0
    with one.running():
        assert call(3.0) == 16.0
    assert call(3.0) == 8.0


def test_what_is_no_code_there_raises() -> None:
    f = function_of("y = x + 1\nreturn y", "no_code")
    version, _ = versions(f)
    definition = version.definition_of(f.__code__)
    assert definition is not None
    tree: Any = version.tree(definition)
    wrong = version.changed([Change(definition, tree.body[0], (ast.Break(),))])
    with pytest.raises(ValueError, match="break"), wrong.running():
        pass
    assert f(3.0) == 4.0


def test_a_function_that_is_made_while_it_runs_has_its_own_code_afterwards() -> None:
    f = function_of("def g(v):\n    return v + x\nreturn g", "made")
    other, call = changed(f, "v + x", "v * x")
    with other.running():
        product = call(3.0)
        assert product(5.0) == 15.0
    assert call(3.0)(5.0) == 8.0
    with other.watched_by(Recording()):
        call(3.0)
    assert call(3.0)(5.0) == 8.0


def test_functions_of_a_class_that_is_copied_while_it_runs_have_their_own_code_afterwards() -> None:
    text = "class A:\n    def m(self, x):\n        return x + 1\n\n\ndef f(x):\n    return A().m(x)\n"
    module: Any = module_of(text, "late")
    version, call = versions(module.f)
    definition = version.definition_of(module.A.m.__code__)
    assert definition is not None
    (node,) = [n for n in ast.walk(version.tree(definition)) if isinstance(n, ast.BinOp)]
    (new,) = parse_python("x + 2").body
    other = version.changed([Change(definition, node, new.value)])  # type: ignore[attr-defined]
    with other.running():
        assert call(3.0) == 5.0
    assert call(3.0) == 4.0
    assert module.A.m.__code__ is module.A.m.__code__
    codes = [fn.__code__ for fn in version.world.functions if isinstance(fn, FunctionType)]
    assert all("made" not in code.co_names for code in codes)


# Statements at fault

NETWORK = """\
import numpy as np


def loss(W, b, V, X, Y):
    h = np.tanh(X @ W + b)
    return 0.5 * np.sum((h @ V - Y) ** 2)


def gradients(W, b, V, X, Y):
    h = np.tanh(X @ W + b)
    dout = h @ V - Y
    dV = h.T @ dout
    dh = dout @ V.T
    dz = dh * (1 - h**2)
    db = dz.sum(axis=0)
    dW = X.T @ dz
    return dW, db, dV
"""
NORMED = """\
import numpy as np


def loss(W, b, X, Y):
    z = X @ W + b
    c = z - z.mean(axis=0)
    return np.sum(c ** 3 * Y)


def gradients(W, b, X, Y):
    z = X @ W + b
    c = z - z.mean(axis=0)
    dc = 3 * c**2 * Y
    dz = dc - dc.mean(axis=0)
    db = dz.sum(axis=0)
    dW = X.T @ dz
    return dW, db
"""
RECURRENT = """\
import numpy as np


def loss(W, U, X):
    h, total = np.zeros(4), 0.0
    for t in range(3):
        h = np.tanh(U @ X[t] + W @ h)
        total += h.sum()
    return total


def gradients(W, U, X):
    hs = {-1: np.zeros(4)}
    for t in range(3):
        hs[t] = np.tanh(U @ X[t] + W @ hs[t - 1])
    dW, dU, later = np.zeros((4, 4)), np.zeros((4, 2)), np.zeros(4)
    for t in reversed(range(3)):
        dh = 1 + later
        dz = dh * (1 - hs[t] ** 2)
        dW += np.outer(dz, hs[t - 1])
        dU += np.outer(dz, X[t])
        later = W.T @ dz
    return dW, dU
"""
NETWORK_SHAPES = (6, 4), (4,), (4, 2), (5, 6), (5, 2)  # so that W says all of dz
NORMED_SHAPES = (3, 2), (2,), (5, 3), (5, 2)
RECURRENT_SHAPES = (4, 4), (4, 2), (3, 2)


def localized(
    source: str, changes: dict[str, str], shapes: Sequence[tuple[int, ...]], wrt: tuple[int, ...]
) -> tuple[Localization, dict[str, Suspect], Any]:
    """The localization of an edited source, its suspects by their targets, and the right values of the local names."""
    text = source
    for before, after in changes.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    module: Any = module_of(text, "localized")
    rng = np.random.default_rng(4)
    problem = pair_problem(module.loss, module.gradients, [rng.normal(size=s) for s in shapes], wrt)
    state = with_arrays(problem)
    user = User(problem.loss, problem.gradients, problem.gradients_source, targets_of(problem, state))
    experiment = Experiment(user, state, tuple(target.path for target in user.targets), rng)
    localization = Localization(experiment, Version(user.loss.world))
    right: Any = module_of(source, "right")
    made: dict[str, Any] = {}
    version, call = versions(right.gradients)
    recording = Recording()
    with version.watched_by(recording):
        call(*state)
    for site, entry in recording.made_by.items():
        made.setdefault(site.target, entry.values)
    with np.errstate(all="ignore"):  # as in a check
        return localization, {s.site.target: s for s in localization.suspects()}, made


def network(changes: dict[str, str]) -> tuple[Localization, dict[str, Suspect], Any]:
    return localized(NETWORK, changes, NETWORK_SHAPES, (0, 1, 2))


def test_right_code_has_no_suspects() -> None:
    localization, suspects, _ = network({})
    assert localization.wrong == frozenset()
    assert suspects == {}
    assert [made.site.target for made in localization.made][-7:-3] == ["dh", "dz", "db", "dW"]


@pytest.mark.parametrize(("before", "after", "at", "wrong"), [
    ("dh * (1 - h**2)", "dh * (1 + h**2)", "dz", {"W", "b"}),
    ("dout @ V.T", "dout @ V.T + 1", "dh", {"W", "b"}),
    ("dh * (1 - h**2)", "np.exp(dh) + h", "dz", {"W", "b"}),
    ("dout = h @ V - Y", "dout = h @ V - 2 * Y", "dout", {"W", "b", "V"}),
    ("X.T @ dz", "X.T @ dz - W", "dW", {"W"}),
    ("dz.sum(axis=0)", "dz.max(axis=0)", "db", {"b"}),
])  # fmt: skip
def test_what_a_statement_should_have_made_is_known(before: str, after: str, at: str, wrong: set[str]) -> None:
    localization, suspects, right = network({before: after})
    assert localization.wrong == wrong
    suspect = suspects[at]
    assert suspect.reach >= wrong
    assert not suspect.is_excluded
    assert suspect.is_unique
    np.testing.assert_allclose(suspect.expected[0], right[at][0], rtol=1e-6, atol=1e-7)


def test_what_cannot_set_everything_right_is_excluded() -> None:
    _, suspects, _ = network({"dh * (1 - h**2)": "dh * (1 + h**2)"})
    assert suspects["dout"].is_excluded  # the gradient of V, which is right, depends on it
    assert "dV" not in suspects
    assert not suspects["dh"].is_excluded  # another dh would do
    assert suspects["db"].reach == {"b"}


def test_the_loss_is_trusted_and_what_it_runs_is_no_suspect() -> None:
    text = NETWORK.replace("    h = np.tanh(X @ W + b)\n", "    h = hidden(W, b, X)\n").replace(
        "def loss", "def hidden(W, b, X):\n    z = X @ W + b\n    return np.tanh(z)\n\n\ndef loss")
    localization, suspects, _ = localized(text, {"dout @ V.T": "dout @ V.T * 2"}, NETWORK_SHAPES, (0, 1, 2))
    assert "z" in [made.site.target for made in localization.made]
    assert "z" not in suspects
    assert "dh" in suspects


def test_a_gradient_that_is_zero_for_every_value_is_not_wrong_and_hides_nothing() -> None:
    localization, suspects, right = localized(
        NORMED, {"X.T @ dz": "X.T @ dz * 2"}, NORMED_SHAPES, (0, 1))
    assert localization.wrong == {"W"}
    np.testing.assert_allclose(suspects["dW"].expected[0], right["dW"][0], rtol=1e-6)
    localization, suspects, right = localized(
        NORMED, {"dc - dc.mean(axis=0)": "dc"}, NORMED_SHAPES, (0, 1))
    assert localization.wrong == {"W", "b"}
    assert not suspects["dz"].is_excluded
    assert {"db", "dW"}.isdisjoint(t for t, s in suspects.items() if s.reach >= localization.wrong)


def test_a_value_of_a_smaller_shape_is_grown() -> None:
    """A mean over everything for one over each column."""
    changes = {"    dz = dc - dc.mean(axis=0)\n": "    m = dc.mean()\n    dz = dc - m\n"}
    _, suspects, right = localized(NORMED, changes, NORMED_SHAPES, (0, 1))
    suspect = suspects["m"]
    assert suspect.grown == (2,)
    mean = right["dc"][0].reshape(5, 2).mean(axis=0)
    np.testing.assert_allclose(suspect.expected[0], mean, rtol=1e-6)


def test_in_a_loop_each_round_is_expected_as_it_is_once_all_are_right() -> None:
    localization, suspects, right = localized(
        RECURRENT, {"later = W.T @ dz": "later = W @ dz"}, RECURRENT_SHAPES, (0, 1))
    assert localization.wrong == {"W", "U"}
    for target in ("dz", "dh"):
        assert suspects[target].is_repeated
        assert suspects[target].is_known
        for expected, true in zip(suspects[target].expected, right[target], strict=True):
            np.testing.assert_allclose(expected, true, rtol=1e-5, atol=1e-8)
    localization, suspects, right = localized(
        RECURRENT, {"dW += np.outer(dz, hs[t - 1])": "dW += np.outer(dz, hs[t])"}, RECURRENT_SHAPES, (0, 1))
    assert localization.wrong == {"W"}
    assert suspects["dW"].reach == {"W"}
    assert not suspects["dW"].is_excluded


def test_gradients_that_raise_leave_all_statements_open() -> None:
    localization, suspects, _ = network({"dout @ V.T": "dout @ V"})
    assert localization.before is None
    assert localization.wrong == {"W", "b", "V"}
    assert {"h", "dout", "dV"} <= set(suspects)
    assert "dz" not in suspects  # it did not run
