"""A cluster that larger ones explain is no unit: collided spikes, halves and halos of other clusters."""

import numpy as np
import pytest
from planted_spikes import wave
from scipy import stats

from evoalign.sorting.clustering import split
from evoalign.sorting.evidence import AXES, FLOOR, MIN_EVIDENCE, Cloud, evidence, without_explained

FIRST, SECOND = 22 * wave(0.09, 0.5), 18 * wave(0.16, 0.2)
LENGTH = len(FIRST)


def noise(rng, n):
    return rng.normal(0, 1, (n, LENGTH))


def varying(rng, shape, n, sd=0.12):
    """Spikes whose size and width vary, as far as a first-order change shows."""
    wider = np.gradient(shape) * (np.arange(LENGTH) - np.argmin(shape))
    size, width = rng.normal(0, sd, (2, n, 1))
    return shape * (1 + size) - wider * width + noise(rng, n)


def collided(rng, n, shape=SECOND):
    """Spikes of the first shape on which one of `shape` lies, 3 to 12 samples before or after."""
    lags = rng.choice([*range(-12, -2), *range(3, 13)], n)
    long = np.pad(shape, (LENGTH, LENGTH), mode="edge")
    return FIRST + long[LENGTH - lags[:, None] + np.arange(LENGTH)] + noise(rng, n)


def test_a_cloud_s_likelihood_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(0)
    waves = varying(rng, FIRST, 400)
    cloud = Cloud.of(waves)
    rest = np.eye(LENGTH) - cloud.axes @ cloud.axes.T
    covariance = (cloud.axes * cloud.variance) @ cloud.axes.T + rest
    expected = stats.multivariate_normal(cloud.mean, covariance).logpdf(waves) + LENGTH / 2 * np.log(
        2 * np.pi
    )
    np.testing.assert_allclose(cloud.log_likelihood(waves), expected, rtol=1e-9)
    centred = waves - waves.mean(axis=0)
    largest = np.linalg.eigvalsh(centred.T @ centred / 400)[-AXES:]
    np.testing.assert_allclose(cloud.variance, largest + FLOOR, rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_collisions_are_explained_and_a_varying_unit_as_wide_is_not(seed):
    rng = np.random.default_rng(seed)
    larger = [Cloud.of(FIRST + noise(rng, 1500)), Cloud.of(SECOND + noise(rng, 1200))]
    of_collisions = collided(rng, 120)
    of_unit = varying(rng, 25 * wave(0.13, 0.35), 120)
    assert Cloud.of(of_unit).variance[:-1].mean() > 2.5
    assert evidence(of_collisions, larger, larger) < MIN_EVIDENCE < 5 < evidence(of_unit, larger, larger)


def test_the_largest_cluster_is_a_unit():
    assert evidence(noise(np.random.default_rng(0), 50), [], []) == np.inf


def test_evidence_does_not_depend_on_the_order_of_clusters():
    rng = np.random.default_rng(5)
    clouds = [Cloud.of(shape + noise(rng, 900)) for shape in (FIRST, SECOND, 9 * wave(0.2, 0.4))]
    waves = collided(rng, 80)
    values = [evidence(waves, order, order) for order in (clouds, clouds[::-1])]
    assert values[0] == pytest.approx(values[1], rel=1e-9)


def test_halves_of_a_unit_leave_the_larger_one_and_what_is_not_judged_stays():
    rng = np.random.default_rng(6)
    waves = np.concatenate([FIRST + noise(rng, 900), SECOND + noise(rng, 300)])
    far = np.argsort(waves[:900] @ np.ones(LENGTH))[-120:]
    labels = np.repeat([0, 1], [900, 300])
    labels[far] = 2
    labels[-5:] = -1
    found = without_explained(labels, waves)
    assert set(found[far]) == {-1}
    np.testing.assert_array_equal(np.delete(found, far), np.delete(labels, far))
    np.testing.assert_array_equal(without_explained(labels, waves, judged=np.array([1])), labels)


def test_the_hash_is_left_alone_and_explains_what_lies_on_spikes_of_units():
    rng = np.random.default_rng(7)
    small = 9 * wave(0.2, 0.4)
    on_unit = collided(rng, 90, small)
    waves = np.concatenate([FIRST + noise(rng, 900), on_unit, small + noise(rng, 700)])
    labels = np.repeat([0, 1, -3], [900, 90, 700])
    found = without_explained(labels, waves)
    assert set(found[900:990]) == {-1}
    np.testing.assert_array_equal(found[labels != 1], labels[labels != 1])


def test_splitting_keeps_a_varying_unit_beside_a_constant_one():
    rng = np.random.default_rng(8)
    varied = varying(rng, 24 * wave(0.11, 0.4), 700, sd=0.15)
    waves = np.concatenate([FIRST + noise(rng, 800), varied]).astype(np.float32)
    found = split(np.zeros(1500, dtype=np.int64), waves, 30)
    for spikes in (found[:800], found[800:]):
        assert np.bincount(spikes[spikes >= 0]).max() > 0.4 * len(spikes)
    assert not set(found[:800][found[:800] >= 0]) & set(found[800:][found[800:] >= 0])
