"""Tidy tables of a session's encoding, and the same as an xarray dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from evoalign import tables
from evoalign.analysis.encoding.comparisons import compared, unit_windows
from evoalign.analysis.encoding.parts import EncodingJob, Fitted, Shares, ThreadParts
from evoalign.analysis.encoding.tables import (
    ENCODING,
    ENCODING_CROSSOVER,
    ENCODING_INDEX,
    ENCODING_ORDER,
    ENCODING_SPECTRUM,
    ENCODING_WEIGHTS,
)
from evoalign.analysis.statistics.tests import benjamini_hochberg

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

TABLES = tables.by_name(
    ENCODING, ENCODING_INDEX, ENCODING_CROSSOVER, ENCODING_ORDER, ENCODING_SPECTRUM, ENCODING_WEIGHTS
)
# Results are rounded here, so that the order of sums on other machines or threads shows in no file.
DIGITS = 9


def no_units() -> dict[str, pd.DataFrame]:
    """The tables without rows."""
    return {name: tables.empty(contract) for name, contract in TABLES.items()}


def session_tables(job: EncodingJob, parts: list[ThreadParts], rates: Floats) -> dict[str, pd.DataFrame]:
    """Assemble the tables of `encode_session`.

    Parameters
    ----------
    job : Job
    parts : list of ThreadParts
    rates : numpy.ndarray, float64 [unit, window, presentation]
        Of all presentations of the session.
    """
    index, crossover = compared(job, parts)
    frames = {
        "encoding": pd.concat([_encoding(job, part, fit, rates) for part in parts for fit in part.fitted]),
        "encoding_index": index,
        "encoding_crossover": crossover,
        "encoding_order": pd.DataFrame([_order(job, part) for part in parts]),
        "encoding_spectrum": _spectrum(job, parts),
        "encoding_weights": _weights(job, parts),
    }
    return {name: _finish(frame, TABLES[name]) for name, frame in frames.items()}


def _finish(frame: pd.DataFrame, contract: pa.Schema) -> pd.DataFrame:
    if frame.empty:
        return tables.empty(contract)
    numbers = [field.name for field in contract if field.type == tables.FLOAT]
    frame = frame.assign(**{name: frame[name].astype(float).round(DIGITS) for name in numbers})
    return tables.conform(frame, contract)


def _encoding(job: EncodingJob, part: ThreadParts, fit: Fitted, rates: Floats) -> pd.DataFrame:
    r2 = fit.nested.r2.cpu().numpy().reshape(job.shape)
    blank = np.full(job.shape, np.nan)
    test = fit.test or {"p": blank, "p_fwe": blank, "null_r2": blank}
    smallest = pd.DataFrame(test["p_fwe"]).min(axis=1).to_numpy()
    alphas = fit.nested.alphas
    at_end = (alphas == job.alphas[0]) | (alphas == job.alphas[-1])
    share = _share_of(part.shares, fit)
    ceiling = part.ceiling
    columns = {
        "r2": r2,
        "r": fit.nested.r.cpu().numpy().reshape(job.shape),
        "linear_share": share.estimate,
        "linear_share_low": share.low,
        "linear_share_high": share.high,
        "ceiling": ceiling.value,
        "ceiling_low": ceiling.low,
        "ceiling_high": ceiling.high,
        "normalised_r2": r2 / np.where(ceiling.usable(job.settings.ceiling_floor), ceiling.value, np.nan),
        "alpha": alphas.log().mean(1).exp().cpu().numpy().reshape(job.shape),
        "alpha_at_end": at_end.double().mean(1).cpu().numpy().reshape(job.shape),
        "rate_hz": rates[:, :, fit.thread.rows].mean(-1),
        "null_r2": test["null_r2"],
        "p": test["p"],
        "p_fwe": test["p_fwe"],
        "q": np.repeat(benjamini_hochberg(smallest)[:, None], job.shape[1], axis=1),
    }
    return pd.DataFrame(
        {
            **unit_windows(job),
            "space": fit.thread.space,
            "kind": fit.kind,
            "scheme": fit.scheme,
            "projection": fit.projection,
            "n_features": fit.n_features,
            "n": len(fit.thread.rows),
            "ceiling_source": ceiling.source,
            **{name: np.asarray(values).ravel() for name, values in columns.items()},
        }
    )


def _share_of(shares: list[Shares], fit: Fitted) -> Shares:
    return next(s for s in shares if (s.projection, s.n_features) == (fit.projection, fit.n_features))


def _order(job: EncodingJob, part: ThreadParts) -> dict[str, object]:
    return {
        "session": job.responses.session,
        "subject": job.responses.subject,
        "space": part.thread.space,
        "kind": part.kind,
        "n": len(part.thread.rows),
        **vars(part.order),
        "permute": job.settings.permute,
        "trend_removed": job.settings.remove_trend,
    }


def _spectrum(job: EncodingJob, parts: list[ThreadParts]) -> pd.DataFrame:
    frames = []
    for part in parts:
        together = sum((explained for _, explained in part.spectrum), np.zeros(job.shape))
        # A share of next to nothing is noise over noise.
        divisor = np.where(together >= job.settings.ceiling_floor, together, np.nan)
        for (first, last), explained in part.spectrum:
            columns = {
                "space": part.thread.space,
                "kind": part.kind,
                "rank_first": first,
                "rank_last": last - 1,
                "explained": explained.ravel(),
                "share": (explained / divisor).ravel(),
            }
            frames.append(pd.DataFrame({**unit_windows(job), **columns}))
    return pd.concat(frames) if frames else tables.empty(ENCODING_SPECTRUM)


def _weights(job: EncodingJob, parts: list[ThreadParts]) -> pd.DataFrame:
    frames = []
    for part in parts:
        for unit, weight in part.weights:
            grid = pd.DataFrame(
                {**unit_windows(job, np.array([unit])), "space": part.thread.space, "kind": part.kind}
            )
            frame = grid.loc[grid.index.repeat(weight.shape[1])].reset_index(drop=True)
            frame["latent"] = np.tile(np.arange(weight.shape[1]), len(weight))
            frame["weight"] = weight.ravel()
            frames.append(frame)
    return pd.concat(frames) if frames else tables.empty(ENCODING_WEIGHTS)


def to_dataset(encoding: pd.DataFrame) -> xr.Dataset:
    """Return the table `encoding` as a dataset with labelled axes.

    Parameters
    ----------
    encoding : pandas.DataFrame
        One session's rows of `ENCODING`, or several sessions'.

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
        "r2", "r", "linear_share", "linear_share_low", "linear_share_high", "ceiling", "ceiling_low",
        "ceiling_high", "normalised_r2", "alpha", "alpha_at_end", "rate_hz", "null_r2", "p", "p_fwe", "q",
        "n",
    ]  # fmt: skip
    dataset = frame.set_index(axes)[values].to_xarray()
    units = {f.name: f.metadata[b"unit"].decode() for f in ENCODING}
    meanings = {f.name: f.metadata[b"meaning"].decode() for f in ENCODING}
    for name in values:
        dataset[name].attrs = {"units": units[name], "long_name": meanings[name]}
    return dataset
