"""What the user's two functions answer at a state: matched with what was asked, with its rounding, made repeatable."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from einbackprop.checking import naming
from einbackprop.checking.analytic import HALF, SINGLE, narrow_noise
from einbackprop.checking.certifying import AMPLIFICATION, SAMPLES, Reference, number, rounded, salts
from einbackprop.checking.comparing import Returned
from einbackprop.checking.draws import Drawing, Function, value
from einbackprop.checking.matching import Matching, Target, match
from einbackprop.checking.problems import called
from einbackprop.checking.verdicts import Facts, Finding
from einbackprop.core.nesting import Path, duplicate, get, leaves, rebuild
from einbackprop.core.records import dataclass
from einbackprop.errors import ScriptError
from einbackprop.world import Raised, Runner, numbers_read


@dataclass
class User:
    """The user's functions of a state, and what one run of them showed.

    `narrow` and `narrow_loss` are the eps of dtypes narrower than float64 that may round inside the gradients and
    inside the loss; none, once nothing of them was seen at a draw. `chance` says that the gradients answer differently
    from the same random state too, so that their rounding cannot be measured. `survived` says that the complex step
    survived the loss at a state that was compared. `unfit` has the facts about gradients that cannot be compared: one
    that is missing, or of a wrong shape. `references` are those of the loss at states that were compared. `numbers` are
    whole numbers that the two read by name: sizes like them must stay.
    """

    loss: Runner
    gradients: Runner
    source: Any
    targets: Sequence[Target]
    random: bool = False
    unsettled: bool = False
    chance: bool = False
    narrow: tuple[float, ...] = (SINGLE,)
    narrow_loss: tuple[float, ...] = (SINGLE,)
    survived: bool = False
    samples: int = SAMPLES
    unfit: dict[str, Facts] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    numbers: frozenset[int] = frozenset()
    _names: dict[int, naming.Names | None] = field(default_factory=dict)

    def returned(
        self, state: Any, targets: Sequence[Target], rng: np.random.Generator
    ) -> dict[str, Returned]:
        """Return the gradients at a state, by target name, with the rounding that they suffer."""
        if not targets:
            return {}
        exact = self.matched(called(self.gradients, state, "the gradients"), state)
        tried = () if self.chance else salts(rng, self.samples)
        runs = [run for salt in tried if (run := self._disturbed(state, salt)) is not None]
        answers = {}
        coarsest = max((_eps(leaf) for _, leaf in leaves(state) if isinstance(leaf, np.ndarray)), default=0.0)
        for target in targets:
            value = exact.values.get(target.name)
            values = _shaped(value, target.shape)
            moved = [_shaped(run.values.get(target.name), target.shape) for run in runs]
            if not moved:  # by chance, or the code refuses subclasses: one rounding of the largest entry
                moved = [values + AMPLIFICATION * _eps(value) * np.abs(values).max(initial=0.0)]
            answers[target.name] = Returned(values, np.array(moved), _eps(value), coarsest=coarsest)
        return self._with_narrow(answers, state, rng)

    def _with_narrow(
        self, answers: dict[str, Returned], state: Any, rng: np.random.Generator
    ) -> dict[str, Returned]:
        """The answers, with the rounding of dtypes on their way that are narrower than what was returned."""
        shapes = {name: answer.values.shape for name, answer in answers.items()}

        def run(state: Any) -> np.ndarray | None:
            try:
                found = self.matched(self.gradients(state), state).values
            except (Raised, ScriptError):  # the user's code may assert something about its values
                return None
            return np.concatenate([_shaped(found.get(name), shape).ravel() for name, shape in shapes.items()])

        if self.chance or not self.narrow:
            return answers
        plain = np.concatenate([answer.plain.ravel() for answer in answers.values()])
        values = np.concatenate([answer.values.ravel() for answer in answers.values()])
        rough = False
        for eps in self.narrow:
            noises = narrow_noise(run, state, values, plain, rng, eps)
            ends = np.cumsum([answer.values.size for answer in answers.values()])[:-1]
            for (name, answer), part in zip(answers.items(), np.split(noises, ends), strict=True):
                if part.any():
                    rough = True
                    answers[name] = answer.rougher(part.reshape(answer.values.shape), eps)
        self.narrow = self.narrow if rough else ()
        return answers

    def differing(self, state: Any, other: Any) -> set[str]:
        """Return the names of the gradients that differ between two states."""
        try:
            one = self.matched(self.gradients(duplicate(state)), state)
            two = self.matched(self.gradients(duplicate(other)), other)
        except Raised:  # values that the user's code does not survive tell nothing
            return set()
        names = one.values.keys() & two.values.keys()
        return {name for name in names if not same(one.values[name], two.values[name])}

    def matched(self, result: Any, state: Any, loss: float | None = None) -> Matching:
        """Find the value that was returned for each target; the loss at the state is computed unless it is known."""
        return match(result, self.targets, self._returned_names,
                     lambda: number(called(self.loss, state, "the loss")).real if loss is None else loss)

    def _returned_names(self, count: int) -> naming.Names | None:
        """The names in the return statement, looked up once."""
        if count not in self._names:
            self._names[count] = naming.returned(self.source, count)
        return self._names[count]

    def _disturbed(self, state: Any, salt: int) -> Matching | None:
        try:
            return self.matched(self.gradients(rebuild(state, lambda array: rounded(array, salt))), state)
        except (Raised, ScriptError):  # the user's code may refuse array subclasses
            return None


def rehearse(
    loss: Runner, gradients: Runner, source: Any, state: Any, targets: Sequence[Target], like: User | None = None
) -> User:
    """Run both functions at the user's own values; see what they return, and whether twice the same.

    What is known of the same code at other values, ``like``, is not looked for again.

    Raises
    ------
    ScriptError
        If a function raises, or the loss is no number.
    """
    first_loss, by_loss = numbers_read(partial(called, loss, state, "the loss"))
    number(first_loss)
    second_loss = called(loss.goes_on, state, "the loss")  # at once: its random numbers follow those of the first run
    result, by_gradients = numbers_read(partial(called, gradients, state, "the gradients"))
    is_named = len(targets) == 1 and naming.returned(source, 1) is not None
    if result is None and not is_named:  # one that has a name is missing, and can be looked for
        raise ScriptError("the gradients are None: are they returned?")
    if callable(result) or isinstance(result, str):
        what = "a function: call it, as in gradients(W, X)" if callable(result) else repr(result)
        raise ScriptError(f"the gradients must be arrays, or lists, tuples or dicts of them, but they are {what}")
    again = called(gradients.goes_on, state, "the gradients")
    narrow = (SINGLE, HALF) if mentions_half(loss.world.functions) else (SINGLE,)
    user = User(loss, gradients, source, targets, narrow=narrow, narrow_loss=narrow,
                numbers=by_loss | by_gradients)  # fmt: skip
    if like is not None:
        user.narrow, user.narrow_loss, user.survived = like.narrow, like.narrow_loss, like.survived
        user.samples = like.samples
    by_chance = _note_randomness(user, state, (first_loss, second_loss), (result, again))
    matching = user.matched(result, state)
    if matching.missing or matching.unclear:  # what the loss does not read needs no gradient
        paths = [target.path for target in targets]
        user.targets = [target for target in targets if target.name in matching.values
                        or depends(user.loss, state, target.path, paths)] or targets
        matching = user.matched(result, state)
    _inspect(user, matching, by_chance)
    return user


def _note_randomness(user: User, state: Any, losses: tuple[Any, Any], results: tuple[Any, Any]) -> bool:
    """Note what two answers of each function show of random numbers; return whether the loss has no value of its own,
    since it is another one from the same random state too.
    """
    random = [name for name, (one, two) in (("loss", losses), ("gradients", results)) if not same(one, two)]
    if not random:
        return False
    by_loss, by_gradients = _drawn(user.loss, state, losses[0]), _drawn(user.gradients, state, results[0])
    alike = by_loss is not None and by_gradients is not None and same(by_loss, by_gradients)
    user.random, user.chance = not alike, by_gradients is None
    user.unsettled = user.chance and random == ["gradients"]
    user.findings.append(Finding(
        "the gradients answered differently when asked twice with the same values, and the loss did not: is memory "
        "read that nothing was written to, as that of np.empty?" if user.unsettled else
        f"the {' and the '.join(random)} answered differently when asked twice with the same values: random "
        f"numbers inside? Each run of the check begins with the same random state"
        f"{', and both draw the same numbers' if alike else ''}"
    ))
    return by_loss is None


def _drawn(run: Runner, state: Any, answer: Any) -> list[Any] | None:
    """How far the random generators are after a run; None if it answers otherwise from the same random state too."""
    return run.world.drawn() if same(run(state), answer, ORDER) else None


def changes(
    user: User, name: Callable[[Path], str], state: Any, drawing: Drawing
) -> list[Finding]:
    """Say which of their inputs the functions change in place, other than by what is asked: a step of training changes
    what it has gradients of by a multiple of them, or all of it in some way, as Adam does.
    """
    findings = []
    inputs = [*drawing.parameters, *drawing.data, *drawing.kept]
    after_loss, after = duplicate(state), duplicate(state)
    user.loss(after_loss)
    given = user.matched(user.gradients(after), state).values
    steps = {target.path for target in user.targets if target.name in given and is_multiple(
        given[target.name], get(after, target.path), get(state, target.path))}  # fmt: skip
    if len(user.targets) > 1 and not any(
            same(get(after, target.path), get(state, target.path)) for target in user.targets):
        steps |= {target.path for target in user.targets}
    for what, copied in (("loss", after_loss), ("gradients", after)):
        changed = [name(path) for path in inputs
                   if not same(get(copied, path), get(state, path)) and path not in steps]
        if changed:
            findings.append(Finding(
                f"the {what} function changes {', '.join(changed)} in place: whoever calls it "
                "finds other values there afterwards"
            ))
    return findings


def is_multiple(gradient: Any, after: Any, before: Any) -> bool:
    """Whether an array was changed by a multiple of a gradient."""
    if np.shape(gradient) != np.shape(before) or np.shape(after) != np.shape(before):
        return False
    change, gradient = np.subtract(after, before), np.asarray(gradient)
    size = np.vdot(gradient, gradient)
    factor = np.vdot(gradient, change) / size if size else 0.0
    return bool(factor and np.allclose(change, factor * gradient, rtol=1e-6, atol=1e-9 * np.abs(change).max()))


def _inspect(user: User, matching: Matching, by_chance: bool) -> None:
    """Note what can be said of the answer without a reference; a loss by chance has none."""
    kind = None if matching.unclear else "the order of what is returned"
    user.findings += [Finding(note, kind=kind) for note in matching.notes]
    if matching.extra:
        extra = ", ".join(matching.extra)
        user.findings.append(Finding(f"also returned, but not asked for: {extra}"))
    for target in user.targets:
        facts = replace(_facts_of_answer(target, matching), by_chance=by_chance)
        if facts != Facts(target.name, target.shape):
            user.unfit[target.name] = facts


def _facts_of_answer(target: Target, matching: Matching) -> Facts:
    """What can be said of the gradient of a target without a reference."""
    facts, wanted = Facts(target.name, target.shape), target.shape
    if matching.unclear or target.name not in matching.values:
        return replace(facts, unclear=matching.unclear, missing=True)
    value = matching.values[target.name]
    shape = wanted if value is None else np.shape(value)
    return replace(
        facts, complex_dtype=str(np.asarray(value).dtype) if np.iscomplexobj(value) else "",
        misshapen=shape if shape != wanted else None, transposed=shape != wanted and sorted(shape) == sorted(wanted),
        unsummed=bool(len(shape) > len(wanted) and np.prod(shape) > np.prod(wanted)),
        broadcasts=shape != wanted and (stretches(shape, wanted) or stretches(wanted, shape)),
    )  # fmt: skip


def stretches(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether an array of one shape can be broadcast to another."""
    try:
        return np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        return False


def _shaped(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The values in float64; None is zero; nan where the shape changed since it was looked at."""
    if value is None:
        return np.zeros(shape)
    values = np.asarray(value, dtype=np.float64)
    return values if values.shape == shape else np.full(shape, np.nan)


def _eps(value: Any) -> float:
    dtype = np.asarray(value).dtype if value is not None else np.dtype(np.float64)
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def same(first: Any, second: Any, rtol: float = 0.0) -> bool:
    """Whether two results hold the same arrays and numbers in the same places, up to ``rtol`` of the largest entry."""
    mine = [(path, leaf) for path, leaf in leaves(first) if _is_numeric(leaf)]
    theirs = [(path, leaf) for path, leaf in leaves(second) if _is_numeric(leaf)]
    return len(mine) == len(theirs) and all(
        path == other and (
            np.array_equal(leaf, copied, equal_nan=np.asarray(leaf).dtype.kind in "fc")
            or (rtol > 0 and np.shape(leaf) == np.shape(copied)
                and np.allclose(leaf, copied, 0.0, rtol * np.abs(leaf).max(initial=0.0), equal_nan=True))
        )
        for (path, leaf), (other, copied) in zip(mine, theirs, strict=True)
    )


def _is_numeric(leaf: Any) -> bool:
    return isinstance(leaf, (np.ndarray, np.generic, int, float))


_HALVES = frozenset(("float16", "half"))
_HALF_CODES = _HALVES | {"e", "f2", "<f2", "=f2"}
"""How code says float16: by names, and in texts."""
ORDER = 1e-9  # relative to the largest entry: NumPy may sum in another order, as where memory begins elsewhere
ROUNDINGS = 64.0  # a change of the loss by fewer is none


def depends(loss: Function, state: Any, path: Path, others: Sequence[Path]) -> bool:
    """Whether the loss changes with one array of the state; True where it cannot be told.

    The others are moved first: at zeros no layer depends on the one before it.
    """
    rng = np.random.default_rng(0)
    base = Drawing.copied(state)
    for other in others:
        move(get(base, other), rng)
    moved = Drawing.copied(base)
    move(get(moved, path), rng)
    change = value(loss, moved) - value(loss, base)
    if not np.isfinite(change) or change == 0:
        return change != 0
    try:  # a bias in front of a batch norm changes the loss by rounding alone
        rounding = Reference(loss, base, (path,), rng).rounding
    except ScriptError:
        return True
    return abs(change) > ROUNDINGS * rounding


def move(array: Any, rng: np.random.Generator) -> None:
    """Add something to each entry, as large as the array's entries are."""
    array += (np.abs(array).max(initial=0.0) or 1.0) * rng.uniform(0.1, 0.5, array.shape)


def mentions_half(functions: Iterable[FunctionType]) -> bool:
    """Whether the code of functions has float16 in it: a name of NumPy's, or a text such as ``"f2"``."""
    return any(_has_half(function.__code__, function.__globals__) for function in functions)


def _has_half(code: CodeType, names: Mapping[str, Any]) -> bool:
    own = {name for name in _HALVES & names.keys() if names[name] is not np.float16}  # ``half = len(x) // 2``
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    texts = {constant for constant in code.co_consts if isinstance(constant, str)}
    return not (_HALVES - own).isdisjoint(code.co_names) or not _HALF_CODES.isdisjoint(texts) or any(
        _has_half(one, names) for one in inner)
