"""From a session's responses to the experiment of its preferred unit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from evoalign.analysis.experiment import Experiment, drop_short_last_block
from evoalign.analysis.settings import Analysis
from evoalign.errors import InputError
from evoalign.responses.rates import rates, windowed
from evoalign.responses.session_responses import SessionResponses


def experiment_from(
    responses: SessionResponses,
    settings: Analysis,
    unit: int | None = None,
    unstable: str = "",
    device: str = "cpu",
) -> Experiment:
    """Take one unit's rates out of a session's responses (docs/methods.md section 2).

    Presentations that are not valid, or without block or thread, are left
    out. So is a last block with fewer than `settings.min_last_block` generated
    images in either thread (docs/methods.md section 3).

    Parameters
    ----------
    responses : SessionResponses
        Counts [unit, presentation, ms] of the session.
    settings : Analysis
        Smoothing, window and names of the spaces.
    unit : int, optional
        Unit number; the preferred unit when left out.
    unstable : str
        Reason from the sample sheet to exclude the session.
    device : str
        'cpu' or 'cuda': where the rates lie.

    Raises
    ------
    InputError
        There is no such unit, no preferred unit, or no presentation of an
        evolution.
    """
    row = unit_row(responses, settings, unit)
    names = ("block", "thread", "valid", "reference", "space", "image")
    columns = {name: responses.presentations[name].to_numpy() for name in names}
    evolution = (columns["block"] >= 0) & np.isin(columns["thread"], (0, 1))
    valid, recorded = columns["valid"].astype(bool), responses.is_recorded(row)[0]
    keep = evolution & valid & recorded
    if not keep.any():
        raise InputError(
            "no valid presentation of an evolution (block and thread known) in which the unit was recorded",
            f"session {responses.session}",
            "look at the alignment of the session, or take the session off the sample sheet",
        )
    table = {name: values[keep] for name, values in columns.items()}
    smooth = rates(
        responses.values(row)[0][keep], responses.start_ms, settings.smoothing_sigma_ms, settings.window_ms
    )
    numbers, index = np.unique(table["block"], return_inverse=True)
    experiment = Experiment(
        session=responses.session,
        subject=responses.subject,
        area=str(responses.units["area"].iloc[row]) or responses.area,
        unit=int(responses.units["unit"].iloc[row]),
        unit_kind=str(responses.units["kind"].iloc[row]),
        spaces=(_space(table, 0), _space(table, 1)),
        rates=torch.as_tensor(smooth, dtype=torch.float64, device=device),
        start_ms=settings.window_ms[0],
        block=torch.as_tensor(index.astype(np.int64), device=device),
        thread=torch.as_tensor(table["thread"].astype(np.int64), device=device),
        reference=torch.as_tensor(table["reference"].astype(bool), device=device),
        block_numbers=tuple(int(number) for number in numbers),
        unstable=unstable,
        n_invalid=int((evolution & ~valid).sum()),
        n_unrecorded=int((evolution & valid & ~recorded).sum()),
        images=table["image"].astype(np.str_),
        # Of another unit than the preferred one the site is not told.
        site=responses.site if unit is None else "",
    )
    return drop_short_last_block(experiment, settings.min_last_block)


def mean_rates(
    counts: ArrayLike, start_ms: int, settings: Analysis, *windows_ms: tuple[int, int]
) -> tuple[NDArray[np.float64], ...]:
    """Mean smoothed rates in windows (docs/methods.md section 2), spikes/s.

    Parameters
    ----------
    counts : array_like [presentation, ms]
    start_ms : int
        Left edge of the first ms, from image onset.
    settings : Analysis
        Smoothing, and the window that is analysed.
    *windows_ms : (int, int)

    Returns
    -------
    tuple of ndarray, float64 [presentation]
        One for each window; the counts are smoothed once.
    """
    smooth = rates(counts, start_ms, settings.smoothing_sigma_ms, settings.window_ms)
    return tuple(windowed(smooth, settings.window_ms[0], window).numpy() for window in windows_ms)


def unit_row(responses: SessionResponses, settings: Analysis, unit: int | None = None) -> int:
    """Row of a unit in the counts; of the preferred one when none is named.

    Raises
    ------
    InputError
        There is no such unit, or no preferred unit.
    """
    units = responses.units.reset_index(drop=True)
    where = f"session {responses.session}"
    if unit is not None:
        rows = np.flatnonzero(units["unit"].to_numpy() == unit)
        if not len(rows):
            raise InputError(f"there is no unit {unit}", where, f"units: {units['unit'].tolist()}")
        return int(rows[0])
    preferred = units[units["preferred"].astype(bool)]
    if preferred.empty:
        raise InputError(
            "no preferred unit is marked",
            where,
            "name channel and unit in column preferred of the sample sheet",
        )
    for kind in dict.fromkeys((settings.unit_kind, "sorted", "online", "multiunit")):
        of_kind = preferred.index[preferred["kind"] == kind]
        if len(of_kind):
            if kind != settings.unit_kind:
                logging.warning("%s: no preferred unit of kind %s, took %s", where, settings.unit_kind, kind)
            return int(of_kind[0])
    raise InputError("the preferred unit is of no known kind", where, f"found {preferred['kind'].tolist()}")


def _space(presentations: Mapping[str, NDArray[Any]], thread: int) -> str:
    generated = (presentations["thread"] == thread) & ~presentations["reference"].astype(bool)
    named = generated & (presentations["space"] != "")
    return str(presentations["space"][named.argmax()]) if named.any() else ""
