"""The outline of a file is what reading it whole gives; what is not this pipeline's is left to that."""

import dataclasses
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from pynwb import NWBHDF5IO, NWBFile
from session_to_package import CONFIG, START

from evoalign.errors import InputError
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.outline import outline_of, read_outline
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.write import write_nwb


def assert_is_outline(path):
    outline, contents = read_outline(path), read_nwb(path)
    expected = outline_of(contents, len(contents.images))
    for field in dataclasses.fields(expected):
        value, in_outline = getattr(expected, field.name), getattr(outline, field.name)
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(in_outline, value, check_exact=True, obj=field.name)
        else:
            assert in_outline == value, field.name


def test_the_outline_of_a_full_session_is_that_of_its_contents(packaged):
    assert_is_outline(packaged[1])


def test_so_is_that_of_a_zarr_folder(contents, tmp_path):
    path = tmp_path / "s1.nwb.zarr"
    write_nwb(path, contents, CONFIG.model_copy(update={"nwb": Nwb(backend="zarr")}))
    assert_is_outline(path)


def test_so_is_that_of_a_session_with_nothing_in_it(tmp_path):
    path = tmp_path / "s1.nwb"
    write_nwb(path, SessionContents(metadata=SessionMetadata("s1", "A"), start=START), CONFIG)
    assert_is_outline(path)


def test_a_file_of_another_tool_has_none(tmp_path):
    with NWBHDF5IO(str(tmp_path / "a.nwb"), "w") as io:
        io.write(NWBFile("theirs", "abc", START))
    assert read_outline(tmp_path / "a.nwb") is None


def no_table(file):
    del file["units/channel"]


def no_finite_spike(file):
    file["units/spike_times"][0] = np.nan


def other_kind(file):
    del file["intervals/presentations/block"]
    file["intervals/presentations/block"] = "first"


@pytest.mark.parametrize("damage", [no_table, no_finite_spike, other_kind])
def test_what_cannot_be_read_whole_has_none(packaged, tmp_path, damage):
    path = shutil.copy(packaged[1], tmp_path)
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(InputError):
        read_nwb(path)
    assert read_outline(path) is None
