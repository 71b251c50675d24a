"""User code run once on arrays that record what is done with them: a function becomes a program."""
