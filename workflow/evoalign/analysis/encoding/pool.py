"""Encoding pooled over the sessions of each area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from evoalign import study, tables
from evoalign.analysis.encoding.alignment_index import alignment_index, crossover_ms
from evoalign.analysis.encoding.results import DIGITS
from evoalign.analysis.resampling import hierarchical_weights, interval, seeded
from evoalign.analysis.statistics import benjamini_hochberg

Floats = NDArray[np.float64]

NAMES = (
    "encoding_units",
    "population_encoding",
    "population_encoding_crossover",
    "population_encoding_spectrum",
)
_MODEL = ["scheme", "projection", "n_features"]
_WHO = ["session", "unit"]


def pool_encoding(
    sessions: Sequence[Mapping[str, pd.DataFrame]], config: study.Config
) -> dict[str, pd.DataFrame]:
    """Pool the tables of `encode_session` over sessions, by area.

    A unit counts as explained when either space explains it with q, over all
    units of the area, at most `encoding.fdr`; units that were not permuted
    all count. The area's index is that of the mean normalised R2 of its
    explained units: a mean of single units' indices would weigh units in
    which next to nothing is explained as much as the others. Intervals:
    bootstrap over animals, sessions and units.

    Parameters
    ----------
    sessions : sequence of mappings
        Of `encode_session`.
    config : study.Config

    Returns
    -------
    dict of str to pandas.DataFrame
        `encoding_units`, `population_encoding`,
        `population_encoding_crossover`, `population_encoding_spectrum`.
    """
    index, units, spectrum = (
        _together(sessions, name) for name in ("encoding_index", "encoding_crossover", "encoding_spectrum")
    )
    units = _area_q(units)
    areas, crossings = [], []
    for key, rows in index.groupby(["area", *_MODEL], sort=True):
        own = units[(units[["area", *_MODEL]] == list(key)).all(axis=1)]
        area, crossing = _area(dict(zip(["area", *_MODEL], key, strict=True)), rows, own, config)
        areas.append(area)
        crossings.append(crossing)
    parts = {
        "encoding_units": units,
        "population_encoding": _concat(areas, tables.POPULATION_ENCODING),
        "population_encoding_crossover": _concat(crossings, tables.POPULATION_ENCODING_CROSSOVER),
        "population_encoding_spectrum": _spectrum(spectrum, units, config.encoding),
    }
    return {name: _conform(frame, name) for name, frame in parts.items()}


def _conform(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    contract = tables.contract_of(name)
    numbers = [field.name for field in contract if field.type == tables.FLOAT]
    return tables.conform(
        frame.assign(**{n: frame[n].astype(float).round(DIGITS) for n in numbers}), contract
    )


def _concat(frames: list[pd.DataFrame], contract: Any) -> pd.DataFrame:
    return pd.concat(frames) if frames else tables.empty(contract)


def _together(sessions: Sequence[Mapping[str, pd.DataFrame]], name: str) -> pd.DataFrame:
    frames = [session[name] for session in sessions if len(session[name])]
    return _concat(frames, tables.contract_of(name)).reset_index(drop=True)


def _area_q(units: pd.DataFrame) -> pd.DataFrame:
    """Q over all units of an area in place of that over a session's."""
    parts = []
    for _, rows in units.groupby(["area", *_MODEL], sort=True):
        q = {f"q_{kind}": benjamini_hochberg(rows[f"p_{kind}"].to_numpy()) for kind in ("texture", "object")}
        parts.append(rows.assign(**q))
    return pd.concat(parts) if parts else units


def _explained(units: pd.DataFrame, settings: study.Encoding) -> pd.Series:
    least = np.fmin(units["q_texture"].to_numpy(), units["q_object"].to_numpy())
    return pd.Series(np.isnan(least) | (least <= settings.fdr), index=units.index)


def _area(
    key: dict[str, Any], rows: pd.DataFrame, units: pd.DataFrame, config: study.Config
) -> tuple[pd.DataFrame, pd.DataFrame]:
    settings = config.encoding
    chosen = units[_explained(units, settings)]
    windows = rows[["start_ms", "stop_ms"]].drop_duplicates().sort_values("start_ms")
    values = {
        kind: rows.pivot_table(index=_WHO, columns="start_ms", values=kind, dropna=False)
        .reindex(index=pd.MultiIndex.from_frame(chosen[_WHO]), columns=windows["start_ms"])
        .to_numpy(dtype=float)
        for kind in ("texture", "object")
    }
    generator = seeded(config.seed, "encoding", *map(str, key.values()))
    drawn = _draw_units(chosen, settings.n_bootstrap, generator)
    mean = {kind: _mean(value, np.ones((1, len(chosen))))[0] for kind, value in values.items()}
    sampled = alignment_index(*(_mean(values[kind], drawn) for kind in ("texture", "object")))
    index = alignment_index(mean["texture"], mean["object"])
    explained = _beyond_chance(rows, units, windows, settings)
    low, high = interval(sampled, settings.interval)
    frame = windows.assign(
        **key, n=len(chosen), n_all=len(units), **mean, index=index, low=low, high=high, explained=explained
    ).assign(**{f"significant_{kind}": _significant(units, kind, settings) for kind in mean})
    starts = windows["start_ms"].to_numpy()
    return frame, _crossing(key, chosen, index, sampled, explained, starts, settings)


def _beyond_chance(
    rows: pd.DataFrame, units: pd.DataFrame, windows: pd.DataFrame, settings: study.Encoding
) -> NDArray[np.bool_]:
    """Windows in which more of all units are explained than tests of two spaces would by chance."""
    count = rows.groupby("start_ms")["explained"].sum().reindex(windows["start_ms"]).to_numpy()
    chance = 1 - (1 - settings.index_level) ** 2
    return np.asarray(stats.binom.sf(count - 1, len(units), chance) <= settings.index_level)


def _draw_units(units: pd.DataFrame, n_draws: int, generator: np.random.Generator) -> Floats:
    """How often each unit counts: animals, then sessions, then units with replacement."""
    sessions = units[["subject", "session"]].drop_duplicates()
    drawn = np.zeros((n_draws, len(units)))
    if len(units) == 0:
        return drawn
    times = hierarchical_weights(sessions["subject"].tolist(), n_draws, generator)
    for column, session in enumerate(sessions["session"]):
        own = np.flatnonzero((units["session"] == session).to_numpy())
        size = times[:, column] * len(own)
        drawn[:, own] = generator.multinomial(size, np.full(len(own), 1 / len(own)))
    return drawn


def _mean(values: Floats, drawn: Floats) -> Floats:
    """Means [draw, window] over units [unit, window], leaving out NaN."""
    present = ~np.isnan(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((drawn @ np.where(present, values, 0)) / (drawn @ present))


def _significant(units: pd.DataFrame, kind: str, settings: study.Encoding) -> float:
    p = units[f"p_{kind}"].dropna()
    return float((p <= settings.index_level).mean()) if len(p) else np.nan


def _crossing(
    key: dict[str, Any],
    chosen: pd.DataFrame,
    index: Floats,
    sampled: Floats,
    explained: NDArray[np.bool_],
    starts: NDArray,
    settings: study.Encoding,
) -> pd.DataFrame:
    times = crossover_ms(sampled, starts, settings.crossover_bins, explained)
    low, high = interval(times, settings.interval)
    own = chosen["crossover_ms"].dropna()
    row = {
        **key,
        "n": len(chosen),
        "crossover_ms": float(crossover_ms(index, starts, settings.crossover_bins, explained)),
        "low_ms": float(low),
        "high_ms": float(high),
        "found": float((~np.isnan(times)).mean()),
        "unit_median_ms": float(own.median()) if len(own) else np.nan,
        "n_units": len(own),
    }
    return pd.DataFrame([row])


def _spectrum(spectrum: pd.DataFrame, units: pd.DataFrame, settings: study.Encoding) -> pd.DataFrame:
    full = units[(units["projection"] == "full") & (units["scheme"] == settings.schemes[0])]
    rows = spectrum.merge(full.loc[_explained(full, settings), _WHO], on=_WHO)
    if rows.empty:
        return tables.empty(tables.POPULATION_ENCODING_SPECTRUM)
    by = ["area", "space", "kind", "start_ms", "stop_ms"]
    bins = ["rank_first", "rank_last"]
    pooled = rows.groupby(by + bins, sort=True)["explained"].agg(["mean", "count"]).reset_index()
    total = pooled.groupby(by)["mean"].transform("sum")
    share = (pooled["mean"] / total).where(total > 0)
    return pooled.rename(columns={"mean": "explained", "count": "n"}).assign(share=share)
