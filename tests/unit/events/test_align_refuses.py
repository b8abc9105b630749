"""Alignment refuses what it cannot be sure of, and says why, with numbers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.photodiode import Photodiode
from evoalign.events.settings import Events
from evoalign.events.tables import LOG
from evoalign.recordings.tables import WORDS
from evoalign.simulate.rig import simulate_rig
from evoalign.simulate.rig_faults import NO_FAULTS, Faults

PLAIN = replace(NO_FAULTS, log_jitter_ms=0.2)


@pytest.fixture(scope="module")
def rig():
    return simulate_rig(0, n_presentations=300, faults=PLAIN)


def refused(log, words, text, photodiode=None, settings=Events(), segments=None):  # noqa: B008
    with pytest.raises(InputError, match=text) as error:
        align(log, words, settings, photodiode, segments=segments)
    assert error.value.hint
    return error.value


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_log_of_another_day(rig, seed):
    other = simulate_rig(seed, n_presentations=300, faults=PLAIN)
    refused(other.log, rig.words, r"no clock brings|only \d+ of 300|two places")


def test_the_log_of_another_day_at_full_length():
    one, other = (simulate_rig(seed, n_presentations=2000) for seed in (1, 2))
    refused(other.log, one.words, r"no clock brings|only \d+ of")


def test_too_few_match(rig):
    words = rig.words[rig.words["time_s"] < rig.words["time_s"].median()]
    refused(rig.log, words, r"only 1[0-9]{2} of 300 presentations match an event word.*before or after")
    lax = align(rig.log, words, Events(min_matched=0.3)).presentations
    after = lax["reason"] == "after the recording"
    assert 100 < after.sum() < 200
    assert not lax["valid"][after].any()
    assert lax["valid"][~after].all()


def test_residuals_too_large():
    noisy = simulate_rig(3, n_presentations=600, faults=replace(PLAIN, log_jitter_ms=6.0))
    refused(noisy.log, noisy.words, r"99th percentile is 1\d\.\d\d ms, the limit 10 ms")
    align(noisy.log, noisy.words, Events(max_residual_ms=30))


def test_time_backwards_without_a_reset(rig):
    words = rig.words.copy()
    at = len(words) // 2
    words.loc[at:, "time_s"] -= 50
    error = refused(rig.log, words, "time runs backwards without a reset of the clock")
    assert "segment 0" in error.where
    # The same step told as a new segment is a reset.
    words.loc[at:, "segment"] = 1
    assert align(rig.log, words, Events()).presentations["valid"].all()


def test_a_log_that_runs_backwards(rig):
    log = rig.log.copy()
    log.loc[7, "onset_s"] = log.loc[5, "onset_s"]
    refused(log, rig.words, "time runs backwards in the log.*presentation 7")


def test_no_words_at_all(rig):
    refused(rig.log, tables.empty(WORDS), "holds no event words")
    refused(rig.log, rig.words.assign(source="comment"), r"no event words \(found: comment\)")
    refused(rig.log, rig.words.assign(word=77), "no clock brings.*300 presentations, 0 words")


def test_a_photodiode_that_follows_nothing(rig):
    rng = np.random.default_rng(0)
    on = np.sort(rng.uniform(0, rig.words["time_s"].max(), 100))
    refused(rig.log, rig.words, r"photodiode follows only \d+\.\d%", Photodiode(on, on + 0.1))


def periodic(n, word=101):
    onset = np.arange(n) * 1.0
    log = pd.DataFrame(
        {
            "presentation": np.arange(n),
            "trial": np.arange(n) + 1,
            "image": "a",
            "onset_word": word,
            "offset_word": word + 100,
            "onset_s": onset,
            "offset_s": onset + 0.5,
            "block": 1,
            "thread": 0,
            "space": "",
            "latent_row": -1,
            "reference": False,
            "reason": "",
        }
    )
    time = np.concatenate([onset, onset + 0.5]) + 20
    words = pd.DataFrame(
        {"time_s": time, "word": np.repeat([word, word + 100], n), "source": "digital", "segment": 0}
    )
    return tables.conform(log, LOG), tables.conform(words.sort_values("time_s"), WORDS)


def test_a_perfectly_periodic_task_is_aligned_when_complete_and_refused_when_not():
    log, words = periodic(200)
    settings = Events(fixation_word=-1)
    p = align(log, words, settings).presentations
    np.testing.assert_allclose(p["onset_s"], log["onset_s"] + 20)
    refused(log, words.iloc[2:], "fit the log at two places", settings=settings)


def test_an_empty_log_gives_empty_tables(rig):
    result = align(tables.empty(LOG), rig.words, Events(), session="s")
    assert len(result.presentations) == 0
    assert result.report["n_presentations"].tolist() == [0]
    assert result.report["session"].tolist() == ["s"]


@pytest.mark.parametrize("later_segment", [0, 1])
def test_another_tasks_words_in_the_same_recording_are_left_alone(rig, later_segment):
    other = simulate_rig(5, n_presentations=500, faults=PLAIN).words
    after = other.assign(time_s=other["time_s"] + rig.words["time_s"].max() + 5, segment=later_segment)
    both = pd.concat([rig.words, after], ignore_index=True)
    result = align(rig.log, both, Events())
    alone = align(rig.log, rig.words, Events())
    pd.testing.assert_frame_equal(result.presentations, alone.presentations, rtol=0, atol=1e-4)
    assert result.report["extra"].iloc[0] == 500


def test_unused_bits_of_the_input_are_masked(rig):
    words = rig.words.assign(word=rig.words["word"] + 0xFF00)
    refused(rig.log, words, "no clock brings")
    assert align(rig.log, words, Events(word_mask=255)).presentations["valid"].all()


def test_other_sources_do_not_disturb(rig):
    more = rig.words.assign(source="bit", word=101, time_s=rig.words["time_s"] + 0.01)
    both = pd.concat([rig.words, more]).sort_values("time_s", kind="stable").reset_index(drop=True)
    pd.testing.assert_frame_equal(
        align(rig.log, both, Events()).presentations, align(rig.log, rig.words, Events()).presentations
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    dropped=st.floats(0, 0.1),
    doubled=st.floats(0, 0.05),
    spurious=st.floats(0, 0.1),
    drift=st.floats(-200, 200),
    offset=st.floats(-1e4, 1e4),
    pauses=st.integers(0, 5),
    resets=st.integers(0, 2),
    images=st.sampled_from([1, 2, 6, 40]),
)
# Once 0.6 s off in a whole segment without a word.
@example(648_565, 0.0625, 0.0, 0.0, 0.0, 0.0, 1, 2, 40)
def test_no_faults_ever_match_a_wrong_word(
    seed, dropped, doubled, spurious, drift, offset, pauses, resets, images
):
    faults = Faults(
        dropped=dropped,
        doubled=doubled,
        spurious=spurious,
        drift_ppm=drift,
        offset_s=offset,
        pauses=pauses,
        resets=resets,
    )
    rig = simulate_rig(seed, n_presentations=240, images_per_trial=images, faults=faults)
    try:
        p = align(
            rig.log, rig.words, Events(min_matched=0.5), rig.photodiode, segments=rig.segments
        ).presentations
    except InputError:
        return  # refusing is safe
    found, true = p["word_s"], rig.truth["word_s"]
    # A spurious word can by chance be as good as a lost one; it can then not be farther off than jitter.
    wrong = found.notna() & true.notna() & ~(np.abs(found - true) < 5e-3)
    assert not wrong.any()
    good = p["valid"] & rig.truth["recorded"]
    assert (np.abs(p["onset_s"] - rig.truth["onset_s"])[good] < 0.5e-3).all()
    assert not p["valid"][~rig.truth["recorded"]].any()


def test_nothing_that_matches_is_refused_whatever_share_is_asked_for(rig):
    """Offset words alone bring the clocks together: there is no residual to judge them by."""
    log = rig.log.assign(onset_word=rig.log["onset_word"] + 40)
    refused(log, rig.words, "only 0 of 300", settings=Events(min_matched=0.0))
