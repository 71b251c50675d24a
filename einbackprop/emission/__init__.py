"""Programs as readable Python: one einsum a line, the derivation as comments."""
