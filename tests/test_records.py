"""Our dataclasses are those of the standard library, but for how long they take to make."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, replace
from functools import partial
from typing import Any

import pytest

from einbackprop.core import records

OPTIONS = [{"frozen": frozen, "slots": slots, "eq": eq} for frozen in (False, True) for slots in (False, True)
           for eq in (False, True)]  # fmt: skip


def made(dataclass: Any, **options: Any) -> Any:
    @dataclass(**options)
    class Point:
        """A class with every kind of field."""

        x: int
        y: tuple[int, ...] = ()
        items: list[int] = field(default_factory=list)
        shown: str = field(default="quiet", repr=False)
        apart: float = field(default=0.0, compare=False)
        seed: int = field(kw_only=True, default=5)
        own: dict[str, int] = field(default_factory=dict, init=False, compare=False)

    return Point


for number, option in enumerate(OPTIONS):  # at the top of a module, so that they can be pickled
    globals()[f"Point{number}"] = kind = made(records.dataclass, **option)
    kind.__qualname__ = f"Point{number}"

CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}), ((1, (2, 3)), {}), ((1,), {"apart": 2.5}), ((1, (), [4]), {"seed": 6}), ((2,), {"shown": "loud"})
]  # fmt: skip


def outcome(run: Any) -> Any:
    try:
        return run()
    except (TypeError, FrozenInstanceError, AttributeError) as error:
        return type(error)


@pytest.mark.parametrize("options", OPTIONS)
def test_instances_are_those_of_the_standard_library(options: dict[str, bool]) -> None:
    own, theirs = (made(dataclass, **options) for dataclass in (records.dataclass, dataclasses.dataclass))
    assert own.__match_args__ == theirs.__match_args__
    assert [f.name for f in dataclasses.fields(own)] == [f.name for f in dataclasses.fields(theirs)]
    ours, others = ([kind(*given, **named) for given, named in CALLS] for kind in (own, theirs))
    assert list(map(repr, ours)) == list(map(repr, others))
    for n, (one, other) in enumerate(zip(ours, others, strict=True)):
        assert [one == second for second in ours] == [other == second for second in others]
        assert one != other  # of another class
        assert (outcome(partial(hash, one)) is TypeError) == (outcome(partial(hash, other)) is TypeError)
        assert repr(replace(one, x=n)) == repr(replace(other, x=n))
    for change in (lambda made: setattr(made, "x", 7), lambda made: delattr(made, "y")):
        assert outcome(partial(change, own(1))) == outcome(partial(change, theirs(1)))
    if options["frozen"]:  # of the standard library's with slots this is a TypeError
        assert outcome(lambda: setattr(own(1), "unknown", 7)) is FrozenInstanceError
    for given, named in [((), {}), ((1, 2, 3, 4, 5, 6), {}), ((1,), {"own": {}}), ((1,), {"z": 1})]:
        assert [outcome(partial(kind, *given, **named)) for kind in (own, theirs)] == [TypeError, TypeError]


@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_copies_and_pickles_hold_the_same(number: int) -> None:
    one = globals()[f"Point{number}"](1, (2,), [3])
    for again in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert repr(again) == repr(one)
    assert copy.copy(one).items is one.items
    assert copy.deepcopy(one).items is not one.items


def test_a_class_keeps_the_methods_that_it_defines_and_inherits_fields() -> None:
    @records.dataclass(frozen=True)
    class Base:
        x: int
        total: int = field(init=False, default=0)

        def __post_init__(self) -> None:
            object.__setattr__(self, "total", self.x + 1)

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 3

        def __repr__(self) -> str:
            return "own"

    @records.dataclass(frozen=True)
    class Derived(Base):
        y: int = 4

    assert (Base(1), hash(Base(1)), repr(Base(1)), Base(1).total) == (Base(2), 3, "own", 2)
    made = Derived(1)
    assert (made.x, made.y, made.total) == (1, 4, 2)
    assert Derived(1) != Derived(2)
    assert len({Derived(1), Derived(1), Derived(2)}) == 2
    with pytest.raises(FrozenInstanceError, match=r"^Derived is frozen: x cannot be assigned or deleted$"):
        made.x = 2  # type: ignore[misc]


def test_what_holds_itself_is_printed() -> None:
    @records.dataclass
    class Node:
        next: Any = None

    node = Node()
    node.next = node
    assert repr(node).endswith("Node(next=...)")
