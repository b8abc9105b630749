"""Recordings and sorting from a cache that two checkouts share."""

import shutil

import pytest
import yaml
from running import results, small_study, snakemake

pytestmark = pytest.mark.slow
TARGET = "results/sessions/V1_plexon/sorting/units.parquet"


@pytest.fixture
def checkout(study, tmp_path, monkeypatch):
    """A function that makes a checkout of raw files elsewhere, run to the sorting."""
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    shutil.copytree(study / "data/demo/V1_plexon", tmp_path / "raw/V1_plexon")

    def run(name, **sorting):
        folder = small_study(tmp_path / name, source=study)
        sheet = folder / "config/sessions.tsv"
        rows = sheet.read_text().splitlines()
        own = [row for row in rows if row.startswith(("session", "V1_plexon"))]
        sheet.write_text("\n".join(own).replace("data/demo", str(tmp_path / "raw")) + "\n")
        config = yaml.safe_load((folder / "config/config.yaml").read_text())
        config["sorting"] |= sorting
        (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
        snakemake("--cores", 1, "--cache", "--", TARGET, cwd=folder)
        return folder

    return run


def ran(folder):
    """Rules that a run has executed: their logs say something, those of fetched outputs do not."""
    return {log.parent.name for log in (folder / "results/logs").glob("*/*.log") if log.read_text()}


def test_a_second_checkout_takes_what_the_first_has_made_and_no_more(checkout):
    first, second = checkout("first"), checkout("second")
    assert ran(first) == {"recording", "spike_sorting"}
    assert ran(second) == set()
    assert results(second) == results(first) != {}
    other = checkout("other", detect_threshold=5.5)
    assert ran(other) == {"spike_sorting"}
    assert results(other)[TARGET] != results(first)[TARGET]
