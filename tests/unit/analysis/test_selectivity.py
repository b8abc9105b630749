"""Selectivity for images of a session that is no paired evolution."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynwb import NWBHDF5IO, NWBFile
from scipy import stats

from evoalign import tables
from evoalign.analysis.session.analyse import analyse_session
from evoalign.analysis.session.selectivity import image_anova, selectivity_tables
from evoalign.figures.captions import FigureSettings
from evoalign.figures.session_pages import draw_session
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.responses.session_responses import SessionResponses, responses_from
from evoalign.sheet import Session
from evoalign.study import Config

CONFIG = Config(device="cpu")
EVOKED = slice(100, 250)  # of counts that begin at -50 ms


def session(rate_hz, images, seed=0, preferred=None, conditions=None):
    """Poisson counts of ``rate_hz [unit, presentation]`` in the evoked window, 5 spikes/s before it."""
    rng = np.random.default_rng(seed)
    rate = np.full((*np.shape(rate_hz), 300), 5.0)
    rate[..., EVOKED] = np.asarray(rate_hz)[..., None]
    n_units, n = np.shape(rate_hz)
    units = pd.DataFrame(
        {"unit": np.arange(n_units) + 3, "kind": "sorted", "area": "IT",
         "preferred": np.arange(n_units) == (-1 if preferred is None else preferred)}
    )  # fmt: skip
    shown = pd.DataFrame(
        {"image": images, "block": -1, "thread": -1, "valid": True, "reference": False,
         "space": [""] * n if conditions is None else conditions, "latent_row": -1}
    )  # fmt: skip
    counts = rng.poisson(rate / 1000).astype(np.uint16)
    return SessionResponses(
        counts=counts, start_ms=-50, units=units, presentations=shown,
        session="s", subject="A", area="IT", codes={},
    )  # fmt: skip


def plain_anova(values, images):
    """F by sums of squares, as a textbook has it."""
    names = [name for name in set(images) if (images == name).sum() > 1]
    groups = [values[images == name] for name in names]
    together = np.concatenate(groups)
    between = sum(len(g) * (g.mean() - together.mean()) ** 2 for g in groups) / (len(groups) - 1)
    inside = sum(((g - g.mean()) ** 2).sum() for g in groups) / (len(together) - len(groups))
    f = between / inside
    return f, stats.f.sf(f, len(groups) - 1, len(together) - len(groups))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=12, max_size=60), st.integers(0, 10**6))
def test_f_and_p_are_those_of_the_sums_of_squares(labels, seed):
    images = np.array([f"im{k}" for k in labels])
    values = np.random.default_rng(seed).normal(10, 3, (2, len(images)))
    found = image_anova(values, images)
    counts = np.unique(images, return_counts=True)[1]
    if (counts > 1).sum() < 2:
        assert np.isnan(found["p"]).all()
        return
    for unit in (0, 1):
        f, p = plain_anova(values[unit], images)
        assert found["f"][unit] == pytest.approx(f, rel=1e-9)
        assert found["p"][unit] == pytest.approx(p, rel=1e-9, abs=1e-300)


def test_units_without_selectivity_are_called_selective_at_the_level():
    """2,000 Poisson units of 5 spikes/s, 20 images x 6: p below .05 in 5 % (binomial: 4.0 to 6.0)."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.75, (2000, 120)) / 0.15
    p = image_anova(counts, np.repeat([f"im{k}" for k in range(20)], 6))["p"]
    assert 0.040 <= (p < 0.05).mean() <= 0.060
    assert stats.kstest(p[np.isfinite(p)], "uniform").statistic < 0.05


def test_the_noise_ceiling_is_the_planted_share_of_variance():
    """Rates of images with a variance across images, Poisson within: share = signal / (signal + noise)."""
    n_images, n_repeats, n_units = 150, 8, 30
    mean = np.random.default_rng(2).gamma(4, 10, (n_units, n_images))
    images = np.tile([f"im{k}" for k in range(n_images)], n_repeats)
    found = selectivity_tables(session(np.tile(mean, n_repeats), images), CONFIG.analysis)["selectivity"]
    signal = mean.var(1, ddof=1)
    noise = mean.mean(1) / 0.15  # of a Poisson count in 150 ms, as a rate
    planted = signal / (signal + noise)
    assert np.abs(found["ceiling"] - planted).mean() < 0.03
    covered = (found["ceiling_low"] <= planted) & (planted <= found["ceiling_high"])
    assert covered.mean() >= 0.85 and (found["q"] < 0.001).all()


def test_rates_best_images_and_psths_are_those_of_the_counts():
    images = np.tile(["a", "b", "c"], 40)
    responses = session(np.tile([[5.0, 60.0, 20.0], [40.0, 5.0, 5.0]], 40), images, preferred=1)
    frames = selectivity_tables(responses, CONFIG.analysis.model_copy(update={"smoothing_sigma_ms": 0}))
    found = frames["selectivity"]
    assert found["best_image"].tolist() == ["b", "a"] and found["shown"].tolist() == [False, True]
    counts = responses.counts[1]
    by_image = frames["image_responses"].set_index("image")
    for name in "abc":
        rates = counts[images == name][:, EVOKED].mean(1) * 1000
        assert by_image.loc[name, "mean_hz"] == pytest.approx(rates.mean())
        assert by_image.loc[name, "sem_hz"] == pytest.approx(stats.sem(rates))
        psth = frames["image_psth"].query("image == @name").sort_values("time_ms")
        np.testing.assert_allclose(psth["mean_hz"], 1000 * counts[images == name][:, 50:250].mean(0))
        assert psth["time_ms"].tolist() == list(range(200))
    everything = frames["image_psth"].query("image == ''").sort_values("time_ms")
    np.testing.assert_allclose(everything["mean_hz"], 1000 * counts[:, 50:250].mean(0))
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(tables.conform(frame, tables.contract_of(name)), frame)


@pytest.mark.parametrize("images", [[f"im{k}" for k in range(12)], ["a"] * 12, ["a", "a", *"bcdefghijk"]])
def test_what_cannot_be_tested_is_unknown(images):
    found = selectivity_tables(session(np.full((2, 12), 20.0), np.array(images)), CONFIG.analysis)
    assert found["selectivity"][["f", "p", "q", "ceiling"]].isna().all(axis=None)
    assert found["selectivity"]["rate_hz"].notna().all()


def test_a_silent_unit_has_no_p():
    images = np.tile(["a", "b", "c"], 4)
    responses = session(np.tile([[50.0, 5.0, 5.0]], 4).repeat(2, 0), images)
    responses.counts[1] = 0
    found = selectivity_tables(responses, CONFIG.analysis)["selectivity"]
    assert np.isfinite(found["p"][0]) and np.isnan(found["p"][1]) and found["shown"].tolist() == [True, False]


def test_presentations_that_are_not_valid_or_not_named_do_not_count():
    images = np.tile(["a", "b", "c", ""], 6)
    responses = session(np.full((1, 24), 30.0), images)
    responses.presentations.loc[:7, "valid"] = False
    found = selectivity_tables(responses, CONFIG.analysis)["selectivity"]
    assert (found["n"][0], found["n_images"][0]) == (12, 3)
    responses.presentations["valid"] = False
    assert selectivity_tables(responses, CONFIG.analysis) == {}


@pytest.mark.parametrize("conditions", [None, ["face", "hand", "face"] * 10])
@pytest.mark.parametrize("preferred", [0, None])
@pytest.mark.parametrize("repeated", [True, False])
def test_the_figure_has_no_empty_panel(conditions, preferred, repeated, tmp_path):
    from evoalign.figures.sets import IMAGE_FIGURES, draw_all

    images = np.tile(["a", "b", "c"], 10) if repeated else np.array([f"im{k:02}" for k in range(30)])
    responses = session(np.tile([[60.0, 5.0, 20.0]], 10).repeat(4, 0), images, 3, preferred, conditions)
    found = selectivity_tables(responses, CONFIG.analysis)
    options = FigureSettings(CONFIG.analysis, CONFIG.encoding, CONFIG.tuning)
    (drawn,) = draw_all(found, options, IMAGE_FIGURES)
    drawn.figure.savefig(tmp_path / "f.png", dpi=50)
    assert len(drawn.figure.axes) == len(drawn.source) == 2 + (conditions is not None) + repeated
    assert all(axes.has_data() for axes in drawn.figure.axes)
    assert ("q < 0.05" in drawn.caption) == repeated and ("No test" in drawn.caption) != repeated
    assert ("of 4 units it has" in drawn.caption) == (preferred is None)


@pytest.mark.parametrize("preferred", ["1a", "1", "99a", ""])
def test_a_plain_file_of_one_unit_and_six_trials_gets_figures_and_tables(preferred, tmp_path):
    nwb = NWBFile("d", "id", dt.datetime(2020, 1, 2, tzinfo=dt.UTC), session_id="s")
    nwb.add_unit(spike_times=np.sort(np.random.default_rng(0).uniform(0, 10, 400)))
    nwb.add_trial_column("image", "shown")
    for k in range(6):
        nwb.add_trial(start_time=1.0 + k, stop_time=1.1 + k, image="ab"[k % 2])
    with NWBHDF5IO(str(tmp_path / "a.nwb"), "w") as io:
        io.write(nwb)
    row = Session(session="s", subject="Cay", nwb="a.nwb", preferred=preferred)
    contents = read_nwb(tmp_path / "a.nwb", Nwb(presentations="trials"), row)
    found = analyse_session(responses_from(contents, CONFIG.responses), CONFIG, preferred=preferred)
    assert found["success"].empty and found["selectivity"]["n_images"].tolist() == [2]
    assert found["selectivity"]["df_within"].tolist() == [4.0]
    options = FigureSettings(CONFIG.analysis, CONFIG.encoding, CONFIG.tuning)
    drawn = {one.name for one in draw_session(contents, found, options, CONFIG.sorting)}
    assert drawn == {"quality", "raster", "image_selectivity"}
