"""When two formulas are the same: one normal form for every spelling, and proofs that name what they rest on."""
