"""What a script asks by itself: which function is the loss, which gives gradients, of what, with which arguments.

In go the names of a script after it ran and its source; out come proposals, the likeliest first. In this order:
`definitions` lists functions, methods and calls; `candidates` says by names and returns what gives gradients and what
may be their loss; `arguments` finds what each can be called with (`first_items` of what loops go through), `invention`
makes what the script does not have;
`minimizers` knows the calls that a minimizer makes; `trials` runs that in a private copy; `roots` matches gradients
with arrays. `function_questions` and `layer_questions` put these together; of several losses the one is taken whose
differences agree with the most gradients. A training loop without functions is made one by `flattened`, and asked about
by `flat_questions`.

Where that leaves something out, `call_questions` runs the script up to a call that it makes itself, with all that is
local there, or that a name no longer stands for at its end. Where nothing is found, or single layers alone, values
decide and not names (`steps`): what a step of training changes, over its rate (`rates`), or an array that it leaves, is
a gradient if a loss (`measures`) rises along it. `step_questions` tries the functions of the script so,
`round_questions` the rounds of its loops along what these may descend (`round_measures`), or, where their loss is
written nowhere, with the seed of their backward for given (`seeds`), `opening` what stands under its main guard. Of a
script that stops where shapes do not fit, `mending` writes that statement so that it goes on, and all of this is done
with the result. It ends after half a minute.
"""

from .proposal import Proposal, quoted
from .proposing import proposals_of, propose, readings_of

__all__ = ["Proposal", "proposals_of", "propose", "quoted", "readings_of"]
