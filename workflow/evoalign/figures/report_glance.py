"""The study at a glance: how far each session came, and what each area yields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from evoalign.figures.report import ReportSection, section
from evoalign.figures.style import area_label, in_order

STAGES = ("recorded", "sorted", "aligned", "NWB", "analysed")
# Jobs of a session by the stage that they are of.
STAGE_OF_RULE = {
    "recording": "recorded",
    "spike_sorting": "sorted",
    "curation": "sorted",
    "stimulus_log": "aligned",
    "presentations": "aligned",
    "nwb": "NWB",
    "nwb_findings": "NWB",
}
FAILED, NOT_REACHED, ABSENT = "failed", "not reached", "none"


@dataclass(frozen=True)
class SessionRow:
    """A row of the matrix.

    Attributes
    ----------
    session, subject, area : str
    cells : dict of str to str
        Stage -> what came of it.
    state : str
        'failed', 'not counted' or 'counted'; '' of a session that is no experiment.
    note : str
        Why it failed or does not count.
    """

    session: str
    subject: str
    area: str
    cells: dict[str, str]
    state: str
    note: str


def failed_row(session: str, subject: str, message: str) -> SessionRow:
    """Row of a session whose jobs failed, with what they said.

    Parameters
    ----------
    message : str
        ``rule: message`` of its first job that failed, others below.
    """
    rule = re.match(r"\w+", message)
    stage = STAGE_OF_RULE.get(rule[0] if rule else "", "analysed")
    # Stages run beside each other: of those before, nothing is known but that they did not fail.
    place = STAGES.index(stage)
    cells = {name: FAILED if n == place else NOT_REACHED for n, name in enumerate(STAGES) if n >= place}
    return SessionRow(session, subject, "", dict.fromkeys(STAGES, "") | cells, FAILED, message)


def session_rows(
    sheet: Mapping[str, Mapping[str, str]],
    tables: Sequence[ReportSection],
    experiments: pd.DataFrame | None,
    notes: Mapping[str, str],
    standing: Mapping[str, str],
    failed: Mapping[str, str],
) -> list[SessionRow]:
    """Rows of the matrix: every session of the sample sheet, in its order.

    Parameters
    ----------
    sheet : mapping of str to mapping
        Session -> fields of its row: ``subject``.
    tables : sequence of ReportSection
        Of the report; those of recordings, units and alignment are by session.
    experiments : pandas.DataFrame or None
        `EXPERIMENTS`; None where nothing was pooled.
    notes : mapping of str to str
        What stands in the heading of each session that did not fail.
    standing : mapping of str to str
        How its NWB file stands.
    failed : mapping of str to str
        Session -> what its jobs said.
    """
    by_title = {table.title: table.frame.set_index("session") for table in tables if "session" in table.frame}
    by_session = (
        {} if experiments is None else {str(row["session"]): row for _, row in experiments.iterrows()}
    )
    return [
        failed_row(name, fields["subject"], failed[name])
        if name in failed
        else _row(name, fields["subject"], by_title, by_session.get(name), notes.get(name, ""), standing)
        for name, fields in sheet.items()
    ]


def _row(
    session: str,
    subject: str,
    by_title: Mapping[str, pd.DataFrame],
    experiment: pd.Series | None,
    note: str,
    standing: Mapping[str, str],
) -> SessionRow:
    cells = {
        "recorded": _cell(by_title, "Recordings", session, _recorded),
        "sorted": _cell(by_title, "Units", session, lambda row: f"{row['sorted']:.0f} units"),
        "aligned": _cell(by_title, "Alignment", session, _aligned),
        "NWB": standing.get(session, ABSENT),
    }
    if experiment is None:
        analysed = "tuning" if note.endswith("tuning") else "pages" if note else ABSENT
        return SessionRow(session, subject, "", cells | {"analysed": analysed}, "", note)
    reason = str(experiment["reason"])
    cells["analysed"] = "evolution, tuning" if note.endswith("tuning") else "evolution"
    state = "counted" if experiment["valid"] else "not counted"
    return SessionRow(session, subject, area_label(str(experiment["area"])), cells, state, reason)


def _cell(
    by_title: Mapping[str, pd.DataFrame], title: str, session: str, tell: Callable[[pd.Series], str]
) -> str:
    frame = by_title.get(title)
    return ABSENT if frame is None or session not in frame.index else tell(frame.loc[[session]].iloc[0])


def _recorded(row: pd.Series) -> str:
    return f"{float(row['duration (s)']) / 60:.1f} min, {_gaps(int(row['gaps']))}"


def _aligned(row: pd.Series) -> str:
    return f"{row['valid']:.0f} of {row['presentations']:.0f}"


def _gaps(number: int) -> str:
    return f"{number or 'no'} gap{'' if number == 1 else 's'}"


def yields_section(experiments: pd.DataFrame) -> ReportSection:
    """What each area yields: `EXPERIMENTS`."""
    lines = []
    for area in in_order(experiments["area"]):
        rows = experiments[experiments["area"] == area]
        valid = rows[rows["valid"].astype(bool)]
        lines.append(
            {
                "area": area_label(area),
                "experiments": len(rows),
                "valid": len(valid),
                "animals": rows["subject"].nunique(),
                "sites": rows["site"].nunique(),
                "blocks, median": valid["n_blocks"].median(),
                "presentations, median": valid["n_presentations"].median(),
                "either thread succeeds": int(valid["any_succeeds"].sum()),
                "both succeed": int(valid["both_succeed"].sum()),
            }
        )
    text = "Experiments by visual area; success is counted among valid ones."
    return section("Yield of each area", text, pd.DataFrame(lines))
