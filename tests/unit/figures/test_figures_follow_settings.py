"""Every figure under a second set of settings: caption, marks and axes are of these, not of the default."""

import datetime as dt
import re

import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from evoalign import study
from evoalign.analysis.pooling.encoding import pool_encoding
from evoalign.analysis.pooling.tuning import pool_tuning
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.settings import Analysis, Encoding, Tuning
from evoalign.analysis.tuning.session import tune_session
from evoalign.figures import evolved_images, paired_evolution, pairings, prototypes, reference_responses
from evoalign.figures.captions import FigureSettings
from evoalign.figures.sets import (
    POPULATION_FIGURES,
    POPULATION_TUNING_FIGURES,
    SESSION_FIGURES,
    TUNING_FIGURES,
    Drawn,
    draw_all,
)
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses
from evoalign.simulate.tuning import TuningDesign, simulate_tuning_responses
from evoalign.spaces.settings import Prototypes

DEFAULT = study.Config(device="cpu", analysis=Analysis(n_bootstrap=20, n_permutations=200))
SECOND = study.Config(
    device="cpu",
    analysis=Analysis(
        smoothing_sigma_ms=3.5,
        evoked_ms=(60, 180),
        baseline_ms=(3, 33),
        window_ms=(0, 240),
        bins_ms=(12, 24),
        figure_bin_ms=12,
        success_p=0.013,
        both_succeed_p=0.071,
        time_constant_theta=0.77,
        time_constant_alternative=0.87,
        fdr=0.31,
        crossover_bins=4,
        success_interval=0.54,
        attribution_from_ms=62,
        late_fraction=0.42,
        n_bootstrap=20,
        n_permutations=200,
        interval=0.83,
        lead_p=0.21,
        cluster_p=0.2,
    ),
    encoding=Encoding(window_ms=(0, 200), interval=0.86, index_level=0.034, fdr=0.22),
    tuning=Tuning(gp_restarts=0, anova_p=0.037, reach=0.32, centre=0.05, interval=0.88, success_p=0.024),
    prototypes=Prototypes(efficientnet=False, measure="pixel", prototype="average", mask="none"),
)
# What a caption says of the default settings and must not say of the second.
OF_DEFAULT = re.compile(
    r"q < 0\.05\b|p < 0\.05\b|p < 0\.01\b|95 %|5 %|25 ms|50 to 200|0 to 45|50 %|exceeds 0\.8 |SD 2 ms"
    r"|at least 3|±0\.4|to 0\.08|\bbest\b(?= of each)"
)
PAPER_INTERVALS = re.compile(r"Differences of means with 95 % intervals|its 95 % interval \(Fisher")
NAMED = {
    "animals": ("q < 0.31", "83 % interval", "last 42 %", "60 to 180 ms"),
    "attribution": ("q < 0.31", "from 62 ms on", "p < 0.013", "bins of 12, 24 ms"),
    "binned_trajectories": ("q < 0.31", "12 ms bins", "p < 0.071"),
    "binned_difference": ("q < 0.31", "12 ms bins", "p < 0.071"),
    "strict_trajectories": ("q < 0.31", "at p < 0.013"),
    "crossover": ("q < 0.31", "83 % interval", "p < 0.21", "last 42 %"),
    "latency": ("at least 4", "83 % interval", "p < 0.21", "last 42 %", "p < 0.071"),
    "population_psth": ("p < 0.071",),
    "population_trajectories": ("q < 0.31", "60 to 180 ms", "p < 0.071"),
    "specifications": ("p < 0.31", "last 42 %"),
    "success_activation": ("23 % and 77 % quantiles", "p < 0.013", "p < 0.071", "60 to 180 ms"),
    "success_splits": ("23 % and 77 % quantiles", "p < 0.013"),
    "time_constants": ("exceeds 0.77 of", "p < 0.013"),
    "alignment_index": ("86 % interval", "p < 0.21"),
    "hessian_spectrum": (),
    "unit_heatmaps": ("p < 0.034",),
    "stacked_psth": ("SD 3.5 ms", "60 to 180 ms"),
    "tuning": ("p < 0.037", "q < 0.31", "60 to 180 ms"),
    "tuning_heatmaps": ("60 to 180 ms",),
    "tuning_shapes": ("p < 0.037", "88 % Wilson", "±0.32", "to 0.05"),
    "tuning_peaks": ("88 % Wilson", "±0.32"),
    "paired_evolution": ("60 to 180 ms", "3 to 33 ms"),
    "evolved_images": ("60 to 180 ms",),
    "reference_responses": ("60 to 180 ms",),
    "image_similarity": ("q < 0.31", "(average)", "60 to 180 ms"),
    "image_pairings": ("q < 0.31", "83 % of a normal", "(average)"),
    "prototypes": ("(average)",),
}
# Their axes of time end where the tables do: the evoked window, or windows that lie inside it.
MAPS = ("binned_difference", "hessian_spectrum", "unit_heatmaps")


def drawn_with(config):
    return FigureSettings(config.analysis, config.encoding, config.tuning, config.prototypes)


def sessions_of(config):
    """Tables of 14 simulated evolutions."""
    for design in draw_study(14, seed=3):
        experiment = experiment_from(
            simulate_responses(design, -50, 250), config.analysis, unstable=design.unstable
        )
        yield analyse_experiment(experiment, config.analysis, 0)


@pytest.fixture(scope="module")
def results():
    """Each configuration's tables: of one session, and pooled."""
    found = {}
    for name, config in (("default", DEFAULT), ("second", SECOND)):
        evolutions = list(sessions_of(config))
        start = dt.datetime(2026, 3, 20, 10, 0, tzinfo=dt.UTC)
        designs = [TuningDesign(f"t{i}", "A", "IT", "6a", 6, start, 40 + i, repeats=3) for i in range(2)]
        tuned = [tune_session(simulate_tuning_responses(one, -50, 250), config) for one in designs]
        pooled = pool_sessions(evolutions, config) | pool_encoding([], config)
        pooled |= pool_tuning(tuned, {}, config)
        session = next(one for one in evolutions if one["experiments"]["valid"].iloc[0])
        found[name] = (session | tuned[0], pooled)
    return found


def similarity_tables():
    """Image distances of eight experiments, and their tests with q = 0.2: between the two levels."""
    rng = np.random.default_rng(0)
    base = {"prototype": "average", "measure": "pixel", "mask": "none"}
    n = 8
    points = pd.DataFrame(
        {
            **base,
            "session": [f"s{i}" for i in range(n)],
            "area": "IT",
            "valid": True,
            "both_succeed": True,
            "distance": rng.random(n),
            "shuffled": rng.random(n),
            "psth_distance": rng.random(n),
            "activation_distance": rng.random(n),
        }
    )
    test = {**base, "selection": "both", "n": n, "q": 0.2}
    found = {"pearson_r": 0.5, "pearson_p": 0.2, "spearman_r": 0.4, "spearman_p": 0.2}
    correlations = pd.DataFrame(
        [
            {**test, **found, "area": "all", "response": response, "pearson_low": 0.1, "pearson_high": 0.8}
            for response in ("psth", "activation")
        ]
    )
    paired = pd.DataFrame([{**test, "area": area, "p": 0.2, "z": -1.3} for area in ("IT", "all")])
    made = pd.DataFrame(
        [
            {"session": f"s{i}", "thread": t, "kind": k}
            for i in range(n)
            for t, k in enumerate(("texture", "object"))
        ]
    )
    return {
        "image_distances": points,
        "distance_correlations": correlations,
        "image_pairings": paired,
        "prototypes": made,
    }


def draw_every(tables, settings, encoded):
    """Every figure of the sets, and those that need more than tables."""
    session, pooled = tables
    yield from draw_all(pooled | encoded, settings, POPULATION_FIGURES)
    yield from draw_all(session | encoded, settings, SESSION_FIGURES)
    yield from draw_all(session, settings, TUNING_FIGURES)
    yield from draw_all(pooled, settings, POPULATION_TUNING_FIGURES)
    names = [*session["block_images"]["image"], *session["reference_images"]["image"]]
    images = {name: np.zeros((8, 8, 3), np.uint8) for name in names}
    page = paired_evolution.draw_paired_evolution(session)
    yield Drawn("paired_evolution", *page, paired_evolution.caption(session, settings))
    strip = evolved_images.draw_evolved_images(session, images)
    yield Drawn("evolved_images", *strip, evolved_images.caption(session, settings, images))
    natural = reference_responses.draw_reference_responses(session, settings, images)
    yield Drawn("reference_responses", *natural, reference_responses.caption(session, settings))
    similar = similarity_tables()
    page = prototypes.draw_image_similarity(similar, settings)
    yield Drawn("image_similarity", *page, prototypes.caption_image_similarity(similar, settings))
    page = pairings.draw_pairings(similar, settings)
    yield Drawn("image_pairings", *page, pairings.caption_pairings(similar, settings))
    pictures = {
        f"s{i}_thread{t:03d}_average": np.zeros((8, 8, 3), np.uint8) for i in range(8) for t in (0, 1)
    }
    page = prototypes.draw_prototypes(similar, pictures, settings)
    yield Drawn("prototypes", *page, prototypes.caption_prototypes(similar, settings))


@pytest.fixture(scope="module")
def second(results, encoding_tables):
    """Figures by name; they are only looked at."""
    return {one.name: one for one in draw_every(results["second"], drawn_with(SECOND), encoding_tables)}


def dots(panel):
    """Places of the marks along the top of a panel."""
    marks = [c for c in panel.collections if isinstance(c, PathCollection)]
    above = [c.get_offsets() for c in marks if c.get_offset_transform() == panel.get_xaxis_transform()]
    return np.sort(np.concatenate(above)[:, 0]) if above else np.zeros(0)


def test_every_figure_is_held(second):
    assert set(NAMED) == set(second)


def test_captions_name_the_settings_and_no_number_of_the_default(second):
    for name, one in second.items():
        caption = PAPER_INTERVALS.sub("", one.caption)
        assert not OF_DEFAULT.search(caption), (name, OF_DEFAULT.findall(caption), caption)
        for words in NAMED[name]:
            assert words in one.caption, (name, words, one.caption)
        texts = [text.get_text() for text in one.figure.findobj(matplotlib.text.Text)]
        assert not any("q < 0.05" in text for text in texts), name


def test_captions_of_the_default_name_its_numbers(results, made):
    settings = drawn_with(DEFAULT.model_copy(update={"prototypes": SECOND.prototypes}))
    found = {one.name: one.caption for one in draw_every(results["default"], settings, made)}
    said = {name: OF_DEFAULT.findall(PAPER_INTERVALS.sub("", text)) for name, text in found.items()}
    assert "5 % and 95 % quantiles" in found["success_activation"]
    assert "from 25 ms on" in found["attribution"] and "at least 3 of them" in found["latency"]
    # The pattern that must not be found of the second settings is found of the first.
    silent = {name for name, numbers in said.items() if not numbers}
    assert silent <= {"hessian_spectrum", "prototypes"}, silent


def test_time_axes_end_where_the_window_does(second):
    checked = 0
    for name, one in second.items():
        window = SECOND.encoding.window_ms if name == "alignment_index" else SECOND.analysis.window_ms
        for panel in one.figure.axes:
            if (
                "ms from image onset" not in panel.get_xlabel()
                and "image onset (ms)" not in panel.get_xlabel()
            ):
                continue
            if name in MAPS or panel.images:
                continue
            assert panel.get_xlim() == window, name
            checked += 1
    assert checked > 10


def test_dots_are_those_of_the_second_level(second, results):
    pooled = results["second"][1]
    level, areas = (
        SECOND.analysis.fdr,
        [a for a in ("V1", "V4", "IT") if a in set(pooled["crossover"]["area"])],
    )
    frames = {
        "crossover": (pooled["population_contrast"], "z_q"),
        "animals": (pooled["mixed_effects"], "q_animals"),
    }
    between = 0
    for name, (frame, column) in frames.items():
        frame = frame[frame["window"] == "binned"]
        for panel, area in zip(second[name].figure.axes, areas, strict=False):
            rows = frame[frame["area"] == area]
            marked = rows[rows[column] < level]
            np.testing.assert_allclose(dots(panel), np.sort(marked[["start_ms", "stop_ms"]].mean(axis=1)))
            between += int((marked[column] >= DEFAULT.analysis.fdr).sum())
    assert between > 0, "some dots are of the second level alone"


def test_filled_points_are_those_of_the_second_level(second, results):
    frame = second["specifications"].source["a"]
    n = sum(
        len(points.get_offsets())
        for panel in second["specifications"].figure.axes
        for points in panel.collections
        if isinstance(points, PathCollection) and points.get_linewidth()[0] == 0
    )
    level = SECOND.analysis.fdr
    assert n == (frame["p"] < level).sum() > (frame["p"] < DEFAULT.analysis.fdr).sum()
    for name in ("image_similarity", "image_pairings"):  # q = 0.2
        faces = [
            line.get_markerfacecolor()
            for panel in second[name].figure.axes
            for line in panel.lines
            if line.get_marker() == "o" and line.get_color() in ("black", "white")
        ]
        assert faces == ["black"], name
    pooled = results["second"][1]
    times = pooled["time_constants"]["theta"].unique()
    assert set(times) == {0.77, 0.87}, "the figure's is not the larger"


def test_bars_of_the_null_distribution_are_of_the_interval(second):
    panel = second["image_pairings"].figure.axes[1]
    band = panel.patches[0]
    # 1.3722 standard deviations hold 83 % of a normal distribution.
    assert band.get_width() == pytest.approx(2 * 1.3722, abs=1e-3)
