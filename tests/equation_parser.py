"""Equations from their text, for tests: index notation as ``notation`` prints it.

What text leaves open is written out here: a size is ``|b|``, a function stands under its own name (``power(x; 2)``),
``+ x[i]`` is a sum of one term.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NoReturn, cast

from einbackprop.core.letters import summed
from einbackprop.core.program import (
    ONE,
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Map,
    Number,
    Opaque,
    Position,
    Ref,
    Relation,
    Sum,
    Update,
)
from einbackprop.notation.markup import VULGAR

RESERVED = re.compile(r"(Σ|max|min|argmax|argmin)(_.*)?|inf|nan|of|at|where|elsewhere|held|no|not|[½⅓⅔¼¾]", re.DOTALL)
NUMBER = re.compile(r"[½⅓⅔¼¾]|\([^()]*j\)|(?:nan|inf)\b|\d+/\d+|\d+(?:\.\d+)?(?:e[+-]?\d+)?")
WHOLE = re.compile(r"\d+(?:/\d+)?")
POWER = re.compile(r"⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+|\^\((-?\d+/\d+)\)")
EXTREMUM = re.compile(r"(?:held )?(?:\w of )?(?:arg)?(?:max|min)(?:_\w+)? ")
LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


@dataclass
class Scanner:
    """A line of text and how far it was read."""

    text: str
    at: int = 0

    def fail(self, expected: str) -> NoReturn:
        """Raise the error that something else was expected here."""
        raise ValueError(f"expected {expected}\n    {self.text}\n    {' ' * self.at}^")

    def skip(self) -> None:
        """Go past spaces."""
        while self.text.startswith(" ", self.at):
            self.at += 1

    def sees(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        """The match of a regular expression after any spaces; nothing else is read."""
        self.skip()
        return re.compile(pattern).match(self.text, self.at)

    def accept(self, pattern: str | re.Pattern[str]) -> str | None:
        """Read what matches, if anything does."""
        match = self.sees(pattern)
        if match is None:
            return None
        self.at = match.end()
        return match[0]

    def expect(self, pattern: str | re.Pattern[str], expected: str) -> str:
        """Read what matches, or fail."""
        found = self.accept(pattern)
        return self.fail(expected) if found is None else found

    def end(self) -> None:
        """Fail unless everything was read."""
        self.skip()
        if self.at < len(self.text):
            self.fail("the end of the line")


def parse_equation(scanner: Scanner) -> Equation:
    """Read one equation, as far as it goes.

    Examples
    --------
    >>> parse_equation(Scanner("z[i,b] = Σ_j W[i,j] x[j,b]")).operands
    (Ref(name='W', indices='ij'), Ref(name='x', indices='jb'))
    """
    out = parse_ref(scanner)
    scanner.expect("=", "'='")
    if scanner.accept("not read"):
        return parse_opaque(scanner, out)
    if scanner.sees(r"[^\W\d]\w*\("):
        return parse_map(scanner, out)
    if scanner.sees(EXTREMUM):
        return parse_extremum(scanner, out)
    if scanner.sees(r"\+"):
        return parse_sum(scanner, out)
    start = scanner.at
    first = parse_product(scanner)
    if scanner.sees("[+-]"):
        scanner.at = start
        return parse_sum(scanner, out)
    if scanner.sees(r"at\b|where\b|,"):
        scanner.at = start
        return parse_update(scanner, out)
    return parse_contract(scanner, out, *first)


def parse_name(scanner: Scanner, expected: str = "a name") -> str:
    """Read an identifier."""
    match = scanner.sees(r"\w+")
    if match is None or not match[0].isidentifier() or RESERVED.fullmatch(match[0]):
        scanner.fail(expected)
    scanner.at = match.end()
    return match[0]


def parse_letter(scanner: Scanner) -> str:
    """Read one letter."""
    match = scanner.sees(r"\w")
    if match is None or not match[0].isalpha():
        scanner.fail("a letter")
    scanner.at = match.end()
    return match[0]


def parse_ref(scanner: Scanner, expected: str = "a name") -> Ref:
    """Read a name and, where ``[`` follows at once, its letters."""
    name = parse_name(scanner, expected)
    if not scanner.text.startswith("[", scanner.at):
        return Ref(name)
    scanner.at += 1
    indices = ""
    while not scanner.accept(r"\]"):
        if indices:
            scanner.expect(",", "',' or ']'")
        indices += parse_letter(scanner)
    return Ref(name, indices)


def starts_ref(scanner: Scanner) -> bool:
    """Whether a name comes next."""
    match = scanner.sees(r"\w+")
    return match is not None and match[0].isidentifier() and not RESERVED.fullmatch(match[0])


def parse_sized(scanner: Scanner, pattern: re.Pattern[str]) -> Number | None:
    """Read a number, if one comes next."""
    found = scanner.accept(pattern)
    return None if found is None else parse_number(found)


def parse_number(text: str) -> Number:
    """The number that a text is, without its sign; a decimal is the float that it is read as."""
    if text in VULGAR:
        return VULGAR[text]
    if text in ("nan", "inf"):
        return float(text)
    if text.startswith("("):
        return complex(text)
    if any(c in text for c in ".e"):
        value = float(text)
        return Fraction(value) if math.isfinite(value) else value
    return Fraction(text)


def parse_sizes(scanner: Scanner, first: bool) -> tuple[tuple[str, int | Fraction], ...]:
    """Read sizes with their powers, ``|b|·|k|⁻¹``; a dot may stand before each but the ``first``."""
    sizes: list[tuple[str, int | Fraction]] = []
    while scanner.accept(r"\|" if first and not sizes else r"·?\|"):
        letter = parse_letter(scanner)
        scanner.expect(r"\|", "'|'")
        power = scanner.accept(POWER)
        sizes.append((letter, parse_power(power)))
    return tuple(sizes)


def parse_power(power: str | None) -> int | Fraction:
    """The number that a raised exponent is."""
    if power is None:
        return 1
    return Fraction(power[2:-1]) if power.startswith("^") else int(power.translate(LOWERED))


def parse_factor(scanner: Scanner) -> Factor:
    """Read a signed factor; nothing is a factor of 1."""
    negative = scanner.accept("-") is not None
    number = parse_sized(scanner, NUMBER)
    factor = Factor(Fraction(1) if number is None else number, parse_sizes(scanner, number is None))
    return -factor if negative else factor


def parse_product(scanner: Scanner) -> tuple[Factor, str, list[Ref | Bracket]]:
    """Read a factor, the letters after Σ, and what is multiplied."""
    start = scanner.at
    factor = parse_factor(scanner)
    over = scanner.accept(r"Σ_\w+")
    parts: list[Ref | Bracket] = []
    while True:
        if starts_ref(scanner):
            parts.append(parse_ref(scanner))
        elif scanner.sees(r"\["):
            parts.append(parse_bracket(scanner))
        else:
            break
    if not parts and not scanner.text[start : scanner.at].strip(" -"):
        scanner.fail("a number, a name, a bracket or Σ")
    return factor, (over or "")[2:], parts


def parse_contract(
    scanner: Scanner, out: Ref, factor: Factor, over: str, parts: list[Ref | Bracket]
) -> Contract:
    """The contraction of what was read; the letters after Σ must be those that it sums over."""
    refs = tuple(part for part in parts if isinstance(part, Ref))
    contract = Contract(out, refs, tuple(part for part in parts if isinstance(part, Bracket)), factor)
    if sorted(over) != sorted(summed(contract)):
        wanted = f"Σ_{summed(contract)}" if summed(contract) else "no Σ"
        scanner.fail(f"{wanted} in this equation, as those letters are not in {out.name}[{','.join(out.indices)}]")
    return contract


def parse_sum(scanner: Scanner, out: Ref) -> Sum:
    """Read signed terms."""
    terms: list[tuple[Factor, Ref | None]] = []
    scanner.accept(r"\+")
    while True:
        factor, over, parts = parse_product(scanner)
        if over or len(parts) > 1 or not all(isinstance(part, Ref) for part in parts):
            scanner.fail("a sum of terms with one operand each before this")
        terms.append((factor, cast(Ref, parts[0]) if parts else None))
        sign = scanner.accept("[+-]")
        if sign is None:
            return Sum(out, tuple(terms))
        if sign == "-":
            scanner.at -= 1


def parse_map(scanner: Scanner, out: Ref) -> Map:
    """Read ``function(x[i], y[i]; parameter)``."""
    function = scanner.expect(r"\w+", "a function")
    scanner.expect(r"\(", "'('")
    refs: list[Ref] = []
    while not scanner.sees(r"[;)]"):
        if refs:
            scanner.expect(",", "',', ';' or ')'")
        refs.append(parse_ref(scanner))
    parameter: Number | None = None
    if scanner.accept(";"):
        negative = scanner.accept("-") is not None
        parameter = parse_sized(scanner, NUMBER)
        if parameter is None:
            scanner.fail("a number")
        parameter = -parameter if negative else parameter
    scanner.expect(r"\)", "')'")
    return Map(out, function, tuple(refs), parameter)


def parse_extremum(scanner: Scanner, out: Ref) -> Extremum:
    """Read ``held max_k x[k,b]`` or ``k of argmax_kl x[k,l]``."""
    held = scanner.accept("held ") is not None
    which = scanner.accept(r"\w of ")
    name = scanner.expect("(?:arg)?(?:max|min)", "max, min, argmax or argmin")
    start = scanner.at
    over = (scanner.accept(r"_\w+") or "_")[1:]
    ref = parse_ref(scanner)
    letters = "".join(i for i in dict.fromkeys(ref.indices) if i not in out.indices)
    along = which[0] if which else letters if name.startswith("arg") else ""
    if sorted(over) != sorted(letters) or (which and along not in letters) or len(along) > 1:
        scanner.at = start
        scanner.fail(f"the letters {letters!r}, which are those of {ref.name} that {out.name} lacks")
    if bool(along) != name.startswith("arg"):
        scanner.at = start
        scanner.fail("argmax or argmin, with a letter, for a position, max or min for a value")
    return Extremum(out, ref, cast(Literal["max", "min"], name[-3:]), along, held)


def parse_update(scanner: Scanner, out: Ref) -> Update:
    """Read ``v[s] at [p=2s+1] where m[p], x[p] elsewhere``."""
    value = parse_ref(scanner)
    brackets: list[Bracket] = []
    if scanner.accept(r"at\b"):
        while scanner.sees(r"\["):
            brackets.append(parse_bracket(scanner))
    mask = parse_ref(scanner) if scanner.accept(r"where\b") else None
    scanner.expect(",", "','")
    base = parse_ref(scanner)
    scanner.expect(r"elsewhere\b", "'elsewhere'")
    return Update(out, base, value, tuple(brackets), mask)


def parse_opaque(scanner: Scanner, out: Ref) -> Opaque:
    """Read ``not read from a[i], b: reason``."""
    refs: list[Ref] = []
    if scanner.accept(r"from\b"):
        refs.append(parse_ref(scanner))
        while scanner.accept(","):
            refs.append(parse_ref(scanner))
    scanner.expect(":", "':'")
    reason, scanner.at = scanner.text[scanner.at :].strip(), len(scanner.text)
    return Opaque(out, tuple(refs), reason)


def parse_bracket(scanner: Scanner) -> Bracket:
    """Read ``[p=2s+r]``."""
    scanner.expect(r"\[", "'['")
    left = parse_position(scanner)
    relation = scanner.expect("[=≠<≤]", "'=', '≠', '<' or '≤'")
    right = parse_position(scanner)
    scanner.expect(r"\]", "']'")
    return Bracket(left, cast(Relation, relation), right)


def parse_position(scanner: Scanner) -> Position:
    """Read ``2s+r-1``, ``h·|e|+e`` or ``y[b]``."""
    terms: list[tuple[Factor, str]] = []
    pick: Ref | None = None
    constant = 0
    while True:
        sign = -1 if scanner.accept(r"\+?-") else 1
        scanner.accept(r"\+")
        number = parse_sized(scanner, WHOLE)
        if number is None and pick is None and sign == 1 and scanner.sees(r"\w+\["):
            pick = parse_ref(scanner)
        elif number is None or scanner.sees(r"[^\W\d_]"):
            letter = parse_letter(scanner)
            size = ONE.number if number is None else number
            terms.append((Factor(sign * Fraction(cast(Fraction, size)), parse_sizes(scanner, False)), letter))
        else:
            if not isinstance(number, Fraction) or number.denominator != 1:
                scanner.fail("a whole number before this")
            constant += sign * int(number)
        if not scanner.sees("[+-]"):
            return Position(tuple(terms), constant, pick)


def parse_all(text: str) -> Equation:
    """The equation that a whole text is."""
    scanner = Scanner(text)
    equation = parse_equation(scanner)
    scanner.end()
    return equation
