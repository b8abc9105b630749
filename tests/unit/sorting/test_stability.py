"""Drift of the baseline: planted trends come back, steady units stay below the level."""

import numpy as np
import pandas as pd
import pytest

from evoalign import tables
from evoalign.events.tables import PRESENTATIONS
from evoalign.sorting.settings import Sorting
from evoalign.sorting.stability import COLUMNS, unstable, with_stability
from evoalign.sorting.tables import SPIKES, UNITS

WINDOW = (0, 45)
N_BLOCKS, PER_BLOCK = 20, 60


def filled(contract, n, **columns):
    plain = {"int64": 0, "double": 0.5, "string": "", "bool": True}
    frame = pd.DataFrame({f.name: [plain[str(f.type)]] * n for f in contract})
    return tables.conform(frame.assign(**columns), contract)


def shown(**columns):
    n = N_BLOCKS * PER_BLOCK
    block = np.repeat(np.arange(1, N_BLOCKS + 1), PER_BLOCK)
    return filled(PRESENTATIONS, n, onset_s=1.0 + 0.25 * np.arange(n), block=block, **columns)


def units(n):
    return filled(UNITS, n, unit=np.arange(n), **dict.fromkeys(COLUMNS, np.nan))


def spikes_of(rng, rates_hz, presentations):
    """Poisson spikes at a rate for each presentation ``[unit, presentation]``, and a strong response."""
    rates_hz = np.asarray(rates_hz)
    onset = np.broadcast_to(presentations["onset_s"].to_numpy(), rates_hz.shape).ravel()
    unit = np.broadcast_to(np.arange(len(rates_hz))[:, None], rates_hz.shape).ravel()
    made = []
    for rate, (first, last) in ((rates_hz.ravel(), (0, 0.045)), (100.0, (0.05, 0.2))):
        n = rng.poisson(np.broadcast_to(rate * (last - first), onset.shape))
        times = np.repeat(onset, n) + rng.uniform(first, last, n.sum())
        made.append(pd.DataFrame({"unit": np.repeat(unit, n), "time_s": times}))
    return tables.conform(pd.concat(made, ignore_index=True), SPIKES)


def test_planted_drifts_come_back_and_responses_do_not_count():
    presentations = shown()
    along = (presentations["block"].to_numpy() - 1) / (N_BLOCKS - 1)
    planted = np.array([0.0, 0.8, -1.2])
    rates = 20 * (1 + planted[:, None] * (along - 0.5))
    found = with_stability(
        units(3), spikes_of(np.random.default_rng(0), rates, presentations), presentations, WINDOW
    )
    # 1200 presentations of 0.9 spikes: the standard error of the drift is sqrt(12 / 1080) = 0.1.
    np.testing.assert_allclose(found["baseline_drift"], planted, atol=0.3)
    np.testing.assert_allclose(found["baseline_hz"], 20, atol=2.5)
    assert unstable(found, Sorting()).tolist() == [False, True, True]
    assert not unstable(found, Sorting(stable_drift=3.0)).any()


def test_steady_units_are_called_unstable_at_most_at_the_level():
    presentations = shown()
    steady = np.full((100, len(presentations)), 5.0)
    found = with_stability(
        units(100), spikes_of(np.random.default_rng(1), steady, presentations), presentations, WINDOW
    )
    # At p < 0.05 of 100 units 5 are expected; 14 would be a chance of 1 in 5000.
    assert (found["baseline_p"] < 0.05).sum() < 14
    assert unstable(found, Sorting()).sum() <= 2


@pytest.mark.parametrize(
    "columns", [{"block": -1}, {"block": 1}], ids=["no block is known", "there is one block"]
)
def test_without_blocks_the_trend_runs_over_the_order_of_showing(columns):
    presentations = shown().assign(**columns)
    rates = np.linspace(5, 30, len(presentations))[None]
    found = with_stability(
        units(1), spikes_of(np.random.default_rng(2), rates, presentations), presentations, WINDOW
    )
    assert found["baseline_drift"][0] == pytest.approx(25 / 17.5, abs=0.3)


def test_invalid_presentations_do_not_count():
    presentations = shown().assign(valid=lambda p: p["block"] <= 10)
    rates = np.where(presentations["valid"], 20.0, 200.0)[None]
    found = with_stability(
        units(1), spikes_of(np.random.default_rng(3), rates, presentations), presentations, WINDOW
    )
    assert found["baseline_hz"][0] == pytest.approx(20, abs=3)
    assert not unstable(found, Sorting()).any()


def test_nothing_is_told_of_few_presentations_or_silent_units():
    few = shown().iloc[:9]
    no_spikes = tables.empty(SPIKES)
    pd.testing.assert_frame_equal(with_stability(units(2), no_spikes, few, WINDOW), units(2))
    silent = with_stability(units(1), no_spikes, shown(), WINDOW)
    assert silent["baseline_hz"][0] == 0
    assert silent[["baseline_drift", "baseline_p"]].isna().all(axis=None)
    assert not unstable(silent, Sorting()).any()
