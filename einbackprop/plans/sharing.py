"""Buffers of a loop that need no memory: what is made of one, entry by entry, is written over it where it belongs.

``e = exp(x - top)`` and ``p = e / total`` are made for some rows at a time, and p goes to its place in an array of all
rows. There is room for e at that place until p is written: less memory is walked over, and more of it stays in cache.
"""

from __future__ import annotations

from .assembly import Assembly, Step
from .views import Root, View, memory_order


def share(assembly: Assembly) -> None:
    """Put buffers of loops at the places of what is made of them."""
    uses: dict[Root, list[int]] = {}
    for number, step in enumerate(assembly.steps):
        for root in {view.root for view in step.views}:
            uses.setdefault(root, []).append(number)
    made: dict[int, list[Step]] = {}
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
                break
    if made:
        assembly.steps = [s for n, step in enumerate(assembly.steps) for s in (step, *made.get(n, ()))]


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
