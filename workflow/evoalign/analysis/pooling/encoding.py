"""Encoding pooled over the sessions of each area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.analysis.encoding.alignment_index import alignment_index, noise_floor
from evoalign.analysis.encoding.results import DIGITS
from evoalign.analysis.encoding.results import TABLES as SESSION_TABLES
from evoalign.analysis.encoding.tables import (
    ENCODING_UNITS,
    POPULATION_ENCODING,
    POPULATION_ENCODING_CROSSOVER,
    POPULATION_ENCODING_SPECTRUM,
)
from evoalign.analysis.experiment import KINDS
from evoalign.analysis.settings import AnalysisConfig, Encoding
from evoalign.analysis.statistics.crossover import Bins, Rule, find_crossover
from evoalign.analysis.statistics.resampling import hierarchical_weights, interval, seeded
from evoalign.analysis.statistics.tests import benjamini_hochberg

Floats = NDArray[np.float64]

TABLES = tables.by_name(
    ENCODING_UNITS, POPULATION_ENCODING, POPULATION_ENCODING_CROSSOVER, POPULATION_ENCODING_SPECTRUM
)
_MODEL = ["scheme", "projection", "n_features"]
_WHO = ["session", "unit"]


def pool_encoding(
    sessions: Sequence[Mapping[str, pd.DataFrame]], config: AnalysisConfig
) -> dict[str, pd.DataFrame]:
    """Pool the tables of `encode_session` over sessions, by area.

    The area's index is that of the mean linear shares of all its units. Units
    are not chosen by what explains them: a space with fewer dimensions
    explains more units beyond chance, so such a choice would favour it. A
    unit without any linear part adds 0 on average. Intervals: bootstrap over
    animals, sessions and units, each with the noise of its estimate.

    Parameters
    ----------
    sessions : sequence of mappings
        Of `encode_session`.
    config : AnalysisConfig

    Returns
    -------
    dict of str to pandas.DataFrame
        `encoding_units`, `population_encoding`,
        `population_encoding_crossover`, `population_encoding_spectrum`.
    """
    index, units, spectrum, encoding = (
        _together(sessions, name)
        for name in ("encoding_index", "encoding_crossover", "encoding_spectrum", "encoding")
    )
    units = _area_q(units)
    areas, crossings = [], []
    for key, rows in index.groupby(["area", *_MODEL], sort=True):
        model_units = units[(units[["area", *_MODEL]] == list(key)).all(axis=1)].reset_index(drop=True)
        model = dict(zip(["area", *_MODEL], key, strict=True))
        areas.append(_area(model, rows, model_units, encoding, config))
        crossings.append(_crossing(model, rows, model_units, config))
    parts = {
        "encoding_units": units,
        "population_encoding": _concat(areas, POPULATION_ENCODING),
        "population_encoding_crossover": _concat(crossings, POPULATION_ENCODING_CROSSOVER),
        "population_encoding_spectrum": _spectrum(spectrum, units, config.encoding),
    }
    return {name: _conform(frame, name) for name, frame in parts.items()}


def _conform(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    contract = TABLES[name]
    numbers = [field.name for field in contract if field.type == tables.FLOAT]
    return tables.conform(
        frame.assign(**{n: frame[n].astype(float).round(DIGITS) for n in numbers}), contract
    )


# Tables of sessions that are joined, beside those that are made here.
_ALL = SESSION_TABLES | TABLES


def _concat(frames: list[pd.DataFrame], contract: Any) -> pd.DataFrame:
    return pd.concat(frames) if frames else tables.empty(contract)


def _together(sessions: Sequence[Mapping[str, pd.DataFrame]], name: str) -> pd.DataFrame:
    frames = [session[name] for session in sessions if len(session[name])]
    return _concat(frames, _ALL[name]).reset_index(drop=True)


def _area_q(units: pd.DataFrame) -> pd.DataFrame:
    """Q over all units of an area in place of that over a session's."""
    parts = []
    for _, rows in units.groupby(["area", *_MODEL], sort=True):
        q = {f"q_{kind}": benjamini_hochberg(rows[f"p_{kind}"].to_numpy()) for kind in ("texture", "object")}
        parts.append(rows.assign(**q))
    return pd.concat(parts) if parts else units


def _explained(units: pd.DataFrame, settings: Encoding) -> NDArray[np.bool_]:
    """Units that either space explains; two spaces are asked, so the smaller q counts twice."""
    least = np.fmin(units["q_texture"].to_numpy(), units["q_object"].to_numpy())
    return np.asarray(2 * least <= settings.fdr)


def _values(rows: pd.DataFrame, units: pd.DataFrame, starts: pd.Series, name: str) -> Floats:
    """A column of the index table as [unit, window]."""
    grid = rows.pivot_table(index=_WHO, columns="start_ms", values=name, dropna=False)
    return grid.reindex(index=pd.MultiIndex.from_frame(units[_WHO]), columns=starts).to_numpy(dtype=float)


def _area(
    key: dict[str, Any],
    rows: pd.DataFrame,
    units: pd.DataFrame,
    encoding: pd.DataFrame,
    config: AnalysisConfig,
) -> pd.DataFrame:
    settings = config.encoding
    windows = rows[["start_ms", "stop_ms"]].drop_duplicates().sort_values("start_ms")
    share, sd = (
        {kind: _values(rows, units, windows["start_ms"], kind + end) for kind in KINDS} for end in ("", "_sd")
    )
    generator = seeded(config.seed, "encoding", *map(str, key.values()))
    drawn = _draw_units(units, settings.n_bootstrap, generator)
    once = np.ones((1, len(units)))
    mean = {kind: _mean(share[kind], once)[0] for kind in KINDS}
    # Of the mean of the units' estimates, whose noise is independent.
    error = {kind: np.sqrt(_mean(sd[kind] ** 2, once)[0] / len(units)) for kind in KINDS}
    floor = noise_floor(error["texture"], error["object"])
    sampled = {kind: _noisy_mean(share[kind], sd[kind], drawn, generator) for kind in KINDS}
    low, high = interval(alignment_index(sampled["texture"], sampled["object"], floor), settings.interval)
    same = _equal(mean, error, floor, settings, generator)
    tested = units[["p_texture", "p_object"]].notna().any(axis=None)
    return windows.assign(
        **key,
        n=len(units),
        n_sessions=units["session"].nunique(),
        n_explained=float(_explained(units, settings).sum()) if tested else np.nan,
        **mean,
        index=alignment_index(mean["texture"], mean["object"], floor),
        low=low,
        high=high,
        equal=same[0],
        equal_low=same[1],
        equal_high=same[2],
        **{f"r2_{kind}": _mean_r2(encoding, key, units, kind, windows["start_ms"]) for kind in KINDS},
        **{f"significant_{kind}": _significant(units, kind, settings) for kind in KINDS},
    )


def _equal(
    mean: dict[str, Floats],
    error: dict[str, Floats],
    floor: Floats,
    settings: Encoding,
    generator: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """Mean and ends of the index [window] that equal shares would give with these estimates' noise."""
    weight = error["object"] ** 2 / (error["texture"] ** 2 + error["object"] ** 2)
    shared = np.maximum(weight * mean["texture"] + (1 - weight) * mean["object"], 0)
    size = (settings.n_bootstrap, len(shared))
    drawn = {kind: shared + error[kind] * generator.standard_normal(size) for kind in KINDS}
    index = alignment_index(drawn["texture"], drawn["object"], floor)
    low, high = interval(index, settings.interval)
    return index.mean(0), low, high


def _mean_r2(
    encoding: pd.DataFrame, key: dict[str, Any], units: pd.DataFrame, kind: str, starts: pd.Series
) -> Floats:
    """Mean held-out R2 [window] of the area's units in the model's space of this kind."""
    model = (encoding["scheme"] == key["scheme"]) & (encoding["projection"] == key["projection"])
    if key["projection"] != "full":
        model &= encoding["n_features"] == key["n_features"]
    rows = encoding[model & (encoding["area"] == key["area"]) & (encoding["kind"] == kind)]
    rows = rows.merge(units[_WHO], on=_WHO)
    return rows.groupby("start_ms")["r2"].mean().reindex(starts).to_numpy(dtype=float)


def _draw_units(units: pd.DataFrame, n_draws: int, generator: np.random.Generator) -> Floats:
    """How often each unit counts: animals, then sessions, then units with replacement."""
    sessions = units[["subject", "session"]].drop_duplicates()
    drawn = np.zeros((n_draws, len(units)))
    if len(units) == 0:
        return drawn
    times = hierarchical_weights(sessions["subject"].tolist(), n_draws, generator)
    for column, session in enumerate(sessions["session"]):
        session_units = np.flatnonzero((units["session"] == session).to_numpy())
        size = times[:, column] * len(session_units)
        drawn[:, session_units] = generator.multinomial(
            size, np.full(len(session_units), 1 / len(session_units))
        )
    return drawn


def _mean(values: Floats, drawn: Floats) -> Floats:
    """Means [draw, window] over units [unit, window], leaving out NaN."""
    present = ~np.isnan(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((drawn @ np.where(present, values, 0)) / (drawn @ present))


def _noisy_mean(values: Floats, sd: Floats, drawn: Floats, generator: np.random.Generator) -> Floats:
    """Means [draw, window] of drawn units, each with the noise of its estimate."""
    present = ~np.isnan(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        count = drawn @ present
        error = np.sqrt(drawn @ np.where(present, sd**2, 0)) / count
    return _mean(values, drawn) + error * generator.standard_normal(error.shape)


def _significant(units: pd.DataFrame, kind: str, settings: Encoding) -> float:
    p = units[f"p_{kind}"].dropna()
    return float((p <= settings.index_level).mean()) if len(p) else np.nan


def _crossing(
    key: dict[str, Any], rows: pd.DataFrame, units: pd.DataFrame, config: AnalysisConfig
) -> pd.DataFrame:
    """Crossover of an area, tested over sessions: units of one session are not independent."""
    settings = config.analysis
    windows = rows[["start_ms", "stop_ms"]].drop_duplicates().sort_values("start_ms")
    difference = rows.assign(difference=rows["object"] - rows["texture"])
    by_session = difference.pivot_table(index="session", columns="start_ms", values="difference")
    bins = Bins(
        tuple(windows["start_ms"].tolist()), int(windows["stop_ms"].iloc[0] - windows["start_ms"].iloc[0])
    )
    rule = Rule.of(settings, config.encoding.interval, "sessions")
    generator = seeded(config.seed, "encoding crossover", *map(str, key.values()))
    crossover = find_crossover(by_session.to_numpy(dtype=float), bins, rule, generator)
    unit_crossings = units["crossover_ms"].dropna()
    row = {
        **key,
        "n": len(units),
        "n_sessions": units["session"].nunique(),
        "crossover_ms": crossover.time_ms,
        "reason": crossover.reason,
        "low_ms": crossover.low_ms,
        "high_ms": crossover.high_ms,
        "unit_median_ms": float(unit_crossings.median()) if len(unit_crossings) else np.nan,
        "n_units": len(unit_crossings),
    }
    return pd.DataFrame([row])


def _spectrum(spectrum: pd.DataFrame, units: pd.DataFrame, settings: Encoding) -> pd.DataFrame:
    full = units[(units["projection"] == "full") & (units["scheme"] == settings.schemes[0])]
    rows = spectrum.merge(full.loc[_explained(full, settings), _WHO], on=_WHO)
    if rows.empty:
        return tables.empty(POPULATION_ENCODING_SPECTRUM)
    by = ["area", "space", "kind", "start_ms", "stop_ms"]
    bins = ["rank_first", "rank_last"]
    pooled = rows.groupby(by + bins, sort=True)["explained"].agg(["mean", "count"]).reset_index()
    total = pooled.groupby(by)["mean"].transform("sum")
    # A share of next to nothing is noise over noise.
    share = (pooled["mean"] / total).where(total >= settings.ceiling_floor)
    return pooled.rename(columns={"mean": "explained", "count": "n"}).assign(share=share)
