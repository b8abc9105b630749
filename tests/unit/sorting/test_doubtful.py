"""A unit that the detection threshold cuts is told from the hash of far cells by its matched spikes."""

import numpy as np
import pytest
from planted_spikes import RATE, one_unit, sorted_units, wave

from evoalign.sorting.clustering import BACKGROUND, is_mixture, templates_of
from evoalign.sorting.doubtful import doubtful_clusters, has_refractory_period, is_confirmed
from evoalign.sorting.matching import least_scales, match
from evoalign.sorting.templates import Templates

REFRACTORY_S = 1e-3


@pytest.mark.parametrize("seed", [0, 1])
def test_a_unit_of_which_the_threshold_cuts_a_quarter_is_found(seed):
    voltage, at = one_unit(seed, 40.0, 27.0)
    result = sorted_units(voltage)
    assert len(result.units) == 1
    found = np.rint(result.spikes["time_s"].to_numpy() * RATE)
    matched = np.sum(np.abs(at[:, None] - found).min(axis=1) <= 6)
    assert matched / (len(at) + len(found) - matched) > 0.8


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hash_of_cells_of_one_shape_is_no_unit(seed):
    """Nothing tells its shape from a unit's: its sizes fall off, and it has no refractory period."""
    rng = np.random.default_rng(seed)
    counts = rng.normal(0, 9.0, (round(40 * RATE), 1))
    for sample in rng.integers(30, len(counts) - 60, 4000):
        counts[sample - 20 : sample + 40, 0] += rng.exponential(12.0) * wave(0.12, 0.35)
    assert len(sorted_units(counts).units) == 0


def test_a_refractory_period_is_seen_in_a_unit_s_times_and_not_in_independent_ones():
    rng = np.random.default_rng(0)
    own = np.cumsum(2e-3 + rng.exponential(0.05, 3000))
    independent = np.sort(rng.uniform(0, own[-1], 3000))
    assert has_refractory_period(own, REFRACTORY_S, own[-1])
    assert not has_refractory_period(independent, REFRACTORY_S, own[-1])
    # 3 % of other spikes are within what is allowed, 30 % are not.
    for share, expected in ((0.03, True), (0.3, False)):
        mixed = np.sort(np.append(own, rng.uniform(0, own[-1], round(share * 3000))))
        assert has_refractory_period(mixed, REFRACTORY_S, own[-1]) is expected


def test_most_of_the_hash_may_be_a_unit_and_a_slice_of_it_may_not():
    rng = np.random.default_rng(1)
    times = np.cumsum(2e-3 + rng.exponential(0.02, 1000))
    of_hash = rng.permutation(np.repeat([BACKGROUND - 1, BACKGROUND - 3], [700, 300]))
    assert candidates(of_hash, times) == [BACKGROUND - 1]
    assert candidates(np.repeat([0, -1], 500), times) == []
    slices = rng.permutation(np.repeat([-2, -3, -4], [400, 300, 300]))
    assert candidates(slices, times) == []
    independent = np.sort(rng.uniform(0, 5.0, 1000))
    assert candidates(of_hash, independent) == []


def test_each_cluster_that_stands_apart_may_be_a_unit_and_one_with_collisions_may_not():
    rng = np.random.default_rng(2)
    times = np.cumsum(2e-3 + rng.exponential(0.02, 1000))
    labels = rng.permutation(np.repeat([BACKGROUND, BACKGROUND - 1], [650, 350]))
    apart = np.where(labels == BACKGROUND - 1, 8.0, 0.0)
    assert sorted(candidates(labels, times, apart)) == [BACKGROUND - 1, BACKGROUND]
    # A peak's cluster is not asked how it stands to the troughs.
    is_positive = labels == BACKGROUND - 1
    assert candidates(labels, times, apart, is_positive) == [BACKGROUND]
    independent = np.where(labels == BACKGROUND, times, np.sort(rng.uniform(0, times[-1] / 8, 1000)))
    order = np.argsort(independent)
    assert candidates(labels[order], independent[order], apart[order]) == [BACKGROUND]


def candidates(labels, times, apart=None, is_positive=None):
    """Clusters that may be units, where waveforms lie `apart` from each other along one axis."""
    waves = np.random.default_rng(3).normal(0, 1, (len(labels), 20))
    waves[:, 0] += 0 if apart is None else apart
    signs = np.zeros(len(labels), dtype=bool) if is_positive is None else is_positive
    return doubtful_clusters(labels, waves, signs, times, REFRACTORY_S)


def made_templates(n_spikes=(400, 300, 900), n_background=1, n_doubtful=1):
    shapes = np.stack([16 * wave(0.09, 0.5), 7.5 * wave(0.12, 0.35), 6 * wave(0.2, 0.2)])
    return Templates.of(shapes, 20, np.full(3, 0.05), np.array(n_spikes), n_background, n_doubtful)


def test_sizes_with_a_peak_above_what_matching_takes_confirm_and_others_do_not():
    rng, templates = np.random.default_rng(2), made_templates()
    least = least_scales(templates, 30.0)[1]
    times = np.cumsum(2e-3 + rng.exponential(0.05, 600))
    peaked, falling = rng.normal(least + 0.3, 0.1, 600), least + rng.exponential(0.1, 600)

    def confirmed(scales, times_s):
        return is_confirmed(templates, 1, 30.0, scales, times_s, REFRACTORY_S, times[-1])

    assert confirmed(peaked, times)
    assert not confirmed(falling, times)
    assert not confirmed(peaked, np.sort(rng.uniform(0, times[-1], 600)))
    assert confirmed(peaked[:220], times[:220])
    assert not confirmed(peaked[:200], times[:200])  # two thirds of its cluster's
    assert not confirmed(peaked[:0], times[:0])


def test_a_sure_unit_that_loses_many_spikes_to_better_templates_is_a_piece_of_theirs():
    templates, times = made_templates(), np.linspace(0, 60, 300)
    falling = np.full(300, least_scales(templates, 30.0)[0])

    def confirmed(n):
        return is_confirmed(templates, 0, 30.0, falling[:n], times[:n], REFRACTORY_S, 60.0)

    assert (confirmed(280), confirmed(279)) == (True, False)  # of 400 that were clustered


def test_matching_finds_spikes_down_to_the_least_scale_and_no_smaller():
    templates = made_templates(n_background=0, n_doubtful=0)
    for unit, least in enumerate(least_scales(templates, 30.0)):
        for scale, n in ((max(least * 0.97, 0.4), 0), (least * 1.03, 1)):
            trace = np.zeros(400, np.float32)
            # The scale that is found lies between the spike's and 1, by the prior on it.
            energy = float(np.sum(templates.waves[unit, 0] ** 2))
            own = (scale * (energy + 400) - 400) / energy
            trace[180:240] = own * templates.waves[unit, 0]
            found = match(trace, templates.only(np.array([unit])), 30.0, 15)
            cost = templates.cost()[unit]
            assert len(found[0]) == n if cost == 0 else len(found[0]) >= n


def test_doubtful_templates_come_between_units_and_the_hash_and_explain_no_mixture():
    rng = np.random.default_rng(3)
    shapes = {0: 16 * wave(0.09, 0.5), -2: 6 * wave(0.2, 0.2), -4: 7.5 * wave(0.12, 0.35)}
    labels = np.repeat(list(shapes), [300, 400, 500])
    waves = np.stack([shapes[label] for label in labels]) + rng.normal(0, 1, (1200, 60))
    templates = templates_of(labels, waves.astype(np.float32), 20, doubtful=[-4])
    assert (templates.n_sure, templates.n_units, len(templates.waves)) == (1, 2, 3)
    assert templates.n_spikes.tolist() == [300, 500, 400]
    kept = templates.only(np.array([1, 2]))
    assert (kept.n_sure, kept.n_units, kept.n_background, kept.n_doubtful) == (0, 1, 1, 1)
    assert not is_mixture(templates, 15).any()
