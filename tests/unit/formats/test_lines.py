"""Words from digital lines: skewed bits are one word, and no word is lost or made up."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoalign.formats.neo_rawio.lines import changes, levels, rising_bits, settled_words
from evoalign.formats.neo_rawio.pulses import line_edges, word_pulses

RATE = 30_000
SETTLE = 0.00025 * RATE


@given(
    st.lists(st.tuples(st.integers(20, 3_000), st.integers(1, 65_535)), min_size=1, max_size=40),
    st.integers(0, 2**32 - 1),
)
def test_words_sent_on_skewed_lines_come_back_each_once(sent, seed):
    # Held for 9 samples or more, each bit up to 2 samples late.
    rise = np.cumsum([gap for gap, _ in sent])
    word = np.array([value for _, value in sent])
    sample, level = word_pulses(pd.DataFrame({"time_s": rise / RATE, "word": word}), RATE)
    at, line, high = line_edges(sample, level)
    skew = np.random.default_rng(seed).integers(0, 3, len(at))
    found_at, found, _ = settled_words(*levels(at + skew, line, high), SETTLE)
    assert found.tolist() == word.tolist()
    assert (np.abs(found_at - rise) <= 2).all()


def test_edges_of_lines_give_the_levels_that_a_plain_loop_gives():
    rng = np.random.default_rng(1)
    tick = np.sort(rng.integers(0, 500, 200))
    line = rng.integers(0, 16, 200)
    state, high = 0, []
    for one in line.tolist():
        state ^= 1 << one
        high.append(bool(state >> one & 1))
    found_tick, found = levels(tick, line, np.array(high))
    state, wanted = 0, [0]
    for one in line.tolist():
        state ^= 1 << one
        wanted.append(state)
    assert found.tolist() == wanted
    assert found_tick.tolist() == [tick[0], *tick]


def test_a_line_whose_first_edge_falls_was_high_before():
    _, level = levels(np.array([10, 20, 30]), np.array([3, 0, 3]), np.array([False, True, True]))
    assert level.tolist() == [8, 0, 1, 9]


def test_a_real_skew_of_five_samples_is_one_word():
    # As in a file of an Intan controller: 1, then 2, with both lines high in between.
    at, word, _ = settled_words(np.array([0, 4_956, 19_952, 19_957]), np.array([0, 1, 3, 2]), SETTLE)
    assert at.tolist() == [4_956, 19_957] and word.tolist() == [1, 2]


def test_a_pulse_shorter_than_lines_take_to_settle_is_not_lost():
    tick, level = np.array([0, 100, 101, 104, 105, 900, 950]), np.array([0, 1, 5, 4, 0, 2, 0])
    at, word, short = settled_words(tick, level, SETTLE)
    assert at.tolist() == [101, 900] and word.tolist() == [5, 2] and short == 1


def test_a_rest_that_is_reported_again_is_no_word():
    assert settled_words(np.array([0, 100, 900]), np.array([0, 0, 0]), SETTLE)[1].size == 0


def test_equal_words_need_the_rest_between_them():
    tick, level = np.array([0, 100, 130, 160, 190]), np.array([0, 9, 0, 9, 0])
    assert settled_words(tick, level, SETTLE)[1].tolist() == [9, 9]


@pytest.mark.parametrize("n", [1, 5, 1_000, 2_500_000])
def test_changes_of_a_port_are_found_across_chunks(n):
    port = (np.arange(n) // 7 % 3).astype(np.uint16)
    at, level = changes(lambda a, b: port[a:b], n)
    wanted = np.concatenate(([0], np.flatnonzero(np.diff(port.astype(int))) + 1))
    np.testing.assert_array_equal(at, wanted)
    np.testing.assert_array_equal(level, port[wanted])


def test_single_lines_are_told_by_their_number_when_they_rise():
    at, bit = rising_bits(np.array([0, 5, 9, 12]), np.array([1, 3, 2, 7]))
    assert list(zip(at.tolist(), bit.tolist(), strict=True)) == [(5, 2), (12, 1), (12, 3)]
