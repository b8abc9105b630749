"""Figures of tuning show their tables; a study without tuning sessions has none of them."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from evoalign import study, tables
from evoalign.analysis.pooling.encoding import pool_encoding
from evoalign.analysis.pooling.similarity import compare_prototypes
from evoalign.analysis.pooling.tuning import pool_tuning
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.settings import Tuning
from evoalign.analysis.tables import EXPERIMENTS
from evoalign.analysis.tuning.session import tune_session
from evoalign.figures.captions import FigureSettings
from evoalign.figures.panels import p_words
from evoalign.figures.report_tables import notes, sections
from evoalign.figures.sets import (
    POPULATION_FIGURES,
    POPULATION_TUNING_FIGURES,
    TUNING_FIGURES,
    draw_all,
    draw_population,
)
from evoalign.simulate.tuning import TuningDesign, simulate_tuning_responses

CONFIG = study.Config(device="cpu", tuning=Tuning(gp_restarts=0))
SETTINGS = FigureSettings(CONFIG.analysis, CONFIG.encoding, CONFIG.tuning, CONFIG.prototypes)
START = dt.datetime(2026, 3, 20, 10, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def sessions():
    designs = [TuningDesign(f"t{i}", "A", "IT", "6a", 6, START, 40 + i, repeats=3) for i in range(2)]
    with threadpool_limits(1):
        return [tune_session(simulate_tuning_responses(one, -50, 250), CONFIG) for one in designs]


@pytest.fixture(scope="module")
def pooled(sessions):
    return pool_tuning(sessions, {}, CONFIG)


def test_the_session_figure_shows_the_mean_rates(sessions):
    drawn = next(draw_all(sessions[0], SETTINGS, TUNING_FIGURES))
    curves = sessions[0]["tuning_curves"]
    expected = curves[curves["subspace"] == "noise"].pivot_table(
        index="axis", columns="distance", values="mean_hz"
    )
    images = [image.get_array() for axes in drawn.figure.axes for image in axes.get_images()]
    assert any(image.shape == expected.shape and np.allclose(image, expected) for image in images)
    np.testing.assert_allclose(drawn.source["b"].drop(columns="axis"), expected)
    smallest = sessions[0]["tuning_axes"].nsmallest(5, "p")[["subspace", "axis"]]
    shown = drawn.source["c"][["subspace", "axis"]].drop_duplicates()
    assert shown.to_numpy().tolist() == smallest.to_numpy().tolist()
    assert (
        "78" not in drawn.caption.split("presentations")[1] and "468 presentations, 19 axes" in drawn.caption
    )


def test_axes_say_what_was_measured(sessions):
    for kind, label, words in (
        ("sorted", "Rate (spikes/s)", "Tuning of the preferred unit "),
        ("envelope", "MUAe (µV)", "Tuning of the preferred electrode's multi-unit envelope"),
    ):
        drawn = next(
            draw_all({**sessions[0], "unit": pd.DataFrame({"kind": [kind]})}, SETTINGS, TUNING_FIGURES)
        )
        labels = [axes.get_ylabel() for axes in drawn.figure.axes]
        assert labels.count(label) == 2, "of the curves, and of the heatmaps' colour bar"
        assert drawn.caption.startswith(words)


def test_a_session_without_fitted_axes_is_drawn(sessions):
    few = {**sessions[0], **{n: tables.empty(tables.contract_of(n)) for n in ("tuning_axes", "tuning_fits")}}
    drawn = next(draw_all(few, SETTINGS, TUNING_FIGURES))
    drawn.figure.draw_without_rendering()
    assert any("no axis" in text.get_text() for axes in drawn.figure.axes for text in axes.texts)


@pytest.mark.parametrize("name", POPULATION_TUNING_FIGURES)
def test_pooled_figures_state_n_and_hold_their_values(pooled, name):
    drawn = next(draw_all(pooled, SETTINGS, {name: POPULATION_TUNING_FIGURES[name]}))
    drawn.figure.draw_without_rendering()
    assert "2 sessions: 2 after none" in drawn.caption and "nan" not in drawn.caption
    assert all(len(frame) for frame in drawn.source.values())
    if name == "tuning_shapes":
        assert "No test" in drawn.caption, "no evolution is known"


def test_shapes_compare_success_over_axes_and_over_sessions(sessions):
    halves = ("succeeds", "fails")
    blocks = pd.DataFrame({"kind": "object", "thread": 1, "block_index": [0, 1], "stimuli": "generated"})
    blocks = blocks.assign(window="evoked", sem_hz=1.0, n=20)
    copies, evolutions, follows = [], [], {}
    for number in range(6):
        name = f"c{number}"
        copies.append({key: frame.assign(session=name) for key, frame in sessions[number % 2].items()})
        mean = [10.0, 30.0 if number % 2 else 9.0]
        evolutions.append({"trajectories": blocks.assign(session=f"e{number}", mean_hz=mean)})
        follows[name] = f"e{number}"
    compared = pool_tuning([*copies, *evolutions], follows, CONFIG)
    assert compared["tuning_sessions"]["success"].tolist() == [halves[(n + 1) % 2] for n in range(6)]
    drawn = next(draw_all(compared, SETTINGS, {"tuning_shapes": POPULATION_TUNING_FIGURES["tuning_shapes"]}))
    drawn.figure.draw_without_rendering()
    tests = compared["tuning_tests"].query("area == 'all' and subspace == 'both'").set_index("measure")
    said = [text.get_text() for text in drawn.figure.axes[0].texts]
    for name in ("p", "session_p"):
        assert p_words(tests.loc["monotonic", name]) in said
    for words in (
        "smaller for monotonic",
        "success permuted over sessions (3 against 3",
        "last block against first",
    ):
        assert words in drawn.caption


def test_peaks_on_the_page_are_those_of_the_table(pooled):
    drawn = next(draw_all(pooled, SETTINGS, {"tuning_peaks": POPULATION_TUNING_FIGURES["tuning_peaks"]}))
    own = pooled["tuning_peaks"].query("area == 'all' and subspace == 'class' and success == 'all'")
    lines = [line.get_ydata() for line in drawn.figure.axes[1].get_lines()]
    assert any(np.array_equal(line, own["fraction"]) for line in lines if len(line) == len(own))


def test_a_study_without_tuning_has_no_figure_of_it(pooled):
    nothing = pool_sessions([], CONFIG) | pool_encoding([], CONFIG) | pool_tuning([], {}, CONFIG)
    nothing |= compare_prototypes([], {}.__getitem__, CONFIG)[0]
    assert [drawn.name for drawn in draw_population(nothing, {}, SETTINGS)] == list(POPULATION_FIGURES)
    with_tuning = [drawn.name for drawn in draw_population(nothing | pooled, {}, SETTINGS)]
    assert with_tuning == [*POPULATION_FIGURES, *POPULATION_TUNING_FIGURES]


def test_the_report_lists_tuning_sessions(pooled, tmp_path):
    tables.write_all(pooled, tmp_path / "tuning")
    tables.write_all({"experiments": tables.empty(EXPERIMENTS)}, tmp_path / "pooled")
    given = {"pooled": [tmp_path / "pooled"], "tuning": [tmp_path / "tuning"], "alignment": [], "logs": []}
    (found,) = sections(given, recorded=[], packaged=[])
    assert found.title == "Tuning" and "<td>t0</td>" in found.html and "<td>unknown</td>" in found.html
    assert notes(given, ["t0", "t1"]) == {"t0": "PIT, Hessian tuning", "t1": "PIT, Hessian tuning"}
