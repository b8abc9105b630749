"""What a change reruns, on a finished run: what each job has loaded and been given, and what follows it.

What a rule depends on is not asked of the rule, but of its jobs: the modules
that Python had loaded at a job's end (`site/sitecustomize.py`), and the settings
and fields of the sheet in the job's record.
"""

import itertools
import json
import os
import re
import shutil

import pandas as pd
import pytest
import yaml
from pydantic import BaseModel, ValidationError
from running import jobs, small_study, snakemake
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

from evoalign.errors import InputError
from evoalign.pipeline import versions
from evoalign.pipeline.declared import WHERE
from evoalign.pipeline.provenance.records import read_jobs
from evoalign.study import Config
from evoalign.study_checks import check_consistency

pytestmark = pytest.mark.slow

SECTIONS = {name for name, value in Config() if isinstance(value, BaseModel)}
# Of a study: rules that nothing of the report comes from, and a target of each.
ON_REQUEST = {
    "phy": "results/sessions/V1_plexon/phy",
    "envelope": "results/sessions/V1_plexon/sorting/envelope.zarr",
    "dandiset": "results/dandiset",
    "demo_tuning": "data/demo/IT_tuning/IT_tuning.nwb",
    "demo_shared": "data/demo/V1_shared1/V1_shared1.nwb",
    "axis_images": "results/sessions/IT_blackrock/axis_images",
    "insilico_report": "results/insilico/report.html",
}
# Units of a network evolve for minutes; to see what reruns them, one unit and few images do.
SMALL_INSILICO = {
    "layers": ["block01"],
    "units": 1,
    "n_blocks": 4,
    "images_per_thread": 4,
    "network_px": 32,
    "linear_images": 50,
    "linear_units": 2,
    "warped_depths": [0, 1],
    "warped_dimensions": [4],
    "warped_evaluations": 100,
    "warped_repeats": 2,
}
TARGETS = tuple(ON_REQUEST.values())
CURATED = "results/sessions/IT_blackrock/curated/units.parquet"


def planned(folder, *targets, **config):
    """Rules that Snakemake would run, and of each rule those that take its outputs."""
    quiet = OutputSettings(quiet={Quietness.ALL})
    with SnakemakeApi(quiet) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=config),
            snakefile=folder / "Snakefile",
            workdir=folder,
        )
        workflow.dag(DAGSettings(targets=set(targets))).execute_workflow(executor="dryrun")
        dag = workflow._workflow.dag
        taken = {(job.rule.name, job.rule.name) for job in dag.jobs}
        taken |= {(before.rule.name, job.rule.name) for job in dag.jobs for before in dag.dependencies[job]}
        return {job.rule.name for job in dag.jobs if dag.needrun(job)}, taken


def and_what_follows(rules, taken):
    """The rules of a study's own that are named, and all that take what they make."""
    known = set(itertools.chain(*taken))
    found = rules & known
    while more := {after for before, after in taken if before in found} - found:
        found |= more
    return found


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    """The finished study, in which every rule has run."""
    folder = shutil.copytree(study, tmp_path_factory.mktemp("whole") / "study", symlinks=True)
    units = pd.read_parquet(folder / "results/sessions/IT_blackrock/sorting/units.parquet")
    labels = {
        "format_version": "2",
        "unit_ids": units.loc[units["kind"] == "sorted", "unit"].tolist(),
        "label_definitions": {"quality": {"label_options": ["good", "noise"], "exclusive": True}},
    }
    (folder / "curation.json").write_text(json.dumps(labels))
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config | {"insilico": SMALL_INSILICO}))
    sheet = edited_sheet(folder, folder, "curation", str(folder / "curation.json"), "IT_blackrock")
    snakemake("--cores", 2, "--", "all", *TARGETS, cwd=folder, fresh=True)
    snakemake("--cores", 2, "--config", f"sessions={sheet}", "--", CURATED, cwd=folder, fresh=True)
    return folder


def edited_sheet(study, folder, column, value, session="V1_plexon"):
    """The study's sheet, in a folder, with another value in a column of a session's row."""
    lines = [line.split("\t") for line in (study / "config/sessions.tsv").read_text().splitlines()]
    if column not in lines[0]:
        lines = [[*lines[0], column], *([*line, ""] for line in lines[1:])]
    (row,) = (line for line in lines if line[0] == session)
    row[lines[0].index(column)] = value
    sheet = folder / "sessions.tsv"
    sheet.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    return sheet


@pytest.fixture(scope="module")
def loaded(whole):
    """Rule -> the library's modules that its jobs had loaded at their ends."""
    found = {}
    for file in (whole / "loaded_modules").glob("*.json"):
        told = json.loads(file.read_text())
        found.setdefault(told["rule"], set()).update(told["modules"])
    return found


@pytest.fixture(scope="module")
def taken(study):
    needed, taken = planned(study)
    assert not needed, "a finished run has nothing to do"
    return taken


def test_a_finished_study_plans_nothing_also_of_what_is_made_on_request(whole):
    assert planned(whole, "all", *TARGETS)[0] == set()


# --- the library


def test_every_rule_was_run(whole, loaded):
    text = "".join(file.read_text() for file in (whole / "workflow/rules").glob("*.smk"))
    assert set(re.findall(r"^rule (\w+):", text, flags=re.M)) == set(loaded)


def test_a_change_of_any_module_that_a_job_had_loaded_reruns_its_rule(study, loaded, monkeypatch):
    text = versions._module_digest
    lock = str(study / "envs/requirements.lock")
    missed = []
    for rule, names in loaded.items():
        script = "demo" if rule in ("demo_blackrock", "demo_plexon") else rule
        file = str(study / f"workflow/scripts/{script}.py")
        before = versions.of(file, lock)
        for other in names:
            versions.of.cache_clear()
            changed = {other: "changed"}
            monkeypatch.setattr(
                versions, "_module_digest", lambda name, new=changed: text(name) + new.get(name, "")
            )
            if versions.of(file, lock) == before:
                missed.append((rule, other))
        monkeypatch.setattr(versions, "_module_digest", text)
        versions.of.cache_clear()
    assert missed == []


EDITS = {
    "a figure of the population": (
        "workflow/evoalign/figures/from_tables/crossover.py",
        ("\n\ndef ", "\n\nprint('changed')\n\n\ndef "),
        {"population_figures", "session_figures"},
    ),
    "what pools sessions": (
        "workflow/evoalign/analysis/population/pool.py",
        ("\n\ndef ", "\n\nprint('changed')\n\n\ndef "),
        {"population"},
    ),
    "what pools encoding": (
        "workflow/evoalign/analysis/pooling/encoding.py",
        ("\n\ndef ", "\n\nprint('changed')\n\n\ndef "),
        {"population_encoding"},
    ),
    "a comment": ("workflow/evoalign/files.py", ("\n\ndef ", "\n\n# changed\n\n\ndef "), set()),
    "a script": (
        "workflow/scripts/trajectories.py",
        ("\nwith", "\nprint('changed')\nwith"),
        {"trajectories"},
    ),
    "a pin": ("envs/requirements.lock", ("isosplit6==", "isosplit6==9"), {"spike_sorting", "nwb"}),
    "a pin of tools": ("envs/requirements.lock", ("\nruff==", "\nruff==9"), set()),
    "a setting": ("config/config.yaml", ("strict: false", "strict: true"), {"nwb_findings"}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_in_a_checkout_reruns_what_depends_on_it_and_no_more(study, taken, tmp_path, edit):
    """By files and the command line, as a user does it."""
    name, (old, new), first = EDITS[edit]
    folder = shutil.copytree(study, tmp_path / "study", symlinks=True)
    before = (folder / name).read_text()
    assert old in before
    (folder / name).write_text(before.replace(old, new, 1))
    told = set(jobs(snakemake("-n", cwd=folder).stdout)) - {"total", "all"}
    expected = and_what_follows(first, taken)
    assert expected - {"all"} <= told
    if edit not in ("a pin", "a figure of the population"):
        assert told == expected - {"all"}


def test_a_changed_generator_reruns_the_encoding(study, tmp_path):
    """A study of one NWB session: nothing in it but the encoding draws images, by `register_space`."""
    folder = small_study(tmp_path / "study", source=study)
    shutil.copy2(study / "results/nwb/V1_plexon.nwb", folder / "V1.nwb")
    (folder / "config/sessions.tsv").write_text("session\tsubject\tnwb\nV1\tDemo-P\tV1.nwb\n")
    target = "results/sessions/V1/encoding"
    snakemake("--cores", 1, "--", target, cwd=folder)
    assert "Nothing to be done" in snakemake("-n", target, cwd=folder).stdout
    file = folder / "workflow/evoalign/spaces/procedural.py"
    source = file.read_text()
    changed = source.replace("contrast = 0.17", "contrast = 0.3", 1)
    assert changed != source
    file.write_text(changed)
    assert "encoding" in jobs(snakemake("-n", target, cwd=folder).stdout)


# --- settings and the sheet


def other_values(value):
    """Values to try in place of a setting's own."""
    match value:
        case bool():
            yield not value
        case int() | float():
            yield from (value + 1, value - 1, value * 0.9, value * 1.1, value / 2)
        case str():
            yield from (
                "config/config.yaml",
                "link",
                "zarr",
                "none",
                "online",
                "repeats",
                "F",
                "P1Y/",
                "average",
                "runs",
                "exact",
                "Asia/Tokyo",
            )
        case list():
            yield from (value[:1], value[::-1], [*value, "Ada"], [*value, "top"], [*value, "block"])
            yield [-50, 250]  # a window that all bins tile
            yield from ([*value[:-1], other] for last in value[-1:] for other in other_values(last))
        case dict():
            yield from ({**value, key: other} for key in value for other in other_values(value[key]))
            yield from ({"a": "b"}, {"a": {"age": "P1Y"}}, {"image": "b"}, {"label": "b"})


def changed(section, name, own):
    """A valid configuration with another value of a setting than a study's own."""
    value = own[section][name] if section else own[name]
    for other in other_values(value):
        try:
            new = {section: {name: other}} if section else {name: other}
            check_consistency(Config.model_validate(new), "")
        except (ValidationError, InputError):
            continue
        if other != value:
            return {section: {name: other}} if section else {name: other}
    pytest.fail(f"no other value of {section}.{name} is known to this test: add one")


def holders(study):
    """Setting, as (section, name) -> rules whose jobs were given it."""
    found = {}
    for job in read_jobs(study / "results"):
        for section, value in job.settings.items():
            if section not in WHERE:
                for key in [(section, name) for name in value] if section in SECTIONS else [("", section)]:
                    found.setdefault(key, set()).add(job.rule)
    return found


@pytest.mark.parametrize("section", ["", *sorted(SECTIONS)])
def test_each_setting_that_jobs_were_given_reruns_them_when_it_changes(whole, section):
    own = Config.model_validate(yaml.safe_load((whole / "config/config.yaml").read_text()))
    wrong = {}
    for (place, name), rules in holders(whole).items():
        if place == section:
            new = changed(section, name, own.model_dump(mode="json"))
            needed, then = planned(whole, "all", *TARGETS, **new)
            missed = needed ^ and_what_follows(rules, then)
            if "curated" in rules:
                missed |= {"curated"} - planned(whole, CURATED, sessions=f"{whole}/sessions.tsv", **new)[0]
            if missed:
                wrong[name] = missed
    assert wrong == {}


def test_every_setting_is_given_to_some_job(whole):
    own = Config()
    given = {*holders(whole), *(("", name) for name in WHERE)}
    every = {(section, name) for section in SECTIONS for name in type(getattr(own, section)).model_fields} | {
        ("", name) for name in Config.model_fields if name not in SECTIONS
    }
    assert every == given


def test_two_values_that_are_swapped_rerun_what_reads_them(study, taken):
    own = yaml.safe_load((study / "config/config.yaml").read_text())["analysis"]
    swapped = {"success_p": own["both_succeed_p"], "both_succeed_p": own["success_p"]}
    assert "trajectories" in planned(study, analysis=swapped)[0]
    demo = {"n_blocks": 6, "n_electrodes": 5}
    assert "demo_plexon" in planned(study, demo=demo)[0]


def test_the_device_reruns_nothing(study):
    assert planned(study, device="cpu")[0] == set()


def other_cell(study, folder, column):
    """Another valid value of a column: of files, a copy under another name."""
    plain = {
        "subject": "Ada",
        "date": "2026-01-02",
        "preferred": "5a",
        "spaces": "texture;texture",
        "photodiode": "",
        "unstable_baseline": "moved",
        "follows": "IT_blackrock",
        "site": "one of two",
        "optimisers": "CMA-ES;Adam",
    }
    if column in plain:
        return plain[column]
    lines = [line.split("\t") for line in (study / "config/sessions.tsv").read_text().splitlines()]
    cell = dict(zip(lines[0], next(line for line in lines if line[0] == "V1_plexon"), strict=True))[column]
    source = study / cell
    (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / source.name)
    return str(folder / source.name)


CELLS = {
    "raw": {"recording", "stimulus_log", "spike_sorting", "presentations", "nwb"},
    "arrays": {"recording"},
    "log": {"stimulus_log", "presentations"},
    "spaces": {"stimulus_log", "nwb", "responses", "session_figures", "prototypes"},
    "latents": {"presentations", "nwb", "responses", "session_figures", "prototypes"},
    "images": {"presentations", "nwb"},
    "photodiode": {"presentations", "nwb"},
    "preferred": {"spike_sorting", "nwb", "responses", "trajectories", "session_figures", "prototypes"},
    "subject": {"nwb", "responses", "session_figures", "prototypes"},
    "unstable_baseline": {"nwb", "responses", "trajectories", "session_figures", "prototypes"},
    "date": {"nwb"},
    "site": {"nwb", "responses", "trajectories", "session_figures", "prototypes"},
    "optimisers": {"nwb", "trajectories"},
    "follows": {"population_tuning"},
}


@pytest.mark.parametrize("column", CELLS)
def test_a_changed_cell_reruns_what_reads_it(study, taken, tmp_path, column):
    sheet = edited_sheet(study, tmp_path, column, other_cell(study, tmp_path, column))
    assert planned(study, sessions=str(sheet))[0] == and_what_follows(CELLS[column], taken)


# --- files


@pytest.mark.parametrize(
    ("name", "touched", "not_touched"),
    [
        ("V1_plexon.plx", {"recording", "spike_sorting", "nwb"}, {"stimulus_log"}),
        ("latents/*", {"presentations", "nwb"}, {"recording", "spike_sorting"}),
        ("images/*", {"presentations", "nwb"}, {"recording", "spike_sorting"}),
    ],
)
def test_a_file_overwritten_in_place_reruns_its_session_alone(study, tmp_path, name, touched, not_touched):
    folder = shutil.copytree(study, tmp_path / "study", symlinks=True)
    file = next(p for p in sorted((folder / "data/demo/V1_plexon").glob(name)) if p.name[0] != ".")
    os.utime(file)
    told = snakemake("-n", cwd=folder).stdout
    assert all(jobs(told).get(rule) == 1 for rule in touched)
    assert not not_touched & set(jobs(told))
    assert "wildcards: session=IT_blackrock" not in told
