"""Figures: each module draws one, from tables alone."""

from evoalign.figures.save import save_figure, use_style

__all__ = ["save_figure", "use_style"]
