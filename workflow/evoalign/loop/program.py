"""What the programs beside the loop share: how they end, and faults of a network that they play."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from evoalign.errors import InputError


def exit_status(body: Callable[[], None]) -> int:
    """Run a program's body: 0, or 1 with one message where the input is wrong."""
    try:
        body()
    except InputError as error:
        print(f"InputError: {error}", file=sys.stderr)
        return 1
    return 0


def add_network(parser: argparse.ArgumentParser, speed_of: str) -> None:
    """Add what a simulated NSP is told: the speed of `speed_of`, and shares of lost and late datagrams."""
    parser.add_argument("--speed", type=float, default=1.0, help=f"seconds of the {speed_of} in a second")
    parser.add_argument("--loss", type=float, default=0.0, help="share of the NSP's datagrams that are lost")
    parser.add_argument("--reorder", type=float, default=0.0, help="share that come after the next one")
