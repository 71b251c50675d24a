"""The command line, the user's scripts and expressions, and the example that ships."""
