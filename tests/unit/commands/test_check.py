"""`evoalign check` finds what would end a run, each thing by itself, and lets what is right pass."""

import datetime as dt
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import yaml

from evoalign.cli import main
from evoalign.commands import check_machine, check_session
from evoalign.errors import InputError
from evoalign.files import SAMPLE_BYTES, WHOLE_BYTES, fingerprint, sha256
from evoalign.formats.opening import open_recording
from evoalign.pipeline.provenance.measure import Host, Usage
from evoalign.pipeline.provenance.records import Job, write_job
from evoalign.sheet import load_sessions
from evoalign.study import Config

sys.path.append(str(Path(__file__).parent))
from rig_files import N_IMAGES, RATE_HZ, schedule, write_log, write_rig

ROOT = Path(__file__).parents[3]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of one session, in whose folder the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    write_rig(tmp_path / "a", schedule())
    write_log(tmp_path / "log.tsv", schedule())
    (tmp_path / "map.tsv").write_text(
        "channel\tarray\tconnector\tarea\tx_um\ty_um\n1\tA\t\tV1\t\t\n2\tA\t\tV1\t\t\n"
    )
    shutil.copytree(ROOT / "resources/style", tmp_path / "resources/style")
    settings(tmp_path)
    sheet(tmp_path)
    return tmp_path


def settings(folder, **changed):
    (folder / "config/config.yaml").write_text(yaml.safe_dump({"study": "one", **changed}))


def sheet(folder, **changed):
    row = {
        "session": "day1", "subject": "A", "raw": "a.nev;a.ns6", "log": "log.tsv", "arrays": "map.tsv",
        "preferred": "2a", "spaces": "texture;object", **changed,
    }  # fmt: skip
    (folder / "config/sessions.tsv").write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")


def folder(path):
    path.mkdir()
    return path


def checked(capsys, *arguments):
    status = main(["check", *map(str, arguments)])
    out = capsys.readouterr().out
    return status, out, [line for line in out.splitlines() if line.startswith("  FAIL")]


def test_a_study_that_is_right_has_no_failure(study, capsys):
    status, out, failures = checked(capsys)
    assert (status, failures) == (0, [])
    assert f"words: {N_IMAGES} of {N_IMAGES} presentations match one (100.0%)" in out
    assert "preferred: 2a, V1" in out and "array map: V1" in out and "no photodiode" in out


@pytest.mark.parametrize("whole", [False, True])
def test_words_that_the_log_tells_of_count_whatever_the_settings_call_an_image(study, capsys, whole):
    """A run aligns by the log's own words; the recording is shorter than the first minutes."""
    settings(study, events={"onset_words": [1000, 1099]})
    status, out, _ = checked(capsys, *(["--whole"] if whole else []))
    assert status == 0 and f"words: {N_IMAGES} of {N_IMAGES} presentations match one" in out


@pytest.mark.parametrize("whole", [False, True])
def test_the_first_minutes_suffice_to_tell_the_right_log_from_another(study, capsys, monkeypatch, whole):
    monkeypatch.setattr(check_session.beginning, "__defaults__", (20.0,))
    arguments = ["--whole"] if whole else []
    status, out, _ = checked(capsys, *arguments)
    n_expected = N_IMAGES if whole else int((schedule() + 0.5 < 20).sum())
    assert status == 0 and f"words: {n_expected} of {n_expected} presentations match one" in out
    write_log(study / "log.tsv", schedule(seed=1))
    status, _, failures = checked(capsys, *arguments)
    assert status == 1 and len(failures) == 1


def test_the_beginning_of_a_recording_is_cut_alike_in_all_its_tables(study):
    recording = open_recording(["a.nev", "a.ns6"])
    cut = check_session.beginning(recording, 5.0)
    assert cut.words["time_s"].max() < 5 <= recording.words["time_s"].max()
    assert cut.streams["broadband"].n_samples == 5 * RATE_HZ == cut.segments["n_samples"].sum()
    np.testing.assert_array_equal(
        cut.streams["broadband"].read(0, 0, 100), recording.streams["broadband"].read(0, 0, 100)
    )


CHANGES = {
    "a key that is not known": (lambda f: settings(f, sorting={"treshold": 1}), "unknown key 'sorting.tresh"),
    "a reversed window": (lambda f: settings(f, analysis={"evoked_ms": [200, 50]}), "analysis.evoked_ms"),
    "no GPU": (lambda f: settings(f, device="cuda"), "PyTorch sees no GPU"),
    "an unknown sorter": (lambda f: settings(f, sorting={"sorter": "mountainsort9"}), "no sorter is called"),
    "weights that are not there": (
        lambda f: settings(f, spaces={"deepsim": {"weights": "none.pt"}}), "no such file: none.pt"
    ),
    "a missing style": (lambda f: settings(f, figures={"style": "none"}), "the style file does not exist"),
    "a missing raw file": (lambda f: sheet(f, raw="b.plx"), "'b.plx' does not exist"),
    "a missing log": (lambda f: sheet(f, log="none.tsv"), "'none.tsv' does not exist"),
    "a channel that was not recorded": (lambda f: sheet(f, preferred="9a"), "there is no neural channel 9"),
    "a photodiode that was not recorded": (lambda f: sheet(f, photodiode="ainp3"), "has no channel 'ainp3'"),
    "images that are not there": (lambda f: (folder(f / "none"), sheet(f, images="none")), "60 of 60 images"),
    "a folder without latents": (lambda f: (folder(f / "none"), sheet(f, latents="none")), "code"),
    "a cut recording": (lambda f: os.truncate(f / "a.ns6", 500_000), "the file is truncated"),
    "a log of other words": (lambda f: write_log(f / "log.tsv", schedule(), 111), "presentations match an"),
    "a broken map": (lambda f: (f / "map.tsv").write_text("channel\tarea\n"), "the columns are"),
    "a curation among the results": (
        lambda f: ((folder(f / "results") / "c.json").write_text("{}"), sheet(f, curation="results/c.json")),
        "lies where the pipeline writes",
    ),
    "no sheet": (lambda f: (f / "config/sessions.tsv").unlink(), "cannot read the sample sheet"),
    "no settings": (lambda f: (f / "config/config.yaml").unlink(), "there is no study here"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_would_end_a_run_is_one_failure(study, capsys, change):
    spoil, message = CHANGES[change]
    spoil(study)
    status, out, failures = checked(capsys)
    assert status == 1 and message in out and len(failures) == 1


def test_each_row_that_is_wrong_is_told(study, capsys):
    header, row = (study / "config/sessions.tsv").read_text().splitlines()
    rows = [
        row,
        row,
        row.replace("day1", "day 2"),
        row.replace("day1", "day3").replace("a.nev;a.ns6", "c.plx"),
    ]
    (study / "config/sessions.tsv").write_text("\n".join([header, *rows]) + "\n")
    _, out, failures = checked(capsys)
    assert len(failures) == 3 and "stands twice" in out and "'c.plx' does not exist" in out
    assert "1 session that can be read" in out and "Session day1" in out
    problems = []
    assert [row.session for row in load_sessions("config/sessions.tsv", problems=problems)] == [
        "day1",
        "day3",
    ]
    with pytest.raises(InputError):
        load_sessions("config/sessions.tsv")


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("preferred", "b2", "b2"),
        ("subject", "", "subject"),
        ("raw", "c.plx", "'c.plx' does not exist"),
    ],
)
def test_a_wrong_row_is_a_session_that_others_may_follow_and_that_can_be_chosen(
    study, capsys, column, cell, message
):
    sheet = study / "config/sessions.tsv"
    first = dict(zip(*(line.split("\t") for line in sheet.read_text().splitlines()), strict=True))
    wrong = first | {column: cell}
    tuning = dict.fromkeys(first, "") | {"session": "tuning", "subject": "A", "log": first["log"]}
    header = [*first, "follows"]
    rows = [wrong | {"follows": ""}, tuning | {"follows": first["session"]}]
    sheet.write_text("\n".join("\t".join(row) for row in [header, *([r[c] for c in header] for r in rows)]))
    for arguments in ([], ["--session", first["session"]]):
        status, out, failures = checked(capsys, *arguments)
        assert status == 1 and message in out and "there is no session" not in out
        assert len(failures) == 1, failures


def test_a_session_can_be_chosen_and_a_wrong_name_is_told(study, capsys):
    assert "Session day1" in checked(capsys, "--session", "day1")[1]
    status, out, _ = checked(capsys, "--session", "day2")
    assert status == 1 and "there is no session 'day2'" in out and "Session day1" not in out


def test_too_little_disk_or_memory_is_a_failure(monkeypatch, tmp_path):
    config = Config(results=str(tmp_path / "results"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**3))
    monkeypatch.setattr(check_machine, "LARGEST_JOB", 1e15)
    row = load_sessions(ROOT / "tests/data/sessions.tsv")[0]
    failures = [f.text for f in check_machine.machine_findings(config, [row], 1) if f.level == "FAIL"]
    assert [text.split(":")[0] for text in failures] == ["disk", "memory"]


def test_packages_are_held_against_their_pins(tmp_path):
    lock, findings = tmp_path / "requirements.lock", check_machine.Findings()
    lock.write_text(f"numpy=={metadata.version('numpy')}\npandas==0.1 # old\nno-such-package==1.0\n")
    check_machine._check_pins(lock, findings)
    missing, other = findings
    assert "1 package missing: no-such-package" in missing.text and missing.level == "FAIL"
    assert "pandas" in other.text and "numpy" not in other.text


def test_files_by_themselves_are_read_from_end_to_end(study, capsys):
    status, out, _ = checked(capsys, "a.nev", "a.ns6")
    assert status == 0 and "blackrock, 24.0 s: 2 channels, 120 words" in out
    assert checked(capsys, "log.tsv")[0] == 0 and checked(capsys, "map.tsv")[0] == 0
    os.truncate("a.ns6", 500_000)
    status, _, failures = checked(capsys, "a.nev", "a.ns6")
    assert status == 1 and len(failures) == 1


def record(name, at, **inputs):
    """What a job that read files left behind, `at` minutes after the first."""
    ended = dt.datetime(2026, 3, 1, 10, at, tzinfo=dt.UTC)
    host = Host(name="rig", system="Linux", cpu="one", cores=1, memory_gb=8.0)
    usage = Usage(
        started=ended, ended=ended, wall_s=1.0, cpu_s=1.0, memory_mb=1.0, gpus=(), host=host, slurm_job=""
    )
    job = Job(
        rule=name, wildcards={"session": "day1"}, threads=1, usage=usage, facts={}, inputs=inputs, outputs=()
    )
    write_job(job, "results")


def test_checksums_find_the_byte_that_samples_miss(study, capsys):
    large = study / "a.ns6"
    with large.open("ab") as file:
        file.write(bytes(WHOLE_BYTES + 1_000_000))
    record("recording", 0, **{"a.ns6": sha256(large), "log.tsv": "0" * 64})
    record("spike_sorting", 2, **{"a.ns6": "", "log.tsv": sha256("log.tsv"), "lost.tsv": "1" * 64})
    status, out, _ = checked(capsys, "--checksums")
    assert "2 inputs of 2 jobs as recorded, every byte" in out and "lost.tsv is gone" in out

    before, place = fingerprint(large), large.stat().st_size - 3 * SAMPLE_BYTES
    with large.open("r+b") as file:
        file.seek(place)
        file.write(b"x")
    assert fingerprint(large) == before
    _, out, failures = checked(capsys)
    assert not [line for line in failures if "results were made" in line]
    status, out, failures = checked(capsys, "--checksums")
    assert sum("results were made" in line for line in failures) == 1
    assert status == 1 and "1 input of 2 jobs" in out and "a.ns6" in out
    assert "--forcerun spike_sorting" in out
