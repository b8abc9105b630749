"""Figures of animals, latencies and specifications show their tables, and say so when there is nothing."""

import numpy as np
import pytest

from evoalign import study, tables
from evoalign.analysis import experiment_from, pool_sessions
from evoalign.analysis.session import analyse_experiment
from evoalign.figures.sets import POPULATION_FIGURES
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses

CONFIG = study.Config(device="cpu", analysis=study.Analysis(n_bootstrap=20, n_permutations=20))
NAMES = {
    "latency": ("latencies",),
    "animals": ("animal_contrast", "mixed_effects"),
    "specifications": ("specifications",),
}


@pytest.fixture(scope="module")
def pooled():
    sessions = []
    for design in draw_study(14, seed=3):
        responses = simulate_responses(design, -50, 250)
        experiment = experiment_from(responses, CONFIG.analysis, unstable=design.unstable)
        sessions.append(analyse_experiment(experiment, CONFIG.analysis, 0))
    return pool_sessions(sessions, CONFIG)


@pytest.mark.parametrize("name", NAMES)
def test_figures_of_a_small_study(pooled, name):
    draw, caption = POPULATION_FIGURES[name]
    figure, source = draw(pooled)
    text = caption(pooled)
    assert len(text) > 100 and "nan" not in text.lower() and "n =" in text
    assert all(len(frame) for frame in source.values())
    figure.draw_without_rendering()


def test_points_of_the_specification_curve_are_its_effects(pooled):
    figure, source = POPULATION_FIGURES["specifications"][0](pooled)
    frame = source["a"]
    areas = [area for area in ("V1", "V4", "IT") if area in set(frame["area"])]
    assert "IT" in areas
    for panel, area in zip(figure.axes, areas, strict=False):
        drawn = np.concatenate([points.get_offsets()[:, 1] for points in panel.collections])
        np.testing.assert_allclose(np.sort(drawn), np.sort(frame.loc[frame["area"] == area, "effect"]))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_draw_is_said(name):
    empty = {table: tables.empty(getattr(tables, table.upper())) for table in NAMES[name]}
    draw, caption = POPULATION_FIGURES[name]
    figure, _ = draw(empty)
    assert any("no valid experiment" in text.get_text() for text in figure.axes[0].texts)
    assert caption(empty)
