"""Files that plain pynwb wrote enter by a map of their columns."""

import datetime as dt

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.epoch import TimeIntervals

from evoalign.analysis.encoding.features import feature_threads
from evoalign.errors import InputError
from evoalign.nwb.dandi import dandi_path
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.validate import validate
from evoalign.nwb.write import write_nwb
from evoalign.responses.session_responses import responses_from
from evoalign.responses.settings import Responses
from evoalign.responses.store import read_responses, write_responses
from evoalign.sheet import Session
from evoalign.study import Config

COLUMNS = {"image": "stimulus_name", "block": "generation", "thread": "arm", "valid": "kept"}
SETTINGS = Nwb(presentations="flashes", columns=COLUMNS, unit_columns={"label": "quality", "snr": "SNR"})
ROW = Session(session="there", subject="Cay", nwb="x.nwb", preferred="20", spaces=("texture", "object"))
N = 24


def truth():
    rng = np.random.default_rng(5)
    onset = 1 + 0.4 * np.arange(N)
    trains = [np.sort(rng.uniform(0, 12, 200 + 50 * unit)) for unit in range(3)]
    return onset, trains


def write_external(path, electrodes=True):
    onset, trains = truth()
    start = dt.datetime(2020, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    nwb = NWBFile("flashes", "abc", start, session_id="their name")
    if electrodes:
        probe = nwb.create_device(name="probe")
        group = nwb.create_electrode_group("probe0", "shank", "IT", probe)
        for number in (10, 20, 30):
            nwb.add_electrode(id=number, location="IT", group=group, rel_x=1.0 * number, rel_y=0.0)
    nwb.add_unit_column("quality", "by hand")
    nwb.add_unit_column("SNR", "signal to noise")
    for unit, times in enumerate(trains):
        own = {"electrodes": [unit]} if electrodes else {}
        nwb.add_unit(id=100 + unit, spike_times=times, quality=("good", "mua", "good")[unit], SNR=2.5, **own)
    shown = TimeIntervals(name="flashes", description="pictures")
    for name in ("stimulus_name", "generation", "arm", "kept"):
        shown.add_column(name, "theirs")
    for k, time in enumerate(onset):
        shown.add_interval(
            start_time=time, stop_time=time + 0.1, stimulus_name=f"im{k % 5}",
            generation=1.0 + k // 8, arm=k % 2, kept=k != 3,
        )  # fmt: skip
    nwb.add_time_intervals(shown)
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return path


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return write_external(tmp_path_factory.mktemp("external") / "theirs.nwb")


def test_spikes_units_and_presentations_are_those_of_the_file(theirs):
    onset, trains = truth()
    found = read_nwb(theirs, SETTINGS, ROW)
    assert (found.session, found.subject, found.area) == ("there", "Cay", "IT")
    assert found.start == dt.datetime(2020, 1, 2, 8, tzinfo=dt.UTC)
    assert found.units["unit"].tolist() == [100, 101, 102]
    assert found.units["channel"].tolist() == [10, 20, 30]
    assert found.units["preferred"].tolist() == [False, True, False]
    assert found.units["label"].tolist() == ["good", "mua", "good"]
    assert found.units["snr"].tolist() == [2.5] * 3
    for unit, times in enumerate(trains):
        assert np.array_equal(found.spikes.loc[found.spikes["unit"] == 100 + unit, "time_s"], times)
    shown = found.presentations
    assert np.array_equal(shown["onset_s"], onset) and np.array_equal(shown["offset_s"], onset + 0.1)
    assert shown["image"].tolist() == [f"im{k % 5}" for k in range(N)]
    assert shown["repeat"].tolist() == [k // 5 for k in range(N)]
    assert shown["block"].tolist() == [1 + k // 8 for k in range(N)]
    assert shown["space"].tolist() == ["texture", "object"] * (N // 2)
    assert shown.index[~shown["valid"]].tolist() == [3]


def test_counts_equal_a_histogram_of_the_files_spikes(theirs):
    onset, trains = truth()
    responses = responses_from(read_nwb(theirs, SETTINGS, ROW), Responses())
    edges = responses.start_ms + np.arange(responses.counts.shape[2] + 1)
    for row, times in enumerate(trains):
        wanted = [np.histogram(times - time, edges / 1000)[0] for time in onset]
        assert np.array_equal(responses.counts[row], wanted) and np.sum(wanted)


def test_what_was_read_can_be_written_as_a_file_of_ours(theirs, tmp_path):
    found = read_nwb(theirs, SETTINGS, ROW)
    write_nwb(tmp_path / "ours.nwb", found, Config(device="cpu"))
    again = read_nwb(tmp_path / "ours.nwb")
    for name in ("units", "spikes", "presentations"):
        assert getattr(again, name).equals(getattr(found, name))


def test_a_file_without_electrodes_numbers_its_units(tmp_path):
    path = write_external(tmp_path / "bare.nwb", electrodes=False)
    found = read_nwb(path, SETTINGS)
    assert found.units["channel"].tolist() == [1, 2, 3]
    assert found.session == "their name" and set(found.units["area"]) == {""}


@pytest.mark.parametrize(
    ("settings", "what", "where"),
    [
        (Nwb(), "there are: flashes", "/intervals/presentations"),
        (Nwb(presentations="flashes"), "hold 'image'.*stimulus_name", "/intervals/flashes"),
        (Nwb(presentations="flashes", columns={"image": "picture"}), "lacks column", "/flashes/picture"),
        (
            Nwb(presentations="flashes", columns={**COLUMNS, "block": "stimulus_name"}),
            "another kind",
            "/flashes/stimulus_name",
        ),
        (SETTINGS.model_copy(update={"unit_columns": {"snr": "quality"}}), "another kind", "/units/quality"),
    ],
)
def test_a_map_that_does_not_fit_names_the_place_and_what_is_there(theirs, settings, what, where):
    with pytest.raises(InputError, match=what) as caught:
        read_nwb(theirs, settings, ROW)
    assert "theirs.nwb" in caught.value.where and where in caught.value.where and caught.value.hint


@pytest.mark.parametrize("lost", ["units", "units/spike_times_index", "intervals/flashes/start_time"])
def test_an_external_file_that_lacks_an_object_is_one_message(theirs, tmp_path, lost):
    broken = tmp_path / "broken.nwb"
    broken.write_bytes(theirs.read_bytes())
    with h5py.File(broken, "r+") as file:
        del file[lost]
    with pytest.raises(InputError) as caught:
        read_nwb(broken, SETTINGS, ROW)
    assert "broken.nwb" in caught.value.where


def test_a_file_of_ours_without_its_metadata_is_not_taken_for_an_external_one(packaged, tmp_path):
    broken = tmp_path / "broken.nwb"
    broken.write_bytes(packaged[1].read_bytes())
    with h5py.File(broken, "r+") as file:
        del file["processing/misc/facts"]
    with pytest.raises(InputError, match="missing") as caught:
        read_nwb(broken)
    assert "/processing/misc/facts" in caught.value.where


def test_a_file_without_a_subject_has_a_finding_and_no_error(theirs):
    findings = validate(theirs, Config(nwb=SETTINGS))
    own = findings[findings["check"] == "NO_SUBJECT"]
    assert own["importance"].tolist() == ["ERROR"]
    assert "no subject" in own["message"].iloc[0]
    with pytest.raises(InputError, match="no subject"):
        dandi_path(theirs)


def test_vectors_of_images_come_from_a_table_beside_the_file(theirs, tmp_path):
    table = tmp_path / "pixels.tsv"
    table.write_text("image\ta\tb\n" + "".join(f"im{k}\t{k}\t{k * k}\n" for k in range(4)))
    row = Session.model_validate(ROW.model_dump() | {"latents": str(table), "spaces": ()})
    found = read_nwb(theirs, SETTINGS, row)
    assert found.metadata.spaces == ("pixels",) and set(found.presentations["space"]) == {"pixels"}
    for shown in found.presentations.itertuples():
        codes, names = found.latents[shown.block, shown.thread]
        number = int(shown.image.removeprefix("im"))
        assert shown.latent_row == (names.index(shown.image) if number < 4 else -1)
        assert number == 4 or codes[shown.latent_row].tolist() == [number, number**2]

    alone = SETTINGS.model_copy(update={"columns": {"image": "stimulus_name"}})
    responses = responses_from(read_nwb(theirs, alone, row), Responses())
    assert set(responses.presentations["block"]) == {-1} and responses.spaces == ("pixels",)
    write_responses(responses, tmp_path / "r.zarr")
    stored = read_responses(tmp_path / "r.zarr")
    assert stored.spaces == responses.spaces and list(stored.codes) == [(-1, 0)]
    assert feature_threads(stored)[0].latents.tolist() == [[k, k * k] for k in range(4)]

    write_nwb(tmp_path / "ours.nwb", found, Config(device="cpu"))
    with pytest.raises(InputError, match="holds the session's own latents"):
        read_nwb(tmp_path / "ours.nwb", SETTINGS, row)
