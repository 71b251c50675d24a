"""Whole numbers that code reads by name: they stay where arrays get other sizes, and nothing is said of those sizes."""

from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of

import einbackprop as eb
from einbackprop.world import World, numbers_read

READ = '''
import numpy as np

count = 3
unread = 4
config = {"steps": 5, "rate": 0.5}


class Settings:
    width = 6

    def __init__(self):
        self.held = 7
        self.left = 8
        self.set_each_time = 9


class Layer:
    def __init__(self):
        self.settings = Settings()
        self.own = 10

    def run(self, x, more=11):
        self.settings.set_each_time = len(x)
        return x * self.settings.held * self.settings.width * self.settings.set_each_time * self.own


def enclosing():
    inner = 12

    def run(x):
        return x * inner

    return run


run_inner = enclosing()


written = 14


def function(layer, x, unused=13):
    global written
    written = len(x) + 20
    rows = len(x) + 30

    def run_own():
        return rows + written

    return layer.run(x) + count + config["steps"] + run_inner(x) + run_own()
'''


def test_what_is_read_by_name_and_not_written_is_found() -> None:
    module = module_of(READ, "numbers_read_by_name")
    world = World()
    run, layer = world.of(module.function), world.of(module.Layer())
    _, found = numbers_read(lambda: run(layer, np.ones(2)))
    assert found == {3, 5, 6, 7, 10, 11, 12, 13}


NAMED = """
import numpy as np

n = 4

def loss(W, X):
    return np.mean((X @ W) ** 2)

def gradients(W, X):
    return X.T @ ((2 / DIVISOR) * (X @ W))
"""


def report_of(divisor: str, of_loss: str = "np.mean((X @ W) ** 2)") -> Any:
    source = NAMED.replace("DIVISOR", divisor).replace("np.mean((X @ W) ** 2)", of_loss)
    module = module_of(source, f"named_{abs(hash((divisor, of_loss)))}")
    rng = np.random.default_rng(2)
    return eb.check(module.loss, module.gradients, rng.normal(size=(4, 1)), rng.normal(size=(4, 4)))


def test_a_size_that_is_read_by_name_accuses_nobody() -> None:
    """The trace has a factor 1/2, in which no size is seen."""
    report = report_of("n")
    assert [item.verdict for item in report.gradients] == ["right"]
    assert not any("Checked at others as well" in text for text in report.assumptions)


def test_a_size_that_stands_for_another_is_seen_still() -> None:
    report = report_of("X.shape[1]")
    assert [item.verdict for item in report.gradients] == ["wrong"]
    assert "right only at sizes such as yours" in report.gradients[0].note
    assert [item.write for item in report.findings] == ["return X.T @ ((2 / X.shape[0]) * (X @ W))"]


STEPS = """
import numpy as np

count = 200

def loss(W, x):
    h, total = np.zeros(len(W)), 0.0
    for t in range(len(x)):
        h = np.tanh(W @ h + x[t])
        total += np.sum(h ** 2)
    return total / count

def gradients(W, x):
    h, dh, dW = [np.zeros(len(W))], np.zeros(len(W)), np.zeros_like(W)
    for t in range(len(x)):
        h.append(np.tanh(W @ h[-1] + x[t]))
    for t in reversed(range(len(x))):
        dh = (dh + 2 * h[t + 1] / DIVISOR) * (1 - h[t + 1] ** 2)
        dW += np.outer(dh, h[t])
        dh = W.T @ dh
    return dW
"""


@pytest.mark.parametrize("divisor", ["count", "len(x)"])
def test_of_long_loops_such_a_size_is_made_smaller_where_no_other_will_do(divisor: str) -> None:
    module = module_of(STEPS.replace("DIVISOR", divisor), f"steps_{divisor[:3]}")
    rng = np.random.default_rng(1)
    report = eb.check(module.loss, module.gradients, rng.normal(size=(3, 3)) / 2, rng.normal(size=(200, 3)))
    assert [item.verdict for item in report.gradients] == ["right"]
    assert not report.findings
    is_cut = any("Lines are read at smaller sizes than yours" in text for text in report.assumptions)
    assert is_cut is (divisor == "count")  # else the gradients would be wrong there, and are not


ROUNDS = """
import numpy as np

width = 6

def loss(w, x):
    total = 0.0
    for t in range(300):
        total += np.sum((x * w) ** 2) / width / 300
    return total

def gradients(w, x):
    dw = np.zeros_like(w)
    for t in range(300):
        dw += 2 / width * x ** 2 * w / 300
    return dw
"""


def test_such_a_size_is_not_made_smaller_where_that_runs_no_fewer_lines() -> None:
    module, rng = module_of(ROUNDS, "rounds_of_a_number"), np.random.default_rng(1)
    report = eb.check(module.loss, module.gradients, rng.normal(size=6), rng.normal(size=6))
    assert [item.verdict for item in report.gradients] == ["right"]
    assert not any("smaller sizes" in text for text in report.assumptions)
