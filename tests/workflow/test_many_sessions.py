"""A study of many sessions in which all is done; benchmarks/workflow.py times one of 200."""

import pytest
from many import finished_study
from running import snakemake

N_SESSIONS = 25

pytestmark = pytest.mark.slow


def test_in_a_finished_study_of_many_sessions_there_is_nothing_to_do(tmp_path):
    folder = finished_study(tmp_path / "study", N_SESSIONS)
    assert "Nothing to be done" in snakemake("-n", cwd=folder).stdout
