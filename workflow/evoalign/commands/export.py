"""`evoalign export`: a session as files of other libraries."""

from __future__ import annotations

import argparse
from pathlib import Path

from evoalign.commands.arguments import Subcommands, subcommand

EXAMPLES = """
evoalign export pynapple results/nwb/day1.nwb
evoalign export neo results/nwb/day1.nwb --signals --to day1.nix
"""


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    parser = subcommand(
        subcommands, "export", "a session as files of neo, SpikeInterface or pynapple", EXAMPLES, _export
    )
    parser.add_argument("library", choices=("neo", "pynapple", "spikeinterface"), help="whose files to write")
    parser.add_argument("nwb", type=Path, help="the session's NWB file")
    parser.add_argument("--to", type=Path, default=None, help="what to write (beside the NWB file)")
    parser.add_argument(
        "--signals",
        action="store_true",
        help="neo: also the voltages, from raw files that the NWB file links",
    )


def _export(arguments: argparse.Namespace) -> None:
    # The three libraries take seconds to load.
    from evoalign.export.command import EXPORTS

    print(EXPORTS[arguments.library](arguments))
