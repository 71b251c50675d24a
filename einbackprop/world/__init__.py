"""A private copy of everything that the user's functions can reach, in which they run.

In go functions and their arguments; out come copies that share nothing with them that can change. In this order:
`ownership` says what is the user's own code and which names it can look up, `copies` copies objects of all
kinds (`classes`, `library` containers and wrappers, `others` arrays and what else has an inside of its own),
`modules` stand in for what reaches the rest of the process, `drawing` for libraries that draw, `snapshots` puts
everything back between two runs, `calls` is the only place where user code is called, with builtins that print nothing,
and keeps files and processes as they are meanwhile; `numbers` sees which whole numbers it reads by name. Nothing of the
user's is written to, not for a moment; nothing is swapped in any module.
"""

from .calls import Raised, Runner, attempt, told
from .copies import World
from .moving import moved
from .numbers import numbers_read

__all__ = ["Raised", "Runner", "World", "attempt", "moved", "numbers_read", "told"]
