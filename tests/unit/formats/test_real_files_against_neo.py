"""Real files: equal to neo sample by sample where neo is right, proved from the bytes where we differ."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from neo.rawio import BlackrockRawIO, PlexonRawIO

from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.file import read_pl2

DATA = Path(__file__).parents[4] / "shared/data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real recordings in {DATA}")


def peer(cls, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cls(*map(str, arguments), **options)
        found.parse_header()
    return found


def test_the_paused_ns2_equals_neo_in_both_segments():
    ours = open_recording(DATA / "blackrock/pause_correct.ns2").streams["analog"]
    neo = peer(BlackrockRawIO, DATA / "blackrock/pause_correct", nsx_to_load=2)
    assert neo.segment_count(0) == len(ours.segments) == 2
    for segment, (start, n) in enumerate(ours.segments):
        theirs = neo.get_analogsignal_chunk(0, segment, stream_index=0)
        np.testing.assert_array_equal(ours.read(segment, 0, n), theirs[:, : len(ours.channels)])
        # neo's start is that of the whole segment, of packets of either file.
        assert neo.get_signal_t_start(0, segment, 0) == pytest.approx(start, abs=1e-3)


@pytest.mark.parametrize(("name", "spikes"), [("file_spec_3_0", 864), ("pause_correct", 5_644 + 5_539)])
def test_every_spike_packet_of_a_nev_is_a_spike(name, spikes):
    path = DATA / f"blackrock/{name}.nev"
    raw = path.read_bytes()
    header, length = (int.from_bytes(raw[at : at + 4], "little") for at in (12, 16))
    wide = raw[8] >= 3
    at = 8 if wide else 4
    packets = np.frombuffer(raw[header:], np.uint8).reshape(-1, length)
    ids = packets[:, at : at + 2].copy().view("<u2").ravel()
    ticks = packets[:, :at].copy().view("<u8" if wide else "<u4").ravel()
    is_spike = (ids >= 1) & (ids <= 10_240)
    ours = open_recording(path).online_spikes
    assert len(ours) == is_spike.sum() == spikes
    resolution = int.from_bytes(raw[20:24], "little")
    np.testing.assert_array_equal(
        np.sort(np.rint(ours["time_s"] * resolution).astype(np.int64)),
        np.sort(ticks[is_spike]).astype(np.int64),
    )


@pytest.mark.parametrize("name", ["File_plexon_1", "File_plexon_3"])
def test_plx_spikes_equal_neo(name):
    ours = open_recording(DATA / f"plexon/{name}.plx").online_spikes
    neo = peer(PlexonRawIO, DATA / f"plexon/{name}.plx", progress_bar=False)
    theirs = []
    for index, channel in enumerate(neo.header["spike_channels"]):
        times = neo.rescale_spike_timestamp(neo.get_spike_timestamps(0, 0, index), "float64")
        theirs += [(int(str(channel["id"]).split("#")[0][2:]), float(t)) for t in times]
    assert len(theirs) == len(ours)
    np.testing.assert_allclose(np.sort([t for _, t in theirs]), np.sort(ours["time_s"]), rtol=0, atol=1e-9)


def test_the_tail_of_a_plx_is_its_bytes_where_neo_reads_zeros():
    path = DATA / "plexon/File_plexon_3.plx"
    stream = open_recording(path).streams["analog"]
    (_, n) = stream.segments[0]
    ours = stream.read(0, 0, n)[:, 0]
    neo = peer(PlexonRawIO, path, progress_bar=False)
    theirs = neo.get_analogsignal_chunk(0, 0, stream_index=0)[:, 0]
    agree = ours[: len(theirs)] == theirs
    first = len(theirs) if agree.all() else int(np.argmin(agree))
    np.testing.assert_array_equal(ours[:first], theirs[:first])
    assert first > 0.99 * n
    # Blocks of type 5 (continuous): word 7 of the 16-byte header counts the samples that follow it.
    raw = np.frombuffer(path.read_bytes(), "<u2")
    header = 7_504 + 1_020 * int(raw[70]) + 296 * int(raw[72]) + 296 * int(raw[74])
    at, total, last = header // 2, 0, np.empty(0, np.int16)
    while at + 8 <= len(raw):
        kind, count = int(raw[at]), int(raw[at + 6]) * int(raw[at + 7])
        if kind == 5:
            total, last = total + count, raw[at + 8 : at + 8 + count].view(np.int16)
        at += 8 + count
    assert total == n
    np.testing.assert_array_equal(ours[-len(last) :], last)


def test_totals_of_the_pl2_agree_in_header_footer_and_blocks():
    path = DATA / "plexon/NC16FPSPKEVT_1m.pl2"
    read_pl2(path)  # cross-checks all three, or raises
    spikes = open_recording(path).online_spikes
    assert spikes["channel"].value_counts().sort_index().tolist() == [4_065, 4_069, 4_052, 4_059]
    # The same totals, straight from the channel headers: u64 counts by unit at +160 of 2592 bytes from 0x480.
    raw = np.frombuffer(path.read_bytes()[0x480 : 0x480 + 16 * 2_592], np.uint8).reshape(16, 2_592)
    counts = raw[:, 160 : 160 + 8 * 256].copy().view("<u8").sum(axis=1)
    assert sorted(counts[counts > 0].tolist()) == [4_052, 4_059, 4_065, 4_069]
