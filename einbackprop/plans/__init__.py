"""Plans: programs as straight lines of NumPy for given shapes and dtypes.

A program goes in, a function of arrays comes out. ``preparation`` puts products together (``algebra``) and takes
recurrences out (``rounds``); ``lowering`` goes through the equations, each kind with a file of its own:
``contractions`` (``products`` on BLAS, in ``blocks`` where operands must be copied, ``patterns`` for brackets,
``picking`` by labels, ``spreading`` where parts overlap), ``pointwise``, ``reductions``, ``matrices``. ``regions`` run
equations a block at a time, ``workers`` blocks on several threads, ``placing`` makes arrays where they belong.
``views`` and ``workspace`` know where everything lies; ``assembly`` makes the source and shares the memory.
``execution`` is ``einsum``, with its ``kernels``; ``compilation`` and ``gradients`` are ``compile`` and ``grad``, with
``guarding`` for what arguments must be; ``native`` compiles loops with numba, ``engines`` runs a program's source in
JAX or PyTorch.
"""
