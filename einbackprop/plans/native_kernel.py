"""A function of loops in the making: its parameters, the memory that it reads and writes, its source."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from math import prod

from ..core.records import dataclass
from .views import Dtype, Root, View


def kind(dtype: Dtype) -> str:
    """What loops call a dtype; those of the plan are named without the underscore."""
    return f"{dtype.name}_"


@dataclass(frozen=True)
class Stored:
    """An array as loops read it: its name, how many entries one step along each axis goes, and which is the first."""

    name: str
    steps: tuple[int, ...]
    dtype: Dtype
    first: int = 0


@dataclass
class Kernel:
    """A function of loops in the making.

    Attributes
    ----------
    name : str
    body : list of str
        Its lines.
    roots : dict of Root to str
        The memory that it reads and writes, and what the loops call it.
    inputs : list of Root
        Arguments that are parameters in any case, the first ones.
    rows : str
        The variable of its outermost loop, if several workers share that; each then has memory of its own.
    own : list of Root
        That memory.
    partial : dict of str to View
        Sums and extrema over the rows of one worker, in that memory.
    written : set of Root
        The memory that it writes to, but for its own.
    """

    name: str
    body: list[str] = field(default_factory=list)
    roots: dict[Root, str] = field(default_factory=dict)
    inputs: list[Root] = field(default_factory=list)
    rows: str = ""
    own: list[Root] = field(default_factory=list)
    partial: dict[str, View] = field(default_factory=dict)
    written: set[Root] = field(default_factory=set)

    @property
    def given(self) -> list[Root]:
        """The arrays that are its parameters, besides the block of buffers."""
        used = [root for root in self.roots if root.kind != "buffer" and root not in self.inputs]
        return [*self.inputs, *used, *self.own]

    @property
    def needs_block(self) -> bool:
        """Whether it reads or writes buffers that all workers share."""
        return any(root.kind == "buffer" and root not in self.own for root in self.roots)

    @property
    def call(self) -> str:
        """The text that calls it, in a block of rows ``i0`` if workers share them."""
        return f"{self.name}({', '.join([*self.parameters, *['i0.start', 'i0.stop'] * bool(self.rows)])})"

    @property
    def parameters(self) -> list[str]:
        """The names of what it is given, but for the rows."""
        return [*(root.name for root in self.given), *["block"] * self.needs_block]

    def views(self) -> list[View]:
        """All of the memory that it reads and writes."""
        return [View.of(root, "".join(chr(0xF000 + n) for n in range(len(root.shape)))) for root in self.roots]

    def array(self, root: Root) -> str:
        """What the loops call a piece of memory."""
        return self.roots.setdefault(root, f"a{len(self.roots)}")

    def text(self, places: Mapping[Root, int], shapes: Mapping[Root, tuple[int, ...]]) -> str:
        """The source, with the places of buffers in their block; ``shapes`` are those to be checked."""
        types = [self.type_of(root, shapes) for root in self.given]
        types += ["out uint8 1"] * self.needs_block + ["index"] * 2 * bool(self.rows)
        names = [*self.parameters, *["first", "last"] * bool(self.rows)]
        head = [f"@loops({', '.join(map(repr, types))})", f"def {self.name}({', '.join(names)}):"]
        tests = [f"{root.name}.shape != {shape}" for root, shape in shapes.items() if shape]
        lines = [f"if {' or '.join(tests)}:", "    return True"] if tests else []
        for root, name in self.roots.items():
            base, at = ("block", places[root]) if root in places else (root.name, 0)
            lines.append(f"{name} = flat({base}, {at}, {prod(root.shape)}, {kind(root.dtype)})")
        lines += [*self.body, "return False"]
        return "\n".join([*head, *(f"    {line}" for line in lines)]) + "\n"

    def type_of(self, root: Root, shapes: Mapping[Root, tuple[int, ...]]) -> str:
        """A parameter's dtype and number of axes."""
        written = root in self.written or root in self.own
        return f"{'out ' * written}{root.dtype.name} {len(shapes.get(root, root.shape))}"


def dense_steps(shape: Sequence[int]) -> tuple[int, ...]:
    """How many entries one step along each axis of a C-ordered array goes."""
    return tuple(prod(shape[n + 1 :]) for n in range(len(shape)))
