"""Every message that input can end in, from the places in the code that raise it."""

from __future__ import annotations

import re
from collections import defaultdict

from pages.markdown import prose, table
from pages.raised import GAP, Raised, raised_errors

HEAD = """\
# All messages

Input that cannot be used ends in one message: what is wrong, where, and what to do. This page is made
from the {n} places in the code that raise one, by the part of the pipeline in which they stand.
**Search it in your browser for a few words of your message**; … stands for what differs from case to
case. The commonest are explained in [troubleshooting](../troubleshooting.md); where the last column is
empty, the message says it all.
"""
ROOMS = {
    "formats": "Raw files and behaviour files",
    "recordings": "Recordings and array maps",
    "events": "Stimulus logs, event words, photodiode, alignment",
    "sorting": "Spike sorting and curation",
    "nwb": "NWB files",
    "export": "Export to other libraries",
    "responses": "Responses",
    "spaces": "Image spaces and weights of generators",
    "evolution": "Evolution",
    "analysis": "Analysis",
    "figures": "Figures and report",
    "simulate": "Simulation",
    "insilico": "Units of networks",
    "loop": "The closed loop",
    "commands": "The command line",
    "pipeline": "Runs, jobs and provenance",
}
SHARED = "Settings, sample sheet, tables, files"
# What pydantic finds in settings, sheet and options is said by pydantic; what was raised within is passed on.
PASSED_ON = "what the step within said"


def page() -> str:
    """Return the page: a table for each room."""
    errors = raised_errors()
    by_room: dict[str, list[Raised]] = defaultdict(list)
    for error in errors:
        by_room[ROOMS.get(error.module.partition(".")[0], SHARED)].append(error)
    parts = [HEAD.format(n=len({error.place for error in errors}))]
    for title in (*ROOMS.values(), SHARED):
        rows = sorted({(_shown(error.what) or PASSED_ON, _shown(error.hint)) for error in by_room[title]})
        if rows:
            parts += [f"## {title}", table(("message", "what to do"), rows)]
    return "\n\n".join(parts) + "\n"


def _shown(template: str) -> str:
    text = prose(template).replace(GAP, "…")
    return "" if not re.search(r"\w", text) else text


def pattern(template: str) -> re.Pattern[str]:
    """Return what matches a message of this template."""
    return re.compile(".*".join(re.escape(part) for part in template.split(GAP)), re.DOTALL)


def entries_of(what: str) -> list[Raised]:
    """Return the entries of the page that a real message belongs to."""
    return [
        error for error in raised_errors() if error.says_something and pattern(error.what).fullmatch(what)
    ]
