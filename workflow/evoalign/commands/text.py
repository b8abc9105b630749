"""Tables and PSTHs as text for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EIGHTHS = " ▁▂▃▄▅▆▇█"
PSTH_LINES = 5


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return lines of a table whose columns are as wide as what they hold, numbers to the right."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    to_right = [
        bool(rows) and all(not isinstance(row[column], str) for row in rows) for column in range(len(header))
    ]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_right, strict=True)
        ).rstrip()
        for row in cells
    ]


def psth_lines(rate_hz: NDArray[np.float64], window_ms: tuple[int, int]) -> list[str]:
    """Return a PSTH as lines, a character a bin.

    Parameters
    ----------
    rate_hz : ndarray, float64 [bin]
        Spikes/s; the bins tile the window.
    window_ms : (int, int)
        From the event.
    """
    top = float(rate_hz.max(initial=0.0))
    levels = np.rint(rate_hz / top * 8 * PSTH_LINES).astype(int) if top > 0 else np.zeros(len(rate_hz), int)
    bars = [
        "".join(_bar(int(np.clip(level - 8 * line, 0, 8))) for level in levels)
        for line in reversed(range(PSTH_LINES))
    ]
    labels = [f"{top:.0f}/s", *[""] * (PSTH_LINES - 2), "0/s"]
    width = max(map(len, labels))
    zero = round(-window_ms[0] / (window_ms[1] - window_ms[0]) * len(rate_hz))
    axis = _axis(window_ms, zero, len(rate_hz))
    return [*(f"  {label.rjust(width)} {bar}" for label, bar in zip(labels, bars, strict=True)),
            f"  {'ms'.rjust(width)} {axis}"]  # fmt: skip


def _axis(window_ms: tuple[int, int], zero: int, n_bins: int) -> str:
    """Return marks under the bars: the window's start, 0 and its end."""
    marks = {0: str(window_ms[0]), n_bins - len(str(window_ms[1])): str(window_ms[1])}
    if 0 <= zero < n_bins:
        marks[zero] = "0"
    line = [" "] * n_bins
    for place, mark in sorted(marks.items()):
        line[max(place, 0) : max(place, 0) + len(mark)] = mark
    return "".join(line)


def _bar(eighths: int) -> str:
    if (sys.stdout.encoding or "").lower().startswith("utf"):
        return EIGHTHS[eighths]
    return "#" if eighths >= 4 else " "


def seconds(duration_s: float) -> str:
    """Return a duration for people: ``75.3 s``, ``12 min 5 s``, ``1 h 2 min``."""
    if duration_s < 120:
        return f"{duration_s:.1f} s"
    minutes, rest_s = divmod(round(duration_s), 60)
    return f"{minutes} min {rest_s} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def megabytes(n_bytes: float) -> str:
    """Return a size for people: ``12 kB``, ``1,024 MB``."""
    return f"{n_bytes / 1e3:,.0f} kB" if n_bytes < 1e6 else f"{n_bytes / 1e6:,.0f} MB"


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: ``1 note``, ``no notes``, ``2 notes``."""
    return f"{n or 'no'} {noun}{'' if n == 1 else 's'}"


def ranges(numbers: Sequence[int]) -> str:
    """Return whole numbers with runs joined: ``1-4, 7``."""
    ordered = sorted(set(numbers))
    parts: list[str] = []
    start = 0
    for at in range(1, len(ordered) + 1):
        if at == len(ordered) or ordered[at] != ordered[at - 1] + 1:
            first, last = ordered[start], ordered[at - 1]
            parts.append(str(first) if first == last else f"{first}-{last}")
            start = at
    return ", ".join(parts)
