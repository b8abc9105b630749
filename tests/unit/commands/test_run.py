"""`evoalign run` starts Snakemake with the study's settings and the right profile."""

import argparse
import sys
from pathlib import Path

import pytest

from evoalign.cli import main
from evoalign.commands import run

ROOT = Path(__file__).parents[3]


def command(**changed):
    plain = {"config": Path("config/config.yaml"), "cores": None, "slurm": False, "dry": False, "targets": []}
    return run.snakemake_command(argparse.Namespace(**plain | changed))


def test_the_profile_and_the_rules_are_the_checkouts():
    plain = command()
    assert plain[:3] == [sys.executable, "-m", "snakemake"]
    assert plain[plain.index("--snakefile") + 1] == str(ROOT / "Snakefile")
    for slurm, name in ((False, "default"), (True, "slurm")):
        words = command(slurm=slurm)
        profile = Path(words[words.index("--workflow-profile") + 1])
        assert profile.name == name and (profile / "config.yaml").exists()


def test_options_and_targets_reach_snakemake():
    words = command(cores=3, dry=True, targets=["results/nwb/a.nwb", "--forcerun", "nwb"])
    assert words[words.index("--cores") + 1] == "3" and "--dry-run" in words
    assert words[-3:] == ["results/nwb/a.nwb", "--forcerun", "nwb"]


def test_a_folder_without_a_study_is_one_message(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run"]) == 1
    assert "there is no study here" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_of_a_new_study_is_planned_and_made_by_snakemake(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    header = ["presentation", "trial", "image", "onset_word", "offset_word", "onset_s", "offset_s"]
    (tmp_path / "log.tsv").write_text("\t".join(header) + "\n0\t1\ta\t101\t201\t1.0\t1.1\n")
    assert main(["new", "study"]) == 0
    monkeypatch.chdir(tmp_path / "study")
    sheet = Path("config/sessions.tsv")
    columns = sheet.read_text().strip().split("\t")
    row = {"session": "day1", "subject": "A", "log": str(tmp_path / "log.tsv")}
    sheet.write_text("\t".join(columns) + "\n" + "\t".join(row.get(column, "") for column in columns) + "\n")
    assert main(["run", "--dry", "results/sessions/day1/events/log.parquet"]) == 0
    assert "stimulus_log" in capfd.readouterr().out
    assert main(["run", "results/sessions/day1/events/log.parquet"]) == 0
    assert Path("results/sessions/day1/events/log.parquet").exists()


def test_a_library_without_its_checkout_is_one_message(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evoalign.commands.arguments.checkout", lambda: tmp_path / "site-packages")
    assert main(["new", "study"]) == 1 and not Path("study").exists()
    assert "pip install --editable" in capsys.readouterr().err
