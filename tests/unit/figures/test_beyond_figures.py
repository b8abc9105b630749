"""Figures beyond the study and of strict success show their tables, and say so when there is nothing."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from evoalign import study, tables
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.settings import Analysis
from evoalign.figures.captions import FigureSettings
from evoalign.figures.sets import POPULATION_FIGURES
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses

CONFIG = study.Config(device="cpu", analysis=Analysis(n_bootstrap=20, n_permutations=20))
SETTINGS = FigureSettings(CONFIG.analysis, CONFIG.encoding, CONFIG.tuning, CONFIG.prototypes)
NAMES = {
    "latency": ("latencies",),
    "animals": ("animal_contrast", "mixed_effects"),
    "specifications": ("specifications",),
    "strict_trajectories": ("population_trajectories", "success_rates"),
    "time_constants": (
        *("time_constants", "population_time_constants", "time_constant_tests"),
        *("experiments", "success_rates"),
    ),
    "success_splits": ("success_splits", "success_rates"),
    "attribution": ("population_attribution", "population_centres", "success_rates"),
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
    figure, source = draw(pooled, SETTINGS)
    text = caption(pooled, SETTINGS)
    assert len(text) > 100 and "nan" not in text.lower() and "n =" in text
    assert all(len(frame) for frame in source.values())
    figure.draw_without_rendering()


def test_points_of_the_specification_curve_are_its_effects(pooled):
    figure, source = POPULATION_FIGURES["specifications"][0](pooled, SETTINGS)
    frame = source["a"]
    areas = [area for area in ("V1", "V4", "IT") if area in set(frame["area"])]
    assert "IT" in areas
    for panel, area in zip(figure.axes, areas, strict=False):
        drawn = np.concatenate([points.get_offsets()[:, 1] for points in panel.collections])
        np.testing.assert_allclose(np.sort(drawn), np.sort(frame.loc[frame["area"] == area, "effect"]))


def test_strict_trajectories_are_the_means_of_those_in_which_both_threads_succeed_strictly(pooled):
    figure, source = POPULATION_FIGURES["strict_trajectories"][0](pooled, SETTINGS)
    own = pooled["experiments"]
    own = own[own["valid"] & own["succeeds_0"] & own["succeeds_1"]]
    assert len(own) < (pooled["experiments"]["valid"] & pooled["experiments"]["both_succeed"]).sum()
    frame = source["a"]
    assert set(frame["area"]) == set(own["area"])
    for area, rows in frame.groupby("area"):
        assert (rows["n"] == (own["area"] == area).sum()).all()
    # Rows of panels go along the hierarchy, columns along time.
    area = next(area for area in ("V1", "V4", "IT") if area in set(own["area"]))
    first = frame[(frame["area"] == area) & (frame["start_ms"] == 50)].sort_values("block_index")
    drawn = {round(float(y), 9) for line in figure.axes[0].lines for y in line.get_ydata()}
    assert drawn == {round(float(y), 9) for y in (*first["texture_mean"], *first["object_mean"])}
    text = POPULATION_FIGURES["strict_trajectories"][1](pooled, SETTINGS)
    assert f"p < {CONFIG.analysis.success_p:g}" in text
    absent = set(pooled["experiments"].loc[pooled["experiments"]["valid"], "area"]) - set(own["area"])
    assert ("none in" in text) == bool(absent)


@pytest.mark.parametrize("name", ["population_trajectories", "binned_trajectories", "strict_trajectories"])
def test_padded_trajectories_tell_how_many_experiments_showed_a_block(pooled, name):
    figure, source = POPULATION_FIGURES[name][0](pooled, SETTINGS)
    figure.draw_without_rendering()
    frame = source["a"]
    area = next(area for area in ("V1", "V4", "IT") if area in set(frame["area"]))
    rows = frame[(frame["area"] == area) & (frame["start_ms"] == 50)].sort_values("block_index")
    n_real = rows["n_real"].to_numpy()
    written = [int(text.get_text()) for text in figure.axes[0].texts if text.get_text().isdigit()]
    assert written[0] == n_real[0] == rows["n"].max() and written[-1] == n_real[-1]
    assert "experiments that showed the block" in POPULATION_FIGURES[name][1](pooled, SETTINGS)


def test_attribution_has_a_row_of_panels_for_every_width_with_its_dots(pooled):
    figure, source = POPULATION_FIGURES["attribution"][0](pooled, SETTINGS)
    frame = source["a"].assign(width=source["a"]["stop_ms"] - source["a"]["start_ms"])
    widths = sorted(frame["width"].unique())
    assert widths == list(CONFIG.analysis.bins_ms)
    areas = [area for area in ("V1", "V4", "IT") if area in set(frame["area"])]
    assert len(figure.axes) == len(widths) * len(areas)
    seen = 0
    for panel, (width, area) in zip(figure.axes, ((w, a) for w in widths for a in areas), strict=True):
        rows = frame[(frame["width"] == width) & (frame["area"] == area)]
        dots = np.concatenate([c.get_offsets() for c in panel.collections if isinstance(c, PathCollection)])
        expected = rows.loc[rows["larger"] != "", ["start_ms", "stop_ms"]].mean(axis=1)
        np.testing.assert_allclose(np.sort(dots[:, 0]), np.sort(expected))
        seen += len(expected)
    assert seen > 0
    assert "5, 10, 20, 25, 50 ms" in POPULATION_FIGURES["attribution"][1](pooled, SETTINGS)


def test_success_is_told_by_optimiser_where_the_sheet_names_them(pooled):
    draw, caption = POPULATION_FIGURES["success_splits"]
    figure, source = draw(pooled, SETTINGS)
    assert set(source) == {"a"} and "names no optimisers" in caption(pooled, SETTINGS)
    splits = pooled["success_splits"]
    known = splits.assign(split="optimiser", name=splits["name"].replace({"fc6": "CMA-ES"}))
    both = {**pooled, "success_splits": pd.concat([splits, known])}
    figure, source = draw(both, SETTINGS)
    assert set(source) == {"a", "b"} and len(figure.axes) == 2
    assert "b, The same by optimiser" in caption(both, SETTINGS)
    drawn = np.sort([bar.get_height() for bar in figure.axes[0].patches])
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], np.sort(source["a"]["rate"]))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_draw_is_said(name):
    empty = {table: tables.empty(tables.contract_of(table)) for table in NAMES[name]}
    draw, caption = POPULATION_FIGURES[name]
    figure, _ = draw(empty, SETTINGS)
    assert any("no valid experiment" in text.get_text() for text in figure.axes[0].texts)
    assert caption(empty, SETTINGS)
