"""Steps: the derivative of a contraction derived from the chain rule, one step a line.

    ∂z_ib/∂W_nm = Σ_j [i=n] [j=m] x_jb
                = [i=n] x_mb
    dW_nm       = Σ_ib dz_ib [i=n] x_mb
                = Σ_b dz_nb x_mb

An entry of W is W_nm, with second letters: W_ij is that entry only where [i=n] [j=m]. A sum over a letter that
stands in such a bracket has one term left, which is what "the delta collapses" means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from ..core.letters import letters_of
from ..core.program import Bracket, Contract, Factor, Position, Ref
from ..core.records import dataclass
from ..core.subscripts import fresh_letters
from ..core.visible import listed
from .index_notation import View, bracket_markup, joined
from .markup import Markup, Partial, Summation, text
from .view import factor_markup

ELLIPSIS = "…"
SECOND = "nmdpqrstuvwcefgh"

Piece = Ref | Bracket


class Delta(Bracket):
    """A bracket ``[i=n]`` of two letters over one dimension, so that it ends a sum over either."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Expression:
    """A factor times pieces in a certain order, summed over every letter that is not ``free``."""

    factor: Factor
    pieces: tuple[Piece, ...]
    free: str

    @property
    def letters(self) -> str:
        """The letters of its pieces, in order of appearance."""
        return "".join(dict.fromkeys("".join(p.indices if isinstance(p, Ref) else p.letters for p in self.pieces)))

    @property
    def bound(self) -> str:
        """The letters that are summed over."""
        return "".join(i for i in self.letters if i not in self.free)

    def markup(self, view: View) -> Markup:
        """The expression as it is written."""
        shown = [(view.ref(p),) if isinstance(p, Ref) else bracket_markup(p, view) for p in self.pieces]
        factor = factor_markup(self.factor, view, alone=not shown)
        return (*factor, Summation(self.bound), *joined(shown, " "))

    def renamed(self, old: str, new: str) -> Expression:
        """The expression with another letter in one's place."""
        pieces = (renamed(piece, old, new) for piece in self.pieces)
        return Expression(self.factor, tuple(pieces), self.free.replace(old, new))

    def without(self, piece: Piece) -> Expression:
        """The expression without one of its pieces."""
        at = self.pieces.index(piece)
        return replace(self, pieces=self.pieces[:at] + self.pieces[at + 1 :])


def renamed(piece: Piece, old: str, new: str) -> Piece:
    """A piece with another letter in one's place."""
    if isinstance(piece, Ref):
        return Ref(piece.name, piece.indices.replace(old, new))

    def position(p: Position) -> Position:
        pick = p.pick and Ref(p.pick.name, p.pick.indices.replace(old, new))
        return Position(tuple((factor, i.replace(old, new)) for factor, i in p.terms), p.constant, pick)

    return type(piece)(position(piece.left), piece.relation, position(piece.right))


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a derivation: what is written, and why."""

    left: Markup
    right: Markup
    why: str = ""


@dataclass(frozen=True, slots=True)
class Derivation:
    """How the cotangent of one operand comes about.

    Attributes
    ----------
    steps : tuple of Step
    second : tuple of pairs
        Each second letter, and the letter whose dimension it ranges over.
    partial : Step
        The partial derivative with no sum left that a delta ends.
    result : Step
        The cotangent in the operand's own letters.
    """

    steps: tuple[Step, ...]
    second: tuple[tuple[str, str], ...]
    partial: Step
    result: Step


def derivation(
    contract: Contract, slot: int, cotangent: str, name: str, view: View, compact: bool = False
) -> Derivation:
    """Derive the cotangent of an operand of a contraction.

    Parameters
    ----------
    contract : Contract
    slot : int
        Which operand.
    cotangent, name : str
        What the cotangents of the result and of the operand are called.
    view : View
        How values are shown.
    compact : bool
        Whether the notes say ``W_ij`` for ``W[i,j]``.
    """
    contract, diagonal = spread_diagonal(contract)
    operand, out = contract.operands[slot], contract.out
    pairs = second_letters(contract, operand)
    entry = Ref(operand.name, "".join(new for new, _ in pairs))
    deltas = [delta(old, new) for new, old in pairs if old != ELLIPSIS]
    refs = contract.operands
    pieces: tuple[Piece, ...] = (*refs[:slot], *deltas, *refs[slot + 1 :], *diagonal, *contract.brackets)
    partial = Expression(contract.factor, pieces, "".join(dict.fromkeys(out.indices + entry.indices)))
    shown = Partial(view.ref(out), view.ref(entry))
    steps = [Step((shown,), partial.markup(view), entry_reason(view.ref(operand), entry, pairs, compact))]
    partial = collapse(partial, steps, view)
    steps.append(chain_rule(shown, Ref(cotangent, out.indices), Ref(name, entry.indices), view))
    pieces = (*partial.pieces[:slot], Ref(cotangent, out.indices), *partial.pieces[slot:])  # where the operand stood
    whole = Expression(partial.factor, pieces, entry.indices)
    steps.append(Step((), whole.markup(view)))
    whole = named_back(collapse(whole, steps, view), pairs)
    result = Step((view.ref(Ref(name, whole.free)),), whole.markup(view))
    back = [(new, old) for new, old in pairs if new not in whole.free]
    if back:
        spoken = f"{listed([new for new, _ in back])} written as {listed([old for _, old in back])} again"
        steps.append(replace(result, why=spoken))
    return Derivation(tuple(steps), tuple(pairs), Step((shown,), partial.markup(view)), result)


def chain_rule(partial: Partial, cotangent: Ref, of: Ref, view: View) -> Step:
    """``dW_nm = Σ_ib dz_ib ∂z_ib/∂W_nm``."""
    over = "".join(i for i in dict.fromkeys(cotangent.indices) if i not in of.indices)
    why = f"the chain rule: a sum over every letter of {partial.of.name}" if over else "the chain rule"
    why += f" but {ELLIPSIS}" if over and ELLIPSIS in of.indices else ""
    return Step((view.ref(of),), (Summation(over), view.ref(cotangent), " ", partial), why)


def named_back(expression: Expression, pairs: Sequence[tuple[str, str]]) -> Expression:
    """The expression with the operand's own letters; of a letter that stands twice, the other keeps its second."""
    for new, old in pairs:
        if old not in expression.free:
            expression = expression.renamed(new, old)
    return expression


def spread_diagonal(contract: Contract) -> tuple[Contract, list[Delta]]:
    """A contraction whose output has each letter once: a diagonal that it writes becomes a bracket."""
    fresh = fresh_letters(letters_of(contract))
    out = ""
    brackets: list[Delta] = []
    for letter in contract.out.indices:
        if letter in out:
            other = next(fresh)
            brackets.append(delta(letter, other))
            letter = other
        out += letter
    return replace(contract, out=Ref(contract.out.name, out)), brackets


def second_letters(contract: Contract, operand: Ref) -> list[tuple[str, str]]:
    """A second letter for each axis of an operand, and the letter whose dimension it ranges over.

    A letter has the same second letter for every operand; one that stands twice in the operand has two.
    """
    used = letters_of(contract)
    fresh = chain((i for i in SECOND if i not in used), fresh_letters(used + SECOND))
    present = dict.fromkeys("".join(ref.indices for ref in contract.operands).replace(ELLIPSIS, ""))
    table = {letter: next(fresh) for letter in present}
    pairs: list[tuple[str, str]] = []
    for old in operand.indices:
        again = old in [before for _, before in pairs]
        pairs.append((old, old) if old == ELLIPSIS else (next(fresh) if again else table[old], old))
    return pairs


def delta(old: str, new: str) -> Delta:
    """Kronecker's delta, ``[i=n]``."""
    return Delta(Position.of(old), "=", Position.of(new))


def entry_reason(operand: Ref, entry: Ref, pairs: Sequence[tuple[str, str]], compact: bool) -> str:
    """Why the brackets stand in an operand's place."""
    moved = [(new, old) for new, old in pairs if old != ELLIPSIS]
    if not moved:
        return f"what multiplies {operand.name}"
    before, after = text((operand,), compact=compact), text((Ref(operand.name, entry.indices),), compact=compact)
    return f"{before} is the entry {after} only where {' and '.join(f'{old} = {new}' for new, old in moved)}"


def collapse(expression: Expression, steps: list[Step], view: View) -> Expression:
    """Take every sum that a delta leaves one term of, a step each."""
    while (found := next(collapsible(expression), None)) is not None:
        bracket, gone, kept = found
        rest = expression.without(bracket)
        alone = gone not in rest.bound and kept in expression.free and kept not in rest.letters
        expression = rest.renamed(gone, kept)
        ending = f", a 1 for every {kept}" if alone else ""
        why = f"the sum over {gone} has one term that is not 0, {gone} = {kept}{ending}"
        steps.append(Step((), expression.markup(view), why))
    return expression


def collapsible(expression: Expression) -> Iterator[tuple[Delta, str, str]]:
    """The deltas of an expression that end a sum: the letter that is summed, and the one that takes its place."""
    for bracket in expression.pieces:
        if isinstance(bracket, Delta):
            for gone, kept in ((bracket.left, bracket.right), (bracket.right, bracket.left)):
                if gone.letters in expression.bound:
                    yield bracket, gone.letters, kept.letters
                    break
