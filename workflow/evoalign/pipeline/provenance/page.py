"""What the run took, for people: a page, its head for the report, and a table of all jobs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from evoalign.files import atomic_write
from evoalign.pipeline.provenance.account import JOB_COLUMNS, Account, jobs_table, rules_table, totals
from evoalign.pipeline.provenance.energy import MEMORY_W_PER_GB
from evoalign.tables import without_formulas

# What each measured column means, with the name under which the RO-Crate refers to it.
MEANINGS = {
    "wall_s": "Time (s): from the start of the job's process to its end. "
    "Waiting in a queue, and Snakemake's own start on a cluster, are not in it.",
    "cpu_s": "Processor time (s): user and system time of the process and of its children that have ended.",
    "memory_mb": "Memory (MB of 10⁶ bytes): the most that the process had resident, "
    "or the largest of its children.",
    "gpu_s": "GPU time (s): the job's time, for each GPU on which it put anything.",
    "energy_wh": "Energy (Wh): the estimate above.",
}


def write_pages(
    files: Mapping[str, str | PathLike[str]],
    template: str | PathLike[str],
    found: Account,
    study: str,
) -> None:
    """Write the page, the totals that the report shows, and the table; each whole or not at all.

    Parameters
    ----------
    files : mapping of str to path
        Where to write ``page``, ``totals`` (both HTML) and ``jobs`` (TSV).
    template : path
        Of the page; that of the totals lies beside it, as ``totals.html.j2``.
    found : Account
        The jobs.
    study : str
        Its name, for the title.
    """
    jobs = jobs_table(found)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(template).parent),
        autoescape=jinja2.select_autoescape(default=True),
        undefined=jinja2.StrictUndefined,
    )
    values = {
        "study": study,
        "totals": shown_totals(found, jobs),
        "span": _span(found),
        "formula": formula(found),
        "meanings": MEANINGS,
        "rules": _table(rules_table(jobs)),
        "machines": _table(machines_table(found)),
        "software": _table(pd.DataFrame(software(found).items(), columns=["what", "version"])),
        "sources": _table(sources_table(found)),
        "jobs": _table(jobs.drop(columns="commit").rename(columns=JOB_COLUMNS)),
        "unmeasured": found.unmeasured,
        "report": found.report,
    }
    for name, source in (("page", Path(template).name), ("totals", "totals.html.j2")):
        with atomic_write(files[name]) as partial:
            partial.write_text(environment.get_template(source).render(values), encoding="utf-8")
    with atomic_write(files["jobs"]) as partial:
        without_formulas(jobs).to_csv(partial, sep="\t", index=False)


def shown_totals(found: Account, jobs: pd.DataFrame) -> dict[str, str]:
    """Return the sums as they are shown, each with what it is of."""
    sums = totals(jobs)
    measured = sum(gpu.energy_j is not None for job in found.jobs for gpu in job.usage.gpus)
    estimate = "estimate" if not measured else "estimate, GPUs measured"
    return {
        "jobs": f"{sums['jobs']:.0f}",
        "time, one after the other": _hours(sums["wall_h"]),
        "processor time": _hours(sums["cpu_h"]),
        "GPU time": _hours(sums["gpu_h"]),
        "memory of the largest job": f"{sums['memory_mb'] / 1000:.2f} GB",
        f"energy ({estimate})": f"{sums['energy_kwh'] * 1000:.3g} Wh"
        if sums["energy_kwh"] < 1
        else f"{sums['energy_kwh']:.3g} kWh",
    }


def _hours(hours: float) -> str:
    return f"{hours * 60:.1f} min" if 0 < hours < 1 else f"{hours:.1f} h"


def _span(found: Account) -> str:
    """When the jobs ran, from the first to the last."""
    if not found.jobs:
        return ""
    days = [job.usage.started for job in found.jobs], [job.usage.ended for job in found.jobs]
    return " to ".join(f"{day:%Y-%m-%d %H:%M}" for day in (min(days[0]), max(days[1]))) + " UTC"


def formula(found: Account) -> str:
    """Return how energy is estimated, with the numbers that were taken."""
    settings = found.settings
    gpus = [gpu for job in found.jobs for gpu in job.usage.gpus]
    counted = sum(gpu.energy_j is not None for gpu in gpus)
    text = (
        f"Energy = (processor time × {settings.core_w:g} W + time × memory × {MEMORY_W_PER_GB:g} W/GB"
        f" + energy of GPUs) × {settings.pue:g} (power usage effectiveness)."
    )
    if gpus:
        text += (
            f" Of {len(gpus)} uses of a GPU, {counted} were read from its own counter of energy, which"
            f" counts what else ran on it; the others are time × {settings.gpu_w:g} W."
        )
    return text


def machines_table(found: Account) -> pd.DataFrame:
    """Return one row a machine, with the GPUs that jobs used there."""
    rows: dict[str, dict[str, Any]] = {}
    for job in found.jobs:
        host = job.usage.host
        row = rows.setdefault(
            host.name,
            {
                "machine": host.name,
                "processor": host.cpu,
                "cores": host.cores,
                "memory (GB)": host.memory_gb,
                "system": host.system,
                "GPUs": set(),
                "jobs": 0,
            },
        )
        row["GPUs"] |= {gpu.name for gpu in job.usage.gpus}
        row["jobs"] += 1
    listed = [row | {"GPUs": ", ".join(sorted(row["GPUs"])) or "none used"} for row in rows.values()]
    return pd.DataFrame(listed)


def software(found: Account) -> dict[str, str]:
    """Return the version of each package that a job told of; several where jobs ran under several."""
    versions: dict[str, list[str]] = {}
    for job in found.jobs:
        for name, version in job.facts.items():
            # The hash of a job's own settings differs from rule to rule.
            if name != "config" and version not in versions.setdefault(name, []):
                versions[name].append(version)
    listed = {name: ", ".join(sorted(of_jobs)) for name, of_jobs in versions.items()}
    return {"snakemake": importlib.metadata.version("snakemake")} | listed


def sources_table(found: Account) -> pd.DataFrame:
    """Return what the study starts from, with checksums."""
    rows = [{"file or folder": file, "SHA-256": found.sums.get(file, "")} for file in found.sources]
    return pd.DataFrame(rows, columns=["file or folder", "SHA-256"])


def _table(frame: pd.DataFrame) -> Markup:
    html = frame.to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format, escape=True)
    return Markup(html)
