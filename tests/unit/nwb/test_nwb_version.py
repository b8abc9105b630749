"""What is no NWB 2 is told by what it is, with what helps."""

import h5py
import numpy as np
import pytest
import zarr

from evoalign.errors import InputError
from evoalign.nwb.read import read_nwb


def old(path, version):
    """NWB 1 keeps its version in a dataset."""
    with h5py.File(path, "w") as file:
        file["nwb_version"] = version
        file["identifier"] = b"a"
        file.create_group("epochs")


def stated(version):
    def write(path):
        with h5py.File(path, "w") as file:
            file.attrs["nwb_version"] = version
            file["identifier"] = "a"

    return write


def spikes_alone(path):
    with h5py.File(path, "w") as file:
        file["spikes"] = np.arange(3)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"
CASES = {
    "NWB 1.0.6": (lambda path: old(path, b"NWB-1.0.6"), "NWB 1.0.6", "with pynwb or MatNWB"),
    "NWB 1.0.5 as an array": (lambda path: old(path, [b"NWB-1.0.5_beta"]), "NWB 1.0.5", "another format"),
    "NWB 0": (lambda path: old(path, b"NWB-0.8.2"), "NWB 0.8.2", "another format"),
    "draft of 2": (stated("2.0b"), "NWB 2.0B", "draft of NWB 2"),
    "version 3": (stated("3.0.0"), "NWB 3.0.0", "update pynwb"),
    "any HDF5": (spikes_alone, "holds spikes", "columns raw and log"),
    "a pointer of git": (lambda path: path.write_bytes(POINTER), "pointer of git", "git lfs pull"),
    "MATLAB 5": (lambda path: path.write_bytes(b"MATLAB 5.0 MAT-file" + b" " * 200), "MATLAB", "raw and log"),
    "empty": (lambda path: path.write_bytes(b""), "empty", "copy it again"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_is_no_nwb_2_says_what_it_is(case, tmp_path):
    write, what, hint = CASES[case]
    path = tmp_path / "a.nwb"
    write(path)
    with pytest.raises(InputError) as raised:
        read_nwb(path)
    assert what in raised.value.what and hint in raised.value.hint
    assert str(path) in raised.value.where


def test_a_zarr_folder_that_is_no_nwb_says_so(tmp_path):
    zarr.open_group(str(tmp_path / "a.nwb.zarr"), mode="w").create_dataset("spikes", data=np.arange(3))
    with pytest.raises(InputError, match="is no NWB: it names no version, and holds spikes"):
        read_nwb(tmp_path / "a.nwb.zarr")
