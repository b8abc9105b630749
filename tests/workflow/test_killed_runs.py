"""Runs of which something is killed at random times: nothing lost, nothing half made, nothing done twice.

``make kill-test`` sets ``EVOALIGN_KILLS`` to the number of kills, over as many runs as that takes.
"""

import os

import pytest
from killing import Campaign, begin_anew, made, small_disk
from running import small_study, snakemake, start

KILLS = int(os.environ.get("EVOALIGN_KILLS", "4"))
ARGUMENTS = ("--cores", 2)
ORDER = ("controller", "job", "disk", "controller")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(max(900, 120 * KILLS))]


@pytest.mark.skipif("EVOALIGN_KILLS" not in os.environ, reason="`make kill-test` runs it: minutes a kill")
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bytes(study, tmp_path):
    with small_disk(tmp_path / "disk", 400) as has_disk:
        folder = small_study(tmp_path / "disk/study", source=study)
        expected = made(study)
        ways = [way if has_disk or way != "disk" else "quota" for way in ORDER]
        killed, run = 0, 0
        while killed < KILLS:
            begin_anew(folder)
            campaign = Campaign(folder, expected, ARGUMENTS, (3, 16), seed=20 + run)
            campaign.log = tmp_path / f"run{run}.log"
            killed += campaign.run_to_the_end((ways * KILLS)[: KILLS - killed])
            run += 1


def test_a_second_run_in_the_folder_is_refused_while_the_first_lives(study, tmp_path):
    folder = small_study(tmp_path / "study", source=study)
    first = start("--cores", 1, cwd=folder)
    try:
        for line in first.stdout:
            if "rule demo" in line:
                break
        second = snakemake("--cores", 1, cwd=folder, check=False)
        assert second.returncode != 0
        assert "cannot be locked" in second.stdout
        assert "was killed" not in second.stdout
    finally:
        first.kill()
        first.wait()
