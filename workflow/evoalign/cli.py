"""The command `evoalign`: what is done by hand beside the pipeline, a subcommand each.

To add one: a function that adds its parser to `subcommands` and sets `run`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evoalign.errors import InputError

Subcommands = Any  # argparse keeps the type of `add_subparsers` to itself


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; 0, or 1 with one message where the input is wrong."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except InputError as error:
        print(f"InputError: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evoalign", description="What is done by hand beside the pipeline.")
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_spaces(subcommands)
    _add_export(subcommands)
    _add_evolve(subcommands)
    return parser


def _add_spaces(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser("spaces", help="weights of the image generators")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser(
        "list", help="say which file each generator needs, and where it is published"
    )
    listing.set_defaults(run=_list_spaces)
    fetching = actions.add_parser(
        "fetch", help="download the published weights of a generator, and check them"
    )
    fetching.add_argument("name", help="deepsim or biggan")
    fetching.add_argument("--to", default="weights", help="folder to put the file in (weights)")
    fetching.add_argument("--url", default="", help="another address than the published one")
    fetching.add_argument("--sha256", default="", help="checksum that the file must have")
    fetching.set_defaults(run=_fetch_space)


def _list_spaces(_: argparse.Namespace) -> None:
    from evoalign.spaces.fetch import PUBLISHED

    for name, published in PUBLISHED.items():
        print(
            f"{name}: {published.generator}\n"
            f"  file    {published.file}, anywhere; its path goes into the config: spaces.{name}.weights\n"
            f"  from    {published.url}\n"
            f"  SHA-256 {published.sha256 or 'none is published'}\n"
            f"  or run  evoalign spaces fetch {name}"
        )


def _fetch_space(given: argparse.Namespace) -> None:
    from evoalign.spaces.fetch import config_lines, fetch, published_of

    checked = given.sha256 or published_of(given.name).sha256
    path = fetch(given.name, given.to, given.url, given.sha256, progress=sys.stderr.isatty())
    unchecked = "" if checked else " No checksum is published: what is below is that of the file that came."
    print(f"{path}: all tensors are there.{unchecked} In the config:\n\n{config_lines(given.name, path)}")


def _add_export(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser("export", help="a session as files of neo, SpikeInterface or pynapple")
    parser.add_argument("library", choices=("neo", "pynapple", "spikeinterface"), help="whose files to write")
    parser.add_argument("nwb", type=Path, help="the session's NWB file")
    parser.add_argument("--to", type=Path, default=None, help="what to write (beside the NWB file)")
    parser.add_argument(
        "--signals",
        action="store_true",
        help="neo: also the voltages, from raw files that the NWB file links",
    )
    parser.set_defaults(run=_export)


def _export(given: argparse.Namespace) -> None:
    # The three libraries take seconds to load.
    from evoalign.export.command import EXPORTS

    print(EXPORTS[given.library](given))


def _add_evolve(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser("evolve", help="run a paired evolution, or go on with one (docs/loop.md)")
    parser.add_argument("config", type=Path, help="its settings, YAML")
    parser.set_defaults(run=_evolve)


def _evolve(parsed: argparse.Namespace) -> None:
    # The generators take seconds to load.
    from evoalign.loop.command import run_command

    run_command(parsed)


if __name__ == "__main__":
    sys.exit(main())
