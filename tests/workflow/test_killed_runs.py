"""Runs of which something is killed at random times: nothing lost, nothing half made, nothing done twice.

``make kill-test`` sets ``EVOALIGN_KILLS`` to the number of kills, over as many runs as that takes.
"""

import base64
import os
import shutil

import pytest
from killing import Campaign, begin_anew, made, small_disk
from running import jobs, small_study, snakemake, start

from evoalign.pipeline.runs import GUARD

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
        assert "Another run is at work in 'results'" in second.stdout
        assert "was killed" not in second.stdout
    finally:
        first.kill()
        first.wait()


def test_what_a_killed_run_made_and_could_not_record_is_made_again(study, tmp_path):
    """A job ends, and Snakemake is killed before it writes down with which parameters it ran."""
    folder = shutil.copytree(study, tmp_path / "study", symlinks=True)
    name = "results/sessions/V1_plexon/events/log.parquet"
    record = base64.urlsafe_b64encode(name.encode()).decode()
    (folder / ".snakemake/metadata" / record).unlink()
    assert "Nothing to be done" in snakemake("-n", cwd=folder).stdout
    guard = folder / "results" / GUARD
    guard.write_text("process 1 on a node\n")
    os.utime(guard, (0, 0))
    planned = snakemake("-n", cwd=folder).stdout
    assert "The last run here was killed; of its outputs, 1 are made again." in planned
    assert jobs(planned)["stimulus_log"] == 1
    assert "wildcards: session=IT_blackrock" not in planned
