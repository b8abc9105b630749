"""Units whose spikes vary and do not stand apart from the hash are told from slices of it by evidence."""

import numpy as np
import pytest
from planted_spikes import RATE, sorted_units, train, wave

from evoalign.sorting.blended import with_blended_units
from evoalign.sorting.clustering import BACKGROUND
from evoalign.sorting.hash import is_cut

THRESHOLD, REFRACTORY_S, DURATION_S = 4.5, 1e-3, 60.0  # noise SDs, s, s
N_HASH, N_UNIT = 1500, 400


def varying(rng, n, size=8.0, sd=2.0):
    """Shapes of a unit's spikes, noise SDs, that differ along two axes."""
    axes = np.linalg.qr(rng.normal(size=(60, 2)))[0].T
    return size * wave(0.16, 0.1) + rng.normal(0, sd, (n, 2)) @ axes


def crossings(rng, n_unit=N_UNIT):
    """Waveforms of the hash, then of a unit, that cross the threshold, and which are the unit's."""
    shapes = np.array([wave(rng.uniform(0.06, 0.25), rng.uniform(0.0, 0.7)) for _ in range(30)])
    of_hash = (THRESHOLD - 1 + rng.exponential(1.2, N_HASH))[:, None] * shapes[rng.integers(30, size=N_HASH)]
    waves = np.concatenate([of_hash, varying(rng, n_unit)])
    waves = (waves + rng.normal(0, 1, waves.shape)).astype(np.float32)
    crosses = -waves[:, 20] > THRESHOLD
    return waves[crosses], np.repeat([0, 1], [N_HASH, n_unit])[crosses]


def found(waves, clusters, times_s):
    excess = -waves[:, 20] - THRESHOLD
    labels = np.full(len(waves), BACKGROUND)
    return with_blended_units(labels, clusters, clusters, waves, excess, times_s, REFRACTORY_S)


def even_times(n):
    """Independent of one another, but that none follows another within 5 ms."""
    return np.sort(np.random.default_rng(0).permutation(round(DURATION_S / 5e-3))[:n] * 5e-3)


@pytest.mark.parametrize("seed", range(4))
def test_a_unit_that_varies_is_told_and_the_hash_stays(seed):
    waves, clusters = crossings(np.random.default_rng(seed))
    labels = found(waves, clusters, even_times(len(waves)))
    np.testing.assert_array_equal(labels, np.where(clusters == 1, 1, BACKGROUND))


@pytest.mark.parametrize("seed", range(4))
def test_a_slice_of_the_hash_is_no_unit_though_its_sizes_have_a_peak(seed):
    rng = np.random.default_rng(seed)
    waves, of_unit = crossings(rng, 0)
    size = -waves[:, 20]
    clusters = (size > rng.normal(THRESHOLD + 1.3, 0.4, len(size))).astype(int)
    assert not of_unit.any()
    assert not is_cut(size[clusters == 1] - THRESHOLD)
    assert set(found(waves, clusters, even_times(len(waves)))) == {BACKGROUND}


def test_a_cluster_without_a_refractory_period_is_no_unit():
    rng = np.random.default_rng(1)
    waves, clusters = crossings(rng)
    times = even_times(len(waves))
    assert (found(waves, clusters, times) == 1).any()
    # Every tenth spike of the unit follows another within a millisecond.
    own = np.flatnonzero(clusters == 1)[: 40 * 2]
    times[own[1::2]] = times[own[::2]] + 0.8e-3
    order = np.argsort(times)
    assert set(found(waves[order], clusters[order], times[order])) == {BACKGROUND}


def in_hash(seed):
    """Voltage ``[sample, 1]``, µV, of a unit whose spikes vary in the hash of far cells, and its samples."""
    rng = np.random.default_rng(seed)
    voltage = rng.normal(0, 5.0, (round(DURATION_S * RATE), 1))
    for _ in range(30):
        shape = wave(rng.uniform(0.08, 0.25), rng.uniform(0.1, 0.7))
        for sample in rng.integers(30, len(voltage) - 60, 1200):
            voltage[sample - 20 : sample + 40, 0] += rng.exponential(9.0) * shape
    at = train(rng, 10.0, DURATION_S)
    for sample, shape in zip(at, varying(rng, len(at), 50.0, 28.0), strict=True):
        voltage[sample - 20 : sample + 40, 0] += shape
    return voltage, at


def accuracy(times_s, at):
    samples = np.rint(times_s * RATE)
    matched = np.sum(np.abs(at[:, None] - samples).min(axis=1) <= 12)
    return matched / (len(at) + len(samples) - matched)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_varying_unit_is_sorted_out_of_the_hash(seed):
    voltage, at = in_hash(seed)
    units = sorted_units(voltage).spikes.groupby("unit")["time_s"]
    assert max((accuracy(times_s.to_numpy(), at) for _, times_s in units), default=0.0) > 0.5
