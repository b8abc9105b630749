"""A study of two small sessions, run in several ways: the same tables each time, and nothing half made."""

import shutil

import pytest
from running import results, small_study, snakemake

pytestmark = pytest.mark.slow


def test_one_job_at_a_time_gives_the_same_bytes_as_two(study, tmp_path):
    other = small_study(tmp_path / "other", source=study)
    snakemake("--cores", 1, cwd=other)
    assert results(other) == results(study)


def test_a_session_that_fails_leaves_the_others_and_says_why(study, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(study, other)
    raw = other / "data/demo/V1_plexon/V1_plexon.plx"
    raw.write_bytes(raw.read_bytes()[: raw.stat().st_size // 2])
    done = snakemake("--cores", 2, cwd=other, check=False)
    assert done.returncode != 0
    assert "InputError in" in done.stdout and "V1_plexon.plx" in done.stdout
    assert "Traceback" not in done.stdout.split("InputError in")[1].split("RuleException")[0]
    end = done.stdout.split("Failed jobs: 1; what does not depend on them is done:\n")[1]
    assert end.startswith("recording (session=V1_plexon): the last block is cut")
    assert "hint: " in end and "Elapsed time" in end
    assert not list(other.rglob(".partial-*"))
    unharmed = {n: d for n, d in results(study).items() if "IT_blackrock" in n}
    assert {n: d for n, d in results(other).items() if "IT_blackrock" in n} == unharmed
