"""`check`: a loss and hand-written gradients go in, a report with a verdict on every gradient comes out.

What is asked: `problems` (two functions of a state), `naming` and `matching` (which returned array is whose gradient),
`unfinished` (the loss of a function whose gradients stop with an error).
The black box, which traces no code (it reads the names in a return statement) and imports `world` and `core` alone:
`deciding` runs it; `draws` makes states,
`certifying` and `analytic` run the loss there (complex step, differences, rounding), `comparing` compares the two at
one state, along directions through all gradients first, where `answers` runs these, and `trials` gathers that of all
states into facts; `deciding` also looks for clipping, which excuses a difference.
The verdict: `verdicts`, one table of facts; nothing else makes or changes one.
What can add facts: `elsewhere` (other sizes), what `diagnosis` reads and proves, at the sizes of `shrinking` where the
code runs many statements, `guards` (what a loss adds before a logarithm), and `relations` (what a gradient is instead).
What is said: what `diagnosis` finds, to which `mistakes` hands wrong gradients and states at which repairs must hold
(those of `growing`, where letters leave no other sizes); `assumptions`; `reports` (pages too),
`texts`; `source_edits` (lines to write, as a patch).
`solving` goes through all of it in this order.
"""
