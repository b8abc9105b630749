"""Units within the hash of far cells: round clouds within a wide one."""

import numpy as np
import pytest
from planted_spikes import wave

from evoalign.sorting.clustering import BACKGROUND
from evoalign.sorting.hidden import with_hidden_units
from evoalign.sorting.mixtures import fit_round_clouds

THRESHOLD = 4.5  # noise SDs
UNIT = wave(0.16, 0.1)
N_HASH, N_UNIT = 1500, 250


def noisy(shapes, rng):
    return (shapes + rng.normal(0, 1, shapes.shape)).astype(np.float32)


def hash_waves(rng, n=N_HASH):
    """Spikes of far cells of many shapes, whose sizes fall off from the threshold on, noise SDs."""
    shapes = [wave(rng.uniform(0.06, 0.25), rng.uniform(0.0, 0.7)) for _ in range(30)]
    sizes = THRESHOLD - 1 + rng.exponential(1.2, n)
    return noisy(sizes[:, None] * np.array(shapes)[rng.integers(30, size=n)], rng)


def found(waves, labels=None):
    labels = np.full(len(waves), BACKGROUND) if labels is None else labels
    is_crossing = -waves[:, 20] > THRESHOLD
    waves, labels = waves[is_crossing], labels[is_crossing]
    excess = -waves[:, 20] - THRESHOLD
    return *with_hidden_units(labels, waves, excess, np.zeros(len(waves), bool), 30), is_crossing


@pytest.mark.parametrize("seed", range(4))
def test_a_unit_in_the_hash_is_found_and_the_hash_alone_holds_none(seed):
    rng = np.random.default_rng(seed)
    of_hash = hash_waves(rng)
    assert found(of_hash)[1] == []
    of_unit = noisy(rng.normal(8, 0.3, N_UNIT)[:, None] * UNIT, rng)
    labels, names, is_crossing = found(np.concatenate([of_hash, of_unit]))
    assert len(names) == 1
    is_unit = np.repeat([False, True], [N_HASH, N_UNIT])[is_crossing]
    assert np.mean(labels[is_unit] == names[0]) > 0.8
    assert np.mean(is_unit[labels == names[0]]) > 0.6


@pytest.mark.parametrize("seed", range(4))
def test_a_slice_of_a_unit_whose_spikes_vary_is_none(seed):
    """Its spikes lie in the reach of a round cloud, and more of them around it."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(60, 4)))[0].T
    varying = 9 * UNIT + rng.normal(0, 4.0, (N_UNIT, 4)) @ axes
    assert found(np.concatenate([hash_waves(rng), noisy(varying, rng)]))[1] == []


def test_spikes_of_units_and_of_none_are_left_as_they_are_and_peaks_are_looked_at_apart():
    rng = np.random.default_rng(5)
    of_hash, of_unit = hash_waves(rng), noisy(rng.normal(8, 0.3, N_UNIT)[:, None] * UNIT, rng)
    labels = np.repeat([BACKGROUND, 0, -1], [N_HASH, N_UNIT // 2, N_UNIT - N_UNIT // 2])
    relabelled, names, is_crossing = found(np.concatenate([of_hash, of_unit]), labels)
    assert names == []
    np.testing.assert_array_equal(relabelled, labels[is_crossing])
    waves = np.concatenate([of_hash, -of_hash, of_unit, -of_unit])
    is_positive = np.repeat([False, True, False, True], [N_HASH, N_HASH, N_UNIT, N_UNIT])
    excess = np.abs(waves[:, 20]) - THRESHOLD
    kept = excess > 0
    far = np.full(np.count_nonzero(kept), BACKGROUND - 1)
    relabelled, names = with_hidden_units(far, waves[kept], excess[kept], is_positive[kept], 30)
    assert names == [BACKGROUND - 2, BACKGROUND - 3]
    for name, positive in zip(names, (False, True), strict=True):
        assert set(is_positive[kept][relabelled == name]) == {positive}


def test_a_round_cloud_is_fitted_in_a_wide_one_and_gains_nothing_where_there_is_none():
    rng = np.random.default_rng(1)
    wide = rng.normal(0, 1, (2000, 8)) * np.linspace(1.5, 4, 8)
    centre = np.array([4.0, -3, 2, 0, 0, 1, 0, 3])
    points = np.concatenate([wide, centre + rng.normal(0, 1.1, (300, 8))])
    (cloud,) = fit_round_clouds(points, centre[None] + 1)
    assert cloud.gain > 100
    np.testing.assert_allclose(cloud.mixture.means[0], centre, atol=0.3)
    assert cloud.mixture.weights[0] == pytest.approx(300 / 2300, abs=0.02)
    assert np.mean(cloud.mixture.predict(points)[2000:] == 0) > 0.9
    assert max(cloud.gain for cloud in fit_round_clouds(wide, wide[:10])) < 10
