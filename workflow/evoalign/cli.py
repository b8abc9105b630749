"""The command `evoalign`: what is done by hand beside the pipeline, a subcommand each.

To add one: a module in `evoalign.commands` with a function `add`, and its name in `COMMANDS`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import shtab

from evoalign.commands import align, check, evolve, export, figures, inspect, new, run, sort, spaces
from evoalign.errors import InputError

COMMANDS = (new, inspect, check, run, align, sort, figures, spaces, export, evolve)
# Arguments that are paths, or URLs, and so are no `Path`.
PATHS = ("files", "log", "latents", "images", "arrays", "targets")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; 0, or 1 with one message where the input is wrong."""
    parsed = make_parser().parse_args(arguments)
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


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="evoalign", description="Single steps by hand, beside the pipeline.",
        epilog="evoalign COMMAND --help says more, with examples. Completion by the tabulator key: "
        "source <(evoalign --print-completion bash), or zsh.",
    )  # fmt: skip
    shtab.add_argument_to(parser, "--print-completion", help="print the shell's completion script")
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subcommands)
    for subcommand in subcommands.choices.values():
        _complete_paths(subcommand)
    return parser


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    """Have the shell complete names of files, also below a subcommand."""
    for action in parser._actions:  # argparse has no public list of them
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                _complete_paths(child)
        elif action.type is Path or action.dest in PATHS:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it


if __name__ == "__main__":
    sys.exit(main())
