"""Programs as readable Python: one einsum a line, the derivation as comments.

A `Program` goes in, the text of a function comes out, which NumPy alone runs, or JAX, or PyTorch. `writing` writes the
function around its lines, `statements` one equation as lines, with `indexing` for brackets that slices and picks are;
`loops` writes what rounds leave to one another. `scope` has the names, sizes and dtypes at hand, `engines` what a line
of NumPy is called elsewhere. `unpacking` takes nested arguments apart, `literals` makes what comes from the user
safe to stand in source. `helpers` are functions that stand above: a sigmoid that does not overflow, and an `einsum`
that makes products of matrices on BLAS.
"""
