"""Order and meaning of the event codes ("words") that the rig sends.

As sent for a trial (docs/methods.md section 1): 9, 9, 9 start; 201 then the block
number; 202 then the trial counter; 5 fixation; then 101, 201, 102, 202, ..
image k on and off; 22, 50; 18 x 3 to 4 end. The numbers after 201 and 202 of
the head can have the value of any other word, and 201 and 202 that of an
image's offset.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoalign.events.settings import Events

_BLOCK_FOLLOWS, _TRIAL_FOLLOWS = 0, 1  # places in Events.header_words


def after_fixation(words: NDArray[np.int64], settings: Events) -> NDArray[np.bool_]:
    """Return which words come after the word of fixation of their trial.

    Parameters
    ----------
    words : ndarray
        int ``[word]``, in the order of sending.
    settings : Events
        Words of trial start, trial end, fixation and head.

    Returns
    -------
    ndarray
        bool ``[word]``; all True when no word of fixation is configured.
    """
    if settings.fixation_word < 0:
        return np.ones(len(words), bool)
    inside = np.zeros(len(words), bool)
    fixated, argument = False, False
    for i, word in enumerate(words.tolist()):
        if fixated:
            if word in (settings.trial_start_word, settings.trial_end_word):
                fixated = False
            inside[i] = fixated
        elif argument:
            argument = False
        elif word in settings.header_words:
            argument = True
        elif word == settings.fixation_word:
            fixated = True
    return inside


def trial_blocks(words: NDArray[np.int64], settings: Events) -> NDArray[np.int64]:
    """Return the block of each word's trial, by the head of the trial.

    Parameters
    ----------
    words : ndarray
        int ``[word]``, in the order of sending.
    settings : Events
        Words of trial start and head.

    Returns
    -------
    ndarray
        int ``[word]``; -1 where the head is not whole (trial start, 201, block, 202): a
        word of it was lost, or the rig sends another.
    """
    blocks = np.full(len(words), -1, np.int64)
    if not settings.header_words:
        return blocks
    start, head = settings.trial_start_word, settings.header_words
    block, number_at = -1, -1
    sent = words.tolist()
    for i, word in enumerate(sent):
        is_head = word == head[_BLOCK_FOLLOWS] and i > 0 and sent[i - 1] == start
        if is_head and sent[i + 2 : i + 2 + len(head[1:2])] == list(head[1:2]) and i + 1 < len(sent):
            block, number_at = sent[i + 1], i + 1
        elif word == start and i not in (number_at, number_at + 2):
            block = -1
        blocks[i] = block
    return blocks


def image_pairs(words: NDArray[np.int64], settings: Events) -> tuple[list[tuple[int, int, int]], int]:
    """Find the images of one trial.

    Parameters
    ----------
    words : ndarray
        int ``[word]`` of the trial, in the order of sending.
    settings : Events
        Image words and head.

    Returns
    -------
    list of (int, int, int)
        Number k of the image in the trial from 1, index of its onset word and
        of its offset word (-1 when the trial broke before).
    int
        Block number from the trial's head; -1 when it has none.
    """
    inside = after_fixation(words, settings)
    first_on, last_on = settings.onset_words
    images = []
    for on in np.flatnonzero(inside & (words >= first_on) & (words <= last_on)):
        number = int(words[on]) - first_on + 1
        offsets = np.flatnonzero(words[on + 1 :] == settings.offset_words[0] + number - 1)
        images.append((number, int(on), int(on + 1 + offsets[0]) if len(offsets) else -1))
    return images, _block(words, inside, settings)


def _block(words: NDArray[np.int64], inside: NDArray[np.bool_], settings: Events) -> int:
    if not settings.header_words:
        return -1
    head = np.flatnonzero(~inside & (words == settings.header_words[_BLOCK_FOLLOWS]))
    return int(words[head[0] + 1]) if len(head) and head[0] + 1 < len(words) else -1
