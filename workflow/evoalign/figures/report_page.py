"""All that the report's template shows, put together from its parts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evoalign.figures.plain_words import figure_title
from evoalign.figures.report import Panel, ReportSection, data_url, section
from evoalign.figures.report_chapters import POPULATION, SESSION, Chapter, chapters
from evoalign.figures.report_findings import Sentence
from evoalign.figures.report_glance import SessionRow
from evoalign.figures.report_methods import Methods
from evoalign.figures.report_settings import Setting
from evoalign.tables import without_formulas

# With its unit; that of an area's name, as V4, is none.
_NUMBER = re.compile(r"(?<![\w.])(\d+(?:[.,]\d+)*(?: %| ms)?)(?!\w)")


@dataclass(frozen=True)
class SessionPart:
    """A session's place on the page: its row of the matrix, and its figures."""

    row: SessionRow
    chapters: Sequence[Chapter]

    @property
    def anchor(self) -> str:
        """Name of the place."""
        return f"session-{self.row.session}"


def page_contents(
    *,
    title: str,
    lead: str,
    population: Sequence[Panel] = (),
    sessions: Sequence[SessionRow] = (),
    figures: Mapping[str, Sequence[Panel]] | None = None,
    findings: Sequence[Sentence] = (),
    why_nothing: str = "",
    tables: Sequence[ReportSection] = (),
    methods: Methods | None = None,
    settings: Sequence[Setting] = (),
    provenance: Mapping[str, str],
    results: str,
) -> dict[str, Any]:
    """Return what the template of the report names.

    Parameters
    ----------
    title, lead : str
        Heading, and the line below it.
    population : sequence of Panel
        Pooled figures.
    sessions : sequence of SessionRow
        Every session of the sample sheet, also those that failed.
    figures : mapping of str to sequence of Panel, optional
        Figures of the sessions that have some.
    findings : sequence of Sentence
    why_nothing : str
        Why there is no sentence, where there is none.
    tables : sequence of ReportSection
        Yields, experiments, alignment, units, validation, ..
    methods : Methods, optional
    settings : sequence of Setting
        What the study was run with; numbers of `methods` lead to them.
    provenance : mapping of str to str
        Versions, commit, checksums.
    results : str
        Folder named in the footer.
    """
    of_sessions = figures or {}
    drawn = {panel.stem for panel in population if not panel.empty}
    facts = pd.DataFrame({"what": list(provenance), "value": list(provenance.values())})
    return {
        "title": title,
        "lead": lead,
        "findings": [_finding(sentence, drawn) for sentence in findings],
        "settings": settings,
        "why_nothing": why_nothing,
        "population": chapters(population, POPULATION, "population"),
        "sessions": [
            SessionPart(row, chapters(of_sessions.get(row.session, ()), SESSION, f"part-{row.session}"))
            for row in sessions
        ],
        "tables": tables,
        "methods": methods,
        "provenance": section("Provenance", "", facts),
        "results": results,
    }


def _finding(sentence: Sentence, drawn: Collection[str]) -> dict[str, Any]:
    """A sentence with its links: of each number to its figure, where that is drawn, and to its rows."""
    return {
        # Every second piece is a number.
        "pieces": _NUMBER.split(sentence.text),
        "figure": f"population-{sentence.figure}" if sentence.figure in drawn else "",
        "name": figure_title(sentence.figure),
        "file": f"{sentence.table_name}.csv",
        "content": data_url(without_formulas(sentence.table).to_csv(index=False).encode(), "text/csv"),
    }
