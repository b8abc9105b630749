"""Selectivity for images, of sessions that are no paired evolution (docs/methods.md section 3)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.analysis.columns import UNIT
from evoalign.analysis.preferred import mean_rates
from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.noise_ceiling import from_repeats
from evoalign.analysis.statistics.tests import benjamini_hochberg
from evoalign.responses.rates import rates, windowed
from evoalign.responses.session_responses import SessionResponses
from evoalign.tables import FLAG, FLOAT, INT, TEXT, column, table

Floats = NDArray[np.float64]

SELECTIVITY = table(
    "selectivity",
    *UNIT,
    column("unit_kind", TEXT, "", "kind of the unit, as in table units"),
    column("preferred", FLAG, "", "the unit that the sample sheet names"),
    column("shown", FLAG, "", "the unit of tables image_responses and image_psth"),
    column("n", INT, "", "valid presentations whose image is named"),
    column("n_images", INT, "", "their images"),
    column("n_repeated", INT, "", "of these, shown at least twice: the ones that are tested"),
    column("rate_hz", FLOAT, "spikes/s", "mean evoked rate over presentations"),
    column("baseline_hz", FLOAT, "spikes/s", "mean rate in the baseline window"),
    column(
        "f", FLOAT, "", "F of a one-way analysis of variance over images; NaN without repeats or variance"
    ),
    column("df_between", FLOAT, "", "its degrees of freedom between images"),
    column("df_within", FLOAT, "", "its degrees of freedom within images"),
    column("p", FLOAT, "", "its p value"),
    column("q", FLOAT, "", "Benjamini-Hochberg over the session's units of the kind"),
    column("ceiling", FLOAT, "", "share of a single presentation's variance that images explain (ICC(1,1))"),
    column("ceiling_low", FLOAT, "", "lower end of its interval"),
    column("ceiling_high", FLOAT, "", "upper end of it"),
    column("best_image", TEXT, "", "image with the largest mean evoked rate"),
    column("best_hz", FLOAT, "spikes/s", "that mean"),
)

IMAGE_RESPONSES = table(
    "image_responses",
    *UNIT,
    column("condition", TEXT, "", "condition of the image's presentations (column space); '' = unknown"),
    column("image", TEXT, "", "name of the image"),
    column("n", INT, "", "presentations"),
    column("mean_hz", FLOAT, "spikes/s", "mean evoked rate"),
    column("sem_hz", FLOAT, "spikes/s", "its standard error; NaN of one presentation"),
)

IMAGE_PSTH = table(
    "image_psth",
    *UNIT,
    column("condition", TEXT, "", "as in image_responses"),
    column("image", TEXT, "", "name of the image; '' = all images of the condition"),
    column("time_ms", FLOAT, "ms", "start of the ms, from image onset"),
    column("n", INT, "", "presentations"),
    column("mean_hz", FLOAT, "spikes/s", "mean smoothed rate"),
    column("sem_hz", FLOAT, "spikes/s", "its standard error; NaN of one presentation"),
)


def selectivity_tables(responses: SessionResponses, settings: Analysis) -> dict[str, pd.DataFrame]:
    """How each unit tells the images of a session apart.

    Parameters
    ----------
    responses : SessionResponses
        Valid presentations whose image is named count, whatever their block and thread.
    settings : Analysis
        Smoothing, windows and mass of the intervals.

    Returns
    -------
    dict of str to pandas.DataFrame
        `selectivity`, a row a unit; `image_responses` and `image_psth` of one of them: the preferred
        unit, or else the one with the smallest p. Empty without units or such presentations.

    Notes
    -----
    A one-way analysis of variance of single presentations' evoked rates, images as the factor
    (`scipy.stats.f_oneway`), over images shown at least twice; the noise ceiling is the intraclass
    correlation of the same (`from_repeats`).
    """
    presentations = responses.presentations
    named = presentations["image"].to_numpy(dtype=str) != ""
    keep = np.flatnonzero(presentations["valid"].to_numpy(dtype=bool) & named)
    if not len(keep) or responses.units.empty:
        return {}
    selectivity = _of_all_units(responses, keep, settings)
    if selectivity.empty:
        return {}
    row = _shown_unit(selectivity)
    selectivity["shown"] = np.arange(len(selectivity)) == row
    unit = {name: selectivity[name].iloc[row] for name in ("session", "subject", "area", "unit")}
    of_unit = np.flatnonzero(responses.units["unit"] == unit["unit"])
    keep = keep[responses.is_recorded(of_unit)[0][keep]]
    shown = presentations.iloc[keep]
    counts = responses.values(of_unit)[0][keep]
    trace = rates(counts, responses.start_ms, settings.smoothing_sigma_ms, settings.window_ms)
    evoked = windowed(trace, settings.window_ms[0], settings.evoked_ms).numpy()
    return {
        "selectivity": tables.conform(selectivity[SELECTIVITY.names], SELECTIVITY),
        "image_responses": tables.conform(
            _by_image(unit, shown, evoked[:, None], IMAGE_RESPONSES), IMAGE_RESPONSES
        ),
        "image_psth": tables.conform(
            _by_image(unit, shown, trace.numpy(), IMAGE_PSTH, settings.window_ms[0]), IMAGE_PSTH
        ),
    }


def _of_all_units(responses: SessionResponses, keep: NDArray[np.int64], settings: Analysis) -> pd.DataFrame:
    """`SELECTIVITY` but for `shown`; units that were recorded in the same presentations at a time."""
    recorded = responses.is_recorded(np.arange(len(responses.units)))[:, keep]
    patterns, pattern = np.unique(recorded, axis=0, return_inverse=True)
    frames = []
    for number, kept in enumerate(patterns):
        if not kept.any():
            continue
        rows, of_units = np.flatnonzero(pattern == number), keep[kept]
        windows = (settings.evoked_ms, settings.baseline_ms)
        counts = (responses.values(row)[0][of_units] for row in rows)
        means = [mean_rates(of_row, responses.start_ms, settings, *windows) for of_row in counts]
        evoked, baseline = map(np.stack, zip(*means, strict=True))
        shown = responses.presentations.iloc[of_units]
        frames.append(_selectivity(responses, rows, shown, evoked, baseline, settings))
    if not frames:
        return pd.DataFrame(columns=SELECTIVITY.names)
    frame = pd.concat(frames).sort_index()
    q = frame.groupby("unit_kind")["p"].transform(lambda p: benjamini_hochberg(p))
    return frame.assign(q=q).reset_index(drop=True)


def _selectivity(
    responses: SessionResponses,
    rows: NDArray[np.int64],
    shown: pd.DataFrame,
    evoked: Floats,
    baseline: Floats,
    settings: Analysis,
) -> pd.DataFrame:
    images = shown["image"].to_numpy(dtype=str)
    names, image, count = np.unique(images, return_inverse=True, return_counts=True)
    anova = image_anova(evoked, images)
    ceiling, _ = from_repeats(evoked[:, None, :], images, 1, settings.interval)
    means = np.stack([evoked[:, image == k].mean(-1) for k in range(len(names))], axis=-1)
    # Without a known response, as of an envelope in a pause, no image is the best.
    best = np.where(np.isnan(means).any(-1), -1, means.argmax(-1))
    units = responses.units.iloc[rows]
    return pd.DataFrame(
        {
            "session": responses.session,
            "subject": responses.subject,
            "area": units["area"].to_numpy(),
            "unit": units["unit"].to_numpy(),
            "unit_kind": units["kind"].to_numpy(),
            "preferred": units["preferred"].to_numpy(dtype=bool),
            "n": len(images),
            "n_images": len(names),
            "n_repeated": int((count > 1).sum()),
            "rate_hz": evoked.mean(-1),
            "baseline_hz": baseline.mean(-1),
            **anova,
            "ceiling": ceiling.value[:, 0],
            "ceiling_low": ceiling.low[:, 0],
            "ceiling_high": ceiling.high[:, 0],
            "best_image": [names[k] if k >= 0 else "" for k in best],
            "best_hz": [means[row, k] if k >= 0 else np.nan for row, k in enumerate(best)],
        },
        index=rows,
    )


def image_anova(evoked: Floats, images: NDArray[np.str_]) -> dict[str, Floats]:
    """Analyse the variance of responses over images that were shown at least twice.

    Parameters
    ----------
    evoked : ndarray, float64 [unit, presentation]
        Spikes/s.
    images : ndarray of str [presentation]

    Returns
    -------
    dict of str to ndarray, float64 [unit]
        f, df_between, df_within, p; NaN with fewer than two such images, or without variance.
    """
    names, count = np.unique(images, return_counts=True)
    groups = [evoked[:, images == name] for name in names[count > 1]]
    unknown = np.full(len(evoked), np.nan)
    if len(groups) < 2:
        return dict.fromkeys(("f", "df_between", "df_within", "p"), unknown)
    from scipy import stats  # not before: it takes 0.7 s to load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        result = stats.f_oneway(*groups, axis=-1)
    n = sum(group.shape[1] for group in groups)
    return {
        "f": np.asarray(result.statistic, np.float64),
        "df_between": np.full(len(evoked), len(groups) - 1.0),
        "df_within": np.full(len(evoked), float(n - len(groups))),
        "p": np.asarray(result.pvalue, np.float64),
    }


def _shown_unit(selectivity: pd.DataFrame) -> int:
    """Row of the preferred unit; else of the smallest p, or of the highest rate where nothing is tested."""
    if selectivity["preferred"].any():
        return int(selectivity["preferred"].to_numpy().argmax())
    if selectivity["p"].notna().any():
        return int(np.nanargmin(selectivity["p"]))
    return int(selectivity["rate_hz"].fillna(-np.inf).to_numpy().argmax())


def _by_image(
    unit: dict[str, Any], shown: pd.DataFrame, values: Floats, contract: Any, start_ms: int | None = None
) -> pd.DataFrame:
    """Mean and standard error of ``values [presentation, column]`` by image, and of a PSTH by condition."""
    condition, image = (shown[name].to_numpy(dtype=str) for name in ("space", "image"))
    keys = sorted(set(zip(condition, image, strict=True)))
    if start_ms is not None:
        keys = [*((name, "") for name in sorted(set(condition))), *keys]
    frames = []
    for of_condition, of_image in keys:
        rows = values[(condition == of_condition) & ((image == of_image) | (of_image == ""))]
        n = len(rows)
        sem = rows.std(0, ddof=1) / n**0.5 if n > 1 else np.full(rows.shape[1], np.nan)
        columns = {"condition": of_condition, "image": of_image, "n": n, "mean_hz": rows.mean(0)}
        frames.append(pd.DataFrame(unit | columns | {"sem_hz": sem}))
        if start_ms is not None:
            frames[-1]["time_ms"] = start_ms + np.arange(rows.shape[1], dtype=np.float64)
    return pd.concat(frames, ignore_index=True)[contract.names]
