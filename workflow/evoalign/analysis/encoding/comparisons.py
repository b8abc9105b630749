"""The two spaces of a session side by side: alignment index and crossover of each unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.analysis.encoding.alignment_index import SpaceComparison, compare, equal_share, unit_crossover
from evoalign.analysis.encoding.parts import EncodingJob, Fitted, Shares, ThreadParts
from evoalign.analysis.encoding.tables import ENCODING_CROSSOVER, ENCODING_INDEX
from evoalign.analysis.experiment import KINDS
from evoalign.analysis.statistics.crossover import Bins
from evoalign.analysis.statistics.resampling import seeded
from evoalign.analysis.statistics.tests import benjamini_hochberg

Floats = NDArray[np.float64]


def unit_windows(job: EncodingJob, units: NDArray | None = None) -> dict[str, Any]:
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


def compared(job: EncodingJob, parts: list[ThreadParts]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Index and crossover of every projection that both kinds of space have.

    Parameters
    ----------
    job : Job
    parts : list of ThreadParts
        Those of one texture and one object space are compared; nothing else is.

    Returns
    -------
    index, crossover : pandas.DataFrame
        `ENCODING_INDEX` and `ENCODING_CROSSOVER`; a linear share
        depends on no fold scheme, so each projection comes once.
    """
    by_kind = {part.kind: part for part in parts}
    if not set(KINDS) <= set(by_kind):
        return tables.empty(ENCODING_INDEX), tables.empty(ENCODING_CROSSOVER)
    pair = (by_kind["texture"], by_kind["object"])
    compared_rows = [_compared(job, pair, shares) for shares in _same_projection(pair)]
    if not compared_rows:
        return tables.empty(ENCODING_INDEX), tables.empty(ENCODING_CROSSOVER)
    return pd.concat([index for index, _ in compared_rows]), pd.concat(
        [crossing for _, crossing in compared_rows]
    )


def _same_projection(pair: tuple[ThreadParts, ThreadParts]) -> Iterator[tuple[Shares, Shares]]:
    for texture in pair[0].shares:
        for object_ in pair[1].shares:
            # The full latents of two spaces differ in dimension and are compared all the same.
            same = texture.projection == "full" or texture.n_features == object_.n_features
            if texture.projection == object_.projection and same:
                yield texture, object_


def _tested(job: EncodingJob, part: ThreadParts, shares: Shares) -> tuple[str, Fitted | None]:
    """Fold scheme whose p values go with the shares, and the permuted fit, or None."""
    fits = [f for f in part.fitted if (f.projection, f.n_features) == (shares.projection, shares.n_features)]
    permuted = [f for f in fits if f.test is not None]
    return (permuted[0].scheme, permuted[0]) if permuted else (job.settings.schemes[0], None)


def _compared(
    job: EncodingJob, pair: tuple[ThreadParts, ThreadParts], shares: tuple[Shares, Shares]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    settings = job.settings
    texture, object_ = shares
    k = 0 if texture.projection == "full" else texture.n_features
    generator = seeded(job.config.seed, job.responses.session, f"index {texture.projection} {k}")
    comparison = compare(
        texture.estimate,
        object_.estimate,
        (texture.distribution, object_.distribution),
        (texture.correlation + object_.correlation) / 2,
        settings.crossover_bins,
        settings.index_level,
        settings.interval,
        settings.n_bootstrap,
        generator,
    )
    fits = [_tested(job, part, share) for part, share in zip(pair, shares, strict=True)]
    blank = np.full(job.shape, np.nan)
    p = {
        kind: blank if fit is None or fit.test is None else fit.test["p_fwe"]
        for kind, (_, fit) in zip(KINDS, fits, strict=True)
    }
    model = {"scheme": fits[0][0], "projection": texture.projection, "n_features": k}
    return _index(job, model, shares, comparison, p), _crossovers(job, model, shares, comparison, p)


def _index(
    job: EncodingJob,
    model: dict[str, Any],
    shares: tuple[Shares, Shares],
    found: SpaceComparison,
    p: dict[str, Floats],
) -> pd.DataFrame:
    texture, object_ = shares
    sds = [float(share.distribution.sd(0.0)) for share in shares]
    same = equal_share(texture.estimate, object_.estimate, sds[0], sds[1])
    # Two spaces are asked: the smaller p counts twice.
    explained = np.fmin(p["texture"], p["object"]) * 2 <= job.settings.index_level
    columns = {
        "texture": texture.estimate,
        "object": object_.estimate,
        "index": found.index,
        "low": found.low,
        "high": found.high,
        "equal": found.equal,
        "equal_low": found.equal_low,
        "equal_high": found.equal_high,
        "floor": np.full(job.shape, found.floor),
        "texture_sd": texture.distribution.sd(same),
        "object_sd": object_.distribution.sd(same),
        "explained": explained,
    }
    tested = bool(np.isfinite(p["texture"]).any() and np.isfinite(p["object"]).any())
    return pd.DataFrame(
        {**unit_windows(job), **model, **{name: c.ravel() for name, c in columns.items()}, "tested": tested}
    )


def _crossovers(
    job: EncodingJob,
    model: dict[str, Any],
    shares: tuple[Shares, Shares],
    found: SpaceComparison,
    p: dict[str, Floats],
) -> pd.DataFrame:
    bins = Bins(tuple(job.windows.starts_ms.tolist()), job.windows.width_ms)
    difference = shares[1].estimate - shares[0].estimate
    times = [
        unit_crossover(difference[unit], leads, found.draws[:, unit], bins, job.settings.interval)
        for unit, leads in enumerate(found.leads)
    ]
    grid = {name: value for name, value in unit_windows(job).items() if name not in ("start_ms", "stop_ms")}
    every = slice(None, None, job.shape[1])
    smallest = {kind: pd.DataFrame(p[kind]).min(axis=1).to_numpy() for kind in KINDS}
    return pd.DataFrame(
        {
            **{name: v if isinstance(v, str) else v[every] for name, v in grid.items()},
            **model,
            "crossover_ms": [each.time_ms for each in times],
            "reason": [each.reason for each in times],
            "low_ms": [each.low_ms for each in times],
            "high_ms": [each.high_ms for each in times],
            "p_texture_lead": [each.p_texture for each in times],
            "p_object_lead": [each.p_object for each in times],
            **{f"p_{kind}": smallest[kind] for kind in KINDS},
            **{f"q_{kind}": benjamini_hochberg(smallest[kind]) for kind in KINDS},
        }
    )
