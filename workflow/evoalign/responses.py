"""Spike times x presentations -> counts per ms, and smoothed rates from these (docs/methods.md section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
import zarr
import zarr.codecs
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from evoalign import study, tables
from evoalign.errors import InputError
from evoalign.files import atomic_write

# What reads responses needs no NWB library: loading it takes a second of each job.
if TYPE_CHECKING:
    from evoalign.events.latent_codes import Codes
    from evoalign.nwb import SessionContents

FORMAT = 2  # of the responses folder
CUT_SIGMAS = 3  # the study's kernel: sigma 2 ms, cut at +-6 ms
# Times are compared in whole nanoseconds: a spike at the very edge of a bin
# belongs to the bin that starts there, whatever the rounding of its seconds.
NS_PER_MS = 1_000_000
ROWS_AT_A_TIME = 128  # 0.2 MB of 200 ms
# Blosc's threads store blocks in the order in which they get ready, so its bytes differ between runs.
_CODEC = zarr.codecs.Zstd(level=5)


def _no_envelope() -> NDArray[np.float32]:
    return np.zeros((0, 0, 0), np.float32)


@dataclass
class SessionResponses:
    """A session's responses: all that the analysis needs to know of it.

    Attributes
    ----------
    counts : ndarray, uint16 [unit, presentation, ms]
        Spikes in 1 ms bins.
    start_ms : int
        Left edge of the first bin, from image onset.
    units, presentations : pandas.DataFrame
        `tables.UNITS` and `tables.PRESENTATIONS`, in the order of the axes of
        `counts`. Presentations that are not valid are there, and marked.
    session, subject : str
        Names of the session and of the animal.
    area : str
        Of the preferred unit; '' when unknown.
    codes : dict of (int, int) to (ndarray, list of str)
        (block, thread) -> float64 ``[image, latent]`` and image names.
    envelope : ndarray, float32 [electrode, presentation, ms]
        Multi-unit envelope in µV, of the last rows of `units`; NaN where
        nothing was recorded.
    site : str
        Recording site of the preferred unit; '' when unknown.
    """

    counts: NDArray[np.uint16]
    start_ms: int
    units: pd.DataFrame
    presentations: pd.DataFrame
    session: str
    subject: str
    area: str
    codes: Codes
    envelope: NDArray[np.float32] = field(default_factory=_no_envelope)
    site: str = ""

    def values(self, rows: ArrayLike) -> NDArray[Any]:
        """Return what happened in each ms, by row of `units`, ``[row, presentation, ms]``.

        Spikes; or of an envelope its mean in the ms, in mV: what is a rate in
        spikes/s of other units is then the envelope in µV.
        """
        rows, n = np.atleast_1d(np.asarray(rows, np.int64)), len(self.counts)
        if (rows < n).all():
            return self.counts[rows]
        traces = [self.counts[row] if row < n else self.envelope[row - n] / 1000.0 for row in rows]
        return np.stack([trace.astype(np.float64) for trace in traces])


def responses_from(contents: SessionContents, settings: study.Responses) -> SessionResponses:
    """Count the spikes of a session around its image onsets.

    Parameters
    ----------
    contents : SessionContents
        Read from NWB.
    settings : study.Responses
        Window and kinds of units.

    Returns
    -------
    SessionResponses
        All presentations, in the order of their table.

    Raises
    ------
    InputError
        The window is empty.
    """
    from evoalign.nwb.envelope import KIND, envelope_units

    units = contents.units[contents.units["kind"].isin(settings.kinds)].reset_index(drop=True)
    onsets = contents.presentations["onset_s"].to_numpy(np.float64)
    envelope = {}
    if KIND in settings.kinds and contents.envelope is not None and contents.envelope.channels:
        cut = contents.envelope.around(onsets, settings.start_ms, settings.stop_ms)
        envelope = {"envelope": cut}
    counts = count_spikes(
        contents.spikes,
        units["unit"].tolist(),
        onsets,
        settings.start_ms,
        settings.stop_ms,
    )
    return SessionResponses(
        counts=counts,
        start_ms=settings.start_ms,
        units=pd.concat([units, envelope_units(contents)], ignore_index=True) if envelope else units,
        presentations=contents.presentations.reset_index(drop=True),
        session=contents.session,
        subject=contents.subject,
        area=contents.area,
        codes=dict(sorted(contents.latents.items())),
        site=contents.site,
        **envelope,
    )


def count_spikes(
    spikes: pd.DataFrame, units: Sequence[int], onsets_s: ArrayLike, start_ms: int, stop_ms: int
) -> NDArray[np.uint16]:
    """Count spikes in 1 ms bins around onsets.

    Parameters
    ----------
    spikes : pandas.DataFrame
        `tables.SPIKES`, in any order.
    units : sequence of int
        Unit numbers, in the order of the result.
    onsets_s : array_like, float [presentation]
        Seconds on the recording's clock; a NaN has no spikes.
    start_ms, stop_ms : int
        Window from the onset: bin k is ``[start_ms + k, start_ms + k + 1)`` ms.

    Returns
    -------
    ndarray, uint16 [unit, presentation, ms]

    Raises
    ------
    InputError
        The window is empty, or a bin holds more spikes than 65535.
    """
    n_bins = stop_ms - start_ms
    if n_bins <= 0:
        raise InputError(
            f"the window from {start_ms} to {stop_ms} ms is empty", "responses.start_ms, stop_ms"
        )
    onsets = np.asarray(onsets_s, np.float64)
    counts = np.zeros((len(units), len(onsets), n_bins), np.uint16)
    times = spikes["time_s"].to_numpy(np.float64)
    rows_of = spikes.groupby("unit").indices
    for row, unit in enumerate(units):
        unit_times = np.sort(times[rows_of[unit]]) if unit in rows_of else times[:0]
        counts[row] = _count_unit(unit_times, onsets, start_ms, n_bins, unit)
    return counts


def _count_unit(
    times_s: NDArray[np.float64], onsets_s: NDArray[np.float64], start_ms: int, n_bins: int, unit: int
) -> NDArray[np.uint16]:
    finite = np.flatnonzero(np.isfinite(onsets_s))
    onsets = onsets_s[finite]
    # A microsecond wider than the window; the bins below decide.
    first = np.searchsorted(times_s, onsets + start_ms / 1000 - 1e-6)
    last = np.searchsorted(times_s, onsets + (start_ms + n_bins) / 1000 + 1e-6)
    n = np.maximum(last - first, 0)
    onset_of_spike = np.repeat(np.arange(len(finite)), n)
    spike = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
    since_ns = np.rint((times_s[spike] - onsets[onset_of_spike]) * 1e9).astype(np.int64)
    bins = since_ns // NS_PER_MS - start_ms
    in_window = (bins >= 0) & (bins < n_bins)
    flat = finite[onset_of_spike[in_window]] * n_bins + bins[in_window]
    counts = np.bincount(flat, minlength=len(onsets_s) * n_bins)
    if counts.size and counts.max() > np.iinfo(np.uint16).max:
        raise InputError(f"unit {unit} has {counts.max()} spikes within one ms", "table spikes")
    return counts.astype(np.uint16).reshape(len(onsets_s), n_bins)


def smoothing_kernel(sigma_ms: float) -> NDArray[np.float64]:
    """Return the Gaussian of the study on the 1 ms grid: cut at 3 sigma, not renormalised.

    Parameters
    ----------
    sigma_ms : float
        Standard deviation; 0 = no smoothing.

    Returns
    -------
    ndarray, float64 [2 r + 1]
        Values of the density at -r .. r ms, r the whole ms within 3 sigma.
    """
    if sigma_ms == 0:
        return np.ones(1)
    reach = int(np.floor(CUT_SIGMAS * sigma_ms + 1e-9))
    lag = np.arange(-reach, reach + 1)
    return np.exp(-0.5 * (lag / sigma_ms) ** 2) / (sigma_ms * np.sqrt(2 * np.pi))


def rates(
    counts: ArrayLike | Tensor,
    start_ms: int,
    sigma_ms: float,
    window_ms: tuple[int, int],
    device: str | torch.device = "cpu",
) -> Tensor:
    """Return smoothed rates in a window.

    The kernel runs over the whole counts, whose margins hold the spikes around
    the window, and then the window is cut: values at its edges are right.

    Parameters
    ----------
    counts : array_like or tensor, integer [..., ms]
        Spikes in 1 ms bins.
    start_ms : int
        Left edge of the first bin, from image onset.
    sigma_ms : float
        Of the Gaussian; 0 = raw counts.
    window_ms : (int, int)
        First and end ms of the result, from image onset.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    torch.Tensor, float64 [..., ms]
        Spikes/s.

    Raises
    ------
    InputError
        The counts do not reach around the window by the kernel.
    """
    kernel = smoothing_kernel(sigma_ms)
    reach = len(kernel) // 2
    count_tensor = counts if isinstance(counts, Tensor) else torch.from_numpy(np.ascontiguousarray(counts))
    n = count_tensor.shape[-1]
    begin, end = window_ms[0] - start_ms, window_ms[1] - start_ms
    if begin - reach < 0 or end + reach > n or begin >= end:
        raise InputError(
            f"counts reach from {start_ms} to {start_ms + n} ms; rates from {window_ms[0]} to "
            f"{window_ms[1]} ms need {reach} ms more on either side",
            "responses.start_ms, stop_ms",
            "widen the count window, or smooth less",
        )
    # uint16 has few operations in torch: cut first, so that float64 is small.
    wide = count_tensor[..., begin - reach : end + reach].to(device)
    smooth = torch.zeros((*wide.shape[:-1], end - begin), dtype=torch.float64, device=device)
    rows, sums = wide.reshape(-1, wide.shape[-1]), smooth.view(-1, end - begin)
    # A sum over lags has one order of additions on every device and number of threads;
    # some rows at a time stay in the processor's cache.
    for batch, batch_sums in zip(rows.split(ROWS_AT_A_TIME), sums.split(ROWS_AT_A_TIME), strict=True):
        exact_counts = batch.to(torch.float64)
        for lag, weight in enumerate(kernel):
            batch_sums.add_(exact_counts[:, lag : lag + end - begin], alpha=float(weight * 1000))
    return smooth


def windowed(rates: Tensor, start_ms: int, window_ms: tuple[int, int]) -> Tensor:
    """Return the mean rate over a window (docs/methods.md section 2: the windowed response).

    Parameters
    ----------
    rates : torch.Tensor, float64 [..., ms]
        Spikes/s.
    start_ms : int
        Left edge of the first ms of `rates`.
    window_ms : (int, int)
        ``[first, end)``.

    Returns
    -------
    torch.Tensor, float64 [...]

    Raises
    ------
    InputError
        The rates do not cover the window.
    """
    begin, end = window_ms[0] - start_ms, window_ms[1] - start_ms
    if begin < 0 or end > rates.shape[-1] or begin >= end:
        raise InputError(
            f"rates reach from {start_ms} to {start_ms + rates.shape[-1]} ms, "
            f"the window is {window_ms[0]} to {window_ms[1]} ms",
            "analysis.window_ms",
        )
    return rates[..., begin:end].mean(-1)


def binned(rates: Tensor, width_ms: int) -> Tensor:
    """Return mean rates of consecutive windows, float64 ``[..., bin]``.

    Raises
    ------
    InputError
        The width does not tile the rates.
    """
    n = rates.shape[-1]
    if width_ms < 1 or n % width_ms:
        raise InputError(f"bins of {width_ms} ms do not tile {n} ms", "analysis.bins_ms")
    return rates.unflatten(-1, (n // width_ms, width_ms)).mean(-1)


def write_responses(responses: SessionResponses, folder: str | PathLike[str]) -> None:
    """Write responses as a Zarr folder that appears whole or not at all.

    ``counts``, ``envelope`` (where there is one; a chunk a unit) and
    ``latents/block{BBB}_thread{TTT}`` are Zarr arrays; ``units.parquet`` and
    ``presentations.parquet`` lie beside them. Equal responses give equal bytes.
    """
    with atomic_write(folder) as partial:
        group = zarr.open_group(str(partial), mode="w", zarr_version=2)
        counts = responses.counts
        chunks = (1, max(counts.shape[1], 1), max(counts.shape[2], 1))
        _add_array(group, "counts", counts, chunks)
        if len(responses.envelope):
            _add_array(group, "envelope", responses.envelope, chunks)
        for (block, thread), (codes, ids) in sorted(responses.codes.items()):
            array = _add_array(group, f"latents/block{block:03d}_thread{thread:03d}", codes, None)
            array.attrs.update({"block": block, "thread": thread, "images": list(ids)})
        names = ("start_ms", "session", "subject", "area", "site")
        group.attrs.update({"format": FORMAT, **{name: getattr(responses, name) for name in names}})
        tables.write(responses.units, tables.UNITS, partial / "units.parquet")
        tables.write(responses.presentations, tables.PRESENTATIONS, partial / "presentations.parquet")


def _add_array(
    group: zarr.Group, name: str, data: NDArray[Any], chunks: tuple[int, ...] | None
) -> zarr.Array:
    data = np.ascontiguousarray(data)
    shape = chunks or tuple(max(n, 1) for n in data.shape)
    array = group.create_dataset(
        name,
        shape=data.shape,
        chunks=shape,
        dtype=data.dtype,
        compressor=_CODEC,
        filters=[zarr.codecs.Shuffle(data.dtype.itemsize)],
    )
    array[...] = data
    return array


def _read_array(array: zarr.Array) -> NDArray[Any]:
    # Zarr takes a chunk that is not there for zeros.
    if array.nchunks_initialized < array.nchunks:
        raise ValueError(f"{array.nchunks - array.nchunks_initialized} chunks of {array.name} are missing")
    values: NDArray[Any] = array[...]
    return values


def read_responses(folder: str | PathLike[str]) -> SessionResponses:
    """Read responses written by `write_responses`.

    Raises
    ------
    InputError
        The folder is missing, damaged, or none of responses.
    """
    folder = Path(folder)
    mend = "remove the folder and run again"
    if not folder.is_dir():
        raise InputError("the folder of responses does not exist", folder)
    try:
        group = zarr.open_group(str(folder), mode="r")
        attributes = dict(group.attrs)
        counts = _read_array(group["counts"])
        envelope = _read_array(group["envelope"]) if "envelope" in group else _no_envelope()
        latent_arrays = dict(group["latents"].arrays()) if "latents" in group else {}
        codes = {
            (int(array.attrs["block"]), int(array.attrs["thread"])): (
                _read_array(array),
                list(array.attrs["images"]),
            )
            for array in latent_arrays.values()
        }
    except (KeyError, ValueError, TypeError, OSError, RuntimeError, zarr.errors.GroupNotFoundError) as error:
        raise InputError(f"these are no readable responses: {error!r}", folder, mend) from error
    if attributes.get("format") != FORMAT:
        raise InputError(f"responses of format {attributes.get('format')}, not {FORMAT}", folder, mend)
    units = tables.read(folder / "units.parquet", tables.UNITS)
    presentations = tables.read(folder / "presentations.parquet", tables.PRESENTATIONS)
    axes = {counts.shape[:2], (len(units) - len(envelope), len(presentations))}
    axes |= {(len(counts), envelope.shape[1])} if len(envelope) else set()
    if counts.dtype != np.uint16 or len(axes) > 1:
        raise InputError(f"counts {counts.dtype} {counts.shape} do not fit their tables", folder, mend)
    return SessionResponses(
        counts,
        int(attributes["start_ms"]),
        units,
        presentations,
        str(attributes["session"]),
        str(attributes["subject"]),
        str(attributes["area"]),
        dict(sorted(codes.items())),
        envelope,
        str(attributes["site"]),
    )
