"""Jitter of time stamps is no gap; a gap, however small, is none of the jitter's."""

import datetime as dt

import numpy as np
import pytest
from spikeinterface.core import load

from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock import runs as blackrock_runs
from evoalign.formats.blackrock.write import write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.plx.write import write_plx
from evoalign.formats.spikeinterface_recording import stream_recording

START = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
RATE_HZ = 30_000
N = 40_000


def samples(n=N):
    return np.random.default_rng(0).integers(-(2**15), 2**15, (n, 2)).astype(np.int16)


def ptp_file(path, jitter_us=0.0, ppm=0.0, pauses=(), resets=()):
    """Write a file of one-sample packets, whose stamps are then disturbed in place."""
    write_nsx(path, [samples()], channel_ids=[1, 2], start=START, version="3.0", ptp=True, pauses=pauses,
              resets=resets)  # fmt: skip
    packet = np.dtype([*layout.nsx_block(True).descr, ("samples", "<i2", (2,))])
    offset = layout.NSX_BASIC.itemsize + 2 * layout.NSX_EXTENDED.itemsize
    packets = np.memmap(path, packet, mode="r+", offset=offset)
    ticks = packets["timestamp"].astype(np.int64)
    rng = np.random.default_rng(1)
    ticks += ((ticks - ticks[0]) * ppm * 1e-6).astype(np.int64)
    ticks += np.rint(rng.uniform(-1, 1, len(ticks)) * jitter_us * 1_000).astype(np.int64)
    packets["timestamp"] = ticks.astype(np.uint64)
    packets.flush()
    return open_recording(path).streams["broadband"]


@pytest.fixture(params=[blackrock_runs.CHUNK, 1_000])
def chunk(request, monkeypatch):
    """Whole and in chunks: the edges of chunks must not show."""
    monkeypatch.setattr(blackrock_runs, "CHUNK", request.param)


@pytest.mark.parametrize("jitter_us", [0, 20, 60])
@pytest.mark.parametrize("ppm", [-100, 0, 100])
def test_jitter_is_no_gap(tmp_path, chunk, jitter_us, ppm):
    stream = ptp_file(tmp_path / "a.ns6", jitter_us, ppm)
    assert len(stream.segments) == 1
    # Stamps that run fast by some ppm mean a rate that is as much lower.
    assert stream.sampling_rate_hz == pytest.approx(
        RATE_HZ / (1 + ppm * 1e-6), rel=1e-5 if jitter_us else 1e-8
    )
    np.testing.assert_array_equal(stream.read(0, 0, N), samples())


@pytest.mark.parametrize("jitter_us", [0, 15])
@pytest.mark.parametrize("lost", [1, 2, 10, 29, 3_000])
def test_lost_samples_are_a_gap_however_few(tmp_path, chunk, jitter_us, lost):
    cuts = [999, 1_000, 2_000, 20_017, 30_000] + ([30, N - 30] if lost * 33 > 6 * jitter_us else [])
    cuts.sort()
    stream = ptp_file(tmp_path / "a.ns6", jitter_us, pauses=[(at, lost) for at in cuts])
    lengths = np.array([n for _, n in stream.segments])
    first = np.cumsum(lengths) - lengths
    assert set(cuts) <= set(first.tolist())
    if not jitter_us:
        assert first.tolist() == [0, *cuts]
    # Jitter may be cut beside a gap that is as small, and nowhere else.
    near = np.abs(first[:, None] - [0, *cuts]).min(axis=1)
    assert near.max() <= blackrock_runs.AROUND * (lost < 30)
    true = (first + lost * np.searchsorted(cuts, first, side="right")) / RATE_HZ
    starts = np.array([start for start, _ in stream.segments])
    np.testing.assert_allclose(starts, true, atol=(2 * jitter_us + 1) * 1e-6)
    read = np.concatenate([stream.read(i, 0, n) for i, (_, n) in enumerate(stream.segments)])
    np.testing.assert_array_equal(read, samples())


def test_the_tolerance_is_a_setting_and_reaches_other_processes(tmp_path):
    """Blocks of a .plx 3 ms late: a gap by default, jitter where a lab says so."""
    data = samples(4_000)[:, :1]
    path = tmp_path / "a.plx"
    write_plx(path, [data], names=["WB001"], sampling_rate_hz=40_000, pauses=[(1_000, 0.003)])
    strict = open_recording(path).streams["broadband"]
    assert [n for _, n in strict.segments] == [1_000, 3_000]
    lax = open_recording(path, gap_tolerance_ms=5).streams["broadband"]
    assert [n for _, n in lax.segments] == [4_000]
    np.testing.assert_array_equal(lax.read(0, 0, 4_000), data)
    for stream in (strict, lax):
        again = load(stream_recording(stream).to_dict())
        assert again.get_num_segments() == len(stream.segments)


def test_a_large_step_is_a_gap_even_when_it_is_made_up_for(tmp_path):
    path = tmp_path / "a.ns6"
    ptp_file(path)
    packet = np.dtype([*layout.nsx_block(True).descr, ("samples", "<i2", (2,))])
    offset = layout.NSX_BASIC.itemsize + 2 * layout.NSX_EXTENDED.itemsize
    packets = np.memmap(path, packet, mode="r+", offset=offset)
    packets["timestamp"][5_000] += 5_000_000  # 5 ms: the next step goes backwards
    packets.flush()
    segments = open_recording(path).streams["broadband"].segments
    assert [n for _, n in segments] == [5_000, 1, N - 5_001]


@pytest.mark.parametrize("version", ["2.2", "2.3", "3.0"])
def test_blocks_without_a_gap_between_are_one_segment(tmp_path, version):
    contiguous = [(at, 0) for at in range(100, N, 100)]
    pauses = dict(contiguous) | {10_000: 1, 25_000: 600}
    write_nsx(tmp_path / "a.ns6", [samples()], channel_ids=[1, 2], start=START, version=version,
              pauses=sorted(pauses.items()))  # fmt: skip
    stream = open_recording(tmp_path / "a.ns6").streams["broadband"]
    assert [n for _, n in stream.segments] == [10_000, 15_000, 15_000]
    np.testing.assert_allclose(
        [start for start, _ in stream.segments], [0, 10_001 / RATE_HZ, 25_601 / RATE_HZ], rtol=0, atol=1e-12
    )
    for segment, first in enumerate([0, 10_000, 25_000]):
        own = samples()[first : first + stream.segments[segment][1]]
        # Inside of a block, over the edge of two, over many, and to the end.
        for start, stop in ((10, 20), (95, 105), (50, 7_777), (9_950, len(own)), (0, len(own)), (100, 200)):
            np.testing.assert_array_equal(stream.read(segment, start, stop), own[start:stop])
        np.testing.assert_array_equal(stream.read(segment, 95, 305, [2]), own[95:305, [1]])
