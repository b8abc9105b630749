"""What a finished run tells of itself: every job, in a table, on a page, as an RO-Crate."""

import re
import shutil

import pandas as pd
import pytest
from rocrate.rocrate import ROCrate
from running import snakemake

from evoalign.pipeline.provenance.checksums import known
from evoalign.pipeline.provenance.records import read_jobs

pytestmark = pytest.mark.slow


def test_every_job_of_the_run_is_told(study):
    table = pd.read_csv(study / "results/provenance/jobs.tsv", sep="\t")
    logs = list((study / "results/logs").rglob("*.log"))
    ran = sorted(log.parent.name if log.parent.name != "logs" else log.stem for log in logs)
    told = sorted(re.sub("^demo_.*", "demo", rule) for rule in [*table["rule"], "provenance"])
    assert told == ran
    assert (table[["wall_s", "cpu_s", "memory_mb", "energy_wh"]] > 0).all(axis=None)


def test_the_report_shows_the_totals_of_the_page(study):
    (shown,) = re.findall('<object data="([^"]+)"', (study / "results/report.html").read_text())
    totals = re.findall("<dd>.*?</dd>", (study / "results" / shown).read_text())
    page = (study / "results/provenance/index.html").read_text()
    assert len(totals) == 6 and all(total in page for total in totals)


def test_the_crate_holds_the_run_from_raw_files_to_the_report(study):
    crate = ROCrate(study / "results")
    jobs = read_jobs(study / "results")
    assert len(crate.get_by_type("ControlAction")) == len(jobs) - 1  # not the rule that writes it
    assert crate.get("report.html")["sha256"] == known(jobs, study / "results")["results/report.html"]
    outside = [e for e in crate.get_by_type("File") if e.id.startswith("ni:")]
    assert {"data/demo/V1_plexon/V1_plexon.plx", "data/demo/IT_blackrock/IT_blackrock.ns6"} <= {
        e["alternateName"] for e in outside
    }
    assert all("sha256" in e for e in outside)
    for name in ("nwb/V1_plexon.nwb", "sessions/V1_plexon/trajectories/", "figures/population/"):
        assert len(crate.get(name)["sha256"]) == 64


def test_a_job_that_runs_again_changes_its_own_measures_alone(study, tmp_path):
    folder = shutil.copytree(study, tmp_path / "study", symlinks=True)
    kept = {p: p.read_bytes() for p in (folder / "results/provenance/jobs").rglob("*.json")}
    target = "results/sessions/V1_plexon/events/log.parquet"
    snakemake("--cores", 1, "--forcerun", "stimulus_log", "--", target, cwd=folder)
    changed = [p.relative_to(folder / "results/provenance/jobs") for p in kept if p.read_bytes() != kept[p]]
    assert [str(p) for p in changed] == ["stimulus_log/V1_plexon.json"]
