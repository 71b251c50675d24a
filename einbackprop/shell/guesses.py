"""The check of a question that nobody asked by options: the loss that is meant may be a multiple of the one found.

Training code sums where its loss takes a mean, or decays weights of which its loss knows nothing. Where no line is at
fault and the gradients are so related to the loss, the loss that they do belong to is written down and asked about.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import os
import time
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from einbackprop.checking.penalties import PENALTY, leaves_out
from einbackprop.checking.problems import Problem
from einbackprop.checking.reports import Report
from einbackprop.checking.texts import code_of
from einbackprop.checking.verdicts import Finding, Gradient, Relation
from einbackprop.core.nesting import label, leaves
from einbackprop.core.records import dataclass
from einbackprop.core.source import ADDED, parse_python, statements_of_text

from .proposals.losses import is_number
from .proposals.roots import stands_in
from .proposals.round_measures import last_word
from .proposals.trials import Trials
from .proposals.updates import decays
from .questions import Question, problem_of
from .reach import Namespace, file_of
from .scripts import answer_among, text_of

CLOSE = 1e-5
"""How far a number of the script may lie from one that it explains, relative to that."""
MOST = 2000
"""Arrays and numbers of a script that are looked at for that."""
SIMPLE = {1.0: "", -1.0: "-", 2.0: "2 * ", -2.0: "-2 * ", 0.5: "0.5 * ", -0.5: "-0.5 * "}


@dataclass(frozen=True)
class Guess:
    """What was asked, and what came of it."""

    question: Question
    report: Report


def settle(
    names: Namespace, question: Question, script: str, setup: str, seed: int, seconds: float, *, assumed: bool = False
) -> Guess:
    """Check a question among a script's names; then that of the loss that is meant, where it is a related one.

    Parameters are those of `answer_among`; ``script`` is the path of the file; ``assumed`` says that its loss stands
    nowhere in that. Raises as `answer_among` does.
    """
    with _unwritten():
        return _settled(names, question, script, setup, seed, seconds, assumed)


@contextlib.contextmanager
def _unwritten() -> Iterator[None]:
    """Take the expressions of a question for what nobody wrote: no mistake is in them."""
    files = [file_of(f"--{name}") for name in ("loss", "grads", "both", "forward", "backward")]
    ADDED.update(dict.fromkeys(files, frozenset({1})))
    try:
        yield
    finally:
        for file in files:
            ADDED.pop(file, None)


def _settled(
    names: Namespace, question: Question, script: str, setup: str, seed: int, seconds: float, assumed: bool
) -> Guess:
    begun, before = time.monotonic(), dict(names)

    def problem(question: Question, names: Namespace) -> Problem:
        return replace(problem_of(question, names, os.path.basename(script), seed), is_guess=True, is_assumed=assumed)

    def asked(question: Question, seconds: float, *, unless_related: bool = False) -> Report:
        names.clear()
        names.update(before)
        return answer_among(names, partial(problem, question), setup, seed, seconds, unless_related=unless_related)

    def left() -> float:
        return max(seconds - (time.monotonic() - begun), seconds / 4)

    def meant_by(report: Report) -> _Meant | None:
        names.clear()
        names.update(before)
        tree = statements_of_text(text_of(script)).tree
        related = _related(report, decays(ast.walk(tree)), assumed)
        return _meant(question, related, Trials(names), setup.splitlines(), assumed, penalised_in(tree))

    report = asked(question, seconds, unless_related=assumed)  # of a loss that is written, mistakes tell what is meant
    meant = meant_by(report)
    if meant is None and assumed and not report.ok and not any(item.line for item in report.findings):
        report = asked(question, left())
        meant = meant_by(report)
    if meant is None:
        return Guess(question, report)
    other = asked(meant.question, left())
    if rights(other) <= rights(report):
        return Guess(question, report)
    return Guess(meant.question, replace(other, findings=(Finding(meant.note), *other.findings)))


def rights(report: Report) -> int:
    """How many gradients are right."""
    return sum(item.verdict == "right" for item in report.gradients)


def _related(report: Report, decays: bool, assumed: bool) -> list[Relation | None]:
    """How each gradient is related to the loss, where nothing says that it is a mistake.

    A penalty in the gradients alone is none: there the only repair is to leave something out, once for each of them; or
    the loss is ``assumed``, and nobody wrote it without.
    Nor is one in the loss alone, where the script ``decays`` its weights beside their gradients; nor a mean of what the
    loss adds up, such as over an epoch, where half of the gradients are known to be one.
    """
    mistakes = [item for item in report.findings if item.line is not None]
    too_much = sum(leaves_out(code_of(item, report.lines), item.write or "") for item in mistakes)
    penalised = {item.name for item in report.gradients if item.relation is not None
                 and item.relation.factor == 1.0 and item.relation.decay > 0}  # fmt: skip
    are_meant = assumed or too_much >= min(len(penalised), len(mistakes))
    if decays and not are_meant:
        penalised, are_meant = set(), True
    penalised |= {item.name for item in report.gradients if decays and item.relation is not None
                  and item.relation.factor == 1.0 and item.relation.decay < 0}  # fmt: skip
    factors = [item.relation.factor for item in report.gradients if item.relation is not None]
    are_means = 2 * len(factors) >= len(report.gradients) > 2 * rights(report) and len({*factors}) == 1 and is_part(
        factors[0])  # fmt: skip

    def relation(item: Gradient) -> Relation | None:
        found = Relation(1.0) if item.verdict == "right" else item.relation
        is_meant = item.verdict != "wrong" or are_means or (item.name in penalised and are_meant)
        return found if is_meant else None

    return [relation(item) for item in report.gradients]


def is_part(factor: float) -> bool:
    """Whether a factor is that of a mean.

    >>> is_part(0.0416667), is_part(0.5), is_part(24.0), is_part(1.0)
    (True, False, False, False)
    """
    return 0 < factor < 0.4 and abs(1 / factor - round(1 / factor)) <= CLOSE / factor


class _Meant(NamedTuple):
    """A question with another loss, and what is to be said of that."""

    question: Question
    note: str


def _meant(
    question: Question, related: Sequence[Relation | None], trials: Trials, setup: Sequence[str], assumed: bool,
    penalised: Mapping[str, str],
) -> _Meant | None:  # fmt: skip
    """The question with the loss that at least half of the gradients belong to by one relation, or one without its
    penalty; None where there is none, or the script has no number that is its factor, or that of a penalty of which
    its own loss knows nothing. An assumed loss that is no multiple lacks what few of them tell: names are ``penalised``
    in the code.
    """
    factors = Counter(relation.factor for relation in related if relation is not None)
    factor, count = factors.most_common(1)[0] if factors else (1.0, 0)
    alike = [one if one is not None and one.factor == factor else None for one in related]
    is_other = factor != 1.0 or any(one.decay for one in alike if one is not None)
    lacks = any(one.decay < 0 for one in alike if one is not None)  # a penalty, whatever else some of them are
    is_enough = 2 * count >= len(related) or lacks or (assumed and factor == 1.0)
    if not (is_enough and count and is_other):
        return None
    known = list(_numbers(trials, setup, question))
    held = [(root, [(label(root, path), leaf) for path, leaf in leaves(trials(setup, root))
                    if isinstance(leaf, np.ndarray | float)]) for root in question.wrt]  # fmt: skip
    arrays = [one for _, ones in held for one in ones]
    kinds = [(root if len(ones) > 1 else "", np.ndim(leaf)) for root, ones in held for _, leaf in ones]
    times = _told(factor, known)
    if times is None and is_part(factor):  # of a batch, whose size stands nowhere
        times = f"1 / {round(1 / factor)} * "
    fitting = _completed(alike, kinds, factor, [last_word(text) for text, _ in arrays], penalised)
    decays = [one.decay for one in fitting]
    if times is None or (any(decays) and (len(arrays) != len(decays) or not is_penalty(decays, arrays))):
        return None
    is_known = any(_told(decay / 2, known) is not None for decay in decays if decay)
    if any(decays) and not (assumed or lacks or is_known):  # it comes of a mistake
        return None
    numbers = [np.ndim(leaf) == 0 for _, leaf in arrays]
    known.sort(key=lambda one: (not PENALTY.search(one[0]), "[" in one[0]))  # an entry of a list is one by chance
    said = "the gradients are not those of the loss that was found, but of {}: that is what they are compared with"
    if question.loss:
        is_sum = isinstance(parse_python(question.loss, "eval").body, ast.BinOp | ast.IfExp) and times
        written = [f"{text}[{':, ' * one.axis}{[*one.rows]}]" if one.rows else text
                   for one, (text, _) in zip(fitting, arrays, strict=False)]  # fmt: skip
        terms = _penalty(fitting, written, numbers, known)
        loss = summed([f"{times}({question.loss})" if is_sum else f"{times}{question.loss}", *terms])
        return _Meant(replace(question, loss=loss), said.format(loss))
    value = trials(setup, question.both) if question.both else None
    if not (isinstance(value, tuple) and is_number(value[0])):
        return None
    # a step changes the weights, and in each run perhaps those of another sample
    given = [f"found[1][{n}]" if isinstance(value[1], list) else f"found[{n + 1}]" for n in range(len(arrays))]
    # what a step leaves as it is moves by rounding alone, which the check puts in
    olds = [f"(olds[{n}] * (abs({given[n]}) > 1e-9))" if one.rows else f"olds[{n}]"
            for n, one in enumerate(fitting[: len(arrays)])]  # fmt: skip
    loss = summed([f"{times}found[0]", *_penalty(fitting, olds, numbers, known)])
    before = ", ".join(f"{text} + 0" for text, _ in arrays)
    both = f"(lambda olds, found: ({loss}, *found[1:]))([{before}], {question.both})"
    told = summed([f"{times}that", *_penalty(fitting, [text for text, _ in arrays], numbers, known)])
    read = sorted({("rows", "columns")[one.axis] for one in fitting if one.rows}, reverse=True)
    told += f" of the {' and '.join(read)} that they are of" * bool(read)
    return _Meant(replace(question, both=both), said.format(told))


def _completed(
    related: Sequence[Relation | None], kinds: Sequence[Hashable], factor: float, names: Sequence[str],
    penalised: Mapping[str, str],
) -> list[Relation]:  # fmt: skip
    """Relations, those that are not known as they are of arrays of the same kind, where these all decay alike; where
    the code says of some of their ``names`` that they are penalised, as those are of which it says so by one weight.
    """
    is_said = any(name in penalised for name in names)
    known: dict[Hashable, list[Relation]] = {}
    places = [*zip(kinds, names, strict=False), *[(None, "")] * (len(related) - len(kinds))]
    groups = [penalised.get(name) if is_said else kind for kind, name in places]
    for one, group in zip(related, groups, strict=False):
        if one is not None:
            known.setdefault(group, []).append(one)
    same = {group: ones[0] for group, ones in known.items() if len({one.decay for one in ones}) == 1}
    return [one or same.get(group, Relation(factor)) for one, group in zip(related, groups, strict=False)]


def penalised_in(tree: ast.AST) -> dict[str, str]:
    """The names of what code multiplies by what is called the weight of a penalty, with that.

    >>> tree = ast.parse("dW = x.T @ d / m + lam * p['W']; db = d.sum(0); g += 2 * self.reg * net.V[l]")
    >>> sorted(penalised_in(tree).items())
    [('V', 'reg'), ('W', 'lam')]
    """
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        words = [*filter(None, map(word_of, factors_of(node)))] if isinstance(node, ast.BinOp) else []
        weights = [word for word in words if PENALTY.search(word)]
        found |= {word: weights[0] for word in words if weights and word not in weights}
    return found


def factors_of(node: ast.expr) -> list[ast.expr]:
    """What a product, or a quotient, is made of."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        return [*factors_of(node.left), *factors_of(node.right)]
    return [node]


def word_of(node: ast.expr) -> str:
    """The last name of a variable, an attribute or a key: ``V`` of ``net.V[l]``, ``W`` of ``p['W']``."""
    match node:
        case ast.Name(word) | ast.Attribute(_, word) | ast.Subscript(_, ast.Constant(str(word))):
            return word
        case ast.Subscript(value):
            return word_of(value)
    return ""


def _penalty(
    related: Sequence[Relation], squared: Sequence[str], numbers: Sequence[bool], known: Sequence[tuple[str, float]]
) -> list[str]:
    """The terms that a loss has more than another one, of whose gradients it is known how they decay what they are of.

    ``squared`` are the expressions of these arrays, some of which are ``numbers``; ``known`` are those of the script.
    """
    squares: dict[float, list[str]] = {}
    for one, text, is_one in zip(related, squared, numbers, strict=False):
        squares.setdefault(one.decay, []).append(f"{text} ** 2" if is_one else f"({text} ** 2).sum()")
    return [f"{_told(decay / 2, known) or f'{decay / 2:g} * '}({' + '.join(of)})"
            for decay, of in squares.items() if decay]  # fmt: skip


def summed(terms: Sequence[str]) -> str:
    """The expression of a sum.

    >>> summed(["loss", "-0.5 * w"]), summed(["loss", "0.5 * w"])
    ('loss - 0.5 * w', 'loss + 0.5 * w')
    """
    return " + ".join(terms).replace("+ -", "- ")


def is_penalty(decays: Sequence[float], arrays: Sequence[tuple[str, np.ndarray | float]]) -> bool:
    """Whether decays may come of a penalty: of one for all weights alike, whatever the biases have. Where some have
    another, none is a plain number such as 1: that is what is left of a term which has lost its factor.
    """
    matrices = {decay for decay, (_, leaf) in zip(decays, arrays, strict=True) if np.ndim(leaf) > 1}
    return len(matrices) < 2 or not any(decay / 2 in SIMPLE for decay in matrices)


def _told(size: float, known: Sequence[tuple[str, float]]) -> str | None:
    """A factor in front of an expression: a number of the script, its inverse, or twice or half of one of these."""
    if size in SIMPLE:
        return SIMPLE[size]
    for simple, before in SIMPLE.items():
        for text, value in known:
            if abs(simple * value - size) <= CLOSE * abs(size):
                return f"{before}{text} * "
            if abs(simple - size * value) <= CLOSE * abs(simple):
                return f"{simple:g} / {text} * "
    return None


def _numbers(trials: Trials, setup: Sequence[str], question: Question) -> Iterator[tuple[str, float]]:
    """The sizes of data and the numbers that the two expressions can read, as expressions with their values."""
    state = trials.state(setup, question.loss, question.grads, question.both)
    found = [(label(name, path), leaf) for name, value in state.items()
             for path, leaf in itertools.islice(leaves(value), MOST)]  # fmt: skip
    arrays = [(text, np.shape(leaf)) for text, leaf in found if np.ndim(leaf) and not any(
        stands_in(text, root) for root in question.wrt)]
    for axis in range(max((len(shape) for _, shape in arrays), default=0)):
        for text, shape in arrays:
            if len(shape) > axis:
                yield (f"{text}.shape[{axis}]" if axis else f"len({text})"), float(shape[axis])
    yield from ((f"{text}.size", float(np.prod(shape))) for text, shape in arrays)
    yield from ((text, float(leaf)) for text, leaf in found if type(leaf) in (int, float) and leaf)
