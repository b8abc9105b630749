"""What was changed without a newer date is found by the records of the jobs, and nothing else is."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from evoalign.errors import InputError
from evoalign.files import SAMPLE_BYTES, WHOLE_BYTES, fingerprint, sha256
from evoalign.pipeline.changes import CHECKED, stale_outputs, states
from evoalign.pipeline.job import _check_unchanged, _read_states
from evoalign.pipeline.provenance.records import JOBS, named

SETTINGS = {"seed": 1, "sorting": {"sorter": "default", "threshold": 4.5}, "figures": {"dpi": 200}}
ROWS = {"s1": {"session": "s1", "subject": "Ada", "raw": ["a.plx"]}}


def record(rule, inputs, outputs, settings=None, row=None, session="s1"):
    """A job's record, as it ends."""
    text = {
        "rule": rule, "wildcards": {"session": session}, "inputs": dict.fromkeys(inputs, ""),
        "outputs": outputs, "settings": settings or {}, "row": row or {},
        "files": states([*outputs, *inputs]),
    }  # fmt: skip
    file = Path(f"results/{JOBS}/{rule}/{session}.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(text), encoding="utf-8")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A raw file, sorted into a folder of tables, packaged, drawn."""
    monkeypatch.chdir(tmp_path)
    tables = tmp_path / "results/s1/sorting"
    tables.mkdir(parents=True)
    (tmp_path / "a.plx").write_bytes(b"raw" * 100)
    for name in ("units", "spikes"):
        (tables / f"{name}.parquet").write_bytes(name.encode() * 50)
    (tmp_path / "results/s1.nwb").write_bytes(b"nwb")
    (tmp_path / "results/s1.png").write_bytes(b"png")
    record("sort", ["a.plx"], ["results/s1/sorting"], {"sorting": SETTINGS["sorting"]}, ROWS["s1"])
    record("nwb", ["results/s1/sorting", "a.plx"], ["results/s1.nwb"], {"seed": 1}, {"subject": "Ada"})
    record("draw", ["results/s1.nwb"], ["results/s1.png"], {"figures": {"dpi": 200}})
    return tmp_path


def found(settings=SETTINGS, rows=ROWS, **options):
    return stale_outputs("results", settings, rows, **options)


def rewrite(file, content, like):
    """Another content under the old date, as `cp -p`, `rsync -t` and a backup leave it."""
    stat = like.stat()
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns - 5_000_000_000))


def test_what_was_not_changed_is_not_stale(results):
    assert found() == {}


def test_a_raw_file_replaced_by_an_older_one_is_seen_by_all_that_read_it(results):
    rewrite(results / "a.plx", b"war" * 100, results / "a.plx")
    assert found() == dict.fromkeys(["results/s1/sorting", "results/s1.nwb"], "a.plx has another content")


@pytest.mark.parametrize("how", ["damaged", "cut", "deleted"])
def test_a_file_inside_the_results_is_made_again_by_its_job(results, how):
    file = results / "results/s1/sorting/units.parquet"
    if how == "deleted":
        file.unlink()
    else:
        content = file.read_bytes()
        rewrite(file, content[:-3] if how == "cut" else content[:-1] + b"?", file)
    name = "results/s1/sorting/units.parquet"
    assert found() == {
        "results/s1/sorting": f"{name} {'is gone' if how == 'deleted' else 'has another content'}"
    }


def test_an_input_that_lies_here_for_a_job_alone_is_not_missed(results):
    (results / "a.plx").unlink()
    assert found() == {}


def test_of_an_output_that_is_gone_what_was_made_from_it_is_made_again(results):
    (results / "results/s1.nwb").unlink()
    assert found() == {"results/s1.png": "results/s1.nwb is gone"}


def test_a_copy_with_other_dates_is_the_same_and_is_read_once(results, monkeypatch):
    for file in [p for p in results.rglob("*") if p.is_file() and "jobs" not in p.parts]:
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)
        os.utime(file, ns=(1, 1))
    assert found() == {} and (results / "results" / CHECKED).exists()
    monkeypatch.setattr("evoalign.pipeline.changes.fingerprint", lambda _: pytest.fail("read again"))
    assert found() == {}


def test_more_files_in_a_folder_and_edited_exports_are_left_alone(results):
    (results / "results/s1/sorting/more").write_bytes(b"")
    shutil.copytree(results / "results/s1/sorting", results / "results/s1/phy")
    record("phy", [], ["results/s1/phy"])
    (results / "results/s1/phy/units.parquet").write_bytes(b"curated")
    assert found() == {}


def test_settings_and_rows_are_compared_where_snakemake_has_forgotten_them(results):
    other = SETTINGS | {"sorting": {"sorter": "default", "threshold": 5.0}}
    rows = {"s1": ROWS["s1"] | {"subject": "Eve"}}
    assert found(other) == {"results/s1/sorting": "sorting.threshold was another"}
    assert found(rows=rows) == dict.fromkeys(
        ["results/s1/sorting", "results/s1.nwb"], "column subject of the sample sheet was another"
    )
    assert found(other, rows, remembered=lambda _: True) == {}


def test_sessions_that_left_the_sheet_and_records_of_other_forms_do_not_count(results):
    (results / "results/s1.nwb").write_bytes(b"damaged")
    assert found(rows={"s2": {}}) == {}
    for file in results.glob(f"results/{JOBS}/*/*.json"):
        text = json.loads(file.read_text())
        del text["files"]
        file.write_text(json.dumps(text))
    (results / f"results/{JOBS}/nwb/s1.json").write_text("{")
    assert found() == {}


def test_large_files_are_told_apart_by_samples(tmp_path):
    file = tmp_path / "large"
    with file.open("wb") as stream:
        stream.truncate(WHOLE_BYTES + 1)
    before = fingerprint(file)
    assert before == fingerprint(file) != sha256(file)
    for place in (0, WHOLE_BYTES - SAMPLE_BYTES // 2):
        with file.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"x")
        assert fingerprint(file) != before
        before = fingerprint(file)
    with file.open("ab") as stream:
        stream.write(b"\0")
    assert fingerprint(file) != before


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    file = tmp_path / "a.plx"
    file.write_bytes(b"half")

    given = SimpleNamespace(input=[str(file), str(tmp_path / "results/made.parquet")])
    read = _read_states(given, str(tmp_path / "results"))
    assert list(read) == [str(file)]
    _check_unchanged(read)
    file.write_bytes(b"half and half")
    with pytest.raises(InputError, match="changed while it was read"):
        _check_unchanged(read)
    file.unlink()
    with pytest.raises(InputError, match="changed while it was read"):
        _check_unchanged(read)


def test_states_name_every_file_of_a_folder_from_the_folder_of_the_run(results):
    assert list(states([results / "results/s1/sorting"])) == [
        f"results/s1/sorting/{name}.parquet" for name in ("spikes", "units")
    ]
    assert named(results / "a.plx") in states(["a.plx"])
