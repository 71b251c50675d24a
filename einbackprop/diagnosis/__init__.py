"""A verdict for every line, and the name of the mistake on the line where it was made."""
