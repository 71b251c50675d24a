"""Edits of expressions, evaluated in the user's frames: what would each statement have made instead?

While the code stands at a statement, every edit of the expression there is evaluated with the variables of that moment,
some microseconds each, and its value written down. Which of the values would make the gradients right is known from
the Jacobian of the statement (`localization`).
"""

from __future__ import annotations

import ast
import copy
import dis
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import islice, pairwise
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from einbackprop.core.nesting import attributes_of
from einbackprop.core.records import dataclass
from einbackprop.core.source import compile_tree, statements_of
from einbackprop.diagnosis.analogy import analogous
from einbackprop.diagnosis.experiments import (
    Array,
    ComplexShape,
    EndlessError,
    Experiment,
    conformed,
    copied,
    flat,
    is_number,
    limited,
    numbers,
    plain,
    shapes_of,
)
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.suspects import Suspect
from einbackprop.diagnosis.versions import is_of_number, mangled
from einbackprop.diagnosis.vocabulary import Edit, Edits, Hand, LossCode, hand_of
from einbackprop.diagnosis.vocabulary.expression import Place
from einbackprop.diagnosis.vocabulary.hand import (
    MISSING,
    bound_elsewhere,
    indices_of,
    is_array,
    is_object,
    value_of,
    windows_of,
)
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, Numbering, parsed
from einbackprop.world.calls import is_from_outside
from einbackprop.world.ownership import is_users_class

MOST_LINES, FEWEST_LINES = 200_000, 20_000
"""Lines that a call of a function of the user's may run in an edit that is evaluated: at first, and after several that
ran more."""
LINES_IN_ALL = 2_000_000
"""Lines of them in the edits of all statements of a search: some seconds."""
USUAL = (1.5, 3.5)
"""Where tiers are divided: some tens of edits of a statement cost less, and some thousands of the deep ones."""
RUNS = 60
"""Runs of a statement in which edits are evaluated."""
MOST_EDITS = 8_000
"""Edits of a statement that are evaluated, the likeliest: a second or two."""
MOST_ENTRIES = 1_000_000
"""Entries of a value that an edit may give."""
IN_PLACE = frozenset({"sort", "fill", "resize", "put", "itemset", "partition", "setflags", "setfield", "byteswap"})
METHODS = frozenset(dir(np.ndarray)) - IN_PLACE
WRITING = ("STORE_ATTR", "STORE_SUBSCR", "STORE_SLICE", "STORE_GLOBAL", "STORE_DEREF", "DELETE", "YIELD", "IMPORT")
IMPURE = frozenset({"next", "print", "input", "open", "exec", "eval", "iter", "setattr", "delattr"})


@dataclass(eq=False)
class Trial:
    """One edit, and the value that it gives in each run.

    Attributes
    ----------
    edit : Edit
    code : CodeType or None
        None where it must not be evaluated there, since it may change something.
    values : list of array
        The numbers of each run, one after the other.
    raw : list of object
        The value of the first run; of one that is wider, of each.
    is_wider : bool
        Whether the value has another shape in some run, that broadcasts with the one that it should have.
    """

    edit: Edit
    code: CodeType | None
    values: list[Array] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)
    is_wider: bool = False


@dataclass(frozen=True)
class Tier:
    """Edits whose cost is above one bound and at most another; deep ones put together several arrays at hand."""

    above: float
    limit: float
    deep: bool = False

    def divided(self) -> Iterator[Tier]:
        """Parts of it, the likelier edits first."""
        bounds = (bound for bound in USUAL if self.above < bound < self.limit)
        for above, limit in pairwise((self.above, *bounds, self.limit)):
            yield replace(self, above=above, limit=limit)


class Table:
    """The edits of one statement's expression, evaluated the likeliest first.

    Parameters
    ----------
    suspect : Suspect
    keeps_shape : bool
        Whether the value must have the shape that it has.
    wanted : tuple of int, optional
        The shape that it must have instead.
    allowance : Allowance, optional
        What edits may run, where several statements share it.

    Attributes
    ----------
    trials : list of Trial
        The edits that were evaluated in the last pass, and gave something that can stand there.
    hand : Hand or None
        What is at hand at the statement; None before it was run.
    evaluated : int
        How many edits were evaluated in all passes.
    """

    def __init__(
        self, suspect: Suspect, keeps_shape: bool, wanted: tuple[int, ...] | None = None,
        allowance: Allowance | None = None,
    ) -> None:  # fmt: skip
        self.suspect, self.keeps_shape, self.wanted = suspect, keeps_shape, wanted
        self.trials: list[Trial] = []
        self.hand: Hand | None = None
        self._tier = Tier(0.0, 0.0)
        self._edits: Edits | None = None
        self._seen: set[tuple[Place | None, int]] = set()
        self._numbering = Numbering()
        self._allowance = allowance or Allowance()
        self._runs = self.evaluated = 0

    def begin(self, tier: Tier) -> None:
        """Begin a pass, of the edits of a tier."""
        self.trials, self._runs, self._tier = [], 0, tier

    def run(self, value: Any, frame: FrameType, loss: LossCode) -> None:
        """The statement made a value, or raised: evaluate the edits of this pass."""
        names = {**frame.f_globals, **frame.f_locals}
        names |= {name: on_copies(held, self._allowance) for name, held in names.items()
                  if isinstance(held, FunctionType)}  # fmt: skip
        if self.hand is None:
            own = np.shape(value) if self.keeps_shape and is_number(value) else None
            wanted = self.wanted or self.suspect.grown or own
            site = self.suspect.site
            hand = hand_of(frame.f_locals, frame.f_globals, site.function, loss.literals, wanted, site.statement)
            shapes, module = shapes_of(value), statements_of(site.file).tree
            computing = (module,) if shapes == [()] else loss.functions  # another layer computes another dx
            elsewhere = bound_elsewhere(computing, site.target, site.function) + as_in_lines_alike(site, names, hand)
            is_node = is_object(value) and not shapes
            self.hand = replace(hand, makes_object=is_node, elsewhere=elsewhere, windows=windows_of(module),
                                indices=indices_of(module))  # fmt: skip
        if self._runs == 0:
            self.trials = list(islice(self._candidates(names, self.hand), max(0, MOST_EDITS - self.evaluated)))
            self.evaluated += len(self.trials)
        if self._runs < RUNS:
            shapes = shapes_of(value) if self.suspect.grown is None else [self.suspect.grown]
            self.trials = [t for t in self.trials if t.code is None or self._is_alive(t, names, shapes)]
        self._runs += 1

    def _candidates(self, names: Mapping[str, Any], hand: Hand) -> Iterator[Trial]:
        site, tier = self.suspect.site, self._tier
        compiler = Compiler(site, names)
        if self._edits is None:
            self._edits = Edits(site.value, hand, site.statement)
        for edit in self._edits.between(tier.above, tier.limit, deep=tier.deep):
            # what is put at a place is numbered, which is less than the whole
            where, node = (edit.place, edit.node) if edit.place is not None else (None, edit.value)
            key = where, self._numbering.of(node)[0]
            if key not in self._seen:
                self._seen.add(key)
                assert edit.value is not None
                yield Trial(edit, compiler.code(edit.value))

    def _is_alive(self, trial: Trial, names: dict[str, Any], shapes: list[tuple[int, ...]]) -> bool:
        """Evaluate an edit; whether it gives something that can stand there."""
        assert trial.code is not None
        try:
            made = eval(trial.code, names)
        except EndlessError:
            return False
        except Exception as error:  # an edit may do anything; what a signal handler raises is not its doing
            if is_deep(error) and is_from_outside(error):
                raise
            return False
        if sum(np.size(part) for part in numbers(made)) > MOST_ENTRIES:
            return False
        values = conformed(made, shapes) if self.keeps_shape and shapes else flat(made)
        if values is None and self.suspect.is_known and is_beside(made, shapes):
            values, trial.is_wider = flat(made), True
        if values is None or (self.wanted is not None and [*map(plain, shapes_of(made))] != [plain(self.wanted)]):
            return False
        if self._runs == 0 or trial.is_wider:
            trial.raw.append(copied(made))
        trial.values.append(values)
        return True


class Allowance:
    """How many lines functions of the user's may run in edits: fewer after each call that runs more, as a recurrence
    does that goes on until its argument is large, and so many in all."""

    def __init__(self) -> None:
        self._lines, self._left = MOST_LINES, LINES_IN_ALL

    def spent(self, call: Callable[[], Any]) -> Any:
        """What a call gives. Raises EndlessError if it runs too many lines."""
        with limited(min(self._lines, self._left)) as ran:
            try:
                return call()
            except EndlessError:
                self._lines = max(FEWEST_LINES, self._lines // 2)
                raise
            finally:
                self._left -= ran()


def on_copies(function: Callable[..., Any], allowance: Allowance) -> Callable[..., Any]:
    """A function of the user's that may change its arguments, called with copies: a sampler goes on at each call."""

    def called(*arguments: Any, **keywords: Any) -> Any:
        given, named = [*map(own, arguments)], {name: own(a) for name, a in keywords.items()}
        return allowance.spent(lambda: function(*given, **named))

    return called


def own(value: Any) -> Any:
    """A copy of a value that may be changed; the value itself where it has none, such as an open file."""
    try:
        return np.copy(value) if isinstance(value, np.ndarray) else copy.deepcopy(value)
    except Exception:  # whatever the user's own `__deepcopy__` raises
        return value


def are_solved(tables: Sequence[Table]) -> bool:
    """Whether a value was found for one of some statements with which everything is right."""
    return any(table.suspect.shift is not None for table in tables)


def joint(tables: Sequence[Table], wrong: frozenset[str]) -> list[Table]:
    """The statements of which no expression alone, but all together can be at fault: two places of a tuple."""
    reach: dict[int, frozenset[str]] = {}
    for table in tables:
        key = id(table.suspect.site.statement)
        reach[key] = reach.get(key, frozenset()) | table.suspect.reach
    return [table for table in tables if wrong <= reach[id(table.suspect.site.statement)]]


class Trying:
    """A watcher that evaluates edits of some statements.

    Parameters
    ----------
    tables : sequence of Table
    loss : LossCode
    """

    def __init__(self, tables: Sequence[Table], loss: LossCode) -> None:
        self.tables = {table.suspect.site: table for table in tables}
        self.sites = self.tables.keys()
        self._loss = loss
        self._is_busy = False

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """A statement made a value."""
        if not self._is_busy:
            self._is_busy = True
            try:
                self.tables[site].run(value, frame, self._loss)
            finally:
                self._is_busy = False
        return value


class Compiler:
    """Compiles expressions that are evaluated in the frame of a site.

    Parameters
    ----------
    site : Site
    names : mapping
        What the names stand for there.
    """

    def __init__(self, site: Site, names: Mapping[str, Any]) -> None:
        self._site, self._names = site, names
        self._known: dict[ast.AST, bool] = {}  # whether a node is harmless; the edits share most nodes

    def code(self, value: ast.expr) -> CodeType | None:
        """An expression as code; None where evaluating it may change something, as far as what it calls shows."""
        if not self._is_harmless(value):
            return None
        return compile_tree(ast.Expression(mangled(value, self._site.inside)), self._site.file, "eval")

    def _is_harmless(self, node: ast.AST) -> bool:
        known = self._known.get(node)
        if known is not None:
            return known
        if isinstance(node, ast.expr | ast.keyword) and not hasattr(node, "lineno"):
            ast.copy_location(node, self._site.value)
        harmless = not isinstance(node, ast.Yield | ast.YieldFrom | ast.Await | ast.NamedExpr)
        harmless &= not is_of_number(node)
        if isinstance(node, ast.Call):
            harmless = self._is_harmless_call(node.func)
        for child in ast.iter_child_nodes(node):
            harmless &= self._is_harmless(child)
        self._known[node] = harmless
        return harmless

    def _is_harmless_call(self, function: ast.expr) -> bool:
        match function:
            case ast.Name(name):
                called = self._names.get(name)
                makes_object = isinstance(called, type) and not issubclass(called, int | float | np.generic)
                return name not in IMPURE and not makes_object
            case ast.Attribute(inner, name):
                held = value_of(inner, self._names)
                method = getattr(type(held), name, None)
                if isinstance(method, FunctionType) and is_users_class(type(held)):
                    return is_pure(method, held)
                if name in METHODS or is_of_library(function, self._names):
                    return True
                return held is not MISSING and method is None and name not in attributes_of(held)  # it raises
        return False


def is_pure(function: FunctionType, held: object, checked: frozenset[object] = frozenset()) -> bool:
    """Whether a method, or a function that one calls, surely changes nothing.

    That is so where its code writes to no attribute, entry or global, nothing in place, and every name in it is one of
    NumPy's, a number or array of the object's, or that of code of which the same is true.
    """
    own, code = type(held), function.__code__
    checked = checked | {function}
    for step in dis.get_instructions(code):
        if step.opname.startswith(WRITING) or (step.opname == "BINARY_OP" and step.argrepr.endswith("=")):
            return False
    called = [vars(kind).get("__call__") for kind in own.__mro__]
    for name in code.co_names:
        member, value = getattr(own, name, None), attributes_of(held).get(name, function.__globals__.get(name))
        if isinstance(member, FunctionType) or isinstance(value, FunctionType):
            called.append(member or value)
        elif not (is_array(value) or is_number(value) or isinstance(value, ModuleType)
                  or (value is None and hasattr(np, name)) or name in METHODS):  # fmt: skip
            return False
    own_code = (each for each in called if isinstance(each, FunctionType) and each not in checked)
    return "random" not in code.co_names and all(is_pure(each, held, checked) for each in own_code)


def is_deep(error: Exception) -> bool:
    """Whether an exception was raised below the expression that was evaluated."""
    trace = error.__traceback__
    return trace is not None and trace.tb_next is not None and trace.tb_next.tb_next is not None


def is_of_library(node: ast.expr, names: Mapping[str, Any]) -> bool:
    """Whether a function is one of a module, such as ``np.add.outer``, and none of random numbers."""
    path = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    module = names.get(node.id) if isinstance(node, ast.Name) else None
    return hasattr(module, "__spec__") and "random" not in path and "at" not in path


# Which values would do


def fits(experiment: Experiment, trial: Trial, suspect: Suspect, gap: Mapping[str, Array]) -> frozenset[str]:
    """The gradients that would be right if a statement made what an edit gives, as far as its Jacobian tells.

    Parameters
    ----------
    gap : mapping of target name to array
        By how much each gradient is off.
    """
    assert suspect.jacobian is not None
    if trial.is_wider:
        runs = zip(trial.raw, suspect.expected, suspect.made.shapes, strict=False)
        as_expected = len(trial.raw) == len(suspect.expected) == len(suspect.made.shapes) and all(
            is_expected(raw, wanted.reshape(shape), experiment.tolerance) for raw, wanted, (shape,) in runs)
        return frozenset(suspect.names if as_expected else ())
    made, now = np.concatenate(suspect.made.values), np.concatenate(trial.values) if trial.values else np.zeros(0)
    if made.shape != now.shape or not np.all(np.isfinite(now)):
        return frozenset()
    if suspect.is_repeated and suspect.is_known:
        wanted = np.concatenate(suspect.expected) if suspect.expected else np.zeros(0)
        if wanted.shape != now.shape:
            return frozenset()
        off, scale = np.abs(wanted - now)[suspect.moving], float(np.abs(wanted).max(initial=0.0))
        return frozenset(suspect.names if off.max(initial=0.0) <= 10 * experiment.tolerance * scale else ())
    moved, reach = suspect.jacobian @ (now - made), np.abs(suspect.jacobian) @ (np.abs(now) + np.abs(made))
    found, at = [], 0
    for name in suspect.names:
        size = gap[name].size
        rows = slice(at, at + size)
        at += size
        scale = max(float(reach[rows].max(initial=0.0)), float(np.abs(gap[name]).max(initial=0.0)))
        allowed = suspect.roughness * scale + experiment.allowed(name)
        if np.abs(moved[rows] - gap[name].ravel()).max(initial=0.0) <= allowed:
            found.append(name)
    return frozenset(found)


def as_in_lines_alike(site: Site, names: Mapping[str, Any], hand: Hand) -> tuple[ast.expr, ...]:
    """What a statement would compute if it were like those of its function that bind names like its own."""
    try:
        target = parsed(site.target)
    except SyntaxError:  # of several, or of none
        return ()
    if not isinstance(target, OPERANDS):
        return ()
    found = analogous(ast.copy_location(target, site.statement), site.function, names, hand.shapes)
    return tuple(value for value in found if not isinstance(value, (*OPERANDS, ast.Constant)))


def is_beside(made: Any, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether a value is an array of another shape, which broadcasts with the shape that there is."""
    if len(shapes) != 1 or not is_number(made) or np.iscomplexobj(made) or isinstance(shapes[0], ComplexShape):
        return False
    try:
        np.broadcast_shapes(np.shape(made), shapes[0])
    except ValueError:
        return False
    return True


def is_expected(value: Any, expected: Array, tolerance: float) -> bool:
    """Whether an array, broadcast, is what a suspect should have made in a run."""
    if not is_beside(value, [expected.shape]):  # that may have the axes of a gradient, and not those that it has
        return False
    one, two = np.broadcast_arrays(np.asarray(value, dtype=np.float64), expected)
    return bool(np.abs(one - two).max(initial=0.0) <= 10 * tolerance * np.abs(two).max(initial=0.0))
