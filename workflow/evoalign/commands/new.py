"""`evoalign new`: a folder for a study, its sheet filled in as far as can be guessed."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evoalign.commands.arguments import CONFIG, Subcommands, of_checkout, subcommand
from evoalign.commands.progress import each
from evoalign.commands.text import counted, seconds
from evoalign.errors import InputError

if TYPE_CHECKING:
    from evoalign.commands.study_files import StudyFiles

EXAMPLES = """
evoalign new mystudy --data /data/monkeyA /data/monkeyB
evoalign new mystudy --data /data/day1 --subject Alfa
cd mystudy; evoalign check; evoalign run
"""
MOST_BYTES = 16_000_000  # of a recording: its header and first words
LIGHT = re.compile(r"photo|diode|^pd", re.IGNORECASE)
PLAIN = re.compile(r"(ainp|AI)\d+")  # an input that nobody renamed: the photodiode where it is the only one
SHEET = Path("config/sessions.tsv")


@dataclass
class Row:
    """A row of the new sample sheet.

    Attributes
    ----------
    cells : dict of str to str
        By column.
    summary : str
        What was read of it.
    unknown : list of str
        Columns that could not be guessed.
    problem : str
        Why its files cannot be read; '' when they can.
    channels : list of int
        Neural channels, where an array map is to be written for them.
    """

    cells: dict[str, str]
    summary: str = ""
    unknown: list[str] = field(default_factory=list)
    problem: str = ""
    channels: list[int] = field(default_factory=list)


def add(subcommands: Subcommands) -> None:
    """Add the subcommand."""
    parser = subcommand(
        subcommands, "new", "a study of your own: settings, array maps and a sample sheet of your files",
        EXAMPLES, run,
    )  # fmt: skip
    parser.add_argument("folder", type=Path, help="of the new study; it must not exist, or be empty")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="where your recordings and logs lie",
    )
    parser.add_argument("--subject", default="", help="the animal, where names of files do not begin with it")


def run(arguments: argparse.Namespace) -> None:
    """Write the study's folder and say what was guessed.

    Raises
    ------
    InputError
        The folder is not empty, cannot be written, or the data are not there.
    """
    from evoalign.commands.study_files import study_files

    folder = arguments.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("the folder is not empty, and nothing is replaced", folder, "name a new one")
    for data in arguments.data:
        if not data.is_dir():
            raise InputError("there is no such folder of data", data, "correct the path")
    files = study_files(arguments.data)
    rows = [
        guessed_row(recording, files, folder, arguments.subject)
        for recording in each(sorted(files.recordings), "recording")
    ]
    rows += [_nwb_row(path, folder, arguments.subject) for path in files.nwb]
    _name(rows)
    _name_maps(rows)
    try:
        write_study(folder, rows)
    except OSError as error:
        raise InputError(f"the study cannot be written: {error.strerror}", folder) from error
    print("\n".join(_told(folder, rows, files)))


def guessed_row(recording: tuple[Path, ...], files: StudyFiles, folder: Path, subject: str) -> Row:
    """Return the row of a recording: its files, what lies beside them, and what its header tells.

    Parameters
    ----------
    recording : tuple of Path
        Its raw files.
    files : StudyFiles
        Logs, latents, images and maps to choose from.
    folder : Path
        Of the study, from which paths are told.
    subject : str
        The animal; '' = by the name of the file.
    """
    from evoalign.commands.study_files import animal, matching

    first = recording[0]
    row = Row({
        "session": first.stem,
        "subject": subject or animal(first) or "unknown",
        "raw": ";".join(_path(file, folder) for file in recording),
    })  # fmt: skip
    for column, candidates in (
        ("log", files.logs),
        ("latents", files.latents),
        ("images", files.images),
        ("arrays", files.maps),
    ):
        match = matching(first, candidates, [members[0] for members in files.recordings])
        if match is not None:
            row.cells[column] = _path(match, folder)
        elif column != "arrays":
            row.unknown.append(column)
    if row.cells["subject"] == "unknown":
        row.unknown.append("subject")
    try:
        _read_header(recording, row)
    except InputError as error:
        row.problem = str(error)
    return row


def _read_header(recording: tuple[Path, ...], row: Row) -> None:
    from evoalign.formats.opening import open_recording

    opened = open_recording(recording, most_bytes=MOST_BYTES)
    analog = opened.channels[(opened.channels["kind"] == "analog") & (opened.channels["stream"] != "")]
    names = analog["name"].tolist()
    light = [name for name in names if LIGHT.search(name)] or [
        name for name in names if PLAIN.fullmatch(name)
    ]
    if len(light) == 1:
        row.cells["photodiode"] = light[0]
    elif len(analog):
        row.unknown.append(f"photodiode (analog inputs: {', '.join(analog['name'][:8])})")
    duration_s = opened.duration_s if opened.full_duration_s is None else opened.full_duration_s
    neural = opened.channels.loc[opened.channels["kind"] == "neural", "channel"].tolist()
    row.summary = f"{opened.format}, {seconds(duration_s)}, {counted(len(neural), 'neural channel')}"
    row.unknown += ["preferred", "spaces"]
    if "arrays" not in row.cells:
        row.channels = neural


def _nwb_row(path: Path, folder: Path, subject: str) -> Row:
    from evoalign.commands.study_files import animal

    name = path.name.removesuffix(".zarr").removesuffix(".nwb")
    cells = {
        "session": name,
        "subject": subject or animal(Path(name)) or "unknown",
        "nwb": _path(path, folder),
    }
    return Row(cells, "NWB", ["subject"] if cells["subject"] == "unknown" else [])


def _path(path: Path, folder: Path) -> str:
    """Return a path as the sheet has it: from the study's folder where it lies inside, else absolute."""
    path, folder = Path.cwd() / path, Path.cwd() / folder
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _name(rows: Sequence[Row]) -> None:
    """Make names of sessions of allowed characters, each its own."""
    given_names: set[str] = set()
    for row in rows:
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", row.cells["session"]).strip("_") or "session"
        number, unique = 1, name
        while unique in given_names:
            number += 1
            unique = f"{name}_{number}"
        given_names.add(unique)
        row.cells["session"] = unique


def _name_maps(rows: Sequence[Row]) -> None:
    """Give recordings of one animal and the same channels one template of an array map."""
    names: dict[tuple[str, tuple[int, ...]], str] = {}
    for row in rows:
        if row.channels:
            implant = row.cells["subject"], tuple(row.channels)
            row.cells["arrays"] = names.setdefault(implant, f"arrays/map_{len(names) + 1}.tsv")
            row.unknown.append(f"array and area in {row.cells['arrays']}")


def write_study(folder: Path, rows: Sequence[Row]) -> None:
    """Write settings, sample sheet, templates of array maps and the style of figures.

    Parameters
    ----------
    folder : Path
        Of the study.
    rows : sequence of Row
        Those that cannot be read become comments of the sheet, with the reason.
    """
    from evoalign.sheet import Session
    from evoalign.study import Config, config_text

    style = Path(Config().figures.style)
    styles = of_checkout(style.parent)
    (folder / CONFIG).parent.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\s+", " ", folder.absolute().name)
    (folder / CONFIG).write_text(f"{config_text(Config(study=name))}\n", encoding="utf-8")
    columns = list(Session.model_fields)
    lines = ["\t".join(columns)]
    for row in rows:
        line = "\t".join(row.cells.get(column, "") for column in columns)
        lines += [f"# {text}" for text in row.problem.splitlines()] if row.problem else []
        lines.append(f"# {line}" if row.problem else line)
    (folder / SHEET).write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.copytree(styles, folder / style.parent)
    (folder / "arrays").mkdir()
    for row in rows:
        if row.channels:
            (folder / row.cells["arrays"]).write_text(_map_template(row.channels), encoding="utf-8")


def _map_template(channels: Sequence[int]) -> str:
    head = "# Fill in array and area of each channel; positions may stay empty.\n"
    columns = "channel\tarray\tconnector\tarea\tx_um\ty_um\n"
    return head + columns + "".join(f"{channel}\t\t\t\t\t\n" for channel in channels)


def _told(folder: Path, rows: Sequence[Row], files: StudyFiles) -> list[str]:
    lines = [f"{folder}: a study of {counted(sum(not row.problem for row in rows), 'session')}"]
    for row in rows:
        cells = row.cells
        guesses = [
            f"{column} {Path(cells[column]).name}"
            for column in ("subject", "log", "latents", "images", "arrays", "photodiode")
            if column in cells and column not in row.unknown and not (column == "arrays" and row.channels)
        ]
        lines.append(f"  {cells['session']}: {row.summary or 'cannot be read'}")
        if guesses:
            lines.append(f"    guessed: {', '.join(guesses)}")
        if row.problem:
            lines.append(f"    left out, a comment in the sheet: {row.problem.splitlines()[0]}")
        elif row.unknown:
            lines.append(f"    to fill in: {', '.join(row.unknown)}")
    left = [
        path.name for path in files.logs if all(path.name not in row.cells.get("log", "") for row in rows)
    ]
    if left:
        lines.append(
            f"logs that belong to no recording: {', '.join(left[:10])}{', ..' if len(left) > 10 else ''}"
        )
    return [
        *lines,
        "",
        f"next: fill in {folder / SHEET}, look over {folder / CONFIG}; then",
        f"  cd {folder}; evoalign check; evoalign run",
    ]
