"""Figures that are drawn from tables alone: a module here with `FIGURES` is taken in by being there."""
