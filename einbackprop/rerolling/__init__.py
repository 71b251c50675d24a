"""Loop rerolling: an unrolled program and the rounds of its statements go in, one with letters for loops comes out.

A loop leaves *chains* in a program: a sum that grows by a term a round, a buffer that is filled round by round, a
list that becomes an array (``chains``). ``forwarding`` first lets a read of an entry that was just written be what
was written. The links of a chain that one statement made are put on a grid with an axis for each loop (``grids``),
also where an ``if`` left some out (``choices``), and *anti-unified* (``stacking``): what is the same in all of them
stays, positions that are affine in the counters get the counters as letters, values that differ are anti-unified in
their turn, and what one round leaves to the next is an equation that reads itself one round earlier. The chain becomes
a sum over these letters (``sums``), or one write with them in its brackets (``buffers``); what is not alike stays as it
is. ``rolling`` goes through the chains and makes the program; ``workspace`` is what all of them share.

Anti-unification: Plotkin, "A note on inductive generalization", 1970. Loop rerolling: Rocha et al., "Loop rolling for
code size reduction", CGO 2022.
"""

from .choices import Choice
from .grids import Loop, Path, is_cut_short
from .rolling import Rerolled, is_loop, reroll

__all__ = ["Choice", "Loop", "Path", "Rerolled", "is_cut_short", "is_loop", "reroll"]
