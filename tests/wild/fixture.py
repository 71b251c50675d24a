"""What a piece of hand-written code must offer so that tests can loop over all of them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Fixture:
    """A loss and its hand-written gradients, as plain functions of a module whose `np` can be swapped.

    The user's code may keep state in its arguments, and may write into them: give every call its own
    deep copy of what `arguments` returned.
    """

    name: str
    groups: tuple[int, ...]
    """The kinds of NumPy call it needs, the numbers of `GROUPS`."""
    arguments: Callable[..., tuple[Any, ...]]
    """`arguments(rng, sizes=(…))`: drawn arguments; the sizes by default are small and pairwise distinct."""
    loss: Callable[..., Any]
    """`loss(*arguments)`: a scalar."""
    gradients: Callable[..., Any]
    """`gradients(*arguments)`: what the user's backward gives, in the user's own nesting."""
    wrt: tuple[str, ...]
    """Paths into the arguments: "0" is the first, "0.W1" its key, item or attribute W1, and so on down."""
    returned: tuple[str, ...] = ()
    """Paths into what `gradients` returns, one for each of `wrt`; by default "0", "1", … ("" for a single one)."""
    equal_size: int | None = 3
    """The size of every dimension in the stratum of equal sizes; None where they cannot be equal."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(path into the arguments, path into the gradients), one pair for each gradient."""
        default = ("",) if len(self.wrt) == 1 else tuple(str(position) for position in range(len(self.wrt)))
        return tuple(zip(self.wrt, self.returned or default, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """The user's own names of what is differentiated: "W1", "net.b", "weights.0"."""
        parameters = list(inspect.signature(self.loss).parameters)
        heads = [(parameters[int(path.split(".")[0])], *path.split(".")[1:]) for path in self.wrt]
        return tuple(".".join(head) for head in heads)

    @property
    def sizes(self) -> Sizes:
        """The sizes that `arguments` takes by default."""
        sizes: Sizes = inspect.signature(self.arguments).parameters["sizes"].default
        return sizes

    @property
    def strata(self) -> tuple[Sizes, ...]:
        """The sizes to look at: distinct ones, and equal ones where there can be equal ones."""
        if self.equal_size is None:
            return (self.sizes,)
        return self.sizes, (self.equal_size,) * len(self.sizes)


@dataclass(frozen=True)
class Wrong:
    """A fixture with a mistake in its gradients, on the line of `function` that ends in `# WRONG`."""

    fixture: Fixture
    mistake: str
    """The mistake in a few words."""
    wrong: tuple[str, ...]
    """Those paths of `fixture.wrt` whose gradient is wrong; the others are right."""
    function: Callable[..., Any]
    """The function with the marked line, or with the line before which one is missing."""

    @property
    def line(self) -> int:
        """The number of the marked line in its file."""
        lines, first = inspect.getsourcelines(self.function)
        (offset,) = [offset for offset, text in enumerate(lines) if text.rstrip().endswith("# WRONG")]
        return first + offset


GROUPS = {
    1: "elementwise",
    2: "shapes read",
    3: "transpose",
    4: "reduce",
    5: "contraction",
    6: "create and copy",
    7: "subscript writes",
    8: "reshape",
    9: "read slices",
    10: "label and integer index",
    11: "mutation of arguments, aliases, views, out=",
    12: "max and argmax",
    13: "im2col, pad, flip",
    14: "conversions that lose a trace",
    15: "concatenate, stack, split",
    16: "value-dependent Python",
    17: "boolean-mask assignment",
    18: "rare: delete, insert, unravel_index, norm",
    19: "repeat, tile, diag, eye",
    20: "np.random inside",
    21: "np.add.at",
}


def pick(nest: Any, path: str) -> Any:
    """The value at a path: keys of dicts, items of lists and tuples, attributes of anything else."""
    for step in path.split(".") if path else []:
        if isinstance(nest, dict):
            nest = nest[step]
        elif isinstance(nest, list | tuple):
            nest = nest[int(step)]
        else:
            nest = getattr(nest, step)
    return nest


def replace(arguments: tuple[Any, ...], path: str, value: Any) -> tuple[Any, ...]:
    """The arguments with another value at a path; all but the outermost tuple is changed in place."""
    *parents, last = path.split(".")
    if not parents:
        return tuple(value if position == int(last) else old for position, old in enumerate(arguments))
    parent = pick(arguments, ".".join(parents))
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent[int(last)] = value
    else:
        setattr(parent, last, value)
    return arguments
