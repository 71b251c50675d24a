"""Programs as people read them: equations, einsum strings, matrices, LaTeX, explanations; and as files."""
