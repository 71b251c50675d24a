"""Identifiers: names that come from users, made safe to stand in Python source."""

from __future__ import annotations

import builtins
import keyword
import unicodedata
from collections.abc import Iterable

AMBIGUOUS = {"l", "O", "I"}
RESERVED = {*keyword.kwlist, *dir(builtins), "np", "eb", *AMBIGUOUS}

LONGEST = 80


def identifier(name: str) -> str:
    """The identifier nearest to a name: ``net.W`` becomes ``net_W``, ``lambda`` becomes ``lambda_``.

    Python normalises identifiers (NFKC), so this does too: two names that look alike may become one.
    """
    normal = unicodedata.normalize("NFKC", name[:LONGEST])[:LONGEST]
    safe = "".join(c if f"a{c}".isidentifier() and c.isprintable() else "_" for c in normal)
    if not safe.strip("_"):
        safe = "value"
    if not safe.isidentifier() or (safe.startswith("__") and safe.endswith("__")):  # __builtins__ is Python's own
        safe = f"v{safe}"
    return f"{safe}_" if safe in RESERVED else safe


class Identifiers:
    """Gives out identifiers, each once.

    Examples
    --------
    >>> given = Identifiers(["backward"])
    >>> given.take("W 1"), given.take("W_1"), given.take("backward")
    ('W_1', 'W_1_2', 'backward_2')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def take(self, name: str) -> str:
        """An identifier like the name that was not given out before."""
        base = identifier(name)
        found, count = base, 1
        while found in self.taken:
            count += 1
            found = f"{base}_{count}"
        self.taken.add(found)
        return found
