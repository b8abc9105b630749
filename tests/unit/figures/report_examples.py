"""Small pages of the report, also with names that would be code if they were not text."""

import base64
import gzip
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from evoalign.figures.report import ROOM, read_panels, section, session_panels, write_report
from evoalign.figures.report_findings import Sentence
from evoalign.figures.report_glance import STAGES, SessionRow, failed_row
from evoalign.figures.report_methods import methods
from evoalign.figures.report_page import page_contents
from evoalign.figures.report_settings import every_setting
from evoalign.study import Config

TEMPLATE = Path(__file__).parents[3] / "workflow/report/report.html.j2"
HOSTILE = """<img src=x onerror="window.hacked=1">'&amp;</td><script>window.hacked=1</script>"""
VERSIONS = dict.fromkeys(
    ("version", "commit", "python", "numpy", "scipy", "torch", "snakemake", "pynwb", "neo", "spikeinterface"),
    "1.2",
)


def write_figure(folder, stem, rows=1, caption="N = 3.", size=(400, 200)):
    """A bitmap, its caption and its plotted values."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(stem)).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{stem}.png")
    (folder / f"{stem}.txt").write_text(caption, encoding="utf-8")
    pd.DataFrame({"x": range(rows)}).to_csv(folder / f"{stem}_a.csv", index=False)


def unpacked(page):
    """Text of a page, with the figures of its sessions as the browser inflates them."""
    return re.sub(
        '<script type="application/gzip">([^<]*)</script>',
        lambda packed: gzip.decompress(base64.b64decode(packed[1])).decode(),
        page.read_text(encoding="utf-8"),
    )


def counted(session, note="", subject="Monkey"):
    cells = dict.fromkeys(STAGES, "evolution")
    return SessionRow(session, subject, "V4", cells, "counted", note)


def write_drawing(folder, stem, n_points, seed):
    """A figure as vectors, as large as that of a recorded session: a curve of random points."""
    points = np.random.default_rng(seed).uniform(0, 500, (n_points, 2))
    line = "\n".join(f"L {x:.6f} {y:.6f}" for x, y in points)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 500 500"><path d="M 0 0 {line}"/></svg>'
    write_figure(folder, stem, size=(700, 700))
    (folder / f"{stem}.svg").write_text(svg, encoding="utf-8")


def write_large_page(folder, n_sessions):
    """A page of sessions with more in their figures than there is room for: all alike."""
    for seed, stem in enumerate(("paired_evolution", "evolved_images", "stacked_psth", "alignment")):
        write_drawing(folder / "figures/s0", stem, 2500, seed)
    for seed, stem in enumerate(("raster", "quality")):
        write_drawing(folder / "figures/s0", stem, 15000, seed)
    panels = read_panels(folder / "figures/s0", room=ROOM / n_sessions)
    names = [f"s{number}" for number in range(n_sessions)]
    page = folder / "report.html"
    contents = page_contents(
        title="study",
        lead=f"{n_sessions} sessions",
        sessions=[counted(name) for name in names],
        figures={name: [replace(each, anchor=f"{name}-{each.stem}") for each in panels] for name in names},
        tables=[section("Units", "", pd.DataFrame({"session": names, "rate": range(n_sessions)}))],
        provenance=VERSIONS,
        results="results",
    )
    write_report(page, TEMPLATE, **contents)
    write_account(folder)
    return page


def write_account(folder):
    """What the page links to beside it."""
    (folder / "provenance").mkdir(exist_ok=True)
    for name in ("index", "totals"):
        (folder / f"provenance/{name}.html").write_text(
            '<!doctype html><html lang="en"><title>t</title><link rel="icon" href="data:,">'
            "<main><h1>t</h1></main>"
        )


def write_page(folder, n_sessions=3, text="plain", n_figures=2):
    """A page of sessions, of which the last one failed; every free text holds `text`."""
    names = [f"s{number}" for number in range(n_sessions)]
    for stem, rows in (("crossover", 3), ("latency", 2), ("hessian_spectrum", 0)):
        write_figure(folder / "figures/population", stem, rows, caption=f"{text} N = 3.")
    for name in names[:-1]:
        for stem in ("raster", "paired_evolution", "quality")[:n_figures]:
            write_figure(folder / "figures" / name, stem, caption=f"{text} n = 1.")
    page = folder / "report.html"
    rows = [counted(name, text, text) for name in names[:-1]]
    message = f"recording: the last block is cut\n  where: {text}, byte 7\n  hint:  copy it again"
    table = pd.DataFrame({"session": [text, *names], "rate": [10.5, *range(n_sessions)]})
    write_report(
        page,
        TEMPLATE,
        **page_contents(
            title=f"study {text}",
            lead=text,
            population=read_panels(folder / "figures/population", with_values=True),
            sessions=[*rows, failed_row(names[-1], text, message)],
            figures=session_panels({name: folder / "figures" / name for name in names[:-1]}),
            findings=[
                Sentence(f"Object leads {text} at 106 ms.", "crossover", table, "crossover"),
                # Of a figure that is not drawn: no link may lead there.
                Sentence("No unit is explained.", "hessian_spectrum", table, "spectrum"),
            ],
            tables=[section("Units", text, table)],
            methods=methods(Config(), VERSIONS, ["plexon"]),
            settings=list(every_setting(Config())),
            provenance=VERSIONS | {"input": text},
            results="results",
        ),
    )
    write_account(folder)
    return page
