"""One HTML page of all figures and checks that opens offline."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from urllib.parse import quote

import jinja2
import pandas as pd
from markupsafe import Markup

from evoalign.figures.order import ORDER
from evoalign.files import atomic_write

# What the run took lies beside the page, which is the same from run to run: see docs/provenance.md.
ACCOUNT = "provenance"
EMBEDDED_SESSIONS = 24  # about 20 MB of figures


@dataclass(frozen=True)
class Panel:
    """A figure on the page: `src` holds or names its bitmap, `caption` states N, tests and corrections."""

    name: str
    anchor: str
    src: str
    caption: str


@dataclass(frozen=True)
class ReportSection:
    """A table on the page, already as HTML."""

    title: str
    anchor: str
    lead: str
    html: str


def read_panels(folder: str | PathLike[str], beside: str | PathLike[str] | None = None) -> list[Panel]:
    """Read the figures of a folder in the order of the page, others after them by name.

    Parameters
    ----------
    folder : path
        Holds ``<figure>.png`` and, beside it, ``<figure>.txt`` with the caption.
    beside : path, optional
        The page, which then names the bitmaps by their way from it; it holds
        them itself when left out.
    """
    folder = Path(folder)
    panels = []
    rank = {name: place for place, name in enumerate(ORDER)}
    for png in sorted(folder.glob("*.png"), key=lambda file: (rank.get(file.stem, len(rank)), file.stem)):
        caption = png.with_suffix(".txt")
        panels.append(
            Panel(
                name=png.stem.replace("_", " "),
                anchor=f"{folder.name}-{png.stem}",
                src=_embedded(png) if beside is None else _link(png, Path(beside)),
                caption=caption.read_text(encoding="utf-8") if caption.exists() else "",
            )
        )
    return panels


def _embedded(png: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}"


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
        The page. That of a hundred sessions would be some hundred megabytes
        with their figures in it, more than a browser opens willingly.
    """
    beside = page if len(folders) > EMBEDDED_SESSIONS else None
    return {name: read_panels(folder, beside) for name, folder in folders.items()}


def section(title: str, lead: str, frame: pd.DataFrame) -> ReportSection:
    """Return a table as a section of the page; numbers with four significant digits."""
    html = frame.to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format, escape=True)
    return ReportSection(title, title.lower().replace(" ", "-"), lead, html)


def write_report(
    path: str | PathLike[str],
    template: str | PathLike[str],
    *,
    title: str,
    population: Sequence[Panel],
    sessions: Mapping[str, tuple[str, Sequence[Panel]]],
    tables: Sequence[ReportSection],
    provenance: Mapping[str, str],
    results: str,
    lead: str = "",
) -> None:
    """Write the page; it appears whole or not at all.

    Parameters
    ----------
    path, template : path
        The page, and its jinja2 template.
    title : str
        Heading.
    population : sequence of Panel
        Pooled figures.
    sessions : mapping of str to (str, sequence of Panel)
        Note and figures of each session.
    tables : sequence of ReportSection
        Alignment, units, validation, ..
    provenance : mapping of str to str
        Versions, commit, checksums.
    results : str
        Folder named in the footer.
    lead : str
        Line below the heading; '' counts sessions and figures.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(template).parent),
        autoescape=jinja2.select_autoescape(default=True),
        undefined=jinja2.StrictUndefined,
    )
    facts = pd.DataFrame({"what": list(provenance), "value": list(provenance.values())})
    page = environment.get_template(Path(template).name).render(
        title=title,
        lead=lead or f"{len(sessions)} sessions, {len(population)} pooled figures.",
        population=population,
        sessions=[{"name": n, "note": note, "figures": figures} for n, (note, figures) in sessions.items()],
        many=len(sessions) > EMBEDDED_SESSIONS,
        tables=[vars(t) | {"html": Markup(t.html)} for t in tables],
        provenance=Markup(facts.to_html(index=False, border=0)),
        results=results,
        account=ACCOUNT,
    )
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")
