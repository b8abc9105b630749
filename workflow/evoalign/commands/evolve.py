"""`evoalign evolve`: run a paired evolution, or go on with one."""

from __future__ import annotations

import argparse
from pathlib import Path

from evoalign.commands.arguments import Subcommands, subcommand

EXAMPLES = """
evoalign evolve evolution.yaml
"""


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    title = "run a paired evolution, or go on with one (docs/loop.md)"
    parser = subcommand(subcommands, "evolve", title, EXAMPLES, _evolve)
    parser.add_argument("config", type=Path, help="its settings, YAML")


def _evolve(parsed: argparse.Namespace) -> None:
    # The generators take seconds to load.
    from evoalign.loop.command import run_command

    run_command(parsed)
