"""Hand-written NumPy gradients, read and checked in index notation."""
