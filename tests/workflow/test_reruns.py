"""Every row of docs/reruns.md on a finished run: those rules are planned, what follows them, and no more."""

import functools
import importlib.util
import itertools
import os
import re
import shutil

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from running import ROOT, jobs, snakemake
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

from evoalign import depends
from evoalign.reach import Library
from evoalign.study import Config, Session

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/reruns.md").read_text(encoding="utf-8")

SECTIONS = {name: list(type(value).model_fields) for name, value in Config() if isinstance(value, BaseModel)}


def rows(title):
    """Rows of a table of the page: what is changed -> rules that rerun first."""
    text = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    found = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [
        (re.findall(r"`([^`]+)`", changed), set(rules.split(", ")) - {"nothing"}) for changed, rules in found
    ]


def named(value):
    """A short name of a row for its test: what is changed first."""
    return value[0] if isinstance(value, list) else "then"


def planned(folder, **config):
    """Rules that Snakemake would run, and of each rule those that take its outputs."""
    quiet = OutputSettings(quiet={Quietness.ALL})
    with SnakemakeApi(quiet) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=config),
            snakefile=folder / "Snakefile",
            workdir=folder,
        )
        workflow.dag(DAGSettings()).execute_workflow(executor="dryrun")
        dag = workflow._workflow.dag
        taken = {(before.rule.name, job.rule.name) for job in dag.jobs for before in dag.dependencies[job]}
        return {job.rule.name for job in dag.jobs if dag.needrun(job)}, taken


def and_what_follows(rules, taken):
    """The rules of a study's own that are named, and all that take what they make."""
    known = set(itertools.chain(*taken))
    found = rules & known
    while more := {after for before, after in taken if before in found} - found:
        found |= more
    return found


def other_values(value):
    """Values to try in place of a knob's own."""
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
            )
        case list():
            yield from (value[:1], value[::-1], [*value, "Ada"], [*value, "top"], [*value, "block"])
            yield from ([*value[:-1], other] for last in value[-1:] for other in other_values(last))
        case dict():
            yield from ({"a": "b"}, {"a": {"age": "P1Y"}})


def changed(key, own):
    """A valid configuration with another value of a knob than a study's own."""
    section, _, name = key.rpartition(".")
    value = own[section][name] if section else own[name]
    for other in other_values(value):
        try:
            Config.model_validate({section: {name: other}} if section else {name: other})
        except ValidationError:
            continue
        if other != value:
            return {section: {name: other}} if section else {name: other}
    pytest.fail(f"no other value of {key} is known to this test: add one")


def merged(one, other):
    """Two nested configurations as one."""
    both = one | other
    return {
        name: one[name] | other[name] if {name} <= one.keys() & other.keys() and name in SECTIONS else value
        for name, value in both.items()
    }


@pytest.fixture(scope="module")
def taken(study):
    needed, taken = planned(study)
    assert not needed, "a finished run has nothing to do"
    return taken


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("reruns", ROOT / "workflow/scripts/reruns.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.page(PAGE) == PAGE, "run `make schemas`"


def test_every_knob_stands_in_the_table_once():
    keys = [
        f"{name}.{key}" if name in SECTIONS else name
        for name in Config.model_fields
        for key in SECTIONS.get(name, [""])
        if name not in depends.WHERE
    ]
    assert sorted(key for keys, _ in rows("Knobs") for key in keys) == sorted(keys)


@pytest.mark.parametrize(("keys", "rules"), rows("Knobs"), ids=named)
def test_a_changed_knob_reruns_what_reads_it(study, taken, keys, rules):
    own = Config.model_validate(yaml.safe_load((study / "config/config.yaml").read_text()))
    new = {key: changed(key, own.model_dump(mode="json")) for key in keys}
    together = functools.reduce(merged, new.values())
    for config in (new[keys[0]], new[keys[-1]], together):
        needed, then = planned(study, **config)
        assert needed == and_what_follows(rules, taken | then), config  # a knob may bring a rule in


def test_the_device_reruns_nothing(study):
    assert planned(study, device="cpu")[0] == set()


def edited_sheet(study, folder, column, change):
    """The study's sheet, in a folder, with another value in a column of the first row."""
    lines = [line.split("\t") for line in (study / "config/sessions.tsv").read_text().splitlines()]
    if column not in lines[0]:
        lines = [[*lines[0], column], *([*line, ""] for line in lines[1:])]
    place = lines[0].index(column)
    lines[1][place] = change(lines[1][place])
    sheet = folder / "sessions.tsv"
    sheet.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    return str(sheet)


def other_cell(study, folder, column):
    """A function from a cell to another that is valid."""
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
        return lambda cell: plain[column]

    def copied(cell):
        """A copy of the file or folder under another name."""
        source = study / cell.split(";")[0] if cell else study / "config/sessions.tsv"
        target = folder / source.name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
        return str(target)

    return copied


@pytest.mark.parametrize(("columns", "rules"), rows("Cells of `sessions.tsv`"), ids=named)
def test_a_changed_cell_reruns_what_reads_it(study, taken, tmp_path, columns, rules):
    expected = and_what_follows(rules, taken)
    for column in columns:
        (tmp_path / column).mkdir()
        sheet = edited_sheet(study, tmp_path / column, column, other_cell(study, tmp_path / column, column))
        assert planned(study, sessions=sheet)[0] == expected, column


def test_every_column_stands_in_the_table():
    told = [column for columns, _ in rows("Cells of `sessions.tsv`") for column in columns]
    assert sorted([*told, "session", "nwb", "curation"]) == sorted(Session.model_fields)


@pytest.mark.parametrize(("rooms", "rules"), rows("The library, by room"), ids=named)
def test_a_changed_room_reruns_what_reaches_it(study, taken, tmp_path, monkeypatch, rooms, rules):
    root = tmp_path / "evoalign"
    shutil.copytree(depends.ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    files = [file for room in rooms for file in [root / f"{room}.py", *root.glob(f"{room}/**/*.py")]]
    for file in files:
        if file.exists():
            file.write_text(file.read_text() + "\nprint('changed')\n")
    library = Library(root)
    monkeypatch.setattr(depends, "library", lambda: library)
    assert planned(study)[0] == and_what_follows(rules, taken)


@pytest.mark.parametrize(("packages", "rules"), rows("Pins"), ids=named)
def test_a_new_pin_reruns_what_imports_the_package(study, taken, monkeypatch, packages, rules):
    lock = depends.read_lock(study / "envs/requirements.lock")
    new = lock | dict.fromkeys(packages, "0.0.1")
    monkeypatch.setattr(depends, "read_lock", lambda path: new)
    assert planned(study)[0] == and_what_follows(rules, taken)


def test_edits_in_a_checkout_are_seen(study, tmp_path):
    """The same by files and command line, as a user does it: one of each kind."""
    folder = shutil.copytree(study, tmp_path / "study", symlinks=True)
    edits = {
        "workflow/evoalign/figures/crossover.py": ("0.5", "0.6", {"population_figures"}),
        "envs/requirements.lock": ("isosplit6==", "isosplit6==9", {"spike_sorting"}),
        "config/config.yaml": ("strict: false", "strict: true", {"nwb_findings"}),
    }
    for name, (old, new, rules) in edits.items():
        file = folder / name
        before = file.read_text()
        assert old in before
        file.write_text(before.replace(old, new, 1))
        assert rules <= set(jobs(snakemake("-n", cwd=folder).stdout)) - {"total"}, name
        file.write_text(before)
    assert "Nothing to be done" in snakemake("-n", cwd=folder).stdout


def test_a_new_raw_file_reruns_its_session_alone(study, tmp_path):
    folder = shutil.copytree(study, tmp_path / "study", symlinks=True)
    os.utime(folder / "data/demo/V1_plexon/V1_plexon.plx")
    planned = snakemake("-n", cwd=folder).stdout
    assert jobs(planned)["spike_sorting"] == jobs(planned)["recording"] == jobs(planned)["nwb"] == 1
    assert "stimulus_log" not in jobs(planned)
    assert "wildcards: session=IT_blackrock" not in planned
