"""One HTML page of all figures and checks that opens offline."""

from __future__ import annotations

import base64
import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from PIL import Image

from evoalign.figures.axes_facts import read_facts, told
from evoalign.figures.order import ORDER
from evoalign.figures.plain_words import figure_title, meaning
from evoalign.figures.report_pictures import share_room
from evoalign.files import atomic_write

# What the run took lies beside the page, which is the same from run to run: see docs/provenance.md.
ACCOUNT = "provenance"
# Bytes of the page that figures may take: one of many sessions still opens in a browser and goes by mail.
ROOM = 27e6
LEAST_ROOM = 0.2  # of it that sessions get, whatever the pooled figures take


@dataclass(frozen=True)
class Panel:
    """A figure on the page.

    Attributes
    ----------
    stem, name : str
        Of its files; its title.
    anchor : str
    src : str
        Data URL that holds it; '' where there was no room, or nothing to see.
    meaning, caption : str
        What it shows in one sentence; N, tests and corrections.
    size : (int, int)
        Width and height of the bitmap in pixels.
    alternative : str
        What who cannot see it needs to know: what it shows, and its panels.
    axes : str
        Where its axes lie and what they measure, as JSON: of `axes_facts`.
    empty : bool
        No panel has a value: there is nothing to see.
    values : sequence of (str, str)
        Name and content, as a URL, of each panel's plotted values; none on a page that does not hold them.
    """

    stem: str
    name: str
    anchor: str
    src: str
    meaning: str
    caption: str
    size: tuple[int, int]
    alternative: str = ""
    axes: str = "[]"
    empty: bool = False
    values: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class ReportSection:
    """A table on the page, already as HTML, and its rows."""

    title: str
    anchor: str
    lead: str
    html: str
    frame: pd.DataFrame


def read_panels(
    folder: str | PathLike[str], with_values: bool = False, room: float = float("inf")
) -> list[Panel]:
    """Read the figures of a folder in the order of the page, others after them by name.

    Parameters
    ----------
    folder : path
        Holds ``<figure>.png`` and, beside it, ``<figure>.svg``, ``<figure>.txt`` with the caption
        and ``<figure>_<panel>.csv`` with the plotted values.
    with_values : bool
        The page holds the plotted values too, to be saved from it.
    room : float
        Bytes that they may take in the page: see `share_room`.
    """
    folder = Path(folder)
    rank = {name: place for place, name in enumerate(ORDER)}
    bitmaps = sorted(folder.glob("*.png"), key=lambda file: (rank.get(file.stem, len(rank)), file.stem))
    stems = {png.stem for png in bitmaps}
    tables = {
        png: [file for file in sorted(folder.glob(f"{png.stem}_*.csv")) if _stem_of(file, stems) == png.stem]
        for png in bitmaps
    }
    drawn = [png for png in bitmaps if not tables[png] or any(map(_has_rows, tables[png]))]
    sources = dict(zip(drawn, share_room(drawn, room), strict=True))
    return [
        _panel(png, sources.get(png, ""), png not in sources, tables[png] if with_values else ())
        for png in bitmaps
    ]


def _panel(png: Path, source: str, empty: bool, tables: Sequence[Path]) -> Panel:
    caption = png.with_suffix(".txt")
    with Image.open(png) as bitmap:
        size, facts = bitmap.size, read_facts(bitmap)
    return Panel(
        stem=png.stem,
        name=figure_title(png.stem),
        anchor=f"{png.parent.name}-{png.stem}",
        src=source,
        meaning=meaning(png.stem),
        caption=caption.read_text(encoding="utf-8").strip() if caption.exists() else "",
        size=size,
        alternative=f"Figure, {figure_title(png.stem)}: {meaning(png.stem)} {told(facts)}".strip(),
        axes=json.dumps(facts),
        empty=empty,
        values=[(file.name, data_url(file.read_bytes(), "text/csv")) for file in tables],
    )


def _stem_of(table: Path, stems: set[str]) -> str:
    """Figure that a table of values is of: the longest name that it begins with."""
    return max((stem for stem in stems if table.name.startswith(f"{stem}_")), key=len, default="")


def _has_rows(table: Path) -> bool:
    with table.open(encoding="utf-8", newline="") as file:
        return sum(1 for _, _ in zip(csv.reader(file), range(2), strict=False)) > 1


def data_url(content: bytes, kind: str) -> str:
    """Return content as a URL that holds it, of a media type as 'text/csv'."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def session_panels(
    folders: Mapping[str, str | PathLike[str]], population: Sequence[Panel] = ()
) -> dict[str, list[Panel]]:
    """Figures of every session, each session with the same room in the page.

    Parameters
    ----------
    folders : mapping of str to path
        Session -> folder of `read_panels`.
    population : sequence of Panel
        Pooled figures, whose room is theirs no more.
    """
    taken = sum(len(panel.src) + sum(len(values) for _, values in panel.values) for panel in population)
    room = max(ROOM - taken, LEAST_ROOM * ROOM) / max(len(folders), 1)
    return {name: read_panels(folder, room=room) for name, folder in folders.items()}


def packed(html: str) -> str:
    """Deflate a part of the page, as base64: the browser inflates it when it is opened."""
    return base64.b64encode(gzip.compress(html.encode(), compresslevel=6, mtime=0)).decode()


def section(title: str, lead: str, frame: pd.DataFrame) -> ReportSection:
    """Return a table as a section of the page; numbers with four significant digits."""
    html = frame.to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format, escape=True)
    return ReportSection(title, title.lower().replace(" ", "-"), lead, html, frame)


def write_report(path: str | PathLike[str], template: str | PathLike[str], **contents: Any) -> None:
    """Write the page; it appears whole or not at all.

    Parameters
    ----------
    path, template : path
        The page, and its jinja2 template.
    **contents
        What the template names; see `page_contents` in `report_page`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(template).parent),
        autoescape=jinja2.select_autoescape(default=True, default_for_string=True),
        undefined=jinja2.StrictUndefined,
    )
    # Names of sessions and images are text, whatever they hold: all but tables of pandas is escaped.
    environment.filters["table"] = lambda part: Markup(part.html)
    environment.filters["packed"] = packed
    page = environment.get_template(Path(template).name).render(account=ACCOUNT, **contents)
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")
