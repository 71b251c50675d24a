"""Pointwise functions: how each is evaluated, and its derivative, stated in terms of its input or output."""
