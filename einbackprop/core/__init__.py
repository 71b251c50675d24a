"""Programs in index notation: their kinds of equation, subscripts, dimensions and letters, the plain interpreter."""
