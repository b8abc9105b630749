"""Files of NWB schemas 2.2 to 2.9, with vectors as MATLAB stores them and with other names, are read alike.

What differs between versions was seen on files that pynwb 1.3.3, 1.5.1, 2.0.1, 2.1.0, 2.2.0, 2.3.3, 2.8.3,
3.0.0 and 3.1.3 wrote of the same content; here it is put into a file of today's pynwb.
"""

import datetime as dt

import h5py
import numpy as np
import pandas as pd
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.core import DynamicTable
from pynwb.epoch import TimeIntervals
from pynwb.file import Subject

from evoalign.errors import InputError
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.sheet import Session

COLUMNS = {"image": "picture", "valid": "kept"}
TRIALS = Nwb(presentations="trials", columns=COLUMNS, unit_columns={"label": "quality"})
ROW = Session(session="there", subject="Cay", nwb="x.nwb", preferred="20")
ONSETS = 1.0 + np.arange(10)
TRAINS = [np.linspace(1, 11, 100 + 10 * unit) for unit in range(3)]
VERSIONS = ("2.2.5", "2.3.0", "2.4.0", "2.5.0", "2.6.0", "2.7.0", "2.8.0", "2.9.0")
ELECTRODES = "general/extracellular_ephys/electrodes"


def write(path, interval_table=None):
    """Three units, ten pictures a second apart of which one was not kept, one invalid time."""
    nwb = NWBFile("d", "id", dt.datetime(2020, 1, 2, 8, tzinfo=dt.UTC), session_id="s")
    nwb.subject = Subject(subject_id="Cay", species="Macaca mulatta", sex="M", age="P5Y", description="x")
    group = nwb.create_electrode_group("g", "d", "IT", nwb.create_device(name="probe"))
    for number in (10, 20, 30):
        more = {"x": 1.0, "y": 2.0, "z": 3.0, "imp": np.nan, "filtering": "none"}
        nwb.add_electrode(id=number, location="IT", group=group, **more)
    nwb.add_unit_column("quality", "by hand")
    for unit, train in enumerate(TRAINS):
        quality, observed = ("good", "mua", "good")[unit], np.array([[0.0, 12.0]])
        nwb.add_unit(id=unit, spike_times=train, electrodes=[unit], quality=quality, obs_intervals=observed)
    table = TimeIntervals(name="trials", description="shown") if interval_table is None else interval_table
    for name in ("picture", "kept"):
        table.add_column(name, "theirs")
    for k, onset in enumerate(ONSETS):
        add = table.add_interval if isinstance(table, TimeIntervals) else table.add_row
        add(start_time=onset, stop_time=onset + 0.1, picture=f"im{k % 5}", kept=k != 3)
    if interval_table is None:
        nwb.trials = table
    elif isinstance(table, TimeIntervals) and table.name != "elsewhere":
        nwb.add_time_intervals(table)
    else:
        nwb.create_processing_module("behavior", "theirs").add(table)
    nwb.add_invalid_time_interval(start_time=4.9, stop_time=5.2, tags=["artefact"])
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("today") / "a.nwb")


@pytest.fixture
def copy(written, tmp_path):
    path = tmp_path / "a.nwb"
    path.write_bytes(written.read_bytes())
    return path


def check(path, settings=TRIALS):
    """What was written, whatever the layout."""
    found = read_nwb(path, settings, ROW)
    assert found.units["channel"].tolist() == [10, 20, 30]
    assert found.units["label"].tolist() == ["good", "mua", "good"]
    assert found.units["area"].tolist() == ["IT"] * 3
    assert found.units["preferred"].tolist() == [False, True, False]
    np.testing.assert_allclose(found.units["rate_hz"], [len(train) / 12 for train in TRAINS])
    for unit, train in enumerate(TRAINS):
        np.testing.assert_array_equal(found.spikes.loc[found.spikes["unit"] == unit, "time_s"], train)
    shown = found.presentations
    assert shown["image"].tolist() == [f"im{k % 5}" for k in range(10)]
    np.testing.assert_array_equal(shown["onset_s"], ONSETS)
    np.testing.assert_array_equal(shown["offset_s"], ONSETS + 0.1)
    assert shown["valid"].tolist() == [k not in (3, 4) for k in range(10)]
    assert found.start == dt.datetime(2020, 1, 2, 8, tzinfo=dt.UTC)
    return found


def replaced(file, name, values, **options):
    """Store other values under a dataset's name, with its attributes."""
    attributes = dict(file[name].attrs)
    del file[name]
    data = file.create_dataset(name, data=values, **options)
    data.attrs.update(attributes)
    if f"{name}_index" in file:
        file[f"{name}_index"].attrs["target"] = data.ref


def as_version(path, version):
    """Bring a file of today's pynwb to the layout of an older schema."""
    number = tuple(map(int, version.split(".")))
    with h5py.File(path, "r+") as file:
        file.attrs["nwb_version"] = version
        # The specifications that lie in the file are those of its own time, or none at all.
        del file["specifications"]
        if ".specloc" in file.attrs:
            del file.attrs[".specloc"]
        if number < (2, 9):
            file[ELECTRODES].attrs["neurodata_type"] = "DynamicTable"
            file[ELECTRODES].attrs["namespace"] = "hdmf-common"
        if number < (2, 6):
            del file["general/subject/age"].attrs["reference"]
            order = ["x", "y", "z", "imp", "location", "filtering", "group", "group_name"]
            file[ELECTRODES].attrs["colnames"] = np.array(order, dtype=h5py.string_dtype())
        if number < (2, 3):
            for index in ("spike_times_index", "electrodes_index", "obs_intervals_index"):
                replaced(file, f"units/{index}", file["units"][index][:].astype(np.int64))
    return path


@pytest.fixture(scope="module")
def expected(written):
    return check(written)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_schema_version_is_read_alike(version, copy, expected):
    found = check(as_version(copy, version))
    for table in ("units", "spikes", "presentations", "channels"):
        pd.testing.assert_frame_equal(getattr(found, table), getattr(expected, table))


def all_columns(file):
    """Every column of one dimension but ids, which pynwb takes in one alone, and references."""
    for group in ("units", "intervals/trials", ELECTRODES, "intervals/invalid_times"):
        for name, data in file[group].items():
            is_column = isinstance(data, h5py.Dataset) and data.ndim == 1 and name != "id"
            if is_column and h5py.check_ref_dtype(data.dtype) is None and data.dtype.names is None:
                yield f"{group}/{name}"


def as_column(values):
    return values.reshape(-1, 1)


def test_all_columns_as_matlab_stores_vectors(copy):
    """MatNWB gives MATLAB's column vectors two dimensions: here numbers, texts and indices, all of them."""
    with h5py.File(copy, "r+") as file:
        for name in list(all_columns(file)):
            replaced(file, name, as_column(file[name][:]), dtype=file[name].dtype)
    check(copy)


NAMES = [
    "units/spike_times", "units/spike_times_index", "units/electrodes", "units/electrodes_index",
    "units/quality", "units/obs_intervals_index", "intervals/trials/kept", "intervals/trials/start_time",
    "intervals/trials/picture", f"{ELECTRODES}/location",
]  # fmt: skip
IDS = ["units/id", "intervals/trials/id", f"{ELECTRODES}/id"]


@pytest.mark.parametrize("name", NAMES)
def test_each_column_of_two_dimensions_is_a_vector(name, copy):
    with h5py.File(copy, "r+") as file:
        replaced(file, name, as_column(file[name][:]), dtype=file[name].dtype)
    check(copy)


REFUSED = [(name, (-1, 1)) for name in IDS] + [(name, (1, -1)) for name in (*IDS, *NAMES[1:])]


@pytest.mark.parametrize(("name", "shape"), [case for case in REFUSED if case[0] != "units/electrodes"])
def test_what_pynwb_cannot_read_either_is_refused_in_one_sentence(name, shape, copy):
    with h5py.File(copy, "r+") as file:
        replaced(file, name, file[name][:].reshape(shape), dtype=file[name].dtype)
    with NWBHDF5IO(str(copy), "r") as io, pytest.raises(Exception, match=r"shape|length"):
        io.read()
    with pytest.raises(InputError) as error:
        read_nwb(copy, TRIALS, ROW)
    assert error.value.where in (f"{copy}, /{name}", f"{copy}, /{name.rsplit('/', 1)[0]}")
    assert "pynwb cannot read this object either" in error.value.hint
    assert len(error.value.what) < 150 and "\n" not in error.value.what


def test_ids_that_are_no_whole_numbers_are_refused_in_one_sentence(copy):
    with h5py.File(copy, "r+") as file:
        replaced(file, "units/id", file["units/id"][:].astype(np.float64))
    with pytest.raises(InputError, match="ElementIdentifiers must contain integers") as error:
        read_nwb(copy, TRIALS, ROW)
    assert error.value.where == f"{copy}, /units/id"


def as_numbers(dtype):
    return lambda file: replaced(
        file, "intervals/trials/kept", file["intervals/trials/kept"][:].astype(dtype)
    )


def without_names_of_columns_in_order(file):
    order = list(file["intervals/trials"].attrs["colnames"])
    file["intervals/trials"].attrs["colnames"] = np.array(order[::-1], dtype=h5py.string_dtype())


def as_fixed_length(file):
    replaced(file, "intervals/trials/picture", file["intervals/trials/picture"][:].astype("S8"))


def as_wide_counts(file):
    for index in ("spike_times_index", "electrodes_index"):
        replaced(file, f"units/{index}", file["units"][index][:].astype(np.uint64))


def without_a_zone(file):
    for name in ("session_start_time", "timestamps_reference_time"):
        replaced(file, name, "2020-01-02T08:00:00.000000", dtype=h5py.string_dtype())


LAYOUTS = {
    "flags as bytes": as_numbers(np.uint8),
    "flags as doubles": as_numbers(np.float64),
    "names of columns in another order": without_names_of_columns_in_order,
    "text of fixed length": as_fixed_length,
    "indices of 64 bits": as_wide_counts,
    "a start without a zone": without_a_zone,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_that_other_writers_choose(layout, copy):
    with h5py.File(copy, "r+") as file:
        LAYOUTS[layout](file)
    check(copy)


@pytest.mark.parametrize("version", ["2.2.5", "2.5.0", "2.8.0"])
def test_matlab_vectors_in_older_schemas(version, copy):
    as_version(copy, version)
    test_all_columns_as_matlab_stores_vectors(copy)


@pytest.mark.parametrize("name", ["stimulus_presentations", "elsewhere", "natural images"])
def test_a_table_of_intervals_of_any_name_and_place(name, tmp_path):
    path = write(tmp_path / "a.nwb", TimeIntervals(name=name, description="shown"))
    check(path, TRIALS.model_copy(update={"presentations": name}))


def test_a_plain_table_with_times_is_taken_where_it_is_named(tmp_path):
    table = DynamicTable(name="shown", description="theirs")
    for name in ("start_time", "stop_time"):
        table.add_column(name, "s")
    path = write(tmp_path / "a.nwb", table)
    check(path, TRIALS.model_copy(update={"presentations": "shown"}))


def test_other_names_of_times_are_mapped(copy):
    with h5py.File(copy, "r+") as file:
        trials = file["intervals/trials"]
        for theirs, value in (("on_s", trials["start_time"][:]), ("off_s", trials["stop_time"][:])):
            data = trials.create_dataset(theirs, data=value)
            data.attrs.update(dict(trials["start_time"].attrs) | {"description": theirs})
            data.attrs["neurodata_type"], data.attrs["namespace"] = "VectorData", "hdmf-common"
        trials["start_time"][:] -= 0.5  # of fixation
        names = [*trials.attrs["colnames"], "on_s", "off_s"]
        trials.attrs["colnames"] = np.array(names, dtype=h5py.string_dtype())
    check(copy, TRIALS.model_copy(update={"columns": COLUMNS | {"onset_s": "on_s", "offset_s": "off_s"}}))


def test_a_name_that_is_no_table_is_told_those_there_are(tmp_path):
    path = write(tmp_path / "a.nwb", TimeIntervals(name="elsewhere", description="shown"))
    with pytest.raises(InputError) as error:
        read_nwb(path, TRIALS.model_copy(update={"presentations": "flashes"}), ROW)
    assert "there is no table of intervals 'flashes'" in error.value.what
    assert "elsewhere" in error.value.what and "invalid_times" in error.value.what
