"""A trace reads every module that its function can get to, and leaves the others alone."""

import functools
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import einbackprop as eb
from einbackprop.capture.reaching import namespaces

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
X = np.array([0.5, -1.0, 2.0])


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Callable[[str, str], Any]]:
    """Makes user modules of texts."""
    made = []

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
        del sys.modules[name]


WAYS = {
    "a module": "import helper_r\ndef f(x):\n    return helper_r.doubled(x)\n",
    "a function": "from helper_r import doubled\ndef f(x):\n    return doubled(x)\n",
    "an import when it runs": "def f(x):\n    from helper_r import doubled\n    return doubled(x)\n",
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


def test_what_cannot_be_got_to_is_left_alone(module: Callable[[str, str], Any]) -> None:
    helper, other = module("helper_r", HELPER), module("other_r", HELPER)
    main = module("main_r", WAYS["a function"])
    script: dict[str, Any] = {"f": main.f}
    found = namespaces(functools.partial(main.f), script)
    assert found[0] is script
    assert any(names is vars(main) for names in found)
    assert any(names is vars(helper) for names in found)
    assert all(names is not vars(other) for names in found)
