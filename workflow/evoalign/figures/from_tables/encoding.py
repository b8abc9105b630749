"""Which space explains the units, and when: index by area, heatmaps of units, Hessian spectrum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from evoalign.figures.captions import FigureSettings, percent, show_window
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import Source, Tables, area_axes, areas_of, words
from evoalign.figures.style import (
    PAGE,
    REFERENCE_COLOUR,
    area_label,
    in_order,
    new_figure,
    say_empty,
    space_colour,
    space_label,
)

SPACES = ("texture", "object")
MAP = "viridis"
INDEX_MAP = "RdBu_r"  # blue texture, red object, white neither
NO_SPECTRUM = "no unit is explained beyond chance, or no eigenframe of its spaces is known"


def main_model(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the model the figures show: all latents, folds by image where they are there."""
    full = frame[frame["projection"] == "full"]
    image = full[full["scheme"] == "image"]
    return image if len(image) else full


def draw_alignment_index(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw the alignment index over time, by area, with what it is made of.

    Tables: `population_encoding` and `population_encoding_crossover`. Source: panels 'index',
    'share', 'r2' and 'crossover'.
    """
    frame = main_model(tables["population_encoding"]).sort_values(["area", "start_ms"])
    crossovers = main_model(tables["population_encoding_crossover"])
    areas = areas_of(frame)
    figure, axes = area_axes(areas, height=4.6, rows=3, empty="no units")
    for column, area in enumerate(areas):
        rows = frame[frame["area"] == area]
        _index_panel(axes[0, column], rows, crossovers[crossovers["area"] == area])
        _kinds_panel(axes[1, column], rows, dict(zip(SPACES, SPACES, strict=True)))
        _kinds_panel(axes[2, column], rows, {kind: f"r2_{kind}" for kind in SPACES})
        for panel in axes[:, column]:
            show_window(panel, settings.encoding.window_ms)
        n, sessions = int(rows["n"].iloc[0]), int(rows["n_sessions"].iloc[0])
        axes[0, column].set_title(f"{area_label(area)} ({n} units, {sessions} sessions)")
        axes[2, column].set_xlabel("Time from image onset (ms)")
    if areas:
        axes[0, 0].set_ylabel("Alignment index")
        axes[1, 0].set_ylabel("Linear share")
        axes[2, 0].set_ylabel("Held-out $R^2$")
        handles: list[Artist] = [Line2D([], [], color=space_colour(k), label=space_label(k)) for k in SPACES]
        equal = Line2D([], [], color=REFERENCE_COLOUR, linewidth=0.8, label="Equal shares, simulated")
        figure.legend(handles=[*handles, equal], loc="outside lower center", ncols=3)
    identity = ["area", "start_ms", "stop_ms"]
    r2 = [f"r2_{kind}" for kind in SPACES]
    source = {
        "index": frame.drop(columns=[*SPACES, *r2]),
        "share": frame[[*identity, *SPACES]],
        "r2": frame[[*identity, *r2]],
        "crossover": crossovers,
    }
    return figure, {name: part.reset_index(drop=True) for name, part in source.items()}


def middle(rows: pd.DataFrame) -> np.ndarray:
    """Middle of the window of each row, ms."""
    return (rows["start_ms"].to_numpy() + rows["stop_ms"].to_numpy()) / 2


def _index_panel(panel: Axes, rows: pd.DataFrame, found: pd.DataFrame) -> None:
    x = middle(rows)
    names = ("index", "low", "high", "equal", "equal_low", "equal_high")
    index, low, high, equal, equal_low, equal_high = (rows[name].to_numpy(dtype=float) for name in names)
    panel.fill_between(x, equal_low, equal_high, color=REFERENCE_COLOUR, alpha=0.18, linewidth=0)
    panel.plot(x, equal, color=REFERENCE_COLOUR, linewidth=0.8)
    panel.vlines(x, low, high, color="black", linewidth=0.6)
    panel.plot(x, index, color="black", linewidth=0.8)
    for sign, kind in ((1, "object"), (-1, "texture")):
        ahead = np.sign(index) == sign
        panel.scatter(x[ahead], index[ahead], s=9, color=space_colour(kind), linewidth=0, zorder=4)
    panel.set_ylim(-1.4, 1.08)  # below the index there is room for words
    panel.set_yticks([-1, -0.5, 0, 0.5, 1])
    if len(found) == 0:
        return
    time, first, last = (float(found[c].iloc[0]) for c in ("crossover_ms", "low_ms", "high_ms"))
    if not np.isfinite(time):
        text = "no crossover: " + str(found["reason"].iloc[0])
        panel.text(0.98, 0.03, text, transform=panel.transAxes, ha="right", fontsize="small")
        return
    if np.isfinite(first):
        panel.axvspan(first, last, color=REFERENCE_COLOUR, alpha=0.18, linewidth=0)
    panel.axvline(time, color=REFERENCE_COLOUR, linestyle="--", linewidth=0.8)
    panel.annotate(f"{time:.0f} ms", (time, -1.32), xytext=(-3, 0), textcoords="offset points", ha="right")


def _kinds_panel(panel: Axes, rows: pd.DataFrame, columns: Mapping[str, str]) -> None:
    panel.axhline(0, color="black", linewidth=0.5)
    for kind, column in columns.items():
        panel.plot(middle(rows), rows[column], color=space_colour(kind), linewidth=1)


def draw_unit_heatmaps(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw the linear share of each unit and window in both spaces, and the index.

    Tables: `encoding_index` and `encoding_crossover` of a session. Source: panels 'texture',
    'object' and 'index'; a row a unit, a column a window's start in ms.
    """
    frame = main_model(tables["encoding_index"])
    units = main_model(tables["encoding_crossover"]).sort_values(["crossover_ms", "unit"], na_position="last")
    figure = new_figure(PAGE, max(1.6, 0.9 + 0.09 * len(units)))
    axes = figure.subplots(1, 3, squeeze=False, sharey=True)[0]
    panels: Source = {}
    for name in (*SPACES, "index"):
        grid = frame.pivot_table(index="unit", columns="start_ms", values=name, dropna=False)
        panels[name] = grid.reindex(units["unit"]).reset_index()
    if frame.empty:
        for panel in axes:
            say_empty(panel, "no unit")
        return figure, panels
    step = float(frame["stop_ms"].iloc[0] - frame["start_ms"].iloc[0])
    values = np.array([panels[kind].iloc[:, 1:] for kind in SPACES], dtype=float)
    top = float(np.clip(np.nanquantile(values, 0.99), 0.01, 1)) if np.isfinite(values).any() else 1.0
    for panel, kind in zip(axes, SPACES, strict=False):
        image = _heatmap(panel, panels[kind], step, cmap=MAP, vmin=0, vmax=top)
        panel.set_title(space_label(kind))
    figure.colorbar(image, ax=axes[:2], label="Linear share", shrink=0.8)
    index_image = _heatmap(axes[2], panels["index"], step, cmap=INDEX_MAP, norm=TwoSlopeNorm(0, -1, 1))
    _mark(axes[2], frame, units)
    axes[2].set_title("Alignment index")
    figure.colorbar(index_image, ax=axes[2], label="Texture to object", shrink=0.8)
    axes[0].set_ylabel("Unit, by crossover")
    return figure, panels


def _heatmap(panel: Axes, grid: pd.DataFrame, step: float, **how: object) -> AxesImage:
    starts = grid.columns[1:].to_numpy(dtype=float)
    extent = (starts[0], starts[-1] + step, len(grid) - 0.5, -0.5)
    image = panel.imshow(grid.iloc[:, 1:].to_numpy(dtype=float), aspect="auto", extent=extent, **how)  # type: ignore[arg-type]
    panel.set_yticks(range(len(grid)), [str(unit) for unit in grid["unit"]])
    panel.set_xlabel("Time from image onset (ms)")
    return image


def _mark(panel: Axes, frame: pd.DataFrame, units: pd.DataFrame) -> None:
    """Points in windows that nothing is known to explain; ticks at the units' crossovers."""
    row = {unit: position for position, unit in enumerate(units["unit"])}
    noise = frame[~frame["explained"].astype(bool) & frame["tested"].astype(bool)]
    panel.scatter(
        middle(noise), noise["unit"].map(row), s=1.5, color=REFERENCE_COLOUR, linewidth=0, rasterized=True
    )
    panel.scatter(units["crossover_ms"], units["unit"].map(row), marker="|", s=22, color="black", linewidth=1)


def draw_hessian_spectrum(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw the share of the explained variance by rank of the Hessian eigenvalue, by window.

    Tables: `population_encoding_spectrum`. Source: one panel 'spectrum'.
    """
    frame = tables["population_encoding_spectrum"]
    areas = in_order(frame["area"]) if len(frame) else []
    figure, axes = area_axes(areas, height=3.4, rows=2, empty=NO_SPECTRUM)
    image = None
    for column, area in enumerate(areas):
        for line, kind in enumerate(SPACES):
            rows = frame[(frame["area"] == area) & (frame["kind"] == kind)]
            if rows.empty:
                say_empty(axes[line, column], f"no eigenframe of the {kind} space")
                continue
            image = _spectrum_panel(axes[line, column], rows)
            axes[line, column].set_title(f"{area_label(area)}, {space_label(kind).lower()}")
        axes[1, column].set_xlabel("Time from image onset (ms)")
    if image is not None:
        axes[0, 0].set_ylabel("Eigenvector rank")
        axes[1, 0].set_ylabel("Eigenvector rank")
        figure.colorbar(image, ax=axes, label="Explained share", shrink=0.7)
    return figure, {"spectrum": frame.reset_index(drop=True)}


def _spectrum_panel(panel: Axes, rows: pd.DataFrame) -> AxesImage:
    grid = rows.pivot_table(index="rank_first", columns="start_ms", values="share", dropna=False)
    last = rows.groupby("rank_first")["rank_last"].first()
    starts = grid.columns.to_numpy(dtype=float)
    width = float(rows["stop_ms"].iloc[0] - rows["start_ms"].iloc[0])
    image = panel.imshow(
        grid.to_numpy(dtype=float),
        aspect="auto",
        cmap=MAP,
        vmin=0,
        vmax=1,
        extent=(starts[0], starts[-1] + width, len(grid) - 0.5, -0.5),
    )
    labels = [str(a + 1) if a == last[a] else f"{a + 1}\u2013{last[a] + 1}" for a in grid.index]
    panel.set_yticks(range(len(grid)), labels)
    return image


def caption_alignment_index(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests, intervals and the crossover of each area."""
    crossovers = main_model(tables["population_encoding_crossover"])
    frame = main_model(tables["population_encoding"])
    areas = []
    for area in areas_of(crossovers):
        row = crossovers[crossovers["area"] == area].iloc[0]
        explained = frame.loc[frame["area"] == area, "n_explained"].iloc[0]
        explained_text = f", {int(explained)} explained beyond chance" if np.isfinite(explained) else ""
        areas.append(
            f"{area_label(area)} {_crossing(row)} (n = {int(row['n'])} units of {int(row['n_sessions'])} "
            f"sessions{explained_text})"
        )
    return words(
        f"""
        Top: alignment index, (object minus texture) over (object plus texture) linear share, from the mean
        over all units of an area; bars: {percent(settings.encoding.interval)} interval of a bootstrap over
        animals, sessions and units; grey: mean and {percent(settings.encoding.interval)} interval of the
        index that equal shares would give with the same latents and presentations. Middle: linear share, the
        part of single-presentation variance within blocks that is linear in a space's latents (restricted
        maximum likelihood), whatever their number. Bottom: held-out R2 of ridge, folds by image; it depends
        on the numbers of latents and presentations, and spaces cannot be compared by it. Dashed: crossover,
        where texture leads before and object after, each by a cluster test over sessions (family-wise over
        windows, p < {settings.analysis.lead_p:g}): {"; ".join(areas) or "no units"}.
        """
    )


def _crossing(row: Mapping[str, float] | pd.Series) -> str:
    if not np.isfinite(row["crossover_ms"]):
        return f"none: {row['reason']}"
    if not np.isfinite(row["low_ms"]):
        return f"{row['crossover_ms']:.0f} ms (too few sessions for an interval)"
    return f"{row['crossover_ms']:.0f} ms (interval {row['low_ms']:.0f} to {row['high_ms']:.0f})"


def caption_unit_heatmaps(tables: Tables, settings: FigureSettings) -> str:
    """State what the heatmaps show and how many units cross over."""
    units = main_model(tables["encoding_crossover"])
    n = int(units["crossover_ms"].notna().sum())
    return words(
        f"""
        Linear share of each unit and window: the part of single-presentation variance within blocks that is
        linear in a space's latents (restricted maximum likelihood), and the alignment index of the two. Units
        are sorted by their crossover (black ticks; {n} of {len(units)} have one: texture leads before and
        object after, each family-wise over windows, p < {settings.encoding.index_level:g}). Grey points:
        neither space explains the unit in this window beyond chance (permutation within blocks, family-wise
        over windows and spaces, p < {settings.encoding.index_level:g}).
        """
    )


def caption_hessian_spectrum(tables: Tables, _: FigureSettings) -> str:
    """State what the spectrum shows, and N by area."""
    frame = tables["population_encoding_spectrum"]
    counts = [
        f"{area_label(area)} {int(frame.loc[frame['area'] == area, 'n'].max())}" for area in areas_of(frame)
    ]
    over_units = f"mean over explained units ({', '.join(counts)})" if counts else NO_SPECTRUM
    return words(
        f"""
        Held-out covariance of the response with the part of the prediction that lies along Hessian
        eigenvectors of a rank (1: the direction in which the image changes most), over its sum over
        ranks; {over_units}. Windows whose sum is not positive are empty.
        """
    )


FIGURES = (
    FigureEntry("unit_heatmaps", "session", 20, draw_unit_heatmaps, caption_unit_heatmaps),
    FigureEntry("alignment_index", "population", 140, draw_alignment_index, caption_alignment_index),
    FigureEntry("hessian_spectrum", "population", 150, draw_hessian_spectrum, caption_hessian_spectrum),
)
