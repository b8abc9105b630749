"""`evoalign align`: a recording and its log by themselves, as presentations on the recording's clock."""

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
    import pandas as pd

EXAMPLES = """
evoalign align day1.nev day1.ns6 --log day1.bhv2 --photodiode ainp1 --to day1_events
evoalign align day1.plx --log day1.bhv2 --latents latents --images images --spaces fc6 BigGAN --to day1_events
"""


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    parser = subcommand(
        subcommands, "align", "when each image of a log was shown, on the clock of a recording", EXAMPLES, run
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="raw files of one recording")
    parser.add_argument("--log", required=True, help="its stimulus log: .bhv2, .h5, .mat or .tsv")
    parser.add_argument("--photodiode", default="", help="name or number of its channel (none)")
    parser.add_argument("--latents", default="", help="folder of latents, held against the log")
    parser.add_argument("--images", default="", help="folder of images, held against the log")
    parser.add_argument("--spaces", nargs=2, default=[], help="space of thread 0 and of thread 1")
    parser.add_argument("--to", type=Path, required=True, help="new folder for the two tables")
    add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the tables `presentations` and `alignment`, as Parquet and as text.

    Raises
    ------
    InputError
        As for `open_recording`, `read_log` and `align_session`; or the folder exists already.
    """
    from evoalign import tables
    from evoalign.events.align_session import align_session
    from evoalign.events.log import read_log
    from evoalign.events.tables import ALIGNMENT, PRESENTATIONS
    from evoalign.formats.opening import open_recording
    from evoalign.pipeline.provenance.metadata import provenance

    check_target(arguments.to)
    config = read_config(arguments.config)
    session = session_of(arguments)
    with steps(3) as begin:
        begin("opening the recording")
        recording = open_recording(session.raw, config.recordings.gap_tolerance_ms)
        begin("reading the log")
        log = read_log(session.log, config.events, session.spaces)
        begin("matching words and light")
        aligned = align_session(
            log, recording.words, recording=recording, session=session, settings=config.events
        )
    facts = provenance(config, {})
    with new_folder(arguments.to, "tables") as partial:
        for name, frame, contract in (
            ("presentations", aligned.presentations, PRESENTATIONS),
            ("alignment", aligned.report, ALIGNMENT),
        ):
            tables.write(frame, contract, partial / f"{name}.parquet", facts)
            tables.without_formulas(frame).to_csv(partial / f"{name}.tsv", sep="\t", index=False)
    print("\n".join(_told(aligned.report)))
    print(f"\nwritten: {arguments.to}")


def _told(report: pd.DataFrame) -> list[str]:
    """Return a line for each number of the alignment; the columns' names tell their units."""
    return [
        f"{name:<20} {value:.4g}" if isinstance(value, float) else f"{name:<20} {value}"
        for name, value in report.iloc[0].items()
        if name != "session"
    ]
