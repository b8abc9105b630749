"""What is held against neo where a recording is read through it: each guard, with a reader of neo's shape."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from evoalign.errors import InputError
from evoalign.formats.neo_rawio.contents import build
from evoalign.formats.neo_rawio.through_neo import neo_contents

RATE = 30_000.0
SAMPLES = np.random.default_rng(0).integers(-900, 900, (600, 3)).astype(np.int16)
CHANNEL = [("name", "U64"), ("id", "U64"), ("sampling_rate", "f8"), ("dtype", "U16"), ("units", "U64"),
           ("gain", "f8"), ("offset", "f8"), ("stream_id", "U64")]  # fmt: skip
STREAM = [("name", "U64"), ("id", "U64")]
SPIKES = [("name", "U64"), ("id", "U64"), ("wf_units", "U64"), ("wf_gain", "f8"), ("wf_sampling_rate", "f8")]
EVENTS = [("name", "U64"), ("id", "U64"), ("type", "S5")]


@dataclass
class FakeRawIO:
    """Two electrodes and a light in two segments; every answer can be set wrong."""

    samples: np.ndarray = field(default_factory=lambda: SAMPLES)
    dtype: str = "int16"
    gain: float = 0.25
    offset: float = 0.0
    units: tuple = ("uV", "uV", "V")
    names: tuple = ("CH1", "CH2", "ADC1")
    starts: tuple = (0.0, 5.0)
    sizes: tuple = (300, 300)
    short: int = 0  # samples that lack at a segment's end
    blocks: int = 1
    spikes: tuple = (np.array([0.001, 0.002]), np.array([5.001]))
    spikes_told: int = 0  # more than there are
    events: tuple = (np.array([0.003]), np.array([5.004, 5.006]))
    labels: tuple = (("101",), ("201", "301"))
    events_told: int = 0
    kind: bytes = b"event"
    fails: str = ""

    def parse_header(self):
        if self.fails == "parse_header":
            raise KeyError("no such tag")
        channels = [
            (name, str(k + 1), RATE, self.dtype, unit, self.gain, self.offset, "0")
            for k, (name, unit) in enumerate(zip(self.names, self.units, strict=True))
        ]
        self.header = {
            "signal_streams": np.array([("all", "0")], STREAM),
            "signal_channels": np.array(channels, CHANNEL),
            "spike_channels": np.array([("ch2#1", "ch2#1", "uV", 0.5, RATE)], SPIKES),
            "event_channels": np.array([("words", "w", self.kind)], EVENTS),
        }

    def block_count(self):
        return self.blocks

    def segment_count(self, _):
        return len(self.starts)

    def get_signal_size(self, _block, segment, _stream):
        return self.sizes[segment]

    def get_signal_t_start(self, _block, segment, _stream):
        return self.starts[segment]

    def get_analogsignal_chunk(
        self, *, block_index, seg_index, i_start, i_stop, stream_index, channel_indexes
    ):
        assert block_index == stream_index == 0
        if self.fails == "samples":
            raise IndexError("index 5 is out of bounds")
        first = sum(self.sizes[:seg_index])
        stop = min(i_stop, self.sizes[seg_index] - self.short)
        return self.samples[first + i_start : first + stop][:, channel_indexes]

    def get_spike_timestamps(self, _block, segment, _channel):
        return self.spikes[segment]

    def rescale_spike_timestamp(self, stamps, _dtype):
        return stamps

    def spike_count(self, _block, segment, _channel):
        return len(self.spikes[segment]) + self.spikes_told

    def get_event_timestamps(self, _block, segment, _channel):
        return self.events[segment], None, np.array(self.labels[segment], "U")

    def rescale_event_timestamp(self, stamps, dtype, event_channel_index):
        assert dtype == "float64" and event_channel_index == 0
        return stamps

    def event_count(self, _block, segment, _channel):
        return len(self.events[segment]) + self.events_told


@pytest.fixture
def opened(tmp_path):
    def open_fake(size=SAMPLES.size * 2, **answers):
        path = tmp_path / "block"
        path.mkdir(exist_ok=True)
        (path / "a.bin").write_bytes(bytes(size))
        contents = neo_contents("Rig", lambda: FakeRawIO(**answers), path)
        return build("rig", [path], contents, 0.001)

    return open_fake


def test_what_adds_up_is_read(opened):
    recording = opened()
    broadband, analog = recording.streams["broadband"], recording.streams["analog"]
    assert broadband.channels == (1, 2) and analog.channels == (10_003,)
    assert broadband.segments == ((0.0, 300), (5.0, 300))
    np.testing.assert_array_equal(broadband.read(1, 10, 30), SAMPLES[310:330, :2])
    np.testing.assert_array_equal(analog.read(0, 0, 300)[:, 0], SAMPLES[:300, 2])
    np.testing.assert_allclose([*broadband.gain_uv, *analog.gain_uv], [0.25, 0.25, 0.25e6])
    assert recording.words["word"].tolist() == [101, 201, 301]
    assert recording.words["segment"].tolist() == [0, 1, 1]
    np.testing.assert_allclose(recording.words["time_s"], [0.003, 5.004, 5.006])
    spikes = recording.online_spikes
    assert (spikes["channel"].unique().tolist(), spikes["unit"].unique().tolist()) == ([2], [1])
    np.testing.assert_allclose(spikes["time_s"], [0.001, 0.002, 5.001])


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"blocks": 2}, "2 recordings in one place"),
        ({"blocks": 0}, "0 recordings in one place"),
        ({"size": SAMPLES.size * 2 - 1}, "samples of 3,600 bytes in 3,599 bytes"),
        ({"short": 1}, "counts 300 samples and ends before"),
        ({"fails": "samples"}, "neo cannot read the last sample: IndexError index 5 is out of bounds"),
        ({"fails": "parse_header"}, "neo cannot open it: KeyError"),
        ({"spikes_told": 1}, "neo counts 3 spikes of ch2#1 and gives 2"),
        ({"events_told": -1}, "neo counts 0 events of words and gives 1"),
        ({"gain": float("nan")}, "no usable scale"),
        ({"gain": 0.0}, "no usable scale"),
        ({"offset": float("inf")}, "no usable scale"),
        ({"starts": (0.0, float("nan"))}, "overlap, or time runs backwards"),
        ({"starts": (5.0, 0.0)}, "overlap, or time runs backwards"),
        ({"starts": (0.0, 0.005)}, "overlap, or time runs backwards"),
        ({"events": (np.array([900.0]), np.array([5.0, 6.0]))}, "1 events lie more than 5 s outside"),
        ({"spikes": (np.array([-9.0, 1.0]), np.array([5.0]))}, "1 spikes lie more than 5 s outside"),
        ({"spikes": (np.array([np.nan, 1.0]), np.array([5.0]))}, "a time is no number"),
    ],
)
def test_what_does_not_add_up_is_refused(opened, answers, message):
    with pytest.raises(InputError, match=message) as caught:
        opened(**answers)
    assert str(caught.value).lower().startswith("rig")


def test_floating_point_samples_are_taken_in_steps_that_are_told(opened):
    values = SAMPLES * 1e-6
    recording = opened(samples=values, dtype="float32", size=4 * values.size, gain=1.0, units=("V", "V", "V"))
    stream = recording.streams["broadband"]
    read = stream.read(0, 0, 300) * stream.gain_uv
    np.testing.assert_allclose(read, 1e6 * values[:300, :2], atol=1e6 * np.abs(values).max() / 32_767)
    steps = np.abs(values).max(axis=0) / 32_767
    np.testing.assert_allclose([recording.metadata["in_steps_of"][n] for n in ("CH1", "CH2", "ADC1")], steps)


def test_floating_point_samples_that_are_no_numbers_are_refused(opened):
    values = SAMPLES.astype(float)
    values[599, 1] = np.nan
    with pytest.raises(InputError, match="samples that are no numbers"):
        opened(samples=values, dtype="float32", size=4 * values.size)


def test_unsigned_samples_keep_their_zero(opened):
    recording = opened(samples=SAMPLES.view(np.uint16) ^ 0x8000, dtype="uint16", offset=-8192.0)
    stream = recording.streams["broadband"]
    microvolts = stream.read(0, 0, 300) * stream.gain_uv + stream.offset_uv
    np.testing.assert_allclose(microvolts, SAMPLES[:300, :2] * 0.25)


def test_what_is_no_voltage_is_no_electrode(opened):
    recording = opened(units=("uV", "deg", ""), names=("CH1", "CH2", "CH3"), gain=2.0)
    table = recording.channels.set_index("channel")
    assert table["kind"].to_dict() == {1: "neural", 2: "neural", 3: "neural", 10_002: "analog"}
    assert recording.metadata["scale"] == {
        "CH2": "in deg", "CH3": "the file has none; a count is taken as 1 µV"
    }  # fmt: skip


def test_events_of_texts_and_epochs(opened):
    recording = opened(labels=(("start",), ("201", "301")))
    assert recording.words["source"].tolist() == ["bit", "strobed", "strobed"]
    assert recording.metadata["event_channels"] == {"words": 1}
    epochs = opened(kind=b"epoch")
    assert epochs.words.empty and epochs.metadata["events_left_out"] == ["words"]


def test_a_segment_without_samples_costs_nothing(opened):
    recording = opened(
        sizes=(600, 0), starts=(0.0, 5.0), events=(np.array([0.003]), np.array([5.004, 5.006]))
    )
    assert recording.streams["broadband"].n_samples == 600


def test_the_readers_class_is_told(opened):
    assert opened().metadata["read_by"] == "neo.rawio.FakeRawIO"


def test_times_of_segments_that_touch_are_no_overlap(opened):
    later = {
        "events": (np.array([0.003]), np.array([0.014, 0.016])),
        "spikes": (np.array([]), np.array([0.011])),
    }
    assert opened(starts=(0.0, 0.01), **later).duration_s == pytest.approx(0.02)
