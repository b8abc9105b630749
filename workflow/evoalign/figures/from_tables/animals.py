"""Each animal's late difference between the spaces, beside the mean of a mixed model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import stdtrit

from evoalign.figures.captions import FigureSettings, late_blocks, percent, show_window, span
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import Source, Tables, area_axes, areas_of, words
from evoalign.figures.style import REFERENCE_COLOUR, area_label

LINES = ("-", "--", ":", "-.")  # of the animals: told apart in grey
GREY = "#D9D9D9"


def draw_animals(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw late object minus texture over the response, a line an animal.

    Tables: `animal_contrast` and `mixed_effects`. Source: panels 'animals' and 'mixed_effects'.
    """
    single, mixed = (tables[name] for name in ("animal_contrast", "mixed_effects"))
    single_animals, model = (frame[frame["window"] == "binned"] for frame in (single, mixed))
    areas = areas_of(single_animals)
    figure, axes = area_axes(areas, height=2.3)
    names = sorted(single_animals["subject"].unique())
    for panel, area in zip(axes[0], areas, strict=False):
        _panel(
            panel,
            single_animals[single_animals["area"] == area],
            model[model["area"] == area],
            names,
            settings,
        )
        panel.set_title(area_label(area), pad=8)
        panel.set_xlabel("Time from image onset (ms)")
    if areas:
        axes[0, 0].set_ylabel("Late object minus texture\n(of maximum)")
    return figure, {"animals": single.reset_index(drop=True), "mixed_effects": mixed.reset_index(drop=True)}


def _panel(
    panel: Axes, single: pd.DataFrame, model: pd.DataFrame, names: list[str], settings: FigureSettings
) -> None:
    panel.axhline(0, color="black", linewidth=0.5)
    model = model.sort_values("start_ms")
    middle = (model["start_ms"].to_numpy() + model["stop_ms"].to_numpy()) / 2
    mean, sem = model["mean"].to_numpy(), model["sem"].to_numpy()
    reach = -stdtrit(np.maximum(model["n"].to_numpy() - 1, 1), (1 - settings.analysis.interval) / 2) * sem
    panel.fill_between(middle, mean - reach, mean + reach, color=GREY, linewidth=0)
    for at, name in enumerate(names):
        of_animal = single[single["subject"] == name].sort_values("start_ms")
        if of_animal.empty:
            continue
        label = f"{name} (n = {int(of_animal['n'].max())})"
        style = LINES[at % len(LINES)]
        panel.plot(middle, of_animal["mean"], color="black", linestyle=style, linewidth=0.9, label=label)
    differ = model["q_animals"].to_numpy() < settings.analysis.fdr
    panel.scatter(
        middle[differ],
        np.full(int(differ.sum()), 1.02),
        s=6,
        marker="x",
        color=REFERENCE_COLOUR,
        transform=panel.get_xaxis_transform(),
        clip_on=False,
    )
    show_window(panel, settings.analysis.window_ms)
    panel.legend(loc="best")


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    evoked = tables["mixed_effects"]
    evoked = evoked[(evoked["window"] == "evoked") & np.isfinite(evoked["mean"])]
    rows = {str(row["area"]): row for _, row in evoked.iterrows()}
    areas_text = [
        f"{area_label(row['area'])} (n = {row['n']}) {row['mean']:.2g} ± {row['sem']:.1g}, between animals "
        f"F = {row['f_animals']:.2f}, p = {row['p_animals']:.2g}"
        for row in (rows[area] for area in areas_of(evoked))
    ]
    return words(
        f"""
        Object minus texture in the {late_blocks(settings)} of valid experiments, over the experiment's
        normalization rate: mean of each animal (lines). Band: {percent(settings.analysis.interval)} interval
        of the mean of a mixed model with the animal as random intercept (REML). Crosses: animals differ
        (one-way ANOVA, Benjamini-Hochberg over bins, q < {settings.analysis.fdr:g}). Evoked window
        ({span(settings.analysis.evoked_ms)}): {"; ".join(areas_text) or "too few animals or experiments"}.
        """
    )


FIGURES = (FigureEntry("animals", "population", 120, draw_animals, caption),)
