"""Letters on the axes of a mesh: what a program moves between devices, from its formulas alone.

A `Program`, a mesh and the letters that lie on its axes go in. `mesh` checks them; `layouts` goes through the
equations: how each value lies, what is partial, which collectives that takes; `arithmetic` counts operations. `report`
adds up what each device moves, computes and holds, as text, data or a page. `suggestion` ranks ways to place letters.

`running` runs it on JAX's devices, those of one process or of several that `processes` joins.

An einsum costs one all-reduce for each axis of the mesh that carries a letter it sums over, and nothing else while what
it reads and what it makes have the same letters there. No engine is needed to know that.
"""
