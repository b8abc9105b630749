"""Units over the whole recording: pieces of one are joined, clusters of collided spikes left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_spikes import RATE, sorted_units, train, wave
from scipy import stats

from evoalign.sorting.coincidences import accompanying, coincidences
from evoalign.sorting.detect_and_match import CollectedSpikes
from evoalign.sorting.pairs import INDEPENDENT, NEAR_SD, P_PIECES, join_pieces, without_followers
from evoalign.sorting.templates import Templates
from evoalign.sorting.waveforms import WaveSums

SECONDS, REFRACTORY_S = 1800.0, 1e-3
SHAPES = (wave(0.09, 0.5), wave(0.16, 0.1), wave(0.12, 0.3))


def poisson_train(rng, rate_hz):
    """Times of a neuron that fires at random, 2 ms apart at least."""
    return train(rng, rate_hz, SECONDS) / RATE


def make(trains, shapes, sizes_uv=None, row=0, n_segments=1):
    """Units of one electrode, each of spikes of one shape, dealt to segments of equal length."""
    units, waves = {}, WaveSums(60)
    for number, (times, shape) in enumerate(zip(trains, shapes, strict=True)):
        key, of_unit = ("sorted", row, number), CollectedSpikes()
        length = SECONDS / n_segments
        for segment in range(n_segments):
            mine = times[(times >= segment * length) & (times < (segment + 1) * length)]
            of_unit.add(segment, (mine - segment * length) * RATE, np.ones(len(mine)))
        units[key] = of_unit
        size = 100.0 if sizes_uv is None else sizes_uv[number]
        waves.add(key, size * shape, np.full(len(times), 20), 20)
    return units, waves


def copied(waves):
    other = WaveSums(60)
    other.join(waves)
    return other


def settled(units, waves, templates=None):
    near = SECONDS, RATE, REFRACTORY_S
    joined = join_pieces(units, waves, [templates] * (1 + max(key[1] for key in units)), *near)
    return without_followers(joined, waves, *near)


@pytest.mark.parametrize("n_segments", [1, 3])
def test_pieces_of_a_unit_are_joined_with_their_waveforms_and_sizes(n_segments):
    rng = np.random.default_rng(0)
    whole, other = poisson_train(rng, 8.0), poisson_train(rng, 10.0)
    small = rng.random(len(whole)) < 0.2
    shapes, sizes = (SHAPES[0], SHAPES[0], SHAPES[1]), (120.0, 80.0, 90.0)
    units, waves = make([whole[~small], whole[small], other], shapes, sizes, n_segments=n_segments)
    found = settled(units, waves)
    assert list(found) == [("sorted", 0, 0), ("sorted", 0, 2)]
    segment, sample, size = found["sorted", 0, 0].joined()
    times = segment * SECONDS / n_segments + sample / RATE
    order = np.argsort(times)
    np.testing.assert_allclose(times[order], whole, atol=1e-6)
    mean, _ = waves.mean_sd(("sorted", 0, 0))
    np.testing.assert_allclose(mean, SHAPES[0] * np.where(small, 80.0, 120.0).mean(), rtol=1e-6)
    troughs = np.where(small, 80.0, 120.0) * -SHAPES[0].min()
    np.testing.assert_allclose(size[order] * -mean.min(), troughs, rtol=1e-5)


def test_independent_units_of_one_shape_stay_apart():
    rng = np.random.default_rng(1)
    units, waves = make([poisson_train(rng, 8.0), poisson_train(rng, 5.0)], [SHAPES[0]] * 2)
    assert list(settled(units, waves)) == list(units)


def test_a_unit_an_eighth_as_large_is_no_piece_though_its_spikes_beside_the_larger_ones_are_missed():
    rng = np.random.default_rng(4)
    large, small = poisson_train(rng, 15.0), poisson_train(rng, 15.0)
    beside = np.abs(small[:, None] - large).min(axis=1) < 2 * REFRACTORY_S
    trains, shapes = [large, small[~beside]], (SHAPES[0], SHAPES[0])
    assert len(settled(*make(trains, shapes, (100.0, 90.0)))) == 1
    assert len(settled(*make(trains, shapes, (200.0, 25.0)))) == 2


def test_a_unit_little_more_than_half_as_large_is_no_piece():
    rng = np.random.default_rng(10)
    whole = poisson_train(rng, 8.0)
    is_small = rng.random(len(whole)) < 0.4
    trains = [whole[~is_small], whole[is_small]]
    assert len(settled(*make(trains, SHAPES[:1] * 2, (150.0, 110.0)))) == 1
    assert len(settled(*make(trains, SHAPES[:1] * 2, (150.0, 88.0)))) == 2


def test_templates_that_noise_hardly_tells_apart_are_one_unit_s_on_fewer_coincidences():
    """3.5 are expected by chance, and there is none: with 3 %, too often for other units to be joined."""
    whole = poisson_train(np.random.default_rng(6), 2.0)
    units, waves = make([whole[::2], whole[1::2]], SHAPES[:2], (100.0, 85.0))
    for distance, n_units in ((NEAR_SD - 0.1, 1), (NEAR_SD + 0.1, 2)):
        shapes = np.stack([10 * SHAPES[0], 10 * SHAPES[0]])
        shapes[1, 20] += distance
        templates = Templates.of(shapes, 20, np.full(2, 0.05))
        assert len(settled(dict(units), waves if n_units == 2 else copied(waves), templates)) == n_units


def test_near_templates_of_two_neurons_stay_apart():
    rng = np.random.default_rng(7)
    units, waves = make([poisson_train(rng, 4.0), poisson_train(rng, 4.0)], SHAPES[:2], (100.0, 85.0))
    templates = Templates.of(np.stack([10 * SHAPES[0]] * 2), 20, np.full(2, 0.05))
    assert list(settled(units, waves, templates)) == list(units)


def test_units_of_two_shapes_stay_apart_though_they_never_coincide():
    rng = np.random.default_rng(2)
    whole = poisson_train(rng, 10.0)
    units, waves = make([whole[::2], whole[1::2]], SHAPES[:2])
    assert list(settled(units, waves)) == list(units)


def test_pieces_on_two_electrodes_stay_apart():
    whole = poisson_train(np.random.default_rng(3), 10.0)
    units, waves = make([whole[::2]], SHAPES[:1])
    others, their_waves = make([whole[1::2]], SHAPES[:1], row=1)
    waves.join(their_waves)
    assert list(settled(units | others, waves)) == list(units | others)


def test_rare_spikes_that_stand_beside_another_unit_are_left_out():
    rng = np.random.default_rng(4)
    common, rare = poisson_train(rng, 10.0), poisson_train(rng, 0.2)
    beside = rng.random(len(rare)) < 0.3
    rare[beside] = rng.choice(common, beside.sum()) + rng.uniform(5e-4, 1.5e-3, beside.sum())
    units, waves = make([common, np.sort(rare), poisson_train(rng, 0.2)], SHAPES)
    assert list(settled(units, waves)) == [("sorted", 0, 0), ("sorted", 0, 2)]


def test_a_unit_as_common_as_the_other_may_be_synchronous():
    rng = np.random.default_rng(5)
    first, second = poisson_train(rng, 5.0), poisson_train(rng, 5.0)
    beside = rng.random(len(second)) < 0.3
    second[beside] = rng.choice(first, beside.sum()) + 1e-3
    units, waves = make([first, np.sort(second)], SHAPES[:2])
    assert list(settled(units, waves)) == list(units)


@pytest.mark.parametrize("share", [0.7, 0.3])
def test_what_accompanies_larger_spikes_is_left_out_however_common_it_is(share):
    rng = np.random.default_rng(8)
    large, small = poisson_train(rng, 6.0), poisson_train(rng, 12.0)
    beside = rng.random(len(small)) < share
    small[beside] = rng.choice(large, beside.sum()) + rng.uniform(1.2e-3, 1.8e-3, beside.sum())
    units, waves = make([large, np.sort(small)], SHAPES[:2], (100.0, 40.0))
    assert len(settled(units, waves)) == (1 if share > 0.5 else 2)


def test_the_share_that_accompanies_is_counted_beyond_chance():
    rng = np.random.default_rng(9)
    theirs, own = (np.sort(rng.uniform(0, 600, n)) for n in (60_000, 4000))
    assert accompanying(own, theirs, 2e-3, 600.0) == pytest.approx(0, abs=0.03)
    half = np.sort(np.append(own[::2], theirs[::30] + 1e-3))
    assert accompanying(half, theirs, 2e-3, 600.0) == pytest.approx(0.5, abs=0.03)
    assert accompanying(theirs[::10] - 1e-3, theirs, 2e-3, 600.0) == 1


@pytest.mark.parametrize(("seed", "size_uv", "late"), [(0, 250.0, 0.15), (1, 250.0, 0.2)])
def test_the_end_of_spikes_that_outlast_a_template_is_no_unit(seed, size_uv, late):
    rng, time_ms = np.random.default_rng(seed), (np.arange(150) - 20) / RATE * 1e3
    spike = -late * np.exp(-0.5 * ((time_ms - 1.7) / 0.3) ** 2)
    spike[:60] += wave(0.12, 0.35)
    at, voltage = train(rng, 20.0, 40.0), rng.normal(0, 9.0, (round(40 * RATE), 1))
    for sample in at:
        voltage[sample - 20 : sample + 130, 0] += size_uv * rng.normal(1, 0.05) * spike
    result = sorted_units(voltage)
    assert result.units["n_spikes"].tolist() == [len(at)]


@given(st.lists(st.floats(0.05, 30.0), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_independent_neurons_are_left_as_they_are(rates_hz, seed):
    rng = np.random.default_rng(seed)
    units, waves = make([poisson_train(rng, rate) for rate in rates_hz], SHAPES[: len(rates_hz)])
    found = settled(dict(units), waves)
    assert found == units


def test_pieces_of_few_spikes_are_joined_by_a_long_refractory_period_that_both_keep():
    """Within 1.5 ms some 4 are to be expected of two units, too few to tell; within 3 ms 10."""
    rng = np.random.default_rng(8)
    gaps = 4e-3 + rng.exponential(0.4, round(3 * SECONDS))
    whole = np.cumsum(gaps)
    whole = whole[whole < SECONDS]
    first, second = whole[::2], whole[1::2]
    expected = coincidences(first, second, REFRACTORY_S, SECONDS)[1]
    assert stats.poisson.cdf(0, INDEPENDENT * expected) > P_PIECES
    units, waves = make([first, second], [SHAPES[0]] * 2)
    assert len(settled(units, waves)) == 1
    # Bursts, whose spikes lie less than 2 ms apart, leave the shortest interval.
    burst = rng.choice(first, len(first) // 2, replace=False) + rng.uniform(1.6e-3, 2e-3, len(first) // 2)
    units, waves = make([np.sort(np.concatenate([first, burst])), second], [SHAPES[0]] * 2)
    assert len(settled(units, waves)) == 2


def test_two_units_of_one_shape_whose_collided_spikes_are_lost_are_joined_in_one_of_fifty_cases_at_most():
    rng, joined, n = np.random.default_rng(9), 0, 100
    for _ in range(n):
        first, second = poisson_train(rng, rng.uniform(1.2, 2.4)), poisson_train(rng, rng.uniform(1.2, 2.4))
        near = np.searchsorted(first, second[:, None] + np.array([-1.5, 1.5]) * REFRACTORY_S)
        beside = near[:, 1] > near[:, 0]
        second = second[~beside | (rng.random(len(second)) < INDEPENDENT)]
        joined += len(settled(*make([first, second], [SHAPES[0]] * 2))) == 1
    assert joined <= n / 50
