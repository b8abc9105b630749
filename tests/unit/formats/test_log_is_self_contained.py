"""A log in HDF5 that points into other files of the machine is refused; all files are harmless."""

import h5py
import numpy as np
import pytest

from evoalign.errors import InputError
from evoalign.formats.monkeylogic.hdf5 import read_hdf5


def _external(group, folder):
    group.create_dataset("x", (4,), "f8", external=[(str(folder / "private.bin"), 0, 32)])


def _link(group, folder):
    group["x"] = h5py.ExternalLink(str(folder / "private.h5"), "/values")


def _virtual(group, folder):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "private.h5"), "values", (4,))
    group.create_virtual_dataset("x", layout)


def _cell(group, folder):
    store = group.file.create_group("#refs#")
    external = store.create_dataset("a", (4,), "f8", external=[(str(folder / "private.bin"), 0, 32)])
    cell = group.create_dataset("x", data=np.array([external.ref], h5py.ref_dtype))
    cell.attrs["MATLAB_class"] = np.bytes_("cell")


@pytest.mark.parametrize("way", [_external, _link, _virtual, _cell])
@pytest.mark.parametrize("place", ["log.h5", "log.mat"])
def test_a_log_that_points_elsewhere_is_refused(tmp_path, way, place):
    np.arange(4.0).tofile(tmp_path / "private.bin")
    with h5py.File(tmp_path / "private.h5", "w") as file:
        file["values"] = np.arange(4.0)
    with h5py.File(tmp_path / place, "w") as file:
        way(file.create_group("ML") if place == "log.h5" else file, tmp_path)
    with pytest.raises(InputError, match="lies in another file, which is not read: a") as caught:
        read_hdf5(tmp_path / place)
    assert caught.value.hint


def test_a_log_that_is_wholly_elsewhere_is_refused(tmp_path):
    with h5py.File(tmp_path / "private.h5", "w") as file:
        file["values"] = np.arange(4.0)
    with h5py.File(tmp_path / "log.h5", "w") as file:
        file["ML"] = h5py.ExternalLink(str(tmp_path / "private.h5"), "/")
    with pytest.raises(InputError, match="external link"):
        read_hdf5(tmp_path / "log.h5")
