"""A study of two small sessions, run in several ways: the same tables each time, and nothing half made."""

import re
import shutil

import pytest
from running import results, small_study, snakemake

pytestmark = pytest.mark.slow


def test_one_job_at_a_time_gives_the_same_bytes_as_two(study, tmp_path):
    # The study's jobs are Pythons of their own; these are forked from one that has loaded the libraries.
    other = small_study(tmp_path / "other", source=study)
    snakemake("--cores", 1, cwd=other)
    assert results(other) == results(study)


def test_a_session_that_fails_leaves_the_others_and_a_report_that_says_why(study, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(study, other)
    # Beside the demo's files, which would be made again.
    whole = (other / "data/demo/V1_plexon/V1_plexon.plx").read_bytes()
    (other / "data/V1_cut.plx").write_bytes(whole[: len(whole) // 2])
    sheet = other / "config/sessions.tsv"
    (row,) = [line for line in sheet.read_text().splitlines() if line.startswith("V1_plexon")]
    cut = row.replace("V1_plexon", "V1_cut", 1).replace(
        "data/demo/V1_plexon/V1_plexon.plx", "data/V1_cut.plx"
    )
    sheet.write_text(sheet.read_text() + cut + "\n")
    done = snakemake("--cores", 2, cwd=other, check=False)
    assert done.returncode != 0
    assert "InputError in" in done.stdout and "V1_cut.plx" in done.stdout
    assert "Traceback" not in done.stdout.split("InputError in")[1].split("RuleException")[0]
    end = done.stdout.split("Failed jobs: 1; what does not depend on them is done:\n")[1]
    assert end.startswith("recording (session=V1_cut): the last block is cut")
    assert "hint: " in end and "The report is made without what failed: V1_cut" in end
    assert not list(other.rglob(".partial-*"))
    unharmed = {name: digest for name, digest in results(study).items() if "report.html" not in name}
    # Nothing of the others was made again, and what was pooled is of them.
    assert {name: digest for name, digest in results(other).items() if name in unharmed} == unharmed
    page = (other / "results/report.html").read_text(encoding="utf-8")
    matrix = page[page.index('id="matrix"') : page.index("</table>")]
    failed = matrix[matrix.index('<tr class="failed">') :]
    assert "V1_cut" in failed and "the last block is cut" in failed and "hint: " in failed
    text = re.sub("</?a[^>]*>", "", page)
    assert matrix.count("<tr>") == 3 and "1 failed session left out of every number here" in text
    # Once more, nothing but the session that failed is tried, and the report stays as it is.
    before = (other / "results/report.html").stat().st_mtime_ns
    again = snakemake("--cores", 2, cwd=other, check=False)
    assert again.returncode != 0 and "Nothing to be done" in again.stdout
    assert (other / "results/report.html").stat().st_mtime_ns == before
