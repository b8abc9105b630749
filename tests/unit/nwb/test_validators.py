"""What pynwb, nwbinspector and dandi say of our files, and a dandiset laid out of them."""

import logging
import os
import shutil

import h5py
import pynwb
import pytest
import yaml
from session_to_package import CONFIG

from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.nwb.dandi import dandi_findings, dandi_path, write_dandiset
from evoalign.nwb.read import opened, read_nwb
from evoalign.nwb.validate import validate

GRAVE = {"ERROR", "PYNWB_VALIDATION", "CRITICAL", "BEST_PRACTICE_VIOLATION", "CRITICAL_ERROR"}


def without(path, folder, *inside):
    """A copy of a file that lacks objects."""
    broken = folder / "broken.nwb"
    shutil.copy(path, broken)
    with h5py.File(broken, "r+") as file:
        for name in inside:
            del file[name]
    return broken


def test_no_validator_finds_a_violation(findings):
    assert not set(findings["importance"]) & GRAVE, findings.to_string()
    assert "dandi" not in set(findings["tool"]), findings.to_string()


def test_the_dandi_tool_is_really_asked(packaged, tmp_path):
    _, path = packaged
    broken = without(path, tmp_path, "general/subject/species", "general/subject/sex")
    root = logging.getLogger()
    before = root.level, list(root.handlers), dict(os.environ)
    found = validate(broken)
    assert (root.level, root.handlers, dict(os.environ)) == before
    assert len(found)
    assert {"nwbinspector", "dandi"} & set(found["tool"])
    assert any("species" in text or "sex" in text for text in found["message"] + found["check"])


def ill_typed(path, folder, *datasets):
    """A copy of a file with numbers of a type that the schema does not allow, which pynwb reads."""
    broken = folder / "ill_typed.nwb"
    shutil.copy(path, broken)
    with h5py.File(broken, "r+") as file:
        for name in datasets:
            values, attributes = file[name][...], dict(file[name].attrs)
            del file[name]
            file.create_dataset(name, data=values.astype("float32")).attrs.update(attributes)
    return broken


@pytest.mark.parametrize("subject", [True, False])
def test_errors_of_pynwb_are_those_of_its_own_validation(packaged, tmp_path, subject):
    """Whether the tool of the archive passes them on, or is not run."""
    broken = ill_typed(packaged[1], tmp_path, "units/spike_times")
    if not subject:
        with h5py.File(broken, "r+") as file:
            del file["general/subject"]
    errors = pynwb.validate(path=broken)
    found = validate(broken)
    rows = found[found["tool"] == "pynwb"]
    assert "units/spike_times" in set(rows["location"])
    expected = [("ERROR", error.name, error.location, error.reason) for error in errors]
    assert (
        list(rows[["importance", "check", "location", "message"]].itertuples(index=False, name=None))
        == expected
    )
    assert ("NO_SUBJECT" in set(found["check"])) == (not subject)


def test_a_validation_that_breaks_down_is_a_finding(packaged, tmp_path, monkeypatch):
    def broken(**_):
        raise ValueError("no such group\nwith more")

    monkeypatch.setattr(pynwb, "validate", broken)
    found = validate(shutil.copy(packaged[1], tmp_path / "copy.nwb"))
    assert ("pynwb", "ERROR", "readable", "/", "no such group") in set(
        found.itertuples(index=False, name=None)
    )


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("species", "Macaca fascicularis", ("Cannot interpret species", "NCBITaxon_9541")),
        ("species", "http://purl.obolibrary.org/obo/NCBITaxon_9541", ()),
        ("age", "P4.5Y3M", ("fraction", "P4Y6M")),
        ("age", "P4Y6M", ()),
    ],
)
def test_what_the_archive_refuses_at_upload_is_a_finding_with_its_remedy(
    packaged, tmp_path, field, text, says
):
    changed = without(packaged[1], tmp_path, "general/subject/species")
    with h5py.File(changed, "r+") as file:
        subject = file["general/subject"]
        for name, value in ({"species": "Macaca mulatta"} | {field: text}).items():
            if name in subject:
                del subject[name]
            subject[name] = value
    with opened(changed) as nwb:
        found = [row for row in dandi_findings(nwb, changed) if row[2] == "UPLOAD_METADATA"]
    assert len(found) == bool(says) and all(word in found[0][4] for word in says)


def test_strict_makes_a_violation_fatal(packaged, findings, tmp_path):
    _, path = packaged
    broken = without(path, tmp_path, "general/subject/species")
    strict = CONFIG.model_copy(update={"nwb": CONFIG.nwb.model_copy(update={"strict": True})})
    with pytest.raises(InputError, match="finding"):
        validate(broken, strict)
    assert not findings["importance"].isin(GRAVE).any()


def test_a_dandiset_holds_the_files_under_dandis_names(packaged, tmp_path):
    contents, path = packaged
    write_dandiset([path], tmp_path / "set", CONFIG)
    place = tmp_path / "set" / dandi_path(path)
    assert place.parent.name.startswith("sub-") and place.name.endswith(".nwb")
    assert sha256(place) == sha256(path)
    described = yaml.safe_load((tmp_path / "set/dandiset.yaml").read_text())
    assert described["name"] == CONFIG.study and described["description"] == CONFIG.nwb.description
    readme = (tmp_path / "set/README.md").read_text()
    assert sha256(path) in readme and place.name in readme
    assert read_nwb(place).session == contents.session


def test_two_files_of_one_session_are_refused(packaged, tmp_path):
    _, path = packaged
    shutil.copy(path, tmp_path / "again.nwb")
    with pytest.raises(InputError, match="both would be"):
        write_dandiset([path, tmp_path / "again.nwb"], tmp_path / "set", CONFIG)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_one_message(packaged, tmp_path, share):
    _, path = packaged
    raw = path.read_bytes()
    cut = tmp_path / "cut.nwb"
    cut.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(InputError, match="readable|read|empty") as caught:
        read_nwb(cut)
    assert "cut.nwb" in caught.value.where and caught.value.hint


@pytest.mark.parametrize(
    "inside", ["units/spike_times", "intervals/presentations/start_time", "processing/misc/facts/value"]
)
def test_a_file_that_lacks_an_object_names_it(packaged, tmp_path, inside):
    _, path = packaged
    broken = without(path, tmp_path, inside)
    with pytest.raises(InputError) as caught:
        read_nwb(broken)
    assert "broken.nwb" in caught.value.where


def test_a_file_that_is_no_nwb_is_one_message(tmp_path):
    with h5py.File(tmp_path / "other.nwb", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="is no NWB"):
        read_nwb(tmp_path / "other.nwb")
