"""``source``: a program as straight-line Python that people can read, paste and run.

One equation a line, each with its index notation as a comment; in a derived program under the forward equation that it
was derived from. ``statements`` writes the lines; here is the function around them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core import simplification
from ..core.letters import uses_of
from ..core.program import Contract, Equation, Opaque, Program, Sum, operands
from ..core.recurrences import Recurrence, carried, plain
from ..core.visible import shown
from ..errors import NotationError
from ..notation.index_notation import View, equation_text
from ..notation.view import code
from . import statements, unpacking
from .engines import ENGINES, NUMPY, Engine, Target
from .helpers import HELPERS
from .literals import RESERVED, Identifiers, comment, literal
from .loops import Loops
from .scope import Scope, dtypes_of

WIDTH = 100
INDENT = "    "
STRING = re.compile(r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'""")


def source(
    program: Program,
    name: str = "backward",
    einsum: Literal["np.einsum", "eb.einsum"] = "np.einsum",
    arguments: Sequence[str] = (),
    target: Target = "numpy",
) -> str:
    """A program as the source of a Python function.

    Parameters
    ----------
    program : Program
        Its inputs say by their paths how the arguments are nested; where they have none, each is an argument.
    name : str
    einsum : 'np.einsum' or 'eb.einsum'
        What contracts. Where NumPy does, products of matrices go through a helper, ``einsum``, above the function:
        ``np.einsum`` with the same subscripts, on BLAS.
    arguments : sequence of str
        What to call the arguments that are lists, dicts or objects of arrays, by position.
    target : 'numpy', 'jax' or 'torch'
        What runs it. For JAX nothing is written into an array, so that it runs under ``jax.jit``, and rounds that go on
        with the one before are a ``lax.scan``; give it 64-bit arrays where they are wanted
        (``jax.config.update("jax_enable_x64", True)``).

    Returns
    -------
    str
        Imports, constants, and the function. It returns the outputs as ``program.structure`` nests them, keeps float32,
        and takes arrays of other sizes where the program does. Labels that pick positions must be positions.

    Raises
    ------
    NotationError
        ``name`` is no identifier, the arguments' paths contradict one another, or there is no such target.
    """
    program = needed(program)
    scope = scope_of(program, name, einsum, target)
    parameters, containers = unpacking.parameters(unpacking.tree(program), arguments, scope)
    body = equations(program, scope)
    claims = claim_lines(program, scope)
    sizes, sizing = size_lines(program, scope)
    checks, checked = held_lines(program, scope)
    sizes, sizing = checks + sizes + claims + guard_lines(scope), sizing | checked
    sizes = [f"# where {comment(condition)}" for condition in program.conditions] + sizes
    scope.at_hand = used = used_names(program) | sizing | (scope.followed & {i.ref.name for i in program.inputs})
    returned = nested(program.structure, program, scope)
    opening = [line for name, node in containers for line in unpacking.unpack(name, node, used, scope)]
    opening += input_lines(program, used, scope) + sizes
    lines = opening + ([""] if opening and body else []) + body + [f"return {returned}"]
    return assemble(f"def {name}({', '.join(parameters)}):", lines, scope)


def scope_of(program: Program, name: str, einsum: str, target: str = "numpy") -> Scope:
    """The scope of the function, with an identifier for each value."""
    if type(name) is not str or not name.isidentifier() or name in RESERVED or name in HELPERS:
        raise NotationError(f"the function's name must be an identifier that is not in use, not {shown(name)}")
    if einsum not in ("np.einsum", "eb.einsum"):
        raise NotationError(f"einsum must be 'np.einsum' or 'eb.einsum', not {shown(einsum)}")
    if target not in ENGINES:
        raise NotationError(f"target must be 'numpy', 'jax' or 'torch', not {shown(target)}")
    if target != "numpy" and einsum != "np.einsum":
        raise NotationError(f"{einsum} contracts NumPy's arrays: for {target} leave einsum out")
    identifiers = Identifiers([name, *HELPERS])
    values = [*program.constants, *(i.ref.name for i in program.inputs), *program.defining()]
    names = {value: identifiers.take(value) for value in dict.fromkeys(values)}
    dtypes, swapped, like = dtypes_of(program)
    return Scope(program, einsum, names, dtypes, swapped, identifiers, like, engine=ENGINES[target])


def needed(program: Program) -> Program:
    """The program without the equations and constants that no output in the structure needs."""
    alone = [replace(e, operands=()) if isinstance(e, Opaque) else e for e in program.equations]  # its value is kept
    kept = simplification.needed(alone, {program.outputs[number].name for number in numbers(program.structure)})
    wanted = {ref.name for equation in kept for ref in operands(equation)} | {e.out.name for e in kept}
    wanted |= {program.outputs[number].name for number in numbers(program.structure)}
    constants = {name: array for name, array in program.constants.items() if name in wanted}
    return plain(replace(program, equations=tuple(kept), constants=constants))


def numbers(structure: Any) -> Iterator[int]:
    """The outputs that a structure holds."""
    match structure:
        case bool():
            pass
        case int():
            yield structure
        case list() | tuple():
            for item in structure:
                yield from numbers(item)
        case dict():
            for item in structure.values():
                yield from numbers(item)


def used_names(program: Program) -> set[str]:
    """The values that equations or outputs read."""
    read = {ref.name for e in program.equations if not isinstance(e, Opaque) for ref in operands(e)}
    return read | {program.outputs[number].name for number in numbers(program.structure)}


def equations(program: Program, scope: Scope) -> list[str]:
    """The lines of all equations; those derived from one forward equation stand together under it."""
    defining = program.defining()
    scope.inlined = inlined(program)
    before: str | None = None

    def lines_of(equation: Equation, write: Callable[[], None]) -> list[str]:
        """The lines of one equation, under the forward one that it was derived from."""
        nonlocal before
        origin = program.origins.get(equation.out.name)
        forward = defining.get(origin) if origin is not None else None
        lines: list[str] = []
        if origin != before:
            lines = ["", *([f"# {comment(equation_text(forward, view))}"] if forward is not None else [])]
        before = origin
        scope.lines = []
        write()
        vectors = [] if loops.depth else [scope.vectors.pop(0) for _ in [*scope.vectors]]
        said = "# " + comment(equation_text(equation, view))
        *first, last = scope.lines or [""]
        together = f"{last}  {said}".lstrip()
        is_long = bool(first) or len(together) > WIDTH - (1 + loops.depth) * len(INDENT)
        return [*lines, *vectors, *([said, *first, *([last] if last else [])] if is_long else [together])]

    loops = Loops(program, scope, lines_of)
    scope.inlined = {name: equation for name, equation in scope.inlined.items() if name not in loops.carries}
    own = View.of(program)
    inline, taken = {**scope.inlined, **loops.skipped}, own.taken | set(scope.names.values())
    view = View(scope.names, inline, taken, places=own.places, alike=own.alike)
    lines: list[str] = []
    for block in loops.blocks:
        if isinstance(block, Recurrence):
            made = loops.lines(block)
            lines += [*scope.vectors, *made]
            scope.vectors = []
        elif block.out.name not in scope.inlined and block.out.name not in loops.skipped:
            lines += lines_of(block, partial(statements.write, block, scope))
    while lines and not lines[0]:
        del lines[0]
    return [*lines, ""] if before is not None else lines


def inlined(program: Program) -> dict[str, Equation]:
    """Sums such as ``1 - h`` that one product reads, and that may stand in its einsum."""
    uses = uses_of(program.equations, program.outputs)
    products = [e for e in program.equations if isinstance(e, Contract) and len(e.operands) > 1 and not e.brackets]
    read = {ref.name for equation in products for ref in equation.operands if uses[ref.name] == 1}
    return {
        e.out.name: e
        for e in program.equations
        if isinstance(e, Sum) and e.out.name in read and e.out.name not in program.labels
        if len(e.terms) == 2 and all(ref is None or ref.indices == e.out.indices for _, ref in e.terms)
        if any(ref is not None for _, ref in e.terms)
    }


def size_lines(program: Program, scope: Scope) -> tuple[list[str], set[str]]:
    """The lines that read sizes from the inputs, and the inputs that they read."""
    used = used_names(program)
    lines, sizing = [], set()
    for dimension in program.dimensions:
        if dimension.letters in scope.used_sizes:
            given = [i for i in program.inputs if set(i.ref.indices) & set(dimension.letters)]
            chosen = next((i for i in given if i.ref.name in used), given[0])
            axis = next(n for n, letter in enumerate(chosen.ref.indices) if letter in dimension.letters)
            sizing.add(chosen.ref.name)
            lines.append(f"{scope.used_sizes[dimension.letters]} = {scope.names[chosen.ref.name]}.shape[{axis}]")
    return lines, sizing


def held_lines(program: Program, scope: Scope) -> tuple[list[str], set[str]]:
    """The lines that refuse sizes and layouts for which the program does not hold, and the inputs that they look at."""
    used = used_names(program)
    lines, looked = [], set()
    for letter, reason in {**scope.held, **program.held}.items():
        given = [i for i in program.inputs if letter in i.ref.indices]
        if not given:
            continue
        chosen = next((i for i in given if i.ref.name in used), given[0])
        looked.add(chosen.ref.name)
        size = f"{scope.names[chosen.ref.name]}.shape[{chosen.ref.indices.index(letter)}]"
        told = literal(f"{size} must be {program.sizes[letter]}: {comment(reason)}")
        lines += [f"if {size} != {program.sizes[letter]}:", f"{INDENT}raise ValueError({told})"]
    for name, order in program.laid.items() if scope.engine.has_strides else ():
        own = scope.names[name]
        looked.add(name)
        other = f"not {own}.flags.{order.lower()}_contiguous" if isinstance(order, str) else f"{own}.strides != {order}"
        told = literal(f"{own} must lie in memory as when this was read: a view or a copy of it is written to")
        lines += [f"if {other}:", f"{INDENT}raise ValueError({told})"]
    return lines, looked


def claim_lines(program: Program, scope: Scope) -> list[str]:
    """The lines that refuse sizes that are not the expressions of others that they must be."""
    lines = []
    for first, second, reason in program.claims:
        one, other = first.code(scope.size), second.code(scope.size)
        told = literal(f"{one} must be {other}: {comment(reason)}")
        lines += [f"if {one} != {other}:", f"{INDENT}raise ValueError({told})"]
    return lines


def guard_lines(scope: Scope) -> list[str]:
    """The lines that refuse sizes at which a slice or a count does not fit."""
    lines = []
    for condition, reason in scope.guards.items():
        told = literal(f"these sizes are too small: {comment(reason)}")
        lines += [f"if {condition}:", f"{INDENT}raise ValueError({told})"]
    return lines


def input_lines(program: Program, used: set[str], scope: Scope) -> list[str]:
    """The lines that drop axes of size 1 without a letter, and that make arrays of numbers."""
    lines = []
    # a counter of JAX's loops is no number, and no index into an array of NumPy
    in_rounds = not scope.engine.writes and bool(carried(program.equations))
    for given in program.inputs:
        name, units = scope.names[given.ref.name], given.units
        if in_rounds and given.ref.name in used and given.ref.indices:
            lines.append(f"{name} = np.asarray({name})")
        if given.ref.name in used and units:
            lines.append(f"{name} = {name}.squeeze({units[0] if len(units) == 1 else units})")
        elif given.ref.name in used and not given.ref.indices:
            lines.append(f"{name} = {scope.engine.number(name, np.dtype(given.dtype))}")
    return lines


def nested(structure: Any, program: Program, scope: Scope) -> str:
    """The outputs as the structure nests them; a tuple that is returned needs no parentheses."""
    text = structure_text(structure, program, scope)
    return text[1:-1] if isinstance(structure, tuple) and len(structure) > 1 else text


def structure_text(structure: Any, program: Program, scope: Scope) -> str:
    """A nested structure as an expression."""
    match structure:
        case bool() | None | str() | float():
            return literal(structure)
        case int():
            return output(structure, program, scope)
        case list() | tuple():
            items = ", ".join(structure_text(item, program, scope) for item in structure)
            end = "," if isinstance(structure, tuple) and len(structure) == 1 else ""
            return f"[{items}]" if isinstance(structure, list) else f"({items}{end})"
        case dict():
            pairs = [f"{literal(key)}: {structure_text(value, program, scope)}" for key, value in structure.items()]
            return f"{{{', '.join(pairs)}}}"
        case _:
            raise NotationError(f"outputs are nested in lists, tuples and dicts, not in {type(structure).__name__}")


def output(number: int, program: Program, scope: Scope) -> str:
    """An output as an expression, its axes of size 1 included."""
    text = of_its_dtype(program.outputs[number].name, program, scope)
    units = program.output_units[number] if program.output_units else ()
    return scope.engine.expanded(text, units) if units else text


def of_its_dtype(name: str, program: Program, scope: Scope) -> str:
    """A value by its name; a gradient of whole numbers alone in the dtype of what it belongs to."""
    owner = next((i for i in program.inputs if name == "d" + i.ref.name), None) if program.origins else None
    wanted = np.dtype(owner.dtype) if owner is not None else scope.dtypes[name]
    if owner is None or scope.dtypes[name].kind not in "biu" or wanted.kind not in "fc":
        return scope.names[name]
    return f"{scope.names[name]}.astype({scope.dtype(wanted, [n for n in [owner.ref.name] if n in scope.at_hand])})"


# Layout


def assemble(head: str, lines: list[str], scope: Scope) -> str:
    """The whole text."""
    text: list[str] = []
    engine = scope.engine
    constants = [f"{scope.names[name]} = {array_code(np.asarray(a), engine)}"
                 for name, a in scope.program.constants.items()]  # fmt: skip
    text += [""] * bool(constants) + [row for line in constants for row in wrapped(engine.translated(line))]
    for helper in sorted(scope.helpers):
        text += ["", *{**HELPERS, **engine.helpers}[helper].rstrip().split("\n")]
    text += ["", "", *wrapped(head)]
    meaning = [f"{', '.join(d.letters)} {d.name}" for d in scope.program.dimensions if d.name]
    text += [f"{INDENT}# {comment(',  '.join(meaning))}"] if meaning else []
    for line in lines:
        text += [INDENT + row if row else row for row in wrapped(engine.translated(line), WIDTH - len(INDENT))]
    body = "\n".join(text) + "\n"
    imports = [f"{line}\n" for name, line in engine.imports.items() if re.search(rf"\b{name}\.", body)]
    apart = "\n" if engine is NUMPY else ""  # einbackprop may be the first party
    return apart.join(imports) + body if imports else body.lstrip("\n")


def array_code(array: NDArray[Any], engine: Engine) -> str:
    """A constant array as an expression."""
    dtype = f"np.{array.dtype.name}" if array.dtype.kind != "b" else engine.dtype(array.dtype)
    if array.dtype.kind not in "biufc":
        raise NotationError(f"a constant of dtype {array.dtype} cannot be written as source")
    if array.size > 1 and (array == array.flat[0]).all():
        return f"np.full({array.shape}, {element(array.flat[0])}, dtype={dtype})"
    if array.size == 0:
        return f"np.zeros({array.shape}, dtype={dtype})"
    return f"np.array({elements(array)}, dtype={dtype})"


def elements(array: NDArray[Any]) -> str:
    """Nested lists of numbers, every digit written."""
    return element(array[()]) if array.ndim == 0 else f"[{', '.join(elements(item) for item in array)}]"


def element(value: Any) -> str:
    """One number of an array."""
    item = value.item()
    return repr(item) if isinstance(item, bool | int) else code(item)


def wrapped(line: str, width: int = WIDTH) -> list[str]:
    """A statement on as many lines as it needs, broken after commas inside brackets; comments at spaces."""
    if len(line) <= width:
        return [line]
    margin = line[: len(line) - len(line.lstrip())]
    mark, joint = (f"{margin}#   ", " ") if line.lstrip().startswith("#") else (margin + INDENT, ", ")
    rows, row = [], ""
    for piece in pieces(line, joint):
        if row and len(row) + len(piece) > width:
            rows.append(row.rstrip())
            row = mark
        row += piece
    return [*rows, row]


def pieces(line: str, joint: str) -> list[str]:
    """The line cut where it may be broken: a comma in a string, or outside of brackets, is no such place."""
    cuts, depth, start, at = [], 0, 0, 0
    while at < len(line):
        literal_here = STRING.match(line, at) if joint == ", " else None
        if literal_here is not None:
            at = literal_here.end()
            continue
        depth += (line[at] in "([{") - (line[at] in ")]}")
        if line.startswith(joint, at) and (depth or joint == " "):
            cuts.append(line[start : at + len(joint)])
            start = at + len(joint)
        at += 1
    return [*cuts, line[start:]]
