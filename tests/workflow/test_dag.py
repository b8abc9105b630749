"""What Snakemake says before it runs anything."""

import re
from types import SimpleNamespace

import psutil
import pytest
from running import jobs, snakemake
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

from evoalign.pipeline import process


def test_a_dry_run_of_the_demo_plans_every_stage_for_each_session(checkout):
    planned = jobs(snakemake("-n", cwd=checkout).stdout)
    for rule in ("recording", "spike_sorting", "presentations", "nwb"):
        assert planned[rule] == 3
    # Thirteen shared sessions and the tuning session enter as NWB.
    for rule in ("responses", "trajectories", "encoding", "session_figures"):
        assert planned[rule] == 17
    simulated = ("demo_blackrock", "demo_plexon", "demo_shared", "demo_tuning")
    assert [planned[rule] for rule in simulated] == [2, 1, 1, 1]
    assert planned["eigenframe"] == 2  # of both spaces, for all sessions
    assert planned["population"] == planned["report"] == 1


def test_dag_is_drawn(checkout):
    assert snakemake("--dag", cwd=checkout).stdout.count("->") > 60


def test_snakemake_finds_nothing_to_lint(checkout):
    assert "Congratulations" in snakemake("--lint", cwd=checkout).stdout


@pytest.mark.parametrize(("given", "limit"), [({}, 900), ({"mem_mb": 1500}, 1500)])
def test_jobs_fit_into_the_memory_of_the_machine_or_what_the_user_gives(checkout, monkeypatch, given, limit):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=1e9))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=8, resources=given),
            snakefile=checkout / "Snakefile",
            workdir=checkout,
        )
        workflow.dag(DAGSettings()).execute_workflow(executor="dryrun")
        asked = {job.resources.get("mem_mb", 0) for job in workflow._workflow.dag.jobs}
    assert max(asked) == limit


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (17, 1), (35, 2), (1000, 8)])
def test_long_jobs_share_the_cores_that_sessions_leave_over(checkout, cores, threads):
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=cores),
            config_settings=ConfigSettings(config={"nwb": {"raw": "embed"}}),
            snakefile=checkout / "Snakefile",
            workdir=checkout,
        )
        workflow.dag(DAGSettings()).execute_workflow(executor="dryrun")
        several = {job.rule.name: job.threads for job in workflow._workflow.dag.jobs}
    assert several["spike_sorting"] == several["nwb"] == threads
    assert several["recording"] == several["encoding"] == 1


@pytest.mark.parametrize(
    ("device", "there", "asked"),
    [("cpu", True, 0), ("cuda", False, 1), ("auto", True, 1), ("auto", False, 0)],
)
def test_jobs_that_compute_on_a_gpu_ask_for_it(checkout, monkeypatch, device, there, asked):
    monkeypatch.setattr(process, "has_gpu", lambda: there)
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=8, resources={"gpu": 1}),
            config_settings=ConfigSettings(config={"device": device}),
            snakefile=checkout / "Snakefile",
            workdir=checkout,
        )
        workflow.dag(DAGSettings()).execute_workflow(executor="dryrun")
        gpus = {job.rule.name: job.resources.get("gpu", 0) for job in workflow._workflow.dag.jobs}
    assert {rule for rule, number in gpus.items() if number} == (
        {"trajectories", "encoding", "eigenframe"} if asked else set()
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("devise=cpu", ["unknown key 'devise'", "did you mean 'device'?"]),
        ("seed=many", ["seed: Input should be a valid integer"]),
        ("analysis={evoked_s: [0.05, 0.2]}", ["analysis.evoked_s", "did you mean 'evoked_ms'?"]),
        ("spaces={deepsim: {weight: a.pt}}", ["spaces.deepsim.weight", "did you mean 'weights'?"]),
        (
            "spaces={deepsim: {weights: a.pt}}",
            ["no such file: a.pt (spaces.deepsim.weights)", "evoalign spaces list"],
        ),
        ("sessions=none.tsv", ["cannot read the sample sheet", "none.tsv"]),
    ],
)
def test_a_wrong_config_ends_before_any_job_with_one_message(checkout, config, expected):
    done = snakemake("-n", "--config", config, cwd=checkout, check=False)
    assert done.returncode != 0
    assert all(words in done.stdout for words in expected)
    assert "Traceback" not in done.stdout
    assert len(done.stdout.splitlines()) < 15


def test_a_wrong_path_in_the_sheet_is_named_with_row_and_column(checkout, tmp_path):
    sheet = (checkout / "config/sessions.tsv").read_text().replace("arrays/demo_V4.tsv", "arrays/demo_V5.tsv")
    (tmp_path / "sessions.tsv").write_text(sheet)
    done = snakemake("-n", "--config", f"sessions={tmp_path}/sessions.tsv", cwd=checkout, check=False)
    assert done.returncode != 0
    assert "demo_V5.tsv' does not exist" in done.stdout
    assert "row 3, column arrays" in done.stdout


def test_weights_of_generators_are_inputs_of_what_they_render(checkout, tmp_path):
    """Of a session that evolved in their spaces: prototypes and the eigenframe of each, and no other's."""
    for name in ("fc6.pt", "biggan.bin", "s1.nwb"):
        (tmp_path / name).write_text("")
    sheet = tmp_path / "sessions.tsv"
    sheet.write_text(f"session\tsubject\tnwb\tspaces\ns1\tA\t{tmp_path}/s1.nwb\tfc6;BigGAN_class\n")
    weights = f"{{deepsim: {{weights: {tmp_path}/fc6.pt}}, biggan: {{weights: {tmp_path}/biggan.bin}}}}"
    config = ("--config", f"sessions={sheet}", f"results={tmp_path}/results")
    without = snakemake("-n", *config, cwd=checkout).stdout
    assert "fc6.pt" not in without and "eigenframe" not in jobs(without)
    told = snakemake("-n", *config, f"spaces={weights}", cwd=checkout).stdout
    assert jobs(told)["eigenframe"] == 1  # the class part needs the session's noise
    inputs = dict(re.findall(r"^rule (\w+):\s+input: (.*)$", told, re.M))
    assert f"{tmp_path}/fc6.pt" in inputs["eigenframe"] and "biggan.bin" not in inputs["eigenframe"]
    for file in ("fc6.pt", "biggan.bin"):
        assert f"{tmp_path}/{file}" in inputs["prototypes"]
