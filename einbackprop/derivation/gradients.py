"""The gradient of a Python function's loss as a program: ``derive``."""

import enum
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..capture import tracer
from ..core import interpretation, nesting
from ..core.interpretation import has_nan
from ..core.letters import combinations
from ..core.logarithms import with_named_products, with_sums_for_logarithms
from ..core.nesting import Choice, Path, positions_of
from ..core.program import Contract, Equation, Factor, Input, Map, Program, Ref
from ..core.simplification import simplify
from ..errors import DerivationError
from .accumulation import as_loss, vjp

WORK = 2_000_000  # combinations of letters that are run over to see whether a gradient is nan
SELECTING = frozenset({"where", "greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})
SINGULAR = frozenset({"power", "pow", "log", "log2", "log10", "log1p"})


def may_meet_infinity(program: Program, run: Callable[[], Any]) -> bool:
    """Whether a derived program both selects entries and has factors that may be infinite, or is nan as it is run."""
    maps = {e.function for e in program.equations if isinstance(e, Map)}
    masks = any(np.dtype(declared.dtype).kind == "b" for declared in program.inputs)
    if masks or maps & SELECTING:
        return bool(maps & SINGULAR)
    with np.errstate(all="ignore"):
        return bool(maps & SINGULAR) and any(map(has_nan, arrays_in(run())))


def without_nan_here(program: Program, forward: Program, arrays: Sequence[Any]) -> Program:
    """A derived program without the nan that it gives for these arrays at which the loss is finite.

    The factors that are not finite here count as 0 wherever they are not.
    """
    steep = any(isinstance(e, Map) and e.function in SINGULAR for e in program.equations)
    if not steep or sum(combinations(e, program.sizes) for e in program.equations) > WORK:
        return program
    with np.errstate(all="ignore"):
        values, _ = interpretation.evaluate(program, arrays)
        if not any(has_nan(values[ref.name]) for ref in program.outputs):
            return program
        losses = interpretation.evaluate(forward, arrays)[0]
    if not all(np.isfinite(losses[ref.name]).all() for ref in forward.outputs):
        return program  # the nan is the user's own
    poles = {name for name, value in values.items() if value.dtype.kind in "fc" and not np.isfinite(value).all()}
    return without_infinite_factors(program, poles)


def without_infinite_factors(program: Program, among: Container[str] | None = None) -> Program:
    """A derived program in which every factor of a derivative that is infinite or nan counts as 0, or those among some.
    """
    zero = "zero_for_infinite"
    equations: list[Equation] = [Contract(Ref(zero, ""), (), (), Factor.of(0))]
    letters = {i.ref.name: i.ref.indices for i in program.inputs}
    made: dict[str, str] = {}

    def finite(ref: Ref) -> Ref:
        own = letters.get(ref.name, "")
        if among is not None and ref.name not in among:
            return ref
        if ref.name in made or len(set(own)) < len(own) or ref.name not in letters:
            return Ref(made.get(ref.name, ref.name), ref.indices)
        test, value = (Ref(f"{ref.name}_{what}", own) for what in ("is_finite", "where_finite"))
        equations.append(Map(test, "isfinite", (Ref(ref.name, own),)))
        equations.append(Map(value, "where", (test, Ref(ref.name, own), Ref(zero, ""))))
        made[ref.name] = value.name
        return Ref(value.name, ref.indices)

    for equation in program.equations:
        if equation.out.name in program.origins and isinstance(equation, Contract):
            equation = replace(equation, operands=tuple(map(finite, equation.operands)))
        equations.append(equation)
        letters[equation.out.name] = equation.out.indices
    return replace(program, equations=tuple(equations))


def where_nan(found: Any, finite: Any) -> Any:
    """Nested gradients, with what another of the same nesting holds where an entry is nan."""

    def chosen(one: Any, other: Any) -> Any:
        made = None if one is None else np.where(np.isnan(one), other, one)
        return made if made is None or isinstance(one, np.ndarray) else made[()]

    return nesting.mapped(chosen, found, finite)


def arrays_in(found: Any) -> Iterator[Any]:
    """The arrays of nested gradients."""
    if isinstance(found, list | tuple | dict):
        for part in found.values() if isinstance(found, dict) else found:
            yield from arrays_in(part)
    elif isinstance(found, np.ndarray | np.number):
        yield found


def without_nan(found: Any, with_value: bool | int, spare: Callable[[], Any]) -> Any:
    """What a gradient returned, with what ``spare`` gives (the loss and its gradient) where its entries are nan.

    Where the loss is not finite, the nan is the user's own, and stays.
    """
    gradient = found[1] if with_value else found
    if not any(map(has_nan, arrays_in(gradient))):
        return found
    value, finite = spare()
    if not np.isfinite(value).all():
        return found
    better = where_nan(gradient, finite)
    return (found[0], better) if with_value else better


Wrt = int | tuple[int, ...]


def derive(loss: Callable[..., Any], *arguments: Any, wrt: Choice = 0) -> Program:
    """The gradient of a loss, as a program of the same kinds as the loss itself.

    Parameters
    ----------
    loss : callable
        Returns one number.
    *arguments : arrays, or nested lists, tuples, dicts and objects of arrays
    wrt : int, str, or several in a tuple
        Which arguments to differentiate with respect to: positions, or names.

    Returns
    -------
    Program
        Its inputs are the arrays of the arguments; its outputs the cotangents of the arrays of ``arguments[wrt]``,
        nested as those are. A backward line has the letters of its forward line.

    Raises
    ------
    DerivationError
        The loss is no single number, or the gradient goes through a line that could not be read.
    TraceError
        See ``trace``.
    """
    chosen = positions_of(loss, wrt)
    arguments = with_arrays(arguments, chosen)
    forward = forward_of(loss, arguments)
    derived = vjp(with_sums_for_logarithms(forward), names_of(forward, chosen))
    derived = simplify(with_named_products(derived, forward))
    derived = without_nan_here(derived, forward, [nesting.get(arguments, i.path) for i in derived.inputs])
    return nested(derived, arguments, chosen, first=0)


def with_arrays(arguments: tuple[Any, ...], wrt: Wrt) -> tuple[Any, ...]:
    """The arguments with an array for each Python float to differentiate by, and one for each place.

    An array that stands at two places has a gradient at each.
    """
    seen: set[int] = set()
    for path, leaf in list(nesting.leaves(arguments)):
        if type(leaf) is np.ndarray and id(leaf) in seen:
            arguments = nesting.replaced(arguments, path, leaf.view())
        seen.add(id(leaf))
        if isinstance(leaf, float | complex) and path[0] in (wrt if isinstance(wrt, tuple) else (wrt,)):
            arguments = nesting.replaced(arguments, path, np.array(leaf))
    return arguments


def forward_of(loss: Callable[..., Any], arguments: Sequence[Any]) -> Program:
    """The loss as a program with one scalar output."""
    return as_loss(tracer.trace(loss, *arguments))


def names_of(program: Program, wrt: Wrt) -> list[str]:
    """The inputs of real or complex numbers in the arguments to differentiate by."""
    chosen = wrt if isinstance(wrt, tuple) else (wrt,)
    names = [i.ref.name for i in program.inputs if i.path[0] in chosen and np.dtype(i.dtype).kind in "fc"]
    if not names:
        raise DerivationError(f"wrt={wrt!r} holds no array of real or complex numbers to differentiate by")
    return names


def nested(program: Program, arguments: Sequence[Any], wrt: Wrt, first: int) -> Program:
    """The program with its cotangents nested and shaped as the arguments; the outputs before ``first`` stay first."""
    chosen = wrt if isinstance(wrt, tuple) else (wrt,)
    inputs = [i for i in program.inputs if i.path[0] in chosen and np.dtype(i.dtype).kind in "fc"]
    numbers = {id(nesting.get(arguments, i.path)): first + n for n, i in enumerate(inputs)}
    structures = [numbered(arguments[n], numbers) for n in chosen]
    structure = tuple(structures) if isinstance(wrt, tuple) else structures[0]
    units = ((),) * first + tuple(i.units for i in inputs)
    return replace(program, structure=(0, structure) if first else structure, output_units=units if any(units) else ())


def nested_by_path(program: Program, chosen: Sequence[Path], place: Callable[[Input], Path]) -> Program:
    """A derived program whose outputs stand as their inputs do under each of the chosen paths: lists and dicts."""
    numbers = {ref.name: n for n, ref in enumerate(program.outputs)}
    places = [i for i in program.inputs if "d" + i.ref.name in numbers]
    structures = []
    for start in chosen:
        tree: Any = None
        for declared in (i for i in places if place(i)[: len(start)] == start):
            tree = planted(tree, place(declared)[len(start) :], numbers["d" + declared.ref.name])
        structures.append(tree)
    return replace(program, structure=structures[0] if len(structures) == 1 else tuple(structures))


def planted(tree: Any, path: tuple[Any, ...], number: int) -> Any:
    """A tree of dicts with one more leaf; positions from 0 make lists when the tree is complete."""
    if not path:
        return number
    tree = {} if tree is None else tree
    step = path[0] if isinstance(path[0], int) else str(path[0])
    if isinstance(tree, list):
        tree = dict(enumerate(tree))
    tree[step] = planted(tree.get(step), path[1:], number)
    positions = range(len(tree))
    return [tree[k] for k in positions] if tree.keys() == set(positions) else tree


def numbered(value: Any, numbers: dict[int, int], around: frozenset[int] = frozenset()) -> Any:
    """Nested lists, tuples and dicts with the number of an output in the place of each array, None for the rest."""
    if id(value) in around:  # an object may hold its parent
        return None
    inner = around | {id(value)}
    if isinstance(value, list | tuple):
        items = [numbered(item, numbers, inner) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: numbered(item, numbers, inner) for key, item in value.items()}
    if hasattr(value, "__dict__") and not isinstance(value, np.ndarray | type | enum.Enum):
        return {key: numbered(item, numbers, inner) for key, item in vars(value).items()}
    return numbers.get(id(value))
