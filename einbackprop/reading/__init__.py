"""``read``: what each statement of a function is, in index notation and in the user's names."""
