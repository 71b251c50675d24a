"""Hooks around the values that statements make, and versions of the source in which parts are replaced."""

import ast
import warnings
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of

from einbackprop.core.source import parse_python
from einbackprop.diagnosis.hooks import Hooker, Site
from einbackprop.diagnosis.recording import Recording
from einbackprop.diagnosis.versions import Change, Version, rebuilt
from einbackprop.world import Raised, World

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
    "scattered": ("a = np.zeros(2)\nadd = np.add.at(a, [0, 0], x)\nnp.add.at(a, 1, x)\nreturn a", None),
    "another at": ("class A:\n    def at(self, *v):\n        return sum(v)\nreturn A().at(x, 1, 2)", None),
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

    sites = None

    def __init__(self, target: str) -> None:
        self.target = target

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        return 2 * value if site.target == self.target else value


@pytest.mark.parametrize(("kind", "target", "result"), [
    ("a tuple", "z", 48.0), ("an increment", "y", 24.0), ("an attribute", "o.v", 8.0), ("entries", "d['a']", 24.0),
    ("a dict", "'a'", 12.0), ("a walrus", "y", 20.0), ("an inner function", "w", 8.0), ("nonlocal", "y", 28.0),
    ("a class", "self.__p", 11.0), ("super", "y", 16.0), ("a global", "total", 8.0),
])  # fmt: skip
def test_what_a_watcher_returns_stands_in_the_place_of_what_was_made(kind: str, target: str, result: float) -> None:
    f = function_of(STATEMENTS[kind][0], f"doubled_{kind.replace(' ', '_')}")
    version, call = versions(f)
    before = f(3.0)
    with version.watched_by(Doubling(target)):
        assert call(3.0) == result
    assert call(3.0) == before


def test_a_watcher_is_asked_about_its_sites_alone() -> None:
    f = function_of("y = 2 * x\nz = y + 1\nreturn z", "asked")
    version, call = versions(f)
    recording = Recording()
    with version.watched_by(recording):
        call(3.0)
    (site,) = (site for site in recording.made_by if site.target == "z")
    asked: list[str] = []

    class Asked(Recording):
        def made(self, site: Site, value: Any, frame: FrameType) -> Any:
            asked.append(site.target)
            return value

    watcher = Asked()
    watcher.sites = frozenset({site})
    with version.watched_by(watcher):
        assert call(3.0) == 7.0
    assert asked == ["z"]


# Versions


def changed(function: Callable[..., Any], before: str, after: str) -> tuple[Version, Callable[..., Any]]:
    """The version in which one expression stands in the place of another, and the call."""
    version, call = versions(function)
    code = function.__code__
    definition = version.definition_of(code)
    assert definition is not None
    nodes = (n for n in ast.walk(version.tree(definition)) if not isinstance(getattr(n, "ctx", None), ast.Store))
    (node,) = (n for n in nodes if isinstance(n, ast.expr) and ast.unparse(n) == before)
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
    ("a class", "self.__p", "2 * self.__p", 11.0),
    ("super", "super().m()", "super().m() + 1", 10.0),
    ("a global", "x + 1", "x + 2", 5.0),
    ("text", "x + 1", "x + 2", 5.0),
    ("arguments", "sum(a)", "2 * sum(a)", 11.0),
])  # fmt: skip
def test_an_expression_is_put_in_the_place_of_another(kind: str, before: str, after: str, result: Any) -> None:
    f = function_of(STATEMENTS[kind][0], f"changed_{kind.replace(' ', '_')}")
    unchanged = f(3.0)
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


def test_what_stands_in_a_loop_keeps_its_line_when_something_is_written_before_the_loop() -> None:
    tree = parse_python("def f(x):\n    for k in x:\n        x = x + k\n        y = x\n    return y\n").body[0]
    assert isinstance(tree, ast.FunctionDef)
    loop = tree.body[0]
    made = rebuilt(tree, {id(loop): (parse_python("x = 2 * x").body[0], loop)})
    assert isinstance(made, ast.FunctionDef)
    assert [node.lineno for node in ast.walk(made) if isinstance(node, ast.stmt)] == [1, 2, 2, 5, 3, 4]


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
    codes = [fn.__code__ for fn in version.world.functions if isinstance(fn, FunctionType)]
    assert all("made" not in code.co_names for code in codes)


@pytest.mark.parametrize("way", ["with hooks", "without"])
@pytest.mark.parametrize("values", ["np.ones((1, 3))", "np.ones((2, 1, 3))"])
def test_values_with_too_many_axes_are_not_scattered(way: str, values: str) -> None:
    """NumPy may end the process where it is given these, and edits try many values."""
    body = f"np.add.at(x, ([0, 1, 0], [1, 0, 1]), {values})\nreturn x"
    version, call = versions(function_of(body, f"scattered_{way[:5].strip()}_{len(values)}"))
    watched = version.watched_by(Recording()) if way == "with hooks" else version.running()
    with watched, pytest.raises(Raised, match=r"values of \d axes do not go to entries of 1"):
        call(np.zeros((2, 2)))
