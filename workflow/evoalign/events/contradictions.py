"""What a log says twice: its columns against its image names, against the codes, against the rig's words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.events.log_order import MAX_SHARE
from evoalign.events.names import ImageName

log = logging.getLogger(__name__)

Ints = NDArray[np.int64]


def hold_against_names(
    rows: pd.DataFrame, names: Sequence[ImageName | None], where: str | PathLike[str]
) -> pd.DataFrame:
    """Give a reason to the few presentations whose columns say otherwise than their images' names.

    Parameters
    ----------
    rows : pandas.DataFrame
        `LOG` as it was written: block and thread -1 where it gives none.
    names : sequence of ImageName or None
        Of each row's image. References are shown in every block: they are not compared.
    where : str or path
        The log, for messages.

    Returns
    -------
    pandas.DataFrame
        The rows. Blocks that are counted from another number all along, as from 0, are
        no contradiction; the log of the run says so.

    Raises
    ------
    InputError
        More than a tenth of the rows that can be compared say otherwise.
    """
    for column in ("block", "thread"):
        in_log = rows[column].to_numpy(np.int64)
        in_name = np.array(
            [-1 if name is None or name.reference else getattr(name, column) for name in names], np.int64
        )
        both = (in_log >= 0) & (in_name >= 0)
        shift = usual_shift(in_log[both] - in_name[both]) if column == "block" else 0
        if shift:
            log.warning("%s: blocks are those of the image names %+d", where, shift)
        wrong = both & (in_log - in_name != shift)
        if not wrong.any():
            continue
        at = int(np.flatnonzero(wrong)[0])
        text = f"{column} is {in_log[at]} in the log and {in_name[at]} in the name '{rows['image'].iloc[at]}'"
        if wrong.sum() > MAX_SHARE * both.sum():
            raise InputError(
                f"{text}; so for {wrong.sum()} of {both.sum()} presentations",
                f"{where}, presentation {at}",
                f"correct the column {column}, or leave it out; names of another kind are read by "
                "events.image_pattern",
            )
        log.warning("%s: %d presentations are not valid: %s", where, wrong.sum(), text)
        rows = rows.assign(reason=rows["reason"].where(~wrong | (rows["reason"] != ""), text))
    return rows


def usual_shift(difference: Ints) -> int:
    """Return the difference that most of ``[row]`` have; 0 where fewer than nine in ten agree on one."""
    values, counts = np.unique(difference, return_counts=True)
    if not len(values) or counts.max() < (1 - MAX_SHARE) * len(difference):
        return 0
    return int(values[np.argmax(counts)])


def check_latent_rows(rows: pd.DataFrame, row_of: Mapping[str, int], where: str) -> None:
    """Refuse rows of codes in the log that are not those of the images' ids.

    Parameters
    ----------
    rows : pandas.DataFrame
        `LOG` of one block and thread; `latent_row` -1 says nothing.
    row_of : mapping of str to int
        Image name -> its row in the file of codes.
    where : str
        Block and thread, for the message.

    Raises
    ------
    InputError
        Naming the first image with both rows.
    """
    in_log = rows["latent_row"].to_numpy(np.int64)
    in_codes = rows["image"].map(row_of).to_numpy(np.int64)
    wrong = np.flatnonzero((in_log >= 0) & (in_log != in_codes))
    if not len(wrong):
        return
    at = int(wrong[0])
    from_1 = bool((in_log[wrong] == in_codes[wrong] + 1).all())
    raise InputError(
        f"latent_row of image '{rows['image'].iloc[at]}' is {in_log[at]} in the log and {in_codes[at]} by "
        f"the ids of the codes; so for {len(wrong)} of {len(rows)} presentations",
        where,
        "rows are counted from 0" if from_1 else "leave latent_row out of the log, or correct it",
    )


def hold_against_words(blocks: Ints, in_words: Ints, mask: int) -> None:
    """Refuse a log whose blocks are not those that the rig sent at the head of each trial.

    Parameters
    ----------
    blocks, in_words : ndarray
        int ``[presentation]``: block by the log, and by the head of its trial; -1 unknown.
    mask : int
        Bits that carry a word: of larger numbers the lower bits are sent.

    Raises
    ------
    InputError
        More than a tenth of the presentations that can be compared are of another block.
        Fewer may be words that were lost on the way; the log of the run tells them.
    """
    both = (blocks >= 0) & (in_words >= 0)
    difference = in_words[both] - (blocks[both] & mask)
    wrong = difference != usual_shift(difference)
    if not wrong.any():
        return
    at = int(np.flatnonzero(both)[np.flatnonzero(wrong)[0]])
    text = (
        f"{wrong.sum()} of {both.sum()} presentations are of another block in the log than in the words at "
        f"the head of their trial, the first of block {blocks[at]} and of {in_words[at]}"
    )
    if wrong.sum() > MAX_SHARE * both.sum():
        raise InputError(
            text,
            f"words and log, presentation {at}",
            "give the log of this recording; where the number after the word of a trial's head is no block, "
            "set events.header_words",
        )
    log.warning("%s", text)
