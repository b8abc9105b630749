"""What the making of a report took: its jobs, their sums, and what they started from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import pandas as pd

from evoalign.pipeline.provenance import checksums
from evoalign.pipeline.provenance.energy import energy_wh, gpu_s
from evoalign.pipeline.provenance.records import Job, behind, named, read_jobs
from evoalign.study import Provenance


@dataclass(frozen=True)
class Account:
    """The jobs behind a report.

    Attributes
    ----------
    results : str
        Folder of the results, from the folder of the run.
    report : str
        The report, likewise.
    jobs : tuple of Job
        By the time of their start.
    sources : tuple of str
        What no job of the pipeline has made: recordings, logs, images, array maps, style.
    unmeasured : tuple of str
        Results of which there is no record: from a cache, or made by an earlier version.
    sums : mapping of str to str
        SHA-256 of sources and results; of a folder, over its files' names and checksums.
    settings : Provenance
        For the estimate of energy, and the results' licence.
    """

    results: str
    report: str
    jobs: tuple[Job, ...]
    sources: tuple[str, ...]
    unmeasured: tuple[str, ...]
    sums: Mapping[str, str]
    settings: Provenance

    @property
    def outputs(self) -> list[str]:
        """What the jobs have made under the results, in their order."""
        all_outputs = (file for job in self.jobs for file in job.outputs)
        return [file for file in all_outputs if Path(file).is_relative_to(self.results)]


def account(
    results: str | PathLike[str], report: str | PathLike[str], report_sha256: str, settings: Provenance
) -> Account:
    """Read the records of the jobs behind a report.

    Parameters
    ----------
    results, report : path
        Folder of the results; the report in it.
    report_sha256 : str
        Its checksum, which no other job takes.
    settings : Provenance
        See `Account`.
    """
    jobs, origins = behind(named(report), read_jobs(results))
    folder = named(results)
    unmeasured = tuple(file for file in origins if Path(file).is_relative_to(folder))
    sources = tuple(file for file in origins if file not in unmeasured)
    sums = checksums.known(jobs, results) | {named(report): report_sha256}
    inputs = dict.fromkeys(file for job in jobs for file in job.inputs if file not in sums)
    sums |= checksums.taken(list(inputs), results)
    return Account(folder, named(report), tuple(jobs), sources, unmeasured, sums, settings)


def jobs_table(found: Account) -> pd.DataFrame:
    """Return one row a job, in the order in which they began."""
    rows = [
        {
            "rule": job.rule,
            "session": job.of,
            "started": job.usage.started.isoformat(timespec="seconds"),
            "wall_s": round(job.usage.wall_s, 2),
            "cpu_s": round(job.usage.cpu_s, 2),
            "memory_mb": round(job.usage.memory_mb, 1),
            "gpu_s": round(gpu_s(job.usage), 2),
            "energy_wh": round(energy_wh(job.usage, found.settings), 4),
            "threads": job.threads,
            "host": job.usage.host.name,
            "slurm_job": job.usage.slurm_job,
            "commit": job.facts.get("commit", ""),
        }
        for job in found.jobs
    ]
    return pd.DataFrame(rows, columns=list(JOB_COLUMNS))


JOB_COLUMNS = {
    "rule": "rule",
    "session": "session",
    "started": "started (UTC)",
    "wall_s": "time (s)",
    "cpu_s": "processor time (s)",
    "memory_mb": "memory (MB)",
    "gpu_s": "GPU time (s)",
    "energy_wh": "energy (Wh)",
    "threads": "threads",
    "host": "machine",
    "slurm_job": "SLURM job",
    "commit": "commit",
}


def rules_table(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return what the jobs of each rule took together, in the order in which rules began.

    Parameters
    ----------
    jobs : pandas.DataFrame
        Of `jobs_table`.
    """
    grouped = jobs.groupby("rule", sort=False)
    return pd.DataFrame(
        {
            "jobs": grouped.size(),
            "time, median (s)": grouped["wall_s"].median(),
            "time, longest (s)": grouped["wall_s"].max(),
            "processor time (min)": grouped["cpu_s"].sum() / 60,
            "memory, most (MB)": grouped["memory_mb"].max(),
            "GPU time (min)": grouped["gpu_s"].sum() / 60,
            "energy (Wh)": grouped["energy_wh"].sum(),
        }
    ).reset_index()


def totals(jobs: pd.DataFrame) -> dict[str, float]:
    """Return sums over all jobs: ``jobs``, ``wall_h``, ``cpu_h``, ``gpu_h``, ``energy_kwh``.

    ``wall_h`` is as if one job had run after the other; ``memory_mb`` is that of the largest job.
    """
    return {
        "jobs": len(jobs),
        "wall_h": jobs["wall_s"].sum() / 3600,
        "cpu_h": jobs["cpu_s"].sum() / 3600,
        "gpu_h": jobs["gpu_s"].sum() / 3600,
        "energy_kwh": jobs["energy_wh"].sum() / 1000,
        "memory_mb": jobs["memory_mb"].max() if len(jobs) else 0.0,
    }
