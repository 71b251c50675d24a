"""Where a wrong gradient was made wrong, and what to write there instead; and what reading the code adds to a check.

Two functions as they ran, drawn states and the names of the wrong gradients go in; findings come out (`diagnose`).

Fault localization, by values alone: `hooks` puts a call around each value that a statement makes, `versions` gives the
user's functions that code for a while, or the code of an edited source; `experiments` runs the gradients so, with
values shifted or replaced, or written down (`recording`); `localization` finds the statements that can be at fault
(`suspects`), and what they should have made, by Jacobians (`jacobians`); `crashes` finds those at which gradients stop.
Where names say it, no Jacobian is needed: `named_values` finds the first ``dz`` that is not the gradient of z though
what it is made of is right.
Program repair: `vocabulary` has the edits that people's mistakes call for, `trying` evaluates them in the user's
frames, `repair` finds the likeliest, by `likelihood`, `judge` runs the whole code with it, `search` goes on to the next
mistake, to one that another hides (`unused`), to two on one way (`double`) and to one that stands in several lines
(`alike`). Statements that stand too early or too late are moved (`statement_order`), numbers are solved for
(`wrong_numbers`), lines and terms that are missing are added (`omissions`, `missing_terms`), as others in the file are
(`lost_names`, `analogy`), or as `multiples` of what is at hand. Where no edit is found, `derived_lines` writes the line
anew, as `synthesis` makes it from the derivative of the loss; else `unexplained` names the statements that values show
to be wrong.
What is read: `cotangents` are the gradients of everything in the loss (`evaluation`), `lines` the formulas of the
backward and the guards of the loss, `review` compares and proves.
"""
