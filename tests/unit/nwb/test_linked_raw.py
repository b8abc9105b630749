"""Raw files that the NWB file names are found, checked and opened, or the message tells what is wrong."""

import numpy as np
import pandas as pd
import pytest
from session_to_package import CONFIG, full_session

from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.formats.blackrock.write import write_nsx
from evoalign.nwb.linked import linked_files, open_linked
from evoalign.nwb.write import write_nwb


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study's folder: raw data below ``raw``, the NWB file below ``results``; and the counts."""
    folder = tmp_path / "study"
    (folder / "raw").mkdir(parents=True)
    counts = np.random.default_rng(3).integers(-9_000, 9_000, (3_000, 4)).astype(np.int16)
    write_nsx(folder / "raw/s1.ns6", [counts], channel_ids=[1, 2, 3, 4], gain_uv=0.25)
    contents = full_session(tmp_path / "images")
    row = {"file": ["raw/s1.ns6"], "sha256": [sha256(folder / "raw/s1.ns6")]}
    contents.raw_files = pd.DataFrame(row, dtype="str")
    write_nwb(folder / "results/nwb/s1.nwb", contents, CONFIG)
    monkeypatch.chdir(folder)
    return folder, counts


def test_a_link_leads_to_the_samples(study):
    _, counts = study
    stream = open_linked("results/nwb/s1.nwb").streams["broadband"]
    assert np.array_equal(stream.read(0, 0, len(counts)), counts)


def test_a_study_that_is_moved_as_a_whole_keeps_its_links(study, tmp_path, monkeypatch):
    folder, _ = study
    monkeypatch.chdir(tmp_path)
    moved = folder.rename(tmp_path / "moved")
    assert linked_files(moved / "results/nwb/s1.nwb") == (moved / "raw/s1.ns6",)


def test_a_raw_file_beside_the_nwb_file_is_found_by_its_name(study, tmp_path, monkeypatch):
    folder, _ = study
    monkeypatch.chdir(tmp_path)
    shared = tmp_path / "shared"
    shared.mkdir()
    for file in ("results/nwb/s1.nwb", "raw/s1.ns6"):
        (folder / file).rename(shared / (folder / file).name)
    assert linked_files(shared / "s1.nwb") == (shared / "s1.ns6",)


def test_a_missing_raw_file_is_one_message(study):
    folder, _ = study
    (folder / "raw/s1.ns6").unlink()
    with pytest.raises(InputError, match="'raw/s1.ns6' is not there") as caught:
        open_linked("results/nwb/s1.nwb")
    assert caught.value.where == "results/nwb/s1.nwb, /processing/misc/facts"
    assert "beside s1.nwb" in caught.value.hint


def test_another_file_of_that_name_is_refused_and_passed_over(study):
    folder, _ = study
    (folder / "raw/s1.ns6").rename(folder / "results/nwb/s1.ns6")
    other = np.zeros((3_000, 4), np.int16)
    write_nsx(folder / "raw/s1.ns6", [other], channel_ids=[1, 2, 3, 4], gain_uv=0.25)
    assert [file.parent.name for file in linked_files("results/nwb/s1.nwb")] == ["nwb"]
    (folder / "results/nwb/s1.ns6").unlink()
    with pytest.raises(InputError, match="not the file that s1.nwb was made from") as caught:
        open_linked("results/nwb/s1.nwb")
    assert caught.value.where == "raw/s1.ns6" and caught.value.hint
    assert linked_files("results/nwb/s1.nwb", checked=False)


def test_a_file_that_names_none_says_so(contents, tmp_path):
    contents.raw_files = contents.raw_files.iloc[:0]
    write_nwb(tmp_path / "s1.nwb", contents, CONFIG)
    with pytest.raises(InputError, match="names no raw files") as caught:
        linked_files(tmp_path / "s1.nwb")
    assert "nwb.raw: link" in caught.value.hint
