"""Evolutions driven by units of an image network, as sessions: docs/methods.md section 8."""
