"""One small file a job: what it took, from what and into what; and the jobs behind a result."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from evoalign.files import atomic_write
from evoalign.pipeline.provenance.measure import Usage

JOBS = "provenance/jobs"

log = logging.getLogger(__name__)


class Job(BaseModel):
    """A job that has ended well.

    Attributes
    ----------
    rule : str
        Its rule.
    wildcards : dict of str to str
        As ``{"session": "V1_plexon"}``.
    threads : int
        That Snakemake gave it.
    usage : Usage
        What it took.
    facts : dict of str to str
        Versions, commit and hash of the configuration.
    settings, row : dict
        The settings that it may read, and the fields of its session's row.
    inputs : dict of str to str
        Each input, from the folder of the run, and its SHA-256; '' of those too large for each job to read.
    outputs : tuple of str
        Likewise; folders without a slash at the end.
    files : dict of str to (int, int, int, str)
        Outputs, and inputs that are files: see `evoalign.pipeline.changes.states`.
    """

    model_config = ConfigDict(frozen=True)

    rule: str
    wildcards: dict[str, str]
    threads: int
    usage: Usage
    facts: dict[str, str]
    # Older records call them knobs.
    settings: dict[str, Any] = Field(default={}, validation_alias=AliasChoices("settings", "knobs"))
    row: dict[str, Any] = {}
    inputs: dict[str, str]
    outputs: tuple[str, ...]
    files: dict[str, tuple[int, int, int, str]] = {}

    @property
    def of(self) -> str:
        """What it was for: its session, or 'study'."""
        return ", ".join(self.wildcards.values()) or "study"


def record_file(results: str | PathLike[str], rule: str, wildcards: Mapping[str, str]) -> Path:
    """Return where the record of a job lies: ``<results>/provenance/jobs/<rule>/<session>.json``."""
    name = ",".join(value.replace("/", "_") for value in wildcards.values()) or "study"
    return Path(results) / JOBS / rule / f"{name}.json"


def write_job(job: Job, results: str | PathLike[str]) -> None:
    """Write a job's record, in the place of that of its last run."""
    with atomic_write(record_file(results, job.rule, job.wildcards)) as partial:
        partial.write_text(job.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_jobs(results: str | PathLike[str]) -> list[Job]:
    """Return the jobs recorded under a folder of results; one of another version's form is passed over."""
    jobs = []
    for file in sorted((Path(results) / JOBS).glob("*/*.json")):
        try:
            jobs.append(Job.model_validate_json(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            log.warning("%s is not read: %s", file, error)
    return jobs


def behind(result: str, jobs: Iterable[Job]) -> tuple[list[Job], list[str]]:
    """Return the jobs that a result comes from, one through the other.

    Parameters
    ----------
    result : str
        A file, from the folder of the run.
    jobs : iterable of Job
        All that are recorded, sessions that are no longer in the study among
        them. Of two that say that they made the same file, the later counts.

    Returns
    -------
    jobs : list of Job
        By the time of their start.
    sources : list of str
        Files that no recorded job has made, sorted: what the study starts from.
    """
    makers = {output: job for job in sorted(jobs, key=lambda job: job.usage.ended) for output in job.outputs}
    upstream: dict[int, Job] = {}
    visited: set[str] = set()
    sources: set[str] = set()
    waiting = [result]
    while waiting:
        file = waiting.pop()
        if file in visited:
            continue
        visited.add(file)
        maker = makers.get(file)
        if maker is None:
            sources.add(file)
        elif id(maker) not in upstream:
            upstream[id(maker)] = maker
            waiting += maker.inputs
    return sorted(upstream.values(), key=lambda job: (job.usage.started, job.rule, job.of)), sorted(sources)


def named(file: str | PathLike[str]) -> str:
    """Return a path below the folder of the run: where that folder lies says nothing of the content."""
    path = Path(file)
    working_directory = Path.cwd()
    return str(path.relative_to(working_directory) if path.is_relative_to(working_directory) else path)
