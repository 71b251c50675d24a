"""Statements that run after a script: the names that they use, and the single letters among them that become sizes."""

import symtable
from collections.abc import Container

SIZES = (3, 5, 4, 7, 6, 8, 9, 11)
"""What the letters are, in alphabetical order: pairwise different, none of them 1, nor 2, a factor of many losses."""


def letters_in(setup: str, names: Container[str]) -> list[str]:
    """The single letters that statements use and that have no value, neither in them nor among names."""
    return sorted(name for name in names_wanted(setup) if len(name) == 1 and name.islower() and name not in names)


def names_wanted(setup: str) -> set[str]:
    """The global names that statements use without making them, unlike ``x`` in ``x = 3; f(x)`` or ``lambda x: x``."""
    module = symtable.symtable(setup, "--setup", "exec")
    made = {name.get_name() for name in module.get_symbols() if name.is_assigned() or name.is_imported()}
    scopes, used = [module], set[str]()
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        used |= {name.get_name() for name in scope.get_symbols() if name.is_global() and name.is_referenced()}
    return used - made
