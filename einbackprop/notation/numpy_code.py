"""A value as NumPy code that can be pasted: ``1 - h``, ``np.sqrt(v)``, ``b[:, None]``, ``einsum("ij,jb->ib", W, x)``.

A part of a formula becomes ``Code``: its text, how tightly that binds, and which letter each of its axes has. Parts
meet as NumPy has it, from the last axis: one that lacks an axis gets it as ``[:, None]``, one that has them in another
order is transposed. Sizes are read off an array of the same line that has the letter.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from ..core import matrix_functions
from ..core.elementwise import is_boolean, lookup
from ..core.letters import letters_of, summed
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Map,
    MatrixFunction,
    Number,
    Position,
    Ref,
    Sum,
    Update,
    operands,
)
from .arrays import (
    ADDED,
    ATOM,
    COMPARED,
    MULTIPLIED,
    RAISED,
    SIGNED,
    Arrays,
    Code,
    UnwritableError,
    meeting,
    negated,
    table_of,
    together,
)
from .view import code as number_code
from .view import is_negative

OPERATORS = {"greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!="}
RELATIONS = {"=": "==", "≠": "!=", "<": "<", "≤": "<="}
CALLS = {"abs": "np.abs({})", "round": "np.rint({})", "relu": "np.maximum({}, 0)", "softplus": "np.logaddexp(0, {})"}


class Writer(Arrays):
    """Writes the values of one line as code."""

    # values

    def value(self, ref: Ref) -> Code:
        """A value as it stands in a formula."""
        equation = self.view.inline.get(ref.name)
        if equation is None:
            return self.named(ref)
        if not self.view.depth:
            raise UnwritableError("it is too long")
        placed = self.view.placed(equation, ref.indices)
        return replace(self, view=replace(self.view, depth=self.view.depth - 1)).made(placed)

    # equations

    def made(self, equation: Equation) -> Code:
        """The right-hand side of an equation."""
        match equation:
            case Contract():
                return self.product(equation)
            case Sum():
                return self.sum(equation)
            case Map():
                return self.pointwise(equation)
            case Extremum():
                return self.extremum(equation)
            case Update(out, base, value, (), mask) if mask is not None:
                present, parts = together(out.indices, [self.value(ref) for ref in (mask, value, base)])
                call = f"np.where({', '.join(part.text for part in parts)})"
                return Code(call, ATOM, present, parts[1].boolean and parts[2].boolean)
            case Update():
                raise UnwritableError("it writes into an array")
            case MatrixFunction():
                return self.matrix_function(equation)
        raise UnwritableError("it was not read")

    def product(self, equation: Contract) -> Code:
        """A product, entry by entry; an einsum where letters are summed over."""
        if summed(equation):
            return self.scaled(self.contraction(replace(equation, factor=ONE)), equation.factor)
        over, under = [], []
        for ref in equation.operands:
            inner = self.view.inline.get(ref.name)
            if isinstance(inner, Map) and inner.function == "power" and inner.parameter == -1:
                placed = self.view.placed(inner, ref.indices)
                under.append(self.value(next(operands(placed))).number())
            else:
                over.append(self.value(ref))
        over += [self.bracket(bracket) for bracket in equation.brackets]
        if len(over) > 1 and all(part.boolean for part in over):
            over[0] = over[0].number()
        present, parts = together(equation.out.indices, over + under)
        above, below = parts[: len(over)] or [Code("1")], parts[len(over) :]
        text = " * ".join(part.at(MULTIPLIED) for part in above)
        result = above[0] if len(above) == 1 else Code(text, MULTIPLIED)
        return self.scaled(replace(result, letters=present), equation.factor, below)

    def scaled(self, body: Code, factor: Factor, below: Sequence[Code] = ()) -> Code:
        """Code times a factor, over other code: ``2 * body / n``."""
        named = self.view.number(factor.number)
        number: Number = named.rest
        divisors = [part.at(RAISED) for part in below]
        if isinstance(number, Fraction) and 1 < number.denominator < 10**4 and len(number_code(number)) > 8:
            divisors = [str(number.denominator), *divisors]
            number = Fraction(number.numerator)
        factors = [] if number in (1, -1) else [number_code(-number if is_negative(factor) else number)]
        for found, power in (*((Code(name, ATOM), power) for name, power in named.powers), *self.sizes(factor)):
            size = self.power(found, Fraction(power if power > 0 else -power))
            (factors if power > 0 else divisors).append(size.at(RAISED))
        if not factors and not divisors and not is_negative(factor):
            return body
        text = " * ".join([*factors, *([] if factors and body.text == "1" else [body.number().at(MULTIPLIED)])])
        if divisors:
            text += f" / {divisors[0]}" if len(divisors) == 1 else f" / ({' * '.join(divisors)})"
        if is_negative(factor):
            text = "-" + (text if factors or divisors else body.number().at(SIGNED))
        return Code(text, MULTIPLIED if factors or divisors else SIGNED, body.letters)

    def sum(self, equation: Sum) -> Code:
        """Signed terms."""
        terms = [(factor, Code("1") if ref is None else self.value(ref)) for factor, ref in equation.terms]
        present, codes = together(equation.out.indices, [code for _, code in terms])
        return self.added([(f, c) for (f, _), c in zip(terms, codes, strict=True)], present)

    def added(self, terms: Sequence[tuple[Factor, Code]], letters: str) -> Code:
        """Terms with factors and signs."""
        if len(terms) == 1:
            ((factor, code),) = terms
            return replace(self.scaled(code.number(), factor), letters=letters)
        text = ""
        for factor, code in terms:
            negative = is_negative(factor)
            sign = (" - " if negative else " + ") if text else ("-" if negative else "")
            term = self.scaled(code if text else code.number(), -factor if negative else factor)
            text += sign + term.at(MULTIPLIED if text or negative else ADDED)
        return Code(text or "0", ADDED if text else ATOM, letters)

    def pointwise(self, equation: Map) -> Code:
        """A pointwise function as NumPy has it."""
        name, parameter = equation.function, equation.parameter
        present, parts = together(equation.out.indices, [self.value(ref) for ref in equation.operands])
        if name in OPERATORS:
            text = f" {OPERATORS[name]} ".join(part.at(ADDED) for part in parts)
            return Code(text, COMPARED, present, True)
        if not lookup(name).logical:
            parts = [part.number() for part in parts]
        first = parts[0]
        match name:
            case "step":
                return Code(f"{first.at(ADDED)} > 0", COMPARED, present, True)
            case "truth":
                return Code(f"{first.at(ADDED)} != 0", COMPARED, present, True)
            case "sigmoid":
                return Code(f"1 / (1 + np.exp({negated(first)}))", MULTIPLIED, present)
            case "erf":
                raise UnwritableError("NumPy has no error function")
            case "pow":
                return Code(f"{first.at(ATOM)}**{parts[1].at(ATOM)}", RAISED, present)
            case "power" if isinstance(parameter, Fraction):
                return replace(self.power(first, parameter), letters=present)
            case "power":
                return Code(f"{first.at(ATOM)}**{number_code(parameter or 0)}", RAISED, present)
        text = CALLS.get(name, f"np.{name}({{}})").format(", ".join(part.text for part in parts))
        both = name == "where" and parts[1].boolean and parts[2].boolean
        return Code(text, ATOM, present, both or is_boolean(name))

    def power(self, base: Code, p: Fraction) -> Code:
        """``x**2``, ``np.sqrt(x)``, ``1 / x``."""
        if p == 1:
            return base
        if p < 0:
            return Code(f"1 / {self.power(base, -p).at(RAISED)}", MULTIPLIED, base.letters)
        if p == Fraction(1, 2):
            return Code(f"np.sqrt({base.text})", ATOM, base.letters)
        if p == Fraction(1, 3):
            return Code(f"np.cbrt({base.text})", ATOM, base.letters)
        if base.text.startswith("-") and p.denominator > 1:  # Python makes a complex number of -1 ** 0.5
            return Code(f"np.power({base.text}, {number_code(p)})", ATOM, base.letters)
        return Code(f"{base.at(ATOM)}**{number_code(p)}", RAISED, base.letters)

    def extremum(self, equation: Extremum) -> Code:
        """``np.max(x, axis=0)``, ``np.argmax(x, axis=0)``."""
        inside = self.value(equation.operand).number()
        over = [i for i in dict.fromkeys(equation.operand.indices) if i not in equation.out.indices]
        axes = [n for n, i in enumerate(inside.letters) if i in over]
        rest = "".join(i for i in inside.letters if i not in over)
        if equation.position_of and (len(over) > 1 or not axes):
            raise UnwritableError("a position along one of several axes")
        if not axes:
            return inside
        axis = str(axes[0]) if len(axes) == 1 else str(tuple(axes))
        name = "arg" * bool(equation.position_of) + equation.kind
        return Code(f"np.{name}({inside.text}, axis={axis})", ATOM, rest)

    def matrix_function(self, equation: MatrixFunction) -> Code:
        """``np.linalg.inv(A)``, ``np.linalg.solve(A.T, b)``."""
        *arranged, made = equation.arranged
        if equation.function == "solve" and (len(equation.columns) > 1 or (equation.batch and not equation.columns)):
            raise UnwritableError("it solves for vectors along several axes")
        texts = []
        for ref, letters in zip(equation.operands, arranged, strict=True):
            inside = self.value(ref).number()
            turned = inside.letters[::-1] == letters and len(letters) == 2
            if inside.letters != letters and not turned:
                raise UnwritableError("a matrix whose axes stand in another order")
            texts.append(f"{inside.at(ATOM)}.T" if turned and inside.letters != letters else inside.text)
        return Code(matrix_functions.code(equation.function, *texts), ATOM, made)

    def bracket(self, bracket: Bracket) -> Code:
        """``np.arange(n)[:, None] == y``: where a pattern holds."""
        sides = [self.position(bracket.left), self.position(bracket.right)]
        present, (left, right) = together(meeting(sides[0].letters, sides[1].letters), sides)
        return Code(f"{left.at(ADDED)} {RELATIONS[bracket.relation]} {right.at(ADDED)}", COMPARED, present, True)

    def position(self, position: Position) -> Code:
        """``2 * np.arange(n) + 1``."""
        terms = [(f, Code(f"np.arange({self.size(letter).text})", ATOM, letter)) for f, letter in position.terms]
        terms += [(ONE, self.value(position.pick))] if position.pick else []
        if position.constant or not terms:
            terms.append((Factor.of(position.constant), Code("1")))
        letters = ""
        for _, code in terms:
            letters = meeting(letters, code.letters)
        present, codes = together(letters, [code for _, code in terms])
        return self.added([(f, c) for (f, _), c in zip(terms, codes, strict=True)], present)

    # lines

    def of_line(self) -> str:
        """The right-hand side of the line, with an einsum in it, in the shape that the line gives its value."""
        equation = self.line.equation
        if not self.line.leaves:
            raise UnwritableError("it reads no array")
        if isinstance(equation, Contract):
            code = self.scaled(self.contraction(equation), equation.factor)
        elif isinstance(equation, Sum):
            code = self.sum_of_line(equation)
        else:
            raise UnwritableError("it is no contraction and no sum")
        return self.shaped(code, self.axes(equation.out))

    def sum_of_line(self, equation: Sum) -> Code:
        """Signed terms, contractions among them as einsums; ones where nothing else says how large the result is."""
        out = self.shrunk(equation.out.indices)
        terms, einsums = [], 0
        for factor, ref in equation.terms:
            factor, code, is_einsum = self.term_of_line(factor, ref)
            terms.append((factor, code))
            einsums += is_einsum
        missing = [i for i in out if not any(i in code.letters for _, code in terms)]
        if not einsums or missing:
            at = next((n for n, (_, code) in enumerate(terms) if code.letters != out and code.text != "1"), 0)
            terms[at] = (terms[at][0], self.spread(terms[at][1], out))
        return self.added([(factor, code.along(out)) for factor, code in terms], out)

    def term_of_line(self, factor: Factor, ref: Ref | None) -> tuple[Factor, Code, bool]:
        """A term with its factor, and whether it is an einsum."""
        inner = self.view.inline.get(ref.name) if ref else None
        if ref is not None and isinstance(inner, Contract) and inner.operands and not inner.brackets:
            placed = self.view.placed(inner, ref.indices)
            assert isinstance(placed, Contract)
            same = len(placed.operands) == 1 and placed.operands[0].indices == placed.out.indices
            if not same and not placed.brackets and len(set(placed.out.indices)) == len(placed.out.indices):
                return factor * placed.factor, self.contraction(placed), True
        return factor, Code("1") if ref is None else self.value(ref), False

    def spread(self, code: Code, out: str) -> Code:
        """A term as an einsum with ones for the letters that it lacks."""
        ones = [self.ones(i) for i in out if i not in code.letters]
        table = table_of(code.letters + out)
        terms = ",".join([code.letters, *(one.letters for one in ones)]).translate(table)
        names = ", ".join(part.text for part in (code, *ones))
        return Code(f'einsum("{terms}->{out.translate(table)}", {names})', ATOM, out)

    # einsums

    def contraction(self, equation: Contract) -> Code:
        """An einsum, without its factor. Ones stand for letters that no operand has."""
        out = self.shrunk(equation.out.indices)
        if len(set(out)) < len(out):
            raise UnwritableError("np.einsum writes no diagonal")
        read = [self.operand(ref) for ref in equation.operands]
        read += [(code.letters, code) for code in map(self.bracket, equation.brackets)]
        missing = [i for i in self.shrunk(letters_of(equation)) if not any(i in term for term, _ in read)]
        read += [(i, self.ones(i)) for i in missing]
        if all(code.boolean for _, code in read):
            read[0] = (read[0][0], read[0][1].number())
        table = table_of("".join(term for term, _ in read) + out)
        terms = ",".join(term.translate(table) for term, _ in read)
        names = ", ".join(code.text for _, code in read)
        return Code(f'einsum("{terms}->{out.translate(table)}", {names})', ATOM, out)

    def operand(self, ref: Ref) -> tuple[str, Code]:
        """An operand of an einsum and its letters: those of its diagonal too, where it has a name."""
        if ref.name in self.view.inline or ref.name in self.view.ones:
            code = self.value(ref)
            return code.letters, code
        array = self.array(ref)
        return array.letters, array
