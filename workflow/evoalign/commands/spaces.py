"""`evoalign spaces`: weights of the image generators."""

from __future__ import annotations

import argparse
import sys

from evoalign.commands.arguments import Subcommands, subcommand

EXAMPLES = """
evoalign spaces list
evoalign spaces fetch deepsim --to weights
"""
FETCH_EXAMPLES = """
evoalign spaces fetch deepsim --to weights
evoalign spaces fetch biggan --url https://lab.example/biggan.bin --sha256 0123..
"""


def add(subcommands: Subcommands) -> None:
    """Add the subcommand and its two actions."""
    parser = subcommand(subcommands, "spaces", "weights of the image generators", EXAMPLES, _list)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = "say which file each generator needs, and where it is published"
    subcommand(actions, "list", listing, "evoalign spaces list", _list)
    fetching = "download the published weights of a generator, and check them"
    parser = subcommand(actions, "fetch", fetching, FETCH_EXAMPLES, _fetch)
    parser.add_argument("name", help="deepsim or biggan")
    parser.add_argument("--to", default="weights", help="folder to put the file in (weights)")
    parser.add_argument("--url", default="", help="another address than the published one")
    parser.add_argument("--sha256", default="", help="checksum that the file must have")


def _list(_: argparse.Namespace) -> None:
    from evoalign.spaces.fetch import PUBLISHED

    for name, published in PUBLISHED.items():
        print(
            f"{name}: {published.generator}\n"
            f"  file    {published.file}, anywhere; its path goes into the config: spaces.{name}.weights\n"
            f"  from    {published.url}\n"
            f"  SHA-256 {published.sha256 or 'none is published'}\n"
            f"  or run  evoalign spaces fetch {name}"
        )


def _fetch(arguments: argparse.Namespace) -> None:
    from evoalign.spaces.fetch import config_lines, fetch, published_of

    checked = arguments.sha256 or published_of(arguments.name).sha256
    path = fetch(arguments.name, arguments.to, arguments.url, arguments.sha256, progress=sys.stderr.isatty())
    unchecked = "" if checked else " No checksum is published: what is below is that of the file that came."
    print(f"{path}: all tensors are there.{unchecked} In the config:\n\n{config_lines(arguments.name, path)}")
