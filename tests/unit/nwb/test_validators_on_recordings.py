"""No validator finds a violation in files of real recordings, and in one with raw data and many spikes."""

import datetime as dt
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from session_to_package import CONFIG, N_CHANNELS, RATE_HZ, full_session, stream

from evoalign import tables
from evoalign.formats.opening import open_recording
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.validate import FATAL, validate
from evoalign.nwb.write import write_nwb
from evoalign.sorting.tables import SPIKES, UNITS

DATA = Path(__file__).parents[4] / "shared/data"
FILES = {
    "plexon/File_plexon_3.plx": (),
    "plexon/NC16FPSPKEVT_1m.pl2": (),
    "blackrock/file_spec_3_0.nev": (),
    "blackrock/pause_correct.nev": ("blackrock/pause_correct.ns2",),
}
EMBED = CONFIG.model_copy(update={"nwb": Nwb(raw="embed")})


def assert_clean(path):
    found = validate(path, EMBED)
    grave = found[found["importance"].isin(FATAL) | (found["tool"] == "dandi")]
    assert grave.empty, grave.to_string()


@pytest.mark.parametrize("file", FILES)
def test_files_of_real_recordings_are_clean(tmp_path, file):
    if not (DATA / file).exists():
        pytest.skip(f"{file} is not beside the checkout")
    recording = open_recording([str(DATA / part) for part in (file, *FILES[file])])
    online = recording.online_spikes
    contents = SessionContents(
        metadata=SessionMetadata("real", "Animal", recorder=recording.format),
        start=(recording.start or dt.datetime(2020, 1, 1)).replace(tzinfo=dt.UTC),
        channels=recording.channels,
        segments=recording.segments,
        words=recording.words,
        streams=recording.streams,
        **online_units(recording, online),
    )
    write_nwb(tmp_path / "real.nwb", contents, EMBED)
    assert read_nwb(tmp_path / "real.nwb").spikes.equals(contents.spikes)
    assert_clean(tmp_path / "real.nwb")


def online_units(recording, online):
    """Each (channel, online unit) of the recording as a unit."""
    if online.empty:
        return {}
    numbers = online.groupby(["channel", "unit"]).ngroup()
    spikes = tables.conform(pd.DataFrame({"unit": numbers, "time_s": online["time_s"]}), SPIKES)
    nan = float("nan")
    rows = [
        (number, "online", channel, vendor, "", len(own), len(own) / recording.duration_s,
         nan, nan, nan, nan, nan, "mua", False, nan, nan, nan, nan)
        for number, ((channel, vendor), own) in enumerate(online.groupby(["channel", "unit"]))
    ]  # fmt: skip
    units = pd.DataFrame(rows, columns=UNITS.names)
    return {"units": tables.conform(units, UNITS), "spikes": spikes}


def test_a_file_with_raw_data_and_a_million_spikes_is_clean_and_holds_the_counts(tmp_path):
    contents = full_session(tmp_path / "images")
    rng = np.random.default_rng(2)
    ticks = np.sort(rng.choice(np.arange(1, 2_000_000 * 3), 1_000_000, replace=False))
    contents.spikes = pd.DataFrame({"unit": rng.integers(0, 9, len(ticks)), "time_s": ticks / RATE_HZ})
    contents.streams = {"broadband": stream(n=400_000, segments=2)}
    write_nwb(tmp_path / "large.nwb", contents, EMBED)
    assert_clean(tmp_path / "large.nwb")
    with h5py.File(tmp_path / "large.nwb") as file:
        for segment in (0, 1):
            data = file[f"acquisition/broadband_segment{segment}/data"]
            wanted = contents.streams["broadband"].read(segment, 0, 400_000)
            assert data.shape == (400_000, N_CHANNELS) and np.array_equal(data[:], wanted)
