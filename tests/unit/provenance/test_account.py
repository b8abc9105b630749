import hashlib
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from evoalign.pipeline.provenance import checksums
from evoalign.pipeline.provenance.account import account, jobs_table, rules_table, totals
from evoalign.pipeline.provenance.energy import energy_wh
from evoalign.pipeline.provenance.measure import Gpu
from evoalign.pipeline.provenance.page import formula, shown_totals, write_pages
from evoalign.pipeline.provenance.records import write_job
from evoalign.study import Provenance

TEMPLATE = Path(__file__).parents[3] / "workflow/report/provenance.html.j2"
KNOBS = Provenance(core_w=10, gpu_w=300, pue=1.5)


@pytest.fixture
def found(study):
    for job in study:
        write_job(job, "results")
    return account("results", "results/report.html", "5" * 64, KNOBS)


def test_energy_is_that_of_green_algorithms(make_job):
    """Their formula for 2 h, 4 cores of 12 W at 50 %, 64 GB, PUE 1.67."""
    whole = 2 * (4 * 12 * 0.5 + 64 * 0.3725) * 1.67
    usage = make_job("sort", {}, (), wall_s=7200, cpu_s=7200 * 4 * 0.5, memory_mb=64_000).usage
    assert energy_wh(usage, Provenance()) == pytest.approx(whole)


def test_a_gpu_adds_what_it_counted_or_else_its_watts(make_job):
    counted, other = (Gpu(name="GPU", memory_mb=1, energy_j=energy) for energy in (7200.0, None))
    without = energy_wh(make_job("encoding", {}, ()).usage, KNOBS)
    for gpus, watt_hours in ((counted,), 2.0), ((other,), 10 * 300 / 3600), ((counted, other), 2 + 10 / 12):
        usage = make_job("encoding", {}, (), gpus=gpus).usage
        assert energy_wh(usage, KNOBS) - without == pytest.approx(watt_hours * 1.5)


def test_every_input_and_result_has_its_checksum(found):
    images = hashlib.sha256(b"1.png\0" + hashlib.sha256(b"raw/images/1.png").hexdigest().encode() + b"\n")
    assert found.sums == {
        "maps/V1.tsv": "1" * 64,
        "results/sessions/a/recording/words.parquet": "2" * 64,
        "results/sessions/a/events": "3" * 64,
        "raw/a.plx": "4" * 64,  # from the descriptor
        "results/report.html": "5" * 64,
        "raw/images": images.hexdigest(),
    }
    assert found.sources == ("maps/V1.tsv", "raw/a.plx", "raw/images")
    assert found.unmeasured == ()


def test_a_folder_is_read_again_only_when_it_has_changed(found, monkeypatch):
    read = []
    monkeypatch.setattr(checksums, "sha256", lambda path: read.append(str(path)) or "6" * 64)
    assert checksums.taken(["raw/images"], "results") == {"raw/images": found.sums["raw/images"]}
    assert read == []
    os.utime("raw/images/1.png", (1, 1))
    assert checksums.taken(["raw/images"], "results") == {"raw/images": "6" * 64}
    assert read == ["raw/images"]


def test_results_without_a_record_are_named(found, study):
    Path("results/provenance/jobs/presentations/a.json").unlink()
    again = account("results", "results/report.html", "5" * 64, KNOBS)
    assert again.unmeasured == ("results/sessions/a/events",)
    assert [job.rule for job in again.jobs] == ["report"]


def test_sums_are_those_of_the_jobs(found):
    jobs = jobs_table(found)
    energy = 3 * (8 * 10 + 10 * 0.5 * 0.3725) * 1.5 / 3.6e6
    assert totals(jobs) == pytest.approx(
        {
            "jobs": 3,
            "wall_h": 30 / 3600,
            "cpu_h": 24 / 3600,
            "gpu_h": 0,
            "energy_kwh": energy,
            "memory_mb": 500,
        },
        rel=1e-3,
    )
    rules = rules_table(jobs).set_index("rule")
    assert rules.index.tolist() == ["recording", "presentations", "report"]
    assert rules["energy (Wh)"].sum() == pytest.approx(jobs["energy_wh"].sum())


def test_the_pages_tell_every_job_and_how_energy_is_estimated(found, tmp_path):
    files = {name: tmp_path / f"{name}.out" for name in ("page", "totals", "jobs")}
    write_pages(files, TEMPLATE, found, "my study")
    page = files["page"].read_text()
    assert formula(found) in page and "× 10 W" in page and "× 1.5 " in page
    for text in ("my study", "CPU of 8 cores", "4" * 64, "raw/images", "numpy"):
        assert text in page
    for value in shown_totals(found, jobs_table(found)).values():
        assert f"<dd>{value}</dd>" in page and f"<dd>{value}</dd>" in files["totals"].read_text()
    table = pd.read_csv(files["jobs"], sep="\t")
    assert table["rule"].tolist() == ["recording", "presentations", "report"]
    assert table["wall_s"].tolist() == [10.0] * 3


def test_a_study_without_any_record_has_pages_too(study, tmp_path):
    empty = account("results", "results/report.html", "5" * 64, KNOBS)
    files = {name: tmp_path / f"{name}.out" for name in ("page", "totals", "jobs")}
    write_pages(files, TEMPLATE, empty, "old")
    assert "1 results without a record" in files["page"].read_text()
    assert json.dumps(totals(jobs_table(empty)))
