"""When two formulas are the same: two programs go in, and for a value of either, whether they are equal for every size
and value comes out, with what that rests on.

`indices` numbers the dimensions of both together; `expansion` writes a value as a sum of products, equation by
equation, of atoms in one normal form: `polynomials` multiplies and renames, `indices` names the indices of an atom,
`summation` sums over them, `brackets` are the zeros and ones of positions and comparisons, `functions` are pointwise
ones, by the laws of powers, exponentials and logarithms in `identities`. Equal forms are a proof. `proving` proves long
programs by way of values between, those that have the same numbers. What the rounds of loops leave to one another is
proved equal by `induction`.
"""
