"""Crossovers of thousands of simulated areas: seldom where there is none, found where there is one, and held.

The whole table, with more areas: benchmarks/calibration_crossover.py.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evoalign import study
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.settings import Analysis
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
ALPHA = 0.05
N_AREAS = 400  # of each kind; of every N 2,000 and more


@pytest.fixture(scope="module")
def simulated():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import calibration_crossover
    return calibration_crossover


@pytest.mark.parametrize("n", [5, 10, 20, 38])
def test_a_crossover_is_reported_in_at_most_alpha_of_areas_without_one(simulated, n):
    kinds = [
        "equal drive, 3 times as strong",
        "equal drive, heavy tails",
        "equal drive, 600 against 30 presentations",
        "texture leads to 90 ms, object never",
        "object leads from 110 ms, texture never",
        "object leads first, then texture",
    ]
    rates = {kind: simulated.false_rate(simulated.NULLS[kind], n, N_AREAS) for kind in kinds}
    for kind, rate in rates.items():
        test = stats.binomtest(round(rate * N_AREAS), N_AREAS, ALPHA, "greater")
        assert test.pvalue > 1e-3, (kind, rate)
    # Where both spaces drive a unit alike, two false leads in the one order are needed.
    assert all(rates[kind] <= ALPHA / 2 for kind in kinds if kind.startswith("equal drive"))


@pytest.mark.parametrize("n", [8, 14, 28])
def test_a_crossover_is_reported_in_at_most_alpha_of_sessions_without_one(simulated, n):
    """Of n late blocks."""
    for law in simulated.SESSIONS.values():
        rate = simulated.false_rate(law, n, N_AREAS)
        assert stats.binomtest(round(rate * N_AREAS), N_AREAS, ALPHA, "greater").pvalue > 1e-3


def test_experiments_of_one_site_need_the_mean_of_their_site(simulated):
    """Two experiments a site: taken for independent they find too much, over site means they do not."""
    naive, by_site = (
        simulated.false_rate(simulated.DEPENDENT[kind], 38, N_AREAS)
        for kind in ("object late; sites of 2 experiments", "the same over site means")
    )
    assert stats.binomtest(round(naive * N_AREAS), N_AREAS, ALPHA, "greater").pvalue < 1e-3
    assert stats.binomtest(round(by_site * N_AREAS), N_AREAS, ALPHA, "greater").pvalue > 1e-3


@pytest.mark.parametrize(("n", "least"), [(5, 0.4), (10, 0.9), (20, 0.98), (38, 0.98)])
def test_the_studys_crossover_is_found_at_its_time(simulated, n, least):
    share, middle, spread = simulated.power(simulated.PLANTED["study's effect, 0.5"], n, 150)
    assert share >= least
    # Texture leads until 90 ms, neither until 110 ms.
    assert 90 <= middle <= 110 and spread < 10


@pytest.mark.parametrize("n", [8, 10, 20, 38])
@pytest.mark.parametrize("tails", [np.inf, 3.0])
def test_intervals_hold_the_planted_time_as_often_as_they_say(simulated, n, tails):
    reported, held, _ = simulated.coverage(tails, n, N_AREAS)
    assert reported > N_AREAS / 2
    assert stats.binomtest(held, reported, 0.95).pvalue > 1e-3


def test_null_sessions_and_their_areas_have_no_crossover_more_often_than_alpha():
    """Whole sessions of the sample study without a difference between the spaces."""
    config = study.Config(device="cpu", analysis=Analysis(n_bootstrap=20, bins_ms=(10, 50)))
    span = (config.responses.start_ms, config.responses.stop_ms)
    designs = [one for one in draw_study(90, seed=3) if one.n_blocks <= 30][:40]
    responses = [simulate_responses(one, *span, null=True) for one in designs]
    tables = [
        analyse_experiment(experiment_from(one, config.analysis), config.analysis, 0) for one in responses
    ]
    found = pool_sessions(tables, config)["crossover"]
    sessions, areas = (found[found["scope"] == scope] for scope in ("session", "area"))
    assert len(sessions) >= 30 and (areas["n"] >= 5).any()
    assert (
        stats.binomtest(int(sessions["crossover_ms"].notna().sum()), len(sessions), ALPHA, "greater").pvalue
        > 1e-3
    )
    assert areas["crossover_ms"].isna().all()
    assert (found["reason"] != "").eq(found["crossover_ms"].isna()).all()
