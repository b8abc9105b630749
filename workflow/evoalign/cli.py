"""The command `evoalign`: what is done by hand beside the pipeline, a subcommand each.

To add one: a module in `evoalign.commands` with a function `add`, and its name in `COMMANDS`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence

from evoalign.commands import align, check, evolve, export, figures, inspect, new, run, sort, spaces
from evoalign.errors import InputError

COMMANDS = (new, inspect, check, run, align, sort, figures, spaces, export, evolve)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; 0, or 1 with one message where the input is wrong."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    warnings.simplefilter("ignore")  # of libraries: what concerns a user is logged
    try:
        return parsed.run(parsed) or 0
    except InputError as error:
        print(f"InputError: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `evoalign inspect FILE | head`
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evoalign", description="Single steps by hand, beside the pipeline.",
        epilog="evoalign COMMAND --help says more, with examples.",
    )  # fmt: skip
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subcommands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
