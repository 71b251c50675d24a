"""Expressions of a script, tried in a private copy of all that they can reach."""

from __future__ import annotations

import ast
import symtable
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from einbackprop.core.source import parse_python
from einbackprop.errors import EinbackpropError
from einbackprop.world import Raised, World

from ..reach import reach_of
from ..setups import SIZES, letters_in

_FILE = "<proposal>"


class Trials:
    """Evaluates expressions among a script's names; nothing of the script is changed.

    Parameters
    ----------
    names : dict
        Those of the script after it ran.

    Attributes
    ----------
    raised
        The first error of each kind with which an expression stopped, by its text.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.raised: dict[str, BaseException] = {}
        self._known: dict[tuple[tuple[str, ...], str], Any] = {}

    def __call__(self, setup: Sequence[str], text: str) -> Any:
        """The value of an expression after some statements; None where either raises."""
        key = tuple(setup), text
        if key not in self._known:
            self._known[key] = self.moved(setup, {}, text)
        return self._known[key]

    def state(self, setup: Sequence[str], *texts: str) -> dict[str, Any]:
        """What expressions can read after some statements, by name; what they name themselves first."""
        whole = ", ".join(text for text in texts if text)
        made = sorted(bound_in("\n".join(setup)))
        known = {**dict.fromkeys(made), **self.names}
        try:
            reach = reach_of(known, {"EXPRESSION": f"({whole},)"}, "")
        except EinbackpropError:
            return {}
        names = [name for name in (*reach.state, *reach.beside(), *made) if name.isidentifier()]
        found = self(setup, f"{{{', '.join(f'{name!r}: {name}' for name in dict.fromkeys(names))}}}")
        return found if isinstance(found, dict) else {}

    def moved(self, setup: Sequence[str], moves: Mapping[str, np.ndarray], text: str) -> Any:
        """The same with something added to arrays, which stand at the keys of ``moves``, in place."""
        added = [f"{held}{'[...]' if np.ndim(way) else ''} += moves[{held!r}]" for held, way in moves.items()]
        try:
            tree = parse_python("\n".join([*setup, *added, f"proposed_result = ({text})"]))
        except SyntaxError:
            return None
        world = World(once=True)
        try:
            return world.call(world.of(self._function(tree)), dict(moves))
        except Raised as raised:
            self.raised.setdefault(repr(raised.error), raised.error)
            return None
        except EinbackpropError:
            return None

    def _function(self, tree: ast.Module) -> types.FunctionType:
        """The statements as a function of moves, which binds the script's globals and returns the last value."""
        source = ast.unparse(tree)
        bound = sorted(name for name in bound_in(source) if name != "proposed_result")
        sizes = dict(zip(letters_in(source, self.names), SIZES, strict=False))
        lines = [f"global {', '.join([*bound, *sizes])}"] if bound or sizes else []
        lines += [f"{letter} = {size}" for letter, size in sizes.items()] + source.splitlines()
        body = "\n".join(f"    {line}" for line in [*lines, "return proposed_result"])
        scope: dict[str, Any] = {}
        exec(compile(f"def proposed(moves):\n{body}\n", _FILE, "exec"), scope)
        return types.FunctionType(scope["proposed"].__code__, self.names)


def bound_in(source: str) -> set[str]:
    """The names that statements bind."""
    module = symtable.symtable(source, _FILE, "exec")
    return {name.get_name() for name in module.get_symbols() if name.is_assigned() or name.is_imported()}


