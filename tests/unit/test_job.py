import errno
import hashlib
import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest

from evoalign.errors import InputError
from evoalign.job import job
from evoalign.study import Config


@pytest.fixture
def snakemake(tmp_path):
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
        params={},
    )


def log_of(snakemake):
    with open(snakemake.log[0]) as stream:
        return stream.read()


def test_a_job_gets_the_checked_config(snakemake):
    with job(snakemake) as (config, facts):
        assert config == Config(seed=3, device="cpu")
    assert "done" in log_of(snakemake)
    # Checksums of the inputs, but of no raw file: those may be many gigabytes.
    checksums = {name: digest for name, digest in facts.items() if name.startswith("input:")}
    assert checksums == {f"input:{snakemake.input[1]}": hashlib.sha256(b"abc").hexdigest()}


def test_a_job_gets_the_knobs_of_its_rule_alone_and_where_it_runs(snakemake):
    snakemake.params = {"knobs": {"sorting": {"highpass_hz": 300.0}}, "pins": {"numpy": "2"}}
    with job(snakemake) as (config, facts):
        assert (config.sorting.highpass_hz, config.device, config.results) == (300.0, "cpu", "results")
        with pytest.raises(AttributeError):
            _ = config.seed
    assert "numpy" in facts and "torch" not in facts


def test_bad_input_is_one_message_in_log_and_screen_and_exit_1(snakemake, capsys):
    with pytest.raises(SystemExit) as caught, job(snakemake):
        raise InputError("no samples", "a.ns6, byte 336", "export it again")
    assert caught.value.code == 1
    screen = capsys.readouterr().err
    for text in (screen, log_of(snakemake)):
        assert "recording (session=s1)" in text
        assert "a.ns6, byte 336" in text
        assert "Traceback" not in text


def test_a_defect_of_ours_keeps_its_traceback(snakemake):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        1 / 0
    assert "ZeroDivisionError" in log_of(snakemake)


def test_inputs_are_named_from_the_folder_of_the_run(snakemake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with job(snakemake) as (_, facts):
        pass
    assert "input:words.parquet" in facts


def test_a_full_disk_is_one_message_that_says_how_much_is_left_where(snakemake, capsys):
    with pytest.raises(SystemExit), job(snakemake):
        raise RuntimeError("cannot write") from OSError(errno.ENOSPC, "No space left on device")
    screen = capsys.readouterr().err
    assert "no space left on a disk" in screen and "MB free" in screen and "run again" in screen
    assert "Traceback" not in screen + log_of(snakemake)


WRITES = """
import sys
from types import SimpleNamespace
from evoalign.files import whole
from evoalign.job import job

folder = sys.argv[1]
given = SimpleNamespace(
    rule="responses", input=type("Input", (list,), {"get": {}.get})(), wildcards={}, threads=1,
    output=[f"{folder}/made"], log=[f"{folder}/rule.log"], config={}, params={})
with job(given), whole(f"{folder}/made") as partial:
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
    assert {p.name for p in tmp_path.iterdir()} == {"rule.log", ".rule.log.lock"}


def test_a_job_removes_what_a_killed_one_left_of_its_outputs(snakemake, tmp_path):
    left = tmp_path / "made/.partial-1-words.parquet"
    left.parent.mkdir()
    left.touch()
    with job(snakemake):
        assert not left.exists()
