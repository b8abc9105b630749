"""Tuning along the eigen-axes of a space: docs/methods.md section 7."""
