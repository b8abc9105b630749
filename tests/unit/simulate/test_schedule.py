"""Trials, event words, screen and clocks of the simulated rig."""

import numpy as np
import pytest

from evoalign.evolution.loop import ShownImage
from evoalign.simulate.schedule import LogClock, Rig

CLOCK = LogClock(offset_s=31.25, drift_ppm=40.0)


def session(n_blocks=6, n=28, seed=0):
    rig = Rig(np.random.default_rng(seed), CLOCK)
    pixels = np.zeros((4, 4, 3), np.uint8)
    onsets = []
    for block in range(1, n_blocks + 1):
        images = [ShownImage(f"i{block}_{k}", pixels, block, k % 2, "object", k, False) for k in range(n)]
        onsets.append(rig.run_block(images))
    return rig, np.concatenate(onsets)


def trials(words):
    """Split the words where the three start words stand."""
    values = words["word"].to_numpy()
    starts = [i for i in range(len(values) - 2) if (values[i : i + 3] == 9).all() and values[i + 3] == 201]
    return [words.iloc[a:b] for a, b in zip(starts, [*starts[1:], len(values)], strict=True)]


def test_words_of_every_trial_follow_the_studys_grammar():
    rig, _ = session()
    shown = 0
    for number, trial in enumerate(trials(rig.words("digital")), 1):
        words = trial["word"].tolist()
        assert words[:4] == [9, 9, 9, 201]
        assert words[5:7] == [202, number]
        assert words[-3:] == [18, 18, 18]
        if len(words) > 10:
            inside = words[8:-5]
            n = len(inside) // 2
            assert words[7] == 5
            assert inside == [w for k in range(1, n + 1) for w in (100 + k, 200 + k)]
            assert words[-5:-3] == [22, 50]
            assert n <= 6
            shown += n
    assert shown == 6 * 28


def test_a_trial_without_fixation_shows_nothing_and_counts():
    rig, _ = session(n_blocks=40)
    broken = [t for t in trials(rig.words("digital")) if 5 not in t["word"].tolist()[7:]]
    assert 0.005 < len(broken) / 200 < 0.08
    assert all(len(t) == 10 for t in broken)
    logged = set(rig.log()["trial"])
    numbers = {int(t["word"].iloc[6]) for t in broken}
    assert numbers
    assert not logged & numbers


def test_words_and_light_are_in_order_and_light_follows_within_a_refresh():
    rig, onsets = session()
    words = rig.words("strobed")
    assert words["time_s"].is_monotonic_increasing
    assert (words["source"] == "strobed").all()
    on = words[words["word"].between(101, 106) & words["time_s"].gt(0)]
    delays = 1000 * (onsets - on["time_s"].to_numpy())
    assert (delays > 0).all()
    assert (delays <= 1000 / 60 + 1e-9).all()
    assert delays.std() > 3  # spread over the refresh
    assert np.allclose(np.array(rig.offsets) - onsets, 0.1, atol=1 / 60)
    phase = (onsets - onsets[0]) * 60
    assert np.allclose(phase, np.rint(phase), atol=1e-6)  # light changes at refreshes only


def test_the_log_is_the_words_on_another_clock():
    rig, _ = session()
    log, words = rig.log(), rig.words("digital")
    on = words[words["word"].between(101, 106)]["time_s"].to_numpy()
    fit = np.polynomial.Polynomial.fit(log["onset_s"], on, 1).convert()
    assert fit.coef[0] == pytest.approx(31.25, abs=1e-3)
    assert (fit.coef[1] - 1) * 1e6 == pytest.approx(40, abs=5)
    assert np.abs(fit(log["onset_s"]) - on).max() < 1e-3
    assert log["presentation"].tolist() == list(range(6 * 28))


def test_a_blocks_responses_end_before_the_next_block():
    rig = Rig(np.random.default_rng(1), CLOCK)
    pixels = np.zeros((4, 4, 3), np.uint8)
    for block in range(1, 40):
        onsets = rig.run_block([ShownImage("i", pixels, block, 0, "object", 0, False)] * 7)
        assert rig.now - onsets[-1] > 0.225


def test_the_demos_480_images_take_about_two_minutes():
    rig, _ = session(n_blocks=17)
    assert 105 < rig.duration_s < 140
