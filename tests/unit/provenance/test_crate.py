import json

import pytest
from rocrate.rocrate import ROCrate

from evoalign.pipeline.provenance.account import account
from evoalign.pipeline.provenance.crate import write_crate
from evoalign.pipeline.provenance.crate_files import content_uri
from evoalign.pipeline.provenance.records import write_job
from evoalign.pipeline.provenance.workflow import PARTS, copy_workflow
from evoalign.study import Config

CONFIG = Config(
    study="my study",
    lab="Vision Lab",
    institution="University",
    experimenter=("Lovelace, Ada",),
    provenance={"license": "https://creativecommons.org/licenses/by/4.0/"},
)


@pytest.fixture
def crate(study, tmp_path):
    """The crate of a run, as the library for RO-Crates reads it."""
    for job in study:
        write_job(job, "results")
    for name in ("Snakefile", "rules/a.smk", "sessions.tsv", "lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    copied = "results/provenance/workflow"
    copy_workflow("Snakefile", ["rules/a.smk"], "sessions.tsv", "lock", {"seed": 3}, copied)
    for name in ("index.html", "jobs.tsv"):
        (tmp_path / "results/provenance" / name).touch()
    found = account("results", "results/report.html", "5" * 64, CONFIG.provenance)
    facts = {"version": "1.2", "commit": "00ff"}
    write_crate("results/ro-crate-metadata.json", found, copied, CONFIG, facts)
    return ROCrate("results")


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_it_is_a_provenance_run_crate_of_the_workflow(crate):
    assert {e.id for e in crate.root_dataset["conformsTo"]} >= {
        "https://w3id.org/ro/wfrun/provenance/0.5",
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "https://w3id.org/ro/wfrun/process/0.5",
    }
    main = crate.mainEntity
    assert main.id == "provenance/workflow/Snakefile"
    assert {"ComputationalWorkflow", "HowTo", "File", "SoftwareSourceCode"} == set(main.type)
    assert main["programmingLanguage"]["name"] == "Snakemake"
    steps = {step["name"]: step["workExample"] for step in main["step"]}
    assert list(steps) == ["recording", "presentations", "report"]
    assert list(steps.values()) == main["hasPart"]


def test_each_job_is_an_action_with_its_step_times_inputs_outputs_and_use(crate, study):
    for control in crate.get_by_type("ControlAction"):
        action, step = control["object"], control["instrument"]
        job = next(job for job in study if job.rule == step["name"])
        assert action["instrument"] == step["workExample"]
        assert action["startTime"] == job.usage.started.isoformat(timespec="milliseconds")
        assert action["agent"]["name"] == "Lovelace, Ada"
        assert len(as_list(action["object"])) == len(job.inputs)
        used = {e["name"]: float(e["value"]) for e in action["resourceUsage"]}
        assert (used["wall_s"], used["cpu_s"], used["memory_mb"]) == (10, 8, 500)
    assert len(crate.get_by_type("ControlAction")) == len(study)


def test_what_one_job_wrote_and_another_read_is_the_same_entity(crate):
    actions = {a["name"]: a for a in crate.get_by_type("CreateAction")}
    made = as_list(actions["recording (a)"]["result"])
    assert {e.id for e in made} & {e.id for e in actions["presentations (a)"]["object"]} == {
        "sessions/a/recording/words.parquet"
    }
    assert crate.get("sessions/a/recording/words.parquet")["sha256"] == "2" * 64


def test_the_whole_run_goes_from_what_lay_outside_to_all_results(crate):
    (run,) = [a for a in crate.get_by_type("CreateAction") if a["instrument"] == crate.mainEntity]
    assert {e.get("alternateName", e.id) for e in run["object"]} == {
        "raw/a.plx",
        "raw/images",
        "maps/V1.tsv",
        "provenance/workflow/config/config.yaml",
        "provenance/workflow/config/sessions.tsv",
    }
    assert {e.id for e in run["result"]} >= {"report.html", "sessions/a/events/"}
    (engine,) = crate.get_by_type("OrganizeAction")
    assert engine["result"] == run


def test_files_outside_the_results_are_named_by_their_content(crate):
    """RFC 6920, section 8.1: the name of "Hello World!"."""
    digest = "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069"
    assert content_uri(digest) == "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"
    assert crate.get(content_uri("4" * 64))["alternateName"] == "raw/a.plx"


def test_every_file_that_it_names_is_there_and_every_reference_leads_somewhere(crate, tmp_path):
    graph = json.loads((tmp_path / "results/ro-crate-metadata.json").read_text())["@graph"]
    known = {entity["@id"] for entity in graph}
    assert len(known) == len(graph)
    outside = ("https://w3id.org/", "https://doi.org/", "https://snakemake")
    for entity in graph:
        for value in entity.values():
            for item in as_list(value):
                if isinstance(item, dict):
                    assert item["@id"] in known or item["@id"].startswith(outside), item
    for entity in graph:
        if {"File", "Dataset"} & set(as_list(entity["@type"])) and "://" not in entity["@id"]:
            assert entity["@id"].startswith("ni:") or (tmp_path / "results" / entity["@id"]).exists()
    assert {f"provenance/workflow/{name}" for name in PARTS} <= {name.rstrip("/") for name in known}


def test_title_agents_machine_and_licence_are_told(crate):
    assert "my study" in crate.name
    assert crate.license.id == CONFIG.provenance.license
    person = crate.root_dataset["author"]
    assert person["affiliation"]["name"] == "Vision Lab, University"
    assert "CPU of 8 cores" in crate.get("#machine-rig")["description"]
