"""The tables of the report: what went in, how well it was aligned, sorted, packaged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from evoalign import tables
from evoalign.analysis.tables import EXPERIMENTS
from evoalign.analysis.tuning.tables import TUNING_SESSIONS
from evoalign.errors import InputError
from evoalign.events.tables import ALIGNMENT, LOG
from evoalign.figures.report import ReportSection, section
from evoalign.figures.report_glance import yields_section
from evoalign.figures.style import area_label
from evoalign.nwb.tables import FINDINGS
from evoalign.recordings.tables import SEGMENTS
from evoalign.sorting.tables import UNITS

Files = Mapping[str, str | PathLike[str]]

EXPERIMENT_COLUMNS = {
    "session": "session",
    "subject": "animal",
    "area": "area",
    "unit": "unit",
    "unit_kind": "kind",
    "n_blocks": "blocks",
    "n_presentations": "presentations",
    "n_unrecorded": "not recorded",
    "normaliser_hz": "normalization rate (spikes/s; of an envelope µV)",
    "p_0": "p, thread 0",
    "p_1": "p, thread 1",
    "valid": "valid",
    "reason": "reason",
}
ALIGNMENT_COLUMNS = {
    "session": "session",
    "n_presentations": "presentations",
    "n_valid": "valid",
    "matched": "matched",
    "missing": "missing",
    "extra": "extra words",
    "drift_ppm": "drift (ppm)",
    "residual_median_ms": "residual, median (ms)",
    "residual_p99_ms": "99th percentile (ms)",
    "photodiode_fraction": "photodiode-true",
    "delay_median_ms": "delay, median (ms)",
    "delay_p99_ms": "99th percentile of delay (ms)",
}
TUNING_COLUMNS = {
    "session": "session",
    "subject": "animal",
    "area": "area",
    "unit": "unit",
    "evolution": "after the evolution",
    "success": "which",
    "evolution_p": "p",
    "n_presentations": "presentations",
    "n_axes": "axes",
    "n_common": "common axes",
    "n_tuned": "tuned",
}
FINDING_COLUMNS = ("tool", "importance", "check", "location", "message")


def experiments_section(experiments: pd.DataFrame) -> ReportSection:
    """Every experiment, counted or not: `EXPERIMENTS`."""
    listed = experiments[list(EXPERIMENT_COLUMNS)].assign(area=experiments["area"].map(area_label))
    text = (
        "Each session's preferred unit. p: best two blocks against the first two, two-sample t-test of "
        "single presentations. The pooled figures hold valid experiments alone."
    )
    return section("Experiments", text, listed.rename(columns=EXPERIMENT_COLUMNS))


def tuning_section(overview: pd.DataFrame) -> ReportSection:
    """Every tuning session: `TUNING_SESSIONS`."""
    listed = overview[list(TUNING_COLUMNS)].assign(area=overview["area"].map(area_label))
    text = (
        "Sessions whose images vary along eigen-axes of the image metric, and the evolution before each. "
        "Its object thread succeeds when the last block exceeds the first (p: two-sample t-test of single "
        "presentations). Common axes reach both ends of the range; tuned: one-way ANOVA over distances."
    )
    return section("Tuning", text, listed.rename(columns=TUNING_COLUMNS))


def recordings_section(descriptors: Files, segments: Files) -> ReportSection:
    """What each recording holds, and its gaps.

    Parameters
    ----------
    descriptors, segments : mapping of str to path
        Session -> descriptor (JSON) and `SEGMENTS` of the ingest stage.

    Raises
    ------
    InputError
        A descriptor is no JSON.
    """
    rows = []
    for session, file in descriptors.items():
        descriptor = _json(file)
        rows.append(
            {
                "session": session,
                "format": descriptor["format"],
                "start": descriptor["start"] or "",
                "duration (s)": descriptor["duration_s"],
                "channels": descriptor["channels"],
                "words": sum(descriptor["words"].values()),
                "online spikes": descriptor["online_spikes"],
                **gaps(tables.read(segments[session], SEGMENTS)),
                "clock resets": descriptor["facts"].get("clock_resets", 0),
            }
        )
    text = "Gaps are pauses and lost data within a stream: true times are kept, time is never squeezed."
    return section("Recordings", text, pd.DataFrame(rows))


def gaps(segments: pd.DataFrame) -> dict[str, float]:
    """Number, sum and longest of the gaps of the fastest stream, s.

    Parameters
    ----------
    segments : pandas.DataFrame
        `SEGMENTS`; a clock reset starts a new segment as a pause does.
    """
    lengths: list[float] = []
    if len(segments):
        fastest = segments.sort_values("sampling_rate_hz", kind="stable")["stream"].iloc[-1]
        of_stream = segments[segments["stream"] == fastest].sort_values("segment")
        ends = of_stream["start_s"] + of_stream["n_samples"] / of_stream["sampling_rate_hz"]
        lengths = (of_stream["start_s"].to_numpy()[1:] - ends.to_numpy()[:-1]).tolist()
    return {"gaps": len(lengths), "gaps, total (s)": sum(lengths), "longest (s)": max(lengths, default=0.0)}


def alignment_section(files: Sequence[str | PathLike[str]]) -> ReportSection:
    """How event words, photodiode and log met: `ALIGNMENT` of each session."""
    frame = pd.concat([tables.read(file, ALIGNMENT) for file in files], ignore_index=True)
    text = "Residual: word minus robust clock fit. Delay: light on the photodiode minus its word."
    return section("Alignment", text, frame[list(ALIGNMENT_COLUMNS)].rename(columns=ALIGNMENT_COLUMNS))


def units_section(files: Files) -> ReportSection:
    """Counts and medians of quality of each session's units: `UNITS`."""
    rows = []
    for session, file in files.items():
        units = tables.read(file, UNITS)
        sorted_units = units[units["kind"] == "sorted"]
        counts = units["kind"].value_counts()
        preferred = sorted_units[sorted_units["preferred"].astype(bool)]
        rows.append(
            {
                "session": session,
                "sorted": len(sorted_units),
                "good": int((sorted_units["label"] == "good").sum()),
                "multi-unit": int(counts.get("multiunit", 0)),
                "online": int(counts.get("online", 0)),
                "SNR, median": sorted_units["snr"].median(),
                "ISI violations, median": sorted_units["isi_violations_ratio"].median(),
                "preferred unit": "" if preferred.empty else str(preferred["unit"].iloc[0]),
                "its agreement with the rig": float("nan")
                if preferred.empty
                else preferred["preferred_agreement"].iloc[0],
            }
        )
    text = "Units by kind, and the sorted unit that stands for the one that drove the evolution."
    return section("Units", text, pd.DataFrame(rows))


def findings_section(files: Files) -> ReportSection:
    """What the validators say of the NWB files, each finding once: `FINDINGS`."""
    parts = [tables.read(file, FINDINGS).assign(session=name) for name, file in files.items()]
    frame = pd.concat(parts, ignore_index=True)
    grouped = frame.groupby(list(FINDING_COLUMNS), sort=False)["session"].unique()
    rows = grouped.map(lambda names: _named(names.tolist(), len(parts))).reset_index()
    count_text = f"{len(frame)} findings" if len(frame) else "no findings"
    return section(
        "Validation",
        f"pynwb, nwbinspector and dandi on {len(parts)} NWB files: {count_text}.",
        rows[["session", *FINDING_COLUMNS]].rename(columns={"session": "sessions"}),
    )


def _named(names: list[str], n_files: int) -> str:
    """Sessions by name where they are few."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"all {n_files}" if len(names) == n_files else f"{len(names)}: {names[0]} to {names[-1]}"


def logs_section(files: Files) -> ReportSection:
    """Stimulus logs of sessions without a recording: `LOG`."""
    rows = []
    for session, file in files.items():
        log = tables.read(file, LOG)
        rows.append(
            {
                "session": session,
                "presentations": len(log),
                "trials": log["trial"].nunique(),
                "images": log["image"].nunique(),
                "blocks": int((log["block"].unique() >= 0).sum()),
            }
        )
    return section("Logs alone", "Stimulus logs of sessions that name no recording.", pd.DataFrame(rows))


def _json(file: str | PathLike[str]) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"no readable descriptor: {error}", file, "remove it and run again") from error
    return content


def sections(
    inputs: Mapping[str, Any], recorded: Sequence[str], packaged: Sequence[str]
) -> list[ReportSection]:
    """Every table of the report that has rows to show.

    Parameters
    ----------
    inputs : mapping of str to path or sequence of paths
        ``pooled`` and ``tuning`` (folders of pooled tables, or none), ``descriptors``,
        ``segments`` and ``units`` in the order of `recorded`, ``findings`` in
        that of `packaged`, ``alignment``, and ``logs`` of sessions without a
        recording.
    recorded, packaged : sequence of str
        Sessions with raw files; sessions with an NWB file.
    """
    all_sections = []
    if inputs["pooled"]:
        experiments = _experiments(inputs)
        if len(experiments):
            all_sections += [yields_section(experiments), experiments_section(experiments)]
        tuned = _tuned(inputs)
        all_sections += [tuning_section(tuned)] if len(tuned) else []
    if recorded:
        named = {name: dict(zip(recorded, inputs[name], strict=True)) for name in ("descriptors", "segments")}
        all_sections.append(recordings_section(**named))
    if inputs["alignment"]:
        all_sections.append(alignment_section(inputs["alignment"]))
    if recorded:
        all_sections.append(units_section(dict(zip(recorded, inputs["units"], strict=True))))
    if packaged:
        all_sections.append(findings_section(dict(zip(packaged, inputs["findings"], strict=True))))
    if inputs["logs"]:
        # .../<session>/events/log.parquet
        all_sections.append(logs_section({Path(file).parents[1].name: file for file in inputs["logs"]}))
    return all_sections


NO_EVOLUTION = "not analysed as a paired evolution or a tuning session"


def notes(inputs: Mapping[str, Any], packaged: Sequence[str]) -> dict[str, str]:
    """Area and standing of each session, for its heading."""
    note_of = dict.fromkeys(packaged, "")
    if inputs["pooled"]:
        for row in _experiments(inputs).itertuples():
            standing = "" if row.valid else f", not valid: {row.reason}"
            note_of[str(row.session)] = f"{area_label(str(row.area))}{standing}"
        for row in _tuned(inputs).itertuples():
            evolution = note_of[str(row.session)] or area_label(str(row.area))
            note_of[str(row.session)] = f"{evolution}, Hessian tuning"
        # .../<session>/events/alignment.parquet, .../<session>/sorting/units.parquet
        for session in [Path(file).parents[1].name for file in inputs["alignment"]]:
            of_session = [file for file in inputs["units"] if Path(file).parents[1].name == session]
            note_of[session] = note_of[session] or _why_left_out(of_session[0])
        note_of = {
            session: note or f"{NO_EVOLUTION}: pages, and selectivity for images, alone"
            for session, note in note_of.items()
        }
    return note_of


def _why_left_out(units: str | PathLike[str]) -> str:
    """Say why a session with presentations is in no table of the analysis."""
    unit_table = tables.read(units, UNITS)
    if unit_table["preferred"].any():
        return f"{NO_EVOLUTION}: block and thread of its presentations are unknown, or none is valid"
    return f"not analysed: no unit{'' if unit_table.empty else ' on the preferred electrode'} was found"


def _experiments(inputs: Mapping[str, Any]) -> pd.DataFrame:
    return tables.read(Path(inputs["pooled"][0]) / "experiments.parquet", EXPERIMENTS)


def _tuned(inputs: Mapping[str, Any]) -> pd.DataFrame:
    return tables.read(Path(inputs["tuning"][0]) / "tuning_sessions.parquet", TUNING_SESSIONS)
