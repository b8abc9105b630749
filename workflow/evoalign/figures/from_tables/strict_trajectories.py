"""Time-binned trajectories of the experiments in which both threads succeed strictly (Ext. 4C)."""

from __future__ import annotations

from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, success_words
from evoalign.figures.from_tables.binned_trajectories import draw_bins, evoked_bins, explained
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import Source, Tables, areas_of, words
from evoalign.figures.style import area_label

STRICT = "both_strict"


def draw_strict_trajectories(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw a small panel a time bin, a row an area, without others to stand in.

    Tables: `population_trajectories`. Source: panel 'a'.
    """
    frame, width = evoked_bins(tables["population_trajectories"], None)
    strict = frame[frame["selection"] == STRICT]
    by_area = {area: strict[strict["area"] == area] for area in areas_of(strict)}
    rows = {f"{area_label(area)}\n(n = {int(part['n'].max())})": part for area, part in by_area.items()}
    return draw_bins(rows, width, empty="no valid experiment in which both threads succeed strictly")


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame, width = evoked_bins(tables["population_trajectories"], None)
    strict = frame[frame["selection"] == STRICT]
    n = {area: strict.loc[strict["area"] == area, "n"].max() for area in areas_of(strict)}
    counted = ", ".join(f"{area_label(area)} n = {int(n_experiments)}" for area, n_experiments in n.items())
    none = [area_label(area) for area in areas_of(frame) if area not in n]
    absent = f"; none in {' and '.join(none)}" if none and n else ""
    single = " Of a single experiment there is no standard error and no test." if 1 in n.values() else ""
    return words(
        f"""
        {explained(width, settings)} Only experiments in which both threads succeed at
        {success_words(settings)} (best two blocks above the first two, two-sample t-test of single
        presentations): {counted or "no valid experiment"}{absent}.{single}
        The test over the means of recording sites is in columns t_site to q_site.
        """
    )


FIGURES = (FigureEntry("strict_trajectories", "population", 70, draw_strict_trajectories, caption),)
