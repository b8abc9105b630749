"""Responses of the unit to natural images (Fig. 1A)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, show_window, span
from evoalign.figures.images import Images, counts_words, show_ends, show_picture, show_rates
from evoalign.figures.panels import Source, Tables, rate_label, unit_words, words
from evoalign.figures.style import PAGE, area_label, letter, new_figure

SHOWN = 6  # images in the strip: three best, three worst


def draw_reference_responses(
    tables: Tables, settings: FigureSettings, images: Images
) -> tuple[Figure, Source]:
    """Draw evoked rates of the natural references, sorted, and the PSTHs of the best and the worst.

    Tables: `reference_images` and `reference_psth` of one session, with rows. Source: 'a': rates;
    'b': PSTHs.

    Parameters
    ----------
    images : mapping of str to ndarray
        Name -> uint8 ``[row, column]`` or ``[row, column, 3]``; those of the
        references that are in it are shown.
    """
    ranked = _ranked(tables)
    strip = _strip(ranked, images)
    figure = new_figure(PAGE, 2.3 + (0.95 if strip else 0))
    grid = figure.add_gridspec(2 if strip else 1, 2 * SHOWN, height_ratios=[2.0, 0.9] if strip else [1])
    rates, psth = figure.add_subplot(grid[0, :SHOWN]), figure.add_subplot(grid[0, SHOWN:])
    show_rates(rates, ranked, 3)
    rates.set_xlabel("Natural image, by rank")
    rates.set_ylabel(rate_label(tables))
    curves = show_ends(psth, ranked, tables["reference_psth"], ["image"])
    psth.set_ylabel(rate_label(tables))
    show_window(psth, settings.analysis.window_ms)
    first = ranked.iloc[0]
    rates.set_title(f"{first['session']}, {area_label(first['area'])}")
    letter(rates, "a")
    letter(psth, "b")
    for place, rank in enumerate(strip):
        panel, row = figure.add_subplot(grid[1, 2 * place : 2 * place + 2]), ranked.iloc[rank]
        show_picture(panel, images[str(row["image"])])
        panel.set_title(f"{rank + 1}: {row['mean_hz']:.0f}", loc="center", fontsize=6)
    ends = [rows.assign(which=name) for name, rows in curves.items()]
    return figure, {"a": ranked, "b": pd.concat(ends, ignore_index=True)}


def _ranked(tables: Tables) -> pd.DataFrame:
    frame = tables["reference_images"]
    return frame.sort_values(["mean_hz", "image"], ascending=[False, True]).reset_index(drop=True)


def _strip(ranked: pd.DataFrame, images: Images) -> list[int]:
    """Ranks of the best and the worst references whose images are known."""
    with_image = [rank for rank, name in enumerate(ranked["image"]) if name in images]
    return with_image if len(with_image) <= SHOWN else with_image[: SHOWN // 2] + with_image[-SHOWN // 2 :]


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown and N."""
    frame = tables["reference_images"]
    return words(
        f"""
        Responses of the {unit_words(tables)} to the {len(frame)} natural reference images that were shown
        among the generated ones, over all blocks and both threads. a, Mean in the evoked window
        ({span(settings.analysis.evoked_ms)}), sorted; bars: one standard error over presentations
        (n = {counts_words(frame)} an image). b, PSTHs of the best and the worst of them, shading one standard
        error. Images, where the file holds them: the best and the worst, with rank and rate. They are sorted
        by these same rates, so the ends are extreme by chance too. No test.
        """
    )
