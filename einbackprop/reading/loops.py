"""Statements in loops, read once: a trace goes in, its statements with letters for their rounds come out.

A statement that ran in every round of its loops becomes one whose values have the letters of these loops: what it reads
and binds stands under the names that it has there, ``h[t,i]`` for the ``h`` of each round, ``hs[t,i]`` for what
``hs[t]`` is. Where one of its values is not made alike in all rounds, each run stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import chain
from typing import Any

import numpy as np

from ..capture.bindings import Access, Binding
from ..capture.loops import paths_of
from ..capture.probes import Target, entry_text
from ..capture.tracer import Trace
from ..core.collecting import grouped
from ..core.elementwise import is_boolean
from ..core.letters import free_name, relettered, with_operands
from ..core.program import (
    ONE,
    Contract,
    Equation,
    Factor,
    Map,
    Position,
    Program,
    Ref,
    Source,
    Sum,
    Update,
    operands,
)
from ..core.progress import tick
from ..core.records import dataclass
from ..core.source import CALL, Spelling
from ..rerolling.forwarding import places, scattered
from ..rerolling.rolling import Rerolling
from ..rerolling.stacking import is_view

PLAIN = re.compile(r"""[\w.]+(\[(\d+|"[^"]*"|'[^']*')\])*""")
"""A name, or an entry that is the same one in every round: ``index[0]``, ``cache["h"]``."""
ENTRY = re.compile(r"\[[^\[\]]*\]$")
SHIFTED = re.compile(r"\[(\w+)\s*[+-]\s*\d+\]$")
NUMBERED = re.compile(r"\[(-?\d+)\]$")


@dataclass(frozen=True)
class Folded:
    """The program of a trace statement by statement, and its statements, those in loops once where they are alike.

    ``made`` are the values that stand for those of all rounds, with the ones that they stand for, where these are
    known: nobody has a name for them but the statements.
    """

    program: Program
    bindings: tuple[Binding, ...]
    made: Mapping[str, Sequence[str]] = field(default_factory=dict)


def folded(trace: Trace, without: Collection[Hashable] = ()) -> Folded:
    """A trace with the statements in loops as one, ``without`` those at some places."""
    program = trace.by_statement or trace.program
    if not trace.loops:
        return Folded(program, trace.bindings)
    folding = Folding(trace, program, without)
    bindings = tuple(folding.bindings())
    made = folding.program(bindings)
    read = {ref.name: ref.indices for equation in made.equations for ref in operands(equation)}
    letters = {name: read[name] for name in made.constants if name in read}
    letters |= {equation.out.name: equation.out.indices for equation in made.equations}
    lost = made.constants.keys() - letters.keys()

    def lettered(accesses: Sequence[Access], results: Sequence[Access] = ()) -> tuple[Access, ...]:
        """The accesses with the letters of the program; what results were before has theirs."""
        same = {a.spelling.text: letters.get(a.value, a.letters) for a in results}
        found = ((a, letters.get(a.value) if a.value else same.get(a.spelling.text)) for a in accesses)
        return tuple(replace(a, letters=a.letters if own is None else own) for a, own in found if a.value not in lost)

    whole = tuple(replace(
        b, reads=lettered(b.reads, (*b.binds, *b.changes)), binds=lettered(b.binds), changes=lettered(b.changes),
        operand=lettered([b.operand])[0] if b.operand is not None else None,
    ) for b in bindings)  # fmt: skip
    new = made.defining().keys() - program.defining().keys()
    members = folding.members()
    return Folded(made, whole, {name: members.get(name, ()) for name in new})


class Folding:
    """The statements of a trace on the way to ones with letters for loops."""

    def __init__(self, trace: Trace, program: Program, without: Collection[Hashable]) -> None:
        self._trace, self._before, self._without = trace, program, without
        self._counters = {loop.counter for loop in trace.loops.values() if loop.counter}
        self._paths = paths_of(trace.bindings)
        self._rolling = Rerolling(program, self._paths, trace.loops, choices=trace.choices, shown=True)
        self._rolling.fold()
        self._bound = {(b.source.function, access.spelling.text) for b in trace.bindings for access in b.binds}
        self._ifs = {binding.source.place for binding in trace.bindings if binding.statement.kind == "If"}
        self._recurrent = False
        self._runs = {binding.source: binding for binding in trace.bindings}
        self._defining = program.defining()
        self._sums = grouped((one.source, one) for one in program.equations if isinstance(one, Sum))
        self._changed = {access.value for binding in trace.bindings for access in binding.changes}
        self._readers: dict[str, set[Hashable]] = {}
        for binding in trace.bindings:
            for access in binding.reads:
                self._readers.setdefault(access.value, set()).add(binding.source.shown.place)
        self._turns = {binding.source: n for n, binding in enumerate(trace.bindings)}
        self._asked: dict[tuple[str, str], dict[str, Access]] = {}

    def bindings(self) -> Iterator[Binding]:
        """The statements in the order of their first runs."""
        made: dict[Source, Binding] = {}
        groups = grouped((self._way(b), b) for b in self._trace.bindings).values()
        for runs in sorted(groups, key=lambda some: some[0].statement.site >= 0):  # what loops bind is read in them
            tick()
            one = self._statement(sorted(runs, key=self._numbers)) if len(runs) > 1 else None
            made |= {runs[0].source: one} if one is not None else {run.source: self._single(run) for run in runs}
            if one is not None and one.statement.kind == "If":  # what it asks for may be a factor of what it lets run
                read = {access.spelling.text: access for access in one.reads}
                self._asked.setdefault((one.source.file, one.source.function), {}).update(read)
            if one is None and len(runs) > 1:
                self._rolling.unfold([access.value for run in runs for access in (*run.binds, *run.changes)])
        for binding in self._trace.bindings:
            if binding.source in made:
                yield made[binding.source]

    def members(self) -> dict[str, list[str]]:
        """The values of the rounds that each value stands for."""
        entries = ((name, self._rolling.entry(name)) for name in self._before.defining())
        return grouped((entry.value, name) for name, entry in entries if entry is not None)

    def _way(self, run: Binding) -> tuple[Hashable, ...]:
        """The statement, and those that called the function that it stands in."""
        caller = self._runs.get(run.caller) if run.caller is not None else None
        return (run.source.place, *(self._way(caller) if caller is not None else ()))

    def _numbers(self, run: Binding) -> tuple[int, ...]:
        """The counters with which a statement ran."""
        return tuple(number for _, number in self._paths.get(run.source, ()))

    def program(self, bindings: Sequence[Binding]) -> Program:
        """The program that these statements read and make values of."""
        values = {
            access.value: Ref(access.value, access.letters) for binding in bindings
            for access in (*binding.reads, *binding.binds, *binding.changes, binding.operand)
            if access is not None and (access not in binding.reads or self._rolling.equation(access.value) is not None)
        }  # fmt: skip
        program = self._rolling.finished([*self._before.outputs, *values.values()]).program
        program = replace(program, equations=tuple(self._of_one_run(program.equations, bindings)))
        program = replace(program, equations=tuple(without_doubles(program.equations, values)))
        return replace(program, equations=tuple(self._parts_at_hand(program, bindings)))

    @staticmethod
    def _of_one_run(equations: Sequence[Equation], bindings: Sequence[Binding]) -> Iterator[Equation]:
        """The equations; what a statement made in all of its rounds is said to be made by the run that stands for
        them, also where another run was the first to make it, as ``a if m > 0 else b`` does."""
        homes = {place: some[0] for place, some in grouped((b.source.place, b.source) for b in bindings).items()
                 if len(some) == 1}  # fmt: skip
        for equation in equations:
            source = equation.source
            home = homes.get(source.place) if source is not None and source.caller is None else None
            yield equation if home is None or home == source else replace(equation, source=home)

    def _parts_at_hand(self, program: Program, bindings: Sequence[Binding]) -> Iterator[Equation]:
        """The equations; what another statement was the first to take out of an array, or to compare, is taken out and
        compared once more, and what was written into a buffer is read out of it again."""
        defining = program.defining()
        taken = {*defining, *program.constants}
        at_hand = grouped((b.source.shown, a.value) for b in bindings for a in (*b.reads, *b.binds, *b.changes))

        stored = grouped((part.operands[0].name, (value, part)) for value, part in self._rolling.stored.items())

        def again(
            ref: Ref, reader: Source | None, there: Collection[str], arrays: Collection[str],
            parts: Mapping[str, Contract],
        ) -> Ref:  # fmt: skip
            own = self._part(ref.name, defining, arrays, parts)
            if own is None or reader is None or own.source == reader or ref.name in there:
                return ref
            own = with_operands(own, lambda inner: again(inner, reader, there, arrays, parts))
            made.append(replace(own, out=Ref(free_name(ref.name, taken), own.out.indices), source=reader))
            return Ref(made[-1].out.name, ref.indices)

        for equation in program.equations:
            made: list[Equation] = []
            reader, result = equation.source, equation.out.name
            there = {*at_hand.get(reader.shown, ())} if reader is not None else set()
            arrays = there - {result, self._rolling.whole_buffer(result)}  # not what it makes itself
            parts = dict(part for array in arrays for part in stored.get(array, ()))
            whole = with_operands(equation, lambda ref: again(ref, reader, there, arrays, parts))  # noqa: B023
            if isinstance(equation, Update) and isinstance(whole, Update):  # what is written over is as it was
                whole = replace(whole, base=equation.base)
            yield from made
            yield whole

    def _part(
        self, name: str, defining: Mapping[str, Equation], at_hand: Collection[str], stored: Mapping[str, Contract]
    ) -> Equation | None:
        """What a value is a part of, or compares; a number; what an ``if`` makes, which nothing else has a name for.
        Of a buffer where a statement has that at hand, with what is ``stored`` in it."""
        own = defining.get(name)
        is_of_another = is_view(own) and own.operands[0].name in at_hand
        if name in stored and not is_of_another:
            return stored[name]
        if name in at_hand and any(name == part.operands[0].name for part in stored.values()):
            return None  # a buffer, of which what was written into it is the part
        if own is not None and own.source is not None and own.source.shown.place in self._ifs:
            return own
        if isinstance(own, Map):
            return own if is_boolean(own.function) else None
        if not isinstance(own, Contract) or len(own.operands) > 1 or (own.operands and own.factor != ONE):
            return None
        if not own.operands and own.out.indices:
            return None
        whole = stored.get(own.operands[0].name) if own.operands else None
        return own if whole is None else composed(own, whole)

    def _single(self, run: Binding) -> Binding:
        """One run of a statement, which may read what the rounds of a loop made, entry by entry of a list."""
        binds = tuple(self._of_rounds([a], a) for a in run.binds) if run.statement.site >= 0 else run.binds
        reads = (*self._lists(run.reads), *self._comprehended(run), *self._written_entries(run))
        return replace(run, reads=reads, binds=binds)

    def _written_entries(self, run: Binding) -> Iterator[Access]:
        """What was written into entries of buffers that a statement reads, or updates: the program reads that there."""
        for access in run.reads:
            if (other := self._rolling.forwarded(access.value)) != access.value:
                yield replace(access, value=other)
        sums = self._sums.get(run.source, ()) if run.statement.operator else ()
        for before, part in filter(None, (scattered(equation, self._defining) for equation in sums)):
            write, own = self._defining.get(before.name), places(part.brackets, part.out.indices)
            if isinstance(write, Update) and own and own == places(write.brackets, write.out.indices):
                left = [i for n, i in enumerate(write.out.indices) if n not in own]
                if sorted(left) == sorted(write.value.indices):
                    name, letters = self._rolling.forwarded(write.value.name), write.value.indices
                    text, axes = run.statement.targets[0].text, tuple((letters.index(i),) for i in left)
                    held = next((a.array for a in run.reads if a.value == before.name and a.array is not None), None)
                    there = tuple(own.get(n, slice(None)) for n in range(len(write.out.indices)))
                    array = held[there] if held is not None and held.ndim == len(there) else None
                    yield Access(name, letters, Spelling(text, axes), name, array=array)

    def _comprehended(self, run: Binding) -> Iterator[Access]:
        """What a statement reads; under an expression of a comprehension what it is in all of its rounds."""
        texts = grouped((access.spelling.text, access) for access in run.reads)
        for text, accesses in texts.items():
            several = len({access.value for access in accesses}) > 1  # one that is read twice is in no rounds
            folds = several and run.source.place not in self._without
            found = self._stacked(accesses, [run] * len(accesses)) if folds else None
            if found is None:
                yield from accesses
            elif found.spelling.text == text or found.spelling.text not in texts:
                yield found

    def _of_rounds(self, firsts: Sequence[Access], known: Access) -> Access:
        """What the runs of a loop bind, in all of their rounds; access to the first round of each is given, and what
        is known of these without."""
        first, entries = firsts[0], [self._rolling.entry(access.value) for access in firsts]
        entry = entries[0]
        if entry is None or any(entry.rounds) or any(one is None or one.value != entry.value for one in entries):
            return known
        ref = Ref(entry.value, entry.letters + first.letters)
        return self._with_letters(first, ref, first.spelling.text, self._in_rounds(first, entry.value))

    def _lists(self, reads: Sequence[Access]) -> Iterator[Access]:
        """Lists whose entries were made by the rounds of a loop, in their order."""
        once = {access.spelling.text: access for access in reads}.values()
        entries = [(access, entry) for access in once if (entry := self._rolling.entry(access.value)) is not None]
        for name, group in grouped((entry.value, (access, entry)) for access, entry in entries).items():
            first, entry = group[0]
            base = first.spelling.text.removesuffix("[0]" * len(entry.rounds))
            whole = all(access.spelling.text == "".join([base, *(entry_text("", n) for n in one.rounds)])
                        for access, one in group)  # fmt: skip
            is_array = any(access.spelling.text == base for access in reads)  # it is read by itself
            if whole and not is_array and len(group) == self._rolling.count(entry.letters):
                held = joined([access.array for access, _ in group])
                yield self._with_letters(first, Ref(name, entry.letters + first.letters), base, held)

    def _statement(self, runs: Sequence[Binding]) -> Binding | None:
        """All runs of a statement as one; None where they are not alike, or one round of its loops has several."""
        if len({self._paths.get(run.source) for run in runs}) < len(runs) or runs[0].source.place in self._without:
            return None
        made = [self._accesses([getattr(run, kind) for run in runs], runs) for kind in ("binds", "changes")]
        if any(accesses is None or None in accesses for accesses in made):
            return None
        if any(one and not self._is_of_each_round(one, n, runs) for n, one in enumerate(made[1] or ())):
            return None  # what a round leaves of a buffer that others change as well
        binds, changes = (tuple(access for access in accesses or () if access is not None) for accesses in made)
        if runs[0].statement.site >= 0:  # a loop within others: each run has what its first round binds
            firsts = zip(*(run.binds for run in runs), strict=True)
            binds = tuple(self._of_rounds(some, one) for some, one in zip(firsts, binds, strict=True))
        self._recurrent = False
        reads = tuple(self._reads(runs))
        if changes and self._rolling.grid([run.source for run in runs]) is None:  # what an ``if`` let be written
            reads = (*reads, *self._asked_before(runs[0], reads))
        plain = {text: number for text, number in runs[0].plain.items()
                 if all(text in run.plain and np.array_equal(run.plain[text], number) for run in runs)}  # fmt: skip
        scalars = dict(set.intersection(*(set(run.scalars.items()) for run in runs)))
        one = replace(runs[0], reads=reads, binds=binds, changes=changes, recurrent=self._recurrent, plain=plain,
                      scalars=scalars)  # fmt: skip
        if not one.statement.operator and (operator := self._adding(runs[0])):
            one, *runs = (replace(b, statement=replace(b.statement, operator=operator)) for b in (one, *runs))
        return self._augmented(one, runs) if one.statement.operator else one

    def _is_of_each_round(self, whole: Access, n: int, runs: Sequence[Binding]) -> bool:
        """Whether a buffer that is written into, of which all rounds together have one with letters for them, is not
        the one that another of these rounds has left."""
        loops = self._rolling.loops(whole.letters[: len(whole.letters) - len(runs[0].changes[n].letters)])
        rounds = {
            run.changes[n].value: tuple(number for loop, number in self._paths.get(run.source, ()) if loop in loops)
            for run in runs
        }  # fmt: skip
        for single, own in rounds.items():
            before = self._grown_from(single)
            if loops and before is None:
                return False  # a part of an array, through a view
            while before is not None:
                if rounds.get(before, own) != own:
                    return False
                before = self._grown_from(before)
        return True

    def _grown_from(self, name: str) -> str | None:
        """What a value was before a part of it was written or added to; None for any other value."""
        own = self._defining.get(name)
        if isinstance(own, Update):
            return own.base.name
        return next((ref.name for _, ref in own.terms if ref is not None), None) if isinstance(own, Sum) else None

    def _adding(self, run: Binding) -> str:
        """The operator with which a statement adds to a sum to which others add as well; none where it does not."""
        for target in (*run.binds, *run.changes):
            added = self._added(target, run)
            if added is not None and added.value != self._rolling.heads.get(target.value):
                return "-=" if self._rolling.is_negative(added.value) else "+="
        return ""

    def _accesses(self, accesses: Sequence[Sequence[Access]], runs: Sequence[Binding]) -> list[Access | None] | None:
        """What all runs bind or write into, one by one: None for a value that is not made alike."""
        if len({len(some) for some in accesses}) > 1:
            return None
        return [self._whole(list(some), runs) or self._stacked(list(some), runs) or self._buffer(list(some), runs)
                for some in zip(*accesses, strict=True)]  # fmt: skip

    def _reads(self, runs: Sequence[Binding]) -> Iterator[Access]:
        """What all runs read under expressions that say what it is in all rounds.

        An expression that goes on with a counter, ``X[n, d]``, says it of one round: it is written as what it is
        made of.
        """
        texts = [grouped((access.spelling.text, access) for access in run.reads) for run in runs]
        is_branch = runs[0].statement.kind in ("If", "While")
        asked = not is_branch and self._rolling.goes_several_ways([run.source for run in runs])
        for text in dict.fromkeys(chain.from_iterable(texts if asked else texts[:1])):
            some = [reads[text][0] for reads in texts if text in reads]
            those = [run for run, reads in zip(runs, texts, strict=True) if text in reads]
            found = self._stacked(some, those, within=asked) if asked or len(some) == len(runs) else None
            if found is not None and len(found.letters) > len(some[0].letters) and self._is_one_buffer(some):
                found = None  # a buffer, as each round has left it: ``g[t,t,d]`` would be another array's entry
            whole = self._rolling.carried(found.value) if found is not None else ""
            if found is not None and self._is_left(whole, text, runs[0]):
                self._recurrent = True
                if not self._has_buffer(whole, runs[-1]):  # else it is written as a part of the buffer
                    spelling = replace(found.spelling, text=ENTRY.sub("", text))
                    yield replace(found, value=whole, spelling=spelling, array=self._left_over(found))
            elif found is not None and (part := self._rolling.part_of(found.value)) is not None:
                held = self._in_rounds(some[0], part.name)  # it is read at some of its entries, as ``ys[s-1]`` is
                near = SHIFTED.search(found.spelling.text)
                base = ENTRY.sub("", found.spelling.text) if near and near[1] in self._counters else found.spelling.text
                yield replace(found, value=part.name, letters=part.indices, array=held,
                              spelling=replace(found.spelling, text=base))
            elif found is not None:
                is_name = PLAIN.fullmatch(found.spelling.text) and found.spelling.text not in {*texts[0]} - {text}
                if found.letters == some[0].letters or is_name or self._is_passed(found, some[0], runs[0]):
                    self._recurrent |= found.letters != some[0].letters
                    yield found
            elif (written := self._buffer(some, runs)) is not None:
                yield from self._written(written)
            elif len(some) == len(runs) and (filled := self._filled(some)) is not None:
                yield filled
        for text, first in texts[0].items():  # a call that stands several times in the statement
            count = min(len(reads.get(text, ())) for reads in texts) if first[0].spelling.rank == CALL else 1
            for n in range(1, count):
                again = self._stacked([reads[text][n] for reads in texts], runs)
                if again is not None and first[n].value != first[0].value and self._is_passed(again, first[n], runs[0]):
                    yield again
        for text in (text for text in runs[0].numbers if text not in self._counters):
            yield from self._numbers_read(text, runs)

    def _numbers_read(self, text: str, runs: Sequence[Binding]) -> Iterator[Access]:
        """The whole numbers that an expression was in all runs, where an array of theirs says which entries are meant:
        ``c`` of ``for c in centers`` in ``V[c]``, ``words`` of ``words[t]``."""
        numbers = [run.numbers[text] for run in runs if text in run.numbers]
        base = self._base(text, runs[0].source.function)
        ref = self._rolling.given(numbers, [run.source for run in runs]) if len(numbers) == len(runs) else None
        if ref is not None and PLAIN.fullmatch(base):
            axes = tuple((n,) for n in range(len(ref.indices)))
            array = self._rolling.constant(ref.name)
            yield Access(ref.name, ref.indices, Spelling(base, axes), ref.name, array=array)

    def _has_buffer(self, whole: str, run: Binding) -> bool:
        """Whether a statement reads the buffer into which a value is written, or writes into it itself."""
        stored = self._rolling.stored.get(whole)
        return stored is not None and any(
            self._rolling.heads.get(access.value) == stored.operands[0].name
            for access in (*run.reads, *run.binds, *run.changes))  # fmt: skip

    def _is_one_buffer(self, accesses: Sequence[Access]) -> bool:
        """Whether values are what rounds have left of one array into which they write, and not arrays of their own."""
        begun = set()
        for access in accesses:
            name = access.value
            while name in self._changed and (before := self._grown_from(name)) is not None:
                name = before
            begun.add(name)
        return len(begun) == 1 < len({access.value for access in accesses})

    def _filled(self, accesses: Sequence[Access]) -> Access | None:
        """A buffer that the rounds fill and read, as it is once all of them have written into it: what they read of it
        was written before."""
        heads = {self._rolling.heads.get(access.value) for access in accesses[1:]}
        whole = heads.pop() if len(heads) == 1 else None
        equation = self._rolling.equation(whole) if whole is not None else None
        if whole is None or equation is None or whole in self._rolling.sums:
            return None
        own = accesses[0].spelling
        held = (access for binding in reversed(self._trace.bindings) for access in (*binding.changes, *binding.binds)
                if access.value == whole and access.spelling.text == own.text)  # fmt: skip
        last = next(held, None)
        if last is None or last.spelling.axes != own.axes:
            return None
        mixed = self._rolling.is_mixed(last.value)
        return replace(last, letters=equation.out.indices, spelling=own, ragged=mixed)

    def _is_passed(self, found: Access, single: Access, reader: Binding) -> bool:
        """Whether an expression is a call whose result others have made, or an argument that others read."""
        if found.spelling.rank != CALL:
            return False
        equation = self._defining.get(single.value)
        source = equation.source.shown if equation is not None and equation.source is not None else None
        is_own = source is not None and source.place == reader.source.place
        if is_own and any(access.value == single.value for access in (*reader.binds, *reader.changes)):
            return False
        places = {source.place} if source is not None else set()
        return bool((places | self._readers.get(single.value, set())) - {reader.source.place})

    def _is_left(self, whole: str, text: str, reader: Binding) -> bool:
        """Whether the rounds of a loop leave a value to one another under the name by which it is read: a variable, of
        the function or of one that passes it on under that name, an entry of a list that later rounds write again, or
        ``hs[t - 1]`` of what is bound as ``hs[t]``. Entries of a list that began with one are numbered otherwise."""
        before = {f"{ENTRY.sub('', text)}[{counter}]" for counter in self._counters
                  if text.replace(" ", "").endswith((f"[{counter}-1]", f"[{counter}+1]"))}  # fmt: skip
        names = {text, *before}
        if not whole or self._is_of_the_round(text, reader):
            return False
        bound = [(binding.source, access) for binding in self._trace.bindings
                 for access in (*binding.binds, *binding.changes) if access.spelling.text in names]  # fmt: skip
        own, passed = (
            [access for at, access in bound if call and (at.file, at.function) == (call.file, call.function)]
            for call in (reader.source, reader.caller)
        )
        return any((entry := self._rolling.entry(access.value)) is not None and entry.value == whole
                   for access in own or passed)  # fmt: skip

    def _is_of_the_round(self, text: str, reader: Binding) -> bool:
        """Whether a name was bound before it is read in the same round of the same loops: ``h = cache[t]``."""
        path = self._paths.get(reader.source)
        for binding in reversed(self._trace.bindings[: self._turns[reader.source]]):
            same = binding.caller == reader.caller and binding.source.function == reader.source.function
            if same and any(access.spelling.text == text for access in binding.binds):
                return self._paths.get(binding.source) == path
        return False

    def _written(self, access: Access) -> Iterator[Access]:
        """A buffer that was written as what was written into it."""
        equation = self._rolling.equation(access.value)
        if is_view(equation):
            value, out = equation.operands[0], equation.out.indices
            moves = {b.left.letters: b.right.letters for b in equation.brackets if b.right.is_letter}
            places = [value.indices.find(moves.get(letter, letter)) for letter in out]
            if sorted(places) == list(range(len(value.indices))):
                axes = tuple(tuple(places[n] for n in axis) for axis in access.spelling.axes)
                spelling = replace(access.spelling, axes=axes)
                yield replace(access, value=value.name, letters=value.indices, spelling=spelling)

    def _whole(self, accesses: list[Access], runs: Sequence[Binding]) -> Access | None:
        """A sum or a buffer that grew round by round, as what it is in the end."""
        heads = [self._rolling.ends.get(a.value) or self._rolling.heads.get(a.value, "") for a in accesses]
        begun = [self._rolling.begins.get(access.value, "") for access in accesses]
        heads = [head or (other if other in heads else "") for head, other in zip(heads, begun, strict=True)]
        found = self._stacked([replace(a, value=head) for a, head in zip(accesses, heads, strict=True)], runs)
        is_mixed = any(self._rolling.is_mixed(access.value) for access in accesses)
        return replace(found, ragged=True) if found is not None and is_mixed else found  # others write in between

    def _stacked(self, accesses: list[Access], runs: Sequence[Binding], *, within: bool = False) -> Access | None:
        """What all runs hold under one expression; those that went one way ``within`` the statement, where others do
        not read it."""
        accesses = self._by_counter(accesses, runs)
        first = accesses[0]
        if any(a.spelling != first.spelling or not a.value for a in accesses):
            return None
        ref = self._rolling.stacked([a.value for a in accesses], [run.source for run in runs], within=within)
        if ref is None:
            return None
        whole = Ref(ref.name, ref.indices + first.letters)
        held = self._held(accesses, runs, ref.indices)
        ragged = self._rolling.grid([run.source for run in runs]) is None
        made = self._with_letters(first, whole, self._base(first.spelling.text, runs[0].source.function), held)
        return replace(made, ragged=ragged)

    def _by_counter(self, accesses: list[Access], runs: Sequence[Binding]) -> list[Access]:
        """Entries of a list or dict whose number is a counter in all runs under an expression with that counter."""
        ends = [NUMBERED.search(access.spelling.text) for access in accesses]
        numbers = [int(end[1]) if end else None for end in ends]
        if None in numbers or len(set(numbers)) < 2:
            return accesses
        for place, (loop, _) in enumerate(self._paths.get(runs[0].source, ())):
            counter = self._trace.loops[loop].counter if loop in self._trace.loops else ""
            turns = [self._paths[run.source][place][1] for run in runs]
            if counter and turns == numbers:
                return [replace(a, spelling=replace(a.spelling, text=NUMBERED.sub(f"[{counter}]", a.spelling.text)))
                        for a in accesses]  # fmt: skip
        return accesses

    def _buffer(self, accesses: list[Access], runs: Sequence[Binding]) -> Access | None:
        """A buffer that a statement wrote into in each round, after all rounds."""
        ref = self._rolling.written([access.value for access in accesses])
        if ref is None:
            return None
        mixed = any(self._rolling.is_mixed(access.value) for access in accesses)
        return replace(accesses[0], value=ref.name, array=self._held(accesses, runs), ragged=mixed)

    def _base(self, text: str, function: str) -> str:
        """What an expression for the value of one round is an entry of: ``hs`` of ``hs[t]`` and of ``hs[-1]``."""
        ends = (f"[{index}]" for index in (*self._counters, "-1"))
        base = next((text.removesuffix(end) for end in ends if text.endswith(end)), text)
        return text if text.endswith("[-1]") and (function, f"{base}[0]") in self._bound else base

    def _with_letters(self, access: Access, ref: Ref, text: str, held: Any) -> Access:
        """The value of all rounds under an expression, with the letters of the loops first."""
        shift = len(ref.indices) - len(access.letters)
        axes = (*((n,) for n in range(shift)), *(tuple(n + shift for n in axis) for axis in access.spelling.axes))
        spelling = Spelling(text, axes, access.spelling.rank)
        return replace(access, value=ref.name, letters=ref.indices, spelling=spelling, array=held)

    # What was held, where values are kept

    def _held(
        self, accesses: Sequence[Access], runs: Sequence[Binding], letters: str = "", *, first: bool = False
    ) -> Any:  # fmt: skip
        """The arrays of all runs as one with an axis for each of these loops; along other loops that of the last run,
        or of the ``first``."""
        grid = self._rolling.grid([run.source for run in runs])
        if grid is None or any(access.array is None for access in accesses):
            return None
        own = [grid.letters.index(letter) for letter in letters]
        rest = [n for n in range(grid.order.ndim) if n not in own]
        order = grid.order.transpose([*own, *rest]).reshape([*(grid.order.shape[n] for n in own), -1])
        turns = np.array([self._turns[run.source] for run in runs])[order]
        chosen = np.take_along_axis(order, (turns.argmin(-1) if first else turns.argmax(-1))[..., None], -1)
        return joined([accesses[n].array for n in chosen.flat], chosen.shape[:-1])

    def _left_over(self, found: Access) -> Any:
        """What the rounds left, of which each run held what the one before did: that is read at the position before
        it. What was there before the first is one more at the end, where the position -1 leads too."""
        equation = self._rolling.equation(found.value)
        if found.array is None or not isinstance(equation, Contract):
            return None
        (where,) = equation.brackets
        axis = equation.out.indices.index(where.right.letters)
        forwards = where.right.constant < 0
        begin, others = np.split(found.array, [1] if forwards else [-1], axis)[:: 1 if forwards else -1]
        unread = np.full_like(begin, np.nan, dtype=float)  # what the last round left, which no other one reads
        return np.concatenate([others, unread, begin] if forwards else [unread, others, begin], axis)

    def _in_rounds(self, access: Access, whole: str) -> Any:
        """What is held in all rounds of a loop of which the first is given."""
        found = {
            entry.rounds: one.array
            for binding in self._trace.bindings for one in (*binding.reads, *binding.binds)
            if (entry := self._rolling.entry(one.value)) is not None and entry.value == whole
            and one.spelling.axes == access.spelling.axes
        }  # fmt: skip
        shape = tuple(max(numbers) + 1 for numbers in zip(*found, strict=True))
        return joined([found.get(index) for index in np.ndindex(shape)], shape)

    def _augmented(self, made: Binding, runs: Sequence[Binding]) -> Binding | None:
        """An augmented assignment with what all of its runs put on the right."""
        for n, target in enumerate((*made.binds, *made.changes)):
            added = [self._added((*run.binds, *run.changes)[n], run) for run in runs]
            operand = self._stacked([one for one in added if one is not None], runs) if None not in added else None
            if operand is not None:
                statement = replace(made.statement, targets=(Target(target.spelling.text, ""),))
                operand = replace(operand, spelling=replace(target.spelling, text=""))
                reads = tuple(access for access in made.reads if access.value != operand.value)
                reads = (*reads, *self._asked_before(made, reads), *self._as_it_was(target, n, runs))
                return replace(made, statement=statement, operand=operand, reads=reads)
        if any(self._rolling.heads.get(a.value) in self._rolling.sums for a in (*runs[0].binds, *runs[0].changes)):
            return None
        texts = {target.text for target in made.statement.targets}
        if any(access.spelling.text in texts and access.value in {a.value for a in (*made.binds, *made.changes)}
               for access in made.reads):  # what a round adds to is what the one before has left
            return replace(made, operand=None, statement=replace(made.statement, operator="", operand=""))
        some_operands = [run.operand for run in runs if run.operand is not None]
        if not some_operands:  # numbers
            before = (a for n, to in enumerate((*made.binds, *made.changes)) for a in self._as_it_was(to, n, runs))
            return replace(made, reads=(*made.reads, *before))
        one = self._stacked(some_operands, runs) if len(some_operands) == len(runs) else None
        if one is None:
            return None
        loops, own = len(one.letters) - len(some_operands[0].letters), one.spelling.axes
        missing = max((len(target.spelling.axes) - len(own) for target in (*made.binds, *made.changes)), default=0)
        axes = (*own[:loops], *((),) * missing, *own[loops:])  # it is broadcast to what is written in one round
        return replace(made, operand=replace(one, spelling=replace(one.spelling, axes=axes)))

    def _asked_before(self, run: Binding, reads: Sequence[Access]) -> Iterator[Access]:
        """What the conditions of a function ask for, and a statement in it does not read."""
        asked = self._asked.get((run.source.file, run.source.function), {})
        known = {access.spelling.text for access in reads}
        yield from (access for text, access in asked.items() if text not in known)

    def _as_it_was(self, target: Access, n: int, runs: Sequence[Binding]) -> Iterator[Access]:
        """What all runs add to as it was before the first of them, where values are kept."""
        own = [(*run.binds, *run.changes)[n] for run in runs]
        text = own[0].spelling.text
        before = [next((a.array for a in run.reads if a.spelling.text == text), run.plain.get(text)) for run in runs]
        if target.array is not None and all(array is not None for array in before):
            some = [replace(one, array=np.broadcast_to(np.asarray(array), np.shape(one.array)))
                    for one, array in zip(own, before, strict=True)]  # fmt: skip
            loops = target.letters[: len(target.letters) - len(own[0].letters)]
            yield replace(target, value="", array=self._held(some, runs, loops, first=True))

    def _added(self, target: Access, run: Binding) -> Access | None:
        """What all runs of a statement add to the sum to which one of them adds."""
        head = self._rolling.heads.get(target.value) or self._rolling.begins.get(target.value, "")
        part = self._rolling.parts.get((run.source.place, head))
        if part is None:
            return None
        name = self._rolling.negative(part.name) if run.statement.operator == "-=" else part.name
        return replace(target, value=name, letters=part.indices, array=None)


def without_doubles(equations: Sequence[Equation], kept: Container[str]) -> Iterator[Equation]:
    """The equations without those that make what an earlier one of the same statement makes in the same way, as values
    that stand for the same rounds do; those of values that are ``kept`` stay."""
    first: dict[Any, Ref] = {}
    same: dict[str, Ref] = {}

    def known(ref: Ref) -> Ref:
        other = same.get(ref.name)
        return ref if other is None else Ref(other.name, ref.indices)

    for equation in equations:
        own = with_operands(equation, known)
        key = own.source and own.source.shown.place, replace(own, out=Ref("", own.out.indices))
        earlier = first.setdefault(key, own.out)
        if earlier is not own.out and own.out.name not in kept:
            same[own.out.name] = earlier
            continue
        if own.out.name in kept and earlier.name not in kept:
            first[key] = own.out
        yield own


def joined(arrays: Sequence[Any], shape: Sequence[int] = (-1,)) -> Any:
    """Arrays of one shape as one, with axes before theirs; None where one is not known."""
    if any(array is None or array.shape != arrays[0].shape for array in arrays):
        return None
    return np.reshape(arrays, (*shape, *arrays[0].shape))


def composed(part: Contract, stored: Contract) -> Contract:
    """A part of a value that is itself a part of an array, as a part of that array."""
    value = part.operands[0]
    whole = relettered(stored, value.indices)
    assert isinstance(whole, Contract)
    places = {bracket.left.letters: bracket.right for bracket in part.brackets if bracket.left.is_letter}

    def placed(position: Position) -> Position:
        terms: list[tuple[Factor, str]] = []
        constant = position.constant
        for factor, letter in position.terms:
            inner = places.get(letter)
            if inner is None or factor != ONE or inner.pick is not None:
                terms.append((factor, letter))
            else:
                terms += inner.terms
                constant += inner.constant
        return Position(tuple(terms), constant, position.pick)

    moved = tuple(replace(bracket, right=placed(bracket.right)) for bracket in whole.brackets)
    left = {letter for bracket in moved for letter in bracket.letters} | {*whole.operands[0].indices}
    kept = tuple(bracket for bracket in part.brackets if bracket.left.letters in left)
    return replace(part, operands=whole.operands, brackets=(*moved, *kept))
