"""What a stimulus log or an array map holds, as lines of text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from evoalign.commands.text import ranges, seconds, table
from evoalign.errors import InputError
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.recordings.array_map import COLUMNS, read_array_map
from evoalign.tabbed import read_tabbed

MOST_WORDS, MOST_IMAGES = 8, 5  # that are listed
TABBED = (".tsv", ".txt")


def table_lines(path: Path, settings: Events) -> list[str]:
    """Read a stimulus log or an array map and say what it holds.

    Parameters
    ----------
    path : Path
        ``.bhv2``, ``.h5``, ``.mat``, ``.tsv``, ``.txt``; or ``.cmp``.
    settings : Events
        Words and names of images.

    Raises
    ------
    InputError
        As for `read_log` and `read_array_map`; or the file is a sample sheet.
    """
    suffix = path.suffix.lower()
    if suffix == ".cmp":
        return _map_lines(path)
    if suffix in TABBED:
        _, header, _ = read_tabbed(path, "the file")
        if sorted(header) == sorted(COLUMNS):
            return _map_lines(path)
        if "session" in header and "subject" in header:
            raise InputError("this is a sample sheet", path, "evoalign check says whether it can be run")
    trials = [] if suffix in TABBED else _trial_lines(path)
    log = read_log(path, settings, alone=True)
    return [
        f"{path.name}: {'array map' if suffix == '.cmp' else 'stimulus log'}",
        *trials,
        *_log_lines(log, settings),
    ]


def _map_lines(path: Path) -> list[str]:
    array_map = read_array_map(path)
    rows = [
        (str(array), str(area), len(rows), ranges(rows["channel"].tolist()))
        for (array, area), rows in array_map.groupby(["array", "area"], sort=False)
    ]
    return [
        f"{path.name}: array map of {len(array_map)} channels",
        *table(("array", "area", "channels", "which"), rows),
    ]


def _trial_lines(path: Path) -> list[str]:
    from evoalign.formats.monkeylogic.behavior import trials

    frame = trials(path)
    if frame.empty:
        return ["Trials: none"]
    words = Counter(int(word) for codes in frame["codes"] for word in codes)
    ends_s = [times[-1] for times in frame["code_times_s"] if len(times)]
    span = seconds(max(ends_s) - float(frame["start_s"].iloc[0])) if ends_s else "unknown"
    errors = ", ".join(f"{error} ({n}x)" for error, n in sorted(frame["error"].value_counts().items()))
    frequent = ", ".join(f"{word} ({n}x)" for word, n in words.most_common(MOST_WORDS))
    return [
        f"Trials: {len(frame)} (1 to {frame['trial'].max()}), {span} from the first to the last word",
        f"  errors by number: {errors}",
        f"  words: {sum(words.values())}; most frequent: {frequent or 'none'}",
    ]


def _log_lines(log: pd.DataFrame, settings: Events) -> list[str]:
    if log.empty:
        first_word, last_word = settings.onset_words
        return [f"Presentations: none, no word from {first_word} to {last_word} (events.onset_words)"]
    shown_ms = 1000 * (log["offset_s"] - log["onset_s"]).median()
    length = f", shown for {shown_ms:.0f} ms (median)" if np.isfinite(shown_ms) else ""
    lines = [
        f"Presentations: {len(log)} of {log['image'].nunique()} images in {log['trial'].nunique()} trials, "
        f"{seconds(float(log['onset_s'].max() - log['onset_s'].min()))}{length}",
        _evolution(log),
    ]
    rows = [
        (int(row["trial"]), str(row["image"]), int(row["onset_word"]), f"{row['onset_s']:.4f}",
         _number(row["block"]), _number(row["thread"]))
        for _, row in log[:MOST_IMAGES].iterrows()
    ]  # fmt: skip
    return [*lines, *table(("trial", "image", "word", "on (s, log)", "block", "thread"), rows)]


def _evolution(log: pd.DataFrame) -> str:
    blocks = log.loc[log["block"] >= 0, "block"]
    if blocks.empty:
        return "Blocks and threads: unknown, by neither columns nor names of images (events.image_pattern)"
    threads = (
        log[log["thread"] >= 0]
        .groupby("thread")["space"]
        .agg(lambda spaces: spaces.iloc[0] or "unknown space")
    )
    listed = ", ".join(f"thread {thread}: {space}" for thread, space in threads.items())
    return (
        f"Blocks: {blocks.nunique()} ({blocks.min()} to {blocks.max()}); {listed or 'no threads'}; "
        f"{int(log['reference'].sum())} presentations of references"
    )


def _number(value: int) -> str:
    return "" if value < 0 else str(int(value))
