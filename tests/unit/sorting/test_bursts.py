"""A burst's spikes, each smaller than the one before, belong to one unit; independent units do not burst."""

import numpy as np
import pytest
from planted_spikes import GAIN, RATE, make_channels, make_recording, train, wave

from evoalign.sorting.bursts import bursting
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort


def with_bursts(at, rng, decay, share=0.4):
    """Trough samples and sizes with up to three smaller spikes after a share of the first ones."""
    followers = np.where(rng.random(len(at)) < share, rng.integers(1, 4, len(at)), 0)
    place = np.arange(4)
    late = np.cumsum(rng.integers(75, 150, (len(at), 4)), axis=1) * (place > 0)
    taken = place <= followers[:, None]
    samples, sizes = (at[:, None] + late)[taken], np.broadcast_to(decay**place, taken.shape)[taken]
    order = np.argsort(samples)
    samples, sizes = samples[order], sizes[order]
    apart = np.diff(samples, prepend=-100) > 60
    return samples[apart], sizes[apart]


def test_a_unit_whose_spikes_smaller_ones_follow_bursts_and_independent_units_do_not():
    rng = np.random.default_rng(0)
    at, sizes = with_bursts(train(rng, 8.0, 60.0), rng, 0.6)
    assert bursting(np.where(sizes == 1, 0, -1), 1, sizes, at / RATE).tolist() == [True]
    n_false = 0
    for _ in range(300):
        large, small = np.sort(rng.uniform(0, 60, 500)), np.sort(rng.uniform(0, 60, 600))
        times = np.concatenate([large, small])
        order = np.argsort(times)
        labels, sizes = np.repeat([0, 1], [500, 600])[order], np.repeat([1.0, 0.5], [500, 600])[order]
        n_false += bursting(labels, 3, sizes, times[order]).sum()
    assert n_false <= 3


@pytest.mark.parametrize("decay", [0.6, 0.7])
def test_bursts_are_sorted_as_one_unit(decay):
    rng = np.random.default_rng(1)
    counts = rng.normal(0, 9.0, (round(40 * RATE), 1))
    at, sizes = with_bursts(train(rng, 8.0, 39.0), rng, decay)
    for sample, size in zip(at, sizes, strict=True):
        counts[sample - 20 : sample + 40, 0] += 140 * size * wave(0.12, 0.35)
    recording = make_recording([np.round(counts / GAIN).astype(np.int16)])
    result = sort(recording, make_channels(1), Sorting(multiunit=False, online=False), seed=0)
    assert len(result.units) == 1
    found = np.rint(result.spikes["time_s"].to_numpy() * RATE)
    matched = np.sum(np.abs(at[:, None] - found).min(axis=1) <= 8)
    assert matched / (len(at) + len(found) - matched) > 0.9
