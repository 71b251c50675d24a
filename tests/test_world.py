"""A world: what runs in it changes nothing outside, wherever it keeps its state; what it raises comes out as it is."""

import enum
import gc
import inspect
import os
import random
import signal
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import odd_functions
import pytest
from sampling import THOROUGH, some
from stateful_functions import FUNCTIONS, NOT_READ, REFUSED

import einbackprop as eb
from einbackprop.core.scoped import unwarned
from einbackprop.errors import CodeError, EinbackpropError, TraceError
from einbackprop.notation.view import View
from einbackprop.reading import reading
from einbackprop.world import Raised, World, attempt
from einbackprop.world.drawing import NOTHING, draws, undrawn
from einbackprop.world.modules import Private
from einbackprop.world.others import WHOLE

NUMPY = [*vars(np), "einbackprop_count"]
X = np.array([0.5, -1.0, 2.0])


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Any]]:
    """Makes user modules of texts, in a folder that is the current one."""
    made = []
    monkeypatch.chdir(tmp_path)

    def make(name: str, text: str) -> Any:
        new = types.ModuleType(name)
        new.__file__ = str(tmp_path / f"{name}.py")
        Path(new.__file__).write_text(text, encoding="utf-8")
        sys.modules[name] = new
        made.append(name)
        exec(compile(text, new.__file__, "exec"), new.__dict__)
        return new

    yield make
    for name in made:
        sys.modules.pop(name, None)


def process() -> Any:
    """What a process has that code can change."""
    return (
        dict(os.environ), np.geterr(), list(warnings.filters), sys.stdout, sys.stderr, sys.gettrace(),
        {name: id(vars(np).get(name)) for name in NUMPY}, os.listdir(), os.getcwd(), threading.active_count(),
        random.getstate(), str(np.random.get_state(legacy=False)),
    )


def uses(f: Callable[..., Any]) -> None:
    """Everything that runs a user's function."""
    eb.check(f, lambda x: 2 * x, X)
    eb.read(f, X)
    eb.derive(f, X)
    eb.grad(f)(X)
    eb.value_and_grad(f)(X)
    eb.compile(f, X)


@pytest.mark.long
@pytest.mark.parametrize("name", some(FUNCTIONS))
def test_state_of_every_kind_is_left_alone(name: str, module: Callable[[str, str], Any]) -> None:
    text = "import numpy as np\n" + FUNCTIONS[name]
    fresh = module("fresh", text)
    np.random.seed(5)
    random.seed(5)
    environment = dict(os.environ)
    with np.errstate():
        answers = [fresh.f(X) for _ in range(3)]
    os.environ.clear()
    os.environ.update(environment)
    vars(np).pop("einbackprop_count", None)
    Path("einbackprop_was_here.txt").unlink(missing_ok=True)

    used = module("fresh", text)
    np.random.seed(5)
    random.seed(5)
    warned = list(warnings.filters)
    before = process()
    try:
        uses(used.f)
    except TraceError:
        assert name in NOT_READ
    assert process() == before
    with np.errstate():
        assert [used.f(X) for _ in range(3)] == answers
    warnings.filters[:] = warned  # type: ignore[index]
    os.environ.clear()
    os.environ.update(environment)
    vars(np).pop("einbackprop_count", None)


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_copy_can_have_is_refused_by_name(name: str, module: Callable[[str, str], Any]) -> None:
    text, told = REFUSED[name]
    f = module("refused", "import numpy as np\n" + text).f
    for use in (lambda: eb.check(f, lambda x: 2 * x, X), lambda: eb.read(f, X), lambda: eb.grad(f)(X)):
        with pytest.raises(EinbackpropError) as caught:
            use()
        assert told in str(caught.value)
        assert "Refused" not in str(caught.value)
    assert os.listdir() == ["refused.py"]
    if name in ("an iterator", "a running generator", "a count"):
        assert f(X) == 5.25  # nothing was taken from it
    if name == "an open file":
        f.__globals__["file"].close()


@pytest.mark.slow
@pytest.mark.parametrize("name", some(odd_functions.FUNCTIONS))
def test_what_runs_by_itself_runs_in_a_world(
    name: str, module: Callable[[str, str], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    f = module("odd", "import numpy as np\n" + odd_functions.FUNCTIONS[name]).f
    before = process()
    assert [g.verdict for g in eb.check(f, lambda x: 2 * x, X).gradients] == ["right"]
    assert np.sum(X * X) == pytest.approx(eb.value_and_grad(f)(X)[0])
    assert np.array_equal(eb.grad(f)(X), 2 * X)
    assert process()[:-3] == before[:-3]
    assert capfd.readouterr() == ("", "")
    assert np.sum(X * X) == pytest.approx(f(X))  # as if for the first time


def test_arguments_of_all_kinds_are_copied_together() -> None:
    class Color(enum.Enum):
        RED = 1

    class Net:
        def __init__(self) -> None:
            self.w, self.color, self.kids = X.copy(), Color.RED, [self]

    def f(net: Any, table: Any) -> Any:
        assert net.kids[0] is net
        assert net.color is Color.RED
        return table[Color.RED] * np.sum(net.w**2)

    arguments = Net(), {Color.RED: 1.0}
    assert eb.check(f, lambda net, table: {"w": 2 * net.w}, *arguments).ok
    assert np.array_equal(eb.grad(f)(*arguments)["w"], 2 * X)


def test_exceptions_of_all_kinds_come_out_as_the_users_own() -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class FrozenError(Exception):
        def __init__(self, code: int, *, why: str) -> None:
            super().__init__(code)

        def __setattr__(self, *_: Any) -> None:
            raise RuntimeError

    class ManyError(ExceptionGroup):
        pass

    for error in (SilentError(), FrozenError(1, why=""), ManyError("many", [FrozenError(2, why="")])):
        def f(x: Any, error: Any = error) -> Any:
            raise error

        for use in (lambda f=f: eb.check(f, f, X), lambda f=f: eb.read(f, X)):
            with pytest.raises(EinbackpropError) as caught:
                use()
            assert type(caught.value.__cause__) is type(error)
            assert [type(e) for e in getattr(caught.value.__cause__, "exceptions", ())] == [
                type(e) for e in getattr(error, "exceptions", ())]


def test_views_of_one_memory_are_views_in_any_layout() -> None:
    fortran, large = np.asfortranarray(np.ones((3, 4))), np.ones(WHOLE // 8 + 9)
    sealed = np.ones(3)
    sealed.flags.writeable = False
    named = (fortran, fortran[:, 1], fortran.T[::2, ::-1], large[5:9], large[6:20:2], sealed,
             large[:2].view(np.int64), np.broadcast_to(np.float64(2), (1 << 40,)))  # fmt: skip
    whole, column, turned, part, other, still, bits, wide = World().of(named)
    column[0] = part[1] = 5
    assert whole[0, 1] == 5
    assert turned.strides == named[2].strides
    assert other[0] == 5
    assert not still.flags.writeable
    assert bits[0] == named[6][0]
    assert wide[9] == 2
    assert np.all(fortran == 1)


def test_many_names_cost_little() -> None:
    text = "".join(f"n{i} = [{i}]\ndef g{i}(x): return n{i}\n" for i in range(2000)) + "def f(): return globals()['n7']"
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, "many.py", "exec"), names)
    start = time.process_time()
    world = World()
    assert world.call(world.of(names["f"])) == [7]
    assert time.process_time() - start < 2


HELPER = '''\
import functools
import numpy as np
TABLE = [1.0, 2.0, 3.0]
LAYERS = []

def doubled(x):
    buffer = np.zeros(x.shape)
    buffer[...] = 2 * x
    return buffer

class Layer:
    scale = 2.0
    @property
    def twice(self):
        return doubled(self.W)
    def forward(self, x):
        return doubled(x)

@functools.lru_cache
def cached(n):
    return doubled(np.ones(n))
'''
WAYS = {
    "a module": "import helper_r\ndef f(x):\n    return helper_r.doubled(x)\n",
    "a function": "from helper_r import doubled\ndef f(x):\n    return doubled(x)\n",
    "an import when it runs": "def f(x):\n    from helper_r import doubled\n    return doubled(x)\n",
    "an import by its name": "import importlib\ndef f(x):\n    return importlib.import_module('helper_r').doubled(x)\n",
    "a name made when it runs": "import helper_r\ndef f(x):\n    return getattr(helper_r, 'dou' + 'bled')(x)\n",
    "an object": "import helper_r\nlayer = helper_r.Layer()\ndel helper_r\ndef f(x):\n    return layer.forward(x)\n",
    "a list of objects": "import helper_r\nnet = [(helper_r.Layer(),)]\ndel helper_r\ndef f(x):\n"
                         "    return net[0][0].forward(x)\n",
    "a subclass": "from helper_r import Layer\nclass Own(Layer):\n    pass\ndel Layer\ndef f(x):\n"
                  "    return Own().forward(x)\n",
    "a bound method": "import helper_r\ng = helper_r.Layer().forward\ndel helper_r\ndef f(x):\n    return g(x)\n",
    "a partial": "import functools, helper_r\ng = functools.partial(helper_r.doubled)\ndel helper_r\ndef f(x):\n"
                 "    return g(x)\n",
    "a closure": "import helper_r\ndef outer(g):\n    return lambda x: g(x)\n"
                 "f = outer(helper_r.doubled)\ndel helper_r\n",
    "a default": "import helper_r\ndef f(x, g=helper_r.doubled):\n    return g(x)\ndel helper_r\n",
    "a decorated function": "import functools, helper_r\ndef same(g):\n    @functools.wraps(g)\n    def h(x):\n"
                            "        return g(x)\n    return h\nf = same(helper_r.doubled)\ndel helper_r\n",
    "a class that is passed on": "import helper_r\nKINDS = {'layer': helper_r.Layer}\ndel helper_r\ndef f(x):\n"
                                 "    return KINDS['layer']().forward(x)\n",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_module_is_read_whatever_the_way_to_it(way: str, module: Callable[[str, str], Any]) -> None:
    module("helper_r", HELPER)
    main = module("main_r", WAYS[way])
    assert not eb.trace(main.f, X).constants  # a buffer of its own np.zeros would be one
    assert np.array_equal(eb.grad(lambda x: np.sum(main.f(x)))(X), [2, 2, 2])


def test_an_object_that_is_given_leads_to_its_module(module: Callable[[str, str], Any]) -> None:
    layer = module("helper_r", HELPER).Layer()
    layer.W = X
    main = module("main_r", "def f(layer):\n    return layer.twice.sum()\n")
    assert not eb.trace(main.f, layer).constants


def test_what_is_not_mentioned_is_not_copied(module: Callable[[str, str], Any]) -> None:
    main = module("main_r", "import numpy as np\nsmall, large = np.ones(3), np.ones(3)\ndef f():\n    return small\n")
    world = World()
    world.of(main.f)
    held = world.namespaces[id(vars(main))].held
    assert held["small"] is not main.small
    assert "large" not in held


def test_what_is_one_memory_stays_one_memory() -> None:
    theta = np.arange(6.0)
    one, other, again = World().of([theta, theta[:4].reshape(2, 2), theta])
    other[0, 1] = 9
    assert one[1] == 9
    assert again is one
    assert theta[1] == 1


def test_every_run_begins_where_the_copy_began() -> None:
    rng, seen = np.random.default_rng(0), []

    def f() -> Any:
        seen.append(rng.random())
        return list(seen)

    world = World()
    copy = world.of(f)
    first = world.call(copy)
    assert world.call(copy) == first
    assert world.call(copy, again=False)[0] == first[0]
    assert len(world.call(copy, again=False)) == 3
    assert world.call(copy, random=False) != first
    assert seen == []
    assert rng.random() == first[0]


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # of NumPy 2.5
def test_a_shape_that_a_run_changed_is_put_back() -> None:
    """Of a view too, whose entries lie in another array."""
    whole = np.arange(6.0)
    part = whole[:4]

    def f() -> tuple[int, ...]:
        whole.shape += (1,)
        part.shape = (2, 2)
        return (*whole.shape, *part.shape)

    world = World()
    copy = world.of(f)
    assert world.call(copy) == world.call(copy) == (6, 1, 2, 2)
    assert whole.shape + part.shape == (6, 4)


class OwnError(ValueError):
    """An exception class of a user."""


def test_what_is_raised_is_of_the_users_own_class() -> None:
    def f(x: Any) -> Any:
        try:
            return {}["missing"]
        except KeyError as error:
            raise OwnError("no") from error

    with pytest.raises(EinbackpropError) as caught:
        eb.check(f, f, X)
    assert type(caught.value.__cause__) is OwnError
    assert isinstance(caught.value.__cause__.__cause__, KeyError)
    world = World()
    with pytest.raises(Raised) as raised:
        world.call(world.of(f), X)
    assert type(raised.value.error) is OwnError


def test_what_is_returned_is_of_the_users_own_class() -> None:
    from collections import namedtuple

    class Pair(namedtuple("Pair", "a b")):
        def total(self) -> Any:
            return self.a + self.b

    def f(x: Any) -> Any:
        return Pair(x, 2 * x)

    assert type(eb.trace(f, X).structure) is Pair


class BellError(Exception):
    """What a signal handler raises."""


FROM_OUTSIDE = (BellError, KeyboardInterrupt, SystemExit, TimeoutError, ValueError, KeyError)


def network(W: Any, X: Any) -> Any:
    total = np.zeros(())
    for row in X:
        total = total + np.tanh(row @ W).sum()
    return total / len(X)


def network_gradient(W: Any, X: Any) -> Any:
    return X.T @ (1 - np.tanh(X @ W)) / len(X)  # wrong, so that a repair is looked for


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_an_exception_from_outside_comes_out_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "reading_of", inspect.unwrap(reading.reading_of))  # what judges readings may be hit
    monkeypatch.setattr(View, "within", inspect.unwrap(View.within))
    W, data = np.ones((3, 2)), np.arange(12.0).reshape(4, 3)
    uses = [lambda: eb.check(network, network_gradient, W, data), lambda: eb.read(network, W, data),
            lambda: eb.grad(network)(W, data), lambda: eb.compile(network, W, data)(W, data)]  # fmt: skip
    took = []
    for use in uses:
        start = time.perf_counter()
        use()
        took.append(time.perf_counter() - start)
    before, rng, reached = process(), random.Random(0), 0

    def ring(*_: Any) -> None:
        raise error

    old = signal.signal(signal.SIGALRM, ring)
    gc.disable()  # what a handler raises inside a callback of the collector is lost, whoever's the callback is
    try:
        for n in range(500 if THOROUGH else 40):
            error = FROM_OUTSIDE[n % len(FROM_OUTSIDE)]("now")
            use = n % len(uses)
            caught = None
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-4, took[use]))
                uses[use]()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except BaseException as other:
                caught = other
            assert caught in (None, error)
            reached += caught is error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        gc.enable()
    assert reached > 10
    assert process() == before
    assert eb.check(network, network_gradient, W, data).gradients[0].verdict == "wrong"


def test_a_handler_that_is_removed_before_it_raises_is_known_all_the_same() -> None:
    def ring(*_: Any) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        raise OwnError("outside")

    def f(x: Any) -> Any:
        signal.raise_signal(signal.SIGALRM)
        return np.sum(x * x)

    old = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(OwnError, match="outside"):
            eb.check(f, f, X)
    finally:
        signal.signal(signal.SIGALRM, old)


def test_the_code_itself_may_raise_and_is_told_from_outside() -> None:
    def f() -> None:
        raise OwnError("inside")

    world = World()
    with pytest.raises(Raised):
        world.call(world.of(f))
    with pytest.raises(Raised):
        attempt(int, "no number")


def test_what_a_compiled_module_raises_is_said_of_the_users_line() -> None:
    def loss(x: Any) -> Any:
        np.random.seed(len(x) / 2)
        return np.sum(x * x)

    with pytest.raises(CodeError, match=r"test_world.py, line \d+, in loss: TypeError: Cannot cast"):
        eb.check(loss, lambda x: 2 * x, X)


def test_warnings_are_as_before_once_blocks_that_overlap_are_over() -> None:
    """As those of two threads do, of which the first to begin is the first to end."""
    before, one, two = list(warnings.filters), unwarned(), unwarned()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    warnings.warn("nobody sees this", stacklevel=1)
    two.__exit__(None, None, None)
    assert warnings.filters == before


@pytest.mark.long
def test_other_threads_see_nothing() -> None:
    """Three threads use the functions that three others check, read, derive and compile."""
    seconds = 120 if THOROUGH else 1.5
    W, data, generator = np.ones((3, 2)), np.arange(12.0).reshape(4, 3), np.random.default_rng(0)
    expected, clipped, stopped = network(W, data), np.clip(data, 1, 5), threading.Event()
    failures: list[BaseException] = []
    out: list[str] = []

    class Stream:
        def write(self, text: str) -> None:
            out.append(text)

        def flush(self) -> None:
            pass

    def loss(W: Any, X: Any) -> Any:
        return network(np.clip(W, -9, 9), X)

    def plain() -> None:
        assert loss(W, data) == expected
        assert np.array_equal(np.clip(data, 1, 5), clipped)
        assert type(np.zeros(2)) is np.ndarray
        print("x", end="")
        generator.random()

    def looking() -> None:
        assert not eb.check(loss, network_gradient, W, data).ok
        eb.read(loss, W, data)
        eb.derive(loss, W, data)
        assert eb.value_and_grad(loss)(W, data)[0] == pytest.approx(expected, rel=1e-12)
        assert eb.compile(loss, W, data)(W, data) == pytest.approx(expected, rel=1e-12)

    def forever(work: Callable[[], None]) -> None:
        try:
            while not stopped.is_set():
                work()
        except BaseException as error:  # to be told by the thread that waits
            failures.append(error)
            stopped.set()

    stream, filters = sys.stdout, list(warnings.filters)
    sys.stdout = Stream()  # type: ignore[assignment]
    try:
        threads = [threading.Thread(target=forever, args=(work,)) for work in (plain, looking) * 3]
        for thread in threads:
            thread.start()
        stopped.wait(seconds)
        stopped.set()
        for thread in threads:
            thread.join()
    finally:
        sys.stdout = stream
    assert failures == []
    assert set(out) <= {"x", ""}
    assert out.count("x") > 10
    assert warnings.filters == filters
    assert network(W, data) == expected


def test_a_module_with_annotations_has_its_names_in_a_world() -> None:
    module = types.ModuleType("annotated")
    module.x, module.__annotations__ = 1, {"x": int}  # type: ignore[attr-defined]
    assert vars(Private(World(), module))["x"] == 1


def test_nothing_is_drawn_in_a_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that draws in each round would take all the time, and nobody looks."""
    plt = pytest.importorskip("matplotlib.pyplot")
    matplotlib_plot = plt.plot
    figure = plt.figure()
    axes = figure.add_subplot()
    monkeypatch.setattr(plt, "plot", None)

    def step(w: Any) -> Any:
        line, = axes.plot(w)
        _, ((left, _), _) = plt.subplots(2, 2)
        left.hist(w)[0].set_color("red")
        drawn = matplotlib_plot(w, label=str(plt.rcParams["font.size"]))
        with plt.style.context("ggplot"):
            plt.title("loss")
        for one in axes, line, *drawn:
            one.x = one[0] = w
        return w * 2

    world = World()
    assert world.call(world.of(step), np.ones(2)).tolist() == [2, 2]
    assert (len(axes.lines), plt.get_fignums()) == (0, [figure.number])
    plt.close(figure)


def test_modules_that_draw_are_themselves_again_and_what_else_they_hold_stays() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    pylab = pytest.importorskip("pylab")
    before = {name: module for name, module in sys.modules.items() if draws(name)}
    names: dict[str, Any] = {}
    with undrawn():
        exec("import matplotlib.pyplot as plt\nfrom matplotlib import cm\nfrom pylab import *\nimport pylab\n"
             "figure, (left, right) = plt.subplots(1, 2)\ndrawn = plot([1, 2])\ncolour = cm.viridis(3)\n"
             "size = plt.rcParams['font.size']\nvalue = sin(0.5)\n", names)  # fmt: skip
    assert {names[name] for name in ("figure", "left", "right", "drawn", "colour")} == {NOTHING}
    assert names["size"] == plt.rcParams["font.size"]
    assert names["value"] == np.sin(0.5)
    assert names["plt"].imread is plt.imread
    after = {name: module for name, module in sys.modules.items() if draws(name)}
    assert after == before
    assert pylab.plot is plt.plot
    assert not plt.get_fignums()
