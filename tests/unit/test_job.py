import errno
import hashlib
import resource
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from evoalign.errors import InputError
from evoalign.pipeline import declared
from evoalign.pipeline.job import job
from evoalign.pipeline.provenance.records import read_jobs
from evoalign.study import Config


@pytest.fixture
def snakemake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = tmp_path / "words.parquet"
    words.write_bytes(b"abc")

    class Input(list):
        get = {"raw": "a.ns6"}.get

    return SimpleNamespace(
        rule="recording",
        input=Input(["a.ns6", str(words)]),
        wildcards={"session": "s1"},
        threads=1,
        output=[str(tmp_path / "made" / "words.parquet")],
        log=[str(tmp_path / "logs" / "s1.log")],
        config={"seed": 3, "device": "cpu"},
        params=params(Config(seed=3)),
    )


class Params(dict):
    """Parameters of a rule as a script has them."""

    __getattr__ = dict.__getitem__


def params(config, names=tuple(Config.model_fields), **others):
    return Params(settings=declared.settings(config, names), **others)


def log_of(snakemake):
    with open(snakemake.log[0]) as stream:
        return stream.read()


def test_a_job_gets_the_checked_config(snakemake):
    with job(snakemake) as (config, facts):
        assert config == Config(seed=3, device="cpu")
    assert "done" in log_of(snakemake)
    # Checksums of the inputs, but of no raw file: those may be many gigabytes.
    checksums = {name: digest for name, digest in facts.items() if name.startswith("input:")}
    assert checksums == {"input:words.parquet": hashlib.sha256(b"abc").hexdigest()}


def test_a_job_gets_the_settings_of_its_rule_alone_and_where_it_runs(snakemake):
    snakemake.params = params(Config(), ["sorting.highpass_hz"])
    with job(snakemake) as (config, _):
        assert (config.sorting.highpass_hz, config.device, config.results) == (300.0, "cpu", "results")
        with pytest.raises(AttributeError, match="Config.seed is not listed by the job's rule"):
            _ = config.seed


def test_bad_input_is_one_message_in_log_and_screen_and_exit_1(snakemake, capsys):
    with pytest.raises(SystemExit) as caught, job(snakemake):
        raise InputError("no samples", "a.ns6, byte 336", "export it again")
    assert caught.value.code == 1
    screen = capsys.readouterr().err
    for text in (screen, log_of(snakemake)):
        assert "recording (session=s1)" in text
        assert "a.ns6, byte 336" in text
        assert "Traceback" not in text


def test_a_job_that_ends_well_leaves_a_record_of_what_it_took(snakemake):
    snakemake.params = params(Config(seed=3), ["seed"], session=declared.text(subject="Ada"))
    before = time.process_time()
    with job(snakemake):
        while time.process_time() < before + 0.05:
            pass
    (record,) = read_jobs("results")
    assert (record.rule, record.of) == ("recording", "s1")
    assert (record.settings, record.row) == ({"seed": 3}, {"subject": "Ada"})
    # Of the raw file another job knows the checksum.
    assert record.inputs == {"a.ns6": "", "words.parquet": hashlib.sha256(b"abc").hexdigest()}
    assert record.outputs == ("made/words.parquet",)
    assert record.usage.cpu_s >= before + 0.05


def test_a_job_that_fails_leaves_the_record_of_its_last_run(snakemake):
    with job(snakemake):
        pass
    (before,) = read_jobs("results")
    with pytest.raises(SystemExit), job(snakemake):
        raise InputError("no samples", "a.ns6")
    assert read_jobs("results") == [before]


def test_a_defect_of_ours_keeps_its_traceback(snakemake):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        1 / 0
    assert "ZeroDivisionError" in log_of(snakemake)


def inputs_of(snakemake, files, folder, monkeypatch):
    """What the facts call files in a folder, from which the job is run."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file)
    monkeypatch.chdir(folder)
    snakemake.input[:] = files
    with job(snakemake) as (_, facts):
        pass
    return {name.removeprefix("input:") for name in facts if name.startswith("input:")}


def test_inputs_of_the_study_are_named_from_its_folder_and_the_users_by_name(
    snakemake, tmp_path, monkeypatch
):
    fetched = ".snakemake/storage/s3/lab/a/log.tsv"
    files = ["results/sessions/s1/events/log.parquet", fetched, str(tmp_path / "maps/V1.tsv")]
    expected = {"results/sessions/s1/events/log.parquet", "log.tsv", "V1.tsv"}
    assert inputs_of(snakemake, files, tmp_path, monkeypatch) == expected


def test_no_input_is_lost_where_two_have_one_name(snakemake, tmp_path, monkeypatch):
    assert inputs_of(snakemake, ["a/s1.nwb", "b/s1.nwb"], tmp_path, monkeypatch) == {"a/s1.nwb", "b/s1.nwb"}


def test_a_full_disk_is_one_message_that_says_how_much_is_left_where(snakemake, capsys):
    with pytest.raises(SystemExit), job(snakemake):
        raise RuntimeError("cannot write") from OSError(errno.ENOSPC, "No space left on device")
    screen = capsys.readouterr().err
    assert "no space left on a disk" in screen and "MB free" in screen and "run again" in screen
    assert "Traceback" not in screen + log_of(snakemake)


WRITES = """
import sys
from types import SimpleNamespace
from evoalign.files import atomic_write
from evoalign.pipeline.job import job

folder = sys.argv[1]
given = SimpleNamespace(
    rule="responses", input=type("Input", (list,), {"get": {}.get})(), wildcards={}, threads=1,
    output=[f"{folder}/made"], log=[f"{folder}/rule.log"], config={},
    params=type("Params", (dict,), {"settings": "{}"})())
with job(given), atomic_write(f"{folder}/made") as partial:
    partial.write_bytes(bytes(10_000_000))
"""


def test_what_does_not_fit_is_not_there_at_all(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WRITES, tmp_path],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    assert done.returncode == 1
    assert "InputError in responses (study): no space left" in done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"rule.log"}


def test_a_job_removes_what_a_killed_one_left_of_its_outputs(snakemake, tmp_path):
    left = tmp_path / "made/.partial-1-words.parquet"
    left.parent.mkdir()
    left.touch()
    with job(snakemake):
        assert not left.exists()
