"""A private copy of everything that the user's functions can reach, in which they run.

In go functions and their arguments; out come copies that share nothing with them that can change. In this order:
`ownership` says what is the user's own code, `mentions` which names it can look up, `copies` copies objects of all
kinds (`classes` classes, `library` what the standard library and NumPy make), `modules` stands in for the modules
that reach the rest of the process, `snapshots` puts everything back between two runs, `calls` is the only place where
user code is called. Nothing of the user's is written to, not for a moment; nothing is swapped in any module.
"""

from .calls import Raised, attempt
from .copies import Runner, World

__all__ = ["Raised", "Runner", "World", "attempt"]
