"""From a session's responses to the arrays of the encoding analysis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.analysis.settings import Encoding
from evoalign.errors import InputError
from evoalign.responses.session_responses import SessionResponses

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Time windows, from image onset.

    Attributes
    ----------
    starts_ms : numpy.ndarray, int64 [window]
    width_ms : int
    """

    starts_ms: NDArray[np.int64]
    width_ms: int

    @property
    def stops_ms(self) -> NDArray[np.int64]:
        """End of each window (not in it)."""
        return self.starts_ms + self.width_ms


def windows_of(settings: Encoding) -> Windows:
    """Windows of a width and step within the range of the configuration.

    Raises
    ------
    InputError
        No window fits the range.
    """
    first, last = settings.window_ms
    starts = np.arange(first, last - settings.width_ms + 1, settings.step_ms, dtype=np.int64)
    if len(starts) == 0:
        raise InputError(
            f"no window of {settings.width_ms} ms fits {first} to {last} ms",
            "encoding.window_ms",
            "widen the range or narrow the windows",
        )
    return Windows(starts, settings.width_ms)


@dataclass(frozen=True)
class Thread:
    """One thread of a session, ready for regression.

    Attributes
    ----------
    number : int
        0 or 1.
    space : str
        Name of its space.
    latents : numpy.ndarray, float64 [presentation, latent]
    images : numpy.ndarray of str [presentation]
    blocks : numpy.ndarray, int64 [presentation]
    rows : numpy.ndarray, int64 [presentation]
        Presentations in the session, in the order of display.
    """

    number: int
    space: str
    latents: Floats
    images: NDArray
    blocks: NDArray[np.int64]
    rows: NDArray[np.int64]

    def select(self, keep: NDArray[np.int64]) -> Thread:
        """The thread with some of its presentations."""
        return replace(
            self,
            latents=self.latents[keep],
            images=self.images[keep],
            blocks=self.blocks[keep],
            rows=self.rows[keep],
        )


def spread_over_blocks(thread: Thread, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Places of `n` presentations of a thread, drawn at random and evenly over its blocks.

    Each block keeps its share of the presentations, to one.
    """
    total = len(thread.rows)
    order = np.lexsort((generator.random(total), thread.blocks))
    picked = order[(np.arange(n) * total) // n]
    return np.sort(picked)


def thread_of(responses: SessionResponses, thread: int) -> Thread:
    """Valid presentations of a thread's generated images with their latents.

    Raises
    ------
    InputError
        The thread has no such presentation, or its latents are missing, too
        short for the presentations, of changing dimension, or not finite.
    """
    table = responses.presentations.reset_index(drop=True)
    of_thread = (table["thread"] == thread) & table["valid"].astype(bool) & (table["block"] >= 0)
    generated = of_thread & ~table["reference"].astype(bool) & (table["latent_row"] >= 0)
    where = f"session {responses.session}, thread {thread}"
    chosen = table[generated]
    if "onset_s" in chosen:
        chosen = chosen.sort_values("onset_s", kind="stable")
    if chosen.empty:
        raise InputError(
            "no valid presentation of a generated image with a latent", where, "give the folder of latents"
        )
    latents = _latents(responses, thread, chosen, where)
    named = chosen["space"][chosen["space"] != ""]
    return Thread(
        number=thread,
        space=str(named.iloc[0]) if len(named) else "",
        latents=latents,
        images=chosen["image"].to_numpy(dtype=str),
        blocks=chosen["block"].to_numpy(dtype=np.int64),
        rows=chosen.index.to_numpy(dtype=np.int64),
    )


def repeated_rows(responses: SessionResponses) -> NDArray[np.int64]:
    """Valid presentations of images that were shown more than once, references and all."""
    table = responses.presentations
    valid = table["valid"].to_numpy(dtype=bool) & (table["block"] >= 0).to_numpy()
    again = table["image"].where(valid).duplicated(keep=False).to_numpy()
    return np.flatnonzero(valid & again)


def _latents(responses: SessionResponses, thread: int, chosen: pd.DataFrame, where: str) -> Floats:
    parts = {}
    for number, rows in chosen.groupby("block", sort=True):
        block = int(number)  # type: ignore[arg-type]
        place = f"{where}, block {block}"
        if (block, thread) not in responses.codes:
            raise InputError("the latents of this block are missing", place, "look for its code file")
        codes = np.asarray(responses.codes[(block, thread)][0], dtype=np.float64)
        row = rows["latent_row"].to_numpy()
        if codes.ndim != 2 or row.max() >= len(codes):
            raise InputError(f"latent row {row.max()} in codes of shape {list(codes.shape)}", place)
        if not np.isfinite(codes[row]).all():
            raise InputError("the latents hold NaN or infinity", place)
        parts[block] = pd.DataFrame(codes[row], index=rows.index)
    sizes = sorted({part.shape[1] for part in parts.values()})
    if len(sizes) > 1:
        raise InputError(f"latents of several dimensions: {sizes}", where)
    return pd.concat(parts.values()).loc[chosen.index].to_numpy()


def unit_rows(responses: SessionResponses, settings: Encoding) -> NDArray[np.int64]:
    """Rows of the count tensor whose kind of unit is analysed."""
    return np.flatnonzero(responses.units["kind"].isin(settings.unit_kinds).to_numpy())


def window_rates(counts: NDArray, start_ms: int, windows: Windows, every: int = 1, offset: int = 0) -> Floats:
    """Mean rates in windows from spike counts.

    Parameters
    ----------
    counts : numpy.ndarray [unit, presentation, ms]
    start_ms : int
        Of the first ms bin.
    windows : Windows
    every, offset : int
        Take every so many-th ms from this one on: halves of a window.

    Returns
    -------
    numpy.ndarray, float64 [unit, window, presentation]
        Spikes/s over the milliseconds taken.

    Raises
    ------
    InputError
        The counts do not cover the windows.
    """
    first = windows.starts_ms - start_ms
    if first.min() < 0 or (first + windows.width_ms).max() > counts.shape[-1]:
        stop = start_ms + counts.shape[-1]
        raise InputError(
            f"counts reach from {start_ms} to {stop} ms, windows from {windows.starts_ms[0]} "
            f"to {windows.stops_ms[-1]} ms",
            "encoding.window_ms",
            "widen responses.start_ms and stop_ms, or narrow the range",
        )
    n_samples = np.zeros(counts.shape[-1])
    picked = []
    for begin in first:
        n_samples[:] = 0
        n_samples[begin + offset : begin + windows.width_ms : every] = 1
        picked.append(n_samples * (1000 / max(n_samples.sum(), 1)))
    matrix = np.stack(picked, axis=1)  # [ms, window]
    rates = np.empty((len(counts), len(picked), counts.shape[1]))
    for unit, count in enumerate(counts):
        rates[unit] = (count.astype(np.float64) @ matrix).T
    return rates
