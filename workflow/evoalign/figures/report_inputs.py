"""What the report reads of a run's files beside its tables: what was pooled, and how each NWB file stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from evoalign import tables
from evoalign.figures.panels import Tables
from evoalign.figures.report import Panel, ReportSection
from evoalign.nwb.tables import FINDINGS

# Of nwbinspector, pynwb and dandi: what makes a file break a rule, not a recommendation.
ERRORS = ("ERROR", "CRITICAL", "PYNWB_VALIDATION")


def read_pooled(inputs: Mapping[str, Any]) -> Tables:
    """Pooled tables by name; none where nothing was pooled.

    Parameters
    ----------
    inputs : mapping of str to sequence of paths
        ``pooled`` and ``encoding``: folders of pooled tables, or none.
    """
    folders = [*inputs["pooled"], *inputs["encoding"]]
    return {name: frame for folder in folders for name, frame in tables.read_all(folder).items()}


def analysed(
    pooled: Tables, sections: Sequence[ReportSection], population: Sequence[Panel]
) -> tuple[bool, bool, bool, bool]:
    """Say what was done with a study, for its methods: pooled, encoded, tuned, prototypes compared.

    Parameters
    ----------
    pooled : mapping of str to pandas.DataFrame
        Of `read_pooled`.
    sections : sequence of ReportSection
        The report's tables: that of tuning sessions is there where there are any.
    population : sequence of Panel
        Pooled figures: that of prototypes is there where there are any.
    """
    return (
        bool(pooled),
        bool(len(pooled.get("population_encoding", ()))),
        any(section.title == "Tuning" for section in sections),
        any(panel.stem == "prototypes" and not panel.empty for panel in population),
    )


def optimisers_of(pooled: Tables) -> dict[str, int]:
    """Return how many threads of a study each optimiser led, by name; none where no session names it.

    Parameters
    ----------
    pooled : mapping of str to pandas.DataFrame
        Of `read_pooled`.
    """
    if "experiments" not in pooled:
        return {}
    columns = [pooled["experiments"][f"optimiser_{thread}"] for thread in (0, 1)]
    counts = pd.concat(columns).value_counts().sort_index()
    return {str(name): int(n) for name, n in counts.items() if name}


def standings(inputs: Mapping[str, Any], packaged: Sequence[str]) -> dict[str, str]:
    """Say of each session's NWB file what the validators found: 'valid', '2 errors', ..

    Parameters
    ----------
    inputs : mapping of str to sequence of paths
        ``findings`` in the order of `packaged`.
    packaged : sequence of str
        Sessions with an NWB file.
    """
    files = zip(packaged, inputs["findings"], strict=True)
    return {name: _standing(tables.read(file, FINDINGS)) for name, file in files}


def _standing(findings: pd.DataFrame) -> str:
    errors = int(findings["importance"].isin(ERRORS).sum())
    remarks = len(findings) - errors
    if errors:
        return f"{errors} error{'s' * (errors > 1)}"
    return f"valid, {remarks} remark{'s' * (remarks > 1)}" if remarks else "valid"


def why_nothing_pooled(pooled: Tables, failed: Mapping[str, str]) -> str:
    """Say why there is nothing to tell of the population; '' where there is something.

    Parameters
    ----------
    pooled : mapping of str to pandas.DataFrame
        Of `read_pooled`.
    failed : mapping of str to str
        Session, or '' for jobs of the whole study -> what its jobs said.
    """
    if pooled and len(pooled["experiments"]):
        return ""
    if "" in failed:
        return f"Nothing was pooled: {failed['']}"
    lost = f"; of the sessions, {len(failed)} failed" if failed else ""
    return f"No paired evolution was analysed, so that there is nothing to tell of areas{lost}."
