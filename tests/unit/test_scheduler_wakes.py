"""How often Snakemake plans while the jobs of a run wait for cores."""

import subprocess
import sys

import pytest

WORKFLOW = """
from evoalign.pipeline.runs import wake_when_jobs_end

onstart:
    if {mended}:
        wake_when_jobs_end(workflow.scheduler)

rule all:
    input: expand("{{number}}", number=range(5))

rule one:
    output: "{{number}}"
    shell: "sleep 1.2; touch {{output}}"
"""


@pytest.mark.parametrize(
    ("mended", "limit"), [(True, ()), (False, ()), (True, ("--max-jobs-per-timespan", "90/1s"))]
)
def test_a_run_plans_once_a_job_where_the_user_limits_no_rate(tmp_path, mended, limit):
    (tmp_path / "Snakefile").write_text(WORKFLOW.format(mended=mended))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--verbose", *limit]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(list(tmp_path.glob("[0-4]"))) == 5
    n_plans = done.stderr.count("Ready jobs: ")
    # By itself Snakemake plans on: where that has changed, `wake_when_jobs_end` may go.
    assert n_plans == 6 if mended and not limit else n_plans > 8
