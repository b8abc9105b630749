"""What the event words of a recording tell of by themselves, before there is a log."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evoalign.events.event_codes import after_fixation
from evoalign.events.series import words_in_order, words_of_images
from evoalign.events.settings import Events

REST = 0  # word of a digital port whose lines are all low


def recorded_images(words: pd.DataFrame, settings: Events) -> pd.DataFrame:
    """Return onsets and offsets that event words mark.

    Parameters
    ----------
    words : pandas.DataFrame
        `WORDS` of a recording.
    settings : Events
        Words of onset, offset and fixation, and the bits that carry them. Where no word of an image
        follows one of fixation, all count: the rig sends none.

    Returns
    -------
    pandas.DataFrame
        A row an onset word: ``word``, ``onset_s`` and ``offset_s``, seconds on the recording's clock; NaN
        where no offset word came before the next onset. Times are the words', not those of light.

    Raises
    ------
    InputError
        The recording has no words, or their time runs backwards.
    """
    time_s, word, _ = words_in_order(words_of_images(words), settings)
    inside = after_fixation(word, settings)
    first_on, last_on = settings.onset_words
    is_onset = (word >= first_on) & (word <= last_on)
    if not (is_onset & inside).any():
        inside = np.ones(len(word), bool)
    onset = np.flatnonzero(is_onset & inside)
    first_off, last_off = settings.offset_words
    offset = np.flatnonzero((word >= first_off) & (word <= last_off))
    next_off = np.searchsorted(offset, onset, side="right")
    end = np.append(offset, len(word))[next_off]
    has_offset = end < np.append(onset[1:], len(word))
    times = np.append(time_s, np.nan)
    return pd.DataFrame(
        {"word": word[onset], "onset_s": time_s[onset], "offset_s": np.where(has_offset, times[end], np.nan)}
    )


def most_frequent_word(event_words: pd.DataFrame) -> tuple[int, np.ndarray] | None:
    """Return the event word that was sent most often and its times, s; None without words.

    Of equally frequent words the smallest is taken. Word 0 counts not: a digital port at
    rest, as at the start of a recording.
    """
    event_words = event_words[event_words["word"] != REST]
    if event_words.empty:
        return None
    counts = event_words["word"].value_counts()
    word = int(counts.index[counts == counts.max()].min())
    return word, np.sort(event_words.loc[event_words["word"] == word, "time_s"].to_numpy())
