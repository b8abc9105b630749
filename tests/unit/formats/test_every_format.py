"""What holds in every format that is written here: of renamed channels, of zones of the reading machine."""

import datetime as dt
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.neo_rawio.write_intan import write_intan
from evoalign.formats.neo_rawio.write_neuralynx import write_neuralynx
from evoalign.formats.neo_rawio.write_open_ephys import write_open_ephys
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx.write import write_plx

START = dt.datetime(2024, 7, 6, 7, 8, 9, tzinfo=dt.UTC)
COUNTS = np.random.default_rng(0).integers(-500, 500, (3000, 4)).astype(np.int16)


def nsx(folder, names, start=START):
    write_nsx(
        folder / "a.ns6", [COUNTS], channel_ids=[1, 2, 3, 129], labels=names,
        gain_uv=[0.25, 0.25, 0.25, 152.6], start=start,
    )  # fmt: skip
    return folder / "a.ns6"


def nev(folder, names, start=START):
    write_nev(folder / "a.nev", channels=[1, 2], start=start)
    return folder / "a.nev"


def plexon(write, suffix):
    def write_one(folder, names, start=START):
        write(folder / f"a{suffix}", [COUNTS], names=names, gain_uv=1.0, sampling_rate_hz=40_000, start=start)
        return folder / f"a{suffix}"

    return write_one


def neuralynx(folder, names, start=START):
    write_neuralynx(folder / "a", [COUNTS], names=names, gain_uv=[0.1] * 4, start=start)
    return folder / "a"


def intan(folder, names, start=None):
    write_intan(folder / "a.rhd", [COUNTS], n_channels=3, analog=names[3:])
    return folder / "a.rhd"


def open_ephys(folder, names, start=None):
    write_open_ephys(folder / "a", [COUNTS], n_channels=3, analog=names[3:])
    return folder / "a"


# Formats whose header tells what a channel is, whatever its name.
TOLD = {"blackrock": nsx, "intan": intan, "open ephys": open_ephys}
# Those where the name alone does: an input is one that is called so.
NAMED = {"plx": plexon(write_plx, ".plx"), "neuralynx": neuralynx}
STARTED = {"nsx": nsx, "nev": nev, "pl2": plexon(write_pl2, ".pl2"), **NAMED}
WB = ["WB001", "WB002", "WB003", "WB004"]


def facts(path):
    """All of the channels but their names."""
    return open_recording([path]).channels.drop(columns=["label"], errors="ignore").drop(columns=["name"])


NAMES = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\/:'), min_size=1, max_size=12
)


@pytest.mark.parametrize("system", TOLD)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES.map(str.strip).filter(bool), min_size=4, max_size=4, unique=True))
def test_a_renamed_channel_is_the_same_channel(system, names, tmp_path_factory):
    """Of Open Ephys and Intan the input alone is renamed; its number may follow its name."""
    if "sync" in names[3].lower():
        return  # Open Ephys calls its own clock so
    plain, renamed = (
        facts(TOLD[system](tmp_path_factory.mktemp("r"), each))
        for each in (["CH1", "CH2", "CH3", "ADC1"], names)
    )
    assert renamed["kind"].tolist() == plain["kind"].tolist() == ["neural"] * 3 + ["analog"]
    assert renamed["channel"].tolist()[:3] == plain["channel"].tolist()[:3] == [1, 2, 3]
    assert renamed["channel"].iloc[3] not in (1, 2, 3)
    assert renamed.drop(columns="channel").equals(plain.drop(columns="channel"))


@pytest.mark.parametrize("system", NAMED)
@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["M1-1", "M1-2", "M1-3", "Photodiode"], [1, 2, 3, 10_004]),
        (["V4_12", "V4_13", "V1 14", "eye x"], [12, 13, 14, 10_004]),
        (["A1", "A2", "B1", "B2"], [1, 2, 3, 4]),
        (["left", "right", "up", "down"], [1, 2, 3, 4]),
    ],
)
def test_where_names_tell_what_a_channel_is_no_two_are_one(system, names, numbers, tmp_path):
    channels = facts(NAMED[system](tmp_path, names))
    assert sorted(channels["channel"]) == sorted(numbers)
    assert [kind == "analog" for kind in channels["kind"]] == [number > 10_000 for number in sorted(numbers)]


@pytest.mark.parametrize("system", STARTED)
def test_a_recording_begins_when_its_header_says_under_every_zone(system, tmp_path, monkeypatch):
    begins = set()
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        (tmp_path / zone.replace("/", "_")).mkdir()
        path = STARTED[system](tmp_path / zone.replace("/", "_"), WB)
        recording = open_recording([path])
        begins.add((str(recording.start), recording.descriptor()["start"]))
    monkeypatch.undo()
    time.tzset()
    assert len(begins) == 1
    assert next(iter(begins))[0].startswith("2024-07-06 07:08:09")
