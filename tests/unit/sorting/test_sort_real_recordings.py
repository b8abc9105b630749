"""Recordings of real rigs come out as far as their content allows."""

from pathlib import Path

import numpy as np
import pytest

from evoalign.formats.opening import open_recording
from evoalign.sheet import Session
from evoalign.sorting.session import sort_recording
from evoalign.sorting.settings import Sorting

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="real recordings (../shared/data) are not here")


@pytest.mark.parametrize(
    "names",
    [
        ("plexon/File_plexon_1.plx",),
        ("plexon/File_plexon_3.plx",),
        ("plexon/NC16FPSPKEVT_1m.pl2",),
        ("blackrock/file_spec_3_0.nev",),
        ("blackrock/pause_correct.nev", "blackrock/pause_correct.ns2"),
    ],
)
def test_online_units_come_out_with_the_vendors_spikes(names):
    files = [DATA / name for name in names]
    recording = open_recording(files)
    online = recording.online_spikes
    session = Session(session="real", subject="x", raw=tuple(map(str, files)))
    result = sort_recording(recording, recording.channels, online, session, Sorting(), seed=0)
    units = result.units[result.units["kind"] == "online"]
    assert len(units) > 0
    for unit in units.itertuples():
        own = online[(online["channel"] == unit.channel) & (online["unit"] == unit.vendor_unit)]
        assert unit.n_spikes == len(own)
        times = result.spikes.loc[result.spikes["unit"] == unit.unit, "time_s"]
        np.testing.assert_array_equal(times, np.sort(own["time_s"]))
    assert units["rate_hz"].between(0, 1000).all()
