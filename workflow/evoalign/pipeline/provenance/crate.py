"""The run as a Provenance Run Crate: an RO-Crate that other tools read.

https://w3id.org/ro/wfrun/provenance/0.5, with the folder of results as the
crate's root. The Snakefile is its main workflow; each rule is a tool and a
step, each job a `CreateAction` with its times, inputs, outputs and use of
resources. Results are named by where they lie, what lies elsewhere by its
content (RFC 6920: ``ni:///sha-256;..``), so that nothing tells of folders of
the machine but in `alternateName`.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from evoalign.files import atomic_write
from evoalign.pipeline.provenance.account import Account
from evoalign.pipeline.provenance.crate_files import CrateFiles, local_id
from evoalign.pipeline.provenance.energy import energy_wh, gpu_s
from evoalign.pipeline.provenance.records import Job, named
from evoalign.pipeline.provenance.workflow import PARTS
from evoalign.study import Config

RUN_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
# Profile -> name and version, as the profile asks for them.
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
CONFIGURATION = ("config.yaml", "sessions.tsv")
NO_LICENSE = "No licence is stated: ask those who made the recordings."
UNITS = "https://qudt.org/vocab/unit/"

Properties = dict[str, Any]


def write_crate(
    path: str | PathLike[str],
    found: Account,
    workflow: str | PathLike[str],
    config: Config,
    facts: Mapping[str, str],
) -> None:
    """Write ``ro-crate-metadata.json``; it appears whole or not at all.

    Parameters
    ----------
    path : path
        In the folder of results, which is the crate's root.
    found : Account
        The jobs, and what they read and wrote.
    workflow : path
        Folder of `workflow.copy_workflow`, in the folder of results.
    config : Config
        Study, institution, lab, experimenters, and the section `provenance`.
    facts : mapping of str to str
        Versions of what runs now.
    """
    root = Path(named(Path(path).parent))
    content = _Crate(found, root, Path(named(workflow)), config, facts).content()
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class _Crate:
    """A crate that grows; each method adds what its name says and returns it."""

    def __init__(
        self, found: Account, root: Path, workflow: Path, config: Config, facts: Mapping[str, str]
    ) -> None:
        self.found, self.root, self.config, self.facts = found, root, config, facts
        self.copied = workflow.relative_to(root)
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_contexts.append(RUN_CONTEXT)
        self.files = CrateFiles(self.crate, root, self.copied, found.sums)

    def content(self) -> Properties:
        """Return the whole crate as JSON-LD."""
        agents = self._agents()
        main = self._workflow()
        self._steps(main)
        run, controls = self._run(main, agents)
        for name in ("index.html", "jobs.tsv"):
            self.files.entity(self.root / "provenance" / name)["about"] = run
        self._engine(run, controls)
        self._about(agents)
        content: Properties = self.crate.metadata.generate()
        return content

    def _add(self, identifier: str, kind: str | list[str], **properties: Any) -> Entity:
        filled = {key: _plain(value) for key, value in properties.items() if value not in ("", None, [])}
        return self.crate.add(ContextEntity(self.crate, local_id(identifier), {"@type": kind} | filled))

    def _about(self, agents: list[Entity]) -> None:
        """Title, licence, date and profiles of the crate itself."""
        root, config = self.crate.root_dataset, self.config
        ended = max((job.usage.ended for job in self.found.jobs), default=None)
        self.crate.name = f"{config.study}: recordings to figures"
        self.crate.description = (
            f"Results of the pipeline evoalign {self.facts['version']} on the study '{config.study}', "
            "and what they were made from."
        )
        self.crate.license = self._license()
        if ended:
            self.crate.datePublished = ended
        root["conformsTo"] = [
            self.crate.add(
                ContextEntity(self.crate, uri, {"@type": "CreativeWork", "name": name, "version": version})
            )
            for uri, (name, version) in PROFILES.items()
        ]
        actions, folders = (self.crate.get_by_type(kind) for kind in ("CreateAction", "Collection"))
        root["mentions"] = [*actions, *self._hosts(), *folders]
        if agents:
            root["author"] = _plain(agents)

    def _license(self) -> Entity | str:
        """An entity where it is a URL; RO-Crate allows words."""
        license_ = self.config.provenance.license
        if not license_.startswith("http"):
            return license_ or NO_LICENSE
        return self.crate.add(
            ContextEntity(self.crate, license_, {"@type": "CreativeWork", "name": license_})
        )

    def _agents(self) -> list[Entity]:
        """The experimenters, of their lab; the lab itself where nobody is named."""
        config = self.config
        of = ", ".join(filter(None, [config.lab, config.institution]))
        lab = self._add("#lab", "Organization", name=of) if of else None
        people = [
            self._add(f"#person-{number}", "Person", name=name, affiliation=_ref(lab) if lab else None)
            for number, name in enumerate(config.experimenter, 1)
        ]
        return people or ([lab] if lab else [])

    def _workflow(self) -> Entity:
        main = self.crate.add_workflow(
            self.root / self.copied / "Snakefile",
            dest_path=self.copied / "Snakefile",
            main=True,
            lang="snakemake",
            lang_version=importlib.metadata.version("snakemake"),
            properties={"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]},
        )
        main["name"] = "evoalign"
        main["version"] = self.facts["version"]
        main["identifier"] = f"git commit {self.facts['commit'] or 'unknown'}"
        for name, meaning in PARTS.items():
            if name != "Snakefile":
                self.files.entity(self.root / self.copied / name)["description"] = meaning
        return main

    def _steps(self, main: Entity) -> None:
        """Each rule as a tool and as a step, in an order in which they can run."""
        rules = list(dict.fromkeys(job.rule for job in self.found.jobs))
        versions = {job.rule: job.facts for job in self.found.jobs}
        tools, steps = [], []
        for position, rule in enumerate(rules):
            tool = self._add(
                f"#rule-{rule}",
                "SoftwareApplication",
                name=f"evoalign: rule {rule}",
                softwareVersion=versions[rule].get("version", ""),
                softwareRequirements=[_ref(package) for package in self._packages(versions[rule])],
            )
            tools.append(tool)
            steps.append(
                self._add(f"#step-{rule}", "HowToStep", name=rule, position=position, workExample=_ref(tool))
            )
        main["hasPart"] = tools
        main["step"] = steps

    def _packages(self, facts: Mapping[str, str]) -> list[Entity]:
        packages = {name: facts[name] for name in facts if name not in ("version", "commit", "config")}
        return [
            self._add(f"#{name}-{version}", "SoftwareApplication", name=name, softwareVersion=version)
            for name, version in packages.items()
        ]

    def _run(self, main: Entity, agents: list[Entity]) -> tuple[Entity, list[Entity]]:
        """The run as a whole, and each job with the step that it belongs to."""
        controls = []
        for number, job in enumerate(self.found.jobs):
            action = self._job(number, job, agents)
            controls.append(
                self._add(
                    f"#control-{number}",
                    "ControlAction",
                    name=f"orchestrate {job.rule} ({job.of})",
                    instrument={"@id": f"#step-{job.rule}"},
                    object=_ref(action),
                )
            )
        config = [str(self.root / self.copied / "config" / name) for name in CONFIGURATION]
        used_files = [*self.found.sources, *config]
        times = [(job.usage.started, job.usage.ended) for job in self.found.jobs]
        run = self._add(
            "#run",
            "CreateAction",
            name=f"{self.config.study}: from recordings to the report",
            description=f"{len(times)} jobs; sums and estimate of energy in provenance/index.html",
            instrument=_ref(main),
            agent=[_ref(agent) for agent in agents],
            startTime=_time(min(times)[0]) if times else None,
            endTime=_time(max(ended for _, ended in times)) if times else None,
            object=[_ref(self.files.entity(file)) for file in used_files],
            result=[_ref(self.files.entity(file)) for file in self.found.outputs],
        )
        return run, controls

    def _job(self, number: int, job: Job, agents: list[Entity]) -> Entity:
        usage = job.usage
        name = f"#job-{number}"
        measured = {
            "wall_s": (usage.wall_s, "SEC"),
            "cpu_s": (usage.cpu_s, "SEC"),
            "memory_mb": (usage.memory_mb, "MegaBYTE"),
            "gpu_s": (gpu_s(usage), "SEC"),
            "energy_wh": (energy_wh(usage, self.found.settings), "W-HR"),
        }
        return self._add(
            name,
            "CreateAction",
            name=f"{job.rule} ({job.of})",
            description=f"{job.threads} threads on {usage.host.name}: {usage.host.cpu}",
            instrument={"@id": f"#rule-{job.rule}"},
            agent=[_ref(agent) for agent in agents],
            startTime=_time(usage.started),
            endTime=_time(usage.ended),
            object=[_ref(self.files.entity(file)) for file in job.inputs],
            result=[_ref(self.files.entity(file)) for file in job.outputs],
            resourceUsage=[
                _ref(
                    self._add(
                        f"{name}-{what}",
                        "PropertyValue",
                        name=what,
                        propertyID=f"provenance/index.html#{what}",
                        unitCode=f"{UNITS}{unit}",
                        value=f"{value:.6g}",
                    )
                )
                for what, (value, unit) in measured.items()
            ],
        )

    def _engine(self, run: Entity, controls: list[Entity]) -> None:
        version = importlib.metadata.version("snakemake")
        engine = self._add(
            "#engine", "SoftwareApplication", name=f"Snakemake {version}", softwareVersion=version
        )
        self._add(
            "#engine-run",
            "OrganizeAction",
            name=f"Run of Snakemake {version}",
            instrument=_ref(engine),
            object=[_ref(control) for control in controls],
            result=_ref(run),
        )

    def _hosts(self) -> list[Entity]:
        hosts = {job.usage.host.name: job.usage.host for job in self.found.jobs}
        return [
            self._add(
                f"#machine-{name}",
                "IndividualProduct",
                name=name,
                description=f"{host.cpu}, {host.cores} cores, {host.memory_gb:g} GB, {host.system}",
            )
            for name, host in sorted(hosts.items())
        ]


def _plain(value: Any) -> Any:
    """One value rather than a list of one, as RO-Crate recommends."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _time(when: dt.datetime) -> str:
    """ISO 8601 in the form that the profile's validator takes."""
    return when.isoformat(timespec="milliseconds")


def _ref(entity: Entity) -> Properties:
    return {"@id": entity.id}
