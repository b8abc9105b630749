"""Files by themselves, read from end to end as a run would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evoalign.commands.findings import Findings
from evoalign.commands.text import seconds
from evoalign.study import Config

if TYPE_CHECKING:
    from evoalign.nwb.contents import SessionContents

LOGS = (".bhv2", ".h5", ".mat", ".tsv", ".txt", ".cmp")
NWB = (".nwb", ".zarr")


def file_findings(files: Sequence[Path], config: Config) -> Findings:
    """Read a recording, a log, an array map or an NWB file and say whether a run could.

    Parameters
    ----------
    files : sequence of Path
        Of one recording; a log, map or NWB file alone.
    config : Config
        Settings of reading.
    """
    findings = Findings()
    suffix = files[0].suffix.lower()
    with findings.caught():
        if len(files) == 1 and suffix in NWB:
            _check_nwb(files[0], config, findings)
        elif len(files) == 1 and suffix in LOGS and not files[0].is_dir():
            from evoalign.commands.inspect_log import table_lines

            lines = table_lines(files[0], config.events)
            findings.ok("\n".join(line for line in lines if not line.startswith(" ")))
        else:
            _check_recording(files, config, findings)
    return findings


def _check_recording(files: Sequence[Path], config: Config, findings: Findings) -> None:
    from evoalign.formats.opening import open_recording

    recording = open_recording(files, config.recordings.gap_tolerance_ms)
    for stream in recording.streams.values():
        for segment, (_, n_samples) in enumerate(stream.segments):
            stream.read(segment, 0, 1)
            stream.read(segment, n_samples - 1, n_samples)
    findings.ok(
        f"{recording.format}, {seconds(recording.duration_s)}: {len(recording.channels)} channels, "
        f"{len(recording.words)} words, {len(recording.online_spikes)} online spikes"
    )
    if "broadband" not in recording.streams:
        findings.note("no voltages at 20 kHz or more: only units of the rig can be analysed, none is sorted")
    if recording.words.empty:
        findings.note("no event words: images cannot be placed in time")


def _check_nwb(file: Path, config: Config, findings: Findings) -> None:
    from evoalign.nwb.read import read_nwb

    tell_nwb(read_nwb(file, config.nwb), findings)


def tell_nwb(contents: SessionContents, findings: Findings) -> None:
    """Say how many units and valid presentations an NWB file holds."""
    n_valid = int(contents.presentations["valid"].sum())
    findings.ok(f"NWB: {len(contents.units)} units, {n_valid} valid presentations")
    if not n_valid:
        findings.note("without valid presentations there is nothing to analyse")
