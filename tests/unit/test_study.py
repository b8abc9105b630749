import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evoalign.errors import InputError
from evoalign.sheet import Session, load_sessions, with_local_stimuli
from evoalign.study import Config, check_config, json_schema, load_config

ROOT = Path(__file__).parents[2]
HEADER = "session\tsubject\tnwb\traw\tlog\tpreferred\tspaces\n"


def sheet(tmp_path, *rows, header=HEADER):
    path = tmp_path / "sessions.tsv"
    path.write_text(header + "".join(row + "\n" for row in rows))
    return path


def test_the_committed_config_and_sheet_are_the_valid_demo():
    config = load_config(ROOT / "config/config.yaml")
    assert config == Config()
    recorded = ["V1_plexon", "V4_blackrock", "IT_blackrock"]
    shared = [f"{area}_shared{n}" for area in ("V1", "V4", "IT") for n in (1, 2, 3, 4)]
    sheet = load_sessions(ROOT / config.sessions)
    assert [s.session for s in sheet] == [*recorded, *shared, "untuned_shared", "IT_tuning"]
    assert [s.follows for s in sheet if s.follows] == ["IT_blackrock"]


def test_config_yaml_names_every_knob_with_its_reason():
    text = (ROOT / "config/config.yaml").read_text()
    script = ROOT / "workflow/scripts/schemas.py"
    made = subprocess.run([sys.executable, script, "--config"], capture_output=True, text=True, check=True)
    assert text == made.stdout


def test_schemas_on_disk_are_the_exported_models():
    for name, model in {"config": Config, "sessions": Session}.items():
        stored = yaml.safe_load((ROOT / f"workflow/schemas/{name}.schema.yaml").read_text())
        assert stored == json_schema(model)


@pytest.mark.parametrize(
    ("content", "key", "hint"),
    [
        ({"devise": "cpu"}, "devise", "did you mean 'device'?"),
        ({"analysis": {"evoked_s": [0.05, 0.2]}}, "analysis.evoked_s", "did you mean 'evoked_ms'?"),
        ({"analysis": {"evoked_ms": [0.05, 0.2]}}, "analysis.evoked_ms", ""),
        ({"device": "gpu"}, "device", ""),
        ({"events": {"min_matched": 90}}, "events.min_matched", ""),
    ],
)
def test_a_wrong_key_unit_or_value_is_one_message(content, key, hint):
    with pytest.raises(InputError) as caught:
        check_config(content, "config.yaml")
    assert key in caught.value.what
    assert caught.value.where == "config.yaml"
    assert hint in str(caught.value)


def test_no_yaml_and_missing_file_are_input_errors(tmp_path):
    broken = tmp_path / "config.yaml"
    broken.write_text("a: [1,")
    for path in (broken, tmp_path / "none.yaml"):
        with pytest.raises(InputError) as caught:
            load_config(path)
        assert str(path) in caught.value.where


def test_a_row_is_parsed_to_its_types(tmp_path):
    (row,) = load_sessions(sheet(tmp_path, "s1\tmonk\t\ta.nev; a.ns6\tlog.tsv\t12b\tfc6;BigGAN"))
    assert row.raw == ("a.nev", "a.ns6")
    assert row.spaces == ("fc6", "BigGAN")
    assert (row.preferred_channel, row.preferred_unit) == (12, 2)


@pytest.mark.parametrize(
    ("rows", "header", "row", "words"),
    [
        (["s1\tm\t\ta.nev\t\t\t", "s1\tm\t\tb.nev\t\t\t"], HEADER, "row 3", "stands twice"),
        (["s1\tm\tx.nwb\ta.nev\t\t\t"], HEADER, "row 2", "not both"),
        (["s1\tm\t\t\t\t\t"], HEADER, "row 2", "raw files"),
        (["s 1\tm\t\ta.nev\t\t\t"], HEADER, "row 2", "session"),
        (["s1\tm\t\ta.nev\t\tunit5\t"], HEADER, "row 2", "preferred"),
        (["s1\tm\t\ta.nev"], HEADER, "row 2", "cells"),
        (["s1\tm"], "session\tsubjekt\n", "row 1", "subjekt"),
        ([], HEADER, "sessions.tsv", "no rows"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, header, row, words):
    with pytest.raises(InputError) as caught:
        load_sessions(sheet(tmp_path, *rows, header=header))
    assert row in caught.value.where
    assert words in caught.value.what


def test_a_missing_file_is_named_with_row_and_column(tmp_path):
    path = sheet(tmp_path, "s1\tm\t\ta.nev;a.ns6\t\t\t")
    with pytest.raises(InputError, match="a.ns6") as caught:
        load_sessions(path, exists=lambda file: file == "a.nev")
    assert caught.value.where.endswith("row 2, column raw")


def test_urls_are_left_to_snakemake(tmp_path):
    path = sheet(tmp_path, "s1\tm\t\ts3://lab/2026/a.nev; s3://lab/2026/a.ns6\thttps://lab.org/log.tsv\t\t")
    (row,) = load_sessions(path, exists=lambda file: pytest.fail(f"asked for {file}"))
    assert row.raw == ("s3://lab/2026/a.nev", "s3://lab/2026/a.ns6")


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("raw", "s3://lab", "names no object"),
        ("raw", "s3:///2026/a.plx", "names no object"),
        ("raw", "s3://lab/a.plx;s3://lab/#2.plx", "has a #"),
        ("log", "s3://lab/log{a}.tsv", "has a { and a }"),
        ("curation", "s3://lab/curation.json", "local path only"),
    ],
)
def test_a_url_that_nothing_can_be_fetched_from_is_named(tmp_path, column, cell, words):
    cells = {"session": "s1", "subject": "m", "raw": "a.plx", column: cell}
    path = sheet(tmp_path, "\t".join(cells.values()), header="\t".join(cells) + "\n")
    with pytest.raises(InputError) as caught:
        load_sessions(path)
    assert words in caught.value.what and caught.value.where.endswith(f"row 2, column {column}")


def test_a_row_is_given_the_folders_that_a_job_has():
    row = Session(
        session="s1", subject="m", raw="a.plx", latents="s3://lab/latents", images="s3://lab/images"
    )
    local = with_local_stimuli(row, ["/tmp/latents", "/tmp/images"])
    assert (local.latents, local.images, local.raw) == ("/tmp/latents", "/tmp/images", row.raw)
    assert with_local_stimuli(row.model_copy(update={"latents": ""}), ["/tmp/i"]).images == "/tmp/i"


def test_comments_and_blank_lines_keep_row_numbers_true(tmp_path):
    path = sheet(tmp_path, "# a comment", "", "s1\tm\t\t\t\t\t")
    with pytest.raises(InputError) as caught:
        load_sessions(path)
    assert "row 4" in caught.value.where


@given(st.text(max_size=200))
def test_any_text_as_a_sheet_is_rows_or_an_input_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("sheet") / "sessions.tsv"
    path.write_text(text, encoding="utf-8", errors="surrogatepass" if text.isascii() else "replace")
    try:
        rows = load_sessions(path)
    except InputError:
        return
    assert rows


def test_conda_and_pip_pins_are_equal():
    lock = (ROOT / "envs/requirements.lock").read_text().split()
    conda = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())
    (pip,) = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    assert pip == lock
    assert all("==" in pin for pin in lock)


def test_the_evolution_that_a_session_follows_must_be_in_the_sheet(tmp_path):
    header = "session\tsubject\tnwb\tfollows\n"
    rows = ["evolved_1\tm\ta.nwb\t", "tuned_1\tm\tb.nwb\tevolved_1"]
    assert load_sessions(sheet(tmp_path, *rows, header=header))[1].follows == "evolved_1"
    with pytest.raises(InputError, match="no session 'evolved1'") as caught:
        load_sessions(sheet(tmp_path, rows[0], "tuned_1\tm\tb.nwb\tevolved1", header=header))
    assert "row 3, column follows" in caught.value.where and "evolved_1" in str(caught.value)
