"""Arrays that are put beside one another are made where they belong, and so is what they are made of.

A stack, ``y[t,i] = Σ_n x_n[i] [t=n]``: ``np.stack`` and ``np.concatenate``, and the gradients of slices, are sums of
arrays that go to places of their own. None is added to another: each is written to its place in one piece of memory.
Where that place is as dense as memory of its own would be, the equation that makes the array writes it there at once,
and nothing is copied.

In a loop, ``e = exp(x - top)`` and ``p = e / total`` are made for some rows at a time, and p goes to its place in an
array of all rows. There is room for e at that place until p is written: less memory is walked over, and more of it
stays in cache. The first pass over a place waits for main memory, unless it computes for as long: so ``x - top`` has a
buffer of its own, which stays in cache, and exp is the first to write to the place.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import prod

from ..core.collecting import grouped
from ..core.letters import uses_of
from ..core.program import ONE, Contract, Program, Ref, Sum
from ..core.records import dataclass
from . import patterns
from .assembly import Assembly, Step
from .patterns import Form
from .views import Dtype, Root, View, has_unit_stride, is_joined, memory_order
from .workspace import Workspace


@dataclass(frozen=True)
class Place:
    """Where an array stands in a stack.

    Attributes
    ----------
    stack : str
        The value that it is part of.
    ref : Ref
        The array.
    forms : tuple of Form
        Its position along each axis of the stack.
    axis : int
        The axis of the stack along which the arrays follow one another.
    is_whole : bool
        Whether they fill the stack.
    """

    stack: str
    ref: Ref
    forms: tuple[Form, ...]
    axis: int
    is_whole: bool


class Stacks:
    """The stacks of a program.

    Attributes
    ----------
    sums : set of str
        The values that are stacks.
    parts : dict of value to Place
        The terms of those sums.
    homes : dict of value to Place
        Where an array is made, if it is not made elsewhere.
    """

    def __init__(self, program: Program, dtypes: Mapping[str, Dtype]) -> None:
        self.sums: set[str] = set()
        self.parts: dict[str, Place] = {}
        self.homes: dict[str, Place] = {}
        self.made: dict[str, View] = {}
        defining = program.defining()
        uses = uses_of(program.equations, program.outputs)
        outputs = {ref.name for ref in program.outputs}
        for equation in program.equations:
            parts = places_of(equation, defining, uses, program.sizes) if isinstance(equation, Sum) else {}
            names = [equation.out.name, *(place.ref.name for place in parts.values())]
            if parts and len({dtypes[name] for name in names}) == 1:
                self.sums.add(equation.out.name)
                self.parts |= parts
                for place in parts.values():
                    if place.ref.name in defining and place.ref.name not in outputs:
                        self.homes.setdefault(place.ref.name, place)

    def leave_out(self, names: set[str]) -> None:
        """Forget the stacks that are, or have a part, among values that are computed in another way."""
        gone = self.sums & names | {place.stack for name, place in self.parts.items() if name in names}
        self.sums -= gone
        self.parts = {name: place for name, place in self.parts.items() if place.stack not in gone}
        self.homes = {name: place for name, place in self.homes.items() if place.stack not in gone}


def places_of(
    equation: Sum, defining: Mapping[str, object], uses: Mapping[str, int], sizes: dict[str, int]
) -> dict[str, Place]:
    """The place of each term of a sum; nothing if they are no arrays beside one another."""
    found: dict[str, tuple[Ref, tuple[Form, ...]]] = {}
    for factor, ref in equation.terms:
        part = defining.get(ref.name) if ref is not None else None
        if ref is None or factor != ONE or not isinstance(part, Contract) or uses[ref.name] != 1:
            return {}
        forms = position(part, sizes)
        if forms is None or part.out.indices != ref.indices or ref.indices != equation.out.indices:
            return {}
        found[ref.name] = part.operands[0], forms
    every = [forms for _, forms in found.values()]
    for axis, letter in enumerate(equation.out.indices):
        spans = sorted(span(forms[axis], sizes) for forms in every)
        if len(spans) > 1 and all(a[1] <= b[0] for a, b in pairwise(spans)):
            others = [n for n in range(len(every[0])) if n != axis]
            full = sum(stop - start for start, stop in spans) == sizes[letter]
            full &= all(span(f[n], sizes) == (0, sizes[equation.out.indices[n]]) for f in every for n in others)
            return {n: Place(equation.out.name, ref, forms, axis, full) for n, (ref, forms) in found.items()}
    return {}


def position(part: Contract, sizes: dict[str, int]) -> tuple[Form, ...] | None:
    """Where ``x[t,j] = y[j] [t=3]`` or ``x[i] = y[j] [i=j+2]`` puts y, along each axis of x."""
    if len(part.operands) != 1 or part.factor != ONE or len(set(part.out.indices)) != len(part.out.indices):
        return None
    (ref,) = part.operands
    solved: dict[str, Form] = {}
    for bracket in part.brackets:
        for letter, other in bracket.solved():
            if other.pick is None and letter not in ref.indices:
                if len(other.terms) <= 1 and all(factor == ONE for factor, _ in other.terms):
                    solved[letter] = Form(tuple((i, 1) for _, i in other.terms), other.constant)
                break
    forms = tuple(solved.get(i) or Form(((i, 1),)) for i in part.out.indices)
    letters = "".join(form.letters for form in forms)
    if sorted(letters) != sorted(ref.indices) or len(solved) != len(part.brackets):
        return None
    spans = [(span(form, sizes), sizes[i]) for i, form in zip(part.out.indices, forms, strict=True)]
    return forms if all(start >= 0 and stop <= size for (start, stop), size in spans) else None


def span(form: Form, sizes: dict[str, int]) -> tuple[int, int]:
    """The first position, and the one after the last."""
    low, high = form.bounds(sizes)
    return low, high + 1


def region(work: Workspace, stacks: Stacks, place: Place, order: str) -> View:
    """The part of a stack where an array stands, in its letters; the stack is made if there is none yet.

    The order of the array's letters in memory is the stack's too, below the axis along which arrays follow one another.
    """
    out = work.outs[place.stack].indices
    if place.stack not in stacks.made:
        axes = {form.letters: n for n, form in enumerate(place.forms)}
        inner = [out[axes[i]] for i in order if axes[i] != place.axis]
        inner += [letter for n, letter in enumerate(out) if n != place.axis and letter not in inner]  # of one position
        given = work.placed.get(place.stack)
        view = given or work.allocate(out[place.axis] + "".join(inner), work.dtypes[place.stack], place.stack)
        view = view if given is None else view.named(out)
        view.root.last = max(view.root.last, work.last.get(place.stack, -1))
        if not place.is_whole:
            work.assembly.emit("fill", "{out}.fill(0)", out=view)
        stacks.made[place.stack] = view.transposed(out)
    return patterns.at_positions(work, stacks.made[place.stack], place.forms, place.ref.indices)


def home(work: Workspace, stacks: Stacks, order: str, dtype: Dtype, name: str) -> View | None:
    """The memory in a stack for an array that is made now, its letters in that order, if it lies there so densely."""
    place, own = stacks.homes.get(name), work.outs[name].indices if name in work.outs else ""
    loop = work.assembly.loop
    if place is None or (loop is not None and loop.variables) or work.dtypes[place.stack] != dtype:
        return None
    if len(own) != len(order) or set(own) != set(order):
        return None
    table = dict(zip(own, place.ref.indices, strict=True))
    found = region(work, stacks, place, "".join(table[i] for i in order))
    found = found.named("".join(own[place.ref.indices.index(i)] for i in found.term)).transposed(order)
    return found if is_joined(found, order) and has_unit_stride(found, order[-1:]) else None


def put(work: Workspace, stacks: Stacks, place: Place) -> View:
    """An array at its place in a stack: copied, unless it was made there."""
    view = work.values[place.ref.name].named(place.ref.indices)
    found = region(work, stacks, place, view.term)
    is_there = view.root is found.root and view.text.startswith(found.text) and view.size == found.size
    if not is_there:
        work.assembly.emit("copy", "copyto({out}, {0})", view.transposed(found.term), out=found)
    return stacks.made[place.stack]


LONG = {"exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "tanh", "sin", "cos", "sinh", "cosh"}
"""Functions that compute for longer than it takes to write their values to main memory."""


def share(assembly: Assembly) -> None:
    """Put buffers of loops at the places of what is made of them."""
    uses = grouped((root, n) for n, step in enumerate(assembly.steps) for root in {view.root for view in step.views})
    made: dict[int, list[Step]] = {}
    apart: list[Root] = []
    for number in reversed(range(len(assembly.steps))):
        step = assembly.steps[number]
        place = step.views[-1] if step.views else None
        if step.word != "elementwise" or step.loop is None or place is None or step.out is not place.root:
            continue
        if place.root.kind != "part" or uses[place.root][0] != number:
            continue
        for view in step.views[:-1]:
            if is_free(assembly, view, number, uses) and lies_alike(view, place, step):
                view.root.kind = "part"
                order = memory_order(view)
                at = definition(assembly, place.root, made)
                text = Step("block", f"{view.root.name} = {{0}}", (place.transposed(order),), None, 0, 0, "", step.loop)
                made.setdefault(at, []).append(text)
                apart.append(view.root)
                break
    for root in apart:
        begin_apart(assembly, root, uses[root])
    if made:
        assembly.steps = [s for n, step in enumerate(assembly.steps) for s in (step, *made.get(n, ()))]


def begin_apart(assembly: Assembly, root: Root, uses: list[int]) -> None:
    """Give what is made at a place before the first long function of it a buffer of its own."""
    long = next((n for n in uses if is_long_in_place(assembly.steps[n], root)), None)
    if long is None:
        return
    own = assembly.root(root.shape, root.dtype)
    for number in [n for n in uses if n <= long]:
        step = assembly.steps[number]
        views = tuple(elsewhere(view, root, own) if view.root is root else view for view in step.views)
        if number == long:
            views = (*views[:-1], step.views[-1])
        assembly.steps[number] = replace(step, views=views, out=views[-1].root if step.out is not None else None)


def is_long_in_place(step: Step, root: Root) -> bool:
    """Whether a step writes a function that takes long over all of what it reads."""
    whole = bool(step.views) and step.views[-1].size == prod(root.shape)
    return whole and step.template.partition("(")[0] in LONG and step.out is root is step.views[0].root


def elsewhere(view: View, root: Root, own: Root) -> View:
    """The same view of other memory."""
    return replace(view, text=re.sub(rf"\b{root.name}\b", own.name, view.text), root=own)


def is_free(assembly: Assembly, view: View, number: int, uses: dict[Root, list[int]]) -> bool:
    """Whether a buffer is used in one loop only, for the last time in this step."""
    loop = assembly.steps[number].loop
    own = uses[view.root]
    return view.root.kind == "buffer" and own[-1] == number and all(assembly.steps[n].loop is loop for n in own)


def lies_alike(view: View, place: View, step: Step) -> bool:
    """Whether a view of all of a buffer has each entry where the place has it, and the step reads it so only."""
    order = memory_order(view)
    if view.dtype != place.dtype or sorted(view.term) != sorted(place.term) or len(set(order)) != len(order):
        return False
    lying, there = view.transposed(order).array, place.transposed(order).array
    alone = sum(other.root is view.root for other in step.views) == 1
    same = lying.shape == there.shape == view.root.shape and lying.strides == there.strides
    return alone and same and bool(there.flags.c_contiguous)


def definition(assembly: Assembly, root: Root, made: dict[int, list[Step]]) -> int:
    """The number of the step after which a part is there."""
    start = f"{root.name} = "
    every = ((n, [step, *made.get(n, ())]) for n, step in enumerate(assembly.steps))
    return next(n for n, steps in every if any(step.template.startswith(start) for step in steps))
