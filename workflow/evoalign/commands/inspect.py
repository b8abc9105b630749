"""`evoalign inspect`: what a file holds, in a second or two."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evoalign.commands.arguments import Subcommands, add_config, read_config, style_file, subcommand
from evoalign.commands.progress import steps
from evoalign.errors import InputError

if TYPE_CHECKING:
    from evoalign.commands.inspect_spikes import Spiking
    from evoalign.study import Config

EXAMPLES = """
evoalign inspect day1.nev day1.ns6
evoalign inspect day1.plx --unit 12a --png psth.png
evoalign inspect day1.bhv2
evoalign inspect results/nwb/day1.nwb
evoalign inspect day1.pl2 --whole
"""
LOGS = (".bhv2", ".h5", ".mat", ".tsv", ".txt")
NWB = (".nwb", ".zarr")


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    parser = subcommand(
        subcommands, "inspect", "what a raw recording, a stimulus log, an array map or an NWB file holds",
        EXAMPLES, run,
    )  # fmt: skip
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a file or folder; of Blackrock all of a recording",
    )
    parser.add_argument(
        "--unit", default="", help="channel and online unit of the PSTH, as 12a (the busiest)"
    )
    parser.add_argument("--png", type=Path, help="write rasters and PSTHs as a picture too")
    parser.add_argument(
        "--mb", type=_positive, default=64, help="MB of files without an index that are looked at (64)"
    )
    parser.add_argument("--whole", action="store_true", help="look at all of it, however long that takes")
    add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print what the files hold.

    Raises
    ------
    InputError
        They cannot be read, or hold nothing that the pipeline knows.
    """
    files, config = arguments.files, read_config(arguments.config)
    spiking: Spiking | None = None
    with steps(1) as begin:
        begin("reading")
        if len(files) == 1 and files[0].suffix.lower() in NWB:
            from evoalign.commands.inspect_nwb import nwb_lines

            lines, spiking = nwb_lines(files[0], config, arguments.unit)
        elif len(files) == 1 and files[0].suffix.lower() in (*LOGS, ".cmp") and not files[0].is_dir():
            from evoalign.commands.inspect_log import table_lines

            lines = table_lines(files[0], config.events)
        else:
            from evoalign.commands.inspect_recording import recording_lines

            most_bytes = None if arguments.whole else 1_000_000 * arguments.mb
            lines, spiking = recording_lines(files, config, most_bytes, arguments.unit)
    print("\n".join(lines))
    if arguments.png:
        _draw(spiking, arguments.png, arguments.unit, config)


def _draw(spiking: Spiking | None, target: Path, unit: str, config: Config) -> None:
    if spiking is None:
        raise InputError("there are no spikes to draw", target, "leave --png out")
    if target.suffix.lower() != ".png":
        raise InputError(
            f"'{target.suffix}' is no suffix of a picture that is written", target, "name a .png"
        )
    from evoalign.commands.inspect_spikes import save_picture

    save_picture(spiking, target, unit, config.figures, style_file(config))
    print(f"\nwritten: {target}")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 on")
    return int(text)
