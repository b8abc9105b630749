"""Stimulus logs of any kind as one table, one row a presentation."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.contradictions import hold_against_names
from evoalign.events.distinct_names import distinct_names
from evoalign.events.event_codes import image_pairs
from evoalign.events.images import image_names
from evoalign.events.log_order import DAMAGED, in_order
from evoalign.events.names import parse_image_name
from evoalign.events.settings import Events
from evoalign.events.tables import LOG
from evoalign.events.tsv import read_tsv
from evoalign.formats.monkeylogic.behavior import SUFFIXES, read_behavior, trial_structs, trial_table

MOST_WORDS = 8  # that a message names


def read_log(
    path: str | PathLike[str], settings: Events, spaces: Sequence[str] = (), *, alone: bool = False
) -> pd.DataFrame:
    """Read a stimulus log.

    Parameters
    ----------
    path : path
        ``.tsv`` with the columns of `LOG`; or MonkeyLogic's ``.bhv2``,
        ``.h5`` or ``.mat``, whose presentations are read from the event words:
        image k of a trial is on at 100 + k and off at 200 + k, after the word
        of fixation (docs/methods.md section 1).
    settings : Events
        Event words, where image names are kept, and their pattern.
    spaces : sequence of str
        Name of the space of thread 0, of thread 1, ..
    alone : bool
        The session has no recording: trials without image words then give no
        rows, for there is nothing that they could leave without presentations.

    Returns
    -------
    pandas.DataFrame
        `LOG`. An image without an offset (the trial broke while it was shown) has NaN in
        `offset_s`.

    Raises
    ------
    InputError
        The file is missing, unreadable or damaged; it holds no trials, or none that shows an image;
        a column or row of it is wrong; time runs backwards, or trials are damaged, at more than a
        few places.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in (".tsv", ".txt"):
        log = read_tsv(path)
        if log.empty and not alone:
            hint = (
                "give the log of this recording, or leave the cell empty: the recording is then sorted alone"
            )
            raise InputError("the log shows no presentation", path, hint)
    elif suffix in SUFFIXES:
        log = _from_behavior(path, settings, alone)
    else:
        raise InputError(f"no stimulus log: suffix '{path.suffix}'", path, "give .tsv, .bhv2, .h5 or .mat")
    log = in_order(log, path)
    return tables.conform(_fill_from_image_names(log, settings, tuple(spaces), path), LOG)


def _from_behavior(path: Path, settings: Events, alone: bool) -> pd.DataFrame:
    structs = trial_structs(read_behavior(path), path)
    table = trial_table(structs, path)
    rows: list[dict[str, Any]] = []
    for number, codes, times_s, damage in zip(
        table["trial"], table["codes"], table["code_times_s"], table["damage"], strict=True
    ):
        images, block = image_pairs(codes, settings)
        if not images:
            continue
        last_image = max(k for k, _, _ in images)
        names = image_names(structs[number], last_image, settings, f"{path}, Trial{number}")
        for k, on, off in images:
            rows.append(
                {
                    "trial": number,
                    "image": names[k - 1],
                    "onset_word": int(codes[on]),
                    "offset_word": settings.offset_words[0] + k - 1,
                    "onset_s": float(times_s[on]),
                    "offset_s": float(times_s[off]) if off >= 0 else np.nan,
                    "block": block,
                    "reason": f"{DAMAGED}: {damage}" if damage else "",
                }
            )
    if not rows:
        error = _no_images(structs, table, settings, path)
        if structs and alone:
            logging.warning("%s", error)
            return tables.empty(LOG)
        raise error
    return pd.DataFrame(rows).assign(
        presentation=np.arange(len(rows)), thread=-1, space="", latent_row=-1, reference=False
    )


def _no_images(
    structs: dict[int, dict[str, Any]], table: pd.DataFrame, settings: Events, path: Path
) -> InputError:
    """Say what a file holds in place of presentations of images."""
    if not structs:
        return InputError(
            "the file holds no trials of MonkeyLogic (Trial1, Trial2, ..)", path, "give the session's log"
        )
    words = Counter(word for codes in table["codes"] for word in codes.tolist())
    common = ", ".join(f"{word} ({n} times)" for word, n in words.most_common(MOST_WORDS)) or "none"
    first_word, last_word = settings.onset_words
    fixation = settings.fixation_word
    after = f" after the word {fixation} of fixation" if fixation >= 0 else ""
    return InputError(
        f"none of the {sum(words.values())} words of its {len(structs)} trials means image-on "
        f"({first_word} to {last_word}{after}); the most frequent are {common}",
        path,
        "give the session's log, or correct events.onset_words and events.fixation_word",
    )


def _fill_from_image_names(
    log: pd.DataFrame, settings: Events, spaces: tuple[str, ...], where: Path
) -> pd.DataFrame:
    """Fill block, thread, space and reference from image names where the log does not give them."""
    if log.empty:
        return log
    log = log.assign(image=distinct_names(log["image"], settings.image_pattern, where))
    # Each name is parsed once: references repeat in every block.
    parsed = {name: parse_image_name(name, settings.image_pattern) for name in log["image"].unique()}
    names = [parsed[name] for name in log["image"]]
    log = hold_against_names(log, names, where)
    log["reference"] |= np.array([name is not None and name.reference for name in names])
    block = [-1 if name is None or name.reference else name.block for name in names]
    # A reference keeps its name from block to block: only the rig's words give its block.
    log["block"] = np.where(log["block"] >= 0, log["block"], block)
    thread = [-1 if name is None else name.thread for name in names]
    log["thread"] = np.where(log["thread"] >= 0, log["thread"], thread)
    sheet_spaces = [spaces[t] if 0 <= t < len(spaces) else "" for t in log["thread"]]
    conflicts = [
        i
        for i, (log_space, sheet_space) in enumerate(zip(log["space"], sheet_spaces, strict=True))
        if log_space and sheet_space and log_space != sheet_space
    ]
    if conflicts:
        i = conflicts[0]
        raise InputError(
            f"thread {log['thread'].iloc[i]} is of space '{log['space'].iloc[i]}' in the log "
            f"but of '{sheet_spaces[i]}' in the sample sheet",
            f"{where}, presentation {i}",
            "correct spaces in sessions.tsv",
        )
    log["space"] = [
        log_space or sheet_space for log_space, sheet_space in zip(log["space"], sheet_spaces, strict=True)
    ]
    return log
