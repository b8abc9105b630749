"""`evoalign sort`: the voltages of a recording by themselves, as units and their quality."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evoalign.commands.arguments import (
    Subcommands,
    add_config,
    check_target,
    new_folder,
    read_config,
    session_of,
    subcommand,
)
from evoalign.commands.progress import steps

if TYPE_CHECKING:
    from evoalign.sorting.result import SortingResult
    from evoalign.study import Config

EXAMPLES = """
evoalign sort day1.nev day1.ns6 --to day1_sorting
evoalign sort day1.plx --arrays arrays/study_64.tsv --preferred 12a --jobs 8 --to day1_sorting
"""


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    parser = subcommand(subcommands, "sort", "units of a recording, with their quality", EXAMPLES, run)
    parser.add_argument("files", nargs="+", metavar="FILE", help="raw files of one recording")
    parser.add_argument("--arrays", default="", help="array map: electrodes of an array share a reference")
    parser.add_argument(
        "--preferred", default="", help="channel and online unit that drove the evolution, 12a"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="threads (1); the result is the same for any number"
    )
    parser.add_argument("--to", type=Path, required=True, help="new folder for the tables")
    add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the tables of `SortingResult` as Parquet, and units as text too.

    Raises
    ------
    InputError
        As for `open_recording`, `read_array_map` and `sort_recording`; or the folder exists already.
    """
    from evoalign.formats.opening import open_recording
    from evoalign.recordings.array_map import apply_array_map, read_array_map
    from evoalign.sorting.session import sort_recording

    check_target(arguments.to)
    config = read_config(arguments.config)
    session = session_of(arguments)
    with steps(1) as begin:  # sorting shows bars of its own
        begin("opening the recording")
        recording = open_recording(session.raw, config.recordings.gap_tolerance_ms)
    channels = recording.channels
    if arguments.arrays:
        channels = apply_array_map(channels, read_array_map(arguments.arrays), arguments.arrays)
    result = sort_recording(
        recording, channels, recording.online_spikes, session, config.sorting, config.seed, arguments.jobs
    )
    _write(result, arguments.to, config)
    print("\n".join(_told(result)))
    print(f"\nwritten: {arguments.to}")


def _write(result: SortingResult, target: Path, config: Config) -> None:
    from evoalign.pipeline.provenance.metadata import provenance
    from evoalign.tables import without_formulas

    names = ("units", "spikes", "waveforms", "bad_channels", "artefacts")
    with new_folder(target, "tables") as partial:
        result.write({name: partial / f"{name}.parquet" for name in names}, provenance(config, {}))
        without_formulas(result.units).to_csv(partial / "units.tsv", sep="\t", index=False)


def _told(result: SortingResult) -> list[str]:
    units = result.units
    bad_rows = result.bad_channels[result.bad_channels["reason"] != ""]
    lines = []
    for kind, rows in units.groupby("kind", sort=False):
        labels = ", ".join(f"{n} {label}" for label, n in rows["label"].value_counts().items())
        lines.append(
            f"{kind}: {len(rows)} units on {rows['channel'].nunique()} channels, "
            f"{int(rows['n_spikes'].sum())} spikes" + (f"; {labels}" if kind == "sorted" else "")
        )
    lines += [f"left out: channel {row['channel']} ({row['reason']})" for _, row in bad_rows.iterrows()]
    preferred = units[units["preferred"].astype(bool)]
    lines += [
        f"preferred: {row['kind']} unit {row['unit']} of channel {row['channel']}"
        for _, row in preferred.iterrows()
    ]
    return lines or ["no units"]
