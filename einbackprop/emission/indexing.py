"""Brackets as NumPy indexing: ``[p=2s+1]`` is a slice, ``[f=h·E+e]`` a reshape, ``[n=y[b]]`` a pick by label.

``gather`` reads where a bracket's letter is summed over: ``Σ_p x[p] [p=2s+1]`` is ``x[1::2]``. A ``Scatter`` writes
where it is a letter of the output. What fits neither stays a pattern of zeros and ones.
"""


import numpy as np

from ..core.interpretation import whole
from ..core.program import Position, Ref
from ..core.records import dataclass
from .engines import TORCH
from .scope import Scope

Term = tuple[str, str]
"""An expression and its letters, one an axis."""


def affine(position: Position, scope: Scope) -> list[tuple[int, str]] | None:
    """The coefficients and letters of a position without a pick, at the traced sizes; None if a letter repeats."""
    sizes = scope.program.sizes
    terms = [(whole(factor, sizes), letter) for factor, letter in position.terms]
    letters = [letter for _, letter in terms]
    return None if position.pick is not None or len(set(letters)) < len(letters) else terms


def slice_text(step: int, start: int, count: int, size: int) -> str | None:
    """The slice that reads ``start + step·s`` for each s below ``count``; None if one is outside, or there is none."""
    last = start + step * (count - 1)
    if step == 0 or count == 0 or not (0 <= start < size and 0 <= last < size):
        return None
    first = "" if start == (0 if step > 0 else size - 1) else str(start)
    beyond = last + (1 if step > 0 else -1)
    stop = "" if not 0 <= last + step < size else str(beyond)
    return f"{first}:{stop}" + (f":{step}" if step != 1 else "")


def part(letter: str, step: int, start: int, count: str, scope: Scope) -> str | None:
    """The slice along a letter that another letter counts, with bounds that are right at every size."""
    text = slice_text(step, start, scope.traced_size(count), scope.traced_size(letter))
    whole, counted = scope.sized(letter), scope.sized(count)
    if text is None:
        return None
    if whole is None or counted is None:
        return text if step > 0 or scope.engine.reverses else f"list(range({scope.size(letter)})[{text}])"
    place = scope.program.places.get((scope.program.dimension(letter).letters[0], start))
    tried = [(whole(sizes), place.size.value(sizes) if place else start, counted(sizes))
             for sizes in scope.other_sizes()]  # fmt: skip
    begin = scope.position(letter, start) or str(start)
    first = "" if all(at == (0 if step > 0 else size - 1) for size, at, _ in tried) else begin
    stop = "" if all(len(range(size)[at::step]) == n for size, at, n in tried) else (
        bound(letter, step, start, count, begin if place else "", scope))  # fmt: skip
    found = f"{first}:{stop}" + (f":{step}" if step != 1 else "")
    return found if step > 0 or scope.engine.reverses else f"list(range({scope.size(letter)})[{found}])"


def bound(letter: str, step: int, start: int, count: str, begin: str, scope: Scope) -> str:
    """Where a slice ends that does not run to the end of its axis; ``begin`` is where it starts, if that is no number.
    """
    beyond = start + step * (scope.traced_size(count) - 1) + (1 if step > 0 else -1)
    if step == 1 and (place := scope.position(letter, beyond)):
        return place
    if scope.is_number(count) and not begin:
        return str(beyond) if beyond >= 0 else ""
    if step < 0:
        scope.freeze()
        return str(beyond) if beyond >= 0 else ""
    length = scope.size(count) if step == 1 else f"{step} * {scope.size(count)}"
    return f"{begin or start} + {length}" if begin or start else length


def digits(position: Position, letter: str, scope: Scope) -> str | None:
    """The letters whose joint position is a letter's, most significant first: ``he`` for ``f = h·E+e``."""
    terms = affine(position, scope)
    if not terms or position.constant or len(terms) < 2:
        return None
    weight, places = 1, list(reversed(terms))
    for factor, i in places:
        if factor != weight:
            return None
        weight *= scope.traced_size(i)
    return "".join(i for _, i in terms) if weight == scope.traced_size(letter) else None


def gather(term: Term, letter: str, position: Position, scope: Scope) -> Term | None:
    """The term with the letter's axis read at a position."""
    expression, letters = term
    if letters.count(letter) != 1:
        return None
    axis = letters.index(letter)
    if position.pick is not None:
        return None if position.terms or position.constant else pick(term, axis, position.pick, scope)
    terms = affine(position, scope)
    if terms is None:
        return None
    size = scope.traced_size(letter)
    if not terms:
        place = scope.position(letter, position.constant) or str(position.constant)
        return sliced(term, axis, place, "") if 0 <= position.constant < size else None
    if len(terms) == 1:
        (step, i), count = terms[0], scope.traced_size(terms[0][1])
        if (step, position.constant, count) == (1, 0, size):
            return expression, letters.replace(letter, i)
        where = part(letter, step, position.constant, i, scope)
        return None if where is None else sliced(term, axis, where, i)
    if joint := digits(position, letter, scope):
        shape = ", ".join(scope.size(i) for i in letters[:axis] + joint + letters[axis + 1 :])
        return f"{expression}.reshape({shape})", letters[:axis] + joint + letters[axis + 1 :]
    return window(term, axis, position, terms, scope) if len(terms) == 2 else None


def sliced(term: Term, axis: int, where: str, i: str) -> Term:
    """The term with an axis indexed by a slice, whose letter is ``i``, or by a number, which has none."""
    expression, letters = term
    return f"{expression}[{':, ' * axis}{where}]", letters[:axis] + i + letters[axis + 1 :]


def window(term: Term, axis: int, position: Position, terms: list[tuple[int, str]], scope: Scope) -> Term | None:
    """The term with an axis read in windows: ``p = 2y + r``. The letter with fewer positions is within the window."""
    (expression, letters), start = term, position.constant
    (step, y), (dilation, r) = sorted(terms, key=lambda t: -scope.traced_size(t[1]))
    count, width = scope.traced_size(y), scope.traced_size(r)
    reach, size = dilation * (width - 1), scope.traced_size(letters[axis])
    if step < 1 or dilation < 1 or count < 1 or width < 1 or start < 0 or start + step * (count - 1) + reach >= size:
        return None
    if not scope.engine.writes:  # views are of arrays that can be written into: here the positions are given
        if start:
            scope.freeze()
        where = scope.place(position, y + r)
        return f"{expression}[{':, ' * axis}{where}]", letters[:axis] + y + r + letters[axis + 1 :]
    if windows_fit(letters[axis], (step, y), (dilation, r), start, scope):
        outer = f"{start or ''}:" + (f":{step}" if step != 1 else "")
        wide = scope.size(r) if dilation == 1 else f"{dilation} * ({scope.size(r)} - 1) + 1"
    else:
        outer, wide = slice_text(step, start, count, size - reach) or ":", str(reach + 1)
        for letter in (letters[axis], y, r):
            scope.hold(letter, f"windows of {width} along an axis of {size} were read")
        scope.freeze()
    if scope.engine is TORCH:
        view = f"{expression}.unfold({axis}, {wide}, 1)"
    else:
        view = f"np.lib.stride_tricks.sliding_window_view({expression}, {wide}, axis={axis})"
    inner = f", ..., ::{dilation}" if dilation > 1 else ""
    index = f"[{':, ' * axis}{outer}{inner}]" if outer != ":" or inner else ""
    return view + index, letters[:axis] + y + letters[axis + 1 :] + r


def windows_fit(whole: str, outer: tuple[int, str], inner: tuple[int, str], start: int, scope: Scope) -> bool:
    """Whether the windows that fit along an axis are as many as their letter says, at other sizes too."""
    (step, y), (dilation, r) = outer, inner
    sized = [scope.sized(letter) for letter in (whole, y, r)]
    if (scope.program.dimension(whole).letters[0], start) in scope.program.places:
        return False
    for sizes in scope.other_sizes():
        size, count, width = (of and of(sizes) for of in sized)
        if size is None or count is None or width is None:
            return False
        if count > 0 and len(range(max(size - dilation * (width - 1), 0))[start::step]) != count:
            return False
    return True


def in_range(pick: Ref, size: int, scope: Scope) -> bool:
    """Whether labels are positions, as far as is known: those that the program does not hold are trusted."""
    if pick.name not in scope.program.constants:
        return True
    labels = np.asarray(scope.program.constants[pick.name])
    return bool(((labels >= 0) & (labels < size)).all())


def pick(term: Term, axis: int, labels: Ref, scope: Scope) -> Term | None:
    """The term with an axis read at the positions that data say: ``p[y, np.arange(B)]``."""
    expression, letters = term
    own = labels.indices
    if len(set(own)) < len(own) or not in_range(labels, scope.traced_size(letters[axis]), scope):
        return None
    index, advanced = [], []
    for n, letter in enumerate(letters):
        if n == axis:
            index.append(scope.picked(labels, own))
        elif letter in own:
            index.append(scope.arange(letter, own))
        else:
            index.append(":")
            continue
        advanced.append(n)
    while index and index[-1] == ":":
        index.pop()
    kept = [letter for n, letter in enumerate(letters) if n not in advanced]
    at = advanced[0] if advanced == list(range(advanced[0], advanced[-1] + 1)) else 0
    return f"{expression}[{', '.join(index)}]", "".join(kept[:at]) + own + "".join(kept[at:])


@dataclass
class Scatter:
    """How the output of a contraction is written from a value with other letters.

    Attributes
    ----------
    letters : str
        The letters of the value.
    index : str
        Where it goes in zeros of the output's shape; empty: it is all of the output.
    adds : bool
        Whether several entries may go to one place.
    merged : str
        Letters that are one axis of the output together.
    """

    letters: str
    index: str = ""
    adds: bool = False
    merged: str = ""


def scatter(out: str, letter: str, position: Position, scope: Scope) -> Scatter | None:
    """How to write along a letter of the output at a position, None if no indexing does it."""
    axis = out.index(letter)
    rest = out[:axis] + out[axis + 1 :]
    if position.pick is not None:
        plain = not position.terms and not position.constant
        return scatter_picked(out, axis, position.pick, scope) if plain else None
    terms = affine(position, scope)
    if terms is None or any(i in rest for _, i in terms):
        return None
    size = scope.traced_size(letter)
    if not terms:
        inside = 0 <= position.constant < size
        place = scope.position(letter, position.constant) or str(position.constant)
        return Scatter(rest, f"{':, ' * axis}{place}") if inside else None
    if len(terms) == 1:
        (step, i), count = terms[0], scope.traced_size(terms[0][1])
        value = out[:axis] + i + out[axis + 1 :]
        if (step, position.constant, count) == (1, 0, size):
            return Scatter(value)
        where = part(letter, step, position.constant, i, scope)
        return None if where is None else Scatter(value, f"{':, ' * axis}{where}")
    joint = digits(position, letter, scope)
    return Scatter(out[:axis] + joint + out[axis + 1 :], merged=joint) if joint else None


def scatter_picked(out: str, axis: int, labels: Ref, scope: Scope) -> Scatter | None:
    """Write to the positions that data say; entries meet unless the output has every letter of the labels."""
    own = labels.indices
    if len(set(own)) < len(own) or not in_range(labels, scope.traced_size(out[axis]), scope):
        return None
    others = "".join(i for i in own if i not in out)
    if not others and not scope.engine.writes:  # zeros and ones are as large as the output, and cut into parts as it is
        return None
    letters = others + "".join(i for n, i in enumerate(out) if n != axis)
    index = [scope.picked(labels, letters) if n == axis else scope.arange(i, letters) for n, i in enumerate(out)]
    return Scatter(letters, ", ".join(index), adds=bool(others))
