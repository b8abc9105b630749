"""Texture and object are told by the kind of a space: the threads' numbers change no pooled table."""

from dataclasses import replace

import pandas as pd
import pytest

from evoalign import study
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.settings import Analysis
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses

CONFIG = study.Config(device="cpu", analysis=Analysis(n_bootstrap=20, n_permutations=20))


@pytest.fixture(scope="module")
def experiments():
    designs = [one for one in draw_study(170, seed=2) if one.n_blocks <= 24][:14]
    assert not all(one.valid for one in designs)
    return [
        experiment_from(simulate_responses(one, -50, 250), CONFIG.analysis, unstable=one.unstable)
        for one in designs
    ]


def exchanged(experiment):
    """The same experiment with its threads' numbers exchanged."""
    return replace(experiment, thread=1 - experiment.thread, spaces=experiment.spaces[::-1])


def pooled(experiments):
    return pool_sessions([analyse_experiment(one, CONFIG.analysis, 0) for one in experiments], CONFIG)


@pytest.fixture(scope="module")
def as_recorded(experiments):
    return pooled(experiments)


@pytest.mark.parametrize("every", [1, 2], ids=["of all experiments", "of every second experiment"])
def test_exchanged_threads_give_the_same_pooled_tables(experiments, as_recorded, every):
    found = pooled([exchanged(one) if at % every == 0 else one for at, one in enumerate(experiments)])
    assert (found["experiments"]["space_1"] == "fc6").sum() > 3
    for name, frame in as_recorded.items():
        assert len(frame)
        if name not in ("experiments", "success", "time_constants"):
            pd.testing.assert_frame_equal(found[name], frame, rtol=1e-9)


def test_tables_of_each_session_differ_in_the_threads_number_alone(experiments, as_recorded):
    found = pooled([exchanged(one) for one in experiments])
    exchange = {0: 1, 1: 0, -1: -1}
    for name, keys in (
        ("success", ["session", "thread", "statistic"]),
        ("time_constants", ["session", "thread", "level", "theta"]),
    ):
        own = found[name].assign(thread=found[name]["thread"].map(exchange))
        within = own["thread"] >= 0
        expected = as_recorded[name]
        expected = expected[expected["thread"] >= 0]
        pd.testing.assert_frame_equal(
            own[within].set_index(keys).sort_index(), expected.set_index(keys).sort_index(), rtol=1e-9
        )
    columns = {
        f"{name}_{i}": f"{name}_{1 - i}"
        for name in ("space", "optimiser", "best_block", "best_image", "t", "p", "succeeds")
        for i in (0, 1)
    }
    own, expected = found["experiments"].rename(columns=columns), as_recorded["experiments"]
    own = own[expected.columns]
    reason = "reason"  # names the spaces in the order of the threads
    pd.testing.assert_frame_equal(own.drop(columns=reason), expected.drop(columns=reason), rtol=1e-9)
    assert ((own[reason] == "") == (expected[reason] == "")).all()
