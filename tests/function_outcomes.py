"""What becomes of a drawn function: NumPy's values, or what differs, everywhere that it runs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from drawn_functions import Drawn, sizes_for

import einbackprop as eb
from einbackprop.core import nesting
from einbackprop.core.interpretation import run
from einbackprop.core.program import Opaque, Program
from einbackprop.errors import EinbackpropError, ShapeError
from einbackprop.plans.gradients import filled

TOLD = re.compile("^ValueError: .*( must be |sizes are too small: )")
"""How emitted source refuses sizes and layouts."""

Outcome = tuple[str, str]
"""A kind, such as ``right`` or ``refused``, and more of it."""


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The numbers and arrays of nested results."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from flat(item, f"{path}[{n}]")
    elif value is not None:
        yield path, np.asarray(value)


def difference(found: Any, expected: Any, close: float) -> str:
    """What differs, if anything."""
    pairs, wanted = dict(flat(found)), dict(flat(expected))
    if pairs.keys() != wanted.keys():
        return f"holds {list(pairs)}, not {list(wanted)}"
    for path, own in pairs.items():
        known = wanted[path]
        if own.shape != known.shape:
            return f"{path} has shape {own.shape}, not {known.shape}"
        scale = float(np.max(np.abs(known[np.isfinite(known)]), initial=1.0))
        if not np.allclose(own, known, rtol=close, atol=close * scale, equal_nan=True):
            return f"{path} is {own}, not {known}"
    return ""


def rounding(drawn: Drawn) -> float:
    """How close values are; where the function goes through float32, that rounding is not followed."""
    return 1e-5 if "float32" in drawn.source else 1e-8


def executed(source: str) -> Callable[..., Any]:
    """The function that emitted source defines; it takes no number and no word after the arrays."""
    space: dict[str, Any] = {}
    exec(source, space)
    return lambda *arguments: space["backward"](*arguments[:-2])


def interpreted(program: Program, arguments: Sequence[Any]) -> Any:
    """What the interpreter makes of a program."""
    outputs = run(program, [nesting.get(arguments, i.path) for i in program.inputs])
    return filled(program.structure, outputs)


def moderate(value: Any) -> bool:
    """Whether results are numbers of moderate size."""
    return all(np.isfinite(array).all() and np.abs(array).max(initial=0) < 1e6 for _, array in flat(value))


def called(function: Callable[..., Any], arguments: Any) -> tuple[Any, str]:
    """What a function returns, or what it raises."""
    try:
        return function(*nesting.duplicate(arguments)), ""
    except Exception as error:  # of code that is drawn
        return None, f"{type(error).__name__}: {error}"


def outcomes(drawn: Drawn, gradients: bool) -> Iterator[Outcome]:
    """All that can be said of a drawn function."""
    own, others = sizes_for(drawn.seed)
    f, arguments = drawn.space["f"], drawn.arguments(own)
    expected, wrong = called(f, arguments)
    if wrong or not moderate(expected):
        yield "not drawn", wrong
        return
    try:
        program = eb.trace(f, *nesting.duplicate(arguments))
    except EinbackpropError as error:
        yield "refused", str(error)
        return
    opaque = [e.reason for e in program.equations if isinstance(e, Opaque)]
    if opaque:
        yield "unread", opaque[0]
    yield from values(drawn, program, expected, arguments)
    if gradients:
        yield from slopes(drawn, arguments, others)


def values(drawn: Drawn, program: Program, expected: Any, arguments: Any) -> Iterator[Outcome]:
    """The interpreter's, the compiled function's and the source's, here and at other values and sizes."""
    f, close = drawn.space["f"], rounding(drawn)
    yield said("interpreted", difference(interpreted(program, arguments), expected, close))
    own, others = sizes_for(drawn.seed)
    source = executed(eb.source(program))
    yield said("emitted", difference(source(*nesting.duplicate(arguments)), expected, close))
    compiled, why = tried(lambda: eb.compile(f, *nesting.duplicate(arguments)))
    if compiled is None:
        yield "not compiled", why
    else:
        yield said("compiled", difference(compiled(*nesting.duplicate(arguments)), expected, close))
    for n, sizes in enumerate([own, *others]):
        given = drawn.arguments(sizes, values=1)
        known, wrong = called(f, given)
        if wrong or not moderate(known) or (program.conditions or why):
            continue
        found, raised = called(source, given)
        if raised:
            yield ("told" if TOLD.search(raised) else "bare"), raised
        else:
            yield said(f"emitted, {'other values' if not n else 'other sizes'}", difference(found, known, close))
        if compiled is not None:
            found, raised = called(compiled, given)
            if raised and not n:
                yield "compiled raises", raised
            elif not raised:
                yield said("compiled, other values", difference(found, known, close))
            elif not raised.startswith(ShapeError.__name__):
                yield "compiled raises", raised


def tried(make: Callable[[], Any]) -> tuple[Any, str]:
    """What is made, or why it is refused or only made with a warning."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            made = make()
        except EinbackpropError as error:
            return None, str(error)
    kept = [str(w.message) for w in told if "keeps to that" in str(w.message)]
    return made, kept[0] if kept else ""


def said(where: str, what: str) -> Outcome:
    """``right``, or where it differs."""
    return (f"differs: {where}", what) if what else ("right", where)


def slopes(drawn: Drawn, arguments: Any, others: Any) -> Iterator[Outcome]:
    """Gradients: eager, compiled, and as emitted source, held against differences; at other sizes too."""
    loss = drawn.space["loss"]
    gradient = eb.grad(loss, wrt=drawn.wrt)
    try:
        found = gradient(*nesting.duplicate(arguments))
        compiled = eb.compile(gradient, *nesting.duplicate(arguments))(*nesting.duplicate(arguments))
        text = eb.source(eb.derive(loss, *nesting.duplicate(arguments), wrt=drawn.wrt))
        source = executed(text)
        emitted = source(*nesting.duplicate(arguments))
    except EinbackpropError as error:
        yield "no gradient", str(error)
        return
    yield judged("gradient", drawn, arguments, found)
    yield judged_by_torch(drawn, arguments, found)
    yield said("compiled gradient", difference(compiled, found, 10 * rounding(drawn)))
    yield said("emitted gradient", difference(emitted, found, 10 * rounding(drawn)))
    for sizes in others[:2]:
        given = drawn.arguments(sizes, values=1)
        value, raised = called(loss, given)
        if raised or not moderate(value) or "# where `" in text:
            continue
        emitted, raised = called(source, given)
        if raised:
            yield ("told" if TOLD.search(raised) else "bare"), raised
            continue
        known, raised = called(gradient, given)
        if raised:
            yield "no gradient", raised
        elif any(np.isnan(array).any() for _, array in flat(emitted)):
            yield "nan", "the emitted gradient is nan at other values"
        else:
            yield said("emitted gradient, other sizes", difference(emitted, known, 10 * rounding(drawn)))


def judged_by_torch(drawn: Drawn, arguments: Any, found: Any) -> Outcome:
    """A gradient against PyTorch's, where that runs every line and has NumPy's value."""
    if find_spec("torch") is None:
        return "unjudged", "PyTorch is not installed"
    import torch_numpy

    held = differentiated(drawn, arguments)
    try:
        value, theirs = torch_numpy.gradients(drawn.source, arguments, [leaf for _, leaf in held])
    except Exception as error:  # what PyTorch cannot do is all sorts
        return "unjudged", f"{type(error).__name__}: {error}"
    if not np.isclose(value, drawn.space["loss"](*nesting.duplicate(arguments)), rtol=1e-9):
        return "unjudged", "the value is another"
    given = found if isinstance(drawn.wrt, tuple) else (found,)
    ours = [nesting.get(given, (path[0] if isinstance(drawn.wrt, tuple) else 0, *path[1:])) for path, _ in held]
    # Where 0 meets infinity (the slope of a root at 0) PyTorch has nan: differences alone judge there.
    theirs = [np.where(np.isnan(their), own, their) for own, their in zip(ours, map(np.asarray, theirs), strict=True)]
    return said("gradient by PyTorch", difference(ours, theirs, 10 * rounding(drawn)))


def differentiated(drawn: Drawn, arguments: Any) -> list[tuple[Any, Any]]:
    """The arrays that gradients are taken by, and where they stand."""
    chosen = drawn.wrt if isinstance(drawn.wrt, tuple) else (drawn.wrt,)
    return [(path, leaf) for path, leaf in nesting.leaves(arguments) if path[0] in chosen]


def judged(where: str, drawn: Drawn, arguments: Any, found: Any) -> Outcome:
    """A gradient against differences along some directions, but for kinks."""
    chosen = drawn.wrt if isinstance(drawn.wrt, tuple) else (drawn.wrt,)
    given = found if isinstance(drawn.wrt, tuple) else (found,)
    held = differentiated(drawn, arguments)
    slopes = [nesting.get(given, (chosen.index(path[0]), *path[1:])) for path, _ in held]
    rng = np.random.default_rng(drawn.seed)
    for _ in range(3):
        along = [rng.normal(size=leaf.shape) * (rng.random() < 0.6) for _, leaf in held]

        def at(step: float, along: Any = along) -> float:
            moved = nesting.duplicate(arguments)
            for (path, leaf), change in zip(held, along, strict=True):
                nesting.get(moved, path)[...] = leaf + step * change
            return float(drawn.space["loss"](*moved))

        h = 2e-5
        wide, near = (at(h) - at(-h)) / (2 * h), (at(h / 2) - at(-h / 2)) / h
        here, ahead, behind = at(0), at(h), at(-h)
        scale = 1 + sum(float(np.abs(s * a).sum()) for s, a in zip(slopes, along, strict=True))
        bent = abs(ahead + behind - 2 * here) / h
        if abs(wide - near) > 1e-5 * scale or bent > 1e-2 * scale:
            continue  # a kink
        own = sum(float(np.sum(s * a)) for s, a in zip(slopes, along, strict=True))
        if not abs(own - near) < 2e-5 * scale + 1e-9 * abs(here) / h:
            return f"differs: {where}", f"{own} along a direction, not {near}"
    return "right", where
