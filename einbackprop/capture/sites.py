"""What the probes in a code stand for: its statements, what they bind, and the expressions that they read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement binds.

    Attributes
    ----------
    text : str
        As it stands in the code.
    label : str
        What a person calls it: the name, the attribute, the name of the container.
    path : tuple of int
        Where it stands in the tuple on the left.
    name : bool
        Whether it is a plain name.
    base, key : int
        The reads of what an entry or an attribute belongs to, and of the entry's key; -1 where there is none.
    last : bool
        Whether it is the last entry of a list, which ``append`` adds.
    """

    text: str
    label: str
    path: tuple[int, ...] = ()
    name: bool = True
    base: int = -1
    key: int = -1
    last: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement of the user's: where it stands, what it says, and what it binds.

    Attributes
    ----------
    kind : str
        The class of its syntax tree: ``Assign``, ``AugAssign``, ``Return``, ``For``, …
    operator : str
        Of an augmented assignment: ``-=``.
    operand : str
        What stands on the right of an augmented assignment.
    loops : tuple of int
        The places of the loops around it among the sites of its function.
    """

    file: str
    function: str
    line: int
    column: int
    code: str
    kind: str
    targets: tuple[Target, ...] = ()
    operator: str = ""
    operand: str = ""
    loops: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """An expression that is read.

    Attributes
    ----------
    text : str
        As it stands in the code, in parentheses where an index could not follow it.
    rank : int
        As that of a ``Spelling``.
    label : str
        What a person calls it, where it has a name.
    whole : bool
        Whether what a container holds is read with it.
    bound : str
        The name that it binds, as ``(n := x)`` does.
    kept : bool
        Whether it is what a target belongs to, or a key.
    owner, key : str and int
        Of an entry that is picked by what a comprehension or a lambda binds: what it belongs to, and the read of its
        key.
    inner : bool
        Whether a longer expression goes on with it, as ``x.T`` does with ``x``.
    """

    text: str
    rank: int
    label: str = ""
    whole: bool = False
    bound: str = ""
    kept: bool = False
    owner: str = ""
    key: int = -1
    inner: bool = False


Site = Statement | Read
