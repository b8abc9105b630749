"""Tuning over many sessions: mean curves, shapes and peaks, by the evolution's success (Figs. 6D and 6E)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, percent, span
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.from_tables.tuning import ROW, SUBSPACES, grid_of, show_grid
from evoalign.figures.panels import Source, Tables, p_words, words
from evoalign.figures.style import PAGE, REFERENCE_COLOUR, area_label, in_order, letter, new_figure, say_empty

GROUP_COLOURS = {"succeeds": "#0072B2", "fails": "#999999", "all": "#000000"}
GROUP_LABELS = {"succeeds": "after success", "fails": "after failure", "all": "all sessions"}
MEASURE_LABELS = {
    "tuned": "Tuned",
    "monotonic": "Monotonic",
    "unimodal": "Unimodal",
    "bell": "Bell-shaped",
    "centre": "Peak at\ncentre",
}


def groups_of(frame: pd.DataFrame) -> list[str]:
    """Groups of sessions to draw: by success where an evolution is known, else all as one."""
    present = frame[frame["n"] > 0]["success"].unique()
    return [name for name in ("succeeds", "fails") if name in present] or ["all"]


def draw_tuning_heatmaps(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw mean tuning curves by axis and distance (Fig. 6C, pooled).

    Tables: `tuning_heatmap`. Source: a panel a group of sessions and subspace.
    """
    frame = tables["tuning_heatmap"]
    groups = groups_of(frame)
    subspaces = [name for name in SUBSPACES if (frame["subspace"] == name).any()]
    rows = int(frame.groupby("subspace")["axis"].nunique().max())
    figure = new_figure(PAGE, 0.5 + len(groups) * (0.5 + ROW * rows))
    axes = figure.subplots(len(groups), len(subspaces), squeeze=False)
    of_groups = frame[frame["success"].isin(groups)]
    limits = {"vmin": float(of_groups["mean"].min()), "vmax": float(of_groups["mean"].max())}
    source: Source = {}
    for line, group in zip(axes, groups, strict=True):
        for panel, subspace in zip(line, subspaces, strict=True):
            of_subspace = of_groups[(of_groups["success"] == group) & (of_groups["subspace"] == subspace)]
            image = show_grid(panel, grid_of(of_subspace, "mean"), **limits)
            n = int(of_subspace["n"].max()) if len(of_subspace) else 0
            panel.set_title(f"{subspace.capitalize()} axes, {GROUP_LABELS[group]} (n = {n})")
            source[f"{group}_{subspace}"] = of_subspace.reset_index(drop=True)
        line[0].set_ylabel("Eigenvector")
    for panel in axes[-1]:
        panel.set_xlabel("Image distance from the centre")
    figure.colorbar(image, ax=axes, label="Rate (of the session's maximum)", shrink=0.8)
    return figure, source


def caption_tuning_heatmaps(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown and N."""
    return words(
        f"""
        Mean over sessions of the evoked rate ({span(settings.analysis.evoked_ms)}) by eigenvector and signed
        image distance, each session over its largest mean rate ({_sessions(tables, settings)}); n: sessions.
        No test.
        """
    )


def draw_tuning_shapes(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw fractions of tuned axes and of their shapes (Fig. 6D), by area.

    Tables: `tuning_fractions` and `tuning_tests`. Source: a panel a subspace: fractions; ``tests``.
    """
    fractions, tests = tables["tuning_fractions"], tables["tuning_tests"]
    areas = _areas(fractions)
    figure = new_figure(PAGE, 0.5 + 1.6 * len(areas))
    subspaces = ("both", *SUBSPACES)
    axes = figure.subplots(len(areas), len(subspaces), squeeze=False, sharey=True)
    for line, area in zip(axes, areas, strict=True):
        for panel, subspace in zip(line, subspaces, strict=True):
            _fractions(panel, _of(fractions, area, subspace), _of(tests, area, subspace))
            panel.set_title(
                f"{_area_title(area)}, {'all axes' if subspace == 'both' else f'{subspace} axes'}"
            )
        line[0].set_ylabel("Fraction of axes")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    keep = fractions["area"].isin(areas)
    source = {name: fractions[keep & (fractions["subspace"] == name)] for name in subspaces}
    return figure, source | {"tests": tests[tests["area"].isin(areas)]}


def _fractions(panel: Axes, rows: pd.DataFrame, tests: pd.DataFrame) -> None:
    groups = groups_of(rows)
    measures = list(MEASURE_LABELS)
    width = 0.8 / len(groups)
    for place, group in enumerate(groups):
        of_group = rows[rows["success"] == group].set_index("measure").loc[measures]
        x = np.arange(len(measures)) + (place - (len(groups) - 1) / 2) * width
        height = of_group["fraction"].to_numpy()
        panel.bar(x, height, width * 0.92, color=GROUP_COLOURS[group], label=GROUP_LABELS[group], alpha=0.85)
        error = np.clip([height - of_group["low"], of_group["high"] - height], 0, None)
        panel.errorbar(x, height, error, fmt="none", ecolor="black", elinewidth=0.6)
        for at, k, top in zip(x, of_group["k"], of_group["high"], strict=True):
            if np.isfinite(top):
                panel.annotate(
                    str(k), (at, top), (0, 1), textcoords="offset points", ha="center", fontsize=4.5
                )
    by = tests.set_index("measure")
    for at, measure in enumerate(measures):
        for place_p, name in ((1.25, "p"), (1.14, "session_p")):
            p_text = p_words(float(by[name][measure]))
            panel.annotate(p_text, (at, place_p), ha="center", va="center", fontsize=5)
    panel.set_xticks(range(len(measures)), list(MEASURE_LABELS.values()), fontsize=5.2)
    panel.set_ylim(0, 1.32)
    panel.set_yticks([0, 0.5, 1])


def caption_tuning_shapes(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown, N and tests."""
    tests_text = (
        _tests_said(tables) if tables["tuning_tests"]["p"].notna().any() else "No test: one group alone."
    )
    return words(
        f"""
        Share of axes that are tuned (one-way ANOVA over distances, p < {settings.tuning.anova_p:g}), and of
        tuned ones those whose Gaussian process is monotonic, unimodal or bell-shaped, or whose largest mean
        rate lies in the bin at the centre (up to {settings.tuning.centre:g} from it); axes that reach both
        ends of the common range (±{settings.tuning.reach:g}; {_sessions(tables, settings)}). Numbers: axes;
        bars: {percent(settings.tuning.interval)} Wilson intervals. {tests_text}
        """
    )


def draw_tuning_peaks(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw where tuned axes have their peak (Fig. 6E).

    Tables: `tuning_peaks`. Source: panels 'a' (all axes), 'b' (class), 'c' (noise).
    """
    peaks = tables["tuning_peaks"]
    peaks = peaks[peaks["area"] == "all"]
    figure = new_figure(PAGE, 2.0)
    axes = figure.subplots(1, 3, sharey=True)
    source: Source = {}
    for panel, subspace, mark in zip(axes, ("both", *SUBSPACES), "abc", strict=True):
        of_subspace = peaks[peaks["subspace"] == subspace]
        for group in groups_of(of_subspace):
            _peaks(panel, of_subspace[of_subspace["success"] == group], group)
        if not (of_subspace["n"] > 0).any():
            say_empty(panel, "no tuned axis")
        panel.set_title("All axes" if subspace == "both" else f"{subspace.capitalize()} axes")
        panel.set_xlabel("Peak: distance from the centre")
        letter(panel, mark)
        source[mark] = of_subspace.reset_index(drop=True)
    axes[0].set_ylabel("Fraction of tuned axes")
    if (peaks["n"] > 0).any():
        axes[0].legend(loc="upper left")
        axes[0].set_ylim(0, 1.35 * float(peaks["high"].max()))
    return figure, source


def _peaks(panel: Axes, rows: pd.DataFrame, group: str) -> None:
    rows = rows.sort_values("peak_bin")
    x, y = rows["peak_bin"].to_numpy(), rows["fraction"].to_numpy()
    colour = GROUP_COLOURS[group]
    panel.fill_between(x, rows["low"], rows["high"], color=colour, alpha=0.18, linewidth=0)
    label = f"{GROUP_LABELS[group]} (n = {int(rows['n'].max())})"
    panel.plot(x, y, "o-", color=colour, label=label)
    panel.axvline(0, color=REFERENCE_COLOUR, linewidth=0.5, zorder=0)


def caption_tuning_peaks(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown and N."""
    peaks = tables["tuning_peaks"].query("area == 'all'")
    n = {
        name: int(peaks[(peaks["subspace"] == name) & (peaks["success"] == "all")]["n"].max())
        for name in SUBSPACES
    }
    return words(
        f"""
        Where tuned axes have their largest mean rate, in bins of image distance; axes that reach both ends of
        the common range (±{settings.tuning.reach:g}; class n = {n["class"]}, noise n = {n["noise"]} axes;
        {_sessions(tables, settings)}). Shading: {percent(settings.tuning.interval)} Wilson intervals; n in
        the legend: axes. The share of the bin at the centre is tested over axes and over sessions in the
        figure of shapes.
        """
    )


def _of(frame: pd.DataFrame, area: str, subspace: str) -> pd.DataFrame:
    return frame[(frame["area"] == area) & (frame["subspace"] == subspace)]


def _areas(fractions: pd.DataFrame) -> list[str]:
    """All areas as one, and each where there are several."""
    single_areas = in_order(set(fractions["area"]) - {"all"})
    return ["all", *single_areas] if len(single_areas) > 1 else ["all"]


def _area_title(area: str) -> str:
    return "All areas" if area == "all" else area_label(area)


def _tests_said(tables: Tables) -> str:
    """Say what the two p values of a panel are."""
    return f"""
        Upper p: the study's two-proportion z-test over axes (pooled variance), {_directions(tables)}; it
        takes the axes of a session for independent, and finds too much where they are alike. Lower p: the
        same fractions and directions, success permuted over sessions ({_compared(tables)}; studentised
        difference). Neither is corrected; q in the table of tests is adjusted over the measures of a panel
        (Benjamini-Hochberg).
        """


def _directions(tables: Tables) -> str:
    """Say what is tested of each measure."""
    tests = tables["tuning_tests"].drop_duplicates("measure")
    direction_texts = {
        "larger": "larger after success for",
        "smaller": "smaller for",
        "two-sided": "two-sided for",
    }
    parts = []
    for alternative, text in direction_texts.items():
        names = tests[tests["alternative"] == alternative]["measure"].map(MEASURE_LABELS)
        parts.append(f"{text} {' and '.join(name.lower() for name in names)}")
    return words(", ".join(parts))


def _compared(tables: Tables) -> str:
    """Numbers of evolutions that the tests over sessions compare."""
    row = tables["tuning_tests"].query("area == 'all' and subspace == 'both' and measure == 'tuned'").iloc[0]
    return f"{row['sessions_succeed']} against {row['sessions_fail']}, those after one evolution as one"


def _sessions(tables: Tables, settings: FigureSettings) -> str:
    counts = tables["tuning_sessions"]["success"].value_counts()
    group_texts = {
        "succeeds": "after an evolution whose object thread succeeds (last block against first, t-test, "
        f"p < {settings.tuning.success_p:g})",
        "fails": "after one that fails",
        "unknown": "after none",
    }
    parts = [f"{counts[name]} {text}" for name, text in group_texts.items() if counts.get(name, 0)]
    n = len(tables["tuning_sessions"])
    return f"{n} session{'' if n == 1 else 's'}: {', '.join(parts)}"


FIGURES = (
    FigureEntry("tuning_heatmaps", "population tuning", 10, draw_tuning_heatmaps, caption_tuning_heatmaps),
    FigureEntry("tuning_shapes", "population tuning", 20, draw_tuning_shapes, caption_tuning_shapes),
    FigureEntry("tuning_peaks", "population tuning", 30, draw_tuning_peaks, caption_tuning_peaks),
)
