"""Matrix notation: a contraction as people write it with matrices, ``W3ᵀ·d3``, where it has such a form.

A contraction whose operands have at most two letters is a chain: each summed letter joins two operands, as matrices
are joined in a product. The chain from the output's first letter to its second is the product. An operand that is
walked from its second letter to its first stands transposed. That is all there is to a transpose.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal

from einbackprop.core.records import dataclass

from ..core.letters import letters_of, summed
from ..core.program import ONE, Contract, Map, Ref, Sum, operands
from .index_notation import CUT, PLAIN, View, joined, operand
from .markup import Markup, Raised, Root, Words, text
from .view import factor_markup

ORDINALS = ("first", "second", "third", *(f"{n}th" for n in range(4, 65)))


@dataclass(frozen=True, slots=True)
class Link:
    """An operand of a matrix product.

    Attributes
    ----------
    slot : int or None
        Its place among the contraction's operands; None is a vector of ones.
    indices : str
    transposed : bool
    """

    slot: int | None
    indices: str
    transposed: bool = False

    def flipped(self) -> Link:
        """The operand the other way round."""
        return replace(self, transposed=not self.transposed)


Chain = tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class MatrixForm:
    """A contraction in matrix notation.

    Attributes
    ----------
    markup : Markup
    chain : tuple of Link
        The operands that are multiplied as matrices, in their order.
    atomic : bool
        Whether it needs no parentheses in an elementwise product.
    batch : str
        The letters for each of which it is meant.
    """

    markup: Markup
    chain: Chain = ()
    atomic: bool = False
    batch: str = ""


@dataclass(frozen=True, slots=True)
class Operands:
    """Operands that have letters: their places, their letters, and what they are called."""

    terms: tuple[Link, ...]
    shown: tuple[Markup, ...]

    def name(self, link: Link) -> Markup:
        """What an operand is called, transposed if it is."""
        body: Markup = ("1",) if link.slot is None else self.shown[link.slot]
        if not link.transposed:
            return body
        return (Raised(("(", *body, ")") if isinstance(body[0], Raised | Root) else body, "T"),)

    def product(self, chain: Chain) -> Markup:
        """``A·Bᵀ``."""
        return joined([self.name(link) for link in chain], "·")


def matrix_text(contract: Contract, view: View = PLAIN) -> str | None:
    """A contraction in matrix notation, or None where it has no such form.

    Examples
    --------
    >>> from einbackprop.core.program import Ref
    >>> matrix_text(Contract(Ref("dh", "kb"), (Ref("W", "lk"), Ref("d", "lb"))))
    'Wᵀ·d'
    """
    form = matrix_form(contract, view)
    return None if form is None else text(form.markup)


def matrix_form(contract: Contract, view: View = PLAIN) -> MatrixForm | None:
    """A contraction in matrix notation with what it is made of, or None."""
    if contract.brackets or not contract.operands:
        return None
    view = view.within(contract)
    form = form_within(contract, replace(view, bare=True))
    if form is None or CUT in text(form.markup):
        return None
    return replace(form, markup=(*form.markup, Words(f" for each {', '.join(form.batch)}"))) if form.batch else form


def form_within(contract: Contract, view: View) -> MatrixForm | None:
    """The form of a contraction that may stand inside another."""
    inner = view.around(letters_of(contract))
    plain = [plain_operand(ref, inner) for ref in contract.operands]
    shown = [markup or nested_form(ref, inner) for ref, markup in zip(contract.operands, plain, strict=True)]
    named = tuple(markup for markup in shown if markup is not None)
    links = tuple(Link(n, ref.indices) for n, ref in enumerate(contract.operands))
    form = form_of(contract.out.indices, Operands(links, named)) if len(named) == len(shown) else None
    if form is None or (form.batch and (None in plain or not is_one_matrix(contract, form.batch, view))):
        return None  # a form of its own is not taken apart for each letter of a batch
    if contract.factor == ONE:
        return form
    body = form.markup if form.atomic or form.chain else ("(", *form.markup, ")")
    return replace(form, markup=(*factor_markup(contract.factor, view), *body))


def is_one_matrix(contract: Contract, batch: str, view: View) -> bool:
    """Whether each value that is read is the same matrix wherever it stands, for each letter of a batch: of
    ``x[i,j] x[k,i]`` the one is a row, the other a column."""
    places: dict[str, tuple[int, ...]] = {}
    for ref in (one for one in contract.operands if one.indices):
        at = tuple(map(ref.indices.index, batch))
        read = (one for one in view.reached(replace(contract, operands=(ref,))) if one.indices)
        if any(places.setdefault(view.called(one.name), at) != at for one in read):
            return False
    return True


def plain_operand(ref: Ref, view: View) -> Markup | None:
    """An operand without its letters where it can do without: by name, or made entry by entry."""
    is_named = ref.name not in view.inline
    kind = "" if is_named else is_pointwise(ref, ref.indices, view)
    return operand(ref, view, "power") if is_named or kind == "full" or (kind and not ref.indices) else None


def nested_form(ref: Ref, view: View) -> Markup | None:
    """An operand as a matrix form of its own."""
    placed = view.placed(view.inline[ref.name], ref.indices)
    if not isinstance(placed, Contract) or placed.brackets or not view.depth or not is_sized(placed):
        return None
    form = form_within(placed, replace(view, depth=view.depth - 1))
    return None if form is None or form.batch else ("(", *form.markup, ")")


def is_sized(contract: Contract) -> bool:
    """Whether its operands say how large its result is: no vector of ones has to."""
    present = {i for ref in contract.operands for i in ref.indices}
    return bool(contract.operands) and present >= set(contract.out.indices)


def is_pointwise(ref: Ref, letters: str, view: View) -> Literal["", "number", "full"]:
    """Whether a value is made entry by entry of arrays that have just these letters, ``full``, or of numbers alone."""
    equation = view.inline.get(ref.name)
    if equation is None:
        return "full" if ref.indices == letters else "" if ref.indices else "number"
    placed = view.placed(equation, ref.indices)
    is_sum = isinstance(placed, Contract) and (summed(placed) or placed.brackets)
    if not isinstance(placed, Contract | Sum | Map) or is_sum or not view.depth:
        return ""
    inner = replace(view, depth=view.depth - 1)
    kinds = {is_pointwise(part, letters, inner) for part in operands(placed)} | {"number"}
    return "" if "" in kinds else "full" if "full" in kinds else "number"


def form_of(out: str, operands: Operands) -> MatrixForm | None:
    """The form of operands, the scalars among them in front."""
    scalars = [link for link in operands.terms if not link.indices]
    arrays = Operands(tuple(link for link in operands.terms if link.indices), operands.shown)
    before: Markup = tuple(part for link in scalars for part in (*operands.name(link), " "))
    if not arrays.terms:
        unit = units(out)
        return None if unit is None else MatrixForm((*before[: None if unit else -1], *unit), atomic=True)
    ways = (elementwise, diagonal, rows_and_columns, matrix_product, masked, batched)
    form = next((found for way in ways if (found := way(out, arrays)) is not None), None)
    return form if form is None or not before else replace(form, markup=before + form.markup)


def units(out: str) -> Markup | None:
    """What a scalar is multiplied by where the output has letters: ``1``, ``1·1ᵀ``, or ``I`` on a diagonal."""
    if len(out) == 2 and out[0] == out[1]:
        return ("I",)
    return {0: (), 1: ("1",), 2: ("1", "·", Raised(("1",), "T"))}.get(len(out))


def elementwise(out: str, operands: Operands) -> MatrixForm | None:
    """``A ⊙ Bᵀ``: every operand has the letters of the output, each once."""
    turned = len(out) == 2 and out[::-1]
    if len(set(out)) < len(out) or not all(link.indices in (out, turned) for link in operands.terms):
        return None
    links = tuple(replace(link, transposed=link.indices != out) for link in operands.terms)
    single = len(links) == 1
    return MatrixForm(joined([operands.name(link) for link in links], " ⊙ "), links if single else (), single)


def diagonal(out: str, operands: Operands) -> MatrixForm | None:
    """``tr(A)``, ``diag(A)``: a diagonal read or written, of one operand."""
    if len(operands.terms) > 1:
        return None
    (link,) = operands.terms
    repeated = len(set(link.indices)) == 1 < len(link.indices) == 2
    reads, writes = repeated and out == link.indices[:1], len(link.indices) == 1 and out == link.indices * 2
    if repeated and not out:
        return MatrixForm((Words("tr"), "(", *operands.name(link), ")"), atomic=True)
    return MatrixForm((Words("diag"), "(", *operands.name(link), ")"), atomic=True) if reads or writes else None


def rows_and_columns(out: str, operands: Operands) -> MatrixForm | None:
    """``diag(a)·A·diag(b)``: the rows or columns of a matrix, each times a number."""
    matrices = [link for link in operands.terms if len(link.indices) == 2]
    vectors = [link for link in operands.terms if len(link.indices) == 1 and link.indices in out]
    if len(matrices) != 1 or len(matrices) + len(vectors) < len(operands.terms) or not vectors:
        return None
    if sorted(matrices[0].indices) != sorted(out) or len(set(out)) < 2:
        return None
    scales: dict[str, list[Markup]] = {i: [] for i in out}
    for link in vectors:
        scales[link.indices].append((Words("diag"), "(", *operands.name(link), ")"))
    middle = operands.name(replace(matrices[0], transposed=matrices[0].indices != out))
    return MatrixForm(joined([*scales[out[0]], middle, *scales[out[1]]], "·"))


def matrix_product(out: str, operands: Operands) -> MatrixForm | None:
    """``Wᵀ·d``, ``a·bᵀ``, ``xᵀ·y``, ``A·1``, ``tr(A·B)``: chains through the summed letters."""
    runs = [link.indices for link in operands.terms]
    if len(set(out)) < len(out) or len(out) > 2 or any(len(run) > 2 or len(set(run)) < len(run) for run in runs):
        return None
    degrees = Counter("".join(runs) + out)
    if max(degrees.values()) > 2:
        return None
    pool = [*operands.terms, *(Link(None, i) for i, degree in degrees.items() if degree == 1)]
    chains: list[Chain] = [walk(i, pool, out) for i in out[:1]]
    if len(out) == 2 and not ends_at(chains[0], out[1]):
        chains.append(tuple(link.flipped() for link in reversed(walk(out[1], pool, out))))
    main = tuple(link for chain in chains for link in chain)
    scalars = []
    while pool:
        scalars.append(closed(pool, operands))
    if not main and len(scalars) == 1:
        return MatrixForm(*scalars[0])
    before = tuple(part for markup, _ in scalars for part in ("(", *markup, ")", " "))
    return MatrixForm((*before, *operands.product(main)) if main else before[:-1], main)


def ends_at(chain: Chain, letter: str) -> bool:
    """Whether a chain's last operand has the letter at its end."""
    last = chain[-1]
    return len(last.indices) == 2 and last.indices[0 if last.transposed else 1] == letter


def walk(letter: str, pool: list[Link], stops: str) -> Chain:
    """The chain that begins at a letter, taken out of the pool: to a vector, or to one of the letters in ``stops``."""
    chain: list[Link] = []
    while not chain or letter not in stops:
        link = next(link for link in pool if letter in link.indices)
        pool.remove(link)
        if len(link.indices) == 1:
            return (*chain, link)
        transposed = link.indices[0] != letter
        chain.append(replace(link, transposed=transposed))
        letter = link.indices[0 if transposed else 1]
    return tuple(chain)


def closed(pool: list[Link], operands: Operands) -> tuple[Markup, Chain]:
    """A chain that is a number: from a vector to a vector, or around in a circle, which is a trace."""
    vectors = [link for link in pool if len(link.indices) == 1]
    start = next((link for link in vectors if link.slot is None), vectors[0] if vectors else pool[0])
    pool.remove(start)
    if len(start.indices) == 1:
        chain = (start.flipped(), *walk(start.indices, pool, ""))
        return operands.product(chain), chain
    chain = (start, *walk(start.indices[1], pool, start.indices[0]))
    return (Words("tr"), "(", *operands.product(chain), ")"), chain


def masked(out: str, operands: Operands) -> MatrixForm | None:
    """``(Wᵀ·d) ⊙ h``: a matrix product times operands that have the letters of the output."""
    masks = [link for link in operands.terms if sorted(link.indices) == sorted(out)]
    rest = Operands(tuple(link for link in operands.terms if link not in masks), operands.shown)
    if not masks or not rest.terms or not set(out) <= set("".join(link.indices for link in rest.terms)):
        return None
    form = matrix_product(out, rest)
    if form is None:
        return None
    masks = [replace(link, transposed=link.indices != out) for link in masks]
    parts = [("(", *form.markup, ")"), *(operands.name(link) for link in masks)]
    return MatrixForm(joined(parts, " ⊙ "), form.chain)


def batched(out: str, operands: Operands) -> MatrixForm | None:
    """``Q·Kᵀ for each b, h``: the letters that every operand and the output have are read one at a time."""
    runs = [out, *(link.indices for link in operands.terms)]
    batch = "".join(i for i in dict.fromkeys(out) if all(run.count(i) == 1 for run in runs))
    if not batch or set("".join(runs)) == set(batch):
        return None

    def without(indices: str) -> str:
        return "".join(i for i in indices if i not in batch)

    inner = Operands(tuple(replace(link, indices=without(link.indices)) for link in operands.terms), operands.shown)
    form = form_of(without(out), inner)
    return None if form is None else replace(form, batch=batch)


def transpose_reason(contract: Contract, view: View = PLAIN) -> str | None:
    """Why operands stand transposed or in another order in the matrix notation, in one sentence; None if none does.

    Examples
    --------
    >>> from einbackprop.core.program import Ref
    >>> transpose_reason(Contract(Ref("dx", "jb"), (Ref("W", "ij"), Ref("dz", "ib"))))
    'W is summed over its first letter, i, so it stands transposed.'
    """
    form = matrix_form(contract, view)
    if form is None:
        return None
    bare = replace(view.within(contract), bare=True)
    out, over = contract.out.indices, summed(contract)
    reasons: list[str] = []
    for link in form.chain:
        if link.slot is None or not link.transposed or len(link.indices) > 2:
            continue
        shown = text(operand(contract.operands[link.slot], bare))
        reasons.append(reason_for(shown, link, contract.operands[link.slot].indices, over, out))
    order = [link.slot for link in form.chain if link.slot is not None]
    first = form.chain[0] if form.chain else None
    if order != sorted(order) and out and first is not None and first.slot is not None:
        letter = first.indices[-1 if first.transposed else 0]
        place = "the result's first letter" + (f" after {', '.join(form.batch)}" if form.batch else "")
        shown = text(operand(contract.operands[first.slot], bare))
        reasons.append(f"{shown} has {letter}, {place}, so it stands first")
    return None if not reasons else "; ".join(dict.fromkeys(reasons)) + "."


def reason_for(shown: str, link: Link, indices: str, over: str, out: str) -> str:
    """Why one operand stands transposed."""
    if len(link.indices) == 1:
        if link.indices in out:
            return f"{shown} has the result's last letter, {link.indices}, so it stands as a row"
        return f"{shown} is summed over {link.indices} with what follows it, so it stands as a row"
    first, second = (f"its {ORDINALS[indices.index(i)]} letter, {i}" for i in link.indices)
    if all(i in over for i in link.indices):
        return f"{shown} is entered by {second}, and left by {first}, so it stands transposed"
    if link.indices[0] in over:
        return f"{shown} is summed over {first}, so it stands transposed"
    if link.indices[1] in over:
        return f"{shown} stands last and is summed over {second}, so it stands transposed"
    return f"the result has {shown}'s letters the other way round, {out} for {link.indices}, so it stands transposed"
