"""One HTML page of all figures and checks that opens offline."""

from __future__ import annotations

import base64
import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd
from markupsafe import Markup
from PIL import Image

from evoalign.figures.order import ORDER
from evoalign.files import atomic_write

# What the run took lies beside the page, which is the same from run to run: see docs/provenance.md.
ACCOUNT = "provenance"
EMBEDDED_SESSIONS = 24  # about 26 MB of figures
# Of more sessions the page holds the figures that the study is about, at half their size.
HELD_SMALL = ("evolved_images", "paired_evolution")


@dataclass(frozen=True)
class Panel:
    """A figure on the page.

    Attributes
    ----------
    stem, name : str
        Of its files; as a reader sees it.
    anchor : str
    src : str
        Holds or names its bitmap.
    caption : str
        N, tests and corrections.
    size : (int, int)
        Width and height of the bitmap in pixels.
    empty : bool
        No panel has a value: there is nothing to see.
    values : sequence of (str, str)
        Name and content, as a URL, of each panel's plotted values; none on a page that does not hold them.
    """

    stem: str
    name: str
    anchor: str
    src: str
    caption: str
    size: tuple[int, int]
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
    folder: str | PathLike[str], beside: str | PathLike[str] | None = None, with_values: bool = False
) -> list[Panel]:
    """Read the figures of a folder in the order of the page, others after them by name.

    Parameters
    ----------
    folder : path
        Holds ``<figure>.png`` and, beside it, ``<figure>.txt`` with the caption
        and ``<figure>_<panel>.csv`` with the plotted values.
    beside : path, optional
        The page, which then names the bitmaps by their way from it, but for
        `HELD_SMALL`; it holds all of them itself when left out.
    with_values : bool
        The page holds the plotted values too, to be saved from it.
    """
    folder = Path(folder)
    panels = []
    rank = {name: place for place, name in enumerate(ORDER)}
    bitmaps = sorted(folder.glob("*.png"), key=lambda file: (rank.get(file.stem, len(rank)), file.stem))
    stems = {png.stem for png in bitmaps}
    for png in bitmaps:
        caption = png.with_suffix(".txt")
        tables = [
            file for file in sorted(folder.glob(f"{png.stem}_*.csv")) if _stem_of(file, stems) == png.stem
        ]
        with Image.open(png) as bitmap:
            size = bitmap.size
        panels.append(
            Panel(
                stem=png.stem,
                name=png.stem.replace("_", " "),
                anchor=f"{folder.name}-{png.stem}",
                src=_source(png, beside),
                caption=caption.read_text(encoding="utf-8") if caption.exists() else "",
                size=size,
                empty=bool(tables) and not any(map(_has_rows, tables)),
                values=[(file.name, data_url(file.read_bytes(), "text/csv")) for file in tables]
                if with_values
                else (),
            )
        )
    return panels


def _stem_of(table: Path, stems: set[str]) -> str:
    """Figure that a table of values is of: the longest name that it begins with."""
    return max((stem for stem in stems if table.name.startswith(f"{stem}_")), key=len, default="")


def _has_rows(table: Path) -> bool:
    with table.open(encoding="utf-8", newline="") as file:
        return sum(1 for _, _ in zip(csv.reader(file), range(2), strict=False)) > 1


def data_url(content: bytes, kind: str) -> str:
    """Return content as a URL that holds it, of a media type as 'text/csv'."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _source(png: Path, beside: str | PathLike[str] | None) -> str:
    if beside is None:
        # The same pixels in half the bytes: WebP, which every browser has shown since 2020.
        return _embedded(png, lossless=True, quality=40, method=2)
    if png.stem in HELD_SMALL:
        return _embedded(png, shrink=2, quality=70)
    return _link(png, Path(beside))


def _embedded(png: Path, shrink: int = 1, **options: Any) -> str:
    content = io.BytesIO()
    with Image.open(png) as bitmap:
        bitmap.convert("RGB").reduce(shrink).save(content, "webp", **options)
    return data_url(content.getvalue(), "image/webp")


def _link(png: Path, page: Path) -> str:
    way = Path(os.path.relpath(png.resolve(), page.resolve().parent))
    return quote(way.as_posix())


def session_panels(
    folders: Mapping[str, str | PathLike[str]], page: str | PathLike[str]
) -> dict[str, list[Panel]]:
    """Figures of every session: on the page itself, or named by it where sessions are many.

    Parameters
    ----------
    folders : mapping of str to path
        Session -> folder of `read_panels`.
    page : path
        The page. That of a hundred sessions would be a hundred megabytes with
        their figures in it, more than a browser opens willingly.
    """
    beside = page if len(folders) > EMBEDDED_SESSIONS else None
    return {name: read_panels(folder, beside) for name, folder in folders.items()}


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
    page = environment.get_template(Path(template).name).render(account=ACCOUNT, **contents)
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")
