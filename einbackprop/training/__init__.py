"""Training networks on real data: handwritten digits and text."""
