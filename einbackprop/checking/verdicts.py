"""The verdict on a gradient is made here, by one table, of facts.

The black box finds `Facts`; what reads the code, proves, or runs it at other sizes can add the facts of `Added`, and
nothing else. ``conclude`` applies the first row of `TABLE` all of whose facts hold. NOTES.md shows the table.
A report is made of `Gradient`, `Line` and `Finding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Literal

from ..core.records import dataclass
from .comparing import Outcome

if TYPE_CHECKING:  # the black box makes findings, and knows no notation
    from ..notation.markup import Markup

Verdict = Literal["right", "wrong", "kink", "undecided"]
Grade = Literal["proved", "close"]


@dataclass(frozen=True)
class Relation:
    """What a gradient ``g`` of a loss ``L`` is instead, whatever the values: ``g = factor dL/dW + decay W``, the array
    perhaps in those ``rows`` alone that the loss reads, or, where ``axis`` is 1, columns.

    >>> print(Relation(16.0))
    16 times the gradient of the loss
    >>> print(Relation(1.0, 0.1)), print(Relation(1.0, 0.1, (3,)))
    the gradient of the loss and 0.1 times the array itself
    the gradient of the loss and 0.1 times the array itself in row 3
    (None, None)
    >>> print(Relation(1.0, 0.1, (3, 4), axis=1))
    the gradient of the loss and 0.1 times the array itself in columns 3, 4
    """

    factor: float
    decay: float = 0.0
    rows: tuple[int, ...] = ()
    axis: int = 0

    def __str__(self) -> str:
        times = {1.0: "", -1.0: "minus "}.get(self.factor, f"{self.factor:g} times ")
        called = ("row", "column")[self.axis] + "s" * (len(self.rows) > 1)
        where = f" in {called} {', '.join(map(str, self.rows))}" * bool(self.rows)
        more = f" and {self.decay:g} times the array itself{where}" * bool(self.decay)
        return f"{times}the gradient of the loss{more}"


@dataclass(frozen=True)
class Gradient:
    """The verdict on one gradient.

    Attributes
    ----------
    name
        What it is the gradient of, in the user's words: ``W2``.
    verdict
        ``right``; ``wrong``; ``kink``: the loss has no derivative there; ``undecided``.
    grade
        How sure a right or wrong verdict is. ``proved``: one polynomial in index notation with what is
        derived from the loss, pointwise functions as atoms, so equal for every size and value. ``close``: equal
        to the reference (complex step or differences), or not, by more than rounding explains, at the values drawn.
    max_error
        The largest difference from the reference, relative to the reference's largest entry.
    roundings
        The same difference in units of the rounding that this entry suffers in the user's own
        code and dtype, as measured.
    index, yours, expected
        Where that is, and the two values.
    note
        What else there is to say: a wrong shape, what could not be decided.
    relation
        What it is instead, where that has a formula and was looked for: where no line was found to be at fault.
    """

    name: str
    verdict: Verdict
    grade: Grade | None = None
    max_error: float | None = None
    roundings: float | None = None
    index: tuple[int, ...] | None = None
    yours: float | None = None
    expected: float | None = None
    shape: tuple[int, ...] = ()
    note: str = ""
    relation: Relation | None = None


@dataclass(frozen=True)
class Line:
    """The verdict on one line of the user's code."""

    file: str
    line: int
    code: str
    equation: str
    einsum: str
    meaning: str
    verdict: str
    markup: Markup = field(default=(), repr=False, compare=False)

    @property
    def formula(self) -> str:
        """What it computes: the equation, and the einsum where there is one."""
        return "\n".join(filter(None, (self.equation, self.einsum)))


@dataclass(frozen=True)
class Finding:
    """Something to tell the user; `line` is a line of the user's file, if it is about one.

    Attributes
    ----------
    message, file, line
    yours, expected
        In index notation, and with einsum on another line where there is one.
    write
        The line to write instead, in the user's own style.
    kind
        What the mistake is about, in a few words that do not say what is right: ``a transpose``; None if not known.
    yours_markup, expected_markup
        The two formulas for MathML.
    """

    message: str
    file: str | None = None
    line: int | None = None
    yours: str | None = None
    expected: str | None = None
    write: str | None = None
    kind: str | None = None
    yours_markup: Markup = field(default=(), repr=False, compare=False)
    expected_markup: Markup = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Facts:
    """What runs of the user's two functions show of one gradient.

    Attributes
    ----------
    name, shape
        Those of what it is the gradient of.
    raises
        The gradients raise an exception where the loss runs.
    unclear, missing
        Which of the returned arrays it is, is not clear; none was returned for it.
    by_chance
        The loss answers differently each time, from the same random state too.
    complex_dtype
        The dtype of a gradient that is not real.
    misshapen, transposed, unsummed, broadcasts
        Its shape where it is another one; whether the axes are those in another order; whether it has more axes and
        entries; whether NumPy would stretch the one shape to the other.
    agrees, differs, kink, uncertain
        The comparison with the reference that is most off, of those at drawn states that found that. At a kink the
        loss has two slopes; uncertain is a reference that cannot tell.
    slight, tiny
        Whether it differs by less than a thousandth, or a millionth, of its largest entry.
    redrawn
        It agrees at the user's data, and differs where the data are drawn.
    random
        The functions answer differently when asked twice, and from one random state too, or not alike.
    unsettled
        The gradients answer differently when asked twice, from the same random state too, and the loss does not.
    stale
        It changes with values that the loss does not read, left from an earlier run of the user's code.
    unexcused
        The time was over before it was known whether something excuses a difference.
    clipped
        Clipping acts, and without it the gradient agrees: all comparisons here are without.
    scaled
        The norm that it has wherever it is shorter than the loss says, and is but for that: all comparisons here are
        without that.
    uncompared, coarse
        The time was over before it was compared at all states; or it was compared along a few directions alone.
    empty
        Data without entries, where the gradient agrees and is zero.
    """

    name: str
    shape: tuple[int, ...]
    raises: bool = False
    unclear: bool = False
    missing: bool = False
    by_chance: bool = False
    complex_dtype: str = ""
    misshapen: tuple[int, ...] | None = None
    transposed: bool = False
    unsummed: bool = False
    broadcasts: bool = False
    agrees: Outcome | None = None
    differs: Outcome | None = None
    kink: Outcome | None = None
    uncertain: Outcome | None = None
    slight: bool = False
    tiny: bool = False
    redrawn: bool = False
    random: bool = False
    unsettled: bool = False
    stale: bool = False
    unexcused: bool = False
    clipped: bool = False
    scaled: float = 0.0
    uncompared: bool = False
    coarse: bool = False
    empty: str = ""


@dataclass(frozen=True)
class Added:
    """What other parts may add to the facts of one gradient.

    Attributes
    ----------
    elsewhere
        Other sizes at which a gradient is wrong that is right at the user's.
    meant
        The code is meant for such sizes: the user's own script makes them, or its lines show the same mistake.
    tied
        Sizes that are equal in the user's code, where it is right: of batches, or of layers by design.
    untried
        The time was over before other sizes were tried.
    unread
        The code was not read to the end, so that it is not known what a guard of the loss explains.
    guard, guard_changes
        What is to be said of a guard of the loss but for which the gradient is right; how much that changes.
    derived
        It is what is derived from the loss as it was read; only differences of the loss say otherwise.
    relation
        What it is instead.
    small
        It is right where what it is the gradient of is small, and what it is off by does not grow as a power of that.
    unrepaired
        No edit of a line makes it right.
    guessed
        Nobody asked whether it is the gradient of this loss; none is right, and no edit of a line makes one right.
    penalised
        The loss stands nowhere in the code, and all that is wrong are terms that are called penalties.
    proof
        How sure a proof makes it that the gradient is right.
    """

    elsewhere: str = ""
    meant: bool = False
    tied: str = ""
    untried: bool = False
    unread: bool = False
    guard: str = ""
    guard_changes: float = 0.0
    derived: bool = False
    relation: Relation | None = None
    small: bool = False
    unrepaired: bool = False
    guessed: bool = False
    penalised: bool = False
    proof: Grade | None = None


NOTHING_ADDED = Added()


@dataclass(frozen=True)
class Row:
    """Facts that must all hold, and what follows.

    The first fact gives the numbers that are shown, where it is a comparison. Grade ``proof`` is that of the proof if
    there is one, else ``close``. In what is said, facts stand in braces.
    """

    when: tuple[str, ...]
    verdict: Verdict
    grade: Literal["proof", "close", ""]
    says: str = ""


SHAPE = "its gradient has shape {misshapen}, but {name} has shape {shape}"
CLIPPED = "np.clip keeps entries of it within bounds at some of the values drawn; but for that it is right"
COARSE = "compared along random directions: the time was over before every entry was"
UNTRIED = "right at your sizes: the time was over before others were tried"
TABLE = (
    # what was returned can be judged without a reference
    Row(("raises",), "wrong", "close", "the gradients raise an exception where the loss runs"),
    Row(("unclear",), "undecided", "", "which gradient is its own is not clear"),
    Row(("missing",), "wrong", "close", "no gradient was returned for it"),
    Row(("complex_dtype",), "undecided", "", "its gradient is complex ({complex_dtype}), not real"),
    Row(("misshapen", "transposed"), "wrong", "close", f"{SHAPE}: is it transposed?"),
    Row(("misshapen", "unsummed"), "wrong", "close", f"{SHAPE}: is a sum over an axis missing?"),
    Row(("misshapen", "broadcasts"), "wrong", "close", f"{SHAPE}: NumPy would broadcast the two without a word, but "
        "the gradient has the shape of what it is the gradient of"),
    Row(("misshapen",), "wrong", "close", SHAPE),
    Row(("by_chance",), "undecided", "", "the loss is another one each time that it is computed from the same values, "
        "whatever the random state, so that no gradient can be compared with it: pass the random numbers in as data"),
    # it differs: what excuses that comes first, and what is not known to be none
    Row(("differs", "unsettled"), "wrong", "close", "it differs from the reference, and each time that it is computed "
        "from the same values, while the loss stays the same: memory is read that nothing was written to, as that of "
        "np.empty, or random numbers that the loss does not read"),
    Row(("guard", "differs"), "right", "close", "{guard}; that changes it by up to {guard_changes:.1g} "
        "of its largest entry"),
    Row(("differs", "redrawn"), "undecided", "", "right with your data, not with redrawn data: either your data hide a "
        "mistake, or the gradient relies on something about them"),
    Row(("differs", "random"), "undecided", "", "it differs from the reference, but the functions draw random numbers "
        "and may have drawn different ones: pass the random numbers in as data"),
    Row(("differs", "unexcused"), "undecided", "", "it differs from the reference, but the time was over before it was "
        "known whether something excuses that"),
    Row(("differs", "stale"), "undecided", "", "it differs from the reference, but rests on values that may be left "
        "from an earlier run"),
    Row(("differs", "slight", "unread"), "undecided", "", "it is off by so little that a guard in the loss, as in "
        "log(p + 1e-8), may explain it, and the code was not read to the end"),
    Row(("differs", "derived"), "undecided", "", "it is what is derived from the loss as it was read, and differences "
        "of the loss say otherwise: they may reach across kinks, or the code take another way than when it was read"),
    Row(("differs", "penalised"), "undecided", "", "it has a penalty that the assumed loss has not: yours may have it"),
    Row(("differs", "tiny"), "wrong", "close", "it is off by only {differs.max_error:.1g} of the largest entry: does a "
        "small constant, as in log(p + 1e-8), stand in one of the two functions and not in the other?"),
    Row(("differs", "small", "unrepaired"), "undecided", "", "right at small values, not at such as were drawn: either "
        "it leaves out what acts at large ones alone, such as clipping, or that is a guard, as in log(p + 1e-8)"),
    Row(("differs", "relation", "guessed"), "undecided", "", "it is {relation}, and no small edit of a line makes "
        "it that alone: a sum in the place of a mean, or a penalty that stands in one of the two only?"),
    Row(("differs", "guessed"), "undecided", "", "no gradient is what the loss says, and no small edit of a line makes "
        "it that: what was asked may not be what is meant; options such as --loss say it"),
    Row(("differs", "relation", "unrepaired"), "wrong", "close", "it is {relation}"),
    Row(("differs",), "wrong", "close"),
    # it differs nowhere
    Row(("uncompared",), "undecided", "", "the time was over before it was compared"),
    Row(("agrees", "empty"), "undecided", "", "{empty} is empty, and every gradient is 0 then"),
    Row(("elsewhere", "meant"), "wrong", "close", "right only at sizes such as yours, which hide a mistake: wrong at "
        "{elsewhere}"),
    Row(("elsewhere",), "undecided", "", "right at your sizes, not at {elsewhere}"),
    Row(("agrees", "tied"), "right", "close", "right where sizes are equal as yours are ({tied}); where they differ it "
        "is not: a size stands for another"),
    Row(("agrees", "scaled"), "right", "close", "it is made shorter where its norm, or that of all, is above "
        "{scaled:.4g}; but for that it is right at your sizes: others were not tried"),
    Row(("agrees", "clipped", "untried"), "right", "proof", f"{CLIPPED}; {UNTRIED}"),
    Row(("agrees", "clipped"), "right", "proof", CLIPPED),
    Row(("agrees", "coarse", "untried"), "right", "proof", f"{COARSE}; {UNTRIED}"),
    Row(("agrees", "coarse"), "right", "proof", COARSE),
    Row(("agrees", "untried"), "right", "proof", UNTRIED),
    Row(("agrees",), "right", "proof"),
    Row(("kink",), "kink", "", "a kink: the loss has another slope on each side of these values (as relu at 0, a tie "
        "in max), so any value between the two is as good"),
    Row(("guard", "uncertain"), "right", "close", "{guard}; that changes it by less than differences of the loss tell"),
    Row(("uncertain",), "undecided", "", "the reference is not certain enough here to tell whether the gradient is "
        "right"),
    Row((), "undecided", "", "no values were found at which the loss is a finite number"),
)  # fmt: skip


def row_of(facts: Facts, added: Added) -> Row:
    """The first row of the table whose facts all hold."""
    return next(row for row in TABLE if holds(row, known_of(facts, added)))


def holds(row: Row, known: Mapping[str, Any]) -> bool:
    """Whether the facts of a row all hold among those that are known."""
    return all(known[name] not in (None, False, "") for name in row.when)


def known_of(facts: Facts, added: Added) -> dict[str, Any]:
    """All facts of a gradient by name."""
    return vars(facts) | vars(added)


def conclude(facts: Facts, added: Added = NOTHING_ADDED) -> Gradient:
    """The verdict on a gradient, with its grade, its numbers and what is said of it."""
    row, known = row_of(facts, added), known_of(facts, added)
    shown = known[row.when[0]] if row.when else None
    grade: Grade | None = (added.proof or "close") if row.grade == "proof" else row.grade or None
    gradient = Gradient(facts.name, row.verdict, grade, shape=facts.shape, note=row.says.format_map(known),
                        relation=added.relation)
    if not isinstance(shown, Outcome):
        return gradient
    return replace(gradient, max_error=shown.max_error, roundings=shown.roundings, index=shown.index,
                   yours=shown.yours, expected=shown.expected)  # fmt: skip
