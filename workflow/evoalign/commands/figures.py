"""`evoalign figures`: a session's figures and tables from its NWB file, without a study around it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evoalign.commands.arguments import (
    Subcommands,
    add_config,
    check_target,
    read_config,
    style_file,
    subcommand,
)
from evoalign.commands.progress import each, steps
from evoalign.errors import InputError

if TYPE_CHECKING:
    from evoalign.analysis.session.results import SessionResults
    from evoalign.nwb.contents import SessionContents
    from evoalign.study import Config

EXAMPLES = """
evoalign figures results/nwb/day1.nwb --to day1_figures
evoalign figures shared.nwb --to shared_figures --no-encoding
"""


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    parser = subcommand(
        subcommands, "figures", "figures and tables of one session, from its NWB file", EXAMPLES, run
    )
    parser.add_argument("nwb", type=Path, metavar="SESSION.nwb", help="of this pipeline or of another tool")
    parser.add_argument(
        "--to", type=Path, required=True, help="new folder: figures, each with its values as CSV"
    )
    parser.add_argument("--no-encoding", action="store_true", help="leave out what takes longest")
    add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Analyse a session and draw what its content allows.

    Raises
    ------
    InputError
        As for `read_nwb` and `analyse_session`; or the folder exists already.
    """
    from evoalign.figures.captions import FigureSettings
    from evoalign.figures.from_tables.encoding import FIGURES as ENCODING_FIGURES
    from evoalign.figures.session_pages import draw_session
    from evoalign.figures.sets import save_all
    from evoalign.nwb.read import read_nwb

    check_target(arguments.to)
    config = read_config(arguments.config)
    with steps(2) as begin:
        begin("reading the file")
        contents = read_nwb(arguments.nwb, config.nwb)
        begin("analysing the session")
        session = session_tables(contents, config, with_encoding=not arguments.no_encoding)
    settings = FigureSettings(config.analysis, config.encoding, config.tuning)
    pages = draw_session(contents, session, settings, config.sorting, config.figures)
    left_out = {entry.name for entry in ENCODING_FIGURES} if arguments.no_encoding else set()
    drawn = (page for page in pages if page.name not in left_out)
    try:
        save_all(each(drawn, "figure"), arguments.to, style_file(config), config.figures.dpi)
    except OSError as error:
        raise InputError(f"the figures cannot be written: {error.strerror}", arguments.to) from error
    for picture in sorted(arguments.to.glob("*.png")):
        print(picture)


def session_tables(contents: SessionContents, config: Config, *, with_encoding: bool) -> SessionResults:
    """Return the tables of a session, as a run makes them.

    Parameters
    ----------
    contents : SessionContents
        Read from NWB; without presentations there are none.
    config : Config
        All settings of the analysis.
    with_encoding : bool
        Also which space explains each unit, and when.
    """
    from evoalign.analysis.encoding import encode_session, load_frames
    from evoalign.analysis.encoding.results import no_units
    from evoalign.analysis.session.analyse import analyse_session
    from evoalign.analysis.session.results import SessionResults
    from evoalign.responses.session_responses import responses_from

    if contents.presentations.empty:
        return SessionResults(None, {})
    metadata = contents.metadata
    responses = responses_from(contents, config.responses)
    session = analyse_session(
        responses,
        config,
        unstable=metadata.unstable_baseline,
        preferred=metadata.preferred,
        site=metadata.site,
    )
    if not with_encoding:
        return session | no_units()
    return session | encode_session(responses, config, load_frames(responses, config, []) or None)
