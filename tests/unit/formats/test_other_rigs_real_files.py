"""Real files of other rigs: what the pipeline reads, held against a reading of the bytes by numpy alone.

The files lie beside the checkout, in ``../shared/data/other``, and are no part of the project.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from evoalign.formats.opening import open_recording

DATA = Path(__file__).parents[4] / "shared/data/other"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real recordings in {DATA}")

INTAN = DATA / "intan/intan_fps_test_231117_052500"
OPEN_EPHYS = DATA / "openephysbinary/v0.4.4.1_with_spikes"
CHEETAH_4 = DATA / "neuralynx/Cheetah_v4.0.2/original_data"
CHEETAH_5 = DATA / "neuralynx/Cheetah_v5.6.3/original_data"
SMR = DATA / "spike2/File_spike2_1.smr"
NEX = DATA / "neuroexplorer/File_neuroexplorer_1.nex"
REC = DATA / "spikegadgets/W122_06_09_2019_1_fromSD.rec"


def microvolts(stream, segment=0, channels=None):
    counts = stream.read(segment, 0, stream.segments[segment][1], channels)
    rows = slice(None) if channels is None else [stream.channels.index(c) for c in channels]
    return counts * stream.gain_uv[rows] + stream.offset_uv[rows]


def test_intan_samples_are_those_of_the_files():
    recording = open_recording(INTAN)
    n = (INTAN / "time.dat").stat().st_size // 4
    amplifier = np.fromfile(INTAN / "amplifier.dat", "<i2").reshape(n, 64)
    auxiliary = np.fromfile(INTAN / "auxiliary.dat", "<u2").reshape(n, 6)
    board = np.fromfile(INTAN / "analogin.dat", "<u2")
    broadband, analog = recording.streams["broadband"], recording.streams["analog"]
    # A-000 is channel 1 and B-000 channel 129, however many of a port were saved.
    assert broadband.channels == (*range(1, 33), *range(129, 161))
    np.testing.assert_array_equal(broadband.read(0, 0, n), amplifier)
    np.testing.assert_array_equal(broadband.read(0, 777, 1_234, [5, 160]), amplifier[777:1_234, [4, 63]])
    np.testing.assert_allclose(broadband.gain_uv, 0.195)
    # Auxiliary inputs: 37.4 µV a count from 0 V; board inputs of this controller: 312.5 µV around 32768.
    np.testing.assert_allclose(
        microvolts(analog, 0, [11_001, 11_006]), auxiliary[:, [0, 5]] * 37.4, rtol=1e-12
    )
    (one,) = (channel for channel in analog.channels if channel < 11_000)
    np.testing.assert_allclose(
        microvolts(analog, 0, [one])[:, 0], (board - 32_768.0) * 312.5, rtol=0, atol=1e-6
    )


def test_intan_signals_of_a_folder_have_one_rate_and_one_length():
    # neo 0.14.6 gives the auxiliary inputs 7,500 Hz and with it four times their length.
    recording = open_recording(INTAN)
    assert {(s.sampling_rate_hz, s.n_samples) for s in recording.streams.values()} == {(30_000.0, 24_320)}
    assert recording.duration_s == pytest.approx(24_320 / 30_000)
    assert recording.start.isoformat() == "2023-11-17T05:25:00"


def test_intan_words_are_the_changes_of_the_port_with_skewed_bits_as_one():
    port = np.fromfile(INTAN / "digitalin.dat", "<u2").astype(int)
    at = np.flatnonzero(np.diff(port)) + 1
    # 0 -> 1, and 1 -> 3 -> 2 within five samples: the second bit rose before the first one fell.
    assert [(int(a), int(port[a])) for a in at] == [(4_956, 1), (19_952, 3), (19_957, 2)]
    words = open_recording(INTAN).words
    assert words["word"].tolist() == [1, 2]
    np.testing.assert_allclose(words["time_s"], np.array([4_956, 19_957]) / 30_000, rtol=0, atol=1e-12)
    assert set(words["source"]) == {"digital"}


def test_open_ephys_samples_and_spikes_are_those_of_the_files():
    recording = open_recording(OPEN_EPHYS)
    place = OPEN_EPHYS / "experiment1/recording1"
    dat = np.fromfile(place / "continuous/Rhythm_FPGA-100.0/continuous.dat", "<i2").reshape(16, 32)
    np.testing.assert_array_equal(recording.streams["broadband"].read(0, 0, 16), dat)
    first = np.load(place / "continuous/Rhythm_FPGA-100.0/timestamps.npy")[0]
    spikes = place / "spikes/Spike_Viewer-125_124.0/spike_group_1"
    times = np.load(spikes / "spike_times.npy")
    electrode = np.load(spikes / "spike_electrode_indices.npy")
    assert len(recording.online_spikes) == len(times) == 3_379
    told = json.loads((place / "structure.oebin").read_text())["spikes"][0]["channels"]
    for number, one in enumerate(told, 1):
        wire = one["source_channel_info"][0]["source_processor_channel"] + 1
        own = recording.online_spikes[recording.online_spikes["channel"] == wire]
        np.testing.assert_allclose(
            own["time_s"], np.sort(times[electrode == number] - first) / 30_000, atol=1e-9
        )


def test_open_ephys_lasts_as_long_as_its_samples_and_spikes():
    # neo 0.14.6 lets events of another clock stretch it to 42 days.
    recording = open_recording(OPEN_EPHYS)
    assert recording.duration_s < 20
    assert recording.metadata["events_left_out"][:2] == [
        f"Tracking_Port-127.0/BINARY_group_{k}" for k in (1, 2)
    ]
    assert recording.words.empty


def test_open_ephys_opens_from_any_folder_of_it():
    for path in ("experiment1", "experiment1/recording1", "experiment1/recording1/structure.oebin"):
        assert open_recording(OPEN_EPHYS / path).online_spikes.equals(
            open_recording(OPEN_EPHYS).online_spikes
        )


def test_neuralynx_samples_and_stamps_are_those_of_the_text_beside_it():
    rows = np.loadtxt(CHEETAH_4.parent / "plain_data/CSC14_trunc.txt", dtype=np.int64)
    assert rows.shape == (10, 4 + 512)
    recording = open_recording(CHEETAH_4)
    stream = recording.streams["broadband"]
    np.testing.assert_array_equal(stream.read(0, 0, stream.n_samples)[:, 0], rows[:, 4:].ravel())
    assert stream.segments == ((0.0, 5_120),)
    # Stamps are 35 µs a sample: 28,571 Hz, not the header's 27,789 Hz.
    assert stream.sampling_rate_hz == pytest.approx(512e6 / np.diff(rows[:, 0]).mean(), rel=1e-9)
    record_s = (rows[:, 0] - rows[0, 0]) / 1e6
    np.testing.assert_allclose(np.arange(10) * 512 / stream.sampling_rate_hz, record_s, rtol=0, atol=1e-9)
    assert recording.metadata["header_rate_hz_but_stamps_differ"] == {"CSC14_trunc.Ncs": 27_789.0}


def test_neuralynx_spikes_and_events_are_those_of_the_files():
    spikes = np.fromfile(CHEETAH_5 / "TT1.ntt", np.uint8, offset=16_384).reshape(-1, 304)
    stamps = spikes[:, :8].copy().view("<u8")[:, 0].astype(np.int64)
    cells = spikes[:, 12:16].copy().view("<u4")[:, 0]
    events = np.fromfile(CHEETAH_5 / "Events.nev", np.uint8, offset=16_384).reshape(-1, 184)
    event_stamps = events[:, 6:14].copy().view("<u8")[:, 0].astype(np.int64)
    texts = [bytes(row[56:]).split(b"\0")[0].decode() for row in events]
    origin = min(stamps.min(), event_stamps.min())
    recording = open_recording(CHEETAH_5)
    assert len(recording.online_spikes) == len(stamps) == 5_699
    np.testing.assert_allclose(recording.online_spikes["time_s"], (np.sort(stamps) - origin) / 1e6, atol=1e-9)
    np.testing.assert_array_equal(recording.online_spikes["unit"], cells[np.argsort(stamps, kind="stable")])
    for source, text in (("start", "Starting Recording"), ("stop", "Stopping Recording")):
        wanted = [(s - origin) / 1e6 for s, t in zip(event_stamps, texts, strict=True) if t == text]
        found = recording.words.loc[recording.words["source"] == source, "time_s"]
        np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert recording.metadata["messages"] == [[pytest.approx((366_441_401 - origin) / 1e6), "1.5 m box"]]
    (gain,) = recording.channels["gain_uv"]
    assert gain == pytest.approx(-0.004577776380187970)  # the header says that the input is inverted


def smr_blocks(content, first):
    """Yield (items, channel, first byte after the header) along a chain of blocks."""
    at = first
    while at > 0:
        _, following, _, _ = np.frombuffer(content, "<i4", 4, at)
        channel, n = np.frombuffer(content, "<u2", 2, at + 16)
        yield int(n), int(channel), at + 20
        at = int(following)


def test_spike2_samples_events_and_spikes_are_those_of_the_file():
    content = SMR.read_bytes()
    us_per_time, per_adc = np.frombuffer(content, "<i2", 2, 20)
    tick_s = float(us_per_time) * 1e-6
    recording = open_recording(SMR)
    kinds = {}
    for place in range(32):
        at = 512 + 140 * place
        kind, first = content[at + 122], int(np.frombuffer(content, "<i4", 1, at + 6)[0])
        if not kind:
            continue
        kinds[place + 1] = kind
        blocks = list(smr_blocks(content, first))
        if kind == 1:
            values = np.concatenate([np.frombuffer(content, "<i2", n, b) for n, _, b in blocks])
            divide = int(np.frombuffer(content, "<i2", 1, at + 138)[0])
            stream = recording.streams["analog"]
            np.testing.assert_array_equal(stream.read(0, 0, len(values))[:, 0], values)
            assert stream.n_samples == len(values) == 45_688
            assert stream.sampling_rate_hz == pytest.approx(1 / (divide * int(per_adc) * tick_s))
            start = int(np.frombuffer(content, "<i4", 1, first + 8)[0])
            assert stream.segments[0][0] == pytest.approx(start * tick_s, abs=1e-12)
            continue
        size = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8 + int(np.frombuffer(content, "<u2", 1, at + 16)[0])}[kind]
        ticks, codes = [], []
        for n, _, begin in blocks:
            rows = np.frombuffer(content, "u1", n * size, begin).reshape(n, size)
            ticks.append(rows[:, :4].copy().view("<i4")[:, 0])
            codes.append(rows[:, 4] if size > 4 else np.zeros(n, int))
        ticks, codes = np.concatenate(ticks), np.concatenate(codes)
        if kind == 6:
            own = recording.online_spikes[recording.online_spikes["channel"] == place + 1]
            assert sorted(zip(own["time_s"].round(9), own["unit"], strict=True)) == sorted(
                zip((ticks * tick_s).round(9), codes.tolist(), strict=True)
            )
        else:
            own = recording.words[recording.words["word"] == place + 1]
            # A level channel has an entry for both edges; ours are those that rise.
            wanted = ticks[::2] if kind == 4 and content[at + 124] else ticks[1::2] if kind == 4 else ticks
            np.testing.assert_allclose(own["time_s"], wanted * tick_s, rtol=0, atol=1e-9)
    assert kinds == {1: 4, 2: 1, 4: 2, 6: 6, 12: 2, 30: 4, 31: 5}


def nex_variables(content):
    for k in range(int(np.frombuffer(content, "<i4", 1, 280)[0])):
        at = 544 + 208 * k
        kind = int(np.frombuffer(content, "<i4", 1, at)[0])
        name = content[at + 8 : at + 72].split(b"\0")[0].decode().strip()
        offset, n = (int(v) for v in np.frombuffer(content, "<i4", 2, at + 72))
        points = int(np.frombuffer(content, "<i4", 1, at + 128)[0])
        yield kind, name, offset, n, points, float(np.frombuffer(content, "<f8", 1, at + 112)[0])


def test_neuroexplorer_units_events_and_fragments_are_those_of_the_file():
    content = NEX.read_bytes()
    clock = float(np.frombuffer(content, "<f8", 1, 264)[0])
    recording = open_recording(NEX)
    seen = []
    for kind, name, offset, n, points, rate in nex_variables(content):
        ticks = np.frombuffer(content, "<i4", n, offset)
        if kind == 0:
            channel, letter = re.fullmatch(r"Neuron(\d+)([a-z])", name).groups()
            own = recording.online_spikes.query(f"channel == {int(channel)} and unit == {ord(letter) - 96}")
            np.testing.assert_allclose(own["time_s"], ticks / clock, rtol=0, atol=1e-9)
        elif kind == 1:
            own = recording.words[recording.words["word"] == recording.metadata["event_channels"][name]]
            np.testing.assert_allclose(own["time_s"], ticks / clock, rtol=0, atol=1e-9)
        elif kind == 5:
            first = np.frombuffer(content, "<i4", n, offset + 4 * n)
            values = np.frombuffer(content, "<i2", points, offset + 8 * n)
            stream = next(s for s in recording.streams.values() if s.sampling_rate_hz == rate)
            # neo 0.14.6 gives one stretch, from the first fragment's time on.
            np.testing.assert_allclose([start for start, _ in stream.segments], ticks / clock, atol=1e-9)
            assert [length for _, length in stream.segments] == np.diff([*first, points]).tolist()
            read = np.concatenate(
                [stream.read(k, 0, length) for k, (_, length) in enumerate(stream.segments)]
            )
            np.testing.assert_array_equal(read[:, 0], values)
        seen.append(kind)
    assert sorted(seen) == [0] * 6 + [1] * 6 + [2] * 2 + [5] * 2
    assert len(recording.online_spikes) == 45_437


def test_spikegadgets_samples_are_those_of_the_packets():
    content = REC.read_bytes()
    begin = content.index(b"</Configuration>") + len(b"</Configuration>\r\n")
    # A sync byte, one byte of the MCU, eight of the sensor, the counter, 128 channels.
    packets = np.frombuffer(content, np.uint8, offset=begin).reshape(-1, 1 + 1 + 8 + 4 + 2 * 128)
    samples = packets[:, 14:].copy().view("<i2")
    recording = open_recording(REC)
    stream = recording.streams["broadband"]
    assert stream.n_samples == len(packets) == 2
    # Slot k holds channel k // 4 of chip k % 4.
    hardware = [(k % 4) * 32 + k // 4 for k in range(128)]
    for slot, channel in enumerate(hardware):
        np.testing.assert_array_equal(stream.read(0, 0, 2, [channel + 1])[:, 0], samples[:, slot])
    assert recording.metadata["scale"].startswith("the file has none")


def test_every_recording_can_be_opened_again_from_its_own_files():
    for path in (INTAN, OPEN_EPHYS, CHEETAH_4, CHEETAH_5, SMR, NEX, REC):
        recording = open_recording(path)
        again = open_recording(recording.files)
        assert again.descriptor() == recording.descriptor()
