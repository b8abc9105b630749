"""Of another lab's NWB file, what is not known is told as unknown: never 0, never electrode 1, 2, .."""

import datetime as dt

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile
from session_to_package import CONFIG

from evoalign.errors import InputError
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.write import write_nwb
from evoalign.responses.session_responses import responses_from
from evoalign.responses.settings import Responses
from evoalign.sheet import Session

TRIALS = Nwb(presentations="trials", columns={"image": "picture"})
ROW = Session(session="there", subject="Cay", nwb="x.nwb", preferred="20", spaces=("texture", "object"))
ONSETS = 1.0 + np.arange(10)


def plain(
    path, *, electrodes=((0,), (1,), (2,)), observed=None, invalid=(), ragged=False, link=True, shift_s=0.0
):
    """Three units with 100 spikes each in 1 s to 11 s, ten pictures a second apart."""
    nwb = NWBFile("a", "b", dt.datetime(2020, 1, 2, tzinfo=dt.UTC), session_id="s")
    group = nwb.create_electrode_group("g", "d", "IT", nwb.create_device(name="p"))
    for number in (10, 20, 30):
        nwb.add_electrode(id=number, location=f"area{number}", group=group)
    for unit in range(3):
        more = {"electrodes": list(electrodes[unit])} if link else {}
        more |= {"obs_intervals": np.array(observed[unit]) + shift_s} if observed else {}
        nwb.add_unit(id=unit, spike_times=np.linspace(1, 11, 100) + shift_s, **more)
    nwb.add_trial_column("picture", "shown", index=ragged)
    for k, onset in enumerate(ONSETS):
        names = ["face", "hand"] if k == 3 else [f"im{k % 5}"]
        picture = names if ragged else names[0]
        nwb.add_trial(start_time=onset + shift_s, stop_time=onset + 0.1 + shift_s, picture=picture)
    for start, stop, *tag in invalid:
        nwb.add_invalid_time_interval(start_time=start + shift_s, stop_time=stop + shift_s, tags=tag)
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return path


@pytest.mark.parametrize(
    ("electrodes", "channel"),
    [
        (((0,), (1,), ()), [10, 20, -1]),
        (((), (1,), (2,)), [-1, 20, 30]),
        (((2, 0), (), ()), [30, -1, -1]),
        (((0,), (1,), (2,)), [10, 20, 30]),
    ],
)
def test_a_unit_without_electrodes_has_no_channel_and_no_area(tmp_path, electrodes, channel):
    units = read_nwb(plain(tmp_path / "a.nwb", electrodes=electrodes), TRIALS, ROW).units
    assert units["channel"].tolist() == channel
    assert units["area"].tolist() == [f"area{c}" if c > 0 else "" for c in channel]
    assert units["preferred"].tolist() == [c == 20 for c in channel]


def test_units_without_a_column_of_electrodes_take_none(tmp_path):
    path = plain(tmp_path / "a.nwb", link=False)
    for row in (ROW, ROW.model_copy(update={"preferred": ""}), None):
        units = read_nwb(path, TRIALS, row).units
        assert units["channel"].tolist() == [-1] * 3
        assert units["area"].tolist() == [""] * 3
        assert not units["preferred"].any()


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_column_of_electrodes_without_an_index_is_read(tmp_path, shape):
    path = plain(tmp_path / "a.nwb", electrodes=((2,), (1,), (0,)))
    with h5py.File(path, "r+") as file:
        units = file["units"]
        attributes = dict(units["electrodes"].attrs)
        rows = units["electrodes"][:].reshape(shape)
        del units["electrodes_index"], units["electrodes"]
        data = units.create_dataset("electrodes", data=rows)
        data.attrs.update(attributes)
    assert read_nwb(path, TRIALS, ROW).units["channel"].tolist() == [30, 20, 10]


def test_columns_of_one_are_as_matnwb_stores_them(tmp_path):
    path = plain(tmp_path / "a.nwb")
    expected = read_nwb(path, TRIALS, ROW).presentations
    with h5py.File(path, "r+") as file:
        for name in ("picture", "start_time", "stop_time"):
            column = file["intervals/trials"][name]
            values, attributes, dtype = column[:], dict(column.attrs), column.dtype
            del file["intervals/trials"][name]
            data = file["intervals/trials"].create_dataset(name, data=values.reshape(-1, 1), dtype=dtype)
            data.attrs.update(attributes)
    found = read_nwb(path, TRIALS, ROW).presentations
    assert found.equals(expected)
    assert found["image"][0] == "im0"


def test_a_ragged_column_of_texts_is_its_texts(tmp_path):
    shown = read_nwb(plain(tmp_path / "a.nwb", ragged=True), TRIALS, ROW).presentations
    assert shown["image"].tolist() == [
        "im0",
        "im1",
        "im2",
        "face;hand",
        "im4",
        "im0",
        "im1",
        "im2",
        "im3",
        "im4",
    ]


@pytest.mark.parametrize(
    ("invalid", "reasons"),
    [
        ([(2.9, 4.05, "artefact")], {2: "artefact", 3: "artefact"}),
        ([(3.05, 3.06, "a", "b")], {2: "a;b"}),
        ([(0.0, 1.0, "before")], {}),  # it ends as the first picture comes
        ([(5.0, 5.2)], {4: None}),
    ],
)
def test_presentations_in_an_invalid_time_are_not_valid(tmp_path, invalid, reasons):
    shown = read_nwb(plain(tmp_path / "a.nwb", invalid=invalid), TRIALS, ROW).presentations
    assert shown.index[~shown["valid"]].tolist() == list(reasons)
    for row, tag in reasons.items():
        text = "in an invalid time of the file"
        assert shown["reason"][row] == (f"{text}: {tag}" if tag else text)


@pytest.mark.parametrize(
    "stored", [np.array([1, 0] * 5, bool), np.array([1.0, 0.0] * 5), np.array([1, 0] * 5)]
)
def test_presentations_that_the_file_calls_not_valid_have_a_reason(tmp_path, stored):
    path = plain(tmp_path / "a.nwb", invalid=[(1.9, 2.2, "artefact")])
    with NWBHDF5IO(str(path), "a") as io:
        nwb = io.read()
        nwb.trials.add_column("fixated", "kept fixation", data=stored)
        io.write(nwb)
    settings = TRIALS.model_copy(update={"columns": TRIALS.columns | {"valid": "fixated"}})
    shown = read_nwb(path, settings, ROW).presentations
    assert shown["valid"].tolist() == [True, False] * 5
    marked = "marked as not valid in the file"
    # Where the file says more than that, it is told.
    assert shown["reason"].tolist() == ["", "in an invalid time of the file: artefact", *["", marked] * 4]


HALF = [[[1.0, 11.0]], [[1.0, 6.0]], [[1.0, 3.0], [3.0, 4.0], [8.0, 11.0]]]


@pytest.mark.parametrize("shift_s", [0.0, 3414.0, 56243.0])
def test_rates_are_over_observed_time_and_nothing_is_known_outside(tmp_path, shift_s):
    found = read_nwb(plain(tmp_path / "a.nwb", observed=HALF, shift_s=shift_s), TRIALS, ROW)
    np.testing.assert_allclose(found.units["rate_hz"], [100 / 10, 100 / 5, 100 / 6])
    # The preferred unit, on electrode 20, was observed until 6 s, the first all the time.
    assert found.presentations["valid"].all()
    recorded = responses_from(found, Responses()).recorded
    # Of the first presentation the 50 ms before its onset, at 1 s, were not observed.
    assert recorded[0, 1:].all() and recorded[1].tolist() == [False, *[True] * 4, *[False] * 5]
    alone = [HALF[1]] * 3
    shown = read_nwb(plain(tmp_path / "b.nwb", observed=alone, shift_s=shift_s), TRIALS, ROW).presentations
    assert shown["valid"].tolist() == [True] * 5 + [False] * 5
    assert set(shown["reason"][5:]) == {"no unit was observed (obs_intervals)"}


def test_without_observation_a_rate_does_not_depend_on_when_the_clock_started(tmp_path):
    rates = [
        read_nwb(plain(tmp_path / f"{k}.nwb", shift_s=shift_s), TRIALS, ROW).units["rate_hz"]
        for k, shift_s in enumerate((0.0, 3414.0, 56243.0))
    ]
    for rate in rates:
        np.testing.assert_allclose(rate, 100 / 10)


def test_a_damaged_index_is_named(tmp_path):
    path = plain(tmp_path / "a.nwb", observed=HALF)
    with h5py.File(path, "r+") as file:
        file["units/obs_intervals_index"][-1] = 99
    with pytest.raises(InputError, match="times of observation") as error:
        read_nwb(path, TRIALS, ROW)
    assert error.value.where.endswith("/units/obs_intervals")


def test_what_a_file_says_of_observation_is_written_and_read_again(tmp_path):
    theirs = read_nwb(plain(tmp_path / "a.nwb", observed=HALF), TRIALS, ROW)
    write_nwb(tmp_path / "ours.nwb", theirs, CONFIG)
    ours = read_nwb(tmp_path / "ours.nwb")
    assert sorted(ours.unobserved) == sorted(theirs.unobserved) == [0, 1, 2]
    before, after = (responses_from(contents, Responses()).recorded for contents in (theirs, ours))
    np.testing.assert_array_equal(before, after)
    assert not before[1].all()
    with NWBHDF5IO(str(tmp_path / "ours.nwb"), "r") as io:
        spans = io.read().units.get_unit_obs_intervals(2)
    np.testing.assert_array_equal(spans, [[1.0, 4.0], [8.0, 11.0]])
