"""Event words beside lines that carry something else: cameras, voice keys, reward."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.settings import Events
from evoalign.recordings.tables import WORDS
from evoalign.simulate.rig import simulate_rig
from evoalign.simulate.rig_faults import NO_FAULTS

RIG = simulate_rig(0, n_presentations=1200, faults=replace(NO_FAULTS, log_jitter_ms=0.2))
EIGHT_BITS = Events(word_mask=255)


def with_lines(words, edges: dict[int, np.ndarray], to_zero_s: float = 0.0) -> pd.DataFrame:
    """What an input that writes each change holds: words, and lines (bit -> times at which it flips).

    Words that repeat (9, 9, 9) are written again, as a strobe does; with `to_zero_s` the word's lines
    fall back to 0 that long after each word.
    """
    rows = [(time, 0, word) for time, word in zip(words["time_s"], words["word"], strict=True)]
    if to_zero_s:
        rows += [(time + to_zero_s, 0, 0) for time in words["time_s"]]
    rows += [(time, bit, -1) for bit, times in edges.items() for time in times]
    held, lines, found = 0, 0, []
    for time, bit, word in sorted(rows):
        if word >= 0:
            held = word
        else:
            lines ^= 1 << bit
        found.append((time, held | lines))
    frame = pd.DataFrame(found, columns=["time_s", "word"]).assign(source="digital", segment=0)
    return tables.conform(frame, WORDS)


def flips(rate_hz, seed=0, jitter=0.0):
    end = RIG.words["time_s"].max()
    times = np.arange(0.1, end, 0.5 / rate_hz)
    return times + np.random.default_rng(seed).uniform(0, jitter, len(times))


def assert_all_found(words, settings=EIGHT_BITS):
    p = align(RIG.log, words, settings).presentations
    assert p["valid"].sum() == 1200
    np.testing.assert_allclose(p["word_s"], RIG.truth["word_s"], atol=1e-9)


@pytest.mark.parametrize("rate_hz", [10, 20, 30, 100])
def test_a_camera_on_bit_8_makes_no_words(rate_hz):
    assert_all_found(with_lines(RIG.words, {8: flips(rate_hz)}))


@pytest.mark.parametrize(
    ("edges", "to_zero_s"),
    [
        ({15: flips(60, 1, 0.01)}, 0.0),  # highest bit, unsteady
        ({8: flips(30), 9: flips(7, 2, 0.05), 12: flips(1)}, 0.0),
        ({8: flips(30)}, 3e-4),  # words fall back to 0
    ],
)
def test_other_lines_make_no_words_either(edges, to_zero_s):
    assert_all_found(with_lines(RIG.words, edges, to_zero_s))


def test_a_word_that_is_strobed_again_is_a_word_beside_a_line_too():
    words = pd.DataFrame({"time_s": [1.0, 1.1, 1.2, 1.3, 1.4], "word": [9, 9, 265, 265, 9]})
    from evoalign.events.series import _of_another_line

    raw = words["word"].to_numpy()
    assert _of_another_line(raw, raw & 255, np.zeros(5, int)).tolist() == [False, False, True, False, True]
    # At the start of a segment nothing is known of the lines before.
    assert not _of_another_line(raw, raw & 255, np.arange(5)).any()


def test_without_a_mask_the_line_is_named():
    with pytest.raises(InputError) as error:
        align(RIG.log, with_lines(RIG.words, {8: flips(20)}), Events())
    assert "events.word_mask" in error.value.hint
    assert "bit 8" in error.value.hint
    assert "periodic" not in str(error.value)
