"""Would other choices conclude the same? Late object minus texture under every combination of choices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from evoalign.analysis.dynamics import late_blocks
from evoalign.analysis.population import Study
from evoalign.analysis.statistics import paired_t

Floats = NDArray[np.float64]


def specifications(study_: Study) -> pd.DataFrame:
    """One row a combination of window, selection of experiments, and normaliser (a specification curve).

    - Windows: the evoked window, and the widest time bins inside it.
    - Selections: all valid experiments; both threads succeed at either
      threshold, or at 0.05 with the choice of the best block allowed for.
    - Normalisers: the universal maximum, the mean of both threads' late
      evoked rates, or none (spikes/s).

    The effect size is the paired t over the square root of n (Cohen's d of
    paired differences), which has the same unit whatever the normaliser.
    """
    late, windows = _late_means(study_)
    evoked = [name for name, *_ in windows].index("evoked")
    ones = np.ones(len(late))
    normalisers = {
        "maximum": study_.experiments["normaliser_hz"].to_numpy(dtype=np.float64),
        "mean": late[:, :, evoked].mean(1),
        "none": ones,
    }
    rows = []
    for area, members in study_.areas():
        for selection, keep in _selections(study_):
            own = members[keep[members]]
            for at, (_, start, stop) in enumerate(windows):
                for normaliser, divisor in normalisers.items():
                    texture, object_ = (late[own, thread, at] / divisor[own] for thread in (0, 1))
                    test = paired_t(torch.from_numpy(object_), torch.from_numpy(texture))
                    difference = object_ - texture
                    n = int((~np.isnan(difference)).sum())
                    rows.append(
                        {
                            "area": area,
                            "start_ms": start,
                            "stop_ms": stop,
                            "selection": selection,
                            "normaliser": normaliser,
                            "n": n,
                            "mean": float(np.nanmean(difference)) if n else float("nan"),
                            # Of two experiments an effect size says nothing.
                            "effect": float(test.t) / np.sqrt(n) if n > 2 else float("nan"),
                            "t": float(test.t),
                            "df": float(test.df),
                            "p": float(test.p),
                        }
                    )
    return pd.DataFrame(rows)


def _late_means(study_: Study) -> tuple[Floats, list[tuple[str, int, int]]]:
    """Mean over late blocks, spikes/s, [experiment, thread, window]; and the windows."""
    first, last = study_.settings.evoked_ms
    frame = study_.tables["trajectories"]
    width = frame["stop_ms"] - frame["start_ms"]
    binned = frame["window"] == "binned"
    inside = binned & (frame["start_ms"] >= first) & (frame["stop_ms"] <= last)
    widest = width[inside].max()
    frame = frame[(frame["window"] == "evoked") | (inside & (width == widest))]
    known = frame[["window", "start_ms", "stop_ms"]].drop_duplicates().sort_values(["window", "start_ms"])
    # 'evoked' sorts after 'binned': bring it to the front.
    windows = [(str(w), int(a), int(b)) for w, a, b in known.itertuples(index=False)]
    windows.sort(key=lambda one: one[0] != "evoked")
    parts = []
    for name, start, stop in windows:
        own = frame[(frame["window"] == name) & (frame["start_ms"] == start) & (frame["stop_ms"] == stop)]
        parts.append(study_.arrange(own, ("thread", "block_index"), "mean_hz")[0])
    means = np.stack(parts, 2)
    late = np.full(means.shape[:-1], np.nan)
    for row, n_blocks in enumerate(study_.experiments["n_blocks"]):
        begin = late_blocks(int(n_blocks), study_.settings.late_fraction)
        late[row] = means[row, ..., begin : int(n_blocks)].mean(-1)
    return late, windows


def _selections(study_: Study) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    own, settings = study_.experiments, study_.settings
    yield "valid", np.ones(len(own), dtype=bool)
    for threshold in sorted({settings.both_succeed_p, settings.success_p}, reverse=True):
        texture, object_ = (
            ((own[f"p_{i}"] < threshold) & (own[f"t_{i}"] > 0)).to_numpy(dtype=bool) for i in (0, 1)
        )
        yield f"both p < {threshold:g}", texture & object_
    table = study_.tables["success"]
    peaks = table[table["statistic"] == "maxinit"]
    p, _ = study_.arrange(peaks, ("thread",), "p_selected")
    chosen = np.asarray((p < settings.both_succeed_p).all(1), dtype=np.bool_)
    yield f"both p selected < {settings.both_succeed_p:g}", chosen
