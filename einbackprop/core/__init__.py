"""Programs in index notation, and what all other folders are built on; it imports none of them.

The notation: `subscripts` (the strings of einsum), `shapes` (declared in letters), `program` (a `Program` and its kinds
of equation), `letters` (which an equation has, and others in their place), `dimensions` (which axes are one, sizes as
expressions of others), `elementwise` (pointwise functions with their derivatives; `accurate` where NumPy's do not do),
`matrix_functions` (inverses, determinants, …). What is done with a program: `interpretation` runs it, `dtypes` says the
dtype of every value, `simplification` gives the same values from fewer equations, `idioms` names a softmax,
`logarithms` writes those of products as sums. `recurrences` says in which order a program is evaluated that reads what
is defined further down, round by round, and `rounds` makes a program of one round.
The user's side: `nesting` (nested arguments, and which of them is meant), `source` (source text, its statements),
`files`, `visible` (text that is safe to show), `deferred` (what is made when somebody looks at it), `progress` (how far
a check gets: its time, and errors of ours). All folders have their dataclasses from `records`, which makes them fast.
"""
