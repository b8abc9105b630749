"""Position of the samples in an NSx file, and of pauses, lost data and clock resets between them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.formats.blackrock import layout

HINT = "copy the file again from the acquisition computer, or export it again"
MAX_BLOCKS = 100_000  # pauses of a recording; more is a damaged file
SUSPECT_PERIODS = 1.5  # one-sample packets further apart than this are jitter, or samples were lost
LOST_PERIODS = 0.5  # a lasting shift of the stamps is a loss, a shift that later stamps undo is jitter
AROUND = 256  # packets on either side that are compared: their mean evens out jitter
FEWEST = 64  # with fewer packets left before an end of the file, the step itself decides
OUTLIER_MADS = 6.0  # a step off by more than this many median deviations is no jitter
CHUNK = 1 << 20  # packets read at a time


class Run(NamedTuple):
    """Samples without a gap: their first time stamp, their number, and where they lie.

    `blocks` are (samples, byte of the first sample) of the data blocks that the
    run is made of; with a stamp a sample (PTP) a single one, at its first packet.
    """

    tick: int
    n: int
    blocks: tuple[tuple[int, int], ...]


def find_runs(
    path: Path,
    data_start: int,
    n_channels: int,
    wide: bool,
    resolution: int,
    rate_hz: float,
    jitter_s: float,
    most_bytes: int | None = None,
) -> tuple[tuple[Run, ...], int, float]:
    """Find the runs of an NSx file of version 2.2 or later.

    Parameters
    ----------
    path : Path
    data_start : int
        Byte after the headers.
    n_channels : int
    wide : bool
        Time stamps are 8 bytes wide.
    resolution : int
        Of the time stamps, Hz.
    rate_hz : float
        Sampling rate by the header.
    jitter_s : float
        One-sample packets whose stamps are off by more are never jitter.
    most_bytes : int, optional
        Of one-sample packets those up to this byte are looked at; blocks are few, and all are.

    Returns
    -------
    runs : tuple of Run
    packet_bytes : int
        Of one-sample packets; 0 when the file is made of blocks.
    measured_hz : float
        Sampling rate by the stamps of one-sample packets; 0 when not measured.

    Raises
    ------
    InputError
        A block is cut or does not start as one.
    """
    period = resolution / rate_hz
    packet = np.dtype([*layout.nsx_block(wide).descr, ("samples", "<i2", (n_channels,))])
    n, cut_bytes = divmod(path.stat().st_size - data_start, packet.itemsize)
    if wide and n > 1 and not cut_bytes:
        if most_bytes is not None:
            n = min(n, max(2, (most_bytes - data_start) // packet.itemsize))
        packets = np.memmap(path, packet, mode="r", offset=data_start, shape=(n,))
        if _of_one_sample(packets):
            cuts = _ptp_cuts(packets["timestamp"], period, jitter_s * resolution)
            edges = [0, *cuts.tolist(), n]
            runs = tuple(
                Run(int(packets["timestamp"][a]), b - a, ((b - a, data_start + a * packet.itemsize),))
                for a, b in itertools.pairwise(edges)
            )
            return runs, packet.itemsize, _measured(packets["timestamp"], edges, resolution, rate_hz)
    return _block_runs(path, data_start, n_channels, layout.nsx_block(wide), period), 0, 0.0


def _of_one_sample(packets: np.ndarray) -> bool:
    # The first two are checked alone: they suffice to recognise a file of blocks.
    chunks = itertools.chain([packets[:2]], (packets[i : i + CHUNK] for i in range(0, len(packets), CHUNK)))
    return all(((chunk["header"] == 1) & (chunk["number_of_data_points"] == 1)).all() for chunk in chunks)


def _block_runs(
    path: Path, data_start: int, n_channels: int, head: np.dtype, period: float
) -> tuple[Run, ...]:
    size = path.stat().st_size
    runs: list[Run] = []
    n_blocks, at = 0, data_start
    with path.open("rb") as stream:
        while at < size:
            if size - at < head.itemsize:
                raise InputError("the file ends in a data block's header", f"{path}, byte {at}", HINT)
            stream.seek(at)
            block = np.fromfile(stream, head, count=1)[0]
            if block["header"] != 1:
                raise InputError(
                    f"a data block starts with {block['header']} in place of 1", f"{path}, byte {at}", HINT
                )
            if n_blocks > MAX_BLOCKS:
                raise InputError(f"more than {MAX_BLOCKS} data blocks", f"{path}, byte {at}", HINT)
            n = int(block["number_of_data_points"])
            start = at + head.itemsize
            at = start + 2 * n_channels * n
            if at > size:
                raise InputError(
                    f"the file is truncated: its last block has "
                    f"{(size - start) // (2 * n_channels)} of {n} samples",
                    f"{path}, byte {size}",
                    HINT,
                )
            if n == 0 and at < size:
                raise InputError(
                    "a data block without samples is followed by more", f"{path}, byte {at}", HINT
                )
            if n:
                n_blocks += 1
                runs.append(Run(int(block["timestamp"]), n, ((n, start),)))
    return _joined(runs, period)


def _joined(blocks: list[Run], period: float) -> tuple[Run, ...]:
    """Join blocks between which nothing is missing, to the nearest sample."""
    runs: list[list[Run]] = []
    n = 0
    for block in blocks:
        deviation = block.tick - runs[-1][0].tick - n * period if runs else np.inf
        if abs(deviation) <= LOST_PERIODS * period:
            runs[-1].append(block)
            n += block.n
        else:
            runs.append([block])
            n = block.n
    return tuple(
        Run(
            run_blocks[0].tick,
            sum(block_run.n for block_run in run_blocks),
            tuple(block_run.blocks[0] for block_run in run_blocks),
        )
        for run_blocks in runs
    )


def _ptp_cuts(stamps: NDArray[np.uint64], period: float, jitter: float) -> NDArray[np.int64]:
    """Return the packets before which samples are missing or the clock starts again.

    A step of the stamps is jitter when it is small and undone within `AROUND`
    packets; a lasting step is a gap however small, so that time is never
    squeezed. Jitter beside such a gap may be cut too, which loses nothing.

    Parameters
    ----------
    stamps : uint64 array [packet]
        Mapped from the file: a chunk of it is in memory.
    period, jitter : float
        Ticks a sample; ticks by which stamps may jitter.
    """
    cuts = []
    for start in range(0, len(stamps), CHUNK):
        low, high = max(start - AROUND, 0), min(start + CHUNK + AROUND, len(stamps))
        steps: NDArray[np.float64] = np.diff(stamps[low:high].astype(np.int64)).astype(np.float64)
        # Packet `at` of the chunk follows the step at - 1.
        at = np.flatnonzero((steps > SUSPECT_PERIODS * period) | (steps <= 0)) + 1
        excess = steps - period
        large = np.abs(excess) > jitter
        at = at[large[at - 1] | _lasts(np.where(large, 0.0, excess), at, LOST_PERIODS * period)] + low
        cuts.append(at[(at >= start) & (at < start + CHUNK)])
    return np.concatenate([np.empty(0, np.int64), *cuts])


def _lasts(excess: NDArray[np.float64], at: NDArray[np.int64], limit: float) -> NDArray[np.bool_]:
    """Return whether the mean stamps before and after packets `at` differ by more than `limit`."""
    deviation = np.concatenate(([0.0], np.cumsum(excess)))
    total = np.concatenate(([0.0], np.cumsum(deviation)))
    before, after = np.maximum(at - AROUND, 0), np.minimum(at + AROUND, len(deviation))
    shift = (total[after] - total[at]) / (after - at) - (total[at] - total[before]) / (at - before)
    # Near an end of the file too few are left to even out jitter: what stands out of it is a gap.
    near_end = np.minimum(at - before, after - at) < FEWEST
    usual_jitter = OUTLIER_MADS * np.median(np.abs(excess)) if len(excess) else 0.0
    return np.where(near_end, np.abs(excess[at - 1]) > usual_jitter, np.abs(shift) > limit)


def _measured(stamps: NDArray[np.uint64], edges: list[int], resolution: int, rate_hz: float) -> float:
    """Return the sampling rate by the PTP clock, if a run is long enough to measure it; else the nominal."""
    a, b = max(itertools.pairwise(edges), key=lambda run: run[1] - run[0])
    if b - a <= rate_hz or b - a < 2 * AROUND:
        return rate_hz
    # Means of some stamps at either end: jitter of single ones does not count.
    first_stamps, last_stamps = (
        stamps[a : a + AROUND].astype(np.int64),
        stamps[b - AROUND : b].astype(np.int64),
    )
    ticks = float((last_stamps - first_stamps).mean())
    return (b - a - AROUND) * resolution / ticks if ticks > 0 else rate_hz
