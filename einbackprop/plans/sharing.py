"""Buffers of a loop that need no memory: what is made of one, entry by entry, is written over it where it belongs.

``e = exp(x - top)`` and ``p = e / total`` are made for some rows at a time, and p goes to its place in an array of all
rows. There is room for e at that place until p is written: less memory is walked over, and more of it stays in cache.

The first pass over a place waits for main memory, unless it computes for as long: so ``x - top`` has a buffer of its
own, which stays in cache, and exp is the first to write to the place.
"""

import re
from dataclasses import replace
from math import prod

from .assembly import Assembly, Step
from .views import Root, View, memory_order

LONG = {"exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "tanh", "sin", "cos", "sinh", "cosh"}
"""Functions that compute for longer than it takes to write their values to main memory."""


def share(assembly: Assembly) -> None:
    """Put buffers of loops at the places of what is made of them."""
    uses: dict[Root, list[int]] = {}
    for number, step in enumerate(assembly.steps):
        for root in {view.root for view in step.views}:
            uses.setdefault(root, []).append(number)
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
