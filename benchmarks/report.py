"""Size of a report of many sessions, and how long a browser takes to open it.

    python benchmarks/report.py results/figures --sessions 200

Repeats the session figures of a finished run until there are as many sessions
as asked for. Needs chromium and playwright. Printed: the page's size, the time
until it is shown (load event, median of five), until a session in its middle
is inflated and shown, and what preparing the figures of a session costs.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from evoalign.figures.report import ROOM, read_panels, write_report
from evoalign.figures.report_glance import STAGES, SessionRow
from evoalign.figures.report_page import page_contents

TEMPLATE = Path(__file__).parents[1] / "workflow/report/report.html.j2"
OPENED = "document.querySelector('{} img')?.naturalWidth > 0"


def write_page(folder: Path, n_sessions: int, page: Path) -> float:
    """Write the page; return the seconds of CPU that a session's figures took."""
    population = read_panels(folder / "population", with_values=True)
    taken = sum(len(panel.src) + sum(len(values) for _, values in panel.values) for panel in population)
    own = [part for part in sorted(folder.iterdir()) if (part / "evolved_images.png").exists()]
    began = time.process_time()
    of_sessions = [read_panels(part, room=(ROOM - taken) / n_sessions) for part in own]
    took = (time.process_time() - began) / len(own)
    names = [f"session_{number:03d}" for number in range(n_sessions)]
    rows = [SessionRow(name, "Monkey", "V4", dict.fromkeys(STAGES, "done"), "counted", "") for name in names]
    figures = {
        name: [replace(panel, anchor=f"{name}-{panel.stem}") for panel in panels]
        for name, panels in zip(names, islice(cycle(of_sessions), n_sessions), strict=True)
    }
    contents = page_contents(
        title="many",
        lead="",
        population=population,
        sessions=rows,
        figures=figures,
        provenance={},
        results="r",
    )
    write_report(page, TEMPLATE, **contents)
    left_out = sum(not panel.src and not panel.empty for panels in of_sessions for panel in panels)
    print(f"figures left out for want of room: {left_out} of {sum(map(len, of_sessions))}")
    return took


def open_page(browser: Browser, page: Path, session: str) -> tuple[float, float]:
    """Return seconds until the page is loaded, and then until a session's first figure is shown."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    began = time.perf_counter()
    tab.goto(page.as_uri(), wait_until="load")
    loaded = time.perf_counter()
    tab.evaluate(f"location.hash = '#{session}-evolved_images'")
    tab.wait_for_function(OPENED.format(f"#{session}-evolved_images"))
    shown = time.perf_counter()
    tab.close()
    return loaded - began, shown - loaded


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", type=Path, help="folder of figures of a finished run")
    parser.add_argument("--sessions", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page = Path(folder) / "report.html"
        took = write_page(options.figures, options.sessions, page)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        middle = f"session_{options.sessions // 2:03d}"
        loaded, shown = zip(*(open_page(browser, page, middle) for _ in range(5)), strict=True)
        browser.close()
        print(f"{options.sessions} sessions: {page.stat().st_size / 1e6:.1f} MB")
        print(f"opened in {statistics.median(loaded):.2f} s ({min(loaded):.2f} to {max(loaded):.2f})")
        print(f"a session shown {statistics.median(shown):.2f} s after it was asked for")
        print(f"figures of a session: {took:.1f} s of CPU")


if __name__ == "__main__":
    main()
