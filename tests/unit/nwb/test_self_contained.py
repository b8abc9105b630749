"""A file whose content lies in other files of the machine is refused at every door; all are harmless."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
from session_to_package import CONFIG, full_session

from evoalign.errors import InputError
from evoalign.nwb.dandi import write_dandiset
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.validate import validate
from evoalign.nwb.write import write_nwb
from evoalign.self_contained import check_zarr_folder

ZARR = CONFIG.model_copy(update={"nwb": Nwb(backend="zarr")})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A session as HDF5 and as Zarr, and a file beside them that is none of theirs."""
    folder = tmp_path_factory.mktemp("written")
    contents = full_session(folder / "images")
    for name, config in (("s1.nwb", CONFIG), ("s1.nwb.zarr", ZARR)):
        write_nwb(folder / name, contents, config)
    np.arange(100.0).tofile(folder / "private.bin")
    with h5py.File(folder / "private.h5", "w") as file:
        file["values"] = np.arange(100.0)
    return folder


def external_storage(file, folder):
    where = [(str(folder / "private.bin"), 0, 800)]
    file.create_dataset("scratch/extra", (100,), "f8", external=where)


def external_link(file, folder):
    file["scratch/extra"] = h5py.ExternalLink(str(folder / "private.h5"), "/values")


def virtual(file, folder):
    layout = h5py.VirtualLayout((100,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "private.h5"), "values", (100,))
    file.create_virtual_dataset("scratch/extra", layout)


def hidden(file, folder):
    """External storage in a data set without a name, which only a reference reaches."""
    nameless = file.create_dataset(None, (100,), "f8", external=[(str(folder / "private.bin"), 0, 800)])
    file.create_dataset("scratch/extra", data=np.array([nameless.ref], h5py.ref_dtype))


WAYS = {
    external_storage: "data set whose values lie in '.*private.bin'",
    external_link: "external link to '.*private.h5'",
    virtual: "virtual data set",
    hidden: "reference to an object without a name",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("door", [read_nwb, validate])
def test_an_nwb_file_that_points_elsewhere_is_refused(written, tmp_path, way, door):
    path = shutil.copy(written / "s1.nwb", tmp_path)
    with h5py.File(path, "a") as file:
        file.require_group("scratch")
        way(file, written)
    with pytest.raises(InputError, match=f"another file, which is not read: a.*{WAYS[way][2:]}") as caught:
        door(path)
    assert caught.value.where == f"{path}, /scratch/extra" and caught.value.hint


@pytest.mark.parametrize("kind", ["chunk", "folder"])
def test_a_symbolic_link_in_a_zarr_folder_is_refused(written, tmp_path, kind):
    path = shutil.copytree(written / "s1.nwb.zarr", tmp_path / "s1.nwb.zarr")
    target = path / ("units/id/0" if kind == "chunk" else "units/id")
    moved = target.rename(tmp_path / "elsewhere")
    target.symlink_to(moved)
    for door in (read_nwb, validate, lambda p: write_dandiset([p], tmp_path / "dandiset", ZARR)):
        with pytest.raises(InputError, match="symbolic link") as caught:
            door(path)
        assert caught.value.where == str(target) and caught.value.hint
    assert not (tmp_path / "dandiset").exists()


def test_a_pipe_in_a_zarr_folder_is_refused_and_not_waited_for(written, tmp_path):
    path = shutil.copytree(written / "s1.nwb.zarr", tmp_path / "s1.nwb.zarr")
    os.mkfifo(path / "units/extra")
    with pytest.raises(InputError, match="neither file nor folder"):
        read_nwb(path)


@pytest.mark.parametrize("place", ["filters", "compressor"])
@pytest.mark.parametrize("metadata", [".zarray", ".zmetadata"])
def test_codecs_that_run_code_of_the_file_are_refused(written, tmp_path, place, metadata):
    path = shutil.copytree(written / "s1.nwb.zarr", tmp_path / "s1.nwb.zarr")
    file = path / "units/id/.zarray" if metadata == ".zarray" else path / ".zmetadata"
    content = json.loads(file.read_text()) if file.exists() else {"metadata": {"units/id/.zarray": {}}}
    array = content if metadata == ".zarray" else content["metadata"]["units/id/.zarray"]
    array[place] = [{"id": "pickle"}] if place == "filters" else {"id": "pickle"}
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="'pickle' is refused: reading it runs code") as caught:
        read_nwb(path)
    assert caught.value.where == str(file)


def test_a_reference_to_another_store_is_refused(written, tmp_path):
    path = shutil.copytree(written / "s1.nwb.zarr", tmp_path / "s1.nwb.zarr")
    file = path / "units/.zattrs"
    content = json.loads(file.read_text())
    content["zarr_link"] = [{"name": "extra", "source": "../other.nwb.zarr", "path": "/units"}]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"another store, '../other.nwb.zarr'"):
        read_nwb(path)


def test_a_folder_that_is_itself_reached_by_a_link_is_taken(written, tmp_path):
    (tmp_path / "link.nwb.zarr").symlink_to(written / "s1.nwb.zarr")
    check_zarr_folder(tmp_path / "link.nwb.zarr")
    assert len(read_nwb(tmp_path / "link.nwb.zarr").units)
