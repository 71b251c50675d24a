"""Statements: one equation as lines of NumPy."""

from fractions import Fraction

import numpy as np

from ..core.dtypes import Dtype
from ..core.interpretation import product_kind
from ..core.program import (
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Map,
    MatrixFunction,
    Number,
    Opaque,
    Ref,
    Sum,
    Update,
)
from ..notation import view
from . import matrices
from .engines import NUMPY, TORCH
from .indexing import Scatter, Term, gather, scatter
from .scope import Scope


def write(equation: Equation, scope: Scope) -> None:
    """Write the lines that define an equation's value into a scope."""
    match equation:
        case Contract():
            write_contract(equation, scope)
        case Sum():
            assign(equation.out, total(equation, scope), scope)
        case Map():
            assign(equation.out, pointwise(equation, scope), scope)
        case Extremum():
            assign(equation.out, extremum(equation, scope), scope)
        case Update():
            write_update(equation, scope)
        case MatrixFunction():
            assign(equation.out, matrices.call(equation, scope), scope)
        case Opaque():
            pass  # its value stands among the constants


def assign(out: Ref, expression: str, scope: Scope) -> None:
    """Write an assignment."""
    scope.assign(scope.names[out.name], expression)


def scaled(expression: str, factor: Factor, scope: Scope) -> str:
    """An expression times a factor; Python numbers keep the dtype."""
    number = factor.number
    under = [size_power(i, -p, scope) for i, p in factor.sizes if p < 0]
    over = [size_power(i, p, scope) for i, p in factor.sizes if p > 0]
    if under and isinstance(number, Fraction) and 1 < number.denominator <= 64:
        under.insert(0, str(number.denominator))
        number = Fraction(number.numerator)
    if number == -1:
        expression = f"-{expression}"
    elif number != 1:
        expression = f"{number_code(number)} * {expression}"
    expression = " * ".join([expression, *over])
    if not under:
        return expression
    return f"{expression} / {under[0] if len(under) == 1 else '(' + ' * '.join(under) + ')'}"


def size_power(letter: str, power: int | Fraction, scope: Scope) -> str:
    """A positive power of a size."""
    size = scope.size(letter)
    return size if power == 1 else f"{size}**{view.code(Fraction(power))}"


def number_code(number: Number) -> str:
    """A number as an expression that binds tightly."""
    code = view.code(number)
    return f"({code})" if code.startswith("-") else code


def write_contract(equation: Contract, scope: Scope) -> None:
    """Write a contraction: brackets become indexing where they can, zeros and ones where not."""
    out = "".join(dict.fromkeys(equation.out.indices))
    names = scope.read_by(equation)
    kind = product_kind([scope.sample(name) for name in names]) if names else np.dtype(np.int64)
    if not scope.engine.mixes and kind.kind in "biu":  # a whole number over a size is in single precision there
        kind = np.result_type(kind, quotient_dtype(equation, scope))
    terms: list[Term] = [(operand(ref, kind, names, scope), ref.indices) for ref in equation.operands]
    terms, brackets = gathered(terms, list(equation.brackets), out, scope)
    way, brackets = scattering(equation, terms, brackets, out, scope)
    terms += [pattern(bracket, kind, names, scope) for bracket in brackets]
    letters = way.letters if way else out
    if not terms and way is None:
        dtype = scope.dtype(kind, names) if names else ""
        filled = scope.engine.filled([scope.size(i) for i in out], view.code(equation.factor.number), dtype)
        deliver(equation, scaled(filled, Factor(Fraction(1), equation.factor.sizes), scope), way, scope)
        return
    present = {i for _, run in terms for i in run}
    terms += [(scope.ones(i, kind, names), i) for i in letters if i not in present]
    if not terms:
        expression = "1"
    else:
        alone = len(terms) == 1 and terms[0][1] == letters
        expression = terms[0][0] if alone else scope.call_einsum(terms, letters, kind)
    if way and way.merged:
        sizes = [joint_size(way.merged, scope) if i not in way.letters else scope.size(i) for i in out]
        expression = f"{expression}.reshape({', '.join(sizes)})"
    expression = scaled(expression, equation.factor, scope)
    deliver(equation, expression, way, scope)


def operand(ref: Ref, kind: Dtype, names: list[str], scope: Scope) -> str:
    """An operand by its name, or as the sum that it is. Integers among floats take their dtype: float32 stays."""
    equation = scope.inlined.get(ref.name)
    own = scope.dtypes[ref.name]
    widens = kind.kind in "fc" and (own.kind in "biu" or (own != kind and not scope.engine.mixes))
    if isinstance(equation, Sum):
        inner = total(equation, scope)
        return scope.cast(f"({inner})", kind, names) if widens else inner
    return scope.cast(scope.names[ref.name], kind, names) if widens else scope.value(ref.name)


def gathered(terms: list[Term], brackets: list[Bracket], out: str, scope: Scope) -> tuple[list[Term], list[Bracket]]:
    """The terms with every bracket read by indexing that can be, and the brackets that remain."""
    remaining = list(brackets)
    for bracket in brackets:
        others = "".join(b.letters for b in remaining if b is not bracket)
        for letter, position in bracket.solved():
            using = [n for n, (_, run) in enumerate(terms) if letter in run]
            if letter in out or letter in others or not using:
                continue
            read = {n: gather(terms[n], letter, position, scope) for n in using}
            if None not in read.values():
                terms = [read.get(n) or term for n, term in enumerate(terms)]
                remaining.remove(bracket)
                break
    return terms, remaining


def scattering(
    equation: Contract, terms: list[Term], brackets: list[Bracket], out: str, scope: Scope
) -> tuple[Scatter | None, list[Bracket]]:
    """How the output is written by indexing, if a bracket asks for that, and the brackets that remain."""
    used = {i for _, run in terms for i in run}
    if equation.out.indices != out:
        return None, brackets
    for bracket in brackets:
        others = "".join(b.letters for b in brackets if b is not bracket)
        for letter, position in bracket.solved():
            if letter in out and letter not in used and letter not in others:
                way = scatter(out, letter, position, scope)
                if way is not None:
                    return way, [b for b in brackets if b is not bracket]
    return None, brackets


def pattern(bracket: Bracket, kind: Dtype, names: list[str], scope: Scope) -> Term:
    """A bracket as an array of zeros and ones under a name of its own."""
    if bracket.left.constant or bracket.right.constant:
        scope.freeze()
    dtype = scope.dtype(kind, names)
    letters = bracket.letters
    plain = bracket.left.is_letter and bracket.right.is_letter and len(letters) == 2
    triangle = plain and bracket.relation in ("≤", "<")
    letters = letters[::-1] if triangle else letters
    name = scope.identifiers.take(f"pattern_{letters}" if letters else "pattern")
    if plain and bracket.relation == "=":
        rows, columns = (scope.size(i) for i in letters)
        size = rows if rows == columns else f"{rows}, {columns}"
        scope.write(f"{name} = np.eye({size}, dtype={dtype})")
    elif triangle:
        rows, columns = (scope.size(i) for i in letters)
        scope.write(f"{name} = {scope.engine.triangle(rows, columns, bracket.relation == '<', dtype)}")
    else:
        scope.write(f"{name} = ({scope.bracket(bracket)}).astype({dtype})")
    return name, letters


def quotient_dtype(equation: Contract, scope: Scope) -> Dtype:
    """The dtype of a contraction; of whole numbers over a size that of floats: only over a size of 1 are they whole."""
    own = scope.dtypes[equation.out.name]
    divides = any(power < 0 for _, power in equation.factor.sizes)
    return np.dtype(np.float64) if own.kind in "biu" and divides else own


def deliver(equation: Contract, expression: str, way: Scatter | None, scope: Scope) -> None:
    """Assign the value of a contraction, or write it into zeros."""
    name, indices = scope.names[equation.out.name], equation.out.indices
    distinct = "".join(dict.fromkeys(indices))
    index = way.index if way else ""
    if distinct == indices and not index:
        scope.assign(name, expression)
        return
    own = scope.dtypes[equation.out.name]
    kind = scope.dtype(quotient_dtype(equation, scope), scope.read_by(equation))
    kind = "float" if own.kind in "biu" and kind == "np.float64" else kind
    scope.assign(name, f"np.zeros({scope.shape(indices)}, dtype={kind})")
    if distinct != indices and scope.engine.writes:
        scope.write(f'np.einsum("{indices}->{distinct}", {name})[...] = {expression}')
    elif distinct != indices:
        scope.put(name, ", ".join(scope.arange(i, distinct) for i in indices), expression)
    elif way and way.adds:
        scope.add(name, index, expression)
    else:
        scope.put(name, index, expression)


def total(equation: Sum, scope: Scope) -> str:
    """``a - 2 * b + 1``."""
    letters = equation.out.indices
    refs = [ref for _, ref in equation.terms if ref is not None]
    own = scope.dtypes[equation.out.name]
    spread = iter(scope.spread(refs, letters, among=[ref.name for ref in refs], kind=own))
    parts: list[str] = []
    if not refs:
        first, *others = equation.terms or [(Factor(Fraction(0)), None)]
        filled = scope.engine.filled([scope.size(i) for i in letters], view.code(first[0].number), "")
        parts.append(" + " + scaled(filled, Factor(Fraction(1), first[0].sizes), scope))
        pairs = list(others)
    else:
        pairs = list(equation.terms)
    for factor, ref in pairs:
        negative = view.is_negative(factor)
        size = -factor if negative else factor
        term = scaled(next(spread), size, scope) if ref is not None else number_term(size, scope)
        parts.append((" - " if negative else " + ") + term)
    text = "".join(parts)
    return text[3:] if text.startswith(" + ") else "-" + text[3:]


def number_term(factor: Factor, scope: Scope) -> str:
    """A factor on its own, a Python number: it widens nothing. One over a size of 0 is inf, which its own / refuses."""
    under = [size_power(i, -p, scope) for i, p in factor.sizes if p < 0]
    number = view.code(factor.number)
    over = " * ".join([number, *(size_power(i, p, scope) for i, p in factor.sizes if p > 0)])
    if under and scope.engine is not NUMPY:
        return f"{over} / {under[0] if len(under) == 1 else '(' + ' * '.join(under) + ')'}"
    return f"np.divide({over}, {' * '.join(under)}).item()" if under else over


INFIX = {
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}
CALLED = {"round": "rint", "pow": "power"}
LOGICAL = {"where", "logical_and", "logical_or", "logical_xor", "logical_not", "truth"}


def pointwise(equation: Map, scope: Scope) -> str:
    """A pointwise function."""
    numbers = equation.function not in LOGICAL
    kind = scope.dtypes[equation.out.name] if numbers and equation.function not in INFIX else None
    values = scope.spread(equation.operands, equation.out.indices, numbers=numbers, kind=kind)
    match equation.function, values:
        case "power", [x]:
            return power(x, equation.parameter, scope.dtypes[equation.operands[0].name], scope)
        case ("sigmoid" | "softplus" | "erf") as name, [x]:
            return f"{scope.helper(name)}({x})"
        case "relu", [x]:
            return f"torch.relu({x})" if scope.engine is TORCH else f"np.maximum({x}, 0)"
        case "step", [x]:
            return f"{x} > 0"
        case "truth", [x]:
            return f"{x} != 0"
        case "where", [tested_value, x, y]:
            tested, *chosen = equation.operands
            both = all(scope.is_boolean(ref.name) for ref in chosen)  # one alone takes the other's dtype
            choices = [scope.cast(value, np.dtype(int)) if both else value for value in (x, y)]
            return f"np.where({truth(tested_value, tested, scope)}, {', '.join(choices)})"
        case name, [x, y] if name in INFIX:
            return f"{x} {INFIX[name]} {y}"
        case name, _:
            return f"np.{CALLED.get(name, name)}({', '.join(values)})"


def truth(expression: str, ref: Ref, scope: Scope) -> str:
    """An expression as a condition."""
    return expression if scope.is_boolean(ref.name) else f"{expression} != 0"


def power(x: str, exponent: Number | None, kind: Dtype, scope: Scope) -> str:
    """``x**2``, ``np.sqrt(x)``, ``1 / x``."""
    assert exponent is not None
    if exponent == Fraction(1, 2):
        return f"np.sqrt({x})"
    if exponent == Fraction(1, 3) and kind.kind != "c":
        return f"{scope.helper('cbrt')}({x})" if scope.engine is TORCH else f"np.cbrt({x})"
    if isinstance(exponent, Fraction) and exponent.denominator == 1 and exponent < 0:
        return f"1 / {x}" if exponent == -1 else f"1 / {x}**{-exponent}"
    return f"{x}**{number_code(exponent)}"


def extremum(equation: Extremum, scope: Scope) -> str:
    """``x.max(axis=0)``, or the position where that is first reached."""
    out, ref = equation.out.indices, equation.operand
    over = "".join(i for i in dict.fromkeys(ref.indices) if i not in out)
    name, kind = scope.names[ref.name], equation.kind
    kept = "".join(i for i in ref.indices if i in out)
    direct = kept == out and len(ref.indices) == len(set(ref.indices))
    axes = [str(ref.indices.index(i)) for i in over] if direct else []
    if not over:
        aligned = scope.aligned(ref, out, numbers=False)
        integers = scope.engine.dtype(np.dtype(int))
        return f"np.zeros_like({aligned}, dtype={integers})" if equation.position_of else aligned
    if direct and not equation.position_of:
        return scope.engine.extremum(name, kind, axes)
    if direct and len(over) == 1:
        return f"{name}.arg{kind}(axis={axes[0]})"
    last = scope.aligned(ref, out + over, numbers=False)
    flat = f"{last}.reshape({', '.join([*(scope.size(i) for i in out), joint_size(over, scope)])})"
    if not equation.position_of:
        return scope.engine.extremum(flat, kind, ["-1"])
    place = over.index(equation.position_of)
    return f"np.unravel_index({flat}.arg{kind}(axis=-1), {shape_tuple(over, scope)})[{place}]"


def joint_size(letters: str, scope: Scope) -> str:
    """The number of positions along several letters together."""
    return " * ".join(scope.size(i) for i in letters)


def shape_tuple(letters: str, scope: Scope) -> str:
    """A shape that is a tuple also for one letter."""
    return f"({scope.shape(letters)},)" if len(letters) == 1 else scope.shape(letters)


def write_update(equation: Update, scope: Scope) -> None:
    """Write a write: a copy of the base, then an assignment to a region of it."""
    name, own = scope.names[equation.out.name], equation.base.indices
    if equation.brackets:
        letters = "".join(i for i in own if i not in [b.left.letters for b in equation.brackets])
        letters += equation.value.indices + "".join(b.right.letters for b in equation.brackets)
        index, letters = region(equation, "".join(dict.fromkeys(letters)), scope)
    else:
        index, letters = "...", own
    value = scope.aligned(equation.value, letters) if equation.value.indices else scope.value(equation.value.name)
    mask = "" if equation.mask is None else condition(equation.mask, own, scope)
    if mask and not equation.brackets:
        scope.assign(name, f"np.where({mask}, {value}, {converted(equation, scope)})")
        return
    scope.assign(name, copied(equation, scope))
    if mask:
        mask = mask if mask.isidentifier() else f"({mask})"
        value = f"np.where({mask}[{index}], {value}, {name}[{index}])"
    scope.put(name, index, value)


def copied(equation: Update, scope: Scope) -> str:
    """A copy of the base that can hold what is written."""
    base = converted(equation, scope)
    if not equation.base.indices:
        return f"np.array({base})"
    return f"{base}.copy()" if base.isidentifier() else base


def converted(equation: Update, scope: Scope) -> str:
    """The base in the dtype of the output."""
    base, kind = scope.names[equation.base.name], scope.dtypes[equation.out.name]
    same = kind == scope.dtypes[equation.base.name]
    return base if same else f"{base}.astype({scope.dtype(kind, [equation.value.name])})"


def condition(mask: Ref, letters: str, scope: Scope) -> str:
    """A mask as a condition on all of some letters."""
    return truth(scope.aligned(mask, letters, numbers=False), mask, scope)


def region(equation: Update, letters: str, scope: Scope) -> tuple[str, str]:
    """Where an Update writes, as slices if it can be, and the letters of the value that fits there."""
    from_slices = sliced_region(equation, letters, scope)
    if from_slices is not None:
        return from_slices
    places = {b.left.letters: scope.place(b.right, letters) for b in equation.brackets}
    return ", ".join(places.get(i) or scope.arange(i, letters) for i in equation.base.indices), letters


def sliced_region(equation: Update, letters: str, scope: Scope) -> tuple[str, str] | None:
    """The region as slices and numbers, None where it takes more."""
    index, kept = equation.base.indices, ""
    written = {b.left.letters: b.right for b in equation.brackets}
    parts: list[str] = []
    for n, letter in enumerate(index):
        if letter not in written:
            parts.append(":")
            kept += letter
            continue
        way = scatter(letter, letter, written[letter], scope) if written[letter].pick is None else None
        if way is None or len(way.letters) > 1 or way.letters in [*kept, *index]:
            return None
        parts.append(way.index or ":")
        kept += way.letters
        if n and letter in index[:n]:
            return None
    return (", ".join(parts), kept) if sorted(kept) == sorted(letters) else None
