"""``read``: what each statement of a function is, in index notation and in the user's names.

A ``Trace`` goes in, a ``Reading`` comes out. ``reading`` gathers the equations of each run of a statement with what
it read and bound (``statements``), and prints the lines. ``formulas`` writes one formula for each value that a
statement binds or writes into: values that it reads stand under the expression that it reads them by, values that it
makes stand as what they are, an augmented assignment stays one, and a part of an array that is written into keeps its
own letters. Numbers stand under the names that the statement has for them (``scalars``): ``1/N``, ``lr``. The line
with einsum is Python that can stand in the place of the right-hand side, or says why it cannot.
``pages`` shows a reading in a browser, in a notebook and as LaTeX.
"""
