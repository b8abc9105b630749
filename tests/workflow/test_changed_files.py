"""What is changed behind Snakemake's back in a finished study is planned again, and alone."""

import os
import shutil

import pytest
import yaml
from running import jobs, snakemake

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(study, tmp_path):
    return shutil.copytree(study, tmp_path / "study", symlinks=True)


def under_an_older_date(file, content):
    stat = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns - 10_000_000_000))


def test_damage_deletion_and_replacement_are_planned_again(copy):
    assert "Nothing to be done" in snakemake("-n", cwd=copy).stdout
    session = copy / "results/sessions/IT_blackrock"
    table = session / "trajectories/trajectories.parquet"
    under_an_older_date(table, table.read_bytes()[:-1] + b"?")
    (copy / "results/figures/V1_plexon/quality.png").unlink()
    told = snakemake("-n", cwd=copy).stdout
    planned = jobs(told)
    assert planned["trajectories"] == planned["session_figures"] - 1 == 1
    assert "recording" not in planned and "nwb" not in planned
    assert "trajectories.parquet has another content" in told and "quality.png is gone" in told


def test_a_deleted_nwb_file_and_an_older_log_are_planned_again(copy):
    (copy / "results/nwb/V1_plexon.nwb").unlink()
    planned = jobs(snakemake("-n", cwd=copy).stdout)
    assert planned["nwb"] == planned["responses"] == 1 and "spike_sorting" not in planned
    log = next(
        p
        for p in sorted((copy / "data/demo/IT_blackrock").iterdir())
        if p.suffix in (".bhv2", ".h5", ".mat", ".tsv")
    )
    under_an_older_date(log, log.read_bytes() + b"\0")
    told = snakemake("-n", cwd=copy).stdout
    assert f"{log.name} has another content" in told


def test_a_changed_setting_is_seen_without_the_folder_of_snakemake(copy):
    shutil.rmtree(copy / ".snakemake")
    assert "Nothing to be done" in snakemake("-n", cwd=copy).stdout
    file = copy / "config/config.yaml"
    config = yaml.safe_load(file.read_text())
    config["tuning"] = config.get("tuning", {}) | {"min_distances": 4}
    config["figures"] = config.get("figures", {}) | {"dpi": 90}
    file.write_text(yaml.safe_dump(config))
    planned = jobs(snakemake("-n", cwd=copy).stdout)
    assert planned["session_figures"] == 2 and "spike_sorting" not in planned
