"""Whether the files that results were made of have every byte that they had then."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from evoalign.commands.findings import Findings
from evoalign.commands.progress import each
from evoalign.commands.text import counted
from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.pipeline.provenance.records import read_jobs


def record_findings(results: str | PathLike[str]) -> Findings:
    """Compare each input that a job recorded with its SHA-256, whole, however long that takes.

    A run compares samples of large files that it has reason to look at: a byte
    between them escapes it.

    Parameters
    ----------
    results : path
        The folder of results.
    """
    jobs = sorted(read_jobs(results), key=lambda job: job.usage.ended)
    digests = {name: digest for job in jobs for name, digest in job.inputs.items() if digest}
    readers = {name: job.rule for job in jobs for name in job.inputs}
    findings = Findings()
    n_equal = 0
    for name in each(sorted(digests), "file"):
        path = Path(name)
        if not path.exists():
            findings.note(f"{name} is gone: results were made of it")
        elif sha256(path) == digests[name]:
            n_equal += 1
        else:
            hint = f"snakemake --forcerun {readers[name]}: makes anew what depends on it"
            findings.fail(InputError("its content is not that of which results were made", name, hint))
    findings.ok(f"{counted(n_equal, 'input')} of {counted(len(jobs), 'job')} as recorded, every byte")
    return findings
