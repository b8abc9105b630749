"""The reference of the command line: the help of every subcommand."""

from __future__ import annotations

import argparse
import os

from evoalign import cli

HEAD = """\
# Options of the command

What `evoalign COMMAND --help` prints, for each command. What they are for, with an example of each, is
told in [the command](../commands.md).
"""
COLUMNS = "100"


def page() -> str:
    """Return the page: the help of each subcommand, and of what is below it."""
    width = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS  # argparse wraps at the width of the terminal
    try:
        parts = [
            f"## evoalign {name}\n\n```text\n{parser.format_help().strip()}\n```"
            for name, parser in _parsers(cli.make_parser())
        ]
    finally:
        os.environ.pop("COLUMNS")
        if width is not None:
            os.environ["COLUMNS"] = width
    return "\n\n".join([HEAD, *parts]) + "\n"


def _parsers(parser: argparse.ArgumentParser, above: str = "") -> list[tuple[str, argparse.ArgumentParser]]:
    listed = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                listed += [(f"{above}{name}", child), *_parsers(child, f"{above}{name} ")]
    return listed
