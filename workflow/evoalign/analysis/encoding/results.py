"""Tidy tables of a session's encoding, and the same as an xarray dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xarray as xr
from numpy.typing import NDArray

from evoalign import tables
from evoalign.analysis.encoding.alignment_index import (
    alignment_index,
    crossover_ms,
    image_draws,
    r2_draws,
    run_means,
)
from evoalign.analysis.resampling import interval, seeded
from evoalign.analysis.statistics import benjamini_hochberg

if TYPE_CHECKING:
    from evoalign.analysis.encoding.session import Fitted, Job
    from evoalign.analysis.encoding.shown import Thread

Floats = NDArray[np.float64]

NAMES = ("encoding", "encoding_index", "encoding_crossover", "encoding_spectrum", "encoding_weights")
# Results are rounded here, so that the order of sums on other machines or threads shows in no file.
DIGITS = 9


def no_units() -> dict[str, pd.DataFrame]:
    """The tables without rows."""
    return {name: tables.empty(tables.contract_of(name)) for name in NAMES}


def session_tables(
    job: Job,
    fitted: list[Fitted],
    ceilings: Mapping[int, tuple[Floats, str]],
    spectra: list[tuple[Thread, str, tuple[int, int], Floats]],
    vectors: list[tuple[Thread, str, int, Floats]],
    mean_rates: Floats,
) -> dict[str, pd.DataFrame]:
    """Assemble the tables of `encode_session`."""
    encoding = pd.concat([_encoding(job, fit, ceilings[fit.thread.number], mean_rates) for fit in fitted])
    index, crossover = _comparisons(job, fitted, ceilings)
    parts = {
        "encoding": encoding,
        "encoding_index": index,
        "encoding_crossover": crossover,
        "encoding_spectrum": _spectrum(job, spectra),
        "encoding_weights": _weights(job, vectors),
    }
    return {name: _finish(frame, tables.contract_of(name)) for name, frame in parts.items()}


def _finish(frame: pd.DataFrame, contract: pa.Schema) -> pd.DataFrame:
    numbers = [field.name for field in contract if field.type == tables.FLOAT]
    frame = frame.assign(**{name: frame[name].astype(float).round(DIGITS) for name in numbers})
    return tables.conform(frame, contract)


def _grid(job: Job, units: NDArray | None = None) -> dict[str, Any]:
    """Columns of identity for rows unit x window."""
    rows = job.units if units is None else job.units[units]
    table = job.responses.units.reset_index(drop=True).iloc[rows]
    n = len(job.windows.starts_ms)
    area = [str(a) or job.responses.area for a in table["area"]]
    return {
        "session": job.responses.session,
        "subject": job.responses.subject,
        "area": np.repeat(np.array(area, dtype=object), n),
        "unit": np.repeat(table["unit"].to_numpy(dtype=np.int64), n),
        "start_ms": np.tile(job.windows.starts_ms, len(rows)),
        "stop_ms": np.tile(job.windows.stops_ms, len(rows)),
    }


def _normalised(job: Job, r2: Floats, ceiling: Floats) -> Floats:
    return r2 / np.maximum(ceiling, job.settings.ceiling_floor)


def _encoding(job: Job, fit: Fitted, ceiling: tuple[Floats, str], mean_rates: Floats) -> pd.DataFrame:
    r2 = fit.nested.r2.cpu().numpy().reshape(job.shape)
    blank = np.full(job.shape, np.nan)
    test = fit.test or {"p": blank, "p_fwe": blank, "null_r2": blank}
    smallest = pd.DataFrame(test["p_fwe"]).min(axis=1).to_numpy()
    q = np.repeat(benjamini_hochberg(smallest)[:, None], job.shape[1], axis=1)
    columns = {
        "r2": r2,
        "r": fit.nested.r.cpu().numpy().reshape(job.shape),
        "ceiling": ceiling[0],
        "normalised_r2": _normalised(job, r2, ceiling[0]),
        "alpha": fit.nested.alphas.log().mean(1).exp().cpu().numpy().reshape(job.shape),
        "rate_hz": mean_rates,
        "null_r2": test["null_r2"],
        "p": test["p"],
        "p_fwe": test["p_fwe"],
        "q": q,
    }
    return pd.DataFrame(
        {
            **_grid(job),
            "space": fit.thread.space,
            "kind": fit.kind,
            "scheme": fit.scheme,
            "projection": fit.projection,
            "n_features": fit.n_features,
            "n": len(fit.thread.rows),
            "ceiling_source": ceiling[1],
            **{name: np.asarray(values).ravel() for name, values in columns.items()},
        }
    )


def _comparisons(
    job: Job, fitted: list[Fitted], ceilings: Mapping[int, tuple[Floats, str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Index and crossover wherever both spaces were fitted alike: scheme, projection and rank of k."""
    by_model: dict[tuple[str, str, int], dict[str, Fitted]] = {}
    for fit in fitted:
        # The full latents of two spaces differ in dimension and are compared all the same.
        k = 0 if fit.projection == "full" else fit.n_features
        by_model.setdefault((fit.scheme, fit.projection, k), {})[fit.kind] = fit
    pairs = [pair for pair in by_model.values() if {"texture", "object"} <= set(pair)]
    if not pairs:
        empty = no_units()
        return empty["encoding_index"], empty["encoding_crossover"]
    draws = {kind: _weights_of(job, fit) for kind, fit in pairs[0].items() if kind}
    found = [_compare(job, pair, ceilings, draws) for pair in pairs]
    return pd.concat([index for index, _ in found]), pd.concat([crossing for _, crossing in found])


def _weights_of(job: Job, fit: Fitted) -> Any:
    generator = seeded(job.config.seed, job.responses.session, fit.thread.space, "bootstrap")
    drawn = image_draws(fit.thread.images, job.settings.n_bootstrap, generator)
    return drawn.to(fit.nested.predicted.device)


def _compare(
    job: Job, pair: Mapping[str, Fitted], ceilings: Mapping[int, tuple[Floats, str]], draws: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    n_units, n_windows = job.shape
    level, bins = job.settings.index_level, job.settings.crossover_bins
    value, drawn, p = {}, {}, {}
    explained = np.zeros(job.shape, dtype=bool)
    for kind in ("texture", "object"):
        fit, ceiling = pair[kind], ceilings[pair[kind].thread.number][0]
        value[kind] = _normalised(job, fit.nested.r2.cpu().numpy().reshape(job.shape), ceiling)
        sampled = r2_draws(fit.targets, fit.nested.predicted, draws[kind]).reshape(-1, n_units, n_windows)
        drawn[kind] = _normalised(job, sampled, ceiling)
        p[kind] = np.full(job.shape, np.nan) if fit.test is None else fit.test["p_fwe"]
        # Without permutations the evidence is a bootstrap interval of the R2 above 0.
        above = np.quantile(drawn[kind], level, axis=0) > 0
        explained |= above if fit.test is None else fit.test["p"] <= level
        over_run = np.quantile(run_means(drawn[kind], bins), level, axis=0) > 0
        evidence = over_run if fit.test is None else fit.test["p_run"] <= level
    index = alignment_index(value["texture"], value["object"])
    sampled_index = alignment_index(drawn["texture"], drawn["object"])
    low, high = interval(sampled_index, job.settings.interval)
    fit = pair["texture"]
    model = {
        "scheme": fit.scheme,
        "projection": fit.projection,
        "n_features": 0 if fit.projection == "full" else fit.n_features,
    }
    frame = pd.DataFrame(
        {
            **_grid(job),
            **model,
            "texture": value["texture"].ravel(),
            "object": value["object"].ravel(),
            "index": index.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "explained": explained.ravel(),
        }
    )
    # `evidence` is the object space's, which came last.
    return frame, _crossovers(job, model, index, sampled_index, evidence, p)


def _crossovers(
    job: Job,
    model: Mapping[str, Any],
    index: Floats,
    draws: Floats,
    evidence: NDArray[np.bool_],
    p: Mapping[str, Floats],
) -> pd.DataFrame:
    starts, bins = job.windows.starts_ms, job.settings.crossover_bins
    times = crossover_ms(draws, starts, bins, evidence)
    low, high = interval(times, job.settings.interval)
    grid = {name: value for name, value in _grid(job).items() if name not in ("start_ms", "stop_ms")}
    every = slice(None, None, len(starts))
    smallest = {kind: pd.DataFrame(p[kind]).min(axis=1).to_numpy() for kind in p}
    return pd.DataFrame(
        {
            **{name: v if isinstance(v, str) else v[every] for name, v in grid.items()},
            **model,
            "crossover_ms": crossover_ms(index, starts, bins, evidence),
            "low_ms": low,
            "high_ms": high,
            "found": (~np.isnan(times)).mean(0),
            **{f"p_{kind}": smallest[kind] for kind in p},
            **{f"q_{kind}": benjamini_hochberg(smallest[kind]) for kind in p},
        }
    )


def _spectrum(job: Job, spectra: list[tuple[Thread, str, tuple[int, int], Floats]]) -> pd.DataFrame:
    if not spectra:
        return tables.empty(tables.ENCODING_SPECTRUM)
    frames = []
    for thread, kind, (first, last), explained in spectra:
        same = sum(e for t, _, _, e in spectra if t.number == thread.number)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(same > 0, explained / same, np.nan)
        frames.append(
            pd.DataFrame(
                {
                    **_grid(job),
                    "space": thread.space,
                    "kind": kind,
                    "rank_first": first,
                    "rank_last": last - 1,
                    "explained": explained.ravel(),
                    "share": share.ravel(),
                }
            )
        )
    return pd.concat(frames)


def _weights(job: Job, vectors: list[tuple[Thread, str, int, Floats]]) -> pd.DataFrame:
    if not vectors:
        return tables.empty(tables.ENCODING_WEIGHTS)
    frames = []
    for thread, kind, unit, weight in vectors:
        grid = pd.DataFrame({**_grid(job, np.array([unit])), "space": thread.space, "kind": kind})
        frame = grid.loc[grid.index.repeat(weight.shape[1])].reset_index(drop=True)
        frame["latent"] = np.tile(np.arange(weight.shape[1]), len(weight))
        frame["weight"] = weight.ravel()
        frames.append(frame)
    return pd.concat(frames)


def to_dataset(encoding: pd.DataFrame) -> xr.Dataset:
    """Return the table `encoding` as a dataset with labelled axes.

    Parameters
    ----------
    encoding : pandas.DataFrame
        One session's rows of `tables.ENCODING`, or several sessions'.

    Returns
    -------
    xarray.Dataset
        Dimensions session, unit, kind, model ('scheme projection k') and
        start_ms; NaN where a session has no such unit.
    """
    model = encoding["scheme"] + " " + encoding["projection"]
    k = encoding["n_features"].astype(str)
    frame = encoding.assign(model=model.where(encoding["projection"] == "full", model + " " + k))
    axes = ["session", "unit", "kind", "model", "start_ms"]
    values = [
        "r2", "r", "ceiling", "normalised_r2", "alpha", "rate_hz", "null_r2", "p", "p_fwe", "q", "n",
    ]  # fmt: skip
    dataset = frame.set_index(axes)[values].to_xarray()
    units = {f.name: f.metadata[b"unit"].decode() for f in tables.ENCODING}
    meanings = {f.name: f.metadata[b"meaning"].decode() for f in tables.ENCODING}
    for name in values:
        dataset[name].attrs = {"units": units[name], "long_name": meanings[name]}
    return dataset
