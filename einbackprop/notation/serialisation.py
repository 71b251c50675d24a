"""Programs as text that people can read and ``parse_program`` can read back, equal in every part.

    einbackprop program 1
    dimensions
      b = 5 "batch"
      gh = 4
    inputs
      W[h,g] : float64 at [0]['W']
    equations
      z[h,b] = Σ_g W[h,g] x[g,b]                   # "net.py" line 12 in "step" call 0: "z = W @ x"
    outputs
      z[h,b]
    structure
      0

Equations stand in the exact form of ``notation``, which ``equations`` reads.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.letters import letters_of
from ..core.nesting import Attribute
from ..core.program import Dimension, Equation, Input, Opaque, Program, Ref, Source, operands
from ..errors import NotationError
from .equations import Scanner, parse_equation, parse_letter, parse_name, parse_ref
from .index_notation import EXACT, equation_text, in_quotes, quoted
from .markup import text

HEADER = "einbackprop program 1"
SECTIONS = ("dimensions", "inputs", "constants", "equations", "outputs", "structure", "labels", "origins")
LARGEST_LIST = 1000  # larger constants are written as bytes
LISTED = [np.dtype(kind) for kind in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")]
LITERAL_ERRORS = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)


def format_program(program: Program) -> str:
    """The program as text. ``parse_program`` gives an equal program, the user's lines and constants included.

    Raises
    ------
    NotationError
        A constant holds objects, a letter is no letter, or a path or the structure is not made of Python literals.
    """
    sections: list[tuple[str, list[str]]] = [
        ("dimensions", [format_dimension(d) for d in program.dimensions]),
        ("inputs", [format_input(i) for i in program.inputs]),
        ("constants", [f"{quoted(n)} : {format_array(n, np.asarray(a))}" for n, a in program.constants.items()]),
        ("equations", [format_equation(equation) for equation in program.equations]),
        ("outputs", [format_output(ref, units) for ref, units in zip_units(program)]),
        ("structure", [literal(program.structure, "the structure")]),
        ("labels", [f"{quoted(name)} = {in_quotes(label)}" for name, label in program.labels.items()]),
        ("origins", [f"{quoted(name)} = {in_quotes(origin)}" for name, origin in program.origins.items()]),
    ]
    lines = [HEADER]
    for title, rows in sections:
        lines += [title, *(f"  {row}" for row in rows)] if rows else []
    return "\n".join(lines) + "\n"


def zip_units(program: Program) -> list[tuple[Ref, tuple[int, ...] | None]]:
    """Each output with its unit axes, None where the program states none for any."""
    if not program.output_units:
        return [(ref, None) for ref in program.outputs]
    return list(zip(program.outputs, program.output_units, strict=True))


def format_dimension(dimension: Dimension) -> str:
    """``gh = 4 "hidden"``."""
    if not dimension.letters.isalpha():
        raise NotationError(f"the letters of a dimension must be letters, not {dimension.letters!r}")
    return f"{dimension.letters} = {dimension.size}" + (f" {in_quotes(dimension.name)}" if dimension.name else "")


def format_ref(ref: Ref) -> str:
    """``W[k,j]``."""
    return text((EXACT.ref(ref),))


def format_input(declared: Input) -> str:
    """``b[k] : float32 units (1,) at [0]['b']``."""
    units = f" units {declared.units}" if declared.units else ""
    steps = [
        f".{quoted(step)}" if isinstance(step, Attribute) else f"[{literal(step, 'a path')}]" for step in declared.path
    ]
    return f"{format_ref(declared.ref)} : {declared.dtype}{units}" + (f" at {''.join(steps)}" if steps else "")


def format_output(ref: Ref, units: tuple[int, ...] | None) -> str:
    """``db[k] units (1,)``."""
    return format_ref(ref) + ("" if units is None else f" units {units}")


def format_equation(equation: Equation) -> str:
    """The equation, and where it stood in the user's code after ``#``."""
    line = equation_text(equation, EXACT)
    source = equation.source
    if source is None:
        return line
    file, code, function = (in_quotes(part) for part in (source.file, source.code, source.function))
    return f"{line:<50}  # {file} line {source.line} in {function} call {source.call}: {code}"


def literal(value: Any, what: str) -> str:
    """A value of nested Python literals as text."""
    written = repr(value)
    try:
        same = ast.literal_eval(written) == value
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        same = False
    if not same:
        raise NotationError(f"{what} must be made of numbers, strings, lists, tuples and dicts, not {written}")
    return written


def format_array(name: str, array: NDArray[Any]) -> str:
    """``int64 (3,) = [0, 1, 1]``; large or unusual ones as bytes in base 64."""
    if array.dtype.hasobject:
        raise NotationError(f"the constant {name} holds objects (dtype {array.dtype}), which cannot be written as text")
    head = f"{array.dtype.str} {array.shape}"
    if array.dtype in LISTED and array.size <= LARGEST_LIST:
        return f"{head} = {json.dumps(array.tolist())}"
    return f"{head} bytes {json.dumps(base64.b64encode(array.tobytes()).decode())}"


def parse_program(written: str) -> Program:
    """The program that ``format_program`` wrote.

    Raises
    ------
    NotationError
        The text is malformed, or what it says makes no program: a letter without a dimension, a value that is defined
        twice or nowhere. The message has the line, a caret, and what was expected.
    """
    reading = Reading()
    for number, line in enumerate(written.split("\n"), start=1):
        scanner = Scanner(line.removesuffix("\r"), number)
        if number == 1:
            scanner.expect(HEADER + "$", f"{HEADER!r}")
        elif line.startswith(" ") and line.strip():
            reading.row(scanner)
        elif line.strip():
            reading.title(scanner)
    return reading.program()


@dataclass
class Reading:
    """What was read of a program so far."""

    section: str = ""
    dimensions: list[Dimension] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    equations: list[Equation] = field(default_factory=list)
    outputs: list[Ref] = field(default_factory=list)
    units: list[tuple[int, ...]] = field(default_factory=list)
    structure: Any = 0
    labels: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)

    def title(self, scanner: Scanner) -> None:
        """Begin a section; they come in the order of ``SECTIONS``, each once at most."""
        remaining = SECTIONS[SECTIONS.index(self.section) + 1 if self.section else 0 :]
        match = scanner.sees(r"\w+$")
        if match is None or match[0] not in remaining:
            scanner.fail("one of " + ", ".join(remaining) if remaining else "nothing more")
        self.section = match[0]

    def row(self, scanner: Scanner) -> None:
        """Read one line of the section."""
        match self.section:
            case "dimensions":
                self.dimensions.append(parse_dimension(scanner, self.letters))
            case "inputs":
                declared = parse_input(scanner)
                self.define(scanner, declared.ref.name)
                self.inputs.append(declared)
                self.known_letters(scanner, declared.ref.indices)
            case "constants":
                name = parse_name(scanner)
                self.define(scanner, name)
                self.constants[name] = parse_array(scanner)
            case "equations":
                self.equation(scanner)
            case "outputs":
                self.output(scanner)
            case "structure":
                self.structure = parse_literal(scanner, scanner.text[scanner.at :].strip())
            case "labels" | "origins":
                name = parse_name(scanner)
                scanner.expect("=", "'='")
                (self.labels if self.section == "labels" else self.origins)[name] = scanner.string("a name in quotes")
            case _:
                scanner.fail("the title of a section, such as dimensions, at the start of the line")
        scanner.end()

    @property
    def letters(self) -> str:
        """Every letter that has a dimension."""
        return "".join(d.letters for d in self.dimensions)

    def define(self, scanner: Scanner, name: str) -> None:
        """A value is defined once."""
        if name in self.defined:
            scanner.at = 0
            scanner.fail(f"a value that is not defined yet; {name} is")
        self.defined.add(name)

    def known_letters(self, scanner: Scanner, letters: str) -> None:
        """Each letter has a dimension."""
        for letter in letters:
            if letter not in self.letters:
                scanner.at = max(scanner.text.find(letter), 0)
                scanner.fail(f"letters that have a dimension ({self.letters or 'none has'}), but {letter} has none")

    def known_value(self, scanner: Scanner, ref: Ref) -> None:
        """What is read was defined before."""
        if ref.name not in self.defined:
            scanner.at = max(scanner.text.rfind(ref.name), 0)
            scanner.fail(f"values that are defined above, but {ref.name} is not")

    def equation(self, scanner: Scanner) -> None:
        """Read an equation and what stands behind ``#``."""
        equation = parse_equation(scanner)
        if scanner.accept("#"):
            equation = replace(equation, source=parse_source(scanner))
        self.known_letters(scanner, letters_of(equation))
        for ref in operands(equation):
            self.known_value(scanner, ref)
        if not (isinstance(equation, Opaque) and equation.out.name in self.constants):
            self.define(scanner, equation.out.name)
        self.equations.append(equation)

    def output(self, scanner: Scanner) -> None:
        """Read an output; all of them have units or none has."""
        ref = parse_ref(scanner)
        self.known_value(scanner, ref)
        self.known_letters(scanner, ref.indices)
        units = scanner.accept("units")
        if units is not None:
            self.units.append(parse_integers(scanner))
        self.outputs.append(ref)
        if len(self.units) not in (0, len(self.outputs)):
            scanner.fail("units for every output, or for none")

    def program(self) -> Program:
        """The program, once everything is read."""
        return Program(
            tuple(self.inputs),
            tuple(self.equations),
            tuple(self.outputs),
            tuple(self.dimensions),
            self.constants,
            self.structure,
            tuple(self.units),
            self.labels,
            self.origins,
        )


def parse_dimension(scanner: Scanner, known: str) -> Dimension:
    """Read ``gh = 4 "hidden"``."""
    letters = ""
    while not scanner.accept("="):
        letter = parse_letter(scanner)
        if letter in letters + known:
            scanner.at -= 1
            scanner.fail(f"a letter that has no dimension yet; {letter} has one")
        letters += letter
    size = parse_integer(scanner)
    return Dimension(letters, size, scanner.string("a name") if scanner.sees('"') else "")


def parse_integer(scanner: Scanner) -> int:
    """Read a whole number."""
    start = scanner.at
    digits = scanner.expect(r"\d+", "a whole number")
    try:
        return int(digits)
    except ValueError:
        scanner.at = start
        scanner.fail("a shorter number")


def parse_integers(scanner: Scanner) -> tuple[int, ...]:
    """Read a tuple of whole numbers, ``(1,)``."""
    scanner.expect(r"\(", "'('")
    numbers: list[int] = []
    while not scanner.accept(r"\)"):
        if numbers:
            scanner.expect(",", "',' or ')'")
            if scanner.accept(r"\)"):
                break
        numbers.append(parse_integer(scanner))
    return tuple(numbers)


def parse_input(scanner: Scanner) -> Input:
    """Read ``b[k] : float32 units (1,) at [0]['b']``."""
    ref = parse_ref(scanner)
    scanner.expect(":", "':'")
    dtype = parse_dtype(scanner)
    units = parse_integers(scanner) if scanner.accept(r"units\b") else ()
    steps: list[Any] = []
    if scanner.accept(r"at\b"):
        while scanner.sees(r"[\[.]"):
            if scanner.accept(r"\."):
                steps.append(Attribute(parse_name(scanner, "an attribute")))
            else:
                steps.append(parse_step(scanner))
    return Input(ref, dtype, tuple(steps), units)


def parse_step(scanner: Scanner) -> Any:
    """Read ``[2]`` or ``['W']``: up to the first bracket that makes it a literal."""
    scanner.expect(r"\[", "'['")
    close = scanner.text.find("]", scanner.at)
    while close >= 0:
        try:
            value = ast.literal_eval(scanner.text[scanner.at : close])
        except LITERAL_ERRORS:
            close = scanner.text.find("]", close + 1)
            continue
        scanner.at = close + 1
        return value
    scanner.fail("a number or string as in Python, then ']'")


def parse_literal(scanner: Scanner, written: str) -> Any:
    """A Python literal, which the rest of the line is."""
    try:
        value = ast.literal_eval(written)
    except LITERAL_ERRORS:
        scanner.skip()
        scanner.fail("numbers, strings, lists, tuples and dicts as in Python")
    scanner.at = len(scanner.text)
    return value


def parse_dtype(scanner: Scanner) -> str:
    """Read the name of a dtype."""
    start = scanner.at
    name = scanner.expect(r"[<>|=]?\w+(?:\[\w+\])?", "the name of a dtype, such as float64")
    try:
        np.dtype(name)
    except (TypeError, ValueError, DeprecationWarning):
        scanner.at = start
        scanner.skip()
        scanner.fail("the name of a dtype, such as float64")
    return name


def parse_array(scanner: Scanner) -> NDArray[Any]:
    """Read ``: int64 (3,) = [0, 1, 1]``."""
    scanner.expect(":", "':'")
    dtype = np.dtype(parse_dtype(scanner))
    shape = parse_integers(scanner)
    as_bytes = scanner.accept(r"bytes\b") is not None
    if not as_bytes:
        scanner.expect("=", "'=' or 'bytes'")
    scanner.skip()
    start = scanner.at
    try:
        value, scanner.at = json.JSONDecoder().raw_decode(scanner.text, start)
        if as_bytes:
            return np.frombuffer(base64.b64decode(value, validate=True), dtype).reshape(shape).copy()
        return np.array(value, dtype).reshape(shape)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        scanner.at = start
        scanner.fail(f"the data of an array of dtype {dtype} and shape {shape}")


def parse_source(scanner: Scanner) -> Source:
    """Read ``"net.py" line 12 in "step" call 0: "z = W @ x"``."""
    file = scanner.string("the name of a file in quotes")
    scanner.expect("line", "'line'")
    line = parse_integer(scanner)
    scanner.expect("in", "'in'")
    function = scanner.string("the name of a function in quotes")
    scanner.expect("call", "'call'")
    call = parse_integer(scanner)
    scanner.expect(":", "':'")
    return Source(file, line, scanner.string("the code in quotes"), function, call)
