"""The gradient of an expression of a script, derived: as source, equations and a page; and what it costs on a mesh.

Checks and readings load none of this.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from einbackprop.core import visible
from einbackprop.core.nesting import Path, get, leaves
from einbackprop.core.program import Input, Program, operands
from einbackprop.core.records import dataclass
from einbackprop.derivation import accumulation, gradients
from einbackprop.emission.engines import Target
from einbackprop.emission.writing import source
from einbackprop.errors import ScriptError
from einbackprop.notation import pages
from einbackprop.notation.explanation import explain
from einbackprop.notation.programs import figure
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.questions import at_roots, path_of, unread
from einbackprop.shell.reach import Namespace, Reach, leads_to, reach_of
from einbackprop.shell.scripts import run, traced

if TYPE_CHECKING:
    from einbackprop.sharding.report import Sharding, Suggestions


@dataclass(frozen=True)
class Derived:
    """The gradient of an expression of a script: as source, which is its text, as a page, and as LaTeX."""

    program: Program
    arguments: Sequence[str]
    title: str
    target: Target = "numpy"

    def __str__(self) -> str:
        return source(self.program, "backward", arguments=self.arguments, target=self.target)

    @property
    def latex(self) -> str:
        """Its equations as a fragment for a document that has amsmath."""
        return explain(self.program).latex

    @property
    def html(self) -> str:
        """Its equations, each derived one under the one that it comes from, and the source, as part of a page."""
        code = f"<section><h2>As Python</h2><pre>{visible.in_html(str(self))}</pre></section>"
        shown = pages.sections(explain(self.program).sections)
        return pages.article([pages.heading(self.title), shown, figure(self.program), code])

    def to_html(self) -> str:
        """What `html` holds, as one page."""
        return pages.page(self.title, self.html)


def derive_script(
    script: str, loss: str, wrt: Sequence[str], setup: str = "", seed: int = 0, *, target: Target = "numpy",
    text: Rewriting | None = None,
) -> Derived:  # fmt: skip
    """Run a script, and derive the gradient of an expression, as source for ``target``. Raises as `check_script` does.

    A ``text`` is run in the place of the file's.
    """
    with run(script, setup, seed, text=text) as names:
        roots = tuple(path_of(told, names, os.path.basename(script)) for told in wrt)
        reach = reach_of(names, {"--loss": loss}, os.path.basename(script), [str(root[0]) for root in roots])
        forward = accumulation.as_loss(traced(reach, names).alone)
        order = tuple(reach.state)
        place = at_roots(reach.state, roots, order)
        _require_apart(dict(zip(wrt, roots, strict=True)), reach.state)
        wanted = [name for told, root in zip(wrt, roots, strict=True)
                  for name in _inputs_at(root, told, forward, place, get(reach.state, root))]
        _require_read(dict(zip(wrt, roots, strict=True)), reach, names, forward)
        derived = gradients.nested_by_path(accumulation.vjp(forward, wanted), roots, place)
        return Derived(derived, order, f"the gradient of {loss} with respect to {', '.join(wrt)}", target)


def _require_apart(roots: Mapping[str, Path], names: Namespace) -> None:
    """Raise ScriptError if one array stands at two of the paths: its gradient would have two places."""
    owners: dict[int, str] = {}
    for text, root in roots.items():
        for _, leaf in leaves(get(names, root)):
            other = owners.setdefault(id(leaf), text) if isinstance(leaf, np.ndarray) else text
            if other != text:
                raise ScriptError(f"--wrt: {visible.shown(other)} and {visible.shown(text)} hold the same array of "
                                  f"shape {leaf.shape}: give one of them")


def _require_read(roots: Mapping[str, Path], reach: Reach, names: Namespace, forward: Program) -> None:
    """Raise ScriptError where neither the loss nor its trace reads what stands at one of the paths."""
    read = {ref.name for equation in forward.equations for ref in operands(equation)}
    place = at_roots(reach.state, tuple(roots.values()), tuple(reach.state))
    paths = [place(declared) for declared in forward.inputs if declared.ref.name in read]
    for text, root in roots.items():
        if not (any(path[: len(root)] == root for path in paths) or leads_to(reach, root, names)):
            raise unread("--loss", text)


def _inputs_at(root: Path, text: str, forward: Program, place: Callable[[Input], Path], value: Any) -> list[str]:
    """The inputs of a program that stand at a path. Raises ScriptError if there are none."""
    found = [declared.ref.name for declared in forward.inputs if place(declared)[: len(root)] == root]
    if not found:
        raise ScriptError(f"--wrt: {visible.shown(text)} holds no arrays: it is {type(value).__name__}; "
                          "np.array(…) makes it one")
    return found


def shard_script(
    script: str, expression: str, mesh: Mapping[str, int], letters: Mapping[str, str] | None,
    suggest: int | None = None, wrt: Sequence[str] = (), setup: str = "", seed: int = 0,
    outputs: Mapping[str, Mapping[str, str]] | None = None, pad: bool = False,
) -> "Sharding | Suggestions":  # fmt: skip
    """Run a script, and say what an expression among its names costs on a mesh; with ``wrt``, what its gradient does.

    Raises as `check_script` does, and ShardingError.
    """
    from einbackprop.sharding.report import Origin, placed  # it loads plans, which no other subcommand here needs

    if wrt:
        program, trace = derive_script(script, expression, wrt, setup, seed).program, None
    else:
        with run(script, setup, seed) as names:
            trace = traced(reach_of(names, {"EXPRESSION": expression}, os.path.basename(script)), names)
            program = trace.alone
    return placed(program, mesh, letters, suggest, outputs, pad, Origin(trace=trace))
