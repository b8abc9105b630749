"""A study of many sessions in which all is done; benchmarks/workflow.py times one of 200."""

import os

import pytest
from many import finished_study
from running import jobs, snakemake

N_SESSIONS = 25

pytestmark = pytest.mark.slow


def test_of_many_finished_sessions_a_new_recording_reruns_one(tmp_path):
    folder = finished_study(tmp_path / "study", N_SESSIONS)
    assert "Nothing to be done" in snakemake("-n", cwd=folder).stdout
    os.utime(folder / "raw/s012/s012.plx")
    planned = jobs(snakemake("-n", cwd=folder).stdout)
    assert planned["spike_sorting"] == planned["nwb"] == planned["report"] == 1
