"""User code run once on arrays that record what is done with them: a function and its arguments become a ``Trace``.

``tracer`` runs a private copy of the function (``world/``), whose ``np`` and ``math`` are stand-ins (``namespace``,
``grids``) and whose arrays are ``traced``. What is called goes by ``dispatch`` to the ``rules`` of a family
(``pointwise``, ``contractions``, ``layout``, ``indexing``, ``writing``, ``joining``, ``creation``, ``matrices``, …),
which write equations into the ``recorder``; what stands for other calls is read as those (``calculus``,
``statistics``; ``special`` of SciPy). ``memory`` says what is a view of what.

Sizes stay expressions of letters (``arithmetic``, ``terms``, ``sizes``); what the run depended on besides is written
down (``way``, ``conditions``). Which statement runs, what it reads under which name and what it binds is told by
``probes``: ``instrumentation`` puts them into the syntax tree, ``observation`` compiles it and listens, and
``bindings`` holds what was seen. ``assembly`` gives final names and letters (the user's own, found by ``shape_words``),
``loops`` rolls loops up (``loop_numbers``: not where a number goes on after one), ``verification`` holds each value
against the run, ``failures`` words what went wrong.
"""
