"""How much of the answers to images their features explain, and when, of a session that is no evolution."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evoalign.figures.captions import FigureSettings, percent, show_window
from evoalign.figures.from_tables.encoding import main_model, middle
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.from_tables.image_selectivity import COLOURS
from evoalign.figures.panels import Source, Tables, words
from evoalign.figures.style import PAGE, area_label, letter, new_figure


def draw_image_features(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw the linear share and the held-out R2 of one unit over time, and the R2 of all units.

    Tables: `encoding` and `selectivity` of a session, with rows. Source: 'a': linear shares of the unit;
    'b': its R2, beside that of shuffled responses; 'c': the largest R2 of every unit.
    """
    encoding = main_model(tables["encoding"])
    unit = encoding[encoding["unit"] == _drawn_unit(tables)]
    figure = new_figure(PAGE, 2.3)
    share, r2, units = figure.subplots(1, 3)
    best = _best(encoding)
    for space, colour in zip(_spaces(encoding), COLOURS, strict=False):
        rows = unit[unit["space"] == space].sort_values("start_ms")
        _shares(share, rows, colour)
        _held_out(r2, rows, colour, settings.encoding.index_level)
        _ranked(units, best[best["space"] == space], colour, settings.encoding.fdr)
    share.set_ylabel("Linear share of image means")
    share.legend(loc="upper left")
    share.set_title(f"{unit['session'].iloc[0]}, {area_label(unit['area'].iloc[0])}")
    r2.set_ylabel("Held-out $R^2$")
    units.axhline(0, color="black", linewidth=0.5)
    units.xaxis.set_major_locator(MaxNLocator(integer=True))
    units.set_xlabel("Unit, by rank")
    units.set_ylabel("Largest held-out $R^2$")
    for panel in (share, r2):
        panel.axhline(0, color="black", linewidth=0.5)
        panel.set_xlabel("Time from image onset (ms)")
        show_window(panel, settings.encoding.window_ms)
    for panel, name in zip((share, r2, units), "abc", strict=True):
        letter(panel, name)
    identity = ["space", "unit", "start_ms", "stop_ms"]
    shares = unit[[*identity, "linear_share", "linear_share_low", "linear_share_high"]]
    return figure, {"a": shares, "b": unit[[*identity, "r2", "null_r2", "p_fwe"]], "c": best}


def _spaces(encoding: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(encoding["space"]))


def _drawn_unit(tables: Tables) -> int:
    """The unit of `image_selectivity`; where its kind is not encoded, the first one that is."""
    units = tables["encoding"]["unit"]
    chosen = tables["selectivity"].query("shown")["unit"]
    return int(chosen.iloc[0] if chosen.isin(units).any() else units.iloc[0])


def _best(encoding: pd.DataFrame) -> pd.DataFrame:
    """Largest R2 over windows and q of each unit and space, the best unit first."""
    best = encoding.groupby(["space", "unit"], sort=False, as_index=False).agg(
        r2=("r2", "max"), q=("q", "min")
    )
    return best.sort_values(["space", "r2", "unit"], ascending=[True, False, True], ignore_index=True)


def _shares(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    ends = rows["linear_share_low"], rows["linear_share_high"]
    axes.fill_between(middle(rows), *ends, color=colour, alpha=0.2, linewidth=0)
    axes.plot(middle(rows), rows["linear_share"], color=colour, label=rows["space"].iloc[0])
    axes.set_ylim(top=max(axes.get_ylim()[1], 1.25 * float(rows["linear_share_high"].max())))


def _held_out(axes: Axes, rows: pd.DataFrame, colour: str, level: float) -> None:
    axes.plot(middle(rows), rows["r2"], color=colour)
    axes.plot(middle(rows), rows["null_r2"], color=colour, linestyle="--", linewidth=0.7)
    sure = (rows["p_fwe"] <= level).to_numpy()
    axes.plot(middle(rows)[sure], rows["r2"][sure], "o", color=colour, markersize=3)


def _ranked(axes: Axes, best: pd.DataFrame, colour: str, level: float) -> None:
    rank, sure = np.arange(len(best)) + 1, (best["q"] <= level).to_numpy()
    axes.plot(rank[sure], best["r2"][sure], "o", color=colour, markersize=3.5)
    axes.plot(rank[~sure], best["r2"][~sure], "o", color=colour, markerfacecolor="white", markersize=3.5)


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, what is explained, tests and corrections."""
    encoding, options = main_model(tables["encoding"]), settings.encoding
    best = _best(encoding)
    explained = "; ".join(
        f"{space}: {int((rows['q'] <= options.fdr).sum())} of {len(rows)}"
        for space, rows in best.groupby("space", sort=False)
    )
    tested = bool(encoding["p_fwe"].notna().any())
    tests = (
        f"dashed: mean of at most {options.n_permutations} shuffles over images; "
        f"dots: p <= {options.index_level:g}, corrected over windows. "
        f"c, Largest of each unit; filled: q <= {options.fdr:g} over units "
        f"(Benjamini-Hochberg; {explained})"
        if tested
        else "not tested. c, Largest of each unit"
    )
    return words(
        f"""
        Mean responses of unit {_drawn_unit(tables)} to {int(encoding["n"].iloc[0])} images, from features
        that the sample sheet names ({", ".join(_spaces(encoding))}). The session is no paired evolution.
        a, Share of the variance of images' means that is linear in the features (REML), with its
        {percent(options.interval)} interval. b, R2 of images that ridge regression was not fitted to;
        {tests}.
        """
    )


FIGURES = (FigureEntry("image_features", "session features", 10, draw_image_features, caption),)
