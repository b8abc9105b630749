"""Success rates and activation by area (Figs. 4A and 4B)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, quantiles, selected, span, success_words
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import (
    SPACES,
    Source,
    Tables,
    areas_of,
    chosen,
    p_words,
    site_words,
    title,
    words,
)
from evoalign.figures.style import (
    PAGE,
    REFERENCE_COLOUR,
    area_label,
    letter,
    new_figure,
    say_empty,
    space_colour,
    space_label,
)

STAGES = ("initial", "final")


def draw_success_activation(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw success rates (4A) and initial and final activation (4B).

    Tables: `success_rates`, `activation`, `activation_tests` and `experiments`. Source: panels 'a'
    and 'b'.
    """
    rates = tables["success_rates"]
    # `success_p` is the figure's; the other threshold is in the table.
    rates = rates[rates["threshold"] == settings.analysis.success_p]
    areas = areas_of(tables["activation_tests"])
    figure = new_figure(PAGE, 2.3)
    axes = figure.subplots(1, 1 + max(len(areas), 1), width_ratios=[1.7, *[1] * max(len(areas), 1)])
    source = {"a": _success(axes[0], rates), "b": tables["activation"].iloc[:0]}
    letter(axes[0], "a")
    letter(axes[1], "b")
    if not areas:
        say_empty(axes[1], "no valid experiment")
        return figure, source
    top = 1.25 * float(tables["activation"]["value"].max())
    low = min(0.0, 1.1 * float(tables["activation"]["value"].min()))
    parts = [_activation(axes[1 + i], tables, area, (low, top)) for i, area in enumerate(areas)]
    axes[1].set_ylabel("Activation (of maximum)")
    source["b"] = pd.concat(parts, ignore_index=True)
    return figure, source


def _success(axes: Axes, rates: pd.DataFrame) -> pd.DataFrame:
    areas = areas_of(rates)
    if not areas:
        say_empty(axes, "no valid experiment")
        return rates
    colours = {kind: space_colour(kind) for kind in SPACES} | {"any": "#BDBDBD", "both": "#4D4D4D"}
    for offset, (threads, colour) in enumerate(colours.items()):
        rows = rates[rates["threads"] == threads].set_index("area").loc[areas]
        x = np.arange(len(areas)) + (offset - 1.5) * 0.2
        axes.bar(x, rows["rate"], width=0.18, color=colour, label=space_label(threads).capitalize())
        error = [rows["rate"] - rows["low"], rows["high"] - rows["rate"]]
        axes.errorbar(x, rows["rate"], np.clip(error, 0, None), fmt="none", ecolor="black", elinewidth=0.6)
        for at, k, top in zip(x, rows["k"], rows[["rate", "high"]].max(axis=1), strict=True):
            axes.annotate(str(k), (at, top), (0, 2), textcoords="offset points", ha="center", fontsize=5.5)
    n = rates.groupby("area")["n"].max()
    axes.set_xticks(range(len(areas)), [f"{area_label(area)}\nn = {n[area]}" for area in areas])
    axes.set_ylim(0, 1.32)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("Success rate")
    axes.legend(ncols=4, loc="upper left", columnspacing=0.8, handlelength=0.8)
    return rates.reset_index(drop=True)


def _activation(axes: Axes, tables: Tables, area: str, limits: tuple[float, float]) -> pd.DataFrame:
    tests, selection = chosen(tables["activation_tests"], area)
    keep = _sessions(tables["experiments"], area, selection)
    points = tables["activation"][tables["activation"]["session"].isin(keep)]
    for at, stage in enumerate(STAGES):
        of_stage = points[points["stage"] == stage].pivot_table(
            index="session", columns="kind", values="value"
        )
        x = np.array([-0.18, 0.18]) + at
        for pair in of_stage.reindex(columns=list(SPACES)).to_numpy():
            axes.plot(x, pair, color=REFERENCE_COLOUR, alpha=0.35, linewidth=0.5)
        row = tests[tests["stage"] == stage].iloc[0]
        for kind, place in zip(SPACES, x, strict=True):
            colour = space_colour(kind)
            values = of_stage[kind].to_numpy() if kind in of_stage else np.array([])
            axes.scatter(np.full(len(values), place), values, s=5, color=colour, alpha=0.5, linewidth=0)
            axes.errorbar(
                place,
                row[f"{kind}_mean"],
                np.nan_to_num(row[f"{kind}_sem"]),
                fmt="_",
                color=colour,
                markersize=9,
                markeredgewidth=1.5,
            )
        axes.annotate(
            p_words(row["p"]), (at, 0.97), xycoords=("data", "axes fraction"), ha="center", fontsize=5.5
        )
    axes.set_xticks(range(2), ["Initial", "Final"])
    axes.set_xlim(-0.5, 1.5)
    axes.set_ylim(limits)
    axes.set_title(title(area, int(tests["n"].iloc[0]), selection))
    return points.assign(selection=selection)


def _sessions(experiments: pd.DataFrame, area: str, selection: str) -> pd.Series:
    keep = experiments["valid"].astype(bool) & (experiments["area"] == area)
    column = {"both": "both_succeed", "any": "any_succeeds"}.get(selection)
    if column:
        keep &= experiments[column].astype(bool)
    return experiments.loc[keep, "session"]


def _final(tests: pd.DataFrame) -> pd.DataFrame:
    return tests[tests["stage"] == "final"]


def _relative(tables: Tables, level: float) -> str:
    """Sentence: how many threads succeed relative to the references of each block, which drift cannot do."""
    frame = tables.get("success")
    if frame is None or frame.empty:
        return ""
    experiments = tables["experiments"]
    valid = set(experiments.loc[experiments["valid"].astype(bool), "session"])
    peaks = frame[(frame["statistic"] == "maxinit") & frame["session"].isin(valid)]
    with_p = peaks[np.isfinite(peaks["p_relative"])]
    rates_text = [
        f"{int((rows['p_relative'] < level).sum())} of {len(rows)} {space_label(kind)} threads"
        for kind, rows in with_p.groupby("kind")
        if kind
    ]
    without = len(peaks) - len(with_p)
    missing_text = (
        f"; not told of {without} with too few references or a block without response" if without else ""
    )
    return (
        " Relative to the natural references of each block, whatever the unit's gain does, succeed "
        f"{' and '.join(rates_text) or 'none'} (p_relative < {level:g}{missing_text})."
    )


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    tests = tables["activation_tests"]
    return words(
        f"""
        a, Share of valid experiments that succeed (best two blocks above the first two, two-sample t-test of
        single presentations, {success_words(settings)}); numbers: successes; bars:
        {quantiles(settings.analysis.success_interval)} of Beta(k+1, n-k+1). b, Evoked rate
        ({span(settings.analysis.evoked_ms)}) of the first and the last (padded) block over the experiment's
        maximum, mean and standard error over experiments; lines join the threads of an experiment; p of the
        paired t-test, not corrected. {selected(tests, settings)}. The same test over the
        means of recording sites, final activation (sites):
        {site_words(_final(tests), "p_site")}.{_relative(tables, settings.analysis.success_p)}
        """
    )


FIGURES = (FigureEntry("success_activation", "population", 10, draw_success_activation, caption),)
