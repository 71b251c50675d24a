"""The command line, the user's scripts and expressions, and the example that ships.

`command` has the options. `scripts` runs a script, or the cells of a notebook (`notebooks`), `reach` makes expressions
among its names functions of the data that they can reach, and `questions` a problem for `checking` of these.
`derivations` derives one, or says what it costs on a mesh. What nobody asked by options, `proposals` find and
`answers` checks, `guesses` once more with the loss that is meant. `project` reads in pyproject.toml what is to be
checked. `presentation` shows what came of checks, for programs in one of the `formats`. `magics` is the same in a
notebook.
"""
