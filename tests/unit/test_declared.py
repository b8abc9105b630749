"""What a rule lists is what its job gets, and each change of it changes the parameter."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoalign.pipeline import declared
from evoalign.sheet import Session
from evoalign.study import Config

ROW = Session(session="a", subject="b", raw=("a.plx",), date="2026-01-02", preferred="6a", photodiode="AI01")
WHOLE = Config().model_dump(mode="json")


def test_settings_are_the_named_ones_and_no_others():
    without = ["figures.dpi", "figures.raster_ms", "figures.raster_bin_ms"]
    found = declared.settings(Config(), ["seed", "sorting.highpass_hz", "figures"], without=without)
    assert json.loads(found) == {
        "seed": 0,
        "sorting": {"highpass_hz": 300.0},
        "figures": {"style": Config().figures.style},
    }


def test_a_setting_that_does_not_exist_is_refused():
    for names, without in ((["sortings"], ()), (["sorting.high_hz"], ()), (["sorting"], ["sorting.high_hz"])):
        with pytest.raises(KeyError):
            declared.settings(Config(), names, without)


def test_values_that_are_swapped_are_another_parameter():
    one = Config.model_validate({"analysis": {"success_p": 0.01, "both_succeed_p": 0.05}})
    other = Config.model_validate({"analysis": {"success_p": 0.05, "both_succeed_p": 0.01}})
    assert declared.settings(one, ["analysis"]) != declared.settings(other, ["analysis"])


def test_what_was_not_given_cannot_be_read():
    config = declared.part(Config, {"sorting": {"highpass_hz": 250.0}})
    assert config.sorting.highpass_hz == 250.0
    for read in (lambda: config.sorting.lowpass_hz, lambda: config.analysis):
        with pytest.raises(AttributeError, match="is not listed by the job's rule"):
            read()


@given(st.sets(st.sampled_from(sorted(WHOLE))))
def test_what_was_given_reads_as_in_the_whole(names):
    part = declared.part(Config, json.loads(declared.settings(Config(), names)))
    assert all(getattr(part, name) == getattr(Config(), name) for name in names)


def test_fields_of_a_row_come_back_with_their_types():
    text = declared.text(**declared.fields(ROW, Session.model_fields))
    assert declared.part(Session, json.loads(text)) == ROW


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b/c.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(b"1")
        os.utime(tmp_path / "images" / name, (100, 100))
    return tmp_path / "images"


def test_a_file_overwritten_in_place_changes_the_state_of_its_folder(folder):
    before = declared.folders([folder])
    assert declared.folders([folder]) == before
    (folder / "b/c.png").write_bytes(b"2")
    assert declared.folders([folder]) != before


def test_a_folder_that_a_rule_has_made_reads_as_before_until_somebody_changes_it(folder, tmp_path):
    (folder / declared.MADE).touch()
    assert declared.folders([folder]) == declared.folders([tmp_path / "none"]) == declared.folders([])
    (folder / "a.png").write_bytes(b"2")
    os.utime(folder / declared.MADE, (200, 200))
    assert declared.folders([folder]) != declared.folders([])


def test_named_values_keep_their_order():
    """Scripts match sessions with files by it."""
    assert list(json.loads(declared.text(V1=1, IT=2))) == ["V1", "IT"]
