"""Programs as people read them: equations, einsum strings, matrices, LaTeX, pages, drawings, explanations.

An equation of a program and a `view` (what its values, sizes and numbers are called) go in. `index_notation` writes it
as an equation, `matrix_notation` in matrices, `einsum_text` and `numpy_code` as Python, where `arrays` follows which
axes meet; `meaning` says which gradient a value is, `closed_forms` whether it is a softmax or a mean. All make
`markup`, which becomes text, MathML, or LaTeX in `latex`;
`breaking` says where a formula can go on in another row. `explanation` shows a derivation, its `steps` in rows for a
`display`, also of the layers of the `catalogue`; `programs` shows a program. `pages` are what a browser and a notebook
show, in one `style`; drawn in `svg` are contractions, by `tensor_networks`, and `graphs` of lines, by `graph_drawing`.
Every text of ours goes out by the `console`.
"""
