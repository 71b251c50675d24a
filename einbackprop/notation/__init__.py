"""Programs as people read them: equations, einsum strings, matrices, LaTeX, explanations.

An equation of a program and a `view` (what its values, sizes and numbers are called) go in. `index_notation` writes it
as an equation, `matrix_notation` in matrices, `einsum_text` and `numpy_code` as Python, where `arrays` follows which
axes meet; `meaning` says which gradient a value is. All make `markup`, which becomes text, LaTeX or MathML.
`explanation` shows a derivation, its `steps` in rows for a `display`, also of the layers of the `catalogue`; every text
of ours goes out by the `console`.
"""
