"""Adding a constant to every time of a recording changes nothing but the times, in every format we write."""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_spikes import GAIN, make_channels, make_truth

from evoalign import tables
from evoalign.events.tables import PRESENTATIONS
from evoalign.figures.quality import draw_quality
from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.neo_rawio.write_intan import write_intan
from evoalign.formats.neo_rawio.write_neuralynx import write_neuralynx
from evoalign.formats.neo_rawio.write_open_ephys import write_open_ephys
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx.write import write_plx
from evoalign.responses.session_responses import count_spikes
from evoalign.sheet import Session
from evoalign.sorting.session import sort_recording
from evoalign.sorting.settings import Sorting
from evoalign.sorting.stability import with_stability
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS

DURATION_S = 8.0
RATE = 30_000
PAUSE_AT, PAUSE_S = 4 * RATE, 1.0
SHIFTS_S = (3414.0, 56_243.0)
START = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
SETTINGS = Sorting(min_unsorted_spikes=5, reference_min_channels=2)


@dataclass
class Content:
    """What is written: samples, and the times of words and online spikes from the first sample on, s."""

    counts: np.ndarray = field(default_factory=lambda: make_truth(DURATION_S)[0])
    trains: list = field(default_factory=lambda: make_truth(DURATION_S)[1])

    def tables(self, shift_s, source="digital"):
        times = [train / RATE + PAUSE_S * (train >= PAUSE_AT) + shift_s for train in self.trains]
        units = [(channel, unit) for channel, unit in ((1, 1), (1, 2), (2, 1))]
        spikes = pd.concat(
            [
                pd.DataFrame({"channel": c, "unit": u, "time_s": t})
                for (c, u), t in zip(units, times, strict=True)
            ]
        )
        on_s = 0.5 + 0.3 * np.arange(25) + shift_s
        word = np.arange(25) % 7 + 1
        return spikes, pd.DataFrame({"time_s": on_s, "word": word, "source": source})


CONTENT = Content()


def write_blackrock(folder, shift_s, streams=True, field_potentials=False):
    spikes, words = CONTENT.tables(shift_s)
    write_nev(folder / "a.nev", channels=[1, 2, 3, 4], spikes=spikes, words=words, start=START)
    more = {"channel_ids": [1, 2, 3, 4], "gain_uv": GAIN, "start": START, "first_tick": round(shift_s * RATE)}
    if streams:
        pauses = [(PAUSE_AT, round(PAUSE_S * RATE))]
        write_nsx(folder / "a.ns6", [CONTENT.counts], pauses=pauses, **more)
    if field_potentials:
        slow = CONTENT.counts[::30]
        write_nsx(folder / "a.ns2", [slow], sampling_rate_hz=1000, pauses=[(4000, 1000)], **more)
    return sorted(folder.iterdir())


def write_plexon(suffix):
    def write(folder, shift_s):
        spikes, words = CONTENT.tables(shift_s, "strobed")
        writer = {"plx": write_plx, "pl2": write_pl2}[suffix]
        writer(
            folder / f"a.{suffix}", [CONTENT.counts], names=[f"WB{k:03}" for k in range(1, 5)], gain_uv=GAIN,
            sampling_rate_hz=RATE, clock_hz=RATE, first_tick=round(shift_s * RATE),
            spike_channels=[1, 2, 3, 4], spikes=spikes, words=words, pauses=[(PAUSE_AT, PAUSE_S)],
            start=START,
        )  # fmt: skip
        return [folder / f"a.{suffix}"]

    return write


def write_intan_file(folder, shift_s):
    # The counter begins later; words lie where the counter says.
    words = CONTENT.tables(shift_s)[1]
    pauses = [(0, round(shift_s * RATE))] if shift_s else []
    write_intan(folder / "a.rhd", [CONTENT.counts], n_channels=4, words=words, pauses=pauses)
    return [folder / "a.rhd"]


def write_other(rig):
    def write(folder, shift_s):
        # The first stamp is moved; these writers take times from the first sample on.
        spikes, words = CONTENT.tables(0.0)
        pauses = [(PAUSE_AT, round(PAUSE_S * RATE))]
        if rig == "neuralynx":
            write_neuralynx(
                folder / "a", [CONTENT.counts], names=[f"CSC{k}" for k in range(1, 5)], gain_uv=[GAIN] * 4,
                words=words, spikes=spikes, start=START, first_stamp=round(shift_s * 1e6), pauses=pauses,
            )  # fmt: skip
        else:
            write_open_ephys(
                folder / "a", [CONTENT.counts], n_channels=4, gain_uv=GAIN, words=words, spikes=spikes,
                first_sample=round(shift_s * RATE), pauses=pauses,
            )  # fmt: skip
        return [folder / "a"]

    return write


WRITERS = {
    "blackrock": write_blackrock,
    "blackrock online alone": lambda folder, shift_s: write_blackrock(folder, shift_s, streams=False),
    "blackrock online and ns2": lambda folder, shift_s: write_blackrock(folder, shift_s, False, True),
    "plx": write_plexon("plx"),
    "pl2": write_plexon("pl2"),
    "intan": write_intan_file,
    "neuralynx": write_other("neuralynx"),
    "open ephys": write_other("open ephys"),
}
# Their time 0 is the first sample, by the reader.
FROM_FIRST_SAMPLE = ("intan", "neuralynx", "open ephys")


def chain(folder, name, shift_s):
    """Recording, units with baselines, responses and the quality page of a recording that began at a time."""
    folder.mkdir()
    recording = open_recording(WRITERS[name](folder, shift_s))
    by = 0.0 if name in FROM_FIRST_SAMPLE else shift_s
    channels = make_channels(4, "A") if recording.streams else recording.channels
    row = Session(session="s", subject="A", raw=("a.nev",), preferred="1a")
    found = sort_recording(recording, channels, recording.online_spikes, row, SETTINGS, 0)
    onset_s = recording.words["time_s"].to_numpy()
    shown = tables.empty(PRESENTATIONS).reindex(range(len(onset_s)))
    shown = shown.assign(onset_s=onset_s, valid=True, block=np.arange(len(onset_s)) // 5)
    units = with_stability(found.units, found.spikes, shown, (0, 45))
    counts = count_spikes(found.spikes, units["unit"].tolist(), onset_s, -50, 250)
    nothing = tables.empty(ARTEFACTS), SETTINGS
    page = draw_quality(
        units, found.spikes, found.waveforms, channels, tables.empty(BAD_CHANNELS), *nothing,
        segments=recording.segments,
    )[1]  # fmt: skip
    return recording, found, units, counts, page, by


@pytest.fixture(scope="module")
def at_zero(tmp_path_factory):
    made = {}

    def of(name):
        if name not in made:
            made[name] = chain(tmp_path_factory.mktemp("zero") / "a", name, 0.0)
        return made[name]

    return of


def moved_back(frame, by):
    """A table whose times began `by` s later, to a nanosecond."""
    times = [name for name in frame.columns if name in ("time_s", "start_s", "stop_s")]
    return frame.assign(**{name: (frame[name] - by).round(9) for name in times})


@pytest.mark.parametrize("shift_s", SHIFTS_S)
@pytest.mark.parametrize("name", WRITERS)
def test_a_constant_added_to_all_times_changes_nothing_but_the_times(name, shift_s, at_zero, tmp_path):
    recording, found, units, counts, page, by = chain(tmp_path / "b", name, shift_s)
    recording_0, found_0, units_0, counts_0, page_0, _ = at_zero(name)
    for table in ("segments", "words", "online_spikes", "channels"):
        pd.testing.assert_frame_equal(
            moved_back(getattr(recording, table), by), moved_back(getattr(recording_0, table), 0.0),
            rtol=0, atol=2e-9,
        )  # fmt: skip
    assert recording.duration_s == recording_0.duration_s
    assert {**recording.descriptor(), "facts": 0} == {**recording_0.descriptor(), "facts": 0}
    # Labels, rates, presence, waveforms, baselines and drift: the same to the last digit but of sums.
    pd.testing.assert_frame_equal(units, units_0, rtol=1e-9)
    pd.testing.assert_frame_equal(found.waveforms, found_0.waveforms, rtol=1e-9)
    pd.testing.assert_frame_equal(
        moved_back(found.spikes, by), moved_back(found_0.spikes, 0.0), rtol=0, atol=2e-9
    )
    np.testing.assert_array_equal(counts, counts_0)
    assert set(page) == set(page_0)
    for panel in page:
        pd.testing.assert_frame_equal(moved_back(page[panel], by), moved_back(page_0[panel], 0.0), rtol=1e-6)


def test_rates_of_online_units_are_over_recorded_time(at_zero):
    """8 s recorded and a pause of 1 s: not over the pause, nor over the hours before the first sample."""
    for name in ("blackrock online and ns2", "blackrock"):
        units = at_zero(name)[2]
        online = units[units["kind"] == "online"]
        wanted = [len(train) / DURATION_S for train in CONTENT.trains]
        np.testing.assert_allclose(online["rate_hz"], wanted, rtol=0.01)
        assert (online["presence_ratio"] > 0.7).all()


def test_files_of_the_writers_are_those_that_are_tried(at_zero):
    """A new writer of recordings is tried here too."""
    import evoalign.formats

    root = Path(evoalign.formats.__file__).parent
    writers = {path.parent.name + "/" + path.stem for path in root.glob("*/write*.py")}
    parts = {"write_packets", "write_samples", "write_headers", "write_blocks"}
    assert {name for name in writers if name.split("/")[1] not in parts} == {
        "blackrock/write", "monkeylogic/write", "neo_rawio/write_intan", "neo_rawio/write_neuralynx",
        "neo_rawio/write_open_ephys", "pl2/write", "plx/write",
    }  # fmt: skip
