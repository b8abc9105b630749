"""Settings of how figures look."""

from __future__ import annotations

from evoalign.settings import Section, setting


class Figures(Section):
    """What the figures look like."""

    style: str = setting("resources/style/evoalign.mplstyle", "matplotlib style file")
    dpi: int = setting(200, "of the bitmaps", ge=50, le=1200)
    raster_ms: tuple[int, int] = setting((-100, 400), "window of the rasters, from image onset")
    raster_bin_ms: int = setting(10, "width of the bins of the PSTHs below the rasters", ge=1)
