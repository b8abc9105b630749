"""Runs of which something is killed at random times: nothing lost, nothing half made, nothing done twice.

``make kill-test`` sets ``EVOALIGN_KILLS`` to the number of kills, over as many runs as that takes.
"""

import os

import pytest
from killing import Campaign, begin_anew, made, small_disk
from running import small_study, snakemake, start

KILLS = int(os.environ.get("EVOALIGN_KILLS", "0"))
ORDER = ("controller", "job", "disk", "controller")
# A run goes on without the job or the node that was killed, to its end: these come last.
ON_SLURM = ("controller", "slurmd", "controller", "job")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(max(3000, 180 * KILLS))]
asked_for = pytest.mark.skipif(not KILLS, reason="`make kill-test` runs it: minutes a kill")


def kill_again_and_again(study, folder, ways, n_kills, arguments, within_s):
    """Runs in a folder until so many kills have happened, each run to its end."""
    expected = made(study)
    killed, run = 0, 0
    while killed < n_kills:
        begin_anew(folder)
        campaign = Campaign(folder, expected, arguments, within_s, seed=20 + run)
        campaign.log = folder.parents[1] / f"run{run}.log"
        killed += campaign.run_to_the_end((ways * n_kills)[killed:n_kills])
        run += 1


@asked_for
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bytes(study, tmp_path):
    with small_disk(tmp_path / "disk", 400) as has_disk:
        folder = small_study(tmp_path / "disk/study", source=study)
        ways = [way if has_disk or way != "disk" else "quota" for way in ORDER]
        kill_again_and_again(study, folder, ways, KILLS - KILLS // 5, ("--cores", 2), (3, 16))


@asked_for
def test_so_does_one_on_slurm(study, slurm, tmp_path):
    folder = small_study(tmp_path / "disk/study", source=study)
    kill_again_and_again(study, folder, ON_SLURM, KILLS // 5, slurm, (10, 60))


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
