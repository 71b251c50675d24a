"""Plans: programs as straight lines of NumPy for given shapes and dtypes."""
