"""The same session as an HDF5 file and as a Zarr folder: the same content, read and validated alike."""

import json
import shutil

import numcodecs
import numpy as np
import pytest
from pynwb import read_nwb as plain_read
from session_to_package import CONFIG, N_CHANNELS, full_session, stream
from test_write_read_nwb import assert_comes_back

from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.nwb.dandi import dandi_path, write_dandiset
from evoalign.nwb.diff import content_differences
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.validate import FATAL, validate
from evoalign.nwb.write import write_nwb

EMBED = CONFIG.model_copy(update={"nwb": Nwb(backend="zarr", raw="embed")})


def with_raw(folder):
    contents = full_session(folder)
    contents.streams = {"broadband": stream(segments=2)}
    return contents


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Contents with raw data, and the two files that were written of them."""
    folder = tmp_path_factory.mktemp("pair")
    contents = with_raw(folder / "images")
    for name in ("s1.nwb", "s1.nwb.zarr"):
        write_nwb(folder / name, contents, EMBED)
    return contents, folder / "s1.nwb", folder / "s1.nwb.zarr"


def test_both_kinds_have_the_same_content(pair, tmp_path):
    contents, hdf5, folder = pair
    assert content_differences(hdf5, folder) == []
    contents = full_session(tmp_path / "images")
    contents.units.loc[2, "label"] = "noise"
    write_nwb(tmp_path / "other.nwb.zarr", contents, CONFIG)
    found = content_differences(hdf5, tmp_path / "other.nwb.zarr")
    assert "/units/label: values differ" in found
    assert "/acquisition/broadband_segment0: only in the first file" in found


def test_everything_comes_back_from_zarr(pair):
    contents, _, folder = pair
    assert_comes_back(contents, read_nwb(folder))


def test_equal_contents_give_equal_bytes(pair, tmp_path):
    write_nwb(tmp_path / "s1.nwb.zarr", with_raw(tmp_path / "images"), EMBED)
    assert sha256(tmp_path / "s1.nwb.zarr") == sha256(pair[2])


def test_plain_pynwb_reads_counts_images_and_references(pair):
    contents, _, folder = pair
    nwb = plain_read(str(folder))
    for segment in (0, 1):
        series = nwb.acquisition[f"broadband_segment{segment}"]
        assert series.data.shape == (90_000, N_CHANNELS)
        assert np.array_equal(series.data[:], contents.streams["broadband"].read(segment, 0, 90_000))
    picture = nwb.stimulus_template["images"].order_of_images[3]
    assert np.array_equal(picture.data[:], contents.images[picture.name])
    assert {group.name for group in nwb.electrodes["group"].data[:]} == {"V4-array"}


def test_nothing_is_pickled(pair):
    used = set()
    for file in pair[2].rglob(".zarray"):
        settings = json.loads(file.read_text())
        used |= {codec["id"] for codec in [settings["compressor"], *(settings["filters"] or [])] if codec}
    assert used == {"zlib", "shuffle", "vlen-utf8", "vlen-bytes", numcodecs.JSON.codec_id}


def test_no_validator_finds_a_violation(pair):
    found = validate(pair[2], EMBED)
    assert not (found["importance"].isin(FATAL) | (found["tool"] == "dandi")).any(), found.to_string()


def test_the_validators_are_really_asked(pair, tmp_path):
    contents = full_session(tmp_path / "images")
    config = CONFIG.model_copy(update={"species": "monkey"})
    write_nwb(tmp_path / "odd.nwb.zarr", contents, config)
    found = validate(tmp_path / "odd.nwb.zarr")
    assert "check_subject_species_form" in set(found["check"])


def test_a_dandiset_holds_the_folder_under_dandis_name(pair, tmp_path):
    write_dandiset([pair[2]], tmp_path / "set", EMBED)
    place = tmp_path / "set" / dandi_path(pair[2])
    assert place.name == "sub-Demo-B_ses-s1_ecephys+image.nwb.zarr"
    assert sha256(place) == sha256(pair[2])


def test_a_failure_leaves_no_folder(contents, tmp_path):
    contents.latents[1, 0] = (np.zeros((4, 7)), ["a"] * 4)
    with pytest.raises(InputError, match="several dimensions"):
        write_nwb(tmp_path / "s1.nwb.zarr", contents, EMBED)
    assert not list(tmp_path.glob("*zarr*"))


@pytest.mark.parametrize("lost", ["/units/spike_times", "/processing/misc/facts/value", "/units/label"])
def test_a_lost_chunk_is_not_taken_for_zeros(pair, tmp_path, lost):
    broken = tmp_path / "broken.nwb.zarr"
    shutil.copytree(pair[2], broken)
    (broken / lost[1:] / "0").unlink()
    with pytest.raises(InputError, match="1 of 1 chunks are missing") as caught:
        read_nwb(broken)
    assert caught.value.where == f"{broken}, {lost}" and caught.value.hint


@pytest.mark.parametrize("damaged", ["units/spike_times/0", ".zmetadata", "units/label/0", "general/.zgroup"])
def test_damaged_bytes_are_one_message(pair, tmp_path, damaged):
    broken = tmp_path / "broken.nwb.zarr"
    shutil.copytree(pair[2], broken)
    (broken / damaged).write_bytes(b"\0" * 40)
    if damaged == "general/.zgroup":
        (broken / ".zmetadata").unlink()  # which would hold it as well
    with pytest.raises(InputError) as caught:
        read_nwb(broken)
    assert str(broken) in caught.value.where and caught.value.hint
