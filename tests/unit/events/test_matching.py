"""Pairs and chains against brute force; clocks against planted ones."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoalign.events.clocks import SegmentClocks, fit_clocks, split_clocks
from evoalign.events.matching import maximum_weight_alignment, pairs_within
from evoalign.events.offset_histogram import LinearClock, estimate_clock

times = st.lists(st.tuples(st.floats(0, 5), st.integers(100, 103)), max_size=12)


@given(events=times, words=times, tolerance=st.floats(0.01, 2))
def test_pairs_are_all_pairs_within(events, words, tolerance):
    e, ew = np.array([t for t, _ in events]), np.array([w for _, w in events], np.int64)
    w, ww = np.array([t for t, _ in words]), np.array([v for _, v in words], np.int64)
    found = set(zip(*(x.tolist() for x in pairs_within(e, ew, w, ww, tolerance)), strict=True))
    # Rounding decides at the very border.
    for i in range(len(e)):
        for j in range(len(w)):
            distance = abs(e[i] - w[j])
            if ew[i] == ww[j] and distance < tolerance - 1e-9:
                assert (i, j) in found
            if ew[i] != ww[j] or distance > tolerance + 1e-9:
                assert (i, j) not in found


weights = st.floats(0.1, 3).map(lambda w: round(w, 3))
pairs = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), weights), max_size=9, unique_by=lambda p: p[:2]
)


@settings(max_examples=300)
@given(pairs)
def test_the_chain_is_the_heaviest_of_all(candidates):
    left, right, weight = (np.array([p[k] for p in candidates]) for k in range(3))
    chain = maximum_weight_alignment(left.astype(np.int64), right.astype(np.int64), weight.astype(float))
    assert (np.diff(left[chain]) > 0).all()
    assert (np.diff(right[chain]) > 0).all()
    best = 0.0
    for n in range(len(candidates) + 1):
        for some in combinations(sorted(candidates), n):
            if all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(some)):
                best = max(best, sum(p[2] for p in some))
    assert weight[chain].sum() == pytest.approx(best)


@pytest.mark.parametrize(("offset", "drift"), [(0.0, 0.0), (1e4, 4e-5), (-3e3, -4e-4)])
def test_votes_find_a_planted_clock(offset, drift):
    rng = np.random.default_rng(0)
    event = np.cumsum(rng.uniform(0.1, 1.5, 800))
    word = rng.integers(101, 107, 800)
    clock = LinearClock(offset, drift)
    kept = rng.random(800) > 0.1
    estimate = estimate_clock(event, word, clock.recording_time(event)[kept], word[kept], 5e-4)
    assert estimate.matched == kept.sum()
    assert estimate.runner_up < 0.3 * kept.sum()
    at = event[[0, -1]]
    np.testing.assert_allclose(estimate.clock.recording_time(at), clock.recording_time(at), atol=0.025)


def test_fit_agrees_with_least_squares_without_outliers_and_shrugs_them_off():
    rng = np.random.default_rng(1)
    log_s = np.sort(rng.uniform(0, 3000, 2000))
    clock = (log_s > 1200).astype(np.int64)
    true = [LinearClock(10.0, 4e-5), LinearClock(-1190.0, 4e-5)]
    word_s = np.where(clock == 0, true[0].recording_time(log_s), true[1].recording_time(log_s))
    word_s = word_s + rng.normal(0, 2e-4, 2000)
    # Ordinary least squares: an offset for each clock, one drift.
    design = np.stack([clock == 0, clock == 1, log_s], axis=1).astype(float)
    by_numpy = np.linalg.lstsq(design, word_s - log_s, rcond=None)[0]
    start = [LinearClock(10.01, 0.0), LinearClock(-1190.01, 0.0)]
    fit = fit_clocks(start, clock, log_s, word_s)
    assert fit.clocks[0].drift == pytest.approx(by_numpy[2], abs=2e-8)
    assert fit.clocks[1].offset_s == pytest.approx(by_numpy[1], abs=5e-5)
    assert fit.sd_s == pytest.approx(2e-4, rel=0.1)
    spoiled = word_s + np.where(rng.random(2000) < 0.2, rng.uniform(0, 0.02, 2000), 0)
    robust = fit_clocks(start, clock, log_s, spoiled)
    assert robust.clocks[0].drift == pytest.approx(4e-5, abs=3e-7)
    assert robust.clocks[0].offset_s == pytest.approx(10.0, abs=3e-4)


def test_a_step_between_segments_is_a_clock_of_its_own():
    segment = np.repeat([0, 1, 2, 3], 50)
    residual = np.random.default_rng(2).normal(0, 2e-4, 200) + np.where(segment >= 2, 5e-3, 0)
    found = split_clocks(SegmentClocks([LinearClock(10.0, 0.0)], np.zeros(4, np.int64)), segment, residual)
    assert found.of_segment.tolist() == [0, 0, 1, 1]
    assert found.clocks[1].offset_s == pytest.approx(10.005, abs=1e-4)
    same = split_clocks(SegmentClocks([LinearClock(10.0, 0.0)], np.zeros(4, np.int64)), segment, residual * 0)
    assert len(same.clocks) == 1
