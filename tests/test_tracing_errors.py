"""What is said where a trace cannot be: one message with the user's line; and that nothing of the user's is changed."""

import sys
import threading
from collections import namedtuple
from functools import partial
from typing import Any

import numpy as np
import pytest

from einbackprop.capture.tracer import record, record_pair, trace
from einbackprop.checking.solving import check
from einbackprop.core import interpretation
from einbackprop.core.program import Opaque
from einbackprop.errors import EinbackpropError, ScriptError, TraceError

X = np.random.default_rng(0).normal(size=(3, 4))
counter = 0
table = np.arange(12.0).reshape(3, 4)
masked = np.ma.masked_less(np.arange(12.0).reshape(3, 4), 3)
cache: dict[str, Any] = {}
history: list[Any] = []


def line_of(function: Any, offset: int = 1) -> str:
    return f"{__file__}, line {function.__code__.co_firstlineno + offset}, in {function.__name__}: "


def refused(function: Any, *arguments: Any) -> str:
    with pytest.raises(TraceError) as caught:
        trace(function, *arguments)
    return str(caught.value)


def notes_of(function: Any, *arguments: Any) -> list[tuple[int, str]]:
    first = function.__code__.co_firstlineno
    return [(n.source.line - first, n.message) for n in record(function, arguments).notes if n.source]


# Messages


def test_sizes_that_do_not_meet_in_a_product() -> None:
    def backward(W2, h1, dz):
        z = W2 @ h1
        return np.dot(W2, z * dz)

    W2, h1, dz = np.ones((4, 3)), np.ones((3, 5)), np.ones((4, 5))
    assert refused(backward, W2, h1, dz) == (
        line_of(backward, 2) + "return np.dot(W2, z * dz)\n"
        "W2[j,i] has shape (4, 3), an array[j,b] shape (4, 5): "
        "axis 2 of W2 has size 3, axis 1 of an array 4"
    )


def test_sizes_that_do_not_broadcast() -> None:
    def layer(W, x, bias):
        z = W @ x
        y = z + bias
        return y

    assert refused(layer, np.ones((4, 3)), np.ones((3, 5)), np.ones(4)) == (
        line_of(layer, 2) + "y = z + bias\n"
        "z[j,b] has shape (4, 5), bias[k] shape (4,): axis 2 of z has size 5, axis 1 of bias 4"
    )


def test_a_shape_that_cannot_be() -> None:
    def reshaping(x):
        return x.reshape(5, 5)

    assert refused(reshaping, X) == (
        line_of(reshaping) + "return x.reshape(5, 5)\n"
        "x[i,j] has shape (3, 4): cannot reshape array of size 12 into shape (5,5)"
    )


def test_an_exception_in_the_users_code() -> None:
    def lookup(p):
        q = p["W"]
        return q + p['b']  # fmt: skip

    assert refused(lookup, {"W": X}) == line_of(lookup, 2) + "return q + p['b']\nraised KeyError: 'b'"


def test_a_recursion_without_end() -> None:
    def again(x):
        return again(x) + 1

    assert refused(again, X) == line_of(again) + "return again(x) + 1\nthe function calls itself without an end"


def test_a_recursion_with_an_end_is_read() -> None:
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    assert len(trace(power, X, 3).equations) == 3


def test_a_generator() -> None:
    def values(x):
        yield x

    message = "values is a generator: its values come one at a time. Trace a function that returns them"
    assert refused(values, X) == message


def test_a_generator_inside_is_read() -> None:
    def halves(x):
        yield x / 2
        yield x / 4

    np.testing.assert_allclose(interpretation.run(trace(lambda x: sum(halves(x)), X), [X])[0], 0.75 * X)


def test_a_lost_trace_names_its_line() -> None:
    def filling(x):
        out = np.random.default_rng(0).normal(size=(3, 4))  # made by an object, not by a function of NumPy
        out[0] = x[0]
        return out

    assert refused(filling, X) == (
        line_of(filling, 2) + "out[0] = x[0]\nthe trace is lost here: NumPy asks for the plain numbers of a "
        "traced array. Make the arrays that it is combined with by np.zeros, np.array, … in the traced code, "
        "or pass them as arguments"
    )


def test_a_result_written_into_a_plain_array() -> None:
    def adding(x, rng):
        np.add(x, 1, out=rng.random((3, 4)))
        return x

    assert refused(adding, X, np.random.default_rng(0)) == (
        line_of(adding) + "np.add(x, 1, out=rng.random((3, 4)))\n"
        "the trace is lost here: a result is written into a plain array. Make it by np.zeros in the traced code"
    )


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.maximum.at(x, [0] * 65, 1), "np.maximum.at is read where no place is named twice, or few"),
        (lambda x: np.exp(x, where=x > 0), "np.exp(…, where=…) without out= leaves entries undefined: use np.where"),
        (lambda x: np.cumsum(x, 0, None, bad=1), "raised TypeError"),
        (lambda x: np.put(x, [0, 1, 2], [1, 2]), "np.put of fewer or more values than places is not read"),
        (lambda x: np.place(x, x > 0, [1, 2]), "np.place of several values is not read: use np.where"),
        (lambda x: x.partition(1), ".partition of an array is not read"),
        (lambda x: x.tobytes(), ".tobytes of an array is not read"),
        (lambda x: x.nonsense, "raised AttributeError: 'numpy.ndarray' object has no attribute 'nonsense'"),
        (lambda x: np.matmul(x, x.T, axes=[(0, 1), (0, 1), (0, 1)]), "np.matmul with axes is not read"),
        (lambda x: x @ 2, "raised ValueError"),
        (lambda x: x[7], "raised IndexError: index 7 is out of bounds for axis"),
        (lambda x: x[0, 0, 0], "raised IndexError: too many indices"),
        (lambda x: {x: 1}, "raised TypeError: unhashable type: 'numpy.ndarray'"),
        (lambda x: iter(x.sum()), "raised TypeError: iteration over a 0-d array"),
        (lambda x: np.matrix(x), "np.matrix is not read: make it an array with np.asarray, and write @ for its *"),
        (lambda x: x * np.asmatrix(np.ones((4, 3))), "np.matrix is not read"),
        (lambda x: x - np.ma.masked_less(table, 3), "np.ma.MaskedArray is not read"),
        (lambda x: x * masked, "np.ma.MaskedArray is not read"),
        (lambda x: x.view(type("Units", (np.ndarray,), {})), "an array as Units is not read: only plain arrays are"),
        (lambda x: x.view(np.float32), ".view of an array as another dtype is not read"),
        (lambda x: x.__setitem__(0, [1.0, [2.0, 3.0]]), "raised ValueError: setting an array element with a sequence"),
        (lambda x: np.put(x, [99], 1), "raised IndexError: index 99 is out of bounds"),
        (lambda x: x[x > 0] + [1.0, [2.0]], "raised ValueError: setting an array element with a sequence"),
        (lambda x: np.product(x), "raised AttributeError: module 'numpy' has no attribute 'product'"),
        (lambda x: x / (1 / (x.shape[0] - 3)), "raised ZeroDivisionError: division by zero"),
        (lambda x: x * (x.shape[0] // 0), "raised ZeroDivisionError: integer division or modulo by zero"),
    ],
    ids=range(26),
)
def test_what_is_not_read_is_refused(function: Any, message: str) -> None:
    assert message in refused(function, X)


def of_itself(*items: Any) -> list[Any]:
    made = list(items)
    made.append(made)
    return made


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.T @ of_itself(x),
        lambda x: np.dot(x, of_itself(x)),
        lambda x: np.array(of_itself(x, 1.0)),
        lambda x: x[of_itself(0)],
        lambda x: x.__setitem__(of_itself(x[0] > 0), 1),
        lambda x: x.flat + of_itself(1.0),
        lambda x: x[x > 0] * of_itself(1.0),
        lambda x: of_itself(x),
        lambda x: {"x": of_itself(x)},
    ],
    ids=range(9),
)
def test_a_list_that_holds_itself_ends(function: Any) -> None:
    with pytest.raises(EinbackpropError, match=r"setting an array element with a sequence|may be nested 100 deep"):
        trace(function, X)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", ["np.matrix", "np.ma.MaskedArray"])
def test_arrays_that_compute_otherwise_are_no_arguments(name: str) -> None:
    argument = np.matrix(table) if name == "np.matrix" else np.ma.masked_less(table, 3)
    assert f"{name} is not read" in refused(lambda x: np.sum(x * x), argument)
    with pytest.raises(ScriptError, match=f"{name}: only plain arrays can be checked"):
        check(lambda x, y: np.sum(x * np.asarray(y)), lambda x, y: np.asarray(y), X, argument)


def test_what_is_not_read_but_has_a_value_is_kept_and_said() -> None:
    def spectrum(x):
        y = np.linalg.eigvalsh(x @ x.T)
        return y * 2

    found = record(spectrum, (X,))
    assert [(n.source.line, n.message) for n in found.notes if n.source] == [
        (spectrum.__code__.co_firstlineno + 1, "np.linalg.eigvalsh is not read")
    ]
    (equation,) = (e for e in found.program.equations if isinstance(e, Opaque))
    assert equation.reason == "np.linalg.eigvalsh is not read"
    assert np.allclose(found.program.constants[equation.out.name], np.linalg.eigvalsh(X @ X.T))


def test_a_branch_that_depends_on_values_says_which_way_it_went() -> None:
    def step(x):
        if x.sum() > 100:
            return x
        while np.any(x > 1e9):
            x = x / 2
        return -x

    assert notes_of(step, X) == [
        (1, "the program depends on values here: this run took the way of False"),
        (3, "the program depends on values here: this run took the way of False"),
    ]


def test_a_branch_on_sizes_says_for_which() -> None:
    def step(x):
        assert x.ndim == 2
        if x.shape[0] > 2 and len(x) > 0:
            return x
        return -x

    said = "`if x.shape[0] > 2 and len(x) > 0` in line"
    ((line, message),) = notes_of(step, X)
    assert line == 2
    assert message.startswith(f"this holds where {said}")


def test_an_assertion_about_values_is_no_branch() -> None:
    def step(x):
        assert np.all(x < 1e9), "too large"
        return -x

    assert notes_of(step, X) == []


def test_a_number_taken_out_is_said_once() -> None:
    def step(x):
        for _ in range(3):
            y = complex(x[0, 0])
        return x * abs(y)

    assert notes_of(step, X) == [
        (2, "a plain number is taken out of the trace here: what is made from it is not followed")
    ]


def test_a_library_error_in_the_traced_code_keeps_its_kind() -> None:
    class OwnError(EinbackpropError):
        pass

    def failing(x):
        raise OwnError("no")

    with pytest.raises(OwnError, match="in failing: raise OwnError"):
        trace(failing, X)


def test_a_trace_inside_a_trace() -> None:
    def inside(x):
        return trace(lambda y: y, x)

    assert refused(inside, X) == (
        line_of(inside) + "return trace(lambda y: y, x)\n"
        "a trace inside a trace is not read: call the function itself there"
    )
    assert trace(lambda x: x * 2, X).equations


# Nothing is changed


class Net:
    def __init__(self) -> None:
        self.W, self.seen = np.ones((4, 2)), []

    def forward(self, x: Any) -> Any:
        self.x = x
        self.seen.append(x)
        self.W += 1
        return x @ self.W


net = Net()


def changing_globals(x: Any) -> Any:
    global counter, table, fresh
    counter += 1
    table[0] = x[0]
    table = x
    fresh = x
    cache["x"] = x
    history.append(x)
    net.forward(x)
    x *= 2
    return table + x


def state() -> Any:
    return counter, table.tolist(), dict(cache), list(history), net.W.tolist(), list(net.seen), vars(net).keys()


@pytest.mark.parametrize("fails", [False, True])
def test_globals_and_arguments_are_as_they_were(fails: bool) -> None:
    before, x = state(), X.copy()
    names = set(globals())

    def run(x: Any) -> Any:
        y = changing_globals(x)
        return y + "text" if fails else y

    if fails:
        refused(run, x)
    else:
        trace(run, x)
    assert state() == before
    assert set(globals()) == names
    assert np.array_equal(x, X)
    assert type(table) is np.ndarray
    assert np is sys.modules["numpy"]
    assert "float" not in globals()


def test_what_a_method_or_a_closure_holds_is_as_it_was() -> None:
    own, seen, total = Net(), [], 0
    x = X.copy()

    def closing(x: Any) -> Any:
        nonlocal total
        total += 1
        seen.append(x)
        return own.forward(x)

    for function in (own.forward, closing, partial(Net.forward, own), lambda x: closing(x)):
        program = trace(function, x)
        assert len(program.inputs) == 1
        assert list(vars(own)) == ["W", "seen"]
        assert not own.seen
        assert not seen
        assert total == 0
        assert np.array_equal(own.W, np.ones((4, 2)))


def test_an_object_that_is_argument_and_global_is_one() -> None:
    program = trace(lambda n, x: net.forward(x) + n.W.sum(), net, X)
    assert {i.ref.name for i in program.inputs} == {"W", "x"}
    assert not [name for name in program.constants if "W" in name]


def test_random_numbers_are_those_that_the_call_will_see() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    program = trace(lambda x: x * np.random.rand(*x.shape), X)
    assert np.array_equal(np.random.get_state()[1], before)
    (mask,) = program.constants.values()
    assert np.array_equal(mask, np.random.rand(3, 4))


@pytest.mark.parametrize("fails", [False, True])
def test_a_debugger_stays(fails: bool) -> None:
    def watch(frame: Any, event: str, argument: Any) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        refused(lambda x: x["a"], X) if fails else trace(lambda x: x, X)
        assert sys.gettrace() is watch
    finally:
        sys.settrace(before)


def test_threads_take_turns() -> None:
    found: dict[int, Any] = {}
    x = X.copy()  # the global one is another's while another traces

    def work(n: int) -> None:
        found[n] = trace(lambda x: np.tanh(x @ np.ones((4, n))), x)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: program.sizes[program.outputs[0].indices[-1]] for n, program in found.items()} == {
        n: n for n in range(2, 8)}  # fmt: skip
    assert np.zeros is sys.modules["numpy"].zeros


def test_arguments_that_share_memory_may_be_read_but_not_written() -> None:
    theta = np.arange(12.0)
    W = theta[:6].reshape(2, 3)
    assert len(trace(lambda p, q: p.sum() + q.sum(), theta, W).inputs) == 2

    def writing(p, q):
        q *= 2
        return p

    assert refused(writing, theta, W).endswith(
        "this array shares its memory with another: a write to it is not read. Make it a copy"
    )


def test_returned_nesting_is_kept() -> None:
    Pair = namedtuple("Pair", "a b")
    program = trace(lambda x: {"p": Pair(x, [x.sum(), None, "text", True]), "n": 3}, X)
    assert program.structure == {"p": (0, [1, None, "text", True]), "n": 2}
    assert type(program.structure["p"]).__name__ == "Pair"


def test_a_pair_says_where_the_second_fails() -> None:
    def gradients(x):
        return x @ x

    with pytest.raises(TraceError, match="in gradients: return x @ x"):
        record_pair(lambda x: x.sum(), gradients, (X,))

