"""Response distances by hand, and correlations over experiments."""

import numpy as np
import pytest
from scipy import stats
from test_worked_example import SETTINGS, worked

from evoalign.analysis.pooling.similarity import correlate, response_distances
from evoalign.analysis.session.analyse import analyse_experiment


def test_distances_of_the_worked_example():
    # Best blocks 10 and 8: 30 against 0 spikes/s for 50 ms, then 0 against 12 for 100 ms, over 10.
    found = response_distances([analyse_experiment(worked(), SETTINGS, 0).evolution], SETTINGS).iloc[0]
    assert found["psth_distance"] == pytest.approx((50 * 3.0 + 100 * 1.2) / 150)
    assert found["activation_distance"] == pytest.approx((10 - 8) / 10)
    assert (found["session"], found["valid"]) == ("worked", True)


def test_correlations_are_scipys_without_nan():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    x[3] = y[7] = np.nan
    known = ~np.isnan(x + y)
    found = correlate(x, y)
    assert found["n"] == 28
    assert (found["pearson_r"], found["pearson_p"]) == pytest.approx(
        tuple(stats.pearsonr(x[known], y[known]))
    )
    ranks = [stats.rankdata(values[known]) for values in (x, y)]
    assert found["spearman_r"] == pytest.approx(np.corrcoef(ranks)[0, 1])


@pytest.mark.parametrize("x", [[1.0, 2.0], [1.0, 1.0, 1.0, 1.0], [np.nan] * 5])
def test_too_little_to_correlate(x):
    found = correlate(np.array(x), np.arange(float(len(x))))
    assert np.isnan(found["pearson_r"]) and np.isnan(found["spearman_p"])
